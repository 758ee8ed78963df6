//! The door to the engine: hands requests in, in the order of the calls, and tells how the engine is.
//! It must never decide anything, and never wait for the engine but where it says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use muster_domain::State;
use muster_log::{EpochPosition, Log, Position};
use muster_proto::{Command, CommandError, CommandPort, Pending, Request, v1};

use crate::board::Board;
use crate::clock::Ticker;
use crate::errors::{AdvanceError, Fatal, LOG_STOPPED, NO_PLANNER, QUEUE_FULL, SHUTTING_DOWN, ShutdownError};
use crate::fill::{self, FillRequest};
use crate::gate::Passing;
use crate::limits;
use crate::planner::{Job, Order};
use crate::preview::{Preview, preview};
use crate::reply::{Asked, Outcome, Reply, Waiting};

/// What comes in through the queue, in order.
pub(crate) enum Input {
    /// Boxed, for a request is large and the queue's slots are many.
    Command(Box<Submission>),
    Advance {
        to_ms: i64,
        reply: Reply<Result<Advanced, AdvanceError>>,
    },
    Shutdown {
        reply: Reply<Result<Ended, ShutdownError>>,
    },
}

pub(crate) struct Submission {
    pub(crate) request: Request,
    pub(crate) gate: Passing,
    pub(crate) reply: Reply<Outcome>,
}

/// The manual clock was moved, and everything that this made happen is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advanced {
    /// The engine's time now, Unix milliseconds.
    pub now_ms: i64,
    /// Timers that fired on the way.
    pub fired: u64,
    /// The last position of the log.
    pub last: Position,
}

/// The engine ended in order: all that was asked before the shutdown is decided, durable and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The end of the log.
    pub end: EpochPosition,
    /// The position of the last snapshot, if snapshots are kept and one could be written.
    pub snapshot: Option<Position>,
}

/// How the engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The last position decided; at or ahead of the durable watermark.
    pub decided: Position,
    /// The last durable position.
    pub durable: Position,
    /// Requests that wait for the engine.
    pub queue_length: usize,
    /// Requests that may wait.
    pub queue_max: usize,
    /// The engine's time when it last looked, Unix milliseconds.
    pub now_ms: i64,
    /// When the earliest timer is due, Unix milliseconds; in the past if timers wait for disk space.
    pub next_timer_ms: Option<i64>,
    /// Timers waiting.
    pub timers: usize,
    /// How far the wall clock has moved against the monotonic one since the start, in milliseconds; 0 for a manual clock.
    pub wall_offset_ms: i64,
    /// The wall clock was stepped: the engine keeps its own time until the next start.
    pub clock_stepped: bool,
    /// Commands that made records, since the start.
    pub accepted: u64,
    /// Commands that the domain refused, since the start.
    pub refused: u64,
    /// Commands whose first answer was given again, since the start.
    pub repeated: u64,
    /// Timers that fired, since the start.
    pub timers_fired: u64,
    /// How far the planner has applied the log, if there is one.
    pub replica: Option<Position>,
    /// The position of the last snapshot, 0 for none.
    pub snapshot: Position,
    /// The planner met an error: commands go on, snapshots and previews do not. A person must look.
    pub replica_failed: bool,
    /// Why the engine stopped for good, if it did.
    pub fatal: Option<Arc<Fatal>>,
}

/// What all handles share. Dropping the last one ends the engine: what was handed in is still decided and made durable,
/// but nobody waits for that, and no snapshot is written.
pub(crate) struct Door {
    /// A channel of the standard library, for that one drops what waits in it when its receiver goes, and a dropped
    /// request is answered.
    pub(crate) inputs: SyncSender<Input>,
    /// Inputs that went into the queue.
    pub(crate) handed_in: AtomicU64,
    pub(crate) closed: AtomicBool,
    pub(crate) board: Arc<Board>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) ticker: Ticker,
    /// To the planner, if there is one.
    pub(crate) jobs: Option<crossbeam_channel::Sender<Order>>,
    pub(crate) queue_max: usize,
}

/// A handle to a running engine. Cheap to clone.
#[derive(Clone)]
pub struct EngineHandle {
    pub(crate) door: Arc<Door>,
}

impl EngineHandle {
    /// Hands a request in before it returns; the answer comes once durable. A `RehearsePlan` takes the way over the planner, which works out
    /// its figures. When the queue is full the answer is [`CommandError::Unavailable`] `queue_full`, at once.
    pub fn submit_waiting(&self, request: Request) -> Waiting<Outcome> {
        self.submit_through(None, request)
    }

    /// As [`EngineHandle::submit_waiting`], but the request is decided only if the gate lets it through. An answer that is
    /// given again was let through when it was given first.
    pub fn submit_through(&self, gate: Passing, request: Request) -> Waiting<Outcome> {
        let (reply, waiting) = Reply::waiting();
        self.hand_in(request, gate, reply);
        waiting
    }

    /// As [`EngineHandle::submit_waiting`], but the answer goes to `callback`, mostly on the log's writer thread, where
    /// it holds up every answer behind it: hand over and return. A panic in it stops the log.
    pub fn submit_with(&self, request: Request, callback: impl FnOnce(Outcome) + Send + 'static) {
        self.hand_in(request, None, Reply::callback(Box::new(callback)));
    }

    fn hand_in(&self, request: Request, gate: Passing, reply: Reply<Outcome>) {
        match request.command {
            Command::RehearsePlan(_) => self.hand_in_rehearsed(request, gate, reply),
            _ => self.enqueue(request, gate, reply),
        }
    }

    pub(crate) fn enqueue(&self, request: Request, gate: Passing, reply: Reply<Outcome>) {
        if let Some(error) = self.gone() {
            return reply.send(Err(error));
        }
        let input = Input::Command(Box::new(Submission { request, gate, reply }));
        match self.door.inputs.try_send(input) {
            Ok(()) => self.count_input(),
            Err(TrySendError::Full(input)) => answer_command(input, QUEUE_FULL),
            Err(TrySendError::Disconnected(input)) => answer_command(input, self.gone().unwrap_or(LOG_STOPPED)),
        }
    }

    fn count_input(&self) {
        self.door.handed_in.fetch_add(1, Ordering::Relaxed);
    }

    /// Hands in what must not be turned away: waits while the queue is full. An engine that is gone drops the input,
    /// and the reply in it says so.
    fn hand_in_waiting(&self, input: Input) {
        if self.door.inputs.send(input).is_ok() {
            self.count_input();
        }
    }

    fn gone(&self) -> Option<CommandError> {
        if self.door.board.failed() {
            Some(LOG_STOPPED)
        } else if self.door.closed.load(Ordering::Acquire) {
            Some(SHUTTING_DOWN)
        } else {
            None
        }
    }

    /// Moves a manual clock to `to_ms`, Unix milliseconds, behind everything handed in before: all timers due until
    /// then fire in order, each at its own time. Answers when all of that is durable. A time in the past moves nothing.
    ///
    /// Blocks while the queue is full.
    pub fn advance_to(&self, to_ms: i64) -> Waiting<Result<Advanced, AdvanceError>> {
        let (reply, waiting) = Reply::waiting();
        if !matches!(self.door.ticker, Ticker::Manual) {
            reply.send(Err(AdvanceError::NotManual));
        } else if self.gone().is_none() {
            self.hand_in_waiting(Input::Advance { to_ms, reply });
        }
        waiting
    }

    /// Ends the engine: takes nothing more in, decides what was handed in before, waits until all is durable and
    /// answered, and writes a last snapshot. The log stays open.
    ///
    /// Blocks while the queue is full.
    pub fn shutdown(&self) -> Waiting<Result<Ended, ShutdownError>> {
        let (reply, waiting) = Reply::waiting();
        if !self.door.closed.swap(true, Ordering::AcqRel) {
            self.hand_in_waiting(Input::Shutdown { reply });
        }
        waiting
    }

    /// Tells what a request would do now, and does none of it: the planner carries it out on a copy of its state, which has
    /// everything that is durable when its turn comes. The request's key is neither looked up nor remembered.
    pub fn preview(&self, request: Request) -> Waiting<Result<Preview, CommandError>> {
        self.preview_through(None, request)
    }

    /// As [`EngineHandle::preview`], but only if the gate lets the request through.
    pub fn preview_through(&self, gate: Passing, request: Request) -> Waiting<Result<Preview, CommandError>> {
        let (reply, waiting) = Reply::waiting();
        let now_ms = self.planning_time();
        self.plan(Box::new(move |state| reply.send(state.and_then(|state| preview(state, now_ms, &gate, &request)))));
        waiting
    }

    /// Asks the planner's state something, with everything that is durable when its turn comes. For questions that are
    /// answered quickly: previews and snapshots wait behind them.
    pub fn ask<T: Send + 'static>(&self, question: impl FnOnce(&State) -> T + Send + 'static) -> Waiting<Asked<T>> {
        let (reply, waiting) = Reply::waiting();
        self.plan(Box::new(move |state| reply.send(Asked(state.map(question)))));
        waiting
    }

    /// Matches all open needs of a realm and an area with everybody who could come, on the planner's state. The answer is a command
    /// to be submitted, with the last record that the planner had seen; nothing is stored.
    pub fn propose_fill(&self, asked: FillRequest) -> Waiting<Result<v1::ProposeFill, CommandError>> {
        let (reply, waiting) = Reply::waiting();
        let now_ms = self.planning_time();
        self.plan(Box::new(move |state| reply.send(state.and_then(|state| fill::propose(state, now_ms, &asked)))));
        waiting
    }

    /// The engine's time, as far as it can be known from outside.
    pub(crate) fn planning_time(&self) -> i64 {
        self.door.board.now_ms().max(self.door.ticker.now_ms())
    }

    /// Hands a job to the planner, or tells it why it cannot be done.
    pub(crate) fn plan(&self, job: Job) {
        let error = match (&self.door.jobs, self.gone()) {
            (_, Some(gone)) => return job(Err(gone)),
            (None, None) => return job(Err(NO_PLANNER)),
            (Some(jobs), None) => jobs.try_send(Order::Job(job)),
        };
        match error {
            Err(crossbeam_channel::TrySendError::Full(Order::Job(job))) => job(Err(QUEUE_FULL)),
            Err(crossbeam_channel::TrySendError::Disconnected(Order::Job(job))) => job(Err(NO_PLANNER)),
            _ => {}
        }
    }

    /// How the engine is. Cheap; waits for nothing.
    pub fn status(&self) -> Status {
        let Door { board, log, ticker, handed_in, .. } = &*self.door;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let wall_offset_ms = ticker.wall_offset_ms();
        let durable = log.watermark();
        Status {
            // The board is written once a turn, so that the watermark may be ahead of it.
            decided: board.decided().max(durable),
            durable,
            queue_length: usize::try_from(count(handed_in).saturating_sub(count(&board.taken))).unwrap_or(usize::MAX),
            queue_max: self.door.queue_max,
            now_ms: board.now_ms(),
            next_timer_ms: board.next_timer_ms(),
            timers: board.timers(),
            wall_offset_ms,
            clock_stepped: wall_offset_ms.abs() > limits::CLOCK_STEP_MS_MAX,
            accepted: count(&board.accepted),
            refused: count(&board.refused),
            repeated: count(&board.repeated),
            timers_fired: count(&board.timers_fired),
            replica: self.door.jobs.as_ref().map(|_| Position(count(&board.replica))),
            snapshot: Position(count(&board.snapshot)),
            replica_failed: board.replica_failed.load(Ordering::Relaxed),
            fatal: board.fatal(),
        }
    }

    /// Why the engine stopped for good, if it did.
    pub fn fatal(&self) -> Option<Arc<Fatal>> {
        self.door.board.fatal()
    }
}

fn answer_command(input: Input, error: CommandError) {
    if let Input::Command(submission) = input {
        submission.reply.send(Err(error));
    }
}

impl CommandPort for EngineHandle {
    fn submit(&self, request: Request) -> Pending<'_> {
        Box::pin(self.submit_waiting(request))
    }
}
