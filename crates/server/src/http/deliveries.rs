//! Deliveries: dead letters, to be seen and sent again; channels used again whose other end had been gone; and receipts, which gateways sign as
//! Standard Webhooks do. A receipt is proved by its signature alone, and says nothing but what became of one message.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use muster_delivery::{ReceiptFault, Resent, Unsigned, limits as delivery_limits};
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::App;
use super::commands::{header_text, read_at_most};
use crate::limits;
use crate::problem::Problem;
use crate::words::Words;

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    limit: Option<String>,
}

/// `GET /v1/deliveries/dead`: what could not be delivered, the newest first.
pub(super) async fn dead(State(app): State<Arc<App>>, Query(parameters): Query<Parameters>) -> Result<Json<Value>, Problem> {
    let most = match parameters.limit.as_deref() {
        None => limits::VIEW_PAGE_ROWS,
        Some(text) => text.parse().ok().filter(|limit| (1..=limits::VIEW_PAGE_ROWS_MAX).contains(limit)).ok_or_else(|| {
            let most = limits::VIEW_PAGE_ROWS_MAX;
            Problem::bad_parameter("limit", text, Words::new(format!("应为 1 至 {most}"), format!("1 to {most} is expected")))
        })?,
    };
    let row = |dead: muster_delivery::Dead| {
        json!({
            "message_id": dead.id, "kind": dead.kind, "call_id": dead.call_id, "reason": dead.reason, "tries": dead.tries,
            "at_ms": dead.at_ms.to_string(),
        })
    };
    let letters: Vec<Value> = app.node()?.deliveries.dead(most).into_iter().map(row).collect();
    Ok(Json(json!({"dead": letters})))
}

/// `POST /v1/deliveries/{id}/resend`: sends a dead letter again, under its own id.
pub(super) async fn resend(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    match app.node()?.deliveries.resend(&id).await {
        Resent::OnItsWay => Ok(Json(json!({"message_id": id}))),
        Resent::Unknown => {
            let detail =
                Words::new("没有这封未送达的消息；muster deliveries 可列出", "there is no such dead letter; muster deliveries lists them");
            Err(Problem::not_found("unknown_message", detail).at("id"))
        }
        Resent::Later => {
            let detail = Words::new(
                "暂时不能重发：渠道待发消息已满、磁盘写入失败或服务器正在停止；这封消息仍在未送达列表中，请稍后重试",
                "it cannot be sent again now: too much is on its way, the disk does not take it, or the server stops; it is still among the dead letters, try again soon",
            );
            Err(Problem::unavailable("not_resent", detail, limits::RETRY_AFTER_SECONDS))
        }
    }
}

/// `POST /v1/deliveries/channels/{name}/enable`: uses a channel again whose other end wanted nothing more.
pub(super) async fn enable(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    if app.node()?.deliveries.enable(&name).await {
        return Ok(Json(json!({"channel": name})));
    }
    let detail = Words::new(
        "没有这个渠道；渠道在配置 [[delivery.channel]] 中",
        "there is no such channel; channels stand in [[delivery.channel]] of the configuration",
    );
    Err(Problem::not_found("unknown_channel", detail).at("name"))
}

/// `POST /v1/deliveries/{id}/receipts`: what became of a message, signed with the channel's secret.
pub(super) async fn receipt(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let body = read_at_most(&headers, body, delivery_limits::RECEIPT_BYTES_MAX).await?;
    let given = |name: &'static str| header_text(&headers, name).map(Option::unwrap_or_default);
    let signed = (given("webhook-id")?, given("webhook-timestamp")?, given("webhook-signature")?);
    match app.node()?.deliveries.receipt(&id, signed, &body).await {
        Ok(recorded) => Ok(Json(json!({"message_id": id, "recorded": recorded}))),
        Err(fault) => Err(refused(fault)),
    }
}

fn refused(fault: ReceiptFault) -> Problem {
    match fault {
        ReceiptFault::Unknown => {
            let detail = Words::new(
                "没有这条消息：编号有误，或属于日志的另一个纪元",
                "there is no such message: the id is wrong, or of another epoch of the log",
            );
            Problem::not_found("unknown_message", detail).at("id")
        }
        ReceiptFault::NotTaken => {
            let zh = "此渠道不接收回执：配置中没有 receipt_secret";
            Problem::forbidden("receipts_not_taken", Words::new(zh, "the channel takes no receipts: receipt_secret is not configured"))
                .at("id")
        }
        ReceiptFault::Unsigned(Unsigned::Signature) => {
            let detail = Words::new(
                "签名无效：请用此渠道的密钥按 Standard Webhooks 对 webhook-id.webhook-timestamp.正文 签名",
                "the signature is not good: sign webhook-id.webhook-timestamp.body with the channel's secret, as Standard Webhooks says",
            );
            unsigned("bad_signature", detail, "webhook-signature")
        }
        ReceiptFault::Unsigned(Unsigned::Time) => {
            let most = delivery_limits::TIMESTAMP_TOLERANCE_SECONDS;
            let detail = Words::new(
                format!("webhook-timestamp 应为 Unix 秒，与服务器时钟相差不超过 {most} 秒；请校准时钟，重发时重新签名"),
                format!(
                    "webhook-timestamp is Unix seconds within {most} of the server's clock; set the clock, and sign anew when you send again"
                ),
            );
            unsigned("bad_timestamp", detail, "webhook-timestamp")
        }
        ReceiptFault::OtherMessage => {
            let detail = Words::new(
                "webhook-id 应为此消息的编号，或以它加一个点开头：回执只对所签的消息有效",
                "webhook-id is this message's id, or begins with it and a dot: a receipt is good for the message that it was signed for",
            );
            Problem::bad_request("bad_receipt", detail).at("webhook-id")
        }
        ReceiptFault::Form(error) => {
            let shape = "{\"outcome\": \"delivered|read|answered|failed\", \"at_ms\": 0}";
            let detail = Words::new(format!("回执应为 {shape}：{error}"), format!("a receipt is {shape}: {error}"));
            Problem::bad_request("bad_receipt", detail)
        }
        ReceiptFault::Later => {
            let detail = Words::new("暂时不能记录回执，请稍后重发", "the receipt cannot be taken down now; send it again soon");
            Problem::unavailable("not_recorded", detail, limits::RETRY_AFTER_SECONDS)
        }
    }
}

fn unsigned(code: &str, detail: Words, field: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, Words::new("签名未通过", "Not signed well"), detail).at(field)
}
