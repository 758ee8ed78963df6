//! A server on a temporary folder, a client, and a reader of server-sent events. Waiting is always for something, and bounded.

use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use futures::StreamExt as _;
use muster_log::OpenOptions;
use muster_server::access::{ACCESS_DIR, TokenStore};
use muster_server::startup::StartError;
use muster_server::wiring::{RunningServer, Server, ServerOptions};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server and everything that a test needs of it.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub http: reqwest::Client,
    server: Option<RunningServer>,
}

/// Small tables and no reserve: a test's log has a few records.
pub fn options(data: &Path) -> ServerOptions {
    let log = OpenOptions { reserve_bytes: 0, records_memtable_bytes: 1 << 20, commands_memtable_bytes: 1 << 20, ..OpenOptions::default() };
    ServerOptions { log, ..ServerOptions::new(data) }
}

impl Place {
    pub async fn new() -> Self {
        Self::with_queue(None).await
    }

    /// A server on an empty folder whose engine has room for so many waiting commands.
    pub async fn with_queue(queue_max: Option<usize>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(ServerOptions { queue_max, ..options(folder.path()) }).await.unwrap();
        Self { folder, http: reqwest::Client::new(), server: Some(server) }
    }

    /// A city with one county, two townships and a village, an organization and three people.
    pub async fn with_base() -> Self {
        let place = Self::new().await;
        place.define("4408", "湛江市", "CITY", "").await;
        place.define("440802", "赤坎区", "COUNTY", "4408").await;
        place.define("440803", "霞山区", "COUNTY", "4408").await;
        place.define("440802001", "中华街道", "TOWNSHIP", "440802").await;
        place.define("440802001001", "光复社区", "VILLAGE", "440802001").await;
        let organization = json!({"organization_id": "o-1", "name": "供电局", "kind": "ORGANIZATION_KIND_ENTERPRISE", "area_id": "4408"});
        place.done("RegisterOrganization", "o-1", organization).await;
        for (id, name) in [("r-1", "陈秀英"), ("r-2", "林志强"), ("r-3", "黄丽珍")] {
            let body = json!({"responder_id": id, "name": name, "kind": "RESPONDER_KIND_MEMBER", "organization_id": "o-1", "area_id": "440802001001"});
            place.done("EnrollResponder", &format!("enroll-{id}"), body).await;
        }
        place
    }

    pub fn server(&self) -> &RunningServer {
        self.server.as_ref().unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server().url())
    }

    pub async fn stop(&mut self) {
        self.server.take().unwrap().shutdown().await;
    }

    pub async fn start(&mut self) -> Result<(), StartError> {
        self.server = Some(Server::start(options(self.folder.path())).await?);
        Ok(())
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.start().await.unwrap();
    }

    pub async fn define(&self, id: &str, name: &str, level: &str, parent: &str) -> Value {
        let body = json!({"area_id": id, "name": name, "level": format!("AREA_LEVEL_{level}"), "parent_id": parent});
        self.done("DefineArea", &format!("define-{id}"), body).await
    }

    /// Sends a command and gives status and answer.
    pub async fn send(&self, name: &str, id: &str, body: &Value) -> (u16, Value) {
        let request = self.http.post(self.url(&format!("/v1/commands/{name}"))).header("Idempotency-Key", id).json(body);
        answer(request).await
    }

    pub async fn done(&self, name: &str, id: &str, body: Value) -> Value {
        let (status, answer) = self.send(name, id, &body).await;
        assert_eq!(status, 200, "{name} {id}: {answer}");
        answer
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.http.get(self.url(path))).await
    }

    pub async fn text(&self, path: &str) -> String {
        self.http.get(self.url(path)).send().await.unwrap().text().await.unwrap()
    }

    /// The views have everything that is durable now.
    pub async fn settle(&self) {
        let end = self.server().log.watermark();
        within(self.server().views.wait_for(end)).await.unwrap();
    }

    pub async fn sse(&self, path: &str, last_event_id: Option<&str>) -> Sse {
        let mut request = self.http.get(self.url(path)).header("Accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        Sse::open(within(request.send()).await.unwrap())
    }
}

/// A test that ends leaves no thread behind: one that still closed a database while the process exits would abort it.
impl Drop for Place {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(server.shutdown()));
        }
    }
}

/// Status and JSON body of a request; problems must be problem+json.
pub async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = within(request.send()).await.unwrap();
    let status = response.status();
    let kind = content_type(response.headers());
    let text = response.text().await.unwrap();
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|_| json!({"text": text}));
    if !status.is_success() {
        assert_eq!(kind, "application/problem+json", "{status}: {value}");
        for member in ["type", "title", "code", "detail", "detail_zh", "detail_en"] {
            assert!(value[member].as_str().is_some_and(|text| !text.is_empty()), "{member} is missing: {value}");
        }
        assert_eq!(value["status"], status.as_u16());
    }
    (status.as_u16(), value)
}

pub fn content_type(headers: &HeaderMap) -> String {
    headers.get("content-type").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

pub async fn within<F: std::future::Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes far less than the patience of a test")
}

/// One server-sent event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: Option<String>,
    pub kind: String,
    pub data: Value,
}

/// Reads server-sent events.
pub struct Sse {
    stream: std::pin::Pin<Box<dyn futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    buffer: BytesMut,
}

impl Sse {
    pub fn open(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        assert!(content_type(response.headers()).starts_with("text/event-stream"));
        Self { stream: Box::pin(response.bytes_stream()), buffer: BytesMut::new() }
    }

    /// The next event; nothing when the stream has ended.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block = self.buffer.split_to(end + 2);
                return Some(event(std::str::from_utf8(&block).unwrap()));
            }
            match within(self.stream.next()).await {
                Some(Ok(chunk)) => self.buffer.extend_from_slice(&chunk),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next event that is no heartbeat.
    pub async fn news(&mut self) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event.kind != "heartbeat" {
                return event;
            }
        }
    }

    /// The rows of a whole snapshot by key, and its place.
    pub async fn snapshot(&mut self) -> (std::collections::BTreeMap<String, Value>, String) {
        let mut rows = std::collections::BTreeMap::new();
        loop {
            let event = self.news().await;
            assert_eq!(event.kind, "snapshot", "{event:?}");
            for row in event.data["rows"].as_array().unwrap() {
                rows.insert(row["key"].as_str().unwrap().to_owned(), row["row"].clone());
            }
            if event.data["complete"] == json!(true) {
                return (rows, event.id.expect("the end of a snapshot has an id"));
            }
            assert_eq!(event.id, None, "a snapshot that is cut off begins anew");
        }
    }
}

fn event(block: &str) -> Event {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    Event {
        id: field("id: "),
        kind: field("event: ").expect("every event has a kind"),
        data: serde_json::from_str(&field("data: ").expect("every event has data")).unwrap(),
    }
}

/// The base of the other tests, and tokens for it.
pub struct Guarded {
    pub place: Place,
    pub tokens: TokenStore,
}

impl Guarded {
    pub async fn new() -> Self {
        let place = Place::with_base().await;
        place.define("440803001", "海滨街道", "TOWNSHIP", "440803").await;
        let tokens = TokenStore::new(place.folder.path().join(ACCESS_DIR));
        place.settle().await;
        Self { place, tokens }
    }

    pub fn token(&self, name: &str, grants: &[&str]) -> String {
        let grants = grants.iter().map(|grant| grant.parse().unwrap()).collect();
        self.tokens.issue(name, grants, 0, None).unwrap().0
    }

    pub async fn request(&self, method: Method, token: &str, path: &str) -> reqwest::RequestBuilder {
        self.place.http.request(method, self.place.url(path)).bearer_auth(token)
    }

    pub async fn get(&self, token: &str, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, token, path).await).await
    }

    pub async fn send(&self, token: &str, name: &str, id: &str, body: &Value) -> (u16, Value) {
        let path = format!("/v1/commands/{name}");
        answer(self.request(Method::POST, token, &path).await.header("Idempotency-Key", id).json(body)).await
    }

    pub async fn done(&self, token: &str, name: &str, id: &str, body: Value) -> Value {
        let (status, answer) = self.send(token, name, id, &body).await;
        assert_eq!(status, 200, "{name} {id}: {answer}");
        answer
    }

    pub async fn lines(&self, token: &str, path: &str) -> Vec<Value> {
        let response = within(self.request(Method::GET, token, path).await.send()).await.unwrap();
        assert_eq!(response.status(), 200);
        let text = response.text().await.unwrap();
        text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}
