//! Where a runner starts: each fold from its saved state if that is whole and of this log and epoch, else from nothing.

use muster_log::Position;

use crate::areas::AreaTree;
use crate::errors::StoreError;
use crate::fold::{AnyFold, FoldSeat, Folds, Interest};
use crate::source::Origin;
use crate::store::{Checkpoint, Part, Saved, ViewStore, Writes};
use crate::view::View;

/// Folds, and the tree by which rows are found, each with its position.
pub(super) struct Restored {
    pub(super) folds: Folds,
    pub(super) tree: AreaTree,
    pub(super) tree_position: Position,
    /// The farthest position that any row or the tree knows: before it, rows are ahead of the folds.
    pub(super) target: Position,
}

impl Restored {
    /// Nothing folded yet.
    pub(super) fn fresh(views: &[View]) -> Self {
        Self { folds: Folds::fresh(views), tree: AreaTree::default(), tree_position: Position::ZERO, target: Position::ZERO }
    }

    /// Where the hindmost part stands: reading goes on after it.
    pub(super) fn position(&self) -> Position {
        self.folds.position().min(self.tree_position)
    }

    pub(super) fn interest(&self) -> Interest {
        self.folds.interest()
    }
}

pub(super) fn restore(store: &ViewStore, views: &[View], origin: Origin) -> Result<Restored, StoreError> {
    let mut seats = Vec::new();
    let mut writes = Writes::default();
    let mut target = Position::ZERO;
    for view in views {
        match restore_view(store, *view, origin)? {
            Some((fold, position, rows_at)) => {
                target = target.max(rows_at);
                seats.push(FoldSeat { fold, position });
            }
            None => {
                writes.clear_view(*view);
                seats.push(FoldSeat { fold: AnyFold::new(*view), position: Position::ZERO });
            }
        }
    }
    store.write(writes)?;
    let saved = store.saved(Part::Areas)?.filter(|saved| saved.checkpoint.origin() == origin);
    let tree = saved.and_then(|saved| Some((postcard::from_bytes(&saved.bytes).ok()?, saved.checkpoint.position())));
    let (tree, tree_position) = tree.unwrap_or_default();
    Ok(Restored { folds: Folds::new(seats), tree, tree_position, target: target.max(tree_position) })
}

/// The fold, its position and that of the view's rows, which is the same or later.
fn restore_view(store: &ViewStore, view: View, origin: Origin) -> Result<Option<(AnyFold, Position, Position)>, StoreError> {
    let Some(checkpoint) = store.checkpoint(view)?.filter(|checkpoint| checkpoint.origin() == origin) else { return Ok(None) };
    let Some(saved) = store.saved(Part::Fold(view))? else { return Ok(None) };
    if saved.checkpoint.origin() != origin || saved.checkpoint.position() > checkpoint.position() {
        return Ok(None);
    }
    match AnyFold::load(view, &saved.bytes) {
        Ok(fold) => Ok(Some((fold, saved.checkpoint.position(), checkpoint.position()))),
        Err(error) => {
            tracing::warn!(%view, %error, "the saved state of a view cannot be read; the view is folded anew");
            Ok(None)
        }
    }
}

/// Puts the memory of the folds and the tree beside the rows.
pub(crate) fn save(folds: &Folds, tree: &AreaTree, checkpoint: Checkpoint, writes: &mut Writes) -> Result<(), postcard::Error> {
    for seat in &folds.seats {
        writes.put_state(Part::Fold(seat.fold.view()), &Saved { checkpoint, bytes: seat.fold.save()? });
    }
    writes.put_state(Part::Areas, &Saved { checkpoint, bytes: postcard::to_stdvec(tree)? });
    Ok(())
}
