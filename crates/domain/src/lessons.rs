//! Lessons 复盘: what an incident that has stood down teaches about a plan. Who really stood where, who declined or did not come, who came
//! unasked, which seats were added or taken away: as differences from the plan's newest version, each with what it rests on.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{self, DutyRole, LessonKind, ReleaseReason, ResponseLevel};

use crate::ids::{CallRef, IncidentRef, PlanRef, ResponderRef, SiteRef, UnitRef};
use crate::limits;
use crate::rejection::Rejection;
use crate::state::{Call, Conversion, Designation, PlanVersion, SeatState, State};

/// The differences between the plan's newest version and what happened in the incident. Reads the state and changes nothing.
///
/// # Errors
/// A plan or incident that is not there, a plan that was not converted for it or has not stood down, or has no published version.
pub fn lessons(state: &State, plan_id: &str, incident_id: &str) -> Result<v1::PlanLessons, Rejection> {
    let plan = state.plan(plan_id)?;
    if incident_id.is_empty() {
        return Err(Rejection::FieldMissing { field: "incident_id" });
    }
    let incident = state.ops.incidents.find(incident_id).ok_or_else(|| Rejection::UnknownIncident { id: incident_id.to_owned() })?;
    let over = || Rejection::PlanNotStoodDown { plan: plan_id.to_owned(), incident: incident_id.to_owned() };
    let conversion = state.ops.incidents.get(incident).conversions.get(&plan).filter(|found| found.stood_down).ok_or_else(over)?;
    let version = state.base.plans.get(plan).current().ok_or_else(|| Rejection::PlanNotPublished { id: plan_id.to_owned() })?;
    let rows = Review::new(state, plan, incident, version, conversion).rows();
    Ok(v1::PlanLessons {
        plan_id: plan_id.to_owned(),
        incident_id: incident_id.to_owned(),
        converted_version: conversion.version,
        base_version: version.version,
        rows,
    })
}

/// Whether a version may not name the person as anybody's primary any more.
pub(crate) fn gone(state: &State, responder: ResponderRef) -> bool {
    let person = state.base.responders.get(responder);
    person.withdrawn || person.reserved
}

/// One post in the newest version, by its keys.
#[derive(Clone, Debug, Default)]
struct Spot {
    tier: ResponseLevel,
    role: DutyRole,
    unit_key: String,
    site_key: String,
    seat_key: String,
}

/// What happened at one post.
#[derive(Default)]
struct Happened {
    /// Everybody who stood there, with the time on post.
    stood: BTreeMap<ResponderRef, i64>,
    /// Who was called and did not come, by their own doing.
    failed: BTreeSet<ResponderRef>,
    calls: Vec<CallRef>,
}

struct Review<'a> {
    state: &'a State,
    plan: PlanRef,
    version: &'a PlanVersion,
    conversion: &'a Conversion,
    incident: IncidentRef,
    /// By place in the newest version: what the conversion made of it.
    sites: Vec<Option<SiteRef>>,
    units: Vec<Option<UnitRef>>,
    /// The calls for its posts, by seat; and those without a site, by unit and role. In the order in which they were given.
    at_seats: BTreeMap<(SiteRef, &'a str), Vec<CallRef>>,
    in_units: BTreeMap<(Option<UnitRef>, DutyRole), Vec<CallRef>>,
    rows: Vec<v1::LessonRow>,
}

fn did_not_come(call: &Call) -> bool {
    let own_doing = matches!(
        call.release,
        ReleaseReason::Declined | ReleaseReason::Unanswered | ReleaseReason::NoShow | ReleaseReason::Withdrawn | ReleaseReason::Unavailable
    );
    own_doing && call.arrived_at_ms == 0
}

/// The places of parts by their keys, in a version that may not be the one that was converted.
fn by_key<'a, T: Copy>(mine: impl Iterator<Item = &'a str>, theirs: impl Iterator<Item = &'a str>, made: &[Option<T>]) -> Vec<Option<T>> {
    let known: BTreeMap<&str, Option<T>> = theirs.zip(made.iter().copied()).collect();
    mine.map(|key| known.get(key).copied().flatten()).collect()
}

impl<'a> Review<'a> {
    fn new(state: &'a State, plan: PlanRef, incident: IncidentRef, version: &'a PlanVersion, conversion: &'a Conversion) -> Self {
        let converted = state.base.plans.get(plan).version(conversion.version).unwrap_or(version);
        let site_keys = |version: &'a PlanVersion| version.sites.iter().map(|site| &*site.key);
        let unit_keys = |version: &'a PlanVersion| version.units.iter().map(|unit| &*unit.key);
        let sites = by_key(site_keys(version), site_keys(converted), &conversion.sites);
        let units = by_key(unit_keys(version), unit_keys(converted), &conversion.units);
        let (mut at_seats, mut in_units) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
        for (key, seat) in &conversion.given {
            let call = state.ops.calls.get(*key);
            match call.site {
                Some(site) => at_seats.entry((site, &**seat)).or_default().push(*key),
                None => in_units.entry((call.unit, call.role)).or_default().push(*key),
            }
        }
        Self { state, plan, version, conversion, incident, sites, units, at_seats, in_units, rows: Vec::new() }
    }

    fn rows(mut self) -> Vec<v1::LessonRow> {
        let posts: Vec<&Designation> = self.version.designations.iter().collect();
        for designation in &posts {
            if designation.role == DutyRole::Standby {
                self.standby(designation);
            } else {
                self.post(designation);
            }
        }
        self.seats();
        self.came_unasked();
        self.rows
    }

    fn spot(&self, designation: &Designation) -> Spot {
        let site = designation.site.map(|at| &self.version.sites[usize::from(at)]);
        let seat = site.zip(designation.seat).map(|(site, at)| site.seats[usize::from(at)].key.to_string());
        Spot {
            tier: designation.tier,
            role: designation.role,
            unit_key: designation.unit.map(|at| self.version.units[usize::from(at)].key.to_string()).unwrap_or_default(),
            site_key: site.map(|site| site.key.to_string()).unwrap_or_default(),
            seat_key: seat.unwrap_or_default(),
        }
    }

    /// What happened at those of the calls whose people the filter lets through. Without a place nobody is seen on post: who did not fail
    /// stood there.
    fn happened(&self, seated: bool, calls: Option<&Vec<CallRef>>, wanted: impl Fn(ResponderRef) -> bool) -> Happened {
        let mut happened = Happened::default();
        for key in calls.into_iter().flatten() {
            let call = self.state.ops.calls.get(*key);
            if !wanted(call.responder) {
                continue;
            }
            happened.calls.push(*key);
            let begun_ms = if seated { call.arrived_at_ms } else { call.called_at_ms };
            if did_not_come(call) {
                happened.failed.insert(call.responder);
            } else if begun_ms != 0 {
                *happened.stood.entry(call.responder).or_default() += (call.released_at_ms - begun_ms).max(0);
            }
        }
        happened
    }

    fn at_seat(&self, site: u16, seat_key: &str) -> Happened {
        let Some(key) = self.sites[usize::from(site)] else { return Happened::default() };
        self.happened(true, self.at_seats.get(&(key, seat_key)), |_| true)
    }

    fn at_post(&self, designation: &Designation) -> Happened {
        match designation.site.zip(designation.seat) {
            Some((site, seat)) => self.at_seat(site, &self.version.sites[usize::from(site)].seats[usize::from(seat)].key),
            None => {
                let unit = designation.unit.and_then(|at| self.units[usize::from(at)]);
                let named = |who: ResponderRef| who == designation.responder || designation.backups.contains(&who);
                self.happened(false, self.in_units.get(&(unit, designation.role)), named)
            }
        }
    }

    /// Whether the person could be the primary there: on the roster, and nobody else's at the tier.
    fn free(&self, responder: ResponderRef, tier: ResponseLevel) -> bool {
        let narrow = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
        let incident_type = self.state.base.plans.get(self.plan).incident_type;
        let key = (responder, narrow(incident_type.into()), narrow(tier.into()));
        let elsewhere = self.state.base.primaries.get(&key).is_some_and(|plan| *plan != self.plan);
        !gone(self.state, responder) && !elsewhere && !self.version.primaries.contains(&(responder, key.2))
    }

    fn post(&mut self, designation: &Designation) {
        let (spot, happened) = (self.spot(designation), self.at_post(designation));
        let primary = designation.responder;
        let left = gone(self.state, primary);
        let mut replaced_by = None;
        if left || !happened.stood.contains_key(&primary) {
            let others = happened.stood.iter().filter(|(who, _)| **who != primary && self.free(**who, designation.tier));
            // Who stood there longest; of equals the first in the roster.
            replaced_by = others.max_by_key(|(who, ms)| (**ms, std::cmp::Reverse(**who))).map(|(who, _)| *who);
            if let Some(to) = replaced_by {
                self.row(LessonKind::ReplacePrimary, &spot, Some(primary), Some(to), left, &happened, &[primary, to]);
            }
            if left || (replaced_by.is_none() && happened.failed.contains(&primary)) {
                self.row(LessonKind::DropDesignation, &spot, Some(primary), None, left, &happened, &[primary]);
            }
        }
        let named = |who: ResponderRef| who == primary || designation.backups.contains(&who);
        let mut room = limits::BACKUPS_MAX.saturating_sub(designation.backups.len());
        for who in happened.stood.keys().copied().filter(|who| !named(*who) && Some(*who) != replaced_by) {
            if room > 0 && !self.state.base.responders.get(who).withdrawn {
                room -= 1;
                self.row(LessonKind::AddBackup, &spot, None, Some(who), false, &happened, &[who]);
            }
        }
        for backup in &designation.backups {
            let withdrawn = self.state.base.responders.get(*backup).withdrawn;
            if withdrawn || (happened.failed.contains(backup) && !happened.stood.contains_key(backup)) {
                self.row(LessonKind::RemoveBackup, &spot, Some(*backup), None, withdrawn, &happened, &[*backup]);
            }
        }
    }

    fn standby(&mut self, designation: &Designation) {
        if gone(self.state, designation.responder) {
            let spot = self.spot(designation);
            self.row(LessonKind::DropDesignation, &spot, Some(designation.responder), None, true, &Happened::default(), &[]);
        }
    }

    /// Seats that the version gives to nobody and somebody stood at; seats added or taken away by hand.
    fn seats(&mut self) {
        for (at, site) in (0_u16..).zip(&self.version.sites) {
            let Some(made) = self.sites[usize::from(at)] else { continue };
            let open = &self.state.ops.sites.get(made).seats;
            for (number, seat) in (0_u16..).zip(&site.seats) {
                let spot = Spot { tier: seat.tier, ..Self::seat_spot(&site.key, &seat.key) };
                let asked = seat.tier <= self.conversion.response;
                if asked && !open.iter().any(|left| left.id == seat.key) {
                    self.row(LessonKind::DropSeat, &spot, None, None, false, &Happened::default(), &[]);
                } else if !self.version.seated.contains_key(&(at, number)) {
                    let happened = self.at_seat(at, &seat.key);
                    if let Some(who) = self.longest(&happened, seat.tier) {
                        self.row(LessonKind::AddDesignation, &spot, None, Some(who), false, &happened, &[who]);
                    }
                }
            }
            let added = |seat: &&SeatState| seat.by_hand && !site.seats.iter().any(|known| known.key == seat.id);
            for added in open.iter().filter(added) {
                let spot = Spot { tier: site.tier, ..Self::seat_spot(&site.key, &added.id) };
                let happened = self.at_seat(at, &added.id);
                let who = self.longest(&happened, site.tier);
                let people: Vec<_> = who.into_iter().collect();
                self.row(LessonKind::AddSeat, &spot, None, who, false, &happened, &people);
            }
        }
    }

    fn seat_spot(site_key: &str, seat_key: &str) -> Spot {
        Spot { role: DutyRole::Member, site_key: site_key.to_owned(), seat_key: seat_key.to_owned(), ..Default::default() }
    }

    fn longest(&self, happened: &Happened, tier: ResponseLevel) -> Option<ResponderRef> {
        let free = happened.stood.iter().filter(|(who, _)| self.free(**who, tier));
        free.max_by_key(|(who, ms)| (**ms, std::cmp::Reverse(**who))).map(|(who, _)| *who)
    }

    /// People who came to the plan's sites without a call, and whom it names nowhere, are the ones to stand by next time.
    fn came_unasked(&mut self) {
        let named: BTreeSet<ResponderRef> =
            self.version.designations.iter().flat_map(|post| std::iter::once(post.responder).chain(post.backups.iter().copied())).collect();
        let called: BTreeSet<ResponderRef> =
            self.conversion.given.iter().map(|(key, _)| self.state.ops.calls.get(*key).responder).collect();
        let mut told = BTreeSet::new();
        for ((made, who), position) in &self.conversion.walk_ins {
            let Some(site) = self.sites.iter().position(|site| *site == Some(*made)).map(|at| &self.version.sites[at]) else { continue };
            let known = named.contains(who) || called.contains(who) || !self.free(*who, site.tier);
            if known || !told.insert(*who) {
                continue;
            }
            let spot = Spot { tier: site.tier, role: DutyRole::Standby, ..Default::default() };
            self.row(LessonKind::AddDesignation, &spot, None, Some(*who), false, &Happened::default(), &[]);
            let responder_id = self.state.base.responders.id(*who).to_owned();
            let evidence = v1::LessonEvidence { responder_id, position: *position, ..Default::default() };
            self.rows.last_mut().expect("a row was added").evidence.push(evidence);
        }
    }

    #[allow(clippy::too_many_arguments)] // The members of one row.
    fn row(
        &mut self,
        kind: LessonKind,
        spot: &Spot,
        from: Option<ResponderRef>,
        to: Option<ResponderRef>,
        needed: bool,
        happened: &Happened,
        people: &[ResponderRef],
    ) {
        let name = |who: Option<ResponderRef>| who.map(|key| self.state.base.responders.id(key).to_owned()).unwrap_or_default();
        let (from_responder_id, to_responder_id) = (name(from), name(to));
        let mut row = v1::LessonRow {
            row_id: String::new(),
            kind: kind.into(),
            tier: spot.tier.into(),
            role: spot.role.into(),
            unit_key: spot.unit_key.clone(),
            site_key: spot.site_key.clone(),
            seat_key: spot.seat_key.clone(),
            from_responder_id,
            to_responder_id,
            needed,
            evidence: self.evidence(happened, people),
        };
        row.row_id = id_of(&row);
        self.rows.push(row);
    }

    fn evidence(&self, happened: &Happened, people: &[ResponderRef]) -> Vec<v1::LessonEvidence> {
        let of_them = happened.calls.iter().map(|key| (*key, self.state.ops.calls.get(*key)));
        let of_them = of_them.filter(|(_, call)| people.contains(&call.responder) && call.incident == Some(self.incident));
        let evidence = |(key, call): (CallRef, &Call)| v1::LessonEvidence {
            call_id: key.text(),
            responder_id: self.state.base.responders.id(call.responder).to_owned(),
            called_at_ms: call.called_at_ms,
            arrived_at_ms: call.arrived_at_ms,
            released_at_ms: call.released_at_ms,
            release: call.release.into(),
            position: 0,
        };
        of_them.map(evidence).collect()
    }
}

/// Everything that the row changes: `replace_primary:IV:branch:gate#n1:MEMBER:a3>b1`.
fn id_of(row: &v1::LessonRow) -> String {
    let kind = row.kind().as_str_name().trim_start_matches("LESSON_KIND_").to_ascii_lowercase();
    let tier = row.tier().as_str_name().trim_start_matches("RESPONSE_LEVEL_");
    let role = row.role().as_str_name().trim_start_matches("DUTY_ROLE_");
    let (unit, site, seat) = (&row.unit_key, &row.site_key, &row.seat_key);
    format!("{kind}:{tier}:{unit}:{site}#{seat}:{role}:{}>{}", row.from_responder_id, row.to_responder_id)
}
