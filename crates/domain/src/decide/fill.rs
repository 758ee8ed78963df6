//! Fill 补位: a joint proposal is recorded, and its lines are decided one by one. Each line is asked what `DispatchResponder` would be
//! asked, for it ends in the same call; a line that no longer holds is refused by name and holds up no other.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{self, CallReason, FillChoice, FillDifference, Severity, UnfilledReason, Urgency};
use muster_proto::{ACTUAL, Event};

use super::{Decision, call, checks};
use crate::execute::{Draft, Now};
use crate::ids::{AreaRef, FillRef, RealmRef, WhistleRef};
use crate::limits;
use crate::rejection::Rejection;
use crate::state::{FillLineState, FillProposal, Floors, State};

/// The code of a line that was decided before, otherwise.
const DECIDED: &str = "fill_line_decided";
/// The code of a line beyond what its need asks for.
const NEED_MET: &str = "need_met";

/// The call that a line leads to, or what speaks against it. `floors` knows who is called by the lines before.
pub(crate) fn call_for<'a>(
    state: &'a State,
    now: &Now<'_>,
    floors: &mut Floors<'a>,
    [proposal_id, line_id]: [&str; 2],
    [whistle_id, need_id]: [&str; 2],
    [responder_id, released_by_area_id]: [&str; 2],
) -> Decision {
    let asked = v1::DispatchResponder {
        responder_id: responder_id.to_owned(),
        whistle_id: whistle_id.to_owned(),
        need_id: need_id.to_owned(),
        released_by_area_id: released_by_area_id.to_owned(),
        ..Default::default()
    };
    let mut drafts = call::dispatch_among(state, now, &asked, Some(floors))?;
    for draft in &mut drafts {
        if let Event::ResponderCalled(body) = &mut draft.event {
            body.set_reason(CallReason::Fill);
            proposal_id.clone_into(&mut body.fill_proposal_id);
            line_id.clone_into(&mut body.fill_line_id);
        }
    }
    Ok(drafts)
}

pub(super) fn propose(state: &State, now: &Now<'_>, body: &v1::ProposeFill) -> Decision {
    checks::id("proposal_id", &body.proposal_id)?;
    checks::unused("proposal_id", &body.proposal_id, state.ops.fills.find(&body.proposal_id))?;
    let name = if body.realm.is_empty() { ACTUAL } else { &body.realm };
    let realm = state.ops.realms.find(name).ok_or_else(|| Rejection::UnknownRealm { id: name.to_owned() })?;
    let area = state.area("area_id", &body.area_id)?;
    state.authority_over(now, area)?;
    if body.base_position > state.position {
        let (reason_zh, reason_en) = ("超出日志末尾", "it is beyond the end of the log");
        return Err(Rejection::FieldInvalid { field: "base_position", reason_zh, reason_en });
    }
    checks::at_most("lines", body.lines.len(), limits::FILL_LINES_MAX)?;
    checks::at_most("unfilled", body.unfilled.len(), limits::FILL_LINES_MAX)?;
    let mut seen = (BTreeSet::new(), BTreeSet::new());
    for line in &body.lines {
        check_line(state, realm, area, line)?;
        if !seen.0.insert(&line.line_id) {
            return Err(Rejection::AlreadyExists { field: "lines.line_id", id: line.line_id.clone() });
        }
        if !seen.1.insert(&line.responder_id) {
            return Err(Rejection::AlreadyExists { field: "lines.responder_id", id: line.responder_id.clone() });
        }
    }
    for need in &body.unfilled {
        known_need(state, realm, area, "unfilled.whistle_id", &need.whistle_id, &need.need_id)?;
        checks::known::<UnfilledReason>("unfilled.reason", need.reason)?;
        checks::at_most("unfilled.donors", need.donors.len(), limits::DONORS_LISTED)?;
        need.donors.iter().try_for_each(|donor| state.area("unfilled.donors.area_id", &donor.area_id).map(drop))?;
    }
    let mut drafts = parts(state, realm, area, body);
    drafts.extend(stale(state, now, realm, body));
    Ok(drafts)
}

fn check_line(state: &State, realm: RealmRef, area: AreaRef, line: &v1::FillLine) -> Result<(), Rejection> {
    checks::id("lines.line_id", &line.line_id)?;
    known_need(state, realm, area, "lines.whistle_id", &line.whistle_id, &line.need_id)?;
    state.responder("lines.responder_id", &line.responder_id)?;
    if !line.runner_up_responder_id.is_empty() {
        state.responder("lines.runner_up_responder_id", &line.runner_up_responder_id)?;
    }
    if !line.donor_area_id.is_empty() {
        state.area("lines.donor_area_id", &line.donor_area_id)?;
    }
    checks::known::<Severity>("lines.severity", line.severity)?;
    checks::known::<Urgency>("lines.urgency", line.urgency)?;
    checks::known::<FillDifference>("lines.difference", line.difference)?;
    Ok(())
}

/// A need of a whistle of the realm, within the area. Whether it is still open is another question.
fn known_need(
    state: &State,
    realm: RealmRef,
    area: AreaRef,
    field: &'static str,
    whistle_id: &str,
    need_id: &str,
) -> Result<(), Rejection> {
    let whistle = state.ops.whistles.get(state.any_whistle(field, whistle_id)?);
    if whistle.realm != realm || !state.base.within(whistle.area, area) {
        let area = state.base.areas.id(area).to_owned();
        return Err(Rejection::WhistleOutside { field, whistle: whistle_id.to_owned(), area });
    }
    if !whistle.needs.iter().any(|need| *need.id == *need_id) {
        return Err(Rejection::UnknownNeed { need: need_id.to_owned(), whistle: whistle_id.to_owned() });
    }
    Ok(())
}

/// The proposal in parts, each below the record limit; an empty one is one part.
fn parts(state: &State, realm: RealmRef, area: AreaRef, body: &v1::ProposeFill) -> Vec<Draft> {
    let count = |entries: usize| u32::try_from(entries).expect("both are capped");
    let parts = body.lines.len().max(body.unfilled.len()).div_ceil(limits::FILL_PART).max(1);
    let former = state.ops.open_fills.get(&(realm, area)).map(|key| state.ops.fills.id(*key).to_owned());
    let part = |at: usize| {
        Event::FillProposed(v1::FillProposed {
            proposal_id: body.proposal_id.clone(),
            area_id: body.area_id.clone(),
            base_position: body.base_position,
            replaces_proposal_id: former.clone().unwrap_or_default(),
            part: count(at + 1),
            parts: count(parts),
            lines: body.lines.iter().skip(at * limits::FILL_PART).take(limits::FILL_PART).cloned().collect(),
            unfilled: body.unfilled.iter().skip(at * limits::FILL_PART).take(limits::FILL_PART).cloned().collect(),
            total_lines: count(body.lines.len()),
            total_unfilled: count(body.unfilled.len()),
        })
    };
    (0..parts).map(|at| Draft::new(part(at), realm, Some(area))).collect()
}

/// The lines that do not hold any more: the planner saw an older state. All of them together leave every area its floor.
fn stale(state: &State, now: &Now<'_>, realm: RealmRef, body: &v1::ProposeFill) -> Vec<Draft> {
    let mut given: BTreeMap<(WhistleRef, &str), usize> = BTreeMap::new();
    let mut floors = Floors::new(state, realm, now.recorded_at_ms);
    let mut drafts = Vec::new();
    for line in &body.lines {
        let Some(key) = state.ops.whistles.find(&line.whistle_id) else { continue };
        let whistle = state.ops.whistles.get(key);
        // Whether somebody lets them go is asked when the line is decided: here their home is taken to do so.
        let home = state.base.responders.find(&line.responder_id).and_then(|key| state.base.home_of(key));
        let home = home.map(|home| state.base.areas.id(home)).unwrap_or_default();
        let ids = [&*body.proposal_id, &*line.line_id];
        let given = given.entry((key, &*line.need_id)).or_default();
        let need = whistle.needs.iter().find(|need| *need.id == *line.need_id);
        let met = need.is_some_and(|need| need.fulfilled as usize + need.calls.len() + *given >= need.quantity as usize);
        let code = if met && *given > 0 {
            NEED_MET
        } else {
            match call_for(state, now, &mut floors, ids, [&*line.whistle_id, &*line.need_id], [&*line.responder_id, home]) {
                Err(refusal) => refusal.code(),
                Ok(_) => {
                    *given += 1;
                    continue;
                }
            }
        };
        let event = Event::FillLineRefused(v1::FillLineRefused {
            proposal_id: body.proposal_id.clone(),
            line_id: line.line_id.clone(),
            whistle_id: line.whistle_id.clone(),
            need_id: line.need_id.clone(),
            responder_id: line.responder_id.clone(),
            code: code.to_owned(),
            decided_before: false,
        });
        drafts.push(Draft::new(event, whistle.realm, Some(whistle.area)));
    }
    drafts
}

/// The proposal that stands.
fn standing<'a>(state: &'a State, proposal_id: &str) -> Result<(FillRef, &'a FillProposal), Rejection> {
    if proposal_id.is_empty() {
        return Err(Rejection::FieldMissing { field: "proposal_id" });
    }
    let key = state.ops.fills.find(proposal_id).ok_or_else(|| Rejection::UnknownFillProposal { id: proposal_id.to_owned() })?;
    let proposal = state.ops.fills.get(key);
    match state.ops.open_fills.get(&(proposal.realm, proposal.area)) {
        Some(open) if *open == key => Ok((key, proposal)),
        Some(open) => Err(Rejection::FillProposalReplaced { id: proposal_id.to_owned(), by: state.ops.fills.id(*open).to_owned() }),
        None => Err(Rejection::UnknownFillProposal { id: proposal_id.to_owned() }),
    }
}

pub(super) fn decide(state: &State, now: &Now<'_>, body: &v1::DecideFill) -> Decision {
    let (_, proposal) = standing(state, &body.proposal_id)?;
    state.office_area(now)?;
    if body.decisions.is_empty() {
        return Err(Rejection::FieldMissing { field: "decisions" });
    }
    checks::at_most("decisions", body.decisions.len(), limits::FILL_LINES_MAX)?;
    let mut seen = BTreeSet::new();
    let mut drafts = Vec::with_capacity(body.decisions.len());
    for decision in &body.decisions {
        if !seen.insert(&decision.line_id) {
            return Err(Rejection::AlreadyExists { field: "decisions.line_id", id: decision.line_id.clone() });
        }
        let unknown = || Rejection::UnknownFillLine { line: decision.line_id.clone(), proposal: body.proposal_id.clone() };
        let line = proposal.lines.get(&*decision.line_id).ok_or_else(unknown)?;
        let responder_id = chosen(state, line, decision)?;
        drafts.extend(decided(state, proposal, body, decision, line, &responder_id));
    }
    Ok(drafts)
}

/// Who is to come by a decision, or was proposed where it refuses.
fn chosen(state: &State, line: &FillLineState, decision: &v1::FillDecision) -> Result<String, Rejection> {
    let proposed = state.base.responders.id(line.responder);
    checks::short("decisions.reason", &decision.reason)?;
    if !decision.released_by_area_id.is_empty() {
        state.area("decisions.released_by_area_id", &decision.released_by_area_id)?;
    }
    match checks::set::<FillChoice>("decisions.choice", decision.choice)? {
        FillChoice::Change => {
            state.responder("decisions.responder_id", &decision.responder_id)?;
            return Ok(decision.responder_id.clone());
        }
        FillChoice::Refuse => checks::name("decisions.reason", &decision.reason)?,
        _ => {}
    }
    if !decision.responder_id.is_empty() && decision.responder_id != proposed {
        let (reason_zh, reason_en) = ("换人须选 FILL_CHOICE_CHANGE", "only FILL_CHOICE_CHANGE names somebody else");
        return Err(Rejection::FieldInvalid { field: "decisions.responder_id", reason_zh, reason_en });
    }
    Ok(proposed.to_owned())
}

/// The fact of a decision; none where the line was decided so before.
fn decided(
    state: &State,
    proposal: &FillProposal,
    body: &v1::DecideFill,
    decision: &v1::FillDecision,
    line: &FillLineState,
    responder_id: &str,
) -> Option<Draft> {
    let whistle = state.ops.whistles.get(line.whistle);
    let (whistle_id, need_id) = (state.ops.whistles.id(line.whistle), &whistle.needs[usize::from(line.need)].id);
    let refuses = |choice: FillChoice| choice == FillChoice::Refuse;
    let event = match line.decided_for {
        None => Event::FillLineDecided(v1::FillLineDecided {
            proposal_id: body.proposal_id.clone(),
            line_id: decision.line_id.clone(),
            choice: decision.choice,
            whistle_id: whistle_id.to_owned(),
            need_id: need_id.to_string(),
            responder_id: responder_id.to_owned(),
            reason: decision.reason.clone(),
            released_by_area_id: decision.released_by_area_id.clone(),
        }),
        Some(before) => {
            if state.base.responders.id(before) == responder_id && refuses(line.decided) == refuses(decision.choice()) {
                return None;
            }
            Event::FillLineRefused(v1::FillLineRefused {
                proposal_id: body.proposal_id.clone(),
                line_id: decision.line_id.clone(),
                whistle_id: whistle_id.to_owned(),
                need_id: need_id.to_string(),
                responder_id: responder_id.to_owned(),
                code: DECIDED.to_owned(),
                decided_before: true,
            })
        }
    };
    Some(Draft::new(event, proposal.realm, Some(whistle.area)))
}
