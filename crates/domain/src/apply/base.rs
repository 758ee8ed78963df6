//! Peacetime facts applied.

use muster_proto::Event;
use muster_proto::v1::{self, Availability, ResponseLevel};
use smallvec::SmallVec;

use crate::ids::{AreaRef, LabelRef, PlanRef, ResponderRef};
use crate::state::{
    Area, Base, CardText, Designation, Erasure, Organization, Plan, PlanSeat, PlanSite, PlanUnit, PlanVersion, Point, Responder, State,
    Timer,
};

pub(super) fn apply(state: &mut State, event: &Event) -> Option<()> {
    if let Event::AreaReparented(body) = event {
        return area_moved(state, body);
    }
    let concerned = concerned(&state.base, event);
    concerned.iter().for_each(|who| state.count_person(*who, false));
    let applied = change(&mut state.base, event);
    concerned.iter().for_each(|who| state.count_person(*who, true));
    match event {
        Event::ResponderEnrolled(body) => state.count_person(state.base.responders.find(&body.responder_id)?, true),
        Event::AvailabilitySet(body) => wait_for_absence(state, &body.responder_id, body.begins_due_ms)?,
        Event::ResponderWithdrawn(body) => wait_for_absence(state, &body.responder_id, 0)?,
        _ => {}
    }
    applied
}

fn wait_for_absence(state: &mut State, responder_id: &str, due_ms: i64) -> Option<()> {
    let key = state.base.responders.find(responder_id)?;
    let former_ms = std::mem::replace(&mut state.base.responders.get_mut(key).absence_due_ms, due_ms);
    state.clear_timer(former_ms, Timer::AbsenceBegins(key));
    state.set_timer(due_ms, Timer::AbsenceBegins(key));
    Some(())
}

/// Whose place in the counts of people by area the fact changes.
fn concerned(base: &Base, event: &Event) -> SmallVec<[ResponderRef; 1]> {
    let responder_id = match event {
        Event::ResponderReportedToCommunity(body) => &body.responder_id,
        Event::ResponderTransferred(body) => &body.responder_id,
        Event::SpecialtiesSet(body) => &body.responder_id,
        Event::ResponderWithdrawn(body) => &body.responder_id,
        Event::PeopleReserved(body) => {
            let former = base.organizations.find(&body.organization_id).map(|key| base.organizations.get(key).reserved.as_slice());
            let mut all: SmallVec<_> = body.responder_ids.iter().filter_map(|id| base.responders.find(id)).collect();
            all.extend_from_slice(former.unwrap_or_default());
            all.sort_unstable();
            all.dedup();
            return all;
        }
        _ => return SmallVec::new(),
    };
    base.responders.find(responder_id).into_iter().collect()
}

fn change(base: &mut Base, event: &Event) -> Option<()> {
    match event {
        Event::AreaDefined(body) => area_defined(base, body),
        Event::AreaRetired(body) => area_retired(base, body)?,
        Event::AutoFillSwitched(body) => {
            let key = base.areas.find(&body.area_id)?;
            base.areas.get_mut(key).auto_fill = body.enabled;
        }
        Event::FloorSet(body) => {
            let key = base.areas.find(&body.area_id)?;
            base.areas.get_mut(key).floor = body.minimum;
        }
        Event::OrganizationRegistered(body) => registered(base, body),
        Event::OrganizationTiedToArea(body) => {
            let (key, area) = (base.organizations.find(&body.organization_id)?, base.areas.find(&body.area_id)?);
            base.organizations.get_mut(key).ties.push(area);
        }
        Event::PeopleReserved(body) => people_reserved(base, body)?,
        Event::OfficeHolderNamed(body) => office_holder_named(base, body)?,
        Event::ResponderEnrolled(body) => enrolled(base, body),
        Event::ResponderReportedToCommunity(body) => {
            let (key, area) = (base.responders.find(&body.responder_id)?, base.areas.find(&body.area_id)?);
            move_home(base, key, Some(area));
        }
        Event::ResponderTransferred(body) => transferred(base, body)?,
        Event::SpecialtiesSet(body) => {
            let specialties = specialties(base, &body.specialties);
            let key = base.responders.find(&body.responder_id)?;
            base.responders.get_mut(key).specialties = specialties;
        }
        Event::AvailabilitySet(body) => {
            let key = base.responders.find(&body.responder_id)?;
            let person = base.responders.get_mut(key);
            person.availability = body.availability();
            person.availability_from_ms = body.from_ms;
            person.availability_until_ms = body.until_ms;
        }
        Event::ResponderWithdrawn(body) => {
            let key = base.responders.find(&body.responder_id)?;
            move_home(base, key, None);
            base.responders.get_mut(key).withdrawn = true;
            base.leave_offices(key);
        }
        Event::ResponsibilityAssigned(body) => {
            let key = responsibility(base, &body.responder_id, &body.area_id, body.kind)?;
            base.responsibilities.insert(key, (body.from_ms, body.until_ms));
        }
        Event::ResponsibilityEnded(body) => {
            let key = responsibility(base, &body.responder_id, &body.area_id, body.kind)?;
            base.responsibilities.remove(&key);
        }
        Event::HoldSet(_) | Event::ErasureRequested(_) | Event::PersonalDataErased(_) => personal_data(base, event)?,
        Event::PlanDrafted(body) => plan_drafted(base, body)?,
        Event::PostDesignated(body) => post_designated(base, body)?,
        Event::PlanPublished(body) => plan_published(base, body)?,
        _ => {}
    }
    Some(())
}

/// What keeps a person's data, and how far its erasure is.
fn personal_data(base: &mut Base, event: &Event) -> Option<()> {
    match event {
        Event::HoldSet(body) => {
            let key = base.responders.find(&body.responder_id)?;
            if body.held {
                base.holds.insert(key, body.reason.as_str().into());
            } else {
                base.holds.remove(&key);
            }
        }
        Event::ErasureRequested(body) => {
            let key = base.responders.find(&body.responder_id)?;
            base.erasures.insert(key, Erasure::Requested(body.requested_by.as_str().into()));
        }
        Event::PersonalDataErased(body) => {
            let key = base.responders.find(&body.responder_id)?;
            base.erasures.insert(key, Erasure::Erased);
        }
        _ => {}
    }
    Some(())
}

fn area_defined(base: &mut Base, body: &v1::AreaDefined) {
    let parent = base.areas.find(&body.parent_id);
    let value = Area {
        level: body.level(),
        parent,
        children: Vec::new(),
        retired: false,
        auto_fill: false,
        name: body.name.as_str().into(),
        floor: 0,
        residents: Vec::new(),
        plans: Vec::new(),
        location: body.location.map(|point| Point { latitude_e7: point.latitude_e7, longitude_e7: point.longitude_e7 }),
    };
    let key = base.areas.insert(&body.area_id, value);
    if let Some(parent) = parent {
        base.areas.get_mut(parent).children.push(key);
    }
}

fn area_moved(state: &mut State, body: &v1::AreaReparented) -> Option<()> {
    let (key, to) = (state.base.areas.find(&body.area_id)?, state.base.areas.find(&body.parent_id)?);
    // Below itself the tree would have no end.
    if state.base.within(to, key) {
        return None;
    }
    state.count_area(key, false);
    let base = &mut state.base;
    if let Some(from) = base.areas.get(key).parent {
        base.areas.get_mut(from).children.retain(|child| *child != key);
    }
    base.areas.get_mut(key).parent = Some(to);
    base.areas.get_mut(to).children.push(key);
    state.count_area(key, true);
    Some(())
}

fn area_retired(base: &mut Base, body: &v1::AreaRetired) -> Option<()> {
    let key = base.areas.find(&body.area_id)?;
    let parent = base.areas.get(key).parent;
    base.areas.get_mut(key).retired = true;
    if let Some(parent) = parent {
        base.areas.get_mut(parent).children.retain(|child| *child != key);
    }
    Some(())
}

fn registered(base: &mut Base, body: &v1::OrganizationRegistered) {
    let value = Organization {
        kind: body.kind(),
        area: base.areas.find(&body.area_id),
        functions: body.functions.iter().map(|name| base.labels.intern(name)).collect(),
        ties: Vec::new(),
        reserved: Vec::new(),
        members: Default::default(),
        holders: Vec::new(),
    };
    base.organizations.insert(&body.organization_id, value);
}

fn transferred(base: &mut Base, body: &v1::ResponderTransferred) -> Option<()> {
    let (key, to) = (base.responders.find(&body.responder_id)?, base.organizations.find(&body.organization_id)?);
    if let Some(from) = base.responders.get(key).organization {
        let from = base.organizations.get_mut(from);
        from.reserved.retain(|kept| *kept != key);
        from.members.remove(&key);
    }
    base.organizations.get_mut(to).members.insert(key);
    let person = base.responders.get_mut(key);
    person.organization = Some(to);
    person.reserved = false;
    Some(())
}

fn people_reserved(base: &mut Base, body: &v1::PeopleReserved) -> Option<()> {
    let key = base.organizations.find(&body.organization_id)?;
    for kept in std::mem::take(&mut base.organizations.get_mut(key).reserved) {
        base.responders.get_mut(kept).reserved = false;
    }
    let reserved: Vec<ResponderRef> = body.responder_ids.iter().filter_map(|id| base.responders.find(id)).collect();
    for kept in &reserved {
        base.responders.get_mut(*kept).reserved = true;
    }
    base.organizations.get_mut(key).reserved = reserved;
    Some(())
}

fn office_holder_named(base: &mut Base, body: &v1::OfficeHolderNamed) -> Option<()> {
    let key = base.organizations.find(&body.organization_id)?;
    let holder = base.responders.find(&body.responder_id);
    let holders = &mut base.organizations.get_mut(key).holders;
    let place = holders.iter().position(|(title, _)| **title == *body.title);
    match (place, holder) {
        (Some(place), Some(holder)) => holders[place].1 = holder,
        (Some(place), None) => drop(holders.remove(place)),
        (None, Some(holder)) => holders.push((body.title.as_str().into(), holder)),
        (None, None) => {}
    }
    Some(())
}

fn responsibility(base: &Base, responder_id: &str, area_id: &str, kind: i32) -> Option<(AreaRef, u8, ResponderRef)> {
    Some((base.areas.find(area_id)?, u8::try_from(kind).ok()?, base.responders.find(responder_id)?))
}

fn specialties(base: &mut Base, names: &[String]) -> SmallVec<[LabelRef; 2]> {
    names.iter().map(|name| base.labels.intern(name)).collect()
}

fn enrolled(base: &mut Base, body: &v1::ResponderEnrolled) {
    let area = base.areas.find(&body.area_id);
    let organization = base.organizations.find(&body.organization_id);
    let value = Responder {
        kind: body.kind(),
        organization,
        area: None,
        specialties: specialties(base, &body.specialties),
        availability: Availability::Available,
        availability_from_ms: 0,
        availability_until_ms: 0,
        absence_due_ms: 0,
        withdrawn: false,
        reserved: false,
    };
    let key = base.responders.insert(&body.responder_id, value);
    if let Some(organization) = organization {
        base.organizations.get_mut(organization).members.insert(key);
    }
    move_home(base, key, area);
}

fn move_home(base: &mut Base, key: ResponderRef, to: Option<AreaRef>) {
    let former = std::mem::replace(&mut base.responders.get_mut(key).area, to);
    if let Some(former) = former {
        base.areas.get_mut(former).residents.retain(|resident| *resident != key);
    }
    if let Some(to) = to {
        base.areas.get_mut(to).residents.push(key);
    }
}

fn plan_drafted(base: &mut Base, body: &v1::PlanDrafted) -> Option<()> {
    let area = base.areas.find(&body.area_id)?;
    let mut version = PlanVersion {
        version: body.version,
        sites: Vec::with_capacity(body.sites.len()),
        units: Vec::with_capacity(body.units.len()),
        name: body.name.as_str().into(),
        cards: body.cards.iter().map(|card| card.card_key.as_str().into()).collect(),
        card_texts: body.cards.iter().map(card_text).collect(),
        designations: Vec::new(),
        primaries: Default::default(),
        seated: Default::default(),
        unseated: Default::default(),
    };
    for site in &body.sites {
        let mut seats = Vec::with_capacity(site.seats.len());
        for seat in &site.seats {
            seats.push(PlanSeat {
                key: seat.seat_key.as_str().into(),
                specialty: base.intern_optional(&seat.specialty),
                shift: base.intern_optional(&seat.shift),
                duty_desk: seat.duty_desk,
                tier: if seat.tier() == ResponseLevel::Unspecified { site.tier() } else { seat.tier() },
            });
        }
        version.sites.push(PlanSite {
            key: site.site_key.as_str().into(),
            kind: site.kind(),
            name: site.name.as_str().into(),
            area: base.areas.find(&site.area_id)?,
            tier: site.tier(),
            seats,
        });
    }
    for unit in &body.units {
        version.units.push(PlanUnit {
            key: unit.unit_key.as_str().into(),
            kind: unit.kind(),
            name: unit.name.as_str().into(),
            parent: place(&version.units, |other| *other.key == *unit.parent_unit_key),
            site: place(&version.sites, |site| *site.key == *unit.site_key),
            area: base.areas.find(&unit.area_id)?,
            tier: unit.tier(),
            superior: base.organizations.find(&unit.superior_organization_id),
        });
    }
    match base.plans.find(&body.plan_id) {
        Some(key) => base.plans.get_mut(key).draft = Some(version),
        None => {
            let value = Plan { area, incident_type: body.incident_type(), published: Vec::new(), draft: Some(version) };
            let key = base.plans.insert(&body.plan_id, value);
            base.areas.get_mut(area).plans.push(key);
        }
    }
    Some(())
}

fn card_text(card: &v1::PostCard) -> CardText {
    CardText {
        place: card.r#where.as_str().into(),
        report_to: card.report_to.as_str().into(),
        task: card.task.as_str().into(),
        bring: card.bring.as_str().into(),
        until: card.until.as_str().into(),
    }
}

fn place<T>(list: &[T], wanted: impl Fn(&T) -> bool) -> Option<u16> {
    u16::try_from(list.iter().position(wanted)?).ok()
}

/// The numbers under which a person's primary post is kept: type and tier.
fn primary_key(responder: ResponderRef, plan: &Plan, tier: ResponseLevel) -> (ResponderRef, u8, u8) {
    (responder, type_number(plan), tier as u8)
}

fn type_number(plan: &Plan) -> u8 {
    plan.incident_type as u8
}

fn post_designated(base: &mut Base, body: &v1::PostDesignated) -> Option<()> {
    let key = base.plans.find(&body.plan_id)?;
    let responder = base.responders.find(&body.responder_id)?;
    let backups: SmallVec<[ResponderRef; 2]> = body.backup_ids.iter().filter_map(|id| base.responders.find(id)).collect();
    let peacetime_post = base.intern_optional(&body.peacetime_post);
    let emergency_post = base.intern_optional(&body.emergency_post);
    let plan = base.plans.get_mut(key);
    let primary = primary_key(responder, plan, body.tier());
    let draft = plan.draft.as_mut()?;
    let site = place(&draft.sites, |site| *site.key == *body.site_key);
    let seat = site.and_then(|at| place(&draft.sites[usize::from(at)].seats, |seat| *seat.key == *body.seat_key));
    draft.primaries.insert((responder, primary.2));
    let at = u32::try_from(draft.designations.len()).ok()?;
    match site.zip(seat) {
        Some(place) => {
            draft.seated.insert(place, at);
        }
        None => std::iter::once(&responder).chain(&backups).for_each(|named| draft.unseated.entry(*named).or_default().push(at)),
    }
    draft.designations.push(Designation {
        tier: body.tier(),
        role: body.role(),
        unit: place(&draft.units, |unit| *unit.key == *body.unit_key),
        site,
        seat,
        responder,
        backups,
        card: place(&draft.cards, |card| **card == *body.card_key),
        peacetime_post,
        emergency_post,
    });
    base.primaries.entry(primary).or_insert(key);
    Some(())
}

fn plan_published(base: &mut Base, body: &v1::PlanPublished) -> Option<()> {
    let key = base.plans.find(&body.plan_id)?;
    let plan = base.plans.get_mut(key);
    let draft = plan.draft.take()?;
    let type_number = type_number(plan);
    let dropped: Vec<_> =
        plan.published.last().into_iter().flat_map(|former| former.primaries.difference(&draft.primaries).copied()).collect();
    plan.published.push(draft);
    forget_primaries(base, key, type_number, &dropped);
    Some(())
}

/// Posts that the new version no longer gives: their people are free for another plan.
fn forget_primaries(base: &mut Base, plan: PlanRef, type_number: u8, dropped: &[(ResponderRef, u8)]) {
    for (responder, tier) in dropped {
        let key = (*responder, type_number, *tier);
        if base.primaries.get(&key) == Some(&plan) {
            base.primaries.remove(&key);
        }
    }
}
