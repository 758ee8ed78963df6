//! What a checked demo found: one JSON object. `ok` is true only if every check was made and holds.

use std::collections::BTreeMap;

use muster_demo::City;
use muster_demo::script::Played;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::stage::LocalStage;

/// The checks that a summary must hold, each exactly once.
pub(super) const CHECKS: [&str; 18] = [
    "scenario",
    "rehearsal_equals_conversion",
    "stream_equals_log",
    "views_equal_worker",
    "subscribers_equal_views",
    "buckets_equal_views",
    "views_equal_rebuild",
    "as_of_equals_replay",
    "views_equal_naive_count",
    "positions_and_commands_whole",
    "one_duty_per_person",
    "nobody_moved_without_release",
    "exercise_never_in_actual",
    "base_equals_replay_without_incidents",
    "base_equals_peacetime_commands_alone",
    "same_seed_same_bytes",
    "no_plain_personal_field_in_messages",
    "no_plain_personal_field_in_files",
];

/// The figures of the play.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    pub(super) areas: usize,
    pub(super) grids: usize,
    pub(super) responders: usize,
    pub(super) organizations: usize,
    pub(super) plans: usize,
    pub(super) posts: usize,
    pub(super) units: u64,
    pub(super) sites: u64,
    pub(super) whistles: u64,
    pub(super) calls: u64,
    pub(super) check_ins: u64,
    pub(super) commands: u64,
    pub(super) events: u64,
    pub(super) bytes: u64,
    pub(super) seconds_to_convert_county: f64,
    pub(super) seconds_to_convert_city: f64,
    pub(super) seconds_to_play: f64,
    pub(super) seconds_to_rebuild: f64,
    /// Live subscribers beside the play, and how often they had to begin anew.
    pub(super) subscribers: usize,
    pub(super) resets: u64,
    /// Until a subscriber of the whole city's coverage had all rows; null if it never had.
    pub(super) seconds_to_snapshot: Option<f64>,
}

/// One comparison.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) ok: bool,
    /// What was compared, and the first differences.
    #[serde(flatten)]
    pub(super) figures: Map<String, Value>,
}

/// The last line of a checked demo.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) ok: bool,
    pub(super) scale: &'static str,
    pub(super) seed: u64,
    pub(super) figures: Figures,
    pub(super) checks: Vec<Check>,
    /// Refusals by code: races between people, and a few asked for on purpose.
    pub(super) refusals: BTreeMap<String, u64>,
    /// Records after the peacetime roster, by event.
    pub(super) events: BTreeMap<String, u64>,
}

impl Summary {
    pub(super) fn new(city: &City, played: &Played, stage: &LocalStage) -> Self {
        let count = |event: &str| played.events.get(event).copied().unwrap_or(0);
        let figures = city.figures();
        let figures = Figures {
            areas: figures.areas,
            grids: figures.grids,
            responders: figures.responders,
            organizations: figures.organizations,
            plans: figures.plans,
            posts: figures.posts,
            units: count("UnitEstablished"),
            sites: count("SiteOpened"),
            whistles: count("WhistleBlown"),
            calls: count("ResponderCalled") + count("OrganizationCalled"),
            check_ins: count("CheckedIn"),
            commands: played.commands,
            seconds_to_convert_county: stage.conversion_seconds("convert-outbreak"),
            seconds_to_convert_city: stage.conversion_seconds("convert-typhoon"),
            ..Figures::default()
        };
        Self {
            ok: false,
            scale: city.scale.name(),
            seed: city.seed,
            figures,
            checks: Vec::new(),
            refusals: played.refusals.clone(),
            events: played.events.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        }
    }

    pub(super) fn add(&mut self, name: &'static str, ok: bool, figures: Value) {
        let figures = match figures {
            Value::Object(members) => members,
            other => Map::from_iter([("detail".to_owned(), other)]),
        };
        self.checks.push(Check { name, ok, figures });
    }

    /// A check that could not be made does not hold.
    pub(super) fn failed(&mut self, name: &'static str, reason: &str) {
        self.add(name, false, json!({"reason": reason}));
    }

    /// Settles `ok`.
    pub(super) fn finish(&mut self) -> bool {
        for name in CHECKS {
            if !self.checks.iter().any(|check| check.name == name) {
                self.failed(name, "the check was not made");
            }
        }
        self.ok = self.checks.len() == CHECKS.len() && self.checks.iter().all(|check| check.ok);
        self.ok
    }
}
