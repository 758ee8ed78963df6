//! What readers' consumers are held to, on streams and buckets that are new and on such as were made without limits, with both servers: a
//! reader that is gone leaves nothing for ever, and the clients' own ways to read work as before.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, pull, push};
use async_nats::jetstream::stream::{Config, Stream};
use futures::StreamExt as _;
use muster_feed::kv::bucket_name;
use muster_feed::limits::{BUCKET_READER_INACTIVE, CONSUMERS_MAX, STREAM_READER_INACTIVE};
use muster_feed::{Kv, Relay, RelayHandle, STREAM, StreamOwner, stream_config};
use muster_log::{Log, MemoryLog, Position};
use muster_views::{View, ViewsHandle};
use support::town::{in_step, kv_options, start_views, town_log};
use support::{LOG, Nats, log_of, options, whole, within};

const BUCKET_STREAM: &str = "KV_muster_coverage";
const MONTH: Duration = Duration::from_secs(30 * 24 * 3_600);

fn relay(log: &Arc<MemoryLog>, nats: &Nats) -> RelayHandle {
    Relay::spawn(Arc::clone(log) as Arc<dyn Log>, options(nats.url()))
}

/// How long a reader may be away, and how many there may be.
async fn limits_of(nats: &Nats, stream: &str) -> (Duration, i32) {
    let stream = nats.jetstream().await.get_stream(stream).await.unwrap();
    let config = &stream.cached_info().config;
    assert_eq!(config.consumer_limits.as_ref().map_or(0, |limits| limits.max_ack_pending), 0);
    (config.consumer_limits.as_ref().map_or(Duration::ZERO, |limits| limits.inactive_threshold), config.max_consumers)
}

async fn bucket(nats: &Nats, log: &Arc<MemoryLog>, views: &ViewsHandle) {
    let kv = Kv::spawn(views, &kv_options(nats.url(), "a"));
    in_step(&kv, views, log, nats).await;
    kv.shutdown().await;
}

/// A durable consumer that says nothing, one that asks for too much, an ordered one, and a watch.
async fn readers_are_held_to(nats: &Nats, stream: Stream, inactive: Duration) {
    let durable = pull::Config { durable_name: Some("reader".into()), ack_policy: AckPolicy::Explicit, ..pull::Config::default() };
    let durable: Consumer<pull::Config> = stream.create_consumer(durable).await.unwrap();
    assert_eq!(durable.cached_info().config.inactive_threshold, inactive);
    let greedy = pull::Config { durable_name: Some("greedy".into()), inactive_threshold: MONTH, ..pull::Config::default() };
    assert!(stream.create_consumer(greedy).await.is_err());
    let client = async_nats::connect(nats.url()).await.unwrap();
    let ordered = push::OrderedConfig { deliver_subject: client.new_inbox(), ..push::OrderedConfig::default() };
    let ordered: Consumer<push::OrderedConfig> = stream.create_consumer(ordered).await.unwrap();
    within("a message of the ordered consumer", ordered.messages().await.unwrap().next()).await.unwrap().unwrap();
    stream.delete_consumer("reader").await.unwrap();
}

async fn new_ones_have_limits(nats: Nats) {
    let (log, _) = log_of(LOG, 7, 20);
    let running = relay(&log, &nats);
    whole(&running, &log, &nats.url()).await;
    running.shutdown().await;
    assert_eq!(limits_of(&nats, STREAM).await, (STREAM_READER_INACTIVE, CONSUMERS_MAX));
    let jetstream = nats.jetstream().await;
    readers_are_held_to(&nats, jetstream.get_stream(STREAM).await.unwrap(), STREAM_READER_INACTIVE).await;

    let (log, dir) = (town_log(), tempfile::tempdir().unwrap());
    let views = start_views(&log, dir.path());
    bucket(&nats, &log, &views).await;
    assert_eq!(limits_of(&nats, BUCKET_STREAM).await, (BUCKET_READER_INACTIVE, CONSUMERS_MAX));
    readers_are_held_to(&nats, jetstream.get_stream(BUCKET_STREAM).await.unwrap(), BUCKET_READER_INACTIVE).await;
    let store = jetstream.get_key_value(bucket_name(View::Coverage)).await.unwrap();
    let mut watch = store.watch_with_history(">").await.unwrap();
    within("a row", watch.next()).await.unwrap().unwrap();
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn new_streams_and_buckets_hold_their_readers_to_limits() {
    new_ones_have_limits(Nats::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_oldest_supported_server_too() {
    new_ones_have_limits(Nats::start_oldest()).await;
}

/// As releases before made them.
fn without_limits(config: Config) -> Config {
    Config { consumer_limits: None, max_consumers: -1, ..config }
}

/// The number stays as it was where the server lets nobody change it.
async fn old_ones_get_limits(nats: Nats, consumers: i32) {
    let (log, _) = log_of(LOG, 8, 20);
    let jetstream = nats.jetstream().await;
    let first = Position(5);
    jetstream.create_stream(without_limits(stream_config(STREAM, StreamOwner::of(log.as_ref()), first, 1))).await.unwrap();
    let stays = pull::Config { durable_name: Some("stays".into()), ack_policy: AckPolicy::None, ..pull::Config::default() };
    jetstream.create_consumer_on_stream(stays, STREAM).await.unwrap();
    let running = Relay::spawn(Arc::clone(&log) as Arc<dyn Log>, muster_feed::RelayOptions { first, ..options(nats.url()) });
    let status = support::status_where(&running, "relayed", |status| status.relayed >= log.watermark()).await;
    assert_eq!((status.remade, status.refused), (0, 0));
    running.shutdown().await;
    assert_eq!(limits_of(&nats, STREAM).await, (STREAM_READER_INACTIVE, consumers));
    let stream = jetstream.get_stream(STREAM).await.unwrap();
    stream.get_consumer::<pull::Config>("stays").await.unwrap();
    assert_eq!((stream.cached_info().state.first_sequence, stream.cached_info().state.messages), (5, 16));

    let (log, dir) = (town_log(), tempfile::tempdir().unwrap());
    let views = start_views(&log, dir.path());
    bucket(&nats, &log, &views).await;
    let made = jetstream.get_stream(BUCKET_STREAM).await.unwrap().cached_info().config.clone();
    jetstream.delete_stream(BUCKET_STREAM).await.unwrap();
    jetstream.create_stream(without_limits(made)).await.unwrap();
    bucket(&nats, &log, &views).await;
    assert_eq!(limits_of(&nats, BUCKET_STREAM).await, (BUCKET_READER_INACTIVE, consumers));
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_buckets_that_are_there_get_limits_when_they_are_used_again() {
    old_ones_get_limits(Nats::start(), CONSUMERS_MAX).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_supported_server_keeps_the_number_of_consumers() {
    old_ones_get_limits(Nats::start_oldest(), -1).await;
}

/// A reader that is there and asks for more than the limit is not thrown out, and holds up nobody; what an operator set stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_takes_no_limits_is_used_as_it_is() {
    let nats = Nats::start();
    let (log, _) = log_of(LOG, 9, 20);
    let jetstream = nats.jetstream().await;
    let config = without_limits(stream_config(STREAM, StreamOwner::of(log.as_ref()), Position::FIRST, 1));
    jetstream.create_stream(config).await.unwrap();
    let greedy = pull::Config { durable_name: Some("greedy".into()), inactive_threshold: MONTH, ..pull::Config::default() };
    jetstream.create_consumer_on_stream(greedy, STREAM).await.unwrap();
    let running = relay(&log, &nats);
    assert_eq!(whole(&running, &log, &nats.url()).await.remade, 0);
    running.shutdown().await;
    assert_eq!(limits_of(&nats, STREAM).await.0, Duration::ZERO);

    let chosen = stream_config(STREAM, StreamOwner::of(log.as_ref()), Position::FIRST, 1);
    let consumer_limits =
        chosen.consumer_limits.clone().map(|limits| async_nats::jetstream::stream::ConsumerLimits { inactive_threshold: MONTH, ..limits });
    jetstream.update_stream(Config { consumer_limits, max_consumers: 50, ..chosen }).await.unwrap();
    let running = relay(&log, &nats);
    whole(&running, &log, &nats.url()).await;
    running.shutdown().await;
    assert_eq!(limits_of(&nats, STREAM).await, (MONTH, 50));
}
