//! Fill 补位: needs of a whistle find people, nearest first. Where an area has switched it on, its own people are called by
//! itself; everywhere else candidates are proposed, with their reasons, and a person decides.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, AreaLevel, CallReason, Candidate, DutyRole, NeedKind, ReleaseReason};

use super::summons::{Summons, call_off, summon};
use super::{organization, reinforcement, silence};
use crate::execute::{Draft, Now};
use crate::ids::{AreaRef, CallRef, IncidentRef, LabelRef, OrganizationCallRef, RealmRef, ResponderRef, WhistleRef};
use crate::limits;
use crate::state::{Call, CallPhase, Floors, NeedState, Site, State, Whistle, WhistlePhase};

/// Somebody who could come, with what speaks for them.
pub(super) struct Found {
    responder: ResponderRef,
    distance: u32,
    on_standby: bool,
    recent_duties: u32,
}

pub(super) fn missing(need: &NeedState) -> usize {
    if need.confirmed {
        return 0;
    }
    (need.quantity as usize).saturating_sub(need.fulfilled as usize + need.calls.len())
}

/// How far the first search goes: the whistle's township, or its own area where that is higher.
fn first_reach(state: &State, area: AreaRef) -> AreaRef {
    state.base.ancestry(area).take_while(|key| state.base.areas.get(*key).level as i32 >= AreaLevel::Township as i32).last().unwrap_or(area)
}

/// How far the search goes now: as far as was asked. The tree may have changed since; people are sought above the whistle only.
pub(super) fn reach(state: &State, whistle: &Whistle, need: &NeedState) -> AreaRef {
    need.reach.filter(|reach| state.base.within(whistle.area, *reach)).unwrap_or_else(|| first_reach(state, whistle.area))
}

/// The highest area around the whistle that lets the policy call its people by itself.
fn automatic_scope(state: &State, area: AreaRef) -> Option<AreaRef> {
    state.base.ancestry(area).filter(|key| state.base.areas.get(*key).auto_fill).last()
}

/// One search for people who could come for a need, or to a seat.
pub(super) struct Search<'a> {
    state: &'a State,
    now: &'a Now<'a>,
    realm: RealmRef,
    incident: Option<IncidentRef>,
    area: AreaRef,
    /// Called for the need before and gone: not asked again.
    tried: Option<&'a BTreeSet<ResponderRef>>,
    /// Who had the seat last.
    former: Option<ResponderRef>,
    /// The specialty asked for; nobody has one that no record ever named.
    specialty: Result<Option<LabelRef>, ()>,
    floors: Floors<'a>,
    /// How many people may still be looked at.
    left: usize,
}

fn specialty_of(state: &State, name: &str) -> Result<Option<LabelRef>, ()> {
    if name.is_empty() { Ok(None) } else { state.base.labels.find(name).map(Some).ok_or(()) }
}

impl<'a> Search<'a> {
    pub(super) fn new(state: &'a State, now: &'a Now<'a>, whistle: &'a Whistle, need: &'a NeedState) -> Self {
        Self {
            state,
            now,
            realm: whistle.realm,
            incident: whistle.incident,
            area: whistle.area,
            tried: Some(&need.tried),
            former: None,
            specialty: specialty_of(state, &need.specialty),
            floors: Floors::new(state, whistle.realm, now.recorded_at_ms),
            left: limits::SEARCH_PEOPLE_MAX,
        }
    }

    fn for_seat(state: &'a State, now: &'a Now<'a>, site: &Site, specialty: &str, former: ResponderRef) -> Self {
        let realm = state.ops.incidents.get(site.incident).realm;
        Self {
            state,
            now,
            realm,
            incident: Some(site.incident),
            area: site.area,
            tried: None,
            former: Some(former),
            specialty: specialty_of(state, specialty),
            floors: Floors::new(state, realm, now.recorded_at_ms),
            left: limits::SEARCH_PEOPLE_MAX,
        }
    }

    /// Candidates within `reach`, ring by ring upward from the whistle's area; within a ring those on standby first, then the least loaded.
    /// All of them together leave every area its floor. Of a ring with more people than may be looked at, the first are.
    pub(super) fn nearest(&mut self, reach: AreaRef, wanted: usize) -> Vec<Found> {
        let (state, towards) = (self.state, self.area);
        self.left = self.left.max(2 * wanted);
        let mut found = Vec::new();
        let mut searched: Option<AreaRef> = None;
        for (distance, ring) in (0u32..).zip(state.base.ancestry(towards)) {
            let inner = searched;
            let mut of_ring = Vec::new();
            self.visit(ring, inner, |search, responder| {
                of_ring.extend(search.candidate(responder, distance));
                false
            });
            of_ring.sort_by_key(|found: &Found| (!found.on_standby, found.recent_duties, found.responder));
            for one in of_ring {
                if found.len() < wanted && self.floors.allows(one.responder, towards).is_ok() {
                    self.floors.leave(one.responder);
                    found.push(one);
                }
            }
            searched = Some(ring);
            if ring == reach || found.len() >= wanted || self.left == 0 {
                break;
            }
        }
        found
    }

    /// Whether anybody at home in the area could come, or whether nobody knows: who was not looked at may.
    pub(super) fn any_in(&mut self, area: AreaRef) -> bool {
        let towards = self.area;
        let could = |search: &mut Self, who| search.candidate(who, 0).is_some() && search.floors.allows(who, towards).is_ok();
        self.visit(area, None, could)
    }

    /// Looks at the residents of a subtree but for the part searched before, until `enough` says so. Parts where nobody could be called at all are
    /// left out. Whether it ended before all were looked at.
    fn visit(&mut self, top: AreaRef, inner: Option<AreaRef>, mut enough: impl FnMut(&mut Self, ResponderRef) -> bool) -> bool {
        let Ok(specialty) = self.specialty else { return false };
        let mut open = vec![top];
        while let Some(key) = open.pop() {
            if Some(key) == inner || self.state.idle(self.realm, key, specialty) == 0 {
                continue;
            }
            let area = self.state.base.areas.get(key);
            for responder in &area.residents {
                if self.left == 0 {
                    return true;
                }
                self.left -= 1;
                if enough(self, *responder) {
                    return true;
                }
            }
            open.extend_from_slice(&area.children);
        }
        false
    }

    fn candidate(&self, responder: ResponderRef, distance: u32) -> Option<Found> {
        let (state, now_ms) = (self.state, self.now.recorded_at_ms);
        let person = state.base.responders.get(responder);
        let fits = self.specialty.ok()?.is_none_or(|wanted| person.specialties.contains(&wanted));
        let gone = self.tried.is_some_and(|tried| tried.contains(&responder)) || self.former == Some(responder);
        let realm = state.ops.realms.get(self.realm);
        let seen = || realm.presence.get(&responder).is_some_and(|presence| presence.place.is_some());
        let tired = || state.rest_due(self.realm, responder, now_ms, now_ms).is_some();
        if !fits || gone || !state.is_free(self.realm, responder, now_ms) || seen() || tired() {
            return None;
        }
        let on_standby = self.incident.is_some_and(|key| state.ops.incidents.get(key).standby.contains_key(&responder));
        let recent_duties = realm.past_duties.get(&responder).copied().unwrap_or(0);
        Some(Found { responder, distance, on_standby, recent_duties })
    }
}

/// The needs of one whistle being filled by one answer: whom it calls already, and how many ids it has given.
struct Filling<'a> {
    state: &'a State,
    now: &'a Now<'a>,
    key: WhistleRef,
    taken: BTreeSet<ResponderRef>,
    floors: Floors<'a>,
    calls_ahead: usize,
    requests_ahead: usize,
}

impl<'a> Filling<'a> {
    fn of(state: &'a State, now: &'a Now<'a>, key: WhistleRef) -> Self {
        let floors = Floors::new(state, state.ops.whistles.get(key).realm, now.recorded_at_ms);
        Self { state, now, key, taken: BTreeSet::new(), floors, calls_ahead: 0, requests_ahead: 0 }
    }

    /// Calls or proposes people for one need; asks a neighbour, or one level up, where there are too few.
    fn fill(&mut self, need: &NeedState) -> Vec<Draft> {
        let (state, now) = (self.state, self.now);
        let whistle = state.ops.whistles.get(self.key);
        let mut short = missing(need);
        if short == 0 || need.kind != NeedKind::Person || !whistle.phase.open() {
            return Vec::new();
        }
        let reach = reach(state, whistle, need);
        let mut drafts = self.call(need, reach, &mut short);
        if short == 0 {
            return drafts;
        }
        // As many again as are needed, for not everybody comes; nobody reads a list that is too long.
        let mut proposed = Search::new(state, now, whistle, need).nearest(reach, short * 2 + self.taken.len());
        proposed.retain(|found| !self.taken.contains(&found.responder));
        let known = proposed.len();
        proposed.truncate((short * 2).min(limits::CANDIDATES_MAX));
        if !proposed.is_empty() {
            drafts.push(propose(state, self.key, need, short, &proposed));
        }
        if known < short {
            drafts.extend(reinforcement::ask(state, now, self.key, need, short - known, &mut self.requests_ahead));
        }
        drafts
    }

    /// Calls people by itself where an area has switched that on.
    fn call(&mut self, need: &NeedState, reach: AreaRef, short: &mut usize) -> Vec<Draft> {
        let (state, now) = (self.state, self.now);
        let whistle = state.ops.whistles.get(self.key);
        let mut drafts = Vec::new();
        let Some(scope) = automatic_scope(state, whistle.area) else { return drafts };
        let near = if state.base.within(reach, scope) { reach } else { scope };
        let mut found = Search::new(state, now, whistle, need).nearest(near, *short + self.taken.len());
        found.retain(|found| !self.taken.contains(&found.responder));
        for found in found.into_iter().take(*short) {
            // Each may go; all of them may be too many.
            if self.floors.allows(found.responder, whistle.area).is_err() {
                continue;
            }
            self.floors.leave(found.responder);
            self.taken.insert(found.responder);
            summon(state, self.calls_ahead, found.responder, to_need(state, now, self.key, need), &mut drafts);
            self.calls_ahead += 1;
            *short -= 1;
        }
        drafts
    }
}

fn to_need(state: &State, now: &Now<'_>, key: WhistleRef, need: &NeedState) -> Summons {
    let whistle = state.ops.whistles.get(key);
    let limit_ms = if whistle.life_threatening { limits::REPLY_LIMIT_LIFE_MS } else { limits::REPLY_LIMIT_MS };
    Summons {
        incident: whistle.incident,
        whistle_id: state.ops.whistles.id(key).to_owned(),
        need_id: need.id.to_string(),
        reason: CallReason::AutoFill,
        from_ms: now.recorded_at_ms,
        reply_due_ms: now.recorded_at_ms + limit_ms,
        ..Summons::at(whistle.realm, whistle.area)
    }
}

fn candidates(state: &State, specialty: &str, found: &[Found]) -> Vec<Candidate> {
    let candidate = |found: &Found| Candidate {
        responder_id: state.base.responders.id(found.responder).to_owned(),
        distance: found.distance,
        specialty_match: !specialty.is_empty(),
        on_standby: found.on_standby,
        recent_duties: found.recent_duties,
    };
    found.iter().map(candidate).collect()
}

fn propose(state: &State, key: WhistleRef, need: &NeedState, short: usize, found: &[Found]) -> Draft {
    let whistle = state.ops.whistles.get(key);
    let event = Event::DispatchProposed(v1::DispatchProposed {
        whistle_id: state.ops.whistles.id(key).to_owned(),
        need_id: need.id.to_string(),
        quantity: u32::try_from(short).unwrap_or(u32::MAX),
        candidates: candidates(state, &need.specialty, found),
        ..Default::default()
    });
    Draft::new(event, whistle.realm, Some(whistle.area))
}

/// A seat fell empty and nobody is named to step in: where an area around it has switched the policy on, it says who could. A post comes with its
/// card and its unit, so that a person decides, here too.
pub(super) fn for_seat(state: &State, now: &Now<'_>, call: &Call) -> Option<Draft> {
    let key = call.site?;
    let site = state.ops.sites.get(key);
    let seat = state.ops.seat_of(call).filter(|seat| seat.holder.is_none())?;
    if site.closed || site.suspended || call.role != DutyRole::Member {
        return None;
    }
    automatic_scope(state, site.area)?;
    let mut search = Search::for_seat(state, now, site, &seat.specialty, call.responder);
    let found = search.nearest(first_reach(state, site.area), 2);
    let event = Event::DispatchProposed(v1::DispatchProposed {
        quantity: 1,
        candidates: candidates(state, &seat.specialty, &found),
        site_id: state.ops.sites.id(key).to_owned(),
        seat_id: seat.id.to_string(),
        ..Default::default()
    });
    (!found.is_empty()).then(|| Draft::new(event, state.ops.incidents.get(site.incident).realm, Some(site.area)))
}

pub(super) fn opened(state: &State, now: &Now<'_>, body: &v1::WhistleBlown) -> Vec<Draft> {
    let Some(key) = state.ops.whistles.find(&body.whistle_id) else { return Vec::new() };
    let mut filling = Filling::of(state, now, key);
    state.ops.whistles.get(key).needs.iter().flat_map(|need| filling.fill(need)).collect()
}

/// People are sought one level up. A neighbour that was asked is waited for.
pub(super) fn reinforced(state: &State, now: &Now<'_>, body: &v1::ReinforcementRequested) -> Vec<Draft> {
    if !body.request_id.is_empty() {
        return Vec::new();
    }
    let Some(key) = state.ops.whistles.find(&body.whistle_id) else { return Vec::new() };
    let needs = &state.ops.whistles.get(key).needs;
    let Some(need) = needs.iter().find(|need| *need.id == *body.need_id) else { return Vec::new() };
    if missing(need) == 0 {
        return silence::wider(state, now, key, need);
    }
    Filling::of(state, now, key).fill(need)
}

pub(super) fn after_release(state: &State, now: &Now<'_>, body: &v1::DutyReleased) -> Vec<Draft> {
    if !matches!(
        body.reason(),
        ReleaseReason::Declined
            | ReleaseReason::Unanswered
            | ReleaseReason::NoShow
            | ReleaseReason::Outranked
            | ReleaseReason::Withdrawn
            | ReleaseReason::Unavailable
            | ReleaseReason::SpecialtyLost
    ) {
        return Vec::new();
    }
    let Some(call) = CallRef::parse(&body.call_id).and_then(|key| state.ops.calls.find(key)) else { return Vec::new() };
    let Some((key, need)) = call.whistle.zip(call.need) else { return Vec::new() };
    let need = &state.ops.whistles.get(key).needs[usize::from(need)];
    Filling::of(state, now, key).fill(need)
}

/// Whether somebody else could be asked for a need now.
pub(super) fn has_candidate(state: &State, now: &Now<'_>, key: WhistleRef, need: Option<u16>) -> bool {
    let whistle = state.ops.whistles.get(key);
    let Some(need) = need.map(|at| &whistle.needs[usize::from(at)]) else { return false };
    let reach = reach(state, whistle, need);
    !Search::new(state, now, whistle, need).nearest(reach, 1).is_empty()
}

/// 到齐: every need met, people counted once they are present. What is no need for people is met by what was brought.
pub(super) fn after_arrival(state: &State, whistle_id: &str) -> Vec<Draft> {
    let Some(key) = state.ops.whistles.find(whistle_id) else { return Vec::new() };
    let whistle = state.ops.whistles.get(key);
    let met = |need: &NeedState| {
        let people = if need.kind == NeedKind::Person { &need.calls[..] } else { &[] };
        let present = people.iter().filter(|call| state.ops.calls.get(**call).phase == CallPhase::OnPost).count();
        need.confirmed || need.fulfilled as usize + present >= need.quantity as usize
    };
    let filled_before = whistle.phase == WhistlePhase::Filled;
    if !whistle.phase.open() || filled_before || !whistle.needs.iter().all(met) {
        return Vec::new();
    }
    let event = Event::WhistleFilled(v1::WhistleFilled { whistle_id: whistle_id.to_owned() });
    vec![Draft::new(event, whistle.realm, Some(whistle.area))]
}

/// A part that is done lets its people and organizations go, and may be the last that was waited for.
pub(super) fn part_confirmed(state: &State, body: &v1::PartConfirmed) -> Vec<Draft> {
    let Some(key) = state.ops.whistles.find(&body.whistle_id) else { return Vec::new() };
    let whistle = state.ops.whistles.get(key);
    // The last parts are confirmed together with the whistle's end, which lets everybody go.
    if !whistle.phase.open() {
        return Vec::new();
    }
    let Some(at) = whistle.needs.iter().position(|need| *need.id == *body.need_id) else { return Vec::new() };
    let calls = whistle.needs[at].calls.iter();
    let mut drafts: Vec<_> =
        calls.filter_map(|call| call_off(state, *call, ReleaseReason::PartConfirmed, "此项已办完 part confirmed")).collect();
    let of_part = |key: &OrganizationCallRef| state.ops.organization_calls.get(*key).need.map(usize::from) == Some(at);
    let called: Vec<_> = whistle.organization_calls.iter().copied().filter(of_part).collect();
    drafts.extend(organization::over(state, &called));
    drafts.extend(after_arrival(state, &body.whistle_id));
    drafts
}

/// A whistle that is over lets its people and organizations go.
pub(super) fn ended(state: &State, whistle_id: &str) -> Vec<Draft> {
    let Some(key) = state.ops.whistles.find(whistle_id) else { return Vec::new() };
    let whistle = state.ops.whistles.get(key);
    let calls = whistle.needs.iter().flat_map(|need| &need.calls);
    let mut drafts: Vec<_> =
        calls.filter_map(|call| call_off(state, *call, ReleaseReason::WhistleEnded, "哨已结束 whistle ended")).collect();
    drafts.extend(organization::over(state, &whistle.organization_calls));
    drafts
}
