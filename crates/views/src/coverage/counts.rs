//! The figures of one area, and differences between them.

use muster_proto::v1::CoverageSlice;
use serde::{Deserialize, Serialize};

use crate::areas::{AreaTree, Node};
use crate::symbols::{Sym, Symbols};

/// A figure that is a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Figure {
    Required,
    Dispatched,
    EnRoute,
    OnPost,
    Unconfirmed,
    WalkIn,
    Filled,
    OpenWhistles,
    Suspended,
    Unaccounted,
    PlanSeats,
    PlanSeatsFillable,
}

const FIGURES: usize = 12;

/// Which number a difference is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Plain(Figure),
    SpecialtyRequired(Sym),
    SpecialtyFilled(Sym),
    ShiftRequired(Sym),
    ShiftFilled(Sym),
}

/// All figures of one area.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Counts {
    figures: [i64; FIGURES],
    pub(super) by_specialty: Slices,
    pub(super) by_shift: Slices,
}

/// Required and filled by key; in the order the keys came, few enough to look through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Slices {
    slices: Vec<(Sym, i64, i64)>,
}

impl Slices {
    fn add(&mut self, key: Sym, required: i64, filled: i64) {
        if let Some(at) = self.slices.iter().position(|(known, _, _)| *known == key) {
            let slice = &mut self.slices[at];
            slice.1 += required;
            slice.2 += filled;
            if (slice.1, slice.2) == (0, 0) {
                self.slices.swap_remove(at);
            }
        } else {
            self.slices.push((key, required, filled));
        }
    }

    pub(super) fn rows(&self, names: &Symbols) -> Vec<CoverageSlice> {
        let slice = |(key, required, filled): &(Sym, i64, i64)| CoverageSlice {
            key: names.name(*key).to_owned(),
            required: *required,
            on_post: *filled,
        };
        let mut rows: Vec<CoverageSlice> = self.slices.iter().map(slice).collect();
        rows.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        rows
    }
}

impl Counts {
    pub(super) fn figure(&self, figure: Figure) -> i64 {
        self.figures[figure as usize]
    }

    fn add(&mut self, slot: Slot, by: i64) {
        match slot {
            Slot::Plain(figure) => self.figures[figure as usize] += by,
            Slot::SpecialtyRequired(key) => self.by_specialty.add(key, by, 0),
            Slot::SpecialtyFilled(key) => self.by_specialty.add(key, 0, by),
            Slot::ShiftRequired(key) => self.by_shift.add(key, by, 0),
            Slot::ShiftFilled(key) => self.by_shift.add(key, 0, by),
        }
    }

    /// The differences that make up all of it, each `sign` times.
    pub(super) fn differences(&self, node: Node, sign: i64, into: &mut Differences) {
        const PLAIN: [Figure; FIGURES] = [
            Figure::Required,
            Figure::Dispatched,
            Figure::EnRoute,
            Figure::OnPost,
            Figure::Unconfirmed,
            Figure::WalkIn,
            Figure::Filled,
            Figure::OpenWhistles,
            Figure::Suspended,
            Figure::Unaccounted,
            Figure::PlanSeats,
            Figure::PlanSeatsFillable,
        ];
        for figure in PLAIN {
            into.add(node, Slot::Plain(figure), sign * self.figures[figure as usize]);
        }
        for (key, required, filled) in &self.by_specialty.slices {
            into.add(node, Slot::SpecialtyRequired(*key), sign * required);
            into.add(node, Slot::SpecialtyFilled(*key), sign * filled);
        }
        for (key, required, filled) in &self.by_shift.slices {
            into.add(node, Slot::ShiftRequired(*key), sign * required);
            into.add(node, Slot::ShiftFilled(*key), sign * filled);
        }
    }
}

/// Differences of one record, by area.
#[derive(Clone, Debug, Default)]
pub(super) struct Differences {
    all: Vec<(Node, Slot, i64)>,
}

impl Differences {
    pub(super) fn add(&mut self, node: Node, slot: Slot, by: i64) {
        if by != 0 {
            self.all.push((node, slot, by));
        }
    }

    /// Sums up what concerns the same number, and leaves out what cancels.
    fn settle(&mut self) {
        self.all.sort_unstable();
        let mut kept = 0;
        let mut index = 0;
        while index < self.all.len() {
            let (node, slot, mut sum) = self.all[index];
            index += 1;
            while index < self.all.len() && (self.all[index].0, self.all[index].1) == (node, slot) {
                sum += self.all[index].2;
                index += 1;
            }
            if sum != 0 {
                self.all[kept] = (node, slot, sum);
                kept += 1;
            }
        }
        self.all.truncate(kept);
    }

    /// Adds the differences of each area to it and to all areas above, and tells which of them then have other figures. Empty afterwards.
    pub(super) fn roll_up(&mut self, tree: &AreaTree, counts: &mut [Counts], mut changed: impl FnMut(Node)) {
        self.settle();
        let Some((first, ..)) = self.all.first().copied() else { return };
        if self.all.iter().all(|(node, ..)| *node == first) {
            for above in tree.upward(first) {
                for (_, slot, by) in &self.all {
                    counts[above as usize].add(*slot, *by);
                }
                changed(above);
            }
            self.all.clear();
            return;
        }
        // Several areas: what one gains another may lose, and a common area above does not change.
        let own = std::mem::take(&mut self.all);
        for (node, slot, by) in own {
            self.all.extend(tree.upward(node).map(|above| (above, slot, by)));
        }
        self.apply(counts, changed);
    }

    /// Adds the differences of each area to it alone. Empty afterwards.
    pub(super) fn apply(&mut self, counts: &mut [Counts], mut changed: impl FnMut(Node)) {
        self.settle();
        let mut last = None;
        for (node, slot, by) in self.all.drain(..) {
            counts[node as usize].add(slot, by);
            if last != Some(node) {
                last = Some(node);
                changed(node);
            }
        }
    }
}
