//! Duties and presence of the people of one realm, and what both together say of a person. The definitions are those of `views.proto`.

use muster_proto::v1::CallPhase;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::areas::Node;
use crate::fact::What;
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

    /// The key of an id that had one before, or none.
    pub(crate) fn find(call_id: &str, names: &Symbols) -> Self {
        let named = || names.find(call_id).map_or(Self::NONE, |sym| Self(NAMED | u64::from(sym)));
        if call_id.is_empty() { Self::NONE } else { Self::numbered(call_id).unwrap_or_else(named) }
    }

    /// The id of which this is the key, by the table that made it.
    pub(crate) fn text(self, names: &Symbols) -> String {
        match self {
            Self::NONE => String::new(),
            Self(named) if named & NAMED != 0 => names.name((named ^ NAMED) as Sym).to_owned(),
            Self(number) => format!("c{number}"),
        }
    }

    /// Whether the id's key comes from the table of names.
    pub(crate) fn is_named(call_id: &str) -> bool {
        !call_id.is_empty() && Self::numbered(call_id).is_none()
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
    /// [`EMPTY`] for none, as the others.
    pub(crate) site: Sym,
    pub(crate) seat: Sym,
    /// [`EMPTY`] where there is a site.
    pub(crate) whistle: Sym,
    pub(crate) need: Sym,
    pub(crate) unit: Sym,
    pub(crate) incident: Sym,
    /// `DutyRole` as its number.
    pub(crate) role: i32,
    pub(crate) area: Node,
    pub(crate) acknowledged: bool,
    pub(crate) accepted: bool,
    /// Its holder has been present at it.
    pub(crate) arrived: bool,
    /// A check-in named the call.
    pub(crate) checked_in: bool,
    /// 0 for unknown.
    pub(crate) arrival_ms: i64,
    /// When it was given.
    pub(crate) called_ms: i64,
}

impl Duty {
    /// Where a standing duty is in its life, a recall aside.
    pub(crate) fn phase(&self, standing: Standing) -> CallPhase {
        match standing {
            Standing::Present => CallPhase::OnPost,
            _ if self.accepted && self.arrival_ms > 0 && !self.arrived => CallPhase::EnRoute,
            _ if self.accepted || self.arrived => CallPhase::Accepted,
            _ if self.acknowledged => CallPhase::Acknowledged,
            _ => CallPhase::Summoned,
        }
    }
}

/// An observation of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Presence {
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
    pub(crate) area: Node,
    pub(crate) call: CallKey,
}

/// Two observations that cannot both be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) sites: [Sym; 2],
    pub(crate) area: Node,
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
    /// Where the person is present, undisputed.
    pub(crate) spot: Option<Spot>,
    /// The same, when it is at none of the duties.
    pub(crate) walk_in: Option<Spot>,
    pub(crate) dispute: Option<Dispute>,
}

/// A person before and after a record.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) person: Sym,
    pub(crate) before: Sight,
    pub(crate) after: Sight,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Person {
    duties: SmallVec<[(CallKey, Duty); 1]>,
    presence: Presence,
}

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct People {
    persons: FxHashMap<Sym, Person>,
    /// Whose a standing duty is.
    calls: FxHashMap<CallKey, Sym>,
}

impl People {
    /// Takes in a record; `area` is the node of the area that it names, `at_ms` the log's time. Returns the person before and after, if it is of the kind that can change that.
    pub(crate) fn apply(&mut self, what: &What, area: Node, at_ms: i64) -> Option<Turn> {
        match what {
            What::Called(called) => {
                if called.standby || called.call == CallKey::NONE || self.calls.contains_key(&called.call) {
                    return None;
                }
                let whistle = if called.site == EMPTY { called.whistle } else { EMPTY };
                let duty = Duty {
                    person: called.person,
                    site: called.site,
                    seat: called.seat,
                    whistle,
                    need: called.need,
                    unit: called.unit,
                    incident: called.incident,
                    role: called.role,
                    area,
                    acknowledged: false,
                    accepted: false,
                    arrived: false,
                    checked_in: false,
                    arrival_ms: 0,
                    called_ms: at_ms,
                };
                self.calls.insert(called.call, called.person);
                Some(self.turn(called.person, |person| person.duties.push((called.call, duty))))
            }
            What::Acknowledged { call } => self.of_duty(*call, |duty| duty.acknowledged = true),
            What::Accepted { call, arrival_ms } => self.of_duty(*call, |duty| {
                duty.accepted = true;
                duty.arrival_ms = *arrival_ms;
            }),
            What::Released { call, .. } => {
                let person = self.calls.remove(call)?;
                Some(self.turn(person, |person| person.duties.retain(|(held, _)| held != call)))
            }
            What::Seen(seen) => {
                let whistle = if seen.site == EMPTY { seen.whistle } else { EMPTY };
                let spot = Spot { site: seen.site, whistle, area, call: seen.call };
                Some(self.turn(seen.person, |person| {
                    person.presence = Presence::At(spot);
                    for (_, duty) in person.duties.iter_mut().filter(|(held, _)| seen.checked_in && *held == seen.call) {
                        duty.checked_in = true;
                    }
                }))
            }
            What::Left { person, .. } => {
                self.persons.contains_key(person).then(|| self.turn(*person, |person| person.presence = Presence::Nowhere))
            }
            What::Disputed { person, sites, .. } => {
                let dispute = Dispute { sites: *sites, area };
                Some(self.turn(*person, |person| person.presence = Presence::Disputed(dispute)))
            }
            What::Event(_) | What::Unread => None,
        }
    }

    /// Changes a standing duty.
    fn of_duty(&mut self, call: CallKey, change: impl Fn(&mut Duty)) -> Option<Turn> {
        let person = *self.calls.get(&call)?;
        let held = |person: &mut Person| person.duties.iter_mut().filter(|(held, _)| *held == call).for_each(|(_, duty)| change(duty));
        Some(self.turn(person, held))
    }

    /// A standing duty.
    pub(crate) fn duty(&self, call: CallKey) -> Option<&Duty> {
        let person = self.persons.get(self.calls.get(&call)?)?;
        person.duties.iter().find(|(held, _)| *held == call).map(|(_, duty)| duty)
    }

    /// What counts of a person now.
    pub(crate) fn sight(&self, person: Sym) -> Sight {
        self.persons.get(&person).map(Person::sight).unwrap_or_default()
    }

    /// Changes what is known of a person, and forgets somebody of whom nothing is.
    fn turn(&mut self, key: Sym, change: impl FnOnce(&mut Person)) -> Turn {
        let person = self.persons.entry(key).or_default();
        let before = person.sight();
        change(person);
        person.note_arrival();
        let after = person.sight();
        if person.duties.is_empty() && person.presence == Presence::Nowhere {
            self.persons.remove(&key);
        }
        Turn { person: key, before, after }
    }
}

impl Person {
    fn note_arrival(&mut self) {
        let presence = self.presence;
        for (call, duty) in &mut self.duties {
            duty.arrived |= matches!(presence, Presence::At(spot) if is_at(&spot, *call, duty));
        }
    }

    fn sight(&self) -> Sight {
        let mut sight = Sight::default();
        for (call, duty) in &self.duties {
            sight.duties.push((*call, *duty, standing(*call, duty, &self.presence)));
        }
        match self.presence {
            Presence::Nowhere => {}
            Presence::Disputed(dispute) => sight.dispute = Some(dispute),
            Presence::At(spot) => {
                let at_duty = sight.duties.iter().any(|(_, _, standing)| *standing == Standing::Present);
                sight.walk_in = (!at_duty).then_some(spot);
                sight.spot = Some(spot);
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
            assert_eq!(key.text(&names), *id);
            assert_eq!(CallKey::is_named(id), names.find(id).is_some());
            assert_eq!(keys.iter().filter(|other| *other == key).count(), 1, "{id}");
        }
        assert_eq!(CallKey::of("", &mut names), CallKey::NONE);
        assert_eq!(CallKey::find("y", &names), CallKey::NONE);
    }
}
