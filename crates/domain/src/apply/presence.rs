//! Observations applied: who is where. A duty is an order, presence an observation.

use muster_proto::Event;

use super::At;
use super::call::{answer_settled, period_settled};
use crate::ids::{CallRef, ResponderRef};
use crate::limits;
use crate::state::{CallPhase, Observation, Place, Presence, State};

pub(super) fn apply(state: &mut State, at: &At, event: &Event) -> Option<()> {
    observe(state, at, event);
    match event {
        Event::CheckedIn(body) => {
            let responder = state.base.responders.find(&body.responder_id)?;
            let place = state.place(&body.site_id, &body.whistle_id)?;
            arrive(state, at, responder, place, CallRef::parse(&body.call_id));
            if body.walk_in {
                came_unasked(state, at, responder, place);
            }
        }
        Event::CheckedOut(body) => {
            let responder = state.base.responders.find(&body.responder_id)?;
            leave(state, at, responder);
        }
        Event::PresenceDisputed(body) => {
            let responder = state.base.responders.find(&body.responder_id)?;
            let claimed = state.place(&body.site_id, &body.whistle_id)?;
            let presence = state.ops.realms.get_mut(at.realm).presence.get_mut(&responder)?;
            if presence.disputed_with.is_none() {
                let (former, call) = (presence.place.filter(|_| presence.counts()), presence.call);
                presence.disputed_with = Some(claimed);
                presence.fact_ms = presence.fact_ms.max(at.occurred_at_ms);
                count(state, former, -1);
                step_back(state, call);
            }
        }
        Event::PresenceUnconfirmed(body) => {
            let responder = state.base.responders.find(&body.responder_id)?;
            let call = CallRef::parse(&body.call_id).filter(|key| state.ops.calls.find(*key).is_some())?;
            period_settled(state, call);
            let presence = state.ops.realms.get_mut(at.realm).presence.get_mut(&responder)?;
            let former = presence.place.filter(|_| presence.counts());
            presence.unconfirmed = true;
            count(state, former, -1);
            step_back(state, Some(call));
        }
        Event::PresenceSettled(body) => {
            let responder = state.base.responders.find(&body.responder_id)?;
            let place = state.place(&body.site_id, &body.whistle_id);
            leave(state, at, responder);
            if let Some(place) = place {
                arrive(state, at, responder, place, CallRef::parse(&body.call_id));
            }
        }
        // Corrects hours; of what stands now it moves only the time at which somebody was last seen where they are.
        Event::PastPresenceRecorded(body) => {
            let responder = state.base.responders.find(&body.responder_id)?;
            let place = state.place(&body.site_id, &body.whistle_id)?;
            let known = &mut state.ops.realms.get_mut(at.realm).presence;
            if body.check_out {
                // Left before anything was told of having come: what is told later of an earlier hour is of the past.
                let nowhere = Presence { place: None, disputed_with: None, unconfirmed: false, call: None, fact_ms: at.occurred_at_ms };
                let presence = known.entry(responder).or_insert(nowhere);
                if presence.place.is_none() {
                    presence.fact_ms = presence.fact_ms.max(at.occurred_at_ms);
                }
                return Some(());
            }
            let presence = known.get_mut(&responder)?;
            let seen_again = presence.place == Some(place) && presence.counts();
            if seen_again {
                presence.fact_ms = presence.fact_ms.max(at.occurred_at_ms);
            }
        }
        _ => {}
    }
    Some(())
}

impl State {
    /// The place that a body names: a site or a whistle.
    pub(crate) fn place(&self, site_id: &str, whistle_id: &str) -> Option<Place> {
        if site_id.is_empty() {
            self.ops.whistles.find(whistle_id).map(Place::Whistle)
        } else {
            self.ops.sites.find(site_id).map(Place::Site)
        }
    }
}

/// Keeps what was told, so that the same sheet or phone telling it again is no news.
fn observe(state: &mut State, at: &At, event: &Event) -> Option<()> {
    let (responder_id, site_id, whistle_id, device_sequence, check_out) = match event {
        Event::CheckedIn(body) => (&body.responder_id, &body.site_id, &body.whistle_id, body.device_sequence, false),
        Event::CheckedOut(body) => (&body.responder_id, &body.site_id, &body.whistle_id, body.device_sequence, true),
        Event::PresenceDisputed(body) => (&body.responder_id, &body.site_id, &body.whistle_id, body.device_sequence, false),
        Event::PastPresenceRecorded(body) => (&body.responder_id, &body.site_id, &body.whistle_id, body.device_sequence, body.check_out),
        _ => return None,
    };
    let responder = state.base.responders.find(responder_id)?;
    let place = state.place(site_id, whistle_id)?;
    let told = state.ops.realms.get_mut(at.realm).observed.entry(responder).or_default();
    if told.len() == limits::OBSERVATIONS_KEPT {
        told.remove(0);
    }
    told.push(Observation { place, occurred_at_ms: at.occurred_at_ms, device_sequence, check_out });
    Some(())
}

fn count(state: &mut State, place: Option<Place>, by: i32) {
    let present = match place {
        Some(Place::Site(key)) => &mut state.ops.sites.get_mut(key).present,
        Some(Place::Whistle(key)) => &mut state.ops.whistles.get_mut(key).present,
        None => return,
    };
    *present = present.saturating_add_signed(by);
}

fn arrive(state: &mut State, at: &At, responder: ResponderRef, place: Place, call: Option<CallRef>) {
    let call = call.filter(|key| state.ops.calls.find(*key).is_some_and(|call| call.phase.open()));
    let former = state.ops.realms.get(at.realm).presence.get(&responder).filter(|known| known.place == Some(place));
    let counted = former.is_some_and(Presence::counts);
    if let Some(former) = former.map(|known| known.call).filter(|former| *former != call) {
        step_back(state, former);
    }
    if let Some(key) = call {
        answer_settled(state, key);
        let call = state.ops.calls.get_mut(key);
        call.no_show = false;
        if call.phase != CallPhase::Recalled {
            call.phase = CallPhase::OnPost;
        }
        first_arrival(state, at, key);
    }
    let presence = Presence { place: Some(place), disputed_with: None, unconfirmed: false, call, fact_ms: at.occurred_at_ms };
    state.ops.realms.get_mut(at.realm).presence.insert(responder, presence);
    // Seen again where they are, now on a duty of theirs: one person.
    if !counted {
        count(state, Some(place), 1);
    }
}

/// Somebody came to a plan's site without a call: the plan may learn from it.
fn came_unasked(state: &mut State, at: &At, responder: ResponderRef, place: Place) -> Option<()> {
    let Place::Site(key) = place else { return None };
    let site = state.ops.sites.get(key);
    let (incident, plan) = (site.incident, site.plan?);
    let conversion = state.ops.incidents.get_mut(incident).conversions.get_mut(&plan)?;
    conversion.walk_ins.entry((key, responder)).or_insert(at.position);
    Some(())
}

/// The first time that somebody comes on a call tells how long people take, in real life.
fn first_arrival(state: &mut State, at: &At, key: CallRef) {
    let State { base, ops, .. } = state;
    let real = ops.actual() == at.realm;
    let call = ops.calls.get_mut(key);
    if call.arrived_at_ms == 0 {
        call.arrived_at_ms = at.occurred_at_ms;
        if real {
            ops.arrivals.note(base, call, at.occurred_at_ms);
        }
    }
}

fn leave(state: &mut State, at: &At, responder: ResponderRef) {
    let realm = state.ops.realms.get_mut(at.realm);
    let Some(presence) = realm.presence.get_mut(&responder) else { return };
    let former = presence.clone();
    *presence = Presence { place: None, disputed_with: None, unconfirmed: false, call: None, fact_ms: at.occurred_at_ms };
    // Disputed and unconfirmed presence was counted nowhere.
    if former.counts() {
        count(state, former.place, -1);
    }
    step_back(state, former.call);
}

/// The duty stands, the person is not on post.
fn step_back(state: &mut State, call: Option<CallRef>) {
    if let Some(key) = call {
        let call = state.ops.calls.get_mut(key);
        if call.phase == CallPhase::OnPost {
            call.phase = CallPhase::Accepted;
        }
    }
}
