//! The views' buckets in NATS KV, held against the rows that a server shows.

use std::collections::BTreeMap;
use std::fmt::Display;

use anyhow::{Context, Result};
use async_nats::jetstream;
use futures::TryStreamExt as _;
use muster_feed::kv::{MARKER, Marker};
use muster_views::View;
use serde_json::Value;

use crate::limits::{PROBE_MAX, RELAY_MAX};
use crate::wait;

/// A bucket's rows by key, without `at`, and its marker.
///
/// # Errors
/// There is no such bucket, no marker in it, or a value that is no JSON.
pub async fn bucket_rows(nats_url: &str, view: impl Display) -> Result<(Marker, BTreeMap<String, Value>)> {
    let store = jetstream::new(async_nats::connect(nats_url).await?).get_key_value(format!("muster_{view}")).await?;
    let keys: Vec<String> = store.keys().await?.try_collect().await?;
    let mut rows = BTreeMap::new();
    // A list misses a key that is written meanwhile, as the marker is all the time.
    for key in keys.into_iter().filter(|key| key != MARKER) {
        if let Some(value) = store.get(&key).await? {
            let mut value: Value = serde_json::from_slice(&value).with_context(|| key.clone())?;
            value.as_object_mut().and_then(|row| row.remove("at")).with_context(|| format!("{key} has no place"))?;
            rows.insert(key, value);
        }
    }
    let marker = store.get(MARKER).await?.context("there is no marker")?;
    Ok((serde_json::from_slice(&marker)?, rows))
}

/// A view's rows in all realms, as HTTP shows them, and the place that they are of.
///
/// # Errors
/// The server does not answer.
pub async fn http_rows(url: &str, view: impl Display) -> Result<(String, Vec<Value>)> {
    http_rows_within(url, view, "").await
}

/// The same of one area; of all where it is empty.
///
/// # Errors
/// The server does not answer.
pub async fn http_rows_within(url: &str, view: impl Display, area: &str) -> Result<(String, Vec<Value>)> {
    let client = reqwest::Client::builder().timeout(PROBE_MAX).build()?;
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let asked = client.get(format!("{url}/v1/views/{view}")).query(&[("realm", "*"), ("area", area), ("cursor", &cursor)]);
        let mut page: Value = asked.send().await?.error_for_status()?.json().await?;
        rows.append(page["rows"].as_array_mut().context("a page has rows")?);
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok((page["at"].as_str().unwrap_or_default().to_owned(), rows)),
        }
    }
}

/// Waits until every bucket is complete as of what a server shows, and holds all rows against each other.
///
/// # Errors
/// It takes too long, or a bucket that says that it is complete is not.
pub async fn wait_until_published(url: &str, nats_url: &str) -> Result<()> {
    for view in View::ALL {
        let look = || async {
            // A server that is busy and a bucket that is being made are asked again.
            let (Ok((at, wanted)), Ok((marker, found))) = (http_rows(url, view).await, bucket_rows(nats_url, view).await) else {
                return Ok(None);
            };
            if !marker.complete || marker.at != at {
                return Ok(None);
            }
            let sorted = |mut rows: Vec<Value>| {
                rows.sort_by_cached_key(Value::to_string);
                rows
            };
            let (found, wanted) = (sorted(found.into_values().collect()), sorted(wanted));
            // Rows may be ahead of the marker; then it moves on, and both are asked again.
            Ok((found == wanted).then_some(()))
        };
        wait::until_async(&format!("the bucket of {view} is the view"), RELAY_MAX, look).await?;
    }
    Ok(())
}
