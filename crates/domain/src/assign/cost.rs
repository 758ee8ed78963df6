//! What a line costs: whole numbers, so that two machines agree to the last bit.
//!
//! A person's burden for a need is the way (in the tree, refined by metres), plus what makes others come first: standing by, few duties.
//! It is weighed with the need's priority, so that of two whistles that compete for the nearest the graver one gets them. Leaving a
//! need without a person costs more than any way of sending one, by priority again: whoever is scarce goes where it is gravest.

use muster_proto::v1::{Severity, Urgency};

/// One level to climb in the tree. Everything that is weighed within a level stays below it.
pub(super) const LEVEL: i64 = 1_000;
/// A step of metres within a level.
const METERS_STEP: u32 = 200;
/// Metres refine a level and never outweigh it: 80 km, across the whole city.
const METERS_MAX: i64 = 400;
/// Whoever stands by comes before others of the same level within 60 km.
const NOT_ON_STANDBY: i64 = 300;
/// A duty more: as much as two kilometres.
const DUTY: i64 = 10;
/// More duties than that weigh no more: 20 of them are a sixth of a level.
const DUTIES_MAX: u32 = 20;
/// People of another area come after everybody inside, however far: no tree is a hundred levels deep.
pub(super) const RELEASE: i64 = 100 * LEVEL;
/// One point of priority left without a person outweighs what any number of lines can cost: 4,000 lines of 202 × 106,000.
const UNFILLED: i64 = 100_000_000_000;
/// A threat to life comes before everything that is none, short of four times its age and urgency.
const LIFE: i64 = 4;

/// What is weighed of a person for a need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Burden {
    pub(super) distance: u32,
    pub(super) meters: Option<u32>,
    pub(super) on_standby: bool,
    pub(super) load: u32,
    pub(super) release: bool,
}

/// The part that hangs on the person alone, within a level.
pub(super) fn own(on_standby: bool, load: u32) -> i64 {
    i64::from(!on_standby) * NOT_ON_STANDBY + i64::from(load.min(DUTIES_MAX)) * DUTY
}

/// The part that hangs on the two places.
pub(super) fn way(distance: u32, meters: Option<u32>, release: bool) -> i64 {
    let refined = meters.map_or(0, |meters| i64::from(meters / METERS_STEP).min(METERS_MAX));
    i64::from(distance) * LEVEL + refined + i64::from(release) * RELEASE
}

impl Burden {
    #[cfg(test)]
    pub(super) fn total(self) -> i64 {
        way(self.distance, self.meters, self.release) + own(self.on_standby, self.load)
    }
}

/// 仲裁: severity × urgency × age, which triples within two hours. From 100 to 19,200.
pub(super) fn priority(severity: Severity, urgency: Urgency, life_threatening: bool, waited_ms: i64) -> i64 {
    let severity = (severity as i64).max(1);
    let urgency = match urgency {
        // Who blows a whistle and says nothing wants help soon.
        Urgency::Unspecified => Urgency::Expected as i64,
        known => known as i64,
    };
    let age = 100 + (waited_ms.max(0) / 60_000).min(120) * 100 / 60;
    severity * urgency * age * if life_threatening { LIFE } else { 1 }
}

/// How much a burden weighs for a need of such a priority.
pub(super) fn weight(priority: i64) -> i64 {
    10 + priority / 100
}

/// What a unit costs that nobody serves.
pub(super) fn penalty(priority: i64) -> i64 {
    priority * UNFILLED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_weighed_within_a_level_never_outweighs_it() {
        let worst = Burden { distance: 1, meters: Some(u32::MAX), on_standby: false, load: u32::MAX, release: false };
        let next = Burden { distance: 2, meters: None, on_standby: true, load: 0, release: false };
        assert!(worst.total() < next.total());
        let far = Burden { distance: 5, ..worst };
        let released = Burden { distance: 0, release: true, ..next };
        assert!(far.total() < released.total());
    }

    #[test]
    fn a_missing_person_outweighs_every_line_of_a_proposal() {
        let gravest = priority(Severity::Extreme, Urgency::Immediate, true, i64::MAX);
        assert_eq!(gravest, 19_200);
        let dearest = Burden { distance: 5, meters: Some(u32::MAX), on_standby: false, load: u32::MAX, release: true };
        let line = weight(gravest) * dearest.total();
        assert!(line * i64::try_from(crate::limits::FILL_LINES_MAX).expect("a small number") < UNFILLED);
        // Sums stay far from the end of the numbers.
        assert!(penalty(gravest) < i64::MAX / 1_000);
    }

    #[test]
    fn the_graver_the_more_urgent_and_the_older_come_first() {
        let of = |severity, urgency, life, minutes: i64| priority(severity, urgency, life, minutes * 60_000);
        let usual = of(Severity::Moderate, Urgency::Expected, false, 10);
        assert!(of(Severity::Severe, Urgency::Expected, false, 10) > usual);
        assert!(of(Severity::Moderate, Urgency::Immediate, false, 10) > usual);
        assert!(of(Severity::Moderate, Urgency::Expected, false, 20) > usual);
        assert!(of(Severity::Moderate, Urgency::Expected, true, 10) > usual);
        assert_eq!(of(Severity::Moderate, Urgency::Unspecified, false, 10), usual);
        assert_eq!(of(Severity::Minor, Urgency::Past, false, 120), of(Severity::Minor, Urgency::Past, false, 500));
    }
}
