//! An independent count of the views: what the rows of coverage, units, sites and whistles must be after a list of records, worked out
//! by looking at everything at the end, by the definitions in `views.proto`. It must share no code with the folds and keep no running
//! sums: its worth is that it is another way to the same figures.
//!
//! The rows' own `position` is left 0, for it tells of a row's history; compare with [`Rows::without_positions`].

mod coverage;
mod facts;
mod sites;
mod units;
mod whistles;

use std::collections::BTreeMap;

use muster_proto::v1::{CoverageRow, Envelope, SiteRow, UnitRow, WhistleRow};
use serde::Serialize;

use facts::Facts;

/// All rows of the four views, by realm and id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// By realm and area.
    pub coverage: BTreeMap<(String, String), CoverageRow>,
    /// By realm and unit.
    pub units: BTreeMap<(String, String), UnitRow>,
    /// By realm, site and shift.
    pub sites: BTreeMap<(String, String, String), SiteRow>,
    /// By realm and whistle.
    pub whistles: BTreeMap<(String, String), WhistleRow>,
}

/// Counts the rows after these records, which must be all of them from position 1 on, in order.
pub fn count<'a>(records: impl IntoIterator<Item = &'a Envelope>) -> Rows {
    let mut counter = Counter::default();
    records.into_iter().for_each(|record| counter.note(record));
    counter.rows()
}

/// The same count for records that come one after the other.
#[derive(Default)]
pub struct Counter {
    facts: Facts,
}

impl Counter {
    /// Takes the next record.
    pub fn note(&mut self, record: &Envelope) {
        self.facts.note(record);
    }

    /// Counts everything anew.
    pub fn rows(&self) -> Rows {
        let facts = &self.facts;
        Rows { coverage: coverage::rows(facts), units: units::rows(facts), sites: sites::rows(facts), whistles: whistles::rows(facts) }
    }
}

/// One row that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `coverage`, `units`, `sites` or `whistles`.
    pub view: &'static str,
    /// Realm and ids.
    pub row: String,
    /// The row on the left, in JSON; `null` where it has none.
    pub left: String,
    /// The row on the right.
    pub right: String,
}

impl Rows {
    /// Sorts rows of one view into their places. Rows of one key replace each other.
    pub fn insert_coverage(&mut self, row: CoverageRow) {
        self.coverage.insert((row.realm.clone(), row.area_id.clone()), row);
    }

    /// As [`Rows::insert_coverage`].
    pub fn insert_unit(&mut self, row: UnitRow) {
        self.units.insert((row.realm.clone(), row.unit_id.clone()), row);
    }

    /// As [`Rows::insert_coverage`].
    pub fn insert_site(&mut self, row: SiteRow) {
        self.sites.insert((row.realm.clone(), row.site_id.clone(), row.shift.clone()), row);
    }

    /// As [`Rows::insert_coverage`].
    pub fn insert_whistle(&mut self, row: WhistleRow) {
        self.whistles.insert((row.realm.clone(), row.whistle_id.clone()), row);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.coverage.len() + self.units.len() + self.sites.len() + self.whistles.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows with `position` 0, as this count gives them.
    #[must_use]
    pub fn without_positions(mut self) -> Self {
        self.coverage.values_mut().for_each(|row| row.position = 0);
        self.units.values_mut().for_each(|row| row.position = 0);
        self.sites.values_mut().for_each(|row| row.position = 0);
        self.whistles.values_mut().for_each(|row| row.position = 0);
        self
    }

    /// The first `limit` rows of each view that differ; empty when all rows are equal.
    pub fn differences(&self, other: &Self, limit: usize) -> Vec<Difference> {
        let mut found = differences("coverage", &self.coverage, &other.coverage, limit);
        found.extend(differences("units", &self.units, &other.units, limit));
        found.extend(differences("sites", &self.sites, &other.sites, limit));
        found.extend(differences("whistles", &self.whistles, &other.whistles, limit));
        found
    }
}

fn differences<K: Ord + std::fmt::Debug, V: PartialEq + Serialize>(
    view: &'static str,
    left: &BTreeMap<K, V>,
    right: &BTreeMap<K, V>,
    limit: usize,
) -> Vec<Difference> {
    let json = |row: Option<&V>| serde_json::to_string(&row).unwrap_or_else(|error| error.to_string());
    let ours = left.keys().filter(|key| left.get(key) != right.get(key));
    let theirs = right.keys().filter(|key| !left.contains_key(key));
    let keys = ours.chain(theirs).take(limit);
    keys.map(|key| Difference { view, row: format!("{key:?}"), left: json(left.get(key)), right: json(right.get(key)) }).collect()
}
