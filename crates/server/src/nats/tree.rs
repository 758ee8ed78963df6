//! The division tree, as far as it takes to write an area's path. It must never guess a level.

use std::collections::HashMap;

use muster_proto::v1::AreaPath;
use serde_json::Value;

/// How far up a path is followed; the tree has five levels.
const LEVELS_MAX: usize = 5;

/// Areas by id, each with its level's name in the contract and its parent.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    areas: HashMap<String, (String, String)>,
}

/// Why an area has no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeFault {
    /// It is not in the tree.
    #[error("there is no area {area:?}")]
    Unknown {
        /// The area.
        area: String,
    },
    /// Its line does not end at a root.
    #[error("the line above area {area:?} does not end")]
    Endless {
        /// The area.
        area: String,
    },
}

impl Tree {
    /// Takes in what has `area_id`, `level` and `parent_id`: a row of the view `coverage`, the body of `DefineArea`.
    pub fn add(&mut self, area: &Value) {
        let text = |member: &str| area[member].as_str().unwrap_or_default().to_owned();
        self.areas.insert(text("area_id"), (text("level"), text("parent_id")));
    }

    /// The path to an area.
    ///
    /// # Errors
    /// [`TreeFault`] where the tree does not hold the whole line.
    pub fn path(&self, area: &str) -> Result<AreaPath, TreeFault> {
        let mut path = AreaPath::default();
        let mut next = area;
        for _ in 0..LEVELS_MAX {
            let (level, parent) = self.areas.get(next).ok_or_else(|| TreeFault::Unknown { area: next.to_owned() })?;
            let slot = match level.as_str() {
                "AREA_LEVEL_CITY" => &mut path.city,
                "AREA_LEVEL_COUNTY" => &mut path.county,
                "AREA_LEVEL_TOWNSHIP" => &mut path.township,
                "AREA_LEVEL_VILLAGE" => &mut path.village,
                "AREA_LEVEL_GRID" => &mut path.grid,
                _ => return Err(TreeFault::Unknown { area: next.to_owned() }),
            };
            next.clone_into(slot);
            if parent.is_empty() {
                return Ok(path);
            }
            next = parent;
        }
        Err(TreeFault::Endless { area: area.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_is_the_line_above_and_nothing_is_guessed() {
        let mut tree = Tree::default();
        for (id, level, parent) in
            [("c", "CITY", ""), ("d", "COUNTY", "c"), ("t", "TOWNSHIP", "d"), ("l", "GRID", "l"), ("o", "GRID", "gone")]
        {
            tree.add(&json!({"area_id": id, "level": format!("AREA_LEVEL_{level}"), "parent_id": parent}));
        }
        let path = tree.path("t").unwrap();
        assert_eq!((path.city.as_str(), path.county.as_str(), path.township.as_str(), path.village.as_str()), ("c", "d", "t", ""));
        assert_eq!(tree.path("x"), Err(TreeFault::Unknown { area: "x".into() }));
        assert_eq!(tree.path("o"), Err(TreeFault::Unknown { area: "gone".into() }));
        assert_eq!(tree.path("l"), Err(TreeFault::Endless { area: "l".into() }));
    }
}
