//! The log over HTTP: in order, filtered, followed, resumed.

use serde_json::{Value, json};

use crate::common::{Place, content_type, within};

async fn events(place: &Place, query: &str) -> Vec<Value> {
    let response = within(place.http.get(place.url(&format!("/v1/events{query}"))).send()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(content_type(response.headers()), "application/x-ndjson");
    let text = within(response.text()).await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn positions(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["position"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_events_come_in_order_and_filters_pick_among_them() {
    let place = Place::with_base().await;
    let end = place.server().log.end().position.0;
    let all = events(&place, "").await;
    assert_eq!(positions(&all), (1..=end).collect::<Vec<_>>());
    assert_eq!(positions(&events(&place, "?from=3&limit=2").await), [3, 4]);
    assert_eq!(positions(&events(&place, "?from=1.3&limit=2").await), [3, 4]);
    assert_eq!(positions(&events(&place, &format!("?from={}", end + 1)).await), Vec::<u64>::new());
    let people = events(&place, "?type=ResponderEnrolled,organization_registered").await;
    assert_eq!(people.len(), 4);
    assert!(people.iter().all(|event| event["type"] != "AreaDefined"));
    let below = events(&place, "?area=440802").await;
    let expected: Vec<_> = all.iter().filter(|event| event["area_path"]["county"] == "440802").cloned().collect();
    assert_eq!(below, expected);
    assert!(below.len() >= 6, "three areas and three people");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_concerns_the_areas_that_it_names() {
    let place = Place::with_base().await;
    let before = place.server().log.end().position.0;
    // The area leaves one county for the other: both are told.
    place.define("440803001", "工农街道", "TOWNSHIP", "440803").await;
    place.done("ReparentArea", "move", json!({"area_id": "440802001001", "parent_id": "440803001"})).await;
    let from = format!("&from={}", before + 1);
    for county in ["440802", "440803"] {
        let told = events(&place, &format!("?area={county}{from}")).await;
        assert!(told.iter().any(|event| event["type"] == "AreaReparented"), "{county}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_gets_what_comes_and_resumes_after_what_it_had() {
    let mut place = Place::with_base().await;
    let end = place.server().log.end();
    let mut sse = place.sse(&format!("/v1/events?follow=true&from={}&area=440802", end.position.0 + 1), None).await;
    place.define("440804", "坡头区", "COUNTY", "4408").await;
    let wanted = place.define("g-1", "网格一", "GRID", "440802001001").await;
    let event = sse.news().await;
    assert_eq!((event.kind.as_str(), &event.data["position"], &event.data["type"]), ("event", &wanted["first"], &json!("AreaDefined")));
    let id = event.id.unwrap();
    assert_eq!(id, format!("1.{}", wanted["first"].as_str().unwrap()));
    let second = place.define("g-2", "网格二", "GRID", "440802001001").await;
    place.restart().await;
    let mut sse = place.sse("/v1/events?follow=true&area=440802", Some(&id)).await;
    assert_eq!(sse.news().await.data["position"], second["first"]);
    let mut sse = place.sse("/v1/events?follow=true", Some("9.1")).await;
    let reset = sse.news().await;
    assert_eq!((reset.kind.as_str(), reset.id), ("reset", None));
    assert_eq!(sse.news().await.data["position"], "1", "after a reset everything comes from the beginning");
}
