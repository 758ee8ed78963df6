//! The relay's life: connect, ask the stream where it stands, publish, and after anything unexpected the same again.
//!
//! It must never publish before the stream was compared, and never again once it is fenced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_nats::jetstream::Context;
use muster_log::{Log, Position, ReadError};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::judge::{Damage, Own, Verdict, judge};
use super::pump::{Pump, PumpEnd};
use super::{FenceReason, RelayOptions, RelayState, RelayStatus};
use crate::headers::message_id;
use crate::lag::LagClock;
use crate::limits;
use crate::link::{Backoff, Link, LinkOptions};
use crate::stream::{self, ApiError, StreamOwner, stream_config};
use crate::teller::Teller;

/// How often one look at the stream may find it changed under its hands before it waits a little.
const LOOKS_MAX: u32 = 4;

pub(crate) async fn run(log: Arc<dyn Log>, options: RelayOptions, status: watch::Sender<RelayStatus>, stop: watch::Receiver<bool>) {
    let shared = Shared::new(Arc::clone(&log), status);
    let mut worker = Worker { log, options, shared: &shared, stop, backoff: Backoff::new(), readers_bounded: false };
    tokio::select! {
        biased;
        () = worker.run() => {}
        () = shared.teller.run(|| shared.status()) => {}
    }
    shared.teller.tell(shared.status());
}

/// What the relay's parts tell of themselves; the status is made of it.
pub(crate) struct Shared {
    log: Arc<dyn Log>,
    teller: Teller<RelayStatus>,
    state: Mutex<RelayState>,
    lag: Mutex<LagClock>,
    relayed: AtomicU64,
    published: AtomicU64,
    remade: AtomicU64,
    refused: AtomicU64,
}

impl Shared {
    fn new(log: Arc<dyn Log>, status: watch::Sender<RelayStatus>) -> Self {
        Self {
            log,
            teller: Teller::new(status),
            state: Mutex::default(),
            lag: Mutex::default(),
            relayed: AtomicU64::new(0),
            published: AtomicU64::new(0),
            remade: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    fn set(&self, state: RelayState) {
        let mut known = self.state.lock();
        if *known != state {
            *known = state;
            self.teller.note();
        }
    }

    /// The stream was asked: it ends at `position`.
    fn stands_at(&self, position: Position) {
        self.relayed.store(position.0, Ordering::Release);
        self.teller.note();
    }

    /// The stream acknowledged everything up to `position`.
    pub(crate) fn relayed_to(&self, position: Position, durable: Position) {
        let before = self.relayed.swap(position.0, Ordering::AcqRel);
        self.published.fetch_add(position.0.saturating_sub(before), Ordering::Relaxed);
        if position >= durable {
            self.set(RelayState::Live);
            self.teller.note();
        } else if durable.0 - position.0 > limits::LIVE_LAG_MAX {
            self.set(RelayState::CatchingUp);
        }
    }

    fn status(&self) -> RelayStatus {
        let relayed = Position(self.relayed.load(Ordering::Acquire));
        let durable = self.log.watermark();
        let lag = self.lag.lock().sample(Instant::now(), durable, relayed);
        RelayStatus {
            state: self.state.lock().clone(),
            relayed,
            durable,
            lag_positions: durable.0.saturating_sub(relayed.0),
            lag_ms: u64::try_from(lag.as_millis()).unwrap_or(u64::MAX),
            published: self.published.load(Ordering::Relaxed),
            remade: self.remade.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

/// Why a connection, or a look at the stream, was given up.
enum End {
    Shutdown,
    /// For good.
    Fenced(FenceReason),
    /// For good: the log is of no more use.
    Dead(String),
    /// Until the next try.
    Again(String),
}

impl From<ApiError> for End {
    fn from(error: ApiError) -> Self {
        Self::Again(error.to_string())
    }
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Store { .. } => Self::Again(error.to_string()),
            _ => Self::Dead(error.to_string()),
        }
    }
}

struct Worker<'a> {
    log: Arc<dyn Log>,
    options: RelayOptions,
    shared: &'a Shared,
    stop: watch::Receiver<bool>,
    backoff: Backoff,
    /// The stream was looked at for the limits of its readers, once.
    readers_bounded: bool,
}

impl Worker<'_> {
    async fn run(&mut self) {
        loop {
            match self.connection().await {
                End::Shutdown => return self.shared.set(RelayState::Stopped { reason: "told to end".to_owned() }),
                End::Fenced(reason) => {
                    tracing::error!(stream = %self.options.stream, %reason, "the relay is fenced: it publishes nothing until it is started again");
                    self.shared.set(RelayState::Fenced { reason });
                    return self.stopped().await;
                }
                End::Dead(reason) => {
                    tracing::error!(%reason, "the relay has ended");
                    return self.shared.set(RelayState::Stopped { reason });
                }
                End::Again(reason) => {
                    tracing::warn!(%reason, "the relay tries again");
                    self.shared.set(RelayState::Unreachable { reason });
                }
            }
            if self.pause().await {
                return self.shared.set(RelayState::Stopped { reason: "told to end".to_owned() });
            }
        }
    }

    /// Waits before another try; true when told to end meanwhile.
    async fn pause(&mut self) -> bool {
        let wait = self.backoff.next();
        tokio::select! {
            () = self.stopped() => true,
            () = tokio::time::sleep(wait) => false,
        }
    }

    async fn stopped(&self) {
        // Fails only when the handle is gone, which means the same.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }

    /// One connection, for as long as it lasts.
    async fn connection(&mut self) -> End {
        let link_options =
            LinkOptions { url: self.options.url.clone(), name: "muster relay".to_owned(), inbox_prefix: self.options.inbox_prefix.clone() };
        let opened = tokio::select! {
            () = self.stopped() => return End::Shutdown,
            opened = Link::open(&link_options) => opened,
        };
        let mut link = match opened {
            Ok(link) => link,
            Err(error) => return End::Again(error.to_string()),
        };
        loop {
            self.shared.set(RelayState::Connecting);
            if let Err(end) = self.stint(&mut link, &link_options).await {
                return end;
            }
            if self.pause().await {
                return End::Shutdown;
            }
        }
    }

    /// Looks where the stream stands and publishes from there. Comes back when the stream refused a message and the
    /// connection still holds.
    async fn stint(&mut self, link: &mut Link, link_options: &LinkOptions) -> Result<(), End> {
        let jetstream = link.jetstream.clone();
        let relayed = tokio::select! {
            () = self.stopped() => return Err(End::Shutdown),
            reason = link.lost() => return Err(End::Again(reason)),
            aligned = self.align(&jetstream) => aligned?,
        };
        if !std::mem::replace(&mut self.readers_bounded, true)
            && let Some(found) = stream::info(&jetstream, &self.options.stream).await?
        {
            stream::bound_readers(&jetstream, &found.config, limits::STREAM_READER_INACTIVE).await;
        }
        self.shared.stands_at(relayed);
        let caught_up = relayed >= self.log.watermark();
        self.shared.set(if caught_up { RelayState::Live } else { RelayState::CatchingUp });

        let opened = Pump::new(link, link_options, &self.log, &self.options, self.shared, relayed).await;
        let mut pump = opened.map_err(|error| End::Again(error.to_string()))?;
        let end = pump.run(&mut self.stop).await;
        pump.drain().await;
        drop(pump);
        if self.shared.relayed.load(Ordering::Acquire) > relayed.0 {
            self.backoff.reset();
        }
        match end {
            PumpEnd::Shutdown => Err(End::Shutdown),
            PumpEnd::Refused(reason) => {
                tracing::info!(%reason, "the stream refused a message; it is asked where it stands");
                self.shared.refused.fetch_add(1, Ordering::Relaxed);
                if link.is_lost() { Err(End::Again(reason)) } else { Ok(()) }
            }
            PumpEnd::Changed => Ok(()),
            PumpEnd::Lost(_) | PumpEnd::Silent(_) => Err(End::Again(end.to_string())),
            PumpEnd::Log(error) => Err(error.into()),
            PumpEnd::Record { .. } | PumpEnd::Misplaced { .. } => Err(End::Dead(end.to_string())),
        }
    }

    /// Brings stream and log together: the position up to which the stream holds this log's records.
    async fn align(&self, jetstream: &Context) -> Result<Position, End> {
        let owner = StreamOwner::of(self.log.as_ref());
        let mut unreadable = false;
        for _ in 0..LOOKS_MAX {
            let facts = stream::inspect(jetstream, &self.options.stream).await?;
            match judge(facts.as_ref(), &Own::now(self.log.as_ref(), &self.options)) {
                Verdict::Make => self.make(jetstream, owner).await?,
                Verdict::Remake(damage) => self.remake(jetstream, owner, damage).await?,
                Verdict::Begin => return Ok(Position(self.options.first.0 - 1)),
                Verdict::Fence(reason) => return Err(End::Fenced(reason)),
                Verdict::Compare(last) => match self.compare(jetstream, owner, last).await? {
                    Some(true) => return Ok(last),
                    Some(false) => return Err(End::Fenced(FenceReason::Different { position: last })),
                    None if unreadable => self.remake(jetstream, owner, Damage::LastUnreadable).await?,
                    None => unreadable = true,
                },
            }
        }
        Err(End::Again("the stream changes while it is looked at".to_owned()))
    }

    async fn make(&self, jetstream: &Context, owner: StreamOwner) -> Result<(), End> {
        tracing::info!(stream = %self.options.stream, first = %self.options.first, "making the stream");
        let config = stream_config(&self.options.stream, owner, self.options.first, self.options.replicas);
        Ok(stream::create(jetstream, config).await?)
    }

    async fn remake(&self, jetstream: &Context, owner: StreamOwner, damage: Damage) -> Result<(), End> {
        tracing::warn!(stream = %self.options.stream, %damage, "the stream is no whole copy of the log and is made anew");
        stream::remove(jetstream, &self.options.stream).await?;
        self.shared.remade.fetch_add(1, Ordering::Relaxed);
        self.make(jetstream, owner).await
    }

    /// Whether the stream's message is our record, byte for byte and by its id; none if the message cannot be had.
    async fn compare(&self, jetstream: &Context, owner: StreamOwner, position: Position) -> Result<Option<bool>, End> {
        let Some(message) = stream::message_at(jetstream, &self.options.stream, position.0).await? else { return Ok(None) };
        let record = self.log.read_one(position)?;
        let id = message_id(owner.log, owner.epoch, position, &record.bytes);
        let found = message.headers.get(async_nats::header::NATS_MESSAGE_ID).map(async_nats::HeaderValue::as_str);
        Ok(Some(message.payload == record.bytes && found == Some(id.as_str())))
    }
}
