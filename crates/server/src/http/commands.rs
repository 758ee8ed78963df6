//! One command, its durable answer: `POST /v1/commands/{Name}`, and what every other way in has in common with it. A way in
//! reads its own headers and body; from there on [`carry_out`] is the one road, so that none has rules of its own.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures::StreamExt as _;
use muster_proto::v1::ChannelKind;
use muster_proto::{COMMAND_NAMES, CommandError, FieldError, FieldFault};
use serde::Deserialize;
use serde_json::Value;

use super::answers::answer_json;
use super::app::{App, Node};
use super::auth::principal_of;
use crate::access::Caller;
use crate::gateway::{CommandId, Prepared, Principal, not_json};
use crate::limits;
use crate::problem::Problem;
use crate::words::Words;

pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
pub(super) const PRINCIPAL: &str = "muster-principal";
/// The key of a preview that was given none.
const PREVIEW_ID: &str = "preview";

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    dry_run: Option<String>,
}

pub(super) async fn command(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let name = known_command(&name)?;
    let outcome = answer(&app, &caller, name, &parameters, &headers, body).await;
    app.count_command(name, outcome.as_ref().map_or_else(|problem| problem.status.as_u16(), |_| 200), started.elapsed());
    outcome
}

async fn answer(
    app: &Arc<App>,
    caller: &Caller,
    name: &'static str,
    parameters: &Parameters,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let dry_run = flag("dry_run", parameters.dry_run.as_deref())?;
    let principal = principal_of(caller, headers)?;
    let id = command_id(header_text(headers, IDEMPOTENCY_KEY)?, dry_run)?;
    app.node()?;
    let body = read_body(headers, body).await?;
    let given = Given { name, principal, id, dry_run, channel: ChannelKind::Http };
    Ok(Json(carry_out(app, caller, given, &body).await?).into_response())
}

/// A command as any way in has read it.
pub(crate) struct Given {
    pub(crate) name: &'static str,
    pub(crate) principal: Principal,
    pub(crate) id: CommandId,
    pub(crate) dry_run: bool,
    pub(crate) channel: ChannelKind,
}

/// The id of a command. What is not carried out needs no key against being carried out twice.
pub(crate) fn command_id(given: Option<&str>, dry_run: bool) -> Result<CommandId, Problem> {
    match given {
        None if dry_run => CommandId::new(PREVIEW_ID),
        given => CommandId::new(given.unwrap_or_default()),
    }
}

/// Carries a command out, or tells what it would do.
pub(crate) async fn carry_out(app: &Arc<App>, caller: &Caller, given: Given, body: &[u8]) -> Result<Value, Problem> {
    let node = app.node()?;
    if body.len() > limits::COMMAND_BODY_BYTES_MAX {
        return Err(Problem::too_large(limits::COMMAND_BODY_BYTES_MAX));
    }
    let body: Value = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    let Given { name, principal, id, dry_run, channel } = given;
    let prepared = node.gateway.prepare(principal, id, name, body)?.over(channel);
    if dry_run {
        return preview(app, caller, prepared).await;
    }
    let request = seal(app, prepared).await?;
    let answer = submit(node, caller, request).await?;
    Ok(answer_json(app, caller, &answer, true))
}

/// Hands a request in through the caller's gate. It is in the engine's queue when this returns.
pub(super) fn submit<'a>(node: &'a Node, caller: &Caller, request: muster_proto::Request) -> muster_proto::Pending<'a> {
    match caller.gate() {
        None => node.port.submit(request),
        gate => Box::pin(node.engine.submit_through(gate, request)),
    }
}

/// The answer as it would be, from the planner's copy of the state. Nothing is stored, in the vault neither.
async fn preview(app: &Arc<App>, caller: &Caller, prepared: Prepared) -> Result<Value, Problem> {
    let node = app.node()?;
    let request = node.gateway.leave_out(prepared)?;
    let preview = node.engine.preview_through(caller.gate(), request).await?;
    let mut answer = answer_json(app, caller, &preview.answer, true);
    let members = answer.as_object_mut().expect("an answer is an object");
    members.insert("dry_run".to_owned(), Value::Bool(true));
    members.insert("base".to_owned(), Value::String(preview.base.0.to_string()));
    Ok(answer)
}

/// The command's name as the table has it: labels of metrics are never a caller's own text.
pub(crate) fn known_command(name: &str) -> Result<&'static str, Problem> {
    COMMAND_NAMES.iter().find(|(_, known, _)| *known == name).map(|(_, known, _)| *known).ok_or_else(|| {
        let reason = format!("there is no command {name:?}");
        Problem::from(CommandError::Malformed(FieldError { field: String::new(), reason, kind: FieldFault::UnknownCommand }))
    })
}

/// Seals on a thread that may block, for a new person's key is synced to disk.
pub(super) async fn seal(app: &Arc<App>, prepared: Prepared) -> Result<muster_proto::Request, Problem> {
    let node = app.node()?;
    if !prepared.needs_sealing() {
        return Ok(node.gateway.seal(prepared)?);
    }
    let gateway = Arc::clone(&node.gateway);
    let sealed = tokio::task::spawn_blocking(move || gateway.seal(prepared)).await;
    Ok(sealed.map_err(|_| Problem::internal())??)
}

pub(super) fn header_text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| {
        let detail = Words::new(format!("HTTP 头 {name} 不是 UTF-8 文本"), format!("the header {name} is not UTF-8 text"));
        Problem::bad_request("bad_header", detail).at(name)
    })?;
    Ok(Some(text))
}

/// A flag in the query: absent is false, bare is true.
pub(crate) fn flag(name: &str, value: Option<&str>) -> Result<bool, Problem> {
    match value {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1" | "") => Ok(true),
        Some(other) => Err(Problem::bad_parameter(name, other, Words::new("应为 true 或 false", "true or false is expected"))),
    }
}

pub(super) async fn read_body(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    read_at_most(headers, body, limits::COMMAND_BODY_BYTES_MAX).await
}

pub(super) async fn read_at_most(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > limits::BODY_BYTES_PASSED_OVER_MAX) {
        return Err(Problem::too_large(bytes_max));
    }
    let mut frames = body.into_data_stream();
    let (mut whole, mut bytes) = (BytesMut::new(), 0);
    while let Some(frame) = frames.next().await {
        let cut_off = |_| Problem::bad_request("body_cut_off", Words::new("请求体没有传完", "the body ended before it was whole"));
        let frame = frame.map_err(cut_off)?;
        bytes += frame.len();
        if bytes > limits::BODY_BYTES_PASSED_OVER_MAX {
            break;
        }
        // Too large already: the rest is read and dropped, for a client that is still writing would not see the answer.
        if bytes <= bytes_max {
            whole.extend_from_slice(&frame);
        }
    }
    if bytes > bytes_max { Err(Problem::too_large(bytes_max)) } else { Ok(whole.freeze()) }
}
