//! The sequencing loop of Muster: command by command on one thread, decide, apply, append; answers once durable.
//!
//! Owns the order of things: positions, the engine's time, idempotency by command id, durable timers, recovery from
//! snapshot and log, and the snapshots in `state/`. It must never change the rules of the domain, never answer before
//! the log's watermark has passed what the answer rests on, and never go on after a unit was lost.

mod board;
mod clock;
mod errors;
mod form;
mod handle;
mod index;
mod inflight;
pub mod limits;
mod options;
mod repeats;
mod replay;
mod replica;
mod reply;
mod sequencer;
mod snapshot;
mod start;
mod unit;

pub use errors::{AdvanceError, Fatal, ShutdownError, StartError};
pub use handle::{Advanced, Ended, EngineHandle, Status};
pub use options::{ClockSource, EngineOptions, OnFatal, OnProgress, Phase, Progress};
pub use reply::{Outcome, Unanswered, Waiting};
pub use start::Engine;
