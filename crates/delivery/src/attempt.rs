//! One try of one message: what it tells now, the request, and what is taken down of it. It must never keep what it told.

use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, Uri};
use muster_proto::v1::DeliveryOutcome;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{Channel, Kind};
use crate::desk::{Desk, LogPlace, Told};
use crate::facts::{Facts, Values};
use crate::lane::Gauges;
use crate::letter::{Letter, LetterKind, MessageId};
use crate::limits;
use crate::outcome::{Answered, Report, judge};
use crate::routes::Routes;
use crate::sign;
use crate::token::AccessToken;
use crate::transport::{Request, Silence, Transport};
use crate::underway::{Known, Underway};
use crate::window::{Key, backoff};

/// What all tries of a channel share.
pub(crate) struct Trying {
    pub(crate) index: usize,
    pub(crate) routes: Arc<Routes>,
    pub(crate) desk: Arc<dyn Desk>,
    pub(crate) log: LogPlace,
    pub(crate) transport: Transport,
    pub(crate) token: AccessToken,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) underway: Arc<Underway>,
    pub(crate) stopping: watch::Receiver<bool>,
    /// Until when the other end wants to be left alone, and why.
    pub(crate) quiet: Mutex<Option<(Instant, &'static str)>>,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It is over: sent, or nothing to be sent.
    Over,
    /// It was given up.
    Dead { kind: LetterKind, call_id: String, reason: &'static str },
    /// As [`Ended::Dead`], and the other end wants nothing more.
    Gone { kind: LetterKind, call_id: String },
    /// To be tried again.
    Again { wait: Duration, counts: bool },
}

const LATER: Ended = Ended::Again { wait: limits::DESK_RETRY, counts: false };

impl Trying {
    pub(crate) fn channel(&self) -> &Channel {
        &self.routes.channels()[self.index]
    }

    /// What was in the window before a restart may have been sent by then. Blocks while it reads.
    pub(crate) fn remember(&self, keys: impl Iterator<Item = Key>) {
        for key in keys {
            // What cannot be read now is said again when it is tried.
            if let Some(letter) = self.letter(key).ok().flatten().filter(|letter| letter.kind == LetterKind::Call) {
                self.underway.leave(&letter.call_id, self.index, key);
            }
        }
    }

    /// Some records from a position on: each with the numbers of its letters for this channel. Blocks while it reads.
    pub(crate) fn read(&self, from: u64) -> Result<Vec<(u64, Vec<u16>)>, String> {
        let numbers = |bytes: &[u8]| self.routes.letters(self.index, bytes).into_iter().map(|letter| letter.n).collect();
        Ok(self.desk.read(from)?.into_iter().map(|record| (record.position, numbers(&record.bytes))).collect())
    }

    /// A message, if the channel still has to do with it. Blocks while it reads.
    fn letter(&self, (position, n): Key) -> Result<Option<Letter>, String> {
        let record = self.desk.read_one(position)?;
        Ok(self.routes.letter(self.index, &record, n))
    }

    /// For how long the other end still wants to be left alone, and why.
    pub(crate) fn quiet(&self) -> Option<(Duration, &'static str)> {
        let (until, reason) = (*self.quiet.lock())?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some((left, reason))
    }

    fn keep_quiet(&self, asked: Duration, reason: &'static str) {
        let (mut quiet, until) = (self.quiet.lock(), Instant::now() + asked.min(limits::QUIET_MAX));
        if quiet.is_none_or(|(known, _)| known < until) {
            *quiet = Some((until, reason));
        }
    }

    /// Messages taken up until then will have no time left when the channel may send again, `quiet` from now.
    pub(crate) fn hopeless_ms(&self, quiet: Duration) -> i64 {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.desk.now_ms().saturating_add(ms(quiet)).saturating_sub(ms(self.channel().give_up))
    }

    /// Tries once. Everything that the log is to know of it is durable when this returns something other than `Again`. A message of which a try
    /// `broke_off`, by a fault of ours, is tried again for as long as any, and given up then without another look at it.
    pub(crate) async fn attempt(self: Arc<Self>, key: Key, first_ms: i64, tries: u32, broke_off: bool) -> Ended {
        let (position, n) = key;
        let reading = Arc::clone(&self);
        let letter = match tokio::task::spawn_blocking(move || reading.letter(key)).await {
            Ok(letter) => letter,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return LATER,
        };
        let letter = match letter {
            Ok(Some(letter)) => letter,
            // A channel that serves something else since the restart has nothing to do with it any more.
            Ok(None) => return Ended::Over,
            Err(error) => {
                tracing::error!(channel = self.channel().name, position, error, "the record of a message cannot be read; trying again");
                return LATER;
            }
        };
        let id = MessageId::of(&self.log, position, n, &self.channel().name);
        if letter.kind == LetterKind::Unserved {
            return if self.record(&letter, &id, DeliveryOutcome::Failed).await { Ended::Over } else { LATER };
        }
        let flight = (letter.kind == LetterKind::Call).then(|| self.underway.begin(&letter.call_id, self.index, key));
        let ended = if broke_off && self.left(first_ms).is_zero() {
            self.give_up(&letter, &id, "internal_fault").await
        } else {
            self.tell(&letter, &id, first_ms, tries).await
        };
        if let Some(flight) = flight
            && !matches!(ended, Ended::Again { .. })
        {
            flight.finish();
        }
        ended
    }

    async fn tell(&self, letter: &Letter, id: &MessageId, first_ms: i64, tries: u32) -> Ended {
        let known = if letter.kind == LetterKind::Released { self.underway.known(&letter.call_id) } else { Known::default() };
        if known.is_flying {
            return LATER;
        }
        let facts = match self.desk.facts(letter, id, self.channel(), known.may_be_told).await {
            // Another channel may need less of what cannot be looked up.
            Err(_) if self.left(first_ms).is_zero() => return self.give_up(letter, id, "not_readable").await,
            Err(_) => return LATER,
            Ok(Told::Sent) => return self.pointless(id, "sent"),
            Ok(Told::Pointless(reason)) => {
                // Nobody will answer for it any more, and somebody may have it: the log must know, or its release is told to nobody.
                let unknown =
                    letter.kind == LetterKind::Call && self.underway.has_left(&letter.call_id, self.index, (letter.position, letter.n));
                if unknown && !self.record(letter, id, DeliveryOutcome::Failed).await {
                    return LATER;
                }
                return self.pointless(id, reason);
            }
            Ok(Told::Impossible(reason)) => return self.give_up(letter, id, reason).await,
            Ok(Told::Send(facts)) => facts,
        };
        if self.gauges.is_gone() {
            return self.give_up(letter, id, "channel_gone").await;
        }
        if let Some((wait, reason)) = self.quiet() {
            return if wait >= self.left(first_ms) { self.give_up(letter, id, reason).await } else { Ended::Again { wait, counts: false } };
        }
        let answered = self.send(letter, id, &facts).await;
        drop(facts);
        self.follow_up(letter, id, answered, first_ms, tries).await
    }

    fn pointless(&self, id: &MessageId, reason: &str) -> Ended {
        tracing::debug!(%id, reason, "there is nothing to be sent");
        self.gauges.count_pointless();
        Ended::Over
    }

    /// How long a message may still be tried.
    fn left(&self, first_ms: i64) -> Duration {
        let waited = Duration::from_millis(u64::try_from(self.desk.now_ms() - first_ms).unwrap_or(0));
        self.channel().give_up.saturating_sub(waited)
    }

    async fn follow_up(&self, letter: &Letter, id: &MessageId, answered: Answered, first_ms: i64, tries: u32) -> Ended {
        let (reason, asked) = match answered {
            Answered::Taken(reference) => {
                self.gauges.count_sent();
                tracing::debug!(%id, tries, reference, "a message was sent");
                return if self.record(letter, id, DeliveryOutcome::Sent).await { Ended::Over } else { LATER };
            }
            Answered::Refused(reason) => {
                self.gauges.count_failed(reason);
                return self.give_up(letter, id, reason).await;
            }
            Answered::Gone => {
                self.gauges.count_failed("gone");
                return match self.give_up(letter, id, "gone").await {
                    Ended::Dead { kind, call_id, .. } => Ended::Gone { kind, call_id },
                    later => later,
                };
            }
            Answered::TokenOver => ("token_over", None),
            Answered::Again(reason, asked) => (reason, asked),
        };
        self.gauges.count_failed(reason);
        if let Some(asked) = asked {
            self.keep_quiet(asked, reason);
        }
        let wait = backoff(&id.to_string(), tries).max(asked.unwrap_or_default());
        tracing::debug!(%id, reason, ?wait, "a message was not taken");
        // Whoever could only be told after the time is over is told by another channel at once.
        if wait >= self.left(first_ms) { self.give_up(letter, id, reason).await } else { Ended::Again { wait, counts: true } }
    }

    async fn give_up(&self, letter: &Letter, id: &MessageId, reason: &'static str) -> Ended {
        if !self.record(letter, id, DeliveryOutcome::Failed).await {
            return LATER;
        }
        tracing::warn!(%id, reason, "a message was given up; it is among the dead letters");
        Ended::Dead { kind: letter.kind, call_id: letter.call_id.clone(), reason }
    }

    /// Takes down what became of the message where the domain waits for it. Whether it is durable: not when a stop was asked for before.
    async fn record(&self, letter: &Letter, id: &MessageId, outcome: DeliveryOutcome) -> bool {
        let Some(channel) = letter.reach else { return true };
        let report = Report { id: id.clone(), call_id: letter.call_id.clone(), channel, outcome, at_ms: 0 };
        let mut stopping = self.stopping.clone();
        while self.desk.record(&report).await.is_err() {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return false,
                () = tokio::time::sleep(limits::DESK_RETRY) => {}
            }
        }
        true
    }

    async fn send(&self, letter: &Letter, id: &MessageId, facts: &Facts) -> Answered {
        let channel = self.channel();
        let message_id = id.to_string();
        let body = channel.template.fill(&Values::of(&message_id, letter, facts, channel));
        let now_ms = self.desk.now_ms();
        let mut headers = vec![
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("user-agent", concat!("muster/", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        if channel.kind.is_signed() {
            let timestamp_s = now_ms / 1_000;
            headers.push(("webhook-signature", sign::sign(&channel.secrets, &message_id, timestamp_s, &body)));
            headers.push(("webhook-timestamp", timestamp_s.to_string()));
            headers.push(("webhook-id", message_id));
        }
        let (url, token) = match self.address(now_ms).await {
            Ok(address) => address,
            Err(silence) => return Answered::Again(silence.word(), None),
        };
        let sent = self.transport.send(Request { method: Method::POST, url: &url, headers: &headers, body }, now_ms).await;
        let may_have_arrived = sent.as_ref().err().is_none_or(|silence| silence.may_have_arrived());
        if letter.kind == LetterKind::Call && may_have_arrived {
            self.underway.leave(&letter.call_id, self.index, (letter.position, letter.n));
        }
        let answered = match sent {
            Ok(response) => judge(channel.kind, response.status, &response.body, response.retry_after),
            Err(silence) => Answered::Again(silence.word(), None),
        };
        if answered == Answered::TokenOver {
            self.token.forget(&token).await;
        }
        answered
    }

    /// The channel's address, with what its platform wants in it; and the access token that is in it, empty for none.
    async fn address(&self, now_ms: i64) -> Result<(Uri, String), Silence> {
        let channel = self.channel();
        let mut token = String::new();
        let more = match channel.kind {
            Kind::WecomApp | Kind::DingtalkNotice => {
                token = self.token.get(channel, &self.transport).await?;
                format!("access_token={}", sign::percent(&token))
            }
            Kind::DingtalkRobot => channel.secrets.first().map(|secret| sign::dingtalk_query(secret, now_ms)).unwrap_or_default(),
            _ => return Ok((channel.url.clone(), token)),
        };
        let target = channel.url.path_and_query().map_or("/", |target| target.as_str());
        let join = if target.contains('?') { '&' } else { '?' };
        let mut parts = channel.url.clone().into_parts();
        parts.path_and_query = Some(format!("{target}{join}{more}").parse().map_err(|_| Silence::BadAddress)?);
        Ok((Uri::from_parts(parts).map_err(|_| Silence::BadAddress)?, token))
    }
}
