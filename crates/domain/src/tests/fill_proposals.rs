//! Fill proposals: all open needs together, every line with its reason, and a person who decides line by line.

use muster_proto::v1::{FillChoice, FillDecision, FillDifference, FillLine, NeedKind, ResponseLevel, Severity, UnfilledReason};
use muster_proto::{Command, Event, v1};

use super::town::{self, away, blow, convert, need, send, whistle_for};
use super::{Story, lines};
use crate::assign::{FillQuestion, propose_fill};
use crate::rejection::Rejection;

/// What the planner would propose now.
fn proposed(story: &Story, proposal_id: &str, realm: &str, area_id: &str) -> v1::ProposeFill {
    let question = FillQuestion { realm, area_id, now_ms: story.now_ms };
    propose_fill(&story.state, question, proposal_id).expect("realm and area are known")
}

fn propose(story: &Story, proposal_id: &str, area_id: &str) -> Command {
    Command::ProposeFill(proposed(story, proposal_id, "", area_id))
}

fn decision(line_id: &str, choice: FillChoice) -> FillDecision {
    FillDecision { line_id: line_id.to_owned(), choice: choice.into(), ..Default::default() }
}

fn accept(line_id: &str) -> FillDecision {
    decision(line_id, FillChoice::Accept)
}

fn change(line_id: &str, responder_id: &str) -> FillDecision {
    FillDecision { responder_id: responder_id.to_owned(), ..decision(line_id, FillChoice::Change) }
}

fn decide<const N: usize>(proposal_id: &str, decisions: [FillDecision; N]) -> Command {
    command!(DecideFill { proposal_id: proposal_id, decisions: decisions })
}

/// Two whistles compete for the people of v1; the graver was blown later.
fn competing() -> Story {
    let mut story = Story::given(town::people());
    story.and([blow("w1", "v1", Severity::Minor, vec![need("n", NeedKind::Person, "", 6)])]);
    story.and([blow("w2", "v1", Severity::Extreme, vec![need("n", NeedKind::Person, "", 2), need("m", NeedKind::Person, "medic", 1)])]);
    story
}

fn line<'a>(lines: &'a [FillLine], whistle_id: &str, responder_id: &str) -> &'a FillLine {
    let found = lines.iter().find(|line| line.whistle_id == whistle_id && line.responder_id == responder_id);
    found.unwrap_or_else(|| panic!("{responder_id} is not proposed for {whistle_id}: {lines:#?}"))
}

#[test]
fn the_graver_whistle_has_the_nearest_and_nobody_is_proposed_twice() {
    let mut story = competing();
    let command = propose(&story, "f1", "c");
    story.when(command).then(["FillProposed f1 1/1 [w2#n=a1 w2#n=a2 w2#m=a5 w1#n=a3 w1#n=a4 w1#n=a6 w1#n=b1 w1#n=b2 w1#n=b3] 0 open"]);
}

#[test]
fn every_line_says_why() {
    let story = competing();
    let found = proposed(&story, "f1", "", "c");
    let near = line(&found.lines, "w2", "a1");
    assert_eq!((near.distance, near.specialty_match, near.rested, near.on_standby, near.load), (0, false, true, false, 0));
    assert_eq!((near.severity(), near.waited_ms, near.release_required), (Severity::Extreme, 0, false));
    // Everybody of v1 and v2 is proposed: the next is two levels away.
    assert_eq!((near.runner_up_responder_id.as_str(), near.difference()), ("d1", FillDifference::Distance));
    assert!(near.cost < near.runner_up_cost);
    let medic = line(&found.lines, "w2", "a5");
    assert!(medic.specialty_match);
    let far = line(&found.lines, "w1", "b1");
    assert_eq!((far.distance, far.difference()), (1, FillDifference::NeededElsewhere));
    assert_eq!(far.runner_up_responder_id, "a1");
    // Before others of the same distance: who stands by, then who had fewer duties, then the order.
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "v1", ResponseLevel::Iv)]);
    story.and([command!(BlowWhistle {
        whistle_id: "w",
        incident_id: "out",
        area_id: "v1",
        severity: Severity::Minor,
        needs: vec![need("n", NeedKind::Person, "", 1)],
    })]);
    let found = proposed(&story, "f1", "", "");
    let first = line(&found.lines, "w", "a5");
    assert!(first.on_standby);
    assert_eq!((first.runner_up_responder_id.as_str(), first.difference()), ("a3", FillDifference::Standby));
    assert_eq!((found.area_id.as_str(), found.realm.as_str()), ("c", "actual"));
}

#[test]
fn a_proposal_moves_nobody_and_a_decision_calls() {
    let mut story = competing();
    let command = propose(&story, "f1", "c");
    story.and([command]);
    let emitted = story.when(decide("f1", [accept("l1"), change("l2", "b1")])).then([
        "FillLineDecided f1#l1 a1 Accept",
        "FillLineDecided f1#l2 b1 Change",
        "ResponderCalled c1 a1 w2#n Fill",
        "ResponderCalled c2 b1 w2#n Fill",
    ]);
    let Event::ResponderCalled(body) = &emitted[2].event else { panic!("the third record calls") };
    assert_eq!((body.fill_proposal_id.as_str(), body.fill_line_id.as_str()), ("f1", "l1"));
    assert_eq!(emitted[2].cause, Some(0));
    // Saying it again changes nothing; saying something else is refused by name and takes nothing back.
    story.when(decide("f1", [accept("l1")])).then_nothing();
    story.when(decide("f1", [change("l1", "b2")])).then(["FillLineRefused f1#l1 b2 fill_line_decided"]);
    story
        .when(decide("f1", [change("l2", "b1"), accept("l3")]))
        .then(["FillLineDecided f1#l3 a5 Accept", "ResponderCalled c3 a5 w2#m Fill"]);
}

#[test]
fn a_line_that_is_refused_says_why_and_calls_nobody() {
    let mut story = competing();
    let command = propose(&story, "f1", "c");
    story.and([command]);
    let refuse = |reason: &str| FillDecision { reason: reason.to_owned(), ..decision("l1", FillChoice::Refuse) };
    story.when(decide("f1", [refuse("")])).then_rejected("field_missing");
    story.when(decide("f1", [refuse("家中有事")])).then(["FillLineDecided f1#l1 a1 Refuse"]);
    story.when(decide("f1", [accept("l1")])).then(["FillLineRefused f1#l1 a1 fill_line_decided"]);
}

#[test]
fn a_stale_line_never_holds_up_the_others() {
    let mut story = competing();
    let command = propose(&story, "f1", "c");
    story.and([command, away("a1"), send("a2", "w1", "n"), command!(WithdrawWhistle { whistle_id: "w1" })]);
    story.when(decide("f1", [accept("l1"), accept("l2"), accept("l3"), accept("l4")])).then([
        "FillLineDecided f1#l1 a1 Accept",
        "FillLineDecided f1#l2 a2 Accept",
        "FillLineDecided f1#l3 a5 Accept",
        "FillLineDecided f1#l4 a3 Accept",
        "FillLineRefused f1#l1 a1 responder_unavailable",
        "ResponderCalled c2 a2 w2#n Fill",
        "ResponderCalled c3 a5 w2#m Fill",
        "FillLineRefused f1#l4 a3 whistle_ended",
    ]);
    // The line may be decided again, with somebody who can come.
    story.when(decide("f1", [change("l1", "a3")])).then(["FillLineDecided f1#l1 a3 Change", "ResponderCalled c4 a3 w2#n Fill"]);
}

#[test]
fn two_lines_never_promise_one_person_or_one_place_twice() {
    let mut story = Story::given(town::people());
    story.and([whistle_for(2)]);
    let command = propose(&story, "f1", "c");
    story.and([command]);
    story.when(decide("f1", [accept("l1"), change("l2", "a1")])).then([
        "FillLineDecided f1#l1 a1 Accept",
        "FillLineDecided f1#l2 a1 Change",
        "ResponderCalled c1 a1 w#n Fill",
        "FillLineRefused f1#l2 a1 responder_already_on_duty",
    ]);
    story.and([send("a4", "w", "n")]);
    story.when(decide("f1", [accept("l2")])).then(["FillLineDecided f1#l2 a2 Accept", "FillLineRefused f1#l2 a2 need_met"]);
}

#[test]
fn what_changed_while_the_planner_thought_is_refused_line_by_line() {
    let mut story = Story::given(town::people());
    story.and([whistle_for(2)]);
    let command = propose(&story, "f1", "c");
    story.and([away("a1"), send("b1", "w", "n")]);
    story.when(command).then(["FillProposed f1 1/1 [w#n=a1 w#n=a2] 0 open", "FillLineRefused f1#l1 a1 responder_unavailable"]);
    let mut story = Story::given(town::people());
    story.and([whistle_for(2)]);
    let command = propose(&story, "f1", "c");
    story.and([send("b1", "w", "n")]);
    story.when(command).then(["FillProposed f1 1/1 [w#n=a1 w#n=a2] 0 open", "FillLineRefused f1#l2 a2 need_met"]);
}

#[test]
fn a_later_proposal_replaces_the_open_one_of_its_realm_and_area_alone() {
    let mut story = competing();
    let (first, other) = (propose(&story, "f1", "c"), propose(&story, "f2", "v1"));
    story.and([first, other]);
    let again = propose(&story, "f3", "c");
    let emitted = story.when(again).events();
    let Event::FillProposed(body) = &emitted[0].event else { panic!("the first record proposes") };
    assert_eq!(body.replaces_proposal_id, "f1");
    story.when(decide("f1", [accept("l1")])).then_rejected("fill_proposal_replaced");
    story.when(decide("f2", [accept("l1")])).then(["FillLineDecided f2#l1 a1 Accept", "ResponderCalled c1 a1 w2#n Fill"]);
    story.when(decide("f4", [accept("l1")])).then_rejected("unknown_fill_proposal");
    let taken = propose(&story, "f3", "c");
    story.when(taken).then_rejected("already_exists");
}

/// 跨区增援: after everybody inside, counted by the area that could let them go, and not told; called only once it did.
#[test]
fn people_of_another_area_come_last_and_are_counted_only() {
    let mut story = Story::given(town::people());
    story.and([blow("w", "v2", Severity::Severe, vec![need("n", NeedKind::Person, "", 4), need("m", NeedKind::Person, "medic", 2)])]);
    let found = proposed(&story, "f1", "", "v2");
    let inside = |found: &v1::ProposeFill| found.lines.iter().map(|line| line.responder_id.clone()).collect::<Vec<_>>();
    let counted = |found: &v1::ProposeFill| {
        let donors = |need: &v1::UnfilledNeed| need.donors.iter().map(|donor| (donor.area_id.clone(), donor.people)).collect::<Vec<_>>();
        found.unfilled.iter().map(|need| (need.need_id.clone(), need.quantity, need.reason(), donors(need))).collect::<Vec<_>>()
    };
    let of = |need: &str, quantity: u32, donors: &[(&str, u32)]| {
        let donors = donors.iter().map(|(area, people)| ((*area).to_owned(), *people)).collect::<Vec<_>>();
        (need.to_owned(), quantity, UnfilledReason::ReleaseRequired, donors)
    };
    assert_eq!(
        (inside(&found), counted(&found)),
        (vec!["b1".to_owned(), "b2".to_owned(), "b3".to_owned()], vec![of("n", 2, &[("v1", 2)]), of("m", 1, &[("v1", 1)])],)
    );
    let last = line(&found.lines, "w", "b2");
    assert_eq!((last.difference(), last.runner_up_responder_id.as_str()), (FillDifference::Release, ""), "nor is the next best told");
    // Whoever leads them is told who they are.
    let whole = proposed(&story, "f1", "", "t1");
    assert_eq!((inside(&whole).len(), whole.unfilled.len()), (6, 0));
    // From further off the donor is the highest area that does not hold the whistle; e1 has no home area but an organization in k1.
    story.and(["a1", "a2", "a3", "a4", "a5", "a6", "d1", "d2"].map(away));
    let found = proposed(&story, "f1", "", "v2");
    assert_eq!(counted(&found), [of("n", 2, &[("k1", 2)]), of("m", 1, &[("k2", 1)])]);
    story.by("v2");
    story.and([Command::ProposeFill(found)]);
    // Who is found and asked for elsewhere comes in the place of a line's.
    let (far, released) = ("l1", change("l1", "f1"));
    story.when(decide("f1", [released.clone()])).then_among([&*format!("FillLineRefused f1#{far} f1 release_required")]);
    let released = FillDecision { released_by_area_id: "k2".to_owned(), ..released };
    let emitted = story.when(decide("f1", [released])).events();
    let Event::ResponderCalled(body) = &emitted[1].event else { panic!("the second record calls") };
    assert_eq!((body.responder_id.as_str(), body.released_by_area_id.as_str()), ("f1", "k2"));
    assert_eq!(emitted[1].other_area_ids, ["v4"]);
}

#[test]
fn what_stays_unfilled_says_why() {
    let mut story = Story::given(town::people());
    let one = |specialty: &str| vec![need("n", NeedKind::Person, specialty, 1)];
    story.and([blow("dive", "v1", Severity::Severe, one("diver")), blow("cure", "v1", Severity::Minor, one("medic"))]);
    story.and([town::outbreak(), town::site("s", "out", "c", &["x", "y"])]);
    story.and([town::dispatch("a5", "s", "x"), town::dispatch("b3", "s", "y"), away("f1")]);
    let reasons = |story: &Story| {
        let unfilled = proposed(story, "f", "", "").unfilled;
        unfilled.into_iter().map(|need| (need.whistle_id.clone(), need.reason())).collect::<Vec<_>>()
    };
    let of = |whistle: &str, reason| (whistle.to_owned(), reason);
    use UnfilledReason::{AskedBefore, NeededElsewhere, NobodyWithSpecialty, OnDuty, Unavailable};
    assert_eq!(reasons(&story), [of("dive", NobodyWithSpecialty), of("cure", OnDuty)]);
    story.and([away("a5"), away("b3")]);
    assert_eq!(reasons(&story), [of("dive", NobodyWithSpecialty), of("cure", Unavailable)]);
    let mut story = Story::given(town::people());
    story.and([
        blow("cure", "v1", Severity::Minor, one("medic")),
        blow("help", "v1", Severity::Severe, vec![need("n", NeedKind::Person, "medic", 3)]),
    ]);
    assert_eq!(reasons(&story), [of("cure", NeededElsewhere)]);
    let mut story = Story::given(town::people());
    story.and([blow("cure", "v1", Severity::Minor, one("medic"))]);
    for (who, call) in [("a5", "c1"), ("b3", "c2"), ("f1", "c3")] {
        story.and([send(who, "cure", "n"), town::decline(call)]);
    }
    assert_eq!(reasons(&story), [of("cure", AskedBefore)]);
}

/// Of two villages as near in the tree the one that is nearer on the map comes first.
#[test]
fn metres_decide_where_the_tree_does_not() {
    let mut story = Story::given(town::areas());
    let village = |id: &str, longitude_e7: i32| {
        let location = v1::GeoPoint { latitude_e7: 212_000_000, longitude_e7 };
        command!(DefineArea { area_id: id, name: id, level: v1::AreaLevel::Village, parent_id: "t1", location: location })
    };
    story.and([village("here", 1_103_000_000), village("far", 1_103_900_000), village("near", 1_103_300_000)]);
    story.and([town::enroll("x", "far", "", &[]), town::enroll("y", "near", "", &[])]);
    story.and([blow("w", "here", Severity::Minor, vec![need("n", NeedKind::Person, "", 1)])]);
    let found = proposed(&story, "f1", "", "");
    let first = line(&found.lines, "w", "y");
    assert_eq!((first.distance, first.meters / 100), (1, 31));
    assert_eq!((first.runner_up_responder_id.as_str(), first.difference()), ("x", FillDifference::Meters));
}

/// 留守: an area that would be left with too few is left alone, and a line that asks for one too many is refused when it is decided.
#[test]
fn an_area_keeps_its_floor() {
    let mut story = Story::given(town::people());
    story.and([away("f1"), command!(SetFloor { area_id: "v2", minimum: 3u32 })]);
    story.and([blow("w", "v1", Severity::Minor, vec![need("m", NeedKind::Person, "medic", 2)])]);
    let found = proposed(&story, "f1", "", "");
    let lines: Vec<_> = found.lines.iter().map(|line| line.responder_id.as_str()).collect();
    assert_eq!((lines, found.unfilled[0].reason()), (vec!["a5"], UnfilledReason::Floor));
    story.and([command!(SetFloor { area_id: "v2", minimum: 2u32 })]);
    let command = propose(&story, "f1", "c");
    story.and([command, send("b1", "w", "m")]);
    story.when(decide("f1", [accept("l2")])).then(["FillLineDecided f1#l2 b3 Accept", "FillLineRefused f1#l2 b3 floor_reached"]);
}

/// Each line for itself would leave enough; the lines of one command are counted together, whether they lead out of the area or not.
#[test]
fn lines_of_one_command_keep_a_floor_together() {
    let mut story = Story::given(town::people());
    story.and([whistle_for(8), command!(SetFloor { area_id: "v2", minimum: 2u32 })]);
    let command = propose(&story, "f1", "c");
    let emitted = story.when(command).events();
    assert_eq!(lines(&emitted)[1..], ["FillLineRefused f1#l8 b2 floor_reached"]);
    story.when(decide("f1", [accept("l7"), accept("l8")])).then([
        "FillLineDecided f1#l7 b1 Accept",
        "FillLineDecided f1#l8 b2 Accept",
        "ResponderCalled c1 b1 w#n Fill",
        "FillLineRefused f1#l8 b2 floor_reached",
    ]);
    // Eleven live in k1 and ten stay: whoever is called inside is not free any more for the count of whoever leaves.
    let mut story = Story::given(town::people());
    story.and([command!(SetFloor { area_id: "k1", minimum: 10u32 })]);
    story.and([blow("in", "v1", Severity::Extreme, vec![need("n", NeedKind::Person, "", 1)])]);
    story.and([blow("out", "v4", Severity::Minor, vec![need("n", NeedKind::Person, "", 3)])]);
    let body = proposed(&story, "f1", "", "c");
    let leaves = |line: &&FillLine| line.whistle_id == "out" && !line.responder_id.starts_with('f');
    let outward = body.lines.iter().find(leaves).expect("k2 has two people").clone();
    let inward = line(&body.lines, "in", "a1").clone();
    let emitted = story.when(Command::ProposeFill(body)).events();
    assert_eq!(lines(&emitted)[1..], [format!("FillLineRefused f1#{} {} floor_reached", outward.line_id, outward.responder_id)]);
    let emitted = story.when(decide("f1", [accept(&inward.line_id), accept(&outward.line_id)])).events();
    assert!(lines(&emitted)[3].ends_with("floor_reached"), "{:?}", lines(&emitted));
}

#[test]
fn an_exercise_has_proposals_of_its_own() {
    let mut story = Story::given(town::people());
    story.and([town::declare("drill", v1::IncidentType::Flood, "c", Severity::Severe, "drill-1")]);
    story.and([
        whistle_for(6),
        command!(BlowWhistle {
            whistle_id: "x",
            incident_id: "drill",
            area_id: "v1",
            severity: Severity::Minor,
            needs: vec![need("n", NeedKind::Person, "", 1)],
        }),
    ]);
    let (drill, actual) = (proposed(&story, "d1", "drill-1", "c"), proposed(&story, "f1", "", "c"));
    assert_eq!(drill.lines.len(), 1);
    assert_eq!(actual.lines.len(), 6);
    story.and([Command::ProposeFill(actual), Command::ProposeFill(drill.clone())]);
    // Whoever is proposed in real life is free in the exercise.
    story.when(decide("d1", [accept("l1")])).then(["FillLineDecided d1#l1 a1 Accept", "ResponderCalled c1 a1 x#n Fill"]);
    story.when(decide("f1", [accept("l1")])).then(["FillLineDecided f1#l1 a1 Accept", "ResponderCalled c2 a1 w#n Fill"]);
    // A line of one realm is no line of the other.
    let crossed = v1::ProposeFill { proposal_id: "x1".to_owned(), realm: String::new(), ..drill };
    story.when(Command::ProposeFill(crossed)).then_rejected("whistle_outside");
}

/// Many people needed: the proposal comes in parts below the record limit, and says what it did not take up.
#[test]
fn a_large_proposal_comes_in_parts() {
    let mut story = Story::given(town::people());
    story.and([blow("w", "v1", Severity::Severe, vec![need("n", NeedKind::Person, "", 9_000)])]);
    story.and((0..400).map(|at| town::enroll(&format!("m{at:03}"), "v1", "", &[])));
    let command = proposed(&story, "f1", "", "c");
    assert_eq!((command.lines.len(), command.unfilled[0].quantity), (416, 8_584));
    let emitted = story.when(Command::ProposeFill(command)).events();
    let parts: Vec<_> = emitted
        .iter()
        .map(|record| match &record.event {
            Event::FillProposed(body) => (body.part, body.parts, body.lines.len(), body.unfilled.len(), body.total_lines),
            other => panic!("{} among the parts", other.name()),
        })
        .collect();
    assert_eq!(parts, [(1, 2, 250, 1, 416), (2, 2, 166, 0, 416)]);
    story.when(decide("f1", [accept("l416")])).then_among(["FillLineDecided f1#l416 f2 Accept"]);
}

#[test]
fn bad_input_is_named() {
    let mut story = competing();
    let good = proposed(&story, "f1", "", "c");
    let bent = |bend: &dyn Fn(&mut v1::ProposeFill)| {
        let mut body = good.clone();
        bend(&mut body);
        Command::ProposeFill(body)
    };
    let refusal = |story: &mut Story, command: Command| match story.run(&command) {
        Err(refusal) => (refusal.code(), refusal.field().to_owned()),
        Ok(emitted) => panic!("{:?}", lines(&emitted)),
    };
    let expect = |story: &mut Story, bend: &dyn Fn(&mut v1::ProposeFill), code: &'static str, field: &str| {
        assert_eq!(refusal(story, bent(bend)), (code, field.to_owned()));
    };
    expect(&mut story, &|body| body.proposal_id.clear(), "field_missing", "proposal_id");
    expect(&mut story, &|body| "nowhere".clone_into(&mut body.realm), "unknown_realm", "realm");
    expect(&mut story, &|body| body.area_id.clear(), "field_missing", "area_id");
    expect(&mut story, &|body| body.base_position += 1, "field_invalid", "base_position");
    expect(&mut story, &|body| body.lines[1].line_id = "l1".to_owned(), "already_exists", "lines.line_id");
    expect(&mut story, &|body| body.lines[1].responder_id = "a1".to_owned(), "already_exists", "lines.responder_id");
    expect(&mut story, &|body| body.lines[1].responder_id = "nobody".to_owned(), "unknown_responder", "lines.responder_id");
    expect(&mut story, &|body| body.lines[1].whistle_id = "none".to_owned(), "unknown_whistle", "lines.whistle_id");
    expect(&mut story, &|body| body.lines[1].need_id = "none".to_owned(), "unknown_need", "need_id");
    expect(&mut story, &|body| body.area_id = "v2".to_owned(), "whistle_outside", "lines.whistle_id");
    expect(&mut story, &|body| body.lines[1].difference = 99, "field_invalid", "lines.difference");
    story.by("v2");
    assert_eq!(refusal(&mut story, Command::ProposeFill(good.clone())).0, "not_the_authority");
    story.by("c").and([Command::ProposeFill(good.clone())]);
    let bad = |story: &mut Story, decision: FillDecision, code: &'static str, field: &str| {
        assert_eq!(refusal(story, decide("f1", [decision])), (code, field.to_owned()));
    };
    bad(&mut story, accept("l99"), "unknown_fill_line", "decisions.line_id");
    bad(&mut story, FillDecision::default(), "unknown_fill_line", "decisions.line_id");
    bad(&mut story, decision("l1", FillChoice::Unspecified), "field_missing", "decisions.choice");
    bad(&mut story, change("l1", ""), "field_missing", "decisions.responder_id");
    bad(&mut story, change("l1", "nobody"), "unknown_responder", "decisions.responder_id");
    bad(&mut story, FillDecision { responder_id: "b1".to_owned(), ..accept("l1") }, "field_invalid", "decisions.responder_id");
    bad(
        &mut story,
        FillDecision { released_by_area_id: "moon".to_owned(), ..accept("l1") },
        "unknown_area",
        "decisions.released_by_area_id",
    );
    assert_eq!(refusal(&mut story, decide("f1", [accept("l1"), accept("l1")])), ("already_exists", "decisions.line_id".to_owned()));
    assert_eq!(refusal(&mut story, decide("f1", [])), ("field_missing", "decisions".to_owned()));
    let unknown = propose_fill(&story.state, FillQuestion { realm: "none", area_id: "", now_ms: 0 }, "f9");
    assert_eq!(unknown, Err(Rejection::UnknownRealm { id: "none".to_owned() }));
}

/// Several whistles, somebody standing by, somebody with past duties, specialties and people who were asked before.
pub(crate) fn eventful() -> Story {
    let mut story = Story::given(town::town());
    let medics = town::need("m", NeedKind::Person, "medic", 2);
    story.and([
        town::outbreak(),
        town::convert("out", "v1", ResponseLevel::Iv),
        town::blow("w1", "g1", Severity::Minor, vec![town::need("n", NeedKind::Person, "", 3), medics.clone()]),
        town::blow("w2", "v4", Severity::Extreme, vec![medics, town::need("d", NeedKind::Person, "diver", 1)]),
        town::send("d1", "w1", "n"),
        town::decline("c3"),
        town::send("b2", "w1", "n"),
        town::away("f2"),
    ]);
    story
}

#[test]
fn the_same_state_gives_the_same_bytes_whatever_way_led_there() {
    let ask = |story: &Story| {
        let question = FillQuestion { realm: "", area_id: "", now_ms: story.now_ms };
        propose_fill(&story.state, question, "f").map(|found| (found.lines, found.unfilled)).expect("the realm is known")
    };
    let one = eventful();
    let first = ask(&one);
    assert_eq!(first, ask(&one));
    assert!(!first.0.is_empty() && !first.1.is_empty());
    // The residents of an area stand in another order when somebody moved away and came back.
    let mut moved = eventful();
    for who in ["a3", "b1", "a4"] {
        let home = if who == "b1" { "v2" } else { "v1" };
        moved.and(["v4", home].map(|area| town::moves_to(who, area)));
    }
    assert_eq!(first, ask(&moved));
}

/// Of two whistles the graver gets whoever is scarce, wherever it is, whichever was blown first.
#[test]
fn the_scarce_go_where_it_is_gravest() {
    let mut story = Story::given(town::people());
    let medic = |quantity| vec![town::need("m", NeedKind::Person, "medic", quantity)];
    story.and([town::blow("near", "v1", Severity::Minor, medic(3)), town::blow("far", "v4", Severity::Extreme, medic(2))]);
    let question = FillQuestion { realm: "", area_id: "c", now_ms: super::START_MS };
    let found = propose_fill(&story.state, question, "f").expect("the realm is known");
    let of = |whistle: &str| found.lines.iter().filter(|line| line.whistle_id == whistle).count();
    assert_eq!((of("far"), of("near")), (2, 1));
    let left: Vec<_> = found.unfilled.iter().map(|need| (need.whistle_id.as_str(), need.quantity, need.reason())).collect();
    assert_eq!(left, [("near", 2, UnfilledReason::NeededElsewhere)]);
}
