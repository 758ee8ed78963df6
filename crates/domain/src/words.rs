//! Small conversions for the stored form of the state.

use muster_proto::calendar::date_of;
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

/// A moment for a person to read where nobody knows which clock they live by: `2026-11-28 06:30 UTC`.
pub(crate) fn utc(at_ms: i64) -> String {
    let minutes = at_ms.div_euclid(60_000);
    let (days, minute) = (minutes.div_euclid(1_440), minutes.rem_euclid(1_440));
    let (year, month, day) = date_of(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minute / 60, minute % 60)
}

/// The stored form of a value that is made of ordered collections only: equal values have equal bytes.
pub(crate) fn canonical_bytes(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("the state's types have a stored form, and memory takes it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_by_the_calendar() {
        let cases = [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400_000, "2000-02-29 00:00 UTC"),
            (1_700_000_000_000, "2023-11-14 22:13 UTC"),
            (1_709_251_199_999, "2024-02-29 23:59 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00 UTC"),
            (-1, "1969-12-31 23:59 UTC"),
        ];
        for (at_ms, words) in cases {
            assert_eq!(utc(at_ms), words);
        }
    }
}
