//! Erasing a person's data: by two people, and never while anything needs it.

use muster_proto::Command;

use super::Story;
use super::town::{self, check_in, check_out};

const DAY: i64 = 24 * 60;

fn erase(who: &str) -> Command {
    command!(ErasePersonalData { responder_id: who, reason: "本人要求" })
}

fn hold(who: &str, held: bool) -> Command {
    command!(SetHold { responder_id: who, held: held, reason: if held { "巡察" } else { "" } })
}

fn withdraw(who: &str) -> Command {
    command!(WithdrawResponder { responder_id: who, reason: "迁出" })
}

#[test]
fn it_takes_two_people() {
    let mut story = Story::given(town::people());
    story.when(erase("nobody")).then_rejected("unknown_responder");
    story.when(command!(ErasePersonalData { responder_id: "a1" })).then_rejected("field_missing");
    story.when(erase("a1")).then_rejected("responder_not_withdrawn");
    story.and([withdraw("a1")]);
    story.said_by("").when(erase("a1")).then_rejected("actor_required");
    story.said_by("one").when(erase("a1")).then(["ErasureRequested a1 by one"]);
    story.when(erase("a1")).then_rejected("second_person_needed");
    story.said_by("another").when(erase("a1")).then(["PersonalDataErased a1 by one and another"]);
    // Both have what they asked for.
    story.when(erase("a1")).then_nothing();
    story.said_by("one").when(erase("a1")).then_nothing();
    story.when(town::enroll("a1", "v1", "", &[])).then_rejected("already_exists");
    story.when(hold("a1", true)).then_rejected("personal_data_erased");
}

#[test]
fn a_hold_keeps_it_also_between_the_two() {
    let mut story = Story::given(town::people());
    story.and([withdraw("a1")]);
    story.when(command!(SetHold { responder_id: "a1", held: true })).then_rejected("field_missing");
    story.when(hold("a1", false)).then_nothing();
    story.when(hold("a1", true)).then(["HoldSet a1 held"]);
    story.when(hold("a1", true)).then_nothing();
    story.said_by("one").when(erase("a1")).then_rejected("under_hold");
    story.and([hold("a1", false), erase("a1"), hold("a1", true)]);
    story.said_by("another").when(erase("a1")).then_rejected("under_hold");
    story.when(hold("a1", false)).then(["HoldSet a1 free"]);
    story.when(erase("a1")).then(["PersonalDataErased a1 by one and another"]);
}

#[test]
fn whoever_served_is_kept_until_nobody_can_claim_anything_any_more() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x"]), town::dispatch("a1", "s", "x"), check_in("a1", "s")]);
    story.and([withdraw("a1")]);
    // Released by the withdrawal, and still seen at the site.
    story.when(erase("a1")).then_rejected("presence_open");
    story.after_minutes(60).events();
    story.and([check_out("a1", "s")]);
    story.when(erase("a1")).then_rejected("retention_running");
    story.after_minutes(3 * 365 * DAY - 1).events();
    let refusal = story.run(&erase("a1")).unwrap_err();
    assert!(refusal.zh().contains("2026-11-13") && refusal.en().contains("2026-11-13"), "{refusal:?}");
    story.after_minutes(1).events();
    story.said_by("one").and([erase("a1")]);
    story.said_by("another").when(erase("a1")).then(["PersonalDataErased a1 by one and another"]);
}

#[test]
fn who_is_told_to_come_off_is_still_on_duty() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x"]), town::dispatch("a1", "s", "x"), check_in("a1", "s")]);
    story.and([command!(RecallResponder { call_id: "c1" }), withdraw("a1")]);
    story.when(erase("a1")).then_rejected("responder_on_duty");
}

/// Nobody who only took part in an exercise is kept for it.
#[test]
fn an_exercise_keeps_nobody() {
    let mut story = Story::given(town::people());
    let exercise = town::declare("drill", muster_proto::v1::IncidentType::Outbreak, "c", muster_proto::v1::Severity::Minor, "drill-1");
    story.and([exercise, town::site("s", "drill", "v1", &["x"]), town::dispatch("a1", "s", "x"), check_in("a1", "s"), withdraw("a1")]);
    story.said_by("one").when(erase("a1")).then(["ErasureRequested a1 by one"]);
    story.said_by("another").when(erase("a1")).then(["PersonalDataErased a1 by one and another"]);
}
