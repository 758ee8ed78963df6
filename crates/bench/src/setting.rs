//! What all rows share: how many rounds, how large, and where.

use crate::folder::Scratch;
use crate::limits;

/// How a run is done.
pub(crate) struct Setting<'a> {
    /// Rounds that are counted; one more warms up where caches matter.
    pub(crate) rounds: usize,
    /// Smaller work, for a look; its figures are not to be compared.
    pub(crate) quick: bool,
    /// Earlier moments of a log of ten million records.
    pub(crate) ten_million: bool,
    pub(crate) scratch: &'a Scratch,
}

impl Setting<'_> {
    /// Commands of one in-process client in one round.
    pub(crate) const fn client_commands(&self) -> usize {
        if self.quick { limits::CLIENT_COMMANDS_QUICK } else { limits::CLIENT_COMMANDS }
    }

    /// Commands of one HTTP client in one round.
    pub(crate) const fn http_commands(&self) -> usize {
        if self.quick { limits::HTTP_COMMANDS_QUICK } else { limits::HTTP_COMMANDS }
    }

    /// Records of the longest history.
    pub(crate) const fn history_records(&self) -> u64 {
        if self.quick { limits::HISTORY_RECORDS_QUICK } else { limits::HISTORY_RECORDS }
    }

    /// Check-ins of one round that are waited for at a bucket.
    pub(crate) const fn kv_commands(&self) -> usize {
        if self.quick { limits::KV_COMMANDS_QUICK } else { limits::KV_COMMANDS }
    }

    /// Records of the log whose earlier moments are asked for.
    pub(crate) const fn as_of_records(&self) -> u64 {
        match (self.ten_million, self.quick) {
            (true, _) => limits::AS_OF_RECORDS_FLAGGED,
            (false, true) => limits::AS_OF_RECORDS_QUICK,
            (false, false) => limits::AS_OF_RECORDS,
        }
    }

    /// Check-ins of one round that live subscribers are told of.
    pub(crate) const fn live_commands(&self) -> usize {
        if self.quick { limits::LIVE_COMMANDS_QUICK } else { limits::LIVE_COMMANDS }
    }

    /// Live subscribers that are told of them.
    pub(crate) const fn live_subscribers(&self) -> usize {
        if self.quick { limits::LIVE_SUBSCRIBERS_QUICK } else { limits::LIVE_SUBSCRIBERS }
    }

    /// Live subscribers that are held.
    pub(crate) const fn held_subscribers(&self) -> usize {
        if self.quick { limits::HELD_SUBSCRIBERS_QUICK } else { limits::HELD_SUBSCRIBERS }
    }

    /// Records relayed in one round.
    pub(crate) const fn relayed_records(&self) -> u64 {
        if self.quick { limits::RELAYED_RECORDS_QUICK } else { limits::RELAYED_RECORDS }
    }
}
