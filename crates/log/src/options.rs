//! How a log is opened. Defaults are for production; tests make memtables and queues small.

use crate::limits;
use crate::queue::QueueLimits;
use crate::types::{EpochPosition, LogId};
use crate::writer::OnFatal;

/// How to open a log. Use [`Default`] and change what differs.
pub struct OpenOptions {
    /// Create the log if the directory is missing or empty.
    pub create: bool,
    /// Identity of a log that is created; random if not given. For runs from a seed.
    pub new_id: Option<LogId>,
    /// Creation time of a log that is created, in milliseconds since 1970; the wall clock if not given.
    pub new_created_ms: Option<u64>,
    /// Places that others remember, each with who does: the open fails if one is beyond the log's end.
    pub known_beyond: Vec<(EpochPosition, String)>,
    /// Called when the log stops after a failed write or sync.
    pub on_fatal: Option<OnFatal>,
    /// Bytes that may wait for the writer.
    pub queue_bytes_max: usize,
    /// Bytes that one batch takes from the queue.
    pub batch_bytes_max: usize,
    /// Free bytes under which [`crate::Log::space_ok`] says no.
    pub free_floor_bytes: u64,
    /// Size of the reserve file; 0 for none.
    pub reserve_bytes: u64,
    /// Memtable of the records, in bytes.
    pub records_memtable_bytes: usize,
    /// Memtable of the command index, in bytes.
    pub commands_memtable_bytes: usize,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            create: true,
            new_id: None,
            new_created_ms: None,
            known_beyond: Vec::new(),
            on_fatal: None,
            queue_bytes_max: limits::QUEUE_BYTES_MAX,
            batch_bytes_max: limits::BATCH_BYTES_MAX,
            free_floor_bytes: limits::FREE_FLOOR_BYTES,
            reserve_bytes: limits::RESERVE_BYTES,
            records_memtable_bytes: limits::RECORDS_MEMTABLE_BYTES,
            commands_memtable_bytes: limits::COMMANDS_MEMTABLE_BYTES,
        }
    }
}

impl OpenOptions {
    pub(crate) const fn queue_limits(&self) -> QueueLimits {
        QueueLimits { queue_bytes_max: self.queue_bytes_max, batch_bytes_max: self.batch_bytes_max }
    }
}
