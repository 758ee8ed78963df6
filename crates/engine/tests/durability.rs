//! Nobody gets an answer before what it rests on is durable, and nobody is left without one.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::mpsc;

use common::{PATIENCE, all_records, ask, enroll, manual, memory, plant_tree, refused, request, start, until, whistle};
use muster_engine::{AdvanceError, Engine, EngineOptions, Fatal, ShutdownError};
use muster_log::{Log, MemoryLog, OpenOptions, Position};
use muster_proto::{CommandError, CommandPort as _, FieldFault};

fn unavailable(reason: &'static str) -> CommandError {
    CommandError::Unavailable { reason }
}

#[test]
fn answers_and_refusals_wait_for_the_watermark_in_order() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    log.hold();
    let (sender, answered) = mpsc::sync_channel(10);
    let ask = |name: &'static str, request| {
        let sender = sender.clone();
        engine.submit_with(request, move |outcome| sender.send((name, outcome)).unwrap());
    };
    ask("accepted", request("a", enroll(1)));
    // Rests on the one before, which is not durable yet.
    ask("refused", request("b", enroll(1)));
    ask("other", request("c", enroll(2)));
    let moved = engine.advance_to(common::START_MS + 1);
    until("all is decided", || engine.status().queue_length == 0 && engine.status().decided.0 == 6);
    assert_eq!(log.watermark(), Position(4));
    assert!(answered.try_recv().is_err(), "nothing is durable, so nobody is answered");
    log.release();
    let in_order: Vec<_> = (0..3).map(|_| answered.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(in_order.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["accepted", "refused", "other"]);
    assert_eq!(refused(in_order[1].1.clone()).code, "already_exists");
    assert_eq!(moved.wait().unwrap().last, Position(6));
}

#[test]
fn requests_of_one_port_are_decided_in_the_order_of_the_calls() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    log.hold();
    // The futures are not polled before all are handed in, and then in another order.
    let mut pending: Vec<_> = (0..50).map(|n| engine.submit(request(&format!("a{n}"), enroll(n)))).collect();
    log.release();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    pending.reverse();
    let firsts: Vec<_> = pending.into_iter().map(|answer| runtime.block_on(answer).unwrap().first).collect();
    assert_eq!(firsts, (5..55).rev().collect::<Vec<_>>());
}

#[test]
fn a_failed_write_stops_the_engine_and_tells_everybody() {
    let log = memory();
    let (sender, fatal) = mpsc::sync_channel(2);
    let options = EngineOptions { on_fatal: Some(Box::new(move |reason: &Fatal| sender.send(reason.clone()).unwrap())), ..manual() };
    let engine = Engine::start(Arc::clone(&log) as Arc<dyn Log>, options).unwrap();
    plant_tree(&engine);
    let end = log.watermark();
    log.hold();
    log.fail_next_write();
    let waiting: Vec<_> = (0..20).map(|n| engine.submit_waiting(request(&format!("a{n}"), enroll(n)))).collect();
    let refusal = engine.submit_waiting(request("again", enroll(3)));
    let moved = engine.advance_to(common::START_MS + 1);
    log.release();
    for answer in waiting {
        assert_eq!(answer.wait(), Err(unavailable("log_stopped")));
    }
    assert_eq!(refusal.wait(), Err(unavailable("log_stopped")), "it rests on records that are lost");
    assert_eq!(moved.wait(), Err(AdvanceError::Stopped));
    let reason = fatal.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(reason, Fatal::LogStopped(_) | Fatal::Append(_)), "{reason}");
    // From now on nothing is taken, and the failure is told once.
    assert_eq!(ask(&engine, request("later", enroll(99))), Err(unavailable("log_stopped")));
    assert_eq!(engine.advance_to(i64::MAX).wait(), Err(AdvanceError::Stopped));
    assert_eq!(engine.shutdown().wait(), Err(ShutdownError::Stopped));
    assert_eq!(engine.fatal().as_deref(), Some(&reason));
    assert!(fatal.try_recv().is_err());
    assert_eq!(log.watermark(), end);
}

#[test]
fn an_append_that_is_refused_stops_the_engine() {
    let log = memory();
    let (sender, fatal) = mpsc::sync_channel(2);
    let options = EngineOptions { on_fatal: Some(Box::new(move |reason: &Fatal| sender.send(reason.clone()).unwrap())), ..manual() };
    let engine = Engine::start(Arc::clone(&log) as Arc<dyn Log>, options).unwrap();
    plant_tree(&engine);
    // Somebody else appends, so that the engine's next position is taken.
    let stray = log.read_one(Position(1)).unwrap().bytes;
    log.append(muster_log::Unit::records_only(Position(5), vec![stray]), Box::new(|_| {})).unwrap();
    assert_eq!(ask(&engine, request("a", enroll(1))), Err(unavailable("log_stopped")));
    let reason = fatal.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(reason, Fatal::Append(muster_log::AppendError::WrongPosition { .. })), "{reason}");
}

#[test]
fn a_full_disk_refuses_commands_before_they_are_decided() {
    let log = Arc::new(MemoryLog::with_options(OpenOptions { free_floor_bytes: 1_000, ..OpenOptions::default() }));
    let engine = start(&log);
    plant_tree(&engine);
    ask(&engine, request("w", whistle(1))).unwrap();
    let end = log.watermark();
    // Below the floor, yet enough that the log itself would still take it.
    log.set_free_bytes(900);
    assert_eq!(ask(&engine, request("a", enroll(1))), Err(unavailable("no_space")));
    assert_eq!(engine.advance_to(common::START_MS + 40 * common::MINUTE_MS).wait(), Err(AdvanceError::NoSpace));
    // What is there can still be asked for.
    assert!(ask(&engine, request("w", whistle(1))).unwrap().repeated);
    assert_eq!(log.watermark(), end);
    log.set_free_bytes(u64::MAX);
    assert!(!ask(&engine, request("a", enroll(1))).unwrap().repeated);
    assert_eq!(engine.advance_to(common::START_MS + 40 * common::MINUTE_MS).wait().unwrap().fired, 1);
}

#[test]
fn a_full_queue_is_answered_at_once() {
    let log = Arc::new(MemoryLog::with_options(OpenOptions { queue_bytes_max: 1, ..OpenOptions::default() }));
    let engine = Engine::start(Arc::clone(&log) as Arc<dyn Log>, EngineOptions { queue_max: 2, ..manual() }).unwrap();
    plant_tree(&engine);
    log.hold();
    // The log's writer holds one, its queue one more, the engine waits with a third, and two wait for the engine.
    let outcomes: Vec<_> = (0..50).map(|n| engine.submit_waiting(request(&format!("a{n}"), enroll(n)))).collect();
    log.release();
    let outcomes: Vec<_> = outcomes.into_iter().map(muster_engine::Waiting::wait).collect();
    let full = outcomes.iter().filter(|outcome| **outcome == Err(unavailable("queue_full"))).count();
    let accepted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(full > 0 && accepted >= 2, "{full} turned away, {accepted} accepted");
    assert_eq!(full + accepted, 50);
    assert_eq!(log.watermark(), Position(4 + accepted as u64));
}

#[test]
fn faults_of_form_and_facts_from_the_future_are_named() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    let malformed = |request| match ask(&engine, request) {
        Err(CommandError::Malformed(error)) => (error.field, error.kind),
        other => panic!("not malformed: {other:?}"),
    };
    assert_eq!(malformed(request("", enroll(1))), ("id".to_owned(), FieldFault::WrongType));
    assert_eq!(malformed(request(&"x".repeat(65), enroll(1))), ("id".to_owned(), FieldFault::TooLarge));
    let mut nobody = request("a", enroll(1));
    nobody.principal.clear();
    assert_eq!(malformed(nobody), ("principal".to_owned(), FieldFault::WrongType));
    let mut future = request("a", enroll(1));
    future.context.occurred_at_ms = common::START_MS + 5 * common::MINUTE_MS + 1;
    assert_eq!(refused(ask(&engine, future.clone())).code, "occurred_at_ahead");
    future.context.occurred_at_ms -= 1;
    assert!(ask(&engine, future).is_ok());
    assert_eq!(all_records(&*log).len(), 5);
}

#[test]
fn a_shutdown_decides_and_answers_what_came_before_it() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    log.hold();
    let waiting: Vec<_> = (0..100).map(|n| engine.submit_waiting(request(&format!("a{n}"), enroll(n)))).collect();
    let ended = engine.shutdown();
    assert_eq!(ask(&engine, request("late", enroll(500))), Err(unavailable("shutting_down")));
    log.release();
    for answer in waiting {
        assert!(answer.wait().is_ok());
    }
    assert_eq!(ended.wait().unwrap().end.position, Position(104));
    assert_eq!(engine.shutdown().wait(), Err(ShutdownError::Stopped));
}

#[test]
fn dropping_every_handle_still_stores_what_was_handed_in() {
    let log = memory();
    let engine = start(&log);
    plant_tree(&engine);
    let waiting: Vec<_> = (0..100).map(|n| engine.submit_waiting(request(&format!("a{n}"), enroll(n)))).collect();
    drop(engine);
    for answer in waiting {
        assert!(answer.wait().is_ok());
    }
    assert_eq!(log.watermark(), Position(104));
}

#[test]
fn everybody_is_answered_however_a_shutdown_falls_between_requests() {
    for round in 0..50 {
        let log = memory();
        let engine = start(&log);
        plant_tree(&engine);
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let engine = engine.clone();
                std::thread::spawn(move || {
                    let mut accepted = 0;
                    for n in 0.. {
                        let id = format!("{client}-{n}");
                        match ask(&engine, request(&id, enroll(client * 1_000_000 + n))) {
                            Ok(_) => accepted += 1,
                            Err(error) => return (accepted, error),
                        }
                    }
                    unreachable!("the shutdown ends the loop");
                })
            })
            .collect();
        until("some are accepted", || engine.status().accepted > 4 + round);
        let ended = engine.shutdown().wait().unwrap();
        let mut stored = 4;
        for client in clients {
            let (accepted, error) = client.join().unwrap();
            assert!(matches!(error, CommandError::Unavailable { .. }), "{error}");
            stored += accepted;
        }
        assert_eq!(ended.end.position, Position(stored), "what is stored was acknowledged, and the other way round");
    }
}
