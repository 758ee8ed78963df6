//! The live views in NATS KV: one bucket a view, kept in step with the rows, for any NATS client in any language.
//!
//! Owns the buckets, their keys and values, the lease that says who writes, and the task of each view that does it. It only
//! reads the views: no fold waits for it. It must never write to a bucket of another log, never replace what is newer, and
//! never claim that a bucket is complete while it is not. How keys are made is in `key`, what a bucket must be in `bucket`, who
//! writes in `lease`, how rows come in `line`, how they are compared and put in `desk`, and a publisher's life in `publisher`.
//!
//! # What holds for whoever watches
//! - The value of a key is the row as HTTP shows it, and `at`, the `epoch.position` as of which it is so.
//! - [`MARKER`] says up to where the bucket is in step, and whether it is complete: then every row as of its `at` is there, and
//!   no other. It is written again at least every [`limits::KV_HEARTBEAT`], so that silence can be told from staleness.
//! - Rows may be ahead of the marker, never behind it. A row that moves in the tree has its new key before the old one goes.
//!
//! # Why nothing older ever replaces anything newer
//! Whoever publishes holds the view's lease, and begins only once its own rows are at least as far as whatever the bucket
//! holds. Each write names the revision that it replaces; where another's write came in between it is refused, and the
//! whole bucket is read and compared again. A bucket keeps one message a key, so that the stream's last sequence and its
//! number of messages give away anything that somebody else wrote, deleted, purged or cut off.

mod bucket;
mod desk;
mod held;
mod key;
mod lease;
mod line;
mod publisher;
mod read;
mod value;

use std::time::Duration;

use muster_log::{EpochPosition, LogId};
use muster_views::{View, ViewsHandle};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::limits;

pub use key::{MARKER, area_keys, bucket_name, row_key};
pub use read::{Bucket, ReadBucketError, read_bucket};
pub use value::{AT_HEADER, Marker};

/// The bucket with one key a view: who publishes it. What is in it goes by itself when it is not renewed.
pub const LEASES: &str = "muster_lease";

/// How to publish. Use [`KvOptions::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct KvOptions {
    /// Address of the server, or several separated by commas; `nats://user:password@host:port`, `tls://…`.
    pub url: String,
    /// Who publishes, for people: it stands in the lease.
    pub name: String,
    /// Writes under way at the same time, at least 1.
    pub window: usize,
    /// How often the marker is written and the bucket looked at while nothing changes.
    pub heartbeat: Duration,
    /// How long a lease holds that is not renewed. What the bucket of the leases says, where it is there already, goes first.
    pub lease: Duration,
    /// Replicas of a bucket that is made.
    pub replicas: usize,
    /// What the connection's inboxes begin with, where the account's rights ask for it; `_INBOX` if none.
    pub inbox_prefix: Option<String>,
}

impl KvOptions {
    /// Publishes to the server at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            name: name.into(),
            window: limits::KV_WINDOW,
            heartbeat: limits::KV_HEARTBEAT,
            lease: limits::KV_LEASE,
            replicas: 1,
            inbox_prefix: None,
        }
    }
}

/// Why a publisher keeps away from a bucket. It looks again from time to time: once the bucket is gone, it makes its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvFence {
    /// The bucket does not say which log it is of.
    #[error("the bucket {bucket} does not say that it belongs to a Muster log")]
    NotOurs {
        /// The bucket.
        bucket: String,
    },
    /// The bucket is another log's.
    #[error("the bucket {bucket} belongs to log {found}, this is log {own}")]
    OtherLog {
        /// The bucket.
        bucket: String,
        /// The bucket's log.
        found: LogId,
        /// Our log.
        own: LogId,
    },
}

/// What a view's publisher is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KvState {
    /// It connects, or looks for bucket and lease.
    #[default]
    Connecting,
    /// Another one publishes; this one takes over when that one is gone.
    Standby,
    /// The bucket holds what is newer than the rows here, or these are of another version of the fold: it waits until they are as far.
    Behind {
        /// Where the bucket is.
        bucket: EpochPosition,
    },
    /// It compares the bucket with the rows and puts what differs.
    Filling,
    /// The bucket is complete and in step, or will be in a moment.
    Live,
    /// There is no server, no JetStream, or no answer. It goes on trying.
    Unreachable {
        /// What was last tried, and why it failed.
        reason: String,
    },
    /// It keeps away from a bucket that is not this log's: a person must look.
    Fenced {
        /// Why.
        reason: KvFence,
    },
    /// It has ended: it was told to, or the views have stopped.
    Stopped {
        /// Why.
        reason: String,
    },
}

impl KvState {
    /// Every word of [`KvState::name`].
    pub const NAMES: [&str; 8] = ["connecting", "standby", "behind", "filling", "live", "unreachable", "fenced", "stopped"];

    /// A short stable word for health, metrics and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Standby => "standby",
            Self::Behind { .. } => "behind",
            Self::Filling => "filling",
            Self::Live => "live",
            Self::Unreachable { .. } => "unreachable",
            Self::Fenced { .. } => "fenced",
            Self::Stopped { .. } => "stopped",
        }
    }

    /// Why it is not publishing; none while it is, or while another one does.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Connecting | Self::Standby | Self::Filling | Self::Live => None,
            Self::Behind { bucket } => Some(format!("the bucket is at {bucket}, the rows are not that far yet")),
            Self::Unreachable { reason } | Self::Stopped { reason } => Some(reason.clone()),
            Self::Fenced { reason } => Some(reason.to_string()),
        }
    }
}

/// How far a view's bucket is, as its publisher knows; also of one who stands by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvStatus {
    /// What the publisher is doing.
    pub state: KvState,
    /// The bucket's marker: everything up to here is in it. 0 before the bucket was looked at.
    pub at: EpochPosition,
    /// Records of the views' source that are not in the bucket yet.
    pub lag_positions: u64,
    /// For how long the oldest of them has been known, in milliseconds of the monotonic clock.
    pub lag_ms: u64,
    /// Rows in the bucket.
    pub rows: u64,
    /// Rows that this publisher put.
    pub puts: u64,
    /// Keys that it deleted.
    pub deletes: u64,
    /// How often it read the whole bucket and compared it with the rows.
    pub compared: u64,
}

impl KvStatus {
    /// [`KvStatus::lag_ms`] in seconds.
    #[must_use]
    pub fn lag_seconds(&self) -> f64 {
        Duration::from_millis(self.lag_ms).as_secs_f64()
    }

    /// Whether this one publishes and the bucket has everything up to a place.
    #[must_use]
    pub fn is_live_at(&self, at: EpochPosition) -> bool {
        self.state == KvState::Live && self.at >= at
    }
}

/// Starts publishers.
#[derive(Debug)]
pub struct Kv;

impl Kv {
    /// Publishes each view that is kept by `views` on the current Tokio runtime. Never fails: whatever is wrong is told by the
    /// status, and what can pass is tried again.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn spawn(views: &ViewsHandle, options: &KvOptions) -> KvHandle {
        let (stop, stopped) = watch::channel(false);
        let publish = |view: View| {
            let (sender, status) = watch::channel(KvStatus::default());
            let task = tokio::spawn(publisher::run(views.clone(), view, options.clone(), sender, stopped.clone()));
            Published { view, status, task }
        };
        KvHandle { stop, published: views.views().iter().copied().map(publish).collect() }
    }
}

struct Published {
    view: View,
    status: watch::Receiver<KvStatus>,
    task: JoinHandle<()>,
}

/// Running publishers. Dropping it ends them as [`KvHandle::shutdown`] does, without waiting for them.
pub struct KvHandle {
    stop: watch::Sender<bool>,
    published: Vec<Published>,
}

/// The statuses of a handle's publishers, by view.
pub type KvStatuses = Vec<(View, watch::Receiver<KvStatus>)>;

impl KvHandle {
    /// What each publisher is doing, as it changes.
    #[must_use]
    pub fn statuses(&self) -> KvStatuses {
        self.published.iter().map(|published| (published.view, published.status.clone())).collect()
    }

    /// What the publisher of a view is doing; none if the view is not kept here.
    #[must_use]
    pub fn status(&self, view: View) -> Option<watch::Receiver<KvStatus>> {
        self.published.iter().find(|published| published.view == view).map(|published| published.status.clone())
    }

    /// Waits until every publisher that is live has published everything up to a place.
    pub async fn published(&self, at: EpochPosition) {
        for published in &self.published {
            // It fails when the publisher has ended, which is told by its status.
            let _ = published.status.clone().wait_for(|status| status.state != KvState::Live || status.at >= at).await;
        }
    }

    /// Ends the publishers and lets the leases go, so that others take over at once. What was not published is published
    /// after the next start.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        for published in self.published {
            // A panic in the task was told when it happened.
            let _ = published.task.await;
        }
    }
}
