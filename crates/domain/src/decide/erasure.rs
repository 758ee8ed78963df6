//! Erasing a person's data: asked by one, agreed to by another, and refused while anything still needs it. An exercise never stands in
//! the way: only what happened in real life is looked at.

use muster_proto::Event;
use muster_proto::v1;

use super::area::peacetime;
use super::{Decision, checks};
use crate::execute::Now;
use crate::ids::ResponderRef;
use crate::limits;
use crate::rejection::Rejection;
use crate::state::{Erasure, State};
use crate::words;

pub(super) fn erase(state: &State, now: &Now<'_>, body: &v1::ErasePersonalData) -> Decision {
    let responder = state.responder("responder_id", &body.responder_id)?;
    checks::name("reason", &body.reason)?;
    let known = state.base.erasures.get(&responder);
    if known == Some(&Erasure::Erased) {
        return Ok(Vec::new());
    }
    no_longer_needed(state, now, responder, &body.responder_id)?;
    let actor = &now.context.actor;
    if actor.is_empty() {
        return Err(Rejection::ActorRequired {});
    }
    let event = match known {
        Some(Erasure::Requested(by)) if **by == **actor => {
            return Err(Rejection::SecondPersonNeeded { id: body.responder_id.clone(), by: actor.clone() });
        }
        Some(Erasure::Requested(by)) => Event::PersonalDataErased(v1::PersonalDataErased {
            responder_id: body.responder_id.clone(),
            requested_by: by.to_string(),
            confirmed_by: actor.clone(),
        }),
        _ => {
            checks::short("context.actor", actor)?;
            Event::ErasureRequested(v1::ErasureRequested {
                responder_id: body.responder_id.clone(),
                reason: body.reason.clone(),
                requested_by: actor.clone(),
            })
        }
    };
    Ok(vec![peacetime(state, event, state.base.home_of(responder))])
}

/// Nothing keeps the data: asked when the erasure is requested, and again when it is agreed to.
fn no_longer_needed(state: &State, now: &Now<'_>, responder: ResponderRef, id: &str) -> Result<(), Rejection> {
    let id = || id.to_owned();
    if !state.base.responders.get(responder).withdrawn {
        return Err(Rejection::ResponderNotWithdrawn { id: id() });
    }
    if let Some(reason) = state.base.holds.get(&responder) {
        return Err(Rejection::UnderHold { id: id(), reason: reason.to_string() });
    }
    let actual = state.ops.actual();
    if let Some(call) = state.ops.duties(actual, responder).first() {
        return Err(Rejection::ResponderOnDuty { id: id(), call: call.text() });
    }
    let presence = state.ops.realms.get(actual).presence.get(&responder);
    if presence.is_some_and(|presence| presence.place.is_some()) {
        return Err(Rejection::PresenceOpen { id: id() });
    }
    // A scan of all calls: it takes milliseconds, and two people give this command now and then.
    let own = state.ops.calls.iter().filter(|(_, call)| call.realm == actual && call.responder == responder);
    let served_ms = own.map(|(_, call)| call.released_at_ms).chain(presence.map(|presence| presence.fact_ms)).max();
    match served_ms.map(|served_ms| served_ms + limits::RETENTION_MS) {
        Some(until_ms) if until_ms > now.recorded_at_ms => Err(Rejection::RetentionRunning { id: id(), until: words::utc(until_ms) }),
        _ => Ok(()),
    }
}

pub(super) fn set_hold(state: &State, body: &v1::SetHold) -> Decision {
    let responder = state.responder("responder_id", &body.responder_id)?;
    checks::short("reason", &body.reason)?;
    if state.base.holds.contains_key(&responder) == body.held {
        return Ok(Vec::new());
    }
    if body.held {
        checks::name("reason", &body.reason)?;
        if state.base.erasures.get(&responder) == Some(&Erasure::Erased) {
            return Err(Rejection::PersonalDataErased { id: body.responder_id.clone() });
        }
    }
    let event = Event::HoldSet(v1::HoldSet { responder_id: body.responder_id.clone(), held: body.held, reason: body.reason.clone() });
    Ok(vec![peacetime(state, event, state.base.home_of(responder))])
}
