//! The document and the running server agree; health, readiness, metrics and status say what is.

use std::collections::BTreeSet;

use muster_proto::COMMAND_NAMES;
use muster_server::config::Nats;
use muster_server::http::ROUTES;
use muster_server::wiring::{Server, ServerOptions};
use serde_json::Value;

use crate::common::{Place, options, within};

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_document_answers_and_every_route_is_in_it() {
    let place = Place::new().await;
    let (status, document) = place.get("/openapi.json").await;
    assert_eq!((status, document["openapi"].as_str()), (200, Some("3.1.0")));
    let documented: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())))
        .collect();
    let expected: BTreeSet<(String, String)> = ROUTES
        .iter()
        .flat_map(|(method, path)| match *path {
            "/v1/commands/{name}" => {
                COMMAND_NAMES.iter().map(|(_, name, _)| ((*method).to_owned(), format!("/v1/commands/{name}"))).collect()
            }
            path => vec![((*method).to_owned(), path.to_owned())],
        })
        .collect();
    assert_eq!(documented, expected);
    for (method, path) in documented {
        let path = path.replace("{name}", "units").replace("{plan_id}", "p-1");
        let request = match method.as_str() {
            // A command without a key reaches its handler, and goes no further.
            "POST" => place.http.post(place.url(&path)).body("{}"),
            _ => place.http.get(place.url(&path)),
        };
        let response = within(request.send()).await.unwrap();
        let status = response.status().as_u16();
        let expected = match path.as_str() {
            // What needs parameters says so from its handler.
            path if ["/v1/commands/", "/v1/rehearsal", "/v1/plans/"].iter().any(|start| path.starts_with(start)) => 400,
            // Without the first moment.
            path if path.ends_with("/compare") => 400,
            // Without the call they are for.
            "/v1/links" | "/v1/fill" => 400,
            // There is no such message and no such channel.
            path if path.starts_with("/v1/deliveries/") && method == "POST" => 404,
            // Nobody is called like a placeholder.
            "/answer/{token}" | "/v1/responders/{responder_id}/contact" => 404,
            // The log is empty: there is no incident.
            "/v1/incidents/{id}/report" => 404,
            _ => 200,
        };
        assert_eq!(status, expected, "{method} {path}");
    }
    assert_eq!(place.server().log.end().position.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_back_has_the_members_that_the_document_promises() {
    let place = Place::with_base().await;
    place.settle().await;
    let (_, document) = place.get("/openapi.json").await;
    let properties = |schema: &str| document["components"]["schemas"][schema]["properties"].as_object().unwrap().clone();
    let known = |schema: &str, value: &Value| {
        let properties = properties(schema);
        for (member, _) in value.as_object().unwrap() {
            assert!(properties.contains_key(member), "{schema} has no {member}");
        }
    };
    let answer = place.define("g-1", "网格", "GRID", "440802001001").await;
    known("Answer", &answer);
    known("Event", &answer["events"][0]);
    known("AreaDefined", &answer["events"][0]["event"]);
    let (_, page) = place.get("/v1/views/coverage?limit=1").await;
    known("ViewPage", &page);
    known("CoverageRow", &page["rows"][0]);
    let (_, page) = place.get("/v1/views/responders?limit=1").await;
    known("ResponderRow", &page["rows"][0]);
    let incident = serde_json::json!({
        "incident_id": "drill-flood", "incident_type": "INCIDENT_TYPE_FLOOD", "name": "防汛演练", "area_id": "4408", "realm": "drill",
        "severity": "SEVERITY_MINOR", "context": {"actor": "p-1", "actor_office": {"area_id": "4408"}},
    });
    place.done("DeclareIncident", "declare-drill", incident).await;
    let (status, report) = place.get("/v1/incidents/drill-flood/report").await;
    known("IncidentReport", &report);
    assert_eq!((status, &report["exercise"], report["realm"].as_str()), (200, &Value::Bool(true), Some("drill")));
    let (status, problem) = place.get("/v1/incidents/nothing/report").await;
    assert_eq!((status, problem["code"].as_str(), problem["field"].as_str()), (404, Some("unknown_incident"), Some("incident_id")));
    let (_, problem) = place.get("/v1/views/roster").await;
    known("Problem", &problem);
    let (_, status) = place.get("/v1/status").await;
    known("Status", &status);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_move_with_what_happens() {
    let place = Place::with_base().await;
    let _ = place.send("DefineArea", "x", &serde_json::json!({"nonsense": 1})).await;
    place.settle().await;
    let _sse = place.sse("/v1/views/units/live", None).await;
    let end = place.server().log.end().position.0;
    let text = place.text("/metrics").await;
    for line in [
        "muster_commands_total{command=\"DefineArea\",outcome=\"done\"} 5".to_owned(),
        "muster_commands_total{command=\"DefineArea\",outcome=\"malformed\"} 1".to_owned(),
        format!("muster_log_watermark {end}"),
        format!("muster_views_position {end}"),
        "muster_views_lag_positions 0".to_owned(),
        "muster_log_running 1".to_owned(),
        "muster_streams_open{kind=\"units\"} 1".to_owned(),
        "muster_vault_keys 3".to_owned(),
        "muster_command_seconds_count 9".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let (_, status) = place.get("/v1/status").await;
    assert_eq!(status["ready"], true);
    assert_eq!(status["log"]["at"], format!("1.{end}"));
    assert_eq!(status["views"]["at"], format!("1.{end}"));
    assert_eq!(status["relay"]["state"], "off");
    assert_eq!(place.text("/healthz").await, "ok\n");
    assert_eq!(place.text("/readyz").await, "ready\n");
    let page = place.text("/").await;
    assert!(page.starts_with("<!doctype html>"));
    for outside in ["src=\"", "@import", "url(", "<link rel=\"stylesheet"] {
        assert!(!page.contains(outside), "the page loads something from elsewhere: {outside}");
    }
}

/// Commits never depend on NATS: without a server the relay says so, and everything else goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_a_server_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago, and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nats = Nats::Url(format!("nats://127.0.0.1:{port}"));
    let server = Server::start(ServerOptions { nats, ..options(folder.path()) }).await.unwrap();
    let http = reqwest::Client::new();
    let mut relay = server.relay.as_ref().unwrap().status();
    within(relay.wait_for(|status| status.state.name() == "unreachable")).await.unwrap();
    let status: Value = http.get(format!("{}/v1/status", server.url())).send().await.unwrap().json().await.unwrap();
    assert_eq!((status["ready"].clone(), status["relay"]["state"].clone()), (true.into(), "unreachable".into()));
    assert!(status["relay"]["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    for path in ["/healthz", "/readyz"] {
        assert_eq!(http.get(format!("{}{path}", server.url())).send().await.unwrap().status(), 200);
    }
    within(server.shutdown()).await;
}
