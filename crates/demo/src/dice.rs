//! The seeded choices of the demo. Owns one small generator; it must never read a clock or the machine's entropy.

/// A stream of choices that depends on its seed and label alone, so that one part of the demo never shifts another's.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

/// SplitMix64's finalizer: every bit of the input reaches every bit of the output.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Dice {
    /// A stream for one purpose.
    pub fn new(seed: u64, label: &str) -> Self {
        let state = label.bytes().fold(mix(seed ^ 0x6d75_7374_6572), |state, byte| mix(state ^ u64::from(byte)));
        Self { state }
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { usize::try_from(self.roll() % bound as u64).expect("a remainder fits its divisor's type") }
    }

    /// True in `per_mille` of a thousand rolls.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.roll() % 1000 < u64::from(per_mille)
    }

    /// One of the items; the list must not be empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Splits `total` into `parts` shares that differ by at most one, the larger ones first.
pub(crate) fn even_shares(total: usize, parts: usize) -> Vec<usize> {
    (0..parts).map(|part| total / parts + usize::from(part < total % parts)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_and_label_give_one_stream() {
        let stream = |seed, label| {
            (0..8)
                .map({
                    let mut dice = Dice::new(seed, label);
                    move |_| dice.roll()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(stream(7, "names"), stream(7, "names"));
        assert_ne!(stream(7, "names"), stream(8, "names"));
        assert_ne!(stream(7, "names"), stream(7, "phones"));
    }

    #[test]
    fn shares_add_up() {
        assert_eq!(even_shares(7, 3), [3, 2, 2]);
        assert_eq!(even_shares(572, 12).iter().sum::<usize>(), 572);
    }
}
