//! A live picture of one area's coverage.
//!
//! ```text
//! cargo run --example coverage -- 'actual.4408.440802.>'
//! ```
//!
//! It needs `async-nats`, `futures`, `serde_json` and `tokio`, and nothing of Muster. The marker, key `_.at`, comes every two seconds: it
//! says up to where the bucket is in step and whether it is complete. Without it for six seconds the picture is stale, and is
//! read anew.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

use async_nats::jetstream::{self, kv};
use futures::StreamExt as _;
use serde_json::Value;
use tokio::time::timeout;

const MARKER: &str = "_.at";
const STALE: Duration = Duration::from_secs(6);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), async_nats::Error> {
    let keys = env::args().nth(1).unwrap_or_else(|| "actual.>".to_owned());
    let url = env::var("NATS_URL").unwrap_or_else(|_| "nats://127.0.0.1:4222".to_owned());
    let jetstream = jetstream::new(async_nats::connect(url).await?);
    loop {
        follow(&jetstream.get_key_value("muster_coverage").await?, &keys).await?;
        println!("stale: the publisher is silent");
    }
}

/// Shows the area for as long as the publisher is heard.
async fn follow(bucket: &kv::Store, keys: &str) -> Result<(), async_nats::Error> {
    let mut entries = bucket.watch_many_with_history([keys, MARKER]).await?;
    let mut picture = BTreeMap::new();
    let mut whole = false;
    while let Ok(Some(entry)) = timeout(STALE, entries.next()).await {
        let entry = entry?;
        let value: Option<Value> = match entry.operation {
            kv::Operation::Put => Some(serde_json::from_slice(&entry.value)?),
            kv::Operation::Delete | kv::Operation::Purge => None,
        };
        match value {
            marker if entry.key == MARKER => {
                let complete = marker.is_some_and(|marker| marker["complete"] == true) && (whole || entry.delta == 0);
                if complete && !whole {
                    println!("snapshot: {} areas", picture.len());
                    picture.values().for_each(show);
                }
                whole = complete;
            }
            Some(row) => {
                if whole {
                    show(&row);
                }
                picture.insert(entry.key, row);
            }
            None => {
                if whole {
                    println!("gone: {}", entry.key);
                }
                picture.remove(&entry.key);
            }
        }
    }
    Ok(())
}

/// Numbers are decimal strings, and what is zero is left out.
fn show(row: &Value) {
    let text = |name: &str| row[name].as_str().unwrap_or_default();
    let gap = row["gap"].as_str().unwrap_or("0");
    println!("{} {}: gap {gap}, as of {}", text("area_id"), text("name"), text("at"));
}
