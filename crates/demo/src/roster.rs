//! The roster: 42,000 people who report to a home community, with kind, affiliation, specialties and organization; who is away and
//! who is kept back. Must never make a person who could exist: see `names`.

use std::collections::BTreeMap;

use muster_proto::v1::{Affiliation, AreaLevel, Availability, ResponderKind};

use crate::dice::{Dice, even_shares};
use crate::names;
use crate::organizations::Organization;
use crate::scale::{OUTBREAK_COUNTY, Size};
use crate::tree::{Area, NEW_DISTRICT, Tree};

/// Specialties 特长 as a roster table holds them; the weight is how many of a hundred people have one.
pub const SPECIALTIES: [(&str, usize); 8] =
    [("医护", 8), ("驾驶", 12), ("电工", 6), ("水上救援", 3), ("心理疏导", 4), ("采样", 7), ("无线电", 3), ("炊事", 6)];
/// People at home in each grid of the new district.
const NEW_DISTRICT_PEOPLE_PER_GRID: usize = 5;

/// One responder 报到人员.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responder {
    /// `r-00001` and on.
    pub id: String,
    /// Personal.
    pub name: String,
    /// Personal.
    pub phone: String,
    /// What the person is.
    pub kind: ResponderKind,
    /// May be empty.
    pub organization_id: String,
    /// The home community: a village, or a grid where a zone has no villages.
    pub home: String,
    /// Enrolled without a home, and reported to the community by a command of its own.
    pub reports_later: bool,
    /// 政治面貌.
    pub affiliation: Affiliation,
    /// 特长.
    pub specialties: Vec<&'static str>,
    /// Why the person cannot be called in peacetime's last days, if so.
    pub away: Option<Availability>,
}

/// Makes everybody. Nobody is away yet: who may be depends on the plans.
pub(crate) fn generate(seed: u64, tree: &Tree, organizations: &[Organization], size: &Size) -> Vec<Responder> {
    let mut dice = Dice::new(seed, "roster");
    let by_area = organizations_by_area(tree, organizations);
    let homes = homes(tree, size);
    let mut people = Vec::with_capacity(homes.len());
    for (number, home) in homes.into_iter().enumerate() {
        let kind = kind(&mut dice);
        let organization_id = pick_organization(&mut dice, tree, &by_area, &home);
        let works = !organization_id.is_empty();
        people.push(Responder {
            id: format!("r-{:05}", number + 1),
            name: names::person_name(&mut dice),
            phone: names::phone(seed, number),
            kind,
            organization_id,
            home,
            // Somebody who belongs nowhere yet cannot be enrolled.
            reports_later: dice.chance(100) && works,
            affiliation: affiliation(&mut dice, kind),
            specialties: specialties(&mut dice, kind),
            away: None,
        });
    }
    people
}

/// The home of each person, villages in proportion to their grids within the outbreak's county and evenly elsewhere.
fn homes(tree: &Tree, size: &Size) -> Vec<String> {
    let inside: Vec<&Area> = tree.of_level(AreaLevel::Grid).filter(|grid| grid.id.starts_with(OUTBREAK_COUNTY)).collect();
    let zone: Vec<&Area> = tree.children_of(NEW_DISTRICT).collect();
    let outside: Vec<&Area> = tree.of_level(AreaLevel::Village).filter(|village| !village.id.starts_with(OUTBREAK_COUNTY)).collect();
    let mut homes = Vec::with_capacity(size.responders);
    for (grid, share) in inside.iter().zip(even_shares(size.outbreak_county_people, inside.len())) {
        homes.extend(std::iter::repeat_n(grid.parent_id.clone(), share));
    }
    if outside.is_empty() {
        return homes;
    }
    for grid in &zone {
        homes.extend(std::iter::repeat_n(grid.id.clone(), NEW_DISTRICT_PEOPLE_PER_GRID));
    }
    let rest = size.responders - homes.len();
    for (village, share) in outside.iter().zip(even_shares(rest, outside.len())) {
        homes.extend(std::iter::repeat_n(village.id.clone(), share));
    }
    homes
}

fn organizations_by_area<'a>(tree: &'a Tree, organizations: &'a [Organization]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut by_area: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for organization in organizations {
        by_area.entry(&organization.area_id).or_default().push(&organization.id);
        if let Some(county) = tree.at_level(&organization.area_id, AreaLevel::County)
            && county.id != organization.area_id
        {
            by_area.entry(&county.id).or_default().push(&organization.id);
        }
    }
    by_area
}

/// Nine of ten work for somebody: near home, in the county, or in the city.
fn pick_organization(dice: &mut Dice, tree: &Tree, by_area: &BTreeMap<&str, Vec<&str>>, home: &str) -> String {
    let level = match dice.below(10) {
        0 => return String::new(),
        1..=5 => AreaLevel::Township,
        6..=8 => AreaLevel::County,
        _ => AreaLevel::City,
    };
    let near = tree.at_level(home, level).and_then(|area| by_area.get(area.id.as_str()));
    near.map_or_else(String::new, |organizations| (*dice.pick(organizations)).to_owned())
}

fn kind(dice: &mut Dice) -> ResponderKind {
    match dice.below(100) {
        0..=57 => ResponderKind::Member,
        58..=67 => ResponderKind::Cadre,
        68..=82 => ResponderKind::Warden,
        83..=92 => ResponderKind::Volunteer,
        93..=96 => ResponderKind::Militia,
        _ => ResponderKind::Driver,
    }
}

fn affiliation(dice: &mut Dice, kind: ResponderKind) -> Affiliation {
    match (kind, dice.below(10)) {
        (ResponderKind::Member, 0) => Affiliation::ProbationaryMember,
        (ResponderKind::Member | ResponderKind::Cadre, _) | (_, 0..=2) => Affiliation::PartyMember,
        (_, 3..=5) => Affiliation::LeagueMember,
        (_, 6) => Affiliation::OtherParty,
        _ => Affiliation::Masses,
    }
}

fn specialties(dice: &mut Dice, kind: ResponderKind) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = SPECIALTIES.iter().filter(|(_, weight)| dice.below(100) < *weight).map(|(name, _)| *name).collect();
    if kind == ResponderKind::Driver && !found.contains(&"驾驶") {
        found.push("驾驶");
    }
    found
}
