//! Duties and presence of the people of one realm, and what both together say of a person. The definitions are those of `views.proto`.

use muster_proto::Event;
use muster_proto::v1::{self, DutyRole};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::symbols::{EMPTY, Sym, Symbols};

/// A call, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct CallKey(u64);

/// Marks keys made from names that are not `c` and a number.
const NAMED: u64 = 1 << 63;

impl CallKey {
    /// No call.
    pub(crate) const NONE: Self = Self(u64::MAX);

    /// The key of an id; equal ids have equal keys within one table of names.
    pub(crate) fn of(call_id: &str, names: &mut Symbols) -> Self {
        if call_id.is_empty() {
            Self::NONE
        } else {
            Self::numbered(call_id).unwrap_or_else(|| Self(NAMED | u64::from(names.intern(call_id))))
        }
    }

    /// The key of an id, or none if there can be no such call yet.
    pub(crate) fn find(call_id: &str, names: &Symbols) -> Self {
        let named = || names.find(call_id).map_or(Self::NONE, |sym| Self(NAMED | u64::from(sym)));
        if call_id.is_empty() { Self::NONE } else { Self::numbered(call_id).unwrap_or_else(named) }
    }

    /// `c` and a number without leading zeros, as the log gives them.
    fn numbered(call_id: &str) -> Option<Self> {
        let digits = call_id.strip_prefix('c')?.as_bytes();
        if digits.is_empty() || digits.len() > 18 || digits[0] == b'0' || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(Self(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))))
    }
}

/// An order to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Duty {
    pub(crate) person: Sym,
    /// [`EMPTY`] for none.
    pub(crate) site: Sym,
    /// [`EMPTY`] for none, and where there is a site.
    pub(crate) whistle: Sym,
    /// The fold's own number of the area.
    pub(crate) area: u32,
    /// The fold's own number of the seat or need.
    pub(crate) slot: u32,
    pub(crate) accepted: bool,
    /// 0 for unknown.
    pub(crate) arrival_ms: i64,
}

/// An observation of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Presence {
    #[default]
    Nowhere,
    At(Spot),
    Disputed(Dispute),
}

/// Where somebody was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spot {
    pub(crate) site: Sym,
    /// [`EMPTY`] where there is a site.
    pub(crate) whistle: Sym,
    pub(crate) area: u32,
    pub(crate) call: CallKey,
}

/// Two observations that cannot both be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) sites: [Sym; 2],
    pub(crate) area: u32,
}

/// What is known of a duty's holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not accepted, not present.
    Waiting,
    /// Accepted, not present.
    Coming,
    Present,
    Disputed,
}

/// Everything that counts of a person at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sight {
    /// Standing duties in the order of the calls.
    pub(crate) duties: SmallVec<[(CallKey, Duty, Standing); 1]>,
    /// Present at none of them.
    pub(crate) walk_in: Option<Spot>,
    pub(crate) dispute: Option<Dispute>,
}

/// Before and after a record.
pub(crate) struct Turn {
    pub(crate) before: Sight,
    pub(crate) after: Sight,
}

/// What a fold makes of the names in a record.
pub(crate) trait Ground {
    /// The number of an area.
    fn area(&mut self, area_id: &str) -> u32;
    /// The number of the seat or need that a call is for, or nothing if the fold does not follow this call. `site` and `whistle` are the duty's.
    fn slot(&mut self, called: &v1::ResponderCalled, site: Sym, whistle: Sym, names: &mut Symbols) -> Option<u32>;
    /// Whether presence at places like this matters although no followed duty is named.
    fn follows(&self, site_id: &str, whistle_id: &str) -> bool;
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Person {
    duties: SmallVec<[CallKey; 1]>,
    presence: Presence,
}

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct People {
    persons: FxHashMap<Sym, Person>,
    calls: FxHashMap<CallKey, Duty>,
}

/// The tags of the events that [`People::apply`] takes.
pub(crate) const fn concerns_people(event_tag: u32) -> bool {
    matches!(event_tag, 240 | 245 | 251..=255)
}

impl People {
    /// Takes in a record. Returns the person's sight before and after, if the record is of the kind that can change it and of a person followed.
    pub(crate) fn apply(&mut self, names: &mut Symbols, ground: &mut impl Ground, event: &Event) -> Option<Turn> {
        match event {
            Event::ResponderCalled(body) => self.called(names, ground, body),
            Event::CallAccepted(body) => {
                let call = CallKey::find(&body.call_id, names);
                let person = self.calls.get(&call)?.person;
                self.turn(person, |people| {
                    if let Some(duty) = people.calls.get_mut(&call) {
                        duty.accepted = true;
                        duty.arrival_ms = body.estimated_arrival_ms;
                    }
                })
            }
            Event::DutyReleased(body) => {
                let call = CallKey::find(&body.call_id, names);
                let person = self.calls.get(&call)?.person;
                self.turn(person, |people| {
                    people.calls.remove(&call);
                    people.edit(person, |person| person.duties.retain(|held| *held != call));
                })
            }
            Event::CheckedIn(body) => {
                self.seen(names, ground, &body.responder_id, &body.site_id, &body.whistle_id, &body.area_id, &body.call_id)
            }
            Event::PresenceSettled(body) if body.site_id.is_empty() && body.whistle_id.is_empty() => self.gone(names, &body.responder_id),
            Event::PresenceSettled(body) => {
                self.seen(names, ground, &body.responder_id, &body.site_id, &body.whistle_id, &body.area_id, &body.call_id)
            }
            Event::CheckedOut(body) => self.gone(names, &body.responder_id),
            Event::PresenceDisputed(body) => {
                let followed =
                    ground.follows(&body.site_id, &body.whistle_id) || ground.follows(&body.other_site_id, &body.other_whistle_id);
                let person = if followed { names.intern(&body.responder_id) } else { self.known(names, &body.responder_id)? };
                let sites = [names.intern(&body.site_id), names.intern(&body.other_site_id)];
                let dispute = Dispute { sites, area: ground.area(&body.area_id) };
                self.observe(person, Presence::Disputed(dispute))
            }
            _ => None,
        }
    }

    /// A standing duty.
    pub(crate) fn duty(&self, call: CallKey) -> Option<&Duty> {
        self.calls.get(&call)
    }

    fn called(&mut self, names: &mut Symbols, ground: &mut impl Ground, body: &v1::ResponderCalled) -> Option<Turn> {
        if body.role() == DutyRole::Standby {
            return None;
        }
        let site = names.intern(&body.site_id);
        let whistle = if site == EMPTY { names.intern(&body.whistle_id) } else { EMPTY };
        let slot = ground.slot(body, site, whistle, names)?;
        let call = CallKey::of(&body.call_id, names);
        if call == CallKey::NONE || self.calls.contains_key(&call) {
            return None;
        }
        let person = names.intern(&body.responder_id);
        let duty = Duty { person, site, whistle, area: ground.area(&body.area_id), slot, accepted: false, arrival_ms: 0 };
        self.turn(person, |people| {
            people.calls.insert(call, duty);
            people.edit(person, |person| person.duties.push(call));
        })
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of two messages that have no common type")]
    fn seen(
        &mut self,
        names: &mut Symbols,
        ground: &mut impl Ground,
        responder_id: &str,
        site_id: &str,
        whistle_id: &str,
        area_id: &str,
        call_id: &str,
    ) -> Option<Turn> {
        let call = CallKey::find(call_id, names);
        if !ground.follows(site_id, whistle_id) && !self.calls.contains_key(&call) {
            return self.gone(names, responder_id);
        }
        let site = names.intern(site_id);
        let whistle = if site == EMPTY { names.intern(whistle_id) } else { EMPTY };
        let person = names.intern(responder_id);
        self.observe(person, Presence::At(Spot { site, whistle, area: ground.area(area_id), call }))
    }

    fn gone(&mut self, names: &Symbols, responder_id: &str) -> Option<Turn> {
        let person = self.known(names, responder_id)?;
        self.observe(person, Presence::Nowhere)
    }

    /// A person of whom something is known.
    fn known(&self, names: &Symbols, responder_id: &str) -> Option<Sym> {
        names.find(responder_id).filter(|person| self.persons.contains_key(person))
    }

    fn observe(&mut self, person: Sym, presence: Presence) -> Option<Turn> {
        self.turn(person, |people| people.edit(person, |person| person.presence = presence))
    }

    fn turn(&mut self, person: Sym, change: impl FnOnce(&mut Self)) -> Option<Turn> {
        let before = self.sight(person);
        change(self);
        Some(Turn { before, after: self.sight(person) })
    }

    /// Changes what is known of a person, and forgets somebody of whom nothing is.
    fn edit(&mut self, key: Sym, change: impl FnOnce(&mut Person)) {
        let person = self.persons.entry(key).or_default();
        change(person);
        if person.duties.is_empty() && person.presence == Presence::Nowhere {
            self.persons.remove(&key);
        }
    }

    /// What counts of a person now.
    pub(crate) fn sight(&self, person: Sym) -> Sight {
        let Some(person) = self.persons.get(&person) else { return Sight::default() };
        let mut sight = Sight::default();
        for call in &person.duties {
            let duty = self.calls[call];
            sight.duties.push((*call, duty, standing(*call, &duty, &person.presence)));
        }
        match person.presence {
            Presence::Nowhere => {}
            Presence::Disputed(dispute) => sight.dispute = Some(dispute),
            Presence::At(spot) => {
                let at_duty = sight.duties.iter().any(|(_, _, standing)| *standing == Standing::Present);
                sight.walk_in = (!at_duty).then_some(spot);
            }
        }
        sight
    }
}

fn standing(call: CallKey, duty: &Duty, presence: &Presence) -> Standing {
    match presence {
        Presence::Disputed(_) => Standing::Disputed,
        Presence::At(spot) if is_at(spot, call, duty) => Standing::Present,
        _ if duty.accepted => Standing::Coming,
        _ => Standing::Waiting,
    }
}

fn is_at(spot: &Spot, call: CallKey, duty: &Duty) -> bool {
    let same_site = duty.site != EMPTY && spot.site == duty.site;
    let same_whistle = duty.site == EMPTY && duty.whistle != EMPTY && spot.whistle == duty.whistle;
    spot.call == call || same_site || same_whistle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ids_have_equal_keys_and_others_not() {
        let mut names = Symbols::default();
        let ids = ["c1", "c10", "c01", "c", "c+1", "c9999999999999999999", "x1", "C1", "c0"];
        let keys: Vec<CallKey> = ids.iter().map(|id| CallKey::of(id, &mut names)).collect();
        for (id, key) in ids.iter().zip(&keys) {
            assert_eq!(CallKey::of(id, &mut names), *key);
            assert_eq!(CallKey::find(id, &names), *key);
            assert_eq!(keys.iter().filter(|other| *other == key).count(), 1, "{id}");
        }
        assert_eq!(CallKey::of("", &mut names), CallKey::NONE);
        assert_eq!(CallKey::find("y", &names), CallKey::NONE);
    }
}
