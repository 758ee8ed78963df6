//! What a delivery service asks of the state before it tells somebody something: whether it is still so, and how ids are called. It must never hold
//! anything about the person.

use muster_proto::v1::{DeliveryChannel, DeliveryOutcome, ReliefDemanded, ReliefReason, ShelterOrdered};

use crate::ids::{CallRef, OrganizationCallRef};
use crate::state::{CallPhase, Erasure, OrganizationCallPhase, ShiftPhase, State};
use crate::summary::CallSummary;

/// A call to a person, as far as a message about it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallNotice {
    /// The call.
    pub call: CallSummary,
    /// The area's name.
    pub area: String,
    /// The site's name, or the place of the whistle; empty for neither.
    pub place: String,
    /// Until when an answer is wanted, 0 when no longer.
    pub reply_due_ms: i64,
    /// Nobody has answered, acknowledged, come, or taken the call off.
    pub is_unanswered: bool,
    /// A delivery service told of some message.
    pub was_told: bool,
    /// The channels on which a message was sent.
    pub sent: Vec<DeliveryChannel>,
}

impl State {
    /// The call to a person of that id (`c1`) for a message about it, if there is one.
    #[must_use]
    pub fn call_notice(&self, call_id: &str) -> Option<CallNotice> {
        let key = CallRef::parse(call_id)?;
        let call = self.ops.calls.find(key)?;
        let site = call.site.map(|key| &*self.ops.sites.get(key).name);
        let whistle = call.whistle.map(|key| &*self.ops.whistles.get(key).place);
        let told = self.ops.deliveries.get(&key).copied().unwrap_or_default();
        let channels =
            [DeliveryChannel::App, DeliveryChannel::Sms, DeliveryChannel::Voice, DeliveryChannel::Robot, DeliveryChannel::NamedContact];
        Some(CallNotice {
            call: self.call_summary(call_id)?,
            area: self.base.areas.get(call.area).name.to_string(),
            place: site.or(whistle).unwrap_or_default().to_owned(),
            reply_due_ms: call.reply_due_ms,
            is_unanswered: call.phase == CallPhase::Summoned,
            was_told: channels.iter().any(|channel| told.tried(*channel)),
            sent: channels.into_iter().filter(|channel| told.told(*channel, DeliveryOutcome::Sent)).collect(),
        })
    }

    /// Whether a call to an organization (`o1`) still stands.
    #[must_use]
    pub fn organization_call_stands(&self, call_id: &str) -> bool {
        let call = OrganizationCallRef::parse(call_id).and_then(|key| self.ops.organization_calls.find(key));
        call.is_some_and(|call| call.phase < OrganizationCallPhase::ReportedIn)
    }

    /// Whether an order to take shelter still asks for somebody: the area has not resumed, and the person is not known to be safe.
    #[must_use]
    pub fn shelter_stands(&self, order: &ShelterOrdered) -> bool {
        let found = self.ops.incidents.find(&order.incident_id).zip(self.base.areas.find(&order.recalled_area_id));
        let recall = found.and_then(|(incident, area)| self.ops.incidents.get(incident).recalls.get(&area));
        let person = self.base.responders.find(&order.responder_id);
        recall.zip(person).is_some_and(|(recall, person)| recall.unaccounted.contains_key(&person))
    }

    /// Whether a demand for relief still asks for somebody: the shift is still held by its people, or the person is still on post there in the
    /// spell of work, at the level, for which it was demanded.
    #[must_use]
    pub fn relief_stands(&self, realm: &str, demand: &ReliefDemanded) -> bool {
        if demand.reason() == ReliefReason::ShiftEnd {
            let shift = self.ops.shifts.find(&demand.shift_id);
            return shift.is_some_and(|shift| self.ops.shifts.get(shift).phase == ShiftPhase::Held);
        }
        let found = self.base.responders.find(&demand.responder_id).zip(self.ops.realms.find(realm));
        let Some((person, realm)) = found else { return false };
        let realm = self.ops.realms.get(realm);
        let on_post = realm
            .presence
            .get(&person)
            .is_some_and(|seen| seen.place.is_some() && seen.place == self.place(&demand.site_id, &demand.whistle_id));
        on_post && realm.work.get(&person).is_some_and(|work| work.level == demand.level())
    }

    /// Whether a person has a duty in a realm: to whom an exercise may speak.
    #[must_use]
    pub fn serves_in(&self, responder_id: &str, realm: &str) -> bool {
        let found = self.base.responders.find(responder_id).zip(self.ops.realms.find(realm));
        found.is_some_and(|(person, realm)| !self.ops.duties(realm, person).is_empty())
    }

    /// Whether a person's data was erased.
    #[must_use]
    pub fn is_erased(&self, responder_id: &str) -> bool {
        let person = self.base.responders.find(responder_id);
        person.is_some_and(|person| self.base.erasures.get(&person) == Some(&Erasure::Erased))
    }

    /// What an area is called; empty for one that is not known.
    #[must_use]
    pub fn area_name(&self, area_id: &str) -> &str {
        self.base.areas.find(area_id).map_or("", |key| &*self.base.areas.get(key).name)
    }
}
