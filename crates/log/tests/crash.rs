//! `kill -9` at random moments: every acknowledged unit is there and whole, none is partly there, and there is no gap.
//! The process that is killed is this test binary itself, started again.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{check_whole, check_whole_from, open, rng, seed, small, unit};
use muster_log::{Log, OpenError, OpenOptions, Position, RocksLog};
use rand::RngExt;

const DIR_VAR: &str = "MUSTER_LOG_CRASH_DIR";
const UNITS_VAR: &str = "MUSTER_LOG_CRASH_UNITS";
const SEED_VAR: &str = "MUSTER_LOG_CRASH_SEED";

/// Appends units of random sizes and prints the last position of each as soon as it is acknowledged.
fn appender(dir: &Path, units: u64, seed: u64) {
    let log = open(dir, small());
    let mut rng = rng(seed);
    println!("pid {}", std::process::id());
    for _ in 0..units {
        // Mostly single check-ins, at times a conversion of thousands.
        let count = if rng.random_ratio(1, 40) { rng.random_range(500..5_000) } else { rng.random_range(1..8) };
        let tell = |result: Result<muster_log::Durable, _>| {
            let mut out = std::io::stdout().lock();
            writeln!(out, "acknowledged {}", result.unwrap().last).unwrap();
            out.flush().unwrap();
        };
        log.append(unit(log.appended().next(), count), Box::new(tell)).unwrap();
    }
    log.close();
}

/// The body of the child. Started by hand, as any test, it appends a little and ends in order.
#[test]
fn child_appends() {
    let variable = |name| std::env::var(name).ok();
    if let Some(dir) = variable(DIR_VAR) {
        appender(Path::new(&dir), variable(UNITS_VAR).unwrap().parse().unwrap(), variable(SEED_VAR).unwrap().parse().unwrap());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    appender(dir.path(), 50, 1);
    let log = open(dir.path(), small());
    assert!(log.watermark() >= Position(50));
    check_whole(&log);
}

fn start_child(dir: &Path, units: u64, seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child_appends", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIR_VAR, dir)
        .env(UNITS_VAR, units.to_string())
        .env(SEED_VAR, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn number_after(line: &str, word: &str) -> Option<u64> {
    line.split_once(word).and_then(|(_, rest)| rest.trim().parse().ok())
}

/// Reads acknowledgements until `lines` of them have come, then kills, then reads what was still in the pipe.
fn kill_after(mut child: Child, lines: usize, spins: u32) -> Position {
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let acknowledged = |line: std::io::Result<String>| number_after(&line.unwrap(), "acknowledged ").map(Position);
    let mut last = out.by_ref().filter_map(acknowledged).take(lines).last().unwrap_or_default();
    // A moment that no line marks: somewhere in a batch, a sync or a flush.
    (0..spins).for_each(|_| std::hint::spin_loop());
    child.kill().unwrap();
    child.wait().unwrap();
    last = out.filter_map(acknowledged).last().unwrap_or(last);
    last
}

#[test]
fn a_killed_log_has_every_acknowledged_unit_whole() {
    const KILLS: u32 = 25;
    let seed = seed(2024);
    let mut rng = rng(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut checked = Position::ZERO;
    for kill in 0..KILLS {
        let (lines, spins) = (rng.random_range(0..400), rng.random_range(0..200_000));
        let acknowledged = kill_after(start_child(dir.path(), 1_000_000, seed + u64::from(kill)), lines, spins);
        let log = open(dir.path(), small());
        assert!(log.watermark() >= acknowledged.max(checked), "kill {kill}: {acknowledged} was acknowledged, {} is there", log.watermark());
        check_whole_from(&log, checked.next());
        checked = log.watermark();
    }
    check_whole(&open(dir.path(), small()));
    assert!(checked > Position(1_000), "the children came to append something: {checked}");
}

#[test]
fn a_folder_that_another_process_holds_is_refused_with_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = start_child(dir.path(), 1_000_000, 3);
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let holder = out.find_map(|line| number_after(&line.unwrap(), "pid ")).unwrap();
    match RocksLog::open(dir.path(), OpenOptions { create: true, ..small() }) {
        Err(OpenError::InUse { dir: named, pid }) => {
            assert_eq!((named.as_path(), pid.map(u64::from)), (dir.path(), Some(holder)));
        }
        other => panic!("opened twice: {:?}", other.map(|log| log.watermark())),
    }
    child.kill().unwrap();
    child.wait().unwrap();
    check_whole(&open(dir.path(), small()));
}
