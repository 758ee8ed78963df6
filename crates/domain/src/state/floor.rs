//! 留守: who may still be called away from an area that keeps a floor of free people.

use std::collections::BTreeMap;

use super::State;
use crate::ids::{AreaRef, RealmRef, ResponderRef};

/// An area that would be left with too few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Floor {
    pub(crate) area: AreaRef,
    pub(crate) minimum: u32,
    /// Who is free there now, before anybody more leaves.
    pub(crate) free: u32,
}

/// Free people counted, by area.
pub(crate) type Counted = BTreeMap<AreaRef, u32>;

/// The floors of a realm at one moment, with those who were called since. Counts each area once.
pub(crate) struct Floors<'a> {
    state: &'a State,
    realm: RealmRef,
    at_ms: i64,
    /// Free people by area, for areas with a floor.
    free: Counted,
    /// Who was free and is called: an area that is counted later counts them no more.
    called: Vec<ResponderRef>,
}

impl<'a> Floors<'a> {
    pub(crate) fn new(state: &'a State, realm: RealmRef, at_ms: i64) -> Self {
        Self::resume(state, realm, at_ms, Counted::new())
    }

    /// Goes on with what was counted before, when everybody called since has the duty.
    pub(crate) fn resume(state: &'a State, realm: RealmRef, at_ms: i64, free: Counted) -> Self {
        Self { state, realm, at_ms, free, called: Vec::new() }
    }

    /// What was counted, for who goes on with it.
    pub(crate) fn counted(self) -> Counted {
        self.free
    }

    /// Whether every area that the person leaves keeps its floor.
    pub(crate) fn allows(&mut self, responder: ResponderRef, target: AreaRef) -> Result<(), Floor> {
        for area in self.left(responder, target) {
            let minimum = self.state.base.areas.get(area).floor;
            let free = self.free(area);
            if free <= minimum {
                return Err(Floor { area, minimum, free });
            }
        }
        Ok(())
    }

    /// Notes that the person is called: free no more, in the areas that are left and in those that are not.
    pub(crate) fn leave(&mut self, responder: ResponderRef) {
        let base = &self.state.base;
        let Some(home) = base.responders.get(responder).area else { return };
        if self.state.is_free(self.realm, responder, self.at_ms) {
            for area in base.ancestry(home) {
                self.free.entry(area).and_modify(|free| *free = free.saturating_sub(1));
            }
            self.called.push(responder);
        }
    }

    /// The areas with a floor that the person is counted in and would leave.
    fn left(&self, responder: ResponderRef, target: AreaRef) -> Vec<AreaRef> {
        let base = &self.state.base;
        let Some(home) = base.responders.get(responder).area else { return Vec::new() };
        let with_floor = base.ancestry(home).filter(|area| base.areas.get(*area).floor > 0 && !base.within(target, *area));
        let left: Vec<_> = with_floor.collect();
        if left.is_empty() || !self.state.is_free(self.realm, responder, self.at_ms) { Vec::new() } else { left }
    }

    fn free(&mut self, area: AreaRef) -> u32 {
        let Self { state, realm, at_ms, free, called } = self;
        *free.entry(area).or_insert_with(|| {
            let at_home = |who: &&ResponderRef| state.base.responders.get(**who).area.is_some_and(|home| state.base.within(home, area));
            let called = u32::try_from(called.iter().filter(at_home).count()).unwrap_or(u32::MAX);
            state.free_people(*realm, area, *at_ms).saturating_sub(called)
        })
    }
}

impl State {
    /// Neither withdrawn, kept back nor absent, and without a duty from now on.
    pub(crate) fn is_free(&self, realm: RealmRef, responder: ResponderRef, at_ms: i64) -> bool {
        let person = self.base.responders.get(responder);
        let barred = person.withdrawn || person.reserved || person.absence(at_ms).is_some();
        !barred && self.ops.overlapping_duties(realm, responder, at_ms, 0).next().is_none()
    }

    /// The free people at home in an area and below it.
    pub(crate) fn free_people(&self, realm: RealmRef, area: AreaRef, at_ms: i64) -> u32 {
        let mut open = vec![area];
        let mut free = 0;
        while let Some(key) = open.pop() {
            if self.idle(realm, key, None) > 0 {
                let area = self.base.areas.get(key);
                free += area.residents.iter().filter(|responder| self.is_free(realm, **responder, at_ms)).count();
                open.extend_from_slice(&area.children);
            }
        }
        u32::try_from(free).unwrap_or(u32::MAX)
    }
}
