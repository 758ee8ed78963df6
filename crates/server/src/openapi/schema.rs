//! JSON schemas of the messages and enumerations, with the comments of `proto/` as descriptions.

use std::collections::BTreeSet;

use muster_proto::{COMMAND_NAMES, ENVELOPE_NAMES};
use serde_json::{Map, Value, json};

use super::upkeep;
use crate::descriptors::{Descriptors, Field, FieldType, Message, SEALED};
use crate::gateway::CONTEXT_MEMBER;
use crate::openapi::VIEW_ROWS;

/// A reference to a schema.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Every schema that the document refers to.
pub(crate) fn schemas(descriptors: &Descriptors) -> Value {
    let mut schemas = Map::new();
    let commands: BTreeSet<&str> = COMMAND_NAMES.iter().map(|(_, name, _)| *name).collect();
    for (name, message) in &descriptors.messages {
        // The two wrappers have a form of their own over HTTP.
        if name == "Command" || name == "Envelope" {
            continue;
        }
        let schema = if commands.contains(name.as_str()) { command_schema(message) } else { message_schema(message) };
        schemas.insert(name.clone(), schema);
    }
    for (name, enumeration) in &descriptors.enumerations {
        let names: Vec<_> = enumeration.values.iter().map(|(name, _)| name.as_str()).collect();
        let words = enumeration.values.iter().filter(|(_, comment)| !comment.is_empty());
        let words: Vec<_> = words.map(|(name, comment)| format!("{name}: {}", one_line(comment))).collect();
        let description = [one_line(&enumeration.comment), words.join("; ")].join("\n").trim().to_owned();
        schemas.insert(name.clone(), json!({"type": "string", "enum": names, "description": description}));
    }
    schemas.insert("Event".to_owned(), event_schema(descriptors));
    for (name, schema) in own_schemas() {
        schemas.insert(name.to_owned(), schema);
    }
    Value::Object(schemas)
}

fn one_line(comment: &str) -> String {
    comment.lines().collect::<Vec<_>>().join(" ")
}

fn message_schema(message: &Message) -> Value {
    let properties: Map<_, _> = message.fields.iter().map(|field| (field.name.clone(), field_schema(field))).collect();
    json!({"type": "object", "description": message.comment, "properties": properties})
}

/// As a caller writes it: personal fields are plain strings, the context may stand beside them, nothing else is taken.
fn command_schema(message: &Message) -> Value {
    let plain = |field: &Field| json!({"type": "string", "description": field.comment, "writeOnly": true});
    let mut properties: Map<_, _> = message
        .fields
        .iter()
        .map(|field| {
            let personal = matches!(&field.of, FieldType::Message(name) if name == SEALED);
            (field.name.clone(), if personal { plain(field) } else { field_schema(field) })
        })
        .collect();
    properties.insert(CONTEXT_MEMBER.to_owned(), reference("Context"));
    json!({"type": "object", "description": message.comment, "properties": properties, "additionalProperties": false})
}

fn field_schema(field: &Field) -> Value {
    let mut schema = type_schema(&field.of);
    if field.repeated {
        schema = json!({"type": "array", "items": schema});
    }
    if !field.comment.is_empty() {
        schema.as_object_mut().expect("a schema is an object").insert("description".to_owned(), json!(field.comment));
    }
    schema
}

fn type_schema(of: &FieldType) -> Value {
    match of {
        FieldType::Text => json!({"type": "string"}),
        FieldType::Bool => json!({"type": "boolean"}),
        FieldType::Int { signed: true } => json!({"type": "integer", "format": "int32"}),
        FieldType::Int { signed: false } => json!({"type": "integer", "format": "uint32", "minimum": 0}),
        FieldType::Long { signed: true } => json!({"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"}),
        FieldType::Long { signed: false } => json!({"type": "string", "format": "uint64", "pattern": "^[0-9]+$"}),
        FieldType::Float => json!({"type": "number"}),
        FieldType::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
        FieldType::Message(name) | FieldType::Enum(name) => reference(name),
    }
}

/// What a joint proposal is answered with: an answer without events, and the proposal put together from its parts.
fn fill_answer() -> Value {
    let list = |of: &str| json!({"type": "array", "items": reference(of)});
    let proposal = json!({
        "type": "object",
        "required": ["proposal_id", "area_id", "realm", "base_position", "lines", "unfilled", "refused"],
        "properties": {
            "proposal_id": {"type": "string"},
            "area_id": {"type": "string"},
            "realm": {"type": "string"},
            "base_position": {"type": "string", "format": "uint64", "pattern": "^[0-9]+$"},
            "replaces_proposal_id": {"type": "string"},
            "lines": list("FillLine"),
            "unfilled": list("UnfilledNeed"),
            "refused": list("FillLineRefused"),
        }
    });
    json!({
        "type": "object",
        "required": ["first", "last", "counts", "repeated", "proposal"],
        "properties": {
            "first": {"type": "string"},
            "last": {"type": "string"},
            "counts": {"type": "object", "additionalProperties": {"type": "string"}},
            "repeated": {"type": "boolean"},
            "proposal": proposal,
        }
    })
}

/// The envelope with its oneof as two members: `type` and `event`.
fn event_schema(descriptors: &Descriptors) -> Value {
    let envelope = descriptors.message("Envelope").expect("the contract has it");
    let common = envelope.fields.iter().filter(|field| !field.in_oneof);
    let mut properties: Map<_, _> = common.map(|field| (field.name.clone(), field_schema(field))).collect();
    let names: Vec<_> = ENVELOPE_NAMES.iter().map(|(_, name, _)| *name).collect();
    let members: Vec<_> = names.iter().map(|name| reference(name)).collect();
    properties.insert("type".to_owned(), json!({"type": "string", "enum": names}));
    properties.insert("event".to_owned(), json!({"anyOf": members, "description": "The message that `type` names."}));
    json!({"type": "object", "description": envelope.comment, "properties": properties, "required": ["position", "type", "event"]})
}

/// What HTTP adds to the messages of `proto/`.
fn own_schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("LinkAnswer", link_answer()),
        ("Position", json!({"type": "string", "pattern": "^[0-9]+$", "description": "A place in the log."})),
        ("Answer", answer()),
        ("Problem", problem()),
        ("BatchLine", batch_line()),
        ("BatchAnswer", batch_answer()),
        ("ViewPage", view_page()),
        ("ComparePage", compare_page()),
        ("FillAnswer", fill_answer()),
        ("Status", status()),
        ("ViewsStatus", upkeep::views_status()),
        ("ViewsReport", upkeep::views_report()),
    ]
}

fn answer() -> Value {
    json!({
        "type": "object",
        "required": ["first", "last", "counts", "events", "repeated"],
        "properties": {
            "first": {"type": "string", "description": "First position of the command's records, \"0\" when it changed nothing."},
            "last": {"type": "string", "description": "Last position, \"0\" when it changed nothing."},
            "counts": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Records by event name."},
            "events": {"type": "array", "items": reference("Event"), "description": "Of the first hundred records those that the caller may read, as in /v1/events."},
            "repeated": {"type": "boolean", "description": "The answer to an earlier request with this key was given again."},
            "dry_run": {"type": "boolean", "description": "A preview: nothing of this was stored."},
            "base": {"type": "string", "description": "The last position that a preview has seen."}
        }
    })
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "detail", "detail_zh", "detail_en"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "description": "Stable, snake_case."},
            "detail": {"type": "string", "description": "In the language of Accept-Language; Chinese by default."},
            "detail_zh": {"type": "string"},
            "detail_en": {"type": "string"},
            "field": {"type": "string", "description": "The field at fault as a path."}
        }
    })
}

fn batch_line() -> Value {
    json!({
        "type": "object",
        "required": ["command", "id", "body"],
        "additionalProperties": false,
        "properties": {
            "command": {"type": "string", "description": "The command's name."},
            "id": {"type": "string", "minLength": 1, "maxLength": 64, "description": "The idempotency key."},
            "body": {"type": "object", "description": "The command's JSON."},
            "context": reference("Context")
        }
    })
}

fn batch_answer() -> Value {
    json!({
        "type": "object",
        "required": ["line", "status"],
        "properties": {
            "line": {"type": "integer", "minimum": 1},
            "id": {"type": "string"},
            "status": {"type": "integer", "description": "What the command alone would have been answered with."},
            "answer": reference("Answer"),
            "problem": reference("Problem")
        }
    })
}

fn view_page() -> Value {
    let rows: Vec<_> = VIEW_ROWS.iter().map(|(_, message)| reference(message)).collect();
    json!({
        "type": "object",
        "required": ["view", "realm", "at", "rows"],
        "properties": {
            "view": {"type": "string"},
            "realm": {"type": "string"},
            "area": {"type": "string"},
            "at": {"type": "string", "description": "epoch.position that the rows are as of."},
            "true_time_ms": {"type": "string", "description": "The true time that was asked for."},
            "outdated": {
                "type": "object",
                "description": "Only where an earlier version of the view's fold made the rows, until the present one has folded everything.",
                "properties": {"version": {"type": "integer"}, "at": {"type": "string", "description": "The same as `at`."}}
            },
            "rows": {"type": "array", "items": {"anyOf": rows}},
            "next_cursor": {"type": "string", "description": "Give it as `cursor` for the next page; absent on the last."}
        }
    })
}

fn compare_page() -> Value {
    let rows: Vec<_> = VIEW_ROWS.iter().map(|(_, message)| reference(message)).collect();
    let difference = json!({
        "type": "object",
        "required": ["key", "change"],
        "properties": {
            "key": {"type": "string", "description": "Realm and id."},
            "change": {"type": "string", "enum": ["changed", "added", "removed"]},
            "from": {"anyOf": rows, "description": "The row at the first moment; absent where it was not there."},
            "to": {"anyOf": rows, "description": "The row at the second moment; absent where it was not there."}
        }
    });
    json!({
        "type": "object",
        "required": ["view", "realm", "from", "to", "rows"],
        "properties": {
            "view": {"type": "string"},
            "realm": {"type": "string"},
            "area": {"type": "string"},
            "from": {"type": "string", "description": "epoch.position of the first moment."},
            "to": {"type": "string", "description": "epoch.position of the second moment."},
            "rows": {"type": "array", "items": difference},
            "next_cursor": {"type": "string", "description": "Give it as `cursor` for the next page; absent on the last."}
        }
    })
}

fn status() -> Value {
    json!({
        "type": "object",
        "required": ["version", "ready", "stopping", "uptime_s"],
        "properties": {
            "version": {"type": "string"},
            "ready": {"type": "boolean", "description": "Commands are taken; NATS has no part in it."},
            "stopping": {"type": "boolean"},
            "uptime_s": {"type": "integer"},
            "log": {"type": "object", "properties": {
                "id": {"type": "string"}, "at": {"type": "string", "description": "epoch.position of its end."},
                "health": {"type": "string", "enum": ["running", "stopped"]}, "reason": {"type": "string"},
                "free_bytes": {"type": "string"}, "space_ok": {"type": "boolean"}}},
            "engine": {"type": "object"},
            "vault": {"type": "object"},
            "views": {"type": "object", "properties": {
                "at": {"type": "string"}, "ready": {"type": "boolean"}, "lag_positions": {"type": "string"}, "lag_s": {"type": "number"},
                "generation": {"type": "integer"}, "catching_up": {"type": "boolean"},
                "progress_percent": {"type": "number"}, "remaining_s": {"type": ["number", "null"], "description": "To the end at the pace of the last seconds."}}},
            "source": upkeep::source(),
            "delivery": {"type": "array", "description": "One for each delivery channel; counts are since the start.", "items": {"type": "object", "properties": {
                "name": {"type": "string"}, "kind": {"type": "string"}, "state": {"type": "string", "enum": ["running", "gone", "stopped"]},
                "waiting": {"type": "string"}, "sent": {"type": "string"}, "failed": {"type": "string"}, "pointless": {"type": "string"},
                "dead": {"type": "string"}, "lag_positions": {"type": "string"}, "oldest_waiting_ms": {"type": "string"},
                "last_failure": {"type": "string"}}}},
            "history": {"type": "object", "description": "Up to where earlier moments are kept.", "properties": {
                "at": {"type": "string"}, "lag_positions": {"type": "string"}, "bytes": {"type": "string"}, "stopped": {"type": ["string", "null"]}}},
            "kv": {"type": "object", "description": "The views in NATS KV.", "properties": {
                "state": {"type": "string", "enum": ["on", "off"]},
                "views": {"type": "object", "description": "By view: state and reason, `at`, lag, rows, and what was written.", "additionalProperties": {"type": "object"}}}},
            "relay": {"type": "object", "description": "`fenced` means that a person must look; commands go on.", "properties": {
                "state": {"type": "string", "enum": ["off", "connecting", "catching_up", "live", "unreachable", "fenced", "stopped"]},
                "reason": {"type": ["string", "null"]}, "lag_positions": {"type": "string"}, "lag_s": {"type": "number"}}}
        }
    })
}

fn link_answer() -> Value {
    json!({
        "type": "object",
        "required": ["call_id", "answer"],
        "properties": {"call_id": {"type": "string"}, "answer": {"type": "string", "enum": ["accept", "decline", "acknowledge"]}}
    })
}
