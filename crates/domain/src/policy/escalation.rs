//! Escalation 提级: no acknowledgement within the limit moves the responsibility one level up.

use muster_proto::Event;
use muster_proto::v1;

use crate::decide::escalated;
use crate::execute::{Draft, Now};
use crate::ids::WhistleRef;
use crate::state::State;

/// The name under which the policy says what it could not do.
pub(crate) const POLICY: &str = "escalation";

pub(super) fn overdue(state: &State, now: &Now<'_>, key: WhistleRef) -> Vec<Draft> {
    let whistle = state.ops.whistles.get(key);
    let refused = || {
        let event = Event::PolicyStepRefused(v1::PolicyStepRefused {
            policy: POLICY.to_owned(),
            step: "EscalateWhistle".to_owned(),
            subject_id: state.ops.whistles.id(key).to_owned(),
            code: "whistle_at_top".to_owned(),
        });
        Draft::new(event, whistle.realm, Some(whistle.area))
    };
    vec![escalated(state, key, now.recorded_at_ms, "超时未确认 not acknowledged in time").unwrap_or_else(refused)]
}
