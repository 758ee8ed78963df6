//! Conversion: what a plan brings to life, tier by tier, and what it cannot.

use muster_proto::v1::{CallReason, DutyRole, IncidentType, Origin, ResponseLevel, Severity, UnitKind};
use muster_proto::{Event, v1};

use super::Story;
use super::town::{self, away, change, convert, declare, stand_down};
use ResponseLevel::{I, Ii, Iii, Iv};

fn declared() -> Story {
    let mut story = Story::given(town::town());
    story.and([town::outbreak()]);
    story
}

#[test]
fn a_conversion_opens_forms_seats_and_puts_on_standby() {
    let mut story = declared();
    let emitted = story.by("v1").when(convert("out", "v1", Iv)).then([
        "ResponseChanged v1 0 -> IV",
        "AreaConverted out-v1@1 0 -> IV",
        "SiteOpened out/out-v1/hq [desk]",
        "UnitEstablished out/out-v1/br",
        "ResponderCalled c1 a1 out/out-v1/hq#desk PlanPrimary",
        "SecretaryAppointed out/out-v1/br a1",
        "ResponderCalled c2 a2 - PlanPrimary",
        "OrganizerAppointed out/out-v1/br a2",
        "ResponderPutOnStandby a5",
    ]);
    let origins: Vec<_> = emitted.iter().map(|record| (record.origin, record.cause)).collect();
    assert_eq!(origins[..2], [(Origin::External, None); 2]);
    assert!(origins[2..].iter().all(|origin| *origin == (Origin::Policy, Some(1))), "the conversion is the cause of all the rest");
    let Event::ResponderCalled(call) = &emitted[4].event else { panic!("the fifth record calls a1") };
    let expected = v1::ResponderCalled {
        call_id: "c1".to_owned(),
        responder_id: "a1".to_owned(),
        incident_id: "out".to_owned(),
        role: DutyRole::Secretary.into(),
        unit_id: "out/out-v1/br".to_owned(),
        site_id: "out/out-v1/hq".to_owned(),
        seat_id: "desk".to_owned(),
        area_id: "v1".to_owned(),
        tier: Iv.into(),
        reason: CallReason::PlanPrimary.into(),
        from_ms: story.now_ms,
        reply_due_ms: story.now_ms + crate::limits::REPLY_LIMIT_MS,
        plan_id: "out-v1".to_owned(),
        plan_version: 1,
        card: Some(muster_proto::v1::PostCard {
            r#where: "v1 hq".to_owned(),
            report_to: "v1".to_owned(),
            until: "直至解除 until released".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(*call, expected);
}

#[test]
fn converting_twice_changes_nothing_and_raising_calls_only_the_difference() {
    let mut story = declared();
    story.and([convert("out", "v1", Iv)]);
    story.when(convert("out", "v1", Iv)).then_nothing();
    let difference = [
        "AreaConverted out-v1@1 IV -> II",
        "RequirementSet out/out-v1/hq [desk,guard]",
        "SiteOpened out/out-v1/gate [n1,n2]",
        "UnitEstablished out/out-v1/team below out/out-v1/br",
        "ResponderCalled c3 a3 out/out-v1/gate#n1 PlanPrimary",
        "ResponderCalled c4 a4 out/out-v1/hq#guard PlanPrimary",
        "GapRecorded out/out-v1/gate#n2 nobody NoDesignation",
    ];
    story.when(change("out", "v1", Ii)).then_among(difference);
    story.when(change("out", "v1", Ii)).then_nothing();
    // Converting to less than what is held lowers nothing.
    story.when(convert("out", "v1", Iii)).then_nothing();
    story.when(convert("out", "v1", Ii)).then_nothing();
}

#[test]
fn a_city_converts_with_all_plans_below_it() {
    let mut story = declared();
    story.when(convert("out", "c", Iv)).then_among([
        "ResponseChanged c 0 -> IV",
        "AreaConverted out-v1@1 0 -> IV",
        "AreaConverted out-v2@1 0 -> IV",
    ]);
    story.when(convert("out", "c", Iv)).then_nothing();
    story.when(convert("out", "t1", Iv)).then_nothing();
    // A plan that comes later is converted by the same command.
    story.and([
        town::draft("out-v3", "v3", IncidentType::Outbreak, vec![town::plan_site("hq", "v3", Iv, &[("desk", Iv)])], Vec::new()),
        town::post("out-v3", Iv, DutyRole::Member, ["", "hq", "desk"], "d1", &[]),
        town::publish("out-v3"),
    ]);
    story.when(convert("out", "c", Iv)).then([
        "AreaConverted out-v3@1 0 -> IV",
        "SiteOpened out/out-v3/hq [desk]",
        "ResponderCalled c4 d1 out/out-v3/hq#desk PlanPrimary",
    ]);
}

#[test]
fn who_cannot_come_is_replaced_by_the_backup_or_is_a_gap() {
    let mut story = declared();
    story.and([away("a1"), away("a3"), away("b1"), away("b2"), command!(WithdrawResponder { responder_id: "a4" })]);
    story.and([command!(TransferResponder { responder_id: "a2", organization_id: "power" })]);
    story.and([command!(ReservePeople { organization_id: "power", responder_ids: ["a2".to_owned()] })]);
    story.when(convert("out", "v1", Iii)).then_among([
        "ResponderCalled c1 a6 out/out-v1/hq#desk PlanBackup",
        "SecretaryAppointed out/out-v1/br a6",
        "GapRecorded out/out-v1/br a2 Reserved",
        "GapRecorded out/out-v1/gate#n1 a3 Unavailable",
        "GapRecorded out/out-v1/hq#guard a4 Withdrawn",
        "ResponderPutOnStandby a5",
    ]);
}

#[test]
fn a_backup_who_is_needed_does_not_stand_by() {
    let mut story = Story::given(town::people());
    story.and([
        town::draft("p", "v1", IncidentType::Outbreak, vec![town::plan_site("hq", "v1", Iv, &[("desk", Iv)])], Vec::new()),
        town::post("p", Iv, DutyRole::Standby, ["", "", ""], "a2", &[]),
        town::post("p", Iv, DutyRole::Member, ["", "hq", "desk"], "a1", &["a2"]),
        town::publish("p"),
        town::outbreak(),
        away("a1"),
    ]);
    story.when(convert("out", "v1", Iv)).then_among(["ResponderCalled c1 a2 out/p/hq#desk PlanBackup"]);
    assert!(story.state.ops.incidents.get(story.state.ops.incidents.find("out").unwrap()).standby.is_empty());
}

#[test]
fn an_absence_that_is_over_or_still_to_come_does_not_count() {
    let mut story = declared();
    let (now_ms, hour_ms) = (story.now_ms, 3_600_000);
    let absent = |id: &str, from_ms: i64, until_ms: i64| {
        command!(SetAvailability { responder_id: id, availability: v1::Availability::Sick, from_ms: from_ms, until_ms: until_ms })
    };
    story.and([absent("a1", now_ms - hour_ms, now_ms), absent("a2", now_ms + hour_ms, 0)]);
    story
        .when(convert("out", "v1", Iv))
        .then_among(["ResponderCalled c1 a1 out/out-v1/hq#desk PlanPrimary", "ResponderCalled c2 a2 - PlanPrimary"]);
}

#[test]
fn of_two_incidents_the_more_severe_has_the_person() {
    let mut story = declared();
    story.and([convert("out", "v1", Iii), declare("typ", IncidentType::Typhoon, "c", Severity::Severe, "")]);
    // a1 is taken from the outbreak, whose backup a6 steps in; b1 and b2 are free for the typhoon.
    story.when(convert("typ", "t1", Iv)).then([
        "ResponseChanged t1 0 -> IV",
        "AreaConverted typ-t1@1 0 -> IV",
        "SiteOpened typ/typ-t1/dyke [d1,d2]",
        "UnitEstablished typ/typ-t1/com",
        "DutyReleased c1 Outranked",
        "ResponderCalled c5 a1 typ/typ-t1/dyke#d1 PlanPrimary",
        "SecretaryAppointed typ/typ-t1/com a1",
        "ResponderCalled c6 b1 typ/typ-t1/dyke#d2 PlanPrimary",
        "ResponderCalled c7 a6 out/out-v1/hq#desk PlanBackup",
        "SecretaryAppointed out/out-v1/br a6",
    ]);
    // a3 has b1 and b2 behind, b1 is gone: b2 comes.
    story.when(change("typ", "t1", Ii)).then_among([
        "DutyReleased c3 Outranked",
        "ResponderCalled c8 a3 typ/typ-t1/dyke#d3 PlanPrimary",
        "ResponderCalled c9 b2 out/out-v1/gate#n1 PlanBackup",
    ]);
}

#[test]
fn where_nobody_is_left_the_lesser_incident_says_who_took_the_person() {
    let mut story = declared();
    story.and([convert("out", "v1", Iv), away("a6"), declare("typ", IncidentType::Typhoon, "c", Severity::Severe, "")]);
    story.when(convert("typ", "t1", Iv)).then_among(["GapRecorded out/out-v1/hq#desk a1 TakenByIncident typ"]);
}

#[test]
fn between_equals_the_first_keeps() {
    let mut story = declared();
    story.and([convert("out", "v1", Iv), declare("typ", IncidentType::Typhoon, "c", Severity::Moderate, ""), away("b3")]);
    story
        .when(convert("typ", "t1", Iv))
        .then_among(["GapRecorded typ/typ-t1/dyke#d1 a1 OnOtherDuty out", "ResponderCalled c3 b1 typ/typ-t1/dyke#d2 PlanPrimary"]);
    // The grade decides between equal severities.
    story.and([declare("storm", IncidentType::Typhoon, "c", Severity::Moderate, "")]);
    story.and([command!(ChangeGrade { incident_id: "storm", grade: v1::IncidentGrade::Major })]);
    story
        .when(convert("storm", "t1", Iv))
        .then_among(["DutyReleased c1 Outranked", "ResponderCalled c4 a1 storm/typ-t1/dyke#d1 PlanPrimary"]);
}

/// A person may hold several duties one after the other; whoever takes the person takes all that would overlap.
#[test]
fn every_overlapping_duty_is_taken() {
    let mut story = declared();
    let hour_ms = 3_600_000;
    story.and([town::site("s", "out", "v1", &["x", "y"])]);
    for (seat, from_hours) in [("x", 1), ("y", 5)] {
        let from_ms = story.now_ms + from_hours * hour_ms;
        story.and([command!(DispatchResponder {
            responder_id: "a1",
            site_id: "s",
            seat_id: seat,
            from_ms: from_ms,
            until_ms: from_ms + hour_ms,
        })]);
    }
    story.and([declare("typ", IncidentType::Typhoon, "c", Severity::Severe, "")]);
    story.when(convert("typ", "t1", Iv)).then_among([
        "DutyReleased c1 Outranked",
        "DutyReleased c2 Outranked",
        "ResponderCalled c3 a1 typ/typ-t1/dyke#d1 PlanPrimary",
    ]);
}

#[test]
fn lowering_releases_what_the_higher_tiers_added() {
    let mut story = declared();
    story.and([convert("out", "v1", Ii), town::check_in("a3", "out/out-v1/gate")]);
    // a3 is on post and has to come off first; a4 had not come yet.
    story.when(change("out", "v1", Iv)).then([
        "ResponseChanged v1 II -> IV",
        "AreaConverted out-v1@1 II -> IV",
        "ResponderRecalled c3",
        "DutyReleased c4 ResponseLowered",
        "RequirementSet out/out-v1/hq [desk]",
        "RequirementSet out/out-v1/gate []",
    ]);
    story.when(town::check_out("a3", "out/out-v1/gate")).then(["CheckedOut a3 out/out-v1/gate", "DutyReleased c3 ResponseLowered"]);
    // Raised again: sites and units are still there.
    story.when(change("out", "v1", Iii)).then([
        "ResponseChanged v1 IV -> III",
        "AreaConverted out-v1@1 IV -> III",
        "RequirementSet out/out-v1/hq [desk,guard]",
        "RequirementSet out/out-v1/gate [n1]",
        "ResponderCalled c5 a3 out/out-v1/gate#n1 PlanPrimary",
        "ResponderCalled c6 a4 out/out-v1/hq#guard PlanPrimary",
    ]);
}

#[test]
fn lowering_ends_the_standby_that_only_a_higher_tier_asked_for() {
    let mut story = Story::given(town::people());
    story.and([
        town::draft("p", "v1", IncidentType::Outbreak, vec![], vec![]),
        town::post("p", Iv, DutyRole::Standby, ["", "", ""], "a1", &[]),
        town::post("p", Iii, DutyRole::Standby, ["", "", ""], "a1", &[]),
        town::post("p", Iii, DutyRole::Standby, ["", "", ""], "a2", &[]),
        town::publish("p"),
        town::outbreak(),
    ]);
    story.when(convert("out", "v1", Iii)).then_among(["ResponderPutOnStandby a1", "ResponderPutOnStandby a2"]);
    story.when(change("out", "v1", Iv)).then(["ResponseChanged v1 III -> IV", "AreaConverted p@1 III -> IV", "StandbyEnded a2"]);
}

#[test]
fn an_area_holds_its_response_for_itself() {
    let mut story = declared();
    story.and([convert("out", "c", Iv), change("out", "v1", Iii)]);
    // The city goes up to II with everybody, and down to IV: v1 stays at its own III.
    story.when(change("out", "c", Ii)).then_among(["AreaConverted out-v1@1 III -> II", "AreaConverted out-v2@1 IV -> II"]);
    story.when(change("out", "c", Iv)).then_among(["AreaConverted out-v1@1 II -> III", "AreaConverted out-v2@1 II -> IV"]);
    story.when(change("out", "v1", Iv)).then_among(["AreaConverted out-v1@1 III -> IV"]);
    story.when(change("out", "c", I)).then_among(["AreaConverted out-v1@1 IV -> I"]);
    story.when(change("out", "v1", Iii)).then_among(["AreaConverted out-v1@1 I -> III"]);
}

#[test]
fn what_was_closed_by_hand_is_not_seated() {
    let mut story = declared();
    story.and([convert("out", "v1", Iii)]);
    for call in ["c1", "c2", "c3", "c4"] {
        story.and([command!(RecallResponder { call_id: call })]);
    }
    story.and([
        change("out", "v1", Iv),
        command!(CloseSite { site_id: "out/out-v1/gate" }),
        command!(DissolveUnit { unit_id: "out/out-v1/team" }),
        command!(DissolveUnit { unit_id: "out/out-v1/br" }),
    ]);
    story.when(change("out", "v1", Ii)).then([
        "ResponseChanged v1 IV -> II",
        "AreaConverted out-v1@1 IV -> II",
        "RequirementSet out/out-v1/hq [desk,guard]",
        "GapRecorded out/out-v1/hq#guard a4 NoDesignation",
    ]);
}

#[test]
fn seats_added_by_hand_stay_when_the_response_changes() {
    let mut story = declared();
    let seat = |id: &str| v1::Seat { seat_id: id.to_owned(), ..Default::default() };
    story.and([convert("out", "v1", Iv), command!(SetRequirement { site_id: "out/out-v1/hq", seats: vec![seat("desk"), seat("hand")] })]);
    story.when(change("out", "v1", Iii)).then_among(["RequirementSet out/out-v1/hq [desk,guard,hand]"]);
    story.when(change("out", "v1", Iv)).then_among(["RequirementSet out/out-v1/hq [desk,hand]"]);
}

#[test]
fn a_seat_of_a_unit_that_was_dissolved_is_asked_for_again_without_the_unit() {
    let mut story = declared();
    let seats = |ids: &[&str]| {
        let seats: Vec<_> = ids.iter().map(|id| v1::Seat { seat_id: (*id).to_owned(), ..Default::default() }).collect();
        command!(SetRequirement { site_id: "out/out-v1/gate", seats: seats })
    };
    story.and([convert("out", "v1", Iii), command!(RecallResponder { call_id: "c3" })]);
    story.and([command!(DissolveUnit { unit_id: "out/out-v1/team" }), seats(&[])]);
    story.when(seats(&["n1"])).then([
        "RequirementSet out/out-v1/gate [n1]",
        "StandbyEnded a5",
        "ResponderCalled c5 a5 out/out-v1/gate#n1 PlanBackup",
    ]);
}

#[test]
fn a_seat_that_was_filled_by_hand_is_not_given_again_when_its_tier_comes() {
    let mut story = declared();
    story.by("v1").and([convert("out", "v1", Iv)]);
    story.and([convert("out", "v1", Iii), change("out", "v1", Iv)]);
    let seats = vec![v1::Seat { seat_id: "n1".to_owned(), ..Default::default() }];
    story.when(command!(SetRequirement { site_id: "out/out-v1/gate", seats: seats })).then([
        "RequirementSet out/out-v1/gate [n1]",
        "StandbyEnded a5",
        "ResponderCalled c5 a5 out/out-v1/gate#n1 PlanBackup",
    ]);
    // a3, whom the plan names for n1, is not called, and n1 is no gap.
    story.when(convert("out", "v1", Iii)).then([
        "ResponseChanged v1 IV -> III",
        "AreaConverted out-v1@1 IV -> III",
        "RequirementSet out/out-v1/hq [desk,guard]",
        "ResponderCalled c6 a4 out/out-v1/hq#guard PlanPrimary",
    ]);
}

#[test]
fn whom_a_person_put_into_another_unit_stays_there() {
    let mut story = declared();
    story.and([town::unit("own", "out", UnitKind::ServiceTeam, "v1"), town::attach("own", "a1")]);
    story.when(convert("out", "v1", Iv)).then_among(["ResponderCalled c1 a6 out/out-v1/hq#desk PlanBackup"]);
}

#[test]
fn a_running_conversion_goes_over_to_the_version_that_is_published() {
    let mut story = declared();
    story.and([convert("out", "v1", Iv), town::draft("out-v1", "v1", IncidentType::Outbreak, vec![], vec![]), town::publish("out-v1")]);
    story.when(change("out", "v1", Iii)).then(["ResponseChanged v1 IV -> III", "AreaConverted out-v1@2 IV -> III"]);
    story.and([stand_down("out", "v1")]);
    story.when(convert("out", "v1", Iv)).then_among(["AreaConverted out-v1@2 0 -> IV"]);
}
