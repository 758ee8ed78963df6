//! What follows a decided line of a fill proposal: the call, asked as `DispatchResponder` would be, else a refusal that names what speaks
//! against it. Line after line, each after what the one before brought about, so that two lines never promise one person twice.

use muster_proto::Event;
use muster_proto::v1::{self, FillChoice};

use crate::decide;
use crate::execute::{Draft, Now};
use crate::state::State;

pub(super) fn decided(state: &State, now: &Now<'_>, body: &v1::FillLineDecided) -> Vec<Draft> {
    if body.choice() == FillChoice::Refuse {
        return Vec::new();
    }
    let Some(key) = state.ops.whistles.find(&body.whistle_id) else { return Vec::new() };
    let ids = [&*body.proposal_id, &*body.line_id];
    let to = [&*body.whistle_id, &*body.need_id];
    decide::call_for(state, now, ids, to, [&*body.responder_id, &*body.released_by_area_id]).unwrap_or_else(|refusal| {
        let whistle = state.ops.whistles.get(key);
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
