//! A bucket as it must be: made, mended where its limits would lose rows, kept away from where it is not this log's; and read
//! whole. It must never remove a bucket.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use futures::StreamExt as _;
use muster_log::{EpochPosition, LogId};
use muster_views::View;

use super::held::Held;
use super::key::{MARKER, bucket_name};
use super::publisher::End;
use super::value::{at_of, digest_of, is_deleted};
use super::{KvFence, LEASES};
use crate::limits;
use crate::reader::remove_consumer;
use crate::stream::{self, ApiError, META_CONTENT, META_LOG, META_OWNER, META_SCHEMA, OWNER, api_error, owner_log};

const META_VIEW: &str = "view";
const SCHEMA: &str = "1";
const CONTENT_TYPE: &str = "application/json";

/// A bucket could not be had.
pub(super) enum BucketError {
    Api(ApiError),
    Fenced(KvFence),
}

impl From<ApiError> for BucketError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

/// The stream behind a bucket.
pub(super) fn stream_name(bucket: &str) -> String {
    format!("KV_{bucket}")
}

/// The subject of a key.
pub(super) fn subject(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// The bucket of a view. It keeps one message a key: a row's history is in the log, a client that comes in gets each row once,
/// and the number of messages gives away whatever was removed. Nothing in it runs out by itself.
pub(super) fn rows_config(log: LogId, view: View, replicas: usize) -> Config {
    let bucket = bucket_name(view);
    let description = format!("Muster: the live view {view}, a row a key; {MARKER} says up to where");
    let mut config = config(log, &bucket, description, replicas);
    config.metadata.extend([(META_VIEW, view.name()), (META_CONTENT, CONTENT_TYPE)].map(|(key, value)| (key.to_owned(), value.to_owned())));
    config
}

/// The bucket of the leases, in which everything runs out.
pub(super) fn leases_config(log: LogId, lease: Duration, replicas: usize) -> Config {
    let description = "Muster: who publishes which live view".to_owned();
    Config { max_age: lease, ..config(log, LEASES, description, replicas) }
}

fn config(log: LogId, bucket: &str, description: String, replicas: usize) -> Config {
    let metadata = [(META_OWNER, OWNER.to_owned()), (META_LOG, log.to_string()), (META_SCHEMA, SCHEMA.to_owned())];
    Config {
        name: stream_name(bucket),
        description: Some(description),
        subjects: vec![subject(bucket, ">")],
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: replicas,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        max_consumers: limits::CONSUMERS_MAX,
        consumer_limits: Some(stream::reader_limits(limits::BUCKET_READER_INACTIVE)),
        metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
        ..Config::default()
    }
}

/// Sees to it that the bucket is there and as it must be, and where `bound`, that its readers are held to limits. Returns how long what is in it
/// lives.
pub(super) async fn ensure(jetstream: &Context, bucket: &str, log: LogId, wanted: Config, bound: bool) -> Result<Duration, BucketError> {
    let Some(found) = stream::info(jetstream, &wanted.name).await? else {
        let age = wanted.max_age;
        tracing::info!(bucket, "making the bucket");
        stream::create(jetstream, wanted).await?;
        return Ok(age);
    };
    let found = found.config;
    match owner_log(&found.metadata) {
        None => return Err(BucketError::Fenced(KvFence::NotOurs { bucket: bucket.to_owned() })),
        Some(found) if found != log => return Err(BucketError::Fenced(KvFence::OtherLog { bucket: bucket.to_owned(), found, own: log })),
        Some(_) => {}
    }
    let kept = match mended(&found, &wanted) {
        None => found,
        Some(mended) => {
            tracing::warn!(bucket, "the bucket's limits would lose rows and are set anew");
            jetstream.update_stream(&mended).await.map_err(|error| api_error("set the bucket's limits", &error))?;
            mended
        }
    };
    if bound {
        stream::bound_readers(jetstream, &kept, limits::BUCKET_READER_INACTIVE).await;
    }
    Ok(kept.max_age)
}

/// The configuration found, put right; none where it needs nothing. What an operator may choose stays as it is.
fn mended(found: &Config, wanted: &Config) -> Option<Config> {
    let unlimited = found.max_messages <= 0 && found.max_bytes <= 0 && found.max_message_size <= 0;
    let runs_out = found.max_age.is_zero() == wanted.max_age.is_zero();
    let one_a_key = found.max_messages_per_subject == 1 && found.subjects == wanted.subjects && found.discard == wanted.discard;
    if unlimited && runs_out && one_a_key && !found.sealed && found.retention == RetentionPolicy::Limits {
        return None;
    }
    Some(Config {
        max_messages: -1,
        max_bytes: -1,
        max_message_size: -1,
        max_messages_per_subject: 1,
        max_age: wanted.max_age,
        duplicate_window: Duration::ZERO,
        subjects: wanted.subjects.clone(),
        discard: wanted.discard,
        ..found.clone()
    })
}

/// Reads all of a bucket. Rows of another epoch than `own` count as different, whatever they hold.
pub(super) async fn read(jetstream: &Context, bucket: &str, own: EpochPosition) -> Result<Held, End> {
    let name = stream_name(bucket);
    let before = state(jetstream, &name).await?;
    let config = pull::Config {
        description: Some("Muster: comparing the bucket with the rows".to_owned()),
        deliver_policy: DeliverPolicy::LastPerSubject,
        filter_subject: subject(bucket, ">"),
        ack_policy: AckPolicy::None,
        inactive_threshold: limits::CONSUMER_INACTIVE,
        memory_storage: true,
        num_replicas: 1,
        ..pull::Config::default()
    };
    let made = jetstream.create_consumer_on_stream(config, name.as_str()).await;
    let consumer: Consumer<pull::Config> = made.map_err(|error| api_error("make a consumer of the bucket", &error))?;
    let held = read_with(&consumer, bucket, own).await;
    // Left behind it goes by itself.
    let _ = remove_consumer(jetstream, &name, &consumer.cached_info().name).await;
    let mut held = held?;
    if state(jetstream, &name).await? != before || before.1 != held.messages() {
        return Err(End::Changed("the bucket changed while it was read".to_owned()));
    }
    // Beyond the last message where that was removed.
    held.last = before.0;
    Ok(held)
}

/// The last sequence and the number of messages of the stream behind a bucket.
pub(super) async fn state(jetstream: &Context, name: &str) -> Result<(u64, u64), End> {
    let info = stream::info(jetstream, name).await?.ok_or_else(|| End::Changed("the bucket is gone".to_owned()))?;
    Ok((info.state.last_sequence, info.state.messages))
}

async fn read_with(consumer: &Consumer<pull::Config>, bucket: &str, own: EpochPosition) -> Result<Held, ApiError> {
    let failed = |error: &dyn std::error::Error| api_error("hand on the bucket", error);
    let said = |detail: &str| ApiError { what: "hand on the bucket", detail: detail.to_owned() };
    let mut held = Held::default();
    if consumer.cached_info().num_pending == 0 {
        return Ok(held);
    }
    let messages = consumer.stream().max_messages_per_batch(limits::PULL_MESSAGES).max_bytes_per_batch(limits::PULL_BYTES);
    let messages = messages.expires(limits::PULL_EXPIRES).heartbeat(limits::PULL_HEARTBEAT).messages().await;
    let mut messages = messages.map_err(|error| failed(&error))?;
    let key_at = subject(bucket, "").len();
    let mut expected = 1;
    loop {
        // What is purged meanwhile does not come, though it was counted.
        let next = tokio::time::timeout(limits::API_TIMEOUT, messages.next()).await.map_err(|_| said("nothing came in time"))?;
        let message = next.ok_or_else(|| said("the consumer has ended"))?.map_err(|error| failed(&error))?;
        let info = message.info().map_err(|error| said(&error.to_string()))?;
        if info.consumer_sequence != expected {
            return Err(said("messages were lost on the way"));
        }
        expected += 1;
        let headers = message.headers.as_ref();
        let at = at_of(headers).unwrap_or_default();
        held.at = held.at.max(at);
        let content = match (is_deleted(headers), at.epoch == own.epoch) {
            (true, _) => None,
            (false, true) => Some(digest_of(&message.payload).unwrap_or_default()),
            (false, false) => Some(super::value::Digest::default()),
        };
        let key = message.subject.as_str().get(key_at..).unwrap_or_default();
        held.note(key, info.stream_sequence, content);
        if info.pending == 0 {
            return Ok(held);
        }
    }
}
