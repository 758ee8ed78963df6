//! ConversionPlan 转换预案: drafted, its posts designated one by one, published; a published version never changes.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::Event;
use muster_proto::v1::{self, DutyRole, IncidentType, ResponseLevel, SiteKind, UnitKind};

use super::area::peacetime;
use super::{Decision, checks};
use crate::ids::{AreaRef, PlanRef, ResponderRef};
use crate::limits;
use crate::rejection::Rejection;
use crate::state::{PlanVersion, State};

pub(super) fn draft(state: &State, body: &v1::DraftPlan) -> Decision {
    checks::id("plan_id", &body.plan_id)?;
    checks::name("name", &body.name)?;
    let area = state.area("area_id", &body.area_id)?;
    let incident_type: IncidentType = checks::set("incident_type", body.incident_type)?;
    let known = state.base.plans.find(&body.plan_id).map(|key| state.base.plans.get(key));
    if let Some(plan) = known {
        if plan.draft.is_some() {
            return Err(Rejection::PlanDraftOpen { id: body.plan_id.clone() });
        }
        if plan.area != area || plan.incident_type != incident_type {
            return Err(Rejection::PlanScopeChanged { id: body.plan_id.clone() });
        }
    }
    check_sites(state, area, &body.sites)?;
    check_units(state, area, body)?;
    check_cards(&body.cards)?;
    let event = Event::PlanDrafted(v1::PlanDrafted {
        plan_id: body.plan_id.clone(),
        version: known.map_or(1, crate::state::Plan::next_version),
        area_id: body.area_id.clone(),
        incident_type: body.incident_type,
        name: body.name.clone(),
        sites: body.sites.clone(),
        units: body.units.clone(),
        cards: body.cards.clone(),
    });
    Ok(vec![peacetime(state, event, Some(area))])
}

fn repeated(field: &'static str, key: &str) -> Rejection {
    Rejection::PlanPartRepeated { field, key: key.to_owned() }
}

fn inside(state: &State, plan_area: AreaRef, field: &'static str, id: &str) -> Result<(), Rejection> {
    let area = state.area(field, id)?;
    if state.base.within(area, plan_area) { Ok(()) } else { Err(Rejection::PlanAreaOutside { field, id: id.to_owned() }) }
}

fn check_sites(state: &State, area: AreaRef, sites: &[v1::PlanSite]) -> Result<(), Rejection> {
    checks::at_most("sites", sites.len(), limits::PLAN_PARTS_MAX)?;
    checks::at_most("sites.seats", sites.iter().map(|site| site.seats.len()).sum(), limits::PLAN_SEATS_MAX)?;
    let mut keys = BTreeSet::new();
    for site in sites {
        checks::id("sites.site_key", &site.site_key)?;
        if !keys.insert(&site.site_key) {
            return Err(repeated("sites.site_key", &site.site_key));
        }
        checks::set::<SiteKind>("sites.kind", site.kind)?;
        checks::name("sites.name", &site.name)?;
        checks::set::<ResponseLevel>("sites.tier", site.tier)?;
        inside(state, area, "sites.area_id", &site.area_id)?;
        checks::at_most("sites.seats", site.seats.len(), limits::SEATS_MAX)?;
        let mut seats = BTreeSet::new();
        for seat in &site.seats {
            checks::id("sites.seats.seat_key", &seat.seat_key)?;
            if !seats.insert(&seat.seat_key) {
                return Err(repeated("sites.seats.seat_key", &seat.seat_key));
            }
            let tier: ResponseLevel = checks::known("sites.seats.tier", seat.tier)?;
            if tier != ResponseLevel::Unspecified && i32::from(tier) < site.tier {
                return Err(Rejection::FieldInvalid {
                    field: "sites.seats.tier",
                    reason_zh: "席位不能早于点位启用",
                    reason_en: "a seat cannot be asked for before its site opens",
                });
            }
            checks::short("sites.seats.specialty", &seat.specialty)?;
            checks::short("sites.seats.shift", &seat.shift)?;
        }
    }
    Ok(())
}

fn check_units(state: &State, area: AreaRef, body: &v1::DraftPlan) -> Result<(), Rejection> {
    checks::at_most("units", body.units.len(), limits::PLAN_PARTS_MAX)?;
    let sites: BTreeMap<_, _> = body.sites.iter().map(|site| (&site.site_key, site.tier)).collect();
    let mut units = BTreeMap::new();
    for unit in &body.units {
        checks::id("units.unit_key", &unit.unit_key)?;
        checks::set::<ResponseLevel>("units.tier", unit.tier)?;
        // A parent stands before its children: a tree, and formed in this order.
        formed_by("units.parent_unit_key", &units, &unit.parent_unit_key, unit.tier)?;
        formed_by("units.site_key", &sites, &unit.site_key, unit.tier)?;
        if units.insert(&unit.unit_key, unit.tier).is_some() {
            return Err(repeated("units.unit_key", &unit.unit_key));
        }
        checks::set::<UnitKind>("units.kind", unit.kind)?;
        checks::name("units.name", &unit.name)?;
        inside(state, area, "units.area_id", &unit.area_id)?;
        if !unit.superior_organization_id.is_empty() {
            state.organization("units.superior_organization_id", &unit.superior_organization_id)?;
        }
    }
    Ok(())
}

/// A part that a unit names stands in the plan, and is there at the unit's tier.
fn formed_by(field: &'static str, parts: &BTreeMap<&String, i32>, key: &String, tier: i32) -> Result<(), Rejection> {
    if key.is_empty() {
        return Ok(());
    }
    match parts.get(key) {
        None => Err(Rejection::PlanPartUnknown { field, key: key.clone() }),
        Some(there) if *there > tier => Err(too_early("units.tier")),
        Some(_) => Ok(()),
    }
}

fn too_early(field: &'static str) -> Rejection {
    Rejection::FieldInvalid {
        field, reason_zh: "启用早于其点位、席位或编组", reason_en: "asked for before its site, seat or unit is"
    }
}

fn check_cards(cards: &[v1::PostCard]) -> Result<(), Rejection> {
    checks::at_most("cards", cards.len(), limits::LABELS_MAX)?;
    let mut keys = BTreeSet::new();
    for card in cards {
        checks::id("cards.card_key", &card.card_key)?;
        if !keys.insert(&card.card_key) {
            return Err(repeated("cards.card_key", &card.card_key));
        }
        for (field, text) in [
            ("cards.where", &card.r#where),
            ("cards.report_to", &card.report_to),
            ("cards.task", &card.task),
            ("cards.bring", &card.bring),
            ("cards.until", &card.until),
        ] {
            checks::short(field, text)?;
        }
    }
    Ok(())
}

fn open_draft<'a>(state: &'a State, plan_id: &str) -> Result<(crate::ids::PlanRef, &'a PlanVersion), Rejection> {
    let key = state.plan(plan_id)?;
    let draft = state.base.plans.get(key).draft.as_ref();
    draft.map(|draft| (key, draft)).ok_or_else(|| Rejection::PlanHasNoDraft { id: plan_id.to_owned() })
}

pub(super) fn designate(state: &State, body: &v1::DesignatePost) -> Decision {
    let (key, draft) = open_draft(state, &body.plan_id)?;
    let tier: ResponseLevel = checks::set("tier", body.tier)?;
    let role: DutyRole = checks::set("role", body.role)?;
    checks::short("peacetime_post", &body.peacetime_post)?;
    checks::short("emergency_post", &body.emergency_post)?;
    check_place(draft, body, tier, role)?;
    check_people(state, key, &draft.primaries, &body.responder_id, &body.backup_ids, tier)?;
    let event = Event::PostDesignated(v1::PostDesignated {
        plan_id: body.plan_id.clone(),
        version: draft.version,
        tier: body.tier,
        role: body.role,
        unit_key: body.unit_key.clone(),
        site_key: body.site_key.clone(),
        seat_key: body.seat_key.clone(),
        responder_id: body.responder_id.clone(),
        backup_ids: body.backup_ids.clone(),
        peacetime_post: body.peacetime_post.clone(),
        emergency_post: body.emergency_post.clone(),
        card_key: body.card_key.clone(),
    });
    Ok(vec![peacetime(state, event, Some(state.base.plans.get(key).area))])
}

fn check_place(draft: &PlanVersion, body: &v1::DesignatePost, tier: ResponseLevel, role: DutyRole) -> Result<(), Rejection> {
    let unknown = |field, key: &str| Rejection::PlanPartUnknown { field, key: key.to_owned() };
    if !body.unit_key.is_empty() {
        let unit = draft.units.iter().find(|unit| *unit.key == *body.unit_key).ok_or_else(|| unknown("unit_key", &body.unit_key))?;
        if tier < unit.tier {
            return Err(too_early("tier"));
        }
    } else if matches!(role, DutyRole::Secretary | DutyRole::Organizer) {
        return Err(Rejection::FieldMissing { field: "unit_key" });
    }
    if !body.card_key.is_empty() && !draft.cards.iter().any(|card| **card == *body.card_key) {
        return Err(unknown("card_key", &body.card_key));
    }
    if body.site_key.is_empty() {
        return match (body.seat_key.is_empty(), body.unit_key.is_empty() && role != DutyRole::Standby) {
            (false, _) => Err(Rejection::FieldMissing { field: "site_key" }),
            (true, true) => Err(Rejection::FieldMissing { field: "unit_key" }),
            (true, false) => Ok(()),
        };
    }
    if role == DutyRole::Standby {
        return Err(Rejection::FieldInvalid { field: "site_key", reason_zh: "备勤没有席位", reason_en: "standby has no seat" });
    }
    let at = draft.sites.iter().position(|site| *site.key == *body.site_key).ok_or_else(|| unknown("site_key", &body.site_key))?;
    let site = &draft.sites[at];
    let seat = site.seats.iter().position(|seat| *seat.key == *body.seat_key).ok_or_else(|| unknown("seat_key", &body.seat_key))?;
    if tier < site.seats[seat].tier {
        return Err(too_early("tier"));
    }
    let place = (u16::try_from(at).expect("capped"), u16::try_from(seat).expect("capped"));
    if draft.seated.contains_key(&place) {
        return Err(Rejection::SeatDesignated { seat: format!("{}/{}", body.site_key, body.seat_key) });
    }
    Ok(())
}

/// Whether these people may be named for a post: `own` are the primaries that the draft has so far. The place that the primary takes among them.
pub(super) fn check_people(
    state: &State,
    key: PlanRef,
    own: &BTreeSet<(ResponderRef, u8)>,
    responder_id: &str,
    backup_ids: &[String],
    tier: ResponseLevel,
) -> Result<(ResponderRef, u8), Rejection> {
    let responder = state.active_responder("responder_id", responder_id)?;
    let person = state.base.responders.get(responder);
    if person.reserved {
        let organization = person.organization.map(|key| state.base.organizations.id(key).to_owned()).unwrap_or_default();
        return Err(Rejection::ResponderReserved { id: responder_id.to_owned(), organization });
    }
    let tier_number = u8::try_from(i32::from(tier)).expect("four levels");
    let type_number = u8::try_from(i32::from(state.base.plans.get(key).incident_type)).expect("few types");
    let holder = state.base.primaries.get(&(responder, type_number, tier_number)).copied().filter(|holder| *holder != key);
    let own = own.contains(&(responder, tier_number)).then_some(key);
    if let Some(holder) = holder.or(own) {
        return Err(Rejection::PrimaryPostTaken { responder: responder_id.to_owned(), plan: state.base.plans.id(holder).to_owned() });
    }
    checks::at_most("backup_ids", backup_ids.len(), limits::BACKUPS_MAX)?;
    for id in backup_ids {
        if id == responder_id {
            return Err(repeated("backup_ids", id));
        }
        state.active_responder("backup_ids", id)?;
    }
    Ok((responder, tier_number))
}

/// The plan that a rehearsal is of, its published version, and the level.
pub(crate) fn rehearsable<'a>(state: &'a State, body: &v1::RehearsePlan) -> Result<(PlanRef, &'a PlanVersion, ResponseLevel), Rejection> {
    let key = state.plan(&body.plan_id)?;
    let response: ResponseLevel = checks::set("response", body.response)?;
    let current = state.base.plans.get(key).current();
    let version = current.ok_or_else(|| Rejection::PlanNotPublished { id: body.plan_id.clone() })?;
    Ok((key, version, response))
}

/// Keeps the figures of a rehearsal, if the state that they were worked out on is still this one by and large. They are not counted again.
pub(super) fn rehearse(state: &State, body: &v1::RehearsePlan) -> Decision {
    let (key, version, _) = rehearsable(state, body)?;
    if body.base_position > state.position {
        let (reason_zh, reason_en) = ("超出日志末尾", "it is beyond the end of the log");
        return Err(Rejection::FieldInvalid { field: "base_position", reason_zh, reason_en });
    }
    let behind = state.position - body.base_position;
    if body.version != version.version || behind > limits::REHEARSAL_BEHIND_MAX {
        return Err(Rejection::RehearsalOutdated { plan: body.plan_id.clone() });
    }
    let empty = body.seats.checked_sub(body.fillable).ok_or(Rejection::FieldInvalid {
        field: "fillable",
        reason_zh: "超过席位数",
        reason_en: "it is more than there are seats",
    })?;
    let plan = state.base.plans.get(key);
    let event = Event::PlanRehearsed(v1::PlanRehearsed {
        plan_id: body.plan_id.clone(),
        version: version.version,
        area_id: state.base.areas.id(plan.area).to_owned(),
        response: body.response,
        seats: body.seats,
        fillable: body.fillable,
        empty,
        single_points: body.single_points,
        base_position: body.base_position,
    });
    Ok(vec![peacetime(state, event, Some(plan.area))])
}

pub(super) fn publish(state: &State, body: &v1::PublishPlan) -> Decision {
    let (key, draft) = open_draft(state, &body.plan_id)?;
    let event = Event::PlanPublished(v1::PlanPublished {
        plan_id: body.plan_id.clone(),
        version: draft.version,
        designations: u32::try_from(draft.designations.len()).expect("fewer than 2^32 people"),
    });
    Ok(vec![peacetime(state, event, Some(state.base.plans.get(key).area))])
}
