//! Organizations called 部门报到: who reported in, who is overdue.

use muster_proto::Event;
use muster_proto::v1::{self, NeedKind};

use crate::execute::Draft;
use crate::ids::{CallRef, OrganizationCallRef};
use crate::state::{CallPhase, OrganizationCall, OrganizationCallPhase, State};

fn on_post(state: &State, call: &OrganizationCall) -> u32 {
    let present = call.calls.iter().filter(|key| state.ops.calls.get(**key).phase == CallPhase::OnPost).count();
    u32::try_from(present).unwrap_or(u32::MAX)
}

/// As many of the named people as asked for are on post: the organization has reported in.
pub(super) fn after_arrival(state: &State, call_id: &str) -> Vec<Draft> {
    let key = CallRef::parse(call_id).and_then(|key| state.ops.calls.find(key)).and_then(|call| call.organization_call);
    let Some(key) = key else { return Vec::new() };
    let call = state.ops.organization_calls.get(key);
    let present = on_post(state, call);
    if call.phase != OrganizationCallPhase::Nominated || present < call.quantity {
        return Vec::new();
    }
    let event = Event::OrganizationReportedIn(v1::OrganizationReportedIn { call_id: key.text(), quantity: present });
    let mut drafts = vec![Draft::new(event, call.realm, Some(call.area))];
    drafts.extend(need_met(state, call));
    drafts
}

/// A need for an organization is met by its reporting in; a need for people counts the people themselves.
fn need_met(state: &State, call: &OrganizationCall) -> Option<Draft> {
    let (whistle_key, need) = call.whistle.zip(call.need)?;
    let whistle = state.ops.whistles.get(whistle_key);
    let need = &whistle.needs[usize::from(need)];
    if need.kind != NeedKind::Organization || !whistle.phase.open() {
        return None;
    }
    let event = Event::NeedFulfilled(v1::NeedFulfilled {
        whistle_id: state.ops.whistles.id(whistle_key).to_owned(),
        need_id: need.id.to_string(),
        quantity: 1,
        organization_id: state.base.organizations.id(call.organization).to_owned(),
        note: String::new(),
    });
    Some(Draft::new(event, whistle.realm, Some(whistle.area)))
}

/// Where nobody can report in any more.
pub(super) fn site_closed(state: &State, site_id: &str) -> Vec<Draft> {
    let site = state.ops.sites.find(site_id).map(|key| state.ops.sites.get(key));
    site.map_or_else(Vec::new, |site| over(state, &site.organization_calls))
}

/// The end of the calls that are still waited for. Who reported in has done so.
pub(super) fn over(state: &State, calls: &[OrganizationCallRef]) -> Vec<Draft> {
    let waiting = calls.iter().filter(|key| state.ops.organization_calls.get(**key).phase < OrganizationCallPhase::ReportedIn);
    waiting
        .map(|key| {
            let call = state.ops.organization_calls.get(*key);
            let event = Event::OrganizationCallEnded(v1::OrganizationCallEnded { call_id: key.text() });
            Draft::new(event, call.realm, Some(call.area))
        })
        .collect()
}

pub(super) fn overdue(state: &State, key: OrganizationCallRef) -> Vec<Draft> {
    let call = state.ops.organization_calls.get(key);
    let missing = call.quantity.saturating_sub(on_post(state, call));
    let event = Event::OrganizationOverdue(v1::OrganizationOverdue { call_id: key.text(), missing });
    vec![Draft::new(event, call.realm, Some(call.area))]
}
