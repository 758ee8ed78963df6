//! A publisher's life: connect, see to the bucket, get the lease, compare, follow; and after anything unexpected the same
//! again. It must never write without the lease, and never once it is told to end.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_nats::jetstream::Context;
use muster_log::EpochPosition;
use muster_views::{Origin, View, ViewsHandle};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::bucket::{self, BucketError, stream_name, subject};
use super::desk::{Desk, Pending};
use super::key::{MARKER, bucket_name};
use super::lease::Lease;
use super::line::{Arrived, Line, News};
use super::value::at_of;
use super::{KvFence, KvOptions, KvState, KvStatus, LEASES};
use crate::lag::LagClock;
use crate::limits;
use crate::link::{Backoff, Link, LinkOptions};
use crate::stream;
use crate::teller::Teller;

pub(super) async fn run(views: ViewsHandle, view: View, options: KvOptions, status: watch::Sender<KvStatus>, stop: watch::Receiver<bool>) {
    let shared = Shared::new(views.clone(), status);
    let instance = format!("{:016x}{:016x}", random(), random());
    let mut publisher =
        Publisher { views, view, options, instance, shared: &shared, stop, lease: None, readers_bounded: false, backoff: Backoff::new() };
    tokio::select! {
        biased;
        () = publisher.run() => {}
        () = shared.teller.run(|| shared.status()) => {}
    }
    shared.teller.tell(shared.status());
}

fn random() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish()
}

/// What a publisher's parts tell of themselves; the status is made of it.
pub(super) struct Shared {
    views: ViewsHandle,
    teller: Teller<KvStatus>,
    known: Mutex<(KvState, EpochPosition)>,
    lag: Mutex<LagClock>,
    rows: AtomicU64,
    puts: AtomicU64,
    deletes: AtomicU64,
    compared: AtomicU64,
}

impl Shared {
    fn new(views: ViewsHandle, status: watch::Sender<KvStatus>) -> Self {
        Self {
            views,
            teller: Teller::new(status),
            known: Mutex::default(),
            lag: Mutex::default(),
            rows: AtomicU64::new(0),
            puts: AtomicU64::new(0),
            deletes: AtomicU64::new(0),
            compared: AtomicU64::new(0),
        }
    }

    fn set(&self, state: KvState) {
        self.know(|known| known.0 = state);
    }

    /// The bucket's marker says so.
    pub(super) fn is_at(&self, at: EpochPosition) {
        self.know(|known| known.1 = at);
    }

    fn know(&self, change: impl FnOnce(&mut (KvState, EpochPosition))) {
        let mut known = self.known.lock();
        let before = known.clone();
        change(&mut known);
        if *known != before {
            self.teller.note();
        }
    }

    pub(super) fn holds(&self, rows: u64) {
        self.rows.store(rows, Ordering::Relaxed);
    }

    pub(super) fn count_put(&self) {
        self.puts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_delete(&self) {
        self.deletes.fetch_add(1, Ordering::Relaxed);
    }

    fn status(&self) -> KvStatus {
        let (state, at) = self.known.lock().clone();
        let here = self.views.at();
        let end = here.position.plus(self.views.lag().positions);
        // Another epoch's position is no measure of this one's.
        let copied = if at.epoch == here.epoch { at.position } else { muster_log::Position::ZERO };
        let lag = self.lag.lock().sample(Instant::now(), end, copied);
        KvStatus {
            state,
            at,
            lag_positions: end.0.saturating_sub(copied.0),
            lag_ms: u64::try_from(lag.as_millis()).unwrap_or(u64::MAX),
            rows: self.rows.load(Ordering::Relaxed),
            puts: self.puts.load(Ordering::Relaxed),
            deletes: self.deletes.load(Ordering::Relaxed),
            compared: self.compared.load(Ordering::Relaxed),
        }
    }
}

/// Why a turn was given up.
pub(super) enum End {
    Shutdown,
    /// For good: there are no rows any more.
    Dead(String),
    /// Until the bucket is gone.
    Fenced(KvFence),
    /// Until the lease is free.
    Standby,
    /// Until the rows are as far as the bucket, or are made by the present version of the fold; without the lease, for another one may have such.
    Behind(EpochPosition),
    /// The bucket, the lease or the rows are not what they were: look again, on the same connection.
    Changed(String),
    /// With another connection.
    Again(String),
}

impl From<BucketError> for End {
    fn from(error: BucketError) -> Self {
        match error {
            BucketError::Api(error) => error.into(),
            BucketError::Fenced(reason) => Self::Fenced(reason),
        }
    }
}

struct Publisher<'a> {
    views: ViewsHandle,
    view: View,
    options: KvOptions,
    instance: String,
    shared: &'a Shared,
    stop: watch::Receiver<bool>,
    /// Had by the last turn.
    lease: Option<Arc<Lease>>,
    /// Readers' limits were looked at once: what a server or a consumer forbids it forbids again.
    readers_bounded: bool,
    backoff: Backoff,
}

impl Publisher<'_> {
    async fn run(&mut self) {
        let mut link = None;
        loop {
            let wait = match self.turn(&mut link).await {
                End::Shutdown => return self.end("told to end".to_owned()).await,
                End::Dead(reason) => {
                    tracing::warn!(view = %self.view, %reason, "the view is not published any more");
                    return self.end(reason).await;
                }
                End::Fenced(reason) => {
                    let fenced = KvState::Fenced { reason: reason.clone() };
                    if self.shared.known.lock().0 != fenced {
                        tracing::error!(view = %self.view, %reason, "the view is not published: its bucket is not this log's");
                    }
                    self.shared.set(fenced);
                    limits::KV_FENCE_LOOK
                }
                End::Standby => {
                    self.shared.set(KvState::Standby);
                    self.options.lease / limits::KV_LEASE_PARTS
                }
                End::Behind(bucket) => {
                    self.let_go().await;
                    self.shared.set(KvState::Behind { bucket });
                    self.options.lease / limits::KV_LEASE_PARTS
                }
                End::Changed(reason) => {
                    tracing::info!(view = %self.view, %reason, "the bucket is looked at again");
                    self.backoff.next()
                }
                End::Again(reason) => {
                    link = None;
                    tracing::warn!(view = %self.view, %reason, "the view's publisher tries again");
                    self.shared.set(KvState::Unreachable { reason });
                    self.backoff.next()
                }
            };
            // When told to end meanwhile, the next turn ends at once.
            let mut stop = self.stop.clone();
            let _ = tokio::time::timeout(wait, stopped(&mut stop)).await;
        }
    }

    async fn let_go(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release().await;
        }
    }

    async fn end(&mut self, reason: String) {
        self.let_go().await;
        self.shared.set(KvState::Stopped { reason });
    }

    /// From the bucket's being there to whatever goes wrong.
    async fn turn(&mut self, link: &mut Option<Link>) -> End {
        let mut stop = self.stop.clone();
        if link.as_ref().is_none_or(Link::is_lost) {
            let link_options = LinkOptions {
                url: self.options.url.clone(),
                name: format!("muster kv {}", self.view),
                inbox_prefix: self.options.inbox_prefix.clone(),
            };
            let opened = tokio::select! {
                biased;
                () = stopped(&mut stop) => return End::Shutdown,
                opened = Link::open(&link_options) => opened,
            };
            match opened {
                Ok(opened) => *link = Some(opened),
                Err(error) => return End::Again(error.to_string()),
            }
        }
        let Some(link) = link else { return End::Again("no connection".to_owned()) };
        let jetstream = link.jetstream.clone();
        tokio::select! {
            biased;
            () = stopped(&mut stop) => End::Shutdown,
            reason = link.lost() => End::Again(reason),
            end = self.work(&jetstream) => end,
        }
    }

    async fn work(&mut self, jetstream: &Context) -> End {
        match self.prepare(jetstream).await {
            Err(end) => end,
            Ok((origin, lease)) => tokio::select! {
                biased;
                reason = lease.keep() => End::Changed(reason),
                end = self.publish(jetstream, origin) => end,
            },
        }
    }

    /// Sees to the buckets and takes the lease; it goes to others while the rows here are older than the bucket's.
    async fn prepare(&mut self, jetstream: &Context) -> Result<(Origin, Arc<Lease>), End> {
        self.readable().await?;
        let origin = self.views.origin();
        let leases = bucket::leases_config(origin.log, self.options.lease, self.options.replicas);
        let lives = bucket::ensure(jetstream, LEASES, origin.log, leases, !self.readers_bounded).await?;
        let name = bucket_name(self.view);
        let rows = bucket::rows_config(origin.log, self.view, self.options.replicas);
        bucket::ensure(jetstream, &name, origin.log, rows, !self.readers_bounded).await?;
        self.readers_bounded = true;
        let marker = stream::last_of(jetstream, &stream_name(&name), &subject(&name, MARKER)).await?;
        let bucket = marker.and_then(|marker| at_of(Some(&marker.headers))).unwrap_or_default();
        self.shared.is_at(bucket);
        let lease = Lease::take(jetstream, self.view.name(), &self.options.name, &self.instance, lives).await?;
        let lease = Arc::new(lease.ok_or(End::Standby)?);
        self.lease = Some(Arc::clone(&lease));
        self.as_new_as(bucket)?;
        Ok((origin, lease))
    }

    fn as_new_as(&self, bucket: EpochPosition) -> Result<(), End> {
        if self.views.at() >= bucket { Ok(()) } else { Err(End::Behind(bucket)) }
    }

    /// Never comes back but with what went wrong.
    async fn publish(&mut self, jetstream: &Context, origin: Origin) -> End {
        let Err(end) = self.fill_and_follow(jetstream, origin).await;
        end
    }

    async fn fill_and_follow(&mut self, jetstream: &Context, origin: Origin) -> Result<Infallible, End> {
        let held = bucket::read(jetstream, &bucket_name(self.view), self.views.at()).await?;
        self.shared.compared.fetch_add(1, Ordering::Relaxed);
        self.shared.holds(held.rows());
        self.as_new_as(held.at)?;
        let line = Line::open(&self.views, self.view)?;
        let desk = Desk::new(jetstream, self.view, origin.log, self.options.window, self.shared, held);
        self.follow(desk, line, origin).await
    }

    /// Waits until rows can be asked for.
    async fn readable(&self) -> Result<(), End> {
        let mut progress = self.views.progress();
        let waited = progress.wait_for(|now| now.ready || now.stopped.is_some()).await;
        match waited.map(|now| now.stopped.clone()) {
            // Rows that another version of the fold made would be told as of a place that they are not of. Another publisher may have the present ones.
            Ok(None) if self.views.outdated_of(self.view).is_some() => Err(self.outdated()),
            Ok(None) => Ok(()),
            Ok(Some(error)) => Err(End::Dead(error.to_string())),
            Err(_) => Err(End::Dead("the views have ended".to_owned())),
        }
    }

    fn outdated(&self) -> End {
        let (state, bucket) = self.shared.known.lock().clone();
        if state != (KvState::Behind { bucket }) {
            tracing::info!(view = %self.view, "the view is published once the present version of its fold has made it");
        }
        End::Behind(bucket)
    }

    /// The rows are still those of the log that the bucket was looked at for.
    fn still(&self, origin: Origin) -> Result<(), End> {
        if self.views.origin() == origin { Ok(()) } else { Err(End::Changed("the rows are of another log or epoch now".to_owned())) }
    }

    /// Writes the rows and then what changes. Several changes of a row that come in while one is written are written as one.
    async fn follow(&mut self, mut desk: Desk<'_>, mut line: Line, origin: Origin) -> Result<Infallible, End> {
        let mut progress = self.views.progress();
        let mut heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + self.options.heartbeat, self.options.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pending = Pending::default();
        let mut arrived = None;
        loop {
            progress.mark_unchanged();
            let news = match arrived.take() {
                Some(arrived) => arrived,
                None => line.now().await,
            };
            match news {
                Arrived::Over => return Err(End::Dead("the views have stopped".to_owned())),
                Arrived::News(News::Anew) => {
                    self.still(origin)?;
                    self.shared.set(KvState::Filling);
                    pending = Pending::default();
                    desk.begin();
                    continue;
                }
                Arrived::News(News::Rows { rows, at, last }) => {
                    self.still(origin)?;
                    desk.write(&mut pending).await?;
                    desk.fill(rows, at, last).await?;
                    if last {
                        self.backoff.reset();
                        self.shared.set(KvState::Live);
                    }
                    continue;
                }
                Arrived::News(News::Changes(batch)) => {
                    pending.take(batch);
                    if pending.len() < limits::KV_PENDING_ROWS_MAX {
                        continue;
                    }
                }
                Arrived::Nothing(at) => pending.reach(at),
            }
            desk.write(&mut pending).await?;
            arrived = tokio::select! {
                news = line.next() => Some(news),
                moved = progress.changed() => moved.map(|()| None).map_err(|_| End::Dead("the views have ended".to_owned()))?,
                _ = heartbeat.tick() => desk.beat().await.map(|()| None)?,
            };
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Fails only when the handle is gone, which means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}
