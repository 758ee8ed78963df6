//! `GET /v1/rehearsal` and `GET /v1/plans/{plan_id}/lessons`: what the planner works out for people who plan. Nothing is stored by it.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::{Path, Query, State};
use muster_access::Action;
use muster_engine::RehearsalQuery;
use muster_proto::Command;
use muster_proto::v1::{self, IncidentType, RehearsalDetail, ResponseLevel};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::app::{App, Node};
use crate::access::Caller;
use crate::problem::Problem;
use crate::words::Words;

/// Who may rehearse a plan may see what a rehearsal says and what an incident teaches.
const REHEARSAL: &str = "RehearsePlan";

#[derive(Debug, Deserialize)]
pub(super) struct RehearsalParameters {
    area: Option<String>,
    incident_type: Option<String>,
    response: Option<String>,
    detail: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LessonsParameters {
    incident: Option<String>,
}

pub(super) async fn rehearsal(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(parameters): Query<RehearsalParameters>,
) -> Result<Json<Value>, Problem> {
    let query = RehearsalQuery {
        area_id: required("area", parameters.area)?,
        incident_type: incident_type(&required("incident_type", parameters.incident_type)?)?,
        response: response(&required("response", parameters.response)?)?,
        detail: parameters.detail.as_deref().map_or(Ok(RehearsalDetail::Unspecified), detail)?,
    };
    let node = app.node()?;
    let whole = Command::ConvertArea(v1::ConvertArea { area_id: query.area_id.clone(), ..Default::default() });
    may_do(node, &caller, Action::Preview(REHEARSAL), whole).await?;
    let answer = node.engine.rehearse(query).await?;
    json(answer).await
}

pub(super) async fn lessons(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(plan_id): Path<String>,
    Query(parameters): Query<LessonsParameters>,
) -> Result<Json<Value>, Problem> {
    let incident_id = required("incident", parameters.incident)?;
    let node = app.node()?;
    let plan = Command::RehearsePlan(v1::RehearsePlan { plan_id: plan_id.clone(), ..Default::default() });
    may_do(node, &caller, Action::Preview(REHEARSAL), plan).await?;
    let answer = node.engine.lessons(plan_id, incident_id).await?;
    json(answer).await
}

/// Whether the caller may ask this of what the command touches.
pub(super) async fn may_do(node: &Node, caller: &Caller, action: Action<'_>, about: Command) -> Result<(), Problem> {
    let touched = node.engine.ask(move |state| state.touches(&v1::Context::default(), &about)).await.0?;
    caller.check(action, &touched)
}

/// A city with every post in it is tens of megabytes: written on a thread that may take its time.
async fn json(answer: impl Serialize + Send + 'static) -> Result<Json<Value>, Problem> {
    let written = tokio::task::spawn_blocking(move || serde_json::to_value(&answer)).await;
    Ok(Json(written.map_err(|_| Problem::internal())?.map_err(|_| Problem::internal())?))
}

fn required(name: &'static str, value: Option<String>) -> Result<String, Problem> {
    value.filter(|text| !text.is_empty()).ok_or_else(|| {
        let detail = Words::new(format!("缺少参数 {name}"), format!("the parameter {name} is missing"));
        Problem::bad_request("missing_parameter", detail).at(name)
    })
}

/// `TYPHOON` or `INCIDENT_TYPE_TYPHOON`, in any case.
fn incident_type(text: &str) -> Result<IncidentType, Problem> {
    let found = named("INCIDENT_TYPE_", text, IncidentType::from_str_name).filter(|found| *found != IncidentType::Unspecified);
    let names = "OUTBREAK, TYPHOON, FLOOD, FIRE, EARTHQUAKE, MAJOR_TASK, OTHER";
    found.ok_or_else(|| Problem::bad_parameter("incident_type", text, one_of(names)))
}

/// `IV`, `III`, `II` or `I`, with or without the prefix.
fn response(text: &str) -> Result<ResponseLevel, Problem> {
    let found = named("RESPONSE_LEVEL_", text, ResponseLevel::from_str_name).filter(|found| *found != ResponseLevel::Unspecified);
    found.ok_or_else(|| Problem::bad_parameter("response", text, one_of("IV, III, II, I")))
}

fn detail(text: &str) -> Result<RehearsalDetail, Problem> {
    match text.to_ascii_lowercase().as_str() {
        "" | "none" => Ok(RehearsalDetail::Unspecified),
        "gaps" => Ok(RehearsalDetail::Gaps),
        "posts" => Ok(RehearsalDetail::Posts),
        _ => Err(Problem::bad_parameter("detail", text, one_of("none, gaps, posts"))),
    }
}

fn one_of(names: &str) -> Words {
    Words::new(format!("应为 {names} 之一"), format!("one of {names} is expected"))
}

fn named<T>(prefix: &str, text: &str, find: impl Fn(&str) -> Option<T>) -> Option<T> {
    let name = text.to_ascii_uppercase();
    find(&name).or_else(|| find(&format!("{prefix}{name}")))
}
