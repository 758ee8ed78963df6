//! Checks a range of the log without handing it out: no gap, every checksum right.

use rocksdb::DB;

use super::database::{self, RECORDS, family};
use crate::errors::ReadError;
use crate::format::{decode_record, key_position, record_key};
use crate::types::Position;

/// Records that one iterator walks before it is made anew: a long-lived one pins memory and files.
const STEP_RECORDS: u64 = 100_000;

/// Checks the records from `from` to `to`, both included. Returns the bytes of their payloads.
pub(super) fn verify(db: &DB, from: Position, to: Position) -> Result<u64, ReadError> {
    let mut bytes = 0;
    let mut start = from;
    while start <= to {
        let end = Position(to.0.min(start.0 + STEP_RECORDS - 1));
        bytes += verify_step(db, start, end)?;
        start = end.next();
    }
    Ok(bytes)
}

fn verify_step(db: &DB, from: Position, to: Position) -> Result<u64, ReadError> {
    let mut bytes = 0;
    let mut cursor = db.raw_iterator_cf_opt(family(db, RECORDS), database::range(from, to, true));
    cursor.seek(record_key(from));
    let mut position = from;
    while position <= to {
        let Some((key, stored)) = cursor.item() else {
            cursor.status().map_err(|error| database::read_error(db, position, &error))?;
            return Err(ReadError::Missing { position, file: database::file_of(db, position) });
        };
        if key_position(key) != Some(position) {
            return Err(ReadError::Missing { position, file: database::file_of(db, position) });
        }
        bytes += decode_record(position, stored).map(<[u8]>::len).map_err(|error| ReadError::Corrupt {
            position,
            file: database::file_of(db, position),
            detail: error.to_string(),
        })? as u64;
        cursor.next();
        position = position.next();
    }
    Ok(bytes)
}

/// Checks the end of a log: back from `end` at least `records_min` records and `bytes_min` bytes, and that the log
/// begins with record 1.
pub(super) fn verify_tail(db: &DB, end: Position, records_min: u64, bytes_min: u64) -> Result<(), ReadError> {
    if end == Position::ZERO {
        return Ok(());
    }
    verify_step(db, Position::FIRST, Position::FIRST)?;
    let mut to = end;
    let (mut records, mut bytes) = (0, 0);
    while to > Position::ZERO && (records < records_min || bytes < bytes_min) {
        let from = Position(to.0.saturating_sub(STEP_RECORDS.min(records_min.max(1)) - 1).max(1));
        bytes += verify_step(db, from, to)?;
        records += to.0 - from.0 + 1;
        to = Position(from.0 - 1);
    }
    Ok(())
}
