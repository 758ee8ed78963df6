//! Rehearsal, the nightly rehearsal, and lessons, as people and programs reach them.

use muster_server::nightly::rehearse_all;
use serde_json::{Value, json};

use crate::common::{Place, within};

/// A plan for an outbreak in the village with three seats, two of them designated.
async fn with_plan() -> Place {
    let place = Place::with_base().await;
    let village = "440802001001";
    let seats = json!([{"seat_key": "a"}, {"seat_key": "b"}, {"seat_key": "c"}]);
    let plan = json!({"plan_id": "p-1", "area_id": village, "incident_type": "INCIDENT_TYPE_OUTBREAK", "name": "光复社区疫情预案",
        "sites": [{"site_key": "gate", "kind": "SITE_KIND_CHECKPOINT", "name": "东门卡口", "area_id": village, "tier": "RESPONSE_LEVEL_III", "seats": seats}]});
    place.done("DraftPlan", "draft", plan).await;
    for (person, seat, backups) in [("r-1", "a", json!(["r-3"])), ("r-2", "b", json!([]))] {
        let post = json!({"plan_id": "p-1", "tier": "RESPONSE_LEVEL_III", "role": "DUTY_ROLE_MEMBER", "site_key": "gate", "seat_key": seat,
            "responder_id": person, "backup_ids": backups});
        place.done("DesignatePost", seat, post).await;
    }
    place.done("PublishPlan", "publish", json!({"plan_id": "p-1"})).await;
    place
}

async fn stood_down(place: &Place) {
    let office = json!({"actor_office": {"area_id": "4408"}});
    let incident = json!({"incident_id": "i-1", "incident_type": "INCIDENT_TYPE_OUTBREAK", "name": "疫情", "area_id": "4408",
        "severity": "SEVERITY_SEVERE", "context": office});
    place.done("DeclareIncident", "declare", incident).await;
    let convert = json!({"incident_id": "i-1", "area_id": "4408", "response": "RESPONSE_LEVEL_III", "context": office});
    place.done("ConvertArea", "convert", convert).await;
    place.done("DeclineCall", "decline", json!({"call_id": "c1", "reason": "病"})).await;
    let site = "i-1/p-1/gate";
    place.done("CheckIn", "in", json!({"responder_id": "r-3", "site_id": site})).await;
    place.done("StandDownArea", "down", json!({"incident_id": "i-1", "area_id": "4408", "context": office})).await;
    place.done("CheckOut", "out", json!({"responder_id": "r-3", "site_id": site})).await;
}

fn figure(rehearsal: &Value, level: usize, name: &str) -> u64 {
    rehearsal["levels"][level]["total"][name].as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_tells_each_level_and_stores_nothing() {
    let place = with_plan().await;
    let end = place.server().log.end();
    let (status, rehearsal) = place.get("/v1/rehearsal?area=4408&incident_type=outbreak&response=II&detail=posts").await;
    assert_eq!(status, 200, "{rehearsal}");
    assert_eq!(rehearsal["base_position"], end.position.0.to_string());
    assert_eq!(rehearsal["levels"].as_array().unwrap().len(), 3);
    assert_eq!((figure(&rehearsal, 0, "seats"), figure(&rehearsal, 1, "seats"), figure(&rehearsal, 1, "seats_filled")), (0, 3, 2));
    assert_eq!(figure(&rehearsal, 1, "single_points"), 1);
    let plan = &rehearsal["levels"][2]["plans"][0];
    assert_eq!((&plan["posts"][0]["responder_id"], &plan["posts"][0]["others"]), (&json!("r-1"), &json!(1)));
    assert_eq!(plan["gaps"][0]["reason"], "GAP_REASON_NO_DESIGNATION");
    let (_, short) = place.get("/v1/rehearsal?area=440802001001&incident_type=INCIDENT_TYPE_OUTBREAK&response=III").await;
    assert!(short["levels"][1]["plans"][0].get("posts").is_none_or(|posts| posts == &json!([])));
    assert_eq!(place.server().log.end(), end);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_rehearsed_is_said_with_its_field() {
    let place = with_plan().await;
    for (query, status, code, field) in [
        ("", 400, "missing_parameter", "area"),
        ("?area=4408", 400, "missing_parameter", "incident_type"),
        ("?area=4408&incident_type=outbreak", 400, "missing_parameter", "response"),
        ("?area=4408&incident_type=meteor&response=I", 400, "bad_parameter", "incident_type"),
        ("?area=4408&incident_type=outbreak&response=V", 400, "bad_parameter", "response"),
        ("?area=4408&incident_type=outbreak&response=I&detail=all", 400, "bad_parameter", "detail"),
        ("?area=9999&incident_type=outbreak&response=I", 404, "unknown_area", "area"),
        ("?area=4408&incident_type=fire&response=I", 422, "no_plan_to_convert", "area_id"),
    ] {
        let (found, problem) = place.get(&format!("/v1/rehearsal{query}")).await;
        assert_eq!((found, problem["code"].as_str(), problem["field"].as_str()), (status, Some(code), Some(field)), "{query}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nightly_rehearsal_gives_the_share_once_a_day() {
    let mut place = with_plan().await;
    let run = async |place: &Place, day: i64| {
        let server = place.server();
        within(rehearse_all(&server.gateway, &server.engine, day)).await.unwrap()
    };
    let before = place.server().log.end().position.0;
    assert_eq!(run(&place, 20_000).await, 1);
    assert_eq!(place.server().log.end().position.0, before + 1);
    place.restart().await;
    assert_eq!(run(&place, 20_000).await, 1);
    assert_eq!(place.server().log.end().position.0, before + 1, "a restart repeats none");
    place.settle().await;
    let (_, page) = place.get("/v1/views/coverage?area=440802001001").await;
    assert_eq!((&page["rows"][0]["plan_seats"], &page["rows"][0]["plan_seats_fillable"]), (&json!("3"), &json!("2")));
    // The next day somebody is on leave, and the city sees it too.
    let leave = json!({"responder_id": "r-2", "availability": "AVAILABILITY_LEAVE"});
    place.done("SetAvailability", "leave", leave).await;
    run(&place, 20_001).await;
    place.settle().await;
    let (_, page) = place.get("/v1/views/coverage?area=4408").await;
    let city = page["rows"].as_array().unwrap().iter().find(|row| row["area_id"] == "4408").unwrap();
    assert_eq!((&city["plan_seats"], &city["plan_seats_fillable"]), (&json!("3"), &json!("1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn lessons_become_the_next_version_row_by_row() {
    let place = with_plan().await;
    let (status, problem) = place.get("/v1/plans/p-1/lessons").await;
    assert_eq!((status, problem["field"].as_str()), (400, Some("incident")));
    stood_down(&place).await;
    let (status, lessons) = place.get("/v1/plans/p-1/lessons?incident=i-1").await;
    assert_eq!(status, 200, "{lessons}");
    let rows = lessons["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["kind"] == "LESSON_KIND_REPLACE_PRIMARY").unwrap();
    assert_eq!((&row["from_responder_id"], &row["to_responder_id"]), (&json!("r-1"), &json!("r-3")));
    assert_eq!(row["evidence"][0]["call_id"], "c1");
    let unknown = json!({"plan_id": "p-1", "incident_id": "i-1", "row_ids": ["x"]});
    let (status, problem) = place.send("DraftNextVersion", "unknown", &unknown).await;
    assert_eq!((status, problem["code"].as_str(), problem["field"].as_str()), (409, Some("lesson_unknown"), Some("row_ids")));
    let accept = json!({"plan_id": "p-1", "incident_id": "i-1", "row_ids": [row["row_id"]]});
    let drafted = place.done("DraftNextVersion", "next", accept).await;
    assert_eq!((&drafted["counts"]["PlanDrafted"], &drafted["counts"]["PostDesignated"]), (&json!("1"), &json!("2")));
    assert_eq!(place.get("/v1/plans/p-9/lessons?incident=i-1").await.0, 404);
}
