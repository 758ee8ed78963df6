//! `commands_<Kind>`: how many commands of one kind the domain carries out in a second, policies included, over the demo's whole
//! play at city scale; beside replaying the very same records. No engine, log or threads.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use muster_demo::script::{Unwatched, play};
use muster_demo::{City, Outcome, Scale, ScriptCommand, Stage, StageError};
use muster_domain::{Emitted, FillQuestion, Meta, Now, State, execute, fire_timer, lessons, propose_fill, rehearse_plan};
use muster_proto::{Command, command_from_json, command_to_json, v1};
use serde_json::json;

use crate::history::Histories;
use crate::progress::show_round;
use crate::row::{Better, Measured, Pair, Row};
use crate::setting::Setting;

/// The rows, and the command that each is of.
const KINDS: [(&str, &str); 12] = [
    ("commands_DefineArea", "DefineArea"),
    ("commands_EnrollResponder", "EnrollResponder"),
    ("commands_DesignatePost", "DesignatePost"),
    ("commands_ConvertArea", "ConvertArea"),
    ("commands_BlowWhistle", "BlowWhistle"),
    ("commands_AcknowledgeCall", "AcknowledgeCall"),
    ("commands_AcceptCall", "AcceptCall"),
    ("commands_DeclineCall", "DeclineCall"),
    ("commands_CheckIn", "CheckIn"),
    ("commands_CheckOut", "CheckOut"),
    ("commands_SettlePresence", "SettlePresence"),
    ("commands_StandDownArea", "StandDownArea"),
];

/// The rows' names.
pub(crate) const NAMES: [&str; KINDS.len()] = {
    let mut names = [""; KINDS.len()];
    let mut at = 0;
    while at < KINDS.len() {
        names[at] = KINDS[at].0;
        at += 1;
    }
    names
};

/// Commands and records of one kind, with the time that they took.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    commands: u64,
    records: u64,
    executed: Duration,
    replayed: Duration,
}

/// One row for each kind.
pub(crate) fn run(setting: &Setting<'_>, _: &mut Histories<'_>) -> Result<Vec<Row>> {
    let city = City::generate(1, if setting.quick { Scale::Small } else { Scale::City });
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("start a runtime")?;
    let mut rounds: Vec<BTreeMap<&'static str, Tally>> = Vec::new();
    for number in 1..=setting.rounds {
        show_round("commands", number, setting.rounds);
        let mut stage = DomainStage::default();
        runtime.block_on(play(&city, &mut stage, &mut Unwatched))?;
        ensure!(stage.state.position() == stage.twin.position(), "the replay ends elsewhere");
        rounds.push(stage.tallies);
    }
    KINDS.iter().map(|(row, kind)| of_kind(row, kind, &rounds)).collect()
}

fn of_kind(row: &'static str, kind: &str, rounds: &[BTreeMap<&'static str, Tally>]) -> Result<Row> {
    let tallies: Vec<Tally> = rounds.iter().filter_map(|round| round.get(kind).copied()).collect();
    let first = tallies.first().with_context(|| format!("the play has no {kind}"))?;
    ensure!(tallies.iter().all(|tally| tally.commands == first.commands), "not every round had {} of {kind}", first.commands);
    let rate = |tally: &Tally, took: Duration| tally.commands as f64 / took.as_secs_f64();
    let pairs: Vec<Pair> =
        tallies.iter().map(|tally| Pair { value: rate(tally, tally.executed), reference: rate(tally, tally.replayed) }).collect();
    let measured = Measured {
        name: row,
        unit: "commands/s",
        better: Better::Higher,
        reference: "replaying the records of the same commands",
        aim: None,
        pairs: &pairs,
        detail: format!("{} commands, {} records in the play", first.commands, first.records),
    };
    Ok(measured.row())
}

/// The domain alone, with a twin that only replays.
#[derive(Default)]
struct DomainStage {
    state: State,
    twin: State,
    now_ms: Option<i64>,
    envelopes: Vec<v1::Envelope>,
    tallies: BTreeMap<&'static str, Tally>,
}

/// Stands in for what the gateway seals.
fn sealed(mut command: ScriptCommand) -> ScriptCommand {
    if let Some(members) = command.body.as_object_mut() {
        for field in ["name", "phone"].into_iter().filter(|_| command.name == "EnrollResponder") {
            if members.contains_key(field) {
                members.insert(field.to_owned(), json!({"key_id": "k", "algorithm": 1, "nonce": "AAAA", "bytes": "AAAAAAAA"}));
            }
        }
    }
    command
}

impl DomainStage {
    fn now(&self) -> i64 {
        self.now_ms.unwrap_or(muster_demo::START_MS)
    }

    /// Takes what happened into the envelopes and replays it in the twin. Returns how long the replay took.
    fn keep(&mut self, emitted: Vec<Emitted>, occurred_at_ms: i64) -> Duration {
        let recorded_at_ms = self.now();
        let envelopes: Vec<_> = emitted
            .into_iter()
            .zip(self.envelopes.len() as u64 + 1..)
            .map(|(fact, position)| v1::Envelope {
                recorded_at_ms,
                occurred_at_ms,
                position,
                realm: self.state.realm_name(fact.realm).to_owned(),
                area_path: Some(self.state.area_path(fact.area)),
                event: Some(fact.event),
                ..v1::Envelope::default()
            })
            .collect();
        let started = Instant::now();
        for envelope in &envelopes {
            let meta = Meta { position: envelope.position, recorded_at_ms, occurred_at_ms, realm: &envelope.realm };
            if let Some(event) = &envelope.event {
                self.twin.apply(&meta, event);
            }
        }
        let took = started.elapsed();
        self.envelopes.extend(envelopes);
        took
    }

    fn execute(&mut self, command: ScriptCommand) -> Result<Outcome, StageError> {
        let failed = |error: &dyn std::fmt::Display| StageError::new(format!("read {}", command.id), error.to_string());
        let ScriptCommand { name, body, context, .. } = sealed(command.clone());
        let context: v1::Context = serde_json::from_value(context).map_err(|error| failed(&error))?;
        let mut parsed = command_from_json(name, body).map_err(|error| failed(&error))?;
        let next_position = self.envelopes.len() as u64 + 1;
        let recorded_at_ms = self.now();
        // The planner's part, which is measured by itself.
        if let Command::RehearsePlan(asked) = &mut parsed
            && let Ok(figures) = rehearse_plan(&self.state, recorded_at_ms, asked)
        {
            *asked = figures;
        }
        let started = Instant::now();
        let result = execute(&mut self.state, Now { recorded_at_ms, next_position, context: &context }, &parsed);
        let executed = started.elapsed();
        let emitted = match result {
            Ok(emitted) => emitted,
            Err(rejection) => return Ok(Outcome::Refused { code: rejection.code().to_owned(), message: rejection.en() }),
        };
        let records = emitted.len() as u64;
        let stated_ms = context.occurred_at_ms;
        let replayed = self.keep(emitted, if stated_ms == 0 { recorded_at_ms } else { stated_ms });
        let tally = self.tallies.entry(name).or_default();
        tally.commands += 1;
        tally.records += records;
        tally.executed += executed;
        tally.replayed += replayed;
        let (first, last) = if records == 0 { (0, 0) } else { (next_position, next_position + records - 1) };
        Ok(Outcome::Done { first, last, repeated: false })
    }
}

impl Stage for DomainStage {
    async fn submit(&mut self, commands: Vec<ScriptCommand>) -> Result<Vec<Outcome>, StageError> {
        commands.into_iter().map(|command| self.execute(command)).collect()
    }

    async fn propose_fill(&mut self, asked: ScriptCommand) -> Result<Outcome, StageError> {
        let area_id = asked.body["area_id"].as_str().unwrap_or_default();
        let question = FillQuestion { realm: "", area_id, now_ms: self.now() };
        match propose_fill(&self.state, question, &asked.id) {
            Ok(proposal) => {
                let (name, body) = command_to_json(&Command::ProposeFill(proposal));
                self.execute(ScriptCommand { name, body, ..asked.clone() })
            }
            Err(rejection) => Ok(Outcome::Refused { code: rejection.code().to_owned(), message: rejection.en() }),
        }
    }

    async fn lessons(&mut self, plan_id: &str, incident_id: &str) -> Result<v1::PlanLessons, StageError> {
        lessons(&self.state, plan_id, incident_id).map_err(|rejection| StageError::new("work out lessons", rejection.en()))
    }

    async fn advance_to(&mut self, at_ms: i64) -> Result<(), StageError> {
        while let Some(due_ms) = self.state.next_timer_ms().filter(|due_ms| *due_ms <= at_ms) {
            self.now_ms = Some(due_ms.max(self.now()));
            let (now_ms, next) = (self.now(), self.envelopes.len() as u64 + 1);
            let Some(emitted) = fire_timer(&mut self.state, now_ms, next) else { break };
            self.keep(emitted, now_ms);
        }
        self.now_ms = Some(at_ms.max(self.now()));
        Ok(())
    }

    async fn events_since(&mut self, position: u64) -> Result<Vec<v1::Envelope>, StageError> {
        let from = usize::try_from(position).map_err(|error| StageError::new("read", error))?;
        Ok(self.envelopes.get(from..).unwrap_or_default().to_vec())
    }

    fn now_ms(&self) -> i64 {
        self.now()
    }
}
