//! Why: what speaks for each line, who would have been next and what decided, and why a need stays without people.

use muster_proto::v1::{FillDifference, FillLine, UnfilledNeed, UnfilledReason};
use rustc_hash::FxHashMap;

use super::cost::Burden;
use super::flow::{Assignment, Market as _, Offer};
use super::market::{Fitting, People, Wanted};
use super::needs::OpenNeed;
use crate::decide::Donors;
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
        let elsewhere = explaining.lines(people, at, need, &found.given[at]);
        explaining.gap(people, at, need, found.unfilled[at], elsewhere);
    }
    explaining.explained
}

fn person(offer: Offer) -> ResponderRef {
    ResponderRef::from_index(offer.person as usize)
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
    /// A line for each who lives in the proposal's area. The others would have to be released, and whoever asks may not know of them: they
    /// are counted.
    fn lines(&mut self, people: &mut People<'_>, at: usize, need: &OpenNeed, given: &[Offer]) -> Donors {
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
        let mut donors = Donors::default();
        for offer in given {
            let responder = person(*offer);
            if people.burden(need, responder).release {
                donors.count(self.state, responder, self.area);
            } else {
                let line = self.line(people, need, *offer, elsewhere, free);
                self.explained.lines.push(line);
            }
        }
        donors
    }

    fn line(&self, people: &People<'_>, need: &OpenNeed, offer: Offer, elsewhere: Option<Offer>, free: Option<Offer>) -> FillLine {
        let burden = people.burden(need, person(offer));
        let (runner_up, difference) = match (elsewhere.filter(|other| other.cost < offer.cost), free) {
            (Some(other), _) => (Some(other), FillDifference::NeededElsewhere),
            (None, Some(other)) => (Some(other), difference(burden, people.burden(need, person(other)))),
            (None, None) => (None, FillDifference::NobodyElse),
        };
        let (state, whistle) = (self.state, self.state.ops.whistles.get(need.whistle));
        let id = |offer: Offer| state.base.responders.id(person(offer)).to_owned();
        let named = runner_up.filter(|other| !people.burden(need, person(*other)).release);
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
            runner_up_responder_id: named.map(id).unwrap_or_default(),
            runner_up_cost: runner_up.map_or(0, |other| other.cost),
            difference: difference.into(),
            release_required: false,
            donor_area_id: String::new(),
        }
    }

    fn gap(&mut self, people: &mut People<'_>, at: usize, need: &OpenNeed, unfilled: u32, elsewhere: Donors) {
        let left_out = need.missing - need.units;
        let quantity = unfilled + left_out + elsewhere.people();
        if quantity == 0 || self.explained.unfilled.len() == limits::FILL_LINES_MAX {
            return;
        }
        // What was looked for and not found says more than what was not looked for.
        let reason = match unfilled {
            0 if elsewhere.is_empty() => UnfilledReason::NotLookedAt,
            0 => UnfilledReason::ReleaseRequired,
            _ => self.reason(people, at, need),
        };
        self.explained.unfilled.push(UnfilledNeed {
            whistle_id: self.state.ops.whistles.id(need.whistle).to_owned(),
            need_id: self.state.ops.whistles.get(need.whistle).needs[need.place].id.to_string(),
            quantity,
            reason: reason.into(),
            donors: elsewhere.listed(self.state),
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
