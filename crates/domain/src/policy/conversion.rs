//! Conversion 转换: opens the plan's sites, forms its units, seats its people, puts others on standby, and lists every gap.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, CallReason, DutyRole, GapReason, ReleaseReason, ResponseLevel};

use super::level;
use super::placement::{self, Ahead, Placed};
use super::seats::Before;
use super::shelter;
use super::summons::{Summons, call_off, off_standby, office, outranks, release, summon};
use crate::apply::conversions_below;
use smallvec::SmallVec;

use crate::execute::{Draft, Now};
use crate::ids::{AreaRef, CallRef, IncidentRef, PlanRef, ResponderRef};
use crate::limits;
use crate::state::{CallPhase, Conversion, Designation, Incident, PlanVersion, State};

/// The duties that a person is taken from, or why the person cannot come and which incident holds them.
pub(crate) type Claim = Result<SmallVec<[CallRef; 1]>, (GapReason, Option<IncidentRef>)>;

/// One plan being brought to a response level.
pub(crate) struct Converting<'a> {
    pub(crate) state: &'a State,
    pub(crate) incident_key: IncidentRef,
    pub(crate) incident_id: &'a str,
    pub(crate) incident: &'a Incident,
    pub(crate) plan: PlanRef,
    pub(crate) plan_id: &'a str,
    pub(crate) version: &'a PlanVersion,
    pub(crate) conversion: &'a Conversion,
}

impl<'a> Converting<'a> {
    pub(super) fn of(state: &'a State, incident_key: IncidentRef, plan: PlanRef) -> Option<Self> {
        let incident = state.ops.incidents.get(incident_key);
        let conversion = incident.conversions.get(&plan)?;
        let version = state.base.plans.get(plan).version(conversion.version)?;
        let (incident_id, plan_id) = (state.ops.incidents.id(incident_key), state.base.plans.id(plan));
        Some(Self { state, incident_key, incident_id, incident, plan, plan_id, version, conversion })
    }

    /// The id of a part: no caller can choose it, for `/` is not allowed in theirs.
    fn part_id(&self, key: &str, with_version: bool) -> String {
        let mut id = String::with_capacity(self.incident_id.len() + self.plan_id.len() + key.len() + 2);
        id.push_str(self.incident_id);
        id.push('/');
        id.push_str(self.plan_id);
        if self.conversion.round > 1 {
            id.push('~');
            id.push_str(&self.conversion.round.to_string());
        }
        if with_version {
            id.push('@');
            id.push_str(&self.version.version.to_string());
        }
        id.push('/');
        id.push_str(key);
        id
    }

    pub(super) fn site_id(&self, place: u16) -> String {
        match self.conversion.sites[usize::from(place)] {
            Some(key) => self.state.ops.sites.id(key).to_owned(),
            None => self.new_part_id(&self.version.sites[usize::from(place)].key, |id| self.state.ops.sites.find(id).is_some()),
        }
    }

    pub(super) fn unit_id(&self, place: u16) -> String {
        match self.conversion.units[usize::from(place)] {
            Some(key) => self.state.ops.units.id(key).to_owned(),
            None => self.new_part_id(&self.version.units[usize::from(place)].key, |id| self.state.ops.units.find(id).is_some()),
        }
    }

    /// A part that an earlier version had, and that went with it, may come again with another: then the version tells them apart.
    fn new_part_id(&self, key: &str, known: impl Fn(&str) -> bool) -> String {
        let id = self.part_id(key, false);
        if known(&id) { self.part_id(key, true) } else { id }
    }

    /// Where a designation's post is. A part that stands is where it was opened, whatever a later version says.
    pub(crate) fn post_area(&self, designation: &Designation) -> AreaRef {
        let site = designation.site.map(|at| self.site_area(at));
        let unit = designation.unit.map(|at| match self.conversion.units[usize::from(at)] {
            Some(key) => self.state.ops.units.get(key).area,
            None => self.version.units[usize::from(at)].area,
        });
        site.or(unit).unwrap_or(self.state.base.plans.get(self.plan).area)
    }

    fn site_area(&self, at: u16) -> AreaRef {
        match self.conversion.sites[usize::from(at)] {
            Some(key) => self.state.ops.sites.get(key).area,
            None => self.version.sites[usize::from(at)].area,
        }
    }

    fn draft(&self, event: Event, area: AreaRef) -> Draft {
        Draft::new(event, self.incident.realm, Some(area))
    }

    pub(super) fn gap(
        &self,
        designation: &Designation,
        responder: Option<ResponderRef>,
        reason: GapReason,
        other: Option<IncidentRef>,
    ) -> Draft {
        let area = self.post_area(designation);
        let seat = designation.site.zip(designation.seat);
        let event = Event::GapRecorded(v1::GapRecorded {
            incident_id: self.incident_id.to_owned(),
            unit_id: designation.unit.map(|at| self.unit_id(at)).unwrap_or_default(),
            site_id: designation.site.map(|at| self.site_id(at)).unwrap_or_default(),
            seat_id: seat
                .map(|(site, seat)| self.version.sites[usize::from(site)].seats[usize::from(seat)].key.to_string())
                .unwrap_or_default(),
            area_id: self.state.base.areas.id(area).to_owned(),
            responder_id: responder.map(|key| self.state.base.responders.id(key).to_owned()).unwrap_or_default(),
            reason: reason.into(),
            other_incident_id: other.map(|key| self.state.ops.incidents.id(key).to_owned()).unwrap_or_default(),
            role: designation.role.into(),
        });
        self.draft(event, area)
    }

    /// The fact that the person whom a designation names stands by.
    pub(super) fn stand_by(&self, designation: &Designation) -> Draft {
        let event = Event::ResponderPutOnStandby(v1::ResponderPutOnStandby {
            incident_id: self.incident_id.to_owned(),
            responder_id: self.state.base.responders.id(designation.responder).to_owned(),
            plan_id: self.plan_id.to_owned(),
            unit_id: designation.unit.map(|at| self.unit_id(at)).unwrap_or_default(),
        });
        self.draft(event, self.post_area(designation))
    }

    /// The gap of a seat that the plan gives to nobody.
    pub(super) fn undesignated(&self, at: u16, seat: u16) -> Draft {
        let site = &self.version.sites[usize::from(at)];
        let event = Event::GapRecorded(v1::GapRecorded {
            incident_id: self.incident_id.to_owned(),
            site_id: self.site_id(at),
            seat_id: site.seats[usize::from(seat)].key.to_string(),
            area_id: self.state.base.areas.id(self.site_area(at)).to_owned(),
            reason: GapReason::NoDesignation.into(),
            role: DutyRole::Member.into(),
            ..Default::default()
        });
        self.draft(event, self.site_area(at))
    }

    /// The call for a designation's post, whoever takes it, with the appointment that comes with it.
    pub(super) fn seat(&self, now: &Now<'_>, ahead: usize, designation: &Designation, responder: ResponderRef, drafts: &mut Vec<Draft>) {
        let area = self.post_area(designation);
        let reason = if designation.responder == responder { CallReason::PlanPrimary } else { CallReason::PlanBackup };
        let seat = designation.site.zip(designation.seat);
        let unit_id = || designation.unit.map(|at| self.unit_id(at)).unwrap_or_default();
        let summons = Summons {
            incident: Some(self.incident_key),
            role: designation.role,
            unit_id: unit_id(),
            site_id: designation.site.map(|at| self.site_id(at)).unwrap_or_default(),
            seat_id: seat
                .map(|(site, seat)| self.version.sites[usize::from(site)].seats[usize::from(seat)].key.to_string())
                .unwrap_or_default(),
            plan_id: self.plan_id.to_owned(),
            card_key: designation.card.map(|at| self.version.cards[usize::from(at)].to_string()).unwrap_or_default(),
            plan_version: self.version.version,
            place: designation.site.map(|at| self.version.sites[usize::from(at)].name.to_string()).unwrap_or_default(),
            tier: designation.tier,
            reason,
            from_ms: now.recorded_at_ms,
            reply_due_ms: now.recorded_at_ms + limits::REPLY_LIMIT_MS,
            ..Summons::at(self.incident.realm, area)
        };
        summon(self.state, ahead, responder, summons, drafts);
        if matches!(designation.role, DutyRole::Secretary | DutyRole::Organizer) {
            let document_no = format!("{}@{}", self.plan_id, self.version.version);
            let office = office(designation.role, unit_id(), self.state.base.responders.id(responder), document_no);
            drafts.extend(office.map(|event| self.draft(event, area)));
        }
    }

    /// Why a person cannot take a post of this incident; `Ok` with the duties to take from lesser incidents, mostly none.
    pub(crate) fn claim(&self, now: &Now<'_>, designation: &Designation, responder: ResponderRef) -> Claim {
        if designation.unit.is_some_and(|unit| self.unit_gone(unit)) {
            return Err((GapReason::NoDesignation, None));
        }
        let person = self.state.base.responders.get(responder);
        if person.withdrawn {
            return Err((GapReason::Withdrawn, None));
        }
        if person.reserved {
            return Err((GapReason::Reserved, None));
        }
        if person.absence(now.recorded_at_ms).is_some() {
            return Err((GapReason::Unavailable, None));
        }
        if self.lost_specialty(designation, responder) {
            return Err((GapReason::SpecialtyLost, None));
        }
        // One home unit: whom a person has put into another unit of the incident stays there.
        if let (Some(at), Some(home)) = (designation.unit, self.incident.home_units.get(&responder))
            && self.conversion.units[usize::from(at)] != Some(*home)
        {
            return Err((GapReason::OnOtherDuty, Some(self.incident_key)));
        }
        if self.state.rest_due(self.incident.realm, responder, now.recorded_at_ms, now.recorded_at_ms).is_some() {
            return Err((GapReason::Rest, None));
        }
        let mut taken = SmallVec::new();
        for duty in self.state.ops.overlapping_duties(self.incident.realm, responder, now.recorded_at_ms, 0) {
            let holder = self.state.ops.calls.get(duty).incident;
            if !outranks(self.state, (self.incident_key, self.incident), holder) {
                return Err((GapReason::OnOtherDuty, holder));
            }
            taken.push(duty);
        }
        Ok(taken)
    }

    /// Whether the site of a part's seats was closed by hand, or the unit dissolved.
    pub(super) fn site_gone(&self, site: u16) -> bool {
        self.conversion.sites[usize::from(site)].is_some_and(|key| self.state.ops.sites.get(key).closed)
    }

    /// Whether the site's area takes shelter: its seats are taken once it resumes.
    pub(super) fn site_waits(&self, site: u16) -> bool {
        let area = self.version.sites[usize::from(site)].area;
        match self.conversion.sites[usize::from(site)] {
            Some(key) => self.state.ops.sites.get(key).suspended,
            // Opened by the same answer, it is suspended by the next.
            None => shelter::will_wait(self.state, self.incident.realm, self.version.sites[usize::from(site)].kind, area),
        }
    }

    pub(super) fn unit_gone(&self, unit: u16) -> bool {
        self.conversion.units[usize::from(unit)].is_some_and(|key| self.state.ops.units.get(key).dissolved)
    }
}

/// Adds the tiers above the former response up to the new one.
pub(super) fn raise(state: &State, now: &Now<'_>, body: &v1::AreaConverted) -> Vec<Draft> {
    let found = state.ops.incidents.find(&body.incident_id).zip(state.base.plans.find(&body.plan_id));
    let Some(converting) = found.and_then(|(incident, plan)| Converting::of(state, incident, plan)) else { return Vec::new() };
    let (former, response) = (level(body.former_response), level(body.response));
    if response <= former {
        return Vec::new();
    }
    let parts = converting.version.sites.len() + converting.version.units.len();
    let mut drafts = Vec::with_capacity(converting.version.designations.len() + 2 * parts);
    let before = Before { version: converting.version, response: former };
    open_sites(&converting, before, response, &mut drafts);
    form_units(&converting, response, &mut drafts);
    seat_people(&converting, now, former, response, &mut drafts);
    drafts
}

pub(super) fn open_sites(converting: &Converting<'_>, before: Before<'_>, response: ResponseLevel, drafts: &mut Vec<Draft>) {
    for (at, site) in converting.version.sites.iter().enumerate() {
        let place = u16::try_from(at).expect("sites of a plan are capped");
        match converting.conversion.sites[at] {
            None if site.tier <= response => {
                let event = Event::SiteOpened(v1::SiteOpened {
                    site_id: converting.site_id(place),
                    incident_id: converting.incident_id.to_owned(),
                    kind: site.kind.into(),
                    name: site.name.to_string(),
                    area_id: converting.state.base.areas.id(site.area).to_owned(),
                    seats: site.seats.iter().filter(|seat| seat.tier <= response).map(|seat| converting.planned_seat(seat)).collect(),
                    plan_id: converting.plan_id.to_owned(),
                });
                drafts.push(converting.draft(event, site.area));
            }
            Some(key) => drafts.extend(converting.list_of_seats(before, response, place, key)),
            None => {}
        }
    }
}

pub(super) fn form_units(converting: &Converting<'_>, response: ResponseLevel, drafts: &mut Vec<Draft>) {
    for (at, unit) in converting.version.units.iter().enumerate() {
        if unit.tier > response || converting.conversion.units[at].is_some() {
            continue;
        }
        let base = &converting.state.base;
        let event = Event::UnitEstablished(v1::UnitEstablished {
            unit_id: converting.unit_id(u16::try_from(at).expect("units of a plan are capped")),
            incident_id: converting.incident_id.to_owned(),
            kind: unit.kind.into(),
            name: unit.name.to_string(),
            parent_unit_id: unit.parent.filter(|at| !converting.unit_gone(*at)).map(|at| converting.unit_id(at)).unwrap_or_default(),
            area_id: base.areas.id(unit.area).to_owned(),
            site_id: unit.site.filter(|at| !converting.site_gone(*at)).map(|at| converting.site_id(at)).unwrap_or_default(),
            superior_organization_id: unit.superior.map(|key| base.organizations.id(key).to_owned()).unwrap_or_default(),
            approval_document_no: format!("{}@{}", converting.plan_id, converting.version.version),
            plan_id: converting.plan_id.to_owned(),
        });
        drafts.push(converting.draft(event, unit.area));
    }
}

fn seat_people(converting: &Converting<'_>, now: &Now<'_>, former: ResponseLevel, response: ResponseLevel, drafts: &mut Vec<Draft>) {
    let mut ahead = 0;
    let designation = |post: usize| &converting.version.designations[post];
    placement::place(converting, now, former, response, &mut Ahead::default(), |placed| match placed {
        Placed::Seated { post, responder, claimed } => {
            let outranked = |duty| release(converting.state, duty, ReleaseReason::Outranked, Some(converting.incident_key));
            drafts.extend(claimed.into_iter().map(outranked));
            converting.seat(now, ahead, designation(post), responder, drafts);
            ahead += 1;
        }
        Placed::Gap { post, responder, reason, other } => drafts.push(converting.gap(designation(post), responder, reason, other)),
        Placed::StandsBy { post } => drafts.push(converting.stand_by(designation(post))),
        Placed::Undesignated { site, seat } => drafts.push(converting.undesignated(site, seat)),
        // The seat is taken once the area resumes.
        Placed::Suspended => {}
    });
}

/// Takes off what the higher tiers added: their duties, standby and seats. Sites and units stay until the stand-down.
pub(super) fn lower(state: &State, body: &v1::ResponseChanged) -> Vec<Draft> {
    let found = state.ops.incidents.find(&body.incident_id).zip(state.base.areas.find(&body.area_id));
    let Some((incident, area)) = found else { return Vec::new() };
    let mut drafts = Vec::new();
    for plan in conversions_below(state, incident, area) {
        let Some(converting) = Converting::of(state, incident, plan) else { continue };
        // Each area holds its response for itself: an area in between that asks for more keeps it.
        let between = state.base.ancestry(state.base.plans.get(plan).area).take_while(|key| *key != area);
        let own = between.filter_map(|key| converting.incident.responses.get(&key)).copied().max().unwrap_or(0);
        let response = level(body.response).max(level(own.into()));
        if !converting.conversion.standing_down && converting.conversion.response > response {
            drafts.extend(lowered(&converting, response));
        }
    }
    drafts
}

fn lowered(converting: &Converting<'_>, response: ResponseLevel) -> Vec<Draft> {
    let state = converting.state;
    let event = Event::AreaConverted(v1::AreaConverted {
        incident_id: converting.incident_id.to_owned(),
        area_id: state.base.areas.id(state.base.plans.get(converting.plan).area).to_owned(),
        plan_id: converting.plan_id.to_owned(),
        plan_version: converting.conversion.version,
        former_response: converting.conversion.response.into(),
        response: response.into(),
    });
    let mut drafts = vec![converting.draft(event, state.base.plans.get(converting.plan).area)];
    let higher = converting.conversion.duties.iter().filter(|key| state.ops.calls.get(**key).tier > response);
    drafts.extend(higher.filter_map(|key| call_off(state, *key, ReleaseReason::ResponseLowered, "响应下调 response lowered")));
    drafts.extend(standby_above(converting, response));
    let before = Before { version: converting.version, response: converting.conversion.response };
    for (at, key) in (0_u16..).zip(&converting.conversion.sites) {
        drafts.extend(key.and_then(|key| converting.list_of_seats(before, response, at, key)));
    }
    drafts
}

/// The end of standby for those whom only a higher tier asked to stand by.
fn standby_above(converting: &Converting<'_>, response: ResponseLevel) -> Vec<Draft> {
    let standby = || converting.version.designations.iter().filter(|designation| designation.role == DutyRole::Standby);
    let kept: BTreeSet<_> = standby().filter(|kept| kept.tier <= response).map(|kept| kept.responder).collect();
    standby()
        .filter(|designation| designation.tier > response && !kept.contains(&designation.responder))
        .filter(|designation| converting.incident.standby.get(&designation.responder) == Some(&converting.plan))
        .map(|designation| off_standby(converting.state, converting.incident_key, designation.responder, converting.post_area(designation)))
        .collect()
}

/// Whether a duty stands in the way of the person's phase; used where a seat may be given to somebody else.
pub(super) fn waiting(phase: CallPhase) -> bool {
    matches!(phase, CallPhase::Summoned | CallPhase::Acknowledged | CallPhase::Accepted)
}
