//! A call to a person, as small as it can be: a city's conversion gives tens of thousands at once, a province's a million.

use muster_proto::v1::{self, CallPhase};
use serde::{Deserialize, Serialize};

use crate::areas::Node;
use crate::fact::Called;
use crate::ledger::{Entry, Ledger};
use crate::people::CallKey;
use crate::symbols::Sym;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) key: CallKey,
    person: Sym,
    organization: Sym,
    incident: Sym,
    unit: Sym,
    site: Sym,
    seat: Sym,
    whistle: Sym,
    need: Sym,
    area: Node,
    plan: Sym,
    released_by: Sym,
    role: i32,
    tier: i32,
    reason: i32,
    from_ms: i64,
    until_ms: i64,
    called_at_ms: i64,
    reply_due_ms: i64,
    pub(super) organization_call: CallKey,
    pub(super) course: Course,
    pub(super) position: u64,
    pub(super) dirty: bool,
    /// Its holder is present at it.
    pub(super) present: bool,
}

/// What of a row a record can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Course {
    #[serde(with = "phase")]
    pub(super) phase: CallPhase,
    pub(super) release_reason: i32,
    pub(super) acknowledged_at_ms: i64,
    pub(super) accepted_at_ms: i64,
    pub(super) arrived_at_ms: i64,
    pub(super) released_at_ms: i64,
    pub(super) estimated_arrival_ms: i64,
    pub(super) recalled: bool,
    pub(super) no_show: bool,
    pub(super) unanswered: bool,
    pub(super) unconfirmed: bool,
}

impl Call {
    pub(super) fn new(called: &Called, organization: Sym, entry: &Entry<'_>) -> Self {
        let terms = &called.terms;
        Self {
            key: called.call,
            person: called.person,
            organization,
            incident: called.incident,
            unit: called.unit,
            site: called.site,
            seat: called.seat,
            whistle: called.whistle,
            need: called.need,
            area: entry.area.unwrap_or_default(),
            plan: terms.plan,
            released_by: terms.released_by,
            role: called.role,
            tier: terms.tier,
            reason: terms.reason,
            from_ms: terms.from_ms,
            until_ms: terms.until_ms,
            called_at_ms: entry.fact.recorded_at_ms,
            reply_due_ms: terms.reply_due_ms,
            organization_call: terms.organization_call,
            course: Course {
                phase: CallPhase::Summoned,
                release_reason: 0,
                acknowledged_at_ms: 0,
                accepted_at_ms: 0,
                arrived_at_ms: 0,
                released_at_ms: 0,
                estimated_arrival_ms: 0,
                recalled: false,
                no_show: false,
                unanswered: false,
                unconfirmed: false,
            },
            position: entry.fact.position.0,
            dirty: true,
            present: false,
        }
    }

    /// Released, and no later record can change the row.
    pub(super) fn is_over(&self) -> bool {
        self.course.phase == CallPhase::Released && !self.course.no_show
    }

    pub(super) fn row(&self, realm: &str, ledger: &Ledger) -> v1::CallRow {
        let name = |sym: Sym| ledger.names.name(sym).to_owned();
        let course = &self.course;
        v1::CallRow {
            realm: realm.to_owned(),
            call_id: self.key.text(&ledger.names),
            responder_id: name(self.person),
            organization_id: name(self.organization),
            incident_id: name(self.incident),
            role: self.role,
            unit_id: name(self.unit),
            site_id: name(self.site),
            seat_id: name(self.seat),
            whistle_id: name(self.whistle),
            need_id: name(self.need),
            area_id: ledger.tree.id(self.area).to_owned(),
            tier: self.tier,
            reason: self.reason,
            plan_id: name(self.plan),
            phase: course.phase.into(),
            release_reason: course.release_reason,
            from_ms: self.from_ms,
            until_ms: self.until_ms,
            called_at_ms: self.called_at_ms,
            acknowledged_at_ms: course.acknowledged_at_ms,
            accepted_at_ms: course.accepted_at_ms,
            arrived_at_ms: course.arrived_at_ms,
            released_at_ms: course.released_at_ms,
            reply_due_ms: self.reply_due_ms,
            overdue: course.unanswered && course.phase != CallPhase::Released,
            estimated_arrival_ms: course.estimated_arrival_ms,
            no_show: course.no_show,
            unanswered: course.unanswered,
            unconfirmed: course.unconfirmed,
            organization_call_id: self.organization_call.text(&ledger.names),
            released_by_area_id: name(self.released_by),
            quantity: 0,
            named: 0,
            present: 0,
            missing: 0,
            position: self.position,
        }
    }
}

/// The phase is saved as its number.
mod phase {
    use muster_proto::v1::CallPhase;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(phase: &CallPhase, serializer: S) -> Result<S::Ok, S::Error> {
        i32::from(*phase).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CallPhase, D::Error> {
        CallPhase::try_from(i32::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
