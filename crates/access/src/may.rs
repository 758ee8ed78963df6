//! The one function that answers: may this principal do this, to what it touches?

use muster_proto::v1::AreaPath;
use muster_proto::{Touched, TouchedOffice, levels, path_end, path_is_within};

use crate::denial::Denial;
use crate::principal::{Grant, Principal, Scope};
use crate::role::Role;
use crate::table::{Right, command_right, reads, view_right};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Give a command, by its name.
    Command(&'a str),
    /// Ask what a command would do: the same right as to give it.
    Preview(&'a str),
    /// Read a view, by its name.
    View(&'a str),
    /// Read events.
    Events,
    /// Have plain names and telephone numbers of people.
    Names,
    /// Make a one-time link for a call.
    Link,
    /// Take tables and files away.
    Export,
    /// See status and metrics.
    Operate,
}

impl Action<'_> {
    fn name(&self) -> String {
        match self {
            Self::Command(name) | Self::Preview(name) => (*name).to_owned(),
            Self::View(name) => format!("view {name}"),
            Self::Events => "events".to_owned(),
            Self::Names => "names".to_owned(),
            Self::Link => "links".to_owned(),
            Self::Export => "export".to_owned(),
            Self::Operate => "operate".to_owned(),
        }
    }

    /// What a role may do, before scopes are looked at.
    pub(crate) fn right(&self, role: Role) -> Right {
        let own = |may| if may { Right::Own } else { Right::No };
        match self {
            Self::Command(name) | Self::Preview(name) => command_right(role, name),
            Self::View(name) => own(view_right(role, name)),
            Self::Events => own(reads::events(role)),
            Self::Names => own(reads::names(role)),
            Self::Link => own(reads::links(role)),
            Self::Export => own(reads::exports(role)),
            Self::Operate => own(reads::operation(role)),
        }
    }
}

/// That it may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted<'a> {
    /// By which grant.
    pub grant: &'a Grant,
    /// Over the head of an office below, on the ground that was stated.
    pub overriding: bool,
}

/// Whether `principal` may do `action` to what is `touched`. `shared_areas` are areas that agreements in force open to the
/// principal for this action, as if they lay in its own area.
///
/// # Errors
/// [`Denial`], the one that is nearest to a grant: a missing ground before a scope that does not fit before a role that
/// may not.
pub fn may<'a>(principal: &'a Principal, action: Action<'_>, touched: &Touched, shared_areas: &[String]) -> Result<Granted<'a>, Denial> {
    if principal.grants.is_empty() {
        return Err(Denial::NothingGranted);
    }
    let able: Vec<_> =
        principal.grants.iter().map(|grant| (grant, action.right(grant.role()))).filter(|(_, right)| *right != Right::No).collect();
    if able.is_empty() {
        let mut roles: Vec<_> = principal.grants.iter().map(Grant::role).collect();
        roles.dedup();
        return Err(Denial::RoleMayNot { roles, action: action.name() });
    }
    if let Some(office) = &touched.office
        && !principal.grants.iter().any(|grant| holds(grant.scope(), office, touched))
    {
        let claimed = if office.area_id.is_empty() { &office.organization } else { &office.area_id };
        return Err(Denial::OfficeNotHeld { office: claimed.clone(), scopes: scopes(principal) });
    }
    let mut ground_missing = None;
    for (grant, right) in &able {
        // Status and metrics are of the whole server and touch nothing.
        if action != Action::Operate && !covers(grant.scope(), touched, shared_areas) {
            continue;
        }
        let over = if *right == Right::Ground { answerable_below(grant.scope(), touched) } else { None };
        match over {
            Some(area) if !touched.grounded => ground_missing = Some(area.to_owned()),
            over => return Ok(Granted { grant, overriding: over.is_some() }),
        }
    }
    Err(match ground_missing {
        Some(area) => Denial::GroundRequired { area },
        None => Denial::OutsideScope { area: outside(&able, touched, shared_areas), scopes: scopes(principal) },
    })
}

/// Whether everything that is touched lies in the scope. What touches nothing that is known lies in no scope but everything.
fn covers(scope: &Scope, touched: &Touched, shared_areas: &[String]) -> bool {
    let people = &touched.people;
    match scope {
        Scope::Everything => true,
        Scope::Area(area) => {
            let inside = |path: &AreaPath| path_is_within(path, area) || shared_areas.iter().any(|shared| path_is_within(path, shared));
            !touched.places.is_empty() && touched.places.iter().all(inside)
        }
        Scope::Organization(id) => {
            let named = !touched.organizations.is_empty() || !people.is_empty();
            named && touched.organizations.iter().all(|own| own == id) && people.iter().all(|person| person.organization == *id)
        }
        Scope::Unit(id) => {
            let inside = |line: &Vec<String>| line.contains(id);
            if touched.units.is_empty() {
                !people.is_empty() && people.iter().all(|person| person.units.iter().any(inside))
            } else {
                touched.units.iter().all(inside)
            }
        }
        Scope::Responder(id) => !people.is_empty() && people.iter().all(|person| person.id == *id),
        Scope::Call(id) => !touched.calls.is_empty() && touched.calls.iter().all(|call| call == id),
    }
}

/// Whether the scope holds the office that is claimed.
fn holds(scope: &Scope, office: &TouchedOffice, touched: &Touched) -> bool {
    let in_area = |path: &Option<AreaPath>, area: &str| path.as_ref().is_some_and(|path| path_is_within(path, area));
    match scope {
        Scope::Everything => true,
        Scope::Area(area) => {
            // An office without an area is its organization's.
            let by_area = office.area_id.is_empty() || in_area(&office.area, area);
            let by_organization = office.organization.is_empty() || in_area(&office.organization_area, area);
            let named = !(office.area_id.is_empty() && office.organization.is_empty());
            named && by_area && (by_organization || !office.area_id.is_empty())
        }
        Scope::Organization(id) => {
            // Its office may be placed where the organization itself is, and nowhere else.
            let placed = office.area_id.is_empty() || office.organization_area.as_ref().map(path_end) == Some(&office.area_id);
            office.organization == *id && placed
        }
        // A unit speaks where its own matter lies.
        Scope::Unit(id) => {
            let own = touched.units.iter().chain(touched.people.iter().flat_map(|person| &person.units)).any(|line| line.contains(id));
            own && touched.places.iter().any(|place| path_end(place) == office.area_id)
        }
        Scope::Responder(_) | Scope::Call(_) => false,
    }
}

/// The answerable office below the scope's own area, if there is one: the first.
fn answerable_below<'a>(scope: &Scope, touched: &'a Touched) -> Option<&'a str> {
    let answerable = if touched.answerable.is_empty() { &touched.places } else { &touched.answerable };
    let below = |path: &&AreaPath| match scope {
        Scope::Everything => levels(path).into_iter().filter(|id| !id.is_empty()).count() > 1,
        Scope::Area(area) => path_is_within(path, area) && path_end(path) != area,
        _ => false,
    };
    answerable.iter().find(below).map(path_end)
}

/// The first area that keeps the nearest scope from covering everything; empty where no area is at fault.
fn outside(able: &[(&Grant, Right)], touched: &Touched, shared_areas: &[String]) -> String {
    let by_area = |grant: &Grant| match grant.scope() {
        Scope::Area(area) => Some(area.clone()),
        _ => None,
    };
    let Some(area) = able.iter().find_map(|(grant, _)| by_area(grant)) else { return String::new() };
    let inside = |path: &&AreaPath| path_is_within(path, &area) || shared_areas.iter().any(|shared| path_is_within(path, shared));
    touched.places.iter().find(|path| !inside(path)).map(path_end).unwrap_or_default().to_owned()
}

fn scopes(principal: &Principal) -> String {
    principal.grants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
