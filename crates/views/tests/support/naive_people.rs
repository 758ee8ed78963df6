//! Calls and responders counted afresh from the whole list of facts, as `views.proto` words them: each row is told by walking through the list
//! from its beginning. Shares no code with the folds.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::Event;
use muster_proto::v1::{self, Availability, CallPhase, CallRow, DutyRole, ReleaseReason, ResponderRow, ResponderState, ResponsibilityRow};

use super::{Fact, naive_hours};

/// What was last observed of somebody.
#[derive(Clone, Default, PartialEq)]
enum Seen {
    #[default]
    Nowhere,
    At {
        site: String,
        whistle: String,
        area: String,
        call: String,
    },
    Disputed {
        area: String,
    },
}

impl Seen {
    fn note(&mut self, event: &Event, person: &str) {
        let at = |site: &str, whistle: &str, area: &str, call: &str| {
            if site.is_empty() && whistle.is_empty() {
                return Self::Nowhere;
            }
            let whistle = if site.is_empty() { whistle } else { "" };
            Self::At { site: site.into(), whistle: whistle.into(), area: area.into(), call: call.into() }
        };
        match event {
            Event::CheckedIn(body) if body.responder_id == person => {
                *self = at(&body.site_id, &body.whistle_id, &body.area_id, &body.call_id)
            }
            Event::PresenceSettled(body) if body.responder_id == person => {
                *self = at(&body.site_id, &body.whistle_id, &body.area_id, &body.call_id);
            }
            Event::CheckedOut(body) if body.responder_id == person => *self = Self::Nowhere,
            Event::PresenceDisputed(body) if body.responder_id == person => *self = Self::Disputed { area: body.area_id.clone() },
            Event::PresenceUnconfirmed(body) if body.responder_id == person => *self = Self::Disputed { area: body.area_id.clone() },
            _ => {}
        }
    }

    fn somewhere(&self) -> bool {
        matches!(self, Self::At { .. })
    }

    fn at(&self, duty: &v1::ResponderCalled) -> bool {
        let Self::At { site, whistle, call, .. } = self else { return false };
        let place =
            if duty.site_id.is_empty() { !duty.whistle_id.is_empty() && *whistle == duty.whistle_id } else { *site == duty.site_id };
        place || *call == duty.call_id
    }
}

fn is_duty(body: &v1::ResponderCalled) -> bool {
    body.role() != DutyRole::Standby
}

/// The facts of one realm, and those of all.
pub struct People<'a> {
    pub realm: &'a str,
    pub all: &'a [Fact],
}

impl<'a> People<'a> {
    fn own(&self) -> impl Iterator<Item = &'a Fact> + Clone {
        let realm = self.realm;
        self.all.iter().filter(move |fact| *fact.realm == *realm)
    }

    pub fn calls(&self) -> Vec<CallRow> {
        let rows = self.own().filter_map(|fact| match &fact.event {
            Event::ResponderCalled(body) if is_duty(body) => Some(self.call(fact, body)),
            Event::OrganizationCalled(body) => Some(self.asked(fact, body)),
            _ => None,
        });
        rows.collect()
    }

    fn call(&self, called: &Fact, body: &v1::ResponderCalled) -> CallRow {
        let mut organization = String::new();
        for fact in self.all.iter().take_while(|fact| fact.position < called.position) {
            match &fact.event {
                Event::ResponderEnrolled(known) if known.responder_id == body.responder_id => organization = known.organization_id.clone(),
                Event::ResponderTransferred(known) if known.responder_id == body.responder_id => {
                    organization = known.organization_id.clone()
                }
                _ => {}
            }
        }
        let mut row = CallRow {
            realm: self.realm.to_owned(),
            call_id: body.call_id.clone(),
            responder_id: body.responder_id.clone(),
            organization_id: organization,
            incident_id: body.incident_id.clone(),
            role: body.role,
            unit_id: body.unit_id.clone(),
            site_id: body.site_id.clone(),
            seat_id: body.seat_id.clone(),
            whistle_id: body.whistle_id.clone(),
            need_id: body.need_id.clone(),
            area_id: body.area_id.clone(),
            tier: body.tier,
            reason: body.reason,
            plan_id: body.plan_id.clone(),
            card: body.card.clone().or_else(|| self.plan_card(called, body)),
            plan_version: body.plan_version,
            shift_id: body.shift_id.clone(),
            rest_override: body.rest_override.clone(),
            fill_proposal_id: body.fill_proposal_id.clone(),
            fill_line_id: body.fill_line_id.clone(),
            from_ms: body.from_ms,
            until_ms: body.until_ms,
            called_at_ms: called.recorded_at_ms,
            reply_due_ms: body.reply_due_ms,
            organization_call_id: body.organization_call_id.clone(),
            released_by_area_id: body.released_by_area_id.clone(),
            ..Default::default()
        };
        let (mut seen, mut present, mut arrived, mut corrected, mut recalled) = (Seen::default(), false, 0, 0, false);
        for fact in self.own() {
            seen.note(&fact.event, &body.responder_id);
            if fact.position < called.position {
                continue;
            }
            let now_ms = fact.recorded_at_ms;
            let mine = |call_id: &str| call_id == body.call_id;
            match &fact.event {
                Event::NoShowCorrected(event) if mine(&event.call_id) && row.no_show => {
                    row.no_show = false;
                    corrected = event.arrived_at_ms;
                }
                _ if row.released_at_ms != 0 => continue,
                Event::CallAcknowledged(event) if mine(&event.call_id) && row.acknowledged_at_ms == 0 => row.acknowledged_at_ms = now_ms,
                Event::CallAccepted(event) if mine(&event.call_id) => {
                    row.accepted_at_ms = if row.accepted_at_ms == 0 { now_ms } else { row.accepted_at_ms };
                    row.estimated_arrival_ms = event.estimated_arrival_ms;
                    row.unanswered = false;
                }
                Event::CallDeclined(event) if mine(&event.call_id) => row.unanswered = false,
                Event::CallUnanswered(event) if mine(&event.call_id) => row.unanswered = true,
                Event::NoShowDeclared(event) if mine(&event.call_id) => row.no_show = true,
                Event::ResponderRecalled(event) if mine(&event.call_id) => recalled = true,
                Event::DutyReleased(event) if mine(&event.call_id) => {
                    row.released_at_ms = now_ms;
                    row.release_reason = event.reason;
                }
                _ => {}
            }
            if row.released_at_ms == 0 {
                let now = seen.at(body);
                row.unanswered &= !now || present;
                present = now;
                arrived = if arrived == 0 && now { fact.occurred_at_ms } else { arrived };
            }
        }
        row.arrived_at_ms = if arrived == 0 { corrected } else { arrived };
        self.delivery(&mut row);
        row.part_confirmed = self.part_confirmed(&row);
        let standing = row.released_at_ms == 0;
        row.overdue = standing && row.unanswered;
        row.unconfirmed = standing && matches!(seen, Seen::Disputed { .. });
        let phase = match &row {
            _ if !standing => CallPhase::Released,
            _ if recalled => CallPhase::Recalled,
            row => duty_phase(present, row.accepted_at_ms != 0, row.acknowledged_at_ms != 0, row.estimated_arrival_ms, arrived != 0),
        };
        row.set_phase(phase);
        row
    }

    fn plan_card(&self, called: &Fact, body: &v1::ResponderCalled) -> Option<v1::PostCard> {
        let before = self.all.iter().take_while(|fact| fact.position < called.position);
        let drafts = before.filter_map(|fact| match &fact.event {
            Event::PlanDrafted(draft) if draft.plan_id == body.plan_id && draft.version == body.plan_version => Some(draft),
            _ => None,
        });
        let card = drafts.last()?.cards.iter().find(|card| card.card_key == body.card_key);
        card.filter(|_| !body.card_key.is_empty()).cloned()
    }

    /// The facts up to a call's release.
    fn until_over(&self, call_id: &str) -> impl Iterator<Item = &'a Fact> {
        let over = |fact: &&Fact| match &fact.event {
            Event::DutyReleased(body) => body.call_id == call_id,
            Event::OrganizationCallDeclined(body) => body.call_id == call_id,
            Event::OrganizationCallEnded(body) => body.call_id == call_id,
            _ => false,
        };
        let first_over = self.own().find(over).map(|fact| fact.position);
        self.own().take_while(move |fact| first_over.is_none_or(|position| fact.position < position))
    }

    fn delivery(&self, row: &mut CallRow) {
        let mut channel = 0;
        for fact in self.until_over(&row.call_id) {
            match &fact.event {
                Event::DeliveryRecorded(body) if body.call_id == row.call_id => {
                    row.deliveries.retain(|known| known.channel != body.channel);
                    let (outcome, attempted_at_ms) = (body.outcome, body.attempted_at_ms);
                    row.deliveries.push(v1::CallDelivery { channel: body.channel, outcome, attempted_at_ms });
                    channel = channel.max(body.channel);
                }
                Event::NextChannelOrdered(body) if body.call_id == row.call_id => channel = channel.max(body.channel),
                Event::TelephoneRequested(body) if body.call_id == row.call_id => {
                    row.contacts = body.contacts.clone();
                    channel = v1::DeliveryChannel::NamedContact.into();
                }
                _ => {}
            }
        }
        row.channel = channel;
        row.deliveries.sort_by_key(|known| known.channel);
    }

    fn part_confirmed(&self, row: &CallRow) -> bool {
        let confirms = |fact: &Fact| match &fact.event {
            Event::PartConfirmed(body) => body.whistle_id == row.whistle_id && body.need_id == row.need_id,
            _ => false,
        };
        self.until_over(&row.call_id).any(confirms)
    }

    fn asked(&self, called: &Fact, body: &v1::OrganizationCalled) -> CallRow {
        let mut row = CallRow {
            realm: self.realm.to_owned(),
            call_id: body.call_id.clone(),
            organization_id: body.organization_id.clone(),
            incident_id: body.incident_id.clone(),
            site_id: body.site_id.clone(),
            whistle_id: body.whistle_id.clone(),
            need_id: body.need_id.clone(),
            area_id: body.area_id.clone(),
            called_at_ms: called.recorded_at_ms,
            reply_due_ms: body.deadline_ms,
            quantity: i64::from(body.quantity),
            lead: body.lead,
            ..Default::default()
        };
        row.part_confirmed = self.part_confirmed(&row);
        let (mut overdue, mut over) = (false, None);
        let first = |slot: &mut i64, ms: i64| *slot = if *slot == 0 { ms } else { *slot };
        for fact in self.own() {
            let now_ms = fact.recorded_at_ms;
            let mine = |call_id: &str| call_id == body.call_id;
            match &fact.event {
                Event::OrganizationAcknowledged(event) if mine(&event.call_id) => first(&mut row.acknowledged_at_ms, now_ms),
                Event::PeopleNominated(event) if mine(&event.call_id) => {
                    first(&mut row.accepted_at_ms, now_ms);
                    row.named += event.responder_ids.len() as i64;
                }
                Event::OrganizationReportedIn(event) if mine(&event.call_id) => first(&mut row.arrived_at_ms, now_ms),
                Event::OrganizationOverdue(event) if mine(&event.call_id) => overdue = true,
                Event::OrganizationCallDeclined(event) if mine(&event.call_id) => over = Some((CallPhase::Declined, now_ms)),
                Event::OrganizationCallEnded(event) if mine(&event.call_id) => over = Some((CallPhase::Ended, now_ms)),
                _ => {}
            }
        }
        let duties = self.standing().into_iter().filter(|(duty, _)| duty.organization_call_id == body.call_id);
        row.present = duties.filter(|(duty, _)| self.seen(&duty.responder_id).at(duty)).count() as i64;
        row.missing = if over.is_some() { 0 } else { (row.quantity - row.present).max(0) };
        let phase = match over {
            Some((phase, at_ms)) => {
                row.released_at_ms = at_ms;
                phase
            }
            None if row.arrived_at_ms != 0 => CallPhase::ReportedIn,
            None if overdue => CallPhase::Overdue,
            None if row.accepted_at_ms != 0 => CallPhase::Nominated,
            None if row.acknowledged_at_ms != 0 => CallPhase::Acknowledged,
            None => CallPhase::Called,
        };
        row.set_phase(phase);
        row.overdue = phase == CallPhase::Overdue;
        row
    }

    fn seen(&self, person: &str) -> Seen {
        let mut seen = Seen::default();
        self.own().for_each(|fact| seen.note(&fact.event, person));
        seen
    }

    /// Duties that stand, in the order of their calls, with the call's row.
    fn standing(&self) -> Vec<(&'a v1::ResponderCalled, &'a Fact)> {
        let released: BTreeSet<&str> = self
            .own()
            .filter_map(|fact| if let Event::DutyReleased(body) = &fact.event { Some(body.call_id.as_str()) } else { None })
            .collect();
        let calls = self.own().filter_map(|fact| match &fact.event {
            Event::ResponderCalled(body) if is_duty(body) && !released.contains(body.call_id.as_str()) => Some((body, fact)),
            _ => None,
        });
        calls.collect()
    }

    pub fn responders(&self) -> Vec<ResponderRow> {
        let named = self.own().filter_map(|fact| match &fact.event {
            Event::ResponderEnrolled(body) => Some(body.responder_id.clone()),
            Event::ResponderCalled(body) if is_duty(body) => Some(body.responder_id.clone()),
            Event::ResponderPutOnStandby(body) => Some(body.responder_id.clone()),
            Event::CheckedIn(body) => Some(body.responder_id.clone()),
            Event::PresenceDisputed(body) => Some(body.responder_id.clone()),
            Event::PresenceUnconfirmed(body) => Some(body.responder_id.clone()),
            Event::PresenceSettled(body) if !(body.site_id.is_empty() && body.whistle_id.is_empty()) => Some(body.responder_id.clone()),
            Event::ShelterOrdered(body) => Some(body.responder_id.clone()),
            Event::PastPresenceRecorded(body) => Some(body.responder_id.clone()),
            Event::FatigueRaised(body) => Some(body.responder_id.clone()),
            Event::ResponderAttached(body) => Some(body.responder_id.clone()),
            _ => None,
        });
        named.collect::<BTreeSet<String>>().iter().map(|person| self.responder(person)).collect()
    }

    fn responder(&self, person: &str) -> ResponderRow {
        let mut row = ResponderRow { realm: self.realm.to_owned(), responder_id: person.to_owned(), ..Default::default() };
        let away = self.peacetime(&mut row);
        self.times(&mut row);
        self.shelter(&mut row);
        let seen = self.seen(person);
        let duties: Vec<_> = self.standing().into_iter().filter(|(duty, _)| duty.responder_id == person).collect();
        let current = duties.iter().find(|(duty, _)| seen.at(duty)).or(duties.first());
        let last = self.last_released(person);
        let state = match (&seen, current) {
            (Seen::Disputed { .. }, _) => ResponderState::Unconfirmed,
            (Seen::At { .. }, _) => ResponderState::OnPost,
            (_, Some((duty, called))) => {
                let call = self.call(called, duty);
                let (accepted, acknowledged) = (call.accepted_at_ms != 0, call.acknowledged_at_ms != 0);
                match duty_phase(false, accepted, acknowledged, call.estimated_arrival_ms, self.was_at(duty, called)) {
                    CallPhase::EnRoute => ResponderState::EnRoute,
                    CallPhase::Accepted => ResponderState::Accepted,
                    CallPhase::Acknowledged => ResponderState::Acknowledged,
                    _ => ResponderState::Summoned,
                }
            }
            _ if row.withdrawn || away => ResponderState::OutOfService,
            _ if !row.standby_incident_ids.is_empty() => ResponderState::Standby,
            _ => last.as_ref().map_or(ResponderState::Peacetime, |(state, _)| *state),
        };
        row.set_state(state);
        if let Seen::At { site, whistle, .. } = &seen {
            (row.present_site_id, row.present_whistle_id) = (site.clone(), whistle.clone());
        }
        match (current, &seen) {
            (Some((duty, _)), _) => {
                row.call_id = duty.call_id.clone();
                row.incident_id = duty.incident_id.clone();
                row.role = duty.role;
                (row.site_id, row.seat_id) = (duty.site_id.clone(), duty.seat_id.clone());
                row.whistle_id = if duty.site_id.is_empty() { duty.whistle_id.clone() } else { String::new() };
                row.need_id = duty.need_id.clone();
                row.post_area_id = duty.area_id.clone();
                if !duty.unit_id.is_empty() {
                    row.unit_id = duty.unit_id.clone();
                }
            }
            (None, Seen::At { area, .. } | Seen::Disputed { area }) => row.post_area_id = area.clone(),
            (None, Seen::Nowhere) => {}
        }
        let tells = [ResponderState::Resting, ResponderState::Released, ResponderState::Declined, ResponderState::NoShow];
        if let Some((_, incident)) = last.filter(|_| current.is_none() && tells.contains(&state)) {
            row.incident_id = incident;
        }
        row
    }

    /// Kind to reserved. Returns whether the person is away by the last word on their availability.
    fn peacetime(&self, row: &mut ResponderRow) -> bool {
        let person = row.responder_id.clone();
        let mut away = false;
        let mut by: BTreeSet<String> = BTreeSet::new();
        for fact in self.all {
            match &fact.event {
                Event::ResponderEnrolled(body) if body.responder_id == person => {
                    (row.kind, row.affiliation) = (body.kind, body.affiliation);
                    row.organization_id = body.organization_id.clone();
                    row.home_area_id = body.area_id.clone();
                    row.specialties = body.specialties.clone();
                }
                Event::ResponderReportedToCommunity(body) if body.responder_id == person => row.home_area_id = body.area_id.clone(),
                Event::ResponderTransferred(body) if body.responder_id == person => {
                    row.organization_id = body.organization_id.clone();
                    by.clear();
                }
                Event::SpecialtiesSet(body) if body.responder_id == person => row.specialties = body.specialties.clone(),
                Event::AvailabilitySet(body) if body.responder_id == person => {
                    row.availability = body.availability;
                    (row.availability_from_ms, row.availability_until_ms) = (body.from_ms, body.until_ms);
                    let free = [Availability::Unspecified, Availability::Available].contains(&body.availability());
                    away = !free && body.from_ms <= fact.recorded_at_ms;
                }
                Event::ResponderWithdrawn(body) if body.responder_id == person => row.withdrawn = true,
                Event::PeopleReserved(body) => {
                    if body.responder_ids.contains(&person) {
                        by.insert(body.organization_id.clone());
                    } else {
                        by.remove(&body.organization_id);
                    }
                }
                _ => {}
            }
        }
        row.reserved = !by.is_empty();
        self.responsibilities(row);
        away
    }

    fn responsibilities(&self, row: &mut ResponderRow) {
        let mut held: BTreeMap<(String, i32), (i64, i64)> = BTreeMap::new();
        for fact in self.all {
            match &fact.event {
                Event::ResponsibilityAssigned(body) if body.responder_id == row.responder_id => {
                    held.insert((body.area_id.clone(), body.kind), (body.from_ms, body.until_ms));
                }
                Event::ResponsibilityEnded(body) if body.responder_id == row.responder_id => {
                    held.remove(&(body.area_id.clone(), body.kind));
                }
                _ => {}
            }
        }
        let rows = held.into_iter().map(|((area_id, kind), (from_ms, until_ms))| ResponsibilityRow { area_id, kind, from_ms, until_ms });
        row.responsibilities = rows.collect();
    }

    /// Last seen, hours, standby and the unit attached to.
    fn times(&self, row: &mut ResponderRow) {
        let person = row.responder_id.clone();
        naive_hours::count(self.own(), self.seen(&person).somewhere(), row);
        let mut units = Vec::new();
        for fact in self.own() {
            let observed = match &fact.event {
                Event::CheckedIn(body) => body.responder_id == person,
                // Leaving says nothing of somebody who was never there.
                Event::CheckedOut(body) => body.responder_id == person,
                Event::PastPresenceRecorded(body) => body.responder_id == person,
                _ => false,
            };
            if observed {
                row.last_seen_ms = row.last_seen_ms.max(fact.occurred_at_ms);
            }
            match &fact.event {
                Event::ResponderAttached(body) if body.responder_id == person && !body.extra_seat => {
                    units.retain(|unit| *unit != body.unit_id);
                    units.push(body.unit_id.clone());
                }
                Event::ResponderDetached(body) if body.responder_id == person => units.retain(|unit| *unit != body.unit_id),
                Event::UnitDissolved(body) => units.retain(|unit| *unit != body.unit_id),
                Event::ResponderPutOnStandby(body)
                    if body.responder_id == person && !row.standby_incident_ids.contains(&body.incident_id) =>
                {
                    row.standby_incident_ids.push(body.incident_id.clone());
                }
                Event::StandbyEnded(body) if body.responder_id == person => {
                    row.standby_incident_ids.retain(|incident| *incident != body.incident_id);
                }
                _ => {}
            }
        }
        row.unit_id = units.last().cloned().unwrap_or_default();
    }

    fn shelter(&self, row: &mut ResponderRow) {
        let mut recalls: Vec<(String, String, bool)> = Vec::new();
        for fact in self.own() {
            match &fact.event {
                Event::ShelterOrdered(body) if body.responder_id == row.responder_id => {
                    recalls.retain(|(incident, area, _)| (incident, area) != (&body.incident_id, &body.recalled_area_id));
                    recalls.push((body.incident_id.clone(), body.recalled_area_id.clone(), false));
                }
                Event::SafetyConfirmed(body) if body.responder_id == row.responder_id => {
                    for (incident, area, safe) in &mut recalls {
                        *safe |= (&*incident, &*area) == (&body.incident_id, &body.recalled_area_id);
                    }
                }
                Event::AreaResumed(body) => recalls.retain(|(incident, area, _)| (incident, area) != (&body.incident_id, &body.area_id)),
                _ => {}
            }
        }
        row.unaccounted = recalls.iter().any(|(_, _, safe)| !safe);
        row.safe = !row.unaccounted && !recalls.is_empty();
    }

    /// Whether the holder was ever present at a duty.
    fn was_at(&self, duty: &v1::ResponderCalled, called: &Fact) -> bool {
        let (mut seen, mut was) = (Seen::default(), false);
        for fact in self.own() {
            if matches!(&fact.event, Event::DutyReleased(body) if body.call_id == duty.call_id) {
                break;
            }
            seen.note(&fact.event, &duty.responder_id);
            was |= fact.position >= called.position && seen.at(duty);
        }
        was
    }

    /// What the last duty released makes of somebody without another, and its incident; nothing once that is over.
    fn last_released(&self, person: &str) -> Option<(ResponderState, String)> {
        let mut last: Option<(ReleaseReason, &v1::ResponderCalled, &Fact)> = None;
        for fact in self.own() {
            match &fact.event {
                Event::DutyReleased(body) if body.responder_id == person => {
                    let called = self.own().find_map(|fact| match &fact.event {
                        Event::ResponderCalled(call) if is_duty(call) && call.call_id == body.call_id => Some((call, fact)),
                        _ => None,
                    });
                    last = called.map(|(call, fact)| (body.reason(), call, fact)).filter(|(_, call, _)| !call.incident_id.is_empty());
                }
                Event::IncidentClosed(body) => last = last.filter(|(_, call, _)| call.incident_id != body.incident_id),
                Event::NoShowCorrected(body) => {
                    if let Some((reason, call, _)) = &mut last
                        && call.call_id == body.call_id
                        && *reason == ReleaseReason::NoShow
                    {
                        *reason = ReleaseReason::Unspecified;
                    }
                }
                _ => {}
            }
        }
        last.map(|(reason, call, called)| {
            let over = [ReleaseReason::Relieved, ReleaseReason::CheckedOut, ReleaseReason::PeriodOver].contains(&reason);
            let state = match reason {
                ReleaseReason::NoShow => ResponderState::NoShow,
                ReleaseReason::Declined => ResponderState::Declined,
                _ if over && self.was_at(call, called) => ResponderState::Resting,
                _ => ResponderState::Released,
            };
            (state, call.incident_id.clone())
        })
    }
}

fn duty_phase(present: bool, accepted: bool, acknowledged: bool, arrival_ms: i64, arrived: bool) -> CallPhase {
    match (present, accepted, arrived) {
        (true, ..) => CallPhase::OnPost,
        (false, true, false) if arrival_ms > 0 => CallPhase::EnRoute,
        (false, true, _) | (false, _, true) => CallPhase::Accepted,
        (false, false, false) if acknowledged => CallPhase::Acknowledged,
        (false, false, false) => CallPhase::Summoned,
    }
}
