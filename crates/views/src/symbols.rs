//! Dense numbers for names that come back again and again. A symbol means something only within its table.
//!
//! Every id of nearly every record goes through here, and what it costs is memory that is not in the cache: so names lie in one piece, and the
//! table beside them holds half of each hash, which settles nearly every comparison.

use std::hash::BuildHasher as _;

use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name's number in one [`Symbols`].
pub(crate) type Sym = u32;

/// The symbol of the empty name.
pub(crate) const EMPTY: Sym = 0;

/// Names and their numbers, in the order they came. The empty name is always 0.
#[derive(Clone, Debug)]
pub(crate) struct Symbols {
    /// All names, one after the other.
    text: String,
    /// Where each name ends; it begins where the one before ends.
    ends: Vec<usize>,
    /// Open addressing, a power of two; [`FREE`] where nothing is.
    table: Vec<Slot>,
}

/// Half a hash and a number.
type Slot = (u32, Sym);

const FREE: Slot = (0, Sym::MAX);
const SLOTS_MIN: usize = 64;

impl Default for Symbols {
    fn default() -> Self {
        let mut new = Self { text: String::new(), ends: Vec::new(), table: vec![FREE; SLOTS_MIN] };
        new.intern("");
        new
    }
}

/// Where the search begins, and what is compared.
fn hash_of(name: &str) -> (usize, u32) {
    let hash = FxBuildHasher.hash_one(name);
    (hash as usize, (hash >> 32) as u32)
}

impl Symbols {
    /// The name's number, given now if it has none.
    pub(crate) fn intern(&mut self, name: &str) -> Sym {
        let (start, half) = hash_of(name);
        match self.search(name, start, half) {
            Ok(found) => found,
            Err(mut free) => {
                if (self.ends.len() + 1) * 2 > self.table.len() {
                    self.grow();
                    free = self.search(name, start, half).err().unwrap_or_default();
                }
                let sym = Sym::try_from(self.ends.len()).expect("four thousand million names do not fit into memory");
                self.table[free] = (half, sym);
                self.text.push_str(name);
                self.ends.push(self.text.len());
                sym
            }
        }
    }

    /// The name's number, if it has one.
    pub(crate) fn find(&self, name: &str) -> Option<Sym> {
        let (start, half) = hash_of(name);
        self.search(name, start, half).ok()
    }

    /// The number, or the free slot where it belongs.
    fn search(&self, name: &str, start: usize, half: u32) -> Result<Sym, usize> {
        let mask = self.table.len() - 1;
        let mut at = start & mask;
        loop {
            let (known, sym) = self.table[at];
            if sym == Sym::MAX {
                return Err(at);
            }
            if known == half && self.name(sym) == name {
                return Ok(sym);
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let mask = self.table.len() * 2 - 1;
        let mut table = vec![FREE; mask + 1];
        for sym in 0..self.ends.len() {
            let sym = sym as Sym;
            let (start, half) = hash_of(self.name(sym));
            let mut at = start & mask;
            while table[at] != FREE {
                at = (at + 1) & mask;
            }
            table[at] = (half, sym);
        }
        self.table = table;
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The names with this number and above.
    pub(crate) fn since(&self, from: usize) -> impl Iterator<Item = &str> {
        (from..self.ends.len()).map(|sym| self.name(sym as Sym))
    }

    /// The number of a name that must have one by now.
    pub(crate) fn known(&self, name: &str) -> Sym {
        let found = self.find(name);
        debug_assert!(found.is_some(), "{name:?} has no number");
        found.unwrap_or(EMPTY)
    }

    /// The name of a number that this table gave.
    pub(crate) fn name(&self, sym: Sym) -> &str {
        let at = sym as usize;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start..self.ends[at]]
    }
}

impl Serialize for Symbols {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.since(0))
    }
}

impl<'de> Deserialize<'de> for Symbols {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<&str>::deserialize(deserializer)?;
        let mut table = Self::default();
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
    fn names_keep_their_numbers_through_growth_and_storage() {
        let mut table = Symbols::default();
        assert_eq!(table.intern(""), EMPTY);
        let numbers: Vec<Sym> = (0..5_000).map(|n| table.intern(&format!("名-{n}"))).collect();
        assert_eq!(table.len(), 5_001);
        let mut copy: Symbols = postcard::from_bytes(&postcard::to_stdvec(&table).unwrap()).unwrap();
        for (n, sym) in numbers.iter().enumerate() {
            assert_eq!(copy.name(*sym), format!("名-{n}"));
            assert_eq!((copy.find(&format!("名-{n}")), table.intern(&format!("名-{n}"))), (Some(*sym), *sym));
        }
        assert_eq!(copy.find("名-5000"), None);
        assert_eq!(copy.intern("名-5000"), table.intern("名-5000"));
        assert_eq!(copy.since(5_000).collect::<Vec<_>>(), ["名-4999", "名-5000"]);
    }
}
