//! 无缝对接: a change of people re-seats without a break. Who withdraws or falls out gives up every duty that the absence touches,
//! and the next backup or candidate is called; who is back takes the own post if nobody else did.

use muster_proto::Event;
use muster_proto::v1::{self, Availability, GapReason, ReleaseReason};

use super::conversion::Converting;
use super::reassign::standby_ends;
use super::shifts;
use super::summons::release;
use crate::execute::{Draft, Now};
use crate::ids::{CallRef, IncidentRef, PlanRef, ResponderRef};
use crate::state::{CallPhase, Designation, Seating, State};

pub(super) fn withdrawn(state: &State, responder_id: &str) -> Vec<Draft> {
    let Some(responder) = state.base.responders.find(responder_id) else { return Vec::new() };
    let mut drafts = give_up(state, responder, ReleaseReason::Withdrawn, |_| true);
    drafts.extend(standby_ends(state, responder));
    drafts.extend(shifts::leave_rosters(state, responder, GapReason::Withdrawn, |_| true));
    drafts.extend(leave_units(state, responder));
    drafts
}

/// Whoever was put into units by hand leaves them, and is secretary and organizer of none any more. Duties take their people out of units as they
/// end.
fn leave_units(state: &State, responder: ResponderRef) -> impl Iterator<Item = Draft> + '_ {
    let left = state.ops.units.iter().filter(move |(key, unit)| {
        let extra = unit.extra_seats.contains(&responder);
        let of_unit = unit.members.contains(&responder) || unit.organizer == Some(responder);
        let realm = state.ops.incidents.get(unit.incident).realm;
        let duties = || state.ops.duties(realm, responder).iter().map(|call| state.ops.calls.get(*call));
        let mut here = duties().filter(|call| call.unit == Some(*key));
        // Who was told to come off belongs to the unit until then.
        let gone = if extra { here.all(|call| call.phase != CallPhase::Recalled) } else { of_unit && here.next().is_none() };
        !unit.dissolved && gone
    });
    left.map(move |(key, unit)| {
        let event = Event::ResponderDetached(v1::ResponderDetached {
            unit_id: state.ops.units.id(key).to_owned(),
            responder_id: state.base.responders.id(responder).to_owned(),
        });
        Draft::new(event, state.ops.incidents.get(unit.incident).realm, Some(unit.area))
    })
}

/// Whoever withdrew on the way off a post leaves the units that waited for that.
pub(super) fn last_duty(state: &State, responder_id: &str) -> Vec<Draft> {
    let gone = state.base.responders.find(responder_id).filter(|who| state.base.responders.get(*who).withdrawn);
    gone.map(|who| leave_units(state, who).collect()).unwrap_or_default()
}

pub(super) fn availability(state: &State, now: &Now<'_>, body: &v1::AvailabilitySet) -> Vec<Draft> {
    let Some(responder) = state.base.responders.find(&body.responder_id) else { return Vec::new() };
    if body.availability() == Availability::Available {
        return come_back(state, now, responder, 0);
    }
    let person = state.base.responders.get(responder);
    // An absence that only begins later leaves a duty that has begun, and one without an end, until then, when it is said again.
    let touched = |key: CallRef| {
        let call = state.ops.calls.get(key);
        person.away(now.recorded_at_ms, call.from_ms, call.until_ms).is_some()
    };
    let mut drafts = give_up(state, responder, ReleaseReason::Unavailable, touched);
    // As with a duty without an end: an absence to come ends it when it begins.
    if person.absence(now.recorded_at_ms).is_some() {
        drafts.extend(standby_ends(state, responder));
    }
    drafts.extend(shifts::leave_rosters(state, responder, GapReason::Unavailable, |shift| {
        person.absent_during(shift.from_ms, shift.until_ms)
    }));
    drafts
}

/// An absence that was told of begins: it is said again, and touches the open duties too.
pub(super) fn absence_begins(state: &State, responder: ResponderRef) -> Vec<Draft> {
    let person = state.base.responders.get(responder);
    let event = Event::AvailabilitySet(v1::AvailabilitySet {
        responder_id: state.base.responders.id(responder).to_owned(),
        availability: person.availability.into(),
        from_ms: person.availability_from_ms,
        until_ms: person.availability_until_ms,
        begins_due_ms: 0,
    });
    vec![Draft::new(event, state.ops.actual(), state.base.home_of(responder))]
}

/// Ends the duties. Who was told to come off is waited for as before.
fn give_up(state: &State, responder: ResponderRef, reason: ReleaseReason, touched: impl Fn(CallRef) -> bool) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (_, realm) in state.ops.realms.iter() {
        let duties = realm.duties.get(&responder).map_or(&[][..], |calls| calls.as_slice());
        let given_up = duties.iter().filter(|key| state.ops.calls.get(**key).phase != CallPhase::Recalled && touched(**key));
        drafts.extend(given_up.map(|key| release(state, *key, reason, None)));
    }
    drafts
}

/// The posts that published plans keep for the person, where they stand empty now; after so many calls of the same answer.
pub(super) fn come_back(state: &State, now: &Now<'_>, responder: ResponderRef, ahead: usize) -> Vec<Draft> {
    let first = (responder, 0, 0);
    let plans = state.base.primaries.range(first..).take_while(|((who, _, _), _)| *who == responder).map(|(_, plan)| *plan);
    let mut plans: Vec<PlanRef> = plans.collect();
    plans.sort_unstable();
    plans.dedup();
    // One incident after another: the first that can has the person, and the next sees a duty.
    for (key, incident) in state.ops.incidents.iter().filter(|(_, incident)| !incident.closed) {
        for plan in plans.iter().filter(|plan| incident.conversions.contains_key(*plan)) {
            let drafts = own_post(state, now, (key, *plan), responder, ahead);
            if !drafts.is_empty() {
                return drafts;
            }
        }
    }
    Vec::new()
}

fn own_post(state: &State, now: &Now<'_>, (incident, plan): (IncidentRef, PlanRef), responder: ResponderRef, ahead: usize) -> Vec<Draft> {
    let Some(converting) = Converting::of(state, incident, plan) else { return Vec::new() };
    if converting.conversion.standing_down {
        return Vec::new();
    }
    let mine = converting.version.designations.iter().filter(|designation| {
        designation.responder == responder && converting.asks(designation) && converting.stands_empty(now, designation)
    });
    let mut drafts = Vec::new();
    for designation in mine {
        if converting.claim(now, designation, responder).is_ok_and(|claimed| claimed.is_empty()) {
            converting.seat(now, ahead, designation, responder, &mut drafts);
            break;
        }
    }
    drafts
}

impl Converting<'_> {
    /// Whether the post could be taken: its site open, its unit standing, and nobody on it.
    pub(super) fn stands_empty(&self, now: &Now<'_>, designation: &Designation) -> bool {
        if designation.site.is_some_and(|at| self.site_gone(at)) || designation.unit.is_some_and(|at| self.unit_gone(at)) {
            return false;
        }
        let site = designation.site.map(|at| (at, self.conversion.sites[usize::from(at)]));
        match (site, designation.seat) {
            (Some((at, Some(site))), Some(seat)) => {
                let listed = self.open_seat(at, seat).is_some();
                listed && !self.state.ops.sites.get(site).suspended && self.seating(now, at, seat) == Seating::Empty
            }
            (Some((_, None)), _) => false,
            _ => {
                let unit = designation.unit.and_then(|at| self.conversion.units[usize::from(at)]);
                let held = |key: &CallRef| {
                    let call = self.state.ops.calls.get(*key);
                    let named = call.responder == designation.responder || designation.backups.contains(&call.responder);
                    named && call.unit == unit && call.role == designation.role && call.seat.is_none()
                };
                !self.conversion.duties.iter().any(held)
            }
        }
    }
}
