//! Faults in the middle of work: a log that cannot be read, an index that was lost, a panic. Each is contained or ends
//! the engine; none goes unseen.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use common::{PATIENCE, again, ask, enroll, manual, memory, plant_tree, request, rocks, start, until};
use muster_engine::{Engine, EngineOptions, Fatal, Outcome, Phase, StartError};
use muster_log::{
    AppendError, BackupError, CommandKey, Epoch, EpochPosition, Health, IndexEntry, Log, LogId, LogStats, MemoryLog, OnDurable,
    OpenOptions, Position, ReadError, Record, Space, Unit,
};
use muster_proto::CommandError;
use tokio::sync::watch;

/// A log whose reads can be made to fail.
struct Unreadable {
    inner: Arc<MemoryLog>,
    records: AtomicBool,
    index: AtomicBool,
}

impl Unreadable {
    fn new() -> Arc<Self> {
        Arc::new(Self { inner: memory(), records: AtomicBool::new(false), index: AtomicBool::new(false) })
    }

    fn fail_if(&self, switch: &AtomicBool, position: Position) -> Result<(), ReadError> {
        if switch.load(Ordering::Acquire) {
            let detail = "the test made it fail".to_owned();
            return Err(ReadError::Corrupt { position, file: None, detail });
        }
        Ok(())
    }
}

impl Log for Unreadable {
    fn id(&self) -> LogId {
        self.inner.id()
    }
    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }
    fn watermark(&self) -> Position {
        self.inner.watermark()
    }
    fn appended(&self) -> Position {
        self.inner.appended()
    }
    fn append(&self, unit: Unit, on_durable: OnDurable) -> Result<(), AppendError> {
        self.inner.append(unit, on_durable)
    }
    fn after(&self, position: Position, callback: OnDurable) -> Result<(), AppendError> {
        self.inner.after(position, callback)
    }
    fn command(&self, key: &CommandKey) -> Result<Option<IndexEntry>, ReadError> {
        self.fail_if(&self.index, Position::ZERO)?;
        self.inner.command(key)
    }
    fn restore_commands(&self, entries: &[(CommandKey, IndexEntry)]) -> Result<(), ReadError> {
        self.inner.restore_commands(entries)
    }
    fn index_gap(&self) -> Option<Position> {
        self.inner.index_gap()
    }
    fn close_index_gap(&self) -> Result<(), ReadError> {
        self.inner.close_index_gap()
    }
    fn read(&self, from: Position, bytes_max: usize, records_max: usize) -> Result<Vec<Record>, ReadError> {
        self.fail_if(&self.records, from)?;
        self.inner.read(from, bytes_max, records_max)
    }
    fn read_one(&self, position: Position) -> Result<Record, ReadError> {
        self.fail_if(&self.records, position)?;
        self.inner.read_one(position)
    }
    fn subscribe_watermark(&self) -> watch::Receiver<Position> {
        self.inner.subscribe_watermark()
    }
    fn health(&self) -> Health {
        self.inner.health()
    }
    fn stats(&self) -> LogStats {
        self.inner.stats()
    }
    fn space(&self) -> Space {
        self.inner.space()
    }
    fn backup(&self, dir: &Path) -> Result<EpochPosition, BackupError> {
        self.inner.backup(dir)
    }
    fn close(&self) {
        self.inner.close();
    }
}

fn unreadable() -> Outcome {
    Err(CommandError::Unavailable { reason: "log_unreadable" })
}

#[test]
fn an_unreadable_index_refuses_commands_without_deciding_them() {
    let log = Unreadable::new();
    let engine = start(&log);
    plant_tree(&engine);
    log.index.store(true, Ordering::Release);
    assert_eq!(ask(&engine, request("a", enroll(1))), unreadable());
    assert_eq!(log.watermark(), Position(4));
    log.index.store(false, Ordering::Release);
    let first = ask(&engine, request("a", enroll(1))).unwrap();
    // A repeat needs the records as well.
    log.records.store(true, Ordering::Release);
    assert_eq!(ask(&engine, request("a", enroll(1))), unreadable());
    log.records.store(false, Ordering::Release);
    assert_eq!(ask(&engine, request("a", enroll(1))).unwrap(), again(&first));
}

#[test]
fn a_planner_that_cannot_follow_is_shown_and_commands_go_on() {
    let log = Unreadable::new();
    let state = tempfile::tempdir().unwrap();
    let engine = common::start_with_state(&log, state.path(), 10);
    log.records.store(true, Ordering::Release);
    plant_tree(&engine);
    until("the failure shows", || engine.status().replica_failed);
    ask(&engine, request("a", enroll(1))).unwrap();
    let ended = engine.shutdown().wait().unwrap();
    assert_eq!((ended.end.position, ended.snapshot), (Position(5), None));
}

#[test]
fn an_unreadable_log_stops_the_start() {
    let log = Unreadable::new();
    let engine = start(&log);
    plant_tree(&engine);
    engine.shutdown().wait().unwrap();
    log.records.store(true, Ordering::Release);
    let error = Engine::start(log as Arc<dyn Log>, manual()).err().unwrap();
    assert!(matches!(error, StartError::Read(ReadError::Corrupt { .. })), "{error}");
}

#[test]
fn a_log_that_has_stopped_stops_the_start() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    log.fail_next_write();
    assert!(ask(&engine, request("a", enroll(1))).is_err());
    let error = Engine::start(log as Arc<dyn Log>, manual()).err().unwrap();
    assert!(matches!(error, StartError::LogStopped(_)), "{error}");
}

#[test]
fn an_index_that_was_lost_on_disk_is_restored_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let first = {
        let log = rocks(dir.path());
        let engine = start(&log);
        plant_tree(&engine);
        let first = ask(&engine, request("a", enroll(1))).unwrap();
        engine.shutdown().wait().unwrap();
        first
    };
    muster_log::forget_commands(dir.path(), &OpenOptions::default()).unwrap();
    let log = rocks(dir.path());
    assert_eq!(log.index_gap(), Some(Position(5)));
    let (sender, phases) = mpsc::sync_channel(100);
    let options = EngineOptions { on_progress: Some(Box::new(move |progress| sender.send(progress).unwrap())), ..manual() };
    let engine = Engine::start(Arc::clone(&log) as Arc<dyn Log>, options).unwrap();
    let restored = phases.try_iter().find(|progress| progress.phase == Phase::CommandIndex).unwrap();
    assert_eq!((restored.position, restored.end), (Position(5), Position(5)));
    assert_eq!(log.index_gap(), None);
    assert_eq!(ask(&engine, request("a", enroll(1))).unwrap(), again(&first));
    assert_eq!(log.watermark(), Position(5));
    engine.shutdown().wait().unwrap();
}

#[test]
fn a_panic_on_the_engines_thread_stops_it_and_leaves_nobody_waiting() {
    let log = memory();
    let (sender, fatal) = mpsc::sync_channel(1);
    let on_fatal = Box::new(move |reason: &Fatal| sender.send(reason.clone()).unwrap());
    let options = EngineOptions { on_fatal: Some(on_fatal), ..manual() };
    let engine = Engine::start(Arc::clone(&log) as Arc<dyn Log>, options).unwrap();
    plant_tree(&engine);
    // A fault of form is answered on the engine's own thread, where this callback panics.
    engine.submit_with(request("", enroll(1)), |_| panic!("the test panics on purpose"));
    let after = engine.submit_waiting(request("a", enroll(1)));
    assert_eq!(fatal.recv_timeout(PATIENCE).unwrap(), Fatal::Panicked);
    assert_eq!(after.wait(), Err(CommandError::Unavailable { reason: "log_stopped" }));
    assert_eq!(engine.fatal().as_deref(), Some(&Fatal::Panicked));
    assert_eq!(ask(&engine, request("b", enroll(2))), Err(CommandError::Unavailable { reason: "log_stopped" }));
}

#[test]
fn a_folder_of_snapshots_that_cannot_be_used_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state");
    std::fs::write(&file, b"not a folder").unwrap();
    let options = EngineOptions { state_dir: Some(file.clone()), ..manual() };
    let error = Engine::start(memory() as Arc<dyn Log>, options).err().unwrap();
    assert!(matches!(&error, StartError::StateDir { path, .. } if *path == file), "{error}");
}

#[test]
fn no_snapshot_takes_the_space_that_the_log_needs() {
    let log = Arc::new(MemoryLog::with_options(OpenOptions { free_floor_bytes: 1_000, ..OpenOptions::default() }));
    let state = tempfile::tempdir().unwrap();
    let engine = common::start_with_state(&log, state.path(), 1_000);
    plant_tree(&engine);
    log.set_free_bytes(900);
    assert_eq!(engine.shutdown().wait().unwrap().snapshot, None);
    assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0);
    log.set_free_bytes(u64::MAX);
    let engine = common::start_with_state(&log, state.path(), 1_000);
    assert_eq!(engine.shutdown().wait().unwrap().snapshot, Some(Position(4)));
}
