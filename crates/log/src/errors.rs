//! What can go wrong, one enum per operation. Variants carry fields; the texts are for people only.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::types::{EpochPosition, Position};

/// Text that is no position or no `epoch.position`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a log position: {text:?}")]
pub struct ParsePositionError {
    /// The text.
    pub text: String,
}

/// A command key that cannot be stored. The caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Principal or id is empty.
    #[error("the {part} of a command key is empty")]
    Empty {
        /// Which part.
        part: &'static str,
    },
    /// Principal or id is over its cap.
    #[error("the {part} of a command key has {bytes} bytes, at most {bytes_max} are allowed")]
    TooLong {
        /// Which part.
        part: &'static str,
        /// Its size.
        bytes: usize,
        /// Its cap.
        bytes_max: usize,
    },
    /// The principal holds the separator.
    #[error("the principal of a command key holds a zero byte")]
    ZeroInPrincipal,
}

/// Why a log stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// A write or a sync failed. What reached the disk of it is unknown until the next open.
    #[error("the log could not be written: {detail} ({free_bytes} bytes free)")]
    WriteFailed {
        /// The store's own words.
        detail: String,
        /// Free bytes right after the failure; 0 or nearly so means a full disk.
        free_bytes: u64,
    },
    /// The writer thread panicked, in a callback most likely.
    #[error("the log's writer thread panicked")]
    Panicked,
    /// The log was closed.
    #[error("the log was closed")]
    Closed,
}

/// The log takes no appends any more. Cheap to clone: every waiting command gets one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log stopped after position {watermark}: {reason}")]
pub struct Stopped {
    /// Why.
    pub reason: Arc<StopReason>,
    /// The last durable position.
    pub watermark: Position,
}

/// Why a unit was not taken. Nothing of it was written, and its callback is dropped without a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Unavailable: the log stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// Conflict: the unit was decided for another place.
    #[error("the log's next position is {next}, the unit expects {expected}")]
    WrongPosition {
        /// Where the unit wanted to go.
        expected: Position,
        /// Where the log stands.
        next: Position,
    },
    /// Rejection: a unit without records.
    #[error("a unit needs at least one record")]
    EmptyUnit,
    /// Rejection: a record over [`crate::limits::RECORD_BYTES_MAX`].
    #[error("record {index} of the unit has {bytes} bytes, at most {bytes_max} are allowed")]
    RecordTooLarge {
        /// Which record, from 0.
        index: usize,
        /// Its size.
        bytes: usize,
        /// The cap.
        bytes_max: usize,
    },
    /// Rejection: a unit over [`crate::limits::UNIT_BYTES_MAX`] or [`crate::limits::UNIT_RECORDS_MAX`].
    #[error("the unit has {records} records and {bytes} bytes, which is more than one batch may hold")]
    UnitTooLarge {
        /// Its records.
        records: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// Unavailable: the disk is nearly full. Comes only well below the floor that [`crate::Log::space`] tells of, so
    /// that who asks first is never surprised by it.
    #[error("only {free_bytes} bytes are free on the log's disk, {floor_bytes} are needed")]
    NoSpace {
        /// What is free.
        free_bytes: u64,
        /// What is needed.
        floor_bytes: u64,
    },
}

/// Why records could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Corrupt: the bytes at a position are not what was appended there.
    #[error("record {position} is damaged{}: {detail}", in_file(.file.as_ref()))]
    Corrupt {
        /// The position.
        position: Position,
        /// The file that holds it, where that is known.
        file: Option<PathBuf>,
        /// What is wrong.
        detail: String,
    },
    /// Corrupt: there is no record at a position below the watermark.
    #[error("record {position} is missing{}", in_file(.file.as_ref()))]
    Missing {
        /// The position.
        position: Position,
        /// The file whose key range covers it, where that is known.
        file: Option<PathBuf>,
    },
    /// Corrupt: an entry of the command index cannot be decoded.
    #[error("an entry of the command index is damaged: {detail}")]
    CorruptIndex {
        /// What is wrong.
        detail: String,
    },
    /// Rejection: the position is above the watermark.
    #[error("record {position} is not there yet: the watermark is {watermark}")]
    NotYet {
        /// The position asked for.
        position: Position,
        /// The watermark.
        watermark: Position,
    },
    /// Unavailable: the disk or the store failed.
    #[error("the log could not be read at {position}: {detail}")]
    Store {
        /// Where the read was.
        position: Position,
        /// The store's own words.
        detail: String,
    },
    /// Unavailable: nothing more will come, the log stopped. Everything up to its watermark was read.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

fn in_file(file: Option<&PathBuf>) -> String {
    file.map(|path| format!(" in {}", path.display())).unwrap_or_default()
}

/// Somebody knows a place beyond the log's end, or in an epoch that it never had: acknowledged records were lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log ends at {end}, but {who} knows position {known}: acknowledged records are missing")]
pub struct Behind {
    /// The place that is known.
    pub known: EpochPosition,
    /// Where the log ends.
    pub end: EpochPosition,
    /// Who knows it.
    pub who: String,
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Conflict: another process, or another part of this one, holds the folder.
    #[error("the data folder {} is in use{}", .dir.display(), by_process(.pid.as_ref()))]
    InUse {
        /// The log's directory.
        dir: PathBuf,
        /// The holder as it wrote itself down.
        pid: Option<u32>,
    },
    /// Rejection: written by a newer program.
    #[error("{} has log format {found}, this program knows formats up to {supported}", .dir.display())]
    NewerFormat {
        /// The log's directory.
        dir: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        supported: u32,
    },
    /// Rejection: a directory with something else in it.
    #[error("{} is no log: {detail}", .dir.display())]
    NotALog {
        /// The directory.
        dir: PathBuf,
        /// What is there instead.
        detail: String,
    },
    /// Rejection: `create` is off and there is no log.
    #[error("there is no log in {}", .dir.display())]
    NotFound {
        /// The directory.
        dir: PathBuf,
    },
    /// Corrupt: records or the store's own files are damaged or missing.
    #[error("the log in {} is damaged{}{}: {detail}", .dir.display(), at_position(.position.as_ref()), in_file(.file.as_ref()))]
    Damaged {
        /// The log's directory.
        dir: PathBuf,
        /// The first position that is lost, where that is known.
        position: Option<Position>,
        /// The damaged file, where that is known.
        file: Option<PathBuf>,
        /// What is wrong.
        detail: String,
    },
    /// Corrupt: acknowledged records are missing at the end.
    #[error(transparent)]
    Behind(#[from] Behind),
    /// Unavailable: the store would not open, for a reason other than damage.
    #[error("the log in {} could not be opened: {detail}", .dir.display())]
    Store {
        /// The log's directory.
        dir: PathBuf,
        /// The store's own words.
        detail: String,
    },
    /// Unavailable: a file beside the store could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

fn by_process(pid: Option<&u32>) -> String {
    pid.map(|pid| format!(" by process {pid}")).unwrap_or_default()
}

fn at_position(position: Option<&Position>) -> String {
    position.map(|position| format!(" at position {position}")).unwrap_or_default()
}

/// Why a backup failed. The log itself is not touched by it.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Rejection: the target is already there.
    #[error("{} exists already", .dir.display())]
    TargetExists {
        /// The target.
        dir: PathBuf,
    },
    /// Rejection: this kind of log has no files.
    #[error("a log in memory cannot be backed up")]
    NotOnDisk,
    /// Unavailable: the store could not write it.
    #[error("the backup to {} failed: {detail}", .dir.display())]
    Store {
        /// The target.
        dir: PathBuf,
        /// The store's own words.
        detail: String,
    },
    /// Unavailable: a file could not be written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}
