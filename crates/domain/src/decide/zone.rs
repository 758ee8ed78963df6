//! Risk zone 风险区 and mobile patrol 流动: sites that are lists of grids.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, AreaLevel, RiskLevel, SiteKind};

use super::{Decision, checks};
use crate::execute::{Draft, Now};
use crate::ids::AreaRef;
use crate::limits;
use crate::rejection::Rejection;
use crate::state::{Site, State};

/// An open site of this kind, and an office over its area.
fn site_of_kind<'a>(state: &'a State, now: &Now<'_>, site_id: &str, kind: SiteKind) -> Result<&'a Site, Rejection> {
    let site = state.ops.sites.get(state.open_site("site_id", site_id)?);
    if site.kind != kind {
        return Err(Rejection::SiteKindMismatch { id: site_id.to_owned() });
    }
    state.authority_over(now, site.area)?;
    Ok(site)
}

/// Grids of the site's incident, each once.
fn grids(state: &State, site: &Site, ids: &[String]) -> Result<BTreeSet<AreaRef>, Rejection> {
    checks::at_most("grid_ids", ids.len(), limits::GRIDS_MAX)?;
    let incident = state.ops.incidents.get(site.incident);
    let mut listed = BTreeSet::new();
    for id in ids {
        let grid = state.area("grid_ids", id)?;
        if state.base.areas.get(grid).level != AreaLevel::Grid {
            return Err(Rejection::NotAGrid { id: id.clone() });
        }
        if !state.base.within(grid, incident.area) {
            return Err(Rejection::GridOutsideIncident { id: id.clone(), incident: state.ops.incidents.id(site.incident).to_owned() });
        }
        if !listed.insert(grid) {
            return Err(Rejection::AlreadyExists { field: "grid_ids", id: id.clone() });
        }
    }
    Ok(listed)
}

/// A fact of the site; the areas above its grids, of now and before, are concerned as well.
fn of_site(state: &State, site: &Site, grids: &BTreeSet<AreaRef>, event: Event) -> Draft {
    let mut draft = Draft::new(event, state.ops.incidents.get(site.incident).realm, Some(site.area));
    let above = grids.iter().chain(&site.grids).filter_map(|grid| state.base.areas.get(*grid).parent);
    let above: BTreeSet<AreaRef> = above.filter(|area| *area != site.area).collect();
    draft.other_area_ids.extend(above.into_iter().map(|area| state.base.areas.id(area).to_owned()));
    draft
}

pub(super) fn set_risk(state: &State, now: &Now<'_>, body: &v1::SetRisk) -> Decision {
    let site = site_of_kind(state, now, &body.site_id, SiteKind::RiskZone)?;
    let risk: RiskLevel = checks::set("risk", body.risk)?;
    let listed = grids(state, site, &body.grid_ids)?;
    if risk != RiskLevel::Lifted {
        if listed.is_empty() {
            return Err(Rejection::FieldMissing { field: "grid_ids" });
        }
        // The stand-down closes the zone, so that nothing is put at risk any more.
        state.not_standing_down(site.incident, site.plan)?;
    }
    checks::at_most("supplies", body.supplies.len(), limits::SUPPLIES_MAX)?;
    for supply in &body.supplies {
        checks::name("supplies.item", &supply.item)?;
        checks::short("supplies.unit", &supply.unit)?;
        if supply.quantity == 0 {
            return Err(Rejection::FieldMissing { field: "supplies.quantity" });
        }
    }
    let event = Event::RiskSet(v1::RiskSet {
        site_id: body.site_id.clone(),
        risk: body.risk,
        former_risk: site.risk.into(),
        grid_ids: body.grid_ids.clone(),
        supplies: body.supplies.clone(),
    });
    Ok(vec![of_site(state, site, &listed, event)])
}

pub(super) fn set_beat(state: &State, now: &Now<'_>, body: &v1::SetBeat) -> Decision {
    let site = site_of_kind(state, now, &body.site_id, SiteKind::MobilePatrol)?;
    let listed = grids(state, site, &body.grid_ids)?;
    let same = site.grids.len() == body.grid_ids.len()
        && site.grids.iter().zip(&body.grid_ids).all(|(known, id)| state.base.areas.id(*known) == id.as_str());
    if same {
        return Ok(Vec::new());
    }
    let event = Event::BeatSet(v1::BeatSet { site_id: body.site_id.clone(), grid_ids: body.grid_ids.clone() });
    Ok(vec![of_site(state, site, &listed, event)])
}
