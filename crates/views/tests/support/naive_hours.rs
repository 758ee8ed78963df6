//! Hours on post counted afresh from a person's observations, as `FatigueRaised` words them. Shares no code with the folds.

use muster_proto::Event;
use muster_proto::v1::ResponderRow;

use super::Fact;

const HOUR: i64 = 3_600_000;

struct Mark {
    at_ms: i64,
    place: String,
    on: bool,
    assumed: bool,
}

fn place(site: &str, whistle: &str) -> String {
    if site.is_empty() { format!("w {whistle}") } else { format!("s {site}") }
}

/// What the facts of one realm tell of where the person was and was not.
fn marks<'a>(facts: impl Iterator<Item = &'a Fact>, person: &str) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    let (mut there, mut counts, mut unconfirmed, mut sighted_ms) = (None::<String>, false, false, 0);
    for fact in facts {
        let at_ms = fact.occurred_at_ms;
        let own = |id: &str| id == person;
        let mark = |place: &str, on: bool| Mark { at_ms, place: place.to_owned(), on, assumed: false };
        let came = match &fact.event {
            Event::CheckedIn(body) if own(&body.responder_id) => Some(place(&body.site_id, &body.whistle_id)),
            Event::PresenceSettled(body) if own(&body.responder_id) && !(body.site_id.is_empty() && body.whistle_id.is_empty()) => {
                Some(place(&body.site_id, &body.whistle_id))
            }
            _ => None,
        };
        if let Some(place) = came {
            marks.retain(|mark| !(mark.assumed && unconfirmed && there.as_deref() == Some(&place)));
            marks.push(mark(&place, true));
            (there, counts, unconfirmed, sighted_ms) = (Some(place), true, false, at_ms);
            continue;
        }
        match &fact.event {
            Event::CheckedOut(body) if own(&body.responder_id) => {
                marks.retain(|mark| !(mark.assumed && unconfirmed));
                marks.extend(there.take().map(|place| mark(&place, false)));
                (counts, unconfirmed) = (false, false);
            }
            Event::PresenceSettled(body) if own(&body.responder_id) => {
                marks.extend(there.take().filter(|_| counts).map(|place| mark(&place, false)));
                (counts, unconfirmed) = (false, false);
            }
            Event::PresenceDisputed(body) if own(&body.responder_id) => {
                marks.extend(there.as_deref().map(|place| mark(place, false)));
                (counts, sighted_ms) = (false, sighted_ms.max(at_ms));
            }
            Event::PresenceUnconfirmed(body) if own(&body.responder_id) => {
                let at_ms = body.until_ms.max(sighted_ms);
                marks.extend(there.clone().map(|place| Mark { at_ms, place, on: false, assumed: true }));
                (counts, unconfirmed) = (false, true);
            }
            Event::PastPresenceRecorded(body) if own(&body.responder_id) => {
                let place = place(&body.site_id, &body.whistle_id);
                marks.push(mark(&place, !body.check_out));
                if !body.check_out && counts && there == Some(place) {
                    sighted_ms = sighted_ms.max(at_ms);
                }
            }
            _ => {}
        }
    }
    marks
}

/// Sets the row's times on post, spells, rest and fatigue.
pub fn count<'a>(facts: impl Iterator<Item = &'a Fact> + Clone, present: bool, row: &mut ResponderRow) {
    let mut marks = marks(facts.clone(), &row.responder_id);
    marks.sort_by_key(|mark| mark.at_ms);
    let mut spans: Vec<(i64, i64)> = Vec::new();
    let mut open: Option<(i64, String)> = None;
    for mark in marks {
        open = match open {
            None => mark.on.then_some((mark.at_ms, mark.place)),
            Some((from_ms, _)) if mark.on => Some((from_ms, mark.place)),
            Some((from_ms, place)) if place == mark.place => {
                spans.push((from_ms, mark.at_ms));
                None
            }
            open => open,
        };
    }
    let goes_on = open.is_some() && present;
    spans.extend(open.map(|(from_ms, _)| (from_ms, from_ms)));
    row.worked_ms = spans.iter().map(|(from_ms, until_ms)| until_ms - from_ms).sum();
    let due = |worked_ms: i64| if worked_ms < 8 * HOUR { worked_ms / 2 } else { 8 * HOUR };
    for (index, (from_ms, until_ms)) in spans.iter().enumerate() {
        if index == 0 || from_ms - spans[index - 1].1 >= due(row.spell_worked_ms) {
            (row.spell_since_ms, row.spell_worked_ms) = (*from_ms, 0);
        }
        row.spell_worked_ms += until_ms - from_ms;
    }
    if let Some((from_ms, until_ms)) = spans.last().copied() {
        if goes_on {
            row.on_post_since_ms = from_ms;
        } else {
            row.last_off_post_ms = until_ms;
            row.rested_at_ms = if row.spell_worked_ms < 2 * HOUR { 0 } else { until_ms + due(row.spell_worked_ms) };
        }
    }
    for fact in facts {
        match &fact.event {
            Event::FatigueRaised(body) if body.responder_id == row.responder_id => {
                row.fatigue = if row.spell_since_ms > fact.recorded_at_ms { 0 } else { body.level };
            }
            _ => {}
        }
    }
}
