//! `GET /v1/views/{name}/live`: a view as server-sent events. First all rows (`snapshot`), then `change` and `remove`;
//! `Last-Event-ID` resumes, and `reset` says that it cannot and that everything comes anew.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::Stream;
use muster_views::{Change, ChangeBatch, ChangeKind, Live, PlacedRow, Snapshot, Start, Subscription, ViewsHandle, row_json};
use serde_json::{Value, json};

use super::app::App;
use super::commands::header_text;
use super::events::wall_ms;
use super::sse::{self, OpenStream};
use super::views::{Asked, Parameters, key, unreadable};
use crate::access::Caller;
use crate::limits;
use crate::problem::Problem;

pub(super) async fn live(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seen = sse::last_event_id(header_text(&headers, "last-event-id")?)?;
    let asked = Asked::read(&app, &caller, &name, &parameters).await?;
    let views = app.views()?.clone();
    let open = OpenStream::new(&app, asked.view.name())?;
    let (reader, wanted) = (views.clone(), asked.clone());
    let subscribed = tokio::task::spawn_blocking(move || reader.subscribe(wanted.view, wanted.filter, seen)).await;
    let (start, subscription) = subscribed.map_err(|_| Problem::internal())?.map_err(|error| unreadable(&error))?;
    let reset = seen.is_some() && matches!(start, Start::Snapshot(_));
    Ok(sse::response(stream(app, caller, views, asked, start, reset, (subscription, open))))
}

/// What the stream goes on with.
enum Turn {
    Live(Option<Live>),
    Quiet,
    Over,
}

fn stream(
    app: Arc<App>,
    caller: Caller,
    views: ViewsHandle,
    asked: Asked,
    start: Start,
    reset: bool,
    (mut subscription, open): (Subscription, OpenStream),
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + use<> {
    let mut stopping = app.stopping();
    async_stream::stream! {
        let _open = open;
        match start {
            Start::Snapshot(snapshot) => {
                if reset {
                    yield Ok(reset_event(&snapshot));
                }
                for chunk in snapshot_events(&asked, &snapshot) {
                    yield Ok(chunk);
                }
            }
            // Says at once that the connection stands, and where.
            Start::Resumed(at) => yield Ok(sse::heartbeat(at, wall_ms())),
        }
        let mut heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + limits::HEARTBEAT, limits::HEARTBEAT);
        loop {
            // What was visible before the subscription is asked, and found with nothing to hand out, has been handed out.
            let drained = views.at();
            let turn = tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => Turn::Over,
                live = subscription.next() => Turn::Live(live),
                _ = heartbeat.tick() => Turn::Quiet,
            };
            // A token that was revoked meanwhile shows nothing more.
            if !app.still_good(&caller) {
                break;
            }
            match turn {
                Turn::Live(Some(Live::Changes(batch))) => {
                    if let Some(chunk) = change_events(&asked, &batch) {
                        yield Ok(chunk);
                    }
                }
                Turn::Live(Some(Live::Reset(snapshot))) => {
                    yield Ok(reset_event(&snapshot));
                    for chunk in snapshot_events(&asked, &snapshot) {
                        yield Ok(chunk);
                    }
                }
                Turn::Quiet => yield Ok(sse::heartbeat(drained.max(subscription.at()), wall_ms())),
                Turn::Live(None) | Turn::Over => break,
            }
        }
    }
}

fn reset_event(snapshot: &Snapshot) -> Bytes {
    sse::event("reset", None, &json!({"at": snapshot.at.to_string()}))
}

/// The rows in events of a bearable size. Only the last one has an id: a snapshot that was cut off begins anew.
fn snapshot_events(asked: &Asked, snapshot: &Snapshot) -> Vec<Bytes> {
    let rows: Vec<_> = snapshot.rows.iter().filter(|placed| asked.takes(&placed.row) && asked.shows(&placed.path)).collect();
    let chunks = rows.len().div_ceil(limits::LIVE_SNAPSHOT_ROWS).max(1);
    let chunk = |index: usize| {
        let from = index * limits::LIVE_SNAPSHOT_ROWS;
        let to = rows.len().min(from + limits::LIVE_SNAPSHOT_ROWS);
        let rows: Vec<Value> = rows[from..to].iter().map(|placed| json!({"key": key(placed), "row": row_json(&placed.row)})).collect();
        let complete = index + 1 == chunks;
        let data = json!({"at": snapshot.at.to_string(), "rows": rows, "complete": complete});
        sse::event("snapshot", complete.then_some(snapshot.at), &data)
    };
    (0..chunks).map(chunk).collect()
}

/// The changes of one commit. The id stands at the last one: the place is reached only with all of them.
fn change_events(asked: &Asked, batch: &ChangeBatch) -> Option<Bytes> {
    let wanted: Vec<_> = batch.changes.iter().filter_map(|change| Some((change, seen(asked, change)?))).collect();
    let mut chunk = BytesMut::new();
    for (index, (change, seen)) in wanted.iter().enumerate() {
        let id = (index + 1 == wanted.len()).then_some(batch.at);
        let key = format!("{}/{}", change.realm, change.id);
        match seen {
            Seen::Row(placed) => {
                sse::write(&mut chunk, "change", id, &json!({"key": key, "at": batch.at.to_string(), "row": row_json(&placed.row)}));
            }
            Seen::Gone => sse::write(&mut chunk, "remove", id, &json!({"key": key, "at": batch.at.to_string()})),
        }
    }
    (!chunk.is_empty()).then(|| chunk.freeze())
}

/// What a change is for this reader.
enum Seen<'a> {
    Row(&'a PlacedRow),
    Gone,
}

/// A row that leaves the caller's scope is gone for the caller, also where it stays in the area that was asked for because
/// that area itself was moved.
fn seen<'a>(asked: &Asked, change: &'a Change) -> Option<Seen<'a>> {
    match &change.kind {
        ChangeKind::Upsert { placed, .. } if asked.shows(&placed.path) => asked.takes(&placed.row).then_some(Seen::Row(placed)),
        ChangeKind::Upsert { former_path: Some(former), .. } | ChangeKind::Remove { former_path: former } => {
            asked.shows(former).then_some(Seen::Gone)
        }
        ChangeKind::Upsert { former_path: None, .. } => None,
    }
}
