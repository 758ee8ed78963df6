//! What follows by itself: facts in, further facts out, deterministic; run to rest within the same unit, never in replay.

mod backup;
pub(crate) mod conversion;
pub(crate) mod escalation;
mod fatigue;
mod fill;
mod fill_lines;
mod organization;
mod period;
pub(crate) mod placement;
pub(crate) mod reach;
mod reassign;
mod rebase;
mod reinforcement;
mod reseat;
pub(crate) mod seats;
mod shelter;
pub(crate) mod shifts;
pub(crate) mod silence;
mod stand_down;
pub(crate) mod summons;

pub(crate) use backup::card_of;

use muster_proto::Event;
use muster_proto::v1::{self, ReleaseReason, ResponseLevel};

use crate::execute::{Draft, Emitted, Now};
use crate::ids::{CallRef, RealmRef};
use crate::state::{Counted, State, Timer};

/// What the policies know of a unit on their way through it.
#[derive(Default)]
pub(crate) struct Memory {
    /// Free people counted for decided lines, until something else is answered: between two lines nothing happens but their calls.
    counted: Counted,
}

/// The policies' answer to one fact, which is applied already.
pub(crate) fn react(state: &State, now: &Now<'_>, cause: &Emitted, memory: &mut Memory) -> Vec<Draft> {
    if let Event::FillLineDecided(body) = &cause.event {
        return fill_lines::decided(state, now, body, &mut memory.counted);
    }
    memory.counted.clear();
    match &cause.event {
        Event::AreaConverted(body) => conversion::raise(state, now, body),
        Event::PlanPublished(body) => rebase::published(state, body),
        Event::ConversionRebased(body) => rebase::rebased(state, now, body),
        Event::ResponderDetached(body) => rebase::after_unit(state, &body.unit_id),
        Event::ResponseChanged(body) => conversion::lower(state, body),
        Event::StandDownOrdered(body) => stand_down::order(state, body),
        Event::CallDeclined(body) => given_up(state, &body.call_id, ReleaseReason::Declined),
        Event::NoShowDeclared(body) => given_up(state, &body.call_id, ReleaseReason::NoShow),
        Event::CallUnanswered(body) => silence::unanswered(state, now, &body.call_id),
        Event::DutyReleased(body) => duty_ended(state, now, cause.realm, body),
        Event::AvailabilitySet(body) => reseat::availability(state, now, body),
        Event::PeopleReserved(body) => reassign::reserved(state, now, body),
        Event::ResponderReportedToCommunity(body) => reassign::moved(state, now, body),
        // Whom the former organization kept back it keeps no more.
        Event::ResponderTransferred(body) => reassign::free_again(state, now, std::slice::from_ref(&body.responder_id)),
        Event::SpecialtiesSet(body) => reassign::specialties(state, body),
        Event::RequirementSet(body) => reassign::seats_added(state, now, body),
        Event::ResponderWithdrawn(body) => reseat::withdrawn(state, &body.responder_id),
        Event::CheckedIn(body) => on_post(state, now, cause.realm, body),
        // Somebody who came without a call is on post with it.
        Event::ResponderCalled(body) if !body.whistle_id.is_empty() || !body.organization_call_id.is_empty() => {
            arrived(state, &body.whistle_id, &body.call_id)
        }
        Event::CheckedOut(body) => off_post(state, now, body),
        Event::PresenceSettled(body) => settled(state, now, cause.realm, body),
        Event::AreaRecalled(body) => shelter::recalled(state, body),
        Event::AreaResumed(body) => shelter::resumed(state, body),
        Event::SiteOpened(body) => shelter::opened(state, cause.realm, body).into_iter().collect(),
        Event::SiteResumed(body) => in_use_again(state, now, body),
        Event::ShiftOpened(body) => shifts::call_crew(state, now, &body.shift_id),
        Event::ShiftHeld(body) => shifts::held(state, cause, body),
        Event::ShiftClosed(body) => shifts::people_off(state, &body.shift_id),
        Event::HandedOver(body) => shifts::handed_over(state, now, body),
        Event::SiteClosed(body) => organization::site_closed(state, &body.site_id),
        Event::UnitDissolved(body) => rebase::after_unit(state, &body.unit_id),
        Event::PresenceDisputed(body) => stand_down::after_site(state, &body.other_site_id),
        Event::WhistleBlown(body) => fill::opened(state, now, body),
        Event::ReinforcementRequested(body) => fill::reinforced(state, now, body),
        Event::PeopleReleased(body) => reinforcement::answered(state, now, &body.whistle_id, &body.need_id),
        Event::ReinforcementRefused(body) => reinforcement::answered(state, now, &body.whistle_id, &body.need_id),
        Event::ReinforcementLapsed(body) => reinforcement::answered(state, now, &body.whistle_id, &body.need_id),
        Event::NeedFulfilled(body) => fill::after_arrival(state, &body.whistle_id),
        Event::PartConfirmed(body) => fill::part_confirmed(state, body),
        Event::DeliveryRecorded(body) => reach::after_delivery(state, now, body),
        Event::WhistleResolved(body) => fill::ended(state, &body.whistle_id),
        Event::WhistleWithdrawn(body) => fill::ended(state, &body.whistle_id),
        Event::WhistlesMerged(body) => fill::ended(state, &body.whistle_id),
        Event::FatigueRaised(body) => fatigue::raised(cause, body),
        _ => Vec::new(),
    }
}

fn duty_ended(state: &State, now: &Now<'_>, realm: RealmRef, body: &v1::DutyReleased) -> Vec<Draft> {
    // First, for what follows may dissolve the unit.
    let mut drafts = reseat::last_duty(state, &body.responder_id);
    drafts.extend(backup::after_release(state, now, body));
    drafts.extend(fill::after_release(state, now, body));
    drafts.extend(stand_down::after_call(state, &body.call_id));
    drafts.extend(shifts::after_release(state, now, body));
    drafts.extend(period::after_release(state, realm, body));
    drafts.extend(rebase::after_call(state, &body.call_id));
    drafts
}

fn on_post(state: &State, now: &Now<'_>, realm: RealmRef, body: &v1::CheckedIn) -> Vec<Draft> {
    let mut drafts = arrived(state, &body.whistle_id, &body.call_id);
    drafts.extend(stand_down::moved_on(state, realm, &body.responder_id));
    drafts.extend(period::after_sighting(state, now, realm, &body.responder_id));
    drafts.extend(shifts::after_arrival(state, now, &body.site_id));
    drafts
}

fn off_post(state: &State, now: &Now<'_>, body: &v1::CheckedOut) -> Vec<Draft> {
    let mut drafts = stand_down::off_post(state, now, &body.call_id);
    drafts.extend(stand_down::after_site(state, &body.site_id));
    drafts.extend(rebase::after_site(state, &body.site_id));
    drafts
}

fn settled(state: &State, now: &Now<'_>, realm: RealmRef, body: &v1::PresenceSettled) -> Vec<Draft> {
    let mut drafts = arrived(state, &body.whistle_id, &body.call_id);
    drafts.extend(stand_down::after_settling(state, realm, &body.responder_id));
    drafts.extend(period::after_sighting(state, now, realm, &body.responder_id));
    drafts
}

fn in_use_again(state: &State, now: &Now<'_>, body: &v1::SiteResumed) -> Vec<Draft> {
    let mut drafts = shelter::seats_again(state, now, body);
    shifts::resumed(state, now, &body.site_id, &mut drafts);
    drafts
}

/// What a timer stands for, now that it is due.
pub(crate) fn fire(state: &State, now: &Now<'_>, timer: Timer) -> Vec<Draft> {
    match timer {
        Timer::WhistleAcknowledge(key) => escalation::overdue(state, now, key),
        Timer::CallReply(key) => {
            let call = state.ops.calls.get(key);
            let event = Event::CallUnanswered(v1::CallUnanswered { call_id: key.text() });
            vec![Draft::new(event, call.realm, Some(call.area))]
        }
        Timer::OrganizationDeadline(key) => organization::overdue(state, key),
        Timer::SafetyDue(incident, area) => shelter::overdue(state, incident, area),
        Timer::ReinforcementDue(key) => reinforcement::lapsed(state, key),
        Timer::Reach(key) => reach::unanswered(state, now, key),
        Timer::AbsenceBegins(key) => reseat::absence_begins(state, key),
        Timer::ShiftOpens(key) => shifts::opens(state, now, key),
        Timer::ShiftEnds(key) => shifts::ends(state, now, key),
        Timer::Fatigue(realm, responder) => fatigue::reached(state, now, realm, responder),
        Timer::PeriodEnd(key) => period::ended(state, key),
        Timer::OrganizerMissing(key) => {
            let unit = state.ops.units.get(key);
            let event = Event::OrganizerGapOverdue(v1::OrganizerGapOverdue {
                unit_id: state.ops.units.id(key).to_owned(),
                since_ms: unit.organizer_due_ms - crate::limits::ORGANIZER_LIMIT_MS,
            });
            vec![Draft::new(event, state.ops.incidents.get(unit.incident).realm, Some(unit.area))]
        }
    }
}

/// Somebody is where a call leads: the whistle may be filled, the organization in.
fn arrived(state: &State, whistle_id: &str, call_id: &str) -> Vec<Draft> {
    let mut drafts = fill::after_arrival(state, whistle_id);
    drafts.extend(organization::after_arrival(state, call_id));
    drafts
}

/// A call that leads nowhere gives its duty up.
fn given_up(state: &State, call_id: &str, reason: ReleaseReason) -> Vec<Draft> {
    match CallRef::parse(call_id) {
        Some(key) if state.ops.calls.get(key).phase.open() => vec![summons::release(state, key, reason, None)],
        _ => Vec::new(),
    }
}

/// Levels compare as numbers; kept here so that no policy spells the conversion out.
fn level(number: i32) -> ResponseLevel {
    ResponseLevel::try_from(number).unwrap_or(ResponseLevel::Unspecified)
}
