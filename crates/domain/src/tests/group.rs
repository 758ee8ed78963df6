//! Groups: one command for many people, each under the rules of the command for one.

use muster_proto::v1::{self, GroupSelection, NeedKind, PostCard, ResponderKind, ResponseLevel, Severity, UnitKind};
use muster_proto::{Command, Event};

use super::Story;
use super::town::{self, attach, blow, come, convert, dispatch, need, send};
use crate::limits;

fn names(people: &[&str]) -> GroupSelection {
    GroupSelection { responder_ids: people.iter().map(|id| (*id).to_owned()).collect(), ..Default::default() }
}

fn of_area(area_id: &str) -> GroupSelection {
    GroupSelection { area_id: area_id.to_owned(), ..Default::default() }
}

fn to_site(selection: GroupSelection, quantity: u32) -> Command {
    command!(CallGroup { selection: selection, site_id: "s", quantity: quantity })
}

fn to_need(selection: GroupSelection, quantity: u32) -> Command {
    command!(CallGroup { selection: selection, whistle_id: "w", need_id: "n", quantity: quantity })
}

fn with_site() -> Story {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x", "y", "z"])]);
    story
}

#[test]
fn a_groups_people_take_the_free_seats_in_their_order() {
    let mut story = with_site();
    story.and([dispatch("a6", "s", "y"), town::away("a2")]);
    let emitted = story.when(to_site(names(&["a2", "a3", "a1", "a4"]), 0)).then([
        "GroupCalled 2 called without 1: a2 responder_unavailable",
        "ResponderCalled c2 a3 s#x Dispatched",
        "ResponderCalled c3 a1 s#z Dispatched",
    ]);
    let Event::GroupCalled(body) = &emitted[0].event else { panic!("the group comes first") };
    assert_eq!((body.first_call_id.as_str(), body.called, body.site_id.as_str()), ("c2", 2, "s"));
    story.when(to_site(names(&["a4"]), 0)).then_rejected("no_free_seat");
}

#[test]
fn a_selection_is_asked_nearest_first_then_the_least_burdened() {
    let mut story = with_site();
    // a1 has served before, a2 serves now; b1 to b3 live one ring further out.
    story.and([dispatch("a1", "s", "x"), command!(RecallResponder { call_id: "c1" }), dispatch("a2", "s", "x")]);
    story.and([town::whistle_for(7)]);
    story.when(to_need(of_area("t1"), 0)).then([
        "GroupCalled 7 called without 1: a2 responder_already_on_duty",
        "ResponderCalled c3 a3 w#n Dispatched",
        "ResponderCalled c4 a4 w#n Dispatched",
        "ResponderCalled c5 a5 w#n Dispatched",
        "ResponderCalled c6 a6 w#n Dispatched",
        "ResponderCalled c7 a1 w#n Dispatched",
        "ResponderCalled c8 b1 w#n Dispatched",
        "ResponderCalled c9 b2 w#n Dispatched",
    ]);
    story.when(to_need(of_area("t1"), 1)).then_rejected("need_met");
}

#[test]
fn a_selection_says_what_its_people_have_in_common() {
    let mut story = with_site();
    story.and([town::whistle_for(20)]);
    let medics = GroupSelection { specialties: vec!["medic".to_owned()], ..of_area("k1") };
    story.when(to_need(medics, 2)).then([
        "GroupCalled 2 called",
        "ResponderCalled c1 a5 w#n Dispatched",
        "ResponderCalled c2 b3 w#n Dispatched",
    ]);
    let engineers = GroupSelection { organization_id: "power".to_owned(), kind: ResponderKind::Member.into(), ..Default::default() };
    story.when(to_need(engineers, 1)).then(["GroupCalled 1 called", "ResponderCalled c3 e1 w#n Dispatched"]);
    story.and([town::unit("team", "out", UnitKind::ServiceTeam, "v1"), attach("team", "a4"), attach("team", "d1")]);
    let team = GroupSelection { unit_id: "team".to_owned(), ..Default::default() };
    story.when(to_need(team, 0)).then([
        "GroupCalled 2 called",
        "ResponderCalled c4 a4 w#n Dispatched",
        "ResponderCalled c5 d1 w#n Dispatched",
    ]);
    let divers = GroupSelection { specialties: vec!["diver".to_owned()], ..of_area("c") };
    story.when(to_need(divers, 0)).then_rejected("nobody_selected");
    let drivers = GroupSelection { kind: ResponderKind::Driver.into(), ..of_area("c") };
    story.when(to_need(drivers, 0)).then_rejected("nobody_selected");
}

#[test]
fn those_who_stand_by_are_called_off_it() {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "v1", ResponseLevel::Iv), town::site("s", "out", "v1", &["x", "y"])]);
    let standby = GroupSelection { on_standby: true, ..Default::default() };
    story.when(to_site(standby, 0)).then(["GroupCalled 1 called", "StandbyEnded a5", "ResponderCalled c3 a5 s#x Dispatched"]);
}

#[test]
fn a_seat_that_names_a_specialty_takes_who_has_it() {
    let mut story = Story::given(town::people());
    let seat = |id: &str, specialty: &str| v1::Seat { seat_id: id.to_owned(), specialty: specialty.to_owned(), ..Default::default() };
    story.and([town::outbreak(), town::site("s", "out", "v1", &[])]);
    story.and([command!(SetRequirement { site_id: "s", seats: vec![seat("aid", "medic"), seat("gate", "")] })]);
    story.when(to_site(names(&["a1", "a2", "a5"]), 0)).then([
        "GroupCalled 2 called without 1: a2 specialty_missing",
        "ResponderCalled c1 a1 s#gate Dispatched",
        "ResponderCalled c2 a5 s#aid Dispatched",
    ]);
}

#[test]
fn people_of_another_area_are_passed_over_unless_let_go_and_floors_are_kept() {
    let mut story = with_site();
    story.and([command!(SetFloor { area_id: "v2", minimum: 2u32 })]);
    story
        .by("v1")
        .when(to_site(names(&["b1", "a1"]), 0))
        .then(["GroupCalled 1 called without 1: b1 release_required", "ResponderCalled c1 a1 s#x Dispatched"]);
    let released = command!(CallGroup { selection: of_area("v2"), site_id: "s", released_by_area_id: "v2" });
    let emitted = story
        .when(released)
        .then(["GroupCalled 1 called without 2: b2 floor_reached, b3 floor_reached", "ResponderCalled c2 b1 s#y Dispatched"]);
    assert_eq!(emitted[1].other_area_ids, ["v2"], "the donor sees where its person goes");
    // Whom the organization keeps back is called by name only.
    story.by("c").and([command!(ReservePeople {
        organization_id: "power",
        responder_ids: vec!["e1".to_owned(), "e2".to_owned(), "e3".to_owned()]
    })]);
    let engineers = GroupSelection { organization_id: "power".to_owned(), ..Default::default() };
    story
        .when(to_site(engineers, 0))
        .then(["GroupCalled 0 called without 3: e1 responder_reserved, e2 responder_reserved, e3 responder_reserved"]);
    story.when(to_site(names(&["e1"]), 0)).then(["GroupCalled 1 called", "ResponderCalled c3 e1 s#z Dispatched"]);
}

/// Who was not named and lives elsewhere is counted by the area that could let them go, and neither named nor told of.
#[test]
fn people_of_other_areas_are_counted_and_not_told() {
    let mut story = with_site();
    story.and([town::away("b1"), town::away("f2")]);
    let everybody = GroupSelection { kind: ResponderKind::Member.into(), ..of_area("c") };
    story.and([town::whistle_for(20)]);
    let emitted = story.by("v1").when(to_need(everybody, 0)).events();
    let Event::GroupCalled(body) = &emitted[0].event else { panic!("the group comes first") };
    let donors: Vec<_> = body.release_required.iter().map(|donor| (donor.area_id.as_str(), donor.people)).collect();
    assert_eq!(donors, [("v2", 3), ("k2", 2), ("t2", 2)], "those who are away, too: nothing is told of them");
    assert_eq!((body.called, body.passed_over_total, body.passed_over.len()), (6, 0, 0));
    // Of whom is named nothing is told but that the own area must let them go, however it stands with them.
    story.by("c").and([dispatch("b2", "s", "y")]);
    for who in ["b1", "b2", "b3"] {
        story.by("v1").when(dispatch(who, "s", "x")).then_rejected("release_required");
        story.when(to_site(names(&[who]), 0)).then([&*format!("GroupCalled 0 called without 1: {who} release_required")]);
    }
}

#[test]
fn a_group_command_must_be_understood() {
    let mut story = with_site();
    story.when(command!(CallGroup { site_id: "s" })).then_rejected("field_missing");
    story.when(to_site(GroupSelection::default(), 0)).then_rejected("field_missing");
    story.when(to_site(names(&["a1", "a1"]), 0)).then_rejected("already_exists");
    story.when(to_site(names(&["nobody"]), 0)).then_rejected("unknown_responder");
    story.when(to_site(GroupSelection { area_id: "v1".to_owned(), ..names(&["a1"]) }, 0)).then_rejected("selection_mixed");
    story.when(to_site(of_area("none"), 0)).then_rejected("unknown_area");
    story.when(to_site(names(&["a1"]), 10_001)).then_rejected("field_invalid");
    story.when(command!(CallGroup { selection: names(&["a1"]) })).then_rejected("target_required");
    story
        .when(command!(CallGroup { selection: names(&["a1"]), site_id: "s", from_ms: 2i64, until_ms: 1i64 }))
        .then_rejected("period_invalid");
    story.when(command!(CallGroup { selection: names(&["a1"]), site_id: "s", unit_id: "none" })).then_rejected("unknown_unit");
    story.by("").when(to_site(names(&["a1"]), 0)).then_rejected("office_required");
}

/// Whoever names neither area, organization nor unit would have the whole tree looked at, person by person.
#[test]
fn a_selection_says_where_to_look_and_looks_at_a_county_at_most() {
    let mut story = with_site();
    let medics = GroupSelection { specialties: vec!["medic".to_owned()], ..Default::default() };
    let drivers = GroupSelection { kind: ResponderKind::Driver.into(), ..Default::default() };
    let unknown = GroupSelection { specialties: vec!["diver".to_owned()], ..Default::default() };
    for selection in [medics, drivers, unknown] {
        story.when(to_site(selection, 0)).then_rejected("selection_unbounded");
    }
    // Where everything is looked at after every step so many people take long: this state is asked alone.
    let mut state = story.state.clone();
    for number in 0..limits::GROUP_POOL_MAX {
        super::carry_out(&mut state, story.now_ms, &town::enroll(&format!("m{number}"), "v4", "", &[])).expect("somebody new");
    }
    let mut refused = |selection: GroupSelection| {
        let refusal = super::carry_out(&mut state, story.now_ms, &to_site(selection, 1)).expect_err("too many to choose from");
        (refusal.code(), refusal.field().to_owned())
    };
    assert_eq!(refused(of_area("c")), ("selection_too_wide", "selection.area_id".to_owned()));
    // The narrower of two is looked at.
    let engineers = GroupSelection { organization_id: "power".to_owned(), ..of_area("c") };
    assert_eq!(refused(engineers).0, "nobody_selected");
    let emitted = super::carry_out(&mut state, story.now_ms, &to_site(of_area("k1"), 1)).expect("k1 is small enough");
    assert_eq!(super::lines(&emitted), ["GroupCalled 1 called", "ResponderCalled c1 a1 s#x Dispatched"]);
}

#[test]
fn a_long_list_of_those_passed_over_comes_in_parts() {
    let mut story = with_site();
    let people: Vec<String> = (0..501).map(|at| format!("m{at:03}")).collect();
    story.and(people.iter().map(|id| town::enroll(id, "v2", "", &[])));
    story.and([command!(SetFloor { area_id: "v2", minimum: 504u32 })]);
    let emitted = story.when(to_site(of_area("v2"), 0)).events();
    let sizes: Vec<_> = emitted
        .iter()
        .map(|record| match &record.event {
            Event::GroupCalled(body) => (body.called, body.passed_over_total, body.passed_over.len()),
            other => panic!("{other:?} follows from nobody"),
        })
        .collect();
    assert_eq!(sizes, [(0, 504, 500), (0, 504, 4)]);
}

#[test]
fn a_group_is_taken_off_where_it_stands() {
    let mut story = with_site();
    story.and([dispatch("a1", "s", "x"), dispatch("a2", "s", "y"), dispatch("a3", "s", "z"), town::check_in("a1", "s")]);
    let off = |selection: GroupSelection| command!(RecallGroup { selection: selection, site_id: "s", reason: "换防" });
    story.when(off(names(&["a1", "a2"]))).then(["GroupRecalled 1 recalled 1 released", "ResponderRecalled c1", "DutyReleased c2 Recalled"]);
    story.when(off(names(&["a1"]))).then_rejected("nobody_selected");
    let everybody = command!(RecallGroup { incident_id: "out" });
    story.when(everybody).then(["GroupRecalled 0 recalled 1 released", "DutyReleased c3 Recalled"]);
    story.when(command!(RecallGroup {})).then_rejected("scope_required");
    story.when(command!(RecallGroup { site_id: "s", incident_id: "out" })).then_rejected("scope_required");
    story.when(command!(RecallGroup { whistle_id: "none" })).then_rejected("unknown_whistle");
}

#[test]
fn a_part_that_is_not_done_keeps_its_people_from_a_group_recall() {
    let mut story = Story::given(town::people());
    let needs = vec![need("n", NeedKind::Person, "", 1), need("m", NeedKind::Person, "", 1)];
    story.and([blow("w", "v1", Severity::Minor, needs), send("a1", "w", "n"), send("a2", "w", "m"), come("a1", "w")]);
    let off = |need_id: &str| command!(RecallGroup { whistle_id: "w", need_id: need_id });
    story.by("v2").when(off("")).then(["GroupRecalled 0 recalled 0 released without 2: a1 part_not_confirmed, a2 part_not_confirmed"]);
    story.by("v1").when(off("z")).then_rejected("unknown_need");
    story.when(off("n")).then(["GroupRecalled 1 recalled 0 released", "ResponderRecalled c1"]);
}

#[test]
fn every_call_carries_its_card() {
    let card = |event: &Event| match event {
        Event::ResponderCalled(body) => body.card.clone(),
        other => panic!("{other:?} is no call"),
    };
    let mut story = with_site();
    let own = PostCard { task: "查验通行证".to_owned(), bring: "雨衣".to_owned(), ..Default::default() };
    let with_card =
        |who: &str, seat: &str, card: PostCard| command!(DispatchResponder { responder_id: who, site_id: "s", seat_id: seat, card: card });
    assert_eq!(card(&story.when(with_card("a1", "x", own.clone())).events()[0].event), Some(own));
    let keyed = PostCard { card_key: "k".to_owned(), ..Default::default() };
    story.when(with_card("a2", "y", keyed)).then_rejected("field_invalid");
    let until_ms = 1_700_003_600_000_i64;
    let plain = command!(DispatchResponder { responder_id: "a2", site_id: "s", seat_id: "y", until_ms: until_ms });
    let short = card(&story.when(plain).events()[0].event).expect("a short card is made");
    assert_eq!((short.r#where.as_str(), short.report_to.as_str(), short.until.as_str()), ("v1 s", "v1", "2023-11-14 23:13 UTC"));
    // A plan's post without a card of its own has a short one too.
    let mut story = Story::given(town::town());
    story.and([town::outbreak()]);
    let emitted = story.when(convert("out", "v1", ResponseLevel::Iv)).events();
    let called = emitted.iter().find(|record| matches!(record.event, Event::ResponderCalled(_))).expect("somebody is called");
    assert_eq!(card(&called.event).map(|card| card.r#where), Some("v1 hq".to_owned()));
}
