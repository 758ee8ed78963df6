//! The one writer thread: take what waits, store it in one batch with one sync, move the watermark, answer.
//! It must never answer before the watermark moved, and never write again after a failure.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::errors::{AppendError, BackupError, ReadError, StopReason, Stopped};
use crate::limits;
use crate::log::OnDurable;
use crate::queue::{Queue, QueueLimits};
use crate::types::{CommandKey, Epoch, Health, IndexEntry, LogId, LogStats, Position, Record, Space, Unit};

/// Called once, on the writer thread, when a write or sync failed and everyone waiting has been told. The process is
/// to end: what was decided on top of the lost units is in its memory.
pub type OnFatal = Box<dyn FnOnce(&Stopped) + Send>;

/// Where a log keeps its bytes. The positions it is asked for are below the watermark, unless said otherwise.
pub(crate) trait Store: Send + Sync + 'static {
    fn id(&self) -> LogId;
    fn epoch(&self) -> Epoch;
    /// Stores the units, whole and in order, and returns when they are durable.
    fn write(&self, units: &[Unit], bytes: usize) -> Result<(), StopReason>;
    fn command(&self, key: &CommandKey) -> Result<Option<IndexEntry>, ReadError>;
    fn restore_commands(&self, entries: &[(CommandKey, IndexEntry)]) -> Result<(), ReadError>;
    fn index_gap(&self) -> Option<Position>;
    fn close_index_gap(&self) -> Result<(), ReadError>;
    fn read(&self, from: Position, to: Position, bytes_max: usize) -> Result<Vec<Record>, ReadError>;
    fn read_one(&self, position: Position) -> Result<Record, ReadError>;
    fn space(&self) -> Space;
    /// Adds what the store itself counts.
    fn stats(&self, stats: LogStats) -> LogStats;
    fn backup(&self, dir: &Path) -> Result<Position, BackupError>;
}

/// A store with its queue and its writer: all of a log but its name.
pub(crate) struct Core<S: Store> {
    pub(crate) store: Arc<S>,
    queue: Arc<Queue>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl<S: Store> Core<S> {
    /// Starts the writer of a store whose last durable record is at `end`.
    pub(crate) fn start(store: S, end: Position, limits: QueueLimits, on_fatal: Option<OnFatal>) -> std::io::Result<Self> {
        let store = Arc::new(store);
        let queue = Arc::new(Queue::new(end, limits));
        let (writer_store, writer_queue) = (Arc::clone(&store), Arc::clone(&queue));
        let writer = thread::Builder::new().name("log-writer".to_owned()).spawn(move || run(&*writer_store, &writer_queue, on_fatal))?;
        Ok(Self { store, queue, writer: Mutex::new(Some(writer)) })
    }

    pub(crate) fn watermark(&self) -> Position {
        self.queue.watermark()
    }

    pub(crate) fn appended(&self) -> Position {
        self.queue.appended()
    }

    pub(crate) fn append(&self, unit: Unit, on_durable: OnDurable) -> Result<(), AppendError> {
        let Space { free_bytes, floor_bytes } = self.store.space();
        if free_bytes < floor_bytes / 2 {
            return Err(AppendError::NoSpace { free_bytes, floor_bytes });
        }
        self.queue.append(unit, on_durable)
    }

    pub(crate) fn after(&self, position: Position, callback: OnDurable) -> Result<(), AppendError> {
        self.queue.after(position, callback)
    }

    pub(crate) fn restore_commands(&self, entries: &[(CommandKey, IndexEntry)]) -> Result<(), ReadError> {
        let watermark = self.watermark();
        if let Some((_, entry)) = entries.iter().find(|(_, entry)| entry.last > watermark) {
            return Err(ReadError::NotYet { position: entry.last, watermark });
        }
        self.store.restore_commands(entries)
    }

    pub(crate) fn read(&self, from: Position, bytes_max: usize, records_max: usize) -> Result<Vec<Record>, ReadError> {
        let from = from.max(Position::FIRST);
        let watermark = self.watermark();
        if from > watermark || records_max == 0 {
            return Ok(Vec::new());
        }
        let to = Position(watermark.0.min(from.0.saturating_add(records_max as u64 - 1)));
        self.store.read(from, to, bytes_max.min(limits::READ_BYTES_MAX))
    }

    pub(crate) fn read_one(&self, position: Position) -> Result<Record, ReadError> {
        let watermark = self.watermark();
        if position > watermark {
            return Err(ReadError::NotYet { position, watermark });
        }
        if position == Position::ZERO {
            return Err(ReadError::Missing { position, file: None });
        }
        self.store.read_one(position)
    }

    pub(crate) fn subscribe_watermark(&self) -> watch::Receiver<Position> {
        self.queue.subscribe()
    }

    pub(crate) fn health(&self) -> Health {
        self.queue.health()
    }

    pub(crate) fn stats(&self) -> LogStats {
        self.store.stats(self.queue.stats())
    }

    pub(crate) fn close(&self) {
        self.queue.close();
        let Some(writer) = self.writer.lock().take() else { return };
        // The last handle of a log may be dropped by a callback, which runs on the writer: it cannot wait for itself.
        if writer.thread().id() != thread::current().id() && writer.join().is_err() {
            tracing::error!("the log's writer thread panicked");
        }
    }
}

impl<S: Store> Drop for Core<S> {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(store: &impl Store, queue: &Queue, on_fatal: Option<OnFatal>) {
    let _guard = PanicGuard { queue };
    while let Some(batch) = queue.take() {
        if let Some(last) = batch.units.last().map(Unit::last) {
            if let Err(reason) = store.write(&batch.units, batch.bytes) {
                let (stopped, waiting) = queue.stop(reason);
                tracing::error!(%stopped, "the log stops");
                batch.answers.into_iter().chain(waiting).for_each(|answer| answer.stopped(&stopped));
                if let Some(on_fatal) = on_fatal {
                    on_fatal(&stopped);
                }
                return;
            }
            queue.count(&batch);
            queue.advance(last);
        }
        let watermark = queue.watermark();
        batch.answers.into_iter().for_each(|answer| answer.durable(watermark));
        queue.all_answered();
    }
    queue.finish();
}

/// A panic on the writer thread must not leave anyone waiting for it.
struct PanicGuard<'a> {
    queue: &'a Queue,
}

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let (stopped, waiting) = self.queue.stop(StopReason::Panicked);
            waiting.into_iter().for_each(|answer| answer.stopped(&stopped));
        }
    }
}

/// Writes `impl Log` for a log that has a `core`.
macro_rules! impl_log {
    ($log:ty) => {
        impl $crate::log::Log for $log {
            fn id(&self) -> $crate::LogId {
                self.core.store.id()
            }
            fn epoch(&self) -> $crate::Epoch {
                self.core.store.epoch()
            }
            fn watermark(&self) -> $crate::Position {
                self.core.watermark()
            }
            fn appended(&self) -> $crate::Position {
                self.core.appended()
            }
            fn append(&self, unit: $crate::Unit, on_durable: $crate::OnDurable) -> Result<(), $crate::AppendError> {
                self.core.append(unit, on_durable)
            }
            fn after(&self, position: $crate::Position, callback: $crate::OnDurable) -> Result<(), $crate::AppendError> {
                self.core.after(position, callback)
            }
            fn command(&self, key: &$crate::CommandKey) -> Result<Option<$crate::IndexEntry>, $crate::ReadError> {
                self.core.store.command(key)
            }
            fn index_gap(&self) -> Option<$crate::Position> {
                self.core.store.index_gap()
            }
            fn close_index_gap(&self) -> Result<(), $crate::ReadError> {
                self.core.store.close_index_gap()
            }
            fn restore_commands(&self, entries: &[($crate::CommandKey, $crate::IndexEntry)]) -> Result<(), $crate::ReadError> {
                self.core.restore_commands(entries)
            }
            fn read(&self, from: $crate::Position, bytes_max: usize, records_max: usize) -> Result<Vec<$crate::Record>, $crate::ReadError> {
                self.core.read(from, bytes_max, records_max)
            }
            fn read_one(&self, position: $crate::Position) -> Result<$crate::Record, $crate::ReadError> {
                self.core.read_one(position)
            }
            fn subscribe_watermark(&self) -> tokio::sync::watch::Receiver<$crate::Position> {
                self.core.subscribe_watermark()
            }
            fn health(&self) -> $crate::Health {
                self.core.health()
            }
            fn stats(&self) -> $crate::LogStats {
                self.core.stats()
            }
            fn space(&self) -> $crate::Space {
                self.core.store.space()
            }
            fn backup(&self, dir: &std::path::Path) -> Result<$crate::EpochPosition, $crate::BackupError> {
                let position = self.core.store.backup(dir)?;
                Ok($crate::EpochPosition { epoch: self.core.store.epoch(), position })
            }
            fn close(&self) {
                self.core.close();
            }
        }
    };
}
pub(crate) use impl_log;
