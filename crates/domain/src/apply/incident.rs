//! Facts of incidents, units and sites applied.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::Event;
use muster_proto::v1::{self, ResponseLevel};

use super::At;
use crate::decide::party_organization;
use crate::ids::{PlanRef, ResponderRef, UnitRef};
use crate::limits;
use crate::state::{Conversion, Incident, Realm, SeatState, Site, State, Timer, Unit};

pub(super) fn apply(state: &mut State, at: &At, event: &Event) -> Option<()> {
    match event {
        Event::IncidentDeclared(body) => declared(state, body)?,
        Event::AreaConverted(body) => converted(state, body)?,
        Event::ResponseChanged(body) => {
            let (key, area) = (state.ops.incidents.find(&body.incident_id)?, state.base.areas.find(&body.area_id)?);
            let level = u8::try_from(body.response).unwrap_or(0);
            state.ops.incidents.get_mut(key).responses.insert(area, level);
        }
        Event::WarningChanged(body) => {
            let key = state.ops.incidents.find(&body.incident_id)?;
            state.ops.incidents.get_mut(key).warning = body.warning();
        }
        Event::GradeChanged(body) => {
            let key = state.ops.incidents.find(&body.incident_id)?;
            state.ops.incidents.get_mut(key).grade = body.grade();
        }
        Event::StandDownOrdered(body) => {
            let (key, area) = (state.ops.incidents.find(&body.incident_id)?, state.base.areas.find(&body.area_id)?);
            let below: Vec<PlanRef> = conversions_below(state, key, area);
            let State { base, ops, .. } = state;
            let incident = ops.incidents.get_mut(key);
            for plan in below {
                if let Some(conversion) = incident.conversions.get_mut(&plan) {
                    conversion.standing_down = true;
                }
            }
            incident.responses.retain(|held, _| !base.within(*held, area));
        }
        Event::AreaStoodDown(body) => {
            let (key, plan) = (state.ops.incidents.find(&body.incident_id)?, state.base.plans.find(&body.plan_id)?);
            state.ops.incidents.get_mut(key).conversions.get_mut(&plan)?.stood_down = true;
        }
        Event::IncidentClosed(body) => {
            let key = state.ops.incidents.find(&body.incident_id)?;
            let incident = state.ops.incidents.get_mut(key);
            incident.closed = true;
            incident.responses.clear();
        }
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
            state.ops.units.get_mut(key).extra_seats.remove(&responder);
        }
        Event::UnitDissolved(body) => dissolved(state, state.ops.units.find(&body.unit_id)?),
        Event::SiteOpened(body) => opened(state, body)?,
        Event::RequirementSet(body) => {
            let key = state.ops.sites.find(&body.site_id)?;
            let site = state.ops.sites.get_mut(key);
            let former = std::mem::take(&mut site.seats);
            site.seats = seats(&body.seats);
            renumber(state, key, &former);
        }
        Event::SiteClosed(body) => {
            let key = state.ops.sites.find(&body.site_id)?;
            let site = state.ops.sites.get_mut(key);
            site.closed = true;
            let incident = site.incident;
            state.ops.incidents.get_mut(incident).own_sites.remove(&key);
        }
        _ => {}
    }
    Some(())
}

/// The incident's conversions at or below the area; all of them for the incident's own, for the tree may have changed since.
pub(crate) fn conversions_below(state: &State, incident: crate::ids::IncidentRef, area: crate::ids::AreaRef) -> Vec<PlanRef> {
    let incident = state.ops.incidents.get(incident);
    let below = |plan: PlanRef| area == incident.area || state.base.within(state.base.plans.get(plan).area, area);
    incident.conversions.iter().filter(|(plan, conversion)| !conversion.stood_down && below(**plan)).map(|(plan, _)| *plan).collect()
}

fn declared(state: &mut State, body: &v1::IncidentDeclared) -> Option<()> {
    let area = state.base.areas.find(&body.area_id)?;
    let realm = state.ops.realms.find(&body.realm).unwrap_or_else(|| state.ops.realms.insert(&body.realm, Realm::default()));
    let value = Incident {
        incident_type: body.incident_type(),
        area,
        realm,
        severity: body.severity(),
        warning: body.warning(),
        grade: body.grade(),
        closed: false,
        responses: BTreeMap::new(),
        conversions: BTreeMap::new(),
        home_units: BTreeMap::new(),
        standby: BTreeMap::new(),
        open_whistles: BTreeSet::new(),
        own_units: BTreeSet::new(),
        own_sites: BTreeSet::new(),
        duties: BTreeSet::new(),
    };
    state.ops.incidents.insert(&body.incident_id, value);
    Some(())
}

fn converted(state: &mut State, body: &v1::AreaConverted) -> Option<()> {
    let (key, plan) = (state.ops.incidents.find(&body.incident_id)?, state.base.plans.find(&body.plan_id)?);
    let version = state.base.plans.get(plan).version(body.plan_version)?;
    let (sites, units) = (version.sites.len(), version.units.len());
    let incident = state.ops.incidents.get_mut(key);
    let response = ResponseLevel::try_from(body.response).ok()?;
    match incident.conversions.get_mut(&plan).filter(|conversion| !conversion.stood_down) {
        Some(conversion) => conversion.response = response,
        None => {
            let round = incident.conversions.get(&plan).map_or(1, |former| former.round + 1);
            let value = Conversion {
                version: body.plan_version,
                response,
                round,
                standing_down: false,
                stood_down: false,
                sites: vec![None; sites],
                units: vec![None; units],
                duties: BTreeSet::new(),
            };
            incident.conversions.insert(plan, value);
        }
    }
    Some(())
}

/// The place in the plan of a part that a conversion made: its id ends with the part's key.
fn part_of(id: &str, mut keys: impl Iterator<Item = impl AsRef<str>>) -> Option<u16> {
    let key = id.rsplit('/').next()?;
    keys.position(|candidate| candidate.as_ref() == key).map(|at| u16::try_from(at).expect("parts of a plan are capped"))
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
            let conversion = state.ops.incidents.get(incident).conversions.get(&plan)?;
            let version = state.base.plans.get(plan).version(conversion.version)?;
            let part = part_of(&body.unit_id, version.units.iter().map(|unit| &unit.key))?;
            state.ops.incidents.get_mut(incident).conversions.get_mut(&plan)?.units[usize::from(part)] = Some(key);
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
    unit.dissolved = true;
    unit.secretary = None;
    unit.organizer = None;
    unit.extra_seats.clear();
    let members = std::mem::take(&mut unit.members);
    let (incident, parent) = (unit.incident, unit.parent);
    if let Some(parent) = parent {
        state.ops.units.get_mut(parent).children -= 1;
    }
    let incident = state.ops.incidents.get_mut(incident);
    incident.own_units.remove(&key);
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
            holder: None,
        })
        .collect()
}

fn opened(state: &mut State, body: &v1::SiteOpened) -> Option<()> {
    let incident = state.ops.incidents.find(&body.incident_id)?;
    let area = state.base.areas.find(&body.area_id)?;
    let plan = state.base.plans.find(&body.plan_id);
    let seats = seats(&body.seats);
    let value = Site { incident, area, plan, part: 0, closed: false, seats, present: 0, duties: 0, organization_calls: Vec::new() };
    let key = state.ops.sites.insert(&body.site_id, value);
    match plan {
        None => {
            state.ops.incidents.get_mut(incident).own_sites.insert(key);
        }
        Some(plan) => {
            let conversion = state.ops.incidents.get(incident).conversions.get(&plan)?;
            let version = state.base.plans.get(plan).version(conversion.version)?;
            let part = part_of(&body.site_id, version.sites.iter().map(|site| &site.key))?;
            state.ops.incidents.get_mut(incident).conversions.get_mut(&plan)?.sites[usize::from(part)] = Some(key);
            state.ops.sites.get_mut(key).part = part;
        }
    }
    Some(())
}

/// Seats keep their holders by id when the list changes.
fn renumber(state: &mut State, key: crate::ids::SiteRef, former: &[SeatState]) {
    for seat in former {
        let Some(call) = seat.holder else { continue };
        let place = state.ops.sites.get(key).seat(&seat.id);
        if let Some(place) = place {
            state.ops.sites.get_mut(key).seats[place].holder = Some(call);
        }
        state.ops.calls.get_mut(call).seat = place.map(|at| u16::try_from(at).expect("seats are capped"));
    }
}
