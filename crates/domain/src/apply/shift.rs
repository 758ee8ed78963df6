//! Facts of shifts applied.

use muster_proto::Event;
use muster_proto::v1;

use super::{At, hours};
use crate::ids::{CallRef, ResponderRef, ShiftRef, SiteRef, SwapRef};
use crate::limits;
use crate::state::{CallPhase, Shift, ShiftPhase, State, Swap, Timer};

pub(super) fn apply(state: &mut State, at: &At, event: &Event) -> Option<()> {
    match event {
        Event::ShiftsScheduled(body) => {
            let site = state.ops.sites.find(&body.site_id)?;
            for entry in &body.shifts {
                let key = add(state, site, &entry.shift_id, planned(site, entry));
                state.set_timer(entry.opens_at_ms, Timer::ShiftOpens(key));
            }
        }
        Event::ShiftRostered(body) => {
            let key = state.ops.shifts.find(&body.shift_id)?;
            let person = |line: &v1::ShiftLine| Some((line.seat_id.as_str().into(), state.base.responders.find(&line.responder_id)?));
            let roster = body.lines.iter().filter_map(person).collect();
            set_roster(state, key, roster);
        }
        Event::ShiftOpened(body) => opened(state, body)?,
        Event::SwapProposed(body) => {
            let swap = Swap {
                shift: state.ops.shifts.find(&body.shift_id)?,
                responder: state.base.responders.find(&body.responder_id)?,
                other_shift: state.ops.shifts.find(&body.other_shift_id),
                other: state.base.responders.find(&body.other_responder_id)?,
                answered: false,
            };
            state.ops.swaps.push(swap);
        }
        Event::ShiftsSwapped(body) => swapped(state, find_swap(state, &body.swap_id)?),
        Event::SwapDeclined(body) => {
            let key = find_swap(state, &body.swap_id)?;
            state.ops.swaps.get_mut(key).answered = true;
        }
        Event::HandedOver(body) => {
            let key = state.ops.shifts.find(&body.shift_id)?;
            state.ops.shifts.get_mut(key).handed_over = true;
        }
        Event::ShiftHeld(body) => {
            let key = state.ops.shifts.find(&body.shift_id)?;
            state.ops.shifts.get_mut(key).phase = ShiftPhase::Held;
            look_at_end(state, key, body.look_again_ms);
            // Who is asked to stay is not looked for before.
            wait_for_check_outs(state, key, body.look_again_ms + limits::PERIOD_GRACE_MS);
        }
        Event::ShiftClosed(body) => {
            let key = state.ops.shifts.find(&body.shift_id)?;
            wait_for_check_outs(state, key, at.recorded_at_ms + limits::PERIOD_GRACE_MS);
            close(state, key);
        }
        Event::FatigueRaised(_) => hours::watch(state, at, event)?,
        _ => {}
    }
    Some(())
}

fn find_swap(state: &State, swap_id: &str) -> Option<SwapRef> {
    let key = SwapRef::parse(swap_id)?;
    state.ops.swaps.find(key).map(|_| key)
}

fn planned(site: SiteRef, entry: &v1::ShiftEntry) -> Shift {
    Shift {
        site,
        label: entry.shift.as_str().into(),
        from_ms: entry.from_ms,
        until_ms: entry.until_ms,
        minimum: entry.minimum,
        phase: ShiftPhase::Planned,
        opens_due_ms: entry.opens_at_ms,
        ends_due_ms: 0,
        roster: Vec::new(),
        calls: Default::default(),
        handed_over: false,
    }
}

fn add(state: &mut State, site: SiteRef, shift_id: &str, shift: Shift) -> ShiftRef {
    let key = state.ops.shifts.insert(shift_id, shift);
    state.ops.sites.get_mut(site).shifts.push(key);
    key
}

fn opened(state: &mut State, body: &v1::ShiftOpened) -> Option<()> {
    let site = state.ops.sites.find(&body.site_id)?;
    let key = match state.ops.shifts.find(&body.shift_id) {
        Some(key) => key,
        None => {
            let entry = v1::ShiftEntry {
                shift: body.shift.clone(),
                from_ms: body.from_ms,
                until_ms: body.until_ms,
                minimum: body.minimum,
                ..Default::default()
            };
            add(state, site, &body.shift_id, planned(site, &entry))
        }
    };
    opening_settled(state, key);
    state.ops.shifts.get_mut(key).phase = ShiftPhase::Open;
    look_at_end(state, key, body.until_ms);
    Some(())
}

/// Nobody waits for the opening any more.
fn opening_settled(state: &mut State, key: ShiftRef) {
    let due_ms = std::mem::take(&mut state.ops.shifts.get_mut(key).opens_due_ms);
    state.clear_timer(due_ms, Timer::ShiftOpens(key));
}

fn look_at_end(state: &mut State, key: ShiftRef, due_ms: i64) {
    let former_ms = std::mem::replace(&mut state.ops.shifts.get_mut(key).ends_due_ms, due_ms);
    state.clear_timer(former_ms, Timer::ShiftEnds(key));
    state.set_timer(due_ms, Timer::ShiftEnds(key));
}

/// Moves the moment from which a missing check-out counts, for who is on post; never to an earlier one.
fn wait_for_check_outs(state: &mut State, key: ShiftRef, due_ms: i64) {
    let calls: Vec<CallRef> = state.ops.shifts.get(key).calls.iter().copied().collect();
    for call_key in calls {
        let call = state.ops.calls.get_mut(call_key);
        let there = matches!(call.phase, CallPhase::OnPost | CallPhase::Recalled);
        let former_ms = call.period_due_ms;
        if there && former_ms != 0 && former_ms < due_ms {
            call.period_due_ms = due_ms;
            state.clear_timer(former_ms, Timer::PeriodEnd(call_key));
            state.set_timer(due_ms, Timer::PeriodEnd(call_key));
        }
    }
}

/// The end of a shift, by its close or with its site.
pub(super) fn close(state: &mut State, key: ShiftRef) {
    opening_settled(state, key);
    look_at_end(state, key, 0);
    set_roster(state, key, Vec::new());
    state.ops.shifts.get_mut(key).phase = ShiftPhase::Closed;
}

fn set_roster(state: &mut State, key: ShiftRef, roster: Vec<(Box<str>, ResponderRef)>) {
    let shift = state.ops.shifts.get_mut(key);
    let realm = state.ops.incidents.get(state.ops.sites.get(shift.site).incident).realm;
    let former = std::mem::replace(&mut shift.roster, roster);
    let people: Vec<ResponderRef> = shift.roster.iter().map(|(_, who)| *who).collect();
    let rosters = &mut state.ops.realms.get_mut(realm).rosters;
    for (_, who) in former {
        if let Some(shifts) = rosters.get_mut(&who) {
            shifts.retain(|held| *held != key);
            if shifts.is_empty() {
                rosters.remove(&who);
            }
        }
    }
    for who in people {
        let shifts = rosters.entry(who).or_default();
        if !shifts.contains(&key) {
            shifts.push(key);
        }
    }
}

fn swapped(state: &mut State, key: SwapRef) {
    let swap = state.ops.swaps.get_mut(key);
    swap.answered = true;
    let (shift, other_shift, responder, other) = (swap.shift, swap.other_shift, swap.responder, swap.other);
    replace(state, shift, responder, other);
    if let Some(other_shift) = other_shift {
        replace(state, other_shift, other, responder);
    }
}

fn replace(state: &mut State, key: ShiftRef, from: ResponderRef, to: ResponderRef) {
    let mut roster = state.ops.shifts.get(key).roster.clone();
    roster.iter_mut().filter(|(_, who)| *who == from).for_each(|line| line.1 = to);
    set_roster(state, key, roster);
}
