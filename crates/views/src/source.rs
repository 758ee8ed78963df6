//! Where records come from: the log's tail here, JetStream in another crate. A source hands on records as they were stored; it must never
//! leave one out, and it may repeat some after a reconnect.

use std::future::Future;
use std::sync::Arc;

use muster_log::{Epoch, Log, LogId, Position, ReadError, Record, Tail, TailLimits};
use tokio::sync::watch;

use crate::limits;

/// Which log the records are of. Another log or another epoch means that everything folded so far is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The log's identity.
    pub log: LogId,
    /// Its epoch.
    pub epoch: Epoch,
}

/// Why a source has no batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The records now come from another log or epoch, which [`EventSource::origin`] names: the runner folds anew from position 1.
    #[error("the records come from another log or epoch than before")]
    OriginChanged,
    /// Unavailable: the runner waits a little and calls [`EventSource::seek`] again.
    #[error("the source is not available: {detail}")]
    Unavailable {
        /// What is wrong.
        detail: String,
    },
    /// Corrupt: the runner stops.
    #[error("the source is damaged: {detail}")]
    Corrupt {
        /// What is wrong.
        detail: String,
    },
    /// Nothing more will come: the runner writes what it has and ends in order.
    #[error("the source has ended")]
    Ended,
}

/// A gapless sequence of records from any position on.
pub trait EventSource: Send + 'static {
    /// Which log it reads; asked before each [`EventSource::seek`].
    fn origin(&self) -> Origin;

    /// The last position known to exist, moving as more become known. It may run behind the truth.
    fn end(&self) -> watch::Receiver<Position>;

    /// Makes `from` the position of the next record given out.
    fn seek(&mut self, from: Position) -> impl Future<Output = Result<(), SourceError>> + Send;

    /// The next records in order, at least one; waits for them. Dropping the future loses nothing that a new
    /// [`EventSource::seek`] would not bring back.
    fn next_batch(&mut self) -> impl Future<Output = Result<Vec<Record>, SourceError>> + Send;
}

/// The log's tail as a source.
pub struct LogSource {
    log: Arc<dyn Log>,
    tail: Tail,
}

impl LogSource {
    /// Reads `log`.
    #[must_use]
    pub fn new(log: Arc<dyn Log>) -> Self {
        let tail = tail(&log, Position::FIRST);
        Self { log, tail }
    }
}

fn tail(log: &Arc<dyn Log>, from: Position) -> Tail {
    let limits = TailLimits { bytes_max: limits::READ_BATCH_BYTES, records_max: limits::READ_BATCH_RECORDS };
    Tail::new(Arc::clone(log), from).with_limits(limits)
}

impl EventSource for LogSource {
    fn origin(&self) -> Origin {
        Origin { log: self.log.id(), epoch: self.log.epoch() }
    }

    fn end(&self) -> watch::Receiver<Position> {
        self.log.subscribe_watermark()
    }

    async fn seek(&mut self, from: Position) -> Result<(), SourceError> {
        self.tail = tail(&self.log, from);
        Ok(())
    }

    async fn next_batch(&mut self) -> Result<Vec<Record>, SourceError> {
        self.tail.next_batch().await.map_err(|error| match error {
            ReadError::Stopped(_) => SourceError::Ended,
            ReadError::Store { .. } => SourceError::Unavailable { detail: error.to_string() },
            other => SourceError::Corrupt { detail: other.to_string() },
        })
    }
}
