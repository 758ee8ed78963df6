//! One command, whole: decide, apply at once, then policies until nothing is left to do.

use muster_proto::{Command, Event, v1};

use crate::ids::{AreaRef, RealmRef};
use crate::rejection::Rejection;
use crate::state::{State, Timer};
use crate::{apply, decide, limits, policy};

/// When and in whose words a command is decided.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// The log's time, Unix milliseconds; the same for all records of the command.
    pub recorded_at_ms: i64,
    /// The position that the first record will get.
    pub next_position: u64,
    /// Who says it, in which office, on what ground, and when it happened.
    pub context: &'a v1::Context,
}

impl Now<'_> {
    /// When it happened: as stated, else now.
    pub(crate) fn occurred_at_ms(&self) -> i64 {
        if self.context.occurred_at_ms == 0 { self.recorded_at_ms } else { past(self.context.occurred_at_ms, self.recorded_at_ms) }
    }
}

/// A device's clock may run ahead; what is recorded has happened.
fn past(occurred_at_ms: i64, recorded_at_ms: i64) -> i64 {
    occurred_at_ms.min(recorded_at_ms)
}

/// What applying a record needs to know beside the event.
#[derive(Clone, Copy, Debug)]
pub struct Meta<'a> {
    /// The record's position.
    pub position: u64,
    /// The log's time, Unix milliseconds.
    pub recorded_at_ms: i64,
    /// When it happened, Unix milliseconds.
    pub occurred_at_ms: i64,
    /// `actual` or an exercise.
    pub realm: &'a str,
}

/// One record to be: what the engine puts into an envelope.
#[derive(Clone, Debug, PartialEq)]
pub struct Emitted {
    /// The fact.
    pub event: Event,
    /// The realm it counts in.
    pub realm: RealmRef,
    /// The area where it takes effect.
    pub area: Option<AreaRef>,
    /// Other areas concerned.
    pub other_area_ids: Vec<String>,
    /// The record of this unit that a policy answered, by its place from 0.
    pub cause: Option<u32>,
    /// Who made it happen.
    pub origin: v1::Origin,
}

/// A fact that decide or a policy wants, before it has its place in the unit: cause and origin come with that.
pub(crate) type Draft = Emitted;

impl Emitted {
    pub(crate) fn new(event: Event, realm: RealmRef, area: Option<AreaRef>) -> Self {
        Self { event, realm, area, other_area_ids: Vec::new(), cause: None, origin: v1::Origin::Unspecified }
    }
}

/// Decides a command, applies what follows and runs the policies to rest.
///
/// An empty answer means that the wish is already fulfilled and nothing changed.
///
/// # Errors
/// The rule that speaks against the command; then nothing was applied.
pub fn execute(state: &mut State, now: Now<'_>, command: &Command) -> Result<Vec<Emitted>, Rejection> {
    let drafts = decide::decide(state, &now, command)?;
    let bytes = drafts.iter().map(|draft| draft.event.encoded_len()).max().unwrap_or(0);
    if bytes > limits::EVENT_BYTES_MAX {
        return Err(Rejection::RecordTooLarge { bytes, max: limits::EVENT_BYTES_MAX });
    }
    Ok(settle(state, &now, drafts, v1::Origin::External))
}

/// Takes the earliest timer that is due and does what it stands for. `None` when no timer is due.
pub fn fire_timer(state: &mut State, now_ms: i64, next_position: u64) -> Option<Vec<Emitted>> {
    let (due_ms, timer) = *state.ops.timers.first()?;
    if due_ms > now_ms {
        return None;
    }
    let context = v1::Context::default();
    let now = Now { recorded_at_ms: now_ms, next_position, context: &context };
    let drafts = policy::fire(state, &now, timer);
    let emitted = settle(state, &now, drafts, v1::Origin::Timer);
    // A timer goes with its ground, so that one that is due has an event, and the event takes it away: here and in a replay.
    debug_assert!(!state.ops.timers.contains(&(due_ms, timer)), "{timer:?} was answered by {emitted:?} and still waits");
    Some(emitted)
}

fn settle(state: &mut State, now: &Now<'_>, drafts: Vec<Draft>, origin: v1::Origin) -> Vec<Emitted> {
    let mut unit = Vec::new();
    accept(state, now, &mut unit, drafts, None, origin);
    let mut memory = policy::Memory::default();
    let mut cursor = 0;
    while cursor < unit.len() {
        let answers = policy::react(state, now, &unit[cursor], &mut memory);
        if !answers.is_empty() {
            let cause = u32::try_from(cursor).expect("a unit has fewer than 2^32 records");
            accept(state, now, &mut unit, answers, Some(cause), v1::Origin::Policy);
        }
        cursor += 1;
    }
    unit
}

fn accept(state: &mut State, now: &Now<'_>, unit: &mut Vec<Emitted>, mut drafts: Vec<Draft>, cause: Option<u32>, origin: v1::Origin) {
    let first = unit.len();
    // Records are large: they are moved once, and finished where they stand.
    unit.append(&mut drafts);
    for (record, position) in unit[first..].iter_mut().zip(now.next_position + first as u64..) {
        let at = apply::At { position, recorded_at_ms: now.recorded_at_ms, occurred_at_ms: now.occurred_at_ms(), realm: record.realm };
        apply::apply(state, &at, &record.event);
        (record.cause, record.origin) = (cause, origin);
        // An area takes effect in itself, which it could not name before it was there.
        if let Event::AreaDefined(body) = &record.event {
            record.area = state.base.areas.find(&body.area_id);
        }
    }
}

impl State {
    /// Applies one stored record. Never refuses, never runs a policy.
    pub fn apply(&mut self, meta: &Meta<'_>, event: &Event) {
        let realm = self.ops.realms.find(meta.realm).unwrap_or_else(|| self.ops.realms.insert(meta.realm, Default::default()));
        let occurred_at_ms = past(meta.occurred_at_ms, meta.recorded_at_ms);
        let at = apply::At { position: meta.position, recorded_at_ms: meta.recorded_at_ms, occurred_at_ms, realm };
        apply::apply(self, &at, event);
    }

    pub(crate) fn set_timer(&mut self, due_ms: i64, timer: Timer) {
        if due_ms > 0 {
            self.ops.timers.insert((due_ms, timer));
        }
    }

    pub(crate) fn clear_timer(&mut self, due_ms: i64, timer: Timer) {
        self.ops.timers.remove(&(due_ms, timer));
    }
}
