//! The command index of the log, restored from the envelopes after it was lost.

use muster_log::{CommandKey, IndexEntry, Log, Position};
use muster_proto::v1::Envelope;

use crate::errors::StartError;
use crate::limits;
use crate::replay::{decode_record, read_batch};

/// The index entry that a unit's record speaks of; none for timers.
fn entry_of(envelope: &Envelope, position: Position) -> Option<(CommandKey, IndexEntry)> {
    let key = CommandKey::new(envelope.principal.as_bytes(), envelope.command_id.as_bytes()).ok()?;
    let digest = envelope.body_digest.as_slice().try_into().ok()?;
    let first = Position(position.0 - u64::from(envelope.index));
    let last = Position(first.0 + u64::from(envelope.count) - 1);
    Some((key, IndexEntry { digest, first, last }))
}

/// Puts an index entry for each command in the log up to `end`.
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
    log.close_index_gap()?;
    Ok(())
}
