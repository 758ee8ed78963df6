//! 在岗时长 of one person in one realm, from observations by the time at which they happened. What counts is worded at `FatigueRaised` in
//! `events.proto`. No clock is read: work that goes on counts from its end.

use muster_proto::v1::FatigueLevel;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::symbols::{EMPTY, Sym};

/// A site, or else a whistle.
pub(super) type Place = (Sym, Sym);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    at_ms: i64,
    place: Place,
    on: bool,
    /// Nobody saw the person go: taken back when they are seen there again or are checked out.
    assumed: bool,
}

/// An observation that work depends on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Observation {
    /// CheckedIn, or PresenceSettled somewhere.
    Came(Place),
    /// CheckedOut.
    Left,
    /// PresenceSettled nowhere.
    Nowhere,
    Disputed,
    /// PresenceUnconfirmed, and when the period ended.
    Unconfirmed(i64),
    /// PastPresenceRecorded, and whether it tells of a check-out.
    Past(Place, bool),
}

/// What one person has worked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Work {
    /// By time; of the same moment, in the order in which they came.
    marks: Vec<Mark>,
    /// What marks that are no longer kept gave.
    folded_ms: i64,
    /// Where the person was last known to be.
    place: Option<Place>,
    disputed: bool,
    unconfirmed: bool,
    /// When the last sighting there happened.
    sighted_ms: i64,
    hours: Hours,
    /// `FatigueLevel` as its number, and when it was recorded.
    raised: (i32, i64),
}

/// The figures of the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hours {
    pub(super) on_since_ms: i64,
    pub(super) off_since_ms: i64,
    pub(super) worked_ms: i64,
    pub(super) spell_since_ms: i64,
    pub(super) spell_ms: i64,
}

impl Work {
    pub(super) fn hours(&self) -> Hours {
        self.hours
    }

    /// Takes in an observation; `present` tells whether the person is somewhere, undisputed, after it.
    pub(super) fn observe(&mut self, observation: Observation, at_ms: i64, present: bool) {
        match observation {
            Observation::Came(place) => {
                if self.unconfirmed && self.place == Some(place) {
                    self.marks.retain(|mark| !mark.assumed);
                }
                self.mark(at_ms, place, true, false);
                (self.place, self.disputed, self.unconfirmed, self.sighted_ms) = (Some(place), false, false, at_ms);
            }
            Observation::Left => {
                if self.unconfirmed {
                    self.marks.retain(|mark| !mark.assumed);
                }
                self.off(at_ms);
                self.gone();
            }
            Observation::Nowhere => {
                if !self.disputed && !self.unconfirmed {
                    self.off(at_ms);
                }
                self.gone();
            }
            Observation::Disputed => {
                self.off(at_ms);
                (self.disputed, self.sighted_ms) = (true, self.sighted_ms.max(at_ms));
            }
            Observation::Unconfirmed(until_ms) => {
                if let Some(place) = self.place {
                    self.mark(until_ms.max(self.sighted_ms), place, false, true);
                }
                self.unconfirmed = true;
            }
            Observation::Past(place, check_out) => {
                self.mark(at_ms, place, !check_out, false);
                if !check_out && present && self.place == Some(place) {
                    self.sighted_ms = self.sighted_ms.max(at_ms);
                }
            }
        }
        self.hours = self.count(present);
    }

    pub(super) fn raise(&mut self, level: i32, recorded_at_ms: i64) {
        self.raised = (level, recorded_at_ms);
    }

    /// `FatigueLevel` as its number: what was raised last, unless a new spell began since.
    pub(super) fn fatigue(&self) -> i32 {
        let (level, raised_at_ms) = self.raised;
        if self.hours.spell_since_ms > raised_at_ms { FatigueLevel::Unspecified.into() } else { level }
    }

    fn gone(&mut self) {
        (self.place, self.disputed, self.unconfirmed) = (None, false, false);
    }

    fn off(&mut self, at_ms: i64) {
        if let Some(place) = self.place {
            self.mark(at_ms, place, false, false);
        }
    }

    fn mark(&mut self, at_ms: i64, place: Place, on: bool, assumed: bool) {
        let at = self.marks.partition_point(|mark| mark.at_ms <= at_ms);
        self.marks.insert(at, Mark { at_ms, place, on, assumed });
        if self.marks.len() > limits::HOURS_MARKS_MAX {
            self.spare();
        }
    }

    /// Gives up the oldest mark that can be spared. Its work is kept in the sum.
    fn spare(&mut self) {
        // Seen again where they were: nothing is lost with it but the time at which a very late check-out would have ended.
        let again = self.marks.windows(2).position(|pair| pair[0].on && pair[1].on && pair[0].place == pair[1].place);
        if let Some(at) = again {
            self.marks.remove(at + 1);
            return;
        }
        let first = self.spans().next();
        if let Some((from_ms, Some(until_ms))) = first {
            self.folded_ms += until_ms - from_ms;
            let cut = self.marks.iter().position(|mark| mark.at_ms >= until_ms).map_or(1, |at| at + 1);
            self.marks.drain(..cut);
        } else {
            self.marks.remove(0);
        }
    }

    /// From on to off; the last may have no end yet.
    fn spans(&self) -> impl Iterator<Item = (i64, Option<i64>)> + '_ {
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

    fn count(&self, present: bool) -> Hours {
        let mut hours = Hours { worked_ms: self.folded_ms, ..Hours::default() };
        let mut seen_before = false;
        for (from_ms, until_ms) in self.spans() {
            let rested = from_ms - hours.off_since_ms >= rest_after(hours.spell_ms);
            if !seen_before || rested {
                (hours.spell_since_ms, hours.spell_ms) = (from_ms, 0);
            }
            seen_before = true;
            let worked_ms = until_ms.unwrap_or(from_ms) - from_ms;
            hours.spell_ms += worked_ms;
            hours.worked_ms += worked_ms;
            let goes_on = until_ms.is_none() && present;
            (hours.on_since_ms, hours.off_since_ms) = if goes_on { (from_ms, 0) } else { (0, until_ms.unwrap_or(from_ms)) };
        }
        hours
    }
}

impl Hours {
    /// When somebody off post is rested; 0 on post, and for those who need no rest of their own.
    pub(super) fn rested_at_ms(&self) -> i64 {
        let rests = self.off_since_ms != 0 && self.spell_ms >= limits::REST_FREE_MS;
        if rests { self.off_since_ms + rest_after(self.spell_ms) } else { 0 }
    }
}

/// The rest that is due after that much work.
fn rest_after(worked_ms: i64) -> i64 {
    if worked_ms >= limits::REST_FULL_FROM_MS { limits::REST_FULL_MS } else { worked_ms / 2 }
}

/// Where an observation was: the site counts, where there is one.
pub(super) fn place(site: Sym, whistle: Sym) -> Place {
    (site, if site == EMPTY { whistle } else { EMPTY })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const GATE: Place = (1, 0);

    #[test]
    fn what_came_late_counts_as_if_it_had_come_in_time() {
        let told = [(8, true), (12, false), (13, true), (17, false)];
        let hours = |order: [usize; 4]| {
            let mut work = Work::default();
            order.iter().for_each(|at| work.observe(Observation::Past(GATE, !told[*at].1), told[*at].0 * HOUR, false));
            work.hours()
        };
        let expected = hours([0, 1, 2, 3]);
        // An hour's break is too short after four hours: one spell, and the whole rest after it.
        assert_eq!((expected.worked_ms, expected.spell_since_ms, expected.spell_ms), (8 * HOUR, 8 * HOUR, 8 * HOUR));
        assert_eq!((expected.off_since_ms, expected.rested_at_ms()), (17 * HOUR, 25 * HOUR));
        for order in [[3, 2, 1, 0], [1, 0, 3, 2], [2, 0, 3, 1]] {
            assert_eq!(hours(order), expected);
        }
    }

    #[test]
    fn what_is_no_longer_kept_stays_in_the_sum() {
        let mut work = Work::default();
        for day in 1..101 {
            work.observe(Observation::Came(GATE), (24 * day + 8) * HOUR, true);
            work.observe(Observation::Left, (24 * day + 16) * HOUR, false);
        }
        assert_eq!((work.marks.len() <= limits::HOURS_MARKS_MAX, work.hours().worked_ms), (true, 800 * HOUR));
    }
}
