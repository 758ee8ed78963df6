//! 跨区增援: who may be called away from home. One place for every command that moves people: the home area or a common superior lets them go,
//! and no area is left below its floor 留守.

use crate::execute::Now;
use crate::ids::{AreaRef, IncidentRef, ResponderRef};
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
    let required =
        || Rejection::ReleaseRequired { id: state.base.responders.id(responder).to_owned(), home: state.base.areas.id(home).to_owned() };
    if released_by_area_id.is_empty() {
        return Err(required());
    }
    let by = state.area("released_by_area_id", released_by_area_id)?;
    if state.base.within(home, by) { Ok(()) } else { Err(required()) }
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
