//! Views of other crates in the worker: their state survives a save, another version is folded beside what is shown, and rows that cannot be read any
//! more are not shown.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::sync::Arc;

use muster_log::{Log, MemoryLog};
use muster_proto::Event;
use muster_proto::v1::{AreaLevel, Envelope};
use muster_views::{
    Filter, Live, LogSource, Page, Pass, QueryError, RowChange, Rows, RunnerOptions, View, ViewFold, ViewRow, ViewStore, ViewsHandle,
    row_json, spawn,
};
use serde::{Deserialize, Serialize};
use support::live::quick;
use support::*;

/// How often an area was defined.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
struct Defined {
    #[prost(string, tag = "1")]
    realm: String,
    #[prost(string, tag = "2")]
    area_id: String,
    #[prost(uint64, tag = "3")]
    #[serde(with = "muster_views::decimal")]
    times: u64,
    #[prost(uint64, tag = "4")]
    position: u64,
}

/// The same with a text where the number stood.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
struct Worded {
    #[prost(string, tag = "1")]
    realm: String,
    #[prost(string, tag = "2")]
    area_id: String,
    #[prost(string, tag = "3")]
    times: String,
    #[prost(uint64, tag = "4")]
    position: u64,
}

macro_rules! rows {
    ($($row:ty),*) => {$(
        impl ViewRow for $row {
            fn realm(&self) -> &str {
                &self.realm
            }

            fn id(&self) -> String {
                self.area_id.clone()
            }

            fn area_id(&self) -> &str {
                &self.area_id
            }

            fn position(&self) -> u64 {
                self.position
            }
        }
    )*};
}

rows!(Defined, Worded);

macro_rules! folds {
    ($($fold:ident $version:literal $row:ty, $times:expr;)*) => {$(
        #[derive(Default, Serialize, Deserialize)]
        struct $fold(std::collections::BTreeMap<String, u64>);

        impl ViewFold for $fold {
            const NAME: &'static str = "defined";
            const VERSION: u32 = $version;
            type Row = $row;

            fn apply(&mut self, record: &Envelope, rows: &mut Rows<$row>) {
                match &record.event {
                    Some(Event::AreaDefined(defined)) => {
                        let times = self.0.entry(defined.area_id.clone()).or_default();
                        *times += 1;
                        let (realm, area_id, position) = (record.realm.clone(), defined.area_id.clone(), record.position);
                        rows.put(<$row>::from((realm, area_id, $times(*times), position)));
                    }
                    Some(Event::AreaRetired(retired)) => drop(rows.remove(&record.realm, &retired.area_id)),
                    _ => {}
                }
            }
        }
    )*};
}

impl From<(String, String, u64, u64)> for Defined {
    fn from((realm, area_id, times, position): (String, String, u64, u64)) -> Self {
        Self { realm, area_id, times, position }
    }
}

impl From<(String, String, String, u64)> for Worded {
    fn from((realm, area_id, times, position): (String, String, String, u64)) -> Self {
        Self { realm, area_id, times, position }
    }
}

folds! {
    First 1 Defined, |times| times;
    Second 2 Defined, |times: u64| times * 10;
    Third 3 Worded, |times: u64| times.to_string();
}

fn views_with<F: ViewFold>() -> Vec<View> {
    View::ALL.into_iter().chain([View::of::<F>()]).collect()
}

fn start<F: ViewFold>(log: &Arc<MemoryLog>, dir: &Path) -> ViewsHandle {
    let options = RunnerOptions { keep_outdated: true, ..quick() };
    spawn(&views_with::<F>(), ViewStore::open(dir).unwrap(), LogSource::new(Arc::clone(log) as Arc<dyn Log>), options).unwrap()
}

/// `area times`.
fn rows<F: ViewFold>(views: &ViewsHandle) -> Result<Vec<String>, QueryError> {
    let page = views.snapshot(View::of::<F>(), &Filter::default(), &Page::default())?;
    let row = |row| {
        let row = row_json(row);
        format!("{} {}", row["area_id"].as_str().unwrap(), row["times"].as_str().unwrap())
    };
    Ok(page.rows.iter().map(|placed| row(&placed.row)).collect())
}

async fn caught_up(views: &ViewsHandle, log: &MemoryLog) {
    soon("the end of the log", views.wait_for(log.watermark())).await.unwrap();
}

#[test]
fn rows_and_memory_come_back_together() {
    let view = View::of::<First>();
    let mut pass = Pass::new(&[view]);
    for (index, happening) in small_city().iter().enumerate() {
        pass.take(&record(index as u64 + 1, happening)).unwrap();
        pass = Pass::load(&[view], &pass.save().unwrap()).unwrap();
    }
    let drained = pass.drain();
    assert_eq!(drained.len(), small_city().len());
    let RowChange::Put(row) = &drained[0] else { panic!("a row") };
    assert_eq!((row.view(), row.id().as_str(), row.position()), (view, "c", 1));
    assert_eq!(row_json(row), serde_json::json!({"realm": "actual", "area_id": "c", "times": "1", "position": 1}));
    pass.take(&record(20, &area("c", AreaLevel::City, ""))).unwrap();
    let mut pass = Pass::load(&[view], &pass.save().unwrap()).unwrap();
    assert_eq!(pass.drain().len(), 1, "what was drained is not touched any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_is_folded_beside_what_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let log = memory_log(&small_city());
    let views = start::<First>(&log, dir.path());
    caught_up(&views, &log).await;
    assert!(views.outdated().is_empty());
    let made = rows::<First>(&views).unwrap();
    assert_eq!(made[0], "c 1");
    let former = log.end();
    views.shutdown().await.unwrap();

    // The former rows stand still, the others go on; a kill leaves it so.
    for _ in 0..2 {
        let views = start::<Second>(&log, dir.path());
        append(&*log, &[area("c", AreaLevel::City, "")]);
        caught_up(&views, &log).await;
        assert_eq!(rows::<Second>(&views).unwrap(), made);
        assert_eq!(views.outdated_of(View::of::<Second>()).unwrap().rows, Some((1, former)));
        assert_eq!(views.snapshot(View::of::<Second>(), &Filter::default(), &Page::default()).unwrap().at, former);
        assert_eq!(views.snapshot(View::Coverage, &Filter::default(), &Page::default()).unwrap().at, log.end());
        views.shutdown().await.unwrap();
    }
    let views = start::<Second>(&log, dir.path());
    caught_up(&views, &log).await;
    let (_, mut reader) = views.subscribe(View::of::<Second>(), Filter::default(), None).unwrap();
    assert!(matches!(soon("rows", reader.next()).await, Some(Live::Rows(page)) if page.rows.len() == made.len()));
    let rebuilt = views.renew(Arc::clone(&log) as Arc<dyn Log>).await.unwrap();
    assert_eq!((rebuilt.at, rebuilt.differences), (log.end(), Vec::new()));
    assert!(matches!(soon("a reset", reader.next()).await, Some(Live::Reset(at)) if at == log.end()));
    assert!(matches!(soon("rows", reader.next()).await, Some(Live::Rows(page)) if page.rows.len() == made.len()));
    assert_eq!(rows::<Second>(&views).unwrap()[0], "c 30");
    let renewed = views.renewed();
    assert_eq!((renewed[0].former_version, renewed[0].differing, renewed[0].rows), (Some(1), Some(made.len() as u64), made.len() as u64));
    assert!(views.outdated().is_empty());
    append(&*log, &[area("c", AreaLevel::City, "")]);
    caught_up(&views, &log).await;
    assert_eq!(rows::<Second>(&views).unwrap()[0], "c 40");
    assert!(views.verify(Arc::clone(&log) as Arc<dyn Log>).await.unwrap().differences.is_empty());
    views.shutdown().await.unwrap();
    let views = start::<Second>(&log, dir.path());
    assert!(views.outdated().is_empty());
    caught_up(&views, &log).await;
    assert_eq!(rows::<Second>(&views).unwrap()[0], "c 40");
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_cannot_be_read_and_rows_that_never_were_are_built_first() {
    let dir = tempfile::tempdir().unwrap();
    let log = memory_log(&small_city());
    let own = spawn(&View::ALL, ViewStore::open(dir.path()).unwrap(), LogSource::new(Arc::clone(&log) as Arc<dyn Log>), quick()).unwrap();
    caught_up(&own, &log).await;
    own.shutdown().await.unwrap();
    // The view is new.
    let views = start::<Second>(&log, dir.path());
    caught_up(&views, &log).await;
    assert!(matches!(rows::<Second>(&views), Err(QueryError::Building { .. })));
    assert!(views.subscribe(View::of::<Second>(), Filter::default(), None).is_err());
    assert_eq!(views.rows(View::Coverage), small_city().len() as u64);
    views.renew(Arc::clone(&log) as Arc<dyn Log>).await.unwrap();
    assert_eq!(rows::<Second>(&views).unwrap()[0], "c 10");
    views.shutdown().await.unwrap();
    // Its rows have another form.
    let views = start::<Third>(&log, dir.path());
    caught_up(&views, &log).await;
    assert!(matches!(rows::<Third>(&views), Err(QueryError::Building { .. })));
    views.renew(Arc::clone(&log) as Arc<dyn Log>).await.unwrap();
    assert_eq!(rows::<Third>(&views).unwrap()[0], "c 1");
    assert_eq!((views.renewed()[0].former_version, views.renewed()[0].differing), (None, None));
    views.shutdown().await.unwrap();
    // Who keeps nothing outdated folds all anew, in place.
    let views =
        spawn(&views_with::<Second>(), ViewStore::open(dir.path()).unwrap(), LogSource::new(Arc::clone(&log) as Arc<dyn Log>), quick());
    let views = views.unwrap();
    caught_up(&views, &log).await;
    assert_eq!(rows::<Second>(&views).unwrap()[0], "c 10");
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_musters_own_views_is_made_anew_alike() {
    let dir = tempfile::tempdir().unwrap();
    let log = memory_log(&small_city());
    let views = start::<First>(&log, dir.path());
    caught_up(&views, &log).await;
    let former = log.end();
    views.shutdown().await.unwrap();
    // As if a program whose fold has another version had made it.
    let db = rocksdb::DB::open_default(dir.path().join("generation-1")).unwrap();
    db.put([4, 1], 7_u32.to_be_bytes()).unwrap();
    drop(db);
    let views = start::<First>(&log, dir.path());
    append(&*log, &[area("k3", AreaLevel::County, "c")]);
    caught_up(&views, &log).await;
    let outdated = views.outdated();
    assert_eq!((outdated.len(), outdated[0].view, outdated[0].rows), (1, View::Coverage, Some((7, former))));
    assert_eq!(views.rows(View::Coverage), small_city().len() as u64);
    assert_eq!(rows::<First>(&views).unwrap().len(), small_city().len() + 1, "the others are live");
    views.renew(Arc::clone(&log) as Arc<dyn Log>).await.unwrap();
    assert_eq!((views.renewed()[0].former_version, views.renewed()[0].differing), (Some(7), Some(0)));
    assert_eq!(views.rows(View::Coverage), small_city().len() as u64 + 1);
    assert_eq!(views.generation(), 2);
    views.shutdown().await.unwrap();
}
