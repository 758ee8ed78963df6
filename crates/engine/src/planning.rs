//! What the planner works out on its own state for people who plan: rehearsals, and what an incident teaches. Read only; nothing is stored.

use muster_domain::{RehearsalQuery, State, lessons, rehearse};
use muster_proto::{CommandError, v1};

use crate::errors::NO_PLANNER;
use crate::form;
use crate::handle::EngineHandle;
use crate::reply::{Reply, Unanswered, Waiting};

impl Unanswered for Result<v1::Rehearsal, CommandError> {
    fn unanswered() -> Self {
        Err(NO_PLANNER)
    }
}

impl Unanswered for Result<v1::PlanLessons, CommandError> {
    fn unanswered() -> Self {
        Err(NO_PLANNER)
    }
}

impl Unanswered for Result<Vec<String>, CommandError> {
    fn unanswered() -> Self {
        Err(NO_PLANNER)
    }
}

impl EngineHandle {
    /// What a conversion of an area would be on everything durable when the planner's turn comes, level by level. The planner reads
    /// its state for it and neither copies nor changes it.
    pub fn rehearse(&self, query: RehearsalQuery) -> Waiting<Result<v1::Rehearsal, CommandError>> {
        let now_ms = self.planning_time();
        self.work_out(move |state| rehearse(state, now_ms, &query).map_err(|rejection| CommandError::Refused(form::refusal_of(&rejection))))
    }

    /// What an incident that has stood down teaches about a plan, row by row.
    pub fn lessons(&self, plan_id: String, incident_id: String) -> Waiting<Result<v1::PlanLessons, CommandError>> {
        self.work_out(move |state| {
            lessons(state, &plan_id, &incident_id).map_err(|rejection| CommandError::Refused(form::refusal_of(&rejection)))
        })
    }

    /// The ids of the plans that have a published version, in the order in which they were first drafted.
    pub fn published_plans(&self) -> Waiting<Result<Vec<String>, CommandError>> {
        self.work_out(|state| Ok(state.published_plans()))
    }

    fn work_out<T: Send + 'static>(
        &self,
        question: impl FnOnce(&State) -> Result<T, CommandError> + Send + 'static,
    ) -> Waiting<Result<T, CommandError>>
    where
        Result<T, CommandError>: Unanswered,
    {
        let (reply, waiting) = Reply::waiting();
        self.plan(Box::new(move |state| reply.send(state.and_then(question))));
        waiting
    }
}
