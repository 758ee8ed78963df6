//! Take shelter 避险: everybody outdoors is called in, confirms, and the unaccounted are known by name.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::Event;
use muster_proto::v1;

use super::incident::scope;
use super::{Decision, checks};
use crate::execute::{Draft, Now};
use crate::ids::{AreaRef, CallRef, RealmRef, ResponderRef};
use crate::limits;
use crate::rejection::Rejection;
use crate::state::{CallPhase, Place, Recall, State};

pub(super) fn recall(state: &State, now: &Now<'_>, body: &v1::RecallArea) -> Decision {
    let (_, incident, area) = scope(state, now, &body.incident_id, &body.area_id)?;
    checks::short("reason", &body.reason)?;
    if body.due_ms != 0 && body.due_ms <= now.recorded_at_ms {
        return Err(Rejection::FieldInvalid { field: "due_ms", reason_zh: "期限已过", reason_en: "the time has passed" });
    }
    let known = incident.recalls.get(&area);
    let due_ms = if body.due_ms == 0 { now.recorded_at_ms + limits::SAFETY_LIMIT_MS } else { body.due_ms };
    let mut drafts = Vec::new();
    if known.is_none() {
        let event = Event::AreaRecalled(v1::AreaRecalled {
            incident_id: body.incident_id.clone(),
            area_id: body.area_id.clone(),
            reason: body.reason.clone(),
            due_ms,
        });
        drafts.push(Draft::new(event, incident.realm, Some(area)));
    }
    // All were safe or listed before: who is called in now is waited for anew.
    let due_again_ms = if known.is_some_and(|known| known.due_ms == 0) { due_ms } else { 0 };
    for (responder, (call, place)) in outdoors(state, incident.realm, area) {
        if known.is_some_and(|known| knows(known, responder)) {
            continue;
        }
        let (site_id, whistle_id, at) = match place {
            Place::Site(key) => (state.ops.sites.id(key).to_owned(), String::new(), state.ops.sites.get(key).area),
            Place::Whistle(key) => (String::new(), state.ops.whistles.id(key).to_owned(), state.ops.whistles.get(key).area),
        };
        let event = Event::ShelterOrdered(v1::ShelterOrdered {
            incident_id: body.incident_id.clone(),
            recalled_area_id: body.area_id.clone(),
            responder_id: state.base.responders.id(responder).to_owned(),
            call_id: call.map(CallRef::text).unwrap_or_default(),
            site_id,
            whistle_id,
            area_id: state.base.areas.id(at).to_owned(),
            due_ms: due_again_ms,
        });
        drafts.push(Draft::new(event, incident.realm, Some(at)));
    }
    Ok(drafts)
}

fn knows(recall: &Recall, responder: ResponderRef) -> bool {
    recall.unaccounted.contains_key(&responder) || recall.safe.contains(&responder)
}

/// Everybody who is in the open in the area, or may be on the way there: by presence, disputed or not, and by duty.
fn outdoors(state: &State, realm: RealmRef, area: AreaRef) -> BTreeMap<ResponderRef, (Option<CallRef>, Place)> {
    let below: BTreeSet<AreaRef> = state.base.subtree(area).into_iter().collect();
    let in_the_open = |place: Place| match place {
        Place::Site(key) => {
            let site = state.ops.sites.get(key);
            site.outdoors() && below.contains(&site.area)
        }
        Place::Whistle(key) => below.contains(&state.ops.whistles.get(key).area),
    };
    let held = state.ops.realms.get(realm);
    let mut found = BTreeMap::new();
    for (responder, calls) in &held.duties {
        for key in calls {
            let call = state.ops.calls.get(*key);
            let place = call.site.map(Place::Site).or(call.whistle.map(Place::Whistle));
            if let Some(place) = place.filter(|place| call.phase >= CallPhase::Accepted && in_the_open(*place)) {
                found.entry(*responder).or_insert((Some(*key), place));
            }
        }
    }
    for (responder, seen) in &held.presence {
        let places = [seen.place, seen.disputed_with];
        if let Some(place) = places.into_iter().flatten().find(|place| in_the_open(*place)) {
            found.entry(*responder).or_insert((seen.call, place));
        }
    }
    found
}

pub(super) fn confirm(state: &State, body: &v1::ConfirmSafe) -> Decision {
    let key = state.open_incident(&body.incident_id)?;
    let incident = state.ops.incidents.get(key);
    if body.responder_ids.is_empty() {
        return Err(Rejection::FieldMissing { field: "responder_ids" });
    }
    checks::at_most("responder_ids", body.responder_ids.len(), limits::PEOPLE_LIST_MAX)?;
    let people: BTreeSet<&String> = body.responder_ids.iter().collect();
    let mut drafts = Vec::new();
    for id in people {
        let responder = state.responder("responder_ids", id)?;
        if !incident.recalls.values().any(|recall| knows(recall, responder)) {
            return Err(Rejection::NotCalledIn { id: id.clone() });
        }
        for (area, _) in incident.recalls.iter().filter(|(_, recall)| recall.unaccounted.contains_key(&responder)) {
            let event = Event::SafetyConfirmed(v1::SafetyConfirmed {
                incident_id: body.incident_id.clone(),
                recalled_area_id: state.base.areas.id(*area).to_owned(),
                responder_id: id.clone(),
            });
            drafts.push(Draft::new(event, incident.realm, Some(*area)));
        }
    }
    Ok(drafts)
}

pub(super) fn resume(state: &State, now: &Now<'_>, body: &v1::ResumeArea) -> Decision {
    // An area that was moved away meanwhile still takes shelter, and must be able to end it.
    let incident = state.ops.incidents.get(state.open_incident(&body.incident_id)?);
    let area = state.area("area_id", &body.area_id)?;
    if !incident.recalls.contains_key(&area) {
        scope(state, now, &body.incident_id, &body.area_id)?;
    }
    state.authority_over(now, area)?;
    checks::short("reason", &body.reason)?;
    let recall = incident.recalls.get(&area).ok_or_else(|| Rejection::NotRecalled { area: body.area_id.clone() })?;
    if !recall.unaccounted.is_empty() && body.reason.trim().is_empty() {
        return Err(Rejection::PeopleUnaccounted { area: body.area_id.clone(), people: recall.unaccounted.len() });
    }
    let event = Event::AreaResumed(v1::AreaResumed {
        incident_id: body.incident_id.clone(),
        area_id: body.area_id.clone(),
        reason: body.reason.clone(),
        unaccounted: u32::try_from(recall.unaccounted.len()).unwrap_or(u32::MAX),
    });
    Ok(vec![Draft::new(event, incident.realm, Some(area))])
}
