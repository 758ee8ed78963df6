//! Conversion plans: drafted, designated, published, and then never changed.

use muster_proto::v1::{DutyRole, IncidentType, ResponseLevel, UnitKind};

use super::Story;
use super::town::{self, draft, plan_site, plan_unit, post, publish};
use ResponseLevel::{Ii, Iii, Iv};

fn with_draft() -> Story {
    let mut story = Story::given(town::people());
    let sites = vec![plan_site("hq", "v1", Iv, &[("desk", Iv), ("late", Ii)]), plan_site("gate", "g1", Iii, &[("n1", Iii)])];
    let units = vec![
        plan_unit("br", UnitKind::TemporaryBranch, "v1", "", "hq", Iv),
        plan_unit("team", UnitKind::VanguardTeam, "g1", "br", "gate", Iii),
    ];
    story.and([draft("p", "v1", IncidentType::Fire, sites, units)]);
    story
}

#[test]
fn a_draft_is_whole() {
    let mut story = Story::given(town::people());
    let sites = |tier, seats: &[(&str, ResponseLevel)]| vec![plan_site("s", "v1", tier, seats)];
    let unit = |key: &str, parent: &str, site: &str, tier| vec![plan_unit(key, UnitKind::ServiceTeam, "v1", parent, site, tier)];
    let plan = |sites, units| draft("p", "v1", IncidentType::Fire, sites, units);
    story.when(plan(sites(Iv, &[("a", Iv), ("a", Iv)]), vec![])).then_rejected("plan_part_repeated");
    story.when(plan(sites(Iii, &[("a", Iv)]), vec![])).then_rejected("field_invalid");
    story.when(plan([sites(Iv, &[]), sites(Iv, &[])].concat(), vec![])).then_rejected("plan_part_repeated");
    story.when(plan(vec![plan_site("s", "v2", Iv, &[])], vec![])).then_rejected("plan_area_outside");
    story.when(plan(vec![plan_site("a/b", "v1", Iv, &[])], vec![])).then_rejected("id_invalid");
    story.when(plan(vec![], unit("u", "other", "", Iv))).then_rejected("plan_part_unknown");
    story.when(plan(vec![], unit("u", "u", "", Iv))).then_rejected("plan_part_unknown");
    story.when(plan(vec![], unit("u", "", "s", Iv))).then_rejected("plan_part_unknown");
    story.when(plan(vec![], [unit("u", "", "", Iv), unit("u", "", "", Iv)].concat())).then_rejected("plan_part_repeated");
    // A unit cannot be formed before the site it stands at, nor before its parent.
    story.when(plan(sites(Iii, &[]), unit("u", "", "s", Iv))).then_rejected("field_invalid");
    story.when(plan(vec![], [unit("u", "", "", Iii), unit("w", "u", "", Iv)].concat())).then_rejected("field_invalid");
    story.when(plan(sites(Iii, &[("a", Ii)]), unit("u", "", "s", Iii))).then(["PlanDrafted p@1"]);
    story.when(plan(vec![], vec![])).then_rejected("plan_draft_open");
}

#[test]
fn a_plan_keeps_its_area_and_type() {
    let mut story = with_draft();
    story.and([publish("p")]);
    story.when(publish("p")).then_rejected("plan_has_no_draft");
    story.when(draft("p", "v2", IncidentType::Fire, vec![], vec![])).then_rejected("plan_scope_changed");
    story.when(draft("p", "v1", IncidentType::Flood, vec![], vec![])).then_rejected("plan_scope_changed");
    story.when(draft("p", "v1", IncidentType::Fire, vec![], vec![])).then(["PlanDrafted p@2"]);
    story.when(publish("none")).then_rejected("unknown_plan");
}

#[test]
fn a_post_is_where_the_plan_has_one() {
    let mut story = with_draft();
    let at = |tier, role, place| post("p", tier, role, place, "a1", &[]);
    story.when(at(Iv, DutyRole::Member, ["br", "hq", "none"])).then_rejected("plan_part_unknown");
    story.when(at(Iv, DutyRole::Member, ["br", "none", "desk"])).then_rejected("plan_part_unknown");
    story.when(at(Iv, DutyRole::Member, ["none", "hq", "desk"])).then_rejected("plan_part_unknown");
    story.when(at(Iv, DutyRole::Member, ["", "", "desk"])).then_rejected("field_missing");
    story.when(at(Iv, DutyRole::Member, ["", "", ""])).then_rejected("field_missing");
    story.when(at(Iv, DutyRole::Secretary, ["", "hq", "desk"])).then_rejected("field_missing");
    story.when(at(Iv, DutyRole::Member, ["br", "hq", "late"])).then_rejected("field_invalid");
    story.when(at(Iv, DutyRole::Member, ["team", "", ""])).then_rejected("field_invalid");
    story.when(at(Iv, DutyRole::Standby, ["br", "hq", "desk"])).then_rejected("field_invalid");
    story.when(at(Iv, DutyRole::Standby, ["", "", ""])).then(["PostDesignated p@1 a1"]);
    story.when(post("none", Iv, DutyRole::Member, ["br", "", ""], "a1", &[])).then_rejected("unknown_plan");
    story
        .when(command!(DesignatePost { plan_id: "p", tier: Iv, role: DutyRole::Member, unit_key: "br", responder_id: "a2", card_key: "x" }))
        .then_rejected("plan_part_unknown");
}

#[test]
fn one_primary_post_a_person_type_and_tier() {
    let mut story = with_draft();
    let desk = ["br", "hq", "desk"];
    story.when(post("p", Iv, DutyRole::Secretary, desk, "a1", &["a2", "a2"])).events();
    story.when(post("p", Iv, DutyRole::Member, desk, "a3", &[])).then_rejected("seat_designated");
    story.when(post("p", Iv, DutyRole::Member, ["br", "", ""], "a1", &[])).then_rejected("primary_post_taken");
    // At another tier it is another post.
    story.when(post("p", Ii, DutyRole::Member, ["br", "hq", "late"], "a1", &[])).then(["PostDesignated p@1 a1"]);
    story.when(post("p", Iii, DutyRole::Member, ["team", "", ""], "a4", &["a4"])).then_rejected("plan_part_repeated");
    story.when(post("p", Iii, DutyRole::Member, ["team", "", ""], "a4", &["nobody"])).then_rejected("unknown_responder");
    // Another plan of the type cannot have the person, one of another type can.
    story.and([draft("q", "t1", IncidentType::Fire, vec![], vec![plan_unit("u", UnitKind::ServiceTeam, "t1", "", "", Iv)])]);
    story.and([draft("r", "t1", IncidentType::Flood, vec![], vec![plan_unit("u", UnitKind::ServiceTeam, "t1", "", "", Iv)])]);
    story.when(post("q", Iv, DutyRole::Member, ["u", "", ""], "a1", &[])).then_rejected("primary_post_taken");
    story.when(post("r", Iv, DutyRole::Member, ["u", "", ""], "a1", &[])).then(["PostDesignated r@1 a1"]);
    // A new version that drops the person sets them free.
    story.and([publish("p"), draft("p", "v1", IncidentType::Fire, vec![], vec![])]);
    story.when(post("q", Iv, DutyRole::Member, ["u", "", ""], "a1", &[])).then_rejected("primary_post_taken");
    story.and([publish("p")]);
    story.when(post("q", Iv, DutyRole::Member, ["u", "", ""], "a1", &[])).then(["PostDesignated q@1 a1"]);
}

#[test]
fn whom_the_organization_keeps_back_is_in_no_plan() {
    let mut story = with_draft();
    story.and([command!(ReservePeople { organization_id: "power", responder_ids: ["e1".to_owned()] })]);
    story.when(post("p", Iv, DutyRole::Member, ["br", "", ""], "e1", &[])).then_rejected("responder_reserved");
    story.when(post("p", Iv, DutyRole::Member, ["br", "", ""], "e2", &[])).then(["PostDesignated p@1 e2"]);
}

#[test]
fn a_published_version_never_changes() {
    let mut story = with_draft();
    story.and([post("p", Iv, DutyRole::Secretary, ["br", "hq", "desk"], "a1", &[]), publish("p")]);
    let first = story.state.base.plans.get(story.state.base.plans.find("p").unwrap()).version(1).cloned().unwrap();
    story.when(post("p", Iv, DutyRole::Member, ["br", "", ""], "a2", &[])).then_rejected("plan_has_no_draft");
    story.and([draft("p", "v1", IncidentType::Fire, vec![], vec![]), publish("p")]);
    let plan = story.state.base.plans.get(story.state.base.plans.find("p").unwrap());
    assert_eq!(crate::words::canonical_bytes(plan.version(1).unwrap()), crate::words::canonical_bytes(&first));
    assert_eq!(plan.current().map(|version| version.version), Some(2));
}
