//! The command index of the log, checked at start and rebuilt from the envelopes where it is behind them.

use muster_log::{CommandKey, Epoch, IndexEntry, Log, Position};
use muster_proto::v1::Envelope;

use crate::errors::StartError;
use crate::limits;
use crate::replay::{decode_record, read_batch};

/// Whether the index has to be rebuilt. It is written in the same batch as the records, so that its last entry tells
/// for all; after an accepted loss single entries may have been thrown away, and only a rebuild tells.
pub(crate) fn is_behind(log: &dyn Log, end: Position, from_the_start: bool) -> Result<bool, StartError> {
    if from_the_start && end > Position::ZERO && log.epoch() > Epoch::FIRST {
        return Ok(true);
    }
    let Some((key, entry)) = last_command(log, end)? else { return Ok(false) };
    // A damaged entry counts as missing: the envelopes know better.
    Ok(log.command(&key).ok().flatten() != Some(entry))
}

/// The command of the last unit near the end that has one.
fn last_command(log: &dyn Log, end: Position) -> Result<Option<(CommandKey, IndexEntry)>, StartError> {
    let mut position = end;
    for _ in 0..limits::INDEX_CHECK_RECORDS {
        if position == Position::ZERO {
            break;
        }
        let envelope = decode_record(&log.read_one(position)?)?;
        let before = u64::from(envelope.index) + 1;
        if let Some(found) = entry_of(&envelope, position) {
            return Ok(Some(found));
        }
        position = Position(position.0.saturating_sub(before));
    }
    Ok(None)
}

/// The index entry that a unit's record speaks of; none for timers.
fn entry_of(envelope: &Envelope, position: Position) -> Option<(CommandKey, IndexEntry)> {
    let key = CommandKey::new(envelope.principal.as_bytes(), envelope.command_id.as_bytes()).ok()?;
    let digest = envelope.body_digest.as_slice().try_into().ok()?;
    let first = Position(position.0 - u64::from(envelope.index));
    let last = Position(first.0 + u64::from(envelope.count) - 1);
    Some((key, IndexEntry { digest, first, last }))
}

/// Puts an index entry for each command in the log.
pub(crate) fn rebuild(log: &dyn Log, end: Position, progress: &mut dyn FnMut(Position)) -> Result<(), StartError> {
    tracing::warn!(%end, "the command index is rebuilt from the records");
    let mut entries = Vec::with_capacity(limits::INDEX_CHUNK);
    let mut next = Position::FIRST;
    while next <= end {
        let batch = read_batch(log, next, end)?;
        next = next.plus(batch.len() as u64);
        for record in &batch {
            let envelope = decode_record(record)?;
            if envelope.index == 0 {
                entries.extend(entry_of(&envelope, record.position));
            }
            if entries.len() == limits::INDEX_CHUNK {
                log.restore_commands(&entries)?;
                entries.clear();
            }
        }
        progress(Position(next.0 - 1));
    }
    log.restore_commands(&entries)?;
    Ok(())
}
