//! Observations applied to the hours on post, and the timers that watch over them. A late fact corrects hours and never an order.

use muster_proto::Event;
use muster_proto::v1::FatigueLevel;

use super::At;
use crate::ids::{RealmRef, ResponderRef};
use crate::limits;
use crate::state::{Place, Presence, State, Timer, fatigue_level};

/// What an observation tells of somebody's work. Called before the observation is applied: `known` is what was known until then.
pub(super) fn observed(state: &mut State, at: &At, event: &Event) -> Option<()> {
    let responder_id = match event {
        Event::CheckedIn(body) => &body.responder_id,
        Event::CheckedOut(body) => &body.responder_id,
        Event::PresenceDisputed(body) => &body.responder_id,
        Event::PresenceUnconfirmed(body) => &body.responder_id,
        Event::PresenceSettled(body) => &body.responder_id,
        Event::PastPresenceRecorded(body) => &body.responder_id,
        _ => return None,
    };
    let responder = state.base.responders.find(responder_id)?;
    let known = state.ops.realms.get(at.realm).presence.get(&responder).cloned();
    let there = known.as_ref().and_then(|known| known.place);
    match event {
        Event::CheckedIn(body) => on(state, at, responder, known.as_ref(), state.place(&body.site_id, &body.whistle_id)?),
        Event::PresenceSettled(body) => match state.place(&body.site_id, &body.whistle_id) {
            Some(place) => on(state, at, responder, known.as_ref(), place),
            None if known.as_ref().is_some_and(Presence::counts) => mark(state, at, responder, there?, false),
            // Nobody knows when they left: what was assumed stands.
            None => {}
        },
        Event::CheckedOut(_) => {
            if known.as_ref().is_some_and(|known| known.unconfirmed) {
                state.ops.realms.get_mut(at.realm).work.entry(responder).or_default().nothing_assumed();
            }
            mark(state, at, responder, there?, false);
        }
        Event::PresenceDisputed(_) => mark(state, at, responder, there?, false),
        Event::PresenceUnconfirmed(body) => {
            let until_ms = body.until_ms.max(known?.fact_ms);
            state.ops.realms.get_mut(at.realm).work.entry(responder).or_default().mark(until_ms, there?, false, true);
        }
        Event::PastPresenceRecorded(body) => {
            let place = state.place(&body.site_id, &body.whistle_id)?;
            mark(state, at, responder, place, !body.check_out);
        }
        _ => {}
    }
    Some(())
}

fn on(state: &mut State, at: &At, responder: ResponderRef, known: Option<&Presence>, place: Place) {
    // Seen again where nobody saw them go: they never left.
    if known.is_some_and(|known| known.unconfirmed && known.place == Some(place)) {
        state.ops.realms.get_mut(at.realm).work.entry(responder).or_default().nothing_assumed();
    }
    mark(state, at, responder, place, true);
}

fn mark(state: &mut State, at: &At, responder: ResponderRef, place: Place, on: bool) {
    state.ops.realms.get_mut(at.realm).work.entry(responder).or_default().mark(at.occurred_at_ms, place, on, false);
}

/// Sets the watch anew after an observation was applied.
pub(super) fn watch(state: &mut State, at: &At, event: &Event) -> Option<()> {
    let responder_id = match event {
        Event::CheckedIn(body) => &body.responder_id,
        Event::CheckedOut(body) => &body.responder_id,
        Event::PresenceDisputed(body) => &body.responder_id,
        Event::PresenceUnconfirmed(body) => &body.responder_id,
        Event::PresenceSettled(body) => &body.responder_id,
        Event::PastPresenceRecorded(body) => &body.responder_id,
        Event::FatigueRaised(body) => &body.responder_id,
        _ => return None,
    };
    let responder = state.base.responders.find(responder_id)?;
    let hours = state.hours(at.realm, responder, at.recorded_at_ms);
    let work = state.ops.realms.get_mut(at.realm).work.get_mut(&responder)?;
    if let Event::FatigueRaised(body) = event {
        work.level = body.level();
    }
    // A new spell, or a correction that shortens this one, starts from the beginning.
    work.level = work.level.min(fatigue_level(hours.spell_ms));
    let next_ms = match work.level {
        FatigueLevel::Unspecified => hours.reached_ms(at.recorded_at_ms, limits::FATIGUE_AMBER_MS),
        FatigueLevel::Amber => hours.reached_ms(at.recorded_at_ms, limits::FATIGUE_RED_MS),
        FatigueLevel::Red => 0,
    };
    let former_ms = std::mem::replace(&mut work.due_ms, next_ms);
    set(state, at.realm, responder, former_ms, next_ms);
    Some(())
}

fn set(state: &mut State, realm: RealmRef, responder: ResponderRef, former_ms: i64, next_ms: i64) {
    if former_ms != next_ms {
        state.clear_timer(former_ms, Timer::Fatigue(realm, responder));
        state.set_timer(next_ms, Timer::Fatigue(realm, responder));
    }
}
