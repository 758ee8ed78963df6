//! The sequencing loop of Muster: command by command on one thread, decide, apply, append; answers once durable.
//!
//! Owns the order of things: positions, the engine's time, idempotency by command id, durable timers, recovery from
//! snapshot and log, the snapshots in `state/`, and the planner, which previews commands, rehearses conversions and matches open needs with people. It must never change the rules of the domain, never answer before
//! the log's watermark has passed what the answer rests on, and never go on after a unit was lost.
//!
//! ```
//! use std::sync::Arc;
//!
//! use muster_engine::{Engine, EngineOptions};
//! use muster_log::MemoryLog;
//! use muster_proto::{Command, Request, v1};
//!
//! let engine = Engine::start(Arc::new(MemoryLog::new()), EngineOptions::default())?;
//! let city = v1::DefineArea {
//!     area_id: "4408".into(),
//!     name: "湛江市".into(),
//!     level: v1::AreaLevel::City.into(),
//!     ..Default::default()
//! };
//! let request = Request {
//!     principal: "hq".into(),
//!     id: "define-4408".into(),
//!     digest: [0; 32],
//!     context: v1::Context::default(),
//!     command: Command::DefineArea(city),
//! };
//! let answer = engine.submit_waiting(request.clone()).wait()?;
//! assert_eq!((answer.first, answer.last, answer.repeated), (1, 1, false));
//! assert!(engine.submit_waiting(request).wait()?.repeated);
//! engine.shutdown().wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod board;
mod clock;
mod errors;
mod fill;
mod form;
mod gate;
mod handle;
mod index;
mod inflight;
pub mod limits;
mod options;
mod planner;
mod planning;
mod preview;
mod repeats;
mod replay;
mod reply;
mod sequencer;
mod snapshot;
mod start;
mod unit;

pub use errors::{AdvanceError, Fatal, ShutdownError, StartError};
pub use fill::FillRequest;
pub use gate::{Gate, Passing};
pub use handle::{Advanced, Ended, EngineHandle, Status};
pub use muster_domain::RehearsalQuery;
pub use options::{ClockSource, EngineOptions, OnFatal, OnProgress, Phase, Progress};
pub use preview::Preview;
pub use reply::{Asked, Outcome, Unanswered, Waiting};
pub use start::Engine;
