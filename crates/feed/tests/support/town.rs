//! A town whose areas, people and whistles change, its live views, and the buckets held against them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use muster_feed::kv::{MARKER, Marker, bucket_name, row_key};
use muster_feed::{KvHandle, KvOptions, KvState, KvStatus};
use muster_log::{Log, MemoryLog, Position, Record, Unit};
use muster_proto::v1::{self, AreaLevel};
use muster_proto::{CommonPart, EnvelopeEncoder, Event, RecordPart};
use muster_views::{EventSource, Filter, LogSource, Origin, Page, RunnerOptions, SourceError, View, ViewStore, ViewsHandle, row_json};
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tokio::sync::watch;

use super::{LIMIT, Nats, within};

/// The views that the town has rows of.
pub const VIEWS: [View; 3] = [View::Coverage, View::Whistles, View::Responders];

pub fn defined(area_id: &str, parent_id: &str, level: AreaLevel, name: &str) -> Event {
    let (area_id, parent_id, name) = (area_id.into(), parent_id.into(), name.into());
    Event::AreaDefined(v1::AreaDefined { area_id, parent_id, level: level.into(), name, ..Default::default() })
}

pub fn reparented(area_id: &str, parent_id: &str, former_parent_id: &str) -> Event {
    let (area_id, parent_id, former_parent_id) = (area_id.into(), parent_id.into(), former_parent_id.into());
    Event::AreaReparented(v1::AreaReparented { area_id, parent_id, former_parent_id })
}

pub fn enrolled(responder_id: &str, area_id: &str) -> Event {
    Event::ResponderEnrolled(v1::ResponderEnrolled { responder_id: responder_id.into(), area_id: area_id.into(), ..Default::default() })
}

pub fn blown(whistle_id: &str, area_id: &str) -> Event {
    let (whistle_id, area_id) = (whistle_id.into(), area_id.into());
    Event::WhistleBlown(v1::WhistleBlown { whistle_id, area_id, text: "缺氧气".into(), ..Default::default() })
}

/// Two counties, two townships in each, a person and a whistle in each township.
pub fn town() -> Vec<Event> {
    let mut events = vec![defined("440800", "", AreaLevel::City, "湛江")];
    for county in ["440802", "440803"] {
        events.push(defined(county, "440800", AreaLevel::County, county));
        for township in [format!("{county}001"), format!("{county}002")] {
            events.push(defined(&township, county, AreaLevel::Township, &township));
            events.push(enrolled(&format!("r-{township}"), &township));
            events.push(blown(&format!("w/{township}"), &township));
        }
    }
    events
}

fn encode(position: Position, event: &Event) -> bytes::Bytes {
    let context = v1::Context { actor: "p-1".into(), ..Default::default() };
    let recorded_at_ms = 1_764_000_000_000 + position.0.cast_signed();
    let common = CommonPart { recorded_at_ms, principal: "hq", command_id: "c", body_digest: &[1; 32], context: Some(&context), count: 1 };
    EnvelopeEncoder::new(&common, 1).encode(&RecordPart {
        position: position.0,
        index: 0,
        realm: muster_proto::ACTUAL,
        area_path: &v1::AreaPath::default(),
        other_area_ids: &[],
        cause: 0,
        origin: v1::Origin::External,
        event,
    })
}

/// Appends, and returns when all is durable.
pub fn append(log: &MemoryLog, events: &[Event]) {
    let first = log.appended().next();
    let records = events.iter().zip(first.0..).map(|(event, position)| encode(Position(position), event)).collect();
    let (told, durable) = std::sync::mpsc::sync_channel(1);
    log.append(Unit::records_only(first, records), Box::new(move |outcome| drop(told.send(outcome)))).unwrap();
    durable.recv_timeout(LIMIT).unwrap().unwrap();
}

pub fn town_log() -> Arc<MemoryLog> {
    let log = super::new_log(super::LOG);
    append(&log, &town());
    log
}

/// Changes of every kind: names, moves between counties, new areas, people and whistles.
pub fn changes(seed: u64, count: usize) -> Vec<Event> {
    println!("changes from seed {seed}");
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let counties = ["440802", "440803"];
    let mut townships: Vec<(String, &str)> =
        counties.iter().flat_map(|county| ["001", "002"].map(|suffix| (format!("{county}{suffix}"), *county))).collect();
    (0..count)
        .map(|number| match dice.random_range(0..5) {
            0 => {
                let index = dice.random_range(0..townships.len());
                let (id, former) = townships[index].clone();
                let parent = counties.iter().find(|county| **county != former).unwrap();
                townships[index].1 = parent;
                reparented(&id, parent, former)
            }
            1 => {
                let county = counties.choose(&mut dice).unwrap();
                townships.push((format!("{county}-{number}"), county));
                defined(&format!("{county}-{number}"), county, AreaLevel::Township, "新")
            }
            2 => enrolled(&format!("r-{number}"), &townships.choose(&mut dice).unwrap().0),
            3 => blown(&format!("w-{number}"), &townships.choose(&mut dice).unwrap().0),
            _ => {
                let (id, county) = townships.choose(&mut dice).unwrap();
                defined(id, county, AreaLevel::Township, &format!("改名{number}"))
            }
        })
        .collect()
}

pub fn quick() -> RunnerOptions {
    RunnerOptions { merge_ms: 0, ..RunnerOptions::default() }
}

pub fn start_views(log: &Arc<MemoryLog>, dir: &Path) -> ViewsHandle {
    start_views_with(LogSource::new(Arc::clone(log) as Arc<dyn Log>), dir, quick())
}

pub fn start_views_with<S: EventSource>(source: S, dir: &Path, options: RunnerOptions) -> ViewsHandle {
    muster_views::spawn(&VIEWS, ViewStore::open(dir).unwrap(), source, options).unwrap()
}

/// A log's records as those of another origin: after a restore, or of another log.
pub struct Elsewhere {
    pub inner: LogSource,
    pub origin: Origin,
}

impl EventSource for Elsewhere {
    fn origin(&self) -> Origin {
        self.origin
    }

    fn end(&self) -> watch::Receiver<Position> {
        self.inner.end()
    }

    async fn seek(&mut self, from: Position) -> Result<(), SourceError> {
        self.inner.seek(from).await
    }

    async fn next_batch(&mut self) -> Result<Vec<Record>, SourceError> {
        self.inner.next_batch().await
    }
}

/// Options that notice everything soon, with a lease that no busy machine lets run out.
pub fn kv_options(url: String, name: &str) -> KvOptions {
    KvOptions { heartbeat: Duration::from_millis(100), lease: Duration::from_secs(30), ..KvOptions::new(url, name) }
}

/// The same with a lease that runs out soon.
pub fn short_lease(url: String, name: &str) -> KvOptions {
    KvOptions { lease: Duration::from_secs(1), ..kv_options(url, name) }
}

/// Waits for a status of a view's publisher.
pub async fn kv_where(kv: &KvHandle, view: View, what: &str, wanted: impl Fn(&KvStatus) -> bool) -> KvStatus {
    let mut status = kv.status(view).unwrap();
    let last = status.clone();
    let waited = tokio::time::timeout(LIMIT, status.wait_for(wanted)).await;
    waited.unwrap_or_else(|_| panic!("{view} still not {what}: {:?}", last.borrow())).unwrap().clone()
}

/// A bucket's keys with their values.
pub async fn contents(nats: &Nats, view: View) -> (Option<Marker>, BTreeMap<String, Value>) {
    let store = nats.jetstream().await.get_key_value(bucket_name(view)).await.unwrap();
    let mut keys = store.keys().await.unwrap();
    let mut rows = BTreeMap::new();
    while let Some(key) = within("a key", keys.next()).await {
        let key = key.unwrap();
        // A list misses a key that is written meanwhile, as the marker is all the time.
        if key == MARKER {
            continue;
        }
        if let Some(value) = store.get(&key).await.unwrap() {
            rows.insert(key, serde_json::from_slice(&value).unwrap_or(Value::Null));
        }
    }
    let marker = store.get(MARKER).await.unwrap().map(|marker| serde_json::from_slice(&marker).unwrap());
    (marker, rows)
}

/// The rows of a view as the bucket must have them, without `at`.
pub fn wanted(views: &ViewsHandle, view: View) -> BTreeMap<String, Value> {
    let snapshot = views.snapshot(view, &Filter::default(), &Page::default()).unwrap();
    let placed = snapshot.rows.iter().map(|placed| (row_key(placed.row.realm(), &placed.path, &placed.row.id()), row_json(&placed.row)));
    placed.collect()
}

/// Waits until every bucket is in step, and holds each against the rows.
pub async fn in_step(kv: &KvHandle, views: &ViewsHandle, log: &MemoryLog, nats: &Nats) {
    within("the views", views.wait_for(log.watermark())).await.unwrap();
    for view in VIEWS {
        kv_where(kv, view, "in step", |status| status.is_live_at(views.at())).await;
        assert_equal(views, nats, view).await;
    }
}

/// Waits until what somebody else did to a view's bucket was noticed and made good, and holds it against the rows.
pub async fn mended(kv: &KvHandle, views: &ViewsHandle, nats: &Nats, view: View, before: &KvStatus) {
    let compared = before.compared;
    kv_where(kv, view, "mended", |status| status.compared > compared && status.is_live_at(views.at())).await;
    assert_equal(views, nats, view).await;
}

pub async fn assert_equal(views: &ViewsHandle, nats: &Nats, view: View) {
    let (marker, mut found) = contents(nats, view).await;
    let marker = marker.expect("there is a marker");
    for value in found.values_mut() {
        let at = value.as_object_mut().unwrap().remove("at").unwrap();
        let at: muster_log::EpochPosition = at.as_str().unwrap().parse().unwrap();
        assert!(at <= views.at());
    }
    assert_eq!(found, wanted(views, view), "{view}");
    assert!(marker.complete, "{marker:?}");
    assert_eq!((marker.at, marker.rows), (views.at().to_string(), found.len().to_string()));
}

/// What a publisher does with what it has had.
pub fn is_standby(status: &KvStatus) -> bool {
    status.state == KvState::Standby
}
