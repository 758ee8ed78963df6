//! People, one by one and realm by realm.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{CallPhase, ReleaseReason, ResponderRow, ResponderState, ResponsibilityAssigned, ResponsibilityRow};

use super::calls::standing_phase;
use super::facts::{Duty, Facts, Key, Presence};
use super::hours;
use super::people::{Member, Person};

pub(super) fn rows(facts: &Facts) -> BTreeMap<Key, ResponderRow> {
    let nobody = Member::default();
    let reserved: BTreeSet<&String> = facts.reserved.values().flatten().collect();
    let each = facts.people.iter().map(|(key, person)| {
        let member = facts.members.get(&key.1).unwrap_or(&nobody);
        (key.clone(), ResponderRow { reserved: reserved.contains(&key.1), ..row(facts, key, member, person) })
    });
    each.collect()
}

fn row(facts: &Facts, key: &Key, member: &Member, person: &Person) -> ResponderRow {
    let duties: Vec<&Duty> = facts.standing_of(key).collect();
    let current = duties.iter().find(|duty| facts.present_at(duty)).or(duties.first()).copied();
    let presence = facts.presence.get(key);
    let state = state(facts, member, person, current, presence);
    let over = [ResponderState::Resting, ResponderState::Released, ResponderState::Declined, ResponderState::NoShow];
    let last = person.last.filter(|_| current.is_none() && over.contains(&state)).map(|(place, _)| &facts.duties[place]);
    let body = current.map(|duty| duty.body.clone()).unwrap_or_default();
    let stands = |unit: &&String| facts.units.get(&(key.0.clone(), (*unit).clone())).is_none_or(|unit| !unit.dissolved);
    let attached = person.units.iter().rev().find(stands);
    let unaccounted = person.recalls.iter().any(|(_, _, safe)| !safe);
    let (site, whistle, seen_in) = match presence {
        Some(Presence::At { site, whistle, area, .. }) => {
            (site.as_str(), if site.is_empty() { whistle.as_str() } else { "" }, area.as_str())
        }
        Some(Presence::Disputed { area, .. }) => ("", "", area.as_str()),
        _ => ("", "", ""),
    };
    let hours = hours::count(&person.told, matches!(presence, Some(Presence::At { .. })));
    ResponderRow {
        realm: key.0.clone(),
        responder_id: key.1.clone(),
        kind: member.enrolled.kind,
        affiliation: member.enrolled.affiliation,
        organization_id: member.enrolled.organization_id.clone(),
        home_area_id: member.enrolled.area_id.clone(),
        specialties: member.enrolled.specialties.clone(),
        availability: member.availability.availability,
        availability_from_ms: member.availability.from_ms,
        availability_until_ms: member.availability.until_ms,
        withdrawn: member.withdrawn,
        reserved: false,
        state: state.into(),
        incident_id: last.map_or(body.incident_id, |duty| duty.body.incident_id.clone()),
        role: body.role,
        unit_id: if body.unit_id.is_empty() { attached.cloned().unwrap_or_default() } else { body.unit_id },
        whistle_id: if body.site_id.is_empty() { body.whistle_id } else { String::new() },
        call_id: body.call_id,
        site_id: body.site_id,
        seat_id: body.seat_id,
        need_id: body.need_id,
        post_area_id: if current.is_some() { body.area_id } else { seen_in.to_owned() },
        present_site_id: site.to_owned(),
        present_whistle_id: whistle.to_owned(),
        standby_incident_ids: person.standby.clone(),
        unaccounted,
        safe: !unaccounted && !person.recalls.is_empty(),
        last_seen_ms: person.last_seen_ms,
        on_post_since_ms: hours.on_since_ms,
        last_off_post_ms: hours.off_since_ms,
        worked_ms: hours.worked_ms,
        spell_since_ms: hours.spell_since_ms,
        spell_worked_ms: hours.spell_worked_ms,
        rested_at_ms: hours.rested_at_ms,
        fatigue: hours.fatigue,
        responsibilities: member.responsible.values().map(responsibility).collect(),
        position: 0,
    }
}

fn responsibility(held: &ResponsibilityAssigned) -> ResponsibilityRow {
    ResponsibilityRow { area_id: held.area_id.clone(), kind: held.kind, from_ms: held.from_ms, until_ms: held.until_ms }
}

fn state(facts: &Facts, member: &Member, person: &Person, current: Option<&Duty>, presence: Option<&Presence>) -> ResponderState {
    match presence {
        Some(Presence::Disputed { .. }) => return ResponderState::Unconfirmed,
        Some(Presence::At { .. }) => return ResponderState::OnPost,
        _ => {}
    }
    if let Some(duty) = current {
        let reply = facts.replies.get(&(duty.realm.clone(), duty.body.call_id.clone()));
        return match reply.map(|reply| standing_phase(facts, duty, reply)) {
            Some(CallPhase::EnRoute) => ResponderState::EnRoute,
            Some(CallPhase::Accepted) => ResponderState::Accepted,
            Some(CallPhase::Acknowledged) => ResponderState::Acknowledged,
            _ => ResponderState::Summoned,
        };
    }
    if member.withdrawn || member.away {
        return ResponderState::OutOfService;
    }
    if !person.standby.is_empty() {
        return ResponderState::Standby;
    }
    let Some((place, corrected)) = person.last else { return ResponderState::Peacetime };
    let duty = &facts.duties[place];
    let Some(reply) = facts.replies.get(&(duty.realm.clone(), duty.body.call_id.clone())) else { return ResponderState::Peacetime };
    let was_there = reply.first_present_ms.is_some();
    match ReleaseReason::try_from(reply.reason).unwrap_or_default() {
        ReleaseReason::NoShow if !corrected => ResponderState::NoShow,
        ReleaseReason::Declined => ResponderState::Declined,
        ReleaseReason::Relieved | ReleaseReason::CheckedOut | ReleaseReason::PeriodOver if was_there => ResponderState::Resting,
        _ => ResponderState::Released,
    }
}
