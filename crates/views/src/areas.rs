//! The tree of areas as the records tell it. Must stay a tree whatever the records say: a link that would close a circle is not made.

use std::sync::Arc;

use muster_proto::Event;
use muster_proto::v1;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::symbols::{Sym, Symbols};

/// An area's number in one tree.
pub(crate) type Node = Sym;

/// The top of everything: what an area without a parent has above it.
pub(crate) const NO_PARENT: Node = Node::MAX;

/// The tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AreaTree {
    ids: Symbols,
    /// The first is no area: it is what an empty id names.
    areas: Vec<Area>,
}

impl Default for AreaTree {
    fn default() -> Self {
        Self { ids: Symbols::default(), areas: vec![Area::unknown()] }
    }
}

/// One area.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Area {
    parent: Node,
    children: Vec<Node>,
    level: i32,
    name: Box<str>,
    /// Defined and not retired.
    stands: bool,
}

impl Area {
    /// An area that no record has defined yet.
    fn unknown() -> Self {
        Self { parent: NO_PARENT, children: Vec::new(), level: 0, name: "".into(), stands: false }
    }

    /// Whether a row that tells of the area itself would be the same.
    pub(crate) fn looks_like(&self, other: &Self) -> bool {
        (self.parent, self.level, &self.name, self.stands) == (other.parent, other.level, &other.name, other.stands)
    }
}

/// An area got another parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) node: Node,
    pub(crate) from: Node,
    pub(crate) to: Node,
}

/// The area that an event of the tree is about; nothing where it is another.
pub(crate) fn turned(event: &Event) -> Option<&str> {
    match event {
        Event::AreaDefined(event) => Some(&event.area_id),
        Event::AreaReparented(event) => Some(&event.area_id),
        Event::AreaRetired(event) => Some(&event.area_id),
        _ => None,
    }
}

impl AreaTree {
    /// The number of an area, which may be one that no record has defined yet.
    pub(crate) fn node(&mut self, area_id: &str) -> Node {
        let node = self.ids.intern(area_id);
        while self.areas.len() <= node as usize {
            self.areas.push(Area::unknown());
        }
        node
    }

    /// The number of an area that some record named.
    pub(crate) fn find(&self, area_id: &str) -> Option<Node> {
        self.ids.find(area_id).filter(|node| (*node as usize) < self.areas.len())
    }

    /// Numbers given so far.
    pub(crate) fn len(&self) -> usize {
        self.areas.len()
    }

    /// Whether that many areas are most of all.
    pub(crate) fn is_most(&self, areas: usize) -> bool {
        areas * 2 >= self.len()
    }

    /// Whether asking that many areas one by one who ever stood in them is less work than a walk through all rows.
    pub(crate) fn is_narrow(&self, areas: usize) -> bool {
        areas * limits::HISTORY_WALK_SHARE < self.len()
    }

    pub(crate) fn id(&self, node: Node) -> &str {
        self.ids.name(node)
    }

    pub(crate) fn name(&self, node: Node) -> &str {
        &self.areas[node as usize].name
    }

    /// `AreaLevel` as its number.
    pub(crate) fn level(&self, node: Node) -> i32 {
        self.areas[node as usize].level
    }

    /// The parent's id, empty at the top.
    pub(crate) fn parent_id(&self, node: Node) -> &str {
        match self.areas[node as usize].parent {
            NO_PARENT => "",
            parent => self.id(parent),
        }
    }

    pub(crate) fn area(&self, node: Node) -> &Area {
        &self.areas[node as usize]
    }

    /// Whether the area is defined and not retired.
    pub(crate) fn stands(&self, node: Node) -> bool {
        self.areas[node as usize].stands
    }

    /// Whether some record defined the area, which may be retired since.
    pub(crate) fn is_known(&self, node: Node) -> bool {
        self.level(node) != 0
    }

    /// The area and all above it, nearest first. [`NO_PARENT`] gives nothing.
    pub(crate) fn upward(&self, node: Node) -> impl Iterator<Item = Node> + '_ {
        let known = |node: Node| (node != NO_PARENT).then_some(node);
        std::iter::successors(known(node), move |node| known(self.areas[*node as usize].parent))
    }

    /// The area and all below it.
    pub(crate) fn subtree(&self, top: Node) -> Vec<Node> {
        let mut found = vec![top];
        let mut cursor = 0;
        while cursor < found.len() {
            found.extend_from_slice(&self.areas[found[cursor] as usize].children);
            cursor += 1;
        }
        found
    }

    /// The path as the envelope has it: the id at each level from the top to the area.
    pub(crate) fn path(&self, node: Node) -> v1::AreaPath {
        let mut path = v1::AreaPath::default();
        for node in self.upward(node) {
            let slot = match v1::AreaLevel::try_from(self.level(node)) {
                Ok(v1::AreaLevel::City) => &mut path.city,
                Ok(v1::AreaLevel::County) => &mut path.county,
                Ok(v1::AreaLevel::Township) => &mut path.township,
                Ok(v1::AreaLevel::Village) => &mut path.village,
                Ok(v1::AreaLevel::Grid) => &mut path.grid,
                Ok(v1::AreaLevel::Unspecified) | Err(_) => continue,
            };
            self.id(node).clone_into(slot);
        }
        path
    }

    /// Takes in an event of the tree; nothing where it is another.
    pub(crate) fn take(&mut self, event: &Event) -> Option<(Node, Option<Moved>)> {
        match event {
            Event::AreaDefined(event) => Some(self.define(event)),
            Event::AreaReparented(event) => Some(self.reparent(event)),
            Event::AreaRetired(event) => Some((self.retire(&event.area_id), None)),
            _ => None,
        }
    }

    /// Takes in a definition; an area that is there already is changed.
    pub(crate) fn define(&mut self, event: &v1::AreaDefined) -> (Node, Option<Moved>) {
        let node = self.node(&event.area_id);
        let parent = if event.parent_id.is_empty() { NO_PARENT } else { self.node(&event.parent_id) };
        let area = &mut self.areas[node as usize];
        area.level = event.level;
        area.name = event.name.as_str().into();
        area.stands = true;
        (node, self.link(node, parent))
    }

    /// Moves an area and what is below it.
    pub(crate) fn reparent(&mut self, event: &v1::AreaReparented) -> (Node, Option<Moved>) {
        let node = self.node(&event.area_id);
        let parent = if event.parent_id.is_empty() { NO_PARENT } else { self.node(&event.parent_id) };
        (node, self.link(node, parent))
    }

    /// Takes the area's row away; its place in the tree stays.
    pub(crate) fn retire(&mut self, area_id: &str) -> Node {
        let node = self.node(area_id);
        self.areas[node as usize].stands = false;
        node
    }

    fn link(&mut self, node: Node, to: Node) -> Option<Moved> {
        let from = self.areas[node as usize].parent;
        if from == to || self.upward(to).any(|above| above == node) {
            return None;
        }
        if from != NO_PARENT {
            self.areas[from as usize].children.retain(|child| *child != node);
        }
        if to != NO_PARENT {
            self.areas[to as usize].children.push(node);
        }
        self.areas[node as usize].parent = to;
        Some(Moved { node, from, to })
    }
}

/// The areas as of one position, for whoever asks where one lies. Asking waits for nothing.
#[derive(Clone, Debug)]
pub struct Areas(pub(crate) Arc<AreaTree>);

impl Areas {
    /// Whether the area is defined and not retired.
    #[must_use]
    pub fn stands(&self, area_id: &str) -> bool {
        self.0.find(area_id).is_some_and(|node| self.0.stands(node))
    }

    /// Where an area lies, or lay when it was retired; nothing where no record told.
    #[must_use]
    pub fn path(&self, area_id: &str) -> Option<v1::AreaPath> {
        self.0.find(area_id).filter(|node| self.0.is_known(*node)).map(|node| self.0.path(node))
    }

    /// The area and those below it that stand.
    pub fn below(&self, area_id: &str) -> impl Iterator<Item = &str> {
        let nodes = self.0.find(area_id).map(|node| self.0.subtree(node)).unwrap_or_default();
        nodes.into_iter().filter(|node| self.0.stands(*node)).map(|node| self.0.id(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defined(area_id: &str, level: v1::AreaLevel, parent_id: &str) -> v1::AreaDefined {
        v1::AreaDefined { area_id: area_id.into(), level: level.into(), parent_id: parent_id.into(), ..Default::default() }
    }

    #[test]
    fn a_circle_is_never_closed() {
        let mut tree = AreaTree::default();
        let (city, _) = tree.define(&defined("a", v1::AreaLevel::City, ""));
        let (county, _) = tree.define(&defined("b", v1::AreaLevel::County, "a"));
        let circle = v1::AreaReparented { area_id: "a".into(), parent_id: "b".into(), ..Default::default() };
        assert_eq!(tree.reparent(&circle), (city, None));
        assert_eq!(tree.upward(county).collect::<Vec<_>>(), [county, city]);
        assert_eq!(tree.define(&defined("b", v1::AreaLevel::County, "b")).1, None);
    }

    #[test]
    fn a_retired_area_is_known_and_below_nothing() {
        let mut tree = AreaTree::default();
        for (id, level, parent) in [("c", v1::AreaLevel::City, ""), ("t", v1::AreaLevel::Township, "c"), ("g", v1::AreaLevel::Grid, "t")] {
            tree.define(&defined(id, level, parent));
        }
        tree.retire("g");
        let areas = Areas(Arc::new(tree));
        assert_eq!(["c", "g", "x", ""].map(|id| areas.stands(id)), [true, false, false, false]);
        assert_eq!(areas.path("g").map(|path| path.township), Some("t".to_owned()));
        assert_eq!((areas.path("x"), areas.path("")), (None, None));
        assert_eq!(areas.below("c").collect::<Vec<_>>(), ["c", "t"]);
        assert_eq!(areas.below("x").count(), 0);
    }

    #[test]
    fn paths_skip_levels_and_follow_moves() {
        let mut tree = AreaTree::default();
        tree.define(&defined("c", v1::AreaLevel::City, ""));
        tree.define(&defined("t", v1::AreaLevel::Township, "c"));
        let (grid, _) = tree.define(&defined("g", v1::AreaLevel::Grid, "t"));
        let path = tree.path(grid);
        assert_eq!((path.city.as_str(), path.county.as_str(), path.township.as_str(), path.grid.as_str()), ("c", "", "t", "g"));
        tree.reparent(&v1::AreaReparented { area_id: "g".into(), parent_id: "c".into(), ..Default::default() });
        assert_eq!(tree.path(grid).township, "");
        let top = tree.node("c");
        assert_eq!(tree.subtree(top).len(), 3);
    }
}
