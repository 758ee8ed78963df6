//! The recent changes of each view, kept once for all subscribers, who read them here each at their own pace. It must never wait for one of them, nor
//! keep anything for one: who comes too late for a change is told so.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use muster_log::{Epoch, EpochPosition, Position};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::Commit;
use crate::view::View;

/// See the module.
pub(crate) struct Ring {
    changes_max: usize,
    inner: Mutex<Inner>,
    /// By view: sent when there is something new for its readers.
    moved: BTreeMap<View, watch::Sender<()>>,
}

#[derive(Default)]
struct Inner {
    /// Rises whenever what readers have is void.
    generation: u64,
    epoch: Epoch,
    position: Position,
    /// Before this place nobody from outside may resume: what was shown then may have been wrong, or is not what the changes after it begin with.
    valid_from: Position,
    lines: BTreeMap<View, Line>,
    closed: bool,
}

#[derive(Default)]
struct Line {
    /// Those that changed something, oldest first.
    commits: VecDeque<Arc<Commit>>,
    changes: usize,
    /// All changes after this place are here.
    reach: Position,
}

/// Where resuming from outside begins while nobody may: after a crash the folds come back to places that were shown before, in other steps than
/// then, so a change would not say where a reader's row was at the reader's own place.
pub(crate) const NOT_YET: Position = Position(u64::MAX);

/// Where a reader is. Void once the generation is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    generation: u64,
    pub(crate) at: EpochPosition,
}

impl Mark {
    /// The same reader, further on.
    pub(crate) fn at(self, at: EpochPosition) -> Self {
        Self { at, ..self }
    }

    /// Whether both are of the same rows.
    pub(crate) fn goes_with(self, other: Self) -> bool {
        (self.generation, self.at.epoch) == (other.generation, other.at.epoch)
    }
}

/// Lines with nothing on them, from a place on.
fn lines(views: &[View], reach: Position) -> BTreeMap<View, Line> {
    views.iter().map(|view| (*view, Line { reach, ..Line::default() })).collect()
}

/// What comes after a mark.
pub(crate) enum Next {
    /// These changes.
    Commit(Arc<Commit>),
    /// Nothing up to this place.
    Nothing(EpochPosition),
    /// That is not known any more.
    Lost,
}

impl Ring {
    /// Keeps so many changes of each of these views; see [`crate::limits::RING_CHANGES_MAX`].
    pub(crate) fn new(views: &[View], changes_max: usize) -> Self {
        let inner = Inner { lines: lines(views, Position::ZERO), ..Inner::default() };
        let moved = views.iter().map(|view| (*view, watch::Sender::new(()))).collect();
        Self { changes_max, inner: Mutex::new(inner), moved }
    }

    /// Takes in what became visible, one commit a view.
    pub(super) fn push(&self, position: Position, commits: impl IntoIterator<Item = (View, Arc<Commit>)>) {
        // Let go of after the lock, for which streams wait: a commit can be large.
        let mut gone = Vec::new();
        let mut told = Vec::new();
        let mut inner = self.inner.lock();
        inner.position = position;
        for (view, commit) in commits {
            let Some(line) = inner.lines.get_mut(&view) else { continue };
            line.changes += commit.changes.len();
            line.commits.push_back(commit);
            // The newest stays, however large: most readers want it at once.
            while line.changes > self.changes_max
                && line.commits.len() > 1
                && let Some(oldest) = line.commits.pop_front()
            {
                line.changes -= oldest.changes.len();
                line.reach = oldest.at.position;
                gone.push(oldest);
            }
            told.push(view);
        }
        drop(inner);
        told.into_iter().for_each(|view| self.tell(view));
    }

    /// Moves on to a place of which all rows are there and no changes are known.
    pub(super) fn skip(&self, to: Position) {
        let mut inner = self.inner.lock();
        inner.position = to;
        inner.lines = lines(&self.views(), to);
        drop(inner);
        self.moved.values().for_each(|moved| moved.send_replace(()));
    }

    /// Starts anew from a place: whatever readers have is void. From outside one may resume at `valid_from` and after.
    pub(crate) fn reset(&self, at: EpochPosition, valid_from: Position) {
        let mut inner = self.inner.lock();
        let lines = lines(&self.views(), at.position);
        let (generation, closed) = (inner.generation + 1, inner.closed);
        let anew = Inner { generation, epoch: at.epoch, position: at.position, valid_from, lines, closed };
        let gone = std::mem::replace(&mut *inner, anew);
        drop(inner);
        drop(gone);
        self.moved.values().for_each(|moved| moved.send_replace(()));
    }

    /// From here on one may resume from outside, where that was left open until everything known at the start would be here.
    pub(crate) fn admit(&self, from: Position) {
        let mut inner = self.inner.lock();
        if inner.valid_from == NOT_YET {
            inner.valid_from = from;
        }
    }

    /// Nothing more comes.
    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
        self.moved.values().for_each(|moved| moved.send_replace(()));
    }

    fn tell(&self, view: View) {
        if let Some(moved) = self.moved.get(&view) {
            moved.send_replace(());
        }
    }

    fn views(&self) -> Vec<View> {
        self.moved.keys().copied().collect()
    }

    /// Tells when there is something new for a view's readers; nothing ever of a view that is not kept.
    pub(crate) fn watch(&self, view: View) -> watch::Receiver<()> {
        self.moved.get(&view).map_or_else(|| watch::channel(()).1, watch::Sender::subscribe)
    }

    /// Here.
    pub(crate) fn mark(&self) -> Mark {
        let inner = self.inner.lock();
        Mark { generation: inner.generation, at: EpochPosition { epoch: inner.epoch, position: inner.position } }
    }

    /// A reader from outside who has everything up to a place, if all that came after it is here.
    pub(crate) fn resume(&self, view: View, from: EpochPosition) -> Option<Mark> {
        let inner = self.inner.lock();
        let reach = inner.lines.get(&view)?.reach.max(inner.valid_from);
        let known = from.epoch == inner.epoch && (reach..=inner.position).contains(&from.position);
        known.then_some(Mark { generation: inner.generation, at: from })
    }

    /// What comes after a mark.
    pub(crate) fn after(&self, view: View, mark: Mark) -> Next {
        let inner = self.inner.lock();
        let Some(line) = inner.lines.get(&view) else { return Next::Lost };
        let known = (mark.generation, mark.at.epoch) == (inner.generation, inner.epoch) && mark.at.position >= line.reach;
        if !known {
            return Next::Lost;
        }
        let next = line.commits.partition_point(|commit| commit.at.position <= mark.at.position);
        match line.commits.get(next) {
            Some(commit) => Next::Commit(Arc::clone(commit)),
            None if inner.closed => Next::Lost,
            None => Next::Nothing(EpochPosition { epoch: inner.epoch, position: inner.position }),
        }
    }
}
