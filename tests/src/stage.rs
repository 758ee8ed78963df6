//! A stage for the demo's script behind HTTP: clients that retry by command id until they have an answer, and a ledger of what was
//! acknowledged to them. It must never treat a lost answer as one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail, ensure};
use muster_demo::{Outcome, ScriptCommand, Stage, StageError};
use muster_proto::v1::{Envelope, PlanLessons};
use muster_proto::{ENVELOPE_NAMES, event_tag};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::limits::{PROBE_MAX, RETRY_MAX};
use crate::wait;

/// What the server acknowledged: by command id, the first and last position.
#[derive(Debug, Default)]
pub struct Ledger {
    answered: AtomicU64,
    acknowledged: Mutex<BTreeMap<String, (u64, u64)>>,
}

impl Ledger {
    /// Answers received so far, refusals too.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }

    /// Everything acknowledged so far.
    pub fn acknowledged(&self) -> BTreeMap<String, (u64, u64)> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, id: &str, outcome: &Outcome) -> Result<()> {
        self.answered.fetch_add(1, Ordering::SeqCst);
        let Outcome::Done { first, last, .. } = *outcome else { return Ok(()) };
        // What changed nothing is no record, and asked again it may find something to change.
        if first == 0 {
            return Ok(());
        }
        let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let known = *acknowledged.entry(id.to_owned()).or_insert((first, last));
        ensure!(known == (first, last), "{id} was acknowledged at {known:?} and again at {first}..{last}");
        Ok(())
    }
}

/// What a killed server, or one that starts, explains; whatever else went wrong is a fault.
#[derive(Debug)]
struct Away(String);

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Away {}

/// Whether asking again may help: no whole answer came, or the server says that it cannot answer now.
fn is_away(error: &anyhow::Error) -> bool {
    let broken = |error: &reqwest::Error| error.status().is_none_or(|status| status == StatusCode::SERVICE_UNAVAILABLE);
    error.is::<Away>() || error.downcast_ref::<reqwest::Error>().is_some_and(broken)
}

/// A client of a server that may be killed at any moment and comes back on the same address.
#[derive(Debug)]
pub struct HttpStage {
    client: reqwest::Client,
    url: String,
    ledger: Arc<Ledger>,
}

impl HttpStage {
    /// A client of the server at `url`.
    ///
    /// # Errors
    /// The client cannot be built.
    pub fn new(url: impl Into<String>) -> Result<Self> {
        let client = reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).read_timeout(Duration::from_secs(60)).build()?;
        Ok(Self { client, url: url.into(), ledger: Arc::default() })
    }

    /// What was acknowledged through this client.
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// One try: sends what has no outcome yet, takes the answers that come before the connection breaks.
    async fn send(&self, commands: &[ScriptCommand], outcomes: &mut Vec<Outcome>) -> Result<()> {
        let open = &commands[outcomes.len()..];
        let mut body = String::new();
        for command in open {
            let line = json!({"command": command.name, "id": command.id, "body": command.body, "context": command.context});
            body.push_str(&line.to_string());
            body.push('\n');
        }
        let url = format!("{}/v1/commands:batch?events=false", self.url);
        let mut answer = self.client.post(url).body(body).send().await?.error_for_status()?;
        let mut rest = Vec::new();
        let mut taken = 0;
        while let Some(chunk) = answer.chunk().await? {
            rest.extend_from_slice(&chunk);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Value = serde_json::from_slice(&rest[..end]).context("an answer's line")?;
                rest.drain(..=end);
                let outcome = outcome_of(&line)?.ok_or_else(|| Away(format!("the server is not ready to answer: {line}")))?;
                self.ledger.note(&open[taken].id, &outcome)?;
                outcomes.push(outcome);
                taken += 1;
            }
        }
        if taken < open.len() {
            return Err(Away(format!("{taken} of {} lines were answered", open.len())).into());
        }
        Ok(())
    }

    /// One try of `POST /v1/fill`; nothing when the server could not answer now.
    async fn fill(&self, asked: &ScriptCommand) -> Result<Option<Outcome>> {
        let url = format!("{}/v1/fill", self.url);
        let request = self.client.post(url).query(&[("area", asked.body["area_id"].as_str().unwrap_or_default())]);
        let answer = request.header("Idempotency-Key", &asked.id).json(&json!({"context": asked.context})).send().await?;
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_slice(&answer.bytes().await?)?;
        let line = if status == 200 { json!({"answer": body}) } else { json!({"status": status, "problem": body}) };
        let outcome = outcome_of(&line)?;
        if let Some(outcome) = &outcome {
            self.ledger.note(&asked.id, outcome)?;
        }
        Ok(outcome)
    }

    /// Waits until a server that may have been killed is ready again. Who tries once more meets whatever else is wrong.
    async fn is_back(&self) {
        let ready = async || {
            let asked = self.client.get(format!("{}/readyz", self.url)).timeout(PROBE_MAX).send().await;
            Ok(asked.is_ok_and(|answer| answer.status().is_success()).then_some(()))
        };
        let _ = wait::until_async("the server is ready", RETRY_MAX, ready).await;
    }

    async fn learnt(&self, plan_id: &str, incident_id: &str) -> Result<PlanLessons> {
        let url = format!("{}/v1/plans/{plan_id}/lessons", self.url);
        let answer = self.client.get(url).query(&[("incident", incident_id)]).send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }

    async fn read(&self, from: u64) -> Result<Vec<Envelope>> {
        let url = format!("{}/v1/events?from={from}", self.url);
        let text = self.client.get(url).send().await?.error_for_status()?.text().await?;
        text.lines().map(|line| envelope_of(serde_json::from_str(line)?)).collect()
    }
}

/// The outcome in an answer's line; `None` when the server could not answer now.
fn outcome_of(line: &Value) -> Result<Option<Outcome>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(answer) = line.get("answer") {
        let number = |name: &str| -> Result<u64> { Ok(text(&answer[name]).parse()?) };
        let repeated = answer["repeated"] == json!(true);
        return Ok(Some(Outcome::Done { first: number("first")?, last: number("last")?, repeated }));
    }
    let problem = &line["problem"];
    match line["status"].as_u64() {
        Some(503) => Ok(None),
        Some(404 | 409 | 422) => Ok(Some(Outcome::Refused { code: text(&problem["code"]), message: text(&problem["detail_en"]) })),
        _ => bail!("a line that the script never means to send: {line}"),
    }
}

/// The envelope in one line of `/v1/events`.
fn envelope_of(mut line: Value) -> Result<Envelope> {
    let members = line.as_object_mut().ok_or_else(|| anyhow!("an event is an object"))?;
    let name = members.remove("type").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    let event = members.remove("event").unwrap_or_default();
    let tag = event_tag(&name).with_context(|| format!("an event of type {name:?}"))?;
    let field = ENVELOPE_NAMES.iter().find(|(known, _, _)| *known == tag).map(|(_, _, field)| *field);
    members.insert(field.unwrap_or_default().to_owned(), event);
    Ok(serde_json::from_value(line)?)
}

impl Stage for HttpStage {
    async fn submit(&mut self, commands: Vec<ScriptCommand>) -> Result<Vec<Outcome>, StageError> {
        let mut outcomes = Vec::with_capacity(commands.len());
        let started = Instant::now();
        loop {
            let error = match self.send(&commands, &mut outcomes).await {
                Ok(()) => return Ok(outcomes),
                Err(error) => error,
            };
            if !is_away(&error) || started.elapsed() > RETRY_MAX {
                return Err(StageError::new(format!("submit {} commands", commands.len()), error));
            }
            self.is_back().await;
        }
    }

    async fn propose_fill(&mut self, asked: ScriptCommand) -> Result<Outcome, StageError> {
        let started = Instant::now();
        loop {
            match self.fill(&asked).await {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) if started.elapsed() <= RETRY_MAX => {}
                Ok(None) => return Err(StageError::new("match the open needs", "the server is not ready to answer")),
                Err(error) if !is_away(&error) || started.elapsed() > RETRY_MAX => {
                    return Err(StageError::new("match the open needs", error));
                }
                Err(_) => {}
            }
            self.is_back().await;
        }
    }

    async fn lessons(&mut self, plan_id: &str, incident_id: &str) -> Result<PlanLessons, StageError> {
        let started = Instant::now();
        loop {
            match self.learnt(plan_id, incident_id).await {
                Ok(lessons) => return Ok(lessons),
                Err(error) if !is_away(&error) || started.elapsed() > RETRY_MAX => return Err(StageError::new("read lessons", error)),
                Err(_) => self.is_back().await,
            }
        }
    }

    async fn advance_to(&mut self, _at_ms: i64) -> Result<(), StageError> {
        Ok(())
    }

    async fn events_since(&mut self, position: u64) -> Result<Vec<Envelope>, StageError> {
        let started = Instant::now();
        loop {
            match self.read(position + 1).await {
                Ok(records) => return Ok(records),
                Err(error) if !is_away(&error) || started.elapsed() > RETRY_MAX => {
                    return Err(StageError::new(format!("read the events after {position}"), error));
                }
                Err(_) => self.is_back().await,
            }
        }
    }

    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}
