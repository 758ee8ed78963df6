//! 64-bit numbers in JSON as Muster writes them, decimal strings, for `#[serde(with = "muster_views::decimal")]`: readers whose numbers are floating
//! point lose nothing.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

/// Writes the number as a string.
///
/// # Errors
/// The serializer's own.
pub fn serialize<N: Display, S: Serializer>(number: &N, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// Reads the number from a string.
///
/// # Errors
/// It is no string, or none that holds such a number.
pub fn deserialize<'de, N: FromStr<Err: Display>, D: Deserializer<'de>>(deserializer: D) -> Result<N, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}
