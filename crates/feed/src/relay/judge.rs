//! What the state of the stream means for this log: go on, make it, make it anew, or keep away from it.
//!
//! Pure: facts in, verdict out. It must never allow the removal of a stream that is not provably this log's.

use muster_log::{Epoch, Log, LogId, Position};

use super::RelayOptions;
use crate::stream::{StreamFacts, StreamOwner};

/// Why the relay keeps away from the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FenceReason {
    /// The stream does not say which log it is a copy of.
    #[error("the stream does not say that it belongs to a Muster log")]
    NotOurs,
    /// The stream is another log's.
    #[error("the stream belongs to log {found}, this is log {own}")]
    OtherLog {
        /// The stream's log.
        found: LogId,
        /// Our log.
        own: LogId,
    },
    /// The stream is of another epoch of this log.
    #[error("the stream belongs to epoch {found} of the log, this is epoch {own}")]
    OtherEpoch {
        /// The stream's epoch.
        found: Epoch,
        /// Our epoch.
        own: Epoch,
    },
    /// The stream knows records that this log does not have.
    #[error("the stream ends at {stream}, the log already at {log}: the log lacks records that were published")]
    BeyondLog {
        /// The stream's last sequence.
        stream: Position,
        /// The log's last position.
        log: Position,
    },
    /// The stream's last message is not this log's record at that position.
    #[error("the stream's message {position} is not the log's record: the two logs went different ways")]
    Different {
        /// Its position.
        position: Position,
    },
}

/// Why the stream is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    #[error("its messages were removed")]
    Purged,
    #[error("it begins at {found} instead of {wanted}")]
    HeadLost { found: u64, wanted: u64 },
    #[error("{missing} messages are missing in it")]
    Holes { missing: u64 },
    #[error("its last message cannot be had")]
    LastUnreadable,
    #[error("it does not keep everything that is published")]
    Forgetful,
    #[error("it is of an earlier epoch")]
    EarlierEpoch,
}

/// What the relay brings to the comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    pub(crate) owner: StreamOwner,
    /// The first position that is relayed.
    pub(crate) first: Position,
    /// The log's last durable position, read after the stream was asked.
    pub(crate) durable: Position,
    pub(crate) replace_earlier_epoch: bool,
}

impl Own {
    /// To be asked after the stream: the log can only have grown since, so the stream is beyond it only if it really is.
    pub(crate) fn now(log: &dyn Log, options: &RelayOptions) -> Self {
        Self {
            owner: StreamOwner::of(log),
            first: options.first,
            durable: log.watermark(),
            replace_earlier_epoch: options.replace_earlier_epoch,
        }
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is no stream.
    Make,
    /// It is ours, and is no whole copy.
    Remake(Damage),
    /// It is ours, and was just made.
    Begin,
    /// It is ours, and whole: its last message must be compared.
    Compare(Position),
    /// Keep away.
    Fence(FenceReason),
}

pub(crate) fn judge(stream: Option<&StreamFacts>, own: &Own) -> Verdict {
    let Some(stream) = stream else { return Verdict::Make };
    let Some(owner) = stream.owner else { return Verdict::Fence(FenceReason::NotOurs) };
    if owner.log != own.owner.log {
        return Verdict::Fence(FenceReason::OtherLog { found: owner.log, own: own.owner.log });
    }
    if owner.epoch != own.owner.epoch {
        if owner.epoch < own.owner.epoch && own.replace_earlier_epoch {
            return Verdict::Remake(Damage::EarlierEpoch);
        }
        return Verdict::Fence(FenceReason::OtherEpoch { found: owner.epoch, own: own.owner.epoch });
    }
    if stream.last > own.durable.0 {
        return Verdict::Fence(FenceReason::BeyondLog { stream: Position(stream.last), log: own.durable });
    }
    if !stream.keeps_everything {
        return Verdict::Remake(Damage::Forgetful);
    }
    judge_contents(stream, own.first.0)
}

fn judge_contents(stream: &StreamFacts, first: u64) -> Verdict {
    if stream.messages == 0 {
        return if stream.last + 1 == first { Verdict::Begin } else { Verdict::Remake(Damage::Purged) };
    }
    if stream.first > first {
        return Verdict::Remake(Damage::HeadLost { found: stream.first, wanted: first });
    }
    let wanted = stream.last + 1 - stream.first;
    if stream.messages != wanted {
        return Verdict::Remake(Damage::Holes { missing: wanted.saturating_sub(stream.messages) });
    }
    if stream.last + 1 < first {
        // It holds what is not asked for and lacks what comes next.
        return Verdict::Remake(Damage::HeadLost { found: stream.first, wanted: first });
    }
    Verdict::Compare(Position(stream.last))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: StreamOwner = StreamOwner { log: LogId([7; 16]), epoch: Epoch(2) };

    fn own(first: u64, durable: u64) -> Own {
        Own { owner: OWNER, first: Position(first), durable: Position(durable), replace_earlier_epoch: false }
    }

    fn stream(first: u64, last: u64, messages: u64) -> StreamFacts {
        StreamFacts { owner: Some(OWNER), messages, first, last, keeps_everything: true }
    }

    #[test]
    fn a_whole_copy_is_compared_and_a_new_stream_begun() {
        assert_eq!(judge(None, &own(1, 9)), Verdict::Make);
        assert_eq!(judge(Some(&stream(1, 0, 0)), &own(1, 9)), Verdict::Begin);
        assert_eq!(judge(Some(&stream(0, 0, 0)), &own(1, 9)), Verdict::Begin);
        assert_eq!(judge(Some(&stream(5, 4, 0)), &own(5, 9)), Verdict::Begin);
        assert_eq!(judge(Some(&stream(1, 9, 9)), &own(1, 9)), Verdict::Compare(Position(9)));
        assert_eq!(judge(Some(&stream(1, 4, 4)), &own(1, 9)), Verdict::Compare(Position(4)));
        assert_eq!(judge(Some(&stream(1, 8, 8)), &own(5, 9)), Verdict::Compare(Position(8)));
    }

    #[test]
    fn a_copy_with_holes_is_made_anew() {
        let remake = |facts: StreamFacts, first| match judge(Some(&facts), &own(first, 9)) {
            Verdict::Remake(damage) => damage,
            other => panic!("{facts:?} gives {other:?}"),
        };
        assert_eq!(remake(stream(10, 9, 0), 1), Damage::Purged);
        assert_eq!(remake(stream(3, 9, 7), 1), Damage::HeadLost { found: 3, wanted: 1 });
        assert_eq!(remake(stream(1, 9, 8), 1), Damage::Holes { missing: 1 });
        assert_eq!(remake(stream(1, 3, 3), 8), Damage::HeadLost { found: 1, wanted: 8 });
        assert_eq!(remake(StreamFacts { keeps_everything: false, ..stream(1, 9, 9) }, 1), Damage::Forgetful);
    }

    #[test]
    fn what_is_not_provably_ours_is_kept_away_from_whatever_its_state() {
        let foreign = StreamOwner { log: LogId([8; 16]), ..OWNER };
        for (messages, first, last) in [(9, 1, 9), (0, 10, 9), (8, 1, 9), (0, 1, 0)] {
            let facts = |owner| StreamFacts { owner, keeps_everything: false, ..stream(first, last, messages) };
            assert_eq!(judge(Some(&facts(None)), &own(1, 9)), Verdict::Fence(FenceReason::NotOurs));
            let other_log = FenceReason::OtherLog { found: foreign.log, own: OWNER.log };
            assert_eq!(judge(Some(&facts(Some(foreign))), &own(1, 9)), Verdict::Fence(other_log));
            for epoch in [1, 3] {
                let other = StreamOwner { epoch: Epoch(epoch), ..OWNER };
                let other_epoch = FenceReason::OtherEpoch { found: Epoch(epoch), own: Epoch(2) };
                assert_eq!(judge(Some(&facts(Some(other))), &own(1, 9)), Verdict::Fence(other_epoch));
            }
        }
        let beyond = FenceReason::BeyondLog { stream: Position(10), log: Position(9) };
        assert_eq!(judge(Some(&stream(1, 10, 10)), &own(1, 9)), Verdict::Fence(beyond));
        assert_eq!(judge(Some(&stream(11, 10, 0)), &own(1, 9)), Verdict::Fence(beyond));
    }

    #[test]
    fn an_earlier_epoch_is_replaced_only_when_told_to() {
        let told = Own { replace_earlier_epoch: true, ..own(1, 9) };
        let of = |epoch| StreamFacts { owner: Some(StreamOwner { epoch: Epoch(epoch), ..OWNER }), ..stream(1, 20, 20) };
        assert_eq!(judge(Some(&of(1)), &told), Verdict::Remake(Damage::EarlierEpoch));
        let later = FenceReason::OtherEpoch { found: Epoch(3), own: Epoch(2) };
        assert_eq!(judge(Some(&of(3)), &told), Verdict::Fence(later));
    }
}
