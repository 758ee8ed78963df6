//! 报到人员 in peacetime: what is the same in every realm.

use muster_proto::Event;
use muster_proto::v1::{Availability, ResponsibilityRow};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{MemberRef, leave};
use crate::symbols::{EMPTY, Sym, Symbols};

/// One person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) name: Sym,
    pub(super) organization: Sym,
    pub(super) home: Sym,
    /// Number of the list in [`Members::lists`].
    specialties: Sym,
    /// `ResponderKind`, `Affiliation` and `Availability` as their numbers.
    pub(super) kind: i32,
    pub(super) affiliation: i32,
    pub(super) availability: i32,
    pub(super) withdrawn: bool,
    /// The availability is another than available, and its period had begun when it was recorded.
    pub(super) away: bool,
}

/// Everybody that any realm's records named.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Members {
    /// Place in `members` and one more, by the number of the person's name; 0 for names that are no person's.
    places: Vec<u32>,
    members: Vec<Member>,
    /// Lists of specialties, of which there are few.
    lists: Symbols,
    /// Periods of availability that are bounded.
    periods: FxHashMap<MemberRef, (i64, i64)>,
    /// 留用: by which organizations.
    reserved: FxHashMap<MemberRef, SmallVec<[Sym; 1]>>,
    /// 包干, in no order.
    responsible: FxHashMap<MemberRef, Vec<Responsibility>>,
}

/// Somebody answers for an area, with or without a seat there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Responsibility {
    area: Sym,
    /// `ResponsibilityKind` as its number.
    kind: i32,
    period: (i64, i64),
}

/// Between the specialties of a list: no text that a person writes has it.
const BETWEEN: &str = "\u{1f}";

impl Members {
    pub(super) fn place(&mut self, name: Sym) -> MemberRef {
        if self.places.len() <= name as usize {
            self.places.resize(name as usize + 1, 0);
        }
        let slot = &mut self.places[name as usize];
        if *slot == 0 {
            self.members.push(Member { name, ..Member::default() });
            *slot = u32::try_from(self.members.len()).expect("four thousand million people do not fit into memory");
        }
        *slot - 1
    }

    pub(super) fn get(&self, member: MemberRef) -> &Member {
        &self.members[member as usize]
    }

    pub(super) fn period(&self, member: MemberRef) -> (i64, i64) {
        self.periods.get(&member).copied().unwrap_or_default()
    }

    pub(super) fn is_reserved(&self, member: MemberRef) -> bool {
        self.reserved.contains_key(&member)
    }

    pub(super) fn specialties(&self, member: &Member) -> Vec<String> {
        let list = self.lists.name(member.specialties);
        if list.is_empty() { Vec::new() } else { list.split(BETWEEN).map(str::to_owned).collect() }
    }

    /// By area and kind.
    pub(super) fn responsibilities(&self, member: MemberRef, names: &Symbols) -> Vec<ResponsibilityRow> {
        let row = |known: &Responsibility| {
            let (from_ms, until_ms) = known.period;
            ResponsibilityRow { area_id: names.name(known.area).to_owned(), kind: known.kind, from_ms, until_ms }
        };
        let mut rows: Vec<_> = self.responsible.get(&member).into_iter().flatten().map(row).collect();
        rows.sort_by(|one, other| (&one.area_id, one.kind).cmp(&(&other.area_id, other.kind)));
        rows
    }

    /// Takes in who answers for an area. Returns whether that is another thing than before.
    pub(super) fn answer(&mut self, member: MemberRef, event: &Event, names: &Symbols) -> bool {
        let held = self.responsible.entry(member).or_default();
        let before = held.clone();
        match event {
            Event::ResponsibilityAssigned(body) => {
                let known = Responsibility { area: names.known(&body.area_id), kind: body.kind, period: (body.from_ms, body.until_ms) };
                match held.iter_mut().find(|other| (other.area, other.kind) == (known.area, known.kind)) {
                    Some(other) => *other = known,
                    None => held.push(known),
                }
            }
            Event::ResponsibilityEnded(body) => {
                let gone = (names.known(&body.area_id), body.kind);
                held.retain(|known| (known.area, known.kind) != gone);
            }
            _ => {}
        }
        let changed = *held != before;
        if held.is_empty() {
            self.responsible.remove(&member);
        }
        changed
    }

    /// Takes in a fact about a person. Returns whether a field that is no other field's consequence is another now.
    pub(super) fn learn(&mut self, place: MemberRef, event: &Event, names: &Symbols, recorded_at_ms: i64) -> bool {
        let before = (self.members[place as usize], self.period(place), self.is_reserved(place));
        let member = &mut self.members[place as usize];
        match event {
            Event::ResponderEnrolled(body) => {
                (member.kind, member.affiliation) = (body.kind, body.affiliation);
                (member.organization, member.home) = (names.known(&body.organization_id), names.known(&body.area_id));
                member.specialties = self.lists.intern(&body.specialties.join(BETWEEN));
            }
            Event::ResponderReportedToCommunity(body) => member.home = names.known(&body.area_id),
            Event::ResponderTransferred(body) => {
                member.organization = names.known(&body.organization_id);
                self.reserved.remove(&place);
            }
            Event::SpecialtiesSet(body) => member.specialties = self.lists.intern(&body.specialties.join(BETWEEN)),
            Event::AvailabilitySet(body) => {
                let free = matches!(body.availability(), Availability::Available | Availability::Unspecified);
                member.availability = body.availability;
                member.away = !free && body.from_ms <= recorded_at_ms;
                if (body.from_ms, body.until_ms) == (0, 0) {
                    self.periods.remove(&place);
                } else {
                    self.periods.insert(place, (body.from_ms, body.until_ms));
                }
            }
            Event::ResponderWithdrawn(_) => member.withdrawn = true,
            _ => {}
        }
        let after = self.members[place as usize];
        // Whether somebody is away shows in the state only, where it is looked at.
        (Member { away: before.0.away, ..after }, self.period(place), self.is_reserved(place)) != before
    }

    /// The organization keeps these people back from now on, and no others. Returns those of whom that is another thing than before.
    pub(super) fn reserve(&mut self, organization: Sym, people: impl Iterator<Item = Sym>) -> Vec<MemberRef> {
        let kept: FxHashSet<MemberRef> = people.filter(|name| *name != EMPTY).map(|name| self.place(name)).collect();
        let known = self.reserved.iter().filter(|(_, by)| by.contains(&organization));
        let gone: Vec<MemberRef> = known.map(|(member, _)| *member).filter(|member| !kept.contains(member)).collect();
        let mut changed: Vec<MemberRef> = Vec::new();
        for member in gone {
            leave(&mut self.reserved, member, organization);
            if !self.is_reserved(member) {
                changed.push(member);
            }
        }
        for member in kept {
            let by = self.reserved.entry(member).or_default();
            if by.is_empty() {
                changed.push(member);
            }
            if !by.contains(&organization) {
                by.push(organization);
            }
        }
        changed
    }
}
