//! Events of a partner's area that an agreement in force and invoked opens: those of its sites and whistles, of the incident that it is invoked for
//! and of no other. They are shown without persons.

use std::collections::{HashMap, HashSet};

use muster_access::reads;
use muster_domain::SharedArea;
use muster_log::Position;
use muster_proto::v1::{AgreementScope, Envelope};
use muster_proto::{Aggregate, aggregate_of};
use muster_views::{Filter, Page, QueryError, Row, View, ViewsHandle};
use serde_json::Value;
use tokio::sync::Mutex;

use super::app::App;
use super::event_json;
use super::events::Subtree;
use super::views::unreadable;
use crate::access::Caller;
use crate::limits;
use crate::problem::Problem;

/// A partner's area, and what of its events is open.
pub(super) struct Partner {
    share: SharedArea,
    area: Subtree,
    /// Sites and whistles of the incident. Grows with the events.
    known: HashSet<String>,
}

/// What was found to be open to an area, and the last record that it takes in; by area.
type Found = HashMap<String, (Position, Vec<SharedArea>)>;

/// What agreements open, as it was found last: streams that show the same records ask once between them, and one at a time.
#[derive(Default)]
pub(super) struct Standing(Mutex<Found>);

impl Standing {
    /// What agreements open to areas, now. A worker does not know of agreements.
    pub(super) async fn now(&self, app: &App, areas: Vec<String>) -> Result<Vec<SharedArea>, Problem> {
        let now = app.try_node().map_or(Position::ZERO, |node| node.log.watermark());
        self.with(app, areas, now).await
    }

    /// What agreements open to areas, with every record up to a place taken in.
    async fn with(&self, app: &App, areas: Vec<String>, through: Position) -> Result<Vec<SharedArea>, Problem> {
        let Some(node) = app.try_node().filter(|_| !areas.is_empty()) else { return Ok(Vec::new()) };
        let mut found = self.0.lock().await;
        if areas.iter().any(|area| found.get(area).is_none_or(|(at, _)| *at < through)) {
            // The planner answers with everything that is durable when its turn comes, and so with at least this.
            let (at, asked) = (node.log.watermark(), areas.clone());
            let question = move |state: &muster_domain::State| -> Found {
                asked.into_iter().map(|area| (area.clone(), (at, state.shared_with(&area)))).collect()
            };
            let news = node.engine.ask(question).await.0?;
            if found.len() > limits::SHARED_AREAS_KEPT_MAX {
                found.clear();
            }
            found.extend(news);
        }
        Ok(areas.iter().filter_map(|area| found.get(area)).flat_map(|(_, shares)| shares.clone()).collect())
    }
}

/// What agreements open of events to the caller, now.
pub(super) async fn opened(app: &App, caller: &Caller) -> Result<Vec<SharedArea>, Problem> {
    Ok(of_events(app.standing.now(app, caller.areas(reads::events)).await?))
}

fn of_events(mut shares: Vec<SharedArea>) -> Vec<SharedArea> {
    shares.retain(|share| [AgreementScope::Sites, AgreementScope::Whistles].iter().any(|scope| share.shared.contains(scope)));
    shares
}

/// Forgets the partners whose agreement holds no longer, as of a place.
///
/// # Errors
/// That cannot be found out: nothing more may be shown then.
pub(super) async fn keep_standing(app: &App, caller: &Caller, partners: &mut Vec<Partner>, through: Position) -> Result<(), Problem> {
    if !partners.is_empty() {
        let now = of_events(app.standing.with(app, caller.areas(reads::events), through).await?);
        partners.retain(|partner| now.contains(&partner.share));
    }
    Ok(())
}

/// The incident's sites and whistles in the shared area.
fn known_of(views: &ViewsHandle, share: &SharedArea) -> Result<HashSet<String>, QueryError> {
    let mut known = HashSet::new();
    for view in [View::Sites, View::Whistles] {
        let filter = Filter { realm: Some(share.realm.clone()), area: Some(share.area_id.clone()), any_of: None };
        let mut page = Page::default();
        loop {
            let part = views.snapshot(view, &filter, &page)?;
            known.extend(part.rows.iter().filter_map(|placed| match &*placed.row {
                Row::Site(row) if row.incident_id == share.incident_id => Some(row.site_id.clone()),
                Row::Whistle(row) if row.incident_id == share.incident_id => Some(row.whistle_id.clone()),
                _ => None,
            }));
            page.after = part.next;
            if page.after.is_none() {
                break;
            }
        }
    }
    Ok(known)
}

impl Partner {
    /// What the views know of the incident's sites and whistles is known from the start.
    pub(super) async fn of(app: &App, share: SharedArea, area: Subtree) -> Result<Self, Problem> {
        let views = app.views()?.clone();
        let read = tokio::task::spawn_blocking(move || {
            let known = known_of(&views, &share)?;
            Ok(Self { share, area, known })
        });
        read.await.map_err(|_| Problem::internal())?.map_err(|error: QueryError| unreadable(&error))
    }

    pub(super) fn area(&self) -> &Subtree {
        &self.area
    }

    /// Whether the event is open. It learns from each that it is asked about.
    pub(super) fn opens(&mut self, envelope: &Envelope) -> bool {
        let here = self.area.concerns(envelope);
        let Some(event) = envelope.event.as_ref().filter(|_| here && envelope.realm == self.share.realm) else { return false };
        let (scope, member) = match aggregate_of(event.tag()) {
            Aggregate::Site => (AgreementScope::Sites, "site_id"),
            Aggregate::Whistle => (AgreementScope::Whistles, "whistle_id"),
            _ => return false,
        };
        if !self.share.shared.contains(&scope) {
            return false;
        }
        let shown = event_json(envelope);
        let text = |name: &str| shown["event"].get(name).and_then(Value::as_str).unwrap_or_default();
        if text("incident_id") == self.share.incident_id {
            self.known.insert(text(member).to_owned());
        }
        self.known.contains(text(member))
    }
}
