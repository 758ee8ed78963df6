//! The headers of a message: the fence, the position, and the CloudEvents attributes in binary mode.
//!
//! Owns their names and values. They say nothing that the record does not say, and never anything of a person. The server
//! looks through all of them several times for each message, so that there are no more than are of use: the media type
//! of all payloads, for one, stands in the stream's metadata.

use std::fmt::Write as _;

use bytes::BytesMut;
use muster_log::{Epoch, LogId, Position};
use muster_proto::DecodeError;
use muster_proto::calendar::date_of;

use crate::limits::CE_SUBJECT_CHARS_MAX;
use crate::record::RecordHead;

/// The position of the record, decimal; equal to the message's sequence.
pub const MUSTER_POSITION: &str = "Muster-Position";

/// What makes a record's message one of its kind: log, epoch, position and what it holds. Text form: `<first 16
/// hexadecimal digits of the log's id>.<epoch>.<position>.<first 16 hexadecimal digits of the record's BLAKE3 digest>`. Each
/// message carries two ids, and what they weigh is written for every record: the whole log id stands in the stream's
/// metadata and in `ce-source`.
#[must_use]
pub fn message_id(log: LogId, epoch: Epoch, position: Position, record: &[u8]) -> String {
    HeaderWriter::new(log, epoch).message_id(position, record)
}

/// Log and epoch that a message id names; none if it is no id of ours.
pub(crate) fn prefix_of(message_id: &str) -> Option<&str> {
    let (rest, _digest) = message_id.rsplit_once('.')?;
    let (prefix, _position) = rest.rsplit_once('.')?;
    Some(prefix)
}

/// Makes the headers of one log's messages; what is the same for all of them is made once.
pub(crate) struct HeaderWriter {
    id_prefix: String,
    /// `ce-` headers that are the same in each message.
    common: String,
    epoch: Epoch,
    time: Option<(i64, String)>,
}

impl HeaderWriter {
    pub(crate) fn new(log: LogId, epoch: Epoch) -> Self {
        let common = format!("ce-specversion: 1.0\r\nce-source: /muster/{log}\r\n");
        Self { id_prefix: id_prefix(log, epoch), common, epoch, time: None }
    }

    pub(crate) fn message_id(&self, position: Position, record: &[u8]) -> String {
        let digest = blake3::hash(record);
        let (short, _) = digest.as_bytes().split_at(8);
        let short = short.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let mut id = String::with_capacity(self.id_prefix.len() + 40);
        write!(id, "{}.{position}.{short:016x}", self.id_prefix).expect("a String takes it");
        id
    }

    /// Writes the header block of the message for `head`. `previous` is the id of the message before it, none for the
    /// first after the stream was compared: a server that was started again no longer knows the id of an older last
    /// message.
    pub(crate) fn write(
        &mut self,
        head: &RecordHead<'_>,
        id: &str,
        previous: Option<&str>,
        block: &mut BytesMut,
    ) -> Result<(), DecodeError> {
        let (event, _) = head.event_names()?;
        let (position, epoch) = (head.position, self.epoch);
        block.extend_from_slice(b"NATS/1.0\r\n");
        let put = |block: &mut BytesMut, line: std::fmt::Arguments<'_>| block.write_fmt(line).expect("a buffer takes it");
        put(block, format_args!("Nats-Expected-Last-Sequence: {}\r\n", position - 1));
        if let Some(previous) = previous {
            put(block, format_args!("Nats-Expected-Last-Msg-Id: {previous}\r\n"));
        }
        put(block, format_args!("Nats-Msg-Id: {id}\r\n{MUSTER_POSITION}: {position}\r\nce-id: {epoch}.{position}\r\n"));
        block.extend_from_slice(self.common.as_bytes());
        put(block, format_args!("ce-type: muster.v1.{event}\r\nce-time: {}\r\n", self.time(head.occurred_at_ms)));
        if let Some(subject) = ce_subject(head.area()) {
            put(block, format_args!("ce-subject: {subject}\r\n"));
        }
        block.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// The records of one command mostly have one time.
    fn time(&mut self, at_ms: i64) -> &str {
        if self.time.as_ref().is_none_or(|(known_ms, _)| *known_ms != at_ms) {
            self.time = Some((at_ms, rfc3339(at_ms)));
        }
        self.time.as_ref().map_or("", |(_, text)| text)
    }
}

/// What all message ids of a log's epoch begin with.
pub(crate) fn id_prefix(log: LogId, epoch: Epoch) -> String {
    let mut prefix = log.to_string();
    prefix.truncate(16);
    write!(prefix, ".{epoch}").expect("a String takes it");
    prefix
}

/// The area where the event takes effect; none if there is none or it is too long to be an id.
fn ce_subject(area: &str) -> Option<String> {
    if area.is_empty() {
        return None;
    }
    let encoded = percent_encode(area);
    (encoded.len() <= CE_SUBJECT_CHARS_MAX).then_some(encoded)
}

/// As the CloudEvents HTTP binding has it: blanks, `"`, `%` and everything outside printable ASCII.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'"' && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes it");
        }
    }
    encoded
}

/// Milliseconds since 1970 as RFC 3339 in UTC, proleptic Gregorian calendar.
fn rfc3339(at_ms: i64) -> String {
    let days = at_ms.div_euclid(86_400_000);
    let ms = at_ms.rem_euclid(86_400_000);
    let (year, month, day) = date_of(days);
    let (hour, minute, second, milli) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LOG: LogId = LogId([0xab; 16]);

    fn head() -> RecordHead<'static> {
        RecordHead {
            position: 42,
            occurred_at_ms: 1_764_000_000_123,
            realm: "actual",
            path: ["4408", "坡头 区", "", "", ""],
            event_tag: 220,
        }
    }

    fn written(previous: Option<&str>) -> Vec<String> {
        let id = message_id(LOG, Epoch(3), Position(42), b"record");
        let mut block = BytesMut::new();
        HeaderWriter::new(LOG, Epoch(3)).write(&head(), &id, previous, &mut block).unwrap();
        let text = String::from_utf8(block.to_vec()).unwrap();
        assert!(text.is_ascii());
        text.strip_prefix("NATS/1.0\r\n").unwrap().strip_suffix("\r\n\r\n").unwrap().split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_message_says_where_it_belongs_and_what_it_is() {
        let id = message_id(LOG, Epoch(3), Position(42), b"record");
        let mut lines = written(Some("before"));
        lines.sort_unstable();
        let wanted = [
            "Muster-Position: 42",
            "Nats-Expected-Last-Msg-Id: before",
            "Nats-Expected-Last-Sequence: 41",
            &format!("Nats-Msg-Id: {id}"),
            "ce-id: 3.42",
            "ce-source: /muster/abababababababababababababababab",
            "ce-specversion: 1.0",
            "ce-subject: %E5%9D%A1%E5%A4%B4%20%E5%8C%BA",
            "ce-time: 2025-11-24T16:00:00.123Z",
            "ce-type: muster.v1.WhistleBlown",
        ];
        assert_eq!(lines, wanted);
        assert!(!written(None).iter().any(|line| line.starts_with("Nats-Expected-Last-Msg-Id")));
    }

    #[test]
    fn an_id_changes_with_everything_it_is_made_of() {
        let id = message_id(LOG, Epoch(1), Position(1), b"a");
        assert_eq!(id.len(), 16 + 1 + 1 + 1 + 1 + 1 + 16);
        assert_ne!(id, message_id(LogId([1; 16]), Epoch(1), Position(1), b"a"));
        assert_ne!(id, message_id(LOG, Epoch(2), Position(1), b"a"));
        assert_ne!(id, message_id(LOG, Epoch(1), Position(2), b"a"));
        assert_ne!(id, message_id(LOG, Epoch(1), Position(1), b"b"));
        assert_eq!(prefix_of(&id), Some(id_prefix(LOG, Epoch(1)).as_str()));
        assert_eq!(prefix_of("somebody-elses"), None);
    }

    #[test]
    fn times_are_written_as_rfc3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(rfc3339(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }
}
