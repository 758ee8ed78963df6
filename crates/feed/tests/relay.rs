//! The relay against a real nats-server: the normal flow, and a server that is killed, wiped, purged, cut back, frozen or
//! never there.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::context::CreateStreamErrorKind;
use async_nats::jetstream::stream::{Config, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use muster_feed::{Relay, RelayOptions, RelayState, STREAM, StreamOwner, stream_config, subject};
use muster_log::{Log, MemoryLog, Position};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use support::{LOG, Nats, Proxy, assert_whole, log_of, new_log, options, status_where, verify, whole, within};

fn as_log(log: &Arc<MemoryLog>) -> Arc<dyn Log> {
    Arc::clone(log) as Arc<dyn Log>
}

/// The stream as it should be, but without protection, as an administrator could have made it.
fn unprotected(log: &MemoryLog) -> Config {
    let config = stream_config(STREAM, StreamOwner::of(log), Position::FIRST, 1);
    Config { deny_delete: false, deny_purge: false, ..config }
}

async fn normal_flow(nats: &Nats) {
    let (log, mut records) = log_of(LOG, 1, 3_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    for _ in 0..20 {
        records.append(log.as_ref(), 100);
    }
    let status = whole(&relay, &log, &nats.url()).await;
    assert_eq!((status.published, status.remade, status.refused), (5_000, 0, 0));
    assert_eq!((status.lag_positions, status.lag_ms), (0, 0));
    relay.shutdown().await;

    let stream = nats.jetstream().await.get_stream(STREAM).await.unwrap();
    let config = &stream.cached_info().config;
    assert!(config.deny_delete && config.deny_purge);
    assert_eq!(StreamOwner::read(&config.metadata), Some(StreamOwner::of(log.as_ref())));
    let message = stream.get_raw_message(4_321).await.unwrap();
    let record = log.read_one(Position(4_321)).unwrap();
    assert_eq!(message.payload, record.bytes);
    assert_eq!(message.subject.as_str(), subject(&muster_proto::decode(&record.bytes).unwrap()).unwrap());
    assert_eq!(message.headers.get("ce-id").unwrap().as_str(), "1.4321");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_relayed_once_and_in_order() {
    normal_flow(&Nats::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_supported_server_does_too() {
    normal_flow(&Nats::start_oldest()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_started_again_goes_on_where_the_stream_ends() {
    let nats = Nats::start();
    let (log, mut records) = log_of(LOG, 2, 500);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    relay.shutdown().await;
    records.append(log.as_ref(), 500);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    let status = whole(&relay, &log, &nats.url()).await;
    assert_eq!((status.published, status.remade), (500, 0));
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_log_makes_an_empty_stream() {
    let nats = Nats::start();
    let log = new_log(LOG);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    status_where(&relay, "live", |status| status.state == RelayState::Live).await;
    let report = verify(&log, &nats.url()).await;
    assert!(report.is_whole() && report.messages == 0, "{report:?}");
    support::Records::new(3).append(log.as_ref(), 10);
    whole(&relay, &log, &nats.url()).await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relaying_can_begin_later_in_the_log() {
    let nats = Nats::start();
    let (log, _) = log_of(LOG, 4, 300);
    let relay = Relay::spawn(as_log(&log), RelayOptions { first: Position(201), ..options(nats.url()) });
    status_where(&relay, "relayed", |status| status.relayed == Position(300)).await;
    let report = verify(&log, &nats.url()).await;
    assert_eq!((report.first, report.last, report.equal, report.unequal), (Position(201), Position(300), 100, 0), "{report:?}");
    assert!(!report.is_whole());
    relay.shutdown().await;
}

/// Records come in all the time while the server is killed at random moments and started again.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_under_load_loses_and_doubles_nothing() {
    let mut nats = Nats::start();
    let (log, mut records) = log_of(LOG, 5, 5_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for round in 0..8 {
        records.append(log.as_ref(), 4_000);
        let somewhere = Position(log.watermark().0 - random.random_range(0..4_000));
        status_where(&relay, "somewhere in the middle", |status| status.relayed >= somewhere).await;
        nats.kill();
        records.append(log.as_ref(), 500);
        if round % 2 == 0 {
            status_where(&relay, "unreachable", |status| matches!(status.state, RelayState::Unreachable { .. })).await;
        }
        nats.start_again();
    }
    whole(&relay, &log, &nats.url()).await;
    relay.shutdown().await;
}

/// The client drops what it has not written when it loses its connection, and sends what it takes afterwards: only the
/// fence keeps that from becoming a hole.
#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_under_load_leave_no_hole() {
    let nats = Nats::start();
    let proxy = Proxy::before(nats.port()).await;
    let (log, mut records) = log_of(LOG, 6, 1_000);
    let relay = Relay::spawn(as_log(&log), options(proxy.url()));
    let mut random = ChaCha8Rng::seed_from_u64(6);
    for _ in 0..40 {
        records.append(log.as_ref(), 1_500);
        let somewhere = Position(log.watermark().0 - random.random_range(0..1_500));
        status_where(&relay, "somewhere in the middle", |status| status.relayed >= somewhere).await;
        proxy.cut();
    }
    let status = whole(&relay, &log, &nats.url()).await;
    assert_eq!(status.remade, 0);
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_storage_is_filled_again() {
    let mut nats = Nats::start();
    let (log, mut records) = log_of(LOG, 7, 3_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    nats.wipe();
    records.append(log.as_ref(), 100);
    whole(&relay, &log, &nats.url()).await;
    relay.shutdown().await;
}

/// Nothing is published while it happens: the relay finds out by looking.
#[tokio::test(flavor = "multi_thread")]
async fn a_removed_stream_is_made_again_while_nothing_happens() {
    let nats = Nats::start();
    let (log, _) = log_of(LOG, 8, 2_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    nats.jetstream().await.delete_stream(STREAM).await.unwrap();
    status_where(&relay, "published twice", |status| status.published == 4_000).await;
    whole(&relay, &log, &nats.url()).await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_stream_is_made_anew() {
    let nats = Nats::start();
    let (log, mut records) = log_of(LOG, 9, 2_000);
    let jetstream = nats.jetstream().await;
    let stream = jetstream.create_stream(unprotected(&log)).await.unwrap();
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    stream.purge().await.unwrap();
    records.append(log.as_ref(), 10);
    let status = status_where(&relay, "made anew", |status| status.remade > 0 && status.relayed == Position(2_010)).await;
    assert_eq!(status.remade, 1);
    whole(&relay, &log, &nats.url()).await;
    relay.shutdown().await;
    // What was made anew is protected.
    assert!(jetstream.get_stream(STREAM).await.unwrap().purge().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_while_the_relay_was_away_is_noticed() {
    let nats = Nats::start();
    let (log, _) = log_of(LOG, 10, 500);
    let config = Config { first_sequence: Some(501), ..stream_config(STREAM, StreamOwner::of(log.as_ref()), Position::FIRST, 1) };
    nats.jetstream().await.create_stream(config).await.unwrap();
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    let status = whole(&relay, &log, &nats.url()).await;
    assert_eq!(status.remade, 1);
    relay.shutdown().await;
}

/// nats-server answers that a stream is deleted before its folder is gone, and makes none of that name until then.
async fn create_again(jetstream: &Context, config: Config) -> Stream {
    let created = async {
        loop {
            match jetstream.create_stream(config.clone()).await {
                Ok(stream) => return stream,
                Err(error) => match error.kind() {
                    CreateStreamErrorKind::JetStream(reason) if reason.error_code() == ErrorCode::STREAM_CREATE => {
                        tokio::task::yield_now().await
                    }
                    _ => panic!("{error}"),
                },
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), created).await.expect("the folder goes")
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_messages_at_the_head_in_the_middle_and_at_the_end_make_it_anew() {
    let nats = Nats::start();
    let (log, _) = log_of(LOG, 11, 1_000);
    for lost in [1, 500, 1_000] {
        let jetstream = nats.jetstream().await;
        let _ = jetstream.delete_stream(STREAM).await;
        let stream = create_again(&jetstream, unprotected(&log)).await;
        let relay = Relay::spawn(as_log(&log), options(nats.url()));
        whole(&relay, &log, &nats.url()).await;
        stream.delete_message(lost).await.unwrap();
        status_where(&relay, "made anew", |status| status.remade == 1 && status.relayed == Position(1_000)).await;
        whole(&relay, &log, &nats.url()).await;
        relay.shutdown().await;
    }
}

/// A crash of the server can cost the stream its last messages; they are published again, behind what is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_cut_back_gets_its_tail_again() {
    let nats = Nats::start();
    let (log, mut records) = log_of(LOG, 12, 1_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    relay.shutdown().await;
    cut_back(&nats, &log, 400).await;
    records.append(log.as_ref(), 50);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    let status = whole(&relay, &log, &nats.url()).await;
    assert_eq!((status.published, status.remade), (650, 0));
    relay.shutdown().await;
}

/// The stream as it would be if it had lost everything behind `last`: the same messages, made anew up to there.
async fn cut_back(nats: &Nats, log: &MemoryLog, last: u64) {
    let jetstream = nats.jetstream().await;
    let stream = jetstream.get_stream(STREAM).await.unwrap();
    let mut messages = Vec::new();
    for sequence in 1..=last {
        messages.push(stream.get_raw_message(sequence).await.unwrap());
    }
    jetstream.delete_stream(STREAM).await.unwrap();
    jetstream.create_stream(stream_config(STREAM, StreamOwner::of(log), Position::FIRST, 1)).await.unwrap();
    for message in messages {
        jetstream.publish_with_headers(message.subject, message.headers, message.payload).await.unwrap().await.unwrap();
    }
}

/// A frozen server answers nothing and keeps its connections. Commits go on as if there were no server at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_holds_up_no_commit() {
    let nats = Nats::start();
    let (log, mut records) = log_of(LOG, 13, 1_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    nats.freeze();
    let started = Instant::now();
    for _ in 0..100 {
        records.append(log.as_ref(), 1_000);
    }
    let appending = started.elapsed();
    let status = status_where(&relay, "unreachable", |status| matches!(status.state, RelayState::Unreachable { .. })).await;
    assert!(status.lag_positions > 90_000, "{status:?}");
    status_where(&relay, "a lag in time", |status| status.lag_ms > 100).await;
    nats.thaw();
    whole(&relay, &log, &nats.url()).await;
    // Each of the hundred appends waits until it is durable; had one waited for the server, it would have waited for
    // the acknowledgement's time limit at least.
    assert!(appending < Duration::from_secs(30), "{appending:?}");
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_or_has_no_jetstream_is_told_and_waited_for() {
    let mut nats = Nats::start();
    nats.kill();
    let (log, _) = log_of(LOG, 14, 100);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    let status = status_where(&relay, "unreachable", |status| matches!(status.state, RelayState::Unreachable { .. })).await;
    assert!(status.state.reason().unwrap().contains("no connection"), "{status:?}");
    assert_eq!(status.lag_positions, 100);
    nats.start_again();
    whole(&relay, &log, &nats.url()).await;
    relay.shutdown().await;

    let without = Nats::start_without_jetstream();
    let relay = Relay::spawn(as_log(&log), options(without.url()));
    let status = status_where(&relay, "unreachable", |status| matches!(status.state, RelayState::Unreachable { .. })).await;
    assert!(status.state.reason().unwrap().contains("JetStream"), "{status:?}");
    within("shut down while it waits", relay.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_stops_ends_the_relay_with_everything_relayed() {
    let nats = Nats::start();
    let (log, _) = log_of(LOG, 15, 2_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    log.close();
    let status = status_where(&relay, "stopped", |status| matches!(status.state, RelayState::Stopped { .. })).await;
    assert_eq!(status.relayed, Position(2_000), "{status:?}");
    assert_whole(&log, &nats.url()).await;
    relay.shutdown().await;
}
