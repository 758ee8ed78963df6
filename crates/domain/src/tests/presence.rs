//! Presence: observations in any order, late, twice, contradicting each other.

use muster_proto::v1::ResponseLevel;
use muster_proto::{Command, Event};

use super::town::{self, absent, accept, check_in, check_out, come, convert, dispatch, send};
use super::{MINUTE_MS, Story};
use crate::state::CallPhase;

fn on_duty() -> Story {
    let mut story = Story::given(town::people());
    story.and([
        town::outbreak(),
        town::site("s", "out", "v1", &["x", "y"]),
        town::site("t", "out", "v2", &["x"]),
        dispatch("a1", "s", "x"),
    ]);
    story
}

fn settle(site_id: &str) -> Command {
    command!(SettlePresence { responder_id: "a1", site_id: site_id })
}

fn phase(story: &Story, number: usize) -> CallPhase {
    story.state.ops.calls.iter().nth(number - 1).unwrap().1.phase
}

#[test]
fn coming_and_going() {
    let mut story = on_duty();
    story.when(command!(CheckIn { responder_id: "a1" })).then_rejected("place_required");
    story.when(command!(CheckIn { responder_id: "a1", site_id: "s", whistle_id: "w" })).then_rejected("place_required");
    story.when(check_in("nobody", "s")).then_rejected("unknown_responder");
    story.when(check_in("a1", "none")).then_rejected("unknown_site");
    story.when(check_out("a1", "s")).then_rejected("not_on_post");
    story.when(check_in("a1", "s")).then(["CheckedIn a1 s c1"]);
    assert_eq!(phase(&story, 1), CallPhase::OnPost);
    story.when(check_in("a1", "s")).then_nothing();
    story.when(check_out("a1", "t")).then_rejected("not_on_post");
    // A rest: the duty stands.
    story.when(check_out("a1", "s")).then(["CheckedOut a1 s"]);
    assert_eq!(phase(&story, 1), CallPhase::Accepted);
    story.when(check_in("a1", "s")).then(["CheckedIn a1 s c1"]);
    story.after_minutes(60).then_nothing();
}

#[test]
fn a_walk_in_is_allowed_marked_and_on_post_once_called() {
    let mut story = on_duty();
    story.when(check_in("a2", "s")).then(["CheckedIn a2 s walk-in"]);
    story.when(dispatch("a2", "s", "y")).then(["ResponderCalled c2 a2 s#y Dispatched"]);
    assert_eq!(phase(&story, 2), CallPhase::OnPost);
    story.and([accept("c1")]);
    story.after_minutes(60).then_nothing();
    // Called to another place one is not there yet.
    story.and([check_in("a3", "s"), dispatch("a3", "t", "x")]);
    assert_eq!(phase(&story, 3), CallPhase::Summoned);
}

#[test]
fn a_walk_in_whose_duty_begins_later_checks_in_again() {
    let mut story = on_duty();
    let from_ms = story.now_ms + 60 * MINUTE_MS;
    story.and([accept("c1"), check_in("a2", "s")]);
    story.and([command!(DispatchResponder { responder_id: "a2", site_id: "s", seat_id: "y", from_ms: from_ms }), accept("c2")]);
    assert_eq!(phase(&story, 2), CallPhase::Accepted);
    story.after_minutes(60).then_nothing();
    story.when(check_in("a2", "s")).then(["CheckedIn a2 s c2"]);
    assert_eq!(story.state.ops.sites.get(story.state.ops.sites.find("s").unwrap()).present, 1);
}

#[test]
fn of_two_shifts_the_one_of_the_moment_counts() {
    let mut story = on_duty();
    let at = |minutes: i64| story.now_ms + minutes * MINUTE_MS;
    let shift = |seat: &str, from_ms: i64, until_ms: i64| {
        command!(DispatchResponder { responder_id: "a2", site_id: "s", seat_id: seat, from_ms: from_ms, until_ms: until_ms })
    };
    let (first, second) = (shift("y", at(0), at(60)), shift("y", at(120), at(180)));
    story.and([accept("c1"), first, accept("c2"), command!(RecallResponder { call_id: "c2" }), second, accept("c3")]);
    story.after_minutes(130).then_nothing();
    story.when(check_in("a2", "s")).then(["CheckedIn a2 s c3"]);
    // The period over, the check-out ends the duty.
    story.after_minutes(60).then_nothing();
    story.when(check_out("a2", "s")).then(["CheckedOut a2 s", "DutyReleased c3 CheckedOut"]);
}

#[test]
fn what_a_phone_tells_late_is_marked() {
    let mut story = on_duty();
    story.after_minutes(20).then_nothing();
    story.told_late(5).when(check_in("a1", "s")).then(["CheckedIn a1 s c1"]);
    story.told_late(6).when(check_in("a2", "s")).then(["CheckedIn a2 s walk-in late"]);
}

#[test]
fn an_earlier_fact_corrects_the_past_and_nothing_else() {
    let mut story = on_duty();
    story.after_minutes(10).then_nothing();
    story.and([check_in("a1", "s")]);
    story.told_late(4).when(check_in("a1", "t")).then(["PastPresenceRecorded a1 t in"]);
    story.told_late(2).when(check_out("a1", "t")).then(["PastPresenceRecorded a1 t out"]);
    story.told_late(2).when(check_out("a1", "s")).then(["PastPresenceRecorded a1 s out"]);
    assert_eq!(phase(&story, 1), CallPhase::OnPost);
}

#[test]
fn a_place_that_closed_meanwhile_still_takes_late_facts() {
    let mut story = on_duty();
    story.and([command!(RecallResponder { call_id: "c1" }), command!(CloseSite { site_id: "s" })]);
    story.when(check_in("a1", "s")).then_rejected("site_closed");
    story.after_minutes(30).then_nothing();
    story.told_late(45).when(check_in("a1", "s")).then(["PastPresenceRecorded a1 s in"]);
}

#[test]
fn two_places_at_once_are_disputed_until_settled() {
    let mut story = on_duty();
    story.and([check_in("a1", "s")]);
    story.when(check_in("a1", "t")).then(["PresenceDisputed a1 t or s"]);
    assert_eq!(phase(&story, 1), CallPhase::Accepted, "disputed presence counts nowhere");
    story.when(check_in("a1", "s")).then(["PastPresenceRecorded a1 s in"]);
    story.when(check_out("a1", "s")).then_rejected("not_on_post");
    let settled = story.when(settle("s")).then(["PresenceSettled a1 s"]);
    let Event::PresenceSettled(body) = &settled[0].event else { panic!("one record settles") };
    assert_eq!(body.call_id, "c1");
    assert_eq!(phase(&story, 1), CallPhase::OnPost);
    story.when(check_in("a1", "t")).then(["PresenceDisputed a1 t or s"]);
    let settled = story.when(settle("t")).then(["PresenceSettled a1 t"]);
    assert_eq!(settled[0].other_area_ids, ["v1"], "the place left is told");
    story.when(settle("")).then(["PresenceSettled a1 -"]);
    story.when(settle("")).then_rejected("nothing_to_settle");
    story.when(command!(SettlePresence { responder_id: "a2" })).then_rejected("nothing_to_settle");
}

#[test]
fn settling_fills_a_whistle() {
    let mut story = on_duty();
    story.and([town::whistle_for(1), send("a2", "w", "n"), check_in("a2", "s")]);
    story.when(come("a2", "w")).then(["PresenceDisputed a2 w or s"]);
    story.when(command!(SettlePresence { responder_id: "a2", whistle_id: "w" })).then(["PresenceSettled a2 w", "WhistleFilled w"]);
}

#[test]
fn a_no_show_who_was_there_is_corrected_and_the_later_order_stands() {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "v1", ResponseLevel::Iii), accept("c1"), accept("c2"), accept("c3"), accept("c4")]);
    story.after_minutes(20).then_nothing();
    story.when(absent("c3")).then(["NoShowDeclared c3", "DutyReleased c3 NoShow", "ResponderCalled c5 b1 out/out-v1/gate#n1 PlanBackup"]);
    // The phone was offline; a3 had been there for ten minutes.
    story.told_late(10).when(check_in("a3", "out/out-v1/gate")).then(["CheckedIn a3 out/out-v1/gate walk-in late", "NoShowCorrected c3"]);
    story.told_late(9).when(check_in("a3", "out/out-v1/gate")).then(["PastPresenceRecorded a3 out/out-v1/gate in"]);
    assert_eq!(phase(&story, 5), CallPhase::Summoned);
    // Coming after the declaration corrects nothing.
    story.and([absent("c4")]);
    story.after_minutes(5).then_nothing();
    story.when(check_in("a4", "out/out-v1/hq")).then(["CheckedIn a4 out/out-v1/hq walk-in"]);
}

#[test]
fn a_clock_ahead_does_not_lock_a_person_in() {
    let mut story = on_duty();
    story.told_late(-3).when(check_in("a1", "s")).then(["CheckedIn a1 s c1"]);
    story.when(check_out("a1", "s")).then(["CheckedOut a1 s"]);
}

#[test]
fn presence_of_one_person_in_an_exercise_says_nothing_of_real_life() {
    let mut story = on_duty();
    story.and([town::declare("drill", muster_proto::v1::IncidentType::Fire, "c", muster_proto::v1::Severity::Minor, "drill")]);
    story.and([town::site("played", "drill", "v1", &["x"]), check_in("a1", "s")]);
    story.when(check_in("a1", "played")).then(["CheckedIn a1 played walk-in"]);
    story.when(command!(SettlePresence { responder_id: "a1", site_id: "played" })).then_rejected("other_incident");
    story.when(command!(SettlePresence { responder_id: "a1", realm: "drill" })).then(["PresenceSettled a1 -"]);
    assert_eq!(phase(&story, 1), CallPhase::OnPost);
}

/// In, seen there again, and then an offline phone tells of a check-out in between: who was seen last stays on post.
#[test]
fn a_late_check_out_takes_nobody_off_post_who_was_seen_afterwards() {
    let mut story = on_duty();
    story.and([check_in("a1", "s")]);
    story.after_minutes(20).then_nothing();
    story.when(check_in("a1", "s")).then(["PastPresenceRecorded a1 s in"]);
    story.told_late(10).when(check_out("a1", "s")).then(["PastPresenceRecorded a1 s out"]);
    story.when(check_in("a1", "s")).then_nothing();
}
