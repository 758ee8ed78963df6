//! The engine's time. It never goes backwards, and it never follows a step of the wall clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::errors::StartError;
use crate::limits;
use crate::options::ClockSource;

/// The wall clock, Unix milliseconds. Before 1970 it reads 0.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What carries time on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ticker {
    /// `base_ms` of the wall clock was at `base`.
    System { base_ms: i64, base: Instant },
    /// Somebody moves it.
    Manual,
}

impl Ticker {
    /// Where time has come to, Unix milliseconds; 0 for a manual clock, whose time only the engine knows.
    pub(crate) fn now_ms(self) -> i64 {
        match self {
            Self::System { base_ms, base } => base_ms + elapsed_ms(base),
            Self::Manual => 0,
        }
    }

    /// How far the wall clock has moved against the monotonic one since the start, in milliseconds.
    pub(crate) fn wall_offset_ms(self) -> i64 {
        match self {
            Self::System { base_ms, base } => wall_ms() - (base_ms + elapsed_ms(base)),
            Self::Manual => 0,
        }
    }
}

fn elapsed_ms(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// The clock of the engine's thread.
#[derive(Debug)]
pub(crate) struct Clock {
    ticker: Ticker,
    /// The latest time given out: what is given out next is not before it.
    last_ms: i64,
    checked_ms: i64,
    stepped: bool,
}

impl Clock {
    /// A clock that goes on from the log's last record.
    pub(crate) fn start(source: ClockSource, last_recorded_ms: i64) -> Result<Self, StartError> {
        let (ticker, now_ms) = match source {
            ClockSource::System => {
                let now_ms = wall_ms();
                if now_ms < last_recorded_ms - limits::CLOCK_BEHIND_MS_MAX {
                    return Err(StartError::ClockBehind { last_recorded_ms, now_ms });
                }
                (Ticker::System { base_ms: now_ms, base: Instant::now() }, now_ms)
            }
            ClockSource::Manual { start_ms } => (Ticker::Manual, start_ms),
        };
        Ok(Self { ticker, last_ms: now_ms.max(last_recorded_ms), checked_ms: now_ms, stepped: false })
    }

    /// A clock that goes on from the log's last record although the wall clock is behind it.
    pub(crate) fn from_record(last_recorded_ms: i64) -> Self {
        let ticker = Ticker::System { base_ms: last_recorded_ms, base: Instant::now() };
        Self { ticker, last_ms: last_recorded_ms, checked_ms: last_recorded_ms, stepped: false }
    }

    pub(crate) fn ticker(&self) -> Ticker {
        self.ticker
    }

    pub(crate) fn is_manual(&self) -> bool {
        matches!(self.ticker, Ticker::Manual)
    }

    /// Now, Unix milliseconds.
    pub(crate) fn now_ms(&mut self) -> i64 {
        if let Ticker::System { base_ms, base } = self.ticker {
            self.last_ms = self.last_ms.max(base_ms + elapsed_ms(base));
            if self.last_ms - self.checked_ms >= limits::CLOCK_CHECK_MS {
                self.checked_ms = self.last_ms;
                self.warn_of_step();
            }
        }
        self.last_ms
    }

    /// Moves a manual clock forward; never back.
    pub(crate) fn move_to(&mut self, to_ms: i64) {
        self.last_ms = self.last_ms.max(to_ms);
    }

    fn warn_of_step(&mut self) {
        let offset_ms = self.ticker.wall_offset_ms();
        let stepped = offset_ms.abs() > limits::CLOCK_STEP_MS_MAX;
        if stepped && !self.stepped {
            tracing::error!(offset_ms, "the wall clock was stepped; records and timers go on by the monotonic clock until the next start");
        }
        self.stepped = stepped;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_clock_far_behind_the_log_does_not_start() {
        let ahead_ms = wall_ms() + 60_000;
        let error = Clock::start(ClockSource::System, ahead_ms).unwrap_err();
        assert!(matches!(error, StartError::ClockBehind { last_recorded_ms, .. } if last_recorded_ms == ahead_ms));
        assert!(error.to_string().contains("muster doctor"), "{error}");
    }

    #[test]
    fn a_clock_slightly_behind_stands_still_until_time_has_caught_up() {
        let ahead_ms = wall_ms() + limits::CLOCK_BEHIND_MS_MAX - 500;
        let mut clock = Clock::start(ClockSource::System, ahead_ms).unwrap();
        assert_eq!(clock.now_ms(), ahead_ms);
        assert_eq!(clock.now_ms(), ahead_ms);
    }

    #[test]
    fn a_stepped_wall_clock_is_seen_and_not_followed() {
        let base = Instant::now();
        let ticker = Ticker::System { base_ms: wall_ms() - 10_000, base };
        assert!((9_000..20_000).contains(&ticker.wall_offset_ms()), "the wall clock is ten seconds ahead of the ticker");
        let mut clock = Clock { ticker, last_ms: 0, checked_ms: 0, stepped: false };
        assert!(clock.now_ms() < wall_ms() - 8_000, "time goes on from the base");
        assert!(clock.stepped);
    }

    #[test]
    fn a_manual_clock_only_moves_forward() {
        let mut clock = Clock::start(ClockSource::Manual { start_ms: 1_000 }, 1_500).unwrap();
        assert_eq!(clock.now_ms(), 1_500);
        clock.move_to(1_400);
        assert_eq!(clock.now_ms(), 1_500);
        clock.move_to(2_000);
        assert_eq!(clock.now_ms(), 2_000);
    }
}
