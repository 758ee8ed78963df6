//! What a bucket holds, as its publisher knows it: of each key the revision and a digest, never the row. It must never be
//! believed after somebody else wrote to the bucket.

use std::collections::HashMap;

use muster_log::EpochPosition;

use super::key::MARKER;
use super::value::Digest;

/// A key of the bucket.
#[derive(Clone, Copy, Debug)]
struct Entry {
    revision: u64,
    /// None for a key that is marked as deleted.
    content: Option<Digest>,
    /// The comparison in which a row with this key was met.
    seen: u32,
}

/// The bucket. About a hundred bytes a key.
#[derive(Debug, Default)]
pub(super) struct Held {
    entries: HashMap<Box<str>, Entry>,
    rows: u64,
    comparison: u32,
    /// The stream's last sequence.
    pub(super) last: u64,
    /// The newest place that anything in the bucket names.
    pub(super) at: EpochPosition,
}

impl Held {
    /// Notes what a key is now.
    pub(super) fn note(&mut self, key: &str, revision: u64, content: Option<Digest>) {
        self.last = self.last.max(revision);
        let is_row = |content: Option<Digest>| u64::from(content.is_some() && key != MARKER);
        let entry = Entry { revision, content, seen: self.comparison };
        let before = match self.entries.get_mut(key) {
            Some(known) => std::mem::replace(known, entry).content,
            None => {
                self.entries.insert(key.into(), entry);
                None
            }
        };
        self.rows = self.rows + is_row(content) - is_row(before);
    }

    /// The revision that a write to this key replaces; 0 for a key that is not there.
    pub(super) fn revision(&self, key: &str) -> u64 {
        self.entries.get(key).map_or(0, |entry| entry.revision)
    }

    /// Whether the key holds just this.
    pub(super) fn holds(&self, key: &str, content: &Digest) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.content.as_ref() == Some(content))
    }

    /// Whether there is something to delete.
    pub(super) fn is_there(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.content.is_some())
    }

    /// Rows in the bucket.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Messages that the stream must have: one for each key, deleted ones too.
    pub(super) fn messages(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Begins to compare all of it with all rows.
    pub(super) fn compare(&mut self) {
        self.comparison = self.comparison.wrapping_add(1);
    }

    /// A row with this key was met.
    pub(super) fn meet(&mut self, key: &str) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.seen = self.comparison;
        }
    }

    /// The keys that no row was met with, which is to say: of rows that are gone.
    pub(super) fn stale(&self) -> Vec<String> {
        let stale = |key: &str, entry: &Entry| entry.content.is_some() && entry.seen != self.comparison && key != MARKER;
        self.entries.iter().filter(|(key, entry)| stale(key, entry)).map(|(key, _)| key.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_and_stale_keys_found() {
        let mut held = Held::default();
        held.note(MARKER, 1, Some([0; 16]));
        held.note("a", 2, Some([1; 16]));
        held.note("b", 3, Some([2; 16]));
        held.note("c", 4, None);
        assert_eq!((held.rows(), held.messages(), held.last), (2, 4, 4));
        assert!(held.holds("a", &[1; 16]) && !held.holds("a", &[2; 16]) && !held.is_there("c"));
        held.compare();
        held.meet("a");
        assert_eq!(held.stale(), ["b"]);
        held.note("b", 5, None);
        held.note("c", 6, Some([3; 16]));
        assert_eq!((held.rows(), held.messages(), held.revision("c"), held.revision("d")), (2, 4, 6, 0));
        assert!(held.stale().is_empty());
    }
}
