//! What each record says, taken down plainly: the naive count goes by these notes alone. Shares no code with the folds.

use std::collections::BTreeMap;

use muster_proto::Event;
use muster_proto::v1::{self, UnitKind, UnitRow, WhistleRow, WhistleStatus};

use super::super::Fact;
use super::{Duty, Presence, Realm, Site, Unit, Whistle};

fn party(kind: i32) -> bool {
    (UnitKind::JointCommittee as i32..=UnitKind::TemporaryGroup as i32).contains(&kind)
}

impl Realm {
    pub(super) fn note_operations(&mut self, fact: &Fact, levels: &BTreeMap<String, i32>) {
        let now_ms = fact.recorded_at_ms;
        match &fact.event {
            Event::IncidentDeclared(body) => drop(self.near.insert(body.area_id.clone())),
            Event::PlanRehearsed(body) => {
                self.rehearsed.retain(|former| former.plan_id != body.plan_id);
                self.rehearsed.push(body.clone());
            }
            Event::SiteOpened(body) => {
                self.near.insert(body.area_id.clone());
                let site = Site { opened: body.clone(), seats: body.seats.clone(), ..Default::default() };
                self.sites.insert(body.site_id.clone(), site);
            }
            Event::RequirementSet(body) => self.sites.get_mut(&body.site_id).unwrap().seats = body.seats.clone(),
            Event::SiteClosed(body) => {
                let site = self.sites.get_mut(&body.site_id).unwrap();
                (site.closed, site.suspended) = (true, false);
                site.running.clear();
            }
            Event::SiteSuspended(body) => self.sites.get_mut(&body.site_id).unwrap().suspended = true,
            Event::SiteResumed(body) => self.sites.get_mut(&body.site_id).unwrap().suspended = false,
            Event::RiskSet(body) => {
                let site = self.sites.get_mut(&body.site_id).unwrap();
                (site.risk, site.grids, site.supplies) = (body.risk, body.grid_ids.clone(), body.supplies.clone());
            }
            Event::BeatSet(body) => self.sites.get_mut(&body.site_id).unwrap().grids = body.grid_ids.clone(),
            Event::ShiftsScheduled(body) => self.sites.get_mut(&body.site_id).unwrap().scheduled = true,
            Event::ShiftOpened(body) => self.sites.get_mut(&body.site_id).unwrap().running.push(body.clone()),
            Event::ShiftHeld(body) => drop(self.sites.get_mut(&body.site_id).unwrap().held.insert(body.shift_id.clone())),
            Event::ShiftClosed(body) => {
                self.sites.get_mut(&body.site_id).unwrap().running.retain(|shift| shift.shift_id != body.shift_id);
            }
            Event::HandedOver(body) => {
                self.sites.get_mut(&body.site_id).unwrap().handed_over.insert(body.shift.clone(), now_ms);
            }
            Event::ShelterOrdered(body) => {
                self.near.insert(body.area_id.clone());
                self.safe(&body.incident_id, &body.recalled_area_id, &body.responder_id);
                self.called_in.push(body.clone());
            }
            Event::SafetyConfirmed(body) => self.safe(&body.incident_id, &body.recalled_area_id, &body.responder_id),
            Event::AreaResumed(body) => {
                self.called_in.retain(|order| order.incident_id != body.incident_id || order.recalled_area_id != body.area_id);
            }
            Event::WhistleBlown(body) => {
                self.near.insert(body.area_id.clone());
                let row = WhistleRow {
                    responsible_area_id: body.area_id.clone(),
                    level: levels.get(&body.area_id).copied().unwrap_or_default(),
                    level_since_ms: now_ms,
                    acknowledge_due_ms: body.acknowledge_due_ms,
                    blown_at_ms: now_ms,
                    ..Default::default()
                };
                self.whistles.insert(body.whistle_id.clone(), Whistle { row, blown: body.clone(), ..Default::default() });
            }
            Event::WhistleAcknowledged(body) => {
                let whistle = self.whistles.get_mut(&body.whistle_id).unwrap();
                whistle.acknowledged = true;
                whistle.row.acknowledge_due_ms = 0;
                if whistle.row.acknowledged_at_ms == 0 {
                    whistle.row.acknowledged_at_ms = now_ms;
                }
            }
            Event::WhistleEscalated(body) => {
                let whistle = self.whistles.get_mut(&body.whistle_id).unwrap();
                whistle.spell_ends(now_ms);
                whistle.acknowledged = false;
                whistle.row.responsible_area_id = body.to_area_id.clone();
                whistle.row.level = levels.get(&body.to_area_id).copied().unwrap_or_default();
                whistle.row.level_since_ms = now_ms;
                whistle.row.acknowledge_due_ms = body.acknowledge_due_ms;
            }
            Event::NeedFulfilled(body) => {
                let whistle = self.whistles.get_mut(&body.whistle_id).unwrap();
                *whistle.fulfilled.entry(body.need_id.clone()).or_default() += u64::from(body.quantity);
            }
            Event::PartConfirmed(body) => {
                self.whistles.get_mut(&body.whistle_id).unwrap().confirmed.push(body.need_id.clone());
            }
            Event::WhistleFilled(body) => {
                let whistle = self.whistles.get_mut(&body.whistle_id).unwrap();
                if whistle.row.filled_at_ms == 0 {
                    whistle.row.filled_at_ms = now_ms;
                }
            }
            Event::WhistlesMerged(body) => {
                self.whistles.get_mut(&body.whistle_id).unwrap().row.merged_into_id = body.into_whistle_id.clone();
                self.whistle_ends(&body.whistle_id, WhistleStatus::Merged, now_ms);
            }
            Event::WhistleResolved(body) => self.whistle_ends(&body.whistle_id, WhistleStatus::Resolved, now_ms),
            Event::WhistleWithdrawn(body) => self.whistle_ends(&body.whistle_id, WhistleStatus::Withdrawn, now_ms),
            Event::WhistleRated(body) => {
                let whistle = self.whistles.get_mut(&body.whistle_id).unwrap();
                whistle.rated = true;
                whistle.row.rating = body.rating;
            }
            Event::OrganizationCalled(body) => drop(self.organization_calls.insert(body.call_id.clone(), body.whistle_id.clone())),
            Event::OrganizationCallDeclined(body) => drop(self.organization_calls.remove(&body.call_id)),
            Event::OrganizationCallEnded(body) => drop(self.organization_calls.remove(&body.call_id)),
            _ => {}
        }
    }

    fn whistle_ends(&mut self, id: &str, how: WhistleStatus, now_ms: i64) {
        let whistle = self.whistles.get_mut(id).unwrap();
        whistle.spell_ends(now_ms);
        whistle.row.level_since_ms = 0;
        whistle.row.acknowledge_due_ms = 0;
        whistle.row.ended_at_ms = now_ms;
        whistle.ended = Some(how);
    }

    pub(super) fn note_units(&mut self, fact: &Fact) {
        match &fact.event {
            Event::UnitEstablished(body) => {
                let row = UnitRow {
                    unit_id: body.unit_id.clone(),
                    incident_id: body.incident_id.clone(),
                    kind: body.kind,
                    name: body.name.clone(),
                    parent_unit_id: body.parent_unit_id.clone(),
                    area_id: body.area_id.clone(),
                    site_id: body.site_id.clone(),
                    organizer_missing_since_ms: if party(body.kind) { fact.recorded_at_ms } else { 0 },
                    ..Default::default()
                };
                let approved = !party(body.kind) || !body.plan_id.is_empty() || !body.approval_document_no.is_empty();
                self.units.insert(body.unit_id.clone(), Unit { row, approved, ..Default::default() });
            }
            Event::SecretaryAppointed(body) => self.units.get_mut(&body.unit_id).unwrap().row.secretary_id = body.responder_id.clone(),
            Event::OrganizerAppointed(body) => {
                let unit = self.units.get_mut(&body.unit_id).unwrap();
                unit.row.organizer_id = body.responder_id.clone();
                unit.row.organizer_missing_since_ms = 0;
                unit.row.organizer_overdue = false;
            }
            Event::OrganizerGapOverdue(body) => self.units.get_mut(&body.unit_id).unwrap().row.organizer_overdue = true,
            Event::ResponderAttached(body) => {
                let unit = self.units.get_mut(&body.unit_id).unwrap();
                if body.extra_seat { &mut unit.extra } else { &mut unit.members }.insert(body.responder_id.clone());
            }
            Event::ResponderDetached(body) => {
                let unit = self.units.get_mut(&body.unit_id).unwrap();
                unit.members.remove(&body.responder_id);
                unit.extra.remove(&body.responder_id);
                unit.led_no_more(&body.responder_id);
                unit.organized_no_more(&body.responder_id);
            }
            Event::ResponderCalled(body) if !body.unit_id.is_empty() && body.role() != v1::DutyRole::Standby => {
                self.units.get_mut(&body.unit_id).unwrap().members.insert(body.responder_id.clone());
            }
            Event::DutyReleased(body) => {
                let duty = &self.duties[&body.call_id];
                let another = self
                    .duties
                    .values()
                    .any(|other| other.call != duty.call && !other.released && other.person == duty.person && other.unit == duty.unit);
                if let Some(unit) = self.units.get_mut(&duty.unit) {
                    if duty.role == v1::DutyRole::Organizer {
                        unit.organized_no_more(&duty.person);
                    }
                    if !another {
                        unit.members.remove(&duty.person);
                        unit.led_no_more(&duty.person);
                    }
                }
            }
            Event::UnitDissolved(body) => {
                let unit = self.units.get_mut(&body.unit_id).unwrap();
                let row = &mut unit.row;
                row.dissolved = true;
                row.secretary_id.clear();
                row.organizer_id.clear();
                row.organizer_missing_since_ms = 0;
                row.organizer_overdue = false;
                unit.members.clear();
                unit.extra.clear();
            }
            _ => {}
        }
    }

    pub(super) fn note_people(&mut self, fact: &Fact) {
        match &fact.event {
            Event::ResponderCalled(body) if body.role() != v1::DutyRole::Standby => {
                self.near.insert(body.area_id.clone());
                let duty = Duty {
                    call: body.call_id.clone(),
                    order: self.duties.len(),
                    person: body.responder_id.clone(),
                    site: body.site_id.clone(),
                    seat: body.seat_id.clone(),
                    whistle: body.whistle_id.clone(),
                    need: body.need_id.clone(),
                    unit: body.unit_id.clone(),
                    role: body.role(),
                    area: body.area_id.clone(),
                    accepted: false,
                    arrival_ms: 0,
                    called_ms: fact.recorded_at_ms,
                    arrived: false,
                    released: false,
                    no_show: false,
                };
                self.duties.insert(body.call_id.clone(), duty);
            }
            Event::CallAccepted(body) => {
                let duty = self.duties.get_mut(&body.call_id).unwrap();
                duty.accepted = true;
                duty.arrival_ms = body.estimated_arrival_ms;
            }
            Event::NoShowDeclared(body) => self.duties.get_mut(&body.call_id).unwrap().no_show = true,
            Event::NoShowCorrected(body) => self.duties.get_mut(&body.call_id).unwrap().no_show = false,
            Event::DutyReleased(body) => self.duties.get_mut(&body.call_id).unwrap().released = true,
            Event::CheckedIn(body) => {
                self.near.insert(body.area_id.clone());
                self.observe(&body.responder_id, &body.site_id, &body.whistle_id, &body.area_id, &body.call_id);
                self.remember_check_in(body, fact.occurred_at_ms);
                self.remember_arrival(&body.call_id, fact.occurred_at_ms);
            }
            Event::PresenceSettled(body) => {
                self.near.insert(body.area_id.clone());
                self.observe(&body.responder_id, &body.site_id, &body.whistle_id, &body.area_id, &body.call_id);
            }
            Event::CheckedOut(body) => drop(self.presence.remove(&body.responder_id)),
            Event::PresenceDisputed(body) => {
                self.near.insert(body.area_id.clone());
                let sites = [body.site_id.clone(), body.other_site_id.clone()];
                self.presence.insert(body.responder_id.clone(), Presence::Disputed { sites, area: body.area_id.clone() });
            }
            Event::PresenceUnconfirmed(body) => {
                self.near.insert(body.area_id.clone());
                let sites = [body.site_id.clone(), String::new()];
                self.presence.insert(body.responder_id.clone(), Presence::Disputed { sites, area: body.area_id.clone() });
            }
            _ => {}
        }
    }

    fn safe(&mut self, incident: &str, area: &str, person: &str) {
        self.called_in.retain(|order| {
            (order.incident_id.as_str(), order.recalled_area_id.as_str(), order.responder_id.as_str()) != (incident, area, person)
        });
    }

    fn observe(&mut self, person: &str, site: &str, whistle: &str, area: &str, call: &str) {
        if site.is_empty() && whistle.is_empty() {
            self.presence.remove(person);
            return;
        }
        let whistle = if site.is_empty() { whistle } else { "" };
        let at = Presence::At { site: site.into(), whistle: whistle.into(), area: area.into(), call: call.into() };
        self.presence.insert(person.to_owned(), at);
    }

    fn remember_check_in(&mut self, body: &v1::CheckedIn, occurred_at_ms: i64) {
        let mut mine: Vec<&Duty> = self.standing().filter(|duty| duty.person == body.responder_id && self.present_at(duty)).collect();
        mine.sort_by_key(|duty| duty.order);
        let seat = mine.iter().find(|duty| duty.site == body.site_id).map(|duty| duty.seat.clone()).unwrap_or_default();
        if let Some(site) = self.sites.get_mut(&body.site_id) {
            let shift = site.shift_of(&seat);
            let latest = site.last_check_in.entry(shift).or_default();
            *latest = occurred_at_ms.max(*latest);
        }
    }

    fn remember_arrival(&mut self, call: &str, occurred_at_ms: i64) {
        let Some(duty) = self.duties.get_mut(call).filter(|duty| !duty.released && !duty.arrived) else { return };
        duty.arrived = true;
        if let Some(site) = self.sites.get(&duty.site) {
            self.arrivals.push((site.opened.kind, (occurred_at_ms - duty.called_ms).max(0)));
        }
    }
}

impl Whistle {
    fn spell_ends(&mut self, now_ms: i64) {
        let seconds = (now_ms - self.row.level_since_ms) / 1_000;
        self.row.level_times.push(v1::WhistleLevelTime { level: self.row.level, seconds });
    }
}

impl Unit {
    fn led_no_more(&mut self, person: &str) {
        if self.row.secretary_id == person {
            self.row.secretary_id.clear();
        }
    }

    fn organized_no_more(&mut self, person: &str) {
        if self.row.organizer_id == person {
            self.row.organizer_id.clear();
        }
    }
}
