//! Calls to people: who may be sent where, what they answer, and who takes their place.

use muster_proto::Command;
use muster_proto::v1::{self, IncidentType, ResponseLevel, Severity, UnitKind};

use super::town::{self, absent, accept, attach, check_in, check_out, convert, decline, dispatch, send};
use super::{MINUTE_MS, Story};

fn with_site() -> Story {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x", "y"])]);
    story
}

fn recall(call_id: &str) -> Command {
    command!(RecallResponder { call_id: call_id, reason: "另有安排" })
}

fn relieve(call_id: &str, by: &str) -> Command {
    command!(RelieveResponder { call_id: call_id, by_responder_id: by })
}

#[test]
fn a_person_is_sent_to_one_seat_or_need() {
    let mut story = with_site();
    story.and([town::whistle_for(1)]);
    story.when(command!(DispatchResponder { responder_id: "a1" })).then_rejected("target_required");
    story
        .when(command!(DispatchResponder { responder_id: "a1", site_id: "s", seat_id: "x", whistle_id: "w", need_id: "n" }))
        .then_rejected("target_required");
    story.when(dispatch("a1", "none", "x")).then_rejected("unknown_site");
    story.when(dispatch("a1", "s", "z")).then_rejected("unknown_seat");
    story.when(dispatch("nobody", "s", "x")).then_rejected("unknown_responder");
    story.when(send("a1", "none", "n")).then_rejected("unknown_whistle");
    story.when(send("a1", "w", "z")).then_rejected("unknown_need");
    story.when(dispatch("a1", "s", "x")).then(["ResponderCalled c1 a1 s#x Dispatched"]);
    story.when(dispatch("a2", "s", "x")).then_rejected("seat_taken");
    story.and([command!(SetRequirement {
        site_id: "s",
        seats: vec![muster_proto::v1::Seat { seat_id: "x".to_owned(), ..Default::default() }]
    })]);
    story.when(dispatch("a2", "s", "y")).then_rejected("unknown_seat");
    story.and([recall("c1"), command!(CloseSite { site_id: "s" })]);
    story.when(dispatch("a2", "s", "x")).then_rejected("site_closed");
}

#[test]
fn nobody_holds_two_overlapping_duties() {
    let mut story = with_site();
    let hour_ms = 60 * MINUTE_MS;
    let shift = |seat: &str, from_ms: i64, until_ms: i64| {
        command!(DispatchResponder { responder_id: "a1", site_id: "s", seat_id: seat, from_ms: from_ms, until_ms: until_ms })
    };
    let now_ms = story.now_ms;
    story.when(shift("x", now_ms + hour_ms, now_ms + hour_ms)).then_rejected("period_invalid");
    story.when(shift("x", now_ms + hour_ms, now_ms + 2 * hour_ms)).then(["ResponderCalled c1 a1 s#x Dispatched"]);
    story.when(shift("y", 0, 0)).then_rejected("responder_already_on_duty");
    story.when(shift("y", now_ms + hour_ms + 1, now_ms + hour_ms + 2)).then_rejected("responder_already_on_duty");
    story.when(shift("y", 0, now_ms + hour_ms + 1)).then_rejected("responder_already_on_duty");
    // One after the other is no overlap.
    story.when(shift("y", now_ms + 2 * hour_ms, 0)).then(["ResponderCalled c2 a1 s#y Dispatched"]);
    story.when(shift("y", 0, now_ms + hour_ms)).then_rejected("seat_taken");
    story.and([town::whistle_for(1)]);
    story.when(send("a1", "w", "n")).then_rejected("responder_already_on_duty");
}

#[test]
fn people_of_another_area_are_let_go_first() {
    let mut story = with_site();
    let released = |by: &str| command!(DispatchResponder { responder_id: "b1", site_id: "s", seat_id: "x", released_by_area_id: by });
    story.by("").when(released("v2")).then_rejected("office_required");
    story.by("v1").when(released("")).then_rejected("release_required");
    story.by("v1").when(released("v1")).then_rejected("release_required");
    story.by("v1").when(released("none")).then_rejected("unknown_area");
    let called = story.by("v1").when(released("v2")).then(["ResponderCalled c1 b1 s#x Dispatched"]);
    assert_eq!(called[0].other_area_ids, ["v2"], "the donor sees where its person goes");
    // The common superior's own people need no release.
    story.by("t1").when(dispatch("b2", "s", "y")).then(["ResponderCalled c2 b2 s#y Dispatched"]);
}

#[test]
fn the_absent_are_not_called() {
    let mut story = with_site();
    story.and([town::away("a1")]);
    story.when(dispatch("a1", "s", "x")).then_rejected("responder_unavailable");
    // The absence at the time of the duty counts.
    let later_ms = story.now_ms + 600 * MINUTE_MS;
    story.and([command!(SetAvailability { responder_id: "a1", availability: 3, until_ms: later_ms })]);
    story
        .when(command!(DispatchResponder { responder_id: "a1", site_id: "s", seat_id: "x", from_ms: later_ms }))
        .then(["ResponderCalled c1 a1 s#x Dispatched"]);
}

/// Somebody on leave was called for a duty said to have begun before the leave.
#[test]
fn no_duty_begins_in_the_past() {
    let mut story = with_site();
    let from_ms = story.now_ms;
    story.and([command!(SetAvailability { responder_id: "a1", availability: v1::Availability::Leave, from_ms: from_ms })]);
    let late = |who: &str, from_ms: i64| command!(DispatchResponder { responder_id: who, site_id: "s", seat_id: "x", from_ms: from_ms });
    story.when(late("a1", from_ms - 1)).then_rejected("responder_unavailable");
    let group = |who: &str, from_ms: i64, until_ms: i64| {
        let selection = v1::GroupSelection { responder_ids: vec![who.to_owned()], ..Default::default() };
        command!(CallGroup { selection: selection, site_id: "s", from_ms: from_ms, until_ms: until_ms })
    };
    story.when(group("a1", 0, from_ms - 1)).then_rejected("period_invalid");
    let begins = |emitted: &[crate::Emitted]| match &emitted.last().expect("somebody is called").event {
        muster_proto::Event::ResponderCalled(call) => call.from_ms,
        other => panic!("{other:?} is no call"),
    };
    let emitted = story.when(late("a2", from_ms - 1)).then(["ResponderCalled c1 a2 s#x Dispatched"]);
    assert_eq!(begins(&emitted), from_ms, "a beginning that has passed is now");
    let emitted = story.when(group("a3", from_ms - 1, 0)).then(["GroupCalled 1 called", "ResponderCalled c2 a3 s#y Dispatched"]);
    assert_eq!(begins(&emitted), from_ms, "for a group as for one person");
}

#[test]
fn a_unit_takes_people_once_it_may_act() {
    let mut story = with_site();
    story.and([
        town::unit("br", "out", UnitKind::TemporaryBranch, "v1"),
        town::declare("fire", IncidentType::Fire, "c", Severity::Minor, ""),
    ]);
    story.and([town::unit("other", "fire", UnitKind::ServiceTeam, "v1")]);
    let join = |who: &str, unit: &str| command!(DispatchResponder { responder_id: who, site_id: "s", seat_id: "x", unit_id: unit });
    story.when(join("a1", "none")).then_rejected("unknown_unit");
    story.when(join("a1", "other")).then_rejected("other_incident");
    story.when(join("a1", "br")).then_rejected("unit_without_secretary");
    story.and([attach("br", "a2"), command!(AppointSecretary { unit_id: "br", responder_id: "a2", document_no: "组〔2026〕5号" })]);
    story.when(join("a1", "br")).then(["ResponderCalled c1 a1 s#x Dispatched"]);
    story.and([recall("c1"), town::unit("team", "out", UnitKind::ServiceTeam, "v1"), attach("team", "a1")]);
    story.when(join("a1", "br")).then_rejected("home_unit_taken");
    story.and([command!(DetachResponder { unit_id: "team", responder_id: "a1" }), command!(DissolveUnit { unit_id: "team" })]);
    story.when(join("a1", "team")).then_rejected("unit_dissolved");
}

#[test]
fn answers_come_in_their_order_and_only_while_there_is_a_call() {
    let mut story = with_site();
    story.and([dispatch("a1", "s", "x")]);
    let known = || command!(AcknowledgeCall { call_id: "c1" });
    story.when(accept("")).then_rejected("field_missing");
    for wrong in ["c2", "c0", "x1", "c01", "o1"] {
        story.when(accept(wrong)).then_rejected("unknown_call");
    }
    story.when(known()).then(["CallAcknowledged c1"]);
    story.when(known()).then_nothing();
    story.when(accept("c1")).then(["CallAccepted c1"]);
    story.when(accept("c1")).then_nothing();
    story.when(known()).then_nothing();
    story.and([check_in("a1", "s")]);
    story.when(accept("c1")).then_nothing();
    story.when(decline("c1")).then_rejected("call_phase");
    story.when(absent("c1")).then_rejected("call_phase");
    story.when(recall("c1")).then(["ResponderRecalled c1"]);
    story.when(recall("c1")).then_nothing();
    story.when(accept("c1")).then_rejected("call_phase");
    story.when(check_out("a1", "s")).then(["CheckedOut a1 s", "DutyReleased c1 Recalled"]);
    for over in [accept("c1"), decline("c1"), recall("c1"), absent("c1"), known(), relieve("c1", "a2")] {
        story.when(over).then_rejected("call_over");
    }
}

#[test]
fn who_acknowledged_is_no_longer_waited_for() {
    let mut story = with_site();
    story.and([dispatch("a1", "s", "x"), dispatch("a2", "s", "y"), command!(AcknowledgeCall { call_id: "c1" })]);
    story.after_minutes(30).then(["CallUnanswered c2"]);
    story.after_minutes(600).then_nothing();
}

#[test]
fn a_plans_seat_goes_to_the_backups_in_turn_and_then_is_a_gap() {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "v1", ResponseLevel::Iii)]);
    story.when(decline("c3")).then(["CallDeclined c3", "DutyReleased c3 Declined", "ResponderCalled c5 b1 out/out-v1/gate#n1 PlanBackup"]);
    story.when(absent("c5")).then(["NoShowDeclared c5", "DutyReleased c5 NoShow", "ResponderCalled c6 b2 out/out-v1/gate#n1 PlanBackup"]);
    story.when(decline("c6")).then(["CallDeclined c6", "DutyReleased c6 Declined", "GapRecorded out/out-v1/gate#n1 b2 Declined"]);
    // A post without a seat is told apart by its unit, role and person.
    story.when(decline("c2")).then(["CallDeclined c2", "DutyReleased c2 Declined", "GapRecorded out/out-v1/br a2 Declined"]);
    // Meant to be empty is no gap.
    story.when(recall("c4")).then(["DutyReleased c4 Recalled"]);
}

#[test]
fn an_unanswered_call_of_a_plan_stands_where_nobody_else_is_named() {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "v1", ResponseLevel::Iii)]);
    story.after_minutes(30).then([
        "CallUnanswered c1",
        "DutyReleased c1 Unanswered",
        "ResponderCalled c5 a6 out/out-v1/hq#desk PlanBackup",
        "SecretaryAppointed out/out-v1/br a6",
        "CallUnanswered c2",
        "CallUnanswered c3",
        "DutyReleased c3 Unanswered",
        "ResponderCalled c6 b1 out/out-v1/gate#n1 PlanBackup",
        "CallUnanswered c4",
    ]);
}

#[test]
fn relief_holds_the_duty_at_once() {
    let mut story = with_site();
    story.and([dispatch("a1", "s", "x"), check_in("a1", "s")]);
    story.when(relieve("c1", "a1")).then_rejected("responder_already_on_duty");
    story.by("v1").when(relieve("c1", "b1")).then_rejected("release_required");
    story.when(relieve("c1", "a2")).then(["DutyReleased c1 Relieved", "ResponderCalled c2 a2 s#x Relief"]);
    // Who was relieved is still there until seen leaving; who takes over has to come.
    story.when(check_in("a2", "s")).then(["CheckedIn a2 s c2"]);
    story.when(check_out("a1", "s")).then(["CheckedOut a1 s"]);
    story.and([town::away("a3")]);
    story.when(relieve("c2", "a3")).then_rejected("responder_unavailable");
}

#[test]
fn relief_after_the_end_of_a_shift_stays_until_released() {
    let mut story = with_site();
    let until_ms = story.now_ms + 60 * MINUTE_MS;
    story.and([command!(DispatchResponder { responder_id: "a1", site_id: "s", seat_id: "x", until_ms: until_ms }), check_in("a1", "s")]);
    story.after_minutes(90).then(["PresenceUnconfirmed a1 s c1"]);
    let settled = "PresenceSettled a1 -";
    let emitted = story.when(relieve("c1", "a2")).then(["DutyReleased c1 Relieved", "ResponderCalled c2 a2 s#x Relief", settled]);
    let muster_proto::Event::ResponderCalled(body) = &emitted[1].event else { panic!("the second record calls a2") };
    assert_eq!((body.from_ms, body.until_ms), (story.now_ms, 0));
}

#[test]
fn relief_keeps_plan_and_unit_and_gives_the_post_back_to_the_plan() {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "v1", ResponseLevel::Iii), accept("c3")]);
    story.when(relieve("c3", "d1")).then(["DutyReleased c3 Relieved", "ResponderCalled c5 d1 out/out-v1/gate#n1 Relief"]);
    // d1 is not in the plan; the plan's people are asked from the first.
    story.when(decline("c5")).then(["CallDeclined c5", "DutyReleased c5 Declined", "ResponderCalled c6 a3 out/out-v1/gate#n1 PlanPrimary"]);
}

/// The post of a plan's secretary went to the relief, and the unit stood without one: nobody could be sent into it any more.
#[test]
fn relief_takes_over_the_office_in_the_unit() {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "v1", ResponseLevel::Iii)]);
    let relieved = story.when(relieve("c1", "a6"));
    relieved.then(["DutyReleased c1 Relieved", "ResponderCalled c5 a6 out/out-v1/hq#desk Relief", "SecretaryAppointed out/out-v1/br a6"]);
    story.and([town::site("s", "out", "v1", &["x"])]);
    story.and([command!(DispatchResponder { responder_id: "b1", site_id: "s", seat_id: "x", unit_id: "out/out-v1/br" })]);
    story.when(relieve("c2", "d1")).then([
        "DutyReleased c2 Relieved",
        "ResponderCalled c7 d1 - Relief",
        "OrganizerAppointed out/out-v1/br d1",
    ]);
}
