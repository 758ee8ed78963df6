//! Where in the log each call to a person was made, and each version of a plan drafted: the card of a call stands there. Read when it is first
//! asked for and carried on from there; eight bytes a call.

use std::collections::HashMap;

use muster_log::{Log, Position, ReadError};
use muster_proto::v1::PostCard;
use muster_proto::{Event, decode, event_tag, peek};
use parking_lot::Mutex;

use crate::limits;

#[derive(Default)]
struct Known {
    seen: Position,
    /// By the number in the call's id, which the log gives one after the other; 0 for none.
    calls: Vec<u64>,
    plans: HashMap<(Box<str>, u32), Position>,
}

/// The index.
#[derive(Default)]
pub(super) struct Calls(Mutex<Known>);

impl Calls {
    /// The card of a call, among everything that is durable now. Blocks while it reads.
    pub(super) fn card_of(&self, log: &dyn Log, call_id: &str) -> Result<Option<PostCard>, ReadError> {
        let (position, known) = {
            let mut known = self.0.lock();
            known.read_on(log)?;
            let at = number(call_id).and_then(|number| known.calls.get(number).copied()).filter(|at| *at != 0);
            (at, known)
        };
        let Some(position) = position else { return Ok(None) };
        let record = log.read_one(Position(position))?;
        let Some(Event::ResponderCalled(mut call)) = decode(&record.bytes).ok().and_then(|envelope| envelope.event) else {
            return Ok(None);
        };
        if let Some(card) = call.card.take() {
            return Ok(Some(card));
        }
        let plan = known.plans.get(&(call.plan_id.as_str().into(), call.plan_version)).copied();
        drop(known);
        let drafted = plan.map(|at| log.read_one(at)).transpose()?.and_then(|record| decode(&record.bytes).ok()?.event);
        Ok(match drafted {
            Some(Event::PlanDrafted(plan)) => plan.cards.into_iter().find(|card| card.card_key == call.card_key),
            _ => None,
        })
    }
}

impl Known {
    fn read_on(&mut self, log: &dyn Log) -> Result<(), ReadError> {
        let end = log.watermark();
        while self.seen < end {
            let records = log.read(self.seen.next(), limits::EVENTS_BATCH_BYTES, limits::EVENTS_BATCH_RECORDS)?;
            let Some(last) = records.last().map(|record| record.position) else { break };
            for record in records.iter().filter(|record| matters(&record.bytes)) {
                match decode(&record.bytes).ok().and_then(|envelope| envelope.event) {
                    Some(Event::ResponderCalled(call)) => self.put(&call.call_id, record.position),
                    Some(Event::PlanDrafted(plan)) => drop(self.plans.insert((plan.plan_id.into(), plan.version), record.position)),
                    _ => {}
                }
            }
            self.seen = last;
        }
        Ok(())
    }

    fn put(&mut self, call_id: &str, position: Position) {
        // Numbers come one after the other: one far ahead is no number of the log's.
        let Some(number) = number(call_id).filter(|number| *number <= self.calls.len() + limits::EVENTS_BATCH_RECORDS) else { return };
        if self.calls.len() <= number {
            self.calls.resize(number + 1, 0);
        }
        self.calls[number] = position.0;
    }
}

fn number(call_id: &str) -> Option<usize> {
    call_id.strip_prefix('c')?.parse().ok()
}

fn matters(bytes: &[u8]) -> bool {
    let tag = peek(bytes).map(|found| Some(found.event_tag));
    tag.is_ok_and(|tag| tag == event_tag("ResponderCalled") || tag == event_tag("PlanDrafted"))
}
