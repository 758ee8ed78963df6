//! Who could be called at all, counted by area: a search leaves out every part of the tree that has nobody. Kept up with each record, at the areas
//! above the person alone; everything here can be counted anew from the roster and the duties, and the tests do.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Base, State};
use crate::ids::{AreaRef, Dense as _, LabelRef, RealmRef, ResponderRef};

/// People, and how many of them have each specialty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heads {
    all: u32,
    /// By specialty, those that somebody has.
    specialists: Vec<(LabelRef, u32)>,
}

impl Heads {
    pub(crate) fn of(&self, specialty: Option<LabelRef>) -> u32 {
        let Some(wanted) = specialty else { return self.all };
        let place = self.specialists.binary_search_by_key(&wanted, |(label, _)| *label);
        place.map_or(0, |place| self.specialists[place].1)
    }

    fn one(specialties: &[LabelRef]) -> Self {
        let mut one = Self { all: 1, specialists: specialties.iter().map(|label| (*label, 1)).collect() };
        one.specialists.sort_unstable();
        one.specialists.dedup();
        one
    }

    fn change(&mut self, by: &Self, more: bool) {
        let changed = |held: u32, by: u32| if more { held.saturating_add(by) } else { held.saturating_sub(by) };
        self.all = changed(self.all, by.all);
        for (label, count) in &by.specialists {
            match self.specialists.binary_search_by_key(label, |(held, _)| *held) {
                Ok(place) => {
                    self.specialists[place].1 = changed(self.specialists[place].1, *count);
                    if self.specialists[place].1 == 0 {
                        self.specialists.remove(place);
                    }
                }
                Err(place) if more => self.specialists.insert(place, (*label, *count)),
                Err(_) => {}
            }
        }
    }
}

/// By area, as far as there was ever anybody.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct HeadsByArea(Vec<Heads>);

impl HeadsByArea {
    pub(crate) fn of(&self, area: AreaRef, specialty: Option<LabelRef>) -> u32 {
        self.0.get(area.index()).map_or(0, |heads| heads.of(specialty))
    }

    fn at(&self, area: AreaRef) -> Heads {
        self.0.get(area.index()).cloned().unwrap_or_default()
    }

    fn change(&mut self, areas: &[AreaRef], by: &Heads, more: bool) {
        for area in areas {
            if self.0.len() <= area.index() {
                self.0.resize_with(area.index() + 1, Heads::default);
            }
            self.0[area.index()].change(by, more);
        }
    }
}

/// The areas that count a person with this home.
type Above = SmallVec<[AreaRef; 6]>;

/// Where a person is counted, and as what; `None` for who cannot be called: not at home anywhere, as who has withdrawn, or kept back.
fn counted(base: &Base, responder: ResponderRef) -> Option<(Above, Heads)> {
    let person = base.responders.get(responder);
    let home = person.area.filter(|_| !person.withdrawn && !person.reserved)?;
    Some((base.ancestry(home).collect(), Heads::one(&person.specialties)))
}

impl State {
    /// At most so many people at home in the area and below it could be called in a realm: who cannot be called, or has a duty without an end,
    /// is left out. Who is away, or busy for a while, is not.
    pub(crate) fn idle(&self, realm: RealmRef, area: AreaRef, specialty: Option<LabelRef>) -> u32 {
        self.base.callable.of(area, specialty).saturating_sub(self.ops.realms.get(realm).bound.of(area, specialty))
    }

    /// Whether a person has a duty without an end.
    pub(crate) fn bound(&self, realm: RealmRef, responder: ResponderRef) -> bool {
        self.ops.duties(realm, responder).iter().any(|call| self.ops.calls.get(*call).until_ms == 0)
    }

    /// Takes a person into the counts of all realms, or out of them: around every change of home, specialties or of what keeps them back.
    pub(crate) fn count_person(&mut self, responder: ResponderRef, more: bool) {
        let Some((areas, one)) = counted(&self.base, responder) else { return };
        self.base.callable.change(&areas, &one, more);
        let realms = (0..self.ops.realms.len()).map(RealmRef::from_index);
        let bound: SmallVec<[RealmRef; 2]> = realms.filter(|realm| self.bound(*realm, responder)).collect();
        for realm in bound {
            self.ops.realms.get_mut(realm).bound.change(&areas, &one, more);
        }
    }

    /// Notes that a person is bound by a duty, or is so no more.
    pub(crate) fn count_bound(&mut self, realm: RealmRef, responder: ResponderRef, more: bool) {
        let Some((areas, one)) = counted(&self.base, responder) else { return };
        self.ops.realms.get_mut(realm).bound.change(&areas, &one, more);
    }

    /// Takes all people of an area and below it into the counts of the areas above it, or out of them: around its move in the tree.
    pub(crate) fn count_area(&mut self, area: AreaRef, more: bool) {
        let areas: Above = self.base.ancestry(area).skip(1).collect();
        let heads = self.base.callable.at(area);
        self.base.callable.change(&areas, &heads, more);
        for realm in self.ops.realms.values_mut() {
            let heads = realm.bound.at(area);
            realm.bound.change(&areas, &heads, more);
        }
    }
}
