//! The views' buckets against a real nats-server: start and changes, restarts, a server that is killed or wiped, buckets that are
//! deleted, purged, cut and written to by others. Each ends with every bucket equal to its view's rows.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use async_nats::jetstream::kv::{Operation, Store};
use futures::StreamExt as _;
use muster_feed::Kv;
use muster_feed::kv::{MARKER, bucket_name};
use muster_log::MemoryLog;
use muster_proto::v1::AreaLevel;
use muster_views::{LogSource, RunnerOptions, View, ViewsHandle};
use support::town::*;
use support::{Nats, Proxy, within};
use tempfile::TempDir;

/// A log, its views, and a server.
struct Town {
    nats: Nats,
    log: Arc<MemoryLog>,
    dir: TempDir,
    views: ViewsHandle,
}

impl Town {
    fn new(nats: Nats) -> Self {
        let (log, dir) = (town_log(), tempfile::tempdir().unwrap());
        let views = start_views(&log, dir.path());
        Self { nats, log, dir, views }
    }

    async fn in_step(&self, kv: &muster_feed::KvHandle) {
        in_step(kv, &self.views, &self.log, &self.nats).await;
    }

    async fn bucket(&self, view: View) -> Store {
        self.nats.jetstream().await.get_key_value(bucket_name(view)).await.unwrap()
    }
}

async fn normal_flow(nats: Nats) {
    let town = Town::new(nats);
    let kv = Kv::spawn(&town.views, &kv_options(town.nats.url(), "a"));
    town.in_step(&kv).await;
    let (_, rows) = contents(&town.nats, View::Coverage).await;
    let row = &rows["actual.440800.440802.440802001._._.440802001"];
    assert_eq!((row["area_id"].as_str(), row["level"].as_str()), (Some("440802001"), Some("AREA_LEVEL_TOWNSHIP")));
    assert!(contents(&town.nats, View::Whistles).await.1.contains_key("actual.440800.440802.440802001._._.w=2F440802001"));
    for part in changes(7, 120).chunks(7) {
        append(&town.log, part);
        town.in_step(&kv).await;
    }
    let status = kv.status(View::Coverage).unwrap().borrow().clone();
    assert_eq!((status.compared, status.lag_positions, status.lag_ms), (1, 0, 0), "{status:?}");
    kv.shutdown().await;

    let stream = town.nats.jetstream().await.get_stream("KV_muster_coverage").await.unwrap();
    let config = &stream.cached_info().config;
    assert_eq!((config.max_messages_per_subject, config.max_age.as_secs()), (1, 0));
    assert_eq!((config.metadata["owner"].as_str(), config.metadata["view"].as_str()), ("muster", "coverage"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bucket_is_its_view_and_stays_so() {
    normal_flow(Nats::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_oldest_supported_server_too() {
    normal_flow(Nats::start_oldest()).await;
}

/// A watcher sees the row under its new key before the old one goes.
#[tokio::test(flavor = "multi_thread")]
async fn an_area_that_moves_takes_its_rows_to_new_keys() {
    let town = Town::new(Nats::start());
    let kv = Kv::spawn(&town.views, &kv_options(town.nats.url(), "a"));
    town.in_step(&kv).await;
    let mut seen = town.bucket(View::Whistles).await.watch("actual.>").await.unwrap();
    append(&town.log, &[reparented("440802001", "440803", "440802")]);
    let mut order = Vec::new();
    for _ in 0..2 {
        let entry = within("a change", seen.next()).await.unwrap().unwrap();
        order.push((entry.key, entry.operation));
    }
    let new = ("actual.440800.440803.440802001._._.w=2F440802001".to_owned(), Operation::Put);
    let old = ("actual.440800.440802.440802001._._.w=2F440802001".to_owned(), Operation::Delete);
    assert_eq!(order, [new, old]);
    town.in_step(&kv).await;
    // And back again: the key that was deleted has a row once more.
    append(&town.log, &[reparented("440802001", "440802", "440803")]);
    town.in_step(&kv).await;
    kv.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_is_started_again_puts_only_what_differs() {
    let Town { nats, log, dir, views } = Town::new(Nats::start());
    let kv = Kv::spawn(&views, &kv_options(nats.url(), "a"));
    in_step(&kv, &views, &log, &nats).await;
    kv.shutdown().await;
    views.shutdown().await.unwrap();
    append(&log, &[defined("440802001", "440802", AreaLevel::Township, "改名"), reparented("440803002", "440802", "440803")]);
    let views = start_views(&log, dir.path());
    let kv = Kv::spawn(&views, &kv_options(nats.url(), "b"));
    in_step(&kv, &views, &log, &nats).await;
    let status = kv.status(View::Responders).unwrap().borrow().clone();
    assert_eq!((status.puts, status.deletes), (1, 1), "one person lives where the area moved: {status:?}");
    kv.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_or_wiped_has_every_row_again() {
    let mut town = Town::new(Nats::start());
    let kv = Kv::spawn(&town.views, &kv_options(town.nats.url(), "a"));
    town.in_step(&kv).await;
    for (round, part) in changes(11, 60).chunks(15).enumerate() {
        let before = kv.status(View::Coverage).unwrap().borrow().clone();
        town.nats.kill();
        append(&town.log, part);
        if round % 2 == 0 {
            town.nats.start_again()
        } else {
            town.nats.wipe()
        }
        mended(&kv, &town.views, &town.nats, View::Coverage, &before).await;
        town.in_step(&kv).await;
    }
    kv.shutdown().await;
}

/// What an operator, or somebody by mistake, does to a bucket while nothing else changes.
async fn harmed(nats: Nats) {
    let town = Town::new(nats);
    let kv = Kv::spawn(&town.views, &kv_options(town.nats.url(), "a"));
    town.in_step(&kv).await;
    let key = "actual.440800.440802.440802001._._.440802001";
    for harm in 0..8 {
        let before = kv.status(View::Coverage).unwrap().borrow().clone();
        let (store, jetstream) = (town.bucket(View::Coverage).await, town.nats.jetstream().await);
        let stream = jetstream.get_stream("KV_muster_coverage").await.unwrap();
        match harm {
            0 => store.delete(key).await.unwrap(),
            1 => store.purge(key).await.unwrap(),
            2 => drop(store.put(key, "{\"gap\":\"0\"}".into()).await.unwrap()),
            3 => drop(store.put("a.row.of.nobody", "x".into()).await.unwrap()),
            4 => store.delete(MARKER).await.unwrap(),
            5 => drop(stream.purge().filter("$KV.muster_coverage.actual.440800.440802.>").await.unwrap()),
            6 => drop(stream.purge().await.unwrap()),
            _ => drop(jetstream.delete_key_value("muster_coverage").await.unwrap()),
        }
        mended(&kv, &town.views, &town.nats, View::Coverage, &before).await;
    }
    // Only that bucket was looked at again.
    assert_eq!(kv.status(View::Whistles).unwrap().borrow().compared, 1);
    kv.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_was_harmed_is_made_good() {
    harmed(Nats::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_was_harmed_is_made_good_on_the_oldest_server() {
    harmed(Nats::start_oldest()).await;
}

/// Limits that an operator set, under which rows would vanish by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn limits_that_lose_rows_are_taken_off() {
    let town = Town::new(Nats::start());
    let kv = Kv::spawn(&town.views, &kv_options(town.nats.url(), "a"));
    town.in_step(&kv).await;
    let before = kv.status(View::Coverage).unwrap().borrow().clone();
    let jetstream = town.nats.jetstream().await;
    let stream = jetstream.get_stream("KV_muster_coverage").await.unwrap();
    let mut config = stream.cached_info().config.clone();
    config.max_messages = 3;
    config.discard = async_nats::jetstream::stream::DiscardPolicy::Old;
    jetstream.update_stream(&config).await.unwrap();
    mended(&kv, &town.views, &town.nats, View::Coverage, &before).await;
    let stream = jetstream.get_stream("KV_muster_coverage").await.unwrap();
    assert!(stream.cached_info().config.max_messages <= 0);
    kv.shutdown().await;
}

/// The views keep one change for those who are slower: the publisher's line is cut all the time, and the rows come anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_is_too_slow_starts_from_all_rows_and_misses_nothing() {
    let nats = Nats::start();
    let (log, dir) = (town_log(), tempfile::tempdir().unwrap());
    let options = RunnerOptions { ring_changes_max: 1, ..quick() };
    let views = start_views_with(LogSource::new(Arc::clone(&log) as Arc<dyn muster_log::Log>), dir.path(), options);
    let kv = Kv::spawn(&views, &kv_options(nats.url(), "a"));
    in_step(&kv, &views, &log, &nats).await;
    for event in changes(13, 400) {
        append(&log, &[event]);
    }
    in_step(&kv, &views, &log, &nats).await;
    kv.shutdown().await;
}

/// Connections end in the middle of messages while rows change.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_lose_no_row() {
    let town = Town::new(Nats::start());
    let proxy = Proxy::before(town.nats.port()).await;
    let kv = Kv::spawn(&town.views, &kv_options(proxy.url(), "a"));
    town.in_step(&kv).await;
    for (round, event) in changes(17, 120).into_iter().enumerate() {
        append(&town.log, &[event]);
        if round % 10 == 0 {
            proxy.cut();
        }
    }
    town.in_step(&kv).await;
    kv.shutdown().await;
}

/// A watcher can tell a publisher that has nothing to say from one that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn the_marker_goes_on_while_nothing_changes() {
    let town = Town::new(Nats::start());
    let kv = Kv::spawn(&town.views, &kv_options(town.nats.url(), "a"));
    town.in_step(&kv).await;
    let mut markers = town.bucket(View::Coverage).await.watch(MARKER).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..3 {
        let entry = within("a heartbeat", markers.next()).await.unwrap().unwrap();
        let marker: muster_feed::kv::Marker = serde_json::from_slice(&entry.value).unwrap();
        assert!(marker.complete && marker.at == town.views.at().to_string(), "{marker:?}");
        times.push(marker.time_ms.parse::<u64>().unwrap());
    }
    assert!(times.is_sorted() && times[0] < times[2], "{times:?}");
    kv.shutdown().await;
}
