//! Timers are kept in the state: none is lost in a restart, none fires twice, and each fires at its own time.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{
    MINUTE_MS, START_MS, acknowledge, all_records, ask, manual, memory, plant_tree, request, rocks, start, timer_records, until, whistle,
};
use muster_engine::{AdvanceError, ClockSource, Engine, EngineOptions};
use muster_log::{CommandKey, Log};

/// The limit within which a moderate whistle is to be acknowledged.
const LIMIT_MS: i64 = 30 * MINUTE_MS;

#[test]
fn an_advance_fires_each_timer_at_its_own_time() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    ask(&engine, request("w1", whistle(1))).unwrap();
    engine.advance_to(START_MS + 10 * MINUTE_MS).wait().unwrap();
    ask(&engine, request("w2", whistle(2))).unwrap();
    until("the status tells of both", || engine.status().timers == 2);
    assert_eq!(engine.status().next_timer_ms, Some(START_MS + LIMIT_MS));

    let advanced = engine.advance_to(START_MS + LIMIT_MS - 1).wait().unwrap();
    assert_eq!((advanced.fired, advanced.now_ms), (0, START_MS + LIMIT_MS - 1));
    let advanced = engine.advance_to(START_MS + 75 * MINUTE_MS).wait().unwrap();
    assert_eq!((advanced.fired, advanced.last), (4, log.watermark()));
    let escalated = |minutes: i64| ("WhistleEscalated", START_MS + minutes * MINUTE_MS);
    assert_eq!(timer_records(&*log), [escalated(30), escalated(40), escalated(60), escalated(70)]);
    // A time in the past moves nothing.
    assert_eq!(engine.advance_to(0).wait().unwrap().now_ms, START_MS + 75 * MINUTE_MS);
}

#[test]
fn a_timers_unit_has_no_command() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    ask(&engine, request("w1", whistle(1))).unwrap();
    let mut command = request("ack", acknowledge(1));
    engine.advance_to(START_MS + LIMIT_MS).wait().unwrap();
    let records = all_records(&*log);
    let fired = records.last().unwrap();
    assert_eq!((fired.principal.as_str(), fired.command_id.as_str(), fired.body_digest.len()), ("", "", 0));
    assert_eq!((fired.index, fired.count, fired.position), (0, 1, records.len() as u64));
    assert_eq!((fired.recorded_at_ms, fired.occurred_at_ms), (START_MS + LIMIT_MS, START_MS + LIMIT_MS));
    // And a command's unit has.
    command.context.occurred_at_ms = START_MS;
    ask(&engine, command.clone()).unwrap();
    let records = all_records(&*log);
    let stored = records.last().unwrap();
    assert_eq!((stored.principal.as_str(), stored.command_id.as_str()), ("hq", "ack"));
    assert_eq!(stored.body_digest, command.digest);
    assert_eq!((stored.recorded_at_ms, stored.occurred_at_ms), (START_MS + LIMIT_MS, START_MS));
    let entry = log.command(&CommandKey::new(b"hq", b"ack").unwrap()).unwrap().unwrap();
    assert_eq!(entry.last.0, stored.position);
}

#[test]
fn timers_survive_restarts_and_fire_once() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    {
        let log = rocks(&dir.path().join("log"));
        let engine = common::start_with_state(&log, &state, 1);
        plant_tree(&engine);
        for n in 0..10 {
            ask(&engine, request(&format!("w{n}"), whistle(n))).unwrap();
        }
        ask(&engine, request("ack", acknowledge(3))).unwrap();
        engine.shutdown().wait().unwrap();
    }
    let fire = |to_ms: i64| {
        let log = rocks(&dir.path().join("log"));
        let engine = common::start_with_state(&log, &state, 1);
        let advanced = engine.advance_to(to_ms).wait().unwrap();
        engine.shutdown().wait().unwrap();
        (advanced.fired, timer_records(&*log).len())
    };
    assert_eq!(fire(START_MS + LIMIT_MS - 1), (0, 0));
    assert_eq!(fire(START_MS + LIMIT_MS), (9, 9));
    assert_eq!(fire(START_MS + LIMIT_MS), (0, 9), "none fires again");
    assert_eq!(fire(START_MS + 10 * LIMIT_MS).1, 36, "three levels up and one refusal each");
    assert_eq!(fire(START_MS + 20 * LIMIT_MS), (0, 36), "nothing is left");
}

#[test]
fn what_fell_due_while_the_process_was_down_fires_after_the_start_in_order() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    for n in 0..3 {
        ask(&engine, request(&format!("w{n}"), whistle(n))).unwrap();
        engine.advance_to(START_MS + (n as i64 + 1) * MINUTE_MS).wait().unwrap();
    }
    engine.shutdown().wait().unwrap();
    let late_ms = START_MS + 55 * MINUTE_MS;
    let options = EngineOptions { clock: ClockSource::Manual { start_ms: late_ms }, ..manual() };
    let engine = Engine::start(Arc::clone(&log) as Arc<dyn Log>, options).unwrap();
    until("the overdue timers fire without being asked for", || engine.status().durable.0 == 10);
    let records = all_records(&*log);
    let fired: Vec<_> = records[7..]
        .iter()
        .map(|record| match record.event.as_ref().unwrap() {
            muster_proto::Event::WhistleEscalated(body) => (body.whistle_id.as_str(), record.recorded_at_ms),
            other => panic!("{}", other.name()),
        })
        .collect();
    assert_eq!(fired, [("w0", late_ms), ("w1", late_ms), ("w2", late_ms)]);
}

#[test]
fn on_the_systems_clock_overdue_timers_fire_by_themselves_between_commands() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    const WHISTLES: u64 = 300;
    for n in 0..WHISTLES {
        ask(&engine, request(&format!("w{n}"), whistle(n))).unwrap();
    }
    engine.shutdown().wait().unwrap();
    // The records are years old, so that every timer is due at once.
    let options = EngineOptions { clock: ClockSource::System, ..EngineOptions::default() };
    let engine = Engine::start(Arc::clone(&log) as Arc<dyn Log>, options).unwrap();
    ask(&engine, request("meanwhile", common::enroll(1))).unwrap();
    until("all timers fire", || engine.status().timers_fired == WHISTLES);
    engine.shutdown().wait().unwrap();
    let records = all_records(&*log);
    assert_eq!(timer_records(&*log).len() as u64, WHISTLES);
    assert!(records.is_sorted_by_key(|record| record.recorded_at_ms));
    let command = records.iter().position(|record| record.command_id == "meanwhile").unwrap();
    assert!(command + 1 < records.len(), "the command did not wait for all the timers");
}

#[test]
fn the_systems_clock_is_not_moved_by_hand() {
    let log = memory();
    let engine = Engine::start(log as Arc<dyn Log>, EngineOptions::default()).unwrap();
    assert_eq!(engine.advance_to(i64::MAX).wait(), Err(AdvanceError::NotManual));
    let status = engine.status();
    assert!(!status.clock_stepped && status.wall_offset_ms.abs() < 1_000, "{status:?}");
}
