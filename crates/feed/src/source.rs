//! The stream as a source of records for workers in other processes.
//!
//! It hands on what the stream holds, in order and without a gap, and says when the stream has become another log's. What the
//! stream does not hold it reads from the log, where that can be reached ([`JetStreamSource::fill_gaps_from`]).
//! Progress belongs to whoever folds: the source remembers nothing across restarts. It must never skip a position.

use std::sync::Arc;

use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::Message;
use muster_log::{Position, Record};
use muster_views::{EventSource, Origin, SourceError};
use tokio::sync::watch;

use crate::gaps::RemoteLog;
use crate::headers::{id_prefix, prefix_of};
use crate::limits;
use crate::link::{Backoff, Link, LinkOptions};
use crate::reader::Reader;
use crate::stream::{self, STREAM, StreamFacts, StreamOwner};

/// How to read. Use [`SourceOptions::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct SourceOptions {
    /// Address of the server, or several separated by commas.
    pub url: String,
    /// The stream's name.
    pub stream: String,
    /// Name of the consumer on the server: one for each worker, letters, digits, `-` and `_`, under 32 characters. Two
    /// workers of one name take it from each other. The server removes it when the worker has been gone for
    /// [`limits::CONSUMER_INACTIVE`].
    pub consumer: String,
    /// What the connection's inboxes begin with; `_INBOX` if none.
    pub inbox_prefix: Option<String>,
}

impl SourceOptions {
    /// Reads [`STREAM`] from the server at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>, consumer: impl Into<String>) -> Self {
        Self { url: url.into(), stream: STREAM.to_owned(), consumer: consumer.into(), inbox_prefix: None }
    }
}

/// Whether records come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceState {
    /// Not asked for records yet.
    #[default]
    Idle,
    /// They do, or will as soon as there are some.
    Reading,
    /// The stream does not hold what comes next: it is read from the log.
    Filling,
    /// They do not; it goes on trying.
    Waiting {
        /// What was last tried, and why it failed.
        reason: String,
    },
}

impl SourceState {
    /// Every name that [`SourceState::name`] gives.
    pub const NAMES: [&str; 4] = ["idle", "reading", "filling", "waiting"];

    /// One word for status and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Reading => "reading",
            Self::Filling => "filling",
            Self::Waiting { .. } => "waiting",
        }
    }

    /// Why records do not come in.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Waiting { reason } => Some(reason),
            _ => None,
        }
    }
}

/// Records from JetStream. It waits out whatever can pass, a server that is down or a stream that is being made anew,
/// with growing pauses.
pub struct JetStreamSource {
    options: SourceOptions,
    origin: Origin,
    /// What the ids of this origin's messages begin with.
    id_prefix: String,
    next: Position,
    reader: Option<Reader>,
    log: Option<Arc<dyn RemoteLog>>,
    /// Up to where the records are read from the log, before the stream is looked at again.
    gap: Option<Position>,
    end: watch::Sender<Position>,
    state: watch::Sender<SourceState>,
    backoff: Backoff,
}

/// Why there is no reader, or none any more.
enum Fault {
    /// Try again.
    Wait(String),
    /// Not to be cured by waiting.
    Tell(SourceError),
}

impl JetStreamSource {
    /// Finds out whose records the stream holds; waits for the server and the stream as long as it takes.
    pub async fn open(options: SourceOptions) -> Self {
        let mut backoff = Backoff::new();
        loop {
            match look(&options).await {
                Ok((_, facts, owner)) => {
                    let origin = Origin { log: owner.log, epoch: owner.epoch };
                    return Self {
                        options,
                        origin,
                        id_prefix: id_prefix(owner.log, owner.epoch),
                        next: Position::FIRST,
                        reader: None,
                        log: None,
                        gap: None,
                        end: watch::Sender::new(Position(facts.last)),
                        state: watch::Sender::default(),
                        backoff,
                    };
                }
                Err(reason) => {
                    tracing::warn!(%reason, "waiting for the event stream");
                    tokio::time::sleep(backoff.next()).await;
                }
            }
        }
    }

    /// Reads from `log` what the stream does not hold; without this it waits until the stream does.
    #[must_use]
    pub fn fill_gaps_from(mut self, log: Arc<dyn RemoteLog>) -> Self {
        self.log = Some(log);
        self
    }

    /// Whether records come in, as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<SourceState> {
        self.state.subscribe()
    }

    /// Connects and places a consumer at the next position.
    async fn attach(&self) -> Result<Attached, Fault> {
        let (link, facts, owner) = look(&self.options).await.map_err(Fault::Wait)?;
        let origin = Origin { log: owner.log, epoch: owner.epoch };
        if origin != self.origin {
            return Ok(Attached::Elsewhere(origin, Position(facts.last)));
        }
        let begins = if facts.messages == 0 { facts.last + 1 } else { facts.first };
        if begins > self.next.0 {
            return match self.log {
                Some(_) => Ok(Attached::Lacks(Position(begins - 1))),
                None => {
                    Err(Fault::Wait(format!("the stream begins at {begins}, {} comes next, and no server is named that has it", self.next)))
                }
            };
        }
        if facts.last + 1 < self.next.0 && self.log.is_some() {
            return Ok(Attached::Lacks(FILLED_AGAIN));
        }
        let opened = Reader::open(link, &self.options.stream, &self.options.consumer, self.next.0).await;
        let reader = opened.map_err(|error| Fault::Wait(error.to_string()))?;
        Ok(Attached::Here(Box::new(reader), Position(facts.last)))
    }

    async fn reader(&mut self) -> Result<(), Fault> {
        if self.reader.is_some() {
            return Ok(());
        }
        match self.attach().await? {
            Attached::Here(reader, last) => {
                self.reader = Some(*reader);
                self.ends_at(last);
                self.state.send_replace(SourceState::Reading);
                Ok(())
            }
            Attached::Lacks(up_to) => {
                self.state.send_replace(SourceState::Filling);
                if up_to == FILLED_AGAIN {
                    // Records may come in one by one, and the stream is looked at after each.
                    tokio::time::sleep(limits::GAP_PAUSE).await;
                }
                self.gap = Some(up_to);
                Ok(())
            }
            Attached::Elsewhere(origin, last) => {
                self.origin = origin;
                self.id_prefix = id_prefix(origin.log, origin.epoch);
                self.next = Position::FIRST;
                self.end.send_replace(last);
                Err(Fault::Tell(SourceError::OriginChanged))
            }
        }
    }

    /// What has come in, at least one message, which may be none that is new.
    async fn collect(&mut self) -> Result<Vec<Record>, Fault> {
        if let (Some(log), Some(to)) = (self.log.clone(), self.gap) {
            return self.fill(&*log, to).await;
        }
        self.reader().await?;
        let Some(reader) = &mut self.reader else { return Ok(Vec::new()) };
        let mut message = reader.next().await.map_err(|error| Fault::Wait(error.to_string()))?;
        // Nothing is waited for from here on, so that dropping the future loses no record.
        let mut batch = Batch::new(self.next, &self.id_prefix);
        loop {
            batch.take(&message)?;
            if batch.is_full() {
                break;
            }
            match reader.next_now() {
                Some(Ok(next)) => message = next,
                // The next call meets the error again.
                Some(Err(_)) | None => break,
            }
        }
        let Batch { records, next, known_end, .. } = batch;
        self.next = next;
        self.ends_at(known_end);
        Ok(records)
    }

    /// The next records from the log. Where the gap ends the stream is looked at again, whose it is too.
    async fn fill(&mut self, log: &dyn RemoteLog, to: Position) -> Result<Vec<Record>, Fault> {
        let stretch = log.read(self.next, to).await.map_err(Fault::Wait)?;
        stretch.check(self.origin, self.next, to).map_err(Fault::Wait)?;
        let Some(last) = stretch.records.last().map(|record| record.position) else {
            return Err(Fault::Wait(format!("the stream does not hold {}, and the log ends at {}", self.next, stretch.end)));
        };
        self.next = last.next();
        self.gap = self.gap.filter(|to| self.next <= *to && last < stretch.end);
        self.ends_at(stretch.end);
        Ok(stretch.records)
    }

    fn ends_at(&self, position: Position) {
        self.end.send_if_modified(|known| {
            let further = position > *known;
            *known = position.max(*known);
            further
        });
    }

    async fn wait(&mut self, reason: String) {
        self.reader = None;
        self.gap = None;
        tracing::warn!(%reason, next = %self.next, "the event source tries again");
        self.state.send_replace(SourceState::Waiting { reason });
        tokio::time::sleep(self.backoff.next()).await;
    }
}

impl EventSource for JetStreamSource {
    fn origin(&self) -> Origin {
        self.origin
    }

    fn end(&self) -> watch::Receiver<Position> {
        self.end.subscribe()
    }

    async fn seek(&mut self, from: Position) -> Result<(), SourceError> {
        self.next = from.max(Position::FIRST);
        self.reader = None;
        self.gap = None;
        Ok(())
    }

    async fn next_batch(&mut self) -> Result<Vec<Record>, SourceError> {
        loop {
            match self.collect().await {
                Ok(records) if records.is_empty() => {}
                Ok(records) => {
                    self.backoff.reset();
                    return Ok(records);
                }
                Err(Fault::Wait(reason)) => self.wait(reason).await,
                Err(Fault::Tell(error)) => {
                    (self.reader, self.gap) = (None, None);
                    return Err(error);
                }
            }
        }
    }
}

/// Where a gap ends in a stream that is filled again from its beginning: it lacks whatever the log has.
const FILLED_AGAIN: Position = Position(u64::MAX);

enum Attached {
    Here(Box<Reader>, Position),
    /// The stream does not hold what comes next, up to this position.
    Lacks(Position),
    Elsewhere(Origin, Position),
}

/// Connects, and asks whose the stream is.
async fn look(options: &SourceOptions) -> Result<(Link, StreamFacts, StreamOwner), String> {
    let link_options = LinkOptions {
        url: options.url.clone(),
        name: format!("muster worker {}", options.consumer),
        inbox_prefix: options.inbox_prefix.clone(),
    };
    let link = Link::open(&link_options).await.map_err(|error| error.to_string())?;
    let facts = stream::inspect(&link.jetstream, &options.stream).await.map_err(|error| error.to_string())?;
    let Some(facts) = facts else { return Err(format!("there is no stream {}", options.stream)) };
    let Some(owner) = facts.owner else { return Err(format!("stream {} does not say that it is a Muster log's", options.stream)) };
    Ok((link, facts, owner))
}

/// Messages on their way to becoming a batch of records.
struct Batch<'a> {
    records: Vec<Record>,
    bytes: usize,
    next: Position,
    known_end: Position,
    id_prefix: &'a str,
}

impl<'a> Batch<'a> {
    const fn new(next: Position, id_prefix: &'a str) -> Self {
        Self { records: Vec::new(), bytes: 0, next, known_end: Position::ZERO, id_prefix }
    }

    const fn is_full(&self) -> bool {
        self.records.len() >= limits::BATCH_RECORDS || self.bytes >= limits::BATCH_BYTES
    }

    /// Takes a message if it is the next; one that was handed on before is passed over.
    fn take(&mut self, message: &Message) -> Result<(), Fault> {
        let info = message.info().map_err(|error| Fault::Wait(format!("a message does not say where it stands: {error}")))?;
        let sequence = Position(info.stream_sequence);
        if sequence < self.next {
            return Ok(());
        }
        let id = message.headers.as_ref().and_then(|headers| headers.get(NATS_MESSAGE_ID)).map(async_nats::HeaderValue::as_str);
        if id.and_then(prefix_of) != Some(self.id_prefix) {
            return Err(Fault::Wait(format!("message {sequence} is of another log or epoch")));
        }
        if sequence > self.next {
            return Err(Fault::Wait(format!("message {sequence} came, {} comes next", self.next)));
        }
        let says = muster_proto::peek(&message.payload).map(|peek| peek.position);
        if says != Ok(sequence.0) {
            let detail = format!("message {sequence} is not record {sequence}: {says:?}");
            return Err(Fault::Tell(SourceError::Corrupt { detail }));
        }
        self.bytes += message.payload.len();
        self.records.push(Record { position: sequence, bytes: message.payload.clone() });
        self.next = sequence.next();
        self.known_end = sequence.plus(info.pending);
        Ok(())
    }
}
