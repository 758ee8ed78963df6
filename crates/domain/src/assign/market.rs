//! Who could come: the people of a realm who are free, by home area, and each need's list of them, cheapest first, made as it is read.
//!
//! A list grows ring by ring, upward from the whistle's area. A ring's people are merged from their areas' lists, which many needs share;
//! the next ring is opened only when everybody in it would cost at least as much as who comes next, so that the order is exact.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::cost::{self, Burden};
use super::flow::{Market, Offer};
use super::needs::OpenNeed;
use crate::ids::{AreaRef, Dense as _, IncidentRef, LabelRef, RealmRef, ResponderRef};
use crate::state::{Floors, State};

/// Why somebody who fits cannot come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bar {
    OnDuty,
    Resting,
    Unavailable,
}

/// How many there are of those who fit, and what keeps the others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fitting {
    pub(super) all: u32,
    pub(super) on_duty: u32,
    pub(super) resting: u32,
    pub(super) unavailable: u32,
}

impl Fitting {
    fn count(&mut self, bar: Option<Bar>) {
        self.all += 1;
        match bar {
            Some(Bar::OnDuty) => self.on_duty += 1,
            Some(Bar::Resting) => self.resting += 1,
            Some(Bar::Unavailable) => self.unavailable += 1,
            None => {}
        }
    }
}

/// Somebody free, with the part of the cost that hangs on them alone.
#[derive(Clone, Copy, Debug)]
struct Free {
    responder: ResponderRef,
    own: i64,
}

/// People of one home area, for one incident's standby and one specialty.
type ListKey = (AreaRef, Option<IncidentRef>, Option<LabelRef>);

/// The free people of a realm, and the lists that the needs read.
pub(super) struct People<'a> {
    state: &'a State,
    realm: RealmRef,
    /// The proposal's area: from outside people come only by release.
    area: AreaRef,
    homes: FxHashMap<AreaRef, Vec<ResponderRef>>,
    /// By person.
    free: Vec<bool>,
    lists: FxHashMap<ListKey, Rc<[Free]>>,
    /// The areas of a ring that somebody free lives in.
    rings: FxHashMap<(AreaRef, Option<AreaRef>), Rc<[AreaRef]>>,
    by_specialty: FxHashMap<LabelRef, Fitting>,
    anybody: Fitting,
    floors: Floors<'a>,
    needs: &'a [OpenNeed],
    read: Vec<Reading>,
}

/// How far a need's list was read.
struct Reading {
    known: Vec<Offer>,
    /// Who comes next of each area that was opened: cost, person, list, place in it.
    next: BinaryHeap<Reverse<(i64, ResponderRef, u32, u32)>>,
    /// The lists that `next` points into, with what hangs on their places.
    lists: Vec<(Rc<[Free]>, i64)>,
    /// The next ring: its top, and how many levels up that is.
    ring: Option<(AreaRef, u32)>,
    inner: Option<AreaRef>,
    /// Somebody was passed over: their area would have fallen below its floor.
    floored: bool,
}

/// Whether a person may be called now; the rules are those of `DispatchResponder`, and whoever is kept back is left alone.
fn bar(state: &State, realm: RealmRef, responder: ResponderRef, now_ms: i64) -> Option<Bar> {
    let person = state.base.responders.get(responder);
    if person.reserved || person.absence(now_ms).is_some() {
        return Some(Bar::Unavailable);
    }
    let seen = state.ops.realms.get(realm).presence.get(&responder).is_some_and(|presence| presence.place.is_some());
    if seen || state.ops.overlapping_duties(realm, responder, now_ms, 0).next().is_some() {
        return Some(Bar::OnDuty);
    }
    (!rested(state, realm, responder, now_ms)).then_some(Bar::Resting)
}

/// Whether a person is not due a rest.
pub(super) fn rested(state: &State, realm: RealmRef, responder: ResponderRef, now_ms: i64) -> bool {
    state.rest_due(realm, responder, now_ms, now_ms).is_none()
}

impl<'a> People<'a> {
    pub(super) fn new(state: &'a State, realm: RealmRef, area: AreaRef, now_ms: i64, needs: &'a [OpenNeed]) -> Self {
        let mut homes: FxHashMap<AreaRef, Vec<ResponderRef>> = FxHashMap::default();
        let (mut by_specialty, mut anybody) = (FxHashMap::<LabelRef, Fitting>::default(), Fitting::default());
        let mut free = vec![false; state.base.responders.len()];
        for (responder, person) in state.base.responders.iter().filter(|(_, person)| !person.withdrawn) {
            let bar = bar(state, realm, responder, now_ms);
            anybody.count(bar);
            for specialty in &person.specialties {
                by_specialty.entry(*specialty).or_default().count(bar);
            }
            if let (None, Some(home)) = (bar, state.base.home_of(responder)) {
                homes.entry(home).or_default().push(responder);
                free[responder.index()] = true;
            }
        }
        let start = |need: &OpenNeed| Reading {
            known: Vec::new(),
            next: BinaryHeap::new(),
            lists: Vec::new(),
            ring: Some((need.area, 0)),
            inner: None,
            floored: false,
        };
        let read = needs.iter().map(start).collect();
        let floors = Floors::new(state, realm, now_ms);
        Self {
            state,
            realm,
            area,
            homes,
            free,
            lists: FxHashMap::default(),
            rings: FxHashMap::default(),
            by_specialty,
            anybody,
            floors,
            needs,
            read,
        }
    }

    /// How many people there are for the assignment: their numbers are below.
    pub(super) fn len(&self) -> usize {
        self.state.base.responders.len()
    }

    /// Whether somebody could be called.
    pub(super) fn is_free(&self, responder: ResponderRef) -> bool {
        self.free[responder.index()]
    }

    /// All who have what a need asks for.
    pub(super) fn fitting(&self, need: &OpenNeed) -> Fitting {
        match need.specialty {
            Wanted::Anybody => self.anybody,
            Wanted::Specialty(label) => self.by_specialty.get(&label).copied().unwrap_or_default(),
            Wanted::Unknown => Fitting::default(),
        }
    }

    /// What an offer's cost is made of.
    pub(super) fn burden(&self, need: &OpenNeed, responder: ResponderRef) -> Burden {
        let home = self.state.base.home_of(responder).expect("whoever is offered has a home area");
        let ring = self.state.base.ancestry(need.area).position(|ring| self.state.base.within(home, ring));
        Burden {
            distance: u32::try_from(ring.expect("the tree has one root")).expect("no tree is that deep"),
            meters: self.state.base.metres_between(need.area, home),
            on_standby: self.on_standby(need.incident, responder),
            load: self.load(responder),
            release: !self.state.base.within(home, self.area),
        }
    }

    fn on_standby(&self, incident: Option<IncidentRef>, responder: ResponderRef) -> bool {
        incident.is_some_and(|key| self.state.ops.incidents.get(key).standby.contains_key(&responder))
    }

    fn load(&self, responder: ResponderRef) -> u32 {
        self.state.ops.realms.get(self.realm).past_duties.get(&responder).copied().unwrap_or(0)
    }

    /// The areas below `top` and not below `inner` that somebody free lives in.
    fn ring(&mut self, top: AreaRef, inner: Option<AreaRef>) -> Rc<[AreaRef]> {
        if let Some(known) = self.rings.get(&(top, inner)) {
            return Rc::clone(known);
        }
        let (mut open, mut found) = (vec![top], Vec::new());
        while let Some(key) = open.pop() {
            if Some(key) == inner {
                continue;
            }
            if self.homes.contains_key(&key) {
                found.push(key);
            }
            open.extend_from_slice(&self.state.base.areas.get(key).children);
        }
        let found: Rc<[AreaRef]> = found.into();
        self.rings.insert((top, inner), Rc::clone(&found));
        found
    }

    /// The free people of one area, by what hangs on them alone.
    fn list(&mut self, key: ListKey) -> Rc<[Free]> {
        if let Some(known) = self.lists.get(&key) {
            return Rc::clone(known);
        }
        let (home, incident, specialty) = key;
        let residents = self.homes.get(&home).map_or(&[][..], Vec::as_slice);
        let fits = |responder: &&ResponderRef| {
            specialty.is_none_or(|wanted| self.state.base.responders.get(**responder).specialties.contains(&wanted))
        };
        let free = |responder: &ResponderRef| Free {
            responder: *responder,
            own: cost::own(self.on_standby(incident, *responder), self.load(*responder)),
        };
        let mut found: Vec<_> = residents.iter().filter(fits).map(free).collect();
        found.sort_unstable_by_key(|free| (free.own, free.responder));
        let found: Rc<[Free]> = found.into();
        self.lists.insert(key, Rc::clone(&found));
        found
    }

    /// Takes the next ring in, if there is one.
    fn open_ring(&mut self, at: usize) -> bool {
        let need = &self.needs[at];
        let Some((top, distance)) = self.read[at].ring else { return false };
        let inner = self.read[at].inner;
        let specialty = match need.specialty {
            Wanted::Anybody => None,
            Wanted::Specialty(label) => Some(label),
            Wanted::Unknown => return false,
        };
        let release = !self.state.base.within(top, self.area);
        for home in self.ring(top, inner).iter() {
            let list = self.list((*home, need.incident, specialty));
            if self.keeps_floor(&list, need.area) {
                self.read[at].floored = true;
                continue;
            }
            if let Some(first) = list.first() {
                let place = cost::way(distance, self.state.base.metres_between(need.area, *home), release);
                let reading = &mut self.read[at];
                let number = u32::try_from(reading.lists.len()).expect("areas are fewer");
                reading.next.push(Reverse((need.weight * (place + first.own), first.responder, number, 0)));
                reading.lists.push((list, place));
            }
        }
        let reading = &mut self.read[at];
        reading.inner = Some(top);
        reading.ring = self.state.base.areas.get(top).parent.map(|above| (above, distance + 1));
        true
    }

    /// 留守: whether the people of one home area may not leave for another one, or too few would stay. Lines together may still ask for too many of
    /// them; each is asked again when it is decided.
    fn keeps_floor(&mut self, list: &[Free], target: AreaRef) -> bool {
        let resident = list.iter().find(|free| self.state.base.responders.get(free.responder).area.is_some());
        resident.is_some_and(|free| self.floors.allows(free.responder, target).is_err())
    }

    /// Whether somebody was left alone because their area has to keep them.
    pub(super) fn floored(&self, at: usize) -> bool {
        self.read[at].floored
    }

    /// What everybody in the next ring costs at least.
    fn next_ring_from(&self, at: usize) -> Option<i64> {
        let (top, distance) = self.read[at].ring?;
        Some(self.needs[at].weight * cost::way(distance, None, !self.state.base.within(top, self.area)))
    }

    /// One more of a need's list.
    fn read_on(&mut self, at: usize) -> bool {
        loop {
            let cheapest = self.read[at].next.peek().map(|Reverse((cost, ..))| *cost);
            match (cheapest, self.next_ring_from(at)) {
                (None, None) => return false,
                (Some(cost), Some(bound)) if cost > bound => {}
                (Some(_), _) => {
                    if self.take_next(at) {
                        return true;
                    }
                    continue;
                }
                (None, Some(_)) => {}
            }
            if !self.open_ring(at) {
                // Nobody has a specialty that no record ever named.
                return false;
            }
        }
    }

    /// Moves the cheapest of the opened areas to the list; `false` when that is somebody who was asked before.
    fn take_next(&mut self, at: usize) -> bool {
        let need = &self.needs[at];
        let reading = &mut self.read[at];
        let Some(Reverse((cost, responder, number, place))) = reading.next.pop() else { return false };
        let (list, way) = &reading.lists[number as usize];
        if let Some(following) = list.get(place as usize + 1) {
            reading.next.push(Reverse((need.weight * (way + following.own), following.responder, number, place + 1)));
        }
        if need.tried.contains(&responder) {
            return false;
        }
        reading.known.push(Offer { person: u32::try_from(responder.index()).expect("a dense id"), cost });
        true
    }
}

impl Market for People<'_> {
    fn offer(&mut self, need: usize, at: usize) -> Option<Offer> {
        while self.read[need].known.len() <= at {
            if !self.read_on(need) {
                return None;
            }
        }
        self.read[need].known.get(at).copied()
    }
}

/// Whom a need asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Anybody,
    Specialty(LabelRef),
    /// A specialty that nobody was ever said to have.
    Unknown,
}
