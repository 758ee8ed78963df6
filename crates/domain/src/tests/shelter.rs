//! Take shelter 避险: who is called in, who confirms, who is listed; seats wait and are taken again.

use muster_proto::v1::{ResponseLevel, SiteKind};
use muster_proto::{Command, Event};

use super::town::{self, accept, check_in, check_out, convert, decline, dispatch, send, stand_down, whistle_for};
use super::{MINUTE_MS, Story};

fn recall(area_id: &str) -> Command {
    command!(RecallArea { incident_id: "out", area_id: area_id, reason: "台风登陆" })
}

fn safe(responders: &[&str]) -> Command {
    let ids: Vec<String> = responders.iter().map(|id| (*id).to_owned()).collect();
    command!(ConfirmSafe { incident_id: "out", responder_ids: ids })
}

fn resume(area_id: &str, reason: &str) -> Command {
    command!(ResumeArea { incident_id: "out", area_id: area_id, reason: reason })
}

/// `v1` converted at level III: the gate is outdoors, headquarters are not. `a3` is on post at the gate, `a4` at headquarters.
fn converted() -> Story {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "v1", ResponseLevel::Iii)]);
    story.and([check_in("a3", "out/out-v1/gate"), check_in("a4", "out/out-v1/hq")]);
    story.and([accept("c1"), accept("c2")]);
    story
}

fn seat_holder(story: &Story, site: &str, seat: usize) -> bool {
    story.state.ops.sites.get(story.state.ops.sites.find(site).unwrap()).seats[seat].holder.is_some()
}

#[test]
fn everybody_outdoors_is_called_in_and_nobody_under_a_roof() {
    let mut story = converted();
    story.and([check_in("b3", "out/out-v1/gate")]);
    story.when(recall("v1")).then([
        "AreaRecalled v1",
        "ShelterOrdered a3 out/out-v1/gate",
        "ShelterOrdered b3 out/out-v1/gate",
        "SiteSuspended out/out-v1/gate",
    ]);
    story.when(recall("v1")).then_nothing();
    story.when(safe(&["a3", "b3"])).then(["SafetyConfirmed v1 a3", "SafetyConfirmed v1 b3"]);
    story.when(safe(&["a3"])).then_nothing();
    story.when(safe(&["a4"])).then_rejected("not_called_in");
    story.when(safe(&[])).then_rejected("field_missing");
    // All are safe: nobody is listed.
    story.after_minutes(60).then_nothing();
}

#[test]
fn who_accepted_and_is_on_the_way_is_called_in_and_who_did_not_answer_is_not() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "g1", &["x", "y"]), dispatch("a1", "s", "x"), dispatch("a2", "s", "y")]);
    story.and([accept("c1"), whistle_for(2), send("a3", "w", "n"), accept("c3")]);
    let whistle_area = story.state.ops.whistles.iter().next().map(|(_, whistle)| story.state.base.areas.id(whistle.area).to_owned());
    assert_eq!(whistle_area.as_deref(), Some("v1"));
    story.when(recall("c")).then(["AreaRecalled c", "ShelterOrdered a1 s", "ShelterOrdered a3 w", "SiteSuspended s"]);
}

#[test]
fn the_unaccounted_are_listed_with_their_last_contact() {
    let mut story = converted();
    story.and([check_in("b3", "out/out-v1/gate")]);
    let seen_ms = story.now_ms;
    story.and([recall("v1"), safe(&["a3"])]);
    let listed = story.after_minutes(30).then(["UnaccountedListed v1 1: b3"]);
    let Event::UnaccountedListed(body) = &listed[0].event else { panic!("it is the list") };
    assert_eq!((body.people[0].last_seen_ms, body.people[0].site_id.as_str()), (seen_ms, "out/out-v1/gate"));
    story.after_minutes(400).then_nothing();
    // Found late.
    story.when(safe(&["b3"])).then(["SafetyConfirmed v1 b3"]);
}

/// All were safe, or the list was made; whoever a second call to shelter found in the open was waited for by nobody, and listed nowhere.
#[test]
fn who_is_called_in_later_is_waited_for_too() {
    let mut story = converted();
    story.and([recall("v1"), safe(&["a3"]), whistle_for(1), town::come("b1", "w")]);
    story.when(recall("v1")).then(["ShelterOrdered b1 w"]);
    story.after_minutes(29).then_nothing();
    story.after_minutes(1).then_among(["UnaccountedListed v1 1: b1"]);
    story.and([town::come("b2", "w")]);
    let due_ms = story.now_ms + 5 * MINUTE_MS;
    story.when(command!(RecallArea { incident_id: "out", area_id: "v1", due_ms: due_ms })).then(["ShelterOrdered b2 w"]);
    // Of whoever is listed later, those who are still missing are listed again.
    story.after_minutes(5).then(["UnaccountedListed v1 2: b1,b2"]);
    let later = super::lines(&story.after_minutes(60).events());
    assert!(!later.iter().any(|line| line.starts_with("UnaccountedListed")), "{later:#?}");
}

#[test]
fn nobody_outdoors_is_said_too() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), recall("v1")]);
    story.after_minutes(30).then(["UnaccountedListed v1 0: "]);
}

#[test]
fn suspended_seats_call_nobody_and_are_taken_again_afterwards() {
    let mut story = converted();
    story.and([recall("v1"), safe(&["a3"]), check_out("a3", "out/out-v1/gate")]);
    let gate = "out/out-v1/gate";
    story.when(dispatch("d1", gate, "n1")).then_rejected("site_suspended");
    story.when(town::absent("c3")).then_rejected("site_suspended");
    story.when(command!(RelieveResponder { call_id: "c3", by_responder_id: "d1" })).then_rejected("site_suspended");
    // Declined meanwhile: no backup is sent into the storm, and no gap is written down.
    story.when(decline("c3")).then(["CallDeclined c3", "DutyReleased c3 Declined"]);
    assert!(!seat_holder(&story, gate, 0));
    // The response goes up: the outdoor seat of the new tier waits with the others.
    story.when(town::change("out", "v1", ResponseLevel::Ii)).then([
        "ResponseChanged v1 III -> II",
        "AreaConverted out-v1@1 III -> II",
        "RequirementSet out/out-v1/gate [n1,n2]",
        // Nobody is named for it, shelter or not.
        "GapRecorded out/out-v1/gate#n2 nobody NoDesignation",
    ]);
    story.when(resume("v1", "")).then([
        "AreaResumed v1 without 0",
        "SiteResumed out/out-v1/gate",
        "ResponderCalled c5 a3 out/out-v1/gate#n1 PlanPrimary",
    ]);
    story.when(resume("v1", "")).then_rejected("not_recalled");
}

#[test]
fn who_was_called_in_keeps_the_duty_and_comes_back() {
    let mut story = converted();
    story.and([recall("v1"), safe(&["a3"]), check_out("a3", "out/out-v1/gate")]);
    story.when(resume("v1", "")).then(["AreaResumed v1 without 0", "SiteResumed out/out-v1/gate"]);
    story.when(check_in("a3", "out/out-v1/gate")).then(["CheckedIn a3 out/out-v1/gate c3"]);
}

#[test]
fn resuming_without_everybody_needs_a_reason() {
    let mut story = converted();
    story.and([recall("v1")]);
    story.when(resume("v1", "")).then_rejected("people_unaccounted");
    story.when(resume("v1", "已移交搜救")).then(["AreaResumed v1 without 1", "SiteResumed out/out-v1/gate"]);
    story.after_minutes(60).then_nothing();
}

#[test]
fn the_wider_recall_holds_when_the_narrower_ends() {
    let mut story = converted();
    story.and([recall("v1")]);
    story.when(recall("t1")).then(["AreaRecalled t1", "ShelterOrdered a3 out/out-v1/gate"]);
    story.when(safe(&["a3"])).then(["SafetyConfirmed t1 a3", "SafetyConfirmed v1 a3"]);
    story.when(resume("v1", "")).then(["AreaResumed v1 without 0"]);
    story.when(resume("t1", "")).then(["AreaResumed t1 without 0", "SiteResumed out/out-v1/gate"]);
}

#[test]
fn sites_opened_meanwhile_wait_too_unless_they_have_a_roof() {
    let mut story = converted();
    story.and([recall("v1")]);
    story.when(town::site("s", "out", "v1", &["x"])).then(["SiteOpened s [x]", "SiteSuspended s"]);
    let shelter = command!(OpenSite { site_id: "house", incident_id: "out", kind: SiteKind::Shelter, name: "体育馆", area_id: "v1" });
    story.when(shelter).then(["SiteOpened house []"]);
}

#[test]
fn only_the_authority_recalls_and_an_incident_in_shelter_is_not_closed() {
    let mut story = converted();
    story.by("v2");
    story.when(recall("v1")).then_rejected("not_the_authority");
    story.by("c");
    story.and([recall("v1")]);
    story.and([stand_down("out", "v1"), check_out("a3", "out/out-v1/gate"), check_out("a4", "out/out-v1/hq")]);
    story.when(command!(CloseIncident { incident_id: "out" })).then_rejected("incident_still_active");
    story.and([resume("v1", "已移交"), command!(CloseIncident { incident_id: "out" })]);
    let due_ms = story.now_ms - MINUTE_MS;
    story.and([town::declare("late", muster_proto::v1::IncidentType::Flood, "c", muster_proto::v1::Severity::Minor, "")]);
    story.when(command!(RecallArea { incident_id: "late", area_id: "v1", due_ms: due_ms })).then_rejected("field_invalid");
}

#[test]
fn an_exercise_calls_in_its_own_people_only() {
    let mut story = converted();
    story.and([
        town::declare("drill", muster_proto::v1::IncidentType::Outbreak, "c", muster_proto::v1::Severity::Minor, "drill-1"),
        convert("drill", "v1", ResponseLevel::Iii),
    ]);
    let of_drill = command!(RecallArea { incident_id: "drill", area_id: "v1" });
    story.when(of_drill).then(["AreaRecalled v1", "SiteSuspended drill/out-v1/gate"]);
}

/// An area that took shelter was put elsewhere in the tree, and could not resume because it no longer lay in the incident's area.
#[test]
fn an_area_resumes_wherever_it_hangs_now() {
    let mut story = Story::given(town::town());
    story.and([town::declare("typ", muster_proto::v1::IncidentType::Typhoon, "k1", muster_proto::v1::Severity::Severe, "")]);
    story.and([command!(RecallArea { incident_id: "typ", area_id: "t1", reason: "台风登陆" })]);
    story.and([command!(ReparentArea { area_id: "t1", parent_id: "k2" })]);
    let resume = command!(ResumeArea { incident_id: "typ", area_id: "t1", reason: "" });
    story.by("k1").when(resume.clone()).then_rejected("not_the_authority");
    story.by("k2").when(resume).then(["AreaResumed t1 without 0"]);
}

/// An order that waited in a channel is asked for here before it is told.
#[test]
fn an_order_stands_until_the_person_is_safe_or_the_area_resumes() {
    let mut story = converted();
    story.and([check_in("b3", "out/out-v1/gate")]);
    let emitted = story.when(recall("v1")).events();
    let orders = emitted.iter().filter_map(|emitted| if let Event::ShelterOrdered(order) = &emitted.event { Some(order) } else { None });
    let stand = |story: &Story| orders.clone().map(|order| story.state.shelter_stands(order)).collect::<Vec<_>>();
    assert_eq!(stand(&story), [true, true]);
    story.and([safe(&["a3"])]);
    assert_eq!(stand(&story), [false, true]);
    story.and([resume("v1", "风停")]);
    assert_eq!(stand(&story), [false, false]);
}
