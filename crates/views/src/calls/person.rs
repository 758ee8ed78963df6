//! A call to a person, as small as it can be: a city's conversion gives tens of thousands at once, a province's a million.

use muster_proto::Event;
use muster_proto::v1::{self, CallPhase, DeliveryChannel};
use serde::{Deserialize, Serialize};

use super::cards::{CardRef, Cards};
use crate::areas::Node;
use crate::fact::Called;
use crate::ledger::{Entry, Ledger};
use crate::people::CallKey;
use crate::proto_bytes;
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
    plan_version: u32,
    /// A plan's card.
    card: CardRef,
    shift: Sym,
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
    more: Option<Box<More>>,
}

/// Wraps what is saved as a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct More(#[serde(with = "proto_bytes")] Extras);

/// What calls of a conversion do not have, at least until a delivery service tells of them.
#[derive(Clone, PartialEq, prost::Message)]
struct Extras {
    /// One that is not a plan's.
    #[prost(message, optional, tag = "1")]
    card: Option<v1::PostCard>,
    #[prost(message, optional, tag = "2")]
    rest_override: Option<v1::RestOverride>,
    #[prost(string, tag = "3")]
    fill_proposal_id: String,
    #[prost(string, tag = "4")]
    fill_line_id: String,
    #[prost(message, repeated, tag = "5")]
    deliveries: Vec<v1::CallDelivery>,
    /// `DeliveryChannel` as its number.
    #[prost(int32, tag = "6")]
    channel: i32,
    #[prost(message, repeated, tag = "7")]
    contacts: Vec<v1::TelephoneContact>,
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
    pub(super) part_confirmed: bool,
}

/// The call that a record of its delivery names.
pub(super) fn delivered_call(event: &Event) -> Option<&str> {
    Some(match event {
        Event::DeliveryRecorded(body) => &body.call_id,
        Event::NextChannelOrdered(body) => &body.call_id,
        Event::TelephoneRequested(body) => &body.call_id,
        _ => return None,
    })
}

impl Extras {
    fn reached(&mut self, event: &Event) {
        let channel = match event {
            Event::DeliveryRecorded(body) => {
                let told = v1::CallDelivery { channel: body.channel, outcome: body.outcome, attempted_at_ms: body.attempted_at_ms };
                match self.deliveries.binary_search_by_key(&told.channel, |known| known.channel) {
                    Ok(at) => self.deliveries[at] = told,
                    Err(at) => self.deliveries.insert(at, told),
                }
                body.channel
            }
            Event::NextChannelOrdered(body) => body.channel,
            Event::TelephoneRequested(body) => {
                self.contacts.clone_from(&body.contacts);
                DeliveryChannel::NamedContact.into()
            }
            _ => return,
        };
        self.channel = self.channel.max(channel);
    }
}

impl Call {
    pub(super) fn new(called: &Called, organization: Sym, part_confirmed: bool, cards: &Cards, entry: &Entry<'_>) -> Self {
        let rare = called.terms.rare.as_deref();
        let more = rare.map(|rare| {
            Box::new(More(Extras {
                card: rare.card.clone(),
                rest_override: rare.rest_override.clone(),
                fill_proposal_id: rare.fill_proposal_id.clone(),
                fill_line_id: rare.fill_line_id.clone(),
                ..Extras::default()
            }))
        });
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
            plan_version: terms.plan_version,
            card: cards.find(terms.plan, terms.plan_version, terms.card_key),
            shift: terms.shift,
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
                part_confirmed,
            },
            position: entry.fact.position.0,
            dirty: true,
            present: false,
            more,
        }
    }

    /// The part of a whistle that the call is for.
    pub(super) fn part(&self) -> (Sym, Sym) {
        (self.whistle, self.need)
    }

    /// Takes in a record of the call's delivery. Returns whether the row is another.
    pub(super) fn reached(&mut self, event: &Event) -> bool {
        let more = self.more.get_or_insert_with(|| Box::new(More(Extras::default())));
        let before = more.0.clone();
        more.0.reached(event);
        more.0 != before
    }

    /// Released, and no later record can change the row.
    pub(super) fn is_over(&self) -> bool {
        self.course.phase == CallPhase::Released && !self.course.no_show
    }

    pub(super) fn row(&self, realm: &str, cards: &Cards, ledger: &Ledger) -> v1::CallRow {
        let more = self.more.as_ref().map(|more| more.0.clone()).unwrap_or_default();
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
            card: more.card.or_else(|| cards.get(self.card)),
            plan_version: self.plan_version,
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
            deliveries: more.deliveries,
            channel: more.channel,
            contacts: more.contacts,
            lead: false,
            shift_id: name(self.shift),
            rest_override: more.rest_override,
            fill_proposal_id: more.fill_proposal_id,
            fill_line_id: more.fill_line_id,
            part_confirmed: course.part_confirmed,
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
