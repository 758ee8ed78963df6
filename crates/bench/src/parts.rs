//! Where the time of a conversion goes: the same command decided, and its records encoded, without engine, log or threads.
//! For the row's detail only; no ratio is made of it.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use muster_domain::{Meta, Now, State, execute};
use muster_log::{Log, Position};
use muster_proto::{CommonPart, EnvelopeEncoder, RecordPart, decode};

use crate::history::{Stage, open_log};
use crate::limits;
use crate::plans;

/// Seconds of the parts, each the least of some runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// Deciding, applying and running the policies to rest.
    pub(crate) decide: f64,
    /// Encoding the envelopes.
    pub(crate) encode: f64,
}

/// Measures the parts on the state that the stage's log replays to.
pub(crate) fn of_conversion(data: &std::path::Path, stage: &Stage) -> Result<Parts> {
    let state = replayed(data, stage)?;
    let mut parts = Parts { decide: f64::MAX, encode: f64::MAX };
    for _ in 0..limits::PART_RUNS {
        let mut state = state.clone();
        let request = plans::convert();
        let now = Now { recorded_at_ms: muster_demo::START_MS, next_position: stage.end + 1, context: &request.context };
        let started = Instant::now();
        let emitted = execute(&mut state, now, &request.command).map_err(|rejection| anyhow::anyhow!("refused: {}", rejection.en()))?;
        parts.decide = parts.decide.min(started.elapsed().as_secs_f64());
        let started = Instant::now();
        let common = CommonPart {
            recorded_at_ms: now.recorded_at_ms,
            principal: &request.principal,
            command_id: &request.id,
            body_digest: &request.digest,
            context: Some(&request.context),
            count: u32::try_from(emitted.len())?,
        };
        let mut encoder = EnvelopeEncoder::new(&common, emitted.len());
        let mut bytes = 0;
        for (index, (fact, position)) in (0..).zip(emitted.iter().zip(now.next_position..)) {
            let record = encoder.encode(&RecordPart {
                position,
                index,
                realm: state.realm_name(fact.realm),
                area_path: &state.area_path(fact.area),
                other_area_ids: &fact.other_area_ids,
                cause: fact.cause.map_or(0, |cause| now.next_position + u64::from(cause)),
                origin: fact.origin,
                event: &fact.event,
            });
            bytes += record.len();
        }
        parts.encode = parts.encode.min(started.elapsed().as_secs_f64());
        ensure!(bytes > emitted.len(), "nothing was encoded");
    }
    Ok(parts)
}

fn replayed(data: &std::path::Path, stage: &Stage) -> Result<State> {
    let log = open_log(data)?;
    let mut state = State::default();
    let mut next = Position::FIRST;
    while next.0 <= stage.end {
        for record in log.read(next, 1 << 20, 4_096)? {
            let envelope = decode(&record.bytes)?;
            let (recorded_at_ms, occurred_at_ms) = (envelope.recorded_at_ms, envelope.occurred_at_ms);
            let meta = Meta { position: envelope.position, recorded_at_ms, occurred_at_ms, realm: &envelope.realm };
            state.apply(&meta, envelope.event.as_ref().context("every record has an event")?);
            next = record.position.next();
        }
    }
    Ok(state)
}
