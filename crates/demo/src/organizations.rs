//! Organizations: what they are called, what they can be called for, which communities they are tied to. Must never name a real
//! enterprise.

use muster_proto::v1::{AreaLevel, OrganizationKind};

use crate::dice::Dice;
use crate::tree::{Area, CITY, Tree};

/// One organization 单位.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// `org-0001` and on.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: OrganizationKind,
    /// Where it sits.
    pub area_id: String,
    /// What it can be called for.
    pub functions: Vec<&'static str>,
    /// Communities that it is tied to 挂点联建.
    pub ties: Vec<String>,
}

/// Departments of a city or county, and what each can be called for.
const DEPARTMENTS: [(&str, &str); 14] = [
    ("卫生健康局", "medical"),
    ("应急管理局", "rescue"),
    ("公安局", "public_security"),
    ("交通运输局", "transport"),
    ("住房和城乡建设局", "engineering"),
    ("水务局", "water_works"),
    ("供电局", "power_supply"),
    ("民政局", "relief"),
    ("教育局", "shelter"),
    ("农业农村局", "farm_machinery"),
    ("市场监督管理局", "supplies"),
    ("城市管理局", "road_clearing"),
    ("消防救援队", "water_rescue"),
    ("气象局", "weather"),
];

const TRADES: [(&str, &str); 6] = [
    ("水产", "supplies"),
    ("物流", "transport"),
    ("建筑工程", "engineering"),
    ("通信", "communication"),
    ("机电", "power_supply"),
    ("商贸", "supplies"),
];

/// Organizations of a tree: party organizations first, then departments, then the rest until there are `total`.
pub(crate) fn generate(seed: u64, tree: &Tree, total: usize) -> Vec<Organization> {
    let mut made: Vec<Organization> = Vec::with_capacity(total);
    let mut add = |name: String, kind, area_id: &str, functions: Vec<&'static str>| {
        if made.len() < total {
            let id = format!("org-{:04}", made.len() + 1);
            made.push(Organization { id, name, kind, area_id: area_id.to_owned(), functions, ties: Vec::new() });
        }
    };
    for area in tree.areas.iter().filter(|area| area.level <= AreaLevel::Township) {
        let body = if area.level == AreaLevel::Township { "委员会" } else { "委组织部" };
        add(format!("中共{}{body}", area.name), OrganizationKind::PartyOrganization, &area.id, vec!["organization"]);
    }
    for area in tree.areas.iter().filter(|area| area.level <= AreaLevel::County) {
        for (name, function) in DEPARTMENTS {
            add(format!("{}{name}", area.name), OrganizationKind::Department, &area.id, vec![function]);
        }
    }
    let townships: Vec<&Area> = tree.of_level(AreaLevel::Township).collect();
    for round in 1.. {
        if made_enough(&mut add, &townships, round, total) {
            break;
        }
    }
    tie(seed, tree, &mut made);
    made
}

/// One round of schools, hospitals, enterprises and teams over all townships; true once the last round is surely past `total`.
fn made_enough(
    add: &mut impl FnMut(String, OrganizationKind, &str, Vec<&'static str>),
    townships: &[&Area],
    round: usize,
    total: usize,
) -> bool {
    for township in townships {
        let name = &township.name;
        let (trade, function) = TRADES[round % TRADES.len()];
        match round % 5 {
            0 => add(format!("{name}第{round}中学"), OrganizationKind::School, &township.id, vec!["shelter"]),
            1 => add(format!("{name}卫生院第{round}门诊部"), OrganizationKind::Hospital, &township.id, vec!["medical"]),
            2 => add(format!("{name}{trade}示例公司"), OrganizationKind::Enterprise, &township.id, vec![function]),
            3 => add(format!("{name}志愿服务队第{round}分队"), OrganizationKind::VolunteerTeam, &township.id, vec!["relief", "supplies"]),
            _ => add(format!("{name}第{round}小学"), OrganizationKind::School, &township.id, vec!["shelter"]),
        }
    }
    round * townships.len() >= total
}

/// Ties each organization to one to three communities of its own area.
fn tie(seed: u64, tree: &Tree, organizations: &mut [Organization]) {
    let mut dice = Dice::new(seed, "ties");
    let villages: Vec<&Area> = tree.of_level(AreaLevel::Village).collect();
    let at_home = |level| villages.iter().filter_map(move |village| Some((tree.at_level(&village.id, level)?, *village)));
    let mut below: std::collections::BTreeMap<&str, Vec<&str>> = std::collections::BTreeMap::new();
    for level in [AreaLevel::City, AreaLevel::County, AreaLevel::Township] {
        for (above, village) in at_home(level) {
            below.entry(&above.id).or_default().push(&village.id);
        }
    }
    for organization in organizations {
        let near = below.get(organization.area_id.as_str()).or_else(|| below.get(CITY)).map_or(&[][..], Vec::as_slice);
        for _ in 0..=dice.below(3) {
            if near.is_empty() {
                break;
            }
            let community = (*dice.pick(near)).to_owned();
            if !organization.ties.contains(&community) {
                organization.ties.push(community);
            }
        }
    }
}
