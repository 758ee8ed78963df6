//! How far somebody may read: what a listing is cut to.

use crate::may::Action;
use crate::principal::{Principal, Scope};
use crate::role::Role;
use crate::table::{Right, has_rows_of};

/// How far somebody may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everything, and what belongs to no area.
    Everything,
    /// What lies within these bounds, and nothing else; nothing at all where there are none.
    Within(Bounds),
}

/// What rows and events must belong to: one of these is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Areas, with their subtrees.
    pub areas: Vec<String>,
    /// Organizations: what is about their people, and what they themselves are called for.
    pub organizations: Vec<String>,
    /// Units, with those below them.
    pub units: Vec<String>,
    /// Persons.
    pub responders: Vec<String>,
}

impl Bounds {
    /// Whether nothing lies within.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty() && self.holds_no_one()
    }

    /// Whether rows belong to areas alone, and to no organization, unit or person.
    #[must_use]
    pub fn holds_no_one(&self) -> bool {
        self.organizations.is_empty() && self.units.is_empty() && self.responders.is_empty()
    }
}

/// How far a principal may do a reading action: the union of the scopes whose role may.
#[must_use]
pub fn reach(principal: &Principal, action: Action<'_>) -> Reach {
    reach_by(principal, action, |_| true)
}

/// The same by the grants of some roles alone.
#[must_use]
pub fn reach_by(principal: &Principal, action: Action<'_>, counts: impl Fn(Role) -> bool) -> Reach {
    let mut bounds = Bounds::default();
    let able = principal.grants.iter().filter(|grant| counts(grant.role()) && action.right(grant.role()) != Right::No);
    for grant in able {
        let scope = grant.scope();
        // Only views have rows of somebody; events are listed by area.
        let listed = match action {
            Action::View(view) => has_rows_of(scope, view),
            _ => matches!(scope, Scope::Everything | Scope::Area(_)),
        };
        let bound = match scope {
            Scope::Everything => return Reach::Everything,
            _ if !listed => continue,
            Scope::Area(_) => &mut bounds.areas,
            Scope::Organization(_) => &mut bounds.organizations,
            Scope::Unit(_) => &mut bounds.units,
            Scope::Responder(_) => &mut bounds.responders,
            Scope::Call(_) => continue,
        };
        if !bound.iter().any(|known| known == scope.id()) {
            bound.push(scope.id().to_owned());
        }
    }
    Reach::Within(bounds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn principal(grants: &[&str]) -> Principal {
        let grants = grants.iter().map(|grant| grant.parse().unwrap()).collect();
        Principal { id: "p".into(), person: "p".into(), grants, expires_at_ms: None }
    }

    fn areas(ids: &[&str]) -> Reach {
        Reach::Within(Bounds { areas: ids.iter().map(|id| (*id).to_owned()).collect(), ..Bounds::default() })
    }

    #[test]
    fn only_grants_that_may_read_count() {
        let two = principal(&["township@area:t1", "department@organization:o", "console@area:t2"]);
        assert_eq!(reach(&two, Action::View("sites")), areas(&["t1", "t2"]));
        let Reach::Within(bounds) = reach(&two, Action::View("responders")) else { panic!("it is bound") };
        assert_eq!((bounds.areas, bounds.organizations), (vec!["t1".to_owned()], vec!["o".to_owned()]));
        assert_eq!(reach(&principal(&["responder@responder:r"]), Action::Events), areas(&[]));
        assert_eq!(reach(&principal(&["auditor@everything", "township@area:t1"]), Action::Events), Reach::Everything);
    }

    #[test]
    fn a_scope_that_is_no_area_has_rows_of_its_own() {
        let bounds = |grant: &str, view: &str| match reach(&principal(&[grant]), Action::View(view)) {
            Reach::Within(bounds) => bounds,
            Reach::Everything => panic!("{grant} is bound"),
        };
        for view in ["calls", "responders"] {
            assert_eq!(bounds("department@organization:o", view).organizations, ["o"]);
            assert_eq!(bounds("responder@responder:r", view).responders, ["r"]);
        }
        for view in ["calls", "responders", "units", "sites"] {
            assert_eq!(bounds("secretary@unit:u", view).units, ["u"]);
            assert_eq!(bounds("organizer@unit:u", view).units, ["u"]);
        }
        for (grant, view) in [
            ("department@organization:o", "units"),
            ("responder@responder:r", "sites"),
            ("secretary@unit:u", "coverage"),
            ("secretary@unit:u", "whistles"),
            ("responder@call:c1", "calls"),
        ] {
            assert!(bounds(grant, view).is_empty(), "{grant} {view}");
        }
    }

    #[test]
    fn the_grants_of_some_roles_alone_reach_less() {
        let two = principal(&["analyst@everything", "township@area:t1"]);
        assert_eq!(reach(&two, Action::View("units")), Reach::Everything);
        assert_eq!(reach_by(&two, Action::View("units"), |role| role != Role::Analyst), areas(&["t1"]));
    }
}
