//! Fatigue 疲劳: who has worked too long without a rest is named, and relief is demanded. Nobody is taken off post by it: an empty post is worse.

use muster_proto::Event;
use muster_proto::v1::{self, ReliefReason};

use crate::execute::{Draft, Emitted, Now};
use crate::ids::{CallRef, RealmRef, ResponderRef};
use crate::state::{Place, State, fatigue_level};

/// The next limit is reached, and the person is still on post.
pub(super) fn reached(state: &State, now: &Now<'_>, realm: RealmRef, responder: ResponderRef) -> Vec<Draft> {
    let hours = state.hours(realm, responder, now.recorded_at_ms);
    let seen = state.ops.realms.get(realm).presence.get(&responder);
    let call = seen.and_then(|seen| seen.call);
    let (site_id, whistle_id, area) = match seen.and_then(|seen| seen.place) {
        Some(Place::Site(key)) => (state.ops.sites.id(key).to_owned(), String::new(), Some(state.ops.sites.get(key).area)),
        Some(Place::Whistle(key)) => (String::new(), state.ops.whistles.id(key).to_owned(), Some(state.ops.whistles.get(key).area)),
        None => (String::new(), String::new(), None),
    };
    let event = Event::FatigueRaised(v1::FatigueRaised {
        responder_id: state.base.responders.id(responder).to_owned(),
        level: fatigue_level(hours.spell_ms).into(),
        worked_ms: hours.spell_ms,
        since_ms: hours.spell_since_ms,
        call_id: call.map(CallRef::text).unwrap_or_default(),
        site_id,
        whistle_id,
        area_id: area.map(|area| state.base.areas.id(area).to_owned()).unwrap_or_default(),
    });
    vec![Draft::new(event, realm, area)]
}

/// Who is tired is to be relieved.
pub(super) fn raised(cause: &Emitted, body: &v1::FatigueRaised) -> Vec<Draft> {
    let event = Event::ReliefDemanded(v1::ReliefDemanded {
        reason: ReliefReason::Fatigue.into(),
        responder_id: body.responder_id.clone(),
        call_id: body.call_id.clone(),
        site_id: body.site_id.clone(),
        whistle_id: body.whistle_id.clone(),
        area_id: body.area_id.clone(),
        level: body.level,
        ..Default::default()
    });
    vec![Draft::new(event, cause.realm, cause.area)]
}
