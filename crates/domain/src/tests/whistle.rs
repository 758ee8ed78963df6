//! Whistles: blown, escalated until somebody answers, ended by the side that blew them.

use muster_proto::v1::{NeedKind, Rating, Severity};

use super::Story;
use super::town::{self, blow, come, need, send};

fn supplies(whistle_id: &str, area_id: &str, severity: Severity) -> muster_proto::Command {
    blow(whistle_id, area_id, severity, vec![need("n", NeedKind::Supply, "", 10)])
}

fn acknowledge(whistle_id: &str) -> muster_proto::Command {
    command!(AcknowledgeWhistle { whistle_id: whistle_id })
}

#[test]
fn a_whistle_is_well_formed() {
    let mut story = Story::given(town::people());
    let with = |needs| blow("w", "v1", Severity::Minor, needs);
    story.when(with(vec![])).then_rejected("field_missing");
    story.when(with(vec![need("n", NeedKind::Person, "", 0)])).then_rejected("field_missing");
    story.when(with(vec![need("n", NeedKind::Unspecified, "", 1)])).then_rejected("field_missing");
    story.when(with(vec![need("n", NeedKind::Person, "", 10_001)])).then_rejected("field_invalid");
    story.when(with(vec![need("n", NeedKind::Person, "", 1), need("n", NeedKind::Supply, "", 1)])).then_rejected("already_exists");
    story.when(with((0..51).map(|at| need(&format!("n{at}"), NeedKind::Person, "", 1)).collect())).then_rejected("too_many");
    let nameless = muster_proto::v1::Need { item: String::new(), ..need("n", NeedKind::Supply, "", 1) };
    story.when(with(vec![nameless])).then_rejected("field_missing");
    story.when(blow("w", "v1", Severity::Unspecified, vec![need("n", NeedKind::Person, "", 1)])).then_rejected("field_missing");
    story.when(blow("w", "nowhere", Severity::Minor, vec![need("n", NeedKind::Person, "", 1)])).then_rejected("unknown_area");
    story.and([town::declare("fire", muster_proto::v1::IncidentType::Fire, "k2", Severity::Minor, "")]);
    story
        .when(command!(BlowWhistle {
            whistle_id: "w",
            incident_id: "fire",
            area_id: "v1",
            severity: Severity::Minor,
            needs: vec![need("n", NeedKind::Person, "", 1)],
        }))
        .then_rejected("outside_incident");
    story.when(supplies("w", "v1", Severity::Minor)).then(["WhistleBlown w"]);
    story.when(supplies("w", "v1", Severity::Minor)).then_rejected("already_exists");
}

#[test]
fn without_an_answer_a_whistle_goes_up_to_the_city() {
    let mut story = Story::given(town::people());
    story.and([supplies("w", "g1", Severity::Moderate)]);
    story.after_minutes(29).then_nothing();
    story.after_minutes(1).then(["WhistleEscalated w g1 -> v1"]);
    story.after_minutes(60).then(["WhistleEscalated w v1 -> t1", "WhistleEscalated w t1 -> k1"]);
    story.after_minutes(30).then(["WhistleEscalated w k1 -> c"]);
    // Nobody is above the city: it is said once, and the whistle stays open.
    story.after_minutes(30).then(["PolicyStepRefused escalation w whistle_at_top"]);
    story.after_minutes(24 * 60).then_nothing();
    story.when(command!(EscalateWhistle { whistle_id: "w" })).then_rejected("whistle_at_top");
    story.by("k1").when(acknowledge("w")).then_rejected("not_the_authority");
    story.by("c").when(acknowledge("w")).then(["WhistleAcknowledged w by c"]);
    story.when(acknowledge("w")).then_nothing();
}

#[test]
fn severity_and_a_threat_to_life_shorten_the_wait() {
    let mut story = Story::given(town::people());
    story.and([supplies("severe", "v1", Severity::Severe)]);
    story.and([command!(BlowWhistle {
        whistle_id: "life",
        area_id: "v1",
        severity: Severity::Minor,
        life_threatening: true,
        needs: vec![need("n", NeedKind::Supply, "", 1)],
    })]);
    story.after_minutes(15).then([
        "WhistleEscalated life v1 -> t1",
        "WhistleEscalated life t1 -> k1",
        "WhistleEscalated severe v1 -> t1",
        "WhistleEscalated life k1 -> c",
    ]);
}

#[test]
fn timers_of_one_moment_fire_in_one_order() {
    let mut story = Story::given(town::people());
    story.and([supplies("b", "v2", Severity::Minor), supplies("a", "v1", Severity::Minor)]);
    story.after_minutes(30).then(["WhistleEscalated b v2 -> t1", "WhistleEscalated a v1 -> t1"]);
}

#[test]
fn an_answer_stops_the_clock_and_a_hand_starts_it_again() {
    let mut story = Story::given(town::people());
    story.and([supplies("w", "v1", Severity::Moderate)]);
    story.by("v2").when(acknowledge("w")).then_rejected("not_the_authority");
    story.by("t1").when(acknowledge("w")).then(["WhistleAcknowledged w by t1"]);
    story.after_minutes(240).then_nothing();
    story.by("v2").when(command!(EscalateWhistle { whistle_id: "w" })).then_rejected("not_the_authority");
    story.by("v1").when(command!(EscalateWhistle { whistle_id: "w", reason: "人手不足" })).then(["WhistleEscalated w v1 -> t1"]);
    // Now the township has to answer; the village no longer can.
    story.by("v1").when(acknowledge("w")).then_rejected("not_the_authority");
    story.after_minutes(30).then(["WhistleEscalated w t1 -> k1"]);
}

#[test]
fn only_the_blowing_side_ends_a_whistle() {
    let mut story = Story::given(town::people());
    story.and([supplies("w", "v1", Severity::Moderate)]);
    let resolve = || command!(ResolveWhistle { whistle_id: "w", note: "已送到" });
    story.by("v2").when(resolve()).then_rejected("not_the_blowing_side");
    story.by("k2").when(command!(WithdrawWhistle { whistle_id: "w" })).then_rejected("not_the_blowing_side");
    story.by("").when(resolve()).then_rejected("office_required");
    story.by("t1").when(resolve()).then(["PartConfirmed w#n by t1", "WhistleResolved w"]);
    story.when(resolve()).then_rejected("whistle_ended");
    story.when(command!(WithdrawWhistle { whistle_id: "w" })).then_rejected("whistle_ended");
    story.by("c").when(acknowledge("w")).then_rejected("whistle_ended");
    story.after_minutes(240).then_nothing();
}

#[test]
fn a_whistle_is_rated_once_by_the_office_that_blew_it() {
    let mut story = Story::given(town::people());
    story.and([supplies("w", "v1", Severity::Moderate), supplies("gone", "v1", Severity::Moderate)]);
    let rate = |id: &str, rating: Rating| command!(RateWhistle { whistle_id: id, rating: rating });
    story.by("v1").when(rate("w", Rating::Satisfied)).then_rejected("whistle_not_resolved");
    story.and([command!(ResolveWhistle { whistle_id: "w" }), command!(WithdrawWhistle { whistle_id: "gone" })]);
    story.by("t1").when(rate("w", Rating::Satisfied)).then_rejected("not_the_blowing_side");
    story.by("v1").when(rate("w", Rating::Unspecified)).then_rejected("field_missing");
    story.when(rate("w", Rating::Satisfied)).then(["WhistleRated w Satisfied"]);
    story.when(rate("w", Rating::Dissatisfied)).then_rejected("whistle_rated");
    story.when(rate("gone", Rating::Satisfied)).then_rejected("whistle_not_resolved");
}

#[test]
fn people_come_off_when_the_whistle_is_over() {
    let mut story = Story::given(town::people());
    story.and([town::whistle_for(2), send("a1", "w", "n"), send("a2", "w", "n"), come("a1", "w")]);
    story.when(command!(ResolveWhistle { whistle_id: "w" })).then([
        "PartConfirmed w#n by c",
        "WhistleResolved w",
        "ResponderRecalled c1",
        "DutyReleased c2 WhistleEnded",
    ]);
    story.when(town::go("a1", "w")).then(["CheckedOut a1 w", "DutyReleased c1 WhistleEnded"]);
    story.when(come("a3", "w")).then_rejected("whistle_ended");
    story.when(send("a3", "w", "n")).then_rejected("whistle_ended");
}

#[test]
fn a_merged_whistle_lives_on_in_the_other() {
    let mut story = Story::given(town::people());
    story.and([town::whistle_for(1), supplies("other", "v2", Severity::Moderate), send("a1", "w", "n")]);
    let merge = |from: &str, into: &str| command!(MergeWhistles { whistle_id: from, into_whistle_id: into });
    story.when(merge("w", "w")).then_rejected("merge_into_itself");
    story.when(merge("w", "none")).then_rejected("unknown_whistle");
    story.by("v2").when(merge("w", "other")).then_rejected("not_the_authority");
    story.by("t1").when(merge("w", "other")).then_rejected("whistle_has_duties");
    story.and([command!(RecallResponder { call_id: "c1" })]);
    let merged = story.when(merge("w", "other")).then(["WhistlesMerged w -> other"]);
    assert_eq!(merged[0].other_area_ids, ["v2"]);
    story.when(merge("other", "w")).then_rejected("whistle_ended");
}

#[test]
fn needs_are_met_by_what_is_brought_and_who_is_there() {
    let mut story = Story::given(town::people());
    story.and([blow("w", "v1", Severity::Moderate, vec![need("n", NeedKind::Person, "", 1), need("s", NeedKind::Supply, "", 10)])]);
    let bring = |need_id: &str, quantity: u32| {
        command!(FulfilNeed { whistle_id: "w", need_id: need_id, quantity: quantity, organization_id: "power" })
    };
    story.when(bring("x", 1)).then_rejected("unknown_need");
    story.when(bring("s", 0)).then_rejected("field_missing");
    story.when(bring("s", 4)).then(["NeedFulfilled w#s 4"]);
    story.when(bring("s", 6)).then(["NeedFulfilled w#s 6"]);
    story.when(bring("s", 1)).then_rejected("need_met");
    story.and([send("a1", "w", "n")]);
    story.when(send("a2", "w", "n")).then_rejected("need_met");
    story.when(send("a2", "w", "s")).then_rejected("need_kind_mismatch");
    story.when(come("a1", "w")).then(["CheckedIn a1 w c1", "WhistleFilled w"]);
    // Filled is not over: it ends when the blowing side says so.
    story.and([town::go("a1", "w")]);
    story.when(command!(ResolveWhistle { whistle_id: "w" })).then([
        "PartConfirmed w#n by c",
        "PartConfirmed w#s by c",
        "WhistleResolved w",
        "DutyReleased c1 WhistleEnded",
    ]);
}

/// An organization's first person is not yet the organization.
#[test]
fn a_need_for_an_organization_is_met_by_its_reporting_in() {
    let mut story = Story::given(town::people());
    story.and([
        blow("w", "v1", Severity::Moderate, vec![need("o", NeedKind::Organization, "power_supply", 1)]),
        command!(CallOrganization { organization_id: "power", whistle_id: "w", need_id: "o", quantity: 2u32 }),
        command!(NominatePeople { call_id: "o1", responder_ids: ["e1".to_owned(), "e2".to_owned()] }),
    ]);
    story.when(come("e1", "w")).then(["CheckedIn e1 w c1"]);
    story.when(come("e2", "w")).then(["CheckedIn e2 w c2", "OrganizationReportedIn o1 2", "NeedFulfilled w#o 1", "WhistleFilled w"]);
}
