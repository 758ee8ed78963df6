//! No reply 无应答. Whoever can be replaced is replaced. Where nobody else can come the duty stands, for an empty seat helps nobody; and for a whistle's
//! need the neighbour is asked as for one who declined, and people are sought one level up.

use muster_proto::v1::{NeedKind, ReleaseReason};

use super::backup::replaceable;
use super::conversion::waiting;
use super::fill::{Search, missing, reach};
use super::reinforcement;
use super::summons::release;
use crate::execute::{Draft, Now};
use crate::ids::{CallRef, WhistleRef};
use crate::state::{CallPhase, NeedState, State};

/// Duties for a need for people whose holders were asked in vain: they stand, and another may take their place.
pub(crate) fn silent(state: &State, need: &NeedState) -> Vec<CallRef> {
    let unanswered = |key: &CallRef| {
        let call = state.ops.calls.get(*key);
        call.phase == CallPhase::Summoned && call.reply_due_ms == 0
    };
    let calls = if need.kind == NeedKind::Person && !need.confirmed { &need.calls[..] } else { &[] };
    calls.iter().copied().filter(unanswered).collect()
}

pub(super) fn unanswered(state: &State, now: &Now<'_>, call_id: &str) -> Vec<Draft> {
    let Some(key) = CallRef::parse(call_id) else { return Vec::new() };
    let call = state.ops.calls.get(key);
    if !waiting(call.phase) || call.site.is_some_and(|site| state.ops.sites.get(site).suspended) {
        return Vec::new();
    }
    if replaceable(state, now, call) {
        return vec![release(state, key, ReleaseReason::Unanswered, None)];
    }
    let Some((whistle, at)) = call.whistle.zip(call.need) else { return Vec::new() };
    let need = &state.ops.whistles.get(whistle).needs[usize::from(at)];
    let short = missing(need) + silent(state, need).len();
    if short == 0 || !state.ops.whistles.get(whistle).phase.open() {
        return Vec::new();
    }
    reinforcement::ask(state, now, whistle, need, short, &mut 0).into_iter().collect()
}

/// People are sought further out now: as many of the silent give way as others could come, and for the rest the search goes on.
pub(super) fn wider(state: &State, now: &Now<'_>, key: WhistleRef, need: &NeedState) -> Vec<Draft> {
    let whistle = state.ops.whistles.get(key);
    let silent = silent(state, need);
    if silent.is_empty() || !whistle.phase.open() {
        return Vec::new();
    }
    let found = Search::new(state, now, whistle, need).nearest(reach(state, whistle, need), silent.len()).len();
    let mut drafts: Vec<_> = silent[..found].iter().map(|key| release(state, *key, ReleaseReason::Unanswered, None)).collect();
    if found < silent.len() {
        drafts.extend(reinforcement::ask(state, now, key, need, silent.len() - found, &mut 0));
    }
    drafts
}
