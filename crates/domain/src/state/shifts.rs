//! Shifts 班次 of sites, their rosters and the proposals to exchange them. A roster is a plan: a duty begins with the call when the shift is opened.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{CallPhase, State};
use crate::ids::{CallRef, ResponderRef, ShiftRef, SiteRef};

/// Where a shift is in its life; the order is that of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum ShiftPhase {
    Planned,
    Open,
    /// Over, and kept by its people until somebody takes over.
    Held,
    Closed,
}

/// 班次
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Shift {
    pub(crate) site: SiteRef,
    /// The label of its seats, empty for the round-the-clock seats.
    pub(crate) label: Box<str>,
    pub(crate) from_ms: i64,
    pub(crate) until_ms: i64,
    pub(crate) minimum: u32,
    pub(crate) phase: ShiftPhase,
    /// When its people are called, 0 once they were.
    pub(crate) opens_due_ms: i64,
    /// When its end is looked at, 0 before it is opened and once it is closed.
    pub(crate) ends_due_ms: i64,
    /// Seat and person.
    pub(crate) roster: Vec<(Box<str>, ResponderRef)>,
    /// Standing duties that belong to it.
    pub(crate) calls: BTreeSet<CallRef>,
    pub(crate) handed_over: bool,
}

/// 换班申请
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Swap {
    pub(crate) shift: ShiftRef,
    pub(crate) responder: ResponderRef,
    pub(crate) other_shift: Option<ShiftRef>,
    pub(crate) other: ResponderRef,
    pub(crate) answered: bool,
}

impl Shift {
    /// Opened and not closed.
    pub(crate) fn running(&self) -> bool {
        matches!(self.phase, ShiftPhase::Open | ShiftPhase::Held)
    }
}

/// How a shift stands towards its close.
pub(crate) struct Relief {
    /// On post for later shifts of the site.
    pub(crate) on_post: u32,
    /// How many of them the rule asks for.
    pub(crate) minimum: u32,
}

impl Relief {
    pub(crate) fn missing(&self) -> u32 {
        self.minimum.saturating_sub(self.on_post)
    }
}

impl State {
    /// Who takes over from a shift that is closed now. Before its end its own minimum binds; after it the schedule itself says how many are still
    /// asked for: none, where no other shift runs.
    pub(crate) fn relief_of(&self, key: ShiftRef, now_ms: i64) -> Relief {
        let shift = self.ops.shifts.get(key);
        let others = || {
            let shifts = self.ops.sites.get(shift.site).shifts.iter().map(|other| (*other, self.ops.shifts.get(*other)));
            shifts.filter(|(other, held)| *other != key && held.phase != ShiftPhase::Closed && held.until_ms > shift.until_ms)
        };
        let on_post = |call: &&CallRef| self.ops.calls.get(**call).phase == CallPhase::OnPost;
        let present = others().flat_map(|(_, held)| &held.calls).filter(on_post).count();
        let following: u32 = others().filter(|(_, held)| held.from_ms <= now_ms).map(|(_, held)| held.minimum).fold(0, u32::saturating_add);
        let minimum = if now_ms < shift.until_ms { shift.minimum } else { shift.minimum.min(following) };
        Relief { on_post: u32::try_from(present).unwrap_or(u32::MAX), minimum }
    }

    /// The open shift that a duty for a seat of this label belongs to, when it begins at `from_ms`; it may begin before the shift does.
    pub(crate) fn shift_at(&self, site: SiteRef, label: &str, from_ms: i64) -> Option<ShiftRef> {
        let covers = |key: &&ShiftRef| {
            let shift = self.ops.shifts.get(**key);
            shift.phase == ShiftPhase::Open && *shift.label == *label && from_ms < shift.until_ms
        };
        self.ops.sites.get(site).shifts.iter().find(covers).copied()
    }
}
