//! Canonical bytes of the envelope: encoded once for a command's common part and once for each record, and read back with checks.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message as _;
use prost::encoding::{WireType, decode_key, decode_varint};

use crate::Event;
use crate::v1::{self, Envelope};

/// The schema written by this version. A record of a later version is refused; an earlier one is read through upcasting.
pub const SCHEMA_VERSION: u32 = 1;

/// What every record of one command shares: fields 1 to 15 of the envelope.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommonPart<'a> {
    /// The log's time of the command, Unix milliseconds.
    pub recorded_at_ms: i64,
    /// Who is answerable for the command id; empty for timers.
    pub principal: &'a str,
    /// Empty for timers.
    pub command_id: &'a str,
    /// Keyed digest of the body; empty for timers.
    pub body_digest: &'a [u8],
    /// Who said it, in which office, on what ground.
    pub context: Option<&'a v1::Context>,
    /// Records of the command.
    pub count: u32,
}

/// What differs from record to record: fields 16 and above.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordPart<'a> {
    /// The record's place in the log.
    pub position: u64,
    /// Within the command, from 0.
    pub index: u32,
    /// `actual` or an exercise.
    pub realm: &'a str,
    /// Where it takes effect, as of now.
    pub area_path: &'a v1::AreaPath,
    /// Other areas concerned.
    pub other_area_ids: &'a [String],
    /// Position of the record that a policy answered to, 0 for none.
    pub cause: u64,
    /// Who made it happen.
    pub origin: v1::Origin,
    /// The fact itself.
    pub event: &'a Event,
}

/// Encodes the records of one command. Fields are written in ascending order, so that the concatenation is what
/// encoding the whole message would give; `the_two_ways_to_encode_agree` holds it to that.
pub struct EnvelopeEncoder {
    common: Bytes,
    buffer: BytesMut,
}

impl EnvelopeEncoder {
    /// Encodes the common part. `expected_records` sizes the buffer.
    pub fn new(common: &CommonPart<'_>, expected_records: usize) -> Self {
        let context = common.context.cloned().unwrap_or_default();
        let envelope = Envelope {
            schema_version: SCHEMA_VERSION,
            recorded_at_ms: common.recorded_at_ms,
            occurred_at_ms: if context.occurred_at_ms == 0 { common.recorded_at_ms } else { context.occurred_at_ms },
            occurred_at_source: if context.occurred_at_ms == 0 { v1::OccurredAtSource::Log.into() } else { context.occurred_at_source },
            actor: context.actor,
            actor_office: context.actor_office,
            on_behalf_of: context.on_behalf_of,
            basis: context.basis,
            channel: context.channel,
            source: context.source,
            principal: common.principal.to_owned(),
            command_id: common.command_id.to_owned(),
            body_digest: common.body_digest.to_vec(),
            correlation: context.correlation,
            count: common.count,
            ..Envelope::default()
        };
        let common = Bytes::from(envelope.encode_to_vec());
        let buffer = BytesMut::with_capacity(expected_records * (common.len() + 160));
        Self { common, buffer }
    }

    /// Encodes one record.
    pub fn encode(&mut self, part: &RecordPart<'_>) -> Bytes {
        self.buffer.put_slice(&self.common);
        let out = &mut self.buffer;
        prost::encoding::uint64::encode(16, &part.position, out);
        if part.index != 0 {
            prost::encoding::uint32::encode(17, &part.index, out);
        }
        if !part.realm.is_empty() {
            put_str(18, part.realm, out);
        }
        prost::encoding::message::encode(19, part.area_path, out);
        for id in part.other_area_ids {
            put_str(20, id, out);
        }
        if part.cause != 0 {
            prost::encoding::uint64::encode(21, &part.cause, out);
        }
        let origin = i32::from(part.origin);
        if origin != 0 {
            prost::encoding::int32::encode(22, &origin, out);
        }
        part.event.encode(out);
        self.buffer.split().freeze()
    }
}

fn put_str(tag: u32, text: &str, out: &mut BytesMut) {
    prost::encoding::encode_key(tag, WireType::LengthDelimited, out);
    prost::encoding::encode_varint(text.len() as u64, out);
    out.put_slice(text.as_bytes());
}

/// Why bytes are no record of this schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are no envelope.
    #[error("not an envelope: {0}")]
    Malformed(String),
    /// Written by a later version of Muster.
    #[error("schema version {found} is newer than the supported {SCHEMA_VERSION}")]
    NewerSchema {
        /// The record's version.
        found: u32,
    },
    /// A field that every record has is missing.
    #[error("required field {0} is missing")]
    Missing(&'static str),
    /// The event is none that this version knows.
    #[error("no event, or one of an unknown kind")]
    UnknownEvent,
}

/// Reads a record and checks what every record must have.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode(bytes: &[u8]) -> Result<Envelope, DecodeError> {
    let envelope = Envelope::decode(bytes).map_err(|error| DecodeError::Malformed(error.to_string()))?;
    if envelope.schema_version > SCHEMA_VERSION {
        return Err(DecodeError::NewerSchema { found: envelope.schema_version });
    }
    if envelope.schema_version == 0 {
        return Err(DecodeError::Missing("schema_version"));
    }
    if envelope.position == 0 {
        return Err(DecodeError::Missing("position"));
    }
    if envelope.recorded_at_ms == 0 {
        return Err(DecodeError::Missing("recorded_at_ms"));
    }
    if envelope.count == 0 {
        return Err(DecodeError::Missing("count"));
    }
    if envelope.realm.is_empty() {
        return Err(DecodeError::Missing("realm"));
    }
    if envelope.area_path.is_none() {
        return Err(DecodeError::Missing("area_path"));
    }
    if envelope.event.is_none() {
        return Err(DecodeError::UnknownEvent);
    }
    Ok(envelope)
}

/// What can be read of a record without decoding it: enough to route or skip it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peek {
    /// The record's place in the log.
    pub position: u64,
    /// The log's time, Unix milliseconds.
    pub recorded_at_ms: i64,
    /// The event's field number.
    pub event_tag: u32,
}

/// Walks the record's fields without allocating.
///
/// # Errors
/// [`DecodeError::Malformed`] for bytes that are no protobuf message, [`DecodeError::Missing`] where position or event is absent.
pub fn peek(mut bytes: &[u8]) -> Result<Peek, DecodeError> {
    let malformed = |error: prost::DecodeError| DecodeError::Malformed(error.to_string());
    let mut found = Peek { position: 0, recorded_at_ms: 0, event_tag: 0 };
    while bytes.has_remaining() {
        let (tag, wire) = decode_key(&mut bytes).map_err(malformed)?;
        match wire {
            WireType::Varint => {
                let value = decode_varint(&mut bytes).map_err(malformed)?;
                match tag {
                    2 => found.recorded_at_ms = value.cast_signed(),
                    16 => found.position = value,
                    _ => {}
                }
            }
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut bytes).map_err(malformed)?).unwrap_or(usize::MAX);
                if length > bytes.len() {
                    return Err(DecodeError::Malformed("a field is longer than the record".to_owned()));
                }
                if tag >= 100 {
                    found.event_tag = tag;
                    break;
                }
                bytes.advance(length);
            }
            _ => return Err(DecodeError::Malformed("a wire type that no field of the envelope has".to_owned())),
        }
    }
    match found {
        Peek { position: 0, .. } => Err(DecodeError::Missing("position")),
        Peek { event_tag: 0, .. } => Err(DecodeError::UnknownEvent),
        found => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn context() -> v1::Context {
        v1::Context {
            actor: "p-1".into(),
            actor_office: Some(v1::Office { area_id: "4408".into(), title: "组织部值班员".into(), ..Default::default() }),
            basis: Some(v1::Basis { kind: v1::BasisKind::Telephone.into(), reference: "0731".into() }),
            occurred_at_ms: 900,
            occurred_at_source: v1::OccurredAtSource::Device.into(),
            ..Default::default()
        }
    }

    fn encoded() -> Bytes {
        let context = context();
        let common = CommonPart {
            recorded_at_ms: 1_000,
            principal: "hq",
            command_id: "a-1",
            body_digest: &[7; 32],
            context: Some(&context),
            count: 2,
        };
        let event = Event::AreaRetired(v1::AreaRetired { area_id: "440802".into() });
        let path = v1::AreaPath { city: "4408".into(), county: "440802".into(), ..Default::default() };
        EnvelopeEncoder::new(&common, 1).encode(&RecordPart {
            position: 42,
            index: 1,
            realm: crate::ACTUAL,
            area_path: &path,
            other_area_ids: &["440803".to_owned()],
            cause: 41,
            origin: v1::Origin::Policy,
            event: &event,
        })
    }

    #[test]
    fn the_two_ways_to_encode_agree() {
        let bytes = encoded();
        let envelope = decode(&bytes).unwrap();
        assert_eq!(envelope.encode_to_vec(), bytes);
        assert_eq!(envelope.position, 42);
        assert_eq!(envelope.occurred_at_ms, 900);
        assert_eq!(envelope.other_area_ids, ["440803"]);
        assert_eq!(envelope.actor_office.unwrap().title, "组织部值班员");
    }

    #[test]
    fn peek_agrees_with_decode() {
        assert_eq!(peek(&encoded()).unwrap(), Peek { position: 42, recorded_at_ms: 1_000, event_tag: 102 });
    }

    #[test]
    fn every_cut_and_every_missing_field_is_an_error() {
        let bytes = encoded();
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let whole = decode(&bytes).unwrap();
        assert_eq!(decode(&Envelope { schema_version: 9, ..whole.clone() }.encode_to_vec()), Err(DecodeError::NewerSchema { found: 9 }));
        assert_eq!(decode(&Envelope { position: 0, ..whole.clone() }.encode_to_vec()), Err(DecodeError::Missing("position")));
        assert_eq!(decode(&Envelope { realm: String::new(), ..whole.clone() }.encode_to_vec()), Err(DecodeError::Missing("realm")));
        assert_eq!(decode(&Envelope { event: None, ..whole }.encode_to_vec()), Err(DecodeError::UnknownEvent));
    }
}
