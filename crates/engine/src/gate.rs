//! The gate: whoever hands a request in may hand in, with it, the one who is asked whether it may be decided at all.
//!
//! It is asked with the state that the request is decided against, so that what the request touches cannot change in
//! between. Policies and timers pass no gate.

use std::sync::Arc;

use muster_domain::State;
use muster_proto::{Refusal, Request};

/// Says whether a request may be decided. Asked on the engine's thread, which everybody waits for: it must be quick, and
/// it must never wait.
pub trait Gate: Send + Sync {
    /// Lets the request through to its decision.
    ///
    /// # Errors
    /// A refusal, answered like any other: nothing is stored, and it waits for what it rests on to be durable.
    fn admit(&self, state: &State, request: &Request) -> Result<(), Refusal>;
}

/// The gate that a request passes; none where whoever hands it in answers for it.
pub type Passing = Option<Arc<dyn Gate>>;

/// Asks the gate, if there is one.
pub(crate) fn pass(gate: &Passing, state: &State, request: &Request) -> Result<(), Refusal> {
    gate.as_ref().map_or(Ok(()), |gate| gate.admit(state, request))
}
