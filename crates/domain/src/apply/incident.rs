//! Facts of incidents applied.

use muster_proto::Event;
use muster_proto::v1::{self, ResponseLevel};

use super::shelter;
use crate::ids::{Dense, PlanRef, Table};
use crate::state::{Conversion, Incident, NO_PART, Realm, Site, State, Unit};

pub(super) fn apply(state: &mut State, event: &Event) -> Option<()> {
    match event {
        Event::IncidentDeclared(body) => declared(state, body)?,
        Event::AreaConverted(body) => converted(state, body)?,
        Event::ConversionRebased(body) => rebased(state, body)?,
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
        Event::AreaRecalled(_)
        | Event::ShelterOrdered(_)
        | Event::SafetyConfirmed(_)
        | Event::UnaccountedListed(_)
        | Event::AreaResumed(_) => shelter::apply(state, event)?,
        Event::IncidentClosed(body) => {
            let key = state.ops.incidents.find(&body.incident_id)?;
            let incident = state.ops.incidents.get_mut(key);
            incident.closed = true;
            incident.responses.clear();
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
    let mut value = Incident::new(body.incident_type(), area, realm, body.severity());
    (value.warning, value.grade) = (body.warning(), body.grade());
    state.ops.incidents.insert(&body.incident_id, value);
    Some(())
}

fn converted(state: &mut State, body: &v1::AreaConverted) -> Option<()> {
    let (key, plan) = (state.ops.incidents.find(&body.incident_id)?, state.base.plans.find(&body.plan_id)?);
    let version = state.base.plans.get(plan).version(body.plan_version)?;
    let incident = state.ops.incidents.get_mut(key);
    let response = ResponseLevel::try_from(body.response).ok()?;
    match incident.conversions.get_mut(&plan).filter(|conversion| !conversion.stood_down) {
        Some(conversion) => conversion.response = response,
        None => {
            let round = incident.conversions.get(&plan).map_or(1, |former| former.round + 1);
            let value = Conversion::new(version, response, round);
            incident.conversions.insert(plan, value);
        }
    }
    Some(())
}

/// The parts of a conversion take their places in the new version. What the version does not have stays until it is empty.
fn rebased(state: &mut State, body: &v1::ConversionRebased) -> Option<()> {
    let (key, plan) = (state.ops.incidents.find(&body.incident_id)?, state.base.plans.find(&body.plan_id)?);
    let definition = state.base.plans.get(plan);
    let version = definition.version(body.version)?;
    let conversion = state.ops.incidents.get_mut(key).conversions.get_mut(&plan)?;
    conversion.version = body.version;
    conversion.rebased = true;
    let sites = version.sites.iter().map(|site| &*site.key);
    // What went with an earlier version does not come back with a later one: that opens a part of its own.
    let left_over = conversion.former_sites.iter().filter(|key| !state.ops.sites.get(**key).closed);
    let (held, left) = places(&state.ops.sites, sites, conversion.sites.iter().flatten().chain(left_over), |site| site.closed);
    conversion.sites = held;
    conversion.former_sites = left.into_iter().collect();
    let units = version.units.iter().map(|unit| &*unit.key);
    let left_over = conversion.former_units.iter().filter(|key| !state.ops.units.get(**key).dissolved);
    let made = conversion.units.iter().flatten().chain(left_over);
    let (held, left) = places(&state.ops.units, units, made, |unit| unit.dissolved);
    conversion.units = held;
    conversion.former_units = left.into_iter().collect();
    let conversion = state.ops.incidents.get(key).conversions.get(&plan)?;
    let (sites, units) = (conversion.sites.clone(), conversion.units.clone());
    let (former_sites, former_units) = (conversion.former_sites.clone(), conversion.former_units.clone());
    number(&mut state.ops.sites, &sites, &former_sites, |site: &mut Site, part| site.part = part);
    number(&mut state.ops.units, &units, &former_units, |unit: &mut Unit, part| unit.part = part);
    Some(())
}

/// By place in the new version: the part of that key that still stands, or that was closed by hand; and the parts left over that still stand.
fn places<'a, K: Dense + Ord + 'a, V>(
    table: &Table<K, V>,
    keys: impl Iterator<Item = &'a str>,
    made: impl Iterator<Item = &'a K>,
    gone: impl Fn(&V) -> bool,
) -> (Vec<Option<K>>, Vec<K>) {
    let mut made: Vec<K> = made.copied().collect();
    let key_of = |part: K| table.id(part).rsplit('/').next().unwrap_or_default();
    let mut held = Vec::new();
    for key in keys {
        let at = made.iter().position(|part| key_of(*part) == key);
        held.push(at.map(|at| made.remove(at)));
    }
    made.retain(|part| !gone(table.get(*part)));
    (held, made)
}

fn number<K: Dense + Ord, V>(
    table: &mut Table<K, V>,
    held: &[Option<K>],
    left: &std::collections::BTreeSet<K>,
    mut set: impl FnMut(&mut V, u16),
) {
    for (part, key) in (0_u16..).zip(held) {
        if let Some(key) = key {
            set(table.get_mut(*key), part);
        }
    }
    left.iter().for_each(|key| set(table.get_mut(*key), NO_PART));
}
