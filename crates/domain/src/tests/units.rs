//! Units and sites made by hand.

use muster_proto::Command;
use muster_proto::v1::{ResponseLevel, Seat, UnitKind};

use super::Story;
use super::town::{self, attach, check_in, check_out, convert, decline, dispatch, unit};

fn declared() -> Story {
    let mut story = Story::given(town::town());
    story.and([town::outbreak()]);
    story
}

fn secretary(unit_id: &str, who: &str) -> Command {
    command!(AppointSecretary { unit_id: unit_id, responder_id: who, document_no: "组〔2026〕3号" })
}

fn organizer(unit_id: &str, who: &str) -> Command {
    command!(AppointOrganizer { unit_id: unit_id, responder_id: who, document_no: "组〔2026〕4号" })
}

fn dissolve(unit_id: &str) -> Command {
    command!(DissolveUnit { unit_id: unit_id })
}

fn detach(unit_id: &str, who: &str) -> Command {
    command!(DetachResponder { unit_id: unit_id, responder_id: who })
}

#[test]
fn a_party_organization_is_approved_by_its_superior() {
    let mut story = declared();
    let bare = |kind: UnitKind| command!(EstablishUnit { unit_id: "u", incident_id: "out", kind: kind, name: "支部", area_id: "v1" });
    story.by("v2").when(bare(UnitKind::ServiceTeam)).then_rejected("not_the_authority");
    story.by("v1").when(bare(UnitKind::TemporaryBranch)).then_rejected("field_missing");
    story
        .when(command!(EstablishUnit {
            unit_id: "u",
            incident_id: "out",
            kind: UnitKind::TemporaryBranch,
            name: "支部",
            area_id: "v1",
            superior_organization_id: "party",
        }))
        .then_rejected("field_missing");
    story.when(bare(UnitKind::ServiceTeam)).then(["UnitEstablished u"]);
    story.when(bare(UnitKind::ServiceTeam)).then_rejected("already_exists");
}

/// Whoever is taken into a unit is moved like anybody: by the own area's office or by one above, and nothing else is told of others.
#[test]
fn nobody_of_another_area_is_attached_without_release() {
    let mut story = declared();
    story.and([unit("team", "out", UnitKind::ServiceTeam, "v1"), town::away("b2")]);
    for who in ["b1", "b2", "f1"] {
        story.by("v1").when(attach("team", who)).then_rejected("release_required");
    }
    story.by("").when(attach("team", "a1")).then_rejected("office_required");
    story.by("v1").when(attach("team", "a1")).then(["ResponderAttached team a1"]);
    story.by("t1").when(attach("team", "b1")).then(["ResponderAttached team b1"]);
    story.when(attach("team", "b2")).then_rejected("responder_unavailable");
}

#[test]
fn units_are_a_tree_within_one_incident() {
    let mut story = declared();
    story.and([town::declare("fire", muster_proto::v1::IncidentType::Fire, "c", muster_proto::v1::Severity::Minor, "")]);
    story.and([unit("top", "out", UnitKind::ServiceTeam, "v1"), unit("foreign", "fire", UnitKind::ServiceTeam, "v1")]);
    let below = |parent: &str| {
        command!(EstablishUnit {
            unit_id: "u",
            incident_id: "out",
            kind: UnitKind::ServiceTeam,
            name: "队",
            area_id: "v1",
            parent_unit_id: parent,
        })
    };
    story.when(below("none")).then_rejected("unknown_unit");
    story.when(below("foreign")).then_rejected("other_incident");
    story.when(below("top")).then(["UnitEstablished u below top"]);
    story.when(dissolve("top")).then_rejected("unit_has_subunits");
    story.when(dissolve("u")).then(["UnitDissolved u"]);
    story.when(dissolve("top")).then(["UnitDissolved top"]);
    story.when(dissolve("top")).then_rejected("unit_dissolved");
    story.when(below("top")).then_rejected("already_exists");
}

#[test]
fn one_home_unit_and_extra_seats_beside_it() {
    let mut story = declared();
    story.and([unit("one", "out", UnitKind::ServiceTeam, "v1"), unit("two", "out", UnitKind::ServiceTeam, "v1")]);
    story.when(attach("one", "a1")).then(["ResponderAttached one a1"]);
    story.when(attach("one", "a1")).then_nothing();
    story.when(attach("two", "a1")).then_rejected("home_unit_taken");
    let extra = || command!(AttachResponder { unit_id: "two", responder_id: "a1", extra_seat: true });
    story.when(extra()).then(["ResponderAttached two a1 extra"]);
    story.when(extra()).then_nothing();
    story.when(detach("two", "a2")).then_rejected("not_in_unit");
    story.when(detach("two", "a1")).then(["ResponderDetached two a1"]);
    story.when(detach("one", "a1")).then(["ResponderDetached one a1"]);
    story.when(attach("two", "a1")).then(["ResponderAttached two a1"]);
    story.and([town::away("a2")]);
    story.when(attach("two", "a2")).then_rejected("responder_unavailable");
}

#[test]
fn secretaries_are_of_the_unit_organizers_need_not_be() {
    let mut story = declared();
    story.and([unit("br", "out", UnitKind::TemporaryBranch, "v1"), unit("br2", "out", UnitKind::TemporaryBranch, "v1")]);
    story.by("v2").when(secretary("br", "a1")).then_rejected("not_the_authority");
    story.by("v1").when(secretary("br", "a1")).then_rejected("not_in_unit");
    story.when(command!(AppointOrganizer { unit_id: "br", responder_id: "a2" })).then_rejected("field_missing");
    story.when(organizer("br", "a2")).then(["OrganizerAppointed br a2"]);
    story.when(organizer("br2", "a2")).then(["OrganizerAppointed br2 a2"]);
    story.and([attach("br", "a1")]);
    story.when(secretary("br", "a1")).then(["SecretaryAppointed br a1"]);
    story.when(secretary("br", "a1")).then_nothing();
    // Who leaves the unit no longer leads it.
    story.and([detach("br", "a1")]);
    assert_eq!(story.state.ops.units.get(story.state.ops.units.find("br").unwrap()).secretary, None);
}

#[test]
fn a_missing_organizer_is_chased_once_after_a_day() {
    let mut story = declared();
    story.and([unit("br", "out", UnitKind::TemporaryBranch, "v1"), unit("team", "out", UnitKind::VanguardTeam, "v1")]);
    story.and([unit("led", "out", UnitKind::TemporaryBranch, "v1"), organizer("led", "a1")]);
    story.after_minutes(24 * 60 - 1).then_nothing();
    story.after_minutes(1).then(["OrganizerGapOverdue br"]);
    story.after_minutes(24 * 60).then_nothing();
    story.and([unit("gone", "out", UnitKind::TemporaryBranch, "v1"), dissolve("gone")]);
    story.after_minutes(24 * 60).then_nothing();
}

#[test]
fn a_unit_is_not_dissolved_over_the_heads_of_its_people() {
    let mut story = declared();
    story.and([unit("team", "out", UnitKind::VanguardTeam, "v1"), town::site("s", "out", "v1", &["x"])]);
    story.and([command!(DispatchResponder { responder_id: "a1", site_id: "s", seat_id: "x", unit_id: "team" })]);
    story.when(dissolve("team")).then_rejected("responder_on_duty");
    story.when(detach("team", "a1")).then_rejected("responder_on_duty");
    story.and([check_in("a1", "s")]);
    story.when(dissolve("team")).then_rejected("unit_has_people_on_post");
    story.and([command!(RecallResponder { call_id: "c1" })]);
    story.when(dissolve("team")).then_rejected("unit_has_people_on_post");
    story.and([check_out("a1", "s")]);
    story.when(dissolve("team")).then(["UnitDissolved team"]);
}

/// Two shifts in one unit: the end of the first does not take the person off it.
#[test]
fn a_member_with_another_duty_in_the_unit_stays() {
    let mut story = declared();
    story.and([unit("team", "out", UnitKind::VanguardTeam, "v1"), town::site("s", "out", "v1", &["x", "y"])]);
    for (seat, from_ms, until_ms) in [("x", 0, story.now_ms + 1_000), ("y", story.now_ms + 1_000, 0)] {
        story.and([command!(DispatchResponder {
            responder_id: "a1",
            site_id: "s",
            seat_id: seat,
            unit_id: "team",
            from_ms: from_ms,
            until_ms: until_ms,
        })]);
    }
    let members = |story: &Story| story.state.ops.units.get(story.state.ops.units.find("team").unwrap()).members.len();
    story.and([command!(RecallResponder { call_id: "c1" })]);
    assert_eq!(members(&story), 1);
    story.and([command!(RecallResponder { call_id: "c2" })]);
    assert_eq!(members(&story), 0);
}

#[test]
fn a_site_has_seats_with_ids_and_keeps_those_in_use() {
    let mut story = declared();
    story.by("v2").when(town::site("s", "out", "v1", &["x"])).then_rejected("not_the_authority");
    story.by("c").when(town::site("s", "out", "v1", &["x", "x"])).then_rejected("already_exists");
    story.when(town::site("s", "none", "v1", &["x"])).then_rejected("unknown_incident");
    story.when(town::site("s", "out", "v1", &["x", "y"])).then(["SiteOpened s [x,y]"]);
    story.when(town::site("s", "out", "v1", &[])).then_rejected("already_exists");
    story.and([dispatch("a1", "s", "y")]);
    let seats = |ids: &[&str]| {
        let seats: Vec<_> = ids.iter().map(|id| Seat { seat_id: (*id).to_owned(), ..Default::default() }).collect();
        command!(SetRequirement { site_id: "s", seats: seats })
    };
    story.when(seats(&["x"])).then_rejected("seat_taken");
    // The holder keeps the seat by its id, wherever it stands in the list.
    story.when(seats(&["z", "w", "y"])).then(["RequirementSet s [z,w,y]"]);
    story.when(dispatch("a2", "s", "y")).then_rejected("seat_taken");
    story.when(command!(CloseSite { site_id: "s" })).then_rejected("site_in_use");
    story.and([command!(RecallResponder { call_id: "c1" }), check_in("a2", "s")]);
    story.when(command!(CloseSite { site_id: "s" })).then_rejected("site_in_use");
    story.and([check_out("a2", "s")]);
    story.when(command!(CloseSite { site_id: "s" })).then(["SiteClosed s"]);
    story.when(seats(&["x"])).then_rejected("site_closed");
}

#[test]
fn nobody_joins_a_unit_of_a_plan_that_is_standing_down() {
    let mut story = declared();
    story.and([convert("out", "v1", ResponseLevel::Iv), check_in("a1", "out/out-v1/hq"), town::site("s", "out", "v1", &["x"])]);
    story.and([town::stand_down("out", "v1")]);
    story
        .when(command!(DispatchResponder { responder_id: "a3", site_id: "s", seat_id: "x", unit_id: "out/out-v1/br" }))
        .then_rejected("area_standing_down");
}

/// Whoever withdrew stayed secretary of a unit without a duty in it: the unit still counted as led.
#[test]
fn who_withdraws_leaves_every_unit() {
    let mut story = declared();
    story.and([unit("br", "out", UnitKind::TemporaryBranch, "v1"), unit("team", "out", UnitKind::ServiceTeam, "v1")]);
    story.and([attach("br", "a1"), secretary("br", "a1")]);
    story.and([command!(AttachResponder { unit_id: "team", responder_id: "a1", extra_seat: true })]);
    story.when(command!(WithdrawResponder { responder_id: "a1", reason: "迁出" })).then([
        "ResponderWithdrawn a1",
        "ResponderDetached br a1",
        "ResponderDetached team a1",
    ]);
    story.and([town::site("s", "out", "v1", &["x"])]);
    story
        .when(command!(DispatchResponder { responder_id: "a2", site_id: "s", seat_id: "x", unit_id: "br" }))
        .then_rejected("unit_without_secretary");
}

fn organizer_of(story: &Story, unit_id: &str) -> Option<String> {
    let key = story.state.ops.units.find(unit_id).expect("the unit is known");
    story.state.ops.units.get(key).organizer.map(|who| story.state.base.responders.id(who).to_owned())
}

/// Whoever withdrew, or gave the post up, stayed the organizer for good, and could not be appointed again.
#[test]
fn an_organizer_who_falls_out_is_one_no_more() {
    let mut story = declared();
    story.and([unit("br", "out", UnitKind::TemporaryBranch, "v1"), organizer("br", "a1")]);
    story
        .when(command!(WithdrawResponder { responder_id: "a1", reason: "迁出" }))
        .then(["ResponderWithdrawn a1", "ResponderDetached br a1"]);
    assert_eq!(organizer_of(&story, "br"), None);
    story.and([attach("br", "a2"), organizer("br", "a2"), detach("br", "a2")]);
    assert_eq!(organizer_of(&story, "br"), None, "who is taken off a unit has no office in it");
    let mut story = declared();
    story.and([convert("out", "v1", ResponseLevel::Iii)]);
    let gap = "GapRecorded out/out-v1/br a2 Declined";
    story.when(decline("c2")).then(["CallDeclined c2", "DutyReleased c2 Declined", gap]);
    assert_eq!(organizer_of(&story, "out/out-v1/br"), None);
    story.when(organizer("out/out-v1/br", "a2")).then(["OrganizerAppointed out/out-v1/br a2"]);
    // The gap was said: nobody is chased a second time.
    let later = super::lines(&story.after_minutes(48 * 60).events());
    assert!(!later.iter().any(|line| line.starts_with("OrganizerGapOverdue")), "{later:#?}");
}

/// A plan's post that is given up takes the office from nobody else.
#[test]
fn an_organizer_who_was_appointed_meanwhile_stays() {
    let mut story = declared();
    story.and([convert("out", "v1", ResponseLevel::Iii), organizer("out/out-v1/br", "a6"), decline("c2")]);
    assert_eq!(organizer_of(&story, "out/out-v1/br").as_deref(), Some("a6"));
}

/// Whoever was told to come off belongs to the unit until the check-out, also in a seat beside it.
#[test]
fn who_withdraws_on_the_way_off_leaves_the_unit_with_the_duty() {
    let mut story = declared();
    story.and([unit("team", "out", UnitKind::ServiceTeam, "v1"), town::site("s", "out", "v1", &["x"])]);
    story.and([command!(DispatchResponder { responder_id: "a1", site_id: "s", seat_id: "x", unit_id: "team" })]);
    story.and([command!(AttachResponder { unit_id: "team", responder_id: "a1", extra_seat: true })]);
    story.and([check_in("a1", "s"), command!(RecallResponder { call_id: "c1" })]);
    story.when(command!(WithdrawResponder { responder_id: "a1", reason: "迁出" })).then(["ResponderWithdrawn a1"]);
    story.when(check_out("a1", "s")).then(["CheckedOut a1 s", "DutyReleased c1 Recalled", "ResponderDetached team a1"]);
    let team = story.state.ops.units.get(story.state.ops.units.find("team").unwrap());
    assert!(team.members.is_empty() && team.extra_seats.is_empty());
}
