//! Fill: whom a whistle's needs find, by itself where that is switched on, as a proposal elsewhere.

use muster_proto::v1::{NeedKind, ResponseLevel, Severity};
use muster_proto::{Command, Event};

use super::Story;
use super::town::{self, absent, away, blow, come, convert, decline, need, send, whistle_for};

fn automatic(area_id: &str) -> Command {
    command!(SwitchAutoFill { area_id: area_id, enabled: true })
}

#[test]
fn candidates_are_proposed_nearest_first() {
    let mut story = Story::given(town::people());
    let emitted = story.when(whistle_for(4)).then(["WhistleBlown w", "DispatchProposed w#n 4: a1,a2,a3,a4,a5,a6,b1,b2"]);
    let Event::DispatchProposed(body) = &emitted[1].event else { panic!("the second record proposes") };
    let distances: Vec<_> = body.candidates.iter().map(|candidate| candidate.distance).collect();
    assert_eq!(distances, [0, 0, 0, 0, 0, 0, 1, 1]);
}

#[test]
fn the_first_search_ends_at_the_township_then_goes_one_level_up_at_a_time() {
    let mut story = Story::given(town::people());
    // Nine live in the township, eleven in the county.
    story.when(whistle_for(12)).then([
        "WhistleBlown w",
        "DispatchProposed w#n 12: a1,a2,a3,a4,a5,a6,b1,b2,b3",
        "ReinforcementRequested w#n 3 from t2 r1",
    ]);
    story.and([command!(AcknowledgeWhistle { whistle_id: "w" })]);
    // The neighbouring township is silent, then the neighbouring county.
    story.after_minutes(15).then([
        "ReinforcementLapsed r1 t2",
        "ReinforcementRequested w#n 3 from k1",
        "DispatchProposed w#n 12: a1,a2,a3,a4,a5,a6,b1,b2,b3,d1,d2",
        "ReinforcementRequested w#n 1 from k2 r2",
    ]);
    story.after_minutes(15).then([
        "ReinforcementLapsed r2 k2",
        "ReinforcementRequested w#n 1 from c",
        "DispatchProposed w#n 12: a1,a2,a3,a4,a5,a6,b1,b2,b3,d1,d2,f1,f2",
    ]);
}

/// The engine's thread looks at so many people for one need; where those are all away, a neighbour is asked as if there was nobody.
#[test]
fn a_search_ends_after_so_many_people() {
    let story = Story::given(town::people());
    let mut state = story.state.clone();
    let mut carry_out = |command| super::carry_out(&mut state, story.now_ms, &command).expect("it is right");
    carry_out(town::enroll("z", "t2", "", &[]));
    for number in 0..crate::limits::SEARCH_PEOPLE_MAX - 2 {
        carry_out(town::enroll(&format!("m{number}"), "v3", "", &[]));
        carry_out(away(&format!("m{number}")));
    }
    carry_out(away("d1"));
    carry_out(away("d2"));
    let blown = |id: &str| blow(id, "v3", Severity::Minor, vec![need("n", NeedKind::Person, "", 1)]);
    assert_eq!(super::lines(&carry_out(blown("w1"))), ["WhistleBlown w1", "ReinforcementRequested w1#n 1 from t1 r1"]);
    // Who cannot be called at all is not counted.
    carry_out(command!(WithdrawResponder { responder_id: "m0", reason: "迁出" }));
    assert_eq!(super::lines(&carry_out(blown("w2"))), ["WhistleBlown w2", "DispatchProposed w2#n 1: z"]);
}

/// A long list is cut for the reader's sake; that is no reason to ask a level up.
#[test]
fn many_people_needed_and_there_are_asked_for_nowhere_else() {
    let mut story = Story::given(town::people());
    story.and((0..60).map(|at| town::enroll(&format!("m{at:02}"), "v1", "", &[])));
    let emitted = story.when(whistle_for(30)).events();
    assert_eq!(super::lines(&emitted).len(), 2, "a proposal and no reinforcement");
    let Event::DispatchProposed(body) = &emitted[1].event else { panic!("the second record proposes") };
    assert_eq!((body.quantity, body.candidates.len()), (30, crate::limits::CANDIDATES_MAX));
}

#[test]
fn a_specialty_is_sought_upward() {
    let mut story = Story::given(town::people());
    let medics = |quantity| blow("w", "v1", Severity::Severe, vec![need("n", NeedKind::Person, "medic", quantity)]);
    story.when(medics(3)).then([
        "WhistleBlown w",
        "DispatchProposed w#n 3: a5,b3",
        "ReinforcementRequested w#n 1 from k1",
        "DispatchProposed w#n 3: a5,b3",
        "ReinforcementRequested w#n 1 from k2 r1",
    ]);
    story.and([command!(AcknowledgeWhistle { whistle_id: "w" })]);
    story.after_minutes(15).then(["ReinforcementLapsed r1 k2", "ReinforcementRequested w#n 1 from c", "DispatchProposed w#n 3: a5,b3,f1"]);
    let mut story = Story::given(town::people());
    let divers = blow("w", "v1", Severity::Severe, vec![need("n", NeedKind::Person, "diver", 1)]);
    story.when(divers).then(["WhistleBlown w", "ReinforcementRequested w#n 1 from k1", "ReinforcementRequested w#n 1 from c"]);
}

#[test]
fn people_who_stand_by_come_first_and_the_busy_do_not() {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "v1", ResponseLevel::Iv), away("a4"), town::site("s", "out", "v1", &[])]);
    story.and([town::check_in("a6", "s")]);
    // a1 and a2 have duties, a4 is away, a6 is seen on post.
    story
        .when(command!(BlowWhistle {
            whistle_id: "w",
            incident_id: "out",
            area_id: "v1",
            severity: Severity::Minor,
            needs: vec![need("n", NeedKind::Person, "", 1)],
        }))
        .then(["WhistleBlown w", "DispatchProposed w#n 1: a5,a3"]);
}

#[test]
fn the_less_burdened_come_first() {
    let mut story = Story::given(town::people());
    story.and([
        town::outbreak(),
        town::site("s", "out", "v1", &["x"]),
        town::dispatch("a1", "s", "x"),
        command!(RecallResponder { call_id: "c1" }),
    ]);
    story.when(whistle_for(1)).then(["WhistleBlown w", "DispatchProposed w#n 1: a2,a3"]);
}

#[test]
fn where_it_is_switched_on_people_are_called_by_itself() {
    let mut story = Story::given(town::people());
    story.and([automatic("v1")]);
    story.when(whistle_for(2)).then(["WhistleBlown w", "ResponderCalled c1 a1 w#n AutoFill", "ResponderCalled c2 a2 w#n AutoFill"]);
}

#[test]
fn beyond_the_area_that_is_switched_on_it_proposes() {
    let mut story = Story::given(town::people());
    story.and([automatic("v1"), away("a2"), away("a3"), away("a4"), away("a5"), away("a6")]);
    story.when(whistle_for(2)).then(["WhistleBlown w", "ResponderCalled c1 a1 w#n AutoFill", "DispatchProposed w#n 1: b1,b2"]);
}

#[test]
fn several_needs_do_not_call_one_person_twice() {
    let mut story = Story::given(town::people());
    story.and([automatic("v1")]);
    let both = blow("w", "v1", Severity::Minor, vec![need("m", NeedKind::Person, "medic", 1), need("n", NeedKind::Person, "", 5)]);
    story.when(both).then([
        "WhistleBlown w",
        "ResponderCalled c1 a5 w#m AutoFill",
        "ResponderCalled c2 a1 w#n AutoFill",
        "ResponderCalled c3 a2 w#n AutoFill",
        "ResponderCalled c4 a3 w#n AutoFill",
        "ResponderCalled c5 a4 w#n AutoFill",
        "ResponderCalled c6 a6 w#n AutoFill",
    ]);
}

#[test]
fn whoever_declines_fails_to_come_or_to_answer_is_followed_by_the_next() {
    let mut story = Story::given(town::people());
    story.and([automatic("v1"), whistle_for(1)]);
    story.when(decline("c1")).then(["CallDeclined c1", "DutyReleased c1 Declined", "ResponderCalled c2 a2 w#n AutoFill"]);
    story.and([town::accept("c2")]);
    story.when(absent("c2")).then(["NoShowDeclared c2", "DutyReleased c2 NoShow", "ResponderCalled c3 a3 w#n AutoFill"]);
    story.and([command!(AcknowledgeWhistle { whistle_id: "w" })]);
    story.after_minutes(30).then(["CallUnanswered c3", "DutyReleased c3 Unanswered", "ResponderCalled c4 a4 w#n AutoFill"]);
    // Nobody is asked twice.
    story.and([decline("c4"), decline("c5")]);
    story.when(decline("c6")).then(["CallDeclined c6", "DutyReleased c6 Declined", "DispatchProposed w#n 1: b1,b2"]);
}

#[test]
fn a_person_who_was_sent_by_hand_is_followed_by_a_proposal() {
    let mut story = Story::given(town::people());
    story.and([whistle_for(1), send("a1", "w", "n")]);
    story.when(decline("c1")).then(["CallDeclined c1", "DutyReleased c1 Declined", "DispatchProposed w#n 1: a2,a3"]);
}

#[test]
fn where_nobody_else_is_left_an_unanswered_call_stands() {
    let mut story = Story::given(town::people());
    let medic = blow("w", "v4", Severity::Minor, vec![need("n", NeedKind::Person, "medic", 1)]);
    story.and([medic, send("f1", "w", "n"), command!(AcknowledgeWhistle { whistle_id: "w" })]);
    let asked = ["CallUnanswered c1", "ReinforcementRequested w#n 1 from k2", "ReinforcementRequested w#n 1 from k1 r1"];
    story.after_minutes(30).then(asked);
    story.when(come("f1", "w")).then(["CheckedIn f1 w c1", "WhistleFilled w"]);
    let release = || command!(ReleasePeople { request_id: "r1", responder_ids: ["a5".to_owned()] });
    story.when(release()).then_rejected("need_met");
    // Whoever the neighbour lets go takes the place of the one who is still silent.
    let mut story = Story::given(town::people());
    let medic = blow("w", "v4", Severity::Minor, vec![need("n", NeedKind::Person, "medic", 1)]);
    story.and([medic, send("f1", "w", "n"), command!(AcknowledgeWhistle { whistle_id: "w" })]);
    story.after_minutes(30).then(asked);
    story.when(release()).then(["PeopleReleased r1 a5", "DutyReleased c1 Unanswered", "ResponderCalled c2 a5 w#n Reinforcement"]);
}

/// The neighbour is silent too: further up somebody is found, and the one who never answered gives way.
#[test]
fn who_never_answered_gives_way_once_somebody_is_found_further_up() {
    let mut story = Story::given(town::people());
    let medic = blow("w", "v4", Severity::Minor, vec![need("n", NeedKind::Person, "medic", 1)]);
    story.and([medic, send("f1", "w", "n"), command!(AcknowledgeWhistle { whistle_id: "w" })]);
    let _ = story.after_minutes(30);
    story.after_minutes(15).then([
        "ReinforcementLapsed r1 k1",
        "ReinforcementRequested w#n 1 from c",
        "DutyReleased c1 Unanswered",
        "DispatchProposed w#n 1: a5,b3",
    ]);
}

#[test]
fn a_threat_to_life_wants_an_answer_in_five_minutes() {
    let mut story = Story::given(town::people());
    story.and([automatic("v1")]);
    story.and([command!(BlowWhistle {
        whistle_id: "w",
        area_id: "v1",
        severity: Severity::Extreme,
        life_threatening: true,
        needs: vec![need("n", NeedKind::Person, "", 1)],
    })]);
    story.and([command!(AcknowledgeWhistle { whistle_id: "w" })]);
    story.after_minutes(5).then(["CallUnanswered c1", "DutyReleased c1 Unanswered", "ResponderCalled c2 a2 w#n AutoFill"]);
}

/// The tree may change after reinforcement was asked for: the search then starts again from where the whistle is.
#[test]
fn a_whistle_that_moved_is_not_filled_from_the_whole_city() {
    let mut story = Story::given(town::people());
    story.and([blow("w", "v3", Severity::Minor, vec![need("n", NeedKind::Person, "", 3)])]);
    story.and([command!(AcknowledgeWhistle { whistle_id: "w" })]);
    story.after_minutes(15).then_among(["ReinforcementLapsed r1 t1", "ReinforcementRequested w#n 1 from k1"]);
    story.and([send("d1", "w", "n"), command!(ReparentArea { area_id: "t2", parent_id: "k2" })]);
    // Before, k1 was asked; now t2 lies in k2.
    story.when(decline("c1")).then_among([
        "DutyReleased c1 Declined",
        "DispatchProposed w#n 3: d2",
        "ReinforcementRequested w#n 2 from t3 r2",
    ]);
}
