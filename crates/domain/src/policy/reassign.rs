//! 无缝对接, when people stay but are others than before: kept back by their organization, at home elsewhere, without a specialty; or when a site
//! asks for more. Whoever is on post stays until relieved; whoever was called and has not come gives way.

use muster_proto::Event;
use muster_proto::v1::{self, CallReason, GapReason, ReleaseReason};

use super::backup;
use super::conversion::{Converting, waiting};
use super::placement::{Whom, choose};
use super::reseat::come_back;
use super::seats;
use super::summons::{Summons, off_standby, release, summon};
use crate::execute::{Draft, Now};
use crate::ids::{CallRef, ResponderRef, SiteRef};
use crate::limits;
use crate::state::{Call, Designation, State};

/// The calls of a person, in every realm, that were answered or not and led to no post yet.
fn not_on_post(state: &State, responder: ResponderRef) -> impl Iterator<Item = (CallRef, &Call)> {
    let duties = state.ops.realms.iter().filter_map(move |(_, realm)| realm.duties.get(&responder));
    let calls = duties.flatten().map(|key| (*key, state.ops.calls.get(*key)));
    calls.filter(|(_, call)| waiting(call.phase))
}

/// The end of standing by, for every incident.
pub(super) fn standby_ends(state: &State, responder: ResponderRef) -> impl Iterator<Item = Draft> + '_ {
    let stands_by = state.ops.incidents.iter().filter(move |(_, incident)| incident.standby.contains_key(&responder));
    stands_by.map(move |(key, incident)| off_standby(state, key, responder, incident.area))
}

/// Reserved people are never seated by a plan: who was called by one and is not there yet gives way. Who is free again takes the own post.
pub(super) fn reserved(state: &State, now: &Now<'_>, body: &v1::PeopleReserved) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for responder in body.responder_ids.iter().filter_map(|id| state.base.responders.find(id)) {
        let by_plan = not_on_post(state, responder).filter(|(_, call)| call.plan.is_some());
        drafts.extend(by_plan.map(|(key, _)| release(state, key, ReleaseReason::Reserved, None)));
        drafts.extend(standby_ends(state, responder));
    }
    // None of these calls anybody: the seats that they leave are taken by what follows from each.
    drafts.extend(free_again(state, now, &body.former_responder_ids));
    drafts
}

/// Each of these whose own post stands empty takes it. No two of them have the same.
pub(super) fn free_again(state: &State, now: &Now<'_>, responder_ids: &[String]) -> Vec<Draft> {
    let people = responder_ids.iter().filter_map(|id| state.base.responders.find(id));
    let mut drafts = Vec::new();
    for responder in people {
        drafts.extend(come_back(state, now, responder, called(&drafts)));
    }
    drafts
}

fn called(drafts: &[Draft]) -> usize {
    drafts.iter().filter(|draft| matches!(draft.event, Event::ResponderCalled(_))).count()
}

/// Somebody is at home elsewhere: a plan of the area that was left lets them go where another whom it names can come.
pub(super) fn moved(state: &State, now: &Now<'_>, body: &v1::ResponderReportedToCommunity) -> Vec<Draft> {
    let found = state.base.responders.find(&body.responder_id).zip(state.base.areas.find(&body.former_area_id));
    let Some(((responder, former), home)) = found.zip(state.base.areas.find(&body.area_id)) else { return Vec::new() };
    let left = |call: &Call| {
        let area = call.plan.map(|plan| state.base.plans.get(plan).area);
        area.is_some_and(|area| state.base.within(former, area) && !state.base.within(home, area))
    };
    let gives_way = not_on_post(state, responder).filter(|(_, call)| left(call) && backup::replaceable(state, now, call));
    gives_way.map(|(key, _)| release(state, key, ReleaseReason::MovedAway, None)).collect()
}

/// A seat or need that asks for what a person has lost is given to the next.
pub(super) fn specialties(state: &State, body: &v1::SpecialtiesSet) -> Vec<Draft> {
    let Some(responder) = state.base.responders.find(&body.responder_id) else { return Vec::new() };
    let lost = |wanted: &str| !wanted.is_empty() && body.lost_specialties.iter().any(|lost| lost == wanted);
    let touched = |call: &Call| {
        let seat = state.ops.seat_of(call);
        let need = call.whistle.zip(call.need).map(|(whistle, at)| &state.ops.whistles.get(whistle).needs[usize::from(at)]);
        seat.is_some_and(|seat| lost(&seat.specialty)) || need.is_some_and(|need| lost(&need.specialty))
    };
    let gives_way = not_on_post(state, responder).filter(|(_, call)| touched(call));
    gives_way.map(|(key, _)| release(state, key, ReleaseReason::SpecialtyLost, None)).collect()
}

/// Seats that somebody added to a plan's site: taken by whom the plan names for them, else by the first who stands by and fits.
pub(super) fn seats_added(state: &State, now: &Now<'_>, body: &v1::RequirementSet) -> Vec<Draft> {
    let Some(key) = state.ops.sites.find(&body.site_id).filter(|_| !body.added_seat_ids.is_empty()) else { return Vec::new() };
    let site = state.ops.sites.get(key);
    let Some(converting) = site.plan.and_then(|plan| Converting::of(state, site.incident, plan)) else { return Vec::new() };
    if converting.conversion.standing_down || site.closed {
        return Vec::new();
    }
    let (mut taken, mut drafts) = (Default::default(), Vec::new());
    let mut ahead = 0;
    for id in body.added_seat_ids.iter().filter(|id| site.seat(id).is_some_and(|at| site.seats[at].holder.is_none())) {
        // A unit dissolved by hand asks for nobody, and its seat is one like any other.
        let asked = |post: &&Designation| !post.unit.is_some_and(|unit| converting.unit_gone(unit));
        if let Some(post) = converting.post_of_seat(key, id).filter(asked) {
            if site.suspended {
                // It is taken once the area resumes.
                continue;
            }
            match choose(&converting, now, post, &taken, Whom::Free) {
                Ok((responder, _)) => {
                    taken.insert(responder);
                    converting.seat(now, ahead, post, responder, &mut drafts);
                    ahead += 1;
                }
                Err((reason, other)) => drafts.push(converting.gap(post, Some(post.responder), reason, other)),
            }
            continue;
        }
        let specialty = site.seat(id).map(|at| &*site.seats[at].specialty).unwrap_or_default();
        match converting.standing_by(now, specialty, &taken).filter(|_| !site.suspended) {
            Some(responder) => {
                taken.insert(responder);
                converting.call_to_seat(now, ahead, key, id, responder, &mut drafts);
                ahead += 1;
            }
            None => drafts.push(seats::gap(state, key, id, None, GapReason::NoDesignation, None)),
        }
    }
    drafts
}

impl Converting<'_> {
    /// The first person who stands by for the plan, has the specialty and can come.
    fn standing_by(&self, now: &Now<'_>, specialty: &str, taken: &std::collections::BTreeSet<ResponderRef>) -> Option<ResponderRef> {
        let mine = self.incident.standby.iter().filter(|(_, plan)| **plan == self.plan).map(|(who, _)| *who);
        mine.filter(|who| self.state.base.has_specialty(*who, specialty)).find(|who| !taken.contains(who) && self.can_come(now, *who))
    }

    /// Whether the person gave up the seat for want of its specialty, and has it no more than then. A plan that names somebody who never had
    /// it knows better than the roster.
    pub(super) fn lost_specialty(&self, designation: &Designation, responder: ResponderRef) -> bool {
        let Some((site, seat)) = designation.site.zip(designation.seat) else { return false };
        let planned = &self.version.sites[usize::from(site)].seats[usize::from(seat)];
        let has = |wanted| self.state.base.responders.get(responder).specialties.contains(&wanted);
        if planned.specialty.is_none_or(has) {
            return false;
        }
        let made = self.conversion.sites[usize::from(site)];
        self.conversion.given.iter().any(|(key, seat_id)| {
            let call = self.state.ops.calls.get(*key);
            let here = call.responder == responder && call.site == made && *seat_id == planned.key;
            here && call.release == ReleaseReason::SpecialtyLost
        })
    }

    /// Whether a person without a post of this plan is free for one.
    fn can_come(&self, now: &Now<'_>, responder: ResponderRef) -> bool {
        let (realm, now_ms) = (self.incident.realm, now.recorded_at_ms);
        self.state.is_free(realm, responder, now_ms) && self.state.rest_due(realm, responder, now_ms, now_ms).is_none()
    }

    /// The call to a seat that no designation stands behind.
    fn call_to_seat(&self, now: &Now<'_>, ahead: usize, site: SiteRef, seat_id: &str, responder: ResponderRef, drafts: &mut Vec<Draft>) {
        let open = self.state.ops.sites.get(site);
        let summons = Summons {
            incident: Some(self.incident_key),
            site_id: self.state.ops.sites.id(site).to_owned(),
            seat_id: seat_id.to_owned(),
            plan_id: self.plan_id.to_owned(),
            tier: self.conversion.response,
            reason: CallReason::PlanBackup,
            from_ms: now.recorded_at_ms,
            reply_due_ms: now.recorded_at_ms + limits::REPLY_LIMIT_MS,
            ..Summons::at(self.incident.realm, open.area)
        };
        summon(self.state, ahead, responder, summons, drafts);
    }
}
