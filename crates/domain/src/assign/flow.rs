//! The joint assignment itself: a min-cost flow from needs to people, by successive shortest paths with prices.
//!
//! Each unit of a need goes to one person or stays unfilled at the need's penalty; each person serves once. Units enter one by one, each
//! along the cheapest way that may push earlier units on to other people. The prices keep every reduced cost at least zero, so that after
//! each unit the whole is the cheapest possible for the units that are in: the answer is exact, not approximate.
//!
//! Nothing is pruned, and yet most people are never looked at. Whoever is free has the price zero, and a price is never negative. So behind
//! a need's first free person everybody further down its list, who costs as much before any price is added, leads to no cheaper end: the
//! search reads a list up to the first free person and stops there. [`Market::offer`] may therefore make its lists as they are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Somebody who could serve a need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// The person's number, below the number of people.
    pub(super) person: u32,
    /// At least zero.
    pub(super) cost: i64,
}

/// Whom each need could get.
pub(super) trait Market {
    /// The `at`-th person of a need's list, cheapest first, everybody once; `None` behind the last.
    fn offer(&mut self, need: usize, at: usize) -> Option<Offer>;
}

/// How many a need asks for, and what it costs to leave one of them out: more than any way of filling it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    pub(super) units: u32,
    pub(super) penalty: i64,
}

/// Who serves which need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Assignment {
    /// For each need its people, by cost, then by number.
    pub(super) given: Vec<Vec<Offer>>,
    /// For each need the units that nobody serves.
    pub(super) unfilled: Vec<u32>,
}

impl Assignment {
    /// What is kept smallest: the cost of all that is given, and the penalty of all that is not.
    pub(super) fn total(&self, demands: &[Demand]) -> i128 {
        let given = self.given.iter().flatten().map(|offer| i128::from(offer.cost)).sum::<i128>();
        let missing = self.unfilled.iter().zip(demands).map(|(units, demand)| i128::from(*units) * i128::from(demand.penalty));
        given + missing.sum::<i128>()
    }
}

/// Each need in turn takes the cheapest who are left: what a whistle gets when nobody looks at the others.
pub(super) fn greedy(market: &mut impl Market, demands: &[Demand], people: usize) -> Assignment {
    let mut taken = vec![false; people];
    let mut found = Assignment::default();
    for (need, demand) in demands.iter().enumerate() {
        let (mut given, mut at) = (Vec::new(), 0);
        while given.len() < demand.units as usize
            && let Some(offer) = market.offer(need, at)
        {
            at += 1;
            if !std::mem::replace(&mut taken[offer.person as usize], true) {
                given.push(offer);
            }
        }
        found.unfilled.push(demand.units - u32::try_from(given.len()).expect("no more than asked for"));
        found.given.push(given);
    }
    found
}

/// The cheapest assignment. Needs that stand first are served first, which makes the search short when they are the gravest; the
/// total is the same in any order.
pub(super) fn solve(market: &mut impl Market, demands: &[Demand], people: usize) -> Assignment {
    let mut solver = Solver {
        market,
        demands,
        needs: demands.iter().map(|_| Need::default()).collect(),
        people: vec![Person::default(); people],
        way: vec![Way { dist: i64::MAX, from: None }; demands.len()],
        settled: Vec::new(),
        reached: Vec::new(),
        heap: BinaryHeap::new(),
    };
    for (need, demand) in demands.iter().enumerate() {
        for unit in 0..demand.units {
            // Once a unit of a need stays out, so would the next: the price of the need has reached its penalty.
            if solver.needs[need].unfilled > 0 && solver.needs[need].price == demand.penalty {
                solver.needs[need].unfilled += demand.units - unit;
                break;
            }
            solver.enter(need);
        }
    }
    solver.finish()
}

#[derive(Clone, Debug, Default)]
struct Need {
    /// What the dearest of its units costs at the current prices.
    price: i64,
    given: Vec<u32>,
    unfilled: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Person {
    /// The need served, and what that costs.
    serves: Option<(u32, i64)>,
    /// What others would have to add to get the person; zero while free.
    price: i64,
}

/// How a need was reached: from which other need, through the person that this need would give up, and what they cost there.
#[derive(Clone, Copy, Debug)]
struct Way {
    dist: i64,
    from: Option<(u32, Offer)>,
}

/// Where a way ends.
#[derive(Clone, Copy, Debug)]
struct End {
    dist: i64,
    need: u32,
    /// The free person, or nobody: one unit of the need stays out.
    free: Option<Offer>,
}

struct Solver<'a, M> {
    market: &'a mut M,
    demands: &'a [Demand],
    needs: Vec<Need>,
    people: Vec<Person>,
    way: Vec<Way>,
    /// Needs whose distance is final.
    settled: Vec<u32>,
    reached: Vec<u32>,
    heap: BinaryHeap<Reverse<(i64, u32)>>,
}

impl<M: Market> Solver<'_, M> {
    /// One more unit of a need, along the shortest way.
    fn enter(&mut self, need: usize) {
        let start = u32::try_from(need).expect("needs are capped");
        self.heap.clear();
        self.settled.clear();
        self.reach(start, 0, None);
        let mut end = End { dist: i64::MAX, need: start, free: None };
        while let Some(Reverse((dist, at))) = self.heap.pop() {
            if dist >= end.dist {
                break;
            }
            // A need is pushed again when a shorter way to it is found; the longer ones come out later and are old.
            if dist == self.way[at as usize].dist {
                self.settled.push(at);
                self.look_around(at, &mut end);
            }
        }
        self.raise_prices(end.dist);
        self.push_on(end);
        for reached in self.reached.drain(..) {
            self.way[reached as usize] = Way { dist: i64::MAX, from: None };
        }
    }

    fn reach(&mut self, need: u32, dist: i64, from: Option<(u32, Offer)>) {
        let way = &mut self.way[need as usize];
        if dist < way.dist {
            if way.dist == i64::MAX {
                self.reached.push(need);
            }
            *way = Way { dist, from };
            self.heap.push(Reverse((dist, need)));
        }
    }

    /// The ends and the other needs that can be reached from a need.
    fn look_around(&mut self, need: u32, end: &mut End) {
        let at = need as usize;
        let here = self.way[at].dist - self.needs[at].price;
        for place in 0.. {
            let Some(offer) = self.market.offer(at, place) else { break };
            let direct = here + offer.cost;
            if direct >= end.dist {
                break;
            }
            let person = self.people[offer.person as usize];
            match person.serves {
                None => {
                    *end = End { dist: direct, need, free: Some(offer) };
                    break;
                }
                Some((other, _)) if other != need => {
                    let dist = direct + person.price;
                    if dist < end.dist {
                        self.reach(other, dist, Some((need, offer)));
                    }
                }
                Some(_) => {}
            }
        }
        let out = here + self.demands[at].penalty;
        if out < end.dist {
            *end = End { dist: out, need, free: None };
        }
    }

    /// Keeps reduced costs at least zero, and at zero where somebody serves.
    fn raise_prices(&mut self, end: i64) {
        for need in &self.settled {
            let raise = end - self.way[*need as usize].dist;
            let need = &mut self.needs[*need as usize];
            need.price += raise;
            for person in &need.given {
                self.people[*person as usize].price += raise;
            }
        }
    }

    /// Everybody on the way serves one need further.
    fn push_on(&mut self, end: End) {
        let mut need = end.need;
        match end.free {
            None => self.needs[need as usize].unfilled += 1,
            Some(offer) => self.give(need, offer),
        }
        while let Some((before, offer)) = self.way[need as usize].from {
            let given = &mut self.needs[need as usize].given;
            let place = given.iter().position(|person| *person == offer.person).expect("the need gives up whom it has");
            given.swap_remove(place);
            self.give(before, offer);
            need = before;
        }
    }

    fn give(&mut self, need: u32, offer: Offer) {
        self.needs[need as usize].given.push(offer.person);
        self.people[offer.person as usize].serves = Some((need, offer.cost));
    }

    fn finish(self) -> Assignment {
        let mut found = Assignment::default();
        for need in self.needs {
            let offer = |person: u32| {
                let (_, cost) = self.people[person as usize].serves.expect("whoever is given serves");
                Offer { person, cost }
            };
            let mut given: Vec<_> = need.given.into_iter().map(offer).collect();
            given.sort_unstable_by_key(|offer| (offer.cost, offer.person));
            found.given.push(given);
            found.unfilled.push(need.unfilled);
        }
        found
    }
}
