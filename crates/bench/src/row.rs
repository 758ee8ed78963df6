//! One row of the result: what was measured, what it was measured beside, and whether that is enough. Pure arithmetic.

use serde::Serialize;

/// What a row's aim is held against.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AimOf {
    /// The ratio is at least the aim.
    RatioAtLeast,
    /// The value is at most the aim.
    ValueAtMost,
}

/// Which values are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// Rates: the ratio is value by reference.
    Higher,
    /// Times: the ratio is reference by value.
    Lower,
}

/// What one round gave: the value and, measured right beside it, the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pair {
    pub(crate) value: f64,
    pub(crate) reference: f64,
}

/// Median with the least and the greatest of the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one figure.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (sorted.first().copied().unwrap_or(f64::NAN), sorted.last().copied().unwrap_or(f64::NAN));
        let middle = sorted.len() / 2;
        let median = match sorted.len() {
            0 => f64::NAN,
            even if even % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        Self { median, min, max }
    }
}

/// One row as it is written to JSON. The first eight members are the contract; the others show the spread.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// Median of the rounds.
    pub(crate) value: f64,
    /// What it was measured beside.
    pub(crate) reference: &'static str,
    /// Median of the rounds, in the row's unit.
    pub(crate) reference_value: f64,
    /// Of the medians; above 1 the row is better than its reference.
    pub(crate) ratio: f64,
    pub(crate) aim: Option<f64>,
    pub(crate) met: Option<bool>,
    pub(crate) aim_of: Option<AimOf>,
    pub(crate) value_min: f64,
    pub(crate) value_max: f64,
    pub(crate) reference_min: f64,
    pub(crate) reference_max: f64,
    /// Of the rounds, each value by the reference beside it.
    pub(crate) ratio_min: f64,
    pub(crate) ratio_max: f64,
    pub(crate) rounds: usize,
    /// What exactly was done, with the counts that were checked.
    pub(crate) detail: String,
}

/// What makes a row of rounds.
#[derive(Clone, Debug)]
pub(crate) struct Measured<'a> {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    pub(crate) reference: &'static str,
    pub(crate) aim: Option<(AimOf, f64)>,
    pub(crate) pairs: &'a [Pair],
    pub(crate) detail: String,
}

impl Measured<'_> {
    /// The row of these rounds, of which there is at least one.
    pub(crate) fn row(self) -> Row {
        let by = |value: f64, reference: f64| match self.better {
            Better::Higher => value / reference,
            Better::Lower => reference / value,
        };
        let value = Spread::of(self.pairs.iter().map(|pair| pair.value));
        let reference = Spread::of(self.pairs.iter().map(|pair| pair.reference));
        let ratios = Spread::of(self.pairs.iter().map(|pair| by(pair.value, pair.reference)));
        let ratio = by(value.median, reference.median);
        let met = self.aim.map(|(of, aim)| match of {
            AimOf::RatioAtLeast => ratio >= aim,
            AimOf::ValueAtMost => value.median <= aim,
        });
        Row {
            name: self.name,
            unit: self.unit,
            value: value.median,
            reference: self.reference,
            reference_value: reference.median,
            ratio,
            aim: self.aim.map(|(_, aim)| aim),
            met,
            aim_of: self.aim.map(|(of, _)| of),
            value_min: value.min,
            value_max: value.max,
            reference_min: reference.min,
            reference_max: reference.max,
            ratio_min: ratios.min,
            ratio_max: ratios.max,
            rounds: self.pairs.len(),
            detail: self.detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(better: Better, aim: Option<(AimOf, f64)>, pairs: &[Pair]) -> Row {
        Measured { name: "n", unit: "u", better, reference: "r", aim, pairs, detail: String::new() }.row()
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), Spread { median: 2.5, min: 1.0, max: 4.0 });
    }

    #[test]
    fn a_ratio_above_one_is_better_in_both_directions() {
        let pairs =
            [Pair { value: 50.0, reference: 100.0 }, Pair { value: 80.0, reference: 100.0 }, Pair { value: 60.0, reference: 100.0 }];
        let rate = measured(Better::Higher, Some((AimOf::RatioAtLeast, 0.6)), &pairs);
        assert_eq!((rate.ratio, rate.met, rate.ratio_min, rate.ratio_max), (0.6, Some(true), 0.5, 0.8));
        let time = measured(Better::Lower, Some((AimOf::ValueAtMost, 59.0)), &pairs);
        assert_eq!((time.ratio, time.met), (100.0 / 60.0, Some(false)));
        assert_eq!(measured(Better::Higher, None, &pairs).met, None);
    }

    #[test]
    fn the_contract_stands_in_the_json() {
        let row = serde_json::to_value(measured(Better::Higher, None, &[Pair { value: 1.0, reference: 2.0 }])).expect("a row is JSON");
        for member in ["name", "unit", "value", "reference", "reference_value", "ratio", "aim", "met"] {
            assert!(row.get(member).is_some(), "{member}");
        }
        assert!(row["aim"].is_null() && row["met"].is_null());
    }
}
