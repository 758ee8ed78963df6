//! The stream as an event source: the same checks as for the log's own tail, and what only happens over a network.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use muster_feed::{JetStreamSource, Relay, STREAM, SourceOptions, SourceState};
use muster_log::{Log, LogId, MemoryLog, Position};
use muster_views::{EventSource, LogSource, Origin, SourceError};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use support::{LOG, Nats, Proxy, Records, log_of, new_log, options, status_where, whole, within};

fn as_log(log: &Arc<MemoryLog>) -> Arc<dyn Log> {
    Arc::clone(log) as Arc<dyn Log>
}

async fn open(url: String, name: &str) -> JetStreamSource {
    within("a source", JetStreamSource::open(SourceOptions::new(url, name))).await
}

/// Takes records up to `end` and holds each against the log.
async fn take_to<S: EventSource>(source: &mut S, log: &MemoryLog, from: Position, end: Position) {
    let mut next = from;
    while next <= end {
        let batch = within("a batch", source.next_batch()).await.unwrap();
        assert!(!batch.is_empty());
        for record in batch {
            assert_eq!(record.position, next);
            assert_eq!(record.bytes, log.read_one(next).unwrap().bytes);
            next = next.next();
        }
    }
}

/// What every source must hold to.
async fn conforms<S: EventSource>(mut source: S, log: &Arc<MemoryLog>, records: &mut Records) {
    assert_eq!(source.origin(), Origin { log: log.id(), epoch: log.epoch() });
    let end = log.watermark();
    let mut known_end = source.end();

    // From the beginning, from the middle, back again, and from the last.
    for from in [1, end.0 / 2, 1, end.0] {
        source.seek(Position(from)).await.unwrap();
        take_to(&mut source, log, Position(from), end).await;
    }
    within("the end known", known_end.wait_for(|known| *known >= end)).await.unwrap();

    // What is not there yet comes as soon as it is; a future that is dropped while it waits loses nothing.
    source.seek(end.next()).await.unwrap();
    assert!(tokio::time::timeout(std::time::Duration::from_millis(1), source.next_batch()).await.is_err());
    records.append(log.as_ref(), 100);
    take_to(&mut source, log, end.next(), end.plus(100)).await;
    for _ in 0..50 {
        let before = log.watermark();
        records.append(log.as_ref(), 20);
        take_to(&mut source, log, before.next(), before.plus(20)).await;
    }

    // From a position that is not there yet, nothing earlier comes.
    let before = log.watermark();
    source.seek(before.plus(6)).await.unwrap();
    records.append(log.as_ref(), 10);
    take_to(&mut source, log, before.plus(6), before.plus(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_logs_tail_conforms() {
    let (log, mut records) = log_of(LOG, 41, 5_000);
    conforms(LogSource::new(as_log(&log)), &log, &mut records).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jetstream_conforms() {
    let nats = Nats::start();
    let (log, mut records) = log_of(LOG, 42, 5_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    conforms(open(nats.url(), "conformance").await, &log, &mut records).await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jetstream_conforms_on_the_oldest_supported_server() {
    let nats = Nats::start_oldest();
    let (log, mut records) = log_of(LOG, 43, 5_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    conforms(open(nats.url(), "conformance").await, &log, &mut records).await;
    relay.shutdown().await;
}

/// Server killed, storage wiped, stream removed, all while records come in: the source gives each once, in order.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_out_or_repeated_whatever_becomes_of_the_server() {
    let mut nats = Nats::start();
    let (log, mut records) = log_of(LOG, 44, 2_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    let mut source = open(nats.url(), "survivor").await;
    let mut next = Position::FIRST;
    for round in 0..9 {
        let end = log.watermark();
        take_to(&mut source, &log, next, end).await;
        next = end.next();
        match round % 3 {
            0 => {
                nats.kill();
                records.append(log.as_ref(), 1_000);
                nats.start_again();
            }
            1 => nats.wipe(),
            _ => {
                nats.jetstream().await.delete_stream(STREAM).await.unwrap();
            }
        }
        records.append(log.as_ref(), 1_000);
    }
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_while_reading_leave_no_gap_and_no_consumer_behind() {
    let nats = Nats::start();
    let proxy = Proxy::before(nats.port()).await;
    let (log, _) = log_of(LOG, 45, 20_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    let mut source = open(proxy.url(), "cut-off").await;
    whole(&relay, &log, &nats.url()).await;
    let mut random = ChaCha8Rng::seed_from_u64(45);
    let mut next = Position::FIRST;
    while next <= log.watermark() {
        let batch = within("a batch", source.next_batch()).await.unwrap();
        assert_eq!(batch[0].position, next);
        next = batch.last().unwrap().position.next();
        if random.random_bool(0.5) {
            proxy.cut();
        }
    }
    let stream = nats.jetstream().await.get_stream(STREAM).await.unwrap();
    assert!(stream.cached_info().state.consumer_count <= 1, "{:?}", stream.cached_info().state);
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_be_started_before_everything_else() {
    let mut nats = Nats::start();
    nats.kill();
    let opening = tokio::spawn(JetStreamSource::open(SourceOptions::new(nats.url(), "early")));
    nats.start_again();
    let log = new_log(LOG);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    let mut source = within("a source", opening).await.unwrap();
    assert_eq!(*source.state().borrow(), SourceState::Idle);
    source.seek(Position::FIRST).await.unwrap();
    Records::new(46).append(log.as_ref(), 100);
    take_to(&mut source, &log, Position::FIRST, Position(100)).await;
    assert_eq!(*source.state().borrow(), SourceState::Reading);
    relay.shutdown().await;
}

/// The stream becomes another log's: what was folded so far is worth nothing, and the reader is told before it gets the
/// first record of the new log.
#[tokio::test(flavor = "multi_thread")]
async fn another_logs_stream_is_told_before_its_records_come() {
    let nats = Nats::start();
    let (log, mut records) = log_of(LOG, 47, 1_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    let mut source = open(nats.url(), "moved").await;
    source.seek(Position::FIRST).await.unwrap();
    take_to(&mut source, &log, Position::FIRST, Position(1_000)).await;
    relay.shutdown().await;

    nats.jetstream().await.delete_stream(STREAM).await.unwrap();
    let other = LogId([0x77; 16]);
    let (new, _) = log_of(other, 48, 1_500);
    let relay = Relay::spawn(as_log(&new), options(nats.url()));
    assert_eq!(within("the change told", source.next_batch()).await, Err(SourceError::OriginChanged));
    assert_eq!(source.origin(), Origin { log: other, epoch: new.epoch() });
    source.seek(Position::FIRST).await.unwrap();
    take_to(&mut source, &new, Position::FIRST, Position(1_500)).await;
    records.append(log.as_ref(), 1);
    relay.shutdown().await;
}

/// A stream that begins behind the next position has nothing for this reader: it waits until the stream is whole again.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_its_head_is_waited_for() {
    let nats = Nats::start();
    let (log, _) = log_of(LOG, 49, 1_000);
    let late = muster_feed::RelayOptions { first: Position(501), ..options(nats.url()) };
    let relay = Relay::spawn(as_log(&log), late);
    status_where(&relay, "relayed", |status| status.relayed == Position(1_000)).await;
    relay.shutdown().await;
    let mut source = open(nats.url(), "patient").await;
    source.seek(Position(100)).await.unwrap();
    let mut state = source.state();
    let reading = tokio::spawn(async move {
        take_to(&mut source, &log, Position(100), Position(1_000)).await;
        log
    });
    let waiting = |state: &SourceState| matches!(state, SourceState::Waiting { reason } if reason.contains("begins at 501"));
    within("it waits", state.wait_for(waiting)).await.unwrap();
    let (same, _) = log_of(LOG, 49, 1_000);
    let relay = Relay::spawn(as_log(&same), options(nats.url()));
    let read = within("all read", reading).await.unwrap();
    whole(&relay, &read, &nats.url()).await;
    relay.shutdown().await;
}
