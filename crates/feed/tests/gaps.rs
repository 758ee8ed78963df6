//! A stream that does not hold what comes next: the source reads it from the log, and goes on with the stream. Nothing is left out, and nothing of
//! another log or epoch gets in.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use muster_feed::{
    JetStreamSource, Relay, RelayOptions, RemoteLog, STREAM, SourceOptions, SourceState, StreamOwner, Stretch, stream_config,
};
use muster_log::{Epoch, Log, MemoryLog, Position};
use muster_views::{EventSource, Origin, SourceError};
use parking_lot::Mutex;
use support::{LOG, Nats, Proxy, log_of, options, status_where, whole, within};
use tokio::sync::watch;

/// Records in one answer: a gap takes several.
const RECORDS_AT_ONCE: usize = 64;

/// A server with a log, which may be away, or come back with another epoch.
struct Remote {
    log: Mutex<Option<Arc<MemoryLog>>>,
    epoch: AtomicU64,
    reads: watch::Sender<u64>,
}

impl Remote {
    fn new(log: Option<&Arc<MemoryLog>>) -> Arc<Self> {
        Arc::new(Self { log: Mutex::new(log.cloned()), epoch: AtomicU64::new(1), reads: watch::Sender::new(0) })
    }

    fn comes_back(&self, log: &Arc<MemoryLog>) {
        *self.log.lock() = Some(Arc::clone(log));
    }

    fn stretch(&self, from: Position, to: Position) -> Result<Stretch, String> {
        self.reads.send_modify(|reads| *reads += 1);
        let log = self.log.lock().clone().ok_or("the server is away")?;
        let (end, epoch) = (log.watermark(), u32::try_from(self.epoch.load(Ordering::SeqCst)).unwrap());
        let mut records = if from > end { Vec::new() } else { log.read(from, usize::MAX, RECORDS_AT_ONCE).unwrap() };
        records.retain(|record| record.position <= to);
        Ok(Stretch { origin: Origin { log: log.id(), epoch: Epoch(epoch) }, end, records })
    }
}

impl RemoteLog for Remote {
    fn read(&self, from: Position, to: Position) -> BoxFuture<'_, Result<Stretch, String>> {
        std::future::ready(self.stretch(from, to)).boxed()
    }
}

fn as_log(log: &Arc<MemoryLog>) -> Arc<dyn Log> {
    Arc::clone(log) as Arc<dyn Log>
}

async fn open(url: String, name: &str, remote: &Arc<Remote>) -> JetStreamSource {
    let source = within("a source", JetStreamSource::open(SourceOptions::new(url, name))).await;
    source.fill_gaps_from(Arc::clone(remote) as Arc<dyn RemoteLog>)
}

/// Takes the records from `from` to `end` and holds each against the log.
async fn take_to(source: &mut JetStreamSource, log: &MemoryLog, from: Position, end: Position) {
    let mut next = from;
    while next <= end {
        let batch = within("a batch", source.next_batch()).await.unwrap();
        for record in batch {
            assert_eq!(record.position, next);
            assert_eq!(record.bytes, log.read_one(next).unwrap().bytes);
            next = next.next();
        }
    }
    assert_eq!(next, end.next());
}

async fn waits_because(state: &mut watch::Receiver<SourceState>, what: &str) {
    let waited = state.wait_for(|state| state.reason().is_some_and(|reason| reason.contains(what)));
    within(what, waited).await.unwrap();
}

/// The stream is cut at its head: the records before come from the log, those after from the stream.
async fn cut_at_the_head(nats: Nats, seed: u64) {
    let (log, mut records) = log_of(LOG, seed, 1_000);
    let relay = Relay::spawn(as_log(&log), RelayOptions { first: Position(501), ..options(nats.url()) });
    status_where(&relay, "relayed", |status| status.relayed == Position(1_000)).await;
    let remote = Remote::new(Some(&log));
    let mut source = open(nats.url(), "filled", &remote).await;
    for from in [1, 100, 500, 501] {
        source.seek(Position(from)).await.unwrap();
        take_to(&mut source, &log, Position(from), Position(1_000)).await;
        assert_eq!(*source.state().borrow(), SourceState::Reading);
    }
    let asked = *remote.reads.borrow();
    records.append(log.as_ref(), 500);
    take_to(&mut source, &log, Position(1_001), Position(1_500)).await;
    assert_eq!(*remote.reads.borrow(), asked, "what the stream holds comes from the stream");
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_cut_at_its_head_is_filled_from_the_log() {
    cut_at_the_head(Nats::start(), 61).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_with_the_oldest_supported_server() {
    cut_at_the_head(Nats::start_oldest(), 62).await;
}

/// NATS is wiped while the server is away: nobody has the records, and the worker waits for either. The server comes back and fills the stream
/// again from its beginning; meanwhile the log has what comes next.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_wiped_is_not_waited_for_until_it_is_filled_again() {
    let mut nats = Nats::start();
    let (log, mut records) = log_of(LOG, 63, 1_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    let remote = Remote::new(None);
    let mut source = open(nats.url(), "wiped", &remote).await;
    take_to(&mut source, &log, Position::FIRST, Position(1_000)).await;
    relay.shutdown().await;
    nats.wipe();

    let mut state = source.state();
    let reading = tokio::spawn(async move {
        let batch = source.next_batch().await.unwrap();
        (source, batch)
    });
    waits_because(&mut state, "there is no stream").await;
    // As far as a relay has come that fills it again.
    let (beginning, _) = log_of(LOG, 63, 200);
    let relay = Relay::spawn(as_log(&beginning), options(nats.url()));
    whole(&relay, &beginning, &nats.url()).await;
    relay.shutdown().await;
    waits_because(&mut state, "the server is away").await;
    records.append(log.as_ref(), 300);
    remote.comes_back(&log);
    let (mut source, batch) = within("records of the log", reading).await.unwrap();
    assert_eq!(batch[0].position, Position(1_001));
    take_to(&mut source, &log, batch.last().unwrap().position.next(), Position(1_300)).await;
    assert_eq!(*source.state().borrow(), SourceState::Filling);

    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    records.append(log.as_ref(), 200);
    take_to(&mut source, &log, Position(1_301), Position(1_500)).await;
    relay.shutdown().await;
}

/// The server's log goes into another epoch while a gap is being filled: none of its records gets in before the stream says so too, and then all of
/// them from the first on.
#[tokio::test(flavor = "multi_thread")]
async fn another_epoch_in_the_middle_of_a_gap_is_told_before_its_records_come() {
    let nats = Nats::start();
    let (log, _) = log_of(LOG, 64, 1_000);
    let relay = Relay::spawn(as_log(&log), RelayOptions { first: Position(801), ..options(nats.url()) });
    status_where(&relay, "relayed", |status| status.relayed == Position(1_000)).await;
    relay.shutdown().await;
    let remote = Remote::new(Some(&log));
    let mut source = open(nats.url(), "restored", &remote).await;
    let mut state = source.state();
    let mut next = Position::FIRST;
    while next < Position(200) {
        next = within("a batch", source.next_batch()).await.unwrap().last().unwrap().position.next();
    }
    // Restored from a backup: other records at the same positions.
    let (restored, _) = log_of(LOG, 65, 900);
    remote.epoch.store(2, Ordering::SeqCst);
    remote.comes_back(&restored);
    let reading = tokio::spawn(async move {
        let told = source.next_batch().await;
        (source, told)
    });
    waits_because(&mut state, "in epoch 2").await;
    assert!(!reading.is_finished(), "nothing of the new epoch is handed on as the old one's");

    let context = nats.jetstream().await;
    context.delete_stream(STREAM).await.unwrap();
    let owner = StreamOwner { log: LOG, epoch: Epoch(2) };
    context.create_stream(stream_config(STREAM, owner, Position(901), 1)).await.unwrap();
    let (mut source, told) = within("the change told", reading).await.unwrap();
    assert_eq!(told, Err(SourceError::OriginChanged));
    assert_eq!(source.origin(), Origin { log: LOG, epoch: Epoch(2) });
    source.seek(Position::FIRST).await.unwrap();
    take_to(&mut source, &restored, Position::FIRST, Position(900)).await;
}

/// Fifty connections cut by force, each after records came in: the server has one consumer, and it is the worker's.
async fn one_consumer(nats: Nats, seed: u64) {
    let proxy = Proxy::before(nats.port()).await;
    let (log, mut records) = log_of(LOG, seed, 100);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    let mut source = open(proxy.url(), "steadfast", &Remote::new(Some(&log))).await;
    take_to(&mut source, &log, Position::FIRST, Position(100)).await;
    let stream = nats.jetstream().await.get_stream(STREAM).await.unwrap();
    for _ in 0..50 {
        proxy.cut();
        let before = log.watermark();
        records.append(log.as_ref(), 10);
        take_to(&mut source, &log, before.next(), before.plus(10)).await;
        let names: Vec<String> = futures::TryStreamExt::try_collect(stream.consumer_names()).await.unwrap();
        assert_eq!(names, ["steadfast"]);
    }
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_forced_reconnects_leave_one_consumer() {
    one_consumer(Nats::start(), 66).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_they_do_on_the_oldest_supported_server() {
    one_consumer(Nats::start_oldest(), 67).await;
}
