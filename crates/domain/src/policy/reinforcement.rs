//! Reinforcement 跨区增援: where people are missing inside, one neighbouring area after the other is asked to let some go, then people are
//! sought one level up. A request moves nobody: the neighbour's office answers, or its silence counts as a no.

use muster_proto::Event;
use muster_proto::v1;

use super::fill::{Search, missing, reach};
use super::silence;
use crate::execute::{Draft, Now};
use crate::ids::{AreaRef, RequestRef, WhistleRef};
use crate::limits;
use crate::state::{NeedState, State};

/// Asks the next neighbour of the area searched so far, or one level up where none is left. `ahead` counts the requests that the same answer
/// makes before.
pub(super) fn ask(state: &State, now: &Now<'_>, key: WhistleRef, need: &NeedState, short: usize, ahead: &mut usize) -> Option<Draft> {
    // One neighbour at a time.
    if need.request.is_some() {
        return None;
    }
    let whistle = state.ops.whistles.get(key);
    let searched = reach(state, whistle, need);
    let above = state.base.areas.get(searched).parent?;
    let neighbours = around(state, searched, above);
    let asked = neighbours.iter().filter(|area| need.asked.contains(area)).count();
    let mut search = Search::new(state, now, whistle, need);
    let mut left = neighbours.into_iter().filter(|area| !need.asked.contains(area));
    // Whoever has nobody to give is not asked.
    let next = if asked < limits::NEIGHBOURS_MAX { left.find(|area| search.any_in(*area)) } else { None };
    let limit_ms = if whistle.life_threatening { limits::REINFORCEMENT_LIMIT_LIFE_MS } else { limits::REINFORCEMENT_LIMIT_MS };
    let (request_id, due_ms) = match next {
        Some(_) => (state.ops.requests.upcoming(*ahead).text(), now.recorded_at_ms + limit_ms),
        None => (String::new(), 0),
    };
    *ahead += usize::from(next.is_some());
    let from = next.unwrap_or(above);
    let event = Event::ReinforcementRequested(v1::ReinforcementRequested {
        whistle_id: state.ops.whistles.id(key).to_owned(),
        need_id: need.id.to_string(),
        from_area_id: state.base.areas.id(from).to_owned(),
        quantity: u32::try_from(short).unwrap_or(u32::MAX),
        request_id,
        due_ms,
    });
    let mut draft = Draft::new(event, whistle.realm, Some(whistle.area));
    draft.other_area_ids.extend(next.map(|area| state.base.areas.id(area).to_owned()));
    Some(draft)
}

/// The other areas below the same parent, nearest first as the crow flies. Where one is not on the map by a place of its own: by the order of
/// definition, which is that of their codes, the one after and the one before in turn, behind those that are.
fn around(state: &State, area: AreaRef, parent: AreaRef) -> Vec<AreaRef> {
    let siblings = &state.base.areas.get(parent).children;
    let own = siblings.iter().position(|sibling| *sibling == area).unwrap_or(0);
    let mut others: Vec<_> = siblings.iter().copied().enumerate().filter(|(_, sibling)| *sibling != area).collect();
    let place = |area: AreaRef| state.base.areas.get(area).location;
    let metres = |other: AreaRef| Some(place(area)?.metres_to(place(other)?));
    others.sort_by_key(|(at, other)| (metres(*other).unwrap_or(u32::MAX), at.abs_diff(own), *at < own));
    others.into_iter().map(|(_, sibling)| sibling).collect()
}

/// Silence is a no.
pub(super) fn lapsed(state: &State, key: RequestRef) -> Vec<Draft> {
    let request = state.ops.requests.get(key);
    let whistle = state.ops.whistles.get(request.whistle);
    let event = Event::ReinforcementLapsed(v1::ReinforcementLapsed {
        request_id: key.text(),
        whistle_id: state.ops.whistles.id(request.whistle).to_owned(),
        need_id: whistle.needs[usize::from(request.need)].id.to_string(),
        from_area_id: state.base.areas.id(request.from).to_owned(),
    });
    let mut draft = Draft::new(event, whistle.realm, Some(whistle.area));
    draft.other_area_ids.push(state.base.areas.id(request.from).to_owned());
    vec![draft]
}

/// An answer came, or none: while people are still missing, and those who were proposed are too few, the next is asked.
pub(super) fn answered(state: &State, now: &Now<'_>, whistle_id: &str, need_id: &str) -> Vec<Draft> {
    let Some(key) = state.ops.whistles.find(whistle_id) else { return Vec::new() };
    let whistle = state.ops.whistles.get(key);
    let Some(need) = whistle.needs.iter().find(|need| *need.id == *need_id) else { return Vec::new() };
    let short = missing(need) + silence::silent(state, need).len();
    if !whistle.phase.open() || short == 0 {
        return Vec::new();
    }
    let inside = Search::new(state, now, whistle, need).nearest(reach(state, whistle, need), short).len();
    if inside < short { ask(state, now, key, need, short - inside, &mut 0).into_iter().collect() } else { Vec::new() }
}
