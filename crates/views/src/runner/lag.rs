//! How long the views have been behind. Told from when each end of the source was first seen, on this process's own monotonic clock, for the
//! records' times may come from a clock that runs faster.

use std::collections::VecDeque;
use std::time::Instant;

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

#[cfg(test)]
mod tests {
    use super::*;

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
