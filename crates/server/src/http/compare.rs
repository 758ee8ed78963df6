//! `GET /v1/views/{name}/compare`: two moments of a view row by row, with both forms of each row that differs. Whoever asks sees of either moment what they
//! would see of it alone.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use muster_log::Position;
use muster_views::{Compared, HistoryHandle, Page, QueryError, RowPair, Snapshot, row_pairs};
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::App;
use super::asof::{self, Moment};
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
) -> Result<Response, Problem> {
    let Parameters { from, to, area, realm, cursor, limit } = parameters;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let Some(from) = given(from) else {
        let detail = Words::new("请用 from 指定第一个时刻", "name the first moment with from");
        return Err(Problem::bad_request("moment_required", detail).at("from"));
    };
    let parameters = views::Parameters { area, realm, level: None, as_of: None, true_time: None, cursor, limit };
    let asked = Asked::read(&app, &caller, &name, &parameters, false).await?;
    let (moments, after) = asof::split_cursor(given(parameters.cursor.clone()))?;
    let page = Page { after, rows_max: Some(views::rows_max(&parameters)?) };
    let log = asof::log(&app, "from")?;
    let [first, second] = match moments {
        Some(moments) => moments.map(|text| Moment::new(Some(text), "cursor")),
        None => [Moment::new(Some(from), "from"), Moment::new(given(to), "to")],
    };
    let (first, second) = (first.position(&log).await?, second.position(&log).await?);
    let compared = compared(&app, &asked, &page, first, second).await?;
    views::as_json(move || body(&asked, compared)).await
}

fn body(asked: &Asked, compared: Compared) -> Value {
    let mut body = json!({
        "view": asked.view.name(),
        "realm": asked.filter.realm.as_deref().unwrap_or("*"),
        "from": compared.from.to_string(),
        "to": compared.to.to_string(),
        "rows": compared.rows.iter().map(|pair| row(asked, pair)).collect::<Vec<_>>(),
    });
    if let Some(area) = &asked.filter.area {
        body["area"] = json!(area);
    }
    if let Some(next) = compared.next {
        body["next_cursor"] = json!(asof::cursor([compared.from, compared.to], &next));
    }
    body
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
    let (asking, wanted, has_rows) = (asked.clone(), page.clone(), !asked.filter.names_units());
    let read = move |history: &HistoryHandle| {
        let stood = asof::stood(history, &asking, &[from, to])?;
        let rows = (stood && has_rows).then(|| history.compare(asking.view, &asking.filter, &wanted, from, to)).transpose()?;
        Ok((stood, rows))
    };
    match asof::read_history(app, from.max(to), read).await? {
        Some((false, _)) => return Err(asof::was_unknown(asked, &[from, to])),
        Some((true, Some(compared))) => return Ok(compared),
        Some((true, None)) => {}
        None => asof::known_now(app, asked, &[from, to])?,
    }
    let (was, is) = (asof::folded(app, asked.view, from, None).await?, asof::folded(app, asked.view, to, None).await?);
    let (asked, page) = (asked.clone(), page.clone());
    let paired = tokio::task::spawn_blocking(move || pairs(&asked, &page, &was, &is)).await;
    paired.map_err(|_| Problem::internal())?.map_err(|error| views::unreadable(&error))
}

fn pairs(asked: &Asked, page: &Page, was: &Snapshot, is: &Snapshot) -> Result<Compared, QueryError> {
    // Cut first: a row that came into sight without a change of its own is one that was added.
    let seen = |whole: &Snapshot| {
        let rows = whole.rows.iter().filter(|placed| asked.filter.takes(placed)).cloned().collect();
        Snapshot { view: whole.view, at: whole.at, rows, next: None }
    };
    let rows_max = page.rows_max.unwrap_or(limits::VIEW_PAGE_ROWS);
    let after = asof::after(page)?;
    let later = |pair: &RowPair| after.is_none_or(|after| (pair.realm.as_str(), pair.id.as_str()) > after);
    let mut rows: Vec<RowPair> = row_pairs(&seen(was), &seen(is)).into_iter().filter(later).collect();
    let more = rows.len() > rows_max;
    rows.truncate(rows_max);
    let next = rows.last().filter(|_| more).map(key);
    Ok(Compared { view: asked.view, from: was.at, to: is.at, rows, next })
}
