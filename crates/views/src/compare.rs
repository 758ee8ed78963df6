//! Compares the rows of a view from two places, row by row.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::history::RowPair;
use crate::live::{PlacedRow, Snapshot};
use crate::runner::Dump;
use crate::view::{Row, View, row_json};

/// One row that is not the same in both places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The view.
    pub view: View,
    /// `realm/id`.
    pub key: String,
    /// The canonical bytes in the first place, if it is there.
    pub one: Option<Vec<u8>>,
    /// The canonical bytes in the second place, if it is there.
    pub other: Option<Vec<u8>>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: &Option<Vec<u8>>| match bytes.as_deref().map(|bytes| Row::decode(self.view, bytes)) {
            None => "no row".to_owned(),
            Some(Ok(row)) => row_json(&row).to_string(),
            Some(Err(error)) => format!("no row of this view: {error}"),
        };
        write!(f, "{} {}: {} ≠ {}", self.view, self.key, shown(&self.one), shown(&self.other))
    }
}

/// The rows that differ; none when both places hold the same. Both must be sorted by key, as every dump is.
#[must_use]
pub fn compare(view: View, one: &Dump, other: &Dump) -> Vec<Difference> {
    let mut differences = Vec::new();
    let (mut left, mut right) = (one.iter().peekable(), other.iter().peekable());
    let differ = |key: &str, one: Option<&Vec<u8>>, other: Option<&Vec<u8>>| Difference {
        view,
        key: key.to_owned(),
        one: one.cloned(),
        other: other.cloned(),
    };
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return differences,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((one, _)), Some((other, _))) => one.cmp(other),
        };
        match order {
            Ordering::Less => differences.extend(left.next().map(|(key, bytes)| differ(key, Some(bytes), None))),
            Ordering::Greater => differences.extend(right.next().map(|(key, bytes)| differ(key, None, Some(bytes)))),
            Ordering::Equal => {
                if let (Some((key, one)), Some((_, other))) = (left.next(), right.next())
                    && one != other
                {
                    differences.push(differ(key, Some(one), Some(other)));
                }
            }
        }
    }
}

/// The rows that differ between two whole listings of one view, ordered by realm and id, with both forms.
#[must_use]
pub fn row_pairs(from: &Snapshot, to: &Snapshot) -> Vec<RowPair> {
    let key = |placed: &PlacedRow| (placed.row.realm().to_owned(), placed.row.id());
    let mut pairs: BTreeMap<(String, String), [Option<PlacedRow>; 2]> = BTreeMap::new();
    for (side, listing) in [from, to].into_iter().enumerate() {
        for placed in &listing.rows {
            pairs.entry(key(placed)).or_default()[side] = Some(placed.clone());
        }
    }
    let row = |placed: &Option<PlacedRow>| placed.as_ref().map(|placed| Arc::clone(&placed.row));
    let differing = pairs.into_iter().filter(|(_, [from, to])| row(from) != row(to));
    differing.map(|((realm, id), [from, to])| RowPair { realm, id, from, to }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_difference_is_found_and_nothing_else() {
        let dump = |rows: &[(&str, &[u8])]| rows.iter().map(|(key, bytes)| ((*key).to_owned(), bytes.to_vec())).collect::<Dump>();
        let one = dump(&[("a/1", b"x"), ("a/2", b"y"), ("a/4", b"w")]);
        let other = dump(&[("a/2", b"z"), ("a/3", b"v"), ("a/4", b"w")]);
        let found = compare(View::Units, &one, &other);
        let keys: Vec<(&str, bool, bool)> = found.iter().map(|d| (d.key.as_str(), d.one.is_some(), d.other.is_some())).collect();
        assert_eq!(keys, [("a/1", true, false), ("a/2", true, true), ("a/3", false, true)]);
        assert_eq!(compare(View::Units, &one, &one), []);
    }
}
