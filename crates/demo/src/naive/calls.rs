//! Calls, one by one: to persons and to organizations.

use std::collections::BTreeMap;

use muster_proto::v1::{CallDelivery, CallPhase, CallRow, DeliveryRecorded};

use super::facts::{Duty, Facts, Key};
use super::people::{Asked, Reply};

pub(super) fn rows(facts: &Facts) -> BTreeMap<Key, CallRow> {
    let mut present: BTreeMap<Key, i64> = BTreeMap::new();
    for duty in facts.standing().filter(|duty| !duty.body.organization_call_id.is_empty() && facts.present_at(duty)) {
        *present.entry((duty.realm.clone(), duty.body.organization_call_id.clone())).or_default() += 1;
    }
    let of_person = |duty: &Duty| {
        let key = (duty.realm.clone(), duty.body.call_id.clone());
        let row = facts.replies.get(&key).map(|reply| person(facts, duty, reply));
        row.map(|row| (key, row))
    };
    let asked = facts.asked.iter().map(|(key, asked)| (key.clone(), organization(key, asked, present.get(key).copied().unwrap_or(0))));
    facts.duties.iter().filter_map(of_person).chain(asked).collect()
}

/// Where a standing call is in its life, a recall aside.
pub(super) fn standing_phase(facts: &Facts, duty: &Duty, reply: &Reply) -> CallPhase {
    let was_there = reply.first_present_ms.is_some();
    if facts.present_at(duty) {
        CallPhase::OnPost
    } else if duty.accepted && duty.arrival_ms > 0 && !was_there {
        CallPhase::EnRoute
    } else if duty.accepted || was_there {
        CallPhase::Accepted
    } else if reply.acknowledged_at_ms > 0 {
        CallPhase::Acknowledged
    } else {
        CallPhase::Summoned
    }
}

fn person(facts: &Facts, duty: &Duty, reply: &Reply) -> CallRow {
    let body = duty.body.clone();
    let phase = match reply {
        _ if duty.released => CallPhase::Released,
        reply if reply.recalled => CallPhase::Recalled,
        reply => standing_phase(facts, duty, reply),
    };
    CallRow {
        realm: duty.realm.clone(),
        call_id: body.call_id,
        responder_id: body.responder_id,
        organization_id: reply.organization.clone(),
        incident_id: body.incident_id,
        role: body.role,
        unit_id: body.unit_id,
        site_id: body.site_id,
        seat_id: body.seat_id,
        whistle_id: body.whistle_id,
        need_id: body.need_id,
        area_id: body.area_id,
        tier: body.tier,
        reason: body.reason,
        plan_id: body.plan_id,
        card: reply.card.clone(),
        plan_version: body.plan_version,
        phase: phase.into(),
        release_reason: reply.reason,
        from_ms: body.from_ms,
        until_ms: body.until_ms,
        called_at_ms: reply.called_at_ms,
        acknowledged_at_ms: reply.acknowledged_at_ms,
        accepted_at_ms: reply.accepted_at_ms,
        arrived_at_ms: reply.first_present_ms.unwrap_or(reply.corrected_ms),
        released_at_ms: reply.released_at_ms,
        reply_due_ms: body.reply_due_ms,
        overdue: reply.unanswered && !duty.released,
        estimated_arrival_ms: duty.arrival_ms,
        no_show: reply.no_show,
        unanswered: reply.unanswered,
        unconfirmed: !duty.released && facts.disputed(&duty.person()),
        organization_call_id: body.organization_call_id,
        released_by_area_id: body.released_by_area_id,
        deliveries: reply.deliveries.values().map(delivery).collect(),
        channel: reply.deliveries.keys().chain(&reply.ordered).copied().max().unwrap_or_default(),
        contacts: reply.contacts.clone(),
        shift_id: body.shift_id,
        rest_override: body.rest_override,
        fill_proposal_id: body.fill_proposal_id,
        fill_line_id: body.fill_line_id,
        part_confirmed: reply.part_confirmed,
        ..CallRow::default()
    }
}

fn delivery(told: &DeliveryRecorded) -> CallDelivery {
    CallDelivery { channel: told.channel, outcome: told.outcome, attempted_at_ms: told.attempted_at_ms }
}

fn organization(key: &Key, asked: &Asked, present: i64) -> CallRow {
    let body = asked.body.clone();
    let phase = match asked.over {
        Some((_, true)) => CallPhase::Declined,
        Some((_, false)) => CallPhase::Ended,
        None if asked.reported_at_ms > 0 => CallPhase::ReportedIn,
        None if asked.overdue => CallPhase::Overdue,
        None if asked.nominated_at_ms > 0 => CallPhase::Nominated,
        None if asked.acknowledged_at_ms > 0 => CallPhase::Acknowledged,
        None => CallPhase::Called,
    };
    CallRow {
        realm: key.0.clone(),
        call_id: body.call_id,
        organization_id: body.organization_id,
        incident_id: body.incident_id,
        site_id: body.site_id,
        whistle_id: body.whistle_id,
        need_id: body.need_id,
        area_id: body.area_id,
        phase: phase.into(),
        called_at_ms: asked.called_at_ms,
        acknowledged_at_ms: asked.acknowledged_at_ms,
        accepted_at_ms: asked.nominated_at_ms,
        arrived_at_ms: asked.reported_at_ms,
        released_at_ms: asked.over.map_or(0, |(at_ms, _)| at_ms),
        reply_due_ms: body.deadline_ms,
        overdue: phase == CallPhase::Overdue,
        lead: body.lead,
        part_confirmed: asked.part_confirmed,
        quantity: i64::from(body.quantity),
        named: asked.named,
        present,
        missing: if asked.over.is_some() { 0 } else { (i64::from(body.quantity) - present).max(0) },
        ..CallRow::default()
    }
}
