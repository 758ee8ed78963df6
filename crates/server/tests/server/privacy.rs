//! Personal fields: nothing that leaves the process holds them in plain text, neither a file nor an answer.

use std::path::Path;

use serde_json::json;

use crate::common::{Place, within};

const SECRETS: [&str; 6] = ["欧阳清婉", "13912345678", "司徒远航", "13887654321", "上官若曦", "13700001111"];

fn assert_clean(what: &str, bytes: &[u8]) {
    for secret in SECRETS {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{what} holds a personal field in plain text");
    }
}

fn assert_files_clean(dir: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += assert_files_clean(&path);
        } else {
            assert_clean(&path.display().to_string(), &std::fs::read(&path).unwrap());
            files += 1;
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_and_no_file_holds_a_personal_field() {
    let mut place = Place::with_base().await;
    let person = |id: &str, name: &str, phone: &str| json!({"responder_id": id, "name": name, "phone": phone, "kind": "RESPONDER_KIND_MEMBER", "area_id": "440802001001", "organization_id": "o-1"});
    let mut told = Vec::new();
    let single = person("r-10", SECRETS[0], SECRETS[1]);
    for attempt in ["first", "again"] {
        let (status, answer) = place.send("EnrollResponder", "r-10", &single).await;
        assert_eq!(status, 200, "{attempt}: {answer}");
        told.push(answer.to_string());
    }
    let line = json!({"command": "EnrollResponder", "id": "r-11", "body": person("r-11", SECRETS[2], SECRETS[3])}).to_string();
    let response = within(place.http.post(place.url("/v1/commands:batch")).body(line).send()).await.unwrap();
    told.push(within(response.text()).await.unwrap());
    // Refused and malformed commands are no way out either.
    let mut other = person("r-10", SECRETS[4], SECRETS[5]);
    told.push(place.send("EnrollResponder", "r-10", &other).await.1.to_string());
    other["area_id"] = json!("9999");
    told.push(place.send("EnrollResponder", "r-12", &other).await.1.to_string());
    other["nickname"] = json!("x");
    told.push(place.send("EnrollResponder", "r-13", &other).await.1.to_string());
    other["name"] = json!([SECRETS[4]]);
    told.push(place.send("EnrollResponder", "r-14", &other).await.1.to_string());
    place.settle().await;
    let paths = [
        "/v1/events",
        "/v1/status",
        "/metrics",
        "/v1/views/coverage",
        "/v1/views/units",
        "/v1/views/sites",
        "/v1/views/whistles",
        "/v1/views/calls",
        "/v1/views/responders",
    ];
    for path in paths {
        told.push(place.text(path).await);
    }
    for text in &told {
        assert_clean(text, text.as_bytes());
    }
    assert!(told.iter().any(|text| text.contains("\"nonce\"")), "sealed fields are shown as such");
    assert_files_clean(place.folder.path());
    place.stop().await;
    assert!(assert_files_clean(place.folder.path()) > 5);
}
