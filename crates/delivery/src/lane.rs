//! One channel at work: reads the log from its own place, keeps a bounded window, starts tries at the channel's pace, and keeps its place. A lane
//! waits for nobody but its own channel, and leaves whatever touches the disk to threads that may wait for it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

use crate::attempt::{Ended, Trying};
use crate::letter::{LetterKind, MessageId};
use crate::limits;
use crate::service::Resent;
use crate::store::{Dead, DeadLetters, Place, Store};
use crate::window::{Key, Window, backoff};

/// Figures of a channel, and whether it is gone. Counts are since the start.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) waiting: AtomicU64,
    pub(crate) finished: AtomicU64,
    pub(crate) oldest_ms: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) pointless: AtomicU64,
    pub(crate) gone: AtomicBool,
    pub(crate) stopped: AtomicBool,
    pub(crate) last_failure: Mutex<&'static str>,
    /// Moves with every turn of a lane, of whatever channel.
    pub(crate) turns: watch::Sender<()>,
}

impl Gauges {
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    pub(crate) fn count_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_pointless(&self) {
        self.pointless.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_failed(&self, reason: &'static str) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        *self.last_failure.lock() = reason;
    }
}

/// What a person asks of a lane.
pub(crate) enum Order {
    /// Send a dead letter again, from the beginning of its time.
    Resend(Key, oneshot::Sender<Resent>),
    /// The other end is back.
    Enable(oneshot::Sender<()>),
}

/// What the lane has seen of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// All that there is.
    All,
    /// There may be more, and there is room for it.
    Some,
    /// There is no room for more.
    Full,
    /// It could not be read just now.
    Unreadable,
}

/// A lane.
pub(crate) struct Lane {
    trying: Arc<Trying>,
    store: Arc<Store>,
    dead: Arc<DeadLetters>,
    window: Window,
    orders: mpsc::Receiver<Order>,
    /// The digest of the address, under which it is remembered that it is gone.
    address: String,
    next_send: Instant,
    changed: bool,
    kept: Instant,
    /// The last record that the place on the disk has read.
    kept_read: u64,
    /// When the log is read again that could not be read.
    read_at: Instant,
    /// The messages of the tries on their way.
    flights: HashMap<task::Id, Key>,
    /// Given up, and not yet among the dead; in the window until they are. Nothing is sent for them.
    unburied: Vec<(Key, Dead)>,
    /// When they are written again.
    bury_at: Instant,
}

impl Lane {
    pub(crate) fn new(
        trying: Arc<Trying>,
        (store, dead): (Store, Arc<DeadLetters>),
        place: &Place,
        orders: mpsc::Receiver<Order>,
        address: String,
    ) -> Self {
        let now = Instant::now();
        trying.gauges.gone.store(place.gone.as_deref() == Some(address.as_str()), Ordering::Release);
        Self {
            trying,
            store: Arc::new(store),
            dead,
            window: Window::new(place.read, place.unfinished.iter().copied(), now),
            orders,
            address,
            next_send: now,
            changed: false,
            kept: now,
            kept_read: place.read,
            read_at: now,
            flights: HashMap::new(),
            unburied: Vec::new(),
            bury_at: now,
        }
    }

    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self) {
        let mut tries: JoinSet<Ended> = JoinSet::new();
        let desk = Arc::clone(&self.trying.desk);
        let mut stopping = self.trying.stopping.clone();
        let mut log_goes_on = true;
        while !*stopping.borrow() {
            let seen = self.read_on().await;
            self.start(&mut tries).await;
            if self.bury_at <= Instant::now() {
                self.bury().await;
            }
            if self.changed && self.kept.elapsed() >= limits::KEEP_EVERY {
                self.keep().await;
            }
            self.publish();
            let wake = self.wake(&tries, seen);
            tokio::select! {
                biased;
                () = stopped(&mut stopping) => break,
                Some(order) = self.orders.recv() => self.obey(order).await,
                Some(done) = tries.join_next_with_id() => self.settle(done, &mut tries).await,
                more = desk.more_than(self.window.read()), if seen == Seen::All && log_goes_on => log_goes_on = more,
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        let finish = async {
            while let Some(done) = tries.join_next_with_id().await {
                self.settle(done, &mut tries).await;
            }
        };
        // What is still open is tried again after the next start, under the same id.
        let _ = tokio::time::timeout(limits::SHUTDOWN_GRACE, finish).await;
        self.bury().await;
        self.keep().await;
        self.publish();
    }

    /// Takes up a batch of what the log has, as far as there is room.
    async fn read_on(&mut self) -> Seen {
        let (from, now) = (self.window.read() + 1, Instant::now());
        if self.read_at > now {
            return Seen::Unreadable;
        }
        if !self.window.has_room() {
            return Seen::Full;
        }
        if self.trying.desk.end() < from {
            return Seen::All;
        }
        let trying = Arc::clone(&self.trying);
        let read = task::spawn_blocking(move || trying.read(from)).await.unwrap_or_else(|error| Err(error.to_string()));
        let (channel, stopped) = (&self.trying.channel().name, &self.trying.gauges.stopped);
        let batch = match read {
            Ok(batch) => batch,
            Err(error) => {
                if !stopped.swap(true, Ordering::Relaxed) {
                    tracing::error!(channel, error, "the log cannot be read: nothing more is delivered until it can");
                }
                self.read_at = now + limits::DESK_RETRY;
                return Seen::Unreadable;
            }
        };
        if stopped.swap(false, Ordering::Relaxed) {
            tracing::info!(channel, "the log can be read again");
        }
        if batch.is_empty() {
            return Seen::All;
        }
        let (now, now_ms) = (Instant::now(), self.trying.desk.now_ms());
        for (position, letters) in batch {
            // The rest of the batch is read again when there is room.
            if !self.window.has_room() {
                return Seen::Full;
            }
            for n in letters {
                self.window.add((position, n), now_ms, now);
            }
            self.window.advance(position);
            self.changed = true;
        }
        Seen::Some
    }

    async fn start(&mut self, tries: &mut JoinSet<Ended>) {
        let (pace, concurrency) = (self.trying.channel().pace, self.trying.channel().concurrency);
        while tries.len() < concurrency {
            let now = Instant::now();
            let quiet = self.trying.quiet();
            let next = match quiet {
                // Whoever could only be told when it is too late is told by another channel: that asks nothing of the other end.
                Some((quiet, _)) => self.window.start(now, self.trying.hopeless_ms(quiet)),
                None if self.next_send <= now => self.window.start(now, i64::MAX),
                None => None,
            };
            let Some((key, item)) = next else { return };
            // What leaves is known to be on its way after a kill too: somebody may have been told.
            if key.0 > self.kept_read {
                self.keep().await;
            }
            if quiet.is_none() {
                // Lateness is made up for by one message at most, a quiet time by none.
                self.next_send = self.next_send.max(now.checked_sub(pace).unwrap_or(now)) + pace;
            }
            let attempt = Arc::clone(&self.trying).attempt(key, item.first_ms, item.tries, item.broke_off);
            self.flights.insert(tries.spawn(attempt).id(), key);
        }
    }

    /// When there is something to do although nothing happens.
    fn wake(&self, tries: &JoinSet<Ended>, seen: Seen) -> Instant {
        let now = Instant::now();
        let far = now + Duration::from_secs(3_600);
        let read = match seen {
            Seen::Some => now,
            Seen::Unreadable => self.read_at,
            Seen::All | Seen::Full => far,
        };
        let has_slot = tries.len() < self.trying.channel().concurrency;
        let send = match self.trying.quiet() {
            _ if !has_slot => far,
            Some((quiet, _)) => {
                let hopeless = self.window.next_due(self.trying.hopeless_ms(quiet)).unwrap_or(far);
                let others = self.window.next_due(i64::MAX).map_or(far, |due| due.max(now + quiet));
                hopeless.min(others)
            }
            None => self.window.next_due(i64::MAX).map_or(far, |due| due.max(self.next_send)),
        };
        let keep = if self.changed { self.kept + limits::KEEP_EVERY } else { far };
        let bury = if self.unburied.is_empty() { far } else { self.bury_at };
        read.min(send).min(keep).min(bury)
    }

    /// Takes in what has ended, all of it at once: dead letters are written together.
    async fn settle(&mut self, done: Result<(task::Id, Ended), JoinError>, tries: &mut JoinSet<Ended>) {
        let mut next = Some(done);
        let mut is_gone = false;
        while let Some(done) = next {
            is_gone |= self.settle_one(done);
            next = tries.try_join_next_with_id();
        }
        self.changed = true;
        self.bury().await;
        if is_gone {
            self.keep().await;
        }
    }

    /// Takes in one try. Whether the other end wants nothing more.
    fn settle_one(&mut self, done: Result<(task::Id, Ended), JoinError>) -> bool {
        let id = done.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(key) = self.flights.remove(&id) else { return false };
        match done.map(|(_, ended)| ended) {
            Ok(Ended::Over) => self.window.finish(key),
            Ok(Ended::Dead { kind, call_id, reason }) => self.give_up(key, kind, call_id, reason),
            Ok(Ended::Gone { kind, call_id }) => {
                if !self.trying.gauges.gone.swap(true, Ordering::AcqRel) {
                    tracing::error!(
                        channel = self.trying.channel().name,
                        "the other end answers 410 Gone: the channel is off until somebody enables it"
                    );
                }
                self.give_up(key, kind, call_id, "gone");
                return true;
            }
            Ok(Ended::Again { wait, counts }) => self.window.again(key, Instant::now() + wait, counts),
            Err(error) => {
                // What it says could hold anything that was in the message.
                let id = self.id_of(key);
                tracing::error!(%id, is_panic = error.is_panic(), "a try broke off, which is a fault of ours; trying again");
                self.window.break_off(key);
                self.window.again(key, Instant::now() + backoff(&id.to_string(), self.window.tries(key)), true);
            }
        }
        false
    }

    fn id_of(&self, key: Key) -> MessageId {
        MessageId::of(&self.trying.log, key.0, key.1, &self.trying.channel().name)
    }

    fn give_up(&mut self, key: Key, kind: LetterKind, call_id: String, reason: &str) {
        let (id, tries, at_ms) = (self.id_of(key).to_string(), self.window.tries(key), self.trying.desk.now_ms());
        self.unburied.push((key, Dead { id, kind: kind.name().to_owned(), call_id, reason: reason.to_owned(), tries, at_ms }));
    }

    /// Puts what was given up among the dead letters, durable before it is finished. Where that fails it is written again later: it is not sent
    /// again, for the log has it that it failed.
    async fn bury(&mut self) {
        if self.unburied.is_empty() {
            return;
        }
        let (dead, letters) = (Arc::clone(&self.dead), self.unburied.iter().map(|(_, dead)| dead.clone()).collect::<Vec<_>>());
        match on_disk(move || dead.add(&letters)).await {
            Ok(()) => {
                for (key, _) in std::mem::take(&mut self.unburied) {
                    self.window.finish(key);
                }
                self.changed = true;
            }
            Err(error) => {
                let (channel, letters) = (&self.trying.channel().name, self.unburied.len());
                tracing::error!(%error, channel, letters, "dead letters cannot be kept; trying again");
                self.bury_at = Instant::now() + limits::BURY_RETRY;
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        // Whoever asked may be gone.
        match order {
            Order::Resend(key, reply) => drop(reply.send(self.resend(key).await)),
            Order::Enable(reply) => {
                self.trying.gauges.gone.store(false, Ordering::Release);
                *self.trying.quiet.lock() = None;
                self.keep().await;
                let _ = reply.send(());
            }
        }
    }

    async fn resend(&mut self, key: Key) -> Resent {
        let id = self.id_of(key).to_string();
        if !self.dead.has(&id) {
            return Resent::Unknown;
        }
        let was_waiting = self.window.has(key);
        if !was_waiting && !self.window.has_room() {
            return Resent::Later;
        }
        self.window.add(key, self.trying.desk.now_ms(), Instant::now());
        // In the window on the disk before it is no longer among the dead: a kill in between leaves it in both, never in neither.
        if !self.keep().await {
            if !was_waiting {
                self.window.finish(key);
            }
            return Resent::Later;
        }
        let (dead, dead_id) = (Arc::clone(&self.dead), id.clone());
        if let Err(error) = on_disk(move || dead.remove(&dead_id)).await {
            tracing::error!(%error, %id, "a dead letter that is sent again cannot be taken out");
        }
        Resent::OnItsWay
    }

    /// Writes the place. Whether it is on the disk.
    async fn keep(&mut self) -> bool {
        let place = Place {
            log: self.trying.log.id.clone(),
            epoch: self.trying.log.epoch,
            read: self.window.read(),
            gone: self.trying.gauges.is_gone().then(|| self.address.clone()),
            unfinished: self.window.unfinished().collect(),
        };
        self.kept = Instant::now();
        let (store, read) = (Arc::clone(&self.store), place.read);
        match on_disk(move || store.keep(&place)).await {
            Ok(()) => {
                (self.changed, self.kept_read) = (false, read);
                true
            }
            Err(error) => {
                tracing::warn!(%error, channel = self.trying.channel().name, "the channel's place could not be kept");
                false
            }
        }
    }

    fn publish(&self) {
        let gauges = &self.trying.gauges;
        gauges.waiting.store(self.window.len() as u64, Ordering::Relaxed);
        gauges.finished.store(self.window.finished(), Ordering::Relaxed);
        let oldest_ms = self.window.oldest_ms().and_then(|at| u64::try_from(at).ok()).unwrap_or(0);
        gauges.oldest_ms.store(oldest_ms, Ordering::Relaxed);
        gauges.turns.send_replace(());
    }
}

/// Returns when a stop was asked for.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Does what waits for the disk where nothing else waits for it.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
