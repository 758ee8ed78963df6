//! Whatever happens to NATS while commands come in, no commit waits for it and the stream ends as the log, byte for byte; and of
//! several servers on one stream only one log gets in.

// The seed is printed so that a failure can be played again.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::Path;
use std::time::Duration;

use muster_demo::script::{Unwatched, play};
use muster_demo::{City, Scale};
use muster_tests::harm::{Harm, do_harm};
use muster_tests::limits::MUSTER_STOP_MAX;
use muster_tests::nats::{NatsOptions, NatsServer};
use muster_tests::process::{MusterOptions, MusterServer};
use muster_tests::records::{all_records, check_log, check_stream, open_log, relay_status, wait_until_fenced, wait_until_relayed};
use muster_tests::stage::HttpStage;
use muster_tests::wait;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const SEED: u64 = 4_408;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_ends_as_the_log_whatever_happens_to_nats() {
    let mut dice = ChaCha8Rng::seed_from_u64(SEED);
    let mut harms = [Harm::Killed, Harm::Wiped, Harm::Purged, Harm::CutBack, Harm::Removed, Harm::Killed, Harm::Wiped];
    harms.shuffle(&mut dice);
    println!("seed {SEED}: {harms:?}");

    let folder = tempfile::tempdir().unwrap();
    let mut nats = NatsServer::start(NatsOptions::default()).await.unwrap();
    let options = MusterOptions { data_dir: folder.path().join("data"), nats: Some(nats.url()), ..Default::default() };
    let mut server = MusterServer::start(options).await.unwrap();
    let mut stage = HttpStage::new(server.url()).unwrap();
    let ledger = stage.ledger();
    let played = tokio::spawn(async move {
        let city = City::generate(SEED, Scale::Small);
        play(&city, &mut stage, &mut Unwatched).await
    });
    for harm in harms {
        let target = ledger.answered() + 60;
        let reached = wait::until("more answers", Duration::from_secs(240), || {
            Ok((ledger.answered() >= target || played.is_finished()).then_some(()))
        });
        reached.await.unwrap();
        do_harm(&mut nats, harm).await.unwrap();
    }
    played.await.unwrap().unwrap_or_else(|error| panic!("seed {SEED}: {error}"));

    wait_until_relayed(&server.url()).await.unwrap();
    assert!(server.terminate(MUSTER_STOP_MAX).await.unwrap().success());
    let log = open_log(&folder.path().join("data")).unwrap();
    let records = all_records(&log).unwrap();
    check_log(&records, &ledger).unwrap();
    assert_eq!(check_stream(&log, &nats.url()).await.unwrap(), records.len() as u64);
}

async fn define_area(server: &MusterServer, area_id: &str, parent_id: &str, level: &str) -> Value {
    let body = json!({"area_id": area_id, "name": area_id, "level": level, "parent_id": parent_id});
    let answer = reqwest::Client::new()
        .post(format!("{}/v1/commands/DefineArea", server.url()))
        .header("Idempotency-Key", format!("define-{area_id}"))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target)
        } else {
            assert!(std::fs::copy(entry.path(), target).is_ok());
        }
    }
}

async fn start(data_dir: &Path, nats: &NatsServer) -> MusterServer {
    let options = MusterOptions { data_dir: data_dir.to_owned(), nats: Some(nats.url()), ..Default::default() };
    MusterServer::start(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_on_a_copied_log_one_is_fenced_once_they_differ() {
    let folder = tempfile::tempdir().unwrap();
    let (first_dir, second_dir) = (folder.path().join("first"), folder.path().join("second"));
    let nats = NatsServer::start(NatsOptions::default()).await.unwrap();
    let mut first = start(&first_dir, &nats).await;
    define_area(&first, "4408", "", "AREA_LEVEL_CITY").await;
    wait_until_relayed(&first.url()).await.unwrap();
    assert!(first.terminate(MUSTER_STOP_MAX).await.unwrap().success());
    copy_folder(&first_dir, &second_dir);
    first.restart().await.unwrap();
    let mut second = start(&second_dir, &nats).await;
    // The same records: no harm.
    wait_until_relayed(&second.url()).await.unwrap();

    // Both go on, each its own way; the first one in keeps the stream.
    define_area(&first, "440802", "4408", "AREA_LEVEL_COUNTY").await;
    wait_until_relayed(&first.url()).await.unwrap();
    define_area(&second, "440803", "4408", "AREA_LEVEL_COUNTY").await;
    let reason = wait_until_fenced(&second.url()).await.unwrap();
    assert!(!reason.is_empty());
    define_area(&first, "440804", "4408", "AREA_LEVEL_COUNTY").await;
    wait_until_relayed(&first.url()).await.unwrap();
    // Fenced for good, and still taking commands.
    define_area(&second, "440811", "4408", "AREA_LEVEL_COUNTY").await;
    assert_eq!(relay_status(&second.url()).await.unwrap()["state"], "fenced");

    assert!(first.terminate(MUSTER_STOP_MAX).await.unwrap().success());
    assert!(second.terminate(MUSTER_STOP_MAX).await.unwrap().success());
    assert_eq!(check_stream(&open_log(&first_dir).unwrap(), &nats.url()).await.unwrap(), 3);
    assert!(check_stream(&open_log(&second_dir).unwrap(), &nats.url()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_another_log_is_fenced_at_once_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let nats = NatsServer::start(NatsOptions::default()).await.unwrap();
    let own_dir = folder.path().join("own");
    let mut own = start(&own_dir, &nats).await;
    define_area(&own, "4408", "", "AREA_LEVEL_CITY").await;
    wait_until_relayed(&own.url()).await.unwrap();
    let foreign = start(&folder.path().join("foreign"), &nats).await;
    define_area(&foreign, "4409", "", "AREA_LEVEL_CITY").await;
    let reason = wait_until_fenced(&foreign.url()).await.unwrap();
    assert!(!reason.is_empty());
    // Under load of the foreign one nothing of it gets in.
    for number in 0..50 {
        define_area(&foreign, &format!("foreign-{number}"), "4409", "AREA_LEVEL_COUNTY").await;
        define_area(&own, &format!("own-{number}"), "4408", "AREA_LEVEL_COUNTY").await;
    }
    wait_until_relayed(&own.url()).await.unwrap();
    assert!(own.terminate(MUSTER_STOP_MAX).await.unwrap().success());
    assert_eq!(check_stream(&open_log(&own_dir).unwrap(), &nats.url()).await.unwrap(), 51);
}
