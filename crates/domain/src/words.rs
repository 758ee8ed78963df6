//! Small conversions for the stored form of the state.

use serde::Serialize;

/// Stores a protobuf enumeration as its number.
pub(crate) mod number {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<T: Copy + Into<i32>, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i32((*value).into())
    }

    pub(crate) fn deserialize<'de, T: TryFrom<i32>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let number = i32::deserialize(deserializer)?;
        T::try_from(number).map_err(|_| serde::de::Error::custom("an enumeration's number that this version does not know"))
    }
}

/// The stored form of a value that is made of ordered collections only: equal values have equal bytes.
pub(crate) fn canonical_bytes(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("the state's types have a stored form, and memory takes it")
}
