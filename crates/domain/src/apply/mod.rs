//! What a fact changes. Applying never refuses: what is in the log happened.
//!
//! An id that the state does not know is passed over, so that a reader of a cut log does not fall; the log itself is whole.

mod base;
mod call;
mod incident;
mod presence;
mod whistle;

use muster_proto::Event;

use crate::ids::RealmRef;
use crate::state::State;

pub(crate) use incident::conversions_below;

/// Where and when a record stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) position: u64,
    pub(crate) recorded_at_ms: i64,
    pub(crate) occurred_at_ms: i64,
    pub(crate) realm: RealmRef,
}

pub(crate) fn apply(state: &mut State, at: &At, event: &Event) {
    state.position = at.position;
    // Every handler answers `None` where an id is unknown: that ends its part and nothing else.
    let _applied: Option<()> = match event {
        Event::AreaDefined(_)
        | Event::AreaReparented(_)
        | Event::AreaRetired(_)
        | Event::AutoFillSwitched(_)
        | Event::OrganizationRegistered(_)
        | Event::OrganizationTiedToArea(_)
        | Event::PeopleReserved(_)
        | Event::ResponderEnrolled(_)
        | Event::ResponderReportedToCommunity(_)
        | Event::ResponderTransferred(_)
        | Event::SpecialtiesSet(_)
        | Event::AvailabilitySet(_)
        | Event::ResponderWithdrawn(_)
        | Event::PlanDrafted(_)
        | Event::PostDesignated(_)
        | Event::PlanPublished(_) => base::apply(state, event),
        Event::IncidentDeclared(_)
        | Event::AreaConverted(_)
        | Event::ResponseChanged(_)
        | Event::WarningChanged(_)
        | Event::GradeChanged(_)
        | Event::StandDownOrdered(_)
        | Event::AreaStoodDown(_)
        | Event::IncidentClosed(_)
        | Event::UnitEstablished(_)
        | Event::SecretaryAppointed(_)
        | Event::OrganizerAppointed(_)
        | Event::OrganizerGapOverdue(_)
        | Event::ResponderAttached(_)
        | Event::ResponderDetached(_)
        | Event::UnitDissolved(_)
        | Event::SiteOpened(_)
        | Event::RequirementSet(_)
        | Event::SiteClosed(_) => incident::apply(state, at, event),
        Event::WhistleBlown(_)
        | Event::WhistleAcknowledged(_)
        | Event::WhistleEscalated(_)
        | Event::WhistlesMerged(_)
        | Event::NeedFulfilled(_)
        | Event::WhistleFilled(_)
        | Event::WhistleResolved(_)
        | Event::WhistleWithdrawn(_)
        | Event::WhistleRated(_)
        | Event::DispatchProposed(_)
        | Event::ReinforcementRequested(_)
        | Event::PolicyStepRefused(_) => whistle::apply(state, at, event),
        Event::ResponderCalled(_)
        | Event::ResponderPutOnStandby(_)
        | Event::StandbyEnded(_)
        | Event::CallAcknowledged(_)
        | Event::CallAccepted(_)
        | Event::CallDeclined(_)
        | Event::CallUnanswered(_)
        | Event::NoShowDeclared(_)
        | Event::NoShowCorrected(_)
        | Event::ResponderRecalled(_)
        | Event::DutyReleased(_)
        | Event::OrganizationCalled(_)
        | Event::OrganizationAcknowledged(_)
        | Event::PeopleNominated(_)
        | Event::OrganizationReportedIn(_)
        | Event::OrganizationOverdue(_)
        | Event::OrganizationCallDeclined(_)
        | Event::OrganizationCallEnded(_) => call::apply(state, at, event),
        Event::CheckedIn(_)
        | Event::CheckedOut(_)
        | Event::PresenceDisputed(_)
        | Event::PresenceSettled(_)
        | Event::PastPresenceRecorded(_) => presence::apply(state, at, event),
        // Said for people and auditors; the state needs nothing of them.
        Event::GapRecorded(_) | Event::LogRestored(_) => Some(()),
    };
}
