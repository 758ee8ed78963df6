//! Agreements between areas 边界联建协议: signed by all, invoked for an incident, and what follows from it.

use muster_proto::Command;
use muster_proto::v1::{self, AgreementScope, IncidentType, ResponseLevel, Severity, UnitKind};

use super::Story;
use super::town::{self, attach};
use crate::state::SharedArea;

fn inside(area_id: &str) -> v1::AgreementSide {
    v1::AgreementSide { area_id: area_id.to_owned(), ..Default::default() }
}

fn outside(code: &str) -> v1::AgreementSide {
    v1::AgreementSide { external_code: code.to_owned(), external_name: "陆川县".to_owned(), ..Default::default() }
}

/// The first side given is the one that signs.
fn sign(sides: &[v1::AgreementSide], signer: usize, document_no: &str) -> Command {
    command!(SignAgreement {
        agreement_id: "border",
        name: "边界联建协议",
        area_id: sides[signer].area_id.as_str(),
        external_code: sides[signer].external_code.as_str(),
        sides: sides,
        shared: vec![AgreementScope::Coverage.into(), AgreementScope::People.into()],
        joint_committee_name: "边界联合党委",
        document_no: document_no,
    })
}

fn invoke(incident_id: &str, unit_id: &str, area_id: &str) -> Command {
    command!(InvokeAgreement {
        agreement_id: "border",
        incident_id: incident_id,
        unit_id: unit_id,
        superior_organization_id: "party",
        approval_document_no: "组〔2026〕8号",
        area_id: area_id,
    })
}

fn end() -> Command {
    command!(EndAgreement { agreement_id: "border", reason: "到期" })
}

/// Counties k1 and k2 have both signed; the outbreak is on, with a site `s` in v1.
fn in_force() -> Story {
    let mut story = Story::given(town::town());
    story.and([sign(&[inside("k1"), inside("k2")], 0, "甲〔1〕"), sign(&[inside("k1"), inside("k2")], 1, "乙〔1〕")]);
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x", "y"])]);
    story
}

#[test]
fn it_is_in_force_once_all_sides_have_signed() {
    let mut story = Story::given(town::people());
    let sides = [inside("k1"), inside("k2")];
    story.by("k2").when(sign(&sides, 0, "甲〔1〕")).then_rejected("not_the_authority");
    story.by("k1").when(sign(&sides, 0, "")).then_rejected("field_missing");
    let signed = story.when(sign(&sides, 0, "甲〔1〕")).then(["AgreementSigned border k1"]);
    assert_eq!(signed[0].other_area_ids, ["k2"], "the other side is told");
    story.when(sign(&sides, 0, "甲〔1〕")).then_nothing();
    story.when(sign(&sides, 0, "甲〔2〕")).then_rejected("agreement_signed");
    story.by("k2").when(sign(&sides, 1, "乙〔1〕")).then(["AgreementSigned border k2", "AgreementInForce border"]);
    story.when(sign(&sides, 1, "乙〔1〕")).then_nothing();
    story.by("c").when(command!(RetireArea { area_id: "k2" })).then_rejected("area_in_use");
}

#[test]
fn the_first_signature_fixes_the_text() {
    let mut story = Story::given(town::people());
    let sides = [inside("k1"), inside("k2")];
    story.and([sign(&sides, 0, "甲〔1〕")]);
    let with = |change: fn(&mut v1::SignAgreement)| {
        let Command::SignAgreement(mut body) = sign(&[inside("k1"), inside("k2")], 1, "乙〔1〕") else { unreachable!("it signs") };
        change(&mut body);
        Command::SignAgreement(body)
    };
    for (change, field) in [
        ((|body| body.name = "别的".to_owned()) as fn(&mut v1::SignAgreement), "name"),
        (|body| body.sides.reverse(), "sides"),
        (|body| body.sides.push(outside("450922")), "sides"),
        (|body| body.shared.truncate(1), "shared"),
        (|body| body.joint_committee_name = "别的".to_owned(), "joint_committee_name"),
    ] {
        let refusal = story.run(&with(change)).unwrap_err();
        assert_eq!((refusal.code(), refusal.field()), ("agreement_text_differs", field));
    }
    story.when(with(|body| body.area_id = "t1".to_owned())).then_rejected("not_a_side");
    story.when(with(|body| body.external_code = "450922".to_owned())).then_rejected("field_missing");
    story.when(with(|body| body.shared.clear())).then_rejected("field_missing");
    story.when(with(|body| body.shared = vec![1, 1])).then_rejected("field_invalid");
    story.when(with(|body| body.shared = vec![9])).then_rejected("field_invalid");
    story.when(with(|_| {})).then(["AgreementSigned border k2", "AgreementInForce border"]);
}

#[test]
fn sides_are_neighbours_and_at_least_one_is_ours() {
    let mut story = Story::given(town::people());
    story.when(sign(&[inside("k1")], 0, "甲")).then_rejected("field_invalid");
    story.when(sign(&[inside("k1"), inside("t1")], 0, "甲")).then_rejected("field_invalid");
    story.when(sign(&[inside("k1"), inside("k1")], 0, "甲")).then_rejected("field_invalid");
    story.when(sign(&[inside("k1"), inside("nowhere")], 0, "甲")).then_rejected("unknown_area");
    story.when(sign(&[outside("450922"), outside("450923")], 0, "甲")).then_rejected("field_invalid");
    story.when(sign(&[inside("k1"), outside("450922"), outside("450922")], 0, "甲")).then_rejected("already_exists");
    story.when(sign(&[inside("k1"), v1::AgreementSide::default()], 0, "甲")).then_rejected("field_invalid");
}

/// 450922 has no seat at this table: who has its document signs for it.
#[test]
fn a_side_outside_the_tree_is_signed_on_its_behalf() {
    let mut story = Story::given(town::people());
    let sides = [inside("k1"), outside("450922")];
    story.by("k2").when(sign(&sides, 1, "陆〔1〕")).then_rejected("not_a_side");
    story.by("k1").when(sign(&sides, 1, "陆〔1〕")).then(["AgreementSigned border 450922"]);
    story.when(sign(&sides, 0, "甲〔1〕")).then(["AgreementSigned border k1", "AgreementInForce border"]);
}

#[test]
fn it_is_invoked_for_an_incident_with_a_joint_committee() {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), sign(&[inside("k1"), inside("k2")], 0, "甲〔1〕")]);
    story.by("k1").when(invoke("out", "joint", "")).then_rejected("agreement_not_in_force");
    story.by("k2").and([sign(&[inside("k1"), inside("k2")], 1, "乙〔1〕")]);
    story.by("t1").when(invoke("out", "joint", "")).then_rejected("not_a_side");
    story.by("c").when(invoke("out", "joint", "")).then_rejected("field_missing");
    story.when(invoke("out", "joint", "t1")).then_rejected("not_a_side");
    story.by("k2").when(invoke("out", "joint", "k1")).then_rejected("not_the_authority");
    story.when(invoke("none", "joint", "")).then_rejected("unknown_incident");
    story.by("k1").when(invoke("out", "", "")).then_rejected("field_missing");
    let invoked = story.when(invoke("out", "joint", "")).then(["UnitEstablished joint", "AgreementInvoked border k1 joint"]);
    assert_eq!(invoked[1].other_area_ids, ["k2"], "the other side is told");
    let unit = story.state.ops.units.get(story.state.ops.units.find("joint").unwrap());
    assert_eq!((unit.kind, story.state.base.areas.id(unit.area)), (UnitKind::JointCommittee, "k1"));
    story.by("k2").when(invoke("out", "joint2", "")).then_rejected("agreement_invoked");
    // Members of both sides take extra seats there, beside their home units.
    story.by("c").and([town::unit("home", "out", UnitKind::ServiceTeam, "v4"), attach("home", "f1")]);
    for who in ["a1", "f1"] {
        story.and([command!(AttachResponder { unit_id: "joint", responder_id: who, extra_seat: true })]);
    }
    story.and([town::declare("far", IncidentType::Fire, "t3", Severity::Minor, "")]);
    story.by("k1").when(invoke("far", "joint3", "")).then_rejected("outside_incident");
    story.by("k2").when(invoke("far", "joint3", "")).then(["UnitEstablished joint3", "AgreementInvoked border k2 joint3"]);
}

/// k1's office calls people of k2 to the border as its own, and only as long as, and for what, both agreed.
#[test]
fn people_of_the_other_side_come_without_a_further_release() {
    let mut story = in_force();
    story.by("k1").when(town::dispatch("f1", "s", "x")).then_rejected("release_required");
    story.and([invoke("out", "joint", "")]);
    let called = story.when(town::dispatch("f1", "s", "x")).then(["ResponderCalled c1 f1 s#x Dispatched"]);
    assert_eq!(called[0].other_area_ids, ["v4"], "the donor sees where its person goes");
    // A village is no side, and another incident is none of the agreement's.
    story.by("v1").when(town::dispatch("f2", "s", "y")).then_rejected("release_required");
    story.by("c").and([town::declare("fire", IncidentType::Fire, "c", Severity::Minor, ""), town::site("fs", "fire", "v1", &["x"])]);
    story.by("k1").when(town::dispatch("f2", "fs", "x")).then_rejected("release_required");
    story.by("k2").when(town::dispatch("a1", "s", "y")).then(["ResponderCalled c2 a1 s#y Dispatched"]);
    story
        .when(command!(RelieveResponder { call_id: "c2", by_responder_id: "d1" }))
        .then(["DutyReleased c2 Relieved", "ResponderCalled c3 d1 s#y Relief"]);
    // With the joint committee the invocation ends.
    story.by("k1").and([command!(DissolveUnit { unit_id: "joint" })]);
    story.when(town::dispatch("f2", "s", "y")).then_rejected("seat_taken");
    story.and([command!(RecallResponder { call_id: "c3" })]);
    story.when(town::dispatch("f2", "s", "y")).then_rejected("release_required");
}

#[test]
fn an_agreement_that_shares_no_people_moves_nobody() {
    let mut story = Story::given(town::town());
    for signer in 0..2 {
        let Command::SignAgreement(body) = sign(&[inside("k1"), inside("k2")], signer, "〔1〕") else { unreachable!("it signs") };
        story.and([Command::SignAgreement(v1::SignAgreement { shared: vec![AgreementScope::Sites.into()], ..body })]);
    }
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x"])]);
    story.by("k1").and([invoke("out", "joint", "")]);
    story.when(town::dispatch("f1", "s", "x")).then_rejected("release_required");
}

#[test]
fn what_is_shared_is_what_both_agreed_while_it_is_invoked() {
    let mut story = in_force();
    assert!(story.state.shared_with("k1").is_empty(), "in force, and not invoked");
    story.by("k1").and([invoke("out", "joint", "")]);
    let shared = |with: &str| SharedArea {
        area_id: with.to_owned(),
        shared: vec![AgreementScope::Coverage, AgreementScope::People],
        agreement_id: "border".to_owned(),
        incident_id: "out".to_owned(),
        realm: "actual".to_owned(),
    };
    assert_eq!(story.state.shared_with("k1"), [shared("k2")]);
    assert_eq!(story.state.shared_with("k2"), [shared("k1")]);
    assert!(story.state.shared_with("t1").is_empty(), "a part of a side is no side");
    assert!(story.state.shared_with("c").is_empty(), "the city sees both anyway");
    story.and([command!(DissolveUnit { unit_id: "joint" })]);
    assert!(story.state.shared_with("k1").is_empty());
}

#[test]
fn it_ends_when_nobody_works_under_it() {
    let mut story = in_force();
    story.by("k1").and([invoke("out", "joint", "")]);
    story.when(end()).then_rejected("agreement_invoked");
    story.and([command!(DissolveUnit { unit_id: "joint" })]);
    story.by("t1").when(end()).then_rejected("not_a_side");
    story.by("k2").when(command!(EndAgreement { agreement_id: "border" })).then_rejected("field_missing");
    story.when(command!(EndAgreement { agreement_id: "none", reason: "到期" })).then_rejected("unknown_agreement");
    story.when(end()).then(["AgreementEnded border by k2"]);
    story.when(end()).then_rejected("agreement_ended");
    story.when(sign(&[inside("k1"), inside("k2")], 0, "甲〔1〕")).then_rejected("agreement_ended");
    story.by("k1").when(invoke("out", "again", "")).then_rejected("agreement_ended");
}

/// An exercise may try an agreement out; it keeps nobody from ending it.
#[test]
fn an_exercise_never_keeps_an_agreement_alive() {
    let mut story = in_force();
    story.and([town::declare("drill", IncidentType::Outbreak, "c", Severity::Minor, "drill-1"), town::site("ds", "drill", "v1", &["x"])]);
    let invoked = story.by("k1").when(invoke("drill", "dj", "")).then(["UnitEstablished dj", "AgreementInvoked border k1 dj"]);
    assert!(invoked.iter().all(|record| story.state.realm_name(record.realm) == "drill-1"));
    story.when(town::dispatch("f1", "s", "x")).then_rejected("release_required");
    story.when(town::dispatch("f1", "ds", "x")).then(["ResponderCalled c1 f1 ds#x Dispatched"]);
    story.when(end()).then(["AgreementEnded border by k1"]);
    story.when(town::dispatch("f2", "ds", "x")).then_rejected("seat_taken");
    assert!(story.state.shared_with("k2").is_empty());
}

/// What conversions and stand-downs do to a joint committee is what they do to any unit made by hand: nothing.
#[test]
fn a_joint_committee_outlives_a_stand_down() {
    let mut story = in_force();
    story.by("k1").and([invoke("out", "joint", "")]);
    story.by("c").and([town::convert("out", "v2", ResponseLevel::Iv), town::stand_down("out", "v2")]);
    assert_eq!(story.state.shared_with("k2").len(), 1);
    story.and([command!(CloseSite { site_id: "s" })]);
    story.when(command!(CloseIncident { incident_id: "out" })).then_rejected("incident_still_active");
    story.and([command!(DissolveUnit { unit_id: "joint" })]);
    story.when(command!(CloseIncident { incident_id: "out" })).then(["IncidentClosed out"]);
}
