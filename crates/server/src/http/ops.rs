//! Health, readiness, metrics, status, the OpenAPI document and the page. They answer from the first moment on, also while
//! the server recovers and after the log has stopped.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use muster_feed::{RelayStatus, SourceState};
use muster_log::Health;
use muster_proto::CommandError;
use muster_views::QueryError;
use serde_json::{Value, json};

use super::app::{App, Node};
use crate::problem::Problem;

const PAGE: &str = include_str!("page.html");

/// Whether the process does its work: it fails when the log or the engine stopped, at a worker when its views did. A relay that is fenced or without a
/// server is no reason to restart the process: commits never depend on NATS.
pub(super) async fn healthz(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    if app.is_worker() {
        views_running(&app)?;
    }
    match app.try_node() {
        Some(node) if !is_running(node) => Err(CommandError::Unavailable { reason: "log_stopped" }.into()),
        _ => Ok("ok\n"),
    }
}

/// Whether commands are taken and the views go on; with a worker, whether its views do.
/// Views of another version than the program's are no reason to take no requests: a line says of each how far the present version is.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<String, Problem> {
    app.views()?;
    views_running(&app)?;
    app.access.check()?;
    if !app.is_worker() && !is_running(app.node()?) {
        return Err(CommandError::Unavailable { reason: "log_stopped" }.into());
    }
    Ok(format!("ready\n{}", super::upkeep::not_current(&app)))
}

fn views_running(app: &App) -> Result<(), Problem> {
    let stopped = app.try_views().and_then(|views| views.progress().borrow().stopped.clone());
    stopped.map_or(Ok(()), |error| Err(super::views::unreadable(&QueryError::Stopped(error))))
}

fn is_running(node: &Node) -> bool {
    node.log.health() == Health::Running && node.engine.fatal().is_none()
}

pub(super) async fn asyncapi(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.asyncapi.clone()).into_response()
}

pub(super) async fn openapi(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.openapi.clone()).into_response()
}

pub(super) async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        // The page loads nothing from anywhere else and shows text only as text.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:",
        ),
    ];
    (headers, PAGE).into_response()
}

pub(super) async fn status(State(app): State<Arc<App>>) -> Json<Value> {
    let mut status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": app.try_views().is_some() && (app.is_worker() || app.try_node().is_some_and(is_running)) && !app.is_stopping(),
        "stopping": app.is_stopping(),
        "uptime_s": app.started.elapsed().as_secs(),
    });
    if let Some(node) = app.try_node() {
        status["log"] = log_status(node);
        status["engine"] = engine_status(node);
        let (keys, erased) = node.vault.counts();
        status["vault"] = json!({"keys": keys, "erased": erased, "writable": node.vault.is_writable()});
        status["delivery"] = json!(node.deliveries.statuses());
        status["history"] = super::asof::status(node);
        status["relay"] = node.relay.as_ref().map_or_else(|| json!({"state": "off"}), |relay| relay_status(&relay.borrow()));
    }
    if let Some(views) = app.try_views() {
        status["views"] = super::views::status(views);
        if let Some(source) = app.try_source() {
            status["source"] = super::upkeep::source(source);
        }
        status["kv"] = app.try_kv().map_or_else(|| json!({"state": "off"}), super::kv::status);
    }
    Json(status)
}

fn log_status(node: &Node) -> Value {
    let space = node.log.space();
    let mut status = json!({
        "id": node.log.id().to_string(),
        "at": node.log.end().to_string(),
        "health": "running",
        "free_bytes": space.free_bytes.to_string(),
        "space_ok": space.is_enough(),
    });
    if let Health::Stopped(stopped) = node.log.health() {
        status["health"] = json!("stopped");
        status["reason"] = json!(stopped.to_string());
    }
    status
}

fn engine_status(node: &Node) -> Value {
    let status = node.engine.status();
    json!({
        "decided": status.decided.to_string(),
        "durable": status.durable.to_string(),
        "queue_length": status.queue_length,
        "queue_max": status.queue_max,
        "now_ms": status.now_ms.to_string(),
        "next_timer_ms": status.next_timer_ms.map(|at| at.to_string()),
        "clock_stepped": status.clock_stepped,
        "wall_offset_ms": status.wall_offset_ms.to_string(),
        "accepted": status.accepted.to_string(),
        "refused": status.refused.to_string(),
        "repeated": status.repeated.to_string(),
        "timers_fired": status.timers_fired.to_string(),
        "snapshot": status.snapshot.to_string(),
        "snapshots_failed": status.replica_failed,
        "fatal": status.fatal.map(|fatal| fatal.to_string()),
    })
}

fn relay_status(status: &RelayStatus) -> Value {
    json!({
        "state": status.state.name(),
        "reason": status.state.reason(),
        "relayed": status.relayed.to_string(),
        "lag_positions": status.lag_positions.to_string(),
        "lag_s": status.lag_seconds(),
        "published": status.published.to_string(),
        "refused": status.refused.to_string(),
        "remade": status.remade.to_string(),
    })
}

pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    sample(&app);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.meters.render()).into_response()
}

/// Takes the figures that are only looked at when somebody asks.
fn sample(app: &App) {
    let gauge = |name, value: f64| app.meters.gauge(name, &[]).set(value);
    gauge("muster_uptime_seconds", app.started.elapsed().as_secs_f64());
    if let Some(views) = app.try_views() {
        super::views::sample(&app.meters, views);
    }
    if let Some(kv) = app.try_kv() {
        super::kv::sample(&app.meters, kv);
    }
    if let Some(source) = app.try_source() {
        let now = source.borrow().name();
        for state in SourceState::NAMES {
            app.meters.gauge("muster_source_state", &[("state", state)]).set(f64::from(u8::from(state == now)));
        }
    }
    let Some(node) = app.try_node() else { return };
    gauge("muster_log_watermark", as_f64(node.log.watermark().0));
    gauge("muster_log_epoch", f64::from(node.log.epoch().0));
    gauge("muster_log_running", f64::from(u8::from(is_running(node))));
    gauge("muster_log_free_bytes", as_f64(node.log.space().free_bytes));
    let engine = node.engine.status();
    gauge("muster_engine_decided", as_f64(engine.decided.0));
    gauge("muster_engine_queue_length", as_f64(engine.queue_length as u64));
    gauge("muster_engine_queue_max", as_f64(engine.queue_max as u64));
    gauge("muster_engine_snapshot", as_f64(engine.snapshot.0));
    gauge("muster_engine_wall_offset_seconds", as_f64(engine.wall_offset_ms.unsigned_abs()) / 1000.0);
    for (outcome, count) in [("accepted", engine.accepted), ("refused", engine.refused), ("repeated", engine.repeated)] {
        app.meters.counter("muster_engine_commands_total", &[("outcome", outcome)]).absolute(count);
    }
    app.meters.counter("muster_engine_timers_fired_total", &[]).absolute(engine.timers_fired);
    let kept = node.history.progress().borrow().clone();
    gauge("muster_history_running", f64::from(u8::from(kept.stopped.is_none())));
    gauge("muster_history_position", as_f64(kept.at.position.0));
    gauge("muster_history_bytes", as_f64(node.history.bytes()));
    gauge("muster_vault_keys", as_f64(node.vault.counts().0 as u64));
    for channel in node.deliveries.statuses() {
        let gauge = |name, value: f64| app.meters.gauge_of(name, "channel", &channel.name).set(value);
        gauge("muster_delivery_running", f64::from(u8::from(channel.state == "running")));
        gauge("muster_delivery_waiting", as_f64(channel.waiting));
        gauge("muster_delivery_sent", as_f64(channel.sent));
        gauge("muster_delivery_failed", as_f64(channel.failed));
        gauge("muster_delivery_dead", as_f64(channel.dead));
        gauge("muster_delivery_lag_positions", as_f64(channel.lag_positions));
        gauge("muster_delivery_oldest_seconds", as_f64(channel.oldest_waiting_ms) / 1000.0);
    }
    if let Some(relay) = &node.relay {
        let status = relay.borrow().clone();
        gauge("muster_relay_position", as_f64(status.relayed.0));
        gauge("muster_relay_lag_positions", as_f64(status.lag_positions));
        gauge("muster_relay_lag_seconds", status.lag_seconds());
        for state in ["connecting", "catching_up", "live", "unreachable", "fenced", "stopped"] {
            let is = f64::from(u8::from(state == status.state.name()));
            app.meters.gauge("muster_relay_state", &[("state", state)]).set(is);
        }
    }
}

/// A count as a gauge has it; exact up to 2^53.
#[allow(clippy::cast_precision_loss)]
pub(super) fn as_f64(count: u64) -> f64 {
    count as f64
}
