//! What the records say, kept as it stands: no figure is counted here. Must never leave out a record that a row's definition names.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{self, AreaLevel, DutyRole, Envelope, Rating, WhistleStatus};
use muster_proto::{ACTUAL, Event};

use super::people::{Asked, Member, Person, Reply};

/// A realm and an id in it.
pub(super) type Key = (String, String);

#[derive(Default)]
pub(super) struct Facts {
    pub(super) areas: BTreeMap<String, Area>,
    /// Areas that have a coverage row besides those of real life, by realm.
    pub(super) touched: BTreeMap<String, BTreeSet<String>>,
    /// Areas named by a record of a realm: their paths count, also as they change later.
    named: BTreeMap<String, BTreeSet<String>>,
    pub(super) units: BTreeMap<Key, Unit>,
    pub(super) sites: BTreeMap<Key, Site>,
    pub(super) whistles: BTreeMap<Key, Whistle>,
    /// In the order in which they were given.
    pub(super) duties: Vec<Duty>,
    duty_of_call: BTreeMap<Key, usize>,
    /// Places in `duties` of each person, released ones included.
    pub(super) duties_of: BTreeMap<Key, Vec<usize>>,
    pub(super) presence: BTreeMap<Key, Presence>,
    /// Who was called in to shelter and has not confirmed: realm, incident, recalled area, person; and the area they were in.
    pub(super) called_in: BTreeMap<(String, String, String, String), String>,
    /// 岗位说明书 of each plan and version, as drafted last.
    pub(super) cards: BTreeMap<(String, u32), Vec<v1::PostCard>>,
    /// The last rehearsal of each plan.
    pub(super) rehearsals: BTreeMap<Key, v1::PlanRehearsed>,
    /// Realm and organization's call with its whistle, while it stands.
    pub(super) organization_calls: BTreeMap<Key, String>,
    /// Everybody, as in peacetime, by id.
    pub(super) members: BTreeMap<String, Member>,
    /// 留用: the last word of each organization, less who was transferred since.
    pub(super) reserved: BTreeMap<String, BTreeSet<String>>,
    /// Those whom a realm's records named.
    pub(super) people: BTreeMap<Key, Person>,
    /// What became of each call to a person, by realm and call.
    pub(super) replies: BTreeMap<Key, Reply>,
    /// Calls to organizations.
    pub(super) asked: BTreeMap<Key, Asked>,
}

pub(super) struct Area {
    pub(super) parent: String,
    pub(super) level: AreaLevel,
    pub(super) name: String,
    pub(super) retired: bool,
}

pub(super) struct Unit {
    pub(super) body: v1::UnitEstablished,
    pub(super) secretary: String,
    pub(super) organizer: String,
    /// It has an organizer now, or had one.
    pub(super) organized: bool,
    pub(super) established_at_ms: i64,
    pub(super) overdue: bool,
    pub(super) members: BTreeSet<String>,
    pub(super) extra_seats: BTreeSet<String>,
    pub(super) dissolved: bool,
}

pub(super) struct Site {
    pub(super) body: v1::SiteOpened,
    pub(super) seats: Vec<v1::Seat>,
    pub(super) closed: bool,
    pub(super) suspended: bool,
    /// The latest check-in by shift.
    pub(super) last_check_in: BTreeMap<String, i64>,
    pub(super) risk: i32,
    pub(super) grids: Vec<String>,
    pub(super) supplies: Vec<v1::Supply>,
    pub(super) scheduled: bool,
    /// Opened and not closed, in the order in which they were opened, and whether they are held.
    pub(super) shifts: Vec<(v1::ShiftOpened, bool)>,
    /// The last handover by shift.
    pub(super) handed_over: BTreeMap<String, i64>,
}

impl Site {
    /// The open shift of a label that was opened last.
    pub(super) fn open_shift(&self, label: &str) -> Option<&(v1::ShiftOpened, bool)> {
        self.shifts.iter().rfind(|(shift, _)| shift.shift == label)
    }

    pub(super) fn off_shift(&self, label: &str) -> bool {
        self.scheduled && !label.is_empty() && self.open_shift(label).is_none()
    }
}

pub(super) struct Whistle {
    pub(super) body: v1::WhistleBlown,
    /// How it ended; unspecified while it is open.
    pub(super) ended: WhistleStatus,
    pub(super) acknowledged_at_ms: i64,
    /// Acknowledged where the responsibility is now.
    pub(super) acknowledged: bool,
    pub(super) filled_at_ms: i64,
    pub(super) blown_at_ms: i64,
    pub(super) ended_at_ms: i64,
    pub(super) responsible: String,
    pub(super) level: AreaLevel,
    pub(super) since_ms: i64,
    pub(super) due_ms: i64,
    pub(super) spells: Vec<v1::WhistleLevelTime>,
    pub(super) merged_into: String,
    pub(super) rating: Rating,
    /// By need.
    pub(super) fulfilled: BTreeMap<String, i64>,
    /// Needs that the blowing side said are done.
    pub(super) confirmed: BTreeSet<String>,
}

pub(super) struct Duty {
    pub(super) realm: String,
    pub(super) body: v1::ResponderCalled,
    pub(super) accepted: bool,
    pub(super) called_at_ms: i64,
    /// From the call to the first check-in that named it while it stood.
    pub(super) came_after_ms: Option<i64>,
    pub(super) arrival_ms: i64,
    pub(super) released: bool,
    pub(super) no_show: bool,
}

/// The last observation of a person.
pub(super) enum Presence {
    Nowhere,
    At { site: String, whistle: String, call: String, area: String },
    Disputed { sites: [String; 2], area: String },
}

impl Duty {
    pub(super) fn person(&self) -> Key {
        (self.realm.clone(), self.body.responder_id.clone())
    }
}

impl Unit {
    /// A member goes, and with them what they were in the unit.
    fn leave(&mut self, responder_id: &str) {
        self.members.remove(responder_id);
        if self.secretary == responder_id {
            self.secretary.clear();
        }
    }

    fn leave_organizing(&mut self, responder_id: &str) {
        if self.organizer == responder_id {
            self.organizer.clear();
        }
    }
}

impl Facts {
    /// An area and everything above it.
    pub(super) fn path(&self, area_id: &str) -> Vec<&str> {
        let mut path = Vec::new();
        let mut next = self.areas.get_key_value(area_id);
        while let Some((id, area)) = next {
            path.push(id.as_str());
            next = self.areas.get_key_value(&area.parent);
        }
        path
    }

    pub(super) fn standing(&self) -> impl Iterator<Item = &Duty> {
        self.duties.iter().filter(|duty| !duty.released)
    }

    pub(super) fn standing_of(&self, person: &Key) -> impl Iterator<Item = &Duty> {
        self.duties_of.get(person).into_iter().flatten().map(|place| &self.duties[*place]).filter(|duty| !duty.released)
    }

    /// Whether the duty's holder is present at it.
    pub(super) fn present_at(&self, duty: &Duty) -> bool {
        let Some(Presence::At { site, whistle, call, .. }) = self.presence.get(&duty.person()) else { return false };
        let body = &duty.body;
        let by_call = !call.is_empty() && *call == body.call_id;
        let by_site = !body.site_id.is_empty() && *site == body.site_id;
        let by_whistle = body.site_id.is_empty() && !body.whistle_id.is_empty() && *whistle == body.whistle_id;
        by_call || by_site || by_whistle
    }

    pub(super) fn disputed(&self, person: &Key) -> bool {
        matches!(self.presence.get(person), Some(Presence::Disputed { .. }))
    }

    /// People present somewhere, at none of their duties.
    pub(super) fn walk_ins(&self) -> impl Iterator<Item = (&Key, &str, &str)> {
        self.presence.iter().filter_map(|(person, presence)| match presence {
            Presence::At { site, area, .. } if !self.standing_of(person).any(|duty| self.present_at(duty)) => {
                Some((person, site.as_str(), area.as_str()))
            }
            _ => None,
        })
    }

    /// The shift of the duty's seat at its site; empty where the site has no such seat.
    pub(super) fn shift(&self, duty: &Duty) -> String {
        let site = self.sites.get(&(duty.realm.clone(), duty.body.site_id.clone()));
        let seat = site.and_then(|site| site.seats.iter().find(|seat| seat.seat_id == duty.body.seat_id));
        seat.map_or_else(String::new, |seat| seat.shift.clone())
    }

    pub(super) fn place_of_call(&self, key: &Key) -> Option<usize> {
        self.duty_of_call.get(key).copied()
    }

    fn touch(&mut self, realm: &str, area_id: &str) {
        if realm == ACTUAL {
            return;
        }
        self.named.entry(realm.to_owned()).or_default().insert(area_id.to_owned());
        let path: Vec<String> = self.path(area_id).into_iter().map(str::to_owned).collect();
        self.touched.entry(realm.to_owned()).or_default().extend(path);
    }

    /// After the tree changed: the paths of what was named run elsewhere now.
    fn touch_again(&mut self) {
        let all: Vec<(String, String)> =
            self.named.iter().flat_map(|(realm, areas)| areas.iter().map(|area| (realm.clone(), area.clone()))).collect();
        for (realm, area) in all {
            self.touch(&realm, &area);
        }
    }

    pub(super) fn note(&mut self, record: &Envelope) {
        let Some(event) = &record.event else { return };
        match event {
            Event::AreaDefined(body) => {
                let area = Area { parent: body.parent_id.clone(), level: body.level(), name: body.name.clone(), retired: false };
                self.areas.insert(body.area_id.clone(), area);
                self.touch_again();
            }
            Event::AreaReparented(body) => {
                if let Some(area) = self.areas.get_mut(&body.area_id) {
                    area.parent.clone_from(&body.parent_id);
                }
                self.touch_again();
            }
            Event::AreaRetired(body) => {
                if let Some(area) = self.areas.get_mut(&body.area_id) {
                    area.retired = true;
                }
            }
            Event::PlanRehearsed(body) => drop(self.rehearsals.insert((record.realm.clone(), body.plan_id.clone()), body.clone())),
            Event::IncidentDeclared(body) => self.touch(&record.realm, &body.area_id),
            _ => {
                self.note_unit(record, event);
                self.note_site(record, event);
                self.note_shift(record, event);
                self.note_whistle(record, event);
                self.note_call(record, event);
                self.note_presence(record, event);
                self.note_people(record, event);
            }
        }
    }

    fn note_unit(&mut self, record: &Envelope, event: &Event) {
        let key = |id: &str| (record.realm.clone(), id.to_owned());
        if let Event::UnitEstablished(body) = event {
            let unit = Unit {
                body: body.clone(),
                secretary: String::new(),
                organizer: String::new(),
                organized: false,
                established_at_ms: record.recorded_at_ms,
                overdue: false,
                members: BTreeSet::new(),
                extra_seats: BTreeSet::new(),
                dissolved: false,
            };
            self.units.insert(key(&body.unit_id), unit);
            return;
        }
        let unit_id = match event {
            Event::SecretaryAppointed(body) => &body.unit_id,
            Event::OrganizerAppointed(body) => &body.unit_id,
            Event::OrganizerGapOverdue(body) => &body.unit_id,
            Event::ResponderAttached(body) => &body.unit_id,
            Event::ResponderDetached(body) => &body.unit_id,
            Event::UnitDissolved(body) => &body.unit_id,
            _ => return,
        };
        let Some(unit) = self.units.get_mut(&key(unit_id)) else { return };
        match event {
            Event::SecretaryAppointed(body) => unit.secretary.clone_from(&body.responder_id),
            Event::OrganizerAppointed(body) => {
                unit.organizer.clone_from(&body.responder_id);
                unit.organized = true;
                unit.overdue = false;
            }
            Event::OrganizerGapOverdue(_) => unit.overdue = true,
            Event::ResponderAttached(body) => {
                let list = if body.extra_seat { &mut unit.extra_seats } else { &mut unit.members };
                list.insert(body.responder_id.clone());
            }
            Event::ResponderDetached(body) => {
                unit.extra_seats.remove(&body.responder_id);
                unit.leave(&body.responder_id);
                unit.leave_organizing(&body.responder_id);
            }
            _ => {
                unit.dissolved = true;
                unit.overdue = false;
                unit.secretary.clear();
                unit.organizer.clear();
                unit.members.clear();
                unit.extra_seats.clear();
            }
        }
    }

    fn note_site(&mut self, record: &Envelope, event: &Event) {
        let key = |id: &str| (record.realm.clone(), id.to_owned());
        match event {
            Event::SiteOpened(body) => {
                self.touch(&record.realm, &body.area_id);
                let site = Site {
                    body: body.clone(),
                    seats: body.seats.clone(),
                    closed: false,
                    suspended: false,
                    last_check_in: BTreeMap::new(),
                    risk: 0,
                    grids: Vec::new(),
                    supplies: Vec::new(),
                    scheduled: false,
                    shifts: Vec::new(),
                    handed_over: BTreeMap::new(),
                };
                self.sites.insert(key(&body.site_id), site);
            }
            Event::RequirementSet(body) => {
                if let Some(site) = self.sites.get_mut(&key(&body.site_id)) {
                    site.seats.clone_from(&body.seats);
                }
            }
            Event::SiteClosed(body) => {
                if let Some(site) = self.sites.get_mut(&key(&body.site_id)) {
                    site.closed = true;
                    site.suspended = false;
                    site.shifts.clear();
                }
            }
            Event::SiteSuspended(body) => {
                if let Some(site) = self.sites.get_mut(&key(&body.site_id)) {
                    site.suspended = true;
                }
            }
            Event::SiteResumed(body) => {
                if let Some(site) = self.sites.get_mut(&key(&body.site_id)) {
                    site.suspended = false;
                }
            }
            Event::RiskSet(body) => {
                if let Some(site) = self.sites.get_mut(&key(&body.site_id)) {
                    site.risk = body.risk;
                    site.grids.clone_from(&body.grid_ids);
                    site.supplies.clone_from(&body.supplies);
                }
            }
            Event::BeatSet(body) => {
                if let Some(site) = self.sites.get_mut(&key(&body.site_id)) {
                    site.grids.clone_from(&body.grid_ids);
                }
            }
            Event::ShelterOrdered(body) => {
                self.touch(&record.realm, &body.area_id);
                let recall = (record.realm.clone(), body.incident_id.clone(), body.recalled_area_id.clone(), body.responder_id.clone());
                self.called_in.insert(recall, body.area_id.clone());
            }
            Event::SafetyConfirmed(body) => {
                let recall = (record.realm.clone(), body.incident_id.clone(), body.recalled_area_id.clone(), body.responder_id.clone());
                self.called_in.remove(&recall);
            }
            Event::AreaResumed(body) => {
                self.called_in
                    .retain(|(realm, incident, area, _), _| (realm, incident, area) != (&record.realm, &body.incident_id, &body.area_id));
            }
            _ => {}
        }
    }

    fn note_shift(&mut self, record: &Envelope, event: &Event) {
        let site_id = match event {
            Event::ShiftsScheduled(body) => &body.site_id,
            Event::ShiftOpened(body) => &body.site_id,
            Event::ShiftHeld(body) => &body.site_id,
            Event::ShiftClosed(body) => &body.site_id,
            Event::HandedOver(body) => &body.site_id,
            _ => return,
        };
        let Some(site) = self.sites.get_mut(&(record.realm.clone(), site_id.clone())) else { return };
        match event {
            Event::ShiftsScheduled(_) => site.scheduled = true,
            Event::ShiftOpened(body) => site.shifts.push((body.clone(), false)),
            Event::ShiftHeld(body) => {
                for (shift, held) in &mut site.shifts {
                    *held |= shift.shift_id == body.shift_id;
                }
            }
            Event::ShiftClosed(body) => site.shifts.retain(|(shift, _)| shift.shift_id != body.shift_id),
            Event::HandedOver(body) => drop(site.handed_over.insert(body.shift.clone(), record.recorded_at_ms)),
            _ => {}
        }
    }

    fn note_call(&mut self, record: &Envelope, event: &Event) {
        let key = |id: &str| (record.realm.clone(), id.to_owned());
        match event {
            Event::ResponderCalled(body) if body.role() != DutyRole::Standby => {
                self.touch(&record.realm, &body.area_id);
                let place = self.duties.len();
                self.duty_of_call.insert(key(&body.call_id), place);
                self.duties_of.entry(key(&body.responder_id)).or_default().push(place);
                let realm = record.realm.clone();
                let duty = Duty {
                    realm,
                    body: body.clone(),
                    accepted: false,
                    called_at_ms: record.recorded_at_ms,
                    came_after_ms: None,
                    arrival_ms: 0,
                    released: false,
                    no_show: false,
                };
                self.duties.push(duty);
                if let Some(unit) = self.units.get_mut(&key(&body.unit_id)) {
                    unit.members.insert(body.responder_id.clone());
                }
            }
            Event::OrganizationCalled(body) => {
                self.organization_calls.insert(key(&body.call_id), body.whistle_id.clone());
            }
            Event::OrganizationCallDeclined(v1::OrganizationCallDeclined { call_id, .. })
            | Event::OrganizationCallEnded(v1::OrganizationCallEnded { call_id }) => {
                self.organization_calls.remove(&key(call_id));
            }
            _ => {}
        }
        let call_id = match event {
            Event::CallAccepted(body) => &body.call_id,
            Event::NoShowDeclared(body) => &body.call_id,
            Event::NoShowCorrected(body) => &body.call_id,
            Event::DutyReleased(body) => &body.call_id,
            _ => return,
        };
        let Some(place) = self.duty_of_call.get(&key(call_id)) else { return };
        let duty = &mut self.duties[*place];
        match event {
            Event::CallAccepted(body) => {
                duty.accepted = true;
                duty.arrival_ms = body.estimated_arrival_ms;
            }
            Event::NoShowDeclared(_) => duty.no_show = true,
            Event::NoShowCorrected(_) => duty.no_show = false,
            _ => {
                duty.released = true;
                let (person, unit) = (duty.body.responder_id.clone(), key(&duty.body.unit_id));
                let organizer = duty.body.role() == v1::DutyRole::Organizer;
                let another = self.standing_of(&key(&person)).any(|duty| duty.body.unit_id == unit.1);
                if let Some(unit) = self.units.get_mut(&unit) {
                    if organizer {
                        unit.leave_organizing(&person);
                    }
                    if !another {
                        unit.leave(&person);
                    }
                }
            }
        }
    }

    fn note_arrival(&mut self, call: &Key, occurred_at_ms: i64) {
        let Some(duty) = self.duty_of_call.get(call).map(|place| &mut self.duties[*place]) else { return };
        let opened = self.sites.contains_key(&(duty.realm.clone(), duty.body.site_id.clone()));
        if opened && !duty.released && duty.came_after_ms.is_none() {
            duty.came_after_ms = Some((occurred_at_ms - duty.called_at_ms).max(0));
        }
    }

    fn note_presence(&mut self, record: &Envelope, event: &Event) {
        let key = |id: &str| (record.realm.clone(), id.to_owned());
        let (person, presence) = match event {
            Event::CheckedIn(body) => {
                self.touch(&record.realm, &body.area_id);
                let (site, whistle) = (body.site_id.clone(), body.whistle_id.clone());
                let (call, area) = (body.call_id.clone(), body.area_id.clone());
                self.note_arrival(&key(&call), record.occurred_at_ms);
                (key(&body.responder_id), Presence::At { site, whistle, call, area })
            }
            Event::CheckedOut(body) => (key(&body.responder_id), Presence::Nowhere),
            Event::PresenceDisputed(body) => {
                self.touch(&record.realm, &body.area_id);
                let sites = [body.site_id.clone(), body.other_site_id.clone()];
                (key(&body.responder_id), Presence::Disputed { sites, area: body.area_id.clone() })
            }
            Event::PresenceUnconfirmed(body) => {
                self.touch(&record.realm, &body.area_id);
                let sites = [body.site_id.clone(), String::new()];
                (key(&body.responder_id), Presence::Disputed { sites, area: body.area_id.clone() })
            }
            Event::PresenceSettled(body) => {
                self.touch(&record.realm, &body.area_id);
                let (site, whistle) = (body.site_id.clone(), body.whistle_id.clone());
                let (call, area) = (body.call_id.clone(), body.area_id.clone());
                let nowhere = site.is_empty() && whistle.is_empty();
                (key(&body.responder_id), if nowhere { Presence::Nowhere } else { Presence::At { site, whistle, call, area } })
            }
            _ => return,
        };
        self.presence.insert(person.clone(), presence);
        if let Event::CheckedIn(body) = event {
            let at_duty = self.standing_of(&person).find(|duty| self.present_at(duty) && duty.body.site_id == body.site_id);
            let shift = at_duty.map(|duty| self.shift(duty)).unwrap_or_default();
            if let Some(site) = self.sites.get_mut(&key(&body.site_id)) {
                let latest = site.last_check_in.entry(shift).or_default();
                *latest = record.occurred_at_ms.max(*latest);
            }
        }
    }

    fn level_of(&self, area_id: &str) -> AreaLevel {
        self.areas.get(area_id).map_or(AreaLevel::Unspecified, |area| area.level)
    }

    fn note_whistle(&mut self, record: &Envelope, event: &Event) {
        let key = |id: &str| (record.realm.clone(), id.to_owned());
        let now_ms = record.recorded_at_ms;
        if let Event::WhistleBlown(body) = event {
            self.touch(&record.realm, &body.area_id);
            let whistle = Whistle {
                body: body.clone(),
                ended: WhistleStatus::Unspecified,
                acknowledged_at_ms: 0,
                acknowledged: false,
                filled_at_ms: 0,
                blown_at_ms: now_ms,
                ended_at_ms: 0,
                responsible: body.area_id.clone(),
                level: self.level_of(&body.area_id),
                since_ms: now_ms,
                due_ms: body.acknowledge_due_ms,
                spells: Vec::new(),
                merged_into: String::new(),
                rating: Rating::Unspecified,
                fulfilled: BTreeMap::new(),
                confirmed: BTreeSet::new(),
            };
            self.whistles.insert(key(&body.whistle_id), whistle);
            return;
        }
        let (whistle_id, ended) = match event {
            Event::WhistleAcknowledged(body) => (&body.whistle_id, None),
            Event::WhistleEscalated(body) => (&body.whistle_id, None),
            Event::NeedFulfilled(body) => (&body.whistle_id, None),
            Event::PartConfirmed(body) => (&body.whistle_id, None),
            Event::WhistleFilled(body) => (&body.whistle_id, None),
            Event::WhistleRated(body) => (&body.whistle_id, None),
            Event::WhistleResolved(body) => (&body.whistle_id, Some(WhistleStatus::Resolved)),
            Event::WhistlesMerged(body) => (&body.whistle_id, Some(WhistleStatus::Merged)),
            Event::WhistleWithdrawn(body) => (&body.whistle_id, Some(WhistleStatus::Withdrawn)),
            _ => return,
        };
        let new_level = match event {
            Event::WhistleEscalated(body) => self.level_of(&body.to_area_id),
            _ => AreaLevel::Unspecified,
        };
        let Some(whistle) = self.whistles.get_mut(&key(whistle_id)) else { return };
        if ended.is_some() || matches!(event, Event::WhistleEscalated(_)) {
            let seconds = (now_ms - whistle.since_ms) / 1000;
            whistle.spells.push(v1::WhistleLevelTime { level: whistle.level.into(), seconds });
        }
        match event {
            Event::WhistleAcknowledged(_) => {
                whistle.acknowledged = true;
                whistle.due_ms = 0;
                if whistle.acknowledged_at_ms == 0 {
                    whistle.acknowledged_at_ms = now_ms;
                }
            }
            Event::WhistleEscalated(body) => {
                whistle.acknowledged = false;
                whistle.responsible.clone_from(&body.to_area_id);
                whistle.level = new_level;
                whistle.since_ms = now_ms;
                whistle.due_ms = body.acknowledge_due_ms;
            }
            Event::NeedFulfilled(body) => *whistle.fulfilled.entry(body.need_id.clone()).or_default() += i64::from(body.quantity),
            Event::PartConfirmed(body) => {
                whistle.confirmed.insert(body.need_id.clone());
            }
            Event::WhistleFilled(_) if whistle.filled_at_ms == 0 => whistle.filled_at_ms = now_ms,
            Event::WhistleRated(body) => {
                whistle.rating = body.rating();
                whistle.ended = WhistleStatus::Rated;
            }
            Event::WhistlesMerged(body) => whistle.merged_into.clone_from(&body.into_whistle_id),
            _ => {}
        }
        if let Some(ended) = ended {
            whistle.ended = ended;
            whistle.ended_at_ms = now_ms;
            whistle.since_ms = 0;
            whistle.due_ms = 0;
        }
    }
}
