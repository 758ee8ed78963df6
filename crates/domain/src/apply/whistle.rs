//! Facts of whistles applied.

use muster_proto::Event;
use muster_proto::v1;

use super::At;
use crate::ids::{RequestRef, WhistleRef};
use crate::policy::escalation;
use crate::state::{NeedState, Request, State, Timer, Whistle, WhistlePhase};

pub(super) fn apply(state: &mut State, at: &At, event: &Event) -> Option<()> {
    match event {
        Event::WhistleBlown(body) => blown(state, at, body)?,
        Event::WhistleAcknowledged(body) => {
            let key = state.ops.whistles.find(&body.whistle_id)?;
            acknowledge_settled(state, key);
            let whistle = state.ops.whistles.get_mut(key);
            whistle.acknowledged = true;
            if whistle.phase == WhistlePhase::Blown {
                whistle.phase = WhistlePhase::Acknowledged;
            }
        }
        Event::WhistleEscalated(body) => {
            let (key, to) = (state.ops.whistles.find(&body.whistle_id)?, state.base.areas.find(&body.to_area_id)?);
            acknowledge_settled(state, key);
            let whistle = state.ops.whistles.get_mut(key);
            whistle.responsible = to;
            whistle.acknowledged = false;
            whistle.acknowledge_due_ms = body.acknowledge_due_ms;
            state.set_timer(body.acknowledge_due_ms, Timer::WhistleAcknowledge(key));
        }
        Event::WhistlesMerged(body) => end(state, state.ops.whistles.find(&body.whistle_id)?, WhistlePhase::Merged),
        Event::NeedFulfilled(body) => {
            let key = state.ops.whistles.find(&body.whistle_id)?;
            let need = state.ops.whistles.get_mut(key).needs.iter_mut().find(|need| *need.id == *body.need_id)?;
            need.fulfilled = need.fulfilled.saturating_add(body.quantity);
        }
        Event::WhistleFilled(body) => {
            let key = state.ops.whistles.find(&body.whistle_id)?;
            state.ops.whistles.get_mut(key).phase = WhistlePhase::Filled;
        }
        Event::PartConfirmed(body) => {
            let key = state.ops.whistles.find(&body.whistle_id)?;
            let need = state.ops.whistles.get_mut(key).needs.iter_mut().find(|need| *need.id == *body.need_id)?;
            need.confirmed = true;
            let request = need.request;
            request.into_iter().for_each(|request| request_settled(state, request));
        }
        Event::WhistleResolved(body) => end(state, state.ops.whistles.find(&body.whistle_id)?, WhistlePhase::Resolved),
        Event::WhistleWithdrawn(body) => end(state, state.ops.whistles.find(&body.whistle_id)?, WhistlePhase::Withdrawn),
        Event::WhistleRated(body) => {
            let key = state.ops.whistles.find(&body.whistle_id)?;
            state.ops.whistles.get_mut(key).rated = true;
        }
        Event::ReinforcementRequested(body) => {
            let (key, from) = (state.ops.whistles.find(&body.whistle_id)?, state.base.areas.find(&body.from_area_id)?);
            let needs = &mut state.ops.whistles.get_mut(key).needs;
            let (at, need) = needs.iter_mut().enumerate().find(|(_, need)| *need.id == *body.need_id)?;
            if body.request_id.is_empty() {
                need.reach = Some(from);
            } else {
                let at = u16::try_from(at).ok()?;
                let request = state.ops.requests.push(Request { whistle: key, need: at, from, due_ms: body.due_ms });
                need.request = Some(request);
                need.asked.insert(from);
                state.set_timer(body.due_ms, Timer::ReinforcementDue(request));
            }
        }
        Event::PeopleReleased(v1::PeopleReleased { request_id, .. })
        | Event::ReinforcementRefused(v1::ReinforcementRefused { request_id, .. })
        | Event::ReinforcementLapsed(v1::ReinforcementLapsed { request_id, .. }) => {
            let key = RequestRef::parse(request_id).filter(|key| state.ops.requests.find(*key).is_some())?;
            request_settled(state, key);
        }
        // A proposal binds nobody.
        Event::DispatchProposed(_) => {}
        _ => {}
    }
    Some(())
}

/// The timer that asked for the step is spent; without this a replay would keep it, and it would fire again.
pub(super) fn apply_refused_step(state: &mut State, event: &Event) -> Option<()> {
    if let Event::PolicyStepRefused(body) = event
        && body.policy == escalation::POLICY
    {
        acknowledge_settled(state, state.ops.whistles.find(&body.subject_id)?);
    }
    Some(())
}

fn blown(state: &mut State, at: &At, body: &v1::WhistleBlown) -> Option<()> {
    let area = state.base.areas.find(&body.area_id)?;
    let incident = state.ops.incidents.find(&body.incident_id);
    let needs = body
        .needs
        .iter()
        .map(|need| NeedState {
            id: need.need_id.as_str().into(),
            kind: need.kind(),
            specialty: need.specialty.as_str().into(),
            quantity: need.quantity,
            fulfilled: 0,
            calls: Vec::new(),
            tried: Default::default(),
            reach: None,
            request: None,
            asked: Default::default(),
            confirmed: false,
        })
        .collect();
    let value = Whistle {
        incident,
        realm: at.realm,
        area,
        place: body.place.as_str().into(),
        responsible: area,
        severity: body.severity(),
        urgency: body.urgency(),
        life_threatening: body.life_threatening,
        blown_at_ms: at.recorded_at_ms,
        phase: WhistlePhase::Blown,
        acknowledged: false,
        acknowledge_due_ms: body.acknowledge_due_ms,
        needs,
        rated: false,
        present: 0,
        organization_calls: Vec::new(),
    };
    let key = state.ops.whistles.insert(&body.whistle_id, value);
    state.set_timer(body.acknowledge_due_ms, Timer::WhistleAcknowledge(key));
    if let Some(incident) = incident {
        state.ops.incidents.get_mut(incident).open_whistles.insert(key);
    }
    Some(())
}

/// The wait for an acknowledgement is over.
fn acknowledge_settled(state: &mut State, key: WhistleRef) {
    let due_ms = std::mem::take(&mut state.ops.whistles.get_mut(key).acknowledge_due_ms);
    state.clear_timer(due_ms, Timer::WhistleAcknowledge(key));
}

/// The neighbour is no longer waited for.
fn request_settled(state: &mut State, key: RequestRef) {
    let request = state.ops.requests.get_mut(key);
    let due_ms = std::mem::take(&mut request.due_ms);
    let (whistle, need) = (request.whistle, usize::from(request.need));
    state.clear_timer(due_ms, Timer::ReinforcementDue(key));
    if let Some(need) = state.ops.whistles.get_mut(whistle).needs.get_mut(need)
        && need.request == Some(key)
    {
        need.request = None;
    }
}

fn end(state: &mut State, key: WhistleRef, phase: WhistlePhase) {
    acknowledge_settled(state, key);
    let requests: Vec<_> = state.ops.whistles.get(key).needs.iter().filter_map(|need| need.request).collect();
    requests.into_iter().for_each(|request| request_settled(state, request));
    let whistle = state.ops.whistles.get_mut(key);
    whistle.phase = phase;
    if let Some(incident) = whistle.incident {
        state.ops.incidents.get_mut(incident).open_whistles.remove(&key);
    }
}
