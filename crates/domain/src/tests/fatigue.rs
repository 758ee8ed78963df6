//! Hours on post, fatigue and rest: named, demanded, and in the way of the next duty unless somebody answers for it.

use muster_proto::Event;
use muster_proto::v1::{self, ResponseLevel};

use super::town::{self, check_in, check_out, dispatch};
use super::{MINUTE_MS, Story};
use crate::execute::Emitted;

/// The sites `s` and `t`, and `a1` on post at `s` on c1.
fn at_work() -> Story {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x", "y"]), town::site("t", "out", "v1", &["x"])]);
    story.and([dispatch("a1", "s", "x"), check_in("a1", "s")]);
    story
}

/// After so many minutes of work `a1` is off post and without a duty.
fn worked(minutes: i64) -> Story {
    let mut story = at_work();
    let _ = story.after_minutes(minutes);
    story.and([check_out("a1", "s"), command!(RecallResponder { call_id: "c1" })]);
    story
}

#[test]
fn eight_hours_are_amber_and_twelve_red() {
    let mut story = at_work();
    story.after_minutes(479).then_nothing();
    story.after_minutes(1).then(["FatigueRaised a1 Amber 480 min", "ReliefDemanded a1 Fatigue"]);
    story.after_minutes(240).then(["FatigueRaised a1 Red 720 min", "ReliefDemanded a1 Fatigue"]);
    story.after_minutes(600).then_nothing();
}

#[test]
fn a_short_break_is_no_rest_and_a_long_one_begins_a_new_spell() {
    let mut story = at_work();
    story.after_minutes(240).then_nothing();
    story.and([check_out("a1", "s")]);
    story.after_minutes(60).then_nothing();
    story.and([check_in("a1", "s")]);
    story.after_minutes(240).then(["FatigueRaised a1 Amber 480 min", "ReliefDemanded a1 Fatigue"]);
    story.and([check_out("a1", "s")]);
    story.after_minutes(480).then_nothing();
    story.and([check_in("a1", "s")]);
    story.after_minutes(479).then_nothing();
}

#[test]
fn who_is_not_rested_is_called_only_with_a_reason_and_a_name() {
    let mut story = worked(480);
    story.when(dispatch("a1", "t", "x")).then_rejected("rest_required");
    let events = story
        .when(command!(DispatchResponder { responder_id: "a1", site_id: "t", seat_id: "x", rest_override_reason: "无人可替" }))
        .then(["ResponderCalled c2 a1 t#x Dispatched"]);
    let Event::ResponderCalled(body) = &events[0].event else { panic!("a call") };
    let by = body.rest_override.as_ref().unwrap();
    assert_eq!((by.actor.as_str(), by.reason.as_str(), by.rested_at_ms), ("tester", "无人可替", story.now_ms + 480 * MINUTE_MS));
    assert_eq!(by.actor_office.as_ref().unwrap().area_id, "c");
}

#[test]
fn rest_is_half_of_the_work_and_a_night_after_a_full_shift() {
    let mut story = worked(480);
    story.after_minutes(479).then_nothing();
    story.when(dispatch("a1", "t", "x")).then_rejected("rest_required");
    story.after_minutes(1).then_nothing();
    story.when(dispatch("a1", "t", "x")).then(["ResponderCalled c2 a1 t#x Dispatched"]);
    let mut story = worked(240);
    let _ = story.after_minutes(119);
    story.when(dispatch("a1", "t", "x")).then_rejected("rest_required");
    let _ = story.after_minutes(1);
    story.when(dispatch("a1", "t", "x")).then(["ResponderCalled c2 a1 t#x Dispatched"]);
    // An errand needs no rest.
    worked(119).when(dispatch("a1", "t", "x")).then(["ResponderCalled c2 a1 t#x Dispatched"]);
    // A later duty is asked for at its beginning.
    let mut story = worked(480);
    let from_ms = story.now_ms + 480 * MINUTE_MS;
    let later = command!(DispatchResponder { responder_id: "a1", site_id: "t", seat_id: "x", from_ms: from_ms });
    story.when(later).then(["ResponderCalled c2 a1 t#x Dispatched"]);
}

#[test]
fn relief_is_by_somebody_rested() {
    let mut story = worked(480);
    story.and([dispatch("a2", "s", "x")]);
    story.when(command!(RelieveResponder { call_id: "c2", by_responder_id: "a1" })).then_rejected("rest_required");
    story
        .when(command!(RelieveResponder { call_id: "c2", by_responder_id: "a1", rest_override_reason: "无人可替" }))
        .then(["DutyReleased c2 Relieved", "ResponderCalled c3 a1 s#x Relief"]);
}

#[test]
fn a_conversion_passes_over_who_is_not_rested() {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x"]), check_in("a1", "s")]);
    let _ = story.after_minutes(480);
    story.and([check_out("a1", "s")]);
    let events = story.when(town::convert("out", "v1", ResponseLevel::Iv)).events();
    let seated = super::lines(&events);
    assert!(seated.contains(&"ResponderCalled c1 a6 out/out-v1/hq#desk PlanBackup".to_owned()), "{seated:#?}");
}

#[test]
fn late_facts_correct_the_hours_and_no_order() {
    let mut story = worked(480);
    let a1 = story.state.base.responders.find("a1").unwrap();
    let hours = |story: &Story| story.state.hours(story.state.ops.actual(), a1, story.now_ms);
    assert_eq!(hours(&story).total_ms, 480 * MINUTE_MS);
    // The phone was offline: in truth a1 left after four hours, and came back for the last one.
    story.told_late(240);
    story.when(check_out("a1", "s")).then(["PastPresenceRecorded a1 s out"]);
    assert_eq!(hours(&story).total_ms, 240 * MINUTE_MS);
    story.told_late(60);
    story.when(check_in("a1", "s")).then(["PastPresenceRecorded a1 s in"]);
    assert_eq!(hours(&story).total_ms, 300 * MINUTE_MS);
    assert_eq!(hours(&story).spell_ms, 60 * MINUTE_MS);
    story.when(dispatch("a1", "t", "x")).then(["ResponderCalled c2 a1 t#x Dispatched"]);
}

#[test]
fn who_was_not_seen_leaving_worked_until_the_period_ended() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x"])]);
    let until_ms = story.now_ms + 300 * MINUTE_MS;
    story.and([command!(DispatchResponder { responder_id: "a1", site_id: "s", seat_id: "x", until_ms: until_ms }), check_in("a1", "s")]);
    let _ = story.after_minutes(340);
    let a1 = story.state.base.responders.find("a1").unwrap();
    let total_ms = |story: &Story| story.state.hours(story.state.ops.actual(), a1, story.now_ms).total_ms;
    assert_eq!(total_ms(&story), 300 * MINUTE_MS);
    story.told_late(20);
    story.and([check_out("a1", "s")]);
    assert_eq!(total_ms(&story), 320 * MINUTE_MS);
}

#[test]
fn an_exercise_tires_nobody_in_actual() {
    let mut story = Story::given(town::people());
    let drill = town::declare("drill", muster_proto::v1::IncidentType::Outbreak, "c", muster_proto::v1::Severity::Minor, "drill-1");
    story.and([town::outbreak(), drill, town::site("s", "out", "v1", &["x"]), town::site("d", "drill", "v1", &["x"])]);
    story.and([check_in("a1", "d")]);
    story.after_minutes(480).then(["FatigueRaised a1 Amber 480 min", "ReliefDemanded a1 Fatigue"]);
    story.when(dispatch("a1", "d", "x")).then_rejected("rest_required");
    story.when(dispatch("a1", "s", "x")).then(["ResponderCalled c1 a1 s#x Dispatched"]);
}

#[test]
fn a_group_is_called_in_spite_of_the_rest_due_with_a_reason_only() {
    let mut story = worked(480);
    let group = |reason: &str| {
        let selection = v1::GroupSelection { responder_ids: vec!["a1".to_owned()], ..Default::default() };
        command!(CallGroup { selection: selection, site_id: "t", rest_override_reason: reason })
    };
    story.when(group("")).then(["GroupCalled 0 called without 1: a1 rest_required"]);
    story.said_by("").when(group("无人可替")).then_rejected("field_missing");
    let events = story.said_by("tester").when(group("无人可替")).then(["GroupCalled 1 called", "ResponderCalled c2 a1 t#x Dispatched"]);
    let Event::ResponderCalled(body) = &events[1].event else { panic!("a call") };
    assert_eq!(body.rest_override.as_ref().map(|by| (by.actor.as_str(), by.reason.as_str())), Some(("tester", "无人可替")));
}

fn demanded(emitted: &[Emitted]) -> v1::ReliefDemanded {
    let found = emitted.iter().find_map(|emitted| if let Event::ReliefDemanded(body) = &emitted.event { Some(body.clone()) } else { None });
    found.expect("relief is demanded")
}

/// A demand that waited in a channel is asked for here before it is told.
#[test]
fn a_demand_for_relief_stands_while_the_tired_person_stays() {
    let mut story = at_work();
    let amber = demanded(&story.after_minutes(480).events());
    let stands = |story: &Story, demand: &v1::ReliefDemanded| story.state.relief_stands("actual", demand);
    assert!(stands(&story, &amber) && !story.state.relief_stands("drill", &amber));
    let red = demanded(&story.after_minutes(240).events());
    assert!(!stands(&story, &amber) && stands(&story, &red), "the later one says more");
    story.and([check_out("a1", "s")]);
    assert!(!stands(&story, &red));
}
