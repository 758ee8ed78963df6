//! The log over HTTP: in order, filtered, followed, resumed.

use bytes::BytesMut;
use futures::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Guarded, Place, content_type, within};

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

/// Lines that are followed.
struct Followed {
    stream: std::pin::Pin<Box<dyn futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    buffer: BytesMut,
}

/// How a followed answer goes on.
enum Next {
    Event(Value),
    /// It ended as a whole answer does.
    Whole,
    /// It was broken off: whoever reads it knows that there is more.
    BrokenOff,
}

impl Followed {
    async fn open(request: reqwest::RequestBuilder) -> Self {
        let response = within(request.send()).await.unwrap();
        assert_eq!(response.status(), 200);
        Self { stream: Box::pin(response.bytes_stream()), buffer: BytesMut::new() }
    }

    async fn next(&mut self) -> Next {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                if line.len() > 1 {
                    return Next::Event(serde_json::from_slice(&line).unwrap());
                }
                continue;
            }
            match within(self.stream.next()).await {
                Some(Ok(chunk)) => self.buffer.extend_from_slice(&chunk),
                Some(Err(_)) => return Next::BrokenOff,
                None => return Next::Whole,
            }
        }
    }

    async fn event(&mut self) -> Value {
        let Next::Event(event) = self.next().await else { panic!("the stream goes on") };
        event
    }

    async fn is_broken_off(&mut self) {
        assert!(matches!(self.next().await, Next::BrokenOff), "an answer that ends early must not look whole");
    }
}

/// What lay below an area when the stream began is so no more: it ends before the move, and whoever comes back has the move and all behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_before_areas_move_and_goes_on_with_the_new_tree() {
    let place = Place::with_base().await;
    place.define("440803001", "工农街道", "TOWNSHIP", "440803").await;
    place.settle().await;
    let from = place.server().log.end().position.0 + 1;
    let path = |from: u64| format!("/v1/events?follow=true&area=440803&from={from}");
    let mut lines = Followed::open(place.http.get(place.url(&path(from)))).await;
    let mut sse = place.sse(&path(from), None).await;
    let first = place.define("440803002", "海滨街道", "TOWNSHIP", "440803").await;
    assert_eq!(lines.event().await["position"], first["first"]);
    let last_id = sse.news().await.id.unwrap();
    let moved = place.done("ReparentArea", "move", json!({"area_id": "440802001001", "parent_id": "440803001"})).await;
    let within_it = place.define("g-1", "网格一", "GRID", "440802001001").await;
    lines.is_broken_off().await;
    assert_eq!(sse.next().await, None, "readers of server-sent events come back by themselves");

    let next = first["last"].as_str().unwrap().parse::<u64>().unwrap() + 1;
    let mut again = Followed::open(place.http.get(place.url(&path(next)))).await;
    let mut sse = place.sse("/v1/events?follow=true&area=440803", Some(&last_id)).await;
    for (expected, kind) in [(&moved, "AreaReparented"), (&within_it, "AreaDefined")] {
        let (line, event) = (again.event().await, sse.news().await.data);
        assert_eq!((&line["position"], line["type"].as_str()), (&expected["first"], Some(kind)));
        assert_eq!((&event["position"], event["type"].as_str()), (&expected["first"], Some(kind)));
    }
    // Whoever asked for no area sees everything, and is not disturbed.
    let mut whole = Followed::open(place.http.get(place.url("/v1/events?follow=true"))).await;
    place.done("ReparentArea", "back", json!({"area_id": "440802001001", "parent_id": "440802001"})).await;
    let end = place.server().log.end().position.0;
    for position in 1..=end {
        assert_eq!(whole.event().await["position"], position.to_string());
    }
}

/// By a stop of the server or of the token: in the middle, without a word, and with nothing lost for whoever comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_off_says_so_and_a_resumed_one_misses_nothing() {
    let mut guarded = Guarded::new().await;
    let (token, record) = guarded.tokens.issue("区", vec!["auditor@area:440802".parse().unwrap()], 0, None).unwrap();
    let chief = guarded.token("市", &["headquarters@everything"]);
    let grid = |id: &str| json!({"area_id": id, "name": id, "level": "AREA_LEVEL_GRID", "parent_id": "440802001001"});
    let from = guarded.place.server().log.end().position.0 + 1;
    let path = |from: u64| format!("/v1/events?follow=true&from={from}");
    let mut lines = Followed::open(guarded.request(Method::GET, &token, &path(from)).await).await;
    guarded.done(&chief, "DefineArea", "g-1", grid("g-1")).await;
    assert_eq!(lines.event().await["position"], from.to_string());
    guarded.tokens.revoke(&record.id, 1).unwrap();
    guarded.done(&chief, "DefineArea", "g-2", grid("g-2")).await;
    lines.is_broken_off().await;

    let token = guarded.token("区", &["auditor@area:440802"]);
    let mut lines = Followed::open(guarded.request(Method::GET, &token, &path(from + 1)).await).await;
    assert_eq!(lines.event().await["event"]["area_id"], "g-2");
    guarded.done(&chief, "DefineArea", "g-3", grid("g-3")).await;
    assert_eq!(lines.event().await["event"]["area_id"], "g-3");
    let ended = tokio::spawn(async move {
        lines.is_broken_off().await;
    });
    guarded.place.stop().await;
    within(ended).await.unwrap();
    guarded.place.start().await.unwrap();
    guarded.done(&chief, "DefineArea", "g-4", grid("g-4")).await;
    let mut lines = Followed::open(guarded.request(Method::GET, &token, &path(from + 3)).await).await;
    assert_eq!(lines.event().await["event"]["area_id"], "g-4");
}
