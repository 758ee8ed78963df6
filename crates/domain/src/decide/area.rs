//! Area 辖区: the one tree.

use muster_proto::Event;
use muster_proto::v1::{self, AreaLevel};

use super::{Decision, checks};
use crate::execute::{Draft, Now};
use crate::ids::AreaRef;
use crate::limits;
use crate::rejection::Rejection;
use crate::state::State;

pub(super) fn define(state: &State, body: &v1::DefineArea) -> Decision {
    checks::token("area_id", &body.area_id)?;
    checks::unused("area_id", &body.area_id, state.base.areas.find(&body.area_id))?;
    checks::name("name", &body.name)?;
    let level: AreaLevel = checks::set("level", body.level)?;
    checks::short("official_code", &body.official_code)?;
    checks::labels("tags", &body.tags)?;
    checks::at_most("codes", body.codes.len(), limits::LABELS_MAX)?;
    for code in &body.codes {
        checks::label_text("codes.scheme", &code.scheme)?;
        checks::label_text("codes.code", &code.code)?;
    }
    if let Some(point) = &body.location {
        location(point)?;
    }
    let parent = parent_for(state, &body.parent_id, level)?;
    let event = Event::AreaDefined(v1::AreaDefined {
        area_id: body.area_id.clone(),
        name: body.name.clone(),
        level: body.level,
        parent_id: body.parent_id.clone(),
        official_code: body.official_code.clone(),
        codes: body.codes.clone(),
        tags: body.tags.clone(),
        location: body.location,
    });
    Ok(vec![peacetime(state, event, parent)])
}

/// A point of the globe. Latitude and longitude told the wrong way round are the usual fault, and often show here.
fn location(point: &v1::GeoPoint) -> Result<(), Rejection> {
    let beyond = |field, reason_zh, reason_en| Err(Rejection::FieldInvalid { field, reason_zh, reason_en });
    if point.latitude_e7.unsigned_abs() > 900_000_000 {
        return beyond(
            "location.latitude_e7",
            "纬度须在 ±90 度之间（单位 1e-7 度）",
            "latitudes lie between ±90 degrees, in units of 1e-7",
        );
    }
    if point.longitude_e7.unsigned_abs() > 1_800_000_000 {
        return beyond(
            "location.longitude_e7",
            "经度须在 ±180 度之间（单位 1e-7 度）",
            "longitudes lie between ±180 degrees, in units of 1e-7",
        );
    }
    Ok(())
}

fn parent_for(state: &State, parent_id: &str, level: AreaLevel) -> Result<Option<AreaRef>, Rejection> {
    if parent_id.is_empty() {
        return match state.base.areas.iter().next() {
            None => Ok(None),
            Some((root, _)) => Err(Rejection::SecondRoot { root: state.base.areas.id(root).to_owned() }),
        };
    }
    let parent = state.area("parent_id", parent_id)?;
    below(state, parent, level)?;
    Ok(Some(parent))
}

fn below(state: &State, parent: AreaRef, level: AreaLevel) -> Result<(), Rejection> {
    if (state.base.areas.get(parent).level as i32) < level as i32 {
        Ok(())
    } else {
        Err(Rejection::LevelNotBelow { parent: state.base.areas.id(parent).to_owned() })
    }
}

pub(super) fn reparent(state: &State, body: &v1::ReparentArea) -> Decision {
    let area = state.area("area_id", &body.area_id)?;
    let parent = state.area("parent_id", &body.parent_id)?;
    if state.base.within(parent, area) {
        return Err(Rejection::AreaCycle { id: body.area_id.clone() });
    }
    let node = state.base.areas.get(area);
    below(state, parent, node.level)?;
    if node.parent == Some(parent) {
        return Ok(Vec::new());
    }
    let former_parent_id = node.parent.map(|key| state.base.areas.id(key).to_owned()).unwrap_or_default();
    let event = Event::AreaReparented(v1::AreaReparented {
        area_id: body.area_id.clone(),
        parent_id: body.parent_id.clone(),
        former_parent_id: former_parent_id.clone(),
    });
    let mut draft = peacetime(state, event, Some(area));
    draft.other_area_ids.push(former_parent_id);
    Ok(vec![draft])
}

pub(super) fn retire(state: &State, body: &v1::RetireArea) -> Decision {
    let area = state.area("area_id", &body.area_id)?;
    let node = state.base.areas.get(area);
    let in_use = |reason_zh, reason_en| Err(Rejection::AreaInUse { id: body.area_id.clone(), reason_zh, reason_en });
    if node.parent.is_none() {
        return in_use("根辖区不能撤销", "it is the root");
    }
    if !node.children.is_empty() {
        return in_use("还有下级辖区", "areas lie below it");
    }
    if !node.residents.is_empty() {
        return in_use("还有报到人员", "people are at home in it");
    }
    if state.base.responsibilities.keys().any(|(at, _, _)| *at == area) {
        return in_use("还有包干责任人", "people are responsible for it");
    }
    if state.base.plans.iter().any(|(_, plan)| uses(plan, area)) {
        return in_use("有预案使用它", "a plan uses it");
    }
    if state.ops.sites.iter().any(|(_, site)| !site.closed && site.area == area) {
        return in_use("还有开放的点位", "a site is open in it");
    }
    if state.ops.sites.iter().any(|(_, site)| !site.closed && site.grids.contains(&area)) {
        return in_use("风险区或巡逻范围包含它", "a risk zone or a beat covers it");
    }
    if state.ops.units.iter().any(|(_, unit)| !unit.dissolved && unit.area == area) {
        return in_use("还有编组", "a unit stands in it");
    }
    let waits = |whistle: &crate::state::Whistle| whistle.phase.open() && [whistle.area, whistle.responsible].contains(&area);
    if state.ops.whistles.iter().any(|(_, whistle)| waits(whistle)) {
        return in_use("还有未办结的哨", "a whistle is open in it");
    }
    if state.ops.incidents.iter().any(|(_, incident)| !incident.closed && incident.area == area) {
        return in_use("还有未结束的事件", "an incident is open in it");
    }
    if state.base.agreements.iter().any(|(_, agreement)| !agreement.ended && agreement.areas().any(|side| side == area)) {
        return in_use("是联建协议的一方", "it is a side of an agreement");
    }
    if state.ops.incidents.iter().any(|(_, incident)| incident.recalls.contains_key(&area)) {
        return in_use("正在避险", "it takes shelter");
    }
    Ok(vec![peacetime(state, Event::AreaRetired(v1::AreaRetired { area_id: body.area_id.clone() }), Some(area))])
}

fn uses(plan: &crate::state::Plan, area: AreaRef) -> bool {
    plan.area == area
        || plan
            .current()
            .into_iter()
            .chain(plan.draft.as_ref())
            .any(|version| version.sites.iter().any(|site| site.area == area) || version.units.iter().any(|unit| unit.area == area))
}

pub(super) fn switch_auto_fill(state: &State, body: &v1::SwitchAutoFill) -> Decision {
    let area = state.area("area_id", &body.area_id)?;
    if state.base.areas.get(area).auto_fill == body.enabled {
        return Ok(Vec::new());
    }
    let event = Event::AutoFillSwitched(v1::AutoFillSwitched { area_id: body.area_id.clone(), enabled: body.enabled });
    Ok(vec![peacetime(state, event, Some(area))])
}

/// 留守: said by the area itself or one above.
pub(super) fn set_floor(state: &State, now: &Now<'_>, body: &v1::SetFloor) -> Decision {
    let area = state.area("area_id", &body.area_id)?;
    state.authority_over(now, area)?;
    if state.base.areas.get(area).floor == body.minimum {
        return Ok(Vec::new());
    }
    let event = Event::FloorSet(v1::FloorSet { area_id: body.area_id.clone(), minimum: body.minimum });
    Ok(vec![peacetime(state, event, Some(area))])
}

/// A fact of peacetime: always in the actual realm.
pub(super) fn peacetime(state: &State, event: Event, area: Option<AreaRef>) -> Draft {
    Draft::new(event, state.ops.actual(), area)
}
