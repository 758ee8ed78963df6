//! Folds stored records into a state: checks that each is in its place and that commands are whole, then applies it.
//! Decides nothing and runs no policy.

use std::thread;

use crossbeam_channel::{Sender, bounded};
use muster_domain::{Meta, State};
use muster_log::{Log, Position, Record};
use muster_proto::decode;
use muster_proto::v1::Envelope;

use crate::errors::StartError;
use crate::limits;

/// Watches that records come without a gap and in whole commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wholeness {
    last: Position,
    /// Records of the current command that are still to come, and the index and count that they must carry.
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    next_index: u32,
    count: u32,
}

impl Wholeness {
    /// Goes on after `last`, which ends a command.
    pub(crate) fn after(last: Position) -> Self {
        Self { last, open: None }
    }

    /// The last record seen.
    pub(crate) fn last(self) -> Position {
        self.last
    }

    /// No command is half seen.
    pub(crate) fn is_whole(self) -> bool {
        self.open.is_none()
    }

    pub(crate) fn see(&mut self, envelope: &Envelope) -> Result<(), StartError> {
        let position = self.last.next();
        let broken = |detail: String| Err(StartError::BrokenUnit { position, detail });
        let Envelope { index, count, .. } = *envelope;
        if envelope.position != position.0 {
            return broken(format!("the record says that it is {}", envelope.position));
        }
        let expected = self.open.unwrap_or(Open { next_index: 0, count });
        if index != expected.next_index || count != expected.count || index >= count {
            return broken(format!("it is record {index} of {count}, where {} of {} was expected", expected.next_index, expected.count));
        }
        self.open = (index + 1 < count).then_some(Open { next_index: index + 1, count });
        self.last = position;
        Ok(())
    }

    /// The log ends here: the last command must be whole.
    pub(crate) fn finish(self) -> Result<(), StartError> {
        match self.open {
            None => Ok(()),
            Some(Open { next_index, count }) => Err(StartError::BrokenUnit {
                position: self.last.next(),
                detail: format!("the log ends after {next_index} of a command's {count} records"),
            }),
        }
    }
}

/// Applies one decoded record.
pub(crate) fn apply(state: &mut State, envelope: &Envelope) {
    let meta = Meta {
        position: envelope.position,
        recorded_at_ms: envelope.recorded_at_ms,
        occurred_at_ms: envelope.occurred_at_ms,
        realm: &envelope.realm,
    };
    let event = envelope.event.as_ref().expect("decode refuses a record without an event");
    state.apply(&meta, event);
}

/// Decodes a read record.
pub(crate) fn decode_record(record: &Record) -> Result<Envelope, StartError> {
    decode(&record.bytes).map_err(|source| StartError::BadRecord { position: record.position, source })
}

/// Applies the log's records after `from` up to `end`: one thread reads and decodes, this one applies.
pub(crate) fn replay(
    log: &dyn Log,
    state: &mut State,
    from: Position,
    end: Position,
    progress: &mut dyn FnMut(Position),
) -> Result<(), StartError> {
    let (sender, batches) = bounded(limits::REPLAY_BATCHES_AHEAD);
    let mut wholeness = Wholeness::after(from);
    thread::scope(|scope| {
        thread::Builder::new()
            .name("engine-decode".to_owned())
            .spawn_scoped(scope, move || {
                if let Err(error) = decode_all(log, from, end, &sender) {
                    // Nobody listens any more only if applying failed first.
                    drop(sender.send(Err(error)));
                }
            })
            .map_err(StartError::Thread)?;
        for batch in batches {
            for envelope in &batch? {
                wholeness.see(envelope)?;
                apply(state, envelope);
            }
            progress(wholeness.last());
        }
        wholeness.finish()
    })
}

type Decoded = Result<Vec<Envelope>, StartError>;

fn decode_all(log: &dyn Log, from: Position, end: Position, sender: &Sender<Decoded>) -> Result<(), StartError> {
    let mut next = from.next();
    while next <= end {
        let batch = read_batch(log, next, end)?;
        let decoded: Vec<_> = batch.iter().map(decode_record).collect::<Result<_, _>>()?;
        next = next.plus(decoded.len() as u64);
        if sender.send(Ok(decoded)).is_err() {
            break;
        }
    }
    Ok(())
}

/// The records from `next` on, at least one, none after `end`, which is durable.
pub(crate) fn read_batch(log: &dyn Log, next: Position, end: Position) -> Result<Vec<Record>, StartError> {
    let wanted = usize::try_from(end.0 - next.0 + 1).unwrap_or(usize::MAX).min(limits::REPLAY_BATCH_RECORDS);
    let batch = log.read(next, limits::REPLAY_BATCH_BYTES, wanted)?;
    match batch.first() {
        Some(record) if record.position == next => Ok(batch),
        _ => Err(StartError::BrokenUnit { position: next, detail: "there is no record".to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn envelope(position: u64, index: u32, count: u32) -> Envelope {
        Envelope { position, index, count, ..Envelope::default() }
    }

    #[test]
    fn whole_commands_pass() {
        let mut wholeness = Wholeness::after(Position(7));
        for (position, index, count) in [(8, 0, 1), (9, 0, 3), (10, 1, 3), (11, 2, 3), (12, 0, 1)] {
            wholeness.see(&envelope(position, index, count)).unwrap();
        }
        assert!(wholeness.is_whole());
        wholeness.finish().unwrap();
    }

    #[test]
    fn gaps_and_halves_are_named_with_their_position() {
        type Seen = (u64, u32, u32);
        let seen = |records: &[Seen]| {
            let mut wholeness = Wholeness::after(Position::ZERO);
            records.iter().try_for_each(|(position, index, count)| wholeness.see(&envelope(*position, *index, *count)))?;
            wholeness.finish()
        };
        let cases: [(&[Seen], u64); 6] = [
            (&[(2, 0, 1)], 1),
            (&[(1, 0, 1), (3, 0, 1)], 2),
            (&[(1, 1, 2)], 1),
            (&[(1, 0, 2), (2, 0, 1)], 2),
            (&[(1, 0, 2), (2, 1, 3)], 2),
            (&[(1, 0, 3), (2, 1, 3)], 3),
        ];
        for (records, at) in cases {
            let error = seen(records).unwrap_err();
            assert!(matches!(error, StartError::BrokenUnit { position, .. } if position == Position(at)), "{records:?}: {error}");
        }
    }
}
