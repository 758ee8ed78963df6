//! Folds everything again into a new generation, compares it with the one in use, and puts it in its place. What was found different is told; the
//! new generation is right by definition, for it comes from the log alone. Nothing is done to the outside while it folds.

use std::collections::BTreeMap;

use muster_log::{EpochPosition, Log, Position};

use crate::compare::{Difference, compare};
use crate::errors::{ReplayError, StoreError};
use crate::fold::RowChange;
use crate::records::Records;
use crate::replay::Replayed;
use crate::runner::{Dump, save_parts};
use crate::source::Origin;
use crate::store::{Checkpoint, ViewStore, Writes, begin_generation, swap_generation};
use crate::view::{Row, View};

/// What a rebuild found and made; a verification finds the same and makes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Everything up to here is in the rows that were made.
    pub at: EpochPosition,
    /// Rows by view.
    pub rows: Vec<(View, u64)>,
    /// The views that the former generation held of this log and epoch, each with the position at which both were compared.
    pub compared: Vec<(View, Position)>,
    /// Where they differed, the rows in use first. Not empty means that those were wrong.
    pub differences: Vec<Difference>,
}

/// Rows folded from position 1, and the folds that go on from there.
pub(crate) struct Draft {
    pub(crate) replayed: Replayed,
    origin: Origin,
    /// Canonical bytes by `realm/id`, and what they were made from.
    tables: BTreeMap<View, BTreeMap<String, (Row, Vec<u8>)>>,
}

impl Draft {
    pub(crate) fn new<R: Records + ?Sized>(log: &R, views: &[View]) -> Self {
        let tables = views.iter().map(|view| (*view, BTreeMap::new())).collect();
        Self { replayed: Replayed::new(views), origin: log.origin(), tables }
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// The last record taken in.
    pub(crate) fn position(&self) -> Position {
        self.replayed.folds.position
    }

    /// How many rows a view has.
    pub(crate) fn rows(&self, view: View) -> u64 {
        self.tables.get(&view).map_or(0, |table| table.len() as u64)
    }

    pub(crate) fn advance<R: Records + ?Sized>(&mut self, log: &R, to: Position) -> Result<(), ReplayError> {
        if to > self.replayed.folds.position {
            self.replayed.advance(log, to)?;
        }
        let Self { replayed, tables, .. } = self;
        replayed.folds.drain(|change| match change {
            RowChange::Put(row) => {
                let (key, bytes) = (format!("{}/{}", row.realm(), row.id()), row.encode());
                tables.entry(row.view()).or_default().insert(key, (row, bytes));
            }
            RowChange::Delete { view, realm, id } => {
                tables.entry(view).or_default().remove(&format!("{realm}/{id}"));
            }
        });
        Ok(())
    }

    /// Where the rows of a view differ from those in a store.
    pub(crate) fn differences(&self, view: View, store: &ViewStore) -> Result<Vec<Difference>, StoreError> {
        let mut stored = Dump::new();
        store.scan(view, |realm, id, bytes| {
            stored.push((format!("{realm}/{id}"), bytes.to_vec()));
            Ok(())
        })?;
        stored.sort_unstable();
        let own: Dump = self.tables[&view].iter().map(|(key, (_, bytes))| (key.clone(), bytes.clone())).collect();
        Ok(compare(view, &stored, &own))
    }

    /// Writes a generation of its own beside the one in use, and opens it.
    pub(crate) fn write(&self, beside: &ViewStore) -> Result<ViewStore, StoreError> {
        let dir = begin_generation(beside.root(), beside.dir())?;
        let store = beside.sibling(&dir)?;
        let checkpoint = Checkpoint::new(self.origin, self.replayed.folds.position);
        let mut writes = Writes::default();
        for (view, table) in &self.tables {
            for (row, _) in table.values() {
                writes.put_row(row);
            }
            writes.put_checkpoint(*view, checkpoint);
        }
        save_parts(&self.replayed.folds, checkpoint, &mut writes).map_err(|error| StoreError::Store {
            dir,
            doing: "saved",
            detail: error.to_string(),
        })?;
        store.write(writes)?;
        store.flush()?;
        Ok(store)
    }

    pub(crate) fn report(&self, compared: Vec<(View, Position)>, differences: Vec<Difference>) -> Rebuilt {
        let rows = self.tables.iter().map(|(view, table)| (*view, table.len() as u64)).collect();
        Rebuilt { at: EpochPosition { epoch: self.origin.epoch, position: self.replayed.folds.position }, rows, compared, differences }
    }
}

/// Rebuilds the views of a store that no runner uses, up to the log's watermark, and gives the store of the new generation in exchange for the old.
/// Views not named are left out of the new one. A process that stops halfway leaves the old generation in use. A running runner is rebuilt with [`crate::ViewsHandle::rebuild`].
///
/// # Errors
/// See [`ReplayError`]; the old generation is then still in use.
pub fn rebuild(log: &dyn Log, store: ViewStore, views: &[View]) -> Result<(Rebuilt, ViewStore), ReplayError> {
    let mut draft = Draft::new(log, views);
    let end = log.watermark();
    let mut known = Vec::new();
    for view in views {
        let checkpoint = store.checkpoint(*view)?.filter(|known| known.origin() == draft.origin() && known.position() <= end);
        known.extend(checkpoint.map(|checkpoint| (checkpoint.position(), *view)));
    }
    known.sort_unstable();
    let (mut compared, mut differences) = (Vec::new(), Vec::new());
    for (position, view) in known {
        draft.advance(log, position)?;
        differences.extend(draft.differences(view, &store)?);
        compared.push((view, position));
    }
    draft.advance(log, end)?;
    let next = draft.write(&store)?;
    swap_generation(next.root(), next.dir())?;
    store.retire();
    compared.sort_unstable();
    Ok((draft.report(compared, differences), next))
}
