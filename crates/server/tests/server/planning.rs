//! Rehearsal, the nightly rehearsal, and lessons, as people and programs reach them.

use muster_server::nightly::rehearse_all;
use serde_json::{Value, json};

use crate::common::{Guarded, Place, code, within};

/// A plan for an outbreak in the village with three seats, two of them designated.
async fn with_plan() -> Place {
    let place = Place::with_base().await;
    plan(&place, "r-3").await;
    place
}

/// The first seat's backup is `backup`.
async fn plan(place: &Place, backup: &str) {
    let village = "440802001001";
    let seats = json!([{"seat_key": "a"}, {"seat_key": "b"}, {"seat_key": "c"}]);
    let plan = json!({"plan_id": "p-1", "area_id": village, "incident_type": "INCIDENT_TYPE_OUTBREAK", "name": "光复社区疫情预案",
        "sites": [{"site_key": "gate", "kind": "SITE_KIND_CHECKPOINT", "name": "东门卡口", "area_id": village, "tier": "RESPONSE_LEVEL_III", "seats": seats}]});
    place.done("DraftPlan", "draft", plan).await;
    for (person, seat, backups) in [("r-1", "a", json!([backup])), ("r-2", "b", json!([]))] {
        let post = json!({"plan_id": "p-1", "tier": "RESPONSE_LEVEL_III", "role": "DUTY_ROLE_MEMBER", "site_key": "gate", "seat_key": seat,
            "responder_id": person, "backup_ids": backups});
        place.done("DesignatePost", seat, post).await;
    }
    place.done("PublishPlan", "publish", json!({"plan_id": "p-1"})).await;
}

/// `r-1` declines, and whoever is called instead comes.
async fn stood_down(place: &Place, came: &str) {
    let office = json!({"actor_office": {"area_id": "4408"}});
    let incident = json!({"incident_id": "i-1", "incident_type": "INCIDENT_TYPE_OUTBREAK", "name": "疫情", "area_id": "4408",
        "severity": "SEVERITY_SEVERE", "context": office});
    place.done("DeclareIncident", "declare", incident).await;
    let convert = json!({"incident_id": "i-1", "area_id": "4408", "response": "RESPONSE_LEVEL_III", "context": office});
    place.done("ConvertArea", "convert", convert).await;
    place.done("DeclineCall", "decline", json!({"call_id": "c1", "reason": "病"})).await;
    let site = "i-1/p-1/gate";
    place.done("CheckIn", "in", json!({"responder_id": came, "site_id": site})).await;
    place.done("StandDownArea", "down", json!({"incident_id": "i-1", "area_id": "4408", "context": office})).await;
    place.done("CheckOut", "out", json!({"responder_id": came, "site_id": site})).await;
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
    stood_down(&place, "r-3").await;
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

/// A row of a plan calls its people in the next conversion without a further word, and so does a name in an answer to a call of an organization:
/// whose people they are must agree.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_of_another_area_is_named_by_a_township() {
    let guarded = Guarded::new().await;
    let place = &guarded.place;
    let foreign =
        json!({"responder_id": "r-9", "name": "吴建国", "kind": "RESPONDER_KIND_MEMBER", "organization_id": "o-1", "area_id": "440803001"});
    place.done("EnrollResponder", "enroll-r-9", foreign).await;
    plan(place, "r-9").await;
    stood_down(place, "r-9").await;
    let (_, lessons) = place.get("/v1/plans/p-1/lessons?incident=i-1").await;
    let rows = lessons["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["to_responder_id"] == "r-9").unwrap_or_else(|| panic!("{lessons}"));
    let office = |area: &str| json!({"actor_office": {"area_id": area}});
    let site = json!({"site_id": "s-1", "incident_id": "i-1", "kind": "SITE_KIND_CHECKPOINT", "name": "卡口", "area_id": "440802001001",
        "seats": [{"seat_id": "1"}, {"seat_id": "2"}], "context": office("4408")});
    place.done("OpenSite", "open", site).await;
    let called = json!({"organization_id": "o-1", "site_id": "s-1", "quantity": 2, "context": office("4408")});
    let call = place.done("CallOrganization", "organization", called).await["events"][0]["event"]["call_id"].clone();

    let department = guarded.token("组织部", &["organization_department@area:440802001"]);
    let township = guarded.token("中华街道", &["township@area:440802001"]);
    let county = guarded.token("市委组织部", &["organization_department@area:4408"]);
    let end = place.server().log.end();
    let next = json!({"plan_id": "p-1", "incident_id": "i-1", "row_ids": [row["row_id"]], "context": office("440802001")});
    let refused = guarded.send(&township, "DraftNextVersion", "next", &next).await;
    assert_eq!(code(&refused), (403, "outside_scope"), "{}", refused.1);
    assert!(refused.1["detail_zh"].as_str().unwrap().contains("440803001"), "{}", refused.1);
    let named = |people: Value, area: &str| json!({"call_id": call, "responder_ids": people, "context": office(area)});
    let refused = guarded.send(&department, "NominatePeople", "name", &named(json!(["r-2", "r-9"]), "440802001")).await;
    assert_eq!(code(&refused), (403, "outside_scope"), "{}", refused.1);
    assert!(refused.1["detail_zh"].as_str().unwrap().contains("440803001"), "{}", refused.1);
    let refused = guarded.send(&township, "NominatePeople", "name", &named(json!(["r-2"]), "440802001")).await;
    assert_eq!(code(&refused), (403, "role_may_not"), "an organization's own department names its people");
    assert_eq!(place.server().log.end(), end, "nothing was recorded");
    guarded.done(&department, "NominatePeople", "own", named(json!(["r-2"]), "440802001")).await;
    guarded.done(&county, "NominatePeople", "both", named(json!(["r-9"]), "4408")).await;
    guarded
        .done(
            &county,
            "DraftNextVersion",
            "next",
            json!({"context": office("4408"), "plan_id": "p-1", "incident_id": "i-1", "row_ids": [row["row_id"]]}),
        )
        .await;
}
