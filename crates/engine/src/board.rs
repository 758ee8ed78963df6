//! What the engine's threads tell the outside: how far they are, and whether they failed. Nothing here is decided on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use muster_log::Position;
use parking_lot::Mutex;

use crate::errors::Fatal;
use crate::options::OnFatal;

/// No timer is set.
const NO_TIMER: i64 = i64::MAX;

/// Written by the engine's threads, read by anybody.
pub(crate) struct Board {
    decided: AtomicU64,
    now_ms: AtomicI64,
    next_timer_ms: AtomicI64,
    timers: AtomicUsize,
    /// Inputs taken from the queue.
    pub(crate) taken: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) timers_fired: AtomicU64,
    pub(crate) replica: AtomicU64,
    pub(crate) snapshot: AtomicU64,
    pub(crate) replica_failed: AtomicBool,
    failed: AtomicBool,
    fatal: Mutex<Option<Arc<Fatal>>>,
    on_fatal: Mutex<Option<OnFatal>>,
}

impl Board {
    pub(crate) fn new(position: Position, on_fatal: Option<OnFatal>) -> Self {
        Self {
            decided: AtomicU64::new(position.0),
            now_ms: AtomicI64::new(0),
            next_timer_ms: AtomicI64::new(NO_TIMER),
            timers: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            timers_fired: AtomicU64::new(0),
            replica: AtomicU64::new(0),
            snapshot: AtomicU64::new(0),
            replica_failed: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            fatal: Mutex::new(None),
            on_fatal: Mutex::new(on_fatal),
        }
    }

    pub(crate) fn publish(&self, decided: Position, now_ms: i64, next_timer_ms: Option<i64>, timers: usize) {
        self.timers.store(timers, Ordering::Relaxed);
        self.decided.store(decided.0, Ordering::Release);
        self.now_ms.store(now_ms, Ordering::Relaxed);
        self.next_timer_ms.store(next_timer_ms.unwrap_or(NO_TIMER), Ordering::Relaxed);
    }

    pub(crate) fn decided(&self) -> Position {
        Position(self.decided.load(Ordering::Acquire))
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn next_timer_ms(&self) -> Option<i64> {
        Some(self.next_timer_ms.load(Ordering::Relaxed)).filter(|due| *due != NO_TIMER)
    }

    pub(crate) fn timers(&self) -> usize {
        self.timers.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(crate) fn fatal(&self) -> Option<Arc<Fatal>> {
        self.fatal.lock().clone()
    }

    /// The engine stops for good. Only the first failure is told: the others follow from it.
    pub(crate) fn fail(&self, fatal: Fatal) {
        let fatal = Arc::new(fatal);
        {
            let mut first = self.fatal.lock();
            if first.is_some() {
                return;
            }
            *first = Some(Arc::clone(&fatal));
            self.failed.store(true, Ordering::Release);
        }
        tracing::error!(%fatal, "the engine stops");
        let on_fatal = self.on_fatal.lock().take();
        if let Some(on_fatal) = on_fatal {
            on_fatal(&fatal);
        }
    }
}

/// Held by a thread that must not end by a panic: if it does, the engine stops for good.
pub(crate) struct PanicGuard(pub(crate) Arc<Board>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail(Fatal::Panicked);
        }
    }
}
