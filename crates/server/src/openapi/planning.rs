//! The operations for people who plan: rehearsal and lessons.

use serde_json::{Map, Value, json};

use super::paths::{ok, problems, query};
use super::schema::reference;

pub(super) fn paths(paths: &mut Map<String, Value>) {
    paths.insert("/v1/rehearsal".to_owned(), json!({"get": rehearsal()}));
    paths.insert("/v1/plans/{plan_id}/lessons".to_owned(), json!({"get": lessons()}));
}

fn needed(mut parameter: Value) -> Value {
    parameter["required"] = json!(true);
    parameter
}

fn rehearsal() -> Value {
    json!({
        "tags": ["planning"],
        "operationId": "rehearsal",
        "summary": "推演: what a conversion would be now",
        "description": "Worked out on everything durable by the conversion's own policy, for each response level up to the one asked for. \
            Nobody is called and nothing is stored.",
        "parameters": [
            needed(query("area", "Every plan at or below this area.", json!({"type": "string"}))),
            needed(query("incident_type", "E.g. `TYPHOON`.", json!({"type": "string"}))),
            needed(query("response", "`IV`, `III`, `II` or `I`.", json!({"type": "string"}))),
            query("detail", "`gaps`: empty posts, single points of failure and contested people as well. `posts`: everybody.",
                json!({"type": "string", "enum": ["none", "gaps", "posts"], "default": "none"})),
        ],
        "responses": problems(
            ok("What it would be.", json!({"application/json": {"schema": reference("Rehearsal")}})),
            &[("400", "Malformed"), ("404", "NotFound"), ("422", "Refused"), ("503", "Unavailable")],
        ),
    })
}

fn lessons() -> Value {
    json!({
        "tags": ["planning"],
        "operationId": "lessons",
        "summary": "复盘: what an incident teaches about a plan",
        "description": "The differences between the plan and what really happened, once its area has stood down. `DraftNextVersion` takes those \
            that are accepted by their `row_id`.",
        "parameters": [
            {"name": "plan_id", "in": "path", "required": true, "schema": {"type": "string"}},
            needed(query("incident", "The incident.", json!({"type": "string"}))),
        ],
        "responses": problems(
            ok("Row by row.", json!({"application/json": {"schema": reference("PlanLessons")}})),
            &[("400", "Malformed"), ("404", "NotFound"), ("409", "Conflict"), ("422", "Refused"), ("503", "Unavailable")],
        ),
    })
}
