//! Responder 报到人员: one id for one person, one active home area, and whether they can be called.

use muster_proto::Event;
use muster_proto::v1::{self, Affiliation, Availability, ResponderKind};

use super::area::peacetime;
use super::{Decision, checks};
use crate::execute::Now;
use crate::rejection::Rejection;
use crate::state::State;

pub(super) fn enroll(state: &State, body: &v1::EnrollResponder) -> Decision {
    checks::id("responder_id", &body.responder_id)?;
    checks::unused("responder_id", &body.responder_id, state.base.responders.find(&body.responder_id))?;
    if body.name.is_none() {
        return Err(Rejection::FieldMissing { field: "name" });
    }
    checks::set::<ResponderKind>("kind", body.kind)?;
    checks::known::<Affiliation>("affiliation", body.affiliation)?;
    checks::labels("specialties", &body.specialties)?;
    let area = if body.area_id.is_empty() { None } else { Some(state.area("area_id", &body.area_id)?) };
    let organization =
        if body.organization_id.is_empty() { None } else { Some(state.organization("organization_id", &body.organization_id)?) };
    if area.is_none() && organization.is_none() {
        return Err(Rejection::FieldMissing { field: "organization_id" });
    }
    let event = Event::ResponderEnrolled(v1::ResponderEnrolled {
        responder_id: body.responder_id.clone(),
        name: body.name.clone(),
        phone: body.phone.clone(),
        kind: body.kind,
        organization_id: body.organization_id.clone(),
        area_id: body.area_id.clone(),
        affiliation: body.affiliation,
        specialties: body.specialties.clone(),
    });
    let at = area.or_else(|| organization.and_then(|key| state.base.organizations.get(key).area));
    Ok(vec![peacetime(state, event, at)])
}

pub(super) fn report_to_community(state: &State, body: &v1::ReportToCommunity) -> Decision {
    let responder = state.active_responder("responder_id", &body.responder_id)?;
    let area = state.area("area_id", &body.area_id)?;
    let former = state.base.responders.get(responder).area;
    if former == Some(area) {
        return Ok(Vec::new());
    }
    let former_area_id = former.map(|key| state.base.areas.id(key).to_owned()).unwrap_or_default();
    let event = Event::ResponderReportedToCommunity(v1::ResponderReportedToCommunity {
        responder_id: body.responder_id.clone(),
        area_id: body.area_id.clone(),
        former_area_id: former_area_id.clone(),
    });
    let mut draft = peacetime(state, event, Some(area));
    draft.other_area_ids.extend((!former_area_id.is_empty()).then_some(former_area_id));
    Ok(vec![draft])
}

pub(super) fn transfer(state: &State, body: &v1::TransferResponder) -> Decision {
    let responder = state.active_responder("responder_id", &body.responder_id)?;
    let organization = state.organization("organization_id", &body.organization_id)?;
    let former = state.base.responders.get(responder).organization;
    if former == Some(organization) {
        return Ok(Vec::new());
    }
    let event = Event::ResponderTransferred(v1::ResponderTransferred {
        responder_id: body.responder_id.clone(),
        organization_id: body.organization_id.clone(),
        former_organization_id: former.map(|key| state.base.organizations.id(key).to_owned()).unwrap_or_default(),
    });
    Ok(vec![peacetime(state, event, state.base.home_of(responder))])
}

pub(super) fn set_specialties(state: &State, body: &v1::SetSpecialties) -> Decision {
    let responder = state.active_responder("responder_id", &body.responder_id)?;
    checks::labels("specialties", &body.specialties)?;
    let had = state.base.responders.get(responder).specialties.iter().map(|key| state.base.labels.id(*key).to_owned());
    let event = Event::SpecialtiesSet(v1::SpecialtiesSet {
        responder_id: body.responder_id.clone(),
        specialties: body.specialties.clone(),
        lost_specialties: had.filter(|name| !body.specialties.contains(name)).collect(),
    });
    Ok(vec![peacetime(state, event, state.base.home_of(responder))])
}

/// Duties that the absence touches pass on by policy.
pub(super) fn set_availability(state: &State, now: &Now<'_>, body: &v1::SetAvailability) -> Decision {
    let responder = state.active_responder("responder_id", &body.responder_id)?;
    let availability = checks::set::<Availability>("availability", body.availability)?;
    if body.until_ms != 0 && body.until_ms <= body.from_ms {
        return Err(Rejection::PeriodInvalid {});
    }
    let to_come = availability != Availability::Available && body.from_ms > now.recorded_at_ms;
    let event = Event::AvailabilitySet(v1::AvailabilitySet {
        responder_id: body.responder_id.clone(),
        availability: body.availability,
        from_ms: body.from_ms,
        until_ms: body.until_ms,
        begins_due_ms: if to_come { body.from_ms } else { 0 },
    });
    Ok(vec![peacetime(state, event, state.base.home_of(responder))])
}

pub(super) fn withdraw(state: &State, body: &v1::WithdrawResponder) -> Decision {
    let responder = state.active_responder("responder_id", &body.responder_id)?;
    checks::short("reason", &body.reason)?;
    let event = Event::ResponderWithdrawn(v1::ResponderWithdrawn { responder_id: body.responder_id.clone(), reason: body.reason.clone() });
    Ok(vec![peacetime(state, event, state.base.home_of(responder))])
}
