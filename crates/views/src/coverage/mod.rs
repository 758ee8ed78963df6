//! 覆盖: posts, duties and people of each area at every level, rolled up by differences.
//!
//! A record's differences are gathered by area, cancelled against each other, and added to each area above exactly once. What a figure means is
//! said in `views.proto`.

mod counts;
mod posts;
mod realm;

use muster_proto::{ACTUAL, Event};
use serde::{Deserialize, Serialize};

use crate::areas::{AreaTree, Moved, Node};
use crate::fact::Fact;
use crate::fold::{Fold, RowChange};
use crate::people::concerns_people;
use crate::symbols::Symbols;
use crate::view::{Row, View};
use realm::Realm;

/// The fold of [`View::Coverage`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CoverageFold {
    tree: AreaTree,
    names: Symbols,
    /// The first is `actual` once anything happened.
    realms: Vec<Realm>,
}

impl Fold for CoverageFold {
    const VIEW: View = View::Coverage;

    fn interested(event_tag: u32) -> bool {
        concerns_people(event_tag) || matches!(event_tag, 100..=102 | 160 | 200..=202 | 220 | 223 | 224 | 226 | 227)
    }

    fn apply(&mut self, fact: &Fact) {
        let position = fact.position.0;
        match &fact.event {
            Event::AreaDefined(body) => {
                let node = self.tree.node(&body.area_id);
                let before = self.look(node);
                let (_, moved) = self.tree.define(body);
                self.area_changed(node, before, moved, position);
            }
            Event::AreaReparented(body) => {
                let node = self.tree.node(&body.area_id);
                let before = self.look(node);
                let (_, moved) = self.tree.reparent(body);
                self.area_changed(node, before, moved, position);
            }
            Event::AreaRetired(body) => {
                let node = self.tree.node(&body.area_id);
                let before = self.look(node);
                self.tree.retire(&body.area_id);
                self.area_changed(node, before, None, position);
            }
            event => {
                let realm = self.realm(&fact.realm);
                self.realms[realm].apply(&mut self.tree, &mut self.names, event, position);
            }
        }
    }

    fn drain(&mut self, changes: &mut Vec<RowChange>) {
        for realm in &mut self.realms {
            realm.drain(&self.tree, &self.names, changes);
        }
    }
}

/// What a row shows of its area itself.
#[derive(PartialEq)]
struct Look {
    name: Box<str>,
    level: i32,
    parent: Node,
    stands: bool,
}

impl CoverageFold {
    fn look(&self, node: Node) -> Look {
        let tree = &self.tree;
        Look { name: tree.name(node).into(), level: tree.level(node), parent: tree.parent(node), stands: tree.stands(node) }
    }

    fn area_changed(&mut self, node: Node, before: Look, moved: Option<Moved>, position: u64) {
        let changed = self.look(node) != before;
        self.realm(ACTUAL);
        for realm in &mut self.realms {
            if let Some(moved) = moved {
                realm.moved(&self.tree, moved, position);
            }
            if changed {
                realm.area_changed(node, position);
            }
        }
    }

    /// The realm's place, made now if it is new. Few enough to look through.
    fn realm(&mut self, name: &str) -> usize {
        let known = |realms: &[Realm], name: &str| realms.iter().position(|realm| realm.name() == name);
        if let Some(found) = known(&self.realms, name) {
            return found;
        }
        if name != ACTUAL {
            self.realm(ACTUAL);
        }
        self.realms.push(Realm::new(name, name == ACTUAL));
        self.realms.len() - 1
    }
}

/// Puts the rows of one realm together.
fn row(realm: &str, tree: &AreaTree, names: &Symbols, node: Node, counts: &counts::Counts, position: u64) -> Row {
    use counts::Figure;
    let slices = |slices: &counts::Slices| slices.rows(names);
    Row::Coverage(muster_proto::v1::CoverageRow {
        realm: realm.to_owned(),
        area_id: tree.id(node).to_owned(),
        parent_id: tree.parent_id(node).to_owned(),
        level: tree.level(node),
        name: tree.name(node).to_owned(),
        required: counts.figure(Figure::Required),
        dispatched: counts.figure(Figure::Dispatched),
        en_route: counts.figure(Figure::EnRoute),
        on_post: counts.figure(Figure::OnPost),
        unconfirmed: counts.figure(Figure::Unconfirmed),
        walk_in: counts.figure(Figure::WalkIn),
        gap: counts.figure(Figure::Required) - counts.figure(Figure::Filled),
        open_whistles: counts.figure(Figure::OpenWhistles),
        by_specialty: slices(&counts.by_specialty),
        by_shift: slices(&counts.by_shift),
        position,
        filled: counts.figure(Figure::Filled),
    })
}
