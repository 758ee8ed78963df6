//! The stored form of records, index entries and the log's own facts. Pure. A released version is never changed:
//! what is stored under it must keep reading.
//!
//! | what | key | value |
//! | --- | --- | --- |
//! | record | position, 8 bytes big-endian | version `1`, crc32c 4 bytes little-endian, payload |
//! | index entry | principal `\0` id | version `1`, digest 32, first 8, last 8 big-endian, crc32c 4 little-endian |
//! | facts | `log` | version `1`, id 16, epoch 4, created 8 (ms since 1970) big-endian, crc32c 4 little-endian |
//! | index gap | `gap` | version `1`, position 8 big-endian, crc32c 4 little-endian |
//! | end mark | a file | version `1`, epoch 4, position 8 big-endian, crc32c 4 little-endian |
//!
//! Each checksum covers version, key and content, so that a value which ended up under another key is found out.

use crate::types::{Epoch, EpochPosition, IndexEntry, LogId, Position};

/// The version of the whole folder: which files and column families there are.
pub const FORMAT_VERSION: u32 = 1;

/// The version of a stored record.
pub const RECORD_VERSION: u8 = 1;

const ENTRY_VERSION: u8 = 1;
const FACTS_VERSION: u8 = 1;
const GAP_VERSION: u8 = 1;
const END_MARK_VERSION: u8 = 1;

const CRC_BYTES: usize = 4;
const HEAD_BYTES: usize = 1 + CRC_BYTES;
const DIGEST_BYTES: usize = 32;
const ENTRY_BYTES: usize = 1 + DIGEST_BYTES + 8 + 8 + CRC_BYTES;
const FACTS_BYTES: usize = 1 + 16 + 4 + 8 + CRC_BYTES;
const GAP_BYTES: usize = 1 + 8 + CRC_BYTES;

/// Size of an end mark.
pub(crate) const END_MARK_BYTES: usize = 1 + 4 + 8 + CRC_BYTES;

/// Why stored bytes cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Too few or too many bytes.
    #[error("{bytes} bytes are stored, which no version has")]
    Length {
        /// How many there are.
        bytes: usize,
    },
    /// A version that this program does not know.
    #[error("stored under version {found}, which this program does not know")]
    Version {
        /// The version.
        found: u8,
    },
    /// The checksum does not fit.
    #[error("the checksum is {found:08x}, the content has {computed:08x}")]
    Checksum {
        /// As stored.
        found: u32,
        /// As computed.
        computed: u32,
    },
}

/// The key of a record.
pub(crate) const fn record_key(position: Position) -> [u8; 8] {
    position.0.to_be_bytes()
}

/// The position of a record's key, if it is one.
pub(crate) fn key_position(key: &[u8]) -> Option<Position> {
    key.try_into().ok().map(|bytes| Position(u64::from_be_bytes(bytes)))
}

fn checksum(version: u8, key: &[u8], content: &[u8]) -> u32 {
    // One pass for the short head: three calls would cost more than the bytes themselves.
    let mut head = [0u8; 9];
    head[0] = version;
    if let Some(slot) = head.get_mut(1..=key.len()) {
        slot.copy_from_slice(key);
        return crc32c::crc32c_append(crc32c::crc32c(&head[..=key.len()]), content);
    }
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&[version]), key), content)
}

/// Puts the stored form of a record into `out`, which is emptied first.
pub(crate) fn encode_record_into(position: Position, payload: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.push(RECORD_VERSION);
    out.extend_from_slice(&checksum(RECORD_VERSION, &record_key(position), payload).to_le_bytes());
    out.extend_from_slice(payload);
}

/// The stored form of a record.
#[must_use]
pub fn encode_record(position: Position, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_BYTES + payload.len());
    encode_record_into(position, payload, &mut out);
    out
}

/// The payload in a stored record: exactly what was appended at `position`.
///
/// # Errors
/// See [`FormatError`].
pub fn decode_record(position: Position, stored: &[u8]) -> Result<&[u8], FormatError> {
    let Some((head, payload)) = stored.split_at_checked(HEAD_BYTES) else {
        return Err(FormatError::Length { bytes: stored.len() });
    };
    if head[0] != RECORD_VERSION {
        return Err(FormatError::Version { found: head[0] });
    }
    let found = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    compare(found, checksum(RECORD_VERSION, &record_key(position), payload))?;
    Ok(payload)
}

const fn compare(found: u32, computed: u32) -> Result<(), FormatError> {
    if found == computed { Ok(()) } else { Err(FormatError::Checksum { found, computed }) }
}

/// Closes a value of fixed size: version first, checksum last.
fn seal<const N: usize>(key: &[u8], mut value: [u8; N]) -> [u8; N] {
    let (content, crc) = value.split_at_mut(N - CRC_BYTES);
    crc.copy_from_slice(&checksum(content[0], key, &content[1..]).to_le_bytes());
    value
}

/// Opens a value of fixed size and returns what stands between version and checksum.
fn unseal<'a, const N: usize>(key: &[u8], version: u8, stored: &'a [u8]) -> Result<&'a [u8], FormatError> {
    let value: &[u8; N] = stored.try_into().map_err(|_| FormatError::Length { bytes: stored.len() })?;
    if value[0] != version {
        return Err(FormatError::Version { found: value[0] });
    }
    let (content, crc) = value.split_at(N - CRC_BYTES);
    let found = u32::from_le_bytes([crc[0], crc[1], crc[2], crc[3]]);
    compare(found, checksum(version, key, &content[1..]))?;
    Ok(&content[1..])
}

fn be_u64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn be_u32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// The stored form of an index entry.
pub(crate) fn encode_entry(key: &[u8], entry: &IndexEntry) -> [u8; ENTRY_BYTES] {
    let mut value = [0; ENTRY_BYTES];
    value[0] = ENTRY_VERSION;
    value[1..33].copy_from_slice(&entry.digest);
    value[33..41].copy_from_slice(&entry.first.0.to_be_bytes());
    value[41..49].copy_from_slice(&entry.last.0.to_be_bytes());
    seal(key, value)
}

/// The index entry in a stored value.
pub(crate) fn decode_entry(key: &[u8], stored: &[u8]) -> Result<IndexEntry, FormatError> {
    let content = unseal::<ENTRY_BYTES>(key, ENTRY_VERSION, stored)?;
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&content[..32]);
    Ok(IndexEntry { digest, first: Position(be_u64(&content[32..40])), last: Position(be_u64(&content[40..48])) })
}

/// The key of the log's facts.
pub(crate) const FACTS_KEY: &[u8] = b"log";

/// What the log knows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) id: LogId,
    pub(crate) epoch: Epoch,
    /// Milliseconds since 1970.
    pub(crate) created_ms: u64,
}

/// The stored form of the facts.
pub(crate) fn encode_facts(facts: &Facts) -> [u8; FACTS_BYTES] {
    let mut value = [0; FACTS_BYTES];
    value[0] = FACTS_VERSION;
    value[1..17].copy_from_slice(&facts.id.0);
    value[17..21].copy_from_slice(&facts.epoch.0.to_be_bytes());
    value[21..29].copy_from_slice(&facts.created_ms.to_be_bytes());
    seal(FACTS_KEY, value)
}

/// The facts in a stored value.
pub(crate) fn decode_facts(stored: &[u8]) -> Result<Facts, FormatError> {
    let content = unseal::<FACTS_BYTES>(FACTS_KEY, FACTS_VERSION, stored)?;
    let mut id = [0; 16];
    id.copy_from_slice(&content[..16]);
    Ok(Facts { id: LogId(id), epoch: Epoch(be_u32(&content[16..20])), created_ms: be_u64(&content[20..28]) })
}

/// The key of the index gap.
pub(crate) const GAP_KEY: &[u8] = b"gap";

/// The stored form of an index gap: where the command index is incomplete up to.
pub(crate) fn encode_gap(to: Position) -> [u8; GAP_BYTES] {
    let mut value = [0; GAP_BYTES];
    value[0] = GAP_VERSION;
    value[1..9].copy_from_slice(&to.0.to_be_bytes());
    seal(GAP_KEY, value)
}

/// The place in a stored index gap.
pub(crate) fn decode_gap(stored: &[u8]) -> Result<Position, FormatError> {
    unseal::<GAP_BYTES>(GAP_KEY, GAP_VERSION, stored).map(|content| Position(be_u64(content)))
}

const END_MARK_KEY: &[u8] = b"end";

/// The stored form of an end mark.
pub(crate) fn encode_end_mark(end: EpochPosition) -> [u8; END_MARK_BYTES] {
    let mut value = [0; END_MARK_BYTES];
    value[0] = END_MARK_VERSION;
    value[1..5].copy_from_slice(&end.epoch.0.to_be_bytes());
    value[5..13].copy_from_slice(&end.position.0.to_be_bytes());
    seal(END_MARK_KEY, value)
}

/// The place in a stored end mark.
pub(crate) fn decode_end_mark(stored: &[u8]) -> Result<EpochPosition, FormatError> {
    let content = unseal::<END_MARK_BYTES>(END_MARK_KEY, END_MARK_VERSION, stored)?;
    Ok(EpochPosition { epoch: Epoch(be_u32(&content[..4])), position: Position(be_u64(&content[4..12])) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        let digits = text.trim_start_matches('-').as_bytes();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// What was stored under format version 1 keeps reading, and the same content is still stored as the same bytes.
    #[test]
    fn version_1_keeps_reading() {
        let mut kinds = Vec::new();
        for line in include_str!("../tests/golden/format-1.txt").lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let number = |field: usize| fields[field].parse::<u64>().unwrap();
            let stored = unhex(fields[fields.len() - 1]);
            kinds.push(fields[0]);
            match fields[0] {
                "record" => {
                    let (position, payload) = (Position(number(1)), unhex(fields[2]));
                    assert_eq!(decode_record(position, &stored).unwrap(), payload, "{line}");
                    assert_eq!(encode_record(position, &payload), stored, "{line}");
                }
                "entry" => {
                    let (key, digest) = (unhex(fields[1]), unhex(fields[2]).try_into().unwrap());
                    let entry = IndexEntry { digest, first: Position(number(3)), last: Position(number(4)) };
                    assert_eq!(decode_entry(&key, &stored), Ok(entry), "{line}");
                    assert_eq!(&encode_entry(&key, &entry)[..], stored, "{line}");
                }
                "facts" => {
                    let id = LogId(unhex(fields[1]).try_into().unwrap());
                    let facts = Facts { id, epoch: Epoch(u32::try_from(number(2)).unwrap()), created_ms: number(3) };
                    assert_eq!(decode_facts(&stored), Ok(facts), "{line}");
                    assert_eq!(&encode_facts(&facts)[..], stored, "{line}");
                }
                "gap" => {
                    assert_eq!(decode_gap(&stored), Ok(Position(number(1))), "{line}");
                    assert_eq!(&encode_gap(Position(number(1)))[..], stored, "{line}");
                }
                "end" => {
                    let end: EpochPosition = fields[1].parse().unwrap();
                    assert_eq!(decode_end_mark(&stored), Ok(end), "{line}");
                    assert_eq!(&encode_end_mark(end)[..], stored, "{line}");
                }
                other => panic!("unknown kind {other}"),
            }
        }
        assert_eq!(kinds, ["record", "record", "record", "entry", "facts", "gap", "end"]);
    }

    #[test]
    fn a_changed_bit_anywhere_in_a_record_is_found() {
        let stored = encode_record(Position(7), b"on post");
        for bit in 0..stored.len() * 8 {
            let mut changed = stored.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_record(Position(7), &changed).is_err(), "bit {bit}");
        }
        assert!(matches!(decode_record(Position(8), &stored), Err(FormatError::Checksum { .. })), "another's place");
        assert_eq!(decode_record(Position(7), &stored[..4]), Err(FormatError::Length { bytes: 4 }));
        assert_eq!(decode_record(Position(7), &[2, 0, 0, 0, 0]), Err(FormatError::Version { found: 2 }));
    }

    #[test]
    fn values_of_fixed_size_are_bound_to_key_length_and_version() {
        let entry = IndexEntry { digest: [5; 32], first: Position(1), last: Position(9) };
        let stored = encode_entry(b"a\0b", &entry);
        assert!(matches!(decode_entry(b"a\0c", &stored), Err(FormatError::Checksum { .. })));
        assert_eq!(decode_entry(b"a\0b", &stored[1..]), Err(FormatError::Length { bytes: ENTRY_BYTES - 1 }));
        let mut newer = stored;
        newer[0] = 2;
        assert_eq!(decode_entry(b"a\0b", &newer), Err(FormatError::Version { found: 2 }));
    }
}
