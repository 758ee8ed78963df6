//! What readers of the views get: snapshots, changes, positions. Plain data.

use std::sync::Arc;
use std::time::Duration;

use muster_log::EpochPosition;
use muster_proto::v1;

use crate::view::{Row, View};

/// Which rows of a view somebody wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// One realm, or every realm.
    pub realm: Option<String>,
    /// The area whose subtree is wanted, or everything. An area that no record has named has no rows.
    pub area: Option<String>,
}

/// Which part of the rows somebody wants at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The `next` of the page before; the first page without it. Pages of one listing may be of different positions.
    pub after: Option<String>,
    /// Most rows; `None`, 0 and what is above it mean [`crate::limits::PAGE_ROWS_MAX`].
    pub rows_max: Option<usize>,
}

/// A row and where it stands in the tree of areas.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedRow {
    /// The row.
    pub row: Arc<Row>,
    /// The path to its area as of the snapshot's or change's position.
    pub path: Arc<v1::AreaPath>,
    /// The path to the other area in whose subtrees it is seen as well, if there is one.
    pub also: Option<Arc<v1::AreaPath>>,
}

impl PlacedRow {
    /// Whether the row is seen in an area's subtree.
    #[must_use]
    pub fn is_within(&self, area_id: &str) -> bool {
        std::iter::once(&self.path).chain(&self.also).any(|path| muster_proto::path_is_within(path, area_id))
    }
}

/// Rows as of one position, ordered by realm and id.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The view.
    pub view: View,
    /// Every record up to here is in the rows, and none after.
    pub at: EpochPosition,
    /// The rows.
    pub rows: Vec<PlacedRow>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// One row changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The row's realm.
    pub realm: String,
    /// The row's id within view and realm.
    pub id: String,
    /// What became of it.
    pub kind: ChangeKind,
}

/// What became of a row, seen through a [`Filter`].
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeKind {
    /// It is new, or changed, or came into the subtree.
    Upsert {
        /// The row now.
        placed: PlacedRow,
        /// Where it stood before, if it moved in the tree.
        former_path: Option<Arc<v1::AreaPath>>,
    },
    /// It is gone, or left the subtree.
    Remove {
        /// Where it stood before.
        former_path: Arc<v1::AreaPath>,
    },
}

/// Changes that become visible together. Several changes of one row are merged into the last; what was not changed is not among them.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeBatch {
    /// With these changes every record up to here is taken in. Remember it only after the whole batch.
    pub at: EpochPosition,
    /// The changes, each row once; at least one.
    pub changes: Vec<Change>,
}

/// What a subscription hands out.
#[derive(Clone, Debug, PartialEq)]
pub enum Live {
    /// Apply these to what you have.
    Changes(ChangeBatch),
    /// Forget what you have: you read too slowly, or the log was restored. Here is everything anew.
    Reset(Snapshot),
}

/// How a subscription begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// With all rows.
    Snapshot(Snapshot),
    /// The changes after the position that was named follow; no rows are needed.
    Resumed(EpochPosition),
}

/// How far the views are behind their source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Records that are known to exist and are not in the rows yet.
    pub positions: u64,
    /// How long the first of them has been known; zero when there are none.
    pub age: Duration,
}
