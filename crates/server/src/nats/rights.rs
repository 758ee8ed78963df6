//! What somebody may do over NATS, by the grants: which events and which rows of which areas, and whether commands. NATS shows
//! a record whole or not at all. So whoever gets something over HTTP without its persons gets nothing of it here.

use muster_access::{Grant, Right, Role, Scope, command_right, reads, view_right};
use muster_feed::area_filter;
use muster_proto::v1::AreaPath;
use muster_proto::{COMMAND_NAMES, path_end, path_is_within};

use super::{Tree, TreeFault};

/// The views that have a bucket, and whether a row may name a person or hold what somebody wrote.
pub const BUCKETS: [(&str, bool); 6] =
    [("coverage", false), ("units", true), ("sites", true), ("whistles", true), ("calls", true), ("responders", true)];

/// Consumers of the stream that each user may have at the same time. A right is a whole token of a subject, so that their names
/// are written out.
pub const CONSUMERS_EACH: usize = 4;

/// The names of a user's consumers: `NAME-1` and so on.
pub fn consumer_names(user: &str) -> impl Iterator<Item = String> {
    (1..=CONSUMERS_EACH).map(move |number| format!("{user}-{number}"))
}

/// How far somebody reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Everything, also what belongs to no area.
    Everything,
    /// These areas and what lies below them; none lies below another.
    Areas(Vec<AreaPath>),
}

impl Reading {
    fn of(grants: &[Grant], tree: &Tree, counts: impl Fn(Role) -> bool) -> Result<Self, TreeFault> {
        let mut areas: Vec<AreaPath> = Vec::new();
        for grant in grants.iter().filter(|grant| counts(grant.role())) {
            match grant.scope() {
                Scope::Everything => return Ok(Self::Everything),
                Scope::Area(id) => areas.push(tree.path(id)?),
                // Subjects tell of areas, so that rows of one organization, unit or person have none of their own.
                Scope::Organization(_) | Scope::Unit(_) | Scope::Responder(_) | Scope::Call(_) => {}
            }
        }
        // Two imports that overlap would have every request answered twice.
        let all = areas.clone();
        areas.retain(|path| !all.iter().any(|other| other != path && path_is_within(path, path_end(other))));
        areas.sort_by_key(|path| area_filter(None, path));
        areas.dedup();
        Ok(Self::Areas(areas))
    }

    /// Whether there is anything to read.
    #[must_use]
    pub fn is_something(&self) -> bool {
        *self == Self::Everything || matches!(self, Self::Areas(areas) if !areas.is_empty())
    }
}

/// What one user may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Events, as they are.
    pub events: Reading,
    /// Rows of the buckets, by view.
    pub rows: Vec<(&'static str, Reading)>,
    /// Give commands; which, and to what, the server decides by the token that comes with each.
    pub commands: bool,
}

impl Rights {
    /// By the grants.
    ///
    /// # Errors
    /// [`TreeFault`] where an area of a grant has no path.
    pub fn of(grants: &[Grant], tree: &Tree) -> Result<Self, TreeFault> {
        let rows = BUCKETS.iter().map(|(view, persons)| {
            let counts = |role| view_right(role, view) && (!persons || reads::persons_in_rows(role));
            Ok((*view, Reading::of(grants, tree, counts)?))
        });
        let may_command = |role| COMMAND_NAMES.iter().any(|(_, name, _)| command_right(role, name) != Right::No);
        Ok(Self {
            events: Reading::of(grants, tree, reads::persons_in_events)?,
            rows: rows.collect::<Result<_, _>>()?,
            commands: grants.iter().any(|grant| may_command(grant.role())),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use muster_access::views;
    use serde_json::json;

    use super::*;

    fn rights(grants: &[&str]) -> Rights {
        let mut tree = Tree::default();
        for (id, level, parent) in [("c", "CITY", ""), ("d", "COUNTY", "c"), ("t1", "TOWNSHIP", "d"), ("t2", "TOWNSHIP", "d")] {
            tree.add(&json!({"area_id": id, "level": format!("AREA_LEVEL_{level}"), "parent_id": parent}));
        }
        let grants: Vec<Grant> = grants.iter().map(|grant| grant.parse().unwrap()).collect();
        Rights::of(&grants, &tree).unwrap()
    }

    fn areas(reading: &Reading) -> Vec<&str> {
        match reading {
            Reading::Everything => vec!["*"],
            Reading::Areas(paths) => paths.iter().map(path_end).collect(),
        }
    }

    fn read(rights: &Rights) -> Vec<(&str, Vec<&str>)> {
        rights.rows.iter().map(|(view, reading)| (*view, areas(reading))).collect()
    }

    #[test]
    fn every_view_has_a_bucket() {
        assert!(views().eq(BUCKETS.iter().map(|(view, _)| *view)));
    }

    #[test]
    fn an_area_within_another_adds_nothing() {
        let both = rights(&["township@area:t1", "headquarters@area:d", "township@area:t2", "township@area:t2"]);
        assert_eq!(areas(&both.events), ["d"]);
        assert_eq!(areas(&rights(&["township@area:t2", "township@area:t1"]).events), ["t1", "t2"]);
    }

    #[test]
    fn whoever_must_not_know_persons_gets_no_record_that_names_them() {
        let analyst = rights(&["analyst@everything"]);
        assert!(!analyst.events.is_something() && !analyst.commands);
        assert_eq!(read(&analyst).iter().filter(|(_, areas)| !areas.is_empty()).collect::<Vec<_>>(), [&("coverage", vec!["*"])]);
        let console = rights(&["console@area:d"]);
        assert!(!console.events.is_something() && !console.commands);
        assert_eq!(read(&console)[3..], [("whistles", vec!["d"]), ("calls", vec![]), ("responders", vec![])]);
        let auditor = rights(&["auditor@area:d"]);
        assert_eq!((areas(&auditor.events), auditor.commands), (vec!["d"], false));
        assert_eq!(read(&auditor)[5], ("responders", vec!["d"]));
    }

    #[test]
    fn who_is_bound_to_no_area_gives_commands_alone() {
        for grant in ["department@organization:o", "secretary@unit:u", "responder@responder:r"] {
            let rights = rights(&[grant]);
            assert!(rights.commands && !rights.events.is_something(), "{grant}");
            assert!(rights.rows.iter().all(|(_, reading)| !reading.is_something()), "{grant}");
        }
    }

    #[test]
    fn the_grants_of_one_role_do_not_widen_another() {
        let two = rights(&["township@area:t1", "console@area:d"]);
        assert_eq!(areas(&two.events), ["t1"]);
        assert_eq!(read(&two)[0].1, ["d"]);
        assert_eq!(read(&two)[4].1, ["t1"]);
    }
}
