//! Organization 单位: what it can be called for, where it is tied, whom it keeps back.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, OrganizationKind};

use super::area::peacetime;
use super::{Decision, checks};
use crate::limits;
use crate::rejection::Rejection;
use crate::state::State;

pub(super) fn register(state: &State, body: &v1::RegisterOrganization) -> Decision {
    checks::id("organization_id", &body.organization_id)?;
    checks::unused("organization_id", &body.organization_id, state.base.organizations.find(&body.organization_id))?;
    checks::name("name", &body.name)?;
    checks::set::<OrganizationKind>("kind", body.kind)?;
    checks::labels("functions", &body.functions)?;
    let area = state.area("area_id", &body.area_id)?;
    let event = Event::OrganizationRegistered(v1::OrganizationRegistered {
        organization_id: body.organization_id.clone(),
        name: body.name.clone(),
        kind: body.kind,
        area_id: body.area_id.clone(),
        functions: body.functions.clone(),
    });
    Ok(vec![peacetime(state, event, Some(area))])
}

pub(super) fn tie(state: &State, body: &v1::TieToArea) -> Decision {
    let organization = state.organization("organization_id", &body.organization_id)?;
    let area = state.area("area_id", &body.area_id)?;
    if state.base.organizations.get(organization).ties.contains(&area) {
        return Ok(Vec::new());
    }
    let event = Event::OrganizationTiedToArea(v1::OrganizationTiedToArea {
        organization_id: body.organization_id.clone(),
        area_id: body.area_id.clone(),
    });
    Ok(vec![peacetime(state, event, Some(area))])
}

pub(super) fn reserve(state: &State, body: &v1::ReservePeople) -> Decision {
    let organization = state.organization("organization_id", &body.organization_id)?;
    checks::at_most("responder_ids", body.responder_ids.len(), limits::PEOPLE_LIST_MAX)?;
    let mut named = BTreeSet::new();
    for id in &body.responder_ids {
        let responder = state.active_responder("responder_ids", id)?;
        if !named.insert(responder) {
            return Err(Rejection::AlreadyExists { field: "responder_ids", id: id.clone() });
        }
        if state.base.responders.get(responder).organization != Some(organization) {
            return Err(Rejection::NotOfOrganization { id: id.clone(), organization: body.organization_id.clone() });
        }
    }
    let area = state.base.organizations.get(organization).area;
    let former = state.base.organizations.get(organization).reserved.iter().filter(|kept| !named.contains(kept));
    let event = Event::PeopleReserved(v1::PeopleReserved {
        organization_id: body.organization_id.clone(),
        responder_ids: body.responder_ids.clone(),
        former_responder_ids: former.map(|kept| state.base.responders.id(*kept).to_owned()).collect(),
    });
    Ok(vec![peacetime(state, event, area)])
}

/// Who can be rung up for the organization. The person need not belong to it: a contact may be enrolled at home only.
pub(super) fn name_office_holder(state: &State, body: &v1::NameOfficeHolder) -> Decision {
    let key = state.organization("organization_id", &body.organization_id)?;
    checks::label_text("title", &body.title)?;
    let organization = state.base.organizations.get(key);
    let former = organization.holders.iter().find(|(title, _)| **title == *body.title).map(|(_, holder)| *holder);
    let holder = if body.responder_id.is_empty() { None } else { Some(state.active_responder("responder_id", &body.responder_id)?) };
    if holder == former {
        return Ok(Vec::new());
    }
    if former.is_none() {
        checks::at_most("title", organization.holders.len() + 1, limits::LABELS_MAX)?;
    }
    let event = Event::OfficeHolderNamed(v1::OfficeHolderNamed {
        organization_id: body.organization_id.clone(),
        title: body.title.clone(),
        responder_id: body.responder_id.clone(),
        former_responder_id: former.map(|key| state.base.responders.id(key).to_owned()).unwrap_or_default(),
    });
    Ok(vec![peacetime(state, event, organization.area)])
}
