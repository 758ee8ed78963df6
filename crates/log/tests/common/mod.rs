//! What the log's tests share: records that can be told from their position, appending that waits, bounded waiting.
//! It must never sleep in place of waiting for a condition.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use muster_log::{CommandEntry, CommandKey, Durable, EpochPosition, Log, OpenOptions, Position, RocksLog, Stopped, Unit};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A seed from `MUSTER_TEST_SEED`, else the given one; printed, so that a failure names it.
pub(crate) fn seed(default: u64) -> u64 {
    let seed = std::env::var("MUSTER_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    println!("seed {seed} (set MUSTER_TEST_SEED to repeat)");
    seed
}

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// The record that every test stores at a position: its length and bytes follow from the position alone.
pub(crate) fn payload(position: Position) -> Bytes {
    static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut rng = rng(1);
        (0..4_096).map(|_| rng.random::<u8>()).collect()
    });
    let start = usize::try_from(position.0 * 31 % 3_500).unwrap();
    let length = usize::try_from(position.0 * 7_919 % 200).unwrap();
    let mut bytes = Vec::with_capacity(8 + length);
    bytes.extend_from_slice(&position.0.to_be_bytes());
    bytes.extend_from_slice(&NOISE[start..start + length]);
    bytes.into()
}

pub(crate) fn key(id: u64) -> CommandKey {
    CommandKey::new(b"tester", id.to_string().as_bytes()).unwrap()
}

pub(crate) fn digest(id: u64) -> [u8; 32] {
    let mut digest = [7; 32];
    digest[..8].copy_from_slice(&id.to_be_bytes());
    digest
}

/// A unit of `count` records whose command is named by its first position.
pub(crate) fn unit(first: Position, count: u64) -> Unit {
    Unit {
        expected_next: first,
        records: (0..count).map(|n| payload(first.plus(n))).collect(),
        command: Some(CommandEntry { key: key(first.0), digest: digest(first.0) }),
    }
}

/// Appends and returns where the outcome will be.
pub(crate) fn append(log: &dyn Log, unit: Unit) -> mpsc::Receiver<Result<Durable, Stopped>> {
    let (sent, outcome) = mpsc::sync_channel(1);
    log.append(unit, Box::new(move |result| sent.send(result).unwrap())).unwrap();
    outcome
}

pub(crate) fn wait<T>(receiver: &mpsc::Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).expect("an outcome within the patience of the tests")
}

/// Appends a unit at the end and waits until it is durable.
pub(crate) fn append_durably(log: &dyn Log, count: u64) -> Durable {
    wait(&append(log, unit(log.appended().next(), count))).unwrap()
}

/// Waits until a condition holds, bounded.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come to hold");
        std::thread::yield_now();
    }
}

/// Every record up to the watermark is there, is right, and belongs to a whole unit that the index knows.
pub(crate) fn check_whole(log: &dyn Log) {
    check_whole_from(log, Position::FIRST);
}

/// As [`check_whole`], from the beginning of a unit on.
pub(crate) fn check_whole_from(log: &dyn Log, from: Position) {
    let end = log.watermark();
    let mut next = from;
    while next <= end {
        for record in log.read(next, 1 << 20, 1_000).unwrap() {
            assert_eq!(record.position, next);
            assert_eq!(record.bytes, payload(next), "record {next}");
            next = next.next();
        }
    }
    assert_eq!(next, end.next(), "nothing above the watermark");
    let mut first = from;
    while first <= end {
        let entry = log.command(&key(first.0)).unwrap().unwrap_or_else(|| panic!("no unit begins at {first}"));
        assert_eq!((entry.first, entry.digest), (first, digest(first.0)));
        assert!(entry.last <= end, "the unit at {first} is only half there");
        first = entry.last.next();
    }
}

/// Options that make files small and leave the disk's free space alone.
pub(crate) fn small() -> OpenOptions {
    OpenOptions {
        records_memtable_bytes: 64 * 1024,
        commands_memtable_bytes: 64 * 1024,
        reserve_bytes: 0,
        free_floor_bytes: 0,
        ..OpenOptions::default()
    }
}

/// Options whose memtables never flush by themselves: everything stays in the write-ahead log.
pub(crate) fn in_wal() -> OpenOptions {
    OpenOptions { reserve_bytes: 0, free_floor_bytes: 0, ..OpenOptions::default() }
}

pub(crate) fn open(dir: &Path, options: OpenOptions) -> RocksLog {
    RocksLog::open(dir, options).unwrap()
}

pub(crate) fn at(epoch: u32, position: u64) -> EpochPosition {
    EpochPosition { epoch: muster_log::Epoch(epoch), position: Position(position) }
}

/// Copies a folder, files and folders in it.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The files of a log's database with an extension, the largest first.
pub(crate) fn database_files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("db")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort_by_key(|path| std::cmp::Reverse(std::fs::metadata(path).unwrap().len()));
    files
}

pub(crate) fn flip(path: &Path, offset: u64, mask: u8) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= mask;
    std::fs::write(path, bytes).unwrap();
}
