//! Checks of form that no state is needed for, and the two refusals that the engine itself gives.

use muster_domain::{Rejection, RejectionKind};
use muster_log::{CommandKey, KeyError};
use muster_proto::{Command, FieldError, FieldFault, Refusal, RefusalKind, Request, v1};
use prost::Message as _;

use crate::limits;

/// The request's key, if the request has a form in which it can be decided and stored.
pub(crate) fn check(request: &Request) -> Result<CommandKey, FieldError> {
    let key = CommandKey::new(request.principal.as_bytes(), request.id.as_bytes()).map_err(|error| key_error(request, &error))?;
    let context_bytes = request.context.encoded_len();
    if context_bytes > limits::CONTEXT_BYTES_MAX {
        return Err(too_large("context", context_bytes, limits::CONTEXT_BYTES_MAX));
    }
    let command_bytes = request.command.encoded_len();
    let bytes_max = match request.command {
        Command::ProposeFill(_) => limits::FILL_PROPOSAL_BYTES_MAX,
        _ => limits::COMMAND_BYTES_MAX,
    };
    if command_bytes > bytes_max {
        return Err(too_large("", command_bytes, bytes_max));
    }
    if request.context.occurred_at_ms < 0 {
        let reason = "a time before 1970".to_owned();
        return Err(FieldError { field: "context.occurred_at_ms".to_owned(), reason, kind: FieldFault::WrongType });
    }
    Ok(key)
}

fn key_error(request: &Request, error: &KeyError) -> FieldError {
    let of_principal = request.principal.is_empty()
        || request.principal.len() > muster_log::limits::PRINCIPAL_BYTES_MAX
        || matches!(error, KeyError::ZeroInPrincipal);
    let field = if of_principal { "principal" } else { "id" };
    let kind = if matches!(error, KeyError::TooLong { .. }) { FieldFault::TooLarge } else { FieldFault::WrongType };
    FieldError { field: field.to_owned(), reason: error.to_string(), kind }
}

fn too_large(field: &str, bytes: usize, bytes_max: usize) -> FieldError {
    let reason = format!("{bytes} bytes, at most {bytes_max} are allowed");
    FieldError { field: field.to_owned(), reason, kind: FieldFault::TooLarge }
}

/// The refusal of a fact from the future, if the context states one.
pub(crate) fn check_occurred(context: &v1::Context, now_ms: i64) -> Option<Refusal> {
    let ahead_ms = context.occurred_at_ms.saturating_sub(now_ms);
    (ahead_ms > limits::OCCURRED_AHEAD_MS_MAX).then(|| {
        let minutes = limits::OCCURRED_AHEAD_MS_MAX / 60_000;
        let seconds = ahead_ms / 1_000;
        Refusal {
            kind: RefusalKind::Rejected,
            code: "occurred_at_ahead",
            field: "context.occurred_at_ms".to_owned(),
            zh: format!("发生时间比系统时间早到了 {seconds} 秒（尚未发生），最多允许超前 {minutes} 分钟，请检查设备时钟"),
            en: format!(
                "the stated time is {seconds} seconds in the future, at most {minutes} minutes are allowed: check the device's clock"
            ),
        }
    })
}

/// The domain's words, as the outside gets them.
pub(crate) fn refusal_of(rejection: &Rejection) -> Refusal {
    let kind = match rejection.kind() {
        RejectionKind::Rejected => RefusalKind::Rejected,
        RejectionKind::Conflict => RefusalKind::Conflict,
        RejectionKind::NotFound => RefusalKind::NotFound,
    };
    Refusal { kind, code: rejection.code(), field: rejection.field().to_owned(), zh: rejection.zh(), en: rejection.en() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn request() -> Request {
        Request {
            principal: "hq".to_owned(),
            id: "a-1".to_owned(),
            digest: [0; 32],
            context: v1::Context::default(),
            command: Command::RetireArea(v1::RetireArea { area_id: "4408".to_owned() }),
        }
    }

    #[test]
    fn a_fault_of_form_is_named_with_its_field() {
        let fault = |change: &dyn Fn(&mut Request)| {
            let mut request = request();
            change(&mut request);
            let error = check(&request).unwrap_err();
            (error.field, error.kind)
        };
        assert!(check(&request()).is_ok());
        assert_eq!(fault(&|r| r.id.clear()), ("id".to_owned(), FieldFault::WrongType));
        assert_eq!(fault(&|r| r.id = "x".repeat(65)), ("id".to_owned(), FieldFault::TooLarge));
        assert_eq!(fault(&|r| r.principal.clear()), ("principal".to_owned(), FieldFault::WrongType));
        assert_eq!(fault(&|r| r.principal = "a\0b".to_owned()), ("principal".to_owned(), FieldFault::WrongType));
        assert_eq!(fault(&|r| r.principal = "x".repeat(300)), ("principal".to_owned(), FieldFault::TooLarge));
        assert_eq!(fault(&|r| r.context.correlation = "x".repeat(3_000)), ("context".to_owned(), FieldFault::TooLarge));
        assert_eq!(fault(&|r| r.context.occurred_at_ms = -1), ("context.occurred_at_ms".to_owned(), FieldFault::WrongType));
        let large = Command::RetireArea(v1::RetireArea { area_id: "x".repeat(limits::COMMAND_BYTES_MAX) });
        assert_eq!(fault(&|r| r.command = large.clone()), (String::new(), FieldFault::TooLarge));
    }

    #[test]
    fn five_minutes_ahead_is_the_limit() {
        let context = v1::Context { occurred_at_ms: 1_000_000 + limits::OCCURRED_AHEAD_MS_MAX, ..v1::Context::default() };
        assert_eq!(check_occurred(&context, 1_000_000), None);
        assert_eq!(check_occurred(&context, 999_999).unwrap().code, "occurred_at_ahead");
    }
}
