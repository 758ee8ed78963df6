//! The one way in which a person gets a duty or loses it: used by commands and policies alike.

use muster_proto::Event;
use muster_proto::v1::{self, CallReason, DutyRole, ReleaseReason, ResponseLevel};

use crate::execute::Draft;
use crate::ids::{AreaRef, CallRef, IncidentRef, RealmRef, ResponderRef};
use crate::state::{Call, Incident, State};
use crate::words;

/// What a call says, apart from whom it is for.
#[derive(Clone, Debug)]
pub(crate) struct Summons {
    pub(crate) incident: Option<IncidentRef>,
    pub(crate) realm: RealmRef,
    pub(crate) area: AreaRef,
    pub(crate) role: DutyRole,
    pub(crate) unit_id: String,
    pub(crate) site_id: String,
    pub(crate) seat_id: String,
    pub(crate) whistle_id: String,
    pub(crate) need_id: String,
    pub(crate) plan_id: String,
    /// A card of the plan; without it the call carries one of its own.
    pub(crate) card_key: String,
    pub(crate) plan_version: u32,
    pub(crate) card: Option<v1::PostCard>,
    /// The post's place in words, where the site is opened by the same answer.
    pub(crate) place: String,
    pub(crate) tier: ResponseLevel,
    pub(crate) reason: CallReason,
    pub(crate) from_ms: i64,
    pub(crate) until_ms: i64,
    pub(crate) reply_due_ms: i64,
    pub(crate) organization_call_id: String,
    pub(crate) released_by_area_id: String,
    pub(crate) shift_id: String,
    pub(crate) rest_override: Option<v1::RestOverride>,
}

impl Summons {
    /// An otherwise empty summons to an area.
    pub(crate) fn at(realm: RealmRef, area: AreaRef) -> Self {
        Self {
            incident: None,
            realm,
            area,
            role: DutyRole::Member,
            unit_id: String::new(),
            site_id: String::new(),
            seat_id: String::new(),
            whistle_id: String::new(),
            need_id: String::new(),
            plan_id: String::new(),
            card_key: String::new(),
            plan_version: 0,
            card: None,
            place: String::new(),
            tier: ResponseLevel::Unspecified,
            reason: CallReason::Unspecified,
            from_ms: 0,
            until_ms: 0,
            reply_due_ms: 0,
            organization_call_id: String::new(),
            released_by_area_id: String::new(),
            shift_id: String::new(),
            rest_override: None,
        }
    }
}

/// The facts of calling a person: off standby, then called. `ahead` counts the calls that the same answer makes before.
pub(crate) fn summon(state: &State, ahead: usize, responder: ResponderRef, summons: Summons, drafts: &mut Vec<Draft>) {
    let responder_id = state.base.responders.id(responder);
    let incident_id = summons.incident.map(|key| state.ops.incidents.id(key).to_owned()).unwrap_or_default();
    let stood_by = summons.incident.filter(|key| state.ops.incidents.get(*key).standby.contains_key(&responder));
    drafts.extend(stood_by.map(|key| off_standby(state, key, responder, summons.area)));
    let card = if summons.card_key.is_empty() { Some(card(state, &summons)) } else { None };
    let event = Event::ResponderCalled(v1::ResponderCalled {
        call_id: state.ops.calls.upcoming(ahead).text(),
        responder_id: responder_id.to_owned(),
        incident_id,
        role: summons.role.into(),
        unit_id: summons.unit_id,
        site_id: summons.site_id,
        seat_id: summons.seat_id,
        whistle_id: summons.whistle_id,
        need_id: summons.need_id,
        area_id: state.base.areas.id(summons.area).to_owned(),
        tier: summons.tier.into(),
        reason: summons.reason.into(),
        from_ms: summons.from_ms,
        until_ms: summons.until_ms,
        reply_due_ms: summons.reply_due_ms,
        plan_id: summons.plan_id,
        card_key: summons.card_key,
        organization_call_id: summons.organization_call_id,
        released_by_area_id: summons.released_by_area_id,
        plan_version: summons.plan_version,
        card,
        shift_id: summons.shift_id,
        rest_override: summons.rest_override,
        // A decided line of a fill proposal puts its ids in.
        fill_proposal_id: String::new(),
        fill_line_id: String::new(),
    });
    drafts.push(Draft::new(event, summons.realm, Some(summons.area)));
}

/// 岗位说明书 as it was given, else what can be said without one: where, to whom, until when.
fn card(state: &State, summons: &Summons) -> v1::PostCard {
    if let Some(card) = &summons.card {
        return card.clone();
    }
    let site = state.ops.sites.find(&summons.site_id).map(|key| &*state.ops.sites.get(key).name);
    let whistle = state.ops.whistles.find(&summons.whistle_id).map(|key| &*state.ops.whistles.get(key).place);
    let area = &*state.base.areas.get(summons.area).name;
    let place = [site, whistle, Some(&*summons.place)].into_iter().flatten().find(|place| !place.is_empty());
    v1::PostCard {
        r#where: place.map_or_else(|| area.to_owned(), |place| format!("{area} {place}")),
        report_to: area.to_owned(),
        until: if summons.until_ms == 0 { "直至解除 until released".to_owned() } else { words::utc(summons.until_ms) },
        ..Default::default()
    }
}

/// The office in a unit that comes with a role.
pub(crate) fn office(role: DutyRole, unit_id: String, responder_id: &str, document_no: String) -> Option<Event> {
    let responder_id = responder_id.to_owned();
    match role {
        DutyRole::Secretary => Some(Event::SecretaryAppointed(v1::SecretaryAppointed { unit_id, responder_id, document_no })),
        DutyRole::Organizer => Some(Event::OrganizerAppointed(v1::OrganizerAppointed { unit_id, responder_id, document_no })),
        _ => None,
    }
}

/// Who takes over a plan's post takes over the office in its unit that came with it, if nobody else was appointed meanwhile.
pub(crate) fn office_taken_over(state: &State, call: &Call, by_responder_id: &str) -> Option<Draft> {
    let (plan, unit_key) = call.plan.zip(call.unit)?;
    let unit = state.ops.units.get(unit_key);
    let conversion = state.ops.incidents.get(call.incident?).conversions.get(&plan)?;
    let holder = if call.role == DutyRole::Secretary { unit.secretary } else { unit.organizer };
    if holder != Some(call.responder) {
        return None;
    }
    let document_no = format!("{}@{}", state.base.plans.id(plan), conversion.version);
    let event = office(call.role, state.ops.units.id(unit_key).to_owned(), by_responder_id, document_no)?;
    Some(Draft::new(event, call.realm, Some(call.area)))
}

/// The fact that a duty ends.
pub(crate) fn release(state: &State, key: CallRef, reason: ReleaseReason, taken_by: Option<IncidentRef>) -> Draft {
    let call = state.ops.calls.get(key);
    let event = Event::DutyReleased(v1::DutyReleased {
        call_id: key.text(),
        responder_id: state.base.responders.id(call.responder).to_owned(),
        reason: reason.into(),
        other_incident_id: taken_by.map(|key| state.ops.incidents.id(key).to_owned()).unwrap_or_default(),
    });
    Draft::new(event, call.realm, Some(call.area))
}

/// The fact that somebody stands by for an incident no more.
pub(crate) fn off_standby(state: &State, incident: IncidentRef, responder: ResponderRef, area: AreaRef) -> Draft {
    let event = Event::StandbyEnded(v1::StandbyEnded {
        incident_id: state.ops.incidents.id(incident).to_owned(),
        responder_id: state.base.responders.id(responder).to_owned(),
    });
    Draft::new(event, state.ops.incidents.get(incident).realm, Some(area))
}

/// On post: told to come off, the duty ends with the check-out. Otherwise it ends now. Nothing for who was told before.
pub(crate) fn call_off(state: &State, key: CallRef, reason: ReleaseReason, words: &str) -> Option<Draft> {
    use crate::state::CallPhase;
    let call = state.ops.calls.get(key);
    match call.phase {
        CallPhase::Recalled | CallPhase::Released => None,
        CallPhase::OnPost => {
            let event = Event::ResponderRecalled(v1::ResponderRecalled { call_id: key.text(), reason: words.to_owned() });
            Some(Draft::new(event, call.realm, Some(call.area)))
        }
        _ => Some(release(state, key, reason, None)),
    }
}

/// Whether an incident may take a person from another: by severity, then grade; between equals the first keeps.
pub(crate) fn outranks(state: &State, (key, claimant): (IncidentRef, &Incident), holder: Option<IncidentRef>) -> bool {
    let rank = |incident: &Incident| (i32::from(incident.severity), i32::from(incident.grade));
    holder.is_some_and(|holder| holder != key && rank(claimant) > rank(state.ops.incidents.get(holder)))
}
