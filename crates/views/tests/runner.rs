//! The worker on a log in memory: what subscribers put together equals the rows, restarts and rebuilds change nothing, damage is folded away.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use muster_log::{Epoch, EpochPosition, Log, LogId, MemoryLog, Position, Record};
use muster_views::{
    ChangeKind, EventSource, Filter, Live, LogSource, Origin, Page, QueryError, Row, RunnerError, SourceError, Start, StoreError, View,
    ViewStore, as_of, position_at, rebuild, spawn,
};
use support::live::*;
use support::world::history;
use support::*;
use tokio::sync::watch;

fn filters() -> Vec<Filter> {
    let areas = [None, Some("c"), Some("k1"), Some("t2"), Some("g1"), Some("nowhere")];
    let realms = [None, Some("actual"), Some("drill")];
    let filter =
        |area: Option<&str>, realm: Option<&str>| Filter { area: area.map(Into::into), realm: realm.map(Into::into), any_of: None };
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
            let (begin, mut line) = views.subscribe(view, filter.clone(), None).unwrap();
            assert_eq!(begin, Start::Rows, "nobody named a position");
            let mut held = Held::default();
            held.fill(&mut line).await;
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
async fn a_slow_subscriber_catches_up_and_the_others_do_not_notice() {
    let happenings = history(&choices(12, 2_000));
    let log = memory_log(&happenings[..50]);
    let dir = tempfile::tempdir().unwrap();
    // Enough for the changes of a part or two, and far less than are made.
    let views = start(&log, dir.path(), muster_views::RunnerOptions { merge_ms: 0, ring_changes_max: 200, ..quick() });
    caught_up(&views, &log).await;
    let (_, mut slow) = views.subscribe(View::Coverage, Filter::default(), None).unwrap();
    let (_, mut line) = views.subscribe(View::Coverage, Filter::default(), None).unwrap();
    let (mut quick_reader, mut slow_reader) = (Held::default(), Held::default());
    quick_reader.fill(&mut line).await;
    slow_reader.fill(&mut slow).await;
    for part in happenings[50..].chunks(25) {
        append(&*log, part);
        caught_up(&views, &log).await;
        while line.at() < Some(views.at()) {
            quick_reader.take(soon("the change", line.next()).await.unwrap());
        }
    }
    let held = read_to_the_end(&views, slow, slow_reader, View::Coverage, &Filter::default()).await;
    assert!(held.resets > 0, "fewer changes are kept than were made");
    let quick_reader = read_to_the_end(&views, line, quick_reader, View::Coverage, &Filter::default()).await;
    assert_eq!(quick_reader.resets, 0);
    // Both have what the log says, folded from its beginning by nobody of them.
    let replayed = expected(&log).into_iter().find(|(view, _)| *view == View::Coverage).unwrap().1;
    for held in [held, quick_reader] {
        assert_eq!(held.rows.into_iter().map(|(key, (bytes, _))| (key, bytes)).collect::<Vec<_>>(), replayed);
    }
    views.shutdown().await.unwrap();
}

/// A stream stops waiting at every heartbeat. The page that it waited for must not be read again behind everything else that wants a thread.
#[test]
fn a_page_that_is_being_read_is_kept_for_who_comes_back_for_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(1).enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let log = memory_log(&small_city());
        let views = start(&log, dir.path(), quick());
        caught_up(&views, &log).await;
        let (_, mut line) = views.subscribe(View::Coverage, Filter::default(), None).unwrap();
        // The only thread for such work is held, and this stands in line behind the page.
        let (release, held) = std::sync::mpsc::sync_channel::<()>(1);
        let holding = tokio::task::spawn_blocking(move || held.recv().is_ok());
        let heartbeat = Duration::from_millis(1);
        assert!(tokio::time::timeout(heartbeat, line.next()).await.is_err(), "the page cannot be read");
        let behind = tokio::task::spawn_blocking(|| ());
        assert!(tokio::time::timeout(heartbeat, line.next()).await.is_err(), "nor now");
        release.send(()).unwrap();
        assert!(soon("the thread is free", holding).await.unwrap());
        soon("what stood behind the page", behind).await.unwrap();
        // It was read before, and is there at once.
        let page = tokio::time::timeout(Duration::ZERO, line.next()).await;
        assert!(matches!(page, Ok(Some(Live::Rows(_)))), "the page was read anew");
        views.shutdown().await.unwrap();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_comes_back_with_its_position_and_misses_nothing() {
    let happenings = history(&choices(13, 900));
    let log = memory_log(&happenings[..300]);
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    let filter = Filter { area: Some("k1".into()), ..Filter::default() };
    let (_, mut line) = views.subscribe(View::Sites, filter.clone(), None).unwrap();
    let mut held = Held::default();
    held.fill(&mut line).await;
    let at = line.at().unwrap();
    drop(line);
    for part in happenings[300..].chunks(50) {
        append(&*log, part);
        caught_up(&views, &log).await;
    }
    let (begin, line) = views.subscribe(View::Sites, filter.clone(), Some(at)).unwrap();
    assert_eq!(begin, Start::Resumed(at));
    let held = read_to_the_end(&views, line, held, View::Sites, &filter).await;
    assert_eq!(held.resets, 0);
    let foreign = EpochPosition { epoch: Epoch(9), position: at.position };
    assert_eq!(views.subscribe(View::Sites, filter.clone(), Some(foreign)).unwrap().0, Start::Rows);
    let beyond = EpochPosition { position: Position(1 << 40), ..at };
    assert_eq!(views.subscribe(View::Sites, filter.clone(), Some(beyond)).unwrap().0, Start::Rows);
    views.shutdown().await.unwrap();
    // After a restart the recent changes are gone.
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    assert_eq!(views.subscribe(View::Sites, filter.clone(), Some(at)).unwrap().0, Start::Rows);
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
    let inside = |area: &str| Filter { area: Some(area.into()), ..Filter::default() };
    let (_, mut from) = views.subscribe(View::Sites, inside("k1"), None).unwrap();
    let (_, mut to) = views.subscribe(View::Sites, inside("k2"), None).unwrap();
    let (_, mut both) = views.subscribe(View::Sites, inside("c"), None).unwrap();
    for line in [&mut from, &mut to, &mut both] {
        Held::default().fill(line).await;
    }
    append(&*log, &[actual(reparented("t1", "k2"))]);
    let mut kinds = Vec::new();
    for line in [&mut from, &mut to, &mut both] {
        let Some(Live::Changes(batch)) = soon("the move", line.next()).await else { panic!("a change") };
        assert_eq!((batch.at.position, batch.changes.len(), &*batch.changes[0].id), (log.watermark(), 1, "s/"));
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
    let options = muster_views::RunnerOptions { state_records: 150, catch_up_records: 40, commit_records_max: 40, ..quick() };
    for (run, part) in happenings.chunks(400).enumerate() {
        let views = start(&log, dir.path(), options);
        append(&*log, part);
        caught_up(&views, &log).await;
        assert_rows(&views, &log);
        if run % 2 == 0 {
            views.shutdown().await.unwrap();
        } else {
            // As a crash leaves it: a copy of the folder while everything is in use.
            let copy = copy_at_one_moment(dir.path());
            let from_copy = start(&log, copy.path(), options);
            caught_up(&from_copy, &log).await;
            assert_rows(&from_copy, &log);
            from_copy.shutdown().await.unwrap();
            views.shutdown().await.unwrap();
        }
    }
}

/// After a crash the folds come back to places that were shown before, and a change that is folded on the way begins elsewhere than the reader.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_a_reader_goes_on_only_from_where_everything_is_here_again() {
    let log = memory_log(&small_city());
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    let filter = Filter { area: Some("k1".into()), ..Filter::default() };
    let (_, mut line) = views.subscribe(View::Sites, filter.clone(), None).unwrap();
    let mut held = Held::default();
    held.fill(&mut line).await;
    append(&*log, &[actual(site_opened("s", "g1", &[seat("a", "", "")]))]);
    let shown = held.take(soon("the site", line.next()).await.unwrap());
    assert_eq!((held.rows.len(), shown.position), (1, log.watermark()), "the reader has the site");
    append(&*log, &[actual(reparented("t1", "k2"))]);
    caught_up(&views, &log).await;
    let copy = copy_at_one_moment(dir.path());
    // All in one step: the site comes and leaves in it.
    let again = start(&log, copy.path(), muster_views::RunnerOptions { merge_ms: 1_000, ..quick() });
    caught_up(&again, &log).await;
    assert_eq!(again.subscribe(View::Sites, filter.clone(), Some(shown)).unwrap().0, Start::Rows);
    assert_eq!(again.subscribe(View::Sites, filter, Some(views.at())).unwrap().0, Start::Resumed(views.at()));
    again.shutdown().await.unwrap();
    views.shutdown().await.unwrap();
}

/// Copies a folder in use as one moment of it: RocksDB moves files in the background, so a copy during which the list of
/// files changed is thrown away and made again.
fn copy_at_one_moment(from: &Path) -> tempfile::TempDir {
    for _ in 0..1_000 {
        let copy = tempfile::tempdir().unwrap();
        let before = sizes(from);
        let copied = copy_folder(from, copy.path());
        if copied.is_ok() && before.is_ok_and(|before| sizes(from).is_ok_and(|after| after == before)) {
            return copy;
        }
    }
    panic!("the folder never stood still for one copy");
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn sizes(of: &Path) -> std::io::Result<BTreeMap<PathBuf, u64>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(of)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(sizes(&entry.path())?);
        } else {
            found.insert(entry.path(), entry.metadata()?.len());
        }
    }
    Ok(found)
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
async fn a_rebuild_equals_the_live_rows_and_nobody_notices_it() {
    let happenings = history(&choices(18, 1_500));
    let log = memory_log(&happenings[..1_000]);
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    let (_, mut line) = views.subscribe(View::Coverage, Filter::default(), None).unwrap();
    let mut held = Held::default();
    held.fill(&mut line).await;
    let report = soon("the rebuild", views.rebuild(Arc::clone(&log) as Arc<dyn Log>)).await.unwrap();
    assert_eq!((report.at, report.differences.len(), report.compared.len()), (log.end(), 0, View::ALL.len()));
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

/// Writes other figures into the row of the city, as a fault of the disk or of an earlier program might.
fn spoil_a_row(dir: &Path) {
    let current = std::fs::read_to_string(dir.join("CURRENT")).map_or(1, |text| text.parse::<u32>().unwrap());
    let db = rocksdb::DB::open_default(dir.join(format!("generation-{current}"))).unwrap();
    let key = b"\x01\x01actual\0c";
    let Row::Coverage(row) = Row::decode(View::Coverage, &db.get(key).unwrap().unwrap()).unwrap() else { panic!("a row of coverage") };
    let wrong = Row::Coverage(muster_proto::v1::CoverageRow { required: row.required + 1, ..row });
    db.put(key, wrong.encode()).unwrap();
    db.flush().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_tells_of_a_wrong_row_and_puts_it_right() {
    let happenings = history(&choices(23, 1_200));
    let log = memory_log(&happenings[..800]);
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    views.shutdown().await.unwrap();
    spoil_a_row(dir.path());
    let store = ViewStore::open(dir.path()).unwrap();
    let (report, store) = rebuild(&*log, store, &View::ALL).unwrap();
    assert_eq!(report.differences.iter().map(|difference| difference.key.as_str()).collect::<Vec<_>>(), ["actual/c"]);
    assert!(report.differences[0].to_string().contains("required"), "{}", report.differences[0]);
    drop(store);

    spoil_a_row(dir.path());
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    let (_, mut line) = views.subscribe(View::Coverage, Filter::default(), None).unwrap();
    let mut held = Held::default();
    held.fill(&mut line).await;
    let wrong = views.at();
    assert_eq!(views.subscribe(View::Coverage, Filter::default(), Some(wrong)).unwrap().0, Start::Resumed(wrong));
    let generation = views.generation();
    for _ in 0..2 {
        let found = soon("the verification", views.verify(Arc::clone(&log) as Arc<dyn Log>)).await.unwrap();
        assert_eq!((found.differences.len(), found.at, views.generation()), (1, wrong, generation), "looking changes nothing");
    }
    let report = soon("the rebuild", views.rebuild(Arc::clone(&log) as Arc<dyn Log>)).await.unwrap();
    assert_eq!(report.differences.len(), 1);
    assert_eq!(views.generation(), generation + 1);
    assert_eq!(views.rows(View::Coverage), views.dump(View::Coverage).unwrap().1.len() as u64);
    assert_eq!(views.subscribe(View::Coverage, Filter::default(), Some(wrong)).unwrap().0, Start::Rows, "nobody goes on from wrong rows");
    assert_rows(&views, &log);
    // The folds were replaced too; what comes next goes on from them.
    append(&*log, &happenings[800..]);
    caught_up(&views, &log).await;
    assert_rows(&views, &log);
    let held = read_to_the_end(&views, line, held, View::Coverage, &Filter::default()).await;
    assert!(held.resets > 0, "rows were wrong: everybody starts anew");
    views.shutdown().await.unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    assert_rows(&views, &log);
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_of_any_position_equals_what_the_views_showed_then() {
    let happenings = history(&choices(19, 400));
    let log = memory_log(&[]);
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    let filter = Filter { area: Some("k2".into()), realm: Some("actual".into()), any_of: None };
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_views_end_with_their_log_and_the_lag_is_told() {
    let log = memory_log(&small_city());
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    assert_eq!((views.lag().positions, views.lag().age), (0, std::time::Duration::ZERO));
    let (_, mut line) = views.subscribe(View::Coverage, Filter::default(), None).unwrap();
    Held::default().fill(&mut line).await;
    log.close();
    assert_eq!(soon("the end", line.next()).await, None);
    let mut progress = views.progress();
    let stopped = soon("the stop", progress.wait_for(|now| now.stopped.is_some())).await.unwrap().stopped.clone();
    assert!(matches!(*stopped.unwrap(), RunnerError::Closed));
    views.shutdown().await.unwrap();
}
