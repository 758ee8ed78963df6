//! 覆盖: posts, duties and people of each area at every level, rolled up by differences.
//!
//! A record's differences are gathered by area, cancelled against each other, and added to each area above exactly once. What a figure means is
//! said in `views.proto`.

mod counts;
mod posts;
mod realm;

use muster_proto::ACTUAL;
use serde::{Deserialize, Serialize};

use crate::areas::{AreaTree, Node};
use crate::fold::{Fold, RowChange};
use crate::ledger::{ACTUAL_REALM, Entry, Ledger};
use crate::symbols::Symbols;
use crate::view::{Row, View};
use realm::Realm;

/// The fold of [`View::Coverage`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CoverageFold {
    /// By the ledger's places.
    realms: Vec<Realm>,
}

impl Fold for CoverageFold {
    const VIEW: View = View::Coverage;

    fn interested(event_tag: u32) -> bool {
        matches!(event_tag, 143 | 160 | 169 | 170 | 172 | 200..=204 | 220 | 223 | 224 | 226 | 227 | 231 | 290 | 291 | 296)
    }

    fn apply(&mut self, entry: &Entry<'_>) {
        while self.realms.len() <= entry.realm {
            let everywhere = self.realms.len() == ACTUAL_REALM;
            let name = if everywhere { ACTUAL } else { &entry.fact.realm };
            self.realms.push(Realm::new(name, everywhere));
        }
        let position = entry.fact.position.0;
        match entry.tree_turn {
            Some(turn) => self.realms.iter_mut().for_each(|realm| realm.tree_changed(entry.tree, turn, position)),
            None => self.realms[entry.realm].apply(entry, position),
        }
    }

    fn dirty(&self) -> usize {
        self.realms.iter().map(realm::Realm::dirty).sum()
    }

    fn drain(&mut self, ledger: &Ledger, each: &mut dyn FnMut(RowChange)) {
        for realm in &mut self.realms {
            realm.drain(&ledger.tree, &ledger.names, each);
        }
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
        suspended: counts.figure(Figure::Suspended),
        unaccounted: counts.figure(Figure::Unaccounted),
        plan_seats: counts.figure(Figure::PlanSeats),
        plan_seats_fillable: counts.figure(Figure::PlanSeatsFillable),
    })
}
