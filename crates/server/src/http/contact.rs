//! `GET /v1/responders/{id}/contact`: the plain name and telephone number of one person, for those who lead them. Each
//! look is traced with who looked at whom, and never with what was seen.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use muster_access::Action;
use muster_log::Log;
use muster_proto::v1::Sealed;
use muster_proto::{Event, Touched, decode, event_tag, peek};
use muster_vault::{Algorithm, Opened, SealedField, Vault};
use serde_json::{Value, json};

use super::app::{App, log_unreadable};
use super::enrollments::Enrollments;
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
    let (enrollments, log, vault) = (Arc::clone(&app.enrollments), Arc::clone(&node.log), Arc::clone(&node.vault));
    let wanted = responder_id.clone();
    let found = tokio::task::spawn_blocking(move || Contact::look_up(&enrollments, &*log, &vault, &wanted)).await;
    let (name, phone) = match found.map_err(|_| Problem::internal())?? {
        Contact::Known { name, phone } => (json!(name), json!(phone)),
        Contact::Erased => (Value::Null, Value::Null),
        Contact::Unknown => return Err(unknown(&responder_id)),
    };
    let principal = match &caller {
        Caller::Open => "",
        Caller::Known(session) => session.principal.id.as_str(),
    };
    tracing::info!(principal, responder = %responder_id, "a person's contact was looked at");
    let body = json!({"responder_id": responder_id, "name": name, "phone": phone});
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

/// The plain fields of a person. It shows nothing of itself, and is kept by nobody longer than a request.
pub(crate) enum Contact {
    /// Empty for what was never given.
    Known { name: String, phone: String },
    /// Erased for good.
    Erased,
    /// Nobody of that id was enrolled.
    Unknown,
}

impl Contact {
    /// Finds a person's last enrollment and opens its fields. Blocks while it reads.
    pub(crate) fn look_up(enrollments: &Enrollments, log: &dyn Log, vault: &Vault, responder_id: &str) -> Result<Self, Problem> {
        let position = enrollments.find(log, responder_id).map_err(|error| log_unreadable(&error))?;
        let Some(position) = position else { return Ok(Self::Unknown) };
        let record = log.read_one(position).map_err(|error| log_unreadable(&error))?;
        let Some(Event::ResponderEnrolled(event)) = decode(&record.bytes).ok().and_then(|envelope| envelope.event) else {
            return Err(Problem::internal());
        };
        match (open(vault, event.name, "name")?, open(vault, event.phone, "phone")?) {
            (Some(name), Some(phone)) => Ok(Self::Known { name, phone }),
            _ => Ok(Self::Erased),
        }
    }
}

/// Empty for what was never given, nothing for what was erased.
fn open(vault: &Vault, sealed: Option<Sealed>, field: &str) -> Result<Option<String>, Problem> {
    let Some(sealed) = sealed.filter(|sealed| !sealed.bytes.is_empty()) else { return Ok(Some(String::new())) };
    let algorithm = Algorithm::try_from(sealed.algorithm).map_err(|_| Problem::internal())?;
    let sealed = SealedField { key_id: sealed.key_id, algorithm, nonce: sealed.nonce, bytes: sealed.bytes };
    match vault.open_field(&sealed, field) {
        Ok(Opened::Plain(text)) => Ok(Some(text)),
        Ok(Opened::Erased) => Ok(None),
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
