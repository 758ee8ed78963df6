//! The tree: the real divisions, generated grids under them, and functional zones that no official code knows. Must never change
//! an official code or name.

use std::collections::BTreeMap;

use muster_proto::v1::AreaLevel;

use crate::dice::{Dice, even_shares};
use crate::scale::{FLOOD_COUNTY, OUTBREAK_COUNTY, Scale};

/// The official divisions: `code,parent,level,name`, parents first.
const DIVISIONS: &str = include_str!("../data/divisions-4408.csv");

/// The city's code.
pub const CITY: &str = "4408";
/// 湛江经济技术开发区: administers four townships that the official codes keep under 麻章区.
pub const TECH_ZONE: &str = "zone-jingkai";
/// 海东新区: a zone without townships and villages; its grids stand directly below it.
pub const NEW_DISTRICT: &str = "zone-haidong";
/// What the development zone administers, by official code.
const TECH_ZONE_TOWNSHIPS: [&str; 4] = ["440811070", "440811071", "440811072", "440811173"];
/// Grids directly below the new district.
const NEW_DISTRICT_GRIDS: usize = 8;
/// Villages kept of each township, and townships kept of each county, at [`Scale::Small`].
const SMALL_TOWNSHIPS: usize = 3;
const SMALL_VILLAGES: usize = 2;

/// One node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// The official code, or an id of our own where there is none.
    pub id: String,
    /// As the statistics office writes it; ours for grids and zones.
    pub name: String,
    /// City to grid.
    pub level: AreaLevel,
    /// Empty for the city.
    pub parent_id: String,
    /// Empty for grids and zones.
    pub official_code: String,
    /// Scheme and code of older numberings.
    pub codes: Vec<(&'static str, String)>,
    /// E.g. 功能区.
    pub tags: Vec<&'static str>,
}

/// The whole tree, and the moves that follow its definition.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Parents first. `parent_id` is the official parent, before the moves.
    pub areas: Vec<Area>,
    /// Township and new parent: what the development zone takes over after the official tree was defined.
    pub moves: Vec<(String, String)>,
    index: BTreeMap<String, usize>,
}

impl Tree {
    pub(crate) fn generate(seed: u64, scale: Scale) -> Self {
        let mut areas = divisions(scale);
        let mut moves = Vec::new();
        let has_others = scale != Scale::County;
        areas.push(zone(NEW_DISTRICT, "海东新区"));
        if has_others {
            areas.push(zone(TECH_ZONE, "湛江经济技术开发区"));
            let taken = areas.iter().filter(|area| TECH_ZONE_TOWNSHIPS.contains(&area.id.as_str()));
            moves = taken.map(|area| (area.id.clone(), TECH_ZONE.to_owned())).collect();
        }
        let size = scale.size();
        let mut dice = Dice::new(seed, "grids");
        let villages = |inside: bool| {
            let level = AreaLevel::Village;
            areas.iter().filter(move |area| area.level == level && area.id.starts_with(OUTBREAK_COUNTY) == inside).cloned().collect()
        };
        let mut grids = grids_of(villages(true), size.outbreak_grids, &mut dice);
        grids.extend((1..=NEW_DISTRICT_GRIDS).map(|number| grid(NEW_DISTRICT, "海东新区", number)));
        if has_others {
            grids.extend(grids_of(villages(false), size.other_grids - NEW_DISTRICT_GRIDS, &mut dice));
        }
        areas.extend(grids);
        let index = areas.iter().enumerate().map(|(index, area)| (area.id.clone(), index)).collect();
        Self { areas, moves, index }
    }

    /// The area of this id.
    pub fn get(&self, id: &str) -> Option<&Area> {
        self.index.get(id).map(|index| &self.areas[*index])
    }

    /// The parent after the moves; empty for the city.
    pub fn parent_of<'a>(&'a self, area: &'a Area) -> &'a str {
        self.moves.iter().find(|(moved, _)| *moved == area.id).map_or(area.parent_id.as_str(), |(_, parent)| parent.as_str())
    }

    /// The area itself or the one above it at this level, after the moves.
    pub fn at_level<'a>(&'a self, id: &str, level: AreaLevel) -> Option<&'a Area> {
        let mut area = self.get(id)?;
        while area.level != level {
            area = self.get(self.parent_of(area))?;
        }
        Some(area)
    }

    /// All areas of one level, in the order of their definition.
    pub fn of_level(&self, level: AreaLevel) -> impl Iterator<Item = &Area> {
        self.areas.iter().filter(move |area| area.level == level)
    }

    /// The areas directly below, after the moves.
    pub fn children_of(&self, id: &str) -> impl Iterator<Item = &Area> {
        self.areas.iter().filter(move |area| self.parent_of(area) == id)
    }
}

fn zone(id: &str, name: &str) -> Area {
    Area {
        id: id.to_owned(),
        name: name.to_owned(),
        level: AreaLevel::County,
        parent_id: CITY.to_owned(),
        official_code: String::new(),
        codes: Vec::new(),
        tags: vec!["功能区"],
    }
}

/// The divisions that the scale keeps.
fn divisions(scale: Scale) -> Vec<Area> {
    let mut kept: Vec<Area> = Vec::new();
    for line in DIVISIONS.lines().skip(1) {
        let mut fields = line.split(',');
        let (Some(code), Some(parent), Some(level), Some(name)) = (fields.next(), fields.next(), fields.next(), fields.next()) else {
            unreachable!("the divisions are part of this crate and have four fields a line");
        };
        let level = match level {
            "city" => AreaLevel::City,
            "county" => AreaLevel::County,
            "township" => AreaLevel::Township,
            _ => AreaLevel::Village,
        };
        let siblings = || kept.iter().filter(|area| area.parent_id == parent).count();
        let parent_is_kept = || kept.iter().rev().any(|area| area.id == parent);
        let keep = match scale {
            Scale::City | Scale::Stress => true,
            Scale::County => level == AreaLevel::City || code.starts_with(OUTBREAK_COUNTY),
            Scale::Small => match level {
                AreaLevel::City => true,
                AreaLevel::County => [OUTBREAK_COUNTY, FLOOD_COUNTY].contains(&code),
                AreaLevel::Township => parent_is_kept() && siblings() < SMALL_TOWNSHIPS,
                _ => parent_is_kept() && siblings() < SMALL_VILLAGES,
            },
        };
        if keep {
            kept.push(Area {
                id: code.to_owned(),
                name: name.to_owned(),
                level,
                parent_id: parent.to_owned(),
                official_code: code.to_owned(),
                codes: Vec::new(),
                tags: Vec::new(),
            });
        }
    }
    kept
}

fn grid(parent_id: &str, parent_name: &str, number: usize) -> Area {
    let id = format!("{parent_id}{}{number:03}", if parent_id.starts_with("zone") { "-" } else { "" });
    let mut codes = vec![("zongzhi", format!("ZZ{id}"))];
    if number % 3 == 1 {
        codes.push(("dangjian", format!("DJ-{id}")));
    }
    let short = parent_name.trim_end_matches("居民委员会").trim_end_matches("村民委员会");
    Area {
        name: format!("{short}第{number}网格"),
        level: AreaLevel::Grid,
        parent_id: parent_id.to_owned(),
        official_code: String::new(),
        codes,
        tags: if number.is_multiple_of(7) { vec!["专属网格"] } else { Vec::new() },
        id,
    }
}

/// Every village has at least one grid; the rest falls by the dice's shuffle, so that neighbours differ by one.
fn grids_of(villages: Vec<Area>, total: usize, dice: &mut Dice) -> Vec<Area> {
    let mut shares = even_shares(total, villages.len());
    for place in (1..shares.len()).rev() {
        shares.swap(place, dice.below(place + 1));
    }
    let each = villages.iter().zip(shares);
    each.flat_map(|(village, share)| (1..=share).map(|number| grid(&village.id, &village.name, number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_city_has_the_published_tree() {
        let tree = Tree::generate(1, Scale::City);
        let count = |level| tree.of_level(level).count();
        assert_eq!(count(AreaLevel::City), 1);
        assert_eq!(count(AreaLevel::County), 9 + 2);
        assert_eq!(count(AreaLevel::Township), 125);
        assert_eq!(count(AreaLevel::Village), 1_992);
        assert_eq!(count(AreaLevel::Grid), 5_000);
        let outbreak = tree.of_level(AreaLevel::Grid).filter(|grid| grid.id.starts_with(OUTBREAK_COUNTY)).count();
        assert_eq!(outbreak, 1_210);
        assert_eq!(tree.areas.iter().filter(|area| !area.official_code.is_empty()).count(), 2_127);
    }

    #[test]
    fn every_parent_is_defined_first_and_stands_above() {
        for scale in [Scale::Small, Scale::County, Scale::City] {
            let tree = Tree::generate(3, scale);
            for (place, area) in tree.areas.iter().enumerate().skip(1) {
                let parent = tree.areas[..place].iter().find(|parent| parent.id == area.parent_id);
                assert!(parent.is_some_and(|parent| parent.level < area.level), "{area:?}");
            }
        }
    }

    #[test]
    fn the_zone_takes_its_townships_over() {
        let tree = Tree::generate(1, Scale::City);
        assert_eq!(tree.children_of(TECH_ZONE).count(), TECH_ZONE_TOWNSHIPS.len());
        assert_eq!(tree.at_level("440811173", AreaLevel::County).map(|area| area.id.as_str()), Some(TECH_ZONE));
        assert!(tree.children_of(NEW_DISTRICT).all(|area| area.level == AreaLevel::Grid));
    }
}
