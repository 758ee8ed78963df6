//! Who reads which rows and events: departments, persons and units their own, partners what an agreement opens.

use serde_json::{Value, json};

use crate::common::{Guarded, Sse, answer, code, within};
use reqwest::Method;

const OFFICE: &str = "440802001";

fn office() -> Value {
    json!({"actor_office": {"area_id": OFFICE}})
}

/// The base with a second organization whose only person is r-9, a unit tree of two, and calls to r-1 (unit `top/low`) and r-9 (no unit).
async fn with_calls() -> (Guarded, String) {
    let guarded = Guarded::new().await;
    let root = guarded.token("市", &["headquarters@everything", "organization_department@everything"]);
    let organization = json!({"organization_id": "o-2", "name": "水务局", "kind": "ORGANIZATION_KIND_DEPARTMENT", "area_id": "4408"});
    guarded.done(&root, "RegisterOrganization", "o-2", organization).await;
    let person = json!({"responder_id": "r-9", "name": "吴国华", "kind": "RESPONDER_KIND_MEMBER", "organization_id": "o-2", "area_id": "440802001001"});
    guarded.done(&root, "EnrollResponder", "r-9", person).await;
    let township = guarded.token("中华街道", &["township@area:440802001"]);
    let incident = json!({"incident_id": "flood", "incident_type": "INCIDENT_TYPE_FLOOD", "name": "洪涝", "area_id": OFFICE,
        "severity": "SEVERITY_SEVERE", "context": office()});
    guarded.done(&township, "DeclareIncident", "declare", incident).await;
    for site in ["s-1", "s-2"] {
        let body = json!({"site_id": site, "incident_id": "flood", "kind": "SITE_KIND_CHECKPOINT", "name": site, "area_id": "440802001001",
            "seats": [{"seat_id": "1"}, {"seat_id": "2"}], "context": office()});
        guarded.done(&township, "OpenSite", site, body).await;
    }
    for (unit, parent, site) in [("top", "", ""), ("low", "top", "s-1"), ("other", "", "s-2")] {
        let body = json!({"unit_id": unit, "incident_id": "flood", "kind": "UNIT_KIND_VANGUARD_TEAM", "name": unit, "parent_unit_id": parent,
            "area_id": "440802001001", "site_id": site, "context": office()});
        guarded.done(&township, "EstablishUnit", unit, body).await;
    }
    for (person, site, unit) in [("r-1", "s-1", "low"), ("r-9", "s-2", "other")] {
        let body = json!({"responder_id": person, "site_id": site, "seat_id": "1", "unit_id": unit, "context": office()});
        guarded.done(&township, "DispatchResponder", person, body).await;
    }
    guarded.place.settle().await;
    (guarded, root)
}

/// The ids of the rows that somebody is shown.
async fn shown(guarded: &Guarded, token: &str, path: &str, member: &str) -> Vec<String> {
    let (status, page) = guarded.get(token, path).await;
    assert_eq!(status, 200, "{path}: {page}");
    let rows = page["rows"].as_array().unwrap();
    rows.iter().map(|row| row[member].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_a_person_and_a_unit_see_their_own_rows() {
    let (guarded, _) = with_calls().await;
    for (grant, view, member, expected) in [
        ("department@organization:o-1", "responders", "responder_id", &["r-1", "r-2", "r-3"][..]),
        ("department@organization:o-1", "calls", "responder_id", &["r-1"]),
        ("department@organization:o-2", "calls", "responder_id", &["r-9"]),
        ("responder@responder:r-2", "responders", "responder_id", &["r-2"]),
        ("responder@responder:r-2", "calls", "responder_id", &[]),
        ("responder@responder:r-9", "calls", "responder_id", &["r-9"]),
        ("secretary@unit:top", "units", "unit_id", &["low", "top"]),
        ("organizer@unit:low", "units", "unit_id", &["low"]),
        ("secretary@unit:top", "calls", "responder_id", &["r-1"]),
        ("secretary@unit:other", "responders", "responder_id", &["r-9"]),
        ("secretary@unit:top", "sites", "site_id", &["s-1"]),
    ] {
        let token = guarded.token("x", &[grant]);
        assert_eq!(shown(&guarded, &token, &format!("/v1/views/{view}"), member).await, expected, "{grant} {view}");
        // Asking for an area narrows and never widens; as of an earlier place the same holds.
        let county = format!("/v1/views/{view}?area=440803");
        assert!(shown(&guarded, &token, &county, member).await.is_empty(), "{grant} {county}");
        let end = guarded.place.server().log.end().position;
        let as_of = format!("/v1/views/{view}?as_of={end}");
        assert_eq!(shown(&guarded, &token, &as_of, member).await, expected, "{grant} {as_of}");
    }
    for (grant, path, expected) in [
        ("department@organization:o-1", "/v1/views/units", "role_may_not"),
        ("department@organization:o-1", "/v1/events", "role_may_not"),
        ("responder@responder:r-1", "/v1/views/sites", "role_may_not"),
        ("secretary@unit:top", "/v1/views/coverage", "outside_scope"),
        ("secretary@unit:top", "/v1/views/whistles/live", "outside_scope"),
        ("secretary@unit:top", "/v1/events", "outside_scope"),
        ("analyst@everything", "/v1/views/calls", "role_may_not"),
        ("console@everything", "/v1/views/responders/live", "role_may_not"),
    ] {
        assert_eq!(code(&guarded.get(&guarded.token("x", &[grant]), path).await), (403, expected), "{grant} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_single_rows_have_no_hole_and_no_end_before_the_last() {
    let (guarded, _) = with_calls().await;
    let token = guarded.token("供电局", &["department@organization:o-1"]);
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    for _ in 0..3 {
        let (_, page) = guarded.get(&token, &format!("/v1/views/responders?limit=1&cursor={cursor}")).await;
        ids.extend(page["rows"].as_array().unwrap().iter().map(|row| row["responder_id"].as_str().unwrap().to_owned()));
        cursor = page["next_cursor"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!((ids, cursor), (vec!["r-1".to_owned(), "r-2".to_owned(), "r-3".to_owned()], String::new()));
}

async fn live(guarded: &Guarded, token: &str, path: &str) -> Sse {
    let request = guarded.request(Method::GET, token, path).await.header("Accept", "text/event-stream");
    Sse::open(within(request.send()).await.unwrap())
}

/// What is told of a live row: its kind and key.
async fn told(live: &mut Sse) -> (String, String) {
    let event = live.news().await;
    (event.kind, event.data["key"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_changes_hands_is_removed_for_one_and_new_for_the_other() {
    let (guarded, root) = with_calls().await;
    let [old, new] = ["o-1", "o-2"].map(|id| guarded.token(id, &[&format!("department@organization:{id}")]));
    let (mut left, mut joined) =
        (live(&guarded, &old, "/v1/views/responders/live").await, live(&guarded, &new, "/v1/views/responders/live").await);
    assert_eq!(left.snapshot().await.0.len(), 3);
    assert_eq!(joined.snapshot().await.0.keys().collect::<Vec<_>>(), ["actual/r-9"]);
    // A change of somebody else's row is told to nobody but its own.
    let leave = |person: &str| json!({"responder_id": person, "availability": "AVAILABILITY_SICK"});
    guarded.done(&root, "SetAvailability", "sick-9", json!({"responder_id": "r-9", "availability": "AVAILABILITY_SICK"})).await;
    assert_eq!(told(&mut joined).await, ("change".to_owned(), "actual/r-9".to_owned()));
    guarded.done(&root, "TransferResponder", "move", json!({"responder_id": "r-2", "organization_id": "o-2"})).await;
    assert_eq!(told(&mut left).await, ("remove".to_owned(), "actual/r-2".to_owned()));
    assert_eq!(told(&mut joined).await, ("change".to_owned(), "actual/r-2".to_owned()));
    guarded.done(&root, "SetAvailability", "sick-2", leave("r-2")).await;
    guarded.done(&root, "SetAvailability", "sick-3", leave("r-3")).await;
    assert_eq!(told(&mut left).await, ("change".to_owned(), "actual/r-3".to_owned()), "what left is not heard of again");
    // A unit that is formed below the own one while the stream is open belongs to it at once.
    let secretary = guarded.token("书记", &["secretary@unit:top"]);
    let mut units = live(&guarded, &secretary, "/v1/views/units/live").await;
    assert_eq!(units.snapshot().await.0.len(), 2);
    for (unit, parent) in [("stranger", "other"), ("late", "low")] {
        let body = json!({"unit_id": unit, "incident_id": "flood", "kind": "UNIT_KIND_VANGUARD_TEAM", "name": unit, "parent_unit_id": parent,
            "area_id": "440802001001", "context": office()});
        guarded.done(&guarded.token("t", &["township@area:440802001"]), "EstablishUnit", unit, body).await;
    }
    // The unit above has one subordinate more.
    let mut news = [told(&mut units).await.1, told(&mut units).await.1];
    news.sort();
    assert_eq!(news, ["actual/late", "actual/low"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_that_comes_back_goes_on_where_it_was() {
    let (guarded, root) = with_calls().await;
    let [own, other] = ["o-1", "o-2"].map(|id| guarded.token(id, &[&format!("department@organization:{id}")]));
    let mut stream = live(&guarded, &own, "/v1/views/responders/live").await;
    let (mut rows, id) = stream.snapshot().await;
    assert_eq!(rows.len(), 3);
    drop(stream);
    guarded.done(&root, "TransferResponder", "move", json!({"responder_id": "r-2", "organization_id": "o-2"})).await;
    guarded.done(&root, "SetAvailability", "sick", json!({"responder_id": "r-3", "availability": "AVAILABILITY_SICK"})).await;
    guarded.place.settle().await;
    let resume = async |token: &str, id: &str| {
        let request = guarded.request(Method::GET, token, "/v1/views/responders/live").await;
        let request = request.header("Accept", "text/event-stream").header("Last-Event-ID", id);
        Sse::open(within(request.send()).await.unwrap())
    };
    let mut stream = resume(&own, &id).await;
    let greeting = stream.next().await.unwrap();
    assert_eq!((greeting.kind.as_str(), greeting.id), ("heartbeat", Some(id.clone())), "it resumes without a snapshot");
    for _ in 0..2 {
        let event = stream.news().await;
        let key = event.data["key"].as_str().unwrap().to_owned();
        match event.kind.as_str() {
            "change" => drop(rows.insert(key, event.data["row"].clone())),
            "remove" => drop(rows.remove(&key)),
            _ => panic!("{event:?}"),
        }
    }
    assert_eq!(rows, live(&guarded, &own, "/v1/views/responders/live").await.snapshot().await.0);
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["actual/r-1", "actual/r-3"]);
    // A place is worth nothing to who saw other rows there, nor without saying which rows these were.
    let (place, _) = id.split_once('~').unwrap();
    for (token, id) in [(&other, id.as_str()), (&own, place)] {
        let mut stream = resume(token, id).await;
        assert_eq!(stream.next().await.unwrap().kind, "reset");
        assert_eq!(stream.snapshot().await.0.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_counts_sees_no_persons_and_no_free_text() {
    let (guarded, root) = with_calls().await;
    let appoint = json!({"unit_id": "low", "responder_id": "r-1", "document_no": "组〔2026〕1号", "context": office()});
    guarded.done(&root, "AppointSecretary", "appoint", appoint).await;
    guarded.place.settle().await;
    let analyst = guarded.token("分析", &["analyst@everything"]);
    let (_, page) = guarded.get(&analyst, "/v1/views/units").await;
    assert_eq!(page["rows"].as_array().unwrap().len(), 3);
    assert!(!page.to_string().contains("r-1"), "{page}");
    // A grant of somebody who leads opens persons in its own area and nowhere else.
    let both = guarded.token("兼任", &["analyst@everything", "township@area:440802001"]);
    assert!(guarded.get(&both, "/v1/views/units").await.1.to_string().contains("r-1"));
    let elsewhere = guarded.token("他处", &["analyst@everything", "township@area:440803001"]);
    assert!(!guarded.get(&elsewhere, "/v1/views/units").await.1.to_string().contains("r-1"));
}

/// Both counties have signed an agreement that shares coverage, sites, whistles and people.
async fn signed() -> (Guarded, [String; 2], String) {
    let guarded = Guarded::new().await;
    let root = guarded.token("市", &["headquarters@everything", "organization_department@everything"]);
    let counties = ["440802", "440803"].map(|id| guarded.token(id, &[&format!("headquarters@area:{id}")]));
    let party =
        json!({"organization_id": "party", "name": "区委组织部", "kind": "ORGANIZATION_KIND_PARTY_ORGANIZATION", "area_id": "440802"});
    guarded.done(&root, "RegisterOrganization", "party", party).await;
    for (county, token) in ["440802", "440803"].iter().zip(&counties) {
        let sign = json!({"agreement_id": "border", "name": "边界联建协议", "area_id": county, "sides": [{"area_id": "440802"}, {"area_id": "440803"}],
            "shared": ["AGREEMENT_SCOPE_COVERAGE", "AGREEMENT_SCOPE_SITES", "AGREEMENT_SCOPE_WHISTLES", "AGREEMENT_SCOPE_PEOPLE"],
            "joint_committee_name": "边界联合党委", "document_no": format!("{county}〔2026〕1号"), "context": {"actor_office": {"area_id": county}}});
        guarded.done(token, "SignAgreement", &format!("sign-{county}"), sign).await;
    }
    for (id, kind) in [("flood", "FLOOD"), ("fire", "FIRE")] {
        let incident = json!({"incident_id": id, "incident_type": format!("INCIDENT_TYPE_{kind}"), "name": id, "area_id": "4408",
            "severity": "SEVERITY_SEVERE", "context": {"actor_office": {"area_id": "4408"}}});
        guarded.done(&root, "DeclareIncident", id, incident).await;
        let site = json!({"site_id": format!("s-{id}"), "incident_id": id, "kind": "SITE_KIND_CHECKPOINT", "name": id, "area_id": "440803001",
            "seats": [{"seat_id": "1"}], "context": {"actor_office": {"area_id": "440803"}}});
        guarded.done(&counties[1], "OpenSite", &format!("s-{id}"), site).await;
    }
    guarded.place.settle().await;
    (guarded, counties, root)
}

async fn invoke(guarded: &Guarded, token: &str) {
    let invoke = json!({"agreement_id": "border", "incident_id": "flood", "unit_id": "joint", "superior_organization_id": "party",
        "approval_document_no": "组〔2026〕8号", "area_id": "440802", "context": {"actor_office": {"area_id": "440802"}}});
    guarded.done(token, "InvokeAgreement", "invoke", invoke).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_opens_the_partners_area_for_its_incident_while_it_is_invoked() {
    let (guarded, [county, partner], _) = signed().await;
    let sites = "/v1/views/sites?area=440803";
    for path in [sites, "/v1/views/coverage?area=440803001", "/v1/views/whistles/live?area=440803", "/v1/events?area=440803"] {
        assert_eq!(code(&guarded.get(&county, path).await), (403, "outside_scope"), "in force, and not invoked: {path}");
    }
    invoke(&guarded, &county).await;
    guarded.place.settle().await;
    assert_eq!(shown(&guarded, &county, sites, "site_id").await, ["s-flood"], "of the incident, and of no other");
    assert_eq!(shown(&guarded, &county, "/v1/views/coverage?area=440803", "area_id").await, ["440803", "440803001"]);
    for path in
        ["/v1/views/units?area=440803", "/v1/views/calls?area=440803", "/v1/views/responders?area=440803", "/v1/views/sites?area=4408"]
    {
        assert_eq!(code(&guarded.get(&county, path).await), (403, "outside_scope"), "{path}");
    }
    let opened = guarded.lines(&county, "/v1/events?type=SiteOpened").await;
    assert_eq!(opened.iter().map(|event| event["event"]["site_id"].as_str().unwrap()).collect::<Vec<_>>(), ["s-flood"]);
    assert!(opened[0]["actor"].is_null() && opened[0]["actor_office"].is_null(), "without persons: {}", opened[0]);
    // A whistle of the incident comes in live, another one does not; with the joint committee all of it ends.
    let mut whistles = live(&guarded, &county, "/v1/views/whistles/live?area=440803").await;
    assert!(whistles.snapshot().await.0.is_empty());
    for incident in ["fire", "flood"] {
        let whistle = json!({"whistle_id": format!("w-{incident}"), "incident_id": incident, "area_id": "440803001", "severity": "SEVERITY_SEVERE",
            "needs": [{"need_id": "n", "kind": "NEED_KIND_SUPPLY", "item": "沙袋", "quantity": 1}],
            "context": {"actor_office": {"area_id": "440803001"}}});
        guarded.done(&guarded.token("街道", &["township@area:440803001"]), "BlowWhistle", incident, whistle).await;
    }
    assert_eq!(told(&mut whistles).await, ("change".to_owned(), "actual/w-flood".to_owned()));
    let dissolve = json!({"unit_id": "joint", "context": {"actor_office": {"area_id": "440802"}}});
    guarded.done(&county, "DissolveUnit", "dissolve", dissolve).await;
    let acknowledge = json!({"whistle_id": "w-flood", "context": {"actor_office": {"area_id": "440803"},
        "basis": {"kind": "BASIS_KIND_TELEPHONE", "reference": "7"}}});
    guarded.done(&partner, "AcknowledgeWhistle", "acknowledge", acknowledge).await;
    // What was shown is void, and nothing more of the partner's is shown.
    assert_eq!(whistles.news().await.kind, "reset");
    let nothing = whistles.news().await;
    assert_eq!((nothing.kind.as_str(), &nothing.data["rows"], &nothing.id), ("snapshot", &json!([]), &None));
    assert_eq!(whistles.next().await, None);
    assert_eq!(code(&guarded.get(&county, sites).await), (403, "outside_scope"));
}

/// A moment in which nobody could say what agreements open once took the partner's events from a stream for good, without a word.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_rather_than_leaves_a_partner_out() {
    let (guarded, [county, _], root) = signed().await;
    invoke(&guarded, &county).await;
    guarded.place.settle().await;
    let mut events = live(&guarded, &county, "/v1/events?follow=true&type=SiteOpened,AreaDefined").await;
    while events.news().await.data["event"]["site_id"] != "s-flood" {}
    // The planner is held up, and has no room for another question.
    let (release, held) = std::sync::mpsc::sync_channel::<()>(1);
    let (begin, begun) = tokio::sync::oneshot::channel();
    let engine = &guarded.place.server().engine;
    let holding = engine.ask(move |_| begin.send(()).is_ok() && held.recv().is_ok());
    within(begun).await.unwrap();
    let waiting: Vec<_> = (0..100).map(|_| engine.ask(|_| ())).collect();
    let area = json!({"area_id": "440802009", "name": "新街道", "level": "AREA_LEVEL_TOWNSHIP", "parent_id": "440802"});
    guarded.done(&root, "DefineArea", "later", area).await;
    while let Some(event) = events.next().await {
        assert_ne!(event.data["event"]["area_id"], "440802009", "the stream ends, and the reader comes back for what follows");
    }
    release.send(()).unwrap();
    drop((holding, waiting));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_the_partner_are_called_while_the_agreement_is_invoked() {
    let (guarded, [county, partner], _) = signed().await;
    // r-1 is of county 440802; the site lies in 440803.
    let dispatch = json!({"responder_id": "r-1", "site_id": "s-flood", "seat_id": "1", "context": {"actor_office": {"area_id": "440803"},
        "basis": {"kind": "BASIS_KIND_DOCUMENT", "reference": "协议"}}});
    assert_eq!(code(&guarded.send(&partner, "DispatchResponder", "before", &dispatch).await), (403, "outside_scope"));
    invoke(&guarded, &county).await;
    let mut other = dispatch.clone();
    other["site_id"] = json!("s-fire");
    let refused = guarded.send(&partner, "DispatchResponder", "other", &other).await;
    assert_eq!(code(&refused), (403, "outside_scope"), "another incident is none of the agreement's: {refused:?}");
    let done = guarded.done(&partner, "DispatchResponder", "during", dispatch).await;
    assert_eq!(done["counts"]["ResponderCalled"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn planning_fill_and_reports_are_asked_for_within_the_own_scope() {
    let (guarded, root) = with_calls().await;
    let plan = json!({"plan_id": "p-1", "area_id": "440802001001", "incident_type": "INCIDENT_TYPE_OUTBREAK", "name": "预案",
        "sites": [{"site_key": "gate", "kind": "SITE_KIND_CHECKPOINT", "name": "东门", "area_id": "440802001001", "tier": "RESPONSE_LEVEL_III",
            "seats": [{"seat_key": "a"}]}], "context": office()});
    guarded.done(&guarded.token("t", &["township@area:440802001"]), "DraftPlan", "draft", plan).await;
    guarded
        .done(&guarded.token("t", &["township@area:440802001"]), "PublishPlan", "publish", json!({"plan_id": "p-1", "context": office()}))
        .await;
    let [own, foreign, console] =
        ["township@area:440802001", "township@area:440803001", "console@area:440802"].map(|grant| guarded.token("x", &[grant]));
    let rehearsal = "/v1/rehearsal?area=440802001001&incident_type=outbreak&response=I";
    for (path, console_may) in [(rehearsal, false), ("/v1/plans/p-1/lessons?incident=flood", false), ("/v1/incidents/flood/report", false)]
    {
        assert_eq!(code(&guarded.place.get(path).await), (401, "token_required"), "{path}");
        assert_eq!(code(&guarded.get(&foreign, path).await), (403, "outside_scope"), "{path}");
        assert_eq!(guarded.get(&console, path).await.0 == 200, console_may, "{path}");
        for token in [&own, &root] {
            let (status, problem) = guarded.get(token, path).await;
            assert!(status == 200 || (status == 409 || status == 422), "{path}: {status} {problem}");
            assert!(status != 401 && status != 403, "{path}: {problem}");
        }
    }
    let fill = async |token: Option<&str>, key: &str| {
        let request = guarded.place.http.post(guarded.place.url("/v1/fill?area=440802001")).header("Idempotency-Key", key);
        let request = token.map_or(request.try_clone().unwrap(), |token| request.bearer_auth(token));
        answer(request.json(&json!({"context": office()}))).await
    };
    assert_eq!(code(&fill(None, "1").await), (401, "token_required"));
    assert_eq!(fill(Some(&foreign), "1").await.0, 403);
    assert_eq!(code(&fill(Some(&console), "1").await), (403, "role_may_not"));
    assert_eq!(fill(Some(&own), "1").await.0, 200);
    let rehearse = json!({"plan_id": "p-1", "response": "RESPONSE_LEVEL_I"});
    assert_eq!(code(&guarded.send(&foreign, "RehearsePlan", "r", &rehearse).await), (403, "outside_scope"));
    assert_eq!(guarded.send(&own, "RehearsePlan", "r", &rehearse).await.0, 200);
    let next = json!({"plan_id": "p-1", "incident_id": "flood", "row_ids": ["x"]});
    assert_eq!(code(&guarded.send(&foreign, "DraftNextVersion", "n", &next).await), (403, "outside_scope"));
    // The nightly rehearsal is the server's own affair and passes no gate.
    let server = guarded.place.server();
    assert_eq!(within(muster_server::nightly::rehearse_all(&server.gateway, &server.engine, 20_000)).await.unwrap(), 1);
    let events = guarded.lines(&root, "/v1/events?type=PlanRehearsed").await;
    assert!(events.iter().any(|event| event["principal"] == muster_server::nightly::PRINCIPAL), "{events:?}");
}
