//! The rows of one view and realm by id, and by everything under which they are listed: areas, organizations, persons, units and sites. It holds
//! where rows are and never what they say.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::Bound;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::areas::{NO_PARENT, Node};
use crate::places::{Entry, Held, Place};
use crate::symbols::{EMPTY, Sym};

/// What a row is listed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    Area(Node),
    Organization(Sym),
    Responder(Sym),
    Held(Held),
}

/// See the module. The index is one set, for most persons have a row or two: a set for each would be far larger.
#[derive(Default)]
pub(crate) struct Table {
    rows: BTreeMap<Arc<str>, Entry>,
    index: BTreeSet<(Key, Arc<str>)>,
}

/// Everything that a row is listed under.
fn keys(entry: &Entry) -> SmallVec<[Key; 5]> {
    let Place { at, also, held } = entry.place;
    let mut keys = SmallVec::from_iter([Key::Area(at)]);
    keys.extend((also != NO_PARENT).then_some(Key::Area(also)));
    keys.extend((entry.organization != EMPTY).then_some(Key::Organization(entry.organization)));
    keys.extend((entry.responder != EMPTY).then_some(Key::Responder(entry.responder)));
    keys.extend((held != Held::NONE).then_some(Key::Held(held)));
    keys
}

impl Table {
    /// Notes where a row is. Returns its id as it is kept, and where it was.
    pub(super) fn put(&mut self, id: &str, entry: Entry) -> (Arc<str>, Option<Entry>) {
        if let Some((key, before)) = self.rows.get_key_value(id).map(|(key, before)| (Arc::clone(key), *before)) {
            if before != entry {
                self.unlist(&key, &before);
                self.list(&key, &entry);
                self.rows.insert(Arc::clone(&key), entry);
            }
            return (key, Some(before));
        }
        let key: Arc<str> = id.into();
        self.list(&key, &entry);
        self.rows.insert(Arc::clone(&key), entry);
        (key, None)
    }

    pub(super) fn delete(&mut self, id: &str) -> Option<(Arc<str>, Entry)> {
        let (key, entry) = self.rows.remove_entry(id)?;
        self.unlist(&key, &entry);
        Some((key, entry))
    }

    fn list(&mut self, id: &Arc<str>, entry: &Entry) {
        self.index.extend(keys(entry).into_iter().map(|key| (key, Arc::clone(id))));
    }

    fn unlist(&mut self, id: &Arc<str>, entry: &Entry) {
        for key in keys(entry) {
            self.index.remove(&(key, Arc::clone(id)));
        }
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is a row of this id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.rows.contains_key(id)
    }

    /// The rows listed under a key after an id, all where that is empty.
    fn listed(&self, key: Key, after: Arc<str>) -> impl Iterator<Item = &Arc<str>> {
        let from = if after.is_empty() { Bound::Included((key, after)) } else { Bound::Excluded((key, after)) };
        self.index.range((from, Bound::Unbounded)).take_while(move |(listed, _)| *listed == key).map(|(_, id)| id)
    }

    /// The rows listed under a key.
    pub(super) fn under(&self, key: Key) -> impl Iterator<Item = (&Arc<str>, &Entry)> {
        self.listed(key, "".into()).filter_map(|id| self.rows.get_key_value(id))
    }

    /// The first rows after `start` that are listed under one of the keys, or all where none are named, and that are taken, in order of their ids.
    /// Looks only at rows up to the last of them.
    pub(super) fn pick<T>(
        &self,
        keys: Option<&[Key]>,
        start: Option<&str>,
        rows_max: usize,
        mut take: impl FnMut(&Arc<str>, &Entry) -> Option<T>,
    ) -> Vec<T> {
        let Some(keys) = keys else {
            let from = (start.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
            return self.rows.range::<str, _>(from).filter_map(|(id, entry)| take(id, entry)).take(rows_max).collect();
        };
        let start: Arc<str> = start.unwrap_or_default().into();
        let mut lists: Vec<_> = keys.iter().map(|key| self.listed(*key, Arc::clone(&start))).collect();
        let mut heads: BinaryHeap<_> = lists.iter_mut().enumerate().filter_map(|(list, ids)| Some(Reverse((ids.next()?, list)))).collect();
        let (mut picked, mut last) = (Vec::new(), None);
        while picked.len() < rows_max
            && let Some(Reverse((id, list))) = heads.pop()
        {
            heads.extend(lists[list].next().map(|next| Reverse((next, list))));
            // A row may be met under several keys.
            if last.replace(id) != Some(id) {
                picked.extend(self.rows.get(id).and_then(|entry| take(id, entry)));
            }
        }
        picked
    }
}
