//! The JetStream stream: how it is made, whom it belongs to, and how things stand with it.
//!
//! Owns its configuration and the reading of its state. It decides nothing: see [`crate::relay`].

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{
    Config, ConsumerLimits, Info, LastRawMessageErrorKind, RawMessageErrorKind, RetentionPolicy, StorageType,
};
use async_nats::jetstream::{ErrorCode, message::StreamMessage};
use muster_log::{Epoch, Log, LogId, Position};

use crate::limits;

/// The stream's name where nothing else is configured.
pub const STREAM: &str = "MUSTER_EVENTS";

/// All subjects of the stream.
pub const STREAM_SUBJECTS: &str = "muster.evt.>";

/// The form of messages and headers, as the stream's metadata tells it.
pub const STREAM_SCHEMA: &str = "1";

/// The media type of every payload, as the stream's metadata tells it.
pub const CONTENT_TYPE: &str = "application/protobuf; proto=muster.v1.Envelope";

pub(crate) const OWNER: &str = "muster";
pub(crate) const META_OWNER: &str = "owner";
pub(crate) const META_LOG: &str = "log";
const META_EPOCH: &str = "epoch";
pub(crate) const META_SCHEMA: &str = "schema";
pub(crate) const META_CONTENT: &str = "content-type";

/// The log, and its epoch, that a stream is a copy of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOwner {
    /// The log.
    pub log: LogId,
    /// Its epoch.
    pub epoch: Epoch,
}

impl StreamOwner {
    /// The owner of the streams of a log.
    #[must_use]
    pub fn of(log: &dyn Log) -> Self {
        Self { log: log.id(), epoch: log.epoch() }
    }

    /// Reads a stream's metadata; none if it does not say that it is a stream of Muster.
    #[must_use]
    pub fn read<S: std::hash::BuildHasher>(metadata: &HashMap<String, String, S>) -> Option<Self> {
        let log = owner_log(metadata)?;
        let epoch = metadata.get(META_EPOCH)?.parse().ok().map(Epoch)?;
        Some(Self { log, epoch })
    }
}

/// The log that a stream or bucket is a copy of; none if it does not say that it is one of Muster.
pub(crate) fn owner_log<S: std::hash::BuildHasher>(metadata: &HashMap<String, String, S>) -> Option<LogId> {
    if metadata.get(META_OWNER)? != OWNER {
        return None;
    }
    log_id(metadata.get(META_LOG)?)
}

fn log_id(text: &str) -> Option<LogId> {
    let digits = text.as_bytes();
    if digits.len() != 32 || !digits.is_ascii() {
        return None;
    }
    let mut id = [0; 16];
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(LogId(id))
}

/// The stream's configuration: it begins at `first`, keeps everything, and nobody can remove a message from it.
#[must_use]
pub fn stream_config(name: &str, owner: StreamOwner, first: Position, replicas: usize) -> Config {
    let metadata = [
        (META_OWNER, OWNER.to_owned()),
        (META_LOG, owner.log.to_string()),
        (META_EPOCH, owner.epoch.to_string()),
        (META_SCHEMA, STREAM_SCHEMA.to_owned()),
        (META_CONTENT, CONTENT_TYPE.to_owned()),
    ];
    Config {
        name: name.to_owned(),
        description: Some("Muster: each event of the log, at its position".to_owned()),
        subjects: vec![STREAM_SUBJECTS.to_owned()],
        storage: StorageType::File,
        num_replicas: replicas,
        duplicate_window: limits::DUPLICATE_WINDOW,
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        first_sequence: Some(first.0),
        max_consumers: limits::CONSUMERS_MAX,
        consumer_limits: Some(reader_limits(limits::STREAM_READER_INACTIVE)),
        metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
        ..Config::default()
    }
}

/// What readers' consumers of a stream are held to. Without `max_ack_pending`: where a stream sets it, the server gives it to consumers that
/// acknowledge nothing as well, and then refuses them because of it: every watch of a bucket is one.
pub(crate) fn reader_limits(inactive: Duration) -> ConsumerLimits {
    ConsumerLimits { inactive_threshold: inactive, max_ack_pending: 0 }
}

/// Sets the bounds for readers' consumers where a stream was made without them; what an operator has set stays. A stream that cannot have them
/// is as good as before: it is said, and nothing else.
pub(crate) async fn bound_readers(jetstream: &Context, found: &Config, inactive: Duration) {
    let has_limits = found.consumer_limits.as_ref().is_some_and(|limits| !limits.inactive_threshold.is_zero());
    if has_limits && found.max_consumers > 0 {
        return;
    }
    let mut limited = found.clone();
    if !has_limits {
        limited.consumer_limits.get_or_insert_default().inactive_threshold = inactive;
    }
    let counted = Config { max_consumers: limits::CONSUMERS_MAX, ..limited.clone() };
    // nats-server 2.10 lets nobody change the number of consumers of a stream that is there.
    let tries = [(found.max_consumers <= 0).then_some(counted), (!has_limits).then_some(limited)];
    let mut refused = None;
    for config in tries.into_iter().flatten() {
        match jetstream.update_stream(config).await {
            Ok(_) => return tracing::info!(stream = %found.name, "readers of the stream are held to its limits"),
            Err(error) => refused = Some(error),
        }
    }
    if let Some(error) = refused {
        // Such as a consumer that is there and asks for more, or on nats-server 2.10 one that acknowledges; the next start tries again.
        tracing::warn!(stream = %found.name, %error, "the stream takes no limits for its readers");
    }
}

/// The JetStream API did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("JetStream could not {what}: {detail}")]
pub struct ApiError {
    /// What was asked.
    pub what: &'static str,
    /// The client's or the server's own words.
    pub detail: String,
}

pub(crate) fn api_error(what: &'static str, error: &dyn std::error::Error) -> ApiError {
    ApiError { what, detail: error.to_string() }
}

/// How things stand with a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamFacts {
    /// None if it does not say that it is ours.
    pub(crate) owner: Option<StreamOwner>,
    pub(crate) messages: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// It takes our subjects, removes nothing by itself, and answers.
    pub(crate) keeps_everything: bool,
}

impl StreamFacts {
    fn of(info: &Info) -> Self {
        let (config, state) = (&info.config, &info.state);
        let unlimited =
            config.max_messages <= 0 && config.max_bytes <= 0 && config.max_messages_per_subject <= 0 && config.max_age.is_zero();
        let takes_ours = config.subjects.iter().any(|subject| subject == STREAM_SUBJECTS);
        let keeps = config.retention == RetentionPolicy::Limits && config.storage == StorageType::File && !config.no_ack && !config.sealed;
        Self {
            owner: StreamOwner::read(&config.metadata),
            messages: state.messages,
            first: state.first_sequence,
            last: state.last_sequence,
            keeps_everything: unlimited && takes_ours && keeps,
        }
    }
}

/// Asks for a stream; none if there is none of that name.
pub(crate) async fn inspect(jetstream: &Context, name: &str) -> Result<Option<StreamFacts>, ApiError> {
    Ok(info(jetstream, name).await?.as_ref().map(StreamFacts::of))
}

/// All that the server says of a stream; none if there is none of that name.
pub(crate) async fn info(jetstream: &Context, name: &str) -> Result<Option<Info>, ApiError> {
    match jetstream.get_stream(name).await {
        Ok(stream) => Ok(Some(stream.cached_info().clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(refused) if refused.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            _ => Err(api_error("tell of the stream", &error)),
        },
    }
}

/// Makes the stream. One of the same name and another configuration is an error.
pub(crate) async fn create(jetstream: &Context, config: Config) -> Result<(), ApiError> {
    jetstream.create_stream(config).await.map(|_| ()).map_err(|error| api_error("make the stream", &error))
}

/// Removes the stream; that there is none any more is no error.
pub(crate) async fn remove(jetstream: &Context, name: &str) -> Result<(), ApiError> {
    match jetstream.delete_stream(name).await {
        Ok(_) => Ok(()),
        Err(error) => match inspect(jetstream, name).await {
            Ok(None) => Ok(()),
            _ => Err(api_error("remove the stream", &error)),
        },
    }
}

/// The message at a sequence, as the stream's leader has it; none if it is not there.
pub(crate) async fn message_at(jetstream: &Context, name: &str, sequence: u64) -> Result<Option<StreamMessage>, ApiError> {
    let stream = jetstream.get_stream_no_info(name).await.map_err(|error| api_error("address the stream", &error))?;
    match stream.get_raw_message(sequence).await {
        Ok(message) => Ok(Some(message)),
        Err(error) => match error.kind() {
            RawMessageErrorKind::NoMessageFound => Ok(None),
            RawMessageErrorKind::JetStream(refused) if is_not_there(refused.error_code()) => Ok(None),
            _ => Err(api_error("give a message", &error)),
        },
    }
}

/// The last message of a subject, as the stream's leader has it; none if there is none.
pub(crate) async fn last_of(jetstream: &Context, name: &str, subject: &str) -> Result<Option<StreamMessage>, ApiError> {
    let stream = jetstream.get_stream_no_info(name).await.map_err(|error| api_error("address the stream", &error))?;
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some(message)),
        Err(error) => match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Ok(None),
            LastRawMessageErrorKind::JetStream(refused) if is_not_there(refused.error_code()) => Ok(None),
            _ => Err(api_error("give a subject's last message", &error)),
        },
    }
}

fn is_not_there(code: ErrorCode) -> bool {
    code == ErrorCode::NO_MESSAGE_FOUND || code == ErrorCode::STREAM_NOT_FOUND
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_owner_is_read_back_from_the_metadata() {
        let owner = StreamOwner { log: LogId([0x1f; 16]), epoch: Epoch(7) };
        let config = stream_config("S", owner, Position(5), 1);
        assert_eq!(StreamOwner::read(&config.metadata), Some(owner));
        assert_eq!(config.first_sequence, Some(5));
        for key in [META_OWNER, META_LOG, META_EPOCH] {
            for value in [None, Some("nonsense"), Some("")] {
                let mut metadata = config.metadata.clone();
                metadata.remove(key);
                metadata.extend(value.map(|value| (key.to_owned(), value.to_owned())));
                assert_eq!(StreamOwner::read(&metadata), None, "{key} = {value:?}");
            }
        }
    }
}
