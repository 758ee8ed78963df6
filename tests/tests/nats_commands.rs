//! Commands over NATS and over HTTP are the same commands: same answers, same errors, same idempotency, same rights. The server,
//! its relay and a worker run against the configuration that `muster nats config` makes, TLS on.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::{Client, HeaderMap};
use muster_tests::limits::{MUSTER_START_MAX, MUSTER_STOP_MAX, RELAY_MAX};
use muster_tests::nats::{NatsOptions, NatsServer, NatsVersion};
use muster_tests::nats_users::NatsWithUsers;
use muster_tests::process::{MusterOptions, MusterServer, run_muster, spawn_muster};
use muster_tests::wait;
use serde_json::{Value, json};

const AREAS: &str = "编码,名称,层级,上级编码\nc,市,市,\nd,区,县区,c\nt1,甲街道,镇街,d\nt2,乙街道,镇街,d\n";
const USERS: &str = r#"
[[user]]
name = "city"
grants = ["headquarters@everything"]
[[user]]
name = "one"
grants = ["township@area:t1"]
[[user]]
name = "worker"
grants = ["auditor@everything"]
"#;

/// An answer as either way gives it: the status, and the body without what differs from one answer to the next.
type Told = (u16, Value);

struct Both {
    nats: Client,
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Both {
    async fn over_nats(&self, name: &str, more: &[(&str, &str)], body: &Value) -> Result<Told> {
        let mut headers = HeaderMap::new();
        if !self.token.is_empty() {
            headers.insert("Authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in more {
            headers.insert(*name, *value);
        }
        let told = self.nats.request_with_headers(format!("muster.cmd.{name}"), headers, body.to_string().into()).await?;
        let headers = told.headers.unwrap_or_default();
        let code = headers.get("Nats-Service-Error-Code").map_or(Ok(200), |code| code.as_str().parse())?;
        ensure!((code == 200) == headers.get("Nats-Service-Error").is_none(), "{headers:?}");
        Ok((code, serde_json::from_slice(&told.payload)?))
    }

    async fn nats(&self, name: &str, id: &str, body: &Value) -> Result<Told> {
        self.over_nats(name, &[("Muster-Command-Id", id), ("Accept-Language", "en")], body).await
    }

    async fn http(&self, name: &str, id: &str, body: &Value) -> Result<Told> {
        let request =
            self.http.post(format!("{}/v1/commands/{name}", self.url)).header("Idempotency-Key", id).header("Accept-Language", "en");
        let answer = request.bearer_auth(&self.token).json(body).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }
}

fn area(id: &str, level: &str, parent: &str) -> Value {
    json!({"area_id": id, "name": id, "level": format!("AREA_LEVEL_{level}"), "parent_id": parent})
}

async fn token(data: &Path, grant: &[&str]) -> Result<String> {
    let data = data.display().to_string();
    let args: Vec<&str> = ["token", "issue", "--data", &data, "--role"].into_iter().chain(grant.iter().copied()).collect();
    let finished = run_muster(&args, MUSTER_START_MAX).await?;
    ensure!(finished.status.success(), "{}", finished.stderr);
    Ok(finished.stdout.trim().to_owned())
}

/// Waits until the service answers: a server is ready over HTTP before it is over NATS.
async fn served(client: &Client) -> Result<()> {
    wait::until_async("the service answers", MUSTER_START_MAX, || async {
        let asked = tokio::time::timeout(Duration::from_millis(500), client.request("$SRV.PING.muster", "".into())).await;
        Ok(asked.is_ok_and(|answer| answer.is_ok()).then_some(()))
    })
    .await
}

async fn same_commands(version: NatsVersion) -> Result<()> {
    let nats = NatsWithUsers::start(version, USERS, AREAS).await?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let city = token(&data, &["headquarters", "--everything", "--name", "chief"]).await?;
    let township = token(&data, &["township", "--area", "t1"]).await?;
    let options = MusterOptions { data_dir: data.clone(), nats: Some(nats.url("muster")), ..MusterOptions::default() };
    let mut server = MusterServer::start(options).await?;
    let client = nats.client("city").await?;
    served(&client).await?;
    let http = reqwest::Client::new();
    let chief = Both { nats: client.clone(), http: http.clone(), url: server.url(), token: city.clone() };

    // The same answer, and the channel that it came over.
    let (status, first) = chief.nats("DefineArea", "a-c", &area("c", "CITY", "")).await?;
    assert_eq!((status, first["repeated"].as_bool()), (200, Some(false)), "{first}");
    assert_eq!(first["events"][0]["channel"]["kind"], "CHANNEL_KIND_NATS");
    assert_eq!((&first["events"][0]["actor"], &first["events"][0]["type"]), (&json!("chief"), &json!("AreaDefined")));
    // One command over both ways is one.
    let (status, again) = chief.http("DefineArea", "a-c", &area("c", "CITY", "")).await?;
    assert_eq!((status, &again["repeated"], &again["first"], &again["events"]), (200, &json!(true), &first["first"], &first["events"]));
    let other = area("c", "COUNTY", "");
    assert_eq!(chief.nats("DefineArea", "a-c", &other).await?, chief.http("DefineArea", "a-c", &other).await?);
    assert_eq!(chief.nats("DefineArea", "a-c", &other).await?.1["code"], "id_reused");
    for (id, level, parent) in [("d", "COUNTY", "c"), ("t1", "TOWNSHIP", "d"), ("t2", "TOWNSHIP", "d")] {
        assert_eq!(chief.nats("DefineArea", id, &area(id, level, parent)).await?.0, 200, "{id}");
    }

    // The same refusals: of form, of the domain, of rights, of who is asking.
    let own = Both { nats: nats.client("one").await?, http, url: server.url(), token: township };
    let nobody = Both { nats: client.clone(), http: chief.http.clone(), url: server.url(), token: "mt_nonsense".to_owned() };
    for (who, name, id, body) in [
        (&chief, "Nonsense", "x1", json!({})),
        (&chief, "DefineArea", "x2", json!({"area": "c"})),
        (&chief, "DefineArea", "x3", json!([])),
        (&chief, "RetireArea", "x4", json!({"area_id": "nowhere"})),
        (&own, "SetFloor", "x5", json!({"area_id": "t2", "minimum": 3})),
        (&own, "DefineArea", "x6", area("t3", "TOWNSHIP", "d")),
        (&nobody, "DefineArea", "x7", area("t3", "TOWNSHIP", "d")),
    ] {
        let (told, wanted) = (who.nats(name, id, &body).await?, who.http(name, id, &body).await?);
        assert_eq!(told, wanted, "{name} {id}");
        ensure!(told.0 >= 400, "{name} {id}: {told:?}");
    }
    assert_eq!(own.nats("DefineArea", "x6", &area("t3", "TOWNSHIP", "d")).await?.0, 403);
    for (headers, code) in [
        (&[][..], "missing_idempotency_key"),
        (&[("Muster-Command-Id", "x".repeat(65).as_str())][..], "bad_idempotency_key"),
        (&[("Muster-Dry-Run", "maybe")][..], "bad_parameter"),
    ] {
        assert_eq!(chief.over_nats("DefineArea", headers, &area("t3", "TOWNSHIP", "d")).await?.1["code"], code);
    }
    let large = json!({"area_id": "t3", "name": "x".repeat(600 * 1024)});
    assert_eq!(chief.nats("DefineArea", "x8", &large).await?, chief.http("DefineArea", "x8", &large).await?);

    // A preview stores nothing.
    let (status, preview) = chief.over_nats("DefineArea", &[("muster-dry-run", "true")], &area("t3", "TOWNSHIP", "d")).await?;
    assert_eq!((status, &preview["dry_run"], &preview["events"][0]["type"]), (200, &json!(true), &json!("AreaDefined")));
    assert_eq!(chief.nats("DefineArea", "t3", &area("t3", "TOWNSHIP", "d")).await?.1["repeated"], false);

    // The protocol of services tells of it all.
    let stats: Value = serde_json::from_slice(&client.request("$SRV.STATS.muster", "".into()).await?.payload)?;
    let defined = stats["endpoints"].as_array().context("endpoints")?.iter().find(|endpoint| endpoint["name"] == "DefineArea");
    let defined = defined.context("DefineArea")?;
    ensure!(defined["num_requests"].as_u64() > Some(8) && defined["num_errors"].as_u64() > Some(4), "{defined}");

    a_worker_follows(&nats, folder.path(), &city).await?;
    let status = server.terminate(MUSTER_STOP_MAX).await?;
    ensure!(status.success(), "{status}: {}", server.output().1);
    Ok(())
}

/// The relay has filled the stream through the same door, and a worker reads it with a user's rights.
async fn a_worker_follows(nats: &NatsWithUsers, folder: &Path, city: &str) -> Result<()> {
    let (data, tokens, url) = (folder.join("worker").display().to_string(), folder.join("data").display().to_string(), nats.url("worker"));
    let args = ["worker", "--nats", &url, "--data", &data, "--tokens", &tokens, "--name", "worker-1", "--listen", "127.0.0.1:0"];
    let mut worker = spawn_muster(&args).await?;
    let address = wait::until("the worker prints its address", MUSTER_START_MAX, || {
        worker.child.check_running()?;
        Ok(worker.child.stdout().lines().find_map(|line| line.strip_prefix("listening ").map(str::to_owned)))
    })
    .await?;
    let http = reqwest::Client::new();
    wait::until_async("the worker has the areas", RELAY_MAX, || async {
        let answer = http.get(format!("{address}/v1/views/coverage?realm=actual")).bearer_auth(city).send().await?;
        let rows: Value = answer.json().await?;
        Ok((rows["rows"].as_array().map(Vec::len) == Some(5)).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_over_nats_are_those_of_http_on_the_current_release() -> Result<()> {
    same_commands(NatsVersion::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_over_nats_are_those_of_http_on_the_oldest_release() -> Result<()> {
    same_commands(NatsVersion::Oldest).await
}

/// An open server is open to its own machine; over NATS it would be open to everybody who reaches that.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_server_takes_no_commands_over_nats() -> Result<()> {
    let nats = NatsServer::start(NatsOptions::default()).await?;
    let folder = tempfile::tempdir()?;
    let options = MusterOptions { data_dir: folder.path().join("data"), nats: Some(nats.url()), ..MusterOptions::default() };
    let server = MusterServer::start(options).await?;
    let client = async_nats::connect(nats.url()).await?;
    served(&client).await?;
    let both = Both { nats: client, http: reqwest::Client::new(), url: server.url(), token: String::new() };
    let (status, told) = both.nats("DefineArea", "c", &area("c", "CITY", "")).await?;
    assert_eq!((status, &told["code"]), (401, &json!("token_required")));
    ensure!(told["detail_zh"].as_str().is_some_and(|text| text.contains("muster token issue")), "{told}");
    Ok(())
}

/// The nats-server and the server go and come back, whoever asks asks again with the same id, and one command is one.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_comes_back_and_a_command_is_carried_out_once() -> Result<()> {
    let mut nats = NatsServer::start(NatsOptions::default()).await?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let token = token(&data, &["headquarters", "--everything"]).await?;
    let options = MusterOptions { data_dir: data, nats: Some(nats.url()), ..MusterOptions::default() };
    let mut server = MusterServer::start(options).await?;
    let mut first = None;
    for round in 0..3 {
        let client = async_nats::connect(nats.url()).await?;
        served(&client).await?;
        let both = Both { nats: client, http: reqwest::Client::new(), url: server.url(), token: token.clone() };
        let (status, told) = both.nats("DefineArea", "c", &area("c", "CITY", "")).await?;
        assert_eq!((status, told["repeated"].as_bool()), (200, Some(round > 0)), "{told}");
        assert_eq!(first.get_or_insert_with(|| told["first"].clone()), &told["first"]);
        match round {
            0 => nats.restart().await?,
            _ => server.restart().await?,
        }
    }
    // One instance answers, not one for each connection that there was.
    let client = async_nats::connect(nats.url()).await?;
    served(&client).await?;
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?;
    client.publish_with_reply("$SRV.PING", inbox.clone(), "".into()).await?;
    let asked = futures::StreamExt::next(&mut answers).await.context("no answer")?;
    client.publish(inbox, "last".into()).await?;
    let next = futures::StreamExt::next(&mut answers).await.context("no answer")?;
    assert_ne!(asked.payload, "last");
    assert_eq!(next.payload, "last", "two instances answer");
    Ok(())
}
