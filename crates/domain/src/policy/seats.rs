//! The seats of a conversion: what the list of a site is after an answer, which post of the plan a seat is, and whether it is to be taken.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::Event;
use muster_proto::v1::{self, DutyRole, GapReason, ResponseLevel};

use super::conversion::Converting;
use crate::execute::{Draft, Now};
use crate::ids::{IncidentRef, ResponderRef, SiteRef};
use crate::state::{Call, Designation, PlanSeat, PlanSite, PlanVersion, SeatState, Seating, State};

/// What a conversion asked for before the answer.
#[derive(Clone, Copy)]
pub(crate) struct Before<'a> {
    pub(crate) version: &'a PlanVersion,
    pub(crate) response: ResponseLevel,
}

impl<'a> Before<'a> {
    /// Where a seat was planned then; mostly in the same place.
    fn place(&self, at: u16, site: &PlanSite, number: u16) -> Option<(u16, u16)> {
        let (sites, key) = (&self.version.sites, &site.seats[usize::from(number)].key);
        let same = sites.get(usize::from(at)).filter(|known| known.key == site.key).map(|_| at);
        let at = same.or_else(|| narrow(sites.iter().position(|known| known.key == site.key)?))?;
        let seats = &sites[usize::from(at)].seats;
        let same = seats.get(usize::from(number)).filter(|seat| seat.key == *key).map(|_| number);
        let number = same.or_else(|| narrow(seats.iter().position(|seat| seat.key == *key)?))?;
        Some((at, number))
    }

    fn seat(&self, (at, number): (u16, u16)) -> &'a PlanSeat {
        &self.version.sites[usize::from(at)].seats[usize::from(number)]
    }

    /// Whether a seat was asked for, whatever the present version says of it.
    fn asked(&self, at: u16, site: &PlanSite, number: u16) -> bool {
        self.place(at, site, number).is_some_and(|place| self.seat(place).tier <= self.response)
    }

    /// Whether a seat was asked for and given to nobody, which was said then.
    pub(super) fn undesignated(&self, at: u16, site: &PlanSite, number: u16) -> bool {
        let place = self.place(at, site, number).filter(|place| self.seat(*place).tier <= self.response);
        place.is_some_and(|place| !designated(self.version, self.response, place))
    }
}

fn narrow(place: usize) -> Option<u16> {
    u16::try_from(place).ok()
}

/// Whether a version gives a seat to somebody at the response.
pub(super) fn designated(version: &PlanVersion, response: ResponseLevel, place: (u16, u16)) -> bool {
    version.seated.get(&place).is_some_and(|post| version.designations[*post as usize].tier <= response)
}

fn listed(seat: &SeatState) -> v1::Seat {
    v1::Seat {
        seat_id: seat.id.to_string(),
        specialty: seat.specialty.to_string(),
        shift: seat.shift.to_string(),
        duty_desk: seat.duty_desk,
    }
}

fn same_seat(one: &PlanSeat, other: &PlanSeat) -> bool {
    one.specialty == other.specialty && one.shift == other.shift && one.duty_desk == other.duty_desk
}

impl<'a> Converting<'a> {
    pub(super) fn planned_seat(&self, seat: &PlanSeat) -> v1::Seat {
        v1::Seat {
            seat_id: seat.key.to_string(),
            specialty: self.state.base.label(seat.specialty),
            shift: self.state.base.label(seat.shift),
            duty_desk: seat.duty_desk,
        }
    }

    /// The list of a site that is open already, where the answer changes it. Of the plan's seats those appear that are asked for only now, and those
    /// go that are asked for no more and that nobody keeps; what a person took away or added stays so.
    pub(super) fn list_of_seats(&self, before: Before<'_>, response: ResponseLevel, at: u16, key: SiteRef) -> Option<Draft> {
        let (open, site) = (self.state.ops.sites.get(key), &self.version.sites[usize::from(at)]);
        if open.closed {
            return None;
        }
        let known: BTreeMap<&str, &SeatState> = open.seats.iter().map(|seat| (&*seat.id, seat)).collect();
        let mut wanted = Vec::with_capacity(site.seats.len());
        for (number, seat) in (0_u16..).zip(&site.seats) {
            let former = before.place(at, site, number).map(|place| before.seat(place));
            let (asked, was_asked) = (seat.tier <= response, before.asked(at, site, number));
            match known.get(&*seat.key) {
                // What the plan did not change is as it was, and may be as a person made it.
                Some(_) if asked && !former.is_some_and(|former| same_seat(former, seat)) => wanted.push(self.planned_seat(seat)),
                Some(known) if asked || !was_asked || known.by_hand || self.kept(known, response) => wanted.push(listed(known)),
                None if asked && !was_asked => wanted.push(self.planned_seat(seat)),
                _ => {}
            }
        }
        let of_plan: BTreeSet<&str> = site.seats.iter().map(|seat| &*seat.key).collect();
        let others = open.seats.iter().filter(|seat| !of_plan.contains(&*seat.id) && !self.left_over(at, seat));
        wanted.extend(others.map(listed));
        let same = |seat: &v1::Seat| known.get(&*seat.seat_id).is_some_and(|known| listed(known) == *seat);
        if wanted.len() == open.seats.len() && wanted.iter().all(same) {
            return None;
        }
        Some(self.requirement(key, wanted))
    }

    fn requirement(&self, key: SiteRef, seats: Vec<v1::Seat>) -> Draft {
        let site_id = self.state.ops.sites.id(key).to_owned();
        let event = Event::RequirementSet(v1::RequirementSet { site_id, seats, added_seat_ids: Vec::new() });
        Draft::new(event, self.incident.realm, Some(self.state.ops.sites.get(key).area))
    }

    /// Whether somebody is on the seat whom a change to the response does not call off.
    fn kept(&self, seat: &SeatState, response: ResponseLevel) -> bool {
        seat.duties().any(|key| !self.conversion.duties.contains(&key) || self.state.ops.calls.get(key).tier <= response)
    }

    /// Whether nobody asks for the seat of an open site, and nobody has it: only a former version did, or only a higher response. A seat that a
    /// person added is neither's.
    pub(super) fn left_over(&self, at: u16, seat: &SeatState) -> bool {
        if seat.by_hand || seat.duties().next().is_some() {
            return false;
        }
        let site = &self.version.sites[usize::from(at)];
        if let Some(known) = site.seats.iter().find(|known| known.key == seat.id) {
            return known.tier > self.conversion.response;
        }
        let former = self.state.base.plans.get(self.plan).published.iter().filter(|version| version.version < self.version.version);
        let mut seats = former.flat_map(|version| &version.sites).filter(|former| former.key == site.key).flat_map(|site| &site.seats);
        self.conversion.rebased && seats.any(|known| known.key == seat.id)
    }

    /// The list of a site without what is left over, once the seat of that id is.
    pub(super) fn without_left_over(&self, key: SiteRef, seat_id: &str) -> Option<Draft> {
        let (open, at) = (self.state.ops.sites.get(key), self.place_of(key)?);
        let seat = &open.seats[open.seat(seat_id)?];
        if open.closed || !self.left_over(at, seat) {
            return None;
        }
        Some(self.requirement(key, open.seats.iter().filter(|seat| !self.left_over(at, seat)).map(listed).collect()))
    }

    /// The place in the plan of a site that this conversion opened and the present version has.
    fn place_of(&self, key: SiteRef) -> Option<u16> {
        let at = self.state.ops.sites.get(key).part;
        (self.conversion.sites.get(usize::from(at)) == Some(&Some(key))).then_some(at)
    }

    /// The post of the plan that a seat is, if its level is reached: a seat is one post, whoever has it and however they came to it.
    pub(super) fn post_of_seat(&self, key: SiteRef, seat_id: &str) -> Option<&'a Designation> {
        let at = self.place_of(key)?;
        let number = self.version.sites[usize::from(at)].seats.iter().position(|seat| *seat.key == *seat_id)?;
        let post = self.version.seated.get(&(at, narrow(number)?))?;
        Some(&self.version.designations[*post as usize]).filter(|post| self.asks(post))
    }

    /// Whether the level of a post is reached, and it is one to be taken.
    pub(super) fn asks(&self, post: &Designation) -> bool {
        post.tier <= self.conversion.response && post.role != DutyRole::Standby
    }

    /// The open site's seat behind a seat of the plan, where it is on the list.
    pub(super) fn open_seat(&self, at: u16, number: u16) -> Option<&'a SeatState> {
        let open = self.state.ops.sites.get(self.conversion.sites[usize::from(at)]?);
        open.seat(&self.version.sites[usize::from(at)].seats[usize::from(number)].key).map(|seat| &open.seats[seat])
    }

    /// Whether a seat of the plan is on the list once the answer is given. One that was asked for before and is not there was taken away.
    pub(super) fn will_be_listed(&self, before: Before<'_>, at: u16, number: u16) -> bool {
        let site = &self.version.sites[usize::from(at)];
        self.conversion.sites[usize::from(at)].is_none() || self.open_seat(at, number).is_some() || !before.asked(at, site, number)
    }

    /// How a seat of the plan stands.
    pub(super) fn seating(&self, now: &Now<'_>, at: u16, number: u16) -> Seating {
        self.open_seat(at, number).map_or(Seating::Empty, |seat| self.state.ops.seating(seat, now.recorded_at_ms))
    }
}

/// The seat that a duty ended on, if it is asked for and nobody has it now.
pub(super) fn fallen_empty<'a>(state: &'a State, now: &Now<'_>, call: &Call) -> Option<(SiteRef, &'a SeatState, Seating)> {
    let (key, seat) = asked_seat(state, call)?;
    let seating = state.ops.seating(seat, now.recorded_at_ms);
    (seating != Seating::Held).then_some((key, seat, seating))
}

/// The seat that a duty ended on, if it is asked for.
pub(super) fn asked_seat<'a>(state: &'a State, call: &Call) -> Option<(SiteRef, &'a SeatState)> {
    let key = call.site?;
    let site = state.ops.sites.get(key);
    if site.closed || state.ops.standing_down(site.incident, site.plan) {
        return None;
    }
    let seat = &site.seats[site.seat(call.seat.as_deref()?)?];
    let converting = site.plan.and_then(|plan| Converting::of(state, site.incident, plan));
    // A part that only a former version had stays until it is empty.
    let goes = converting.is_some_and(|converting| converting.place_of(key).is_none_or(|at| converting.left_over(at, seat)));
    (!goes).then_some((key, seat))
}

/// The gap of a seat that no post stands behind.
pub(super) fn gap(
    state: &State,
    key: SiteRef,
    seat_id: &str,
    responder: Option<ResponderRef>,
    reason: GapReason,
    other: Option<IncidentRef>,
) -> Draft {
    let site = state.ops.sites.get(key);
    let event = Event::GapRecorded(v1::GapRecorded {
        incident_id: state.ops.incidents.id(site.incident).to_owned(),
        site_id: state.ops.sites.id(key).to_owned(),
        seat_id: seat_id.to_owned(),
        area_id: state.base.areas.id(site.area).to_owned(),
        responder_id: responder.map(|who| state.base.responders.id(who).to_owned()).unwrap_or_default(),
        reason: reason.into(),
        other_incident_id: other.map(|key| state.ops.incidents.id(key).to_owned()).unwrap_or_default(),
        role: DutyRole::Member.into(),
        ..Default::default()
    });
    Draft::new(event, state.ops.incidents.get(site.incident).realm, Some(site.area))
}
