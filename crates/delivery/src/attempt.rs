//! One try of one message: what it tells now, the request, and what is taken down of it. It must never keep what it told.

use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, Uri};
use muster_proto::v1::DeliveryOutcome;
use tokio::sync::watch;

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
    /// To be tried again. With `all` every message of the channel waits.
    Again { wait: Duration, counts: bool, all: bool },
}

const LATER: Ended = Ended::Again { wait: limits::DESK_RETRY, counts: false, all: false };

impl Trying {
    pub(crate) fn channel(&self) -> &Channel {
        &self.routes.channels()[self.index]
    }

    /// What was in the window before a restart may have been sent by then.
    pub(crate) fn remember(&self, keys: impl Iterator<Item = Key>) {
        for (position, n) in keys {
            // What cannot be read now is said again when it is tried.
            let letters = self.desk.read_one(position).map(|record| self.routes.letters(self.index, &record)).unwrap_or_default();
            if let Some(letter) = letters.into_iter().find(|letter| letter.n == n && letter.kind == LetterKind::Call) {
                self.underway.leave(&letter.call_id, self.index, (position, n));
            }
        }
    }

    /// Tries once. Everything that the log is to know of it is durable when this returns something other than `Again`.
    pub(crate) async fn attempt(&self, key: Key, first_ms: i64, tries: u32) -> Ended {
        let (position, n) = key;
        let record = match self.desk.read_one(position) {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(channel = self.channel().name, position, error, "the record of a message cannot be read; trying again");
                return LATER;
            }
        };
        // A channel that serves something else since the restart has nothing to do with it any more.
        let Some(letter) = self.routes.letters(self.index, &record).into_iter().find(|letter| letter.n == n) else { return Ended::Over };
        let id = MessageId::of(&self.log, position, n, &self.channel().name);
        if letter.kind == LetterKind::Unserved {
            return if self.record(&letter, &id, DeliveryOutcome::Failed, "unserved").await { Ended::Over } else { LATER };
        }
        if letter.kind != LetterKind::Call {
            return self.tell(&letter, &id, first_ms, tries).await;
        }
        self.underway.begin(&letter.call_id, self.index, key);
        let ended = self.tell(&letter, &id, first_ms, tries).await;
        self.underway.end(&letter.call_id, self.index, key, !matches!(ended, Ended::Again { .. }));
        ended
    }

    async fn tell(&self, letter: &Letter, id: &MessageId, first_ms: i64, tries: u32) -> Ended {
        if self.gauges.is_gone() {
            return self.give_up(letter, id, "channel_gone").await;
        }
        let known = if letter.kind == LetterKind::Released { self.underway.known(&letter.call_id) } else { Known::default() };
        if known.is_flying {
            return LATER;
        }
        let facts = match self.desk.facts(letter, id, self.channel(), known.may_be_told).await {
            // Another channel may need less of what cannot be looked up.
            Err(_) if self.left(first_ms).is_zero() => return self.give_up(letter, id, "not_readable").await,
            Err(_) => return LATER,
            Ok(Told::Sent) => return self.pointless(),
            Ok(Told::Pointless(_)) => {
                // Nobody will answer for it any more, and somebody may have it: the log must know, or its release is told to nobody.
                let unknown =
                    letter.kind == LetterKind::Call && self.underway.has_left(&letter.call_id, self.index, (letter.position, letter.n));
                if unknown && !self.record(letter, id, DeliveryOutcome::Failed, "unanswered").await {
                    return LATER;
                }
                return self.pointless();
            }
            Ok(Told::Impossible(reason)) => return self.give_up(letter, id, reason).await,
            Ok(Told::Send(facts)) => facts,
        };
        let answered = self.send(letter, id, &facts).await;
        drop(facts);
        self.follow_up(letter, id, answered, first_ms, tries).await
    }

    fn pointless(&self) -> Ended {
        self.gauges.count_pointless();
        Ended::Over
    }

    /// How long a message may still be tried.
    fn left(&self, first_ms: i64) -> Duration {
        let waited = Duration::from_millis(u64::try_from(self.desk.now_ms() - first_ms).unwrap_or(0));
        self.channel().give_up.saturating_sub(waited)
    }

    async fn follow_up(&self, letter: &Letter, id: &MessageId, answered: Answered, first_ms: i64, tries: u32) -> Ended {
        let left = self.left(first_ms);
        match answered {
            Answered::Taken(reference) => {
                self.gauges.count_sent();
                tracing::debug!(%id, tries, reference, "a message was sent");
                if self.record(letter, id, DeliveryOutcome::Sent, &reference).await { Ended::Over } else { LATER }
            }
            Answered::Again(reason, asked) => {
                self.gauges.count_failed(reason);
                let wait = backoff(&id.to_string(), tries).max(asked.unwrap_or_default());
                tracing::debug!(%id, tries, reason, ?wait, "a message was not taken");
                // Whoever could only be told after the time is over is told by another channel at once.
                if wait >= left {
                    self.give_up(letter, id, reason).await
                } else {
                    Ended::Again { wait, counts: true, all: asked.is_some() }
                }
            }
            Answered::TokenOver => {
                self.gauges.count_failed("token_over");
                self.token.forget().await;
                if left.is_zero() {
                    self.give_up(letter, id, "token_over").await
                } else {
                    Ended::Again { wait: backoff(&id.to_string(), tries), counts: true, all: false }
                }
            }
            Answered::Refused(reason) => {
                self.gauges.count_failed(reason);
                self.give_up(letter, id, reason).await
            }
            Answered::Gone => {
                self.gauges.count_failed("gone");
                match self.give_up(letter, id, "gone").await {
                    Ended::Dead { kind, call_id, .. } => Ended::Gone { kind, call_id },
                    later => later,
                }
            }
        }
    }

    async fn give_up(&self, letter: &Letter, id: &MessageId, reason: &'static str) -> Ended {
        if !self.record(letter, id, DeliveryOutcome::Failed, reason).await {
            return LATER;
        }
        tracing::warn!(%id, reason, "a message was given up; it is among the dead letters");
        Ended::Dead { kind: letter.kind, call_id: letter.call_id.clone(), reason }
    }

    /// Takes down what became of the message where the domain waits for it. Whether it is durable: not when a stop was asked for before.
    async fn record(&self, letter: &Letter, id: &MessageId, outcome: DeliveryOutcome, note: &str) -> bool {
        let Some(channel) = letter.reach else { return true };
        if outcome == DeliveryOutcome::Failed {
            tracing::debug!(%id, note, "a message has failed");
        }
        let report = Report { id: id.clone(), call_id: letter.call_id.clone(), channel, outcome, reference: id.to_string(), at_ms: 0 };
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
        let url = match self.address(now_ms).await {
            Ok(url) => url,
            Err(silence) => return Answered::Again(silence.word(), None),
        };
        let sent = self.transport.send(Request { method: Method::POST, url: &url, headers: &headers, body }, now_ms).await;
        let may_have_arrived = sent.as_ref().err().is_none_or(|silence| silence.may_have_arrived());
        if letter.kind == LetterKind::Call && may_have_arrived {
            self.underway.leave(&letter.call_id, self.index, (letter.position, letter.n));
        }
        match sent {
            Ok(response) => judge(channel.kind, response.status, &response.body, response.retry_after),
            Err(silence) => Answered::Again(silence.word(), None),
        }
    }

    /// The channel's address, with what its platform wants in it.
    async fn address(&self, now_ms: i64) -> Result<Uri, Silence> {
        let channel = self.channel();
        let more = match channel.kind {
            Kind::WecomApp | Kind::DingtalkNotice => {
                format!("access_token={}", sign::percent(&self.token.get(channel, &self.transport).await?))
            }
            Kind::DingtalkRobot => channel.secrets.first().map(|secret| sign::dingtalk_query(secret, now_ms)).unwrap_or_default(),
            _ => return Ok(channel.url.clone()),
        };
        let target = channel.url.path_and_query().map_or("/", |target| target.as_str());
        let join = if target.contains('?') { '&' } else { '?' };
        let mut parts = channel.url.clone().into_parts();
        parts.path_and_query = Some(format!("{target}{join}{more}").parse().map_err(|_| Silence::BadAddress)?);
        Uri::from_parts(parts).map_err(|_| Silence::BadAddress)
    }
}
