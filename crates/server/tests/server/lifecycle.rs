//! Start and stop: in order, with clear words where a start cannot be, and nothing lost.

use muster_engine::ClockSource;
use muster_server::startup::StartError;
use muster_server::wiring::{LOG_DIR, SERVER_FILE, Server, ServerOptions, VAULT_DIR, VIEWS_DIR};
use serde_json::{Value, json};

use crate::common::{Place, options, within};

/// Why a server on this folder does not start.
async fn start_error(options: ServerOptions) -> StartError {
    match Server::start(options).await {
        Ok(_) => panic!("the server started"),
        Err(error) => error,
    }
}

fn assert_words(error: &StartError, zh: &[&str], en: &[&str]) {
    let words = error.words();
    for (text, parts) in [(&words.zh, zh), (&words.en, en)] {
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() { copy(&path, &target) } else { assert!(std::fs::copy(&path, &target).is_ok()) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_what_it_took_and_a_start_goes_on() {
    let mut place = Place::with_base().await;
    let file: Value = serde_json::from_slice(&std::fs::read(place.folder.path().join(SERVER_FILE)).unwrap()).unwrap();
    assert_eq!(file, json!({"listen": place.server().addr.to_string(), "pid": std::process::id()}));
    let mut sse = place.sse("/v1/views/coverage/live", None).await;
    sse.snapshot().await;
    // Commands under way when the stop comes are answered: with success, or with word to try again.
    let (url, http) = (place.url("/v1/commands/DefineArea"), place.http.clone());
    let clients: Vec<_> = (0..32)
        .map(|at| {
            let (url, http) = (url.clone(), http.clone());
            tokio::spawn(async move {
                let body = json!({"area_id": format!("g-{at}"), "name": "网格", "level": "AREA_LEVEL_GRID", "parent_id": "440802001001"});
                let sent = http.post(url).header("Idempotency-Key", format!("g-{at}")).json(&body).send().await;
                sent.ok().map(|response| response.status().as_u16())
            })
        })
        .collect();
    within(place.stop()).await;
    assert_eq!(sse.next().await, None);
    assert!(!place.folder.path().join(SERVER_FILE).exists());
    let mut done = Vec::new();
    for (at, client) in clients.into_iter().enumerate() {
        match within(client).await.unwrap() {
            Some(200) => done.push(format!("actual/g-{at}")),
            Some(503) | None => {}
            Some(other) => panic!("{other}"),
        }
    }
    assert!(std::fs::read_dir(place.folder.path().join("state")).unwrap().next().is_some(), "the last snapshot is there");
    place.start().await.unwrap();
    place.settle().await;
    let mut sse = place.sse("/v1/views/coverage/live", None).await;
    let (rows, _) = sse.snapshot().await;
    for key in done {
        assert!(rows.contains_key(&key), "{key} was answered and is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_use_and_a_port_taken_are_said() {
    let place = Place::with_base().await;
    let error = start_error(options(place.folder.path())).await;
    assert_words(&error, &["正被另一个进程使用", "--data"], &["in use", "--data"]);
    let other = tempfile::tempdir().unwrap();
    let error = start_error(ServerOptions { listen: place.server().addr, ..options(other.path()) }).await;
    assert_words(&error, &["端口被占用", "--listen"], &["port is taken", "--listen"]);
    assert!(!other.path().join(LOG_DIR).exists(), "a port in use is said before anything is touched");
    // Neither has disturbed the server.
    place.define("g-1", "网格", "GRID", "440802001001").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_format_is_said_and_left_alone() {
    let mut place = Place::with_base().await;
    place.stop().await;
    for dir in [LOG_DIR, VAULT_DIR] {
        let path = place.folder.path().join(dir).join("format");
        let format = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format.replace('1', "99")).unwrap();
        let error = start_error(options(place.folder.path())).await;
        assert_words(&error, &["更新版本", "99", "升级"], &["newer", "99", "Upgrade"]);
        std::fs::write(&path, format).unwrap();
    }
    place.start().await.unwrap();
    place.define("g-1", "网格", "GRID", "440802001001").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_said_with_its_place() {
    let mut place = Place::with_base().await;
    place.stop().await;
    let manifest = std::fs::read_dir(place.folder.path().join(LOG_DIR).join("db")).unwrap();
    let manifest = manifest.map(|entry| entry.unwrap().path()).find(|path| path.to_string_lossy().contains("MANIFEST")).unwrap();
    std::fs::write(&manifest, b"this is no manifest, but it is as long as one could be").unwrap();
    let error = start_error(options(place.folder.path())).await;
    assert_words(&error, &["损坏", "备份", "doctor"], &["damaged", "backup", "doctor"]);
}

/// An older copy of the log is put back. What else is in the folder knows that it once went further.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_ends_before_what_is_known_of_it_is_not_taken() {
    let mut place = Place::with_base().await;
    place.stop().await;
    let (log, old) = (place.folder.path().join(LOG_DIR), place.folder.path().join("old"));
    copy(&log, &old);
    place.start().await.unwrap();
    place.define("g-1", "网格", "GRID", "440802001001").await;
    place.settle().await;
    place.stop().await;
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(&old, &log).unwrap();
    let error = start_error(options(place.folder.path())).await;
    assert_words(&error, &["缺失", "views", "--accept-loss"], &["missing", "views", "--accept-loss"]);
    std::fs::remove_dir_all(place.folder.path().join(VIEWS_DIR)).unwrap();
    let error = start_error(options(place.folder.path())).await;
    assert_words(&error, &["缺失", "--accept-loss"], &["missing", "--accept-loss"]);
    assert!(!place.folder.path().join(SERVER_FILE).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_behind_the_last_record_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let far_ahead_ms = 4_000_000_000_000;
    let server =
        Server::start(ServerOptions { clock: ClockSource::Manual { start_ms: far_ahead_ms }, ..options(folder.path()) }).await.unwrap();
    let request = reqwest::Client::new().post(format!("{}/v1/commands/DefineArea", server.url())).header("Idempotency-Key", "1");
    let response = request.json(&json!({"area_id": "4408", "name": "湛江市", "level": "AREA_LEVEL_CITY"})).send().await.unwrap();
    assert_eq!(response.status(), 200);
    server.shutdown().await;
    let error = start_error(options(folder.path())).await;
    assert_words(&error, &["时钟", "4000000000000", "doctor --accept-clock"], &["clock", "4000000000000", "doctor --accept-clock"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_leaves_the_folder_free() {
    let mut place = Place::with_base().await;
    place.stop().await;
    let key = place.folder.path().join(VAULT_DIR).join("master.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let error = start_error(options(place.folder.path())).await;
    assert_words(&error, &["主密钥", "master.key"], &["master key", "master.key"]);
    assert!(!place.folder.path().join(SERVER_FILE).exists());
    std::fs::write(&key, kept).unwrap();
    place.start().await.unwrap();
}
