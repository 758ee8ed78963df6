//! Units, one by one.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{UnitKind, UnitRow};

use super::facts::{Facts, Key, Presence, Unit};

pub(super) fn rows(facts: &Facts) -> BTreeMap<Key, UnitRow> {
    let mut below: BTreeMap<Key, i64> = BTreeMap::new();
    for ((realm, _), unit) in facts.units.iter().filter(|(_, unit)| !unit.dissolved) {
        *below.entry((realm.clone(), unit.body.parent_unit_id.clone())).or_default() += 1;
    }
    let of = |key: &Key| below.get(key).copied().unwrap_or(0);
    facts.units.iter().map(|(key, unit)| (key.clone(), row(facts, &key.0, unit, of(key)))).collect()
}

fn row(facts: &Facts, realm: &str, unit: &Unit, below: i64) -> UnitRow {
    let body = &unit.body;
    let party = matches!(
        body.kind(),
        UnitKind::JointCommittee
            | UnitKind::TemporaryCommittee
            | UnitKind::TemporaryGeneralBranch
            | UnitKind::TemporaryBranch
            | UnitKind::TemporaryGroup
    );
    let approved = !body.approval_document_no.is_empty() || !body.plan_id.is_empty() || !party;
    let people: BTreeSet<&String> = unit.members.union(&unit.extra_seats).collect();
    let present = people.iter().filter(|id| {
        let presence = facts.presence.get(&(realm.to_owned(), (**id).clone()));
        matches!(presence, Some(Presence::At { .. }))
    });
    let missing = party && !unit.organized && !unit.dissolved;
    UnitRow {
        realm: realm.to_owned(),
        unit_id: body.unit_id.clone(),
        incident_id: body.incident_id.clone(),
        kind: body.kind,
        name: body.name.clone(),
        parent_unit_id: body.parent_unit_id.clone(),
        area_id: body.area_id.clone(),
        site_id: body.site_id.clone(),
        secretary_id: unit.secretary.clone(),
        organizer_id: unit.organizer.clone(),
        organizer_missing_since_ms: if missing { unit.established_at_ms } else { 0 },
        organizer_overdue: unit.overdue,
        active: !unit.dissolved && !unit.secretary.is_empty() && approved,
        strength: i64::try_from(people.len()).unwrap_or(i64::MAX),
        present: i64::try_from(present.count()).unwrap_or(i64::MAX),
        dissolved: unit.dissolved,
        position: 0,
        subordinates: below,
        span_exceeded: below > 7,
    }
}
