//! Incidents: declared and led by those who may, and closed when nothing of them is left.

use muster_proto::v1::{IncidentGrade, IncidentType, NeedKind, ResponseLevel, Severity, UnitKind, WarningLevel};

use super::Story;
use super::town::{self, change, convert, declare, stand_down};

#[test]
fn only_the_area_or_one_above_declares() {
    let mut story = Story::given(town::town());
    let flood = || declare("flood", IncidentType::Flood, "t1", Severity::Minor, "");
    story.by("v1").when(flood()).then_rejected("not_the_authority");
    story.by("k2").when(flood()).then_rejected("not_the_authority");
    story.by("nowhere").when(flood()).then_rejected("unknown_area");
    story.by("").when(flood()).then_rejected("office_required");
    story.by("k1").when(flood()).then(["IncidentDeclared flood actual"]);
    story.when(flood()).then_rejected("already_exists");
    story.when(declare("x", IncidentType::Flood, "t1", Severity::Unspecified, "")).then_rejected("field_missing");
    story.when(declare("x", IncidentType::Unspecified, "t1", Severity::Minor, "")).then_rejected("field_missing");
    story.when(declare("x", IncidentType::Flood, "t1", Severity::Minor, "a.b")).then_rejected("id_invalid");
}

#[test]
fn conversion_needs_scope_authority_level_and_a_plan() {
    let mut story = Story::given(town::town());
    story.and([
        declare("out", IncidentType::Outbreak, "k1", Severity::Minor, ""),
        declare("fire", IncidentType::Fire, "c", Severity::Minor, ""),
    ]);
    story.when(convert("none", "v1", ResponseLevel::Iv)).then_rejected("unknown_incident");
    story.when(convert("out", "k2", ResponseLevel::Iv)).then_rejected("outside_incident");
    story.when(convert("out", "c", ResponseLevel::Iv)).then_rejected("outside_incident");
    story.when(convert("out", "v3", ResponseLevel::Iv)).then_rejected("no_plan_to_convert");
    story.when(convert("fire", "c", ResponseLevel::Iv)).then_rejected("no_plan_to_convert");
    story.when(convert("out", "v1", ResponseLevel::Unspecified)).then_rejected("field_missing");
    story.by("v2").when(convert("out", "v1", ResponseLevel::Iv)).then_rejected("not_the_authority");
    story.by("v2").when(change("out", "v1", ResponseLevel::Iv)).then_rejected("not_the_authority");
    story.by("v2").when(stand_down("out", "v1")).then_rejected("not_the_authority");
    story.by("v1").when(stand_down("out", "v1")).then_rejected("not_converted");
}

#[test]
fn warning_and_grade_are_said_once() {
    let mut story = Story::given(town::town());
    story.and([declare("out", IncidentType::Outbreak, "k1", Severity::Minor, "")]);
    let warn = |level: WarningLevel| command!(ChangeWarning { incident_id: "out", warning: level });
    let grade = |level: IncidentGrade| command!(ChangeGrade { incident_id: "out", grade: level });
    story.by("t1").when(warn(WarningLevel::Red)).then_rejected("not_the_authority");
    story.by("k1").when(warn(WarningLevel::Red)).then(["WarningChanged"]);
    story.when(warn(WarningLevel::Red)).then_nothing();
    story.when(grade(IncidentGrade::Major)).then(["GradeChanged"]);
    story.when(grade(IncidentGrade::Major)).then_nothing();
    story.when(command!(ChangeGrade { incident_id: "out", grade: 77 })).then_rejected("field_invalid");
}

#[test]
fn an_incident_closes_when_nothing_of_it_is_left() {
    let mut story = Story::given(town::town());
    story.and([town::outbreak()]);
    let close = || command!(CloseIncident { incident_id: "out" });
    story.by("v1").when(close()).then_rejected("not_the_authority");
    story.by("c").and([convert("out", "v2", ResponseLevel::Iv)]);
    story.when(close()).then_rejected("incident_still_active");
    story.and([stand_down("out", "v2"), town::site("s", "out", "v1", &["a"])]);
    story.when(close()).then_rejected("incident_still_active");
    story.and([command!(CloseSite { site_id: "s" }), town::unit("u", "out", UnitKind::ServiceTeam, "v1")]);
    story.when(close()).then_rejected("incident_still_active");
    story.and([command!(DissolveUnit { unit_id: "u" })]);
    story.and([command!(BlowWhistle {
        whistle_id: "w",
        incident_id: "out",
        area_id: "v1",
        severity: Severity::Minor,
        needs: vec![town::need("n", NeedKind::Supply, "", 1)],
    })]);
    story.when(close()).then_rejected("incident_still_active");
    story.and([command!(ResolveWhistle { whistle_id: "w" })]);
    story.when(close()).then(["IncidentClosed out"]);
    story.when(close()).then_rejected("incident_closed");
    story.when(convert("out", "v1", ResponseLevel::Iv)).then_rejected("incident_closed");
    story.when(town::site("s2", "out", "v1", &[])).then_rejected("incident_closed");
}

/// The tree may change while an incident goes on: what it converted can still be taken off.
#[test]
fn what_moved_out_of_the_incident_is_stood_down_with_the_rest() {
    let mut story = Story::given(town::town());
    story.and([declare("out", IncidentType::Outbreak, "t1", Severity::Minor, ""), convert("out", "t1", ResponseLevel::Iv)]);
    story.and([command!(ReparentArea { area_id: "v2", parent_id: "t3" })]);
    story.when(stand_down("out", "v2")).then_rejected("outside_incident");
    story.when(stand_down("out", "t1")).then_among(["AreaStoodDown out-v1", "AreaStoodDown out-v2"]);
    story.when(command!(CloseIncident { incident_id: "out" })).then(["IncidentClosed out"]);
}
