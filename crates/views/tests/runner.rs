//! The worker on a log in memory: what subscribers put together equals the rows, restarts and rebuilds change nothing, damage is folded away.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use muster_log::{Epoch, EpochPosition, Log, LogId, MemoryLog, Position, Record};
use muster_proto::v1::AreaPath;
use muster_views::{
    ChangeKind, EventSource, Filter, Live, LogSource, Origin, Page, QueryError, RunnerError, RunnerOptions, SourceError, Start, StoreError,
    Subscription, View, ViewStore, ViewsHandle, as_of, compare, fold_log, position_at, rebuild, spawn,
};
use support::world::{Choice, history};
use support::*;
use tokio::sync::watch;

fn choices(seed: u64, count: usize) -> Vec<Choice> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..count).map(|_| (next() as u8, (next() % 9_999) as u16, (next() % 9_999) as u16, (next() % 9_999) as u16)).collect()
}

fn quick() -> RunnerOptions {
    RunnerOptions { merge_ms: 1, ..RunnerOptions::default() }
}

fn start(log: &Arc<MemoryLog>, dir: &Path, options: RunnerOptions) -> ViewsHandle {
    let store = ViewStore::open(dir).unwrap();
    spawn(&View::ALL, store, LogSource::new(Arc::clone(log) as Arc<dyn Log>), options).unwrap()
}

fn expected(log: &MemoryLog) -> Vec<(View, muster_views::Dump)> {
    fold_log(log, &View::ALL, log.watermark()).unwrap()
}

async fn caught_up(views: &ViewsHandle, log: &MemoryLog) {
    soon("the end of the log", views.wait_for(log.watermark())).await.unwrap();
}

fn assert_rows(views: &ViewsHandle, log: &MemoryLog) {
    for (view, rows) in expected(log) {
        let (at, found) = views.dump(view).unwrap();
        assert_eq!(at, log.end());
        assert_eq!(compare(view, &found, &rows), [], "{view}");
        assert!(!rows.is_empty(), "{view}");
    }
}

/// What a reader has put together from a snapshot and changes.
#[derive(Default, PartialEq, Debug)]
struct Held {
    rows: BTreeMap<String, (Vec<u8>, AreaPath)>,
    resets: usize,
}

impl Held {
    fn take_all(&mut self, snapshot: &muster_views::Snapshot) {
        let row = |placed: &muster_views::PlacedRow| {
            (format!("{}/{}", placed.row.realm(), placed.row.id()), (placed.row.encode(), placed.path.as_ref().clone()))
        };
        self.rows = snapshot.rows.iter().map(row).collect();
    }

    fn take(&mut self, live: Live) -> EpochPosition {
        match live {
            Live::Reset(snapshot) => {
                self.take_all(&snapshot);
                self.resets += 1;
                snapshot.at
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
                            let (_, before) = self.rows.remove(&key).expect("only what is held is removed");
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
async fn read_to_the_end(views: &ViewsHandle, mut line: Subscription, mut held: Held, view: View, filter: &Filter) -> Held {
    let mut wanted = Held::default();
    wanted.take_all(&views.snapshot(view, filter, &Page { after: None, rows_max: None }).unwrap());
    soon("the last change", async {
        while held.rows != wanted.rows {
            let live = line.next().await.expect("the views run");
            held.take(live);
        }
    })
    .await;
    held
}

fn filters() -> Vec<Filter> {
    let areas = [None, Some("c"), Some("k1"), Some("t2"), Some("g1"), Some("nowhere")];
    let realms = [None, Some("actual"), Some("drill")];
    let filter = |area: Option<&str>, realm: Option<&str>| Filter { area: area.map(Into::into), realm: realm.map(Into::into) };
    areas.iter().flat_map(|area| realms.iter().map(move |realm| filter(*area, *realm))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshot_and_changes_equal_the_rows_for_every_view_area_and_realm() {
    let happenings = history(&choices(11, 3_000));
    let (before, after) = happenings.split_at(happenings.len() / 3);
    let log = memory_log(before);
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    let mut lines = Vec::new();
    for view in View::ALL {
        for filter in filters() {
            let (begin, line) = views.subscribe(view, filter.clone(), None).unwrap();
            let Start::Snapshot(snapshot) = begin else { panic!("nobody named a position") };
            let mut held = Held::default();
            held.take_all(&snapshot);
            lines.push((view, filter, held, line));
        }
    }
    for part in after.chunks(37) {
        append(&*log, part);
        tokio::task::yield_now().await;
    }
    caught_up(&views, &log).await;
    for (view, filter, held, line) in lines {
        read_to_the_end(&views, line, held, view, &filter).await;
    }
    assert_rows(&views, &log);
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_subscriber_is_reset_and_the_others_do_not_notice() {
    let happenings = history(&choices(12, 2_000));
    let log = memory_log(&happenings[..50]);
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), RunnerOptions { merge_ms: 0, subscriber_commits_max: 4, ..quick() });
    caught_up(&views, &log).await;
    let (_, slow) = views.subscribe(View::Coverage, Filter::default(), None).unwrap();
    let (begin, mut quick_line) = views.subscribe(View::Coverage, Filter::default(), None).unwrap();
    let Start::Snapshot(snapshot) = begin else { panic!("nobody named a position") };
    let mut quick_reader = Held::default();
    quick_reader.take_all(&snapshot);
    for part in happenings[50..].chunks(25) {
        append(&*log, part);
        caught_up(&views, &log).await;
        // Every part changes coverage somewhere or nothing at all; the quick reader never waits long.
        while quick_line.at() < views.at() {
            match tokio::time::timeout(std::time::Duration::from_millis(20), quick_line.next()).await {
                Ok(live) => drop(quick_reader.take(live.unwrap())),
                Err(_) => break,
            }
        }
    }
    let held = read_to_the_end(&views, slow, Held::default(), View::Coverage, &Filter::default()).await;
    assert!(held.resets > 0, "four commits are less than were made");
    let quick_reader = read_to_the_end(&views, quick_line, quick_reader, View::Coverage, &Filter::default()).await;
    assert_eq!(quick_reader.resets, 0);
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_comes_back_with_its_position_and_misses_nothing() {
    let happenings = history(&choices(13, 900));
    let log = memory_log(&happenings[..300]);
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    let filter = Filter { area: Some("k1".into()), realm: None };
    let (begin, line) = views.subscribe(View::Sites, filter.clone(), None).unwrap();
    let Start::Snapshot(snapshot) = begin else { panic!("nobody named a position") };
    let mut held = Held::default();
    held.take_all(&snapshot);
    drop(line);
    for part in happenings[300..].chunks(50) {
        append(&*log, part);
        caught_up(&views, &log).await;
    }
    let (begin, line) = views.subscribe(View::Sites, filter.clone(), Some(snapshot.at)).unwrap();
    assert_eq!(begin, Start::Resumed(snapshot.at));
    let held = read_to_the_end(&views, line, held, View::Sites, &filter).await;
    assert_eq!(held.resets, 0);
    let foreign = EpochPosition { epoch: Epoch(9), position: snapshot.at.position };
    assert!(matches!(views.subscribe(View::Sites, filter.clone(), Some(foreign)).unwrap().0, Start::Snapshot(_)));
    let beyond = EpochPosition { position: Position(1 << 40), ..snapshot.at };
    assert!(matches!(views.subscribe(View::Sites, filter.clone(), Some(beyond)).unwrap().0, Start::Snapshot(_)));
    views.shutdown().await.unwrap();
    // After a restart the recent changes are gone.
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    assert!(matches!(views.subscribe(View::Sites, filter.clone(), Some(snapshot.at)).unwrap().0, Start::Snapshot(_)));
    assert!(matches!(views.subscribe(View::Sites, filter, Some(views.at())).unwrap().0, Start::Resumed(_)));
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_leaves_the_subtree_is_removed_and_one_that_comes_is_put() {
    let mut happenings = small_city();
    happenings.push(actual(site_opened("s", "g1", &[seat("a", "", "")])));
    let log = memory_log(&happenings);
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    let inside = |area: &str| Filter { area: Some(area.into()), realm: None };
    let (_, mut from) = views.subscribe(View::Sites, inside("k1"), None).unwrap();
    let (_, mut to) = views.subscribe(View::Sites, inside("k2"), None).unwrap();
    let (_, mut both) = views.subscribe(View::Sites, inside("c"), None).unwrap();
    append(&*log, &[actual(reparented("t1", "k2"))]);
    let mut kinds = Vec::new();
    for line in [&mut from, &mut to, &mut both] {
        let Some(Live::Changes(batch)) = soon("the move", line.next()).await else { panic!("a change") };
        assert_eq!((batch.at.position, batch.changes.len(), batch.changes[0].id.as_str()), (log.watermark(), 1, "s/"));
        kinds.push(batch.changes.into_iter().next().unwrap().kind);
    }
    let ChangeKind::Remove { former_path } = &kinds[0] else { panic!("it left") };
    assert_eq!((former_path.county.as_str(), former_path.grid.as_str()), ("k1", "g1"));
    for kind in &kinds[1..] {
        let ChangeKind::Upsert { placed, former_path } = kind else { panic!("it is there") };
        assert_eq!(placed.path.county, "k2");
        assert_eq!(former_path.as_ref().unwrap().county, "k1");
        // The row itself did not change.
        assert_eq!(placed.row.position(), 8);
    }
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_at_any_point_and_without_a_shutdown_change_nothing() {
    let happenings = history(&choices(14, 2_000));
    let log = memory_log(&[]);
    let dir = tempfile::tempdir().unwrap();
    let options = RunnerOptions { state_records: 150, commit_records_max: 40, ..quick() };
    for (run, part) in happenings.chunks(400).enumerate() {
        let views = start(&log, dir.path(), options);
        append(&*log, part);
        caught_up(&views, &log).await;
        assert_rows(&views, &log);
        if run % 2 == 0 {
            views.shutdown().await.unwrap();
        } else {
            // As a crash leaves it: a copy of the folder while everything is in use.
            let copy = tempfile::tempdir().unwrap();
            copy_folder(dir.path(), copy.path());
            let from_copy = start(&log, copy.path(), options);
            caught_up(&from_copy, &log).await;
            assert_rows(&from_copy, &log);
            from_copy.shutdown().await.unwrap();
            views.shutdown().await.unwrap();
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_from_the_saved_folds() {
    let happenings = history(&choices(15, 600));
    let log = memory_log(&happenings);
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    views.shutdown().await.unwrap();
    let source = Counting { inner: LogSource::new(Arc::clone(&log) as Arc<dyn Log>), sought: watch::Sender::new(Vec::new()) };
    let mut sought = source.sought.subscribe();
    let views = spawn(&View::ALL, ViewStore::open(dir.path()).unwrap(), source, quick()).unwrap();
    soon("the first seek", sought.wait_for(|positions| !positions.is_empty())).await.unwrap();
    assert_eq!(*sought.borrow(), [log.watermark().next()]);
    assert_rows(&views, &log);
    views.shutdown().await.unwrap();
    // A view that was not kept before is folded from the start, beside those that were.
    let one = tempfile::tempdir().unwrap();
    let only = |views: &[View], log: &Arc<MemoryLog>| {
        spawn(views, ViewStore::open(one.path()).unwrap(), LogSource::new(Arc::clone(log) as Arc<dyn Log>), quick()).unwrap()
    };
    let units = only(&[View::Units], &log);
    caught_up(&units, &log).await;
    assert!(matches!(units.snapshot(View::Sites, &Filter::default(), &Page::default()), Err(QueryError::NotKept { view: View::Sites })));
    units.shutdown().await.unwrap();
    let all = only(&View::ALL, &log);
    caught_up(&all, &log).await;
    assert_rows(&all, &log);
    all.shutdown().await.unwrap();
}

/// Notes where reading starts.
struct Counting {
    inner: LogSource,
    sought: watch::Sender<Vec<Position>>,
}

impl EventSource for Counting {
    fn origin(&self) -> Origin {
        self.inner.origin()
    }

    fn end(&self) -> watch::Receiver<Position> {
        self.inner.end()
    }

    async fn seek(&mut self, from: Position) -> Result<(), SourceError> {
        self.sought.send_modify(|positions| positions.push(from));
        self.inner.seek(from).await
    }

    async fn next_batch(&mut self) -> Result<Vec<Record>, SourceError> {
        self.inner.next_batch().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_or_foreign_store_is_folded_anew() {
    let happenings = history(&choices(16, 500));
    let log = memory_log(&happenings);
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    assert!(matches!(ViewStore::open(dir.path()), Err(StoreError::InUse { .. })));
    views.shutdown().await.unwrap();
    // Every table and manifest full of nonsense.
    for entry in std::fs::read_dir(dir.path().join("generation-1")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::write(&path, b"nonsense").unwrap();
        }
    }
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    assert_rows(&views, &log);
    views.shutdown().await.unwrap();
    // The same folder beside another log.
    let options = muster_log::OpenOptions { new_id: Some(LogId([7; 16])), ..muster_log::OpenOptions::default() };
    let other = Arc::new(MemoryLog::with_options(options));
    append(&*other, &history(&choices(17, 300)));
    let store = ViewStore::open(dir.path()).unwrap();
    assert_eq!(store.known(log.id()).unwrap(), Some(log.end()));
    assert_eq!(store.known(other.id()).unwrap(), None);
    drop(store);
    let views = start(&other, dir.path(), quick());
    caught_up(&views, &other).await;
    assert_rows(&views, &other);
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_equals_the_live_rows_and_finds_a_row_that_was_wrong() {
    let happenings = history(&choices(18, 1_500));
    let log = memory_log(&happenings[..1_000]);
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    let (begin, line) = views.subscribe(View::Coverage, Filter::default(), None).unwrap();
    let Start::Snapshot(snapshot) = begin else { panic!("nobody named a position") };
    let mut held = Held::default();
    held.take_all(&snapshot);
    let report = soon("the rebuild", views.rebuild(Arc::clone(&log) as Arc<dyn Log>)).await.unwrap();
    assert_eq!((report.at, report.differences.len(), report.compared.len()), (log.end(), 0, 4));
    assert!(dir.path().join("generation-2").exists() && !dir.path().join("generation-1").exists());
    append(&*log, &happenings[1_000..]);
    caught_up(&views, &log).await;
    assert_rows(&views, &log);
    let held = read_to_the_end(&views, line, held, View::Coverage, &Filter::default()).await;
    assert_eq!(held.resets, 0, "a rebuild that finds nothing wrong is not noticed");
    views.shutdown().await.unwrap();

    let store = ViewStore::open(dir.path()).unwrap();
    let (report, store) = rebuild(&*log, store, &View::ALL).unwrap();
    assert_eq!((report.at, report.differences.len()), (log.end(), 0));
    let counted: u64 = expected(&log).iter().map(|(_, rows)| rows.len() as u64).sum();
    assert_eq!(report.rows.iter().map(|(_, rows)| rows).sum::<u64>(), counted);
    drop(store);
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    assert_rows(&views, &log);
    let other = memory_log(&happenings[..20]);
    drop(views.rebuild(Arc::clone(&other) as Arc<dyn Log>).await.unwrap_err());
    assert_rows(&views, &log);
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_of_any_position_equals_what_the_views_showed_then() {
    let happenings = history(&choices(19, 400));
    let log = memory_log(&[]);
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    let filter = Filter { area: Some("k2".into()), realm: Some("actual".into()) };
    let mut shown = Vec::new();
    for part in happenings.chunks(41) {
        append(&*log, part);
        caught_up(&views, &log).await;
        let all = Page { after: None, rows_max: None };
        shown.push(View::ALL.map(|view| views.snapshot(view, &filter, &all).unwrap()));
    }
    for snapshots in &shown {
        for snapshot in snapshots {
            assert_eq!(as_of(&*log, snapshot.view, &filter, snapshot.at.position).unwrap(), *snapshot);
        }
    }
    assert!(as_of(&*log, View::Units, &filter, log.watermark().next()).is_err());
    for (time, position) in [(time_of(0) - 1, 0), (time_of(0), 1), (time_of(5) + 999, 6), (i64::MAX, log.watermark().0)] {
        assert_eq!(position_at(&*log, time).unwrap(), Position(position));
    }
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_put_together_are_the_whole_listing() {
    let log = memory_log(&history(&choices(20, 800)));
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    for filter in filters() {
        let whole = views.snapshot(View::Sites, &filter, &Page::default()).unwrap();
        assert_eq!(whole.next, None);
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let page = views.snapshot(View::Sites, &filter, &Page { after, rows_max: Some(3) }).unwrap();
            assert!(page.rows.len() <= 3);
            rows.extend(page.rows);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(rows, whole.rows);
    }
    let nonsense = Page { after: Some("nonsense".into()), rows_max: None };
    assert!(matches!(views.snapshot(View::Sites, &Filter::default(), &nonsense), Err(QueryError::BadCursor { .. })));
    views.shutdown().await.unwrap();
}

/// A source that repeats, breaks off, and one day reads another log.
struct Unsteady {
    logs: Vec<Arc<MemoryLog>>,
    inner: LogSource,
    step: usize,
    change: watch::Receiver<bool>,
}

impl EventSource for Unsteady {
    fn origin(&self) -> Origin {
        let epoch = Epoch(3 - u32::try_from(self.logs.len()).unwrap());
        Origin { epoch, ..self.inner.origin() }
    }

    fn end(&self) -> watch::Receiver<Position> {
        self.inner.end()
    }

    async fn seek(&mut self, from: Position) -> Result<(), SourceError> {
        self.inner.seek(Position(from.0.saturating_sub(3).max(1))).await
    }

    async fn next_batch(&mut self) -> Result<Vec<Record>, SourceError> {
        self.step += 1;
        if self.step.is_multiple_of(3) {
            return Err(SourceError::Unavailable { detail: "broken off".into() });
        }
        let more = self.logs.len() > 1;
        let change = async { self.change.wait_for(|change| *change && more).await.is_ok() };
        tokio::select! {
            _ = change => {
                self.logs.remove(0);
                self.inner = LogSource::new(Arc::clone(&self.logs[0]) as Arc<dyn Log>);
                Err(SourceError::OriginChanged)
            }
            batch = self.inner.next_batch() => {
                let batch: Vec<Record> = batch?.into_iter().take(20).collect();
                self.inner.seek(batch[batch.len() - 1].position.next()).await?;
                Ok(batch)
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeats_breaks_and_a_new_epoch_of_the_source_are_taken() {
    let first = memory_log(&history(&choices(21, 150)));
    let second = memory_log(&history(&choices(22, 150)));
    let dir = tempfile::tempdir().unwrap();
    let (change, changed) = watch::channel(false);
    let source = Unsteady {
        logs: vec![Arc::clone(&first), Arc::clone(&second)],
        inner: LogSource::new(Arc::clone(&first) as Arc<dyn Log>),
        step: 0,
        change: changed,
    };
    let views = spawn(&View::ALL, ViewStore::open(dir.path()).unwrap(), source, quick()).unwrap();
    caught_up(&views, &first).await;
    assert_rows(&views, &first);
    let (_, mut line) = views.subscribe(View::Coverage, Filter::default(), None).unwrap();
    change.send(true).unwrap();
    let mut held = Held::default();
    let end = EpochPosition { epoch: Epoch(2), position: second.watermark() };
    soon("the second log's end", async {
        while held.resets == 0 || line.at() < end {
            held.take(line.next().await.unwrap());
        }
    })
    .await;
    // The line may hear of a commit a moment before the position is told.
    caught_up(&views, &second).await;
    assert_eq!(views.at(), end);
    for (view, rows) in expected(&second) {
        assert_eq!(compare(view, &views.dump(view).unwrap().1, &rows), [], "{view}");
    }
    views.shutdown().await.unwrap();
}

/// Leaves a record out, or gives one that is no record.
struct Broken {
    inner: LogSource,
    nonsense: bool,
}

impl EventSource for Broken {
    fn origin(&self) -> Origin {
        self.inner.origin()
    }

    fn end(&self) -> watch::Receiver<Position> {
        self.inner.end()
    }

    async fn seek(&mut self, from: Position) -> Result<(), SourceError> {
        self.inner.seek(from).await
    }

    async fn next_batch(&mut self) -> Result<Vec<Record>, SourceError> {
        let mut batch = self.inner.next_batch().await?;
        if self.nonsense {
            batch[5].bytes = "nonsense".into();
        } else {
            batch.remove(5);
        }
        Ok(batch)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_or_a_damaged_record_stops_the_views_and_says_where() {
    for nonsense in [false, true] {
        let log = memory_log(&small_city());
        let dir = tempfile::tempdir().unwrap();
        let source = Broken { inner: LogSource::new(Arc::clone(&log) as Arc<dyn Log>), nonsense };
        let views = spawn(&View::ALL, ViewStore::open(dir.path()).unwrap(), source, quick()).unwrap();
        let Err(QueryError::Stopped(error)) = soon("the stop", views.wait_for(log.watermark())).await else { panic!("it must stop") };
        match &*error {
            RunnerError::Gap { after: Position(5), found: Position(7) } => assert!(!nonsense),
            RunnerError::Record(fault) => assert!(nonsense && fault.position == Position(6), "{fault}"),
            other => panic!("{other}"),
        }
        assert!(matches!(views.snapshot(View::Units, &Filter::default(), &Page::default()), Err(QueryError::Stopped(_))));
        assert!(views.shutdown().await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_views_end_with_their_log_and_the_lag_is_told() {
    let log = memory_log(&small_city());
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    assert_eq!((views.lag().positions, views.lag().age), (0, std::time::Duration::ZERO));
    let (_, mut line) = views.subscribe(View::Coverage, Filter::default(), None).unwrap();
    log.close();
    assert_eq!(soon("the end", line.next()).await, None);
    let mut progress = views.progress();
    let stopped = soon("the stop", progress.wait_for(|now| now.stopped.is_some())).await.unwrap().stopped.clone();
    assert!(matches!(*stopped.unwrap(), RunnerError::Closed));
    views.shutdown().await.unwrap();
}
