//! 复盘: after the stand-down a plan learns from what happened, row by row.

use muster_proto::v1::{self, ResponseLevel};
use muster_proto::{Command, Event};

use super::Story;
use super::town::{self, check_in, check_out, convert, decline, stand_down};
use crate::lessons::lessons;

fn learnt(story: &Story) -> Vec<String> {
    lessons(&story.state, "out-v1", "out").expect("it has stood down").rows.iter().map(|row| row.row_id.clone()).collect()
}

fn next(rows: &[&str]) -> Command {
    let row_ids: Vec<String> = rows.iter().map(|row| (*row).to_owned()).collect();
    command!(DraftNextVersion { plan_id: "out-v1", incident_id: "out", row_ids: row_ids })
}

/// Everybody off and the area stood down.
fn over(mut story: Story) -> Story {
    story.and([stand_down("out", "v1")]);
    for (who, site) in [("a1", "hq"), ("a4", "hq"), ("b1", "gate"), ("a3", "gate"), ("b3", "gate"), ("a6", "hq")] {
        let site = format!("out/out-v1/{site}");
        let key = story.state.ops.sites.find(&site).expect("the plan has it");
        let who_key = story.state.base.responders.find(who).expect("the town has them");
        let seen = story.state.ops.realms.get(story.state.ops.actual()).presence.get(&who_key);
        if seen.is_some_and(|seen| seen.place == Some(crate::state::Place::Site(key))) {
            story.and([check_out(who, &site)]);
        }
    }
    story
}

/// a3 declines and b1 stands at the gate; a1 and a4 come to headquarters, a6 does not need to; a2 is the organizer.
fn after_the_outbreak() -> Story {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "v1", ResponseLevel::Iii), decline("c3")]);
    story.and([check_in("a1", "out/out-v1/hq"), check_in("a4", "out/out-v1/hq"), check_in("b1", "out/out-v1/gate")]);
    story.after_minutes(25).events();
    story
}

#[test]
fn who_really_stood_there_becomes_the_primary() {
    let story = over(after_the_outbreak());
    assert_eq!(learnt(&story), ["replace_primary:III:team:gate#n1:MEMBER:a3>b1"]);
    let answer = lessons(&story.state, "out-v1", "out").expect("it has stood down");
    assert_eq!((answer.converted_version, answer.base_version), (1, 1));
    let row = &answer.rows[0];
    let evidence: Vec<_> = row.evidence.iter().map(|fact| (fact.call_id.as_str(), fact.release())).collect();
    assert_eq!(evidence, [("c3", v1::ReleaseReason::Declined), ("c5", v1::ReleaseReason::StandDown)]);
    assert!(row.evidence[0].arrived_at_ms == 0 && row.evidence[1].arrived_at_ms > 0);
}

#[test]
fn accepted_rows_make_the_next_version_and_the_rest_stays() {
    let mut story = over(after_the_outbreak());
    let drafted = story.when(next(&["replace_primary:III:team:gate#n1:MEMBER:a3>b1"])).then([
        "PlanDrafted out-v1@2",
        "PostDesignated out-v1@2 a1",
        "PostDesignated out-v1@2 a2",
        "PostDesignated out-v1@2 b1",
        "PostDesignated out-v1@2 a4",
        "PostDesignated out-v1@2 a5",
    ]);
    let Event::PostDesignated(gate) = &drafted[3].event else { panic!("a post was designated") };
    // The former primary becomes the last backup.
    assert_eq!((gate.seat_key.as_str(), &gate.backup_ids[..]), ("n1", &["b2".to_owned(), "a3".to_owned()][..]));
    story.when(town::publish("out-v1")).then_among(["PlanPublished out-v1@2 5"]);
    // That was learnt. What is left is that the last backup did not come.
    assert_eq!(learnt(&story), ["remove_backup:III:team:gate#n1:MEMBER:a3>"]);
    story.when(next(&["replace_primary:III:team:gate#n1:MEMBER:a3>b1"])).then_rejected("lesson_unknown");
    // Without a row it is the same plan once more.
    story.when(next(&[])).then_among(["PlanDrafted out-v1@3"]);
    story.when(next(&[])).then_rejected("plan_draft_open");
}

#[test]
fn the_draft_says_all_that_the_version_said() {
    let mut story = Story::given(town::people());
    let cards = vec![v1::PostCard { card_key: "k".into(), r#where: "东门".into(), task: "值守".into(), ..Default::default() }];
    let sites = vec![town::plan_site("hq", "v1", ResponseLevel::Iv, &[("desk", ResponseLevel::Iv), ("late", ResponseLevel::Ii)])];
    let drafted = story
        .when(command!(DraftPlan {
            plan_id: "p",
            area_id: "v1",
            incident_type: v1::IncidentType::Outbreak,
            name: "预案",
            sites: sites,
            cards: cards,
        }))
        .events();
    let designated = story
        .when(command!(DesignatePost {
            plan_id: "p",
            tier: ResponseLevel::Iv,
            role: v1::DutyRole::Member,
            site_key: "hq",
            seat_key: "desk",
            responder_id: "a1",
            backup_ids: ["a2".to_owned()],
            peacetime_post: "信息员",
            emergency_post: "安全员",
            card_key: "k",
        }))
        .events();
    story.and([town::publish("p"), town::outbreak(), convert("out", "v1", ResponseLevel::Iv), stand_down("out", "v1")]);
    let again = story.when(command!(DraftNextVersion { plan_id: "p", incident_id: "out" })).events();
    let (Event::PlanDrafted(first), Event::PlanDrafted(second)) = (&drafted[0].event, &again[0].event) else { panic!("drafts") };
    let tiers = |plan: &v1::PlanDrafted| plan.sites[0].seats.iter().map(v1::PlanSeat::tier).collect::<Vec<_>>();
    assert_eq!((&first.name, &first.cards, &first.units, tiers(first)), (&second.name, &second.cards, &second.units, tiers(second)));
    let (Event::PostDesignated(first), Event::PostDesignated(second)) = (&designated[0].event, &again[1].event) else { panic!("posts") };
    assert_eq!(v1::PostDesignated { version: 2, ..first.clone() }, *second);
}

#[test]
fn who_came_unasked_stands_by_next_time_and_who_helped_becomes_a_backup() {
    let mut story = after_the_outbreak();
    // b3 walks in at the gate; a6, a backup elsewhere, relieves at the gate's seat by hand.
    story.and([check_in("b3", "out/out-v1/gate")]);
    story.and([command!(RelieveResponder { call_id: "c5", by_responder_id: "d1" })]);
    let call = story.state.ops.calls.iter().last().map(|(key, _)| key.text()).expect("d1 was called");
    story.and([check_out("b1", "out/out-v1/gate"), check_in("d1", "out/out-v1/gate")]);
    story.after_minutes(10).events();
    story.and([command!(RecallResponder { call_id: call }), check_out("d1", "out/out-v1/gate")]);
    let story = over(story);
    assert_eq!(
        learnt(&story),
        ["replace_primary:III:team:gate#n1:MEMBER:a3>b1", "add_backup:III:team:gate#n1:MEMBER:>d1", "add_designation:III::#:STANDBY:>b3",]
    );
    let unasked = &lessons(&story.state, "out-v1", "out").expect("it is over").rows[2];
    assert!(unasked.evidence[0].position > 0 && unasked.evidence[0].call_id.is_empty());
    let mut story = story;
    story.when(next(&["add_designation:III::#:STANDBY:>b3", "add_backup:III:team:gate#n1:MEMBER:>d1"])).then_among([
        "PlanDrafted out-v1@2",
        "PostDesignated out-v1@2 a3",
        "PostDesignated out-v1@2 b3",
    ]);
}

#[test]
fn a_seat_added_by_hand_can_stay_and_one_taken_away_can_go() {
    let mut story = after_the_outbreak();
    let seats =
        |ids: &[&str]| -> Vec<v1::Seat> { ids.iter().map(|id| v1::Seat { seat_id: (*id).to_owned(), ..Default::default() }).collect() };
    story.and([command!(SetRequirement { site_id: "out/out-v1/gate", seats: seats(&["n1", "extra"]) })]);
    if story_seat(&story, "extra").is_none() {
        story.and([town::dispatch("b3", "out/out-v1/gate", "extra")]);
    }
    let who = story_seat(&story, "extra").expect("somebody sits there");
    story.and([check_in(&who, "out/out-v1/gate")]);
    story.after_minutes(10).events();
    story.and([stand_down("out", "v1"), check_out(&who, "out/out-v1/gate")]);
    let mut story = over(story);
    let row = format!("add_seat:III::gate#extra:MEMBER:>{who}");
    assert!(learnt(&story).contains(&row), "{:?}", learnt(&story));
    let drafted = story.when(next(&[&row])).events();
    let Event::PlanDrafted(plan) = &drafted[0].event else { panic!("a plan was drafted") };
    let gate = plan.sites.iter().find(|site| site.site_key == "gate").expect("it has the gate");
    assert!(gate.seats.iter().any(|seat| seat.seat_key == "extra"));
}

fn story_seat(story: &Story, seat: &str) -> Option<String> {
    let site = story.state.ops.sites.get(story.state.ops.sites.find("out/out-v1/gate")?);
    let call = site.seats[site.seat(seat)?].holder?;
    Some(story.state.base.responders.id(story.state.ops.calls.get(call).responder).to_owned())
}

/// A seat that stood on the site's list, and that a later version had dropped, was proposed as one that a person had added.
#[test]
fn a_seat_that_a_version_has_dropped_was_added_by_nobody() {
    let mut story = over(after_the_outbreak());
    let sites = vec![
        town::plan_site("hq", "v1", ResponseLevel::Iv, &[("desk", ResponseLevel::Iv)]),
        town::plan_site("gate", "g1", ResponseLevel::Iii, &[("n1", ResponseLevel::Iii)]),
    ];
    story.and([town::draft("out-v1", "v1", v1::IncidentType::Outbreak, sites, vec![]), town::publish("out-v1")]);
    let rows = learnt(&story);
    assert!(!rows.iter().any(|row| row.starts_with("add_seat")), "{rows:?}");
}

#[test]
fn nobody_who_has_left_is_named_again() {
    let mut story = over(after_the_outbreak());
    story.and([
        command!(WithdrawResponder { responder_id: "a4", reason: "迁出" }),
        command!(WithdrawResponder { responder_id: "b2", reason: "迁出" }),
    ]);
    let (drop, remove) = ("drop_designation:III:br:hq#guard:MEMBER:a4>", "remove_backup:III:team:gate#n1:MEMBER:b2>");
    assert_eq!(learnt(&story), ["replace_primary:III:team:gate#n1:MEMBER:a3>b1", remove, drop]);
    story.when(next(&[])).then_rejected("lesson_needed");
    story.when(next(&[drop])).then_rejected("lesson_needed");
    story.when(next(&[drop, remove])).then_among(["PlanDrafted out-v1@2", "PostDesignated out-v1@2 a3", "PostDesignated out-v1@2 a5"]);
}

#[test]
fn rows_that_change_the_same_are_not_both_accepted() {
    let mut story = after_the_outbreak();
    story.and([command!(WithdrawResponder { responder_id: "a3", reason: "迁出" })]);
    let mut story = over(story);
    let (replace, drop) = ("replace_primary:III:team:gate#n1:MEMBER:a3>b1", "drop_designation:III:team:gate#n1:MEMBER:a3>");
    assert_eq!(learnt(&story), [replace, drop]);
    story.when(next(&[replace, drop])).then_rejected("lesson_conflict");
    story.when(next(&[drop, replace])).then_rejected("lesson_conflict");
    story.when(next(&[replace, replace])).then_rejected("plan_part_repeated");
    // Somebody who has left is not made the last backup.
    let drafted = story.when(next(&[replace])).events();
    let Event::PostDesignated(gate) = &drafted[3].event else { panic!("a post was designated") };
    assert_eq!((gate.responder_id.as_str(), &gate.backup_ids[..]), ("b1", &["b2".to_owned()][..]));
}

#[test]
fn lessons_are_there_once_the_area_has_stood_down() {
    let story = after_the_outbreak();
    let refused = |plan: &str, incident: &str| lessons(&story.state, plan, incident).expect_err("there are none").code();
    assert_eq!(refused("out-v1", "out"), "plan_not_stood_down");
    assert_eq!(refused("out-v2", "out"), "plan_not_stood_down");
    assert_eq!(refused("out-v1", "none"), "unknown_incident");
    assert_eq!(refused("none", "out"), "unknown_plan");
    assert_eq!(refused("out-v1", ""), "field_missing");
}

/// Whoever is put into a plan is called by it without a further word: the home is touched as the plan is, row by row.
#[test]
fn the_next_version_touches_the_plan_and_the_homes_of_those_who_come_in() {
    let story = over(after_the_outbreak());
    let touched = |rows: &[&str]| {
        let touched = story.state.touches(&v1::Context::default(), &next(rows));
        let people: Vec<_> = touched.people.iter().map(|person| person.id.clone()).collect();
        (touched.places.iter().map(|path| muster_proto::path_end(path).to_owned()).collect::<Vec<_>>(), people)
    };
    let with_b1 = touched(&["replace_primary:III:team:gate#n1:MEMBER:a3>b1"]);
    assert_eq!(with_b1, (vec!["v1".to_owned(), "v2".to_owned()], vec!["b1".to_owned()]), "b1 lives in v2");
    for rows in [&[][..], &["nonsense"]] {
        assert_eq!(touched(rows), (vec!["v1".to_owned()], vec![]), "{rows:?}");
    }
}
