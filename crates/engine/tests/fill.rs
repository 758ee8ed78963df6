//! The planner's joint proposal: from everything that was answered before it was asked for, stored only once it is submitted.

#![allow(clippy::unwrap_used)]

mod common;

use common::{VILLAGE, all_records, ask, enroll, memory, plant_tree, refused, request, start, start_with_state};
use muster_engine::FillRequest;
use muster_log::{Log, Position};
use muster_proto::v1::{self, NeedKind, Severity};
use muster_proto::{Command, CommandError, Event};

fn people_whistle(quantity: u32) -> Command {
    let need = v1::Need { need_id: "n".to_owned(), kind: NeedKind::Person.into(), quantity, ..v1::Need::default() };
    Command::BlowWhistle(v1::BlowWhistle {
        whistle_id: "w".to_owned(),
        area_id: VILLAGE.to_owned(),
        severity: Severity::Severe.into(),
        needs: vec![need],
        ..v1::BlowWhistle::default()
    })
}

fn asked(realm: &str, proposal_id: &str) -> FillRequest {
    FillRequest { realm: realm.to_owned(), area_id: String::new(), proposal_id: proposal_id.to_owned() }
}

#[test]
fn a_proposal_is_a_command_that_moves_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let log = memory();
    let engine = start_with_state(&log, dir.path(), 100);
    plant_tree(&engine);
    for number in 1..=700 {
        ask(&engine, request(&format!("enroll-{number}"), enroll(number))).unwrap();
    }
    ask(&engine, request("blow", people_whistle(600))).unwrap();
    let before = log.watermark();
    let proposal = engine.propose_fill(asked("", "f-1")).wait().unwrap();
    assert_eq!(proposal, engine.propose_fill(asked("", "f-1")).wait().unwrap());
    assert_eq!((log.watermark(), Position(proposal.base_position)), (before, before));
    assert_eq!((proposal.lines.len(), proposal.unfilled.len()), (600, 0));
    // Recorded in parts of 250 lines.
    let answer = ask(&engine, request("propose", Command::ProposeFill(proposal))).unwrap();
    assert_eq!(answer.counts, [("FillProposed", 3)]);
    let decide = v1::FillDecision { line_id: "l600".to_owned(), choice: v1::FillChoice::Accept.into(), ..v1::FillDecision::default() };
    let decide = Command::DecideFill(v1::DecideFill { proposal_id: "f-1".to_owned(), decisions: vec![decide] });
    ask(&engine, request("decide", decide)).unwrap();
    let called: Vec<_> = all_records(&*log)
        .into_iter()
        .filter_map(|record| match record.event {
            Some(Event::ResponderCalled(body)) => Some((body.fill_proposal_id, body.fill_line_id, body.responder_id)),
            _ => None,
        })
        .collect();
    assert_eq!(called, [("f-1".to_owned(), "l600".to_owned(), "r600".to_owned())]);
    engine.shutdown().wait().unwrap();
}

#[test]
fn what_cannot_be_asked_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let log = memory();
    let engine = start_with_state(&log, dir.path(), 100);
    plant_tree(&engine);
    let refusal = refused(engine.propose_fill(asked("drill", "f-1")).wait().map(|_| unreachable!("there is no such exercise")));
    assert_eq!((refusal.code, refusal.field.as_str()), ("unknown_realm", "realm"));
    engine.shutdown().wait().unwrap();
    // Without a place for snapshots there is no planner.
    let log = memory();
    let engine = start(&log);
    let error = engine.propose_fill(asked("", "f-1")).wait().unwrap_err();
    assert!(matches!(error, CommandError::Unavailable { .. }), "{error:?}");
    engine.shutdown().wait().unwrap();
}
