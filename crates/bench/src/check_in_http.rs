//! `check_in_64_http`: the same check-ins over HTTP, 64 connections to a whole server in this process: gateway, digest, JSON,
//! engine, log, with the views following as always.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use muster_log::Position;
use muster_proto::command_to_json;
use muster_server::wiring::{LOG_DIR, RunningServer, Server, ServerOptions};
use serde_json::Value;

use crate::check_in::{REFERENCE, Written, detail, work, write_in_batches};
use crate::folder::settle_disk;
use crate::history::{Duty, Histories};
use crate::limits;
use crate::progress::show_round;
use crate::raw::RawStore;
use crate::row::{Better, Measured, Pair, Row};
use crate::setting::Setting;

const NAME: &str = "check_in_64_http";

/// The row of the HTTP clients.
pub(crate) fn run(setting: &Setting<'_>, histories: &mut Histories<'_>) -> Result<Vec<Row>> {
    let (converted, duties) = histories.converted()?;
    let data = setting.scratch.copy_of(&converted.data, "http")?;
    let raw = RawStore::open(&setting.scratch.copy_of(&converted.data, "http-raw")?.join(LOG_DIR))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = runtime.block_on(Server::start(ServerOptions::new(&data)))?;
    let clients = (0..limits::CLIENTS).map(|_| reqwest::Client::builder().build()).collect::<Result<Vec<_>, _>>()?;
    let mut pairs = Vec::new();
    let mut batches = Vec::new();
    for round in 0..=setting.rounds {
        show_round(NAME, round, setting.rounds);
        // The views have taken in what was before, so that each round meets them at rest.
        runtime.block_on(server.views.wait_for(server.log.watermark()))?;
        let work = bodies(&server.url(), &duties, setting.http_commands(), round);
        let commands: usize = work.iter().map(Vec::len).sum();
        let (before, first) = (server.log.stats(), server.log.watermark().next().0);
        settle_disk();
        let started = Instant::now();
        runtime
            .block_on(try_join_all(clients.iter().zip(work).map(|(client, posts)| runtime.spawn(send(client.clone(), posts)))))?
            .into_iter()
            .collect::<Result<Vec<()>>>()?;
        let seconds = started.elapsed().as_secs_f64();
        let written = Written::between(before, server.log.stats());
        let last = server.log.watermark().0;
        written.check(commands, first, last)?;
        let units = RawStore::open_read_only(&data.join(LOG_DIR))?.units(first, last)?;
        settle_disk();
        let raw_seconds = write_in_batches(&raw, &units, written.batches)?;
        ensure!(raw.last()? == last, "the raw store ends at {}", raw.last()?);
        if round > 0 {
            pairs.push(Pair { value: commands as f64 / seconds, reference: commands as f64 / raw_seconds });
            batches.push(written.mean());
        }
    }
    check_views(&runtime, &server)?;
    runtime.block_on(server.shutdown());
    let measured = Measured {
        name: NAME,
        unit: "commands/s",
        better: Better::Higher,
        reference: REFERENCE,
        aim: None,
        pairs: &pairs,
        detail: format!("{}; server, views and clients share the processors", detail(setting.http_commands(), &batches)),
    };
    Ok(vec![measured.row()])
}

/// One request, ready to be sent.
struct Post {
    url: String,
    id: String,
    body: Vec<u8>,
}

fn bodies(server: &str, duties: &[Duty], commands: usize, round: usize) -> Vec<Vec<Post>> {
    let post = |request: muster_proto::Request| {
        let (name, mut body) = command_to_json(&request.command);
        if let Value::Object(members) = &mut body {
            members.insert("context".to_owned(), serde_json::to_value(&request.context).expect("a context is JSON"));
        }
        Post { url: format!("{server}/v1/commands/{name}"), id: request.id, body: body.to_string().into_bytes() }
    };
    work(duties, commands, &format!("w{round}")).into_iter().map(|requests| requests.into_iter().map(post).collect()).collect()
}

async fn send(client: reqwest::Client, posts: Vec<Post>) -> Result<()> {
    for Post { url, id, body } in posts {
        let request = client.post(&url).header("Idempotency-Key", &id).header("content-type", "application/json").body(body);
        let response = request.send().await.with_context(|| format!("POST {url}"))?;
        let status = response.status();
        let answer = response.bytes().await?;
        ensure!(status.is_success(), "{id}: {status} {}", String::from_utf8_lossy(&answer));
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(answer["first"].is_string() && answer["first"] == answer["last"] && answer["first"] != "0", "{id}: {answer}");
    }
    Ok(())
}

/// The views went along, and everybody has left again.
fn check_views(runtime: &tokio::runtime::Runtime, server: &RunningServer) -> Result<()> {
    let end: Position = server.log.watermark();
    let at = runtime.block_on(server.views.wait_for(end))?;
    ensure!(at.position == end, "the views are at {at}");
    Ok(())
}
