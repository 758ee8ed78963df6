//! Which rows a caller sees where an area's subtree does not say it: rows of an organization, a unit or a person, and what an agreement
//! in force and invoked opens of a partner's area for one incident.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use muster_access::{Bounds, view_right};
use muster_domain::SharedArea;
use muster_proto::v1::AgreementScope;
use muster_views::{Filter, Page, PlacedRow, QueryError, Row, View, ViewsHandle};
use parking_lot::Mutex;

use super::app::App;
use crate::access::Caller;
use crate::limits;
use crate::problem::Problem;

/// What rows are compared with; one that fits is enough.
pub(super) struct Sight {
    bounds: Bounds,
    shares: Vec<SharedArea>,
    lines: Mutex<UnitLines>,
}

/// Which units lie below those of the bounds, and their sites, as the views know them; by realm and id.
#[derive(Default)]
struct UnitLines {
    within: HashMap<(String, String), bool>,
    sites: HashSet<(String, String)>,
    read_at: Option<Instant>,
}

impl Sight {
    pub(super) fn new(bounds: Bounds, shares: Vec<SharedArea>) -> Self {
        Self { bounds, shares, lines: Mutex::default() }
    }

    /// Of one area.
    pub(super) fn of_area(area_id: String) -> Self {
        Self::new(Bounds { areas: vec![area_id], ..Bounds::default() }, Vec::new())
    }

    /// What of it agreements open.
    pub(super) fn shares(&self) -> &[SharedArea] {
        &self.shares
    }

    /// Whether the row may be shown. Rows of units are found once [`Sight::learn`] was told of them.
    pub(super) fn sees(&self, placed: &PlacedRow) -> bool {
        self.bounds.areas.iter().any(|area| placed.is_within(area))
            || self.shares.iter().any(|share| opens(share, placed))
            || self.is_held(&placed.row)
    }

    fn is_held(&self, row: &Row) -> bool {
        let Bounds { organizations, responders, units, .. } = &self.bounds;
        let (organization, person) = match row {
            Row::Call(row) => (row.organization_id.as_str(), row.responder_id.as_str()),
            Row::Responder(row) => (row.organization_id.as_str(), row.responder_id.as_str()),
            Row::Coverage(_) | Row::Unit(_) | Row::Site(_) | Row::Whistle(_) => ("", ""),
        };
        if organizations.iter().any(|id| id == organization) || responders.iter().any(|id| id == person) {
            return true;
        }
        if units.is_empty() {
            return false;
        }
        let lines = self.lines.lock();
        match row {
            Row::Site(row) => lines.sites.contains(&(row.realm.clone(), row.site_id.clone())),
            _ => unit_of(row).is_some_and(|unit| lines.within.get(&unit) == Some(&true)),
        }
    }

    /// Reads the units again where one is named that is not known, or, for sites, where the last time is long ago. It reads the store.
    pub(super) fn learn<'a>(&self, views: &ViewsHandle, rows: impl IntoIterator<Item = &'a PlacedRow>) -> Result<(), QueryError> {
        if self.bounds.units.is_empty() {
            return Ok(());
        }
        let mut lines = self.lines.lock();
        let old = lines.read_at.is_none_or(|read_at| read_at.elapsed() >= limits::UNIT_LINES_AGE_MAX);
        let news = |placed: &PlacedRow| match &*placed.row {
            Row::Site(_) => old,
            row => unit_of(row).is_some_and(|unit| !lines.within.contains_key(&unit)),
        };
        if rows.into_iter().any(news) {
            let read = UnitLines::read(views, &self.bounds.units)?;
            // A unit that is not there now is asked for once, not with each of its rows.
            let gone = std::mem::take(&mut lines.within).into_keys().map(|unit| (unit, false));
            let mut within: HashMap<_, _> = gone.collect();
            within.extend(read.within);
            *lines = UnitLines { within, ..read };
        }
        Ok(())
    }
}

/// The unit that a row names, by realm and id.
fn unit_of(row: &Row) -> Option<(String, String)> {
    let (realm, unit) = match row {
        Row::Unit(row) => (&row.realm, &row.unit_id),
        Row::Call(row) => (&row.realm, &row.unit_id),
        Row::Responder(row) => (&row.realm, &row.unit_id),
        Row::Coverage(_) | Row::Site(_) | Row::Whistle(_) => return None,
    };
    (!unit.is_empty()).then(|| (realm.clone(), unit.clone()))
}

/// Whether an agreement opens the row: of the partner's area, in the incident's realm and, where the row belongs to an incident, of that one.
fn opens(share: &SharedArea, placed: &PlacedRow) -> bool {
    let of_incident = match &*placed.row {
        Row::Coverage(_) => true,
        Row::Site(row) => row.incident_id == share.incident_id,
        Row::Whistle(row) => row.incident_id == share.incident_id,
        Row::Unit(_) | Row::Call(_) | Row::Responder(_) => false,
    };
    let scope = shared_by(placed.row.view());
    of_incident
        && scope.is_some_and(|scope| share.shared.contains(&scope))
        && placed.row.realm() == share.realm
        && placed.is_within(&share.area_id)
}

/// What an agreement must share for a view's rows to be opened. Rows of units, calls and people are never: that people are shared lets them be
/// called, and who is called is told with the call.
fn shared_by(view: View) -> Option<AgreementScope> {
    match view {
        View::Coverage => Some(AgreementScope::Coverage),
        View::Sites => Some(AgreementScope::Sites),
        View::Whistles => Some(AgreementScope::Whistles),
        View::Units | View::Calls | View::Responders => None,
    }
}

impl UnitLines {
    fn read(views: &ViewsHandle, tops: &[String]) -> Result<Self, QueryError> {
        let mut parents: HashMap<(String, String), String> = HashMap::new();
        let mut sites = HashMap::new();
        let mut page = Page::default();
        loop {
            let part = views.snapshot(View::Units, &Filter::default(), &page)?;
            for placed in &part.rows {
                let Row::Unit(row) = &*placed.row else { continue };
                let unit = (row.realm.clone(), row.unit_id.clone());
                if !row.site_id.is_empty() {
                    sites.insert(unit.clone(), row.site_id.clone());
                }
                parents.insert(unit, row.parent_unit_id.clone());
            }
            page.after = part.next;
            if page.after.is_none() {
                break;
            }
        }
        let is_within = |(realm, unit): &(String, String)| {
            // As many steps as there are units: a line that led back to itself would have no end.
            let mut at = unit.clone();
            for _ in 0..=parents.len() {
                if tops.contains(&at) {
                    return true;
                }
                match parents.get(&(realm.clone(), at)) {
                    Some(parent) if !parent.is_empty() => at = parent.clone(),
                    _ => return false,
                }
            }
            false
        };
        let within: HashMap<_, _> = parents.keys().map(|unit| (unit.clone(), is_within(unit))).collect();
        let of_these = sites.into_iter().filter(|(unit, _)| within.get(unit) == Some(&true));
        let sites = of_these.map(|((realm, _), site)| (realm, site)).collect();
        Ok(Self { within, sites, read_at: Some(Instant::now()) })
    }
}

/// What agreements open of other areas to the caller for a view, now.
pub(super) async fn shares(app: &App, caller: &Caller, view: View) -> Result<Vec<SharedArea>, Problem> {
    let Some(scope) = shared_by(view) else { return Ok(Vec::new()) };
    let mut shares = shares_where(app, caller, |role| view_right(role, view.name())).await?;
    shares.retain(|share| share.shared.contains(&scope));
    Ok(shares)
}

/// What agreements open to the caller's areas that it has by a role that counts. A worker does not know of agreements.
pub(super) async fn shares_where(
    app: &App,
    caller: &Caller,
    counts: impl Fn(muster_access::Role) -> bool,
) -> Result<Vec<SharedArea>, Problem> {
    let areas = caller.areas(counts);
    let Some(node) = app.try_node().filter(|_| !areas.is_empty()) else { return Ok(Vec::new()) };
    let question = move |state: &muster_domain::State| areas.iter().flat_map(|area| state.shared_with(area)).collect();
    Ok(node.engine.ask(question).await.0?)
}

/// One page of the rows that are seen. The rows between them are read as well, so that such pages are made in turn.
pub(super) fn page(
    views: &ViewsHandle,
    view: View,
    filter: &Filter,
    sight: &Sight,
    page: &Page,
) -> Result<muster_views::Snapshot, QueryError> {
    let rows_max = page.rows_max.unwrap_or(limits::VIEW_PAGE_ROWS);
    let (mut rows, mut after) = (Vec::new(), page.after.clone());
    loop {
        let part = views.snapshot(view, filter, &Page { after, rows_max: Some(limits::VIEW_PAGE_ROWS_MAX) })?;
        sight.learn(views, &part.rows)?;
        rows.extend(part.rows.into_iter().filter(|placed| sight.sees(placed)));
        let more = rows.len() > rows_max;
        rows.truncate(rows_max);
        if more || part.next.is_none() {
            let next = rows.last().filter(|_| more).map(super::views::key);
            return Ok(muster_views::Snapshot { view, at: part.at, rows, next });
        }
        after = part.next;
    }
}
