//! The reading thread: takes batches from the source, decodes what a fold wants, hands it on. It waits when the folding thread is behind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use muster_log::{Position, Record};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use crate::errors::{ReplayError, RunnerError};
use crate::fact::{Batch, Scribe};
use crate::fold::Interest;
use crate::limits;
use crate::live::Renewed;
use crate::rebuild::{Draft, Rebuilt};
use crate::records::Records;
use crate::source::{EventSource, Origin, SourceError};
use crate::symbols::Symbols;

/// What the folding thread is told.
pub(super) enum Message {
    /// What comes next is of this log and epoch, from position 1.
    Begin(Origin),
    /// The facts among the records up to `last`.
    Facts { batch: Batch, last: Position },
    /// What comes next goes on from the names of [`Rewind`]; everything before was to be left out.
    Rewound,
    /// Nothing more comes.
    End(RunnerError),
    /// Compare with these rows, and go on from them and their folds.
    Adopt(Box<Adoption>),
}

/// Rows and folds made anew from `log`, which is the source's.
pub(super) struct Adoption {
    pub(super) draft: Draft,
    pub(super) log: Box<dyn Records>,
    /// Only tell where the present rows differ, and keep them.
    pub(super) compare_only: bool,
    /// The views that are outdated until then.
    pub(super) renewed: Vec<Renewed>,
    pub(super) done: oneshot::Sender<Result<Rebuilt, ReplayError>>,
}

/// Tells the reader to go on from folds that were put in the place of others.
pub(super) struct Rewind {
    pub(super) names: Symbols,
    pub(super) interest: Interest,
    pub(super) next: Position,
}

pub(super) struct Reader<S> {
    source: S,
    scribe: Scribe,
    /// What all folds want, also those that are not there yet.
    whole: Interest,
    next: Position,
    rewinds: mpsc::Receiver<Rewind>,
    sender: SyncSender<Message>,
    stop: watch::Receiver<bool>,
}

enum Step {
    Records(Vec<Record>),
    Rewind(Rewind),
    Stop,
}

impl<S: EventSource> Reader<S> {
    pub(super) fn new(
        source: S,
        (scribe, whole): (Scribe, Interest),
        next: Position,
        sender: SyncSender<Message>,
        rewinds: mpsc::Receiver<Rewind>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { source, scribe, whole, next, rewinds, sender, stop }
    }

    /// Reads until the end, and tells the folding thread how it came.
    pub(super) fn run(mut self, runtime: &Handle) {
        let sender = self.sender.clone();
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(self.read())));
        let error = match outcome {
            Ok(Ok(())) => RunnerError::Closed,
            Ok(Err(error)) => error,
            Err(_) => RunnerError::Thread { detail: "the reading thread panicked".to_owned() },
        };
        // Fails only when the folding thread is gone, which has told why.
        let _ = sender.send(Message::End(error));
    }

    async fn read(&mut self) -> Result<(), RunnerError> {
        let mut seek = true;
        let mut pause_ms = limits::RETRY_MS.0;
        loop {
            match self.step(&mut seek).await {
                Ok(Step::Stop) => return Ok(()),
                Ok(Step::Rewind(rewind)) => {
                    seek = true;
                    self.next = rewind.next;
                    self.scribe.resume(rewind.names, rewind.interest);
                    if self.sender.send(Message::Rewound).is_err() {
                        return Ok(());
                    }
                }
                Ok(Step::Records(records)) => {
                    pause_ms = limits::RETRY_MS.0;
                    let message = self.decode(records)?;
                    if self.sender.send(message).is_err() {
                        return Ok(());
                    }
                }
                Err(SourceError::Ended) => return Ok(()),
                Err(error @ SourceError::Corrupt { .. }) => return Err(error.into()),
                Err(SourceError::OriginChanged) => {
                    seek = true;
                    self.next = Position::FIRST;
                    self.scribe.begin(self.whole.clone());
                    if self.sender.send(Message::Begin(self.source.origin())).is_err() {
                        return Ok(());
                    }
                }
                Err(SourceError::Unavailable { detail }) => {
                    tracing::warn!(%detail, next = %self.next, "the views' source is not available");
                    seek = true;
                    if self.stopped_within(Duration::from_millis(pause_ms)).await {
                        return Ok(());
                    }
                    pause_ms = (pause_ms * 2).min(limits::RETRY_MS.1);
                }
            }
        }
    }

    async fn step(&mut self, seek: &mut bool) -> Result<Step, SourceError> {
        let next = self.next;
        let source = &mut self.source;
        let batch = async {
            if *seek {
                source.seek(next).await?;
                *seek = false;
            }
            source.next_batch().await
        };
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => Ok(Step::Stop),
            Some(rewind) = self.rewinds.recv() => Ok(Step::Rewind(rewind)),
            records = batch => Ok(Step::Records(records?)),
        }
    }

    async fn stopped_within(&mut self, pause: Duration) -> bool {
        tokio::time::timeout(pause, self.stop.wait_for(|stop| *stop)).await.is_ok()
    }

    /// Leaves out what was given before, and refuses a hole.
    fn decode(&mut self, records: Vec<Record>) -> Result<Message, RunnerError> {
        let known = records.partition_point(|record| record.position < self.next);
        for record in &records[known..] {
            if record.position != self.next {
                return Err(RunnerError::Gap { after: Position(self.next.0 - 1), found: record.position });
            }
            self.next = record.position.next();
        }
        let batch = self.scribe.read(&records[known..])?;
        Ok(Message::Facts { batch, last: Position(self.next.0 - 1) })
    }
}
