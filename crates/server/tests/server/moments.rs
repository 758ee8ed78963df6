//! Earlier moments over HTTP: compared row by row, cut to what somebody may see, and presence at a true time.

use serde_json::{Value, json};

use crate::common::{Guarded, Place, code};

fn office() -> Value {
    json!({"actor": "p-1", "actor_office": {"area_id": "4408"}})
}

/// What differs, as `key change`, over pages of one row.
async fn differing(place: &Place, path: &str) -> Vec<String> {
    let (mut told, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = place.get(&format!("{path}&limit=1&cursor={cursor}")).await;
        assert_eq!(status, 200, "{page}");
        for row in page["rows"].as_array().unwrap() {
            let change = row["change"].as_str().unwrap();
            let sides = (row.get("from").is_some(), row.get("to").is_some());
            assert_eq!(sides, (change != "added", change != "removed"), "{row}");
            assert_ne!(row["from"], row["to"]);
            told.push(format!("{} {change}", row["key"].as_str().unwrap()));
        }
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return told,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_moments_are_compared_row_by_row() {
    let place = Place::with_base().await;
    let before = place.server().log.end();
    place.define("440804", "坡头区", "COUNTY", "4408").await;
    let need = json!({"need_id": "n", "kind": "NEED_KIND_PERSON", "quantity": 1});
    let whistle = json!({"whistle_id": "w", "area_id": "440802", "severity": "SEVERITY_MODERATE", "needs": [need], "context": office()});
    place.done("BlowWhistle", "w", whistle).await;
    place.done("RetireArea", "retire", json!({"area_id": "440803"})).await;
    let after = place.server().log.end();
    let expected = ["actual/4408 changed", "actual/440802 changed", "actual/440803 removed", "actual/440804 added"];
    for from in [before.to_string(), before.position.to_string()] {
        for to in [String::new(), format!("&to={after}"), "&to=9999999999999ms".to_owned()] {
            assert_eq!(differing(&place, &format!("/v1/views/coverage/compare?from={from}{to}")).await, expected, "{from} {to}");
        }
    }
    let backwards = differing(&place, &format!("/v1/views/coverage/compare?from={after}&to={before}")).await;
    assert_eq!(backwards, ["actual/4408 changed", "actual/440802 changed", "actual/440803 added", "actual/440804 removed"]);
    let within = differing(&place, &format!("/v1/views/coverage/compare?from={before}&area=440802")).await;
    assert_eq!(within, ["actual/440802 changed"]);
    let (_, page) = place.get(&format!("/v1/views/coverage/compare?from={before}&area=440802")).await;
    let members = ["view", "realm", "from", "to", "area"].map(|member| page[member].as_str().unwrap());
    assert_eq!(members, ["coverage", "actual", &before.to_string(), &after.to_string(), "440802"]);
    let open = |side: &str| page["rows"][0][side]["open_whistles"].clone();
    assert_eq!((open("from"), open("to")), (Value::Null, json!("1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_either_moment_everybody_sees_what_they_would_see_of_it_alone() {
    let guarded = Guarded::new().await;
    let root = guarded.token("市", &["headquarters@everything", "organization_department@everything"]);
    let before = guarded.place.server().log.end();
    let organization = json!({"organization_id": "o-2", "name": "水务局", "kind": "ORGANIZATION_KIND_DEPARTMENT", "area_id": "4408"});
    guarded.done(&root, "RegisterOrganization", "o-2", organization).await;
    guarded.done(&root, "TransferResponder", "move", json!({"responder_id": "r-2", "organization_id": "o-2"})).await;
    guarded.done(&root, "SetAvailability", "sick", json!({"responder_id": "r-1", "availability": "AVAILABILITY_SICK"})).await;
    guarded.place.settle().await;
    let path = format!("/v1/views/responders/compare?from={before}");
    let told = async |grant: &str| {
        let (status, page) = guarded.get(&guarded.token("x", &[grant]), &path).await;
        assert_eq!(status, 200, "{page}");
        let told = |row: &Value| format!("{} {}", row["key"].as_str().unwrap(), row["change"].as_str().unwrap());
        page["rows"].as_array().unwrap().iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(told("headquarters@everything").await, ["actual/r-1 changed", "actual/r-2 changed"]);
    assert_eq!(told("department@organization:o-1").await, ["actual/r-1 changed", "actual/r-2 removed"]);
    assert_eq!(told("department@organization:o-2").await, ["actual/r-2 added"]);
    assert_eq!(told("responder@responder:r-3").await, Vec::<String>::new());
    assert_eq!(code(&guarded.place.get(&path).await), (401, "token_required"));
    let foreign = guarded.token("x", &["township@area:440803001"]);
    let asked = guarded.get(&foreign, &format!("/v1/views/coverage/compare?from={before}&area=440802")).await;
    assert_eq!(code(&asked), (403, "outside_scope"));
    let analyst = guarded.token("x", &["analyst@everything"]);
    assert_eq!(code(&guarded.get(&analyst, &path).await), (403, "role_may_not"));
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_at_a_true_time_knows_what_was_told_late() {
    let place = Place::with_base().await;
    let incident = json!({"incident_id": "flood", "incident_type": "INCIDENT_TYPE_FLOOD", "name": "洪涝", "area_id": "4408",
        "severity": "SEVERITY_SEVERE", "context": office()});
    place.done("DeclareIncident", "declare", incident).await;
    let site = json!({"site_id": "s-1", "incident_id": "flood", "kind": "SITE_KIND_CHECKPOINT", "name": "东门", "area_id": "440802001001",
        "seats": [{"seat_id": "1"}], "context": office()});
    place.done("OpenSite", "s-1", site).await;
    let known = place.server().log.end();
    let (_, status) = place.get("/v1/status").await;
    let now_ms: i64 = status["engine"]["now_ms"].as_str().unwrap().parse().unwrap();
    let seen_ms = now_ms - 3_600_000;
    let body = json!({"responder_id": "r-1", "site_id": "s-1", "context": {"actor": "r-1", "occurred_at_ms": seen_ms.to_string()}});
    place.done("CheckIn", "late", body).await;
    let walk_ins = async |query: String| {
        let (status, page) = place.get(&format!("/v1/views/coverage?area=440802001001{query}")).await;
        assert_eq!(status, 200, "{page}");
        let row = page["rows"].as_array().unwrap().first().cloned().unwrap_or_default();
        (page["true_time_ms"].as_str().map(str::to_owned), row["walk_in"].as_str().unwrap_or("0").to_owned())
    };
    let text = |ms: i64| Some(ms.to_string());
    let at = async |ms: i64, known: &str| walk_ins(format!("&true_time={ms}ms{known}")).await;
    // An hour ago the area's own record was not there yet, and yet the person was seen.
    assert_eq!(at(seen_ms - 1, "").await, (text(seen_ms - 1), "0".to_owned()));
    assert_eq!(at(now_ms + 3_600_000, "").await.1, "1");
    assert_eq!(at(now_ms + 3_600_000, &format!("&as_of={known}")).await.1, "0");
    assert_eq!(walk_ins(format!("&as_of={known}")).await, (None, "0".to_owned()));
}

/// An area is asked for as of moments: before it was defined, while it stood, after it was retired.
#[tokio::test(flavor = "multi_thread")]
async fn an_area_is_refused_as_of_moments_at_which_it_did_not_stand() {
    let place = Place::with_base().await;
    let before = place.server().log.end().position;
    place.define("440804", "坡头区", "COUNTY", "4408").await;
    let stood = place.server().log.end().position;
    place.done("RetireArea", "retire", json!({"area_id": "440804"})).await;
    let after = place.server().log.end().position;
    place.settle().await;
    let asked = async |query: String| place.get(&format!("/v1/views/coverage{query}area=440804")).await;
    for moment in [String::new(), format!("as_of={before}&"), format!("as_of={after}&"), "true_time=9999999999999ms&".to_owned()] {
        assert_eq!(code(&asked(format!("?{moment}")).await), (404, "unknown_area"), "{moment}");
    }
    let (status, page) = asked(format!("?as_of={stood}&")).await;
    assert_eq!((status, page["rows"][0]["area_id"].as_str()), (200, Some("440804")));
    for (from, to, change) in [(before, stood, "added"), (stood, after, "removed")] {
        let (status, page) = asked(format!("/compare?from={from}&to={to}&")).await;
        assert_eq!((status, page["rows"][0]["change"].as_str()), (200, Some(change)), "{page}");
    }
    let neither = asked(format!("/compare?from={before}&to={after}&")).await;
    assert_eq!(code(&neither), (404, "unknown_area"));
    assert!(neither.1["detail"].as_str().unwrap().contains(&format!("{before}")), "{}", neither.1);
}

/// The log goes on between two pages, and they are of one moment all the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_listing_are_of_the_moment_of_its_first() {
    let place = Place::with_base().await;
    place.settle().await;
    let base = "/v1/views/coverage?area=4408&limit=3";
    let (_, now) = place.get("/v1/views/coverage?area=4408").await;
    for (n, moment) in ["as_of=9999999999999ms", "true_time=9999999999999ms"].into_iter().enumerate() {
        let (_, whole) = place.get(&format!("/v1/views/coverage?area=4408&{moment}")).await;
        let (mut rows, mut cursor, mut places) = (Vec::new(), String::new(), Vec::new());
        loop {
            let (status, page) = place.get(&format!("{base}&{moment}&cursor={cursor}")).await;
            assert_eq!(status, 200, "{page}");
            rows.extend(page["rows"].as_array().unwrap().iter().cloned());
            places.push(page["at"].clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            next.clone_into(&mut cursor);
            place.define(&format!("44090{n}{}", places.len()), "新区", "COUNTY", "4408").await;
        }
        assert!(places.len() > 1 && places.iter().all(|at| *at == whole["at"]), "{moment}: {places:?}");
        assert_eq!(rows.len(), now["rows"].as_array().unwrap().len() + n * (places.len() - 1), "{moment}");
        assert_eq!(rows, *whole["rows"].as_array().unwrap(), "{moment}");
    }
}

/// The history is disposable: deleted while the server is down, it is made again.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_was_deleted_comes_back() {
    let mut place = Place::with_base().await;
    place.settle().await;
    let before = place.server().log.end();
    let (_, earlier) = place.get(&format!("/v1/views/coverage?as_of={}", before.position.0 - 3)).await;
    place.stop().await;
    let folder = place.folder.path().join("views").join("history");
    assert!(folder.is_dir());
    std::fs::remove_dir_all(&folder).unwrap();
    place.start().await.unwrap();
    let (_, again) = place.get(&format!("/v1/views/coverage?as_of={}", before.position.0 - 3)).await;
    assert_eq!(again, earlier);
    crate::common::within(place.server().history.wait_for(before.position)).await.unwrap();
    let (_, status) = place.get("/v1/status").await;
    assert_eq!((status["history"]["at"].as_str(), status["history"]["lag_positions"].as_str()), (Some(&*before.to_string()), Some("0")));
}
