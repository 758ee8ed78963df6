//! The gateway: from what a caller sends to a [`Request`] that the engine takes. It checks the form, computes the keyed
//! digest of the body as it was given, and seals the personal fields. Nothing behind it ever sees their plain text; it
//! must never put a body or a part of one into a trace.

mod personal;
mod shape;

use std::fmt;
use std::sync::Arc;

use axum::http::StatusCode;
use muster_proto::{Command, CommandError, FieldError, FieldFault, Refusal, RefusalKind, Request, command_from_json, v1};
use muster_vault::{Algorithm, PlainField, SealError, SealedField, Vault};
use prost::Message as _;
use serde_json::Value;

use crate::descriptors::Descriptors;
use crate::limits;
use crate::problem::Problem;
use crate::words::Words;

use personal::{PersonalFields, PlainSlot};

/// The reserved member of a command's body that says who speaks, in which office, on what ground.
pub const CONTEXT_MEMBER: &str = "context";

/// The principal of callers that name none.
pub const DEFAULT_PRINCIPAL: &str = "local";

/// Who is answerable for a command's id, and who acts unless the command says so: each 1 to 256 bytes of visible text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    id: String,
    person: String,
}

impl Principal {
    /// Checks a principal who acts as itself.
    ///
    /// # Errors
    /// `bad_principal` for an empty or too long one, or one with control characters.
    pub fn new(text: &str) -> Result<Self, Problem> {
        Self::acting(text, text)
    }

    /// Checks a principal who acts as a person.
    ///
    /// # Errors
    /// As [`Principal::new`], for either.
    pub fn acting(id: &str, person: &str) -> Result<Self, Problem> {
        Ok(Self { id: Self::checked(id)?, person: Self::checked(person)? })
    }

    fn checked(text: &str) -> Result<String, Problem> {
        if text.is_empty() || text.len() > limits::PRINCIPAL_BYTES_MAX || text.chars().any(char::is_control) {
            let zh = format!("主体标识应为 1 至 {} 字节的可见字符", limits::PRINCIPAL_BYTES_MAX);
            let en = format!("a principal has 1 to {} bytes of visible text", limits::PRINCIPAL_BYTES_MAX);
            return Err(Problem::bad_request("bad_principal", Words::new(zh, en)));
        }
        Ok(text.to_owned())
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.id
    }
}

impl Default for Principal {
    fn default() -> Self {
        Self { id: DEFAULT_PRINCIPAL.to_owned(), person: DEFAULT_PRINCIPAL.to_owned() }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// A command id (the idempotency key): 1 to 64 bytes of visible text, chosen by the caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommandId(String);

impl CommandId {
    /// Checks an id.
    ///
    /// # Errors
    /// `missing_idempotency_key` for an empty one, `bad_idempotency_key` for one that is too long or has control characters.
    pub fn new(text: &str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Err(Self::missing());
        }
        if text.len() > limits::COMMAND_ID_BYTES_MAX || text.chars().any(char::is_control) {
            let zh = format!("幂等键应为 1 至 {} 字节的可见字符", limits::COMMAND_ID_BYTES_MAX);
            let en = format!("an idempotency key has 1 to {} bytes of visible text", limits::COMMAND_ID_BYTES_MAX);
            return Err(Problem::bad_request("bad_idempotency_key", Words::new(zh, en)).at("Idempotency-Key"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The problem of a command without an id.
    #[must_use]
    pub fn missing() -> Problem {
        let detail = Words::new(
            "每条命令都要带幂等键（HTTP 头 Idempotency-Key，批量时为 id）：同一意图重试用同一个键，才不会重复执行",
            "every command needs an idempotency key (header Idempotency-Key, or id in a batch): a retry with the same key is not carried out twice",
        );
        Problem::bad_request("missing_idempotency_key", detail).at("Idempotency-Key")
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A command whose form is checked and whose digest is known. Personal fields may still wait to be sealed.
pub struct Prepared {
    name: String,
    principal: Principal,
    id: CommandId,
    digest: [u8; 32],
    context: v1::Context,
    /// The caller did not say on which channel it came.
    channel_left_open: bool,
    content: Content,
}

enum Content {
    /// Nothing personal in it.
    Ready(Box<Command>),
    /// The body without its personal texts, and those texts with their places.
    Unsealed { body: Value, slots: Vec<PlainSlot> },
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prepared({} {} of {})", self.name, self.id.as_str(), self.principal)
    }
}

impl Prepared {
    /// Whether sealing has something to do, and may have to write to the vault.
    #[must_use]
    pub const fn needs_sealing(&self) -> bool {
        matches!(self.content, Content::Unsealed { .. })
    }

    /// The same command, come in over another channel than HTTP; what the caller itself says of the channel goes first.
    #[must_use]
    pub fn over(mut self, kind: v1::ChannelKind) -> Self {
        if self.channel_left_open {
            self.context.channel = Some(v1::Channel { kind: kind.into(), reference: String::new() });
        }
        self
    }
}

/// Turns bodies into requests. Cheap to share.
pub struct Gateway {
    vault: Arc<Vault>,
    descriptors: Arc<Descriptors>,
    personal: PersonalFields,
}

impl Gateway {
    /// A gateway that seals with `vault`.
    #[must_use]
    pub fn new(vault: Arc<Vault>, descriptors: Arc<Descriptors>) -> Self {
        let personal = PersonalFields::of(&descriptors);
        Self { vault, descriptors, personal }
    }

    /// Checks the form of a command and computes the digest of its body.
    ///
    /// # Errors
    /// [`CommandError::Malformed`] with the field's path.
    pub fn prepare(&self, principal: Principal, id: CommandId, name: &str, mut body: Value) -> Result<Prepared, CommandError> {
        let context = take_context(&mut body).map_err(CommandError::Malformed)?;
        let slots = self.personal.take(name, &mut body).map_err(CommandError::Malformed)?;
        let mut content = if slots.is_empty() {
            Content::Ready(Box::new(self.read(name, body).map_err(CommandError::Malformed)?))
        } else {
            Content::Unsealed { body, slots }
        };
        let canonical = match &mut content {
            Content::Ready(command) => canonical_bytes(command, &context),
            Content::Unsealed { body, slots } => {
                // The digest covers the plain text, so that a retry has the same digest although it is sealed anew.
                let command = self.read(name, personal::with_plain(body, slots)).map_err(CommandError::Malformed)?;
                canonical_bytes(&command, &context)
            }
        };
        let digest = self.vault.command_digest(principal.as_str(), &canonical);
        let channel_left_open = context.channel.is_none();
        let context = complete(context, &principal);
        Ok(Prepared { channel_left_open, name: name.to_owned(), principal, id, digest, context, content })
    }

    /// Seals what is personal and completes the request. New keys are written to the vault: call it where blocking is allowed.
    ///
    /// # Errors
    /// A refusal where the person's data was erased, [`CommandError::Unavailable`] where the vault cannot write.
    pub fn seal(&self, prepared: Prepared) -> Result<Request, CommandError> {
        self.seal_many(vec![prepared]).pop().expect("one command gives one answer")
    }

    /// Seals many commands, in order, with one synced write for all new keys; each has its own answer.
    pub fn seal_many(&self, prepared: Vec<Prepared>) -> Vec<Result<Request, CommandError>> {
        let fields = prepared.iter().flat_map(plain_fields).collect::<Vec<_>>();
        let sealed = if fields.is_empty() { Ok(Vec::new()) } else { self.vault.seal_many(&fields) };
        drop(fields);
        match sealed {
            Ok(sealed) => {
                let mut sealed = sealed.into_iter();
                prepared.into_iter().map(|one| self.finish(one, &mut sealed)).collect()
            }
            // One person's fault must not fall on the others.
            Err(_) if prepared.len() > 1 => prepared.into_iter().map(|one| self.seal(one)).collect(),
            Err(error) => prepared.iter().map(|one| Err(seal_error(one, &error))).collect(),
        }
    }

    /// Completes a request that is only to be previewed: what is personal is left out, and nothing is written.
    ///
    /// # Errors
    /// [`CommandError::Malformed`] with the field's path.
    pub fn leave_out(&self, prepared: Prepared) -> Result<Request, CommandError> {
        let left_out =
            SealedField { key_id: "preview".to_owned(), algorithm: Algorithm::XChaCha20Poly1305, nonce: Vec::new(), bytes: Vec::new() };
        self.finish(prepared, &mut std::iter::repeat(left_out))
    }

    fn finish(&self, prepared: Prepared, sealed: &mut impl Iterator<Item = SealedField>) -> Result<Request, CommandError> {
        let Prepared { name, principal, id, digest, context, content, .. } = prepared;
        let command = match content {
            Content::Ready(command) => *command,
            Content::Unsealed { mut body, slots } => {
                for (slot, sealed) in slots.iter().zip(sealed) {
                    personal::put(&mut body, slot, &message_of(sealed));
                }
                self.read(&name, body).map_err(CommandError::Malformed)?
            }
        };
        Ok(Request { principal: principal.id, id: id.0, digest, context, command })
    }

    /// Reads a body, and names an unknown field by its whole path.
    fn read(&self, name: &str, body: Value) -> Result<Command, FieldError> {
        if !body.is_object() && muster_proto::command_field(name).is_some() {
            let reason = "the body of a command is a JSON object".to_owned();
            return Err(FieldError { field: String::new(), reason, kind: FieldFault::WrongType });
        }
        let unknown = shape::unknown_field(&self.descriptors, name, &body);
        command_from_json(name, body).map_err(|error| match unknown {
            Some(unknown) if error.kind == FieldFault::UnknownField => unknown,
            _ => error,
        })
    }
}

/// Takes the reserved member out of the body and reads it.
fn take_context(body: &mut Value) -> Result<v1::Context, FieldError> {
    let Some(value) = body.as_object_mut().and_then(|members| members.remove(CONTEXT_MEMBER)) else {
        return Ok(v1::Context::default());
    };
    read_context(value)
}

fn read_context(value: Value) -> Result<v1::Context, FieldError> {
    if value.is_null() {
        return Ok(v1::Context::default());
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { CONTEXT_MEMBER.to_owned() } else { format!("{CONTEXT_MEMBER}.{path}") };
        FieldError { field, reason: error.into_inner().to_string(), kind: FieldFault::WrongType }
    })
}

/// What the caller left open: the actor is the principal's person, the channel is HTTP unless [`Prepared::over`] names another.
fn complete(mut context: v1::Context, principal: &Principal) -> v1::Context {
    if context.actor.is_empty() {
        context.actor.clone_from(&principal.person);
    }
    if context.channel.is_none() {
        context.channel = Some(v1::Channel { kind: v1::ChannelKind::Http.into(), reference: String::new() });
    }
    if context.occurred_at_ms != 0 && context.occurred_at_source == i32::from(v1::OccurredAtSource::Unspecified) {
        context.occurred_at_source = v1::OccurredAtSource::Stated.into();
    }
    context
}

/// What two bodies that mean the same have in common, however they are spelled: the encoded command, then the context.
fn canonical_bytes(command: &Command, context: &v1::Context) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(command.encoded_len() + context.encoded_len() + 8);
    prost::encoding::encode_varint(command.encoded_len() as u64, &mut bytes);
    command.encode(&mut bytes);
    context.encode(&mut bytes).expect("a Vec takes any length");
    bytes
}

fn plain_fields(prepared: &Prepared) -> impl Iterator<Item = PlainField<'_>> {
    let slots = match &prepared.content {
        Content::Ready(_) => &[],
        Content::Unsealed { slots, .. } => slots.as_slice(),
    };
    slots.iter().map(PlainSlot::as_field)
}

fn message_of(sealed: SealedField) -> v1::Sealed {
    v1::Sealed { key_id: sealed.key_id, algorithm: sealed.algorithm.number(), nonce: sealed.nonce, bytes: sealed.bytes }
}

fn seal_error(prepared: &Prepared, error: &SealError) -> CommandError {
    let slots = match &prepared.content {
        Content::Ready(_) => &[],
        Content::Unsealed { slots, .. } => slots.as_slice(),
    };
    let at = |field: &str| slots.iter().find(|slot| slot.field == field).map_or_else(String::new, PlainSlot::path);
    let malformed = |field: String, kind| CommandError::Malformed(FieldError { field, reason: error.to_string(), kind });
    match error {
        SealError::Erased { subject } => CommandError::Refused(Refusal {
            kind: RefusalKind::Rejected,
            code: "personal_data_erased",
            field: slots.first().map_or_else(String::new, |slot| slot.subject_field.clone()),
            zh: format!("{subject} 的个人信息已被永久删除，不能再登记"),
            en: format!("the personal data of {subject} was erased for good; nothing can be recorded under this id again"),
        }),
        SealError::BadSubject { .. } => {
            malformed(slots.first().map_or_else(String::new, |slot| slot.subject_field.clone()), FieldFault::WrongType)
        }
        SealError::BadField { .. } => malformed(String::new(), FieldFault::WrongType),
        SealError::TooLong { field, .. } => malformed(at(field), FieldFault::TooLarge),
        SealError::Entropy(_) | SealError::Write(_) => {
            tracing::error!(error = %error, "personal fields cannot be sealed");
            CommandError::Unavailable { reason: "vault_stopped" }
        }
    }
}

/// The problem of a batch line or body that is not JSON.
#[must_use]
pub fn not_json(error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    let zh = format!("不是有效的 JSON（第 {} 行第 {} 列）", error.line(), error.column());
    let mut problem = Problem::bad_request("not_json", Words::new(zh, format!("not valid JSON at {place}")));
    problem.status = StatusCode::BAD_REQUEST;
    problem
}

#[cfg(test)]
mod tests;
