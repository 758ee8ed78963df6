//! Changes between people: shifts swapped by consent 换班, duties handed over by name 交接班.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1;

use super::call::{open_call, wrong_phase as wrong_call_phase};
use super::shift::{can_work, known_shift, seat_fits, wrong_phase};
use super::{Decision, checks, moving};
use crate::execute::{Draft, Now};
use crate::ids::{OrganizationCallRef, RealmRef, ResponderRef, ShiftRef, SiteRef, SwapRef, WhistleRef};
use crate::limits;
use crate::rejection::Rejection;
use crate::state::{CallPhase, OrganizationCallPhase, ShiftPhase, State};

/// A shift that can still be swapped, with the person in its roster.
fn rostered(state: &State, field: &'static str, shift_id: &str, who: ResponderRef) -> Result<ShiftRef, Rejection> {
    let key = known_shift(state, field, shift_id)?;
    let shift = state.ops.shifts.get(key);
    // Once it is open the people are called: then one relieves the other.
    if shift.phase != ShiftPhase::Planned {
        return Err(wrong_phase(state, key));
    }
    if shift.roster.iter().any(|(_, held)| *held == who) {
        return Ok(key);
    }
    let field = if field == "shift_id" { "responder_id" } else { "other_responder_id" };
    Err(Rejection::NotRostered { field, id: state.base.responders.id(who).to_owned(), shift: shift_id.to_owned() })
}

fn realm_of(state: &State, shift: ShiftRef) -> RealmRef {
    let site = state.ops.sites.get(state.ops.shifts.get(shift).site);
    state.ops.incidents.get(site.incident).realm
}

/// Whether one can take the other's seats in a shift, giving up another: being there, specialties and rest stand.
fn takes_over(
    state: &State,
    field: &'static str,
    key: ShiftRef,
    from: ResponderRef,
    to: ResponderRef,
    gives: Option<ShiftRef>,
) -> Result<(), Rejection> {
    let shift = state.ops.shifts.get(key);
    for (seat, _) in shift.roster.iter().filter(|(_, held)| *held == from) {
        seat_fits(state, field, state.ops.sites.get(shift.site), seat, to)?;
    }
    let added = (shift.from_ms, shift.until_ms, state.ops.shifts.id(key));
    can_work(state, field, realm_of(state, key), to, &[added], gives)
}

struct Exchange {
    shift: ShiftRef,
    responder: ResponderRef,
    other_shift: Option<ShiftRef>,
    other: ResponderRef,
}

fn stands(state: &State, exchange: &Exchange) -> Result<(), Rejection> {
    let Exchange { shift, responder, other_shift, other } = *exchange;
    takes_over(state, "other_responder_id", shift, responder, other, other_shift)?;
    match other_shift {
        Some(other_shift) => takes_over(state, "responder_id", other_shift, other, responder, Some(shift)),
        None => Ok(()),
    }
}

fn exchange(state: &State, shift_id: &str, who: &str, other_shift_id: &str, other: &str) -> Result<Exchange, Rejection> {
    let responder = state.active_responder("responder_id", who)?;
    let other_key = state.active_responder("other_responder_id", other)?;
    if responder == other_key {
        return Err(Rejection::AlreadyExists { field: "other_responder_id", id: other.to_owned() });
    }
    let shift = rostered(state, "shift_id", shift_id, responder)?;
    let other_shift = if other_shift_id.is_empty() { None } else { Some(rostered(state, "other_shift_id", other_shift_id, other_key)?) };
    // Each stays in it: there is nothing to take over.
    if other_shift == Some(shift) {
        let (reason_zh, reason_en) = ("两人在同一班次，无须换班", "both are in the same shift");
        return Err(Rejection::FieldInvalid { field: "other_shift_id", reason_zh, reason_en });
    }
    // An exercise takes nothing from real life.
    if other_shift.is_some_and(|other| realm_of(state, other) != realm_of(state, shift)) {
        return Err(Rejection::OtherIncident { field: "other_shift_id", id: other_shift_id.to_owned() });
    }
    Ok(Exchange { shift, responder, other_shift, other: other_key })
}

fn of_shift(state: &State, key: ShiftRef, event: Event) -> Draft {
    Draft::new(event, realm_of(state, key), Some(state.ops.sites.get(state.ops.shifts.get(key).site).area))
}

/// Each is moved only as far as their areas let them go. Asked when the swap is proposed, for its office answers for that; the other's consent
/// moves nobody further.
fn are_let_go(state: &State, now: &Now<'_>, body: &v1::SwapShift) -> Result<(), Rejection> {
    let other_shift = state.ops.shifts.find(&body.other_shift_id);
    let shift = known_shift(state, "shift_id", &body.shift_id)?;
    let other = state.responder("other_responder_id", &body.other_responder_id)?;
    moving::takes_over(state, now, other, state.ops.shifts.get(shift).site, other_shift)?;
    let Some(other_shift) = other_shift else { return Ok(()) };
    let responder = state.responder("responder_id", &body.responder_id)?;
    moving::takes_over(state, now, responder, state.ops.shifts.get(other_shift).site, Some(shift))
}

pub(super) fn propose(state: &State, now: &Now<'_>, body: &v1::SwapShift) -> Decision {
    are_let_go(state, now, body)?;
    let exchange = exchange(state, &body.shift_id, &body.responder_id, &body.other_shift_id, &body.other_responder_id)?;
    stands(state, &exchange)?;
    let event = Event::SwapProposed(v1::SwapProposed {
        swap_id: state.ops.swaps.upcoming(0).text(),
        shift_id: body.shift_id.clone(),
        responder_id: body.responder_id.clone(),
        other_shift_id: body.other_shift_id.clone(),
        other_responder_id: body.other_responder_id.clone(),
    });
    Ok(vec![of_shift(state, exchange.shift, event)])
}

pub(super) fn answer(state: &State, body: &v1::AnswerSwap) -> Decision {
    if body.swap_id.is_empty() {
        return Err(Rejection::FieldMissing { field: "swap_id" });
    }
    let unknown = || Rejection::UnknownSwap { id: body.swap_id.clone() };
    let swap = SwapRef::parse(&body.swap_id).and_then(|key| state.ops.swaps.find(key)).ok_or_else(unknown)?;
    if swap.answered {
        return Err(Rejection::SwapIsOver { id: body.swap_id.clone() });
    }
    let id = |who: ResponderRef| state.base.responders.id(who).to_owned();
    if state.responder("responder_id", &body.responder_id)? != swap.other {
        return Err(Rejection::SwapOfAnother { id: body.swap_id.clone(), other: id(swap.other) });
    }
    if !body.consent {
        let event = Event::SwapDeclined(v1::SwapDeclined { swap_id: body.swap_id.clone() });
        return Ok(vec![of_shift(state, swap.shift, event)]);
    }
    let shift_id = state.ops.shifts.id(swap.shift);
    let other_shift_id = swap.other_shift.map(|key| state.ops.shifts.id(key)).unwrap_or_default();
    // The rosters may have changed since.
    let exchange = exchange(state, shift_id, &id(swap.responder), other_shift_id, &id(swap.other))?;
    stands(state, &exchange)?;
    let event = Event::ShiftsSwapped(v1::ShiftsSwapped {
        swap_id: body.swap_id.clone(),
        shift_id: shift_id.to_owned(),
        responder_id: id(swap.responder),
        other_shift_id: other_shift_id.to_owned(),
        other_responder_id: id(swap.other),
    });
    Ok(vec![of_shift(state, swap.shift, event)])
}

/// What has to be passed on: open whistles that the site's area has to answer, and organizations waited for.
fn open_items(state: &State, site_key: SiteRef) -> (BTreeSet<WhistleRef>, BTreeSet<OrganizationCallRef>) {
    let site = state.ops.sites.get(site_key);
    let realm = state.ops.incidents.get(site.incident).realm;
    let ours =
        state.ops.whistles.iter().filter(|(_, whistle)| whistle.realm == realm && whistle.responsible == site.area && whistle.phase.open());
    let whistles: BTreeSet<WhistleRef> = ours.map(|(key, _)| key).collect();
    let called = whistles.iter().flat_map(|key| &state.ops.whistles.get(*key).organization_calls).chain(&site.organization_calls);
    let waited_for = |key: &&OrganizationCallRef| state.ops.organization_calls.get(**key).phase < OrganizationCallPhase::ReportedIn;
    let calls = called.filter(waited_for).copied().collect();
    (whistles, calls)
}

fn timers(state: &State, whistles: &BTreeSet<WhistleRef>, calls: &BTreeSet<OrganizationCallRef>) -> Vec<v1::HandedTimer> {
    let acknowledge = whistles
        .iter()
        .map(|key| ("whistle_acknowledge", state.ops.whistles.id(*key).to_owned(), state.ops.whistles.get(*key).acknowledge_due_ms));
    let deadlines = calls.iter().map(|key| ("organization_deadline", key.text(), state.ops.organization_calls.get(*key).deadline_ms));
    let running = acknowledge.chain(deadlines).filter(|(_, _, due_ms)| *due_ms != 0);
    running.map(|(name, subject_id, due_ms)| v1::HandedTimer { name: name.to_owned(), subject_id, due_ms }).collect()
}

pub(super) fn hand_over(state: &State, body: &v1::HandOver) -> Decision {
    let (from_key, from) = open_call(state, &body.from_call_id)?;
    let (to_key, to) = open_call(state, &body.to_call_id)?;
    let site_key = from.site.ok_or(Rejection::OtherSite { field: "from_call_id", id: body.from_call_id.clone() })?;
    if to.site != Some(site_key) || from_key == to_key {
        return Err(Rejection::OtherSite { field: "to_call_id", id: body.to_call_id.clone() });
    }
    if !matches!(from.phase, CallPhase::OnPost | CallPhase::Recalled) {
        return Err(wrong_call_phase(&body.from_call_id, from.phase));
    }
    if to.phase != CallPhase::OnPost {
        return Err(Rejection::NotOnPost { id: state.base.responders.id(to.responder).to_owned() });
    }
    checks::short("note", &body.note)?;
    checks::at_most("whistle_ids", body.whistle_ids.len(), limits::PEOPLE_LIST_MAX)?;
    checks::at_most("organization_call_ids", body.organization_call_ids.len(), limits::PEOPLE_LIST_MAX)?;
    let (mut whistles, mut calls) = (BTreeSet::new(), BTreeSet::new());
    for id in &body.whistle_ids {
        let key = state.open_whistle("whistle_ids", id)?;
        if state.ops.whistles.get(key).realm != from.realm {
            return Err(Rejection::OtherIncident { field: "whistle_ids", id: id.clone() });
        }
        whistles.insert(key);
    }
    for id in &body.organization_call_ids {
        let key = OrganizationCallRef::parse(id).filter(|key| state.ops.organization_calls.find(*key).is_some());
        let key = key.ok_or_else(|| Rejection::UnknownCall { id: id.clone() })?;
        if state.ops.organization_calls.get(key).realm != from.realm {
            return Err(Rejection::OtherIncident { field: "organization_call_ids", id: id.clone() });
        }
        calls.insert(key);
    }
    let (open_whistles, open_calls) = open_items(state, site_key);
    let missing: Vec<String> = open_whistles
        .difference(&whistles)
        .map(|key| state.ops.whistles.id(*key).to_owned())
        .chain(open_calls.difference(&calls).map(|key| key.text()))
        .collect();
    if !missing.is_empty() {
        return Err(Rejection::ItemsNotHandedOver { items: missing.join("、") });
    }
    let site = state.ops.sites.get(site_key);
    let event = Event::HandedOver(v1::HandedOver {
        from_call_id: body.from_call_id.clone(),
        to_call_id: body.to_call_id.clone(),
        from_responder_id: state.base.responders.id(from.responder).to_owned(),
        to_responder_id: state.base.responders.id(to.responder).to_owned(),
        site_id: state.ops.sites.id(site_key).to_owned(),
        shift: state.ops.seat_of(from).map(|seat| seat.shift.to_string()).unwrap_or_default(),
        shift_id: from.shift.map(|key| state.ops.shifts.id(key).to_owned()).unwrap_or_default(),
        timers: timers(state, &whistles, &calls),
        whistle_ids: whistles.iter().map(|key| state.ops.whistles.id(*key).to_owned()).collect(),
        organization_call_ids: calls.iter().map(|key| key.text()).collect(),
        note: body.note.clone(),
    });
    Ok(vec![Draft::new(event, from.realm, Some(site.area))])
}
