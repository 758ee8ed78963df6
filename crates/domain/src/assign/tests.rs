//! The solver against an exact oracle and against serving one need after the other, and the lists of a real state against a plain sort.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::flow::{Assignment, Demand, Market, Offer, greedy, solve};
use super::market::People;
use super::needs;
use crate::ids::{Dense as _, ResponderRef};
use crate::tests::fill_proposals::eventful;

/// Costs written out: a row for each need, `None` where a person does not fit.
#[derive(Clone, Debug)]
struct Written {
    lists: Vec<Vec<Offer>>,
}

impl Written {
    fn new(costs: &[Vec<Option<i64>>]) -> Self {
        let list = |row: &Vec<Option<i64>>| {
            let offer = |(person, cost): (usize, &Option<i64>)| cost.map(|cost| Offer { person: number(person), cost });
            let mut list: Vec<_> = row.iter().enumerate().filter_map(offer).collect();
            list.sort_by_key(|offer| (offer.cost, offer.person));
            list
        };
        Self { lists: costs.iter().map(list).collect() }
    }
}

impl Market for Written {
    fn offer(&mut self, need: usize, at: usize) -> Option<Offer> {
        self.lists[need].get(at).copied()
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("small")
}

/// The exact answer by trying every set of people: the cheapest total for the units so far and the people used, unit by unit.
fn oracle(costs: &[Vec<Option<i64>>], demands: &[Demand]) -> i128 {
    let mut best: BTreeMap<u32, i128> = BTreeMap::from([(0, 0)]);
    for (row, demand) in costs.iter().zip(demands) {
        for _ in 0..demand.units {
            let mut next: BTreeMap<u32, i128> = BTreeMap::new();
            for (used, total) in &best {
                let mut offer = |used: u32, total: i128| {
                    let known = next.entry(used).or_insert(i128::MAX);
                    *known = total.min(*known);
                };
                offer(*used, total + i128::from(demand.penalty));
                for (person, cost) in row.iter().enumerate() {
                    if let Some(cost) = cost.filter(|_| used & (1 << person) == 0) {
                        offer(used | (1 << person), total + i128::from(cost));
                    }
                }
            }
            best = next;
        }
    }
    best.into_values().min().expect("nobody need be used")
}

/// Everybody serves once, where they fit, and every unit is given or missing.
fn assert_sound(costs: &[Vec<Option<i64>>], demands: &[Demand], found: &Assignment) {
    let mut seen = std::collections::BTreeSet::new();
    for ((row, demand), (given, unfilled)) in costs.iter().zip(demands).zip(found.given.iter().zip(&found.unfilled)) {
        assert_eq!(number(given.len()) + unfilled, demand.units);
        for offer in given {
            assert!(seen.insert(offer.person), "person {} serves twice", offer.person);
            assert_eq!(row[offer.person as usize], Some(offer.cost));
        }
    }
}

/// Up to `needs` rows of up to `people` costs; small numbers, so that there are many ties.
fn case(needs: usize, people: usize, units: u32) -> impl Strategy<Value = (Vec<Vec<Option<i64>>>, Vec<Demand>)> {
    (1..=needs, 1..=people).prop_flat_map(move |(needs, people)| {
        let cost = prop_oneof![3 => (0..30_i64).prop_map(Some), 1 => Just(None)];
        let rows = prop::collection::vec(prop::collection::vec(cost, people), needs);
        // Mostly more than any line; now and then so little that sending nobody is cheaper.
        let demand = (1..=units, prop_oneof![4 => 1_000..100_000_i64, 1 => 5..40_i64]);
        let demands = prop::collection::vec(demand.prop_map(|(units, penalty)| Demand { units, penalty }), needs);
        (rows, demands)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn small_cases_are_solved_exactly((costs, demands) in case(5, 9, 3)) {
        let mut market = Written::new(&costs);
        let people = costs[0].len();
        let found = solve(&mut market, &demands, people);
        assert_sound(&costs, &demands, &found);
        prop_assert_eq!(found.total(&demands), oracle(&costs, &demands));
    }

    #[test]
    fn it_is_never_worse_than_one_after_the_other_and_the_same_twice((costs, demands) in case(30, 60, 4)) {
        let mut market = Written::new(&costs);
        let people = costs[0].len();
        let found = solve(&mut market, &demands, people);
        let single = greedy(&mut market, &demands, people);
        assert_sound(&costs, &demands, &found);
        prop_assert!(found.total(&demands) <= single.total(&demands));
        prop_assert_eq!(&found, &solve(&mut Written::new(&costs), &demands, people));
        // Whichever need comes first, the whole costs the same.
        let (backward, turned): (Vec<_>, Vec<_>) = (costs.iter().rev().cloned().collect(), demands.iter().rev().copied().collect());
        let other = solve(&mut Written::new(&backward), &turned, people);
        prop_assert_eq!(other.total(&turned), found.total(&demands));
    }
}

/// The first takes the one person whom the second could have had, who then goes without: not so when both are looked at together.
#[test]
fn nobody_goes_without_because_another_was_first() {
    let costs = [vec![Some(1), Some(2)], vec![Some(1), None]];
    let demands = [Demand { units: 1, penalty: 1_000 }; 2];
    let mut market = Written::new(&costs);
    assert_eq!(greedy(&mut market, &demands, 2).unfilled, [0, 1]);
    let found = solve(&mut market, &demands, 2);
    assert_eq!((found.unfilled, found.given[0][0].person), (vec![0, 0], 1));
}

#[test]
fn lists_are_in_the_order_of_a_plain_sort_and_whole() {
    let story = eventful();
    let state = &story.state;
    let realm = state.ops.actual();
    for top in ["c", "k1", "k2", "v1"] {
        let area = state.base.areas.find(top).expect("the town has it");
        let open = needs::open(state, realm, area, story.now_ms);
        let mut people = People::new(state, realm, area, story.now_ms, &open);
        for (at, need) in open.iter().enumerate() {
            let listed: Vec<_> = (0..).map_while(|place| people.offer(at, place)).collect();
            let mut plain: Vec<_> = (0..state.base.responders.len())
                .map(ResponderRef::from_index)
                .filter(|who| people.is_free(*who) && !need.tried.contains(who))
                .filter(|who| match need.specialty {
                    super::market::Wanted::Anybody => true,
                    super::market::Wanted::Specialty(label) => state.base.responders.get(*who).specialties.contains(&label),
                    super::market::Wanted::Unknown => false,
                })
                .map(|who| Offer { person: number(who.index()), cost: need.weight * people.burden(need, who).total() })
                .collect();
            plain.sort_by_key(|offer| (offer.cost, offer.person));
            let costs = |offers: &[Offer]| offers.iter().map(|offer| offer.cost).collect::<Vec<_>>();
            assert_eq!(costs(&listed), costs(&plain), "{top}: {need:?}");
            let sorted = |mut offers: Vec<Offer>| {
                offers.sort_by_key(|offer| offer.person);
                offers
            };
            assert_eq!(sorted(listed), sorted(plain), "{top}: {need:?}");
        }
    }
}
