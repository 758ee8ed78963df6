//! How long the oldest record that a copy lacks has been known: of the stream behind the log, and of the buckets behind the views'
//! source. It samples positions; it must never ask the wall clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use muster_log::Position;

use crate::limits::LAG_SAMPLES_MAX;

/// When the end was first seen at a position, for positions that are not in the copy yet.
#[derive(Default)]
pub(crate) struct LagClock {
    samples: VecDeque<(Position, Instant)>,
}

impl LagClock {
    /// Takes a sample and tells the lag.
    pub(crate) fn sample(&mut self, now: Instant, end: Position, copied: Position) -> Duration {
        while self.samples.front().is_some_and(|(position, _)| *position <= copied) {
            self.samples.pop_front();
        }
        let known = self.samples.back().map_or(copied, |(position, _)| *position);
        if end > known {
            if self.samples.len() >= LAG_SAMPLES_MAX {
                self.thin();
            }
            self.samples.push_back((end, now));
        }
        self.samples.front().map_or(Duration::ZERO, |(_, seen)| now.saturating_duration_since(*seen))
    }

    /// Drops every second sample. A dropped one's records now count as durable since the sample before it, so that
    /// the lag is never told shorter than it is.
    fn thin(&mut self) {
        let mut index = 0;
        let mut earlier = None;
        self.samples.retain_mut(|(_, seen)| {
            index += 1;
            if index % 2 == 1 {
                earlier = Some(*seen);
                return false;
            }
            *seen = earlier.unwrap_or(*seen);
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_that_of_the_oldest_record_under_steady_load() {
        let start = Instant::now();
        let mut clock = LagClock::default();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(clock.sample(at(0), Position(0), Position(0)), Duration::ZERO);
        assert_eq!(clock.sample(at(100), Position(10), Position(0)), Duration::ZERO);
        assert_eq!(clock.sample(at(200), Position(20), Position(5)), Duration::from_millis(100));
        assert_eq!(clock.sample(at(300), Position(30), Position(15)), Duration::from_millis(100));
        assert_eq!(clock.sample(at(400), Position(30), Position(30)), Duration::ZERO);
        assert_eq!(clock.sample(at(9_000), Position(31), Position(30)), Duration::ZERO);
    }

    #[test]
    fn a_long_outage_keeps_few_samples_and_never_shortens_the_lag() {
        let start = Instant::now();
        let mut clock = LagClock::default();
        for step in 1..20_000_u64 {
            let now = start + Duration::from_millis(step);
            let lag = clock.sample(now, Position(step), Position(0));
            assert_eq!(lag, Duration::from_millis(step - 1));
            assert!(clock.samples.len() <= LAG_SAMPLES_MAX);
        }
        let now = start + Duration::from_millis(20_000);
        let lag = clock.sample(now, Position(20_000), Position(10_000));
        assert!(lag >= Duration::from_millis(9_999), "{lag:?}");
    }
}
