//! The relay: carries the log's records to the stream, in order, each once, behind a fence.
//!
//! Owns the task that does it and what is told of it. It only reads the log, through its tail: a commit never waits for
//! it. How it decides is in `judge`, how it publishes in `pump`, how it goes on after a failure in `run`.

mod judge;
mod pump;
mod run;

use std::sync::Arc;
use std::time::Duration;

use muster_log::{Log, Position};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::limits;
use crate::stream::STREAM;

pub use judge::FenceReason;

/// How to relay. Use [`RelayOptions::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// Address of the server, or several separated by commas; `nats://user:password@host:port`, `tls://…`.
    pub url: String,
    /// The stream's name; one server or account holds one stream with Muster's subjects.
    pub stream: String,
    /// Messages under way at the same time, at least 1.
    pub window: usize,
    /// How long messages under way may go without any acknowledgement.
    pub ack_timeout: Duration,
    /// How often the stream is asked whether it still holds everything, besides after each failure.
    pub look_period: Duration,
    /// The first position that is relayed, and so the stream's first sequence when the stream is made.
    pub first: Position,
    /// Replicas of a stream that is made.
    pub replicas: usize,
    /// Makes a stream of an earlier epoch of the same log anew instead of being fenced by it. For the one start after
    /// a restore, when nothing of the earlier epoch runs any more.
    pub replace_earlier_epoch: bool,
    /// What the connection's inboxes begin with, where the account's rights ask for it; `_INBOX` if none.
    pub inbox_prefix: Option<String>,
}

impl RelayOptions {
    /// Relays everything to [`STREAM`] on the server at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            stream: STREAM.to_owned(),
            window: limits::WINDOW,
            ack_timeout: limits::ACK_TIMEOUT,
            look_period: limits::LOOK_PERIOD,
            first: Position::FIRST,
            replicas: 1,
            replace_earlier_epoch: false,
            inbox_prefix: None,
        }
    }
}

/// What the relay is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RelayState {
    /// It connects, or asks the stream where it stands.
    #[default]
    Connecting,
    /// It publishes what the stream does not have yet.
    CatchingUp,
    /// The stream has everything that is durable, or will in a moment.
    Live,
    /// There is no server, no JetStream, or no answer. It goes on trying.
    Unreachable {
        /// What was last tried, and why it failed.
        reason: String,
    },
    /// It publishes nothing any more until the process is started again: a person must look.
    Fenced {
        /// Why.
        reason: FenceReason,
    },
    /// It has ended: it was told to, or the log stopped or cannot be read.
    Stopped {
        /// Why.
        reason: String,
    },
}

impl RelayState {
    /// A short stable word for health, metrics and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::CatchingUp => "catching_up",
            Self::Live => "live",
            Self::Unreachable { .. } => "unreachable",
            Self::Fenced { .. } => "fenced",
            Self::Stopped { .. } => "stopped",
        }
    }

    /// Why it is not publishing; none while it is.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Connecting | Self::CatchingUp | Self::Live => None,
            Self::Unreachable { reason } | Self::Stopped { reason } => Some(reason.clone()),
            Self::Fenced { reason } => Some(reason.to_string()),
        }
    }
}

/// How far the relay is. Told on each change of state, whenever it has caught up, and every
/// [`limits::STATUS_PERIOD`] while something moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayStatus {
    /// What it is doing.
    pub state: RelayState,
    /// The last position that the stream is known to hold; 0 before the stream was asked.
    pub relayed: Position,
    /// The last durable position of the log.
    pub durable: Position,
    /// Durable records that the stream does not have yet.
    pub lag_positions: u64,
    /// For how long the oldest of them has been durable, in milliseconds of the monotonic clock, as seen by the relay.
    pub lag_ms: u64,
    /// Messages that the stream acknowledged to this relay.
    pub published: u64,
    /// How often the stream was made anew.
    pub remade: u64,
    /// How often the stream refused a message: another relay publishes too, or answers were lost.
    pub refused: u64,
}

impl RelayStatus {
    /// [`RelayStatus::lag_ms`] in seconds.
    #[must_use]
    pub fn lag_seconds(&self) -> f64 {
        Duration::from_millis(self.lag_ms).as_secs_f64()
    }

    /// Whether a person must look.
    #[must_use]
    pub const fn is_fenced(&self) -> bool {
        matches!(self.state, RelayState::Fenced { .. })
    }
}

/// Starts relays.
pub struct Relay;

impl Relay {
    /// Starts relaying `log` on the current Tokio runtime. Never fails: whatever is wrong is told by the status, and
    /// what can pass is tried again.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn spawn(log: Arc<dyn Log>, options: RelayOptions) -> RelayHandle {
        let (status_sender, status) = watch::channel(RelayStatus::default());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run::run(log, options, status_sender, stopped));
        RelayHandle { status, stop, task }
    }
}

/// A running relay. Dropping it ends the relay as [`RelayHandle::shutdown`] does, without waiting for it.
pub struct RelayHandle {
    status: watch::Receiver<RelayStatus>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl RelayHandle {
    /// What the relay is doing, as it changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<RelayStatus> {
        self.status.clone()
    }

    /// Waits until the stream holds everything up to `position`, or never will: then the status tells why.
    pub async fn relayed(&self, position: Position) -> RelayStatus {
        let mut status = self.status.clone();
        let done = |status: &RelayStatus| {
            status.relayed >= position || matches!(status.state, RelayState::Fenced { .. } | RelayState::Stopped { .. })
        };
        let waited = status.wait_for(done).await.map(|status| status.clone());
        waited.unwrap_or_else(|_| self.status.borrow().clone())
    }

    /// Ends the relay: nothing more is sent, and the answers to what is under way are waited for, a few seconds at the
    /// most. What was not relayed is relayed after the next start.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        // A panic in the task was told when it happened.
        let _ = self.task.await;
    }
}
