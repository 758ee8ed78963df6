//! `GET /v1/responders/{id}/contact`: the plain name and telephone number of one person, for those who lead them. Each
//! look is traced with who looked at whom, and never with what was seen.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use muster_access::Action;
use muster_proto::v1::Sealed;
use muster_proto::{Event, Touched, decode, event_tag, peek};
use muster_vault::{Algorithm, Opened, SealedField, Vault};
use serde_json::{Value, json};

use super::app::{App, Node, log_unreadable};
use crate::access::Caller;
use crate::problem::Problem;
use crate::words::Words;

pub(super) async fn contact(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(responder_id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let node = app.node()?;
    let id = responder_id.clone();
    let touched = node.engine.ask(move |state| state.touches_person(&id)).await.0?;
    may_know(&caller, &touched)?;
    if touched.is_empty() {
        return Err(unknown(&responder_id));
    }
    let enrollments = Arc::clone(&app.enrollments);
    let (log, wanted) = (Arc::clone(&node.log), responder_id.clone());
    let position = tokio::task::spawn_blocking(move || enrollments.find(&*log, &wanted)).await.map_err(|_| Problem::internal())?;
    let position = position.map_err(|error| log_unreadable(&error))?.ok_or_else(|| unknown(&responder_id))?;
    let (name, phone) = sealed(node, position)?;
    let principal = match &caller {
        Caller::Open => "",
        Caller::Known(session) => session.principal.id.as_str(),
    };
    tracing::info!(principal, responder = %responder_id, "a person's contact was looked at");
    let body = json!({"responder_id": responder_id, "name": open(&node.vault, name, "name")?, "phone": open(&node.vault, phone, "phone")?});
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)))
}

/// At home or where the person serves now: one that fits is enough. A person who is not there touches nothing.
fn may_know(caller: &Caller, touched: &[Touched]) -> Result<(), Problem> {
    let nothing = Touched::default();
    let mut answer = caller.check(Action::Names, touched.first().unwrap_or(&nothing));
    for other in touched.iter().skip(1) {
        answer = answer.or_else(|problem| caller.check(Action::Names, other).map_err(|_| problem));
    }
    answer
}

fn sealed(node: &Node, position: muster_log::Position) -> Result<(Option<Sealed>, Option<Sealed>), Problem> {
    let record = node.log.read_one(position).map_err(|error| log_unreadable(&error))?;
    match decode(&record.bytes).ok().and_then(|envelope| envelope.event) {
        Some(Event::ResponderEnrolled(event)) => Ok((event.name, event.phone)),
        _ => Err(Problem::internal()),
    }
}

/// Empty for what was never given, nothing for what was erased.
fn open(vault: &Vault, sealed: Option<Sealed>, field: &str) -> Result<Value, Problem> {
    let Some(sealed) = sealed.filter(|sealed| !sealed.bytes.is_empty()) else { return Ok(json!("")) };
    let algorithm = Algorithm::try_from(sealed.algorithm).map_err(|_| Problem::internal())?;
    let sealed = SealedField { key_id: sealed.key_id, algorithm, nonce: sealed.nonce, bytes: sealed.bytes };
    match vault.open_field(&sealed, field) {
        Ok(Opened::Plain(text)) => Ok(json!(text)),
        Ok(Opened::Erased) => Ok(Value::Null),
        Err(error) => {
            tracing::error!(%error, field, "a sealed field cannot be opened");
            Err(Problem::internal())
        }
    }
}

fn unknown(responder_id: &str) -> Problem {
    let detail = Words::new(format!("没有人员“{responder_id}”"), format!("there is no responder {responder_id:?}"));
    Problem::not_found("unknown_responder", detail).at("responder_id")
}

/// Whether a record enrolls somebody, without decoding it.
pub(super) fn enrolls(bytes: &[u8]) -> bool {
    peek(bytes).is_ok_and(|found| Some(found.event_tag) == event_tag("ResponderEnrolled"))
}
