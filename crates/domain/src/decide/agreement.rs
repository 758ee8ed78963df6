//! Agreement 边界联建协议: signed by every side, invoked for an incident with a joint committee, ended.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, AgreementScope, UnitKind};

use super::area::peacetime;
use super::{Decision, checks, unit};
use crate::execute::{Draft, Now};
use crate::ids::{AgreementRef, AreaRef};
use crate::limits;
use crate::rejection::Rejection;
use crate::state::{Agreement, Side, State};

/// Two to eight sides, at least one of them in the tree, none named twice and none within another.
fn check_sides(state: &State, sides: &[v1::AgreementSide]) -> Result<(), Rejection> {
    let invalid = |reason_zh, reason_en| Rejection::FieldInvalid { field: "sides", reason_zh, reason_en };
    if sides.len() < 2 {
        return Err(invalid("协议至少有两方", "an agreement has at least two sides"));
    }
    checks::at_most("sides", sides.len(), limits::AGREEMENT_SIDES_MAX)?;
    let (mut areas, mut codes) = (Vec::new(), BTreeSet::new());
    for side in sides {
        match (side.area_id.is_empty(), side.external_code.is_empty()) {
            (false, true) => {
                let area = state.area("sides.area_id", &side.area_id)?;
                let nested = |other: &AreaRef| state.base.within(area, *other) || state.base.within(*other, area);
                if areas.iter().any(nested) {
                    return Err(invalid("各方不能重复，也不能一方属于另一方", "no side stands twice or lies within another"));
                }
                areas.push(area);
            }
            (true, false) => {
                checks::label_text("sides.external_code", &side.external_code)?;
                checks::name("sides.external_name", &side.external_name)?;
                if !codes.insert(&side.external_code) {
                    return Err(Rejection::AlreadyExists { field: "sides.external_code", id: side.external_code.clone() });
                }
            }
            _ => {
                return Err(invalid(
                    "每一方须为本市辖区（area_id）或市外代码（external_code）之一",
                    "each side is either an area (area_id) or a code outside the tree (external_code)",
                ));
            }
        }
    }
    if areas.is_empty() { Err(invalid("至少一方须为本市辖区", "at least one side is an area of the tree")) } else { Ok(()) }
}

fn check_text(state: &State, body: &v1::SignAgreement) -> Result<(), Rejection> {
    checks::name("name", &body.name)?;
    checks::name("joint_committee_name", &body.joint_committee_name)?;
    if body.shared.is_empty() {
        return Err(Rejection::FieldMissing { field: "shared" });
    }
    let mut scopes = BTreeSet::new();
    for scope in &body.shared {
        checks::set::<AgreementScope>("shared", *scope)?;
        if !scopes.insert(*scope) {
            return Err(Rejection::FieldInvalid { field: "shared", reason_zh: "共享内容重复", reason_en: "a scope stands twice" });
        }
    }
    check_sides(state, &body.sides)
}

/// The first field in which a later signature says something else than the first.
fn differs(state: &State, known: &Agreement, body: &v1::SignAgreement) -> Option<&'static str> {
    let same_side = |(side, said): (&Side, &v1::AgreementSide)| {
        let area_id = side.area.map(|key| state.base.areas.id(key)).unwrap_or_default();
        area_id == said.area_id && *side.external_code == *said.external_code && *side.external_name == *said.external_name
    };
    let same_sides = known.sides.len() == body.sides.len() && known.sides.iter().zip(&body.sides).all(same_side);
    let same_scopes =
        known.shared.len() == body.shared.len() && known.shared.iter().zip(&body.shared).all(|(known, said)| i32::from(*known) == *said);
    [
        ("name", *known.name == *body.name),
        ("sides", same_sides),
        ("shared", same_scopes),
        ("joint_committee_name", *known.joint_committee == *body.joint_committee_name),
    ]
    .into_iter()
    .find(|(_, same)| !same)
    .map(|(field, _)| field)
}

/// An agreement that has not ended.
fn standing<'a>(state: &'a State, id: &str) -> Result<(AgreementRef, &'a Agreement), Rejection> {
    if id.is_empty() {
        return Err(Rejection::FieldMissing { field: "agreement_id" });
    }
    let key = state.base.agreements.find(id).ok_or_else(|| Rejection::UnknownAgreement { id: id.to_owned() })?;
    let agreement = state.base.agreements.get(key);
    if agreement.ended { Err(Rejection::AgreementIsEnded { id: id.to_owned() }) } else { Ok((key, agreement)) }
}

/// The sides that the office is, or stands above.
fn sides_of_office(state: &State, now: &Now<'_>, areas: impl Iterator<Item = AreaRef>) -> Result<Vec<AreaRef>, Rejection> {
    let office = state.office_area(now)?;
    Ok(areas.filter(|side| state.base.within(*side, office)).collect())
}

/// An office that is none of the sides.
fn no_side(state: &State, now: &Now<'_>, agreement_id: &str) -> Rejection {
    let office = state.office_area(now).map(|key| state.base.areas.id(key).to_owned()).unwrap_or_default();
    Rejection::NotASide { id: office, agreement: agreement_id.to_owned() }
}

/// A fact of an agreement takes effect in one side and concerns the others.
fn of_sides(state: &State, event: Event, at: AreaRef, areas: impl Iterator<Item = AreaRef>) -> Draft {
    let mut draft = peacetime(state, event, Some(at));
    draft.other_area_ids.extend(areas.filter(|side| *side != at).map(|side| state.base.areas.id(side).to_owned()));
    draft
}

pub(super) fn sign(state: &State, now: &Now<'_>, body: &v1::SignAgreement) -> Decision {
    checks::id("agreement_id", &body.agreement_id)?;
    let known = match state.base.agreements.find(&body.agreement_id) {
        Some(_) => Some(standing(state, &body.agreement_id)?.1),
        None => None,
    };
    check_text(state, body)?;
    checks::name("document_no", &body.document_no)?;
    if let Some(field) = known.and_then(|known| differs(state, known, body)) {
        return Err(Rejection::AgreementTextDiffers { field, id: body.agreement_id.clone() });
    }
    if body.area_id.is_empty() == body.external_code.is_empty() {
        return Err(Rejection::FieldMissing { field: "area_id" });
    }
    let signer = body.sides.iter().position(|side| side.area_id == body.area_id && side.external_code == body.external_code);
    let not_a_side = || Rejection::NotASide { id: format!("{}{}", body.area_id, body.external_code), agreement: body.agreement_id.clone() };
    let signer = signer.ok_or_else(not_a_side)?;
    let areas: Vec<_> = body.sides.iter().filter_map(|side| state.base.areas.find(&side.area_id)).collect();
    let at = match state.base.areas.find(&body.area_id) {
        Some(area) => {
            state.authority_over(now, area)?;
            area
        }
        // Whoever has the other side's document signs for it, and is a side too.
        None => {
            let own = sides_of_office(state, now, areas.iter().copied())?;
            *own.first().ok_or_else(|| no_side(state, now, &body.agreement_id))?
        }
    };
    if let Some(signed) = known.map(|known| &known.sides[signer].document_no).filter(|signed| !signed.is_empty()) {
        return if **signed == *body.document_no {
            Ok(Vec::new())
        } else {
            Err(Rejection::AgreementIsSigned { id: body.agreement_id.clone(), document_no: signed.to_string() })
        };
    }
    let event = Event::AgreementSigned(v1::AgreementSigned {
        agreement_id: body.agreement_id.clone(),
        name: body.name.clone(),
        area_id: body.area_id.clone(),
        external_code: body.external_code.clone(),
        sides: body.sides.clone(),
        shared: body.shared.clone(),
        joint_committee_name: body.joint_committee_name.clone(),
        document_no: body.document_no.clone(),
    });
    let mut drafts = vec![of_sides(state, event, at, areas.iter().copied())];
    let others_signed =
        |known: &Agreement| known.sides.iter().enumerate().all(|(place, side)| place == signer || !side.document_no.is_empty());
    if known.is_some_and(others_signed) {
        let event = Event::AgreementInForce(v1::AgreementInForce { agreement_id: body.agreement_id.clone() });
        drafts.push(of_sides(state, event, at, areas.iter().copied()));
    }
    Ok(drafts)
}

/// The side that invokes: the one named, else the only one that the office can speak for.
fn invoking_side(state: &State, now: &Now<'_>, agreement: &Agreement, body: &v1::InvokeAgreement) -> Result<AreaRef, Rejection> {
    let own = sides_of_office(state, now, agreement.areas())?;
    if body.area_id.is_empty() {
        return match own[..] {
            [] => Err(no_side(state, now, &body.agreement_id)),
            [side] => Ok(side),
            _ => Err(Rejection::FieldMissing { field: "area_id" }),
        };
    }
    let area = state.area("area_id", &body.area_id)?;
    if !agreement.areas().any(|side| side == area) {
        return Err(Rejection::NotASide { id: body.area_id.clone(), agreement: body.agreement_id.clone() });
    }
    state.authority_over(now, area)?;
    Ok(area)
}

pub(super) fn invoke(state: &State, now: &Now<'_>, body: &v1::InvokeAgreement) -> Decision {
    let (key, agreement) = standing(state, &body.agreement_id)?;
    if !agreement.in_force {
        return Err(Rejection::AgreementNotInForce { id: body.agreement_id.clone() });
    }
    let incident = state.ops.incidents.get(state.open_incident(&body.incident_id)?);
    let side = invoking_side(state, now, agreement, body)?;
    if !state.base.within(side, incident.area) && !state.base.within(incident.area, side) {
        return Err(Rejection::OutsideIncident { area: state.base.areas.id(side).to_owned(), incident: body.incident_id.clone() });
    }
    if let Some(unit) = incident.invoked.get(&key) {
        return Err(Rejection::AgreementIsInvoked { id: body.agreement_id.clone(), unit: state.ops.units.id(*unit).to_owned() });
    }
    let committee = v1::EstablishUnit {
        unit_id: body.unit_id.clone(),
        incident_id: body.incident_id.clone(),
        kind: UnitKind::JointCommittee.into(),
        name: agreement.joint_committee.to_string(),
        area_id: state.base.areas.id(side).to_owned(),
        superior_organization_id: body.superior_organization_id.clone(),
        approval_document_no: body.approval_document_no.clone(),
        ..Default::default()
    };
    let mut drafts = unit::establish(state, now, &committee)?;
    let event = Event::AgreementInvoked(v1::AgreementInvoked {
        agreement_id: body.agreement_id.clone(),
        incident_id: body.incident_id.clone(),
        area_id: committee.area_id,
        unit_id: body.unit_id.clone(),
    });
    let mut draft = of_sides(state, event, side, agreement.areas());
    draft.realm = incident.realm;
    drafts.push(draft);
    Ok(drafts)
}

/// Not while people of both sides work together under it; an exercise is no reason to wait.
pub(super) fn end(state: &State, now: &Now<'_>, body: &v1::EndAgreement) -> Decision {
    let (key, agreement) = standing(state, &body.agreement_id)?;
    checks::name("reason", &body.reason)?;
    let own = sides_of_office(state, now, agreement.areas())?;
    let side = *own.first().ok_or_else(|| no_side(state, now, &body.agreement_id))?;
    let actual = state.ops.actual();
    let invoked =
        state.ops.incidents.iter().filter(|(_, incident)| incident.realm == actual).find_map(|(_, incident)| incident.invoked.get(&key));
    if let Some(unit) = invoked {
        return Err(Rejection::AgreementIsInvoked { id: body.agreement_id.clone(), unit: state.ops.units.id(*unit).to_owned() });
    }
    let event = Event::AgreementEnded(v1::AgreementEnded {
        agreement_id: body.agreement_id.clone(),
        area_id: state.base.areas.id(side).to_owned(),
        reason: body.reason.clone(),
    });
    Ok(vec![of_sides(state, event, side, agreement.areas())])
}
