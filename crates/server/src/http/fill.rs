//! `POST /v1/fill`: the planner matches all open needs of an area with people, and the proposal is recorded as the command `ProposeFill`.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use muster_access::Action;
use muster_engine::FillRequest;
use muster_proto::{Command, CommandError, FieldError, FieldFault};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answers::{answer_json, events_json};
use super::app::App;
use super::auth::principal_of;
use super::commands::{IDEMPOTENCY_KEY, header_text, read_body, submit};
use super::planning::may_do;
use crate::access::Caller;
use crate::gateway::{CONTEXT_MEMBER, CommandId, not_json};
use crate::problem::Problem;

const COMMAND: &str = "ProposeFill";

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    area: Option<String>,
    realm: Option<String>,
}

pub(super) async fn fill(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let outcome = propose(&app, &caller, parameters, &headers, body).await;
    app.count_command(COMMAND, outcome.as_ref().map_or_else(|problem| problem.status.as_u16(), |_| 200), started.elapsed());
    outcome
}

async fn propose(app: &Arc<App>, caller: &Caller, parameters: Parameters, headers: &HeaderMap, body: Body) -> Result<Response, Problem> {
    let principal = principal_of(caller, headers)?;
    let id = CommandId::new(header_text(headers, IDEMPOTENCY_KEY)?.unwrap_or_default())?;
    let node = app.node()?;
    let body = read_body(headers, body).await?;
    let body = if body.is_empty() { json!({}) } else { serde_json::from_slice(&body).map_err(|error| not_json(&error))? };
    // The key stands for the question: a retry gets the first proposal, whatever the planner would say by now.
    let Parameters { area, realm } = parameters;
    let mut question = context_alone(body).map_err(CommandError::Malformed)?;
    question.insert("area_id".to_owned(), json!(area.clone().unwrap_or_default()));
    question.insert("realm".to_owned(), json!(realm.clone().unwrap_or_default()));
    let prepared = node.gateway.prepare(principal, id, COMMAND, Value::Object(question))?;
    let mut request = node.gateway.seal(prepared)?;
    let asked = FillRequest {
        realm: realm.unwrap_or_default(),
        area_id: area.unwrap_or_default(),
        proposal_id: proposal_id().map_err(|_| Problem::internal())?,
    };
    may_do(node, caller, Action::Command(COMMAND), request.command.clone()).await?;
    request.command = Command::ProposeFill(node.engine.propose_fill(asked).await?);
    let answer = submit(node, caller, request).await?;
    let mut shown = answer_json(app, caller, &answer, false);
    shown.as_object_mut().expect("an answer is an object").insert("proposal".to_owned(), proposal_json(events_json(app, caller, &answer)));
    Ok(Json(shown).into_response())
}

/// The body: an object with the context and nothing else, for the planner writes the rest.
fn context_alone(body: Value) -> Result<Map<String, Value>, FieldError> {
    let Value::Object(members) = body else {
        let reason = "the body is a JSON object".to_owned();
        return Err(FieldError { field: String::new(), reason, kind: FieldFault::WrongType });
    };
    match members.keys().find(|member| *member != CONTEXT_MEMBER) {
        Some(other) => {
            let reason = "only the context is taken here".to_owned();
            Err(FieldError { field: other.clone(), reason, kind: FieldFault::UnknownField })
        }
        None => Ok(members),
    }
}

/// An id that no proposal has.
fn proposal_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold("fill-".to_owned(), |id, byte| format!("{id}{byte:02x}")))
}

/// The proposal as it was recorded, its parts put together. The parts come first in the answer, so that none is missing there.
fn proposal_json(events: Vec<Value>) -> Value {
    let (mut head, mut lines, mut unfilled, mut refused) = (Map::new(), Vec::new(), Vec::new(), Vec::new());
    for mut event in events {
        let (kind, mut body) = (event["type"].take(), event["event"].take());
        match kind.as_str() {
            Some("FillProposed") => {
                let mut list = |name: &str| body.as_object_mut().and_then(|members| members.remove(name));
                for (name, all) in [("lines", &mut lines), ("unfilled", &mut unfilled)] {
                    if let Some(Value::Array(items)) = list(name) {
                        all.extend(items);
                    }
                }
                if let Value::Object(mut members) = body {
                    members.retain(|name, _| !["part", "parts", "total_lines", "total_unfilled"].contains(&name.as_str()));
                    members.insert("realm".to_owned(), event["realm"].take());
                    head = members;
                }
            }
            Some("FillLineRefused") => refused.push(body),
            _ => {}
        }
    }
    head.insert("lines".to_owned(), Value::Array(lines));
    head.insert("unfilled".to_owned(), Value::Array(unfilled));
    head.insert("refused".to_owned(), Value::Array(refused));
    Value::Object(head)
}
