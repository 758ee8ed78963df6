//! The door through which every command comes in: HTTP, NATS, command line, demo and benches call the same trait.

use std::future::Future;
use std::pin::Pin;

use crate::v1::Context;
use crate::{Command, FieldError};

/// One command as the gateway hands it on: well formed, personal fields sealed.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Who is answerable for the command id: half of the idempotency key.
    pub principal: String,
    /// At most 64 bytes, chosen by the caller, one for each intent.
    pub id: String,
    /// A keyed digest of the body as it was before sealing; the same id with another digest is refused.
    pub digest: [u8; 32],
    /// Who says it, in which office, on what ground.
    pub context: Context,
    /// What is asked.
    pub command: Command,
}

/// What a durable command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// First position of the command's records, 0 when it changed nothing.
    pub first: u64,
    /// Last position, 0 when it changed nothing.
    pub last: u64,
    /// Records by event name, sorted by name.
    pub counts: Vec<(&'static str, u64)>,
    /// The first hundred records as stored.
    pub events: Vec<bytes::Bytes>,
    /// The answer to an earlier request with this id was given again.
    pub repeated: bool,
}

/// What a refusal means for the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// The command can never be carried out as it stands.
    #[default]
    Rejected,
    /// It conflicts with what is so now: look again, then decide anew.
    Conflict,
    /// What it speaks of is not there.
    NotFound,
    /// Whoever asks may not ask this.
    Forbidden,
}

/// A domain fact that speaks against the command, with its words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it means for the caller.
    pub kind: RefusalKind,
    /// Stable, snake_case, e.g. `responder_already_on_duty`.
    pub code: &'static str,
    /// The field of the body at fault, empty where none is.
    pub field: String,
    /// For people, in Chinese.
    pub zh: String,
    /// For people, in English.
    pub en: String,
}

/// Why a command was not carried out. Nothing of it is stored in any of these cases.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The caller's fault in form: unknown command or field, wrong type, too large.
    #[error("malformed command: {0}")]
    Malformed(FieldError),
    /// The caller's fault in substance.
    #[error("refused: {} ({})", .0.en, .0.code)]
    Refused(Refusal),
    /// The command id was used with another body.
    #[error("command id {id:?} was used before with another body")]
    IdReused {
        /// The id.
        id: String,
    },
    /// Back off and try again; the same id may be used.
    #[error("unavailable: {reason}")]
    Unavailable {
        /// Stable code, e.g. `log_stopped`, `no_space`, `queue_full`.
        reason: &'static str,
    },
}

/// A future that answers a command.
pub type Pending<'a> = Pin<Box<dyn Future<Output = Result<Answer, CommandError>> + Send + 'a>>;

/// Takes commands. Requests submitted one after the other through one port are decided in that order; answers come once durable.
pub trait CommandPort: Send + Sync {
    /// Hands the request in before it returns; the future waits for the durable answer.
    fn submit(&self, request: Request) -> Pending<'_>;
}
