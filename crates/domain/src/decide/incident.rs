//! Incident 应急事件: declared, areas converted, response changed, stood down, closed.

use muster_proto::v1::{self, IncidentGrade, IncidentType, ResponseLevel, Severity, WarningLevel};
use muster_proto::{ACTUAL, Event};

use super::{Decision, checks};
use crate::apply::conversions_below;
use crate::execute::{Draft, Now};
use crate::ids::{AreaRef, IncidentRef, PlanRef};
use crate::rejection::Rejection;
use crate::state::{Incident, State};

pub(super) fn declare(state: &State, now: &Now<'_>, body: &v1::DeclareIncident) -> Decision {
    checks::id("incident_id", &body.incident_id)?;
    checks::unused("incident_id", &body.incident_id, state.ops.incidents.find(&body.incident_id))?;
    checks::set::<IncidentType>("incident_type", body.incident_type)?;
    checks::name("name", &body.name)?;
    checks::set::<Severity>("severity", body.severity)?;
    checks::known::<WarningLevel>("warning", body.warning)?;
    checks::known::<IncidentGrade>("grade", body.grade)?;
    let area = state.area("area_id", &body.area_id)?;
    state.authority_over(now, area)?;
    let mut drafts = Vec::with_capacity(1);
    let event = Event::IncidentDeclared(v1::IncidentDeclared {
        incident_id: body.incident_id.clone(),
        incident_type: body.incident_type,
        name: body.name.clone(),
        area_id: body.area_id.clone(),
        severity: body.severity,
        warning: body.warning,
        grade: body.grade,
        realm: if body.realm.is_empty() { ACTUAL.to_owned() } else { body.realm.clone() },
    });
    if !body.realm.is_empty() {
        checks::token("realm", &body.realm)?;
    }
    // The realm of an exercise comes to be with its first incident: the event names it, and applying it gives it its place.
    let realm = if body.realm.is_empty() { state.ops.actual() } else { state.ops.realm_or_next(&body.realm) };
    drafts.push(Draft::new(event, realm, Some(area)));
    Ok(drafts)
}

/// An incident that is open, an area inside it, and an office that may say so.
pub(super) fn scope<'a>(
    state: &'a State,
    now: &Now<'_>,
    incident_id: &str,
    area_id: &str,
) -> Result<(IncidentRef, &'a Incident, AreaRef), Rejection> {
    let key = state.open_incident(incident_id)?;
    let incident = state.ops.incidents.get(key);
    let area = state.area("area_id", area_id)?;
    if !state.base.within(area, incident.area) {
        return Err(Rejection::OutsideIncident { area: area_id.to_owned(), incident: incident_id.to_owned() });
    }
    state.authority_over(now, area)?;
    Ok((key, incident, area))
}

/// The published plans for the incident's type in the subtree, from the top down.
pub(crate) fn plans_below(state: &State, incident_type: IncidentType, area: AreaRef) -> Vec<PlanRef> {
    state
        .base
        .subtree(area)
        .into_iter()
        .flat_map(|key| state.base.areas.get(key).plans.iter().copied())
        .filter(|key| {
            let plan = state.base.plans.get(*key);
            plan.incident_type == incident_type && plan.current().is_some()
        })
        .collect()
}

fn converted(state: &State, incident: &Incident, incident_id: &str, plan: PlanRef, response: ResponseLevel) -> Option<Draft> {
    let known = incident.conversions.get(&plan).filter(|conversion| !conversion.stood_down);
    let former = known.map_or(ResponseLevel::Unspecified, |conversion| conversion.response);
    if response <= former {
        return None;
    }
    let definition = state.base.plans.get(plan);
    let version = known.map_or_else(|| definition.current().map_or(0, |current| current.version), |conversion| conversion.version);
    let event = Event::AreaConverted(v1::AreaConverted {
        incident_id: incident_id.to_owned(),
        area_id: state.base.areas.id(definition.area).to_owned(),
        plan_id: state.base.plans.id(plan).to_owned(),
        plan_version: version,
        former_response: former.into(),
        response: response.into(),
    });
    Some(Draft::new(event, incident.realm, Some(definition.area)))
}

pub(super) fn convert(state: &State, now: &Now<'_>, body: &v1::ConvertArea) -> Decision {
    let (_, incident, area) = scope(state, now, &body.incident_id, &body.area_id)?;
    let response: ResponseLevel = checks::set("response", body.response)?;
    let plans = plans_below(state, incident.incident_type, area);
    if plans.is_empty() {
        return Err(Rejection::NoPlanToConvert { area: body.area_id.clone() });
    }
    refuse_while_standing_down(state, incident, &plans)?;
    let mut drafts = Vec::with_capacity(plans.len() + 1);
    // A conversion never lowers what the area or one above it holds.
    let held = state.base.ancestry(area).filter_map(|key| incident.responses.get(&key)).max();
    if held.is_none_or(|held| i32::from(*held) < i32::from(response)) {
        drafts.extend(response_changed(state, incident, &body.incident_id, area, response));
    }
    drafts.extend(plans.into_iter().filter_map(|plan| converted(state, incident, &body.incident_id, plan, response)));
    Ok(drafts)
}

fn refuse_while_standing_down(state: &State, incident: &Incident, plans: &[PlanRef]) -> Result<(), Rejection> {
    let busy = plans
        .iter()
        .find(|plan| incident.conversions.get(plan).is_some_and(|conversion| conversion.standing_down && !conversion.stood_down));
    match busy {
        Some(plan) => Err(Rejection::AreaStandingDown { area: state.base.areas.id(state.base.plans.get(*plan).area).to_owned() }),
        None => Ok(()),
    }
}

/// The response that an area holds, its own or the nearest one above.
fn held_response(state: &State, incident: &Incident, area: AreaRef) -> u8 {
    state.base.ancestry(area).find_map(|key| incident.responses.get(&key).copied()).unwrap_or(0)
}

fn response_changed(state: &State, incident: &Incident, incident_id: &str, area: AreaRef, response: ResponseLevel) -> Option<Draft> {
    let former = held_response(state, incident, area);
    if i32::from(former) == i32::from(response) && incident.responses.contains_key(&area) {
        return None;
    }
    let event = Event::ResponseChanged(v1::ResponseChanged {
        incident_id: incident_id.to_owned(),
        area_id: state.base.areas.id(area).to_owned(),
        former_response: former.into(),
        response: response.into(),
    });
    Some(Draft::new(event, incident.realm, Some(area)))
}

/// Raising calls the difference in every converted area below; lowering releases it.
pub(super) fn change_response(state: &State, now: &Now<'_>, body: &v1::ChangeResponse) -> Decision {
    let (_, incident, area) = scope(state, now, &body.incident_id, &body.area_id)?;
    let response: ResponseLevel = checks::set("response", body.response)?;
    let plans: Vec<_> = plans_below(state, incident.incident_type, area)
        .into_iter()
        .filter(|plan| incident.conversions.get(plan).is_some_and(|conversion| !conversion.stood_down))
        .collect();
    refuse_while_standing_down(state, incident, &plans)?;
    let mut drafts: Vec<_> = response_changed(state, incident, &body.incident_id, area, response).into_iter().collect();
    drafts.extend(plans.into_iter().filter_map(|plan| converted(state, incident, &body.incident_id, plan, response)));
    Ok(drafts)
}

fn whole_incident<'a>(state: &'a State, now: &Now<'_>, incident_id: &str) -> Result<&'a Incident, Rejection> {
    let incident = state.ops.incidents.get(state.open_incident(incident_id)?);
    state.authority_over(now, incident.area)?;
    Ok(incident)
}

pub(super) fn change_warning(state: &State, now: &Now<'_>, body: &v1::ChangeWarning) -> Decision {
    let incident = whole_incident(state, now, &body.incident_id)?;
    let warning: WarningLevel = checks::known("warning", body.warning)?;
    if warning == incident.warning {
        return Ok(Vec::new());
    }
    let event = Event::WarningChanged(v1::WarningChanged {
        incident_id: body.incident_id.clone(),
        former_warning: incident.warning.into(),
        warning: body.warning,
    });
    Ok(vec![Draft::new(event, incident.realm, Some(incident.area))])
}

pub(super) fn change_grade(state: &State, now: &Now<'_>, body: &v1::ChangeGrade) -> Decision {
    let incident = whole_incident(state, now, &body.incident_id)?;
    let grade: IncidentGrade = checks::known("grade", body.grade)?;
    if grade == incident.grade {
        return Ok(Vec::new());
    }
    let event = Event::GradeChanged(v1::GradeChanged {
        incident_id: body.incident_id.clone(),
        former_grade: incident.grade.into(),
        grade: body.grade,
    });
    Ok(vec![Draft::new(event, incident.realm, Some(incident.area))])
}

pub(super) fn stand_down(state: &State, now: &Now<'_>, body: &v1::StandDownArea) -> Decision {
    let (key, incident, area) = scope(state, now, &body.incident_id, &body.area_id)?;
    let standing = conversions_below(state, key, area);
    if standing.is_empty() {
        return Err(Rejection::NotConverted { area: body.area_id.clone() });
    }
    // The stand-down closes the sites, and a zone at risk is not closed: whoever lifts risks says so first.
    let conversions = standing.iter().filter_map(|plan| incident.conversions.get(plan));
    let sites = conversions.flat_map(|conversion| conversion.sites.iter().flatten().chain(&conversion.former_sites));
    if let Some(zone) = sites.copied().find(|site| state.ops.sites.get(*site).at_risk()) {
        return Err(Rejection::RiskNotLifted { field: "area_id", id: state.ops.sites.id(zone).to_owned() });
    }
    // Ordered before for all of it: whoever is still on post has been recalled.
    if standing.iter().all(|plan| state.ops.standing_down(key, Some(*plan))) {
        return Ok(Vec::new());
    }
    let event = Event::StandDownOrdered(v1::StandDownOrdered { incident_id: body.incident_id.clone(), area_id: body.area_id.clone() });
    Ok(vec![Draft::new(event, incident.realm, Some(area))])
}

pub(super) fn close(state: &State, now: &Now<'_>, body: &v1::CloseIncident) -> Decision {
    let incident = whole_incident(state, now, &body.incident_id)?;
    let active = |reason_zh, reason_en| Err(Rejection::IncidentStillActive { id: body.incident_id.clone(), reason_zh, reason_en });
    if incident.conversions.values().any(|conversion| !conversion.stood_down) {
        return active("还有辖区未解除响应", "an area has not stood down");
    }
    if !incident.duties.is_empty() {
        return active("还有人有任务", "people still have duties");
    }
    if !incident.open_whistles.is_empty() {
        return active("还有哨未办结", "a whistle is open");
    }
    if !incident.recalls.is_empty() {
        return active("还有辖区在避险", "an area takes shelter");
    }
    if !incident.own_units.is_empty() {
        return active("还有编组未撤销", "a unit is not dissolved");
    }
    if !incident.own_sites.is_empty() {
        return active("还有点位未关闭", "a site is open");
    }
    let event = Event::IncidentClosed(v1::IncidentClosed { incident_id: body.incident_id.clone() });
    Ok(vec![Draft::new(event, incident.realm, Some(incident.area))])
}
