//! Projection workers as whole processes: a stream cut at its head or wiped is filled from the server's log, a row that is wrong is found, named and
//! replaced from the command line, and each says by its exit code what it found.

// The seed is printed so that a failure can be played again.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::jetstream;
use muster_demo::script::{Unwatched, play};
use muster_demo::{City, Scale};
use muster_feed::STREAM;
use muster_tests::buckets::http_rows;
use muster_tests::limits::{MUSTER_STOP_MAX, RELAY_MAX};
use muster_tests::nats::{NatsOptions, NatsServer, NatsVersion};
use muster_tests::process::{Finished, MusterOptions, MusterProcess, MusterServer, run_muster, spawn_muster};
use muster_tests::records::wait_until_relayed;
use muster_tests::stage::HttpStage;
use muster_tests::wait;
use muster_views::{Row, View};
use serde_json::Value;

const SEED: u64 = 4_410;

/// A worker that listens.
struct Worker {
    process: MusterProcess,
    url: String,
}

impl Worker {
    async fn start(nats: &NatsServer, server: Option<&str>, data: &Path) -> Self {
        let (nats, data) = (nats.url(), data.to_string_lossy().into_owned());
        let mut args = vec!["worker", "--nats", &nats, "--data", &data, "--listen", "127.0.0.1:0"];
        args.extend(server.into_iter().flat_map(|server| ["--server", server]));
        let process = spawn_muster(&args).await.unwrap();
        let url = wait::until("the worker says where it listens", RELAY_MAX, || {
            let line = process.child.stdout().lines().find_map(|line| Some(line.strip_prefix("listening ")?.to_owned()));
            Ok(line)
        });
        let url = url.await.unwrap();
        Self { process, url }
    }

    async fn status(&self) -> Option<Value> {
        reqwest::get(format!("{}/v1/status", self.url)).await.ok()?.json().await.ok()
    }

    async fn waits(&self, what: &str, met: impl Fn(&Value) -> bool) -> Value {
        wait::until_async(what, RELAY_MAX, || async { Ok(self.status().await.filter(&met)) }).await.unwrap()
    }

    /// Waits until its rows are those of the server, in every view.
    async fn equals(&self, server: &MusterServer) {
        for view in View::ALL {
            let look = || async {
                let (Ok(own), Ok(wanted)) = (http_rows(&self.url, view).await, http_rows(&server.url(), view).await) else {
                    return Ok(None);
                };
                Ok((own == wanted).then_some(()))
            };
            wait::until_async(&format!("the worker's {view} are the server's"), RELAY_MAX, look).await.unwrap();
        }
    }
}

/// A server that has played the demo's script.
async fn played(nats: &NatsServer, data_dir: PathBuf) -> MusterServer {
    println!("seed {SEED}");
    let args = vec!["--kv=false".to_owned()];
    let server = MusterServer::start(MusterOptions { data_dir, nats: Some(nats.url()), args, ..Default::default() }).await.unwrap();
    let mut stage = HttpStage::new(server.url()).unwrap();
    let done = play(&City::generate(SEED, Scale::Small), &mut stage, &mut Unwatched).await;
    done.unwrap_or_else(|error| panic!("seed {SEED}: {error}"));
    wait_until_relayed(&server.url()).await.unwrap();
    server
}

/// Takes the first messages out of the stream, as limits or an operator do.
async fn cut_the_head(nats: &NatsServer, first_kept: u64) {
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let mut stream = context.get_stream(STREAM).await.unwrap();
    let config = stream.info().await.unwrap().config.clone();
    let last = stream.cached_info().state.last_sequence;
    let mut kept = Vec::new();
    for sequence in first_kept..=last {
        kept.push(stream.get_raw_message(sequence).await.unwrap());
    }
    context.delete_stream(STREAM).await.unwrap();
    context.create_stream(jetstream::stream::Config { first_sequence: Some(first_kept), ..config }).await.unwrap();
    for message in kept {
        // What each expected to stand before it is gone with the head.
        let mut headers = async_nats::HeaderMap::new();
        for (name, values) in message.headers.iter().filter(|(name, _)| !name.to_string().starts_with("Nats-Expected")) {
            values.iter().for_each(|value| headers.append(name.clone(), value.clone()));
        }
        context.publish_with_headers(message.subject, headers, message.payload).await.unwrap().await.unwrap();
    }
}

async fn views(what: &str, url: &str) -> Finished {
    run_muster(&["--lang", "en", "views", what, "--server", url], Duration::from_secs(120)).await.unwrap()
}

/// The server is away while NATS loses the stream's head, and then everything: a worker without a server waits and says why, one with a server
/// goes on as soon as somebody has the records.
async fn gaps_are_filled(version: NatsVersion) {
    let folder = tempfile::tempdir().unwrap();
    let mut nats = NatsServer::start(NatsOptions { version, ..Default::default() }).await.unwrap();
    let mut server = played(&nats, folder.path().join("data")).await;
    server.kill9().unwrap();
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let last = context.get_stream(STREAM).await.unwrap().cached_info().state.last_sequence;
    cut_the_head(&nats, last - 20).await;

    let alone = Worker::start(&nats, None, &folder.path().join("alone")).await;
    let helped = Worker::start(&nats, Some(&server.url()), &folder.path().join("helped")).await;
    let reason = |status: &Value| status["source"]["reason"].as_str().unwrap_or_default().to_owned();
    alone.waits("it says that no server is named", |status| reason(status).contains("no server is named")).await;
    helped.waits("it says that the server is away", |status| reason(status).contains("cannot be reached")).await;
    let refused = views("rebuild", &alone.url).await;
    assert_eq!((refused.status.code(), refused.stderr.contains("[no_log_here]")), (Some(1), true), "{refused:?}");

    server.restart().await.unwrap();
    helped.equals(&server).await;
    helped
        .waits("it reads the stream again", |status| {
            let (source, views) = (&status["source"], &status["views"]);
            source["state"] == "reading"
                && views["progress_percent"] == 100.0
                && views["lag_positions"] == "0"
                && views["remaining_s"] == 0.0
        })
        .await;

    server.kill9().unwrap();
    nats.kill9().unwrap();
    nats.wipe_storage().unwrap();
    nats.restart().await.unwrap();
    helped.waits("it says that there is no stream", |status| reason(status).contains("there is no stream")).await;
    server.restart().await.unwrap();
    // The stream is whole again, and enough for both.
    alone.equals(&server).await;
    helped.equals(&server).await;
    helped.waits("it reads the stream again", |status| status["source"]["state"] == "reading").await;
    let metrics = reqwest::get(format!("{}/metrics", helped.url)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("muster_source_state{state=\"reading\"} 1"), "{metrics}");
    drop((alone.process, helped.process));
    assert!(server.terminate(MUSTER_STOP_MAX).await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_or_wiped_is_filled_from_the_servers_log() {
    gaps_are_filled(NatsVersion::Current).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_oldest_supported_nats_too() {
    gaps_are_filled(NatsVersion::Oldest).await;
}

/// Writes other figures into the row of one area, as a fault of the disk or of an earlier program might. Nobody may use the folder.
fn spoil_a_row(views: &Path) -> String {
    let current = std::fs::read_to_string(views.join("CURRENT")).map_or(1, |text| text.parse::<u32>().unwrap());
    let db = rocksdb::DB::open_default(views.join(format!("generation-{current}"))).unwrap();
    // Rows of coverage in real life.
    let prefix = b"\x01\x01actual\0";
    let rows = db.prefix_iterator(prefix).map(Result::unwrap).take_while(|(key, _)| key.starts_with(prefix));
    let (key, value) = rows.last().unwrap();
    let id = String::from_utf8(key[2..].to_vec()).unwrap().replace('\0', "/");
    let Row::Coverage(row) = Row::decode(View::Coverage, &value).unwrap() else { panic!("a row of coverage") };
    db.put(&key, Row::Coverage(muster_proto::v1::CoverageRow { required: row.required + 7, ..row }).encode()).unwrap();
    db.flush().unwrap();
    id
}

/// What `verify` and `rebuild` say of one wrong row, and what is so afterwards.
async fn found_and_replaced(url: &str, id: &str) {
    let line = format!("coverage {id}: found ");
    let verified = views("verify", url).await;
    assert_eq!(verified.status.code(), Some(3), "{verified:?}");
    assert!(verified.stdout.contains(&line) && verified.stdout.contains("1 rows differ from the present ones"), "{}", verified.stdout);
    // Nothing was changed by looking.
    let rebuilt = views("rebuild", url).await;
    assert_eq!(rebuilt.status.code(), Some(3), "{rebuilt:?}");
    assert!(rebuilt.stdout.contains(&line) && rebuilt.stdout.contains("now generation 2; 1 rows differed"), "{}", rebuilt.stdout);
    for what in ["verify", "rebuild"] {
        let again = views(what, url).await;
        assert_eq!(again.status.code(), Some(0), "{again:?}");
    }
    let status = views("status", url).await;
    assert_eq!(status.status.code(), Some(0));
    assert!(status.stdout.contains("live") && status.stdout.contains("100.0"), "{}", status.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_row_is_found_named_and_replaced_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let nats = NatsServer::start(NatsOptions::default()).await.unwrap();
    let mut server = played(&nats, folder.path().join("data")).await;
    assert!(server.terminate(MUSTER_STOP_MAX).await.unwrap().success());
    let id = spoil_a_row(&folder.path().join("data/views"));
    server.restart().await.unwrap();
    let area = id.split_once('/').unwrap().1;
    let as_of = |position: &Value| format!("{}/v1/views/coverage?limit=10000&as_of={}", server.url(), position.as_str().unwrap());
    found_and_replaced(&server.url(), &id).await;
    // Earlier moments are made anew and say the same as before.
    let look = || async {
        let status: Value = reqwest::get(format!("{}/v1/status", server.url())).await?.json().await?;
        Ok((status["history"]["lag_positions"] == "0").then_some(status))
    };
    let status = wait::until_async("the history is made anew", RELAY_MAX, look).await.unwrap();
    let page: Value = reqwest::get(as_of(&status["views"]["at"])).await.unwrap().json().await.unwrap();
    let (_, rows) = http_rows(&server.url(), View::Coverage).await.unwrap();
    let of_area = |rows: &[Value]| rows.iter().find(|row| row["area_id"] == area && row["realm"] == "actual").cloned();
    let found = of_area(page["rows"].as_array().unwrap());
    assert!(found.is_some() && found == of_area(&rows), "{found:?}");

    // At a worker, whose rows come from the stream, and the comparison from the server's log.
    let data = folder.path().join("worker");
    let mut worker = Worker::start(&nats, Some(&server.url()), &data).await;
    worker.equals(&server).await;
    worker.process.child.signal(muster_tests::child::Signal::Terminate).unwrap();
    assert!(worker.process.child.wait_for_end(MUSTER_STOP_MAX).await.unwrap().success());
    let id = spoil_a_row(&data.join("views"));
    let mut worker = Worker::start(&nats, Some(&server.url()), &data).await;
    worker.waits("its rows are there", |status| status["views"]["ready"] == true).await;
    found_and_replaced(&worker.url, &id).await;
    worker.equals(&server).await;

    // Without the server its rows stay as they are, and it says what is wrong.
    assert!(server.terminate(MUSTER_STOP_MAX).await.unwrap().success());
    let failed = views("rebuild", &worker.url).await;
    assert_eq!((failed.status.code(), failed.stderr.contains("[log_elsewhere_unreadable]")), (Some(1), true), "{failed:?}");
    worker.process.child.kill9().unwrap();
}
