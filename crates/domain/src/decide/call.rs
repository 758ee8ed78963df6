//! Call 征调: to a person for one seat or need, to an organization for people.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, CallReason, DutyRole, NeedKind};

use super::{Decision, checks, moving};
use crate::execute::{Draft, Now};
use crate::ids::{AreaRef, CallRef, IncidentRef, OrganizationCallRef, RealmRef, ResponderRef, ShiftRef, SiteRef, UnitRef};
use crate::limits;
use crate::policy::summons::{Summons, office_taken_over, release, summon};
use crate::rejection::Rejection;
use crate::state::{Call, CallPhase, Floors, OrganizationCall, OrganizationCallPhase, SeatState, Site, State};

/// Where a call leads: the site's seat or the whistle's need, with what hangs on it.
pub(super) struct Target {
    pub(super) incident: Option<IncidentRef>,
    pub(super) realm: RealmRef,
    pub(super) area: AreaRef,
    pub(super) site_id: String,
    pub(super) seat_id: String,
    pub(super) whistle_id: String,
    pub(super) need_id: String,
    pub(super) life_threatening: bool,
}

/// A site that is open, in use and not being taken off.
pub(super) fn taking_on<'a>(state: &'a State, site_id: &str) -> Result<&'a Site, Rejection> {
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

pub(super) fn need_target(state: &State, whistle_id: &str, need_id: &str, kind: Option<NeedKind>) -> Result<Target, Rejection> {
    let key = state.open_whistle("whistle_id", whistle_id)?;
    let whistle = state.ops.whistles.get(key);
    let unknown = || Rejection::UnknownNeed { need: need_id.to_owned(), whistle: whistle_id.to_owned() };
    let need = whistle.needs.iter().find(|need| *need.id == *need_id).ok_or_else(unknown)?;
    if kind.is_some_and(|kind| kind != need.kind) {
        return Err(Rejection::NeedKindMismatch { need: need_id.to_owned() });
    }
    if need.confirmed {
        return Err(Rejection::PartIsConfirmed { need: need_id.to_owned() });
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

pub(super) fn free(state: &State, realm: RealmRef, responder: ResponderRef, from_ms: i64, until_ms: i64) -> Result<(), Rejection> {
    let Some(call) = state.ops.overlapping_duties(realm, responder, from_ms, until_ms).next() else { return Ok(()) };
    let incident = state.ops.calls.get(call).incident;
    Err(Rejection::ResponderAlreadyOnDuty {
        id: state.base.responders.id(responder).to_owned(),
        call: call.text(),
        incident: incident.map(|key| state.ops.incidents.id(key).to_owned()).unwrap_or_default(),
    })
}

/// Whoever is not rested is called only with a reason, and with the name and office of the one who gives it.
pub(super) fn rested(
    state: &State,
    now: &Now<'_>,
    realm: RealmRef,
    responder: ResponderRef,
    from_ms: i64,
    override_reason: &str,
) -> Result<Option<v1::RestOverride>, Rejection> {
    checks::short("rest_override_reason", override_reason)?;
    let Some(rested_at_ms) = state.rest_due(realm, responder, now.recorded_at_ms, from_ms) else { return Ok(None) };
    if override_reason.trim().is_empty() {
        return Err(Rejection::RestRequired { id: state.base.responders.id(responder).to_owned(), rested_at_ms });
    }
    if now.context.actor.trim().is_empty() {
        return Err(Rejection::FieldMissing { field: "context.actor" });
    }
    state.office_area(now)?;
    Ok(Some(v1::RestOverride {
        actor: now.context.actor.clone(),
        actor_office: now.context.actor_office.clone(),
        reason: override_reason.to_owned(),
        rested_at_ms,
    }))
}

/// The unit to join: standing, of the incident, able to act, and not against another home unit.
pub(super) fn joinable(
    state: &State,
    incident: Option<IncidentRef>,
    responder: ResponderRef,
    unit_id: &str,
) -> Result<Option<UnitRef>, Rejection> {
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
    home_is(state, key, responder)?;
    Ok(Some(key))
}

/// One home unit: whoever joins a unit has no other of the incident.
pub(super) fn home_is(state: &State, unit: UnitRef, responder: ResponderRef) -> Result<(), Rejection> {
    let homes = &state.ops.incidents.get(state.ops.units.get(unit).incident).home_units;
    match homes.get(&responder) {
        Some(home) if *home != unit => Err(Rejection::HomeUnitTaken {
            responder: state.base.responders.id(responder).to_owned(),
            unit: state.ops.units.id(*home).to_owned(),
        }),
        _ => Ok(()),
    }
}

/// When a duty begins: a moment that has passed, and none, are now, for whether somebody can come is asked as of the beginning. Where it has an
/// end, that comes after it.
pub(super) fn beginning(now: &Now<'_>, from_ms: i64, until_ms: i64) -> Result<i64, Rejection> {
    let from_ms = from_ms.max(now.recorded_at_ms);
    if until_ms != 0 && until_ms <= from_ms { Err(Rejection::PeriodInvalid {}) } else { Ok(from_ms) }
}

/// The open shift that a duty on a seat belongs to, and when the duty ends: who takes a seat of an open shift is called off with it.
pub(super) fn in_shift(state: &State, site: SiteRef, seat: &SeatState, from_ms: i64, until_ms: i64) -> (Option<ShiftRef>, i64) {
    let shift = state.shift_at(site, &seat.shift, from_ms);
    match shift {
        Some(key) if until_ms == 0 => (shift, state.ops.shifts.get(key).until_ms),
        _ => (shift, until_ms),
    }
}

pub(super) fn dispatch(state: &State, now: &Now<'_>, body: &v1::DispatchResponder) -> Decision {
    dispatch_among(state, now, body, None)
}

/// As [`dispatch`], for one of several who are called together: `floors` knows the others.
pub(super) fn dispatch_among<'a>(
    state: &'a State,
    now: &Now<'_>,
    body: &v1::DispatchResponder,
    floors: Option<&mut Floors<'a>>,
) -> Decision {
    let responder = state.responder("responder_id", &body.responder_id)?;
    let target = match (body.site_id.is_empty(), body.whistle_id.is_empty()) {
        (false, true) => seat_target(state, &body.site_id, &body.seat_id)?,
        (true, false) => need_target(state, &body.whistle_id, &body.need_id, Some(NeedKind::Person))?,
        _ => return Err(Rejection::TargetRequired {}),
    };
    let from_ms = beginning(now, body.from_ms, body.until_ms)?;
    // Before anything that tells how it stands with the person: of whom nobody let go nothing is told.
    moving::let_go(state, now, responder, &body.released_by_area_id, target.incident, target.area)?;
    let seat = state.ops.sites.find(&target.site_id).and_then(|key| {
        let site = state.ops.sites.get(key);
        Some((key, &site.seats[site.seat(&target.seat_id)?]))
    });
    let (shift, until_ms) = match seat {
        Some((site, seat)) => in_shift(state, site, seat, from_ms, body.until_ms),
        None => (None, body.until_ms),
    };
    state.callable(responder, now.recorded_at_ms, from_ms, until_ms)?;
    free(state, target.realm, responder, from_ms, until_ms)?;
    let rest_override = rested(state, now, target.realm, responder, from_ms, &body.rest_override_reason)?;
    joinable(state, target.incident, responder, &body.unit_id)?;
    if let Some(card) = &body.card {
        check_card(card)?;
    }
    // Last, for it is noted.
    let mut own = Floors::new(state, target.realm, now.recorded_at_ms);
    moving::leave(state, floors.unwrap_or(&mut own), responder, target.area)?;
    let summons = Summons {
        from_ms,
        until_ms,
        shift_id: shift.map(|key| state.ops.shifts.id(key).to_owned()).unwrap_or_default(),
        unit_id: body.unit_id.clone(),
        released_by_area_id: body.released_by_area_id.clone(),
        card: body.card.clone(),
        rest_override,
        ..to_target(&target, now, CallReason::Dispatched)
    };
    let mut drafts = Vec::with_capacity(2);
    summon(state, 0, responder, summons, &mut drafts);
    // 跨区增援: the donor sees where its person goes.
    let office = state.office_area(now)?;
    if let (Some(draft), Some(home)) = (drafts.last_mut(), state.base.home_of(responder))
        && (!body.released_by_area_id.is_empty() || !state.base.within(home, office))
    {
        draft.other_area_ids.push(state.base.areas.id(home).to_owned());
    }
    Ok(drafts)
}

pub(super) fn check_card(card: &v1::PostCard) -> Result<(), Rejection> {
    if !card.card_key.is_empty() {
        return Err(Rejection::FieldInvalid {
            field: "card.card_key",
            reason_zh: "编号只用于预案中的说明书",
            reason_en: "a key is for a plan's cards",
        });
    }
    checks::short("card.where", &card.r#where)?;
    checks::short("card.report_to", &card.report_to)?;
    checks::long("card.task", &card.task)?;
    checks::short("card.bring", &card.bring)?;
    checks::short("card.until", &card.until)
}

pub(super) fn to_target(target: &Target, now: &Now<'_>, reason: CallReason) -> Summons {
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
    if body.lead {
        lead_is_free(state, &body.site_id, &body.whistle_id)?;
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
        lead: body.lead,
    });
    let mut draft = Draft::new(event, target.realm, Some(target.area));
    draft.other_area_ids.extend(state.base.organizations.get(organization).area.map(|key| state.base.areas.id(key).to_owned()));
    Ok(vec![draft])
}

/// 牵头单位: one for a whistle or site. Who declined leads nobody.
fn lead_is_free(state: &State, site_id: &str, whistle_id: &str) -> Result<(), Rejection> {
    let of_site = state.ops.sites.find(site_id).map(|key| &state.ops.sites.get(key).organization_calls);
    let of_whistle = state.ops.whistles.find(whistle_id).map(|key| &state.ops.whistles.get(key).organization_calls);
    let mut open = of_site.into_iter().chain(of_whistle).flatten();
    match open.find(|key| state.ops.organization_calls.get(**key).lead) {
        Some(key) => {
            let leading = state.ops.organization_calls.get(*key).organization;
            Err(Rejection::LeadTaken { organization: state.base.organizations.id(leading).to_owned(), call: key.text() })
        }
        None => Ok(()),
    }
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
        let need = call.need.map(|need| &state.ops.whistles.get(whistle).needs[usize::from(need)]);
        if let Some(need) = need.filter(|need| need.confirmed) {
            return Err(Rejection::PartIsConfirmed { need: need.id.to_string() });
        }
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
        state.callable(responder, now.recorded_at_ms, now.recorded_at_ms, 0)?;
        free(state, call.realm, responder, now.recorded_at_ms, 0)?;
        rested(state, now, call.realm, responder, now.recorded_at_ms, "")?;
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

pub(super) fn open_call<'a>(state: &'a State, call_id: &str) -> Result<(CallRef, &'a Call), Rejection> {
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

pub(super) fn wrong_phase(call_id: &str, phase: CallPhase) -> Rejection {
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

/// 事不完、人不撤: before the blowing side has confirmed the part, others take its people off with a ground only.
pub(super) fn may_come_off(state: &State, now: &Now<'_>, call: &Call) -> Result<(), Rejection> {
    let Some((key, need)) = call.whistle.zip(call.need) else { return Ok(()) };
    let whistle = state.ops.whistles.get(key);
    let need = &whistle.needs[usize::from(need)];
    let blowing = || state.office_area(now).is_ok_and(|office| state.base.within(whistle.area, office));
    if need.confirmed || !whistle.phase.open() || checks::grounded(now.context) || blowing() {
        return Ok(());
    }
    Err(Rejection::PartNotConfirmed {
        whistle: state.ops.whistles.id(key).to_owned(),
        need: need.id.to_string(),
        area: state.base.areas.id(whistle.area).to_owned(),
    })
}

pub(super) fn recall(state: &State, now: &Now<'_>, body: &v1::RecallResponder) -> Decision {
    let (key, call) = open_call(state, &body.call_id)?;
    checks::short("reason", &body.reason)?;
    may_come_off(state, now, call)?;
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
    let by = state.responder("by_responder_id", &body.by_responder_id)?;
    moving::let_go(state, now, by, "", call.incident, call.area)?;
    // Who takes over from somebody whose duty has not begun begins with it.
    let from_ms = now.recorded_at_ms.max(call.from_ms);
    // Relief often comes after the end of the shift: then it stays until released.
    let mut until_ms = if call.until_ms > now.recorded_at_ms { call.until_ms } else { 0 };
    let seat = state.ops.seat_of(call);
    // Somebody is called to follow on the seat: until then, and no longer.
    if let Some((seat, next)) = seat.and_then(|seat| seat.relief.filter(|next| *next != key).map(|next| (seat, next))) {
        let next_from_ms = state.ops.calls.get(next).from_ms;
        if next_from_ms <= from_ms {
            return Err(Rejection::SeatTaken { seat: seat.id.to_string(), call: next.text() });
        }
        until_ms = if until_ms == 0 { next_from_ms } else { until_ms.min(next_from_ms) };
    }
    state.callable(by, now.recorded_at_ms, from_ms, until_ms)?;
    free(state, call.realm, by, from_ms, until_ms)?;
    let rest_override = rested(state, now, call.realm, by, from_ms, &body.rest_override_reason)?;
    moving::leave(state, &mut Floors::new(state, call.realm, now.recorded_at_ms), by, call.area)?;
    let unit_id = call.unit.map(|unit| state.ops.units.id(unit).to_owned()).unwrap_or_default();
    if let Some(unit) = call.unit {
        home_is(state, unit, by)?;
    }
    let site = call.site.map(|site| (state.ops.sites.id(site), state.ops.sites.get(site)));
    let whistle = call.whistle.map(|whistle| (state.ops.whistles.id(whistle), state.ops.whistles.get(whistle)));
    let (card_key, plan_version) = crate::policy::card_of(state, call).unwrap_or_default();
    let summons = Summons {
        incident: call.incident,
        role: call.role,
        unit_id,
        site_id: site.map(|(id, _)| id.to_owned()).unwrap_or_default(),
        seat_id: call.seat.as_deref().unwrap_or_default().to_owned(),
        whistle_id: whistle.map(|(id, _)| id.to_owned()).unwrap_or_default(),
        need_id: whistle.zip(call.need).map(|((_, whistle), need)| whistle.needs[usize::from(need)].id.to_string()).unwrap_or_default(),
        plan_id: call.plan.map(|plan| state.base.plans.id(plan).to_owned()).unwrap_or_default(),
        card_key,
        plan_version,
        tier: call.tier,
        reason: CallReason::Relief,
        shift_id: call.shift.map(|key| state.ops.shifts.id(key).to_owned()).unwrap_or_default(),
        rest_override,
        from_ms,
        until_ms,
        reply_due_ms: now.recorded_at_ms + limits::REPLY_LIMIT_MS,
        ..Summons::at(call.realm, call.area)
    };
    let mut drafts = vec![release(state, key, v1::ReleaseReason::Relieved, None)];
    summon(state, 0, by, summons, &mut drafts);
    drafts.extend(office_taken_over(state, call, &body.by_responder_id));
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
