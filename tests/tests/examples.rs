//! The examples of `deploy/examples` do what they say against a real server: a snapshot, its changes, a row that leaves the area, a
//! publisher that falls silent and comes back; and the events from where they stopped.
//!
//! Python's and JavaScript's packages are installed from their registries into a folder that goes with the test. Where an
//! interpreter or a registry is missing the test fails and says so.
#![allow(clippy::unwrap_used)]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_tests::binary::example_binary;
use muster_tests::child::ChildProcess;
use muster_tests::nats::{NatsOptions, NatsServer};
use muster_tests::process::{MusterOptions, MusterServer};
use muster_tests::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Installing, and a publisher whose lease has to run out first.
const SHOWN_MAX: Duration = Duration::from_secs(120);
const KEYS: &str = "actual.4408.440802.>";

fn folder(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples").join(language).canonicalize().unwrap()
}

/// Runs a step of an installation to its end.
fn run(program: &Path, arguments: &[&str], dir: &Path) -> Result<()> {
    let remedy =
        || format!("{} {}: run deploy/setup --test, and see that the registry can be reached", program.display(), arguments.join(" "));
    let output = Command::new(program).args(arguments).current_dir(dir).stdin(Stdio::null()).output().with_context(remedy)?;
    ensure!(
        output.status.success(),
        "{}\n{}{}",
        remedy(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// A Python with what the examples need.
fn python(scratch: &Path) -> PathBuf {
    run(Path::new("python3"), &["-m", "venv", "venv"], scratch).unwrap();
    let python = scratch.join("venv/bin/python");
    let requirements = folder("python").join("requirements.txt");
    run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements.to_str().unwrap()], scratch)
        .unwrap();
    python
}

/// A copy of the JavaScript examples with what they need.
fn javascript(scratch: &Path) -> PathBuf {
    for file in ["package.json", "coverage.js"] {
        std::fs::copy(folder("javascript").join(file), scratch.join(file)).unwrap();
    }
    run(Path::new("npm"), &["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"], scratch).unwrap();
    scratch.join("coverage.js")
}

/// A server with a city, two counties and a township.
struct Place {
    nats: NatsServer,
    server: MusterServer,
    scratch: TempDir,
}

impl Place {
    async fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let nats = NatsServer::start(NatsOptions::default()).await.unwrap();
        let options = MusterOptions { data_dir: scratch.path().join("data"), nats: Some(nats.url()), ..Default::default() };
        let server = MusterServer::start(options).await.unwrap();
        let place = Self { nats, server, scratch };
        for (area_id, parent_id, level) in
            [("4408", "", "CITY"), ("440802", "4408", "COUNTY"), ("440803", "4408", "COUNTY"), ("440802001", "440802", "TOWNSHIP")]
        {
            let level = format!("AREA_LEVEL_{level}");
            place.send("DefineArea", json!({"area_id": area_id, "name": area_id, "level": level, "parent_id": parent_id})).await;
        }
        let office = json!({"actor_office": {"area_id": "440802001"}});
        let incident = json!({"incident_id": "flood", "incident_type": "INCIDENT_TYPE_FLOOD", "name": "洪涝", "area_id": "440802001",
            "severity": "SEVERITY_SEVERE", "context": office});
        place.send("DeclareIncident", incident).await;
        place
    }

    async fn send(&self, command: &str, body: Value) {
        let url = format!("{}/v1/commands/{command}", self.server.url());
        let answer = reqwest::Client::new().post(url).header("Idempotency-Key", key(command, &body)).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{command}: {}", answer.text().await.unwrap());
    }

    fn start(&self, name: &str, mut command: Command) -> ChildProcess {
        command.env("NATS_URL", self.nats.url());
        ChildProcess::spawn(name, command, self.scratch.path()).unwrap()
    }
}

/// The same for the same command.
fn key(command: &str, body: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    (command, body.to_string()).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Waits until a program has said a line that begins and ends so, behind what it said before.
async fn says(program: &mut ChildProcess, from: &mut usize, begin: &str, part: &str) {
    says_one_of(program, from, &[begin], part).await;
}

/// The same of a line that begins in one of these ways.
async fn says_one_of(program: &mut ChildProcess, from: &mut usize, begins: &[&str], part: &str) {
    let what = format!("{}…{part}", begins.join(" | "));
    let waited = wait::until(&what, SHOWN_MAX, || {
        let said = program.stdout();
        let mut end = *from;
        for line in said[*from..].split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            end += line.len();
            if begins.iter().any(|begin| line.starts_with(begin)) && line.contains(part) {
                *from = end;
                return Ok(Some(()));
            }
        }
        program.check_running()?;
        Ok(None)
    });
    waited.await.unwrap_or_else(|error| panic!("{error:#}\n{}", program.tail()));
}

/// What every picture of an area's coverage must show.
async fn shows_the_coverage(mut place: Place, command: Command) {
    let mut program = place.start("coverage", command);
    let mut from = 0;
    says(&mut program, &mut from, "snapshot: 2 areas", "").await;
    says(&mut program, &mut from, "440802001 440802001: gap 0", "").await;
    let site = json!({"site_id": "s-1", "incident_id": "flood", "kind": "SITE_KIND_CHECKPOINT", "name": "卡口", "area_id": "440802001",
        "seats": [{"seat_id": "1"}, {"seat_id": "2"}], "context": {"actor_office": {"area_id": "440802001"}}});
    place.send("OpenSite", site).await;
    says(&mut program, &mut from, "440802001 440802001: gap 2", "").await;

    // The publisher is killed: silence is noticed, and the picture is there again with whoever publishes next.
    place.server.kill9().unwrap();
    says(&mut program, &mut from, "stale", "").await;
    place.server.restart().await.unwrap();
    says(&mut program, &mut from, "snapshot: 2 areas", "").await;
    place.send("ReparentArea", json!({"area_id": "440802001", "parent_id": "440803"})).await;
    // A publisher that compares the bucket at this very moment shows a new picture, without the township.
    let without = ["gone: actual.4408.440802.440802001._._.440802001", "snapshot: 1 areas"];
    says_one_of(&mut program, &mut from, &without, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_shows_an_areas_coverage() {
    let place = Place::new().await;
    let mut command = Command::new(python(place.scratch.path()));
    command.arg(folder("python").join("coverage.py")).arg(KEYS);
    shows_the_coverage(place, command).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript_shows_an_areas_coverage() {
    let place = Place::new().await;
    let mut command = Command::new("node");
    command.arg(javascript(place.scratch.path())).arg(KEYS);
    shows_the_coverage(place, command).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_shows_an_areas_coverage() {
    let place = Place::new().await;
    let mut command = Command::new(example_binary("coverage").await.unwrap());
    command.arg(KEYS);
    shows_the_coverage(place, command).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_follows_the_events_and_goes_on_where_it_stopped() {
    let place = Place::new().await;
    let python = python(place.scratch.path());
    let file = place.scratch.path().join("place");
    let follow = |name: &str| {
        let mut command = Command::new(&python);
        command.arg(folder("python").join("events.py")).arg(&file).arg("muster.evt.actual.4408.440802.>");
        place.start(name, command)
    };
    let mut program = follow("events-1");
    let mut from = 0;
    says(&mut program, &mut from, "1.2 muster.v1.AreaDefined", "").await;
    says(&mut program, &mut from, "1.4 muster.v1.AreaDefined", "").await;
    let written = || Ok((std::fs::read_to_string(&file).unwrap_or_default() == "1.5").then_some(()));
    wait::until("the place of the last event is kept", SHOWN_MAX, written).await.unwrap();
    program.kill9().unwrap();

    let township = json!({"area_id": "440802002", "name": "新", "level": "AREA_LEVEL_TOWNSHIP", "parent_id": "440802"});
    place.send("DefineArea", township).await;
    let mut program = follow("events-2");
    let mut from = 0;
    says(&mut program, &mut from, "1.", "AreaDefined").await;
    assert!(program.stdout().starts_with("1.6 muster.v1.AreaDefined"), "nothing comes twice: {}", program.stdout());
    program.kill9().unwrap();

    // A place of a log that is not this one.
    std::fs::write(&file, "7.3").unwrap();
    let mut program = follow("events-3");
    let mut from = 0;
    says(&mut program, &mut from, "reset", "").await;
    says(&mut program, &mut from, "1.2 muster.v1.AreaDefined", "").await;
}
