//! The one function that answers: may this principal do this, to what it touches?

use muster_proto::v1::AreaPath;
use muster_proto::{Touched, TouchedHome, TouchedOffice, TouchedUnit, UnitLine, levels, path_end, path_is_within};

use crate::denial::Denial;
use crate::principal::{Grant, Principal, Scope};
use crate::role::Role;
use crate::table::{Right, command_right, is_of_people_anywhere, reads, view_right};

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

/// A home that an agreement opens: whoever leads one side may call people of the other for one incident, as of the own area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The area that a grant is bound to: to this one it is opened.
    pub to: String,
    /// The area whose people may be called, with what lies below it.
    pub home: String,
    /// For which incident alone.
    pub incident: String,
}

/// The command that lets people go: who may not give it in its own area opens no other area's.
const RELEASE: &str = "ReleasePeople";

/// Whether `principal` may do `action` to what is `touched`. `opened` is what agreements in force open to its grants: homes of people, and
/// nothing else that is touched.
///
/// # Errors
/// [`Denial`], the one that is nearest to a grant: a missing ground before a scope that does not fit before a role that
/// may not.
pub fn may<'a>(principal: &'a Principal, action: Action<'_>, touched: &Touched, opened: &[Opened]) -> Result<Granted<'a>, Denial> {
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
        if action != Action::Operate && !covers(grant, action, touched, opened) {
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
        None => Denial::OutsideScope { area: outside(&able, touched, opened), scopes: scopes(principal) },
    })
}

/// Whether everything that is touched lies in the scope. What touches nothing that is known lies in no scope but everything.
fn covers(grant: &Grant, action: Action<'_>, touched: &Touched, opened: &[Opened]) -> bool {
    let people = &touched.people;
    match grant.scope() {
        Scope::Everything => true,
        Scope::Area(area) => {
            let inside = |path: &AreaPath| path_is_within(path, area);
            let home = |home: &TouchedHome| inside(&home.area) || is_opened(grant, home, opened);
            !touched.places.is_empty() && touched.places.iter().all(inside) && touched.homes.iter().all(home)
        }
        Scope::Organization(id) => {
            let named = !touched.organizations.is_empty() || !people.is_empty();
            named && touched.organizations.iter().all(|own| own == id) && people.iter().all(|person| person.organization == *id)
        }
        Scope::Unit(id) => of_unit(id, touched) && (reads(action) || is_of_people(action, touched) || stays_with_unit(id, touched)),
        Scope::Responder(id) => !people.is_empty() && people.iter().all(|person| person.id == *id),
        Scope::Call(id) => !touched.calls.is_empty() && touched.calls.iter().all(|call| call == id),
    }
}

fn is_opened(grant: &Grant, home: &TouchedHome, opened: &[Opened]) -> bool {
    let releases = command_right(grant.role(), RELEASE) != Right::No;
    let opens =
        |opened: &Opened| opened.to == grant.scope().id() && opened.incident == home.incident && path_is_within(&home.area, &opened.home);
    releases && !home.incident.is_empty() && opened.iter().any(opens)
}

fn reads(action: Action<'_>) -> bool {
    !matches!(action, Action::Command(_) | Action::Preview(_))
}

/// Whether it only says how people are, and speaks of nothing else.
fn is_of_people(action: Action<'_>, touched: &Touched) -> bool {
    let (Action::Command(name) | Action::Preview(name)) = action else { return false };
    is_of_people_anywhere(name) && !touched.people.is_empty() && touched.units.is_empty() && touched.homes.is_empty()
}

/// The line from the unit that is touched up to `id`, if that one leads it.
fn led_by<'a>(line: &'a UnitLine, id: &str) -> Option<&'a [TouchedUnit]> {
    line.iter().position(|unit| unit.id == id).map(|at| &line[..=at])
}

/// The lines of a unit's own people and subunits that are touched.
fn lines_of<'a>(id: &'a str, touched: &'a Touched) -> impl Iterator<Item = &'a [TouchedUnit]> {
    let of_people = touched.people.iter().flat_map(|person| &person.units);
    touched.units.iter().chain(of_people).chain(&touched.around).filter_map(move |line| led_by(line, id))
}

/// Whether the units that are touched are of the unit; if none is, the people; if nobody is, whether it is a unit of the place.
fn of_unit(id: &str, touched: &Touched) -> bool {
    let led = |line: &UnitLine| led_by(line, id).is_some();
    match (touched.units.is_empty(), touched.people.is_empty()) {
        (false, _) => touched.units.iter().all(led),
        (true, false) => touched.people.iter().all(|person| person.units.iter().any(led)),
        (true, true) => touched.around.iter().any(led),
    }
}

/// Whether nothing takes effect and nobody is moved from outside the unit's own area.
fn stays_with_unit(id: &str, touched: &Touched) -> bool {
    let own = lines_of(id, touched).next().and_then(|line| line.last()).map(|unit| path_end(&unit.area));
    let inside = |path: &AreaPath| own.is_some_and(|own| path_is_within(path, own));
    touched.places.iter().all(inside) && touched.homes.iter().all(|home| inside(&home.area))
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
        // A unit speaks where it stands itself, or the one below it that is touched; and for no organization.
        Scope::Unit(id) => {
            let speaks = |unit: &TouchedUnit| !office.area_id.is_empty() && path_end(&unit.area) == office.area_id;
            office.organization.is_empty() && lines_of(id, touched).flatten().any(speaks)
        }
        Scope::Responder(_) | Scope::Call(_) => false,
    }
}

/// The answerable office below the scope's own area, if there is one: the first.
fn answerable_below<'a>(scope: &Scope, touched: &'a Touched) -> Option<&'a str> {
    let below = |path: &&AreaPath| match scope {
        Scope::Everything => levels(path).into_iter().filter(|id| !id.is_empty()).count() > 1,
        Scope::Area(area) => path_is_within(path, area) && path_end(path) != area,
        _ => false,
    };
    let found = if touched.answerable.is_empty() { all_areas(touched).find(below) } else { touched.answerable.iter().find(below) };
    found.map(path_end)
}

fn all_areas(touched: &Touched) -> impl Iterator<Item = &AreaPath> {
    touched.places.iter().chain(touched.homes.iter().map(|home| &home.area))
}

/// The first area that keeps the nearest scope from covering everything; empty where no area is at fault.
fn outside(able: &[(&Grant, Right)], touched: &Touched, opened: &[Opened]) -> String {
    let by_area = |(grant, _): &(&'_ Grant, Right)| matches!(grant.scope(), Scope::Area(_));
    let Some((grant, _)) = able.iter().find(|able| by_area(able)) else { return String::new() };
    let inside = |path: &AreaPath| path_is_within(path, grant.scope().id());
    let place = touched.places.iter().find(|path| !inside(path));
    let home = || touched.homes.iter().find(|home| !inside(&home.area) && !is_opened(grant, home, opened)).map(|home| &home.area);
    place.or_else(home).map(path_end).unwrap_or_default().to_owned()
}

fn scopes(principal: &Principal) -> String {
    principal.grants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
