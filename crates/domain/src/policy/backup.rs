//! A plan's post that falls empty: the next backup is called, else the gap is said.

use muster_proto::v1::{DutyReleased, GapReason, ReleaseReason};

use super::conversion::Converting;
use super::fill;
use crate::execute::{Draft, Now};
use crate::ids::{CallRef, ResponderRef};
use crate::state::{Call, Designation, State};

pub(super) fn gap_reason(reason: ReleaseReason) -> Option<GapReason> {
    match reason {
        ReleaseReason::Declined => Some(GapReason::Declined),
        ReleaseReason::Unanswered => Some(GapReason::Unanswered),
        ReleaseReason::NoShow => Some(GapReason::NoShow),
        ReleaseReason::Outranked => Some(GapReason::TakenByIncident),
        ReleaseReason::Withdrawn => Some(GapReason::Withdrawn),
        ReleaseReason::Unavailable => Some(GapReason::Unavailable),
        ReleaseReason::Reserved => Some(GapReason::Reserved),
        ReleaseReason::MovedAway => Some(GapReason::Unavailable),
        ReleaseReason::SpecialtyLost => Some(GapReason::SpecialtyLost),
        // Recalled, relieved, stood down, lowered, checked out: meant to be so.
        _ => None,
    }
}

/// The conversion and the designation behind a plan's call.
fn post_of<'a>(state: &'a State, call: &Call) -> Option<(Converting<'a>, &'a Designation)> {
    let converting = Converting::of(state, call.incident?, call.plan?)?;
    if converting.conversion.standing_down {
        return None;
    }
    let unit = call.unit.map(|unit| state.ops.units.get(unit)).filter(|unit| unit.plan == call.plan).map(|unit| unit.part);
    let fits = |at: &u32| {
        let designation = &converting.version.designations[*at as usize];
        // A post that a new version changed under whoever sits there is the same post.
        let changed = converting.conversion.rebased && call.site.is_some();
        changed || (designation.role == call.role && designation.unit == unit)
    };
    // A seat is one post; posts without a seat are told apart by name.
    let at = match call.site {
        Some(site) => {
            let site = state.ops.sites.get(site);
            let id = &site.seats.get(usize::from(call.seat?))?.id;
            let seats = &converting.version.sites.get(usize::from(site.part)).filter(|_| site.plan == call.plan)?.seats;
            let seat = u16::try_from(seats.iter().position(|seat| seat.key == *id)?).ok()?;
            converting.version.seated.get(&(site.part, seat)).copied().filter(fits)?
        }
        None => converting.version.unseated.get(&call.responder)?.iter().copied().find(fits)?,
    };
    let designation = &converting.version.designations[at as usize];
    Some((converting, designation))
}

/// The plan's card for a call's post, and the version that it is in.
pub(crate) fn card_of(state: &State, call: &Call) -> Option<(String, u32)> {
    let (converting, designation) = post_of(state, call)?;
    let card = &converting.version.cards[usize::from(designation.card?)];
    Some((card.to_string(), converting.version.version))
}

/// Primary and backups in their order, from the one after `former` on. Nobody is taken from another incident for it.
fn next(converting: &Converting<'_>, now: &Now<'_>, designation: &Designation, former: ResponderRef) -> Option<ResponderRef> {
    let order: Vec<_> = std::iter::once(designation.responder).chain(designation.backups.iter().copied()).collect();
    let start = order.iter().position(|responder| *responder == former).map_or(0, |at| at + 1);
    order[start..].iter().copied().find(|responder| converting.claim(now, designation, *responder).is_ok_and(|claimed| claimed.is_empty()))
}

pub(super) fn after_release(state: &State, now: &Now<'_>, body: &DutyReleased) -> Vec<Draft> {
    let Some(reason) = gap_reason(body.reason()) else { return Vec::new() };
    let Some(call) = CallRef::parse(&body.call_id).map(|key| state.ops.calls.get(key)) else { return Vec::new() };
    let Some((converting, designation)) = post_of(state, call) else { return Vec::new() };
    // Nobody is called out while the area takes shelter: the seat is looked at again once it resumes.
    if call.site.is_some_and(|site| state.ops.sites.get(site).suspended) {
        return Vec::new();
    }
    match next(&converting, now, designation, call.responder) {
        Some(responder) => {
            let mut drafts = Vec::with_capacity(2);
            converting.seat(now, 0, designation, responder, &mut drafts);
            drafts
        }
        None => {
            let other = state.ops.incidents.find(&body.other_incident_id);
            let gap = converting.gap(designation, Some(call.responder), reason, other);
            std::iter::once(gap).chain(fill::for_seat(state, now, call)).collect()
        }
    }
}

/// Whether somebody else could take the place of the one who was called.
pub(super) fn replaceable(state: &State, now: &Now<'_>, call: &Call) -> bool {
    match call.whistle {
        Some(whistle) => fill::has_candidate(state, now, whistle, call.need),
        None => post_of(state, call).is_some_and(|(converting, designation)| next(&converting, now, designation, call.responder).is_some()),
    }
}
