//! Where rows stand: under which areas and below which units, as the records tell it. It holds what all rows share and no row.

use std::sync::Arc;

use muster_proto::Event;
use muster_proto::v1;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::areas::{AreaTree, NO_PARENT, Node};
use crate::symbols::{EMPTY, Sym, Symbols};
use crate::view::{Row, Ties};

/// A unit, or a site for the units that are formed for it, in one realm; the default is neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Held {
    realm: Sym,
    name: Sym,
    site: bool,
}

impl Held {
    pub(crate) const NONE: Self = Self { realm: EMPTY, name: EMPTY, site: false };
}

/// The area where a row stands, the other one in whose subtrees it is seen ([`NO_PARENT`] for none), and the unit or site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) at: Node,
    pub(crate) also: Node,
    pub(crate) held: Held,
}

/// What is kept of each row to find it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) organization: Sym,
    pub(crate) responder: Sym,
    pub(crate) incident: Sym,
}

/// An area and all above it by id, nearest first, and as levels.
#[derive(Debug, PartialEq)]
pub(crate) struct AreaLine {
    ids: Vec<Box<str>>,
    pub(crate) levels: Arc<v1::AreaPath>,
}

/// A place in words, as of one position.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub(crate) at: Arc<AreaLine>,
    pub(crate) also: Option<Arc<AreaLine>>,
    /// The unit and all above it; of a site those of all its units.
    units: Option<Arc<[Box<str>]>>,
}

impl AreaLine {
    pub(crate) fn new(tree: &AreaTree, node: Node) -> Self {
        Self { ids: tree.upward(node).map(|above| tree.id(above).into()).collect(), levels: Arc::new(tree.path(node)) }
    }

    /// Of an area that is in no tree: it has no level, and holds itself. Of none at all where it has no id.
    pub(crate) fn outside(area_id: &str) -> Self {
        Self { ids: Some(area_id.into()).filter(|_| !area_id.is_empty()).into_iter().collect(), levels: Arc::default() }
    }
}

impl Path {
    /// A place whose units are not known.
    pub(crate) const fn of_areas(at: Arc<AreaLine>, also: Option<Arc<AreaLine>>) -> Self {
        Self { at, also, units: None }
    }

    /// Whether what stands here is in the area.
    pub(crate) fn within(&self, area: &str) -> bool {
        std::iter::once(&self.at).chain(&self.also).any(|line| line.ids.iter().any(|above| &**above == area))
    }

    /// Whether what stands here belongs to the unit or to one below it.
    pub(crate) fn is_of_unit(&self, unit: &str) -> bool {
        self.units.as_ref().is_some_and(|units| units.iter().any(|above| &**above == unit))
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Places {
    pub(crate) tree: AreaTree,
    names: Symbols,
    forest: Forest,
    areas: FxHashMap<Node, Arc<AreaLine>>,
    units: FxHashMap<Held, Arc<[Box<str>]>>,
}

impl Places {
    pub(crate) fn new(tree: AreaTree) -> Self {
        Self { tree, ..Self::default() }
    }

    /// What is to be kept of a row.
    pub(crate) fn entry(&mut self, row: &Row) -> Entry {
        let mut node = |area_id: &str| if area_id.is_empty() { NO_PARENT } else { self.tree.node(area_id) };
        let (at, also) = (node(row.area_id()), node(row.also_area_id()));
        let ties = row.ties();
        let held = match (ties.unit_id, ties.site_id) {
            ("", "") => Held::NONE,
            ("", site_id) => self.held(row.realm(), site_id, true),
            (unit_id, _) => self.held(row.realm(), unit_id, false),
        };
        Entry {
            place: Place { at, also: if also == at { NO_PARENT } else { also }, held },
            organization: self.names.intern(ties.organization_id),
            responder: self.names.intern(ties.responder_id),
            incident: self.names.intern(ties.incident_id),
        }
    }

    fn held(&mut self, realm: &str, name: &str, site: bool) -> Held {
        Held { realm: self.names.intern(realm), name: self.names.intern(name), site }
    }

    /// A unit that a row named.
    pub(crate) fn unit(&self, realm: &str, unit_id: &str) -> Option<Held> {
        Some(Held { realm: self.names.find(realm)?, name: self.names.find(unit_id)?, site: false })
    }

    /// A name that a row had.
    pub(crate) fn name(&self, name: &str) -> Option<Sym> {
        self.names.find(name).filter(|sym| *sym != EMPTY)
    }

    /// To whom a row belongs, so far as a place does not say it.
    pub(crate) fn ties(&self, entry: &Entry) -> Ties<'_> {
        Ties {
            organization_id: self.names.name(entry.organization),
            responder_id: self.names.name(entry.responder),
            incident_id: self.names.name(entry.incident),
            ..Ties::default()
        }
    }

    /// A unit, and the units and sites below it.
    pub(crate) fn below(&self, held: Held) -> Vec<Held> {
        self.forest.closure(held, &self.forest.below)
    }

    pub(crate) fn path(&mut self, place: Place) -> Path {
        let Self { tree, names, forest, areas, units } = self;
        let mut line = |node: Node| Arc::clone(areas.entry(node).or_insert_with(|| Arc::new(AreaLine::new(tree, node))));
        let (at, also) = (line(place.at), (place.also != NO_PARENT).then(|| line(place.also)));
        let above = |held: Held| {
            let above = forest.closure(held, &forest.above).into_iter().filter(|held| !held.site);
            above.map(|held| names.name(held.name).into()).collect()
        };
        let units = (place.held != Held::NONE).then(|| Arc::clone(units.entry(place.held).or_insert_with(|| above(place.held))));
        Path { at, also, units }
    }

    /// The area that an event gives another place or level, and with it everything below.
    pub(crate) fn moves(&self, event: &Event) -> Option<Node> {
        let id = match event {
            Event::AreaDefined(event) => &event.area_id,
            Event::AreaReparented(event) => &event.area_id,
            _ => return None,
        };
        // Nothing stands in an area that nothing has named.
        self.tree.find(id)
    }

    pub(crate) fn take_area(&mut self, event: &Event) {
        if self.tree.take(event).is_some() {
            self.areas.clear();
        }
    }

    /// What a unit's row says of unit and site, where it is not known yet; what is to be told to [`Places::take_unit`].
    pub(crate) fn unit_turn(&mut self, row: &v1::UnitRow) -> Option<UnitTurn> {
        let unit = self.held(&row.realm, &row.unit_id, false);
        let mut optional = |name: &str, site| (!name.is_empty()).then(|| self.held(&row.realm, name, site));
        let (parent, site) = (optional(&row.parent_unit_id, false), optional(&row.site_id, true));
        self.turn(unit, parent, site)
    }

    /// The same of a unit whose row is gone.
    pub(crate) fn unit_gone(&mut self, realm: &str, unit_id: &str) -> Option<UnitTurn> {
        let unit = self.held(realm, unit_id, false);
        self.turn(unit, None, None)
    }

    fn turn(&self, unit: Held, parent: Option<Held>, site: Option<Held>) -> Option<UnitTurn> {
        let known = self.forest.above.get(&unit).and_then(|above| above.first().copied());
        let known_site = self.forest.sites.get(&unit).copied();
        ((known, known_site) != (parent, site)).then_some(UnitTurn { unit, parent, site })
    }

    /// The units and sites whose rows may be seen by others after the turn.
    pub(crate) fn touched(&self, turn: &UnitTurn) -> Vec<Held> {
        let mut touched = self.below(turn.unit);
        touched.extend(turn.site);
        touched
    }

    pub(crate) fn take_unit(&mut self, turn: &UnitTurn) {
        self.forest.take(turn);
        self.units.clear();
    }
}

/// A unit has another unit above it, or another site, than before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnitTurn {
    unit: Held,
    parent: Option<Held>,
    site: Option<Held>,
}

/// Which units lie below which, and sites below the units formed for them. A circle does no harm: nothing is met twice.
#[derive(Default)]
struct Forest {
    above: FxHashMap<Held, SmallVec<[Held; 1]>>,
    below: FxHashMap<Held, SmallVec<[Held; 2]>>,
    /// Of each unit.
    sites: FxHashMap<Held, Held>,
}

impl Forest {
    fn take(&mut self, turn: &UnitTurn) {
        if let Some(former) = self.above.get(&turn.unit).and_then(|above| above.first().copied()) {
            self.part(former, turn.unit);
        }
        if let Some(parent) = turn.parent {
            self.join(parent, turn.unit);
        }
        if let Some(former) = self.sites.remove(&turn.unit) {
            self.part(turn.unit, former);
        }
        if let Some(site) = turn.site {
            self.sites.insert(turn.unit, site);
            self.join(turn.unit, site);
        }
    }

    fn join(&mut self, above: Held, below: Held) {
        self.above.entry(below).or_default().push(above);
        self.below.entry(above).or_default().push(below);
    }

    fn part(&mut self, above: Held, below: Held) {
        if let Some(known) = self.above.get_mut(&below) {
            known.retain(|held| *held != above);
        }
        if let Some(known) = self.below.get_mut(&above) {
            known.retain(|held| *held != below);
        }
    }

    /// The start and all that is reached from it.
    fn closure<const N: usize>(&self, start: Held, next: &FxHashMap<Held, SmallVec<[Held; N]>>) -> Vec<Held>
    where
        [Held; N]: smallvec::Array<Item = Held>,
    {
        let (mut found, mut met) = (vec![start], FxHashSet::from_iter([start]));
        let mut cursor = 0;
        while let Some(held) = found.get(cursor) {
            let further = next.get(held).into_iter().flatten().copied().filter(|held| met.insert(*held));
            found.extend(further.collect::<SmallVec<[Held; 4]>>());
            cursor += 1;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(unit_id: &str, parent: &str, site: &str) -> v1::UnitRow {
        let [realm, unit_id, parent_unit_id, site_id] = ["actual", unit_id, parent, site].map(str::to_owned);
        v1::UnitRow { realm, unit_id, parent_unit_id, site_id, ..Default::default() }
    }

    #[test]
    fn a_site_is_of_all_its_units_and_a_circle_has_an_end() {
        let mut places = Places::default();
        for row in [unit("top", "", ""), unit("low", "top", "s"), unit("other", "", "s"), unit("a", "b", ""), unit("b", "a", "")] {
            if let Some(turn) = places.unit_turn(&row) {
                places.take_unit(&turn);
            }
        }
        let site = Row::Site(v1::SiteRow { realm: "actual".into(), site_id: "s".into(), ..Default::default() });
        let circle = Row::Unit(unit("a", "b", ""));
        let of = |places: &mut Places, row: &Row, unit: &str| {
            let place = places.entry(row).place;
            places.path(place).is_of_unit(unit)
        };
        assert!(["top", "low", "other"].iter().all(|unit| of(&mut places, &site, unit)));
        assert!(of(&mut places, &circle, "a") && of(&mut places, &circle, "b") && !of(&mut places, &site, "a"));
        assert!(places.unit_turn(&unit("low", "top", "s")).is_none(), "known");
        // The unit goes elsewhere, and takes its site along.
        if let Some(turn) = places.unit_turn(&unit("low", "other", "t")) {
            places.take_unit(&turn);
        }
        assert!(!of(&mut places, &site, "top") && of(&mut places, &site, "other"));
        assert!(of(&mut places, &Row::Unit(unit("low", "", "")), "other"));
    }
}
