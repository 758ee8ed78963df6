//! The scenario: a deterministic state machine that is fed with the play's events and answers with commands. One seed and one
//! city give the same commands in the same order, and on the demo's clock the same log. It must never read a clock or the views.

mod agenda;
mod calls;
mod drill;
mod files;
mod groups;
mod learning;
mod meanwhile;
mod mirror;
mod neighbours;
mod outbreak;
mod reach;
mod sheets;
mod shifts;
mod stand_down;
mod typhoon;
mod whistles;

use std::collections::BTreeMap;

use muster_proto::v1::{AreaLevel, Envelope};
use serde::Serialize;

use crate::city::City;
use crate::command::{Outcome, ScriptCommand, Voice};
use crate::stage::{Stage, StageError};
use agenda::{Agenda, Guard};
use mirror::Mirror;

const MINUTE_MS: i64 = 60_000;
/// Commands handed in at a time: small enough to show progress, large enough to share syncs.
const CHUNK: usize = 2_000;
/// The longest step of the clock while people are being called: replies are wanted within half an hour.
const STEP_MS: i64 = 5 * MINUTE_MS;

/// The incidents of the script.
pub const OUTBREAK: &str = "inc-outbreak";
/// The typhoon's incident id.
pub const TYPHOON: &str = "inc-typhoon";
/// The flood's incident id.
pub const FLOOD: &str = "inc-flood";
/// The exercise's incident id.
pub const DRILL: &str = "inc-drill";
/// The exercise's realm.
pub const DRILL_REALM: &str = "drill-2026";

/// A part of the play with a name for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// From 1.
    pub number: usize,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
}

/// Watches the play. Every method may do nothing.
pub trait Observer: Send {
    /// A phase begins.
    fn phase(&mut self, phase: Phase) {
        let _ = phase;
    }
    /// A part of a phase that takes many commands: `done` of `total`.
    fn progress(&mut self, zh: &str, en: &str, done: usize, total: usize) {
        let _ = (zh, en, done, total);
    }
    /// A figure worth a line.
    fn note(&mut self, zh: &str, en: &str) {
        let _ = (zh, en);
    }
    /// The play's clock stands here, and everything due by now is done.
    fn tick(&mut self, now_ms: i64) {
        let _ = now_ms;
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;
impl Observer for Unwatched {}

/// Why a play ended early.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The stage failed.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The stage skipped a record or gave one twice.
    #[error("after position {after} the stage gave record {found}")]
    Gap {
        /// The last position seen.
        after: u64,
        /// The position given.
        found: u64,
    },
    /// A command that the script cannot go on without was refused.
    #[error("{name} {id} was refused: {code}: {message}")]
    Refused {
        /// The command.
        name: &'static str,
        /// Its id.
        id: String,
        /// The refusal's code.
        code: String,
        /// Its words.
        message: String,
    },
    /// An incident does not come to its end.
    #[error("{incident} did not stand down: {left} plans, {present} people on post")]
    NotStoodDown {
        /// Which.
        incident: String,
        /// Plans still converted.
        left: usize,
        /// People still present.
        present: usize,
    },
}

/// What the play came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Played {
    /// Commands handed in.
    pub commands: u64,
    /// Refusals by code. None of them stopped the play: races between people, and a few asked for on purpose.
    pub refusals: BTreeMap<String, u64>,
    /// The first refused commands, at most twenty: name, id, code.
    pub refused: Vec<(String, String, String)>,
    /// Records since the peacetime roster, by event name.
    pub events: BTreeMap<&'static str, u64>,
    /// People called by the county's conversion.
    pub outbreak_called: u64,
    /// Of the county's conversion: units by kind.
    pub outbreak_units: BTreeMap<&'static str, u64>,
    /// People called by the city's conversion in one command.
    pub typhoon_called: u64,
    /// Put on standby by it.
    pub typhoon_standby: u64,
    /// Called besides when it was raised to Ⅲ and to Ⅱ.
    pub typhoon_raised: [u64; 2],
    /// Seats of the typhoon left open because another incident holds the person.
    pub held_by_other_incident: u64,
    /// People whom the flood took from the typhoon.
    pub outranked: u64,
    /// People called in to shelter.
    pub sheltered: u64,
    /// Of these, who had not confirmed when the area resumed.
    pub unaccounted: u64,
    /// Plans that were rehearsed just before they were converted, with what came of both.
    pub rehearsed: Vec<RehearsedThenConverted>,
    /// Lessons of the outbreak that the next version of a plan took up.
    pub lessons_taken: u64,
}

/// What the rehearsal of one plan said, and what its conversion was right after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RehearsedThenConverted {
    /// Which.
    pub plan_id: String,
    /// Seats, seats that somebody takes, and empty ones, as rehearsed.
    pub rehearsed: [u32; 3],
    /// The same, as converted.
    pub converted: [u32; 3],
}

/// Plays the whole scenario on a stage whose log is empty.
///
/// # Errors
/// See [`PlayError`].
pub async fn play<S: Stage, O: Observer>(city: &City, stage: &mut S, observer: &mut O) -> Result<Played, PlayError> {
    let now_ms = stage.now_ms();
    let mut director = Director {
        city,
        stage,
        observer,
        mirror: Mirror::default(),
        agenda: Agenda::default(),
        now_ms,
        phase: 0,
        played: Played::default(),
        acknowledge_at: BTreeMap::new(),
        organization_calls_answered: std::collections::BTreeSet::new(),
        sought: std::collections::BTreeSet::new(),
        promised: std::collections::BTreeSet::new(),
    };
    director.peacetime().await?;
    director.outbreak().await?;
    director.drill().await?;
    director.typhoon().await?;
    director.meanwhile().await?;
    director.end().await?;
    director.learn().await?;
    director.played.events.clone_from(&director.mirror.counts);
    Ok(director.played)
}

struct Director<'a, S, O> {
    city: &'a City,
    stage: &'a mut S,
    observer: &'a mut O,
    mirror: Mirror,
    agenda: Agenda,
    /// The script's time. A stage with a real clock is behind it.
    now_ms: i64,
    phase: usize,
    played: Played,
    /// At which level a whistle gets its acknowledgement, where nobody below answers.
    acknowledge_at: BTreeMap<String, AreaLevel>,
    organization_calls_answered: std::collections::BTreeSet<String>,
    /// Calls that the delivery service tells of.
    sought: std::collections::BTreeSet<String>,
    /// People whom a neighbour is about to let go.
    promised: std::collections::BTreeSet<String>,
}

impl<S: Stage, O: Observer> Director<'_, S, O> {
    fn enter(&mut self, zh: &'static str, en: &'static str) {
        self.phase += 1;
        self.observer.phase(Phase { number: self.phase, zh, en });
    }

    async fn peacetime(&mut self) -> Result<(), PlayError> {
        self.enter("平时：建辖区、报到建档、编制转换预案", "Peacetime: areas, roster and conversion plans");
        for section in self.city.peacetime_sections() {
            let mut commands = section.commands;
            let mut done = 0;
            loop {
                let chunk: Vec<ScriptCommand> = commands.by_ref().take(CHUNK).collect();
                if chunk.is_empty() {
                    break;
                }
                done += chunk.len();
                let last = self.submit_all(chunk).await?;
                // The roster is the city's own; the script needs none of its events.
                self.mirror.position = self.mirror.position.max(last);
                self.observer.progress(section.zh, section.en, done, section.total);
            }
        }
        Ok(())
    }

    /// Hands commands in that must all be carried out; the last position they made.
    async fn submit_all(&mut self, commands: Vec<ScriptCommand>) -> Result<u64, PlayError> {
        let names: Vec<(&'static str, String)> = commands.iter().map(|command| (command.name, command.id.clone())).collect();
        self.played.commands += names.len() as u64;
        let outcomes = self.stage.submit(commands).await?;
        let mut end = 0;
        for ((name, id), outcome) in names.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Done { last, .. } => end = end.max(last),
                Outcome::Refused { code, message } => return Err(PlayError::Refused { name, id, code, message }),
            }
        }
        Ok(end)
    }

    /// One command without which the script cannot go on; what it does is seen when this returns.
    async fn must(&mut self, command: ScriptCommand) -> Result<(), PlayError> {
        self.submit_all(vec![command]).await?;
        self.pull().await
    }

    /// Commands that may be refused: people act on what they knew a moment ago.
    async fn attempt(&mut self, mut commands: Vec<ScriptCommand>) -> Result<(), PlayError> {
        if commands.is_empty() {
            return Ok(());
        }
        let behind_ms = self.now_ms - self.stage.now_ms();
        if behind_ms != 0 {
            commands.iter_mut().for_each(|command| shift_device_time(command, behind_ms));
        }
        let names: Vec<(&'static str, String)> = commands.iter().map(|command| (command.name, command.id.clone())).collect();
        self.played.commands += names.len() as u64;
        for ((name, id), outcome) in names.into_iter().zip(self.stage.submit(commands).await?) {
            if let Outcome::Refused { code, .. } = outcome {
                *self.played.refusals.entry(code.clone()).or_default() += 1;
                if self.played.refused.len() < 20 {
                    self.played.refused.push((name.to_owned(), id, code));
                }
            }
        }
        Ok(())
    }

    /// Sees everything that has happened, and decides what follows from it.
    async fn pull(&mut self) -> Result<(), PlayError> {
        loop {
            let records = self.stage.events_since(self.mirror.position).await?;
            if records.is_empty() {
                return Ok(());
            }
            for record in &records {
                if record.position != self.mirror.position + 1 {
                    return Err(PlayError::Gap { after: self.mirror.position, found: record.position });
                }
                self.mirror.note(record);
                self.react(record);
            }
        }
    }

    fn react(&mut self, record: &Envelope) {
        if let Some(event) = &record.event {
            self.react_to_call(record, event);
            self.react_to_delivery(event);
            self.react_to_swap(event);
            self.react_to_whistle(record, event);
        }
    }

    fn later(&mut self, minutes: i64, guard: Guard, command: ScriptCommand) {
        self.agenda.add(self.now_ms + minutes * MINUTE_MS, guard, command);
    }

    /// Lets the clock run for so many minutes, doing what falls due.
    async fn run(&mut self, minutes: i64) -> Result<(), PlayError> {
        let end_ms = self.now_ms + minutes * MINUTE_MS;
        self.do_due().await?;
        while self.now_ms < end_ms {
            let due_ms = self.agenda.next_due_ms().unwrap_or(i64::MAX).max(self.now_ms + MINUTE_MS);
            self.step_to(due_ms.min(self.now_ms + STEP_MS).min(end_ms)).await?;
        }
        Ok(())
    }

    /// One step, however long: for the hours in which nobody is called.
    async fn step_to(&mut self, at_ms: i64) -> Result<(), PlayError> {
        self.stage.advance_to(at_ms).await?;
        self.now_ms = at_ms;
        self.pull().await?;
        self.do_due().await?;
        self.observer.tick(self.now_ms);
        Ok(())
    }

    async fn do_due(&mut self) -> Result<(), PlayError> {
        loop {
            let due = self.agenda.take_due(self.now_ms, CHUNK, &self.mirror);
            if due.is_empty() {
                return Ok(());
            }
            self.attempt(due).await?;
            self.pull().await?;
        }
    }

    /// The area above (or the area itself) at a level; the city where there is none.
    fn above(&self, area_id: &str, level: AreaLevel) -> String {
        let found = self.city.tree.at_level(area_id, level);
        found.map_or_else(|| crate::tree::CITY.to_owned(), |area| area.id.clone())
    }

    fn county_office(&self, area_id: &str) -> Voice {
        Voice::office(&self.above(area_id, AreaLevel::County), "组织部值班员")
    }
}

/// A device's time is told from the stage's now: a stage with a real clock is behind the script.
fn shift_device_time(command: &mut ScriptCommand, behind_ms: i64) {
    let Some(time) = command.context.get_mut("occurred_at_ms") else { return };
    if let Some(at_ms) = time.as_str().and_then(|text| text.parse::<i64>().ok()) {
        *time = serde_json::Value::String((at_ms - behind_ms).to_string());
    }
}
