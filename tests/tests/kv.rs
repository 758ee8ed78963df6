//! Live views in NATS KV by whole processes: servers and workers that are killed with SIGKILL while commands come in, a NATS that
//! is wiped. Every bucket ends as its view, and of all who publish one does at a time.

// The seed is printed so that a failure can be played again.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::Duration;

use muster_demo::script::{Unwatched, play};
use muster_demo::{City, Scale};
use muster_tests::buckets::wait_until_published;
use muster_tests::limits::MUSTER_STOP_MAX;
use muster_tests::nats::{NatsOptions, NatsServer, NatsVersion};
use muster_tests::process::{MusterOptions, MusterProcess, MusterServer, spawn_muster};
use muster_tests::stage::HttpStage;
use muster_tests::wait;

const SEED: u64 = 44_080;

async fn worker(nats: &NatsServer, data: &std::path::Path) -> MusterProcess {
    let data = data.to_string_lossy().into_owned();
    spawn_muster(&["worker", "--nats", &nats.url(), "--kv", "--data", &data]).await.unwrap()
}

/// The server publishes no view: two workers do, one of which is killed again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_killed_leave_every_bucket_as_its_view() {
    println!("seed {SEED}");
    let folder = tempfile::tempdir().unwrap();
    let nats = NatsServer::start(NatsOptions::default()).await.unwrap();
    let args = vec!["--kv=false".to_owned()];
    let options = MusterOptions { data_dir: folder.path().join("data"), nats: Some(nats.url()), args, ..Default::default() };
    let mut server = MusterServer::start(options).await.unwrap();
    let mut stage = HttpStage::new(server.url()).unwrap();
    let ledger = stage.ledger();
    let played = tokio::spawn(async move { play(&City::generate(SEED, Scale::Small), &mut stage, &mut Unwatched).await });
    let mut target = 0;
    for round in 0..4 {
        // Alone, and then beside another one that takes over.
        let mut first = worker(&nats, &folder.path().join("first")).await;
        let _second = if round % 2 == 1 { Some(worker(&nats, &folder.path().join("second")).await) } else { None };
        target = ledger.answered().max(target) + 150;
        let more = wait::until("more answers", Duration::from_secs(240), || {
            Ok((ledger.answered() >= target || played.is_finished()).then_some(()))
        });
        more.await.unwrap();
        first.child.kill9().unwrap();
    }
    played.await.unwrap().unwrap_or_else(|error| panic!("seed {SEED}: {error}"));
    let _last = worker(&nats, &folder.path().join("first")).await;
    wait_until_published(&server.url(), &nats.url()).await.unwrap();
    assert!(server.terminate(MUSTER_STOP_MAX).await.unwrap().success());
}

/// A server alone: it is killed in the middle, then its NATS is wiped.
async fn a_server_alone(version: NatsVersion) {
    let folder = tempfile::tempdir().unwrap();
    let mut nats = NatsServer::start(NatsOptions { version, ..Default::default() }).await.unwrap();
    let options = MusterOptions { data_dir: folder.path().join("data"), nats: Some(nats.url()), ..Default::default() };
    let mut server = MusterServer::start(options).await.unwrap();
    let mut stage = HttpStage::new(server.url()).unwrap();
    let ledger = stage.ledger();
    let played = tokio::spawn(async move { play(&City::generate(SEED + 1, Scale::Small), &mut stage, &mut Unwatched).await });
    let more = wait::until("answers", Duration::from_secs(240), || Ok((ledger.answered() >= 200).then_some(())));
    more.await.unwrap();
    server.restart().await.unwrap();
    played.await.unwrap().unwrap_or_else(|error| panic!("seed {SEED}: {error}"));
    wait_until_published(&server.url(), &nats.url()).await.unwrap();

    nats.kill9().unwrap();
    nats.wipe_storage().unwrap();
    nats.restart().await.unwrap();
    wait_until_published(&server.url(), &nats.url()).await.unwrap();

    let status: serde_json::Value = reqwest::get(format!("{}/v1/status", server.url())).await.unwrap().json().await.unwrap();
    let coverage = &status["kv"]["views"]["coverage"];
    assert_eq!((coverage["state"].as_str(), coverage["at"].as_str()), (Some("live"), status["views"]["at"].as_str()), "{status}");
    let metrics = reqwest::get(format!("{}/metrics", server.url())).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("muster_kv_lag_positions{view=\"coverage\"} 0"), "{metrics}");
    assert!(metrics.contains("muster_kv_state{view=\"whistles\",state=\"live\"} 1"), "{metrics}");
    assert!(server.terminate(MUSTER_STOP_MAX).await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_a_nats_that_is_wiped_end_with_every_row() {
    a_server_alone(NatsVersion::Current).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_oldest_supported_nats_too() {
    a_server_alone(NatsVersion::Oldest).await;
}
