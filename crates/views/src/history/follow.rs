//! The thread of the history: follows the log with folds of its own, and after every record writes each row that is another now. It must never hold
//! up the live views, and never write a version without the checkpoint that it belongs to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use muster_log::{Log, Position, Record};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::rows::Rows;
use super::store::Writes;
use super::trees::Turn;
use super::{Control, Shared};
use crate::errors::{ReplayError, RunnerError};
use crate::fact::What;
use crate::fold::RowChange;
use crate::limits;
use crate::replay::Replayed;
use crate::source::{EventSource as _, LogSource, Origin, SourceError};
use crate::store::Checkpoint;
use crate::view::View;

pub(super) struct Follower {
    pub(super) shared: Arc<Shared>,
    pub(super) log: Arc<dyn Log>,
    pub(super) views: Vec<View>,
    pub(super) control: watch::Receiver<Control>,
}

/// Why the thread no longer follows.
enum Ended {
    Stopped,
    /// The versions are to be made anew.
    Anew,
}

enum Step {
    Records(Vec<Record>),
    Ended(Ended),
}

/// What is known at the place that the thread has come to.
struct Reached {
    replayed: Replayed,
    rows: Rows,
}

impl Follower {
    pub(super) fn run(mut self, runtime: &Handle) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.follow(runtime)));
        let error = match outcome {
            Ok(Ok(())) => RunnerError::Closed,
            Ok(Err(error)) => error,
            Err(_) => RunnerError::Thread { detail: "the history's thread panicked".to_owned() },
        };
        if !matches!(error, RunnerError::Closed) {
            tracing::error!(%error, "the history of the views has stopped; earlier moments are folded from the log when asked for");
        }
        // Without it the last seconds are folded again at the next start.
        if let Err(error) = self.shared.store.flush() {
            tracing::warn!(%error, "the end of the history could not be kept");
        }
        self.shared.stop(error);
    }

    fn follow(&mut self, runtime: &Handle) -> Result<(), RunnerError> {
        loop {
            match self.go_on(runtime)? {
                Ended::Stopped => return Ok(()),
                Ended::Anew => self.shared.clear()?,
            }
        }
    }

    fn go_on(&mut self, runtime: &Handle) -> Result<Ended, RunnerError> {
        let rows = match Rows::load(&self.shared.store) {
            Ok(rows) => rows,
            // Disposable: what cannot be read is made anew.
            Err(error) if self.shared.at() > Position::ZERO => {
                tracing::warn!(%error, "the history's list of rows cannot be read; the history is made anew");
                return Ok(Ended::Anew);
            }
            Err(error) => return Err(error.into()),
        };
        let mut reached = Reached { replayed: Replayed::new(&self.views), rows };
        if let Some(ended) = self.come_back(&mut reached.replayed)? {
            return Ok(ended);
        }
        let origin = Origin { log: self.log.id(), epoch: self.log.epoch() };
        let mut source = LogSource::new(Arc::clone(&self.log));
        let (mut seek, mut pause_ms) = (true, limits::RETRY_MS.0);
        loop {
            let next = reached.replayed.folds.position.next();
            match runtime.block_on(self.step(&mut source, next, &mut seek)) {
                Ok(Step::Records(records)) => {
                    pause_ms = limits::RETRY_MS.0;
                    self.take(&mut reached, &records, origin)?;
                }
                Ok(Step::Ended(ended)) => return Ok(ended),
                Err(SourceError::Ended) => return Ok(Ended::Stopped),
                Err(SourceError::Unavailable { detail }) => {
                    tracing::warn!(%detail, %next, "the history's log is not available");
                    seek = true;
                    runtime.block_on(self.pause(pause_ms));
                    pause_ms = (pause_ms * 2).min(limits::RETRY_MS.1);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Brings the folds to where the versions are; nothing of it is written.
    fn come_back(&mut self, replayed: &mut Replayed) -> Result<Option<Ended>, RunnerError> {
        let target = self.shared.at();
        while replayed.folds.position < target {
            if let Some(ended) = self.ended() {
                return Ok(Some(ended));
            }
            let to = Position(replayed.folds.position.0 + limits::HISTORY_STEP_RECORDS).min(target);
            replayed.advance(&*self.log, to).map_err(|error| match error {
                ReplayError::Record(error) => RunnerError::Record(error),
                error => RunnerError::Source(SourceError::Corrupt { detail: error.to_string() }),
            })?;
            replayed.folds.drain(drop);
        }
        Ok(None)
    }

    /// Whether the thread is to end, or to begin anew.
    fn ended(&mut self) -> Option<Ended> {
        // Nobody is left who could ask.
        let Ok(changed) = self.control.has_changed() else { return Some(Ended::Stopped) };
        let control = *self.control.borrow_and_update();
        match control {
            Control { stop: true, .. } => Some(Ended::Stopped),
            _ if changed => Some(Ended::Anew),
            _ => None,
        }
    }

    async fn step(&mut self, source: &mut LogSource, next: Position, seek: &mut bool) -> Result<Step, SourceError> {
        let batch = async {
            if *seek {
                source.seek(next).await?;
                *seek = false;
            }
            source.next_batch().await
        };
        tokio::select! {
            biased;
            heard = self.control.changed() => {
                let stop = heard.is_err() || self.control.borrow_and_update().stop;
                Ok(Step::Ended(if stop { Ended::Stopped } else { Ended::Anew }))
            }
            records = batch => Ok(Step::Records(records?)),
        }
    }

    async fn pause(&mut self, pause_ms: u64) {
        let mut control = self.control.clone();
        // Only that time passes matters: whoever changed it is heard at the next step.
        let _ = tokio::time::timeout(Duration::from_millis(pause_ms), control.changed()).await;
    }

    /// Folds records one by one, and writes what each changed.
    fn take(&self, reached: &mut Reached, records: &[Record], origin: Origin) -> Result<(), RunnerError> {
        let Reached { replayed, rows } = reached;
        let (mut writes, mut turns, mut changes) = (Writes::default(), Vec::new(), Vec::new());
        for record in records {
            let next = replayed.folds.position.next();
            if record.position != next {
                return Err(RunnerError::Gap { after: replayed.folds.position, found: record.position });
            }
            let batch = replayed.scribe.read([record])?;
            replayed.folds.apply(&batch, next, |fact| {
                if let What::Event(event) = &fact.what
                    && let Some(turn) = Turn::of(event)
                {
                    writes.put_turn(next, &turn);
                    turns.push((next, turn));
                }
            });
            replayed.folds.drain(|change| changes.push(change));
            for change in changes.drain(..) {
                match change {
                    RowChange::Put(row) => {
                        let number = rows.put(&row, &mut writes);
                        writes.put_version(number, next, Some(&row));
                    }
                    RowChange::Delete { view, realm, id } => {
                        if let Some(number) = rows.end(view, &realm, &id) {
                            writes.put_version(number, next, None);
                        }
                    }
                }
            }
        }
        let at = replayed.folds.position;
        writes.put_checkpoint(Checkpoint::new(origin, at));
        self.shared.store.write(writes)?;
        self.shared.moved(at, turns);
        Ok(())
    }
}
