//! `GET /v1/events`: the log in order, filtered, as NDJSON or server-sent events. Personal fields stay sealed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::Stream;
use muster_access::{Action, Denial, Reach, reads};
use muster_log::{EpochPosition, Position, ReadError, Record, Tail, TailLimits};
use muster_proto::v1::{AreaPath, Envelope};
use muster_proto::{Aggregate, aggregate_of, event_tag, levels};
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::{App, log_unreadable};
use super::commands::{flag, header_text};
use super::event_json;
use super::redact::Redaction;
use super::shared::{self, Partner};
use super::sse::{self, OpenStream};
use crate::access::{Caller, denied};
use crate::limits;
use crate::problem::Problem;
use crate::words::Words;

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    from: Option<String>,
    area: Option<String>,
    r#type: Option<String>,
    follow: Option<String>,
    limit: Option<String>,
}

/// Which events somebody wants.
struct Wanted {
    /// Every type if empty.
    tags: HashSet<u32>,
    area: Option<Subtree>,
    /// What the caller may see.
    shown: Bound,
    /// Where persons are named to the caller; where there is nothing, in all that is shown. What one grant shows is not named because of another one.
    named: Option<Bound>,
    /// What agreements open beside it, without persons.
    partners: Vec<Partner>,
    redaction: Arc<Redaction>,
}

/// Any of these subtrees, or everything.
struct Bound(Option<Vec<Subtree>>);

/// An area and what lies below it. Grows with the paths that events carry.
pub(super) struct Subtree {
    top: String,
    below: HashSet<String>,
}

/// Where the stream begins and ends.
struct Range {
    from: Position,
    /// The last position, if the stream does not follow.
    to: Option<Position>,
    limit: u64,
    /// The reader named a place of another epoch: it has to start anew.
    reset: bool,
}

pub(super) async fn events(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = wanted(&app, &caller, &parameters).await?;
    let as_sse =
        headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/event-stream"));
    let range = range(&app, &parameters, if as_sse { header_text(&headers, "last-event-id")? } else { None })?;
    let open = OpenStream::new(&app, "events")?;
    let stream = stream(app, caller, wanted, range, as_sse, open)?;
    if as_sse {
        return Ok(sse::response(stream));
    }
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(stream)).into_response())
}

async fn wanted(app: &Arc<App>, caller: &Caller, parameters: &Parameters) -> Result<Wanted, Problem> {
    let reach = caller.reach(Action::Events)?;
    let names = parameters.r#type.as_deref().unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    let tags = names.map(|name| {
        event_tag(name).ok_or_else(|| {
            Problem::bad_parameter(
                "type",
                name,
                Words::new("没有这种事件；名称见 /openapi.json", "there is no such event; /openapi.json lists them"),
            )
        })
    });
    let tags = tags.collect::<Result<_, _>>()?;
    let area = match parameters.area.as_deref().filter(|area| !area.is_empty()) {
        Some(area) => Some(subtree(app, area).await?),
        None => None,
    };
    let named = match caller.reach_by(Action::Events, reads::persons_in_events) {
        named if named == reach => None,
        named => Some(Bound::of(app, named).await?),
    };
    let shown = Bound::of(app, reach).await?;
    let mut partners = Vec::new();
    if shown.0.is_some() {
        for share in shared::opened(app, caller).await? {
            let area = subtree(app, &share.area_id).await?;
            partners.push(Partner::of(app, share, area).await?);
        }
    }
    if let (Some(area), Some(subtrees)) = (&area, &shown.0)
        && !subtrees.iter().any(|subtree| subtree.below.contains(&area.top))
        && !partners.iter().any(|partner| partner.area().below.contains(&area.top))
    {
        let scopes = subtrees.iter().map(|subtree| subtree.top.as_str()).collect::<Vec<_>>().join(", ");
        return Err(denied(&Denial::OutsideScope { area: area.top.clone(), scopes }).at("area"));
    }
    Ok(Wanted { tags, area, shown, named, partners, redaction: Arc::clone(&app.redaction) })
}

/// The areas below one, as the views know them now.
pub(super) async fn subtree(app: &Arc<App>, top: &str) -> Result<Subtree, Problem> {
    super::views::catch_up(app).await?;
    let areas = app.areas()?;
    let below = areas.below(top).chain([top]).map(str::to_owned).collect();
    Ok(Subtree { top: top.to_owned(), below })
}

fn range(app: &Arc<App>, parameters: &Parameters, last_event_id: Option<&str>) -> Result<Range, Problem> {
    let log = &app.node()?.log;
    let end = log.end();
    let limit = match parameters.limit.as_deref() {
        None => u64::MAX,
        Some(text) => match text.parse() {
            Ok(limit) if limit > 0 => limit,
            _ => return Err(Problem::bad_parameter("limit", text, Words::new("应为正整数", "a number above 0 is expected"))),
        },
    };
    let to = if flag("follow", parameters.follow.as_deref())? { None } else { Some(end.position) };
    if let Some(seen) = sse::last_event_id(last_event_id)? {
        let known = seen.epoch == end.epoch && seen.position <= end.position;
        let from = if known { seen.position.next() } else { Position::FIRST };
        return Ok(Range { from, to, limit, reset: !known });
    }
    let from = parameters.from.as_deref().map_or(Ok(Position::FIRST), |text| parse_from(text, end))?;
    if from > end.position.next() {
        return Err(position_ahead(from, end).at("from"));
    }
    Ok(Range { from, to, limit, reset: false })
}

fn parse_from(text: &str, end: EpochPosition) -> Result<Position, Problem> {
    if let Ok(position) = text.parse::<Position>() {
        return Ok(position.max(Position::FIRST));
    }
    let place: EpochPosition = text.parse().map_err(|_| {
        Problem::bad_parameter("from", text, Words::new("应为位置或 epoch.position", "a position or epoch.position is expected"))
    })?;
    if place.epoch != end.epoch {
        return Err(foreign_epoch(place, end).at("from"));
    }
    Ok(place.position.max(Position::FIRST))
}

/// A place that the log has not reached.
pub(super) fn position_ahead(position: Position, end: EpochPosition) -> Problem {
    let detail = Words::new(
        format!("位置 {position} 还不存在：日志现在到 {} 为止", end.position),
        format!("there is no position {position} yet: the log ends at {}", end.position),
    );
    Problem::not_found("position_ahead", detail)
}

/// A place of a log that was restored, or whose loss was accepted, since it was seen.
pub(super) fn foreign_epoch(place: EpochPosition, end: EpochPosition) -> Problem {
    let detail = Words::new(
        format!("位置 {place} 属于另一纪元，日志现在是第 {} 纪元：请从头读取", end.epoch),
        format!("{place} is of another epoch, the log is in epoch {}: read from the beginning", end.epoch),
    );
    Problem::new(StatusCode::CONFLICT, "foreign_epoch", Words::new("日志纪元不同", "Another epoch of the log"), detail)
}

impl Wanted {
    /// Whether a record may take areas out of what is shown: the subtrees only grow.
    fn is_moved_by(&self, record: &Record) -> bool {
        let reparented = |tag| muster_proto::event_tag("AreaReparented") == Some(tag);
        let by_area = self.area.is_some() || self.shown.0.is_some() || !self.partners.is_empty();
        by_area && muster_proto::peek(&record.bytes).is_ok_and(|peek| reparented(peek.event_tag))
    }

    /// The event, if it is wanted, as it is shown. `None` for a record that cannot be decoded, which the log's own checks report.
    fn pick(&mut self, record: &Record) -> Option<Value> {
        let tag = muster_proto::peek(&record.bytes).ok()?.event_tag;
        let asked_for = self.tags.is_empty() || self.tags.contains(&tag);
        // The subtrees learn new areas from their own events, and partners new sites and whistles, whichever types were asked for.
        let by_area = self.area.is_some() || self.shown.0.is_some() || self.named.as_ref().is_some_and(|named| named.0.is_some());
        let teaches = match aggregate_of(tag) {
            Aggregate::Area => by_area,
            Aggregate::Site | Aggregate::Whistle => !self.partners.is_empty(),
            _ => false,
        };
        if !asked_for && !teaches {
            return None;
        }
        let envelope = muster_proto::decode(&record.bytes).ok()?;
        let concerns = self.area.as_mut().is_none_or(|subtree| subtree.concerns(&envelope));
        // Each of them is asked, for each learns from the record.
        let shown = self.shown.concerns(&envelope);
        let named = self.named.as_mut().map_or(shown, |named| named.concerns(&envelope));
        let opened = self.partners.iter_mut().filter_map(|partner| partner.opens(&envelope).then_some(())).count() > 0;
        (asked_for && concerns && (shown || opened)).then(|| {
            let mut value = event_json(&envelope);
            if !named {
                self.redaction.event(&mut value);
            }
            value
        })
    }
}

impl Bound {
    async fn of(app: &Arc<App>, reach: Reach) -> Result<Self, Problem> {
        let Reach::Within(bounds) = reach else { return Ok(Self(None)) };
        let mut subtrees = Vec::with_capacity(bounds.areas.len());
        for area in &bounds.areas {
            subtrees.push(subtree(app, area).await?);
        }
        Ok(Self(Some(subtrees)))
    }

    /// Whether an event takes effect there, or is of concern there.
    fn concerns(&mut self, envelope: &Envelope) -> bool {
        let Some(subtrees) = &mut self.0 else { return true };
        subtrees.iter_mut().filter_map(|subtree| subtree.concerns(envelope).then_some(())).count() > 0
    }
}

impl Subtree {
    /// Whether an event takes effect there, or is of concern there.
    pub(super) fn concerns(&mut self, envelope: &Envelope) -> bool {
        let none = AreaPath::default();
        let path = envelope.area_path.as_ref().unwrap_or(&none);
        let levels = levels(path);
        if let Some(at) = levels.iter().position(|id| *id == self.top) {
            for id in levels[at..].iter().filter(|id| !id.is_empty()) {
                if !self.below.contains(*id) {
                    self.below.insert((*id).to_owned());
                }
            }
            return true;
        }
        envelope.other_area_ids.iter().any(|id| self.below.contains(id))
    }
}

/// What the stream goes on with.
enum Turn {
    Batch(Result<Vec<Record>, ReadError>),
    Quiet,
    Over,
}

fn stream(
    app: Arc<App>,
    caller: Caller,
    mut wanted: Wanted,
    range: Range,
    as_sse: bool,
    open: OpenStream,
) -> Result<impl Stream<Item = Result<Bytes, axum::Error>> + Send + use<>, Problem> {
    let log = Arc::clone(&app.node()?.log);
    let limits = TailLimits { bytes_max: limits::EVENTS_BATCH_BYTES, records_max: limits::EVENTS_BATCH_RECORDS };
    let mut tail = Tail::new(Arc::clone(&log), range.from).with_limits(limits);
    let mut stopping = app.stopping();
    Ok(async_stream::stream! {
        let _open = open;
        let epoch = log.epoch();
        let (mut left, began) = (range.limit, log.watermark());
        // Lines have no end of their own: an answer that ends early must not look whole. Readers of server-sent events come back by themselves.
        let broken_off = |why: &'static str| (!as_sse).then(|| Err(axum::Error::new(std::io::Error::other(why))));
        let mut heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + limits::HEARTBEAT, limits::HEARTBEAT);
        if range.reset && as_sse {
            yield Ok(sse::event("reset", None, &json!({"at": log.end().to_string()})));
        }
        while left > 0 && range.to.is_none_or(|to| tail.next_position() <= to) {
            let turn = tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => Turn::Over,
                _ = heartbeat.tick() => Turn::Quiet,
                batch = tail.next_batch() => Turn::Batch(batch),
            };
            // A token that was revoked meanwhile shows nothing more.
            if !app.still_good(&caller) {
                if let Some(error) = broken_off("the token is good no more") {
                    yield error;
                }
                break;
            }
            // Nor does an agreement that has ended; where that cannot be found out, the reader comes back rather than misses what is shared.
            let through = match &turn {
                Turn::Batch(Ok(records)) => records.last().map_or(Position(0), |record| record.position),
                _ => log.watermark(),
            };
            if let Err(problem) = shared::keep_standing(&app, &caller, &mut wanted.partners, through).await {
                tracing::warn!(code = %problem.code, "a stream ends, for nobody can say what agreements open");
                if let Some(error) = broken_off("nobody can say what agreements open") {
                    yield error;
                }
                break;
            }
            match turn {
                Turn::Batch(Ok(records)) => {
                    let (mut chunk, mut moved) = (BytesMut::new(), false);
                    for record in records {
                        if left == 0 || range.to.is_some_and(|to| record.position > to) {
                            break;
                        }
                        // What was true of the areas when the stream began is so no more: whoever follows begins anew.
                        moved |= record.position > began && wanted.is_moved_by(&record);
                        if moved {
                            break;
                        }
                        let Some(value) = wanted.pick(&record) else { continue };
                        left -= 1;
                        if as_sse {
                            sse::write(&mut chunk, "event", Some(EpochPosition { epoch, position: record.position }), &value);
                        } else {
                            chunk.put_slice(value.to_string().as_bytes());
                            chunk.put_u8(b'\n');
                        }
                    }
                    if !chunk.is_empty() {
                        yield Ok(chunk.freeze());
                    }
                    if moved {
                        if let Some(error) = broken_off("areas were moved") {
                            yield error;
                        }
                        break;
                    }
                }
                Turn::Batch(Err(ReadError::Stopped(_))) | Turn::Over => {
                    if let Some(error) = broken_off("the server stops") {
                        yield error;
                    }
                    break;
                }
                Turn::Batch(Err(error)) => {
                    // The answer has begun: all that can be done is to end it, and to say so in the trace.
                    let _ = log_unreadable(&error);
                    if let Some(error) = broken_off("the log cannot be read") {
                        yield error;
                    }
                    break;
                }
                Turn::Quiet => yield Ok(quiet(as_sse, EpochPosition { epoch, position: Position(tail.next_position().0 - 1) })),
            }
        }
    })
}

/// A heartbeat; an empty line in NDJSON, so that a broken connection is noticed.
fn quiet(as_sse: bool, at: EpochPosition) -> Bytes {
    if as_sse { sse::heartbeat(at, wall_ms()) } else { Bytes::from_static(b"\n") }
}

/// The wall clock, Unix milliseconds; for people who watch, never for decisions.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
