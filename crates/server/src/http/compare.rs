//! `GET /v1/views/{name}/compare`: two moments of a view row by row, with both forms of each row that differs. Whoever asks sees of either moment what they
//! would see of it alone.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::{Path, Query, State};
use muster_log::Position;
use muster_views::{Compared, HistoryHandle, Page, QueryError, RowPair, Snapshot, row_pairs};
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::App;
use super::asof;
use super::views::{self, Asked};
use crate::access::Caller;
use crate::limits;
use crate::problem::Problem;
use crate::words::Words;

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    from: Option<String>,
    to: Option<String>,
    area: Option<String>,
    realm: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

pub(super) async fn compare(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Value>, Problem> {
    let Parameters { from, to, area, realm, cursor, limit } = parameters;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let Some(from) = given(from) else {
        let detail = Words::new("请用 from 指定第一个时刻", "name the first moment with from");
        return Err(Problem::bad_request("moment_required", detail).at("from"));
    };
    let as_of = Some(from.clone());
    let parameters = views::Parameters { area, realm, level: None, as_of, true_time: None, cursor, limit };
    let asked = Asked::read(&app, &caller, &name, &parameters).await?;
    let (place, after) = asof::split_cursor(given(parameters.cursor.clone()));
    let page = Page { after, rows_max: Some(views::rows_max(&parameters)?) };
    let log = asof::log(&app, "from")?;
    let first = asof::position(&log, &from, "from")?;
    let second = place.or(given(to)).map_or(Ok(log.watermark()), |text| asof::position(&log, &text, "to"))?;
    asof::check_area(&app, &asked, first.max(second)).await?;
    let compared = compared(&app, &asked, &page, first, second).await?;
    let mut body = json!({
        "view": asked.view.name(),
        "realm": asked.filter.realm.as_deref().unwrap_or("*"),
        "from": compared.from.to_string(),
        "to": compared.to.to_string(),
        "rows": compared.rows.iter().map(|pair| row(&asked, pair)).collect::<Vec<_>>(),
    });
    if let Some(area) = &asked.filter.area {
        body["area"] = json!(area);
    }
    if let Some(next) = compared.next {
        body["next_cursor"] = json!(asof::cursor(compared.to, &next));
    }
    Ok(Json(body))
}

fn row(asked: &Asked, pair: &RowPair) -> Value {
    let change = match (&pair.from, &pair.to) {
        (Some(_), Some(_)) => "changed",
        (None, _) => "added",
        (Some(_), None) => "removed",
    };
    let mut row = json!({"key": key(pair), "change": change});
    for (member, placed) in [("from", &pair.from), ("to", &pair.to)] {
        if let Some(placed) = placed {
            row[member] = asked.json(placed);
        }
    }
    row
}

fn key(pair: &RowPair) -> String {
    format!("{}/{}", pair.realm, pair.id)
}

async fn compared(app: &Arc<App>, asked: &Asked, page: &Page, from: Position, to: Position) -> Result<Compared, Problem> {
    let (asking, wanted) = (asked.clone(), page.clone());
    let read = move |history: &HistoryHandle| history.compare(asking.view, &asking.filter, &wanted, from, to);
    if let Some(compared) = asof::read_history(app, asked, from.max(to), read).await? {
        return Ok(compared);
    }
    // Cut first: a row that came into sight without a change of its own is one that was added.
    let seen = |whole: Arc<Snapshot>| {
        let rows = whole.rows.iter().filter(|placed| asked.filter.takes(placed)).cloned().collect();
        Snapshot { view: whole.view, at: whole.at, rows, next: None }
    };
    let (was, is) = (seen(asof::folded(app, asked, from, None).await?), seen(asof::folded(app, asked, to, None).await?));
    let rows_max = page.rows_max.unwrap_or(limits::VIEW_PAGE_ROWS);
    let parts = |cursor: &String| {
        let bad_cursor = || views::unreadable(&QueryError::BadCursor { cursor: cursor.clone() });
        cursor.split_once('/').map(|(realm, id)| (realm.to_owned(), id.to_owned())).ok_or_else(bad_cursor)
    };
    let after = page.after.as_ref().map(parts).transpose()?;
    let later = |pair: &RowPair| after.as_ref().is_none_or(|(realm, id)| (&pair.realm, &pair.id) > (realm, id));
    let mut rows: Vec<RowPair> = row_pairs(&was, &is).into_iter().filter(later).collect();
    let more = rows.len() > rows_max;
    rows.truncate(rows_max);
    let next = rows.last().filter(|_| more).map(key);
    Ok(Compared { view: asked.view, from: was.at, to: is.at, rows, next })
}
