//! A preview says what a command would do, from everything that was answered before it was asked for, and does nothing.

#![allow(clippy::unwrap_used)]

mod common;

use common::{START_MS, Step, all_bytes, ask, enroll, memory, plant_tree, refused, request, seed, start, start_with_state, workload};
use muster_engine::EngineHandle;
use muster_log::{Log, Position};
use muster_proto::{CommandError, Request};

fn preview(engine: &EngineHandle, request: Request) -> Result<muster_engine::Preview, CommandError> {
    engine.preview(request).wait()
}

#[test]
fn a_preview_equals_what_the_command_then_does_and_stores_nothing() {
    let seed = seed(21);
    let dir = tempfile::tempdir().unwrap();
    let log = memory();
    let engine = start_with_state(&log, dir.path(), 100);
    let mut refusals = 0;
    for (index, step) in workload(seed, 400).into_iter().enumerate() {
        match step {
            Step::Advance(to_ms) => drop(engine.advance_to(to_ms).wait().unwrap()),
            Step::Command(command) => {
                let before = log.watermark();
                let asked = request(&format!("s{index}"), *command);
                let previewed = preview(&engine, asked.clone());
                assert_eq!(log.watermark(), before, "step {index} of seed {seed}");
                let done = ask(&engine, asked);
                refusals += usize::from(done.is_err());
                assert_eq!(previewed.clone().map(|preview| preview.answer), done, "step {index} of seed {seed}");
                assert!(previewed.map_or(true, |preview| preview.base == before), "step {index} of seed {seed}");
            }
        }
    }
    assert!(refusals > 10, "the workload has refusals");
    engine.shutdown().wait().unwrap();
}

#[test]
fn previews_leave_no_trace_in_the_state_the_log_or_the_keys() {
    let dir = tempfile::tempdir().unwrap();
    let log = memory();
    let engine = start_with_state(&log, dir.path(), 1);
    plant_tree(&engine);
    let before = all_bytes(&*log);
    for _ in 0..3 {
        let answer = preview(&engine, request("a", enroll(1))).unwrap().answer;
        assert_eq!((answer.first, answer.last, answer.repeated), (5, 5, false));
    }
    assert_eq!(all_bytes(&*log), before);
    assert!(!ask(&engine, request("a", enroll(1))).unwrap().repeated, "the key is still free");
    assert_eq!(refused(preview(&engine, request("b", enroll(1))).map(|preview| preview.answer)).code, "already_exists");
    let ended = engine.shutdown().wait().unwrap();
    assert_eq!(ended.snapshot, Some(Position(5)), "previews do not hold snapshots up");
}

#[test]
fn a_fact_from_the_future_and_a_faulty_form_are_refused_as_they_would_be() {
    let dir = tempfile::tempdir().unwrap();
    let log = memory();
    let engine = start_with_state(&log, dir.path(), 100);
    plant_tree(&engine);
    let mut ahead = request("a", enroll(1));
    ahead.context.occurred_at_ms = START_MS + 3_600_000;
    assert_eq!(refused(preview(&engine, ahead).map(|preview| preview.answer)).code, "occurred_at_ahead");
    let mut nameless = request("", enroll(1));
    nameless.id.clear();
    assert!(matches!(preview(&engine, nameless), Err(CommandError::Malformed(error)) if error.field == "id"));
    engine.shutdown().wait().unwrap();
}

#[test]
fn who_cannot_preview_says_so() {
    let log = memory();
    let engine = start(&log);
    assert_eq!(preview(&engine, request("a", enroll(1))), Err(CommandError::Unavailable { reason: "no_planner" }));
    engine.shutdown().wait().unwrap();
    assert_eq!(preview(&engine, request("a", enroll(1))), Err(CommandError::Unavailable { reason: "shutting_down" }));
}
