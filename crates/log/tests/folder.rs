//! Bad folders: held by another, newer, foreign, damaged at the tail, in the middle, in the index, with a hole. Each is
//! named for what it is, and nothing that was acknowledged is skipped in silence.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use common::{append_durably, at, check_whole, copy_dir, database_files, flip, in_wal, key, open, payload, rng, seed, small};
use muster_log::{
    Behind, Log, LogId, OpenError, OpenOptions, Position, ReadError, RocksLog, Tail, accept_loss, encode_record, forget_commands,
};
use rand::RngExt;

fn refused(dir: &Path, options: OpenOptions) -> OpenError {
    match RocksLog::open(dir, options) {
        Ok(log) => panic!("opened, and ends at {}", log.watermark()),
        Err(error) => error,
    }
}

/// Fills a log with whole units and closes it. Returns the units' last positions.
fn filled(dir: &Path, units: u64, records: u64, options: OpenOptions) -> Vec<Position> {
    let log = open(dir, options);
    (0..units).map(|_| append_durably(&log, records).last).collect()
}

#[test]
fn a_reopened_log_has_everything_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let options = || OpenOptions { new_id: Some(LogId([9; 16])), new_created_ms: Some(77), ..small() };
    filled(dir.path(), 20, 30, options());
    let log = open(dir.path(), small());
    assert_eq!((log.end(), log.id(), log.created_ms()), (at(1, 600), LogId([9; 16]), 77));
    assert_eq!(log.verify(Position::FIRST), Ok(Position(600)));
    append_durably(&log, 5);
    check_whole(&log);
    drop(log);
    check_whole(&open(dir.path(), small()));
}

/// A folder that the first release wrote: two runs of it in tables, the third in the write-ahead log.
#[test]
fn a_folder_of_format_1_keeps_opening() {
    let dir = tempfile::tempdir().unwrap();
    copy_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/log-1"), dir.path());
    let log = open(dir.path(), small());
    assert_eq!((log.end(), log.id(), log.created_ms()), (at(1, 44), LogId([9; 16]), 1_795_484_685_000));
    for (n, record) in (1..).zip(log.read(Position::FIRST, usize::MAX, 100).unwrap()) {
        assert_eq!((record.position, &record.bytes[..]), (Position(n), format!("record {n}").as_bytes()));
    }
    let lasts = [1, 4, 5].map(|first| log.command(&key(first)).unwrap().unwrap().last);
    assert_eq!(lasts, [3, 4, 44].map(Position));
    append_durably(&log, 2);
    assert_eq!(log.verify(Position::FIRST), Ok(Position(46)));
}

#[test]
fn two_logs_from_one_seed_hold_the_same_bytes_and_others_get_ids_of_their_own() {
    let seeded = || {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), 10, 10, OpenOptions { new_id: Some(LogId([3; 16])), new_created_ms: Some(1), ..small() });
        dump(dir.path())
    };
    let contents = seeded();
    assert_eq!(contents.len(), 100 + 10 + 1, "records, index entries, facts");
    assert_eq!(contents, seeded());
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_ne!(open(one.path(), small()).id(), open(two.path(), small()).id());
}

type Pair = (Box<[u8]>, Box<[u8]>);

/// Everything that the database of a closed log holds.
fn dump(dir: &Path) -> Vec<Pair> {
    let mut contents = Vec::new();
    meddle(dir, |db| {
        for family in FAMILIES {
            contents.extend(db.iterator_cf(db.cf_handle(family).unwrap(), rocksdb::IteratorMode::Start).map(Result::unwrap));
        }
    });
    contents
}

#[test]
fn a_folder_is_opened_once_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), small());
    match refused(dir.path(), small()) {
        OpenError::InUse { dir: named, pid } => {
            assert_eq!((named.as_path(), pid), (dir.path(), Some(std::process::id())));
        }
        other => panic!("{other}"),
    }
    append_durably(&log, 1);
    drop(log);
    check_whole(&open(dir.path(), small()));
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 1, 1, small());
    fs::write(dir.path().join("format"), "muster-log 2\n").unwrap();
    match refused(dir.path(), small()) {
        OpenError::NewerFormat { found: 2, supported: 1, .. } => {}
        other => panic!("{other}"),
    }
    fs::write(dir.path().join("format"), "muster-log 1\n").unwrap();
    check_whole(&open(dir.path(), small()));
}

#[test]
fn a_foreign_folder_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("holiday.jpg"), "beach").unwrap();
    assert!(matches!(refused(dir.path(), small()), OpenError::NotALog { .. }));
    assert!(!dir.path().join("db").exists());
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("format"), "something else").unwrap();
    assert!(matches!(refused(dir.path(), small()), OpenError::NotALog { .. }));
}

#[test]
fn a_missing_log_is_not_made_up() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent");
    assert!(matches!(refused(&absent, OpenOptions { create: false, ..small() }), OpenError::NotFound { .. }));
    assert!(!absent.exists());
    filled(dir.path(), 3, 3, small());
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    match refused(dir.path(), small()) {
        OpenError::Damaged { position: Some(Position(1)), file: Some(file), .. } => assert_eq!(file, dir.path().join("db")),
        other => panic!("{other}"),
    }
    assert!(!dir.path().join("db").exists(), "no empty log took its place");
}

#[test]
fn a_log_behind_what_others_know_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 5, 2, small());
    let known_beyond = vec![(at(1, 10), "state".to_owned()), (at(1, 11), "views".to_owned())];
    match refused(dir.path(), OpenOptions { known_beyond, ..small() }) {
        OpenError::Behind(behind) => {
            assert_eq!(behind, Behind { known: at(1, 11), end: at(1, 10), who: "views".to_owned() });
        }
        other => panic!("{other}"),
    }
    let accepted = accept_loss(dir.path(), &small()).unwrap();
    assert_eq!((accepted.end, accepted.acknowledged, accepted.cut_from), (at(2, 10), Some(at(1, 10)), None));
    let known_beyond = vec![(at(1, 11), "views".to_owned())];
    let log = open(dir.path(), OpenOptions { known_beyond, ..small() });
    assert_eq!(log.end(), at(2, 10));
    append_durably(&log, 1);
    check_whole(&log);
}

/// The write-ahead log cut at many places. With the end mark, every cut that takes something acknowledged away is
/// told; without it, as after a power failure, what is left is whole units.
#[test]
fn a_write_ahead_log_cut_anywhere_leaves_whole_units() {
    let source = tempfile::tempdir().unwrap();
    let ends = filled(source.path(), 12, 3, in_wal());
    let wal = database_files(source.path(), "log").remove(0);
    let name = wal.strip_prefix(source.path()).unwrap();
    let length = fs::metadata(&wal).unwrap().len();
    let mut rng = rng(seed(31));
    let mut cuts: Vec<u64> = (0..30).map(|_| rng.random_range(0..length)).collect();
    cuts.extend(length - 20..length);
    for cut in cuts {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(source.path(), dir.path());
        fs::File::options().write(true).open(dir.path().join(name)).unwrap().set_len(cut).unwrap();
        let told = match refused(dir.path(), in_wal()) {
            OpenError::Behind(behind) => behind,
            other => panic!("cut at {cut} of {length}: {other}"),
        };
        assert_eq!(told.known, at(1, 36), "cut at {cut}");
        assert!(told.end < told.known);
        fs::remove_file(dir.path().join("end")).unwrap();
        match RocksLog::open(dir.path(), in_wal()) {
            Ok(log) => {
                let end = log.watermark();
                assert!(end == Position::ZERO || ends.contains(&end), "cut at {cut}: half a unit, up to {end}");
                assert_eq!(end, told.end.position);
                check_whole(&log);
                append_durably(&log, 2);
                check_whole(&log);
            }
            Err(error) => panic!("cut at {cut} of {length}: {error}"),
        }
    }
}

/// Every outcome of a flipped bit is a refusal that says so, or everything is there.
#[test]
fn a_flipped_bit_in_the_write_ahead_log_is_never_passed_over() {
    let source = tempfile::tempdir().unwrap();
    filled(source.path(), 300, 5, in_wal());
    let wal = database_files(source.path(), "log").remove(0);
    let name = wal.strip_prefix(source.path()).unwrap();
    let length = fs::metadata(&wal).unwrap().len();
    assert!(length > 4 * 32 * 1024, "several blocks: {length} bytes");
    let mut rng = rng(seed(32));
    let mut damaged = 0;
    for _ in 0..30 {
        let (offset, mask) = (rng.random_range(0..length), 1 << rng.random_range(0..8u8));
        let dir = tempfile::tempdir().unwrap();
        copy_dir(source.path(), dir.path());
        flip(&dir.path().join(name), offset, mask);
        let mut found = None;
        match RocksLog::open(dir.path(), in_wal()) {
            Ok(log) => {
                assert_eq!(log.watermark(), Position(1_500), "byte {offset}");
                check_whole(&log);
            }
            Err(OpenError::Damaged { position, file, detail, .. }) => {
                assert_eq!(file, Some(dir.path().join(name)), "byte {offset}: {detail}");
                found = position;
                damaged += u32::from(position.is_some());
            }
            Err(OpenError::Behind(behind)) => assert_eq!(behind.known, at(1, 1_500), "byte {offset}"),
            Err(other) => panic!("byte {offset}: {other}"),
        }
        let accepted = accept_loss(dir.path(), &in_wal()).unwrap();
        assert!(found.is_none_or(|lost| lost == accepted.end.position.next()), "byte {offset}: {found:?} {accepted:?}");
        let log = open(dir.path(), in_wal());
        assert_eq!(log.end(), accepted.end);
        append_durably(&log, 3);
        check_whole(&log);
    }
    assert!(damaged > 15, "only {damaged} of 30 flips were called damage and given a position");
}

/// A damaged table: the log opens or says that it is damaged; reading names position and file, returns what comes
/// before, and a reader that follows never skips.
#[test]
fn a_flipped_bit_in_a_table_is_named_with_position_and_file() {
    let source = tempfile::tempdir().unwrap();
    filled(source.path(), 300, 30, small());
    let tables = database_files(source.path(), "sst");
    assert!(tables.len() > 4, "the memtables were flushed");
    let mut rng = rng(seed(33));
    let mut named = 0;
    for _ in 0..24 {
        let table = &tables[rng.random_range(0..tables.len())];
        let offset = rng.random_range(0..fs::metadata(table).unwrap().len());
        let dir = tempfile::tempdir().unwrap();
        copy_dir(source.path(), dir.path());
        let damaged = dir.path().join(table.strip_prefix(source.path()).unwrap());
        flip(&damaged, offset, 0x10);
        let log = match RocksLog::open(dir.path(), small()) {
            Ok(log) => log,
            Err(OpenError::Damaged { position, file, .. }) => {
                assert!(position.is_none() || file == Some(damaged), "{position:?} in {file:?}");
                continue;
            }
            Err(other) => panic!("{other}"),
        };
        assert_eq!(log.watermark(), Position(9_000));
        named += u64::from(follow_to_damage(&log, &damaged));
        drop(log);
        go_on_after(dir.path());
    }
    assert!(named > 3, "only {named} of 24 flips hit a record");
}

/// Follows the log until it ends or names the damaged file; says which.
fn follow_to_damage(log: &RocksLog, damaged: &Path) -> bool {
    let mut next = Position::FIRST;
    while next <= log.watermark() {
        match log.read(next, 10_000, 100) {
            Ok(records) => {
                for record in records {
                    assert_eq!((record.position, record.bytes), (next, payload(next)));
                    next = next.next();
                }
            }
            Err(ReadError::Corrupt { position, file, .. }) => {
                assert_eq!((position, file.as_deref()), (next, Some(damaged)));
                assert!(matches!(log.read_one(next), Err(ReadError::Corrupt { .. })));
                assert!(log.verify(Position::FIRST).is_err());
                return true;
            }
            Err(other) => panic!("{other}"),
        }
    }
    false
}

/// The loss is accepted, what was good is kept, and the log takes records again.
fn go_on_after(dir: &Path) {
    let accepted = accept_loss(dir, &small()).unwrap();
    let log = open(dir, small());
    assert_eq!((log.end(), log.epoch().0), (accepted.end, 2));
    assert_eq!(log.verify(Position::FIRST), Ok(accepted.end.position));
    if let Some(cut) = accepted.cut_from {
        assert_eq!(accepted.end.position.next(), cut);
        assert!(accepted.set_aside.unwrap().join("CURRENT").exists(), "the damaged database is kept");
    }
    append_durably(&log, 200);
    assert_eq!(log.verify(Position::FIRST), Ok(log.watermark()));
}

const FAMILIES: [&str; 3] = ["records", "commands", "meta"];

/// Opens the database of a closed log by itself, past the log's own checks.
fn meddle(dir: &Path, change: impl FnOnce(&rocksdb::DB)) {
    let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), dir.join("db"), FAMILIES).unwrap();
    change(&db);
}

#[test]
fn a_hole_between_records_is_damage_with_its_position() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 10, 10, small());
    meddle(dir.path(), |db| db.delete_cf(db.cf_handle("records").unwrap(), 42u64.to_be_bytes()).unwrap());
    match refused(dir.path(), small()) {
        OpenError::Damaged { position: Some(Position(42)), .. } => {}
        other => panic!("{other}"),
    }
    let accepted = accept_loss(dir.path(), &small()).unwrap();
    assert_eq!((accepted.end, accepted.cut_from), (at(2, 41), Some(Position(42))));
    let log = open(dir.path(), small());
    assert_eq!(log.command(&key(31)).unwrap().unwrap().last, Position(40));
    assert_eq!(log.command(&key(41)).unwrap(), None, "a unit that was cut through is no longer acknowledged");
}

#[test]
fn a_record_in_anothers_place_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 10, 10, small());
    let swapped = encode_record(Position(7), &payload(Position(7)));
    meddle(dir.path(), |db| db.put_cf(db.cf_handle("records").unwrap(), 42u64.to_be_bytes(), swapped).unwrap());
    match refused(dir.path(), small()) {
        OpenError::Damaged { position: Some(Position(42)), .. } => {}
        other => panic!("{other}"),
    }
}

/// The start checks the end of a long log only; a hole further back is found by whoever reads there, and named.
#[test]
fn a_hole_far_back_stops_the_reader_that_comes_to_it() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 20, 500, small());
    meddle(dir.path(), |db| db.delete_cf(db.cf_handle("records").unwrap(), 42u64.to_be_bytes()).unwrap());
    let log: Arc<dyn Log> = Arc::new(open(dir.path(), small()));
    let mut tail = Tail::new(Arc::clone(&log), Position::FIRST);
    let before = tail.try_next_batch().unwrap();
    assert_eq!(before.last().unwrap().position, Position(41));
    for _ in 0..2 {
        let stopped = tail.next_batch_blocking(common::PATIENCE);
        assert!(matches!(stopped, Err(ReadError::Missing { position: Position(42), .. })), "{stopped:?}");
    }
    assert_eq!(log.read_one(Position(43)).unwrap().bytes, payload(Position(43)));
}

#[test]
fn missing_files_of_the_database_are_damage() {
    for extension in ["sst", "log"] {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), 80, 25, small());
        fs::remove_file(database_files(dir.path(), extension).remove(0)).unwrap();
        match refused(dir.path(), small()) {
            OpenError::Damaged { .. } | OpenError::Behind(_) => {}
            other => panic!("without its {extension} file: {other}"),
        }
    }
}

#[test]
fn the_command_index_can_be_built_anew() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 30, 4, small());
    let entries: Vec<_> = {
        let log = open(dir.path(), small());
        assert_eq!(log.index_gap(), None);
        (0..30).map(|n| (key(1 + 4 * n), log.command(&key(1 + 4 * n)).unwrap().unwrap())).collect()
    };
    assert_eq!(forget_commands(dir.path(), &small()).unwrap(), Position(120));
    let log = open(dir.path(), small());
    assert_eq!((log.index_gap(), log.command(&key(1)).unwrap()), (Some(Position(120)), None));
    log.restore_commands(&entries).unwrap();
    drop(log);
    let log = open(dir.path(), small());
    assert_eq!(log.index_gap(), Some(Position(120)), "until it is closed");
    log.close_index_gap().unwrap();
    drop(log);
    let log = open(dir.path(), small());
    assert_eq!(log.index_gap(), None);
    check_whole(&log);
}

#[test]
fn a_backup_of_a_running_log_opens_as_a_log_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log"), small());
    append_durably(&log, 1_000);
    let copy = dir.path().join("copy");
    let end = std::thread::scope(|scope| {
        scope.spawn(|| (0..200).for_each(|_| assert_eq!(append_durably(&log, 3).last.0 % 3, 1)));
        log.backup(&copy).unwrap()
    });
    assert!(end >= at(1, 1_000));
    let copied = open(&copy, small());
    assert_eq!((copied.end(), copied.id()), (end, log.id()));
    check_whole(&copied);
    append_durably(&copied, 2);
    assert!(matches!(log.backup(&copy), Err(muster_log::BackupError::TargetExists { .. })));
    check_whole(&log);
}
