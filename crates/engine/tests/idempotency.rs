//! One command id, one effect: repeats get the first answer again, before and after it is durable, and across restarts.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::thread;

use common::{again, all_records, ask, enroll, memory, plant_tree, refused, request, rocks, start, tree, until, whistle};
use muster_engine::{Engine, EngineOptions};
use muster_log::{CommandKey, Log as _, Position};
use muster_proto::v1::AreaLevel;
use muster_proto::{CommandError, Request};

#[test]
fn a_repeat_gets_the_first_answer_and_stores_nothing() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    let first = ask(&engine, request("a", enroll(1))).unwrap();
    assert!(!first.repeated);
    assert_eq!(first.counts, [("ResponderEnrolled", 1)]);
    let end = log.watermark();
    assert_eq!(ask(&engine, request("a", enroll(1))).unwrap(), again(&first));
    assert_eq!(log.watermark(), end);
    assert_eq!(engine.status().repeated, 1);
}

#[test]
fn the_same_id_with_another_body_is_refused() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    ask(&engine, request("a", enroll(1))).unwrap();
    let reused = Err(CommandError::IdReused { id: "a".to_owned() });
    assert_eq!(ask(&engine, request("a", enroll(2))), reused);
    // The key is principal and id together.
    let of_another = Request { principal: "street".to_owned(), ..request("a", enroll(2)) };
    assert!(!ask(&engine, of_another).unwrap().repeated);
    // Also while the first is on its way.
    log.hold();
    let first = engine.submit_waiting(request("b", enroll(3)));
    let second = engine.submit_waiting(request("b", enroll(4)));
    log.release();
    assert!(first.wait().is_ok());
    assert_eq!(second.wait(), Err(CommandError::IdReused { id: "b".to_owned() }));
}

#[test]
fn repeats_that_come_before_the_first_is_durable_wait_for_it() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    log.hold();
    let first = engine.submit_waiting(request("a", whistle(1)));
    let repeats: Vec<_> = (0..5).map(|_| engine.submit_waiting(request("a", whistle(1)))).collect();
    until("all are decided", || engine.status().repeated == 5);
    let end = log.watermark();
    log.release();
    let first = first.wait().unwrap();
    assert_eq!(first.first, end.next().0);
    for repeat in repeats {
        assert_eq!(repeat.wait().unwrap(), again(&first));
    }
}

#[test]
fn many_clients_with_the_same_ids_make_each_command_once() {
    const CLIENTS: u64 = 8;
    const COMMANDS: u64 = 200;
    let dir = tempfile::tempdir().unwrap();
    let log = rocks(dir.path());
    let engine = start(&log);
    plant_tree(&engine);
    let before = log.watermark();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let engine = engine.clone();
            thread::spawn(move || {
                let waiting: Vec<_> = (0..COMMANDS).map(|n| engine.submit_waiting(request(&format!("c{n}"), enroll(n)))).collect();
                waiting.into_iter().map(|answer| answer.wait().unwrap()).collect::<Vec<_>>()
            })
        })
        .collect();
    let answers: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    for n in 0..COMMANDS as usize {
        let of_command: Vec<_> = answers.iter().map(|client| &client[n]).collect();
        assert_eq!(of_command.iter().filter(|answer| !answer.repeated).count(), 1, "command {n} was carried out once");
        assert!(of_command.iter().all(|answer| again(answer) == again(of_command[0])), "command {n} has one answer");
    }
    assert_eq!(log.watermark(), before.plus(COMMANDS));
    engine.shutdown().wait().unwrap();
}

#[test]
fn repeats_are_known_after_a_restart_and_refusals_are_not_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let (first, end);
    {
        let log = rocks(dir.path());
        let engine = start(&log);
        // Refused before the tree stands.
        assert_eq!(refused(ask(&engine, request("early", enroll(9)))).code, "unknown_area");
        plant_tree(&engine);
        first = ask(&engine, request("a", enroll(1))).unwrap();
        end = log.watermark();
        engine.shutdown().wait().unwrap();
    }
    let log = rocks(dir.path());
    let engine = start(&log);
    assert_eq!(ask(&engine, request("a", enroll(1))).unwrap(), again(&first));
    assert_eq!(log.watermark(), end);
    assert_eq!(ask(&engine, request("a", enroll(2))), Err(CommandError::IdReused { id: "a".to_owned() }));
    assert!(!ask(&engine, request("early", enroll(9))).unwrap().repeated, "a refusal leaves the id free");
    engine.shutdown().wait().unwrap();
}

#[test]
fn a_wish_that_is_fulfilled_already_changes_nothing() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    ask(&engine, request("a", whistle(1))).unwrap();
    ask(&engine, request("b", common::acknowledge(1))).unwrap();
    let end = log.watermark();
    let answer = ask(&engine, request("c", common::acknowledge(1))).unwrap();
    assert_eq!((answer.first, answer.last, answer.events.len(), answer.repeated), (0, 0, 0, false));
    assert_eq!(log.watermark(), end);
}

#[test]
fn a_lost_index_is_rebuilt_from_the_envelopes() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    let first = ask(&engine, request("a", whistle(1))).unwrap();
    engine.advance_to(common::START_MS + 31 * common::MINUTE_MS).wait().unwrap();
    engine.shutdown().wait().unwrap();

    // The same records in a log whose index was lost.
    let bare = memory();
    let mut position = Position::FIRST;
    while position <= log.watermark() {
        let count = all_records(&*log)[usize::try_from(position.0 - 1).unwrap()].count;
        let records = log.read(position, usize::MAX, count as usize).unwrap().into_iter().map(|record| record.bytes).collect();
        let (sender, durable) = std::sync::mpsc::sync_channel(1);
        let unit = muster_log::Unit::records_only(position, records);
        bare.append(unit, Box::new(move |outcome| sender.send(outcome).unwrap())).unwrap();
        durable.recv_timeout(common::PATIENCE).unwrap().unwrap();
        position = position.plus(count.into());
    }
    let key = CommandKey::new(b"hq", b"a").unwrap();
    assert_eq!(bare.command(&key), Ok(None));
    let options = EngineOptions { rebuild_index: true, ..common::manual() };
    let engine = Engine::start(Arc::clone(&bare) as Arc<dyn muster_log::Log>, options).unwrap();
    assert_eq!(bare.command(&key), log.command(&key));
    assert_eq!(ask(&engine, request("a", whistle(1))).unwrap(), again(&first));
    for index in 0..tree().len() {
        let key = CommandKey::new(b"hq", format!("tree-{index}").as_bytes()).unwrap();
        assert_eq!(bare.command(&key), log.command(&key));
    }
}

#[test]
fn an_answer_lists_the_first_hundred_records_and_counts_all() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    // Nothing in the base makes that many records at once, so the repeat path is fed an entry that spans many commands.
    for n in 0..150 {
        ask(&engine, request(&format!("e{n}"), enroll(n))).unwrap();
    }
    ask(&engine, request("grid", common::area("g1", common::VILLAGE, AreaLevel::Grid))).unwrap();
    let wide = request("wide", enroll(999));
    let entry = muster_log::IndexEntry { digest: wide.digest, first: Position(5), last: log.watermark() };
    let key = CommandKey::new(b"hq", b"wide").unwrap();
    engine.shutdown().wait().unwrap();
    log.restore_commands(&[(key, entry)]).unwrap();
    let engine = start(&log);
    let answer = ask(&engine, wide).unwrap();
    assert_eq!((answer.first, answer.last, answer.repeated), (5, log.watermark().0, true));
    assert_eq!(answer.counts, [("AreaDefined", 1), ("ResponderEnrolled", 150)]);
    assert_eq!(answer.events.len(), 100);
    assert_eq!(answer.events[0], log.read_one(Position(5)).unwrap().bytes);
}
