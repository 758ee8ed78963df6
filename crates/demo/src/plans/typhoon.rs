//! The typhoon's plans: the city, every county and zone, every township. Owns who is called from which response level on; must
//! never leave out a village where somebody lives.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{AreaLevel, DutyRole, IncidentType, ResponseLevel, SiteKind, UnitKind};

use super::builder::{Builder, Place};
use super::{Ground, Plan};
use crate::dice::Dice;
use crate::tree::{Area, CITY};

const KIND: (&str, IncidentType) = ("typhoon", IncidentType::Typhoon);
/// Ⅳ to Ⅰ.
const TIERS: [ResponseLevel; 4] = [ResponseLevel::Iv, ResponseLevel::Iii, ResponseLevel::Ii, ResponseLevel::I];
/// Seats at the city's headquarters; a county's has one for each so many people of its own, within bounds.
const CITY_STAFF: usize = 60;
const PEOPLE_PER_COUNTY_STAFF: usize = 60;
const COUNTY_STAFF_MAX: usize = 40;
const TOWNSHIP_STAFF: usize = 5;
/// What stands in a grid, by turns.
const GRID_SITES: [(SiteKind, &str, &str); 4] = [
    (SiteKind::Shelter, "避险场所", "card-shelter"),
    (SiteKind::MobilePatrol, "流动巡查", "card-patrol"),
    (SiteKind::MusterPoint, "集结点", "card-muster"),
    (SiteKind::Checkpoint, "涉水路口卡口", "card-patrol"),
];

/// People by the level that calls them, then standby; indices into the roster.
#[derive(Default)]
struct Called {
    tiers: [Vec<usize>; 4],
    standby: Vec<usize>,
}

/// The plans, and everybody who is called at Ⅳ in a township, by township.
pub(super) fn generate(
    ground: &Ground<'_>,
    away: &BTreeSet<usize>,
    named: &mut BTreeSet<usize>,
) -> (Vec<Plan>, BTreeMap<String, Vec<usize>>) {
    let mut called = assign(ground, away);
    for group in called.tiers.iter().chain([&called.standby]) {
        named.extend(group);
    }
    let city = ground.tree.get(CITY).expect("every scale keeps the city");
    let staff = take_staff(&mut called.tiers[0], CITY_STAFF.min(ground.people.len() / 100), |_| true);
    let mut plans = vec![headquarters_plan(ground, city, &staff)];
    for county in ground.tree.of_level(AreaLevel::County).filter(|county| has_townships(ground, county)) {
        let at_home = |person: usize| ground.county(person).id == county.id;
        let count = called.tiers[0].iter().filter(|person| at_home(**person)).count();
        let wanted = (count / PEOPLE_PER_COUNTY_STAFF).clamp(3, COUNTY_STAFF_MAX);
        let staff = take_staff(&mut called.tiers[0], wanted, at_home);
        plans.push(headquarters_plan(ground, county, &staff));
    }
    let mut first_called = BTreeMap::new();
    for (area_id, group) in by_planning_area(ground, &called) {
        let area = ground.tree.get(area_id).expect("homes lie in the tree");
        plans.push(local_plan(ground, area, &group));
        first_called.insert(area_id.to_owned(), group.tiers[0].clone());
    }
    (plans, first_called)
}

fn has_townships(ground: &Ground<'_>, county: &Area) -> bool {
    ground.tree.children_of(&county.id).any(|child| child.level == AreaLevel::Township)
}

/// Deals the roles out to the shuffled roster. Who will be away for the outbreak keeps a post here too: absence is found out when
/// the area converts, not when the plan is made.
fn assign(ground: &Ground<'_>, away: &BTreeSet<usize>) -> Called {
    let size = &ground.size.typhoon;
    let mut people: Vec<usize> = (0..ground.people.len()).filter(|person| !away.contains(person)).collect();
    let mut dice = Dice::new(ground.seed, "typhoon");
    for place in (1..people.len()).rev() {
        people.swap(place, dice.below(place + 1));
    }
    let mut left: Vec<usize> = away.iter().copied().chain(people).collect();
    let mut take = |count: usize| {
        let rest = left.split_off(count.min(left.len()));
        std::mem::replace(&mut left, rest)
    };
    Called { tiers: size.seats.map(&mut take), standby: take(size.standby) }
}

fn take_staff(people: &mut Vec<usize>, count: usize, fits: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut staff = Vec::with_capacity(count);
    people.retain(|person| {
        let take = staff.len() < count && fits(*person);
        if take {
            staff.push(*person);
        }
        !take
    });
    staff
}

fn by_planning_area<'a>(ground: &Ground<'a>, called: &Called) -> BTreeMap<&'a str, Called> {
    let mut by_area: BTreeMap<&str, Called> = BTreeMap::new();
    for (tier, people) in called.tiers.iter().enumerate() {
        for person in people {
            by_area.entry(&ground.planning_area(*person).id).or_default().tiers[tier].push(*person);
        }
    }
    for person in &called.standby {
        by_area.entry(&ground.planning_area(*person).id).or_default().standby.push(*person);
    }
    by_area
}

fn role(place: usize, total: usize) -> DutyRole {
    match place {
        0 => DutyRole::Secretary,
        _ if place + 1 == total => DutyRole::Organizer,
        _ => DutyRole::Member,
    }
}

fn headquarters_plan(ground: &Ground<'_>, area: &Area, staff: &[usize]) -> Plan {
    let mut plan = Builder::new(ground, KIND, area, format!("{}防台风转换预案", area.name));
    plan.card("card-hq", ["三防指挥部", "值班长", "会商、调度、汇总转移与险情", "工作证", "响应终止"]);
    let site = plan.site(SiteKind::Headquarters, format!("{}三防指挥部", area.name), area);
    let unit = plan.unit(UnitKind::TemporaryCommittee, format!("{}防台风临时党委", area.name), area, "", Some(site), ResponseLevel::Iv);
    for (place, person) in staff.iter().enumerate() {
        let role = role(place, staff.len());
        plan.seat(*person, &Place { unit: &unit, site, tier: ResponseLevel::Iv, role, card: "card-hq" });
    }
    plan.build()
}

fn local_plan(ground: &Ground<'_>, area: &Area, called: &Called) -> Plan {
    let mut plan = Builder::new(ground, KIND, area, format!("{}防台风转换预案", area.name));
    plan.card("card-hq", ["镇街三防指挥所", "镇街书记", "值守、调度、汇总转移", "工作证、雨具", "响应终止"]);
    plan.card("card-shelter", ["避险场所", "场所负责人", "登记、安置、清点人数", "雨具、手电", "人员返家"]);
    plan.card("card-patrol", ["低洼路段与危房周边", "村支部书记", "巡查、劝离、设警示", "雨衣、反光背心、手电", "风雨停歇后清点"]);
    plan.card("card-muster", ["党群服务中心", "村支部书记", "集结待命、装卸物资", "雨衣、手套", "下一班接岗"]);
    let headquarters = plan.site(SiteKind::Headquarters, format!("{}三防指挥所", area.name), area);
    let name = format!("{}防台风临时党委", area.name);
    let committee = plan.unit(UnitKind::TemporaryCommittee, name, area, "", Some(headquarters), ResponseLevel::Iv);
    let (staff, others) = called.tiers[0].split_at(TOWNSHIP_STAFF.min(called.tiers[0].len()));
    for (place, person) in staff.iter().enumerate() {
        let role = role(place, staff.len());
        plan.seat(*person, &Place { unit: &committee, site: headquarters, tier: ResponseLevel::Iv, role, card: "card-hq" });
    }
    let mut villages = Villages { ground, area, committee: &committee, sites: BTreeMap::new(), branches: BTreeMap::new() };
    for person in others {
        villages.seat_in_branch(&mut plan, *person, ResponseLevel::Iv);
    }
    for (tier, kind, label) in [(1, UnitKind::AssaultTeam, "突击队"), (2, UnitKind::ServiceTeam, "服务队")] {
        if called.tiers[tier].is_empty() {
            continue;
        }
        let unit = plan.unit(kind, format!("{}防台风{label}", area.name), area, &committee, None, TIERS[tier]);
        for person in &called.tiers[tier] {
            let (site, card) = villages.next_site(&mut plan, &ground.people[*person].home);
            plan.seat(*person, &Place { unit: &unit, site, tier: TIERS[tier], role: DutyRole::Member, card });
        }
    }
    for person in &called.tiers[3] {
        villages.seat_in_branch(&mut plan, *person, ResponseLevel::I);
    }
    for person in &called.standby {
        plan.standby(*person, &committee);
    }
    plan.name_backups(&called.standby, |_| false);
    plan.build()
}

/// A site's place in the plan, and what is asked for there.
type VillageSite = (usize, &'static str);

/// The branches and sites of a township's villages, made when the first person needs them.
struct Villages<'a> {
    ground: &'a Ground<'a>,
    area: &'a Area,
    committee: &'a str,
    /// Sites of a home with the turn of the next one.
    sites: BTreeMap<&'a str, (Vec<VillageSite>, usize)>,
    branches: BTreeMap<&'a str, String>,
}

impl<'a> Villages<'a> {
    fn next_site(&mut self, plan: &mut Builder<'_>, home: &'a str) -> (usize, &'static str) {
        let ground = self.ground;
        let (sites, turn) = self.sites.entry(home).or_insert_with(|| {
            let grids = ground.grids_of(home).into_iter().enumerate();
            let sites = grids.map(|(place, grid)| {
                let (kind, label, card) = GRID_SITES[place % GRID_SITES.len()];
                (plan.site(kind, format!("{}{label}", grid.name), grid), card)
            });
            (sites.collect(), 0)
        });
        *turn += 1;
        sites[(*turn - 1) % sites.len()]
    }

    /// The first one in a village leads its branch.
    fn seat_in_branch(&mut self, plan: &mut Builder<'_>, person: usize, tier: ResponseLevel) {
        let home = self.ground.people[person].home.as_str();
        let (site, card) = self.next_site(plan, home);
        let first = !self.branches.contains_key(home);
        let unit = self.branches.entry(home).or_insert_with(|| {
            let village = self.ground.tree.get(home).expect("homes lie in the tree");
            let name = format!("{}防台风临时党支部", village.name);
            let place = if village.level == AreaLevel::Grid { self.area } else { village };
            plan.unit(UnitKind::TemporaryBranch, name, place, self.committee, Some(site), tier)
        });
        let role = if first { DutyRole::Secretary } else { DutyRole::Member };
        plan.seat(person, &Place { unit, site, tier, role, card });
    }
}
