//! From decided events to one unit of the log: envelopes encoded once, and the answer that goes with them.

use bytes::Bytes;
use muster_domain::{AreaRef, Emitted, State};
use muster_log::{Position, limits::RECORD_BYTES_MAX};
use muster_proto::{Answer, CommonPart, EnvelopeEncoder, RecordPart, v1};
use rustc_hash::FxHashMap;

use crate::errors::Fatal;
use crate::limits;

/// From this size on a scratch table is given back after use: clearing it would cost every later command.
const SCRATCH_KEPT: usize = 1_024;

/// A unit ready for the log.
pub(crate) struct Encoded {
    pub(crate) records: Vec<Bytes>,
    pub(crate) answer: Answer,
}

/// Encodes units; keeps its tables between them.
#[derive(Default)]
pub(crate) struct UnitEncoder {
    paths: FxHashMap<Option<AreaRef>, v1::AreaPath>,
}

impl UnitEncoder {
    /// Encodes `emitted`, which is not empty, as the records from `first` on. `common.count` is set here.
    pub(crate) fn encode(&mut self, state: &State, first: Position, common: CommonPart<'_>, emitted: &[Emitted]) -> Result<Encoded, Fatal> {
        let count = u32::try_from(emitted.len()).expect("a unit has fewer than 2^32 records");
        let mut encoder = EnvelopeEncoder::new(&CommonPart { count, ..common }, emitted.len());
        let mut records = Vec::with_capacity(emitted.len());
        let mut counts = Counts::default();
        for (index, (fact, position)) in (0u32..).zip(emitted.iter().zip(first.0..)) {
            let path = self.paths.entry(fact.area).or_insert_with(|| state.area_path(fact.area));
            let record = encoder.encode(&RecordPart {
                position,
                index,
                realm: state.realm_name(fact.realm),
                area_path: path,
                other_area_ids: &fact.other_area_ids,
                cause: fact.cause.map_or(0, |cause| first.0 + u64::from(cause)),
                origin: fact.origin,
                event: &fact.event,
            });
            if record.len() > RECORD_BYTES_MAX {
                return Err(Fatal::RecordTooLarge { event: fact.event.name(), bytes: record.len(), bytes_max: RECORD_BYTES_MAX });
            }
            counts.add(fact.event.name());
            records.push(record);
        }
        if self.paths.capacity() > SCRATCH_KEPT {
            self.paths = FxHashMap::default();
        } else {
            self.paths.clear();
        }
        let answer = Answer {
            first: first.0,
            last: first.0 + u64::from(count) - 1,
            counts: counts.sorted(),
            events: records.iter().take(limits::ANSWER_EVENTS_MAX).cloned().collect(),
            repeated: false,
        };
        Ok(Encoded { records, answer })
    }
}

/// Records by event name. A command makes few kinds of events, often many of one kind in a row.
#[derive(Default)]
pub(crate) struct Counts {
    kinds: Vec<(&'static str, u64)>,
    latest: usize,
}

impl Counts {
    pub(crate) fn add(&mut self, name: &'static str) {
        // The names are the generated literals, but one literal may have several addresses: compare the text.
        if self.kinds.get(self.latest).is_none_or(|(known, _)| *known != name) {
            self.latest = self.kinds.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
                self.kinds.push((name, 0));
                self.kinds.len() - 1
            });
        }
        self.kinds[self.latest].1 += 1;
    }

    pub(crate) fn sorted(mut self) -> Vec<(&'static str, u64)> {
        self.kinds.sort_unstable_by_key(|(name, _)| *name);
        self.kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_by_name_and_sorted() {
        let mut counts = Counts::default();
        for name in ["SiteOpened", "SiteOpened", "AreaConverted", "SiteOpened", "AreaConverted", "UnitEstablished"] {
            counts.add(name);
        }
        assert_eq!(counts.sorted(), [("AreaConverted", 2), ("SiteOpened", 3), ("UnitEstablished", 1)]);
    }
}
