//! A reader that goes from catch-up to live without a gap or a repeat. It asks for what comes after the last record it
//! gave out and waits on the watermark when there is nothing; it must never look above the watermark.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use std::{future::Future, pin::pin};

use tokio::sync::watch;

use crate::errors::ReadError;
use crate::limits;
use crate::log::Log;
use crate::types::{Health, Position, Record};

/// How much one batch of a tail may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TailLimits {
    /// Bytes; a single larger record is a batch of its own.
    pub bytes_max: usize,
    /// Records.
    pub records_max: usize,
}

impl Default for TailLimits {
    fn default() -> Self {
        Self { bytes_max: limits::TAIL_BATCH_BYTES, records_max: limits::TAIL_BATCH_RECORDS }
    }
}

/// Reads a log from a position on, for ever.
pub struct Tail {
    log: Arc<dyn Log>,
    watermark: watch::Receiver<Position>,
    next: Position,
    limits: TailLimits,
}

impl Tail {
    /// Starts so that the first record given out is the one at `from`, which may not be there yet. Whoever remembers
    /// a place across restarts compares its epoch first ([`Log::check_not_behind`]).
    #[must_use]
    pub fn new(log: Arc<dyn Log>, from: Position) -> Self {
        let watermark = log.subscribe_watermark();
        Self { log, watermark, next: from.max(Position::FIRST), limits: TailLimits::default() }
    }

    /// Changes how much one batch holds.
    #[must_use]
    pub fn with_limits(mut self, limits: TailLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The position of the next record.
    #[must_use]
    pub const fn next_position(&self) -> Position {
        self.next
    }

    /// How far the log's watermark is ahead, in records.
    #[must_use]
    pub fn lag(&self) -> u64 {
        (self.log.watermark().0 + 1).saturating_sub(self.next.0)
    }

    /// What is there now; empty when the tail has caught up.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn try_next_batch(&mut self) -> Result<Vec<Record>, ReadError> {
        let batch = self.log.read(self.next, self.limits.bytes_max, self.limits.records_max.max(1))?;
        if let Some(last) = batch.last() {
            self.next = last.position.next();
        }
        Ok(batch)
    }

    /// The next records, at least one: waits for them. Cancelling it loses nothing. Reads on the calling task, a batch
    /// at most, and lets other tasks run in between.
    ///
    /// # Errors
    /// See [`ReadError`]; [`ReadError::Stopped`] once the log has stopped and everything durable was given out.
    pub async fn next_batch(&mut self) -> Result<Vec<Record>, ReadError> {
        tokio::task::consume_budget().await;
        loop {
            self.watermark.mark_unchanged();
            // Asked before reading: what became durable before the log stopped is still given out.
            let health = self.log.health();
            let batch = self.try_next_batch()?;
            if !batch.is_empty() {
                return Ok(batch);
            }
            if let Health::Stopped(stopped) = health {
                return Err(stopped.into());
            }
            // Fails only when the log is gone, and this tail keeps it alive.
            let _ = self.watermark.changed().await;
        }
    }

    /// As [`Tail::next_batch`] for a plain thread; empty when `timeout` has passed without a record.
    ///
    /// # Errors
    /// See [`Tail::next_batch`].
    pub fn next_batch_blocking(&mut self, timeout: Duration) -> Result<Vec<Record>, ReadError> {
        let deadline = Instant::now().checked_add(timeout);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut batch = pin!(self.next_batch());
        loop {
            if let Poll::Ready(result) = batch.as_mut().poll(&mut context) {
                return result;
            }
            match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return Ok(Vec::new()),
                Some(left) => thread::park_timeout(left),
                None => thread::park(),
            }
        }
    }
}

/// Wakes the thread that waits in [`Tail::next_batch_blocking`].
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
