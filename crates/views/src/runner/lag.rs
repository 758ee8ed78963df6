//! How long the views have been behind. Told from when each end of the source was first seen, on this process's own monotonic clock, for the
//! records' times may come from a clock that runs faster.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use muster_log::Position;

use crate::limits;
use crate::live::Lag;

/// Ends of the source and when they were first seen, oldest first; only those that are not reached yet.
#[derive(Default)]
pub(crate) struct LagClock {
    seen: VecDeque<(Position, Instant)>,
}

impl LagClock {
    /// Notes where the rows and the source are now.
    pub(crate) fn sample(&mut self, at: Position, end: Position) {
        while self.seen.front().is_some_and(|(position, _)| *position <= at) {
            self.seen.pop_front();
        }
        let newest = self.seen.back().map_or(at, |(position, _)| *position);
        // Full means far behind: the oldest samples are the ones that tell the age.
        if end > newest && self.seen.len() < limits::LAG_SAMPLES_MAX {
            self.seen.push_back((end, Instant::now()));
        }
    }

    pub(crate) fn lag(&mut self, at: Position, end: Position) -> Lag {
        self.sample(at, end);
        let age = self.seen.front().map(|(_, since)| since.elapsed()).unwrap_or_default();
        Lag { positions: end.0.saturating_sub(at.0), age }
    }
}

/// Where the rows were at moments past, for the pace at which they move on.
#[derive(Default)]
pub(crate) struct Pace {
    seen: VecDeque<(Position, Instant)>,
}

impl Pace {
    /// Notes where the rows are now.
    pub(crate) fn sample(&mut self, at: Position, now: Instant) {
        let (apart_ms, most) = limits::PACE_SAMPLES;
        // Rows that go back are another log's, or were folded anew.
        if self.seen.back().is_some_and(|(last, _)| *last > at) {
            self.seen.clear();
        }
        if self.seen.back().is_some_and(|(_, when)| now.saturating_duration_since(*when) < Duration::from_millis(apart_ms)) {
            return;
        }
        self.seen.push_back((at, now));
        if self.seen.len() > most {
            self.seen.pop_front();
        }
    }

    /// How long the way from `at` to `end` takes at this pace. A runner that stands still has no pace after a while.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn remaining(&self, at: Position, end: Position, now: Instant) -> Option<Duration> {
        let open = end.0.saturating_sub(at.0);
        if open == 0 {
            return Some(Duration::ZERO);
        }
        let (first, since) = self.seen.front()?;
        let done = at.0.checked_sub(first.0).filter(|done| *done > 0)?;
        let seconds = now.saturating_duration_since(*since).as_secs_f64() * open as f64 / done as f64;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let (mut pace, begin) = (Pace::default(), Instant::now());
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(pace.remaining(Position(0), Position(0), begin), Some(Duration::ZERO));
        assert_eq!(pace.remaining(Position(0), Position(9), begin), None);
        pace.sample(Position(0), begin);
        pace.sample(Position(1), begin);
        pace.sample(Position(1_000), after(1));
        assert_eq!(pace.remaining(Position(1_000), Position(4_000), after(1)), Some(Duration::from_secs(3)));
        // It stands still, and what is left takes longer and longer.
        assert_eq!(pace.remaining(Position(1_000), Position(4_000), after(10)), Some(Duration::from_secs(30)));
        // Folded anew, from the beginning.
        pace.sample(Position(0), after(11));
        assert_eq!(pace.remaining(Position(0), Position(4_000), after(11)), None);
        for second in 0..100 {
            pace.sample(Position(second), after(12 + second));
        }
        assert_eq!(pace.seen.len(), limits::PACE_SAMPLES.1);
    }

    #[test]
    fn the_age_is_that_of_the_first_end_not_reached() {
        let mut clock = LagClock::default();
        assert_eq!(clock.lag(Position(5), Position(5)), Lag::default());
        clock.sample(Position(5), Position(7));
        let first = clock.seen[0].1;
        clock.sample(Position(5), Position(9));
        assert_eq!(clock.lag(Position(6), Position(9)).positions, 3);
        assert_eq!(clock.seen[0], (Position(7), first));
        assert!(clock.lag(Position(7), Position(9)).positions == 2 && clock.seen[0].0 == Position(9));
        assert_eq!(clock.lag(Position(9), Position(9)), Lag::default());
    }
}
