//! Facts of taking shelter 避险 applied.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::Event;

use super::call;
use crate::ids::{AreaRef, IncidentRef};
use crate::state::{Recall, State, Timer};

pub(super) fn apply(state: &mut State, event: &Event) -> Option<()> {
    match event {
        Event::AreaRecalled(body) => {
            let (key, area) = find(state, &body.incident_id, &body.area_id)?;
            let recall = Recall { due_ms: body.due_ms, unaccounted: BTreeMap::new(), safe: BTreeSet::new() };
            state.ops.incidents.get_mut(key).recalls.insert(area, recall);
            state.set_timer(body.due_ms, Timer::SafetyDue(key, area));
        }
        Event::ShelterOrdered(body) => {
            let (key, area) = find(state, &body.incident_id, &body.recalled_area_id)?;
            let responder = state.base.responders.find(&body.responder_id)?;
            let place = state.place(&body.site_id, &body.whistle_id)?;
            let call = call::find(state, &body.call_id);
            let recall = state.ops.incidents.get_mut(key).recalls.get_mut(&area)?;
            recall.safe.remove(&responder);
            recall.unaccounted.insert(responder, (call, place));
            if recall.due_ms == 0 && body.due_ms != 0 {
                recall.due_ms = body.due_ms;
                state.set_timer(body.due_ms, Timer::SafetyDue(key, area));
            }
        }
        Event::SafetyConfirmed(body) => {
            let (key, area) = find(state, &body.incident_id, &body.recalled_area_id)?;
            let responder = state.base.responders.find(&body.responder_id)?;
            let recall = state.ops.incidents.get_mut(key).recalls.get_mut(&area)?;
            recall.unaccounted.remove(&responder);
            recall.safe.insert(responder);
            if recall.unaccounted.is_empty() {
                time_is_up(state, key, area)?;
            }
        }
        Event::UnaccountedListed(body) => {
            let (key, area) = find(state, &body.incident_id, &body.recalled_area_id)?;
            time_is_up(state, key, area)?;
        }
        Event::AreaResumed(body) => {
            let (key, area) = find(state, &body.incident_id, &body.area_id)?;
            time_is_up(state, key, area)?;
            state.ops.incidents.get_mut(key).recalls.remove(&area);
        }
        _ => {}
    }
    Some(())
}

fn find(state: &State, incident_id: &str, area_id: &str) -> Option<(IncidentRef, AreaRef)> {
    state.ops.incidents.find(incident_id).zip(state.base.areas.find(area_id))
}

/// Nobody is waited for any more: all are safe, or the others were listed.
fn time_is_up(state: &mut State, key: IncidentRef, area: AreaRef) -> Option<()> {
    let due_ms = std::mem::take(&mut state.ops.incidents.get_mut(key).recalls.get_mut(&area)?.due_ms);
    state.clear_timer(due_ms, Timer::SafetyDue(key, area));
    Some(())
}
