//! What a request would do: carried out on a copy of the planner's state, and forgotten.

use muster_domain::{Now, State, execute};
use muster_log::Position;
use muster_proto::{Answer, CommandError, CommonPart, Request};

use crate::errors::NO_PLANNER;
use crate::form;
use crate::gate::{self, Passing};
use crate::planning;
use crate::reply::Unanswered;
use crate::sequencer::nothing_changed;
use crate::unit::UnitEncoder;

/// What a request would do now.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// The answer that the request would get if nothing came in between. None of its records exists.
    pub answer: Answer,
    /// The last record that the preview has seen.
    pub base: Position,
}

impl Unanswered for Result<Preview, CommandError> {
    fn unanswered() -> Self {
        Err(NO_PLANNER)
    }
}

pub(crate) fn preview(state: &State, now_ms: i64, gate: &Passing, request: &Request) -> Result<Preview, CommandError> {
    form::check(request).map_err(CommandError::Malformed)?;
    if let Some(refusal) = form::check_occurred(&request.context, now_ms) {
        return Err(CommandError::Refused(refusal));
    }
    gate::pass(gate, state, request).map_err(CommandError::Refused)?;
    let base = Position(state.position());
    let mut command = request.command.clone();
    planning::write_figures(state, now_ms, true, &mut command);
    let mut state = state.clone();
    let now = Now { recorded_at_ms: now_ms, next_position: base.next().0, context: &request.context };
    let refused = |rejection| CommandError::Refused(form::refusal_of(&rejection));
    let emitted = execute(&mut state, now, &command).map_err(refused)?;
    if emitted.is_empty() {
        return Ok(Preview { answer: nothing_changed(), base });
    }
    let common = CommonPart {
        recorded_at_ms: now_ms,
        principal: &request.principal,
        command_id: &request.id,
        body_digest: &request.digest,
        context: Some(&request.context),
        count: 0,
    };
    let encoded = UnitEncoder::default().encode(&state, base.next(), common, &emitted).map_err(|fatal| {
        tracing::error!(%fatal, "a previewed command cannot be encoded");
        NO_PLANNER
    })?;
    Ok(Preview { answer: encoded.answer, base })
}
