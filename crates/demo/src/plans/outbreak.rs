//! The outbreak's plans: one county at the published scale, a plan for the county and one for each township. Owns how committees,
//! branches and vanguard teams spread over the grids; must never miss the published totals.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{AreaLevel, DutyRole, IncidentType, ResponseLevel, SiteKind, UnitKind};

use super::builder::{Builder, Place};
use super::{Ground, Plan, apportion};
use crate::dice::Dice;
use crate::scale::OUTBREAK_COUNTY;
use crate::tree::Area;

const KIND: (&str, IncidentType) = ("outbreak", IncidentType::Outbreak);
/// Members of the county's committee and of each other one; the last of them is its organizer.
const COUNTY_COMMITTEE: usize = 8;
const TOWNSHIP_COMMITTEE: usize = 4;
/// What stands in a grid, by turns.
const GRID_SITES: [(SiteKind, &str, &str); 5] = [
    (SiteKind::Checkpoint, "卡口", "card-checkpoint"),
    (SiteKind::SamplingPoint, "采样点", "card-sampling"),
    (SiteKind::MobilePatrol, "流动巡查", "card-patrol"),
    (SiteKind::RiskZone, "风险区", "card-checkpoint"),
    (SiteKind::Checkpoint, "小区卡口", "card-checkpoint"),
];
/// The level from which a member is called, by place in the unit; all stand at Ⅱ.
const TIERS: [ResponseLevel; 6] =
    [ResponseLevel::Iv, ResponseLevel::Iv, ResponseLevel::Iv, ResponseLevel::Iii, ResponseLevel::Iii, ResponseLevel::Ii];

/// What one township brings up.
struct Share<'a> {
    township: &'a Area,
    grids: Vec<&'a Area>,
    committees: usize,
    branches: usize,
    teams: usize,
    primaries: Vec<usize>,
    at_top: Vec<usize>,
    standby: Vec<usize>,
}

/// The plans, and who of the named will be away.
pub(super) fn generate(ground: &Ground<'_>, named: &mut BTreeSet<usize>) -> (Vec<Plan>, BTreeSet<usize>) {
    let size = &ground.size.outbreak;
    let mut people: Vec<usize> = (0..ground.people.len()).filter(|person| ground.county(*person).id == OUTBREAK_COUNTY).collect();
    let mut dice = Dice::new(ground.seed, "outbreak");
    for place in (1..people.len()).rev() {
        people.swap(place, dice.below(place + 1));
    }
    let (primaries, rest) = people.split_at(size.people);
    let (at_top, rest) = rest.split_at(size.people_at_top);
    let standby = &rest[..size.standby];
    named.extend(primaries.iter().chain(at_top).chain(standby));

    let (county_committee, primaries) = primaries.split_at(COUNTY_COMMITTEE);
    let shares = shares(ground, primaries, at_top, standby);
    let away = choose_away(&shares, size.away);
    let mut plans = vec![county_plan(ground, county_committee)];
    plans.extend(shares.iter().map(|share| township_plan(ground, share, &away)));
    (plans, away)
}

fn shares<'a>(ground: &Ground<'a>, primaries: &[usize], at_top: &[usize], standby: &[usize]) -> Vec<Share<'a>> {
    let size = &ground.size.outbreak;
    let townships: Vec<&Area> = ground.tree.children_of(OUTBREAK_COUNTY).collect();
    let grids: Vec<Vec<&Area>> = townships
        .iter()
        .map(|township| ground.tree.children_of(&township.id).flat_map(|village| ground.tree.children_of(&village.id)).collect())
        .collect();
    let weights: Vec<usize> = grids.iter().map(Vec::len).collect();
    let branches = apportion(size.branches, &weights);
    let units = apportion(size.branches + size.teams, &weights);
    let more_committees = size.committees - 1 - townships.len();
    let group = |people: &[usize]| {
        let mut by_township: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for person in people {
            let home = &ground.people[*person].home;
            let township = ground.tree.at_level(home, AreaLevel::Township).expect("the county's homes are villages");
            by_township.entry(&township.id).or_default().push(*person);
        }
        by_township
    };
    let (mut primaries, mut at_top, mut standby) = (group(primaries), group(at_top), group(standby));
    let each = townships.into_iter().zip(grids).enumerate();
    each.map(|(place, (township, grids))| Share {
        township,
        grids,
        committees: 1 + usize::from(place < more_committees),
        branches: branches[place],
        teams: units[place] - branches[place],
        primaries: primaries.remove(township.id.as_str()).unwrap_or_default(),
        at_top: at_top.remove(township.id.as_str()).unwrap_or_default(),
        standby: standby.remove(township.id.as_str()).unwrap_or_default(),
    })
    .collect()
}

/// Primaries who will be away: in each township at most a third of its standby, so that each has a backup of their own.
fn choose_away(shares: &[Share<'_>], total: usize) -> BTreeSet<usize> {
    let rounds = 0..total;
    let one_of_each = rounds.flat_map(|round| {
        shares.iter().filter(move |share| round < share.standby.len() / 3).filter_map(move |share| share.primaries.iter().rev().nth(round))
    });
    one_of_each.take(total).copied().collect()
}

fn county_plan(ground: &Ground<'_>, members: &[usize]) -> Plan {
    let county = ground.tree.get(OUTBREAK_COUNTY).expect("every scale keeps the outbreak's county");
    let mut plan = Builder::new(ground, KIND, county, format!("{}疫情防控转换预案", county.name));
    plan.card("card-hq", ["区指挥部", "值班长", "汇总各街道报到与缺口，调度支援", "工作证", "响应终止"]);
    let site = plan.site(SiteKind::Headquarters, format!("{}疫情防控指挥部", county.name), county);
    let name = format!("{}疫情防控临时党委", county.name);
    let unit = plan.unit(UnitKind::TemporaryCommittee, name, county, "", Some(site), ResponseLevel::Iv);
    seat_committee(&mut plan, members, &unit, site);
    plan.build()
}

fn township_plan(ground: &Ground<'_>, share: &Share<'_>, away: &BTreeSet<usize>) -> Plan {
    let township = share.township;
    let mut plan = Builder::new(ground, KIND, township, format!("{}疫情防控转换预案", township.name));
    plan.card("card-hq", ["街道指挥部", "街道书记", "值守、调度、汇总报到", "工作证", "响应终止"]);
    plan.card("card-checkpoint", ["网格卡口", "临时党支部书记", "查验、登记、劝导", "口罩、防护服、雨具", "下一班接岗"]);
    plan.card("card-sampling", ["网格采样点", "采样组长", "维持秩序、扫码登记", "口罩、防护服", "采样结束"]);
    plan.card("card-patrol", ["网格内道路与楼栋", "网格长", "入户排查、送药送菜", "口罩、小喇叭", "下一班接岗"]);
    let mut people = share.primaries.iter().copied();
    let mut take = |count: usize| people.by_ref().take(count).collect::<Vec<_>>();

    let mut committee = String::new();
    for number in 0..share.committees {
        let (kind, label) = if number == 0 { (SiteKind::Headquarters, "指挥部") } else { (SiteKind::IsolationPoint, "集中隔离点") };
        let site = plan.site(kind, format!("{}{label}", township.name), township);
        let name = format!("{}{label}临时党委", township.name);
        let unit = plan.unit(UnitKind::TemporaryCommittee, name, township, "", Some(site), ResponseLevel::Iv);
        seat_committee(&mut plan, &take(TOWNSHIP_COMMITTEE), &unit, site);
        if number == 0 {
            committee = unit;
        }
    }
    let units = grid_units(&mut plan, share, &committee);
    let rest: Vec<usize> = people.collect();
    let mut left = &rest[..];
    for (unit, members) in units.iter().zip(apportion(rest.len(), &vec![1; units.len()])) {
        let (own, others) = left.split_at(members);
        seat_unit(&mut plan, unit, own);
        left = others;
    }
    for (place, person) in share.at_top.iter().enumerate() {
        let unit = &units[place % units.len()];
        plan.seat(*person, &unit.place(0, ResponseLevel::I, DutyRole::Member));
    }
    for person in &share.standby {
        plan.standby(*person, &committee);
    }
    let away: BTreeSet<&str> = away.iter().map(|person| ground.people[*person].id.as_str()).collect();
    plan.name_backups(&share.standby, |id| away.contains(id));
    plan.build()
}

/// A branch or team with the sites that it holds.
struct GridUnit {
    key: String,
    branch: bool,
    number: usize,
    sites: Vec<(usize, &'static str)>,
}

impl GridUnit {
    fn place(&self, member: usize, tier: ResponseLevel, role: DutyRole) -> Place<'_> {
        let (site, card) = self.sites[member % self.sites.len()];
        Place { unit: &self.key, site, tier, role, card }
    }
}

/// One site in each grid; units take the grids by turns, and the grids beyond the units go to the first units besides.
fn grid_units(plan: &mut Builder<'_>, share: &Share<'_>, committee: &str) -> Vec<GridUnit> {
    let total = share.branches + share.teams;
    let sites: Vec<(usize, &'static str)> = share
        .grids
        .iter()
        .enumerate()
        .map(|(place, grid)| {
            let (kind, label, card) = GRID_SITES[place % GRID_SITES.len()];
            (plan.site(kind, format!("{}{label}", grid.name), grid), card)
        })
        .collect();
    let mut units: Vec<GridUnit> = Vec::with_capacity(total);
    for number in 0..total {
        let branch = number < share.branches;
        let home = number % sites.len();
        let own = (home..sites.len()).step_by(total).map(|place| sites[place]).collect();
        let grid = share.grids[home];
        let (kind, label, parent) = if branch {
            (UnitKind::TemporaryBranch, format!("第{}临时党支部", number + 1), committee.to_owned())
        } else {
            let parent = units[(number - share.branches) % share.branches].key.clone();
            (UnitKind::VanguardTeam, format!("第{}先锋队", number + 1 - share.branches), parent)
        };
        let name = format!("{}{label}", share.township.name);
        let key = plan.unit(kind, name, grid, &parent, Some(sites[home].0), ResponseLevel::Iv);
        units.push(GridUnit { key, branch, number, sites: own });
    }
    units
}

/// The first member leads; every fourth branch has an organizer among its own people.
fn seat_unit(plan: &mut Builder<'_>, unit: &GridUnit, members: &[usize]) {
    for (place, person) in members.iter().enumerate() {
        let last = place + 1 == members.len();
        let role = match place {
            0 if unit.branch => DutyRole::Secretary,
            _ if unit.branch && last && unit.number.is_multiple_of(4) => DutyRole::Organizer,
            _ => DutyRole::Member,
        };
        plan.seat(*person, &unit.place(place, TIERS[place.min(TIERS.len() - 1)], role));
    }
}

fn seat_committee(plan: &mut Builder<'_>, members: &[usize], unit: &str, site: usize) {
    for (place, person) in members.iter().enumerate() {
        let role = match place {
            0 => DutyRole::Secretary,
            _ if place + 1 == members.len() => DutyRole::Organizer,
            _ => DutyRole::Member,
        };
        plan.seat(*person, &Place { unit, site, tier: ResponseLevel::Iv, role, card: "card-hq" });
    }
}
