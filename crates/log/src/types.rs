//! The words of the log: positions, epochs, units, records, command keys. Plain data, no IO.

use std::fmt;
use std::str::FromStr;

use bytes::{BufMut, Bytes, BytesMut};

use crate::errors::{KeyError, ParsePositionError, Stopped};
use crate::limits;

/// The place of a record. The first record is 1; 0 means "before the first". Positions have no gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// Before the first record.
    pub const ZERO: Self = Self(0);
    /// The first record's place.
    pub const FIRST: Self = Self(1);

    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The place `count` records further on.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_digits(text).map(Self).ok_or_else(|| ParsePositionError { text: text.to_owned() })
    }
}

/// The life of a log between two restores or accepted losses; the first is 1. A place remembered outside of the log
/// counts only within its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch of a new log.
    pub const FIRST: Self = Self(1);

    /// The epoch after a restore or an accepted loss.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Default for Epoch {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place that means something outside of the log. Text form: `epoch.position`, both decimal. Ordered by epoch first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochPosition {
    /// The epoch the position was seen in.
    pub epoch: Epoch,
    /// The position.
    pub position: Position,
}

impl fmt::Display for EpochPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.position)
    }
}

impl FromStr for EpochPosition {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('.').and_then(|(epoch, position)| {
            let epoch = u32::try_from(parse_digits(epoch)?).ok()?;
            Some(Self { epoch: Epoch(epoch), position: Position(parse_digits(position)?) })
        });
        parsed.ok_or_else(|| ParsePositionError { text: text.to_owned() })
    }
}

/// Only digits: `u64::from_str` would also take a leading `+`, which gives one place two texts.
fn parse_digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The identity of a log: random at creation, kept through backups and epochs. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub [u8; 16]);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What makes a command the same command: `principal \0 id`. Ordered by principal, then id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandKey(Bytes);

impl CommandKey {
    /// Joins principal and id.
    ///
    /// # Errors
    /// An empty part, a part over its cap ([`limits::PRINCIPAL_BYTES_MAX`], [`limits::COMMAND_ID_BYTES_MAX`]) or a
    /// principal with a zero byte, which would make two keys look alike.
    pub fn new(principal: &[u8], id: &[u8]) -> Result<Self, KeyError> {
        check_part("principal", principal, limits::PRINCIPAL_BYTES_MAX)?;
        check_part("command id", id, limits::COMMAND_ID_BYTES_MAX)?;
        if principal.contains(&0) {
            return Err(KeyError::ZeroInPrincipal);
        }
        let mut joined = BytesMut::with_capacity(principal.len() + 1 + id.len());
        joined.put_slice(principal);
        joined.put_u8(0);
        joined.put_slice(id);
        Ok(Self(joined.freeze()))
    }

    /// The joined bytes, as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The principal's part.
    #[must_use]
    pub fn principal(&self) -> &[u8] {
        self.0.split(|b| *b == 0).next().unwrap_or_default()
    }

    /// The id's part.
    #[must_use]
    pub fn id(&self) -> &[u8] {
        &self.0[(self.principal().len() + 1).min(self.0.len())..]
    }
}

fn check_part(part: &'static str, bytes: &[u8], bytes_max: usize) -> Result<(), KeyError> {
    if bytes.is_empty() {
        return Err(KeyError::Empty { part });
    }
    if bytes.len() > bytes_max {
        return Err(KeyError::TooLong { part, bytes: bytes.len(), bytes_max });
    }
    Ok(())
}

/// The command of a unit, as it enters the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandEntry {
    /// Who sent it and under which id.
    pub key: CommandKey,
    /// Keyed digest of the body: the same key with another digest is an error of the sender.
    pub digest: [u8; 32],
}

/// What the command index keeps of a command, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Keyed digest of the command's body.
    pub digest: [u8; 32],
    /// Its first record.
    pub first: Position,
    /// Its last record.
    pub last: Position,
}

/// One whole command: its records are stored all or none, in one batch, with its index entry.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Where the first record goes. The log refuses the unit if that is not its next position.
    pub expected_next: Position,
    /// The records in order; at least one. They may be slices of one buffer.
    pub records: Vec<Bytes>,
    /// The index entry; none for units that no client sent (timers, policies, imports of the system itself).
    pub command: Option<CommandEntry>,
}

impl Unit {
    /// A unit that leaves no trace in the command index.
    #[must_use]
    pub const fn records_only(expected_next: Position, records: Vec<Bytes>) -> Self {
        Self { expected_next, records, command: None }
    }

    /// The position of its last record.
    #[must_use]
    pub const fn last(&self) -> Position {
        Position(self.expected_next.0 + self.records.len() as u64 - 1)
    }
}

/// A stored record: exactly the bytes that were appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub position: Position,
    /// Its bytes. Records of one read share a buffer: keep a copy rather than the record if it is to live long.
    pub bytes: Bytes,
}

/// A unit is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable {
    /// First record of the unit; for [`crate::Log::after`] the position waited for.
    pub first: Position,
    /// Last record of the unit; for [`crate::Log::after`] the position waited for.
    pub last: Position,
    /// The watermark at the moment of the call: at least `last`.
    pub watermark: Position,
}

/// Whether the log takes appends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Running,
    /// It does not and never will again in this process. Reading below the watermark still works.
    Stopped(Stopped),
}

/// What the log has done since it was opened, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Batches written, each with one sync.
    pub batches: u64,
    /// Units in them.
    pub units: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of the records, with what the log adds to them.
    pub bytes: u64,
    /// Bytes that wait for the writer now.
    pub waiting_bytes: usize,
    /// Failed flushes and compactions of the store: a person must look, for sooner or later writes will fail.
    pub store_errors: u64,
    /// Whether the store holds writes back until it has caught up.
    pub store_stalled: bool,
}

/// The free space under the log, as last sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes free for this process.
    pub free_bytes: u64,
    /// Bytes under which commands are to be refused.
    pub floor_bytes: u64,
}

impl Space {
    /// Whether there is enough to take a command on.
    #[must_use]
    pub const fn is_enough(self) -> bool {
        self.free_bytes >= self.floor_bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn places_have_one_text_form() {
        let place = EpochPosition { epoch: Epoch(3), position: Position(42) };
        assert_eq!(place.to_string(), "3.42");
        assert_eq!("3.42".parse(), Ok(place));
        assert_eq!("18446744073709551615".parse(), Ok(Position(u64::MAX)));
        for text in ["", ".", "3", "3.", ".42", "+3.42", "3.+42", "3.4.2", "3 .42", "-1.2", "4294967296.1", "1.18446744073709551616"] {
            let refused: Result<EpochPosition, _> = text.parse();
            assert_eq!(refused, Err(ParsePositionError { text: text.to_owned() }), "{text:?}");
        }
        assert!("+1".parse::<Position>().is_err());
    }

    #[test]
    fn places_are_ordered_by_epoch_first() {
        let place = |text: &str| text.parse::<EpochPosition>().unwrap();
        assert!(place("1.900") < place("2.1") && place("2.1") < place("2.2"));
    }

    #[test]
    fn a_command_key_keeps_its_parts_apart() {
        let key = CommandKey::new(b"alice", b"a\0b").unwrap();
        assert_eq!((key.principal(), key.id()), (&b"alice"[..], &b"a\0b"[..]));
        assert_eq!(key.as_bytes(), b"alice\0a\0b");
        assert_ne!(CommandKey::new(b"ab", b"c").unwrap(), CommandKey::new(b"a", b"bc").unwrap());
    }

    #[test]
    fn a_command_key_has_bounds() {
        let long = [b'x'; limits::PRINCIPAL_BYTES_MAX + 1];
        assert!(CommandKey::new(&long[1..], &long[..limits::COMMAND_ID_BYTES_MAX]).is_ok());
        let too_long = |part, bytes, bytes_max| Err(KeyError::TooLong { part, bytes, bytes_max });
        assert_eq!(CommandKey::new(&long, b"1"), too_long("principal", 257, 256));
        assert_eq!(CommandKey::new(b"p", &long[..65]), too_long("command id", 65, 64));
        assert_eq!(CommandKey::new(b"", b"1"), Err(KeyError::Empty { part: "principal" }));
        assert_eq!(CommandKey::new(b"p", b""), Err(KeyError::Empty { part: "command id" }));
        assert_eq!(CommandKey::new(b"p\0q", b"1"), Err(KeyError::ZeroInPrincipal));
    }

    #[test]
    fn a_log_id_is_shown_as_32_digits() {
        assert_eq!(LogId([0x0f; 16]).to_string(), "0f".repeat(16));
    }
}
