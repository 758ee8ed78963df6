//! Who is asking, as the document writes it: the security schemes, links and answers through them, contacts.

use serde_json::{Map, Value, json};

use super::paths::{ok, problems};
use super::schema::reference;

/// Bearer tokens, local or of an identity provider.
pub(super) fn security_schemes() -> Value {
    json!({
        "bearer": {"type": "http", "scheme": "bearer", "description":
            "A local token (`muster token issue`), or a token of the configured identity provider (JWT, ES256 or EdDSA) whose grants are \
             written like `township@area:440802001`. A server that never issued a token and has no provider asks for none; such a server \
             listens on its own machine only."},
    })
}

/// What is needed where nothing else is said: a token, or nothing at an open server.
pub(super) fn security() -> Value {
    json!([{"bearer": []}, {}])
}

pub(super) fn paths() -> Vec<(&'static str, Value)> {
    vec![
        ("/v1/links", json!({"post": link()})),
        ("/v1/responders/{responder_id}/contact", json!({"get": contact()})),
        ("/answer/{token}", json!({"get": answer_page(), "post": answer()})),
    ]
}

fn json_of(schema: Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

fn link() -> Value {
    let wish = json!({"type": "object", "required": ["call_id"], "additionalProperties": false, "properties": {
        "call_id": {"type": "string", "description": "A call to a person, `c1`."},
        "ttl_s": {"type": "integer", "minimum": 1, "maximum": crate::limits::LINK_SECONDS_MAX, "default": crate::limits::LINK_SECONDS}}});
    let made = json!({"type": "object", "required": ["url", "call_id", "responder_id", "expires_at_ms"], "properties": {
        "url": {"type": "string"}, "call_id": {"type": "string"}, "responder_id": {"type": "string"}, "expires_at_ms": {"type": "string"}}});
    json!({
        "tags": ["access"],
        "operationId": "makeLink",
        "summary": "A one-time link with which the person called answers without an account",
        "description": "The link is good for one final answer; the same answer again is answered the same.",
        "requestBody": {"required": true, "content": json_of(wish)},
        "responses": problems(
            ok("The link.", json_of(made)),
            &[("400", "Malformed"), ("401", "Unauthorized"), ("403", "Forbidden"), ("404", "NotFound"), ("409", "Conflict"), ("503", "Unavailable")],
        ),
    })
}

fn contact() -> Value {
    let known = json!({"type": "object", "required": ["responder_id", "name", "phone"], "properties": {
        "responder_id": {"type": "string"},
        "name": {"type": ["string", "null"], "description": "Null once it was erased."},
        "phone": {"type": ["string", "null"], "description": "Null once it was erased; empty if it was never given."}}});
    json!({
        "tags": ["access"],
        "operationId": "contact",
        "summary": "Plain name and telephone number of one person, for those who lead them",
        "description": "Each look is traced.",
        "parameters": [{"name": "responder_id", "in": "path", "required": true, "schema": {"type": "string"}}],
        "responses": problems(
            ok("The contact.", json_of(known)),
            &[("401", "Unauthorized"), ("403", "Forbidden"), ("404", "NotFound"), ("503", "Unavailable")],
        ),
    })
}

fn token() -> Value {
    json!({"name": "token", "in": "path", "required": true, "schema": {"type": "string"}})
}

fn answer_page() -> Value {
    json!({
        "tags": ["access"],
        "operationId": "answerPage",
        "summary": "The call that a one-time link is for, as a page for people",
        "security": [],
        "parameters": [token()],
        "responses": problems(
            ok("The page.", json!({"text/html": {"schema": {"type": "string"}}})),
            &[("404", "NotFound"), ("410", "Gone"), ("503", "Unavailable")],
        ),
    })
}

fn answer() -> Value {
    let said = json!({"type": "object", "required": ["answer"], "additionalProperties": false, "properties": {
        "answer": {"type": "string", "enum": ["accept", "decline", "acknowledge"]}, "reason": {"type": "string"}}});
    let content = Map::from_iter([
        ("application/json".to_owned(), json!({"schema": said})),
        ("application/x-www-form-urlencoded".to_owned(), json!({"schema": said})),
    ]);
    json!({
        "tags": ["access"],
        "operationId": "answer",
        "summary": "Accept, decline or acknowledge the call",
        "security": [],
        "parameters": [token()],
        "requestBody": {"required": true, "content": content},
        "responses": problems(
            ok("Durable; a page where Accept asks for `text/html`.", json_of(reference("LinkAnswer"))),
            &[("400", "Malformed"), ("404", "NotFound"), ("409", "Conflict"), ("410", "Gone"), ("422", "Refused"), ("503", "Unavailable")],
        ),
    })
}
