//! Compares the stream with the log, message by message and byte for byte. It changes nothing, on neither side.

use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::Message;
use muster_log::{Log, Position, ReadError, Record};

use crate::headers::{MUSTER_POSITION, message_id};
use crate::limits;
use crate::link::{ConnectError, Link, LinkOptions};
use crate::reader::{Reader, remove_consumer};
use crate::record::RecordHead;
use crate::stream::{self, ApiError, StreamOwner};
use crate::subject::subject_of;

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Messages in the stream when it was asked.
    pub messages: u64,
    /// The stream's first sequence.
    pub first: Position,
    /// The stream's last sequence.
    pub last: Position,
    /// The log's last durable position when the stream was asked.
    pub log_last: Position,
    /// Messages that are at their record's position and have exactly its bytes, its subject and its id.
    pub equal: u64,
    /// The bytes of their payloads.
    pub equal_bytes: u64,
    /// Messages that are not, and positions in between without a message.
    pub unequal: u64,
    /// The first of them, at most [`limits::MISMATCHES_NAMED_MAX`].
    pub mismatches: Vec<Mismatch>,
}

impl VerifyReport {
    /// Whether the stream is the log, whole: from the first position to the last, each message its record.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let begins = self.first == Position::FIRST || self.log_last == Position::ZERO;
        begins && self.unequal == 0 && self.equal == self.messages && self.equal == self.log_last.0
    }

    fn mismatch(&mut self, mismatch: Mismatch) {
        self.unequal += 1;
        if self.mismatches.len() < limits::MISMATCHES_NAMED_MAX {
            self.mismatches.push(mismatch);
        }
    }
}

/// A place where stream and log differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The stream has no message there.
    #[error("there is no message {0}")]
    Missing(Position),
    /// The log has no record there.
    #[error("message {0} is beyond the log's end")]
    BeyondLog(Position),
    /// The payload is not the record.
    #[error("message {0} has other bytes than the record")]
    Bytes(Position),
    /// The subject is not the record's.
    #[error("message {0} has another subject than the record")]
    Subject(Position),
    /// Message id or position in the headers are not the record's.
    #[error("message {0} has other headers than the record")]
    Headers(Position),
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Unavailable: no server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Unavailable: no JetStream, or it does not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Unavailable: there is no such stream.
    #[error("there is no stream {stream}")]
    NoStream {
        /// The name.
        stream: String,
    },
    /// Unavailable: the stream stopped handing on messages.
    #[error("the stream handed on nothing after message {after} for {} s", limits::API_TIMEOUT.as_secs())]
    Silent {
        /// The last message that came.
        after: Position,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] ReadError),
}

/// Compares each message of `stream` on the server at `url` with the log's record at its sequence. Records that become
/// durable meanwhile are no part of it.
///
/// # Errors
/// See [`VerifyError`]; what differs is no error but part of the report.
pub async fn verify_stream(log: Arc<dyn Log>, url: &str, stream: &str) -> Result<VerifyReport, VerifyError> {
    let name = format!("muster-verify-{}", std::process::id());
    let options = LinkOptions { url: url.to_owned(), name: name.clone(), inbox_prefix: None };
    let link = Link::open(&options).await?;
    let log_last = log.watermark();
    let Some(facts) = stream::inspect(&link.jetstream, stream).await? else {
        return Err(VerifyError::NoStream { stream: stream.to_owned() });
    };
    let mut report = VerifyReport {
        messages: facts.messages,
        first: Position(facts.first),
        last: Position(facts.last),
        log_last: log_last.max(Position(facts.last).min(log.watermark())),
        ..VerifyReport::default()
    };
    if facts.messages == 0 {
        return Ok(report);
    }
    let jetstream = link.jetstream.clone();
    let reader = Reader::open(link, stream, &name, facts.first).await?;
    let compared = Comparison { log, next: report.first, ahead: Vec::new(), report: &mut report }.run(reader).await;
    remove_consumer(&jetstream, stream, &name).await?;
    compared.map(|()| report)
}

struct Comparison<'a> {
    log: Arc<dyn Log>,
    next: Position,
    /// Records read but not compared yet, last first.
    ahead: Vec<Record>,
    report: &'a mut VerifyReport,
}

impl Comparison<'_> {
    async fn run(mut self, mut reader: Reader) -> Result<(), VerifyError> {
        while self.next <= self.report.last {
            let after = Position(self.next.0 - 1);
            let message = tokio::time::timeout(limits::API_TIMEOUT, reader.next()).await.map_err(|_| VerifyError::Silent { after })??;
            let detail = |error: async_nats::Error| ApiError { what: "tell a message's place", detail: error.to_string() };
            let info = message.info().map_err(detail)?;
            let (sequence, is_last) = (Position(info.stream_sequence), info.pending == 0);
            while self.next < sequence.min(self.report.last.next()) {
                self.report.mismatch(Mismatch::Missing(self.next));
                self.next = self.next.next();
            }
            if sequence == self.next && sequence <= self.report.last {
                self.compare(&message)?;
                self.next = self.next.next();
            }
            while is_last && self.next <= self.report.last {
                self.report.mismatch(Mismatch::Missing(self.next));
                self.next = self.next.next();
            }
        }
        Ok(())
    }

    fn compare(&mut self, message: &Message) -> Result<(), VerifyError> {
        let position = self.next;
        let Some(record) = self.record(position)? else {
            self.report.mismatch(Mismatch::BeyondLog(position));
            return Ok(());
        };
        if message.payload != record.bytes {
            self.report.mismatch(Mismatch::Bytes(position));
            return Ok(());
        }
        let subject = RecordHead::read(&record.bytes).and_then(|head| subject_of(&head));
        if subject.as_deref() != Ok(message.subject.as_str()) {
            self.report.mismatch(Mismatch::Subject(position));
            return Ok(());
        }
        let owner = StreamOwner::of(self.log.as_ref());
        let id = message_id(owner.log, owner.epoch, position, &record.bytes);
        if !headers_say(message.headers.as_ref(), position, &id) {
            self.report.mismatch(Mismatch::Headers(position));
            return Ok(());
        }
        self.report.equal += 1;
        self.report.equal_bytes += record.bytes.len() as u64;
        Ok(())
    }

    fn record(&mut self, position: Position) -> Result<Option<Record>, ReadError> {
        if self.ahead.last().is_none_or(|record| record.position != position) {
            self.ahead = self.log.read(position, limits::BATCH_BYTES, limits::BATCH_RECORDS)?;
            self.ahead.reverse();
        }
        Ok(self.ahead.pop())
    }
}

fn headers_say(headers: Option<&HeaderMap>, position: Position, id: &str) -> bool {
    let value = |name: &str| headers.and_then(|headers| headers.get(name)).map(async_nats::HeaderValue::as_str);
    value(NATS_MESSAGE_ID.as_ref()) == Some(id) && value(MUSTER_POSITION) == Some(position.to_string().as_str())
}
