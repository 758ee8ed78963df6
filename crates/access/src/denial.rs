//! Why somebody may not: a stable code, and words for people that say what would help.

use crate::role::Role;

/// Why a principal may not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The principal has no grant at all.
    NothingGranted,
    /// None of the principal's roles does this.
    RoleMayNot {
        /// Its roles.
        roles: Vec<Role>,
        /// What was asked, as programs call it.
        action: String,
    },
    /// What is touched does not lie in the principal's scope, or is not there.
    OutsideScope {
        /// The first area outside; empty where none is known.
        area: String,
        /// What the principal is bound to.
        scopes: String,
    },
    /// The office that is claimed was not granted.
    OfficeNotHeld {
        /// The office's area or organization.
        office: String,
        /// What the principal is bound to.
        scopes: String,
    },
    /// Another office is answerable; acting over its head needs a ground.
    GroundRequired {
        /// The answerable office's area.
        area: String,
    },
    /// Somebody else is named as the one who acts.
    ActorNotSelf {
        /// Who is named.
        actor: String,
        /// Who the principal is.
        person: String,
    },
}

impl Denial {
    /// Stable, snake_case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NothingGranted => "nothing_granted",
            Self::RoleMayNot { .. } => "role_may_not",
            Self::OutsideScope { .. } => "outside_scope",
            Self::OfficeNotHeld { .. } => "office_not_held",
            Self::GroundRequired { .. } => "ground_required",
            Self::ActorNotSelf { .. } => "actor_not_self",
        }
    }

    /// The field at fault, empty where none is.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::OfficeNotHeld { .. } => "context.actor_office",
            Self::GroundRequired { .. } => "context.basis",
            Self::ActorNotSelf { .. } => "context.actor",
            Self::NothingGranted | Self::RoleMayNot { .. } | Self::OutsideScope { .. } => "",
        }
    }

    /// For people, in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::NothingGranted => "此令牌没有任何权限，请联系签发者".to_owned(),
            Self::RoleMayNot { roles, action } => {
                format!("角色“{}”不能执行 {action}，请由有权的一方办理", join(roles.iter().map(|role| role.zh()), "、"))
            }
            Self::OutsideScope { area, scopes } if area.is_empty() => {
                format!("所指对象不存在，或不在您的权限范围（{scopes}）内")
            }
            Self::OutsideScope { area, scopes } => format!("辖区 {area} 不在您的权限范围（{scopes}）内"),
            Self::OfficeNotHeld { office, scopes } => format!("您未被授予 {office} 的职务身份，您的权限范围是 {scopes}"),
            Self::GroundRequired { area } => {
                format!("此事由辖区 {area} 负责，越级处理须注明依据（context.basis：文号、会商或电话指令及其编号）")
            }
            Self::ActorNotSelf { actor, person } => {
                format!("不能以“{actor}”的名义操作，您的身份是“{person}”；代他人办理请填写 context.on_behalf_of")
            }
        }
    }

    /// For people, in English.
    #[must_use]
    pub fn en(&self) -> String {
        match self {
            Self::NothingGranted => "nothing was granted with this token; ask whoever issued it".to_owned(),
            Self::RoleMayNot { roles, action } => {
                format!("the role {} may not do {action}; ask the side that may", join(roles.iter().map(|role| role.en()), ", "))
            }
            Self::OutsideScope { area, scopes } if area.is_empty() => {
                format!("what it names is not there, or lies outside your scope ({scopes})")
            }
            Self::OutsideScope { area, scopes } => format!("the area {area} lies outside your scope ({scopes})"),
            Self::OfficeNotHeld { office, scopes } => format!("the office of {office} was not granted to you; your scope is {scopes}"),
            Self::GroundRequired { area } => {
                format!(
                    "the area {area} is answerable for this; acting over its head needs a ground (context.basis: a document, consultation or telephone order with its reference)"
                )
            }
            Self::ActorNotSelf { actor, person } => {
                format!("you cannot act as {actor:?}, you are {person:?}; who acts for somebody else names them in context.on_behalf_of")
            }
        }
    }
}

fn join<'a>(names: impl Iterator<Item = &'a str>, between: &str) -> String {
    names.collect::<Vec<_>>().join(between)
}
