//! Where a runner starts: from the saved folds if all of them are whole, of one position, of this log and epoch and of the program's version, else from
//! nothing; or with those that are, beside rows that are only shown until they are made anew.

use muster_log::Position;

use crate::errors::StoreError;
use crate::fold::{AnyFold, Folds};
use crate::live::Outdated;
use crate::source::Origin;
use crate::store::{Checkpoint, Part, Saved, ViewStore, Writes, damaged};
use crate::view::{Row, View};

/// Folds, and where the rows are.
pub(super) struct Restored {
    pub(super) folds: Folds,
    /// The farthest position of any row that these folds make: before it, rows are ahead of the folds.
    pub(super) target: Position,
    /// Whether rows that another version of a fold made were given up for this.
    pub(super) replaces: bool,
    /// The views that have no fold here, for their rows or their memory are not of its present version and place.
    pub(super) outdated: Vec<Outdated>,
}

impl Restored {
    /// Nothing folded yet.
    fn fresh(views: &[View], replaces: bool) -> Self {
        Self { folds: Folds::fresh(views), target: Position::ZERO, replaces, outdated: Vec::new() }
    }
}

/// With `keep_outdated` a view whose rows another version of its fold made is left as it is, and the others go on; without, all begin anew.
pub(super) fn restore(store: &ViewStore, views: &[View], origin: Origin, keep_outdated: bool) -> Result<Restored, StoreError> {
    if let Some(restored) = saved(store, views, origin, keep_outdated)? {
        return Ok(restored);
    }
    let (mut writes, mut replaces) = (Writes::default(), false);
    for view in views {
        replaces |= store.checkpoint(*view)?.is_some() && store.version(*view)? != view.version();
        writes.clear_view(*view);
    }
    store.write(writes)?;
    Ok(Restored::fresh(views, replaces))
}

fn saved(store: &ViewStore, views: &[View], origin: Origin, keep_outdated: bool) -> Result<Option<Restored>, StoreError> {
    let Some(saved) = store.saved(Part::Ledger)?.filter(|saved| saved.checkpoint.origin() == origin) else { return Ok(None) };
    let at = saved.checkpoint;
    let ledger = match postcard::from_bytes(&saved.bytes) {
        Ok(ledger) => ledger,
        Err(error) => {
            tracing::warn!(%error, "the saved ledger of the views cannot be read; the views are folded anew");
            return Ok(None);
        }
    };
    let (mut target, mut folds, mut outdated) = (at.position(), Vec::new(), Vec::new());
    for view in views {
        match current(store, *view, at)? {
            Some((fold, rows)) => {
                target = target.max(rows.position());
                folds.push(fold);
            }
            None if keep_outdated => outdated.push(left(store, *view, origin)?),
            None => return Ok(None),
        }
    }
    Ok(Some(Restored { folds: Folds { ledger, folds, position: at.position() }, target, replaces: false, outdated }))
}

/// The fold of a view whose rows and memory are of its present version, whole, and of the place of the others.
fn current(store: &ViewStore, view: View, at: Checkpoint) -> Result<Option<(AnyFold, Checkpoint)>, StoreError> {
    let rows = store.checkpoint(view)?.filter(|rows| rows.origin() == at.origin() && rows.position() >= at.position());
    let fold = store.saved(Part::Fold(view))?.filter(|saved| saved.checkpoint == at);
    let (Some(rows), Some(fold)) = (rows, fold) else { return Ok(None) };
    if store.version(view)? != view.version() {
        return Ok(None);
    }
    match AnyFold::load(view, &fold.bytes) {
        Ok(fold) => Ok(Some((fold, rows))),
        Err(error) => {
            tracing::warn!(%view, %error, "the saved state of a view cannot be read; it is folded anew");
            Ok(None)
        }
    }
}

/// What an earlier version left of a view: rows that can still be shown, or nothing.
fn left(store: &ViewStore, view: View, origin: Origin) -> Result<Outdated, StoreError> {
    let made_at = store.checkpoint(view)?.filter(|rows| rows.origin() == origin).map(|rows| rows.at());
    let readable = made_at.is_some() && {
        let decoded = store.scan(view, |realm, id, bytes| match Row::decode(view, bytes) {
            Ok(row) if (row.realm(), row.id().as_str()) == (realm, id) => Ok(()),
            Ok(_) => Err(damaged(view, format!("{realm}/{id}"), "it says that it is another one")),
            Err(error) => Err(damaged(view, format!("{realm}/{id}"), &error.to_string())),
        });
        match decoded {
            Ok(()) => true,
            Err(error @ StoreError::DamagedRow { .. }) => {
                tracing::warn!(%view, %error, "the rows that an earlier version made cannot be shown");
                false
            }
            Err(error) => return Err(error),
        }
    };
    let rows = made_at.filter(|_| readable).map(|at| store.version(view).map(|version| (version, at))).transpose()?;
    if rows.is_none() {
        let mut writes = Writes::default();
        writes.clear_view(view);
        store.write(writes)?;
    }
    Ok(Outdated { view, rows })
}

/// Puts the memory of the folds beside the rows.
pub(crate) fn save(folds: &Folds, checkpoint: Checkpoint, writes: &mut Writes) -> Result<(), postcard::Error> {
    for fold in &folds.folds {
        writes.put_state(Part::Fold(fold.view()), &Saved { checkpoint, bytes: fold.save()? });
    }
    writes.put_state(Part::Ledger, &Saved { checkpoint, bytes: postcard::to_stdvec(&folds.ledger)? });
    Ok(())
}
