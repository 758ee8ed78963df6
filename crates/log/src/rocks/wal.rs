//! Finds the damaged place in RocksDB's write-ahead log, which RocksDB itself does not name. For the error's text only:
//! it decides nothing, and must never be what a recovery rests on.
//!
//! The format is RocksDB's: blocks of 32 KiB; in them fragments with a header of a masked crc32c (4 bytes little-endian),
//! a length (2) and a type (1); a fragment never crosses a block. Fragments of a record are first, middle, last or full.

use std::fs;
use std::path::{Path, PathBuf};

use rocksdb::{WriteBatch, WriteBatchIteratorCf};

use crate::format::key_position;
use crate::types::Position;

const BLOCK_BYTES: usize = 32 * 1024;
const HEADER_BYTES: usize = 7;
const FULL: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;
/// A write batch begins with a sequence number of 8 bytes and a count of 4.
const BATCH_HEADER_BYTES: usize = 12;

/// The first place that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WalDamage {
    pub(super) file: PathBuf,
    /// Where in the file the unreadable fragment begins.
    pub(super) offset: usize,
    /// The first record that is lost by it, where one before it could be read.
    pub(super) position: Option<Position>,
}

/// Looks through the log files of a database, oldest first.
pub(super) fn first_damage(database: &Path, records_family: u32) -> Option<WalDamage> {
    let names = fs::read_dir(database).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = names.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect();
    files.sort();
    let mut last = Last { records_family, position: None };
    files.into_iter().find_map(|file| {
        let bytes = fs::read(&file).ok()?;
        let offset = damaged_offset(&bytes, &mut last)?;
        Some(WalDamage { file, offset, position: last.position.map(Position::next) })
    })
}

fn damaged_offset(bytes: &[u8], last: &mut Last) -> Option<usize> {
    let mut record = Vec::new();
    let mut offset = 0;
    while offset < bytes.len() {
        let left_in_block = BLOCK_BYTES - offset % BLOCK_BYTES;
        if left_in_block < HEADER_BYTES {
            offset += left_in_block;
            continue;
        }
        let Some((kind, payload)) = fragment(&bytes[offset..], left_in_block) else { return Some(offset) };
        if kind == FULL || kind == FIRST {
            record.clear();
        }
        record.extend_from_slice(payload);
        if (kind == FULL || kind == LAST) && record.len() >= BATCH_HEADER_BYTES {
            WriteBatch::from_data(&record).iterate_cf(last);
        }
        offset += HEADER_BYTES + payload.len();
    }
    None
}

/// The fragment at the beginning of `bytes`, if its header and checksum are right.
fn fragment(bytes: &[u8], left_in_block: usize) -> Option<(u8, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let length = usize::from(u16::from_le_bytes([header[4], header[5]]));
    let payload = rest.get(..length).filter(|_| HEADER_BYTES + length <= left_in_block)?;
    let masked = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header[6..]), payload);
    (masked == crc.rotate_right(15).wrapping_add(0xa282_ead8)).then_some((header[6], payload))
}

/// Notes the last record that a batch puts.
struct Last {
    records_family: u32,
    position: Option<Position>,
}

impl WriteBatchIteratorCf for Last {
    fn put_cf(&mut self, family: u32, key: &[u8], _value: &[u8]) {
        if family == self.records_family {
            self.position = key_position(key).or(self.position);
        }
    }

    fn delete_cf(&mut self, _family: u32, _key: &[u8]) {}

    fn merge_cf(&mut self, _family: u32, _key: &[u8], _value: &[u8]) {}
}
