//! Who answers for an area 包干, beside any duty.

use muster_proto::Command;
use muster_proto::v1::ResponsibilityKind::{self, BuildingHead, FloodControl, VillageLeader};

use super::town;
use super::{MINUTE_MS, Story};

fn assign(who: &str, area_id: &str, kind: ResponsibilityKind, from_ms: i64, until_ms: i64) -> Command {
    command!(AssignResponsibility { responder_id: who, area_id: area_id, kind: kind, from_ms: from_ms, until_ms: until_ms })
}

fn end(who: &str, area_id: &str, kind: ResponsibilityKind) -> Command {
    command!(EndResponsibility { responder_id: who, area_id: area_id, kind: kind })
}

#[test]
fn people_answer_for_areas_in_several_ways_and_periods() {
    let mut story = Story::given(town::people());
    let now_ms = story.now_ms;
    story.when(assign("nobody", "v1", FloodControl, 0, 0)).then_rejected("unknown_responder");
    story.when(assign("a1", "nowhere", FloodControl, 0, 0)).then_rejected("unknown_area");
    story.when(assign("a1", "v1", ResponsibilityKind::Unspecified, 0, 0)).then_rejected("field_missing");
    story.when(command!(AssignResponsibility { responder_id: "a1", area_id: "v1", kind: 99 })).then_rejected("field_invalid");
    story.when(assign("a1", "v1", FloodControl, 0, now_ms)).then_rejected("period_invalid");
    story.when(assign("a1", "v1", FloodControl, 0, 0)).then(["ResponsibilityAssigned a1 v1 FloodControl"]);
    story.when(assign("a1", "v1", FloodControl, 0, 0)).then_nothing();
    // One person answers for several areas, an area has several people, and one may answer in two ways.
    story.and([assign("a1", "v2", FloodControl, 0, 0), assign("b1", "v1", FloodControl, 0, 0), assign("a1", "v1", BuildingHead, 0, 0)]);
    story.and([assign("d1", "v1", VillageLeader, now_ms + 60 * MINUTE_MS, now_ms + 120 * MINUTE_MS)]);
    let at = |story: &Story, minutes: i64| {
        let found = story.state.responsible_for("v1", now_ms + minutes * MINUTE_MS);
        found.into_iter().map(|(kind, who)| format!("{who} {kind:?}")).collect::<Vec<_>>()
    };
    assert_eq!(at(&story, 0), ["a1 FloodControl", "b1 FloodControl", "a1 BuildingHead"]);
    assert_eq!(at(&story, 60), ["a1 FloodControl", "b1 FloodControl", "d1 VillageLeader", "a1 BuildingHead"]);
    assert_eq!(at(&story, 120), ["a1 FloodControl", "b1 FloodControl", "a1 BuildingHead"]);
    assert!(story.state.responsible_for("nowhere", now_ms).is_empty());
    // Another period for the same replaces it.
    story.when(assign("b1", "v1", FloodControl, 0, now_ms + MINUTE_MS)).then(["ResponsibilityAssigned b1 v1 FloodControl"]);
    assert_eq!(at(&story, 1), ["a1 FloodControl", "a1 BuildingHead"]);
    story.when(end("a1", "v1", FloodControl)).then(["ResponsibilityEnded a1 v1 FloodControl"]);
    story.when(end("a1", "v1", FloodControl)).then_rejected("not_responsible");
    assert_eq!(at(&story, 1), ["a1 BuildingHead"]);
}

#[test]
fn a_responsibility_is_no_duty_and_ends_with_the_person() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x"]), assign("a1", "g1", BuildingHead, 0, 0)]);
    story.when(town::dispatch("a1", "s", "x")).then(["ResponderCalled c1 a1 s#x Dispatched"]);
    story.when(assign("a1", "v1", BuildingHead, 0, 0)).then(["ResponsibilityAssigned a1 v1 BuildingHead"]);
    story.when(command!(RetireArea { area_id: "g1" })).then_rejected("area_in_use");
    story.and([command!(WithdrawResponder { responder_id: "a1" })]);
    assert!(story.state.responsible_for("g1", story.now_ms).is_empty());
    story.when(assign("a1", "v1", BuildingHead, 0, 0)).then_rejected("responder_withdrawn");
    story.when(command!(RetireArea { area_id: "g1" })).then(["AreaRetired g1"]);
}
