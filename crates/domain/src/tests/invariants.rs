//! What holds after every step of every history. Each is a naive count over the state that shares no code with the folds.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{FatigueLevel, Origin, RiskLevel, SiteKind, UnitKind};
use muster_proto::{Command, Event, Touched, path_end, path_is_within};

use crate::execute::Emitted;
use crate::ids::{CallRef, Dense as _};
use crate::state::{CallPhase, Erasure, OrganizationCallPhase, Place, ShiftPhase, State, Timer};

pub(super) fn check(state: &State) {
    invariant_one_duty_a_person_and_realm_at_a_time(state);
    invariant_duties_stand_where_their_calls_say(state);
    invariant_seats_hold_at_most_one(state);
    invariant_shifts_hold_their_duties_and_rosters(state);
    invariant_a_roster_keeps_rest(state);
    invariant_no_whistle_is_lost(state);
    invariant_one_home_unit(state);
    invariant_units_form_a_tree(state);
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
    invariant_a_zone_is_closed_once_its_risk_is_lifted(state);
    invariant_agreements_hold_between_those_who_signed(state);
    invariant_who_is_gone_answers_for_nothing(state);
    invariant_nobody_is_erased_who_is_needed(state);
    invariant_an_exercise_is_never_seen_in_actual(state);
}

fn open_calls(state: &State) -> impl Iterator<Item = (CallRef, &crate::state::Call)> {
    state.ops.calls.iter().filter(|(_, call)| call.phase.open())
}

pub(super) fn invariant_one_duty_a_person_and_realm_at_a_time(state: &State) {
    let end = |until_ms: i64| if until_ms == 0 { i64::MAX } else { until_ms };
    let mut periods: BTreeMap<_, Vec<(i64, i64, CallRef)>> = BTreeMap::new();
    for (key, call) in open_calls(state) {
        periods.entry((call.realm, call.responder)).or_default().push((call.from_ms, end(call.until_ms), key));
    }
    for ((_, responder), mut held) in periods {
        held.sort_unstable();
        for pair in held.windows(2) {
            let who = state.base.responders.id(responder);
            assert!(pair[0].1 <= pair[1].0, "{who} holds two duties at a time: {:?} and {:?}", pair[0], pair[1]);
        }
    }
}

pub(super) fn invariant_duties_stand_where_their_calls_say(state: &State) {
    let mut by_person: BTreeMap<_, BTreeSet<CallRef>> = BTreeMap::new();
    let mut by_incident: BTreeMap<_, BTreeSet<CallRef>> = BTreeMap::new();
    let mut by_conversion: BTreeMap<_, BTreeSet<CallRef>> = BTreeMap::new();
    let mut by_need: BTreeMap<_, BTreeSet<CallRef>> = BTreeMap::new();
    let (mut by_site, mut by_unit) = (BTreeMap::new(), BTreeMap::new());
    for (key, call) in open_calls(state) {
        by_person.entry((call.realm, call.responder)).or_default().insert(key);
        if let Some(incident) = call.incident {
            by_incident.entry(incident).or_default().insert(key);
            assert_eq!(state.ops.incidents.get(incident).realm, call.realm, "a duty stands in its incident's realm");
        }
        if let Some((incident, plan)) = call.incident.zip(call.plan) {
            by_conversion.entry((incident, plan)).or_default().insert(key);
        }
        if let Some((whistle, need)) = call.whistle.zip(call.need) {
            by_need.entry((whistle, need)).or_default().insert(key);
        }
        if let Some(site) = call.site {
            *by_site.entry(site).or_insert(0_u32) += 1;
        }
        if let Some(unit) = call.unit {
            *by_unit.entry(unit).or_insert(0_u32) += 1;
            assert!(state.ops.units.get(unit).members.contains(&call.responder), "who has a duty in a unit is its member");
        }
    }
    for (realm, held) in state.ops.realms.iter() {
        let listed: BTreeMap<_, BTreeSet<CallRef>> =
            held.duties.iter().map(|(who, calls)| (*who, calls.iter().copied().collect())).collect();
        let counted: BTreeMap<_, _> =
            by_person.iter().filter(|((at, _), _)| *at == realm).map(|((_, who), calls)| (*who, calls.clone())).collect();
        assert_eq!(listed, counted, "duties by person");
    }
    for (key, incident) in state.ops.incidents.iter() {
        assert_eq!(incident.duties, by_incident.remove(&key).unwrap_or_default(), "duties of {}", state.ops.incidents.id(key));
        for (plan, conversion) in &incident.conversions {
            assert_eq!(conversion.duties, by_conversion.remove(&(key, *plan)).unwrap_or_default(), "duties of a conversion");
        }
    }
    assert!(by_conversion.is_empty(), "a duty names a plan that is not converted: {by_conversion:?}");
    for (key, whistle) in state.ops.whistles.iter() {
        for (at, need) in (0_u16..).zip(&whistle.needs) {
            let listed: BTreeSet<_> = need.calls.iter().copied().collect();
            assert_eq!(listed.len(), need.calls.len());
            assert_eq!(listed, by_need.remove(&(key, at)).unwrap_or_default(), "duties for a need");
        }
    }
    for (key, site) in state.ops.sites.iter() {
        assert_eq!(site.duties, by_site.get(&key).copied().unwrap_or(0), "duties at {}", state.ops.sites.id(key));
    }
    for (key, unit) in state.ops.units.iter() {
        assert_eq!(unit.duties, by_unit.get(&key).copied().unwrap_or(0), "duties in {}", state.ops.units.id(key));
    }
}

pub(super) fn invariant_seats_hold_at_most_one(state: &State) {
    for (key, site) in state.ops.sites.iter() {
        let ids: BTreeSet<_> = site.seats.iter().map(|seat| &seat.id).collect();
        assert_eq!(ids.len(), site.seats.len(), "seats of a site have ids of their own");
        for (at, seat) in (0_u16..).zip(&site.seats) {
            for holder in seat.holder.into_iter().chain(seat.relief) {
                let call = state.ops.calls.get(holder);
                assert!(call.phase.open() && call.site == Some(key) && call.seat == Some(at), "{} and its holder disagree", seat.id);
            }
            if let Some(next) = seat.relief {
                let held = state.ops.calls.get(seat.holder.expect("who follows follows somebody"));
                assert!(held.until_ms != 0 && held.until_ms <= state.ops.calls.get(next).from_ms, "{} has two duties at a time", seat.id);
            }
        }
    }
    for (key, call) in open_calls(state) {
        if let Some((site, seat)) = call.site.zip(call.seat) {
            let seat = &state.ops.sites.get(site).seats[usize::from(seat)];
            assert!(seat.holder == Some(key) || seat.relief == Some(key), "a duty's seat is held by it");
        }
    }
}

pub(super) fn invariant_shifts_hold_their_duties_and_rosters(state: &State) {
    let mut calls: BTreeMap<_, BTreeSet<CallRef>> = BTreeMap::new();
    for (key, call) in open_calls(state) {
        if let Some(shift) = call.shift {
            calls.entry(shift).or_default().insert(key);
            assert_eq!(call.site, Some(state.ops.shifts.get(shift).site), "a shift's duty is at its site");
        }
    }
    let mut rosters = BTreeMap::new();
    for (key, shift) in state.ops.shifts.iter() {
        let id = state.ops.shifts.id(key);
        assert_eq!(shift.calls, calls.remove(&key).unwrap_or_default(), "duties of {id}");
        let site = state.ops.sites.get(shift.site);
        assert!(site.shifts.contains(&key), "{id} among the shifts of its site");
        assert!(!site.closed || shift.phase == ShiftPhase::Closed, "{id} runs at a closed site");
        assert_eq!(shift.opens_due_ms != 0, shift.phase == ShiftPhase::Planned, "{id} waits to be opened");
        assert_eq!(shift.ends_due_ms != 0, shift.running(), "the end of {id} is looked at");
        for call in shift.calls.iter().filter(|_| shift.phase == ShiftPhase::Closed) {
            assert_eq!(state.ops.calls.get(*call).phase, CallPhase::Recalled, "{id} is closed: its people come off");
        }
        let realm = state.ops.incidents.get(site.incident).realm;
        for (_, who) in &shift.roster {
            let gone = shift.phase == ShiftPhase::Planned && state.base.responders.get(*who).withdrawn;
            assert!(!gone, "{id} counts on somebody who has withdrawn");
            rosters.entry((realm, *who)).or_insert_with(BTreeSet::new).insert(key);
        }
    }
    for (realm, held) in state.ops.realms.iter() {
        for (who, shifts) in &held.rosters {
            let listed: BTreeSet<_> = shifts.iter().copied().collect();
            assert_eq!(Some(listed), rosters.remove(&(realm, *who)), "shifts of {}", state.base.responders.id(*who));
        }
    }
    assert!(rosters.is_empty(), "rostered, and the realm does not know: {rosters:?}");
}

/// Between two shifts of a person lies the rest due after the first: half of it, eight hours after eight, none after less than two.
pub(super) fn invariant_a_roster_keeps_rest(state: &State) {
    let hour_ms = 3_600_000;
    for (_, held) in state.ops.realms.iter() {
        for (who, shifts) in &held.rosters {
            let mut periods: Vec<_> =
                shifts.iter().map(|key| state.ops.shifts.get(*key)).map(|shift| (shift.from_ms, shift.until_ms)).collect();
            periods.sort_unstable();
            for pair in periods.windows(2) {
                let (worked_ms, rest_ms) = (pair[0].1 - pair[0].0, pair[1].0 - pair[0].1);
                let due_ms = match worked_ms / hour_ms {
                    0..2 => 0,
                    2..8 => worked_ms / 2,
                    _ => 8 * hour_ms,
                };
                assert!(rest_ms >= due_ms, "{} is rostered without rest", state.base.responders.id(*who));
            }
        }
    }
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

pub(super) fn invariant_presence_counts_are_naive_counts(state: &State) {
    let mut present = BTreeMap::new();
    for (realm, held) in state.ops.realms.iter() {
        for presence in held.presence.values().filter(|presence| presence.disputed_with.is_none() && !presence.unconfirmed) {
            if let Some(place) = presence.place {
                *present.entry(place).or_insert(0_u32) += 1;
                let at = match place {
                    Place::Site(key) => state.ops.incidents.get(state.ops.sites.get(key).incident).realm,
                    Place::Whistle(key) => state.ops.whistles.get(key).realm,
                };
                assert_eq!(at, realm, "somebody is seen in a place of another realm");
            }
        }
    }
    for (key, site) in state.ops.sites.iter() {
        let counted = present.get(&Place::Site(key)).copied().unwrap_or(0);
        assert_eq!(site.present, counted, "present at {}", state.ops.sites.id(key));
    }
    for (key, whistle) in state.ops.whistles.iter() {
        let counted = present.get(&Place::Whistle(key)).copied().unwrap_or(0);
        assert_eq!(whistle.present, counted, "present for {}", state.ops.whistles.id(key));
    }
}

pub(super) fn invariant_presence_and_calls_agree(state: &State) {
    let mut on_post = BTreeSet::new();
    for (realm, held) in state.ops.realms.iter() {
        for (who, presence) in &held.presence {
            let Some(key) = presence.call else { continue };
            let call = state.ops.calls.get(key);
            assert!(call.phase.open() && call.responder == *who && call.realm == realm, "presence names the person's own open duty");
            let place = call.site.map(Place::Site).or(call.whistle.map(Place::Whistle));
            assert_eq!(presence.place, place, "presence is where the duty is");
            if presence.disputed_with.is_none() && !presence.unconfirmed {
                assert!(matches!(call.phase, CallPhase::OnPost | CallPhase::Recalled), "{} is {:?} and on post", key.text(), call.phase);
                on_post.insert(key);
            } else {
                assert_ne!(call.phase, CallPhase::OnPost, "disputed and unconfirmed presence counts nowhere");
            }
        }
    }
    for (key, _) in open_calls(state).filter(|(_, call)| call.phase == CallPhase::OnPost) {
        assert!(on_post.contains(&key), "{} is on post, and nobody is seen there", key.text());
    }
    for (key, call) in open_calls(state).filter(|(_, call)| call.phase == CallPhase::Recalled) {
        let known = state.ops.realms.get(call.realm).presence.get(&call.responder);
        assert!(known.is_some_and(|known| known.call == Some(key)), "{} waits for a check-out that cannot come", key.text());
    }
}

pub(super) fn invariant_organization_calls_are_listed(state: &State) {
    let (mut by_site, mut by_whistle) = (BTreeMap::new(), BTreeMap::new());
    let mut named = BTreeMap::new();
    for (key, call) in state.ops.organization_calls.iter() {
        if call.phase <= OrganizationCallPhase::ReportedIn {
            if let Some(site) = call.site {
                by_site.entry(site).or_insert_with(Vec::new).push(key);
            }
            if let Some(whistle) = call.whistle {
                by_whistle.entry(whistle).or_insert_with(Vec::new).push(key);
            }
        }
        named.extend(call.calls.iter().map(|call| (*call, key)));
    }
    for (key, site) in state.ops.sites.iter() {
        assert_eq!(site.organization_calls, by_site.remove(&key).unwrap_or_default(), "organizations called to a site");
    }
    for (key, whistle) in state.ops.whistles.iter() {
        assert_eq!(whistle.organization_calls, by_whistle.remove(&key).unwrap_or_default(), "organizations called for a whistle");
    }
    for (key, call) in state.ops.calls.iter() {
        assert_eq!(call.organization_call, named.get(&key).copied(), "{} and the organization that named its person", key.text());
    }
}

pub(super) fn invariant_one_organization_leads(state: &State) {
    let leads = |calls: &[_]| calls.iter().filter(|key| state.ops.organization_calls.get(**key).lead).count();
    for (key, site) in state.ops.sites.iter() {
        assert!(leads(&site.organization_calls) <= 1, "two organizations lead at {}", state.ops.sites.id(key));
    }
    for (key, whistle) in state.ops.whistles.iter() {
        assert!(leads(&whistle.organization_calls) <= 1, "two organizations lead for {}", state.ops.whistles.id(key));
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

pub(super) fn invariant_agreements_hold_between_those_who_signed(state: &State) {
    for (key, agreement) in state.base.agreements.iter() {
        let id = state.base.agreements.id(key);
        let signed = agreement.sides.iter().filter(|side| !side.document_no.is_empty()).count();
        assert!(signed > 0 && agreement.sides.len() > 1, "{id} has sides, and one of them has signed");
        assert_eq!(agreement.in_force, signed == agreement.sides.len(), "{id} is in force once all have signed");
        let gone = agreement.areas().any(|area| state.base.areas.get(area).retired);
        assert!(agreement.ended || !gone, "a side of {id} is retired");
    }
    for (key, incident) in state.ops.incidents.iter() {
        assert!(!incident.closed || incident.invoked.is_empty(), "a closed incident shares nothing");
        for (agreement, unit) in &incident.invoked {
            let (id, agreement) = (state.base.agreements.id(*agreement), state.base.agreements.get(*agreement));
            let unit = state.ops.units.get(*unit);
            assert!(agreement.in_force && !agreement.ended, "{id} is invoked and does not hold");
            assert!(!unit.dissolved && unit.incident == key && unit.kind == UnitKind::JointCommittee, "{id} has its joint committee");
            assert!(agreement.areas().any(|side| side == unit.area), "the joint committee of {id} is of a side");
        }
    }
}

pub(super) fn invariant_who_is_gone_answers_for_nothing(state: &State) {
    for ((area, _, who), (from_ms, until_ms)) in &state.base.responsibilities {
        let (area, person) = (state.base.areas.get(*area), state.base.responders.get(*who));
        assert!(!area.retired && !person.withdrawn, "who answers for an area is there, and so is the area");
        assert!(*until_ms == 0 || from_ms < until_ms, "a responsibility ends after it begins");
    }
}

pub(super) fn invariant_nobody_is_erased_who_is_needed(state: &State) {
    let actual = state.ops.actual();
    for (who, erasure) in &state.base.erasures {
        let id = state.base.responders.id(*who);
        assert!(state.base.responders.get(*who).withdrawn, "{id} is to be erased and has not withdrawn");
        if *erasure == Erasure::Erased {
            assert!(!state.base.holds.contains_key(who), "{id} was erased under a hold");
            assert!(state.ops.duties(actual, *who).is_empty(), "{id} was erased and has a duty");
        }
    }
}

pub(super) fn invariant_the_base_is_a_tree_with_people(state: &State) {
    let base = &state.base;
    for (key, area) in base.areas.iter() {
        let id = base.areas.id(key);
        assert_eq!(area.parent.is_none(), key.index() == 0, "{id}: one root");
        if let Some(parent) = area.parent {
            let parent = base.areas.get(parent);
            assert!((parent.level as i32) < area.level as i32, "{id} stands below its parent");
            assert_eq!(parent.children.iter().filter(|child| **child == key).count(), usize::from(!area.retired), "{id} among children");
        }
        assert!(!area.retired || (area.children.is_empty() && area.residents.is_empty() && area.plans.is_empty()), "{id} is in use");
        for resident in &area.residents {
            assert_eq!(base.responders.get(*resident).area, Some(key), "residents of {id} are at home there");
        }
    }
    for (key, person) in base.responders.iter() {
        let listed = base.areas.iter().flat_map(|(_, area)| &area.residents).filter(|resident| **resident == key).count();
        assert_eq!(listed, usize::from(person.area.is_some()), "{} has one home", base.responders.id(key));
        assert!(!person.withdrawn || person.area.is_none());
        let kept = base.organizations.iter().filter(|(_, organization)| organization.reserved.contains(&key)).count();
        assert_eq!(kept, usize::from(person.reserved), "{} is kept back by the own organization", base.responders.id(key));
    }
    for (key, organization) in base.organizations.iter() {
        let id = base.organizations.id(key);
        let titles: BTreeSet<_> = organization.holders.iter().map(|(title, _)| title).collect();
        assert_eq!(titles.len(), organization.holders.len(), "an office of {id} has one holder");
        assert!(organization.holders.iter().all(|(_, holder)| !base.responders.get(*holder).withdrawn), "{id} is led by who has withdrawn");
    }
    for (_, plan) in base.plans.iter() {
        let tiers: BTreeSet<_> = plan.published.iter().map(|version| version.version).collect();
        assert_eq!(tiers.len(), plan.published.len(), "versions are numbered");
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

/// 演练: nothing of an exercise stands in the actual realm, and nothing of the actual in an exercise.
pub(super) fn invariant_an_exercise_is_never_seen_in_actual(state: &State) {
    for (_, call) in state.ops.calls.iter() {
        let incident = call.incident.map(|key| state.ops.incidents.get(key).realm);
        let site = call.site.map(|key| state.ops.incidents.get(state.ops.sites.get(key).incident).realm);
        let unit = call.unit.map(|key| state.ops.incidents.get(state.ops.units.get(key).incident).realm);
        let whistle = call.whistle.map(|key| state.ops.whistles.get(key).realm);
        for realm in [incident, site, unit, whistle].into_iter().flatten() {
            assert_eq!(realm, call.realm, "a duty of one realm leads into another");
        }
    }
    for (_, call) in state.ops.organization_calls.iter() {
        let whistle = call.whistle.map(|key| state.ops.whistles.get(key).realm);
        assert!(whistle.is_none_or(|realm| realm == call.realm), "an organization is called in one realm for a whistle of another");
    }
    for (_, whistle) in state.ops.whistles.iter() {
        let incident = whistle.incident.map(|key| state.ops.incidents.get(key).realm);
        assert!(incident.is_none_or(|realm| realm == whistle.realm), "a whistle of one realm belongs to an incident of another");
    }
    for (realm, held) in state.ops.realms.iter() {
        for shift in held.rosters.values().flatten() {
            let site = state.ops.sites.get(state.ops.shifts.get(*shift).site);
            assert_eq!(state.ops.incidents.get(site.incident).realm, realm, "rostered in one realm for a shift of another");
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
