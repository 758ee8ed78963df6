//! What answers to commands show of the events, and where persons are named in the log: never more than the caller's own grants reach.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Guarded, within};

fn office(area: &str) -> Value {
    json!({"actor_office": {"area_id": area}})
}

/// The base, a person of the other county, an incident of the city, and a call of r-1 to a site in the other county; the call's id.
async fn with_a_call_abroad() -> (Guarded, String, String) {
    let guarded = Guarded::new().await;
    let root = guarded.token("市", &["headquarters@everything", "organization_department@everything"]);
    let person =
        json!({"responder_id": "r-9", "name": "吴国华", "kind": "RESPONDER_KIND_MEMBER", "organization_id": "o-1", "area_id": "440803001"});
    guarded.done(&root, "EnrollResponder", "r-9", person).await;
    let incident = json!({"incident_id": "flood", "incident_type": "INCIDENT_TYPE_FLOOD", "name": "洪涝", "area_id": "4408",
        "severity": "SEVERITY_SEVERE", "context": office("4408")});
    guarded.done(&root, "DeclareIncident", "flood", incident).await;
    let site = json!({"site_id": "s-9", "incident_id": "flood", "kind": "SITE_KIND_CHECKPOINT", "name": "渡口", "area_id": "440803001",
        "seats": [{"seat_id": "1"}], "context": office("440803")});
    guarded.done(&guarded.token("霞山", &["headquarters@area:440803"]), "OpenSite", "s-9", site).await;
    let dispatch = json!({"responder_id": "r-1", "site_id": "s-9", "seat_id": "1",
        "context": {"actor_office": {"area_id": "4408"}, "basis": {"kind": "BASIS_KIND_TELEPHONE", "reference": "市指电〔2026〕3号"}}});
    let called = guarded.done(&root, "DispatchResponder", "dispatch", dispatch).await;
    let call_id = called["events"][0]["event"]["call_id"].as_str().unwrap().to_owned();
    assert_eq!(called["events"][0]["event"]["responder_id"], "r-1", "who reads everything is shown everything");
    guarded.place.settle().await;
    (guarded, root, call_id)
}

/// Each event of an answer is one that the log shows the caller too, and the same; but for what the command itself recorded, which is told without persons.
async fn is_no_more_than_the_log_shows(guarded: &Guarded, token: &str, answer: &Value) {
    let log = guarded.lines(token, "/v1/events").await;
    for event in answer["events"].as_array().unwrap() {
        match log.iter().find(|line| line["position"] == event["position"]) {
            Some(line) => assert_eq!(line, event),
            None => {
                assert!(event["origin"] == "ORIGIN_EXTERNAL" && event["actor"].is_null() && !event.to_string().contains("r-1"), "{event}")
            }
        }
    }
}

/// Two grants never add up: what an analyst reads of one area names nobody because of a township's grant for another one.
#[tokio::test(flavor = "multi_thread")]
async fn persons_are_named_in_events_only_where_a_grant_names_them() {
    let (guarded, _, _) = with_a_call_abroad().await;
    for grants in [["analyst@area:440803", "township@area:440802001"], ["analyst@everything", "township@area:440802001"]] {
        let token = guarded.token("兼任", &grants);
        let people = guarded.lines(&token, "/v1/events?type=ResponderEnrolled").await;
        assert_eq!(people.len(), 4);
        for event in &people {
            let named = event["area_path"]["township"] == "440802001";
            assert_eq!(event["event"]["responder_id"].is_string(), named, "{event}");
            assert_eq!((event["principal"].is_string(), event["event"]["name"].is_object()), (named, named), "{event}");
        }
        // An event that concerns both areas is one of the township's too.
        let calls = guarded.lines(&token, "/v1/events?type=ResponderCalled").await;
        let concerns = calls[0]["other_area_ids"].to_string().contains("440802001");
        assert_eq!(calls[0]["event"]["responder_id"].is_string(), concerns, "{}", calls[0]);
    }
    let both = guarded.token("两地", &["township@area:440803001", "township@area:440802001"]);
    assert!(guarded.lines(&both, "/v1/events?type=ResponderEnrolled").await.iter().all(|event| event["event"]["name"].is_object()));
    let none = guarded.token("分析", &["analyst@everything", "console@area:440802"]);
    assert!(!guarded.lines(&none, "/v1/events").await.iter().any(|event| event.to_string().contains("r-1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_no_events_is_told_what_became_of_the_own_command_alone() {
    let (guarded, _, call_id) = with_a_call_abroad().await;
    let person = guarded.token("", &["responder@responder:r-1"]);
    let accepted = guarded.done(&person, "AcceptCall", "accept", json!({"call_id": call_id})).await;
    let event = &accepted["events"][0];
    assert_eq!((&event["type"], &event["event"]["call_id"]), (&json!("CallAccepted"), &json!(call_id)));
    assert!(event["actor"].is_null() && event["principal"].is_null() && !event.to_string().contains("r-1"), "{event}");
    // Being ill gives up the duty, which the other county is told of: counted here, shown there.
    let ill = json!({"responder_id": "r-1", "availability": "AVAILABILITY_SICK"});
    let preview = guarded.done(&person, "SetAvailability?dry_run=true", "ill", ill.clone()).await;
    let line = json!({"command": "SetAvailability", "id": "ill", "body": ill}).to_string();
    let sent = within(guarded.request(Method::POST, &person, "/v1/commands:batch").await.body(line).send()).await.unwrap();
    let batch: Value = serde_json::from_str(&within(sent.text()).await.unwrap()).unwrap();
    for answer in [&preview, &batch["answer"]] {
        assert_eq!((&answer["counts"]["AvailabilitySet"], &answer["counts"]["DutyReleased"]), (&json!("1"), &json!("1")), "{answer}");
        let events = answer["events"].as_array().unwrap();
        assert_eq!(events.iter().map(|event| event["type"].as_str().unwrap()).collect::<Vec<_>>(), ["AvailabilitySet"], "{answer}");
        assert_eq!(events[0]["event"], json!({"availability": "AVAILABILITY_SICK"}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_shows_no_more_than_the_log() {
    let (guarded, root, _) = with_a_call_abroad().await;
    let township = guarded.token("中华街道", &["township@area:440802001"]);
    let withdraw = json!({"responder_id": "r-1", "reason": "调离", "context": office("440802001")});
    let answer = guarded.done(&township, "WithdrawResponder", "withdraw", withdraw).await;
    assert_eq!(answer["counts"]["DutyReleased"], "1");
    assert_eq!(answer["events"][0]["event"]["responder_id"], "r-1", "of its own area it is shown everything");
    is_no_more_than_the_log_shows(&guarded, &township, &answer).await;
    // Again: the same events, by the same rule.
    let again = guarded
        .done(&township, "WithdrawResponder", "withdraw", json!({"responder_id": "r-1", "reason": "调离", "context": office("440802001")}))
        .await;
    assert_eq!((&again["repeated"], &again["events"]), (&json!(true), &answer["events"]));
    let whistle = json!({"whistle_id": "w", "area_id": "440802001", "severity": "SEVERITY_SEVERE", "text": "三栋", "context": office("440802001"),
        "needs": [{"need_id": "n", "kind": "NEED_KIND_PERSON", "quantity": 1}]});
    let blown = guarded.done(&township, "BlowWhistle", "blow", whistle).await;
    is_no_more_than_the_log_shows(&guarded, &township, &blown).await;
    let fill = guarded.request(Method::POST, &township, "/v1/fill?area=440802001").await.header("Idempotency-Key", "fill");
    let (status, filled) = crate::common::answer(fill.json(&json!({"context": office("440802001")}))).await;
    assert_eq!((status, filled["proposal"]["lines"][0]["responder_id"].is_string()), (200, true), "{filled}");
    let moved = guarded.done(&root, "ReparentArea", "move", json!({"area_id": "440802001001", "parent_id": "440803001"})).await;
    is_no_more_than_the_log_shows(&guarded, &root, &moved).await;
}
