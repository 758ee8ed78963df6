//! Questions that many commands ask: is it there, is it well formed, may this office say so.

use muster_proto::v1::{Availability, BasisKind, Context, Office};

use crate::execute::Now;
use crate::ids::{AreaRef, IncidentRef, OrganizationRef, PlanRef, ResponderRef, SiteRef, UnitRef, WhistleRef};
use crate::limits;
use crate::rejection::Rejection;
use crate::state::State;

/// An id that is a NATS subject token: areas and realms.
pub(crate) fn token(field: &'static str, id: &str) -> Result<(), Rejection> {
    well_formed(field, id, limits::TOKEN_BYTES_MAX, |byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// An id of anything else.
pub(crate) fn id(field: &'static str, id: &str) -> Result<(), Rejection> {
    well_formed(field, id, limits::ID_BYTES_MAX, |byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
}

fn well_formed(field: &'static str, id: &str, max: usize, allowed: impl Fn(u8) -> bool) -> Result<(), Rejection> {
    if id.is_empty() {
        return Err(Rejection::FieldMissing { field });
    }
    // A lone `_` stands for "no area" in subjects.
    if id.len() > max || id == "_" || !id.bytes().all(allowed) {
        return Err(Rejection::IdInvalid { field, id: id.chars().take(80).collect() });
    }
    Ok(())
}

pub(crate) fn name(field: &'static str, text: &str) -> Result<(), Rejection> {
    if text.trim().is_empty() {
        return Err(Rejection::FieldMissing { field });
    }
    short(field, text)
}

pub(crate) fn short(field: &'static str, text: &str) -> Result<(), Rejection> {
    sized(field, text, limits::NAME_BYTES_MAX)
}

pub(crate) fn long(field: &'static str, text: &str) -> Result<(), Rejection> {
    sized(field, text, limits::TEXT_BYTES_MAX)
}

fn sized(field: &'static str, text: &str, max: usize) -> Result<(), Rejection> {
    if text.len() > max { Err(Rejection::TooLong { field, max }) } else { Ok(()) }
}

pub(crate) fn labels(field: &'static str, labels: &[String]) -> Result<(), Rejection> {
    at_most(field, labels.len(), limits::LABELS_MAX)?;
    labels.iter().try_for_each(|label| label_text(field, label))
}

/// A specialty, function or shift: a short word, in any script.
pub(crate) fn label_text(field: &'static str, label: &str) -> Result<(), Rejection> {
    if label.trim().is_empty() {
        return Err(Rejection::FieldMissing { field });
    }
    sized(field, label, limits::ID_BYTES_MAX)
}

pub(crate) fn at_most(field: &'static str, count: usize, max: usize) -> Result<(), Rejection> {
    if count > max { Err(Rejection::TooMany { field, max }) } else { Ok(()) }
}

/// A set value of an enumeration.
pub(crate) fn set<T: TryFrom<i32>>(field: &'static str, number: i32) -> Result<T, Rejection> {
    if number == 0 {
        return Err(Rejection::FieldMissing { field });
    }
    known(field, number)
}

/// A value of an enumeration, or none.
pub(crate) fn known<T: TryFrom<i32>>(field: &'static str, number: i32) -> Result<T, Rejection> {
    T::try_from(number).map_err(|_| Rejection::FieldInvalid { field, reason_zh: "未知的取值", reason_en: "not a known value" })
}

pub(crate) fn unused<T>(field: &'static str, id: &str, found: Option<T>) -> Result<(), Rejection> {
    match found {
        Some(_) => Err(Rejection::AlreadyExists { field, id: id.to_owned() }),
        None => Ok(()),
    }
}

/// Who says something for somebody else says in which office and on what ground: a sheet, a telephone call, a consultation.
pub(crate) fn ground(state: &State, now: &Now<'_>) -> Result<(), Rejection> {
    if now.context.on_behalf_of.is_empty() {
        return Ok(());
    }
    state.office_area(now)?;
    if now.context.basis.as_ref().is_some_and(|basis| basis.kind != 0) { Ok(()) } else { Err(Rejection::GroundRequired {}) }
}

/// Whether a ground is stated that somebody can look up: a document, consultation, telephone order or plan with its reference.
pub(crate) fn grounded(context: &Context) -> bool {
    context.basis.as_ref().is_some_and(|basis| {
        let named = matches!(basis.kind(), BasisKind::Document | BasisKind::Consultation | BasisKind::Telephone | BasisKind::Plan);
        named && !basis.reference.trim().is_empty()
    })
}

impl State {
    /// A living area.
    pub(crate) fn area(&self, field: &'static str, id: &str) -> Result<AreaRef, Rejection> {
        if id.is_empty() {
            return Err(Rejection::FieldMissing { field });
        }
        let key = self.base.areas.find(id).ok_or_else(|| Rejection::UnknownArea { field, id: id.to_owned() })?;
        if self.base.areas.get(key).retired { Err(Rejection::AreaRetired { field, id: id.to_owned() }) } else { Ok(key) }
    }

    pub(crate) fn organization(&self, field: &'static str, id: &str) -> Result<OrganizationRef, Rejection> {
        if id.is_empty() {
            return Err(Rejection::FieldMissing { field });
        }
        self.base.organizations.find(id).ok_or_else(|| Rejection::UnknownOrganization { field, id: id.to_owned() })
    }

    pub(crate) fn responder(&self, field: &'static str, id: &str) -> Result<ResponderRef, Rejection> {
        if id.is_empty() {
            return Err(Rejection::FieldMissing { field });
        }
        self.base.responders.find(id).ok_or_else(|| Rejection::UnknownResponder { field, id: id.to_owned() })
    }

    /// A responder who has not withdrawn.
    pub(crate) fn active_responder(&self, field: &'static str, id: &str) -> Result<ResponderRef, Rejection> {
        let key = self.responder(field, id)?;
        self.not_withdrawn(key)?;
        Ok(key)
    }

    pub(crate) fn not_withdrawn(&self, responder: ResponderRef) -> Result<(), Rejection> {
        if self.base.responders.get(responder).withdrawn {
            return Err(Rejection::ResponderWithdrawn { id: self.base.responders.id(responder).to_owned() });
        }
        Ok(())
    }

    pub(crate) fn plan(&self, id: &str) -> Result<PlanRef, Rejection> {
        if id.is_empty() {
            return Err(Rejection::FieldMissing { field: "plan_id" });
        }
        self.base.plans.find(id).ok_or_else(|| Rejection::UnknownPlan { id: id.to_owned() })
    }

    /// An incident that is not closed.
    pub(crate) fn open_incident(&self, id: &str) -> Result<IncidentRef, Rejection> {
        if id.is_empty() {
            return Err(Rejection::FieldMissing { field: "incident_id" });
        }
        let key = self.ops.incidents.find(id).ok_or_else(|| Rejection::UnknownIncident { id: id.to_owned() })?;
        if self.ops.incidents.get(key).closed { Err(Rejection::IncidentIsClosed { id: id.to_owned() }) } else { Ok(key) }
    }

    /// A unit that is not dissolved.
    pub(crate) fn standing_unit(&self, field: &'static str, id: &str) -> Result<UnitRef, Rejection> {
        if id.is_empty() {
            return Err(Rejection::FieldMissing { field });
        }
        let key = self.ops.units.find(id).ok_or_else(|| Rejection::UnknownUnit { field, id: id.to_owned() })?;
        if self.ops.units.get(key).dissolved { Err(Rejection::UnitIsDissolved { id: id.to_owned() }) } else { Ok(key) }
    }

    pub(crate) fn any_site(&self, field: &'static str, id: &str) -> Result<SiteRef, Rejection> {
        if id.is_empty() {
            return Err(Rejection::FieldMissing { field });
        }
        self.ops.sites.find(id).ok_or_else(|| Rejection::UnknownSite { field, id: id.to_owned() })
    }

    /// A site that is not closed.
    pub(crate) fn open_site(&self, field: &'static str, id: &str) -> Result<SiteRef, Rejection> {
        let key = self.any_site(field, id)?;
        if self.ops.sites.get(key).closed { Err(Rejection::SiteIsClosed { id: id.to_owned() }) } else { Ok(key) }
    }

    pub(crate) fn any_whistle(&self, field: &'static str, id: &str) -> Result<WhistleRef, Rejection> {
        if id.is_empty() {
            return Err(Rejection::FieldMissing { field });
        }
        self.ops.whistles.find(id).ok_or_else(|| Rejection::UnknownWhistle { field, id: id.to_owned() })
    }

    /// A whistle that has not ended.
    pub(crate) fn open_whistle(&self, field: &'static str, id: &str) -> Result<WhistleRef, Rejection> {
        let key = self.any_whistle(field, id)?;
        if self.ops.whistles.get(key).phase.open() { Ok(key) } else { Err(Rejection::WhistleEnded { id: id.to_owned() }) }
    }

    /// The area in whose office the command is given; the area itself or one above must say it.
    pub(crate) fn authority_over(&self, now: &Now<'_>, area: AreaRef) -> Result<AreaRef, Rejection> {
        let office = self.office_area(now)?;
        if self.base.within(area, office) {
            Ok(office)
        } else {
            Err(Rejection::NotTheAuthority { office: self.base.areas.id(office).to_owned(), area: self.base.areas.id(area).to_owned() })
        }
    }

    pub(crate) fn office_area(&self, now: &Now<'_>) -> Result<AreaRef, Rejection> {
        match now.context.actor_office.as_ref() {
            Some(Office { area_id, .. }) if !area_id.is_empty() => self.area("context.actor_office.area_id", area_id),
            _ => Err(Rejection::OfficeRequired {}),
        }
    }

    /// What is being taken off takes nobody on.
    pub(crate) fn not_standing_down(&self, incident: IncidentRef, plan: Option<PlanRef>) -> Result<(), Rejection> {
        match plan {
            Some(key) if self.ops.standing_down(incident, plan) => {
                Err(Rejection::AreaStandingDown { area: self.base.areas.id(self.base.plans.get(key).area).to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// Whether a person may be given a duty of this period, `until_ms` 0 meaning open: neither withdrawn nor away.
    pub(crate) fn callable(&self, responder: ResponderRef, now_ms: i64, from_ms: i64, until_ms: i64) -> Result<(), Rejection> {
        let person = self.base.responders.get(responder);
        let id = || self.base.responders.id(responder).to_owned();
        if person.withdrawn {
            return Err(Rejection::ResponderWithdrawn { id: id() });
        }
        match person.away(now_ms, from_ms, until_ms) {
            Some(kind) => Err(Rejection::ResponderUnavailable { id: id(), kind: unavailable(kind) }),
            None => Ok(()),
        }
    }
}

/// The kind of absence in words.
pub(crate) fn unavailable(kind: Availability) -> &'static str {
    match kind {
        Availability::Retained => "留用 retained",
        Availability::Leave => "请假 leave",
        Availability::Sick => "病产 sick",
        Availability::Travel => "出差 travel",
        Availability::Isolated => "隔离 isolated",
        Availability::Available | Availability::Unspecified => "",
    }
}
