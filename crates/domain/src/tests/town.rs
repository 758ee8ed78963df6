//! A small town to try things in.
//!
//! Areas: city `c`; counties `k1`, `k2`; townships `t1`, `t2` (k1), `t3` (k2); villages `v1`, `v2` (t1), `v3` (t2), `v4` (t3); grid `g1` (v1).
//! People: `a1`–`a6` in v1, `b1`–`b3` in v2, `d1`, `d2` in v3, `f1`, `f2` in v4, `e1`–`e3` of the organization `power` in k1. Medics are a5, b3 and f1.

use muster_proto::Command;
use muster_proto::v1::{
    self, AreaLevel, DutyRole, IncidentType, Need, NeedKind, OrganizationKind, PlanSeat, PlanSite, PlanUnit, ResponderKind, ResponseLevel,
    Sealed, Severity, SiteKind, UnitKind,
};

pub(super) fn area(area_id: &str, parent_id: &str, level: AreaLevel) -> Command {
    command!(DefineArea { area_id: area_id, name: area_id, parent_id: parent_id, level: level })
}

pub(super) fn enroll(responder_id: &str, area_id: &str, organization_id: &str, specialties: &[&str]) -> Command {
    let specialties: Vec<String> = specialties.iter().map(|name| (*name).to_owned()).collect();
    command!(EnrollResponder {
        responder_id: responder_id,
        name: Sealed::default(),
        kind: ResponderKind::Member,
        area_id: area_id,
        organization_id: organization_id,
        specialties: specialties,
    })
}

fn organization(organization_id: &str, area_id: &str, kind: OrganizationKind) -> Command {
    command!(RegisterOrganization { organization_id: organization_id, name: organization_id, kind: kind, area_id: area_id })
}

pub(super) fn areas() -> Vec<Command> {
    use AreaLevel::{City, County, Grid, Township, Village};
    [
        ("c", "", City),
        ("k1", "c", County),
        ("k2", "c", County),
        ("t1", "k1", Township),
        ("t2", "k1", Township),
        ("t3", "k2", Township),
        ("v1", "t1", Village),
        ("v2", "t1", Village),
        ("v3", "t2", Village),
        ("v4", "t3", Village),
        ("g1", "v1", Grid),
    ]
    .map(|(id, parent, level)| area(id, parent, level))
    .into()
}

pub(super) fn people() -> Vec<Command> {
    let mut commands = areas();
    commands.push(organization("party", "c", OrganizationKind::PartyOrganization));
    commands.push(organization("power", "k1", OrganizationKind::Enterprise));
    for (area_id, names) in
        [("v1", &["a1", "a2", "a3", "a4", "a5", "a6"][..]), ("v2", &["b1", "b2", "b3"]), ("v3", &["d1", "d2"]), ("v4", &["f1", "f2"])]
    {
        for name in names {
            let medic = ["a5", "b3", "f1"].contains(name);
            commands.push(enroll(name, area_id, "", if medic { &["medic"] } else { &[] }));
        }
    }
    commands.extend(["e1", "e2", "e3"].map(|name| enroll(name, "", "power", &[])));
    commands
}

pub(super) fn plan_site(site_key: &str, area_id: &str, tier: ResponseLevel, seats: &[(&str, ResponseLevel)]) -> PlanSite {
    let seat = |(key, tier): &(&str, ResponseLevel)| PlanSeat { seat_key: (*key).to_owned(), tier: (*tier).into(), ..Default::default() };
    PlanSite {
        site_key: site_key.to_owned(),
        kind: if site_key == "hq" { SiteKind::Headquarters } else { SiteKind::Checkpoint }.into(),
        name: site_key.to_owned(),
        area_id: area_id.to_owned(),
        tier: tier.into(),
        seats: seats.iter().map(seat).collect(),
    }
}

pub(super) fn plan_unit(unit_key: &str, kind: UnitKind, area_id: &str, parent: &str, site: &str, tier: ResponseLevel) -> PlanUnit {
    PlanUnit {
        unit_key: unit_key.to_owned(),
        kind: kind.into(),
        name: unit_key.to_owned(),
        parent_unit_key: parent.to_owned(),
        site_key: site.to_owned(),
        area_id: area_id.to_owned(),
        tier: tier.into(),
        superior_organization_id: "party".to_owned(),
    }
}

pub(super) fn draft(plan_id: &str, area_id: &str, incident_type: IncidentType, sites: Vec<PlanSite>, units: Vec<PlanUnit>) -> Command {
    command!(DraftPlan { plan_id: plan_id, area_id: area_id, incident_type: incident_type, name: plan_id, sites: sites, units: units })
}

/// `unit`, `site` and `seat` may be empty.
pub(super) fn post(
    plan_id: &str,
    tier: ResponseLevel,
    role: DutyRole,
    [unit, site, seat]: [&str; 3],
    who: &str,
    backups: &[&str],
) -> Command {
    let backup_ids: Vec<String> = backups.iter().map(|id| (*id).to_owned()).collect();
    command!(DesignatePost {
        plan_id: plan_id,
        tier: tier,
        role: role,
        unit_key: unit,
        site_key: site,
        seat_key: seat,
        responder_id: who,
        backup_ids: backup_ids,
    })
}

pub(super) fn publish(plan_id: &str) -> Command {
    command!(PublishPlan { plan_id: plan_id })
}

/// The plans `out-v1` and `out-v2` for an outbreak, `typ-v1` and `typ-t1` for a typhoon.
pub(super) fn plans() -> Vec<Command> {
    use DutyRole::{Member, Organizer, Secretary, Standby};
    use ResponseLevel::{Ii, Iii, Iv};
    use UnitKind::{TemporaryBranch, TemporaryCommittee, VanguardTeam};
    let outbreak = draft(
        "out-v1",
        "v1",
        IncidentType::Outbreak,
        vec![plan_site("hq", "v1", Iv, &[("desk", Iv), ("guard", Iii)]), plan_site("gate", "g1", Iii, &[("n1", Iii), ("n2", Ii)])],
        vec![plan_unit("br", TemporaryBranch, "v1", "", "hq", Iv), plan_unit("team", VanguardTeam, "g1", "br", "gate", Iii)],
    );
    let typhoon = draft(
        "typ-t1",
        "t1",
        IncidentType::Typhoon,
        vec![plan_site("dyke", "t1", Iv, &[("d1", Iv), ("d2", Iv), ("d3", Ii)])],
        vec![plan_unit("com", TemporaryCommittee, "t1", "", "", Iv)],
    );
    vec![
        outbreak,
        post("out-v1", Iv, Secretary, ["br", "hq", "desk"], "a1", &["a6"]),
        post("out-v1", Iv, Organizer, ["br", "", ""], "a2", &[]),
        post("out-v1", Iii, Member, ["team", "gate", "n1"], "a3", &["b1", "b2"]),
        post("out-v1", Iii, Member, ["br", "hq", "guard"], "a4", &[]),
        post("out-v1", Iv, Standby, ["br", "", ""], "a5", &[]),
        publish("out-v1"),
        draft("out-v2", "v2", IncidentType::Outbreak, vec![plan_site("hq", "v2", Iv, &[("desk", Iv)])], Vec::new()),
        post("out-v2", Iv, Member, ["", "hq", "desk"], "b2", &[]),
        publish("out-v2"),
        typhoon,
        post("typ-t1", Iv, Secretary, ["com", "dyke", "d1"], "a1", &["b3"]),
        post("typ-t1", Iv, Member, ["com", "dyke", "d2"], "b1", &["b2"]),
        post("typ-t1", Ii, Member, ["", "dyke", "d3"], "a3", &[]),
        publish("typ-t1"),
    ]
}

/// Areas, people and plans.
pub(super) fn town() -> Vec<Command> {
    let mut commands = people();
    commands.extend(plans());
    commands
}

pub(super) fn declare(incident_id: &str, incident_type: IncidentType, area_id: &str, severity: Severity, realm: &str) -> Command {
    command!(DeclareIncident {
        incident_id: incident_id,
        incident_type: incident_type,
        name: incident_id,
        area_id: area_id,
        severity: severity,
        realm: realm,
    })
}

/// The outbreak `out`, moderate, over the whole city.
pub(super) fn outbreak() -> Command {
    declare("out", IncidentType::Outbreak, "c", Severity::Moderate, "")
}

pub(super) fn convert(incident_id: &str, area_id: &str, response: ResponseLevel) -> Command {
    command!(ConvertArea { incident_id: incident_id, area_id: area_id, response: response })
}

pub(super) fn change(incident_id: &str, area_id: &str, response: ResponseLevel) -> Command {
    command!(ChangeResponse { incident_id: incident_id, area_id: area_id, response: response })
}

pub(super) fn stand_down(incident_id: &str, area_id: &str) -> Command {
    command!(StandDownArea { incident_id: incident_id, area_id: area_id })
}

pub(super) fn check_in(responder_id: &str, site_id: &str) -> Command {
    command!(CheckIn { responder_id: responder_id, site_id: site_id })
}

pub(super) fn check_out(responder_id: &str, site_id: &str) -> Command {
    command!(CheckOut { responder_id: responder_id, site_id: site_id })
}

pub(super) fn come(responder_id: &str, whistle_id: &str) -> Command {
    command!(CheckIn { responder_id: responder_id, whistle_id: whistle_id })
}

pub(super) fn go(responder_id: &str, whistle_id: &str) -> Command {
    command!(CheckOut { responder_id: responder_id, whistle_id: whistle_id })
}

pub(super) fn accept(call_id: &str) -> Command {
    command!(AcceptCall { call_id: call_id })
}

pub(super) fn decline(call_id: &str) -> Command {
    command!(DeclineCall { call_id: call_id, reason: "病" })
}

pub(super) fn absent(call_id: &str) -> Command {
    command!(DeclareNoShow { call_id: call_id })
}

pub(super) fn away(responder_id: &str) -> Command {
    command!(SetAvailability { responder_id: responder_id, availability: v1::Availability::Leave })
}

pub(super) fn moves_to(responder_id: &str, area_id: &str) -> Command {
    command!(ReportToCommunity { responder_id: responder_id, area_id: area_id })
}

pub(super) fn need(need_id: &str, kind: NeedKind, specialty: &str, quantity: u32) -> Need {
    let item = if matches!(kind, NeedKind::Equipment | NeedKind::Supply) { "帐篷" } else { "" };
    Need {
        need_id: need_id.to_owned(),
        kind: kind.into(),
        specialty: specialty.to_owned(),
        item: item.to_owned(),
        quantity,
        ..Default::default()
    }
}

pub(super) fn blow(whistle_id: &str, area_id: &str, severity: Severity, needs: Vec<Need>) -> Command {
    command!(BlowWhistle { whistle_id: whistle_id, area_id: area_id, severity: severity, needs: needs })
}

/// A whistle `w` of v1 for so many people.
pub(super) fn whistle_for(quantity: u32) -> Command {
    blow("w", "v1", Severity::Moderate, vec![need("n", NeedKind::Person, "", quantity)])
}

pub(super) fn dispatch(responder_id: &str, site_id: &str, seat_id: &str) -> Command {
    command!(DispatchResponder { responder_id: responder_id, site_id: site_id, seat_id: seat_id })
}

pub(super) fn send(responder_id: &str, whistle_id: &str, need_id: &str) -> Command {
    command!(DispatchResponder { responder_id: responder_id, whistle_id: whistle_id, need_id: need_id })
}

pub(super) fn site(site_id: &str, incident_id: &str, area_id: &str, seats: &[&str]) -> Command {
    let seats: Vec<_> = seats.iter().map(|id| v1::Seat { seat_id: (*id).to_owned(), ..Default::default() }).collect();
    command!(OpenSite {
        site_id: site_id,
        incident_id: incident_id,
        kind: SiteKind::Checkpoint,
        name: site_id,
        area_id: area_id,
        seats: seats,
    })
}

pub(super) fn unit(unit_id: &str, incident_id: &str, kind: UnitKind, area_id: &str) -> Command {
    command!(EstablishUnit {
        unit_id: unit_id,
        incident_id: incident_id,
        kind: kind,
        name: unit_id,
        area_id: area_id,
        superior_organization_id: "party",
        approval_document_no: "组〔2026〕1号",
    })
}

pub(super) fn attach(unit_id: &str, responder_id: &str) -> Command {
    command!(AttachResponder { unit_id: unit_id, responder_id: responder_id })
}
