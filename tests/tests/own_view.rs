//! A view that another crate wrote has everything that Muster's own views have, in the program that was made with it: the example of
//! `deploy/examples/view`, as a real process with a real nats-server. And what becomes of its rows when the view has another version.
#![allow(clippy::unwrap_used)]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use muster_feed::kv::Marker;
use muster_tests::binary::program_binary;
use muster_tests::buckets::{bucket_rows, http_rows};
use muster_tests::child::Signal;
use muster_tests::limits::{MUSTER_START_MAX, MUSTER_STOP_MAX, RELAY_MAX};
use muster_tests::nats::{NatsOptions, NatsServer};
use muster_tests::process::{Finished, MusterOptions, MusterProcess, MusterServer, run_program, spawn_program};
use muster_tests::wait;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const NAME: &str = "specialties_on_post";

async fn program() -> PathBuf {
    program_binary("muster-example-view").await.unwrap()
}

async fn second_version() -> PathBuf {
    program_binary("muster-example-view-second-version").await.unwrap()
}

/// What holds the second version's fold at its first check-in, for as long as it is not dropped.
fn held_by(holder: &TcpListener) -> Vec<(String, String)> {
    vec![("MUSTER_EXAMPLE_HELD_BY".to_owned(), holder.local_addr().unwrap().to_string())]
}

/// A city with two townships, people with specialties, and a site in each township.
struct City {
    server: MusterServer,
    token: Option<String>,
}

impl City {
    async fn start(data: &Path, program: PathBuf, nats: Option<String>) -> Self {
        let options = MusterOptions { data_dir: data.to_owned(), nats, program: Some(program), ..Default::default() };
        Self { server: MusterServer::start(options).await.unwrap(), token: None }
    }

    async fn build(&self) {
        for (area_id, parent_id, level) in
            [("4408", "", "CITY"), ("440802", "4408", "COUNTY"), ("t-1", "440802", "TOWNSHIP"), ("t-2", "440802", "TOWNSHIP")]
        {
            let level = format!("AREA_LEVEL_{level}");
            self.send("DefineArea", json!({"area_id": area_id, "name": area_id, "level": level, "parent_id": parent_id})).await;
        }
        let organization = json!({"organization_id": "o-1", "name": "卫健局", "kind": "ORGANIZATION_KIND_DEPARTMENT", "area_id": "4408"});
        self.send("RegisterOrganization", organization).await;
        for (person, area_id, specialties) in [
            ("r-1", "t-1", json!(["急救", "驾驶"])),
            ("r-2", "t-1", json!(["急救"])),
            ("r-3", "t-2", json!(["急救"])),
            ("r-4", "t-2", json!([])),
        ] {
            let body = json!({"responder_id": person, "name": "陈秀英", "kind": "RESPONDER_KIND_MEMBER", "organization_id": "o-1",
                "area_id": area_id, "specialties": specialties});
            self.send("EnrollResponder", body).await;
        }
        let incident = json!({"incident_id": "flood", "incident_type": "INCIDENT_TYPE_FLOOD", "name": "洪涝", "area_id": "4408",
            "severity": "SEVERITY_SEVERE", "context": office()});
        self.send("DeclareIncident", incident).await;
        for (site, area_id) in [("s-1", "t-1"), ("s-2", "t-2")] {
            let body = json!({"site_id": site, "incident_id": "flood", "kind": "SITE_KIND_CHECKPOINT", "name": site, "area_id": area_id,
                "seats": [{"seat_id": "1"}, {"seat_id": "2"}], "context": office()});
            self.send("OpenSite", body).await;
        }
    }

    /// Returns the first and last position.
    async fn send(&self, command: &str, body: Value) -> [u64; 2] {
        let request = self.request(reqwest::Method::POST, &format!("/v1/commands/{command}")).json(&body);
        let mut hasher = DefaultHasher::new();
        (command, body.to_string()).hash(&mut hasher);
        let answer = request.header("Idempotency-Key", format!("{:016x}", hasher.finish())).send().await.unwrap();
        let (status, answer): (_, Value) = (answer.status(), answer.json().await.unwrap());
        assert!(status.is_success(), "{command}: {answer}");
        ["first", "last"].map(|place| answer[place].as_str().unwrap().parse().unwrap())
    }

    async fn check_in(&self, person: &str, site: &str) -> [u64; 2] {
        self.send("CheckIn", json!({"responder_id": person, "site_id": site})).await
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.server.url())).timeout(Duration::from_secs(60));
        self.token.iter().fold(request, |request, token| request.bearer_auth(token))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.request(reqwest::Method::GET, path).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The rows as `area specialty people`.
    async fn rows(&self, query: &str) -> Vec<String> {
        let (status, page) = self.get(&format!("/v1/views/{NAME}?{query}")).await;
        assert_eq!(status, 200, "{page}");
        shown(&page)
    }

    /// Waits until the rows are these.
    async fn shows(&self, expected: &[&str]) {
        let look = || async { Ok((self.rows("").await == expected).then_some(())) };
        wait::until_async(&format!("{expected:?}"), RELAY_MAX, look).await.unwrap();
    }

    async fn upkeep(&self, program: &Path, what: &str) -> Finished {
        run_program(program, &["--lang", "en", "views", what, "--server", &self.server.url()], RELAY_MAX).await.unwrap()
    }

    async fn status(&self) -> Value {
        self.get("/v1/views").await.1
    }
}

fn office() -> Value {
    json!({"actor_office": {"area_id": "4408"}})
}

fn shown(page: &Value) -> Vec<String> {
    texts(page["rows"].as_array().unwrap())
}

fn texts<'a>(rows: impl IntoIterator<Item = &'a Value>) -> Vec<String> {
    let row = |row: &Value| format!("{} {} {}", row["area_id"].as_str().unwrap(), row["specialty"].as_str().unwrap(), row["on_post"]);
    rows.into_iter().map(row).collect()
}

/// The rows of the bucket, in the order of a page, and its marker.
async fn bucket(nats: &NatsServer) -> anyhow::Result<(Marker, Vec<String>)> {
    let (marker, rows) = bucket_rows(&nats.url(), NAME).await?;
    let mut rows: Vec<Value> = rows.into_values().collect();
    rows.sort_by_key(|row| format!("{}/{}", row["area_id"].as_str().unwrap(), row["specialty"].as_str().unwrap()));
    Ok((marker, texts(&rows)))
}

/// Waits until the bucket says that it is complete with these rows.
async fn bucket_shows(nats: &NatsServer, expected: &[&str]) {
    let look = || async {
        // Not made yet, or just being made.
        Ok(bucket(nats).await.is_ok_and(|(marker, rows)| marker.complete && rows == expected).then_some(()))
    };
    wait::until_async(&format!("the bucket has {expected:?}"), RELAY_MAX, look).await.unwrap();
}

/// A worker of the view, which publishes it.
struct Worker {
    process: MusterProcess,
    url: String,
}

impl Worker {
    async fn start(program: &Path, nats: &NatsServer, more: &[&str], env: &[(String, String)]) -> Self {
        let nats = nats.url();
        let args = ["worker", "--nats", &nats, "--views", NAME, "--listen", "127.0.0.1:0"].into_iter().chain(more.iter().copied());
        let process = spawn_program(program, &args.collect::<Vec<_>>(), env).unwrap();
        let said = || Ok(process.child.stdout().lines().find_map(|line| Some(line.strip_prefix("listening ")?.to_owned())));
        let url = wait::until("the worker listens", RELAY_MAX, said).await.unwrap();
        Self { process, url }
    }

    async fn page(&self) -> Value {
        reqwest::get(format!("{}/v1/views/{NAME}", self.url)).await.unwrap().json().await.unwrap()
    }

    /// Waits until the rows are these.
    async fn shows(&self, expected: &[&str]) {
        let look = || async { Ok((http_rows(&self.url, NAME).await.is_ok_and(|(_, rows)| texts(&rows) == expected)).then_some(())) };
        wait::until_async(&format!("the worker has {expected:?}"), RELAY_MAX, look).await.unwrap();
    }
}

/// Reads a stream until it has sent everything of these, in order.
async fn sends(answer: &mut reqwest::Response, wanted: &[&str]) {
    let mut heard = String::new();
    let all = |heard: &str| {
        let mut rest = heard;
        wanted.iter().all(|part| {
            rest.find(part).is_some_and(|at| {
                rest = &rest[at + part.len()..];
                true
            })
        })
    };
    while !all(&heard) {
        let chunk = tokio::time::timeout(Duration::from_secs(60), answer.chunk()).await;
        let chunk = chunk.unwrap_or_else(|_| panic!("{wanted:?} did not come: {heard}")).unwrap();
        heard.push_str(std::str::from_utf8(&chunk.unwrap_or_else(|| panic!("the stream ended: {heard}"))).unwrap());
    }
}

/// What the second version makes of the same, with one more who checked in at `t-2`.
const SECOND: [&str; 11] = [
    "4408 any 3",
    "4408 急救 3",
    "4408 驾驶 1",
    "440802 any 3",
    "440802 急救 3",
    "440802 驾驶 1",
    "t-1 any 2",
    "t-1 急救 2",
    "t-1 驾驶 1",
    "t-2 any 1",
    "t-2 急救 1",
];

const CHECKED_IN: [&str; 6] = ["4408 急救 2", "4408 驾驶 1", "440802 急救 2", "440802 驾驶 1", "t-1 急救 2", "t-1 驾驶 1"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_has_what_musters_own_views_have() {
    let (folder, program) = (tempfile::tempdir().unwrap(), program().await);
    let nats = NatsServer::start(NatsOptions::default()).await.unwrap();
    let mut city = City::start(&folder.path().join("data"), program.clone(), Some(nats.url())).await;
    city.build().await;

    // Live: what there is, then what changes, then what is gone.
    let mut live = city.request(reqwest::Method::GET, &format!("/v1/views/{NAME}/live?area=t-1")).send().await.unwrap();
    sends(&mut live, &["event: snapshot", "\"complete\":true"]).await;
    city.check_in("r-1", "s-1").await;
    sends(&mut live, &["event: change", "\"key\":\"actual/t-1/急救\"", "\"on_post\":1"]).await;
    let [both, _] = city.check_in("r-2", "s-1").await;
    sends(&mut live, &["event: change", "\"key\":\"actual/t-1/急救\"", "\"on_post\":2"]).await;
    city.shows(&CHECKED_IN).await;

    // The bucket, and what status and metrics say of it.
    let look = || async {
        let (Ok((at, wanted)), Ok((marker, found))) = (http_rows(&city.server.url(), NAME).await, bucket_rows(&nats.url(), NAME).await)
        else {
            return Ok(None);
        };
        let mut found: Vec<Value> = found.into_values().collect();
        found.sort_by_key(|row| format!("{}/{}", row["area_id"].as_str().unwrap(), row["specialty"].as_str().unwrap()));
        Ok((marker.complete && marker.at == at && found == wanted && !wanted.is_empty()).then_some(()))
    };
    wait::until_async("the bucket is the view", RELAY_MAX, look).await.unwrap();
    let metrics = city.request(reqwest::Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(&format!("muster_kv_state{{view=\"{NAME}\",state=\"live\"}} 1")), "{metrics}");

    // A worker of the same program has the same rows.
    let data = folder.path().join("worker").display().to_string();
    let worker = Worker::start(&program, &nats, &["--data", &data], &[]).await;
    let look = || async {
        let rows = (http_rows(&worker.url, NAME).await.ok(), http_rows(&city.server.url(), NAME).await.ok());
        Ok((rows.0.is_some() && rows.0 == rows.1).then_some(()))
    };
    wait::until_async("the worker's rows are the server's", RELAY_MAX, look).await.unwrap();
    drop(worker);

    // As of earlier moments, and how two differ.
    assert_eq!(city.rows(&format!("as_of={}", both - 1)).await[0], "4408 急救 1");
    assert!(city.rows("as_of=1").await.is_empty());
    let (_, compared) = city.get(&format!("/v1/views/{NAME}/compare?from={}&area=t-1", both - 1)).await;
    let rows = compared["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["from"]["on_post"], &rows[0]["to"]["on_post"]), (1, &json!(1), &json!(2)), "{compared}");
    let (status, refused) = city.get(&format!("/v1/views/{NAME}?true_time=2026-01-01T00:00:00Z")).await;
    assert_eq!(status, 400, "{refused}");

    // The command line, and the log's own word on the rows.
    let table = run_program(&program, &["--lang", "en", "view", NAME, "--server", &city.server.url()], RELAY_MAX).await.unwrap();
    assert!(table.status.success() && table.stdout.contains("on_post") && table.stdout.contains("t-1"), "{}{}", table.stdout, table.stderr);
    for what in ["verify", "rebuild", "status"] {
        let done = city.upkeep(&program, what).await;
        assert!(done.status.success(), "{what}: {}{}", done.stdout, done.stderr);
    }

    // A restart goes on from what is stored, after a kill too.
    for kill in [true, false] {
        if !kill {
            assert!(city.server.terminate(MUSTER_STOP_MAX).await.unwrap().success());
        }
        city.server.restart().await.unwrap();
        city.shows(&CHECKED_IN).await;
    }
    let out = json!({"responder_id": "r-2", "site_id": "s-1"});
    city.send("CheckOut", out).await;
    city.shows(&["4408 急救 1", "4408 驾驶 1", "440802 急救 1", "440802 驾驶 1", "t-1 急救 1", "t-1 驾驶 1"]).await;
    // Who learns something on post is counted by it at once.
    for (specialties, expected) in [
        (json!(["驾驶"]), &["4408 驾驶 1", "440802 驾驶 1", "t-1 驾驶 1"] as &[&str]),
        (json!(["急救", "驾驶"]), &["4408 急救 1", "4408 驾驶 1", "440802 急救 1", "440802 驾驶 1", "t-1 急救 1", "t-1 驾驶 1"]),
    ] {
        city.send("SetSpecialties", json!({"responder_id": "r-1", "specialties": specialties})).await;
        city.shows(expected).await;
    }
    assert!(city.upkeep(&program, "verify").await.status.success());
    city.check_in("r-3", "s-2").await;

    // Rights: a township sees its own subtree, whoever only counts the texts that are no person's, a person nothing.
    let data = folder.path().join("data").display().to_string();
    for (role, scope, expected) in [
        ("township", &["--area", "t-2"] as &[&str], Ok(vec!["t-2 急救 1"])),
        (
            "analyst",
            &["--everything"],
            Ok(vec!["4408 急救 2", "4408 驾驶 1", "440802 急救 2", "440802 驾驶 1", "t-1 急救 1", "t-1 驾驶 1", "t-2 急救 1"]),
        ),
        ("responder", &["--responder", "r-1"], Err(403)),
    ] {
        let args: Vec<&str> = ["token", "issue", "--data", &data, "--role", role].into_iter().chain(scope.iter().copied()).collect();
        let issued = run_program(&program, &args, MUSTER_START_MAX).await.unwrap();
        assert!(issued.status.success(), "{}", issued.stderr);
        city.token = Some(issued.stdout.trim().to_owned());
        let look = || async {
            let (status, page) = city.get(&format!("/v1/views/{NAME}")).await;
            // The first token closes the server, which takes a moment.
            Ok(match &expected {
                Ok(rows) => (status == 200 && shown(&page) == *rows).then_some(()),
                Err(code) => (status == *code).then_some(()),
            })
        };
        wait::until_async(&format!("what {role} sees"), RELAY_MAX, look).await.unwrap();
        if role == "township" {
            assert_eq!(city.get(&format!("/v1/views/{NAME}?area=t-1")).await.0, 403);
        }
    }
    city.token = None;
    assert_eq!(city.get(&format!("/v1/views/{NAME}")).await.0, 401);
}

/// The view has another version: what the former one made is shown until the new one has folded everything beside it, also where a process that was at
/// it is killed; commands are taken all the while, and nothing is recorded by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_takes_the_place_of_the_former_one() {
    let (folder, program) = (tempfile::tempdir().unwrap(), program().await);
    let data = folder.path().join("data");
    let second = second_version().await;
    let nats = NatsServer::start(NatsOptions::default()).await.unwrap();
    let mut city = City::start(&data, program, Some(nats.url())).await;
    city.build().await;
    for person in ["r-1", "r-2"] {
        city.check_in(person, "s-1").await;
    }
    city.shows(&CHECKED_IN).await;
    bucket_shows(&nats, &CHECKED_IN).await;
    assert!(city.server.terminate(MUSTER_STOP_MAX).await.unwrap().success());
    let (former, _) = bucket(&nats).await.unwrap();

    // Held at the first check-in, to be looked at and killed there.
    let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = MusterOptions {
        data_dir: data,
        nats: Some(nats.url()),
        program: Some(second.clone()),
        env: held_by(&holder),
        ..Default::default()
    };
    let mut city = City { server: MusterServer::start(options).await.unwrap(), token: None };
    let held = tokio::time::timeout(RELAY_MAX, holder.accept()).await.expect("a fold comes to a check-in").unwrap();
    let (_, page) = city.get(&format!("/v1/views/{NAME}")).await;
    assert_eq!((shown(&page), &page["outdated"]["version"]), (CHECKED_IN.map(str::to_owned).to_vec(), &json!(1)), "{page}");
    assert_eq!(page["outdated"]["at"], page["at"], "{page}");
    let status = city.status().await;
    let states = |status: &Value| -> Vec<(String, Value)> {
        let own = status["views"].as_array().unwrap().iter().filter(|row| row["view"] == NAME);
        own.map(|row| (row["state"].as_str().unwrap().to_owned(), row["version"].clone())).collect()
    };
    assert_eq!(states(&status), [("outdated".to_owned(), json!(1)), ("rebuilding".to_owned(), json!(2))], "{status}");
    let ready = city.request(reqwest::Method::GET, "/readyz").send().await.unwrap().text().await.unwrap();
    assert!(ready.starts_with("ready\n") && ready.contains(&format!("view {NAME}: version 1 as of")), "{ready}");
    // Everything else goes on.
    let [_, last] = city.check_in("r-3", "s-2").await;
    let at = |page: &Value| page["at"].as_str().and_then(|at| at.split_once('.')?.1.parse::<u64>().ok());
    let caught_up = || async { Ok((at(&city.get("/v1/views/coverage").await.1) >= Some(last)).then_some(())) };
    wait::until_async("coverage goes on", RELAY_MAX, caught_up).await.unwrap();
    assert_eq!(city.rows("").await, CHECKED_IN);
    let look = || async {
        let metrics = city.request(reqwest::Method::GET, "/metrics").send().await?.text().await?;
        Ok(metrics.contains(&format!("muster_kv_state{{view=\"{NAME}\",state=\"behind\"}} 1")).then_some(()))
    };
    wait::until_async("the publisher says that it waits", RELAY_MAX, look).await.unwrap();
    let (marker, rows) = bucket(&nats).await.unwrap();
    assert_eq!((marker.at, rows), (former.at, CHECKED_IN.map(str::to_owned).to_vec()), "the bucket stands still with the former rows");

    city.server.kill9().unwrap();
    drop(held);
    city.server.restart().await.unwrap();
    assert_eq!(city.rows("").await, CHECKED_IN, "as it was before");
    let mut live = city.request(reqwest::Method::GET, &format!("/v1/views/{NAME}/live?area=t-2")).send().await.unwrap();
    assert!(live.headers()["muster-outdated"].to_str().unwrap().starts_with("version=1; at="));
    // Every connection ends with it.
    drop(holder);
    sends(&mut live, &["event: snapshot", "\"complete\":true", "event: reset", "event: snapshot", "t-2/any"]).await;
    city.shows(&SECOND).await;
    bucket_shows(&nats, &SECOND).await;
    // The rows are there a moment before the work is over.
    let live = [("live".to_owned(), json!(2))];
    let look = || async { Ok(Some(city.status().await).filter(|status| states(status) == live)) };
    let status = wait::until_async("one generation is left", RELAY_MAX, look).await.unwrap();
    let renewed = &status["renewed"][0];
    // Three areas had two people each when the former version ended; it does not know `any`.
    let told = (&renewed["view"], &renewed["former_version"], &renewed["version"], &renewed["rows_differing"], &renewed["rows"]);
    assert_eq!(told, (&json!(NAME), &json!(1), &json!(2), &json!("3"), &json!("11")), "{status}");
    let (_, page) = city.get(&format!("/v1/views/{NAME}")).await;
    assert_eq!(page["outdated"], Value::Null);
    let (_, after) = city.get("/v1/status").await;
    assert!(after["log"]["at"].as_str().unwrap().ends_with(&format!(".{last}")), "nothing was recorded: {after}");
    let told = city.upkeep(&second, "status").await.stdout;
    assert!(told.contains("version 2 took the place of version 1"), "{told}");
    assert!(city.upkeep(&second, "verify").await.status.success());
    city.server.options_mut().env.clear();
    city.server.restart().await.unwrap();
    city.shows(&SECOND).await;
    city.check_in("r-4", "s-2").await;
    wait::until_async("it is live", RELAY_MAX, || async { Ok((city.rows("area=t-2").await[0] == "t-2 any 2").then_some(())) })
        .await
        .unwrap();
}

/// The same in a worker, which reads the log from the server whose records the stream has no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_renews_its_view_and_its_bucket_from_the_servers_log() {
    let (folder, program, second) = (tempfile::tempdir().unwrap(), program().await, second_version().await);
    let nats = NatsServer::start(NatsOptions::default()).await.unwrap();
    let args = vec!["--kv=false".to_owned()];
    let options = MusterOptions { data_dir: folder.path().join("data"), nats: Some(nats.url()), args, ..Default::default() };
    let city = City { server: MusterServer::start(options).await.unwrap(), token: None };
    city.build().await;
    for person in ["r-1", "r-2"] {
        city.check_in(person, "s-1").await;
    }
    let (data, server) = (folder.path().join("worker").display().to_string(), city.server.url());
    let args = ["--data", &data, "--server", &server, "--kv"];
    let mut first = Worker::start(&program, &nats, &args, &[]).await;
    first.shows(&CHECKED_IN).await;
    bucket_shows(&nats, &CHECKED_IN).await;
    first.process.child.signal(Signal::Terminate).unwrap();
    assert!(first.process.child.wait_for_end(MUSTER_STOP_MAX).await.unwrap().success());

    let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let env = held_by(&holder);
    let mut worker = Worker::start(&second, &nats, &args, &env).await;
    let held = tokio::time::timeout(RELAY_MAX, holder.accept()).await.expect("a fold comes to a check-in").unwrap();
    city.check_in("r-3", "s-2").await;
    worker.shows(&CHECKED_IN).await;
    assert_eq!(worker.page().await["outdated"]["version"], json!(1));
    assert_eq!(bucket(&nats).await.unwrap().1, CHECKED_IN);
    worker.process.child.kill9().unwrap();
    drop(held);

    let worker = Worker::start(&second, &nats, &args, &env).await;
    worker.shows(&CHECKED_IN).await;
    drop(holder);
    worker.shows(&SECOND).await;
    bucket_shows(&nats, &SECOND).await;
    assert_eq!(worker.page().await["outdated"], Value::Null);
    let verified = run_program(&second, &["--lang", "en", "views", "verify", "--server", &worker.url], RELAY_MAX).await.unwrap();
    assert!(verified.status.success(), "{}{}", verified.stdout, verified.stderr);
}

/// Muster itself does not know the view, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_without_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let options = MusterOptions { data_dir: folder.path().join("data"), ..Default::default() };
    let city = City { server: MusterServer::start(options).await.unwrap(), token: None };
    let (status, problem) = city.get(&format!("/v1/views/{NAME}")).await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("unknown_view")));
}

/// The guide shows the example as it is: each of its blocks of Rust stands in the example's sources, and each part of the example in the guide.
#[test]
fn the_guide_shows_the_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let (guide, example) = (read("docs/VIEWS.md"), read("deploy/examples/view/src/lib.rs"));
    let sources = [example.clone(), read("deploy/examples/view/src/main.rs"), read("deploy/examples/view/Cargo.toml")];
    let mut blocks = Vec::new();
    for part in guide.split("\n```").skip(1).step_by(2) {
        let (language, block) = part.split_once('\n').unwrap();
        if ["rust", "toml"].contains(&language) {
            assert!(sources.iter().any(|source| source.contains(block)), "not in the example:\n{block}");
            blocks.push(block.to_owned());
        }
    }
    let parts = example.split("// view:").skip(1).filter(|part| !part.starts_with("end")).map(|part| part.split_once('\n').unwrap().1);
    let parts: Vec<_> = parts.collect();
    assert!(!blocks.is_empty() && !parts.is_empty(), "nothing is compared");
    for part in parts {
        assert!(blocks.iter().any(|block| block.trim() == part.trim()), "not in the guide:\n{part}");
    }
}
