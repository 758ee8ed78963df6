//! The flood's plan: a broken dyke in one township, whose few posts go to people that the typhoon has already called. Must never
//! name anybody whom the typhoon does not call at Ⅳ: the claim for the same people is what it is for.

use std::collections::BTreeMap;

use muster_proto::v1::{DutyRole, IncidentType, ResponseLevel, SiteKind, UnitKind};

use super::builder::{Builder, Place};
use super::{Ground, Plan};
use crate::scale::FLOOD_COUNTY;

const KIND: (&str, IncidentType) = ("flood", IncidentType::Flood);
/// People on the dyke.
const PEOPLE_MAX: usize = 40;

/// The plan of the flooded township: the first of the flood's county, or of the whole city where that county is left out.
pub(super) fn generate(ground: &Ground<'_>, first_called: &BTreeMap<String, Vec<usize>>) -> Plan {
    let in_county = |id: &&String| id.starts_with(FLOOD_COUNTY);
    let township = first_called.keys().find(in_county).or_else(|| first_called.keys().next()).expect("somebody is called at Ⅳ");
    let area = ground.tree.get(township).expect("plans are made for areas of the tree");
    let called = &first_called[township];
    let people = &called[..PEOPLE_MAX.min(called.len() / 2)];

    let mut plan = Builder::new(ground, KIND, area, format!("{}堤围抢险转换预案", area.name));
    plan.card("card-dyke", ["海堤决口处", "抢险指挥长", "装填沙袋、封堵决口、转移群众", "救生衣、雨靴、铁锹", "险情解除"]);
    let site = plan.site(SiteKind::MobilePatrol, format!("{}海堤抢险点", area.name), area);
    let name = format!("{}堤围抢险临时党支部", area.name);
    let branch = plan.unit(UnitKind::TemporaryBranch, name, area, "", Some(site), ResponseLevel::Iv);
    let name = format!("{}堤围抢险突击队", area.name);
    let team = plan.unit(UnitKind::AssaultTeam, name, area, &branch, Some(site), ResponseLevel::Iv);
    for (place, person) in people.iter().enumerate() {
        let (unit, role) = match place {
            0 => (&branch, DutyRole::Secretary),
            1 => (&branch, DutyRole::Organizer),
            _ => (&team, DutyRole::Member),
        };
        plan.seat(*person, &Place { unit, site, tier: ResponseLevel::Iv, role, card: "card-dyke" });
    }
    plan.build()
}
