//! `GET /v1/views/{name}/live`: a view as server-sent events. First all rows (`snapshot`), then `change` and `remove`;
//! `Last-Event-ID` resumes, and `reset` says that it cannot and that everything comes anew.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::Stream;
use muster_log::EpochPosition;
use muster_views::{Change, ChangeBatch, ChangeKind, Live, PlacedRow, QueryError, Snapshot, Start, Subscription, ViewsHandle};
use serde_json::{Value, json};

use super::app::App;
use super::commands::header_text;
use super::events::wall_ms;
use super::sight;
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
    // Which of its rows a reader of single rows has is known to its stream alone: another one begins with all of them.
    let from = seen.filter(|_| asked.sight.is_none());
    let turn = asked.turn(&app).await?;
    let (reader, wanted) = (views.clone(), asked.clone());
    let subscribed = tokio::task::spawn_blocking(move || {
        let (start, subscription) = reader.subscribe(wanted.view, wanted.filter.clone(), from)?;
        if let Start::Snapshot(snapshot) = &start {
            learn(&wanted, &reader, &snapshot.rows)?;
        }
        Ok::<_, QueryError>((start, subscription))
    });
    let (start, subscription) = subscribed.await.map_err(|_| Problem::internal())?.map_err(|error| unreadable(&error))?;
    drop(turn);
    let reset = seen.is_some() && matches!(start, Start::Snapshot(_));
    Ok(sse::response(stream(app, caller, views, asked, start, reset, (subscription, open))))
}

/// Tells the sight, if there is one, of rows that it will be asked for.
fn learn<'a>(asked: &Asked, views: &ViewsHandle, rows: impl IntoIterator<Item = &'a PlacedRow>) -> Result<(), QueryError> {
    asked.sight.as_ref().map_or(Ok(()), |sight| sight.learn(views, rows))
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
    let mut shown = asked.sight.as_ref().map(|_| HashSet::new());
    async_stream::stream! {
        let _open = open;
        match start {
            Start::Snapshot(snapshot) => {
                if reset {
                    yield Ok(reset_event(&snapshot));
                }
                for chunk in snapshot_events(&asked, &snapshot, &mut shown) {
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
            // Nor does an agreement that has ended.
            if !still_shared(&app, &caller, &asked).await {
                yield Ok(gone_events(shown.unwrap_or_default(), drained.max(subscription.at())));
                break;
            }
            match turn {
                Turn::Live(Some(Live::Changes(batch))) => {
                    let (asked_for, reader) = (asked.clone(), views.clone());
                    let learned = tokio::task::spawn_blocking(move || {
                        learn(&asked_for, &reader, batch.changes.iter().filter_map(row_now)).map(|()| batch)
                    });
                    let Ok(Ok(batch)) = learned.await else { break };
                    if let Some(chunk) = change_events(&asked, &batch, &mut shown) {
                        yield Ok(chunk);
                    }
                }
                Turn::Live(Some(Live::Reset(snapshot))) => {
                    let (asked_for, reader) = (asked.clone(), views.clone());
                    let learned = tokio::task::spawn_blocking(move || learn(&asked_for, &reader, &snapshot.rows).map(|()| snapshot));
                    let Ok(Ok(snapshot)) = learned.await else { break };
                    yield Ok(reset_event(&snapshot));
                    shown.iter_mut().for_each(HashSet::clear);
                    for chunk in snapshot_events(&asked, &snapshot, &mut shown) {
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

/// Whether what agreements opened when the stream began is open still.
async fn still_shared(app: &App, caller: &Caller, asked: &Asked) -> bool {
    let Some(sight) = asked.sight.as_ref().filter(|sight| !sight.shares().is_empty()) else { return true };
    match sight::shares(app, caller, asked.view).await {
        Ok(now) => sight.shares().iter().all(|share| now.contains(share)),
        Err(_) => false,
    }
}

/// Takes away all that was shown.
fn gone_events(shown: HashSet<String>, at: EpochPosition) -> Bytes {
    let mut chunk = BytesMut::new();
    let mut keys: Vec<_> = shown.into_iter().collect();
    keys.sort_unstable();
    for key in keys {
        sse::write(&mut chunk, "remove", None, &json!({"key": key, "at": at.to_string()}));
    }
    chunk.freeze()
}

/// The keys of the rows that a reader has whose rows are looked at one by one.
type Shown = Option<HashSet<String>>;

/// The rows in events of a bearable size. Only the last one has an id: a snapshot that was cut off begins anew.
fn snapshot_events(asked: &Asked, snapshot: &Snapshot, shown: &mut Shown) -> Vec<Bytes> {
    let rows: Vec<_> = snapshot.rows.iter().filter(|placed| asked.takes(&placed.row) && asked.shows(placed)).collect();
    if let Some(shown) = shown {
        shown.extend(rows.iter().map(|placed| key(placed)));
    }
    let chunks = rows.len().div_ceil(limits::LIVE_SNAPSHOT_ROWS).max(1);
    let chunk = |index: usize| {
        let from = index * limits::LIVE_SNAPSHOT_ROWS;
        let to = rows.len().min(from + limits::LIVE_SNAPSHOT_ROWS);
        let rows: Vec<Value> = rows[from..to].iter().map(|placed| json!({"key": key(placed), "row": asked.json(placed)})).collect();
        let complete = index + 1 == chunks;
        let data = json!({"at": snapshot.at.to_string(), "rows": rows, "complete": complete});
        sse::event("snapshot", complete.then_some(snapshot.at), &data)
    };
    (0..chunks).map(chunk).collect()
}

/// The changes of one commit. The id stands at the last one: the place is reached only with all of them.
fn change_events(asked: &Asked, batch: &ChangeBatch, shown: &mut Shown) -> Option<Bytes> {
    let wanted: Vec<_> = batch.changes.iter().filter_map(|change| Some((change, seen(asked, change, shown)?))).collect();
    let mut chunk = BytesMut::new();
    for (index, (change, seen)) in wanted.iter().enumerate() {
        let id = (index + 1 == wanted.len()).then_some(batch.at);
        let key = format!("{}/{}", change.realm, change.id);
        match seen {
            Seen::Row(placed) => {
                sse::write(&mut chunk, "change", id, &json!({"key": key, "at": batch.at.to_string(), "row": asked.json(placed)}));
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

/// The row that a change leaves.
fn row_now(change: &Change) -> Option<&PlacedRow> {
    match &change.kind {
        ChangeKind::Upsert { placed, .. } => Some(placed),
        ChangeKind::Remove { .. } => None,
    }
}

/// A row that leaves what the caller sees is gone for the caller, also where it stays in the area that was asked for: because that area itself
/// was moved, or because the row now belongs to another organization, unit or person. Who never had the row is not told of it.
fn seen<'a>(asked: &Asked, change: &'a Change, shown: &mut Shown) -> Option<Seen<'a>> {
    let now = row_now(change).filter(|placed| asked.shows(placed));
    match (now, shown) {
        (Some(placed), None) => asked.takes(&placed.row).then_some(Seen::Row(placed)),
        (Some(placed), Some(shown)) => asked.takes(&placed.row).then(|| {
            shown.insert(key(placed));
            Seen::Row(placed)
        }),
        (None, Some(shown)) => shown.remove(&format!("{}/{}", change.realm, change.id)).then_some(Seen::Gone),
        (None, None) => Some(Seen::Gone),
    }
}
