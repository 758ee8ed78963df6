//! Hours on post of one person, worked out from what was told of them, as `FatigueRaised` words it.

use muster_proto::Event;
use muster_proto::v1::{Envelope, FatigueLevel};

use super::facts::Facts;

/// What was told of a person's presence or fatigue.
pub(super) struct Told {
    occurred_at_ms: i64,
    recorded_at_ms: i64,
    event: Event,
}

/// Somebody began to be at a place or ceased to, and whether that is only assumed.
struct Step {
    at_ms: i64,
    place: (String, String),
    here: bool,
    assumed: bool,
}

#[derive(Default)]
pub(super) struct Hours {
    pub(super) on_since_ms: i64,
    pub(super) off_since_ms: i64,
    pub(super) worked_ms: i64,
    pub(super) spell_since_ms: i64,
    pub(super) spell_worked_ms: i64,
    pub(super) rested_at_ms: i64,
    pub(super) fatigue: i32,
}

const HOUR_MS: i64 = 60 * 60 * 1_000;

fn rest_due(worked_ms: i64) -> i64 {
    if worked_ms >= 8 * HOUR_MS { 8 * HOUR_MS } else { worked_ms / 2 }
}

fn place_of(site: &str, whistle: &str) -> (String, String) {
    (site.to_owned(), if site.is_empty() { whistle.to_owned() } else { String::new() })
}

impl Facts {
    pub(super) fn note_hours(&mut self, record: &Envelope, event: &Event) {
        let person = match event {
            Event::CheckedIn(body) => &body.responder_id,
            Event::CheckedOut(body) => &body.responder_id,
            Event::PresenceDisputed(body) => &body.responder_id,
            Event::PresenceUnconfirmed(body) => &body.responder_id,
            Event::PresenceSettled(body) => &body.responder_id,
            Event::PastPresenceRecorded(body) => &body.responder_id,
            Event::FatigueRaised(body) => &body.responder_id,
            _ => return,
        };
        let key = (record.realm.clone(), person.clone());
        if matches!(event, Event::FatigueRaised(_)) {
            self.people.entry(key.clone()).or_default();
        }
        if let Some(person) = self.people.get_mut(&key) {
            let (occurred_at_ms, recorded_at_ms) = (record.occurred_at_ms, record.recorded_at_ms);
            person.told.push(Told { occurred_at_ms, recorded_at_ms, event: event.clone() });
        }
    }
}

/// Where the person is known to be while the story is told.
#[derive(Default)]
struct Known {
    steps: Vec<Step>,
    place: Option<(String, String)>,
    disputed: bool,
    unconfirmed: bool,
    last_sight_ms: i64,
}

impl Known {
    fn step(&mut self, at_ms: i64, here: bool, assumed: bool) {
        if let Some(place) = self.place.clone() {
            self.steps.push(Step { at_ms, place, here, assumed });
        }
    }

    fn comes(&mut self, place: (String, String), at_ms: i64) {
        if self.unconfirmed && self.place.as_ref() == Some(&place) {
            self.steps.retain(|step| !step.assumed);
        }
        *self = Self { steps: std::mem::take(&mut self.steps), place: Some(place), last_sight_ms: at_ms, ..Self::default() };
        self.step(at_ms, true, false);
    }

    fn goes(&mut self) {
        *self = Self { steps: std::mem::take(&mut self.steps), ..Self::default() };
    }

    fn take(&mut self, told: &Told) {
        let at_ms = told.occurred_at_ms;
        match &told.event {
            Event::CheckedIn(body) => self.comes(place_of(&body.site_id, &body.whistle_id), at_ms),
            Event::PresenceSettled(body) if body.site_id.is_empty() && body.whistle_id.is_empty() => {
                if !self.disputed && !self.unconfirmed {
                    self.step(at_ms, false, false);
                }
                self.goes();
            }
            Event::PresenceSettled(body) => self.comes(place_of(&body.site_id, &body.whistle_id), at_ms),
            Event::CheckedOut(_) => {
                if self.unconfirmed {
                    self.steps.retain(|step| !step.assumed);
                }
                self.step(at_ms, false, false);
                self.goes();
            }
            Event::PresenceDisputed(_) => {
                self.step(at_ms, false, false);
                self.disputed = true;
                self.last_sight_ms = self.last_sight_ms.max(at_ms);
            }
            Event::PresenceUnconfirmed(body) => {
                self.step(body.until_ms.max(self.last_sight_ms), false, true);
                self.unconfirmed = true;
            }
            Event::PastPresenceRecorded(body) => {
                let place = place_of(&body.site_id, &body.whistle_id);
                let seen_again = !body.check_out && !self.disputed && !self.unconfirmed && self.place.as_ref() == Some(&place);
                if seen_again {
                    self.last_sight_ms = self.last_sight_ms.max(at_ms);
                }
                self.steps.push(Step { at_ms, place, here: !body.check_out, assumed: false });
            }
            _ => {}
        }
    }
}

/// The figures as the last record leaves them; `present` tells whether the person is somewhere, undisputed.
pub(super) fn count(told: &[Told], present: bool) -> Hours {
    let mut known = Known::default();
    told.iter().for_each(|told| known.take(told));
    known.steps.sort_by_key(|step| step.at_ms);
    let mut hours = Hours::default();
    // Since when, and where last seen.
    let mut at_work: Option<(i64, &(String, String))> = None;
    for step in &known.steps {
        match (at_work, step.here) {
            (None, true) => {
                begin(&mut hours, step.at_ms);
                at_work = Some((step.at_ms, &step.place));
            }
            (Some((since_ms, _)), true) => at_work = Some((since_ms, &step.place)),
            (Some((since_ms, place)), false) if *place == step.place => {
                hours.worked_ms += step.at_ms - since_ms;
                hours.spell_worked_ms += step.at_ms - since_ms;
                hours.off_since_ms = step.at_ms;
                at_work = None;
            }
            _ => {}
        }
    }
    if let Some((since_ms, _)) = at_work {
        (hours.on_since_ms, hours.off_since_ms) = if present { (since_ms, 0) } else { (0, since_ms) };
    }
    if hours.off_since_ms != 0 && hours.spell_worked_ms >= 2 * HOUR_MS {
        hours.rested_at_ms = hours.off_since_ms + rest_due(hours.spell_worked_ms);
    }
    let raised = told.iter().rev().find_map(|told| match &told.event {
        Event::FatigueRaised(body) => Some((body.level, told.recorded_at_ms)),
        _ => None,
    });
    let holds = raised.filter(|(_, recorded_at_ms)| hours.spell_since_ms <= *recorded_at_ms);
    hours.fatigue = holds.map_or(FatigueLevel::Unspecified.into(), |(level, _)| level);
    hours
}

/// Somebody comes on: in the same spell, or in a new one after a rest that was long enough.
fn begin(hours: &mut Hours, at_ms: i64) {
    let first = hours.spell_since_ms == 0;
    if first || at_ms - hours.off_since_ms >= rest_due(hours.spell_worked_ms) {
        hours.spell_since_ms = at_ms;
        hours.spell_worked_ms = 0;
    }
}
