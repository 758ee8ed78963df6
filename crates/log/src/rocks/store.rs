//! The open database as a store: one batch and one sync for a write, short iterators for reads, every record checked
//! against its checksum on the way out. It must never hold an iterator beyond one call.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use rocksdb::{DB, DBRawIterator, ReadOptions, WriteBatch, WriteOptions};

use super::database::{self, COMMANDS, META, RECORDS, family};
use super::folder::{EndMark, Folder};
use super::space::SpaceProbe;
use crate::errors::{BackupError, ReadError, StopReason};
use crate::format::{Facts, decode_entry, decode_record, encode_entry, encode_record_into, key_position, record_key};
use crate::limits;
use crate::types::{CommandKey, Epoch, EpochPosition, IndexEntry, LogId, Position, Record, Space, Unit};
use crate::writer::Store;

/// Reads of at least this many records ask the disk for more than one block at a time.
const READAHEAD_RECORDS: u64 = 256;

/// Dropped in the order of the fields: the database closes before the folder is let go.
pub(super) struct RocksStore {
    pub(super) db: DB,
    pub(super) facts: Facts,
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
        super::verify::verify(&self.db, from, to).map(|_| to)
    }

    pub(super) fn write_facts(db: &DB, facts: &Facts) -> Result<(), rocksdb::Error> {
        let mut batch = WriteBatch::default();
        batch.put_cf(family(db, META), crate::format::FACTS_KEY, crate::format::encode_facts(facts));
        db.write_opt(batch, &database::synced())
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
        let corrupt = |error: crate::format::FormatError| ReadError::CorruptIndex { detail: error.to_string() };
        stored.map(|stored| decode_entry(key, &stored).map_err(corrupt)).transpose()
    }

    fn restore_commands(&self, entries: &[(CommandKey, IndexEntry)]) -> Result<(), ReadError> {
        let commands_family = family(&self.db, COMMANDS);
        let mut batch = WriteBatch::default();
        for (key, entry) in entries {
            batch.put_cf(commands_family, key.as_bytes(), encode_entry(key.as_bytes(), entry));
        }
        let store = |error: rocksdb::Error| ReadError::Store { position: Position::ZERO, detail: error.to_string() };
        self.db.write_opt(batch, &self.synced).map_err(store)
    }

    fn read(&self, from: Position, to: Position, bytes_max: usize, _records_max: usize) -> Result<Vec<Record>, ReadError> {
        read(&self.db, from, to, bytes_max)
    }

    fn read_one(&self, position: Position) -> Result<Record, ReadError> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        let stored = self
            .db
            .get_pinned_cf_opt(family(&self.db, RECORDS), record_key(position), &options)
            .map_err(|error| database::read_error(&self.db, position, &error))?;
        let Some(stored) = stored else {
            return Err(ReadError::Missing { position, file: database::file_of(&self.db, position) });
        };
        let payload = decode_record(position, &stored).map_err(|error| corrupt(&self.db, position, &error))?;
        Ok(Record { position, bytes: Bytes::copy_from_slice(payload) })
    }

    fn space(&self) -> Space {
        self.space.space()
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

fn corrupt(db: &DB, position: Position, error: &crate::format::FormatError) -> ReadError {
    ReadError::Corrupt { position, file: database::file_of(db, position), detail: error.to_string() }
}

/// Reads the records from `from` to `to`, both included and both below the watermark, until `bytes_max` is reached.
/// What was read before a damage is returned; a damage at `from` itself is the error.
pub(super) fn read(db: &DB, from: Position, to: Position, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
    let readahead = to.0 - from.0 >= READAHEAD_RECORDS;
    let mut cursor = db.raw_iterator_cf_opt(family(db, RECORDS), database::range(from, to, readahead));
    cursor.seek(record_key(from));
    let mut gathered = Gathered::new(from, bytes_max);
    let outcome = gather(db, &mut cursor, to, &mut gathered);
    match outcome {
        Err(error) if gathered.ends.is_empty() => Err(error),
        _ => Ok(gathered.into_records()),
    }
}

fn gather(db: &DB, cursor: &mut DBRawIterator<'_>, to: Position, gathered: &mut Gathered) -> Result<(), ReadError> {
    while gathered.next <= to {
        let position = gathered.next;
        let Some((key, stored)) = cursor.item() else {
            cursor.status().map_err(|error| database::read_error(db, position, &error))?;
            return Err(ReadError::Missing { position, file: database::file_of(db, position) });
        };
        if key_position(key) != Some(position) {
            return Err(ReadError::Missing { position, file: database::file_of(db, position) });
        }
        let payload = decode_record(position, stored).map_err(|error| corrupt(db, position, &error))?;
        if !gathered.take(payload) {
            return Ok(());
        }
        if position < to {
            cursor.next();
        }
    }
    Ok(())
}

/// Payloads one behind the other in one buffer, cut up at the end.
struct Gathered {
    from: Position,
    next: Position,
    bytes_max: usize,
    buffer: BytesMut,
    ends: Vec<usize>,
}

impl Gathered {
    fn new(from: Position, bytes_max: usize) -> Self {
        Self { from, next: from, bytes_max, buffer: BytesMut::new(), ends: Vec::new() }
    }

    /// Takes a payload, unless it is not the first and goes over the limit.
    fn take(&mut self, payload: &[u8]) -> bool {
        if !self.ends.is_empty() && self.buffer.len() + payload.len() > self.bytes_max {
            return false;
        }
        self.buffer.extend_from_slice(payload);
        self.ends.push(self.buffer.len());
        self.next = self.next.next();
        true
    }

    fn into_records(self) -> Vec<Record> {
        let mut rest = self.buffer.freeze();
        let mut start = 0;
        let mut position = self.from;
        let mut records = Vec::with_capacity(self.ends.len());
        for end in self.ends {
            let bytes = rest.split_to(end - start);
            records.push(Record { position, bytes });
            start = end;
            position = position.next();
        }
        records
    }
}

const _: () = assert!(limits::RECORD_BYTES_MAX <= limits::READ_BYTES_MAX, "one record fits into one read");
