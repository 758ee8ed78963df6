//! What records and state say of seats, step by step: whoever has one keeps it, and no seat that a plan asks for is empty in silence.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::Event;
use muster_proto::v1::{Origin, ResponseLevel};

use crate::execute::Emitted;
use crate::ids::{CallRef, SiteRef};
use crate::state::{CallPhase, Conversion, PlanVersion, SeatState, State};

type Told = BTreeSet<(String, String)>;

#[derive(Default)]
pub(super) struct NaiveSeats {
    /// The seat of each standing duty.
    held: BTreeMap<CallRef, Box<str>>,
    /// Site and seat of which a call or a gap told while it was on the list.
    told: Told,
    /// Site and seat that a person added.
    by_hand: Told,
}

/// A seat of a plan that stands on the list of an open site whose area does not take shelter.
struct Asked<'a> {
    incident: &'a str,
    plan: &'a str,
    site: &'a str,
    seat: &'a SeatState,
    /// From which response on it is asked for, and from which somebody is named for it.
    tier: ResponseLevel,
    named_from: Option<ResponseLevel>,
}

fn of_site<'a>(
    state: &'a State,
    key: SiteRef,
    at: usize,
    version: &'a PlanVersion,
) -> Vec<(&'a SeatState, ResponseLevel, Option<ResponseLevel>)> {
    let site = state.ops.sites.get(key);
    let mut found = Vec::new();
    if site.closed || site.suspended {
        return found;
    }
    for (number, planned) in version.sites[at].seats.iter().enumerate() {
        let is_here = |site: u16, seat: u16| usize::from(site) == at && usize::from(seat) == number;
        let post = version.designations.iter().find(|post| post.site.zip(post.seat).is_some_and(|(site, seat)| is_here(site, seat)));
        let listed = site.seats.iter().find(|seat| seat.id == planned.key);
        found.extend(listed.map(|seat| (seat, planned.tier, post.map(|post| post.tier))));
    }
    found
}

fn asked(state: &State) -> Vec<Asked<'_>> {
    let mut found = Vec::new();
    for (incident, value) in state.ops.incidents.iter() {
        let standing = |conversion: &&Conversion| !conversion.standing_down;
        for (plan, conversion) in value.conversions.iter().filter(|(_, conversion)| standing(conversion)) {
            let version = state.base.plans.get(*plan).published.iter().find(|version| version.version == conversion.version).unwrap();
            let sites = conversion.sites.iter().enumerate().filter_map(|(at, site)| site.map(|site| (at, site)));
            for (at, site) in sites {
                let seats = of_site(state, site, at, version).into_iter().filter(|(_, tier, _)| *tier <= conversion.response);
                found.extend(seats.map(|(seat, tier, named_from)| Asked {
                    incident: state.ops.incidents.id(incident),
                    plan: state.base.plans.id(*plan),
                    site: state.ops.sites.id(site),
                    seat,
                    tier,
                    named_from,
                }));
            }
        }
    }
    found
}

fn told(emitted: &[Emitted]) -> Told {
    let place = |record: &Emitted| match &record.event {
        Event::ResponderCalled(body) => Some((body.site_id.clone(), body.seat_id.clone())),
        Event::GapRecorded(body) => Some((body.site_id.clone(), body.seat_id.clone())),
        _ => None,
    };
    emitted.iter().filter_map(place).collect()
}

impl NaiveSeats {
    pub(super) fn follow(&mut self, state: &State, emitted: &[Emitted], now_ms: i64) {
        self.invariant_a_duty_keeps_its_seat(state, emitted);
        self.invariant_no_policy_takes_off_what_a_person_added(emitted);
        invariant_what_nobody_asks_for_is_not_listed(state);
        let now_told = told(emitted);
        invariant_a_raise_tells_of_every_seat_it_reaches(state, emitted, &now_told, now_ms);
        self.told.extend(now_told);
        for asked in asked(state) {
            let known = self.told.contains(&(asked.site.to_owned(), asked.seat.id.to_string()));
            assert!(asked.seat.holder.is_some() || known, "{}#{} is asked for, and nobody heard of it", asked.site, asked.seat.id);
        }
        let listed = |site: &String, seat: &String| {
            let site = state.ops.sites.find(site).map(|key| state.ops.sites.get(key)).filter(|site| !site.closed);
            site.is_some_and(|site| site.seats.iter().any(|known| *known.id == **seat))
        };
        self.told.retain(|(site, seat)| listed(site, seat));
    }

    /// A seat that a person added goes by hand.
    fn invariant_no_policy_takes_off_what_a_person_added(&mut self, emitted: &[Emitted]) {
        for record in emitted {
            let Event::RequirementSet(body) = &record.event else { continue };
            let listed = |seat_id: &str| body.seats.iter().any(|seat| seat.seat_id == seat_id);
            let goes = |(site_id, seat_id): &(String, String)| *site_id == body.site_id && !listed(seat_id);
            let lost = self.by_hand.iter().find(|place| goes(place));
            assert!(
                record.origin != Origin::Policy || lost.is_none(),
                "{lost:?} was added by a person, and a policy takes it off the list"
            );
            self.by_hand.retain(|place| !goes(place));
            self.by_hand.extend(body.added_seat_ids.iter().map(|seat_id| (body.site_id.clone(), seat_id.clone())));
        }
    }

    /// Whoever is not told to come off has the seat until the duty ends.
    fn invariant_a_duty_keeps_its_seat(&mut self, state: &State, emitted: &[Emitted]) {
        for record in emitted {
            if let Event::ResponderCalled(body) = &record.event {
                let seat = Some(body.seat_id.as_str()).filter(|seat| !seat.is_empty());
                self.held.extend(CallRef::parse(&body.call_id).zip(seat.map(Into::into)));
            }
        }
        for (key, seat) in &self.held {
            let call = state.ops.calls.get(*key);
            let leaves = !call.phase.open() || call.phase == CallPhase::Recalled;
            assert!(leaves || call.seat.as_ref() == Some(seat), "{} stands, and lost its seat {seat}", key.text());
        }
        self.held.retain(|key, _| state.ops.calls.get(*key).phase.open());
    }
}

/// An empty seat of a plan's site is the plan's, of a level that is reached, or was added by a person.
fn invariant_what_nobody_asks_for_is_not_listed(state: &State) {
    let conversions = state.ops.incidents.iter().flat_map(|(_, incident)| &incident.conversions);
    for (plan, conversion) in conversions.filter(|(_, conversion)| !conversion.standing_down) {
        let version = state.base.plans.get(*plan).published.iter().find(|version| version.version == conversion.version).unwrap();
        for (key, planned) in conversion.sites.iter().zip(&version.sites).filter_map(|(key, planned)| key.map(|key| (key, planned))) {
            let site = state.ops.sites.get(key);
            for seat in site.seats.iter().filter(|seat| seat.holder.is_none() && !seat.by_hand && !site.closed) {
                let asked = planned.seats.iter().any(|known| known.key == seat.id && known.tier <= conversion.response);
                assert!(asked, "{}#{} stands empty, and nobody asks for it", state.ops.sites.id(key), seat.id);
            }
        }
    }
}

/// After a raise each seat that it asks for, or names somebody for, has somebody who stays, or the same answer says what became of it.
fn invariant_a_raise_tells_of_every_seat_it_reaches(state: &State, emitted: &[Emitted], told: &Told, now_ms: i64) {
    let stays = |key: CallRef| {
        let call = state.ops.calls.get(key);
        call.phase == CallPhase::OnPost || (call.phase != CallPhase::Recalled && call.from_ms <= now_ms)
    };
    for record in emitted {
        let Event::AreaConverted(body) = &record.event else { continue };
        let reached = |tier: ResponseLevel| i32::from(tier) > body.former_response && i32::from(tier) <= body.response;
        let here = asked(state).into_iter().filter(|asked| asked.incident == body.incident_id && asked.plan == body.plan_id);
        for asked in here.filter(|asked| reached(asked.tier) || asked.named_from.is_some_and(reached)) {
            let held = asked.seat.holder.into_iter().chain(asked.seat.relief).any(stays);
            let known = told.contains(&(asked.site.to_owned(), asked.seat.id.to_string()));
            assert!(held || known, "{}#{} is asked for by a raise that says nothing of it", asked.site, asked.seat.id);
        }
    }
}
