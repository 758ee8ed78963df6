//! The bounded queue between the thread that appends and the writer: whole units in order, bounded by bytes.
//! It gives positions and knows whether the log runs. It must never let an item pass another.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::errors::{AppendError, StopReason, Stopped};
use crate::limits;
use crate::log::OnDurable;
use crate::types::{Durable, Health, LogStats, Position, Unit};

/// How much may wait, and how much of it one batch takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) queue_bytes_max: usize,
    pub(crate) batch_bytes_max: usize,
}

/// Someone to answer when the records up to `last` are durable.
pub(crate) struct Answer {
    first: Position,
    last: Position,
    on_durable: OnDurable,
}

impl Answer {
    pub(crate) fn durable(self, watermark: Position) {
        (self.on_durable)(Ok(Durable { first: self.first, last: self.last, watermark }));
    }

    pub(crate) fn stopped(self, stopped: &Stopped) {
        (self.on_durable)(Err(stopped.clone()));
    }
}

struct Item {
    unit: Option<Unit>,
    bytes: usize,
    answer: Answer,
}

/// What the writer takes at once.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) units: Vec<Unit>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) bytes: usize,
}

struct State {
    items: VecDeque<Item>,
    bytes: usize,
    next: Position,
    closing: bool,
    stopped: Option<Stopped>,
}

/// Shared by the log, its writer and its readers.
pub(crate) struct Queue {
    limits: QueueLimits,
    state: Mutex<State>,
    not_empty: Condvar,
    not_full: Condvar,
    watermark: AtomicU64,
    /// Everything up to here has been answered as well: behind the watermark only while callbacks run.
    answered: AtomicU64,
    watch: watch::Sender<Position>,
    written: Mutex<LogStats>,
}

impl Queue {
    pub(crate) fn new(end: Position, limits: QueueLimits) -> Self {
        Self {
            limits,
            state: Mutex::new(State { items: VecDeque::new(), bytes: 0, next: end.next(), closing: false, stopped: None }),
            not_empty: Condvar::new(),
            not_full: Condvar::new(),
            watermark: AtomicU64::new(end.0),
            answered: AtomicU64::new(end.0),
            watch: watch::Sender::new(end),
            written: Mutex::default(),
        }
    }

    pub(crate) fn watermark(&self) -> Position {
        Position(self.watermark.load(Ordering::Acquire))
    }

    pub(crate) fn appended(&self) -> Position {
        Position(self.state.lock().next.0 - 1)
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Position> {
        self.watch.subscribe()
    }

    pub(crate) fn health(&self) -> Health {
        self.state.lock().stopped.clone().map_or(Health::Running, Health::Stopped)
    }

    /// See [`crate::Log::append`].
    pub(crate) fn append(&self, unit: Unit, on_durable: OnDurable) -> Result<(), AppendError> {
        let bytes = weigh(&unit)?;
        let mut state = self.state.lock();
        self.check_running(&state)?;
        while self.is_full(&state, bytes) {
            self.not_full.wait(&mut state);
            self.check_running(&state)?;
        }
        if unit.expected_next != state.next {
            return Err(AppendError::WrongPosition { expected: unit.expected_next, next: state.next });
        }
        let answer = Answer { first: unit.expected_next, last: unit.last(), on_durable };
        state.next = unit.last().next();
        self.push(&mut state, Item { unit: Some(unit), bytes, answer });
        Ok(())
    }

    /// See [`crate::Log::after`].
    pub(crate) fn after(&self, position: Position, on_durable: OnDurable) -> Result<(), AppendError> {
        let answer = Answer { first: position, last: position, on_durable };
        if position.0 <= self.answered.load(Ordering::Acquire) {
            answer.durable(self.watermark());
            return Ok(());
        }
        let mut state = self.state.lock();
        if position >= state.next {
            return Err(AppendError::WrongPosition { expected: position, next: state.next });
        }
        self.check_running(&state)?;
        while self.is_full(&state, 0) {
            self.not_full.wait(&mut state);
            self.check_running(&state)?;
        }
        self.push(&mut state, Item { unit: None, bytes: 0, answer });
        Ok(())
    }

    fn check_running(&self, state: &State) -> Result<(), Stopped> {
        match &state.stopped {
            Some(stopped) => Err(stopped.clone()),
            None if state.closing => Err(self.closed()),
            None => Ok(()),
        }
    }

    fn closed(&self) -> Stopped {
        Stopped { reason: Arc::new(StopReason::Closed), watermark: self.watermark() }
    }

    fn is_full(&self, state: &State, bytes: usize) -> bool {
        let over_bytes = state.bytes > 0 && state.bytes + bytes > self.limits.queue_bytes_max;
        over_bytes || state.items.len() >= limits::QUEUE_ITEMS_MAX
    }

    fn push(&self, state: &mut State, item: Item) {
        state.bytes += item.bytes;
        state.items.push_back(item);
        if state.items.len() == 1 {
            self.not_empty.notify_one();
        }
    }

    /// Takes what waits, up to the byte limit of a batch, and at least one item. Blocks while there is nothing.
    /// `None` once the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<Batch> {
        let mut state = self.state.lock();
        while state.items.is_empty() {
            if state.closing {
                return None;
            }
            self.not_empty.wait(&mut state);
        }
        let mut batch = Batch::default();
        while let Some(item) = state.items.front() {
            if !batch.answers.is_empty() && batch.bytes + item.bytes > self.limits.batch_bytes_max {
                break;
            }
            let Some(item) = state.items.pop_front() else { break };
            batch.bytes += item.bytes;
            batch.units.extend(item.unit);
            batch.answers.push(item.answer);
        }
        state.bytes -= batch.bytes;
        drop(state);
        self.not_full.notify_all();
        Some(batch)
    }

    /// What was written since the start, and what waits.
    pub(crate) fn stats(&self) -> LogStats {
        let waiting_bytes = self.state.lock().bytes;
        LogStats { waiting_bytes, ..*self.written.lock() }
    }

    /// A batch was written.
    pub(crate) fn count(&self, batch: &Batch) {
        let mut written = self.written.lock();
        written.batches += 1;
        written.units += batch.units.len() as u64;
        written.records += batch.units.iter().map(|unit| unit.records.len() as u64).sum::<u64>();
        written.bytes += batch.bytes as u64;
    }

    /// Everything up to `position` is synced: readers may see it.
    pub(crate) fn advance(&self, position: Position) {
        self.watermark.store(position.0, Ordering::Release);
        self.watch.send_replace(position);
    }

    /// Every callback up to the watermark has been called.
    pub(crate) fn all_answered(&self) {
        self.answered.store(self.watermark.load(Ordering::Acquire), Ordering::Release);
    }

    /// No more appends; the writer empties the queue and ends.
    pub(crate) fn close(&self) {
        self.state.lock().closing = true;
        self.not_empty.notify_all();
        self.not_full.notify_all();
    }

    /// The writer came to its end in order.
    pub(crate) fn finish(&self) {
        let closed = self.closed();
        self.state.lock().stopped.get_or_insert(closed);
        self.wake_readers();
    }

    /// The log stops for good: everyone who waits, and everyone who comes, gets the error. Returns it, and who waits.
    pub(crate) fn stop(&self, reason: StopReason) -> (Stopped, Vec<Answer>) {
        let stopped = Stopped { reason: Arc::new(reason), watermark: self.watermark() };
        let mut state = self.state.lock();
        state.stopped = Some(stopped.clone());
        state.bytes = 0;
        let items = mem::take(&mut state.items);
        drop(state);
        self.not_full.notify_all();
        self.wake_readers();
        (stopped, items.into_iter().map(|item| item.answer).collect())
    }

    fn wake_readers(&self) {
        self.watch.send_modify(|_| {});
    }
}

/// What a unit weighs in the queue, if it may enter at all.
fn weigh(unit: &Unit) -> Result<usize, AppendError> {
    if unit.records.is_empty() {
        return Err(AppendError::EmptyUnit);
    }
    let mut bytes = 0usize;
    for (index, record) in unit.records.iter().enumerate() {
        if record.len() > limits::RECORD_BYTES_MAX {
            return Err(AppendError::RecordTooLarge { index, bytes: record.len(), bytes_max: limits::RECORD_BYTES_MAX });
        }
        bytes += record.len() + limits::RECORD_OVERHEAD_BYTES;
    }
    if bytes > limits::UNIT_BYTES_MAX || unit.records.len() > limits::UNIT_RECORDS_MAX {
        return Err(AppendError::UnitTooLarge { records: unit.records.len(), bytes });
    }
    Ok(bytes + limits::ITEM_OVERHEAD_BYTES)
}
