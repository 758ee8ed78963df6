//! `GET /v1/views/{name}`: rows of a view by page; and what status and metrics say of the views.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use muster_access::{Bounds, Denial, Reach, reads};
use muster_domain::SharedArea;
use muster_proto::ACTUAL;
use muster_proto::v1::AreaLevel;
use muster_views::{Bound, Filter, Form, Page, PlacedRow, QueryError, Row, Snapshot, View, ViewsHandle, row_json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::App;
use super::asof;
use super::ops::as_f64;
use super::redact::Redaction;
use super::sight;
use crate::access::{Caller, denied};
use crate::limits;
use crate::problem::Problem;
use crate::telemetry::Meters;
use crate::words::Words;

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    pub(super) area: Option<String>,
    pub(super) realm: Option<String>,
    pub(super) level: Option<String>,
    pub(super) as_of: Option<String>,
    /// Of views that tell of presence: what was so at this time, as far as it is known at `as_of`.
    pub(super) true_time: Option<String>,
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<String>,
}

/// Which rows somebody asked for.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) view: View,
    /// With what of the rows the caller sees.
    pub(super) filter: Filter,
    /// Coverage only: nothing below this level.
    level_max: Option<i32>,
    /// What of these rows agreements open.
    pub(super) shares: Vec<SharedArea>,
    /// Which rows are shown with the persons in them; all where there is nothing.
    named: Option<Filter>,
    /// The area is that of the rights, and was not asked for.
    area_of_rights: bool,
    redaction: Arc<Redaction>,
}

impl Asked {
    /// Reads name and parameters. An area that is not there now is refused, for an empty table would say that all is well; of an earlier moment `asof`
    /// says whether it was there.
    pub(super) async fn read(app: &Arc<App>, caller: &Caller, name: &str, parameters: &Parameters, is_now: bool) -> Result<Self, Problem> {
        let view = find(app, name)?;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let realm = match given(&parameters.realm) {
            None => Some(ACTUAL.to_owned()),
            Some(realm) if realm == "*" => None,
            realm => realm,
        };
        let reach = caller.reach(sight::reading(view))?;
        let mut filter = Filter { realm, area: given(&parameters.area), any_of: None };
        let level_max = given(&parameters.level).map(|text| level(&text)).transpose()?;
        if let Some(area) = filter.area.as_ref().filter(|_| is_now) {
            check_area(app, area).await?;
        }
        // Where some grant reads rows without persons, those of the others say where they are shown.
        let named = match caller.reach_by(sight::reading(view), reads::persons_in_rows) {
            Reach::Within(bounds) if reach != Reach::Within(bounds.clone()) => {
                Some(Filter { any_of: Some(sight::bounds_of(bounds, &[])), ..Filter::default() })
            }
            _ => None,
        };
        let shares = match reach {
            Reach::Everything => Vec::new(),
            Reach::Within(bounds) => scope(app, caller, view, bounds, &mut filter).await?,
        };
        let area_of_rights = filter.area.is_some() && given(&parameters.area).is_none();
        Ok(Self { view, filter, level_max, shares, named, area_of_rights, redaction: Arc::clone(&app.redaction) })
    }

    /// How a row is shown.
    pub(super) fn form(&self, placed: &PlacedRow) -> Form {
        if self.named.as_ref().is_some_and(|named| !named.takes(placed)) { Form::WithoutPersons } else { Form::Whole }
    }

    /// The area that was asked for.
    pub(super) fn area(&self) -> Option<&str> {
        self.filter.area.as_deref().filter(|_| !self.area_of_rights)
    }

    /// The row as it is shown.
    pub(super) fn json(&self, placed: &PlacedRow) -> Value {
        let mut row = row_json(&placed.row);
        if self.form(placed) == Form::WithoutPersons {
            self.redaction.row(self.view, &mut row);
        }
        row
    }

    /// Tells apart who is shown other rows, or the same rows otherwise, where view and area do not say it already.
    pub(super) fn fingerprint(&self) -> Option<u64> {
        let plain = self.filter.any_of.is_none() && self.named.is_none() && !self.area_of_rights;
        (!plain).then(|| {
            let mut hasher = DefaultHasher::new();
            (self.view, &self.filter, &self.named).hash(&mut hasher);
            hasher.finish()
        })
    }

    /// Whether the row is high enough in the tree.
    pub(super) fn takes(&self, row: &Row) -> bool {
        match (self.level_max, row) {
            (Some(level_max), Row::Coverage(row)) => row.level <= level_max,
            _ => true,
        }
    }
}

/// Cuts the filter to the bounds: to the area of them that holds the area asked for; with none asked for, to the only one there is. Returns what
/// agreements open of it.
async fn scope(app: &App, caller: &Caller, view: View, mut bounds: Bounds, filter: &mut Filter) -> Result<Vec<SharedArea>, Problem> {
    let Some(asked) = filter.area.clone() else {
        match bounds.areas.as_slice() {
            _ if !bounds.holds_no_one() => filter.any_of = Some(sight::bounds_of(bounds, &[])),
            [only] => filter.area = Some(only.clone()),
            several => return Err(area_required(several)),
        }
        return Ok(Vec::new());
    };
    if bounds.areas.contains(&asked) {
        return Ok(Vec::new());
    }
    let path = app.areas()?.path(&asked).unwrap_or_default();
    let above: Vec<_> = muster_proto::levels(&path).into_iter().filter(|id| !id.is_empty()).collect();
    if let Some(area) = above.iter().find(|id| bounds.areas.iter().any(|area| area == **id)) {
        filter.any_of = Some(Arc::new([Bound::Area((**area).to_owned())]));
        return Ok(Vec::new());
    }
    let mut shares = sight::shares(app, caller, view).await?;
    shares.retain(|share| above.iter().any(|id| *id == share.area_id));
    if shares.is_empty() && bounds.holds_no_one() {
        return Err(denied(&Denial::OutsideScope { area: asked, scopes: bounds.areas.join(", ") }).at("area"));
    }
    bounds.areas.clear();
    filter.any_of = Some(sight::bounds_of(bounds, &shares));
    Ok(shares)
}

fn area_required(areas: &[String]) -> Problem {
    let known = areas.join(", ");
    let detail = Words::new(
        format!("您的权限包含多个辖区，请用 area 指定其中之一：{known}"),
        format!("your scope has several areas; name one of them with area: {known}"),
    );
    Problem::bad_request("area_required", detail).at("area")
}

fn level(text: &str) -> Result<i32, Problem> {
    let name = text.to_ascii_uppercase();
    let found = AreaLevel::from_str_name(&name).or_else(|| AreaLevel::from_str_name(&format!("AREA_LEVEL_{name}")));
    found.map(i32::from).ok_or_else(|| {
        let expected = Words::new("应为 CITY、COUNTY、TOWNSHIP、VILLAGE 或 GRID", "CITY, COUNTY, TOWNSHIP, VILLAGE or GRID is expected");
        Problem::bad_parameter("level", text, expected)
    })
}

async fn check_area(app: &App, area: &str) -> Result<(), Problem> {
    if app.areas()?.stands(area) {
        return Ok(());
    }
    // Somebody may ask for an area that was defined a moment ago.
    catch_up(app).await?;
    if app.areas()?.stands(area) {
        return Ok(());
    }
    Err(unknown_area(Words::new(format!("没有辖区“{area}”"), format!("there is no area {area:?}"))))
}

pub(super) fn unknown_area(detail: Words) -> Problem {
    Problem::not_found("unknown_area", detail).at("area")
}

/// Waits, a bounded time, until the views have what is durable now.
pub(super) async fn catch_up(app: &App) -> Result<(), Problem> {
    if let Some(node) = app.try_node() {
        // Views that stay behind are answered from as they are.
        let _ = tokio::time::timeout(limits::VIEWS_WAIT, app.views()?.wait_for(node.log.watermark())).await;
    }
    Ok(())
}

/// The view of a name: Muster's own, and of other crates those that are kept here.
fn find(app: &App, name: &str) -> Result<View, Problem> {
    if let Ok(view) = name.parse() {
        return Ok(view);
    }
    let kept = app.views()?.views();
    kept.iter().copied().find(|view| view.name() == name).ok_or_else(|| {
        let others = kept.iter().copied().filter(|view| matches!(view, View::Other(_)));
        let known = View::ALL.into_iter().chain(others).map(View::name).collect::<Vec<_>>().join(", ");
        let detail = Words::new(format!("没有视图“{name}”；有 {known}"), format!("there is no view {name:?}; there are {known}"));
        Problem::not_found("unknown_view", detail)
    })
}

/// What a question to the views that was not answered means for the caller.
pub(super) fn unreadable(error: &QueryError) -> Problem {
    match error {
        QueryError::NotKept { view } => {
            let detail = Words::new(format!("此进程不维护视图 {view}"), format!("the view {view} is not kept by this process"));
            Problem::not_found("view_not_kept", detail)
        }
        QueryError::BadCursor { cursor } => {
            Problem::bad_parameter("cursor", cursor, Words::new("应为上一页的 next_cursor", "next_cursor of the page before is expected"))
        }
        QueryError::Building { view } => {
            let detail = Words::new(
                format!("视图 {view} 正在首次构建，GET /v1/views 可看进度"),
                format!("the view {view} is being built for the first time; GET /v1/views shows how far that is"),
            );
            Problem::unavailable("view_building", detail, limits::RETRY_AFTER_SECONDS)
        }
        QueryError::NotReady { at, target } => {
            let detail = Words::new(format!("视图正在追赶：{at} / {target}"), format!("the views are catching up: {at} of {target}"));
            Problem::unavailable("recovering", detail, limits::RETRY_AFTER_SECONDS)
        }
        QueryError::Stopped(_) | QueryError::Store(_) => {
            tracing::error!(error = %error, "the views cannot be read");
            let detail = Words::new("视图已停止，须由管理员检查", "the views have stopped; an administrator must look");
            Problem::unavailable("views_stopped", detail, limits::RETRY_AFTER_STOPPED_SECONDS)
        }
    }
}

pub(super) async fn view(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Problem> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (as_of, true_time, cursor) = (given(&parameters.as_of), given(&parameters.true_time), given(&parameters.cursor));
    let is_now = as_of.is_none() && true_time.is_none();
    let asked = Asked::read(&app, &caller, &name, &parameters, is_now).await?;
    let true_time_ms = true_time.map(|text| asof::true_time(asked.view, &text)).transpose()?;
    let (place, after) = asof::split_cursor(cursor.clone())?;
    if let (true, Some(cursor), Some(_)) = (is_now, cursor, &place) {
        let expected = Words::new(
            "此游标属于回看的列表，须同时给出 as_of 或 true_time",
            "the cursor is of an earlier moment: give its as_of or true_time as well",
        );
        return Err(Problem::bad_parameter("cursor", &cursor, expected));
    }
    let page = Page { after, rows_max: Some(rows_max(&parameters)?) };
    // Asked before as well: the present version may take their place meanwhile.
    let outdated = app.views()?.outdated_of(asked.view);
    let snapshot = if is_now {
        let (views, asked) = (app.views()?.clone(), asked.clone());
        let read = tokio::task::spawn_blocking(move || views.snapshot(asked.view, &asked.filter, &page));
        read.await.map_err(|_| Problem::internal())?.map_err(|error| unreadable(&error))?
    } else {
        let moment = asof::Moment::of_page(place, as_of, "as_of");
        asof::snapshot(&app, &asked, &page, moment, true_time_ms).await?
    };
    // An earlier moment is folded by the present version.
    let outdated = outdated.and_then(|outdated| outdated.rows).filter(|(_, at)| is_now && *at == snapshot.at);
    as_json(move || {
        let mut body = body(&asked, &snapshot);
        if let Some(at_ms) = true_time_ms {
            body["true_time_ms"] = json!(at_ms.to_string());
        }
        if let Some((version, at)) = outdated {
            body["outdated"] = json!({"version": version, "at": at.to_string()});
        }
        if let Some(next) = snapshot.next {
            body["next_cursor"] = json!(if is_now { next } else { asof::cursor([snapshot.at], &next) });
        }
        body
    })
    .await
}

fn body(asked: &Asked, snapshot: &Snapshot) -> Value {
    let rows = snapshot.rows.iter().filter(|placed| asked.takes(&placed.row)).map(|placed| asked.json(placed));
    let mut body = json!({
        "view": asked.view.name(),
        "realm": asked.filter.realm.as_deref().unwrap_or("*"),
        "at": snapshot.at.to_string(),
        "rows": rows.collect::<Vec<_>>(),
    });
    if let Some(area) = &asked.filter.area {
        body["area"] = json!(area);
    }
    body
}

/// An answer that may be large, made where it holds up nobody.
pub(super) async fn as_json(make: impl FnOnce() -> Value + Send + 'static) -> Result<Response, Problem> {
    let made = tokio::task::spawn_blocking(move || make().to_string()).await.map_err(|_| Problem::internal())?;
    Ok(([(header::CONTENT_TYPE, "application/json")], made).into_response())
}

pub(super) fn rows_max(parameters: &Parameters) -> Result<usize, Problem> {
    let Some(text) = parameters.limit.as_deref() else { return Ok(limits::VIEW_PAGE_ROWS) };
    match text.parse() {
        Ok(rows) if (1..=limits::VIEW_PAGE_ROWS_MAX).contains(&rows) => Ok(rows),
        _ => {
            let most = limits::VIEW_PAGE_ROWS_MAX;
            Err(Problem::bad_parameter("limit", text, Words::new(format!("应为 1 至 {most}"), format!("1 to {most} is expected"))))
        }
    }
}

/// A row's key within its view: realm and id.
pub(super) fn key(placed: &PlacedRow) -> String {
    format!("{}/{}", placed.row.realm(), placed.row.id())
}

pub(super) fn status(views: &ViewsHandle) -> Value {
    let (progress, lag, outlook) = (views.progress().borrow().clone(), views.lag(), views.outlook());
    json!({
        "kept": views.views().iter().map(|view| view.name()).collect::<Vec<_>>(),
        "at": progress.at.to_string(),
        "ready": progress.ready,
        "stopped": progress.stopped.map(|error| error.to_string()),
        "lag_positions": lag.positions.to_string(),
        "lag_s": lag.age.as_secs_f64(),
        "generation": views.generation(),
        "catching_up": outlook.catching_up,
        "progress_percent": outlook.percent,
        "remaining_s": outlook.remaining.map(|remaining| remaining.as_secs_f64()),
    })
}

pub(super) fn sample(meters: &Meters, views: &ViewsHandle) {
    let lag = views.lag();
    let running = views.progress().borrow().stopped.is_none();
    meters.gauge("muster_views_running", &[]).set(f64::from(u8::from(running)));
    meters.gauge("muster_views_position", &[]).set(as_f64(views.at().position.0));
    meters.gauge("muster_views_lag_positions", &[]).set(as_f64(lag.positions));
    meters.gauge("muster_views_lag_seconds", &[]).set(lag.age.as_secs_f64());
    let outlook = views.outlook();
    meters.gauge("muster_views_progress_percent", &[]).set(outlook.percent);
    meters.gauge("muster_views_outdated", &[]).set(as_f64(views.outdated().len() as u64));
    // Prometheus has a number for what is not known.
    meters.gauge("muster_views_remaining_seconds", &[]).set(outlook.remaining.map_or(f64::NAN, |remaining| remaining.as_secs_f64()));
}
