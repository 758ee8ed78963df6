//! Why: what speaks for each line, who would have been next and what decided, and why a need stays without people.

use muster_proto::v1::{FillDifference, FillLine, UnfilledNeed, UnfilledReason};
use rustc_hash::FxHashMap;

use super::cost::Burden;
use super::flow::{Assignment, Market as _, Offer};
use super::market::{Fitting, People, Wanted};
use super::needs::OpenNeed;
use crate::ids::{AreaRef, Dense as _, ResponderRef};
use crate::limits;
use crate::state::State;

/// The lines of a proposal, and what it leaves open.
#[derive(Debug, Default)]
pub(super) struct Explained {
    pub(super) lines: Vec<FillLine>,
    pub(super) unfilled: Vec<UnfilledNeed>,
}

pub(super) fn explain(
    state: &State,
    area: AreaRef,
    now_ms: i64,
    needs: &[OpenNeed],
    people: &mut People<'_>,
    found: &Assignment,
) -> Explained {
    let mut explaining = Explaining { state, area, now_ms, serves: serves(found), explained: Explained::default() };
    for (at, need) in needs.iter().enumerate() {
        explaining.lines(people, at, need, &found.given[at]);
        explaining.gap(people, at, need, found.unfilled[at]);
    }
    explaining.explained
}

fn serves(found: &Assignment) -> FxHashMap<u32, usize> {
    found.given.iter().enumerate().flat_map(|(at, given)| given.iter().map(move |offer| (offer.person, at))).collect()
}

struct Explaining<'a> {
    state: &'a State,
    area: AreaRef,
    now_ms: i64,
    /// Which need each proposed person serves.
    serves: FxHashMap<u32, usize>,
    explained: Explained,
}

impl Explaining<'_> {
    fn lines(&mut self, people: &mut People<'_>, at: usize, need: &OpenNeed, given: &[Offer]) {
        // The list is read once: behind the first free person nobody is of interest.
        let mut elsewhere = None;
        let mut free = None;
        for place in 0.. {
            let Some(offer) = people.offer(at, place) else { break };
            match self.serves.get(&offer.person) {
                None => {
                    free = Some(offer);
                    break;
                }
                Some(other) if *other != at => elsewhere = elsewhere.or(Some(offer)),
                Some(_) => {}
            }
        }
        for offer in given {
            let line = self.line(people, need, *offer, elsewhere, free);
            self.explained.lines.push(line);
        }
    }

    fn line(&self, people: &People<'_>, need: &OpenNeed, offer: Offer, elsewhere: Option<Offer>, free: Option<Offer>) -> FillLine {
        let person = |offer: Offer| ResponderRef::from_index(offer.person as usize);
        let burden = people.burden(need, person(offer));
        let (runner_up, difference) = match (elsewhere.filter(|other| other.cost < offer.cost), free) {
            (Some(other), _) => (Some(other), FillDifference::NeededElsewhere),
            (None, Some(other)) => (Some(other), difference(burden, people.burden(need, person(other)))),
            (None, None) => (None, FillDifference::NobodyElse),
        };
        let (state, whistle) = (self.state, self.state.ops.whistles.get(need.whistle));
        let id = |offer: Offer| state.base.responders.id(person(offer)).to_owned();
        FillLine {
            line_id: format!("l{}", self.explained.lines.len() + 1),
            whistle_id: state.ops.whistles.id(need.whistle).to_owned(),
            need_id: whistle.needs[need.place].id.to_string(),
            responder_id: id(offer),
            distance: burden.distance,
            meters: burden.meters.unwrap_or(0),
            specialty_match: need.specialty != Wanted::Anybody,
            load: burden.load,
            // Whoever is due a rest is no candidate.
            rested: true,
            on_standby: burden.on_standby,
            severity: whistle.severity.into(),
            urgency: whistle.urgency.into(),
            life_threatening: whistle.life_threatening,
            waited_ms: (self.now_ms - whistle.blown_at_ms).max(0),
            cost: offer.cost,
            runner_up_responder_id: runner_up.map(id).unwrap_or_default(),
            runner_up_cost: runner_up.map_or(0, |other| other.cost),
            difference: difference.into(),
            release_required: burden.release,
            donor_area_id: if burden.release { self.donor(person(offer)) } else { String::new() },
        }
    }

    /// The highest area around a home that the proposal's area is not in; the home itself where it holds that area too.
    fn donor(&self, responder: ResponderRef) -> String {
        let base = &self.state.base;
        let home = base.home_of(responder).expect("whoever is offered has a home area");
        let donor = base.ancestry(home).take_while(|around| !base.within(self.area, *around)).last();
        base.areas.id(donor.unwrap_or(home)).to_owned()
    }

    fn gap(&mut self, people: &mut People<'_>, at: usize, need: &OpenNeed, unfilled: u32) {
        let left_out = need.missing - need.units;
        if unfilled + left_out == 0 || self.explained.unfilled.len() == limits::FILL_LINES_MAX {
            return;
        }
        // What was looked for and not found says more than what was not looked for.
        let reason = if unfilled == 0 { UnfilledReason::NotLookedAt } else { self.reason(people, at, need) };
        self.explained.unfilled.push(UnfilledNeed {
            whistle_id: self.state.ops.whistles.id(need.whistle).to_owned(),
            need_id: self.state.ops.whistles.get(need.whistle).needs[need.place].id.to_string(),
            quantity: unfilled + left_out,
            reason: reason.into(),
        });
    }

    fn reason(&self, people: &mut People<'_>, at: usize, need: &OpenNeed) -> UnfilledReason {
        let elsewhere = (0..).map_while(|place| people.offer(at, place)).any(|offer| self.serves.get(&offer.person) != Some(&at));
        if elsewhere {
            return UnfilledReason::NeededElsewhere;
        }
        if people.floored(at) {
            return UnfilledReason::Floor;
        }
        let Fitting { all, on_duty, resting, unavailable } = people.fitting(need);
        let barred = on_duty + resting + unavailable;
        match barred {
            0 if all > 0 && need.tried.iter().any(|tried| people.is_free(*tried)) => UnfilledReason::AskedBefore,
            0 => UnfilledReason::NobodyWithSpecialty,
            _ if on_duty >= resting && on_duty >= unavailable => UnfilledReason::OnDuty,
            _ if resting >= unavailable => UnfilledReason::Resting,
            _ => UnfilledReason::Unavailable,
        }
    }
}

/// What decided between two, the heaviest first.
fn difference(chosen: Burden, other: Burden) -> FillDifference {
    if chosen.release != other.release {
        FillDifference::Release
    } else if chosen.distance != other.distance {
        FillDifference::Distance
    } else if chosen.on_standby && !other.on_standby {
        FillDifference::Standby
    } else if chosen.meters.zip(other.meters).is_some_and(|(chosen, other)| chosen < other) {
        FillDifference::Meters
    } else if chosen.load < other.load {
        FillDifference::Load
    } else {
        FillDifference::Order
    }
}
