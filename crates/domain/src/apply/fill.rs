//! Facts of fill proposals applied. A proposal moves nobody: what a decided line brings about is a `ResponderCalled` of its own.

use muster_proto::Event;
use muster_proto::v1::{self, FillChoice};

use super::At;
use crate::state::{FillLineState, FillProposal, State};

pub(super) fn apply(state: &mut State, at: &At, event: &Event) -> Option<()> {
    match event {
        Event::FillProposed(body) => proposed(state, at, body)?,
        Event::FillLineDecided(body) => {
            let responder = state.base.responders.find(&body.responder_id)?;
            let line = line(state, &body.proposal_id, &body.line_id)?;
            (line.decided, line.decided_for) = (body.choice(), Some(responder));
        }
        // The line may be decided again, with somebody else.
        Event::FillLineRefused(body) if !body.decided_before => {
            let line = line(state, &body.proposal_id, &body.line_id)?;
            (line.decided, line.decided_for) = (FillChoice::Unspecified, None);
        }
        _ => {}
    }
    Some(())
}

fn line<'a>(state: &'a mut State, proposal_id: &str, line_id: &str) -> Option<&'a mut FillLineState> {
    let key = state.ops.fills.find(proposal_id)?;
    state.ops.fills.get_mut(key).lines.get_mut(line_id)
}

fn proposed(state: &mut State, at: &At, body: &v1::FillProposed) -> Option<()> {
    let area = state.base.areas.find(&body.area_id)?;
    let key = match state.ops.fills.find(&body.proposal_id) {
        Some(key) => key,
        None => {
            let key = state.ops.fills.insert(&body.proposal_id, FillProposal { realm: at.realm, area, lines: Default::default() });
            if let Some(former) = state.ops.open_fills.insert((at.realm, area), key) {
                state.ops.fills.get_mut(former).lines.clear();
            }
            key
        }
    };
    for line in &body.lines {
        let whistle = state.ops.whistles.find(&line.whistle_id)?;
        let need = state.ops.whistles.get(whistle).needs.iter().position(|need| *need.id == *line.need_id)?;
        let known = FillLineState {
            whistle,
            need: u16::try_from(need).ok()?,
            responder: state.base.responders.find(&line.responder_id)?,
            decided: FillChoice::Unspecified,
            decided_for: None,
        };
        state.ops.fills.get_mut(key).lines.insert(line.line_id.as_str().into(), known);
    }
    Some(())
}
