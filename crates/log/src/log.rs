//! The contract of a log, kept by the RocksDB log and by its twin in memory. It must stay object-safe.

use std::path::Path;

use tokio::sync::watch;

use crate::errors::{AppendError, BackupError, Behind, ReadError, Stopped};
use crate::types::{CommandKey, Durable, Epoch, EpochPosition, Health, IndexEntry, LogId, LogStats, Position, Record, Space, Unit};

/// Called once, on the writer thread, when a unit is durable or will never be. It holds up every answer behind it:
/// hand over and return. It must not append: with a full queue the writer would wait for itself. A panic in it stops
/// the log.
pub type OnDurable = Box<dyn FnOnce(Result<Durable, Stopped>) + Send>;

/// A log of opaque records. One thread appends; any number read.
pub trait Log: Send + Sync {
    /// The log's identity.
    fn id(&self) -> LogId;

    /// The epoch all positions of this run belong to.
    fn epoch(&self) -> Epoch;

    /// The last durable position. Nothing above it can be read by anyone.
    fn watermark(&self) -> Position;

    /// The last position taken by [`Log::append`], durable or not yet.
    fn appended(&self) -> Position;

    /// Takes one whole command. Returns when it is in the writer's queue; `on_durable` is called, in the order of the
    /// appends, when it is on disk and below the watermark, or with the error when the log stopped before.
    ///
    /// The queue is bounded by bytes ([`crate::limits::QUEUE_BYTES_MAX`]): when it is full the call blocks until the
    /// writer has taken enough from it. A unit larger than the whole queue waits until the queue is empty.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing was written, and `on_durable` was dropped uncalled.
    fn append(&self, unit: Unit, on_durable: OnDurable) -> Result<(), AppendError>;

    /// Calls back once `position` is durable: for refusals and answers without records, which may rest on records
    /// that are not durable yet. Called at once, on this thread, if every unit up to `position` has been answered;
    /// else from the writer's queue in the order of the calls.
    ///
    /// # Errors
    /// [`AppendError::WrongPosition`] for a position that has not been appended yet, [`AppendError::Stopped`] if it
    /// never will be durable.
    fn after(&self, position: Position, callback: OnDurable) -> Result<(), AppendError>;

    /// What the index knows of a command; durable commands only. Who appends must remember what is still on its way.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn command(&self, key: &CommandKey) -> Result<Option<IndexEntry>, ReadError>;

    /// Puts index entries for records that are in the log already, synced. For rebuilding the index from the envelopes,
    /// before the first append of a run; an entry that is there is overwritten.
    ///
    /// # Errors
    /// See [`ReadError`]; [`ReadError::NotYet`] for an entry above the watermark.
    fn restore_commands(&self, entries: &[(CommandKey, IndexEntry)]) -> Result<(), ReadError>;

    /// Up to where entries of the command index may be missing, after it was lost: before the first append, read the
    /// envelopes up to there, [`Log::restore_commands`], then [`Log::close_index_gap`].
    fn index_gap(&self) -> Option<Position>;

    /// The command index is complete again.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn close_index_gap(&self) -> Result<(), ReadError>;

    /// Reads forward from `from`, never past the watermark, without a gap: at most `records_max` records and about
    /// `bytes_max` bytes, yet at least one record if there is one. Empty when `from` is above the watermark.
    ///
    /// # Errors
    /// See [`ReadError`]. Records before a damaged one are returned first; the next read then names it.
    fn read(&self, from: Position, bytes_max: usize, records_max: usize) -> Result<Vec<Record>, ReadError>;

    /// Reads one record.
    ///
    /// # Errors
    /// See [`ReadError`]; [`ReadError::NotYet`] above the watermark, [`ReadError::Missing`] for position 0.
    fn read_one(&self, position: Position) -> Result<Record, ReadError>;

    /// Tells of each move of the watermark, and wakes once more when the log stops.
    fn subscribe_watermark(&self) -> watch::Receiver<Position>;

    /// Whether the log takes appends.
    fn health(&self) -> Health;

    /// What the log has done since it was opened.
    fn stats(&self) -> LogStats;

    /// Free space, sampled at most every [`crate::limits::SPACE_SAMPLE_MS`]; cheap enough to ask before each command.
    fn space(&self) -> Space;

    /// Whether a command may be decided: ask before, for an append that fails afterwards ends the process.
    fn space_ok(&self) -> bool {
        self.space().is_enough()
    }

    /// Copies the log to a directory that does not exist yet, while it runs. Returns where the copy ends: at or after
    /// the watermark at the time of the call. The copy has the same identity and epoch.
    ///
    /// # Errors
    /// See [`BackupError`].
    fn backup(&self, dir: &Path) -> Result<EpochPosition, BackupError>;

    /// Takes no more appends, writes and answers what waits, and returns when the writer is done. Reading still works.
    fn close(&self);

    /// The end of the log as the outside remembers it.
    fn end(&self) -> EpochPosition {
        EpochPosition { epoch: self.epoch(), position: self.watermark() }
    }

    /// Whether the log has everything that `who` has seen of it. A place of an older epoch says nothing: its owner
    /// must start anew.
    ///
    /// # Errors
    /// [`Behind`] if `known` is beyond the end, or in an epoch that this log never had.
    fn check_not_behind(&self, known: EpochPosition, who: &str) -> Result<(), Behind> {
        let end = self.end();
        if known > end { Err(Behind { known, end, who: who.to_owned() }) } else { Ok(()) }
    }
}
