//! Where the folding thread hands over what it wrote and readers find it: which rows are where, and the recent changes. Rows are found behind one
//! lock, so that a page and the changes after it always meet. It waits for no reader but one that is just finding rows.

mod ring;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_log::{Epoch, EpochPosition, Position};
use muster_proto::Event;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::areas::{AreaTree, Node};
use crate::errors::StoreError;
use crate::filter::{Bound, Filter};
use crate::fold::RowChange;
use crate::live::{Frames, Page, PlacedRow};
use crate::places::{Entry, Path, Place, Places};
use crate::store::{Frozen, ViewStore};
use crate::view::{Row, Ties, View};
pub(crate) use ring::{Mark, NOT_YET, Next, Ring};
use table::{Key, Table};

/// One row in a commit.
pub(crate) struct Changed {
    pub(crate) realm: Arc<str>,
    pub(crate) id: Arc<str>,
    /// The row now, or nothing.
    pub(crate) now: Option<(Arc<Row>, Path)>,
    /// Where it was before, if it was there.
    pub(crate) before: Option<Before>,
    /// What is sent of it, made once for all who see the same.
    pub(crate) frames: Arc<Frames>,
}

/// Where a row was.
pub(crate) struct Before {
    pub(crate) path: Path,
    /// To whom it belonged, where that is not so now.
    former: Option<Box<Former>>,
}

struct Former {
    organization_id: String,
    responder_id: String,
    incident_id: String,
}

impl Before {
    /// To whom the row belonged, which is what it belongs to now where nothing else is noted.
    pub(crate) fn ties<'a>(&'a self, now: Option<&'a Row>) -> Ties<'a> {
        match (&self.former, now) {
            (Some(former), _) => Ties {
                organization_id: &former.organization_id,
                responder_id: &former.responder_id,
                incident_id: &former.incident_id,
                ..Ties::default()
            },
            (None, Some(row)) => row.ties(),
            (None, None) => Ties::default(),
        }
    }
}

/// What one write made visible of one view.
pub(crate) struct Commit {
    pub(crate) at: EpochPosition,
    pub(crate) changes: Vec<Changed>,
}

/// By view.
type Changes = BTreeMap<View, Vec<Changed>>;

/// See the module.
pub(crate) struct Hub {
    epoch: Epoch,
    position: Position,
    places: Places,
    /// By view, then realm.
    tables: BTreeMap<View, BTreeMap<Arc<str>, Table>>,
    pub(crate) ring: Arc<Ring>,
    /// Nothing when the runner is gone.
    pub(crate) store: Option<ViewStore>,
}

/// The rows of a page, found but not read.
pub(crate) struct Found {
    pub(crate) rows: Vec<(Arc<str>, Arc<str>, Path)>,
    pub(crate) next: Option<String>,
}

impl Hub {
    pub(crate) fn new(ring: Arc<Ring>) -> Self {
        let (epoch, position) = (Epoch::default(), Position::ZERO);
        Self { epoch, position, places: Places::default(), tables: BTreeMap::new(), ring, store: None }
    }

    pub(crate) fn at(&self) -> EpochPosition {
        EpochPosition { epoch: self.epoch, position: self.position }
    }

    /// What the store holds, by where it stands. Reads all of it; readers are told with [`Ring::reset`].
    pub(crate) fn of_store(
        ring: Arc<Ring>,
        at: EpochPosition,
        tree: AreaTree,
        store: &ViewStore,
        views: &[View],
    ) -> Result<Self, StoreError> {
        let EpochPosition { epoch, position } = at;
        let mut hub = Self { epoch, position, places: Places::new(tree), store: Some(store.clone()), ..Self::new(ring) };
        for view in views {
            store.scan(*view, |realm, id, bytes| {
                let row =
                    Row::decode(*view, bytes).map_err(|error| crate::store::damaged(*view, format!("{realm}/{id}"), &error.to_string()))?;
                hub.take_row(realm, id, &row);
                Ok(())
            })?;
        }
        Ok(hub)
    }

    /// Forgets everything; every subscriber starts anew.
    pub(crate) fn clear(&mut self, epoch: Epoch) {
        *self = Self { epoch, store: self.store.take(), ..Self::new(Arc::clone(&self.ring)) };
        self.ring.reset(self.at(), NOT_YET);
    }

    /// Notes where a row is that nobody was told of.
    fn take_row(&mut self, realm: &str, id: &str, row: &Row) {
        if let Row::Unit(unit) = row
            && let Some(turn) = self.places.unit_turn(unit)
        {
            self.places.take_unit(&turn);
        }
        let entry = self.places.entry(row);
        table(self.tables.entry(row.view()).or_default(), realm).1.put(id, entry);
    }

    /// Takes in events of the tree that move no row which anybody has read.
    pub(crate) fn take_areas(&mut self, areas: &[Event]) {
        areas.iter().for_each(|event| self.places.take_area(event));
    }

    /// Takes in a change of rows that nobody can have read yet. [`Hub::reach`] follows when it is written.
    pub(crate) fn take(&mut self, change: &RowChange) {
        match change {
            RowChange::Put(row) => self.take_row(row.realm(), &row.id(), row),
            RowChange::Delete { view, realm, id } => {
                if *view == View::Units
                    && let Some(turn) = self.places.unit_gone(realm, id)
                {
                    self.places.take_unit(&turn);
                }
                table(self.tables.entry(*view).or_default(), realm).1.delete(id);
            }
        }
    }

    /// Moves on to what was just written to the store, of which nobody is told.
    pub(crate) fn reach(&mut self, to: Position) {
        self.position = to;
        self.ring.skip(to);
    }

    /// Takes in what was just written to the store and tells the subscribers. `areas` are the events of the tree since the last commit, `read`
    /// reads rows as they are now.
    pub(crate) fn publish(&mut self, to: Position, areas: &[Event], changes: Vec<RowChange>, read: &Frozen<'_>) -> Result<(), StoreError> {
        let moved = self.take_turns(areas, &changes);
        let mut told = Changes::default();
        for change in changes {
            let (view, changed) = self.place(change, &moved);
            told.entry(view).or_default().extend(changed);
        }
        if !moved.is_empty() {
            self.carry_along(&moved, &mut told, read)?;
        }
        self.position = to;
        let at = self.at();
        let commits = told.into_iter().filter(|(_, changes)| !changes.is_empty());
        self.ring.push(to, commits.map(|(view, changes)| (view, Arc::new(Commit { at, changes }))));
        Ok(())
    }

    /// Moves areas and units. Returns the places whose path is another now, each with the path it had.
    fn take_turns(&mut self, areas: &[Event], changes: &[RowChange]) -> FxHashMap<Place, Path> {
        let mut former = FxHashMap::default();
        for event in areas {
            // The path of everything below may change: by another parent, or by another level in a new definition.
            if let Some(node) = self.places.moves(event) {
                let keys: Vec<_> = self.places.tree.subtree(node).into_iter().map(Key::Area).collect();
                self.note_paths(&keys, &mut former);
            }
            self.places.take_area(event);
        }
        for change in changes {
            let turn = match change {
                RowChange::Put(Row::Unit(row)) => self.places.unit_turn(row),
                RowChange::Delete { view: View::Units, realm, id } => self.places.unit_gone(realm, id),
                RowChange::Put(_) | RowChange::Delete { .. } => None,
            };
            if let Some(turn) = turn {
                let keys: Vec<_> = self.places.touched(&turn).into_iter().map(Key::Held).collect();
                self.note_paths(&keys, &mut former);
                self.places.take_unit(&turn);
            }
        }
        former.retain(|place, before| self.places.path(*place) != *before);
        former
    }

    /// The paths of all places where rows of any view stand that are listed under one of the keys, unless they were noted before.
    fn note_paths(&mut self, keys: &[Key], noted: &mut FxHashMap<Place, Path>) {
        for table in self.tables.values().flat_map(BTreeMap::values) {
            for (_, entry) in keys.iter().flat_map(|key| table.under(*key)) {
                noted.entry(entry.place).or_insert_with(|| self.places.path(entry.place));
            }
        }
    }

    /// Notes where a row is; nothing if it was not there and is not. `moved` has the paths of before.
    fn place(&mut self, change: RowChange, moved: &FxHashMap<Place, Path>) -> (View, Option<Changed>) {
        let frames = Arc::default();
        match change {
            RowChange::Put(row) => {
                let view = row.view();
                let entry = self.places.entry(&row);
                let (realm, table) = table(self.tables.entry(view).or_default(), row.realm());
                let (id, before) = table.put(&row.id(), entry);
                let before = before.map(|before| self.before(&before, Some(&entry), moved));
                let now = Some((Arc::new(row), self.places.path(entry.place)));
                (view, Some(Changed { realm, id, now, before, frames }))
            }
            RowChange::Delete { view, realm, id } => {
                let (realm, table) = table(self.tables.entry(view).or_default(), &realm);
                let deleted = table.delete(&id);
                let changed = deleted.map(|(id, before)| {
                    let before = Some(self.before(&before, None, moved));
                    Changed { realm, id, now: None, before, frames }
                });
                (view, changed)
            }
        }
    }

    fn before(&mut self, before: &Entry, now: Option<&Entry>, moved: &FxHashMap<Place, Path>) -> Before {
        let ties = |entry: &Entry| (entry.organization, entry.responder, entry.incident);
        let same = now.is_some_and(|now| ties(now) == ties(before));
        let former = (!same).then(|| {
            let Ties { organization_id, responder_id, incident_id, .. } = self.places.ties(before);
            let [organization_id, responder_id, incident_id] = [organization_id, responder_id, incident_id].map(str::to_owned);
            Box::new(Former { organization_id, responder_id, incident_id })
        });
        let path = moved.get(&before.place).cloned().unwrap_or_else(|| self.places.path(before.place));
        Before { path, former }
    }

    /// Adds the rows that moved below another area or unit without being changed themselves.
    fn carry_along(&mut self, moved: &FxHashMap<Place, Path>, told: &mut Changes, read: &Frozen<'_>) -> Result<(), StoreError> {
        let nodes: FxHashSet<Node> = moved.keys().map(|place| place.at).collect();
        for (view, tables) in &self.tables {
            let changes = told.entry(*view).or_default();
            let key = |changed: &Changed| (Arc::clone(&changed.realm), Arc::clone(&changed.id));
            let known: FxHashSet<(Arc<str>, Arc<str>)> = changes.iter().map(key).collect();
            for (realm, table) in tables {
                let listed = nodes.iter().flat_map(|node| table.under(Key::Area(*node)).map(move |listed| (node, listed)));
                for (node, (id, entry)) in listed {
                    // A row with two areas is listed under both, and taken under its own.
                    let Some(former) = moved.get(&entry.place).filter(|_| entry.place.at == *node) else { continue };
                    if known.contains(&(Arc::clone(realm), Arc::clone(id))) {
                        continue;
                    }
                    let row = Arc::new(read.row(*view, realm, id)?);
                    changes.push(Changed {
                        realm: Arc::clone(realm),
                        id: Arc::clone(id),
                        now: Some((row, self.places.path(entry.place))),
                        before: Some(Before { path: former.clone(), former: None }),
                        frames: Arc::default(),
                    });
                }
            }
            // The order of a hash table must not show.
            changes.sort_by(|one, other| (&one.realm, &one.id).cmp(&(&other.realm, &other.id)));
        }
        Ok(())
    }

    /// How many rows a view has.
    pub(crate) fn rows(&self, view: View) -> u64 {
        self.tables.get(&view).into_iter().flat_map(BTreeMap::values).map(|table| table.len() as u64).sum()
    }

    /// Whether there is a row of this id.
    pub(crate) fn has(&self, view: View, realm: &str, id: &str) -> bool {
        self.tables.get(&view).and_then(|tables| tables.get(realm)).is_some_and(|table| table.has(id))
    }

    /// Which rows are on a page.
    pub(crate) fn find(&mut self, view: View, filter: &Filter, page: &Page, rows_max: usize) -> Option<Found> {
        let after = match &page.after {
            Some(cursor) => Some(cursor.split_once('/')?),
            None => None,
        };
        let (mut rows, mut more) = (Vec::new(), false);
        for (realm, table) in self.tables.get(&view).into_iter().flatten() {
            let skipped = after.is_some_and(|(last, _)| &**realm < last);
            if skipped || filter.realm.as_ref().is_some_and(|wanted| **wanted != **realm) {
                continue;
            }
            let start = after.filter(|(last, _)| *last == &**realm).map(|(_, id)| id);
            let keys = keys(&self.places, filter, realm);
            let places = &mut self.places;
            let room = rows_max - rows.len();
            let mut picked = table.pick(keys.as_deref(), start, room.saturating_add(1), |id, entry| {
                let path = places.path(entry.place);
                let taken = filter.takes_at(view, realm, places.ties(entry), &path);
                taken.then(|| (Arc::clone(realm), Arc::clone(id), path))
            });
            more = picked.len() > room;
            picked.truncate(room);
            rows.extend(picked);
            if more {
                break;
            }
        }
        let next = rows.last().filter(|_| more).map(|(realm, id, _)| format!("{realm}/{id}"));
        Some(Found { rows, next })
    }
}

/// The table of a realm, made now if it is new.
fn table<'a>(tables: &'a mut BTreeMap<Arc<str>, Table>, realm: &str) -> (Arc<str>, &'a mut Table) {
    let name = tables.get_key_value(realm).map_or_else(|| realm.into(), |(name, _)| Arc::clone(name));
    (Arc::clone(&name), tables.entry(name).or_default())
}

/// What every row of a realm that the filter takes is listed under; nothing where that is most of the tree, and a walk through all rows finds a page
/// with less work than a look at each of its areas.
fn keys(places: &Places, filter: &Filter, realm: &str) -> Option<Vec<Key>> {
    let subtree = |area: &str| {
        let nodes = places.tree.find(area).map(|node| places.tree.subtree(node)).unwrap_or_default();
        (!places.tree.is_most(nodes.len())).then(|| nodes.into_iter().map(Key::Area).collect::<Vec<_>>())
    };
    let Some(bounds) = &filter.any_of else { return subtree(filter.area.as_deref()?) };
    let of_area = |bound: &Bound| matches!(bound, Bound::Area(_) | Bound::Share { .. });
    if let Some(area) = filter.area.as_deref().filter(|_| bounds.iter().any(of_area)) {
        return subtree(area);
    }
    let mut keys = Vec::new();
    for bound in bounds.iter() {
        match bound {
            Bound::Area(area) | Bound::Share { area, .. } => keys.extend(subtree(area)?),
            Bound::Organization(id) => keys.extend(places.name(id).map(Key::Organization)),
            Bound::Responder(id) => keys.extend(places.name(id).map(Key::Responder)),
            Bound::Unit(id) => keys.extend(places.unit(realm, id).into_iter().flat_map(|unit| places.below(unit)).map(Key::Held)),
        }
    }
    Some(keys)
}

/// Reads the rows of a page.
pub(crate) fn read_found(found: Vec<(Arc<str>, Arc<str>, Path)>, view: View, read: &Frozen<'_>) -> Result<Vec<PlacedRow>, StoreError> {
    let placed = |(realm, id, place): (Arc<str>, Arc<str>, Path)| Ok(PlacedRow::new(Arc::new(read.row(view, &realm, &id)?), place));
    found.into_iter().map(placed).collect()
}
