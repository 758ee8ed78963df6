//! Exercises: everything as in real life, and nothing of it in real life.

use muster_proto::v1::{IncidentType, ResponseLevel, Severity};

use super::Story;
use super::town::{self, check_in, convert, declare};

#[test]
fn an_exercise_never_blocks_the_actual_and_is_not_blocked_by_it() {
    let mut story = Story::given(town::town());
    story.and([
        declare("drill", IncidentType::Outbreak, "c", Severity::Extreme, "drill-2026"),
        convert("drill", "v1", ResponseLevel::Iv),
        town::outbreak(),
    ]);
    let emitted = story.when(convert("out", "v1", ResponseLevel::Iv)).then_among([
        "ResponderCalled c3 a1 out/out-v1/hq#desk PlanPrimary",
        "ResponderCalled c4 a2 - PlanPrimary",
        "ResponderPutOnStandby a5",
    ]);
    assert!(emitted.iter().all(|record| story.state.realm_name(record.realm) == "actual"));
    // Present here and there at once is no dispute: one of them is played.
    story.when(check_in("a1", "out/out-v1/hq")).then(["CheckedIn a1 out/out-v1/hq c3"]);
    let drilled = story.when(check_in("a1", "drill/out-v1/hq")).then(["CheckedIn a1 drill/out-v1/hq c1"]);
    assert_eq!(story.state.realm_name(drilled[0].realm), "drill-2026");
    // An exercise takes nobody, however severe it plays.
    story.and([declare("play", IncidentType::Typhoon, "c", Severity::Extreme, "other")]);
    story.when(convert("play", "t1", ResponseLevel::Iv)).then_among(["ResponderCalled c5 a1 play/typ-t1/dyke#d1 PlanPrimary"]);
}

#[test]
fn incidents_of_one_exercise_share_its_people() {
    let mut story = Story::given(town::town());
    story.and([
        declare("one", IncidentType::Outbreak, "c", Severity::Moderate, "drill"),
        declare("two", IncidentType::Typhoon, "c", Severity::Severe, "drill"),
        convert("one", "v1", ResponseLevel::Iv),
    ]);
    story
        .when(convert("two", "t1", ResponseLevel::Iv))
        .then_among(["DutyReleased c1 Outranked", "ResponderCalled c3 a1 two/typ-t1/dyke#d1 PlanPrimary"]);
    story.when(command!(SettlePresence { responder_id: "a1", realm: "none" })).then_rejected("unknown_realm");
}

#[test]
fn whistles_of_different_realms_are_not_merged() {
    let mut story = Story::given(town::town());
    story.and([declare("drill", IncidentType::Outbreak, "c", Severity::Minor, "drill"), town::whistle_for(1)]);
    story.and([command!(BlowWhistle {
        whistle_id: "played",
        incident_id: "drill",
        area_id: "v1",
        severity: Severity::Minor,
        needs: vec![town::need("n", muster_proto::v1::NeedKind::Person, "", 1)],
    })]);
    story.when(command!(MergeWhistles { whistle_id: "played", into_whistle_id: "w" })).then_rejected("merge_across_realms");
}
