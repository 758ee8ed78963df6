//! A start finds the state as it was: from the log alone, from a snapshot and what came after it, and never from a
//! snapshot that does not belong to the log.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use common::{
    START_MS, all_bytes, ask, enroll, manual, memory, plant_tree, play, request, rocks, seed, start, start_with_state, until, workload,
};
use muster_engine::{ClockSource, Engine, EngineHandle, EngineOptions, Phase, Progress, StartError};
use muster_log::{Log, MemoryLog, OpenOptions, Position, Unit};

fn snapshots(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "snapshot"))
        .collect();
    found.sort();
    found
}

/// Starts with snapshots and tells from which record on the log was replayed.
fn start_observed(log: &Arc<impl Log + 'static>, state_dir: &Path) -> (Result<EngineHandle, StartError>, Vec<Progress>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let options = EngineOptions {
        state_dir: Some(state_dir.to_owned()),
        on_progress: Some(Box::new(move |progress| told.lock().unwrap().push(progress))),
        ..manual()
    };
    let engine = Engine::start(Arc::clone(log) as Arc<dyn Log>, options);
    let seen = seen.lock().unwrap().clone();
    (engine, seen)
}

/// A log with a history, and its end.
fn history(seed: u64, steps: usize) -> Arc<MemoryLog> {
    let log = memory();
    let engine = start(&log);
    play(&engine, &workload(seed, steps), 0);
    engine.shutdown().wait().unwrap();
    log
}

#[test]
fn a_snapshot_and_the_rest_give_the_same_state_as_a_replay_from_the_start() {
    let seed = seed(7);
    let dir = tempfile::tempdir().unwrap();
    let log = rocks(&dir.path().join("log"));
    let steps = workload(seed, 600);
    let (half, state) = (steps.len() / 2, dir.path().join("state"));
    let engine = start_with_state(&log, &state, 100);
    play(&engine, &steps[..half], 0);
    let ended = engine.shutdown().wait().unwrap();
    assert_eq!(ended.snapshot, Some(log.watermark()));

    let engine = start_with_state(&log, &state, 100);
    play(&engine, &steps[half..], half);
    engine.shutdown().wait().unwrap();
    assert_eq!(snapshots(&state).len(), 2, "the newest and one to fall back to are kept");
    let from_snapshot = fs::read(snapshots(&state).pop().unwrap()).unwrap();

    let fresh = dir.path().join("fresh");
    start_with_state(&log, &fresh, 100).shutdown().wait().unwrap();
    let from_the_start = fs::read(snapshots(&fresh).pop().unwrap()).unwrap();
    assert!(from_snapshot == from_the_start, "the states differ");
}

#[test]
fn snapshots_are_taken_while_commands_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let log = memory();
    let engine = start_with_state(&log, dir.path(), 50);
    plant_tree(&engine);
    for n in 0..120 {
        ask(&engine, request(&format!("a{n}"), enroll(n))).unwrap();
    }
    until("the planner takes a snapshot", || engine.status().snapshot >= Position(100));
    let status = engine.status();
    assert!(status.replica.is_some_and(|at| at >= status.snapshot) && !status.replica_failed, "{status:?}");
    drop(engine);
}

#[test]
fn a_start_goes_on_from_the_newest_snapshot() {
    let log = history(seed(8), 300);
    let state = tempfile::tempdir().unwrap();
    start_with_state(&log, state.path(), 100).shutdown().wait().unwrap();
    let engine = start(&log);
    for n in 0..10 {
        ask(&engine, request(&format!("more{n}"), enroll(10_000 + n))).unwrap();
    }
    engine.shutdown().wait().unwrap();
    let (engine, seen) = start_observed(&log, state.path());
    engine.unwrap();
    // One batch, which ends at the log's end: ten records are little.
    assert_eq!(seen.iter().map(|progress| progress.phase).collect::<Vec<_>>(), [Phase::Replay]);
    assert_eq!(seen[0].position, log.watermark());
}

#[test]
fn a_damaged_snapshot_is_passed_over() {
    let log = history(seed(9), 300);
    let undamaged = tempfile::tempdir().unwrap();
    start_with_state(&log, undamaged.path(), 100).shutdown().wait().unwrap();
    let newest = snapshots(undamaged.path()).pop().unwrap();
    let whole = fs::read(&newest).unwrap();
    let mut cases: Vec<Vec<u8>> = vec![Vec::new(), whole[..10].to_vec(), whole[..whole.len() - 1].to_vec()];
    // The magic, the version, the fingerprint, the state, the checksum.
    for at in [0, 8, 12, 100, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        cases.push(flipped);
    }
    for damaged in cases {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join(newest.file_name().unwrap()), damaged).unwrap();
        fs::write(state.path().join("half.tmp"), b"left by a crash").unwrap();
        let (engine, seen) = start_observed(&log, state.path());
        assert!(!seen.is_empty(), "the log was replayed");
        assert!(!state.path().join("half.tmp").exists());
        engine.unwrap().shutdown().wait().unwrap();
        let again = fs::read(snapshots(state.path()).pop().unwrap()).unwrap();
        assert!(again == whole, "the state is as it was");
    }
}

#[test]
fn an_older_snapshot_takes_the_place_of_a_damaged_one() {
    let log = history(seed(10), 100);
    let state = tempfile::tempdir().unwrap();
    start_with_state(&log, state.path(), 1_000_000).shutdown().wait().unwrap();
    let engine = start_with_state(&log, state.path(), 1_000_000);
    ask(&engine, request("one more", enroll(10_000))).unwrap();
    engine.shutdown().wait().unwrap();
    let both = snapshots(state.path());
    assert_eq!(both.len(), 2);
    let newest = fs::read(&both[1]).unwrap();
    fs::write(&both[1], &newest[..newest.len() / 2]).unwrap();
    let (engine, seen) = start_observed(&log, state.path());
    engine.unwrap().shutdown().wait().unwrap();
    assert_eq!(seen.len(), 1, "one record was replayed, in one batch");
    assert!(fs::read(&both[1]).unwrap() == newest, "the last snapshot is written anew");
}

#[test]
fn a_snapshot_that_knows_more_than_the_log_stops_the_start() {
    let log = history(seed(11), 100);
    let state = tempfile::tempdir().unwrap();
    start_with_state(&log, state.path(), 100).shutdown().wait().unwrap();
    // The log has lost its last record.
    let shorter = memory();
    let kept = all_bytes(&*log);
    copy(&*shorter, &kept[..kept.len() - 1]);
    let (engine, _) = start_observed(&shorter, state.path());
    let error = engine.err().unwrap();
    assert!(matches!(&error, StartError::StateAheadOfLog { behind, .. } if behind.known.position == log.watermark()), "{error}");
    assert!(error.to_string().contains("doctor"), "{error}");
}

#[test]
fn a_snapshot_of_another_log_is_passed_over() {
    let log = history(seed(12), 50);
    let state = tempfile::tempdir().unwrap();
    start_with_state(&log, state.path(), 100).shutdown().wait().unwrap();
    let other = Arc::new(MemoryLog::with_options(OpenOptions { new_id: Some(muster_log::LogId([1; 16])), ..OpenOptions::default() }));
    let (engine, _) = start_observed(&other, state.path());
    let engine = engine.unwrap();
    plant_tree(&engine);
    assert_eq!(other.watermark(), Position(4), "the other log is empty, and so is the state");
}

/// Stores records as they are, one unit each.
fn copy(log: &dyn Log, records: &[bytes::Bytes]) {
    let (sender, durable) = std::sync::mpsc::sync_channel(records.len().max(1));
    for record in records {
        let sender = sender.clone();
        let unit = Unit::records_only(log.appended().next(), vec![record.clone()]);
        log.append(unit, Box::new(move |outcome| sender.send(outcome).unwrap())).unwrap();
    }
    for _ in records {
        durable.recv_timeout(common::PATIENCE).unwrap().unwrap();
    }
}

#[test]
fn records_that_do_not_fit_together_stop_the_start() {
    let records = all_bytes(&*history(seed(13), 20));
    let start_on = |records: &[bytes::Bytes]| {
        let log = memory();
        copy(&*log, records);
        Engine::start(log as Arc<dyn Log>, manual()).map(drop)
    };
    start_on(&records).unwrap();
    let gap: Vec<_> = records.iter().enumerate().filter(|(index, _)| *index != 2).map(|(_, record)| record.clone()).collect();
    let error = start_on(&gap).unwrap_err();
    assert!(matches!(error, StartError::BrokenUnit { position: Position(3), .. }), "{error}");
    let mut garbage = records.clone();
    garbage[4] = bytes::Bytes::from_static(b"\xff\xff\xff");
    let error = start_on(&garbage).unwrap_err();
    assert!(matches!(error, StartError::BadRecord { position: Position(5), .. }), "{error}");
}

#[test]
fn a_clock_behind_the_last_record_stops_the_start() {
    let log = memory();
    let ahead_ms = 4_000_000_000_000;
    let options = EngineOptions { clock: ClockSource::Manual { start_ms: ahead_ms }, ..EngineOptions::default() };
    let engine = Engine::start(Arc::clone(&log) as Arc<dyn Log>, options).unwrap();
    plant_tree(&engine);
    engine.shutdown().wait().unwrap();
    let error = Engine::start(Arc::clone(&log) as Arc<dyn Log>, EngineOptions::default()).err().unwrap();
    assert!(
        matches!(error, StartError::ClockBehind { last_recorded_ms, now_ms } if last_recorded_ms == ahead_ms && now_ms < ahead_ms),
        "{error}"
    );
    assert!(error.to_string().contains("muster doctor"), "{error}");
    // A person may accept it: then time goes on from the last record, and the difference shows.
    let accepted = EngineOptions { accept_clock: true, ..EngineOptions::default() };
    let engine = Engine::start(Arc::clone(&log) as Arc<dyn Log>, accepted).unwrap();
    ask(&engine, request("a", enroll(1))).unwrap();
    assert!(engine.status().clock_stepped && engine.status().now_ms >= ahead_ms, "{:?}", engine.status());
    engine.shutdown().wait().unwrap();
    // A manual clock goes on from the last record.
    let engine = start(&log);
    assert!(engine.advance_to(START_MS).wait().unwrap().now_ms >= ahead_ms);
}
