//! A `muster worker` as a process of its own beside the demo: fed by JetStream alone, asked over its own HTTP. It must never
//! outlive the demo.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use muster_demo::naive::Rows;
use muster_log::EpochPosition;
use muster_views::View;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::cli::CliError;

/// How long a worker may take to say where it listens: it waits for the stream to be made.
const START_MAX: Duration = Duration::from_secs(60);
/// How long it may take to come to the end of the stream without moving on.
const STALL_MAX: Duration = Duration::from_secs(120);
const LOOK_PERIOD: Duration = Duration::from_millis(100);
/// Rows asked for at a time.
const PAGE_ROWS: usize = 5_000;

pub(super) struct WorkerProcess {
    child: Child,
    url: String,
    client: reqwest::Client,
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> CliError {
    CliError::new(format!("视图进程 muster worker：{what}：{error}"), format!("muster worker: {what}: {error}"))
}

impl WorkerProcess {
    /// Starts this program's own binary as a worker.
    pub(super) async fn start(nats: &str, data: &Path) -> Result<Self, CliError> {
        let program = std::env::current_exe().map_err(|error| failed("program", &error))?;
        let mut command = Command::new(program);
        command.args(["worker", "--nats", nats, "--listen", "127.0.0.1:0", "--log-filter", "warn", "--data"]).arg(data);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| failed("start", &error))?;
        let stdout = child.stdout.take().ok_or_else(|| failed("stdout", &"not piped"))?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(START_MAX, lines.next_line()).await.map_err(|error| failed("start", &error))?;
        let line = line.map_err(|error| failed("start", &error))?.unwrap_or_default();
        let url = line.strip_prefix("listening ").ok_or_else(|| failed("start", &format!("it said {line:?}")))?.to_owned();
        Ok(Self { child, url, client: reqwest::Client::new() })
    }

    async fn page(&self, view: View, cursor: Option<&str>, rows: usize) -> Result<Value, CliError> {
        let mut request = self.client.get(format!("{}/v1/views/{view}", self.url));
        request = request.query(&[("realm", "*"), ("limit", &rows.to_string())]);
        if let Some(cursor) = cursor {
            request = request.query(&[("cursor", cursor)]);
        }
        let response = request.send().await.map_err(|error| failed("ask", &error))?;
        response.error_for_status().map_err(|error| failed("ask", &error))?.json().await.map_err(|error| failed("ask", &error))
    }

    /// Waits until its rows are of this position. Fails when it stops moving on.
    pub(super) async fn wait_for(&self, end: EpochPosition) -> Result<(), CliError> {
        let mut last = String::new();
        let mut moved = tokio::time::Instant::now();
        loop {
            // While it comes back to where its rows are, it answers that it is not ready.
            if let Ok(page) = self.page(View::Coverage, None, 1).await {
                let at = page["at"].as_str().unwrap_or_default().to_owned();
                if at == end.to_string() {
                    return Ok(());
                }
                if at != last {
                    last = at;
                    moved = tokio::time::Instant::now();
                }
            }
            if moved.elapsed() > STALL_MAX {
                return Err(failed("wait", &format!("it stands at {last:?}, the log's end is {end}")));
            }
            tokio::time::sleep(LOOK_PERIOD).await;
        }
    }

    /// All rows of all views.
    pub(super) async fn rows(&self) -> Result<Rows, CliError> {
        let mut rows = Rows::default();
        for view in View::ALL {
            let mut cursor = None;
            loop {
                let mut page = self.page(view, cursor.as_deref(), PAGE_ROWS).await?;
                if let Value::Array(found) = page["rows"].take() {
                    for row in found {
                        insert(&mut rows, view, row).map_err(|error| failed("read", &error))?;
                    }
                }
                cursor = page["next_cursor"].as_str().map(str::to_owned);
                if cursor.is_none() {
                    break;
                }
            }
        }
        Ok(rows)
    }

    /// Ends it in order, so that its folder can be read.
    pub(super) async fn stop(mut self) {
        if let Some(pid) = self.child.id() {
            // The worker is a child of our own; asked by its process id.
            drop(Command::new("kill").args(["-TERM", &pid.to_string()]).status().await);
        }
        if tokio::time::timeout(START_MAX, self.child.wait()).await.is_err() {
            drop(self.child.kill().await);
        }
    }
}

fn insert(rows: &mut Rows, view: View, row: Value) -> Result<(), serde_json::Error> {
    match view {
        View::Coverage => rows.insert_coverage(serde_json::from_value(row)?),
        View::Units => rows.insert_unit(serde_json::from_value(row)?),
        View::Sites => rows.insert_site(serde_json::from_value(row)?),
        View::Whistles => rows.insert_whistle(serde_json::from_value(row)?),
        View::Calls => rows.insert_call(serde_json::from_value(row)?),
        View::Responders => rows.insert_responder(serde_json::from_value(row)?),
        View::Other(_) => {}
    }
    Ok(())
}
