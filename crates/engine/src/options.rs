//! How an engine is started. Defaults are for production.

use std::path::PathBuf;

use muster_log::Position;

use crate::errors::Fatal;
use crate::limits;

/// Called once when the engine stops for good, on whichever thread met the failure. The process is to end.
pub type OnFatal = Box<dyn FnOnce(&Fatal) + Send>;

/// Called during recovery, on the thread that starts the engine.
pub type OnProgress = Box<dyn FnMut(Progress) + Send>;

/// Where the engine's time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSource {
    /// The wall clock as it was at start, carried on by the monotonic clock.
    System,
    /// Moved by [`crate::EngineHandle::advance_to`] alone. Starts at `start_ms`, Unix milliseconds, or at the time of
    /// the log's last record if that is later.
    Manual {
        /// Unix milliseconds.
        start_ms: i64,
    },
}

/// How far the recovery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// The last position done.
    pub position: Position,
    /// The last position to do.
    pub end: Position,
}

/// The parts of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Records are applied to the state.
    Replay,
    /// The command index is rebuilt from the records.
    CommandIndex,
}

/// How to start an engine. Use [`Default`] and change what differs.
pub struct EngineOptions {
    /// Where snapshots of the state live; none are read or written without it.
    pub state_dir: Option<PathBuf>,
    /// Where time comes from.
    pub clock: ClockSource,
    /// Start although the wall clock is behind the last record, because a person has accepted it: time goes on from that
    /// record.
    pub accept_clock: bool,
    /// Records between two snapshots.
    pub snapshot_every: u64,
    /// Commands that may wait for the engine; when it is full they are answered `queue_full`.
    pub queue_max: usize,
    /// Rebuild the command index from the records even if it looks whole.
    pub rebuild_index: bool,
    /// Called when the engine stops for good.
    pub on_fatal: Option<OnFatal>,
    /// Called while the engine recovers.
    pub on_progress: Option<OnProgress>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            state_dir: None,
            clock: ClockSource::System,
            accept_clock: false,
            snapshot_every: limits::SNAPSHOT_EVERY,
            queue_max: limits::QUEUE_MAX,
            rebuild_index: false,
            on_fatal: None,
            on_progress: None,
        }
    }
}
