//! One channel at work: reads the log from its own place, keeps a bounded window, starts tries at the channel's pace, and keeps its place. A lane
//! waits for nobody but its own channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::attempt::{Ended, Trying};
use crate::letter::MessageId;
use crate::limits;
use crate::store::{Dead, DeadLetters, Place, Store};
use crate::window::{Key, Window};

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
    /// Send a dead letter again, from the beginning of its time; whether it was among them.
    Resend(Key, oneshot::Sender<bool>),
    /// The other end is back.
    Enable(oneshot::Sender<()>),
}

/// A lane.
pub(crate) struct Lane {
    pub(crate) trying: Arc<Trying>,
    pub(crate) store: Store,
    pub(crate) dead: Arc<Mutex<DeadLetters>>,
    pub(crate) window: Window,
    pub(crate) orders: mpsc::Receiver<Order>,
    /// The digest of the address, under which it is remembered that it is gone.
    pub(crate) address: String,
    next_send: Instant,
    changed: bool,
    kept: Instant,
    /// The last record that the place on the disk has read.
    kept_read: u64,
}

impl Lane {
    pub(crate) fn new(
        trying: Arc<Trying>,
        (store, dead): (Store, Arc<Mutex<DeadLetters>>),
        place: &Place,
        orders: mpsc::Receiver<Order>,
        address: String,
    ) -> Self {
        let now = Instant::now();
        trying.gauges.gone.store(place.gone.as_deref() == Some(address.as_str()), Ordering::Release);
        let window = Window::new(place.read, place.unfinished.iter().copied(), now);
        Self { trying, store, dead, window, orders, address, next_send: now, changed: false, kept: now, kept_read: place.read }
    }

    /// Runs until it is told to stop, or until the log has stopped and everything is finished.
    pub(crate) async fn run(mut self) {
        let mut tries: JoinSet<(Key, Ended)> = JoinSet::new();
        let desk = Arc::clone(&self.trying.desk);
        let mut stopping = self.trying.stopping.clone();
        let mut log_goes_on = true;
        while !*stopping.borrow() {
            let waits_for_log = self.read_on() && log_goes_on;
            self.start(&mut tries);
            self.keep_at_times();
            self.publish();
            let wake = self.wake(&tries);
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => break,
                Some(order) = self.orders.recv() => self.obey(order),
                Some(done) = tries.join_next() => self.settle(done),
                more = desk.more_than(self.window.read()), if waits_for_log => log_goes_on = more,
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        let finish = async {
            while let Some(done) = tries.join_next().await {
                self.settle(done);
            }
        };
        // What is still open is tried again after the next start, under the same id.
        let _ = tokio::time::timeout(limits::SHUTDOWN_GRACE, finish).await;
        self.keep();
        self.publish();
    }

    /// Takes up what the log has, as far as there is room. Whether the lane has seen all of it and has room for more.
    fn read_on(&mut self) -> bool {
        while self.window.has_room() {
            let batch = match self.trying.desk.read(self.window.read() + 1) {
                Ok(batch) => batch,
                Err(error) => {
                    if !self.trying.gauges.stopped.swap(true, Ordering::Relaxed) {
                        tracing::error!(channel = self.trying.channel().name, error, "the log cannot be read; nothing more is delivered");
                    }
                    return false;
                }
            };
            if batch.is_empty() {
                return true;
            }
            let (now, now_ms) = (Instant::now(), self.trying.desk.now_ms());
            for record in batch {
                // The rest of the batch is read again when there is room.
                if !self.window.has_room() {
                    break;
                }
                for letter in self.trying.routes.letters(self.trying.index, &record.bytes) {
                    self.window.add((letter.position, letter.n), now_ms, now);
                }
                self.window.advance(record.position);
                self.changed = true;
            }
        }
        false
    }

    fn start(&mut self, tries: &mut JoinSet<(Key, Ended)>) {
        let now = Instant::now();
        let (pace, concurrency) = (self.trying.channel().pace, self.trying.channel().concurrency);
        while tries.len() < concurrency && self.next_send <= now {
            let Some((key, item)) = self.window.start(now) else { return };
            // What leaves is known to be on its way after a kill too: somebody may have been told.
            if key.0 > self.kept_read {
                self.keep();
            }
            // Lateness is made up for by one message at most, a quiet time by none.
            self.next_send = self.next_send.max(now.checked_sub(pace).unwrap_or(now)) + pace;
            let trying = Arc::clone(&self.trying);
            tries.spawn(async move { (key, trying.attempt(key, item.first_ms, item.tries).await) });
        }
    }

    /// When there is something to do although nothing happens.
    fn wake(&self, tries: &JoinSet<(Key, Ended)>) -> Instant {
        let far = Instant::now() + Duration::from_secs(3_600);
        let has_slot = tries.len() < self.trying.channel().concurrency;
        let send = self.window.next_due().filter(|_| has_slot).map_or(far, |due| due.max(self.next_send));
        let keep = if self.changed { self.kept + limits::KEEP_EVERY } else { far };
        send.min(keep)
    }

    fn settle(&mut self, done: Result<(Key, Ended), tokio::task::JoinError>) {
        let (key, ended) = match done {
            Ok(done) => done,
            Err(error) => {
                // Its message stays marked as flying and is tried again after the next start; a panic is a fault of ours.
                tracing::error!(%error, "a try broke off");
                return;
            }
        };
        self.changed = true;
        match ended {
            Ended::Over => self.window.finish(key),
            Ended::Dead { kind, call_id, reason } => self.bury(key, kind.name(), call_id, reason),
            Ended::Gone { kind, call_id } => {
                if !self.trying.gauges.gone.swap(true, Ordering::AcqRel) {
                    tracing::error!(
                        channel = self.trying.channel().name,
                        "the other end answers 410 Gone: the channel is off until somebody enables it"
                    );
                }
                self.bury(key, kind.name(), call_id, "gone");
                self.keep();
            }
            Ended::Again { wait, counts, all } => {
                let due = Instant::now() + wait;
                self.window.again(key, due, counts);
                if all {
                    self.next_send = self.next_send.max(due);
                }
            }
        }
    }

    /// Puts a message among the dead letters, durable before it is finished.
    fn bury(&mut self, key: Key, kind: &str, call_id: String, reason: &str) {
        let tries = self.window.unfinished().find(|(other, _, _)| *other == key).map_or(0, |(_, _, tries)| tries);
        let id = MessageId::of(&self.trying.log, key.0, key.1, &self.trying.channel().name);
        let at_ms = self.trying.desk.now_ms();
        let dead = Dead { id: id.to_string(), kind: kind.to_owned(), call_id, reason: reason.to_owned(), tries, at_ms };
        match self.dead.lock().add(dead) {
            Ok(()) => self.window.finish(key),
            Err(error) => {
                tracing::error!(%error, %id, "a dead letter cannot be kept; trying again");
                self.window.again(key, Instant::now() + limits::BACKOFF_MAX, false);
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Resend(key, reply) => {
                let id = MessageId::of(&self.trying.log, key.0, key.1, &self.trying.channel().name).to_string();
                let was_there = self.dead.lock().all().any(|dead| dead.id == id);
                if was_there {
                    self.window.add(key, self.trying.desk.now_ms(), Instant::now());
                    // In the window before it is no longer among the dead: a kill in between leaves it in both, never in neither.
                    self.keep();
                    if let Err(error) = self.dead.lock().remove(&id) {
                        tracing::error!(%error, %id, "a dead letter that is sent again cannot be taken out");
                    }
                }
                // Whoever asked may be gone.
                let _ = reply.send(was_there);
            }
            Order::Enable(reply) => {
                self.trying.gauges.gone.store(false, Ordering::Release);
                self.keep();
                let _ = reply.send(());
            }
        }
    }

    fn keep_at_times(&mut self) {
        if self.changed && self.kept.elapsed() >= limits::KEEP_EVERY {
            self.keep();
        }
    }

    fn keep(&mut self) {
        let place = Place {
            log: self.trying.log.id.clone(),
            epoch: self.trying.log.epoch,
            read: self.window.read(),
            gone: self.trying.gauges.is_gone().then(|| self.address.clone()),
            unfinished: self.window.unfinished().collect(),
        };
        self.kept = Instant::now();
        match self.store.keep(&place) {
            Ok(()) => (self.changed, self.kept_read) = (false, place.read),
            Err(error) => tracing::warn!(%error, channel = self.trying.channel().name, "the channel's place could not be kept"),
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
