//! Batches: every line its own answer, in the order of the lines, as they become durable.

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::common::{Place, within};

fn line(command: &str, id: &str, body: &Value) -> String {
    format!("{}\n", json!({"command": command, "id": id, "body": body}))
}

async fn batch(place: &Place, body: String) -> Vec<Value> {
    let request = place.http.post(place.url("/v1/commands:batch")).body(body);
    let response = within(request.send()).await.unwrap();
    assert_eq!(response.status(), 200);
    let text = within(response.text()).await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_has_its_own_answer_in_order() {
    let place = Place::with_base().await;
    let area = |id: &str, parent: &str| json!({"area_id": id, "name": id, "level": "AREA_LEVEL_GRID", "parent_id": parent});
    let mut body = String::new();
    body += &line("DefineArea", "b-1", &area("g-1", "440802001001"));
    body += &line("DefineArea", "b-2", &area("g-2", "9999"));
    body += "\n";
    body += "not json\n";
    body += &line("DefineArea", "b-1", &area("g-1", "440802001001"));
    body += &line("DefineArea", "b-1", &area("g-3", "440802001001"));
    body += &line("DefineAre", "b-6", &json!({}));
    body += &line("DefineArea", "", &json!({}));
    body += &format!("{}\n", json!({"command": "DefineArea", "id": "b-8", "body": {}, "more": 1}));
    body += &line("DefineArea", "b-9", &json!({"name": "x".repeat(2 << 20)}));
    body += &line(
        "EnrollResponder",
        "b-10",
        &json!({"responder_id": "r-10", "name": "吴桂芳", "area_id": "g-1", "kind": "RESPONDER_KIND_WARDEN"}),
    );
    body += line("DefineArea", "b-11", &area("g-4", "440802001001")).trim_end();
    let answers = batch(&place, body).await;
    let told: Vec<_> = answers
        .iter()
        .map(|answer| {
            let code = answer["problem"]["code"].as_str().unwrap_or_default();
            (answer["line"].as_u64().unwrap(), answer["id"].as_str().unwrap(), answer["status"].as_u64().unwrap(), code)
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, "b-1", 200, ""),
            (2, "b-2", 404, "unknown_area"),
            (4, "", 400, "not_json"),
            (5, "b-1", 200, ""),
            (6, "b-1", 422, "id_reused"),
            (7, "b-6", 404, "unknown_command"),
            (8, "", 400, "missing_idempotency_key"),
            (9, "b-8", 400, "bad_line"),
            (10, "", 413, "body_too_large"),
            (11, "b-10", 200, ""),
            (12, "b-11", 200, ""),
        ]
    );
    assert_eq!(answers[0]["answer"]["events"][0]["type"], "AreaDefined");
    assert_eq!(answers[3]["answer"]["repeated"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_while_lines_still_do() {
    let place = Place::with_base().await;
    let (lines, receiver) = mpsc::channel::<String>(1);
    let body =
        stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|line| (Ok::<_, std::io::Error>(line), receiver)) });
    let request = place.http.post(place.url("/v1/commands:batch?events=false")).body(reqwest::Body::wrap_stream(body));
    let mut response = within(request.send()).await.unwrap();
    for at in 0..3 {
        let area = json!({"area_id": format!("g-{at}"), "name": "网格", "level": "AREA_LEVEL_GRID", "parent_id": "440802001001"});
        within(lines.send(line("DefineArea", &format!("s-{at}"), &area))).await.unwrap();
        let answer = within(response.chunk()).await.unwrap().unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!((answer["line"].as_u64(), answer["status"].as_u64()), (Some(at + 1), Some(200)), "{answer}");
        assert!(answer["answer"].get("events").is_none(), "{answer}");
    }
    drop(lines);
    assert_eq!(within(response.chunk()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_lines_keep_their_order_and_are_done_once() {
    let place = Place::with_base().await;
    let count = 3_000;
    let one = |at: u32| {
        let body = json!({"responder_id": format!("p-{at}"), "name": format!("人员{at}"), "kind": "RESPONDER_KIND_VOLUNTEER", "area_id": "440802001001"});
        line("EnrollResponder", &format!("p-{at}"), &body)
    };
    let whole: String = (0..count).map(one).collect();
    let first = batch(&place, whole.clone()).await;
    let positions: Vec<u64> = first.iter().map(|answer| answer["answer"]["first"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(positions.len(), count as usize);
    assert!(positions.windows(2).all(|pair| pair[0] < pair[1]), "decided in another order than that of the lines");
    let end = place.server().log.end();
    let again = batch(&place, whole).await;
    assert!(again.iter().all(|answer| answer["answer"]["repeated"] == json!(true)));
    assert_eq!(place.server().log.end(), end);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_leaves_whole_commands() {
    let place = Place::with_base().await;
    let before = place.server().log.end().position.0;
    let lines = (0..50).map(|at| {
        let area = json!({"area_id": format!("g-{at}"), "name": "网格", "level": "AREA_LEVEL_GRID", "parent_id": "440802001001"});
        Ok::<_, std::io::Error>(line("DefineArea", &format!("a-{at}"), &area))
    });
    // The body breaks off in the middle of a line.
    let broken = stream::iter(lines.chain([Ok("{\"command\":\"DefineAr".to_owned())]))
        .chain(stream::once(async { Err(std::io::Error::other("gone")) }));
    let request = place.http.post(place.url("/v1/commands:batch")).body(reqwest::Body::wrap_stream(broken));
    // Whether the client sees an answer is left open; what counts is what the server made of it.
    if let Ok(response) = within(request.send()).await {
        let _ = within(response.bytes()).await;
    }
    let end = place.server().log.end().position.0;
    assert!(end >= before && end <= before + 50, "{before}..{end}");
    place.define("after", "之后", "GRID", "440802001001").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_a_batch_that_is_still_open() {
    let mut place = Place::with_base().await;
    let (lines, receiver) = mpsc::channel::<String>(1);
    let body =
        stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|line| (Ok::<_, std::io::Error>(line), receiver)) });
    let request = place.http.post(place.url("/v1/commands:batch")).body(reqwest::Body::wrap_stream(body));
    let mut response = within(request.send()).await.unwrap();
    let area = json!({"area_id": "g-1", "name": "网格", "level": "AREA_LEVEL_GRID", "parent_id": "440802001001"});
    within(lines.send(line("DefineArea", "s-1", &area))).await.unwrap();
    assert!(within(response.chunk()).await.unwrap().is_some());
    let started = std::time::Instant::now();
    within(place.stop()).await;
    assert!(started.elapsed() < muster_server::limits::SHUTDOWN_GRACE, "the stop waited for a client that had nothing more to say");
    drop(lines);
}

/// A line that finds the engine's queue full waits, and the lines after it wait with it: they may rest on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_holds_lines_up_and_skips_none() {
    let place = Place::with_queue(Some(1)).await;
    place.define("4408", "湛江市", "CITY", "").await;
    // Each area lies in the one before, as deep as the tree goes, over and over: any change of order is refused.
    let mut body = String::new();
    for round in 0..200 {
        let mut parent = "4408".to_owned();
        for level in ["COUNTY", "TOWNSHIP", "VILLAGE", "GRID"] {
            let id = format!("{level}-{round}");
            let area = json!({"area_id": id, "name": level, "level": format!("AREA_LEVEL_{level}"), "parent_id": parent});
            body += &line("DefineArea", &id, &area);
            parent = id;
        }
    }
    let answers = batch(&place, body).await;
    let wrong: Vec<_> = answers.iter().filter(|answer| answer["status"] != 200).collect();
    assert_eq!(answers.len(), 800);
    assert!(wrong.is_empty(), "{} of 800: {}", wrong.len(), wrong[0]);
}
