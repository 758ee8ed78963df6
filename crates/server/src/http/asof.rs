//! Views as of an earlier place in the log: everything from position 1 is folded again. What was true at a place never
//! changes, so that the last few answers are kept for the pages that follow. It must never hold up live readers: few such
//! folds run at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::http::StatusCode;
use muster_log::{EpochPosition, Log, Position};
use muster_views::{Filter, Page, PlacedRow, ReplayError, Snapshot, View};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::app::{App, log_unreadable};
use super::events::foreign_epoch;
use super::views::{Asked, key};
use crate::limits;
use crate::problem::Problem;
use crate::time::parse_rfc3339;
use crate::words::Words;

/// Which rows, as of where.
type Question = (View, Filter, EpochPosition);

/// The answers that are kept, oldest first, and how many folds may run.
pub(super) struct AsOf {
    kept: Mutex<VecDeque<(Question, Arc<Snapshot>)>>,
    folds: Semaphore,
}

impl AsOf {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::new(VecDeque::new()), folds: Semaphore::new(limits::AS_OF_FOLDS_MAX) }
    }
}

/// A page of a view as it was.
pub(super) async fn snapshot(app: &Arc<App>, asked: &Asked, page: &Page, as_of: &str) -> Result<Snapshot, Problem> {
    if app.is_worker() {
        let detail = Words::new("投影进程没有日志，不能回看；请向服务器查询", "a worker has no log and cannot look back; ask the server");
        return Err(
            Problem::new(StatusCode::NOT_IMPLEMENTED, "as_of_not_available", Words::new("不支持", "Not available"), detail).at("as_of")
        );
    }
    let log = Arc::clone(&app.node()?.log);
    let position = position(&log, as_of)?;
    // What of it somebody may see is cut out afterwards, so that one fold serves all who ask.
    let filter = Filter { any_of: None, ..asked.filter.clone() };
    let question = (asked.view, filter, EpochPosition { epoch: log.epoch(), position });
    let whole = match kept(&app.as_of, &question) {
        Some(whole) => whole,
        None => fold(app, log, question).await?,
    };
    Ok(cut(&whole, page, |placed| asked.filter.takes(placed)))
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
    let (view, filter, at) = question.clone();
    let whole = Arc::new(off_the_loop(move || muster_views::as_of(&*log, view, &filter, at.position)).await?);
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
fn cut(whole: &Snapshot, page: &Page, shows: impl Fn(&PlacedRow) -> bool) -> Snapshot {
    let order = |key: &str| key.split_once('/').map(|(realm, id)| (realm.to_owned(), id.to_owned()));
    let after = page.after.as_deref().and_then(order);
    let later = |key: &str| after.is_none() || order(key) > after;
    let mut rows: Vec<_> = whole.rows.iter().filter(|placed| later(&key(placed)) && shows(placed)).cloned().collect();
    let rows_max = page.rows_max.unwrap_or(limits::VIEW_PAGE_ROWS);
    let more = rows.len() > rows_max;
    rows.truncate(rows_max);
    let next = rows.last().filter(|_| more).map(key);
    Snapshot { view: whole.view, at: whole.at, rows, next }
}

/// A position, `epoch.position`, RFC 3339, or Unix milliseconds with `ms` behind.
fn position(log: &Arc<dyn Log>, text: &str) -> Result<Position, Problem> {
    let end = log.end();
    if let Ok(position) = text.parse::<Position>() {
        return reachable(position, end);
    }
    if let Ok(place) = text.parse::<EpochPosition>() {
        return if place.epoch == end.epoch { reachable(place.position, end) } else { Err(foreign_epoch(place, end).at("as_of")) };
    }
    let ms = text.strip_suffix("ms").and_then(|ms| ms.parse().ok()).or_else(|| parse_rfc3339(text)).ok_or_else(|| {
        let zh = "应为位置、epoch.position、RFC 3339 时间（如 2026-07-31T08:00:00+08:00）或以 ms 结尾的毫秒数";
        let en = "a position, epoch.position, an RFC 3339 time (2026-07-31T08:00:00+08:00) or milliseconds with ms behind is expected";
        Problem::bad_parameter("as_of", text, Words::new(zh, en))
    })?;
    muster_views::position_at(&**log, ms).map_err(|error| replay_problem(&error))
}

fn reachable(position: Position, end: EpochPosition) -> Result<Position, Problem> {
    if position > end.position { Err(super::events::position_ahead(position, end).at("as_of")) } else { Ok(position) }
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
