//! What is: the peacetime base, and what incidents lay over it.
//!
//! The base never changes through an incident's events; taking an incident's part away leaves the base as it was.

mod arrivals;
mod base;
mod floor;
mod hours;
mod idle;
mod operations;
mod point;
mod reach;
mod seats;
mod sharing;
mod shifts;

use muster_proto::v1;
use serde::{Deserialize, Serialize};

pub(crate) use arrivals::{Arrivals, Awaited, ring};
pub(crate) use base::{
    Agreement, Area, Base, CardText, Designation, Erasure, Organization, Plan, PlanSeat, PlanSite, PlanUnit, PlanVersion, Responder, Side,
};
pub(crate) use floor::{Counted, Floor, Floors};
pub(crate) use hours::{fatigue_level, rest_needed};
pub(crate) use idle::HeadsByArea;
pub(crate) use operations::{
    Call, CallPhase, Conversion, FillLineState, FillProposal, Incident, NO_PART, NeedState, Observation, Operations, OrganizationCall,
    OrganizationCallPhase, Place, Presence, Realm, Recall, Request, Site, Timer, Unit, Whistle, WhistlePhase, outdoors,
};
pub(crate) use point::Point;
pub(crate) use reach::Reach;
pub(crate) use seats::{SeatState, Seating};
pub use sharing::SharedArea;
pub(crate) use shifts::{Relief, Shift, ShiftPhase, Swap};

use crate::ids::{AreaRef, RealmRef};

/// Everything the domain knows, as of one position of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    pub(crate) base: Base,
    pub(crate) ops: Operations,
    pub(crate) position: u64,
}

impl Default for State {
    fn default() -> Self {
        Self { base: Base::default(), ops: Operations::new(), position: 0 }
    }
}

impl State {
    /// The position of the last record applied, 0 for none.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// When the earliest timer is due, Unix milliseconds.
    pub fn next_timer_ms(&self) -> Option<i64> {
        self.ops.timers.first().map(|(due_ms, _)| *due_ms)
    }

    /// Timers waiting.
    pub fn timers(&self) -> usize {
        self.ops.timers.len()
    }

    /// The path from the city down to the area, as of now; empty for `None`.
    pub fn area_path(&self, area: Option<AreaRef>) -> v1::AreaPath {
        let mut path = v1::AreaPath::default();
        let mut cursor = area;
        while let Some(key) = cursor {
            let node = self.base.areas.get(key);
            let slot = match node.level {
                v1::AreaLevel::City => &mut path.city,
                v1::AreaLevel::County => &mut path.county,
                v1::AreaLevel::Township => &mut path.township,
                v1::AreaLevel::Village => &mut path.village,
                _ => &mut path.grid,
            };
            self.base.areas.id(key).clone_into(slot);
            cursor = node.parent;
        }
        path
    }

    /// The realm's name: `actual` or the exercise's.
    pub fn realm_name(&self, realm: RealmRef) -> &str {
        self.ops.realms.id(realm)
    }

    /// Canonical bytes of the peacetime base: areas, organizations, responders and plans. Two histories that differ only in
    /// incidents have the same bytes.
    pub fn base_digest(&self) -> Vec<u8> {
        self.base.canonical()
    }

    /// Metres between two areas as the crow flies, each at its own place or that of the nearest area above which has one; `None` where an
    /// area is unknown or nothing above it is on the map.
    pub fn metres_between(&self, one_area_id: &str, other_area_id: &str) -> Option<u32> {
        self.base.metres_between(self.base.areas.find(one_area_id)?, self.base.areas.find(other_area_id)?)
    }

    /// Who can be rung up for an organization: `(title, responder id)` of its office-holders, in the order the offices were first
    /// filled. Empty for an organization without any, or one that is unknown.
    pub fn office_holders(&self, organization_id: &str) -> Vec<(&str, &str)> {
        let Some(key) = self.base.organizations.find(organization_id) else { return Vec::new() };
        let holders = &self.base.organizations.get(key).holders;
        holders.iter().map(|(title, holder)| (&**title, self.base.responders.id(*holder))).collect()
    }

    /// 包干: `(kind, responder id)` of those who answer for an area at a time, kind by kind. Empty for an unknown area.
    pub fn responsible_for(&self, area_id: &str, at_ms: i64) -> Vec<(v1::ResponsibilityKind, &str)> {
        let Some(area) = self.base.areas.find(area_id) else { return Vec::new() };
        let kind = |number: u8| v1::ResponsibilityKind::try_from(i32::from(number)).unwrap_or_default();
        self.base.responsible(area, at_ms).map(|(number, who)| (kind(number), self.base.responders.id(who))).collect()
    }

    /// The ids of the plans that have a published version, in the order in which they were first drafted.
    pub fn published_plans(&self) -> Vec<String> {
        let published = self.base.plans.iter().filter(|(_, plan)| plan.current().is_some());
        published.map(|(key, _)| self.base.plans.id(key).to_owned()).collect()
    }

    /// Areas, organizations, responders and plans known.
    pub fn base_counts(&self) -> (usize, usize, usize, usize) {
        (self.base.areas.len(), self.base.organizations.len(), self.base.responders.len(), self.base.plans.len())
    }
}
