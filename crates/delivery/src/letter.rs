//! What is to be told to whom, as a record of the log says it, and the id under which it is told. It must never hold a personal field.

use std::fmt;
use std::str::FromStr;

use muster_proto::Event;
use muster_proto::v1::DeliveryChannel;

use crate::desk::LogPlace;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LetterKind {
    /// A person is called.
    Call,
    /// A person who was told to come need not come any more.
    Released,
    /// A person on post is told to come off.
    Recalled,
    /// A person is told to take shelter.
    Shelter,
    /// Somebody is asked to telephone a person who cannot be reached.
    Telephone,
    /// An organization is called.
    OrganizationCall,
    /// An area is asked to relieve somebody.
    Relief,
    /// A channel was ordered that no configured channel serves: nothing is sent, and the next one is asked for.
    Unserved,
}

impl LetterKind {
    /// Its name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Released => "released",
            Self::Recalled => "recalled",
            Self::Shelter => "shelter",
            Self::Telephone => "telephone",
            Self::OrganizationCall => "organization_call",
            Self::Relief => "relief",
            Self::Unserved => "unserved",
        }
    }
}

/// Whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// A person, by id.
    Person(String),
    /// Whoever the call is for; the record names the call alone.
    Called,
    /// An organization's duty office.
    Organization(String),
    /// An area's office.
    Area(String),
}

/// One message to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The record that it comes from.
    pub position: u64,
    /// Which of the record's letters it is.
    pub n: u16,
    /// When the record was made, Unix milliseconds.
    pub recorded_at_ms: i64,
    /// `actual` or an exercise.
    pub realm: String,
    /// What it is about.
    pub kind: LetterKind,
    /// The call to a person or an organization, empty for none.
    pub call_id: String,
    /// Whom it is for.
    pub recipient: Recipient,
    /// The channel on which the domain seeks the person by it: what becomes of the message is recorded under it.
    pub reach: Option<DeliveryChannel>,
    /// The channel of the domain by which it goes to a person; none for those who can telephone and for offices.
    pub on: Option<DeliveryChannel>,
    /// What was recorded.
    pub event: Event,
}

/// The id of a message: where in which log its record is, which of its letters it is, and the channel. The same for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId {
    /// The first eight digits of the log's identity.
    pub log: String,
    /// The epoch that the position is of.
    pub epoch: u32,
    /// The record.
    pub position: u64,
    /// Which of its letters.
    pub n: u16,
    /// The channel's name.
    pub channel: String,
}

/// It is no id of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no id of a message")]
pub struct IdFault;

impl MessageId {
    /// The id of a letter on a channel.
    #[must_use]
    pub fn of(place: &LogPlace, position: u64, n: u16, channel: &str) -> Self {
        Self { log: place.short().to_owned(), epoch: place.epoch, position, n, channel: channel.to_owned() }
    }

    /// Whether it is of this log and epoch: numbers of another may be somebody else's.
    #[must_use]
    pub fn is_of(&self, place: &LogPlace) -> bool {
        self.log == place.short() && self.epoch == place.epoch
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg_{}_{}_{}_{}_{}", self.log, self.epoch, self.position, self.n, self.channel)
    }
}

impl FromStr for MessageId {
    type Err = IdFault;

    fn from_str(text: &str) -> Result<Self, IdFault> {
        let mut parts = text.strip_prefix("msg_").ok_or(IdFault)?.splitn(5, '_');
        let mut next = || parts.next().ok_or(IdFault);
        let log = next()?.to_owned();
        let (epoch, position, n) = (next()?, next()?, next()?);
        let channel = next()?.to_owned();
        let found = Self {
            log,
            epoch: epoch.parse().map_err(|_| IdFault)?,
            position: position.parse().map_err(|_| IdFault)?,
            n: n.parse().map_err(|_| IdFault)?,
            channel,
        };
        // One message has one id: what reads the same and is written otherwise is none.
        if found.to_string() == text { Ok(found) } else { Err(IdFault) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let place = LogPlace { id: "00ff00ff11111111".into(), epoch: 2 };
        let id = MessageId::of(&place, 42, 1, "sms-1");
        assert_eq!(id.to_string(), "msg_00ff00ff_2_42_1_sms-1");
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        assert!(id.is_of(&place));
        assert!(!id.is_of(&LogPlace { epoch: 3, ..place.clone() }) && !id.is_of(&LogPlace { id: "01ff00ff".into(), ..place }));
        for bad in ["", "msg_", "msg_00ff00ff_2_42_1", "msg_00ff00ff_2_+42_1_sms", "msg_00ff00ff_2_042_1_sms", "msg_a_2_x_1_sms", "c1"] {
            assert_eq!(bad.parse::<MessageId>(), Err(IdFault), "{bad}");
        }
    }
}
