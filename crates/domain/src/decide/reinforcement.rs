//! Reinforcement 跨区增援: the neighbour that was asked lets people go, or says no. A request by itself moves nobody.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, CallReason, ReleaseReason};

use super::call::{free, need_target, rested, to_target};
use super::{Decision, checks, moving};
use crate::execute::{Draft, Now};
use crate::ids::{AreaRef, RequestRef, ResponderRef};
use crate::policy::silence::silent;
use crate::policy::summons::{Summons, release as end_duty, summon};
use crate::rejection::Rejection;
use crate::state::{Floors, NeedState, Request, State, Whistle};

/// A request that still waits for its answer, and the need it is for.
fn open_request<'a>(state: &'a State, request_id: &str) -> Result<(&'a Request, &'a Whistle, &'a NeedState), Rejection> {
    if request_id.is_empty() {
        return Err(Rejection::FieldMissing { field: "request_id" });
    }
    let unknown = || Rejection::UnknownRequest { id: request_id.to_owned() };
    let key = RequestRef::parse(request_id).ok_or_else(unknown)?;
    let request = state.ops.requests.find(key).ok_or_else(unknown)?;
    if request.due_ms == 0 {
        return Err(Rejection::RequestIsOver { id: request_id.to_owned() });
    }
    let whistle = state.ops.whistles.get(request.whistle);
    Ok((request, whistle, &whistle.needs[usize::from(request.need)]))
}

/// In the office of the area that was asked, or of one above it. The donor keeps its floor.
pub(super) fn release(state: &State, now: &Now<'_>, body: &v1::ReleasePeople) -> Decision {
    let (request, whistle, need) = open_request(state, &body.request_id)?;
    let office = state.authority_over(now, request.from)?;
    if body.responder_ids.is_empty() {
        return Err(Rejection::FieldMissing { field: "responder_ids" });
    }
    let missing = (need.quantity as usize).saturating_sub(need.fulfilled as usize + need.calls.len());
    let target = need_target(state, state.ops.whistles.id(request.whistle), &need.id, None)?;
    // Whoever comes takes the place of one who never answered.
    let silent = silent(state, need);
    if missing + silent.len() == 0 {
        return Err(Rejection::NeedIsMet { need: need.id.to_string() });
    }
    checks::at_most("responder_ids", body.responder_ids.len(), missing + silent.len())?;
    let people = let_go(state, now, request.from, whistle, &body.responder_ids)?;
    let from_area_id = state.base.areas.id(request.from).to_owned();
    let released_by_area_id = state.base.areas.id(office).to_owned();
    let event = Event::PeopleReleased(v1::PeopleReleased {
        request_id: body.request_id.clone(),
        whistle_id: target.whistle_id.clone(),
        need_id: target.need_id.clone(),
        from_area_id: from_area_id.clone(),
        released_by_area_id: released_by_area_id.clone(),
        responder_ids: body.responder_ids.clone(),
    });
    let mut drafts = Vec::with_capacity(1 + people.len());
    drafts.push(of_request(whistle, event, &from_area_id));
    let replaced = silent.iter().take(people.len().saturating_sub(missing));
    drafts.extend(replaced.map(|key| end_duty(state, *key, ReleaseReason::Unanswered, None)));
    for (ahead, responder) in people.into_iter().enumerate() {
        let summons = Summons { released_by_area_id: released_by_area_id.clone(), ..to_target(&target, now, CallReason::Reinforcement) };
        summon(state, ahead, responder, summons, &mut drafts);
        // The donor sees where its person goes.
        if let (Some(draft), Some(home)) = (drafts.last_mut(), state.base.home_of(responder)) {
            draft.other_area_ids.push(state.base.areas.id(home).to_owned());
        }
    }
    Ok(drafts)
}

/// The people by name: of the area, able to come, and as many left behind as it keeps.
fn let_go(state: &State, now: &Now<'_>, from: AreaRef, whistle: &Whistle, ids: &[String]) -> Result<Vec<ResponderRef>, Rejection> {
    let mut floors = Floors::new(state, whistle.realm, now.recorded_at_ms);
    let mut named = BTreeSet::new();
    let mut people = Vec::with_capacity(ids.len());
    for id in ids {
        let responder = state.active_responder("responder_ids", id)?;
        if !named.insert(responder) {
            return Err(Rejection::AlreadyExists { field: "responder_ids", id: id.clone() });
        }
        if !state.base.home_of(responder).is_some_and(|home| state.base.within(home, from)) {
            return Err(Rejection::NotOfArea { id: id.clone(), area: state.base.areas.id(from).to_owned() });
        }
        state.callable(responder, now.recorded_at_ms, now.recorded_at_ms, 0)?;
        free(state, whistle.realm, responder, now.recorded_at_ms, 0)?;
        rested(state, now, whistle.realm, responder, now.recorded_at_ms, "")?;
        moving::leave(state, &mut floors, responder, whistle.area)?;
        people.push(responder);
    }
    Ok(people)
}

pub(super) fn refuse(state: &State, now: &Now<'_>, body: &v1::RefuseReinforcement) -> Decision {
    let (request, whistle, need) = open_request(state, &body.request_id)?;
    state.authority_over(now, request.from)?;
    checks::name("reason", &body.reason)?;
    let from_area_id = state.base.areas.id(request.from).to_owned();
    let event = Event::ReinforcementRefused(v1::ReinforcementRefused {
        request_id: body.request_id.clone(),
        whistle_id: state.ops.whistles.id(request.whistle).to_owned(),
        need_id: need.id.to_string(),
        from_area_id: from_area_id.clone(),
        reason: body.reason.clone(),
    });
    Ok(vec![of_request(whistle, event, &from_area_id)])
}

fn of_request(whistle: &Whistle, event: Event, from_area_id: &str) -> Draft {
    let mut draft = Draft::new(event, whistle.realm, Some(whistle.area));
    draft.other_area_ids.push(from_area_id.to_owned());
    draft
}
