//! Where the folding thread hands over what it wrote and readers find it: which rows are where in the tree, the subscribers, the recent commits.
//! Behind one lock, so that a snapshot and the changes after it always meet. It must never wait for a reader.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use muster_log::{Epoch, EpochPosition, Position};
use muster_proto::Event;
use muster_proto::v1;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::mpsc;

use crate::areas::{AreaTree, NO_PARENT, Node};
use crate::errors::StoreError;
use crate::fold::RowChange;
use crate::limits;
use crate::live::{Filter, Page, PlacedRow};
use crate::store::{Frozen, ViewStore};
use crate::view::{Row, View};

/// The area where a row stands, and the other one in whose subtrees it is seen; [`NO_PARENT`] for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    at: Node,
    also: Node,
}

impl Place {
    fn of(tree: &mut AreaTree, row: &Row) -> Self {
        let mut node = |area_id: &str| if area_id.is_empty() { NO_PARENT } else { tree.node(area_id) };
        let (at, also) = (node(row.area_id()), node(row.also_area_id()));
        Self { at, also: if also == at { NO_PARENT } else { also } }
    }

    /// The areas under which the row is listed.
    fn nodes(self) -> impl Iterator<Item = Node> {
        std::iter::once(self.at).chain((self.also != NO_PARENT).then_some(self.also))
    }
}

/// Where a row stands: all areas above it by id, nearest first, then those of its other area; and the first ones as levels.
#[derive(Debug)]
pub(crate) struct Path {
    place: Place,
    areas: Vec<Box<str>>,
    pub(crate) levels: Arc<v1::AreaPath>,
    /// The other area's, if there is one.
    pub(crate) also: Option<Arc<v1::AreaPath>>,
}

impl Path {
    fn of(tree: &AreaTree, place: Place) -> Self {
        let areas = place.nodes().flat_map(|node| tree.upward(node)).map(|above| tree.id(above).into()).collect();
        let also = (place.also != NO_PARENT).then(|| Arc::new(tree.path(place.also)));
        Self { place, areas, levels: Arc::new(tree.path(place.at)), also }
    }

    /// Whether what stands here is in the area.
    pub(crate) fn within(&self, area: &str) -> bool {
        self.areas.iter().any(|above| &**above == area)
    }
}

/// One row in a commit.
pub(crate) struct Changed {
    pub(crate) realm: String,
    pub(crate) id: String,
    /// The row now, or nothing.
    pub(crate) now: Option<(Arc<Row>, Arc<Path>)>,
    /// Where it stood before, if it was there.
    pub(crate) before: Option<Arc<Path>>,
}

/// What one write made visible.
pub(crate) struct Commit {
    /// Everything up to here was visible before.
    pub(crate) after: Position,
    pub(crate) at: EpochPosition,
    /// By view.
    pub(crate) changes: [Vec<Changed>; View::ALL.len()],
}

impl Commit {
    fn len(&self) -> usize {
        self.changes.iter().map(Vec::len).sum()
    }
}

/// The rows of one view and realm.
#[derive(Default)]
struct Table {
    rows: BTreeMap<Arc<str>, Place>,
    by_area: FxHashMap<Node, BTreeSet<Arc<str>>>,
}

impl Table {
    /// Notes where a row stands. Returns where it stood.
    fn put(&mut self, id: &str, place: Place) -> Option<Place> {
        if let Some(slot) = self.rows.get_mut(id) {
            let before = std::mem::replace(slot, place);
            if before != place {
                let (key, _) = self.rows.get_key_value(id).expect("it was just found");
                let key = Arc::clone(key);
                self.leave(&key, before);
                self.enter(&key, place);
            }
            return Some(before);
        }
        let key: Arc<str> = id.into();
        self.enter(&key, place);
        self.rows.insert(key, place);
        None
    }

    fn delete(&mut self, id: &str) -> Option<Place> {
        let (key, place) = self.rows.remove_entry(id)?;
        self.leave(&key, place);
        Some(place)
    }

    fn enter(&mut self, key: &Arc<str>, place: Place) {
        for node in place.nodes() {
            self.by_area.entry(node).or_default().insert(Arc::clone(key));
        }
    }

    fn leave(&mut self, id: &str, place: Place) {
        for node in place.nodes() {
            if let Some(ids) = self.by_area.get_mut(&node) {
                ids.remove(id);
                if ids.is_empty() {
                    self.by_area.remove(&node);
                }
            }
        }
    }

    /// Where the rows stand that are listed under an area.
    fn places_at(&self, node: Node) -> impl Iterator<Item = Place> + '_ {
        self.by_area.get(&node).into_iter().flatten().filter_map(|id| self.rows.get(id).copied())
    }
}

/// A subscriber's end of the line.
struct Subscriber {
    view: View,
    commits: mpsc::Sender<Arc<Commit>>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Hub {
    epoch: Epoch,
    position: Position,
    tree: AreaTree,
    /// By view, then realm.
    tables: [BTreeMap<String, Table>; View::ALL.len()],
    paths: FxHashMap<Place, Arc<Path>>,
    subscribers: Vec<Subscriber>,
    ring: VecDeque<Arc<Commit>>,
    ring_changes: usize,
    /// Nothing when the runner is gone.
    pub(crate) store: Option<ViewStore>,
}

/// The rows of a page, found but not read.
pub(crate) struct Found {
    pub(crate) rows: Vec<(String, Arc<str>, Arc<Path>)>,
    pub(crate) next: Option<String>,
}

impl Hub {
    pub(crate) fn at(&self) -> EpochPosition {
        EpochPosition { epoch: self.epoch, position: self.position }
    }

    /// Starts from what the store holds.
    pub(crate) fn load(&mut self, at: EpochPosition, tree: AreaTree, store: &ViewStore, views: &[View]) -> Result<(), StoreError> {
        self.clear(at.epoch);
        self.position = at.position;
        self.tree = tree;
        for view in views {
            store.scan(*view, |realm, id, bytes| {
                let row =
                    Row::decode(*view, bytes).map_err(|error| crate::store::damaged(*view, format!("{realm}/{id}"), &error.to_string()))?;
                let place = Place::of(&mut self.tree, &row);
                self.tables[view.index()].entry(realm.to_owned()).or_default().put(id, place);
                Ok(())
            })?;
        }
        self.store = Some(store.clone());
        Ok(())
    }

    /// Forgets everything; every subscriber starts anew.
    pub(crate) fn clear(&mut self, epoch: Epoch) {
        let store = self.store.take();
        *self = Self { epoch, store, ..Self::default() };
    }

    /// Takes in what was just written to the store and tells the subscribers. `areas` are the events of the tree since the last commit, `read`
    /// reads rows as they are now.
    pub(crate) fn publish(&mut self, to: Position, areas: &[Event], changes: Vec<RowChange>, read: &Frozen<'_>) -> Result<(), StoreError> {
        let moved = self.take_areas(areas);
        let mut commit =
            Commit { after: self.position, at: EpochPosition { epoch: self.epoch, position: to }, changes: Default::default() };
        for change in changes {
            let (view, changed) = self.place(change);
            if changed.now.is_some() || changed.before.is_some() {
                commit.changes[view.index()].push(changed);
            }
        }
        if !moved.is_empty() {
            self.carry_along(&moved, &mut commit, read)?;
        }
        self.position = to;
        self.send(Arc::new(commit));
        Ok(())
    }

    /// Moves areas. Returns the places whose path is another now, each with the path it had.
    fn take_areas(&mut self, areas: &[Event]) -> FxHashMap<Place, Arc<Path>> {
        let mut former = FxHashMap::default();
        for event in areas {
            // The path of everything below may change: by another parent, or by another level in a new definition.
            let id = match event {
                Event::AreaDefined(event) => &event.area_id,
                Event::AreaReparented(event) => &event.area_id,
                _ => continue,
            };
            // Nothing stands in an area that nothing has named.
            if let Some(node) = self.tree.find(id) {
                for place in self.places_in(&self.tree.subtree(node)) {
                    let path = self.path(place);
                    former.entry(place).or_insert(path);
                }
                self.paths.clear();
            }
            match event {
                Event::AreaDefined(event) => drop(self.tree.define(event)),
                Event::AreaReparented(event) => drop(self.tree.reparent(event)),
                _ => {}
            }
        }
        former.retain(|place, before| {
            let now = Path::of(&self.tree, *place);
            now.areas != before.areas || now.levels != before.levels
        });
        former
    }

    /// Where rows of any view stand that are listed under one of the areas.
    fn places_in(&self, nodes: &[Node]) -> FxHashSet<Place> {
        let tables = || self.tables.iter().flat_map(BTreeMap::values);
        nodes.iter().flat_map(|node| tables().flat_map(move |table| table.places_at(*node))).collect()
    }

    fn path(&mut self, place: Place) -> Arc<Path> {
        let tree = &self.tree;
        Arc::clone(self.paths.entry(place).or_insert_with(|| Arc::new(Path::of(tree, place))))
    }

    /// Notes a row's place.
    fn place(&mut self, change: RowChange) -> (View, Changed) {
        match change {
            RowChange::Put(row) => {
                let view = row.view();
                let (realm, id) = (row.realm().to_owned(), row.id());
                let place = Place::of(&mut self.tree, &row);
                let table = self.tables[view.index()].entry(realm.clone()).or_default();
                let before = table.put(&id, place);
                let before = before.map(|place| self.path(place));
                let now = Some((Arc::new(row), self.path(place)));
                (view, Changed { realm, id, now, before })
            }
            RowChange::Delete { view, realm, id } => {
                let before = self.tables[view.index()].get_mut(&realm).and_then(|table| table.delete(&id));
                let before = before.map(|place| self.path(place));
                (view, Changed { realm, id, now: None, before })
            }
        }
    }

    /// Adds the rows that moved in the tree, and gives the changed ones the place where they stood.
    fn carry_along(&mut self, moved: &FxHashMap<Place, Arc<Path>>, commit: &mut Commit, read: &Frozen<'_>) -> Result<(), StoreError> {
        let nodes: FxHashSet<Node> = moved.keys().flat_map(|place| place.nodes()).collect();
        for view in View::ALL {
            let changes = &mut commit.changes[view.index()];
            let mut told: FxHashSet<(String, String)> = FxHashSet::default();
            for changed in changes.iter_mut() {
                if let Some(before) = &mut changed.before
                    && let Some(former) = moved.get(&before.place)
                {
                    *before = Arc::clone(former);
                }
                told.insert((changed.realm.clone(), changed.id.clone()));
            }
            for (realm, table) in &self.tables[view.index()] {
                for id in nodes.iter().flat_map(|node| table.by_area.get(node).into_iter().flatten()) {
                    let Some((place, former)) = table.rows.get(id).and_then(|place| moved.get_key_value(place)) else { continue };
                    // A row with two areas is met under both.
                    if !told.insert((realm.clone(), id.to_string())) {
                        continue;
                    }
                    let row = Arc::new(read.row(view, realm, id)?);
                    let tree = &self.tree;
                    let path = Arc::clone(self.paths.entry(*place).or_insert_with(|| Arc::new(Path::of(tree, *place))));
                    changes.push(Changed {
                        realm: realm.clone(),
                        id: id.to_string(),
                        now: Some((row, path)),
                        before: Some(Arc::clone(former)),
                    });
                }
            }
            // The order of a hash table must not show.
            changes.sort_by(|one, other| (&one.realm, &one.id).cmp(&(&other.realm, &other.id)));
        }
        Ok(())
    }

    /// A subscriber whose queue is full, or who is gone, is let go: it notices at the end of its queue and starts anew. Nobody else waits.
    fn send(&mut self, commit: Arc<Commit>) {
        self.subscribers.retain(|subscriber| {
            if commit.changes[subscriber.view.index()].is_empty() {
                return !subscriber.commits.is_closed();
            }
            subscriber.commits.try_send(Arc::clone(&commit)).is_ok()
        });
        self.ring_changes += commit.len();
        self.ring.push_back(commit);
        while self.ring_changes > limits::RING_CHANGES_MAX || self.ring.len() > limits::RING_COMMITS_MAX {
            match self.ring.pop_front() {
                Some(oldest) => self.ring_changes -= oldest.len(),
                None => break,
            }
        }
    }

    pub(crate) fn subscribe(&mut self, view: View, commits_max: usize) -> mpsc::Receiver<Arc<Commit>> {
        let (commits, receiver) = mpsc::channel(commits_max);
        self.subscribers.push(Subscriber { view, commits });
        receiver
    }

    /// Lets every subscriber go.
    pub(crate) fn hang_up(&mut self) {
        self.subscribers.clear();
        self.store = None;
    }

    /// The commits after a place, if all of them are still in the ring.
    pub(crate) fn since(&self, view: View, from: EpochPosition) -> Option<VecDeque<Arc<Commit>>> {
        if from.epoch != self.epoch || from.position > self.position {
            return None;
        }
        let reach = self.ring.front().map_or(self.position, |oldest| oldest.after);
        if from.position < reach {
            return None;
        }
        let later = self.ring.iter().filter(|commit| commit.at.position > from.position && !commit.changes[view.index()].is_empty());
        Some(later.cloned().collect())
    }

    /// Whether there is a row of this id.
    pub(crate) fn has(&self, view: View, realm: &str, id: &str) -> bool {
        self.tables[view.index()].get(realm).is_some_and(|table| table.rows.contains_key(id))
    }

    /// Which rows are on a page.
    pub(crate) fn find(&mut self, view: View, filter: &Filter, page: &Page, rows_max: usize) -> Option<Found> {
        let after = match &page.after {
            Some(cursor) => Some(cursor.split_once('/')?),
            None => None,
        };
        let nodes = match &filter.area {
            Some(area) => Some(self.tree.find(area).map(|node| self.tree.subtree(node)).unwrap_or_default()),
            None => None,
        };
        let mut picked: Vec<(String, Arc<str>, Place)> = Vec::new();
        let mut more = false;
        for (realm, table) in &self.tables[view.index()] {
            let skipped = after.is_some_and(|(last, _)| realm.as_str() < last);
            if skipped || filter.realm.as_ref().is_some_and(|wanted| wanted != realm) {
                continue;
            }
            let start = after.filter(|(last, _)| *last == realm.as_str()).map(|(_, id)| id);
            let room = rows_max - picked.len();
            let rows = table.pick(nodes.as_deref(), start, room + 1);
            more = rows.len() > room;
            picked.extend(rows.into_iter().take(room).map(|(id, place)| (realm.clone(), id, place)));
            if more {
                break;
            }
        }
        let next = picked.last().filter(|_| more).map(|(realm, id, _)| format!("{realm}/{id}"));
        let rows = picked.into_iter().map(|(realm, id, place)| (realm, id, self.path(place))).collect();
        Some(Found { rows, next })
    }
}

impl Table {
    /// The first rows after `start` that are listed under one of the nodes, in order of their ids.
    fn pick(&self, nodes: Option<&[Node]>, start: Option<&str>, rows_max: usize) -> Vec<(Arc<str>, Place)> {
        let from = (start.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let Some(nodes) = nodes else {
            return self.rows.range::<str, _>(from).take(rows_max).map(|(id, place)| (Arc::clone(id), *place)).collect();
        };
        let mut ids: Vec<&Arc<str>> = Vec::new();
        for node in nodes {
            let Some(listed) = self.by_area.get(node) else { continue };
            ids.extend(listed.range::<str, _>(from).take(rows_max));
        }
        ids.sort_unstable();
        // A row with two areas may be met under both.
        ids.dedup();
        ids.truncate(rows_max);
        ids.into_iter().filter_map(|id| self.rows.get(id).map(|place| (Arc::clone(id), *place))).collect()
    }
}

/// Reads the rows of a page.
pub(crate) fn read_found(found: Vec<(String, Arc<str>, Arc<Path>)>, view: View, read: &Frozen<'_>) -> Result<Vec<PlacedRow>, StoreError> {
    let placed = |(realm, id, path): (String, Arc<str>, Arc<Path>)| {
        let row = Arc::new(read.row(view, &realm, &id)?);
        Ok(PlacedRow { row, path: Arc::clone(&path.levels), also: path.also.clone() })
    };
    found.into_iter().map(placed).collect()
}
