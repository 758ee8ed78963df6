//! The end of a duty's period: let go, checked out, or unconfirmed until somebody settles it.

use muster_proto::Command;

use super::town::{self, accept, check_in, check_out, dispatch};
use super::{MINUTE_MS, Story};

/// `a1` on seat `x` of `s` for an hour; the site `t` beside.
fn on_shift() -> Story {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x", "y"]), town::site("t", "out", "v1", &["x"])]);
    let until_ms = story.now_ms + 60 * MINUTE_MS;
    story.and([command!(DispatchResponder { responder_id: "a1", site_id: "s", seat_id: "x", until_ms: until_ms })]);
    story
}

/// Not seen leaving.
fn unconfirmed() -> Story {
    let mut story = on_shift();
    story.and([check_in("a1", "s")]);
    story.after_minutes(89).then_nothing();
    story.after_minutes(1).then(["PresenceUnconfirmed a1 s c1"]);
    story
}

fn present(story: &Story, site: &str) -> u32 {
    story.state.ops.sites.get(story.state.ops.sites.find(site).unwrap()).present
}

fn settle(site_id: &str) -> Command {
    command!(SettlePresence { responder_id: "a1", site_id: site_id, note: "点名" })
}

#[test]
fn who_was_not_on_post_at_the_end_is_let_go() {
    let mut story = on_shift();
    story.and([accept("c1")]);
    story.after_minutes(90).then(["DutyReleased c1 PeriodOver"]);
    let mut story = on_shift();
    story.and([check_in("a1", "s"), check_out("a1", "s")]);
    story.after_minutes(90).then(["DutyReleased c1 PeriodOver"]);
    story.when(dispatch("a1", "s", "x")).then(["ResponderCalled c2 a1 s#x Dispatched"]);
}

#[test]
fn who_checks_out_in_time_is_not_looked_for() {
    let mut story = on_shift();
    story.and([check_in("a1", "s")]);
    story.after_minutes(70).then_nothing();
    story.when(check_out("a1", "s")).then(["CheckedOut a1 s", "DutyReleased c1 CheckedOut"]);
    story.after_minutes(120).then_nothing();
}

#[test]
fn unconfirmed_is_neither_present_nor_gone() {
    let mut story = unconfirmed();
    assert_eq!(present(&story, "s"), 0);
    story.when(dispatch("a2", "s", "x")).then_rejected("seat_taken");
    story.when(command!(CloseSite { site_id: "s" })).then_rejected("site_in_use");
    story.after_minutes(600).then_nothing();
}

#[test]
fn a_late_check_out_ends_it() {
    let mut story = unconfirmed();
    story.told_late(40);
    story.when(check_out("a1", "s")).then(["CheckedOut a1 s", "DutyReleased c1 CheckedOut"]);
    story.when(check_out("a1", "s")).then_rejected("not_on_post");
}

#[test]
fn who_is_seen_again_is_present_and_who_is_seen_elsewhere_is_there() {
    let mut story = unconfirmed();
    story.when(check_in("a1", "s")).then(["CheckedIn a1 s c1"]);
    assert_eq!(present(&story, "s"), 1);
    story.when(check_out("a1", "s")).then(["CheckedOut a1 s", "DutyReleased c1 CheckedOut"]);
    let mut story = unconfirmed();
    story.when(check_in("a1", "t")).then(["CheckedIn a1 t walk-in", "DutyReleased c1 CheckedOut"]);
    assert_eq!((present(&story, "s"), present(&story, "t")), (0, 1));
}

#[test]
fn the_secretary_or_a_roll_call_settles_it() {
    let mut story = unconfirmed();
    story.when(settle("s")).then(["PresenceSettled a1 s"]);
    assert_eq!(present(&story, "s"), 1);
    let mut story = unconfirmed();
    story.when(settle("")).then(["PresenceSettled a1 -", "DutyReleased c1 CheckedOut"]);
    story.when(settle("")).then_rejected("nothing_to_settle");
}

#[test]
fn relief_settles_it() {
    let mut story = unconfirmed();
    story.when(command!(RelieveResponder { call_id: "c1", by_responder_id: "a2" })).then([
        "DutyReleased c1 Relieved",
        "ResponderCalled c2 a2 s#x Relief",
        "PresenceSettled a1 -",
    ]);
    assert_eq!(present(&story, "s"), 0);
}

#[test]
fn an_old_check_out_told_late_does_not_settle_a_newer_sighting() {
    let mut story = unconfirmed();
    story.when(check_in("a1", "s")).then(["CheckedIn a1 s c1"]);
    story.told_late(30);
    story.when(check_out("a1", "s")).then(["PastPresenceRecorded a1 s out"]);
    assert_eq!(present(&story, "s"), 1);
}
