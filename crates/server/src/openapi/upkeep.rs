//! The operations on the views as a whole and on the log's own records, and the schemas of their answers.

use serde_json::{Map, Value, json};

use super::paths::{ok, problems, query};
use super::schema::reference;

pub(super) fn paths(paths: &mut Map<String, Value>) {
    paths.insert("/v1/views".to_owned(), json!({"get": status()}));
    let rebuild = "Folds everything again from the log into a generation of its own beside the present one, compares both at one position and puts the new one \
        in use. Answers when that is done. Where rows differed, live streams start anew, and earlier moments are made anew.";
    paths.insert("/v1/views:rebuild".to_owned(), json!({"post": fold_anew("rebuildViews", "Rebuild the views", rebuild)}));
    let verify = "The same comparison without a change: the present rows stay in use, whatever is found.";
    paths.insert("/v1/views:verify".to_owned(), json!({"post": fold_anew("verifyViews", "Compare the views with the log", verify)}));
    paths.insert("/v1/records".to_owned(), json!({"get": records()}));
}

fn status() -> Value {
    json!({
        "tags": ["operation"],
        "operationId": "viewsStatus",
        "summary": "How each view and generation stands",
        "responses": problems(
            ok("Position, lag, rows and progress.", json!({"application/json": {"schema": reference("ViewsStatus")}})),
            &[("401", "Unauthorized"), ("403", "Forbidden"), ("503", "Unavailable")],
        ),
    })
}

fn fold_anew(id: &str, summary: &str, description: &str) -> Value {
    json!({
        "tags": ["operation"],
        "operationId": id,
        "summary": summary,
        "description": description,
        "responses": problems(
            ok("What was found.", json!({"application/json": {"schema": reference("ViewsReport")}})),
            &[("401", "Unauthorized"), ("403", "Forbidden"), ("409", "Conflict"), ("501", "NotImplemented"), ("503", "Unavailable")],
        ),
    })
}

fn records() -> Value {
    let string = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    let mut responses = ok(
        "Records; none when the log ends before.",
        json!({"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}),
    );
    responses["200"]["headers"] = json!({
        "Muster-Log": string("The log's identity."), "Muster-Epoch": string("Its epoch."), "Muster-Log-End": string("Its last position."),
    });
    json!({
        "tags": ["events"],
        "operationId": "records",
        "summary": "The log's own records by position",
        "description": "For workers whose stream does not hold them. Each record is the bytes of the log, an `Envelope`, behind its length as a varint; as many \
            as go into one answer: ask again from the position after the last. Personal fields are sealed.",
        "parameters": [
            query("from", "First position, 1 when absent.", json!({"type": "string"})),
            query("to", "Last position, the log's end when absent.", json!({"type": "string"})),
        ],
        "responses": problems(responses, &[("400", "Malformed"), ("401", "Unauthorized"), ("403", "Forbidden"), ("503", "Unavailable")]),
    })
}

/// How records come in at a worker.
pub(super) fn source() -> Value {
    json!({
        "type": ["object", "null"],
        "description": "At a worker: how records come in. `filling` reads from the server's log what the stream does not hold.",
        "properties": {
            "state": {"type": "string", "enum": muster_feed::SourceState::NAMES},
            "reason": {"type": ["string", "null"], "description": "Why they do not."}
        }
    })
}

pub(super) fn views_status() -> Value {
    let row = json!({
        "type": "object",
        "required": ["view", "generation", "state", "at", "rows", "lag_positions", "lag_s", "progress_percent", "remaining_s"],
        "properties": {
            "view": {"type": "string"},
            "generation": {"type": "integer"},
            "version": {"type": ["integer", "null"], "description": "By which version of the view's fold the rows are made."},
            "state": {
                "type": "string", "enum": ["live", "catching_up", "coming_back", "stopped", "outdated", "building", "rebuilding", "verifying"],
                "description": "`outdated` shows rows that an earlier version made; `building` has none yet.",
            },
            "at": {"type": "string", "description": "epoch.position of the last record taken in."},
            "rows": {"type": ["string", "null"]},
            "lag_positions": {"type": "string", "description": "Records that are still to be taken in."},
            "lag_s": {"type": ["number", "null"], "description": "How long the oldest of them has been known."},
            "progress_percent": {"type": "number"},
            "remaining_s": {"type": ["number", "null"], "description": "At the present pace, where there is one."}
        }
    });
    json!({
        "type": "object",
        "required": ["at", "views"],
        "properties": {
            "at": {"type": "string"},
            "stopped": {"type": ["string", "null"], "description": "Why the views stopped."},
            "views": {"type": "array", "items": row},
            "renewed": {
                "type": "array",
                "description": "Views whose rows another version of the fold made when the process started.",
                "items": {"type": "object", "properties": {
                    "view": {"type": "string"},
                    "former_version": {"type": ["integer", "null"]},
                    "version": {"type": "integer"},
                    "at": {"type": "string", "description": "epoch.position at which the new rows were put in place."},
                    "rows": {"type": "string"},
                    "rows_differing": {"type": ["string", "null"], "description": "From the former rows, as of where these were."}}}
            },
            "source": source()
        }
    })
}

pub(super) fn views_report() -> Value {
    json!({
        "type": "object",
        "required": ["at", "generation", "replaced", "views", "differences_found", "differences"],
        "properties": {
            "at": {"type": "string", "description": "epoch.position at which both were compared."},
            "generation": {"type": "integer", "description": "The generation in use now."},
            "replaced": {"type": "boolean"},
            "views": {"type": "array", "items": {"type": "object", "properties": {"view": {"type": "string"}, "rows": {"type": "string"}}}},
            "differences_found": {"type": "string"},
            "differences": {"type": "array", "description": "The first thousand.", "items": {"type": "object", "properties": {
                "view": {"type": "string"},
                "key": {"type": "string", "description": "Realm and id."},
                "found": {"type": ["object", "null"], "description": "The row that was in use."},
                "expected": {"type": ["object", "null"], "description": "The row by the log."}}}}
        }
    })
}
