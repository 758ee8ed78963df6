//! Two relays on one stream: the same log, a copy that went another way, a copy that ends earlier, another log. Whatever
//! they do, the stream is one log's, whole, and the other says why it keeps away.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use muster_feed::{FenceReason, Relay, RelayHandle, RelayOptions, RelayState, RelayStatus, STREAM, StreamOwner, stream_config};
use muster_log::{Epoch, Log, LogId, MemoryLog, Position};
use support::{LOG, Nats, Records, assert_whole, log_of, options, status_where, verify, whole, within};

fn as_log(log: &Arc<MemoryLog>) -> Arc<dyn Log> {
    Arc::clone(log) as Arc<dyn Log>
}

async fn fenced(relay: &RelayHandle) -> (FenceReason, RelayStatus) {
    let status = status_where(relay, "fenced", RelayStatus::is_fenced).await;
    match status.state {
        RelayState::Fenced { reason } => (reason, status),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_of_one_log_never_double_or_mix() {
    let nats = Nats::start();
    let (log, mut records) = log_of(LOG, 21, 3_000);
    let relays: Vec<_> = (0..2).map(|_| Relay::spawn(as_log(&log), options(nats.url()))).collect();
    for _ in 0..10 {
        records.append(log.as_ref(), 500);
    }
    for relay in &relays {
        whole(relay, &log, &nats.url()).await;
    }
    for relay in relays {
        relay.shutdown().await;
    }
    assert_whole(&log, &nats.url()).await;
}

/// A copy of the log, as a backup is, with the same records: a second server by mistake.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_with_the_same_records_does_no_harm() {
    let nats = Nats::start();
    let (log, mut records) = log_of(LOG, 22, 3_000);
    let (copy, mut same_records) = log_of(LOG, 22, 3_000);
    let first = Relay::spawn(as_log(&log), options(nats.url()));
    let second = Relay::spawn(as_log(&copy), options(nats.url()));
    whole(&first, &log, &nats.url()).await;
    whole(&second, &copy, &nats.url()).await;
    // Both logs get the same records before either relay can be ahead of the other's log.
    first.shutdown().await;
    second.shutdown().await;
    records.append(log.as_ref(), 2_000);
    same_records.append(copy.as_ref(), 2_000);
    let first = Relay::spawn(as_log(&log), options(nats.url()));
    let second = Relay::spawn(as_log(&copy), options(nats.url()));
    whole(&first, &log, &nats.url()).await;
    whole(&second, &copy, &nats.url()).await;
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_went_another_way_is_fenced() {
    let nats = Nats::start();
    let (log, mut records) = log_of(LOG, 23, 1_000);
    let (copy, _) = log_of(LOG, 23, 1_000);
    records.append(log.as_ref(), 500);
    Records::new(24).append(copy.as_ref(), 800);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    let other = Relay::spawn(as_log(&copy), options(nats.url()));
    let (reason, status) = fenced(&other).await;
    assert_eq!(reason, FenceReason::Different { position: Position(1_500) });
    assert_eq!(status.published, 0);
    // It stays fenced, also when its log grows, and ends when it is told to.
    Records::new(25).append(copy.as_ref(), 100);
    records.append(log.as_ref(), 700);
    whole(&relay, &log, &nats.url()).await;
    assert_eq!(fenced(&other).await.0, reason);
    within("a fenced relay shut down", other.shutdown()).await;
    relay.shutdown().await;
}

/// Both stand at the same record when their logs part: the race for the next place. Whoever gets it, the stream is that
/// log's and not one message of the other.
#[tokio::test(flavor = "multi_thread")]
async fn two_logs_that_part_under_load_never_interleave() {
    for seed in 0..6 {
        let nats = Nats::start();
        let logs = [log_of(LOG, 30, 200).0, log_of(LOG, 30, 200).0];
        let relays = logs.each_ref().map(|log| Relay::spawn(as_log(log), options(nats.url())));
        for relay in &relays {
            status_where(relay, "live", |status| status.state == RelayState::Live && status.relayed == Position(200)).await;
        }
        let appending: Vec<_> = logs
            .iter()
            .zip([100 + 2 * seed, 101 + 2 * seed])
            .map(|(log, seed)| {
                let log = Arc::clone(log);
                std::thread::spawn(move || Records::new(seed).append(log.as_ref(), 3_000))
            })
            .collect();
        for thread in appending {
            thread.join().unwrap();
        }
        let end = Position(3_200);
        let told = [relays[0].relayed(end), relays[1].relayed(end)];
        let [first, second] = within("both at an end", async {
            let [first, second] = told;
            let (first, second) = tokio::join!(first, second);
            [first, second]
        })
        .await;
        assert!(first.is_fenced() != second.is_fenced(), "seed {seed}: {first:?} {second:?}");
        let (winner, loser) = if first.is_fenced() { (1, 0) } else { (0, 1) };
        assert_whole(&logs[winner], &nats.url()).await;
        let report = verify(&logs[loser], &nats.url()).await;
        assert_eq!((report.equal, report.unequal), (200, 3_000), "seed {seed}: {report:?}");
        for relay in relays {
            relay.shutdown().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_ends_earlier_is_fenced() {
    let nats = Nats::start();
    let (log, _) = log_of(LOG, 26, 1_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    let (copy, _) = log_of(LOG, 26, 900);
    let other = Relay::spawn(as_log(&copy), options(nats.url()));
    let (reason, _) = fenced(&other).await;
    assert_eq!(reason, FenceReason::BeyondLog { stream: Position(1_000), log: Position(900) });
    assert_whole(&log, &nats.url()).await;
    other.shutdown().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_log_is_fenced_at_once() {
    let nats = Nats::start();
    let (log, mut records) = log_of(LOG, 27, 1_000);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    let own = LogId([0x77; 16]);
    let (foreign, _) = log_of(own, 28, 5_000);
    let other = Relay::spawn(as_log(&foreign), options(nats.url()));
    let (reason, status) = fenced(&other).await;
    assert_eq!(reason, FenceReason::OtherLog { found: LOG, own });
    assert!(status.state.reason().unwrap().contains("belongs to log 5a5a"), "{status:?}");
    assert_eq!(status.published, 0);
    records.append(log.as_ref(), 100);
    whole(&relay, &log, &nats.url()).await;
    other.shutdown().await;
    relay.shutdown().await;
}

/// The stream is damaged, but not provably ours: it is left as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_somebody_else_is_left_alone() {
    let nats = Nats::start();
    let jetstream = nats.jetstream().await;
    let mut config = stream_config(STREAM, StreamOwner { log: LOG, epoch: Epoch::FIRST }, Position::FIRST, 1);
    config.metadata.clear();
    jetstream.create_stream(config).await.unwrap();
    jetstream.publish("muster.evt.by.hand", "hello".into()).await.unwrap().await.unwrap();
    let (log, _) = log_of(LOG, 29, 100);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    assert_eq!(fenced(&relay).await.0, FenceReason::NotOurs);
    let stream = jetstream.get_stream(STREAM).await.unwrap();
    assert_eq!(stream.cached_info().state.messages, 1);
    assert_eq!(stream.get_raw_message(1).await.unwrap().payload, "hello");
    relay.shutdown().await;
}

/// Somebody publishes on our subjects: the next record is refused, and the stream's end is not ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_from_somebody_else_fences_the_relay() {
    let nats = Nats::start();
    let (log, mut records) = log_of(LOG, 31, 100);
    let relay = Relay::spawn(as_log(&log), options(nats.url()));
    whole(&relay, &log, &nats.url()).await;
    nats.jetstream().await.publish("muster.evt.by.hand", "hello".into()).await.unwrap().await.unwrap();
    records.append(log.as_ref(), 100);
    let (reason, _) = fenced(&relay).await;
    let expected =
        [FenceReason::Different { position: Position(101) }, FenceReason::BeyondLog { stream: Position(101), log: Position(100) }];
    assert!(expected.contains(&reason), "{reason:?}");
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_an_earlier_epoch_is_replaced_only_when_told_to() {
    let nats = Nats::start();
    let jetstream = nats.jetstream().await;
    let (log, _) = log_of(LOG, 32, 100);
    for (found, replace) in [(0, false), (2, true), (2, false)] {
        let _ = jetstream.delete_stream(STREAM).await;
        let owner = StreamOwner { log: LOG, epoch: Epoch(found) };
        jetstream.create_stream(stream_config(STREAM, owner, Position::FIRST, 1)).await.unwrap();
        let relay = Relay::spawn(as_log(&log), RelayOptions { replace_earlier_epoch: replace, ..options(nats.url()) });
        assert_eq!(fenced(&relay).await.0, FenceReason::OtherEpoch { found: Epoch(found), own: Epoch::FIRST });
        relay.shutdown().await;
    }
    let _ = jetstream.delete_stream(STREAM).await;
    let owner = StreamOwner { log: LOG, epoch: Epoch(0) };
    jetstream.create_stream(stream_config(STREAM, owner, Position::FIRST, 1)).await.unwrap();
    let relay = Relay::spawn(as_log(&log), RelayOptions { replace_earlier_epoch: true, ..options(nats.url()) });
    let status = whole(&relay, &log, &nats.url()).await;
    assert_eq!(status.remade, 1);
    relay.shutdown().await;
}
