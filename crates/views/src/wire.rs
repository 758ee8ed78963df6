//! Reads the fields of a protobuf message where they lie, without copying: for the few kinds of events that make up nearly all of a log.

use bytes::Buf as _;
use muster_proto::DecodeError;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};

/// A field's value.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(crate) fn text(self) -> Result<&'a str, DecodeError> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|error| DecodeError::Malformed(error.to_string())),
            Self::Number(_) => Err(DecodeError::Malformed("a number where a text belongs".to_owned())),
        }
    }

    pub(crate) fn number(self) -> Result<i64, DecodeError> {
        match self {
            Self::Number(number) => Ok(number.cast_signed()),
            Self::Bytes(_) => Err(DecodeError::Malformed("bytes where a number belongs".to_owned())),
        }
    }

    pub(crate) fn message<M: Message + Default>(self) -> Result<M, DecodeError> {
        match self {
            Self::Bytes(bytes) => M::decode(bytes).map_err(malformed),
            Self::Number(_) => Err(DecodeError::Malformed("a number where a message belongs".to_owned())),
        }
    }
}

/// The fields of a message in the order they stand.
pub(crate) struct Fields<'a> {
    pub(crate) rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, DecodeError> {
        while self.rest.has_remaining() {
            let (tag, wire) = decode_key(&mut self.rest).map_err(malformed)?;
            match wire {
                WireType::Varint => {
                    let number = decode_varint(&mut self.rest).map_err(malformed)?;
                    return Ok(Some((tag, Value::Number(number))));
                }
                WireType::LengthDelimited => {
                    let length = decode_varint(&mut self.rest).map_err(malformed)?;
                    return Ok(Some((tag, Value::Bytes(self.take(length)?))));
                }
                // No field has these; a later version's may be skipped.
                WireType::SixtyFourBit => drop(self.take(8)?),
                WireType::ThirtyTwoBit => drop(self.take(4)?),
                WireType::StartGroup | WireType::EndGroup => return Err(DecodeError::Malformed("a group".to_owned())),
            }
        }
        Ok(None)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let taken = self.rest.get(..length).ok_or_else(|| DecodeError::Malformed("a field is longer than the record".to_owned()))?;
        self.rest.advance(length);
        Ok(taken)
    }
}

pub(crate) fn malformed(error: prost::DecodeError) -> DecodeError {
    DecodeError::Malformed(error.to_string())
}
