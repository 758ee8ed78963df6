//! What can go wrong, one enum per operation. Variants carry fields; the texts are for people only.

use std::io;
use std::path::PathBuf;

use muster_log::{AppendError, Behind, Position, ReadError, Stopped};
use muster_proto::{CommandError, DecodeError};

/// Why the engine did not start. Nothing was written to the log.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Corrupt: a snapshot knows records that the log does not have. Acknowledged records were lost.
    #[error(
        "{} ({}); if the loss is to be accepted, run `muster doctor --accept-loss`",
        .behind, .path.display()
    )]
    StateAheadOfLog {
        /// The snapshot.
        path: PathBuf,
        /// What it knows, and where the log ends.
        behind: Behind,
    },
    /// Unavailable: the clock is behind the last record. Going on would put new records before old ones in time.
    #[error(
        "the clock says {now_ms} ms, but the last record was made at {last_recorded_ms} ms: \
         set the clock, or run `muster doctor` if the records are what is wrong"
    )]
    ClockBehind {
        /// The time of the log's last record, Unix milliseconds.
        last_recorded_ms: i64,
        /// The wall clock, Unix milliseconds.
        now_ms: i64,
    },
    /// Corrupt or unavailable: the log could not be read.
    #[error("the log could not be read back: {0}")]
    Read(#[from] ReadError),
    /// Corrupt: bytes that are no record of this schema, or one of a newer program.
    #[error("record {position} cannot be read: {source}; `muster doctor` tells what can be done")]
    BadRecord {
        /// Which record.
        position: Position,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// Corrupt: a command's records are not whole or not in order.
    #[error("the records around {position} do not fit together: {detail}; `muster doctor` tells what can be done")]
    BrokenUnit {
        /// The first record that does not fit.
        position: Position,
        /// What does not fit.
        detail: String,
    },
    /// Unavailable: the log stopped before the engine could start.
    #[error(transparent)]
    LogStopped(#[from] Stopped),
    /// Unavailable: the folder of the snapshots cannot be used.
    #[error("{}: {source}", .path.display())]
    StateDir {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Unavailable: the operating system refused a thread.
    #[error("a thread could not be started: {0}")]
    Thread(io::Error),
}

/// Why the engine stopped for good. The state in memory may be ahead of the log, so the process has to end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// The log did not take a unit that was decided and applied.
    #[error("the log refused a unit that is applied already: {0}")]
    Append(#[from] AppendError),
    /// The log stopped, and units that were decided and applied are lost.
    #[error(transparent)]
    LogStopped(#[from] Stopped),
    /// A fault of the program: an event came out larger than a record may be, though commands are capped.
    #[error("a {event} came out with {bytes} bytes, at most {bytes_max} are allowed: this is a fault of the program")]
    RecordTooLarge {
        /// The event's name.
        event: &'static str,
        /// Its encoded size.
        bytes: usize,
        /// The cap.
        bytes_max: usize,
    },
    /// A fault of the program: one of the engine's threads panicked, maybe in the middle of a command.
    #[error("a thread of the engine panicked")]
    Panicked,
}

/// Why the clock was not moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdvanceError {
    /// Rejection: the engine runs on the system's clock.
    #[error("the engine runs on the system's clock, which nobody moves")]
    NotManual,
    /// Unavailable: timers are due, and there is no disk space to record them. Those before fired.
    #[error("there is no disk space to record the timers that are due")]
    NoSpace,
    /// Unavailable: the engine stopped.
    #[error("the engine has stopped")]
    Stopped,
}

/// Why a shutdown did not end in order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShutdownError {
    /// The engine had stopped before, by an earlier shutdown or a failure; see [`crate::EngineHandle::fatal`].
    #[error("the engine had stopped before")]
    Stopped,
}

/// The log stopped, or the engine did: nothing of the command is known to be stored; the same id may be used again.
pub(crate) const LOG_STOPPED: CommandError = CommandError::Unavailable { reason: "log_stopped" };
/// The command came after the shutdown began.
pub(crate) const SHUTTING_DOWN: CommandError = CommandError::Unavailable { reason: "shutting_down" };
/// The queue to the engine is full.
pub(crate) const QUEUE_FULL: CommandError = CommandError::Unavailable { reason: "queue_full" };
/// The disk is nearly full.
pub(crate) const NO_SPACE: CommandError = CommandError::Unavailable { reason: "no_space" };
/// The log could not be read, so it is not known whether the command was there before.
pub(crate) const LOG_UNREADABLE: CommandError = CommandError::Unavailable { reason: "log_unreadable" };
/// There is no planner, or it could not follow the log: nothing can be previewed.
pub(crate) const NO_PLANNER: CommandError = CommandError::Unavailable { reason: "no_planner" };
