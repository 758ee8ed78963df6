//! Where a runner starts: from the saved folds if all of them are whole, of one position and of this log and epoch, else from nothing.

use muster_log::Position;

use crate::errors::StoreError;
use crate::fold::{AnyFold, Folds};
use crate::source::Origin;
use crate::store::{Checkpoint, Part, Saved, ViewStore, Writes};
use crate::view::View;

/// Folds, and where the rows are.
pub(super) struct Restored {
    pub(super) folds: Folds,
    /// The farthest position of any row: before it, rows are ahead of the folds.
    pub(super) target: Position,
}

impl Restored {
    /// Nothing folded yet.
    pub(super) fn fresh(views: &[View]) -> Self {
        Self { folds: Folds::fresh(views), target: Position::ZERO }
    }
}

pub(super) fn restore(store: &ViewStore, views: &[View], origin: Origin) -> Result<Restored, StoreError> {
    if let Some(restored) = saved(store, views, origin)? {
        return Ok(restored);
    }
    let mut writes = Writes::default();
    views.iter().for_each(|view| writes.clear_view(*view));
    store.write(writes)?;
    Ok(Restored::fresh(views))
}

fn saved(store: &ViewStore, views: &[View], origin: Origin) -> Result<Option<Restored>, StoreError> {
    let Some(ledger) = store.saved(Part::Ledger)?.filter(|saved| saved.checkpoint.origin() == origin) else { return Ok(None) };
    let at = ledger.checkpoint;
    let mut target = at.position();
    let mut folds = Vec::new();
    for view in views {
        let rows = store.checkpoint(*view)?.filter(|rows| rows.origin() == origin && rows.position() >= at.position());
        let fold = store.saved(Part::Fold(*view))?.filter(|saved| saved.checkpoint == at);
        let (Some(rows), Some(fold)) = (rows, fold) else { return Ok(None) };
        if store.version(*view)? != view.version() {
            return Ok(None);
        }
        target = target.max(rows.position());
        match AnyFold::load(*view, &fold.bytes) {
            Ok(fold) => folds.push(fold),
            Err(error) => {
                tracing::warn!(%view, %error, "the saved state of a view cannot be read; the views are folded anew");
                return Ok(None);
            }
        }
    }
    match postcard::from_bytes(&ledger.bytes) {
        Ok(ledger) => Ok(Some(Restored { folds: Folds { ledger, folds, position: at.position() }, target })),
        Err(error) => {
            tracing::warn!(%error, "the saved ledger of the views cannot be read; the views are folded anew");
            Ok(None)
        }
    }
}

/// Puts the memory of the folds beside the rows.
pub(crate) fn save(folds: &Folds, checkpoint: Checkpoint, writes: &mut Writes) -> Result<(), postcard::Error> {
    for fold in &folds.folds {
        writes.put_state(Part::Fold(fold.view()), &Saved { checkpoint, bytes: fold.save()? });
    }
    writes.put_state(Part::Ledger, &Saved { checkpoint, bytes: postcard::to_stdvec(&folds.ledger)? });
    Ok(())
}
