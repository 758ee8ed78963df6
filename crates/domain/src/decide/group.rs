//! CallGroup and RecallGroup: one command for a selection of people, each under the rules of the command for one.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, CallReason, NeedKind, ReleaseReason, ResponderKind};

use super::call::{Target, beginning, check_card, free, in_shift, joinable, may_come_off, need_target, rested, taking_on, to_target};
use super::moving::{self, Donors};
use super::{Decision, checks};
use crate::execute::{Draft, Now};
use crate::ids::{AreaRef, CallRef, IncidentRef, LabelRef, OrganizationRef, RealmRef, ResponderRef, ShiftRef, UnitRef};
use crate::limits;
use crate::policy::summons::{Summons, call_off, summon};
use crate::rejection::Rejection;
use crate::state::{CallPhase, Floors, SeatState, State};

/// What the people of a selection have in common.
struct Common {
    area: Option<AreaRef>,
    specialties: Vec<LabelRef>,
    kind: ResponderKind,
    organization: Option<OrganizationRef>,
    unit: Option<UnitRef>,
    on_standby: bool,
}

/// A selection whose words are known.
enum Selection {
    Named(Vec<ResponderRef>),
    Common(Common),
    /// A specialty that no record ever named.
    Nobody,
}

fn nothing_common(selection: &v1::GroupSelection) -> bool {
    let v1::GroupSelection { area_id, specialties, kind, organization_id, unit_id, on_standby, .. } = selection;
    area_id.is_empty() && specialties.is_empty() && *kind == 0 && organization_id.is_empty() && unit_id.is_empty() && !on_standby
}

/// Whether everybody in the tree would have to be looked at.
fn unbounded(selection: &v1::GroupSelection) -> bool {
    let v1::GroupSelection { responder_ids, area_id, organization_id, unit_id, on_standby, .. } = selection;
    responder_ids.is_empty() && area_id.is_empty() && organization_id.is_empty() && unit_id.is_empty() && !on_standby
}

fn understood(state: &State, selection: &v1::GroupSelection) -> Result<Selection, Rejection> {
    if !selection.responder_ids.is_empty() {
        if !nothing_common(selection) {
            return Err(Rejection::SelectionMixed {});
        }
        checks::at_most("selection.responder_ids", selection.responder_ids.len(), limits::PEOPLE_LIST_MAX)?;
        let mut people = Vec::with_capacity(selection.responder_ids.len());
        let mut named = BTreeSet::new();
        for id in &selection.responder_ids {
            let responder = state.responder("selection.responder_ids", id)?;
            if !named.insert(responder) {
                return Err(Rejection::AlreadyExists { field: "selection.responder_ids", id: id.clone() });
            }
            people.push(responder);
        }
        return Ok(Selection::Named(people));
    }
    if nothing_common(selection) {
        return Err(Rejection::FieldMissing { field: "selection" });
    }
    checks::labels("selection.specialties", &selection.specialties)?;
    let optional = |id: &str| (!id.is_empty()).then(|| id.to_owned());
    let common = Common {
        area: optional(&selection.area_id).map(|id| state.area("selection.area_id", &id)).transpose()?,
        specialties: selection.specialties.iter().filter_map(|name| state.base.labels.find(name)).collect(),
        kind: checks::known("selection.kind", selection.kind)?,
        organization: optional(&selection.organization_id).map(|id| state.organization("selection.organization_id", &id)).transpose()?,
        unit: optional(&selection.unit_id).map(|id| state.standing_unit("selection.unit_id", &id)).transpose()?,
        on_standby: selection.on_standby,
    };
    let all_known = common.specialties.len() == selection.specialties.len();
    Ok(if all_known { Selection::Common(common) } else { Selection::Nobody })
}

impl Common {
    fn fits(&self, state: &State, incident: Option<IncidentRef>, responder: ResponderRef) -> bool {
        let person = state.base.responders.get(responder);
        let standing_by = || incident.is_some_and(|key| state.ops.incidents.get(key).standby.contains_key(&responder));
        let member = |unit: UnitRef| {
            let unit = state.ops.units.get(unit);
            unit.members.contains(&responder) || unit.extra_seats.contains(&responder)
        };
        self.area.is_none_or(|area| person.area.is_some_and(|home| state.base.within(home, area)))
            && self.specialties.iter().all(|wanted| person.specialties.contains(wanted))
            && (self.kind == ResponderKind::Unspecified || self.kind == person.kind)
            && self.organization.is_none_or(|organization| person.organization == Some(organization))
            && self.unit.is_none_or(member)
            && (!self.on_standby || standing_by())
    }

    /// Everybody who fits.
    fn people(&self, state: &State, incident: Option<IncidentRef>) -> Result<Vec<ResponderRef>, Rejection> {
        let mut pool = self.pool(state, incident)?;
        pool.retain(|responder| self.fits(state, incident, *responder));
        Ok(pool)
    }

    /// The people to choose from: of what the selection names, the first that has no more of them than may be looked at.
    fn pool(&self, state: &State, incident: Option<IncidentRef>) -> Result<Vec<ResponderRef>, Rejection> {
        let mut field = "selection";
        let mut bounded = |named: &'static str, people: &mut dyn Iterator<Item = ResponderRef>| {
            field = named;
            let some: Vec<_> = people.take(limits::GROUP_POOL_MAX + 1).collect();
            (some.len() <= limits::GROUP_POOL_MAX).then_some(some)
        };
        if let Some(unit) = self.unit {
            let unit = state.ops.units.get(unit);
            let members = bounded("selection.unit_id", &mut unit.members.union(&unit.extra_seats).copied());
            if let Some(members) = members {
                return Ok(members);
            }
        }
        if self.on_standby {
            let mut standby = incident.into_iter().flat_map(|key| state.ops.incidents.get(key).standby.keys().copied());
            if let Some(standby) = bounded("selection.on_standby", &mut standby) {
                return Ok(standby);
            }
        }
        if let Some(organization) = self.organization {
            let mut members = state.base.organizations.get(organization).members.iter().copied();
            if let Some(members) = bounded("selection.organization_id", &mut members) {
                return Ok(members);
            }
        }
        if let Some(area) = self.area {
            let areas = state.base.subtree(area).into_iter();
            let mut residents = areas.flat_map(|key| state.base.areas.get(key).residents.iter().copied());
            if let Some(residents) = bounded("selection.area_id", &mut residents) {
                return Ok(residents);
            }
        }
        Err(Rejection::SelectionTooWide { field, max: limits::GROUP_POOL_MAX })
    }
}

/// The posts that a group is called to.
struct Posts {
    target: Target,
    open: Vec<Post>,
}

/// One of them: the seat, the specialty that it names, the open shift that it belongs to, and the period of its duty.
#[derive(Clone)]
struct Post {
    seat_id: String,
    specialty: String,
    shift: Option<ShiftRef>,
    from_ms: i64,
    until_ms: i64,
}

/// Who is called to which post, and why in spite of the rest due.
struct Called {
    responder: ResponderRef,
    post: Post,
    rest_override: Option<v1::RestOverride>,
}

fn posts(state: &State, body: &v1::CallGroup, from_ms: i64) -> Result<Posts, Rejection> {
    match (body.site_id.is_empty(), body.whistle_id.is_empty()) {
        (false, true) => {
            let site = taking_on(state, &body.site_id)?;
            let key = state.open_site("site_id", &body.site_id)?;
            let free = site.seats.iter().filter(|seat| seat.holder.is_none());
            let post = |seat: &SeatState| {
                let (shift, until_ms) = in_shift(state, key, seat, from_ms, body.until_ms);
                Post { seat_id: seat.id.to_string(), specialty: seat.specialty.to_string(), shift, from_ms, until_ms }
            };
            let open: Vec<_> = free.map(post).collect();
            if open.is_empty() {
                return Err(Rejection::NoFreeSeat { site: body.site_id.clone() });
            }
            let target = Target {
                incident: Some(site.incident),
                realm: state.ops.incidents.get(site.incident).realm,
                area: site.area,
                site_id: body.site_id.clone(),
                seat_id: String::new(),
                whistle_id: String::new(),
                need_id: String::new(),
                life_threatening: false,
            };
            Ok(Posts { target, open })
        }
        (true, false) => {
            let target = need_target(state, &body.whistle_id, &body.need_id, Some(NeedKind::Person))?;
            let whistle = state.ops.whistles.get(state.open_whistle("whistle_id", &body.whistle_id)?);
            let need = whistle.needs.iter().find(|need| *need.id == *body.need_id);
            let missing = need.map_or(0, |need| need.quantity as usize - need.fulfilled as usize - need.calls.len());
            let specialty = need.map(|need| need.specialty.to_string()).unwrap_or_default();
            let post = Post { seat_id: String::new(), specialty, shift: None, from_ms, until_ms: body.until_ms };
            Ok(Posts { target, open: vec![post; missing] })
        }
        _ => Err(Rejection::TargetRequired {}),
    }
}

pub(super) fn call(state: &State, now: &Now<'_>, body: &v1::CallGroup) -> Decision {
    let selected = body.selection.as_ref().ok_or(Rejection::FieldMissing { field: "selection" })?;
    let selection = understood(state, selected)?;
    if unbounded(selected) {
        return Err(Rejection::SelectionUnbounded {});
    }
    let from_ms = beginning(now, body.from_ms, body.until_ms)?;
    let Posts { target, mut open } = posts(state, body, from_ms)?;
    if body.quantity > limits::NEED_QUANTITY_MAX {
        return Err(Rejection::FieldInvalid { field: "quantity", reason_zh: "数量过大", reason_en: "the quantity is too large" });
    }
    checks::short("rest_override_reason", &body.rest_override_reason)?;
    if !body.rest_override_reason.trim().is_empty() && now.context.actor.trim().is_empty() {
        return Err(Rejection::FieldMissing { field: "context.actor" });
    }
    let office = state.office_area(now)?;
    if !body.released_by_area_id.is_empty() {
        state.area("released_by_area_id", &body.released_by_area_id)?;
    }
    if !body.unit_id.is_empty() {
        state.standing_unit("unit_id", &body.unit_id)?;
    }
    body.card.as_ref().map(check_card).transpose()?;
    let people = in_order(state, &selection, &target)?;
    if people.is_empty() {
        return Err(Rejection::NobodySelected {});
    }
    let wanted = if body.quantity == 0 { open.len() } else { open.len().min(body.quantity as usize) };
    let by_name = matches!(selection, Selection::Named(_));
    let mut floors = Floors::new(state, target.realm, now.recorded_at_ms);
    let (mut called, mut passed_over, mut elsewhere) = (Vec::new(), Vec::new(), Donors::default());
    for responder in people {
        if called.len() == wanted {
            break;
        }
        let asked = Asked { state, now, body, target: &target, from_ms, by_name };
        match asked.seat_for(responder, &open, &mut floors) {
            Ok((at, rest_override)) => called.push(Called { responder, post: open.remove(at), rest_override }),
            // What speaks against the unit speaks against the command.
            Err(
                refusal @ (Rejection::OtherIncident { .. } | Rejection::UnitNotApproved { .. } | Rejection::UnitWithoutSecretary { .. }),
            ) => {
                return Err(refusal);
            }
            // Who was not named and lives elsewhere is counted, and not told.
            Err(Rejection::ReleaseRequired { .. }) if !by_name => elsewhere.count(state, responder, office),
            Err(refusal) => passed_over.push(passed(state, responder, &refusal)),
        }
    }
    Ok(group_called(state, now, body, &target, &called, &passed_over, &elsewhere.listed(state)))
}

/// One person of a group, asked under the rules of DispatchResponder.
struct Asked<'a> {
    state: &'a State,
    now: &'a Now<'a>,
    body: &'a v1::CallGroup,
    target: &'a Target,
    from_ms: i64,
    by_name: bool,
}

impl Asked<'_> {
    /// The place among the open posts of the first that the person can take, and why in spite of the rest due.
    fn seat_for(
        &self,
        responder: ResponderRef,
        open: &[Post],
        floors: &mut Floors<'_>,
    ) -> Result<(usize, Option<v1::RestOverride>), Rejection> {
        let Self { state, now, body, target, .. } = self;
        let person = state.base.responders.get(responder);
        let id = || state.base.responders.id(responder).to_owned();
        // Before anything that tells how it stands with the person: of whom nobody let go nothing is told.
        moving::let_go(state, now, responder, &body.released_by_area_id, target.incident, target.area)?;
        let at = self.fitting(responder, open);
        let until_ms = at.map_or(body.until_ms, |at| open[at].until_ms);
        state.callable(responder, now.recorded_at_ms, self.from_ms, until_ms)?;
        // Whom the own organization keeps back is called by name only.
        if let Some(organization) = person.organization.filter(|_| person.reserved && !self.by_name) {
            return Err(Rejection::ResponderReserved { id: id(), organization: state.base.organizations.id(organization).to_owned() });
        }
        free(state, target.realm, responder, self.from_ms, until_ms)?;
        let rest_override = rested(state, now, target.realm, responder, self.from_ms, &body.rest_override_reason)?;
        joinable(state, target.incident, responder, &body.unit_id)?;
        let at = at.ok_or_else(|| Rejection::SpecialtyMissing { id: id() })?;
        moving::leave(state, floors, responder, target.area)?;
        Ok((at, rest_override))
    }

    /// The place of the first post whose specialty the person has: one with a period that suits, if there is any.
    fn fitting(&self, responder: ResponderRef, open: &[Post]) -> Option<usize> {
        let Self { state, now, target, .. } = self;
        let fits = |post: &Post| state.base.has_specialty(responder, &post.specialty);
        let person = state.base.responders.get(responder);
        let suits = |post: &Post| {
            let mut busy = state.ops.overlapping_duties(target.realm, responder, post.from_ms, post.until_ms);
            person.away(now.recorded_at_ms, post.from_ms, post.until_ms).is_none() && busy.next().is_none()
        };
        open.iter().position(|post| fits(post) && suits(post)).or_else(|| open.iter().position(fits))
    }
}

/// Names in their order; others nearest first, then those who stand by, then the least burdened.
fn in_order(state: &State, selection: &Selection, target: &Target) -> Result<Vec<ResponderRef>, Rejection> {
    let common = match selection {
        Selection::Named(people) => return Ok(people.clone()),
        Selection::Nobody => return Ok(Vec::new()),
        Selection::Common(common) => common,
    };
    let rings: Vec<AreaRef> = state.base.ancestry(target.area).collect();
    let realm = state.ops.realms.get(target.realm);
    let rank = |responder: &ResponderRef| {
        let home = state.base.home_of(*responder);
        let distance = home.and_then(|home| rings.iter().position(|ring| state.base.within(home, *ring))).unwrap_or(rings.len());
        let standing_by = target.incident.is_some_and(|key| state.ops.incidents.get(key).standby.contains_key(responder));
        (distance, !standing_by, realm.past_duties.get(responder).copied().unwrap_or(0), *responder)
    };
    let mut people = common.people(state, target.incident)?;
    people.sort_by_cached_key(rank);
    Ok(people)
}

fn passed(state: &State, responder: ResponderRef, refusal: &Rejection) -> v1::PassedOver {
    v1::PassedOver { responder_id: state.base.responders.id(responder).to_owned(), code: refusal.code().to_owned() }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The lines in parts; one part without lines where there are none.
fn parts(passed_over: &[v1::PassedOver]) -> Vec<&[v1::PassedOver]> {
    let listed = &passed_over[..passed_over.len().min(limits::PASSED_OVER_LISTED)];
    if listed.is_empty() { vec![listed] } else { listed.chunks(limits::PASSED_OVER_PART).collect() }
}

fn group_called(
    state: &State,
    now: &Now<'_>,
    body: &v1::CallGroup,
    target: &Target,
    called: &[Called],
    passed_over: &[v1::PassedOver],
    release_required: &[v1::DonorCount],
) -> Vec<Draft> {
    let mut drafts = Vec::with_capacity(called.len() + 1);
    let office = state.office_area(now).ok();
    for lines in parts(passed_over) {
        let event = Event::GroupCalled(v1::GroupCalled {
            incident_id: target.incident.map(|key| state.ops.incidents.id(key).to_owned()).unwrap_or_default(),
            site_id: target.site_id.clone(),
            whistle_id: target.whistle_id.clone(),
            need_id: target.need_id.clone(),
            area_id: state.base.areas.id(target.area).to_owned(),
            quantity: body.quantity,
            called: count(called.len()),
            first_call_id: if called.is_empty() { String::new() } else { state.ops.calls.upcoming(0).text() },
            passed_over_total: count(passed_over.len()),
            passed_over: lines.to_vec(),
            release_required: release_required.to_vec(),
        });
        drafts.push(Draft::new(event, target.realm, Some(target.area)));
    }
    for (ahead, Called { responder, post, rest_override }) in called.iter().enumerate() {
        let summons = Summons {
            from_ms: post.from_ms,
            until_ms: post.until_ms,
            shift_id: post.shift.map(|key| state.ops.shifts.id(key).to_owned()).unwrap_or_default(),
            rest_override: rest_override.clone(),
            seat_id: post.seat_id.clone(),
            unit_id: body.unit_id.clone(),
            released_by_area_id: body.released_by_area_id.clone(),
            card: body.card.clone(),
            ..to_target(target, now, CallReason::Dispatched)
        };
        summon(state, ahead, *responder, summons, &mut drafts);
        // 跨区增援: the donor sees where its person goes.
        let elsewhere = |home: AreaRef| office.is_none_or(|office| !state.base.within(home, office));
        let told = |home: &AreaRef| !body.released_by_area_id.is_empty() || elsewhere(*home);
        let home = state.base.home_of(*responder).filter(told);
        if let (Some(draft), Some(home)) = (drafts.last_mut(), home) {
            draft.other_area_ids.push(state.base.areas.id(home).to_owned());
        }
    }
    drafts
}

/// Where a group is taken off, and the standing duties there.
struct Scope {
    incident: Option<IncidentRef>,
    realm: RealmRef,
    area: AreaRef,
    calls: Vec<CallRef>,
}

fn scope(state: &State, body: &v1::RecallGroup) -> Result<Scope, Rejection> {
    match (body.incident_id.is_empty(), body.site_id.is_empty(), body.whistle_id.is_empty()) {
        (false, true, true) => {
            let key = state.open_incident(&body.incident_id)?;
            let incident = state.ops.incidents.get(key);
            let calls = incident.duties.iter().copied().collect();
            Ok(Scope { incident: Some(key), realm: incident.realm, area: incident.area, calls })
        }
        (true, false, true) => {
            let key = state.any_site("site_id", &body.site_id)?;
            let site = state.ops.sites.get(key);
            let incident = state.ops.incidents.get(site.incident);
            let here = |call: &CallRef| state.ops.calls.get(*call).site == Some(key);
            let calls = incident.duties.iter().copied().filter(here).collect();
            Ok(Scope { incident: Some(site.incident), realm: incident.realm, area: site.area, calls })
        }
        (true, true, false) => {
            let whistle = state.ops.whistles.get(state.any_whistle("whistle_id", &body.whistle_id)?);
            if !body.need_id.is_empty() && !whistle.needs.iter().any(|need| *need.id == *body.need_id) {
                return Err(Rejection::UnknownNeed { need: body.need_id.clone(), whistle: body.whistle_id.clone() });
            }
            let needs = whistle.needs.iter().filter(|need| body.need_id.is_empty() || *need.id == *body.need_id);
            let calls = needs.flat_map(|need| need.calls.iter().copied()).collect();
            Ok(Scope { incident: whistle.incident, realm: whistle.realm, area: whistle.area, calls })
        }
        _ => Err(Rejection::ScopeRequired {}),
    }
}

pub(super) fn recall(state: &State, now: &Now<'_>, body: &v1::RecallGroup) -> Decision {
    let scope = scope(state, body)?;
    checks::short("reason", &body.reason)?;
    let everybody = body.selection.as_ref().is_none_or(|selection| selection.responder_ids.is_empty() && nothing_common(selection));
    let selection = body.selection.as_ref().filter(|_| !everybody).map(|selection| understood(state, selection)).transpose()?;
    let selected = |key: &CallRef| {
        let call = state.ops.calls.get(*key);
        // Who was told before is told once.
        call.phase != CallPhase::Recalled
            && match &selection {
                None => true,
                Some(Selection::Named(people)) => people.contains(&call.responder),
                Some(Selection::Common(common)) => common.fits(state, scope.incident, call.responder),
                Some(Selection::Nobody) => false,
            }
    };
    let calls: Vec<CallRef> = scope.calls.iter().copied().filter(selected).collect();
    if calls.is_empty() {
        return Err(Rejection::NobodySelected {});
    }
    let (mut off, mut passed_over, mut recalled) = (Vec::with_capacity(calls.len()), Vec::new(), 0_usize);
    for key in calls {
        let call = state.ops.calls.get(key);
        match may_come_off(state, now, call) {
            Ok(()) => {
                recalled += usize::from(call.phase == CallPhase::OnPost);
                off.extend(call_off(state, key, ReleaseReason::Recalled, &body.reason));
            }
            Err(refusal) => passed_over.push(passed(state, call.responder, &refusal)),
        }
    }
    let mut drafts = Vec::with_capacity(off.len() + 1);
    for lines in parts(&passed_over) {
        let event = Event::GroupRecalled(v1::GroupRecalled {
            incident_id: scope.incident.map(|key| state.ops.incidents.id(key).to_owned()).unwrap_or_default(),
            site_id: body.site_id.clone(),
            whistle_id: body.whistle_id.clone(),
            need_id: body.need_id.clone(),
            area_id: state.base.areas.id(scope.area).to_owned(),
            recalled: count(recalled),
            released: count(off.len() - recalled),
            reason: body.reason.clone(),
            passed_over_total: count(passed_over.len()),
            passed_over: lines.to_vec(),
        });
        drafts.push(Draft::new(event, scope.realm, Some(scope.area)));
    }
    drafts.append(&mut off);
    Ok(drafts)
}
