//! The views' buckets in NATS KV, as anybody reads them, against the views. It must never read what a publisher knows of its bucket.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_feed::kv::{Bucket, read_bucket, row_key};
use muster_log::EpochPosition;
use muster_views::{Filter, Page, View, ViewsHandle, row_json};
use serde_json::{Value, json};

use super::Nats;
use super::screen::Screen;
use super::subscribers::{differences, digest};
use super::summary::Summary;
use crate::wiring::RunningServer;

const NAME: &str = "buckets_equal_views";
/// How long the last changes may take to their buckets.
const PUBLISHED_MAX: Duration = Duration::from_secs(120);

/// Every view and its bucket.
pub(super) async fn compare(summary: &mut Summary, screen: &mut Screen, nats: &Nats, server: &RunningServer) {
    let (Nats::Url(url), Some(kv)) = (nats, &server.kv) else {
        return summary.failed(NAME, "there is no NATS");
    };
    screen.verifying("逐行比对视图与 NATS KV", "comparing the views with NATS KV, row by row");
    let end = server.log.end();
    if let Err(error) = server.views.wait_for(end.position).await {
        return summary.failed(NAME, &error.to_string());
    }
    // A publisher that does not come so far shows in the marker.
    drop(tokio::time::timeout(PUBLISHED_MAX, kv.published(end)).await);
    let (mut ok, mut figures) = (true, serde_json::Map::new());
    for view in View::ALL {
        let compared = match read_bucket(url, view).await {
            Ok(bucket) => bucket_of(bucket, view, &server.views, end),
            Err(error) => Err(error.to_string()),
        };
        ok &= compared.is_ok();
        figures.insert(view.name().to_owned(), compared.map_or_else(|reason| json!({"reason": reason}), |rows| json!({"rows": rows})));
    }
    summary.add(NAME, ok, Value::Object(figures));
}

/// The rows of a bucket that is the view, or why it is not.
fn bucket_of(bucket: Bucket, view: View, views: &ViewsHandle, end: EpochPosition) -> Result<usize, String> {
    let marker = &bucket.marker;
    if !marker.complete || marker.at != end.to_string() {
        return Err(format!(
            "the bucket is {} as of {}, the log ends at {end}",
            if marker.complete { "complete" } else { "not complete" },
            marker.at
        ));
    }
    let mut found = BTreeMap::new();
    for (key, value) in bucket.rows {
        let mut row: Value = serde_json::from_slice(&value).map_err(|error| format!("{key}: {error}"))?;
        // The place that it was written with is the bucket's own.
        row.as_object_mut().and_then(|row| row.remove("at")).ok_or_else(|| format!("{key} has no place"))?;
        found.insert(key, digest(&row));
    }
    let (mut wanted, mut page) = (BTreeMap::new(), Page::default());
    loop {
        let snapshot = views.snapshot(view, &Filter::default(), &page).map_err(|error| error.to_string())?;
        wanted.extend(snapshot.rows.iter().map(|placed| {
            let key = row_key(placed.row.realm(), &placed.path, &placed.row.id());
            (key, digest(&row_json(&placed.row)))
        }));
        page.after = snapshot.next;
        if page.after.is_none() {
            break;
        }
    }
    let differences = differences(&found, &wanted);
    if !differences.is_empty() {
        return Err(format!("{} rows, the view has {}; others are {}", found.len(), wanted.len(), differences.join(", ")));
    }
    Ok(found.len())
}
