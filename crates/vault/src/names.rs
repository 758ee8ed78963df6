//! An index of names and telephone numbers in memory: search while typing, and people entered twice. It holds plain text,
//! so it is never written anywhere; the server builds it at its start from the sealed fields it may open, and removes a
//! person when the person's data is erased.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::limits::SEARCH_RESULTS_MAX;

/// One person in the index.
struct Person {
    subject: Box<str>,
    name: Box<str>,
    phone: Box<str>,
}

/// Names and telephone numbers of people by subject id. About 300 bytes a person.
///
/// Names are compared without case, width, white space or separating dots, so `阿依古丽·买买提` is found by `古丽买`;
/// telephone numbers by their digits, without `+86`.
#[derive(Default)]
pub struct NameIndex {
    people: Vec<Option<Person>>,
    free: Vec<u32>,
    by_subject: HashMap<Box<str>, u32>,
    /// Which people have the character in their name. A search looks only at those who have its rarest character.
    by_character: HashMap<char, BTreeSet<u32>>,
    by_phone: BTreeMap<Box<str>, BTreeSet<u32>>,
}

// Written by hand: the index is nothing but personal data.
impl std::fmt::Debug for NameIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NameIndex({} people)", self.len())
    }
}

impl NameIndex {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many people are in it.
    pub fn len(&self) -> usize {
        self.by_subject.len()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.by_subject.is_empty()
    }

    /// Puts a person in, or gives the person another name and number. An empty `phone` is none.
    pub fn insert(&mut self, subject: &str, name: &str, phone: &str) {
        self.remove(subject);
        let person = Person { subject: subject.into(), name: folded(name).into_boxed_str(), phone: phone_digits(phone).into_boxed_str() };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.people.push(None);
            u32::try_from(self.people.len() - 1).expect("fewer people than u32 counts")
        });
        for character in person.name.chars() {
            self.by_character.entry(character).or_default().insert(slot);
        }
        if !person.phone.is_empty() {
            self.by_phone.entry(person.phone.clone()).or_default().insert(slot);
        }
        self.by_subject.insert(person.subject.clone(), slot);
        self.people[slot as usize] = Some(person);
    }

    /// Takes a person out; nothing happens if the person is not in it.
    pub fn remove(&mut self, subject: &str) {
        let Some(slot) = self.by_subject.remove(subject) else { return };
        let Some(person) = self.people[slot as usize].take() else { return };
        for character in person.name.chars() {
            if let Some(slots) = self.by_character.get_mut(&character) {
                slots.remove(&slot);
                if slots.is_empty() {
                    self.by_character.remove(&character);
                }
            }
        }
        if let Some(slots) = self.by_phone.get_mut(&person.phone) {
            slots.remove(&slot);
            if slots.is_empty() {
                self.by_phone.remove(&person.phone);
            }
        }
        self.free.push(slot);
    }

    /// Subjects whose name holds `query`: equal names first, then names that start with it, then the others; within each
    /// by subject id. At most `limit`, and at most [`SEARCH_RESULTS_MAX`]. An empty query finds nobody.
    pub fn search(&self, query: &str, limit: usize) -> Vec<&str> {
        let query = folded(query);
        let mut rarest: Option<&BTreeSet<u32>> = None;
        for character in query.chars() {
            let Some(slots) = self.by_character.get(&character) else { return Vec::new() };
            if rarest.is_none_or(|known| slots.len() < known.len()) {
                rarest = Some(slots);
            }
        }
        let Some(candidates) = rarest else { return Vec::new() };
        let mut found: Vec<(u8, &str)> = candidates
            .iter()
            .filter_map(|slot| self.people[*slot as usize].as_ref())
            .filter_map(|person| Some((closeness(&person.name, &query)?, &*person.subject)))
            .collect();
        found.sort_unstable();
        found.truncate(limit.min(SEARCH_RESULTS_MAX));
        found.into_iter().map(|(_, subject)| subject).collect()
    }

    /// Subjects with this telephone number, by subject id.
    pub fn with_phone(&self, phone: &str) -> Vec<&str> {
        self.by_phone.get(phone_digits(phone).as_str()).map(|slots| self.subjects(slots)).unwrap_or_default()
    }

    /// Groups of subjects that share a telephone number: likely one person entered twice. By number, then subject id.
    pub fn duplicates_by_phone(&self) -> Vec<Vec<&str>> {
        self.by_phone.values().filter(|slots| slots.len() > 1).map(|slots| self.subjects(slots)).collect()
    }

    fn subjects(&self, slots: &BTreeSet<u32>) -> Vec<&str> {
        let mut subjects: Vec<&str> = slots.iter().filter_map(|slot| Some(&*self.people[*slot as usize].as_ref()?.subject)).collect();
        subjects.sort_unstable();
        subjects
    }
}

/// 0 for the same name, 1 for a beginning, 2 for a part, `None` for none of these.
fn closeness(name: &str, query: &str) -> Option<u8> {
    match name.find(query)? {
        0 if name.len() == query.len() => Some(0),
        0 => Some(1),
        _ => Some(2),
    }
}

/// A name as it is compared.
fn folded(name: &str) -> String {
    name.chars()
        .map(narrow)
        .filter(|character| !character.is_whitespace() && !is_separator(*character))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Full-width Latin letters, digits and signs as their ordinary forms.
fn narrow(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
        other => other,
    }
}

/// The dots that stand between the parts of a transcribed name, in the forms that keyboards give.
fn is_separator(character: char) -> bool {
    matches!(character, '·' | '•' | '・' | '‧' | '∙' | '.' | '\u{ff65}')
}

fn phone_digits(phone: &str) -> String {
    let digits: String = phone.chars().map(narrow).filter(char::is_ascii_digit).collect();
    for prefix in ["0086", "86"] {
        if let Some(national) = digits.strip_prefix(prefix)
            && national.len() == 11
        {
            return national.to_owned();
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> NameIndex {
        let mut index = NameIndex::new();
        index.insert("r-3", "陈秀英", "13800000003");
        index.insert("r-1", "陈秀", "13800000001");
        index.insert("r-2", "黄陈秀英", "+86 138-0000-0003");
        index.insert("r-4", "阿依古丽·买买提", "");
        index.insert("r-5", "Ｌｉ Lei", "０７５９ 1234567");
        index
    }

    #[test]
    fn search_orders_by_closeness_and_ignores_width_case_and_dots() {
        let index = index();
        assert_eq!(index.search("陈秀", 10), ["r-1", "r-3", "r-2"]);
        assert_eq!(index.search("陈秀", 2), ["r-1", "r-3"]);
        assert_eq!(index.search("秀英", 10), ["r-2", "r-3"]);
        assert_eq!(index.search("古丽买", 10), ["r-4"]);
        assert_eq!(index.search("lile", 10), ["r-5"]);
        assert_eq!(index.search("秀陈", 10), Vec::<&str>::new());
        assert_eq!(index.search("王", 10), Vec::<&str>::new());
        assert_eq!(index.search("  ", 10), Vec::<&str>::new());
    }

    #[test]
    fn phones_are_compared_by_their_digits() {
        let index = index();
        assert_eq!(index.with_phone("138 0000 0003"), ["r-2", "r-3"]);
        assert_eq!(index.with_phone("0759-1234567"), ["r-5"]);
        assert_eq!(index.with_phone(""), Vec::<&str>::new());
        assert_eq!(index.duplicates_by_phone(), [["r-2", "r-3"]]);
    }

    #[test]
    fn a_person_renamed_or_removed_leaves_nothing_behind() {
        let mut index = index();
        index.insert("r-3", "林志强", "13800000009");
        assert_eq!(index.search("陈秀英", 10), ["r-2"]);
        assert_eq!(index.search("志强", 10), ["r-3"]);
        assert!(index.duplicates_by_phone().is_empty());
        for subject in ["r-1", "r-2", "r-3", "r-4", "r-5", "r-6"] {
            index.remove(subject);
        }
        assert!(index.is_empty() && index.by_character.is_empty() && index.by_phone.is_empty());
        index.insert("r-7", "陈秀", "");
        assert_eq!(index.people.len(), 5, "slots are used again");
        assert_eq!(format!("{index:?}"), "NameIndex(1 people)");
    }
}
