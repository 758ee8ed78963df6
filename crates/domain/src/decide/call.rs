//! Call 征调: to a person for one seat or need, to an organization for people.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, CallReason, DutyRole, NeedKind};

use super::{Decision, checks};
use crate::execute::{Draft, Now};
use crate::ids::{AreaRef, CallRef, IncidentRef, OrganizationCallRef, RealmRef, ResponderRef, UnitRef};
use crate::limits;
use crate::policy::summons::{Summons, release, summon};
use crate::rejection::Rejection;
use crate::state::{Call, CallPhase, OrganizationCall, OrganizationCallPhase, Site, State};

/// Where a call leads: the site's seat or the whistle's need, with what hangs on it.
struct Target {
    incident: Option<IncidentRef>,
    realm: RealmRef,
    area: AreaRef,
    site_id: String,
    seat_id: String,
    whistle_id: String,
    need_id: String,
    life_threatening: bool,
}

/// A site that is open, in use and not being taken off.
fn taking_on<'a>(state: &'a State, site_id: &str) -> Result<&'a Site, Rejection> {
    let site = state.ops.sites.get(state.open_site("site_id", site_id)?);
    state.not_standing_down(site.incident, site.plan)?;
    if site.suspended { Err(Rejection::SiteSuspended { id: site_id.to_owned() }) } else { Ok(site) }
}

fn seat_target(state: &State, site_id: &str, seat_id: &str) -> Result<Target, Rejection> {
    let site = taking_on(state, site_id)?;
    let unknown = || Rejection::UnknownSeat { seat: seat_id.to_owned(), site: site_id.to_owned() };
    let seat = &site.seats[site.seat(seat_id).ok_or_else(unknown)?];
    if let Some(call) = seat.holder {
        return Err(Rejection::SeatTaken { seat: seat_id.to_owned(), call: call.text() });
    }
    Ok(Target {
        incident: Some(site.incident),
        realm: state.ops.incidents.get(site.incident).realm,
        area: site.area,
        site_id: site_id.to_owned(),
        seat_id: seat_id.to_owned(),
        whistle_id: String::new(),
        need_id: String::new(),
        life_threatening: false,
    })
}

fn need_target(state: &State, whistle_id: &str, need_id: &str, kind: Option<NeedKind>) -> Result<Target, Rejection> {
    let key = state.open_whistle("whistle_id", whistle_id)?;
    let whistle = state.ops.whistles.get(key);
    let unknown = || Rejection::UnknownNeed { need: need_id.to_owned(), whistle: whistle_id.to_owned() };
    let need = whistle.needs.iter().find(|need| *need.id == *need_id).ok_or_else(unknown)?;
    if kind.is_some_and(|kind| kind != need.kind) {
        return Err(Rejection::NeedKindMismatch { need: need_id.to_owned() });
    }
    if kind.is_some() && need.fulfilled as usize + need.calls.len() >= need.quantity as usize {
        return Err(Rejection::NeedIsMet { need: need_id.to_owned() });
    }
    Ok(Target {
        incident: whistle.incident,
        realm: whistle.realm,
        area: whistle.area,
        site_id: String::new(),
        seat_id: String::new(),
        whistle_id: whistle_id.to_owned(),
        need_id: need_id.to_owned(),
        life_threatening: whistle.life_threatening,
    })
}

fn free(state: &State, realm: RealmRef, responder: ResponderRef, from_ms: i64, until_ms: i64) -> Result<(), Rejection> {
    let Some(call) = state.ops.overlapping_duties(realm, responder, from_ms, until_ms).next() else { return Ok(()) };
    let incident = state.ops.calls.get(call).incident;
    Err(Rejection::ResponderAlreadyOnDuty {
        id: state.base.responders.id(responder).to_owned(),
        call: call.text(),
        incident: incident.map(|key| state.ops.incidents.id(key).to_owned()).unwrap_or_default(),
    })
}

/// 跨区增援: the office may move its own people; those of another area only once that area or a common superior let them go.
fn let_go(state: &State, now: &Now<'_>, responder: ResponderRef, released_by_area_id: &str) -> Result<(), Rejection> {
    let office = state.office_area(now)?;
    let Some(home) = state.base.home_of(responder) else { return Ok(()) };
    if state.base.within(home, office) {
        return Ok(());
    }
    let required =
        || Rejection::ReleaseRequired { id: state.base.responders.id(responder).to_owned(), home: state.base.areas.id(home).to_owned() };
    if released_by_area_id.is_empty() {
        return Err(required());
    }
    let by = state.area("released_by_area_id", released_by_area_id)?;
    if state.base.within(home, by) { Ok(()) } else { Err(required()) }
}

/// The unit to join: standing, of the incident, able to act, and not against another home unit.
fn joinable(state: &State, incident: Option<IncidentRef>, responder: ResponderRef, unit_id: &str) -> Result<Option<UnitRef>, Rejection> {
    if unit_id.is_empty() {
        return Ok(None);
    }
    let key = state.standing_unit("unit_id", unit_id)?;
    let unit = state.ops.units.get(key);
    if Some(unit.incident) != incident {
        return Err(Rejection::OtherIncident { field: "unit_id", id: unit_id.to_owned() });
    }
    state.not_standing_down(unit.incident, unit.plan)?;
    if !unit.approved {
        return Err(Rejection::UnitNotApproved { id: unit_id.to_owned() });
    }
    if unit.secretary.is_none() && super::party_organization(unit.kind) {
        return Err(Rejection::UnitWithoutSecretary { id: unit_id.to_owned() });
    }
    match state.ops.incidents.get(unit.incident).home_units.get(&responder) {
        Some(home) if *home != key => Err(Rejection::HomeUnitTaken {
            responder: state.base.responders.id(responder).to_owned(),
            unit: state.ops.units.id(*home).to_owned(),
        }),
        _ => Ok(Some(key)),
    }
}

pub(super) fn dispatch(state: &State, now: &Now<'_>, body: &v1::DispatchResponder) -> Decision {
    let responder = state.active_responder("responder_id", &body.responder_id)?;
    let target = match (body.site_id.is_empty(), body.whistle_id.is_empty()) {
        (false, true) => seat_target(state, &body.site_id, &body.seat_id)?,
        (true, false) => need_target(state, &body.whistle_id, &body.need_id, Some(NeedKind::Person))?,
        _ => return Err(Rejection::TargetRequired {}),
    };
    let from_ms = if body.from_ms == 0 { now.recorded_at_ms } else { body.from_ms };
    if body.until_ms != 0 && body.until_ms <= from_ms {
        return Err(Rejection::PeriodInvalid {});
    }
    state.callable(responder, from_ms)?;
    free(state, target.realm, responder, from_ms, body.until_ms)?;
    let_go(state, now, responder, &body.released_by_area_id)?;
    joinable(state, target.incident, responder, &body.unit_id)?;
    let summons = Summons {
        from_ms,
        until_ms: body.until_ms,
        unit_id: body.unit_id.clone(),
        released_by_area_id: body.released_by_area_id.clone(),
        ..to_target(&target, now, CallReason::Dispatched)
    };
    let mut drafts = Vec::with_capacity(2);
    summon(state, 0, responder, summons, &mut drafts);
    // 跨区增援: the donor sees where its person goes.
    if !body.released_by_area_id.is_empty()
        && let (Some(draft), Some(home)) = (drafts.last_mut(), state.base.home_of(responder))
    {
        draft.other_area_ids.push(state.base.areas.id(home).to_owned());
    }
    Ok(drafts)
}

fn to_target(target: &Target, now: &Now<'_>, reason: CallReason) -> Summons {
    let limit_ms = if target.life_threatening { limits::REPLY_LIMIT_LIFE_MS } else { limits::REPLY_LIMIT_MS };
    Summons {
        incident: target.incident,
        realm: target.realm,
        area: target.area,
        role: DutyRole::Member,
        site_id: target.site_id.clone(),
        seat_id: target.seat_id.clone(),
        whistle_id: target.whistle_id.clone(),
        need_id: target.need_id.clone(),
        reason,
        from_ms: now.recorded_at_ms,
        reply_due_ms: now.recorded_at_ms + limit_ms,
        ..Summons::at(target.realm, target.area)
    }
}

pub(super) fn call_organization(state: &State, now: &Now<'_>, body: &v1::CallOrganization) -> Decision {
    let organization = state.organization("organization_id", &body.organization_id)?;
    if body.quantity == 0 {
        return Err(Rejection::FieldMissing { field: "quantity" });
    }
    checks::at_most("quantity", body.quantity as usize, limits::PEOPLE_LIST_MAX)?;
    let target = match (body.site_id.is_empty(), body.whistle_id.is_empty()) {
        (true, false) => need_target(state, &body.whistle_id, &body.need_id, None)?,
        (false, true) => {
            let site = taking_on(state, &body.site_id)?;
            let realm = state.ops.incidents.get(site.incident).realm;
            Target {
                incident: Some(site.incident),
                realm,
                area: site.area,
                site_id: body.site_id.clone(),
                seat_id: String::new(),
                whistle_id: String::new(),
                need_id: String::new(),
                life_threatening: false,
            }
        }
        _ => return Err(Rejection::TargetRequired {}),
    };
    state.authority_over(now, target.area)?;
    let incident_id = target.incident.map(|key| state.ops.incidents.id(key).to_owned()).unwrap_or_default();
    if !body.incident_id.is_empty() && body.incident_id != incident_id {
        return Err(Rejection::OtherIncident { field: "incident_id", id: body.incident_id.clone() });
    }
    if body.deadline_ms != 0 && body.deadline_ms <= now.recorded_at_ms {
        return Err(Rejection::FieldInvalid { field: "deadline_ms", reason_zh: "期限已过", reason_en: "the deadline has passed" });
    }
    let deadline_ms = if body.deadline_ms == 0 { now.recorded_at_ms + limits::ORGANIZATION_LIMIT_MS } else { body.deadline_ms };
    let event = Event::OrganizationCalled(v1::OrganizationCalled {
        call_id: state.ops.organization_calls.upcoming(0).text(),
        organization_id: body.organization_id.clone(),
        incident_id,
        whistle_id: target.whistle_id,
        need_id: target.need_id,
        site_id: target.site_id,
        area_id: state.base.areas.id(target.area).to_owned(),
        quantity: body.quantity,
        deadline_ms,
    });
    let mut draft = Draft::new(event, target.realm, Some(target.area));
    draft.other_area_ids.extend(state.base.organizations.get(organization).area.map(|key| state.base.areas.id(key).to_owned()));
    Ok(vec![draft])
}

fn organization_call<'a>(state: &'a State, call_id: &str) -> Result<(OrganizationCallRef, &'a OrganizationCall), Rejection> {
    if call_id.is_empty() {
        return Err(Rejection::FieldMissing { field: "call_id" });
    }
    let unknown = || Rejection::UnknownCall { id: call_id.to_owned() };
    let key = OrganizationCallRef::parse(call_id).ok_or_else(unknown)?;
    let call = state.ops.organization_calls.find(key).ok_or_else(unknown)?;
    if matches!(call.phase, OrganizationCallPhase::Ended | OrganizationCallPhase::Declined) {
        return Err(Rejection::CallIsOver { id: call_id.to_owned() });
    }
    Ok((key, call))
}

pub(super) fn nominate(state: &State, now: &Now<'_>, body: &v1::NominatePeople) -> Decision {
    let (key, call) = organization_call(state, &body.call_id)?;
    if body.responder_ids.is_empty() {
        return Err(Rejection::FieldMissing { field: "responder_ids" });
    }
    checks::at_most("responder_ids", body.responder_ids.len(), limits::PEOPLE_LIST_MAX)?;
    if let Some(site) = call.site {
        taking_on(state, state.ops.sites.id(site))?;
    }
    if let Some(whistle) = call.whistle {
        state.open_whistle("call_id", state.ops.whistles.id(whistle))?;
    }
    let mut named = BTreeSet::new();
    for id in &body.responder_ids {
        let responder = state.active_responder("responder_ids", id)?;
        if !named.insert(responder) {
            return Err(Rejection::AlreadyExists { field: "responder_ids", id: id.clone() });
        }
        if state.base.responders.get(responder).organization != Some(call.organization) {
            let organization = state.base.organizations.id(call.organization).to_owned();
            return Err(Rejection::NotOfOrganization { id: id.clone(), organization });
        }
        state.callable(responder, now.recorded_at_ms)?;
        free(state, call.realm, responder, now.recorded_at_ms, 0)?;
    }
    let event = Event::PeopleNominated(v1::PeopleNominated { call_id: body.call_id.clone(), responder_ids: body.responder_ids.clone() });
    let mut drafts = vec![Draft::new(event, call.realm, Some(call.area))];
    let named = body.responder_ids.iter().filter_map(|id| state.base.responders.find(id));
    for (ahead, responder) in named.enumerate() {
        let whistle = call.whistle.map(|whistle| (state.ops.whistles.id(whistle), state.ops.whistles.get(whistle)));
        let summons = Summons {
            incident: call.incident,
            site_id: call.site.map(|site| state.ops.sites.id(site).to_owned()).unwrap_or_default(),
            whistle_id: whistle.map(|(id, _)| id.to_owned()).unwrap_or_default(),
            need_id: whistle.zip(call.need).map(|((_, whistle), need)| whistle.needs[usize::from(need)].id.to_string()).unwrap_or_default(),
            reason: CallReason::Nominated,
            from_ms: now.recorded_at_ms,
            reply_due_ms: now.recorded_at_ms + limits::REPLY_LIMIT_MS,
            organization_call_id: key.text(),
            ..Summons::at(call.realm, call.area)
        };
        summon(state, ahead, responder, summons, &mut drafts);
    }
    Ok(drafts)
}

fn open_call<'a>(state: &'a State, call_id: &str) -> Result<(CallRef, &'a Call), Rejection> {
    if call_id.is_empty() {
        return Err(Rejection::FieldMissing { field: "call_id" });
    }
    let unknown = || Rejection::UnknownCall { id: call_id.to_owned() };
    let key = CallRef::parse(call_id).ok_or_else(unknown)?;
    let call = state.ops.calls.find(key).ok_or_else(unknown)?;
    if call.phase.open() { Ok((key, call)) } else { Err(Rejection::CallIsOver { id: call_id.to_owned() }) }
}

fn of_call(call: &Call, event: Event) -> Draft {
    Draft::new(event, call.realm, Some(call.area))
}

fn wrong_phase(call_id: &str, phase: CallPhase) -> Rejection {
    let phase = match phase {
        CallPhase::Summoned => "已征调 summoned",
        CallPhase::Acknowledged => "已知悉 acknowledged",
        CallPhase::Accepted => "已接受 accepted",
        CallPhase::OnPost => "在岗 on post",
        CallPhase::Recalled => "已召回 recalled",
        CallPhase::Released => "已解除 released",
    };
    Rejection::CallPhaseWrong { id: call_id.to_owned(), phase }
}

/// EDXL-RM: received, not yet answered. For an organization's call too.
pub(super) fn acknowledge(state: &State, body: &v1::AcknowledgeCall) -> Decision {
    if body.call_id.starts_with('o') {
        let (_, call) = organization_call(state, &body.call_id)?;
        if call.phase != OrganizationCallPhase::Called {
            return Ok(Vec::new());
        }
        let event = Event::OrganizationAcknowledged(v1::OrganizationAcknowledged { call_id: body.call_id.clone() });
        return Ok(vec![Draft::new(event, call.realm, Some(call.area))]);
    }
    let (_, call) = open_call(state, &body.call_id)?;
    if call.phase != CallPhase::Summoned {
        return Ok(Vec::new());
    }
    Ok(vec![of_call(call, Event::CallAcknowledged(v1::CallAcknowledged { call_id: body.call_id.clone() }))])
}

pub(super) fn accept(state: &State, body: &v1::AcceptCall) -> Decision {
    let (_, call) = open_call(state, &body.call_id)?;
    match call.phase {
        CallPhase::Summoned | CallPhase::Acknowledged => {}
        CallPhase::Accepted | CallPhase::OnPost => return Ok(Vec::new()),
        phase => return Err(wrong_phase(&body.call_id, phase)),
    }
    let event = Event::CallAccepted(v1::CallAccepted { call_id: body.call_id.clone(), estimated_arrival_ms: body.estimated_arrival_ms });
    Ok(vec![of_call(call, event)])
}

pub(super) fn decline(state: &State, body: &v1::DeclineCall) -> Decision {
    checks::short("reason", &body.reason)?;
    if body.call_id.starts_with('o') {
        let (_, call) = organization_call(state, &body.call_id)?;
        if call.phase >= OrganizationCallPhase::Nominated {
            return Err(Rejection::CallPhaseWrong { id: body.call_id.clone(), phase: "已派员 people named" });
        }
        let event =
            Event::OrganizationCallDeclined(v1::OrganizationCallDeclined { call_id: body.call_id.clone(), reason: body.reason.clone() });
        return Ok(vec![Draft::new(event, call.realm, Some(call.area))]);
    }
    let (_, call) = open_call(state, &body.call_id)?;
    if matches!(call.phase, CallPhase::OnPost | CallPhase::Recalled) {
        return Err(wrong_phase(&body.call_id, call.phase));
    }
    let event = Event::CallDeclined(v1::CallDeclined { call_id: body.call_id.clone(), reason: body.reason.clone() });
    Ok(vec![of_call(call, event)])
}

pub(super) fn recall(state: &State, body: &v1::RecallResponder) -> Decision {
    let (key, call) = open_call(state, &body.call_id)?;
    checks::short("reason", &body.reason)?;
    match call.phase {
        CallPhase::Recalled => Ok(Vec::new()),
        CallPhase::OnPost => {
            let event = Event::ResponderRecalled(v1::ResponderRecalled { call_id: body.call_id.clone(), reason: body.reason.clone() });
            Ok(vec![of_call(call, event)])
        }
        _ => Ok(vec![release(state, key, v1::ReleaseReason::Recalled, None)]),
    }
}

/// The one who takes over holds the duty at once; the seat is never empty in between.
pub(super) fn relieve(state: &State, now: &Now<'_>, body: &v1::RelieveResponder) -> Decision {
    let (key, call) = open_call(state, &body.call_id)?;
    // Whoever was told to come off is not replaced: the post is over.
    if call.phase == CallPhase::Recalled {
        return Err(wrong_phase(&body.call_id, call.phase));
    }
    if let Some(site) = call.site.filter(|site| state.ops.sites.get(*site).suspended) {
        return Err(Rejection::SiteSuspended { id: state.ops.sites.id(site).to_owned() });
    }
    let by = state.active_responder("by_responder_id", &body.by_responder_id)?;
    state.callable(by, now.recorded_at_ms)?;
    // Relief often comes after the end of the shift: then it stays until released.
    let until_ms = if call.until_ms > now.recorded_at_ms { call.until_ms } else { 0 };
    free(state, call.realm, by, now.recorded_at_ms, until_ms)?;
    let_go(state, now, by, "")?;
    let unit_id = call.unit.map(|unit| state.ops.units.id(unit).to_owned()).unwrap_or_default();
    if let (Some(incident), Some(unit)) = (call.incident, call.unit)
        && let Some(home) = state.ops.incidents.get(incident).home_units.get(&by)
        && *home != unit
    {
        return Err(Rejection::HomeUnitTaken { responder: body.by_responder_id.clone(), unit: state.ops.units.id(*home).to_owned() });
    }
    let site = call.site.map(|site| (state.ops.sites.id(site), state.ops.sites.get(site)));
    let whistle = call.whistle.map(|whistle| (state.ops.whistles.id(whistle), state.ops.whistles.get(whistle)));
    let summons = Summons {
        incident: call.incident,
        role: call.role,
        unit_id,
        site_id: site.map(|(id, _)| id.to_owned()).unwrap_or_default(),
        seat_id: site.zip(call.seat).map(|((_, site), seat)| site.seats[usize::from(seat)].id.to_string()).unwrap_or_default(),
        whistle_id: whistle.map(|(id, _)| id.to_owned()).unwrap_or_default(),
        need_id: whistle.zip(call.need).map(|((_, whistle), need)| whistle.needs[usize::from(need)].id.to_string()).unwrap_or_default(),
        plan_id: call.plan.map(|plan| state.base.plans.id(plan).to_owned()).unwrap_or_default(),
        tier: call.tier,
        reason: CallReason::Relief,
        from_ms: now.recorded_at_ms,
        until_ms,
        reply_due_ms: now.recorded_at_ms + limits::REPLY_LIMIT_MS,
        ..Summons::at(call.realm, call.area)
    };
    let mut drafts = vec![release(state, key, v1::ReleaseReason::Relieved, None)];
    summon(state, 0, by, summons, &mut drafts);
    Ok(drafts)
}

pub(super) fn declare_no_show(state: &State, body: &v1::DeclareNoShow) -> Decision {
    let (_, call) = open_call(state, &body.call_id)?;
    if matches!(call.phase, CallPhase::OnPost | CallPhase::Recalled) {
        return Err(wrong_phase(&body.call_id, call.phase));
    }
    // Nobody is absent from a post that everybody was called in from.
    if let Some(site) = call.site.filter(|site| state.ops.sites.get(*site).suspended) {
        return Err(Rejection::SiteSuspended { id: state.ops.sites.id(site).to_owned() });
    }
    Ok(vec![of_call(call, Event::NoShowDeclared(v1::NoShowDeclared { call_id: body.call_id.clone() }))])
}
