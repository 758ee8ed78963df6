//! Commands that are appended but not known to be durable: until then the log's index does not have them.

use std::collections::VecDeque;

use muster_log::{CommandKey, IndexEntry, Position};
use rustc_hash::FxHashMap;

/// Remembers commands from their append until they are below the watermark.
#[derive(Default)]
pub(crate) struct InFlight {
    entries: FxHashMap<CommandKey, IndexEntry>,
    order: VecDeque<(Position, CommandKey)>,
}

impl InFlight {
    pub(crate) fn insert(&mut self, key: CommandKey, entry: IndexEntry) {
        self.order.push_back((entry.last, key.clone()));
        self.entries.insert(key, entry);
    }

    pub(crate) fn get(&self, key: &CommandKey) -> Option<IndexEntry> {
        self.entries.get(key).copied()
    }

    /// Forgets what the log's index knows by now: index entry and watermark move with the same batch.
    pub(crate) fn forget_until(&mut self, watermark: Position) {
        while self.order.front().is_some_and(|(last, _)| *last <= watermark) {
            if let Some((_, key)) = self.order.pop_front() {
                self.entries.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn entries_stay_until_the_watermark_has_passed_their_last_record() {
        let key = |id: &[u8]| CommandKey::new(b"hq", id).unwrap();
        let entry = |first, last| IndexEntry { digest: [0; 32], first: Position(first), last: Position(last) };
        let mut in_flight = InFlight::default();
        in_flight.insert(key(b"a"), entry(1, 3));
        in_flight.insert(key(b"b"), entry(4, 4));
        in_flight.forget_until(Position(2));
        assert_eq!(in_flight.get(&key(b"a")), Some(entry(1, 3)));
        in_flight.forget_until(Position(3));
        assert_eq!(in_flight.get(&key(b"a")), None);
        assert_eq!(in_flight.get(&key(b"b")), Some(entry(4, 4)));
    }
}
