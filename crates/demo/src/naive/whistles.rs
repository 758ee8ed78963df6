//! Whistles, one by one.

use std::collections::BTreeMap;

use muster_proto::v1::{WhistleNeedRow, WhistleRow, WhistleStatus};

use super::facts::{Duty, Facts, Key, Whistle};

pub(super) fn rows(facts: &Facts) -> BTreeMap<Key, WhistleRow> {
    let mut duties: BTreeMap<Key, Vec<&Duty>> = BTreeMap::new();
    for duty in facts.standing().filter(|duty| !duty.body.whistle_id.is_empty()) {
        duties.entry((duty.realm.clone(), duty.body.whistle_id.clone())).or_default().push(duty);
    }
    let each = facts.whistles.iter();
    each.map(|(key, whistle)| (key.clone(), row(facts, key, whistle, duties.get(key).map_or(&[][..], Vec::as_slice)))).collect()
}

fn row(facts: &Facts, key: &Key, whistle: &Whistle, duties: &[&Duty]) -> WhistleRow {
    let body = &whistle.body;
    let needs: Vec<WhistleNeedRow> = body
        .needs
        .iter()
        .map(|need| {
            let for_it = || duties.iter().filter(|duty| duty.body.need_id == need.need_id);
            let present = for_it().filter(|duty| facts.present_at(duty)).count();
            let fulfilled = whistle.fulfilled.get(&need.need_id).copied().unwrap_or(0);
            WhistleNeedRow {
                need_id: need.need_id.clone(),
                kind: need.kind,
                specialty: need.specialty.clone(),
                item: need.item.clone(),
                unit: need.unit.clone(),
                quantity: i64::from(need.quantity),
                dispatched: i64::try_from(for_it().count()).unwrap_or(i64::MAX),
                filled: i64::try_from(present).unwrap_or(i64::MAX) + fulfilled,
                confirmed: whistle.confirmed.contains(&need.need_id),
            }
        })
        .collect();
    let called = || {
        let organization = facts.organization_calls.iter().any(|((realm, _), whistle)| *realm == key.0 && *whistle == key.1);
        organization || !duties.is_empty()
    };
    let status = match whistle.ended {
        WhistleStatus::Unspecified if !needs.is_empty() && needs.iter().all(|need| need.confirmed || need.filled >= need.quantity) => {
            WhistleStatus::Filled
        }
        WhistleStatus::Unspecified if needs.iter().any(|need| need.confirmed || need.filled > 0) => WhistleStatus::PartlyFilled,
        WhistleStatus::Unspecified if called() => WhistleStatus::Dispatching,
        WhistleStatus::Unspecified if whistle.acknowledged => WhistleStatus::Acknowledged,
        WhistleStatus::Unspecified => WhistleStatus::Blown,
        ended => ended,
    };
    WhistleRow {
        realm: key.0.clone(),
        whistle_id: key.1.clone(),
        incident_id: body.incident_id.clone(),
        area_id: body.area_id.clone(),
        status: status.into(),
        severity: body.severity,
        urgency: body.urgency,
        life_threatening: body.life_threatening,
        place: body.place.clone(),
        text: body.text.clone(),
        needs,
        responsible_area_id: whistle.responsible.clone(),
        level: whistle.level.into(),
        level_since_ms: whistle.since_ms,
        acknowledge_due_ms: whistle.due_ms,
        level_times: whistle.spells.clone(),
        blown_at_ms: whistle.blown_at_ms,
        acknowledged_at_ms: whistle.acknowledged_at_ms,
        filled_at_ms: whistle.filled_at_ms,
        ended_at_ms: whistle.ended_at_ms,
        merged_into_id: whistle.merged_into.clone(),
        rating: whistle.rating.into(),
        position: 0,
    }
}
