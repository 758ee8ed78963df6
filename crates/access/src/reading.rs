//! How far somebody may read: the areas whose subtrees a listing is cut to.

use crate::may::Action;
use crate::principal::{Principal, Scope};
use crate::table::Right;

/// Which areas' subtrees somebody may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All of them, and what belongs to none.
    Everything,
    /// These, and nothing else; none at all where it is empty.
    Areas(Vec<String>),
}

/// How far a principal may do a reading action: the union of the scopes whose role may.
#[must_use]
pub fn reach(principal: &Principal, action: Action<'_>, shared_areas: &[String]) -> Reach {
    let mut areas = Vec::new();
    for grant in principal.grants.iter().filter(|grant| action.right(grant.role()) != Right::No) {
        match grant.scope() {
            Scope::Everything => return Reach::Everything,
            Scope::Area(area) if !areas.contains(area) => areas.push(area.clone()),
            _ => {}
        }
    }
    if !areas.is_empty() {
        areas.extend(shared_areas.iter().filter(|shared| !areas.contains(shared)).cloned().collect::<Vec<_>>());
    }
    Reach::Areas(areas)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn principal(grants: &[&str]) -> Principal {
        let grants = grants.iter().map(|grant| grant.parse().unwrap()).collect();
        Principal { id: "p".into(), person: "p".into(), grants, expires_at_ms: None }
    }

    #[test]
    fn only_grants_that_may_read_count() {
        let two = principal(&["township@area:t1", "department@organization:o", "console@area:t2"]);
        assert_eq!(reach(&two, Action::View("sites"), &[]), Reach::Areas(vec!["t1".into(), "t2".into()]));
        assert_eq!(reach(&two, Action::View("responders"), &[]), Reach::Areas(vec!["t1".into()]));
        assert_eq!(reach(&principal(&["responder@responder:r"]), Action::Events, &["t9".into()]), Reach::Areas(Vec::new()));
        assert_eq!(reach(&principal(&["auditor@everything", "township@area:t1"]), Action::Events, &[]), Reach::Everything);
    }

    #[test]
    fn agreements_widen_what_is_read() {
        let one = principal(&["township@area:t1"]);
        assert_eq!(reach(&one, Action::View("sites"), &["t3".into(), "t1".into()]), Reach::Areas(vec!["t1".into(), "t3".into()]));
    }
}
