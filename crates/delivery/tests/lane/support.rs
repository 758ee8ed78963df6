//! A desk with a log in memory, and a receiver that answers as it is told. Waiting is always for something, and bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use muster_delivery::{
    Boxed, Channel, Deliveries, Desk, Facts, Gone, Letter, LetterKind, LogPlace, MessageId, Raw, Report, Settings, Told,
};
use muster_proto::v1::{self, DeliveryChannel, DeliveryOutcome};
use muster_proto::{ACTUAL, CommonPart, EnvelopeEncoder, Event, RecordPart};
use tokio::sync::watch;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes far less than the patience of a test")
}

/// Waits until something is so, looking again whenever a channel has done something.
pub(crate) async fn until(deliveries: &Deliveries, mut is_so: impl FnMut() -> bool) {
    let mut turns = deliveries.turns();
    within(async {
        while !is_so() {
            turns.changed().await.unwrap();
        }
    })
    .await;
}

pub(crate) fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The server, as far as a test needs it.
pub(crate) struct Memory {
    pub(crate) place: LogPlace,
    records: Mutex<Vec<axum::body::Bytes>>,
    end: watch::Sender<u64>,
    pub(crate) reports: Mutex<Vec<Report>>,
    /// Calls that need no message any more, and people without a number.
    pub(crate) pointless: Mutex<BTreeSet<String>>,
    pub(crate) impossible: Mutex<BTreeSet<String>>,
    /// Whether the log cannot be read, and how often a fault of ours breaks a try off.
    pub(crate) unreadable: AtomicBool,
    pub(crate) faults: AtomicU32,
}

impl Memory {
    pub(crate) fn new(epoch: u32) -> Arc<Self> {
        Arc::new(Self {
            place: LogPlace { id: "ab".repeat(16), epoch },
            records: Mutex::default(),
            end: watch::Sender::new(0),
            reports: Mutex::default(),
            pointless: Mutex::default(),
            impossible: Mutex::default(),
            unreadable: AtomicBool::default(),
            faults: AtomicU32::default(),
        })
    }

    pub(crate) fn append(&self, realm: &str, event: Event) -> u64 {
        let mut records = self.records.lock().unwrap();
        let position = records.len() as u64 + 1;
        let common = CommonPart { recorded_at_ms: now_ms(), count: 1, ..CommonPart::default() };
        let part = RecordPart {
            position,
            index: 0,
            realm,
            area_path: &v1::AreaPath::default(),
            other_area_ids: &[],
            cause: 0,
            origin: v1::Origin::External,
            event: &event,
        };
        records.push(EnvelopeEncoder::new(&common, 1).encode(&part));
        drop(records);
        self.end.send_replace(position);
        position
    }

    /// A person is called.
    pub(crate) fn call(&self, number: u64) -> u64 {
        let (call_id, responder_id) = (format!("c{number}"), format!("r-{number}"));
        self.append(ACTUAL, Event::ResponderCalled(v1::ResponderCalled { call_id, responder_id, ..Default::default() }))
    }

    pub(crate) fn order(&self, number: u64, channel: DeliveryChannel) -> u64 {
        let body = v1::NextChannelOrdered { call_id: format!("c{number}"), channel: channel.into(), ..Default::default() };
        self.append(ACTUAL, Event::NextChannelOrdered(body))
    }

    /// Nobody is left to seek the person but one who can telephone.
    pub(crate) fn telephone(&self, number: u64) -> u64 {
        let contacts = vec![v1::TelephoneContact { responder_id: "s-1".into(), ..Default::default() }];
        self.append(
            ACTUAL,
            Event::TelephoneRequested(v1::TelephoneRequested { call_id: format!("c{number}"), contacts, ..Default::default() }),
        )
    }

    /// A call is over before the person came: what is still to be said of it is pointless.
    pub(crate) fn release(&self, number: u64) -> u64 {
        self.pointless.lock().unwrap().insert(format!("c{number}"));
        let (call_id, reason) = (format!("c{number}"), v1::ReleaseReason::Recalled.into());
        self.append(ACTUAL, Event::DutyReleased(v1::DutyReleased { call_id, reason, ..Default::default() }))
    }

    pub(crate) fn outcomes(&self) -> Vec<(String, DeliveryChannel, DeliveryOutcome)> {
        let reports = self.reports.lock().unwrap();
        reports.iter().map(|report| (report.call_id.clone(), report.channel, report.outcome)).collect()
    }
}

impl Desk for Memory {
    fn place(&self) -> LogPlace {
        self.place.clone()
    }

    fn end(&self) -> u64 {
        *self.end.borrow()
    }

    fn read(&self, from: u64) -> Result<Vec<Raw>, String> {
        if self.unreadable.load(Ordering::Relaxed) {
            return Err("the disk says no".to_owned());
        }
        let records = self.records.lock().unwrap();
        let from_index = usize::try_from(from).unwrap() - 1;
        let raw = |(at, bytes): (usize, &Bytes)| Raw { position: at as u64 + 1, bytes: bytes.clone() };
        Ok(records.iter().enumerate().skip(from_index).take(100).map(raw).collect())
    }

    fn read_one(&self, position: u64) -> Result<Bytes, String> {
        let records = self.records.lock().unwrap();
        records.get(usize::try_from(position).unwrap().wrapping_sub(1)).cloned().ok_or_else(|| "no such record".to_owned())
    }

    fn more_than(&self, position: u64) -> Boxed<'_, bool> {
        Box::pin(async move { self.end.subscribe().wait_for(|end| *end > position).await.is_ok() })
    }

    fn facts<'a>(
        &'a self,
        letter: &'a Letter,
        _id: &'a MessageId,
        _channel: &'a Channel,
        may_be_told: bool,
    ) -> Boxed<'a, Result<Told, Gone>> {
        if self.faults.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            // Nothing is printed.
            std::panic::resume_unwind(Box::new("a fault"));
        }
        let sent = self.outcomes().contains(&(letter.call_id.clone(), letter.reach.unwrap_or_default(), DeliveryOutcome::Sent));
        let was_told = || may_be_told || self.outcomes().iter().any(|(call, ..)| *call == letter.call_id);
        let told = if sent {
            Told::Sent
        } else if letter.kind == LetterKind::Released {
            if was_told() { Told::Send(Box::default()) } else { Told::Pointless("never_told") }
        } else if self.pointless.lock().unwrap().contains(&letter.call_id) {
            Told::Pointless("answered")
        } else if self.impossible.lock().unwrap().contains(&letter.call_id) {
            Told::Impossible("no_phone")
        } else {
            Told::Send(Box::new(Facts { responder_id: format!("of {}", letter.call_id), ..Facts::default() }))
        };
        Box::pin(std::future::ready(Ok(told)))
    }

    fn record<'a>(&'a self, report: &'a Report) -> Boxed<'a, Result<(), Gone>> {
        let mut reports = self.reports.lock().unwrap();
        if !reports.iter().any(|known| known.id == report.id && known.outcome == report.outcome) {
            reports.push(report.clone());
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn now_ms(&self) -> i64 {
        now_ms()
    }
}

/// A request that came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Status(u16),
    RetryAfter(u64),
    Redirect(String),
    Json(&'static str),
    /// Not before it is told to.
    Hold,
    /// The request is taken, and the connection breaks off before the answer.
    Drop,
}

#[derive(Default)]
struct Told2 {
    seen: Vec<Seen>,
    replies: VecDeque<Reply>,
    usual: Option<Reply>,
    by_path: BTreeMap<&'static str, Reply>,
}

/// A receiver on a port of its own.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    told: Arc<Mutex<Told2>>,
    /// Of the requests seen.
    count: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::over(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(), "http")
    }

    pub(crate) fn over(listener: impl Listener<Addr = SocketAddr>, scheme: &str) -> Self {
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let receiver = Self { url, told: Arc::default(), count: watch::Sender::new(0), open: watch::Sender::new(false) };
        let app = axum::Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        receiver
    }

    /// The next requests are answered so, each after the other; then as usual.
    pub(crate) fn answers(&self, replies: impl IntoIterator<Item = Reply>) {
        self.told.lock().unwrap().replies.extend(replies);
    }

    pub(crate) fn usually(&self, reply: Reply) {
        self.told.lock().unwrap().usual = Some(reply);
    }

    pub(crate) fn at(&self, path: &'static str, reply: Reply) {
        self.told.lock().unwrap().by_path.insert(path, reply);
    }

    /// Lets go whom it holds.
    pub(crate) fn open(&self) {
        self.usually(Reply::Status(200));
        self.open.send_replace(true);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.told.lock().unwrap().seen.clone()
    }

    pub(crate) async fn has_seen(&self, requests: usize) -> Vec<Seen> {
        within(self.count.subscribe().wait_for(|seen| *seen >= requests)).await.unwrap();
        self.seen()
    }
}

async fn receive(State(receiver): State<Receiver>, OriginalUri(uri): OriginalUri, headers: HeaderMap, body: Bytes) -> Response {
    let reply = {
        let mut told = receiver.told.lock().unwrap();
        told.seen.push(Seen { path: uri.to_string(), headers, body });
        receiver.count.send_replace(told.seen.len());
        let by_path = told.by_path.get(uri.path()).cloned();
        by_path.or_else(|| told.replies.pop_front()).or_else(|| told.usual.clone()).unwrap_or(Reply::Status(200))
    };
    match reply {
        Reply::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Reply::RetryAfter(seconds) => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", seconds.to_string())]).into_response(),
        Reply::Redirect(to) => (StatusCode::FOUND, [("location", to)]).into_response(),
        Reply::Json(text) => ([("content-type", "application/json")], text).into_response(),
        // Whatever the connection's task holds falls with it; nothing is printed.
        Reply::Drop => std::panic::resume_unwind(Box::new("the connection breaks off")),
        Reply::Hold => {
            let _ = receiver.open.subscribe().wait_for(|open| *open).await;
            StatusCode::OK.into_response()
        }
    }
}

/// A channel as the configuration writes it.
pub(crate) fn channel(name: &str, url: &str, serves: &str, more: &str) -> String {
    let kind = if more.contains("kind = ") { "" } else { "kind = \"webhook\"\n" };
    let secret = if more.contains("secret = ") { String::new() } else { format!("secret = \"{SECRET}\"\n") };
    let pace = if more.contains("per_minute") { "" } else { "per_minute = 60000\n" };
    format!("[[channel]]\nname = \"{name}\"\nurl = \"{url}/calls\"\nserves = [{serves}]\n{kind}{secret}{pace}{more}\n")
}

pub(crate) fn start(dir: &Path, channels: &str, desk: &Arc<Memory>) -> Deliveries {
    let settings: Settings = toml::from_str(channels).unwrap();
    Deliveries::start(dir, &settings.check().unwrap(), Arc::<Memory>::clone(desk)).unwrap()
}
