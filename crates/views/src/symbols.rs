//! Dense numbers for names that come back again and again. A symbol means something only within its table.

use std::hash::BuildHasher as _;

use rustc_hash::{FxBuildHasher, FxHashMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name's number in one [`Symbols`].
pub(crate) type Sym = u32;

/// Names and their numbers, in the order they came. The empty name is always 0.
#[derive(Clone, Debug)]
pub(crate) struct Symbols {
    names: Vec<Box<str>>,
    /// By hash; the chain of equal hashes goes through `next`.
    first: FxHashMap<u64, Sym>,
    next: Vec<Sym>,
}

const END: Sym = Sym::MAX;
/// The symbol of the empty name.
pub(crate) const EMPTY: Sym = 0;

impl Default for Symbols {
    fn default() -> Self {
        let mut new = Self { names: Vec::new(), first: FxHashMap::default(), next: Vec::new() };
        new.intern("");
        new
    }
}

fn hash_of(name: &str) -> u64 {
    FxBuildHasher.hash_one(name)
}

impl Symbols {
    /// The name's number, given now if it has none.
    pub(crate) fn intern(&mut self, name: &str) -> Sym {
        let hash = hash_of(name);
        if let Some(found) = self.find_hashed(name, hash) {
            return found;
        }
        let sym = Sym::try_from(self.names.len()).expect("four thousand million names do not fit into memory");
        let before = self.first.insert(hash, sym).unwrap_or(END);
        self.names.push(name.into());
        self.next.push(before);
        sym
    }

    /// The name's number, if it has one.
    pub(crate) fn find(&self, name: &str) -> Option<Sym> {
        self.find_hashed(name, hash_of(name))
    }

    fn find_hashed(&self, name: &str, hash: u64) -> Option<Sym> {
        let mut cursor = *self.first.get(&hash)?;
        while cursor != END {
            if &*self.names[cursor as usize] == name {
                return Some(cursor);
            }
            cursor = self.next[cursor as usize];
        }
        None
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The names with this number and above.
    pub(crate) fn since(&self, from: usize) -> &[Box<str>] {
        &self.names[from..]
    }

    /// The number of a name that must have one by now.
    pub(crate) fn known(&self, name: &str) -> Sym {
        let found = self.find(name);
        debug_assert!(found.is_some(), "{name:?} has no number");
        found.unwrap_or(EMPTY)
    }

    /// The name of a number that this table gave.
    pub(crate) fn name(&self, sym: Sym) -> &str {
        &self.names[sym as usize]
    }
}

impl Serialize for Symbols {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.names.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Symbols {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<Box<str>>::deserialize(deserializer)?;
        let mut table = Self::default();
        table.names.reserve(names.len());
        table.first.reserve(names.len());
        for (index, name) in names.iter().enumerate() {
            if table.intern(name) as usize != index {
                return Err(serde::de::Error::custom("a name stands twice"));
            }
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_keep_their_numbers_through_storage() {
        let mut table = Symbols::default();
        assert_eq!(table.intern(""), EMPTY);
        let numbers: Vec<Sym> = (0..1_000).map(|n| table.intern(&format!("n-{n}"))).collect();
        let mut copy: Symbols = postcard::from_bytes(&postcard::to_stdvec(&table).unwrap()).unwrap();
        for (n, sym) in numbers.iter().enumerate() {
            assert_eq!(copy.name(*sym), format!("n-{n}"));
            assert_eq!(copy.find(&format!("n-{n}")), Some(*sym));
        }
        assert_eq!(copy.find("n-1000"), None);
        assert_eq!(copy.intern("n-1000"), table.intern("n-1000"));
    }
}
