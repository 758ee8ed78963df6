//! A plan's post that falls empty: the next backup is called, else the gap is said.

use muster_proto::v1::{DutyReleased, GapReason, ReleaseReason};

use super::conversion::Converting;
use super::fill;
use super::seats::{self, fallen_empty};
use crate::execute::{Draft, Now};
use crate::ids::{CallRef, IncidentRef, ResponderRef};
use crate::state::{Call, Designation, Seating, State};

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

/// The conversion and the designation behind a call. A seat is one post, whoever called somebody to it and whatever a new version made of it; posts
/// without a seat are told apart by name.
fn post_of<'a>(state: &'a State, call: &Call) -> Option<(Converting<'a>, &'a Designation)> {
    let site = call.site.map(|key| (key, state.ops.sites.get(key)));
    let converting = Converting::of(state, call.incident?, site.map_or(call.plan, |(_, site)| site.plan)?)?;
    // A shift's seat is the shift's while it runs, also at a plan's site.
    if converting.conversion.standing_down || call.shift.is_some() {
        return None;
    }
    let version = converting.version;
    let post = match site {
        Some((key, _)) => converting.post_of_seat(key, call.seat.as_deref()?)?,
        None => {
            let unit = call.unit.map(|unit| state.ops.units.get(unit)).filter(|unit| unit.plan == call.plan).map(|unit| unit.part);
            let posts = version.unseated.get(&call.responder)?.iter().map(|at| &version.designations[*at as usize]);
            posts.into_iter().find(|post| post.role == call.role && post.unit == unit)?
        }
    };
    Some((converting, post))
}

/// The plan's card for a call's post, and the version that it is in.
pub(crate) fn card_of(state: &State, call: &Call) -> Option<(String, u32)> {
    let (converting, designation) = post_of(state, call).filter(|_| call.plan.is_some())?;
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
    let other = state.ops.incidents.find(&body.other_incident_id);
    let post = post_of(state, call);
    let Some(site) = call.site.map(|key| state.ops.sites.get(key)) else {
        return post.map(|(converting, post)| follow(&converting, now, post, call, reason, other)).unwrap_or_default();
    };
    // A shift says itself what became of its seats, and nobody is named at a site that a person opened.
    if call.shift.is_some() || site.plan.is_none() {
        return Vec::new();
    }
    let Some((key, seat, seating)) = fallen_empty(state, now, call) else { return Vec::new() };
    match post {
        // Nobody is called out while the area takes shelter: the post is looked at again once it resumes.
        Some(_) if site.suspended => Vec::new(),
        Some((converting, post)) if seating == Seating::Empty => follow(&converting, now, post, call, reason, other),
        Some((converting, post)) => vec![converting.gap(post, Some(call.responder), reason, other)],
        None => {
            let gap = seats::gap(state, key, &seat.id, Some(call.responder), reason, other);
            std::iter::once(gap).chain(fill::for_seat(state, now, call)).collect()
        }
    }
}

/// The next who is named for a post takes it; where there is none, the gap.
fn follow(
    converting: &Converting<'_>,
    now: &Now<'_>,
    post: &Designation,
    call: &Call,
    reason: GapReason,
    other: Option<IncidentRef>,
) -> Vec<Draft> {
    match next(converting, now, post, call.responder) {
        Some(responder) => {
            let mut drafts = Vec::with_capacity(2);
            converting.seat(now, 0, post, responder, &mut drafts);
            drafts
        }
        None => {
            let gap = converting.gap(post, Some(call.responder), reason, other);
            std::iter::once(gap).chain(fill::for_seat(converting.state, now, call)).collect()
        }
    }
}

/// Whether somebody else could take the place of the one who was called.
pub(super) fn replaceable(state: &State, now: &Now<'_>, call: &Call) -> bool {
    match call.whistle {
        Some(whistle) => fill::has_candidate(state, now, whistle, call.need),
        // Where somebody follows on the seat from a later time on, nobody is called until then.
        None if state.ops.seat_of(call).is_some_and(|seat| seat.relief.is_some()) => false,
        None => post_of(state, call).is_some_and(|(converting, designation)| next(&converting, now, designation, call.responder).is_some()),
    }
}
