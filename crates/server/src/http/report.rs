//! `GET /v1/incidents/{id}/report`: the report of one incident, folded from the log when it is asked for. It must never hold up live readers: it
//! waits its turn among the folds of earlier places.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::{Path, State};
use muster_access::Action;
use muster_proto::Command;
use muster_proto::v1::{self, IncidentReport};
use muster_views::View;

use super::app::App;
use super::asof;
use super::planning::may_do;
use crate::access::Caller;
use crate::problem::Problem;
use crate::words::Words;

pub(super) async fn report(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(incident_id): Path<String>,
) -> Result<Json<IncidentReport>, Problem> {
    let node = app.node()?;
    let incident = Command::CloseIncident(v1::CloseIncident { incident_id: incident_id.clone() });
    may_do(node, &caller, Action::View(View::Calls.name()), incident).await?;
    let log = Arc::clone(&node.log);
    let asked = incident_id.clone();
    let found = asof::in_turn(&app, move || muster_views::report(&*log, &asked)).await?;
    found.map(Json).ok_or_else(|| {
        let detail = Words::new(format!("没有应急事件“{incident_id}”"), format!("there is no incident {incident_id:?}"));
        Problem::not_found("unknown_incident", detail).at("incident_id")
    })
}
