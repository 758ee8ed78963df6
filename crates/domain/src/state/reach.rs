//! 找得到人: what became of a call on each channel, and which channel is waited on. Small, for a conversion makes tens of thousands of calls.

use muster_proto::v1::{DeliveryChannel, DeliveryOutcome};
use serde::{Deserialize, Serialize};

/// The outcomes told of one call, one bit for each channel and outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deliveries(u32);

/// Outcomes of one channel.
const OUTCOMES: u32 = 5;
/// Nothing more is tried: the person answered, or people who can telephone were asked.
const OVER: u32 = 1 << 31;

fn bit(channel: DeliveryChannel, outcome: DeliveryOutcome) -> u32 {
    // Neither is unset where it comes from a decision.
    let at = |number: i32| u32::try_from(number - 1).unwrap_or(0);
    1 << (at(channel.into()) * OUTCOMES + at(outcome.into()))
}

impl Deliveries {
    pub(crate) fn told(self, channel: DeliveryChannel, outcome: DeliveryOutcome) -> bool {
        self.0 & bit(channel, outcome) != 0
    }

    pub(crate) fn tell(&mut self, channel: DeliveryChannel, outcome: DeliveryOutcome) {
        self.0 |= bit(channel, outcome);
    }

    /// Whether anything was told of the channel.
    pub(crate) fn tried(self, channel: DeliveryChannel) -> bool {
        let all = (1 << OUTCOMES) - 1;
        self.0 & (bit(channel, DeliveryOutcome::Sent) * all) != 0
    }

    pub(crate) fn is_over(self) -> bool {
        self.0 & OVER != 0
    }

    pub(crate) fn end(&mut self) {
        self.0 |= OVER;
    }
}

/// The channel that is waited on, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reach {
    #[serde(with = "crate::words::number")]
    pub(crate) channel: DeliveryChannel,
    pub(crate) due_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_of_every_channel_has_a_bit_of_its_own() {
        let channels =
            [DeliveryChannel::App, DeliveryChannel::Sms, DeliveryChannel::Voice, DeliveryChannel::Robot, DeliveryChannel::NamedContact];
        let outcomes =
            [DeliveryOutcome::Sent, DeliveryOutcome::Delivered, DeliveryOutcome::Read, DeliveryOutcome::Answered, DeliveryOutcome::Failed];
        let mut all = Deliveries::default();
        for channel in channels {
            assert!(!all.tried(channel));
            for outcome in outcomes {
                assert!(!all.told(channel, outcome), "{channel:?} {outcome:?} shares its bit");
                all.tell(channel, outcome);
                assert!(all.told(channel, outcome) && all.tried(channel) && !all.is_over());
            }
        }
        all.end();
        assert!(all.is_over());
    }
}
