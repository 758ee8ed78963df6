//! What the planner works out on its own state for people who plan: rehearsals, and what an incident teaches. It stores nothing; the figures of a
//! `RehearsePlan` go on to the engine as the command that they belong to.

use muster_domain::{RehearsalQuery, State, lessons, rehearse, rehearse_plan};
use muster_proto::{Command, CommandError, Request, v1};

use crate::errors::NO_PLANNER;
use crate::form;
use crate::gate::{self, Passing};
use crate::handle::EngineHandle;
use crate::reply::{Outcome, Reply, Unanswered, Waiting};

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

    /// Has the figures of a `RehearsePlan` worked out, and hands the command in with them. What cannot be rehearsed, or may not, goes on without:
    /// the engine answers it, for it alone knows whether the command was carried out before.
    pub(crate) fn hand_in_rehearsed(&self, mut request: Request, gate: Passing, reply: Reply<Outcome>) {
        let (engine, now_ms) = (self.clone(), self.planning_time());
        self.plan(Box::new(move |state| match state {
            Ok(state) => {
                let may = gate::pass(&gate, state, &request).is_ok();
                write_figures(state, now_ms, may, &mut request.command);
                engine.enqueue(request, gate, reply);
            }
            Err(error) => reply.send(Err(error)),
        }));
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

/// The figures of a `RehearsePlan`; none where there can be none. Any other command is left as it is.
pub(crate) fn write_figures(state: &State, now_ms: i64, may: bool, command: &mut Command) {
    if let Command::RehearsePlan(asked) = command {
        let none = || v1::RehearsePlan { plan_id: asked.plan_id.clone(), response: asked.response, ..Default::default() };
        let figures = if may { rehearse_plan(state, now_ms, asked).ok() } else { None };
        *asked = figures.unwrap_or_else(none);
    }
}
