//! A record as the folds see it: when, where in the log, in which realm, what. Who did it, on what ground and by which command never reaches a
//! fold, so it is not decoded. Fields are checked as `muster_proto::decode` checks them.

use std::sync::Arc;

use bytes::Buf as _;
use muster_log::{Position, Record};
use muster_proto::{DecodeError, Event, SCHEMA_VERSION};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint};

use crate::fold::Interest;

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Its place in the log.
    pub position: Position,
    /// The log's time, Unix milliseconds.
    pub recorded_at_ms: i64,
    /// When it happened, Unix milliseconds.
    pub occurred_at_ms: i64,
    /// `actual` or the exercise's name.
    pub realm: Arc<str>,
    /// What happened.
    pub event: Event,
}

/// A record that cannot be read. Corrupt: nothing after it may be folded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {position} cannot be read: {error}")]
pub struct FactError {
    /// Where it is.
    pub position: Position,
    /// What is wrong with it.
    pub error: DecodeError,
}

/// Reads records into facts. Remembers the last realm, for runs of records share it.
pub(crate) struct FactReader {
    interest: Interest,
    realm: Arc<str>,
}

#[derive(Default)]
struct Head<'a> {
    schema_version: u64,
    recorded_at_ms: i64,
    occurred_at_ms: i64,
    count: u64,
    position: u64,
    realm: &'a [u8],
    path_seen: bool,
}

impl FactReader {
    pub(crate) fn new(interest: Interest) -> Self {
        Self { interest, realm: Arc::from(muster_proto::ACTUAL) }
    }

    /// The record's fact, or nothing if no fold wants its event.
    pub(crate) fn read(&mut self, record: &Record) -> Result<Option<Fact>, FactError> {
        let fault = |error| FactError { position: record.position, error };
        let fact = self.parse(&record.bytes).map_err(fault)?;
        match fact {
            Some(fact) if fact.position != record.position => {
                Err(fault(DecodeError::Malformed(format!("it says that it is record {}", fact.position))))
            }
            fact => Ok(fact),
        }
    }

    fn parse(&mut self, mut bytes: &[u8]) -> Result<Option<Fact>, DecodeError> {
        let mut head = Head::default();
        while bytes.has_remaining() {
            let (tag, wire) = decode_key(&mut bytes).map_err(malformed)?;
            if tag >= 100 {
                return self.finish(&head, tag, wire, bytes);
            }
            match wire {
                WireType::Varint => head.take_number(tag, decode_varint(&mut bytes).map_err(malformed)?),
                WireType::LengthDelimited => {
                    let length = usize::try_from(decode_varint(&mut bytes).map_err(malformed)?).unwrap_or(usize::MAX);
                    let field =
                        bytes.get(..length).ok_or_else(|| DecodeError::Malformed("a field is longer than the record".to_owned()))?;
                    match tag {
                        18 => head.realm = field,
                        19 => head.path_seen = true,
                        _ => {}
                    }
                    bytes.advance(length);
                }
                _ => return Err(DecodeError::Malformed("a wire type that no field of the envelope has".to_owned())),
            }
        }
        Err(DecodeError::UnknownEvent)
    }

    /// The event is the last field of a record.
    fn finish(&mut self, head: &Head<'_>, tag: u32, wire: WireType, mut bytes: &[u8]) -> Result<Option<Fact>, DecodeError> {
        head.check()?;
        if !self.interest.wants(tag) {
            return Ok(None);
        }
        let mut event = None;
        Event::merge(&mut event, tag, wire, &mut bytes, DecodeContext::default()).map_err(malformed)?;
        if bytes.has_remaining() {
            return Err(DecodeError::Malformed("something follows the event".to_owned()));
        }
        let event = event.ok_or(DecodeError::UnknownEvent)?;
        if head.realm != self.realm.as_bytes() {
            let realm = std::str::from_utf8(head.realm).map_err(|error| DecodeError::Malformed(error.to_string()))?;
            self.realm = Arc::from(realm);
        }
        let occurred_at_ms = head.occurred_at_ms;
        Ok(Some(Fact {
            position: Position(head.position),
            recorded_at_ms: head.recorded_at_ms,
            occurred_at_ms,
            realm: Arc::clone(&self.realm),
            event,
        }))
    }
}

impl Head<'_> {
    fn take_number(&mut self, tag: u32, value: u64) {
        match tag {
            1 => self.schema_version = value,
            2 => self.recorded_at_ms = value.cast_signed(),
            3 => self.occurred_at_ms = value.cast_signed(),
            15 => self.count = value,
            16 => self.position = value,
            _ => {}
        }
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.schema_version > u64::from(SCHEMA_VERSION) {
            return Err(DecodeError::NewerSchema { found: u32::try_from(self.schema_version).unwrap_or(u32::MAX) });
        }
        let missing = [
            (self.schema_version == 0, "schema_version"),
            (self.position == 0, "position"),
            (self.recorded_at_ms == 0, "recorded_at_ms"),
            (self.count == 0, "count"),
            (self.realm.is_empty(), "realm"),
            (!self.path_seen, "area_path"),
        ];
        match missing.iter().find(|(is_missing, _)| *is_missing) {
            Some((_, field)) => Err(DecodeError::Missing(field)),
            None => Ok(()),
        }
    }
}

fn malformed(error: prost::DecodeError) -> DecodeError {
    DecodeError::Malformed(error.to_string())
}
