//! Jurisdiction on the wire: a nats-server with the configuration that `muster nats config` makes, TLS on, and two users of
//! neighbouring townships. One of them tries to read and write outside in every way that a client can; then it is shown that
//! all that is needed inside works. Held for the oldest and the current release.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull, push};
use async_nats::jetstream::{self, kv, stream};
use async_nats::{Client, HeaderMap};
use futures::future::{BoxFuture, join_all};
use futures::{FutureExt as _, StreamExt as _};
use muster_feed::{Asked, CommandService, Commands, Refusal, Said, ServiceOptions, ServiceState};
use muster_tests::nats::NatsVersion;
use muster_tests::nats_users::NatsWithUsers;
use serde_json::{Value, json};

const AREAS: &str = "编码,名称,层级,上级编码\nc,市,市,\nd,区,县区,c\nt1,甲街道,镇街,d\nt2,乙街道,镇街,d\n";
const USERS: &str = r#"
[[user]]
name = "one"
grants = ["township@area:t1"]
[[user]]
name = "two"
grants = ["township@area:t2"]
[[user]]
name = "console"
grants = ["console@area:d"]
[[user]]
name = "analyst"
grants = ["analyst@everything"]
[[user]]
name = "auditor"
grants = ["auditor@everything"]
"#;

const EVENTS: &str = "MUSTER_EVENTS";
const BUCKETS: [&str; 2] = ["muster_whistles", "muster_calls"];
/// What is answered with nothing at all by the oldest release is waited for so long.
const SILENCE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(30);

fn event(township: &str, name: &str) -> String {
    format!("muster.evt.actual.c.d.{township}._._.whistle.{name}")
}

fn key(township: &str, row: &str) -> String {
    format!("actual.c.d.{township}._._.{row}")
}

/// Somebody behind the service, who carries nothing out.
struct Nobody;

impl Commands for Nobody {
    fn names(&self) -> Vec<&'static str> {
        vec!["BlowWhistle"]
    }

    fn carry_out(&self, _: Asked) -> BoxFuture<'static, Said> {
        std::future::ready(self.busy()).boxed()
    }

    fn busy(&self) -> Said {
        Said {
            body: "{}".into(),
            error: Some(Refusal { status: 401, reason: "token_required".to_owned(), detail: String::new() }),
            ..Said::default()
        }
    }
}

/// Stream and buckets as the server has them, three events and rows in each township.
async fn fill(server: &Client) -> Result<()> {
    let context = jetstream::new(server.clone());
    let config = stream::Config {
        name: EVENTS.to_owned(),
        subjects: vec!["muster.evt.>".to_owned()],
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        ..stream::Config::default()
    };
    context.create_stream(config).await?;
    for bucket in BUCKETS {
        context.create_key_value(kv::Config { bucket: bucket.to_owned(), history: 1, ..kv::Config::default() }).await?;
    }
    for number in 1..=3 {
        for township in ["t1", "t2"] {
            context.publish(event(township, "whistle_blown"), format!("{township} {number}").into()).await?.await?;
            for bucket in BUCKETS {
                let store = context.get_key_value(bucket).await?;
                store.put(key(township, &format!("row{number}")), format!("{township} {number}").into()).await?;
            }
        }
    }
    for bucket in BUCKETS {
        context.get_key_value(bucket).await?.put("_.at", "{}".into()).await?;
    }
    Ok(())
}

/// What the server sees of everything that could have been touched.
async fn all_of_it(server: &Client) -> Result<Vec<Value>> {
    let mut seen = Vec::new();
    for stream in [EVENTS.to_owned()].into_iter().chain(BUCKETS.map(|bucket| format!("KV_{bucket}"))) {
        let told = server.request(format!("$JS.API.STREAM.INFO.{stream}"), "".into()).await?;
        let told: Value = serde_json::from_slice(&told.payload)?;
        seen.push(json!([stream, told["config"], told["state"]["messages"], told["state"]["last_seq"]]));
    }
    let told = server.request(format!("$JS.API.CONSUMER.INFO.{EVENTS}.two-1"), "".into()).await?;
    let told: Value = serde_json::from_slice(&told.payload)?;
    seen.push(json!([told["config"], told["delivered"], told["ack_floor"], told["num_ack_pending"]]));
    Ok(seen)
}

/// Asks, and says what came back but for refusals: nothing where nobody answered or JetStream said no.
async fn got(client: &Client, subject: String, body: Value) -> Option<String> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let asked = tokio::time::timeout(SILENCE, client.request(subject.clone(), body.into())).await;
    let answer = asked.ok()?.ok()?;
    let refused = serde_json::from_slice::<Value>(&answer.payload).is_ok_and(|told| told["error"].is_object());
    let status = answer.status.is_some_and(|status| status.as_u16() >= 400);
    (!refused && !status).then(|| format!("{subject}: {:?} {}", answer.status, String::from_utf8_lossy(&answer.payload)))
}

fn consumer(name: &str, more: Value) -> Value {
    let mut config = json!({"name": name, "ack_policy": "none", "deliver_policy": "all"});
    config.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    json!({"stream_name": EVENTS, "config": config})
}

/// Requests to JetStream that would read or change what is not the caller's.
fn requests() -> Vec<(String, Value)> {
    let (own, foreign) = ("muster.evt.*.c.d.t1.>", "muster.evt.*.c.d.t2.>");
    let api = |call: &str| format!("$JS.API.{call}");
    let create = |tail: &str| api(&format!("CONSUMER.CREATE.{EVENTS}{tail}"));
    let mut all = vec![
        // Messages by subject, by number, many at once.
        (api(&format!("DIRECT.GET.{EVENTS}.{}", event("t2", "whistle_blown"))), Value::Null),
        (api(&format!("DIRECT.GET.{EVENTS}")), json!({"seq": 2})),
        (api(&format!("DIRECT.GET.{EVENTS}")), json!({"last_by_subj": event("t2", "whistle_blown")})),
        (api(&format!("DIRECT.GET.{EVENTS}")), json!({"multi_last": ["muster.evt.>"]})),
        (api(&format!("STREAM.MSG.GET.{EVENTS}")), json!({"seq": 2})),
        (api(&format!("STREAM.MSG.GET.{EVENTS}")), json!({"last_by_subj": event("t1", "whistle_blown")})),
        // Consumers without a filter, with another's, with the own in the subject and another's in the body.
        (create(""), consumer("one-1", json!({"filter_subject": own}))),
        (create(".one-1"), consumer("one-1", json!({}))),
        (create(&format!(".one-1.{foreign}")), consumer("one-1", json!({"filter_subject": foreign}))),
        (create(".one-1.muster.evt.>"), consumer("one-1", json!({"filter_subject": "muster.evt.>"}))),
        (create(".one-1.muster.evt.*.c.d.*.>"), consumer("one-1", json!({"filter_subject": "muster.evt.*.c.d.*.>"}))),
        (create(&format!(".one-1.{own}")), consumer("one-1", json!({"filter_subject": foreign}))),
        (create(&format!(".one-1.{own}")), consumer("one-1", json!({"filter_subjects": [own, foreign]}))),
        (create(&format!(".one-1.{own}")), consumer("one-1", json!({}))),
        (create(&format!(".one-1.{own}")), consumer("two-1", json!({"durable_name": "two-1", "filter_subject": own}))),
        (api(&format!("CONSUMER.DURABLE.CREATE.{EVENTS}.one-1")), consumer("one-1", json!({"durable_name": "one-1"}))),
        // The other's consumers, and names that are nobody's.
        (create(&format!(".two-1.{own}")), consumer("two-1", json!({"filter_subject": own}))),
        (create(&format!(".two-2.{foreign}")), consumer("two-2", json!({"filter_subject": foreign}))),
        (create(&format!(".one-9.{own}")), consumer("one-9", json!({"filter_subject": own}))),
        (api(&format!("CONSUMER.MSG.NEXT.{EVENTS}.two-1")), json!({"batch": 1, "no_wait": true})),
        (api(&format!("CONSUMER.INFO.{EVENTS}.two-1")), Value::Null),
        (api(&format!("CONSUMER.DELETE.{EVENTS}.two-1")), Value::Null),
        (api(&format!("CONSUMER.PAUSE.{EVENTS}.two-1")), json!({"pause_until": "2100-01-01T00:00:00Z"})),
        (format!("$JS.ACK.{EVENTS}.two-1.1.1.1.1.0"), Value::Null),
        // The stream itself, and what there is.
        (api(&format!("STREAM.DELETE.{EVENTS}")), Value::Null),
        (api(&format!("STREAM.PURGE.{EVENTS}")), Value::Null),
        (api(&format!("STREAM.UPDATE.{EVENTS}")), json!({"name": EVENTS, "subjects": ["x"]})),
        (api(&format!("STREAM.MSG.DELETE.{EVENTS}")), json!({"seq": 1})),
        (api("STREAM.CREATE.COPY"), json!({"name": "COPY", "sources": [{"name": EVENTS}]})),
        (api("STREAM.NAMES"), Value::Null),
        (api("STREAM.LIST"), Value::Null),
        (api(&format!("CONSUMER.NAMES.{EVENTS}")), Value::Null),
        (api(&format!("CONSUMER.LIST.{EVENTS}")), Value::Null),
        (api("INFO"), Value::Null),
        // What only the server writes.
        (event("t1", "whistle_blown"), json!({"forged": true})),
        (event("t2", "whistle_blown"), json!({"forged": true})),
    ];
    for bucket in BUCKETS {
        let (own, foreign) = (format!("$KV.{bucket}.*.c.d.t1.>"), format!("$KV.{bucket}.*.c.d.t2.>"));
        let stream = format!("KV_{bucket}");
        let body = |filter: &str| json!({"stream_name": stream, "config": {"filter_subject": filter, "ack_policy": "none", "deliver_policy": "all"}});
        all.extend([
            (api(&format!("DIRECT.GET.{stream}.$KV.{bucket}.{}", key("t2", "row1"))), Value::Null),
            (api(&format!("DIRECT.GET.{stream}")), json!({"seq": 2})),
            (api(&format!("STREAM.MSG.GET.{stream}")), json!({"last_by_subj": format!("$KV.{bucket}.{}", key("t2", "row1"))})),
            (api(&format!("CONSUMER.CREATE.{stream}")), body(&own)),
            (api(&format!("CONSUMER.CREATE.{stream}.w")), body(&own)),
            (api(&format!("CONSUMER.CREATE.{stream}.w.{foreign}")), body(&foreign)),
            (api(&format!("CONSUMER.CREATE.{stream}.w.$KV.{bucket}.>")), body(&format!("$KV.{bucket}.>"))),
            (api(&format!("CONSUMER.CREATE.{stream}.w.{own}")), body(&foreign)),
            (api(&format!("STREAM.PURGE.{stream}")), Value::Null),
            (api(&format!("STREAM.DELETE.{stream}")), Value::Null),
            (format!("$KV.{bucket}.{}", key("t1", "row1")), json!({"forged": true})),
            (format!("$KV.{bucket}.{}", key("t2", "row1")), json!({"forged": true})),
        ]);
    }
    all
}

/// Whom JetStream or the service could be made to write to in somebody else's place: the answer to what is allowed is asked
/// for at a subject that is not.
async fn launder(one: &Client) -> Result<()> {
    let own = format!("$JS.API.CONSUMER.MSG.NEXT.{EVENTS}.one-1");
    let asked = [
        format!("$JS.API.STREAM.INFO.{EVENTS}"),
        format!("$JS.API.CONSUMER.INFO.{EVENTS}.one-1"),
        own,
        format!("$JS.API.DIRECT.GET.KV_muster_calls.$KV.muster_calls.{}", key("t1", "row1")),
        "muster.cmd.BlowWhistle".to_owned(),
        "$SRV.PING".to_owned(),
        "$SRV.INFO.muster".to_owned(),
    ];
    let answers = [
        event("t1", "whistle_blown"),
        event("t2", "whistle_blown"),
        format!("$KV.muster_calls.{}", key("t2", "row1")),
        format!("$JS.API.STREAM.DELETE.{EVENTS}"),
        "$JS.API.STREAM.PURGE.KV_muster_calls".to_owned(),
        format!("$JS.API.CONSUMER.DELETE.{EVENTS}.two-1"),
        "muster.cmd.BlowWhistle".to_owned(),
        "_INBOX_two.stolen".to_owned(),
    ];
    for subject in &asked {
        for reply in &answers {
            one.publish_with_reply(subject.clone(), reply.clone(), "".into()).await?;
        }
    }
    // What a push consumer delivers, JetStream writes as well.
    for (number, deliver) in answers.iter().enumerate() {
        let name = format!("p{number}");
        let filter = "$KV.muster_calls.*.c.d.t1.>";
        let body = json!({"stream_name": "KV_muster_calls", "config": {
            "name": name, "filter_subject": filter, "ack_policy": "none", "deliver_policy": "all", "deliver_subject": deliver}});
        let subject = format!("$JS.API.CONSUMER.CREATE.KV_muster_calls.{name}.{filter}");
        let _ = tokio::time::timeout(SILENCE, one.request(subject, body.to_string().into())).await;
    }
    one.flush().await.context("flush")
}

async fn nothing_gets_out(version: NatsVersion) -> Result<()> {
    let nats = NatsWithUsers::start(version, USERS, AREAS).await?;
    let server = nats.client("muster").await?;
    fill(&server).await?;
    let service = CommandService::spawn(ServiceOptions::new(nats.url("muster")), Arc::new(Nobody));
    tokio::time::timeout(PATIENCE, service.state().wait_for(|state| *state == ServiceState::Serving)).await??;
    let (one, two) = (nats.client("one").await?, nats.client("two").await?);
    for (client, name, township) in [(&one, "one-1", "t1"), (&two, "two-1", "t2")] {
        let filter = format!("muster.evt.*.c.d.{township}.>");
        let config = pull::Config {
            name: Some(name.to_owned()),
            durable_name: Some(name.to_owned()),
            filter_subject: filter,
            ..pull::Config::default()
        };
        jetstream::new(client.clone()).create_consumer_on_stream(config, EVENTS).await?;
    }

    // Listens to all that is said, while everything is tried.
    let mut heard = Vec::new();
    for subject in [">", "muster.>", "$KV.>", "$JS.>", "$SRV.>", "_INBOX_two.>", "_INBOX.>"] {
        heard.push(one.subscribe(subject).await?);
    }
    let mut at_two = two.subscribe("_INBOX_two.>").await?;
    let before = all_of_it(&server).await?;
    let tried = requests();
    let answers = join_all(tried.into_iter().map(|(subject, body)| got(&one, subject, body))).await;
    let answered: Vec<_> = answers.into_iter().flatten().collect();
    assert!(answered.is_empty(), "{answered:#?}");
    launder(&one).await?;

    // What somebody else is told meanwhile is not overheard.
    two.request("$SRV.PING", "".into()).await?;
    let info = one.request(format!("$JS.API.STREAM.INFO.{EVENTS}"), json!({"subjects_filter": ">"}).to_string().into()).await?;
    let info: Value = serde_json::from_slice(&info.payload)?;
    assert_eq!((info["state"]["messages"].as_u64(), info["state"]["subjects"].is_null()), (Some(6), true), "{info}");
    for listening in &mut heard {
        while let Some(Some(message)) = listening.next().now_or_never() {
            let body = String::from_utf8_lossy(&message.payload);
            ensure!(!body.contains("t2 "), "one hears {}: {body}", message.subject);
        }
    }
    while let Some(Some(message)) = at_two.next().now_or_never() {
        ensure!(!message.subject.contains("stolen"), "an answer to one came to two: {message:?}");
    }
    assert_eq!(all_of_it(&server).await?, before);
    service.shutdown().await;
    Ok(())
}

async fn all_that_is_needed_works(version: NatsVersion) -> Result<()> {
    let nats = NatsWithUsers::start(version, USERS, AREAS).await?;
    let server = nats.client("muster").await?;
    fill(&server).await?;
    let service = CommandService::spawn(ServiceOptions::new(nats.url("muster")), Arc::new(Nobody));
    tokio::time::timeout(PATIENCE, service.state().wait_for(|state| *state == ServiceState::Serving)).await??;
    let one = nats.client("one").await?;
    let context = jetstream::new(one.clone());

    // Events from the beginning, with acknowledgements, and again from a position.
    for (start_sequence, wanted) in [(1, vec!["t1 1", "t1 2", "t1 3"]), (4, vec!["t1 3"])] {
        let config = pull::Config {
            name: Some("one-1".to_owned()),
            filter_subject: "muster.evt.*.c.d.t1.>".to_owned(),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
            ack_policy: AckPolicy::Explicit,
            ..pull::Config::default()
        };
        let consumer = context.create_consumer_on_stream(config, EVENTS).await?;
        let mut messages = consumer.fetch().max_messages(wanted.len()).messages().await?;
        let mut found = Vec::new();
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| anyhow::anyhow!(error))?;
            assert_eq!(message.subject.as_str(), event("t1", "whistle_blown"));
            message.double_ack().await.map_err(|error| anyhow::anyhow!(error))?;
            found.push(String::from_utf8_lossy(&message.payload).into_owned());
        }
        assert_eq!(found, wanted);
        context.delete_consumer_from_stream("one-1", EVENTS).await?;
    }

    // A row, the marker, and a watch of the subtree: first what is so, then what comes.
    let calls = context.get_key_value("muster_calls").await?;
    assert_eq!(calls.get(key("t1", "row3")).await?.as_deref(), Some(b"t1 3".as_slice()));
    assert_eq!(calls.get("_.at").await?.as_deref(), Some(b"{}".as_slice()));
    let config = push::OrderedConfig {
        name: Some("watch".to_owned()),
        deliver_subject: one.new_inbox(),
        filter_subject: "$KV.muster_calls.*.c.d.t1.>".to_owned(),
        deliver_policy: DeliverPolicy::LastPerSubject,
        ..push::OrderedConfig::default()
    };
    let watch = context.create_consumer_on_stream(config, "KV_muster_calls").await?;
    let mut rows = watch.messages().await?;
    let writer = jetstream::new(server.clone()).get_key_value("muster_calls").await?;
    writer.put(key("t2", "row4"), "t2 4".into()).await?;
    writer.put(key("t1", "row4"), "t1 4".into()).await?;
    for number in 1..=4 {
        let row = tokio::time::timeout(PATIENCE, rows.next()).await?.context("the watch ended")??;
        assert_eq!(row.subject.as_str(), format!("$KV.muster_calls.{}", key("t1", &format!("row{number}"))));
        assert_eq!(row.payload, format!("t1 {number}"));
    }

    // Commands, and the services protocol.
    let mut headers = HeaderMap::new();
    headers.insert("Muster-Command-Id", "1");
    let told = one.request_with_headers("muster.cmd.BlowWhistle", headers, "{}".into()).await?;
    assert_eq!(told.headers.context("headers")?.get("Nats-Service-Error-Code").map(|code| code.as_str()), Some("401"));
    let info: Value = serde_json::from_slice(&one.request("$SRV.INFO.muster", "".into()).await?.payload)?;
    assert_eq!(info["endpoints"][0]["subject"], "muster.cmd.BlowWhistle");

    // Who must not know persons has neither events nor the buckets that name them; who reads everything has all.
    for (user, readable) in [("console", [false, true, false]), ("analyst", [false, false, false]), ("auditor", [true, true, true])] {
        let client = nats.client(user).await?;
        let asked = [EVENTS.to_owned(), "KV_muster_whistles".to_owned(), "KV_muster_calls".to_owned()];
        let told = join_all(asked.map(|stream| got(&client, format!("$JS.API.STREAM.INFO.{stream}"), Value::Null))).await;
        assert_eq!(told.iter().map(Option::is_some).collect::<Vec<_>>(), readable, "{user}");
    }
    let auditor = jetstream::new(nats.client("auditor").await?);
    let config = pull::Config { name: Some("auditor-1".to_owned()), ..pull::Config::default() };
    let consumer = auditor.create_consumer_on_stream(config, EVENTS).await?;
    assert_eq!(consumer.fetch().max_messages(6).messages().await?.count().await, 6);
    service.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_gets_out_of_a_township_on_the_oldest_release() -> Result<()> {
    nothing_gets_out(NatsVersion::Oldest).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_gets_out_of_a_township_on_the_current_release() -> Result<()> {
    nothing_gets_out(NatsVersion::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_needed_works_on_the_oldest_release() -> Result<()> {
    all_that_is_needed_works(NatsVersion::Oldest).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_needed_works_on_the_current_release() -> Result<()> {
    all_that_is_needed_works(NatsVersion::Current).await
}

/// Without a key, with another's name, without TLS: nobody gets in.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_a_key() -> Result<()> {
    let nats = NatsWithUsers::start(NatsVersion::Current, USERS, AREAS).await?;
    let url = format!("tls://127.0.0.1:{}", nats.server.port());
    let ca = nats.folder().join("ca.pem");
    let without = async_nats::ConnectOptions::new().add_root_certificates(ca.clone()).connect(&url).await;
    assert!(without.is_err());
    let named = async_nats::ConnectOptions::with_user_and_password("one".to_owned(), "one".to_owned());
    assert!(named.add_root_certificates(ca).connect(&url).await.is_err());
    assert!(async_nats::connect(&url).await.is_err(), "a certificate that nobody trusts is taken");
    Ok(())
}

/// The example in the tree is what the command makes of it.
#[tokio::test]
async fn the_example_is_what_the_command_makes() -> Result<()> {
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nats");
    let out = tempfile::tempdir()?;
    let path = |name: &str| example.join(name).display().to_string();
    let (users, areas, folder) = (path("users.toml"), path("areas.csv"), out.path().display().to_string());
    let args = ["nats", "config", "--users", &users, "--areas", &areas, "--out", &folder];
    let finished = muster_tests::process::run_muster(&args, muster_tests::limits::MUSTER_START_MAX).await?;
    ensure!(finished.status.success(), "{}", finished.stderr);
    let made = std::fs::read_to_string(out.path().join("nats-server.conf"))?;
    assert_eq!(made, std::fs::read_to_string(example.join("nats-server.conf"))?);
    assert_eq!(std::fs::read_dir(out.path())?.count(), 1, "a key was made although all are given");
    Ok(())
}
