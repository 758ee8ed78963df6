//! Publishing: keeps a window of messages under way and takes their answers in order.
//!
//! It ends at the first thing that is not as expected, and says what; what that means is for `run` to find out. It must
//! never send a message without the fence, and never send anything after an unexpected answer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::{Message, StatusCode, Subject, Subscriber};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
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
use crate::link::Link;
use crate::record::RecordHead;
use crate::stream::{self, ApiError, StreamFacts, StreamOwner};
use crate::subject::subject_of;

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
    headers: HeaderWriter,
    inbox: Subject,
    answers: Subscriber,
    tail: Tail,
    /// Read, not sent.
    waiting: VecDeque<Record>,
    /// Sent, not answered.
    under_way: usize,
    /// The last position that the stream acknowledged.
    relayed: Position,
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
        log: &'a Arc<dyn Log>,
        options: &'a RelayOptions,
        shared: &'a Shared,
        relayed: Position,
    ) -> Result<Self, PumpEnd> {
        let owner = StreamOwner::of(log.as_ref());
        let inbox = Subject::from(link.client.new_inbox());
        let answers = link.client.subscribe(inbox.clone()).await.map_err(|error| PumpEnd::Lost(error.to_string()))?;
        Ok(Self {
            link,
            log,
            shared,
            options,
            headers: HeaderWriter::new(owner.log, owner.epoch),
            inbox,
            answers,
            tail: Tail::new(Arc::clone(log), relayed.next()),
            waiting: VecDeque::new(),
            under_way: 0,
            relayed,
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
        self.send().await?;
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Err(PumpEnd::Shutdown),
            reason = self.link.lost() => Err(PumpEnd::Lost(reason)),
            answer = self.answers.next() => self.take(answer),
            () = &mut self.stall, if self.under_way > 0 => self.check_silence(),
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

    async fn send(&mut self) -> Result<(), PumpEnd> {
        if self.under_way == 0 && !self.waiting.is_empty() {
            self.heard = Instant::now();
            self.stall.as_mut().reset(self.heard + self.options.ack_timeout);
        }
        while self.under_way < self.options.window.max(1) {
            let Some(record) = self.waiting.pop_front() else { break };
            self.publish(record).await?;
        }
        Ok(())
    }

    async fn publish(&mut self, record: Record) -> Result<(), PumpEnd> {
        let position = record.position;
        let damaged = |source| PumpEnd::Record { position, source };
        let head = RecordHead::read(&record.bytes).map_err(damaged)?;
        if head.position != position.0 {
            return Err(PumpEnd::Misplaced { position, says: head.position });
        }
        let subject = Subject::from(subject_of(&head).map_err(damaged)?);
        let id = self.headers.message_id(position, &record.bytes);
        let headers = self.headers.write(&head, &id, self.previous_id.take()).map_err(damaged)?;
        self.previous_id = Some(id);
        self.under_way += 1;
        // The client takes more commands than the window is wide: this hands over and does not wait for the network.
        let sent = self.link.client.publish_with_reply_and_headers(subject, self.inbox.clone(), headers, record.bytes).await;
        sent.map_err(|error| PumpEnd::Lost(error.to_string()))
    }

    /// Takes an answer, and those that have come in behind it.
    fn take(&mut self, answer: Option<Message>) -> Result<(), PumpEnd> {
        let mut answer = answer;
        loop {
            let Some(message) = answer else { return Err(PumpEnd::Lost("the inbox was closed".to_owned())) };
            self.settle(&message)?;
            match self.answers.next().now_or_never() {
                Some(next) => answer = next,
                None => break,
            }
        }
        self.heard = Instant::now();
        self.shared.relayed_to(self.relayed, self.log.watermark());
        Ok(())
    }

    fn settle(&mut self, message: &Message) -> Result<(), PumpEnd> {
        self.under_way = self.under_way.saturating_sub(1);
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(PumpEnd::Refused("no stream takes the subject".to_owned()));
        }
        let answer: PublishAnswer =
            serde_json::from_slice(&message.payload).map_err(|error| PumpEnd::Refused(format!("not an acknowledgement: {error}")))?;
        if let Some(error) = answer.error {
            return Err(PumpEnd::Refused(format!("{} ({})", error.description, error.err_code)));
        }
        let wanted = self.relayed.next();
        if answer.seq != wanted.0 || answer.duplicate {
            let duplicate = if answer.duplicate { ", a duplicate" } else { "" };
            return Err(PumpEnd::Refused(format!("record {wanted} is message {}{duplicate}", answer.seq)));
        }
        self.relayed = wanted;
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
        while self.under_way > 0 && !self.link.is_lost() {
            tokio::select! {
                biased;
                _ = self.link.lost() => break,
                answer = self.answers.next() => match answer {
                    Some(message) => in_order = self.settle_if(in_order, &message),
                    None => break,
                },
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        self.shared.relayed_to(self.relayed, self.log.watermark());
    }

    fn settle_if(&mut self, in_order: bool, message: &Message) -> bool {
        if in_order {
            return self.settle(message).is_ok();
        }
        self.under_way = self.under_way.saturating_sub(1);
        false
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
