//! The pure domain: what is, what may happen, and what follows by itself.
//!
//! Commands are decided against [`State`], events change it, policies answer events with further events until nothing is left to do.
//! Nothing here reads a clock, draws a random number, does IO or waits: time and ids come in with [`Now`], effects leave as [`Emitted`].

mod apply;
mod assign;
mod decide;
mod execute;
mod ids;
mod lessons;
pub mod limits;
mod notice;
mod policy;
mod rehearse;
mod rejection;
mod state;
mod summary;
#[cfg(test)]
mod tests;
mod touches;
mod words;

pub use assign::{FillMeasure, FillQuestion, FillWay, measure_fill, propose_fill};
pub use execute::{Emitted, Meta, Now, execute, fire_timer};
pub use ids::{AreaRef, RealmRef};
pub use lessons::lessons;
pub use notice::CallNotice;
pub use rehearse::{RehearsalQuery, rehearse, rehearse_plan};
pub use rejection::{Rejection, RejectionKind};
pub use state::{SharedArea, State};
pub use summary::{CallStanding, CallSummary};
