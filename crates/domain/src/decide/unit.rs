//! Unit 编组: established once approved, led by a secretary, dissolved with nobody on post.

use muster_proto::Event;
use muster_proto::v1::{self, UnitKind};

use super::call::home_is;
use super::{Decision, checks, moving};
use crate::execute::{Draft, Now};
use crate::ids::{ResponderRef, UnitRef};
use crate::rejection::Rejection;
use crate::state::{CallPhase, State, Unit};

/// Whether units of this kind are party organizations: approved, with a secretary and an organizer.
pub(crate) fn party_organization(kind: UnitKind) -> bool {
    matches!(
        kind,
        UnitKind::JointCommittee
            | UnitKind::TemporaryCommittee
            | UnitKind::TemporaryGeneralBranch
            | UnitKind::TemporaryBranch
            | UnitKind::TemporaryGroup
    )
}

pub(super) fn establish(state: &State, now: &Now<'_>, body: &v1::EstablishUnit) -> Decision {
    checks::id("unit_id", &body.unit_id)?;
    checks::unused("unit_id", &body.unit_id, state.ops.units.find(&body.unit_id))?;
    let kind: UnitKind = checks::set("kind", body.kind)?;
    checks::name("name", &body.name)?;
    let key = state.open_incident(&body.incident_id)?;
    let incident = state.ops.incidents.get(key);
    let area = state.area("area_id", &body.area_id)?;
    state.authority_over(now, area)?;
    if !body.parent_unit_id.is_empty() {
        let parent = state.standing_unit("parent_unit_id", &body.parent_unit_id)?;
        if state.ops.units.get(parent).incident != key {
            return Err(Rejection::OtherIncident { field: "parent_unit_id", id: body.parent_unit_id.clone() });
        }
    }
    if !body.site_id.is_empty() {
        let site = state.open_site("site_id", &body.site_id)?;
        if state.ops.sites.get(site).incident != key {
            return Err(Rejection::OtherIncident { field: "site_id", id: body.site_id.clone() });
        }
    }
    checks::short("approval_document_no", &body.approval_document_no)?;
    if party_organization(kind) {
        state.organization("superior_organization_id", &body.superior_organization_id)?;
        checks::name("approval_document_no", &body.approval_document_no)?;
    } else if !body.superior_organization_id.is_empty() {
        state.organization("superior_organization_id", &body.superior_organization_id)?;
    }
    let event = Event::UnitEstablished(v1::UnitEstablished {
        unit_id: body.unit_id.clone(),
        incident_id: body.incident_id.clone(),
        kind: body.kind,
        name: body.name.clone(),
        parent_unit_id: body.parent_unit_id.clone(),
        area_id: body.area_id.clone(),
        site_id: body.site_id.clone(),
        superior_organization_id: body.superior_organization_id.clone(),
        approval_document_no: body.approval_document_no.clone(),
        plan_id: String::new(),
    });
    Ok(vec![Draft::new(event, incident.realm, Some(area))])
}

/// A standing unit, a person who is in it or joins it as its officer, and an office above the unit.
fn officer<'a>(
    state: &'a State,
    now: &Now<'_>,
    unit_id: &str,
    responder_id: &str,
    document_no: &str,
) -> Result<(UnitRef, &'a Unit, ResponderRef), Rejection> {
    let key = state.standing_unit("unit_id", unit_id)?;
    let unit = state.ops.units.get(key);
    state.authority_over(now, unit.area)?;
    let responder = state.active_responder("responder_id", responder_id)?;
    checks::name("document_no", document_no)?;
    Ok((key, unit, responder))
}

pub(super) fn appoint_secretary(state: &State, now: &Now<'_>, body: &v1::AppointSecretary) -> Decision {
    let (key, unit, responder) = officer(state, now, &body.unit_id, &body.responder_id, &body.document_no)?;
    if unit.secretary == Some(responder) {
        return Ok(Vec::new());
    }
    if !unit.members.contains(&responder) && !unit.extra_seats.contains(&responder) {
        return Err(Rejection::NotInUnit { responder: body.responder_id.clone(), unit: body.unit_id.clone() });
    }
    let event = Event::SecretaryAppointed(v1::SecretaryAppointed {
        unit_id: body.unit_id.clone(),
        responder_id: body.responder_id.clone(),
        document_no: body.document_no.clone(),
    });
    Ok(vec![of_unit(state, key, event)])
}

/// An organizer may serve several units and need not be a member of any.
pub(super) fn appoint_organizer(state: &State, now: &Now<'_>, body: &v1::AppointOrganizer) -> Decision {
    let (key, unit, responder) = officer(state, now, &body.unit_id, &body.responder_id, &body.document_no)?;
    if unit.organizer == Some(responder) {
        return Ok(Vec::new());
    }
    let event = Event::OrganizerAppointed(v1::OrganizerAppointed {
        unit_id: body.unit_id.clone(),
        responder_id: body.responder_id.clone(),
        document_no: body.document_no.clone(),
    });
    Ok(vec![of_unit(state, key, event)])
}

/// Takes a person into a unit: the office moves its own people, and those who were let go.
pub(super) fn attach(state: &State, now: &Now<'_>, body: &v1::AttachResponder) -> Decision {
    let key = state.standing_unit("unit_id", &body.unit_id)?;
    let unit = state.ops.units.get(key);
    let responder = state.responder("responder_id", &body.responder_id)?;
    moving::let_go(state, now, responder, "", Some(unit.incident), unit.area)?;
    state.callable(responder, now.recorded_at_ms, now.recorded_at_ms, 0)?;
    if !body.extra_seat {
        home_is(state, key, responder)?;
    }
    let people = if body.extra_seat { &unit.extra_seats } else { &unit.members };
    if people.contains(&responder) {
        return Ok(Vec::new());
    }
    let event = Event::ResponderAttached(v1::ResponderAttached {
        unit_id: body.unit_id.clone(),
        responder_id: body.responder_id.clone(),
        extra_seat: body.extra_seat,
    });
    Ok(vec![of_unit(state, key, event)])
}

/// Takes a person off a unit. A duty that names the unit goes on: whoever holds it is recalled or relieved by the call.
pub(super) fn detach(state: &State, body: &v1::DetachResponder) -> Decision {
    let key = state.standing_unit("unit_id", &body.unit_id)?;
    let unit = state.ops.units.get(key);
    let responder = state.responder("responder_id", &body.responder_id)?;
    if !unit.members.contains(&responder) && !unit.extra_seats.contains(&responder) {
        return Err(Rejection::NotInUnit { responder: body.responder_id.clone(), unit: body.unit_id.clone() });
    }
    if let Some(call) = duty_in_unit(state, key, responder) {
        return Err(Rejection::ResponderOnDuty { id: body.responder_id.clone(), call: call.text() });
    }
    let event = Event::ResponderDetached(v1::ResponderDetached { unit_id: body.unit_id.clone(), responder_id: body.responder_id.clone() });
    Ok(vec![of_unit(state, key, event)])
}

fn duty_in_unit(state: &State, unit: UnitRef, responder: ResponderRef) -> Option<crate::ids::CallRef> {
    let realm = state.ops.incidents.get(state.ops.units.get(unit).incident).realm;
    state.ops.duties(realm, responder).iter().copied().find(|call| state.ops.calls.get(*call).unit == Some(unit))
}

pub(super) fn dissolve(state: &State, body: &v1::DissolveUnit) -> Decision {
    let key = state.standing_unit("unit_id", &body.unit_id)?;
    let unit = state.ops.units.get(key);
    if unit.children > 0 {
        return Err(Rejection::UnitHasSubunits { id: body.unit_id.clone() });
    }
    for member in &unit.members {
        let Some(call) = duty_in_unit(state, key, *member) else { continue };
        if matches!(state.ops.calls.get(call).phase, CallPhase::OnPost | CallPhase::Recalled) {
            return Err(Rejection::UnitHasPeopleOnPost { id: body.unit_id.clone() });
        }
        return Err(Rejection::ResponderOnDuty { id: state.base.responders.id(*member).to_owned(), call: call.text() });
    }
    Ok(vec![of_unit(state, key, Event::UnitDissolved(v1::UnitDissolved { unit_id: body.unit_id.clone() }))])
}

pub(crate) fn of_unit(state: &State, key: UnitRef, event: Event) -> Draft {
    let unit = state.ops.units.get(key);
    Draft::new(event, state.ops.incidents.get(unit.incident).realm, Some(unit.area))
}
