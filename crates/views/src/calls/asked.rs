//! 部门报到: a call to an organization.

use muster_proto::Event;
use muster_proto::v1::{self, CallPhase};
use serde::{Deserialize, Serialize};

use super::set_once;
use crate::fact::Fact;
use crate::proto_bytes;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    #[serde(with = "proto_bytes")]
    pub(super) row: v1::CallRow,
    overdue: bool,
    pub(super) dirty: bool,
}

/// The organization's call that a record goes on with.
pub(super) fn call_id(event: &Event) -> Option<&str> {
    Some(match event {
        Event::OrganizationAcknowledged(body) => &body.call_id,
        Event::PeopleNominated(body) => &body.call_id,
        Event::OrganizationReportedIn(body) => &body.call_id,
        Event::OrganizationOverdue(body) => &body.call_id,
        Event::OrganizationCallDeclined(body) => &body.call_id,
        Event::OrganizationCallEnded(body) => &body.call_id,
        _ => return None,
    })
}

impl Asked {
    pub(super) fn new(body: &v1::OrganizationCalled, part_confirmed: bool, fact: &Fact) -> Self {
        let row = v1::CallRow {
            realm: fact.realm.to_string(),
            call_id: body.call_id.clone(),
            organization_id: body.organization_id.clone(),
            incident_id: body.incident_id.clone(),
            site_id: body.site_id.clone(),
            whistle_id: body.whistle_id.clone(),
            need_id: body.need_id.clone(),
            area_id: body.area_id.clone(),
            phase: CallPhase::Called.into(),
            called_at_ms: fact.recorded_at_ms,
            reply_due_ms: body.deadline_ms,
            quantity: i64::from(body.quantity),
            missing: i64::from(body.quantity),
            lead: body.lead,
            part_confirmed,
            position: fact.position.0,
            ..Default::default()
        };
        Self { row, overdue: false, dirty: true }
    }

    pub(super) fn goes_on(&mut self, event: &Event, fact: &Fact) {
        let (row, now_ms) = (&mut self.row, fact.recorded_at_ms);
        match event {
            Event::OrganizationAcknowledged(_) => set_once(&mut row.acknowledged_at_ms, now_ms),
            Event::PeopleNominated(body) => {
                set_once(&mut row.accepted_at_ms, now_ms);
                row.named += i64::try_from(body.responder_ids.len()).unwrap_or(i64::MAX);
            }
            Event::OrganizationReportedIn(_) => set_once(&mut row.arrived_at_ms, now_ms),
            Event::OrganizationOverdue(_) => self.overdue = true,
            Event::OrganizationCallDeclined(_) | Event::OrganizationCallEnded(_) => {
                let declined = matches!(event, Event::OrganizationCallDeclined(_));
                row.set_phase(if declined { CallPhase::Declined } else { CallPhase::Ended });
                row.released_at_ms = now_ms;
            }
            _ => {}
        }
    }

    /// The part of a whistle that the organization is called for is done.
    pub(super) fn part_confirmed(&mut self) {
        self.row.part_confirmed |= self.row.released_at_ms == 0;
    }

    /// Works out the figures that hang on the others.
    pub(super) fn settle(&mut self) {
        let row = &mut self.row;
        let over = row.released_at_ms != 0;
        if !over {
            let phase = match &*row {
                row if row.arrived_at_ms != 0 => CallPhase::ReportedIn,
                _ if self.overdue => CallPhase::Overdue,
                row if row.accepted_at_ms != 0 => CallPhase::Nominated,
                row if row.acknowledged_at_ms != 0 => CallPhase::Acknowledged,
                _ => CallPhase::Called,
            };
            row.set_phase(phase);
        }
        row.overdue = row.phase() == CallPhase::Overdue;
        row.missing = if over { 0 } else { (row.quantity - row.present).max(0) };
    }
}
