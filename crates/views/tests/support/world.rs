//! Random but plausible histories: a list of small choices becomes records that refer only to what is there. The same choices give the same history.
#![allow(clippy::manual_is_multiple_of, reason = "the remainder of a choice decides, and zero is one of several")]

mod reach;

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::Event;
use muster_proto::v1::{self, AreaLevel, NeedKind};

use super::*;

/// One choice: what kind of thing happens, and which of the candidates it happens to.
pub type Choice = (u8, u16, u16, u16);

const SPECIALTIES: [&str; 3] = ["", "nurse", "driver"];
const SHIFTS: [&str; 3] = ["", "day", "night"];
/// None, the one of the helpers' records, another.
const INCIDENTS: [&str; 3] = ["", "i", "i0"];
/// Keys of cards; the first is none.
const CARDS: [&str; 3] = ["", "gate", "patrol"];

#[derive(Default)]
struct Realm {
    name: String,
    /// Open or closed, with their areas and seat ids.
    sites: Vec<(String, String, Vec<String>)>,
    closed: Vec<String>,
    whistles: Vec<(String, String, Vec<String>)>,
    ended: Vec<String>,
    units: Vec<String>,
    dissolved: Vec<String>,
    /// Standing: call, person, site, whistle, area.
    duties: Vec<(String, String, String, String, String)>,
    released: Vec<String>,
    organization_calls: Vec<String>,
    /// Where people are, as far as the history knows.
    present: BTreeMap<String, (String, String)>,
}

struct World {
    realms: Vec<Realm>,
    areas: Vec<(String, AreaLevel)>,
    retired: Vec<String>,
    calls: usize,
    /// Ids of shifts.
    opened: BTreeSet<String>,
    happenings: Vec<Happening>,
}

fn pick<T: Clone>(from: &[T], choice: u16) -> Option<T> {
    (!from.is_empty()).then(|| from[usize::from(choice) % from.len()].clone())
}

/// The history that the choices give.
pub fn history(choices: &[Choice]) -> Vec<Happening> {
    let mut world = World {
        realms: vec![Realm { name: "actual".into(), ..Default::default() }, Realm { name: "drill".into(), ..Default::default() }],
        areas: Vec::new(),
        retired: Vec::new(),
        calls: 0,
        opened: BTreeSet::new(),
        happenings: Vec::new(),
    };
    for happening in small_city() {
        if let Event::AreaDefined(body) = &happening.event {
            world.areas.push((body.area_id.clone(), body.level()));
        }
        world.happenings.push(happening);
    }
    for choice in choices {
        world.step(*choice);
    }
    world.happenings
}

impl World {
    fn step(&mut self, (kind, a, b, c): Choice) {
        // Exercises are rarer than real life.
        let realm = usize::from(b % 5 == 0);
        let event = match kind % 62 {
            0 => return self.area(a, b, c),
            1..=3 => self.site(realm, a, b, c),
            4 => self.requirement(realm, a, b, c),
            5 => self.close_site(realm, a),
            6..=7 => self.whistle(realm, a, b, c),
            8..=9 => self.whistle_goes_on(realm, a, b, c),
            10..=15 => self.call(realm, a, b, c),
            16..=17 => self.accept(realm, a, b),
            18 => self.no_show(realm, a, b),
            19..=20 => self.release(realm, a, b),
            21..=24 => self.arrive(realm, a, b, c),
            25 => self.leave(realm, a),
            26 => self.dispute(realm, a, b, c),
            27 => self.settle(realm, a, b),
            28..=29 => self.unit(realm, a, b, c),
            30 => self.unit_goes_on(realm, a, b, c),
            31 => self.organization(realm, a, b),
            32 => self.suspend(realm, a, b),
            33 => self.unconfirmed(realm, a, b),
            34 => return self.rehearsal(a, b, c),
            36..=38 => self.peacetime(a, b, c),
            39..=41 => self.call_goes_on(realm, a, b),
            42 => self.standby(a, b),
            43..=44 => self.asked_goes_on(realm, a, b, c),
            45 => self.past(realm, a, b, c),
            46 => Some(Event::IncidentClosed(v1::IncidentClosed { incident_id: INCIDENTS[usize::from(1 + a % 2)].into() })),
            47..=48 => self.zone(realm, a, b, c),
            49..=52 => self.shift(realm, a, b, c),
            53..=54 => self.delivery(realm, a, b, c),
            55 => Some(Self::drafted(b, c)),
            56 => self.responsibility(a, b, c),
            57 => Some(Event::FatigueRaised(v1::FatigueRaised {
                responder_id: Self::person(a),
                level: 1 + i32::from(b % 2),
                ..Default::default()
            })),
            _ => self.shelter(realm, a, b, c),
        };
        if let Some(event) = event {
            let name = self.realms[realm].name.clone();
            // What is told of the past is of any hour: between other records, or long before or after the rest that is due.
            let told_late = matches!(event, Event::PastPresenceRecorded(_)) || (kind % 62 == 25 && c % 3 == 0);
            let at_ms = match c % 4 {
                _ if !told_late => 0,
                0 => super::time_of(usize::from(a) * 7 % self.happenings.len()),
                _ => 1_000_000 + 3_600_000 * i64::from(c % 41),
            };
            self.happenings.push(Happening { at_ms, ..in_realm(&name, event) });
        }
    }

    fn person(choice: u16) -> String {
        format!("p{}", choice % 12)
    }

    /// A plan is rehearsed in real life only; now and then one is of another area than before.
    fn rehearsal(&mut self, a: u16, b: u16, c: u16) {
        let Some((area_id, _)) = pick(&self.areas, a) else { return };
        let (seats, plan_id) = (u32::from(b % 9), format!("plan{}", c % 4));
        let fillable = seats.min(u32::from(c % 7));
        let body = v1::PlanRehearsed { plan_id, area_id, seats, fillable, empty: seats - fillable, ..Default::default() };
        self.happenings.push(in_realm("actual", Event::PlanRehearsed(body)));
    }

    fn area(&mut self, a: u16, b: u16, c: u16) {
        let Some((area_id, level)) = pick(&self.areas, a) else { return };
        let parents: Vec<String> =
            self.areas.iter().filter(|(_, other)| (*other as i32) < level as i32).map(|(id, _)| id.clone()).collect();
        let event = match c % 6 {
            0 if area_id != "c" => {
                self.retired.push(area_id.clone());
                Event::AreaRetired(v1::AreaRetired { area_id })
            }
            1 => {
                let Some(parent_id) = pick(&self.areas.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), b) else { return };
                let area_id = format!("n{}", self.areas.len());
                let level = self.areas.iter().find(|(id, _)| *id == parent_id).map_or(AreaLevel::City, |(_, level)| *level);
                let Some(level) = AreaLevel::try_from(level as i32 + 1).ok() else { return };
                self.areas.push((area_id.clone(), level));
                return self.happenings.push(super::area(&area_id, level, &parent_id));
            }
            2 => {
                let Some(parent_id) = pick(&parents, b) else { return };
                return self.happenings.push(super::area(&area_id, level, &parent_id));
            }
            _ => {
                let Some(parent_id) = pick(&parents, b) else { return };
                reparented(&area_id, &parent_id)
            }
        };
        self.happenings.push(actual(event));
    }

    fn seats(a: u16, c: u16) -> Vec<v1::Seat> {
        (0..c % 4).map(|n| seat(&format!("s{n}"), SPECIALTIES[usize::from(a + n) % 3], SHIFTS[usize::from(a / 3 + n) % 3])).collect()
    }

    fn site(&mut self, realm: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let (area_id, _) = pick(&self.areas, a)?;
        let realm = &mut self.realms[realm];
        let site_id = format!("site{}", realm.sites.len());
        let seats = Self::seats(b, c);
        realm.sites.push((site_id.clone(), area_id.clone(), seats.iter().map(|seat| seat.seat_id.clone()).collect()));
        Some(site_opened(&site_id, &area_id, &seats))
    }

    fn requirement(&mut self, realm: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let realm = &mut self.realms[realm];
        let at = usize::from(a) % realm.sites.len().max(1);
        let site = realm.sites.get_mut(at)?;
        let seats = Self::seats(b, c);
        site.2 = seats.iter().map(|seat| seat.seat_id.clone()).collect();
        Some(Event::RequirementSet(v1::RequirementSet { site_id: site.0.clone(), seats, ..Default::default() }))
    }

    fn close_site(&mut self, realm: usize, a: u16) -> Option<Event> {
        let realm = &mut self.realms[realm];
        let (site_id, ..) = pick(&realm.sites, a)?;
        if realm.closed.contains(&site_id) {
            return None;
        }
        realm.closed.push(site_id.clone());
        Some(Event::SiteClosed(v1::SiteClosed { site_id }))
    }

    fn suspend(&mut self, realm: usize, a: u16, b: u16) -> Option<Event> {
        let realm = &self.realms[realm];
        let (site_id, ..) = pick(&realm.sites, a)?;
        if realm.closed.contains(&site_id) {
            return None;
        }
        Some(if b % 3 == 0 { Event::SiteResumed(v1::SiteResumed { site_id }) } else { Event::SiteSuspended(v1::SiteSuspended { site_id }) })
    }

    /// What a site covers: risks and beats come to any kind of site, for the rows do not ask.
    fn zone(&mut self, realm: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let (site_id, ..) = pick(&self.realms[realm].sites, a)?;
        let grid_ids = (0..c % 3).filter_map(|n| Some(pick(&self.areas, b + n)?.0)).collect();
        if b % 3 == 0 {
            return Some(Event::BeatSet(v1::BeatSet { site_id, grid_ids }));
        }
        let supplies = (0..c % 2).map(|n| v1::Supply { item: "帐篷".into(), quantity: u32::from(c + n), unit: "顶".into() }).collect();
        Some(Event::RiskSet(v1::RiskSet { site_id, risk: i32::from(c % 5), grid_ids, supplies, ..Default::default() }))
    }

    /// A site's shifts: laid, opened, held, handed over, closed; also of a site that has no schedule.
    fn shift(&mut self, realm: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let realm = &self.realms[realm];
        let (site_id, ..) = pick(&realm.sites, a)?;
        if realm.closed.contains(&site_id) {
            return None;
        }
        let (label, number) = (SHIFTS[usize::from(b) % 3], b % 5);
        let (shift, shift_id) = (label.to_owned(), format!("{site_id}~{label}{number}"));
        let until_ms = 1_000 * i64::from(c);
        Some(match c % 8 {
            0 => Event::ShiftsScheduled(v1::ShiftsScheduled { site_id, ..Default::default() }),
            1 => {
                let of_label = format!("{site_id}~{label}");
                let shift_id = self.opened.iter().find(|opened| opened.starts_with(&of_label))?.clone();
                Event::ShiftHeld(v1::ShiftHeld { shift_id, site_id, shift, ..Default::default() })
            }
            2 => Event::HandedOver(v1::HandedOver { site_id, shift, shift_id, ..Default::default() }),
            3 | 4 => Event::ShiftClosed(v1::ShiftClosed { shift_id, site_id, shift, ..Default::default() }),
            _ => {
                // Ids of shifts are never given twice, and only open ones are held or closed.
                let (minimum, known) = (u32::from(number), !self.opened.insert(shift_id.clone()));
                let shift_id = if known { format!("{shift_id}/{}", self.happenings.len()) } else { shift_id };
                Event::ShiftOpened(v1::ShiftOpened { shift_id, site_id, shift, from_ms: 5, until_ms, minimum, ..Default::default() })
            }
        })
    }

    fn unconfirmed(&mut self, realm: usize, a: u16, b: u16) -> Option<Event> {
        let realm = &self.realms[realm];
        let people: Vec<String> = realm.present.keys().cloned().collect();
        let responder_id = pick(&people, a)?;
        let (site_id, area_id) = realm.present.get(&responder_id)?.clone();
        // Periods that ended before, and some that end later than anything here.
        let until_ms = if b % 3 == 0 { 900_000_000 } else { 0 };
        Some(Event::PresenceUnconfirmed(v1::PresenceUnconfirmed { responder_id, site_id, area_id, until_ms, ..Default::default() }))
    }

    /// Called in, confirmed or resumed, by one of two incidents and for one of a few areas.
    fn shelter(&mut self, _: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let (area_id, _) = pick(&self.areas, a)?;
        let (recalled_area_id, _) = pick(&self.areas[..self.areas.len().min(2)], b)?;
        let (incident_id, responder_id) = (format!("i{}", b % 2), Self::person(c));
        Some(match c / 12 % 8 {
            0..=4 => {
                Event::ShelterOrdered(v1::ShelterOrdered { incident_id, recalled_area_id, responder_id, area_id, ..Default::default() })
            }
            5 | 6 => Event::SafetyConfirmed(v1::SafetyConfirmed { incident_id, recalled_area_id, responder_id }),
            _ => Event::AreaResumed(v1::AreaResumed { incident_id, area_id: recalled_area_id, ..Default::default() }),
        })
    }

    fn whistle(&mut self, realm: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let (area_id, _) = pick(&self.areas, a)?;
        let realm = &mut self.realms[realm];
        let whistle_id = format!("w{}", realm.whistles.len());
        let kinds = [NeedKind::Person, NeedKind::Supply, NeedKind::Organization, NeedKind::Person];
        let needs: Vec<v1::Need> = (0..c % 3)
            .map(|n| need(&format!("n{n}"), kinds[usize::from(b + n) % 4], SPECIALTIES[usize::from(c + n) % 3], 1 + u32::from(b + n) % 3))
            .collect();
        realm.whistles.push((whistle_id.clone(), area_id.clone(), needs.iter().map(|need| need.need_id.clone()).collect()));
        Some(whistle_blown(&whistle_id, &area_id, &needs))
    }

    fn whistle_goes_on(&mut self, realm: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let area = pick(&self.areas, c)?.0;
        let realm = &mut self.realms[realm];
        let (whistle_id, area_id, needs) = pick(&realm.whistles, a)?;
        let ended = realm.ended.contains(&whistle_id);
        let event = match b % 9 {
            0 if !ended => Event::WhistleAcknowledged(v1::WhistleAcknowledged { whistle_id, by_area_id: area_id }),
            1 if !ended => Event::WhistleEscalated(v1::WhistleEscalated {
                whistle_id,
                from_area_id: area_id,
                to_area_id: area,
                acknowledge_due_ms: 7_000_000,
                ..Default::default()
            }),
            2..=3 if !ended => {
                let need_id = pick(&needs, c)?;
                if c % 5 == 0 {
                    return Some(Event::PartConfirmed(v1::PartConfirmed {
                        whistle_id,
                        need_id,
                        by_area_id: area_id,
                        ..Default::default()
                    }));
                }
                Event::NeedFulfilled(v1::NeedFulfilled { whistle_id, need_id, quantity: 1 + u32::from(c % 2), ..Default::default() })
            }
            4 if !ended => Event::WhistleFilled(v1::WhistleFilled { whistle_id }),
            5..=7 if !ended => {
                realm.ended.push(whistle_id.clone());
                let into_whistle_id = pick(&realm.whistles, c)?.0;
                match b % 9 {
                    5 => Event::WhistleResolved(v1::WhistleResolved { whistle_id, ..Default::default() }),
                    6 => Event::WhistleWithdrawn(v1::WhistleWithdrawn { whistle_id, ..Default::default() }),
                    _ => Event::WhistlesMerged(v1::WhistlesMerged { whistle_id, into_whistle_id }),
                }
            }
            8 if ended => Event::WhistleRated(v1::WhistleRated { whistle_id, rating: v1::Rating::Satisfied.into(), ..Default::default() }),
            _ => return None,
        };
        Some(event)
    }

    fn call(&mut self, realm: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let realm = &mut self.realms[realm];
        let mut call = called(&format!("c{}", self.calls + 1), &Self::person(a), "", "", "");
        call.incident_id = INCIDENTS[usize::from(a / 12 % 3)].into();
        (call.tier, call.reason) = (i32::from(b % 5), i32::from(c % 7));
        (call.from_ms, call.until_ms, call.reply_due_ms) = (i64::from(a), i64::from(a) + 60_000, i64::from(b));
        call.plan_id = if b % 3 == 0 { "plan".into() } else { String::new() };
        (call.plan_version, call.card_key) = (1 + u32::from(c % 2), CARDS[usize::from(b / 3 % 3)].into());
        call.card = (a % 7 == 0).then(|| Self::card("own", c));
        call.shift_id = if c % 4 == 0 { format!("shift{}", b % 3) } else { String::new() };
        let reason = "无人可换".to_owned();
        call.rest_override = (c % 9 == 0).then(|| v1::RestOverride { actor: "hq".into(), reason, rested_at_ms: 9, ..Default::default() });
        if b % 6 == 0 {
            (call.fill_proposal_id, call.fill_line_id) = (format!("f{c}"), "1".into());
        }
        call.released_by_area_id = if a % 5 == 0 { "k2".into() } else { String::new() };
        call.organization_call_id = pick(&realm.organization_calls, b).filter(|_| a % 3 == 0).unwrap_or_default();
        let standing_unit = pick(&realm.units, b).filter(|unit| !realm.dissolved.contains(unit));
        match c % 5 {
            0..=1 => {
                let (site_id, area_id, seats) = pick(&realm.sites, b)?;
                call.seat_id = pick(&seats, c).filter(|_| c % 7 != 0).unwrap_or_default();
                (call.site_id, call.area_id) = (site_id, area_id);
                call.unit_id = standing_unit.filter(|_| c % 3 == 0).unwrap_or_default();
            }
            2..=3 => {
                let (whistle_id, area_id, needs) = pick(&realm.whistles, b)?;
                call.need_id = pick(&needs, c).filter(|_| c % 7 != 0).unwrap_or_default();
                (call.whistle_id, call.area_id) = (whistle_id, area_id);
            }
            _ => {
                call.area_id = pick(&self.areas, b)?.0;
                call.unit_id = standing_unit?;
            }
        }
        self.calls += 1;
        if c % 11 == 10 {
            call.role = v1::DutyRole::Standby.into();
        } else {
            if !call.unit_id.is_empty() && b % 2 == 0 {
                call.role = v1::DutyRole::Organizer.into();
            }
            let duty =
                (call.call_id.clone(), call.responder_id.clone(), call.site_id.clone(), call.whistle_id.clone(), call.area_id.clone());
            realm.duties.push(duty);
        }
        Some(Event::ResponderCalled(call))
    }

    fn accept(&mut self, realm: usize, a: u16, b: u16) -> Option<Event> {
        let (call_id, ..) = pick(&self.realms[realm].duties, a)?;
        Some(accepted(&call_id, if b % 4 == 0 { 0 } else { 2_000_000 + i64::from(b) }))
    }

    fn no_show(&mut self, realm: usize, a: u16, b: u16) -> Option<Event> {
        let realm = &self.realms[realm];
        if b % 3 == 0 {
            let call_id = pick(&realm.released, a)?;
            return Some(Event::NoShowCorrected(v1::NoShowCorrected { call_id, arrived_at_ms: 1 }));
        }
        let (call_id, ..) = pick(&realm.duties, a)?;
        Some(Event::NoShowDeclared(v1::NoShowDeclared { call_id }))
    }

    fn release(&mut self, realm: usize, a: u16, b: u16) -> Option<Event> {
        let realm = &mut self.realms[realm];
        let (call_id, person, ..) = pick(&realm.duties, a)?;
        let reason = i32::from(b % 14);
        realm.duties.retain(|(other, ..)| *other != call_id);
        realm.released.push(call_id.clone());
        Some(Event::DutyReleased(v1::DutyReleased { call_id, responder_id: person, reason, ..Default::default() }))
    }

    fn call_goes_on(&mut self, realm: usize, a: u16, b: u16) -> Option<Event> {
        let realm = &self.realms[realm];
        // Replies may come when the duty is over.
        let over = pick(&realm.released, a).filter(|_| b / 4 % 8 == 0);
        let call_id = over.or_else(|| pick(&realm.duties, a).map(|(call_id, ..)| call_id))?;
        Some(match b % 4 {
            0 => Event::CallAcknowledged(v1::CallAcknowledged { call_id }),
            1 => Event::CallDeclined(v1::CallDeclined { call_id, ..Default::default() }),
            2 => Event::CallUnanswered(v1::CallUnanswered { call_id }),
            _ => Event::ResponderRecalled(v1::ResponderRecalled { call_id, ..Default::default() }),
        })
    }

    fn peacetime(&mut self, a: u16, b: u16, c: u16) -> Option<Event> {
        let (area_id, _) = pick(&self.areas, b)?;
        let (responder_id, organization_id) = (Self::person(a), format!("org{}", c / 8 % 3));
        let specialties = SPECIALTIES[1..].iter().take(usize::from(b % 3)).map(|name| (*name).to_owned()).collect();
        Some(match c % 8 {
            0..=2 => Event::ResponderEnrolled(v1::ResponderEnrolled {
                responder_id,
                kind: i32::from(1 + b % 6),
                affiliation: i32::from(b % 6),
                organization_id,
                area_id,
                specialties,
                ..Default::default()
            }),
            3 => Event::ResponderReportedToCommunity(v1::ResponderReportedToCommunity { responder_id, area_id, ..Default::default() }),
            4 => Event::ResponderTransferred(v1::ResponderTransferred { responder_id, organization_id, ..Default::default() }),
            5 if b % 2 == 0 => Event::SpecialtiesSet(v1::SpecialtiesSet { responder_id, specialties, lost_specialties: Vec::new() }),
            5 if b % 5 == 0 => Event::ResponderWithdrawn(v1::ResponderWithdrawn { responder_id, ..Default::default() }),
            5 | 6 => {
                // Some begin later than any record of these histories.
                let from_ms = [0, 900_000, 900_000_000][usize::from(b % 3)];
                let until_ms = if b % 4 == 0 { 0 } else { from_ms + 1_000 };
                Event::AvailabilitySet(v1::AvailabilitySet {
                    responder_id,
                    availability: i32::from(b / 4 % 7),
                    from_ms,
                    until_ms,
                    begins_due_ms: 0,
                })
            }
            _ => {
                let responder_ids = (0..b % 4).map(|n| Self::person(a + n)).collect();
                Event::PeopleReserved(v1::PeopleReserved { organization_id, responder_ids, former_responder_ids: Vec::new() })
            }
        })
    }

    fn standby(&mut self, a: u16, b: u16) -> Option<Event> {
        let (responder_id, incident_id) = (Self::person(a), INCIDENTS[usize::from(1 + b % 2)].to_owned());
        Some(if b % 3 == 0 {
            Event::StandbyEnded(v1::StandbyEnded { incident_id, responder_id })
        } else {
            Event::ResponderPutOnStandby(v1::ResponderPutOnStandby { incident_id, responder_id, ..Default::default() })
        })
    }

    fn asked_goes_on(&mut self, realm: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let realm = &mut self.realms[realm];
        let call_id = pick(&realm.organization_calls, a)?;
        Some(match b % 5 {
            0 => Event::OrganizationAcknowledged(v1::OrganizationAcknowledged { call_id }),
            1 => {
                let responder_ids = (0..c % 3).map(|n| Self::person(c + n)).collect();
                Event::PeopleNominated(v1::PeopleNominated { call_id, responder_ids })
            }
            2 => Event::OrganizationReportedIn(v1::OrganizationReportedIn { call_id, quantity: 1 }),
            3 => Event::OrganizationOverdue(v1::OrganizationOverdue { call_id, missing: 1 }),
            _ => {
                realm.organization_calls.retain(|other| *other != call_id);
                Event::OrganizationCallDeclined(v1::OrganizationCallDeclined { call_id, ..Default::default() })
            }
        })
    }

    fn arrive(&mut self, realm: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let realm = &mut self.realms[realm];
        if c % 3 > 0
            && let Some((call_id, person, site, whistle, area_id)) = pick(&realm.duties, a)
            && !(site.is_empty() && whistle.is_empty())
        {
            realm.present.insert(person.clone(), (site.clone(), area_id.clone()));
            let whistle = if site.is_empty() { whistle } else { String::new() };
            return Some(checked_in(&person, &call_id, &site, &whistle, &area_id));
        }
        let person = Self::person(a);
        if c % 2 == 0 {
            let (site_id, area_id, _) = pick(&realm.sites, b)?;
            realm.present.insert(person.clone(), (site_id.clone(), area_id.clone()));
            return Some(checked_in(&person, "", &site_id, "", &area_id));
        }
        let (whistle_id, area_id, _) = pick(&realm.whistles, b)?;
        realm.present.insert(person.clone(), (String::new(), area_id.clone()));
        Some(checked_in(&person, "", "", &whistle_id, &area_id))
    }

    fn leave(&mut self, realm: usize, a: u16) -> Option<Event> {
        let realm = &mut self.realms[realm];
        let people: Vec<String> = realm.present.keys().cloned().collect();
        let person = pick(&people, a)?;
        let (site, _) = realm.present.remove(&person)?;
        Some(checked_out(&person, &site))
    }

    fn dispute(&mut self, realm: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let realm = &mut self.realms[realm];
        let people: Vec<String> = realm.present.keys().cloned().collect();
        let person = pick(&people, a)?;
        let (other_site, _) = realm.present.get(&person)?.clone();
        if c % 4 == 0 {
            let (whistle_id, area_id, _) = pick(&realm.whistles, b)?;
            let Event::PresenceDisputed(body) = disputed(&person, "", &other_site, &area_id) else { return None };
            return Some(Event::PresenceDisputed(v1::PresenceDisputed { whistle_id, ..body }));
        }
        let (site_id, area_id, _) = pick(&realm.sites, b)?;
        Some(disputed(&person, &site_id, &other_site, &area_id))
    }

    fn settle(&mut self, realm: usize, a: u16, b: u16) -> Option<Event> {
        let realm = &mut self.realms[realm];
        let people: Vec<String> = realm.present.keys().cloned().collect();
        let person = pick(&people, a)?;
        if b % 3 == 0 {
            let (_, area_id) = realm.present.remove(&person)?;
            return Some(settled(&person, "", &area_id));
        }
        let (site_id, area_id, _) = pick(&realm.sites, b)?;
        realm.present.insert(person.clone(), (site_id.clone(), area_id.clone()));
        Some(settled(&person, &site_id, &area_id))
    }

    fn unit(&mut self, realm: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let (area_id, _) = pick(&self.areas, a)?;
        let realm = &mut self.realms[realm];
        let unit_id = format!("u{}", realm.units.len());
        // Mostly below the first, so that its span of control is exceeded now and then.
        let parent_unit_id =
            if c % 4 == 0 { pick(&realm.units, c).unwrap_or_default() } else { realm.units.first().cloned().unwrap_or_default() };
        realm.units.push(unit_id.clone());
        Some(Event::UnitEstablished(v1::UnitEstablished {
            unit_id,
            incident_id: "i".into(),
            kind: 1 + i32::from(b % 8),
            name: "支部".into(),
            parent_unit_id,
            area_id,
            approval_document_no: if c % 2 == 0 { "文 1".into() } else { String::new() },
            plan_id: if c % 3 == 0 { "plan".into() } else { String::new() },
            ..Default::default()
        }))
    }

    fn unit_goes_on(&mut self, realm: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let realm = &mut self.realms[realm];
        let unit_id = pick(&realm.units, a).filter(|unit| !realm.dissolved.contains(unit))?;
        let responder_id = Self::person(b);
        Some(match c % 8 {
            0 => Event::SecretaryAppointed(v1::SecretaryAppointed { unit_id, responder_id, ..Default::default() }),
            1 => {
                let on_duty = pick(&realm.duties, b / 2).filter(|_| b % 2 == 0).map(|(_, responder_id, ..)| responder_id);
                let responder_id = on_duty.unwrap_or(responder_id);
                Event::OrganizerAppointed(v1::OrganizerAppointed { unit_id, responder_id, ..Default::default() })
            }
            2 => Event::OrganizerGapOverdue(v1::OrganizerGapOverdue { unit_id, since_ms: 1 }),
            3..=4 => Event::ResponderAttached(v1::ResponderAttached { unit_id, responder_id, extra_seat: b % 2 == 0 }),
            5..=6 => Event::ResponderDetached(v1::ResponderDetached { unit_id, responder_id }),
            _ => {
                realm.dissolved.push(unit_id.clone());
                Event::UnitDissolved(v1::UnitDissolved { unit_id })
            }
        })
    }

    fn organization(&mut self, realm: usize, a: u16, b: u16) -> Option<Event> {
        let realm = &mut self.realms[realm];
        if b % 2 == 0
            && let Some(call_id) = pick(&realm.organization_calls, a)
        {
            realm.organization_calls.retain(|other| *other != call_id);
            return Some(Event::OrganizationCallEnded(v1::OrganizationCallEnded { call_id }));
        }
        let (whistle_id, area_id, needs) = pick(&realm.whistles, a)?;
        self.calls += 1;
        let call_id = format!("o{}", self.calls);
        realm.organization_calls.push(call_id.clone());
        Some(Event::OrganizationCalled(v1::OrganizationCalled {
            call_id,
            organization_id: format!("org{}", b % 3),
            whistle_id,
            area_id,
            quantity: u32::from(b % 4),
            deadline_ms: i64::from(a),
            need_id: pick(&needs, a).unwrap_or_default(),
            lead: a % 3 == 0,
            ..Default::default()
        }))
    }
}
