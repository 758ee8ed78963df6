//! What the records say of people and of calls beyond duty and presence, kept as it stands for the views `calls` and `responders`.

use std::collections::BTreeMap;

use muster_proto::Event;
use muster_proto::v1::{self, Availability, DeliveryChannel, DutyRole, Envelope, ReleaseReason};

use super::facts::{Duty, Facts, Key, Presence};
use super::hours::Told;

/// A person in peacetime, by id: the same in every realm.
#[derive(Default)]
pub(super) struct Member {
    pub(super) enrolled: v1::ResponderEnrolled,
    pub(super) availability: v1::AvailabilitySet,
    /// By the last AvailabilitySet not to be had, and that from the time of its record on or earlier.
    pub(super) away: bool,
    pub(super) withdrawn: bool,
    /// 包干: by area and kind.
    pub(super) responsible: BTreeMap<(String, i32), v1::ResponsibilityAssigned>,
}

/// A person in a realm.
#[derive(Default)]
pub(super) struct Person {
    pub(super) last_seen_ms: i64,
    /// Of presence and fatigue, in the order in which it was told.
    pub(super) told: Vec<Told>,
    pub(super) standby: Vec<String>,
    /// Attached to, dissolved ones included.
    pub(super) units: Vec<String>,
    /// Incident, recalled area, and whether safety was confirmed.
    pub(super) recalls: Vec<(String, String, bool)>,
    /// Place of the last duty released among the duties, and whether its no-show was corrected.
    pub(super) last: Option<(usize, bool)>,
}

/// What became of a call to a person.
#[derive(Default)]
pub(super) struct Reply {
    pub(super) called_at_ms: i64,
    pub(super) organization: String,
    pub(super) acknowledged_at_ms: i64,
    pub(super) accepted_at_ms: i64,
    pub(super) present: bool,
    pub(super) first_present_ms: Option<i64>,
    pub(super) corrected_ms: i64,
    pub(super) released_at_ms: i64,
    pub(super) reason: i32,
    pub(super) recalled: bool,
    pub(super) unanswered: bool,
    pub(super) no_show: bool,
    pub(super) card: Option<v1::PostCard>,
    /// The last word on each channel.
    pub(super) deliveries: BTreeMap<i32, v1::DeliveryRecorded>,
    /// Channels that were ordered, the telephone among them.
    pub(super) ordered: Vec<i32>,
    pub(super) contacts: Vec<v1::TelephoneContact>,
    pub(super) part_confirmed: bool,
}

/// A call to an organization.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) body: v1::OrganizationCalled,
    pub(super) called_at_ms: i64,
    pub(super) acknowledged_at_ms: i64,
    pub(super) nominated_at_ms: i64,
    pub(super) named: i64,
    pub(super) reported_at_ms: i64,
    pub(super) overdue: bool,
    /// When it ended, and whether by being declined.
    pub(super) over: Option<(i64, bool)>,
    pub(super) part_confirmed: bool,
}

fn first(slot: &mut i64, value: i64) {
    if *slot == 0 {
        *slot = value;
    }
}

impl Facts {
    pub(super) fn note_people(&mut self, record: &Envelope, event: &Event) {
        if let Event::PlanDrafted(body) = event {
            self.cards.insert((body.plan_id.clone(), body.version), body.cards.clone());
        }
        self.note_member(record, event);
        self.note_reply(record, event);
        self.note_delivery(record, event);
        self.note_part(record, event);
        self.note_asked(record, event);
        self.note_person(record, event);
        self.note_observed(record, event);
        self.note_hours(record, event);
    }

    fn note_observed(&mut self, record: &Envelope, event: &Event) {
        let person = match event {
            Event::ResponderCalled(body) => &body.responder_id,
            Event::CheckedIn(body) => &body.responder_id,
            Event::CheckedOut(body) => &body.responder_id,
            Event::PresenceDisputed(body) => &body.responder_id,
            Event::PresenceUnconfirmed(body) => &body.responder_id,
            Event::PresenceSettled(body) => &body.responder_id,
            _ => return,
        };
        self.note_presence_at_duties((record.realm.clone(), person.clone()), record.occurred_at_ms);
    }

    fn note_member(&mut self, record: &Envelope, event: &Event) {
        if let Event::PeopleReserved(body) = event {
            self.reserved.insert(body.organization_id.clone(), body.responder_ids.iter().cloned().collect());
            return;
        }
        let person = match event {
            Event::ResponderEnrolled(body) => &body.responder_id,
            Event::ResponderReportedToCommunity(body) => &body.responder_id,
            Event::ResponderTransferred(body) => &body.responder_id,
            Event::SpecialtiesSet(body) => &body.responder_id,
            Event::AvailabilitySet(body) => &body.responder_id,
            Event::ResponderWithdrawn(body) => &body.responder_id,
            Event::ResponsibilityAssigned(body) => &body.responder_id,
            Event::ResponsibilityEnded(body) => &body.responder_id,
            _ => return,
        };
        let member = self.members.entry(person.clone()).or_default();
        match event {
            Event::ResponderEnrolled(body) => {
                member.enrolled = body.clone();
                self.people.entry((record.realm.clone(), person.clone())).or_default();
            }
            Event::ResponderReportedToCommunity(body) => member.enrolled.area_id.clone_from(&body.area_id),
            Event::ResponderTransferred(body) => {
                member.enrolled.organization_id.clone_from(&body.organization_id);
                for people in self.reserved.values_mut() {
                    people.remove(person);
                }
            }
            Event::SpecialtiesSet(body) => member.enrolled.specialties.clone_from(&body.specialties),
            Event::AvailabilitySet(body) => {
                let can = matches!(body.availability(), Availability::Available | Availability::Unspecified);
                member.away = !can && record.recorded_at_ms >= body.from_ms;
                member.availability = body.clone();
            }
            Event::ResponsibilityAssigned(body) => {
                member.responsible.insert((body.area_id.clone(), body.kind), body.clone());
            }
            Event::ResponsibilityEnded(body) => drop(member.responsible.remove(&(body.area_id.clone(), body.kind))),
            _ => member.withdrawn = true,
        }
    }

    fn note_reply(&mut self, record: &Envelope, event: &Event) {
        let key = |id: &str| (record.realm.clone(), id.to_owned());
        let call_id = match event {
            Event::ResponderCalled(body) if body.role() != DutyRole::Standby => {
                let organization = self.members.get(&body.responder_id).map(|member| member.enrolled.organization_id.clone());
                let reply = Reply {
                    called_at_ms: record.recorded_at_ms,
                    organization: organization.unwrap_or_default(),
                    card: body.card.clone().or_else(|| self.card_of_plan(body)),
                    part_confirmed: self.is_confirmed(&record.realm, &body.whistle_id, &body.need_id),
                    ..Reply::default()
                };
                self.replies.insert(key(&body.call_id), reply);
                self.people.entry(key(&body.responder_id)).or_default();
                return;
            }
            Event::CallAcknowledged(body) => &body.call_id,
            Event::CallAccepted(body) => &body.call_id,
            Event::CallDeclined(body) => &body.call_id,
            Event::CallUnanswered(body) => &body.call_id,
            Event::NoShowDeclared(body) => &body.call_id,
            Event::NoShowCorrected(body) => &body.call_id,
            Event::ResponderRecalled(body) => &body.call_id,
            Event::DutyReleased(body) => &body.call_id,
            _ => return,
        };
        let Some(reply) = self.replies.get_mut(&key(call_id)) else { return };
        if let Event::NoShowCorrected(body) = event {
            if std::mem::take(&mut reply.no_show) {
                reply.corrected_ms = body.arrived_at_ms;
            }
            return;
        }
        if reply.released_at_ms != 0 {
            return;
        }
        match event {
            Event::CallAcknowledged(_) => first(&mut reply.acknowledged_at_ms, record.recorded_at_ms),
            Event::CallAccepted(_) => {
                first(&mut reply.accepted_at_ms, record.recorded_at_ms);
                reply.unanswered = false;
            }
            Event::CallDeclined(_) => reply.unanswered = false,
            Event::CallUnanswered(_) => reply.unanswered = true,
            Event::NoShowDeclared(_) => reply.no_show = true,
            Event::ResponderRecalled(_) => reply.recalled = true,
            Event::DutyReleased(body) => {
                reply.released_at_ms = record.recorded_at_ms;
                reply.reason = body.reason;
            }
            _ => {}
        }
    }

    fn card_of_plan(&self, body: &v1::ResponderCalled) -> Option<v1::PostCard> {
        let cards = self.cards.get(&(body.plan_id.clone(), body.plan_version))?;
        cards.iter().find(|card| !body.card_key.is_empty() && card.card_key == body.card_key).cloned()
    }

    fn is_confirmed(&self, realm: &str, whistle_id: &str, need_id: &str) -> bool {
        self.whistles.get(&(realm.to_owned(), whistle_id.to_owned())).is_some_and(|whistle| whistle.confirmed.contains(need_id))
    }

    fn note_delivery(&mut self, record: &Envelope, event: &Event) {
        let call_id = match event {
            Event::DeliveryRecorded(body) => &body.call_id,
            Event::NextChannelOrdered(body) => &body.call_id,
            Event::TelephoneRequested(body) => &body.call_id,
            _ => return,
        };
        let reply = self.replies.get_mut(&(record.realm.clone(), call_id.clone()));
        let Some(reply) = reply.filter(|reply| reply.released_at_ms == 0) else { return };
        match event {
            Event::DeliveryRecorded(body) => drop(reply.deliveries.insert(body.channel, body.clone())),
            Event::NextChannelOrdered(body) => reply.ordered.push(body.channel),
            Event::TelephoneRequested(body) => {
                reply.ordered.push(DeliveryChannel::NamedContact.into());
                reply.contacts.clone_from(&body.contacts);
            }
            _ => {}
        }
    }

    /// A part of a whistle is done: its calls that stand say so from now on.
    fn note_part(&mut self, record: &Envelope, event: &Event) {
        let Event::PartConfirmed(part) = event else { return };
        let part = (part.whistle_id.as_str(), part.need_id.as_str());
        let own = |duty: &&Duty| duty.realm == record.realm && (duty.body.whistle_id.as_str(), duty.body.need_id.as_str()) == part;
        for duty in self.duties.iter().filter(|duty| !duty.released).filter(own) {
            if let Some(reply) = self.replies.get_mut(&(duty.realm.clone(), duty.body.call_id.clone())) {
                reply.part_confirmed = true;
            }
        }
        let asked = self.asked.iter_mut().filter(|((realm, _), asked)| *realm == record.realm && asked.over.is_none());
        for (_, asked) in asked.filter(|(_, asked)| (asked.body.whistle_id.as_str(), asked.body.need_id.as_str()) == part) {
            asked.part_confirmed = true;
        }
    }

    fn note_asked(&mut self, record: &Envelope, event: &Event) {
        let key = |id: &str| (record.realm.clone(), id.to_owned());
        let now_ms = record.recorded_at_ms;
        let call_id = match event {
            Event::OrganizationCalled(body) => {
                let part_confirmed = self.is_confirmed(&record.realm, &body.whistle_id, &body.need_id);
                let asked = Asked { body: body.clone(), called_at_ms: now_ms, part_confirmed, ..Asked::default() };
                self.asked.insert(key(&body.call_id), asked);
                return;
            }
            Event::OrganizationAcknowledged(body) => &body.call_id,
            Event::PeopleNominated(body) => &body.call_id,
            Event::OrganizationReportedIn(body) => &body.call_id,
            Event::OrganizationOverdue(body) => &body.call_id,
            Event::OrganizationCallDeclined(body) => &body.call_id,
            Event::OrganizationCallEnded(body) => &body.call_id,
            _ => return,
        };
        let Some(asked) = self.asked.get_mut(&key(call_id)) else { return };
        match event {
            Event::OrganizationAcknowledged(_) => first(&mut asked.acknowledged_at_ms, now_ms),
            Event::PeopleNominated(body) => {
                first(&mut asked.nominated_at_ms, now_ms);
                asked.named += i64::try_from(body.responder_ids.len()).unwrap_or(i64::MAX);
            }
            Event::OrganizationReportedIn(_) => first(&mut asked.reported_at_ms, now_ms),
            Event::OrganizationOverdue(_) => asked.overdue = true,
            _ => asked.over = Some((now_ms, matches!(event, Event::OrganizationCallDeclined(_)))),
        }
    }

    fn note_person(&mut self, record: &Envelope, event: &Event) {
        let key = |id: &str| (record.realm.clone(), id.to_owned());
        let of_realm = |people: &mut BTreeMap<Key, Person>, change: &mut dyn FnMut(&mut Person)| {
            people.iter_mut().filter(|((realm, _), _)| *realm == record.realm).for_each(|(_, person)| change(person));
        };
        match event {
            Event::ResponderPutOnStandby(body) => {
                let standby = &mut self.people.entry(key(&body.responder_id)).or_default().standby;
                if !standby.contains(&body.incident_id) {
                    standby.push(body.incident_id.clone());
                }
            }
            Event::StandbyEnded(body) => {
                if let Some(person) = self.people.get_mut(&key(&body.responder_id)) {
                    person.standby.retain(|incident| *incident != body.incident_id);
                }
            }
            Event::ResponderAttached(body) => {
                let units = &mut self.people.entry(key(&body.responder_id)).or_default().units;
                if !body.extra_seat {
                    units.retain(|unit| *unit != body.unit_id);
                    units.push(body.unit_id.clone());
                }
            }
            Event::ResponderDetached(body) => {
                if let Some(person) = self.people.get_mut(&key(&body.responder_id)) {
                    person.units.retain(|unit| *unit != body.unit_id);
                }
            }
            Event::ShelterOrdered(body) => {
                let recalls = &mut self.people.entry(key(&body.responder_id)).or_default().recalls;
                recalls.retain(|(incident, area, _)| (incident, area) != (&body.incident_id, &body.recalled_area_id));
                recalls.push((body.incident_id.clone(), body.recalled_area_id.clone(), false));
            }
            Event::SafetyConfirmed(body) => {
                let recalls = self.people.get_mut(&key(&body.responder_id)).map(|person| &mut person.recalls);
                for (_, _, safe) in recalls
                    .into_iter()
                    .flatten()
                    .filter(|(incident, area, _)| (incident, area) == (&body.incident_id, &body.recalled_area_id))
                {
                    *safe = true;
                }
            }
            Event::AreaResumed(body) => of_realm(&mut self.people, &mut |person| {
                person.recalls.retain(|(incident, area, _)| (incident, area) != (&body.incident_id, &body.area_id));
            }),
            Event::CheckedIn(v1::CheckedIn { responder_id, .. })
            | Event::CheckedOut(v1::CheckedOut { responder_id, .. })
            | Event::PastPresenceRecorded(v1::PastPresenceRecorded { responder_id, .. }) => {
                if !matches!(event, Event::CheckedOut(_)) {
                    self.people.entry(key(responder_id)).or_default();
                }
                if let Some(person) = self.people.get_mut(&key(responder_id)) {
                    person.last_seen_ms = person.last_seen_ms.max(record.occurred_at_ms);
                }
            }
            _ => self.note_last(record, event),
        }
    }

    /// The last duty released, and what ends it.
    fn note_last(&mut self, record: &Envelope, event: &Event) {
        let realm = &record.realm;
        match event {
            Event::DutyReleased(body) => {
                let Some(place) = self.place_of_call(&(realm.clone(), body.call_id.clone())) else { return };
                let of_incident = !self.duties[place].body.incident_id.is_empty();
                let person = self.people.entry(self.duties[place].person()).or_default();
                person.last = of_incident.then_some((place, false));
            }
            Event::IncidentClosed(body) => {
                for (_, person) in self.people.iter_mut().filter(|((of, _), _)| of == realm) {
                    person.last = person.last.filter(|(place, _)| self.duties[*place].body.incident_id != body.incident_id);
                }
            }
            Event::NoShowCorrected(body) => {
                let Some(place) = self.place_of_call(&(realm.clone(), body.call_id.clone())) else { return };
                let no_show = self.replies.get(&(realm.clone(), body.call_id.clone())).map(|reply| reply.reason);
                if let Some(person) = self.people.get_mut(&self.duties[place].person())
                    && let Some((last, corrected)) = &mut person.last
                    && *last == place
                    && no_show == Some(ReleaseReason::NoShow.into())
                {
                    *corrected = true;
                }
            }
            _ => {}
        }
    }

    /// First arrivals, after what was just observed.
    fn note_presence_at_duties(&mut self, key: Key, occurred_at_ms: i64) {
        let known = matches!(self.presence.get(&key), Some(Presence::At { .. } | Presence::Disputed { .. }));
        if known {
            self.people.entry(key.clone()).or_default();
        }
        let held = self.standing_of(&key).map(|duty| ((key.0.clone(), duty.body.call_id.clone()), self.present_at(duty)));
        for (call, present) in held.collect::<Vec<_>>() {
            let Some(reply) = self.replies.get_mut(&call) else { continue };
            if present && !reply.present {
                reply.unanswered = false;
                reply.first_present_ms = reply.first_present_ms.or(Some(occurred_at_ms));
            }
            reply.present = present;
        }
    }
}
