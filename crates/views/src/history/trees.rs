//! The tree of areas as it was at any position: its events, and the trees that were asked for last. It must come to the very tree that the folds
//! had there.

use std::collections::VecDeque;
use std::sync::Arc;

use muster_log::Position;
use muster_proto::Event;
use muster_proto::v1;
use prost::Message as _;

use crate::areas::AreaTree;
use crate::limits;

/// An event of the tree, with no more than a tree is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Turn(Event);

const DEFINED: u8 = 1;
const REPARENTED: u8 = 2;
const RETIRED: u8 = 3;

impl Turn {
    /// Of the events of the tree what a path depends on.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let event = match event {
            Event::AreaDefined(v1::AreaDefined { area_id, parent_id, level, .. }) => {
                let (area_id, parent_id) = (area_id.clone(), parent_id.clone());
                Event::AreaDefined(v1::AreaDefined { area_id, parent_id, level: *level, ..Default::default() })
            }
            Event::AreaReparented(v1::AreaReparented { area_id, parent_id, .. }) => {
                let (area_id, parent_id) = (area_id.clone(), parent_id.clone());
                Event::AreaReparented(v1::AreaReparented { area_id, parent_id, ..Default::default() })
            }
            Event::AreaRetired(event) => Event::AreaRetired(event.clone()),
            _ => return None,
        };
        Some(Self(event))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, bytes) = match &self.0 {
            Event::AreaDefined(event) => (DEFINED, event.encode_to_vec()),
            Event::AreaReparented(event) => (REPARENTED, event.encode_to_vec()),
            Event::AreaRetired(event) => (RETIRED, event.encode_to_vec()),
            other => unreachable!("{other:?} is no event of the tree"),
        };
        [&[kind], bytes.as_slice()].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let event = match bytes.split_first()? {
            (&DEFINED, event) => v1::AreaDefined::decode(event).ok().map(Event::AreaDefined),
            (&REPARENTED, event) => v1::AreaReparented::decode(event).ok().map(Event::AreaReparented),
            (&RETIRED, event) => v1::AreaRetired::decode(event).ok().map(Event::AreaRetired),
            _ => None,
        };
        event.map(Self)
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Trees {
    turns: Vec<(Position, Turn)>,
    /// Trees with the number of turns that are in them, the last asked for first.
    made: VecDeque<(usize, Arc<AreaTree>)>,
}

impl Trees {
    /// The next turn.
    pub(super) fn push(&mut self, position: Position, turn: Turn) {
        self.turns.push((position, turn));
    }

    /// The tree once everything up to `position` was taken in.
    pub(super) fn at(&mut self, position: Position) -> Arc<AreaTree> {
        let count = self.turns.partition_point(|(at, _)| *at <= position);
        if let Some(place) = self.made.iter().position(|(made, _)| *made == count) {
            let found = self.made.remove(place).expect("it was just found");
            let tree = Arc::clone(&found.1);
            self.made.push_front(found);
            return tree;
        }
        let nearest = self.made.iter().filter(|(made, _)| *made < count).max_by_key(|(made, _)| *made);
        let (from, mut tree) = nearest.map_or_else(Default::default, |(made, tree)| (*made, AreaTree::clone(tree)));
        for (_, Turn(event)) in &self.turns[from..count] {
            tree.take(event);
        }
        let tree = Arc::new(tree);
        self.made.push_front((count, Arc::clone(&tree)));
        self.made.truncate(limits::HISTORY_TREES_MAX);
        tree
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_position_has_its_tree_in_whatever_order_they_are_asked_for() {
        let defined = |area_id: &str, parent_id: &str| {
            let event = v1::AreaDefined { area_id: area_id.into(), parent_id: parent_id.into(), level: 2, ..Default::default() };
            Turn::of(&Event::AreaDefined(event)).unwrap()
        };
        let moved = v1::AreaReparented { area_id: "g".into(), parent_id: "b".into(), ..Default::default() };
        let moved = Turn::of(&Event::AreaReparented(moved)).unwrap();
        let mut trees = Trees::default();
        for (position, turn) in [(2, defined("a", "")), (3, defined("b", "")), (5, defined("g", "a")), (9, moved)] {
            assert_eq!(Turn::decode(&turn.encode()).as_ref(), Some(&turn));
            trees.push(Position(position), turn);
        }
        let parent = |trees: &mut Trees, position| {
            let tree = trees.at(Position(position));
            tree.find("g").map(|node| tree.parent_id(node).to_owned())
        };
        for (position, wanted) in
            [(9, Some("b")), (1, None), (8, Some("a")), (4, None), (100, Some("b")), (5, Some("a")), (0, None), (9, Some("b"))]
        {
            assert_eq!(parent(&mut trees, position).as_deref(), wanted, "{position}");
        }
        assert!(Turn::decode(&[9, 1]).is_none() && Turn::decode(&[]).is_none());
    }
}
