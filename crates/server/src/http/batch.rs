//! `POST /v1/commands:batch`: one command a line, each with its own answer, in the order of the lines. Lines are decided
//! in their order and answered as they become durable; one that fails does not stop the others.

use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::future::{BoxFuture, FutureExt as _, ready};
use futures::stream::{FuturesOrdered, Stream, StreamExt as _};
use muster_proto::{Answer, Command, CommandError, Request};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answers::answer_json;
use super::app::{App, Node};
use super::auth::principal_of;
use super::commands::{self, flag, known_command};
use super::lines::{Line, Lines};
use crate::access::{Caller, token_ended};
use crate::gateway::{CONTEXT_MEMBER, CommandId, Prepared, Principal, not_json};
use crate::limits;
use crate::problem::Problem;
use crate::words::{Lang, Words};

/// Bytes of answers that are sent together when they are there at the same time.
const ANSWER_CHUNK_BYTES: usize = 64 * 1024;

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    events: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchLine {
    command: String,
    id: String,
    body: Value,
    context: Option<Value>,
}

/// Who sends the lines.
struct Sent {
    principal: Principal,
    caller: Caller,
}

/// What is known of a line before its answer.
struct Head {
    line: u64,
    id: String,
    name: Option<&'static str>,
    started: Instant,
}

/// What the engine says when it has no room; it says so at once.
const QUEUE_FULL: &str = "queue_full";
/// What the engine says to a rehearsal of another state than its own.
const OUTDATED: &str = "rehearsal_outdated";

type LineAnswer = (Head, Result<Answer, Problem>);

pub(super) async fn batch(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let with_events = parameters.events.is_none() || flag("events", parameters.events.as_deref())?;
    let sent = Sent { principal: principal_of(&caller, &headers)?, caller };
    app.node()?;
    let answers = answers(app, sent, Lines::new(body, limits::COMMAND_BODY_BYTES_MAX), with_events, super::lang_of(&headers));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(answers)).into_response())
}

/// What the stream goes on with.
enum Turn {
    Lines(Result<Vec<Line>, axum::Error>),
    Answer(LineAnswer),
    Stopping,
    Over,
}

fn answers(app: Arc<App>, sent: Sent, mut lines: Lines, with_events: bool, lang: Lang) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    async_stream::stream! {
        let Ok(node) = app.node() else { return };
        let mut in_flight: FuturesOrdered<BoxFuture<'_, LineAnswer>> = FuturesOrdered::new();
        let (mut line, mut reading) = (0, true);
        let mut stopping = app.stopping();
        loop {
            let room = limits::BATCH_IN_FLIGHT_MAX.saturating_sub(in_flight.len()).min(limits::BATCH_SEAL_LINES_MAX);
            let turn = tokio::select! {
                group = lines.next_group(room), if reading && room > 0 => Turn::Lines(group),
                Some(answer) = in_flight.next(), if !in_flight.is_empty() => Turn::Answer(answer),
                _ = stopping.wait_for(|stopping| *stopping), if reading => Turn::Stopping,
                else => Turn::Over,
            };
            match turn {
                Turn::Lines(Ok(group)) if group.is_empty() => reading = false,
                Turn::Lines(Ok(group)) => {
                    for answer in submit(node, &sent, app.still_good(&sent.caller), group, &mut line).await {
                        in_flight.push_back(answer);
                    }
                }
                // What was handed in is still answered; who sent it may be gone.
                Turn::Lines(Err(_)) | Turn::Stopping => reading = false,
                Turn::Answer(answer) => {
                    let mut chunk = BytesMut::new();
                    write_answer(&app, &sent.caller, &mut chunk, &answer, (with_events, lang));
                    while chunk.len() < ANSWER_CHUNK_BYTES && !in_flight.is_empty() {
                        match in_flight.next().now_or_never() {
                            Some(Some(answer)) => write_answer(&app, &sent.caller, &mut chunk, &answer, (with_events, lang)),
                            _ => break,
                        }
                    }
                    yield Ok(chunk.freeze());
                }
                Turn::Over => break,
            }
        }
    }
}

/// Prepares a group of lines, seals them together and hands them in, in their order.
async fn submit<'a>(node: &'a Node, sent: &Sent, good: bool, group: Vec<Line>, line: &mut u64) -> Vec<BoxFuture<'a, LineAnswer>> {
    let mut heads = Vec::with_capacity(group.len());
    let mut prepared = Vec::with_capacity(group.len());
    for text in group {
        *line += 1;
        if matches!(&text, Line::Text(text) if text.trim_ascii().is_empty()) {
            continue;
        }
        let mut head = Head { line: *line, id: String::new(), name: None, started: Instant::now() };
        let outcome = prepare(node, &sent.principal, &text, &mut head);
        // A batch may outlast the token that it began with.
        let outcome = if good { outcome } else { Err(token_ended()) };
        let failed = outcome.map(|one| prepared.push(one)).err();
        heads.push((head, failed));
    }
    let mut requests = seal(node, prepared).await.into_iter();
    let mut answers = Vec::with_capacity(heads.len());
    for (head, failed) in heads {
        let request = match failed {
            Some(problem) => Err(problem),
            None => requests.next().map_or_else(|| Err(Problem::internal()), |request| request.map_err(Problem::from)),
        };
        answers.push(match request {
            Ok(request) => hand_in(node, sent, head, request).await,
            Err(problem) => ready((head, Err(problem))).boxed(),
        });
    }
    answers
}

/// Hands a request in, so that the lines keep their order; only the answer is left to be waited for. While the engine's
/// queue is full the line waits here, and with it all lines after it: they may rest on it.
async fn hand_in<'a>(node: &'a Node, sent: &Sent, head: Head, request: Request) -> BoxFuture<'a, LineAnswer> {
    let deadline = Instant::now() + limits::QUEUE_FULL_WAIT;
    let rehearses = matches!(request.command, Command::RehearsePlan(_));
    loop {
        let mut pending = commands::submit(node, &sent.caller, request.clone());
        // Outside tokio's budget, which would make an answer that is there look like one that is not.
        match futures::poll!(tokio::task::unconstrained(&mut pending)) {
            Poll::Ready(Err(CommandError::Unavailable { reason: QUEUE_FULL })) if Instant::now() < deadline => {
                tokio::time::sleep(limits::QUEUE_FULL_PAUSE).await;
            }
            Poll::Ready(outcome) => return ready((head, outcome.map_err(Problem::from))).boxed(),
            // The planner works it out from what is durable, so that it waits for the lines before it, and those after it for its answer.
            Poll::Pending if rehearses => match pending.await {
                Err(error) if is_early(&error) && Instant::now() < deadline => tokio::time::sleep(limits::QUEUE_FULL_PAUSE).await,
                outcome => return ready((head, outcome.map_err(Problem::from))).boxed(),
            },
            Poll::Pending => return async move { (head, pending.await.map_err(Problem::from)) }.boxed(),
        }
    }
}

/// Whether a rehearsal may only have come before what it rests on, or found no room.
fn is_early(error: &CommandError) -> bool {
    match error {
        CommandError::Unavailable { reason } => *reason == QUEUE_FULL,
        CommandError::Refused(refusal) => refusal.code == OUTDATED,
        _ => false,
    }
}

fn prepare(node: &Node, principal: &Principal, text: &Line, head: &mut Head) -> Result<Prepared, Problem> {
    let Line::Text(text) = text else { return Err(Problem::too_large(limits::COMMAND_BODY_BYTES_MAX)) };
    let value: Value = serde_json::from_slice(text).map_err(|error| not_json(&error))?;
    // Read before the rest is checked, so that the answer to a wrong line names it.
    value.get("id").and_then(Value::as_str).unwrap_or_default().clone_into(&mut head.id);
    let BatchLine { command, id, mut body, context } = serde_path_to_error::deserialize(value).map_err(|error| {
        let (field, reason) = (error.path().to_string(), error.into_inner().to_string());
        let zh = format!("应为 {{\"command\",\"id\",\"body\"}}：{reason}");
        Problem::bad_request("bad_line", Words::new(zh, format!("a line is {{\"command\",\"id\",\"body\"}}: {reason}"))).at(field)
    })?;
    let name = known_command(&command)?;
    head.name = Some(name);
    let id = CommandId::new(&id).map_err(|problem| problem.at("id"))?;
    if let Some(context) = context {
        let taken = body.as_object_mut().and_then(|members| members.insert(CONTEXT_MEMBER.to_owned(), context));
        if taken.is_some() {
            let detail = Words::new("context 只能给一次：在行内或在 body 内", "context is given once: in the line or in its body");
            return Err(Problem::bad_request("bad_line", detail).at(CONTEXT_MEMBER));
        }
    }
    Ok(node.gateway.prepare(principal.clone(), id, name, body)?)
}

async fn seal(node: &Node, prepared: Vec<Prepared>) -> Vec<Result<Request, CommandError>> {
    if !prepared.iter().any(Prepared::needs_sealing) {
        return node.gateway.seal_many(prepared);
    }
    let gateway = Arc::clone(&node.gateway);
    // A panic in the vault leaves the group without requests, which is answered line by line.
    tokio::task::spawn_blocking(move || gateway.seal_many(prepared)).await.unwrap_or_default()
}

fn write_answer(app: &App, caller: &Caller, chunk: &mut BytesMut, (head, outcome): &LineAnswer, (with_events, lang): (bool, Lang)) {
    let status = outcome.as_ref().map_or_else(|problem| problem.status.as_u16(), |_| 200);
    if let Some(name) = head.name {
        app.count_command(name, status, head.started.elapsed());
    }
    let mut value = json!({"line": head.line, "id": head.id, "status": status});
    match outcome {
        Ok(answer) => value["answer"] = answer_json(app, caller, answer, with_events),
        Err(problem) => value["problem"] = problem.to_json(lang),
    }
    chunk.put_slice(value.to_string().as_bytes());
    chunk.put_u8(b'\n');
}
