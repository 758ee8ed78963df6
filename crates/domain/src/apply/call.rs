//! Facts of calls, to persons and to organizations, applied. A duty begins with `ResponderCalled` and ends with `DutyReleased`.

use muster_proto::Event;
use muster_proto::v1;

use super::unit::{join_unit, leave_unit};
use super::{At, reach};
use crate::ids::{CallRef, OrganizationCallRef};
use crate::limits;
use crate::state::{Call, CallPhase, OrganizationCall, OrganizationCallPhase, Place, State, Timer};

pub(super) fn apply(state: &mut State, at: &At, event: &Event) -> Option<()> {
    match event {
        Event::ResponderCalled(body) => called(state, at, body)?,
        Event::ResponderPutOnStandby(body) => {
            let (key, responder) = (state.ops.incidents.find(&body.incident_id)?, state.base.responders.find(&body.responder_id)?);
            let plan = state.base.plans.find(&body.plan_id)?;
            state.ops.incidents.get_mut(key).standby.insert(responder, plan);
        }
        Event::StandbyEnded(body) => {
            let (key, responder) = (state.ops.incidents.find(&body.incident_id)?, state.base.responders.find(&body.responder_id)?);
            state.ops.incidents.get_mut(key).standby.remove(&responder);
        }
        Event::CallAcknowledged(body) => answered(state, &body.call_id, CallPhase::Acknowledged)?,
        Event::CallAccepted(body) => answered(state, &body.call_id, CallPhase::Accepted)?,
        Event::CallDeclined(body) => answer_settled(state, find(state, &body.call_id)?),
        Event::CallUnanswered(body) => reply_settled(state, find(state, &body.call_id)?),
        Event::NoShowDeclared(body) => {
            let key = find(state, &body.call_id)?;
            answer_settled(state, key);
            let call = state.ops.calls.get_mut(key);
            call.no_show = true;
            let (realm, responder) = (call.realm, call.responder);
            state.ops.realms.get_mut(realm).no_shows.insert(responder, key);
        }
        Event::NoShowCorrected(body) => {
            let key = find(state, &body.call_id)?;
            let call = state.ops.calls.get_mut(key);
            call.no_show = false;
            let (realm, responder) = (call.realm, call.responder);
            state.ops.realms.get_mut(realm).no_shows.remove(&responder);
        }
        Event::ResponderRecalled(body) => {
            let key = find(state, &body.call_id)?;
            answer_settled(state, key);
            let call = state.ops.calls.get_mut(key);
            if call.phase.open() {
                call.phase = CallPhase::Recalled;
            }
        }
        Event::DutyReleased(body) => released(state, at, find(state, &body.call_id)?, body.reason()),
        Event::OrganizationCalled(body) => organization_called(state, at, body)?,
        Event::OrganizationAcknowledged(body) => organization_phase(state, &body.call_id, OrganizationCallPhase::Acknowledged)?,
        Event::PeopleNominated(body) => organization_phase(state, &body.call_id, OrganizationCallPhase::Nominated)?,
        Event::OrganizationReportedIn(body) => organization_phase(state, &body.call_id, OrganizationCallPhase::ReportedIn)?,
        Event::OrganizationOverdue(body) => deadline_settled(state, find_organization_call(state, &body.call_id)?),
        Event::OrganizationCallDeclined(body) => organization_phase(state, &body.call_id, OrganizationCallPhase::Declined)?,
        Event::OrganizationCallEnded(body) => organization_phase(state, &body.call_id, OrganizationCallPhase::Ended)?,
        Event::DeliveryRecorded(_) | Event::NextChannelOrdered(_) | Event::TelephoneRequested(_) => reach::apply(state, event)?,
        _ => {}
    }
    Some(())
}

pub(super) fn find(state: &State, call_id: &str) -> Option<CallRef> {
    let key = CallRef::parse(call_id)?;
    state.ops.calls.find(key).map(|_| key)
}

fn find_organization_call(state: &State, call_id: &str) -> Option<OrganizationCallRef> {
    let key = OrganizationCallRef::parse(call_id)?;
    state.ops.organization_calls.find(key).map(|_| key)
}

fn called(state: &mut State, at: &At, body: &v1::ResponderCalled) -> Option<()> {
    let call = summoned(state, at, body)?;
    let (responder, shift, unit) = (call.responder, call.shift, call.unit);
    let (organization_call, period_due_ms) = (call.organization_call, call.period_due_ms);
    let was_bound = state.bound(at.realm, responder);
    let key = state.ops.calls.push(call);
    state.ops.realms.get_mut(at.realm).duties.entry(responder).or_default().push(key);
    if !was_bound && state.bound(at.realm, responder) {
        state.count_bound(at.realm, responder, true);
    }
    if let Some(shift) = shift {
        state.ops.shifts.get_mut(shift).calls.insert(key);
    }
    take_place(state, key);
    join_incident(state, key, &body.seat_id);
    if let Some(unit) = unit {
        state.ops.units.get_mut(unit).duties += 1;
        join_unit(state, unit, responder);
    }
    if let Some(organization_call) = organization_call {
        state.ops.organization_calls.get_mut(organization_call).calls.push(key);
    }
    state.set_timer(body.reply_due_ms, Timer::CallReply(key));
    state.set_timer(period_due_ms, Timer::PeriodEnd(key));
    already_there(state, at, key);
    Some(())
}

/// The call as it is given.
fn summoned(state: &State, at: &At, body: &v1::ResponderCalled) -> Option<Call> {
    let site = state.ops.sites.find(&body.site_id);
    let seat = site.filter(|key| state.ops.sites.get(*key).seat(&body.seat_id).is_some()).map(|_| body.seat_id.as_str().into());
    let whistle = state.ops.whistles.find(&body.whistle_id);
    let need = whistle.and_then(|key| state.ops.whistles.get(key).needs.iter().position(|need| *need.id == *body.need_id));
    let narrow = |place: usize| u16::try_from(place).ok();
    Some(Call {
        responder: state.base.responders.find(&body.responder_id)?,
        incident: state.ops.incidents.find(&body.incident_id),
        realm: at.realm,
        role: body.role(),
        unit: state.ops.units.find(&body.unit_id),
        site,
        seat,
        whistle,
        need: need.and_then(narrow),
        area: state.base.areas.find(&body.area_id)?,
        plan: state.base.plans.find(&body.plan_id),
        tier: body.tier(),
        organization_call: find_organization_call(state, &body.organization_call_id),
        shift: state.ops.shifts.find(&body.shift_id),
        phase: CallPhase::Summoned,
        from_ms: body.from_ms,
        until_ms: body.until_ms,
        reply_due_ms: body.reply_due_ms,
        period_due_ms: if body.until_ms == 0 { 0 } else { body.until_ms.saturating_add(limits::PERIOD_GRACE_MS) },
        no_show: false,
        called_at_ms: at.recorded_at_ms,
        arrived_at_ms: 0,
        released_at_ms: 0,
        reason: body.reason(),
        release: v1::ReleaseReason::Unspecified,
    })
}

/// The seat or need that the call is for has it.
fn take_place(state: &mut State, key: CallRef) {
    let call = state.ops.calls.get(key);
    let (site, seat, whistle, need, from_ms) = (call.site, call.seat.clone(), call.whistle, call.need, call.from_ms);
    if let Some(site) = site {
        let site = state.ops.sites.get_mut(site);
        site.duties += 1;
        if let Some(seat) = seat.and_then(|id| site.seat_mut(&id)) {
            // Whose period begins earlier has the seat.
            let earlier = seat.holder.is_some_and(|held| from_ms < state.ops.calls.get(held).from_ms);
            if seat.holder.is_none() || earlier {
                seat.relief = seat.holder.replace(key).or(seat.relief);
            } else {
                seat.relief = Some(key);
            }
        }
    }
    if let (Some(whistle), Some(need)) = (whistle, need)
        && let Some(need) = state.ops.whistles.get_mut(whistle).needs.get_mut(usize::from(need))
    {
        need.calls.push(key);
    }
}

/// The incident, and the conversion that the post belongs to, know of the duty.
fn join_incident(state: &mut State, key: CallRef, seat_id: &str) {
    let call = state.ops.calls.get(key);
    let Some(incident) = call.incident else { return };
    let of_site = || call.site.and_then(|key| state.ops.sites.get(key).plan);
    let whose = call.plan.or_else(of_site).or_else(|| call.unit.and_then(|key| state.ops.units.get(key).plan));
    let (plan, seated) = (call.plan, call.seat.is_some());
    let incident = state.ops.incidents.get_mut(incident);
    incident.duties.insert(key);
    if let Some(conversion) = plan.and_then(|plan| incident.conversions.get_mut(&plan)) {
        conversion.duties.insert(key);
    }
    if let Some(conversion) = whose.and_then(|plan| incident.conversions.get_mut(&plan)) {
        conversion.given.push((key, if seated { seat_id } else { "" }.into()));
    }
}

/// Somebody who came without a call and is called to that very place is on post.
fn already_there(state: &mut State, at: &At, key: CallRef) {
    let call = state.ops.calls.get(key);
    let place = call.site.map(Place::Site).or(call.whistle.map(Place::Whistle));
    let (responder, begun) = (call.responder, call.from_ms <= at.recorded_at_ms);
    let known = state.ops.realms.get_mut(call.realm).presence.get_mut(&responder);
    let Some(known) = known.filter(|known| known.place == place && known.counts() && known.call.is_none()) else { return };
    if begun && place.is_some() {
        known.call = Some(key);
        reply_settled(state, key);
        let call = state.ops.calls.get_mut(key);
        call.phase = CallPhase::OnPost;
        // No way lay between the call and the post: this tells nothing about how long people take.
        call.arrived_at_ms = at.recorded_at_ms;
    }
}

/// The wait for a reply is over.
pub(super) fn reply_settled(state: &mut State, key: CallRef) {
    let due_ms = std::mem::take(&mut state.ops.calls.get_mut(key).reply_due_ms);
    state.clear_timer(due_ms, Timer::CallReply(key));
}

/// The person said something, or is asked no more.
pub(super) fn answer_settled(state: &mut State, key: CallRef) {
    reply_settled(state, key);
    reach::settled(state, key);
}

/// The end of the period was looked at, or there is no period any more.
pub(super) fn period_settled(state: &mut State, key: CallRef) {
    let due_ms = std::mem::take(&mut state.ops.calls.get_mut(key).period_due_ms);
    state.clear_timer(due_ms, Timer::PeriodEnd(key));
}

fn answered(state: &mut State, call_id: &str, phase: CallPhase) -> Option<()> {
    let key = find(state, call_id)?;
    answer_settled(state, key);
    let call = state.ops.calls.get_mut(key);
    // An answer never takes back what happened since.
    if call.phase < phase {
        call.phase = phase;
    }
    Some(())
}

fn released(state: &mut State, at: &At, key: CallRef, reason: v1::ReleaseReason) {
    // A duty ends once.
    if !state.ops.calls.get(key).phase.open() {
        return;
    }
    answer_settled(state, key);
    period_settled(state, key);
    let call = state.ops.calls.get_mut(key);
    call.phase = CallPhase::Released;
    call.released_at_ms = at.recorded_at_ms;
    call.release = reason;
    let call = call.clone();
    free_person(state, key, &call);
    leave_place(state, key, &call);
    if let Some(shift) = call.shift {
        state.ops.shifts.get_mut(shift).calls.remove(&key);
    }
    if let Some(incident) = call.incident {
        let incident = state.ops.incidents.get_mut(incident);
        incident.duties.remove(&key);
        if let Some(conversion) = call.plan.and_then(|plan| incident.conversions.get_mut(&plan)) {
            conversion.duties.remove(&key);
        }
    }
    if let Some(unit) = call.unit {
        let held = state.ops.units.get_mut(unit);
        held.duties -= 1;
        // The office came with the post.
        if call.role == v1::DutyRole::Organizer && held.organizer == Some(call.responder) {
            held.organizer = None;
        }
        let others = state.ops.duties(call.realm, call.responder);
        if !others.iter().any(|other| state.ops.calls.get(*other).unit == Some(unit)) {
            leave_unit(state, unit, call.responder);
        }
    }
}

fn free_person(state: &mut State, key: CallRef, call: &Call) {
    let was_bound = state.bound(call.realm, call.responder);
    let realm = state.ops.realms.get_mut(call.realm);
    if let Some(duties) = realm.duties.get_mut(&call.responder) {
        duties.retain(|held| *held != key);
        if duties.is_empty() {
            realm.duties.remove(&call.responder);
        }
    }
    *realm.past_duties.entry(call.responder).or_default() += 1;
    if let Some(presence) = realm.presence.get_mut(&call.responder)
        && presence.call == Some(key)
    {
        presence.call = None;
    }
    if was_bound && !state.bound(call.realm, call.responder) {
        state.count_bound(call.realm, call.responder, false);
    }
}

fn leave_place(state: &mut State, key: CallRef, call: &Call) {
    if let Some(site) = call.site {
        let site = state.ops.sites.get_mut(site);
        site.duties -= 1;
        if let Some(seat) = call.seat.as_deref().and_then(|id| site.seat_mut(id)) {
            if seat.holder == Some(key) {
                seat.holder = seat.relief.take();
            } else if seat.relief == Some(key) {
                seat.relief = None;
            }
        }
    }
    if let (Some(whistle), Some(need)) = (call.whistle, call.need)
        && let Some(need) = state.ops.whistles.get_mut(whistle).needs.get_mut(usize::from(need))
    {
        need.calls.retain(|held| *held != key);
        need.tried.insert(call.responder);
    }
}

fn organization_called(state: &mut State, at: &At, body: &v1::OrganizationCalled) -> Option<()> {
    let whistle = state.ops.whistles.find(&body.whistle_id);
    let need = whistle.and_then(|key| state.ops.whistles.get(key).needs.iter().position(|need| *need.id == *body.need_id));
    let value = OrganizationCall {
        organization: state.base.organizations.find(&body.organization_id)?,
        incident: state.ops.incidents.find(&body.incident_id),
        realm: at.realm,
        whistle,
        need: need.and_then(|place| u16::try_from(place).ok()),
        site: state.ops.sites.find(&body.site_id),
        area: state.base.areas.find(&body.area_id)?,
        quantity: body.quantity,
        deadline_ms: body.deadline_ms,
        lead: body.lead,
        phase: OrganizationCallPhase::Called,
        calls: Vec::new(),
    };
    let site = value.site;
    let key = state.ops.organization_calls.push(value);
    if let Some(whistle) = whistle {
        state.ops.whistles.get_mut(whistle).organization_calls.push(key);
    }
    if let Some(site) = site {
        state.ops.sites.get_mut(site).organization_calls.push(key);
    }
    state.set_timer(body.deadline_ms, Timer::OrganizationDeadline(key));
    Some(())
}

fn organization_phase(state: &mut State, call_id: &str, phase: OrganizationCallPhase) -> Option<()> {
    let key = find_organization_call(state, call_id)?;
    let call = state.ops.organization_calls.get_mut(key);
    // More people named after the report does not take the report back.
    call.phase = call.phase.max(phase);
    let (whistle, site) = (call.whistle, call.site);
    if phase > OrganizationCallPhase::Nominated {
        deadline_settled(state, key);
    }
    if phase > OrganizationCallPhase::ReportedIn {
        if let Some(whistle) = whistle {
            state.ops.whistles.get_mut(whistle).organization_calls.retain(|open| *open != key);
        }
        if let Some(site) = site {
            state.ops.sites.get_mut(site).organization_calls.retain(|open| *open != key);
        }
    }
    Some(())
}

/// The wait for the organization is over.
fn deadline_settled(state: &mut State, key: OrganizationCallRef) {
    let due_ms = std::mem::take(&mut state.ops.organization_calls.get_mut(key).deadline_ms);
    state.clear_timer(due_ms, Timer::OrganizationDeadline(key));
}
