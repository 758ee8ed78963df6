//! Take shelter 避险: outdoor seats are suspended while the area is recalled, and asked for again once it resumes.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1;

use super::conversion::Converting;
use super::placement::{Whom, offer, to_be_taken};
use super::seats::Before;
use crate::execute::{Draft, Now};
use crate::ids::{AreaRef, IncidentRef, RealmRef, SiteRef};
use crate::limits;
use crate::state::{Place, State, outdoors};

/// The open outdoor sites of a realm.
fn sites_outdoors(state: &State, realm: RealmRef) -> impl Iterator<Item = SiteRef> + '_ {
    let standing = state.ops.sites.iter().filter(|(_, site)| !site.closed && site.outdoors());
    standing.filter(move |(_, site)| state.ops.incidents.get(site.incident).realm == realm).map(|(key, _)| key)
}

/// Whether an incident of the realm has recalled the area or one above it.
fn is_recalled(state: &State, realm: RealmRef, area: AreaRef) -> bool {
    let mut recalls =
        state.ops.incidents.iter().filter(|(_, incident)| incident.realm == realm).flat_map(|(_, incident)| incident.recalls.keys());
    recalls.any(|recalled| state.base.within(area, *recalled))
}

/// Whether a site of that kind would be suspended at once.
pub(super) fn will_wait(state: &State, realm: RealmRef, kind: v1::SiteKind, area: AreaRef) -> bool {
    outdoors(kind) && is_recalled(state, realm, area)
}

fn suspend(state: &State, realm: RealmRef, key: SiteRef) -> Draft {
    let event = Event::SiteSuspended(v1::SiteSuspended { site_id: state.ops.sites.id(key).to_owned() });
    Draft::new(event, realm, Some(state.ops.sites.get(key).area))
}

pub(super) fn recalled(state: &State, body: &v1::AreaRecalled) -> Vec<Draft> {
    let found = state.ops.incidents.find(&body.incident_id).zip(state.base.areas.find(&body.area_id));
    let Some((incident, area)) = found else { return Vec::new() };
    let realm = state.ops.incidents.get(incident).realm;
    let below: BTreeSet<AreaRef> = state.base.subtree(area).into_iter().collect();
    let standing = sites_outdoors(state, realm).filter(|key| {
        let site = state.ops.sites.get(*key);
        !site.suspended && below.contains(&site.area)
    });
    standing.map(|key| suspend(state, realm, key)).collect()
}

/// A site that is opened in a recalled area waits like the others.
pub(super) fn opened(state: &State, realm: RealmRef, body: &v1::SiteOpened) -> Option<Draft> {
    let key = state.ops.sites.find(&body.site_id)?;
    let site = state.ops.sites.get(key);
    (site.outdoors() && is_recalled(state, realm, site.area)).then(|| suspend(state, realm, key))
}

pub(super) fn resumed(state: &State, body: &v1::AreaResumed) -> Vec<Draft> {
    let Some(incident) = state.ops.incidents.find(&body.incident_id) else { return Vec::new() };
    let realm = state.ops.incidents.get(incident).realm;
    // The tree may have changed since: whatever no recalled area covers any more.
    let waiting = sites_outdoors(state, realm).filter(|key| {
        let site = state.ops.sites.get(*key);
        site.suspended && !is_recalled(state, realm, site.area)
    });
    waiting
        .map(|key| {
            let event = Event::SiteResumed(v1::SiteResumed { site_id: state.ops.sites.id(key).to_owned() });
            Draft::new(event, realm, Some(state.ops.sites.get(key).area))
        })
        .collect()
}

/// Seats of a plan that stand empty are taken as in the conversion: the first of primary and backups who can come.
pub(super) fn seats_again(state: &State, now: &Now<'_>, body: &v1::SiteResumed) -> Vec<Draft> {
    let Some(key) = state.ops.sites.find(&body.site_id) else { return Vec::new() };
    let site = state.ops.sites.get(key);
    let Some(converting) = site.plan.and_then(|plan| Converting::of(state, site.incident, plan)) else { return Vec::new() };
    if converting.conversion.standing_down {
        return Vec::new();
    }
    let before = Before { version: converting.version, response: converting.conversion.response };
    let (mut taken, mut ahead, mut drafts) = (BTreeSet::new(), 0, Vec::new());
    let posts = converting.version.designations.iter().filter(|post| {
        let here = post.site.is_some_and(|at| converting.conversion.sites[usize::from(at)] == Some(key));
        here && converting.asks(post) && to_be_taken(&converting, now, before, post)
    });
    for post in posts {
        // Who serves a lesser incident is not taken away for this.
        match offer(&converting, now, post, &taken, Whom::Free) {
            Ok((responder, _)) => {
                taken.insert(responder);
                converting.seat(now, ahead, post, responder, &mut drafts);
                ahead += 1;
            }
            Err((reason, other)) => drafts.push(converting.gap(post, Some(post.responder), reason, other)),
        }
    }
    drafts
}

/// The time is up: who has not confirmed, and where they were last seen.
pub(super) fn overdue(state: &State, key: IncidentRef, area: AreaRef) -> Vec<Draft> {
    let incident = state.ops.incidents.get(key);
    let Some(recall) = incident.recalls.get(&area) else { return Vec::new() };
    let seen = &state.ops.realms.get(incident.realm).presence;
    let people: Vec<_> = recall
        .unaccounted
        .iter()
        .map(|(responder, (call, place))| {
            let (site_id, whistle_id) = match place {
                Place::Site(key) => (state.ops.sites.id(*key).to_owned(), String::new()),
                Place::Whistle(key) => (String::new(), state.ops.whistles.id(*key).to_owned()),
            };
            v1::Unaccounted {
                responder_id: state.base.responders.id(*responder).to_owned(),
                call_id: call.map(crate::ids::CallRef::text).unwrap_or_default(),
                site_id,
                whistle_id,
                last_seen_ms: seen.get(responder).map_or(0, |seen| seen.fact_ms),
            }
        })
        .collect();
    let total = u32::try_from(people.len()).unwrap_or(u32::MAX);
    let list = |people: &[v1::Unaccounted]| {
        let event = Event::UnaccountedListed(v1::UnaccountedListed {
            incident_id: state.ops.incidents.id(key).to_owned(),
            recalled_area_id: state.base.areas.id(area).to_owned(),
            people: people.to_vec(),
            total,
        });
        Draft::new(event, incident.realm, Some(area))
    };
    // Nobody was outdoors: zero is said too.
    if people.is_empty() { vec![list(&[])] } else { people.chunks(limits::UNACCOUNTED_PART).map(list).collect() }
}
