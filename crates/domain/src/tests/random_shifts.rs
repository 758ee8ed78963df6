//! From dice to rosters, shifts, swaps and handovers.

use muster_proto::Command;
use muster_proto::v1;

use super::MINUTE_MS;
use super::random_commands::{Roll, STRAY, any, call};
use crate::state::{CallPhase, ShiftPhase, State};

/// A shift that is most likely not closed.
fn shift(state: &State, die: u8) -> String {
    let open: Vec<_> = state.ops.shifts.iter().filter(|(_, shift)| shift.phase != ShiftPhase::Closed).map(|(key, _)| key).collect();
    match open.get(usize::from(die) % open.len().max(1)) {
        Some(key) if !die.is_multiple_of(STRAY) => state.ops.shifts.id(*key).to_owned(),
        _ => any(&state.ops.shifts, die),
    }
}

/// A shift that is most likely still to be opened.
fn planned(state: &State, die: u8) -> String {
    let planned: Vec<_> = state.ops.shifts.iter().filter(|(_, shift)| shift.phase == ShiftPhase::Planned).map(|(key, _)| key).collect();
    planned.get(usize::from(die) % planned.len().max(1)).map_or_else(|| shift(state, die), |key| state.ops.shifts.id(*key).to_owned())
}

/// Somebody of a shift's roster.
fn rostered(state: &State, shift_id: &str, die: u8) -> String {
    let roster = state.ops.shifts.find(shift_id).map(|key| &state.ops.shifts.get(key).roster);
    let line = roster.and_then(|roster| roster.get(usize::from(die) % roster.len().max(1)));
    line.map_or_else(|| any(&state.base.responders, die), |(_, who)| state.base.responders.id(*who).to_owned())
}

pub(super) fn command(state: &State, roll: &Roll, now_ms: i64) -> Command {
    let [a, b, c, d] = roll.dice;
    let site = any(&state.ops.sites, a);
    // A label that the site has, mostly.
    let known = state.ops.sites.find(&site).and_then(|key| state.ops.sites.get(key).seats.first());
    let label = if d % 16 == 15 { "night" } else { known.map_or("", |seat| &*seat.shift) };
    let line = |seat: &str, die: u8| v1::ShiftLine { seat_id: seat.to_owned(), responder_id: any(&state.base.responders, die) };
    match roll.kind {
        130..136 => {
            // One shift after the other, from soon on.
            let (soon, minutes) = (now_ms.div_euclid(MINUTE_MS) + 8 * 60 + i64::from(c % 32), 60 + i64::from(d));
            let entry = |after: i64| v1::ShiftPattern {
                shift: label.to_owned(),
                start_minute: u32::try_from((soon + after * minutes).rem_euclid(1_440)).expect("minutes of a day"),
                minutes: u32::try_from(minutes).expect("a few hours"),
                minimum: 1 - u32::from(b % 4 == 3),
            };
            let seat = known.map_or("a", |seat| &*seat.id);
            let crews = [b, c].map(|die| v1::Crew { lines: vec![line(seat, die)] });
            command!(ScheduleShifts {
                site_id: site,
                until_ms: now_ms + 3 * minutes * MINUTE_MS,
                utc_offset_minutes: 480,
                pattern: [entry(0), entry(1), entry(2)],
                crews: if b % 5 == 0 { Vec::new() } else { crews.into() },
            })
        }
        136 => {
            let shift_id = shift(state, b);
            let of = state.ops.shifts.find(&shift_id).map(|key| state.ops.sites.id(state.ops.shifts.get(key).site).to_owned());
            command!(OpenShift { site_id: of.unwrap_or(site), shift_id: shift_id })
        }
        137 => command!(OpenShift {
            site_id: site,
            shift: label,
            until_ms: now_ms + i64::from(c) * MINUTE_MS,
            minimum: u32::from(d % 2),
            lines: [line(known.map_or("a", |seat| &*seat.id), b)],
        }),
        138..142 => {
            let (shift_id, other_shift_id) = (planned(state, a), if d % 2 == 0 { String::new() } else { planned(state, b) });
            let (who, other) = (rostered(state, &shift_id, c), rostered(state, &other_shift_id, c.wrapping_add(b)));
            command!(SwapShift { shift_id: shift_id, responder_id: who, other_shift_id: other_shift_id, other_responder_id: other })
        }
        142..145 => {
            let open: Vec<_> = state.ops.swaps.iter().filter(|(_, swap)| !swap.answered).collect();
            let known = open.get(usize::from(a) % open.len().max(1));
            let id = known.map_or_else(|| format!("s{a}"), |(key, _)| key.text());
            let who = known.map_or_else(|| any(&state.base.responders, b), |(_, swap)| state.base.responders.id(swap.other).to_owned());
            command!(AnswerSwap { swap_id: id, responder_id: who, consent: c % 2 == 0 })
        }
        145..148 => hand_over(state, roll),
        _ => command!(CloseShift { shift_id: shift(state, b), waiver_reason: if c % 2 == 0 { "台风登陆" } else { "" } }),
    }
}

/// Two people on post at one site, where there are two.
fn hand_over(state: &State, roll: &Roll) -> Command {
    let [a, b, c, _] = roll.dice;
    let on_post: Vec<_> = state.ops.calls.iter().filter(|(_, call)| call.phase == CallPhase::OnPost && call.site.is_some()).collect();
    let pairs: Vec<_> = on_post
        .iter()
        .flat_map(|one| on_post.iter().filter(|other| other.0 != one.0 && other.1.site == one.1.site).map(|other| (one.0, other.0)))
        .collect();
    let (from, to) = match pairs.get(usize::from(a) % pairs.len().max(1)) {
        Some((from, to)) => (from.text(), to.text()),
        None => (call(state, a), call(state, b)),
    };
    let open = |limit: usize| state.ops.whistles.iter().filter(|(_, whistle)| whistle.phase.open()).take(limit);
    let waiting = state.ops.organization_calls.iter().map(|(key, _)| key.text()).take(if c % 4 == 0 { 1 } else { 20 });
    command!(HandOver {
        from_call_id: from,
        to_call_id: to,
        whistle_ids: open(if c % 4 == 0 { 0 } else { 200 })
            .filter(|(_, whistle)| whistle.realm == state.ops.actual())
            .map(|(key, _)| state.ops.whistles.id(key).to_owned())
            .collect::<Vec<_>>(),
        organization_call_ids: waiting.collect::<Vec<_>>(),
    })
}
