//! Server, worker and NATS are killed in every order and come back in every order while a city plays its script, NATS loses stream and buckets in
//! between, and subscribers of both processes read on, slowly, not at all, or vanish. At the end every view, bucket and subscriber has what an
//! independent count says of the log.

// The seed is printed so that a failure can be played again.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use muster_demo::naive::{Rows, count};
use muster_demo::script::{Unwatched, play};
use muster_demo::{City, Scale};
use muster_log::EpochPosition;
use muster_proto::v1::AreaLevel;
use muster_tests::buckets::{http_rows, http_rows_within, wait_until_published};
use muster_tests::harm::{Harm, do_harm};
use muster_tests::limits::{MUSTER_STOP_MAX, RELAY_MAX, RETRY_MAX};
use muster_tests::nats::{NatsOptions, NatsServer, NatsVersion};
use muster_tests::process::{MusterOptions, MusterProcess, MusterServer, spawn_muster};
use muster_tests::reader::{Manner, Reader};
use muster_tests::records::{all_records, check_log, check_stream, open_log, wait_until_relayed};
use muster_tests::stage::{HttpStage, Ledger};
use muster_tests::wait;
use muster_views::{Row, View, row_json};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::sync::watch;

const SEED: u64 = 66_440;

/// What is killed.
#[derive(Clone, Copy, Debug)]
enum Part {
    Server,
    Worker,
    Nats,
}

const ORDERS: [[Part; 3]; 6] = [
    [Part::Server, Part::Worker, Part::Nats],
    [Part::Server, Part::Nats, Part::Worker],
    [Part::Worker, Part::Server, Part::Nats],
    [Part::Worker, Part::Nats, Part::Server],
    [Part::Nats, Part::Server, Part::Worker],
    [Part::Nats, Part::Worker, Part::Server],
];

/// Answers between two rounds: enough that all parts are at work again.
const ANSWERS: u64 = 60;

/// `muster worker` of all views with the server's log behind it, on one address through all its lives.
struct Worker {
    process: MusterProcess,
    nats: String,
    server: String,
    data: PathBuf,
    address: SocketAddr,
}

impl Worker {
    async fn start(nats: String, server: String, data: PathBuf) -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let (process, address) = Self::spawn(&nats, &server, &data, any_port).await;
        Self { process, nats, server, data, address }
    }

    async fn spawn(nats: &str, server: &str, data: &Path, address: SocketAddr) -> (MusterProcess, SocketAddr) {
        let (data, address) = (data.to_string_lossy().into_owned(), address.to_string());
        let args = ["worker", "--nats", nats, "--server", server, "--kv", "--data", &data, "--listen", &address];
        let mut process = spawn_muster(&args).await.unwrap();
        let listening = wait::until("the worker listens", RELAY_MAX, || {
            let line = process.child.stdout().lines().find_map(|line| line.strip_prefix("listening http://")?.parse().ok());
            if line.is_none() {
                process.child.check_running()?;
            }
            Ok(line)
        });
        let address = listening.await.unwrap_or_else(|error| panic!("{error:#}"));
        (process, address)
    }

    async fn restart(&mut self) {
        self.process.child.kill9().unwrap();
        self.process = Self::spawn(&self.nats, &self.server, &self.data, self.address).await.0;
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

struct Scene {
    nats: NatsServer,
    server: MusterServer,
    worker: Worker,
}

impl Scene {
    async fn start(version: NatsVersion, folder: &Path) -> Self {
        let nats = NatsServer::start(NatsOptions { version, ..Default::default() }).await.unwrap();
        let options = MusterOptions { data_dir: folder.join("data"), nats: Some(nats.url()), ..Default::default() };
        let server = MusterServer::start(options).await.unwrap();
        let worker = Worker::start(nats.url(), server.url(), folder.join("worker")).await;
        Self { nats, server, worker }
    }

    fn kill(&mut self, part: Part) {
        match part {
            Part::Server => self.server.kill9().unwrap(),
            Part::Worker => drop(self.worker.process.child.kill9().unwrap()),
            Part::Nats => self.nats.kill9().unwrap(),
        }
    }

    async fn start_again(&mut self, part: Part) {
        match part {
            Part::Server => self.server.restart().await.unwrap(),
            Part::Worker => self.worker.restart().await,
            Part::Nats => self.nats.restart().await.unwrap(),
        }
    }

    /// Both processes have subscribers of every view, in areas of every kind, of each manner by turns.
    fn readers(&self, areas: &[&str], ledger: &Arc<Ledger>, calm: &watch::Receiver<bool>) -> Vec<(String, View, String, Reader)> {
        let manners = [Manner::Quick, Manner::Slow, Manner::Stuck, Manner::Vanishing];
        let mut readers = Vec::new();
        for url in [self.server.url(), self.worker.url()] {
            for (view, area) in View::ALL.into_iter().flat_map(|view| areas.iter().map(move |area| (view, *area))) {
                // With three areas and two processes each view meets each manner.
                let manner = manners[readers.len() % manners.len()];
                let reader = Reader::start(&url, view, area, manner, Arc::clone(ledger), calm.clone());
                readers.push((url.clone(), view, area.to_owned(), reader));
            }
        }
        readers
    }
}

/// Sends a command of headquarters.
async fn send(url: &str, command: &str, body: &Value) {
    let request = reqwest::Client::new().post(format!("{url}/v1/commands/{command}")).header("Idempotency-Key", "every-order");
    let answer = request.json(body).send().await.unwrap();
    let (status, answer) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{command}: {answer}");
}

/// A village with its grids, its county, and a township of another county, where it goes.
fn move_of(city: &City) -> [&str; 4] {
    let areas = &city.tree.areas;
    let find = |id: &str| areas.iter().find(|area| area.id == id).unwrap();
    let village = areas.iter().find(|area| area.level == AreaLevel::Grid).map(|grid| find(&grid.parent_id)).unwrap();
    let county = &find(&village.parent_id).parent_id;
    let other = areas.iter().find(|area| area.level == AreaLevel::Township && area.parent_id != *county).unwrap();
    [&village.id, county, &other.id, &other.parent_id]
}

/// The rows of a view as their JSON, without the position that the naive count does not know.
fn texts(rows: impl IntoIterator<Item = Value>) -> Vec<String> {
    let text = |mut row: Value| {
        row.as_object_mut().unwrap().remove("position");
        row.to_string()
    };
    let mut texts: Vec<String> = rows.into_iter().map(text).collect();
    texts.sort_unstable();
    texts
}

fn counted(rows: &Rows, view: View) -> Vec<String> {
    let rows: Vec<Row> = match view {
        View::Coverage => rows.coverage.values().cloned().map(Row::Coverage).collect(),
        View::Units => rows.units.values().cloned().map(Row::Unit).collect(),
        View::Sites => rows.sites.values().cloned().map(Row::Site).collect(),
        View::Whistles => rows.whistles.values().cloned().map(Row::Whistle).collect(),
        View::Calls => rows.calls.values().cloned().map(|row| Row::Call(Box::new(row))).collect(),
        View::Responders => rows.responders.values().cloned().map(|row| Row::Responder(Box::new(row))).collect(),
        View::Other(_) => unreachable!("muster has no view of another crate"),
    };
    texts(rows.iter().map(row_json))
}

async fn whatever_is_killed(version: NatsVersion) {
    let mut dice = ChaCha8Rng::seed_from_u64(SEED);
    let (folder, city) = (tempfile::tempdir().unwrap(), City::generate(SEED, Scale::Small));
    let [village, county, township, other_county] = move_of(&city);
    let mut scene = Scene::start(version, folder.path()).await;
    let mut stage = HttpStage::new(scene.server.url()).unwrap();
    let ledger = stage.ledger();
    let playing = city.clone();
    let played = tokio::spawn(async move { play(&playing, &mut stage, &mut Unwatched).await });
    // The tree is there, and with it the areas that are subscribed to.
    let begun = || Ok((ledger.answered() >= city.tree.areas.len() as u64).then_some(()));
    wait::until("the areas are defined", RETRY_MAX, begun).await.unwrap();
    let (calm, is_calm) = watch::channel(false);
    let readers = scene.readers(&["4408", county, other_county], &ledger, &is_calm);

    let mut coming_back = ORDERS;
    coming_back.shuffle(&mut dice);
    let mut harms = [Harm::Killed, Harm::Wiped, Harm::Purged, Harm::CutBack, Harm::Removed, Harm::BucketsRemoved];
    harms.shuffle(&mut dice);
    println!("seed {SEED}: back in {coming_back:?}, with {harms:?}");
    for (round, (killed, back)) in ORDERS.into_iter().zip(coming_back).enumerate() {
        let target = ledger.answered() + ANSWERS;
        let loaded = || Ok((ledger.answered() >= target).then_some(()));
        wait::until("more answers", RETRY_MAX, loaded).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
        do_harm(&mut scene.nats, harms[round]).await.unwrap();
        killed.into_iter().for_each(|part| scene.kill(part));
        for part in back {
            scene.start_again(part).await;
        }
    }
    assert!(!played.is_finished(), "the script was over before all orders were tried");
    played.await.unwrap().unwrap_or_else(|error| panic!("seed {SEED}: {error}\n{}", scene.server.output().1));

    // An area moves while nobody but the server is there to see it.
    scene.kill(Part::Worker);
    let body = json!({"area_id": village, "parent_id": township, "context": {"actor": "值班员", "actor_office": {"area_id": "4408"}}});
    send(&scene.server.url(), "ReparentArea", &body).await;
    scene.worker.restart().await;
    calm.send_replace(true);

    wait_until_relayed(&scene.server.url()).await.unwrap();
    wait_until_published(&scene.server.url(), &scene.nats.url()).await.unwrap();
    let mut shown = Vec::new();
    for view in View::ALL {
        let (server, worker) = (scene.server.url(), scene.worker.url());
        let look = || async {
            let (Ok(own), Ok(wanted)) = (http_rows(&worker, view).await, http_rows(&server, view).await) else { return Ok(None) };
            Ok((own == wanted).then_some(wanted))
        };
        let (at, rows) = wait::until_async(&format!("the worker's {view} are the server's"), RELAY_MAX, look).await.unwrap();
        shown.push((view, at, texts(rows)));
    }
    let (mut connections, mut resets, mut resumed) = (0, 0, 0);
    for (url, view, area, reader) in &readers {
        reader.equals(|| http_rows_within(url, view, area)).await.unwrap_or_else(|error| panic!("seed {SEED}: {error:#}"));
        let held = reader.held().unwrap();
        (connections, resets, resumed) = (connections + held.connections, resets + held.resets, resumed + held.resumed);
        // Each kill cuts it off; only where a process is killed again before it is ready does none come between.
        assert!(reader.manner() != Manner::Quick || held.connections > 3, "{reader} was connected {} times", held.connections);
    }
    println!("{} readers, {connections} connections, {resumed} resumed, {resets} resets", readers.len());
    assert!(resumed > 0, "nobody could go on from where they were");
    drop(readers);

    assert!(scene.server.terminate(MUSTER_STOP_MAX).await.unwrap().success());
    let log = open_log(&folder.path().join("data")).unwrap();
    let records = all_records(&log).unwrap();
    check_log(&records, &ledger).unwrap();
    assert_eq!(check_stream(&log, &scene.nats.url()).await.unwrap(), records.len() as u64);
    for (view, at, rows) in shown {
        // Timers may have recorded more since.
        let seen = at.parse::<EpochPosition>().unwrap().position.0;
        let counted = counted(&count(&records[..usize::try_from(seen).unwrap()]), view);
        assert!(!rows.is_empty(), "{view} has no row");
        let differing = rows.iter().zip(&counted).find(|(row, counted)| row != counted);
        assert!(rows == counted, "{view}: {} rows and {} counted; {differing:?}", rows.len(), counted.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_every_order_all_end_with_what_the_log_says() {
    whatever_is_killed(NatsVersion::Current).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_oldest_supported_nats_too() {
    whatever_is_killed(NatsVersion::Oldest).await;
}
