//! What a fact changes. Applying never refuses: what is in the log happened.
//!
//! An id that the state does not know is passed over, so that a reader of a cut log does not fall; the log itself is whole.

mod agreement;
mod base;
mod call;
mod fill;
mod hours;
mod incident;
mod presence;
mod reach;
mod shelter;
mod shift;
mod unit;
mod whistle;

use muster_proto::{Aggregate, Event, aggregate_of};

use crate::ids::RealmRef;
use crate::state::State;

pub(crate) use incident::conversions_below;

/// Where and when a record stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) position: u64,
    pub(crate) recorded_at_ms: i64,
    pub(crate) occurred_at_ms: i64,
    pub(crate) realm: RealmRef,
}

pub(crate) fn apply(state: &mut State, at: &At, event: &Event) {
    state.position = at.position;
    // Every handler answers `None` where an id is unknown: that ends its part and nothing else.
    let _applied: Option<()> = match aggregate_of(event.tag()) {
        Aggregate::Area | Aggregate::Organization | Aggregate::Responder | Aggregate::ConversionPlan => base::apply(state, event),
        Aggregate::Incident => incident::apply(state, event),
        Aggregate::Unit => unit::apply_to_unit(state, at, event),
        Aggregate::Site => unit::apply_to_site(state, event),
        Aggregate::Whistle => match event {
            Event::FillProposed(_) | Event::FillLineDecided(_) | Event::FillLineRefused(_) => fill::apply(state, at, event),
            _ => whistle::apply(state, at, event),
        },
        Aggregate::Call => match event {
            Event::CheckedIn(_)
            | Event::CheckedOut(_)
            | Event::PresenceDisputed(_)
            | Event::PresenceSettled(_)
            | Event::PresenceUnconfirmed(_)
            | Event::PastPresenceRecorded(_) => {
                hours::observed(state, at, event);
                let applied = presence::apply(state, at, event);
                hours::watch(state, at, event);
                applied
            }
            _ => call::apply(state, at, event),
        },
        Aggregate::Agreement => agreement::apply(state, event),
        Aggregate::Shift => shift::apply(state, at, event),
        Aggregate::System => whistle::apply_refused_step(state, event),
    };
}
