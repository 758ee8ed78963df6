//! Reach 找得到人: unanswered on one channel, the next; after the last, the people who can telephone. It starts with the first message that
//! a delivery service sent: without one nothing is waited for.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::{self, AreaLevel, ContactKind, DeliveryChannel, DeliveryOutcome, TelephoneContact};

use crate::execute::{Draft, Now};
use crate::ids::{AreaRef, CallRef, ResponderRef};
use crate::limits;
use crate::state::{Call, CallPhase, State};

/// The channels that a delivery service can be told to try, in their order.
const ORDER: [DeliveryChannel; 4] = [DeliveryChannel::App, DeliveryChannel::Sms, DeliveryChannel::Voice, DeliveryChannel::Robot];

/// How long a channel may stay unanswered.
pub(crate) fn limit_ms(state: &State, call: &Call, channel: DeliveryChannel) -> i64 {
    let life = call.whistle.is_some_and(|whistle| state.ops.whistles.get(whistle).life_threatening);
    match channel {
        _ if life => limits::REACH_LIFE_MS,
        DeliveryChannel::App => limits::REACH_APP_MS,
        DeliveryChannel::Sms => limits::REACH_SMS_MS,
        _ => limits::REACH_VOICE_MS,
    }
}

/// Whether the person is still being sought: asked, silent, and channels are left.
pub(crate) fn seeking(state: &State, key: CallRef) -> bool {
    let over = state.ops.deliveries.get(&key).is_some_and(|told| told.is_over());
    state.ops.calls.get(key).phase == CallPhase::Summoned && !over
}

/// A channel that failed is not waited on.
pub(super) fn after_delivery(state: &State, now: &Now<'_>, body: &v1::DeliveryRecorded) -> Vec<Draft> {
    let Some(key) = CallRef::parse(&body.call_id).filter(|key| state.ops.calls.find(*key).is_some()) else { return Vec::new() };
    let channel = body.channel();
    // What failed before another channel was tried changes nothing.
    let behind = state.ops.reaching.get(&key).is_some_and(|reach| reach.channel > channel);
    let failed = body.outcome() == DeliveryOutcome::Failed && channel != DeliveryChannel::NamedContact;
    if failed && !behind && seeking(state, key) { vec![onward(state, now, key, channel)] } else { Vec::new() }
}

/// Nobody answered in time.
pub(super) fn unanswered(state: &State, now: &Now<'_>, key: CallRef) -> Vec<Draft> {
    let channel = state.ops.reaching.get(&key).map_or(DeliveryChannel::Robot, |reach| reach.channel);
    vec![onward(state, now, key, channel)]
}

/// The next channel that nothing was tried on, or the people who can telephone.
fn onward(state: &State, now: &Now<'_>, key: CallRef, former: DeliveryChannel) -> Draft {
    let call = state.ops.calls.get(key);
    let told = state.ops.deliveries.get(&key).copied().unwrap_or_default();
    let responder_id = state.base.responders.id(call.responder).to_owned();
    let next = ORDER.into_iter().find(|channel| *channel > former && !told.tried(*channel));
    let event = match next {
        Some(channel) => Event::NextChannelOrdered(v1::NextChannelOrdered {
            call_id: key.text(),
            responder_id,
            channel: channel.into(),
            former_channel: former.into(),
            answer_due_ms: now.recorded_at_ms + limit_ms(state, call, channel),
        }),
        None => {
            Event::TelephoneRequested(v1::TelephoneRequested { call_id: key.text(), responder_id, contacts: contacts(state, now, call) })
        }
    };
    let mut draft = Draft::new(event, call.realm, Some(call.area));
    // The village that the person is at home in can knock at the door.
    draft.other_area_ids.extend(state.base.home_of(call.responder).map(|home| state.base.areas.id(home).to_owned()));
    draft
}

/// Who can telephone, each with the reason: office-holders of the person's organization, the unit's secretary, who answers for the village; then
/// the offices. Nobody is named twice, and nobody is asked to ring up themselves.
fn contacts(state: &State, now: &Now<'_>, call: &Call) -> Vec<TelephoneContact> {
    let base = &state.base;
    let person = base.responders.get(call.responder);
    let mut named = BTreeSet::from([call.responder]);
    let mut contacts = Vec::new();
    let mut add = |who: ResponderRef, contact: TelephoneContact| {
        if contacts.len() < limits::TELEPHONE_PEOPLE_MAX && named.insert(who) {
            contacts.push(TelephoneContact { responder_id: base.responders.id(who).to_owned(), ..contact });
        }
    };
    let area_id = |area: AreaRef| base.areas.id(area).to_owned();
    let organization = person.organization.map(|key| (base.organizations.id(key), base.organizations.get(key)));
    for (office, holder) in organization.iter().flat_map(|(_, organization)| &organization.holders) {
        let organization_id = organization.map(|(id, _)| id.to_owned()).unwrap_or_default();
        let kind = ContactKind::OfficeHolder.into();
        add(*holder, TelephoneContact { kind, organization_id, office: office.to_string(), ..Default::default() });
    }
    let unit = call.unit.or_else(|| state.ops.incidents.get(call.incident?).home_units.get(&call.responder).copied());
    if let Some(secretary) = unit.and_then(|unit| state.ops.units.get(unit).secretary) {
        add(secretary, TelephoneContact { kind: ContactKind::Secretary.into(), ..Default::default() });
    }
    let home = person.area.into_iter().flat_map(|area| base.ancestry(area));
    for area in home.take_while(|area| base.areas.get(*area).level as i32 >= AreaLevel::Village as i32) {
        for (responsibility, who) in base.responsible(area, now.recorded_at_ms) {
            let kind = ContactKind::Responsible.into();
            add(who, TelephoneContact { kind, area_id: area_id(area), responsibility: responsibility.into(), ..Default::default() });
        }
    }
    contacts.extend(organization.map(|(id, organization)| TelephoneContact {
        kind: ContactKind::Organization.into(),
        organization_id: id.to_owned(),
        area_id: organization.area.map(area_id).unwrap_or_default(),
        ..Default::default()
    }));
    let home = area_id(person.area.unwrap_or(call.area));
    contacts.push(TelephoneContact { kind: ContactKind::Area.into(), area_id: home, ..Default::default() });
    contacts
}
