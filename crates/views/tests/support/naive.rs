//! The figures counted afresh from plain facts after each record, as `views.proto` words them. Shares no code with the folds.

mod notes;

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::Event;
use muster_proto::v1::{self, CoverageRow, CoverageSlice, NeedKind, SiteRow, UnitRow, WhistleRow, WhistleStatus};
use muster_views::{Row, View};

use super::Fact;
use super::naive_people::People;

#[derive(Clone, Default)]
struct Area {
    parent: String,
    level: i32,
    name: String,
    stands: bool,
}

#[derive(Clone)]
struct Duty {
    call: String,
    order: usize,
    person: String,
    site: String,
    seat: String,
    whistle: String,
    need: String,
    unit: String,
    role: v1::DutyRole,
    area: String,
    accepted: bool,
    arrival_ms: i64,
    called_ms: i64,
    arrived: bool,
    released: bool,
    no_show: bool,
}

#[derive(Clone, PartialEq)]
enum Presence {
    At { site: String, whistle: String, area: String, call: String },
    Disputed { sites: [String; 2], area: String },
}

#[derive(Clone, Default)]
struct Site {
    opened: v1::SiteOpened,
    seats: Vec<v1::Seat>,
    closed: bool,
    suspended: bool,
    last_check_in: BTreeMap<String, i64>,
    risk: i32,
    grids: Vec<String>,
    supplies: Vec<v1::Supply>,
    scheduled: bool,
    running: Vec<v1::ShiftOpened>,
    held: BTreeSet<String>,
    handed_over: BTreeMap<String, i64>,
}

#[derive(Clone, Default)]
struct Whistle {
    row: WhistleRow,
    blown: v1::WhistleBlown,
    fulfilled: BTreeMap<String, u64>,
    confirmed: Vec<String>,
    acknowledged: bool,
    ended: Option<WhistleStatus>,
    rated: bool,
}

#[derive(Clone, Default)]
struct Unit {
    row: UnitRow,
    approved: bool,
    members: BTreeSet<String>,
    extra: BTreeSet<String>,
}

#[derive(Clone, Default)]
struct Realm {
    called_in: Vec<v1::ShelterOrdered>,
    rehearsed: Vec<v1::PlanRehearsed>,
    sites: BTreeMap<String, Site>,
    whistles: BTreeMap<String, Whistle>,
    units: BTreeMap<String, Unit>,
    duties: BTreeMap<String, Duty>,
    presence: BTreeMap<String, Presence>,
    organization_calls: BTreeMap<String, String>,
    near: BTreeSet<String>,
    /// Kind of site and milliseconds of each first arrival.
    arrivals: Vec<(i32, i64)>,
}

/// Everything known, plainly.
#[derive(Clone, Default)]
pub struct Naive {
    facts: Vec<Fact>,
    areas: BTreeMap<String, Area>,
    realms: BTreeMap<String, Realm>,
    rows: BTreeMap<(View, String), Row>,
}

impl Naive {
    /// Takes in a record and counts everything again. Costs the whole state each time.
    pub fn apply(&mut self, fact: &Fact) {
        self.note(fact);
        self.facts.push(fact.clone());
        let mut rows = self.count();
        for (key, row) in &mut rows {
            let before = self.rows.get(key);
            let position = match before {
                Some(before) if with_position(row, before.position()) == *before => before.position(),
                _ => fact.position.0,
            };
            *row = with_position(row, position);
        }
        self.rows = rows;
    }

    /// The rows of a view by `realm/id`.
    pub fn rows(&self, view: View) -> BTreeMap<String, Row> {
        let of = self.rows.iter().filter(|((of, _), _)| *of == view);
        of.map(|((_, key), row)| (key.clone(), row.clone())).collect()
    }

    fn path(&self, area: &str) -> Vec<String> {
        let mut path = Vec::new();
        let mut cursor = area.to_owned();
        while !cursor.is_empty() {
            path.push(cursor.clone());
            cursor = self.areas.get(&cursor).map(|area| area.parent.clone()).unwrap_or_default();
        }
        path
    }

    fn note(&mut self, fact: &Fact) {
        match &fact.event {
            Event::AreaDefined(body) => {
                let area = self.areas.entry(body.area_id.clone()).or_default();
                *area = Area { parent: body.parent_id.clone(), level: body.level, name: body.name.clone(), stands: true };
            }
            Event::AreaReparented(body) => self.areas.entry(body.area_id.clone()).or_default().parent = body.parent_id.clone(),
            Event::AreaRetired(body) => self.areas.entry(body.area_id.clone()).or_default().stands = false,
            _ => {}
        }
        self.realms.entry("actual".to_owned()).or_default();
        self.realms.entry(fact.realm.to_string()).or_default();
        let levels: BTreeMap<String, i32> = self.areas.iter().map(|(id, area)| (id.clone(), area.level)).collect();
        let realm = self.realms.get_mut(fact.realm.as_ref()).unwrap();
        realm.note_operations(fact, &levels);
        realm.note_units(fact);
        realm.note_people(fact);
        // Whatever is near stays near, and what lies above it today is near too.
        let paths: Vec<(String, Vec<String>)> =
            self.realms.iter().map(|(name, realm)| (name.clone(), realm.near.iter().flat_map(|area| self.path(area)).collect())).collect();
        for (name, near) in paths {
            self.realms.get_mut(&name).unwrap().near.extend(near);
        }
    }

    fn count(&self) -> BTreeMap<(View, String), Row> {
        let mut rows = BTreeMap::new();
        let mut put = |row: Row| drop(rows.insert((row.view(), format!("{}/{}", row.realm(), row.id())), row));
        for (name, realm) in &self.realms {
            for (area_id, area) in &self.areas {
                if area.stands && (name == "actual" || realm.near.contains(area_id)) {
                    put(Row::Coverage(self.coverage(name, realm, area_id, area)));
                }
            }
            for unit in realm.units.values() {
                put(Row::Unit(realm.unit(name, unit)));
            }
            for site in realm.sites.values() {
                let mut shifts: BTreeSet<String> = site.seats.iter().map(|seat| seat.shift.clone()).collect();
                shifts.insert(String::new());
                for shift in shifts {
                    put(Row::Site(realm.site(name, site, &shift)));
                }
            }
            for whistle in realm.whistles.values() {
                put(Row::Whistle(realm.whistle(name, whistle)));
            }
            let people = People { realm: name, all: &self.facts };
            people.calls().into_iter().for_each(|row| put(Row::Call(Box::new(row))));
            people.responders().into_iter().for_each(|row| put(Row::Responder(Box::new(row))));
        }
        rows
    }

    fn coverage(&self, name: &str, realm: &Realm, area_id: &str, area: &Area) -> CoverageRow {
        let inside = |other: &str| self.path(other).iter().any(|above| above == area_id);
        let mut row = CoverageRow {
            realm: name.to_owned(),
            area_id: area_id.to_owned(),
            parent_id: area.parent.clone(),
            level: area.level,
            name: area.name.clone(),
            ..Default::default()
        };
        let (mut specialties, mut shifts) = (BTreeMap::new(), BTreeMap::new());
        for (post_area, specialty, shift, asked, filled) in realm.posts() {
            if !inside(&post_area) {
                continue;
            }
            row.required += asked;
            row.filled += filled;
            row.gap += asked - filled;
            for (slices, key) in [(&mut specialties, specialty), (&mut shifts, shift)] {
                let slice: &mut CoverageSlice = slices.entry(key.clone()).or_insert(CoverageSlice { key, ..Default::default() });
                slice.required += asked;
                slice.on_post += filled;
            }
        }
        row.by_specialty = specialties.into_values().filter(|slice| slice.required + slice.on_post > 0).collect();
        row.by_shift = shifts.into_values().filter(|slice| slice.required + slice.on_post > 0).collect();
        for duty in realm.standing().filter(|duty| inside(&duty.area)) {
            match realm.presence.get(&duty.person) {
                Some(Presence::Disputed { .. }) => {}
                _ if realm.present_at(duty) => row.on_post += 1,
                _ if duty.accepted => row.en_route += 1,
                _ => row.dispatched += 1,
            }
        }
        for (person, presence) in &realm.presence {
            match presence {
                Presence::Disputed { area, .. } if inside(area) => row.unconfirmed += 1,
                Presence::At { area, .. } if inside(area) && realm.walks_in(person) => row.walk_in += 1,
                _ => {}
            }
        }
        let waiting = realm.sites.values().filter(|site| site.suspended && !site.closed && inside(&site.opened.area_id));
        row.suspended = waiting.map(|site| site.seats.iter().filter(|seat| site.asks_for(&seat.shift)).count() as i64).sum();
        row.unaccounted = realm.called_in.iter().filter(|order| inside(&order.area_id)).count() as i64;
        let rehearsed = || realm.rehearsed.iter().filter(|plan| inside(&plan.area_id));
        row.plan_seats = rehearsed().map(|plan| i64::from(plan.seats)).sum();
        row.plan_seats_fillable = rehearsed().map(|plan| i64::from(plan.fillable)).sum();
        row.open_whistles =
            realm.whistles.values().filter(|whistle| whistle.ended.is_none() && inside(&whistle.blown.area_id)).count() as i64;
        row
    }
}

fn with_position(row: &Row, position: u64) -> Row {
    let mut row = row.clone();
    match &mut row {
        Row::Coverage(row) => row.position = position,
        Row::Unit(row) => row.position = position,
        Row::Site(row) => row.position = position,
        Row::Whistle(row) => row.position = position,
        Row::Call(row) => row.position = position,
        Row::Responder(row) => row.position = position,
        Row::Other(_) => {}
    }
    row
}

impl Realm {
    fn came_within(&self, kind: i32, percent: usize) -> Option<i64> {
        let bounds = [1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 724, 1024, 1448, 2048, 2896];
        let took: Vec<i64> = self.arrivals.iter().filter(|(of, _)| *of == kind).map(|(_, took)| *took).collect();
        let enough = |bound: &i64| took.iter().filter(|took| **took <= *bound).count() * 100 >= took.len() * percent;
        let in_ms = bounds.map(|minutes: i64| minutes * 60_000);
        (took.len() >= 10).then(|| in_ms.into_iter().find(enough).unwrap_or(2896 * 60_000))
    }

    fn standing(&self) -> impl Iterator<Item = &Duty> {
        self.duties.values().filter(|duty| !duty.released)
    }

    fn present_at(&self, duty: &Duty) -> bool {
        let Some(Presence::At { site, whistle, call, .. }) = self.presence.get(&duty.person) else { return false };
        let by_place = if duty.site.is_empty() { !duty.whistle.is_empty() && *whistle == duty.whistle } else { *site == duty.site };
        by_place || *call == duty.call
    }

    fn walks_in(&self, person: &str) -> bool {
        !self.standing().any(|duty| duty.person == person && self.present_at(duty))
    }

    /// Area, specialty, shift, asked, filled of every post or group of equal posts.
    fn posts(&self) -> Vec<(String, String, String, i64, i64)> {
        let mut posts = Vec::new();
        for (id, site) in self.sites.iter().filter(|(_, site)| !site.closed) {
            for seat in site.seats.iter().filter(|seat| !site.suspended && site.asks_for(&seat.shift)) {
                let filled = self.standing().any(|duty| duty.site == *id && duty.seat == seat.seat_id && self.present_at(duty));
                posts.push((site.opened.area_id.clone(), seat.specialty.clone(), seat.shift.clone(), 1, i64::from(filled)));
            }
        }
        for (id, whistle) in self.whistles.iter().filter(|(_, whistle)| whistle.ended.is_none()) {
            for need in whistle.blown.needs.iter().filter(|need| need.kind() == NeedKind::Person) {
                let met = whistle.fulfilled.get(&need.need_id).copied().unwrap_or_default() as i64;
                let done = whistle.confirmed.contains(&need.need_id);
                let asked = if done { 0 } else { (i64::from(need.quantity) - met).max(0) };
                let for_it =
                    |duty: &&Duty| duty.site.is_empty() && duty.whistle == *id && duty.need == need.need_id && self.present_at(duty);
                let present = self.standing().filter(for_it).count() as i64;
                posts.push((whistle.blown.area_id.clone(), need.specialty.clone(), String::new(), asked, present.min(asked)));
            }
        }
        posts
    }

    fn unit(&self, realm: &str, unit: &Unit) -> UnitRow {
        let people: BTreeSet<&String> = unit.members.union(&unit.extra).collect();
        let below = self.units.values().filter(|other| other.row.parent_unit_id == unit.row.unit_id && !other.row.dissolved);
        let below = below.count() as i64;
        let somewhere = |person: &&&String| matches!(self.presence.get(**person), Some(Presence::At { .. }));
        UnitRow {
            realm: realm.to_owned(),
            active: unit.approved && !unit.row.secretary_id.is_empty() && !unit.row.dissolved,
            strength: people.len() as i64,
            present: people.iter().filter(somewhere).count() as i64,
            subordinates: below,
            span_exceeded: below > 7,
            ..unit.row.clone()
        }
    }

    fn site(&self, realm: &str, site: &Site, shift: &str) -> SiteRow {
        let id = &site.opened.site_id;
        let seats: Vec<&v1::Seat> = site.seats.iter().filter(|seat| seat.shift == shift).collect();
        let duties: Vec<&Duty> = self.standing().filter(|duty| duty.site == *id).collect();
        let here: Vec<&&Duty> = duties.iter().filter(|duty| site.shift_of(&duty.seat) == shift).collect();
        let seated: Vec<&&&Duty> = here.iter().filter(|duty| seats.iter().any(|seat| seat.seat_id == duty.seat)).collect();
        let filled = seats.iter().filter(|seat| duties.iter().any(|duty| duty.seat == seat.seat_id)).count() as i64;
        let awaited: Vec<&&&&Duty> = seated.iter().filter(|duty| !self.present_at(duty)).collect();
        let disputed = |person: &str| matches!(self.presence.get(person), Some(Presence::Disputed { .. }));
        let known = awaited.iter().all(|duty| duty.accepted && duty.arrival_ms > 0 && !disputed(&duty.person));
        let full = !seats.is_empty() && filled == seats.len() as i64 && known;
        let last_called = awaited.iter().map(|duty| duty.called_ms).max();
        let held = !seats.is_empty() && filled == seats.len() as i64;
        let expected = |percent| {
            let within = self.came_within(site.opened.kind, percent);
            last_called.filter(|_| held).zip(within).map_or(0, |(called, within)| called + within)
        };
        let row_of = |person: &str| {
            let mut mine: Vec<&&Duty> = duties.iter().filter(|duty| duty.person == person).collect();
            mine.sort_by_key(|duty| duty.order);
            mine.first().map(|duty| site.shift_of(&duty.seat)).unwrap_or_default()
        };
        let (mut unconfirmed, mut walk_in) = (0, 0);
        for (person, presence) in &self.presence {
            match presence {
                Presence::Disputed { sites, .. } if sites.contains(id) && row_of(person) == shift => unconfirmed += 1,
                Presence::At { site, .. } if site == id && shift.is_empty() && self.walks_in(person) => walk_in += 1,
                _ => {}
            }
        }
        let running = site.running.iter().rev().find(|known| known.shift == shift).cloned().unwrap_or_default();
        SiteRow {
            realm: realm.to_owned(),
            site_id: id.clone(),
            risk: if shift.is_empty() { site.risk } else { 0 },
            grid_ids: if shift.is_empty() { site.grids.clone() } else { Vec::new() },
            supplies: if shift.is_empty() { site.supplies.clone() } else { Vec::new() },
            shift: shift.to_owned(),
            incident_id: site.opened.incident_id.clone(),
            kind: site.opened.kind,
            name: site.opened.name.clone(),
            area_id: site.opened.area_id.clone(),
            seats: seats.len() as i64,
            filled,
            present: here.iter().filter(|duty| self.present_at(duty)).count() as i64,
            no_shows: self.duties.values().filter(|duty| duty.no_show && duty.site == *id && site.shift_of(&duty.seat) == shift).count()
                as i64,
            unconfirmed,
            walk_in,
            last_check_in_ms: site.last_check_in.get(shift).copied().unwrap_or_default(),
            full_strength_at_ms: if full { awaited.iter().map(|duty| duty.arrival_ms).max().unwrap_or_default() } else { 0 },
            expected_full_from_ms: expected(50),
            expected_full_until_ms: expected(90),
            closed: site.closed,
            suspended: site.suspended,
            asked: if site.asks_for(shift) { seats.len() as i64 } else { 0 },
            held: site.held.contains(&running.shift_id),
            shift_id: running.shift_id,
            shift_from_ms: running.from_ms,
            shift_until_ms: running.until_ms,
            minimum: i64::from(running.minimum),
            handed_over_at_ms: site.handed_over.get(shift).copied().unwrap_or_default(),
            position: 0,
        }
    }

    fn whistle(&self, realm: &str, whistle: &Whistle) -> WhistleRow {
        let blown = &whistle.blown;
        let duties: Vec<&Duty> = self.standing().filter(|duty| duty.site.is_empty() && duty.whistle == blown.whistle_id).collect();
        let need = |need: &v1::Need| {
            let for_it: Vec<&&Duty> = duties.iter().filter(|duty| duty.need == need.need_id).collect();
            let met = whistle.fulfilled.get(&need.need_id).copied().unwrap_or_default() as i64;
            v1::WhistleNeedRow {
                need_id: need.need_id.clone(),
                kind: need.kind,
                specialty: need.specialty.clone(),
                item: need.item.clone(),
                unit: need.unit.clone(),
                quantity: i64::from(need.quantity),
                dispatched: for_it.len() as i64,
                filled: for_it.iter().filter(|duty| self.present_at(duty)).count() as i64 + met,
                confirmed: whistle.confirmed.contains(&need.need_id),
            }
        };
        let needs: Vec<v1::WhistleNeedRow> = blown.needs.iter().map(need).collect();
        let organization_called = self.organization_calls.values().any(|id| *id == blown.whistle_id);
        let status = match whistle.ended {
            _ if whistle.rated => WhistleStatus::Rated,
            Some(how) => how,
            None if !needs.is_empty() && needs.iter().all(|need| need.confirmed || need.filled >= need.quantity) => WhistleStatus::Filled,
            None if needs.iter().any(|need| need.confirmed || need.filled > 0) => WhistleStatus::PartlyFilled,
            None if !duties.is_empty() || organization_called => WhistleStatus::Dispatching,
            None if whistle.acknowledged => WhistleStatus::Acknowledged,
            None => WhistleStatus::Blown,
        };
        WhistleRow {
            realm: realm.to_owned(),
            whistle_id: blown.whistle_id.clone(),
            incident_id: blown.incident_id.clone(),
            area_id: blown.area_id.clone(),
            status: status.into(),
            severity: blown.severity,
            urgency: blown.urgency,
            life_threatening: blown.life_threatening,
            place: blown.place.clone(),
            text: blown.text.clone(),
            needs,
            ..whistle.row.clone()
        }
    }
}

impl Site {
    fn asks_for(&self, shift: &str) -> bool {
        !self.scheduled || shift.is_empty() || self.running.iter().any(|known| known.shift == shift)
    }

    fn shift_of(&self, seat: &str) -> String {
        self.seats.iter().find(|known| known.seat_id == seat).map(|known| known.shift.clone()).unwrap_or_default()
    }
}
