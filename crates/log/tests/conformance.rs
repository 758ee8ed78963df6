//! One suite for every log: in memory, on disk, and on disk with a restart behind it. What holds for one holds for all.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use common::{append, append_durably, check_whole, digest, key, payload, rng, seed, unit, until, wait};
use muster_log::{
    AppendError, Behind, Health, IndexEntry, Log, LogStats, MemoryLog, OpenOptions, Position, ReadError, StopReason, Tail, TailLimits,
    Unit, limits,
};
use rand::RngExt;

/// A log and what must live as long as it.
struct Subject {
    log: Arc<dyn Log>,
    _dir: Option<tempfile::TempDir>,
}

fn memory(options: OpenOptions) -> Subject {
    Subject { log: Arc::new(MemoryLog::with_options(options)), _dir: None }
}

fn rocks(options: OpenOptions) -> Subject {
    let dir = tempfile::tempdir().unwrap();
    Subject { log: Arc::new(common::open(&dir.path().join("log"), options)), _dir: Some(dir) }
}

/// The suite begins with an empty log, so the restart comes before the first record.
fn rocks_reopened(options: OpenOptions) -> Subject {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    drop(common::open(&path, common::small()));
    Subject { log: Arc::new(common::open(&path, options)), _dir: Some(dir) }
}

macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod in_memory { $(#[test] fn $case() { super::$case(super::memory); })* }
        mod on_disk { $(#[test] fn $case() { super::$case(super::rocks); })* }
        mod after_a_restart { $(#[test] fn $case() { super::$case(super::rocks_reopened); })* }
    };
}

suite!(
    an_empty_log_stands_before_the_first_record,
    a_unit_gets_the_next_positions_and_reads_back_as_appended,
    the_index_knows_durable_commands_only_and_exactly,
    index_entries_can_be_restored,
    a_unit_for_another_place_is_refused_and_leaves_no_trace,
    units_that_are_empty_or_too_large_are_refused,
    records_of_any_allowed_size_come_back,
    reads_are_bounded_and_contiguous,
    reads_above_the_watermark_are_refused_or_empty,
    answers_come_in_the_order_of_the_appends_and_below_the_watermark,
    after_waits_for_its_position_and_keeps_the_order,
    a_tail_goes_from_catch_up_to_live_without_a_gap_or_a_repeat,
    a_blocking_tail_times_out_empty_and_goes_on,
    readers_never_pass_the_watermark,
    a_full_queue_blocks_the_append_until_there_is_room,
    closing_answers_what_waits_and_refuses_what_comes,
    the_last_handle_may_be_dropped_by_a_callback,
    a_panic_in_a_callback_stops_the_log_and_leaves_nobody_waiting,
    who_knows_more_than_the_log_is_told,
    what_was_written_is_counted,
);

type Make = fn(OpenOptions) -> Subject;

fn default(make: Make) -> Subject {
    make(common::small())
}

fn an_empty_log_stands_before_the_first_record(make: Make) {
    let Subject { log, _dir } = default(make);
    assert_eq!((log.watermark(), log.appended()), (Position::ZERO, Position::ZERO));
    assert_eq!(log.end().to_string(), "1.0");
    assert_eq!(log.health(), Health::Running);
    assert_eq!(log.read(Position::FIRST, 1000, 10).unwrap(), vec![]);
    assert_eq!(log.command(&key(1)).unwrap(), None);
    assert_eq!(*log.subscribe_watermark().borrow(), Position::ZERO);
    assert!(log.space_ok());
}

fn a_unit_gets_the_next_positions_and_reads_back_as_appended(make: Make) {
    let Subject { log, _dir } = default(make);
    let stored = append_durably(&*log, 3);
    assert_eq!((stored.first, stored.last), (Position(1), Position(3)));
    assert!(stored.watermark >= stored.last);
    let stored = append_durably(&*log, 2);
    assert_eq!((stored.first, stored.last), (Position(4), Position(5)));
    assert_eq!(log.watermark(), Position(5));
    assert_eq!(log.read_one(Position(4)).unwrap().bytes, payload(Position(4)));
    check_whole(&*log);
}

fn the_index_knows_durable_commands_only_and_exactly(make: Make) {
    let Subject { log, _dir } = default(make);
    append_durably(&*log, 4);
    let expected = IndexEntry { digest: digest(1), first: Position(1), last: Position(4) };
    assert_eq!(log.command(&key(1)).unwrap(), Some(expected));
    assert_eq!(log.command(&key(2)).unwrap(), None, "an inner position names no command");
    let unnamed = Unit::records_only(Position(5), vec![payload(Position(5))]);
    wait(&append(&*log, unnamed)).unwrap();
    assert_eq!(log.command(&key(5)).unwrap(), None);
    assert_eq!(log.command(&key(1)).unwrap(), Some(expected));
}

fn index_entries_can_be_restored(make: Make) {
    let Subject { log, _dir } = default(make);
    append_durably(&*log, 4);
    let entry = IndexEntry { digest: digest(9), first: Position(2), last: Position(3) };
    log.restore_commands(&[(key(900), entry)]).unwrap();
    assert_eq!(log.command(&key(900)).unwrap(), Some(entry));
    let ahead = IndexEntry { last: Position(5), ..entry };
    let refused = log.restore_commands(&[(key(901), ahead)]);
    assert_eq!(refused, Err(ReadError::NotYet { position: Position(5), watermark: Position(4) }));
    assert_eq!(log.command(&key(901)).unwrap(), None);
}

fn a_unit_for_another_place_is_refused_and_leaves_no_trace(make: Make) {
    let Subject { log, _dir } = default(make);
    append_durably(&*log, 2);
    for wrong in [0, 1, 2, 4] {
        let refused = log.append(unit(Position(wrong), 1), Box::new(|_| panic!("a refused unit is never answered")));
        assert_eq!(refused, Err(AppendError::WrongPosition { expected: Position(wrong), next: Position(3) }));
    }
    assert_eq!(log.appended(), Position(2));
    append_durably(&*log, 1);
    check_whole(&*log);
}

fn units_that_are_empty_or_too_large_are_refused(make: Make) {
    let Subject { log, _dir } = default(make);
    let empty = Unit::records_only(Position(1), vec![]);
    assert_eq!(log.append(empty, Box::new(|_| {})), Err(AppendError::EmptyUnit));
    let bytes = limits::RECORD_BYTES_MAX + 1;
    let large = Unit::records_only(Position(1), vec![Bytes::new(), Bytes::from(vec![0; bytes])]);
    let refused = AppendError::RecordTooLarge { index: 1, bytes, bytes_max: limits::RECORD_BYTES_MAX };
    assert_eq!(log.append(large, Box::new(|_| {})), Err(refused));
    let record = Bytes::from(vec![0; limits::RECORD_BYTES_MAX]);
    let too_many = vec![record; limits::UNIT_BYTES_MAX / limits::RECORD_BYTES_MAX];
    let refused = log.append(Unit::records_only(Position(1), too_many), Box::new(|_| {}));
    assert!(matches!(refused, Err(AppendError::UnitTooLarge { records: 4096, .. })), "{refused:?}");
    assert_eq!(log.appended(), Position::ZERO);
}

fn records_of_any_allowed_size_come_back(make: Make) {
    let Subject { log, _dir } = default(make);
    let records: Vec<Bytes> = [0, 1, limits::RECORD_BYTES_MAX, 0].iter().map(|length| Bytes::from(vec![0xA5; *length])).collect();
    wait(&append(&*log, Unit::records_only(Position(1), records.clone()))).unwrap();
    let read: Vec<Bytes> = log.read(Position(1), usize::MAX, 10).unwrap().into_iter().map(|record| record.bytes).collect();
    assert_eq!(read, records);
    assert_eq!(log.read_one(Position(1)).unwrap().bytes, Bytes::new());
}

fn reads_are_bounded_and_contiguous(make: Make) {
    let Subject { log, _dir } = default(make);
    let records: Vec<Bytes> = (0..100u8).map(|n| Bytes::from(vec![n; 100])).collect();
    wait(&append(&*log, Unit::records_only(Position(1), records))).unwrap();
    let positions = |from, bytes_max, records_max| -> Vec<u64> {
        let read = log.read(Position(from), bytes_max, records_max).unwrap();
        read.into_iter().map(|record| record.position.0).collect()
    };
    assert_eq!(positions(1, usize::MAX, 3), [1, 2, 3]);
    assert_eq!(positions(99, usize::MAX, 10), [99, 100]);
    assert_eq!(positions(10, 250, 10), [10, 11]);
    assert_eq!(positions(10, 300, 10), [10, 11, 12]);
    assert_eq!(positions(10, 0, 10), [10], "at least one record");
    assert_eq!(positions(0, usize::MAX, 2), [1, 2], "0 is before the first");
    assert_eq!(positions(1, usize::MAX, usize::MAX).len(), 100);
    assert_eq!(positions(1, usize::MAX, 0), [] as [u64; 0]);
}

fn reads_above_the_watermark_are_refused_or_empty(make: Make) {
    let Subject { log, _dir } = default(make);
    append_durably(&*log, 2);
    assert_eq!(log.read(Position(3), 1000, 10).unwrap(), vec![]);
    assert_eq!(log.read(Position(u64::MAX), 1000, 10).unwrap(), vec![]);
    let refused = log.read_one(Position(3));
    assert_eq!(refused, Err(ReadError::NotYet { position: Position(3), watermark: Position(2) }));
    let refused = log.read_one(Position::ZERO);
    assert_eq!(refused, Err(ReadError::Missing { position: Position::ZERO, file: None }));
}

fn answers_come_in_the_order_of_the_appends_and_below_the_watermark(make: Make) {
    let Subject { log, _dir } = default(make);
    let (sent, answers) = mpsc::sync_channel(1_024);
    let mut rng = rng(seed(11));
    let mut firsts = Vec::new();
    for _ in 0..500 {
        let first = log.appended().next();
        firsts.push(first);
        let (sent, watched) = (sent.clone(), Arc::downgrade(&log));
        let answer = move |result: Result<muster_log::Durable, _>| {
            let durable = result.unwrap();
            let readable = watched.upgrade().unwrap().read_one(durable.last).unwrap();
            sent.send((durable, readable.bytes)).unwrap();
        };
        log.append(unit(first, rng.random_range(1..5)), Box::new(answer)).unwrap();
    }
    let mut expected = Position::FIRST;
    for first in firsts {
        let (durable, bytes) = wait(&answers);
        assert_eq!((durable.first, durable.first), (first, expected));
        assert!(durable.watermark >= durable.last);
        assert_eq!(bytes, payload(durable.last));
        expected = durable.last.next();
    }
    check_whole(&*log);
}

fn after_waits_for_its_position_and_keeps_the_order(make: Make) {
    let Subject { log, _dir } = default(make);
    let (sent, answers) = mpsc::sync_channel(1_024);
    let mut expected = Vec::new();
    log.after(Position::ZERO, Box::new(|result| assert!(result.is_ok()))).unwrap();
    for n in 0..200u64 {
        let first = log.appended().next();
        let unit_sent = sent.clone();
        log.append(unit(first, 1), Box::new(move |result| unit_sent.send((2 * n, result.unwrap())).unwrap())).unwrap();
        let after_sent = sent.clone();
        log.after(first, Box::new(move |result| after_sent.send((2 * n + 1, result.unwrap())).unwrap())).unwrap();
        expected.extend([(2 * n, first), (2 * n + 1, first)]);
    }
    for (n, position) in expected {
        let (answered, durable) = wait(&answers);
        assert_eq!((answered, durable.last), (n, position));
        assert!(durable.watermark >= position);
    }
    let refused = log.after(Position(201), Box::new(|_| panic!("never durable")));
    assert_eq!(refused, Err(AppendError::WrongPosition { expected: Position(201), next: Position(201) }));
}

fn a_tail_goes_from_catch_up_to_live_without_a_gap_or_a_repeat(make: Make) {
    let Subject { log, _dir } = default(make);
    const RECORDS: u64 = 3_000;
    let seed = seed(12);
    append_durably(&*log, 500);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rng = rng(seed);
            while log.appended() < Position(RECORDS) {
                let count = rng.random_range(1..20).min(RECORDS - log.appended().0);
                log.append(unit(log.appended().next(), count), Box::new(|result| assert!(result.is_ok()))).unwrap();
            }
        });
        let follow = |from: u64| {
            let limits = TailLimits { bytes_max: 5_000, records_max: 37 };
            let mut tail = Tail::new(Arc::clone(&log), Position(from)).with_limits(limits);
            async move {
                let mut next = Position(from);
                while next <= Position(RECORDS) {
                    for record in tail.next_batch().await.unwrap() {
                        assert_eq!((record.position, &record.bytes), (next, &payload(next)));
                        next = next.next();
                    }
                }
                assert_eq!((tail.next_position(), tail.lag()), (next, 0));
            }
        };
        runtime.block_on(async { tokio::join!(follow(1), follow(250), follow(501), follow(2_999)) });
    });
}

fn a_blocking_tail_times_out_empty_and_goes_on(make: Make) {
    let Subject { log, _dir } = default(make);
    let mut tail = Tail::new(Arc::clone(&log), Position::FIRST);
    assert_eq!(tail.next_batch_blocking(Duration::from_millis(1)).unwrap(), vec![]);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| tail.next_batch_blocking(common::PATIENCE).unwrap());
        append_durably(&*log, 2);
        assert_eq!(reader.join().unwrap().len(), 2);
    });
    log.close();
    let ended = tail.next_batch_blocking(common::PATIENCE);
    assert!(matches!(ended, Err(ReadError::Stopped(_))), "{ended:?}");
}

/// Readers race the writer: whatever they get is at or below a watermark that was announced, and every announced
/// watermark is the end of a whole unit.
fn readers_never_pass_the_watermark(make: Make) {
    let Subject { log, _dir } = default(make);
    const UNIT: u64 = 7;
    let done = AtomicBool::new(false);
    let seed = seed(13);
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let (log, done) = (&log, &done);
            scope.spawn(move || {
                let mut rng = rng(seed + reader);
                while !done.load(Ordering::Acquire) {
                    let before = log.watermark();
                    assert_eq!(before.0 % UNIT, 0, "a watermark inside of a unit");
                    let from = Position(rng.random_range(before.0.saturating_sub(20)..=before.0 + 2).max(1));
                    let read = log.read(from, usize::MAX, 50).unwrap();
                    let after = log.watermark();
                    assert!(read.iter().all(|record| record.position <= after), "read above the watermark");
                    assert!(read.len() as u64 >= (before.0 + 1).saturating_sub(from.0).min(50), "durable but unreadable");
                    assert!(read.iter().all(|record| record.bytes == payload(record.position)));
                }
            });
        }
        for _ in 0..400 {
            log.append(unit(log.appended().next(), UNIT), Box::new(|result| assert!(result.is_ok()))).unwrap();
        }
        until("everything durable", || log.watermark() == log.appended());
        done.store(true, Ordering::Release);
    });
    check_whole(&*log);
}

/// The disk is held by a callback that does not return; the queue takes four units and not a fifth.
fn a_full_queue_blocks_the_append_until_there_is_room(make: Make) {
    let record = Bytes::from(vec![1; 10_000]);
    let weight = 10_000 + limits::RECORD_OVERHEAD_BYTES + limits::ITEM_OVERHEAD_BYTES;
    let Subject { log, _dir } = make(OpenOptions { queue_bytes_max: 4 * weight, ..common::small() });
    let (release, held) = mpsc::sync_channel::<()>(1);
    let (entered, inside) = mpsc::sync_channel(1_024);
    let hold = Box::new(move |_| {
        entered.send(()).unwrap();
        held.recv().unwrap();
    });
    log.append(unit(Position(1), 1), hold).unwrap();
    wait(&inside);
    let taken = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..6 {
                let unit = Unit::records_only(Position(2 + n), vec![record.clone()]);
                log.append(unit, Box::new(|result| assert!(result.is_ok()))).unwrap();
                taken.fetch_add(1, Ordering::AcqRel);
            }
        });
        until("four units queued", || taken.load(Ordering::Acquire) == 4);
        // The fifth is blocked now or will be: it can only come through once the queue is released.
        for _ in 0..1_000 {
            std::thread::yield_now();
            assert_eq!((taken.load(Ordering::Acquire), log.appended()), (4, Position(5)));
        }
        release.send(()).unwrap();
        until("all durable", || log.watermark() == Position(7));
    });
    let huge = vec![record; 20];
    wait(&append(&*log, Unit::records_only(Position(8), huge))).unwrap();
    assert_eq!(log.watermark(), Position(27), "a unit larger than the queue goes through when it is empty");
}

fn closing_answers_what_waits_and_refuses_what_comes(make: Make) {
    let Subject { log, _dir } = default(make);
    let outcomes: Vec<_> = (1..=50).map(|n| append(&*log, unit(Position(n), 1))).collect();
    log.close();
    for outcome in &outcomes {
        assert!(wait(outcome).is_ok());
    }
    let refused = log.append(unit(Position(51), 1), Box::new(|_| panic!("never")));
    let Err(AppendError::Stopped(stopped)) = refused else { panic!("{refused:?}") };
    assert_eq!((&*stopped.reason, stopped.watermark), (&StopReason::Closed, Position(50)));
    assert_eq!(log.health(), Health::Stopped(stopped));
    log.close();
    check_whole(&*log);
    log.after(Position(50), Box::new(|result| assert!(result.is_ok()))).unwrap();
}

fn the_last_handle_may_be_dropped_by_a_callback(make: Make) {
    let Subject { log, _dir } = default(make);
    let (release, held) = mpsc::sync_channel::<()>(1);
    let (sent, dropped) = mpsc::sync_channel(1_024);
    let handle = Arc::clone(&log);
    let callback = Box::new(move |_| {
        held.recv().unwrap();
        drop(handle);
        sent.send(()).unwrap();
    });
    log.append(unit(Position(1), 1), callback).unwrap();
    drop(log);
    release.send(()).unwrap();
    wait(&dropped);
}

fn a_panic_in_a_callback_stops_the_log_and_leaves_nobody_waiting(make: Make) {
    let Subject { log, _dir } = default(make);
    let (release, held) = mpsc::sync_channel::<()>(1);
    let panics = Box::new(move |_| {
        held.recv().unwrap();
        panic!("a callback of a test panics, as it should");
    });
    log.append(unit(Position(1), 1), panics).unwrap();
    until("the callback runs", || log.watermark() == Position(1));
    let waiting = append(&*log, unit(Position(2), 1));
    let mut tail = Tail::new(Arc::clone(&log), Position(2));
    release.send(()).unwrap();
    assert_eq!(*wait(&waiting).unwrap_err().reason, StopReason::Panicked);
    assert!(matches!(log.append(unit(Position(3), 1), Box::new(|_| {})), Err(AppendError::Stopped(_))));
    assert!(matches!(tail.next_batch_blocking(common::PATIENCE), Err(ReadError::Stopped(_))));
    assert_eq!(log.read_one(Position(1)).unwrap().bytes, payload(Position(1)), "reading goes on");
}

fn who_knows_more_than_the_log_is_told(make: Make) {
    let Subject { log, _dir } = default(make);
    append_durably(&*log, 5);
    let at = common::at;
    assert_eq!(log.check_not_behind(at(1, 5), "views"), Ok(()));
    assert_eq!(log.check_not_behind(at(0, 900), "views"), Ok(()), "an older epoch says nothing");
    for known in [at(1, 6), at(2, 1)] {
        let behind = Behind { known, end: at(1, 5), who: "views".to_owned() };
        assert_eq!(log.check_not_behind(known, "views"), Err(behind));
    }
}

fn what_was_written_is_counted(make: Make) {
    let Subject { log, _dir } = default(make);
    assert_eq!(log.stats(), LogStats::default());
    (1..=10).for_each(|count| assert_eq!(append_durably(&*log, count).last.0, count * (count + 1) / 2));
    let stats = log.stats();
    assert_eq!((stats.batches, stats.units, stats.records), (10, 10, 55));
    let payloads: usize = (1..=55).map(|n| payload(Position(n)).len()).sum();
    assert!(stats.bytes > payloads as u64);
    assert_eq!((stats.waiting_bytes, stats.store_errors, stats.store_stalled), (0, 0, false));
}
