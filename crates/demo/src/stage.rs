//! Where the script is played: a running Muster, in this process or behind HTTP. Must never hide a failure of the stage as a
//! refusal by the domain: the two are different results.

use std::future::Future;

use muster_proto::v1::{Envelope, PlanLessons};

use crate::command::{Outcome, ScriptCommand};

/// The stage itself failed; the play cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("the stage failed while it was to {doing}: {source}")]
pub struct StageError {
    /// What it was asked for, e.g. `submit 200 commands`.
    pub doing: String,
    /// Why it could not.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl StageError {
    /// An error with its ground.
    pub fn new(doing: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { doing: doing.into(), source: source.into() }
    }
}

/// A running Muster. Retrying after a lost answer is the stage's affair: command ids stay the same, so a retry is the same command.
pub trait Stage: Send {
    /// Hands the commands in, in this order, and waits for all answers; the outcomes stand in the same order. A stage behind a
    /// real clock may hand them in concurrently when `in_order` of no two of them matters; the script never needs that.
    fn submit(&mut self, commands: Vec<ScriptCommand>) -> impl Future<Output = Result<Vec<Outcome>, StageError>> + Send;

    /// Has the planner match the open needs of `body.area_id` with people, and records its proposal: what `POST /v1/fill` does. The
    /// proposal's own id stands in its records.
    fn propose_fill(&mut self, asked: ScriptCommand) -> impl Future<Output = Result<Outcome, StageError>> + Send;

    /// What an incident that has stood down teaches about a plan: what `GET /v1/plans/{plan_id}/lessons` answers.
    fn lessons(&mut self, plan_id: &str, incident_id: &str) -> impl Future<Output = Result<PlanLessons, StageError>> + Send;

    /// Lets the demo's clock reach this time, Unix milliseconds, and waits until every timer due by then has fired. A stage with a
    /// real clock returns at once: its timers fire when they fire, and the script does not depend on them.
    fn advance_to(&mut self, at_ms: i64) -> impl Future<Output = Result<(), StageError>> + Send;

    /// Every durable record after `position`, in order, without a gap. May return only the first part of many; an empty answer
    /// means that there is nothing more now.
    fn events_since(&mut self, position: u64) -> impl Future<Output = Result<Vec<Envelope>, StageError>> + Send;

    /// The log's clock, Unix milliseconds.
    fn now_ms(&self) -> i64;
}
