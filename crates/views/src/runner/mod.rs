//! The worker: one thread reads and decodes, one folds, writes and publishes. The same code runs in the server on the log's tail and in a worker
//! process on JetStream. It must never write a row without its checkpoint, nor show a row that is not written.

mod folding;
mod lag;
mod reading;
mod restore;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use muster_log::{Epoch, EpochPosition, Position};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use crate::areas::{AreaTree, Areas};
use crate::errors::{QueryError, ReplayError, RunnerError};
use crate::fact::Scribe;
use crate::filter::Filter;
use crate::fold::Folds;
use crate::hub::{Hub, NOT_YET, Ring, read_found};
use crate::limits;
use crate::live::{Lag, Outdated, Outlook, Page, Renewed, Snapshot, Start};
use crate::rebuild::{Draft, Rebuilt};
use crate::records::{Records, Shelf};
use crate::source::{EventSource, Origin};
use crate::store::ViewStore;
use crate::subscription::Subscription;
use crate::view::{Row, View};
use lag::{LagClock, Pace};
use reading::{Adoption, Message};
pub(crate) use restore::save as save_parts;

/// How a runner works. Defaults are for production.
#[derive(Clone, Copy, Debug)]
pub struct RunnerOptions {
    /// See [`limits::MERGE_MS`].
    pub merge_ms: u64,
    /// See [`limits::CATCH_UP_RECORDS`].
    pub catch_up_records: u64,
    /// See [`limits::COMMIT_RECORDS_MAX`].
    pub commit_records_max: u64,
    /// See [`limits::COMMIT_ROWS_MAX`].
    pub commit_rows_max: usize,
    /// See [`limits::STATE_RECORDS`].
    pub state_records: u64,
    /// See [`limits::RING_CHANGES_MAX`].
    pub ring_changes_max: usize,
    /// A view whose stored rows another version of its fold made is shown as it is while the others go on, until [`ViewsHandle::renew`] was called and
    /// has put new rows in their place. Without it, all views are folded anew in place.
    pub keep_outdated: bool,
}

impl Default for RunnerOptions {
    fn default() -> Self {
        Self {
            merge_ms: limits::MERGE_MS,
            catch_up_records: limits::CATCH_UP_RECORDS,
            commit_records_max: limits::COMMIT_RECORDS_MAX,
            commit_rows_max: limits::COMMIT_ROWS_MAX,
            state_records: limits::STATE_RECORDS,
            ring_changes_max: limits::RING_CHANGES_MAX,
            keep_outdated: false,
        }
    }
}

/// How far a runner is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Everything up to here is in the rows.
    pub at: EpochPosition,
    /// Rows can be asked for. False only after a start, until the folds are where the rows are and where the source was known to end.
    pub ready: bool,
    /// Why it stopped, once it has.
    pub stopped: Option<Arc<RunnerError>>,
}

/// What the threads and the readers share.
pub(crate) struct Shared {
    pub(crate) views: Vec<View>,
    /// The folding thread holds it while it writes: nobody may ask for it who must not wait for a disk.
    pub(crate) hub: Mutex<Hub>,
    /// The tree as of the rows, and the generation of the store that they are in: for those who must not wait.
    areas: Mutex<Arc<AreaTree>>,
    generation: AtomicU32,
    /// The hub's, for those who only want what changed.
    pub(crate) ring: Arc<Ring>,
    pub(crate) progress: watch::Sender<Progress>,
    /// Whose records the rows are of.
    origin: Mutex<Origin>,
    /// Where the folds have to come to before rows may be read: the farthest of the rows, and what the source had at the start.
    target: Mutex<Position>,
    /// The source's end.
    end: Mutex<watch::Receiver<Position>>,
    lag: Mutex<LagClock>,
    pace: Mutex<Pace>,
    /// Views without a fold, and those that have got one since the start.
    outdated: Mutex<Vec<Outdated>>,
    renewed: Mutex<Vec<Renewed>>,
    options: RunnerOptions,
}

/// A running set of views. Clones are the same runner; it ends with the last of them, or with [`ViewsHandle::shutdown`].
#[derive(Clone)]
pub struct ViewsHandle {
    pub(crate) shared: Arc<Shared>,
    stop: Arc<watch::Sender<bool>>,
    /// To the folding thread.
    messages: SyncSender<Message>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// Starts the views on their own threads.
///
/// `views` are kept from where the store has them; what it does not have, or has of another log or epoch, is folded from position 1.
///
/// # Errors
/// The store could not be read, or no thread was to be had.
///
/// # Panics
/// Outside of a Tokio runtime: the source may need one.
pub fn spawn<S: EventSource>(views: &[View], store: ViewStore, source: S, options: RunnerOptions) -> Result<ViewsHandle, RunnerError> {
    let mut views = views.to_vec();
    views.sort_unstable();
    views.dedup();
    let runtime = tokio::runtime::Handle::current();
    let origin = source.origin();
    let restore::Restored { folds, target, replaces, outdated } = restore::restore(&store, &views, origin, options.keep_outdated)?;
    let ring = Arc::new(Ring::new(&views, options.ring_changes_max));
    let at = EpochPosition { epoch: origin.epoch, position: folds.position };
    let end = source.end();
    // Nobody is to take a city of the past for the present one.
    let target = target.max(*end.borrow());
    // With nothing to come back to, what was shown at this place is what is here.
    let settled = target <= at.position && at.position == *end.borrow() && at.position > Position::ZERO;
    let hub = Hub::of_store(Arc::clone(&ring), at, folds.ledger.tree.clone(), &store, &views)?;
    ring.reset(at, if settled { at.position } else { NOT_YET });
    let progress = Progress { at, ready: target <= at.position, stopped: None };
    let shared = Arc::new(Shared {
        views,
        hub: Mutex::new(hub),
        areas: Mutex::new(Arc::new(folds.ledger.tree.clone())),
        generation: AtomicU32::new(store.generation()),
        ring,
        progress: watch::Sender::new(progress),
        origin: Mutex::new(origin),
        target: Mutex::new(target),
        end: Mutex::new(end),
        lag: Mutex::new(LagClock::default()),
        pace: Mutex::default(),
        outdated: Mutex::new(outdated),
        renewed: Mutex::default(),
        options,
    });
    let (stop, stopped) = watch::channel(false);
    let (sender, receiver) = sync_channel(limits::DECODED_BATCHES_MAX);
    let (rewinds, rewound) = mpsc::channel(limits::REWINDS_MAX);
    let scribe = Scribe::new(folds.interest(), folds.ledger.names.clone());
    let whole = Folds::fresh(&shared.views).interest();
    let reader = reading::Reader::new(source, (scribe, whole), at.position.next(), sender.clone(), rewound, stopped);
    let folder = folding::Folder::new(Arc::clone(&shared), store, folds, origin, rewinds).replacing(replaces);
    let threads = vec![thread("views-fold", move || folder.run(&receiver))?, thread("views-read", move || reader.run(&runtime))?];
    Ok(ViewsHandle { shared, stop: Arc::new(stop), messages: sender, threads: Arc::new(Mutex::new(threads)) })
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, RunnerError> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    spawned.map_err(|error| RunnerError::Thread { detail: error.to_string() })
}

impl Drop for ViewsHandle {
    fn drop(&mut self) {
        if Arc::strong_count(&self.stop) == 1 {
            let _ = self.stop.send(true);
        }
    }
}

impl ViewsHandle {
    /// The views kept here.
    #[must_use]
    pub fn views(&self) -> &[View] {
        &self.shared.views
    }

    /// Which log the rows are of, and which epoch of it. A worker's rows become another log's when its stream does; subscriptions
    /// start anew then.
    #[must_use]
    pub fn origin(&self) -> Origin {
        *self.shared.origin.lock()
    }

    /// How far the rows are.
    #[must_use]
    pub fn at(&self) -> EpochPosition {
        self.shared.progress.borrow().at
    }

    /// Position, readiness and the reason of a stop, moving.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe()
    }

    /// How far the rows are behind the source.
    #[must_use]
    pub fn lag(&self) -> Lag {
        let end = *self.shared.end.lock().borrow();
        let at = self.at().position;
        self.shared.lag.lock().lag(at, end)
    }

    /// How the rows come along towards the source's end.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn outlook(&self) -> Outlook {
        let end = *self.shared.end.lock().borrow();
        let at = self.at().position;
        let percent = if at >= end { 100.0 } else { at.0 as f64 * 100.0 / end.0 as f64 };
        let catching_up = end.0.saturating_sub(at.0) > self.shared.options.catch_up_records;
        Outlook { catching_up, percent, remaining: self.shared.pace.lock().remaining(at, end, Instant::now()) }
    }

    /// Which generation of the store is in use.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// The areas as of the rows.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn areas(&self) -> Result<Areas, QueryError> {
        self.shared.check_ready()?;
        Ok(Areas(Arc::clone(&self.shared.areas.lock())))
    }

    /// The views that are not folded by the present version of their fold yet; see [`RunnerOptions::keep_outdated`].
    #[must_use]
    pub fn outdated(&self) -> Vec<Outdated> {
        self.shared.outdated.lock().clone()
    }

    /// The same of one view; nothing where it is as it should be.
    #[must_use]
    pub fn outdated_of(&self, view: View) -> Option<Outdated> {
        self.shared.outdated.lock().iter().find(|outdated| outdated.view == view).copied()
    }

    /// The views that were outdated at the start and are no more.
    #[must_use]
    pub fn renewed(&self) -> Vec<Renewed> {
        self.shared.renewed.lock().clone()
    }

    /// How many rows a view has, in all realms. Waits for the disk, as everything does that finds rows.
    #[must_use]
    pub fn rows(&self, view: View) -> u64 {
        self.shared.hub.lock().rows(view)
    }

    /// Waits until everything up to `position` is in the rows and they can be read.
    ///
    /// # Errors
    /// [`QueryError::Stopped`] if that will never be.
    pub async fn wait_for(&self, position: Position) -> Result<EpochPosition, QueryError> {
        let mut progress = self.shared.progress.subscribe();
        let reached = progress.wait_for(|now| now.stopped.is_some() || (now.ready && now.at.position >= position)).await;
        let now = reached.expect("the sender lives in self").clone();
        match now.stopped {
            Some(error) if !(now.ready && now.at.position >= position) => Err(QueryError::Stopped(error)),
            _ => Ok(now.at),
        }
    }

    /// The rows that the filter lets through, as of the current position. Reads the store on the calling thread: microseconds a row.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn snapshot(&self, view: View, filter: &Filter, page: &Page) -> Result<Snapshot, QueryError> {
        self.shared.snapshot(view, filter, page)
    }

    /// One row by its realm and id. Reads the store on the calling thread: microseconds.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn row(&self, view: View, realm: &str, id: &str) -> Result<Option<Row>, QueryError> {
        self.shared.row(view, realm, id)
    }

    /// All rows that the filter lets through, page by page, and then their changes, or only the changes after `from` if they are still known and the
    /// reader had the rows of this very filter. It holds a place and at most one page; who reads too slowly is told to start anew, and nobody else
    /// notices.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn subscribe(&self, view: View, filter: Filter, from: Option<EpochPosition>) -> Result<(Start, Subscription), QueryError> {
        Subscription::start(&self.shared, view, filter, from)
    }

    /// Every row of a view: `realm/id` and canonical bytes, sorted; and the position they are of.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn dump(&self, view: View) -> Result<(EpochPosition, Dump), QueryError> {
        let page = Page { after: None, rows_max: Some(usize::MAX) };
        let snapshot = self.shared.snapshot_unbounded(view, &Filter::default(), &page)?;
        let rows =
            snapshot.rows.iter().map(|placed| (format!("{}/{}", placed.row.realm(), placed.row.id()), placed.row.encode())).collect();
        Ok((snapshot.at, rows))
    }

    /// Folds everything again from `log`, which must be the source's own, into a new generation of the store, compares it with the rows in use at the
    /// same position, and puts it in their place. Changes are held up only for the comparison; if a row was wrong, every subscriber starts anew.
    ///
    /// # Errors
    /// See [`ReplayError`]; the present rows then stay in use.
    pub async fn rebuild<R: Records + ?Sized + 'static>(&self, log: Arc<R>) -> Result<Rebuilt, ReplayError> {
        self.fold_anew(Box::new(Shelf(log)), false, Vec::new()).await
    }

    /// Folds everything again from `log`, as [`ViewsHandle::rebuild`] does, and only tells where the rows in use differ.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub async fn verify<R: Records + ?Sized + 'static>(&self, log: Arc<R>) -> Result<Rebuilt, ReplayError> {
        self.fold_anew(Box::new(Shelf(log)), true, Vec::new()).await
    }

    /// Folds everything by the present versions into a new generation beside what is shown, while that is shown; tells where the rows of outdated views
    /// differ, as of where these are; and puts it in their place in one step, in which subscribers start anew. A process that stops halfway leaves
    /// everything as it was.
    ///
    /// # Errors
    /// See [`ReplayError`]; what was shown before is shown on.
    pub async fn renew<R: Records + ?Sized + 'static>(&self, log: Arc<R>) -> Result<Rebuilt, ReplayError> {
        let outdated = self.outdated();
        let farthest = outdated.iter().filter_map(|outdated| Some(outdated.rows?.1.position)).max().unwrap_or_default();
        // After a crash the folds may have to come back there first.
        self.wait_for(farthest).await.map_err(|_| ReplayError::BrokenOff)?;
        self.fold_anew(Box::new(Shelf(log)), false, outdated).await
    }

    async fn fold_anew(&self, log: Box<dyn Records>, compare_only: bool, outdated: Vec<Outdated>) -> Result<Rebuilt, ReplayError> {
        let (done, outcome) = oneshot::channel();
        let (shared, messages) = (Arc::clone(&self.shared), self.messages.clone());
        let folding = tokio::task::spawn_blocking(move || {
            let mut draft = Draft::new(&*log, &shared.views);
            let renewed = shared.compare_outdated(&mut draft, &*log, outdated)?;
            // What is left for the folding thread to do, which shows nothing new meanwhile, is little: it goes on while this is folded.
            for _ in 0..limits::DRAFT_ROUNDS_MAX {
                // Not farther, for the folding thread must not be behind what it takes over.
                let at = shared.progress.borrow().at.position;
                if at.0 <= draft.position().0 + limits::READ_BATCH_RECORDS as u64 && draft.position() > Position::ZERO {
                    break;
                }
                draft.advance(&*log, at)?;
            }
            // When the folding thread is gone, `done` is dropped with the message and the receiver is told.
            let _ = messages.send(Message::Adopt(Box::new(Adoption { draft, log, compare_only, renewed, done })));
            Ok(())
        });
        let gone = |detail: &str| ReplayError::Thread { detail: detail.to_owned() };
        folding.await.unwrap_or_else(|error| Err(gone(&error.to_string())))?;
        outcome.await.unwrap_or_else(|_| Err(gone("the views have stopped")))
    }

    /// Writes what is folded, saves the folds and lets the store go. Other clones find the runner stopped.
    ///
    /// # Errors
    /// What stopped the runner before, if something did.
    pub async fn shutdown(self) -> Result<(), Arc<RunnerError>> {
        let _ = self.stop.send(true);
        let threads = std::mem::take(&mut *self.threads.lock());
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().try_for_each(JoinHandle::join)).await;
        if !matches!(joined, Ok(Ok(()))) {
            return Err(Arc::new(RunnerError::Thread { detail: "it panicked".to_owned() }));
        }
        let stopped = self.shared.progress.borrow().stopped.clone();
        match stopped {
            Some(error) if !matches!(*error, RunnerError::Closed) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Keys `realm/id` and canonical bytes, sorted by key.
pub type Dump = Vec<(String, Vec<u8>)>;

impl Shared {
    /// How the rows of outdated views differ from those of their folds' present versions, each as of where the former are.
    fn compare_outdated(&self, draft: &mut Draft, log: &dyn Records, mut outdated: Vec<Outdated>) -> Result<Vec<Renewed>, ReplayError> {
        let store = self.hub.lock().store.clone().ok_or(ReplayError::BrokenOff)?;
        outdated.sort_by_key(|outdated| outdated.rows.map(|(_, at)| at));
        let mut renewed = Vec::new();
        for Outdated { view, rows } in outdated {
            let mut differing = None;
            if let Some((_, at)) = rows {
                draft.advance(log, at.position)?;
                differing = Some(draft.differences(view, &store)?.len() as u64);
            }
            renewed.push(Renewed {
                view,
                former_version: rows.map(|(version, _)| version),
                rows: 0,
                differing,
                at: EpochPosition::default(),
            });
        }
        Ok(renewed)
    }

    pub(crate) fn check(&self, view: View) -> Result<(), QueryError> {
        if !self.views.contains(&view) {
            return Err(QueryError::NotKept { view });
        }
        self.check_ready()?;
        if self.outdated.lock().iter().any(|outdated| outdated.view == view && outdated.rows.is_none()) {
            return Err(QueryError::Building { view });
        }
        Ok(())
    }

    fn check_ready(&self) -> Result<(), QueryError> {
        let now = self.progress.borrow();
        if let Some(error) = &now.stopped {
            return Err(QueryError::Stopped(Arc::clone(error)));
        }
        if !now.ready {
            return Err(QueryError::NotReady { at: now.at.position, target: *self.target.lock() });
        }
        Ok(())
    }

    fn row(&self, view: View, realm: &str, id: &str) -> Result<Option<Row>, QueryError> {
        self.check(view)?;
        let hub = self.hub.lock();
        let store = hub.store.clone().ok_or_else(|| QueryError::Stopped(Arc::new(RunnerError::Closed)))?;
        let (read, is_there) = (store.frozen(), hub.has(view, realm, id));
        drop(hub);
        Ok(if is_there { Some(read.row(view, realm, id)?) } else { None })
    }

    pub(crate) fn snapshot(&self, view: View, filter: &Filter, page: &Page) -> Result<Snapshot, QueryError> {
        let rows_max = page.rows_max.filter(|rows| *rows > 0).unwrap_or(limits::PAGE_ROWS_MAX).min(limits::PAGE_ROWS_MAX);
        let page = Page { after: page.after.clone(), rows_max: Some(rows_max) };
        let outdated = |_: &Hub| self.outdated.lock().iter().find(|outdated| outdated.view == view).and_then(|outdated| outdated.rows);
        let (mut snapshot, outdated) = self.snapshot_and(view, filter, &page, outdated)?;
        if let Some((_, at)) = outdated {
            snapshot.at = at;
        }
        Ok(snapshot)
    }

    pub(crate) fn snapshot_unbounded(&self, view: View, filter: &Filter, page: &Page) -> Result<Snapshot, QueryError> {
        self.snapshot_and(view, filter, page, |_| ()).map(|(snapshot, ())| snapshot)
    }

    /// A snapshot, and what `beside` does at the same moment.
    pub(crate) fn snapshot_and<T>(
        &self,
        view: View,
        filter: &Filter,
        page: &Page,
        beside: impl FnOnce(&Hub) -> T,
    ) -> Result<(Snapshot, T), QueryError> {
        self.check(view)?;
        let mut hub = self.hub.lock();
        let rows_max = page.rows_max.unwrap_or(usize::MAX - 1).min(usize::MAX - 1);
        let bad_cursor = || QueryError::BadCursor { cursor: page.after.clone().unwrap_or_default() };
        let found = hub.find(view, filter, page, rows_max).ok_or_else(bad_cursor)?;
        let at = hub.at();
        let store = hub.store.clone().ok_or_else(|| QueryError::Stopped(Arc::new(RunnerError::Closed)))?;
        let read = store.frozen();
        let extra = beside(&hub);
        drop(hub);
        let rows = read_found(found.rows, view, &read)?;
        Ok((Snapshot { view, at, rows, next: found.next }, extra))
    }

    /// The tree is another one than with the rows before.
    fn replant(&self, tree: &AreaTree) {
        let tree = Arc::new(tree.clone());
        *self.areas.lock() = tree;
    }

    /// Tells that the runner ended, and why.
    fn stop(&self, error: RunnerError) {
        self.progress.send_modify(|now| now.stopped = Some(Arc::new(error)));
        self.hub.lock().store = None;
        // Last, for readers who are told look why.
        self.ring.close();
    }

    /// The rows become another log's. Before any reader can see one of them.
    fn begins(&self, origin: Origin) {
        *self.origin.lock() = origin;
        self.outdated.lock().clear();
        *self.areas.lock() = Arc::default();
        *self.target.lock() = Position::ZERO;
    }

    fn moved(&self, epoch: Epoch, position: Position) {
        let ready = position >= *self.target.lock();
        self.progress.send_modify(|now| {
            now.at = EpochPosition { epoch, position };
            now.ready = ready;
        });
        let end = *self.end.lock().borrow();
        self.lag.lock().sample(position, end);
        self.pace.lock().sample(position, Instant::now());
    }
}
