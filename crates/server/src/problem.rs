//! Problems: what the server answers when it does not do what was asked, as `application/problem+json` (RFC 9457) with a
//! stable code and words in both languages. Owns the one table from command errors to HTTP; it must never hold a value
//! that the caller sent in a personal field.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_proto::{CommandError, FieldError, FieldFault, Refusal, RefusalKind};
use serde::Serialize;
use serde_json::Value;

use crate::limits;
use crate::words::{Lang, Words};

/// A problem on its way to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// Stable, snake_case; programs decide by it.
    pub code: String,
    /// What kind of problem it is, the same for every problem of the code. Boxed, as the detail is, so that a result with
    /// a problem in it stays small.
    pub title: Box<Words>,
    /// What is wrong this time, and what to do about it.
    pub detail: Box<Words>,
    /// The field at fault as a path, empty where none is.
    pub field: String,
    /// When to try again, for problems that pass.
    pub retry_after_s: Option<u32>,
}

/// The problem as it is written out.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    detail_zh: &'a str,
    detail_en: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'a str,
}

impl Problem {
    /// A problem without a field.
    pub fn new(status: StatusCode, code: impl Into<String>, title: Words, detail: Words) -> Self {
        Self { status, code: code.into(), title: title.into(), detail: detail.into(), field: String::new(), retry_after_s: None }
    }

    /// The same problem, at a field.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }

    /// A request that does not fit its form.
    pub fn bad_request(code: &str, detail: Words) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, malformed_title(), detail)
    }

    /// A query parameter whose value cannot be used.
    pub fn bad_parameter(name: &str, value: &str, expected: Words) -> Self {
        let zh = format!("参数 {name} 的值“{value}”无效：{}", expected.zh);
        let en = format!("parameter {name} cannot be {value:?}: {}", expected.en);
        Self::bad_request("bad_parameter", Words::new(zh, en)).at(name)
    }

    /// Something asked for by name is not there.
    pub fn not_found(code: &str, detail: Words) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, Words::new("未找到", "Not found"), detail)
    }

    /// Whoever asks may not.
    pub fn forbidden(code: &str, detail: Words) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, forbidden_title(), detail)
    }

    /// It conflicts with what is so now.
    pub fn conflict(code: &str, detail: Words) -> Self {
        Self::new(StatusCode::CONFLICT, code, Words::new("与当前状态冲突", "Conflict with the present state"), detail)
    }

    /// It cannot be done now.
    pub fn unavailable(code: &str, detail: Words, retry_after_s: u32) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, Words::new("暂时不可用", "Unavailable"), detail);
        problem.retry_after_s = Some(retry_after_s);
        problem
    }

    /// The server's own fault. The cause goes to the trace, not to the caller.
    #[must_use]
    pub fn internal() -> Self {
        let detail = Words::new("服务器内部错误，详情见服务器日志", "an internal error; the server's trace has the details");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", Words::new("内部错误", "Internal error"), detail)
    }

    /// A body over the limit.
    #[must_use]
    pub fn too_large(bytes_max: usize) -> Self {
        let detail = Words::new(
            format!("请求体超过 {bytes_max} 字节的上限；请拆分后再发"),
            format!("the body is over the limit of {bytes_max} bytes; split it"),
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", Words::new("请求体过大", "Body too large"), detail)
    }

    /// The document in one language; both languages' details are in it as well.
    #[must_use]
    pub fn to_json(&self, lang: Lang) -> Value {
        let document = Document {
            r#type: format!("urn:muster:problem:{}", self.code),
            title: self.title.get(lang),
            status: self.status.as_u16(),
            code: &self.code,
            detail: self.detail.get(lang),
            detail_zh: &self.detail.zh,
            detail_en: &self.detail.en,
            field: &self.field,
        };
        serde_json::to_value(document).expect("a document has only string keys")
    }

    /// The whole response in one language.
    #[must_use]
    pub fn respond(&self, lang: Lang) -> Response {
        let mut response = (self.status, self.to_json(lang).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(lang.tag()));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"muster\""));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Handlers return the bare problem; `http::render_problems` writes it in the caller's language.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<CommandError> for Problem {
    /// The one table from command errors to HTTP.
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Malformed(fault) => malformed(fault),
            CommandError::Refused(refusal) => refused(refusal),
            CommandError::IdReused { id } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "id_reused",
                Words::new("幂等键已被使用", "Idempotency key used before"),
                Words::new(
                    format!("幂等键“{id}”此前已用于内容不同的命令；新的意图请用新的键"),
                    format!("the idempotency key {id:?} was used before with another body; a new intent needs a new key"),
                ),
            ),
            CommandError::Unavailable { reason } => unavailable(reason),
        }
    }
}

fn forbidden_title() -> Words {
    Words::new("没有权限", "Not allowed")
}

fn malformed_title() -> Words {
    Words::new("请求格式不正确", "Malformed request")
}

fn malformed(fault: FieldError) -> Problem {
    let FieldError { field, reason, kind } = fault;
    let place = if field.is_empty() { "请求体".to_owned() } else { format!("字段 {field}") };
    let (status, code, zh) = match kind {
        FieldFault::UnknownCommand => (StatusCode::NOT_FOUND, "unknown_command", "没有这个命令".to_owned()),
        FieldFault::UnknownField => (StatusCode::BAD_REQUEST, "unknown_field", format!("{place}：命令没有这个字段")),
        FieldFault::WrongType => (StatusCode::BAD_REQUEST, "wrong_type", format!("{place}：类型不符，或不是枚举中的值")),
        FieldFault::NotJson => (StatusCode::BAD_REQUEST, "not_json", format!("{place}：不是有效的 JSON")),
        FieldFault::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("{place}：超过大小上限")),
    };
    Problem::new(status, code, malformed_title(), Words::new(format!("{zh}（{reason}）"), reason)).at(field)
}

fn refused(refusal: Refusal) -> Problem {
    let (status, title) = match refusal.kind {
        RefusalKind::Rejected => (StatusCode::UNPROCESSABLE_ENTITY, Words::new("命令被拒绝", "Refused")),
        RefusalKind::Conflict => (StatusCode::CONFLICT, Words::new("与当前状态冲突", "Conflict with the present state")),
        RefusalKind::NotFound => (StatusCode::NOT_FOUND, Words::new("所指对象不存在", "No such subject")),
        RefusalKind::Forbidden => (StatusCode::FORBIDDEN, forbidden_title()),
    };
    Problem::new(status, refusal.code, title, Words::new(refusal.zh, refusal.en)).at(refusal.field)
}

fn unavailable(reason: &'static str) -> Problem {
    let (zh, en, retry_after_s) = match reason {
        "queue_full" => (
            "命令排队已满，请稍后用同一个幂等键重试",
            "the command queue is full; try again with the same key",
            limits::RETRY_AFTER_SECONDS,
        ),
        "no_planner" => (
            "推演线程没有运行，暂时不能预演；命令本身不受影响，须由管理员查看日志",
            "the planner is not running, so nothing can be previewed; commands are not affected; an administrator must look at the traces",
            limits::RETRY_AFTER_STOPPED_SECONDS,
        ),
        "recovering" => ("服务器正在恢复，请稍后重试", "the server is recovering; try again soon", limits::RETRY_AFTER_SECONDS),
        "shutting_down" => (
            "服务器正在停止，请稍后用同一个幂等键重试",
            "the server is stopping; try again later with the same key",
            limits::RETRY_AFTER_SECONDS,
        ),
        "no_space" => (
            "服务器磁盘空间不足，暂不接受命令；请清理磁盘后重试",
            "the server's disk is nearly full and takes no commands; free space, then try again",
            limits::RETRY_AFTER_STOPPED_SECONDS,
        ),
        "log_stopped" => (
            "日志已停止写入，须由管理员检查磁盘并重启服务",
            "the log stopped; an administrator must look at the disk and restart the server",
            limits::RETRY_AFTER_STOPPED_SECONDS,
        ),
        "vault_stopped" => (
            "保险库已停止写入，须由管理员检查磁盘并重启服务",
            "the vault takes no more writes; an administrator must look at the disk and restart the server",
            limits::RETRY_AFTER_STOPPED_SECONDS,
        ),
        _ => ("暂时不可用，请稍后用同一个幂等键重试", "unavailable; try again later with the same key", limits::RETRY_AFTER_SECONDS),
    };
    Problem::unavailable(reason, Words::new(zh, en), retry_after_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_status() {
        let refusal = |kind| CommandError::Refused(Refusal { kind, code: "x", field: "area_id".into(), zh: "甲".into(), en: "a".into() });
        let fault = |kind| CommandError::Malformed(FieldError { field: String::new(), reason: "r".into(), kind });
        for (error, status) in [
            (refusal(RefusalKind::Rejected), 422),
            (refusal(RefusalKind::Conflict), 409),
            (refusal(RefusalKind::NotFound), 404),
            (refusal(RefusalKind::Forbidden), 403),
            (fault(FieldFault::UnknownField), 400),
            (fault(FieldFault::WrongType), 400),
            (fault(FieldFault::NotJson), 400),
            (fault(FieldFault::UnknownCommand), 404),
            (fault(FieldFault::TooLarge), 413),
            (CommandError::IdReused { id: "1".into() }, 422),
            (CommandError::Unavailable { reason: "queue_full" }, 503),
        ] {
            assert_eq!(Problem::from(error).status.as_u16(), status);
        }
    }

    #[test]
    fn the_document_speaks_both_languages() {
        let problem = Problem::bad_parameter("from", "x", Words::new("应为位置", "a position is expected"));
        let document = problem.to_json(Lang::En);
        assert_eq!(document["detail"], document["detail_en"]);
        assert_eq!(document["code"], "bad_parameter");
        assert_eq!(document["field"], "from");
        assert_eq!(problem.to_json(Lang::Zh)["detail"], document["detail_zh"]);
    }
}
