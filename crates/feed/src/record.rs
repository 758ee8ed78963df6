//! What the feed needs to know of a record, read without decoding it: where it stands, when, and what it is about.
//! It must never change a record, and it borrows everything from it.

use muster_proto::{DecodeError, ENVELOPE_NAMES};

/// The levels of an area path, city to grid.
pub(crate) const LEVELS: usize = 5;

/// The part of an envelope that subject and headers are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordHead<'a> {
    pub(crate) position: u64,
    pub(crate) occurred_at_ms: i64,
    pub(crate) realm: &'a str,
    /// City, county, township, village, grid; empty where a level is not reached or skipped.
    pub(crate) path: [&'a str; LEVELS],
    pub(crate) event_tag: u32,
}

impl<'a> RecordHead<'a> {
    /// Walks the fields of an envelope; fields of no concern are skipped, whatever their kind.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut head = Self::default();
        let mut fields = Fields { rest: bytes };
        while let Some((tag, field)) = fields.next()? {
            match (tag, field) {
                (3, Field::Varint(value)) => head.occurred_at_ms = value.cast_signed(),
                (16, Field::Varint(value)) => head.position = value,
                (18, Field::Bytes(value)) => head.realm = text(value)?,
                (19, Field::Bytes(value)) => head.path = read_path(value)?,
                (100.., Field::Bytes(_)) => head.event_tag = tag,
                _ => {}
            }
        }
        match head {
            Self { position: 0, .. } => Err(DecodeError::Missing("position")),
            Self { realm: "", .. } => Err(DecodeError::Missing("realm")),
            Self { event_tag: 0, .. } => Err(DecodeError::UnknownEvent),
            head => Ok(head),
        }
    }

    /// The event's message name and field name.
    pub(crate) fn event_names(&self) -> Result<(&'static str, &'static str), DecodeError> {
        names_of(self.event_tag).ok_or(DecodeError::UnknownEvent)
    }

    /// The innermost area of the path, empty for none.
    pub(crate) fn area(&self) -> &'a str {
        self.path.iter().rev().find(|id| !id.is_empty()).copied().unwrap_or_default()
    }
}

/// Message name and field name of an event's tag.
pub(crate) fn names_of(tag: u32) -> Option<(&'static str, &'static str)> {
    let index = ENVELOPE_NAMES.binary_search_by_key(&tag, |(tag, _, _)| *tag).ok()?;
    let (_, name, field) = ENVELOPE_NAMES[index];
    Some((name, field))
}

fn read_path(bytes: &[u8]) -> Result<[&str; LEVELS], DecodeError> {
    let mut path = [""; LEVELS];
    let mut fields = Fields { rest: bytes };
    while let Some((tag, field)) = fields.next()? {
        if let (1..=5, Field::Bytes(value)) = (tag, field) {
            path[tag as usize - 1] = text(value)?;
        }
    }
    Ok(path)
}

fn text(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|error| DecodeError::Malformed(error.to_string()))
}

enum Field<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// Walks the fields of one protobuf message.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let tag = u32::try_from(key >> 3).map_err(|_| malformed("a field number is out of range"))?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => self.take(8).map(|_| Field::Fixed)?,
            2 => {
                let length = self.varint()?;
                Field::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Field::Fixed)?,
            _ => return Err(malformed("a wire type that no field has")),
        };
        Ok(Some((tag, field)))
    }

    fn varint(&mut self) -> Result<u64, DecodeError> {
        prost::encoding::decode_varint(&mut self.rest).map_err(|error| DecodeError::Malformed(error.to_string()))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| malformed("a field is longer than the record"))?;
        self.rest = rest;
        Ok(taken)
    }
}

fn malformed(what: &str) -> DecodeError {
    DecodeError::Malformed(what.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use muster_proto::{CommonPart, EnvelopeEncoder, Event, RecordPart, decode, v1};

    use super::*;

    fn encoded() -> bytes::Bytes {
        let context = v1::Context { actor: "p-1".into(), occurred_at_ms: 900, ..Default::default() };
        let common = CommonPart {
            recorded_at_ms: 1_000,
            principal: "hq",
            command_id: "a-1",
            body_digest: &[7; 32],
            context: Some(&context),
            count: 2,
        };
        let event = Event::AreaRetired(v1::AreaRetired { area_id: "440802".into() });
        let path = v1::AreaPath { city: "4408".into(), township: "440802001".into(), ..Default::default() };
        EnvelopeEncoder::new(&common, 1).encode(&RecordPart {
            position: 300,
            index: 1,
            realm: "drill-1",
            area_path: &path,
            other_area_ids: &["440803".to_owned()],
            cause: 41,
            origin: v1::Origin::Policy,
            event: &event,
        })
    }

    #[test]
    fn the_head_is_what_decoding_gives() {
        let bytes = encoded();
        let head = RecordHead::read(&bytes).unwrap();
        let envelope = decode(&bytes).unwrap();
        assert_eq!((head.position, head.occurred_at_ms, head.realm), (envelope.position, envelope.occurred_at_ms, envelope.realm.as_str()));
        assert_eq!(head.path, ["4408", "", "440802001", "", ""]);
        assert_eq!(head.area(), "440802001");
        assert_eq!(head.event_tag, envelope.event.unwrap().tag());
        assert_eq!(head.event_names().unwrap(), ("AreaRetired", "area_retired"));
    }

    #[test]
    fn every_cut_is_an_error_or_misses_a_field() {
        let bytes = encoded();
        for cut in 0..bytes.len() {
            assert!(RecordHead::read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn every_event_has_a_name() {
        for (tag, name, field) in ENVELOPE_NAMES {
            assert_eq!(names_of(*tag), Some((*name, *field)));
        }
        assert_eq!(names_of(99), None);
    }
}
