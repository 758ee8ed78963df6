//! The operations: one for each command, and the other routes. [`crate::http::ROUTES`] is the table that the tests hold
//! this against.

use muster_proto::COMMAND_NAMES;
use serde_json::{Map, Value, json};

use super::schema::reference;
use crate::descriptors::Descriptors;
use crate::openapi::VIEW_ROWS;

fn parameter(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

fn response(name: &str) -> Value {
    json!({"$ref": format!("#/components/responses/{name}")})
}

pub(super) fn problems(mut own: Map<String, Value>, names: &[(&str, &str)]) -> Value {
    own.extend(names.iter().map(|(status, name)| ((*status).to_owned(), response(name))));
    Value::Object(own)
}

pub(super) fn ok(description: &str, content: Value) -> Map<String, Value> {
    Map::from_iter([("200".to_owned(), json!({"description": description, "content": content}))])
}

pub(super) fn query(name: &str, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

pub(super) fn parameters() -> Value {
    json!({
        "IdempotencyKey": {"name": "Idempotency-Key", "in": "header", "required": true,
            "description": "One for each intent; a retry with the same key and body is carried out once.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 64}},
        "Principal": {"name": "Muster-Principal", "in": "header", "description": "Who is answerable for the key; `local` when absent. Only at a server without tokens: else the token says it.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 256}},
        "DryRun": query("dry_run", "Answer what the command would do now, and do nothing: no record is stored, no key is used up, and the `Idempotency-Key` may be left out. Personal fields are left out.", json!({"type": "boolean"})),
        "Area": query("area", "Only this area and what lies below it.", json!({"type": "string"})),
        "Realm": query("realm", "`actual` when absent, or an exercise.", json!({"type": "string"})),
    })
}

pub(super) fn responses() -> Value {
    let problem =
        |description: &str| json!({"description": description, "content": {"application/problem+json": {"schema": reference("Problem")}}});
    json!({
        "Malformed": problem("The request does not fit its form; `field` says where."),
        "Unauthorized": problem("A token is needed, or the one given is not good; `WWW-Authenticate` asks for one."),
        "Forbidden": problem("The caller may not; or a browser sent it from a page of another site."),
        "Gone": problem("The link has expired."),
        "NotFound": problem("What the request names is not there."),
        "Conflict": problem("It conflicts with the present state: look again."),
        "TooLarge": problem("The body is over the limit."),
        "Refused": problem("A rule speaks against it, or the key was used with another body."),
        "Unavailable": problem("Not now; Retry-After says when to try again, with the same key."),
        "NotImplemented": problem("Not available in this version."),
    })
}

pub(super) fn paths(descriptors: &Descriptors) -> Value {
    let mut paths = Map::new();
    for (_, name, _) in COMMAND_NAMES {
        paths.insert(format!("/v1/commands/{name}"), json!({"post": command(descriptors, name)}));
    }
    paths.insert("/v1/commands:batch".to_owned(), json!({"post": batch()}));
    paths.insert("/v1/fill".to_owned(), json!({"post": fill()}));
    paths.insert("/v1/views/{name}".to_owned(), json!({"get": view()}));
    paths.insert("/v1/views/{name}/compare".to_owned(), json!({"get": compare()}));
    paths.insert("/v1/views/{name}/live".to_owned(), json!({"get": live()}));
    paths.insert("/v1/events".to_owned(), json!({"get": events()}));
    for (path, item) in super::access::paths() {
        paths.insert(path.to_owned(), item);
    }
    paths.insert("/v1/incidents/{id}/report".to_owned(), json!({"get": report()}));
    super::planning::paths(&mut paths);
    super::deliveries::paths(&mut paths);
    super::upkeep::paths(&mut paths);
    for (path, id, description, content) in operations() {
        let mut responses = ok(description, content);
        if path == "/healthz" || path == "/readyz" {
            responses.insert("503".to_owned(), response("Unavailable"));
        } else if path != "/" {
            responses.insert("401".to_owned(), response("Unauthorized"));
        }
        paths.insert(
            path.to_owned(),
            json!({"get": {"tags": ["operation"], "operationId": id, "summary": description, "responses": responses}}),
        );
    }
    Value::Object(paths)
}

fn operations() -> [(&'static str, &'static str, &'static str, Value); 7] {
    let text = json!({"text/plain": {"schema": {"type": "string"}}});
    [
        ("/healthz", "health", "The log takes writes.", text.clone()),
        (
            "/readyz",
            "readiness",
            "Recovery is done and commands are taken. NATS has no part in it. Further lines name views whose rows the present version of their fold has not made yet.",
            text.clone(),
        ),
        ("/metrics", "metrics", "Prometheus text.", text),
        ("/v1/status", "status", "Where log, views and relay stand.", json!({"application/json": {"schema": reference("Status")}})),
        (
            "/asyncapi.json",
            "asyncapi",
            "AsyncAPI 3.0: subjects, keys, streams and their messages.",
            json!({"application/json": {"schema": {"type": "object"}}}),
        ),
        ("/openapi.json", "openapi", "This document.", json!({"application/json": {"schema": {"type": "object"}}})),
        (
            "/",
            "page",
            "A page for people: coverage, whistles, units, calls and people, live.",
            json!({"text/html": {"schema": {"type": "string"}}}),
        ),
    ]
}

fn command(descriptors: &Descriptors, name: &str) -> Value {
    let comment = descriptors.message(name).map(|message| message.comment.clone()).unwrap_or_default();
    let responses = problems(
        ok("Durable.", json!({"application/json": {"schema": reference("Answer")}})),
        &[
            ("400", "Malformed"),
            ("401", "Unauthorized"),
            ("403", "Forbidden"),
            ("404", "NotFound"),
            ("409", "Conflict"),
            ("413", "TooLarge"),
            ("422", "Refused"),
            ("503", "Unavailable"),
        ],
    );
    json!({
        "tags": ["commands"],
        "operationId": name,
        "summary": name,
        "description": comment,
        "parameters": [parameter("IdempotencyKey"), parameter("Principal"), parameter("DryRun")],
        "requestBody": {"required": true, "content": {"application/json": {"schema": reference(name)}}},
        "responses": responses,
    })
}

fn batch() -> Value {
    let answers = json!({"application/x-ndjson": {"schema": {"type": "string", "description": "One BatchAnswer a line, in the order of the lines."}}});
    json!({
        "tags": ["commands"],
        "operationId": "batch",
        "summary": "Many commands in order, each with its own answer",
        "description": "One BatchLine a line. Lines are decided in their order; one that is refused does not stop the others. \
            Answers are sent while lines still come in: read them while you write.",
        "parameters": [
            parameter("Principal"),
            query("events", "`false` leaves the events out of the answers.", json!({"type": "boolean", "default": true})),
        ],
        "requestBody": {"required": true, "content": {"application/x-ndjson": {"schema": {"type": "string", "description": "One BatchLine a line."}}}},
        "responses": problems(ok("Answers, line by line.", answers), &[("400", "Malformed"), ("401", "Unauthorized"), ("403", "Forbidden"), ("503", "Unavailable")]),
        "x-line-schema": reference("BatchLine"),
        "x-answer-schema": reference("BatchAnswer"),
    })
}

fn fill() -> Value {
    json!({
        "tags": ["commands"],
        "operationId": "fill",
        "summary": "A joint proposal for all open needs of an area",
        "description": "The planner matches the open needs for people of all open whistles with everybody who could come; the proposal is recorded \
            as `ProposeFill` and moves nobody. Decide its lines with `DecideFill`. The key stands for the question: a retry gets the first proposal again.",
        "parameters": [parameter("IdempotencyKey"), parameter("Principal"), parameter("Area"), parameter("Realm")],
        "requestBody": {"content": {"application/json": {"schema": {"type": "object", "properties": {"context": reference("Context")}}}}},
        "responses": problems(
            ok("Recorded.", json!({"application/json": {"schema": reference("FillAnswer")}})),
            &[("400", "Malformed"), ("403", "Forbidden"), ("404", "NotFound"), ("409", "Conflict"), ("422", "Refused"), ("503", "Unavailable")],
        ),
    })
}

fn view_name() -> Value {
    let names: Vec<_> = VIEW_ROWS.iter().map(|(name, _)| *name).collect();
    json!({"name": "name", "in": "path", "required": true, "schema": {"type": "string", "enum": names}})
}

fn view() -> Value {
    json!({
        "tags": ["views"],
        "operationId": "view",
        "summary": "Rows of a view",
        "parameters": [
            view_name(),
            parameter("Area"),
            parameter("Realm"),
            query("as_of", MOMENT, json!({"type": "string"})),
            query(
                "true_time",
                "coverage, sites and responders only: what was so at this time, as far as the records up to `as_of` tell. Observations of presence count \
                    at the time that the device states, everything else at the time of its record. Folded when it is asked for.",
                json!({"type": "string"}),
            ),
            query("cursor", "`next_cursor` of the page before.", json!({"type": "string"})),
            query("limit", "Rows on the page.", json!({"type": "integer", "minimum": 1})),
        ],
        "responses": problems(
            ok("A page of rows.", json!({"application/json": {"schema": reference("ViewPage")}})),
            &[("400", "Malformed"), ("401", "Unauthorized"), ("403", "Forbidden"), ("404", "NotFound"), ("501", "NotImplemented"), ("503", "Unavailable")],
        ),
    })
}

/// How a moment is named.
const MOMENT: &str = "A position, an epoch.position or a time (Unix milliseconds with `ms`, or RFC 3339).";

fn compare() -> Value {
    json!({
        "tags": ["views"],
        "operationId": "compare",
        "summary": "Rows that differ between two moments",
        "description": "Each row that is another at `to` than at `from`, with both forms; `to` may be the earlier one. A row that came into the area's subtree is \
            `added`, one that left it `removed`. The caller sees of each moment what they would see of it alone.",
        "parameters": [
            view_name(),
            parameter("Area"),
            parameter("Realm"),
            {"name": "from", "in": "query", "required": true, "description": format!("The first moment. {MOMENT}"), "schema": {"type": "string"}},
            query("to", &format!("The second moment, the log's end when absent. {MOMENT}"), json!({"type": "string"})),
            query("cursor", "`next_cursor` of the page before.", json!({"type": "string"})),
            query("limit", "Rows on the page.", json!({"type": "integer", "minimum": 1})),
        ],
        "responses": problems(
            ok("A page of differences.", json!({"application/json": {"schema": reference("ComparePage")}})),
            &[("400", "Malformed"), ("401", "Unauthorized"), ("403", "Forbidden"), ("404", "NotFound"), ("409", "Conflict"), ("501", "NotImplemented"), ("503", "Unavailable")],
        ),
    })
}

fn live() -> Value {
    let mut responses = ok("An endless stream.", json!({"text/event-stream": {"schema": {"type": "string"}}}));
    responses["200"]["headers"] = json!({"Muster-Outdated": {
        "description": "`version=N; at=epoch.position`: until `reset` the rows are those that version N of the view's fold made, as of that place.",
        "schema": {"type": "string"},
    }});
    json!({
        "tags": ["views"],
        "operationId": "live",
        "summary": "A view live, as server-sent events",
        "description": "`snapshot` events with rows, the last one with `\"complete\": true`; then `change` with a row and `remove` with a key, which \
            may also come between two `snapshot` events, of rows that were sent. `id` is epoch.position, with more behind it where rights cut the \
            rows one by one; `Last-Event-ID` resumes there, and `reset` says that it cannot, or that you read too slowly: drop all rows, a new \
            snapshot follows. `heartbeat` events carry position and time.",
        "parameters": [
            view_name(),
            parameter("Area"),
            parameter("Realm"),
            query("level", "Coverage only: rows of this level and above, e.g. `TOWNSHIP`.", json!({"type": "string"})),
            {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}},
        ],
        "responses": problems(
            responses,
            &[("400", "Malformed"), ("401", "Unauthorized"), ("403", "Forbidden"), ("404", "NotFound"), ("503", "Unavailable")],
        ),
    })
}

fn report() -> Value {
    json!({
        "tags": ["views"],
        "operationId": "report",
        "summary": "The report of one incident",
        "description": "Folded from the log when it is asked for. `exercise` and `realm` say whether it tells of an exercise.",
        "parameters": [{"name": "id", "in": "path", "required": true, "description": "The incident.", "schema": {"type": "string"}}],
        "responses": problems(
            ok("The report.", json!({"application/json": {"schema": reference("IncidentReport")}})),
            &[("404", "NotFound"), ("503", "Unavailable")],
        ),
    })
}

fn events() -> Value {
    let stream = json!({
        "application/x-ndjson": {"schema": {"type": "string", "description": "One Event a line."}},
        "text/event-stream": {"schema": {"type": "string"}},
    });
    json!({
        "tags": ["events"],
        "operationId": "events",
        "summary": "Events of the log, in order",
        "description": "NDJSON, or server-sent events where Accept asks for `text/event-stream`. Personal fields stay sealed. \
            A quiet stream that follows sends `heartbeat` events, in NDJSON empty lines. A `Last-Event-ID` that the log does not know is \
            answered with `reset`, then everything from position 1.",
        "parameters": [
            query("from", "First position, 1 when absent; epoch.position is taken as well.", json!({"type": "string"})),
            parameter("Area"),
            query("type", "Event names, separated by commas.", json!({"type": "string"})),
            query("follow", "Stay and send what comes.", json!({"type": "boolean"})),
            query("limit", "Events after which the stream ends.", json!({"type": "integer", "minimum": 1})),
            {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}},
        ],
        "responses": problems(ok("Events.", stream), &[("400", "Malformed"), ("401", "Unauthorized"), ("403", "Forbidden"), ("503", "Unavailable")]),
        "x-line-schema": reference("Event"),
    })
}
