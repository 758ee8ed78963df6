//! Organizations called: they acknowledge, name people, report in, or are late.

use muster_proto::Command;
use muster_proto::v1::{NeedKind, Severity};

use super::Story;
use super::town::{self, blow, come, need};

fn call(quantity: u32) -> Command {
    command!(CallOrganization { organization_id: "power", whistle_id: "w", need_id: "n", quantity: quantity })
}

fn name(call_id: &str, people: &[&str]) -> Command {
    let people: Vec<String> = people.iter().map(|id| (*id).to_owned()).collect();
    command!(NominatePeople { call_id: call_id, responder_ids: people })
}

/// A whistle of v1 that nobody has to wait for.
fn blown() -> Story {
    let mut story = Story::given(town::people());
    story.and([
        blow("w", "v1", Severity::Minor, vec![need("n", NeedKind::Person, "", 2)]),
        command!(AcknowledgeWhistle { whistle_id: "w" }),
    ]);
    story
}

#[test]
fn a_department_reports_in_once_enough_of_its_people_are_there() {
    let mut story = blown();
    let called = story.when(call(2)).then(["OrganizationCalled o1 power w#n 2"]);
    assert_eq!(called[0].other_area_ids, ["k1"], "the organization's own area sees the call");
    let known = || command!(AcknowledgeCall { call_id: "o1" });
    story.when(known()).then(["OrganizationAcknowledged o1"]);
    story.when(known()).then_nothing();
    story.when(name("o1", &["e1", "e2", "e3"])).then([
        "PeopleNominated o1 e1,e2,e3",
        "ResponderCalled c1 e1 w#n Nominated",
        "ResponderCalled c2 e2 w#n Nominated",
        "ResponderCalled c3 e3 w#n Nominated",
    ]);
    story.when(come("e1", "w")).then(["CheckedIn e1 w c1"]);
    story.when(come("e3", "w")).then(["CheckedIn e3 w c3", "WhistleFilled w", "OrganizationReportedIn o1 2"]);
    story.when(come("e2", "w")).then(["CheckedIn e2 w c2"]);
    // Reported in in time: nobody chases.
    story.after_minutes(120).then_nothing();
    story.when(command!(ResolveWhistle { whistle_id: "w" })).then([
        "PartConfirmed w#n by c",
        "WhistleResolved w",
        "ResponderRecalled c1",
        "ResponderRecalled c2",
        "ResponderRecalled c3",
    ]);
}

#[test]
fn a_slow_department_is_named_once() {
    let mut story = blown();
    story.and([call(2), name("o1", &["e1"]), town::accept("c1")]);
    story.after_minutes(30).then(["OrganizationOverdue o1 2 missing"]);
    story.after_minutes(300).then_nothing();
    // Late is better than never.
    story.and([name("o1", &["e2"]), come("e1", "w")]);
    story.when(come("e2", "w")).then(["CheckedIn e2 w c2", "WhistleFilled w", "OrganizationReportedIn o1 2"]);
}

#[test]
fn a_deadline_may_be_said() {
    let mut story = blown();
    let at = |deadline_ms: i64| {
        command!(CallOrganization { organization_id: "power", whistle_id: "w", need_id: "n", quantity: 1u32, deadline_ms: deadline_ms })
    };
    story.when(at(story.now_ms)).then_rejected("field_invalid");
    story.and([at(story.now_ms + 5 * super::MINUTE_MS)]);
    story.after_minutes(5).then(["OrganizationOverdue o1 1 missing"]);
}

#[test]
fn who_calls_and_who_is_named() {
    let mut story = blown();
    story.by("v2").when(call(1)).then_rejected("not_the_authority");
    story.by("v1").when(call(0)).then_rejected("field_missing");
    story.when(call(1_001)).then_rejected("too_many");
    story
        .when(command!(CallOrganization { organization_id: "none", whistle_id: "w", need_id: "n", quantity: 1u32 }))
        .then_rejected("unknown_organization");
    story.when(command!(CallOrganization { organization_id: "power", quantity: 1u32 })).then_rejected("target_required");
    story
        .when(command!(CallOrganization { organization_id: "power", whistle_id: "w", need_id: "n", incident_id: "out", quantity: 1u32 }))
        .then_rejected("other_incident");
    story.and([call(1)]);
    story.when(name("o9", &["e1"])).then_rejected("unknown_call");
    story.when(name("c1", &["e1"])).then_rejected("unknown_call");
    story.when(name("o1", &[])).then_rejected("field_missing");
    story.when(name("o1", &["a1"])).then_rejected("not_of_organization");
    story.when(name("o1", &["e1", "e1"])).then_rejected("already_exists");
    story.and([town::away("e1")]);
    story.when(name("o1", &["e2", "e1"])).then_rejected("responder_unavailable");
    story.and([name("o1", &["e2"])]);
    story.when(name("o1", &["e2"])).then_rejected("responder_already_on_duty");
}

#[test]
fn a_department_may_decline_until_it_has_named_people() {
    let mut story = blown();
    story.and([call(1)]);
    let decline = |id: &str| command!(DeclineCall { call_id: id, reason: "正在抢修" });
    story.when(decline("o1")).then(["OrganizationCallDeclined o1"]);
    story.when(decline("o1")).then_rejected("call_over");
    story.when(name("o1", &["e1"])).then_rejected("call_over");
    story.after_minutes(60).then_nothing();
    story.and([call(1), name("o2", &["e1"])]);
    story.when(decline("o2")).then_rejected("call_phase");
}

#[test]
fn a_whistle_that_is_over_lets_the_departments_go() {
    let mut story = blown();
    story.and([call(1), call(1), name("o2", &["e1"]), come("e1", "w")]);
    story.when(command!(ResolveWhistle { whistle_id: "w" })).then([
        "PartConfirmed w#n by c",
        "WhistleResolved w",
        "ResponderRecalled c1",
        "OrganizationCallEnded o1",
    ]);
    // The second had reported in. Neither names anybody any more.
    story.when(name("o1", &["e2"])).then_rejected("call_over");
    story.when(name("o2", &["e2"])).then_rejected("whistle_ended");
    story.after_minutes(60).then_nothing();
}

#[test]
fn people_named_after_the_report_do_not_take_it_back() {
    let mut story = blown();
    story.and([call(1), name("o1", &["e1"]), come("e1", "w")]);
    story.and([name("o1", &["e2"])]);
    story.when(come("e2", "w")).then(["CheckedIn e2 w c2", "WhistleFilled w"]);
}

#[test]
fn a_department_may_be_called_to_a_site() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x"])]);
    story
        .when(command!(CallOrganization { organization_id: "power", site_id: "s", quantity: 1u32 }))
        .then(["OrganizationCalled o1 power s 1"]);
    story.when(name("o1", &["e1"])).then(["PeopleNominated o1 e1", "ResponderCalled c1 e1 s Nominated"]);
    story.when(command!(CloseSite { site_id: "s" })).then_rejected("site_in_use");
    story.and([town::decline("c1")]);
    story.when(command!(CloseSite { site_id: "s" })).then(["SiteClosed s", "OrganizationCallEnded o1"]);
    story.when(name("o1", &["e1"])).then_rejected("call_over");
}

#[test]
fn a_person_already_at_the_site_counts_as_reported_in() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x"]), town::check_in("e1", "s")]);
    story.and([command!(CallOrganization { organization_id: "power", site_id: "s", quantity: 1u32 })]);
    story.when(name("o1", &["e1"])).then(["PeopleNominated o1 e1", "ResponderCalled c1 e1 s Nominated", "OrganizationReportedIn o1 1"]);
}
