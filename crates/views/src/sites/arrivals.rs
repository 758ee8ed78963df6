//! How long people took from the call to the post, at sites of one kind: counts under fixed bounds, so that the same records always give the
//! same figures. What they mean is said in `views.proto`.

use serde::{Deserialize, Serialize};

/// Each about half as long again as the one before, in minutes.
const BOUNDS_MIN: [i64; 23] = [1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 724, 1_024, 1_448, 2_048, 2_896];
const MINUTE_MS: i64 = 60_000;
/// With fewer arrivals nine tenths of them would be one person's way.
const KNOWN_FROM: u32 = 10;

/// In what time half and nine tenths of the people came, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pace {
    pub(super) half_ms: i64,
    pub(super) most_ms: i64,
}

/// Arrivals by bound.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Arrivals {
    counts: [u32; BOUNDS_MIN.len()],
    all: u32,
}

impl Arrivals {
    pub(super) fn count(&mut self, took_ms: i64) {
        let bound = BOUNDS_MIN.iter().position(|minutes| took_ms <= minutes * MINUTE_MS);
        let count = &mut self.counts[bound.unwrap_or(BOUNDS_MIN.len() - 1)];
        *count = count.saturating_add(1);
        self.all = self.all.saturating_add(1);
    }

    /// Nothing while too few have come.
    pub(super) fn pace(&self) -> Option<Pace> {
        (self.all >= KNOWN_FROM).then(|| Pace { half_ms: self.within(5), most_ms: self.within(9) })
    }

    /// In what time so many tenths came.
    fn within(&self, tenths: u64) -> i64 {
        let mut came = 0;
        let enough = |count: &u32| {
            came += u64::from(*count);
            came * 10 >= u64::from(self.all) * tenths
        };
        let bound = self.counts.iter().position(enough).unwrap_or(BOUNDS_MIN.len() - 1);
        BOUNDS_MIN[bound] * MINUTE_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_and_nine_tenths_are_bounds_that_so_many_kept() {
        let mut arrivals = Arrivals::default();
        for minutes in [1, 2, 3, 4, 5, 6, 7, 8, 200] {
            arrivals.count(minutes * MINUTE_MS);
        }
        assert_eq!(arrivals.pace(), None);
        arrivals.count(0);
        // Five of ten took four minutes or less, nine eight or less.
        assert_eq!(arrivals.pace(), Some(Pace { half_ms: 4 * MINUTE_MS, most_ms: 8 * MINUTE_MS }));
        arrivals.count(60_001);
        arrivals.count(1_000_000 * MINUTE_MS);
        let pace = arrivals.pace();
        assert_eq!(pace, Some(Pace { half_ms: 4 * MINUTE_MS, most_ms: 256 * MINUTE_MS }));
    }
}
