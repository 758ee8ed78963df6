//! 跨区增援 and 留守: neighbours asked one at a time, floors kept, nobody moved by a request.

use muster_proto::v1::{AreaLevel, NeedKind, Severity};
use muster_proto::{Command, Event};

use super::Story;
use super::town::{self, away, blow, decline, need, send, whistle_for};

fn release(request_id: &str, people: &[&str]) -> Command {
    let people: Vec<String> = people.iter().map(|id| (*id).to_owned()).collect();
    command!(ReleasePeople { request_id: request_id, responder_ids: people })
}

fn refuse(request_id: &str) -> Command {
    command!(RefuseReinforcement { request_id: request_id, reason: "自身任务重" })
}

fn floor(area_id: &str, minimum: u32) -> Command {
    command!(SetFloor { area_id: area_id, minimum: minimum })
}

fn known() -> Command {
    command!(AcknowledgeWhistle { whistle_id: "w" })
}

/// A whistle of v1 for two medics: one lives in the township, one in the other county.
fn medics() -> Command {
    blow("w", "v3", Severity::Minor, vec![need("n", NeedKind::Person, "medic", 2)])
}

#[test]
fn the_neighbour_is_asked_and_lets_people_go() {
    let mut story = Story::given(town::people());
    let emitted = story.when(medics()).then(["WhistleBlown w", "ReinforcementRequested w#n 2 from t1 r1"]);
    assert_eq!(emitted[1].other_area_ids, ["t1"], "the one who is asked sees it");
    let Event::ReinforcementRequested(body) = &emitted[1].event else { panic!("a neighbour is asked") };
    assert_eq!(body.due_ms, story.now_ms + crate::limits::REINFORCEMENT_LIMIT_MS);
    story.and([known()]);
    story.by("t2").when(release("r1", &["a5"])).then_rejected("not_the_authority");
    let emitted = story.by("t1").when(release("r1", &["a5"])).then([
        "PeopleReleased r1 a5",
        "ResponderCalled c1 a5 w#n Reinforcement",
        "ReinforcementRequested w#n 1 from k1",
        "DispatchProposed w#n 1: b3",
    ]);
    let Event::ResponderCalled(body) = &emitted[1].event else { panic!("the second record calls") };
    assert_eq!(body.released_by_area_id, "t1");
    assert_eq!(emitted[1].other_area_ids, ["v1"], "home sees where its person goes");
    story.when(release("r1", &["b3"])).then_rejected("request_over");
    story.when(refuse("r1")).then_rejected("request_over");
}

#[test]
fn who_refuses_or_is_silent_is_followed_by_the_next_then_by_the_level_above() {
    let mut story = Story::given(town::people());
    story.and([
        town::area("t4", "k1", AreaLevel::Township),
        town::area("v5", "t4", AreaLevel::Village),
        town::enroll("m1", "v5", "", &[]),
        away("d2"),
        blow("w", "v3", Severity::Minor, vec![need("n", NeedKind::Person, "", 3)]),
        known(),
    ]);
    // Around t2 the one defined after it comes first.
    story.by("t4").when(command!(RefuseReinforcement { request_id: "r1" })).then_rejected("field_missing");
    story.when(refuse("r1")).then(["ReinforcementRefused r1 t4", "ReinforcementRequested w#n 2 from t1 r2"]);
    story.after_minutes(14).then_nothing();
    story.after_minutes(1).then([
        "ReinforcementLapsed r2 t1",
        "ReinforcementRequested w#n 2 from k1",
        "DispatchProposed w#n 3: d1,a1,a2,a3,a4,a5",
    ]);
    story.after_minutes(600).then_nothing();
}

#[test]
fn after_three_neighbours_the_level_above_is_asked() {
    let mut story = Story::given(town::people());
    for at in 4..9 {
        story.and([town::area(&format!("t{at}"), "k1", AreaLevel::Township), town::enroll(&format!("m{at}"), &format!("t{at}"), "", &[])]);
    }
    story.and([blow("w", "t6", Severity::Minor, vec![need("n", NeedKind::Person, "", 2)]), known()]);
    story.after_minutes(120).then_among([
        "ReinforcementLapsed r1 t7",
        "ReinforcementRequested w#n 1 from t5 r2",
        "ReinforcementLapsed r2 t5",
        "ReinforcementRequested w#n 1 from t8 r3",
        "ReinforcementLapsed r3 t8",
        "ReinforcementRequested w#n 1 from k1",
    ]);
}

#[test]
fn a_threat_to_life_waits_three_minutes_for_a_neighbour() {
    let mut story = Story::given(town::people());
    story.and([command!(BlowWhistle {
        whistle_id: "w",
        area_id: "v3",
        severity: Severity::Extreme,
        life_threatening: true,
        needs: vec![need("n", NeedKind::Person, "medic", 1)],
    })]);
    story.and([known()]);
    story.after_minutes(3).then_among(["ReinforcementLapsed r1 t1", "ReinforcementRequested w#n 1 from k1"]);
}

#[test]
fn whoever_could_not_give_anybody_is_not_asked() {
    let mut story = Story::given(town::people());
    // The township keeps all its nine free people: it could give nobody.
    story.and([floor("t1", 9)]);
    story.when(medics()).then(["WhistleBlown w", "ReinforcementRequested w#n 2 from k1", "ReinforcementRequested w#n 2 from k2 r1"]);
}

#[test]
fn a_release_keeps_the_floor_and_what_is_asked() {
    let mut story = Story::given(town::people());
    story.and([blow("w", "v3", Severity::Minor, vec![need("n", NeedKind::Person, "", 4)]), known(), floor("v2", 2)]);
    story.by("t1");
    story.when(release("r9", &["a1"])).then_rejected("unknown_request");
    story.when(release("", &["a1"])).then_rejected("field_missing");
    story.when(release("r1", &[])).then_rejected("field_missing");
    story.when(release("r1", &["a1", "a1"])).then_rejected("already_exists");
    story.when(release("r1", &["d1"])).then_rejected("not_of_area");
    story.when(release("r1", &["a1", "a2", "a3", "a4", "a5"])).then_rejected("too_many");
    story.when(release("r1", &["b1", "b2"])).then_rejected("floor_reached");
    story.and([away("a1")]);
    story.when(release("r1", &["a1"])).then_rejected("responder_unavailable");
    story.when(release("r1", &["b1", "a2"])).then([
        "PeopleReleased r1 b1,a2",
        "ResponderCalled c1 b1 w#n Reinforcement",
        "ResponderCalled c2 a2 w#n Reinforcement",
    ]);
}

#[test]
fn a_floor_holds_for_every_call_away_and_for_none_at_home() {
    let mut story = Story::given(town::people());
    story.by("v2").when(floor("v1", 1)).then_rejected("not_the_authority");
    story.by("").when(floor("v1", 1)).then_rejected("office_required");
    story.by("v2").when(floor("v2", 2)).then(["FloorSet v2 2"]);
    story.when(floor("v2", 2)).then_nothing();
    story.by("c").and([whistle_for(9), send("b1", "w", "n")]);
    story.when(send("b2", "w", "n")).then_rejected("floor_reached");
    // At home it may call whom it wants; then nobody leaves.
    story.and([blow("x", "v2", Severity::Minor, vec![need("n", NeedKind::Person, "", 1)]), send("b2", "x", "n")]);
    story.when(send("b3", "w", "n")).then_rejected("floor_reached");
    // Who is back is counted again, and nobody takes over for somebody elsewhere.
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x"]), town::dispatch("a1", "s", "x")]);
    story.when(command!(RelieveResponder { call_id: "c3", by_responder_id: "b3" })).then_rejected("floor_reached");
    story.and([floor("v2", 0)]);
    story
        .when(command!(RelieveResponder { call_id: "c3", by_responder_id: "b3" }))
        .then(["DutyReleased c3 Relieved", "ResponderCalled c4 b3 s#x Relief"]);
}

#[test]
fn where_people_are_called_by_itself_floors_are_kept() {
    let mut story = Story::given(town::people());
    story.and([command!(SwitchAutoFill { area_id: "t1", enabled: true }), floor("v1", 5), floor("v2", 2)]);
    story.and([blow("w", "t1", Severity::Minor, vec![need("n", NeedKind::Person, "", 5)])]);
    let called: Vec<_> = story.state.ops.calls.iter().map(|(_, call)| story.state.base.responders.id(call.responder).to_owned()).collect();
    assert_eq!(called, ["a1", "b1"], "one of six and one of three may go");
}

#[test]
fn what_is_over_is_no_longer_asked_for() {
    let ends: [fn() -> Command; 3] = [
        || command!(ResolveWhistle { whistle_id: "w" }),
        || command!(WithdrawWhistle { whistle_id: "w", reason: "误报" }),
        || command!(ConfirmPart { whistle_id: "w", need_id: "n" }),
    ];
    for end in ends {
        let mut story = Story::given(town::people());
        story.and([medics(), known(), end()]);
        story.when(release("r1", &["a5"])).then_rejected("request_over");
        story.after_minutes(600).then_nothing();
    }
    // Met by others meanwhile, the request lapses and no other follows.
    let mut story = Story::given(town::people());
    story.and([medics(), known(), command!(FulfilNeed { whistle_id: "w", need_id: "n", quantity: 2u32 })]);
    story.when(release("r1", &["a5"])).then_rejected("need_met");
    story.after_minutes(600).then(["ReinforcementLapsed r1 t1"]);
}

#[test]
fn one_neighbour_is_asked_at_a_time() {
    let mut story = Story::given(town::people());
    story.and([blow("w", "v3", Severity::Minor, vec![need("n", NeedKind::Person, "", 3)]), known(), send("d1", "w", "n")]);
    // A reply that changes nothing about the neighbour's answer asks nobody else.
    story.when(decline("c1")).then(["CallDeclined c1", "DutyReleased c1 Declined", "DispatchProposed w#n 3: d2"]);
}
