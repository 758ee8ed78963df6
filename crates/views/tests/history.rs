//! The history on real disks: every position equals a replay that is cut there, two moments differ as the replays do, and whatever happens to its
//! folder costs only time.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use muster_log::{Log, LogId, MemoryLog, OpenOptions, Position, RocksLog};
use muster_proto::Event;
use muster_proto::v1;
use muster_views::{
    Filter, HistoryHandle, HistoryStore, Page, QueryError, RowPair, Snapshot, View, as_of, compare, fold_log, row_pairs, spawn_history,
};
use support::live::choices;
use support::world::history;
use support::*;

fn follow(log: &Arc<impl Log + 'static>, dir: &Path) -> HistoryHandle {
    spawn_history(&View::ALL, HistoryStore::open(dir).unwrap(), Arc::clone(log) as Arc<dyn Log>).unwrap()
}

async fn followed(log: &Arc<impl Log + 'static>, dir: &Path) -> HistoryHandle {
    let history = follow(log, dir);
    soon("the end of the log", history.wait_for(log.watermark())).await.unwrap();
    history
}

fn filters() -> Vec<Filter> {
    let areas = [None, Some("c"), Some("k1"), Some("t2"), Some("g1"), Some("n8"), Some("nowhere")];
    let realms = [None, Some("actual"), Some("drill")];
    let filter =
        |area: Option<&str>, realm: Option<&str>| Filter { area: area.map(Into::into), realm: realm.map(Into::into), any_of: None };
    areas.iter().flat_map(|area| realms.iter().map(move |realm| filter(*area, *realm))).collect()
}

fn assert_equals_replay(history: &HistoryHandle, log: &dyn Log, positions: impl IntoIterator<Item = u64>) {
    for position in positions {
        for (view, rows) in fold_log(log, &View::ALL, Position(position)).unwrap() {
            assert_eq!(compare(view, &history.dump(view, Position(position)).unwrap(), &rows), [], "{view} at {position}");
        }
    }
}

/// All pages of so many rows, put together.
fn paged(history: &HistoryHandle, view: View, filter: &Filter, position: Position, rows_max: usize) -> Snapshot {
    let mut whole = history.snapshot(view, filter, &Page { after: None, rows_max: Some(rows_max) }, position).unwrap();
    while let Some(after) = whole.next.take() {
        let page = history.snapshot(view, filter, &Page { after: Some(after), rows_max: Some(rows_max) }, position).unwrap();
        assert!(page.rows.len() <= rows_max);
        whole.rows.extend(page.rows);
        whole.next = page.next;
    }
    whole
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_position_equals_a_replay_that_is_cut_there() {
    let mut happenings = history(&choices(31, 450));
    let retired = |area_id: &str| actual(Event::AreaRetired(v1::AreaRetired { area_id: area_id.into() }));
    happenings.extend([retired("g1"), actual(reparented("t2", "k1")), retired("k2"), area("g1", v1::AreaLevel::Grid, "t2")]);
    let count = |wanted: fn(&Event) -> bool| happenings.iter().filter(|happening| wanted(&happening.event)).count();
    assert!(count(|event| matches!(event, Event::AreaRetired(_))) > 0, "rows end");
    assert!(count(|event| matches!(event, Event::AreaReparented(_))) > 0, "areas move");
    let log = memory_log(&happenings);
    let dir = tempfile::tempdir().unwrap();
    let history = followed(&log, dir.path()).await;
    assert_equals_replay(&history, &*log, 0..=log.watermark().0);
    history.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_areas_subtree_is_that_of_the_moment_also_by_page() {
    let log = memory_log(&history(&choices(32, 700)));
    let dir = tempfile::tempdir().unwrap();
    let history = followed(&log, dir.path()).await;
    let mut seen = 0;
    for position in (0..=log.watermark().0).step_by(53) {
        for (view, filter) in View::ALL.into_iter().flat_map(|view| filters().into_iter().map(move |filter| (view, filter))) {
            let expected = as_of(&*log, view, &filter, Position(position)).unwrap();
            seen += expected.rows.len();
            assert_eq!(paged(&history, view, &filter, Position(position), 3), expected, "{view} {filter:?} at {position}");
            assert_eq!(paged(&history, view, &filter, Position(position), 20_000), expected);
        }
    }
    assert!(seen > 1_000);
    let nonsense = Page { after: Some("nonsense".into()), rows_max: None };
    let asked = history.snapshot(View::Sites, &Filter::default(), &nonsense, Position(1));
    assert!(matches!(asked, Err(QueryError::BadCursor { .. })));
    history.shutdown().await.unwrap();
}

/// Everything that differs, by page.
fn differing(history: &HistoryHandle, view: View, filter: &Filter, from: Position, to: Position) -> Vec<RowPair> {
    let (mut pairs, mut after) = (Vec::new(), None);
    loop {
        let page = history.compare(view, filter, &Page { after, rows_max: Some(4) }, from, to).unwrap();
        assert_eq!((page.from.position, page.to.position), (from, to));
        pairs.extend(page.rows);
        after = page.next;
        if after.is_none() {
            return pairs;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_moments_differ_as_their_replays_do_in_both_directions() {
    let log = memory_log(&history(&choices(33, 600)));
    let dir = tempfile::tempdir().unwrap();
    let history = followed(&log, dir.path()).await;
    let end = log.watermark().0;
    let mut kinds = BTreeSet::new();
    for (from, to) in [(0, end), (end / 2, end), (end, end / 3), (200, 201), (150, 150), (end / 4, end / 2), (7, 90)] {
        for (view, filter) in View::ALL.into_iter().flat_map(|view| filters().into_iter().map(move |filter| (view, filter))) {
            let [was, is] = [from, to].map(|at| as_of(&*log, view, &filter, Position(at)).unwrap());
            let expected = row_pairs(&was, &is);
            kinds.extend(expected.iter().map(|pair| (pair.from.is_some(), pair.to.is_some())));
            assert_eq!(differing(&history, view, &filter, Position(from), Position(to)), expected, "{view} {filter:?} {from} {to}");
        }
    }
    assert_eq!(kinds.len(), 3, "rows are added, removed and changed");
    history.shutdown().await.unwrap();
}

/// A row stays the same while its area moves away: it leaves one subtree and comes into another, and in the whole nothing differs but coverage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_moves_with_its_area() {
    let mut happenings = small_city();
    happenings.push(actual(site_opened("s", "g1", &[seat("a", "", "")])));
    happenings.push(actual(reparented("t1", "k2")));
    let log = memory_log(&happenings);
    let dir = tempfile::tempdir().unwrap();
    let history = followed(&log, dir.path()).await;
    let [before, after] = [log.watermark().0 - 1, log.watermark().0].map(Position);
    let within = |area: &str| Filter { area: Some(area.into()), realm: None, any_of: None };
    let forms = |area: &str| {
        let pairs = differing(&history, View::Sites, &within(area), before, after);
        pairs.iter().map(|pair| (pair.from.is_some(), pair.to.is_some())).collect::<Vec<_>>()
    };
    assert_eq!((forms("k1"), forms("k2"), forms("c")), (vec![(true, false)], vec![(false, true)], vec![]));
    let county = |position| paged(&history, View::Sites, &Filter::default(), position, 9).rows[0].path.county.clone();
    assert_eq!((county(before), county(after)), ("k1".to_owned(), "k2".to_owned()));
    history.shutdown().await.unwrap();
}

/// A record may name an area that none has defined yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_area_without_a_definition_holds_itself() {
    let mut happenings = small_city();
    happenings.push(actual(site_opened("s", "g9", &[])));
    happenings.push(area("g9", v1::AreaLevel::Grid, "t1"));
    let log = memory_log(&happenings);
    let dir = tempfile::tempdir().unwrap();
    let history = followed(&log, dir.path()).await;
    let mut counts = Vec::new();
    for (position, area) in [(8, "g9"), (8, "t1"), (9, "g9"), (9, "t1")] {
        let filter = Filter { area: Some(area.into()), realm: None, any_of: None };
        let found = paged(&history, View::Sites, &filter, Position(position), 9);
        assert_eq!(found, as_of(&*log, View::Sites, &filter, Position(position)).unwrap());
        counts.push(found.rows.len());
    }
    assert_eq!(counts, [1, 0, 1, 1]);
    history.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_follows_the_log_and_says_where_it_is() {
    let happenings = history(&choices(34, 300));
    let log = memory_log(&happenings[..100]);
    let dir = tempfile::tempdir().unwrap();
    let history = followed(&log, dir.path()).await;
    assert_eq!(history.at(), log.end());
    let ahead = history.snapshot(View::Coverage, &Filter::default(), &Page::default(), Position(101));
    assert!(matches!(ahead, Err(QueryError::NotReady { at: Position(100), target: Position(101) })), "{ahead:?}");
    for part in happenings[100..].chunks(17) {
        append(&*log, part);
    }
    soon("the end", history.wait_for(log.watermark())).await.unwrap();
    assert_equals_replay(&history, &*log, [100, 101, 150, log.watermark().0]);
    log.close();
    let mut progress = history.progress();
    soon("the stop", progress.wait_for(|now| now.stopped.is_some())).await.unwrap();
    // What it has it still answers for.
    assert_equals_replay(&history, &*log, [120]);
    assert!(matches!(history.wait_for(log.watermark().next()).await, Err(QueryError::Stopped(_))));
    history.shutdown().await.unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A process that dies leaves what was flushed, and of what came after it nothing: there is no write-ahead log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_it_goes_on_from_what_reached_the_disk() {
    let happenings = history(&choices(35, 400));
    let log = memory_log(&happenings[..150]);
    let dir = tempfile::tempdir().unwrap();
    let (living, dead) = (dir.path().join("living"), dir.path().join("dead"));
    followed(&log, &living).await.shutdown().await.unwrap();
    let history = follow(&log, &living);
    append(&*log, &happenings[150..300]);
    soon("the end", history.wait_for(log.watermark())).await.unwrap();
    copy(&living, &dead);
    history.shutdown().await.unwrap();
    let store = HistoryStore::open(&dead).unwrap();
    assert_eq!(store.checkpoint().unwrap().unwrap().position(), Position(150), "the rest was in memory");
    drop(store);
    append(&*log, &happenings[300..]);
    for folder in [&dead, &living] {
        let history = followed(&log, folder).await;
        assert_equals_replay(&history, &*log, (0..=log.watermark().0).step_by(9).chain([149, 150, 151, 299, 300, 301]));
        history.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_folder_and_one_of_another_form_are_made_anew() {
    let log = memory_log(&history(&choices(36, 120)));
    let dir = tempfile::tempdir().unwrap();
    followed(&log, dir.path()).await.shutdown().await.unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("MANIFEST") {
            fs::write(&path, b"torn").unwrap();
        }
    }
    let history = followed(&log, dir.path()).await;
    assert_equals_replay(&history, &*log, [0, 60, log.watermark().0]);
    history.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_log_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let first = memory_log(&history(&choices(37, 200)));
    followed(&first, dir.path()).await.shutdown().await.unwrap();
    let other = Arc::new(MemoryLog::with_options(OpenOptions { new_id: Some(LogId([7; 16])), ..OpenOptions::default() }));
    append(&*other, &history(&choices(38, 150)));
    let history = followed(&other, dir.path()).await;
    assert_equals_replay(&history, &*other, (0..=other.watermark().0).step_by(11));
    history.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_raised_epoch_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (log_dir, history_dir) = (dir.path().join("log"), dir.path().join("history"));
    let options = || OpenOptions { reserve_bytes: 0, free_floor_bytes: 0, ..OpenOptions::default() };
    let happenings = history(&choices(39, 150));
    let log = Arc::new(RocksLog::open(&log_dir, options()).unwrap());
    append(&*log, &happenings[..100]);
    followed(&log, &history_dir).await.shutdown().await.unwrap();
    log.close();
    drop(Arc::into_inner(log).unwrap());
    muster_log::accept_loss(&log_dir, &options()).unwrap();
    let log = Arc::new(RocksLog::open(&log_dir, options()).unwrap());
    append(&*log, &happenings[100..]);
    let history = followed(&log, &history_dir).await;
    assert_eq!((history.at(), history.at().epoch.0), (log.end(), 2));
    assert_equals_replay(&history, &*log, [0, 50, 100, log.watermark().0]);
    history.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_anew_is_the_same() {
    let log = memory_log(&history(&choices(40, 200)));
    let dir = tempfile::tempdir().unwrap();
    let history = followed(&log, dir.path()).await;
    for _ in 0..3 {
        history.begin_anew();
        append(&*log, &[actual(Event::IncidentClosed(v1::IncidentClosed { incident_id: "i".into() }))]);
        soon("the end", history.wait_for(log.watermark())).await.unwrap();
        assert_equals_replay(&history, &*log, (0..=log.watermark().0).step_by(23));
    }
    history.shutdown().await.unwrap();
}
