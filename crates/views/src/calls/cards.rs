//! 岗位说明书 of plans, which a conversion's calls name by their key: kept once, however many calls name them.

use muster_proto::v1;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::proto_bytes;
use crate::symbols::{EMPTY, Sym, Symbols};

/// A card's place and one more; 0 for none.
pub(super) type CardRef = u32;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Cards {
    cards: Vec<Card>,
    /// Keys and cards of each plan and version.
    of_plan: FxHashMap<(Sym, u32), Vec<(Sym, CardRef)>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Card(#[serde(with = "proto_bytes")] v1::PostCard);

impl Cards {
    /// Takes the cards of a draft, which replace those of an earlier one of the same version for the calls to come.
    pub(super) fn drafted(&mut self, body: &v1::PlanDrafted, names: &Symbols) {
        let mut keys: Vec<(Sym, CardRef)> = Vec::with_capacity(body.cards.len());
        for card in &body.cards {
            self.cards.push(Card(card.clone()));
            let at = CardRef::try_from(self.cards.len()).expect("four thousand million cards do not fit into memory");
            keys.push((names.known(&card.card_key), at));
        }
        self.of_plan.insert((names.known(&body.plan_id), body.version), keys);
    }

    pub(super) fn find(&self, plan: Sym, version: u32, key: Sym) -> CardRef {
        let keys = if key == EMPTY { None } else { self.of_plan.get(&(plan, version)) };
        keys.into_iter().flatten().find(|(known, _)| *known == key).map_or(0, |(_, at)| *at)
    }

    pub(super) fn get(&self, at: CardRef) -> Option<v1::PostCard> {
        let place = (at as usize).checked_sub(1)?;
        self.cards.get(place).map(|card| card.0.clone())
    }
}
