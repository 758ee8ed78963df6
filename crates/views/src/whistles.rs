//! 哨: each whistle with its needs, its level and its times. What a figure means is said in `views.proto`.

use muster_proto::Event;
use muster_proto::v1::{self, WhistleStatus};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::areas::AreaTree;
use crate::fact::{Fact, What};
use crate::fold::{Fold, RowChange};
use crate::ledger::{Entry, Ledger};
use crate::people::{CallKey, Sight, Standing};
use crate::proto_bytes;
use crate::symbols::{EMPTY, Sym, Symbols};
use crate::view::{Row, View};

/// The fold of [`View::Whistles`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct WhistlesFold {
    /// By the ledger's places.
    realms: Vec<Realm>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Realm {
    whistles: Vec<Whistle>,
    by_id: FxHashMap<Sym, WhistleRef>,
    /// Standing calls to organizations, and the whistle each is for.
    organization_calls: FxHashMap<CallKey, WhistleRef>,
    dirty: Vec<WhistleRef>,
}

type WhistleRef = u32;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Whistle {
    #[serde(with = "proto_bytes")]
    row: v1::WhistleRow,
    /// By a WhistleAcknowledged that no WhistleEscalated followed.
    acknowledged: bool,
    duties: u32,
    organization_calls: u32,
    dirty: bool,
}

impl Fold for WhistlesFold {
    const VIEW: View = View::Whistles;

    fn interested(event_tag: u32) -> bool {
        matches!(event_tag, 220..=228 | 231 | 260 | 265 | 266)
    }

    fn apply(&mut self, entry: &Entry<'_>) {
        while self.realms.len() <= entry.realm {
            self.realms.push(Realm::default());
        }
        let realm = &mut self.realms[entry.realm];
        match (&entry.turn, &entry.fact.what) {
            (Some(turn), _) => realm.people_moved(&turn.before, &turn.after, entry),
            (None, What::Event(event)) => realm.apply(event, entry),
            (None, _) => {}
        }
    }

    fn dirty(&self) -> usize {
        self.realms.iter().map(|realm| realm.dirty.len()).sum()
    }

    fn drain(&mut self, _ledger: &Ledger, each: &mut dyn FnMut(RowChange)) {
        for realm in &mut self.realms {
            realm.dirty.sort_unstable();
            for whistle in realm.dirty.drain(..) {
                let whistle = &mut realm.whistles[whistle as usize];
                whistle.dirty = false;
                each(RowChange::Put(Row::Whistle(whistle.row.clone())));
            }
        }
    }
}

impl Realm {
    fn apply(&mut self, event: &Event, entry: &Entry<'_>) {
        let (names, tree, fact) = (entry.names, entry.tree, entry.fact);
        match event {
            Event::WhistleBlown(body) => self.blown(names, tree, body, fact),
            Event::OrganizationCalled(body) => {
                let Some(whistle) = self.find(names, &body.whistle_id) else { return };
                let before = self.organization_calls.insert(CallKey::find(&body.call_id, names), whistle);
                if before.is_none() {
                    self.edit(whistle, fact, |whistle| whistle.organization_calls += 1);
                }
            }
            Event::OrganizationCallDeclined(v1::OrganizationCallDeclined { call_id, .. })
            | Event::OrganizationCallEnded(v1::OrganizationCallEnded { call_id }) => {
                let Some(whistle) = self.organization_calls.remove(&CallKey::find(call_id, names)) else { return };
                self.edit(whistle, fact, |whistle| whistle.organization_calls -= 1);
            }
            event => self.of_whistle(names, tree, event, fact),
        }
    }

    fn find(&self, names: &Symbols, whistle_id: &str) -> Option<WhistleRef> {
        names.find(whistle_id).and_then(|id| self.by_id.get(&id).copied())
    }

    fn blown(&mut self, names: &Symbols, tree: &AreaTree, body: &v1::WhistleBlown, fact: &Fact) {
        let id = names.known(&body.whistle_id);
        if self.by_id.contains_key(&id) {
            return;
        }
        let need = |need: &v1::Need| v1::WhistleNeedRow {
            need_id: need.need_id.clone(),
            kind: need.kind,
            specialty: need.specialty.clone(),
            item: need.item.clone(),
            unit: need.unit.clone(),
            quantity: i64::from(need.quantity),
            dispatched: 0,
            filled: 0,
            confirmed: false,
        };
        let row = v1::WhistleRow {
            realm: fact.realm.to_string(),
            whistle_id: body.whistle_id.clone(),
            incident_id: body.incident_id.clone(),
            area_id: body.area_id.clone(),
            severity: body.severity,
            urgency: body.urgency,
            life_threatening: body.life_threatening,
            place: body.place.clone(),
            text: body.text.clone(),
            needs: body.needs.iter().map(need).collect(),
            responsible_area_id: body.area_id.clone(),
            level: level_of(tree, &body.area_id),
            level_since_ms: fact.recorded_at_ms,
            acknowledge_due_ms: body.acknowledge_due_ms,
            blown_at_ms: fact.recorded_at_ms,
            position: fact.position.0,
            ..Default::default()
        };
        let whistle = WhistleRef::try_from(self.whistles.len()).expect("four thousand million whistles do not fit into memory");
        let mut new = Whistle { row, acknowledged: false, duties: 0, organization_calls: 0, dirty: true };
        new.row.status = new.status().into();
        self.whistles.push(new);
        self.by_id.insert(id, whistle);
        self.dirty.push(whistle);
    }

    fn of_whistle(&mut self, names: &Symbols, tree: &AreaTree, event: &Event, fact: &Fact) {
        let whistle_id = match event {
            Event::WhistleAcknowledged(body) => &body.whistle_id,
            Event::WhistleEscalated(body) => &body.whistle_id,
            Event::WhistlesMerged(body) => &body.whistle_id,
            Event::NeedFulfilled(body) => &body.whistle_id,
            Event::PartConfirmed(body) => &body.whistle_id,
            Event::WhistleFilled(body) => &body.whistle_id,
            Event::WhistleResolved(body) => &body.whistle_id,
            Event::WhistleWithdrawn(body) => &body.whistle_id,
            Event::WhistleRated(body) => &body.whistle_id,
            _ => return,
        };
        let Some(whistle) = self.find(names, whistle_id) else { return };
        let now_ms = fact.recorded_at_ms;
        self.edit(whistle, fact, |whistle| match event {
            Event::WhistleAcknowledged(_) => {
                whistle.acknowledged = true;
                whistle.row.acknowledge_due_ms = 0;
                set_once(&mut whistle.row.acknowledged_at_ms, now_ms);
            }
            Event::WhistleEscalated(body) => whistle.escalated(tree, body, now_ms),
            Event::NeedFulfilled(body) => {
                if let Some(need) = whistle.row.needs.iter_mut().find(|need| need.need_id == body.need_id) {
                    need.filled += i64::from(body.quantity);
                }
            }
            Event::PartConfirmed(body) => {
                if let Some(need) = whistle.row.needs.iter_mut().find(|need| need.need_id == body.need_id) {
                    need.confirmed = true;
                }
            }
            Event::WhistleFilled(_) => set_once(&mut whistle.row.filled_at_ms, now_ms),
            Event::WhistlesMerged(body) => {
                whistle.row.merged_into_id.clone_from(&body.into_whistle_id);
                whistle.ended(WhistleStatus::Merged, now_ms);
            }
            Event::WhistleResolved(_) => whistle.ended(WhistleStatus::Resolved, now_ms),
            Event::WhistleWithdrawn(_) => whistle.ended(WhistleStatus::Withdrawn, now_ms),
            Event::WhistleRated(body) => {
                whistle.row.rating = body.rating;
                whistle.row.status = WhistleStatus::Rated.into();
            }
            _ => {}
        });
    }

    fn people_moved(&mut self, before: &Sight, after: &Sight, entry: &Entry<'_>) {
        let (names, fact) = (entry.names, entry.fact);
        let mut touched: Vec<WhistleRef> = Vec::new();
        for (_, duty, _) in before.duties.iter().chain(&after.duties).filter(|(_, duty, _)| duty.whistle != EMPTY) {
            if let Some(whistle) = self.by_id.get(&duty.whistle).filter(|whistle| !touched.contains(whistle)) {
                touched.push(*whistle);
            }
        }
        for whistle in touched {
            let id = names.find(&self.whistles[whistle as usize].row.whistle_id);
            self.edit(whistle, fact, |whistle| {
                for (sight, sign) in [(before, -1), (after, 1)] {
                    for (_, duty, standing) in sight.duties.iter().filter(|(_, duty, _)| Some(duty.whistle) == id) {
                        whistle.duty(names, duty.need, *standing, sign);
                    }
                }
            });
        }
    }

    /// Changes a whistle, and notes the record if the row is another afterwards.
    fn edit(&mut self, whistle: WhistleRef, fact: &Fact, change: impl FnOnce(&mut Whistle)) {
        let known = &mut self.whistles[whistle as usize];
        let before = known.row.clone();
        change(known);
        known.row.status = known.status().into();
        if known.row != before {
            known.row.position = fact.position.0;
            if !known.dirty {
                known.dirty = true;
                self.dirty.push(whistle);
            }
        }
    }
}

impl Whistle {
    fn is_open(&self) -> bool {
        self.row.ended_at_ms == 0
    }

    fn duty(&mut self, names: &Symbols, need: Sym, standing: Standing, sign: i32) {
        self.duties = self.duties.saturating_add_signed(sign);
        if need == EMPTY {
            return;
        }
        let need_id = names.name(need);
        if let Some(need) = self.row.needs.iter_mut().find(|need| need.need_id == need_id) {
            need.dispatched += i64::from(sign);
            need.filled += if standing == Standing::Present { i64::from(sign) } else { 0 };
        }
    }

    fn escalated(&mut self, tree: &AreaTree, body: &v1::WhistleEscalated, now_ms: i64) {
        self.close_spell(now_ms);
        self.acknowledged = false;
        self.row.responsible_area_id.clone_from(&body.to_area_id);
        self.row.level = level_of(tree, &body.to_area_id);
        self.row.level_since_ms = now_ms;
        self.row.acknowledge_due_ms = body.acknowledge_due_ms;
    }

    fn ended(&mut self, status: WhistleStatus, now_ms: i64) {
        if self.is_open() {
            self.close_spell(now_ms);
            self.row.level_since_ms = 0;
            self.row.acknowledge_due_ms = 0;
            self.row.ended_at_ms = now_ms;
            self.row.status = status.into();
        }
    }

    fn close_spell(&mut self, now_ms: i64) {
        let seconds = (now_ms - self.row.level_since_ms) / 1_000;
        self.row.level_times.push(v1::WhistleLevelTime { level: self.row.level, seconds });
    }

    fn status(&self) -> WhistleStatus {
        let needs = &self.row.needs;
        if !self.is_open() || self.row.status() == WhistleStatus::Rated {
            self.row.status()
        } else if !needs.is_empty() && needs.iter().all(|need| need.confirmed || need.filled >= need.quantity) {
            WhistleStatus::Filled
        } else if needs.iter().any(|need| need.confirmed || need.filled > 0) {
            WhistleStatus::PartlyFilled
        } else if self.duties > 0 || self.organization_calls > 0 {
            WhistleStatus::Dispatching
        } else if self.acknowledged {
            WhistleStatus::Acknowledged
        } else {
            WhistleStatus::Blown
        }
    }
}

fn level_of(tree: &AreaTree, area_id: &str) -> i32 {
    tree.find(area_id).map_or(0, |node| tree.level(node))
}

fn set_once(slot: &mut i64, value: i64) {
    if *slot == 0 {
        *slot = value;
    }
}
