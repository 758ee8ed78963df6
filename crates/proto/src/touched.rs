//! What a command touches, said without the state: the words in which the state answers and the rights ask.
//!
//! It tells facts and decides nothing. What the command names and the state does not know is left out: the decision names it.

use crate::v1::AreaPath;

/// What a command touches, as of the state that it is decided against.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Touched {
    /// Where it takes effect: the path of each area.
    pub places: Vec<AreaPath>,
    /// Homes of people whom it moves and whom nobody is said to have let go: that is for whoever leads the home to say.
    pub homes: Vec<TouchedHome>,
    /// Whose office is answerable for the subject now, where that is not the office of its place: an escalated whistle's.
    pub answerable: Vec<AreaPath>,
    /// Organizations that it speaks of.
    pub organizations: Vec<String>,
    /// People that it speaks of.
    pub people: Vec<TouchedPerson>,
    /// Units that it speaks of, each with the units above it, nearest first.
    pub units: Vec<UnitLine>,
    /// Units of the place, where it speaks of no unit and no person: each of them may speak for it.
    pub around: Vec<UnitLine>,
    /// Calls that it speaks of: `c1`, `o1`.
    pub calls: Vec<String>,
    /// The office that is claimed for it.
    pub office: Option<TouchedOffice>,
    /// A ground is stated for it: document, consultation or telephone order with a reference.
    pub grounded: bool,
}

/// A person whom a command touches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TouchedPerson {
    /// The id.
    pub id: String,
    /// The organization the person belongs to, empty for none.
    pub organization: String,
    /// Units the person is in, of incidents that are open, each with the units above it, nearest first.
    pub units: Vec<UnitLine>,
}

/// A unit and those above it, nearest first.
pub type UnitLine = Vec<TouchedUnit>;

/// One unit of a line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TouchedUnit {
    /// The id.
    pub id: String,
    /// The path to the unit's own area: where it stands, and in whose office it speaks.
    pub area: AreaPath,
}

/// The home of somebody who is moved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TouchedHome {
    /// The path to it.
    pub area: AreaPath,
    /// The incident that the person is moved for, empty for none: an agreement opens a home for one incident.
    pub incident: String,
}

/// The office in which somebody claims to speak.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TouchedOffice {
    /// The office's area as it was claimed, empty for none.
    pub area_id: String,
    /// The path to it; nothing if there is no such area.
    pub area: Option<AreaPath>,
    /// The office's organization, empty for none.
    pub organization: String,
    /// The path to that organization's area; nothing if it has none, or there is no such organization.
    pub organization_area: Option<AreaPath>,
}

/// The levels of a path, from the city down.
#[must_use]
pub fn levels(path: &AreaPath) -> [&str; 5] {
    [&path.city, &path.county, &path.township, &path.village, &path.grid]
}

/// Whether the path leads to the area or through it.
#[must_use]
pub fn path_is_within(path: &AreaPath, area_id: &str) -> bool {
    !area_id.is_empty() && levels(path).contains(&area_id)
}

/// The area that the path leads to, empty for none.
#[must_use]
pub fn path_end(path: &AreaPath) -> &str {
    levels(path).into_iter().rev().find(|id| !id.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_within_what_it_leads_through() {
        let path = AreaPath { city: "c".into(), township: "t".into(), grid: "g".into(), ..AreaPath::default() };
        assert!(["c", "t", "g"].into_iter().all(|id| path_is_within(&path, id)));
        assert!(!path_is_within(&path, "k") && !path_is_within(&path, ""));
        assert_eq!((path_end(&path), path_end(&AreaPath::default())), ("g", ""));
    }
}
