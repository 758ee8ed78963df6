//! What the script knows of the play, from its events alone: enough to act sensibly. It must never be taken for a view: the count
//! that the views are compared with is `naive`.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::Event;
use muster_proto::v1::{self, DutyRole, Envelope};

/// A site or the place of a whistle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Site(String),
    Whistle(String),
}

impl Place {
    pub(super) fn of(site_id: &str, whistle_id: &str) -> Option<Self> {
        match (site_id.is_empty(), whistle_id.is_empty()) {
            (false, _) => Some(Self::Site(site_id.to_owned())),
            (true, false) => Some(Self::Whistle(whistle_id.to_owned())),
            (true, true) => None,
        }
    }

    /// The two id fields of a body.
    pub(super) fn ids(&self) -> (&str, &str) {
        match self {
            Self::Site(id) => (id, ""),
            Self::Whistle(id) => ("", id),
        }
    }
}

pub(super) struct Call {
    pub(super) realm: String,
    pub(super) body: v1::ResponderCalled,
    pub(super) place: Option<Place>,
    pub(super) open: bool,
}

pub(super) struct Presence {
    pub(super) place: Place,
    pub(super) disputed: bool,
}

pub(super) struct Whistle {
    pub(super) body: v1::WhistleBlown,
    pub(super) open: bool,
    pub(super) acknowledged: bool,
    pub(super) responsible: String,
    pub(super) fulfilled: BTreeMap<String, u32>,
    pub(super) calls: BTreeMap<String, u32>,
}

pub(super) struct Site {
    pub(super) kind: v1::SiteKind,
    pub(super) incident: String,
    pub(super) area: String,
    pub(super) open: bool,
    pub(super) seats: Vec<v1::Seat>,
}

pub(super) struct Unit {
    pub(super) body: v1::UnitEstablished,
    pub(super) organizer: String,
}

#[derive(Default)]
pub(super) struct Mirror {
    pub(super) position: u64,
    pub(super) calls: BTreeMap<String, Call>,
    /// Standing duties of realm and person.
    duties: BTreeMap<(String, String), u32>,
    pub(super) presence: BTreeMap<(String, String), Presence>,
    pub(super) whistles: BTreeMap<String, Whistle>,
    pub(super) sites: BTreeMap<String, Site>,
    pub(super) units: BTreeMap<String, Unit>,
    pub(super) standby: BTreeSet<(String, String)>,
    /// Plans converted and not stood down, by incident.
    pub(super) converted: BTreeMap<String, BTreeSet<String>>,
    pub(super) organization_calls: BTreeMap<String, v1::OrganizationCalled>,
    /// Called in to shelter and not confirmed: incident and person.
    pub(super) called_in: BTreeSet<(String, String)>,
    /// Records by event name.
    pub(super) counts: BTreeMap<&'static str, u64>,
    /// Gaps by incident and reason.
    pub(super) gaps: BTreeMap<(String, i32), u64>,
    /// Duties ended, by reason.
    pub(super) releases: BTreeMap<i32, u64>,
    /// Calls by incident.
    pub(super) calls_of: BTreeMap<String, u64>,
    /// The last rehearsal of each plan.
    pub(super) rehearsals: BTreeMap<String, v1::PlanRehearsed>,
    /// Empty seats of each converted plan that its conversion listed, by incident and plan.
    pub(super) empty_seats: BTreeMap<(String, String), u32>,
    /// The lines of the joint proposal that was made last, by its id.
    pub(super) fill: (String, Vec<v1::FillLine>),
    /// Who has left the roster.
    pub(super) withdrawn: BTreeSet<String>,
    /// Requests to neighbours so far, by whistle.
    pub(super) requests: BTreeMap<String, usize>,
}

impl Mirror {
    pub(super) fn count(&self, event: &str) -> u64 {
        self.counts.get(event).copied().unwrap_or(0)
    }

    pub(super) fn where_is(&self, realm: &str, person: &str) -> Option<&Place> {
        let presence = self.presence.get(&(realm.to_owned(), person.to_owned()))?;
        (!presence.disputed).then_some(&presence.place)
    }

    pub(super) fn is_disputed(&self, realm: &str, person: &str) -> bool {
        self.presence.get(&(realm.to_owned(), person.to_owned())).is_some_and(|presence| presence.disputed)
    }

    /// Neither on duty nor anywhere on post.
    pub(super) fn is_free(&self, realm: &str, person: &str) -> bool {
        let key = (realm.to_owned(), person.to_owned());
        self.duties.get(&key).copied().unwrap_or(0) == 0 && !self.presence.contains_key(&key)
    }

    pub(super) fn missing(&self, whistle: &str, need: &str) -> u32 {
        let Some(whistle) = self.whistles.get(whistle).filter(|whistle| whistle.open) else { return 0 };
        let wanted = whistle.body.needs.iter().find(|known| known.need_id == need).map_or(0, |need| need.quantity);
        let have = |counts: &BTreeMap<String, u32>| counts.get(need).copied().unwrap_or(0);
        wanted.saturating_sub(have(&whistle.fulfilled) + have(&whistle.calls))
    }

    pub(super) fn is_open(&self, place: &Place) -> bool {
        match place {
            Place::Site(id) => self.sites.get(id).is_some_and(|site| site.open),
            Place::Whistle(id) => self.whistles.get(id).is_some_and(|whistle| whistle.open),
        }
    }

    /// The incident that a place belongs to.
    pub(super) fn incident_of(&self, place: &Place) -> &str {
        match place {
            Place::Site(id) => self.sites.get(id).map_or("", |site| site.incident.as_str()),
            Place::Whistle(id) => self.whistles.get(id).map_or("", |whistle| whistle.body.incident_id.as_str()),
        }
    }

    pub(super) fn area_of(&self, place: &Place) -> &str {
        match place {
            Place::Site(id) => self.sites.get(id).map_or("", |site| site.area.as_str()),
            Place::Whistle(id) => self.whistles.get(id).map_or("", |whistle| whistle.body.area_id.as_str()),
        }
    }

    pub(super) fn note(&mut self, record: &Envelope) {
        self.position = record.position;
        let Some(event) = &record.event else { return };
        *self.counts.entry(event.name()).or_default() += 1;
        self.note_call(record, event);
        self.note_presence(record, event);
        self.note_whistle(event);
        self.note_structure(event);
        self.note_planning(event);
    }

    fn note_planning(&mut self, event: &Event) {
        match event {
            Event::PlanRehearsed(body) => drop(self.rehearsals.insert(body.plan_id.clone(), body.clone())),
            Event::FillProposed(body) => {
                if body.part == 1 {
                    self.fill = (body.proposal_id.clone(), Vec::new());
                }
                self.fill.1.extend(body.lines.iter().cloned());
            }
            Event::ResponderWithdrawn(body) => drop(self.withdrawn.insert(body.responder_id.clone())),
            Event::ReinforcementRequested(body) if !body.request_id.is_empty() => {
                *self.requests.entry(body.whistle_id.clone()).or_default() += 1;
            }
            _ => {}
        }
    }

    /// The standing duty of a person at a site.
    pub(super) fn call_at(&self, site: &str, person: &str) -> Option<String> {
        let held = |call: &Call| call.open && call.body.responder_id == person && call.body.site_id == site;
        self.calls.iter().find(|(_, call)| held(call)).map(|(id, _)| id.clone())
    }

    fn note_call(&mut self, record: &Envelope, event: &Event) {
        match event {
            Event::ResponderCalled(body) if body.role() != DutyRole::Standby => {
                *self.duties.entry((record.realm.clone(), body.responder_id.clone())).or_default() += 1;
                *self.calls_of.entry(body.incident_id.clone()).or_default() += 1;
                if let Some(whistle) = self.whistles.get_mut(&body.whistle_id) {
                    *whistle.calls.entry(body.need_id.clone()).or_default() += 1;
                }
                let place = Place::of(&body.site_id, &body.whistle_id);
                let call = Call { realm: record.realm.clone(), body: body.clone(), place, open: true };
                self.calls.insert(body.call_id.clone(), call);
            }
            Event::DutyReleased(body) => {
                *self.releases.entry(body.reason).or_default() += 1;
                let Some(call) = self.calls.get_mut(&body.call_id) else { return };
                call.open = false;
                if let Some(duties) = self.duties.get_mut(&(record.realm.clone(), body.responder_id.clone())) {
                    *duties = duties.saturating_sub(1);
                }
                if let Some(whistle) = self.whistles.get_mut(&call.body.whistle_id) {
                    let calls = whistle.calls.entry(call.body.need_id.clone()).or_default();
                    *calls = calls.saturating_sub(1);
                }
            }
            Event::ResponderPutOnStandby(body) => {
                self.standby.insert((body.incident_id.clone(), body.responder_id.clone()));
            }
            Event::StandbyEnded(body) => {
                self.standby.remove(&(body.incident_id.clone(), body.responder_id.clone()));
            }
            Event::GapRecorded(body) => {
                *self.gaps.entry((body.incident_id.clone(), body.reason)).or_default() += 1;
                // What a conversion makes is called incident/plan/key.
                if let (Some(plan), false) = (body.site_id.split('/').nth(1), body.seat_id.is_empty()) {
                    *self.empty_seats.entry((body.incident_id.clone(), plan.to_owned())).or_default() += 1;
                }
            }
            Event::OrganizationCalled(body) => {
                self.organization_calls.insert(body.call_id.clone(), body.clone());
            }
            _ => {}
        }
    }

    fn note_presence(&mut self, record: &Envelope, event: &Event) {
        let key = |person: &str| (record.realm.clone(), person.to_owned());
        let (person, place) = match event {
            Event::CheckedIn(body) => (key(&body.responder_id), Place::of(&body.site_id, &body.whistle_id)),
            Event::PresenceSettled(body) => (key(&body.responder_id), Place::of(&body.site_id, &body.whistle_id)),
            Event::CheckedOut(body) => (key(&body.responder_id), None),
            Event::PresenceDisputed(body) => {
                if let Some(presence) = self.presence.get_mut(&key(&body.responder_id)) {
                    presence.disputed = true;
                }
                return;
            }
            Event::PresenceUnconfirmed(body) => {
                if let Some(presence) = self.presence.get_mut(&key(&body.responder_id)) {
                    presence.disputed = true;
                }
                return;
            }
            _ => return,
        };
        match place {
            Some(place) => self.presence.insert(person, Presence { place, disputed: false }),
            None => self.presence.remove(&person),
        };
    }

    fn note_whistle(&mut self, event: &Event) {
        match event {
            Event::WhistleBlown(body) => {
                let whistle = Whistle {
                    body: body.clone(),
                    open: true,
                    acknowledged: false,
                    responsible: body.area_id.clone(),
                    fulfilled: BTreeMap::new(),
                    calls: BTreeMap::new(),
                };
                self.whistles.insert(body.whistle_id.clone(), whistle);
            }
            Event::WhistleAcknowledged(body) => self.edit_whistle(&body.whistle_id, |whistle| whistle.acknowledged = true),
            Event::WhistleEscalated(body) => self.edit_whistle(&body.whistle_id, |whistle| {
                whistle.acknowledged = false;
                whistle.responsible.clone_from(&body.to_area_id);
            }),
            Event::NeedFulfilled(body) => self.edit_whistle(&body.whistle_id, |whistle| {
                *whistle.fulfilled.entry(body.need_id.clone()).or_default() += body.quantity;
            }),
            Event::WhistleResolved(body) => self.edit_whistle(&body.whistle_id, |whistle| whistle.open = false),
            Event::WhistleWithdrawn(body) => self.edit_whistle(&body.whistle_id, |whistle| whistle.open = false),
            Event::WhistlesMerged(body) => self.edit_whistle(&body.whistle_id, |whistle| whistle.open = false),
            _ => {}
        }
    }

    fn edit_whistle(&mut self, id: &str, edit: impl FnOnce(&mut Whistle)) {
        if let Some(whistle) = self.whistles.get_mut(id) {
            edit(whistle);
        }
    }

    fn note_structure(&mut self, event: &Event) {
        match event {
            Event::SiteOpened(body) => {
                let (incident, area) = (body.incident_id.clone(), body.area_id.clone());
                self.sites.insert(body.site_id.clone(), Site { kind: body.kind(), incident, area, open: true, seats: body.seats.clone() });
            }
            Event::RequirementSet(body) => {
                if let Some(site) = self.sites.get_mut(&body.site_id) {
                    site.seats.clone_from(&body.seats);
                }
            }
            Event::SiteClosed(body) => {
                if let Some(site) = self.sites.get_mut(&body.site_id) {
                    site.open = false;
                }
            }
            Event::UnitEstablished(body) => {
                self.units.insert(body.unit_id.clone(), Unit { body: body.clone(), organizer: String::new() });
            }
            Event::OrganizerAppointed(body) => {
                if let Some(unit) = self.units.get_mut(&body.unit_id) {
                    unit.organizer.clone_from(&body.responder_id);
                }
            }
            Event::UnitDissolved(body) => {
                self.units.remove(&body.unit_id);
            }
            Event::ShelterOrdered(body) => {
                self.called_in.insert((body.incident_id.clone(), body.responder_id.clone()));
            }
            Event::SafetyConfirmed(body) => {
                self.called_in.remove(&(body.incident_id.clone(), body.responder_id.clone()));
            }
            Event::AreaResumed(body) => self.called_in.retain(|(incident, _)| *incident != body.incident_id),
            Event::AreaConverted(body) => {
                self.converted.entry(body.incident_id.clone()).or_default().insert(body.plan_id.clone());
            }
            Event::AreaStoodDown(body) => {
                if let Some(plans) = self.converted.get_mut(&body.incident_id) {
                    plans.remove(&body.plan_id);
                }
            }
            _ => {}
        }
    }
}
