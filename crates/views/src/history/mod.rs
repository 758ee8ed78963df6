//! Every view at every position: a version of each row for each record that changed it, made by a thread with folds of its own and kept on disk beside
//! the live views. Any moment is read like the present, and equals a replay that is cut there.
//!
//! It must never answer for a record that it has not taken in: who asks is told how far it is, and may fold the log instead.

mod follow;
mod keys;
mod read;
mod rows;
mod store;
mod trees;

use std::sync::Arc;
use std::thread::JoinHandle;

use muster_log::{EpochPosition, Log, Position};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::areas::Areas;
use crate::errors::{QueryError, RunnerError, StoreError};
use crate::filter::Filter;
use crate::limits;
use crate::live::{Page, Snapshot};
use crate::runner::{Dump, Progress};
use crate::source::Origin;
use crate::view::View;
use follow::Follower;
use read::Moment;
pub use read::RowPair;
pub use store::HistoryStore;
use store::Writes;
use trees::{Trees, Turn};

/// What the thread is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Control {
    stop: bool,
    /// How often the versions were to be made anew.
    anew: u64,
}

/// What the thread and the readers share.
struct Shared {
    views: Vec<View>,
    store: HistoryStore,
    origin: Origin,
    /// Changed together with the place in `progress`.
    trees: Mutex<Trees>,
    progress: watch::Sender<Progress>,
}

/// Rows that differ between two moments, ordered by realm and id.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The view.
    pub view: View,
    /// The first moment.
    pub from: EpochPosition,
    /// The second moment, which may be the earlier one.
    pub to: EpochPosition,
    /// The rows.
    pub rows: Vec<RowPair>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// A running history. Clones are the same; it ends with the last of them, or with [`HistoryHandle::shutdown`].
#[derive(Clone)]
pub struct HistoryHandle {
    shared: Arc<Shared>,
    control: Arc<watch::Sender<Control>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// Follows `log` on a thread of its own. What the store has of another log or epoch, beyond the log's end, of other views or by other versions of their
/// folds, is thrown away and folded anew.
///
/// # Errors
/// The store could not be read, or no thread was to be had.
///
/// # Panics
/// Outside of a Tokio runtime.
pub fn spawn_history(views: &[View], store: HistoryStore, log: Arc<dyn Log>) -> Result<HistoryHandle, RunnerError> {
    let origin = Origin { log: log.id(), epoch: log.epoch() };
    let same_views = store.is_of(views)?;
    let known = store.checkpoint()?.filter(|known| same_views && known.origin() == origin && known.position() <= log.watermark());
    let known = known.and_then(|known| Some((known.position(), turns(&store)?)));
    if known.is_none() {
        let mut writes = Writes::default();
        writes.clear(views);
        store.write(writes)?;
    }
    let (at, trees) = known.unwrap_or_default();
    let progress = Progress { at: EpochPosition { epoch: origin.epoch, position: at }, ready: true, stopped: None };
    let (control, controlled) = watch::channel(Control::default());
    let views = views.to_vec();
    let shared = Arc::new(Shared { views: views.clone(), store, origin, trees: Mutex::new(trees), progress: watch::Sender::new(progress) });
    let follower = Follower { shared: Arc::clone(&shared), log, views, control: controlled };
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::Builder::new().name("views-history".to_owned()).spawn(move || follower.run(&runtime));
    let thread = thread.map_err(|error| RunnerError::Thread { detail: error.to_string() })?;
    Ok(HistoryHandle { shared, control: Arc::new(control), thread: Arc::new(Mutex::new(Some(thread))) })
}

/// The events of the tree; nothing where one of them cannot be read, and so nothing of the history is to be trusted.
fn turns(store: &HistoryStore) -> Option<Trees> {
    let mut trees = Trees::default();
    let read = store.each(keys::TREES, |key, value| {
        let (position, turn) = keys::split_tree(key).zip(Turn::decode(value))?;
        trees.push(position, turn);
        Some(())
    });
    match read {
        Ok(()) => Some(trees),
        Err(error) => {
            tracing::warn!(%error, "the history's events of the tree cannot be read; the history is made anew");
            None
        }
    }
}

impl Shared {
    fn at(&self) -> Position {
        self.progress.borrow().at.position
    }

    /// Tells that everything up to `at` is written.
    fn moved(&self, at: Position, turns: Vec<(Position, Turn)>) {
        let mut trees = self.trees.lock();
        turns.into_iter().for_each(|(position, turn)| trees.push(position, turn));
        self.progress.send_modify(|now| now.at.position = at);
    }

    /// Throws everything away. Readers that are under way still see what they began with.
    fn clear(&self) -> Result<(), StoreError> {
        let mut trees = self.trees.lock();
        *trees = Trees::default();
        self.progress.send_modify(|now| now.at.position = Position::ZERO);
        let mut writes = Writes::default();
        writes.clear(&self.views);
        self.store.write(writes)
    }

    fn stop(&self, error: RunnerError) {
        self.progress.send_modify(|now| now.stopped = Some(Arc::new(error)));
    }
}

impl Drop for HistoryHandle {
    fn drop(&mut self) {
        if Arc::strong_count(&self.control) == 1 {
            self.control.send_modify(|control| control.stop = true);
        }
    }
}

impl HistoryHandle {
    /// Up to where every position can be asked for.
    #[must_use]
    pub fn at(&self) -> EpochPosition {
        self.shared.progress.borrow().at
    }

    /// Place and the reason of a stop, moving. A history that has stopped still answers for what it has.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe()
    }

    /// Bytes of its files on disk, what is still in memory left out.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.store.bytes()
    }

    /// Waits until `position` can be asked for.
    ///
    /// # Errors
    /// [`QueryError::Stopped`] if that will never be.
    pub async fn wait_for(&self, position: Position) -> Result<EpochPosition, QueryError> {
        let mut progress = self.shared.progress.subscribe();
        let now = progress.wait_for(|now| now.stopped.is_some() || now.at.position >= position).await;
        let now = now.expect("the sender lives in self").clone();
        match now.stopped {
            Some(error) if now.at.position < position => Err(QueryError::Stopped(error)),
            _ => Ok(now.at),
        }
    }

    /// The rows that the filter lets through as of `position`, by page. Reads the disk on the calling thread: some ten microseconds a row.
    ///
    /// # Errors
    /// See [`QueryError`]; [`QueryError::NotReady`] above [`HistoryHandle::at`].
    pub fn snapshot(&self, view: View, filter: &Filter, page: &Page, position: Position) -> Result<Snapshot, QueryError> {
        self.snapshot_of(view, filter, page, position, rows_max(page))
    }

    /// The rows of which the filter lets through another form at `to` than at `from`, or only one of them, by page.
    ///
    /// # Errors
    /// As [`HistoryHandle::snapshot`].
    pub fn compare(&self, view: View, filter: &Filter, page: &Page, from: Position, to: Position) -> Result<Compared, QueryError> {
        self.check(view)?;
        let epoch = self.shared.origin.epoch;
        let (trees, frozen) = self.reach([from, to])?;
        let [mut was, mut is] = [(from, &trees[0]), (to, &trees[1])].map(|(at, tree)| Moment::new(view, filter, at, Arc::clone(tree)));
        let (rows, next) = read::differences(&frozen, [&mut was, &mut is], page, rows_max(page))?;
        let at = |position| EpochPosition { epoch, position };
        Ok(Compared { view, from: at(from), to: at(to), rows, next })
    }

    /// The areas as of `position`.
    ///
    /// # Errors
    /// As [`HistoryHandle::snapshot`].
    pub fn areas(&self, position: Position) -> Result<Areas, QueryError> {
        let ([tree], _) = self.reach([position])?;
        Ok(Areas(tree))
    }

    /// Every row of a view as of `position`: `realm/id` and canonical bytes, sorted.
    ///
    /// # Errors
    /// As [`HistoryHandle::snapshot`].
    pub fn dump(&self, view: View, position: Position) -> Result<Dump, QueryError> {
        let snapshot = self.snapshot_of(view, &Filter::default(), &Page::default(), position, usize::MAX)?;
        let row = |placed: &crate::live::PlacedRow| (format!("{}/{}", placed.row.realm(), placed.row.id()), placed.row.encode());
        let mut dump: Dump = snapshot.rows.iter().map(row).collect();
        dump.sort_unstable();
        Ok(dump)
    }

    fn snapshot_of(&self, view: View, filter: &Filter, page: &Page, position: Position, rows_max: usize) -> Result<Snapshot, QueryError> {
        self.check(view)?;
        let ([tree], frozen) = self.reach([position])?;
        let mut moment = Moment::new(view, filter, position, tree);
        let (rows, next) = read::page(&frozen, &mut moment, page, rows_max)?;
        Ok(Snapshot { view, at: EpochPosition { epoch: self.shared.origin.epoch, position }, rows, next })
    }

    /// The trees of these positions and a sight of the versions that has them.
    fn reach<const N: usize>(&self, positions: [Position; N]) -> Result<([Arc<crate::areas::AreaTree>; N], store::Frozen<'_>), QueryError> {
        // Under the lock nothing is thrown away in between.
        let mut trees = self.shared.trees.lock();
        let at = self.shared.at();
        if let Some(target) = positions.into_iter().max().filter(|position| *position > at) {
            return Err(QueryError::NotReady { at, target });
        }
        Ok((positions.map(|position| trees.at(position)), self.shared.store.frozen()))
    }

    fn check(&self, view: View) -> Result<(), QueryError> {
        if self.shared.views.contains(&view) { Ok(()) } else { Err(QueryError::NotKept { view }) }
    }

    /// Throws all versions away and makes them anew from the log: for when a rebuild of the views found a row that was wrong.
    pub fn begin_anew(&self) {
        self.control.send_modify(|control| control.anew += 1);
    }

    /// Ends the thread; what was written is on disk afterwards.
    ///
    /// # Errors
    /// What stopped it before, if something did.
    pub async fn shutdown(self) -> Result<(), Arc<RunnerError>> {
        self.control.send_modify(|control| control.stop = true);
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                return Err(Arc::new(RunnerError::Thread { detail: "it panicked".to_owned() }));
            }
        }
        let stopped = self.shared.progress.borrow().stopped.clone();
        match stopped {
            Some(error) if !matches!(*error, RunnerError::Closed) => Err(error),
            _ => Ok(()),
        }
    }
}

fn rows_max(page: &Page) -> usize {
    page.rows_max.filter(|rows| *rows > 0).unwrap_or(limits::PAGE_ROWS_MAX).min(limits::PAGE_ROWS_MAX)
}
