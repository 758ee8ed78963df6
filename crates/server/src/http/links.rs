//! `POST /v1/links`: a one-time link for a call, with which the person called answers without an account.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use muster_access::Action;
use muster_domain::{CallStanding, CallSummary};
use muster_proto::Touched;
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::App;
use super::events::wall_ms;
use crate::access::Caller;
use crate::limits;
use crate::problem::Problem;
use crate::words::Words;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    call_id: String,
    #[serde(default)]
    ttl_s: Option<u64>,
}

pub(super) async fn make(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(wish) = wish.map_err(|rejection| {
        let zh = format!("应为 {{\"call_id\":\"c1\",\"ttl_s\":86400}}：{rejection}");
        Problem::bad_request("not_json", Words::new(zh, format!("{{\"call_id\":\"c1\",\"ttl_s\":86400}} is expected: {rejection}")))
    })?;
    let ttl_s = wish.ttl_s.unwrap_or(limits::LINK_SECONDS);
    if ttl_s == 0 || ttl_s > limits::LINK_SECONDS_MAX {
        let most = limits::LINK_SECONDS_MAX;
        let expected = Words::new(format!("应为 1 至 {most} 秒"), format!("1 to {most} seconds are expected"));
        return Err(Problem::bad_parameter("ttl_s", &ttl_s.to_string(), expected));
    }
    let access = &app.access;
    let (touched, call) = call(&app, &wish.call_id).await?;
    caller.check(Action::Link, &touched)?;
    let call = call.ok_or_else(|| unknown_call(&wish.call_id))?;
    if call.phase == CallStanding::Over {
        let detail = Words::new(
            format!("征调 {} 已结束，不再需要答复", wish.call_id),
            format!("the call {} is over; nobody waits for an answer", wish.call_id),
        );
        return Err(Problem::conflict("call_over", detail).at("call_id"));
    }
    let expires_at_ms = wall_ms() + i64::try_from(ttl_s * 1_000).expect("a week of milliseconds fits");
    let (link, text) = access.links.make(&wish.call_id, &call.responder_id, expires_at_ms).map_err(|error| {
        tracing::error!(%error, "the secret of the links cannot be used");
        Problem::internal()
    })?;
    tracing::info!(call = %link.call_id, "a one-time link was made");
    Ok(Json(json!({
        "url": format!("{}/answer/{text}", access.public_url),
        "call_id": link.call_id,
        "responder_id": link.responder_id,
        "expires_at_ms": link.expires_at_ms.to_string(),
    })))
}

/// A call as the planner's state has it, which has everything that was answered before.
pub(super) async fn call(app: &App, call_id: &str) -> Result<(Touched, Option<CallSummary>), Problem> {
    let id = call_id.to_owned();
    let asked = app.node()?.engine.ask(move |state| (state.touches_call(&id), state.call_summary(&id)));
    Ok(asked.await.0?)
}

pub(super) fn unknown_call(call_id: &str) -> Problem {
    let detail = Words::new(format!("没有对个人的征调“{call_id}”"), format!("there is no call to a person {call_id:?}"));
    Problem::not_found("unknown_call", detail).at("call_id")
}
