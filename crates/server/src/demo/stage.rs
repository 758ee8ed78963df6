//! The play's stage: the server of this process, through its gateway, engine and log. It must never decide on its own: what the
//! domain refuses, the script is told.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_demo::{Outcome, ScriptCommand, Stage, StageError};
use muster_engine::{EngineHandle, FillRequest};
use muster_log::{Log, Position};
use muster_proto::v1::{Envelope, PlanLessons};
use muster_proto::{Answer, Command, CommandError, CommandPort as _, Request, command_to_json, decode};

use super::snapshots::Snapshots;
use super::subscribers::Subscribers;
use crate::gateway::{CONTEXT_MEMBER, CommandId, Gateway, Prepared, Principal};
use crate::wiring::RunningServer;

/// Commands under way at the same time: enough for one sync to carry hundreds, far below the engine's queue.
const IN_FLIGHT_MAX: usize = 1_024;
/// Records handed to the script at a time.
const RECORDS_MAX: usize = 4_096;
const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// However far the clock jumps, nobody waits longer than this for one step.
const STEP_WAIT_MAX: Duration = Duration::from_secs(2);
/// Who is answerable for the script's command ids.
const PRINCIPAL: &str = "demo";

/// The server of this process as a stage.
pub(super) struct LocalStage {
    engine: EngineHandle,
    gateway: Arc<Gateway>,
    log: Arc<dyn Log>,
    now_ms: i64,
    /// How much faster than life the clock runs; 0 for as fast as it can.
    speed: f64,
    /// Peacetime commands that were carried out while incidents ran, in order.
    pub(super) meanwhile: Vec<ScriptCommand>,
    incident_declared: bool,
    /// How long each conversion took until it was durable.
    pub(super) conversions: Vec<(String, Duration)>,
    /// The views in the middle of the play, if they are to be compared.
    pub(super) snapshots: Option<Snapshots>,
    /// Consoles beside the play, if they are to be compared.
    pub(super) subscribers: Option<Subscribers>,
}

impl LocalStage {
    pub(super) fn new(server: &RunningServer, speed: f64) -> Self {
        Self {
            engine: server.engine.clone(),
            gateway: Arc::clone(&server.gateway),
            log: Arc::clone(&server.log),
            now_ms: server.engine.status().now_ms,
            speed,
            meanwhile: Vec::new(),
            incident_declared: false,
            conversions: Vec::new(),
            snapshots: None,
            subscribers: None,
        }
    }

    /// How long a conversion took, by its command's id.
    pub(super) fn conversion_seconds(&self, id: &str) -> f64 {
        self.conversions.iter().find(|(known, _)| known == id).map_or(0.0, |(_, took)| took.as_secs_f64())
    }

    /// What has to be known of a command once it is done.
    fn remember(&mut self, command: &ScriptCommand, took: Duration) {
        if command.name == "DeclareIncident" {
            self.incident_declared = true;
        }
        if command.name == "ConvertArea" {
            self.conversions.push((command.id.clone(), took));
        }
        if self.incident_declared && is_peacetime(command.name) {
            self.meanwhile.push(command.clone());
        }
    }
}

/// Commands that change the base: areas, organizations, people, plans, agreements.
pub(super) fn is_peacetime(name: &str) -> bool {
    let signed = ["SignAgreement", "EndAgreement"].contains(&name);
    signed || muster_proto::COMMAND_NAMES.iter().any(|(tag, known, _)| *known == name && *tag < 160)
}

/// Requests of script commands: form checked, personal fields sealed with one write for all of them.
fn requests(gateway: &Gateway, commands: &[ScriptCommand]) -> Result<Vec<Request>, StageError> {
    let sealed = gateway.seal_many(prepared(gateway, commands)?).into_iter();
    sealed.map(|sealed| sealed.map_err(|error| StageError::new("seal", error))).collect()
}

/// The same without any personal field: nothing can be sealed any more for who was erased, and the base holds none.
pub(super) fn requests_without_names(gateway: &Gateway, commands: &[ScriptCommand]) -> Result<Vec<Request>, StageError> {
    let left_out = prepared(gateway, commands)?.into_iter().map(|one| gateway.leave_out(one));
    left_out.map(|request| request.map_err(|error| StageError::new("leave the names out", error))).collect()
}

fn prepared(gateway: &Gateway, commands: &[ScriptCommand]) -> Result<Vec<Prepared>, StageError> {
    let mut prepared = Vec::with_capacity(commands.len());
    for command in commands {
        let doing = || format!("prepare {} {}", command.name, command.id);
        let failed = |problem: crate::problem::Problem| StageError::new(doing(), problem.detail.get(crate::words::Lang::En).to_owned());
        let mut body = command.body.clone();
        if let Some(members) = body.as_object_mut() {
            members.insert(CONTEXT_MEMBER.to_owned(), command.context.clone());
        }
        let (principal, id) = (Principal::new(PRINCIPAL).map_err(failed)?, CommandId::new(&command.id).map_err(failed)?);
        prepared.push(gateway.prepare(principal, id, command.name, body).map_err(|error| StageError::new(doing(), error))?);
    }
    Ok(prepared)
}

fn outcome(command: &ScriptCommand, answer: Result<Answer, CommandError>) -> Result<Outcome, StageError> {
    match answer {
        Ok(answer) => Ok(Outcome::Done { first: answer.first, last: answer.last, repeated: answer.repeated }),
        Err(CommandError::Refused(refusal)) => Ok(Outcome::Refused { code: refusal.code.to_owned(), message: refusal.en }),
        Err(error) => Err(StageError::new(format!("carry out {} {}", command.name, command.id), error)),
    }
}

impl Stage for LocalStage {
    async fn submit(&mut self, commands: Vec<ScriptCommand>) -> Result<Vec<Outcome>, StageError> {
        let names: BTreeSet<&str> = commands.iter().map(|command| command.name).collect();
        for name in names {
            if let Some(snapshots) = &mut self.snapshots {
                snapshots.before(name, self.log.end()).await;
            }
            if let Some(subscribers) = &mut self.subscribers {
                subscribers.before(name, self.log.end()).await;
            }
        }
        let gateway = Arc::clone(&self.gateway);
        let sealing = tokio::task::spawn_blocking(move || requests(&gateway, &commands).map(|requests| (commands, requests)));
        let (commands, requests) = sealing.await.map_err(|error| StageError::new("seal", error))??;
        let engine = self.engine.clone();
        let mut outcomes = Vec::with_capacity(commands.len());
        let mut pending = VecDeque::new();
        let mut requests = requests.into_iter();
        for command in &commands {
            let began = Instant::now();
            while pending.len() < IN_FLIGHT_MAX {
                let Some(request) = requests.next() else { break };
                pending.push_back(engine.submit(request));
            }
            let Some(answer) = pending.pop_front() else { break };
            let done = outcome(command, answer.await)?;
            if done.is_done() {
                self.remember(command, began.elapsed());
            }
            outcomes.push(done);
        }
        Ok(outcomes)
    }

    async fn propose_fill(&mut self, asked: ScriptCommand) -> Result<Outcome, StageError> {
        let doing = || format!("match the open needs of {}", asked.body["area_id"]);
        let question = FillRequest {
            realm: String::new(),
            area_id: asked.body["area_id"].as_str().unwrap_or_default().to_owned(),
            proposal_id: asked.id.clone(),
        };
        let proposal = match self.engine.propose_fill(question).await {
            Ok(proposal) => proposal,
            Err(error) => return outcome(&asked, Err(error)),
        };
        let (name, body) = command_to_json(&Command::ProposeFill(proposal));
        let outcomes = self.submit(vec![ScriptCommand { name, body, ..asked.clone() }]).await?;
        outcomes.into_iter().next().ok_or_else(|| StageError::new(doing(), "there was no answer"))
    }

    async fn lessons(&mut self, plan_id: &str, incident_id: &str) -> Result<PlanLessons, StageError> {
        let learnt = self.engine.lessons(plan_id.to_owned(), incident_id.to_owned()).await;
        learnt.map_err(|error| StageError::new(format!("work out what {incident_id} teaches about {plan_id}"), error))
    }

    async fn advance_to(&mut self, at_ms: i64) -> Result<(), StageError> {
        if self.speed > 0.0 {
            let ahead_ms = u64::try_from(at_ms - self.now_ms).unwrap_or(0);
            let wait = Duration::from_millis(ahead_ms).div_f64(self.speed.max(0.001)).min(STEP_WAIT_MAX);
            tokio::time::sleep(wait).await;
        }
        let advanced = self.engine.advance_to(at_ms).await.map_err(|error| StageError::new("advance the clock", error))?;
        self.now_ms = advanced.now_ms;
        Ok(())
    }

    async fn events_since(&mut self, position: u64) -> Result<Vec<Envelope>, StageError> {
        let log = Arc::clone(&self.log);
        let read = tokio::task::spawn_blocking(move || {
            let records =
                log.read(Position(position + 1), RECORD_BYTES_MAX, RECORDS_MAX).map_err(|error| StageError::new("read", error))?;
            records.iter().map(|record| decode(&record.bytes).map_err(|error| StageError::new("decode", error))).collect()
        });
        read.await.map_err(|error| StageError::new("read", error))?
    }

    fn now_ms(&self) -> i64 {
        self.now_ms
    }
}
