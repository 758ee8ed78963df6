//! A reader's line to the views: first everything, page by page, then what changes, in order, without a gap; or word that it has to start anew. It
//! holds a place and at most one page: changes are read from where they are kept once for all.

use std::sync::Arc;

use muster_log::EpochPosition;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::errors::{QueryError, RunnerError};
use crate::filter::Filter;
use crate::hub::{Changed, Commit, Mark, Next};
use crate::limits;
use crate::live::{Change, ChangeBatch, ChangeKind, Live, Page, PlacedRow, Snapshot, Start};
use crate::runner::Shared;
use crate::view::View;

/// See [`crate::ViewsHandle::subscribe`]. What it hands out is filtered on the reader's own task.
pub struct Subscription {
    shared: Arc<Shared>,
    view: View,
    filter: Filter,
    news: watch::Receiver<()>,
    /// The rows handed out so far are as of here.
    mark: Mark,
    /// How far the reader is with the rows.
    rows: Rows,
    /// The page that is being read. Whoever stops waiting for it comes back to it: what was begun is not begun again.
    reading: Option<JoinHandle<Read>>,
}

/// The page after a cursor, and where it is of.
type Read = Result<(Snapshot, Mark), QueryError>;

/// Which rows a reader has.
enum Rows {
    /// Those up to a cursor; none where there is no cursor. The page after it may have been read already.
    Upto(Option<String>, Option<(Mark, Snapshot)>),
    All,
}

impl Rows {
    /// Keeps the next page until all that comes before it was handed out.
    fn hold(&mut self, read: (Mark, Snapshot)) {
        if let Self::Upto(_, page) = self {
            *page = Some(read);
        }
    }
}

impl Subscription {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        view: View,
        filter: Filter,
        from: Option<EpochPosition>,
    ) -> Result<(Start, Self), QueryError> {
        shared.check(view)?;
        // First, so that nothing comes unnoticed.
        let news = shared.ring.watch(view);
        let resumed = from.and_then(|from| shared.ring.resume(view, from));
        let (start, mark, rows) = match resumed {
            Some(mark) => (Start::Resumed(mark.at), mark, Rows::All),
            None => (Start::Rows, shared.ring.mark(), Rows::Upto(None, None)),
        };
        Ok((start, Self { shared: Arc::clone(shared), view, filter, news, mark, rows, reading: None }))
    }

    /// The place of which the reader has all rows and changes; nothing while rows are still to come.
    #[must_use]
    pub fn at(&self) -> Option<EpochPosition> {
        match (&self.rows, self.shared.ring.after(self.view, self.mark)) {
            (Rows::Upto(..), _) => None,
            (Rows::All, Next::Nothing(at)) => Some(at),
            (Rows::All, Next::Commit(_) | Next::Lost) => Some(self.mark.at),
        }
    }

    /// What comes next; waits for it. Nothing once the views have stopped. Safe to cancel.
    pub async fn next(&mut self) -> Option<Live> {
        loop {
            if let Rows::Upto(cursor, None) = &self.rows {
                let cursor = cursor.clone();
                let (shared, view, filter) = (&self.shared, self.view, &self.filter);
                let read = self.reading.get_or_insert_with(|| read(shared, view, filter, cursor)).await;
                self.reading = None;
                match read.unwrap_or_else(|_| Err(QueryError::Stopped(Arc::new(RunnerError::Closed)))) {
                    Ok((page, mark)) => self.rows.hold((mark, page)),
                    Err(QueryError::NotReady { .. }) => self.ready().await?,
                    Err(error) => return self.end(&error),
                }
            }
            match self.shared.ring.after(self.view, self.mark) {
                Next::Commit(commit) if self.is_before_the_page(&commit) => {
                    self.mark = self.mark.at(commit.at);
                    let changes: Vec<_> = commit.changes.iter().filter_map(|changed| self.seen(changed)).collect();
                    if !changes.is_empty() {
                        return Some(Live::Changes(ChangeBatch { at: commit.at, changes }));
                    }
                }
                Next::Lost => return self.anew().await.map(Live::Reset),
                Next::Nothing(at) if matches!(self.rows, Rows::All) => {
                    self.mark = self.mark.at(at);
                    self.news.changed().await.ok()?;
                }
                Next::Commit(_) | Next::Nothing(_) => {
                    if let Some(live) = self.turn_page() {
                        return Some(live);
                    }
                }
            }
        }
    }

    /// Whether a reader is told of a commit before it gets the page that was read.
    fn is_before_the_page(&self, commit: &Commit) -> bool {
        match &self.rows {
            Rows::Upto(_, Some((mark, _))) => commit.at.position <= mark.at.position,
            Rows::Upto(_, None) => false,
            Rows::All => true,
        }
    }

    /// Hands out the page that was read, now that all before it was. Nothing if what the reader has is void meanwhile.
    fn turn_page(&mut self) -> Option<Live> {
        let Rows::Upto(_, page) = &mut self.rows else { return None };
        let (mark, page) = page.take().filter(|(mark, _)| mark.goes_with(self.mark))?;
        self.mark = mark;
        self.rows = match &page.next {
            Some(next) => Rows::Upto(Some(next.clone()), None),
            None => Rows::All,
        };
        Some(Live::Rows(page))
    }

    /// The line was cut: this reader was too slow, or the records are of another log now.
    async fn anew(&mut self) -> Option<EpochPosition> {
        self.ready().await?;
        self.mark = self.shared.ring.mark();
        self.rows = Rows::Upto(None, None);
        Some(self.mark.at)
    }

    /// Waits until rows can be read. Nothing once the views have stopped.
    async fn ready(&self) -> Option<()> {
        let mut progress = self.shared.progress.subscribe();
        let now = progress.wait_for(|now| now.ready || now.stopped.is_some()).await.ok()?;
        now.stopped.is_none().then_some(())
    }

    fn end(&self, error: &QueryError) -> Option<Live> {
        if !matches!(error, QueryError::Stopped(_)) {
            tracing::error!(%error, view = %self.view, "a subscription to a view ends");
        }
        None
    }

    /// What this reader sees of a change.
    fn seen(&self, changed: &Changed) -> Option<Change> {
        match &self.rows {
            Rows::All => {}
            Rows::Upto(Some(cursor), _) if cursor.split_once('/') >= Some((&*changed.realm, &*changed.id)) => {}
            // The page with this row is still to come.
            Rows::Upto(..) => return None,
        }
        let row = changed.now.as_ref().map(|(row, _)| &**row);
        let taken_before = |before: &&crate::hub::Before| self.filter.takes_at(self.view, &changed.realm, before.ties(row), &before.path);
        let kind = match &changed.now {
            Some((row, path)) if self.filter.takes_at(self.view, &changed.realm, row.ties(), path) => {
                let moved = changed.before.as_ref().filter(|before| before.path.at.levels != path.at.levels);
                ChangeKind::Upsert {
                    placed: PlacedRow::new(Arc::clone(row), path.clone()),
                    former_path: moved.map(|before| Arc::clone(&before.path.at.levels)),
                }
            }
            _ => {
                let before = changed.before.as_ref().filter(taken_before)?;
                ChangeKind::Remove { former_path: Arc::clone(&before.path.at.levels) }
            }
        };
        let (realm, id, frames) = (Arc::clone(&changed.realm), Arc::clone(&changed.id), Arc::clone(&changed.frames));
        Some(Change { realm, id, kind, frames })
    }
}

/// Begins to read the page after a cursor.
fn read(shared: &Arc<Shared>, view: View, filter: &Filter, after: Option<String>) -> JoinHandle<Read> {
    let (shared, filter) = (Arc::clone(shared), filter.clone());
    let page = Page { after, rows_max: Some(limits::SUBSCRIBER_PAGE_ROWS) };
    tokio::task::spawn_blocking(move || shared.snapshot_and(view, &filter, &page, |hub| hub.ring.mark()))
}
