//! What is asked for: the open needs for people of all open whistles of a realm within an area, the gravest first.

use std::collections::BTreeSet;

use muster_proto::v1::NeedKind;

use super::cost;
use super::flow::Demand;
use super::market::Wanted;
use crate::ids::{AreaRef, IncidentRef, RealmRef, ResponderRef, WhistleRef};
use crate::limits;
use crate::state::{NeedState, State};

/// One need that people are missing for.
#[derive(Clone, Debug)]
pub(super) struct OpenNeed {
    pub(super) whistle: WhistleRef,
    /// Its place in the whistle.
    pub(super) place: usize,
    pub(super) area: AreaRef,
    pub(super) incident: Option<IncidentRef>,
    pub(super) specialty: Wanted,
    /// People missing.
    pub(super) missing: u32,
    /// Of these, how many this proposal looks for.
    pub(super) units: u32,
    pub(super) priority: i64,
    pub(super) weight: i64,
    /// Asked before; never asked twice.
    pub(super) tried: BTreeSet<ResponderRef>,
}

impl OpenNeed {
    pub(super) fn demand(&self) -> Demand {
        Demand { units: self.units, penalty: cost::penalty(self.priority) }
    }
}

/// People still missing: neither brought nor called, for a part that the blowing side has not confirmed.
pub(super) fn missing(need: &NeedState) -> u32 {
    let served = u32::try_from(need.calls.len()).unwrap_or(u32::MAX).saturating_add(need.fulfilled);
    if need.kind == NeedKind::Person && !need.confirmed { need.quantity.saturating_sub(served) } else { 0 }
}

/// The open needs, gravest first, then in the order of the whistles. One proposal looks for so many people and no more.
pub(super) fn open(state: &State, realm: RealmRef, area: AreaRef, now_ms: i64) -> Vec<OpenNeed> {
    let whistles = state.ops.whistles.iter().filter(|(_, whistle)| whistle.realm == realm && whistle.phase.open());
    let mut found = Vec::new();
    for (key, whistle) in whistles.filter(|(_, whistle)| state.base.within(whistle.area, area)) {
        let waited_ms = now_ms - whistle.blown_at_ms;
        let priority = cost::priority(whistle.severity, whistle.urgency, whistle.life_threatening, waited_ms);
        let asked = whistle.needs.iter().enumerate().filter(|(_, need)| missing(need) > 0);
        found.extend(asked.map(|(place, need)| OpenNeed {
            whistle: key,
            place,
            area: whistle.area,
            incident: whistle.incident,
            specialty: wanted(state, &need.specialty),
            missing: missing(need),
            units: 0,
            priority,
            weight: cost::weight(priority),
            tried: need.tried.clone(),
        }));
    }
    found.sort_by_key(|need| (-need.priority, need.whistle, need.place));
    let mut left = u32::try_from(limits::FILL_LINES_MAX).expect("a small number");
    for need in &mut found {
        need.units = need.missing.min(left);
        left -= need.units;
    }
    found
}

fn wanted(state: &State, specialty: &str) -> Wanted {
    match specialty {
        "" => Wanted::Anybody,
        name => state.base.labels.find(name).map_or(Wanted::Unknown, Wanted::Specialty),
    }
}
