//! Who is asking: local tokens, tokens of an identity provider, one-time links; and the gate through which their commands
//! go to the engine. It knows how somebody proves who they are; what they may do is `muster-access`'s to say.

mod jwt;
mod keys;
mod links;
mod tokens;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use muster_access::{Action, Denial, Opened, Principal, Reach, Role, Scope, may, reach, reach_by};
use muster_domain::State;
use muster_engine::{Gate, Passing};
use muster_proto::v1::AgreementScope;
use muster_proto::{Refusal, RefusalKind, Request, Touched};

use crate::gateway;
use crate::http::wall_ms;
use crate::problem::Problem;
use crate::words::Words;

pub use jwt::{Expected, JwtFault};
pub use keys::{KeySource, Keys, KeysError};
pub use links::{Link, LinkFault, Links};
pub use tokens::{TOKEN_PREFIX, TokenFault, TokenRecord, TokenStore, Tokens};

/// Where tokens and the links' secret lie in the data folder.
pub const ACCESS_DIR: &str = "access";

/// An identity provider whose tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerOptions {
    /// What its tokens are checked for.
    pub expected: Expected,
    /// Where its keys are.
    pub keys: KeySource,
}

/// Who may come in at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessOptions {
    /// The identity provider, if there is one.
    pub issuer: Option<IssuerOptions>,
    /// Listen to everybody although nobody has to prove who they are: something in front of the server does that.
    pub open: bool,
    /// How people reach the server: what one-time links begin with. Relative links without it.
    pub public_url: Option<String>,
}

struct Issuer {
    expected: Expected,
    keys: Keys,
}

/// Knows who is asking.
pub struct Access {
    tokens: TokenStore,
    issuer: Option<Issuer>,
    /// Makes and reads one-time links.
    pub links: Arc<Links>,
    /// What one-time links begin with.
    pub public_url: String,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access")
    }
}

/// How a session was proved, and so how it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Proof {
    /// A local token of this id: until it is revoked or over.
    Token(String),
    /// Signed by somebody else: until it is over.
    Signed,
}

/// Somebody who proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub principal: Principal,
    proof: Proof,
}

/// Who is asking.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Anybody: no token was ever issued and no issuer is configured.
    Open,
    /// Somebody known.
    Known(Arc<Session>),
}

impl Access {
    /// The access store of a data folder, which need not be there.
    #[must_use]
    pub fn new(data: &Path, options: AccessOptions) -> Self {
        let dir = data.join(ACCESS_DIR);
        let issuer = options.issuer.map(|issuer| Issuer { expected: issuer.expected, keys: Keys::new(issuer.keys) });
        let public_url = options.public_url.unwrap_or_default().trim_end_matches('/').to_owned();
        Self { tokens: TokenStore::new(&dir), issuer, links: Arc::new(Links::new(dir)), public_url }
    }

    /// Whether anybody may do anything: no token was ever issued, and no issuer is configured. A store that cannot be read
    /// is never open, and one that was closed once stays so as long as the process lives.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.issuer.is_none() && self.tokens.is_open().unwrap_or(false)
    }

    /// Who sends a request.
    ///
    /// # Errors
    /// 401 with what is wrong with the token, 503 where the store cannot be read.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let tokens = self.current()?;
        let Some(given) = headers.get(header::AUTHORIZATION) else {
            return if self.is_open() { Ok(Caller::Open) } else { Err(token_required()) };
        };
        let token = given.to_str().ok().and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else { return Err(token_required()) };
        let (token, now_ms) = (token.trim(), wall_ms());
        match (&self.issuer, token.starts_with(TOKEN_PREFIX)) {
            (_, true) => {
                let record = tokens.find(token).ok_or_else(token_unknown)?;
                match record.fault(now_ms) {
                    Some(TokenFault::Revoked) => {
                        Err(unauthorized("token_revoked", "令牌已被吊销，请重新申请", "the token was revoked; ask for a new one"))
                    }
                    Some(TokenFault::Expired) => Err(token_expired()),
                    None => Ok(Caller::known(record.principal(), Proof::Token(record.id.clone()))),
                }
            }
            (Some(issuer), false) => {
                let principal = verify(issuer, token, now_ms).await.map_err(|fault| jwt_problem(&fault))?;
                Ok(Caller::known(principal, Proof::Signed))
            }
            (None, false) => Err(token_unknown()),
        }
    }

    /// Whether who came in may still go on: a stream asks before each part of it.
    #[must_use]
    pub fn still_good(&self, caller: &Caller) -> bool {
        let Caller::Known(session) = caller else { return self.is_open() };
        let now_ms = wall_ms();
        match &session.proof {
            Proof::Token(id) => self.tokens.current().is_ok_and(|tokens| tokens.is_good(id, now_ms)),
            Proof::Signed => !session.principal.has_expired(now_ms),
        }
    }

    /// Whether the tokens can be read: a server that can let nobody in is not ready.
    ///
    /// # Errors
    /// 503 where they cannot.
    pub fn check(&self) -> Result<(), Problem> {
        self.current().map(drop)
    }

    fn current(&self) -> Result<Arc<Tokens>, Problem> {
        self.tokens.current().map_err(|error| {
            tracing::error!(%error, "the tokens cannot be read, so nobody is let in");
            let detail = Words::new(
                "令牌库无法读取或已缺失，须由管理员恢复 access/tokens.json，或用 muster token issue 重新签发",
                "the tokens cannot be read or are gone; an administrator must restore access/tokens.json or issue anew with muster token issue",
            );
            Problem::unavailable("access_unreadable", detail, crate::limits::RETRY_AFTER_STOPPED_SECONDS)
        })
    }
}

async fn verify(issuer: &Issuer, token: &str, now_ms: i64) -> Result<Principal, JwtFault> {
    let kid = jwt::key_id(token)?;
    let keys = issuer.keys.with(&kid).await;
    jwt::verify(token, &keys, &issuer.expected, now_ms)
}

impl Caller {
    fn known(principal: Principal, proof: Proof) -> Self {
        Self::Known(Arc::new(Session { principal, proof }))
    }

    /// Who answers through a one-time link.
    #[must_use]
    pub fn of_link(link: &Link) -> Self {
        Self::known(link.principal(), Proof::Signed)
    }

    /// Half of the idempotency key, and the actor unless another one is allowed to be named.
    ///
    /// # Errors
    /// `bad_principal` for a principal or person that no command can carry.
    pub fn principal(&self) -> Result<Option<gateway::Principal>, Problem> {
        match self {
            Self::Open => Ok(None),
            Self::Known(session) => gateway::Principal::acting(&session.principal.id, &session.principal.person).map(Some),
        }
    }

    /// The gate that this caller's commands pass.
    #[must_use]
    pub fn gate(&self) -> Passing {
        match self {
            Self::Open => None,
            Self::Known(session) => Some(Arc::clone(session) as Arc<dyn Gate>),
        }
    }

    /// How far the caller may do a reading action.
    ///
    /// # Errors
    /// 403 where none of the roles may do it at all, or none of them is bound to what has a listing.
    pub fn reach(&self, action: Action<'_>) -> Result<Reach, Problem> {
        let Self::Known(session) = self else { return Ok(Reach::Everything) };
        match reach(&session.principal, action) {
            Reach::Within(bounds) if bounds.is_empty() => match may(&session.principal, action, &Touched::default(), &[]) {
                Err(denial) => Err(denied(&denial)),
                Ok(_) => Ok(Reach::Within(bounds)),
            },
            found => Ok(found),
        }
    }

    /// How far the caller may do a reading action by the grants whose roles count; two grants do not add up to one.
    #[must_use]
    pub fn reach_by(&self, action: Action<'_>, counts: impl Fn(Role) -> bool) -> Reach {
        let Self::Known(session) = self else { return Reach::Everything };
        reach_by(&session.principal, action, counts)
    }

    /// The areas that the caller is bound to by a role that counts.
    #[must_use]
    pub fn areas(&self, counts: impl Fn(Role) -> bool) -> Vec<String> {
        let Self::Known(session) = self else { return Vec::new() };
        let areas = session.principal.grants.iter().filter(|grant| counts(grant.role())).filter_map(|grant| match grant.scope() {
            Scope::Area(area) => Some(area.clone()),
            _ => None,
        });
        areas.collect()
    }

    /// Whether the caller may do something to what is touched.
    ///
    /// # Errors
    /// 403 with what would help.
    pub fn check(&self, action: Action<'_>, touched: &Touched) -> Result<(), Problem> {
        let Self::Known(session) = self else { return Ok(()) };
        may(&session.principal, action, touched, &[]).map(drop).map_err(|denial| denied(&denial))
    }
}

impl Session {
    /// Homes that agreements in force and invoked open to the principal's grants, for the incidents that people are moved for.
    fn opened(&self, state: &State, touched: &Touched) -> Vec<Opened> {
        if touched.homes.iter().all(|home| home.incident.is_empty()) {
            return Vec::new();
        }
        let areas = self.principal.grants.iter().filter_map(|grant| match grant.scope() {
            Scope::Area(area) => Some(area),
            _ => None,
        });
        let shared = areas.flat_map(|to| state.shared_with(to).into_iter().map(move |shared| (to, shared)));
        let people = shared.filter(|(_, shared)| shared.shared.contains(&AgreementScope::People));
        people.map(|(to, shared)| Opened { to: to.clone(), home: shared.area_id, incident: shared.incident_id }).collect()
    }
}

impl Gate for Session {
    fn admit(&self, state: &State, request: &Request) -> Result<(), Refusal> {
        let principal = &self.principal;
        let actor = &request.context.actor;
        if !actor.is_empty() && *actor != principal.person {
            return Err(refusal(&Denial::ActorNotSelf { actor: actor.clone(), person: principal.person.clone() }));
        }
        let touched = state.touches(&request.context, &request.command);
        let opened = self.opened(state, &touched);
        may(principal, Action::Command(request.command.name()), &touched, &opened).map(drop).map_err(|denial| refusal(&denial))
    }
}

fn refusal(denial: &Denial) -> Refusal {
    Refusal { kind: RefusalKind::Forbidden, code: denial.code(), field: denial.field().to_owned(), zh: denial.zh(), en: denial.en() }
}

/// A denial as a problem.
pub(crate) fn denied(denial: &Denial) -> Problem {
    Problem::forbidden(denial.code(), Words::new(denial.zh(), denial.en())).at(denial.field())
}

fn unauthorized(code: &str, zh: &str, en: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, Words::new("需要身份验证", "Not authenticated"), Words::new(zh, en))
}

fn token_required() -> Problem {
    unauthorized(
        "token_required",
        "请求须带令牌：HTTP 头 Authorization: Bearer …；令牌由管理员用 muster token issue 签发",
        "a token is needed: header Authorization: Bearer …; an administrator issues one with muster token issue",
    )
}

fn token_unknown() -> Problem {
    unauthorized("token_unknown", "令牌无效：服务器没有签发过它", "the token is not known: this server never issued it")
}

/// The problem of a token that ended while it was used.
pub(crate) fn token_ended() -> Problem {
    unauthorized(
        "token_ended",
        "令牌已被吊销或已过期，其后的内容未处理",
        "the token was revoked or has expired; what came after was not done",
    )
}

fn token_expired() -> Problem {
    unauthorized("token_expired", "令牌已过期，请重新获取", "the token has expired; get a new one")
}

fn jwt_problem(fault: &JwtFault) -> Problem {
    match fault {
        JwtFault::Expired => token_expired(),
        other => unauthorized("token_invalid", &format!("令牌无效：{other}"), &format!("the token is not valid: {other}")),
    }
}

#[cfg(test)]
mod matrix;
#[cfg(test)]
mod tests;
