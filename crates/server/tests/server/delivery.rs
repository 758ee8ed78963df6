//! A call reaches a person: messages over real HTTP receivers, the answer through the link, receipts, the next channel; nothing to whom it must
//! not go; and nothing lost by a kill.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use muster_delivery::{Secret, Settings, sign, verify};
use muster_engine::ClockSource;
use muster_log::Position;
use muster_server::access::AccessOptions;
use muster_server::wiring::{RunningServer, Server, ServerOptions};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::common::{answer, options, within};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PHONE: &str = "13800138000";
const MINUTE_MS: i64 = 60_000;
/// No status: the request is taken, and the connection breaks off before the answer.
const BROKEN_OFF: u16 = 0;

fn now_ms() -> i64 {
    i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A message that came in.
#[derive(Clone, Debug)]
struct Message {
    id: String,
    time: String,
    signature: String,
    body: Bytes,
}

impl Message {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}

/// A receiver on a port of its own, which answers as it is told.
#[derive(Clone)]
struct Gateway {
    url: String,
    messages: watch::Sender<Vec<Message>>,
    status: Arc<Mutex<u16>>,
}

impl Gateway {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/messages", listener.local_addr().unwrap());
        let gateway = Self { url, messages: watch::Sender::default(), status: Arc::new(Mutex::new(200)) };
        let shared = gateway.clone();
        let receive = move |headers: HeaderMap, body: Bytes| {
            let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
            let (id, time, signature) = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
            shared.messages.send_modify(|messages| messages.push(Message { id, time, signature, body }));
            let status = *shared.status.lock().unwrap();
            if status == BROKEN_OFF {
                // Whatever the connection's task holds falls with it; nothing is printed.
                std::panic::resume_unwind(Box::new("the connection breaks off"));
            }
            std::future::ready(StatusCode::from_u16(status).unwrap())
        };
        let app = axum::Router::new().fallback(receive);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        gateway
    }

    fn answers(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    fn seen(&self) -> Vec<Message> {
        self.messages.borrow().clone()
    }

    async fn has_seen(&self, messages: usize) -> Vec<Message> {
        within(self.messages.subscribe().wait_for(|seen| seen.len() >= messages)).await.unwrap().clone()
    }
}

fn channel(name: &str, kind: &str, url: &str, more: &str) -> String {
    format!("[[channel]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"{url}\"\nsecret = \"{SECRET}\"\n{more}\n")
}

/// A server with channels, a village and people in it, on a clock that the test moves.
struct Town {
    server: Option<RunningServer>,
    http: reqwest::Client,
    folder: tempfile::TempDir,
    channels: String,
    now_ms: i64,
}

impl Town {
    async fn new(channels: &str) -> Self {
        let now_ms = now_ms();
        let mut town = Self {
            server: None,
            http: reqwest::Client::new(),
            folder: tempfile::tempdir().unwrap(),
            channels: channels.to_owned(),
            now_ms,
        };
        town.start().await;
        for (name, id, body) in base() {
            town.done(name, &id, body).await;
        }
        town
    }

    async fn start(&mut self) {
        let settings: Settings = toml::from_str(&self.channels).unwrap();
        let access = AccessOptions { public_url: Some("https://muster.example.gov.cn".into()), ..AccessOptions::default() };
        let clock = ClockSource::Manual { start_ms: self.now_ms };
        let delivery = settings.check().unwrap();
        self.server = Some(Server::start(ServerOptions { access, clock, delivery, ..options(self.folder.path()) }).await.unwrap());
    }

    fn server(&self) -> &RunningServer {
        self.server.as_ref().unwrap()
    }

    async fn done(&self, name: &str, id: &str, body: Value) -> Value {
        let url = format!("{}/v1/commands/{name}", self.server().url());
        let (status, answer) = answer(self.http.post(url).header("Idempotency-Key", id).json(&body)).await;
        assert_eq!(status, 200, "{name} {id}: {answer}");
        answer
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.http.get(format!("{}{path}", self.server().url()))).await
    }

    async fn advance(&mut self, ms: i64) {
        self.now_ms += ms;
        self.server().engine.advance_to(self.now_ms).await.unwrap();
    }

    fn events(&self, kind: &str) -> Vec<Value> {
        let log = &self.server().log;
        let records = (1..=log.watermark().0).map(|at| log.read_one(Position(at)).unwrap());
        let events = records.map(|record| muster_server::http::event_json(&muster_proto::decode(&record.bytes).unwrap()));
        events.filter(|event| event["type"] == kind).map(|event| event["event"].clone()).collect()
    }

    /// Deliveries as the log has them: channel and outcome.
    fn deliveries(&self) -> Vec<String> {
        let short = |value: &Value, prefix: &str| value.as_str().unwrap().trim_start_matches(prefix).to_owned();
        let told = self.events("DeliveryRecorded");
        told.iter()
            .map(|event| format!("{} {}", short(&event["channel"], "DELIVERY_CHANNEL_"), short(&event["outcome"], "DELIVERY_OUTCOME_")))
            .collect()
    }

    /// Waits until something is so, looking again whenever a channel has done something.
    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        let mut turns = self.server().deliveries.turns();
        within(async {
            while !is_so(self) {
                turns.changed().await.unwrap();
            }
        })
        .await;
    }

    async fn recorded(&self, expected: &[&str]) {
        self.until(|town| town.deliveries().len() >= expected.len()).await;
        assert_eq!(self.deliveries(), expected);
    }

    async fn receipt(&self, id: &str, body: &str, time_s: i64, secret: &str) -> (u16, Value) {
        let own_id = format!("{id}.1");
        let signature = sign(&[Secret::webhook(secret).unwrap()], &own_id, time_s, body.as_bytes());
        let request = self.http.post(format!("{}/v1/deliveries/{id}/receipts", self.server().url()));
        let request = request.header("webhook-id", own_id).header("webhook-timestamp", time_s.to_string());
        answer(request.header("webhook-signature", signature).body(body.to_owned())).await
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(server.shutdown()));
        }
    }
}

fn office() -> Value {
    json!({"actor_office": {"area_id": "440802001"}})
}

fn base() -> Vec<(&'static str, String, Value)> {
    let area = |id: &str, name: &str, level: &str, parent: &str| {
        let body = json!({"area_id": id, "name": name, "level": format!("AREA_LEVEL_{level}"), "parent_id": parent});
        ("DefineArea", format!("define-{id}"), body)
    };
    let person = |id: &str, phone: &str| {
        let body =
            json!({"responder_id": id, "name": "陈秀英", "phone": phone, "kind": "RESPONDER_KIND_MEMBER", "area_id": "440802001001"});
        ("EnrollResponder", format!("enroll-{id}"), body)
    };
    vec![
        area("440802", "赤坎区", "COUNTY", ""),
        area("440802001", "中华街道", "TOWNSHIP", "440802"),
        area("440802001001", "光复社区", "VILLAGE", "440802001"),
        person("r-1", PHONE),
        person("r-2", ""),
        person("r-3", PHONE),
    ]
}

/// An incident, a site with seats, and calls to the people in the order of the seats.
fn calls(realm: &str, people: &[&str]) -> Vec<(&'static str, String, Value)> {
    let incident = if realm.is_empty() { "flood" } else { realm };
    let site = format!("s-{incident}");
    let seats: Vec<Value> = (1..=people.len()).map(|at| json!({"seat_id": at.to_string()})).collect();
    let mut commands = vec![
        (
            "DeclareIncident",
            format!("declare-{incident}"),
            json!({"incident_id": incident, "incident_type": "INCIDENT_TYPE_FLOOD", "name": "洪涝", "area_id": "440802001", "realm": realm,
                "severity": "SEVERITY_SEVERE", "context": office()}),
        ),
        (
            "OpenSite",
            format!("open-{incident}"),
            json!({"site_id": site, "incident_id": incident, "kind": "SITE_KIND_CHECKPOINT", "name": "一号卡口", "area_id": "440802001001",
                "seats": seats, "context": office()}),
        ),
    ];
    for (at, person) in people.iter().enumerate() {
        let body = json!({"responder_id": person, "site_id": site, "seat_id": (at + 1).to_string(), "context": office()});
        commands.push(("DispatchResponder", format!("dispatch-{incident}-{person}"), body));
    }
    commands
}

/// Everything that lies in a folder, as one text.
fn everything_in(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    files.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_reaches_a_person_channel_by_channel_and_the_answer_comes_back() {
    let (app, sms) = (Gateway::start().await, Gateway::start().await);
    let channels = channel("app", "webhook", &app.url, "serves = [\"app\"]")
        + &channel("sms", "sms", &sms.url, "serves = [\"sms\"]\nfields = [\"phone\"]");
    let mut town = Town::new(&channels).await;
    for (name, id, body) in calls("", &["r-1"]) {
        town.done(name, &id, body).await;
    }
    town.recorded(&["APP SENT"]).await;
    let message = app.has_seen(1).await.remove(0);
    let secret = [Secret::webhook(SECRET).unwrap()];
    assert_eq!(verify(&secret, &message.id, &message.time, &message.body, &message.signature, now_ms() / 1_000), Ok(()));
    let data = message.json()["data"].clone();
    assert_eq!(
        (data["responder_id"].as_str(), data["place"].as_str(), data["area"].as_str()),
        (Some("r-1"), Some("一号卡口"), Some("光复社区"))
    );
    assert!(!message.text().contains(PHONE) && !message.text().contains("陈秀英"), "no rule names them: {data}");

    // Silent for five minutes: the domain orders the next channel, which may have the number.
    assert!(sms.seen().is_empty());
    town.advance(6 * MINUTE_MS).await;
    town.recorded(&["APP SENT", "SMS SENT"]).await;
    let message = sms.has_seen(1).await.remove(0);
    assert_eq!(message.json()["to"], PHONE);
    assert!(message.json()["text"].as_str().unwrap().contains("一号卡口"), "{}", message.text());

    // Receipts: forged and old ones are refused, good ones are recorded once.
    let elsewhere = town.http.post(format!("{}/v1/deliveries/{}/receipts", town.server().url(), message.id));
    let (status, problem) = answer(elsewhere.header("webhook-id", "another.1").body("{}")).await;
    assert_eq!((status, problem["code"].as_str(), problem["field"].as_str()), (400, Some("bad_receipt"), Some("webhook-id")));
    let body = r#"{"outcome": "delivered"}"#;
    let (status, problem) = town.receipt(&message.id, body, now_ms() / 1_000, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await;
    assert_eq!((status, problem["code"].as_str(), problem["field"].as_str()), (401, Some("bad_signature"), Some("webhook-signature")));
    let (status, problem) = town.receipt(&message.id, body, now_ms() / 1_000 - 400, SECRET).await;
    assert_eq!((status, problem["code"].as_str()), (401, Some("bad_timestamp")));
    for _ in 0..2 {
        let (status, answer) = town.receipt(&message.id, body, now_ms() / 1_000, SECRET).await;
        assert_eq!((status, &answer["recorded"]), (200, &json!(true)), "{answer}");
    }
    town.recorded(&["APP SENT", "SMS SENT", "SMS DELIVERED"]).await;
    let end = town.server().log.watermark();
    within(town.server().views.wait_for(end)).await.unwrap();
    let (_, page) = town.get("/v1/views/calls").await;
    let rows = page["rows"][0]["deliveries"].as_array().unwrap();
    let outcomes: Vec<_> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["DELIVERY_OUTCOME_SENT", "DELIVERY_OUTCOME_DELIVERED"]);

    // The link answers, on whichever channel it came, and once.
    let text = message.json()["text"].as_str().unwrap().to_owned();
    let path = text.split("https://muster.example.gov.cn").nth(1).unwrap().lines().next().unwrap().to_owned();
    let say = |said: &str| town.http.post(format!("{}{path}", town.server().url())).json(&json!({"answer": said}));
    assert_eq!(answer(say("accept")).await.0, 200);
    let first = app.seen()[0].json()["data"]["link"].as_str().unwrap().trim_start_matches("https://muster.example.gov.cn").to_owned();
    let decline = town.http.post(format!("{}{first}", town.server().url())).json(&json!({"answer": "decline"}));
    assert_eq!(answer(decline).await.1["code"], "link_used");
    assert_eq!(town.events("CallAccepted").len(), 1);
    town.advance(60 * MINUTE_MS).await;
    assert_eq!((app.seen().len(), sms.seen().len()), (1, 1), "whoever answered is left alone");

    let (_, status) = town.get("/v1/status").await;
    assert_eq!((status["delivery"][1]["name"].as_str(), &status["delivery"][1]["sent"]), (Some("sms"), &json!("1")));
    let metrics = town.http.get(format!("{}/metrics", town.server().url())).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("muster_delivery_sent{channel=\"sms\"} 1"), "{metrics}");
    let kept = everything_in(&town.folder.path().join("delivery"));
    assert!(kept.contains("\"read\"") && !kept.contains(PHONE) && !kept.contains("answer/"), "{kept}");
}

/// Without a number there is no message: the next channel is asked for at once, and at last those who can telephone.
#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_reached_is_telephoned_by_others_and_what_nobody_serves_holds_up_nobody() {
    let (sms, desk) = (Gateway::start().await, Gateway::start().await);
    let channels = channel("sms", "sms", &sms.url, "serves = [\"sms\"]\nfields = [\"phone\"]")
        + &channel("desk", "webhook", &desk.url, "serves = [\"contact\", \"office\"]");
    let town = Town::new(&channels).await;
    for (name, id, body) in calls("", &["r-2"]) {
        town.done(name, &id, body).await;
    }
    let message = desk.has_seen(1).await.remove(0);
    assert_eq!(
        (message.json()["type"].as_str(), message.json()["data"]["recipient_kind"].as_str()),
        (Some("muster.telephone"), Some("area"))
    );
    town.recorded(&["SMS FAILED", "VOICE FAILED", "ROBOT FAILED", "NAMED_CONTACT SENT"]).await;
    assert!(sms.seen().is_empty());
    let (_, dead) = town.get("/v1/deliveries/dead").await;
    assert_eq!((dead["dead"][0]["reason"].as_str(), dead["dead"][0]["call_id"].as_str()), (Some("no_phone"), Some("c1")));
    let unknown = town.http.post(format!("{}/v1/deliveries/channels/fax/enable", town.server().url()));
    assert_eq!(answer(unknown).await.1["code"], "unknown_channel");
}

/// The first channel does not know the person, who was called by the next one and came: told there, and not in vain at the first.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_called_by_another_channel_is_recalled_by_it() {
    let (app, sms) = (Gateway::start().await, Gateway::start().await);
    app.answers(400);
    let channels = channel("app", "webhook", &app.url, "serves = [\"app\"]") + &channel("sms", "webhook", &sms.url, "serves = [\"sms\"]");
    let town = Town::new(&channels).await;
    for (name, id, body) in calls("", &["r-1"]) {
        town.done(name, &id, body).await;
    }
    town.recorded(&["APP FAILED", "SMS SENT"]).await;
    town.done("AcceptCall", "accept", json!({"call_id": "c1"})).await;
    town.done("CheckIn", "come", json!({"responder_id": "r-1", "site_id": "s-flood"})).await;
    town.done("RecallResponder", "recall", json!({"call_id": "c1", "reason": "不需要", "context": office()})).await;
    let message = sms.has_seen(2).await.remove(1);
    assert_eq!(message.json()["type"], "muster.recalled");
    town.until(|town| town.server().deliveries.statuses().iter().all(|status| status.lag_positions == 0)).await;
    assert_eq!((app.seen().len(), sms.seen().len()), (1, 2), "the app was tried for the call alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exercise_reaches_those_who_are_in_it_by_channels_that_allow_it() {
    let (real, drill) = (Gateway::start().await, Gateway::start().await);
    let channels = channel("real", "webhook", &real.url, "serves = [\"app\", \"contact\"]")
        + &channel("drill", "webhook", &drill.url, "serves = [\"sms\", \"contact\"]\nrealms = [\"exercises\"]");
    let mut town = Town::new(&channels).await;
    let secretary =
        json!({"responder_id": "r-3", "area_id": "440802001001", "kind": "RESPONSIBILITY_KIND_VILLAGE_LEADER", "context": office()});
    town.done("AssignResponsibility", "village-leader", secretary).await;
    for (name, id, body) in calls("drill-1", &["r-1"]) {
        town.done(name, &id, body).await;
    }
    let message = drill.has_seen(1).await.remove(0);
    assert!(message.json()["data"]["text"].as_str().unwrap().starts_with("【演练】"), "{}", message.text());
    town.recorded(&["SMS SENT"]).await;
    town.advance(30 * MINUTE_MS).await;
    town.until(|town| town.events("TelephoneRequested").len() == 1).await;
    let contacts = town.events("TelephoneRequested")[0]["contacts"].to_string();
    assert!(contacts.contains("r-3"), "somebody real could telephone: {contacts}");
    town.until(|town| town.server().deliveries.statuses().iter().all(|status| status.lag_positions == 0)).await;
    assert_eq!((drill.seen().len(), real.seen().len()), (1, 0), "nobody outside the exercise hears of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_whose_data_was_erased() {
    const FOUR_YEARS_MS: i64 = 4 * 366 * 24 * 60 * MINUTE_MS;
    let app = Gateway::start().await;
    let mut town = Town::new(&channel("app", "webhook", &app.url, "serves = [\"app\"]\nfields = [\"name\"]")).await;
    for (name, id, body) in calls("", &["r-1"]) {
        town.done(name, &id, body).await;
    }
    town.recorded(&["APP SENT"]).await;
    assert_eq!(app.seen()[0].json()["data"]["name"], "陈秀英", "a rule names it");
    app.answers(400);
    town.done("RecallResponder", "recall", json!({"call_id": "c1", "reason": "不需要", "context": office()})).await;
    app.has_seen(2).await;
    town.until(|town| town.server().deliveries.dead(9).len() == 1).await;
    town.done("WithdrawResponder", "withdraw", json!({"responder_id": "r-1", "reason": "迁出"})).await;
    town.advance(FOUR_YEARS_MS).await;
    for actor in ["甲", "乙"] {
        let body = json!({"responder_id": "r-1", "reason": "本人要求", "context": {"actor": actor}});
        town.done("ErasePersonalData", &format!("erase-{actor}"), body).await;
    }
    let end = town.server().log.watermark();
    within(town.server().erasures.wait_for(end)).await;
    app.answers(200);
    let dead = town.server().deliveries.dead(9).remove(0);
    let again = town.http.post(format!("{}/v1/deliveries/{}/resend", town.server().url(), dead.id));
    assert_eq!(answer(again).await.0, 200);
    town.until(|town| town.server().deliveries.statuses()[0].pointless == 1).await;
    assert_eq!(app.seen().len(), 2, "the dead letter was looked at, and nothing was sent");
    assert!(!everything_in(&town.folder.path().join("delivery")).contains("陈秀英"));
}

/// The answer of the gateway was lost on the way: the person may have been told, and must not come in vain.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_have_been_told_is_told_of_the_release() {
    let app = Gateway::start().await;
    let town = Town::new(&channel("app", "webhook", &app.url, "serves = [\"app\"]")).await;
    app.answers(BROKEN_OFF);
    for (name, id, body) in calls("", &["r-1"]) {
        town.done(name, &id, body).await;
    }
    app.has_seen(1).await;
    town.done("RecallResponder", "recall", json!({"call_id": "c1", "reason": "不需要", "context": office()})).await;
    assert_eq!(town.events("DutyReleased").len(), 1);
    app.answers(200);
    town.until(|town| town.server().deliveries.statuses()[0].lag_positions == 0).await;
    let types: Vec<_> = app.seen().iter().map(|message| message.json()["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!((types[0].as_str(), types.last().unwrap().as_str()), ("muster.call", "muster.released"));
    town.recorded(&["APP FAILED"]).await;
}

/// A receiver that was down for long is not told of what is over: the area has resumed, the tired person went home.
#[tokio::test(flavor = "multi_thread")]
async fn orders_and_demands_whose_moment_is_over_are_not_sent() {
    let gateway = Gateway::start().await;
    let channels = channel("all", "webhook", &gateway.url, "serves = [\"app\", \"office\"]\ngive_up_after_s = 86400");
    let mut town = Town::new(&channels).await;
    for (name, id, body) in calls("", &["r-1"]) {
        town.done(name, &id, body).await;
    }
    town.recorded(&["APP SENT"]).await;
    let at_the_site = json!({"responder_id": "r-1", "site_id": "s-flood", "context": office()});
    town.done("CheckIn", "in", at_the_site.clone()).await;
    town.until(|town| town.server().deliveries.statuses()[0].lag_positions == 0).await;
    let told = gateway.seen().len();
    gateway.answers(503);
    let area = |reason: &str| json!({"incident_id": "flood", "area_id": "440802001001", "reason": reason, "context": office()});
    town.done("RecallArea", "shelter", area("台风登陆")).await;
    town.advance(9 * 60 * MINUTE_MS).await;
    assert_eq!((town.events("ShelterOrdered").len(), town.events("ReliefDemanded").len()), (1, 1));
    gateway.has_seen(told + 2).await;
    town.done("ResumeArea", "resume", area("风停")).await;
    town.done("CheckOut", "out", at_the_site).await;
    gateway.answers(200);
    let before = gateway.seen().len();
    town.until(|town| town.server().deliveries.statuses()[0].lag_positions == 0).await;
    let news = gateway.seen()[before..].iter().map(|message| message.json()["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert!(!news.iter().any(|kind| kind == "muster.shelter" || kind == "muster.relief"), "{news:?}");
    assert_eq!(town.server().deliveries.statuses()[0].pointless, 2);
}

/// The real binary with a configuration file; ended with the test whatever becomes of it.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(data: &Path, config: &Path) -> Self {
        let arguments = ["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()];
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, url }
    }

    async fn send(&self, http: &reqwest::Client, (name, id, body): (&str, String, Value)) {
        let request = http.post(format!("{}/v1/commands/{name}", self.url)).header("Idempotency-Key", &id).json(&body);
        let (status, answer) = answer(request).await;
        assert_eq!(status, 200, "{name} {id}: {answer}");
    }
}

impl Drop for Process {
    /// SIGKILL, and gone already is fine.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_loses_no_message_and_changes_no_id() {
    const PEOPLE: usize = 40;
    let (folder, app, http) = (tempfile::tempdir().unwrap(), Gateway::start().await, reqwest::Client::new());
    let (data, config) = (folder.path().join("data"), folder.path().join("muster.toml"));
    let channels =
        channel("app", "webhook", &app.url, "serves = [\"app\"]\nconcurrency = 2").replace("[[channel]]", "[[delivery.channel]]");
    std::fs::write(&config, format!("[auth]\npublic_url = \"https://muster.example.gov.cn\"\n{channels}")).unwrap();
    let people: Vec<String> = (10..10 + PEOPLE).map(|at| format!("r-{at}")).collect();
    let server = Process::start(&data, &config);
    for command in base() {
        server.send(&http, command).await;
    }
    for id in &people {
        let body = json!({"responder_id": id, "name": "林志强", "kind": "RESPONDER_KIND_MEMBER", "area_id": "440802001001"});
        server.send(&http, ("EnrollResponder", format!("enroll-{id}"), body)).await;
    }
    let mut commands = calls("", &people.iter().map(String::as_str).collect::<Vec<_>>()).into_iter();
    for command in commands.by_ref().take(2 + PEOPLE / 2) {
        server.send(&http, command).await;
    }
    // Some have been told, some are on their way.
    app.has_seen(3).await;
    app.answers(503);
    for command in commands {
        server.send(&http, command).await;
    }
    let tried = app.seen().len();
    app.has_seen(tried + 1).await;
    drop(server);
    app.answers(200);
    let server = Process::start(&data, &config);
    let sent = async || {
        let text = http.get(format!("{}/v1/events?type=DeliveryRecorded", server.url)).send().await.unwrap().text().await.unwrap();
        let sent = |line: &&str| line.contains("DELIVERY_OUTCOME_SENT");
        text.lines()
            .filter(sent)
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"]["call_id"].to_string())
            .collect::<Vec<_>>()
    };
    let url = format!("{}/v1/events?type=DeliveryRecorded&follow=true", server.url);
    let mut news = within(http.get(url).send()).await.unwrap();
    while sent().await.len() < PEOPLE {
        within(news.chunk()).await.unwrap().expect("it follows the log");
    }
    let calls = sent().await.into_iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!((calls.len(), sent().await.len()), (PEOPLE, PEOPLE), "each once in the log");
    let ids: std::collections::BTreeSet<_> =
        app.seen().into_iter().map(|message| (message.json()["data"]["call_id"].to_string(), message.id)).collect();
    assert_eq!(ids.len(), PEOPLE, "one id a call, however often it was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_channel_is_said_in_both_languages_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("muster.toml");
    std::fs::write(&config, "[[delivery.channel]]\nname = \"sms\"\nkind = \"sms\"\nurl = \"https://h/\"\nserves = [\"sms\"]\n").unwrap();
    for (lang, words) in [("zh-CN", "个人信息只按 fields 明确允许的发出"), ("en", "personal fields leave only by name")] {
        let data = folder.path().join("data");
        let arguments = ["--lang", lang, "serve", "--data", data.to_str().unwrap(), "--config", config.to_str().unwrap()];
        let output = Command::new(env!("CARGO_BIN_EXE_muster")).args(arguments).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && err.contains("delivery.channel[sms].fields") && err.contains(words), "{err}");
        assert!(!data.exists());
    }
}
