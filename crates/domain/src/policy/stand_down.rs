//! Stand-down 解除: recall, check-out, release, close, dissolve; it takes off exactly what the conversion added.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, ReleaseReason};

use super::conversion::Converting;
use super::summons::{call_off, off_standby, release};
use crate::apply::conversions_below;
use crate::execute::{Draft, Now};
use crate::ids::{CallRef, IncidentRef, PlanRef, RealmRef};
use crate::state::{Call, CallPhase, State};

pub(super) fn order(state: &State, body: &v1::StandDownOrdered) -> Vec<Draft> {
    let found = state.ops.incidents.find(&body.incident_id).zip(state.base.areas.find(&body.area_id));
    let Some((incident_key, area)) = found else { return Vec::new() };
    let plans: BTreeSet<PlanRef> = conversions_below(state, incident_key, area).into_iter().collect();
    let incident = state.ops.incidents.get(incident_key);
    let mut drafts = Vec::new();
    for key in &incident.duties {
        if plans_of(state, state.ops.calls.get(*key)).into_iter().flatten().any(|plan| plans.contains(&plan)) {
            drafts.extend(call_off(state, *key, ReleaseReason::StandDown, "解除响应 stand-down"));
        }
    }
    for (responder, plan) in &incident.standby {
        if plans.contains(plan) {
            drafts.push(off_standby(state, incident_key, *responder, state.base.plans.get(*plan).area));
        }
    }
    // A conversion that has nobody to wait for ends here; the others end with their last release or check-out.
    drafts.extend(plans.iter().flat_map(|plan| finish(state, incident_key, *plan)));
    drafts
}

/// The check-out of somebody who was told to come off, or whose period is over, ends the duty.
pub(super) fn off_post(state: &State, now: &Now<'_>, call_id: &str) -> Vec<Draft> {
    let Some(key) = CallRef::parse(call_id) else { return Vec::new() };
    let Some(call) = state.ops.calls.find(key).filter(|call| call.phase.open()) else { return Vec::new() };
    let period_over = call.until_ms != 0 && now.recorded_at_ms >= call.until_ms;
    let reason = match call.phase {
        CallPhase::Recalled => recall_reason(state, key),
        _ if period_over => ReleaseReason::CheckedOut,
        _ => return Vec::new(),
    };
    vec![release(state, key, reason, None)]
}

fn recall_reason(state: &State, key: CallRef) -> ReleaseReason {
    let call = state.ops.calls.get(key);
    if call.whistle.is_some_and(|whistle| !state.ops.whistles.get(whistle).phase.open()) {
        return ReleaseReason::WhistleEnded;
    }
    let part = call.whistle.zip(call.need).map(|(whistle, need)| &state.ops.whistles.get(whistle).needs[usize::from(need)]);
    if part.is_some_and(|need| need.confirmed) {
        return ReleaseReason::PartConfirmed;
    }
    let Some(incident) = call.incident else { return ReleaseReason::Recalled };
    if plans_of(state, call).into_iter().flatten().any(|plan| state.ops.standing_down(incident, Some(plan))) {
        return ReleaseReason::StandDown;
    }
    let conversion = call.plan.and_then(|plan| state.ops.incidents.get(incident).conversions.get(&plan));
    if conversion.is_some_and(|conversion| call.tier > conversion.response) {
        return ReleaseReason::ResponseLowered;
    }
    ReleaseReason::Recalled
}

/// The plans whose conversion a duty rests on: that gave it, at whose site it is, in whose unit it is.
fn plans_of(state: &State, call: &Call) -> [Option<PlanRef>; 3] {
    let site = call.site.and_then(|site| state.ops.sites.get(site).plan);
    let unit = call.unit.and_then(|unit| state.ops.units.get(unit).plan);
    [call.plan, site, unit]
}

/// After a duty ended: its conversions may be at their end.
pub(super) fn after_call(state: &State, call_id: &str) -> Vec<Draft> {
    let Some(call) = CallRef::parse(call_id).and_then(|key| state.ops.calls.find(key)) else { return Vec::new() };
    let Some(incident) = call.incident else { return Vec::new() };
    let mut drafts = Vec::new();
    let plans = plans_of(state, call);
    for (_, plan) in plans.iter().enumerate().filter(|(at, plan)| !plans[..*at].contains(plan)) {
        drafts.extend(plan.map(|plan| finish(state, incident, plan)).unwrap_or_default());
    }
    drafts
}

/// After somebody without a duty left a site.
pub(super) fn after_site(state: &State, site_id: &str) -> Vec<Draft> {
    let Some(key) = state.ops.sites.find(site_id) else { return Vec::new() };
    let site = state.ops.sites.get(key);
    site.plan.map(|plan| finish(state, site.incident, plan)).unwrap_or_default()
}

/// Seen on another duty, or said to be nowhere: a duty that only waited for the check-out ends.
pub(super) fn moved_on(state: &State, realm: RealmRef, responder_id: &str) -> Vec<Draft> {
    let Some(responder) = state.base.responders.find(responder_id) else { return Vec::new() };
    let there = state.ops.realms.get(realm).presence.get(&responder).and_then(|presence| presence.call);
    let off = |key: &&CallRef| Some(**key) != there && state.ops.calls.get(**key).phase == CallPhase::Recalled;
    let ended = state.ops.duties(realm, responder).iter().filter(off);
    ended.map(|key| release(state, *key, recall_reason(state, *key), None)).collect()
}

/// Settling tells where a person is, not where they no longer are; every conversion standing down is looked at.
pub(super) fn after_settling(state: &State, realm: RealmRef, responder_id: &str) -> Vec<Draft> {
    let mut drafts = moved_on(state, realm, responder_id);
    for (key, incident) in state.ops.incidents.iter().filter(|(_, incident)| !incident.closed) {
        let leaving = incident.conversions.iter().filter(|(_, conversion)| conversion.standing_down && !conversion.stood_down);
        drafts.extend(leaving.flat_map(|(plan, _)| finish(state, key, *plan)));
    }
    drafts
}

/// Everybody gone: close the sites, dissolve the units from the leaves up, and say that the area has stood down.
fn finish(state: &State, incident_key: IncidentRef, plan: PlanRef) -> Vec<Draft> {
    let Some(converting) = Converting::of(state, incident_key, plan) else { return Vec::new() };
    let conversion = converting.conversion;
    if !conversion.standing_down || conversion.stood_down || !conversion.duties.is_empty() {
        return Vec::new();
    }
    let sites = || conversion.sites.iter().flatten().chain(&conversion.former_sites).copied();
    let units = || {
        let mut all: Vec<_> = conversion.units.iter().flatten().chain(&conversion.former_units).copied().collect();
        // Parents were formed before their children.
        all.sort_unstable();
        all.into_iter()
    };
    let site_busy = sites().map(|key| state.ops.sites.get(key)).any(|site| site.duties > 0 || site.present > 0);
    if site_busy || units().any(|key| state.ops.units.get(key).duties > 0) {
        return Vec::new();
    }
    let realm = converting.incident.realm;
    let mut drafts = Vec::new();
    for key in sites().filter(|key| !state.ops.sites.get(*key).closed) {
        let event = Event::SiteClosed(v1::SiteClosed { site_id: state.ops.sites.id(key).to_owned() });
        drafts.push(Draft::new(event, realm, Some(state.ops.sites.get(key).area)));
    }
    for key in units().rev().filter(|key| !state.ops.units.get(*key).dissolved) {
        let event = Event::UnitDissolved(v1::UnitDissolved { unit_id: state.ops.units.id(key).to_owned() });
        drafts.push(Draft::new(event, realm, Some(state.ops.units.get(key).area)));
    }
    let area = state.base.plans.get(plan).area;
    let event = Event::AreaStoodDown(v1::AreaStoodDown {
        incident_id: converting.incident_id.to_owned(),
        area_id: state.base.areas.id(area).to_owned(),
        plan_id: converting.plan_id.to_owned(),
    });
    drafts.push(Draft::new(event, realm, Some(area)));
    drafts
}
