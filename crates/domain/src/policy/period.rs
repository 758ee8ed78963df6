//! The end of a duty's period 班次结束: who was not on post is let go; who did not check out is unconfirmed 待核实 until settled.

use muster_proto::Event;
use muster_proto::v1::{self, ReleaseReason};

use super::summons::release;
use crate::execute::{Draft, Now};
use crate::ids::{CallRef, RealmRef};
use crate::state::{CallPhase, Place, Presence, State};

/// The period and its grace are over, and the duty still stands.
pub(super) fn ended(state: &State, key: CallRef) -> Vec<Draft> {
    let call = state.ops.calls.get(key);
    let seen = state.ops.realms.get(call.realm).presence.get(&call.responder);
    match seen.filter(|seen| seen.call == Some(key) && seen.counts()) {
        Some(seen) => {
            let event = Event::PresenceUnconfirmed(v1::PresenceUnconfirmed {
                responder_id: state.base.responders.id(call.responder).to_owned(),
                call_id: key.text(),
                site_id: call.site.map(|site| state.ops.sites.id(site).to_owned()).unwrap_or_default(),
                whistle_id: call.whistle.map(|whistle| state.ops.whistles.id(whistle).to_owned()).unwrap_or_default(),
                area_id: state.base.areas.id(area_of(state, seen).unwrap_or(call.area)).to_owned(),
                until_ms: call.until_ms,
            });
            vec![Draft::new(event, call.realm, Some(call.area))]
        }
        None => vec![release(state, key, ReleaseReason::PeriodOver, None)],
    }
}

fn area_of(state: &State, seen: &Presence) -> Option<crate::ids::AreaRef> {
    seen.place.map(|place| match place {
        Place::Site(key) => state.ops.sites.get(key).area,
        Place::Whistle(key) => state.ops.whistles.get(key).area,
    })
}

/// A person was seen somewhere, or said to be nowhere: what was only waited for at another place is over.
pub(super) fn after_sighting(state: &State, now: &Now<'_>, realm: RealmRef, responder_id: &str) -> Vec<Draft> {
    let Some(responder) = state.base.responders.find(responder_id) else { return Vec::new() };
    let there = state.ops.realms.get(realm).presence.get(&responder).and_then(|seen| seen.call);
    let over = |key: &&CallRef| {
        let call = state.ops.calls.get(**key);
        // Its timer is gone, so that nothing else would end it. Who was told to come off is let go by the stand-down.
        let waited_for = call.period_due_ms == 0 && call.until_ms != 0 && call.until_ms <= now.recorded_at_ms;
        waited_for && Some(**key) != there && call.phase != CallPhase::Recalled
    };
    state.ops.duties(realm, responder).iter().filter(over).map(|key| release(state, *key, ReleaseReason::CheckedOut, None)).collect()
}

/// Relief settles the presence of somebody who was unconfirmed: the one who took over found the post left.
pub(super) fn after_release(state: &State, realm: RealmRef, body: &v1::DutyReleased) -> Vec<Draft> {
    let Some(responder) = state.base.responders.find(&body.responder_id) else { return Vec::new() };
    let Some(seen) = state.ops.realms.get(realm).presence.get(&responder).filter(|seen| seen.unconfirmed && seen.call.is_none()) else {
        return Vec::new();
    };
    let area = area_of(state, seen);
    let event = Event::PresenceSettled(v1::PresenceSettled {
        responder_id: body.responder_id.clone(),
        area_id: area.map(|area| state.base.areas.id(area).to_owned()).unwrap_or_default(),
        note: "任务已解除 duty released".to_owned(),
        ..Default::default()
    });
    vec![Draft::new(event, realm, area)]
}
