//! Which rows somebody wants, or may see. One definition for pages, for changes and for rows as of an earlier place; it looks nothing up.

use std::sync::Arc;

use crate::live::PlacedRow;
use crate::places::Path;
use crate::view::{Ties, View};

/// Which rows of a view somebody wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// One realm, or every realm.
    pub realm: Option<String>,
    /// The area whose subtree is wanted, or everything. An area that no record has named has no rows.
    pub area: Option<String>,
    /// To what a row must belong besides: one of these is enough, and with none of them there are no rows.
    pub any_of: Option<Arc<[Bound]>>,
}

/// What a row can belong to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// An area, with its subtree.
    Area(String),
    /// An organization: rows about it and about its people.
    Organization(String),
    /// A unit, with those below it, in any realm: their own rows, those of their people and of their sites. Which unit lies below which is known
    /// only where the view `units` is kept.
    Unit(String),
    /// A person.
    Responder(String),
    /// What an agreement opens: of an area's subtree and one realm the rows of coverage, and those of sites and whistles that are of one incident.
    Share {
        /// The area.
        area: String,
        /// The realm.
        realm: String,
        /// The incident.
        incident: String,
    },
}

impl Filter {
    /// Whether a row is among those wanted.
    #[must_use]
    pub fn takes(&self, placed: &PlacedRow) -> bool {
        self.takes_at(placed.row.view(), placed.row.realm(), placed.row.ties(), &placed.place)
    }

    /// Whether it asks which unit lies below which: that is known where the view `units` is folded along, and not to the history.
    #[must_use]
    pub fn names_units(&self) -> bool {
        self.any_of.iter().flat_map(|bounds| bounds.iter()).any(|bound| matches!(bound, Bound::Unit(_)))
    }

    /// The same of a row that is known by what it belongs to.
    pub(crate) fn takes_at(&self, view: View, realm: &str, ties: Ties<'_>, place: &Path) -> bool {
        self.realm.as_ref().is_none_or(|wanted| wanted == realm)
            && self.area.as_ref().is_none_or(|area| place.within(area))
            && self.any_of.as_ref().is_none_or(|bounds| bounds.iter().any(|bound| bound.holds(view, realm, ties, place)))
    }
}

impl Bound {
    fn holds(&self, view: View, realm: &str, ties: Ties<'_>, place: &Path) -> bool {
        match self {
            Self::Area(area) => place.within(area),
            Self::Organization(id) => !id.is_empty() && ties.organization_id == id,
            Self::Unit(id) => place.is_of_unit(id),
            Self::Responder(id) => !id.is_empty() && ties.responder_id == id,
            Self::Share { area, realm: of, incident } => {
                let of_incident = match view {
                    View::Coverage => true,
                    View::Sites | View::Whistles => ties.incident_id == incident,
                    View::Units | View::Calls | View::Responders | View::Other(_) => false,
                };
                of_incident && of == realm && place.within(area)
            }
        }
    }
}
