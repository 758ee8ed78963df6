//! RecordDelivery 送达: what became of a call on a channel; taken late, doubled and in any order.

use muster_proto::Event;
use muster_proto::v1::{self, DeliveryChannel, DeliveryOutcome};

use super::{Decision, checks};
use crate::execute::{Draft, Now};
use crate::ids::CallRef;
use crate::policy::reach;
use crate::rejection::Rejection;
use crate::state::State;

pub(super) fn record(state: &State, now: &Now<'_>, body: &v1::RecordDelivery) -> Decision {
    if body.call_id.is_empty() {
        return Err(Rejection::FieldMissing { field: "call_id" });
    }
    let unknown = || Rejection::UnknownCall { id: body.call_id.clone() };
    let key = CallRef::parse(&body.call_id).ok_or_else(unknown)?;
    let call = state.ops.calls.find(key).ok_or_else(unknown)?;
    let channel: DeliveryChannel = checks::set("channel", body.channel)?;
    let outcome: DeliveryOutcome = checks::set("outcome", body.outcome)?;
    checks::short("reference", &body.reference)?;
    if body.attempted_at_ms < 0 {
        return Err(Rejection::FieldInvalid {
            field: "attempted_at_ms", reason_zh: "时间不能为负", reason_en: "a time is not negative"
        });
    }
    if state.ops.deliveries.get(&key).is_some_and(|told| told.told(channel, outcome)) {
        return Ok(Vec::new());
    }
    // A service's clock may run ahead; what it did has happened.
    let stated_ms = if body.attempted_at_ms == 0 { now.occurred_at_ms() } else { body.attempted_at_ms };
    let attempted_at_ms = stated_ms.min(now.recorded_at_ms);
    let waited_on = state.ops.reaching.get(&key);
    // A channel that was ordered is waited on from the order, and anew from its first message; one behind it changes nothing.
    let ahead = waited_on.is_none_or(|reach| reach.channel <= channel) && channel != DeliveryChannel::NamedContact;
    let waits = outcome == DeliveryOutcome::Sent && ahead && reach::seeking(state, key);
    let answer_due_ms =
        if waits { attempted_at_ms.saturating_add(reach::limit_ms(state, call, channel)).max(now.recorded_at_ms) } else { 0 };
    let event = Event::DeliveryRecorded(v1::DeliveryRecorded {
        call_id: body.call_id.clone(),
        responder_id: state.base.responders.id(call.responder).to_owned(),
        channel: body.channel,
        outcome: body.outcome,
        reference: body.reference.clone(),
        attempted_at_ms,
        answer_due_ms,
    });
    Ok(vec![Draft::new(event, call.realm, Some(call.area))])
}
