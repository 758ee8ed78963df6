//! How a protobuf message is kept within a fold's saved state: as its own bytes.

use prost::Message;
use serde::{Deserialize as _, Deserializer, Serializer};

pub(crate) fn serialize<M: Message, S: Serializer>(message: &M, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(&message.encode_to_vec())
}

pub(crate) fn deserialize<'de, M: Message + Default, D: Deserializer<'de>>(deserializer: D) -> Result<M, D::Error> {
    let bytes = <&[u8]>::deserialize(deserializer)?;
    M::decode(bytes).map_err(serde::de::Error::custom)
}
