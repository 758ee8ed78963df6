//! The rows of a view that another crate writes, as its fold holds them: whole, in memory, with a note of which were touched. It must never hand out a
//! row twice that was touched once.

use std::collections::{BTreeMap, BTreeSet};

use super::ViewRow;

/// The rows that a fold has put, by realm and id.
#[derive(Debug)]
pub struct Rows<R> {
    realms: BTreeMap<String, BTreeMap<String, R>>,
    touched: BTreeSet<(String, String)>,
}

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Self { realms: BTreeMap::new(), touched: BTreeSet::new() }
    }
}

impl<R: ViewRow> Rows<R> {
    /// The row as it was put last.
    #[must_use]
    pub fn get(&self, realm: &str, id: &str) -> Option<&R> {
        self.realms.get(realm)?.get(id)
    }

    /// Puts a row in the place of the one with its realm and id, or makes it. One that is equal changes nothing.
    pub fn put(&mut self, row: R) {
        let key = (row.realm().to_owned(), row.id());
        if self.get(&key.0, &key.1) == Some(&row) {
            return;
        }
        self.realms.entry(key.0.clone()).or_default().insert(key.1.clone(), row);
        self.touched.insert(key);
    }

    /// Takes a row away. Nothing where there is none.
    pub fn remove(&mut self, realm: &str, id: &str) -> Option<R> {
        let row = self.realms.get_mut(realm)?.remove(id)?;
        self.touched.insert((realm.to_owned(), id.to_owned()));
        Some(row)
    }

    /// The rows of a realm in the order of their ids.
    pub fn of_realm(&self, realm: &str) -> impl Iterator<Item = &R> {
        self.realms.get(realm).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn touched(&self) -> usize {
        self.touched.len()
    }

    /// Each row that was touched since the last call, once, with nothing where it is gone.
    pub(super) fn take_touched(&mut self) -> impl Iterator<Item = ((String, String), Option<&R>)> {
        let touched = std::mem::take(&mut self.touched);
        touched.into_iter().map(|key| {
            let row = self.realms.get(&key.0).and_then(|rows| rows.get(&key.1));
            (key, row)
        })
    }

    /// All rows as canonical bytes, and which were touched.
    pub(super) fn save(&self) -> (Vec<Vec<u8>>, &BTreeSet<(String, String)>) {
        (self.realms.values().flat_map(BTreeMap::values).map(prost::Message::encode_to_vec).collect(), &self.touched)
    }

    pub(super) fn load(rows: &[Vec<u8>], touched: BTreeSet<(String, String)>) -> Result<Self, prost::DecodeError> {
        let mut loaded = Self::default();
        for bytes in rows {
            loaded.put(R::decode(bytes.as_slice())?);
        }
        Ok(Self { touched, ..loaded })
    }
}
