//! What readers of the views get: snapshots, changes, positions. Plain data.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use muster_log::EpochPosition;
use muster_proto::v1;

use crate::places::Path;
use crate::view::{Row, View};

/// Which part of the rows somebody wants at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The `next` of the page before; the first page without it. Pages of one listing may be of different positions.
    pub after: Option<String>,
    /// Most rows; `None`, 0 and what is above it mean [`crate::limits::PAGE_ROWS_MAX`].
    pub rows_max: Option<usize>,
}

/// A row and where it stands.
#[derive(Clone, Debug)]
pub struct PlacedRow {
    /// The row.
    pub row: Arc<Row>,
    /// The path to its area as of the snapshot's or change's position.
    pub path: Arc<v1::AreaPath>,
    pub(crate) place: Path,
}

/// The row and its areas. Of which units it is depends on the views that are kept, and says nothing of the row.
impl PartialEq for PlacedRow {
    fn eq(&self, other: &Self) -> bool {
        self.row == other.row && self.place.at == other.place.at && self.place.also == other.place.also
    }
}

impl PlacedRow {
    pub(crate) fn new(row: Arc<Row>, place: Path) -> Self {
        Self { row, path: Arc::clone(&place.at.levels), place }
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
    pub realm: Arc<str>,
    /// The row's id within view and realm.
    pub id: Arc<str>,
    /// What became of it.
    pub kind: ChangeKind,
    /// What is sent of it.
    pub frames: Arc<Frames>,
}

/// How a change is shown: all who are shown it in the same form are sent the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The row, whole.
    Whole,
    /// The row without persons.
    WithoutPersons,
    /// That the row is gone.
    Gone,
}

/// What is sent of one change to whoever is told of it, made when the first of them is and kept for the others.
#[derive(Debug, Default)]
pub struct Frames([OnceLock<Bytes>; 3]);

impl Frames {
    /// The bytes of a form, made now if nobody asked for them before. All who ask must make the same.
    pub fn get(&self, form: Form, make: impl FnOnce() -> Bytes) -> Bytes {
        self.0[form as usize].get_or_init(make).clone()
    }
}

/// They follow from the change and say nothing of their own.
impl PartialEq for Frames {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What became of a row, seen through a [`crate::Filter`].
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeKind {
    /// It is new, or changed, or came among the rows wanted.
    Upsert {
        /// The row now.
        placed: PlacedRow,
        /// Where it stood before, if it moved in the tree.
        former_path: Option<Arc<v1::AreaPath>>,
    },
    /// It is gone, or left the rows wanted.
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
    /// The next rows of what there is, in order of realm and id; with `next` empty they were the last.
    Rows(Snapshot),
    /// Apply these to what you have. While rows are still to come they are of rows that you had.
    Changes(ChangeBatch),
    /// Forget what you have: you read too slowly, or the log was restored. Rows follow.
    Reset(EpochPosition),
}

/// How a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With all rows, page by page.
    Rows,
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

/// A view that is not folded yet by the present version of its fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outdated {
    /// The view.
    pub view: View,
    /// Which version made the rows that are shown, and as of where; nothing where there are none to show.
    pub rows: Option<(u32, EpochPosition)>,
}

/// A view that was outdated when the runner started, and is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// The view.
    pub view: View,
    /// Which version made the rows before; none if there were none to show.
    pub former_version: Option<u32>,
    /// How many rows the present version made.
    pub rows: u64,
    /// How many rows the two versions made otherwise, as of the place of the former ones.
    pub differing: Option<u64>,
    /// Where the new ones were put in their place.
    pub at: EpochPosition,
}

/// How a runner comes along towards the end of its source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// It is so far behind that it writes in large commits only, see [`crate::limits::CATCH_UP_RECORDS`].
    pub catching_up: bool,
    /// How much of all records is in the rows, in percent.
    pub percent: f64,
    /// When it will be at the end at the pace of the last seconds; nothing if that cannot be told yet.
    pub remaining: Option<Duration>,
}
