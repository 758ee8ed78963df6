//! What the handlers share. Owns the meters and the document; everything else belongs to the wiring, which puts it here
//! once recovery is done. Until then handlers answer `recovering`.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use bytes::Bytes;
use muster_delivery::Deliveries;
use muster_engine::EngineHandle;
use muster_feed::kv::KvStatuses;
use muster_feed::{RelayStatus, SourceState};
use muster_log::Log;
use muster_proto::{CommandError, CommandPort};
use muster_vault::Vault;
use muster_views::{Areas, HistoryHandle, ViewsHandle};
use tokio::sync::{Semaphore, watch};

use super::asof::AsOf;
use super::enrollments::Enrollments;
use super::redact::Redaction;
use super::shared::Standing;
use super::upkeep::Upkeep;
use super::views::unreadable;
use crate::access::{Access, Caller};
use crate::descriptors::Descriptors;
use crate::gateway::Gateway;
use crate::limits;
use crate::problem::Problem;
use crate::remote_log::HttpLog;
use crate::telemetry::{Kind, Meters};
use crate::words::Words;
use crate::{asyncapi, openapi};

/// What only a server has, and a projection worker has not.
pub struct Node {
    /// Makes requests of bodies.
    pub gateway: Arc<Gateway>,
    /// Where requests go.
    pub port: Arc<dyn CommandPort>,
    /// The engine behind it.
    pub engine: EngineHandle,
    /// The log.
    pub log: Arc<dyn Log>,
    /// The vault.
    pub vault: Arc<Vault>,
    /// The views at earlier moments.
    pub history: HistoryHandle,
    /// How the relay is, if events are published.
    pub relay: Option<watch::Receiver<RelayStatus>>,
    /// Takes calls to people.
    pub deliveries: Arc<Deliveries>,
}

/// Shared by all handlers of one server.
pub struct App {
    pub(crate) meters: Meters,
    pub(crate) openapi: Bytes,
    pub(crate) asyncapi: Bytes,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) started: Instant,
    pub(super) as_of: AsOf,
    pub(crate) enrollments: Arc<Enrollments>,
    /// What is shown to those who must not know persons.
    pub(super) redaction: Arc<Redaction>,
    /// What agreements open, as it was found last.
    pub(super) standing: Standing,
    /// Who is asking.
    pub(crate) access: Access,
    node: OnceLock<Node>,
    views: OnceLock<ViewsHandle>,
    kv: OnceLock<KvStatuses>,
    /// How records come in at a worker, and the log that it may ask for those that the stream does not hold.
    source: OnceLock<watch::Receiver<SourceState>>,
    remote_log: OnceLock<Arc<HttpLog>>,
    /// Views being folded anew.
    pub(super) upkeep: Upkeep,
    stopping: watch::Sender<bool>,
    worker: bool,
}

impl App {
    /// A server's app without its parts: health is answered, the rest is `recovering`.
    #[must_use]
    pub fn server(descriptors: &Descriptors, access: Access) -> Self {
        Self::new(descriptors, access, false)
    }

    /// A projection worker's app without its views.
    #[must_use]
    pub fn worker(descriptors: &Descriptors, access: Access) -> Self {
        Self::new(descriptors, access, true)
    }

    fn new(descriptors: &Descriptors, access: Access, worker: bool) -> Self {
        let meters = Meters::new();
        describe(&meters);
        let openapi = Bytes::from(openapi::document(descriptors).to_string());
        let asyncapi = Bytes::from(asyncapi::document(descriptors).to_string());
        Self {
            meters,
            openapi,
            asyncapi,
            streams: Arc::new(Semaphore::new(limits::STREAMS_MAX)),
            started: Instant::now(),
            as_of: AsOf::new(),
            enrollments: Arc::default(),
            redaction: Arc::new(Redaction::new(descriptors)),
            standing: Standing::default(),
            worker,
            access,
            node: OnceLock::new(),
            views: OnceLock::new(),
            kv: OnceLock::new(),
            source: OnceLock::new(),
            remote_log: OnceLock::new(),
            upkeep: Upkeep::default(),
            stopping: watch::Sender::new(false),
        }
    }

    pub(crate) const fn is_worker(&self) -> bool {
        self.worker
    }

    /// Takes views in. Once only; a second call changes nothing.
    pub fn set_views(&self, views: ViewsHandle) {
        drop(self.views.set(views));
    }

    /// Tells of the views' buckets from here on. Once only; a second call changes nothing.
    pub fn set_kv(&self, kv: KvStatuses) {
        drop(self.kv.set(kv));
    }

    /// Tells of a worker's source, and asks the log that is named beside it. Once only; a second call changes nothing.
    pub(crate) fn set_source(&self, state: watch::Receiver<SourceState>, log: Option<Arc<HttpLog>>) {
        drop(self.source.set(state));
        if let Some(log) = log {
            drop(self.remote_log.set(log));
        }
    }

    /// Takes commands from here on. Once only; a second call changes nothing.
    pub fn set_node(&self, node: Node) {
        drop(self.node.set(node));
    }

    /// Who asks, by the headers of HTTP.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        self.access.authenticate(headers).await
    }

    /// Whether who asks may still go on; streams ask before each part.
    pub(crate) fn still_good(&self, caller: &Caller) -> bool {
        self.access.still_good(caller)
    }

    /// Ends the streams and takes no new commands.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Becomes true when streams are to end.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// The parts, whether or not commands are taken.
    pub(crate) fn try_node(&self) -> Option<&Node> {
        self.node.get()
    }

    pub(crate) fn try_views(&self) -> Option<&ViewsHandle> {
        self.views.get()
    }

    pub(crate) fn try_kv(&self) -> Option<&KvStatuses> {
        self.kv.get()
    }

    pub(crate) fn try_source(&self) -> Option<&watch::Receiver<SourceState>> {
        self.source.get()
    }

    pub(crate) fn try_remote_log(&self) -> Option<&Arc<HttpLog>> {
        self.remote_log.get()
    }

    /// The parts that commands need.
    ///
    /// # Errors
    /// `recovering` before they are there, `shutting_down` after [`App::stop`].
    pub(crate) fn node(&self) -> Result<&Node, Problem> {
        if self.is_stopping() {
            return Err(CommandError::Unavailable { reason: "shutting_down" }.into());
        }
        self.node.get().ok_or_else(|| CommandError::Unavailable { reason: "recovering" }.into())
    }

    /// The views.
    ///
    /// # Errors
    /// `recovering` before they are there.
    pub(crate) fn views(&self) -> Result<&ViewsHandle, Problem> {
        self.views.get().ok_or_else(|| CommandError::Unavailable { reason: "recovering" }.into())
    }

    /// The areas as the views know them.
    ///
    /// # Errors
    /// The views are not there yet, or have stopped.
    pub(crate) fn areas(&self) -> Result<Areas, Problem> {
        self.views()?.areas().map_err(|error| unreadable(&error))
    }

    /// Counts a command by name and outcome.
    pub(crate) fn count_command(&self, name: &'static str, status: u16, took: Duration) {
        let outcome = match status {
            200 => "done",
            403 | 404 | 409 | 422 => "refused",
            500.. => "unavailable",
            _ => "malformed",
        };
        tracing::debug!(command = name, status, took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX), "command answered");
        self.meters.counter("muster_commands_total", &[("command", name), ("outcome", outcome)]).increment(1);
        if status == 200 {
            self.meters.seconds("muster_command_seconds", &[]).record(took.as_secs_f64());
        }
    }
}

/// The problem of a log that cannot be read; the trace has the cause.
pub(super) fn log_unreadable(error: &muster_log::ReadError) -> Problem {
    tracing::error!(error = %error, "the log cannot be read");
    let detail = Words::new("日志无法读取，须由管理员检查", "the log cannot be read; an administrator must look");
    Problem::unavailable("log_unreadable", detail, limits::RETRY_AFTER_STOPPED_SECONDS)
}

fn describe(meters: &Meters) {
    for (name, description, kind) in [
        ("muster_commands_total", "Commands by name and outcome.", Kind::Counter),
        ("muster_command_seconds", "From the request to the durable answer of commands that were carried out.", Kind::Seconds),
        ("muster_log_watermark", "The last durable position.", Kind::Gauge),
        ("muster_log_epoch", "The log's epoch.", Kind::Gauge),
        ("muster_log_running", "1 while the log takes appends.", Kind::Gauge),
        ("muster_log_free_bytes", "Free bytes on the log's disk.", Kind::Gauge),
        ("muster_engine_decided", "The last position decided.", Kind::Gauge),
        ("muster_engine_queue_length", "Commands that wait for the engine.", Kind::Gauge),
        ("muster_engine_queue_max", "Commands that may wait for the engine.", Kind::Gauge),
        ("muster_engine_commands_total", "What became of the commands that reached the engine.", Kind::Counter),
        ("muster_engine_timers_fired_total", "Timers that fired.", Kind::Counter),
        ("muster_engine_snapshot", "The position of the last snapshot of the state.", Kind::Gauge),
        ("muster_engine_wall_offset_seconds", "How far the wall clock moved against the monotonic one.", Kind::Gauge),
        ("muster_views_running", "1 while the views are kept up to date.", Kind::Gauge),
        ("muster_views_position", "The last record that the views have taken in.", Kind::Gauge),
        ("muster_views_lag_positions", "Records that the views are behind.", Kind::Gauge),
        ("muster_views_lag_seconds", "How long the oldest of them has been known.", Kind::Gauge),
        ("muster_views_progress_percent", "How much of all records the views have taken in.", Kind::Gauge),
        (
            "muster_views_remaining_seconds",
            "How long they need to the end at the pace of the last seconds; NaN while that is not known.",
            Kind::Gauge,
        ),
        ("muster_source_state", "1 for how a worker's records come in.", Kind::Gauge),
        ("muster_history_running", "1 while earlier moments of the views are kept.", Kind::Gauge),
        ("muster_history_position", "The last record of which every view is kept as it was.", Kind::Gauge),
        ("muster_history_bytes", "Bytes of the files with earlier moments.", Kind::Gauge),
        ("muster_relay_position", "The last record that the stream has.", Kind::Gauge),
        ("muster_relay_lag_positions", "Records that the relay is behind.", Kind::Gauge),
        ("muster_relay_lag_seconds", "How long the oldest of them has waited.", Kind::Gauge),
        ("muster_relay_state", "1 for the state the relay is in.", Kind::Gauge),
        ("muster_kv_position", "Up to where a view's bucket in NATS KV is in step.", Kind::Gauge),
        ("muster_kv_lag_positions", "Records that a view's bucket is behind.", Kind::Gauge),
        ("muster_kv_lag_seconds", "How long the oldest of them has been known.", Kind::Gauge),
        ("muster_kv_rows", "Rows in a view's bucket.", Kind::Gauge),
        ("muster_kv_state", "1 for the state that a view's publisher is in.", Kind::Gauge),
        ("muster_streams_open", "Streams that clients hold open, by kind.", Kind::Gauge),
        ("muster_vault_keys", "People and records with a key.", Kind::Gauge),
        ("muster_delivery_running", "1 while the channel is used; 0 after its other end answered 410.", Kind::Gauge),
        ("muster_delivery_waiting", "Messages on their way, tried or not.", Kind::Gauge),
        ("muster_delivery_sent", "Messages sent since the start.", Kind::Gauge),
        ("muster_delivery_failed", "Tries that failed since the start.", Kind::Gauge),
        ("muster_delivery_dead", "Messages that could not be delivered.", Kind::Gauge),
        ("muster_delivery_lag_positions", "Records after the last before which everything is delivered.", Kind::Gauge),
        ("muster_delivery_oldest_seconds", "How long the oldest message has been on its way.", Kind::Gauge),
        ("muster_uptime_seconds", "Since the process started to listen.", Kind::Gauge),
    ] {
        meters.describe(name, description, kind);
    }
}
