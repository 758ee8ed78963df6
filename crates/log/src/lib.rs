//! The log: opaque records at gapless positions, durable before anyone sees them.
//!
//! Owns the one writer thread, the durable watermark, the readers below it, the command index and the
//! RocksDB files under one directory. It must never look inside a record, never encode one again, never
//! show a position that is not synced to disk, and never carry on after a failed write or sync.
//!
//! ```
//! use muster_log::{Log, MemoryLog, Position, Unit};
//!
//! let log = MemoryLog::new();
//! let (sent, durable) = std::sync::mpsc::sync_channel(1);
//! let unit = Unit::records_only(Position(1), vec!["whistle blown".into()]);
//! log.append(unit, Box::new(move |outcome| sent.send(outcome).expect("the test waits")))?;
//! let stored = durable.recv()?.expect("the memory log has not stopped");
//! assert_eq!((stored.first, stored.last), (Position(1), Position(1)));
//! assert_eq!(log.read_one(Position(1))?.bytes, "whistle blown");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod errors;
mod format;
pub mod limits;
mod log;
mod memory;
mod options;
mod queue;
mod rocks;
mod tail;
mod types;
mod writer;

pub use errors::{AppendError, BackupError, Behind, KeyError, OpenError, ParsePositionError, ReadError, StopReason, Stopped};
pub use format::{FORMAT_VERSION, FormatError, RECORD_VERSION, decode_record, encode_record};
pub use log::{Log, OnDurable};
pub use memory::MemoryLog;
pub use options::OpenOptions;
pub use rocks::{AcceptedLoss, RocksLog, accept_loss, forget_commands, release_reserve};
pub use tail::{Tail, TailLimits};
pub use types::{
    CommandEntry, CommandKey, Durable, Epoch, EpochPosition, Health, IndexEntry, LogId, LogStats, Position, Record, Space, Unit,
};
pub use writer::OnFatal;
