//! The roles, and their names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What somebody is. The names are stored and stand in tokens; they are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 指挥部, of city or county: states needs, commands departments and teams.
    Headquarters,
    /// 组织部: keeps roster and plans, allocates cadres and members, names secretaries and organizers.
    OrganizationDepartment,
    /// 镇街: blows the whistle, calls inside its own area.
    Township,
    /// 村社区: the same for a village or community.
    Community,
    /// 部门、企业、志愿队: receives calls, names and reports people in.
    Department,
    /// 书记, of a unit.
    Secretary,
    /// 组织员, of a unit.
    Organizer,
    /// 报到人员: speaks for nobody else.
    Responder,
    /// 审计、督查: reads everything of its area.
    Auditor,
    /// 分析: reads figures and events without anything personal.
    Analyst,
    /// 大屏: reads, commands nothing.
    Console,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 11] = [
        Self::Headquarters,
        Self::OrganizationDepartment,
        Self::Township,
        Self::Community,
        Self::Department,
        Self::Secretary,
        Self::Organizer,
        Self::Responder,
        Self::Auditor,
        Self::Analyst,
        Self::Console,
    ];

    /// The name in tokens and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Headquarters => "headquarters",
            Self::OrganizationDepartment => "organization_department",
            Self::Township => "township",
            Self::Community => "community",
            Self::Department => "department",
            Self::Secretary => "secretary",
            Self::Organizer => "organizer",
            Self::Responder => "responder",
            Self::Auditor => "auditor",
            Self::Analyst => "analyst",
            Self::Console => "console",
        }
    }

    /// For people, in Chinese.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Headquarters => "指挥部",
            Self::OrganizationDepartment => "组织部",
            Self::Township => "镇街",
            Self::Community => "村社区",
            Self::Department => "单位",
            Self::Secretary => "书记",
            Self::Organizer => "组织员",
            Self::Responder => "报到人员",
            Self::Auditor => "审计",
            Self::Analyst => "分析",
            Self::Console => "大屏",
        }
    }

    /// For people, in English.
    #[must_use]
    pub const fn en(self) -> &'static str {
        match self {
            Self::OrganizationDepartment => "organization department",
            other => other.name(),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No role has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no role {name:?}; known are {}", Role::ALL.map(Role::name).join(", "))]
pub struct UnknownRole {
    /// The name given.
    pub name: String,
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let plain = name.trim().to_ascii_lowercase().replace('-', "_");
        Self::ALL.into_iter().find(|role| role.name() == plain).ok_or_else(|| UnknownRole { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
            assert!(!role.zh().is_empty() && !role.en().is_empty());
        }
        assert_eq!("organization-department".parse(), Ok(Role::OrganizationDepartment));
        assert!("king".parse::<Role>().unwrap_err().to_string().contains("township"));
    }
}
