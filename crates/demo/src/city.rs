//! The whole city of one seed. Owns what belongs together across tree, people and plans; must never be changed after generation.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{AreaLevel, Availability};

use crate::dice::Dice;
use crate::organizations::{self, Organization};
use crate::plans::{self, Plan};
use crate::roster::{self, Responder};
use crate::scale::{OUTBREAK_COUNTY, Scale, Size};
use crate::tree::Tree;

/// When the demo's clock starts: 2026-09-01 08:00 in Zhanjiang, Unix milliseconds.
pub const START_MS: i64 = 1_788_220_800_000;

/// Kinds of absence, by turns.
const ABSENCES: [Availability; 5] =
    [Availability::Leave, Availability::Sick, Availability::Travel, Availability::Retained, Availability::Isolated];
/// Of a thousand people outside the outbreak's county, how many are away.
const AWAY_PER_MILLE: u32 = 12;
/// Of a thousand people whom no plan names, how many their organization keeps back.
const RESERVED_PER_MILLE: u32 = 600;
/// Of a thousand people whom a plan outside the outbreak's county names, how many are kept back all the same.
const RESERVED_LATE_PER_MILLE: u32 = 3;
/// One person list of an organization stays below the limit on lists.
const RESERVED_MAX: usize = 500;

/// A generated city.
#[derive(Clone, Debug)]
pub struct City {
    /// What it was made from.
    pub seed: u64,
    /// How large.
    pub scale: Scale,
    /// The scale's numbers.
    pub size: Size,
    /// The tree of areas.
    pub tree: Tree,
    /// 单位.
    pub organizations: Vec<Organization>,
    /// 报到人员.
    pub responders: Vec<Responder>,
    /// 转换预案 of all areas and incident types.
    pub plans: Vec<Plan>,
    /// Organization and the people it keeps back, settled before the plans are made.
    pub reserved: Vec<(String, Vec<String>)>,
    /// The lists of those organizations that keep more people back once the plans are published: people whom a plan names.
    pub reserved_late: Vec<(String, Vec<String>)>,
    /// Townships where the Fill policy may dispatch by itself.
    pub auto_fill: Vec<String>,
}

/// What a city counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CityFigures {
    /// All levels.
    pub areas: usize,
    /// 网格.
    pub grids: usize,
    /// 单位.
    pub organizations: usize,
    /// 报到人员.
    pub responders: usize,
    /// 转换预案.
    pub plans: usize,
    /// Posts of all plans, standby included.
    pub posts: usize,
}

impl City {
    /// The city of this seed and scale: always the same one.
    pub fn generate(seed: u64, scale: Scale) -> Self {
        let size = scale.size();
        let tree = Tree::generate(seed, scale);
        let organizations = organizations::generate(seed, &tree, size.organizations);
        let mut responders = roster::generate(seed, &tree, &organizations, &size);
        let plans = plans::generate(seed, &tree, &organizations, &responders, &size);
        mark_away(seed, &mut responders, &plans.away);
        let (reserved, reserved_late) = reserve(seed, &responders, &plans.named);
        let townships = tree.of_level(AreaLevel::Township).enumerate();
        let auto_fill = townships.filter(|(place, _)| place % 2 == 0).map(|(_, area)| area.id.clone()).collect();
        Self { seed, scale, size, tree, organizations, responders, plans: plans.plans, reserved, reserved_late, auto_fill }
    }

    /// What it counts.
    pub fn figures(&self) -> CityFigures {
        CityFigures {
            areas: self.tree.areas.len(),
            grids: self.tree.of_level(AreaLevel::Grid).count(),
            organizations: self.organizations.len(),
            responders: self.responders.len(),
            plans: self.plans.len(),
            posts: self.plans.iter().map(|plan| plan.posts.len()).sum(),
        }
    }

    /// The responder of this id.
    pub fn responder(&self, id: &str) -> Option<&Responder> {
        let number: usize = id.strip_prefix("r-")?.parse().ok()?;
        self.responders.get(number.checked_sub(1)?)
    }
}

fn in_outbreak_county(person: &Responder) -> bool {
    person.home.starts_with(OUTBREAK_COUNTY)
}

/// The outbreak's own absentees, and a few people elsewhere. Inside the outbreak's county nobody else is away, so that its figures
/// are exact.
fn mark_away(seed: u64, responders: &mut [Responder], away: &BTreeSet<usize>) {
    let mut dice = Dice::new(seed, "away");
    for (number, person) in responders.iter_mut().enumerate() {
        let chosen = dice.chance(AWAY_PER_MILLE) && !in_outbreak_county(person);
        if chosen || away.contains(&number) {
            person.away = Some(ABSENCES[number % ABSENCES.len()]);
        }
    }
}

type Lists = Vec<(String, Vec<String>)>;

fn reserve(seed: u64, responders: &[Responder], named: &BTreeSet<usize>) -> (Lists, Lists) {
    let mut dice = Dice::new(seed, "reserved");
    let mut first: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut late: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (number, person) in responders.iter().enumerate() {
        let (unnamed_roll, named_roll) = (dice.chance(RESERVED_PER_MILLE), dice.chance(RESERVED_LATE_PER_MILLE));
        if person.organization_id.is_empty() {
            continue;
        }
        let list = match named.contains(&number) {
            false if unnamed_roll => &mut first,
            true if named_roll && !in_outbreak_county(person) => &mut late,
            _ => continue,
        };
        let people = list.entry(&person.organization_id).or_default();
        if people.len() < RESERVED_MAX {
            people.push(person.id.clone());
        }
    }
    for (organization, people) in &mut late {
        people.extend(first.get(organization).into_iter().flatten().cloned());
    }
    let owned = |lists: BTreeMap<&str, Vec<String>>| lists.into_iter().map(|(id, people)| (id.to_owned(), people)).collect();
    (owned(first), owned(late))
}
