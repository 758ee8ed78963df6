//! The same inputs give the same log, byte for byte, whatever the threads did meanwhile.

#![allow(clippy::unwrap_used)]

mod common;

use common::{START_MS, Step, all_bytes, all_records, enroll, memory, play, request, rocks, seed, start, start_with_state, workload};
use muster_domain::{Emitted, Meta, Now, State, execute, fire_timer};
use muster_log::Log;

#[test]
fn the_same_inputs_give_the_same_bytes_in_every_kind_of_log() {
    let seed = seed(21);
    let steps = workload(seed, 500);
    let run = || {
        let log = memory();
        let engine = start(&log);
        play(&engine, &steps, 0);
        engine.shutdown().wait().unwrap();
        all_bytes(&*log)
    };
    let first = run();
    assert!(first.len() > 300, "the workload makes something: {}", first.len());
    assert!(run() == first, "a second run differs");
    // On disk, with the planner beside, and with a restart after every fifty steps.
    let dir = tempfile::tempdir().unwrap();
    let mut now_ms = START_MS;
    for (part, steps) in steps.chunks(50).enumerate() {
        let log = rocks(&dir.path().join("log"));
        let engine = start_with_state(&log, &dir.path().join("state"), 30);
        // Whoever owns the clock remembers it.
        engine.advance_to(now_ms).wait().unwrap();
        play(&engine, steps, part * 50);
        let moved = steps.iter().rev().find_map(|step| if let Step::Advance(to_ms) = step { Some(*to_ms) } else { None });
        now_ms = moved.unwrap_or(now_ms);
        engine.shutdown().wait().unwrap();
    }
    assert!(all_bytes(&*rocks(&dir.path().join("log"))) == first, "restarts show in the log");
}

/// What the engine keeps in memory, and what a start would read back, are folded by two ways through the domain.
#[test]
fn deciding_leaves_the_same_state_as_replaying_what_was_decided() {
    let context = request("", enroll(0)).context;
    let (mut decided, mut replayed) = (State::default(), State::default());
    let (mut position, mut now_ms) = (0, START_MS);
    let replay = |replayed: &mut State, emitted: &[Emitted], realm: &dyn Fn(&Emitted) -> String, position: &mut u64, now_ms: i64| {
        for fact in emitted {
            *position += 1;
            let realm = realm(fact);
            let meta = Meta { position: *position, recorded_at_ms: now_ms, occurred_at_ms: now_ms, realm: &realm };
            replayed.apply(&meta, &fact.event);
        }
    };
    for step in workload(seed(23), 800) {
        let moved_to = match step {
            Step::Command(command) => {
                let now = Now { recorded_at_ms: now_ms, next_position: position + 1, context: &context };
                let emitted = execute(&mut decided, now, &command).unwrap_or_default();
                replay(&mut replayed, &emitted, &|fact| decided.realm_name(fact.realm).to_owned(), &mut position, now_ms);
                continue;
            }
            Step::Advance(to_ms) => to_ms,
        };
        while let Some(due_ms) = decided.next_timer_ms().filter(|due_ms| *due_ms <= moved_to) {
            now_ms = now_ms.max(due_ms);
            let emitted = fire_timer(&mut decided, now_ms, position + 1).unwrap();
            replay(&mut replayed, &emitted, &|fact| decided.realm_name(fact.realm).to_owned(), &mut position, now_ms);
        }
        now_ms = moved_to;
        assert_eq!(decided.next_timer_ms(), replayed.next_timer_ms(), "timers differ after {position}");
    }
    assert!(postcard::to_stdvec(&decided).unwrap() == postcard::to_stdvec(&replayed).unwrap(), "the states differ");
}

#[test]
fn positions_have_no_gap_and_units_are_whole() {
    let log = memory();
    let engine = start(&log);
    play(&engine, &workload(seed(22), 300), 0);
    engine.shutdown().wait().unwrap();
    let records = all_records(&*log);
    let mut expected = (1, 0, 0);
    for record in &records {
        let (position, index, count) = expected;
        let count = if index == 0 { record.count } else { count };
        assert_eq!((record.position, record.index, record.count), (position, index, count));
        expected = if index + 1 == count { (position + 1, 0, 0) } else { (position + 1, index + 1, count) };
    }
    assert_eq!(expected, (log.watermark().0 + 1, 0, 0));
    assert!(records.is_sorted_by_key(|record| record.recorded_at_ms));
}
