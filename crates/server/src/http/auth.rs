//! Who sends a request is found out before anything else of it is looked at. Handlers ask what the caller may; a route that
//! asks nothing is for headquarters of the whole tree alone, so that a new one is never open by oversight.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use muster_access::{Action, Role, Scope};

use super::app::App;
use super::commands::{PRINCIPAL, header_text};
use crate::access::{Caller, denied};
use crate::gateway::Principal;
use crate::problem::Problem;
use crate::words::Words;

/// Routes that need no token: health says nothing, the page is empty without one, a one-time link is its own proof, and so is a receipt's signature.
const WITHOUT_TOKEN: &[&str] = &["/healthz", "/readyz", "/", "/answer/{token}", "/v1/deliveries/{id}/receipts"];

/// Routes whose handlers ask themselves what the caller may.
const ASKING: &[&str] = &[
    "/v1/commands/{name}",
    "/v1/commands:batch",
    "/v1/views/{name}",
    "/v1/views/{name}/live",
    "/v1/views/{name}/compare",
    "/v1/events",
    "/v1/links",
    "/v1/responders/{responder_id}/contact",
    "/v1/fill",
    "/v1/rehearsal",
    "/v1/plans/{plan_id}/lessons",
    "/v1/incidents/{id}/report",
];

/// Routes for everybody who is known.
const FOR_ALL_KNOWN: &[&str] = &["/asyncapi.json", "/openapi.json"];

/// Routes that show how the server does.
const OPERATION: &[&str] = &["/metrics", "/v1/status"];

pub(super) async fn authenticate(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    if WITHOUT_TOKEN.contains(&path.as_str()) {
        return next.run(request).await;
    }
    match admitted(&app, &path, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn admitted(app: &App, path: &str, headers: &HeaderMap) -> Result<Caller, Problem> {
    let caller = app.access.authenticate(headers).await?;
    if let Caller::Known(_) = &caller
        && headers.contains_key(PRINCIPAL)
    {
        let detail = Words::new(
            "Muster-Principal 仅在未启用令牌的服务器上有效：现在由令牌说明身份，请去掉此 HTTP 头",
            "Muster-Principal is for servers without tokens: here the token says who you are; leave the header out",
        );
        return Err(Problem::bad_request("principal_not_taken", detail).at("Muster-Principal"));
    }
    if OPERATION.contains(&path) {
        caller.check(Action::Operate, &muster_proto::Touched::default())?;
    } else if !path.is_empty() && !ASKING.contains(&path) && !FOR_ALL_KNOWN.contains(&path) {
        whole_tree(&caller, path)?;
    }
    Ok(caller)
}

fn whole_tree(caller: &Caller, path: &str) -> Result<(), Problem> {
    let Caller::Known(session) = caller else { return Ok(()) };
    let grants = &session.principal.grants;
    if grants.iter().any(|grant| grant.role() == Role::Headquarters && *grant.scope() == Scope::Everything) {
        return Ok(());
    }
    let roles = grants.iter().map(muster_access::Grant::role).collect();
    Err(denied(&muster_access::Denial::RoleMayNot { roles, action: path.to_owned() }))
}

/// In whose name a command comes: the token's, or what the header says where there are no tokens.
pub(super) fn principal_of(caller: &Caller, headers: &HeaderMap) -> Result<Principal, Problem> {
    match caller.principal()? {
        Some(principal) => Ok(principal),
        None => header_text(headers, PRINCIPAL)?.map_or_else(|| Ok(Principal::default()), Principal::new),
    }
}
