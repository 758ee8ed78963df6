//! Events of a partner's area that an agreement in force and invoked opens: those of its sites and whistles, of the incident that it is invoked for
//! and of no other. They are shown without persons.

use std::collections::HashSet;
use std::sync::Arc;

use muster_access::reads;
use muster_domain::SharedArea;
use muster_proto::v1::{AgreementScope, Envelope};
use muster_proto::{Aggregate, aggregate_of};
use muster_views::{Filter, Page, Row, View};
use serde_json::Value;

use super::app::App;
use super::event_json;
use super::events::Subtree;
use super::sight;
use super::views::unreadable;
use crate::access::Caller;
use crate::problem::Problem;

/// A partner's area, and what of its events is open.
pub(super) struct Partner {
    share: SharedArea,
    area: Subtree,
    /// Sites and whistles of the incident. Grows with the events.
    known: HashSet<String>,
}

/// What agreements open of events to the caller, now.
pub(super) async fn opened(app: &App, caller: &Caller) -> Result<Vec<SharedArea>, Problem> {
    let mut shares = sight::shares_where(app, caller, reads::events).await?;
    shares.retain(|share| [AgreementScope::Sites, AgreementScope::Whistles].iter().any(|scope| share.shared.contains(scope)));
    Ok(shares)
}

/// Forgets the partners whose agreement holds no longer, all of them where that cannot be found out.
pub(super) async fn keep_standing(app: &Arc<App>, caller: &Caller, partners: &mut Vec<Partner>) {
    if partners.is_empty() {
        return;
    }
    let now = opened(app, caller).await.unwrap_or_default();
    partners.retain(|partner| now.contains(&partner.share));
}

impl Partner {
    /// What the views know of the incident's sites and whistles is known from the start.
    pub(super) fn new(app: &App, share: SharedArea, area: Subtree) -> Result<Self, Problem> {
        let views = app.views()?;
        let mut known = HashSet::new();
        for view in [View::Sites, View::Whistles] {
            let filter = Filter { realm: Some(share.realm.clone()), area: Some(share.area_id.clone()), any_of: None };
            let mut page = Page::default();
            loop {
                let part = views.snapshot(view, &filter, &page).map_err(|error| unreadable(&error))?;
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
        Ok(Self { share, area, known })
    }

    pub(super) fn area(&self) -> &Subtree {
        &self.area
    }

    /// Whether the event is open. It learns from each that it is asked for.
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
