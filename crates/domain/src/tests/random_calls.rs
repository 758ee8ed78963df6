//! From dice to commands that reach people, call groups and ask neighbours.

use muster_proto::Command;
use muster_proto::v1::{DeliveryChannel, DeliveryOutcome, GroupSelection};

use super::random_commands::{Roll, any, call};
use crate::ids::RequestRef;
use crate::state::{CallPhase, State};

pub(super) fn command(state: &State, roll: &Roll) -> Command {
    let [a, b, c, d] = roll.dice;
    match roll.kind {
        106 => command!(SetFloor { area_id: any(&state.base.areas, a), minimum: u32::from(b % 5) }),
        107 => command!(ConfirmPart { whistle_id: any(&state.ops.whistles, a), need_id: if b % 2 == 0 { "n" } else { "m" } }),
        108..112 => delivery(state, roll),
        112..115 => command!(CallGroup {
            selection: selection(state, roll),
            site_id: if d % 2 == 0 { any(&state.ops.sites, c) } else { String::new() },
            whistle_id: if d % 2 == 0 { String::new() } else { any(&state.ops.whistles, c) },
            need_id: if d % 2 == 0 { "" } else { "n" },
            quantity: u32::from(c % 4),
            released_by_area_id: if b % 3 == 0 { "c" } else { "" },
            rest_override_reason: if b % 4 == 0 { "无人可替" } else { "" },
        }),
        115 => command!(RecallGroup {
            selection: if b % 2 == 0 { GroupSelection::default() } else { selection(state, roll) },
            incident_id: if d % 3 == 0 { any(&state.ops.incidents, c) } else { String::new() },
            site_id: if d % 3 == 1 { any(&state.ops.sites, c) } else { String::new() },
            whistle_id: if d % 3 == 2 { any(&state.ops.whistles, c) } else { String::new() },
            reason: "另有安排",
        }),
        116..119 => {
            let (request_id, people) = asked(state, a);
            let people: Vec<_> = people.into_iter().skip(usize::from(b) % 3).take(1 + usize::from(c) % 2).collect();
            command!(ReleasePeople { request_id: request_id, responder_ids: people })
        }
        _ => command!(RefuseReinforcement { request_id: asked(state, a).0, reason: "自身任务重" }),
    }
}

/// Mostly of somebody who has not answered.
fn delivery(state: &State, roll: &Roll) -> Command {
    let [a, b, c, d] = roll.dice;
    let silent: Vec<_> = state.ops.calls.iter().filter(|(_, call)| call.phase == CallPhase::Summoned).map(|(key, _)| key).collect();
    let known = match silent.get(usize::from(a) % silent.len().max(1)) {
        Some(key) if d % 8 != 0 => key.text(),
        _ => call(state, a),
    };
    let channel =
        [DeliveryChannel::App, DeliveryChannel::Sms, DeliveryChannel::Voice, DeliveryChannel::Robot, DeliveryChannel::NamedContact];
    let outcome = [DeliveryOutcome::Sent, DeliveryOutcome::Sent, DeliveryOutcome::Failed, DeliveryOutcome::Read, DeliveryOutcome::Answered];
    command!(RecordDelivery {
        call_id: known,
        channel: channel[usize::from(b.min(b / 3)) % 5],
        outcome: outcome[usize::from(c) % 5],
        reference: "m-1",
    })
}

fn selection(state: &State, roll: &Roll) -> GroupSelection {
    let [a, b, c, _] = roll.dice;
    let text = |wanted: bool, id: String| if wanted { id } else { String::new() };
    match a % 4 {
        0 => GroupSelection {
            responder_ids: vec![any(&state.base.responders, b), any(&state.base.responders, b.wrapping_add(1 + c % 30))],
            ..Default::default()
        },
        1 => GroupSelection { area_id: any(&state.base.areas, b), ..Default::default() },
        2 => GroupSelection { specialties: vec!["medic".to_owned()], area_id: text(c % 2 == 0, "c".to_owned()), ..Default::default() },
        _ => GroupSelection {
            organization_id: text(c % 3 == 0, "power".to_owned()),
            unit_id: text(c % 3 == 1, any(&state.ops.units, b)),
            on_standby: c % 3 == 2,
            ..Default::default()
        },
    }
}

/// A request that is most likely open, and who is at home in the area that it asks.
fn asked(state: &State, die: u8) -> (String, Vec<String>) {
    let open: Vec<_> = state.ops.requests.iter().filter(|(_, request)| request.due_ms != 0).map(|(key, _)| key).collect();
    let Some(key) = open.get(usize::from(die) % open.len().max(1)).copied() else { return (format!("r{die}"), Vec::new()) };
    (RequestRef::text(key), people_of(state, key))
}

fn people_of(state: &State, key: RequestRef) -> Vec<String> {
    let request = state.ops.requests.get(key);
    let realm = state.ops.whistles.get(request.whistle).realm;
    let areas = state.base.subtree(request.from);
    let home = areas.into_iter().flat_map(|area| &state.base.areas.get(area).residents);
    let free = home.filter(|who| state.ops.duties(realm, **who).is_empty());
    free.map(|who| state.base.responders.id(*who).to_owned()).collect()
}
