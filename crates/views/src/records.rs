//! Records by their place, for whatever folds a stretch of them anew: from the log here, or from a server's log in a process elsewhere.

use std::sync::Arc;

use muster_log::{Log, Position, Record};

use crate::errors::ReplayError;
use crate::limits;
use crate::source::Origin;

/// A log that can be read from any position, by a thread that may wait.
pub trait Records: Send + Sync {
    /// Which log it is. It never becomes another one: reading fails then.
    fn origin(&self) -> Origin;

    /// The last position known to be there.
    fn last(&self) -> Position;

    /// The records from `from` on, in order, without a gap and of [`Records::origin`]: as many as are handed out at once, none if there are none yet.
    ///
    /// # Errors
    /// See [`ReplayError`].
    fn stretch(&self, from: Position) -> Result<Vec<Record>, ReplayError>;
}

impl Records for dyn Log + '_ {
    fn origin(&self) -> Origin {
        Origin { log: self.id(), epoch: self.epoch() }
    }

    fn last(&self) -> Position {
        self.watermark()
    }

    fn stretch(&self, from: Position) -> Result<Vec<Record>, ReplayError> {
        Ok(self.read(from, limits::READ_BATCH_BYTES, limits::READ_BATCH_RECORDS)?)
    }
}

/// Shared records, whatever they are of.
pub(crate) struct Shelf<R: ?Sized>(pub(crate) Arc<R>);

impl<R: Records + ?Sized> Records for Shelf<R> {
    fn origin(&self) -> Origin {
        self.0.origin()
    }

    fn last(&self) -> Position {
        self.0.last()
    }

    fn stretch(&self, from: Position) -> Result<Vec<Record>, ReplayError> {
        self.0.stretch(from)
    }
}
