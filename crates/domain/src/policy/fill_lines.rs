//! What follows a decided line of a fill proposal: the call, asked as `DispatchResponder` would be, else a refusal that names what speaks
//! against it. Line after line, each after what the one before brought about, so that two lines never promise one person twice. What is counted for
//! the floors 留守 is counted once for all lines of a command.

use muster_proto::Event;
use muster_proto::v1::{self, FillChoice};

use crate::decide;
use crate::execute::{Draft, Now};
use crate::state::{Counted, Floors, State};

pub(super) fn decided(state: &State, now: &Now<'_>, body: &v1::FillLineDecided, counted: &mut Counted) -> Vec<Draft> {
    if body.choice() == FillChoice::Refuse {
        return Vec::new();
    }
    let Some(key) = state.ops.whistles.find(&body.whistle_id) else { return Vec::new() };
    let ids = [&*body.proposal_id, &*body.line_id];
    let to = [&*body.whistle_id, &*body.need_id];
    let whistle = state.ops.whistles.get(key);
    // All lines of a proposal are of one realm.
    let mut floors = Floors::resume(state, whistle.realm, now.recorded_at_ms, std::mem::take(counted));
    let called = decide::call_for(state, now, &mut floors, ids, to, [&*body.responder_id, &*body.released_by_area_id]);
    *counted = floors.counted();
    called.unwrap_or_else(|refusal| {
        let event = Event::FillLineRefused(v1::FillLineRefused {
            proposal_id: body.proposal_id.clone(),
            line_id: body.line_id.clone(),
            whistle_id: body.whistle_id.clone(),
            need_id: body.need_id.clone(),
            responder_id: body.responder_id.clone(),
            code: refusal.code().to_owned(),
            decided_before: false,
        });
        vec![Draft::new(event, whistle.realm, Some(whistle.area))]
    })
}
