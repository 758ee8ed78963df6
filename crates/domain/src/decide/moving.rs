//! 跨区增援: who may be called away from home. One place for every command that moves people: the home area or a common superior lets them go,
//! and no area is left below its floor 留守.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use muster_proto::v1;

use crate::execute::Now;
use crate::ids::{AreaRef, IncidentRef, ResponderRef, ShiftRef, SiteRef};
use crate::limits;
use crate::rejection::Rejection;
use crate::state::{Floor, Floors, State};

/// The office may move its own people; those of another area only once that area or a common superior let them go. While an agreement
/// that shares people is invoked for the incident, its sides have let theirs go to posts in one of them.
pub(super) fn let_go(
    state: &State,
    now: &Now<'_>,
    responder: ResponderRef,
    released_by_area_id: &str,
    incident: Option<IncidentRef>,
    post: AreaRef,
) -> Result<(), Rejection> {
    let office = state.office_area(now)?;
    let Some(home) = state.base.home_of(responder) else { return Ok(()) };
    if state.base.within(home, office) {
        return Ok(());
    }
    if incident.is_some_and(|incident| state.people_shared(incident, office, home, post)) {
        return Ok(());
    }
    if released_by_area_id.is_empty() {
        return Err(release_required(state, responder, home));
    }
    let by = state.area("released_by_area_id", released_by_area_id)?;
    if state.base.within(home, by) { Ok(()) } else { Err(release_required(state, responder, home)) }
}

fn release_required(state: &State, responder: ResponderRef, home: AreaRef) -> Rejection {
    Rejection::ReleaseRequired { id: state.base.responders.id(responder).to_owned(), home: state.base.areas.id(home).to_owned() }
}

/// Who takes somebody's place in a roster by consent. An office moves its people as ever; the two alone may agree where nobody leaves an
/// area that has not let them go: the one who takes over lives in the site's area, or gives up a shift of the same site.
pub(super) fn takes_over(
    state: &State,
    now: &Now<'_>,
    responder: ResponderRef,
    site: SiteRef,
    gives: Option<ShiftRef>,
) -> Result<(), Rejection> {
    let post = state.ops.sites.get(site);
    if now.context.actor_office.as_ref().is_some_and(|office| !office.area_id.is_empty()) {
        return let_go(state, now, responder, "", Some(post.incident), post.area);
    }
    let Some(home) = state.base.home_of(responder) else { return Ok(()) };
    if state.base.within(home, post.area) || gives.is_some_and(|shift| state.ops.shifts.get(shift).site == site) {
        return Ok(());
    }
    Err(release_required(state, responder, home))
}

/// How many people of other areas could come, by the areas that would have to let them go. Who they are is not told.
#[derive(Default)]
pub(crate) struct Donors(BTreeMap<AreaRef, u32>);

impl Donors {
    /// One more, whose home lies outside `near`.
    pub(crate) fn count(&mut self, state: &State, responder: ResponderRef, near: AreaRef) {
        if let Some(home) = state.base.home_of(responder) {
            *self.0.entry(state.base.donor(home, near)).or_default() += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn people(&self) -> u32 {
        self.0.values().sum()
    }

    /// Those who could give most come first.
    pub(crate) fn listed(self, state: &State) -> Vec<v1::DonorCount> {
        let mut found: Vec<_> = self.0.into_iter().collect();
        found.sort_by_key(|(area, people)| (Reverse(*people), *area));
        found.truncate(limits::DONORS_LISTED);
        found.into_iter().map(|(area, people)| v1::DonorCount { area_id: state.base.areas.id(area).to_owned(), people }).collect()
    }
}

/// Takes the person from the areas that are left, if each keeps its floor.
pub(super) fn leave(state: &State, floors: &mut Floors<'_>, responder: ResponderRef, to: AreaRef) -> Result<(), Rejection> {
    floors.allows(responder, to).map_err(|Floor { area, minimum, free }| Rejection::FloorReached {
        area: state.base.areas.id(area).to_owned(),
        minimum,
        free,
    })?;
    floors.leave(responder);
    Ok(())
}
