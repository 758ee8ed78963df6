//! `RehearsePlan` takes the way over the planner: the engine's thread keeps figures and counts none.

#![allow(clippy::unwrap_used)]

mod common;

use common::{CITY, VILLAGE, again, ask, enroll, memory, plant_tree, refused, request, start, start_with_state};
use muster_engine::EngineHandle;
use muster_log::Log as _;
use muster_proto::v1::{self, DutyRole, IncidentType, ResponseLevel, SiteKind};
use muster_proto::{Answer, Command, CommandError, Event, decode};

/// A plan with two seats, and somebody for one of them.
fn publish(engine: &EngineHandle, plan_id: &str) {
    let seat = |key: &str| v1::PlanSeat { seat_key: key.to_owned(), ..Default::default() };
    let site = v1::PlanSite {
        site_key: "gate".to_owned(),
        kind: SiteKind::Checkpoint.into(),
        name: "卡口".to_owned(),
        area_id: VILLAGE.to_owned(),
        tier: ResponseLevel::Iv.into(),
        seats: vec![seat("x"), seat("y")],
    };
    let draft = v1::DraftPlan {
        plan_id: plan_id.to_owned(),
        area_id: VILLAGE.to_owned(),
        incident_type: IncidentType::Flood.into(),
        name: "防汛".to_owned(),
        sites: vec![site],
        ..Default::default()
    };
    let post = v1::DesignatePost {
        plan_id: plan_id.to_owned(),
        tier: ResponseLevel::Iv.into(),
        role: DutyRole::Member.into(),
        site_key: "gate".to_owned(),
        seat_key: "x".to_owned(),
        responder_id: "r1".to_owned(),
        ..Default::default()
    };
    ask(engine, request("r", enroll(1))).unwrap();
    ask(engine, request("draft", Command::DraftPlan(draft))).unwrap();
    ask(engine, request("post", Command::DesignatePost(post))).unwrap();
    ask(engine, request("publish", Command::PublishPlan(v1::PublishPlan { plan_id: plan_id.to_owned() }))).unwrap();
}

fn rehearse(plan_id: &str) -> v1::RehearsePlan {
    v1::RehearsePlan { plan_id: plan_id.to_owned(), response: ResponseLevel::I.into(), ..Default::default() }
}

fn rehearsed(answer: &Answer) -> v1::PlanRehearsed {
    match decode(&answer.events[0]).unwrap().event.unwrap() {
        Event::PlanRehearsed(body) => body,
        other => panic!("{other:?} is no rehearsal"),
    }
}

#[test]
fn the_planner_writes_the_figures_of_a_rehearsal() {
    let dir = tempfile::tempdir().unwrap();
    let log = memory();
    let engine = start_with_state(&log, dir.path(), 100);
    plant_tree(&engine);
    publish(&engine, "p");
    let before = log.watermark().0;
    // What the caller states in their place is lost.
    let forged = v1::RehearsePlan { version: 7, seats: 90, fillable: 90, single_points: 3, base_position: 1, ..rehearse("p") };
    let asked = request("rehearse", Command::RehearsePlan(forged));
    let previewed = engine.preview(asked.clone()).wait().unwrap().answer;
    let answer = ask(&engine, asked.clone()).unwrap();
    assert_eq!(previewed, answer);
    let expected = v1::PlanRehearsed {
        plan_id: "p".to_owned(),
        version: 1,
        area_id: VILLAGE.to_owned(),
        response: ResponseLevel::I.into(),
        seats: 2,
        fillable: 1,
        empty: 1,
        single_points: 1,
        base_position: before,
    };
    assert_eq!(rehearsed(&answer), expected);
    // Told again it is what it was, whatever the roster is by now.
    let gone = v1::WithdrawResponder { responder_id: "r1".to_owned(), reason: "迁出".to_owned() };
    ask(&engine, request("gone", Command::WithdrawResponder(gone))).unwrap();
    assert_eq!(ask(&engine, asked).unwrap(), again(&answer));
    let later = ask(&engine, request("later", Command::RehearsePlan(rehearse("p")))).unwrap();
    assert_eq!((rehearsed(&later).fillable, rehearsed(&later).empty), (0, 2));
    engine.shutdown().wait().unwrap();
}

#[test]
fn what_cannot_be_rehearsed_is_refused_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let log = memory();
    let engine = start_with_state(&log, dir.path(), 100);
    plant_tree(&engine);
    assert_eq!(refused(ask(&engine, request("a", Command::RehearsePlan(rehearse("none"))))).code, "unknown_plan");
    let mut nobody = request("b", Command::RehearsePlan(rehearse("none")));
    nobody.principal.clear();
    assert!(matches!(ask(&engine, nobody), Err(CommandError::Malformed(_))));
    engine.shutdown().wait().unwrap();
    let alone = start(&memory());
    plant_tree(&alone);
    let outcome = ask(&alone, request("a", Command::RehearsePlan(rehearse(CITY))));
    assert_eq!(outcome, Err(CommandError::Unavailable { reason: "no_planner" }), "without a planner nothing is rehearsed");
}
