//! Answers commands that were carried out before: reads their records back, on a thread of its own, for a city
//! conversion has more of them than the engine may stop for.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use muster_log::{IndexEntry, Log};
use muster_proto::{Answer, ENVELOPE_NAMES, peek};

use crate::board::{Board, PanicGuard};
use crate::errors::{LOG_UNREADABLE, QUEUE_FULL};
use crate::limits;
use crate::reply::{Outcome, Reply};
use crate::unit::Counts;

struct Repeat {
    entry: IndexEntry,
    reply: Reply<Outcome>,
}

/// The way to the thread that answers repeats, which ends when the last of these is gone.
#[derive(Clone)]
pub(crate) struct Repeats {
    queue: SyncSender<Repeat>,
}

impl Repeats {
    pub(crate) fn start(log: Arc<dyn Log>, board: Arc<Board>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, jobs) = sync_channel(limits::REPEATS_MAX);
        let thread = thread::Builder::new().name("engine-repeats".to_owned()).spawn(move || {
            let _guard = PanicGuard(board);
            run(&*log, &jobs);
        })?;
        Ok((Self { queue }, thread))
    }

    /// Answers a command whose records are durable. Never waits.
    pub(crate) fn answer(&self, entry: IndexEntry, reply: Reply<Outcome>) {
        match self.queue.try_send(Repeat { entry, reply }) {
            Ok(()) => {}
            Err(TrySendError::Full(repeat)) => repeat.reply.send(Err(QUEUE_FULL)),
            // The reply in it says so itself.
            Err(TrySendError::Disconnected(_)) => {}
        }
    }
}

fn run(log: &dyn Log, jobs: &Receiver<Repeat>) {
    for Repeat { entry, reply } in jobs {
        reply.send(rebuild(log, &entry).map_err(|detail| {
            tracing::error!(first = %entry.first, last = %entry.last, detail, "the records of a repeated command cannot be read");
            LOG_UNREADABLE
        }));
    }
}

/// The answer that the command got at first, but for the mark that it is a repeat.
fn rebuild(log: &dyn Log, entry: &IndexEntry) -> Result<Answer, String> {
    let mut counts = Counts::default();
    let mut events = Vec::new();
    let mut next = entry.first;
    while next <= entry.last {
        let wanted = usize::try_from(entry.last.0 - next.0 + 1).unwrap_or(usize::MAX).min(limits::REPLAY_BATCH_RECORDS);
        let batch = log.read(next, limits::REPLAY_BATCH_BYTES, wanted).map_err(|error| error.to_string())?;
        let Some(last) = batch.last() else { return Err(format!("record {next} is not there")) };
        next = last.position.next();
        for record in &batch {
            let tag = peek(&record.bytes).map_err(|error| format!("record {}: {error}", record.position))?.event_tag;
            counts.add(name_of(tag).ok_or_else(|| format!("record {} holds the unknown event {tag}", record.position))?);
            if events.len() < limits::ANSWER_EVENTS_MAX {
                // A copy, for the records of one read share a buffer that would live as long as the answer.
                events.push(Bytes::copy_from_slice(&record.bytes));
            }
        }
    }
    Ok(Answer { first: entry.first.0, last: entry.last.0, counts: counts.sorted(), events, repeated: true })
}

fn name_of(tag: u32) -> Option<&'static str> {
    let at = ENVELOPE_NAMES.binary_search_by_key(&tag, |(known, _, _)| *known).ok()?;
    Some(ENVELOPE_NAMES[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_found_by_its_tag() {
        assert!(ENVELOPE_NAMES.is_sorted_by_key(|(tag, _, _)| *tag), "the search relies on it");
        for (tag, name, _) in ENVELOPE_NAMES {
            assert_eq!(name_of(*tag), Some(*name));
        }
        assert_eq!(name_of(99), None);
    }
}
