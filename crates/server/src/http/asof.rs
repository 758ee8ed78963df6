//! Views as of an earlier place in the log, and as of a true time. Places are answered from the history of the views; where it is not there yet, and
//! for a true time, everything from position 1 is folded again. What was true at a place never changes, so that the last few folds are kept for
//! the pages that follow. It must never hold up live readers: few such answers are made at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::http::StatusCode;
use muster_log::{EpochPosition, Log, Position};
use muster_views::{Filter, HistoryHandle, PRESENCE_VIEWS, Page, PlacedRow, QueryError, ReplayError, Snapshot, View};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::app::{App, Node, log_unreadable};
use super::events::foreign_epoch;
use super::views::{Asked, key, unknown_area, unreadable};
use crate::limits;
use crate::problem::Problem;
use crate::time::parse_rfc3339;
use crate::words::Words;

/// Which view, as of where, and as of which true time if one is asked for.
type Question = (View, EpochPosition, Option<i64>);

/// The folds that are kept, oldest first, and how many answers may be made at a time.
pub(super) struct AsOf {
    kept: Mutex<VecDeque<(Question, Arc<Snapshot>)>>,
    folds: Semaphore,
    reads: Semaphore,
}

impl AsOf {
    pub(super) fn new() -> Self {
        Self {
            kept: Mutex::new(VecDeque::new()),
            folds: Semaphore::new(limits::AS_OF_FOLDS_MAX),
            reads: Semaphore::new(limits::HISTORY_READS_MAX),
        }
    }
}

/// Which moment somebody asks for, and in which field; nothing for the present end.
pub(super) struct Moment {
    text: Option<String>,
    field: &'static str,
}

impl Moment {
    pub(super) const fn new(text: Option<String>, field: &'static str) -> Self {
        Self { text, field }
    }

    /// The pages after the first are of the moment that their cursor names.
    pub(super) fn of_page(place: Option<[String; 1]>, text: Option<String>, field: &'static str) -> Self {
        match place {
            Some([place]) => Self::new(Some(place), "cursor"),
            None => Self::new(text, field),
        }
    }

    /// Looks up a time in the log.
    pub(super) async fn position(self, log: &Arc<dyn Log>) -> Result<Position, Problem> {
        match self.text {
            None => Ok(log.watermark()),
            Some(text) => position(log, &text, self.field).await,
        }
    }
}

/// A page of a view as it was.
pub(super) async fn snapshot(
    app: &Arc<App>,
    asked: &Asked,
    page: &Page,
    moment: Moment,
    true_time_ms: Option<i64>,
) -> Result<Snapshot, Problem> {
    let log = log(app, moment.field)?;
    let position = moment.position(&log).await?;
    let (asking, wanted) = (asked.clone(), page.clone());
    let has_rows = true_time_ms.is_none() && !asked.filter.names_units();
    let read = move |history: &HistoryHandle| {
        let stood = stood(history, &asking, &[position])?;
        let rows = (stood && has_rows).then(|| history.snapshot(asking.view, &asking.filter, &wanted, position)).transpose()?;
        Ok((stood, rows))
    };
    match read_history(app, position, read).await? {
        Some((false, _)) => return Err(was_unknown(asked, &[position])),
        Some((true, Some(snapshot))) => return Ok(snapshot),
        Some((true, None)) => {}
        None => known_now(app, asked, &[position])?,
    }
    let whole = folded(app, asked.view, position, true_time_ms).await?;
    let (asked, page) = (asked.clone(), page.clone());
    let cut = tokio::task::spawn_blocking(move || cut(&whole, &page, |placed| asked.filter.takes(placed))).await;
    cut.map_err(|_| Problem::internal())?.map_err(|error| unreadable(&error))
}

/// Whether the area that was asked for was there at one of the moments: an empty table would say that all was well.
pub(super) fn stood(history: &HistoryHandle, asked: &Asked, moments: &[Position]) -> Result<bool, QueryError> {
    let Some(area) = asked.area() else { return Ok(true) };
    for moment in moments {
        if history.areas(*moment)?.stands(area) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where the history cannot say whether the area was there, at least somebody must have defined it by now.
pub(super) fn known_now(app: &App, asked: &Asked, moments: &[Position]) -> Result<(), Problem> {
    match asked.area() {
        Some(area) if app.areas()?.path(area).is_none() => Err(was_unknown(asked, moments)),
        _ => Ok(()),
    }
}

pub(super) fn was_unknown(asked: &Asked, moments: &[Position]) -> Problem {
    let (area, at) = (asked.area().unwrap_or_default(), moments.iter().map(Position::to_string).collect::<Vec<_>>());
    let zh = format!("位置 {} 时没有辖区“{area}”", at.join("、"));
    unknown_area(Words::new(zh, format!("there was no area {area:?} at {}", at.join(" or "))))
}

/// The log, which a worker has not.
pub(super) fn log(app: &Arc<App>, field: &str) -> Result<Arc<dyn Log>, Problem> {
    if app.is_worker() {
        let detail = Words::new("投影进程没有日志，不能回看；请向服务器查询", "a worker has no log and cannot look back; ask the server");
        return Err(
            Problem::new(StatusCode::NOT_IMPLEMENTED, "as_of_not_available", Words::new("不支持", "Not available"), detail).at(field)
        );
    }
    Ok(Arc::clone(&app.node()?.log))
}

/// Reads from the history once it has `position`; nothing where it is too far behind, or broken.
pub(super) async fn read_history<T: Send + 'static>(
    app: &Arc<App>,
    position: Position,
    read: impl FnOnce(&HistoryHandle) -> Result<T, QueryError> + Send + 'static,
) -> Result<Option<T>, Problem> {
    let history = app.node()?.history.clone();
    // It follows within milliseconds; only after a large import, or while it is made anew, it is farther behind.
    let _ = tokio::time::timeout(limits::HISTORY_WAIT, history.wait_for(position)).await;
    let _turn = app.as_of.reads.acquire().await.map_err(|_| Problem::internal())?;
    let read = tokio::task::spawn_blocking(move || read(&history)).await;
    match read.map_err(|_| Problem::internal())? {
        Ok(found) => Ok(Some(found)),
        Err(QueryError::NotReady { .. } | QueryError::Stopped(_)) => Ok(None),
        Err(QueryError::Store(error)) => {
            tracing::error!(%error, "the history of the views cannot be read; the log is folded instead");
            Ok(None)
        }
        Err(error) => Err(unreadable(&error)),
    }
}

/// All rows of a view, folded from the log. What of it somebody asks for and may see is cut out afterwards, so that one fold serves all who ask.
pub(super) async fn folded(app: &Arc<App>, view: View, position: Position, true_time_ms: Option<i64>) -> Result<Arc<Snapshot>, Problem> {
    let log = Arc::clone(&app.node()?.log);
    let question = (view, EpochPosition { epoch: log.epoch(), position }, true_time_ms);
    match kept(&app.as_of, &question) {
        Some(whole) => Ok(whole),
        None => fold(app, log, question).await,
    }
}

/// The cursor of a page as of earlier moments, with these before it: the pages of one listing are of one place, though the log goes on and the first
/// was asked for by a time or by none at all.
pub(super) fn cursor<const N: usize>(moments: [EpochPosition; N], next: &str) -> String {
    format!("{}@{next}", moments.map(|at| at.to_string()).join(","))
}

/// The moments in such a cursor, and the cursor of the view. One without moments is as good.
pub(super) fn split_cursor<const N: usize>(cursor: Option<String>) -> Result<(Option<[String; N]>, Option<String>), Problem> {
    let Some(text) = cursor else { return Ok((None, None)) };
    let Some((moments, next)) =
        text.split_once('@').filter(|(moments, _)| moments.split(',').all(|at| at.parse::<EpochPosition>().is_ok()))
    else {
        return Ok((None, Some(text)));
    };
    let moments: Vec<String> = moments.split(',').map(str::to_owned).collect();
    let moments = moments.try_into().map_err(|_| unreadable(&QueryError::BadCursor { cursor: text.clone() }))?;
    Ok((Some(moments), Some(next.to_owned())))
}

/// What status says of the history.
pub(super) fn status(node: &Node) -> Value {
    let progress = node.history.progress().borrow().clone();
    json!({
        "at": progress.at.to_string(),
        "lag_positions": node.log.watermark().0.saturating_sub(progress.at.position.0).to_string(),
        "bytes": node.history.bytes().to_string(),
        "stopped": progress.stopped.map(|error| error.to_string()),
    })
}

/// Unix milliseconds with `ms` behind, or RFC 3339.
fn time(text: &str) -> Option<i64> {
    text.strip_suffix("ms").and_then(|ms| ms.parse().ok()).or_else(|| parse_rfc3339(text))
}

/// The true time that somebody asks for, of a view that has one.
pub(super) fn true_time(view: View, text: &str) -> Result<i64, Problem> {
    if !PRESENCE_VIEWS.contains(&view) {
        let known = PRESENCE_VIEWS.map(View::name).join(", ");
        let expected = Words::new(format!("只有 {known} 有真实时间"), format!("only {known} have a true time"));
        return Err(Problem::bad_parameter("true_time", text, expected));
    }
    time(text).ok_or_else(|| {
        let zh = "应为 RFC 3339 时间（如 2026-07-31T08:00:00+08:00）或以 ms 结尾的毫秒数";
        let en = "an RFC 3339 time (2026-07-31T08:00:00+08:00) or milliseconds with ms behind is expected";
        Problem::bad_parameter("true_time", text, Words::new(zh, en))
    })
}

fn kept(as_of: &AsOf, question: &Question) -> Option<Arc<Snapshot>> {
    as_of.kept.lock().iter().find(|(known, _)| known == question).map(|(_, snapshot)| Arc::clone(snapshot))
}

async fn fold(app: &Arc<App>, log: Arc<dyn Log>, question: Question) -> Result<Arc<Snapshot>, Problem> {
    let turn = app.as_of.folds.acquire().await.map_err(|_| Problem::internal())?;
    // Somebody before in the line may have asked the same.
    if let Some(whole) = kept(&app.as_of, &question) {
        return Ok(whole);
    }
    let (view, at, true_time_ms) = question;
    let fold = move || match true_time_ms {
        Some(at_ms) => muster_views::as_of_true_time(&*log, view, &Filter::default(), at.position, at_ms),
        None => muster_views::as_of(&*log, view, &Filter::default(), at.position),
    };
    let whole = Arc::new(off_the_loop(fold).await?);
    drop(turn);
    let mut kept = app.as_of.kept.lock();
    if kept.len() >= limits::AS_OF_KEPT_MAX {
        kept.pop_front();
    }
    kept.push_back((question, Arc::clone(&whole)));
    Ok(whole)
}

/// Folds something else of the log, once it is its turn.
pub(super) async fn in_turn<T: Send + 'static>(
    app: &App,
    fold: impl FnOnce() -> Result<T, ReplayError> + Send + 'static,
) -> Result<T, Problem> {
    let _turn = app.as_of.folds.acquire().await.map_err(|_| Problem::internal())?;
    off_the_loop(fold).await
}

async fn off_the_loop<T: Send + 'static>(fold: impl FnOnce() -> Result<T, ReplayError> + Send + 'static) -> Result<T, Problem> {
    let folded = tokio::task::spawn_blocking(fold).await;
    folded.map_err(|_| Problem::internal())?.map_err(|error| replay_problem(&error))
}

/// The rows after the cursor that may be shown; rows are ordered by realm and id.
fn cut(whole: &Snapshot, page: &Page, shows: impl Fn(&PlacedRow) -> bool) -> Result<Snapshot, QueryError> {
    let after = after(page)?;
    let is_before = |placed: &PlacedRow| after.is_some_and(|after| (placed.row.realm(), placed.row.id().as_str()) <= after);
    let from = whole.rows.partition_point(is_before);
    let rows_max = page.rows_max.unwrap_or(limits::VIEW_PAGE_ROWS);
    let mut rows: Vec<_> = whole.rows[from..].iter().filter(|placed| shows(placed)).take(rows_max + 1).cloned().collect();
    let more = rows.len() > rows_max;
    rows.truncate(rows_max);
    let next = rows.last().filter(|_| more).map(key);
    Ok(Snapshot { view: whole.view, at: whole.at, rows, next })
}

/// Realm and id of the last row of the page before.
pub(super) fn after(page: &Page) -> Result<Option<(&str, &str)>, QueryError> {
    let parts = |cursor: &'_ String| QueryError::BadCursor { cursor: cursor.clone() };
    page.after.as_ref().map(|cursor| cursor.split_once('/').ok_or_else(|| parts(cursor))).transpose()
}

/// A position, `epoch.position`, RFC 3339, or Unix milliseconds with `ms` behind.
async fn position(log: &Arc<dyn Log>, text: &str, field: &str) -> Result<Position, Problem> {
    let end = log.end();
    if let Ok(position) = text.parse::<Position>() {
        return reachable(position, end, field);
    }
    if let Ok(place) = text.parse::<EpochPosition>() {
        return if place.epoch == end.epoch { reachable(place.position, end, field) } else { Err(foreign_epoch(place, end).at(field)) };
    }
    let ms = time(text).ok_or_else(|| {
        let zh = "应为位置、epoch.position、RFC 3339 时间（如 2026-07-31T08:00:00+08:00）或以 ms 结尾的毫秒数";
        let en = "a position, epoch.position, an RFC 3339 time (2026-07-31T08:00:00+08:00) or milliseconds with ms behind is expected";
        Problem::bad_parameter(field, text, Words::new(zh, en))
    })?;
    let log = Arc::clone(log);
    off_the_loop(move || muster_views::position_at(&*log, ms)).await
}

fn reachable(position: Position, end: EpochPosition, field: &str) -> Result<Position, Problem> {
    if position > end.position { Err(super::events::position_ahead(position, end).at(field)) } else { Ok(position) }
}

fn replay_problem(error: &ReplayError) -> Problem {
    match error {
        ReplayError::NotYet { asked, end } => {
            let detail = Words::new(
                format!("位置 {asked} 还不存在：日志到 {end} 为止"),
                format!("there is no position {asked} yet: the log ends at {end}"),
            );
            Problem::not_found("position_ahead", detail).at("as_of")
        }
        ReplayError::Log(error) => log_unreadable(error),
        other => {
            tracing::error!(error = %other, "a view cannot be folded as of an earlier place");
            Problem::internal()
        }
    }
}
