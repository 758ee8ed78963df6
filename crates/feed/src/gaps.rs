//! What the stream does not hold, read from the log itself: the records before its first message, and those that it lacks while it is filled again.
//!
//! How the log is reached is somebody else's matter ([`RemoteLog`]). Nothing is handed on that is not the next record of the stream's own log and
//! epoch: it must never fill a gap with anything else, nor leave a hole in it.

use futures::future::BoxFuture;
use muster_log::{Position, Record};
use muster_views::Origin;

/// A log that can be asked for its records by position.
pub trait RemoteLog: Send + Sync + 'static {
    /// The records from `from` on, up to `to` at most and as many as are handed out at once; none when the log ends before. The error is for people.
    fn read(&self, from: Position, to: Position) -> BoxFuture<'_, Result<Stretch, String>>;
}

/// Some records of a log, and which log it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Whose records they are.
    pub origin: Origin,
    /// The log's last position.
    pub end: Position,
    /// The records, in order.
    pub records: Vec<Record>,
}

impl Stretch {
    /// Whether these are the records of `origin` from `from` on, without a hole and not beyond `to`. Tells what is wrong, if something is.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn check(&self, origin: Origin, from: Position, to: Position) -> Result<(), String> {
        if self.origin != origin {
            let Origin { log, epoch } = self.origin;
            return Err(format!("the server's log is {log} in epoch {epoch}, the stream is of {} in epoch {}", origin.log, origin.epoch));
        }
        let mut next = from;
        for record in &self.records {
            if record.position != next || next > to {
                return Err(format!("the server gave record {}, asked for were {next} to {to}", record.position));
            }
            let says = muster_proto::peek(&record.bytes).map(|peek| peek.position);
            if says != Ok(next.0) {
                return Err(format!("what the server gave as record {next} is not: {says:?}"));
            }
            next = next.next();
        }
        if self.records.is_empty() && from <= self.end && from <= to {
            return Err(format!("the server's log ends at {} and it gave nothing from {from} on", self.end));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use muster_log::{Epoch, LogId};

    use super::*;

    const ORIGIN: Origin = Origin { log: LogId([1; 16]), epoch: Epoch(2) };

    fn record(position: u64, says: u64) -> Record {
        // Position and an empty event, as an envelope has them.
        let said = u8::try_from(says).unwrap();
        Record { position: Position(position), bytes: vec![0x80, 0x01, said, 0xa2, 0x06, 0].into() }
    }

    fn stretch(records: Vec<Record>) -> Stretch {
        Stretch { origin: ORIGIN, end: Position(9), records }
    }

    #[test]
    fn only_the_very_records_are_taken() {
        let check = |records, from, to| stretch(records).check(ORIGIN, Position(from), Position(to));
        check(vec![record(3, 3), record(4, 4)], 3, 8).unwrap();
        check(Vec::new(), 10, 12).unwrap();
        for (records, from, to) in [
            (vec![record(4, 4)], 3, 8),
            (vec![record(3, 3), record(5, 5)], 3, 8),
            (vec![record(3, 3), record(4, 4)], 3, 3),
            (vec![record(3, 4)], 3, 8),
            (Vec::new(), 3, 8),
        ] {
            check(records, from, to).unwrap_err();
        }
        for origin in [Origin { epoch: Epoch(3), ..ORIGIN }, Origin { log: LogId([2; 16]), ..ORIGIN }] {
            stretch(vec![record(3, 3)]).check(origin, Position(3), Position(3)).unwrap_err();
        }
    }
}
