//! 找得到人: what the delivery service and those who telephone say of calls that nobody answers. Owns what is told of a channel; must never
//! accept for anybody who was not spoken to.

use muster_proto::Event;
use muster_proto::v1::{DeliveryChannel, DeliveryOutcome};
use serde_json::json;

use super::agenda::Guard;
use super::{Director, MINUTE_MS, Observer};
use crate::command::Voice;
use crate::stage::Stage;
use crate::tree::CITY;

/// Silent people whose calls the service tells of; of all others nothing is heard.
const SOUGHT_MAX: usize = 8;

impl<S: Stage, O: Observer> Director<'_, S, O> {
    /// The service sends the first message, and learns a while later that it never arrived.
    pub(super) fn seek(&mut self, call_id: &str) {
        if self.sought.len() >= SOUGHT_MAX || !self.sought.insert(call_id.to_owned()) {
            return;
        }
        self.tell(call_id, DeliveryChannel::App, DeliveryOutcome::Sent, 0);
        // By then the text message is on its way: what is told of the app changes nothing any more.
        self.tell(call_id, DeliveryChannel::App, DeliveryOutcome::Failed, 6);
    }

    pub(super) fn react_to_delivery(&mut self, event: &Event) {
        match event {
            Event::NextChannelOrdered(body) if self.sought.contains(&body.call_id) => self.try_channel(&body.call_id, body.channel()),
            Event::TelephoneRequested(body) if self.sought.contains(&body.call_id) => self.telephone(&body.call_id),
            _ => {}
        }
    }

    fn try_channel(&mut self, call_id: &str, channel: DeliveryChannel) {
        self.tell(call_id, channel, DeliveryOutcome::Sent, 0);
        match channel {
            // Delivered, and not read.
            DeliveryChannel::Sms => self.tell(call_id, channel, DeliveryOutcome::Delivered, 1),
            DeliveryChannel::Voice | DeliveryChannel::Robot => self.tell(call_id, channel, DeliveryOutcome::Failed, 1),
            _ => {}
        }
    }

    /// Somebody who knows the person rings. Every second one is reached, and comes.
    fn telephone(&mut self, call_id: &str) {
        let Some(call) = self.mirror.calls.get(call_id) else { return };
        let (person, area, place) = (call.body.responder_id.clone(), call.body.area_id.clone(), call.place.clone());
        let Some(place) = place.filter(|_| self.sought.len() % 2 == 1) else { return };
        self.tell(call_id, DeliveryChannel::NamedContact, DeliveryOutcome::Answered, 2);
        let arrival_ms = self.now_ms + 30 * MINUTE_MS;
        let voice = Voice::office(&area, "镇街值班员").by_telephone("同事电话叫应");
        let body = json!({"call_id": call_id, "estimated_arrival_ms": arrival_ms.to_string()});
        let open = || Guard::CallOpen(call_id.to_owned());
        self.later(3, open(), voice.says("AcceptCall", format!("y3-{call_id}"), body));
        self.later(30, open(), super::calls::check_in(format!("i5-{call_id}"), &person, &place, None));
    }

    /// What became of the call on a channel, told twice: services repeat themselves.
    fn tell(&mut self, call_id: &str, channel: DeliveryChannel, outcome: DeliveryOutcome, minutes: i64) {
        let told = |again: &str| {
            let id = format!("m-{call_id}-{}-{}{again}", i32::from(channel), i32::from(outcome));
            let body = json!({
                "call_id": call_id,
                "channel": channel.as_str_name(),
                "outcome": outcome.as_str_name(),
                "reference": format!("sms-{call_id}"),
            });
            Voice::office(CITY, "叫应平台").says("RecordDelivery", id, body)
        };
        let (first, second) = (told(""), told("-again"));
        self.later(minutes, Guard::CallOpen(call_id.to_owned()), first);
        self.later(minutes, Guard::CallOpen(call_id.to_owned()), second);
    }
}
