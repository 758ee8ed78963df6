//! Site 点位: opened with its seats, its requirement changed, closed when nobody is left.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, SiteKind};

use super::{Decision, checks};
use crate::execute::{Draft, Now};
use crate::limits;
use crate::rejection::Rejection;
use crate::state::State;

fn check_seats(seats: &[v1::Seat]) -> Result<(), Rejection> {
    checks::at_most("seats", seats.len(), limits::SEATS_MAX)?;
    let mut ids = BTreeSet::new();
    for seat in seats {
        checks::id("seats.seat_id", &seat.seat_id)?;
        checks::short("seats.specialty", &seat.specialty)?;
        checks::short("seats.shift", &seat.shift)?;
        if !ids.insert(&seat.seat_id) {
            return Err(Rejection::AlreadyExists { field: "seats.seat_id", id: seat.seat_id.clone() });
        }
    }
    Ok(())
}

pub(super) fn open(state: &State, now: &Now<'_>, body: &v1::OpenSite) -> Decision {
    checks::id("site_id", &body.site_id)?;
    checks::unused("site_id", &body.site_id, state.ops.sites.find(&body.site_id))?;
    checks::set::<SiteKind>("kind", body.kind)?;
    checks::name("name", &body.name)?;
    let incident = state.ops.incidents.get(state.open_incident(&body.incident_id)?);
    let area = state.area("area_id", &body.area_id)?;
    state.authority_over(now, area)?;
    check_seats(&body.seats)?;
    let event = Event::SiteOpened(v1::SiteOpened {
        site_id: body.site_id.clone(),
        incident_id: body.incident_id.clone(),
        kind: body.kind,
        name: body.name.clone(),
        area_id: body.area_id.clone(),
        seats: body.seats.clone(),
        plan_id: String::new(),
    });
    Ok(vec![Draft::new(event, incident.realm, Some(area))])
}

pub(super) fn set_requirement(state: &State, body: &v1::SetRequirement) -> Decision {
    let key = state.open_site("site_id", &body.site_id)?;
    check_seats(&body.seats)?;
    let site = state.ops.sites.get(key);
    for held in &site.seats {
        if let Some(call) = held.holder
            && !body.seats.iter().any(|seat| seat.seat_id == *held.id)
        {
            return Err(Rejection::SeatTaken { seat: held.id.to_string(), call: call.text() });
        }
    }
    let added = body.seats.iter().filter(|seat| site.seat(&seat.seat_id).is_none()).map(|seat| seat.seat_id.clone()).collect();
    let event =
        Event::RequirementSet(v1::RequirementSet { site_id: body.site_id.clone(), seats: body.seats.clone(), added_seat_ids: added });
    Ok(vec![Draft::new(event, state.ops.incidents.get(site.incident).realm, Some(site.area))])
}

pub(super) fn close(state: &State, body: &v1::CloseSite) -> Decision {
    let key = state.open_site("site_id", &body.site_id)?;
    let site = state.ops.sites.get(key);
    if site.present > 0 || site.duties > 0 {
        return Err(Rejection::SiteInUse { id: body.site_id.clone() });
    }
    if site.at_risk() {
        return Err(Rejection::RiskNotLifted { field: "site_id", id: body.site_id.clone() });
    }
    let event = Event::SiteClosed(v1::SiteClosed { site_id: body.site_id.clone() });
    Ok(vec![Draft::new(event, state.ops.incidents.get(site.incident).realm, Some(site.area))])
}
