//! Reading records: short iterators forward, single lookups where an iterator cannot go, every record checked on the
//! way out. It must never pass over a position.

use bytes::{Bytes, BytesMut};
use rocksdb::{DB, DBPinnableSlice, DBRawIterator, ReadOptions};

use super::database::{self, RECORDS, family};
use crate::errors::ReadError;
use crate::format::{FormatError, decode_record, key_position, record_key};
use crate::limits;
use crate::types::{Position, Record};

/// Reads of at least this many records ask the disk for more than one block at a time.
const READAHEAD_RECORDS: u64 = 256;

/// What most records come to at the most, in bytes: sizes the buffer of a read so that it rarely has to grow.
const RECORD_BYTES_USUAL: usize = 512;

/// Records that one iterator walks before it is made anew: a long-lived one pins memory and files.
const STEP_RECORDS: u64 = 100_000;

/// Reads the records from `from` to `to`, both included and both below the watermark, until `bytes_max` is reached.
/// What was read before a damage is returned; a damage at `from` itself is the error.
pub(super) fn read(db: &DB, from: Position, to: Position, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
    let mut gathered = Gathered::new(from, to, bytes_max);
    match walk(db, from, to, |_, payload| gathered.take(payload)) {
        Err(error) if gathered.ends.is_empty() => Err(error),
        _ => Ok(gathered.into_records()),
    }
}

/// Reads one record below the watermark.
pub(super) fn read_one(db: &DB, position: Position) -> Result<Record, ReadError> {
    let stored = lookup(db, position)?;
    let payload = decode_record(position, &stored).map_err(|error| corrupt(db, position, &error))?;
    Ok(Record { position, bytes: Bytes::copy_from_slice(payload) })
}

/// Checks the records from `from` to `to`, both included. Returns the bytes of their payloads.
pub(super) fn verify(db: &DB, from: Position, to: Position) -> Result<u64, ReadError> {
    let mut bytes = 0;
    let mut start = from;
    while start <= to {
        let end = Position(to.0.min(start.0 + STEP_RECORDS - 1));
        walk(db, start, end, |_, payload| {
            bytes += payload.len() as u64;
            true
        })?;
        start = end.next();
    }
    Ok(bytes)
}

/// Checks the end of a log: back from `end` at least `records_min` records and `bytes_min` bytes, and that the log
/// begins with record 1.
pub(super) fn verify_tail(db: &DB, end: Position, records_min: u64, bytes_min: u64) -> Result<(), ReadError> {
    if end == Position::ZERO {
        return Ok(());
    }
    verify(db, Position::FIRST, Position::FIRST)?;
    let mut to = end;
    let (mut records, mut bytes) = (0, 0);
    while to > Position::ZERO && (records < records_min || bytes < bytes_min) {
        let from = Position(to.0.saturating_sub(records_min.max(1) - 1).max(1));
        bytes += verify(db, from, to)?;
        records += to.0 - from.0 + 1;
        to = Position(from.0 - 1);
    }
    Ok(())
}

/// Walks over the payloads from `from` to `to`, for as long as `take` wants more.
fn walk(db: &DB, from: Position, to: Position, mut take: impl FnMut(Position, &[u8]) -> bool) -> Result<(), ReadError> {
    let readahead = to.0 - from.0 >= READAHEAD_RECORDS;
    let mut cursor = db.raw_iterator_cf_opt(family(db, RECORDS), database::range(from, to, readahead));
    cursor.seek(record_key(from));
    let mut position = from;
    while position <= to {
        let Some(stored) = stored_at(&cursor, position) else {
            // An iterator looks into every table of the first level, so a damage elsewhere can stop it here. A single
            // lookup opens the one table that has the record: it tells whether this record is damaged.
            return walk_singly(db, position, to, take);
        };
        let payload = decode_record(position, stored).map_err(|error| corrupt(db, position, &error))?;
        if !take(position, payload) {
            break;
        }
        if position < to {
            cursor.next();
        }
        position = position.next();
    }
    Ok(())
}

fn stored_at<'a>(cursor: &'a DBRawIterator<'_>, position: Position) -> Option<&'a [u8]> {
    cursor.item().filter(|(key, _)| key_position(key) == Some(position)).map(|(_, stored)| stored)
}

fn walk_singly(db: &DB, from: Position, to: Position, mut take: impl FnMut(Position, &[u8]) -> bool) -> Result<(), ReadError> {
    let mut position = from;
    while position <= to {
        let stored = lookup(db, position)?;
        let payload = decode_record(position, &stored).map_err(|error| corrupt(db, position, &error))?;
        if !take(position, payload) {
            break;
        }
        position = position.next();
    }
    Ok(())
}

fn lookup(db: &DB, position: Position) -> Result<DBPinnableSlice<'_>, ReadError> {
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    db.get_pinned_cf_opt(family(db, RECORDS), record_key(position), &options)
        .map_err(|error| database::read_error(db, position, &error))?
        .ok_or_else(|| ReadError::Missing { position, file: database::file_of(db, position) })
}

fn corrupt(db: &DB, position: Position, error: &FormatError) -> ReadError {
    ReadError::Corrupt { position, file: database::file_of(db, position), detail: error.to_string() }
}

/// Payloads one behind the other in one buffer, cut up at the end.
struct Gathered {
    from: Position,
    bytes_max: usize,
    buffer: BytesMut,
    ends: Vec<usize>,
}

impl Gathered {
    fn new(from: Position, to: Position, bytes_max: usize) -> Self {
        let records = usize::try_from(to.0 - from.0 + 1).unwrap_or(usize::MAX).min(bytes_max / RECORD_BYTES_USUAL + 1);
        let capacity = bytes_max.min(records * RECORD_BYTES_USUAL);
        Self { from, bytes_max, buffer: BytesMut::with_capacity(capacity), ends: Vec::with_capacity(records) }
    }

    /// Takes a payload, unless it is not the first and goes over the limit.
    fn take(&mut self, payload: &[u8]) -> bool {
        if !self.ends.is_empty() && self.buffer.len() + payload.len() > self.bytes_max {
            return false;
        }
        self.buffer.extend_from_slice(payload);
        self.ends.push(self.buffer.len());
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
