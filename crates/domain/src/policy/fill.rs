//! Fill 补位: needs of a whistle find people, nearest first. Where an area has switched it on, its own people are called by
//! itself; everywhere else candidates are proposed, with their reasons, and a person decides.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, AreaLevel, CallReason, Candidate, NeedKind, ReleaseReason};

use super::organization;
use super::summons::{Summons, call_off, summon};
use crate::execute::{Draft, Now};
use crate::ids::{AreaRef, CallRef, LabelRef, ResponderRef, WhistleRef};
use crate::limits;
use crate::state::{CallPhase, NeedState, State, Whistle, WhistlePhase};

/// Somebody who could come, with what speaks for them.
struct Found {
    responder: ResponderRef,
    distance: u32,
    on_standby: bool,
    recent_duties: u32,
}

fn missing(need: &NeedState) -> usize {
    (need.quantity as usize).saturating_sub(need.fulfilled as usize + need.calls.len())
}

/// How far the first search goes: the whistle's township, or its own area where that is higher.
fn first_reach(state: &State, area: AreaRef) -> AreaRef {
    state.base.ancestry(area).take_while(|key| state.base.areas.get(*key).level as i32 >= AreaLevel::Township as i32).last().unwrap_or(area)
}

/// How far the search goes now: as far as was asked. The tree may have changed since; people are sought above the whistle only.
fn reach(state: &State, whistle: &Whistle, need: &NeedState) -> AreaRef {
    need.reach.filter(|reach| state.base.within(whistle.area, *reach)).unwrap_or_else(|| first_reach(state, whistle.area))
}

/// The highest area around the whistle that lets the policy call its people by itself.
fn automatic_scope(state: &State, area: AreaRef) -> Option<AreaRef> {
    state.base.ancestry(area).filter(|key| state.base.areas.get(*key).auto_fill).last()
}

/// Candidates within `reach`, ring by ring upward from the whistle's area; within a ring those on standby first, then the least loaded.
fn candidates(state: &State, now: &Now<'_>, whistle: &Whistle, need: &NeedState, reach: AreaRef, wanted: usize) -> Vec<Found> {
    let specialty = if need.specialty.is_empty() {
        None
    } else {
        match state.base.labels.find(&need.specialty) {
            // Nobody has a specialty that no record ever named.
            None => return Vec::new(),
            known => known,
        }
    };
    let mut found = Vec::new();
    let mut searched: Option<AreaRef> = None;
    for (distance, ring) in (0u32..).zip(state.base.ancestry(whistle.area)) {
        let inner = searched;
        let start = found.len();
        visit(state, ring, inner, &mut |responder| {
            found.extend(candidate(state, now, whistle, need, specialty, responder, distance));
        });
        found[start..].sort_by_key(|found: &Found| (!found.on_standby, found.recent_duties, found.responder));
        searched = Some(ring);
        if ring == reach || found.len() >= wanted {
            break;
        }
    }
    found.truncate(wanted);
    found
}

/// The residents of a subtree but for the part searched before.
fn visit(state: &State, top: AreaRef, inner: Option<AreaRef>, take: &mut impl FnMut(ResponderRef)) {
    let mut open = vec![top];
    while let Some(key) = open.pop() {
        if Some(key) == inner {
            continue;
        }
        let area = state.base.areas.get(key);
        area.residents.iter().for_each(|responder| take(*responder));
        open.extend_from_slice(&area.children);
    }
}

fn candidate(
    state: &State,
    now: &Now<'_>,
    whistle: &Whistle,
    need: &NeedState,
    specialty: Option<LabelRef>,
    responder: ResponderRef,
    distance: u32,
) -> Option<Found> {
    let person = state.base.responders.get(responder);
    let fits = specialty.is_none_or(|wanted| person.specialties.contains(&wanted));
    let barred = person.withdrawn || person.reserved || need.tried.contains(&responder) || person.absence(now.recorded_at_ms).is_some();
    let realm = state.ops.realms.get(whistle.realm);
    let busy = state.ops.overlapping_duties(whistle.realm, responder, now.recorded_at_ms, 0).next().is_some()
        || realm.presence.get(&responder).is_some_and(|presence| presence.place.is_some());
    if !fits || barred || busy {
        return None;
    }
    let on_standby = whistle.incident.is_some_and(|key| state.ops.incidents.get(key).standby.contains_key(&responder));
    let recent_duties = realm.past_duties.get(&responder).copied().unwrap_or(0);
    Some(Found { responder, distance, on_standby, recent_duties })
}

/// Calls or proposes people for one need; asks one level up where there are too few.
fn fill(
    state: &State,
    now: &Now<'_>,
    key: WhistleRef,
    need: &NeedState,
    taken: &mut BTreeSet<ResponderRef>,
    ahead: &mut usize,
) -> Vec<Draft> {
    let whistle = state.ops.whistles.get(key);
    let mut short = missing(need);
    if short == 0 || need.kind != NeedKind::Person || !whistle.phase.open() {
        return Vec::new();
    }
    let mut drafts = Vec::new();
    let reach = reach(state, whistle, need);
    let automatic = automatic_scope(state, whistle.area);
    if let Some(scope) = automatic {
        let near = if state.base.within(reach, scope) { reach } else { scope };
        let mut found = candidates(state, now, whistle, need, near, short + taken.len());
        found.retain(|found| !taken.contains(&found.responder));
        for found in found.into_iter().take(short) {
            taken.insert(found.responder);
            let summons = to_need(state, now, key, need);
            summon(state, *ahead, found.responder, summons, &mut drafts);
            *ahead += 1;
            short -= 1;
        }
    }
    if short == 0 {
        return drafts;
    }
    // As many again as are needed, for not everybody comes; nobody reads a list that is too long.
    let mut proposed = candidates(state, now, whistle, need, reach, short * 2 + taken.len());
    proposed.retain(|found| !taken.contains(&found.responder));
    let known = proposed.len();
    proposed.truncate((short * 2).min(limits::CANDIDATES_MAX));
    if !proposed.is_empty() {
        drafts.push(propose(state, key, need, short, &proposed));
    }
    if known < short {
        drafts.extend(ask_above(state, key, need, reach, short - known));
    }
    drafts
}

fn to_need(state: &State, now: &Now<'_>, key: WhistleRef, need: &NeedState) -> Summons {
    let whistle = state.ops.whistles.get(key);
    let limit_ms = if whistle.life_threatening { limits::REPLY_LIMIT_LIFE_MS } else { limits::REPLY_LIMIT_MS };
    Summons {
        incident: whistle.incident,
        whistle_id: state.ops.whistles.id(key).to_owned(),
        need_id: need.id.to_string(),
        reason: CallReason::AutoFill,
        from_ms: now.recorded_at_ms,
        reply_due_ms: now.recorded_at_ms + limit_ms,
        ..Summons::at(whistle.realm, whistle.area)
    }
}

fn propose(state: &State, key: WhistleRef, need: &NeedState, short: usize, found: &[Found]) -> Draft {
    let whistle = state.ops.whistles.get(key);
    let candidates = found.iter().map(|found| Candidate {
        responder_id: state.base.responders.id(found.responder).to_owned(),
        distance: found.distance,
        specialty_match: !need.specialty.is_empty(),
        on_standby: found.on_standby,
        recent_duties: found.recent_duties,
    });
    let event = Event::DispatchProposed(v1::DispatchProposed {
        whistle_id: state.ops.whistles.id(key).to_owned(),
        need_id: need.id.to_string(),
        quantity: u32::try_from(short).unwrap_or(u32::MAX),
        candidates: candidates.collect(),
    });
    Draft::new(event, whistle.realm, Some(whistle.area))
}

fn ask_above(state: &State, key: WhistleRef, need: &NeedState, reach: AreaRef, short: usize) -> Option<Draft> {
    let whistle = state.ops.whistles.get(key);
    let above = state.base.areas.get(reach).parent?;
    let event = Event::ReinforcementRequested(v1::ReinforcementRequested {
        whistle_id: state.ops.whistles.id(key).to_owned(),
        need_id: need.id.to_string(),
        from_area_id: state.base.areas.id(above).to_owned(),
        quantity: u32::try_from(short).unwrap_or(u32::MAX),
    });
    Some(Draft::new(event, whistle.realm, Some(whistle.area)))
}

pub(super) fn opened(state: &State, now: &Now<'_>, body: &v1::WhistleBlown) -> Vec<Draft> {
    let Some(key) = state.ops.whistles.find(&body.whistle_id) else { return Vec::new() };
    let (mut taken, mut ahead) = (BTreeSet::new(), 0);
    let needs = &state.ops.whistles.get(key).needs;
    needs.iter().flat_map(|need| fill(state, now, key, need, &mut taken, &mut ahead)).collect()
}

pub(super) fn reinforced(state: &State, now: &Now<'_>, body: &v1::ReinforcementRequested) -> Vec<Draft> {
    let Some(key) = state.ops.whistles.find(&body.whistle_id) else { return Vec::new() };
    let needs = &state.ops.whistles.get(key).needs;
    let Some(need) = needs.iter().find(|need| *need.id == *body.need_id) else { return Vec::new() };
    fill(state, now, key, need, &mut BTreeSet::new(), &mut 0)
}

pub(super) fn after_release(state: &State, now: &Now<'_>, body: &v1::DutyReleased) -> Vec<Draft> {
    if !matches!(
        body.reason(),
        ReleaseReason::Declined
            | ReleaseReason::Unanswered
            | ReleaseReason::NoShow
            | ReleaseReason::Outranked
            | ReleaseReason::Withdrawn
            | ReleaseReason::Unavailable
    ) {
        return Vec::new();
    }
    let Some(call) = CallRef::parse(&body.call_id).and_then(|key| state.ops.calls.find(key)) else { return Vec::new() };
    let Some((key, need)) = call.whistle.zip(call.need) else { return Vec::new() };
    let need = &state.ops.whistles.get(key).needs[usize::from(need)];
    fill(state, now, key, need, &mut BTreeSet::new(), &mut 0)
}

/// Whether somebody else could be asked for a need now.
pub(super) fn has_candidate(state: &State, now: &Now<'_>, key: WhistleRef, need: Option<u16>) -> bool {
    let whistle = state.ops.whistles.get(key);
    let Some(need) = need.map(|at| &whistle.needs[usize::from(at)]) else { return false };
    let reach = reach(state, whistle, need);
    !candidates(state, now, whistle, need, reach, 1).is_empty()
}

/// 到齐: every need met, people counted once they are present. What is no need for people is met by what was brought.
pub(super) fn after_arrival(state: &State, whistle_id: &str) -> Vec<Draft> {
    let Some(key) = state.ops.whistles.find(whistle_id) else { return Vec::new() };
    let whistle = state.ops.whistles.get(key);
    let met = |need: &NeedState| {
        let people = if need.kind == NeedKind::Person { &need.calls[..] } else { &[] };
        let present = people.iter().filter(|call| state.ops.calls.get(**call).phase == CallPhase::OnPost).count();
        need.fulfilled as usize + present >= need.quantity as usize
    };
    let filled_before = whistle.phase == WhistlePhase::Filled;
    if !whistle.phase.open() || filled_before || !whistle.needs.iter().all(met) {
        return Vec::new();
    }
    let event = Event::WhistleFilled(v1::WhistleFilled { whistle_id: whistle_id.to_owned() });
    vec![Draft::new(event, whistle.realm, Some(whistle.area))]
}

/// A whistle that is over lets its people and organizations go.
pub(super) fn ended(state: &State, whistle_id: &str) -> Vec<Draft> {
    let Some(key) = state.ops.whistles.find(whistle_id) else { return Vec::new() };
    let whistle = state.ops.whistles.get(key);
    let calls = whistle.needs.iter().flat_map(|need| &need.calls);
    let mut drafts: Vec<_> =
        calls.filter_map(|call| call_off(state, *call, ReleaseReason::WhistleEnded, "哨已结束 whistle ended")).collect();
    drafts.extend(organization::over(state, &whistle.organization_calls));
    drafts
}
