//! Duties, presence and rosters: who is where by order and by observation, and who counts them.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::CallRef;
use crate::state::{CallPhase, OrganizationCallPhase, Place, ShiftPhase, State};

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
        for seat in &site.seats {
            for holder in seat.holder.into_iter().chain(seat.relief) {
                let call = state.ops.calls.get(holder);
                assert!(
                    call.phase.open() && call.site == Some(key) && call.seat.as_ref() == Some(&seat.id),
                    "{} and its holder disagree",
                    seat.id
                );
            }
            if let Some(next) = seat.relief {
                let held = state.ops.calls.get(seat.holder.expect("who follows follows somebody"));
                assert!(held.until_ms != 0 && held.until_ms <= state.ops.calls.get(next).from_ms, "{} has two duties at a time", seat.id);
            }
        }
    }
    for (key, call) in open_calls(state) {
        if let Some((site, id)) = call.site.zip(call.seat.as_ref()) {
            let seats = &state.ops.sites.get(site).seats;
            let seat = seats.iter().find(|seat| seat.id == *id).expect("a duty's seat is on the list");
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
