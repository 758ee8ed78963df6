//! Which rows the history knows by which number, and in which areas each ever stood: what the writer must know so that it writes either once.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::keys;
use super::store::{HistoryStore, Writes, number};
use crate::errors::StoreError;
use crate::symbols::{Sym, Symbols};
use crate::view::{Row, View};

struct Known {
    number: u32,
    /// Where it ever stood; nearly always one area, two for those who serve away from home.
    areas: SmallVec<[Sym; 2]>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Rows {
    known: FxHashMap<Box<[u8]>, Known>,
    areas: Symbols,
    next: u32,
    key: Vec<u8>,
    place: Vec<u8>,
}

impl Rows {
    /// Those in the store.
    pub(super) fn load(store: &HistoryStore) -> Result<Self, StoreError> {
        let mut rows = Self::default();
        store.each(keys::ROWS, |key, value| {
            let number = number(value)?;
            rows.next = rows.next.max(number.checked_add(1)?);
            rows.known.insert(key.into(), Known { number, areas: SmallVec::new() });
            Some(())
        })?;
        store.each(keys::PLACES, |key, _| {
            let (area_id, row) = keys::split_place(key)?;
            let area = rows.areas.intern(area_id);
            rows.known.get_mut(&*row)?.areas.push(area);
            Some(())
        })?;
        Ok(rows)
    }

    /// The number of a row that is there now, given if it has none; notes where it stands.
    pub(super) fn put(&mut self, row: &Row, writes: &mut Writes) -> u32 {
        let (view, realm, id) = (row.view(), row.realm(), row.id());
        keys::row(&mut self.key, view, realm, &id);
        if !self.known.contains_key(&*self.key) {
            writes.put_row(&self.key, self.next);
            self.known.insert(self.key.as_slice().into(), Known { number: self.next, areas: SmallVec::new() });
            self.next = self.next.checked_add(1).expect("four thousand million rows do not fit on a disk");
        }
        let known = self.known.get_mut(&*self.key).expect("it was just put there");
        for area_id in [row.area_id(), row.also_area_id()] {
            if area_id.is_empty() {
                continue;
            }
            let area = self.areas.intern(area_id);
            if !known.areas.contains(&area) {
                known.areas.push(area);
                keys::place(&mut self.place, view, area_id, realm, &id);
                writes.put_place(&self.place, known.number);
            }
        }
        known.number
    }

    /// The number of a row that ended; none if it never was.
    pub(super) fn end(&mut self, view: View, realm: &str, id: &str) -> Option<u32> {
        keys::row(&mut self.key, view, realm, id);
        self.known.get(&*self.key).map(|known| known.number)
    }
}
