//! What is still to be done, and when. Owns the order of the script's deeds; must never depend on anything but due time and the
//! order of their coming.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::mirror::{Mirror, Place};
use crate::command::ScriptCommand;

/// A deed is left undone when its ground is gone by the time it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    Always,
    /// The call's duty still stands.
    CallOpen(String),
    /// The person is there, undisputed: realm, person, place.
    Present(String, String, Place),
    /// The person's presence is disputed: realm, person.
    Disputed(String, String),
    /// The person was called in to shelter and has not confirmed: incident, person.
    CalledIn(String, String),
    /// The whistle has not ended.
    WhistleOpen(String),
    /// The need still lacks people: whistle, need; and the person has no duty.
    NeedShort(String, String, String),
    /// The place is still in use.
    PlaceOpen(Place),
}

impl Guard {
    fn holds(&self, mirror: &Mirror) -> bool {
        match self {
            Self::Always => true,
            Self::CallOpen(call) => mirror.calls.get(call).is_some_and(|call| call.open),
            Self::Present(realm, person, place) => mirror.where_is(realm, person) == Some(place),
            Self::Disputed(realm, person) => mirror.is_disputed(realm, person),
            Self::CalledIn(incident, person) => mirror.called_in.contains(&(incident.clone(), person.clone())),
            Self::WhistleOpen(whistle) => mirror.whistles.get(whistle).is_some_and(|whistle| whistle.open),
            Self::NeedShort(whistle, need, person) => mirror.missing(whistle, need) > 0 && mirror.is_free(muster_proto::ACTUAL, person),
            Self::PlaceOpen(place) => mirror.is_open(place),
        }
    }
}

struct Entry {
    due_ms: i64,
    turn: u64,
    guard: Guard,
    command: ScriptCommand,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.turn == other.turn
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due_ms, self.turn).cmp(&(other.due_ms, other.turn))
    }
}

#[derive(Default)]
pub(super) struct Agenda {
    entries: BinaryHeap<Reverse<Entry>>,
    turns: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, due_ms: i64, guard: Guard, command: ScriptCommand) {
        self.turns += 1;
        self.entries.push(Reverse(Entry { due_ms, turn: self.turns, guard, command }));
    }

    pub(super) fn next_due_ms(&self) -> Option<i64> {
        self.entries.peek().map(|Reverse(entry)| entry.due_ms)
    }

    /// Everything due by `now_ms` whose ground still holds, at most `limit`; what has lost its ground is dropped.
    pub(super) fn take_due(&mut self, now_ms: i64, limit: usize, mirror: &Mirror) -> Vec<ScriptCommand> {
        let mut due = Vec::new();
        while due.len() < limit && self.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            let Some(Reverse(entry)) = self.entries.pop() else { break };
            if entry.guard.holds(mirror) {
                due.push(entry.command);
            }
        }
        due
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
