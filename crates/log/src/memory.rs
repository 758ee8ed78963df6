//! The log's twin in memory, for tests and previews: same queue, same writer, no disk. Tests can hold its "disk",
//! let it fail and fill it. It must never be used where records have to survive.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex, RwLock};

use crate::errors::{BackupError, ReadError, StopReason};
use crate::limits;
use crate::options::OpenOptions;
use crate::types::{CommandKey, Epoch, IndexEntry, LogId, LogStats, Position, Record, Space, Unit};
use crate::writer::{Core, Store, impl_log};

/// A log in memory. Durable means stored in memory; callbacks run on its writer thread as they do for the log on disk.
pub struct MemoryLog {
    core: Core<MemoryStore>,
}

impl MemoryLog {
    /// An empty log with an identity of zeros, so that runs from a seed are equal.
    #[must_use]
    pub fn new() -> Self {
        Self::with_options(OpenOptions::default())
    }

    /// An empty log; of the options those count that have a meaning without a disk.
    ///
    /// # Panics
    /// If the operating system refuses a thread.
    #[must_use]
    pub fn with_options(options: OpenOptions) -> Self {
        let store = MemoryStore {
            id: options.new_id.unwrap_or(LogId([0; 16])),
            contents: RwLock::default(),
            disk: Mutex::default(),
            disk_changed: Condvar::new(),
            free_bytes: AtomicU64::new(u64::MAX),
            floor_bytes: options.free_floor_bytes,
        };
        let limits = options.queue_limits();
        let core = Core::start(store, Position::ZERO, limits, options.on_fatal).expect("a thread can be had where tests run");
        Self { core }
    }

    /// Makes every write wait, as a slow disk would, until [`MemoryLog::release`].
    pub fn hold(&self) {
        self.core.store.disk.lock().held = true;
    }

    /// Lets held writes go on.
    pub fn release(&self) {
        self.core.store.disk.lock().held = false;
        self.core.store.disk_changed.notify_all();
    }

    /// Makes the next write fail, as a broken disk would: the log stops.
    pub fn fail_next_write(&self) {
        self.core.store.disk.lock().failing = true;
    }

    /// Sets the free space that the log reports.
    pub fn set_free_bytes(&self, free_bytes: u64) {
        self.core.store.free_bytes.store(free_bytes, Ordering::Release);
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for MemoryLog {
    fn drop(&mut self) {
        // A held disk would keep the writer, and with it this drop, waiting for ever.
        self.release();
    }
}

impl_log!(MemoryLog);

#[derive(Default)]
struct Contents {
    records: Vec<bytes::Bytes>,
    commands: HashMap<CommandKey, IndexEntry>,
}

#[derive(Default)]
struct Disk {
    held: bool,
    failing: bool,
}

struct MemoryStore {
    id: LogId,
    contents: RwLock<Contents>,
    disk: Mutex<Disk>,
    disk_changed: Condvar,
    free_bytes: AtomicU64,
    floor_bytes: u64,
}

fn index_of(position: Position) -> usize {
    usize::try_from(position.0 - 1).expect("what is in memory is counted in usize")
}

impl Store for MemoryStore {
    fn id(&self) -> LogId {
        self.id
    }

    fn epoch(&self) -> Epoch {
        Epoch::FIRST
    }

    fn write(&self, units: &[Unit], _bytes: usize) -> Result<(), StopReason> {
        let mut disk = self.disk.lock();
        while disk.held {
            self.disk_changed.wait(&mut disk);
        }
        if disk.failing {
            let detail = "the test made it fail".to_owned();
            return Err(StopReason::WriteFailed { detail, free_bytes: self.space().free_bytes });
        }
        drop(disk);
        let mut contents = self.contents.write();
        for unit in units {
            contents.records.extend_from_slice(&unit.records);
            if let Some(command) = &unit.command {
                let entry = IndexEntry { digest: command.digest, first: unit.expected_next, last: unit.last() };
                contents.commands.insert(command.key.clone(), entry);
            }
        }
        Ok(())
    }

    fn command(&self, key: &CommandKey) -> Result<Option<IndexEntry>, ReadError> {
        Ok(self.contents.read().commands.get(key).copied())
    }

    fn restore_commands(&self, entries: &[(CommandKey, IndexEntry)]) -> Result<(), ReadError> {
        self.contents.write().commands.extend(entries.iter().cloned());
        Ok(())
    }

    fn index_gap(&self) -> Option<Position> {
        None
    }

    fn close_index_gap(&self) -> Result<(), ReadError> {
        Ok(())
    }

    fn read(&self, from: Position, to: Position, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        let contents = self.contents.read();
        let mut records = Vec::new();
        let mut bytes_sum = 0;
        let mut position = from;
        for bytes in contents.records[index_of(from)..=index_of(to)].iter() {
            bytes_sum += bytes.len();
            if bytes_sum > bytes_max && !records.is_empty() {
                break;
            }
            records.push(Record { position, bytes: bytes.clone() });
            position = position.next();
        }
        Ok(records)
    }

    fn read_one(&self, position: Position) -> Result<Record, ReadError> {
        let bytes = self.contents.read().records[index_of(position)].clone();
        Ok(Record { position, bytes })
    }

    fn space(&self) -> Space {
        let free_bytes = self.free_bytes.load(Ordering::Acquire);
        Space { free_bytes, floor_bytes: self.floor_bytes }
    }

    fn stats(&self, stats: LogStats) -> LogStats {
        stats
    }

    fn backup(&self, _dir: &Path) -> Result<Position, BackupError> {
        Err(BackupError::NotOnDisk)
    }
}

const _: () = assert!(limits::RECORD_BYTES_MAX < limits::QUEUE_BYTES_MAX, "a record must fit into the queue");
