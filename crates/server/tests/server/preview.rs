//! `?dry_run=true`: what a command would do, and nothing done.

use serde_json::{Value, json};

use crate::common::{Place, answer};

/// A plan for an outbreak in the village, with a branch, a checkpoint and two seats.
async fn with_plan() -> Place {
    let place = Place::with_base().await;
    let village = "440802001001";
    let seats = json!([{"seat_key": "a"}, {"seat_key": "b"}, {"seat_key": "c"}]);
    let plan = json!({"plan_id": "p-1", "area_id": village, "incident_type": "INCIDENT_TYPE_OUTBREAK", "name": "光复社区疫情预案",
        "sites": [{"site_key": "gate", "kind": "SITE_KIND_CHECKPOINT", "name": "东门卡口", "area_id": village, "tier": "RESPONSE_LEVEL_IV", "seats": seats}],
        "units": [{"unit_key": "branch", "kind": "UNIT_KIND_TEMPORARY_BRANCH", "name": "临时党支部", "site_key": "gate", "area_id": village,
            "tier": "RESPONSE_LEVEL_IV", "superior_organization_id": "o-1"}]});
    place.done("DraftPlan", "draft", plan).await;
    for (person, seat) in [("r-1", "a"), ("r-2", "b")] {
        let post = json!({"plan_id": "p-1", "tier": "RESPONSE_LEVEL_IV", "role": "DUTY_ROLE_MEMBER", "unit_key": "branch", "site_key": "gate",
            "seat_key": seat, "responder_id": person, "emergency_post": "冲锋员"});
        place.done("DesignatePost", seat, post).await;
    }
    place.done("PublishPlan", "publish", json!({"plan_id": "p-1"})).await;
    let incident = json!({"incident_id": "i-1", "incident_type": "INCIDENT_TYPE_OUTBREAK", "name": "疫情", "area_id": "440802",
        "severity": "SEVERITY_SEVERE", "grade": "INCIDENT_GRADE_GENERAL", "context": {"actor_office": {"area_id": "440802"}}});
    place.done("DeclareIncident", "declare", incident).await;
    place
}

async fn preview(place: &Place, name: &str, body: &Value) -> (u16, Value) {
    answer(place.http.post(place.url(&format!("/v1/commands/{name}?dry_run=true"))).json(body)).await
}

/// What a preview and the command itself must have in common: all but the time.
fn facts(answer: &Value) -> Value {
    let event = |shown: &Value| {
        let mut event = shown["event"].clone();
        event.as_object_mut().unwrap().retain(|member, _| !member.ends_with("_ms"));
        json!([shown["position"], shown["type"], shown["area_path"], event])
    };
    let events: Vec<_> = answer["events"].as_array().unwrap().iter().map(event).collect();
    json!([answer["first"], answer["last"], answer["counts"], events])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_is_previewed_as_it_then_happens() {
    let place = with_plan().await;
    let convert = json!({"incident_id": "i-1", "area_id": "440802001001", "response": "RESPONSE_LEVEL_IV",
        "context": {"actor_office": {"area_id": "440802"}}});
    let before = place.server().log.end();
    let (status, shown) = preview(&place, "ConvertArea", &convert).await;
    assert_eq!(status, 200, "{shown}");
    assert_eq!((&shown["dry_run"], shown["base"].as_str().unwrap()), (&json!(true), before.position.0.to_string().as_str()));
    assert_eq!((&shown["counts"]["ResponderCalled"], &shown["counts"]["GapRecorded"]), (&json!("2"), &json!("1")), "{shown}");
    assert_eq!(place.server().log.end(), before, "something was stored");
    // Twice the same: the preview itself changed nothing.
    assert_eq!(facts(&preview(&place, "ConvertArea", &convert).await.1), facts(&shown));
    let done = place.done("ConvertArea", "convert", convert).await;
    assert_eq!(facts(&done), facts(&shown));
    assert!(done.get("dry_run").is_none() && done.get("base").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_is_refused_as_the_command_would_be() {
    let place = Place::with_base().await;
    for (name, body) in [
        ("RetireArea", json!({"area_id": "440802"})),
        ("ConvertArea", json!({"incident_id": "i-9", "area_id": "4408", "response": "RESPONSE_LEVEL_IV"})),
        ("EnrollResponder", json!({"responder_id": "r-1", "name": "别人", "kind": "RESPONDER_KIND_MEMBER", "area_id": "440802001001"})),
        ("DefineArea", json!({"area_id": 7})),
    ] {
        let shown = preview(&place, name, &body).await;
        assert!(shown.0 >= 400, "{name}: {shown:?}");
        assert_eq!(shown, place.send(name, &format!("bad-{name}"), &body).await, "{name}");
    }
    let perhaps = place.http.post(place.url("/v1/commands/RetireArea?dry_run=perhaps")).json(&json!({"area_id": "440803"}));
    let (status, problem) = answer(perhaps).await;
    assert_eq!((status, problem["field"].as_str()), (400, Some("dry_run")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_takes_no_key_and_seals_nothing() {
    let place = Place::with_base().await;
    let keys = place.get("/v1/status").await.1["vault"].clone();
    let person = json!({"responder_id": "r-9", "name": "梁美玲", "phone": "13900000009", "kind": "RESPONDER_KIND_MEMBER", "area_id": "440802001001"});
    let keyed = place.http.post(place.url("/v1/commands/EnrollResponder?dry_run=true")).header("Idempotency-Key", "k-1").json(&person);
    let (status, shown) = answer(keyed).await;
    assert_eq!((status, &shown["counts"]), (200, &json!({"ResponderEnrolled": "1"})), "{shown}");
    assert!(!shown.to_string().contains("梁美玲") && !shown.to_string().contains("13900000009"), "{shown}");
    assert_eq!(place.get("/v1/status").await.1["vault"], keys);
    // The key is still free, for any command.
    place.done("RetireArea", "k-1", json!({"area_id": "440803"})).await;
}
