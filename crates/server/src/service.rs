//! Commands that come in over NATS: reads their headers, and takes the road that HTTP takes. Everybody must prove who they are:
//! a server that is open to its own machine would else be open to everybody who reaches the same NATS.

use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use muster_feed::{Asked, Commands, Refusal, Said};
use muster_proto::v1::ChannelKind;
use muster_proto::{COMMAND_NAMES, CommandError};
use serde_json::Value;

use crate::access::Caller;
use crate::http::{self, App, Given};
use crate::problem::Problem;
use crate::words::{Lang, Words};

/// The command's id, as `Idempotency-Key` is over HTTP.
pub const COMMAND_ID: &str = "Muster-Command-Id";
/// Only tell what the command would do.
pub const DRY_RUN: &str = "Muster-Dry-Run";
const AUTHORIZATION: &str = "Authorization";
const ACCEPT_LANGUAGE: &str = "Accept-Language";
/// The member of an answer that says that its events were left out.
pub const EVENTS_LEFT_OUT: &str = "events_left_out";

/// Carries commands out for the service.
pub struct Desk {
    app: Arc<App>,
    takes_commands: bool,
}

impl Desk {
    /// A desk that takes commands, or none of them.
    #[must_use]
    pub const fn new(app: Arc<App>, takes_commands: bool) -> Self {
        Self { app, takes_commands }
    }
}

impl Commands for Desk {
    fn names(&self) -> Vec<&'static str> {
        if self.takes_commands { COMMAND_NAMES.iter().map(|(_, name, _)| *name).collect() } else { Vec::new() }
    }

    fn carry_out(&self, asked: Asked) -> BoxFuture<'static, Said> {
        let app = Arc::clone(&self.app);
        async move {
            let lang = text_of(&asked.headers, ACCEPT_LANGUAGE).map_or(Lang::default(), Lang::from_accept);
            match answer(&app, &asked).await {
                Ok(answer) => said(answer, asked.answer_bytes_max),
                Err(problem) => refused(&problem, lang),
            }
        }
        .boxed()
    }

    fn busy(&self) -> Said {
        refused(&CommandError::Unavailable { reason: "queue_full" }.into(), Lang::default())
    }
}

async fn answer(app: &Arc<App>, asked: &Asked) -> Result<Value, Problem> {
    let started = Instant::now();
    let name = http::known_command(&asked.name)?;
    let outcome = outcome(app, name, asked).await;
    app.count_command(name, outcome.as_ref().map_or_else(|problem| problem.status.as_u16(), |_| 200), started.elapsed());
    outcome
}

async fn outcome(app: &Arc<App>, name: &'static str, asked: &Asked) -> Result<Value, Problem> {
    let caller = caller(app, asked).await?;
    let principal = caller.principal()?.ok_or_else(proof_needed)?;
    let dry_run = http::flag(DRY_RUN, text_of(&asked.headers, DRY_RUN))?;
    let at_header = |problem: Problem| if problem.field.is_empty() { problem } else { problem.at(COMMAND_ID) };
    let id = http::command_id(text_of(&asked.headers, COMMAND_ID), dry_run).map_err(at_header)?;
    let given = Given { name, principal, id, dry_run, channel: ChannelKind::Nats };
    http::carry_out(app, &caller, given, &asked.body).await
}

async fn caller(app: &App, asked: &Asked) -> Result<Caller, Problem> {
    let mut headers = HeaderMap::new();
    // What cannot stand in a header of HTTP is no token either, and is refused as one that is not there.
    if let Some(value) = text_of(&asked.headers, AUTHORIZATION).and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(header::AUTHORIZATION, value);
    }
    match app.authenticate(&headers).await? {
        Caller::Open => Err(proof_needed()),
        known => Ok(known),
    }
}

fn proof_needed() -> Problem {
    let detail = Words::new(
        "经 NATS 下达命令须带令牌（消息头 Authorization: Bearer …）；此服务器还没有签发过令牌，请先用 muster token issue 签发",
        "a command over NATS needs a token (header Authorization: Bearer …), and this server never issued one: do so with muster token issue",
    );
    Problem::new(StatusCode::UNAUTHORIZED, "token_required", Words::new("需要身份验证", "Not authenticated"), detail)
}

fn text_of<'a>(headers: &'a async_nats::HeaderMap, name: &str) -> Option<&'a str> {
    // Clients differ in how they write names; servers keep them as they are.
    headers
        .iter()
        .find(|(known, _)| AsRef::<str>::as_ref(known).eq_ignore_ascii_case(name))
        .and_then(|(_, values)| values.first())
        .map(async_nats::HeaderValue::as_str)
}

/// The answer; without its events where it would be larger than a message may be. They stand in the log from `first` to `last`.
fn said(mut answer: Value, bytes_max: usize) -> Said {
    let mut body = answer.to_string();
    if body.len() > bytes_max
        && let Some(members) = answer.as_object_mut()
    {
        members.insert("events".to_owned(), Value::Array(Vec::new()));
        members.insert(EVENTS_LEFT_OUT.to_owned(), Value::Bool(true));
        body = answer.to_string();
    }
    Said { body: body.into(), error: None, headers: vec![("Content-Type", "application/json".to_owned())] }
}

fn refused(problem: &Problem, lang: Lang) -> Said {
    let mut headers = vec![("Content-Type", "application/problem+json".to_owned()), ("Content-Language", lang.tag().to_owned())];
    headers.extend(problem.retry_after_s.map(|seconds| ("Retry-After", seconds.to_string())));
    let detail = format!("{}: {}", problem.code, problem.detail.get(lang));
    let error = Refusal { status: problem.status.as_u16(), reason: problem.code.clone(), detail };
    Said { body: problem.to_json(lang).to_string().into(), error: Some(error), headers }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_too_large_for_a_message_tells_where_its_events_stand() {
        let whole = json!({"first": "1", "last": "900", "events": [{"type": "x".repeat(500)}]});
        let small = said(whole.clone(), 4096);
        assert_eq!(serde_json::from_slice::<Value>(&small.body).ok(), Some(whole.clone()));
        let cut: Value = serde_json::from_slice(&said(whole, 128).body).unwrap_or_default();
        assert_eq!(cut, json!({"first": "1", "last": "900", "events": [], "events_left_out": true}));
    }

    #[test]
    fn a_header_is_found_however_it_is_written() {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("muster-command-id", "1");
        assert_eq!(text_of(&headers, COMMAND_ID), Some("1"));
        assert_eq!(text_of(&headers, DRY_RUN), None);
    }

    #[test]
    fn a_problem_is_told_in_headers_and_body() {
        let said = refused(&CommandError::Unavailable { reason: "queue_full" }.into(), Lang::En);
        let Some(error) = said.error else { panic!("it is an error") };
        assert_eq!((error.status, error.reason.as_str()), (503, "queue_full"));
        assert!(error.detail.starts_with("queue_full: "), "{}", error.detail);
        assert!(said.headers.iter().any(|(name, _)| *name == "Retry-After"));
    }
}
