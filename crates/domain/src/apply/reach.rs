//! Facts of reaching people 找得到人 applied.

use muster_proto::Event;
use muster_proto::v1::{DeliveryChannel, DeliveryOutcome};

use super::call::find;
use crate::ids::CallRef;
use crate::state::{Reach, State, Timer};

pub(super) fn apply(state: &mut State, event: &Event) -> Option<()> {
    match event {
        Event::DeliveryRecorded(body) => {
            let key = find(state, &body.call_id)?;
            let told = state.ops.deliveries.entry(key).or_default();
            told.tell(body.channel(), body.outcome());
            if body.outcome() == DeliveryOutcome::Answered {
                told.end();
                settled(state, key);
            }
            wait(state, key, body.channel(), body.answer_due_ms);
        }
        Event::NextChannelOrdered(body) => wait(state, find(state, &body.call_id)?, body.channel(), body.answer_due_ms),
        Event::TelephoneRequested(body) => {
            let key = find(state, &body.call_id)?;
            state.ops.deliveries.entry(key).or_default().end();
            settled(state, key);
        }
        _ => {}
    }
    Some(())
}

fn wait(state: &mut State, key: CallRef, channel: DeliveryChannel, due_ms: i64) {
    if due_ms != 0 {
        settled(state, key);
        state.ops.reaching.insert(key, Reach { channel, due_ms });
        state.set_timer(due_ms, Timer::Reach(key));
    }
}

/// Nobody waits for an answer on a channel any more.
pub(super) fn settled(state: &mut State, key: CallRef) {
    if let Some(reach) = state.ops.reaching.remove(&key) {
        state.clear_timer(reach.due_ms, Timer::Reach(key));
    }
}
