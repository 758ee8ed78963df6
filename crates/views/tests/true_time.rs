//! What was so at a true time, as far as it was known at a position: observations count when their device says, also those that came late.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use muster_log::{Log, MemoryLog, Position, Unit};
use muster_proto::v1;
use muster_proto::{CommonPart, EnvelopeEncoder, Event, RecordPart};
use muster_views::{Filter, ReplayError, Row, Snapshot, View, as_of, as_of_true_time};
use support::*;

const MINUTE: i64 = 60_000;

/// Minutes at which it was recorded and at which it happened.
fn log_of(records: &[(i64, i64, Event)]) -> Arc<MemoryLog> {
    let log = Arc::new(MemoryLog::new());
    let encode = |(index, (recorded, occurred, event)): (usize, &(i64, i64, Event))| {
        let context = v1::Context { occurred_at_ms: occurred * MINUTE, ..Default::default() };
        let (recorded_at_ms, position) = (recorded * MINUTE, index as u64 + 1);
        let common =
            CommonPart { recorded_at_ms, principal: "hq", command_id: "x", body_digest: &[1; 32], context: Some(&context), count: 1 };
        EnvelopeEncoder::new(&common, 1).encode(&RecordPart {
            position,
            index: 0,
            realm: ACTUAL,
            area_path: &v1::AreaPath::default(),
            other_area_ids: &[],
            cause: 0,
            origin: v1::Origin::External,
            event,
        })
    };
    let records: Vec<_> = records.iter().enumerate().map(encode).collect();
    let (sent, durable) = std::sync::mpsc::sync_channel(1);
    log.append(Unit::records_only(Position(1), records), Box::new(move |outcome| drop(sent.send(outcome)))).unwrap();
    durable.recv_timeout(std::time::Duration::from_secs(60)).unwrap().unwrap();
    log
}

fn past(responder_id: &str, site_id: &str, check_out: bool) -> Event {
    Event::PastPresenceRecorded(v1::PastPresenceRecorded {
        responder_id: responder_id.into(),
        site_id: site_id.into(),
        check_out,
        ..Default::default()
    })
}

/// Areas and two sites in minute 1, a call for p in minute 2, and the observations given.
fn with(observations: &[(i64, i64, Event)]) -> Arc<MemoryLog> {
    let mut records: Vec<(i64, i64, Event)> = small_city().into_iter().map(|happening| (1, 1, happening.event)).collect();
    records.push((1, 1, site_opened("s", "g1", &[seat("a", "", "")])));
    records.push((1, 1, site_opened("x", "g2", &[])));
    records.push((2, 2, Event::ResponderCalled(called("c1", "p", "s", "a", "g1"))));
    records.extend_from_slice(observations);
    log_of(&records)
}

/// On post and walked in, in the city.
fn city(snapshot: &Snapshot) -> (i64, i64) {
    let rows = snapshot.rows.iter().filter_map(|placed| if let Row::Coverage(row) = &*placed.row { Some(row) } else { None });
    rows.filter(|row| row.area_id == "c").map(|row| (row.on_post, row.walk_in)).next().unwrap_or_default()
}

fn at(log: &MemoryLog, known: u64, minute: i64) -> (i64, i64) {
    city(&as_of_true_time(log, View::Coverage, &Filter::default(), Position(known), minute * MINUTE).unwrap())
}

#[test]
fn a_late_check_in_counts_from_the_time_that_its_device_says() {
    let log = with(&[(60, 10, checked_in("p", "c1", "s", "", "g1")), (61, 40, checked_out("p", "s"))]);
    let end = log.watermark().0;
    // Known now: there from minute 10 to 40.
    assert_eq!([9, 10, 39, 40, 70].map(|minute| at(&log, end, minute)), [(0, 0), (1, 0), (1, 0), (0, 0), (0, 0)]);
    // Before the check-out was told they were thought to be there still.
    assert_eq!([9, 10, 50].map(|minute| at(&log, end - 1, minute)), [(0, 0), (1, 0), (1, 0)]);
    // And before anything was told, nowhere; as the log had it at that time.
    assert_eq!([10, 50].map(|minute| at(&log, end - 2, minute)), [(0, 0), (0, 0)]);
    let then = as_of(&*log, View::Coverage, &Filter::default(), Position(end - 2)).unwrap();
    assert_eq!(city(&then), (0, 0));
}

#[test]
fn what_was_told_of_the_past_fills_the_hole_in_it_and_changes_nothing_that_stands() {
    let log = with(&[
        (10, 10, checked_in("p", "c1", "s", "", "g1")),
        (20, 20, checked_out("p", "s")),
        (50, 50, checked_in("p", "c1", "s", "", "g1")),
        // A phone that was offline: away to x from 30 to 40.
        (90, 30, past("p", "x", false)),
        (91, 40, past("p", "x", true)),
        // Left from where they were not: says nothing.
        (92, 55, past("p", "x", true)),
    ]);
    let end = log.watermark().0;
    let minutes = [10, 19, 20, 29, 30, 39, 40, 49, 50, 56, 100];
    let known = minutes.map(|minute| at(&log, end, minute));
    assert_eq!(known, [(1, 0), (1, 0), (0, 0), (0, 0), (0, 1), (0, 1), (0, 0), (0, 0), (1, 0), (1, 0), (1, 0)]);
    let before = minutes.map(|minute| at(&log, end - 3, minute));
    assert_eq!(before, [(1, 0), (1, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (1, 0), (1, 0), (1, 0)]);
    // The walk-in stood in the other county.
    let filter = Filter { area: Some("k2".into()), realm: None, any_of: None };
    let rows = as_of_true_time(&*log, View::Coverage, &filter, Position(end), 35 * MINUTE).unwrap().rows;
    let walked_in: Vec<_> = rows
        .iter()
        .filter_map(|placed| if let Row::Coverage(row) = &*placed.row { Some((row.area_id.as_str(), row.walk_in)) } else { None })
        .collect();
    assert_eq!(walked_in, [("g2", 1), ("k2", 1), ("t2", 1)]);
}

#[test]
fn orders_bind_from_their_record_whenever_they_are_said_to_have_been_given() {
    let log = with(&[(30, 5, released("c1", "p")), (31, 10, checked_in("p", "c1", "s", "", "g1"))]);
    let end = log.watermark().0;
    assert_eq!([9, 10, 29, 30, 31].map(|minute| at(&log, end, minute)), [(0, 0), (1, 0), (1, 0), (0, 1), (0, 1)]);
}

#[test]
fn without_late_observations_a_true_time_is_the_log_cut_there() {
    let log = with(&[
        (10, 10, checked_in("p", "c1", "s", "", "g1")),
        (12, 12, disputed("p", "x", "s", "g2")),
        (14, 14, settled("p", "s", "g1")),
        (16, 16, checked_out("p", "s")),
    ]);
    let end = log.watermark().0;
    for (minute, position) in [(0, 0), (1, end - 5), (2, end - 4), (11, end - 3), (13, end - 2), (15, end - 1), (99, end)] {
        for view in muster_views::PRESENCE_VIEWS {
            let cut = as_of(&*log, view, &Filter::default(), Position(position)).unwrap();
            let found = as_of_true_time(&*log, view, &Filter::default(), Position(end), minute * MINUTE).unwrap();
            assert_eq!(found.rows, cut.rows, "{view} at {minute}");
        }
    }
    let ahead = as_of_true_time(&*log, View::Coverage, &Filter::default(), Position(end + 1), 0);
    assert!(matches!(ahead, Err(ReplayError::NotYet { .. })));
}
