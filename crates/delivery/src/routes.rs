//! Which letters a record makes, and which channel takes them. Decided from the record and the configuration alone, so that the same record
//! makes the same letters at any time. It must never decide which channel is tried next: the domain orders that.

use muster_proto::v1::{ContactKind, DeliveryChannel, Envelope, ReleaseReason};
use muster_proto::{Event, decode, event_tag, peek};

use crate::config::{Channel, Delivery, Serves};
use crate::letter::{Letter, LetterKind, Recipient};

/// The channels on which a person is sought, in the domain's order.
const ORDER: [DeliveryChannel; 4] = [DeliveryChannel::App, DeliveryChannel::Sms, DeliveryChannel::Voice, DeliveryChannel::Robot];

/// The events that make letters.
const EVENTS: [&str; 8] = [
    "ResponderCalled",
    "NextChannelOrdered",
    "TelephoneRequested",
    "OrganizationCalled",
    "ReliefDemanded",
    "ResponderRecalled",
    "DutyReleased",
    "ShelterOrdered",
];

/// Routes letters to channels.
#[derive(Debug)]
pub struct Routes {
    channels: Vec<Channel>,
    tags: Vec<u32>,
}

/// A letter before it is known whether the channel takes it.
struct Draft {
    kind: LetterKind,
    serves: Serves,
    call_id: String,
    recipient: Recipient,
}

impl Routes {
    /// The routes of a configuration.
    #[must_use]
    pub fn new(delivery: &Delivery) -> Self {
        Self { channels: delivery.channels.clone(), tags: EVENTS.iter().filter_map(|name| event_tag(name)).collect() }
    }

    /// The channels.
    #[must_use]
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// The letters that a record makes for the channel of that index; none for a record that cannot be read: whoever must understand it stops.
    #[must_use]
    pub fn letters(&self, channel: usize, record: &[u8]) -> Vec<Letter> {
        if !peek(record).is_ok_and(|found| self.tags.contains(&found.event_tag)) {
            return Vec::new();
        }
        decode(record).map(|envelope| self.of(channel, &envelope)).unwrap_or_default()
    }

    /// One of them by its number, where the channel takes it.
    #[must_use]
    pub fn letter(&self, channel: usize, record: &[u8], n: u16) -> Option<Letter> {
        self.letters(channel, record).into_iter().find(|letter| letter.n == n)
    }

    fn of(&self, channel: usize, envelope: &Envelope) -> Vec<Letter> {
        let (Some(channel), Some(event)) = (self.channels.get(channel), &envelope.event) else { return Vec::new() };
        let realm = envelope.realm.as_str();
        if !channel.realms.allow(realm) {
            return Vec::new();
        }
        let drafts = self.drafts(event, realm);
        let taken = drafts.into_iter().enumerate().filter(|(_, draft)| channel.serves.contains(&draft.serves));
        taken
            .map(|(n, draft)| Letter {
                position: envelope.position,
                n: u16::try_from(n).unwrap_or(u16::MAX),
                recorded_at_ms: envelope.recorded_at_ms,
                realm: realm.to_owned(),
                reach: reach(&draft, event),
                on: if let Serves::Person(on) = draft.serves { Some(on) } else { None },
                kind: draft.kind,
                call_id: draft.call_id,
                recipient: draft.recipient,
                event: event.clone(),
            })
            .collect()
    }

    /// Every letter of an event, whoever takes it: their numbers do not depend on the configuration.
    fn drafts(&self, event: &Event, realm: &str) -> Vec<Draft> {
        let person = |kind, serves, call_id: &str, responder_id: &str| Draft {
            kind,
            serves: Serves::Person(serves),
            call_id: call_id.to_owned(),
            recipient: if responder_id.is_empty() { Recipient::Called } else { Recipient::Person(responder_id.to_owned()) },
        };
        let first = self.first(realm);
        let to_first =
            |kind, call_id: &str, responder_id: &str| first.map(|on| person(kind, on, call_id, responder_id)).into_iter().collect();
        // Nobody waits for an answer, and nobody may miss it: it goes out on all channels at once. Whoever sends passes over those on which a
        // person need not hear of it.
        let to_all = |kind, call_id: &str, responder_id: &str| ORDER.map(|on| person(kind, on, call_id, responder_id)).into();
        match event {
            Event::ResponderCalled(body) => to_first(LetterKind::Call, &body.call_id, &body.responder_id),
            Event::NextChannelOrdered(body) if self.serves(body.channel(), realm) => {
                vec![person(LetterKind::Call, body.channel(), &body.call_id, &body.responder_id)]
            }
            Event::NextChannelOrdered(body) => to_first(LetterKind::Unserved, &body.call_id, &body.responder_id),
            Event::ResponderRecalled(body) => to_all(LetterKind::Recalled, &body.call_id, ""),
            Event::DutyReleased(body) if is_news(body.reason()) => to_all(LetterKind::Released, &body.call_id, &body.responder_id),
            Event::ShelterOrdered(body) => to_all(LetterKind::Shelter, &body.call_id, &body.responder_id),
            Event::TelephoneRequested(body) => body
                .contacts
                .iter()
                .map(|contact| Draft {
                    kind: LetterKind::Telephone,
                    serves: Serves::Contact,
                    call_id: body.call_id.clone(),
                    recipient: match contact.kind() {
                        ContactKind::Organization => Recipient::Organization(contact.organization_id.clone()),
                        ContactKind::Area => Recipient::Area(contact.area_id.clone()),
                        _ => Recipient::Person(contact.responder_id.clone()),
                    },
                })
                .collect(),
            Event::OrganizationCalled(body) => vec![Draft {
                kind: LetterKind::OrganizationCall,
                serves: Serves::Office,
                call_id: body.call_id.clone(),
                recipient: Recipient::Organization(body.organization_id.clone()),
            }],
            Event::ReliefDemanded(body) => vec![Draft {
                kind: LetterKind::Relief,
                serves: Serves::Office,
                call_id: body.call_id.clone(),
                recipient: Recipient::Area(body.area_id.clone()),
            }],
            _ => Vec::new(),
        }
    }

    /// Whether some channel serves people of a realm by that channel of the domain.
    #[must_use]
    pub fn serves(&self, on: DeliveryChannel, realm: &str) -> bool {
        self.channels.iter().any(|channel| channel.serves.contains(&Serves::Person(on)) && channel.realms.allow(realm))
    }

    fn first(&self, realm: &str) -> Option<DeliveryChannel> {
        ORDER.into_iter().find(|on| self.serves(*on, realm))
    }
}

/// What becomes of it is recorded where the domain waits for the person to answer, and where somebody is asked to telephone.
fn reach(draft: &Draft, event: &Event) -> Option<DeliveryChannel> {
    match (draft.kind, draft.serves, event) {
        (LetterKind::Unserved, _, Event::NextChannelOrdered(body)) => Some(body.channel()),
        (LetterKind::Call, Serves::Person(on), _) => Some(on),
        (LetterKind::Telephone, _, _) => Some(DeliveryChannel::NamedContact),
        _ => None,
    }
}

/// Whether a release is news to whoever was called: not what they did themselves, nor what they were told before.
fn is_news(reason: ReleaseReason) -> bool {
    !matches!(
        reason,
        ReleaseReason::Unspecified
            | ReleaseReason::Declined
            | ReleaseReason::NoShow
            | ReleaseReason::CheckedOut
            | ReleaseReason::Withdrawn
            | ReleaseReason::Unavailable
            | ReleaseReason::PeriodOver
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use muster_proto::v1::{self, TelephoneContact};

    use super::*;
    use crate::config::Settings;

    fn routes(channels: &[(&str, &str, &str)]) -> Routes {
        let channel = |(name, serves, realms): &(&str, &str, &str)| {
            format!(
                "[[channel]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"https://h/\"\nserves = [{serves}]\nrealms = [{realms}]\n\
                 secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n"
            )
        };
        let settings: Settings = toml::from_str(&channels.iter().map(channel).collect::<String>()).unwrap();
        Routes::new(&settings.check().unwrap())
    }

    fn of(routes: &Routes, channel: usize, realm: &str, event: Event) -> Vec<(u16, LetterKind, Option<DeliveryChannel>)> {
        let envelope = Envelope { position: 7, realm: realm.into(), event: Some(event), ..Envelope::default() };
        routes.of(channel, &envelope).into_iter().map(|letter| (letter.n, letter.kind, letter.reach)).collect()
    }

    fn called() -> Event {
        Event::ResponderCalled(v1::ResponderCalled { call_id: "c1".into(), responder_id: "r".into(), ..Default::default() })
    }

    fn ordered(channel: DeliveryChannel) -> Event {
        Event::NextChannelOrdered(v1::NextChannelOrdered { call_id: "c1".into(), channel: channel.into(), ..Default::default() })
    }

    #[test]
    fn a_call_goes_to_the_first_channel_and_the_ordered_ones_follow() {
        let routes = routes(&[("voice", "\"voice\"", "\"actual\""), ("sms", "\"sms\"", "\"actual\"")]);
        let call = |on| vec![(0, LetterKind::Call, Some(on))];
        assert_eq!(of(&routes, 1, "actual", called()), call(DeliveryChannel::Sms), "nothing serves the app");
        assert_eq!(of(&routes, 0, "actual", called()), []);
        assert_eq!(of(&routes, 0, "actual", ordered(DeliveryChannel::Voice)), call(DeliveryChannel::Voice));
        assert_eq!(of(&routes, 1, "actual", ordered(DeliveryChannel::Voice)), []);
        let unserved = vec![(0, LetterKind::Unserved, Some(DeliveryChannel::Robot))];
        assert_eq!(of(&routes, 1, "actual", ordered(DeliveryChannel::Robot)), unserved, "the first channel says so");
        assert_eq!(of(&routes, 0, "actual", ordered(DeliveryChannel::Robot)), []);
    }

    #[test]
    fn an_exercise_stays_with_channels_that_allow_it() {
        let routes = routes(&[("app", "\"app\"", "\"actual\""), ("drill", "\"app\"", "\"exercises\""), ("one", "\"sms\"", "\"d2\"")]);
        assert_eq!(of(&routes, 0, "d1", called()), []);
        assert_eq!(of(&routes, 1, "d1", called()).len(), 1);
        assert_eq!(of(&routes, 1, "actual", called()), []);
        assert_eq!(of(&routes, 2, "d2", ordered(DeliveryChannel::Sms)).len(), 1);
        assert_eq!(of(&routes, 2, "d1", ordered(DeliveryChannel::Sms)), []);
    }

    #[test]
    fn whoever_can_telephone_gets_a_letter_each_with_numbers_of_their_own() {
        let routes = routes(&[("group", "\"contact\", \"office\"", "\"actual\""), ("app", "\"app\"", "\"actual\"")]);
        let contact = |kind: ContactKind| TelephoneContact { kind: kind.into(), responder_id: "s".into(), ..Default::default() };
        let contacts = vec![contact(ContactKind::Secretary), contact(ContactKind::Organization), contact(ContactKind::Area)];
        let event = Event::TelephoneRequested(v1::TelephoneRequested { call_id: "c1".into(), contacts, ..Default::default() });
        let letters = of(&routes, 0, "actual", event.clone());
        assert_eq!(letters.iter().map(|(n, _, _)| *n).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(letters.iter().all(|(_, _, reach)| *reach == Some(DeliveryChannel::NamedContact)));
        assert_eq!(of(&routes, 1, "actual", event), []);
    }

    #[test]
    fn only_releases_that_are_news_are_told_and_what_nobody_may_miss_goes_everywhere() {
        let routes = routes(&[("app", "\"app\", \"sms\"", "\"actual\""), ("voice", "\"voice\"", "\"actual\"")]);
        let released = |reason: ReleaseReason| Event::DutyReleased(v1::DutyReleased { reason: reason.into(), ..Default::default() });
        for (kind, event) in [
            (LetterKind::Released, released(ReleaseReason::StandDown)),
            (LetterKind::Recalled, Event::ResponderRecalled(v1::ResponderRecalled::default())),
            (LetterKind::Shelter, Event::ShelterOrdered(v1::ShelterOrdered::default())),
        ] {
            assert_eq!(of(&routes, 0, "actual", event.clone()), [(0, kind, None), (1, kind, None)]);
            assert_eq!(of(&routes, 1, "actual", event), [(2, kind, None)]);
        }
        assert_eq!(of(&routes, 0, "actual", released(ReleaseReason::Declined)), []);
        assert_eq!(of(&routes, 0, "actual", Event::CallAccepted(v1::CallAccepted::default())), []);
    }
}
