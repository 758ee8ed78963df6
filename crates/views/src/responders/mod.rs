//! 报到人员: what each person is doing, each realm apart. What a figure means is said in `views.proto`.
//!
//! A million people may be enrolled, so what is kept of each is small: duties and presence stand in the ledger, what few people have stands in
//! tables of its own, and rows are made when they are handed out.

mod hours;
mod member;
mod state;

use muster_proto::Event;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::fact::{Fact, Seen, What};
use crate::fold::{Fold, RowChange};
use crate::ledger::{Entry, Ledger};
use crate::people::{CallKey, Turn};
use crate::symbols::Sym;
use crate::view::{Row, View};

use hours::{Observation, place};
use member::{Member, Members};
use state::{Last, Person, face, row};

/// The fold of [`View::Responders`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RespondersFold {
    members: Members,
    /// By the ledger's places.
    realms: Vec<Realm>,
}

/// A person's place in every table.
type MemberRef = u32;

/// The people that one realm's records named.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Realm {
    /// Place in `people` and one more, by member; 0 for those without a row.
    places: Vec<u32>,
    people: Vec<Person>,
    dirty: Vec<u32>,
    rare: Rare,
}

/// What few people have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Rare {
    /// Incidents in which somebody stands by.
    standby: FxHashMap<MemberRef, SmallVec<[Sym; 1]>>,
    /// Units that somebody is attached to without an extra seat.
    attached: FxHashMap<MemberRef, SmallVec<[Sym; 1]>>,
    /// Recalls that called somebody in.
    shelter: FxHashMap<MemberRef, SmallVec<[Shelter; 1]>>,
    /// The last duty released of people who did not come to it: it may be corrected.
    no_shows: FxHashMap<CallKey, MemberRef>,
}

/// 避险: one recall of one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Shelter {
    incident: Sym,
    area: Sym,
    safe: bool,
}

impl Fold for RespondersFold {
    const VIEW: View = View::Responders;

    fn interested(event_tag: u32) -> bool {
        matches!(event_tag, 112 | 120..=127 | 167 | 169 | 170 | 172 | 184..=186 | 241 | 242 | 249 | 256 | 299)
    }

    fn apply(&mut self, entry: &Entry<'_>) {
        while self.realms.len() <= entry.realm {
            self.realms.push(Realm::default());
        }
        match &entry.fact.what {
            What::Event(event) => {
                if !self.of_base(event, entry) {
                    self.of_realm(event, entry);
                }
            }
            what => {
                let Some(turn) = &entry.turn else { return self.left_again(what, entry) };
                let member = self.members.place(turn.person);
                let realm = &mut self.realms[entry.realm];
                let at = realm.person(member, entry.fact);
                realm.people_moved(self.members.get(member), at, turn, what, entry.fact);
            }
        }
    }

    fn dirty(&self) -> usize {
        self.realms.iter().map(|realm| realm.dirty.len()).sum()
    }

    fn drain(&mut self, ledger: &Ledger, each: &mut dyn FnMut(RowChange)) {
        for (place, realm) in self.realms.iter_mut().enumerate() {
            let (name, people) = ledger.realm_of(place);
            realm.dirty.sort_unstable();
            for at in realm.dirty.drain(..) {
                let person = &mut realm.people[at as usize];
                person.dirty = false;
                let member = self.members.get(person.member);
                let sight = people.sight(member.name);
                each(RowChange::Put(Row::Responder(Box::new(row(name, &self.members, person, &realm.rare, &sight, ledger)))));
            }
        }
    }
}

impl RespondersFold {
    /// Peacetime facts, which are the same in every realm. Returns whether the event is one.
    fn of_base(&mut self, event: &Event, entry: &Entry<'_>) -> bool {
        let names = entry.names;
        let responder_id = match event {
            Event::PeopleReserved(body) => {
                let people = body.responder_ids.iter().map(|id| names.known(id));
                for member in self.members.reserve(names.known(&body.organization_id), people) {
                    let known = *self.members.get(member);
                    self.everywhere(member, &known, true, entry);
                }
                return true;
            }
            Event::ResponderEnrolled(body) => &body.responder_id,
            Event::ResponderReportedToCommunity(body) => &body.responder_id,
            Event::ResponderTransferred(body) => &body.responder_id,
            Event::SpecialtiesSet(body) => &body.responder_id,
            Event::AvailabilitySet(body) => &body.responder_id,
            Event::ResponderWithdrawn(body) => &body.responder_id,
            Event::ResponsibilityAssigned(body) => &body.responder_id,
            Event::ResponsibilityEnded(body) => &body.responder_id,
            _ => return false,
        };
        let member = self.members.place(names.known(responder_id));
        let before = *self.members.get(member);
        let answers = matches!(event, Event::ResponsibilityAssigned(_) | Event::ResponsibilityEnded(_));
        let changed = if answers {
            self.members.answer(member, event, names)
        } else {
            self.members.learn(member, event, names, entry.fact.recorded_at_ms)
        };
        self.everywhere(member, &before, changed, entry);
        if matches!(event, Event::ResponderEnrolled(_)) {
            self.realms[entry.realm].person(member, entry.fact);
        }
        true
    }

    /// Notes a record on each row of a person that is another for it.
    fn everywhere(&mut self, member: MemberRef, before: &Member, changed: bool, entry: &Entry<'_>) {
        let after = self.members.get(member);
        for (place, realm) in self.realms.iter_mut().enumerate() {
            let Some(at) = realm.find(member) else { continue };
            let shows = || {
                let (person, sight) = (&realm.people[at as usize], entry.people_of(place).sight(after.name));
                face(before, person, &realm.rare, &sight) != face(after, person, &realm.rare, &sight)
            };
            if changed || shows() {
                realm.touch(at, entry.fact);
            }
        }
    }

    /// Somebody is seen leaving of whom nothing stood: only the time of it is told.
    fn left_again(&mut self, what: &What, entry: &Entry<'_>) {
        if let What::Left { person, checked_out: true, .. } = what
            && let Some(at) = self.realms[entry.realm].find(self.members.place(*person))
        {
            let realm = &mut self.realms[entry.realm];
            if realm.people[at as usize].seen(entry.fact.occurred_at_ms) {
                realm.touch(at, entry.fact);
            }
        }
    }

    fn of_realm(&mut self, event: &Event, entry: &Entry<'_>) {
        let names = entry.names;
        let realm = &mut self.realms[entry.realm];
        let responder_id = match event {
            Event::IncidentClosed(body) => return realm.incident_closed(names.known(&body.incident_id), &self.members, entry),
            Event::AreaResumed(body) => return realm.resumed(names.known(&body.incident_id), names.known(&body.area_id), entry.fact),
            Event::UnitDissolved(body) => return realm.dissolved(names.known(&body.unit_id), &self.members, entry),
            Event::NoShowCorrected(body) => {
                return realm.no_show_corrected(CallKey::find(&body.call_id, names), &self.members, entry);
            }
            Event::ShelterOrdered(body) => &body.responder_id,
            Event::SafetyConfirmed(body) => &body.responder_id,
            Event::ResponderAttached(body) => &body.responder_id,
            Event::ResponderDetached(body) => &body.responder_id,
            Event::ResponderPutOnStandby(body) => &body.responder_id,
            Event::StandbyEnded(body) => &body.responder_id,
            Event::PastPresenceRecorded(body) => &body.responder_id,
            Event::FatigueRaised(body) => &body.responder_id,
            _ => return,
        };
        let member = self.members.place(names.known(responder_id));
        realm.of_person(member, &self.members, event, entry);
    }
}

impl Realm {
    fn find(&self, member: MemberRef) -> Option<u32> {
        self.places.get(member as usize).copied().unwrap_or_default().checked_sub(1)
    }

    /// The person's place, which begins with this record if there was none.
    fn person(&mut self, member: MemberRef, fact: &Fact) -> u32 {
        if let Some(at) = self.find(member) {
            return at;
        }
        if self.places.len() <= member as usize {
            self.places.resize(member as usize + 1, 0);
        }
        let at = u32::try_from(self.people.len()).expect("four thousand million people do not fit into memory");
        self.people.push(Person::new(member));
        self.places[member as usize] = at + 1;
        self.touch(at, fact);
        at
    }

    fn touch(&mut self, at: u32, fact: &Fact) {
        let person = &mut self.people[at as usize];
        person.position = fact.position.0;
        if !person.dirty {
            person.dirty = true;
            self.dirty.push(at);
        }
    }

    fn people_moved(&mut self, member: &Member, at: u32, turn: &Turn, what: &What, fact: &Fact) {
        let person = &mut self.people[at as usize];
        let shown = (person.times(), face(member, person, &self.rare, &turn.before));
        if let Some(observation) = observation(what) {
            person.work().observe(observation, fact.occurred_at_ms, turn.after.spot.is_some());
        }
        if matches!(what, What::Seen(Seen { checked_in: true, .. }) | What::Left { checked_out: true, .. }) {
            person.seen(fact.occurred_at_ms);
        }
        if let What::Released { call, reason } = what
            && let Some((_, duty, _)) = turn.before.duties.iter().find(|(held, _, _)| held == call)
        {
            let former = std::mem::replace(&mut person.last, Last::of(*call, duty, *reason));
            if former.is_no_show() {
                self.rare.no_shows.remove(&former.call);
            }
            if person.last.is_no_show() {
                self.rare.no_shows.insert(*call, person.member);
            }
        }
        if (person.times(), face(member, person, &self.rare, &turn.after)) != shown {
            self.touch(at, fact);
        }
    }

    /// Records of one person that are neither of duties nor of presence.
    fn of_person(&mut self, member: MemberRef, members: &Members, event: &Event, entry: &Entry<'_>) {
        let (names, fact) = (entry.names, entry.fact);
        let begins = !matches!(event, Event::SafetyConfirmed(_) | Event::ResponderDetached(_) | Event::StandbyEnded(_));
        let at = if begins { Some(self.person(member, fact)) } else { self.find(member) };
        let Some(at) = at else { return };
        let known = members.get(member);
        let sight = entry.people.sight(known.name);
        let shown = |realm: &Self| {
            let person = &realm.people[at as usize];
            (face(known, person, &realm.rare, &sight), person.times(), realm.rare.shelter_of(member))
        };
        let before = shown(self);
        let mut changed = false;
        match event {
            Event::ResponderAttached(body) if !body.extra_seat => {
                let (units, unit) = (self.rare.attached.entry(member).or_default(), names.known(&body.unit_id));
                units.retain(|known| *known != unit);
                units.push(unit);
            }
            Event::ResponderDetached(body) => {
                leave(&mut self.rare.attached, member, names.known(&body.unit_id));
            }
            Event::ResponderPutOnStandby(body) => {
                let (incidents, incident) = (self.rare.standby.entry(member).or_default(), names.known(&body.incident_id));
                changed = !incidents.contains(&incident);
                if changed {
                    incidents.push(incident);
                }
            }
            Event::StandbyEnded(body) => changed = leave(&mut self.rare.standby, member, names.known(&body.incident_id)),
            Event::ShelterOrdered(body) => {
                let recall = Shelter { incident: names.known(&body.incident_id), area: names.known(&body.recalled_area_id), safe: false };
                self.rare.called_in(member, recall);
            }
            Event::SafetyConfirmed(body) => {
                self.rare.is_safe(member, names.known(&body.incident_id), names.known(&body.recalled_area_id));
            }
            Event::PastPresenceRecorded(body) => {
                let person = &mut self.people[at as usize];
                person.seen(fact.occurred_at_ms);
                let there = place(names.known(&body.site_id), names.known(&body.whistle_id));
                person.work().observe(Observation::Past(there, body.check_out), fact.occurred_at_ms, sight.spot.is_some());
            }
            Event::FatigueRaised(body) => self.people[at as usize].work().raise(body.level, fact.recorded_at_ms),
            _ => {}
        }
        if changed || shown(self) != before {
            self.touch(at, fact);
        }
    }

    fn resumed(&mut self, incident: Sym, area: Sym, fact: &Fact) {
        let mut changed = Vec::new();
        self.rare.shelter.retain(|member, recalls| {
            let before = marks(recalls);
            recalls.retain(|recall| (recall.incident, recall.area) != (incident, area));
            if marks(recalls) != before {
                changed.push(*member);
            }
            !recalls.is_empty()
        });
        for at in changed.into_iter().filter_map(|member| self.find(member)).collect::<Vec<_>>() {
            self.touch(at, fact);
        }
    }

    fn dissolved(&mut self, unit: Sym, members: &Members, entry: &Entry<'_>) {
        let attached = self.rare.attached.iter().filter(|(_, units)| units.contains(&unit));
        for member in attached.map(|(member, _)| *member).collect::<Vec<_>>() {
            self.change(member, members, entry, |_, rare| {
                leave(&mut rare.attached, member, unit);
            });
        }
    }

    fn incident_closed(&mut self, incident: Sym, members: &Members, entry: &Entry<'_>) {
        let touched = self.people.iter().filter(|person| person.last.is_of(incident));
        for member in touched.map(|person| person.member).collect::<Vec<_>>() {
            self.change(member, members, entry, |person, rare| {
                let last = std::mem::replace(&mut person.last, Last::NONE);
                if last.is_no_show() {
                    rare.no_shows.remove(&last.call);
                }
            });
        }
    }

    fn no_show_corrected(&mut self, call: CallKey, members: &Members, entry: &Entry<'_>) {
        if let Some(member) = self.rare.no_shows.remove(&call) {
            self.change(member, members, entry, |person, _| person.last.correct());
        }
    }

    /// Changes what duties and presence decide together with other things, and notes the record if it shows.
    fn change(&mut self, member: MemberRef, members: &Members, entry: &Entry<'_>, change: impl FnOnce(&mut Person, &mut Rare)) {
        let Some(at) = self.find(member) else { return };
        let known = members.get(member);
        let sight = entry.people.sight(known.name);
        let person = &mut self.people[at as usize];
        let before = face(known, person, &self.rare, &sight);
        change(person, &mut self.rare);
        if face(known, person, &self.rare, &sight) != before {
            self.touch(at, entry.fact);
        }
    }
}

/// What a record of presence tells of somebody's work.
fn observation(what: &What) -> Option<Observation> {
    Some(match what {
        What::Seen(seen) => Observation::Came(place(seen.site, seen.whistle)),
        What::Left { checked_out: true, .. } => Observation::Left,
        What::Left { .. } => Observation::Nowhere,
        What::Disputed { until_ms: None, .. } => Observation::Disputed,
        What::Disputed { until_ms: Some(until_ms), .. } => Observation::Unconfirmed(*until_ms),
        _ => return None,
    })
}

impl Rare {
    /// Whether somebody is unaccounted for, and whether safe.
    fn shelter_of(&self, member: MemberRef) -> (bool, bool) {
        self.shelter.get(&member).map(|recalls| marks(recalls)).unwrap_or_default()
    }

    fn called_in(&mut self, member: MemberRef, recall: Shelter) {
        let recalls = self.shelter.entry(member).or_default();
        recalls.retain(|known| (known.incident, known.area) != (recall.incident, recall.area));
        recalls.push(recall);
    }

    fn is_safe(&mut self, member: MemberRef, incident: Sym, area: Sym) {
        let recalls = self.shelter.get_mut(&member).into_iter().flatten();
        recalls.filter(|known| (known.incident, known.area) == (incident, area)).for_each(|known| known.safe = true);
    }
}

/// Unaccounted for, and safe.
fn marks(recalls: &[Shelter]) -> (bool, bool) {
    let unaccounted = recalls.iter().any(|recall| !recall.safe);
    (unaccounted, !unaccounted && !recalls.is_empty())
}

/// Takes one out of somebody's few. Returns whether it was there.
fn leave(table: &mut FxHashMap<MemberRef, SmallVec<[Sym; 1]>>, member: MemberRef, gone: Sym) -> bool {
    let Some(few) = table.get_mut(&member) else { return false };
    let before = few.len();
    few.retain(|known| *known != gone);
    let changed = few.len() < before;
    if few.is_empty() {
        table.remove(&member);
    }
    changed
}
