//! Live views: a snapshot, then every change; a reader who comes back goes on where it was, or is told to start anew.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::common::{Event, Place, Sse};

type Rows = BTreeMap<String, Value>;

/// Applies events to rows until the view has taken in a position; a heartbeat says so where no row of the reader changed.
async fn follow(sse: &mut Sse, rows: &mut Rows, until: u64) -> String {
    loop {
        let event = sse.next().await.expect("the stream goes on");
        if event.kind != "heartbeat" {
            apply(rows, &event);
        }
        if let Some(id) = event.id {
            let position: u64 = id.split_once('.').unwrap().1.parse().unwrap();
            if position >= until {
                return id;
            }
        }
    }
}

fn apply(rows: &mut Rows, event: &Event) {
    let key = event.data["key"].as_str().unwrap_or_else(|| panic!("{event:?}")).to_owned();
    match event.kind.as_str() {
        "change" => drop(rows.insert(key, event.data["row"].clone())),
        "remove" => drop(rows.remove(&key)),
        _ => panic!("{event:?}"),
    }
}

fn last(answer: &Value) -> u64 {
    answer["last"].as_str().unwrap().parse().unwrap()
}

async fn rows(place: &Place, path: &str) -> Rows {
    place.settle().await;
    let (_, page) = place.get(path).await;
    let rows = page["rows"].as_array().unwrap().iter();
    rows.map(|row| (format!("{}/{}", row["realm"].as_str().unwrap(), row["area_id"].as_str().unwrap()), row.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_and_its_changes_are_the_view() {
    let place = Place::with_base().await;
    place.settle().await;
    let mut sse = place.sse("/v1/views/coverage/live?area=440802", None).await;
    let (mut seen, _) = sse.snapshot().await;
    assert_eq!(seen.keys().collect::<Vec<_>>(), ["actual/440802", "actual/440802001", "actual/440802001001"]);
    // What happens elsewhere is not told; what moves away is removed; what moves in is told.
    place.define("440803001", "工农街道", "TOWNSHIP", "440803").await;
    let defined = place.define("g-1", "网格一", "GRID", "440802001001").await;
    follow(&mut sse, &mut seen, last(&defined)).await;
    assert!(seen.contains_key("actual/g-1"));
    let moved = place.done("ReparentArea", "away", json!({"area_id": "g-1", "parent_id": "440803001"})).await;
    follow(&mut sse, &mut seen, last(&moved)).await;
    assert!(!seen.contains_key("actual/g-1"), "{seen:?}");
    let back = place.done("ReparentArea", "back", json!({"area_id": "g-1", "parent_id": "440802001"})).await;
    follow(&mut sse, &mut seen, last(&back)).await;
    assert_eq!(seen, rows(&place, "/v1/views/coverage?area=440802").await);
    assert!(seen.contains_key("actual/g-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_comes_back_misses_nothing() {
    let place = Place::with_base().await;
    place.settle().await;
    let mut sse = place.sse("/v1/views/coverage/live", None).await;
    let (mut seen, _) = sse.snapshot().await;
    let first = place.define("g-1", "网格一", "GRID", "440802001001").await;
    let at = follow(&mut sse, &mut seen, last(&first)).await;
    drop(sse);
    place.define("g-2", "网格二", "GRID", "440802001001").await;
    let third = place.define("g-3", "网格三", "GRID", "440802001001").await;
    place.settle().await;
    let mut sse = place.sse("/v1/views/coverage/live", Some(&at)).await;
    let greeting = sse.next().await.unwrap();
    assert_eq!((greeting.kind.as_str(), greeting.id.as_deref()), ("heartbeat", Some(at.as_str())), "it resumes without a snapshot");
    assert!(greeting.data["time_ms"].as_str().unwrap().parse::<i64>().unwrap() > 0);
    follow(&mut sse, &mut seen, last(&third)).await;
    assert_eq!(seen, rows(&place, "/v1/views/coverage").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_resumed_where_nothing_was_missed_and_reset_where_it_may_have_been() {
    let mut place = Place::with_base().await;
    place.settle().await;
    let mut sse = place.sse("/v1/views/coverage/live", None).await;
    let (mut seen, early) = sse.snapshot().await;
    let defined = place.define("g-1", "网格一", "GRID", "440802001001").await;
    let at = follow(&mut sse, &mut seen, last(&defined)).await;
    place.restart().await;
    assert_eq!(sse.next().await, None, "a stop ends the streams");
    place.settle().await;
    // At the very place where the log ended: nothing can have been missed.
    let mut sse = place.sse("/v1/views/coverage/live", Some(&at)).await;
    assert_eq!(sse.next().await.unwrap().kind, "heartbeat");
    let second = place.define("g-2", "网格二", "GRID", "440802001001").await;
    follow(&mut sse, &mut seen, last(&second)).await;
    assert_eq!(seen, rows(&place, "/v1/views/coverage").await);
    // Before that place, ahead of the log, and of another epoch: everything comes anew.
    for lost in [early.as_str(), "1.999999", "9.1"] {
        let mut sse = place.sse("/v1/views/coverage/live", Some(lost)).await;
        let reset = sse.next().await.unwrap();
        assert_eq!((reset.kind.as_str(), &reset.id), ("reset", &None), "{lost}");
        assert_eq!(sse.snapshot().await.0, seen, "{lost}");
    }
    let response = place.http.get(place.url("/v1/views/coverage/live")).header("Last-Event-ID", "soon").send().await.unwrap();
    assert_eq!(response.status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_keeps_the_lower_rows_away() {
    let place = Place::with_base().await;
    place.settle().await;
    let mut sse = place.sse("/v1/views/coverage/live?level=COUNTY", None).await;
    let (seen, _) = sse.snapshot().await;
    assert_eq!(seen.len(), 3, "{seen:?}");
    place.define("g-1", "网格一", "GRID", "440802001001").await;
    let county = place.define("440804", "坡头区", "COUNTY", "4408").await;
    let mut seen = seen;
    follow(&mut sse, &mut seen, last(&county)).await;
    assert!(seen.contains_key("actual/440804") && !seen.contains_key("actual/g-1"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_earlier_places_are_the_same_view() {
    let place = Place::with_base().await;
    place.settle().await;
    let before = place.server().log.end();
    let earlier = rows(&place, "/v1/views/coverage").await;
    place.define("440804", "坡头区", "COUNTY", "4408").await;
    place.done("RetireArea", "retire", json!({"area_id": "440803"})).await;
    assert_ne!(rows(&place, "/v1/views/coverage").await, earlier);
    assert_eq!(rows(&place, &format!("/v1/views/coverage?as_of={}", before.position)).await, earlier);
    assert_eq!(rows(&place, &format!("/v1/views/coverage?as_of={before}")).await, earlier);
    for as_of in [String::new(), format!("&as_of={before}")] {
        let whole = rows(&place, &format!("/v1/views/coverage?area=4408{as_of}")).await;
        let (mut paged, mut cursor) = (Rows::new(), None::<String>);
        loop {
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let (status, page) = place.get(&format!("/v1/views/coverage?area=4408&limit=2{as_of}{after}")).await;
            assert_eq!(status, 200, "{page}");
            assert!(page["rows"].as_array().unwrap().len() <= 2);
            for row in page["rows"].as_array().unwrap() {
                assert!(paged.insert(format!("actual/{}", row["area_id"].as_str().unwrap()), row.clone()).is_none(), "a row came twice");
            }
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(paged, whole);
    }
    // A time before everything shows an empty city, and one after everything shows what is.
    assert_eq!(rows(&place, "/v1/views/coverage?as_of=1999-01-01T00:00:00%2B08:00").await, Rows::new());
    assert_eq!(rows(&place, "/v1/views/coverage?as_of=9999999999999ms").await, rows(&place, "/v1/views/coverage").await);
}
