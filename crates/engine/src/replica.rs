//! A second state, folded from the log's tail on a thread of its own: takes the snapshots, so that the engine never
//! stops for one. It sees durable records only, and it never decides.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use muster_domain::State;
use muster_log::{EpochPosition, Log, Position};

use crate::board::Board;
use crate::errors::StartError;
use crate::limits;
use crate::replay::{self, Wholeness};
use crate::snapshot::{self, Place};

/// How a replica ends.
enum Order {
    /// Catch up, write a last snapshot, end.
    Finish,
}

/// The thread that holds the second state. Dropped without [`Replica::finish`] it ends without a snapshot.
pub(crate) struct Replica {
    orders: Sender<Order>,
    thread: JoinHandle<Option<Position>>,
}

/// Where a replica starts, and how often it writes.
pub(crate) struct ReplicaStart {
    pub(crate) state: State,
    pub(crate) position: Position,
    /// The newest snapshot's position, zero for none.
    pub(crate) snapshot: Position,
    pub(crate) dir: PathBuf,
    pub(crate) every: u64,
}

impl Replica {
    pub(crate) fn start(log: Arc<dyn Log>, board: Arc<Board>, start: ReplicaStart) -> std::io::Result<Self> {
        let (orders, received) = bounded(1);
        let ReplicaStart { state, position, snapshot, dir, every } = start;
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
        let thread = thread::Builder::new().name("engine-replica".to_owned()).spawn(move || follower.run(&received))?;
        Ok(Self { orders, thread })
    }

    /// Catches up with what is durable, writes a last snapshot and waits for it. The position of the newest snapshot.
    pub(crate) fn finish(self) -> Option<Position> {
        let Self { orders, thread } = self;
        // A replica that ended early has no use for the order; the join below tells.
        drop(orders.send(Order::Finish));
        thread.join().unwrap_or_else(|_| {
            tracing::error!("the replica's thread panicked");
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
                tracing::error!(%error, "the replica cannot follow the log: there will be no more snapshots");
                self.board.replica_failed.store(true, Ordering::Relaxed);
                self.failed = true;
            }
            if matches!(order, Ok(Order::Finish)) {
                if self.seen.last() > self.newest() {
                    self.take_snapshot();
                }
                return Some(self.newest()).filter(|newest| *newest > Position::ZERO);
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

/// A replica that panics must show as failed.
struct PanicGuard(Arc<Board>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.replica_failed.store(true, Ordering::Relaxed);
        }
    }
}
