//! Shifts 班次: the roster's people are called when a shift is opened; at its end it is closed once somebody took over, and held until then.

use muster_proto::Event;
use muster_proto::v1::{self, CallReason, DutyRole, GapReason, ReleaseReason, ReliefReason};

use super::backup::gap_reason;
use super::fill;
use super::seats::{asked_seat, gap};
use super::summons::{Summons, call_off, office_taken_over, release, summon};
use crate::execute::{Draft, Emitted, Now};
use crate::ids::{CallRef, IncidentRef, ResponderRef, ShiftRef, SiteRef};
use crate::limits;
use crate::state::{CallPhase, Floors, Relief, Shift, ShiftPhase, State};

fn of_shift(state: &State, shift: &Shift, event: Event) -> Draft {
    let site = state.ops.sites.get(shift.site);
    Draft::new(event, state.ops.incidents.get(site.incident).realm, Some(site.area))
}

/// The fact that a planned shift is opened.
pub(crate) fn opened(state: &State, key: ShiftRef) -> Draft {
    let shift = state.ops.shifts.get(key);
    let event = Event::ShiftOpened(v1::ShiftOpened {
        shift_id: state.ops.shifts.id(key).to_owned(),
        site_id: state.ops.sites.id(shift.site).to_owned(),
        shift: shift.label.to_string(),
        from_ms: shift.from_ms,
        until_ms: shift.until_ms,
        minimum: shift.minimum,
        area_id: state.base.areas.id(state.ops.sites.get(shift.site).area).to_owned(),
    });
    of_shift(state, shift, event)
}

/// The fact that a shift is closed.
pub(crate) fn closed(state: &State, key: ShiftRef, relief: &Relief, waiver_reason: &str) -> Draft {
    let shift = state.ops.shifts.get(key);
    let event = Event::ShiftClosed(v1::ShiftClosed {
        shift_id: state.ops.shifts.id(key).to_owned(),
        site_id: state.ops.sites.id(shift.site).to_owned(),
        shift: shift.label.to_string(),
        on_post: relief.on_post,
        minimum: relief.minimum,
        handed_over: shift.handed_over,
        waiver_reason: waiver_reason.to_owned(),
    });
    of_shift(state, shift, event)
}

/// What is being taken off asks for nobody.
fn taken_off(state: &State, shift: &Shift) -> bool {
    let site = state.ops.sites.get(shift.site);
    site.closed || state.ops.standing_down(site.incident, site.plan)
}

const NOBODY: Relief = Relief { on_post: 0, minimum: 0 };

/// The time to call the roster's people has come.
pub(super) fn opens(state: &State, now: &Now<'_>, key: ShiftRef) -> Vec<Draft> {
    let shift = state.ops.shifts.get(key);
    let over = taken_off(state, shift) || now.recorded_at_ms >= shift.until_ms;
    vec![if over { closed(state, key, &NOBODY, "") } else { opened(state, key) }]
}

/// The shift is over, or was before and is looked at again.
pub(super) fn ends(state: &State, now: &Now<'_>, key: ShiftRef) -> Vec<Draft> {
    let shift = state.ops.shifts.get(key);
    if taken_off(state, shift) {
        return vec![closed(state, key, &NOBODY, "")];
    }
    let relief = state.relief_of(key, now.recorded_at_ms);
    if relief.missing() == 0 || shift.handed_over {
        return vec![closed(state, key, &relief, "")];
    }
    let event = Event::ShiftHeld(v1::ShiftHeld {
        shift_id: state.ops.shifts.id(key).to_owned(),
        site_id: state.ops.sites.id(shift.site).to_owned(),
        shift: shift.label.to_string(),
        on_post: relief.on_post,
        minimum: relief.minimum,
        look_again_ms: now.recorded_at_ms + limits::SHIFT_LOOK_MS,
    });
    vec![of_shift(state, shift, event)]
}

pub(super) fn held(state: &State, cause: &Emitted, body: &v1::ShiftHeld) -> Vec<Draft> {
    let area = cause.area.map(|area| state.base.areas.id(area).to_owned()).unwrap_or_default();
    let event = Event::ReliefDemanded(v1::ReliefDemanded {
        reason: ReliefReason::ShiftEnd.into(),
        site_id: body.site_id.clone(),
        area_id: area,
        shift_id: body.shift_id.clone(),
        missing: body.minimum.saturating_sub(body.on_post),
        ..Default::default()
    });
    vec![Draft::new(event, cause.realm, cause.area)]
}

pub(super) fn call_crew(state: &State, now: &Now<'_>, shift_id: &str) -> Vec<Draft> {
    let mut drafts = Vec::new();
    if let Some(key) = state.ops.shifts.find(shift_id) {
        let mut floors = floors_at(state, now, state.ops.shifts.get(key).site);
        call_roster(state, now, key, &mut floors, &mut 0, &mut drafts);
    }
    drafts
}

/// The site asks for people again: those of its open shifts who have no duty yet are called, after those that the same answer calls.
pub(super) fn resumed(state: &State, now: &Now<'_>, site_id: &str, drafts: &mut Vec<Draft>) {
    let Some(site) = state.ops.sites.find(site_id) else { return };
    let mut ahead = drafts.iter().filter(|draft| matches!(draft.event, Event::ResponderCalled(_))).count();
    let mut floors = floors_at(state, now, site);
    for key in &state.ops.sites.get(site).shifts {
        if state.ops.shifts.get(*key).phase == ShiftPhase::Open {
            call_roster(state, now, *key, &mut floors, &mut ahead, drafts);
        }
    }
}

fn floors_at<'a>(state: &'a State, now: &Now<'_>, site: SiteRef) -> Floors<'a> {
    Floors::new(state, state.ops.incidents.get(state.ops.sites.get(site).incident).realm, now.recorded_at_ms)
}

fn call_roster(state: &State, now: &Now<'_>, key: ShiftRef, floors: &mut Floors<'_>, ahead: &mut usize, drafts: &mut Vec<Draft>) {
    let shift = state.ops.shifts.get(key);
    // Nobody is called out while the area takes shelter, nor to what is being taken off.
    if state.ops.sites.get(shift.site).suspended || taken_off(state, shift) || now.recorded_at_ms >= shift.until_ms {
        return;
    }
    let site = state.ops.sites.get(shift.site);
    for (seat_id, responder) in &shift.roster {
        // The person has the duty, or somebody of the shift took it over.
        if shift
            .calls
            .iter()
            .map(|call| state.ops.calls.get(*call))
            .any(|call| call.responder == *responder || call.seat.as_ref() == Some(seat_id))
        {
            continue;
        }
        if let Some(reason) = called_before(state, shift.site, seat_id, *responder, drafts) {
            drafts.push(gap(state, shift.site, seat_id, Some(*responder), reason, None));
            continue;
        }
        match seat_for(state, now, shift, seat_id, *responder) {
            Ok(_) if floors.allows(*responder, site.area).is_err() => {
                drafts.push(gap(state, shift.site, seat_id, Some(*responder), GapReason::Floor, None));
            }
            Ok(summons) => {
                floors.leave(*responder);
                let shift_id = state.ops.shifts.id(key).to_owned();
                summon(state, *ahead, *responder, Summons { shift_id, ..summons }, drafts);
                *ahead += 1;
            }
            Err((reason, other)) => drafts.push(gap(state, shift.site, seat_id, Some(*responder), reason, other)),
        }
    }
}

/// What the same answer did before, which the state does not show yet: it called the person, or somebody to the seat.
fn called_before(state: &State, site: SiteRef, seat_id: &str, responder: ResponderRef, drafts: &[Draft]) -> Option<GapReason> {
    let (who, site_id) = (state.base.responders.id(responder), state.ops.sites.id(site));
    drafts.iter().find_map(|draft| match &draft.event {
        Event::ResponderCalled(body) if body.responder_id == who => Some(GapReason::OnOtherDuty),
        Event::ResponderCalled(body) if body.site_id == site_id && body.seat_id == seat_id => Some(GapReason::SeatTaken),
        _ => None,
    })
}

/// The call for a line of the roster, or why it cannot be made.
fn seat_for(
    state: &State,
    now: &Now<'_>,
    shift: &Shift,
    seat_id: &str,
    responder: ResponderRef,
) -> Result<Summons, (GapReason, Option<IncidentRef>)> {
    let site = state.ops.sites.get(shift.site);
    let realm = state.ops.incidents.get(site.incident).realm;
    let from_ms = shift.from_ms.max(now.recorded_at_ms);
    let person = state.base.responders.get(responder);
    if person.withdrawn {
        return Err((GapReason::Withdrawn, None));
    }
    if person.absent_during(from_ms, shift.until_ms) {
        return Err((GapReason::Unavailable, None));
    }
    if let Some(duty) = state.ops.overlapping_duties(realm, responder, from_ms, shift.until_ms).next() {
        return Err((GapReason::OnOtherDuty, state.ops.calls.get(duty).incident));
    }
    if state.rest_due(realm, responder, now.recorded_at_ms, from_ms).is_some() {
        return Err((GapReason::Rest, None));
    }
    let seat = site.seat(seat_id).map(|at| &site.seats[at]).ok_or((GapReason::NoDesignation, None))?;
    if let Some(holder) = seat.holder.map(|key| state.ops.calls.get(key)) {
        let before = holder.until_ms != 0 && holder.until_ms <= from_ms;
        if seat.relief.is_some() || !(before || holder.from_ms >= shift.until_ms) {
            return Err((GapReason::SeatTaken, None));
        }
    }
    if !state.base.has_specialty(responder, &seat.specialty) {
        return Err((GapReason::SpecialtyLost, None));
    }
    Ok(Summons {
        incident: Some(site.incident),
        role: DutyRole::Member,
        site_id: state.ops.sites.id(shift.site).to_owned(),
        seat_id: seat_id.to_owned(),
        reason: CallReason::Shift,
        from_ms,
        until_ms: shift.until_ms,
        reply_due_ms: now.recorded_at_ms + limits::REPLY_LIMIT_MS,
        ..Summons::at(realm, site.area)
    })
}

/// Nobody is named to step in: the seat of an open shift that falls empty is a gap.
pub(super) fn after_release(state: &State, now: &Now<'_>, body: &v1::DutyReleased) -> Vec<Draft> {
    let Some(reason) = gap_reason(body.reason()) else { return Vec::new() };
    let Some(call) = CallRef::parse(&body.call_id).and_then(|key| state.ops.calls.find(key)) else { return Vec::new() };
    let Some(shift) = call.shift.map(|key| state.ops.shifts.get(key)).filter(|shift| shift.running()) else { return Vec::new() };
    let Some((site, seat)) = asked_seat(state, call).filter(|_| !taken_off(state, shift)) else { return Vec::new() };
    // Whoever is there until the shift begins does not fill it.
    let fills = |key| {
        let held = state.ops.calls.get(key);
        held.phase != CallPhase::Recalled && (held.until_ms == 0 || held.until_ms > call.from_ms)
    };
    if seat.duties().any(fills) {
        return Vec::new();
    }
    let other = state.ops.incidents.find(&body.other_incident_id);
    let gap = gap(state, site, &seat.id, Some(call.responder), reason, other);
    std::iter::once(gap).chain(fill::for_seat(state, now, call)).collect()
}

/// Whoever cannot come leaves the rosters of the shifts that are not open yet, so that a hole is seen while there is time to fill it.
pub(super) fn leave_rosters(state: &State, responder: ResponderRef, reason: GapReason, touched: impl Fn(&Shift) -> bool) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let rosters = state.ops.realms.iter().filter_map(|(_, realm)| realm.rosters.get(&responder));
    for (key, shift) in rosters.flatten().map(|key| (*key, state.ops.shifts.get(*key))) {
        if shift.phase != ShiftPhase::Planned || !touched(shift) {
            continue;
        }
        let line = |(seat_id, who): &(Box<str>, ResponderRef)| v1::ShiftLine {
            seat_id: seat_id.to_string(),
            responder_id: state.base.responders.id(*who).to_owned(),
        };
        let event = Event::ShiftRostered(v1::ShiftRostered {
            shift_id: state.ops.shifts.id(key).to_owned(),
            site_id: state.ops.sites.id(shift.site).to_owned(),
            shift: shift.label.to_string(),
            lines: shift.roster.iter().filter(|(_, who)| *who != responder).map(line).collect(),
        });
        drafts.push(of_shift(state, shift, event));
        let left = shift.roster.iter().filter(|(_, who)| *who == responder);
        drafts.extend(left.map(|(seat_id, _)| gap(state, shift.site, seat_id, Some(responder), reason, None)));
    }
    drafts
}

/// A closed shift lets its people go.
pub(super) fn people_off(state: &State, shift_id: &str) -> Vec<Draft> {
    let Some(key) = state.ops.shifts.find(shift_id) else { return Vec::new() };
    let calls = &state.ops.shifts.get(key).calls;
    calls.iter().filter_map(|call| call_off(state, *call, ReleaseReason::PeriodOver, "班次结束 shift closed")).collect()
}

/// The one who handed over is free, an office in the unit goes on to who is in it, and a shift that only waited for that is closed.
pub(super) fn handed_over(state: &State, now: &Now<'_>, body: &v1::HandedOver) -> Vec<Draft> {
    let Some(from) = CallRef::parse(&body.from_call_id) else { return Vec::new() };
    let mut drafts = vec![release(state, from, ReleaseReason::Relieved, None)];
    let call = state.ops.calls.get(from);
    let unit = call.unit.map(|unit| state.ops.units.get(unit));
    let to = state.base.responders.find(&body.to_responder_id);
    if unit.zip(to).is_some_and(|(unit, to)| unit.members.contains(&to) || unit.extra_seats.contains(&to)) {
        drafts.extend(office_taken_over(state, call, &body.to_responder_id));
    }
    if let Some(key) = state.ops.shifts.find(&body.shift_id)
        && state.ops.shifts.get(key).phase == ShiftPhase::Held
    {
        drafts.push(closed(state, key, &state.relief_of(key, now.recorded_at_ms), ""));
    }
    drafts
}

/// Somebody came: a shift that waited for relief may be over.
pub(super) fn after_arrival(state: &State, now: &Now<'_>, site_id: &str) -> Vec<Draft> {
    let Some(site) = state.ops.sites.find(site_id) else { return Vec::new() };
    let waiting = state.ops.sites.get(site).shifts.iter().filter(|key| state.ops.shifts.get(**key).phase == ShiftPhase::Held);
    waiting
        .map(|key| (*key, state.relief_of(*key, now.recorded_at_ms)))
        .filter(|(_, relief)| relief.missing() == 0)
        .map(|(key, relief)| closed(state, key, &relief, ""))
        .collect()
}
