//! `GET /v1/views/{name}/live`: a view as server-sent events. First all rows (`snapshot`), then `change` and `remove`;
//! `Last-Event-ID` resumes, and `reset` says that it cannot and that everything comes anew. What is sent of a change is made once and shared by all
//! who see it the same.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use muster_log::EpochPosition;
use muster_views::{Change, ChangeBatch, ChangeKind, Form, Live, Snapshot, Start, Subscription, ViewsHandle};
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
use crate::words::Words;

pub(super) async fn live(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last_id = LastId::read(header_text(&headers, "last-event-id")?)?;
    let Parameters { as_of, true_time, cursor, limit, .. } = &parameters;
    for (name, text) in [("as_of", as_of), ("true_time", true_time), ("cursor", cursor), ("limit", limit)] {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            return Err(Problem::bad_parameter(name, text, Words::new("实时流没有此参数", "a live stream has no such parameter")));
        }
    }
    let asked = Asked::read(&app, &caller, &name, &parameters, true).await?;
    let views = app.views()?.clone();
    let open = OpenStream::new(&app, asked.view.name())?;
    let reader = Reader::new(asked);
    // Who saw other rows at that place cannot be told what became of these.
    let from = last_id.as_ref().filter(|id| id.mark == reader.mark).map(|id| id.at);
    // Asked before: the stream says `reset` when the present version takes their place.
    let outdated = views.outdated_of(reader.asked.view).and_then(|outdated| outdated.rows);
    let subscribed = views.subscribe(reader.asked.view, reader.asked.filter.clone(), from);
    let (start, subscription) = subscribed.map_err(|error| unreadable(&error))?;
    let reset = last_id.is_some() && start == Start::Rows;
    let mut response = sse::response(stream(app, caller, views, reader, start, reset, (subscription, open)));
    if let Some((version, at)) = outdated {
        // Until the stream says `reset`.
        let value = HeaderValue::from_str(&format!("version={version}; at={at}")).expect("numbers can stand in a header");
        response.headers_mut().insert("muster-outdated", value);
    }
    Ok(response)
}

/// What a reader names to resume: a place, and for whom rights cut the rows, which rows these were.
struct LastId {
    at: EpochPosition,
    mark: String,
}

impl LastId {
    fn read(text: Option<&str>) -> Result<Option<Self>, Problem> {
        let Some(text) = text else { return Ok(None) };
        let (place, mark) = text.find(MARK).map_or((text, ""), |at| text.split_at(at));
        Ok(sse::last_event_id(Some(place))?.map(|at| Self { at, mark: mark.to_owned() }))
    }
}

/// Stands between the place and what tells apart who sees other rows.
const MARK: char = '~';

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
    reader: Reader,
    start: Start,
    reset: bool,
    (mut subscription, open): (Subscription, OpenStream),
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + use<> {
    let mut stopping = app.stopping();
    async_stream::stream! {
        let _open = open;
        if reset {
            yield Ok(reset_event(views.at()));
        }
        if let Start::Resumed(at) = start {
            // Says at once that the connection stands, and where.
            for chunk in reader.heartbeat(Some(at), at) {
                yield Ok(chunk);
            }
        }
        let mut heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + limits::HEARTBEAT, limits::HEARTBEAT);
        loop {
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
            if !still_shared(&app, &caller, &reader.asked).await {
                let at = views.at();
                yield Ok(reset_event(at));
                yield Ok(rows_event(at, &[], true));
                break;
            }
            // A place is named only once all rows of it were sent.
            let at = subscription.at();
            let chunks = match turn {
                Turn::Live(Some(Live::Rows(page))) => reader.rows(&page),
                Turn::Live(Some(Live::Changes(batch))) => reader.changes(&batch, at.is_some()),
                Turn::Live(Some(Live::Reset(at))) => vec![reset_event(at)],
                Turn::Quiet => reader.heartbeat(at, views.at()),
                Turn::Live(None) | Turn::Over => break,
            };
            for chunk in chunks {
                yield Ok(chunk);
            }
        }
    }
}

/// Whether what agreements opened when the stream began is open still.
async fn still_shared(app: &App, caller: &Caller, asked: &Asked) -> bool {
    if asked.shares.is_empty() {
        return true;
    }
    match sight::shares(app, caller, asked.view).await {
        Ok(now) => asked.shares.iter().all(|share| now.contains(share)),
        Err(_) => false,
    }
}

fn reset_event(at: EpochPosition) -> Bytes {
    sse::event("reset", None, &json!({"at": at.to_string()}))
}

fn rows_event(at: EpochPosition, rows: &[Value], complete: bool) -> Bytes {
    sse::event("snapshot", None, &json!({"at": at.to_string(), "rows": rows, "complete": complete}))
}

/// Who reads, and how it is told.
struct Reader {
    asked: Asked,
    /// Stands behind each place.
    mark: String,
}

impl Reader {
    fn new(asked: Asked) -> Self {
        let mark = asked.fingerprint().map(|print| format!("{MARK}{print:016x}")).unwrap_or_default();
        Self { asked, mark }
    }

    /// The line before an event that a reader may resume from.
    fn id(&self, at: EpochPosition) -> Bytes {
        Bytes::from(format!("id: {at}{}\n", self.mark))
    }

    /// Where the stream stands and what time it is; with an id where everything up to `reached` was sent.
    fn heartbeat(&self, reached: Option<EpochPosition>, at: EpochPosition) -> Vec<Bytes> {
        let at = reached.unwrap_or(at);
        let beat = sse::event("heartbeat", None, &json!({"at": at.to_string(), "time_ms": wall_ms().to_string()}));
        reached.map(|at| self.id(at)).into_iter().chain([beat]).collect()
    }

    /// A page of the snapshot. Only the last one has an id: a snapshot that was cut off begins anew.
    fn rows(&self, page: &Snapshot) -> Vec<Bytes> {
        let shown = page.rows.iter().filter(|placed| self.asked.takes(&placed.row));
        let rows: Vec<Value> = shown.map(|placed| json!({"key": key(placed), "row": self.asked.json(placed)})).collect();
        let complete = page.next.is_none();
        let event = (complete || !rows.is_empty()).then(|| rows_event(page.at, &rows, complete));
        complete.then(|| self.id(page.at)).into_iter().chain(event).collect()
    }

    /// The changes of one commit. The id stands at the last one: the place is reached only with all of them.
    fn changes(&self, batch: &ChangeBatch, with_id: bool) -> Vec<Bytes> {
        let mut chunks: Vec<Bytes> = batch.changes.iter().filter_map(|change| self.change(change, batch.at)).collect();
        if with_id && let Some(last) = chunks.pop() {
            chunks.extend([self.id(batch.at), last]);
        }
        chunks
    }

    /// What is sent of a change. A row that leaves what the caller sees is gone for the caller, also where it stays in the area that was asked
    /// for: because that area itself was moved, or because the row now belongs to another organization, unit or person.
    fn change(&self, change: &Change, at: EpochPosition) -> Option<Bytes> {
        let named = || json!({"key": format!("{}/{}", change.realm, change.id), "at": at.to_string()});
        match &change.kind {
            ChangeKind::Upsert { placed, .. } => self.asked.takes(&placed.row).then(|| {
                change.frames.get(self.asked.form(placed), || {
                    let mut data = named();
                    data["row"] = self.asked.json(placed);
                    sse::event("change", None, &data)
                })
            }),
            ChangeKind::Remove { .. } => Some(change.frames.get(Form::Gone, || sse::event("remove", None, &named()))),
        }
    }
}
