//! What holds of every call that moves somebody: let go by home or a common superior, and no floor broken. Counted from the peacetime facts
//! and the duties alone.

use muster_proto::Event;
use muster_proto::v1::{CallReason, ResponderCalled};

use crate::execute::Emitted;
use crate::ids::{AreaRef, ResponderRef};
use crate::state::State;

fn calls(emitted: &[Emitted]) -> impl Iterator<Item = (&Emitted, &ResponderCalled)> {
    emitted.iter().filter_map(|record| match &record.event {
        Event::ResponderCalled(body) => Some((record, body)),
        _ => None,
    })
}

/// Looks at the calls that were given in the office `by`, or by policies.
pub(super) fn released(state: &State, emitted: &[Emitted], by: &str) {
    for (_, body) in calls(emitted) {
        invariant_nobody_is_moved_without_release(state, body, by);
    }
}

/// Looks at the calls of one unit of records, at its end.
pub(super) fn floors(state: &State, emitted: &[Emitted], now_ms: i64) {
    // A plan is its area's own order, and an organization sends its own people: both count their people themselves.
    let ordered =
        |body: &ResponderCalled| matches!(body.reason(), CallReason::PlanPrimary | CallReason::PlanBackup | CallReason::Nominated);
    if calls(emitted).any(|(_, body)| ordered(body)) {
        return;
    }
    for (record, body) in calls(emitted) {
        invariant_floors_are_kept(state, record, body, now_ms);
    }
}

fn within(state: &State, area: AreaRef, top_id: &str) -> bool {
    state.base.areas.find(top_id).is_some_and(|top| state.base.within(area, top))
}

/// Whether an agreement that shares people, invoked for the incident, lets the office `by` call somebody from `home` to the post.
fn agreed(state: &State, body: &ResponderCalled, home: AreaRef, by: &str) -> bool {
    let (Some(incident), Some(post)) = (state.ops.incidents.find(&body.incident_id), state.base.areas.find(&body.area_id)) else {
        return false;
    };
    state.ops.incidents.get(incident).invoked.keys().any(|key| {
        let agreement = state.base.agreements.get(*key);
        let sides: Vec<AreaRef> = agreement.sides.iter().filter_map(|side| side.area).collect();
        let signed = agreement.sides.iter().all(|side| !side.document_no.is_empty());
        let shares = agreement.shared.contains(&4);
        let (donors, others): (Vec<&AreaRef>, Vec<&AreaRef>) = sides.iter().partition(|side| state.base.within(home, **side));
        let acts = others.iter().any(|side| within(state, **side, by));
        signed && !agreement.ended && shares && !donors.is_empty() && acts && sides.iter().any(|side| state.base.within(post, *side))
    })
}

fn invariant_nobody_is_moved_without_release(state: &State, body: &ResponderCalled, by: &str) {
    let who = state.base.responders.find(&body.responder_id).expect("a call names somebody");
    let Some(home) = state.base.home_of(who) else { return };
    let released = !body.released_by_area_id.is_empty() && within(state, home, &body.released_by_area_id);
    let allowed = match body.reason() {
        CallReason::Dispatched | CallReason::Relief => within(state, home, by) || released || agreed(state, body, home, by),
        CallReason::Reinforcement => released,
        CallReason::AutoFill => {
            let post = state.base.areas.find(&body.area_id).expect("a call names its area");
            state.base.ancestry(post).any(|area| state.base.areas.get(area).auto_fill && state.base.within(home, area))
        }
        _ => true,
    };
    assert!(allowed, "{} of another area was moved without release: {body:?}", body.responder_id);
}

fn invariant_floors_are_kept(state: &State, record: &Emitted, body: &ResponderCalled, now_ms: i64) {
    let who = state.base.responders.find(&body.responder_id).expect("a call names somebody");
    let post = state.base.areas.find(&body.area_id).expect("a call names its area");
    // Whoever was not free before is missed by nobody.
    let person = state.base.responders.get(who);
    if person.reserved || person.absence(now_ms).is_some() || state.ops.duties(record.realm, who).len() > 1 {
        return;
    }
    for (area, kept) in state.base.areas.iter().filter(|(_, kept)| kept.floor > 0) {
        let at_home = |who: ResponderRef| state.base.responders.get(who).area.is_some_and(|home| state.base.within(home, area));
        if !at_home(who) || state.base.within(post, area) {
            continue;
        }
        let free = state.base.responders.iter().filter(|(key, person)| {
            let duties = state.ops.duties(record.realm, *key).iter().map(|call| state.ops.calls.get(*call));
            let busy = duties.into_iter().any(|call| call.until_ms == 0 || call.until_ms > now_ms);
            at_home(*key) && !person.withdrawn && !person.reserved && person.absence(now_ms).is_none() && !busy
        });
        let free = free.count();
        let id = state.base.areas.id(area);
        assert!(free >= kept.floor as usize, "{id} keeps {} and has {free} left after {body:?}", kept.floor);
    }
}
