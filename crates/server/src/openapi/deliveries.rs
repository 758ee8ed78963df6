//! Deliveries, as the document writes them: dead letters, channels, receipts.

use serde_json::{Map, Value, json};

use super::paths::{ok, problems, query};

pub(super) fn paths(paths: &mut Map<String, Value>) {
    paths.insert("/v1/deliveries/dead".to_owned(), json!({"get": dead()}));
    paths.insert("/v1/deliveries/{id}/resend".to_owned(), json!({"post": resend()}));
    paths.insert("/v1/deliveries/{id}/receipts".to_owned(), json!({"post": receipt()}));
    paths.insert("/v1/deliveries/channels/{name}/enable".to_owned(), json!({"post": enable()}));
}

fn in_path(name: &str, description: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "description": description, "schema": {"type": "string"}})
}

fn object(members: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> = members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let names: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    json!({"application/json": {"schema": {"type": "object", "required": names, "properties": properties}}})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn dead() -> Value {
    let letter = json!({"type": "object", "properties": {
        "message_id": text(), "kind": text(), "call_id": text(), "at_ms": text(), "tries": {"type": "integer"},
        "reason": {"type": "string", "description": "A word of the server's, e.g. `no_phone`, `timed_out`, `refused`, `gone`."}}});
    json!({
        "tags": ["delivery"],
        "operationId": "deadLetters",
        "summary": "Messages that could not be delivered, the newest first",
        "parameters": [query("limit", "Letters at most.", json!({"type": "integer", "minimum": 1}))],
        "responses": problems(
            ok("Dead letters.", object(&[("dead", json!({"type": "array", "items": letter}))])),
            &[("400", "Malformed"), ("401", "Unauthorized"), ("403", "Forbidden"), ("503", "Unavailable")],
        ),
    })
}

fn resend() -> Value {
    json!({
        "tags": ["delivery"],
        "operationId": "resendDeadLetter",
        "summary": "Send a dead letter again, under its own message id",
        "parameters": [in_path("id", "The message id.")],
        "responses": problems(
            ok("On its way.", object(&[("message_id", text())])),
            &[("401", "Unauthorized"), ("403", "Forbidden"), ("404", "NotFound"), ("503", "Unavailable")],
        ),
    })
}

fn enable() -> Value {
    json!({
        "tags": ["delivery"],
        "operationId": "enableChannel",
        "summary": "Use a channel again that answered 410 Gone",
        "parameters": [in_path("name", "The channel.")],
        "responses": problems(
            ok("In use.", object(&[("channel", text())])),
            &[("401", "Unauthorized"), ("403", "Forbidden"), ("404", "NotFound"), ("503", "Unavailable")],
        ),
    })
}

fn receipt() -> Value {
    let header = |name: &str, description: &str| json!({"name": name, "in": "header", "required": true, "description": description, "schema": text()});
    let body = json!({"type": "object", "required": ["outcome"], "additionalProperties": false, "properties": {
        "outcome": {"type": "string", "enum": ["delivered", "read", "answered", "failed"]},
        "at_ms": {"type": ["string", "integer"], "pattern": "^[0-9]+$", "description": "When, Unix milliseconds; now when absent."}}});
    json!({
        "tags": ["delivery"],
        "operationId": "deliveryReceipt",
        "summary": "What became of a message, told by whoever delivered it",
        "description": "Signed as Standard Webhooks 1.0 says, with the channel's secret; no token is needed. Recorded once, however often it is sent.",
        "security": [],
        "parameters": [
            in_path("id", "`webhook-id` of the message."),
            header("webhook-id", "The receipt's own id; part of what is signed."),
            header("webhook-timestamp", "Unix seconds, within five minutes of the server's clock."),
            header("webhook-signature", "`v1,` and base64, several separated by spaces."),
        ],
        "requestBody": {"required": true, "content": {"application/json": {"schema": body}}},
        "responses": problems(
            ok("Durable.", object(&[("message_id", text()), ("recorded", json!({"type": "boolean", "description": "False for messages whose fate nobody waits for."}))])),
            &[("400", "Malformed"), ("401", "Unauthorized"), ("403", "Forbidden"), ("404", "NotFound"), ("413", "TooLarge"), ("503", "Unavailable")],
        ),
    })
}
