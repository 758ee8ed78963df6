//! The folding thread: folds facts, and at most once in the merge time writes the changed rows with their checkpoint and publishes them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use muster_log::Position;
use muster_proto::Event;
use tokio::sync::mpsc;

use super::Shared;
use super::reading::{Adoption, Message, Rewind};
use super::restore::save;
use crate::areas::turned;
use crate::errors::{ReplayError, RunnerError, StoreError};
use crate::fact::{Batch, What};
use crate::fold::{AnyFold, Folds};
use crate::hub::Hub;
use crate::live::Renewed;
use crate::rebuild::{Draft, Rebuilt};
use crate::records::Records;
use crate::source::Origin;
use crate::store::{Checkpoint, ViewStore, Writes, swap_generation};

pub(super) struct Folder {
    shared: Arc<Shared>,
    store: ViewStore,
    folds: Folds,
    origin: Origin,
    /// The last record folded, and the last one whose rows are written.
    folded: Position,
    written: Position,
    /// When rows were last written, and where the folds were last saved.
    written_at: Option<Instant>,
    saved: Position,
    /// Where the source ended when it was last found far ahead: before it, rows are written in large commits only.
    catch_up_to: Position,
    /// What the source was known to have at the start; zero where it had not said.
    end_at_start: Position,
    /// Readers have rows of another version of a fold, at whatever place.
    replaces: bool,
    /// Events of the tree that are folded and not published.
    areas: Vec<Event>,
    rewinds: mpsc::Sender<Rewind>,
    /// Rewinds under way: what comes before the reader has done them is of folds that were replaced.
    rewinding: u32,
}

impl Folder {
    pub(super) fn new(shared: Arc<Shared>, store: ViewStore, folds: Folds, origin: Origin, rewinds: mpsc::Sender<Rewind>) -> Self {
        let (at, end_at_start) = (folds.position, *shared.end.lock().borrow());
        Self {
            shared,
            store,
            folds,
            origin,
            folded: at,
            written: at,
            written_at: None,
            saved: at,
            catch_up_to: at,
            end_at_start,
            replaces: false,
            areas: Vec::new(),
            rewinds,
            rewinding: 0,
        }
    }

    /// Whether the rows take the place of those of another version of a fold.
    pub(super) fn replacing(self, replaces: bool) -> Self {
        Self { replaces, ..self }
    }

    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        // A panic in a fold must not leave readers waiting.
        let shared = Arc::clone(&self.shared);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.fold_all(messages)));
        drop(self);
        let error = match outcome {
            Ok(Ok(error) | Err(error)) => error,
            Err(_) => RunnerError::Thread { detail: "the folding thread panicked".to_owned() },
        };
        if !matches!(error, RunnerError::Closed) {
            tracing::error!(%error, "the views have stopped");
        }
        shared.stop(error);
    }

    /// Until the end. Returns why it came.
    fn fold_all(&mut self, messages: &Receiver<Message>) -> Result<RunnerError, RunnerError> {
        loop {
            let message = match self.wait() {
                None => messages.recv().ok(),
                Some(wait) => match messages.recv_timeout(wait) {
                    Ok(message) => Some(message),
                    Err(RecvTimeoutError::Timeout) => {
                        self.commit(false)?;
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => None,
                },
            };
            match message {
                Some(Message::Facts { .. }) if self.rewinding > 0 => {}
                Some(Message::Facts { batch, last }) => self.fold(&batch, last)?,
                Some(Message::Rewound) => self.rewinding = self.rewinding.saturating_sub(1),
                Some(Message::Begin(origin)) => self.begin(origin)?,
                Some(Message::End(error)) => {
                    self.commit(true)?;
                    return Ok(error);
                }
                Some(Message::Adopt(adoption)) => self.adopt(*adoption)?,
                None => return Ok(RunnerError::Closed),
            }
        }
    }

    /// How long the next batch may keep us from writing; nothing if there is nothing to write. While catching up only a source that has nothing more is
    /// a reason to write, and not a reader that is slower than the folds.
    fn wait(&self) -> Option<Duration> {
        let from = if self.is_catching_up() { Some(Instant::now()) } else { self.written_at };
        (self.folded > self.written).then(|| self.due_after(from).saturating_duration_since(Instant::now()))
    }

    /// When the merge time is over that began then; at once where none did.
    fn due_after(&self, from: Option<Instant>) -> Instant {
        from.map_or_else(Instant::now, |from| from + Duration::from_millis(self.shared.options.merge_ms))
    }

    fn is_catching_up(&self) -> bool {
        self.folded < self.catch_up_to
    }

    fn fold(&mut self, batch: &Batch, last: Position) -> Result<(), RunnerError> {
        let areas = &mut self.areas;
        self.folds.apply(batch, last, |fact| {
            if let What::Event(event) = &fact.what
                && turned(event).is_some()
            {
                areas.push((**event).clone());
            }
        });
        self.folded = last;
        let records = self.folded.0 - self.written.0;
        let end = *self.shared.end.lock().borrow();
        let options = &self.shared.options;
        if end.0.saturating_sub(last.0) > options.catch_up_records {
            self.catch_up_to = end;
        }
        let full = records >= options.commit_records_max || self.folds.dirty() >= options.commit_rows_max;
        if full || (!self.is_catching_up() && Instant::now() >= self.due_after(self.written_at)) {
            self.commit(false)?;
        }
        Ok(())
    }

    /// Writes and publishes what changed. Saves the folds when it is time to, and at the end.
    fn commit(&mut self, last: bool) -> Result<(), RunnerError> {
        let save_now = self.folded > self.saved && (last || self.folded.0 - self.saved.0 >= self.shared.options.state_records);
        if self.folded == self.written && !save_now {
            return Ok(());
        }
        let checkpoint = Checkpoint::new(self.origin, self.folded);
        let mut writes = Writes::default();
        for fold in &self.folds.folds {
            writes.put_checkpoint(fold.view(), checkpoint);
        }
        let ready = self.shared.progress.borrow().ready;
        if ready {
            self.publish(writes)?
        } else {
            self.publish_unread(writes)?
        }
        self.published();
        if save_now {
            self.save(checkpoint)?;
        }
        Ok(())
    }

    fn publish(&mut self, mut writes: Writes) -> Result<(), StoreError> {
        let mut changes = Vec::new();
        self.folds.drain(|change| {
            writes.put_change(&change);
            changes.push(change);
        });
        let mut hub = self.shared.hub.lock();
        self.store.write(writes)?;
        // Before anybody is told: who hears that a row went asks where its area lies now.
        self.replant();
        hub.publish(self.folded, &self.areas, changes, &self.store.frozen())
    }

    /// The same while rows cannot be read yet: nobody is told of a change, so each row goes as soon as it is noted.
    fn publish_unread(&mut self, mut writes: Writes) -> Result<(), StoreError> {
        let mut hub = self.shared.hub.lock();
        hub.take_areas(&self.areas);
        self.folds.drain(|change| {
            writes.put_change(&change);
            hub.take(&change);
        });
        self.store.write(writes)?;
        self.replant();
        hub.reach(self.folded);
        Ok(())
    }

    fn replant(&self) {
        if !self.areas.is_empty() {
            self.shared.replant(&self.folds.ledger.tree);
        }
    }

    fn published(&mut self) {
        let shared = &self.shared;
        if self.has_settled() {
            shared.ring.admit(if self.replaces { self.folded.next() } else { self.folded });
        }
        self.areas.clear();
        self.written = self.folded;
        self.written_at = Some(Instant::now());
        shared.moved(self.origin.epoch, self.folded);
    }

    /// Whether everything that may have been shown before the start is here again. A source that has not told of anything has told nothing.
    fn has_settled(&self) -> bool {
        let known = if self.end_at_start > Position::ZERO { self.end_at_start } else { *self.shared.end.lock().borrow() };
        known > Position::ZERO && self.folded >= known && self.folded >= *self.shared.target.lock()
    }

    /// The folds were just drained, so what is saved has no dirty rows.
    fn save(&mut self, checkpoint: Checkpoint) -> Result<(), RunnerError> {
        let mut writes = Writes::default();
        save(&self.folds, checkpoint, &mut writes).map_err(|error| self.unsaved(&error))?;
        self.store.write(writes)?;
        self.store.flush()?;
        self.saved = self.folded;
        Ok(())
    }

    fn unsaved(&self, error: &postcard::Error) -> StoreError {
        StoreError::Store { dir: self.store.dir().to_owned(), doing: "saved", detail: error.to_string() }
    }

    /// Goes on from rows and folds made anew, or only compares with them. If that fails the present ones stay in use.
    fn adopt(&mut self, adoption: Adoption) -> Result<(), RunnerError> {
        let Adoption { mut draft, log, compare_only, renewed, done } = adoption;
        self.commit(false)?;
        let outcome = match self.compared(&mut draft, &*log) {
            Ok(report) if compare_only => Ok(report),
            Ok(report) => match self.make(&draft) {
                Ok(store) => {
                    self.take_over(draft, store, &report, renewed)?;
                    Ok(report)
                }
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error),
        };
        // Who asked may be gone.
        let _ = done.send(outcome);
        Ok(())
    }

    /// Brings the draft to where the rows are, and holds them against it.
    fn compared(&self, draft: &mut Draft, log: &dyn Records) -> Result<Rebuilt, ReplayError> {
        if draft.origin() != self.origin {
            return Err(ReplayError::OtherLog);
        }
        draft.advance(log, self.folded)?;
        let mut differences = Vec::new();
        // Outdated views have no fold here, and were compared as of where their rows are.
        let views: Vec<_> = self.folds.folds.iter().map(AnyFold::view).collect();
        for view in &views {
            differences.extend(draft.differences(*view, &self.store)?);
        }
        Ok(draft.report(views.into_iter().map(|view| (view, self.folded)).collect(), differences))
    }

    fn make(&self, draft: &Draft) -> Result<ViewStore, StoreError> {
        let store = draft.write(&self.store)?;
        swap_generation(store.root(), store.dir())?;
        Ok(store)
    }

    fn take_over(&mut self, draft: Draft, store: ViewStore, report: &Rebuilt, renewed: Vec<Renewed>) -> Result<(), RunnerError> {
        for difference in &report.differences {
            tracing::error!(%difference, "a row of the views was wrong and has been replaced");
        }
        let renewed = renewed.into_iter().map(|renewed| Renewed { rows: draft.rows(renewed.view), at: report.at, ..renewed });
        let renewed: Vec<_> = renewed.collect();
        let folds = draft.replayed.folds;
        let same_folds = folds.folds.len() == self.folds.folds.len();
        let former = std::mem::replace(&mut self.store, store);
        let shared = Arc::clone(&self.shared);
        // Nothing where the present folds are as good as the new ones, and the reader knows their names.
        let anew = (!report.differences.is_empty() || !same_folds).then(|| {
            let tree = folds.ledger.tree.clone();
            Hub::of_store(Arc::clone(&shared.ring), report.at, tree, &self.store, &shared.views)
        });
        let anew = anew.transpose()?;
        let mut hub = shared.hub.lock();
        let mut gone = None;
        if let Some(anew) = anew {
            gone = Some(std::mem::replace(&mut *hub, anew));
            shared.ring.reset(report.at, report.at.position.next());
            shared.replant(&folds.ledger.tree);
            let rewind = Rewind { names: folds.ledger.names.clone(), interest: folds.interest(), next: self.folded.next() };
            self.rewinds
                .try_send(rewind)
                .map_err(|error| RunnerError::Thread { detail: format!("the reader takes no rewind: {error}") })?;
            self.rewinding += 1;
            self.folds = folds;
        } else {
            hub.store = Some(self.store.clone());
        }
        shared.outdated.lock().clear();
        for Renewed { view, former_version, rows, differing, at } in &renewed {
            let version = view.version();
            tracing::info!(%view, ?former_version, version, rows, ?differing, %at, "the rows of a view are made by another version of its fold now");
        }
        shared.renewed.lock().extend(renewed);
        drop(hub);
        // Only now: it may be all rows of a city.
        drop(gone);
        shared.generation.store(self.store.generation(), Ordering::Release);
        former.retire();
        self.saved = self.folded;
        Ok(())
    }

    /// Everything anew, from another log or epoch.
    fn begin(&mut self, origin: Origin) -> Result<(), RunnerError> {
        tracing::warn!(log = %origin.log, epoch = %origin.epoch, "the views are folded anew: their records come from another log or epoch");
        let shared = Arc::clone(&self.shared);
        let mut writes = Writes::default();
        for view in &shared.views {
            writes.clear_view(*view);
        }
        let mut hub = shared.hub.lock();
        self.store.write(writes)?;
        shared.begins(origin);
        hub.clear(origin.epoch);
        drop(hub);
        let store = self.store.clone();
        *self = Self::new(Arc::clone(&shared), store, Folds::fresh(&shared.views), origin, self.rewinds.clone());
        shared.moved(origin.epoch, Position::ZERO);
        Ok(())
    }
}
