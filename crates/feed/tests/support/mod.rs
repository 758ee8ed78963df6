//! What the feed's tests share: a real nats-server as a child process, a proxy whose connections can be cut, logs with
//! records in them, and bounded waits. No ports are fixed and no time is waited for.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]
// A seed is printed so that a failure can be played again.
#![allow(clippy::print_stdout)]

pub mod town;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use bytes::Bytes;
use muster_feed::{RelayHandle, RelayOptions, RelayState, RelayStatus, STREAM, VerifyReport, verify_stream};
use muster_log::{Log, LogId, MemoryLog, OpenOptions, Position, Unit};
use muster_proto::{CommonPart, EnvelopeEncoder, Event, RecordPart, v1};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Far above what anything here takes on a busy machine; only what hangs meets it.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Fails the test when the future takes longer than [`LIMIT`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("after {} s still not: {what}", LIMIT.as_secs()))
}

/// A nats-server with JetStream. It keeps port and storage through [`Nats::kill`] and [`Nats::start_again`].
pub struct Nats {
    binary: PathBuf,
    dir: TempDir,
    port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Nats {
    pub fn start() -> Self {
        Self::start_with(&["-js"])
    }

    pub fn start_without_jetstream() -> Self {
        Self::start_with(&[])
    }

    /// With arguments of the server's own; its storage is given in any case.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_as(binary("MUSTER_NATS_SERVER", "2.15.1"), arguments)
    }

    pub fn start_oldest() -> Self {
        Self::start_as(binary("MUSTER_NATS_SERVER_OLDEST", "2.10.25"), &["-js"])
    }

    fn start_as(binary: PathBuf, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut nats = Self { binary, dir: tempfile::tempdir().unwrap(), port: 0, arguments, child: None };
        nats.start_again();
        nats
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it on the port and the storage that it had.
    pub fn start_again(&mut self) {
        let port = if self.port == 0 { "-1".to_owned() } else { self.port.to_string() };
        let mut command = Command::new(&self.binary);
        command.args(["-a", "127.0.0.1", "-p", &port]).stdout(Stdio::null()).stderr(Stdio::piped());
        command.args(&self.arguments).arg("-sd").arg(self.dir.path());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        self.child = Some(child);
        let (told, ready) = sync_channel(1);
        // The pipe is read to its end, so that the server never waits for it.
        std::thread::spawn(move || {
            let mut port = None;
            for line in stderr.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("Listening for client connections on ") {
                    port = address.rsplit_once(':').and_then(|(_, port)| port.trim().parse().ok());
                }
                if line.contains("Server is ready") {
                    let _ = told.send(port);
                }
            }
        });
        self.port = ready.recv_timeout(LIMIT).expect("nats-server did not come up").expect("it names its port");
    }

    /// Kills it, removes its storage and starts it again.
    pub fn wipe(&mut self) {
        self.kill();
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        self.start_again();
    }

    /// SIGSTOP: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    pub async fn jetstream(&self) -> async_nats::jetstream::Context {
        async_nats::jetstream::new(async_nats::connect(self.url()).await.unwrap())
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

fn binary(variable: &str, version: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let tools = std::env::var_os("MUSTER_TOOLS").map(PathBuf::from);
    let tools = tools.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/muster/tools"))).unwrap();
    let installed = tools.join(format!("nats-server-{version}/nats-server"));
    assert!(installed.is_file(), "there is no {}: run deploy/setup --test, or set {variable}", installed.display());
    installed
}

/// A TCP proxy in front of a server; [`Proxy::cut`] ends all its connections where they are, in the middle of a message, and
/// while it is closed new ones end at once.
pub struct Proxy {
    port: u16,
    cut: watch::Sender<u64>,
    closed: watch::Sender<bool>,
}

impl Proxy {
    pub async fn before(server_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = watch::Sender::new(0);
        let cuts = cut.clone();
        let closed = watch::Sender::new(false);
        let shut = closed.subscribe();
        tokio::spawn(async move {
            while let Ok((mut inner, _)) = listener.accept().await {
                if *shut.borrow() {
                    continue;
                }
                let mut cut = cuts.subscribe();
                tokio::spawn(async move {
                    let Ok(mut outer) = TcpStream::connect(("127.0.0.1", server_port)).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { port, cut, closed }
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn close(&self) {
        self.closed.send_replace(true);
        self.cut();
    }

    pub fn open(&self) {
        self.closed.send_replace(false);
    }

    pub fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

/// A log's identity for tests.
pub const LOG: LogId = LogId([0x5a; 16]);

pub fn new_log(id: LogId) -> Arc<MemoryLog> {
    Arc::new(MemoryLog::with_options(OpenOptions { new_id: Some(id), ..OpenOptions::default() }))
}

/// Makes records from a seed; two makers of one seed make the same.
pub struct Records {
    random: ChaCha8Rng,
}

impl Records {
    pub fn new(seed: u64) -> Self {
        println!("records from seed {seed}");
        Self { random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// The next one; the text makes two makers of two seeds differ at every position.
    pub fn make(&mut self, position: Position) -> Bytes {
        let text: String = (0..self.random.random_range(8..400)).map(|_| char::from(self.random.random_range(b'a'..=b'z'))).collect();
        let context = v1::Context { actor: text, ..Default::default() };
        let common = CommonPart {
            recorded_at_ms: 1_764_000_000_000,
            principal: "hq",
            command_id: "c-1",
            body_digest: &[7; 32],
            context: Some(&context),
            count: 1,
        };
        let village = format!("v{}", self.random.random_range(0..100));
        let path = v1::AreaPath { city: "4408".into(), county: "440802".into(), village, ..Default::default() };
        let event = Event::AreaRetired(v1::AreaRetired { area_id: path.village.clone() });
        EnvelopeEncoder::new(&common, 1).encode(&RecordPart {
            position: position.0,
            index: 0,
            realm: muster_proto::ACTUAL,
            area_path: &path,
            other_area_ids: &[],
            cause: 0,
            origin: v1::Origin::External,
            event: &event,
        })
    }

    /// Appends `count` records in units of random length; returns when all are durable.
    pub fn append(&mut self, log: &dyn Log, count: u64) {
        let end = log.appended().plus(count);
        while log.appended() < end {
            let first = log.appended().next();
            let length = self.random.random_range(1..=64).min(end.0 - log.appended().0);
            let records = (0..length).map(|index| self.make(first.plus(index))).collect();
            log.append(Unit::records_only(first, records), Box::new(|_| {})).unwrap();
        }
        let (told, durable) = sync_channel(1);
        log.after(end, Box::new(move |outcome| told.send(outcome).unwrap())).unwrap();
        durable.recv_timeout(LIMIT).unwrap().unwrap();
    }
}

/// A log with `count` records from a seed.
pub fn log_of(id: LogId, seed: u64, count: u64) -> (Arc<MemoryLog>, Records) {
    let log = new_log(id);
    let mut records = Records::new(seed);
    records.append(log.as_ref(), count);
    (log, records)
}

/// Options that notice everything soon.
pub fn options(url: String) -> RelayOptions {
    RelayOptions { look_period: Duration::from_millis(50), ack_timeout: Duration::from_secs(2), ..RelayOptions::new(url) }
}

/// Waits for a status.
pub async fn status_where(relay: &RelayHandle, what: &str, wanted: impl Fn(&RelayStatus) -> bool) -> RelayStatus {
    let mut status = relay.status();
    let last = relay.status();
    let waited = tokio::time::timeout(LIMIT, status.wait_for(wanted)).await;
    waited.unwrap_or_else(|_| panic!("still not {what}: {:?}", last.borrow())).unwrap().clone()
}

/// Waits until the stream holds the whole log, and compares all of it.
pub async fn whole(relay: &RelayHandle, log: &Arc<MemoryLog>, url: &str) -> RelayStatus {
    let end = log.watermark();
    let status =
        status_where(relay, "live with everything relayed", |status| status.state == RelayState::Live && status.relayed >= end).await;
    assert_whole(log, url).await;
    status
}

pub async fn verify(log: &Arc<MemoryLog>, url: &str) -> VerifyReport {
    within("the stream compared", verify_stream(Arc::clone(log) as Arc<dyn Log>, url, STREAM)).await.unwrap()
}

pub async fn assert_whole(log: &Arc<MemoryLog>, url: &str) {
    let report = verify(log, url).await;
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.equal, log.watermark().0);
}
