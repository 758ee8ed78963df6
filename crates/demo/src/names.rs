//! Generated names and phone numbers. None can be real, and none can turn up by chance in public text: the characters of given
//! names stand in no division, organization or plan, and no telephone number starts with `100`.

use crate::dice::Dice;

const SURNAMES: &str = "陈林黄李梁吴王张杨刘何郑周蔡冯谢叶苏庞邓曾许罗韩彭潘莫符戴劳";
/// Characters for given names. Those that the public text of the demo uses are not among them; a test holds it to that.
const GIVEN: &str = "轩睿涵淇琪珺煜烨晟瑾妍婷娜雯倩蕾薇颖嫣璇钰锴楷炜彦翊翰恺逸晗昕曦霖沛宸骏骁筱茜菁莎蓓黛婕媛姝娴";

/// A person's name: one character of family name, two of given name.
pub(crate) fn person_name(dice: &mut Dice) -> String {
    let mut one = |characters: &str| {
        let place = dice.below(characters.chars().count());
        characters.chars().nth(place).expect("the place is below the count")
    };
    [one(SURNAMES), one(GIVEN), one(GIVEN)].iter().collect()
}

/// A telephone number of eleven digits under a prefix that is never allotted; one for each `number` below 100,000,000.
pub(crate) fn phone(seed: u64, number: usize) -> String {
    // 7,368,787 has no factor of ten's, so that the map is one to one.
    let scattered = (number as u64).wrapping_mul(7_368_787).wrapping_add(seed % 10_000_000) % 100_000_000;
    format!("100{scattered:08}")
}

/// Whether a text uses a character that only given names use.
#[cfg(test)]
pub(crate) fn uses_given(text: &str) -> Option<char> {
    text.chars().find(|character| GIVEN.contains(*character))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn phones_are_unique_and_of_no_allotted_prefix() {
        let phones: BTreeSet<_> = (0..100_000).map(|number| phone(9, number)).collect();
        assert_eq!(phones.len(), 100_000);
        assert!(phones.iter().all(|phone| phone.len() == 11 && phone.starts_with("100")));
    }

    #[test]
    fn names_have_three_characters() {
        let mut dice = Dice::new(4, "names");
        assert!((0..100).all(|_| person_name(&mut dice).chars().count() == 3));
    }
}
