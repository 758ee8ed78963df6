//! Responsibility 包干: who answers for an area, day by day. A fact of peacetime: no seat, no shift, beside any duty.

use muster_proto::Event;
use muster_proto::v1::{self, ResponsibilityKind};

use super::area::peacetime;
use super::{Decision, checks};
use crate::execute::Now;
use crate::rejection::Rejection;
use crate::state::State;

fn kind(number: i32) -> Result<u8, Rejection> {
    checks::set::<ResponsibilityKind>("kind", number)?;
    Ok(u8::try_from(number).expect("known kinds are small"))
}

pub(super) fn assign(state: &State, now: &Now<'_>, body: &v1::AssignResponsibility) -> Decision {
    let responder = state.active_responder("responder_id", &body.responder_id)?;
    let area = state.area("area_id", &body.area_id)?;
    let kind = kind(body.kind)?;
    let from_ms = if body.from_ms == 0 { now.recorded_at_ms } else { body.from_ms };
    if body.until_ms != 0 && body.until_ms <= from_ms {
        return Err(Rejection::PeriodInvalid {});
    }
    // Said again without a beginning: it began before.
    let began = |known: i64| known == body.from_ms || (body.from_ms == 0 && known <= now.recorded_at_ms);
    let standing = state.base.responsibilities.get(&(area, kind, responder));
    if standing.is_some_and(|(known_from_ms, known_until_ms)| began(*known_from_ms) && *known_until_ms == body.until_ms) {
        return Ok(Vec::new());
    }
    let event = Event::ResponsibilityAssigned(v1::ResponsibilityAssigned {
        responder_id: body.responder_id.clone(),
        area_id: body.area_id.clone(),
        kind: body.kind,
        from_ms,
        until_ms: body.until_ms,
    });
    Ok(vec![peacetime(state, event, Some(area))])
}

pub(super) fn end(state: &State, body: &v1::EndResponsibility) -> Decision {
    let responder = state.responder("responder_id", &body.responder_id)?;
    let area = state.area("area_id", &body.area_id)?;
    let kind = kind(body.kind)?;
    if !state.base.responsibilities.contains_key(&(area, kind, responder)) {
        return Err(Rejection::NotResponsible { id: body.responder_id.clone(), area: body.area_id.clone() });
    }
    let event = Event::ResponsibilityEnded(v1::ResponsibilityEnded {
        responder_id: body.responder_id.clone(),
        area_id: body.area_id.clone(),
        kind: body.kind,
    });
    Ok(vec![peacetime(state, event, Some(area))])
}
