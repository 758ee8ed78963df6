//! Every kind of bad input gets a clear problem that names what and why, in both languages, and changes nothing.

use serde_json::{Value, json};

use crate::common::{Place, answer};

/// Sends a command that must fail; checks status, code and field, and that nothing was stored.
async fn refused(place: &Place, name: &str, body: Value, status: u16, code: &str, field: &str) -> Value {
    let before = place.server().log.end();
    let (found, problem) = place.send(name, &format!("bad-{code}-{field}"), &body).await;
    assert_eq!(
        (found, problem["code"].as_str().unwrap(), problem["field"].as_str().unwrap_or_default()),
        (status, code, field),
        "{problem}"
    );
    assert_eq!(place.server().log.end(), before, "something was stored");
    problem
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_subjects_are_not_found() {
    let place = Place::with_base().await;
    let area = json!({"area_id": "x-1", "name": "甲", "level": "AREA_LEVEL_COUNTY", "parent_id": "9999"});
    let problem = refused(&place, "DefineArea", area, 404, "unknown_area", "parent_id").await;
    assert!(problem["detail_en"].as_str().unwrap().contains("9999") && problem["detail_zh"].as_str().unwrap().contains("9999"));
    let person = json!({"responder_id": "r-99", "area_id": "440802001001"});
    refused(&place, "ReportToCommunity", person, 404, "unknown_responder", "responder_id").await;
    refused(
        &place,
        "ConvertArea",
        json!({"incident_id": "i-9", "area_id": "4408", "response": "RESPONSE_LEVEL_IV"}),
        404,
        "unknown_incident",
        "incident_id",
    )
    .await;
    let (status, problem) = place.send("BlowWhistl", "bad-name", &json!({})).await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("unknown_command")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_form_is_malformed_with_its_path() {
    let place = Place::with_base().await;
    refused(&place, "DefineArea", json!({"areaid": "x"}), 400, "unknown_field", "areaid").await;
    refused(&place, "BlowWhistle", json!({"needs": [{"quantity": 1}, {"amount": 1}]}), 400, "unknown_field", "needs[1].amount").await;
    refused(&place, "DefineArea", json!({"area_id": 7}), 400, "wrong_type", "area_id").await;
    refused(&place, "DefineArea", json!({"level": "AREA_LEVEL_PLANET"}), 400, "wrong_type", "level").await;
    refused(&place, "BlowWhistle", json!({"needs": [{"quantity": "many"}]}), 400, "wrong_type", "needs[0].quantity").await;
    refused(&place, "DefineArea", json!([]), 400, "wrong_type", "").await;
    refused(&place, "DefineArea", json!({"context": {"office": 1}}), 400, "wrong_type", "context.office").await;
    refused(&place, "EnrollResponder", json!({"responder_id": "r-9", "name": {"key_id": "r-1"}}), 400, "wrong_type", "name").await;
    let request = place.http.post(place.url("/v1/commands/DefineArea")).header("Idempotency-Key", "1").body("{\"area_id\": ");
    let (status, problem) = answer(request).await;
    assert_eq!((status, problem["code"].as_str()), (400, Some("not_json")));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_the_tree_are_refused_in_words() {
    let place = Place::with_base().await;
    let problem =
        refused(&place, "ReparentArea", json!({"area_id": "440802", "parent_id": "440802001"}), 422, "area_cycle", "parent_id").await;
    assert!(problem["detail"].as_str().unwrap().contains("440802"), "{problem}");
    let again = json!({"area_id": "4408", "name": "另一市", "level": "AREA_LEVEL_CITY"});
    let (status, problem) = place.send("DefineArea", "again", &again).await;
    assert!(status == 409 || status == 422, "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_principals_and_sizes_are_checked() {
    let place = Place::with_base().await;
    let post = || place.http.post(place.url("/v1/commands/RetireArea"));
    let body = json!({"area_id": "440803"});
    let (status, problem) = answer(post().json(&body)).await;
    assert_eq!((status, problem["code"].as_str()), (400, Some("missing_idempotency_key")));
    let (status, problem) = answer(post().header("Idempotency-Key", "x".repeat(65)).json(&body)).await;
    assert_eq!((status, problem["code"].as_str()), (400, Some("bad_idempotency_key")));
    let (status, problem) = answer(post().header("Idempotency-Key", "1").header("Muster-Principal", "").json(&body)).await;
    assert_eq!((status, problem["code"].as_str()), (400, Some("bad_principal")));
    let (status, problem) = answer(post().header("Idempotency-Key", "1").json(&json!({"area_id": "x".repeat(2 << 20)}))).await;
    assert_eq!((status, problem["code"].as_str()), (413, Some("body_too_large")));
    // The same without an announced length.
    let chunks = (0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]));
    let streamed = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
    let (status, problem) = answer(post().header("Idempotency-Key", "1").body(streamed)).await;
    assert_eq!((status, problem["code"].as_str()), (413, Some("body_too_large")));
    // Small enough for the door, too large for a record.
    let cards: Vec<_> = (0..400).map(|at| json!({"card_key": format!("c-{at}"), "task": "守".repeat(200)})).collect();
    let plan = json!({"plan_id": "p-1", "area_id": "4408", "incident_type": "INCIDENT_TYPE_TYPHOON", "name": "防风", "cards": cards});
    let (status, problem) = place.send("DraftPlan", "large", &plan).await;
    assert!((400..500).contains(&status), "{problem}");
    assert!(problem["detail_en"].as_str().unwrap().len() < 1_000, "the problem repeats the body");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_another_body_is_refused_and_with_the_same_answered_again() {
    let place = Place::with_base().await;
    let body = json!({"responder_id": "r-9", "name": "吴桂芳", "phone": "13700137000", "kind": "RESPONDER_KIND_MEMBER", "area_id": "440802001001"});
    let first = place.done("EnrollResponder", "enroll-9", body.clone()).await;
    let again = place.done("EnrollResponder", "enroll-9", body.clone()).await;
    assert_eq!((&again["first"], &again["events"], &again["repeated"]), (&first["first"], &first["events"], &json!(true)));
    let mut other = body.clone();
    other["phone"] = json!("13700137001");
    let (status, problem) = place.send("EnrollResponder", "enroll-9", &other).await;
    assert_eq!((status, problem["code"].as_str()), (422, Some("id_reused")));
    // Another principal has keys of its own.
    let request =
        place.http.post(place.url("/v1/commands/EnrollResponder")).header("Idempotency-Key", "enroll-9").header("Muster-Principal", "hq");
    let (status, problem) = answer(request.json(&other)).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("already_exists")), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_cannot_be_answered_say_why() {
    let place = Place::with_base().await;
    place.settle().await;
    for (path, status, code, field) in [
        ("/v1/views/roster", 404, "unknown_view", ""),
        ("/v1/views/coverage?area=9999", 404, "unknown_area", "area"),
        ("/v1/views/coverage/live?area=9999", 404, "unknown_area", "area"),
        ("/v1/views/coverage?limit=0", 400, "bad_parameter", "limit"),
        ("/v1/views/coverage?limit=x", 400, "bad_parameter", "limit"),
        ("/v1/views/coverage?cursor=x", 400, "bad_parameter", "cursor"),
        ("/v1/views/coverage?as_of=99999", 404, "position_ahead", "as_of"),
        ("/v1/views/coverage?as_of=yesterday", 400, "bad_parameter", "as_of"),
        ("/v1/views/coverage?as_of=7.1", 409, "foreign_epoch", "as_of"),
        ("/v1/views/coverage?true_time=7", 400, "bad_parameter", "true_time"),
        ("/v1/views/whistles?true_time=7ms", 400, "bad_parameter", "true_time"),
        ("/v1/views/coverage/compare", 400, "moment_required", "from"),
        ("/v1/views/coverage/compare?from=x", 400, "bad_parameter", "from"),
        ("/v1/views/coverage/compare?from=1&to=99999", 404, "position_ahead", "to"),
        ("/v1/views/coverage/compare?from=7.1", 409, "foreign_epoch", "from"),
        ("/v1/views/coverage/compare?from=1&cursor=x", 400, "bad_parameter", "cursor"),
        ("/v1/views/coverage?as_of=1&cursor=x", 400, "bad_parameter", "cursor"),
        ("/v1/views/coverage?as_of=1&cursor=1.1@x", 400, "bad_parameter", "cursor"),
        ("/v1/views/coverage?cursor=1.1@actual/4408", 400, "bad_parameter", "cursor"),
        ("/v1/views/coverage?true_time=7ms&cursor=x", 400, "bad_parameter", "cursor"),
        ("/v1/views/coverage?as_of=1&cursor=7.1@actual/4408", 409, "foreign_epoch", "cursor"),
        ("/v1/views/coverage?as_of=1&cursor=1.1,1.2@actual/4408", 400, "bad_parameter", "cursor"),
        ("/v1/views/coverage/compare?from=1&cursor=1.1@actual/4408", 400, "bad_parameter", "cursor"),
        ("/v1/views/coverage/live?area=9999&as_of=1", 400, "bad_parameter", "as_of"),
        ("/v1/views/coverage/live?cursor=actual/4408", 400, "bad_parameter", "cursor"),
        ("/v1/views/coverage?as_of=3&area=9999", 404, "unknown_area", "area"),
        ("/v1/views/coverage?as_of=1&area=440802", 404, "unknown_area", "area"),
        ("/v1/views/coverage/compare?from=1&area=9999", 404, "unknown_area", "area"),
        ("/v1/views/coverage?level=PLANET", 400, "bad_parameter", "level"),
        ("/v1/events?from=x", 400, "bad_parameter", "from"),
        ("/v1/events?from=99999", 404, "position_ahead", "from"),
        ("/v1/events?from=7.1", 409, "foreign_epoch", "from"),
        ("/v1/events?type=Nonsense", 400, "bad_parameter", "type"),
        ("/v1/events?limit=-1", 400, "bad_parameter", "limit"),
        ("/v1/nothing", 404, "unknown_path", ""),
    ] {
        let (found, problem) = place.get(path).await;
        let told = (found, problem["code"].as_str().unwrap(), problem["field"].as_str().unwrap_or_default());
        assert_eq!(told, (status, code, field), "{path}: {problem}");
    }
    let (status, problem) = answer(place.http.delete(place.url("/v1/events"))).await;
    assert_eq!((status, problem["code"].as_str()), (405, Some("method_not_allowed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_speak_the_language_asked_for() {
    let place = Place::new().await;
    for (header, lang) in [(None, "zh-CN"), (Some("en-GB,en;q=0.9"), "en"), (Some("zh"), "zh-CN")] {
        let mut request = place.http.get(place.url("/v1/views/roster"));
        if let Some(header) = header {
            request = request.header("Accept-Language", header);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-language"], lang);
        let problem: Value = response.json().await.unwrap();
        let expected = if lang == "en" { &problem["detail_en"] } else { &problem["detail_zh"] };
        assert_eq!(&problem["detail"], expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_gives_no_orders() {
    let place = Place::with_base().await;
    let end = place.server().log.end();
    let line = json!({"command": "RetireArea", "id": "1", "body": {"area_id": "440803"}}).to_string();
    let request = place.http.post(place.url("/v1/commands:batch")).header("Sec-Fetch-Site", "cross-site").body(line);
    let (status, problem) = answer(request).await;
    assert_eq!((status, problem["code"].as_str()), (403, Some("cross_site")));
    assert_eq!(place.server().log.end(), end);
}
