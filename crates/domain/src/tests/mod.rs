//! The domain's tests: what was given, what is asked, what follows.
//!
//! Whatever a test asks, the story checks more: a refusal changes nothing, a replay of the records gives the same bytes, and the
//! invariants hold after every step.
#![allow(clippy::needless_update)] // `command!` does not count a message's fields.

/// A command with the fields that matter; the others are left out.
macro_rules! command {
    ($kind:ident { $($field:ident: $value:expr),* $(,)? }) => {
        ::muster_proto::Command::$kind(::muster_proto::v1::$kind { $($field: $value.into(),)* ..Default::default() })
    };
}

mod agreements;
mod base;
mod calls;
mod conversion;
mod delivery;
mod departments;
mod erasure;
mod fatigue;
mod fill;
pub(crate) mod fill_proposals;
mod foreign;
mod group;
mod incident;
mod invariants;
mod lessons;
mod line;
mod moving;
mod naive_hours;
mod naive_seats;
mod organization;
mod period;
mod plans;
mod presence;
mod random;
mod random_calls;
mod random_commands;
mod random_shifts;
mod realms;
mod rebase;
mod rehearsal;
mod reinforcement;
mod reseat;
mod responsibility;
mod seats;
mod sheets;
mod shelter;
mod shifts;
mod stand_down;
mod touches;
mod town;
mod units;
mod whistle;
mod zones;

use muster_proto::{Command, v1};

use crate::execute::{Emitted, Meta, Now, execute, fire_timer};
use crate::rehearse::rehearse_plan;
use crate::rejection::Rejection;
use crate::state::State;
use crate::words;

pub(crate) const START_MS: i64 = 1_700_000_000_000;
pub(crate) const MINUTE_MS: i64 = 60_000;

/// A history being made: the state, a replica fed by its records alone, and the clock.
pub(crate) struct Story {
    pub(crate) state: State,
    replica: State,
    hours: naive_hours::NaiveHours,
    seats: naive_seats::NaiveSeats,
    pub(crate) now_ms: i64,
    position: u64,
    office: String,
    actor: String,
    late_ms: i64,
    basis: bool,
    on_behalf_of: String,
    document_no: String,
}

impl Story {
    /// A history of accepted commands, given in the city's office.
    pub(crate) fn given(commands: impl IntoIterator<Item = Command>) -> Self {
        let mut story = Self {
            state: State::default(),
            replica: State::default(),
            hours: naive_hours::NaiveHours::default(),
            seats: naive_seats::NaiveSeats::default(),
            now_ms: START_MS,
            position: 0,
            office: "c".to_owned(),
            actor: "tester".to_owned(),
            late_ms: 0,
            basis: false,
            on_behalf_of: String::new(),
            document_no: String::new(),
        };
        story.and(commands);
        story
    }

    /// Further commands, all accepted.
    pub(crate) fn and(&mut self, commands: impl IntoIterator<Item = Command>) -> &mut Self {
        for command in commands {
            if let Err(refusal) = self.run(&command) {
                panic!("{command:?} is part of what is given, but was refused: {refusal:?}");
            }
        }
        self
    }

    /// In whose office the next commands are given.
    pub(crate) fn by(&mut self, area_id: &str) -> &mut Self {
        area_id.clone_into(&mut self.office);
        self
    }

    /// Who gives the next commands.
    pub(crate) fn said_by(&mut self, actor: &str) -> &mut Self {
        actor.clone_into(&mut self.actor);
        self
    }

    /// The next command tells of something that happened this long ago.
    pub(crate) fn told_late(&mut self, minutes: i64) -> &mut Self {
        self.late_ms = minutes * MINUTE_MS;
        self
    }

    /// The next command rests on a telephone call.
    pub(crate) fn on_a_ground(&mut self) -> &mut Self {
        self.basis = true;
        self
    }

    /// The next command says something for somebody else.
    pub(crate) fn on_behalf_of(&mut self, responder_id: &str) -> &mut Self {
        responder_id.clone_into(&mut self.on_behalf_of);
        self
    }

    /// The next command rests on this document.
    pub(crate) fn on_document(&mut self, document_no: &str) -> &mut Self {
        document_no.clone_into(&mut self.document_no);
        self
    }

    /// What follows from a command.
    pub(crate) fn when(&mut self, command: Command) -> Outcome {
        Outcome { answer: self.run(&command), asked: format!("{command:?}") }
    }

    /// Lets time pass. What the timers brought about, in their order.
    pub(crate) fn after_minutes(&mut self, minutes: i64) -> Outcome {
        let target_ms = self.now_ms + minutes * MINUTE_MS;
        let mut all = Vec::new();
        while let Some(due_ms) = self.state.next_timer_ms().filter(|due_ms| *due_ms <= target_ms) {
            self.now_ms = self.now_ms.max(due_ms);
            let emitted = fire_timer(&mut self.state, self.now_ms, self.position + 1).expect("a timer is due");
            assert!(!emitted.is_empty(), "a timer that fires says something");
            self.follow(&emitted, self.now_ms);
            all.extend(emitted);
        }
        self.now_ms = target_ms;
        Outcome { answer: Ok(all), asked: format!("{minutes} minutes") }
    }

    pub(crate) fn run(&mut self, command: &Command) -> Result<Vec<Emitted>, Rejection> {
        let occurred_at_ms = if self.late_ms == 0 { 0 } else { self.now_ms - self.late_ms };
        self.late_ms = 0;
        let actor_office = Some(v1::Office { area_id: self.office.clone(), ..Default::default() });
        let reference = std::mem::take(&mut self.document_no);
        let told = std::mem::take(&mut self.basis);
        let basis = if reference.is_empty() {
            told.then(|| v1::Basis { kind: v1::BasisKind::Telephone.into(), reference: "06:30 电话".to_owned() })
        } else {
            Some(v1::Basis { kind: v1::BasisKind::Document.into(), reference })
        };
        let on_behalf_of = std::mem::take(&mut self.on_behalf_of);
        let context = v1::Context { actor: self.actor.clone(), actor_office, basis, on_behalf_of, occurred_at_ms, ..Default::default() };
        let rehearsed = planned(&self.state, self.now_ms, command);
        let command = rehearsed.as_ref().unwrap_or(command);
        let before = words::canonical_bytes(&self.state);
        let touched = self.state.touches(&context, command);
        let now = Now { recorded_at_ms: self.now_ms, next_position: self.position + 1, context: &context };
        let answer = execute(&mut self.state, now, command);
        match &answer {
            Ok(emitted) => {
                invariants::invariant_a_command_takes_effect_where_it_touches(&self.state, &touched, command, emitted);
                self.follow(emitted, if occurred_at_ms == 0 { self.now_ms } else { occurred_at_ms });
            }
            Err(refusal) => {
                assert!(before == words::canonical_bytes(&self.state), "refused with {refusal:?}, and yet the state changed");
                assert!(!refusal.code().is_empty() && !refusal.zh().is_empty() && !refusal.en().is_empty());
            }
        }
        answer
    }

    /// Feeds the replica with the records and compares.
    fn follow(&mut self, emitted: &[Emitted], occurred_at_ms: i64) {
        for record in emitted {
            self.position += 1;
            let meta =
                Meta { position: self.position, recorded_at_ms: self.now_ms, occurred_at_ms, realm: self.state.realm_name(record.realm) };
            self.replica.apply(&meta, &record.event);
        }
        let (stated, replayed) = (words::canonical_bytes(&self.state), words::canonical_bytes(&self.replica));
        assert!(stated == replayed, "the replay of {:?} differs from the state", lines(emitted));
        let restored: State = postcard::from_bytes(&stated).expect("a state reads what it wrote");
        assert!(stated == words::canonical_bytes(&restored), "a state read from its bytes has other bytes");
        self.hours.follow(&self.state, emitted, occurred_at_ms.min(self.now_ms));
        self.hours.invariant_hours_are_those_of_the_observations(&self.state, self.now_ms);
        invariants::check(&self.state);
        invariants::invariant_who_is_away_has_no_duty(&self.state, self.now_ms);
        self.seats.follow(&self.state, emitted, self.now_ms);
        invariants::invariant_no_shift_closes_below_its_minimum(emitted);
    }
}

/// A command in the city's office, alone: nothing is looked at afterwards.
fn carry_out(state: &mut State, now_ms: i64, command: &Command) -> Result<Vec<Emitted>, Rejection> {
    let actor_office = Some(v1::Office { area_id: "c".to_owned(), ..Default::default() });
    let context = v1::Context { actor: "tester".to_owned(), actor_office, ..Default::default() };
    let next_position = state.position() + 1;
    execute(state, Now { recorded_at_ms: now_ms, next_position, context: &context }, command)
}

/// A rehearsal as the planner hands it in.
fn planned(state: &State, now_ms: i64, command: &Command) -> Option<Command> {
    let Command::RehearsePlan(asked) = command else { return None };
    rehearse_plan(state, now_ms, asked).ok().map(Command::RehearsePlan)
}

pub(crate) fn lines(emitted: &[Emitted]) -> Vec<String> {
    emitted.iter().map(|record| line::of(&record.event)).collect()
}

/// What a command or a while brought about.
#[must_use]
pub(crate) struct Outcome {
    answer: Result<Vec<Emitted>, Rejection>,
    asked: String,
}

impl Outcome {
    pub(crate) fn events(self) -> Vec<Emitted> {
        self.answer.unwrap_or_else(|refusal| panic!("{} was refused: {refusal:?}", self.asked))
    }

    /// Exactly these events, in this order; see [`line::of`].
    #[track_caller]
    pub(crate) fn then<const N: usize>(self, expected: [&str; N]) -> Vec<Emitted> {
        let events = match self.answer {
            Ok(events) => events,
            Err(refusal) => panic!("{} was refused: {refusal:?}", self.asked),
        };
        let found = lines(&events);
        assert!(found == expected, "{}\n  brought\n{found:#?}\n  and not\n{expected:#?}", self.asked);
        events
    }

    /// These events among others, in this order.
    #[track_caller]
    pub(crate) fn then_among<const N: usize>(self, expected: [&str; N]) -> Vec<Emitted> {
        let events = match self.answer {
            Ok(events) => events,
            Err(refusal) => panic!("{} was refused: {refusal:?}", self.asked),
        };
        let found = lines(&events);
        let mut rest = found.iter();
        for wanted in expected {
            assert!(rest.any(|line| line == wanted), "{}\n  brought\n{found:#?}\n  without (or not in order)\n  {wanted}", self.asked);
        }
        events
    }

    /// The wish was fulfilled before: nothing changes.
    #[track_caller]
    pub(crate) fn then_nothing(self) {
        self.then([]);
    }

    #[track_caller]
    pub(crate) fn then_rejected(self, code: &str) {
        match self.answer {
            Err(refusal) => assert!(refusal.code() == code, "{} was refused with {refusal:?}, not with {code}", self.asked),
            Ok(events) => panic!("{} should have been refused with {code}, but brought {:#?}", self.asked, lines(&events)),
        }
    }
}
