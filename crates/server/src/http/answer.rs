//! `/answer/{token}`: whoever holds a one-time link sees the call and accepts, declines or acknowledges it. The answer goes
//! the way of every command; that only one final answer is stored is the command index's work.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_domain::{CallStanding, CallSummary};
use muster_proto::v1::PostCard;
use muster_proto::{ACTUAL, CommandError};
use muster_views::{Row, View, ViewsHandle};
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::App;
use super::commands::{seal, submit};
use super::events::wall_ms;
use super::links::{call, unknown_call};
use super::views::catch_up;
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
    Ok(html(&render(&Told::of(&app, &link, &call).await, &call, None)))
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
        return Ok(html(&render(&Told::of(&app, &link, &call).await, &call, Some(given.answer))));
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

/// What a call says to the person called, as the views know it now.
#[derive(Default)]
struct Told {
    area: String,
    place: String,
    /// 岗位说明书
    card: PostCard,
}

impl Told {
    /// A page without names is better than none: what the views cannot say is left to the ids.
    async fn of(app: &App, link: &Link, call: &CallSummary) -> Self {
        let _ = catch_up(app).await;
        let (views, link, call) = (app.try_views().cloned(), link.clone(), call.clone());
        tokio::task::spawn_blocking(move || Self::read(views.as_ref(), &link, &call)).await.unwrap_or_default()
    }

    fn read(views: Option<&ViewsHandle>, link: &Link, call: &CallSummary) -> Self {
        let of_realm = |view: View, realm: &str, id: &str| views?.row(view, realm, id).ok().flatten();
        let find = |view: View, id: &str| of_realm(view, &call.realm, id);
        // In an exercise an area may have no row; what it is called is the same in real life.
        let area = find(View::Coverage, &call.area_id).or_else(|| of_realm(View::Coverage, ACTUAL, &call.area_id));
        let area = match area {
            Some(Row::Coverage(row)) => row.name,
            _ => call.area_id.clone(),
        };
        let place = match (call.site_id.is_empty(), call.whistle_id.is_empty()) {
            // A site has one row without a shift, whatever its seats name.
            (false, _) => find(View::Sites, &format!("{}/", call.site_id)),
            (true, false) => find(View::Whistles, &call.whistle_id),
            (true, true) => None,
        };
        let place = match place {
            Some(Row::Site(row)) => row.name,
            Some(Row::Whistle(row)) => row.place,
            _ => [&call.site_id, &call.whistle_id, &call.unit_id].into_iter().find(|id| !id.is_empty()).cloned().unwrap_or_default(),
        };
        let card = match find(View::Calls, &link.call_id) {
            Some(Row::Call(row)) if row.responder_id == link.responder_id => row.card.unwrap_or_default(),
            _ => PostCard::default(),
        };
        Self { area, place, card }
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

const HEAD: &str = "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>征调通知 · Call</title><style>\
    body{font:18px/1.6 system-ui,sans-serif;max-width:34rem;margin:1rem auto;padding:0 1rem}h2{font-size:1.1rem}\
    dt{color:#555;font-size:.85rem}dd{margin:0 0 .6rem;font-weight:600;white-space:pre-line}\
    button{font:inherit;padding:.7rem 1.2rem;margin:.3rem .5rem .3rem 0}\
    .mark{background:#c00;color:#fff;padding:.4rem .8rem}.said{background:#e7f5e7;padding:.6rem .8rem}</style></head><body>";

const FORM: &str = "<form method=\"post\"><button name=\"answer\" value=\"accept\">接受 · Accept</button>\
    <button name=\"answer\" value=\"decline\">不能前来 · Decline</button>\
    <button name=\"answer\" value=\"acknowledge\">已收到 · Acknowledge</button></form>";

fn render(told: &Told, call: &CallSummary, said: Option<Said>) -> String {
    let mut page = String::from(HEAD);
    if call.realm != ACTUAL {
        let _ = write!(page, "<p class=\"mark\">演练，非实战 · EXERCISE, not real: {}</p>", escape(&call.realm));
    }
    page.push_str("<h1>征调通知 <small>Call to duty</small></h1>");
    let card = &told.card;
    list(
        &mut page,
        "岗位说明书 · Your post",
        &[
            ("到哪里", "Where", &card.r#where),
            ("找谁报到", "Report to", &card.report_to),
            ("做什么", "What to do", &card.task),
            ("带什么", "What to bring", &card.bring),
            ("到何时", "Until when", &card.until),
        ],
    );
    let until = if call.until_ms == 0 { "另行通知 · until released".to_owned() } else { in_china(call.until_ms) };
    list(
        &mut page,
        "岗位与时间 · Place and time",
        &[
            ("地点", "Place", &told.place),
            ("辖区", "Area", &told.area),
            ("席位", "Seat", &call.seat_id),
            ("开始", "From", &in_china(call.from_ms)),
            ("结束", "Until", &until),
        ],
    );
    page.push_str(words_for(said, call.phase));
    if matches!((said, call.phase), (Some(Said::Acknowledge), _) | (None, CallStanding::Open)) {
        page.push_str(FORM);
    }
    page.push_str("</body></html>");
    page
}

/// Lines of a term and what it says; what says nothing is left out.
fn list(page: &mut String, title: &str, lines: &[(&str, &str, &str)]) {
    let lines: Vec<_> = lines.iter().filter(|(_, _, value)| !value.is_empty()).collect();
    if lines.is_empty() {
        return;
    }
    let _ = write!(page, "<h2>{title}</h2><dl>");
    for (zh, en, value) in lines {
        let _ = write!(page, "<dt>{zh} · {en}</dt><dd>{}</dd>", escape(value));
    }
    page.push_str("</dl>");
}

/// What was answered, if something was.
fn words_for(said: Option<Said>, phase: CallStanding) -> &'static str {
    match (said, phase) {
        (Some(Said::Accept), _) => "<p class=\"said\">已接受，谢谢。请按时到岗。 · Accepted, thank you. Please be there in time.</p>",
        (Some(Said::Decline), _) => "<p class=\"said\">已登记您不能前来。 · It is recorded that you cannot come.</p>",
        (Some(Said::Acknowledge), _) => "<p class=\"said\">已登记收到。 · It is recorded that you have read it.</p>",
        (None, CallStanding::Accepted) => "<p class=\"said\">您已接受此征调。 · You have accepted this call.</p>",
        (None, CallStanding::Recalled | CallStanding::Over) => {
            "<p class=\"said\">此征调已结束，无需答复。 · This call is over; no answer is needed.</p>"
        }
        (None, CallStanding::Open) => "",
    }
}

/// Text as text, whatever somebody called a place.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
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
        let card = PostCard { task: "查验<script>".into(), bring: "雨衣 & '手电'".into(), ..PostCard::default() };
        let told = Told { area: "<b>".into(), place: "卡口 \"一\"".into(), card };
        let page = render(&told, &summary("drill", CallStanding::Open), None);
        assert!(page.contains("演练") && page.contains("EXERCISE") && page.contains("&lt;b&gt;") && page.contains("卡口 &quot;一&quot;"));
        assert!(
            page.contains("<dt>做什么 · What to do</dt><dd>查验&lt;script&gt;</dd>") && page.contains("雨衣 &amp; &#39;手电&#39;"),
            "{page}"
        );
        assert!(!page.contains("<b>") && !page.contains("<script") && !page.contains("r-1"));
        assert!(!page.contains("Report to"), "what the card does not say is left out");
        let bare = render(&Told::default(), &summary("drill", CallStanding::Open), None);
        assert!(!bare.contains("岗位说明书"));
        assert!(page.contains("value=\"accept\""));
        for phase in [CallStanding::Accepted, CallStanding::Over, CallStanding::Recalled] {
            let page = render(&told, &summary(ACTUAL, phase), None);
            assert!(!page.contains("<form") && !page.contains("EXERCISE"));
        }
    }
}
