//! Hours on post 在岗时长: worked out anew from a person's observations in the order in which they happened, so that facts which arrive late, in
//! any order, give the same hours. What counts is worded at `FatigueRaised` in `proto/`. Must never be asked for a duty: an observation is no order.

use muster_proto::v1::FatigueLevel;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Place, State};
use crate::ids::{RealmRef, ResponderRef};
use crate::limits;
use crate::words;

/// One observation that work depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    at_ms: i64,
    place: Place,
    on: bool,
    /// Nobody saw the person go: taken back when they are seen again or are checked out.
    assumed: bool,
}

/// What one person has worked in one realm.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Work {
    /// By time; of the same moment, in the order in which they came.
    marks: SmallVec<[Mark; 2]>,
    /// What marks that are no longer kept gave.
    folded_ms: i64,
    /// The level raised in the spell that runs.
    #[serde(with = "words::number")]
    pub(crate) level: FatigueLevel,
    /// When the next level is reached, 0 off post and after the last one.
    pub(crate) due_ms: i64,
}

/// A person's hours as of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hours {
    /// Since when the person has been on post without a break, 0 off post.
    pub(crate) on_since_ms: i64,
    /// When the last spell began, 0 if there was none.
    pub(crate) spell_since_ms: i64,
    /// Worked in it, up to the moment.
    pub(crate) spell_ms: i64,
    /// When the person last came off, 0 on post.
    pub(crate) off_since_ms: i64,
    /// Worked in all, up to the moment.
    pub(crate) total_ms: i64,
}

/// The rest that is due after that much work.
fn rest_after(worked_ms: i64) -> i64 {
    if worked_ms >= limits::FATIGUE_AMBER_MS { limits::REST_FULL_MS } else { worked_ms / 2 }
}

/// The rest that somebody who worked that much needs before another duty.
pub(crate) fn rest_needed(worked_ms: i64) -> i64 {
    if worked_ms < limits::REST_FREE_MS { 0 } else { rest_after(worked_ms) }
}

/// The level that so much continuous work has reached.
pub(crate) fn fatigue_level(worked_ms: i64) -> FatigueLevel {
    match worked_ms {
        limits::FATIGUE_RED_MS.. => FatigueLevel::Red,
        limits::FATIGUE_AMBER_MS.. => FatigueLevel::Amber,
        _ => FatigueLevel::Unspecified,
    }
}

impl Default for Work {
    fn default() -> Self {
        Self { marks: SmallVec::new(), folded_ms: 0, level: FatigueLevel::Unspecified, due_ms: 0 }
    }
}

impl Work {
    pub(crate) fn mark(&mut self, at_ms: i64, place: Place, on: bool, assumed: bool) {
        let at = self.marks.partition_point(|mark| mark.at_ms <= at_ms);
        self.marks.insert(at, Mark { at_ms, place, on, assumed });
        if self.marks.len() > limits::HOURS_MARKS_MAX {
            self.fold();
        }
    }

    /// The person was seen again, or is known to have left: nothing has to be assumed.
    pub(crate) fn nothing_assumed(&mut self) {
        self.marks.retain(|mark| !mark.assumed);
    }

    /// Gives up the oldest mark that can be spared. Its work is kept in the sum.
    fn fold(&mut self) {
        // Seen again where they were: nothing is lost with it but the time at which a very late check-out would have ended.
        let again = self.marks.windows(2).position(|pair| pair[0].on && pair[1].on && pair[0].place == pair[1].place);
        if let Some(at) = again {
            self.marks.remove(at + 1);
            return;
        }
        let first = self.intervals().next();
        match first {
            Some((from_ms, Some(until_ms))) => {
                self.folded_ms += until_ms - from_ms;
                let cut = self.marks.iter().position(|mark| mark.at_ms >= until_ms).map_or(1, |at| at + 1);
                self.marks.drain(..cut);
            }
            _ => {
                self.marks.remove(0);
            }
        }
    }

    /// Spans of work from on to off; the last may have no end yet.
    fn intervals(&self) -> impl Iterator<Item = (i64, Option<i64>)> + '_ {
        let mut marks = self.marks.iter();
        std::iter::from_fn(move || {
            let first = marks.by_ref().find(|mark| mark.on)?;
            let mut place = first.place;
            for mark in marks.by_ref() {
                if mark.on {
                    place = mark.place;
                } else if mark.place == place {
                    return Some((first.at_ms, Some(mark.at_ms)));
                }
            }
            Some((first.at_ms, None))
        })
    }

    /// The hours as of `at_ms`; `present` tells whether work without an end runs on.
    pub(crate) fn hours(&self, present: bool, at_ms: i64) -> Hours {
        let mut hours = Hours { total_ms: self.folded_ms, ..Hours::default() };
        for (from_ms, until_ms) in self.intervals() {
            let running = until_ms.is_none() && present;
            let until_ms = until_ms.unwrap_or(if running { at_ms.max(from_ms) } else { from_ms });
            let broken = hours.off_since_ms != 0 && from_ms - hours.off_since_ms >= rest_after(hours.spell_ms);
            if hours.spell_since_ms == 0 || broken {
                (hours.spell_since_ms, hours.spell_ms) = (from_ms, 0);
            }
            hours.spell_ms += until_ms - from_ms;
            hours.total_ms += until_ms - from_ms;
            (hours.on_since_ms, hours.off_since_ms) = if running { (from_ms, 0) } else { (0, until_ms) };
        }
        hours
    }
}

impl Hours {
    /// When so much continuous work is reached, for somebody on post; 0 off post.
    pub(crate) fn reached_ms(&self, at_ms: i64, worked_ms: i64) -> i64 {
        if self.on_since_ms == 0 { 0 } else { at_ms + worked_ms - self.spell_ms }
    }
}

impl State {
    /// A person's hours in a realm as of `at_ms`.
    pub(crate) fn hours(&self, realm: RealmRef, responder: ResponderRef, at_ms: i64) -> Hours {
        let held = self.ops.realms.get(realm);
        let present = held.presence.get(&responder).is_some_and(super::Presence::counts);
        held.work.get(&responder).map(|work| work.hours(present, at_ms)).unwrap_or_default()
    }

    /// When a person will be rested, if that is after `from_ms`, the beginning of a duty that is asked about now.
    ///
    /// Who is on post goes on working until relieved: a duty that begins now prolongs the spell, which is refused from the amber level on; for a
    /// later one the rest is counted from now.
    pub(crate) fn rest_due(&self, realm: RealmRef, responder: ResponderRef, now_ms: i64, from_ms: i64) -> Option<i64> {
        let work = self.ops.realms.get(realm).work.get(&responder)?;
        let present = self.ops.realms.get(realm).presence.get(&responder).is_some_and(super::Presence::counts);
        let hours = work.hours(present, now_ms);
        let needed_ms = rest_needed(hours.spell_ms);
        if hours.on_since_ms == 0 {
            let rested_at_ms = hours.off_since_ms + needed_ms;
            return (from_ms < rested_at_ms).then_some(rested_at_ms);
        }
        let rested_at_ms = now_ms + needed_ms;
        let goes_on = from_ms <= now_ms && hours.spell_ms < limits::FATIGUE_AMBER_MS;
        (!goes_on && from_ms < rested_at_ms).then_some(rested_at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Dense as _, SiteRef};

    const HOUR: i64 = 3_600_000;

    fn place(at: usize) -> Place {
        Place::Site(SiteRef::from_index(at))
    }

    /// `(hour, place, on)` in the order in which they came.
    fn work(told: &[(i64, usize, bool)]) -> Work {
        let mut work = Work::default();
        told.iter().for_each(|(hour, at, on)| work.mark(hour * HOUR, place(*at), *on, false));
        work
    }

    #[test]
    fn the_order_in_which_facts_come_does_not_matter() {
        let told = [(8, 0, true), (12, 0, false), (14, 1, true), (15, 0, false), (18, 1, false)];
        let expected = work(&told).hours(false, 20 * HOUR);
        assert_eq!((expected.total_ms, expected.off_since_ms), (8 * HOUR, 18 * HOUR));
        for first in 0..told.len() {
            let mut turned = told;
            turned.rotate_left(first);
            assert_eq!(work(&turned).hours(false, 20 * HOUR), expected);
            turned.reverse();
            assert_eq!(work(&turned).hours(false, 20 * HOUR), expected);
        }
    }

    #[test]
    fn a_spell_goes_on_over_a_break_that_is_too_short() {
        // Four hours of work want two of rest.
        let short = work(&[(8, 0, true), (12, 0, false), (13, 0, true)]).hours(true, 17 * HOUR);
        assert_eq!((short.spell_since_ms, short.spell_ms), (8 * HOUR, 8 * HOUR));
        let rested = work(&[(8, 0, true), (12, 0, false), (14, 0, true)]).hours(true, 17 * HOUR);
        assert_eq!((rested.spell_since_ms, rested.spell_ms, rested.total_ms), (14 * HOUR, 3 * HOUR, 7 * HOUR));
    }

    #[test]
    fn work_without_an_end_counts_only_while_somebody_is_there() {
        let open = work(&[(8, 0, true)]);
        assert_eq!(open.hours(true, 11 * HOUR).spell_ms, 3 * HOUR);
        assert_eq!(open.hours(false, 11 * HOUR).spell_ms, 0);
    }

    #[test]
    fn what_is_no_longer_kept_stays_in_the_total() {
        let mut work = Work::default();
        for day in 0..100 {
            work.mark((24 * day + 8) * HOUR, place(0), true, false);
            work.mark((24 * day + 16) * HOUR, place(0), false, false);
        }
        assert!(work.marks.len() <= limits::HOURS_MARKS_MAX);
        assert_eq!(work.hours(false, 2_400 * HOUR).total_ms, 800 * HOUR);
        let mut seen_again = Work::default();
        (0..100).for_each(|minute| seen_again.mark(HOUR + minute, place(0), true, false));
        assert_eq!((seen_again.marks.len(), seen_again.hours(true, 2 * HOUR).total_ms), (limits::HOURS_MARKS_MAX, HOUR));
    }
}
