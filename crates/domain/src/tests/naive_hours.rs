//! Hours on post 在岗时长 counted afresh from the records of a history, as `FatigueRaised` words them. Shares no code with the state.

use std::collections::BTreeMap;

use muster_proto::Event;

use crate::execute::Emitted;
use crate::state::State;

const HOUR_MS: i64 = 3_600_000;
/// So many observations of a person can be corrected; what older ones gave is kept by the state alone.
const KEPT: usize = 32;

struct Mark {
    at_ms: i64,
    place: String,
    on: bool,
    assumed: bool,
}

/// What was told of one person in one realm.
#[derive(Default)]
struct Told {
    marks: Vec<Mark>,
    there: Option<String>,
    counts: bool,
    unconfirmed: bool,
    sighted_ms: i64,
}

/// Everybody's, by realm and person.
#[derive(Default)]
pub(super) struct NaiveHours(BTreeMap<(String, String), Told>);

fn place(site_id: &str, whistle_id: &str) -> String {
    if site_id.is_empty() { format!("whistle {whistle_id}") } else { format!("site {site_id}") }
}

/// Whom an observation is of.
fn seen(event: &Event) -> Option<&str> {
    match event {
        Event::CheckedIn(body) => Some(&body.responder_id),
        Event::CheckedOut(body) => Some(&body.responder_id),
        Event::PresenceDisputed(body) => Some(&body.responder_id),
        Event::PresenceUnconfirmed(body) => Some(&body.responder_id),
        Event::PresenceSettled(body) => Some(&body.responder_id),
        Event::PastPresenceRecorded(body) => Some(&body.responder_id),
        _ => None,
    }
}

impl Told {
    fn mark(&mut self, at_ms: i64, place: String, on: bool) {
        self.marks.push(Mark { at_ms, place, on, assumed: false });
    }

    fn came(&mut self, at_ms: i64, place: String) {
        if self.unconfirmed && self.there.as_ref() == Some(&place) {
            self.marks.retain(|mark| !mark.assumed);
        }
        self.mark(at_ms, place.clone(), true);
        (self.there, self.counts, self.unconfirmed, self.sighted_ms) = (Some(place), true, false, at_ms);
    }

    fn note(&mut self, at_ms: i64, event: &Event) {
        match event {
            Event::CheckedIn(body) => self.came(at_ms, place(&body.site_id, &body.whistle_id)),
            Event::PresenceSettled(body) if !(body.site_id.is_empty() && body.whistle_id.is_empty()) => {
                self.came(at_ms, place(&body.site_id, &body.whistle_id));
            }
            Event::PresenceSettled(_) => {
                let left = self.there.take().filter(|_| self.counts);
                left.into_iter().for_each(|place| self.mark(at_ms, place, false));
                (self.counts, self.unconfirmed) = (false, false);
            }
            Event::CheckedOut(_) => {
                if self.unconfirmed {
                    self.marks.retain(|mark| !mark.assumed);
                }
                let left = self.there.take();
                left.into_iter().for_each(|place| self.mark(at_ms, place, false));
                (self.counts, self.unconfirmed) = (false, false);
            }
            Event::PresenceDisputed(_) => {
                self.there.clone().into_iter().for_each(|place| self.mark(at_ms, place, false));
                (self.counts, self.sighted_ms) = (false, self.sighted_ms.max(at_ms));
            }
            Event::PresenceUnconfirmed(body) => {
                let at_ms = body.until_ms.max(self.sighted_ms);
                self.marks.extend(self.there.clone().map(|place| Mark { at_ms, place, on: false, assumed: true }));
                (self.counts, self.unconfirmed) = (false, true);
            }
            Event::PastPresenceRecorded(body) => {
                let place = place(&body.site_id, &body.whistle_id);
                if !body.check_out && self.counts && self.there.as_ref() == Some(&place) {
                    self.sighted_ms = self.sighted_ms.max(at_ms);
                }
                self.mark(at_ms, place, !body.check_out);
            }
            _ => {}
        }
    }

    /// Spans of work; the last one goes on where there is no end and somebody is there.
    fn spans(&self, now_ms: i64) -> (Vec<(i64, i64)>, bool) {
        let mut marks: Vec<&Mark> = self.marks.iter().collect();
        marks.sort_by_key(|mark| mark.at_ms);
        let (mut spans, mut open) = (Vec::new(), None::<(i64, &str)>);
        for mark in marks {
            open = match open {
                None => mark.on.then_some((mark.at_ms, &*mark.place)),
                Some((from_ms, _)) if mark.on => Some((from_ms, &*mark.place)),
                Some((from_ms, place)) if place == mark.place => {
                    spans.push((from_ms, mark.at_ms));
                    None
                }
                open => open,
            };
        }
        let goes_on = open.is_some() && self.counts;
        spans.extend(open.map(|(from_ms, _)| (from_ms, if goes_on { now_ms.max(from_ms) } else { from_ms })));
        (spans, goes_on)
    }
}

impl NaiveHours {
    pub(super) fn follow(&mut self, state: &State, emitted: &[Emitted], occurred_at_ms: i64) {
        for record in emitted {
            if let Some(who) = seen(&record.event) {
                let realm = state.realm_name(record.realm).to_owned();
                self.0.entry((realm, who.to_owned())).or_default().note(occurred_at_ms, &record.event);
            }
        }
    }

    pub(super) fn invariant_hours_are_those_of_the_observations(&self, state: &State, now_ms: i64) {
        for ((realm_id, who), told) in self.0.iter().filter(|(_, told)| told.marks.len() <= KEPT) {
            let realm = state.ops.realms.find(realm_id).expect("somebody was seen in it");
            let found = state.hours(realm, state.base.responders.find(who).expect("somebody was seen"), now_ms);
            let (spans, goes_on) = told.spans(now_ms);
            let total_ms: i64 = spans.iter().map(|(from_ms, until_ms)| until_ms - from_ms).sum();
            let (mut spell_since_ms, mut spell_ms, mut off_ms) = (0, 0, None);
            for (from_ms, until_ms) in &spans {
                let rest_due_ms = if spell_ms < 8 * HOUR_MS { spell_ms / 2 } else { 8 * HOUR_MS };
                if off_ms.is_none_or(|off_ms| from_ms - off_ms >= rest_due_ms) {
                    (spell_since_ms, spell_ms) = (*from_ms, 0);
                }
                spell_ms += until_ms - from_ms;
                off_ms = Some(*until_ms);
            }
            assert_eq!(found.total_ms, total_ms, "hours of {who} in {realm_id}: {spans:?}");
            assert_eq!(
                (found.spell_since_ms, found.spell_ms),
                (spell_since_ms, spell_ms),
                "the last spell of {who} in {realm_id}: {spans:?}"
            );
            let last = spans.last().copied().unwrap_or_default();
            let stands = if goes_on { (last.0, 0) } else { (0, last.1) };
            assert_eq!((found.on_since_ms, found.off_since_ms), stands, "{who} on post in {realm_id}: {spans:?}");
        }
    }
}
