//! Stand-down: it takes off exactly what the conversion added, and waits for whoever is on post.

use muster_proto::v1::{IncidentType, NeedKind, ResponseLevel, Severity, UnitKind};

use super::Story;
use super::town::{self, check_in, check_out, convert, declare, dispatch, stand_down};
use ResponseLevel::{Iii, Iv};

fn converted(response: ResponseLevel) -> Story {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "v1", response)]);
    story
}

#[test]
fn with_nobody_on_post_everything_ends_at_once() {
    let mut story = converted(Iv);
    let before = story.state.base_digest();
    story.when(stand_down("out", "v1")).then([
        "StandDownOrdered v1",
        "DutyReleased c1 StandDown",
        "DutyReleased c2 StandDown",
        "StandbyEnded a5",
        "SiteClosed out/out-v1/hq",
        "UnitDissolved out/out-v1/br",
        "AreaStoodDown out-v1",
    ]);
    assert!(before == story.state.base_digest());
    story.when(stand_down("out", "v1")).then_rejected("not_converted");
    assert_eq!(story.state.timers(), 0, "nothing is waited for any more");
}

#[test]
fn whoever_is_on_post_checks_out_first() {
    let mut story = converted(Iii);
    story.and([check_in("a1", "out/out-v1/hq"), check_in("a3", "out/out-v1/gate")]);
    story.when(stand_down("out", "v1")).then([
        "StandDownOrdered v1",
        "ResponderRecalled c1",
        "DutyReleased c2 StandDown",
        "ResponderRecalled c3",
        "DutyReleased c4 StandDown",
        "StandbyEnded a5",
    ]);
    // Ordered again: nobody is told twice.
    story.when(stand_down("out", "v1")).then_nothing();
    // Meanwhile the area takes nobody on.
    story.when(convert("out", "v1", Iii)).then_rejected("area_standing_down");
    story.when(dispatch("a4", "out/out-v1/hq", "guard")).then_rejected("area_standing_down");
    story.when(command!(RelieveResponder { call_id: "c1", by_responder_id: "a4" })).then_rejected("call_phase");
    story
        .when(command!(CallOrganization { organization_id: "power", site_id: "out/out-v1/hq", quantity: 1u32 }))
        .then_rejected("area_standing_down");
    story.when(check_out("a3", "out/out-v1/gate")).then(["CheckedOut a3 out/out-v1/gate", "DutyReleased c3 StandDown"]);
    story.when(check_out("a1", "out/out-v1/hq")).then([
        "CheckedOut a1 out/out-v1/hq",
        "DutyReleased c1 StandDown",
        "SiteClosed out/out-v1/hq",
        "SiteClosed out/out-v1/gate",
        "UnitDissolved out/out-v1/team",
        "UnitDissolved out/out-v1/br",
        "AreaStoodDown out-v1",
    ]);
}

#[test]
fn a_walk_in_is_waited_for_too() {
    let mut story = converted(Iv);
    story.and([check_in("b1", "out/out-v1/hq")]);
    story.when(stand_down("out", "v1")).then_among(["DutyReleased c1 StandDown", "StandbyEnded a5"]);
    story.when(check_out("b1", "out/out-v1/hq")).then([
        "CheckedOut b1 out/out-v1/hq",
        "SiteClosed out/out-v1/hq",
        "UnitDissolved out/out-v1/br",
        "AreaStoodDown out-v1",
    ]);
}

#[test]
fn a_forgotten_check_out_is_settled() {
    let mut story = converted(Iv);
    story.and([check_in("a1", "out/out-v1/hq"), stand_down("out", "v1")]);
    story.when(command!(SettlePresence { responder_id: "a1", note: "已回家" })).then([
        "PresenceSettled a1 -",
        "DutyReleased c1 StandDown",
        "SiteClosed out/out-v1/hq",
        "UnitDissolved out/out-v1/br",
        "AreaStoodDown out-v1",
    ]);
}

/// Somebody recalled whose presence is then disputed can no longer check out: settling ends the duty.
#[test]
fn a_recalled_person_in_dispute_does_not_hold_the_area_up() {
    let mut story = converted(Iv);
    story.and([town::site("s", "out", "v2", &["x"]), check_in("a1", "out/out-v1/hq"), stand_down("out", "v1")]);
    story.when(check_in("a1", "s")).then(["PresenceDisputed a1 s or out/out-v1/hq"]);
    story
        .when(command!(SettlePresence { responder_id: "a1", site_id: "s" }))
        .then_among(["DutyReleased c1 StandDown", "AreaStoodDown out-v1"]);
}

#[test]
fn several_areas_end_each_for_itself() {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "c", Iv), check_in("b2", "out/out-v2/hq")]);
    story.when(stand_down("out", "c")).then_among(["ResponderRecalled c3", "AreaStoodDown out-v1"]);
    story.when(check_out("b2", "out/out-v2/hq")).then_among(["DutyReleased c3 StandDown", "AreaStoodDown out-v2"]);
    story.when(command!(CloseIncident { incident_id: "out" })).then(["IncidentClosed out"]);
}

#[test]
fn one_area_of_several_stands_down_alone() {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "c", Iv)]);
    story.when(stand_down("out", "v2")).then_among(["DutyReleased c3 StandDown", "AreaStoodDown out-v2"]);
    // Converting the city again brings back what was stood down, under new ids.
    story.when(convert("out", "c", Iv)).then([
        "AreaConverted out-v2@1 0 -> IV",
        "SiteOpened out/out-v2~2/hq [desk]",
        "ResponderCalled c4 b2 out/out-v2~2/hq#desk PlanPrimary",
    ]);
}

#[test]
fn a_third_round_has_ids_of_its_own() {
    let mut story = converted(Iv);
    for round in ["~2", "~3"] {
        story.and([stand_down("out", "v1")]);
        let opened = format!("SiteOpened out/out-v1{round}/hq [desk]");
        let formed = format!("UnitEstablished out/out-v1{round}/br");
        story.when(convert("out", "v1", Iv)).then_among(["ResponseChanged v1 0 -> IV", &opened, &formed]);
    }
}

#[test]
fn whoever_works_at_a_site_or_in_a_unit_of_the_plan_comes_off_with_it() {
    let mut story = converted(Iii);
    // a5, who stood by, at a seat added by hand, b3 for a whistle as a member of the plan's branch.
    let seat = |id: &str| muster_proto::v1::Seat { seat_id: id.to_owned(), ..Default::default() };
    story.and([
        command!(SetRequirement { site_id: "out/out-v1/hq", seats: vec![seat("desk"), seat("guard"), seat("hand")] }),
        command!(BlowWhistle {
            whistle_id: "w",
            incident_id: "out",
            area_id: "v1",
            severity: Severity::Minor,
            needs: vec![town::need("n", NeedKind::Person, "", 1)],
        }),
        command!(DispatchResponder { responder_id: "b3", whistle_id: "w", need_id: "n", unit_id: "out/out-v1/br" }),
        town::come("b3", "w"),
    ]);
    story.when(stand_down("out", "v1")).then_among(["DutyReleased c5 StandDown", "ResponderRecalled c6"]);
    // The branch is not dissolved over the head of somebody on post.
    story.when(town::go("b3", "w")).then_among(["DutyReleased c6 StandDown", "UnitDissolved out/out-v1/br", "AreaStoodDown out-v1"]);
}

#[test]
fn what_was_made_by_hand_stays() {
    let mut story = converted(Iv);
    story.and([
        town::site("s", "out", "v1", &["x"]),
        dispatch("b1", "s", "x"),
        town::unit("u", "out", UnitKind::ServiceTeam, "v1"),
        command!(ReportToCommunity { responder_id: "a1", area_id: "v3" }),
        town::away("a2"),
        stand_down("out", "v1"),
    ]);
    let state = &story.state;
    assert!(!state.ops.sites.get(state.ops.sites.find("s").unwrap()).closed);
    assert!(!state.ops.units.get(state.ops.units.find("u").unwrap()).dissolved);
    assert_eq!(state.ops.calls.iter().filter(|(_, call)| call.phase.open()).count(), 1);
    assert_eq!(state.base.responders.get(state.base.responders.find("a1").unwrap()).area, state.base.areas.find("v3"));
}

#[test]
fn stood_down_everywhere_the_base_is_that_of_a_city_without_incidents() {
    let mut quiet = Story::given(town::town());
    let mut story = Story::given(town::town());
    story.and([
        town::outbreak(),
        convert("out", "c", Iii),
        declare("typ", IncidentType::Typhoon, "c", Severity::Severe, ""),
        convert("typ", "c", Iii),
    ]);
    // Deliberate changes of peacetime facts, made in the middle of it, stay.
    for change in [command!(ReportToCommunity { responder_id: "d1", area_id: "v4" }), town::away("a5")] {
        story.and([change.clone()]);
        quiet.and([change]);
    }
    story.and([
        stand_down("out", "c"),
        stand_down("typ", "c"),
        command!(CloseIncident { incident_id: "out" }),
        command!(CloseIncident { incident_id: "typ" }),
    ]);
    assert!(story.state.base_digest() == quiet.state.base_digest());
}

#[test]
fn organizations_called_to_a_site_are_let_go_with_it() {
    let mut story = converted(Iv);
    story.and([command!(CallOrganization { organization_id: "power", site_id: "out/out-v1/hq", quantity: 2u32 })]);
    story.and([command!(NominatePeople { call_id: "o1", responder_ids: ["e1".to_owned()] })]);
    story.when(stand_down("out", "v1")).then_among(["DutyReleased c3 StandDown", "SiteClosed out/out-v1/hq", "OrganizationCallEnded o1"]);
    story.after_minutes(60).then_nothing();
    story.when(command!(NominatePeople { call_id: "o1", responder_ids: ["e1".to_owned()] })).then_rejected("call_over");
}
