//! Where messages come and go, and who sends them. Addresses are made of the feed's own names.

use std::collections::BTreeSet;

use muster_feed::kv::MARKER;
use muster_feed::{COMMANDS, SERVICE, STREAM};
use muster_proto::{COMMAND_NAMES, ENVELOPE_NAMES, aggregate_of};
use serde_json::{Map, Value, json};

use crate::openapi::VIEW_ROWS;

/// The levels of an area's path, from the city down.
const LEVELS: [(&str, &str); 5] = [("city", "市"), ("county", "县"), ("township", "镇街"), ("village", "村社区"), ("grid", "网格")];

pub(super) fn reference(path: &str) -> Value {
    json!({"$ref": format!("#/{path}")})
}

fn members(names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), reference(&format!("components/messages/{name}")))).collect::<Map<_, _>>().into()
}

fn on(server: &str) -> Value {
    json!([reference(&format!("servers/{server}"))])
}

/// Realm and levels, as tokens of a subject or key.
fn place() -> Map<String, Value> {
    let mut parameters = Map::new();
    parameters.insert("realm".to_owned(), json!({"description": "`actual`, or an exercise.", "examples": ["actual"]}));
    for (level, zh) in LEVELS {
        let description = format!("The {level} ({zh}) in which it takes effect, `_` for none.");
        parameters.insert(level.to_owned(), json!({"description": description}));
    }
    parameters
}

fn with(mut parameters: Map<String, Value>, more: &[(&str, Value)]) -> Value {
    parameters.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    parameters.into()
}

pub(super) fn channels() -> Value {
    let mut channels = Map::new();
    channels.insert("events".to_owned(), events());
    for (view, _) in VIEW_ROWS {
        channels.insert(format!("rows_{view}"), rows(view));
        channels.insert(format!("marker_{view}"), marker(view));
    }
    channels.insert("commands".to_owned(), commands());
    channels.insert("command_answers".to_owned(), answers());
    channels.insert("live".to_owned(), live());
    channels.insert("event_stream".to_owned(), event_stream());
    channels.into()
}

fn events() -> Value {
    let aggregates: BTreeSet<&str> = ENVELOPE_NAMES.iter().map(|(tag, ..)| aggregate_of(*tag).as_str()).collect();
    let names: Vec<&str> = ENVELOPE_NAMES.iter().map(|(.., field)| *field).collect();
    let more = [
        ("aggregate", json!({"enum": aggregates, "description": "What the event is of."})),
        ("event", json!({"enum": names, "description": "The event, as the member of `Envelope.event`."})),
    ];
    json!({
        "address": "muster.evt.{realm}.{city}.{county}.{township}.{village}.{grid}.{aggregate}.{event}",
        "title": "事件: every event, in the order of the log",
        "description": format!("JetStream stream {STREAM}; a message's sequence is the record's position. Subscribe to a subtree by its path, for example \
            `muster.evt.actual.4408.440802.>`; the path is that of the moment when the event was recorded."),
        "servers": on("nats"),
        "parameters": with(place(), &more),
        "messages": members(&["Event"]),
    })
}

fn rows(view: &str) -> Value {
    json!({
        "address": format!("$KV.muster_{view}.{{realm}}.{{city}}.{{county}}.{{township}}.{{village}}.{{grid}}.{{row_id}}"),
        "title": format!("The view {view}, live, one key a row"),
        "description": "A bucket of JetStream KV. Whoever watches gets every row first, then each change; a deleted key is a row that is gone or stands elsewhere now.",
        "servers": on("nats"),
        "parameters": with(place(), &[("row_id", json!({"description": "The row's id within view and realm."}))]),
        "messages": members(&[&format!("Row_{view}"), "RowGone"]),
    })
}

fn marker(view: &str) -> Value {
    json!({
        "address": format!("$KV.muster_{view}.{MARKER}"),
        "title": format!("How far the bucket of the view {view} is"),
        "description": "Written again every few seconds, so that silence can be told from staleness.",
        "servers": on("nats"),
        "messages": members(&["Marker"]),
    })
}

fn commands() -> Value {
    let names: Vec<&str> = COMMAND_NAMES.iter().map(|(_, name, _)| *name).collect();
    json!({
        "address": format!("{COMMANDS}.{{command}}"),
        "title": "命令: what people decide",
        "description": format!("The service `{SERVICE}` of the NATS services protocol: `$SRV.PING.{SERVICE}`, `INFO` and `STATS` tell of it. \
            The same commands, rights, errors and idempotency as `POST /v1/commands/{{name}}`."),
        "servers": on("nats"),
        "parameters": {"command": {"enum": names, "description": "The command's name."}},
        "messages": members(&["Command"]),
    })
}

fn answers() -> Value {
    json!({
        "address": null,
        "title": "Answers to commands, in the inbox that the request names",
        "servers": on("nats"),
        "messages": members(&["CommandAnswer", "CommandRefused"]),
    })
}

fn live() -> Value {
    let names: Vec<&str> = VIEW_ROWS.iter().map(|(name, _)| *name).collect();
    json!({
        "address": "/v1/views/{name}/live",
        "title": "A view live, as server-sent events",
        "description": "`snapshot` until one is complete, then `change` and `remove`; `Last-Event-ID` resumes; `reset` says that all rows come anew.",
        "servers": on("http"),
        "parameters": {"name": {"enum": names, "description": "The view."}},
        "bindings": {"http": {"bindingVersion": "0.3.0"}},
        "messages": members(&["Snapshot", "Change", "Remove", "Reset", "Heartbeat"]),
    })
}

fn event_stream() -> Value {
    json!({
        "address": "/v1/events",
        "title": "The log's events as server-sent events or NDJSON",
        "servers": on("http"),
        "bindings": {"http": {"bindingVersion": "0.3.0"}},
        "messages": members(&["EventJson", "Reset", "Heartbeat"]),
    })
}

fn operation(action: &str, channel: &str, messages: &[&str], summary: &str) -> Value {
    let messages: Vec<Value> = messages.iter().map(|name| reference(&format!("channels/{channel}/messages/{name}"))).collect();
    json!({"action": action, "channel": reference(&format!("channels/{channel}")), "messages": messages, "summary": summary})
}

pub(super) fn operations() -> Value {
    let mut operations = Map::new();
    operations.insert("publishEvents".to_owned(), operation("send", "events", &["Event"], "Every event of the log, once, behind a fence."));
    for (view, _) in VIEW_ROWS {
        let row = format!("Row_{view}");
        operations
            .insert(format!("publish_{view}"), operation("send", &format!("rows_{view}"), &[&row, "RowGone"], "Rows as they change."));
        operations.insert(format!("mark_{view}"), operation("send", &format!("marker_{view}"), &["Marker"], "How far the bucket is."));
    }
    let mut take = operation("receive", "commands", &["Command"], "Carries a command out; the answer is durable.");
    take["reply"] = json!({
        "address": {"location": "$message.header#/reply", "description": "The inbox of the request."},
        "channel": reference("channels/command_answers"),
        "messages": [reference("channels/command_answers/messages/CommandAnswer"), reference("channels/command_answers/messages/CommandRefused")],
    });
    operations.insert("takeCommands".to_owned(), take);
    let live = ["Snapshot", "Change", "Remove", "Reset", "Heartbeat"];
    operations.insert("streamView".to_owned(), operation("send", "live", &live, "A view live."));
    operations
        .insert("streamEvents".to_owned(), operation("send", "event_stream", &["EventJson", "Reset", "Heartbeat"], "Events as they come."));
    operations.into()
}
