//! The messages of one channel that are on their way: read from the log, not yet finished. Its snapshot is consistent at any moment: whatever
//! was read is in it or finished. It must never grow beyond its bound by more than one record's letters; what does not fit is left in the
//! log.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// A letter's place: the record, and which of its letters.
pub(crate) type Key = (u64, u16);

/// What is known of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// When it was taken up, Unix milliseconds: from here on it is tried for a bounded time, restarts included.
    pub(crate) first_ms: i64,
    /// How often it was tried.
    pub(crate) tries: u32,
    /// Not before.
    pub(crate) due: Instant,
    /// A try is on its way.
    pub(crate) flying: bool,
    /// A try broke off by a fault of ours.
    pub(crate) broke_off: bool,
}

/// The window.
#[derive(Debug, Default)]
pub(crate) struct Window {
    read: u64,
    items: BTreeMap<Key, Item>,
}

impl Window {
    /// A window that goes on behind `read`, with what was unfinished.
    pub(crate) fn new(read: u64, unfinished: impl IntoIterator<Item = (Key, i64, u32)>, now: Instant) -> Self {
        let item = |(key, first_ms, tries)| (key, Item { first_ms, tries, due: now, flying: false, broke_off: false });
        Self { read, items: unfinished.into_iter().map(item).collect() }
    }

    /// The last record that was looked at.
    pub(crate) const fn read(&self) -> u64 {
        self.read
    }

    /// Whether more may be read.
    pub(crate) fn has_room(&self) -> bool {
        self.items.len() < limits::WINDOW_MAX
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Every record up to here is finished.
    pub(crate) fn finished(&self) -> u64 {
        self.items.first_key_value().map_or(self.read, |((position, _), _)| (position - 1).min(self.read))
    }

    /// When the oldest was taken up.
    pub(crate) fn oldest_ms(&self) -> Option<i64> {
        self.items.values().map(|item| item.first_ms).min()
    }

    /// A record was looked at.
    pub(crate) fn advance(&mut self, position: u64) {
        self.read = self.read.max(position);
    }

    /// Takes a letter up; one that is there already stays as it is.
    pub(crate) fn add(&mut self, key: Key, now_ms: i64, now: Instant) {
        self.items.entry(key).or_insert(Item { first_ms: now_ms, tries: 0, due: now, flying: false, broke_off: false });
    }

    /// Whether a message is on its way.
    pub(crate) fn has(&self, key: Key) -> bool {
        self.items.contains_key(&key)
    }

    /// How often a message was tried.
    pub(crate) fn tries(&self, key: Key) -> u32 {
        self.items.get(&key).map_or(0, |item| item.tries)
    }

    /// The next message that is due, of those taken up until `first_ms_max`; marked as tried.
    pub(crate) fn start(&mut self, now: Instant, first_ms_max: i64) -> Option<(Key, Item)> {
        let is_next = |item: &Item| !item.flying && item.due <= now && item.first_ms <= first_ms_max;
        let (key, item) = self.items.iter_mut().find(|(_, item)| is_next(item))?;
        item.flying = true;
        item.tries += 1;
        Some((*key, *item))
    }

    /// When the next one is due that no try is on its way for, of those taken up until `first_ms_max`.
    pub(crate) fn next_due(&self, first_ms_max: i64) -> Option<Instant> {
        self.items.values().filter(|item| !item.flying && item.first_ms <= first_ms_max).map(|item| item.due).min()
    }

    /// A try came to nothing; it is tried again then. One that does not count is as if it had not been.
    pub(crate) fn again(&mut self, key: Key, due: Instant, counts: bool) {
        if let Some(item) = self.items.get_mut(&key) {
            item.flying = false;
            item.due = due;
            item.tries -= u32::from(!counts && item.tries > 0);
        }
    }

    /// A try broke off by a fault of ours; [`Window::again`] says when it is tried again.
    pub(crate) fn break_off(&mut self, key: Key) {
        if let Some(item) = self.items.get_mut(&key) {
            item.broke_off = true;
        }
    }

    /// It is over.
    pub(crate) fn finish(&mut self, key: Key) {
        self.items.remove(&key);
    }

    /// What a later start goes on with.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = (Key, i64, u32)> + '_ {
        self.items.iter().map(|(key, item)| (*key, item.first_ms, item.tries))
    }
}

/// The wait before the next try: doubling to a bound, between half and the whole of it. The part is drawn from the message itself, so that
/// thousands that failed together do not come back together, and a run can be repeated.
pub(crate) fn backoff(id: &str, tries: u32) -> Duration {
    let doubled = limits::BACKOFF_FIRST.saturating_mul(1 << tries.saturating_sub(1).min(16));
    let whole = doubled.min(limits::BACKOFF_MAX);
    let mut hasher = DefaultHasher::new();
    (id, tries).hash(&mut hasher);
    let part = u32::try_from(hasher.finish() % 1_000).unwrap_or(0);
    whole / 2 + whole / 2 * part / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_read_is_lost_whatever_finishes_first() {
        let now = Instant::now();
        let mut window = Window::new(4, [], now);
        for position in [5, 7, 9] {
            window.add((position, 0), 100, now);
            window.advance(position);
        }
        window.advance(12);
        assert_eq!((window.finished(), window.len()), (4, 3));
        assert_eq!(window.start(now, i64::MAX).map(|(key, item)| (key, item.tries)), Some(((5, 0), 1)));
        assert_eq!(window.start(now, i64::MAX).map(|(key, _)| key), Some((7, 0)));
        window.finish((7, 0));
        assert_eq!(window.finished(), 4, "5 is still on its way");
        let later = now + Duration::from_secs(1);
        window.again((5, 0), later, true);
        assert_eq!(window.start(now, i64::MAX).map(|(key, _)| key), Some((9, 0)));
        assert_eq!((window.start(now, i64::MAX), window.next_due(i64::MAX)), (None, Some(later)));
        assert_eq!((window.start(later, 99), window.next_due(99)), (None, None), "it was taken up later");
        window.finish((5, 0));
        assert_eq!(window.finished(), 8);
        let kept: Vec<_> = window.unfinished().collect();
        assert_eq!(kept, [((9, 0), 100, 1)]);
        let restarted = Window::new(window.read(), kept, later);
        assert_eq!((restarted.read(), restarted.finished(), restarted.next_due(i64::MAX)), (12, 8, Some(later)));
    }

    #[test]
    fn a_full_window_takes_no_more_and_a_try_that_does_not_count_does_not_count() {
        let now = Instant::now();
        let mut window = Window::new(0, [], now);
        for position in 1..=limits::WINDOW_MAX as u64 {
            assert!(window.has_room());
            window.add((position, 0), 0, now);
        }
        assert!(!window.has_room());
        let (key, _) = window.start(now, i64::MAX).expect("one is due");
        window.again(key, now, false);
        assert_eq!(window.start(now, i64::MAX).map(|(_, item)| item.tries), Some(1));
    }

    #[test]
    fn waits_double_to_a_bound_and_differ_between_messages() {
        for (tries, most_s) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60)] {
            let most = Duration::from_secs(most_s);
            for id in ["a", "b", "c"] {
                let wait = backoff(id, tries);
                assert!(wait >= most / 2 && wait <= most, "{id} {tries}: {wait:?}");
            }
        }
        assert_eq!(backoff("a", 5), backoff("a", 5));
        assert_ne!(backoff("a", 5), backoff("b", 5));
    }
}
