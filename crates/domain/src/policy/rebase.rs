//! 无缝对接, when the plan changes: a new version takes the place of the one that is converted. Nobody on post is taken off for it.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, DutyRole, ReleaseReason};

use super::conversion::{Converting, form_units, open_sites, waiting};
use super::placement::{Ahead, Whom, may_stand_by, offer, to_be_taken, undesignated};
use super::seats::Before;
use super::summons::{off_standby, release};
use crate::execute::{Draft, Now};
use crate::ids::{CallRef, IncidentRef, PlanRef, ResponderRef};
use crate::state::{Call, Designation, PlanVersion, State};

/// The version was published: every conversion of the plan that stands goes over to it. First those give way whom it does not name any
/// more, then the version changes, so that whoever was let go can be called to another post at once.
pub(super) fn published(state: &State, body: &v1::PlanPublished) -> Vec<Draft> {
    let Some(plan) = state.base.plans.find(&body.plan_id) else { return Vec::new() };
    let Some(version) = state.base.plans.get(plan).version(body.version) else { return Vec::new() };
    let mut drafts = Vec::new();
    for (key, incident) in state.ops.incidents.iter().filter(|(_, incident)| !incident.closed) {
        let standing = incident.conversions.get(&plan).is_some_and(|conversion| !conversion.standing_down);
        let Some(converting) = Converting::of(state, key, plan).filter(|_| standing) else { continue };
        drafts.extend(give_way(&converting, version));
        let area = state.base.plans.get(plan).area;
        let event = Event::ConversionRebased(v1::ConversionRebased {
            incident_id: converting.incident_id.to_owned(),
            area_id: state.base.areas.id(area).to_owned(),
            plan_id: body.plan_id.clone(),
            former_version: converting.conversion.version,
            version: body.version,
        });
        drafts.push(Draft::new(event, incident.realm, Some(area)));
    }
    drafts
}

/// A post by its keys: unit, site, seat; and its role.
type Post<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, i32);

fn post_of<'a>(version: &'a PlanVersion, designation: &Designation) -> Post<'a> {
    let site = designation.site.map(|at| &version.sites[usize::from(at)]);
    let seat = site.zip(designation.seat).map(|(site, at)| &*site.seats[usize::from(at)].key);
    let unit = designation.unit.map(|at| &*version.units[usize::from(at)].key);
    (unit, site.map(|site| &*site.key), seat, designation.role.into())
}

fn named(designation: &Designation, who: ResponderRef) -> bool {
    designation.responder == who || designation.backups.contains(&who)
}

/// The designation of a seat, by its keys.
fn of_seat<'a>(version: &'a PlanVersion, site_key: &str, seat_key: &str) -> Option<&'a Designation> {
    let at = version.sites.iter().position(|site| *site.key == *site_key)?;
    let seat = version.sites[at].seats.iter().position(|seat| *seat.key == *seat_key)?;
    let narrow = |place: usize| u16::try_from(place).ok();
    version.seated.get(&(narrow(at)?, narrow(seat)?)).map(|at| &version.designations[*at as usize])
}

/// Whether the new version keeps the person of a standing call where they are.
fn keeps(converting: &Converting<'_>, version: &PlanVersion, call: &Call) -> bool {
    let state = converting.state;
    let Some(site) = call.site else {
        let unit = call.unit.map(|key| state.ops.units.id(key).rsplit('/').next().unwrap_or_default());
        let same = |post: &&Designation| {
            let (unit_key, site_key, ..) = post_of(version, post);
            site_key.is_none() && unit_key == unit && post.role == call.role && named(post, call.responder)
        };
        return version.designations.iter().filter(|post| post.tier <= converting.conversion.response).any(|post| same(&post));
    };
    let Some(seat) = call.seat.as_deref() else { return true };
    let site_key = state.ops.sites.id(site).rsplit('/').next().unwrap_or_default();
    let former = of_seat(converting.version, site_key, seat);
    match of_seat(version, site_key, seat) {
        // A post that is the same as before keeps whoever has it.
        Some(now) if former.is_some_and(|former| same_people(former, now)) => true,
        Some(now) if former.is_some_and(|former| former.responder == now.responder) => named(now, call.responder),
        Some(now) => now.responder == call.responder,
        None => false,
    }
}

fn same_people(one: &Designation, other: &Designation) -> bool {
    one.responder == other.responder && one.backups == other.backups && one.role == other.role
}

fn give_way(converting: &Converting<'_>, version: &PlanVersion) -> Vec<Draft> {
    let state = converting.state;
    let mut drafts = Vec::new();
    for key in &converting.conversion.duties {
        let call = state.ops.calls.get(*key);
        if waiting(call.phase) && !keeps(converting, version, call) {
            drafts.push(release(state, *key, ReleaseReason::PlanChanged, None));
        }
    }
    let reached = |post: &&Designation| post.role == DutyRole::Standby && post.tier <= converting.conversion.response;
    let standby = |who: ResponderRef| version.designations.iter().filter(reached).any(|post| post.responder == who);
    for (who, _) in converting.incident.standby.iter().filter(|(who, plan)| **plan == converting.plan && !standby(**who)) {
        drafts.push(off_standby(state, converting.incident_key, *who, state.base.plans.get(converting.plan).area));
    }
    drafts
}

/// The conversion stands on the new version: new parts appear, and posts that are new or were given up are taken.
pub(super) fn rebased(state: &State, now: &Now<'_>, body: &v1::ConversionRebased) -> Vec<Draft> {
    let found = state.ops.incidents.find(&body.incident_id).zip(state.base.plans.find(&body.plan_id));
    let Some(converting) = found.and_then(|(incident, plan)| Converting::of(state, incident, plan)) else { return Vec::new() };
    let Some(former) = state.base.plans.get(converting.plan).version(body.former_version) else { return Vec::new() };
    let response = converting.conversion.response;
    let mut drafts = Vec::new();
    let before = Before { version: former, response };
    open_sites(&converting, before, response, &mut drafts);
    form_units(&converting, response, &mut drafts);
    take_posts(&converting, now, before, &mut drafts);
    drafts.extend(without_former_parts(&converting));
    drafts
}

fn take_posts(converting: &Converting<'_>, now: &Now<'_>, before: Before<'_>, drafts: &mut Vec<Draft>) {
    let (version, former) = (converting.version, before.version);
    let asked_before = former.designations.iter().filter(|post| post.tier <= before.response);
    let known: BTreeSet<_> = asked_before.map(|post| (post_of(former, post), post.responder)).collect();
    let mut ahead = Ahead::default();
    let mut calls = 0;
    for post in version.designations.iter().filter(|post| converting.asks(post)) {
        let idle = post.site.is_some_and(|at| converting.site_gone(at) || converting.site_waits(at));
        // A post without a seat is had by whoever has a duty of it.
        let free = if post.seat.is_some() { to_be_taken(converting, now, before, post) } else { converting.stands_empty(now, post) };
        if idle || !free {
            continue;
        }
        match offer(converting, now, post, &ahead.taken, Whom::Free) {
            Ok((responder, _)) => {
                ahead.taken.insert(responder);
                converting.seat(now, calls, post, responder, drafts);
                calls += 1;
            }
            // What stood empty before was said before.
            Err((reason, other)) if !known.contains(&(post_of(version, post), post.responder)) => {
                drafts.push(converting.gap(post, Some(post.responder), reason, other));
            }
            Err(_) => {}
        }
    }
    let standby = |post: &&Designation| post.role == DutyRole::Standby && post.tier <= converting.conversion.response;
    for post in version.designations.iter().filter(standby) {
        if may_stand_by(converting, now, post, &ahead) {
            ahead.standby.insert(post.responder);
            drafts.push(converting.stand_by(post));
        }
    }
    undesignated(converting, now, before, converting.conversion.response, |at, number| {
        drafts.push(converting.undesignated(at, number));
    });
}

/// What a former version left behind and nobody needs any more: sites and units.
fn tidy(state: &State, incident: IncidentRef, plan: PlanRef) -> Vec<Draft> {
    let converting = Converting::of(state, incident, plan).filter(|converting| !converting.conversion.standing_down);
    converting.map(|converting| without_former_parts(&converting)).unwrap_or_default()
}

fn without_former_parts(converting: &Converting<'_>) -> Vec<Draft> {
    let state = converting.state;
    let mut drafts = Vec::new();
    for key in &converting.conversion.former_sites {
        let site = state.ops.sites.get(*key);
        // A zone at risk stays until the risk is lifted.
        if !site.closed && site.duties == 0 && site.present == 0 && !site.at_risk() {
            let event = Event::SiteClosed(v1::SiteClosed { site_id: state.ops.sites.id(*key).to_owned() });
            drafts.push(Draft::new(event, converting.incident.realm, Some(site.area)));
        }
    }
    // From the leaves up: a unit goes once those below it have.
    for key in &converting.conversion.former_units {
        let unit = state.ops.units.get(*key);
        if !unit.dissolved && unit.duties == 0 && unit.children == 0 && unit.members.is_empty() {
            let event = Event::UnitDissolved(v1::UnitDissolved { unit_id: state.ops.units.id(*key).to_owned() });
            drafts.push(Draft::new(event, converting.incident.realm, Some(unit.area)));
        }
    }
    drafts
}

/// After a duty ended: its conversion may have something to tidy, and its seat may have stood for it alone.
pub(super) fn after_call(state: &State, call_id: &str) -> Vec<Draft> {
    let Some(call) = CallRef::parse(call_id).and_then(|key| state.ops.calls.find(key)) else { return Vec::new() };
    let of_site = call.site.and_then(|key| state.ops.sites.get(key).plan);
    let plan = call.plan.or(of_site).or_else(|| call.unit.and_then(|key| state.ops.units.get(key).plan));
    let Some((incident, plan)) = call.incident.zip(plan) else { return Vec::new() };
    let mut drafts = tidy(state, incident, plan);
    let converting = of_site.and_then(|plan| Converting::of(state, incident, plan));
    let standing = converting.filter(|converting| !converting.conversion.standing_down);
    let seat = call.site.zip(call.seat.as_deref());
    drafts.extend(standing.zip(seat).and_then(|(converting, (site, seat))| converting.without_left_over(site, seat)));
    drafts
}

/// After a unit went, the one above it may go too; after somebody was taken out of it, the unit itself.
pub(super) fn after_unit(state: &State, unit_id: &str) -> Vec<Draft> {
    let Some(unit) = state.ops.units.find(unit_id).map(|key| state.ops.units.get(key)) else { return Vec::new() };
    unit.plan.map(|plan| tidy(state, unit.incident, plan)).unwrap_or_default()
}

pub(super) fn after_site(state: &State, site_id: &str) -> Vec<Draft> {
    let Some(site) = state.ops.sites.find(site_id).map(|key| state.ops.sites.get(key)) else { return Vec::new() };
    site.plan.map(|plan| tidy(state, site.incident, plan)).unwrap_or_default()
}
