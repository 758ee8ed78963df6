//! Seats 席位 of a site: who has one, from when, and whether they stay.

use serde::{Deserialize, Serialize};

use super::{Call, CallPhase, Operations};
use crate::ids::CallRef;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SeatState {
    pub(crate) id: Box<str>,
    pub(crate) specialty: Box<str>,
    pub(crate) shift: Box<str>,
    pub(crate) duty_desk: bool,
    /// A person added the seat to the list of an open site.
    pub(crate) by_hand: bool,
    /// Whose duty it is. While somebody has it who was not told to come off, the seat stays on the list.
    pub(crate) holder: Option<CallRef>,
    /// The duty of the next shift on the same seat: it begins when the holder's ends, and has the seat once the holder is gone.
    pub(crate) relief: Option<CallRef>,
}

/// How a seat stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seating {
    Empty,
    /// Somebody has it and stays: since the time of the duty, or on post before it.
    Held,
    /// Whoever has it was told to come off.
    Leaving,
    /// Whoever has it has it from a later time on, and nobody does until then.
    Later,
}

impl SeatState {
    /// The duties on the seat.
    pub(crate) fn duties(&self) -> impl Iterator<Item = CallRef> {
        self.holder.into_iter().chain(self.relief)
    }
}

impl Operations {
    /// The seat that a duty has; `None` where it has none, or the list has it no more.
    pub(crate) fn seat_of(&self, call: &Call) -> Option<&SeatState> {
        let site = self.sites.get(call.site?);
        site.seat(call.seat.as_deref()?).map(|at| &site.seats[at])
    }

    /// How a seat stands at a time.
    pub(crate) fn seating(&self, seat: &SeatState, now_ms: i64) -> Seating {
        let Some(holder) = seat.holder else { return Seating::Empty };
        let leaving = |key: CallRef| self.calls.get(key).phase == CallPhase::Recalled;
        let there = |key: CallRef| self.calls.get(key).phase == CallPhase::OnPost || self.calls.get(key).from_ms <= now_ms;
        if seat.duties().any(|key| !leaving(key) && there(key)) {
            return Seating::Held;
        }
        if leaving(holder) { Seating::Leaving } else { Seating::Later }
    }
}
