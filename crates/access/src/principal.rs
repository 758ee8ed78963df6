//! Principals: who is answerable, and what they were granted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::role::{Role, UnknownRole};

/// What a role is bound to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The root of the tree: every area, also those that are not defined yet.
    Everything,
    /// An area and what lies below it.
    Area(String),
    /// An organization and its people.
    Organization(String),
    /// A unit and those below it.
    Unit(String),
    /// One person, the own one.
    Responder(String),
    /// One call: a one-time link.
    Call(String),
}

impl Scope {
    fn kind(&self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::Area(_) => "area",
            Self::Organization(_) => "organization",
            Self::Unit(_) => "unit",
            Self::Responder(_) => "responder",
            Self::Call(_) => "call",
        }
    }

    /// The id that it is bound to, empty for everything.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Everything => "",
            Self::Area(id) | Self::Organization(id) | Self::Unit(id) | Self::Responder(id) | Self::Call(id) => id,
        }
    }
}

/// A role within a scope. As text: `township@area:440802001`, `auditor@everything`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Grant {
    role: Role,
    scope: Scope,
}

/// Why a grant is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantFault {
    /// It is not `role@kind:id`.
    #[error("{text:?} is no grant; one is written role@area:ID, role@organization:ID, role@unit:ID, role@responder:ID or role@everything")]
    Form {
        /// What was given.
        text: String,
    },
    /// There is no such role.
    #[error(transparent)]
    Role(#[from] UnknownRole),
    /// The role cannot be bound to this.
    #[error("the role {role} cannot be bound to {scope}; it is bound to {expected}")]
    Scope {
        /// The role.
        role: Role,
        /// The kind of scope given.
        scope: &'static str,
        /// What it can be bound to.
        expected: &'static str,
    },
}

impl Grant {
    /// A role within a scope.
    ///
    /// # Errors
    /// [`GrantFault`] where the two do not fit, or the scope names nothing.
    pub fn new(role: Role, scope: Scope) -> Result<Self, GrantFault> {
        use Scope::{Area, Call, Everything, Organization, Responder, Unit};
        let (fits, expected) = match role {
            Role::Headquarters | Role::OrganizationDepartment | Role::Auditor | Role::Analyst | Role::Console => {
                (matches!(scope, Area(_) | Everything), "an area or everything")
            }
            Role::Township | Role::Community => (matches!(scope, Area(_)), "an area"),
            Role::Department => (matches!(scope, Organization(_)), "an organization"),
            Role::Secretary | Role::Organizer => (matches!(scope, Unit(_) | Area(_)), "a unit or an area"),
            Role::Responder => (matches!(scope, Responder(_) | Call(_)), "a responder or a call"),
        };
        if !fits {
            return Err(GrantFault::Scope { role, scope: scope.kind(), expected });
        }
        if scope != Everything && scope.id().is_empty() {
            return Err(GrantFault::Form { text: format!("{role}@{}:", scope.kind()) });
        }
        Ok(Self { role, scope })
    }

    /// The role.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// What it is bound to.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.role, self.scope.kind())?;
        if self.scope == Scope::Everything { Ok(()) } else { write!(f, ":{}", self.scope.id()) }
    }
}

impl From<Grant> for String {
    fn from(grant: Grant) -> Self {
        grant.to_string()
    }
}

impl TryFrom<String> for Grant {
    type Error = GrantFault;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Grant {
    type Err = GrantFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || GrantFault::Form { text: text.to_owned() };
        let (role, bound) = text.split_once('@').ok_or_else(form)?;
        let role = role.parse()?;
        let (kind, id) = bound.split_once(':').unwrap_or((bound, ""));
        let id = id.to_owned();
        let scope = match kind {
            "everything" if id.is_empty() => Scope::Everything,
            "area" => Scope::Area(id),
            "organization" => Scope::Organization(id),
            "unit" => Scope::Unit(id),
            "responder" => Scope::Responder(id),
            "call" => Scope::Call(id),
            _ => return Err(form()),
        };
        Self::new(role, scope)
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Half of the idempotency key: stable for as long as the person or desk is the same.
    pub id: String,
    /// The person or desk that acts: the actor of what it records.
    pub person: String,
    /// What it was granted.
    pub grants: Vec<Grant>,
    /// When it ends, Unix milliseconds; nothing for never.
    pub expires_at_ms: Option<i64>,
}

impl Principal {
    /// Whether it is over at a time.
    #[must_use]
    pub fn has_expired(&self, now_ms: i64) -> bool {
        self.expires_at_ms.is_some_and(|expires_at_ms| expires_at_ms <= now_ms)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_grant_reads_as_it_is_written() {
        for text in [
            "headquarters@everything",
            "township@area:440802001",
            "department@organization:o-1",
            "secretary@unit:flood/p-1/branch",
            "responder@responder:r:1",
            "responder@call:c7",
        ] {
            let grant: Grant = text.parse().unwrap();
            assert_eq!(grant.to_string(), text);
            assert_eq!(serde_json::from_str::<Grant>(&serde_json::to_string(&grant).unwrap()).unwrap(), grant);
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let fault = |text: &str| text.parse::<Grant>().unwrap_err().to_string();
        assert!(fault("township").contains("role@area:ID"));
        assert!(fault("township@area:").contains("township@area:"));
        assert!(fault("township@everything").contains("it is bound to an area"));
        assert!(fault("department@area:4408").contains("an organization"));
        assert!(fault("king@area:4408").contains("no role"));
        assert!(fault("auditor@everything:4408").contains("is no grant"));
    }

    #[test]
    fn a_principal_ends_at_its_time() {
        let mut principal = Principal { id: "t".into(), person: "p".into(), grants: Vec::new(), expires_at_ms: None };
        assert!(!principal.has_expired(i64::MAX));
        principal.expires_at_ms = Some(5);
        assert_eq!((principal.has_expired(4), principal.has_expired(5)), (false, true));
    }
}
