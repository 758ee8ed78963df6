//! `/answer/{token}`: whoever holds a one-time link sees the call and accepts, declines or acknowledges it. The answer goes
//! the way of every command; that only one final answer is stored is the command index's work.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_domain::{CallStanding, CallSummary};
use muster_proto::{ACTUAL, CommandError};
use muster_views::{Filter, Page, Row, View};
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::App;
use super::commands::{seal, submit};
use super::events::wall_ms;
use super::links::{call, unknown_call};
use crate::access::{Caller, Link, LinkFault};
use crate::gateway::CommandId;
use crate::limits;
use crate::problem::Problem;
use crate::time::in_china;
use crate::words::Words;

/// The page loads nothing and runs nothing; its forms go to itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Accept,
    Decline,
    Acknowledge,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    answer: Said,
    #[serde(default)]
    reason: String,
}

/// What a link leads to, shown to whoever holds it.
pub(super) async fn page(State(app): State<Arc<App>>, Path(token): Path<String>) -> Result<Response, Problem> {
    let link = read_link(&app, &token)?;
    let call = standing(&app, &link).await?;
    Ok(html(&render(&Names::of(&app, &call), &call, None)))
}

/// Takes the answer, as a form or as JSON: `{"answer":"accept"}`.
pub(super) async fn answer(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let link = read_link(&app, &token)?;
    let given = read_answer(&headers, body).await?;
    let call = standing(&app, &link).await?;
    give(&app, &link, &given).await?;
    let wants_page = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"));
    if wants_page {
        return Ok(html(&render(&Names::of(&app, &call), &call, Some(given.answer))));
    }
    let said = match given.answer {
        Said::Accept => "accept",
        Said::Decline => "decline",
        Said::Acknowledge => "acknowledge",
    };
    Ok(axum::Json(json!({"call_id": link.call_id, "answer": said})).into_response())
}

fn read_link(app: &App, token: &str) -> Result<Link, Problem> {
    app.access.links.read(token, wall_ms()).map_err(|fault| match fault {
        LinkFault::Expired => {
            let detail = Words::new("此链接已过期，请与通知您的单位联系", "the link has expired; ask whoever called you");
            Problem::new(StatusCode::GONE, "link_expired", Words::new("链接已过期", "The link has expired"), detail)
        }
        LinkFault::Invalid => {
            let detail = Words::new("链接无效，请检查是否复制完整", "the link is not valid; see that it was copied whole");
            Problem::not_found("link_invalid", detail)
        }
    })
}

async fn standing(app: &App, link: &Link) -> Result<CallSummary, Problem> {
    let (_, found) = call(app, &link.call_id).await?;
    // After an accepted loss of the log the same number may be somebody else's call.
    found.filter(|call| call.responder_id == link.responder_id).ok_or_else(|| unknown_call(&link.call_id))
}

async fn read_answer(headers: &HeaderMap, body: Body) -> Result<Answer, Problem> {
    let bytes = to_bytes(body, limits::ANSWER_BODY_BYTES_MAX).await.map_err(|_| Problem::too_large(limits::ANSWER_BODY_BYTES_MAX))?;
    let is_form =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|kind| kind.contains("form-urlencoded"));
    let bad = |detail: String| {
        let zh = format!("应为 answer=accept、decline 或 acknowledge：{detail}");
        Problem::bad_request("bad_answer", Words::new(zh, format!("answer is accept, decline or acknowledge: {detail}"))).at("answer")
    };
    if !is_form {
        return serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()));
    }
    let request = axum::http::Request::builder().uri("/").method("POST").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = request.body(Body::from(bytes)).map_err(|_| Problem::internal())?;
    let form = <axum::Form<Answer> as axum::extract::FromRequest<()>>::from_request(request, &()).await;
    form.map(|axum::Form(answer)| answer).map_err(|error| bad(error.to_string()))
}

/// Gives the command in the name of the link. Acceptance and refusal have one key: the same again gets the first answer
/// again, the other one is too late.
async fn give(app: &Arc<App>, link: &Link, given: &Answer) -> Result<(), Problem> {
    let node = app.node()?;
    let caller = Caller::of_link(link);
    let principal = caller.principal()?.ok_or_else(Problem::internal)?;
    let call_id = &link.call_id;
    let (name, id, body): (_, _, Value) = match given.answer {
        Said::Accept => ("AcceptCall", link.answer_id(), json!({"call_id": call_id})),
        Said::Decline => ("DeclineCall", link.answer_id(), json!({"call_id": call_id, "reason": given.reason})),
        Said::Acknowledge => ("AcknowledgeCall", link.acknowledge_id(), json!({"call_id": call_id})),
    };
    let prepared = node.gateway.prepare(principal, CommandId::new(&id)?, name, body)?;
    let request = seal(app, prepared).await?;
    match submit(node, &caller, request).await {
        Ok(_) => Ok(()),
        Err(CommandError::IdReused { .. }) => {
            let detail = Words::new(
                "此链接已经答复过，不能再改；如需变更请与通知您的单位联系",
                "this link was answered before and cannot be changed; ask whoever called you",
            );
            Err(Problem::conflict("link_used", detail))
        }
        Err(error) => Err(error.into()),
    }
}

/// What the ids of a call are called, as the views know it now.
#[derive(Default)]
struct Names {
    area: String,
    place: String,
}

impl Names {
    /// A page without names is better than none: what the views cannot say is left to the ids.
    fn of(app: &App, call: &CallSummary) -> Self {
        let find = |view: View, wanted: &dyn Fn(&Row) -> bool| -> Option<Row> {
            let filter = Filter { realm: Some(call.realm.clone()), area: Some(call.area_id.clone()), any_of: None };
            let found = app.try_views()?.snapshot(view, &filter, &Page { after: None, rows_max: Some(limits::VIEW_PAGE_ROWS) }).ok()?;
            found.rows.iter().find(|placed| wanted(&placed.row)).map(|placed| (*placed.row).clone())
        };
        let area = find(View::Coverage, &|row| row.area_id() == call.area_id);
        let place = match (call.site_id.is_empty(), call.whistle_id.is_empty()) {
            (false, _) => find(View::Sites, &|row| matches!(row, Row::Site(site) if site.site_id == call.site_id)),
            (true, false) => find(View::Whistles, &|row| row.id() == call.whistle_id),
            (true, true) => None,
        };
        let area = match area {
            Some(Row::Coverage(row)) => row.name,
            _ => call.area_id.clone(),
        };
        let place = match place {
            Some(Row::Site(row)) => row.name,
            Some(Row::Whistle(row)) => row.place,
            _ => [&call.site_id, &call.whistle_id, &call.unit_id].into_iter().find(|id| !id.is_empty()).cloned().unwrap_or_default(),
        };
        Self { area, place }
    }
}

fn html(text: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // The address is the proof: it must not be told to the next page.
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text.to_owned()).into_response()
}

fn render(names: &Names, call: &CallSummary, said: Option<Said>) -> String {
    let mut page = String::from(
        "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>征调通知 · Call</title><style>body{font:18px/1.6 system-ui,sans-serif;max-width:34rem;margin:1rem auto;padding:0 1rem}\
         dt{color:#555;font-size:.85rem}dd{margin:0 0 .6rem;font-weight:600}button{font:inherit;padding:.7rem 1.2rem;margin:.3rem .5rem .3rem 0}\
         .mark{background:#c00;color:#fff;padding:.4rem .8rem}.said{background:#e7f5e7;padding:.6rem .8rem}</style></head><body>",
    );
    if call.realm != ACTUAL {
        let _ = write!(page, "<p class=\"mark\">演练，非实战 · EXERCISE, not real: {}</p>", escape(&call.realm));
    }
    page.push_str("<h1>征调通知 <small>Call to duty</small></h1><dl>");
    let until = if call.until_ms == 0 { "另行通知 · until released".to_owned() } else { in_china(call.until_ms) };
    for (zh, en, value) in [
        ("地点", "Where", &names.place),
        ("辖区", "Area", &names.area),
        ("席位", "Seat", &call.seat_id),
        ("开始", "From", &in_china(call.from_ms)),
        ("结束", "Until", &until),
    ] {
        if !value.is_empty() {
            let _ = write!(page, "<dt>{zh} · {en}</dt><dd>{}</dd>", escape(value));
        }
    }
    page.push_str("</dl>");
    match (said, call.phase) {
        (Some(Said::Accept), _) => {
            page.push_str("<p class=\"said\">已接受，谢谢。请按时到岗。 · Accepted, thank you. Please be there in time.</p>")
        }
        (Some(Said::Decline), _) => page.push_str("<p class=\"said\">已登记您不能前来。 · It is recorded that you cannot come.</p>"),
        (None, CallStanding::Accepted) => page.push_str("<p class=\"said\">您已接受此征调。 · You have accepted this call.</p>"),
        (None, CallStanding::Recalled | CallStanding::Over) => {
            page.push_str("<p class=\"said\">此征调已结束，无需答复。 · This call is over; no answer is needed.</p>");
        }
        (Some(Said::Acknowledge), _) | (None, CallStanding::Open) => {
            if said.is_some() {
                page.push_str("<p class=\"said\">已登记收到。 · It is recorded that you have read it.</p>");
            }
            page.push_str(
                "<form method=\"post\"><button name=\"answer\" value=\"accept\">接受 · Accept</button>\
                 <button name=\"answer\" value=\"decline\">不能前来 · Decline</button>\
                 <button name=\"answer\" value=\"acknowledge\">已收到 · Acknowledge</button></form>",
            );
        }
    }
    page.push_str("</body></html>");
    page
}

/// Text as text, whatever somebody called a place.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(realm: &str, phase: CallStanding) -> CallSummary {
        CallSummary {
            responder_id: "r-1".into(),
            realm: realm.into(),
            incident_id: "flood".into(),
            area_id: "a".into(),
            site_id: "s".into(),
            seat_id: "1".into(),
            whistle_id: String::new(),
            unit_id: String::new(),
            role: muster_proto::v1::DutyRole::Member,
            from_ms: 0,
            until_ms: 0,
            phase,
        }
    }

    #[test]
    fn a_page_shows_text_as_text_and_an_exercise_as_one() {
        let names = Names { area: "<b>".into(), place: "卡口 \"一\"".into() };
        let page = render(&names, &summary("drill", CallStanding::Open), None);
        assert!(page.contains("演练") && page.contains("EXERCISE") && page.contains("&lt;b&gt;") && page.contains("卡口 &quot;一&quot;"));
        assert!(!page.contains("<b>") && !page.contains("r-1"));
        assert!(page.contains("value=\"accept\""));
        for phase in [CallStanding::Accepted, CallStanding::Over, CallStanding::Recalled] {
            let page = render(&names, &summary(ACTUAL, phase), None);
            assert!(!page.contains("<form") && !page.contains("EXERCISE"));
        }
    }
}
