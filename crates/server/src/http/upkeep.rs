//! `GET /v1/views`, `POST /v1/views:rebuild` and `POST /v1/views:verify`: how the views stand, and folding them anew from the log. One such work at
//! a time; it goes on when whoever asked is gone, and ends with the process. It must never change a row but by what the log says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use muster_log::{EpochPosition, Position, Record};
use muster_views::{Difference, Origin, Outdated, Rebuilt, Records, Renewed, ReplayError, Row, View, ViewsHandle, row_json};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::app::{App, log_unreadable};
use super::ops::as_f64;
use crate::limits;
use crate::problem::Problem;
use crate::remote_log::RemoteRecords;
use crate::words::Words;

/// The work under way, if there is any.
#[derive(Default)]
pub(crate) struct Upkeep(Mutex<Option<Arc<Work>>>);

/// Views being folded anew.
struct Work {
    kind: Kind,
    begun: Instant,
    /// Where the rows were when it began, and how far it is.
    to: Position,
    at: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rebuild,
    Verify,
    /// What another version of a fold made is made by the present one.
    Renew,
}

impl Upkeep {
    fn begin(&self, kind: Kind, to: Position) -> Result<Arc<Work>, Problem> {
        let mut running = self.0.lock();
        if running.is_some() {
            let detail = Words::new(
                "视图正在重建或核对；GET /v1/views 可看进度",
                "the views are being rebuilt or verified already; GET /v1/views shows how far that is",
            );
            return Err(Problem::conflict("rebuild_under_way", detail));
        }
        let work = Arc::new(Work { kind, begun: Instant::now(), to, at: AtomicU64::new(0) });
        *running = Some(Arc::clone(&work));
        Ok(work)
    }
}

impl Work {
    const fn state(&self) -> &'static str {
        match self.kind {
            Kind::Rebuild | Kind::Renew => "rebuilding",
            Kind::Verify => "verifying",
        }
    }

    fn percent(&self, at: u64) -> f64 {
        if at >= self.to.0 { 100.0 } else { as_f64(at) * 100.0 / as_f64(self.to.0) }
    }

    fn remaining(&self, at: u64) -> Option<Duration> {
        let open = self.to.0.saturating_sub(at);
        (at > 0).then(|| self.begun.elapsed().mul_f64(as_f64(open) / as_f64(at)))
    }
}

/// Gives the place up however the work ends.
struct Turn(Arc<App>);

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.upkeep.0.lock() = None;
    }
}

/// Records on their way into a fold: notes how far it is, and ends it with the process.
struct Watched<R: ?Sized> {
    work: Arc<Work>,
    stopping: watch::Receiver<bool>,
    inner: Arc<R>,
}

impl<R: Records + ?Sized> Records for Watched<R> {
    fn origin(&self) -> Origin {
        self.inner.origin()
    }

    fn last(&self) -> Position {
        self.inner.last()
    }

    fn stretch(&self, from: Position) -> Result<Vec<Record>, ReplayError> {
        if *self.stopping.borrow() {
            return Err(ReplayError::BrokenOff);
        }
        let records = self.inner.stretch(from)?;
        self.work.at.store(records.last().map_or(from.0 - 1, |record| record.position.0), Ordering::Relaxed);
        Ok(records)
    }
}

/// `GET /v1/views`: each view and generation.
pub(super) async fn status(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let views = app.views()?;
    let (progress, lag, outlook) = (views.progress().borrow().clone(), views.lag(), views.outlook());
    let generation = views.generation();
    let state = match (&progress.stopped, progress.ready, outlook.catching_up) {
        (Some(_), ..) => "stopped",
        (None, false, _) => "coming_back",
        (None, true, true) => "catching_up",
        (None, true, false) => "live",
    };
    let counting = views.clone();
    let counted = tokio::task::spawn_blocking(move || counting.views().iter().map(|view| counting.rows(*view)).collect::<Vec<_>>());
    let counted = counted.await.map_err(|_| Problem::internal())?;
    let row = |(view, rows): (&View, u64)| {
        let (state, version, at) = match views.outdated_of(*view).map(|outdated| outdated.rows) {
            None => (state, Some(view.version()), progress.at),
            Some(Some((version, at))) => ("outdated", Some(version), at),
            Some(None) => ("building", None, EpochPosition::default()),
        };
        json!({
            "view": view.name(), "generation": generation, "version": version, "state": state, "at": at.to_string(), "rows": rows.to_string(),
            "lag_positions": lag.positions.to_string(), "lag_s": lag.age.as_secs_f64(), "progress_percent": outlook.percent,
            "remaining_s": outlook.remaining.map(|remaining| remaining.as_secs_f64()),
        })
    };
    let mut rows: Vec<Value> = views.views().iter().zip(counted).map(row).collect();
    if let Some(work) = app.upkeep.0.lock().clone() {
        rows.extend(views.views().iter().map(|view| next_generation(views, *view, generation, &work)));
    }
    let source = app.try_source().map(source);
    Ok(Json(json!({
        "at": progress.at.to_string(), "stopped": progress.stopped.map(|error| error.to_string()), "views": rows, "source": source,
        "renewed": views.renewed().iter().map(renewed).collect::<Vec<_>>(),
    })))
}

/// A view whose rows another version of its fold made when the process started.
fn renewed(renewed: &Renewed) -> Value {
    json!({
        "view": renewed.view.name(), "former_version": renewed.former_version, "version": renewed.view.version(), "at": renewed.at.to_string(),
        "rows": renewed.rows.to_string(), "rows_differing": renewed.differing.map(|rows| rows.to_string()),
    })
}

/// What readiness says of views that cannot be read yet or are not made by the present version of their fold: a line each.
pub(super) fn not_current(app: &App) -> String {
    let Some(views) = app.try_views() else { return String::new() };
    if !views.progress().borrow().ready {
        return format!("views: {:.1}% brought up to date\n", views.outlook().percent.min(99.9));
    }
    let work = app.upkeep.0.lock().clone();
    // Records that were read are folded, compared and written a moment later.
    let percent = work.map_or(0.0, |work| work.percent(work.at.load(Ordering::Relaxed))).min(99.9);
    let line = |outdated: &Outdated| {
        let (view, version) = (outdated.view, outdated.view.version());
        match outdated.rows {
            Some((former, at)) => format!("view {view}: version {former} as of {at} is shown, version {version} is {percent:.1}% built\n"),
            None => format!("view {view}: version {version} is {percent:.1}% built\n"),
        }
    };
    views.outdated().iter().map(line).collect()
}

/// Makes views by the present versions of their folds that another version made, beside what is shown. Tries, more and more rarely, until it is done,
/// the views have stopped or the process stops.
pub(crate) fn renew_views(app: &Arc<App>) {
    let Some(views) = app.try_views().filter(|views| !views.outdated().is_empty()).cloned() else { return };
    for outdated in views.outdated() {
        let (view, version) = (outdated.view, outdated.view.version());
        tracing::info!(%view, shown = ?outdated.rows, version, "a view is folded anew by another version of its fold");
    }
    let app = Arc::clone(app);
    let mut stopping = app.stopping();
    tokio::spawn(async move {
        let mut pause = limits::RENEW_PAUSE.0;
        loop {
            if let Ok(work) = app.upkeep.begin(Kind::Renew, views.at().position) {
                let turn = Turn(Arc::clone(&app));
                match run(&app, &views, &work).await {
                    Ok(_) => return,
                    Err(error) => tracing::warn!(%error, "the views could not be folded anew yet; what was shown is shown on"),
                }
                drop(turn);
            }
            let stop = tokio::time::timeout(pause, stopping.wait_for(|stopping| *stopping)).await;
            if stop.is_ok() || views.outdated().is_empty() || views.progress().borrow().stopped.is_some() {
                return;
            }
            pause = limits::RENEW_PAUSE.1.min(2 * pause);
        }
    });
}

/// The generation that is being made beside the present one.
fn next_generation(views: &ViewsHandle, view: View, present: u32, work: &Work) -> Value {
    let at = work.at.load(Ordering::Relaxed);
    json!({
        "view": view.name(), "generation": present + 1, "version": view.version(), "state": work.state(), "at": format!("{}.{at}", views.at().epoch), "rows": Value::Null,
        "lag_positions": work.to.0.saturating_sub(at).to_string(), "lag_s": Value::Null, "progress_percent": work.percent(at),
        "remaining_s": work.remaining(at).map(|remaining| remaining.as_secs_f64()),
    })
}

/// How records come in at a worker.
pub(super) fn source(state: &watch::Receiver<muster_feed::SourceState>) -> Value {
    let state = state.borrow();
    json!({"state": state.name(), "reason": state.reason()})
}

/// `POST /v1/views:rebuild`: the next generation beside the present one, compared and put in its place.
pub(super) async fn rebuild(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    fold_anew(app, Kind::Rebuild).await
}

/// `POST /v1/views:verify`: the same comparison, and the present rows stay.
pub(super) async fn verify(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    fold_anew(app, Kind::Verify).await
}

async fn fold_anew(app: Arc<App>, kind: Kind) -> Result<Json<Value>, Problem> {
    let views = app.views()?.clone();
    if app.try_node().is_none() && app.try_remote_log().is_none() {
        let detail = Words::new(
            "投影进程没有日志：启动时用 --server（以及 --token）指定 Muster 服务器后才能重建和核对",
            "a worker has no log: it rebuilds and verifies when it was started with --server (and --token) of a Muster server",
        );
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "no_log_here", Words::new("此处不可用", "Not available here"), detail));
    }
    let work = app.upkeep.begin(kind, views.at().position)?;
    // A task of its own: it goes on when the connection ends.
    let done = tokio::spawn(async move {
        let turn = Turn(app);
        let app = &turn.0;
        let outcome = run(app, &views, &work).await;
        if let (Kind::Rebuild, Ok(report), Some(node)) = (kind, &outcome, app.try_node())
            && !report.differences.is_empty()
        {
            // Its versions came from the same folds, and may be as wrong.
            node.history.begin_anew();
        }
        outcome.map(|report| answer(&report, kind, views.generation())).map_err(|error| problem(&error))
    });
    done.await.map_err(|_| Problem::internal())?.map(Json)
}

async fn run(app: &App, views: &ViewsHandle, work: &Arc<Work>) -> Result<Rebuilt, ReplayError> {
    match (app.try_node(), app.try_remote_log()) {
        (Some(node), _) => fold(app, views, work, Arc::clone(&node.log)).await,
        (None, Some(log)) => {
            let records = RemoteRecords::open(Arc::clone(log), app.stopping()).await?;
            fold(app, views, work, Arc::new(records)).await
        }
        (None, None) => Err(ReplayError::OtherLog),
    }
}

async fn fold<R: Records + ?Sized + 'static>(
    app: &App,
    views: &ViewsHandle,
    work: &Arc<Work>,
    log: Arc<R>,
) -> Result<Rebuilt, ReplayError> {
    let watched = Arc::new(Watched { work: Arc::clone(work), stopping: app.stopping(), inner: log });
    match work.kind {
        Kind::Rebuild => views.rebuild(watched).await,
        Kind::Verify => views.verify(watched).await,
        Kind::Renew => views.renew(watched).await,
    }
}

fn answer(report: &Rebuilt, kind: Kind, generation: u32) -> Value {
    let rows: Vec<Value> = report.rows.iter().map(|(view, rows)| json!({"view": view.name(), "rows": rows.to_string()})).collect();
    let told: Vec<Value> = report.differences.iter().take(limits::DIFFERENCES_MAX).map(difference).collect();
    json!({
        "at": report.at.to_string(), "generation": generation, "replaced": kind == Kind::Rebuild, "views": rows,
        "differences_found": report.differences.len().to_string(), "differences": told,
    })
}

fn difference(difference: &Difference) -> Value {
    let form = |bytes: &Option<Vec<u8>>| match bytes.as_deref().map(|bytes| Row::decode(difference.view, bytes)) {
        None => Value::Null,
        Some(Ok(row)) => row_json(&row),
        Some(Err(error)) => json!({"unreadable": error.to_string()}),
    };
    json!({"view": difference.view.name(), "key": difference.key, "found": form(&difference.one), "expected": form(&difference.other)})
}

fn problem(error: &ReplayError) -> Problem {
    tracing::error!(%error, "the views could not be folded anew; the present rows stay in use");
    match error {
        ReplayError::Log(error) => log_unreadable(error),
        ReplayError::OtherLog => {
            let detail = Words::new(
                "所用服务器的日志与这些视图的来源不是同一个日志或纪元",
                "the server's log is not the one, or not in the epoch, that these views come from",
            );
            Problem::conflict("other_log", detail)
        }
        ReplayError::Remote { detail } => {
            let words = Words::new(format!("无法从服务器读取日志：{detail}"), format!("the log cannot be read from the server: {detail}"));
            Problem::unavailable("log_elsewhere_unreadable", words, limits::RETRY_AFTER_SECONDS)
        }
        ReplayError::BrokenOff => muster_proto::CommandError::Unavailable { reason: "shutting_down" }.into(),
        other => {
            let words = Words::new(
                format!("重建未完成，原有的行继续使用：{other}"),
                format!("it was not brought to its end, the present rows stay in use: {other}"),
            );
            Problem::unavailable("rebuild_failed", words, limits::RETRY_AFTER_STOPPED_SECONDS)
        }
    }
}
