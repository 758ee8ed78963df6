//! Who may come in, and what they then see and do: over HTTP, against a running server.

use muster_server::access::{ACCESS_DIR, AccessOptions, TokenStore};
use muster_server::startup::StartError;
use muster_server::wiring::{Server, ServerOptions};
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Guarded, Sse, answer, code, options, within};

/// A far future, so that no test depends on the clock.
const NEVER: Option<i64> = None;

impl Guarded {
    /// A call to r-1 at a checkpoint of the village; its id.
    async fn call(&self, token: &str) -> String {
        let office = json!({"actor_office": {"area_id": "440802001"}});
        let incident = json!({"incident_id": "flood", "incident_type": "INCIDENT_TYPE_FLOOD", "name": "洪涝", "area_id": "440802001",
            "severity": "SEVERITY_SEVERE", "context": office});
        self.done(token, "DeclareIncident", "declare", incident).await;
        let site = json!({"site_id": "s-1", "incident_id": "flood", "kind": "SITE_KIND_CHECKPOINT", "name": "一号<卡口>", "area_id": "440802001001",
            "seats": [{"seat_id": "1"}, {"seat_id": "2"}], "context": office});
        self.done(token, "OpenSite", "open", site).await;
        let dispatch = json!({"responder_id": "r-1", "site_id": "s-1", "seat_id": "1", "context": office,
            "card": {"where": "东门岗亭", "report_to": "值班站长", "task": "查验<通行证>\n登记车辆", "bring": "雨衣 & \"手电\"", "until": "次日八时"}});
        let answer = self.done(token, "DispatchResponder", "dispatch", dispatch).await;
        answer["events"][0]["event"]["call_id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_token_closes_the_server() {
    let guarded = Guarded::new().await;
    assert_eq!(guarded.place.get("/v1/status").await.0, 200, "nobody has to prove anything before");
    let token = guarded.token("值班", &["headquarters@everything"]);
    for (path, open) in
        [("/healthz", true), ("/readyz", true), ("/", true), ("/openapi.json", false), ("/metrics", false), ("/v1/status", false)]
    {
        let response = within(guarded.place.http.get(guarded.place.url(path)).send()).await.unwrap();
        assert_eq!(response.status().as_u16(), if open { 200 } else { 401 }, "{path}");
        assert_eq!(response.headers().contains_key("www-authenticate"), !open, "{path}");
    }
    for path in ["/v1/views/coverage", "/v1/views/coverage/live", "/v1/events", "/v1/responders/r-1/contact"] {
        let refused = guarded.place.get(path).await;
        assert_eq!(code(&refused), (401, "token_required"), "{path}");
        assert!(refused.1["detail_zh"].as_str().unwrap().contains("muster token issue"));
        assert_eq!(code(&guarded.get("mt_0_0", path).await), (401, "token_unknown"), "{path}");
    }
    let body = json!({"area_id": "g-1", "name": "网格", "level": "AREA_LEVEL_GRID", "parent_id": "440802001001"});
    assert_eq!(code(&guarded.place.send("DefineArea", "g-1", &body).await), (401, "token_required"));
    assert_eq!(guarded.get(&token, "/v1/status").await.0, 200);
    let done = guarded.done(&token, "DefineArea", "g-1", body).await;
    assert_eq!(
        (done["events"][0]["actor"].as_str(), done["events"][0]["principal"].as_str().map(|id| &id[..6])),
        (Some("值班"), Some("token:"))
    );
    let named = guarded.request(Method::GET, &token, "/v1/status").await.header("Muster-Principal", "somebody");
    assert_eq!(code(&answer(named).await), (400, "principal_not_taken"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_server_listens_on_its_own_machine_only() {
    let folder = tempfile::tempdir().unwrap();
    let everywhere = || ServerOptions { listen: "0.0.0.0:0".parse().unwrap(), ..options(folder.path()) };
    let error = Server::start(everywhere()).await.err().expect("everybody could give orders");
    assert!(matches!(error, StartError::OpenToAll { .. }));
    let words = error.words();
    assert!(words.zh.contains("muster token issue") && words.zh.contains("--open") && words.en.contains("--open"));
    let behind_a_proxy = AccessOptions { open: true, ..AccessOptions::default() };
    within(Server::start(ServerOptions { access: behind_a_proxy, ..everywhere() })).await.unwrap().shutdown().await;
    TokenStore::new(folder.path().join(ACCESS_DIR)).issue("", vec!["auditor@everything".parse().unwrap()], 0, NEVER).unwrap();
    within(Server::start(everywhere())).await.unwrap().shutdown().await;
}

/// Deleting the file of tokens once opened a running server to everybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_its_tokens_lets_nobody_in_and_is_not_ready() {
    let mut guarded = Guarded::new().await;
    let token = guarded.token("值班", &["headquarters@everything"]);
    assert_eq!(guarded.get(&token, "/v1/status").await.0, 200);
    let dir = guarded.place.folder.path().join(ACCESS_DIR);
    std::fs::remove_file(dir.join("tokens.json")).unwrap();
    let lost = async |guarded: &Guarded, when: &str| {
        assert_eq!(code(&guarded.place.get("/v1/views/coverage").await), (503, "access_unreadable"), "{when}");
        assert_eq!(code(&guarded.get("mt_0_0", "/v1/events").await), (503, "access_unreadable"), "{when}");
        let ready = guarded.place.get("/readyz").await;
        assert_eq!(code(&ready), (503, "access_unreadable"), "{when}");
        assert!(ready.1["detail_zh"].as_str().unwrap().contains("tokens.json"));
        assert_eq!(guarded.place.get("/healthz").await.0, 200, "a restart would help nobody");
    };
    lost(&guarded, "while it runs").await;
    guarded.place.restart().await;
    lost(&guarded, "after a restart").await;
    let token = guarded.token("值班", &["headquarters@everything"]);
    assert_eq!((guarded.get(&token, "/v1/status").await.0, guarded.place.get("/readyz").await.0), (200, 200), "issued anew");
    // A process that was closed stays closed, though the whole folder is taken away or emptied.
    std::fs::remove_dir_all(&dir).unwrap();
    lost(&guarded, "without the folder").await;
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("tokens.json"), "{\"version\":1,\"tokens\":[]}").unwrap();
    assert_eq!(code(&guarded.place.get("/v1/status").await), (401, "token_required"));
}

/// An open server makes links, whose secret lies beside the tokens, and stays open.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_an_open_server_does_not_close_it() {
    let guarded = Guarded::new().await;
    let office = json!({"actor_office": {"area_id": "440802001"}});
    let incident = json!({"incident_id": "flood", "incident_type": "INCIDENT_TYPE_FLOOD", "name": "洪涝", "area_id": "440802001", "severity": "SEVERITY_SEVERE", "context": office});
    guarded.place.done("DeclareIncident", "declare", incident).await;
    let site = json!({"site_id": "s-1", "incident_id": "flood", "kind": "SITE_KIND_CHECKPOINT", "name": "卡口", "area_id": "440802001001", "seats": [{"seat_id": "1"}], "context": office});
    guarded.place.done("OpenSite", "open", site).await;
    let called = guarded
        .place
        .done("DispatchResponder", "call", json!({"responder_id": "r-1", "site_id": "s-1", "seat_id": "1", "context": office}))
        .await;
    let ask = json!({"call_id": called["events"][0]["event"]["call_id"]});
    assert_eq!(answer(guarded.place.http.post(guarded.place.url("/v1/links")).json(&ask)).await.0, 200);
    assert_eq!((guarded.place.get("/v1/status").await.0, guarded.place.get("/readyz").await.0), (200, 200));
    assert!(guarded.tokens.is_open().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_stay_in_their_scope() {
    let guarded = Guarded::new().await;
    let township = guarded.token("中华街道", &["township@area:440802001"]);
    let console = guarded.token("大屏", &["console@area:440802"]);
    let county = guarded.token("区指挥部", &["headquarters@area:440802"]);
    let before = guarded.place.server().log.end();
    let whistle = |id: &str, area: &str, office: &str| {
        json!({"whistle_id": id, "area_id": area, "severity": "SEVERITY_SEVERE", "context": {"actor_office": {"area_id": office}},
            "needs": [{"need_id": "n", "kind": "NEED_KIND_SUPPLY", "item": "沙袋", "quantity": 10}]})
    };
    let foreign = guarded.send(&township, "BlowWhistle", "1", &whistle("w-1", "440803001", "440802001")).await;
    assert_eq!(code(&foreign), (403, "outside_scope"));
    assert!(foreign.1["detail_zh"].as_str().unwrap().contains("440803001"));
    let above = guarded.send(&township, "BlowWhistle", "1", &whistle("w-1", "440802", "440802001")).await;
    assert_eq!(code(&above), (403, "outside_scope"));
    let claimed = guarded.send(&township, "BlowWhistle", "1", &whistle("w-1", "440802001", "440802")).await;
    assert_eq!((code(&claimed), claimed.1["field"].as_str()), ((403, "office_not_held"), Some("context.actor_office")));
    assert_eq!(code(&guarded.send(&console, "BlowWhistle", "1", &whistle("w-1", "440802001", "440802001")).await), (403, "role_may_not"));
    let mut other = whistle("w-1", "440802001", "440802001");
    other["context"]["actor"] = json!("别人");
    assert_eq!(code(&guarded.send(&township, "BlowWhistle", "1", &other).await), (403, "actor_not_self"));
    let preview = "BlowWhistle?dry_run=true";
    assert_eq!(code(&guarded.send(&township, preview, "1", &whistle("w-1", "440803001", "440802001")).await), (403, "outside_scope"));
    assert_eq!(guarded.place.server().log.end(), before, "a refusal stores nothing");
    // The key of a refused command is free.
    assert_eq!(guarded.send(&township, preview, "1", &whistle("w-1", "440802001", "440802001")).await.0, 200);
    guarded.done(&township, "BlowWhistle", "1", whistle("w-1", "440802001", "440802001")).await;
    // The one above can, and over the head of the street only with a ground.
    let mut resolve = json!({"whistle_id": "w-1", "context": {"actor_office": {"area_id": "440802"}}});
    let refused = guarded.send(&county, "WithdrawWhistle", "2", &resolve).await;
    assert_eq!((code(&refused), refused.1["field"].as_str()), ((403, "ground_required"), Some("context.basis")));
    resolve["context"]["basis"] = json!({"kind": "BASIS_KIND_TELEPHONE", "reference": "区指电〔2026〕7号"});
    guarded.done(&county, "WithdrawWhistle", "2", resolve).await;
}

/// A person once could be pulled into any township by naming it as their new community.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_entered_as_of_another_community_but_by_who_leads_both_or_by_themselves() {
    let guarded = Guarded::new().await;
    let before = guarded.place.server().log.end();
    let moved = json!({"responder_id": "r-1", "area_id": "440803001"});
    for grant in ["township@area:440803001", "community@area:440803001", "headquarters@area:440803", "organization_department@area:440803"]
    {
        let refused = guarded.send(&guarded.token("海滨街道", &[grant]), "ReportToCommunity", "pull", &moved).await;
        assert_eq!(code(&refused), (403, "outside_scope"), "{grant}");
        assert!(refused.1["detail_zh"].as_str().unwrap().contains("440802001001"), "{refused:?}");
    }
    assert_eq!(guarded.place.server().log.end(), before);
    guarded.done(&guarded.token("本人", &["responder@responder:r-1"]), "ReportToCommunity", "self", moved.clone()).await;
    let back = json!({"responder_id": "r-1", "area_id": "440802001001"});
    guarded.done(&guarded.token("市", &["organization_department@area:4408"]), "ReportToCommunity", "back", back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_checked_line_by_line() {
    let guarded = Guarded::new().await;
    let person = guarded.token("", &["responder@responder:r-1"]);
    let line = |id: &str, who: &str| {
        let body = json!({"responder_id": who, "availability": "AVAILABILITY_SICK"});
        json!({"command": "SetAvailability", "id": id, "body": body}).to_string()
    };
    let body = [line("1", "r-1"), line("2", "r-2"), line("3", "r-1")].join("\n");
    let sent = within(guarded.request(Method::POST, &person, "/v1/commands:batch").await.body(body).send()).await.unwrap();
    let text = within(sent.text()).await.unwrap();
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let statuses: Vec<_> = answers.iter().map(|answer| answer["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 403, 200], "{text}");
    assert_eq!(answers[1]["problem"]["code"], "outside_scope");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_events_of_others_are_never_shown() {
    let guarded = Guarded::new().await;
    let township = guarded.token("中华街道", &["township@area:440802001"]);
    let two = guarded.token("两街", &["township@area:440802001", "township@area:440803001"]);
    let person = guarded.token("", &["responder@responder:r-1"]);
    let analyst = guarded.token("分析", &["analyst@everything"]);
    let (status, page) = guarded.get(&township, "/v1/views/coverage").await;
    let areas: Vec<_> = page["rows"].as_array().unwrap().iter().map(|row| row["area_id"].as_str().unwrap()).collect();
    assert_eq!((status, areas, page["area"].as_str()), (200, vec!["440802001", "440802001001"], Some("440802001")));
    assert_eq!(guarded.get(&township, "/v1/views/coverage?area=440802001001").await.1["rows"].as_array().unwrap().len(), 1);
    for area in ["4408", "440802", "440803001"] {
        for path in
            [format!("/v1/views/coverage?area={area}"), format!("/v1/views/sites/live?area={area}"), format!("/v1/events?area={area}")]
        {
            let refused = guarded.get(&township, &path).await;
            assert_eq!((code(&refused), refused.1["field"].as_str()), ((403, "outside_scope"), Some("area")), "{path}");
        }
        let as_of = guarded.get(&township, &format!("/v1/views/coverage?area={area}&as_of=5")).await;
        assert_eq!(code(&as_of), (403, "outside_scope"), "as of an earlier place, {area}");
    }
    assert_eq!(code(&guarded.get(&two, "/v1/views/coverage").await), (400, "area_required"));
    assert_eq!(guarded.get(&two, "/v1/views/coverage?area=440803001").await.0, 200);
    for path in ["/v1/views/coverage", "/v1/events", "/v1/status", "/metrics"] {
        assert_eq!(code(&guarded.get(&person, path).await), (403, "role_may_not"), "{path}");
    }
    let seen = guarded.lines(&township, "/v1/events").await;
    let types: Vec<_> = seen.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["AreaDefined", "AreaDefined", "ResponderEnrolled", "ResponderEnrolled", "ResponderEnrolled"]);
    assert!(seen.iter().all(|event| event["area_path"]["township"] == "440802001"));
    let counted = guarded.lines(&analyst, "/v1/events?type=ResponderEnrolled").await;
    assert_eq!(counted.len(), 3);
    for event in counted {
        assert!(event["actor"].is_null() && event["principal"].is_null() && event["event"]["name"].is_null(), "{event}");
        assert!(event["event"]["responder_id"].is_null(), "nor whom it is about: {event}");
        assert_eq!(event["event"]["organization_id"], "o-1");
    }
    assert!(seen[2]["event"]["name"]["key_id"].is_string(), "sealed, and there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_leaves_the_scope_is_removed_and_a_revoked_token_sees_nothing_more() {
    let guarded = Guarded::new().await;
    let root = guarded.token("市指挥部", &["headquarters@everything"]);
    let (county, record) = {
        let grants = vec!["headquarters@area:440802".parse().unwrap()];
        guarded.tokens.issue("区指挥部", grants, 0, NEVER).unwrap()
    };
    // The area asked for is itself moved out of the county: its rows leave the scope although they stay in the area.
    let open = |path: &'static str| guarded.request(Method::GET, &county, path);
    let live = open("/v1/views/coverage/live?area=440802001").await.header("Accept", "text/event-stream").send();
    let mut live = Sse::open(within(live).await.unwrap());
    let events = open("/v1/events?follow=true&from=999999").await.header("Accept", "text/event-stream").send();
    assert_eq!(within(events).await.unwrap().status(), 404, "a place that is not there yet");
    let (rows, _) = live.snapshot().await;
    assert_eq!(rows.len(), 2);
    let moved = json!({"area_id": "440802001", "parent_id": "440803"});
    guarded.done(&root, "ReparentArea", "move", moved).await;
    let mut gone = [live.news().await, live.news().await].map(|event| (event.kind, event.data["key"].as_str().unwrap().to_owned()));
    gone.sort();
    assert_eq!(
        gone,
        [("remove", "actual/440802001"), ("remove", "actual/440802001001")].map(|(kind, key)| (kind.to_owned(), key.to_owned()))
    );
    assert_eq!(code(&guarded.get(&county, "/v1/views/coverage?area=440802001").await), (403, "outside_scope"));
    guarded.tokens.revoke(&record.id, 1).unwrap();
    assert_eq!(code(&guarded.get(&county, "/v1/views/coverage").await), (401, "token_revoked"));
    while let Some(event) = live.next().await {
        assert_eq!(event.kind, "heartbeat", "the stream ends, and shows nothing before it does");
    }
    assert_eq!(guarded.get(&root, "/v1/status").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_for_those_who_lead() {
    let guarded = Guarded::new().await;
    let token = |grant: &str| guarded.token("x", &[grant]);
    let path = "/v1/responders/r-1/contact";
    for grant in ["township@area:440802001", "community@area:440802001001", "department@organization:o-1", "responder@responder:r-1"] {
        let (status, contact) = guarded.get(&token(grant), path).await;
        assert_eq!((status, contact["name"].as_str(), contact["phone"].as_str()), (200, Some("陈秀英"), Some("")), "{grant}");
    }
    for (grant, expected) in [
        ("township@area:440803001", "outside_scope"),
        ("department@organization:o-2", "outside_scope"),
        ("responder@responder:r-2", "outside_scope"),
        ("auditor@everything", "role_may_not"),
        ("analyst@everything", "role_may_not"),
        ("console@everything", "role_may_not"),
    ] {
        let refused = guarded.get(&token(grant), path).await;
        assert_eq!(code(&refused), (403, expected), "{grant}");
        assert!(!refused.1.to_string().contains("陈秀英"));
    }
    let root = token("headquarters@everything");
    assert_eq!(code(&guarded.get(&root, "/v1/responders/nobody/contact").await), (404, "unknown_responder"));
    guarded.place.server().vault.erase("r-1").unwrap();
    assert_eq!(guarded.get(&root, path).await.1["name"], Value::Null, "erased for good");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_answers_once_without_an_account() {
    let mut guarded = Guarded::new().await;
    let township = guarded.token("中华街道", &["township@area:440802001"]);
    let other = guarded.token("海滨街道", &["township@area:440803001"]);
    let call_id = guarded.call(&township).await;
    let ask = json!({"call_id": call_id});
    let foreign = answer(guarded.request(Method::POST, &other, "/v1/links").await.json(&ask)).await;
    assert_eq!(code(&foreign), (403, "outside_scope"));
    let unknown = answer(guarded.request(Method::POST, &township, "/v1/links").await.json(&json!({"call_id": "c99"}))).await;
    assert_eq!(unknown.0, 403, "what is not there lies in nobody's scope");
    let long =
        answer(guarded.request(Method::POST, &township, "/v1/links").await.json(&json!({"call_id": call_id, "ttl_s": 9_999_999}))).await;
    assert_eq!((code(&long), long.1["field"].as_str()), ((400, "bad_parameter"), Some("ttl_s")));
    let (status, link) = answer(guarded.request(Method::POST, &township, "/v1/links").await.json(&ask)).await;
    assert_eq!((status, link["responder_id"].as_str()), (200, Some("r-1")), "{link}");
    let path = link["url"].as_str().unwrap().to_owned();
    // The page waits for the views itself.
    let page = guarded.place.text(&path).await;
    // 岗位说明书, Chinese first, whole and as text.
    let card = [
        ("到哪里 · Where", "东门岗亭"),
        ("找谁报到 · Report to", "值班站长"),
        ("做什么 · What to do", "查验&lt;通行证&gt;\n登记车辆"),
        ("带什么 · What to bring", "雨衣 &amp; &quot;手电&quot;"),
        ("到何时 · Until when", "次日八时"),
    ];
    let lines: String = card.iter().map(|(term, text)| format!("<dt>{term}</dt><dd>{text}</dd>")).collect();
    assert!(page.contains(&format!("<h2>岗位说明书 · Your post</h2><dl>{lines}</dl>")), "{page}");
    assert!(
        page.contains("征调通知") && page.contains("一号&lt;卡口&gt;") && page.contains("光复社区") && page.contains("Accept"),
        "{page}"
    );
    assert!(!page.contains("陈秀英"));
    let say = |said: &str| guarded.place.http.post(guarded.place.url(&path)).json(&json!({"answer": said}));
    assert_eq!(code(&answer(say("perhaps")).await), (400, "bad_answer"));
    assert_eq!(answer(say("acknowledge")).await.0, 200);
    assert_eq!(answer(say("accept")).await, (200, json!({"call_id": call_id, "answer": "accept"})));
    let end = guarded.place.server().log.end();
    assert_eq!(answer(say("accept")).await.0, 200, "the same answer again is answered the same");
    assert_eq!(code(&answer(say("decline")).await), (409, "link_used"));
    assert_eq!(guarded.place.server().log.end(), end);
    let accepted = guarded.lines(&township, "/v1/events?type=CallAccepted").await;
    assert_eq!(
        (accepted.len(), accepted[0]["actor"].as_str(), accepted[0]["principal"].as_str()),
        (1, Some("r-1"), Some(format!("link:{call_id}").as_str()))
    );
    // As a person does it: a form, a page back.
    let form = guarded.place.http.post(guarded.place.url(&path)).header("Accept", "text/html");
    let form = form.header("Content-Type", "application/x-www-form-urlencoded").body("answer=accept").send();
    let form = within(form).await.unwrap();
    assert_eq!((form.status().as_u16(), form.headers()["content-type"].to_str().unwrap()), (200, "text/html; charset=utf-8"));
    assert!(form.text().await.unwrap().contains("已接受"));
    // Forged, and after a restart.
    let mut forged = path.clone().into_bytes();
    let at = forged.len() - 3;
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    assert_eq!(code(&guarded.place.get(&forged).await), (404, "link_invalid"));
    assert_eq!(
        code(&answer(guarded.place.http.post(guarded.place.url(&forged)).json(&json!({"answer": "accept"}))).await),
        (404, "link_invalid")
    );
    guarded.place.restart().await;
    let again = guarded.place.http.post(guarded.place.url(&path)).json(&json!({"answer": "decline"}));
    assert_eq!(code(&answer(again).await), (409, "link_used"), "a restart forgets nothing");
    let short = muster_server::access::Links::new(guarded.place.folder.path().join(ACCESS_DIR)).make(&call_id, "r-1", 1).unwrap().1;
    let expired = guarded.place.http.get(guarded.place.url(&format!("/answer/{short}")));
    assert_eq!(code(&answer(expired).await), (410, "link_expired"));
}
