//! Facts of units and sites applied.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1;

use super::At;
use super::shift::close;
use crate::decide::party_organization;
use crate::ids::{AreaRef, ResponderRef, SiteRef, UnitRef};
use crate::limits;
use crate::state::{SeatState, ShiftPhase, Site, State, Timer, Unit};

pub(super) fn apply_to_unit(state: &mut State, at: &At, event: &Event) -> Option<()> {
    match event {
        Event::UnitEstablished(body) => established(state, at, body)?,
        Event::SecretaryAppointed(body) => {
            let (key, responder) = (state.ops.units.find(&body.unit_id)?, state.base.responders.find(&body.responder_id)?);
            state.ops.units.get_mut(key).secretary = Some(responder);
        }
        Event::OrganizerAppointed(body) => {
            let (key, responder) = (state.ops.units.find(&body.unit_id)?, state.base.responders.find(&body.responder_id)?);
            state.ops.units.get_mut(key).organizer = Some(responder);
            organizer_settled(state, key);
        }
        Event::OrganizerGapOverdue(body) => organizer_settled(state, state.ops.units.find(&body.unit_id)?),
        Event::ResponderAttached(body) => {
            let (key, responder) = (state.ops.units.find(&body.unit_id)?, state.base.responders.find(&body.responder_id)?);
            if body.extra_seat {
                state.ops.units.get_mut(key).extra_seats.insert(responder);
            } else {
                join_unit(state, key, responder);
            }
        }
        Event::ResponderDetached(body) => {
            let (key, responder) = (state.ops.units.find(&body.unit_id)?, state.base.responders.find(&body.responder_id)?);
            leave_unit(state, key, responder);
            let unit = state.ops.units.get_mut(key);
            unit.extra_seats.remove(&responder);
            if unit.organizer == Some(responder) {
                unit.organizer = None;
            }
        }
        Event::UnitDissolved(body) => dissolved(state, state.ops.units.find(&body.unit_id)?),
        _ => {}
    }
    Some(())
}

pub(super) fn apply_to_site(state: &mut State, event: &Event) -> Option<()> {
    match event {
        Event::SiteOpened(body) => opened(state, body)?,
        Event::RequirementSet(body) => {
            let key = state.ops.sites.find(&body.site_id)?;
            let site = state.ops.sites.get_mut(key);
            let former = std::mem::take(&mut site.seats);
            site.seats = seats(&body.seats);
            keep_holders(state, key, former, &body.added_seat_ids);
        }
        Event::SiteClosed(body) => {
            let key = state.ops.sites.find(&body.site_id)?;
            let site = state.ops.sites.get_mut(key);
            site.closed = true;
            site.suspended = false;
            let (incident, plan) = (site.incident, site.plan);
            let incident = state.ops.incidents.get_mut(incident);
            incident.own_sites.remove(&key);
            if let Some(conversion) = plan.and_then(|plan| incident.conversions.get_mut(&plan)) {
                conversion.former_sites.remove(&key);
            }
            let running = |shift: &crate::ids::ShiftRef| state.ops.shifts.get(*shift).phase != ShiftPhase::Closed;
            let shifts: Vec<_> = state.ops.sites.get(key).shifts.iter().copied().filter(running).collect();
            shifts.into_iter().for_each(|shift| close(state, shift));
        }
        Event::SiteSuspended(body) => {
            let key = state.ops.sites.find(&body.site_id)?;
            state.ops.sites.get_mut(key).suspended = true;
        }
        Event::SiteResumed(body) => {
            let key = state.ops.sites.find(&body.site_id)?;
            state.ops.sites.get_mut(key).suspended = false;
        }
        Event::RiskSet(body) => {
            let (key, grids) = (state.ops.sites.find(&body.site_id)?, grids(state, &body.grid_ids));
            let site = state.ops.sites.get_mut(key);
            (site.risk, site.grids) = (body.risk(), grids);
        }
        Event::BeatSet(body) => {
            let (key, grids) = (state.ops.sites.find(&body.site_id)?, grids(state, &body.grid_ids));
            state.ops.sites.get_mut(key).grids = grids;
        }
        _ => {}
    }
    Some(())
}

fn grids(state: &State, ids: &[String]) -> Vec<AreaRef> {
    ids.iter().filter_map(|id| state.base.areas.find(id)).collect()
}

/// The place in the plan of a part that a conversion made: its id ends with the part's key.
fn part_of(id: &str, mut keys: impl Iterator<Item = impl AsRef<str>>) -> Option<u16> {
    let key = id.rsplit('/').next()?;
    u16::try_from(keys.position(|candidate| candidate.as_ref() == key)?).ok()
}

fn established(state: &mut State, at: &At, body: &v1::UnitEstablished) -> Option<()> {
    let incident = state.ops.incidents.find(&body.incident_id)?;
    let area = state.base.areas.find(&body.area_id)?;
    let plan = state.base.plans.find(&body.plan_id);
    let parent = state.ops.units.find(&body.parent_unit_id);
    let organizer_due_ms = if party_organization(body.kind()) { at.recorded_at_ms + limits::ORGANIZER_LIMIT_MS } else { 0 };
    let value = Unit {
        incident,
        kind: body.kind(),
        parent,
        children: 0,
        area,
        site: state.ops.sites.find(&body.site_id),
        plan,
        part: 0,
        approved: plan.is_some() || !body.approval_document_no.is_empty() || !party_organization(body.kind()),
        dissolved: false,
        secretary: None,
        organizer: None,
        organizer_due_ms,
        members: BTreeSet::new(),
        extra_seats: BTreeSet::new(),
        duties: 0,
    };
    let key = state.ops.units.insert(&body.unit_id, value);
    if let Some(parent) = parent {
        state.ops.units.get_mut(parent).children += 1;
    }
    state.set_timer(organizer_due_ms, Timer::OrganizerMissing(key));
    match plan {
        None => {
            state.ops.incidents.get_mut(incident).own_units.insert(key);
        }
        Some(plan) => {
            let conversion = state.ops.incidents.get_mut(incident).conversions.get_mut(&plan)?;
            let version = state.base.plans.get(plan).version(conversion.version)?;
            let part = part_of(&body.unit_id, version.units.iter().map(|unit| &unit.key))?;
            *conversion.units.get_mut(usize::from(part))? = Some(key);
            state.ops.units.get_mut(key).part = part;
        }
    }
    Some(())
}

/// The chase for an organizer is over: there is one, or it was chased.
fn organizer_settled(state: &mut State, key: UnitRef) {
    let due_ms = std::mem::take(&mut state.ops.units.get_mut(key).organizer_due_ms);
    state.clear_timer(due_ms, Timer::OrganizerMissing(key));
}

pub(super) fn join_unit(state: &mut State, key: UnitRef, responder: ResponderRef) {
    let unit = state.ops.units.get_mut(key);
    unit.members.insert(responder);
    let incident = unit.incident;
    state.ops.incidents.get_mut(incident).home_units.insert(responder, key);
}

pub(super) fn leave_unit(state: &mut State, key: UnitRef, responder: ResponderRef) {
    let unit = state.ops.units.get_mut(key);
    unit.members.remove(&responder);
    if unit.secretary == Some(responder) {
        unit.secretary = None;
    }
    let incident = unit.incident;
    let home_units = &mut state.ops.incidents.get_mut(incident).home_units;
    if home_units.get(&responder) == Some(&key) {
        home_units.remove(&responder);
    }
}

fn dissolved(state: &mut State, key: UnitRef) {
    organizer_settled(state, key);
    let unit = state.ops.units.get_mut(key);
    // Its parent lost it once.
    if unit.dissolved {
        return;
    }
    unit.dissolved = true;
    unit.secretary = None;
    unit.organizer = None;
    unit.extra_seats.clear();
    let members = std::mem::take(&mut unit.members);
    let (incident, parent, plan) = (unit.incident, unit.parent, unit.plan);
    if let Some(parent) = parent {
        state.ops.units.get_mut(parent).children -= 1;
    }
    let incident = state.ops.incidents.get_mut(incident);
    incident.own_units.remove(&key);
    if let Some(conversion) = plan.and_then(|plan| incident.conversions.get_mut(&plan)) {
        conversion.former_units.remove(&key);
    }
    incident.invoked.retain(|_, committee| *committee != key);
    for member in members {
        if incident.home_units.get(&member) == Some(&key) {
            incident.home_units.remove(&member);
        }
    }
}

fn seats(wanted: &[v1::Seat]) -> Vec<SeatState> {
    wanted
        .iter()
        .map(|seat| SeatState {
            id: seat.seat_id.as_str().into(),
            specialty: seat.specialty.as_str().into(),
            shift: seat.shift.as_str().into(),
            duty_desk: seat.duty_desk,
            by_hand: false,
            holder: None,
            relief: None,
        })
        .collect()
}

fn opened(state: &mut State, body: &v1::SiteOpened) -> Option<()> {
    let incident = state.ops.incidents.find(&body.incident_id)?;
    let area = state.base.areas.find(&body.area_id)?;
    let plan = state.base.plans.find(&body.plan_id);
    let seats = seats(&body.seats);
    let value = Site {
        incident,
        kind: body.kind(),
        name: body.name.as_str().into(),
        area,
        plan,
        part: 0,
        closed: false,
        suspended: false,
        seats,
        present: 0,
        duties: 0,
        organization_calls: Vec::new(),
        risk: v1::RiskLevel::Unspecified,
        grids: Vec::new(),
        shifts: Vec::new(),
    };
    let key = state.ops.sites.insert(&body.site_id, value);
    match plan {
        None => {
            state.ops.incidents.get_mut(incident).own_sites.insert(key);
        }
        Some(plan) => {
            let conversion = state.ops.incidents.get_mut(incident).conversions.get_mut(&plan)?;
            let version = state.base.plans.get(plan).version(conversion.version)?;
            let part = part_of(&body.site_id, version.sites.iter().map(|site| &site.key))?;
            *conversion.sites.get_mut(usize::from(part))? = Some(key);
            state.ops.sites.get_mut(key).part = part;
        }
    }
    Some(())
}

/// Seats keep their holders when the list changes. A policy adds none by name: those that are named were added by a person.
fn keep_holders(state: &mut State, key: SiteRef, former: Vec<SeatState>, added: &[String]) {
    let site = state.ops.sites.get_mut(key);
    for seat in former {
        match site.seat_mut(&seat.id) {
            Some(kept) => (kept.by_hand, kept.holder, kept.relief) = (seat.by_hand, seat.holder, seat.relief),
            None => seat.duties().for_each(|call| state.ops.calls.get_mut(call).seat = None),
        }
    }
    for id in added {
        if let Some(seat) = site.seat_mut(id) {
            seat.by_hand = true;
        }
    }
}
