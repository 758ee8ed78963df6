//! The figures of one plan, and of all plans of an area.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{RehearsalFigures, RehearsedGapCount};

use crate::ids::ResponderRef;
use crate::state::{Awaited, State};

/// See `RehearsalFigures`.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) plans: usize,
    pub(super) sites: usize,
    pub(super) units: usize,
    pub(super) seats: usize,
    pub(super) seats_filled: usize,
    pub(super) seats_suspended: usize,
    pub(super) unseated_posts: usize,
    pub(super) unseated_filled: usize,
    pub(super) standby: usize,
    pub(super) single_points: usize,
    /// By the reason's number.
    pub(super) gaps: BTreeMap<i32, usize>,
    pub(super) contested: BTreeSet<ResponderRef>,
    pub(super) awaited: Awaited,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.plans, other.plans),
            (&mut self.sites, other.sites),
            (&mut self.units, other.units),
            (&mut self.seats, other.seats),
            (&mut self.seats_filled, other.seats_filled),
            (&mut self.seats_suspended, other.seats_suspended),
            (&mut self.unseated_posts, other.unseated_posts),
            (&mut self.unseated_filled, other.unseated_filled),
            (&mut self.standby, other.standby),
            (&mut self.single_points, other.single_points),
        ] {
            *mine += theirs;
        }
        other.gaps.iter().for_each(|(reason, posts)| *self.gaps.entry(*reason).or_default() += posts);
        // One person missed by two plans is one person.
        self.contested.extend(&other.contested);
        self.awaited.iter_mut().zip(other.awaited).for_each(|(mine, theirs)| *mine += theirs);
    }

    pub(super) fn figures(&self, state: &State) -> RehearsalFigures {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let gap = |(reason, posts): (&i32, &usize)| RehearsedGapCount { reason: *reason, posts: narrow(*posts) };
        RehearsalFigures {
            plans: narrow(self.plans),
            sites: narrow(self.sites),
            units: narrow(self.units),
            seats: narrow(self.seats),
            seats_filled: narrow(self.seats_filled),
            seats_suspended: narrow(self.seats_suspended),
            unseated_posts: narrow(self.unseated_posts),
            unseated_filled: narrow(self.unseated_filled),
            standby: narrow(self.standby),
            single_points: narrow(self.single_points),
            contested: narrow(self.contested.len()),
            gaps: self.gaps.iter().map(gap).collect(),
            full_strength: Some(state.ops.arrivals.full_strength(&self.awaited)),
        }
    }
}
