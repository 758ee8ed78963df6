//! What can go wrong, one enum per operation. Variants carry fields; the texts are for people only.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use muster_log::{Position, ReadError};

use crate::fact::FactError;
use crate::source::SourceError;
use crate::view::View;

/// Why the store of the views could not be used. The views are disposable: deleting the folder and starting again is always a remedy.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Conflict: another process, or another part of this one, holds the folder.
    #[error("the views in {} are in use by another process", .dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// Unavailable: the store would not do it.
    #[error("the views in {} could not be {doing}: {detail}", .dir.display())]
    Store {
        /// The folder.
        dir: PathBuf,
        /// What was being done, as a participle.
        doing: &'static str,
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
    /// Corrupt: a stored row cannot be read. The views have to be rebuilt.
    #[error("the row {id:?} of view {view} is damaged: {detail}")]
    DamagedRow {
        /// The view.
        view: View,
        /// `realm/id`.
        id: String,
        /// What is wrong.
        detail: String,
    },
}

/// Why the runner stopped. It never goes on after one of these.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// It was told to, or its source ended.
    #[error("the views were closed")]
    Closed,
    /// Corrupt: a record cannot be read.
    #[error(transparent)]
    Record(#[from] FactError),
    /// Corrupt: the source left records out.
    #[error("after record {after} came record {found}")]
    Gap {
        /// The last record folded.
        after: Position,
        /// The next one given out.
        found: Position,
    },
    /// The source failed for good.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Rows could not be written or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread could not be started, or one panicked.
    #[error("a thread of the views failed: {detail}")]
    Thread {
        /// What is known of it.
        detail: String,
    },
}

/// Why a question was not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// Rejection: this runner does not keep the view.
    #[error("the view {view} is not kept here")]
    NotKept {
        /// The view asked for.
        view: View,
    },
    /// Rejection: the cursor is none that a page of this listing gave.
    #[error("not a cursor: {cursor:?}")]
    BadCursor {
        /// The cursor given.
        cursor: String,
    },
    /// Unavailable: the view is folded for the first time by the present version of its fold, and there are no earlier rows to show.
    #[error("the view {view} is being built")]
    Building {
        /// The view.
        view: View,
    },
    /// Unavailable: after a start the folds are not yet where the rows are and where the source was known to end; mostly a moment's work.
    #[error("the views are being brought up to date: at {at} of {target}")]
    NotReady {
        /// Where the folds are.
        at: Position,
        /// Where they have to come to.
        target: Position,
    },
    /// Unavailable: the runner stopped.
    #[error("the views have stopped: {0}")]
    Stopped(Arc<RunnerError>),
    /// Rows could not be read.
    #[error(transparent)]
    Store(Arc<StoreError>),
}

impl From<StoreError> for QueryError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Why folding a stretch of the log failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Rejection: the position is above the watermark.
    #[error("position {asked} is not there yet: the log ends at {end}")]
    NotYet {
        /// The position asked for.
        asked: Position,
        /// Where the log ends.
        end: Position,
    },
    /// Rejection: the log is not the one that the rows in use come from.
    #[error("the views in use come from another log or epoch")]
    OtherLog,
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// Unavailable: the log elsewhere could not be read, or is another one by now.
    #[error("the log could not be read: {detail}")]
    Remote {
        /// What is wrong.
        detail: String,
    },
    /// The process is stopping, or whoever asked wants it no more.
    #[error("it was broken off")]
    BrokenOff,
    /// Corrupt: a record cannot be read.
    #[error(transparent)]
    Record(#[from] FactError),
    /// Rows could not be written or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread could not be started, or one panicked.
    #[error("a thread of the replay failed: {detail}")]
    Thread {
        /// What is known of it.
        detail: String,
    },
}
