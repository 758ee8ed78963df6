//! The start of an engine: state from the newest snapshot and the records after it, clock and index checked, threads begun.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::sync_channel;
use std::thread;

use muster_domain::State;
use muster_log::{Log, Position};
use muster_proto::peek;

use crate::board::Board;
use crate::clock::Clock;
use crate::errors::{Fatal, StartError};
use crate::handle::{Door, EngineHandle};
use crate::inflight::InFlight;
use crate::options::{EngineOptions, OnProgress, Phase, Progress};
use crate::planner::{Planner, PlannerStart};
use crate::repeats::Repeats;
use crate::sequencer::{Sequencer, wait_durable};
use crate::unit::UnitEncoder;
use crate::{index, replay, snapshot};

/// The one that decides. See [`Engine::start`].
#[derive(Debug)]
pub struct Engine;

impl Engine {
    /// Recovers the state from `log` and starts deciding. Nobody else may append to the log.
    ///
    /// # Errors
    /// See [`StartError`]; nothing was appended.
    pub fn start(log: Arc<dyn Log>, options: EngineOptions) -> Result<EngineHandle, StartError> {
        let EngineOptions { state_dir, clock, accept_clock, snapshot_every, queue_max, rebuild_index, on_fatal, mut on_progress } = options;
        settle(&*log)?;
        let end = log.watermark();
        let last_recorded_ms = last_recorded_ms(&*log, end)?;
        let mut clock = match Clock::start(clock, last_recorded_ms) {
            Err(StartError::ClockBehind { .. }) if accept_clock => Clock::from_record(last_recorded_ms),
            started => started?,
        };
        let snapshot = state_dir.as_deref().map(|dir| snapshot::load_newest(dir, &*log)).transpose()?.flatten();
        let (from, mut state) = snapshot.unwrap_or_else(|| (Position::ZERO, State::default()));
        if let Some(gap) = if rebuild_index { Some(end) } else { log.index_gap() } {
            index::rebuild(&*log, gap, &mut |position| tell(&mut on_progress, Phase::CommandIndex, position, gap))?;
        }
        replay::replay(&*log, &mut state, from, end, &mut |position| tell(&mut on_progress, Phase::Replay, position, end))?;
        tracing::info!(%from, %end, "the state is recovered");

        let board = Arc::new(Board::new(end, on_fatal));
        board.publish(end, clock.now_ms(), state.next_timer_ms(), state.timers());
        let planner = state_dir
            .map(|dir| {
                let start = PlannerStart { state: state.clone(), position: end, snapshot: from, dir, every: snapshot_every };
                Planner::start(Arc::clone(&log), Arc::clone(&board), start)
            })
            .transpose()
            .map_err(StartError::Thread)?;
        let (sender, inputs) = sync_channel(queue_max.max(1));
        let door = Door {
            inputs: sender,
            handed_in: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            board: Arc::clone(&board),
            log: Arc::clone(&log),
            ticker: clock.ticker(),
            jobs: planner.as_ref().map(Planner::orders),
            queue_max: queue_max.max(1),
        };
        let (repeats, repeats_thread) = Repeats::start(Arc::clone(&log), Arc::clone(&board)).map_err(StartError::Thread)?;
        let sequencer = Sequencer {
            state,
            log,
            clock,
            inputs,
            next: end.next(),
            in_flight: InFlight::default(),
            encoder: UnitEncoder::default(),
            repeats,
            repeats_thread,
            planner,
            board,
        };
        thread::Builder::new().name("engine".to_owned()).spawn(move || sequencer.run()).map_err(StartError::Thread)?;
        Ok(EngineHandle { door: Arc::new(door) })
    }
}

/// Waits for what an engine before this one may have left on its way.
fn settle(log: &dyn Log) -> Result<(), StartError> {
    match wait_durable(log, log.appended()) {
        Err(Fatal::LogStopped(stopped) | Fatal::Append(muster_log::AppendError::Stopped(stopped))) => Err(stopped.into()),
        // The position asked for is the last one appended, so nothing else can be wrong with it.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// When the last record was made; the beginning of time for an empty log.
fn last_recorded_ms(log: &dyn Log, end: Position) -> Result<i64, StartError> {
    if end == Position::ZERO {
        return Ok(0);
    }
    let record = log.read_one(end)?;
    let found = peek(&record.bytes).map_err(|source| StartError::BadRecord { position: end, source })?;
    Ok(found.recorded_at_ms)
}

fn tell(on_progress: &mut Option<OnProgress>, phase: Phase, position: Position, end: Position) {
    if let Some(on_progress) = on_progress {
        on_progress(Progress { phase, position, end });
    }
}
