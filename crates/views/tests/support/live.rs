//! A worker on a log in memory, and a reader that puts together what it is told.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use muster_log::{EpochPosition, Log, MemoryLog};
use muster_proto::v1::AreaPath;
use muster_views::{
    ChangeKind, Filter, Live, LogSource, Page, RunnerOptions, Subscription, View, ViewStore, ViewsHandle, compare, fold_log, spawn,
};

use super::soon;
use super::world::Choice;

pub fn choices(seed: u64, count: usize) -> Vec<Choice> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..count).map(|_| (next() as u8, (next() % 9_999) as u16, (next() % 9_999) as u16, (next() % 9_999) as u16)).collect()
}

pub fn quick() -> RunnerOptions {
    RunnerOptions { merge_ms: 1, ..RunnerOptions::default() }
}

pub fn start(log: &Arc<MemoryLog>, dir: &Path, options: RunnerOptions) -> ViewsHandle {
    let store = ViewStore::open(dir).unwrap();
    spawn(&View::ALL, store, LogSource::new(Arc::clone(log) as Arc<dyn Log>), options).unwrap()
}

pub fn expected(log: &MemoryLog) -> Vec<(View, muster_views::Dump)> {
    fold_log(log, &View::ALL, log.watermark()).unwrap()
}

pub async fn caught_up(views: &ViewsHandle, log: &MemoryLog) {
    soon("the end of the log", views.wait_for(log.watermark())).await.unwrap();
}

pub fn assert_rows(views: &ViewsHandle, log: &MemoryLog) {
    for (view, rows) in expected(log) {
        let (at, found) = views.dump(view).unwrap();
        assert_eq!(at, log.end());
        assert_eq!(compare(view, &found, &rows), [], "{view}");
        assert!(!rows.is_empty(), "{view}");
    }
}

/// What a reader has put together from a snapshot and changes.
#[derive(Default, PartialEq, Debug)]
pub struct Held {
    pub rows: BTreeMap<String, (Vec<u8>, AreaPath)>,
    pub resets: usize,
}

impl Held {
    /// What a whole listing says.
    pub fn of(snapshot: &muster_views::Snapshot) -> Self {
        let mut held = Self::default();
        held.take_page(snapshot);
        held
    }

    fn take_page(&mut self, page: &muster_views::Snapshot) {
        for placed in &page.rows {
            let key = format!("{}/{}", placed.row.realm(), placed.row.id());
            let row = (placed.row.encode(), placed.path.as_ref().clone());
            assert_eq!(self.rows.insert(key.clone(), row), None, "{key} came twice");
        }
    }

    /// Takes all rows that a line begins with.
    pub async fn fill(&mut self, line: &mut Subscription) {
        while line.at().is_none() {
            let live = soon("the rows", line.next()).await.expect("the views run");
            self.take(live);
        }
    }

    pub fn take(&mut self, live: Live) -> EpochPosition {
        match live {
            Live::Rows(page) => {
                self.take_page(&page);
                page.at
            }
            Live::Reset(at) => {
                self.rows.clear();
                self.resets += 1;
                at
            }
            Live::Changes(batch) => {
                for change in batch.changes {
                    let key = format!("{}/{}", change.realm, change.id);
                    match change.kind {
                        ChangeKind::Upsert { placed, former_path } => {
                            let before = self.rows.insert(key, (placed.row.encode(), placed.path.as_ref().clone()));
                            // A row that moved names the place that its reader knows.
                            if let (Some((_, before)), Some(former)) = (before, former_path) {
                                assert_eq!(before, *former);
                            }
                        }
                        ChangeKind::Remove { former_path } => {
                            let (_, before) =
                                self.rows.remove(&key).unwrap_or_else(|| panic!("only what is held is removed: {key} at {:?}", batch.at));
                            assert_eq!(before, *former_path);
                        }
                    }
                }
                batch.at
            }
        }
    }
}

/// Reads until the rows equal those of a fresh snapshot at the end.
pub async fn read_to_the_end(views: &ViewsHandle, mut line: Subscription, mut held: Held, view: View, filter: &Filter) -> Held {
    let wanted = Held::of(&views.snapshot(view, filter, &Page { after: None, rows_max: None }).unwrap());
    soon("the last change", async {
        while held.rows != wanted.rows || line.at().is_none() {
            let live = line.next().await.expect("the views run");
            held.take(live);
        }
    })
    .await;
    held
}
