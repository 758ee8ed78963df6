//! The sequencing loop: one thread, input by input. Decide, apply, append; the log syncs meanwhile, and answers come
//! from its writer once durable. It must never wait for the disk, and never go on after a unit was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::bounded;
use muster_domain::{Emitted, Now, State, execute, fire_timer};
use muster_log::{CommandEntry, CommandKey, IndexEntry, Log, OnDurable, Position, Unit};
use muster_proto::{Answer, CommandError, CommonPart};

use crate::board::{Board, PanicGuard};
use crate::clock::Clock;
use crate::errors::{AdvanceError, Fatal, LOG_STOPPED, LOG_UNREADABLE, NO_SPACE, SHUTTING_DOWN, ShutdownError};
use crate::form;
use crate::gate;
use crate::handle::{Advanced, Ended, Input, Submission};
use crate::inflight::InFlight;
use crate::limits;
use crate::planner::Planner;
use crate::repeats::Repeats;
use crate::reply::{Outcome, Reply};
use crate::unit::{Encoded, UnitEncoder};

/// The engine's thread and all it owns.
pub(crate) struct Sequencer {
    pub(crate) state: State,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Clock,
    pub(crate) inputs: Receiver<Input>,
    /// The position of the next record.
    pub(crate) next: Position,
    pub(crate) in_flight: InFlight,
    pub(crate) encoder: UnitEncoder,
    pub(crate) repeats: Repeats,
    pub(crate) repeats_thread: JoinHandle<()>,
    pub(crate) planner: Option<Planner>,
    pub(crate) board: Arc<Board>,
}

/// Why the loop ended.
enum End {
    Shutdown(Reply<Result<Ended, ShutdownError>>),
    /// No handle is left.
    Abandoned,
    Failed(Fatal),
}

impl From<Fatal> for End {
    fn from(fatal: Fatal) -> Self {
        Self::Failed(fatal)
    }
}

impl Sequencer {
    /// Runs until the end, and answers everybody.
    pub(crate) fn run(mut self) {
        // A panic in the middle of a command leaves a state that is neither before nor after it.
        let _guard = PanicGuard(Arc::clone(&self.board));
        let end = self.serve();
        let error = match &end {
            End::Failed(fatal) => {
                self.board.fail(fatal.clone());
                LOG_STOPPED
            }
            End::Shutdown(_) | End::Abandoned => SHUTTING_DOWN,
        };
        for input in self.inputs.try_iter() {
            if let Input::Command(submission) = input {
                submission.reply.send(Err(error.clone()));
            }
        }
        if let End::Shutdown(reply) = end {
            self.finish(reply);
        }
    }

    fn serve(&mut self) -> End {
        loop {
            match self.turn() {
                Ok(()) => {}
                Err(end) => return end,
            }
        }
    }

    fn turn(&mut self) -> Result<(), End> {
        self.run_timers()?;
        let now_ms = self.publish();
        let input = self.next_input(now_ms)?;
        // A failure on the writer's thread: what was decided since rests on units that are lost.
        if let Some(fatal) = self.board.failed().then(|| self.board.fatal()).flatten() {
            return Err(End::Failed((*fatal).clone()));
        }
        match input {
            Some(Input::Command(submission)) => self.command(*submission)?,
            Some(Input::Advance { to_ms, reply }) => self.advance(to_ms, reply)?,
            Some(Input::Shutdown { reply }) => return Err(End::Shutdown(reply)),
            None => {}
        }
        Ok(())
    }

    /// Shows where the engine is. The time it is at.
    fn publish(&mut self) -> i64 {
        let now_ms = self.clock.now_ms();
        self.board.publish(self.decided(), now_ms, self.state.next_timer_ms(), self.state.timers());
        now_ms
    }

    /// The next input; none when a timer is due before.
    fn next_input(&self, now_ms: i64) -> Result<Option<Input>, End> {
        let due_in_ms = self.state.next_timer_ms().filter(|_| !self.clock.is_manual()).map(|due_ms| due_ms - now_ms);
        let received = match due_in_ms {
            None => self.inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due_in_ms) if due_in_ms <= 0 && self.log.space_ok() => self.inputs.try_recv().map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            }),
            Some(due_in_ms) if due_in_ms <= 0 => self.inputs.recv_timeout(Duration::from_millis(limits::NO_SPACE_RETRY_MS)),
            Some(due_in_ms) => {
                let wait_ms = due_in_ms.min(limits::TIMER_WAIT_MS_MAX).unsigned_abs();
                self.inputs.recv_timeout(Duration::from_millis(wait_ms))
            }
        };
        match received {
            Ok(input) => {
                count(&self.board.taken);
                Ok(Some(input))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(End::Abandoned),
        }
    }

    fn decided(&self) -> Position {
        Position(self.next.0 - 1)
    }

    fn command(&mut self, submission: Submission) -> Result<(), Fatal> {
        let Submission { request, gate, reply } = submission;
        let key = match form::check(&request) {
            Ok(key) => key,
            Err(error) => {
                reply.send(Err(CommandError::Malformed(error)));
                return Ok(());
            }
        };
        match self.known(&key) {
            Ok(None) => {}
            Ok(Some(entry)) if entry.digest == request.digest => return self.repeat(entry, reply),
            Ok(Some(entry)) => return self.answer_after(entry.last, reply, Err(CommandError::IdReused { id: request.id })),
            Err(error) => {
                reply.send(Err(error));
                return Ok(());
            }
        }
        if !self.log.space_ok() {
            reply.send(Err(NO_SPACE));
            return Ok(());
        }
        let now_ms = self.clock.now_ms();
        if let Some(refusal) = form::check_occurred(&request.context, now_ms) {
            return self.refuse(reply, CommandError::Refused(refusal));
        }
        if let Err(refusal) = gate::pass(&gate, &self.state, &request) {
            return self.refuse(reply, CommandError::Refused(refusal));
        }
        let now = Now { recorded_at_ms: now_ms, next_position: self.next.0, context: &request.context };
        match execute(&mut self.state, now, &request.command) {
            Err(rejection) => self.refuse(reply, CommandError::Refused(form::refusal_of(&rejection))),
            Ok(emitted) if emitted.is_empty() => self.answer_after(self.decided(), reply, Ok(nothing_changed())),
            Ok(emitted) => {
                count(&self.board.accepted);
                let common = CommonPart {
                    recorded_at_ms: now_ms,
                    principal: &request.principal,
                    command_id: &request.id,
                    body_digest: &request.digest,
                    context: Some(&request.context),
                    count: 0,
                };
                let entry = CommandEntry { key, digest: request.digest };
                self.store(&emitted, common, Some(entry), Some(reply))
            }
        }
    }

    /// What is known of a command with this key, durable or not yet.
    fn known(&mut self, key: &CommandKey) -> Result<Option<IndexEntry>, CommandError> {
        self.in_flight.forget_until(self.log.watermark());
        if let Some(entry) = self.in_flight.get(key) {
            return Ok(Some(entry));
        }
        self.log.command(key).map_err(|error| {
            tracing::error!(%error, "the command index cannot be read");
            LOG_UNREADABLE
        })
    }

    /// Gives the first answer again, once it is one.
    fn repeat(&mut self, entry: IndexEntry, reply: Reply<Outcome>) -> Result<(), Fatal> {
        count(&self.board.repeated);
        let repeats = self.repeats.clone();
        self.after(
            entry.last,
            Box::new(move |durable| match durable {
                Ok(_) => repeats.answer(entry, reply),
                Err(_) => reply.send(Err(LOG_STOPPED)),
            }),
        )
    }

    /// A refusal may rest on anything decided so far, so it waits until all of that is durable.
    fn refuse(&mut self, reply: Reply<Outcome>, error: CommandError) -> Result<(), Fatal> {
        count(&self.board.refused);
        self.answer_after(self.decided(), reply, Err(error))
    }

    fn answer_after(&mut self, position: Position, reply: Reply<Outcome>, outcome: Outcome) -> Result<(), Fatal> {
        self.after(position, Box::new(move |durable| reply.send(durable.map_err(|_| LOG_STOPPED).and(outcome))))
    }

    fn after(&mut self, position: Position, callback: OnDurable) -> Result<(), Fatal> {
        Ok(self.log.after(position, callback)?)
    }

    /// Appends what was decided and applied as one unit. From here on it is stored or the engine ends.
    fn store(
        &mut self,
        emitted: &[Emitted],
        common: CommonPart<'_>,
        command: Option<CommandEntry>,
        reply: Option<Reply<Outcome>>,
    ) -> Result<(), Fatal> {
        let Encoded { records, answer } = self.encoder.encode(&self.state, self.next, common, emitted)?;
        let last = Position(answer.last);
        let index = command.as_ref().map(|CommandEntry { key, digest }| {
            let entry = IndexEntry { digest: *digest, first: self.next, last };
            (key.clone(), entry)
        });
        let unit = Unit { expected_next: self.next, records, command };
        let board = Arc::clone(&self.board);
        let on_durable: OnDurable = Box::new(move |durable| match durable {
            Ok(_) => {
                if let Some(reply) = reply {
                    reply.send(Ok(answer));
                }
            }
            Err(stopped) => {
                if let Some(reply) = reply {
                    reply.send(Err(LOG_STOPPED));
                }
                board.fail(Fatal::LogStopped(stopped));
            }
        });
        self.log.append(unit, on_durable)?;
        self.next = last.next();
        if let Some((key, entry)) = index {
            self.in_flight.insert(key, entry);
        }
        Ok(())
    }

    /// Runs timers that are due: on a manual clock all of them, so that what happens does not hang on how inputs
    /// arrive; else a few, so that commands get their turn.
    fn run_timers(&mut self) -> Result<(), Fatal> {
        let turns = if self.clock.is_manual() { usize::MAX } else { limits::TIMERS_PER_TURN };
        for _ in 0..turns {
            let Some(due_ms) = self.state.next_timer_ms() else { break };
            if due_ms > self.clock.now_ms() || !self.log.space_ok() || !self.fire()? {
                break;
            }
        }
        Ok(())
    }

    /// Fires the earliest timer at the present time, if it is due: a unit of its own.
    fn fire(&mut self) -> Result<bool, Fatal> {
        let now_ms = self.clock.now_ms();
        let Some(emitted) = fire_timer(&mut self.state, now_ms, self.next.0) else { return Ok(false) };
        count(&self.board.timers_fired);
        if !emitted.is_empty() {
            self.store(&emitted, CommonPart { recorded_at_ms: now_ms, ..CommonPart::default() }, None, None)?;
        }
        Ok(true)
    }

    fn advance(&mut self, to_ms: i64, reply: Reply<Result<Advanced, AdvanceError>>) -> Result<(), Fatal> {
        let mut fired = 0;
        while let Some(due_ms) = self.state.next_timer_ms().filter(|due_ms| *due_ms <= to_ms) {
            if !self.log.space_ok() {
                reply.send(Err(AdvanceError::NoSpace));
                return Ok(());
            }
            self.clock.move_to(due_ms);
            if !self.fire()? {
                break;
            }
            fired += 1;
        }
        self.clock.move_to(to_ms);
        // Whoever is answered sees the new time.
        let advanced = Advanced { now_ms: self.publish(), fired, last: self.decided() };
        self.after(self.decided(), Box::new(move |durable| reply.send(durable.map(|_| advanced).map_err(|_| AdvanceError::Stopped))))
    }

    /// The orderly end: everything durable, a last snapshot, then the answer.
    fn finish(self, reply: Reply<Result<Ended, ShutdownError>>) {
        if let Err(error) = wait_durable(&*self.log, self.decided()) {
            // Whoever waits gets `Stopped` from the dropped reply.
            return self.board.fail(error);
        }
        let Self { log, planner, repeats, repeats_thread, .. } = self;
        let snapshot = planner.and_then(Planner::finish);
        // Every command is answered, so that nobody else can hold the queue of the repeats.
        drop(repeats);
        if repeats_thread.join().is_err() {
            tracing::error!("the thread that answers repeats panicked");
        }
        let ended = Ended { end: log.end(), snapshot };
        // Whoever gets the answer may close the log and open it anew: the engine no longer holds it.
        drop(log);
        reply.send(Ok(ended));
    }
}

/// Waits until everything up to `position` is durable and answered.
pub(crate) fn wait_durable(log: &dyn Log, position: Position) -> Result<(), Fatal> {
    let (sender, durable) = bounded(1);
    log.after(position, Box::new(move |outcome| drop(sender.send(outcome))))?;
    match durable.recv() {
        Ok(outcome) => Ok(outcome.map(drop)?),
        Err(_) => Err(Fatal::Panicked),
    }
}

/// The answer to a wish that was fulfilled already.
pub(crate) fn nothing_changed() -> Answer {
    Answer { first: 0, last: 0, counts: Vec::new(), events: Vec::new(), repeated: false }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
