//! The joint assignment of all open needs, asked of the planner's state: a question that changes nothing. What it proposes comes back as
//! an ordinary command, and is checked again line by line.

use muster_domain::{FillQuestion, State, propose_fill};
use muster_proto::{CommandError, v1};

use crate::errors::NO_PLANNER;
use crate::form;
use crate::reply::Unanswered;

/// Whose open needs, and what the proposal is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FillRequest {
    /// `actual` when empty.
    pub realm: String,
    /// The area whose whistles are looked at, everything below it included; the whole tree when empty.
    pub area_id: String,
    /// The id of the proposal to be.
    pub proposal_id: String,
}

impl Unanswered for Result<v1::ProposeFill, CommandError> {
    fn unanswered() -> Self {
        Err(NO_PLANNER)
    }
}

pub(crate) fn propose(state: &State, now_ms: i64, asked: &FillRequest) -> Result<v1::ProposeFill, CommandError> {
    let question = FillQuestion { realm: &asked.realm, area_id: &asked.area_id, now_ms };
    propose_fill(state, question, &asked.proposal_id).map_err(|rejection| CommandError::Refused(form::refusal_of(&rejection)))
}
