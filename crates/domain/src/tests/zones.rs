//! Risk zones 风险区 and mobile patrols 流动: sites that are lists of grids.

use muster_proto::Command;
use muster_proto::v1::RiskLevel::{self, High, Lifted, Low, Middle};
use muster_proto::v1::{AreaLevel, IncidentType, PlanSite, ResponseLevel, Severity, SiteKind, Supply};

use super::Story;
use super::town::{self, area, convert};

fn place(site_id: &str, kind: SiteKind) -> Command {
    command!(OpenSite { site_id: site_id, incident_id: "out", kind: kind, name: site_id, area_id: "v1" })
}

fn risk(site_id: &str, risk: RiskLevel, grids: &[&str]) -> Command {
    let grids: Vec<String> = grids.iter().map(|id| (*id).to_owned()).collect();
    command!(SetRisk { site_id: site_id, risk: risk, grid_ids: grids })
}

fn beat(site_id: &str, grids: &[&str]) -> Command {
    let grids: Vec<String> = grids.iter().map(|id| (*id).to_owned()).collect();
    command!(SetBeat { site_id: site_id, grid_ids: grids })
}

fn close(site_id: &str) -> Command {
    command!(CloseSite { site_id: site_id })
}

/// Grids g1, g2 of v1 and h1 of v2, the outbreak, a zone `z`, a patrol `p` and a checkpoint `s`.
fn zoned() -> Story {
    let mut story = Story::given(town::town());
    story.and([area("g2", "v1", AreaLevel::Grid), area("h1", "v2", AreaLevel::Grid), area("j1", "v4", AreaLevel::Grid), town::outbreak()]);
    story.and([place("z", SiteKind::RiskZone), place("p", SiteKind::MobilePatrol), town::site("s", "out", "v1", &[])]);
    story
}

#[test]
fn a_zone_is_a_list_of_grids_that_changes() {
    let mut story = zoned();
    story.when(risk("nowhere", High, &["g1"])).then_rejected("unknown_site");
    story.when(risk("s", High, &["g1"])).then_rejected("site_kind_mismatch");
    story.when(risk("p", High, &["g1"])).then_rejected("site_kind_mismatch");
    story.when(risk("z", RiskLevel::Unspecified, &["g1"])).then_rejected("field_missing");
    story.when(risk("z", High, &[])).then_rejected("field_missing");
    story.when(risk("z", High, &["none"])).then_rejected("unknown_area");
    story.when(risk("z", High, &["v1"])).then_rejected("not_a_grid");
    story.when(risk("z", High, &["g1", "g1"])).then_rejected("already_exists");
    story.by("v2").when(risk("z", High, &["g1"])).then_rejected("not_the_authority");
    let set = story.by("v1").when(risk("z", High, &["g1", "h1"])).then(["RiskSet z Unspecified -> High [g1,h1]"]);
    assert_eq!(set[0].other_area_ids, ["v2"], "the village next door is concerned");
    let set = story.when(risk("z", Middle, &["g2"])).then(["RiskSet z High -> Middle [g2]"]);
    assert_eq!(set[0].other_area_ids, ["v2"], "and is told that its grid is out of it");
    story.when(command!(RetireArea { area_id: "g2" })).then_rejected("area_in_use");
    story.when(command!(RetireArea { area_id: "h1" })).then(["AreaRetired h1"]);
}

#[test]
fn grids_are_those_of_the_incident() {
    let mut story = zoned();
    story.and([town::declare("local", IncidentType::Outbreak, "k1", Severity::Minor, "")]);
    story.and([command!(OpenSite { site_id: "lz", incident_id: "local", kind: SiteKind::RiskZone, name: "片区", area_id: "v1" })]);
    story.when(risk("lz", Low, &["g1", "j1"])).then_rejected("grid_outside_incident");
    story.when(risk("lz", Low, &["g1", "h1"])).then(["RiskSet lz Unspecified -> Low [g1,h1]"]);
}

#[test]
fn a_zone_names_its_supplies() {
    let mut story = zoned();
    let with = |item: &str, quantity: u32| {
        let supplies = vec![Supply { item: item.to_owned(), quantity, unit: "套".to_owned() }];
        command!(SetRisk { site_id: "z", risk: High, grid_ids: ["g1".to_owned()], supplies: supplies })
    };
    story.when(with("", 1)).then_rejected("field_missing");
    story.when(with("防护服", 0)).then_rejected("field_missing");
    story.when(with("防护服", 200)).then(["RiskSet z Unspecified -> High [g1]"]);
    let many = vec![Supply { item: "水".to_owned(), quantity: 1, unit: String::new() }; 65];
    story.when(command!(SetRisk { site_id: "z", risk: High, grid_ids: ["g1".to_owned()], supplies: many })).then_rejected("too_many");
}

#[test]
fn a_zone_is_lifted_before_it_is_closed() {
    let mut story = zoned();
    story.and([risk("z", Low, &["g1"])]);
    story.when(close("z")).then_rejected("risk_not_lifted");
    story.when(risk("z", Lifted, &[])).then(["RiskSet z Low -> Lifted []"]);
    story.when(close("z")).then(["SiteClosed z"]);
    story.when(risk("z", High, &["g1"])).then_rejected("site_closed");
    story.and([place("fresh", SiteKind::RiskZone)]);
    story.when(close("fresh")).then(["SiteClosed fresh"]);
}

/// A stand-down closes a plan's sites by itself: it waits until their risk is lifted, and nothing is put at risk meanwhile.
#[test]
fn a_plans_zone_is_lifted_before_the_area_stands_down() {
    let mut story = zoned();
    let mut zone = town::plan_site("zone", "v3", ResponseLevel::Iv, &[("x", ResponseLevel::Iv)]);
    zone.kind = SiteKind::RiskZone.into();
    story.and([area("i1", "v3", AreaLevel::Grid), town::draft("zp", "v3", IncidentType::Outbreak, vec![zone], Vec::new())]);
    story.and([town::post("zp", ResponseLevel::Iv, muster_proto::v1::DutyRole::Member, ["", "zone", "x"], "d1", &[]), town::publish("zp")]);
    story.and([convert("out", "v3", ResponseLevel::Iv), risk("out/zp/zone", High, &["i1"]), town::check_in("d1", "out/zp/zone")]);
    story.when(town::stand_down("out", "v3")).then_rejected("risk_not_lifted");
    story.and([risk("out/zp/zone", Lifted, &[])]);
    story.when(town::stand_down("out", "v3")).then(["StandDownOrdered v3", "ResponderRecalled c1"]);
    story.when(risk("out/zp/zone", High, &["i1"])).then_rejected("area_standing_down");
    story.when(town::check_out("d1", "out/zp/zone")).then_among(["SiteClosed out/zp/zone", "AreaStoodDown zp"]);
}

#[test]
fn a_patrol_has_a_beat_and_no_fixed_place() {
    let mut story = zoned();
    story.when(beat("z", &["g1"])).then_rejected("site_kind_mismatch");
    story.when(beat("p", &["v1"])).then_rejected("not_a_grid");
    story.when(beat("p", &[])).then_nothing();
    story.when(beat("p", &["g1", "g2"])).then(["BeatSet p [g1,g2]"]);
    story.when(beat("p", &["g1", "g2"])).then_nothing();
    story.when(beat("p", &["g2"])).then(["BeatSet p [g2]"]);
    story.when(command!(RetireArea { area_id: "g2" })).then_rejected("area_in_use");
    story.when(close("p")).then(["SiteClosed p"]);
    story.when(command!(RetireArea { area_id: "g2" })).then(["AreaRetired g2"]);
}

/// A zone that the plan's next version did not have was closed by the stand-down, at risk as it was.
#[test]
fn no_stand_down_closes_a_zone_at_risk_that_the_plan_forgot() {
    let mut story = zoned();
    let hq = || town::plan_site("hq", "v2", ResponseLevel::Iv, &[]);
    let zone = PlanSite { kind: SiteKind::RiskZone.into(), ..town::plan_site("zone", "v2", ResponseLevel::Iv, &[]) };
    let version = |sites: Vec<PlanSite>| town::draft("out-v2", "v2", IncidentType::Outbreak, sites, Vec::new());
    story.and([version(vec![hq(), zone]), town::publish("out-v2"), convert("out", "v2", ResponseLevel::Iv)]);
    story.and([risk("out/out-v2/zone", High, &["h1"]), version(vec![hq()]), town::publish("out-v2")]);
    story.when(town::stand_down("out", "v2")).then_rejected("risk_not_lifted");
    story.and([risk("out/out-v2/zone", Lifted, &[])]);
    story.when(town::stand_down("out", "v2")).then_among(["SiteClosed out/out-v2/zone", "AreaStoodDown out-v2"]);
}
