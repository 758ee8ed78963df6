//! Seats: who has one and keeps it, who is called to one, and what a list of seats is after the plan, a response or a person changed it.

use muster_proto::Command;
use muster_proto::v1::{self, DutyRole, IncidentType, ResponseLevel, Severity, ShiftLine};

use super::town::{self, change, check_in, check_out, convert, decline, dispatch, draft, plan_site, post, publish};
use super::{MINUTE_MS, Story, lines};
use DutyRole::Member;
use ResponseLevel::{Ii, Iii, Iv};

const HOUR_MS: i64 = 60 * MINUTE_MS;
const GATE: &str = "out/out-v1/gate";

fn declared() -> Story {
    let mut story = Story::given(town::town());
    story.and([town::outbreak()]);
    story
}

fn require(site_id: &str, ids: &[&str]) -> Command {
    let seats: Vec<_> = ids.iter().map(|id| v1::Seat { seat_id: (*id).to_owned(), ..Default::default() }).collect();
    command!(SetRequirement { site_id: site_id, seats: seats })
}

fn later(story: &Story, who: &str, [site, seat]: [&str; 2], hours: std::ops::Range<i64>) -> Command {
    let (from_ms, until_ms) = (story.now_ms + hours.start * HOUR_MS, story.now_ms + hours.end * HOUR_MS);
    command!(DispatchResponder { responder_id: who, site_id: site, seat_id: seat, from_ms: from_ms, until_ms: until_ms })
}

fn seats_of(story: &Story, site: &str) -> Vec<String> {
    let site = story.state.ops.sites.get(story.state.ops.sites.find(site).unwrap());
    site.seats.iter().map(|seat| seat.id.to_string()).collect()
}

/// Two people of a shift were taken in one answer from seats that only a former version had. The first release took both seats off the list, and the
/// second looked for its own by a number that was past the end.
#[test]
fn two_releases_of_left_over_seats_in_one_answer() {
    let mut story = Story::given(town::people());
    let dyke = |seats: &[&str]| {
        let seats: Vec<_> = seats.iter().map(|id| (*id, Iv)).collect();
        vec![draft("p", "t1", IncidentType::Typhoon, vec![plan_site("dyke", "t1", Iv, &seats)], vec![])]
    };
    let line = |seat: &str, who: &str| ShiftLine { seat_id: seat.to_owned(), responder_id: who.to_owned() };
    story.and(dyke(&["d1", "d2", "old1", "old2"]));
    story.and([publish("p"), town::declare("typ", IncidentType::Typhoon, "k1", Severity::Minor, ""), convert("typ", "t1", Iv)]);
    let until_ms = story.now_ms + 4 * HOUR_MS;
    let crew = vec![line("old1", "a2"), line("old2", "a3")];
    story.and([command!(OpenShift { site_id: "typ/p/dyke", until_ms: until_ms, lines: crew })]);
    story.and(dyke(&["d1", "d2"]));
    story.and([
        publish("p"),
        draft("q", "v1", IncidentType::Outbreak, vec![plan_site("gate", "v1", Iv, &[("g1", Iv), ("g2", Iv)])], vec![]),
        post("q", Iv, Member, ["", "gate", "g1"], "a2", &[]),
        post("q", Iv, Member, ["", "gate", "g2"], "a3", &[]),
        publish("q"),
        town::outbreak(),
    ]);
    story.when(convert("out", "v1", Iv)).then_among([
        "DutyReleased c1 Outranked",
        "ResponderCalled c3 a2 out/q/gate#g1 PlanPrimary",
        "DutyReleased c2 Outranked",
        "ResponderCalled c4 a3 out/q/gate#g2 PlanPrimary",
        "RequirementSet typ/p/dyke [d1,d2]",
    ]);
}

/// The list became shorter between two releases of one answer, and a seat's successor was called to the seat after it.
#[test]
fn a_successor_takes_the_seat_that_fell_empty() {
    let mut story = Story::given(town::people());
    let gate = |seats: &[&str]| {
        let seats: Vec<_> = seats.iter().map(|id| (*id, Iv)).collect();
        vec![
            draft("p", "v1", IncidentType::Outbreak, vec![plan_site("gate", "v1", Iv, &seats)], vec![]),
            post("p", Iv, Member, ["", "gate", "g1"], "a1", &["a4"]),
            post("p", Iv, Member, ["", "gate", "g2"], "a2", &["a5"]),
        ]
    };
    story.and(gate(&["g1", "g2", "old1"]));
    story.and([publish("p"), town::outbreak(), convert("out", "v1", Iv), dispatch("a3", "out/p/gate", "old1")]);
    story.and(gate(&["g1", "g2"]));
    story.and([publish("p"), require("out/p/gate", &["old1", "g1", "g2"])]);
    story.and([
        draft("q", "v1", IncidentType::Typhoon, vec![plan_site("dyke", "v1", Iv, &[("d1", Iv), ("d2", Iv)])], vec![]),
        post("q", Iv, Member, ["", "dyke", "d1"], "a3", &[]),
        post("q", Iv, Member, ["", "dyke", "d2"], "a1", &[]),
        publish("q"),
        town::declare("typ", IncidentType::Typhoon, "c", Severity::Severe, ""),
    ]);
    story.when(convert("typ", "v1", Iv)).then_among([
        "DutyReleased c3 Outranked",
        "DutyReleased c1 Outranked",
        "RequirementSet out/p/gate [g1,g2]",
        "ResponderCalled c6 a4 out/p/gate#g1 PlanBackup",
    ]);
}

/// `n1` of level III was added by hand at IV and is a5's.
fn filled_by_hand() -> Story {
    let mut story = declared();
    story.by("v1").and([convert("out", "v1", Iv)]);
    story.and([convert("out", "v1", Iii), change("out", "v1", Iv)]);
    story.when(require(GATE, &["n1"])).then_among(["ResponderCalled c5 a5 out/out-v1/gate#n1 PlanBackup"]);
    story
}

#[test]
fn who_has_a_seat_keeps_it_when_the_response_is_lowered() {
    let mut story = filled_by_hand();
    story.and([convert("out", "v1", Iii)]);
    story.when(change("out", "v1", Iv)).then([
        "ResponseChanged v1 III -> IV",
        "AreaConverted out-v1@1 III -> IV",
        "DutyReleased c6 ResponseLowered",
        "RequirementSet out/out-v1/hq [desk]",
    ]);
    story.when(convert("out", "v1", Iii)).then([
        "ResponseChanged v1 IV -> III",
        "AreaConverted out-v1@1 IV -> III",
        "RequirementSet out/out-v1/hq [desk,guard]",
        "ResponderCalled c7 a4 out/out-v1/hq#guard PlanPrimary",
    ]);
}

#[test]
fn a_seat_that_was_kept_for_its_holder_goes_with_the_holder() {
    let mut story = declared();
    story.and([convert("out", "v1", Ii), dispatch("a6", GATE, "n2")]);
    story.when(change("out", "v1", Iv)).then_among(["DutyReleased c3 ResponseLowered", "RequirementSet out/out-v1/gate [n2]"]);
    story.when(command!(RecallResponder { call_id: "c5" })).then(["DutyReleased c5 Recalled", "RequirementSet out/out-v1/gate []"]);
}

/// A raise that did not reach the seat's level took it from its holder, and the next gave it to somebody else.
#[test]
fn a_seat_above_the_response_that_a_person_added_stays_when_it_is_raised() {
    let mut story = declared();
    story.and([convert("out", "v1", Iii), change("out", "v1", Iv), require(GATE, &["n1", "n2"])]);
    let held = "out/out-v1/gate#n1";
    let among = lines(&story.when(convert("out", "v1", Iii)).events());
    assert!(!among.iter().any(|line| line.contains(held)), "{among:#?}");
    assert_eq!(seats_of(&story, GATE), ["n1", "n2"]);
}

#[test]
fn a_version_that_asks_for_a_held_seat_later_leaves_it_to_its_holder() {
    let mut story = Story::given(town::people());
    let plan = |tier: ResponseLevel| {
        [
            draft("p", "v1", IncidentType::Outbreak, vec![plan_site("hq", "v1", Iv, &[("desk", tier)])], vec![]),
            post("p", tier, Member, ["", "hq", "desk"], "a1", &["a2"]),
            publish("p"),
        ]
    };
    story.and(plan(Iv));
    story.and([town::outbreak(), convert("out", "v1", Iv), check_in("a1", "out/p/hq")]);
    story.and(plan(Iii));
    assert_eq!(seats_of(&story, "out/p/hq"), ["desk"]);
    story.when(convert("out", "v1", Iii)).then(["ResponseChanged v1 IV -> III", "AreaConverted p@2 IV -> III"]);
}

/// `desk` is asked for from IV on, and a1 is named for it from III on.
fn named_later() -> Story {
    let mut story = Story::given(town::people());
    story.and([
        draft("p", "v1", IncidentType::Outbreak, vec![plan_site("hq", "v1", Iv, &[("desk", Iv)])], vec![]),
        post("p", Iii, Member, ["", "hq", "desk"], "a1", &[]),
        publish("p"),
        town::outbreak(),
    ]);
    story
}

/// Whoever was told to come off counted as on post, so that the seat was nobody's once they had left, and no record said so.
#[test]
fn a_holder_who_was_told_to_come_off_leaves_a_gap() {
    let mut story = named_later();
    story.and([convert("out", "v1", Iii), check_in("a1", "out/p/hq")]);
    story.when(change("out", "v1", Iv)).then_among(["ResponderRecalled c1"]);
    story.when(convert("out", "v1", Iii)).then([
        "ResponseChanged v1 IV -> III",
        "AreaConverted p@1 IV -> III",
        "GapRecorded out/p/hq#desk a1 SeatTaken",
    ]);
    story.when(check_out("a1", "out/p/hq")).then_among(["DutyReleased c1 Recalled"]);
}

#[test]
fn a_holder_whose_duty_begins_next_week_leaves_a_gap_until_then() {
    let mut story = named_later();
    story.and([convert("out", "v1", Iv)]);
    let next_week = later(&story, "a2", ["out/p/hq", "desk"], 7 * 24..7 * 24 + 8);
    story.and([next_week]);
    story.when(convert("out", "v1", Iii)).then_among(["GapRecorded out/p/hq#desk a1 SeatTaken"]);
}

/// Whoever came before the time was not there by the order, and their seat was told as empty.
#[test]
fn a_holder_who_is_on_post_early_leaves_no_gap() {
    let mut story = named_later();
    story.and([convert("out", "v1", Iv)]);
    let next_week = later(&story, "a2", ["out/p/hq", "desk"], 7 * 24..7 * 24 + 8);
    story.and([next_week, check_in("a2", "out/p/hq")]);
    story.when(convert("out", "v1", Iii)).then(["ResponseChanged v1 IV -> III", "AreaConverted p@1 IV -> III"]);
    let mut story = with_relief();
    story.when(decline("c1")).then(["CallDeclined c1", "DutyReleased c1 Declined"]);
}

/// `desk` is a2's for an hour; a3 has it for four hours then, and is on post already.
fn with_relief() -> Story {
    let mut story = named_later();
    story.and([convert("out", "v1", Iv)]);
    let first = later(&story, "a2", ["out/p/hq", "desk"], 0..1);
    let (from_ms, until_ms) = (story.now_ms + HOUR_MS, story.now_ms + 5 * HOUR_MS);
    let crew = vec![ShiftLine { seat_id: "desk".to_owned(), responder_id: "a3".to_owned() }];
    story.and([first, command!(OpenShift { site_id: "out/p/hq", from_ms: from_ms, until_ms: until_ms, lines: crew })]);
    story.and([check_in("a3", "out/p/hq")]);
    story
}

/// Two who were both told to come off held a seat, because the time of the second had begun; both left, and no record said so.
#[test]
fn a_relief_who_was_told_to_come_off_too_leaves_a_gap() {
    let mut story = with_relief();
    story.and([check_in("a2", "out/p/hq")]);
    story.and(["c1", "c2"].map(|call| command!(RecallResponder { call_id: call })));
    let _ = story.after_minutes(60);
    story.when(convert("out", "v1", Iii)).then_among(["GapRecorded out/p/hq#desk a1 SeatTaken"]);
}

#[test]
fn a_plans_seat_that_was_filled_by_hand_has_a_successor() {
    let mut story = filled_by_hand();
    story.and([convert("out", "v1", Iii)]);
    story.when(decline("c5")).then_among(["DutyReleased c5 Declined", "ResponderCalled c7 a3 out/out-v1/gate#n1 PlanPrimary"]);
    let mut story = declared();
    story.and([convert("out", "v1", Iii), decline("c3"), decline("c5"), decline("c6"), dispatch("a6", GATE, "n1")]);
    story.when(decline("c7")).then_among(["DutyReleased c7 Declined", "ResponderCalled c8 a3 out/out-v1/gate#n1 PlanPrimary"]);
}

#[test]
fn a_seat_that_nobody_is_named_for_is_a_gap_once_its_holder_falls_out() {
    let mut story = declared();
    story.and([convert("out", "v1", Ii), dispatch("a6", GATE, "n2")]);
    story.when(decline("c5")).then(["CallDeclined c5", "DutyReleased c5 Declined", "GapRecorded out/out-v1/gate#n2 a6 Declined"]);
    // The level of the one whom the plan names for it is not reached.
    let mut story = filled_by_hand();
    story.when(decline("c5")).then(["CallDeclined c5", "DutyReleased c5 Declined", "GapRecorded out/out-v1/gate#n1 a5 Declined"]);
}

/// A seat that a person had taken away came back with the next change of response, and stayed empty without a word.
#[test]
fn a_seat_that_was_taken_away_by_hand_stays_away() {
    let mut story = declared();
    story.and([convert("out", "v1", Iv), command!(RecallResponder { call_id: "c1" }), require("out/out-v1/hq", &[])]);
    story.when(convert("out", "v1", Iii)).then_among(["RequirementSet out/out-v1/hq [guard]"]);
    story.when(change("out", "v1", Iv)).then_among(["RequirementSet out/out-v1/hq []"]);
    story.and([convert("out", "v1", Iii), command!(RecallResponder { call_id: "c6" }), require("out/out-v1/hq", &[])]);
    // Of what a level asks for nothing is missing once it is asked for anew.
    story.and([change("out", "v1", Iv)]);
    story.when(convert("out", "v1", Iii)).then_among(["RequirementSet out/out-v1/hq [guard]"]);
}

/// A former version asked for the seat too, but it was a person who added it now.
#[test]
fn a_seat_that_was_added_by_hand_stays_when_it_falls_empty() {
    let mut story = declared();
    story.and([convert("out", "v1", Iii)]);
    let sites = vec![plan_site("hq", "v1", Iv, &[("desk", Iv)])];
    story.and([
        draft("out-v1", "v1", IncidentType::Outbreak, sites, vec![]),
        post("out-v1", Iv, Member, ["", "hq", "desk"], "a1", &[]),
        publish("out-v1"),
    ]);
    assert_eq!(seats_of(&story, "out/out-v1/hq"), ["desk"]);
    story.and([require("out/out-v1/hq", &["desk", "guard"]), dispatch("a6", "out/out-v1/hq", "guard")]);
    story.when(decline("c5")).then(["CallDeclined c5", "DutyReleased c5 Declined", "GapRecorded out/out-v1/hq#guard a6 Declined"]);
    assert_eq!(seats_of(&story, "out/out-v1/hq"), ["desk", "guard"]);
}

/// A seat that a person had added went when the response was lowered: its new holder had come with a higher one.
#[test]
fn a_seat_that_was_added_by_hand_stays_when_its_holder_goes_with_the_level() {
    let mut story = filled_by_hand();
    story.and([convert("out", "v1", Iii), decline("c5")]);
    story.when(change("out", "v1", Iv)).then_among(["DutyReleased c7 ResponseLowered", "RequirementSet out/out-v1/hq [desk]"]);
    assert_eq!(seats_of(&story, GATE), ["n1"]);
    story.when(convert("out", "v1", Iii)).then_among(["ResponderCalled c8 a3 out/out-v1/gate#n1 PlanPrimary"]);
}

/// A seat whose level is reached, and whose designation only comes with a higher one, was taken away: nobody is called to it.
#[test]
fn nobody_is_called_to_a_seat_that_was_taken_away() {
    let mut story = named_later();
    story.and([convert("out", "v1", Iv), require("out/p/hq", &[])]);
    story.when(convert("out", "v1", Iii)).then(["ResponseChanged v1 IV -> III", "AreaConverted p@1 IV -> III"]);
}

/// Once the primary served a lesser incident, nobody asked the backups of a seat that was taken again.
#[test]
fn a_backup_who_is_free_is_asked_before_one_who_serves_elsewhere() {
    let mut story = declared();
    story.and([town::declare("typ", IncidentType::Typhoon, "c", Severity::Minor, ""), convert("typ", "t1", Ii)]);
    story.and([command!(RecallArea { incident_id: "out", area_id: "v1", reason: "台风登陆" }), convert("out", "v1", Iii)]);
    let resumed = story.when(command!(ResumeArea { incident_id: "out", area_id: "v1", reason: "结束" })).events();
    let resumed = lines(&resumed);
    assert!(resumed.iter().any(|line| line.ends_with("b2 out/out-v1/gate#n1 PlanBackup")), "{resumed:#?}");
}

#[test]
fn what_a_version_changes_in_a_seat_reaches_the_site() {
    let mut story = declared();
    story.and([convert("out", "v1", Iv)]);
    let mut hq = plan_site("hq", "v1", Iv, &[("desk", Iv)]);
    hq.seats[0].duty_desk = true;
    story.and([draft("out-v1", "v1", IncidentType::Outbreak, vec![hq], vec![]), post("out-v1", Iv, Member, ["", "hq", "desk"], "a1", &[])]);
    story.when(publish("out-v1")).then_among(["RequirementSet out/out-v1/hq [desk]"]);
    let site = story.state.ops.sites.get(story.state.ops.sites.find("out/out-v1/hq").unwrap());
    assert!(site.seats[0].duty_desk && site.seats[0].holder.is_some());
}

/// A raise leaves what a person changed in a seat as it is.
#[test]
fn what_a_person_changed_in_a_seat_stays() {
    let mut story = declared();
    let desk = v1::Seat { seat_id: "desk".to_owned(), duty_desk: true, ..Default::default() };
    story.and([convert("out", "v1", Iv), command!(SetRequirement { site_id: "out/out-v1/hq", seats: vec![desk] })]);
    story.when(convert("out", "v1", Iii)).then_among(["RequirementSet out/out-v1/hq [desk,guard]"]);
    assert!(story.state.ops.sites.get(story.state.ops.sites.find("out/out-v1/hq").unwrap()).seats[0].duty_desk);
}

/// The site stays where it is, and calls to it say so.
#[test]
fn a_site_that_stays_is_where_it_was_opened() {
    let mut story = declared();
    story.and([convert("out", "v1", Iii)]);
    story.and([
        draft("out-v1", "v1", IncidentType::Outbreak, vec![plan_site("gate", "v1", Iii, &[("n1", Iii)])], vec![]),
        post("out-v1", Iii, Member, ["", "gate", "n1"], "a3", &["b1"]),
        publish("out-v1"),
    ]);
    let emitted = story.when(decline("c3")).events();
    let called = emitted.iter().find_map(|record| match &record.event {
        muster_proto::Event::ResponderCalled(body) => Some((body.responder_id.as_str(), body.area_id.as_str())),
        _ => None,
    });
    assert_eq!(called, Some(("b1", "g1")));
}

/// A duty of the evening blocked the seat for the shift of the day.
#[test]
fn a_duty_that_begins_after_a_shift_leaves_the_seat_to_it() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["p"])]);
    let evening = later(&story, "a2", ["s", "p"], 20..22);
    let until_ms = story.now_ms + 8 * HOUR_MS;
    let crew = vec![ShiftLine { seat_id: "p".to_owned(), responder_id: "a1".to_owned() }];
    story.and([evening]);
    story.when(command!(OpenShift { site_id: "s", until_ms: until_ms, lines: crew })).then([
        "ShiftOpened s~1",
        "ShiftRostered s~1 p=a1",
        "ResponderCalled c2 a1 s#p Shift",
    ]);
}

/// Who was relieved in a shift is not called again when the site resumes: the seat is filled.
#[test]
fn who_was_relieved_is_no_gap_when_the_site_resumes() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["p"])]);
    let until_ms = story.now_ms + 8 * HOUR_MS;
    let crew = vec![ShiftLine { seat_id: "p".to_owned(), responder_id: "a1".to_owned() }];
    story.and([
        command!(OpenShift { site_id: "s", until_ms: until_ms, lines: crew }),
        command!(RelieveResponder { call_id: "c1", by_responder_id: "a2" }),
        command!(RecallArea { incident_id: "out", area_id: "v1", reason: "台风登陆" }),
    ]);
    story
        .when(command!(ResumeArea { incident_id: "out", area_id: "v1", reason: "结束" }))
        .then(["AreaResumed v1 without 0", "SiteResumed s"]);
}

/// The conversion was silent about a seat whose designation begins later, and the rehearsal was not.
#[test]
fn a_seat_whose_designation_begins_later_is_a_gap_until_then() {
    let mut story = named_later();
    story.when(convert("out", "v1", Iv)).then_among(["GapRecorded out/p/hq#desk nobody NoDesignation"]);
    story.when(convert("out", "v1", Iii)).then_among(["ResponderCalled c1 a1 out/p/hq#desk PlanPrimary"]);
}

/// A seat of a plan that a person adds while the area takes shelter, and that nobody is named for, is a gap at once.
#[test]
fn a_seat_added_in_shelter_is_said() {
    let mut story = declared();
    story.and([convert("out", "v1", Iii), command!(RecallArea { incident_id: "out", area_id: "v1", reason: "台风登陆" })]);
    story
        .when(require(GATE, &["n1", "extra"]))
        .then(["RequirementSet out/out-v1/gate [n1,extra]", "GapRecorded out/out-v1/gate#extra nobody NoDesignation"]);
}

/// What falls empty in shelter is looked at again where the plan names somebody, and said at once where it names nobody.
#[test]
fn a_seat_that_falls_empty_in_shelter() {
    let mut story = declared();
    story.and([convert("out", "v1", Ii), dispatch("a6", GATE, "n2")]);
    story.and([command!(RecallArea { incident_id: "out", area_id: "v1", reason: "台风登陆" })]);
    story.when(decline("c5")).then(["CallDeclined c5", "DutyReleased c5 Declined", "GapRecorded out/out-v1/gate#n2 a6 Declined"]);
    story.when(decline("c3")).then(["CallDeclined c3", "DutyReleased c3 Declined"]);
    let resumed = story.when(command!(ResumeArea { incident_id: "out", area_id: "v1", reason: "结束" }));
    resumed.then_among(["SiteResumed out/out-v1/gate", "ResponderCalled c6 a3 out/out-v1/gate#n1 PlanPrimary"]);
}

/// A part that only a former version had stayed open once the last of its members had been taken out by hand.
#[test]
fn a_left_over_unit_goes_with_its_last_member() {
    let mut story = declared();
    story.and([convert("out", "v1", Iii), town::attach("out/out-v1/team", "a6")]);
    let sites = vec![plan_site("hq", "v1", Iv, &[("desk", Iv)])];
    story.and([
        draft(
            "out-v1",
            "v1",
            IncidentType::Outbreak,
            sites,
            vec![town::plan_unit("br", v1::UnitKind::TemporaryBranch, "v1", "", "hq", Iv)],
        ),
        post("out-v1", Iv, DutyRole::Secretary, ["br", "hq", "desk"], "a1", &["a6"]),
        publish("out-v1"),
    ]);
    story
        .when(command!(DetachResponder { unit_id: "out/out-v1/team", responder_id: "a6" }))
        .then(["ResponderDetached out/out-v1/team a6", "UnitDissolved out/out-v1/team"]);
}
