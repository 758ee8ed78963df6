//! Where in the log each person was last enrolled: the sealed name and number stand there and nowhere else. Read when it
//! is first asked for and carried on from there; it costs nothing as long as nobody asks.

use std::collections::HashMap;

use muster_log::{Log, Position, ReadError};
use muster_proto::{Event, decode};
use parking_lot::Mutex;

use super::contact::enrolls;
use crate::limits;

#[derive(Default)]
struct Known {
    seen: Position,
    places: HashMap<Box<str>, Position>,
}

/// The index.
#[derive(Default)]
pub(crate) struct Enrollments(Mutex<Known>);

impl Enrollments {
    /// The last enrollment of a person among everything that is durable now. Blocks while it reads.
    pub(super) fn find(&self, log: &dyn Log, responder_id: &str) -> Result<Option<Position>, ReadError> {
        let mut known = self.0.lock();
        let end = log.watermark();
        while known.seen < end {
            let records = log.read(known.seen.next(), limits::EVENTS_BATCH_BYTES, limits::EVENTS_BATCH_RECORDS)?;
            let Some(last) = records.last().map(|record| record.position) else { break };
            for record in records.iter().filter(|record| enrolls(&record.bytes)) {
                if let Some(Event::ResponderEnrolled(event)) = decode(&record.bytes).ok().and_then(|envelope| envelope.event) {
                    known.places.insert(event.responder_id.into(), record.position);
                }
            }
            known.seen = last;
        }
        Ok(known.places.get(responder_id).copied())
    }
}
