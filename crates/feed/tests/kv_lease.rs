//! Who may write to a view's bucket: one at a time, nobody whose rows are older than what is there, and nobody of another log.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use async_nats::jetstream::kv::Config;
use muster_feed::kv::{LEASES, bucket_name};
use muster_feed::{Kv, KvFence, KvState};
use muster_log::{Epoch, Log, LogId, MemoryLog, Position, Unit};
use muster_views::{LogSource, Origin, View};
use support::town::*;
use support::{LOG, Nats, Proxy, new_log, within};

fn as_log(log: &Arc<MemoryLog>) -> Arc<dyn Log> {
    Arc::clone(log) as Arc<dyn Log>
}

/// The first `count` records of a log, as the same log.
fn earlier(log: &MemoryLog, count: u64) -> Arc<MemoryLog> {
    let copy = new_log(log.id());
    continue_to(&copy, log, count);
    copy
}

fn continue_to(copy: &MemoryLog, log: &MemoryLog, end: u64) {
    let first = copy.appended().next();
    let records: Vec<_> = (first.0..=end).map(|position| log.read_one(Position(position)).unwrap().bytes).collect();
    copy.append(Unit::records_only(first, records), Box::new(|_| {})).unwrap();
}

async fn race(nats: Nats) {
    let (log, dirs) = (town_log(), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let views = dirs.each_ref().map(|dir| start_views(&log, dir.path()));
    let mut both = views.each_ref().map(|views| Some(Kv::spawn(views, &short_lease(nats.url(), "one of two"))));
    for part in changes(23, 60).chunks(5) {
        append(&log, part);
    }
    // Of each view one publishes, whichever it is, and the other stands by.
    for view in VIEWS {
        let [one, other] = both.each_ref().map(|kv| kv.as_ref().unwrap().status(view).unwrap());
        let at = views[0].wait_for(log.watermark()).await.unwrap();
        let settled = async {
            let (mut one, mut other) = (one.clone(), other.clone());
            loop {
                let (a, b) = (one.borrow_and_update().clone(), other.borrow_and_update().clone());
                if (a.is_live_at(at) && is_standby(&b)) || (b.is_live_at(at) && is_standby(&a)) {
                    break;
                }
                tokio::select! {
                    _ = one.changed() => {}
                    _ = other.changed() => {}
                }
            }
        };
        within("one publishes, one stands by", settled).await;
        assert_equal(&views[0], &nats, view).await;
    }
    // Whoever ends lets the leases go; the other one goes on.
    both[0].take().unwrap().shutdown().await;
    append(&log, &changes(29, 20));
    in_step(both[1].as_ref().unwrap(), &views[1], &log, &nats).await;
    both[1].take().unwrap().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_publishers_one_writes_and_the_other_takes_over() {
    race(Nats::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_publishers_one_writes_on_the_oldest_server_too() {
    race(Nats::start_oldest()).await;
}

/// The first one is cut off without a word; its lease runs out, and what it comes back with is newer than nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_runs_out_and_the_former_holder_stands_by() {
    let nats = Nats::start();
    let proxy = Proxy::before(nats.port()).await;
    let (log, dirs) = (town_log(), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let views = dirs.each_ref().map(|dir| start_views(&log, dir.path()));
    let first = Kv::spawn(&views[0], &short_lease(proxy.url(), "first"));
    in_step(&first, &views[0], &log, &nats).await;
    let second = Kv::spawn(&views[1], &short_lease(nats.url(), "second"));
    kv_where(&second, View::Coverage, "standby", is_standby).await;
    proxy.close();
    kv_where(&first, View::Coverage, "unreachable", |status| matches!(status.state, KvState::Unreachable { .. })).await;
    append(&log, &changes(31, 30));
    in_step(&second, &views[1], &log, &nats).await;
    proxy.open();
    for view in VIEWS {
        kv_where(&first, view, "standby", is_standby).await;
    }
    append(&log, &changes(37, 10));
    in_step(&second, &views[1], &log, &nats).await;
    first.shutdown().await;
    second.shutdown().await;
}

/// The lease is taken away under the holder's hands: it stops, and takes it again when it is free.
#[tokio::test(flavor = "multi_thread")]
async fn who_loses_the_lease_stops_at_once() {
    let nats = Nats::start();
    let (log, dir) = (town_log(), tempfile::tempdir().unwrap());
    let views = start_views(&log, dir.path());
    let kv = Kv::spawn(&views, &short_lease(nats.url(), "a"));
    in_step(&kv, &views, &log, &nats).await;
    let leases = nats.jetstream().await.get_key_value(LEASES).await.unwrap();
    leases.put("coverage", "{\"name\":\"another\",\"instance\":\"x\"}".into()).await.unwrap();
    kv_where(&kv, View::Coverage, "standby", is_standby).await;
    append(&log, &changes(41, 10));
    in_step(&kv, &views, &log, &nats).await;
    kv.shutdown().await;
}

/// A worker that is behind holds back until its rows are as far as the bucket.
#[tokio::test(flavor = "multi_thread")]
async fn older_rows_never_replace_newer_ones() {
    let nats = Nats::start();
    let (log, dirs) = (town_log(), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let before = log.watermark().0;
    append(&log, &changes(43, 40));
    let views = start_views(&log, dirs[0].path());
    let kv = Kv::spawn(&views, &short_lease(nats.url(), "a"));
    in_step(&kv, &views, &log, &nats).await;
    kv.shutdown().await;

    let copy = earlier(&log, before);
    let behind = start_views(&copy, dirs[1].path());
    let kv = Kv::spawn(&behind, &short_lease(nats.url(), "behind"));
    for view in VIEWS {
        let at = views.at();
        kv_where(&kv, view, "behind", |status| status.state == KvState::Behind { bucket: at }).await;
        assert_equal(&views, &nats, view).await;
    }
    continue_to(&copy, &log, log.watermark().0);
    append(&copy, &changes(47, 5));
    in_step(&kv, &behind, &copy, &nats).await;
    kv.shutdown().await;
}

/// After a restore the positions begin earlier, in a later epoch: every row is put anew, and the former epoch stays away.
#[tokio::test(flavor = "multi_thread")]
async fn a_later_epoch_replaces_everything_and_an_earlier_one_nothing() {
    let nats = Nats::start();
    let (log, dirs) = (town_log(), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let before = log.watermark().0;
    append(&log, &changes(53, 40));
    let former = start_views(&log, dirs[0].path());
    let kv = Kv::spawn(&former, &short_lease(nats.url(), "a"));
    in_step(&kv, &former, &log, &nats).await;
    kv.shutdown().await;

    let restored = earlier(&log, before);
    let origin = Origin { log: LOG, epoch: Epoch(log.epoch().0 + 1) };
    let source = Elsewhere { inner: LogSource::new(as_log(&restored)), origin };
    let views = start_views_with(source, dirs[1].path(), quick());
    let kv = Kv::spawn(&views, &short_lease(nats.url(), "b"));
    in_step(&kv, &views, &restored, &nats).await;
    for value in contents(&nats, View::Coverage).await.1.values() {
        assert!(value["at"].as_str().unwrap().starts_with(&format!("{}.", origin.epoch)), "{value}");
    }
    kv.shutdown().await;

    let kv = Kv::spawn(&former, &short_lease(nats.url(), "a again"));
    kv_where(&kv, View::Coverage, "behind", |status| matches!(status.state, KvState::Behind { .. })).await;
    assert_equal(&views, &nats, View::Coverage).await;
    kv.shutdown().await;
}

/// A bucket that is not provably this log's is left as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_another_log_is_never_written_to() {
    let nats = Nats::start();
    let jetstream = nats.jetstream().await;
    let foreign = Config { bucket: bucket_name(View::Whistles), ..Config::default() };
    jetstream.create_key_value(foreign).await.unwrap().put("mine", "1".into()).await.unwrap();
    let other = new_log(LogId([9; 16]));
    append(&other, &town());
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (log, views) = (town_log(), start_views(&other, dirs[0].path()));
    let kv = Kv::spawn(&views, &short_lease(nats.url(), "other"));
    kv_where(&kv, View::Coverage, "live", |status| status.state == KvState::Live).await;
    let fenced = |status: &muster_feed::KvStatus| matches!(&status.state, KvState::Fenced { reason: KvFence::NotOurs { .. } });
    kv_where(&kv, View::Whistles, "fenced", fenced).await;
    kv.shutdown().await;

    let own = start_views(&log, dirs[1].path());
    let kv = Kv::spawn(&own, &short_lease(nats.url(), "own"));
    for view in VIEWS {
        let status = kv_where(&kv, view, "fenced", |status| matches!(status.state, KvState::Fenced { .. })).await;
        assert_eq!((status.puts, status.deletes), (0, 0));
    }
    assert_equal(&views, &nats, View::Coverage).await;
    let store = jetstream.get_key_value(bucket_name(View::Whistles)).await.unwrap();
    assert_eq!(store.get("mine").await.unwrap().unwrap(), "1");
    kv.shutdown().await;
}
