//! The open database as a store: one batch and one sync for a write. It must never write again what failed, and never
//! touch a record's bytes.

use std::path::Path;

use parking_lot::Mutex;
use rocksdb::{DB, WriteBatch, WriteOptions, properties};

use super::database::{self, COMMANDS, META, RECORDS, family};
use super::folder::{EndMark, Folder};
use super::read;
use super::space::SpaceProbe;
use crate::errors::{BackupError, ReadError, StopReason};
use crate::format::{
    FACTS_KEY, Facts, FormatError, GAP_KEY, decode_entry, decode_gap, encode_entry, encode_facts, encode_gap, encode_record_into,
    record_key,
};
use crate::types::{CommandKey, Epoch, EpochPosition, IndexEntry, LogId, LogStats, Position, Record, Space, Unit};
use crate::writer::Store;

/// Dropped in the order of the fields: the database closes before the folder is let go.
pub(super) struct RocksStore {
    pub(super) db: DB,
    pub(super) facts: Facts,
    /// Where the command index is incomplete up to.
    pub(super) index_gap: Mutex<Option<Position>>,
    pub(super) end_mark: EndMark,
    pub(super) space: SpaceProbe,
    pub(super) synced: WriteOptions,
    pub(super) folder: Folder,
}

impl RocksStore {
    pub(super) const fn created_ms(&self) -> u64 {
        self.facts.created_ms
    }

    pub(super) fn dir(&self) -> &Path {
        self.folder.dir()
    }

    fn batch(&self, units: &[Unit], bytes: usize) -> WriteBatch {
        let records_family = family(&self.db, RECORDS);
        let commands_family = family(&self.db, COMMANDS);
        let mut batch = WriteBatch::with_capacity_bytes(bytes);
        let mut stored = Vec::with_capacity(1024);
        for unit in units {
            let mut position = unit.expected_next;
            for record in &unit.records {
                encode_record_into(position, record, &mut stored);
                batch.put_cf(records_family, record_key(position), &stored);
                position = position.next();
            }
            if let Some(command) = &unit.command {
                let entry = IndexEntry { digest: command.digest, first: unit.expected_next, last: unit.last() };
                let key = command.key.as_bytes();
                batch.put_cf(commands_family, key, encode_entry(key, &entry));
            }
        }
        batch
    }

    fn failure(&self, error: &rocksdb::Error) -> StopReason {
        StopReason::WriteFailed { detail: error.to_string(), free_bytes: self.space.sample() }
    }

    /// Reads and checks every record of a range, in bounded steps.
    pub(super) fn verify(&self, from: Position, to: Position) -> Result<Position, ReadError> {
        read::verify(&self.db, from, to).map(|_| to)
    }

    pub(super) fn write_facts(db: &DB, facts: &Facts) -> Result<(), rocksdb::Error> {
        let mut batch = WriteBatch::default();
        batch.put_cf(family(db, META), FACTS_KEY, encode_facts(facts));
        db.write_opt(batch, &database::synced())
    }

    pub(super) fn write_index_gap(db: &DB, gap: Option<Position>) -> Result<(), rocksdb::Error> {
        let mut batch = WriteBatch::default();
        match gap {
            Some(to) => batch.put_cf(family(db, META), GAP_KEY, encode_gap(to)),
            None => batch.delete_cf(family(db, META), GAP_KEY),
        }
        db.write_opt(batch, &database::synced())
    }

    pub(super) fn read_index_gap(db: &DB) -> Result<Option<Position>, ReadError> {
        let stored = db.get_cf(family(db, META), GAP_KEY).map_err(|error| index_error(&error))?;
        let corrupt = |error: FormatError| ReadError::CorruptIndex { detail: error.to_string() };
        stored.map(|stored| decode_gap(&stored).map_err(corrupt)).transpose()
    }
}

impl Store for RocksStore {
    fn id(&self) -> LogId {
        self.facts.id
    }

    fn epoch(&self) -> Epoch {
        self.facts.epoch
    }

    fn write(&self, units: &[Unit], bytes: usize) -> Result<(), StopReason> {
        let batch = self.batch(units, bytes);
        self.db.write_opt(batch, &self.synced).map_err(|error| self.failure(&error))?;
        let last = units.last().map_or(Position::ZERO, Unit::last);
        let end = EpochPosition { epoch: self.facts.epoch, position: last };
        if let Err(error) = self.end_mark.move_to(end) {
            // The records are synced; only a later loss of them would go unnoticed.
            tracing::warn!(%error, "the log's end mark could not be moved");
        }
        Ok(())
    }

    fn command(&self, key: &CommandKey) -> Result<Option<IndexEntry>, ReadError> {
        let key = key.as_bytes();
        let stored = self.db.get_pinned_cf(family(&self.db, COMMANDS), key).map_err(|error| index_error(&error))?;
        let corrupt = |error: FormatError| ReadError::CorruptIndex { detail: error.to_string() };
        stored.map(|stored| decode_entry(key, &stored).map_err(corrupt)).transpose()
    }

    fn restore_commands(&self, entries: &[(CommandKey, IndexEntry)]) -> Result<(), ReadError> {
        let commands_family = family(&self.db, COMMANDS);
        let mut batch = WriteBatch::default();
        for (key, entry) in entries {
            batch.put_cf(commands_family, key.as_bytes(), encode_entry(key.as_bytes(), entry));
        }
        self.db.write_opt(batch, &self.synced).map_err(|error| index_error(&error))
    }

    fn index_gap(&self) -> Option<Position> {
        *self.index_gap.lock()
    }

    fn close_index_gap(&self) -> Result<(), ReadError> {
        Self::write_index_gap(&self.db, None).map_err(|error| index_error(&error))?;
        *self.index_gap.lock() = None;
        Ok(())
    }

    fn read(&self, from: Position, to: Position, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        read::read(&self.db, from, to, bytes_max)
    }

    fn read_one(&self, position: Position) -> Result<Record, ReadError> {
        read::read_one(&self.db, position)
    }

    fn space(&self) -> Space {
        self.space.space()
    }

    fn stats(&self, stats: LogStats) -> LogStats {
        let number = |name| self.db.property_int_value(name).ok().flatten().unwrap_or(0);
        let store_errors = number(properties::BACKGROUND_ERRORS);
        let store_stalled = number(properties::IS_WRITE_STOPPED) > 0;
        LogStats { store_errors, store_stalled, ..stats }
    }

    fn backup(&self, dir: &Path) -> Result<Position, BackupError> {
        super::backup::backup(self, dir)
    }
}

fn index_error(error: &rocksdb::Error) -> ReadError {
    match error.kind() {
        rocksdb::ErrorKind::Corruption => ReadError::CorruptIndex { detail: error.to_string() },
        _ => ReadError::Store { position: Position::ZERO, detail: error.to_string() },
    }
}
