//! The views as a whole and the log's own records, over HTTP: what they show, and to whom.

use std::sync::Arc;

use muster_log::{Log, Position};
use reqwest::Method;
use serde_json::Value;

use crate::common::{Guarded, Place, answer, code, within};

/// The records in an answer of `/v1/records`, each behind its length, and the headers that say whose they are.
async fn records(place: &Place, query: &str) -> (Vec<Vec<u8>>, [String; 3]) {
    let response = within(place.http.get(place.url(&format!("/v1/records{query}"))).send()).await.unwrap();
    assert_eq!(response.status(), 200);
    let headers = ["muster-log", "muster-epoch", "muster-log-end"].map(|name| response.headers()[name].to_str().unwrap().to_owned());
    let mut body = response.bytes().await.unwrap();
    let mut found = Vec::new();
    while !body.is_empty() {
        let length = usize::try_from(prost::encoding::decode_varint(&mut body).unwrap()).unwrap();
        found.push(body.split_to(length).to_vec());
    }
    (found, headers)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_the_logs_own_bytes() {
    let place = Place::with_base().await;
    let log: Arc<dyn Log> = Arc::clone(&place.server().log);
    let end = log.watermark().0;
    let bytes = |from: u64, to: u64| (from..=to).map(|at| log.read_one(Position(at)).unwrap().bytes.to_vec()).collect::<Vec<_>>();
    for (query, expected) in [
        (String::new(), bytes(1, end)),
        ("?from=3&to=5".to_owned(), bytes(3, 5)),
        (format!("?from={end}&to=18446744073709551615"), bytes(end, end)),
        (format!("?from={}", end + 1), Vec::new()),
        ("?from=4&to=3".to_owned(), Vec::new()),
    ] {
        let (found, headers) = records(&place, &query).await;
        assert_eq!(found, expected, "{query}");
        assert_eq!(headers, [log.id().to_string(), "1".to_owned(), end.to_string()]);
    }
    let refused = place.get("/v1/records?from=x").await;
    assert_eq!((code(&refused), refused.1["field"].as_str()), ((400, "bad_parameter"), Some("from")));
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_rebuilt_and_verified_and_say_how_they_stand() {
    let place = Place::with_base().await;
    place.settle().await;
    let end = place.server().log.end().to_string();
    let (_, document) = place.get("/openapi.json").await;
    let known = |schema: &str, value: &Value| {
        let properties = document["components"]["schemas"][schema]["properties"].as_object().unwrap();
        value.as_object().unwrap().keys().for_each(|member| assert!(properties.contains_key(member), "{schema} has no {member}"));
    };
    let coverage = |status: &Value| status["views"].as_array().unwrap().iter().find(|row| row["view"] == "coverage").cloned().unwrap();
    let (_, before) = place.get("/v1/views").await;
    known("ViewsStatus", &before);
    let row = coverage(&before);
    assert_eq!((&row["generation"], row["state"].as_str(), row["rows"].as_str()), (&1.into(), Some("live"), Some("5")), "{before}");
    assert_eq!((row["at"].as_str(), row["lag_positions"].as_str(), &row["progress_percent"]), (Some(&*end), Some("0"), &100.0.into()));

    let post = |path: &'static str| answer(place.http.post(place.url(path)));
    let (status, report) = post("/v1/views:verify").await;
    known("ViewsReport", &report);
    assert_eq!((status, report["at"].as_str(), &report["replaced"], &report["generation"]), (200, Some(&*end), &false.into(), &1.into()));
    let (status, report) = post("/v1/views:rebuild").await;
    assert_eq!((status, &report["replaced"], &report["generation"]), (200, &true.into(), &2.into()), "{report}");
    assert_eq!((report["differences_found"].as_str(), report["views"].as_array().unwrap().len()), (Some("0"), 6), "{report}");
    let (_, after) = place.get("/v1/views").await;
    assert_eq!((&coverage(&after)["generation"], &coverage(&after)["rows"]), (&2.into(), &row["rows"]));
    place.define("g-9", "九号网格", "GRID", "440802001001").await;
    place.settle().await;
    assert_eq!(coverage(&place.get("/v1/views").await.1)["rows"], "6", "the new generation goes on");
    let metrics = place.text("/metrics").await;
    assert!(metrics.contains("muster_views_progress_percent 100\n") && metrics.contains("muster_views_remaining_seconds 0\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_for_headquarters_of_the_whole_tree_alone() {
    let guarded = Guarded::new().await;
    let root = guarded.token("市指挥部", &["headquarters@everything"]);
    let asked =
        [(Method::GET, "/v1/records"), (Method::GET, "/v1/views"), (Method::POST, "/v1/views:verify"), (Method::POST, "/v1/views:rebuild")];
    for (method, path) in asked {
        for grant in ["headquarters@area:4408", "auditor@everything", "analyst@everything", "console@everything"] {
            let token = guarded.token("x", &[grant]);
            let refused = answer(guarded.request(method.clone(), &token, path).await).await;
            assert_eq!(code(&refused), (403, "role_may_not"), "{grant} {path}");
        }
        assert_eq!(code(&answer(guarded.place.http.request(method.clone(), guarded.place.url(path))).await), (401, "token_required"));
        let response = within(guarded.request(method, &root, path).await.send()).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
}

/// One at a time: whoever asks meanwhile is told so, and how to see how far it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_rebuild_while_one_runs_is_refused() {
    let place = Place::with_base().await;
    place.settle().await;
    let (mut refused, mut carried_out) = (Vec::new(), 0);
    // How long one takes is not for a test to say: it asks until two have met.
    while refused.is_empty() {
        let ask = |path: &'static str| answer(place.http.post(place.url(path)));
        let kinds = ["/v1/views:rebuild", "/v1/views:rebuild", "/v1/views:rebuild", "/v1/views:verify"];
        for (status, told) in within(futures::future::join_all(kinds.map(ask))).await {
            if status == 200 {
                carried_out += 1;
            } else {
                refused.push((status, told));
            }
        }
    }
    assert!(carried_out > 0);
    for refusal in &refused {
        assert_eq!(code(refusal), (409, "rebuild_under_way"));
        let words = (refusal.1["detail_zh"].as_str().unwrap(), refusal.1["detail_en"].as_str().unwrap());
        assert!(words.0.contains("正在重建或核对") && words.1.contains("already") && words.1.contains("GET /v1/views"), "{words:?}");
    }
    let (status, report) = answer(place.http.post(place.url("/v1/views:rebuild"))).await;
    assert_eq!((status, &report["replaced"]), (200, &true.into()), "and it is free again");
}
