//! The names of the views and their rows as the outside sees them: typed, as canonical bytes, as JSON.
//!
//! What a figure means is said in `proto/muster/v1/views.proto`; nothing here computes one.

use std::fmt;
use std::str::FromStr;

use muster_proto::v1;
use prost::Message as _;
use serde::Serialize;

use crate::other::{OtherRow, Registered, ViewFold};

/// A view: one of Muster's own, or one that another crate wrote. Its stored tag is never reused, see `store/keys.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// 覆盖: one row an area.
    Coverage,
    /// 编组: one row a unit.
    Units,
    /// 点位: one row a site and shift.
    Sites,
    /// 哨: one row a whistle.
    Whistles,
    /// 征调: one row a call.
    Calls,
    /// 报到人员: one row a person and realm.
    Responders,
    /// One that another crate wrote, see [`ViewFold`].
    Other(Registered),
}

/// No view has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no view {name:?}; known are {known}")]
pub struct UnknownView {
    /// The name given.
    pub name: String,
    /// The names that there are, with commas.
    pub known: String,
}

impl View {
    /// Muster's own views. Those of other crates are in a [`crate::Catalogue`] beside them.
    pub const ALL: [Self; 6] = [Self::Coverage, Self::Units, Self::Sites, Self::Whistles, Self::Calls, Self::Responders];

    /// The name in paths, subjects and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coverage => "coverage",
            Self::Units => "units",
            Self::Sites => "sites",
            Self::Whistles => "whistles",
            Self::Calls => "calls",
            Self::Responders => "responders",
            Self::Other(registered) => registered.name(),
        }
    }

    /// The view that a fold of another crate makes.
    #[must_use]
    pub const fn of<F: ViewFold>() -> Self {
        Self::Other(Registered::of::<F>())
    }

    /// Whether each of its rows is about one person, so that only those may read it who lead persons.
    #[must_use]
    pub const fn is_about_persons(self) -> bool {
        match self {
            Self::Coverage | Self::Units | Self::Sites | Self::Whistles => false,
            Self::Calls | Self::Responders => true,
            Self::Other(registered) => registered.is_about_persons(),
        }
    }

    /// Members of text that whoever may not know persons is shown of a row, beside those that are shown of every row; of views of other crates.
    #[must_use]
    pub const fn shown_texts(self) -> &'static [&'static str] {
        match self {
            Self::Other(registered) => registered.shown_texts(),
            _ => &[],
        }
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Muster's own views by name; a [`crate::Catalogue`] knows the others as well.
impl FromStr for View {
    type Err = UnknownView;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        crate::Catalogue::built_in().find(name)
    }
}

/// One row of a view.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// Of [`View::Coverage`].
    Coverage(v1::CoverageRow),
    /// Of [`View::Units`].
    Unit(v1::UnitRow),
    /// Of [`View::Sites`].
    Site(v1::SiteRow),
    /// Of [`View::Whistles`].
    Whistle(v1::WhistleRow),
    /// Of [`View::Calls`].
    Call(Box<v1::CallRow>),
    /// Of [`View::Responders`].
    Responder(Box<v1::ResponderRow>),
    /// Of [`View::Other`].
    Other(OtherRow),
}

/// To whom a row belongs beside its areas; what is empty says nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ties<'a> {
    /// The organization that it is about, or whose person it is about.
    pub organization_id: &'a str,
    /// The person.
    pub responder_id: &'a str,
    /// The unit: whoever is bound to it, or to one above it, sees the row.
    pub unit_id: &'a str,
    /// The site: whoever is bound to a unit of the site, or to one above such a unit, sees the row.
    pub site_id: &'a str,
    /// The incident.
    pub incident_id: &'a str,
}

impl Row {
    /// The view it belongs to.
    #[must_use]
    pub const fn view(&self) -> View {
        match self {
            Self::Coverage(_) => View::Coverage,
            Self::Unit(_) => View::Units,
            Self::Site(_) => View::Sites,
            Self::Whistle(_) => View::Whistles,
            Self::Call(_) => View::Calls,
            Self::Responder(_) => View::Responders,
            Self::Other(row) => row.view(),
        }
    }

    /// `actual` or the exercise's name.
    #[must_use]
    pub fn realm(&self) -> &str {
        match self {
            Self::Coverage(row) => &row.realm,
            Self::Unit(row) => &row.realm,
            Self::Site(row) => &row.realm,
            Self::Whistle(row) => &row.realm,
            Self::Call(row) => &row.realm,
            Self::Responder(row) => &row.realm,
            Self::Other(row) => row.inner().realm(),
        }
    }

    /// Its id within view and realm: the id of the area, unit, whistle, call or person; `site_id/shift` for a site, where the shift may be empty.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Coverage(row) => row.area_id.clone(),
            Self::Unit(row) => row.unit_id.clone(),
            Self::Site(row) => format!("{}/{}", row.site_id, row.shift),
            Self::Whistle(row) => row.whistle_id.clone(),
            Self::Call(row) => row.call_id.clone(),
            Self::Responder(row) => row.responder_id.clone(),
            Self::Other(row) => row.inner().id(),
        }
    }

    /// The area that decides in which subtrees the row is seen, and where it stands in the tree.
    #[must_use]
    pub fn area_id(&self) -> &str {
        match self {
            Self::Coverage(row) => &row.area_id,
            Self::Unit(row) => &row.area_id,
            Self::Site(row) => &row.area_id,
            Self::Whistle(row) => &row.area_id,
            Self::Call(row) => &row.area_id,
            Self::Responder(row) => &row.home_area_id,
            Self::Other(row) => row.inner().area_id(),
        }
    }

    /// Another area in whose subtrees the row is seen as well; empty for none. A person who serves away from home has one.
    #[must_use]
    pub fn also_area_id(&self) -> &str {
        match self {
            Self::Responder(row) => &row.post_area_id,
            Self::Other(row) => row.inner().also_area_id(),
            Self::Coverage(_) | Self::Unit(_) | Self::Site(_) | Self::Whistle(_) | Self::Call(_) => "",
        }
    }

    /// To whom it belongs beside its areas: what it is listed under for those who are bound to an organization, a unit, a person or an incident.
    #[must_use]
    pub fn ties(&self) -> Ties<'_> {
        match self {
            Self::Coverage(_) => Ties::default(),
            Self::Unit(row) => Ties { unit_id: &row.unit_id, incident_id: &row.incident_id, ..Ties::default() },
            Self::Site(row) => Ties { site_id: &row.site_id, incident_id: &row.incident_id, ..Ties::default() },
            Self::Whistle(row) => Ties { incident_id: &row.incident_id, ..Ties::default() },
            Self::Call(row) => Ties {
                organization_id: &row.organization_id,
                responder_id: &row.responder_id,
                unit_id: &row.unit_id,
                site_id: "",
                incident_id: &row.incident_id,
            },
            Self::Responder(row) => {
                Ties { organization_id: &row.organization_id, responder_id: &row.responder_id, unit_id: &row.unit_id, ..Ties::default() }
            }
            Self::Other(row) => row.inner().ties(),
        }
    }

    /// The last record that changed it.
    #[must_use]
    pub fn position(&self) -> u64 {
        match self {
            Self::Coverage(row) => row.position,
            Self::Unit(row) => row.position,
            Self::Site(row) => row.position,
            Self::Whistle(row) => row.position,
            Self::Call(row) => row.position,
            Self::Responder(row) => row.position,
            Self::Other(row) => row.inner().position(),
        }
    }

    /// Its canonical bytes: the protobuf message, fields in ascending order.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Coverage(row) => row.encode_to_vec(),
            Self::Unit(row) => row.encode_to_vec(),
            Self::Site(row) => row.encode_to_vec(),
            Self::Whistle(row) => row.encode_to_vec(),
            Self::Call(row) => row.encode_to_vec(),
            Self::Responder(row) => row.encode_to_vec(),
            Self::Other(row) => row.inner().bytes(),
        }
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// Bytes that are no row of this view.
    pub fn decode(view: View, bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        Ok(match view {
            View::Coverage => Self::Coverage(v1::CoverageRow::decode(bytes)?),
            View::Units => Self::Unit(v1::UnitRow::decode(bytes)?),
            View::Sites => Self::Site(v1::SiteRow::decode(bytes)?),
            View::Whistles => Self::Whistle(v1::WhistleRow::decode(bytes)?),
            View::Calls => Self::Call(Box::new(v1::CallRow::decode(bytes)?)),
            View::Responders => Self::Responder(Box::new(v1::ResponderRow::decode(bytes)?)),
            View::Other(registered) => Self::Other(registered.decode(bytes)?),
        })
    }
}

impl Serialize for Row {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Coverage(row) => row.serialize(serializer),
            Self::Unit(row) => row.serialize(serializer),
            Self::Site(row) => row.serialize(serializer),
            Self::Whistle(row) => row.serialize(serializer),
            Self::Call(row) => row.serialize(serializer),
            Self::Responder(row) => row.serialize(serializer),
            Self::Other(row) => row.inner().json().serialize(serializer),
        }
    }
}

/// A row as JSON: snake_case names, 64-bit numbers as decimal strings, enumerations by name, fields that are zero or empty left out.
#[must_use]
pub fn row_json(row: &Row) -> serde_json::Value {
    serde_json::to_value(row).expect("a row has only string keys and finite numbers")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for view in View::ALL {
            assert_eq!(view.name().parse::<View>().unwrap(), view);
        }
        assert_eq!("roster".parse::<View>().unwrap_err().name, "roster");
    }

    #[test]
    fn a_row_survives_its_bytes_and_reads_well_as_json() {
        let row = Row::Site(v1::SiteRow {
            realm: "actual".into(),
            site_id: "s-1".into(),
            shift: "night".into(),
            area_id: "g-1".into(),
            kind: v1::SiteKind::Checkpoint.into(),
            seats: 3,
            position: 1 << 60,
            ..Default::default()
        });
        assert_eq!(Row::decode(View::Sites, &row.encode()).unwrap(), row);
        assert_eq!((row.id().as_str(), row.area_id()), ("s-1/night", "g-1"));
        let json = row_json(&row);
        assert_eq!(json["kind"], "SITE_KIND_CHECKPOINT");
        assert_eq!(json["seats"], "3");
        assert_eq!(json["position"], "1152921504606846976");
        assert!(json.get("present").is_none());
    }
}
