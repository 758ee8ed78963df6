//! Shifts: laid from a pattern, opened an hour ahead, closed when somebody took over, held until then, swapped by consent, handed over by name.

use muster_proto::Command;
use muster_proto::v1::{self, Crew, NeedKind, Seat, Severity, ShiftLine, ShiftPattern, SiteKind};

use super::town::{self, check_in, check_out, dispatch};
use super::{MINUTE_MS, Story};

const HOUR: i64 = 60;

fn seat(seat_id: &str, shift: &str) -> Seat {
    Seat { seat_id: seat_id.to_owned(), shift: shift.to_owned(), ..Default::default() }
}

fn site(site_id: &str, seats: Vec<Seat>) -> Command {
    command!(OpenSite {
        site_id: site_id, incident_id: "out", kind: SiteKind::Headquarters, name: "指挥部", area_id: "v1", seats: seats
    })
}

fn entry(shift: &str, start_minute: i64, hours: i64, minimum: u32) -> ShiftPattern {
    let number = |minutes: i64| u32::try_from(minutes).unwrap();
    ShiftPattern { shift: shift.to_owned(), start_minute: number(start_minute), minutes: number(hours * HOUR), minimum }
}

fn crew(lines: &[(&str, &str)]) -> Crew {
    let line = |(seat, who): &(&str, &str)| ShiftLine { seat_id: (*seat).to_owned(), responder_id: (*who).to_owned() };
    Crew { lines: lines.iter().map(line).collect() }
}

/// Minutes of the day, UTC.
fn minute(story: &Story) -> i64 {
    story.now_ms.div_euclid(MINUTE_MS).rem_euclid(24 * HOUR)
}

/// A pattern whose first shift begins in two hours, for so many hours ahead.
fn schedule(story: &Story, hours: i64, entries: &[(&str, i64, i64, u32)], crews: Vec<Crew>) -> Command {
    let now = minute(story) + 1;
    let pattern: Vec<_> =
        entries.iter().map(|(shift, after, hours, minimum)| entry(shift, (now + after * HOUR) % (24 * HOUR), *hours, *minimum)).collect();
    command!(ScheduleShifts { site_id: "s", until_ms: story.now_ms + hours * HOUR * MINUTE_MS, pattern: pattern, crews: crews })
}

/// `day` begins in two hours for eight, `night` follows for eight; a1 has the day, a2 the night.
fn two_shifts() -> Story {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), site("s", vec![seat("d", "day"), seat("n", "night"), seat("r", "")])]);
    let crews = vec![crew(&[("d", "a1")]), crew(&[("n", "a2")])];
    let command = schedule(&story, 12, &[("day", 2, 8, 1), ("night", 10, 8, 1)], crews);
    story.when(command).then(["ShiftsScheduled s s~1,s~2", "ShiftRostered s~1 d=a1", "ShiftRostered s~2 n=a2"]);
    story
}

/// a1 on post for the day, a minute before its end; a2 is called.
fn at_the_end() -> Story {
    let mut story = two_shifts();
    story.after_minutes(60).then_nothing();
    story.after_minutes(1).then(["ShiftOpened s~1", "ResponderCalled c1 a1 s#d Shift"]);
    story.and([town::accept("c1")]);
    let _ = story.after_minutes(60);
    story.and([check_in("a1", "s")]);
    let _ = story.after_minutes(6 * HOUR);
    story.after_minutes(60).then(["ShiftOpened s~2", "ResponderCalled c2 a2 s#n Shift"]);
    story.and([town::accept("c2")]);
    story.after_minutes(59).then_nothing();
    story
}

#[test]
fn a_shift_calls_its_people_an_hour_ahead_and_closes_when_relief_is_there() {
    let mut story = at_the_end();
    story.and([check_in("a2", "s")]);
    story.after_minutes(1).then_among(["ShiftClosed s~1 1/1", "ResponderRecalled c1"]);
    story.when(check_out("a1", "s")).then(["CheckedOut a1 s", "DutyReleased c1 Recalled"]);
}

#[test]
fn relief_that_falls_out_on_the_same_seat_is_a_gap_though_the_former_still_sits_there() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), site("s", vec![seat("r", "")])]);
    let crews = vec![crew(&[("r", "a1")]), crew(&[("r", "a2")])];
    let command = schedule(&story, 12, &[("", 2, 8, 1), ("", 10, 8, 1)], crews);
    story.when(command).then(["ShiftsScheduled s s~1,s~2", "ShiftRostered s~1 r=a1", "ShiftRostered s~2 r=a2"]);
    story.after_minutes(61).then(["ShiftOpened s~1", "ResponderCalled c1 a1 s#r Shift"]);
    story.and([town::accept("c1")]);
    let _ = story.after_minutes(60);
    story.and([check_in("a1", "s")]);
    let _ = story.after_minutes(6 * HOUR);
    story.after_minutes(60).then(["ShiftOpened s~2", "ResponderCalled c2 a2 s#r Shift"]);
    story.when(town::decline("c2")).then_among(["DutyReleased c2 Declined", "GapRecorded s#r a2 Declined"]);
}

#[test]
fn without_relief_it_is_held_and_looked_at_again() {
    let mut story = at_the_end();
    story.after_minutes(1).then_among(["ShiftHeld s~1 0/1", "ReliefDemanded s~1 ShiftEnd"]);
    story.after_minutes(15).then(["ShiftHeld s~1 0/1", "ReliefDemanded s~1 ShiftEnd"]);
    // Nobody who was asked to stay is looked for.
    story.after_minutes(40).then(["ShiftHeld s~1 0/1", "ReliefDemanded s~1 ShiftEnd", "ShiftHeld s~1 0/1", "ReliefDemanded s~1 ShiftEnd"]);
    let demand = v1::ReliefDemanded { reason: v1::ReliefReason::ShiftEnd.into(), shift_id: "s~1".into(), ..Default::default() };
    assert!(story.state.relief_stands("actual", &demand));
    story.when(check_in("a2", "s")).then(["CheckedIn a2 s c2", "ShiftClosed s~1 1/1", "ResponderRecalled c1"]);
    assert!(!story.state.relief_stands("actual", &demand));
    story.after_minutes(35).then(["PresenceUnconfirmed a1 s c1"]);
}

#[test]
fn below_its_minimum_it_closes_only_with_a_signed_waiver() {
    let mut story = at_the_end();
    let close = |reason: &str| command!(CloseShift { shift_id: "s~1", waiver_reason: reason });
    story.when(close("")).then_rejected("shift_below_minimum");
    story.when(close("台风登陆")).then_rejected("field_invalid");
    story.on_document("令〔2026〕1号");
    story.when(close("台风登陆")).then(["ShiftClosed s~1 0/1 waived", "ResponderRecalled c1"]);
    story.when(close("")).then_nothing();
}

#[test]
fn the_last_shift_of_a_schedule_ends_without_relief() {
    let mut story = at_the_end();
    story.and([check_in("a2", "s")]);
    let _ = story.after_minutes(1);
    let ended = super::lines(&story.after_minutes(8 * HOUR).events());
    assert!(ended.contains(&"ShiftClosed s~2 0/0".to_owned()), "{ended:#?}");
}

#[test]
fn a_roster_names_known_people_and_keeps_their_rest() {
    let mut story = two_shifts();
    story.and([site("t", vec![seat("d", "day"), seat("n", "night")])]);
    let ask = |story: &Story, after: i64, hours: i64, who: &str| {
        let mut command = schedule(story, 23, &[("day", after, hours, 0)], vec![crew(&[("d", who)])]);
        if let Command::ScheduleShifts(body) = &mut command {
            body.site_id = "t".to_owned();
        }
        command
    };
    let asked = ask(&story, 2, 8, "nobody");
    story.when(asked).then_rejected("unknown_responder");
    let asked = ask(&story, 9, 2, "a1");
    story.when(asked).then_rejected("roster_overlap");
    let asked = ask(&story, 12, 4, "a1");
    story.when(asked).then_rejected("roster_breaks_rest");
    let asked = ask(&story, 12, 13, "a3");
    story.when(asked).then_rejected("field_invalid");
    let asked = ask(&story, 18, 4, "a1");
    story.when(asked).then(["ShiftsScheduled t t~1", "ShiftRostered t~1 d=a1"]);
    let asked = ask(&story, 19, 4, "a4");
    story.when(asked).then_rejected("shifts_overlap");
}

#[test]
fn a_crew_is_called_around_who_cannot_come() {
    let mut story = two_shifts();
    story.and([town::site("t", "out", "v1", &["x"]), dispatch("a1", "t", "x")]);
    // The roster is without the person at once, while there is time to find another.
    story.when(town::away("a2")).then(["AvailabilitySet a2 Leave", "ShiftRostered s~2 ", "GapRecorded s#n a2 Unavailable"]);
    story.after_minutes(61).then_among(["ShiftOpened s~1", "GapRecorded s#d a1 OnOtherDuty out"]);
    let later = super::lines(&story.after_minutes(8 * HOUR).events());
    assert!(later.contains(&"ShiftOpened s~2".to_owned()), "{later:#?}");
    // Who takes the empty seat by hand belongs to the shift.
    story.and([dispatch("a3", "s", "n")]);
    let call = story.state.ops.calls.iter().last().unwrap().1;
    assert_eq!(call.shift, story.state.ops.shifts.find("s~2"));
    assert_eq!(call.until_ms, story.state.ops.shifts.get(call.shift.unwrap()).until_ms);
}

#[test]
fn crews_in_rotation_share_a_seat_one_after_the_other() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), site("s", vec![seat("p", "")])]);
    let crews = vec![crew(&[("p", "a1")]), crew(&[("p", "a2")])];
    let command = schedule(&story, 17, &[("", 2, 8, 1), ("", 10, 8, 1)], crews);
    story.and([command]);
    story.after_minutes(61).then(["ShiftOpened s~1", "ResponderCalled c1 a1 s#p Shift"]);
    story.and([town::accept("c1")]);
    let _ = story.after_minutes(60);
    story.and([check_in("a1", "s")]);
    let opened = super::lines(&story.after_minutes(7 * HOUR).events());
    assert_eq!(opened, ["ShiftOpened s~2", "ResponderCalled c2 a2 s#p Shift"]);
    let holder = |story: &Story| story.state.ops.sites.get(story.state.ops.sites.find("s").unwrap()).seats[0].holder.unwrap().text();
    assert_eq!(holder(&story), "c1");
    story.and([check_in("a2", "s")]);
    story.when(command!(HandOver { from_call_id: "c1", to_call_id: "c2" })).then(["HandedOver c1 -> c2 [] []", "DutyReleased c1 Relieved"]);
    assert_eq!(holder(&story), "c2");
}

/// Whoever took over from a relief that had not begun was on the seat from that moment, beside the one whose shift it still was.
#[test]
fn who_relieves_a_relief_begins_when_the_relief_would_have() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), site("s", vec![seat("p", "")])]);
    let command = schedule(&story, 17, &[("", 2, 8, 1), ("", 10, 8, 1)], vec![crew(&[("p", "a1")]), crew(&[("p", "a2")])]);
    story.and([command]);
    let _ = story.after_minutes(9 * HOUR + 1);
    let late = town::accept("c2");
    story.and([late, command!(RelieveResponder { call_id: "c2", by_responder_id: "a3" })]);
    let calls: Vec<_> = story.state.ops.calls.iter().map(|(_, call)| (call.from_ms, call.until_ms)).collect();
    assert_eq!(calls[2], calls[1]);
}

/// The secretary of a plan's unit handed over to somebody else of it, and the unit stood without one.
#[test]
fn who_takes_over_by_name_takes_over_the_office_in_their_unit() {
    let (hq, branch) = ("out/out-v1/hq", "out/out-v1/br");
    let handed_over = |unit_id: &str| {
        let mut story = Story::given(town::town());
        story.and([town::outbreak(), town::convert("out", "v1", v1::ResponseLevel::Iii), check_in("a1", hq)]);
        story.and([command!(RecallResponder { call_id: "c4" })]);
        story
            .and([command!(DispatchResponder { responder_id: "a6", site_id: hq, seat_id: "guard", unit_id: unit_id }), check_in("a6", hq)]);
        super::lines(&story.when(command!(HandOver { from_call_id: "c1", to_call_id: "c5" })).events())
    };
    let said = ["HandedOver c1 -> c5 [] []", "DutyReleased c1 Relieved", "SecretaryAppointed out/out-v1/br a6"];
    assert_eq!(handed_over(branch), said);
    // A secretary is of the unit, and nobody is taken into one by a handover.
    assert_eq!(handed_over(""), said[..2]);
}

#[test]
fn a_handover_names_every_open_item() {
    let mut story = at_the_end();
    story.and([town::blow("w", "v1", Severity::Moderate, vec![town::need("n", NeedKind::Organization, "", 1)])]);
    story.and([command!(CallOrganization { organization_id: "power", whistle_id: "w", need_id: "n", quantity: 1u32 })]);
    let hand_over = |items: [&[&str]; 2]| {
        let [whistles, calls] = items.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
        command!(HandOver { from_call_id: "c1", to_call_id: "c2", whistle_ids: whistles, organization_call_ids: calls })
    };
    story.when(hand_over([&["w"], &["o1"]])).then_rejected("not_on_post");
    story.and([check_in("a2", "s")]);
    story.when(hand_over([&["w"], &[]])).then_rejected("items_not_handed_over");
    story.when(hand_over([&["x"], &["o1"]])).then_rejected("unknown_whistle");
    story
        .when(hand_over([&["w"], &["o1"]]))
        .then(["HandedOver c1 -> c2 [w,o1] [whistle_acknowledge,organization_deadline]", "DutyReleased c1 Relieved"]);
    let _ = story.after_minutes(1);
    assert!(story.state.ops.shifts.get(story.state.ops.shifts.find("s~1").unwrap()).handed_over);
}

#[test]
fn a_swap_needs_the_other_and_keeps_rest() {
    let mut story = two_shifts();
    let swap = |other_shift: &str, other: &str| {
        command!(SwapShift { shift_id: "s~1", responder_id: "a1", other_shift_id: other_shift, other_responder_id: other })
    };
    story.when(swap("s~2", "a3")).then_rejected("not_rostered");
    // a2 would work day and night on end.
    story.when(swap("", "a2")).then_rejected("roster_breaks_rest");
    story.when(swap("s~2", "a2")).then(["SwapProposed s1 a1@s~1 a2@s~2"]);
    let answer = |who: &str, consent: bool| command!(AnswerSwap { swap_id: "s1", responder_id: who, consent: consent });
    story.when(answer("a3", true)).then_rejected("swap_of_another");
    story.when(answer("a2", true)).then(["ShiftsSwapped s1"]);
    story.when(answer("a2", true)).then_rejected("swap_over");
    story.after_minutes(61).then(["ShiftOpened s~1", "ResponderCalled c1 a2 s#d Shift"]);
    story.when(command!(SwapShift { shift_id: "s~1", responder_id: "a2", other_responder_id: "a3" })).then_rejected("shift_phase");
    let mut story = two_shifts();
    story.and([swap("", "a3")]);
    story.when(command!(AnswerSwap { swap_id: "s1", responder_id: "a3" })).then(["SwapDeclined s1"]);
}

/// By consent nobody leaves an area that has not let them go: an office moves its own people, the two alone those of the site's area.
#[test]
fn a_swap_moves_nobody_of_another_area() {
    let mut story = two_shifts();
    let swap = |other_shift: &str, other: &str| {
        command!(SwapShift { shift_id: "s~1", responder_id: "a1", other_shift_id: other_shift, other_responder_id: other })
    };
    for office in ["v1", ""] {
        story.by(office).when(swap("", "b1")).then_rejected("release_required");
    }
    story.by("v2").when(swap("", "a3")).then_rejected("release_required");
    story.by("").when(swap("", "a3")).then(["SwapProposed s1 a1@s~1 a3@"]);
    story.by("t1").when(swap("", "b1")).then(["SwapProposed s2 a1@s~1 b1@"]);
    // Whoever was let go to a site for one of its shifts may take another there, by consent alone as well.
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), site("s", vec![seat("d", "day"), seat("n", "night")])]);
    let crews = vec![crew(&[("d", "b1")]), crew(&[("n", "a2")])];
    let command = schedule(&story, 12, &[("day", 2, 8, 1), ("night", 10, 8, 1)], crews);
    story.and([command]);
    let exchange = command!(SwapShift { shift_id: "s~2", responder_id: "a2", other_shift_id: "s~1", other_responder_id: "b1" });
    story.by("").when(exchange).then(["SwapProposed s1 a2@s~2 b1@s~1"]);
    story.when(command!(AnswerSwap { swap_id: "s1", responder_id: "b1", consent: true })).then(["ShiftsSwapped s1"]);
}

#[test]
fn a_shift_is_opened_by_hand_before_its_time_or_without_a_schedule() {
    let mut story = two_shifts();
    story.when(command!(OpenShift { site_id: "s", shift_id: "s~1" })).then(["ShiftOpened s~1", "ResponderCalled c1 a1 s#d Shift"]);
    story.when(command!(OpenShift { site_id: "s", shift_id: "s~1" })).then_nothing();
    story.and([site("t", vec![seat("d", "day")])]);
    let until_ms = story.now_ms + 4 * HOUR * MINUTE_MS;
    let lines = crew(&[("d", "a4")]).lines;
    story.when(command!(OpenShift { site_id: "t", shift: "day", until_ms: until_ms, minimum: 1u32, lines: lines })).then([
        "ShiftOpened t~1",
        "ShiftRostered t~1 d=a4",
        "ResponderCalled c2 a4 t#d Shift",
    ]);
}

/// An absence takes off the rosters that it touches; a withdrawal takes off all.
#[test]
fn who_cannot_come_leaves_the_rosters_that_are_to_come() {
    let mut story = two_shifts();
    let until_ms = story.now_ms + HOUR * MINUTE_MS;
    let short = command!(SetAvailability { responder_id: "a1", availability: v1::Availability::Travel, until_ms: until_ms });
    story.when(short).then(["AvailabilitySet a1 Travel"]);
    let gone = command!(WithdrawResponder { responder_id: "a1", reason: "迁出" });
    story.when(gone).then(["ResponderWithdrawn a1", "ShiftRostered s~1 ", "GapRecorded s#d a1 Withdrawn"]);
}

/// A group that is called to a scheduled site belongs to the shift that is open, like whoever is sent there alone.
#[test]
fn a_group_joins_the_open_shift() {
    let mut story = two_shifts();
    story.and([command!(SwitchAutoFill { area_id: "v1", enabled: true })]);
    let _ = story.after_minutes(61);
    // Nobody is named to step in: it says who could.
    story.when(town::away("a1")).then([
        "AvailabilitySet a1 Leave",
        "DutyReleased c1 Unavailable",
        "GapRecorded s#d a1 Unavailable",
        "DispatchProposed s#d 1: a2,a3",
    ]);
    let people = v1::GroupSelection { responder_ids: vec!["a3".to_owned()], ..Default::default() };
    story
        .when(command!(CallGroup { selection: people, site_id: "s" }))
        .then(["GroupCalled 1 called", "ResponderCalled c2 a3 s#d Dispatched"]);
    let shift = story.state.ops.shifts.find("s~1").unwrap();
    let call = story.state.ops.calls.iter().last().unwrap().1;
    assert_eq!((call.shift, call.until_ms), (Some(shift), story.state.ops.shifts.get(shift).until_ms));
}

/// Somebody with a duty of their own after the shift was taken to be on duty: it was asked about for good, and not until the shift's end.
#[test]
fn who_has_a_duty_after_the_open_shift_can_join_it() {
    let people = || v1::GroupSelection { responder_ids: vec!["a2".to_owned()], ..Default::default() };
    let alone = dispatch("a2", "s", "d");
    let group = command!(CallGroup { selection: people(), site_id: "s" });
    for call in [alone, group] {
        let mut story = Story::given(town::people());
        story.and([town::outbreak(), site("s", vec![seat("r", ""), seat("d", "day")]), site("t", vec![seat("n", "")])]);
        let end_ms = story.now_ms + 4 * HOUR * MINUTE_MS;
        story.and([command!(OpenShift { site_id: "s", shift: "day", until_ms: end_ms })]);
        story.and([command!(DispatchResponder { responder_id: "a2", site_id: "t", seat_id: "n", from_ms: end_ms, until_ms: end_ms + 1 })]);
        story.when(call).then_among(["ResponderCalled c2 a2 s#d Dispatched"]);
        let call = story.state.ops.calls.iter().last().unwrap().1;
        assert_eq!(call.until_ms, end_ms);
        // Beside the shift there is no end, and the other duty is in the way.
        story.when(dispatch("a2", "s", "r")).then_rejected("responder_already_on_duty");
    }
}

/// Somebody who was recalled at the end of a shift, was never seen leaving, and checks in for the next: the former duty waited for a check-out that could
/// not come any more.
#[test]
fn who_checks_in_for_the_next_shift_has_left_the_former() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), site("s", vec![seat("p", "")])]);
    let crews = vec![crew(&[("p", "a1")]), crew(&[("p", "a2")]), crew(&[("p", "a1")])];
    let command = schedule(&story, 8, &[("", 2, 2, 0), ("", 4, 2, 0), ("", 6, 2, 0)], crews);
    story.and([command]);
    let _ = story.after_minutes(2 * HOUR + 1);
    story.and([check_in("a1", "s"), command!(CloseShift { shift_id: "s~2" })]);
    let _ = story.after_minutes(4 * HOUR);
    story.when(check_in("a1", "s")).then_among(["CheckedIn a1 s c2", "DutyReleased c1 Recalled"]);
}

/// Two of one shift who swapped with each other left one of them with both seats, and the other with none.
#[test]
fn nobody_swaps_within_a_shift() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), site("s", vec![seat("d", "day"), seat("e", "day")])]);
    let command = schedule(&story, 12, &[("day", 2, 8, 1)], vec![crew(&[("d", "a1"), ("e", "a2")])]);
    story.and([command]);
    let swap = command!(SwapShift { shift_id: "s~1", responder_id: "a1", other_shift_id: "s~1", other_responder_id: "a2" });
    story.when(swap).then_rejected("field_invalid");
    story.after_minutes(61).then(["ShiftOpened s~1", "ResponderCalled c1 a1 s#d Shift", "ResponderCalled c2 a2 s#e Shift"]);
}

fn leave(responder_id: &str, from_ms: i64) -> Command {
    command!(SetAvailability { responder_id: responder_id, availability: v1::Availability::Leave, from_ms: from_ms })
}

/// Whoever was away during a shift was rostered for it without a word, and the hole was seen only at its opening.
#[test]
fn nobody_is_rostered_for_a_shift_that_they_are_away_in() {
    let mut story = two_shifts();
    // From the middle of the night shift on.
    let from_ms = story.now_ms + 14 * HOUR * MINUTE_MS;
    story.and([leave("a3", from_ms), site("t", vec![seat("n", "night")])]);
    let swap = command!(SwapShift { shift_id: "s~2", responder_id: "a2", other_responder_id: "a3" });
    story.when(swap).then_rejected("roster_absent");
    let mut asked = schedule(&story, 12, &[("night", 10, 8, 0)], vec![crew(&[("n", "a3")])]);
    if let Command::ScheduleShifts(body) = &mut asked {
        body.site_id = "t".to_owned();
    }
    story.when(asked).then_rejected("roster_absent");
    let open = |from_ms: i64| {
        let line = ShiftLine { seat_id: "n".to_owned(), responder_id: "a3".to_owned() };
        command!(OpenShift { site_id: "t", shift: "night", from_ms: from_ms, until_ms: from_ms + 60 * MINUTE_MS, lines: [line] })
    };
    story.when(open(from_ms - 30 * MINUTE_MS)).then_rejected("roster_absent");
    story.when(open(from_ms - 60 * MINUTE_MS)).then(["ShiftOpened t~1", "ShiftRostered t~1 n=a3", "ResponderCalled c1 a3 t#n Shift"]);
}

/// An absence that began within a shift left the people of an opened shift where they were.
#[test]
fn an_absence_touches_the_shift_that_it_begins_in() {
    let mut story = two_shifts();
    let _ = story.after_minutes(61);
    let from_ms = story.now_ms + 5 * HOUR * MINUTE_MS;
    story.when(leave("a1", from_ms)).then_among([
        "AvailabilitySet a1 Leave",
        "DutyReleased c1 Unavailable",
        "GapRecorded s#d a1 Unavailable",
    ]);
}

/// Somebody rostered for a seat that names a specialty, who has lost it since, was called to it all the same.
#[test]
fn a_lost_specialty_takes_nobody_to_the_seat_of_a_shift() {
    let mut story = Story::given(town::people());
    let medic = Seat { specialty: "medic".to_owned(), ..seat("d", "day") };
    story.and([town::outbreak(), site("s", vec![medic])]);
    let command = schedule(&story, 12, &[("day", 2, 8, 0)], vec![crew(&[("d", "a5")])]);
    story.and([command, command!(SetSpecialties { responder_id: "a5", specialties: Vec::<String>::new() })]);
    story.after_minutes(61).then(["ShiftOpened s~1", "GapRecorded s#d a5 SpecialtyLost"]);
}
