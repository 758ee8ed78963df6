//! Reads a stream's messages in order from a sequence on. What it hands on is not checked; who reads it does that.

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::stream::ConsumerErrorKind;
use async_nats::jetstream::{Context, ErrorCode, Message};
use futures::{FutureExt as _, StreamExt as _};

use crate::limits;
use crate::link::Link;
use crate::stream::ApiError;

/// A reader, with the connection that it needs.
pub(crate) struct Reader {
    link: Link,
    messages: pull::Stream,
}

impl Reader {
    /// Begins at `from`, or behind the stream's last message if `from` is beyond it. A consumer of the same name, of an
    /// earlier connection or of a stream that is gone, is removed first: none is left behind, however often this is
    /// called.
    pub(crate) async fn open(link: Link, stream: &str, name: &str, from: u64) -> Result<Self, ApiError> {
        remove_consumer(&link.jetstream, stream, name).await?;
        let config = pull::Config {
            name: Some(name.to_owned()),
            description: Some("Muster worker".to_owned()),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from },
            ack_policy: AckPolicy::None,
            inactive_threshold: limits::CONSUMER_INACTIVE,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let made = link.jetstream.create_consumer_on_stream(config, stream).await;
        let consumer: Consumer<pull::Config> = made.map_err(|error| failed("make the consumer", &error))?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(limits::PULL_MESSAGES)
            .max_bytes_per_batch(limits::PULL_BYTES)
            .expires(limits::PULL_EXPIRES)
            .heartbeat(limits::PULL_HEARTBEAT)
            .messages()
            .await
            .map_err(|error| failed("begin to read", &error))?;
        Ok(Self { link, messages })
    }

    /// The next message; waits for it. An error ends the reader.
    pub(crate) async fn next(&mut self) -> Result<Message, ApiError> {
        tokio::select! {
            biased;
            message = self.messages.next() => handed_on(message),
            reason = self.link.lost() => Err(ApiError { what: "hand on messages", detail: reason }),
        }
    }

    /// The next message if it has come in already.
    pub(crate) fn next_now(&mut self) -> Option<Result<Message, ApiError>> {
        self.messages.next().now_or_never().map(handed_on)
    }
}

fn handed_on(message: Option<Result<Message, pull::MessagesError>>) -> Result<Message, ApiError> {
    match message {
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => Err(failed("hand on messages", &error)),
        None => Err(ApiError { what: "hand on messages", detail: "the consumer has ended".to_owned() }),
    }
}

/// Removes a consumer; that there is none is no error.
pub(crate) async fn remove_consumer(jetstream: &Context, stream: &str, name: &str) -> Result<(), ApiError> {
    match jetstream.delete_consumer_from_stream(name, stream).await {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            ConsumerErrorKind::JetStream(refused) if refused.error_code() == ErrorCode::CONSUMER_NOT_FOUND => Ok(()),
            _ => Err(failed("remove the consumer", &error)),
        },
    }
}

fn failed(what: &'static str, error: &dyn std::error::Error) -> ApiError {
    ApiError { what, detail: error.to_string() }
}
