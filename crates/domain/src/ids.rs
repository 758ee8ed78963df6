//! Dense ids: what the outside calls by text is a small number inside, given in the order of the log.

use std::num::NonZeroU32;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A dense id: an index into one table, one word even when optional.
pub(crate) trait Dense: Copy {
    /// The id of the table's `index`-th entry.
    fn from_index(index: usize) -> Self;
    /// The place in the table.
    fn index(self) -> usize;
}

macro_rules! dense {
    ($($(#[$doc:meta])* $visible:vis $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        $visible struct $name(NonZeroU32);

        impl Dense for $name {
            fn from_index(index: usize) -> Self {
                let number = u32::try_from(index + 1).expect("a table holds fewer than 2^32 entries");
                Self(NonZeroU32::new(number).expect("one was added"))
            }
            fn index(self) -> usize {
                self.0.get() as usize - 1
            }
        }
    )+};
}

dense! {
    /// An area.
    pub AreaRef,
    /// An organization.
    pub(crate) OrganizationRef,
    /// A responder.
    pub(crate) ResponderRef,
    /// A conversion plan, all versions.
    pub(crate) PlanRef,
    /// A realm; the first is `actual`.
    pub RealmRef,
    /// An incident.
    pub(crate) IncidentRef,
    /// A unit.
    pub(crate) UnitRef,
    /// A site.
    pub(crate) SiteRef,
    /// A whistle.
    pub(crate) WhistleRef,
    /// A call to a person; its outside form is `c` and its number from 1.
    pub(crate) CallRef,
    /// A call to an organization; its outside form is `o` and its number from 1.
    pub(crate) OrganizationCallRef,
    /// A request for reinforcement; its outside form is `r` and its number from 1.
    pub(crate) RequestRef,
    /// An agreement between areas.
    pub(crate) AgreementRef,
    /// A shift.
    pub(crate) ShiftRef,
    /// A proposal to exchange shifts; its outside form is `s` and its number from 1.
    pub(crate) SwapRef,
    /// A fill proposal.
    pub(crate) FillRef,
    /// A specialty, function, shift or post name.
    pub(crate) LabelRef,
}

impl CallRef {
    /// `c1`, `c2`, …
    pub(crate) fn text(self) -> String {
        numbered('c', self.0)
    }

    /// Reads `c1`, `c2`, …; says nothing about whether there is such a call.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse_numbered(text, 'c').map(Self)
    }
}

impl OrganizationCallRef {
    /// `o1`, `o2`, …
    pub(crate) fn text(self) -> String {
        numbered('o', self.0)
    }

    /// Reads `o1`, `o2`, …; says nothing about whether there is such a call.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse_numbered(text, 'o').map(Self)
    }
}

impl RequestRef {
    /// `r1`, `r2`, …
    pub(crate) fn text(self) -> String {
        numbered('r', self.0)
    }

    /// Reads `r1`, `r2`, …; says nothing about whether there is such a request.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse_numbered(text, 'r').map(Self)
    }
}

impl SwapRef {
    /// `s1`, `s2`, …
    pub(crate) fn text(self) -> String {
        numbered('s', self.0)
    }

    /// Reads `s1`, `s2`, …; says nothing about whether there is such a proposal.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse_numbered(text, 's').map(Self)
    }
}

/// A letter and a number; a city's conversion makes tens of thousands of them.
fn numbered(prefix: char, number: NonZeroU32) -> String {
    let mut text = String::with_capacity(11);
    text.push(prefix);
    let mut scale = 10_u32.pow(number.ilog10());
    while scale > 0 {
        text.push(char::from(b'0' + u8::try_from(number.get() / scale % 10).expect("a digit is below ten")));
        scale /= 10;
    }
    text
}

fn parse_numbered(text: &str, prefix: char) -> Option<NonZeroU32> {
    let digits = text.strip_prefix(prefix)?;
    // One form only: no sign, no leading zero.
    if digits.starts_with(['+', '0']) {
        return None;
    }
    digits.parse().ok()
}

/// Values under dense ids, found by their outside id. Entries are never removed: ids are never reused.
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V> {
    ids: Vec<Box<str>>,
    values: Vec<V>,
    index: FxHashMap<Box<str>, K>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { ids: Vec::new(), values: Vec::new(), index: FxHashMap::default() }
    }
}

impl<K: Dense, V> Table<K, V> {
    pub(crate) fn insert(&mut self, id: &str, value: V) -> K {
        let key = K::from_index(self.values.len());
        self.ids.push(id.into());
        self.values.push(value);
        self.index.insert(id.into(), key);
        key
    }

    pub(crate) fn find(&self, id: &str) -> Option<K> {
        self.index.get(id).copied()
    }

    pub(crate) fn id(&self, key: K) -> &str {
        &self.ids[key.index()]
    }

    pub(crate) fn get(&self, key: K) -> &V {
        &self.values[key.index()]
    }

    pub(crate) fn get_mut(&mut self, key: K) -> &mut V {
        &mut self.values[key.index()]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.values.iter().enumerate().map(|(index, value)| (K::from_index(index), value))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.values.iter_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

impl<K: Dense> Table<K, ()> {
    /// The name's id, given now if it is new.
    pub(crate) fn intern(&mut self, name: &str) -> K {
        self.find(name).unwrap_or_else(|| self.insert(name, ()))
    }
}

impl<K, V: Serialize> Serialize for Table<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.ids, &self.values).serialize(serializer)
    }
}

impl<'de, K: Dense, V: Deserialize<'de>> Deserialize<'de> for Table<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (ids, values): (Vec<Box<str>>, Vec<V>) = Deserialize::deserialize(deserializer)?;
        if ids.len() != values.len() {
            return Err(serde::de::Error::custom("a table has as many ids as values"));
        }
        let index = ids.iter().enumerate().map(|(at, id)| (id.clone(), K::from_index(at))).collect();
        Ok(Self { ids, values, index })
    }
}

/// Values under dense ids that have no outside id of their own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Numbered<K, V> {
    values: Vec<V>,
    #[serde(skip)]
    key: std::marker::PhantomData<K>,
}

impl<K, V> Default for Numbered<K, V> {
    fn default() -> Self {
        Self { values: Vec::new(), key: std::marker::PhantomData }
    }
}

impl<K: Dense, V> Numbered<K, V> {
    pub(crate) fn push(&mut self, value: V) -> K {
        self.values.push(value);
        K::from_index(self.values.len() - 1)
    }

    /// The id that the next entry will get, `ahead` entries from now.
    pub(crate) fn upcoming(&self, ahead: usize) -> K {
        K::from_index(self.values.len() + ahead)
    }

    pub(crate) fn get(&self, key: K) -> &V {
        &self.values[key.index()]
    }

    pub(crate) fn find(&self, key: K) -> Option<&V> {
        self.values.get(key.index())
    }

    pub(crate) fn get_mut(&mut self, key: K) -> &mut V {
        &mut self.values[key.index()]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.values.iter().enumerate().map(|(index, value)| (K::from_index(index), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_ids_have_one_form_only() {
        for good in ["c1", "c9", "c10", "c12", "c100", "c99999", "c4294967295"] {
            assert_eq!(CallRef::parse(good).map(CallRef::text), Some(good.to_owned()));
        }
        for bad in ["", "c", "c0", "c012", "c+1", "o1", "c-1", "c99999999999", "12", "ç1"] {
            assert_eq!(CallRef::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn optional_ids_take_one_word() {
        assert_eq!(size_of::<Option<AreaRef>>(), 4);
    }
}
