//! The messages on the channels: their headers and their payloads.

use serde_json::{Map, Value, json};

use super::channels::reference;
use crate::openapi::VIEW_ROWS;

fn schema(name: &str) -> Value {
    reference(&format!("components/schemas/{name}"))
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn place() -> Value {
    json!({"type": "string", "pattern": "^[0-9]+\\.[0-9]+$", "description": "epoch.position"})
}

fn number() -> Value {
    json!({"type": "string", "pattern": "^[0-9]+$"})
}

/// Whatever has these members, all of them, and no others.
fn object(members: &[(&str, Value)]) -> Value {
    let properties: Map<_, _> = members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

pub(super) fn messages() -> Value {
    let mut messages = Map::new();
    messages.insert("Event".to_owned(), event());
    for (view, message) in VIEW_ROWS {
        messages.insert(format!("Row_{view}"), row(view, message));
    }
    messages.insert("RowGone".to_owned(), row_gone());
    messages.insert("Marker".to_owned(), marker());
    messages.insert("Command".to_owned(), command());
    messages.insert(
        "CommandAnswer".to_owned(),
        json!({"title": "The durable answer", "contentType": "application/json", "payload": schema("Answer")}),
    );
    messages.insert("CommandRefused".to_owned(), refused());
    messages.insert("EventJson".to_owned(), json!({"title": "One event as JSON; personal fields stay sealed", "payload": schema("Event")}));
    messages.extend(streamed());
    messages.into()
}

fn event() -> Value {
    let headers = json!({
        "type": "object",
        "properties": {
            "Nats-Msg-Id": text("Log, epoch, position and a short digest of the record: what makes it one of its kind."),
            "Nats-Expected-Last-Sequence": text("The fence: the sequence behind which it was stored."),
            "Nats-Expected-Last-Msg-Id": text("The fence: the id of the message behind which it was stored; absent on the first of a connection."),
            "Muster-Position": text("The record's position, equal to the message's sequence."),
            "ce-specversion": json!({"type": "string", "const": "1.0"}),
            "ce-id": place(),
            "ce-source": text("`/muster/` and the log's id."),
            "ce-type": text("`muster.v1.` and the event's name."),
            "ce-time": json!({"type": "string", "format": "date-time", "description": "When it happened."}),
            "ce-subject": text("The area in which it takes effect, percent-encoded; absent where there is none."),
        },
        "required": ["Nats-Msg-Id", "Nats-Expected-Last-Sequence", "Muster-Position", "ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time"],
        "additionalProperties": false,
    });
    json!({
        "title": "muster.v1.Envelope, protobuf",
        "summary": "The record as it stands in the log. CloudEvents 1.0, binary mode. `components.schemas.Event` is its JSON form.",
        "contentType": "application/protobuf",
        "headers": headers,
        "payload": {"type": "string", "contentEncoding": "binary", "contentMediaType": "application/protobuf; messageType=muster.v1.Envelope"},
        "x-json-form": schema("Event"),
    })
}

fn kv_headers(operation: Option<&str>) -> Value {
    let mut headers = json!({"type": "object", "properties": {"Muster-At": place()}, "required": ["Muster-At"]});
    if let Some(operation) = operation {
        headers["properties"]["KV-Operation"] = json!({"type": "string", "const": operation});
        headers["required"] = json!(["Muster-At", "KV-Operation"]);
    }
    headers
}

fn row(view: &str, message: &str) -> Value {
    json!({
        "title": format!("A row of the view {view}, and the place as of which it is so"),
        "headers": kv_headers(None),
        "payload": {"allOf": [schema(message), {"type": "object", "properties": {"at": place()}, "required": ["at"]}]},
    })
}

fn row_gone() -> Value {
    json!({
        "title": "The row is gone, or stands under another key",
        "headers": kv_headers(Some("DEL")),
        "payload": {"type": "string", "maxLength": 0},
    })
}

fn marker() -> Value {
    let members = [
        ("at", place()),
        ("epoch", json!({"type": "integer", "minimum": 0})),
        ("position", number()),
        ("time_ms", number()),
        ("complete", json!({"type": "boolean", "description": "Every row as of `at` is in the bucket, and no other."})),
        ("rows", number()),
        ("log", json!({"type": "string", "pattern": "^[0-9a-f]{32}$"})),
    ];
    json!({"title": "How far the bucket is", "headers": kv_headers(None), "payload": object(&members)})
}

fn command() -> Value {
    let headers = json!({
        "type": "object",
        "properties": {
            "Muster-Command-Id": {"type": "string", "minLength": 1, "maxLength": 64, "description": "One for each intent; a retry with the same id and body is carried out once."},
            "Authorization": text("`Bearer` and a token: nobody gives a command over NATS without one."),
            "Muster-Dry-Run": {"type": "string", "enum": ["true", "false"], "description": "Only tell what the command would do."},
            "Accept-Language": text("The language of `detail` in a refusal; Chinese by default."),
        },
        "required": ["Muster-Command-Id", "Authorization"],
    });
    json!({
        "title": "A command's body",
        "summary": "`components.schemas` has each under its name, the last token of the subject.",
        "headers": headers,
        "payload": {"type": "object"},
    })
}

fn refused() -> Value {
    let headers = json!({
        "type": "object",
        "properties": {
            "Nats-Service-Error": text("The stable code and one line for people."),
            "Nats-Service-Error-Code": text("The status that HTTP would answer with."),
            "Retry-After": text("Seconds, where it may be tried again with the same id."),
        },
        "required": ["Nats-Service-Error", "Nats-Service-Error-Code"],
    });
    json!({"title": "Why it was not carried out; nothing of it is stored", "contentType": "application/problem+json", "headers": headers, "payload": schema("Problem")})
}

/// What comes as server-sent events: `event` names the message, `data` is its payload.
fn streamed() -> Vec<(String, Value)> {
    let row = json!({"type": "object", "description": "The row, as the view's page has it."});
    let keyed = object(&[("key", text("realm/id")), ("row", row.clone())]);
    let snapshot = object(&[("at", place()), ("rows", json!({"type": "array", "items": keyed})), ("complete", json!({"type": "boolean"}))]);
    let change = object(&[("key", text("realm/id")), ("at", place()), ("row", row)]);
    let message = |name: &str, event: &str, title: &str, payload: Value| {
        (name.to_owned(), json!({"name": event, "title": title, "contentType": "application/json", "payload": payload}))
    };
    vec![
        message("Snapshot", "snapshot", "All rows at one place; the last of them says `complete`", snapshot),
        message("Change", "change", "A row is so now", change),
        message(
            "Remove",
            "remove",
            "A row left the area or the rights of whoever listens",
            object(&[("key", text("realm/id")), ("at", place())]),
        ),
        message("Reset", "reset", "Drop all rows: everything comes anew", object(&[("at", place())])),
        message("Heartbeat", "heartbeat", "Nothing happened up to here", object(&[("at", place()), ("time_ms", number())])),
    ]
}
