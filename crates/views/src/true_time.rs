//! Views as of a true time: what was so at a moment T, as far as the records up to a position P tell. Observations of presence carry a device's clock
//! and may be told late, so they count at the time that they state; everything else binds from its record on, and counts at the log's time.
//!
//! Folded on demand, in the order of those times. Must change nothing that is stored.

use std::collections::VecDeque;

use bytes::Bytes;
use muster_log::{EpochPosition, Log, Position, Record};
use muster_proto::{Event, v1};
use prost::Message as _;
use rustc_hash::FxHashMap;

use crate::errors::ReplayError;
use crate::fact::FactError;
use crate::filter::Filter;
use crate::limits;
use crate::live::Snapshot;
use crate::replay::{Replayed, folded_for, placed, reachable};
use crate::view::View;

/// The views that tell of presence, and so of a true time.
pub const PRESENCE_VIEWS: [View; 3] = [View::Coverage, View::Sites, View::Responders];

/// CheckedIn, CheckedOut, PresenceDisputed and PastPresenceRecorded: what a device says of when it happened.
const fn is_observation(event_tag: u32) -> bool {
    matches!(event_tag, 252 | 253 | 254 | 256)
}

/// A view as it was at `at_ms`, as far as it was known at `known`. Rows are ordered by realm and id.
///
/// # Errors
/// See [`ReplayError`]; [`ReplayError::NotYet`] above the watermark.
pub fn as_of_true_time(log: &dyn Log, view: View, filter: &Filter, known: Position, at_ms: i64) -> Result<Snapshot, ReplayError> {
    reachable(log, known)?;
    let mut moment = Moment {
        replayed: Replayed::new(&folded_for(view)),
        late: late(log, known, at_ms)?,
        sites: FxHashMap::default(),
        whistles: FxHashMap::default(),
        spots: FxHashMap::default(),
    };
    each(log, known, |record, head| {
        if head.recorded_at_ms > at_ms {
            return Ok(false);
        }
        moment.before((head.recorded_at_ms, record.position))?;
        if !head.is_late() {
            moment.take(record)?;
        }
        Ok(true)
    })?;
    moment.before((i64::MAX, known))?;
    Ok(placed(moment.replayed, view, filter, EpochPosition { epoch: log.epoch(), position: known }))
}

/// When a record counts.
#[derive(Clone, Copy)]
struct Head {
    recorded_at_ms: i64,
    occurred_at_ms: i64,
    observation: bool,
}

impl Head {
    /// Whether it counts at another time than that of its record.
    const fn is_late(&self) -> bool {
        self.observation && self.occurred_at_ms != self.recorded_at_ms
    }
}

/// Each record up to `known`, until it says that that is enough.
fn each(log: &dyn Log, known: Position, mut take: impl FnMut(&Record, Head) -> Result<bool, ReplayError>) -> Result<(), ReplayError> {
    let mut next = Position::FIRST;
    while next <= known {
        let records = log.read(next, limits::READ_BATCH_BYTES, limits::READ_BATCH_RECORDS)?;
        let Some(last) = records.last() else { return Err(ReplayError::NotYet { asked: known, end: log.watermark() }) };
        next = last.position.next();
        for record in records.iter().take_while(|record| record.position <= known) {
            let fault = |error| FactError { position: record.position, error };
            let peek = muster_proto::peek(&record.bytes).map_err(fault)?;
            let observation = is_observation(peek.event_tag);
            let occurred_at_ms =
                if observation { muster_proto::decode(&record.bytes).map_err(fault)?.occurred_at_ms } else { peek.recorded_at_ms };
            if !take(record, Head { recorded_at_ms: peek.recorded_at_ms, occurred_at_ms, observation })? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The observations that count at another time than that of their record, in the order of those times; of those up to `at_ms`. Each has bytes
/// of its own, for a record shares those of all that were read with it.
fn late(log: &dyn Log, known: Position, at_ms: i64) -> Result<VecDeque<(i64, Record)>, ReplayError> {
    let mut late = Vec::new();
    each(log, known, |record, head| {
        if head.is_late() && head.occurred_at_ms <= at_ms {
            late.push((head.occurred_at_ms, Record { position: record.position, bytes: Bytes::copy_from_slice(&record.bytes) }));
        }
        Ok(true)
    })?;
    late.sort_by_key(|(occurred_at_ms, record)| (*occurred_at_ms, record.position));
    Ok(late.into())
}

/// Folds that take records in the order of the times at which they count.
struct Moment {
    replayed: Replayed,
    late: VecDeque<(i64, Record)>,
    /// Areas of sites and of whistles by id: an observation of the past does not say them.
    sites: FxHashMap<String, String>,
    whistles: FxHashMap<String, String>,
    /// Where people were seen last, site and whistle by realm and person.
    spots: FxHashMap<(String, String), Place>,
}

type Place = (String, String);

impl Moment {
    /// Takes the late observations that come before a place in time.
    fn before(&mut self, place: (i64, Position)) -> Result<(), ReplayError> {
        while self.late.front().is_some_and(|(at_ms, record)| (*at_ms, record.position) < place) {
            if let Some((_, record)) = self.late.pop_front() {
                self.take(&record)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, record: &Record) -> Result<(), ReplayError> {
        let fault = |error| FactError { position: record.position, error };
        let peek = muster_proto::peek(&record.bytes).map_err(fault)?;
        let rewritten = if tells_of_places(peek.event_tag) {
            match self.seen(muster_proto::decode(&record.bytes).map_err(fault)?) {
                Some(envelope) => Some(Record { position: record.position, bytes: envelope.encode_to_vec().into() }),
                None => return Ok(()),
            }
        } else {
            None
        };
        let Replayed { folds, scribe } = &mut self.replayed;
        let batch = scribe.read([rewritten.as_ref().unwrap_or(record)])?;
        folds.apply(&batch, record.position, |_| ());
        Ok(())
    }

    /// Notes where people and places are. An observation of the past becomes what it would have been at its time; nothing is left of a check-out
    /// from a place where the person no longer was.
    fn seen(&mut self, mut envelope: v1::Envelope) -> Option<v1::Envelope> {
        let realm = envelope.realm.clone();
        let person = |responder_id: &str| (realm.clone(), responder_id.to_owned());
        let place =
            |site_id: &str, whistle_id: &str| (site_id.to_owned(), if site_id.is_empty() { whistle_id.to_owned() } else { String::new() });
        match envelope.event.as_mut()? {
            Event::SiteOpened(body) => drop(self.sites.insert(body.site_id.clone(), body.area_id.clone())),
            Event::WhistleBlown(body) => drop(self.whistles.insert(body.whistle_id.clone(), body.area_id.clone())),
            Event::CheckedIn(body) => {
                self.spots.insert(person(&body.responder_id), place(&body.site_id, &body.whistle_id));
            }
            Event::PresenceDisputed(body) => drop(self.spots.remove(&person(&body.responder_id))),
            Event::PresenceSettled(body) => {
                let (key, spot) = (person(&body.responder_id), place(&body.site_id, &body.whistle_id));
                if spot == Place::default() {
                    self.spots.remove(&key)
                } else {
                    self.spots.insert(key, spot)
                };
            }
            Event::CheckedOut(body) => {
                let key = person(&body.responder_id);
                if self.spots.get(&key) != Some(&place(&body.site_id, &body.whistle_id)) {
                    return None;
                }
                self.spots.remove(&key);
            }
            Event::PastPresenceRecorded(body) => {
                let v1::PastPresenceRecorded { responder_id, site_id, whistle_id, check_out, device_sequence } = std::mem::take(body);
                let (key, spot) = (person(&responder_id), place(&site_id, &whistle_id));
                let area = if site_id.is_empty() { self.whistles.get(&whistle_id) } else { self.sites.get(&site_id) };
                let area_id = area.cloned().unwrap_or_default();
                envelope.event = Some(if check_out {
                    if self.spots.get(&key) != Some(&spot) {
                        return None;
                    }
                    self.spots.remove(&key);
                    Event::CheckedOut(v1::CheckedOut { responder_id, site_id, whistle_id, device_sequence, ..Default::default() })
                } else {
                    self.spots.insert(key, spot);
                    Event::CheckedIn(v1::CheckedIn { responder_id, site_id, whistle_id, area_id, device_sequence, ..Default::default() })
                });
            }
            _ => {}
        }
        Some(envelope)
    }
}

/// SiteOpened, WhistleBlown, and what says where a person is.
const fn tells_of_places(event_tag: u32) -> bool {
    matches!(event_tag, 200 | 220 | 252..=256)
}
