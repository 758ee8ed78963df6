//! A reader's line to the views: first everything, then what changes, in order, without a gap; or word that it has to start anew.

use std::collections::VecDeque;
use std::sync::Arc;

use muster_log::EpochPosition;
use tokio::sync::mpsc;

use crate::errors::QueryError;
use crate::hub::{Changed, Commit};
use crate::live::{Change, ChangeBatch, ChangeKind, Filter, Live, Page, PlacedRow, Snapshot, Start};
use crate::runner::Shared;
use crate::view::View;

/// See [`crate::ViewsHandle::subscribe`]. What it hands out is filtered on the reader's own task.
pub struct Subscription {
    shared: Arc<Shared>,
    view: View,
    filter: Filter,
    /// Commits to hand out before the line's.
    backlog: VecDeque<Arc<Commit>>,
    line: mpsc::Receiver<Arc<Commit>>,
    at: EpochPosition,
}

impl Subscription {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        view: View,
        filter: Filter,
        from: Option<EpochPosition>,
    ) -> Result<(Start, Self), QueryError> {
        shared.check(view)?;
        if let Some(from) = from {
            let mut hub = shared.hub.lock();
            if let Some(backlog) = hub.since(view, from) {
                let line = hub.subscribe(view, shared.subscriber_commits_max());
                drop(hub);
                let this = Self { shared: Arc::clone(shared), view, filter, backlog, line, at: from };
                return Ok((Start::Resumed(from), this));
            }
        }
        let (snapshot, line) = open(shared, view, &filter)?;
        let this = Self { shared: Arc::clone(shared), view, filter, backlog: VecDeque::new(), line, at: snapshot.at };
        Ok((Start::Snapshot(snapshot), this))
    }

    /// The place up to which everything was handed out. Behind the views' own position while there is nothing for this filter.
    #[must_use]
    pub const fn at(&self) -> EpochPosition {
        self.at
    }

    /// Whether everything that was visible has come into this line. Once false, everything comes anew with the next call of
    /// [`Subscription::next`], which must then be waited for to its end; until then having nothing to hand out says nothing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.line.is_closed()
    }

    /// The next changes, or everything anew; waits for them. Nothing once the views have stopped. Safe to cancel.
    pub async fn next(&mut self) -> Option<Live> {
        loop {
            let commit = match self.backlog.pop_front() {
                Some(commit) => commit,
                None => match self.line.recv().await {
                    Some(commit) => commit,
                    None => return self.anew().await.map(Live::Reset),
                },
            };
            self.at = commit.at;
            let changes: Vec<Change> = commit.changes[self.view.index()].iter().filter_map(|changed| seen(&self.filter, changed)).collect();
            if !changes.is_empty() {
                return Some(Live::Changes(ChangeBatch { at: commit.at, changes }));
            }
        }
    }

    /// The line was cut: this reader was too slow, or the records are of another log now.
    async fn anew(&mut self) -> Option<Snapshot> {
        loop {
            let mut progress = self.shared.progress.subscribe();
            let now = progress.wait_for(|now| now.ready || now.stopped.is_some()).await.ok()?.clone();
            if now.stopped.is_some() {
                return None;
            }
            let (shared, view, filter) = (Arc::clone(&self.shared), self.view, self.filter.clone());
            let opened = tokio::task::spawn_blocking(move || open(&shared, view, &filter)).await.ok()?;
            match opened {
                Ok((snapshot, line)) => {
                    self.line = line;
                    self.at = snapshot.at;
                    return Some(snapshot);
                }
                Err(QueryError::NotReady { .. }) => {}
                Err(error) => {
                    tracing::error!(%error, view = %self.view, "a subscription to a view ends");
                    return None;
                }
            }
        }
    }
}

fn open(shared: &Arc<Shared>, view: View, filter: &Filter) -> Result<(Snapshot, mpsc::Receiver<Arc<Commit>>), QueryError> {
    let commits_max = shared.subscriber_commits_max();
    let page = Page { after: None, rows_max: Some(usize::MAX) };
    shared.snapshot_and(view, filter, &page, |hub| hub.subscribe(view, commits_max))
}

/// What a reader with this filter sees of a change.
fn seen(filter: &Filter, changed: &Changed) -> Option<Change> {
    if filter.realm.as_ref().is_some_and(|realm| *realm != changed.realm) {
        return None;
    }
    let within = |path: &Arc<crate::hub::Path>| filter.area.as_ref().is_none_or(|area| path.within(area));
    let before = changed.before.as_ref().filter(|path| within(path));
    let kind = match &changed.now {
        Some((row, path)) if within(path) => {
            let placed = PlacedRow { row: Arc::clone(row), path: Arc::clone(&path.levels), also: path.also.clone() };
            let moved = changed.before.as_ref().filter(|before| before.levels != path.levels);
            ChangeKind::Upsert { placed, former_path: moved.map(|before| Arc::clone(&before.levels)) }
        }
        _ => ChangeKind::Remove { former_path: Arc::clone(&before?.levels) },
    };
    Some(Change { realm: changed.realm.clone(), id: changed.id.clone(), kind })
}
