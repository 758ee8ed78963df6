//! Whistles.

use serde::{Deserialize, Serialize};

use crate::fact::Fact;
use crate::fold::{Fold, RowChange};
use crate::view::View;

/// The fold of the view.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WhistlesFold {}

impl Fold for WhistlesFold {
    const VIEW: View = View::Whistles;
    fn interested(_event_tag: u32) -> bool {
        true
    }
    fn apply(&mut self, _fact: &Fact) {}
    fn drain(&mut self, _changes: &mut Vec<RowChange>) {}
    fn dirty(&self) -> usize {
        0
    }
}
