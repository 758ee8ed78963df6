//! What of a view's rows a caller sees where the area asked for does not say it: rows of an organization, a unit or a person, and what an
//! agreement in force and invoked opens of a partner's area for one incident. The views find such rows; nothing here looks at one.

use std::sync::Arc;

use muster_access::{Action, Bounds, view_right};
use muster_domain::SharedArea;
use muster_proto::v1::AgreementScope;
use muster_views::{Bound, View};

use super::app::App;
use crate::access::Caller;
use crate::problem::Problem;

/// Rights and what agreements open, as the views take them.
pub(super) fn bounds_of(bounds: Bounds, shares: &[SharedArea]) -> Arc<[Bound]> {
    let Bounds { areas, organizations, units, responders } = bounds;
    let share =
        |share: &SharedArea| Bound::Share { area: share.area_id.clone(), realm: share.realm.clone(), incident: share.incident_id.clone() };
    let areas = areas.into_iter().map(Bound::Area).chain(organizations.into_iter().map(Bound::Organization));
    let people = units.into_iter().map(Bound::Unit).chain(responders.into_iter().map(Bound::Responder));
    areas.chain(people).chain(shares.iter().map(share)).collect()
}

/// The right to read a view. One of another crate is read by whoever reads the one of Muster's own that it is like.
pub(super) const fn reading(view: View) -> Action<'static> {
    Action::View(match view {
        View::Other(_) if view.is_about_persons() => View::Responders.name(),
        View::Other(_) => View::Units.name(),
        own => own.name(),
    })
}

/// What an agreement must share for a view's rows to be opened. Rows of units, calls and people are never: that people are shared lets them be
/// called, and who is called is told with the call.
fn shared_by(view: View) -> Option<AgreementScope> {
    match view {
        View::Coverage => Some(AgreementScope::Coverage),
        View::Sites => Some(AgreementScope::Sites),
        View::Whistles => Some(AgreementScope::Whistles),
        View::Units | View::Calls | View::Responders | View::Other(_) => None,
    }
}

/// What agreements open of other areas to the caller for a view, now.
pub(super) async fn shares(app: &App, caller: &Caller, view: View) -> Result<Vec<SharedArea>, Problem> {
    let Some(scope) = shared_by(view) else { return Ok(Vec::new()) };
    let mut shares = app.standing.now(app, caller.areas(|role| view_right(role, view.name()))).await?;
    shares.retain(|share| share.shared.contains(&scope));
    Ok(shares)
}
