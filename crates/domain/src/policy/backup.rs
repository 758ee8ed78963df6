//! A plan's post that falls empty: the next backup is called, else the gap is said.

use muster_proto::v1::{DutyReleased, GapReason, ReleaseReason};

use super::conversion::{Converting, waiting};
use super::fill;
use super::summons::release;
use crate::execute::{Draft, Now};
use crate::ids::{CallRef, ResponderRef};
use crate::state::{Call, Designation, State};

fn gap_reason(reason: ReleaseReason) -> Option<GapReason> {
    match reason {
        ReleaseReason::Declined => Some(GapReason::Declined),
        ReleaseReason::Unanswered => Some(GapReason::Unanswered),
        ReleaseReason::NoShow => Some(GapReason::NoShow),
        ReleaseReason::Outranked => Some(GapReason::TakenByIncident),
        ReleaseReason::Withdrawn => Some(GapReason::Withdrawn),
        ReleaseReason::Unavailable => Some(GapReason::Unavailable),
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
    let named = |designation: &&Designation| designation.responder == call.responder || designation.backups.contains(&call.responder);
    let unit = call.unit.and_then(|unit| converting.conversion.units.iter().position(|known| *known == Some(unit)));
    let site = call.site.and_then(|site| converting.conversion.sites.iter().position(|known| *known == Some(site)));
    let seat = call.seat.and_then(|seat| {
        let id = &state.ops.sites.get(call.site?).seats.get(usize::from(seat))?.id;
        converting.version.sites[site?].seats.iter().position(|seat| seat.key == *id)
    });
    let same = |place: Option<u16>, wanted: Option<usize>| place.map(usize::from) == wanted;
    let designation = converting.version.designations.iter().find(|designation| {
        let fits =
            designation.role == call.role && same(designation.site, site) && same(designation.seat, seat) && same(designation.unit, unit);
        // A seat is one post; members of a unit without seats are told apart by name.
        fits && (seat.is_some() || named(designation))
    })?;
    Some((converting, designation))
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
    match next(&converting, now, designation, call.responder) {
        Some(responder) => converting.seat(now, 0, designation, responder),
        None => {
            let other = state.ops.incidents.find(&body.other_incident_id);
            vec![converting.gap(designation, Some(call.responder), reason, other)]
        }
    }
}

/// No reply: whoever can be replaced is replaced. Where nobody else is named, the duty stands, for an empty seat helps nobody.
pub(super) fn unanswered(state: &State, now: &Now<'_>, call_id: &str) -> Vec<Draft> {
    let Some(key) = CallRef::parse(call_id) else { return Vec::new() };
    let call = state.ops.calls.get(key);
    if !waiting(call.phase) {
        return Vec::new();
    }
    let replaceable = match call.whistle {
        Some(whistle) => fill::has_candidate(state, now, whistle, call.need),
        None => post_of(state, call).is_some_and(|(converting, designation)| next(&converting, now, designation, call.responder).is_some()),
    };
    if replaceable { vec![release(state, key, ReleaseReason::Unanswered, None)] } else { Vec::new() }
}
