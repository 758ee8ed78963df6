//! A full disk: commands are refused up front; a write that fails stops the log and tells everyone; when there is room
//! again, a reopen has everything that was acknowledged. Run on a small disk of its own where the system gives one,
//! and everywhere under a limit of the file size, which fails writes in the same way.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc;

use common::{PATIENCE, append, append_durably, at, check_whole, in_wal, open, payload, small, unit, wait};
use muster_log::{AppendError, Health, Log, MemoryLog, OpenOptions, Position, StopReason, release_reserve};

const DIR_VAR: &str = "MUSTER_LOG_FULL_DIR";
const MODE_VAR: &str = "MUSTER_LOG_FULL_MODE";
const DISK_BYTES: u64 = 32 * 1024 * 1024;
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Appends until the log stops. Returns the last acknowledged position.
fn fill(log: &dyn Log, fatal: &mpsc::Receiver<Position>) -> Position {
    let mut acknowledged = log.watermark();
    loop {
        let first = log.appended().next();
        let (sent, outcome) = mpsc::sync_channel(1);
        let taken = log.append(unit(first, 500), Box::new(move |result| sent.send(result).unwrap()));
        let stopped = match taken.map(|()| wait(&outcome)) {
            Ok(Ok(durable)) => {
                acknowledged = durable.last;
                continue;
            }
            Ok(Err(stopped)) | Err(AppendError::Stopped(stopped)) => stopped,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(stopped.watermark, acknowledged);
        assert!(matches!(&*stopped.reason, StopReason::WriteFailed { .. }), "{stopped}");
        assert_eq!(fatal.recv_timeout(PATIENCE), Ok(acknowledged), "the process was told");
        assert_eq!(log.health(), Health::Stopped(stopped.clone()));
        let again = log.append(unit(log.appended().next(), 1), Box::new(|_| panic!("never answered")));
        assert_eq!(again, Err(AppendError::Stopped(stopped)), "and it stays stopped");
        return acknowledged;
    }
}

fn fill_until_stopped(dir: &Path, reserve_bytes: u64) -> Position {
    let (sent, fatal) = mpsc::sync_channel(1);
    let on_fatal = Box::new(move |stopped: &muster_log::Stopped| sent.send(stopped.watermark).unwrap());
    let log = open(dir, OpenOptions { on_fatal: Some(on_fatal), reserve_bytes, ..in_wal() });
    check_whole(&log);
    let acknowledged = fill(&log, &fatal);
    check_whole(&log);
    assert_eq!(log.watermark(), acknowledged, "readable to the last acknowledged record");
    acknowledged
}

/// The body of a child whose files may not grow: stops, and leaves the rest to the parent.
fn under_a_file_limit(dir: &Path) {
    println!("acknowledged {}", fill_until_stopped(dir, 0));
}

/// The body of a child on a small disk: stops when it is full, opens on the reserve while it still is, and goes on when
/// there is room again.
fn on_a_small_disk(dir: &Path) {
    let ballast = dir.join("ballast");
    fs::write(&ballast, vec![1; usize::try_from(DISK_BYTES / 3).unwrap()]).unwrap();
    let log_dir = dir.join("log");
    let acknowledged = fill_until_stopped(&log_dir, DISK_BYTES / 3);
    assert!(acknowledged > Position::ZERO);
    let there = {
        let log = open(&log_dir, OpenOptions { free_floor_bytes: DISK_BYTES, ..in_wal() });
        check_whole(&log);
        assert!(!log_dir.join("reserve").exists() && !log.space_ok());
        log.watermark()
    };
    assert!(there >= acknowledged, "{acknowledged} was acknowledged, {there} is there");
    fs::remove_file(&ballast).unwrap();
    let log = open(&log_dir, in_wal());
    assert_eq!(log.watermark(), there);
    append_durably(&log, 500);
    check_whole(&log);
    println!("acknowledged {acknowledged}");
}

/// The body of the children. Started by hand, as any test, it goes the way of both without a limit, on a writer that fails.
#[test]
fn child_fills() {
    if let Ok(dir) = std::env::var(DIR_VAR) {
        match std::env::var(MODE_VAR).unwrap().as_str() {
            "limit" => under_a_file_limit(Path::new(&dir)),
            _ => on_a_small_disk(Path::new(&dir)),
        }
        return;
    }
    let (sent, fatal) = mpsc::sync_channel(1);
    let on_fatal = Box::new(move |stopped: &muster_log::Stopped| sent.send(stopped.watermark).unwrap());
    let log = MemoryLog::with_options(OpenOptions { on_fatal: Some(on_fatal), ..small() });
    append_durably(&log, 3);
    log.fail_next_write();
    assert_eq!(fill(&log, &fatal), Position(3));
}

/// Runs the child under a shell line in which `$0` is the test binary.
fn run_child(shell: &mut Command, mode: &str, dir: &Path, line: &str) -> Output {
    let exec = format!("{line} && exec \"$0\" child_fills --exact --nocapture --test-threads=1");
    shell.args(["sh", "-c", &exec]).arg(std::env::current_exe().unwrap()).env(DIR_VAR, dir).env(MODE_VAR, mode).output().unwrap()
}

fn acknowledged_by(output: &Output) -> Position {
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text.lines().find_map(|line| line.split_once("acknowledged ")?.1.trim().parse().ok());
    match number {
        Some(number) if output.status.success() => Position(number),
        _ => panic!("{}\n{text}\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
    }
}

/// `ulimit -f` counts in blocks of 512 bytes; the signal that would end the process is ignored, so that the write fails.
#[test]
fn a_write_that_fails_stops_the_log_and_nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let line = format!("trap '' XFSZ && ulimit -f {}", FILE_BYTES / 512);
    let acknowledged = acknowledged_by(&run_child(&mut Command::new("env"), "limit", dir.path(), &line));
    assert!(acknowledged > Position(5_000), "some of it fits: {acknowledged}");
    let log = open(dir.path(), in_wal());
    assert!(log.watermark() >= acknowledged, "{acknowledged} was acknowledged, {} is there", log.watermark());
    check_whole(&log);
    append_durably(&log, 500);
    check_whole(&log);
}

/// A disk of 32 MiB: by a mount of one's own if the system allows it, else as root, else the limit above stands for it.
#[test]
fn a_full_disk_stops_the_log_and_room_brings_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size={DISK_BYTES} tmpfs '{}'", dir.path().display());
    let unshare = |flags: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(flags);
        command
    };
    let ways: [&[&str]; 2] = [&["--user", "--map-root-user", "--mount"], &["--mount"]];
    let possible = ways.into_iter().find(|flags| {
        let probe = unshare(flags).args(["sh", "-c", &mount]).output();
        probe.is_ok_and(|output| output.status.success())
    });
    if let Some(flags) = possible {
        let acknowledged = acknowledged_by(&run_child(&mut unshare(flags), "disk", dir.path(), &mount));
        assert!(acknowledged > Position(5_000), "some of it fits: {acknowledged}");
        return;
    }
    println!("no disk can be mounted here: the limit of the file size stands for it");
    let line = format!("trap '' XFSZ && ulimit -f {}", FILE_BYTES / 1_024);
    let acknowledged = acknowledged_by(&run_child(&mut Command::new("env"), "limit", dir.path(), &line));
    check_whole(&open(dir.path(), in_wal()));
    assert!(acknowledged > Position(2_500), "some of it fits: {acknowledged}");
}

/// The writer, the queue behind it and the thread that waits for room in the queue all learn of the failure, in order.
#[test]
fn everyone_who_waits_is_told_when_a_write_fails() {
    const UNITS: u64 = 40;
    let log = MemoryLog::with_options(OpenOptions { queue_bytes_max: 10_000, batch_bytes_max: 1, ..small() });
    append_durably(&log, 1);
    log.hold();
    let (sent, told) = mpsc::sync_channel(100);
    let (refused, taken) = std::thread::scope(|scope| {
        let appender = scope.spawn(|| {
            let mut taken = 0;
            loop {
                let (sent, first) = (sent.clone(), Position(2 + taken * UNITS));
                let answer = Box::new(move |result: Result<_, _>| sent.send((first, result.unwrap_err())).unwrap());
                match log.append(unit(first, UNITS), answer) {
                    Ok(()) => taken += 1,
                    Err(error) => return (error, taken),
                }
            }
        });
        common::until("the queue is full", || log.appended() >= Position(1 + UNITS));
        log.fail_next_write();
        log.release();
        appender.join().unwrap()
    });
    assert!(matches!(refused, AppendError::Stopped(_)), "{refused}");
    assert!(taken > 0);
    for n in 0..taken {
        let (first, stopped) = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!((first, stopped.watermark), (Position(2 + n * UNITS), Position(1)));
    }
    assert!(told.try_recv().is_err(), "nobody is told twice");
    assert_eq!(log.watermark(), Position(1));
}

#[test]
fn a_nearly_full_disk_is_told_before_a_command_is_decided_and_refused_well_below() {
    let floor = 1_000_000;
    let log = MemoryLog::with_options(OpenOptions { free_floor_bytes: floor, ..small() });
    assert!(log.space_ok());
    log.set_free_bytes(floor - 1);
    assert!(!log.space_ok(), "who asks is told");
    append_durably(&log, 1);
    log.set_free_bytes(floor / 2 - 1);
    let refused = log.append(unit(Position(2), 1), Box::new(|_| panic!("never answered")));
    assert_eq!(refused, Err(AppendError::NoSpace { free_bytes: floor / 2 - 1, floor_bytes: floor }));
    assert_eq!((log.appended(), log.health()), (Position(1), Health::Running));
    log.set_free_bytes(floor);
    append_durably(&log, 1);
    check_whole(&log);
}

#[test]
fn a_log_on_a_disk_below_its_floor_opens_reads_and_refuses() {
    let dir = tempfile::tempdir().unwrap();
    append_durably(&open(dir.path(), small()), 3);
    let log = open(dir.path(), OpenOptions { free_floor_bytes: u64::MAX, reserve_bytes: 4_096, ..small() });
    assert!(!log.space_ok());
    assert!(matches!(log.append(unit(Position(4), 1), Box::new(|_| {})), Err(AppendError::NoSpace { .. })));
    assert_eq!(log.read_one(Position(3)).unwrap().bytes, payload(Position(3)));
    assert!(!dir.path().join("reserve").exists(), "no reserve is made where there is no room");
}

#[test]
fn the_reserve_is_made_with_room_and_given_back_without() {
    const RESERVE: u64 = 1_000_000;
    let dir = tempfile::tempdir().unwrap();
    let with_reserve = || OpenOptions { reserve_bytes: RESERVE, ..small() };
    let reserve = dir.path().join("reserve");
    append_durably(&open(dir.path(), with_reserve()), 3);
    assert_eq!(fs::metadata(&reserve).unwrap().len(), RESERVE);
    let log = open(dir.path(), OpenOptions { free_floor_bytes: u64::MAX, ..with_reserve() });
    assert!(!reserve.exists(), "recovery needs it");
    drop(log);
    let log = open(dir.path(), with_reserve());
    assert!(reserve.exists(), "made anew");
    assert_eq!(log.end(), at(1, 3));
    assert_eq!(release_reserve(dir.path()).unwrap(), RESERVE);
    assert_eq!(release_reserve(dir.path()).unwrap(), 0);
    assert!(append(&log, unit(Position(4), 1)).recv_timeout(PATIENCE).unwrap().is_ok());
}
