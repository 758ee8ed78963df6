//! 编组: who leads each unit, how many are in it, how many of them are somewhere on post. What a figure means is said in `views.proto`.

use muster_proto::Event;
use muster_proto::v1::{self, DutyRole, UnitKind};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::fact::{Fact, What};
use crate::fold::{Fold, RowChange};
use crate::ledger::{Entry, Ledger};
use crate::people::Turn;
use crate::proto_bytes;
use crate::symbols::{Sym, Symbols};
use crate::view::{Row, View};

/// The fold of [`View::Units`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct UnitsFold {
    /// By the ledger's places.
    realms: Vec<Realm>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Realm {
    units: Vec<Unit>,
    by_id: FxHashMap<Sym, UnitRef>,
    people: FxHashMap<Sym, Person>,
    dirty: Vec<UnitRef>,
}

type UnitRef = u32;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Unit {
    #[serde(with = "proto_bytes")]
    row: v1::UnitRow,
    approved: bool,
    parent: Option<UnitRef>,
    secretary: Option<Sym>,
    organizer: Option<Sym>,
    people: Vec<Sym>,
    dirty: bool,
}

/// What of a row a record can change.
#[derive(PartialEq)]
struct Core {
    secretary: Option<Sym>,
    organizer: Option<Sym>,
    organizer_missing_since_ms: i64,
    organizer_overdue: bool,
    active: bool,
    strength: i64,
    present: i64,
    dissolved: bool,
    subordinates: i64,
}

/// ICS: one leader directs three to seven; more is said.
const SPAN_MAX: i64 = 7;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Person {
    present: bool,
    units: SmallVec<[(UnitRef, Seat); 1]>,
}

/// In which ways somebody is in a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seat {
    member: bool,
    extra: bool,
}

impl Seat {
    const MEMBER: Self = Self { member: true, extra: false };
    const NONE: Self = Self { member: false, extra: false };
}

impl Fold for UnitsFold {
    const VIEW: View = View::Units;
    const VERSION: u32 = 2;

    fn interested(event_tag: u32) -> bool {
        matches!(event_tag, 180..=186)
    }

    fn apply(&mut self, entry: &Entry<'_>) {
        while self.realms.len() <= entry.realm {
            self.realms.push(Realm::default());
        }
        let realm = &mut self.realms[entry.realm];
        match (&entry.turn, &entry.fact.what) {
            (Some(turn), what) => realm.people_moved(turn, what, entry.fact),
            (None, What::Event(event)) => realm.of_unit(event, entry),
            (None, _) => {}
        }
    }

    fn dirty(&self) -> usize {
        self.realms.iter().map(|realm| realm.dirty.len()).sum()
    }

    fn drain(&mut self, _ledger: &Ledger, each: &mut dyn FnMut(RowChange)) {
        for realm in &mut self.realms {
            realm.dirty.sort_unstable();
            for unit in realm.dirty.drain(..) {
                let unit = &mut realm.units[unit as usize];
                unit.dirty = false;
                each(RowChange::Put(Row::Unit(unit.row.clone())));
            }
        }
    }
}

impl Realm {
    /// A call or release may make a person join or leave a unit, and every observation may change who is somewhere.
    fn people_moved(&mut self, turn: &Turn, what: &What, fact: &Fact) {
        match what {
            What::Called(called) => {
                if let Some(unit) = self.by_id.get(&called.unit).copied() {
                    self.seat(turn.person, unit, fact, |seat| seat.member = true);
                }
            }
            What::Released { call, .. } => {
                let released = turn.before.duties.iter().find(|(held, _, _)| held == call).map(|(_, duty, _)| duty);
                let Some((duty, unit)) = released.and_then(|duty| Some((duty, *self.by_id.get(&duty.unit)?))) else { return };
                if duty.role == DutyRole::Organizer as i32 {
                    self.organizes_no_more(turn.person, unit, fact);
                }
                // Whoever has another duty in the unit stays.
                if !turn.after.duties.iter().any(|(_, other, _)| other.unit == duty.unit) {
                    self.leave(turn.person, unit, Seat::MEMBER, fact);
                }
            }
            _ => self.seen(turn.person, turn.after.spot.is_some(), fact),
        }
    }

    fn of_unit(&mut self, event: &Event, entry: &Entry<'_>) {
        let (names, fact) = (entry.names, entry.fact);
        if let Event::UnitEstablished(body) = event {
            return self.established(names, body, fact);
        }
        let unit_id = match event {
            Event::SecretaryAppointed(body) => &body.unit_id,
            Event::OrganizerAppointed(body) => &body.unit_id,
            Event::OrganizerGapOverdue(body) => &body.unit_id,
            Event::ResponderAttached(body) => &body.unit_id,
            Event::ResponderDetached(body) => &body.unit_id,
            Event::UnitDissolved(body) => &body.unit_id,
            _ => return,
        };
        let Some(unit) = self.find(names, unit_id) else { return };
        match event {
            Event::SecretaryAppointed(body) => {
                let person = names.known(&body.responder_id);
                self.edit(unit, fact, |unit| {
                    unit.secretary = Some(person);
                    unit.row.secretary_id.clone_from(&body.responder_id);
                });
            }
            Event::OrganizerAppointed(body) => {
                let person = names.known(&body.responder_id);
                self.edit(unit, fact, |unit| {
                    unit.organizer = Some(person);
                    unit.row.organizer_id.clone_from(&body.responder_id);
                    unit.row.organizer_missing_since_ms = 0;
                    unit.row.organizer_overdue = false;
                });
            }
            Event::OrganizerGapOverdue(_) => self.edit(unit, fact, |unit| unit.row.organizer_overdue = true),
            Event::ResponderAttached(body) => {
                let person = names.known(&body.responder_id);
                self.seat(person, unit, fact, |seat| if body.extra_seat { seat.extra = true } else { seat.member = true });
            }
            Event::ResponderDetached(body) => {
                let person = names.known(&body.responder_id);
                self.leave(person, unit, Seat { member: true, extra: true }, fact);
                self.organizes_no_more(person, unit, fact);
            }
            _ => self.dissolved(unit, fact),
        }
    }

    fn find(&self, names: &Symbols, unit_id: &str) -> Option<UnitRef> {
        names.find(unit_id).and_then(|id| self.by_id.get(&id).copied())
    }

    fn established(&mut self, names: &Symbols, body: &v1::UnitEstablished, fact: &Fact) {
        let id = names.known(&body.unit_id);
        if self.by_id.contains_key(&id) {
            return;
        }
        let party = party_organization(body.kind());
        let row = v1::UnitRow {
            realm: fact.realm.to_string(),
            unit_id: body.unit_id.clone(),
            incident_id: body.incident_id.clone(),
            kind: body.kind,
            name: body.name.clone(),
            parent_unit_id: body.parent_unit_id.clone(),
            area_id: body.area_id.clone(),
            site_id: body.site_id.clone(),
            organizer_missing_since_ms: if party { fact.recorded_at_ms } else { 0 },
            position: fact.position.0,
            ..Default::default()
        };
        let approved = !party || !body.plan_id.is_empty() || !body.approval_document_no.is_empty();
        let unit = UnitRef::try_from(self.units.len()).expect("four thousand million units do not fit into memory");
        let parent = self.find(names, &body.parent_unit_id);
        self.units.push(Unit { row, approved, parent, secretary: None, organizer: None, people: Vec::new(), dirty: true });
        self.by_id.insert(id, unit);
        self.dirty.push(unit);
        self.subordinates(parent, 1, fact);
    }

    /// A person, if it is the organizer, has the office no more.
    fn organizes_no_more(&mut self, person: Sym, unit: UnitRef, fact: &Fact) {
        self.edit(unit, fact, |unit| {
            if unit.organizer == Some(person) {
                unit.organizer = None;
                unit.row.organizer_id.clear();
            }
        });
    }

    fn subordinates(&mut self, parent: Option<UnitRef>, by: i64, fact: &Fact) {
        let Some(parent) = parent else { return };
        self.edit(parent, fact, |unit| {
            unit.row.subordinates += by;
            unit.row.span_exceeded = unit.row.subordinates > SPAN_MAX;
        });
    }

    fn dissolved(&mut self, unit: UnitRef, fact: &Fact) {
        if !self.units[unit as usize].row.dissolved {
            self.subordinates(self.units[unit as usize].parent, -1, fact);
        }
        for person in std::mem::take(&mut self.units[unit as usize].people) {
            if let Some(known) = self.people.get_mut(&person) {
                known.units.retain(|(other, _)| *other != unit);
                forget_unknown(&mut self.people, person);
            }
        }
        self.edit(unit, fact, |unit| {
            unit.secretary = None;
            unit.organizer = None;
            unit.row.secretary_id.clear();
            unit.row.organizer_id.clear();
            unit.row.organizer_missing_since_ms = 0;
            unit.row.organizer_overdue = false;
            unit.row.strength = 0;
            unit.row.present = 0;
            unit.row.dissolved = true;
        });
    }

    /// Somebody sits in a unit in one more way.
    fn seat(&mut self, person: Sym, unit: UnitRef, fact: &Fact, change: impl FnOnce(&mut Seat)) {
        if self.units[unit as usize].row.dissolved {
            return;
        }
        let known = self.people.entry(person).or_default();
        match known.units.iter_mut().find(|(other, _)| *other == unit) {
            Some((_, seat)) => change(seat),
            None => {
                let mut seat = Seat::NONE;
                change(&mut seat);
                known.units.push((unit, seat));
                let present = i64::from(known.present);
                self.units[unit as usize].people.push(person);
                self.edit(unit, fact, |unit| {
                    unit.row.strength += 1;
                    unit.row.present += present;
                });
            }
        }
    }

    /// Somebody no longer sits in a unit in some ways, and leads it no more.
    fn leave(&mut self, person: Sym, unit: UnitRef, ways: Seat, fact: &Fact) {
        let mut present = None;
        if let Some(known) = self.people.get_mut(&person)
            && let Some(at) = known.units.iter().position(|(other, _)| *other == unit)
        {
            let seat = &mut known.units[at].1;
            seat.member &= !ways.member;
            seat.extra &= !ways.extra;
            if *seat == Seat::NONE {
                known.units.remove(at);
                present = Some(i64::from(known.present));
                forget_unknown(&mut self.people, person);
            }
        }
        self.edit(unit, fact, |unit| {
            if unit.secretary == Some(person) {
                unit.secretary = None;
                unit.row.secretary_id.clear();
            }
            if let Some(present) = present {
                unit.people.retain(|other| *other != person);
                unit.row.strength -= 1;
                unit.row.present -= present;
            }
        });
    }

    fn seen(&mut self, person: Sym, present: bool, fact: &Fact) {
        if !present && !self.people.contains_key(&person) {
            return;
        }
        let known = self.people.entry(person).or_default();
        if known.present == present {
            return;
        }
        known.present = present;
        let by = if present { 1 } else { -1 };
        let units: SmallVec<[UnitRef; 2]> = known.units.iter().map(|(unit, _)| *unit).collect();
        for unit in units {
            self.edit(unit, fact, |unit| unit.row.present += by);
        }
        forget_unknown(&mut self.people, person);
    }

    /// Changes a unit, and notes the record if the row is another afterwards.
    fn edit(&mut self, unit: UnitRef, fact: &Fact, change: impl FnOnce(&mut Unit)) {
        let known = &mut self.units[unit as usize];
        let before = known.core();
        change(known);
        known.row.active = known.approved && known.secretary.is_some() && !known.row.dissolved;
        if known.core() != before {
            touch(known, &mut self.dirty, unit, fact);
        }
    }
}

fn touch(known: &mut Unit, dirty: &mut Vec<UnitRef>, unit: UnitRef, fact: &Fact) {
    known.row.position = fact.position.0;
    if !known.dirty {
        known.dirty = true;
        dirty.push(unit);
    }
}

impl Unit {
    fn core(&self) -> Core {
        Core {
            secretary: self.secretary,
            organizer: self.organizer,
            organizer_missing_since_ms: self.row.organizer_missing_since_ms,
            organizer_overdue: self.row.organizer_overdue,
            active: self.row.active,
            strength: self.row.strength,
            present: self.row.present,
            dissolved: self.row.dissolved,
            subordinates: self.row.subordinates,
        }
    }
}

fn forget_unknown(people: &mut FxHashMap<Sym, Person>, person: Sym) {
    if people.get(&person).is_some_and(|known| !known.present && known.units.is_empty()) {
        people.remove(&person);
    }
}

fn party_organization(kind: UnitKind) -> bool {
    matches!(
        kind,
        UnitKind::JointCommittee
            | UnitKind::TemporaryCommittee
            | UnitKind::TemporaryGeneralBranch
            | UnitKind::TemporaryBranch
            | UnitKind::TemporaryGroup
    )
}
