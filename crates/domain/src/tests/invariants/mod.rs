//! What holds after every step of every history. Each is a naive count over the state that shares no code with the folds.

mod duties;
mod peacetime;

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{Availability, FatigueLevel, Origin, RiskLevel, SiteKind, UnitKind};
use muster_proto::{Command, Event, Touched, path_end, path_is_within};

use crate::execute::Emitted;
use crate::ids::ResponderRef;
use crate::state::{Call, CallPhase, OrganizationCallPhase, State, Timer};
use duties::*;
use peacetime::*;

pub(super) fn check(state: &State) {
    invariant_one_duty_a_person_and_realm_at_a_time(state);
    invariant_duties_stand_where_their_calls_say(state);
    invariant_seats_hold_at_most_one(state);
    invariant_shifts_hold_their_duties_and_rosters(state);
    invariant_a_roster_keeps_rest(state);
    invariant_no_whistle_is_lost(state);
    invariant_one_home_unit(state);
    invariant_units_form_a_tree(state);
    invariant_who_has_withdrawn_is_in_no_unit(state);
    invariant_presence_counts_are_naive_counts(state);
    invariant_presence_and_calls_agree(state);
    invariant_organization_calls_are_listed(state);
    invariant_one_organization_leads(state);
    invariant_timers_are_those_the_state_calls_for(state);
    invariant_conversions_end(state);
    invariant_only_the_standing_fill_proposal_has_lines(state);
    invariant_recalls_suspend_outdoor_sites(state);
    invariant_closed_means_empty(state);
    invariant_the_base_is_a_tree_with_people(state);
    invariant_callable_people_are_a_naive_count(state);
    invariant_a_zone_is_closed_once_its_risk_is_lifted(state);
    invariant_agreements_hold_between_those_who_signed(state);
    invariant_who_is_gone_answers_for_nothing(state);
    invariant_nobody_is_erased_who_is_needed(state);
    invariant_an_exercise_is_never_seen_in_actual(state);
}

pub(super) fn invariant_no_whistle_is_lost(state: &State) {
    let root = state.base.areas.iter().next().map(|(key, _)| key);
    for (key, whistle) in state.ops.whistles.iter() {
        let id = state.ops.whistles.id(key);
        let listed = whistle.incident.is_none_or(|incident| state.ops.incidents.get(incident).open_whistles.contains(&key));
        assert_eq!(listed, whistle.phase.open() || whistle.incident.is_none(), "{id} among the open whistles of its incident");
        let waiting = whistle.acknowledge_due_ms != 0;
        if whistle.phase.open() && !whistle.acknowledged && Some(whistle.responsible) != root {
            assert!(waiting, "{id} is not acknowledged, and nothing will escalate it");
        }
        assert!(!waiting || (whistle.phase.open() && !whistle.acknowledged), "{id} waits for an acknowledgement without need");
        for call in whistle.needs.iter().filter(|need| need.confirmed).flat_map(|need| &need.calls) {
            assert_eq!(state.ops.calls.get(*call).phase, CallPhase::Recalled, "a part of {id} is done: its people come off");
        }
        if !whistle.phase.open() {
            for call in whistle.needs.iter().flat_map(|need| &need.calls) {
                assert_eq!(state.ops.calls.get(*call).phase, CallPhase::Recalled, "{id} is over: its people come off");
            }
        }
    }
}

pub(super) fn invariant_one_home_unit(state: &State) {
    for (key, incident) in state.ops.incidents.iter() {
        let mut homes = BTreeMap::new();
        for (unit_key, unit) in state.ops.units.iter().filter(|(_, unit)| unit.incident == key) {
            for member in &unit.members {
                let before = homes.insert(*member, unit_key);
                assert_eq!(before, None, "{} has two home units", state.base.responders.id(*member));
            }
        }
        assert_eq!(incident.home_units, homes, "home units of {}", state.ops.incidents.id(key));
    }
}

pub(super) fn invariant_units_form_a_tree(state: &State) {
    let mut children = BTreeMap::new();
    for (_, unit) in state.ops.units.iter().filter(|(_, unit)| !unit.dissolved) {
        if let Some(parent) = unit.parent {
            *children.entry(parent).or_insert(0_u32) += 1;
        }
    }
    for (key, unit) in state.ops.units.iter() {
        let id = state.ops.units.id(key);
        assert_eq!(unit.children, children.get(&key).copied().unwrap_or(0), "units below {id}");
        assert!(unit.parent.is_none_or(|parent| parent < key), "{id} stands below an older unit");
        if let Some(secretary) = unit.secretary {
            assert!(unit.members.contains(&secretary) || unit.extra_seats.contains(&secretary), "{id} is led from outside");
        }
        if unit.dissolved {
            assert!(unit.members.is_empty() && unit.extra_seats.is_empty() && unit.secretary.is_none(), "{id} is dissolved, not empty");
        }
        let own = state.ops.incidents.get(unit.incident).own_units.contains(&key);
        assert_eq!(own, unit.plan.is_none() && !unit.dissolved, "{id} among the units made by hand");
    }
}

/// Whoever has withdrawn belongs to a unit, and has an office in it, only until they have come off a duty that names it.
pub(super) fn invariant_who_has_withdrawn_is_in_no_unit(state: &State) {
    for (key, unit) in state.ops.units.iter().filter(|(_, unit)| !unit.dissolved) {
        let people = unit.members.iter().chain(&unit.extra_seats).chain(&unit.secretary).chain(&unit.organizer);
        for who in people.filter(|who| state.base.responders.get(**who).withdrawn) {
            let comes_off = |call: &Call| call.responder == *who && call.unit == Some(key) && call.phase == CallPhase::Recalled;
            let (unit, person) = (state.ops.units.id(key), state.base.responders.id(*who));
            assert!(state.ops.calls.iter().any(|(_, call)| comes_off(call)), "{person} has withdrawn and is in {unit}");
        }
    }
}

pub(super) fn invariant_timers_are_those_the_state_calls_for(state: &State) {
    let mut wanted = BTreeSet::new();
    for (key, whistle) in state.ops.whistles.iter().filter(|(_, whistle)| whistle.acknowledge_due_ms != 0) {
        wanted.insert((whistle.acknowledge_due_ms, Timer::WhistleAcknowledge(key)));
    }
    for (key, call) in state.ops.calls.iter().filter(|(_, call)| call.reply_due_ms != 0) {
        assert_eq!(call.phase, CallPhase::Summoned, "only who has not answered is waited for");
        wanted.insert((call.reply_due_ms, Timer::CallReply(key)));
    }
    for (key, call) in state.ops.calls.iter().filter(|(_, call)| call.period_due_ms != 0) {
        assert!(call.phase.open() && call.until_ms != 0, "only a standing duty with an end is looked at");
        wanted.insert((call.period_due_ms, Timer::PeriodEnd(key)));
    }
    for (key, call) in state.ops.organization_calls.iter().filter(|(_, call)| call.deadline_ms != 0) {
        assert!(call.phase < OrganizationCallPhase::ReportedIn, "only who has not come is waited for");
        wanted.insert((call.deadline_ms, Timer::OrganizationDeadline(key)));
    }
    for (key, reach) in &state.ops.reaching {
        assert_eq!(state.ops.calls.get(*key).phase, CallPhase::Summoned, "only who has not answered is sought");
        assert!(
            state.ops.deliveries.get(key).is_some_and(|told| !told.is_over()),
            "nobody is sought before a first message or after the last"
        );
        wanted.insert((reach.due_ms, Timer::Reach(*key)));
    }
    for (key, request) in state.ops.requests.iter().filter(|(_, request)| request.due_ms != 0) {
        let whistle = state.ops.whistles.get(request.whistle);
        let need = &whistle.needs[usize::from(request.need)];
        assert!(whistle.phase.open() && !need.confirmed && need.request == Some(key), "only what is still needed is asked for");
        wanted.insert((request.due_ms, Timer::ReinforcementDue(key)));
    }
    for (key, unit) in state.ops.units.iter().filter(|(_, unit)| unit.organizer_due_ms != 0) {
        assert!(!unit.dissolved && unit.organizer.is_none() && unit.kind != UnitKind::VanguardTeam);
        wanted.insert((unit.organizer_due_ms, Timer::OrganizerMissing(key)));
    }
    for (key, incident) in state.ops.incidents.iter() {
        for (area, recall) in incident.recalls.iter().filter(|(_, recall)| recall.due_ms != 0) {
            wanted.insert((recall.due_ms, Timer::SafetyDue(key, *area)));
        }
    }
    for (realm, held) in state.ops.realms.iter() {
        for (who, work) in held.work.iter().filter(|(_, work)| work.due_ms != 0) {
            assert!(held.presence.get(who).is_some_and(crate::state::Presence::counts), "only who is on post gets tired");
            assert_ne!(work.level, FatigueLevel::Red, "nothing is waited for beyond the last limit");
            wanted.insert((work.due_ms, Timer::Fatigue(realm, *who)));
        }
    }
    for (key, person) in state.base.responders.iter().filter(|(_, person)| person.absence_due_ms != 0) {
        assert!(!person.withdrawn && person.absence_due_ms == person.availability_from_ms, "only an absence to come is waited for");
        wanted.insert((person.absence_due_ms, Timer::AbsenceBegins(key)));
    }
    for (key, shift) in state.ops.shifts.iter() {
        wanted.extend((shift.opens_due_ms != 0).then_some((shift.opens_due_ms, Timer::ShiftOpens(key))));
        wanted.extend((shift.ends_due_ms != 0).then_some((shift.ends_due_ms, Timer::ShiftEnds(key))));
    }
    assert_eq!(state.ops.timers, wanted);
}

pub(super) fn invariant_only_the_standing_fill_proposal_has_lines(state: &State) {
    let mut standing = BTreeMap::new();
    for (key, proposal) in state.ops.fills.iter() {
        // The last one of a realm and area.
        standing.insert((proposal.realm, proposal.area), key);
    }
    assert_eq!(state.ops.open_fills, standing);
    for (key, proposal) in state.ops.fills.iter() {
        let id = state.ops.fills.id(key);
        assert!(proposal.lines.is_empty() || standing.values().any(|open| *open == key), "{id} was replaced and has lines");
        for line in proposal.lines.values() {
            let whistle = state.ops.whistles.get(line.whistle);
            assert_eq!(whistle.realm, proposal.realm, "{id} has a line of another realm");
            assert!(usize::from(line.need) < whistle.needs.len());
        }
    }
}

pub(super) fn invariant_recalls_suspend_outdoor_sites(state: &State) {
    for (key, site) in state.ops.sites.iter() {
        let (id, realm) = (state.ops.sites.id(key), state.ops.incidents.get(site.incident).realm);
        let recalled = state.ops.incidents.iter().any(|(_, incident)| incident.realm == realm && !incident.recalls.is_empty());
        assert!(!site.suspended || (recalled && !site.closed && site.outdoors()), "{id} is suspended, and nothing is recalled");
    }
    for (_, incident) in state.ops.incidents.iter() {
        assert!(!incident.closed || incident.recalls.is_empty(), "a closed incident takes no shelter");
        for recall in incident.recalls.values() {
            assert!(recall.unaccounted.keys().all(|who| !recall.safe.contains(who)), "nobody is safe and unaccounted for");
        }
    }
}

pub(super) fn invariant_conversions_end(state: &State) {
    for (incident_key, incident) in state.ops.incidents.iter() {
        for (plan, conversion) in &incident.conversions {
            let sites = || conversion.sites.iter().flatten().chain(&conversion.former_sites).map(|key| state.ops.sites.get(*key));
            let units = || conversion.units.iter().flatten().chain(&conversion.former_units).map(|key| state.ops.units.get(*key));
            let busy = !conversion.duties.is_empty()
                || sites().any(|site| site.duties > 0 || site.present > 0)
                || units().any(|unit| unit.duties > 0);
            let name = format!("{} of {}", state.base.plans.id(*plan), state.ops.incidents.id(incident_key));
            if conversion.stood_down {
                assert!(!busy && sites().all(|site| site.closed) && units().all(|unit| unit.dissolved), "{name} left something behind");
            } else if conversion.standing_down {
                assert!(busy, "{name} is standing down and waits for nobody");
                for key in &conversion.duties {
                    assert_eq!(state.ops.calls.get(*key).phase, CallPhase::Recalled, "{name} is standing down: its people come off");
                }
            }
            if conversion.standing_down {
                assert!(incident.standby.values().all(|by| by != plan), "{name} keeps people standing by");
            }
        }
    }
}

pub(super) fn invariant_closed_means_empty(state: &State) {
    for (key, site) in state.ops.sites.iter().filter(|(_, site)| site.closed) {
        let id = state.ops.sites.id(key);
        assert!(site.duties == 0 && site.present == 0, "{id} is closed with people in it");
        let waiting = |key| state.ops.organization_calls.get(key).phase < OrganizationCallPhase::ReportedIn;
        assert!(!site.organization_calls.iter().any(|call| waiting(*call)), "{id} is closed, and an organization is called to it");
    }
    for (key, incident) in state.ops.incidents.iter() {
        let own: BTreeSet<_> = state
            .ops
            .sites
            .iter()
            .filter(|(_, site)| site.incident == key && site.plan.is_none() && !site.closed)
            .map(|(key, _)| key)
            .collect();
        assert_eq!(incident.own_sites, own, "sites opened by hand");
        for (who, calls) in &state.ops.realms.get(incident.realm).duties {
            let here = calls.iter().any(|call| state.ops.calls.get(*call).incident == Some(key));
            let name = state.base.responders.id(*who);
            assert!(!here || !incident.standby.contains_key(who), "{name} stands by for an incident that gave them a duty");
        }
        if incident.closed {
            assert!(incident.duties.is_empty() && incident.open_whistles.is_empty() && incident.standby.is_empty());
            assert!(incident.responses.is_empty() && incident.own_sites.is_empty() && incident.own_units.is_empty());
            assert!(incident.home_units.is_empty() && incident.conversions.values().all(|conversion| conversion.stood_down));
        }
    }
}

pub(super) fn invariant_a_zone_is_closed_once_its_risk_is_lifted(state: &State) {
    for (key, site) in state.ops.sites.iter() {
        let id = state.ops.sites.id(key);
        assert!(site.kind == SiteKind::RiskZone || site.risk == RiskLevel::Unspecified, "{id} has a risk and is no zone");
        assert!(site.grids.is_empty() || matches!(site.kind, SiteKind::RiskZone | SiteKind::MobilePatrol), "{id} is no list of grids");
        assert_eq!(site.grids.iter().collect::<BTreeSet<_>>().len(), site.grids.len(), "{id} lists each grid once");
        assert!(!(site.closed && site.at_risk()), "{id} was closed at risk");
        let empty = site.grids.is_empty();
        assert!(!(site.at_risk() && empty), "{id} is at risk nowhere");
        assert!(site.closed || site.grids.iter().all(|grid| !state.base.areas.get(*grid).retired), "{id} covers a grid that is gone");
    }
}

/// Whoever is away, or will be within a duty to come that has an end, has been taken off it, and does not stand by. What happens at the very moment
/// that an absence begins may come before its own timer.
pub(super) fn invariant_who_is_away_has_no_duty(state: &State, now_ms: i64) {
    let absent = |who: ResponderRef, from_ms: i64, until_ms: i64| {
        let person = state.base.responders.get(who);
        let ends_ms = if person.availability_until_ms == 0 { i64::MAX } else { person.availability_until_ms };
        let is_absence = !matches!(person.availability, Availability::Available | Availability::Unspecified);
        is_absence && person.availability_from_ms < until_ms && from_ms < ends_ms
    };
    for (key, call) in state.ops.calls.iter().filter(|(_, call)| call.phase.open() && call.phase != CallPhase::Recalled) {
        let now_or_then = if call.from_ms > now_ms { call.from_ms + 1 } else { now_ms };
        let asked_until_ms = if call.from_ms > now_ms && call.until_ms != 0 { call.until_ms } else { now_or_then };
        assert!(!absent(call.responder, call.from_ms.max(now_ms), asked_until_ms), "{} is somebody's who is away", key.text());
        assert!(!state.base.responders.get(call.responder).withdrawn, "{} is somebody's who has withdrawn", key.text());
    }
    for who in state.ops.incidents.iter().flat_map(|(_, incident)| incident.standby.keys()) {
        assert!(!absent(*who, now_ms, now_ms), "{} stands by and is away", state.base.responders.id(*who));
    }
}

/// A shift does not close below its minimum without a handover or a signed waiver: told by the record of the close itself.
pub(super) fn invariant_no_shift_closes_below_its_minimum(emitted: &[Emitted]) {
    for record in emitted {
        if let Event::ShiftClosed(body) = &record.event {
            let let_go = body.handed_over || !body.waiver_reason.is_empty();
            assert!(body.on_post >= body.minimum || let_go, "{} is closed with {} of {}", body.shift_id, body.on_post, body.minimum);
        }
    }
}

/// Who checks rights asks where a command takes effect: what the command itself records lies there, or below. What policies
/// add is theirs.
pub(super) fn invariant_a_command_takes_effect_where_it_touches(state: &State, touched: &Touched, command: &Command, emitted: &[Emitted]) {
    // What a donor gives takes effect where it goes; the donor's right is to give it.
    if matches!(command, Command::ReleasePeople(_) | Command::RefuseReinforcement(_)) {
        return;
    }
    for record in emitted.iter().filter(|record| record.origin == Origin::External) {
        let Some(area) = record.area else { continue };
        let path = state.area_path(Some(area));
        let inside = touched.places.iter().any(|place| path_is_within(&path, path_end(place)));
        // An area that is only being defined is known by its parent; the first one of all has none.
        let first = matches!(command, Command::DefineArea(body) if body.parent_id.is_empty());
        assert!(inside || first, "{command:?} touches {:?} and takes effect in {path:?}: {:?}", touched.places, record.event);
    }
}
