//! 无缝对接: people fall out and come back while an area is converted, and no post is left without a word.

use muster_proto::Command;
use muster_proto::v1::{self, Availability, DutyRole, IncidentType, ResponseLevel};

use super::Story;
use super::town::{self, check_in, check_out, convert, decline, send, stand_down, whistle_for};

fn converted() -> Story {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "v1", ResponseLevel::Iii)]);
    story
}

fn set(responder_id: &str, availability: Availability) -> Command {
    command!(SetAvailability { responder_id: responder_id, availability: availability })
}

fn withdraw(responder_id: &str) -> Command {
    command!(WithdrawResponder { responder_id: responder_id, reason: "迁出" })
}

#[test]
fn the_backup_takes_the_post_of_who_falls_out() {
    let mut story = converted();
    story.when(set("a3", Availability::Sick)).then([
        "AvailabilitySet a3 Sick",
        "DutyReleased c3 Unavailable",
        "ResponderCalled c5 b1 out/out-v1/gate#n1 PlanBackup",
    ]);
    story.when(withdraw("b1")).then([
        "ResponderWithdrawn b1",
        "DutyReleased c5 Withdrawn",
        "ResponderCalled c6 b2 out/out-v1/gate#n1 PlanBackup",
    ]);
    story.when(set("b2", Availability::Leave)).then([
        "AvailabilitySet b2 Leave",
        "DutyReleased c6 Unavailable",
        "GapRecorded out/out-v1/gate#n1 b2 Unavailable",
    ]);
}

#[test]
fn a_secretary_who_falls_out_is_replaced_with_the_appointment() {
    let mut story = converted();
    story.when(set("a1", Availability::Isolated)).then([
        "AvailabilitySet a1 Isolated",
        "DutyReleased c1 Unavailable",
        "ResponderCalled c5 a6 out/out-v1/hq#desk PlanBackup",
        "SecretaryAppointed out/out-v1/br a6",
    ]);
}

#[test]
fn who_is_back_takes_the_own_post_if_it_stands_empty() {
    let mut story = converted();
    story.and([set("a4", Availability::Sick)]);
    story
        .when(set("a4", Availability::Available))
        .then(["AvailabilitySet a4 Available", "ResponderCalled c5 a4 out/out-v1/hq#guard PlanPrimary"]);
    // A backup who took over stays: nobody is moved without need.
    story.and([set("a3", Availability::Sick)]);
    story.when(set("a3", Availability::Available)).then(["AvailabilitySet a3 Available"]);
    // An organizer's post has no seat.
    story.and([decline("c2")]);
    story.when(set("a2", Availability::Available)).then([
        "AvailabilitySet a2 Available",
        "ResponderCalled c7 a2 - PlanPrimary",
        "OrganizerAppointed out/out-v1/br a2",
    ]);
    story.when(set("a2", Availability::Available)).then(["AvailabilitySet a2 Available"]);
}

#[test]
fn nobody_comes_back_to_what_is_being_taken_off() {
    let mut story = converted();
    story.and([set("a4", Availability::Sick), check_in("a3", "out/out-v1/gate"), stand_down("out", "v1")]);
    story.when(set("a4", Availability::Available)).then(["AvailabilitySet a4 Available"]);
    // Who was told to come off is waited for, whatever becomes of them.
    story.when(withdraw("a3")).then(["ResponderWithdrawn a3"]);
    story.when(check_out("a3", "out/out-v1/gate")).then_among(["CheckedOut a3 out/out-v1/gate", "DutyReleased c3 StandDown"]);
}

#[test]
fn who_falls_out_on_post_is_seen_there_until_the_check_out() {
    let mut story = converted();
    story.and([check_in("a3", "out/out-v1/gate")]);
    story.when(set("a3", Availability::Sick)).then([
        "AvailabilitySet a3 Sick",
        "DutyReleased c3 Unavailable",
        "ResponderCalled c5 b1 out/out-v1/gate#n1 PlanBackup",
    ]);
    story.when(check_out("a3", "out/out-v1/gate")).then(["CheckedOut a3 out/out-v1/gate"]);
}

#[test]
fn an_absence_to_come_touches_what_it_overlaps() {
    let mut story = converted();
    let later_ms = story.now_ms + 24 * 3_600_000;
    let leave = |responder_id: &str, from_ms: i64| {
        command!(SetAvailability { responder_id: responder_id, availability: Availability::Leave, from_ms: from_ms })
    };
    story.when(leave("a3", later_ms)).then(["AvailabilitySet a3 Leave"]);
    // A duty that begins within it is given up.
    story.and([town::site("s", "out", "v1", &["x"])]);
    story.and([command!(DispatchResponder { responder_id: "a6", site_id: "s", seat_id: "x", from_ms: later_ms + 1 })]);
    story.when(leave("a6", later_ms)).then(["AvailabilitySet a6 Leave", "DutyReleased c5 Unavailable"]);
}

/// Whether somebody was called for a duty with a leave in the middle of it hung on which of the two was told first.
#[test]
fn a_leave_within_a_duty_to_come_speaks_against_it_in_either_order() {
    let given = || {
        let mut story = Story::given(town::people());
        story.and([town::outbreak(), town::site("s", "out", "v1", &["x", "y"])]);
        story
    };
    let now_ms = given().now_ms;
    let at = |hours: i64| now_ms + hours * 3_600_000;
    let leave = |from_ms: i64| {
        command!(SetAvailability { responder_id: "a1", availability: Availability::Leave, from_ms: from_ms, until_ms: from_ms + 60_000 })
    };
    let duty = |who: &str, until_ms: i64| {
        command!(DispatchResponder { responder_id: who, site_id: "s", seat_id: "x", from_ms: at(1), until_ms: until_ms })
    };
    let group = || {
        let selection = v1::GroupSelection { responder_ids: vec!["a1".to_owned()], ..Default::default() };
        command!(CallGroup { selection: selection, site_id: "s", from_ms: at(1), until_ms: at(5) })
    };
    let relieve = || command!(RelieveResponder { call_id: "c1", by_responder_id: "a1" });
    let mut story = given();
    story.and([leave(at(3))]);
    story.when(duty("a1", at(5))).then_rejected("responder_unavailable");
    story.when(group()).then(["GroupCalled 0 called without 1: a1 responder_unavailable"]);
    story.and([duty("a2", at(5))]);
    story.when(relieve()).then_rejected("responder_unavailable");
    for call in [duty("a1", at(5)), group()] {
        let mut story = given();
        story.and([call]);
        story.when(leave(at(3))).then(["AvailabilitySet a1 Leave", "DutyReleased c1 Unavailable"]);
    }
    let mut story = given();
    story.and([duty("a2", at(5)), relieve()]);
    story.when(leave(at(3))).then(["AvailabilitySet a1 Leave", "DutyReleased c2 Unavailable"]);
    // A duty without an end is held until the leave begins, and one that ends before it is not touched.
    for until_ms in [0, at(3)] {
        let mut story = given();
        story.and([leave(at(3))]);
        story.when(duty("a1", until_ms)).then(["ResponderCalled c1 a1 s#x Dispatched"]);
    }
}

/// An open duty was held into a leave that had been told of before it began: nothing looked at it again.
#[test]
fn an_absence_to_come_ends_open_duties_when_it_begins() {
    let mut story = converted();
    story.and([check_in("a3", "out/out-v1/gate")]);
    let leave = |from_ms: i64, until_ms: i64| {
        command!(SetAvailability { responder_id: "a3", availability: Availability::Leave, from_ms: from_ms, until_ms: until_ms })
    };
    let (from_ms, until_ms) = (story.now_ms + 4 * 3_600_000, story.now_ms + 9 * 3_600_000);
    story.when(leave(from_ms + 1, 0)).then(["AvailabilitySet a3 Leave"]);
    // What is said last counts.
    story.when(leave(from_ms, until_ms)).then(["AvailabilitySet a3 Leave"]);
    let before = super::lines(&story.after_minutes(4 * 60 - 1).events());
    assert!(!before.iter().any(|line| line.starts_with("AvailabilitySet") || line.starts_with("DutyReleased c3")), "{before:#?}");
    let begun = super::lines(&story.after_minutes(1).events());
    assert_eq!(begun[..2], ["AvailabilitySet a3 Leave", "DutyReleased c3 Unavailable"]);
    assert!(begun[2].ends_with("b1 out/out-v1/gate#n1 PlanBackup"), "{begun:#?}");
    // Said twice, and no more.
    let after = super::lines(&story.after_minutes(24 * 60).events());
    assert!(!after.iter().any(|line| line.starts_with("AvailabilitySet")), "{after:#?}");
    let (from_ms, until_ms) = (story.now_ms + 60_000, 0);
    story.and([leave(from_ms, until_ms), set("a3", Availability::Available)]);
    let _ = story.after_minutes(2);
    story.and([leave(story.now_ms + 60_000, 0), withdraw("a3")]);
    let _ = story.after_minutes(2);
}

#[test]
fn standing_by_ends_with_the_availability() {
    let mut story = converted();
    story.when(set("a5", Availability::Travel)).then(["AvailabilitySet a5 Travel", "StandbyEnded a5"]);
}

/// A leave of next month ended today's standing by, and nothing brought it back.
#[test]
fn standing_by_ends_when_the_absence_begins() {
    let mut story = converted();
    let month_ms = 30 * 24 * 3_600_000;
    let leave = |from_ms: i64, until_ms: i64| {
        command!(SetAvailability { responder_id: "a5", availability: Availability::Leave, from_ms: from_ms, until_ms: until_ms })
    };
    let now_ms = story.now_ms;
    story.when(leave(now_ms - 2, now_ms - 1)).then(["AvailabilitySet a5 Leave"]);
    story.when(leave(now_ms + month_ms, 0)).then(["AvailabilitySet a5 Leave"]);
    let _ = story.after_minutes(30 * 24 * 60 - 1);
    story.after_minutes(1).then(["AvailabilitySet a5 Leave", "StandbyEnded a5"]);
    // Whoever withdraws does not stand by, whenever an absence begins.
    let mut story = converted();
    story.and([leave(now_ms + month_ms, 0)]);
    story.when(withdraw("a5")).then_among(["StandbyEnded a5"]);
}

#[test]
fn a_need_asks_the_next() {
    let mut story = Story::given(town::people());
    story.and([whistle_for(1), send("a1", "w", "n")]);
    story.when(set("a1", Availability::Sick)).then_among(["AvailabilitySet a1 Sick", "DutyReleased c1 Unavailable"]);
    assert!(story.state.ops.whistles.iter().all(|(_, whistle)| whistle.needs[0].calls.is_empty()));
}

/// Where an area fills by itself, a plan's post that nobody is named for any more is proposed; a person sends, for a post comes with its unit and card.
#[test]
fn a_post_that_falls_empty_is_proposed_where_an_area_fills_by_itself() {
    let mut story = converted();
    story.and([command!(SwitchAutoFill { area_id: "v1", enabled: true })]);
    story.when(decline("c4")).then([
        "CallDeclined c4",
        "DutyReleased c4 Declined",
        "GapRecorded out/out-v1/hq#guard a4 Declined",
        "DispatchProposed out/out-v1/hq#guard 1: a5,a6",
    ]);
    story.and([town::dispatch("a6", "out/out-v1/hq", "guard")]);
}

/// Of several people whom an organization no longer kept back, the first had the own post back and the others waited for nothing.
#[test]
fn everybody_who_is_free_again_takes_the_own_post() {
    let mut story = Story::given(town::people());
    let seats = [("s1", ResponseLevel::Iv), ("s2", ResponseLevel::Iv), ("s3", ResponseLevel::Iv)];
    let hq = town::plan_site("hq", "v1", ResponseLevel::Iv, &seats);
    story.and([town::draft("p", "v1", IncidentType::Outbreak, vec![hq], vec![])]);
    let post = |seat: &str, who: &str| town::post("p", ResponseLevel::Iv, DutyRole::Member, ["", "hq", seat], who, &[]);
    story.and([post("s1", "e1"), post("s2", "e2"), post("s3", "e3"), town::publish("p"), town::outbreak()]);
    let reserve = |people: &[&str]| {
        let ids: Vec<String> = people.iter().map(|id| (*id).to_owned()).collect();
        command!(ReservePeople { organization_id: "power", responder_ids: ids })
    };
    story.and([reserve(&["e1", "e2"]), convert("out", "v1", ResponseLevel::Iv)]);
    story.when(reserve(&["e3"])).then([
        "PeopleReserved power e3",
        "DutyReleased c1 Reserved",
        "ResponderCalled c2 e1 out/p/hq#s1 PlanPrimary",
        "ResponderCalled c3 e2 out/p/hq#s2 PlanPrimary",
        "GapRecorded out/p/hq#s3 e3 Reserved",
    ]);
}
