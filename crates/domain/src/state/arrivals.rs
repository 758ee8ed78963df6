//! Past times between a call and the first check-in on it, by the levels between home and post: what an estimate of full strength rests on.

use muster_proto::v1::FullStrength;
use serde::{Deserialize, Serialize};

use super::{Base, Call};
use crate::ids::{AreaRef, ResponderRef};
use crate::limits;

/// Distances told apart: 0 for a home in the post's own area, one more for each level to climb; the last for everybody further away
/// and for people without a home.
pub(crate) const RINGS: usize = 6;

/// The ends of the steps, in seconds, each √2 times the one before: from a minute to two days. What took longer is in the last.
const STEP_ENDS_S: [i64; 24] = [
    60, 85, 120, 170, 240, 340, 480, 680, 960, 1_360, 1_920, 2_720, 3_840, 5_440, 7_680, 10_860, 15_360, 21_720, 30_720, 43_440, 61_440,
    86_880, 122_880, 172_800,
];

/// Counts by step, each distance apart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Arrivals {
    rings: [[u32; STEP_ENDS_S.len()]; RINGS],
}

/// How many people of each distance are waited for.
pub(crate) type Awaited = [u32; RINGS];

/// The levels to climb from the post's area to one that holds the person's home.
pub(crate) fn ring(base: &Base, post: AreaRef, responder: ResponderRef) -> usize {
    let climb = base.home_of(responder).and_then(|home| base.ancestry(post).position(|area| base.within(home, area)));
    climb.unwrap_or(RINGS).min(RINGS - 1)
}

impl Arrivals {
    /// Takes in the first arrival on a call at `arrived_ms`. A call for a later time says nothing about the way.
    pub(crate) fn note(&mut self, base: &Base, call: &Call, arrived_ms: i64) {
        if call.from_ms > call.called_at_ms {
            return;
        }
        let took_ms = arrived_ms.saturating_sub(call.called_at_ms);
        let step = STEP_ENDS_S.partition_point(|end| end * 1_000 < took_ms).min(STEP_ENDS_S.len() - 1);
        let count = &mut self.rings[ring(base, call.area, call.responder)][step];
        *count = count.saturating_add(1);
    }

    /// By when all of these people are on post. Each comes on the own way, so that all are there with the product of the shares
    /// that were there by then.
    pub(crate) fn full_strength(&self, awaited: &Awaited) -> FullStrength {
        let total = |ring: usize| self.rings[ring].iter().map(|count| u64::from(*count)).sum::<u64>();
        let needed = || (0..RINGS).filter(|ring| awaited[*ring] > 0);
        let samples = needed().map(total).sum();
        if needed().any(|ring| total(ring) < limits::ARRIVALS_MIN) {
            return FullStrength { samples, too_little_history: true, ..Default::default() };
        }
        let mut estimate = FullStrength { samples, ..Default::default() };
        let mut there = [0_u64; RINGS];
        for (step, end_s) in STEP_ENDS_S.iter().enumerate() {
            let mut log_share = 0.0;
            for ring in needed() {
                there[ring] += u64::from(self.rings[ring][step]);
                log_share += f64::from(awaited[ring]) * (there[ring] as f64 / total(ring) as f64).ln();
            }
            for (mark, share) in [(&mut estimate.p50_ms, 0.5_f64), (&mut estimate.p90_ms, 0.9)] {
                // Nobody awaited, nothing to wait for.
                if *mark == 0 && log_share >= share.ln() && needed().next().is_some() {
                    *mark = end_s * 1_000;
                }
            }
        }
        estimate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ring: usize, steps: &[(usize, u32)]) -> Arrivals {
        let mut arrivals = Arrivals::default();
        for (step, count) in steps {
            arrivals.rings[ring][*step] = *count;
        }
        arrivals
    }

    #[test]
    fn one_person_is_there_by_the_median_and_many_by_the_slowest() {
        // Nine in ten within eight minutes, the last within an hour.
        let arrivals = of(1, &[(6, 90), (12, 10)]);
        let one = arrivals.full_strength(&[0, 1, 0, 0, 0, 0]);
        assert_eq!((one.p50_ms, one.p90_ms, one.samples), (480_000, 480_000, 100));
        let twenty = arrivals.full_strength(&[0, 20, 0, 0, 0, 0]);
        assert_eq!((twenty.p50_ms, twenty.p90_ms), (3_840_000, 3_840_000));
        let none = arrivals.full_strength(&[0; RINGS]);
        assert_eq!((none.p50_ms, none.too_little_history), (0, false));
    }

    #[test]
    fn a_distance_without_history_is_said_and_not_invented() {
        let arrivals = of(1, &[(6, 90)]);
        let answer = arrivals.full_strength(&[0, 3, 1, 0, 0, 0]);
        assert_eq!((answer.p50_ms, answer.p90_ms, answer.samples, answer.too_little_history), (0, 0, 90, true));
        let few = of(0, &[(3, u32::try_from(limits::ARRIVALS_MIN).expect("few") - 1)]);
        assert!(few.full_strength(&[1, 0, 0, 0, 0, 0]).too_little_history);
    }
}
