//! Whistle 哨: blown, acknowledged, met, and ended by the side that blew it; never lost.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, Certainty, NeedKind, Rating, Severity, Urgency};

use super::{Decision, checks};
use crate::execute::{Draft, Now};
use crate::ids::WhistleRef;
use crate::limits;
use crate::rejection::Rejection;
use crate::state::{State, Whistle, WhistlePhase};

/// How long a whistle may wait for an acknowledgement at one level.
pub(crate) fn acknowledge_limit_ms(severity: Severity, life_threatening: bool) -> i64 {
    match severity {
        _ if life_threatening => limits::ACKNOWLEDGE_LIMIT_LIFE_MS,
        Severity::Extreme | Severity::Severe => limits::ACKNOWLEDGE_LIMIT_SEVERE_MS,
        _ => limits::ACKNOWLEDGE_LIMIT_MS,
    }
}

pub(super) fn blow(state: &State, now: &Now<'_>, body: &v1::BlowWhistle) -> Decision {
    checks::id("whistle_id", &body.whistle_id)?;
    checks::unused("whistle_id", &body.whistle_id, state.ops.whistles.find(&body.whistle_id))?;
    let area = state.area("area_id", &body.area_id)?;
    let realm = if body.incident_id.is_empty() {
        state.ops.actual()
    } else {
        let incident = state.ops.incidents.get(state.open_incident(&body.incident_id)?);
        if !state.base.within(area, incident.area) {
            return Err(Rejection::OutsideIncident { area: body.area_id.clone(), incident: body.incident_id.clone() });
        }
        incident.realm
    };
    let severity: Severity = checks::set("severity", body.severity)?;
    checks::known::<Urgency>("urgency", body.urgency)?;
    checks::known::<Certainty>("certainty", body.certainty)?;
    checks::short("place", &body.place)?;
    checks::long("text", &body.text)?;
    check_needs(&body.needs)?;
    let event = Event::WhistleBlown(v1::WhistleBlown {
        whistle_id: body.whistle_id.clone(),
        incident_id: body.incident_id.clone(),
        area_id: body.area_id.clone(),
        severity: body.severity,
        urgency: body.urgency,
        certainty: body.certainty,
        life_threatening: body.life_threatening,
        place: body.place.clone(),
        text: body.text.clone(),
        needs: body.needs.clone(),
        acknowledge_due_ms: now.recorded_at_ms + acknowledge_limit_ms(severity, body.life_threatening),
    });
    Ok(vec![Draft::new(event, realm, Some(area))])
}

fn check_needs(needs: &[v1::Need]) -> Result<(), Rejection> {
    if needs.is_empty() {
        return Err(Rejection::FieldMissing { field: "needs" });
    }
    checks::at_most("needs", needs.len(), limits::NEEDS_MAX)?;
    let mut ids = BTreeSet::new();
    for need in needs {
        checks::id("needs.need_id", &need.need_id)?;
        if !ids.insert(&need.need_id) {
            return Err(Rejection::AlreadyExists { field: "needs.need_id", id: need.need_id.clone() });
        }
        let kind: NeedKind = checks::set("needs.kind", need.kind)?;
        if need.quantity == 0 {
            return Err(Rejection::FieldMissing { field: "needs.quantity" });
        }
        if need.quantity > limits::NEED_QUANTITY_MAX {
            return Err(Rejection::FieldInvalid {
                field: "needs.quantity", reason_zh: "数量过大", reason_en: "the quantity is too large"
            });
        }
        if matches!(kind, NeedKind::Equipment | NeedKind::Supply) {
            checks::name("needs.item", &need.item)?;
        }
        checks::short("needs.item", &need.item)?;
        checks::short("needs.unit", &need.unit)?;
        checks::short("needs.specialty", &need.specialty)?;
    }
    Ok(())
}

fn of_whistle(whistle: &Whistle, event: Event) -> Draft {
    Draft::new(event, whistle.realm, Some(whistle.area))
}

/// The area that is responsible now, or one above it.
pub(super) fn acknowledge(state: &State, now: &Now<'_>, body: &v1::AcknowledgeWhistle) -> Decision {
    let key = state.open_whistle("whistle_id", &body.whistle_id)?;
    let whistle = state.ops.whistles.get(key);
    let office = state.authority_over(now, whistle.responsible)?;
    if whistle.acknowledged {
        return Ok(Vec::new());
    }
    let event = Event::WhistleAcknowledged(v1::WhistleAcknowledged {
        whistle_id: body.whistle_id.clone(),
        by_area_id: state.base.areas.id(office).to_owned(),
    });
    Ok(vec![of_whistle(whistle, event)])
}

/// One level up by hand: by the blowing side, or by whoever has the responsibility.
pub(super) fn escalate(state: &State, now: &Now<'_>, body: &v1::EscalateWhistle) -> Decision {
    let key = state.open_whistle("whistle_id", &body.whistle_id)?;
    let whistle = state.ops.whistles.get(key);
    state.authority_over(now, whistle.area)?;
    checks::short("reason", &body.reason)?;
    escalated(state, key, now.recorded_at_ms, &body.reason)
        .map(|draft| vec![draft])
        .ok_or_else(|| Rejection::WhistleAtTop { id: body.whistle_id.clone() })
}

/// The step one level up, if there is one.
pub(crate) fn escalated(state: &State, key: WhistleRef, now_ms: i64, reason: &str) -> Option<Draft> {
    let whistle = state.ops.whistles.get(key);
    let above = state.base.areas.get(whistle.responsible).parent?;
    let event = Event::WhistleEscalated(v1::WhistleEscalated {
        whistle_id: state.ops.whistles.id(key).to_owned(),
        from_area_id: state.base.areas.id(whistle.responsible).to_owned(),
        to_area_id: state.base.areas.id(above).to_owned(),
        acknowledge_due_ms: now_ms + acknowledge_limit_ms(whistle.severity, whistle.life_threatening),
        reason: reason.to_owned(),
    });
    Some(of_whistle(whistle, event))
}

pub(super) fn merge(state: &State, now: &Now<'_>, body: &v1::MergeWhistles) -> Decision {
    let key = state.open_whistle("whistle_id", &body.whistle_id)?;
    let into = state.open_whistle("into_whistle_id", &body.into_whistle_id)?;
    if key == into {
        return Err(Rejection::MergeIntoItself {});
    }
    let (whistle, target) = (state.ops.whistles.get(key), state.ops.whistles.get(into));
    if whistle.realm != target.realm {
        return Err(Rejection::MergeAcrossRealms {});
    }
    state.authority_over(now, whistle.area)?;
    if let Some(call) = whistle.needs.iter().find_map(|need| need.calls.first()) {
        return Err(Rejection::WhistleHasDuties { id: body.whistle_id.clone(), call: call.text() });
    }
    let event =
        Event::WhistlesMerged(v1::WhistlesMerged { whistle_id: body.whistle_id.clone(), into_whistle_id: body.into_whistle_id.clone() });
    let mut draft = of_whistle(whistle, event);
    draft.other_area_ids.push(state.base.areas.id(target.area).to_owned());
    Ok(vec![draft])
}

pub(super) fn fulfil(state: &State, body: &v1::FulfilNeed) -> Decision {
    let key = state.open_whistle("whistle_id", &body.whistle_id)?;
    let whistle = state.ops.whistles.get(key);
    let need = whistle
        .needs
        .iter()
        .find(|need| *need.id == *body.need_id)
        .ok_or_else(|| Rejection::UnknownNeed { need: body.need_id.clone(), whistle: body.whistle_id.clone() })?;
    if body.quantity == 0 {
        return Err(Rejection::FieldMissing { field: "quantity" });
    }
    if need.confirmed {
        return Err(Rejection::PartIsConfirmed { need: body.need_id.clone() });
    }
    if need.fulfilled >= need.quantity {
        return Err(Rejection::NeedIsMet { need: body.need_id.clone() });
    }
    if !body.organization_id.is_empty() {
        state.organization("organization_id", &body.organization_id)?;
    }
    checks::short("note", &body.note)?;
    let event = Event::NeedFulfilled(v1::NeedFulfilled {
        whistle_id: body.whistle_id.clone(),
        need_id: body.need_id.clone(),
        quantity: body.quantity,
        organization_id: body.organization_id.clone(),
        note: body.note.clone(),
    });
    Ok(vec![of_whistle(whistle, event)])
}

/// Only the side that blew it, or its superior on its behalf, says that a whistle is over: 事不完、人不撤.
fn blowing_side<'a>(state: &'a State, now: &Now<'_>, whistle_id: &str) -> Result<&'a Whistle, Rejection> {
    let key = state.any_whistle("whistle_id", whistle_id)?;
    let whistle = state.ops.whistles.get(key);
    let office = state.office_area(now)?;
    if !state.base.within(whistle.area, office) {
        return Err(Rejection::NotTheBlowingSide {
            office: state.base.areas.id(office).to_owned(),
            area: state.base.areas.id(whistle.area).to_owned(),
        });
    }
    Ok(whistle)
}

/// 事不完、人不撤: a part ends when the blowing side says so, met or not.
pub(super) fn confirm_part(state: &State, now: &Now<'_>, body: &v1::ConfirmPart) -> Decision {
    let whistle = blowing_side(state, now, &body.whistle_id)?;
    still_open(whistle, &body.whistle_id)?;
    let unknown = || Rejection::UnknownNeed { need: body.need_id.clone(), whistle: body.whistle_id.clone() };
    let need = whistle.needs.iter().find(|need| *need.id == *body.need_id).ok_or_else(unknown)?;
    checks::short("note", &body.note)?;
    if need.confirmed {
        return Ok(Vec::new());
    }
    let event = Event::PartConfirmed(v1::PartConfirmed {
        whistle_id: body.whistle_id.clone(),
        need_id: body.need_id.clone(),
        by_area_id: state.base.areas.id(state.office_area(now)?).to_owned(),
        note: body.note.clone(),
    });
    Ok(vec![of_whistle(whistle, event)])
}

fn still_open(whistle: &Whistle, whistle_id: &str) -> Result<(), Rejection> {
    if whistle.phase.open() { Ok(()) } else { Err(Rejection::WhistleEnded { id: whistle_id.to_owned() }) }
}

pub(super) fn resolve(state: &State, now: &Now<'_>, body: &v1::ResolveWhistle) -> Decision {
    let whistle = blowing_side(state, now, &body.whistle_id)?;
    still_open(whistle, &body.whistle_id)?;
    checks::short("note", &body.note)?;
    let by_area_id = state.base.areas.id(state.office_area(now)?).to_owned();
    let open = whistle.needs.iter().filter(|need| !need.confirmed).map(|need| {
        Event::PartConfirmed(v1::PartConfirmed {
            whistle_id: body.whistle_id.clone(),
            need_id: need.id.to_string(),
            by_area_id: by_area_id.clone(),
            note: String::new(),
        })
    });
    let resolved = Event::WhistleResolved(v1::WhistleResolved { whistle_id: body.whistle_id.clone(), note: body.note.clone() });
    Ok(open.chain([resolved]).map(|event| of_whistle(whistle, event)).collect())
}

pub(super) fn withdraw(state: &State, now: &Now<'_>, body: &v1::WithdrawWhistle) -> Decision {
    let whistle = blowing_side(state, now, &body.whistle_id)?;
    still_open(whistle, &body.whistle_id)?;
    checks::short("reason", &body.reason)?;
    let event = Event::WhistleWithdrawn(v1::WhistleWithdrawn { whistle_id: body.whistle_id.clone(), reason: body.reason.clone() });
    Ok(vec![of_whistle(whistle, event)])
}

/// By the blowing area's own office, not by one above.
pub(super) fn rate(state: &State, now: &Now<'_>, body: &v1::RateWhistle) -> Decision {
    let whistle = blowing_side(state, now, &body.whistle_id)?;
    let office = state.office_area(now)?;
    if office != whistle.area {
        return Err(Rejection::NotTheBlowingSide {
            office: state.base.areas.id(office).to_owned(),
            area: state.base.areas.id(whistle.area).to_owned(),
        });
    }
    if whistle.phase != WhistlePhase::Resolved {
        return Err(Rejection::WhistleNotEnded { id: body.whistle_id.clone() });
    }
    if whistle.rated {
        return Err(Rejection::WhistleAlreadyRated { id: body.whistle_id.clone() });
    }
    checks::set::<Rating>("rating", body.rating)?;
    checks::short("note", &body.note)?;
    let event = Event::WhistleRated(v1::WhistleRated { whistle_id: body.whistle_id.clone(), rating: body.rating, note: body.note.clone() });
    Ok(vec![of_whistle(whistle, event)])
}
