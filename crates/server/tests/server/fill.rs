//! `POST /v1/fill`: a proposal for all open needs, recorded once, decided line by line.

use serde_json::{Value, json};

use crate::common::{Place, answer};

const OFFICE: &str = "440802";

fn context() -> Value {
    json!({"actor_office": {"area_id": OFFICE}})
}

async fn with_whistle() -> Place {
    let place = Place::with_base().await;
    let whistle = json!({"whistle_id": "w-1", "area_id": "440802001001", "severity": "SEVERITY_SEVERE", "text": "缺人",
        "needs": [{"need_id": "n", "kind": "NEED_KIND_PERSON", "quantity": 1}, {"need_id": "m", "kind": "NEED_KIND_PERSON", "specialty": "潜水", "quantity": 2}]});
    place.done("BlowWhistle", "blow", whistle).await;
    place
}

async fn fill(place: &Place, key: &str, query: &str, body: Value) -> (u16, Value) {
    answer(place.http.post(place.url(&format!("/v1/fill{query}"))).header("Idempotency-Key", key).json(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_is_recorded_once_and_decided_line_by_line() {
    let place = with_whistle().await;
    let (status, shown) = fill(&place, "f-1", "?area=440802", json!({"context": context()})).await;
    assert_eq!(status, 200, "{shown}");
    let proposal = &shown["proposal"];
    assert_eq!((&shown["counts"], &proposal["realm"]), (&json!({"FillProposed": "1"}), &json!("actual")));
    let line = &proposal["lines"][0];
    assert_eq!((&line["whistle_id"], &line["need_id"], &line["line_id"]), (&json!("w-1"), &json!("n"), &json!("l1")), "{proposal}");
    // What is zero or false is left out.
    let (distance, release) = (line["distance"].as_u64().unwrap_or(0), line["release_required"].as_bool().unwrap_or(false));
    assert_eq!((distance, line["severity"].as_str(), release), (0, Some("SEVERITY_SEVERE"), false));
    assert_eq!(proposal["unfilled"][0]["reason"], "UNFILLED_REASON_NOBODY_WITH_SPECIALTY");
    assert_eq!(proposal["unfilled"][0]["quantity"], 2);
    // A retry gets the first proposal, and records nothing.
    let end = place.server().log.end();
    let (status, again) = fill(&place, "f-1", "?area=440802", json!({"context": context()})).await;
    assert_eq!((status, &again["repeated"], &again["proposal"]), (200, &json!(true), proposal));
    assert_eq!(place.server().log.end(), end);
    let other = fill(&place, "f-1", "?area=4408", json!({"context": context()})).await;
    assert_eq!(other.0, 422, "the key was used for another question: {other:?}");
    let decide = json!({"proposal_id": proposal["proposal_id"], "decisions": [{"line_id": "l1", "choice": "FILL_CHOICE_ACCEPT"}], "context": context()});
    let done = place.done("DecideFill", "d-1", decide).await;
    assert_eq!(done["counts"], json!({"FillLineDecided": "1", "ResponderCalled": "1"}));
    assert_eq!(done["events"][1]["event"]["reason"], "CALL_REASON_FILL");
    assert_eq!(done["events"][1]["event"]["responder_id"], line["responder_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named() {
    let place = with_whistle().await;
    for (query, body, status, code) in [
        ("?area=9999", json!({"context": context()}), 404, "unknown_area"),
        ("?area=440802&realm=drill-9", json!({"context": context()}), 404, "unknown_realm"),
        ("?area=440802", json!({}), 422, "office_required"),
        ("?area=4408", json!({"context": context()}), 422, "not_the_authority"),
        ("?area=440802", json!({"context": context(), "lines": []}), 400, "unknown_field"),
    ] {
        let (found, problem) = fill(&place, &format!("bad-{code}"), query, body).await;
        assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{query}: {problem}");
    }
    let keyless = answer(place.http.post(place.url("/v1/fill?area=440802")).json(&json!({"context": context()}))).await;
    assert_eq!(keyless.0, 400, "{keyless:?}");
}
