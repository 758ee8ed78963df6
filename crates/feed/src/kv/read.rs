//! A whole bucket, read as any client reads it. It must never write.

use std::collections::BTreeMap;

use async_nats::jetstream::kv::Operation;
use bytes::Bytes;
use futures::StreamExt as _;
use muster_views::View;

use super::{MARKER, Marker, bucket_name};
use crate::limits;
use crate::link::{ConnectError, Link, LinkOptions};
use crate::stream::ApiError;

/// What a bucket holds.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Up to where it is, and whether it is complete.
    pub marker: Marker,
    /// The rows' values by key.
    pub rows: BTreeMap<String, Bytes>,
}

/// Why a bucket cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadBucketError {
    /// Unavailable: no server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Unavailable: no such bucket, or it does not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The bucket has no marker, or one that nobody here wrote.
    #[error("the bucket {bucket} says nowhere how far it is")]
    NoMarker {
        /// The name.
        bucket: String,
    },
}

/// Reads the bucket of a view on the server at `url`. What is written meanwhile may be in it or not.
///
/// # Errors
/// See [`ReadBucketError`].
pub async fn read_bucket(url: &str, view: View) -> Result<Bucket, ReadBucketError> {
    let options = LinkOptions { url: url.to_owned(), name: format!("muster-read-{}", std::process::id()), inbox_prefix: None };
    let link = Link::open(&options).await?;
    let bucket = bucket_name(view);
    let failed = |detail: String| ApiError { what: "read a bucket", detail };
    let store = link.jetstream.get_key_value(&bucket).await.map_err(|error| failed(error.to_string()))?;
    let mut entries = store.watch_with_history(">").await.map_err(|error| failed(error.to_string()))?;
    let mut rows = BTreeMap::new();
    loop {
        // A bucket without any key says nothing.
        let next = tokio::time::timeout(limits::API_TIMEOUT, entries.next()).await;
        let Some(entry) = next.map_err(|_| failed("it handed on nothing".to_owned()))? else { break };
        let entry = entry.map_err(|error| failed(error.to_string()))?;
        match entry.operation {
            Operation::Put => rows.insert(entry.key, entry.value),
            Operation::Delete | Operation::Purge => rows.remove(&entry.key),
        };
        if entry.delta == 0 {
            break;
        }
    }
    let marker = rows.remove(MARKER).and_then(|value| serde_json::from_slice(&value).ok());
    let marker = marker.ok_or(ReadBucketError::NoMarker { bucket })?;
    Ok(Bucket { marker, rows })
}
