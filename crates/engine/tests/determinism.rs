//! The same inputs give the same log, byte for byte, whatever the threads did meanwhile.

#![allow(clippy::unwrap_used)]

mod common;

use common::{START_MS, Step, all_bytes, all_records, memory, play, rocks, seed, start, start_with_state, workload};
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
    // On disk, with a replica beside, and with a restart after every fifty steps.
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
