//! Joint assignment 统筹补位: the open needs for people of all open whistles of a realm, matched with everybody who could come, at once.
//!
//! What the Fill policy does for one whistle when it is blown, this does for all that are open, so that a whistle blown first does not
//! take whom a graver one needs. It is a question to the state and changes nothing: the planner asks it, the answer comes back as the
//! command `ProposeFill`, and every line is checked again when it is recorded and when a person decides it. It must never move anybody.

mod cost;
mod explain;
mod flow;
mod market;
mod needs;
#[cfg(test)]
mod tests;

use muster_proto::{ACTUAL, v1};

use crate::ids::{AreaRef, RealmRef};
use crate::rejection::Rejection;
use crate::state::State;
use flow::{Assignment, Demand};
use market::People;

/// What is asked for: whose whistles, in which realm, as of when.
#[derive(Clone, Copy, Debug)]
pub struct FillQuestion<'a> {
    /// `actual` when empty.
    pub realm: &'a str,
    /// The area whose whistles are looked at, everything below it included; the whole tree when empty.
    pub area_id: &'a str,
    /// The log's time, Unix milliseconds.
    pub now_ms: i64,
}

/// How an assignment compares with serving the needs one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillMeasure {
    /// People asked for.
    pub asked: u32,
    /// People found.
    pub given: u32,
    /// What the lines cost together.
    pub cost: i128,
    /// That, and the penalty of everybody who is missing: what is kept smallest.
    pub total: i128,
}

/// The cheapest proposal for all open needs together.
///
/// # Errors
/// The realm or the area is not known.
pub fn propose_fill(state: &State, question: FillQuestion<'_>, proposal_id: &str) -> Result<v1::ProposeFill, Rejection> {
    let (realm, area) = scope(state, question)?;
    let needs = needs::open(state, realm, area, question.now_ms);
    let demands: Vec<_> = needs.iter().map(needs::OpenNeed::demand).collect();
    let mut people = People::new(state, realm, area, question.now_ms, &needs);
    let count = people.len();
    let found = flow::solve(&mut people, &demands, count);
    let explained = explain::explain(state, area, question.now_ms, &needs, &mut people, &found);
    Ok(v1::ProposeFill {
        proposal_id: proposal_id.to_owned(),
        realm: state.ops.realms.id(realm).to_owned(),
        area_id: state.base.areas.id(area).to_owned(),
        base_position: state.position,
        lines: explained.lines,
        unfilled: explained.unfilled,
    })
}

/// How the needs are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FillWay {
    /// All together, as [`propose_fill`] does.
    Together,
    /// One after the other, the gravest first; each takes the cheapest who are left.
    OneByOne,
}

/// What serving the open needs in one way or the other comes to.
///
/// # Errors
/// As [`propose_fill`].
pub fn measure_fill(state: &State, question: FillQuestion<'_>, way: FillWay) -> Result<FillMeasure, Rejection> {
    let (realm, area) = scope(state, question)?;
    let needs = needs::open(state, realm, area, question.now_ms);
    let demands: Vec<_> = needs.iter().map(needs::OpenNeed::demand).collect();
    let mut people = People::new(state, realm, area, question.now_ms, &needs);
    let count = people.len();
    let found = match way {
        FillWay::Together => flow::solve(&mut people, &demands, count),
        FillWay::OneByOne => flow::greedy(&mut people, &demands, count),
    };
    Ok(measured(&found, &demands))
}

fn measured(found: &Assignment, demands: &[Demand]) -> FillMeasure {
    let given = found.given.iter().map(Vec::len).sum::<usize>();
    FillMeasure {
        asked: demands.iter().map(|demand| demand.units).sum(),
        given: u32::try_from(given).expect("no more than asked for"),
        cost: found.given.iter().flatten().map(|offer| i128::from(offer.cost)).sum(),
        total: found.total(demands),
    }
}

fn scope(state: &State, question: FillQuestion<'_>) -> Result<(RealmRef, AreaRef), Rejection> {
    let name = if question.realm.is_empty() { ACTUAL } else { question.realm };
    let realm = state.ops.realms.find(name).ok_or_else(|| Rejection::UnknownRealm { id: name.to_owned() })?;
    let area = match question.area_id {
        // The first area is the one root.
        "" => state.base.areas.iter().next().map(|(key, _)| key).ok_or(Rejection::FieldMissing { field: "area_id" })?,
        id => state.area("area_id", id)?,
    };
    Ok((realm, area))
}
