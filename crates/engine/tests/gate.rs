//! A request that comes with a gate is decided only if the gate lets it through, on the state that it is decided against.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{MINUTE_MS, START_MS, all_bytes, ask, enroll, memory, plant_tree, refused, request, start_with_state, whistle};
use muster_domain::State;
use muster_engine::{EngineHandle, Gate, Outcome, Passing};
use muster_log::{Log, Position};
use muster_proto::{CommandError, Refusal, RefusalKind, Request};

/// Lets through what touches the village, and counts how often it was asked.
#[derive(Default)]
struct VillageOnly {
    asked: AtomicU64,
}

impl Gate for VillageOnly {
    fn admit(&self, state: &State, request: &Request) -> Result<(), Refusal> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let touched = state.touches(&request.context, &request.command);
        let inside = touched.places.iter().any(|place| place.village == common::VILLAGE);
        if inside { Ok(()) } else { Err(Refusal { kind: RefusalKind::Forbidden, code: "outside", ..no_words() }) }
    }
}

fn no_words() -> Refusal {
    Refusal { kind: RefusalKind::Forbidden, code: "", field: String::new(), zh: String::new(), en: String::new() }
}

fn through(engine: &EngineHandle, gate: &Arc<VillageOnly>, request: Request) -> Outcome {
    engine.submit_through(Some(Arc::clone(gate) as Arc<dyn Gate>), request).wait()
}

#[test]
fn a_gate_refuses_like_the_domain_and_stores_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = memory();
    let engine = start_with_state(&log, dir.path(), 1_000);
    let gate = Arc::new(VillageOnly::default());
    let county = || request("county", common::area("440899", common::CITY, muster_proto::v1::AreaLevel::County));
    let refusal = refused(through(&engine, &gate, county()));
    assert_eq!((refusal.kind, refusal.code), (RefusalKind::Forbidden, "outside"));
    plant_tree(&engine);
    let before = all_bytes(&*log);
    assert_eq!(refused(through(&engine, &gate, county())).code, "outside");
    assert_eq!(all_bytes(&*log), before);
    // The tree was planted behind the first question: the gate sees the state that the command is decided against.
    assert_eq!(through(&engine, &gate, request("a", enroll(1))).unwrap().counts, [("ResponderEnrolled", 1)]);
    assert!(ask(&engine, county()).is_ok(), "a refused key is free, and who comes without a gate is not asked");
    assert_eq!(gate.asked.load(Ordering::Relaxed), 3);
    engine.shutdown().wait().unwrap();
}

#[test]
fn previews_pass_the_gate_and_repeats_and_timers_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let log = memory();
    let engine = start_with_state(&log, dir.path(), 1_000);
    plant_tree(&engine);
    let gate = Arc::new(VillageOnly::default());
    let passing = || -> Passing { Some(Arc::clone(&gate) as Arc<dyn Gate>) };
    let city = request("city", common::area("4409", "", muster_proto::v1::AreaLevel::City));
    let previewed = engine.preview_through(passing(), city).wait();
    assert!(matches!(previewed, Err(CommandError::Refused(refusal)) if refusal.code == "outside"));
    assert!(engine.preview_through(passing(), request("w", whistle(1))).wait().is_ok());
    let first = through(&engine, &gate, request("w", whistle(1))).unwrap();
    assert_eq!(gate.asked.load(Ordering::Relaxed), 3);
    let again = through(&engine, &gate, request("w", whistle(1))).unwrap();
    assert_eq!((again.first, again.repeated), (first.first, true));
    let advanced = engine.advance_to(START_MS + 10 * 60 * MINUTE_MS).wait().unwrap();
    assert!(advanced.fired > 0 && advanced.last > Position(first.last));
    assert_eq!(gate.asked.load(Ordering::Relaxed), 3);
    engine.shutdown().wait().unwrap();
}

#[test]
fn a_question_sees_what_was_answered_before() {
    let dir = tempfile::tempdir().unwrap();
    let log = memory();
    let engine = start_with_state(&log, dir.path(), 1_000);
    plant_tree(&engine);
    let (position, path) = engine.ask(|state| (state.position(), state.path_of(common::VILLAGE))).wait().0.unwrap();
    assert_eq!((position, path.unwrap().village.as_str()), (log.watermark().0, common::VILLAGE));
    engine.shutdown().wait().unwrap();
    assert_eq!(engine.ask(State::position).wait().0, Err(CommandError::Unavailable { reason: "shutting_down" }));
}
