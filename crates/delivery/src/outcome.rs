//! What became of a try, and what is reported of a message.

use std::time::Duration;

use muster_proto::v1::{DeliveryChannel, DeliveryOutcome};
use serde_json::Value;

use crate::config::Kind;
use crate::letter::MessageId;

/// What the other end made of a request. Reasons are words of ours, never the other end's: those could hold anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// Taken, maybe with an id of the other end's own, which is traced and not kept: the log knows a message by ours.
    Taken(String),
    /// To be tried again, not before that time if one was named.
    Again(&'static str, Option<Duration>),
    /// The access token is not good any more: to be tried again with a new one.
    TokenOver,
    /// Will never be taken.
    Refused(&'static str),
    /// The other end wants nothing more.
    Gone,
}

/// What is to be taken down of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The message.
    pub id: MessageId,
    /// The call that it tells of.
    pub call_id: String,
    /// The channel of the domain.
    pub channel: DeliveryChannel,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// When, Unix milliseconds; 0 for now, by the log's own clock.
    pub at_ms: i64,
}

/// Codes of WeCom and DingTalk that pass: busy, a version conflict, too many requests. Sources: developer.work.weixin.qq.com 全局错误码 (-1, 6000,
/// 45009, 45033); open.dingtalk.com 全局错误码 (90002, 90018, 90030) and 自定义机器人 (130101, 410100).
const PASSING: [i64; 9] = [-1, 6000, 45009, 45033, 90002, 90018, 90030, 130_101, 410_100];

/// An access token that is over or not known, with both.
const TOKEN: [i64; 2] = [40014, 42001];

/// DingTalk's cover for a code that stands in `sub_code`.
const COVER: i64 = 88;

/// What an answer means. `retry_after` is of the header.
pub(crate) fn judge(kind: Kind, status: u16, body: &[u8], retry_after: Option<Duration>) -> Answered {
    match status {
        200..=299 if kind.is_signed() => Answered::Taken(String::new()),
        200..=299 => judge_code(body),
        410 => Answered::Gone,
        429 => Answered::Again("too_many_requests", retry_after),
        408 | 425 => Answered::Again("not_now", retry_after),
        500.. => Answered::Again("server_error", retry_after),
        // A redirect is not followed: the address is the operator's word.
        300..=399 => Answered::Refused("redirected"),
        _ => Answered::Refused("refused"),
    }
}

/// Platforms answer 200 whatever happens, and say in the body what did. A body that broke off says nothing: the message is sent again under its
/// own id, for one that comes twice is better than one that does not come.
fn judge_code(body: &[u8]) -> Answered {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else { return Answered::Again("no_answer_code", None) };
    let Some(code) = answer["errcode"].as_i64() else { return Answered::Again("no_answer_code", None) };
    let code = if code == COVER { answer["sub_code"].as_str().and_then(|sub| sub.parse().ok()).unwrap_or(code) } else { code };
    match code {
        0 if answer["invaliduser"].as_str().is_some_and(|users| !users.is_empty()) => Answered::Refused("unknown_to_platform"),
        0 => {
            let id = [&answer["msgid"], &answer["task_id"]].into_iter().find(|id| !id.is_null());
            Answered::Taken(id.map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned)).unwrap_or_default())
        }
        code if TOKEN.contains(&code) => Answered::TokenOver,
        code if PASSING.contains(&code) => Answered::Again("platform_busy", None),
        _ => Answered::Refused("refused_by_platform"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_judged_by_status_and_by_the_platforms_code() {
        let wait = Some(Duration::from_secs(7));
        for (kind, status, body, expected) in [
            (Kind::Webhook, 204, "", Answered::Taken(String::new())),
            (Kind::Sms, 202, "queued", Answered::Taken(String::new())),
            (Kind::Webhook, 302, "", Answered::Refused("redirected")),
            (Kind::Webhook, 400, "", Answered::Refused("refused")),
            (Kind::Webhook, 410, "", Answered::Gone),
            (Kind::Webhook, 429, "", Answered::Again("too_many_requests", wait)),
            (Kind::Webhook, 503, "", Answered::Again("server_error", wait)),
            (Kind::WecomApp, 200, r#"{"errcode":0,"errmsg":"ok","msgid":"m9"}"#, Answered::Taken("m9".into())),
            (Kind::DingtalkNotice, 200, r#"{"errcode":0,"task_id":256271667526}"#, Answered::Taken("256271667526".into())),
            (Kind::WecomApp, 200, r#"{"errcode":0,"invaliduser":"r-1"}"#, Answered::Refused("unknown_to_platform")),
            (Kind::WecomApp, 200, r#"{"errcode":81013}"#, Answered::Refused("refused_by_platform")),
            (Kind::WecomApp, 200, r#"{"errcode":42001}"#, Answered::TokenOver),
            (Kind::DingtalkNotice, 200, r#"{"errcode":88,"sub_code":"40014"}"#, Answered::TokenOver),
            (Kind::WecomRobot, 200, r#"{"errcode":45009}"#, Answered::Again("platform_busy", None)),
            (Kind::DingtalkRobot, 200, r#"{"errcode":310000}"#, Answered::Refused("refused_by_platform")),
            (Kind::DingtalkRobot, 200, "<html>", Answered::Again("no_answer_code", None)),
        ] {
            assert_eq!(judge(kind, status, body.as_bytes(), wait), expected, "{kind:?} {status} {body}");
        }
    }
}
