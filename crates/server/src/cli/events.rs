//! `muster events`: the log as lines, for people or as JSON.

use std::process::ExitCode;

use bytes::{Buf as _, BytesMut};
use futures::StreamExt as _;
use reqwest::Method;
use serde_json::Value;

use super::args::EventsArgs;
use super::client::Client;
use super::error::CliError;
use super::print;
use super::table;
use crate::words::Lang;

pub(super) async fn run(args: EventsArgs, lang: Lang) -> Result<ExitCode, CliError> {
    let client = Client::new(&args.server, lang);
    let limit = args.limit.map(|limit| limit.to_string());
    let query = [
        ("from", args.from.as_deref()),
        ("area", args.area.as_deref()),
        ("type", args.types.as_deref()),
        ("follow", args.follow.then_some("true")),
        ("limit", limit.as_deref()),
    ];
    let response = client.send(client.request(Method::GET, "/v1/events", &query)).await?;
    let mut stream = response.bytes_stream();
    let mut buffer = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        buffer.extend_from_slice(&chunk.map_err(|error| client.unreachable(&error))?);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line = buffer.split_to(end);
            buffer.advance(1);
            show(&client, &line, args.json)?;
        }
    }
    show(&client, &buffer, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Empty lines are heartbeats.
fn show(client: &Client, line: &[u8], json: bool) -> Result<(), CliError> {
    if line.is_empty() {
        return Ok(());
    }
    let text = std::str::from_utf8(line).map_err(|error| client.not_muster(&error.to_string()))?;
    if json {
        print::line(text);
        return Ok(());
    }
    let event: Value = serde_json::from_str(text).map_err(|error| client.not_muster(&error.to_string()))?;
    print::line(&one_line(&event));
    Ok(())
}

fn one_line(event: &Value) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    let path = &event["area_path"];
    let area = ["grid", "village", "township", "county", "city"].iter().find_map(|level| path[level].as_str()).unwrap_or("-");
    let actor = if text("actor").is_empty() { "-" } else { text("actor") };
    let realm = if text("realm") == muster_proto::ACTUAL { String::new() } else { format!("  <{}>", text("realm")) };
    let content = serde_json::to_string(&event["event"]).unwrap_or_default();
    format!("{:>8}  {}  {:<26} {area:<16} {actor}{realm}  {content}", text("position"), table::time(text("recorded_at_ms")), text("type"))
}
