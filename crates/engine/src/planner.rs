//! The planner: a second state, folded from the log's tail on a thread of its own. It takes the snapshots and does what
//! may take long, so that the engine never stops for either. It sees durable records only, and nothing it does is stored.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use muster_domain::State;
use muster_log::{EpochPosition, Log, Position};
use muster_proto::CommandError;

use crate::board::Board;
use crate::errors::{NO_PLANNER, StartError};
use crate::limits;
use crate::replay::{self, Wholeness};
use crate::snapshot::{self, Place};

/// Work on the second state, as of everything durable when its turn comes; or why it cannot be done.
pub(crate) type Job = Box<dyn FnOnce(Result<&State, CommandError>) + Send>;

/// What the planner is asked.
pub(crate) enum Order {
    Job(Job),
    /// Catch up, write a last snapshot, end.
    Finish,
}

/// The thread that holds the second state. Dropped without [`Planner::finish`] it ends without a snapshot.
pub(crate) struct Planner {
    orders: Sender<Order>,
    thread: JoinHandle<Option<Position>>,
}

/// Where a planner starts, and how often it writes.
pub(crate) struct PlannerStart {
    pub(crate) state: State,
    pub(crate) position: Position,
    /// The newest snapshot's position, zero for none.
    pub(crate) snapshot: Position,
    pub(crate) dir: PathBuf,
    pub(crate) every: u64,
}

impl Planner {
    pub(crate) fn start(log: Arc<dyn Log>, board: Arc<Board>, start: PlannerStart) -> std::io::Result<Self> {
        let (orders, received) = bounded(limits::JOBS_MAX);
        let PlannerStart { state, position, snapshot, dir, every } = start;
        board.replica.store(position.0, Ordering::Relaxed);
        board.snapshot.store(snapshot.0, Ordering::Relaxed);
        let mut follower = Follower {
            log,
            board,
            state,
            seen: Wholeness::after(position),
            counted_from: snapshot,
            dir,
            every: every.max(1),
            failed: false,
        };
        let thread = thread::Builder::new().name("engine-planner".to_owned()).spawn(move || follower.run(&received))?;
        Ok(Self { orders, thread })
    }

    /// Where jobs are handed in.
    pub(crate) fn orders(&self) -> Sender<Order> {
        self.orders.clone()
    }

    /// Catches up with what is durable, writes a last snapshot and waits for it. The position of the newest snapshot.
    pub(crate) fn finish(self) -> Option<Position> {
        let Self { orders, thread } = self;
        // A planner that ended early has no use for the order; the join below tells.
        drop(orders.send(Order::Finish));
        thread.join().unwrap_or_else(|_| {
            tracing::error!("the planner's thread panicked");
            None
        })
    }
}

struct Follower {
    log: Arc<dyn Log>,
    board: Arc<Board>,
    state: State,
    seen: Wholeness,
    /// From here on the next snapshot's records are counted.
    counted_from: Position,
    dir: PathBuf,
    every: u64,
    failed: bool,
}

impl Follower {
    fn run(&mut self, orders: &Receiver<Order>) -> Option<Position> {
        let _guard = PanicGuard(Arc::clone(&self.board));
        loop {
            let order = orders.recv_timeout(Duration::from_millis(limits::REPLICA_PERIOD_MS));
            if matches!(order, Err(RecvTimeoutError::Disconnected)) {
                return None;
            }
            if let Err(error) = self.catch_up(self.log.watermark()) {
                tracing::error!(%error, "the planner cannot follow the log: there will be no more snapshots and previews");
                self.board.replica_failed.store(true, Ordering::Relaxed);
                self.failed = true;
            }
            match order {
                Ok(Order::Job(job)) if self.failed => job(Err(NO_PLANNER)),
                Ok(Order::Job(job)) => job(Ok(&self.state)),
                Ok(Order::Finish) => {
                    if self.seen.last() > self.newest() {
                        self.take_snapshot();
                    }
                    return Some(self.newest()).filter(|newest| *newest > Position::ZERO);
                }
                Err(_) => {}
            }
        }
    }

    fn catch_up(&mut self, end: Position) -> Result<(), StartError> {
        while self.seen.last() < end && !self.failed {
            for record in &replay::read_batch(&*self.log, self.seen.last().next(), end)? {
                let envelope = replay::decode_record(record)?;
                self.seen.see(&envelope)?;
                replay::apply(&mut self.state, &envelope);
                if self.seen.is_whole() && self.seen.last().0 - self.counted_from.0 >= self.every {
                    self.take_snapshot();
                }
            }
            self.board.replica.store(self.seen.last().0, Ordering::Relaxed);
        }
        Ok(())
    }

    fn newest(&self) -> Position {
        Position(self.board.snapshot.load(Ordering::Relaxed))
    }

    /// A snapshot that cannot be written is no reason to stop: the log has everything.
    fn take_snapshot(&mut self) {
        if self.failed {
            return;
        }
        let position = self.seen.last();
        self.board.replica.store(position.0, Ordering::Relaxed);
        // Whatever becomes of it, the next one is due after as many records again.
        self.counted_from = position;
        // What is left on a nearly full disk belongs to the log.
        if !self.log.space_ok() {
            tracing::warn!(%position, "no snapshot of the state is taken: the disk is nearly full");
            return;
        }
        let place = Place { log: self.log.id(), at: EpochPosition { epoch: self.log.epoch(), position } };
        match snapshot::write(&self.dir, &place, &self.state) {
            Ok(path) => {
                tracing::info!(%position, path = %path.display(), "snapshot of the state written");
                self.board.snapshot.store(position.0, Ordering::Relaxed);
            }
            Err(error) => tracing::error!(%position, dir = %self.dir.display(), %error, "the snapshot of the state could not be written"),
        }
    }
}

/// A planner that panics must show as failed.
struct PanicGuard(Arc<Board>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.replica_failed.store(true, Ordering::Relaxed);
        }
    }
}
