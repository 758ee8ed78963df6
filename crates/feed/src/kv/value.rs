//! What stands under a key: a row's JSON with `at`, and the marker's. Owns how both are written and told apart from what
//! somebody else put there. It must never add to a row what HTTP would not show.

use std::time::{SystemTime, UNIX_EPOCH};

use async_nats::HeaderMap;
use async_nats::header::HeaderValue;
use bytes::Bytes;
use muster_log::{EpochPosition, LogId};
use muster_views::Row;
use serde::{Deserialize, Serialize};

/// The header with the place as of which a message is so: a deleted key has no value that could tell.
pub const AT_HEADER: &str = "Muster-At";

/// What tells a delete marker.
pub(super) const OPERATION_HEADER: &str = "KV-Operation";
pub(super) const DELETED: &str = "DEL";

/// Of a row's JSON without `at`.
pub(super) type Digest = [u8; 16];

/// A row's JSON without `at`, and its digest.
pub(super) struct Content {
    json: Vec<u8>,
    pub(super) digest: Digest,
}

impl Content {
    pub(super) fn of(row: &Row) -> Self {
        let json = serde_json::to_vec(row).expect("a row has only string keys and finite numbers");
        let digest = digest(&json);
        Self { json, digest }
    }

    /// With the place put in front: `{"at":"1.7","realm":"actual",…}`.
    pub(super) fn at(&self, at: EpochPosition) -> Bytes {
        let mut value = format!("{{\"at\":\"{at}\",").into_bytes();
        // Never without members: every row has a realm.
        value.extend_from_slice(&self.json[1..]);
        value.into()
    }
}

/// The digest of a value as [`Content::at`] writes it; none for anything else.
pub(super) fn digest_of(value: &[u8]) -> Option<Digest> {
    let rest = value.strip_prefix(b"{\"at\":\"")?;
    let end = rest.windows(2).position(|pair| pair == b"\",")?;
    let mut json = vec![b'{'];
    json.extend_from_slice(&rest[end + 2..]);
    Some(digest(&json))
}

fn digest(json: &[u8]) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(&blake3::hash(json).as_bytes()[..16]);
    digest
}

pub(super) fn headers(at: EpochPosition, deleted: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AT_HEADER, at.to_string());
    if deleted {
        headers.insert(OPERATION_HEADER, DELETED);
    }
    headers
}

/// The place that a message names; none if no publisher wrote it.
pub(super) fn at_of(headers: Option<&HeaderMap>) -> Option<EpochPosition> {
    headers?.get(AT_HEADER).map(HeaderValue::as_str)?.parse().ok()
}

/// Whether a message marks its key as deleted or purged.
pub(super) fn is_deleted(headers: Option<&HeaderMap>) -> bool {
    headers.is_some_and(|headers| headers.get(OPERATION_HEADER).is_some())
}

/// What the key [`super::MARKER`] says of its bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Up to where the bucket is in step: `epoch.position`.
    pub at: String,
    /// The epoch alone.
    pub epoch: u32,
    /// The position alone, a decimal string as every 64-bit number.
    pub position: String,
    /// When this was written, Unix milliseconds of the publisher's clock, a decimal string.
    pub time_ms: String,
    /// Whether the bucket holds every row as of `at`, and no other. False while it is being filled or corrected.
    pub complete: bool,
    /// How many rows the bucket holds, a decimal string.
    pub rows: String,
    /// The log that the rows are of, as 32 hexadecimal digits.
    pub log: String,
}

impl Marker {
    pub(super) fn new(log: LogId, at: EpochPosition, complete: bool, rows: u64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            at: at.to_string(),
            epoch: at.epoch.0,
            position: at.position.to_string(),
            time_ms: now.as_millis().to_string(),
            complete,
            rows: rows.to_string(),
            log: log.to_string(),
        }
    }

    pub(super) fn bytes(&self) -> Bytes {
        serde_json::to_vec(self).expect("texts and numbers are JSON").into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use muster_proto::v1;
    use muster_views::row_json;

    use super::*;

    fn row(name: &str) -> Row {
        Row::Unit(v1::UnitRow { realm: "actual".into(), unit_id: "u-1".into(), name: name.into(), position: 1 << 60, ..Default::default() })
    }

    #[test]
    fn a_value_is_the_row_of_http_and_its_place() {
        let value = Content::of(&row("一组\",\"x")).at("3.99".parse().unwrap());
        let mut json: serde_json::Value = serde_json::from_slice(&value).unwrap();
        assert_eq!(json.as_object_mut().unwrap().remove("at").unwrap(), "3.99");
        assert_eq!(json, row_json(&row("一组\",\"x")));
    }

    #[test]
    fn a_value_is_known_again_whatever_its_place_and_nothing_else_is() {
        let content = Content::of(&row("\",\"at\":\"1.1\","));
        for at in ["1.1", "4294967295.18446744073709551615"] {
            assert_eq!(digest_of(&content.at(at.parse().unwrap())), Some(content.digest));
        }
        assert_ne!(digest_of(&Content::of(&row("b")).at("1.1".parse().unwrap())), Some(content.digest));
        for other in ["", "{}", "{\"at\":", "{\"realm\":\"actual\"}", "[1]", "x"] {
            assert_eq!(digest_of(other.as_bytes()), None, "{other}");
        }
    }
}
