//! `/asyncapi.json` and the running system agree: whatever comes over NATS and as server-sent events while a town plays its script is on
//! a channel of the document, with the headers and the payload that it promises there.

#![allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::pull;
use futures::{StreamExt as _, TryStreamExt as _};
use jsonschema::{Registry, Validator};
use muster_demo::script::{Unwatched, play};
use muster_demo::{City, Scale};
use muster_tests::buckets::wait_until_published;
use muster_tests::limits::{MUSTER_START_MAX, MUSTER_STOP_MAX};
use muster_tests::nats::{NatsOptions, NatsServer};
use muster_tests::process::{MusterOptions, MusterServer, run_muster};
use muster_tests::stage::HttpStage;
use serde_json::{Map, Value, json};

const SEED: u64 = 44_081;
/// The document's address as its schemas refer to it.
const DOCUMENT: &str = "urn:muster:asyncapi";

/// The document, and what was found on its channels.
struct Promise {
    document: Value,
    validators: BTreeMap<String, Validator>,
    met: BTreeMap<String, u64>,
}

impl Promise {
    fn new(document: Value) -> Self {
        Self { document, validators: BTreeMap::new(), met: BTreeMap::new() }
    }

    /// The channel that an address is of, if it is of one alone.
    fn channel(&self, address: &str) -> String {
        let fits = |(_, channel): &(&String, &Value)| {
            channel["address"].as_str().is_some_and(|pattern| self.fits(pattern, &channel["parameters"], address))
        };
        let found: Vec<_> = self.document["channels"].as_object().unwrap().iter().filter(fits).map(|(name, _)| name.clone()).collect();
        assert_eq!(found.len(), 1, "{address} is on {found:?}");
        found[0].clone()
    }

    fn fits(&self, pattern: &str, parameters: &Value, address: &str) -> bool {
        let (wanted, tokens): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), address.split('.').collect());
        let token = |(wanted, token): (&&str, &&str)| match wanted.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => parameters[name]["enum"].as_array().is_none_or(|known| known.contains(&json!(token))),
            None => wanted == token,
        };
        wanted.len() == tokens.len() && wanted.iter().zip(&tokens).all(token)
    }

    /// Holds a message against what the document says of it.
    fn hold(&mut self, channel: &str, message: &str, headers: Option<&Value>, payload: Option<&Value>) {
        let of_channel = &self.document["channels"][channel]["messages"];
        assert!(of_channel.get(message).is_some(), "{message} is not on {channel}");
        *self.met.entry(message.to_owned()).or_default() += 1;
        for (part, value) in [("headers", headers), ("payload", payload)] {
            if let Some(value) = value {
                self.validate(&format!("/components/messages/{message}/{part}"), value);
            }
        }
    }

    fn validate(&mut self, pointer: &str, value: &Value) {
        if self.document.pointer(pointer).is_none() {
            return;
        }
        if !self.validators.contains_key(pointer) {
            let schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": format!("{DOCUMENT}#{pointer}")});
            let registry = Registry::new().add(DOCUMENT, self.document.clone()).unwrap().prepare().unwrap();
            let validator = jsonschema::options().with_registry(&registry).build(&schema).unwrap();
            self.validators.insert(pointer.to_owned(), validator);
        }
        let faults: Vec<_> =
            self.validators[pointer].iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{pointer}: {faults:?}\n{value:#}");
    }
}

fn headers(found: Option<&HeaderMap>) -> Value {
    let all = found.into_iter().flat_map(HeaderMap::iter);
    all.map(|(name, values)| (name.to_string(), json!(values[0].as_str()))).collect::<Map<_, _>>().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_is_what_was_promised() {
    let folder = tempfile::tempdir().unwrap();
    let nats = NatsServer::start(NatsOptions::default()).await.unwrap();
    let data = folder.path().join("data");
    let options = MusterOptions { data_dir: data.clone(), nats: Some(nats.url()), ..Default::default() };
    let mut server = MusterServer::start(options).await.unwrap();
    let document = reqwest::get(format!("{}/asyncapi.json", server.url())).await.unwrap().json().await.unwrap();
    let mut promise = Promise::new(document);
    let live = tokio::spawn(listen(format!("{}/v1/views/whistles/live", server.url())));
    let mut stage = HttpStage::new(server.url()).unwrap();
    play(&City::generate(SEED, Scale::Small), &mut stage, &mut Unwatched).await.unwrap_or_else(|error| panic!("seed {SEED}: {error}"));
    wait_until_published(&server.url(), &nats.url()).await.unwrap();

    let client = async_nats::connect(nats.url()).await.unwrap();
    events(&mut promise, &client).await;
    events_as_json(&mut promise, &server.url()).await;
    buckets(&mut promise, &client).await;
    streamed(&mut promise, &live_events(live).await);
    commands(&mut promise, &client, &data).await;
    for message in
        ["Event", "EventJson", "Row_coverage", "Row_calls", "Marker", "Snapshot", "Change", "Heartbeat", "CommandAnswer", "CommandRefused"]
    {
        assert!(promise.met.contains_key(message), "{message} was never met: {:?}", promise.met);
    }
    assert!(server.terminate(MUSTER_STOP_MAX).await.unwrap().success());
}

/// Every message of the stream: an envelope, at the position that its header says.
async fn events(promise: &mut Promise, client: &async_nats::Client) {
    let stream = async_nats::jetstream::new(client.clone()).get_stream("MUSTER_EVENTS").await.unwrap();
    let count = usize::try_from(stream.cached_info().state.messages).unwrap();
    let consumer = stream.create_consumer(pull::Config::default()).await.unwrap();
    let mut messages = consumer.messages().await.unwrap().take(count);
    while let Some(message) = messages.try_next().await.unwrap() {
        let (channel, told) = (promise.channel(&message.subject), headers(message.headers.as_ref()));
        let envelope = muster_proto::decode(&message.payload).unwrap();
        assert_eq!(told["Muster-Position"], json!(envelope.position.to_string()), "{}", message.subject);
        promise.hold(&channel, "Event", Some(&told), None);
        message.ack().await.unwrap();
    }
}

/// The same events as JSON, each held against the schema of its kind as well.
async fn events_as_json(promise: &mut Promise, url: &str) {
    let lines = reqwest::get(format!("{url}/v1/events")).await.unwrap().text().await.unwrap();
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let event: Value = serde_json::from_str(line).unwrap();
        promise.hold("event_stream", "EventJson", None, Some(&event));
        promise.validate(&format!("/components/schemas/{}", event["type"].as_str().unwrap()), &event["event"]);
    }
}

/// Every last message of every bucket.
async fn buckets(promise: &mut Promise, client: &async_nats::Client) {
    let jetstream = async_nats::jetstream::new(client.clone());
    let views: Vec<String> =
        promise.document["channels"].as_object().unwrap().keys().filter_map(|name| name.strip_prefix("rows_")).map(str::to_owned).collect();
    for view in views {
        let stream = jetstream.get_stream(format!("KV_muster_{view}")).await.unwrap();
        let count = usize::try_from(stream.cached_info().state.messages).unwrap();
        let consumer = stream.create_consumer(pull::Config::default()).await.unwrap();
        let mut messages = consumer.messages().await.unwrap().take(count);
        while let Some(message) = messages.try_next().await.unwrap() {
            let channel = promise.channel(&message.subject);
            let gone = message.payload.is_empty();
            let kind = if channel.starts_with("marker_") {
                "Marker".to_owned()
            } else if gone {
                "RowGone".to_owned()
            } else {
                format!("Row_{view}")
            };
            let payload = if gone { None } else { Some(serde_json::from_slice(&message.payload).unwrap()) };
            promise.hold(&channel, &kind, Some(&headers(message.headers.as_ref())), payload.as_ref());
            message.ack().await.unwrap();
        }
    }
}

/// What a stream of server-sent events says until nobody listens any more.
async fn listen(url: String) -> String {
    let mut said = String::new();
    let mut response = reqwest::get(url).await.unwrap();
    while let Ok(Some(part)) = response.chunk().await {
        said.push_str(&String::from_utf8_lossy(&part));
        if said.contains("event: heartbeat") && said.contains("event: change") {
            break;
        }
    }
    said
}

async fn live_events(live: tokio::task::JoinHandle<String>) -> String {
    tokio::time::timeout(Duration::from_secs(60), live).await.expect("a quiet stream has a heartbeat").unwrap()
}

fn streamed(promise: &mut Promise, said: &str) {
    for event in said.split("\n\n") {
        let member = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        let (Some(name), Some(data)) = (member("event: "), member("data: ")) else { continue };
        let messages = promise.document["components"]["messages"].as_object().unwrap();
        let message = messages.iter().find(|(_, message)| message["name"] == name).map(|(message, _)| message.clone());
        let message = message.unwrap_or_else(|| panic!("{name} is no message"));
        promise.hold("live", &message, None, Some(&serde_json::from_str(data).unwrap()));
    }
}

/// A command that nobody may give, and one that headquarters may.
async fn commands(promise: &mut Promise, client: &async_nats::Client, data: &std::path::Path) {
    let city = City::generate(SEED, Scale::Small);
    let root = city.tree.areas.iter().find(|area| area.parent_id.is_empty()).unwrap();
    let body = json!({"area_id": "asyncapi", "name": "县", "level": "AREA_LEVEL_COUNTY", "parent_id": root.id});
    let subject = "muster.cmd.DefineArea";
    assert_eq!(promise.channel(subject), "commands");
    let mut asked = HeaderMap::new();
    asked.insert("Muster-Command-Id", "asyncapi");
    let told = client.request_with_headers(subject, asked.clone(), body.to_string().into()).await.unwrap();
    let payload = serde_json::from_slice(&told.payload).unwrap();
    promise.hold("command_answers", "CommandRefused", Some(&headers(told.headers.as_ref())), Some(&payload));

    let data = data.display().to_string();
    let issued =
        run_muster(&["token", "issue", "--data", &data, "--role", "headquarters", "--everything", "--name", "chief"], MUSTER_START_MAX)
            .await
            .unwrap();
    asked.insert("Authorization", format!("Bearer {}", issued.stdout.trim()));
    promise.hold("commands", "Command", Some(&headers(Some(&asked))), Some(&body));
    let told = client.request_with_headers(subject, asked, body.to_string().into()).await.unwrap();
    let payload: Value = serde_json::from_slice(&told.payload).unwrap();
    promise.hold("command_answers", "CommandAnswer", None, Some(&payload));
    assert_eq!(payload["events"][0]["type"], "AreaDefined", "{payload}");
}
