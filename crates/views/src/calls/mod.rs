//! 征调: each call, to persons and to organizations, with its answer and its times. What a figure means is said in `views.proto`.
//!
//! A released call is forgotten once its row was handed out, unless it may still be corrected: what is kept grows with the people on duty and not
//! with the log.

mod asked;
mod cards;
mod person;

use muster_proto::Event;
use muster_proto::v1;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::fact::{Called, Fact, What};
use crate::fold::{Fold, RowChange};
use crate::ledger::{Entry, Ledger};
use crate::people::{CallKey, Standing, Turn};
use crate::symbols::{EMPTY, Sym};
use crate::view::{Row, View};

use asked::Asked;
use cards::Cards;
use person::{Call, Course};

/// The fold of [`View::Calls`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CallsFold {
    /// By the ledger's places.
    realms: Vec<Realm>,
    /// The organization that each person belongs to, by the number of the person's name.
    organizations: Vec<Sym>,
    /// Those of plans.
    cards: Cards,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Realm {
    calls: Vec<Call>,
    /// Places of forgotten calls.
    free: Vec<CallRef>,
    by_key: FxHashMap<CallKey, CallRef>,
    dirty: Vec<CallRef>,
    /// Calls to organizations.
    asked: Vec<Asked>,
    asked_by_key: FxHashMap<CallKey, AskedRef>,
    dirty_asked: Vec<AskedRef>,
    /// Whistles and needs that were confirmed.
    confirmed: FxHashSet<Part>,
    /// Standing calls for a whistle's need, to persons and to organizations.
    parts: FxHashMap<Part, Takers>,
}

/// A whistle and its need.
type Part = (Sym, Sym);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Takers {
    calls: Vec<CallRef>,
    asked: Vec<AskedRef>,
}

type CallRef = u32;
type AskedRef = u32;

impl Fold for CallsFold {
    const VIEW: View = View::Calls;

    fn interested(event_tag: u32) -> bool {
        matches!(event_tag, 120 | 122 | 140 | 231 | 246..=250 | 260..=266 | 320..=322)
    }

    fn apply(&mut self, entry: &Entry<'_>) {
        while self.realms.len() <= entry.realm {
            self.realms.push(Realm::default());
        }
        match &entry.fact.what {
            What::Event(event) => match &**event {
                Event::ResponderEnrolled(body) => self.belongs(entry, &body.responder_id, &body.organization_id),
                Event::ResponderTransferred(body) => self.belongs(entry, &body.responder_id, &body.organization_id),
                Event::PlanDrafted(body) => self.cards.drafted(body, entry.names),
                event => self.realms[entry.realm].apply(event, entry),
            },
            what => {
                let Some(turn) = &entry.turn else { return };
                let realm = &mut self.realms[entry.realm];
                if let What::Called(called) = what {
                    let organization = self.organizations.get(called.person as usize).copied().unwrap_or(EMPTY);
                    realm.called(called, organization, &self.cards, entry);
                }
                realm.people_moved(turn, what, entry.fact);
            }
        }
    }

    fn dirty(&self) -> usize {
        self.realms.iter().map(|realm| realm.dirty.len() + realm.dirty_asked.len()).sum()
    }

    fn drain(&mut self, ledger: &Ledger, each: &mut dyn FnMut(RowChange)) {
        for (place, realm) in self.realms.iter_mut().enumerate() {
            realm.drain(ledger.realm_of(place).0, &self.cards, ledger, each);
        }
    }
}

impl CallsFold {
    fn belongs(&mut self, entry: &Entry<'_>, responder_id: &str, organization_id: &str) {
        let (person, organization) = (entry.names.known(responder_id) as usize, entry.names.known(organization_id));
        if self.organizations.len() <= person {
            self.organizations.resize(person + 1, EMPTY);
        }
        self.organizations[person] = organization;
    }
}

impl Realm {
    fn called(&mut self, called: &Called, organization: Sym, cards: &Cards, entry: &Entry<'_>) {
        let part = (called.whistle, called.need);
        let call = Call::new(called, organization, self.confirmed.contains(&part), cards, entry);
        let at = match self.free.pop() {
            Some(at) => {
                self.calls[at as usize] = call;
                at
            }
            None => {
                self.calls.push(call);
                CallRef::try_from(self.calls.len() - 1).expect("four thousand million standing calls do not fit into memory")
            }
        };
        self.by_key.insert(called.call, at);
        self.dirty.push(at);
        if is_part(part) {
            self.parts.entry(part).or_default().calls.push(at);
        }
    }

    /// Marks the calls for a part of a whistle that is done.
    fn part_confirmed(&mut self, part: Part, fact: &Fact) {
        self.confirmed.insert(part);
        let takers = self.parts.get(&part).cloned().unwrap_or_default();
        for at in takers.calls {
            self.edit_at(at, fact, |course| course.part_confirmed |= course.phase != v1::CallPhase::Released);
        }
        for at in takers.asked {
            self.edit_asked(at, fact, Asked::part_confirmed);
        }
    }

    fn people_moved(&mut self, turn: &Turn, what: &What, fact: &Fact) {
        // Somebody may go from one duty of an organization's call to another by one record.
        let mut by_asked: SmallVec<[(AskedRef, i64); 2]> = SmallVec::new();
        for (key, duty, standing) in &turn.after.duties {
            let before = turn.before.duties.iter().find(|(held, _, _)| held == key);
            let accepted = matches!(what, What::Accepted { call, .. } if call == key);
            if !accepted && before.is_some_and(|(_, known, stood)| (known, stood) == (duty, standing)) {
                continue;
            }
            let arrives = *standing == Standing::Present && before.is_none_or(|(_, _, stood)| *stood != Standing::Present);
            let arrives_first = duty.arrived && !before.is_some_and(|(_, known, _)| known.arrived);
            self.edit(*key, fact, |course| {
                course.phase = if course.recalled { v1::CallPhase::Recalled } else { duty.phase(*standing) };
                course.estimated_arrival_ms = duty.arrival_ms;
                course.unconfirmed = *standing == Standing::Disputed;
                course.unanswered &= !(accepted || arrives);
                if accepted {
                    set_once(&mut course.accepted_at_ms, fact.recorded_at_ms);
                }
                if duty.acknowledged {
                    set_once(&mut course.acknowledged_at_ms, fact.recorded_at_ms);
                }
                if arrives_first {
                    course.arrived_at_ms = fact.occurred_at_ms;
                }
            });
            by_asked.extend(self.is_present(*key, *standing == Standing::Present));
        }
        if let What::Released { call, reason } = what {
            by_asked.extend(self.is_present(*call, false));
            self.edit(*call, fact, |course| {
                course.phase = v1::CallPhase::Released;
                course.release_reason = *reason;
                course.released_at_ms = fact.recorded_at_ms;
                course.unconfirmed = false;
            });
        }
        by_asked.sort_unstable();
        for same in by_asked.chunk_by(|(one, _), (other, _)| one == other) {
            let by: i64 = same.iter().map(|(_, by)| by).sum();
            self.edit_asked(same[0].0, fact, |asked| asked.row.present += by);
        }
    }

    /// Notes whether the holder is present. Returns what that changes for the organization that named them.
    fn is_present(&mut self, key: CallKey, present: bool) -> Option<(AskedRef, i64)> {
        let call = &mut self.calls[*self.by_key.get(&key)? as usize];
        if std::mem::replace(&mut call.present, present) == present {
            return None;
        }
        let asked = *self.asked_by_key.get(&call.organization_call)?;
        Some((asked, if present { 1 } else { -1 }))
    }

    fn apply(&mut self, event: &Event, entry: &Entry<'_>) {
        let fact = entry.fact;
        let key = |call_id: &str| CallKey::find(call_id, entry.names);
        let standing = |course: &Course| course.phase != v1::CallPhase::Released;
        match event {
            Event::CallDeclined(body) => self.edit(key(&body.call_id), fact, |course| course.unanswered &= !standing(course)),
            Event::CallUnanswered(body) => self.edit(key(&body.call_id), fact, |course| course.unanswered |= standing(course)),
            Event::NoShowDeclared(body) => self.edit(key(&body.call_id), fact, |course| course.no_show |= standing(course)),
            Event::NoShowCorrected(body) => self.edit(key(&body.call_id), fact, |course| {
                if std::mem::take(&mut course.no_show) {
                    set_once(&mut course.arrived_at_ms, body.arrived_at_ms);
                }
            }),
            Event::ResponderRecalled(body) => self.edit(key(&body.call_id), fact, |course| {
                if standing(course) {
                    course.recalled = true;
                    course.phase = v1::CallPhase::Recalled;
                }
            }),
            Event::PartConfirmed(body) => {
                self.part_confirmed((entry.names.known(&body.whistle_id), entry.names.known(&body.need_id)), fact);
            }
            Event::OrganizationCalled(body) => self.asked(body, entry),
            event => {
                if let Some(call_id) = person::delivered_call(event) {
                    return self.reached(key(call_id), event, fact);
                }
                let asked = asked::call_id(event).and_then(|call_id| self.asked_by_key.get(&key(call_id)).copied());
                if let Some(asked) = asked {
                    self.edit_asked(asked, fact, |asked| asked.goes_on(event, fact));
                }
            }
        }
    }

    fn asked(&mut self, body: &v1::OrganizationCalled, entry: &Entry<'_>) {
        let key = CallKey::find(&body.call_id, entry.names);
        if self.asked_by_key.contains_key(&key) {
            return;
        }
        let part = (entry.names.known(&body.whistle_id), entry.names.known(&body.need_id));
        let at = AskedRef::try_from(self.asked.len()).expect("four thousand million calls do not fit into memory");
        self.asked.push(Asked::new(body, self.confirmed.contains(&part), entry.fact));
        self.asked_by_key.insert(key, at);
        self.dirty_asked.push(at);
        if is_part(part) {
            self.parts.entry(part).or_default().asked.push(at);
        }
    }

    /// What became of a call on its way to the person.
    fn reached(&mut self, key: CallKey, event: &Event, fact: &Fact) {
        let Some(at) = self.by_key.get(&key).copied() else { return };
        let call = &mut self.calls[at as usize];
        if call.course.phase != v1::CallPhase::Released && call.reached(event) {
            self.touch(at, fact);
        }
    }

    /// Changes what a record can change of a call, and notes the record if the row is another afterwards.
    fn edit(&mut self, key: CallKey, fact: &Fact, change: impl FnOnce(&mut Course)) {
        if let Some(at) = self.by_key.get(&key).copied() {
            self.edit_at(at, fact, change);
        }
    }

    fn edit_at(&mut self, at: CallRef, fact: &Fact, change: impl FnOnce(&mut Course)) {
        let course = &mut self.calls[at as usize].course;
        let before = *course;
        change(course);
        if *course != before {
            self.touch(at, fact);
        }
    }

    fn touch(&mut self, at: CallRef, fact: &Fact) {
        let call = &mut self.calls[at as usize];
        call.position = fact.position.0;
        if !call.dirty {
            call.dirty = true;
            self.dirty.push(at);
        }
    }

    fn edit_asked(&mut self, at: AskedRef, fact: &Fact, change: impl FnOnce(&mut Asked)) {
        let asked = &mut self.asked[at as usize];
        let before = asked.row.clone();
        change(asked);
        asked.settle();
        if asked.row != before {
            asked.row.position = fact.position.0;
            if !asked.dirty {
                asked.dirty = true;
                self.dirty_asked.push(at);
            }
        }
    }

    fn drain(&mut self, realm: &str, cards: &Cards, ledger: &Ledger, each: &mut dyn FnMut(RowChange)) {
        self.dirty.sort_unstable();
        for at in self.dirty.drain(..) {
            let call = &mut self.calls[at as usize];
            call.dirty = false;
            each(RowChange::Put(Row::Call(Box::new(call.row(realm, cards, ledger)))));
            if call.is_over() {
                self.by_key.remove(&call.key);
                self.free.push(at);
                let part = call.part();
                if let Some(takers) = self.parts.get_mut(&part) {
                    takers.calls.retain(|known| *known != at);
                    if takers.calls.is_empty() && takers.asked.is_empty() {
                        self.parts.remove(&part);
                    }
                }
            }
        }
        self.dirty_asked.sort_unstable();
        for at in self.dirty_asked.drain(..) {
            let asked = &mut self.asked[at as usize];
            asked.dirty = false;
            each(RowChange::Put(Row::Call(Box::new(asked.row.clone()))));
        }
    }
}

/// Whether it names a need.
fn is_part((whistle, need): Part) -> bool {
    whistle != EMPTY && need != EMPTY
}

fn set_once(slot: &mut i64, value: i64) {
    if *slot == 0 {
        *slot = value;
    }
}
