//! What the tests of the views share: records built by hand, a log in memory, and a wait that is bounded.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod live;
pub mod naive;
pub mod naive_hours;
pub mod naive_people;
pub mod world;

use std::sync::Arc;
use std::time::Duration;

use muster_log::{Log, MemoryLog, Position, Record, Unit};
use muster_proto::v1::{self, AreaLevel};
use muster_proto::{CommonPart, EnvelopeEncoder, Event, RecordPart};
use muster_views::{Pass, Row, RowChange, View};

/// One event in a realm at a time.
#[derive(Clone, Debug)]
pub struct Happening {
    pub realm: String,
    pub at_ms: i64,
    pub event: Event,
}

/// A happening at its place in the log.
#[derive(Clone, Debug)]
pub struct Fact {
    pub position: Position,
    pub recorded_at_ms: i64,
    pub occurred_at_ms: i64,
    pub realm: Arc<str>,
    pub event: Event,
}

pub fn in_realm(realm: &str, event: Event) -> Happening {
    Happening { realm: realm.to_owned(), at_ms: 0, event }
}

/// As the folds see it: positions count from 1, a second passes with each record unless it says otherwise.
pub fn facts(happenings: &[Happening]) -> Vec<Fact> {
    let fact = |(index, happening): (usize, &Happening)| {
        let recorded_at_ms = if happening.at_ms == 0 { time_of(index) } else { happening.at_ms };
        Fact {
            position: Position(index as u64 + 1),
            recorded_at_ms,
            occurred_at_ms: recorded_at_ms - 7,
            realm: Arc::from(happening.realm.as_str()),
            event: happening.event.clone(),
        }
    };
    happenings.iter().enumerate().map(fact).collect()
}

pub fn time_of(index: usize) -> i64 {
    1_000_000 + 1_000 * index as i64
}

/// The record's bytes as the engine stamps them.
pub fn encode(position: u64, happening: &Happening) -> bytes::Bytes {
    let fact = &facts(std::slice::from_ref(happening))[0];
    let recorded_at_ms = if happening.at_ms == 0 { time_of(position as usize - 1) } else { fact.recorded_at_ms };
    let context = v1::Context { occurred_at_ms: recorded_at_ms - 7, actor: "p-1".into(), ..Default::default() };
    let common = CommonPart { recorded_at_ms, principal: "hq", command_id: "x", body_digest: &[1; 32], context: Some(&context), count: 1 };
    EnvelopeEncoder::new(&common, 1).encode(&RecordPart {
        position,
        index: 0,
        realm: &happening.realm,
        area_path: &v1::AreaPath::default(),
        other_area_ids: &[],
        cause: 0,
        origin: v1::Origin::External,
        event: &happening.event,
    })
}

/// Appends to a log and waits until all of it is durable.
pub fn append(log: &dyn Log, happenings: &[Happening]) {
    let first = log.appended().next();
    let records: Vec<_> = happenings.iter().enumerate().map(|(index, happening)| encode(first.0 + index as u64, happening)).collect();
    if records.is_empty() {
        return;
    }
    let (sent, durable) = std::sync::mpsc::sync_channel(1);
    log.append(Unit::records_only(first, records), Box::new(move |outcome| drop(sent.send(outcome)))).unwrap();
    durable.recv_timeout(Duration::from_secs(60)).unwrap().unwrap();
}

pub fn memory_log(happenings: &[Happening]) -> Arc<MemoryLog> {
    let log = Arc::new(MemoryLog::new());
    append(&*log, happenings);
    log
}

/// Waits for something that has to come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come"),
    }
}

pub fn record(position: u64, happening: &Happening) -> Record {
    Record { position: Position(position), bytes: encode(position, happening) }
}

/// The rows of a view once these have happened.
pub fn given(view: View, happenings: &[Happening]) -> Vec<Row> {
    let mut pass = Pass::new(&[view]);
    for (index, happening) in happenings.iter().enumerate() {
        pass.take(&record(index as u64 + 1, happening)).unwrap();
    }
    let changes = pass.drain();
    assert_eq!(pass.drain(), [], "a second drain hands nothing out");
    changes.into_iter().filter_map(|change| if let RowChange::Put(row) = change { Some(row) } else { None }).collect()
}

/// The row of a realm and id.
pub fn given_row(view: View, happenings: &[Happening], realm: &str, id: &str) -> Option<Row> {
    given(view, happenings).into_iter().find(|row| row.realm() == realm && row.id() == id)
}

pub const ACTUAL: &str = muster_proto::ACTUAL;

pub fn actual(event: Event) -> Happening {
    in_realm(ACTUAL, event)
}

pub fn area(area_id: &str, level: AreaLevel, parent_id: &str) -> Happening {
    let (area_id, parent_id, name) = (area_id.into(), parent_id.into(), format!("名 {area_id}"));
    actual(Event::AreaDefined(v1::AreaDefined { area_id, name, level: level.into(), parent_id, ..Default::default() }))
}

/// A city of two counties with a township and a grid each: `c`, `k1`, `t1`, `g1`, `k2`, `t2`, `g2`.
pub fn small_city() -> Vec<Happening> {
    let mut areas = vec![area("c", AreaLevel::City, "")];
    for n in ["1", "2"] {
        areas.push(area(&format!("k{n}"), AreaLevel::County, "c"));
        areas.push(area(&format!("t{n}"), AreaLevel::Township, &format!("k{n}")));
        areas.push(area(&format!("g{n}"), AreaLevel::Grid, &format!("t{n}")));
    }
    areas
}

pub fn reparented(area_id: &str, parent_id: &str) -> Event {
    Event::AreaReparented(v1::AreaReparented { area_id: area_id.into(), parent_id: parent_id.into(), ..Default::default() })
}

pub fn seat(seat_id: &str, specialty: &str, shift: &str) -> v1::Seat {
    v1::Seat { seat_id: seat_id.into(), specialty: specialty.into(), shift: shift.into(), duty_desk: false }
}

pub fn site_opened(site_id: &str, area_id: &str, seats: &[v1::Seat]) -> Event {
    Event::SiteOpened(v1::SiteOpened {
        site_id: site_id.into(),
        incident_id: "i".into(),
        kind: v1::SiteKind::Checkpoint.into(),
        name: format!("卡口 {site_id}"),
        area_id: area_id.into(),
        seats: seats.to_vec(),
        plan_id: String::new(),
    })
}

pub fn need(need_id: &str, kind: v1::NeedKind, specialty: &str, quantity: u32) -> v1::Need {
    v1::Need { need_id: need_id.into(), kind: kind.into(), specialty: specialty.into(), quantity, unit: "人".into(), ..Default::default() }
}

pub fn whistle_blown(whistle_id: &str, area_id: &str, needs: &[v1::Need]) -> Event {
    Event::WhistleBlown(v1::WhistleBlown {
        whistle_id: whistle_id.into(),
        incident_id: "i".into(),
        area_id: area_id.into(),
        severity: v1::Severity::Severe.into(),
        urgency: v1::Urgency::Immediate.into(),
        needs: needs.to_vec(),
        acknowledge_due_ms: 5_000_000,
        ..Default::default()
    })
}

/// A call to a seat of a site.
pub fn called(call_id: &str, responder_id: &str, site_id: &str, seat_id: &str, area_id: &str) -> v1::ResponderCalled {
    v1::ResponderCalled {
        call_id: call_id.into(),
        responder_id: responder_id.into(),
        incident_id: "i".into(),
        role: v1::DutyRole::Member.into(),
        site_id: site_id.into(),
        seat_id: seat_id.into(),
        area_id: area_id.into(),
        ..Default::default()
    }
}

/// A call to a whistle's need.
pub fn called_for(call_id: &str, responder_id: &str, whistle_id: &str, need_id: &str, area_id: &str) -> v1::ResponderCalled {
    let call = called(call_id, responder_id, "", "", area_id);
    v1::ResponderCalled { whistle_id: whistle_id.into(), need_id: need_id.into(), ..call }
}

pub fn accepted(call_id: &str, estimated_arrival_ms: i64) -> Event {
    Event::CallAccepted(v1::CallAccepted { call_id: call_id.into(), estimated_arrival_ms })
}

pub fn released(call_id: &str, responder_id: &str) -> Event {
    Event::DutyReleased(v1::DutyReleased { call_id: call_id.into(), responder_id: responder_id.into(), ..Default::default() })
}

pub fn checked_in(responder_id: &str, call_id: &str, site_id: &str, whistle_id: &str, area_id: &str) -> Event {
    Event::CheckedIn(v1::CheckedIn {
        responder_id: responder_id.into(),
        call_id: call_id.into(),
        site_id: site_id.into(),
        whistle_id: whistle_id.into(),
        area_id: area_id.into(),
        walk_in: call_id.is_empty(),
        ..Default::default()
    })
}

pub fn checked_out(responder_id: &str, site_id: &str) -> Event {
    Event::CheckedOut(v1::CheckedOut { responder_id: responder_id.into(), site_id: site_id.into(), ..Default::default() })
}

pub fn disputed(responder_id: &str, site_id: &str, other_site_id: &str, area_id: &str) -> Event {
    Event::PresenceDisputed(v1::PresenceDisputed {
        responder_id: responder_id.into(),
        site_id: site_id.into(),
        other_site_id: other_site_id.into(),
        area_id: area_id.into(),
        ..Default::default()
    })
}

pub fn settled(responder_id: &str, site_id: &str, area_id: &str) -> Event {
    Event::PresenceSettled(v1::PresenceSettled {
        responder_id: responder_id.into(),
        site_id: site_id.into(),
        area_id: area_id.into(),
        ..Default::default()
    })
}
