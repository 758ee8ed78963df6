//! Server-sent events: how one is written, and what every endless stream has in common. Data is one line of JSON.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::Stream;
use muster_log::EpochPosition;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::app::App;
use crate::limits;
use crate::problem::Problem;
use crate::words::Words;

/// Writes one event.
pub(super) fn write(out: &mut BytesMut, event: &str, id: Option<EpochPosition>, data: &Value) {
    if let Some(id) = id {
        out.put_slice(format!("id: {id}\n").as_bytes());
    }
    out.put_slice(format!("event: {event}\ndata: {data}\n\n").as_bytes());
}

/// One event.
pub(super) fn event(event: &str, id: Option<EpochPosition>, data: &Value) -> Bytes {
    let mut out = BytesMut::new();
    write(&mut out, event, id, data);
    out.freeze()
}

/// What a quiet stream says: where it stands and what time it is, Unix milliseconds.
pub(super) fn heartbeat(at: EpochPosition, now_ms: i64) -> Bytes {
    event("heartbeat", Some(at), &json!({"at": at.to_string(), "time_ms": now_ms.to_string()}))
}

/// The place that a reader names in `Last-Event-ID`.
pub(super) fn last_event_id(text: Option<&str>) -> Result<Option<EpochPosition>, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse()
        .map(Some)
        .map_err(|_| Problem::bad_parameter("Last-Event-ID", text, Words::new("应为 epoch.position", "epoch.position is expected")))
}

/// The response around a stream of events.
pub(super) fn response<E: Into<axum::BoxError>>(stream: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies that buffer would hold back what is meant to be live.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(stream)).into_response()
}

/// Held as long as a stream is open: bounds their number and counts them.
pub(super) struct OpenStream {
    _permit: OwnedSemaphorePermit,
    gauge: metrics::Gauge,
}

impl OpenStream {
    pub(super) fn new(app: &Arc<App>, kind: &'static str) -> Result<Self, Problem> {
        let permit = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
            let detail = Words::new("打开的实时流过多，请稍后重连", "too many streams are open; reconnect later");
            Problem::unavailable("too_many_streams", detail, limits::RETRY_AFTER_SECONDS)
        })?;
        let gauge = app.meters.gauge("muster_streams_open", &[("kind", kind)]);
        gauge.increment(1.0);
        Ok(Self { _permit: permit, gauge })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
    }
}
