//! Folds record by record in memory, without a store or a thread: for those who have the records themselves.

use muster_log::Record;

use crate::fact::{FactError, Scribe};
use crate::fold::{AnyFold, Folds, RowChange};
use crate::view::View;

/// The folds of some views, from the first record on.
pub struct Pass {
    scribe: Scribe,
    folds: Folds,
}

/// A pass that was saved and cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("not a saved pass: {0}")]
pub struct PassError(#[from] postcard::Error);

impl Pass {
    /// Folds that have seen nothing.
    #[must_use]
    pub fn new(views: &[View]) -> Self {
        Self::over(Folds::fresh(views))
    }

    fn over(folds: Folds) -> Self {
        Self { scribe: Scribe::new(folds.interest(), folds.ledger.names.clone()), folds }
    }

    /// Takes in the next record.
    ///
    /// # Errors
    /// A record that cannot be read; it was not taken in.
    pub fn take(&mut self, record: &Record) -> Result<(), FactError> {
        let batch = self.scribe.read([record])?;
        self.folds.apply(&batch, record.position, |_| ());
        Ok(())
    }

    /// Each row that changed since the last call, once, as it is now.
    pub fn drain(&mut self) -> Vec<RowChange> {
        let mut changes = Vec::new();
        self.folds.drain(|change| changes.push(change));
        changes
    }

    /// Its whole memory, changes that were not drained included.
    ///
    /// # Errors
    /// See [`PassError`].
    pub fn save(&self) -> Result<Vec<u8>, PassError> {
        let folds: Vec<Vec<u8>> = self.folds.folds.iter().map(AnyFold::save).collect::<Result<_, _>>()?;
        Ok(postcard::to_stdvec(&(self.folds.position.0, &self.folds.ledger, folds))?)
    }

    /// Goes on where a saved pass of these views, in this order, stopped.
    ///
    /// # Errors
    /// See [`PassError`].
    pub fn load(views: &[View], bytes: &[u8]) -> Result<Self, PassError> {
        let (position, ledger, folds): (u64, _, Vec<Vec<u8>>) = postcard::from_bytes(bytes)?;
        let folds = views.iter().zip(&folds).map(|(view, bytes)| AnyFold::load(*view, bytes)).collect::<Result<_, _>>()?;
        Ok(Self::over(Folds { ledger, folds, position: muster_log::Position(position) }))
    }
}
