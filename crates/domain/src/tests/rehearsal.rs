//! 推演: what a conversion would be is what it then is, and asking changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{self, DutyRole, IncidentType, RehearsalDetail, ResponseLevel, Severity};
use muster_proto::{Command, Event};

use super::Story;
use super::town::{self, away, check_in, convert, draft, plan_site, post, publish};
use crate::execute::{Emitted, Now, execute};
use crate::rehearse::{RehearsalQuery, rehearse, rehearse_plan};
use crate::state::State;
use crate::words;
use ResponseLevel::{I, Ii, Iii, Iv};

pub(super) fn query(area_id: &str, incident_type: IncidentType, response: ResponseLevel) -> RehearsalQuery {
    RehearsalQuery { area_id: area_id.to_owned(), incident_type, response, detail: RehearsalDetail::Posts }
}

fn rehearsed(story: &Story, area_id: &str, incident_type: IncidentType, response: ResponseLevel) -> v1::Rehearsal {
    rehearse(&story.state, story.now_ms, &query(area_id, incident_type, response)).expect("there is a plan")
}

fn last(rehearsal: &v1::Rehearsal) -> &v1::RehearsedLevel {
    rehearsal.levels.last().expect("a level was asked for")
}

fn posts(plan: &v1::RehearsedPlan) -> Vec<String> {
    let post = |post: &v1::RehearsedPost| {
        format!("{}/{} {} backup {} others {}", post.site_key, post.seat_key, post.responder_id, post.backup, post.others)
    };
    plan.posts.iter().map(post).collect()
}

fn gaps(plan: &v1::RehearsedPlan) -> Vec<String> {
    let gap = |gap: &v1::RehearsedGap| format!("{}/{} {} {:?}", gap.site_key, gap.seat_key, gap.responder_id, gap.reason());
    plan.gaps.iter().map(gap).collect()
}

fn rehearsal_of(plan_id: &str, response: ResponseLevel) -> Command {
    command!(RehearsePlan { plan_id: plan_id, response: response })
}

#[test]
fn each_level_tells_who_would_stand_where_and_what_stays_empty() {
    let mut story = Story::given(town::town());
    story.and([away("a1"), away("a3"), away("b1")]);
    let rehearsal = rehearsed(&story, "v1", IncidentType::Outbreak, Ii);
    let levels: Vec<_> = rehearsal.levels.iter().map(v1::RehearsedLevel::response).collect();
    assert_eq!(levels, [Iv, Iii, Ii]);
    let plan = &rehearsal.levels[0].plans[0];
    assert_eq!(posts(plan), ["hq/desk a6 backup 1 others 0", "/ a2 backup 0 others 0"]);
    assert_eq!(plan.standby_ids, ["a5"]);
    assert!(gaps(plan).is_empty());
    let plan = &rehearsal.levels[1].plans[0];
    assert_eq!(posts(plan)[2..], ["gate/n1 b2 backup 2 others 0", "hq/guard a4 backup 0 others 0"]);
    // Nobody is named for the second seat at the gate.
    let plan = &rehearsal.levels[2].plans[0];
    assert_eq!(gaps(plan), ["gate/n2  NoDesignation"]);
    let figures = rehearsal.levels[2].total.as_ref().expect("there are figures");
    assert_eq!((figures.sites, figures.units, figures.seats, figures.seats_filled), (2, 2, 4, 3));
    assert_eq!((figures.unseated_posts, figures.unseated_filled, figures.standby, figures.single_points), (1, 1, 1, 4));
    assert_eq!(figures.gaps.len(), 1);
}

#[test]
fn who_has_a_backup_that_could_come_is_no_single_point() {
    let story = Story::given(town::town());
    let rehearsal = rehearsed(&story, "v1", IncidentType::Outbreak, Iii);
    let plan = &last(&rehearsal).plans[0];
    assert_eq!(
        posts(plan)[..],
        ["hq/desk a1 backup 0 others 1", "/ a2 backup 0 others 0", "gate/n1 a3 backup 0 others 2", "hq/guard a4 backup 0 others 0",]
    );
    assert_eq!(last(&rehearsal).total.as_ref().map(|figures| figures.single_points), Some(2));
}

#[test]
fn people_on_duty_are_busy_and_the_supposed_incident_outranks_nobody() {
    let mut story = Story::given(town::town());
    story.and([town::declare("typ", IncidentType::Typhoon, "c", Severity::Minor, ""), convert("typ", "t1", Iv)]);
    let rehearsal = rehearsed(&story, "v1", IncidentType::Outbreak, Iv);
    let plan = &last(&rehearsal).plans[0];
    assert_eq!(posts(plan)[0], "hq/desk a6 backup 1 others 0");
    // An exercise makes nobody busy.
    let mut story = Story::given(town::town());
    story.and([town::declare("x", IncidentType::Typhoon, "c", Severity::Extreme, "drill"), convert("x", "t1", Iv)]);
    let rehearsal = rehearsed(&story, "v1", IncidentType::Outbreak, Iv);
    assert_eq!(posts(&last(&rehearsal).plans[0])[0], "hq/desk a1 backup 0 others 1");
}

#[test]
fn people_whom_two_plans_want_are_named_with_both() {
    let mut story = Story::given(town::people());
    let site = |area: &str| vec![plan_site("hq", area, Iv, &[("desk", Iv), ("late", Iii)])];
    story.and([
        draft("p1", "v1", IncidentType::Fire, site("v1"), vec![]),
        post("p1", Iv, DutyRole::Member, ["", "hq", "desk"], "a1", &[]),
        publish("p1"),
        draft("p2", "v2", IncidentType::Fire, site("v2"), vec![]),
        post("p2", Iv, DutyRole::Member, ["", "hq", "desk"], "b1", &["a1"]),
        post("p2", Iii, DutyRole::Member, ["", "hq", "late"], "a1", &["b2"]),
        publish("p2"),
    ]);
    let rehearsal = rehearsed(&story, "t1", IncidentType::Fire, Iii);
    let level = last(&rehearsal);
    let expected = v1::ContestedPerson { responder_id: "a1".to_owned(), plan_id: "p1".to_owned(), wanted_by: vec!["p2".to_owned()] };
    assert_eq!(level.contested, [expected]);
    assert_eq!(posts(&level.plans[1]), ["hq/desk b1 backup 0 others 0", "hq/late b2 backup 1 others 0"]);
    let by_area: Vec<_> = level.areas.iter().map(|area| (area.area_id.as_str(), area.figures.as_ref().map(|sums| sums.seats))).collect();
    assert_eq!(by_area, [("t1", Some(4)), ("v1", Some(2)), ("v2", Some(2))]);
    // At the lower level b1 comes, and nobody misses a1.
    assert!(rehearsal.levels[0].contested.is_empty());
}

#[test]
fn a_seat_whose_designation_begins_later_is_empty_until_then() {
    let mut story = Story::given(town::people());
    story.and([
        draft("p", "v1", IncidentType::Fire, vec![plan_site("hq", "v1", Iv, &[("desk", Iv)])], vec![]),
        post("p", Ii, DutyRole::Member, ["", "hq", "desk"], "a1", &[]),
        publish("p"),
    ]);
    let rehearsal = rehearsed(&story, "v1", IncidentType::Fire, Ii);
    assert_eq!(gaps(&rehearsal.levels[0].plans[0]), ["hq/desk  NoDesignation"]);
    assert_eq!(posts(&rehearsal.levels[2].plans[0]), ["hq/desk a1 backup 0 others 0"]);
}

#[test]
fn seats_that_take_shelter_are_neither_filled_nor_gaps() {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), command!(RecallArea { incident_id: "out", area_id: "v1", reason: "台风" })]);
    let rehearsal = rehearsed(&story, "v1", IncidentType::Outbreak, Iii);
    let figures = last(&rehearsal).total.as_ref().expect("there are figures");
    assert_eq!((figures.seats, figures.seats_filled, figures.seats_suspended, figures.gaps.len()), (3, 2, 1, 0));
}

#[test]
fn a_plan_is_rehearsed_on_the_live_roster_and_the_figures_are_kept() {
    let mut story = Story::given(town::town());
    story.when(rehearsal_of("out-v1", Iii)).then(["PlanRehearsed out-v1@1 III 3/3 single 2"]);
    story.and([away("a4"), away("a1"), away("a6")]);
    story.when(rehearsal_of("out-v1", Iii)).then(["PlanRehearsed out-v1@1 III 1/3 single 1"]);
    story.when(rehearsal_of("none", Iii)).then_rejected("unknown_plan");
    story.when(rehearsal_of("", Iii)).then_rejected("field_missing");
    story.when(command!(RehearsePlan { plan_id: "out-v1" })).then_rejected("field_missing");
    story.and([draft("p", "v1", IncidentType::Fire, vec![], vec![])]);
    story.when(rehearsal_of("p", Iii)).then_rejected("plan_not_published");
}

/// What the planner worked out is checked again where it is cheap, and never counted again.
#[test]
fn figures_of_another_state_are_refused() {
    let story = Story::given(town::town());
    let asked = v1::RehearsePlan { plan_id: "out-v1".to_owned(), response: Iii.into(), ..Default::default() };
    let figures = rehearse_plan(&story.state, story.now_ms, &asked).expect("the plan is published");
    assert_eq!((figures.base_position, figures.version), (story.state.position(), 1));
    let code = |state: &State, body: v1::RehearsePlan| {
        super::carry_out(&mut state.clone(), story.now_ms, &Command::RehearsePlan(body))
            .map(|emitted| emitted.len())
            .map_err(|refusal| refusal.code())
    };
    assert_eq!(code(&story.state, figures.clone()), Ok(1));
    assert_eq!(code(&story.state, v1::RehearsePlan { version: 0, ..figures.clone() }), Err("rehearsal_outdated"));
    assert_eq!(code(&story.state, v1::RehearsePlan { base_position: figures.base_position + 1, ..figures.clone() }), Err("field_invalid"));
    assert_eq!(code(&story.state, v1::RehearsePlan { fillable: figures.seats + 1, ..figures.clone() }), Err("field_invalid"));
    let mut later = story.state.clone();
    later.position += crate::limits::REHEARSAL_BEHIND_MAX;
    assert_eq!(code(&later, figures.clone()), Ok(1));
    later.position += 1;
    assert_eq!(code(&later, figures), Err("rehearsal_outdated"));
    // Figures that somebody states are not those that are kept.
    let forged = v1::RehearsePlan { seats: 99, fillable: 99, version: 9, ..asked.clone() };
    assert_eq!(rehearse_plan(&story.state, story.now_ms, &forged), rehearse_plan(&story.state, story.now_ms, &asked));
}

#[test]
fn what_cannot_be_rehearsed_is_refused_at_its_field() {
    let story = Story::given(town::town());
    let refused = |query: RehearsalQuery| rehearse(&story.state, story.now_ms, &query).expect_err("it cannot be rehearsed");
    assert_eq!(refused(query("nowhere", IncidentType::Outbreak, Iv)).code(), "unknown_area");
    assert_eq!(refused(query("v1", IncidentType::Fire, Iv)).code(), "no_plan_to_convert");
    assert_eq!(refused(query("v1", IncidentType::Unspecified, Iv)).field(), "incident_type");
    assert_eq!(refused(query("v1", IncidentType::Outbreak, ResponseLevel::Unspecified)).field(), "response");
}

#[test]
fn full_strength_is_told_once_there_is_history() {
    let mut story = Story::given(town::town());
    let strength = |story: &Story| {
        let rehearsal = rehearsed(story, "v2", IncidentType::Outbreak, Iv);
        last(&rehearsal).total.as_ref().and_then(|figures| figures.full_strength).expect("it is told")
    };
    assert!(strength(&story).too_little_history);
    story.and([town::outbreak(), town::site("s", "out", "v2", &["x"])]);
    for _ in 0..crate::limits::ARRIVALS_MIN {
        story.and([town::dispatch("b3", "s", "x")]);
        story.after_minutes(10).events();
        let call = story.state.ops.calls.iter().last().map(|(key, _)| key.text()).expect("b3 was called");
        story.and([check_in("b3", "s"), command!(RecallResponder { call_id: call }), town::check_out("b3", "s")]);
    }
    let told = strength(&story);
    // Ten minutes lie within the step that ends at 680 seconds.
    assert_eq!((told.too_little_history, told.samples, told.p50_ms, told.p90_ms), (false, 30, 680_000, 680_000));
}

/// Posts by plan, unit, site and seat with the person; empty posts by plan, seat and primary; people who stand by.
type Told = (BTreeMap<[String; 4], String>, BTreeSet<[String; 3]>, BTreeSet<String>);

/// What a conversion's records tell.
fn converted(emitted: &[Emitted]) -> Told {
    let key = |id: &str| id.rsplit('/').next().unwrap_or_default().to_owned();
    let (mut seats, mut gaps, mut standby) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    for record in emitted {
        match &record.event {
            Event::ResponderCalled(body) => {
                let post = [body.plan_id.clone(), key(&body.unit_id), key(&body.site_id), body.seat_id.clone()];
                let who = if body.seat_id.is_empty() { String::new() } else { body.responder_id.clone() };
                // Posts without a seat are told apart by name.
                let unseated = if body.seat_id.is_empty() { body.responder_id.clone() } else { String::new() };
                seats.insert([post[0].clone(), post[1].clone(), format!("{}{unseated}", post[2]), post[3].clone()], who);
            }
            Event::GapRecorded(body) => {
                let plan = body.site_id.split('/').nth(1).or_else(|| body.unit_id.split('/').nth(1)).unwrap_or_default();
                gaps.insert([plan.to_owned(), format!("{}#{}", key(&body.site_id), body.seat_id), body.responder_id.clone()]);
            }
            Event::ResponderPutOnStandby(body) => drop(standby.insert(body.responder_id.clone())),
            Event::StandbyEnded(body) => drop(standby.remove(&body.responder_id)),
            _ => {}
        }
    }
    (seats, gaps, standby)
}

/// The rehearsal of the whole city leaves the state as it is, and tells what the conversion then does.
pub(super) fn invariant_a_rehearsal_is_what_a_conversion_then_does(state: &State, now_ms: i64) {
    for incident_type in [IncidentType::Outbreak, IncidentType::Typhoon] {
        for response in [Iv, Iii, Ii, I] {
            let before = words::canonical_bytes(state);
            let Ok(rehearsal) = rehearse(state, now_ms, &query("c", incident_type, response)) else { continue };
            assert!(before == words::canonical_bytes(state), "a rehearsal changes nothing");
            let level = rehearsal.levels.last().expect("a level was asked for");
            let mut copy = state.clone();
            let office = Some(v1::Office { area_id: "c".to_owned(), ..Default::default() });
            let context = v1::Context { actor_office: office, ..Default::default() };
            let mut position = copy.position();
            let mut emitted = Vec::new();
            for command in [town::declare("rehearsed", incident_type, "c", Severity::Minor, ""), convert("rehearsed", "c", response)] {
                let now = Now { recorded_at_ms: now_ms, next_position: position + 1, context: &context };
                emitted = execute(&mut copy, now, &command).expect("what can be rehearsed can be converted");
                position += emitted.len() as u64;
            }
            compare(level, &emitted);
        }
    }
}

fn compare(level: &v1::RehearsedLevel, emitted: &[Emitted]) {
    let (seats, gaps, standby) = converted(emitted);
    let mut told = BTreeMap::new();
    let mut empty = BTreeSet::new();
    let mut by = BTreeSet::new();
    for plan in &level.plans {
        for post in &plan.posts {
            let unseated = if post.seat_key.is_empty() { post.responder_id.clone() } else { String::new() };
            let who = if post.seat_key.is_empty() { String::new() } else { post.responder_id.clone() };
            told.insert([plan.plan_id.clone(), post.unit_key.clone(), format!("{}{unseated}", post.site_key), post.seat_key.clone()], who);
        }
        empty.extend(
            plan.gaps.iter().map(|gap| [plan.plan_id.clone(), format!("{}#{}", gap.site_key, gap.seat_key), gap.responder_id.clone()]),
        );
        by.extend(plan.standby_ids.iter().cloned());
        let figures = plan.figures.as_ref().expect("there are figures");
        let without = plan.gaps.iter().filter(|gap| !gap.seat_key.is_empty()).count();
        assert_eq!(figures.seats as usize, figures.seats_filled as usize + figures.seats_suspended as usize + without, "each seat once");
    }
    assert_eq!(told, seats, "who would stand where, and who stands there");
    assert_eq!(empty, gaps.into_iter().collect::<BTreeSet<_>>(), "posts and seats that nobody takes");
    assert_eq!(by, standby, "who would stand by, and who does");
}
