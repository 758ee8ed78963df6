//! Folds stored records into a state: checks that each is in its place and that commands are whole, then applies it.
//! Decides nothing and runs no policy.

use std::num::NonZero;
use std::thread::{self, Scope};

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

type Batch<T> = Result<Vec<T>, StartError>;

/// Applies the log's records after `from` up to `end`. Decoding is most of the work, so that it is spread: one thread
/// reads, some decode in turn, this one applies.
pub(crate) fn replay(
    log: &dyn Log,
    state: &mut State,
    from: Position,
    end: Position,
    progress: &mut dyn FnMut(Position),
) -> Result<(), StartError> {
    let decoders = thread::available_parallelism().map_or(1, NonZero::get).min(limits::DECODERS_MAX);
    let mut wholeness = Wholeness::after(from);
    thread::scope(|scope| {
        let (mut to_decoders, mut from_decoders) = (Vec::new(), Vec::new());
        for _ in 0..decoders {
            let (raw_sender, raw) = bounded::<Batch<Record>>(limits::REPLAY_BATCHES_AHEAD);
            let (sender, decoded) = bounded::<Batch<Envelope>>(limits::REPLAY_BATCHES_AHEAD);
            spawn(scope, "engine-decode", move || {
                for batch in raw {
                    let batch = batch.and_then(|records| records.iter().map(decode_record).collect());
                    // Nobody listens any more once something else failed.
                    if sender.send(batch).is_err() {
                        break;
                    }
                }
            })?;
            to_decoders.push(raw_sender);
            from_decoders.push(decoded);
        }
        spawn(scope, "engine-read", move || read_all(log, from, end, &to_decoders))?;
        // The batches went out in turn, so they come back in turn; the first that is missing is after the last.
        for decoded in from_decoders.iter().cycle() {
            let Ok(batch) = decoded.recv() else { break };
            for envelope in &batch? {
                wholeness.see(envelope)?;
                apply(state, envelope);
            }
            progress(wholeness.last());
        }
        wholeness.finish()
    })
}

fn spawn<'scope>(scope: &'scope Scope<'scope, '_>, name: &str, run: impl FnOnce() + Send + 'scope) -> Result<(), StartError> {
    thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, run).map(drop).map_err(StartError::Thread)
}

/// Hands the records out batch by batch, to one decoder after the other, and ends with the first error.
fn read_all(log: &dyn Log, from: Position, end: Position, decoders: &[Sender<Batch<Record>>]) {
    let mut next = from.next();
    for decoder in decoders.iter().cycle() {
        if next > end {
            break;
        }
        let batch = read_batch(log, next, end);
        let read = batch.as_ref().map_or(0, Vec::len) as u64;
        if decoder.send(batch).is_err() || read == 0 {
            break;
        }
        next = next.plus(read);
    }
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
