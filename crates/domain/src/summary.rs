//! What a person who is called is told of the call, from the state. It must never hold anything about the person.

use muster_proto::v1::DutyRole;

use crate::ids::CallRef;
use crate::state::{CallPhase, State};

/// A call to a person, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSummary {
    /// Who is called.
    pub responder_id: String,
    /// `actual` or the exercise.
    pub realm: String,
    /// Empty for none, as the ids below.
    pub incident_id: String,
    /// The post's area.
    pub area_id: String,
    /// The site to go to.
    pub site_id: String,
    /// The seat there.
    pub seat_id: String,
    /// The whistle that is answered.
    pub whistle_id: String,
    /// The unit to join.
    pub unit_id: String,
    /// As what.
    pub role: DutyRole,
    /// When it begins, Unix milliseconds.
    pub from_ms: i64,
    /// When it ends, 0 for until released.
    pub until_ms: i64,
    /// Where it is in its life.
    pub phase: CallStanding,
}

/// Where a call is in its life, as far as an answer to it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStanding {
    /// No answer yet; an acknowledgement is none.
    Open,
    /// Accepted, or on post already.
    Accepted,
    /// Called off: ends with the check-out.
    Recalled,
    /// Over, whatever ended it.
    Over,
}

impl State {
    /// The call to a person of that id (`c1`), if there is one.
    #[must_use]
    pub fn call_summary(&self, call_id: &str) -> Option<CallSummary> {
        let call = self.ops.calls.find(CallRef::parse(call_id)?)?;
        let site = call.site.map(|key| (self.ops.sites.id(key), self.ops.sites.get(key)));
        Some(CallSummary {
            responder_id: self.base.responders.id(call.responder).to_owned(),
            realm: self.realm_name(call.realm).to_owned(),
            incident_id: call.incident.map(|key| self.ops.incidents.id(key).to_owned()).unwrap_or_default(),
            area_id: self.base.areas.id(call.area).to_owned(),
            site_id: site.map(|(id, _)| id.to_owned()).unwrap_or_default(),
            seat_id: call.seat.as_deref().unwrap_or_default().to_owned(),
            whistle_id: call.whistle.map(|key| self.ops.whistles.id(key).to_owned()).unwrap_or_default(),
            unit_id: call.unit.map(|key| self.ops.units.id(key).to_owned()).unwrap_or_default(),
            role: call.role,
            from_ms: call.from_ms,
            until_ms: call.until_ms,
            phase: match call.phase {
                CallPhase::Summoned | CallPhase::Acknowledged => CallStanding::Open,
                CallPhase::Accepted | CallPhase::OnPost => CallStanding::Accepted,
                CallPhase::Recalled => CallStanding::Recalled,
                CallPhase::Released => CallStanding::Over,
            },
        })
    }
}
