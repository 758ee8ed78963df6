//! Publishing: keeps a window of messages under way and takes their answers in order.
//!
//! Every message is fenced, and only some ask for an answer: a message is stored only behind the very one before it, so
//! that one acknowledgement stands for all before it, and a message that was refused unheard has the next answer refused.
//!
//! It ends at the first thing that is not as expected, and says what; what that means is for `run` to find out. It must
//! never send a message without the fence, and never send anything after an unexpected answer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Context;
use bytes::BytesMut;
use futures::future::BoxFuture;
use muster_log::{Log, Position, ReadError, Record, Tail};
use muster_proto::DecodeError;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use super::RelayOptions;
use super::judge::{Own, Verdict, judge};
use super::run::Shared;
use crate::headers::HeaderWriter;
use crate::limits;
use crate::link::{ConnectError, Link, LinkOptions};
use crate::record::RecordHead;
use crate::stream::{self, ApiError, StreamFacts, StreamOwner};
use crate::subject::subject_of;
use crate::wire::{Answer, Wire};

/// Why publishing ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PumpEnd {
    #[error("told to end")]
    Shutdown,
    #[error("{0}")]
    Lost(String),
    #[error("no acknowledgement for {} ms", .0.as_millis())]
    Silent(Duration),
    #[error("the stream answered: {0}")]
    Refused(String),
    #[error("the stream is not as it was left")]
    Changed,
    #[error(transparent)]
    Log(#[from] ReadError),
    #[error("record {position} cannot be published: {source}")]
    Record { position: Position, source: DecodeError },
    #[error("record {position} says that it is record {says}")]
    Misplaced { position: Position, says: u64 },
}

/// The answer to a publish.
#[derive(Deserialize)]
struct PublishAnswer {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<PublishError>,
}

#[derive(Deserialize)]
struct PublishError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// An answer to how things stand with the stream, on its way.
type Look = BoxFuture<'static, Result<Option<StreamFacts>, ApiError>>;

pub(crate) struct Pump<'a> {
    link: &'a mut Link,
    log: &'a Arc<dyn Log>,
    shared: &'a Shared,
    options: &'a RelayOptions,
    wire: Wire,
    headers: HeaderWriter,
    /// The header block being written.
    block: BytesMut,
    tail: Tail,
    /// Read, not sent.
    waiting: VecDeque<Record>,
    /// The last position that was sent.
    sent: Position,
    /// The last position that the stream acknowledged, and with it all before.
    relayed: Position,
    /// Positions that an answer was asked for and has not come.
    asked: VecDeque<Position>,
    /// Id of the message sent last; none before the first.
    previous_id: Option<String>,
    heard: Instant,
    stall: Pin<Box<Sleep>>,
    look: Option<Look>,
    next_look: Pin<Box<Sleep>>,
}

impl<'a> Pump<'a> {
    /// Publishes what comes after `relayed`, which is the stream's last message and compared to be ours.
    pub(crate) async fn new(
        link: &'a mut Link,
        link_options: &LinkOptions,
        log: &'a Arc<dyn Log>,
        options: &'a RelayOptions,
        shared: &'a Shared,
        relayed: Position,
    ) -> Result<Self, ConnectError> {
        let owner = StreamOwner::of(log.as_ref());
        let wire = Wire::open(link_options, link.client.new_inbox()).await?;
        Ok(Self {
            link,
            log,
            shared,
            options,
            wire,
            headers: HeaderWriter::new(owner.log, owner.epoch),
            block: BytesMut::new(),
            tail: Tail::new(Arc::clone(log), relayed.next()),
            waiting: VecDeque::new(),
            sent: relayed,
            relayed,
            asked: VecDeque::new(),
            previous_id: None,
            heard: Instant::now(),
            stall: Box::pin(tokio::time::sleep(options.ack_timeout)),
            look: None,
            next_look: Box::pin(tokio::time::sleep(options.look_period)),
        })
    }

    /// Publishes until something ends it.
    pub(crate) async fn run(&mut self, stop: &mut watch::Receiver<bool>) -> PumpEnd {
        loop {
            match self.turn(stop).await {
                Ok(()) => {}
                Err(end) => return end,
            }
        }
    }

    /// Sends what there is room for, then waits for one thing to happen.
    async fn turn(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), PumpEnd> {
        self.send()?;
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Err(PumpEnd::Shutdown),
            reason = self.link.lost() => Err(PumpEnd::Lost(reason)),
            answer = self.wire.answer() => self.take(answer),
            () = &mut self.stall, if !self.asked.is_empty() => self.check_silence(),
            facts = looked(&mut self.look), if self.look.is_some() => self.judge(facts),
            () = &mut self.next_look, if self.look.is_none() => {
                self.look = Some(look(self.link.jetstream.clone(), self.options.stream.clone()));
                Ok(())
            }
            batch = self.tail.next_batch(), if self.waiting.is_empty() => {
                self.waiting.extend(batch?);
                Ok(())
            }
        }
    }

    fn send(&mut self) -> Result<(), PumpEnd> {
        if self.asked.is_empty() && !self.waiting.is_empty() {
            self.heard = Instant::now();
            self.stall.as_mut().reset(self.heard + self.options.ack_timeout);
        }
        let last = self.relayed.plus(self.options.window.max(1) as u64);
        while self.sent < last && self.wire.unsent() < limits::UNSENT_BYTES {
            let Some(record) = self.waiting.pop_front() else { break };
            let fills_buffer = self.wire.unsent() + record.bytes.len() >= limits::UNSENT_BYTES;
            // The last of a burst always asks, so that nothing is under way without an answer to come.
            let ask =
                record.position.0.is_multiple_of(limits::ACK_EVERY) || record.position == last || self.waiting.is_empty() || fills_buffer;
            self.publish(&record, ask)?;
        }
        Ok(())
    }

    fn publish(&mut self, record: &Record, ask: bool) -> Result<(), PumpEnd> {
        let position = record.position;
        let damaged = |source| PumpEnd::Record { position, source };
        let head = RecordHead::read(&record.bytes).map_err(damaged)?;
        if head.position != position.0 {
            return Err(PumpEnd::Misplaced { position, says: head.position });
        }
        let subject = subject_of(&head).map_err(damaged)?;
        let id = self.headers.message_id(position, &record.bytes);
        self.block.clear();
        self.headers.write(&head, &id, self.previous_id.as_deref(), &mut self.block).map_err(damaged)?;
        self.wire.publish(&subject, &self.block, &record.bytes, ask);
        self.previous_id = Some(id);
        self.sent = position;
        if ask {
            self.asked.push_back(position);
        }
        Ok(())
    }

    /// Takes an answer, and those that have come in behind it.
    fn take(&mut self, answer: Result<Option<Answer>, String>) -> Result<(), PumpEnd> {
        let Some(answer) = answer.map_err(PumpEnd::Lost)? else { return Ok(()) };
        self.settle(&answer)?;
        while let Some(next) = self.wire.answer_now().map_err(PumpEnd::Lost)? {
            self.settle(&next)?;
        }
        self.heard = Instant::now();
        self.shared.relayed_to(self.relayed, self.log.watermark());
        Ok(())
    }

    fn settle(&mut self, answer: &Answer) -> Result<(), PumpEnd> {
        let Some(asked) = self.asked.pop_front() else { return Err(PumpEnd::Refused("an answer that nobody asked for".to_owned())) };
        let Answer::Payload(payload) = answer else { return Err(PumpEnd::Refused("no stream takes the subject".to_owned())) };
        let answer: PublishAnswer =
            serde_json::from_slice(payload).map_err(|error| PumpEnd::Refused(format!("not an acknowledgement: {error}")))?;
        if let Some(error) = answer.error {
            return Err(PumpEnd::Refused(format!("{} ({})", error.description, error.err_code)));
        }
        if answer.seq != asked.0 || answer.duplicate {
            let duplicate = if answer.duplicate { ", a duplicate" } else { "" };
            return Err(PumpEnd::Refused(format!("record {asked} is message {}{duplicate}", answer.seq)));
        }
        self.relayed = asked;
        Ok(())
    }

    fn check_silence(&mut self) -> Result<(), PumpEnd> {
        let silent = self.heard.elapsed();
        if silent >= self.options.ack_timeout {
            return Err(PumpEnd::Silent(silent));
        }
        self.stall.as_mut().reset(self.heard + self.options.ack_timeout);
        Ok(())
    }

    /// A stream that lost messages while nothing was refused: what is published behind a hole helps nobody.
    fn judge(&mut self, facts: Result<Option<StreamFacts>, ApiError>) -> Result<(), PumpEnd> {
        self.look = None;
        self.next_look.as_mut().reset(Instant::now() + self.options.look_period);
        match facts {
            Ok(facts) => match judge(facts.as_ref(), &Own::now(self.log.as_ref(), self.options)) {
                Verdict::Begin | Verdict::Compare(_) => Ok(()),
                Verdict::Make | Verdict::Remake(_) | Verdict::Fence(_) => Err(PumpEnd::Changed),
            },
            Err(error) => {
                tracing::debug!(%error, "a look at the stream failed");
                Ok(())
            }
        }
    }

    /// Waits for the answers to what is under way, so that the stream stands still when it is asked. Good answers in
    /// order still count.
    pub(crate) async fn drain(&mut self) {
        let deadline = Instant::now() + limits::DRAIN_TIMEOUT;
        let mut in_order = true;
        while !self.asked.is_empty() && !self.link.is_lost() {
            let answer = tokio::select! {
                biased;
                _ = self.link.lost() => break,
                answer = self.wire.answer() => answer,
                () = tokio::time::sleep_until(deadline) => break,
            };
            match answer {
                Ok(None) => {}
                Ok(Some(answer)) if in_order => in_order = self.settle(&answer).is_ok(),
                Ok(Some(_)) => drop(self.asked.pop_front()),
                Err(_) => break,
            }
        }
        self.shared.relayed_to(self.relayed, self.log.watermark());
    }
}

fn look(jetstream: Context, stream: String) -> Look {
    Box::pin(async move { stream::inspect(&jetstream, &stream).await })
}

async fn looked(look: &mut Option<Look>) -> Result<Option<StreamFacts>, ApiError> {
    match look {
        Some(look) => look.await,
        None => std::future::pending().await,
    }
}
