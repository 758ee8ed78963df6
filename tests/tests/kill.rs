//! The server is killed with SIGKILL at random moments of the demo, while clients retry by command id. Every acknowledged
//! command must be in the log once, none twice, without a gap, and the stream must be the log.

// The seed is printed so that a failure can be played again.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::Duration;

use muster_demo::script::{Unwatched, play};
use muster_demo::{City, Scale};
use muster_tests::limits::MUSTER_STOP_MAX;
use muster_tests::nats::{NatsOptions, NatsServer};
use muster_tests::process::{MusterOptions, MusterServer};
use muster_tests::records::{all_records, check_log, check_stream, open_log, wait_until_relayed};
use muster_tests::stage::HttpStage;
use muster_tests::wait;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const KILLS: usize = 25;
const SEED: u64 = 20_261_124;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_nothing_acknowledged_is_lost_or_doubled() {
    let mut dice = ChaCha8Rng::seed_from_u64(SEED);
    let mut kills = 0;
    let mut plays = 0;
    while kills < KILLS {
        plays += 1;
        kills += play_under_fire(SEED + plays, &mut dice, KILLS - kills).await;
        println!("seed {SEED}: {kills} kills in {plays} plays");
    }
}

/// Plays the demo once on a fresh folder and kills the server up to `most` times meanwhile; how often it did.
async fn play_under_fire(seed: u64, dice: &mut ChaCha8Rng, most: usize) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let nats = NatsServer::start(NatsOptions::default()).await.unwrap();
    let options = MusterOptions { data_dir: folder.path().join("data"), nats: Some(nats.url()), ..Default::default() };
    let mut server = MusterServer::start(options).await.unwrap();
    let mut stage = HttpStage::new(server.url()).unwrap();
    let ledger = stage.ledger();
    let played = tokio::spawn(async move {
        let city = City::generate(seed, Scale::Small);
        play(&city, &mut stage, &mut Unwatched).await
    });

    let mut kills = 0;
    let mut target = 0;
    while kills < most && !played.is_finished() {
        // The moment is a number of answers, which falls in the middle of whatever the server does then.
        target = ledger.answered().max(target) + dice.random_range(1..160);
        let reached = wait::until("more answers", Duration::from_secs(240), || {
            Ok((ledger.answered() >= target || played.is_finished()).then_some(()))
        });
        reached.await.unwrap();
        if played.is_finished() {
            break;
        }
        server.restart().await.unwrap();
        kills += 1;
    }
    let figures = played.await.unwrap().unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", server.output().1));
    assert!(figures.commands > 0);

    wait_until_relayed(&server.url()).await.unwrap();
    let status = server.terminate(MUSTER_STOP_MAX).await.unwrap();
    assert!(status.success(), "{status}: {}", server.output().1);
    let log = open_log(&folder.path().join("data")).unwrap();
    let records = all_records(&log).unwrap();
    let checked = check_log(&records, &ledger).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert_eq!(checked.records, records.len() as u64);
    assert!(ledger.acknowledged().len() as u64 <= checked.commands);
    assert_eq!(check_stream(&log, &nats.url()).await.unwrap(), checked.records);
    kills
}
