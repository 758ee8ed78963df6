//! Peacetime after the stand-down: what stands must be what the peacetime facts alone make of it, and what the peacetime commands alone
//! make of it. It must never look at anything but the log and the commands that were carried out.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_demo::{City, START_MS, ScriptCommand};
use muster_domain::{Meta, Now, State, execute};
use muster_log::Log;
use muster_proto::{decode, v1};
use serde_json::json;

use super::screen::Screen;
use super::stage::{LocalStage, requests_without_names};
use super::summary::Summary;
use super::verify::each_record;
use crate::gateway::Gateway;
use crate::wiring::RunningServer;

/// Commands taken at a time when the peacetime commands are carried out once more.
const CHUNK: usize = 2_000;
/// AgreementSigned, AgreementInForce, AgreementEnded: facts of peacetime that are numbered beside the incidents'.
const AGREED: [u32; 3] = [310, 311, 313];
/// What the first drafts rests on the records of an incident that has stood down, and what the second found the planner says.
const FROM_ELSEWHERE: [&str; 2] = ["DraftNextVersion", "RehearsePlan"];

/// After all incidents have stood down, the base is what the peacetime facts alone make of it.
pub(super) async fn compare(summary: &mut Summary, screen: &mut Screen, city: &City, server: &RunningServer, stage: &LocalStage) {
    screen.verifying("比对解除响应后的平时状态", "comparing peacetime after the stand-down");
    let (log, gateway, city, meanwhile) = (Arc::clone(&server.log), Arc::clone(&server.gateway), city.clone(), stage.meanwhile.clone());
    let work = tokio::task::spawn_blocking(move || {
        let played = replay(&*log, |_| true)?;
        let without = replay(&*log, |tag| tag < 160 || AGREED.contains(&tag))?;
        let learnt = learnt(&*log, &meanwhile)?;
        let alone = carry_out(&gateway, city.peacetime().chain(meanwhile.iter().cloned()), &learnt)?;
        Ok::<_, String>((digest(&played), digest(&without), digest(&alone), played.base_counts(), meanwhile.len()))
    });
    let names = ["base_equals_replay_without_incidents", "base_equals_peacetime_commands_alone"];
    match work.await.map_err(|error| error.to_string()).and_then(|work| work) {
        Ok((played, without, alone, counts, meanwhile)) => {
            let (areas, organizations, responders, plans) = counts;
            for (name, other) in names.into_iter().zip([without, alone]) {
                let figures = json!({
                    "areas": areas,
                    "organizations": organizations,
                    "responders": responders,
                    "plans": plans,
                    "changed_while_incidents_ran": meanwhile,
                    "digest": played,
                    "digest_compared_with": other,
                });
                summary.add(name, played == other && meanwhile > 0, figures);
            }
        }
        Err(reason) => names.into_iter().for_each(|name| summary.failed(name, &reason)),
    }
}

fn digest(state: &State) -> String {
    blake3::hash(&state.base_digest()).to_hex().to_string()
}

/// The state after the records whose event's tag is wanted.
fn replay(log: &dyn Log, wanted: impl Fn(u32) -> bool) -> Result<State, String> {
    let mut state = State::default();
    each_record(log, |_, record| {
        let envelope: v1::Envelope = decode(record).map_err(|error| error.to_string())?;
        if envelope.event.as_ref().is_some_and(|event| wanted(event.tag())) {
            apply(&mut state, &envelope, envelope.position);
        }
        Ok(())
    })?;
    Ok(state)
}

/// The records of the commands that cannot be decided from peacetime alone, by command id.
fn learnt(log: &dyn Log, commands: &[ScriptCommand]) -> Result<BTreeMap<String, Vec<v1::Envelope>>, String> {
    let from_elsewhere = commands.iter().filter(|command| FROM_ELSEWHERE.contains(&command.name));
    let mut learnt: BTreeMap<String, Vec<v1::Envelope>> = from_elsewhere.map(|command| (command.id.clone(), Vec::new())).collect();
    each_record(log, |_, record| {
        let envelope: v1::Envelope = decode(record).map_err(|error| error.to_string())?;
        if let Some(records) = learnt.get_mut(&envelope.command_id) {
            records.push(envelope);
        }
        Ok(())
    })?;
    Ok(learnt)
}

fn apply(state: &mut State, envelope: &v1::Envelope, position: u64) {
    let Some(event) = &envelope.event else { return };
    let meta = Meta { position, recorded_at_ms: envelope.recorded_at_ms, occurred_at_ms: envelope.occurred_at_ms, realm: &envelope.realm };
    state.apply(&meta, event);
}

/// A fresh domain that decides these commands and no others; for those that rest on more than peacetime it takes what was learnt.
fn carry_out(
    gateway: &Gateway,
    commands: impl Iterator<Item = ScriptCommand>,
    learnt: &BTreeMap<String, Vec<v1::Envelope>>,
) -> Result<State, String> {
    let mut state = State::default();
    let mut commands = commands.peekable();
    while commands.peek().is_some() {
        let chunk: Vec<ScriptCommand> = commands.by_ref().take(CHUNK).collect();
        for request in requests_without_names(gateway, &chunk).map_err(|error| error.to_string())? {
            if let Some(records) = learnt.get(&request.id) {
                records.iter().for_each(|record| {
                    let position = state.position() + 1;
                    apply(&mut state, record, position);
                });
                continue;
            }
            let now = Now { recorded_at_ms: START_MS, next_position: state.position() + 1, context: &request.context };
            execute(&mut state, now, &request.command).map_err(|refused| format!("{}: {}", request.id, refused.en()))?;
        }
    }
    Ok(state)
}
