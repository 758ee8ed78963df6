//! HTTP: the routes of the contract, and how problems are written in the caller's language. Handlers translate; they must
//! never decide anything about the domain, and never hold plain personal fields longer than a request.

mod answer;
mod answers;
mod app;
mod asof;
mod auth;
mod batch;
mod commands;
mod compare;
mod compress;
mod contact;
mod deliveries;
mod enrollments;
mod events;
mod fill;
mod kv;
mod lines;
mod links;
mod live;
mod ops;
mod planning;
mod records;
mod redact;
mod report;
mod shared;
mod sight;
mod sse;
mod upkeep;
mod views;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use muster_proto::ENVELOPE_NAMES;
use muster_proto::v1::Envelope;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::words::{Lang, Words};
use compress::Compressors;

pub use app::{App, Node};
pub(crate) use commands::{Given, carry_out, command_id, flag, known_command};
pub(crate) use contact::Contact;
pub(crate) use enrollments::Enrollments;
pub(crate) use events::wall_ms;
pub(crate) use upkeep::renew_views;

/// Every route, as OpenAPI writes it, with its method. The tests compare it with the document and with the running server.
pub const ROUTES: [(&str, &str); 29] = [
    ("POST", "/v1/commands/{name}"),
    ("POST", "/v1/commands:batch"),
    ("POST", "/v1/fill"),
    ("GET", "/v1/views"),
    ("POST", "/v1/views:rebuild"),
    ("POST", "/v1/views:verify"),
    ("GET", "/v1/views/{name}"),
    ("GET", "/v1/views/{name}/compare"),
    ("GET", "/v1/views/{name}/live"),
    ("GET", "/v1/events"),
    ("GET", "/v1/records"),
    ("POST", "/v1/links"),
    ("GET", "/v1/responders/{responder_id}/contact"),
    ("GET", "/answer/{token}"),
    ("POST", "/answer/{token}"),
    ("GET", "/v1/deliveries/dead"),
    ("POST", "/v1/deliveries/{id}/resend"),
    ("POST", "/v1/deliveries/{id}/receipts"),
    ("POST", "/v1/deliveries/channels/{name}/enable"),
    ("GET", "/v1/incidents/{id}/report"),
    ("GET", "/v1/rehearsal"),
    ("GET", "/v1/plans/{plan_id}/lessons"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/v1/status"),
    ("GET", "/asyncapi.json"),
    ("GET", "/openapi.json"),
    ("GET", "/"),
];

/// The routes of a server.
pub fn router(app: Arc<App>) -> Router {
    worker_routes()
        .route("/v1/commands/{name}", post(commands::command))
        .route("/v1/commands:batch", post(batch::batch))
        .route("/v1/fill", post(fill::fill))
        .route("/v1/events", get(events::events))
        .route("/v1/records", get(records::records))
        .route("/v1/links", post(links::make))
        .route("/v1/responders/{responder_id}/contact", get(contact::contact))
        .route("/answer/{token}", get(answer::page).post(answer::answer))
        .route("/v1/deliveries/dead", get(deliveries::dead))
        .route("/v1/deliveries/{id}/resend", post(deliveries::resend))
        .route("/v1/deliveries/{id}/receipts", post(deliveries::receipt))
        .route("/v1/deliveries/channels/{name}/enable", post(deliveries::enable))
        .route("/v1/incidents/{id}/report", get(report::report))
        .route("/v1/rehearsal", get(planning::rehearsal))
        .route("/v1/plans/{plan_id}/lessons", get(planning::lessons))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), auth::authenticate))
        .layer(middleware::from_fn(same_site))
        .layer(middleware::from_fn(render_problems))
        .layer(middleware::from_fn_with_state(Arc::<Compressors>::default(), compress::compress))
        .with_state(app)
}

/// The routes of a projection worker: it has views, and neither commands nor a log of its own.
pub fn worker_router(app: Arc<App>) -> Router {
    worker_routes()
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), auth::authenticate))
        .layer(middleware::from_fn(same_site))
        .layer(middleware::from_fn(render_problems))
        .layer(middleware::from_fn_with_state(Arc::<Compressors>::default(), compress::compress))
        .with_state(app)
}

fn worker_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/views", get(upkeep::status))
        .route("/v1/views:rebuild", post(upkeep::rebuild))
        .route("/v1/views:verify", post(upkeep::verify))
        .route("/v1/views/{name}", get(views::view))
        .route("/v1/views/{name}/compare", get(compare::compare))
        .route("/v1/views/{name}/live", get(live::live))
        .route("/healthz", get(ops::healthz))
        .route("/readyz", get(ops::readyz))
        .route("/metrics", get(ops::metrics))
        .route("/v1/status", get(ops::status))
        .route("/asyncapi.json", get(ops::asyncapi))
        .route("/openapi.json", get(ops::openapi))
        .route("/", get(ops::page))
}

async fn not_found() -> Problem {
    let detail = Words::new("没有这个地址；接口说明见 /openapi.json", "there is no such path; /openapi.json lists them");
    Problem::not_found("unknown_path", detail)
}

async fn method_not_allowed() -> Problem {
    let detail = Words::new("此地址不支持该方法；接口说明见 /openapi.json", "the path does not take this method; /openapi.json lists them");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", Words::new("方法不支持", "Method not allowed"), detail)
}

/// Refuses what a browser sends from a page of another site: such a page must not give orders through somebody who happens
/// to have it open on a machine that reaches the server. Programs do not send the header.
async fn same_site(request: Request, next: Next) -> Response {
    let cross_site = request.headers().get("sec-fetch-site").is_some_and(|value| value == "cross-site");
    if request.method() == Method::POST && cross_site {
        let detail = Words::new("不接受其他网站的页面发来的命令", "commands from a page of another site are not taken");
        return Problem::new(StatusCode::FORBIDDEN, "cross_site", Words::new("已拒绝", "Forbidden"), detail).into_response();
    }
    next.run(request).await
}

/// Writes the problems that handlers return, in the language that the caller asked for.
async fn render_problems(request: Request, next: Next) -> Response {
    let lang = lang_of(request.headers());
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem.respond(lang),
        None => response,
    }
}

fn lang_of(headers: &HeaderMap) -> Lang {
    headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).map_or(Lang::default(), Lang::from_accept)
}

/// A record as JSON: the envelope's own members, and the event under `type` and `event`. Personal fields stay sealed.
#[must_use]
pub fn event_json(envelope: &Envelope) -> Value {
    let mut value = serde_json::to_value(envelope).expect("an envelope has only string keys");
    let members = value.as_object_mut().expect("an envelope is an object");
    if let Some(event) = &envelope.event {
        let field = ENVELOPE_NAMES.iter().find(|(tag, _, _)| *tag == event.tag()).map_or("", |(_, _, field)| *field);
        let content = members.remove(field).unwrap_or_default();
        members.insert("type".to_owned(), json!(event.name()));
        members.insert("event".to_owned(), content);
    }
    value
}
