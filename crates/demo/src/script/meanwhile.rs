//! Peacetime goes on: transfers, leave, new specialties, a new home, a withdrawal, a plan's next version. What is changed on
//! purpose while incidents run must still be there after they have stood down.

use muster_proto::v1::IncidentType;
use serde_json::json;

use super::{Director, Observer, PlayError};
use crate::command::{ScriptCommand, Voice};
use crate::roster::Responder;
use crate::stage::Stage;
use crate::tree::CITY;

/// Every so many-th person of the roster has something changed.
const CHANGED_EVERY: usize = 37;

impl<S: Stage, O: Observer> Director<'_, S, O> {
    pub(super) async fn meanwhile(&mut self) -> Result<(), PlayError> {
        self.enter("应急期间的平时变动：调动、请假、特长、迁居、退出", "Meanwhile: transfers, leave, specialties, moves, a withdrawal");
        let people: Vec<Responder> = self.city.responders.iter().step_by(CHANGED_EVERY).take(40).cloned().collect();
        let mut commands = Vec::new();
        for (number, person) in people.iter().enumerate() {
            commands.extend(self.change(number, person));
        }
        self.submit_all(commands).await?;
        self.pull().await?;
        self.next_version().await?;
        self.erasures().await?;
        self.run(20).await
    }

    fn change(&self, number: usize, person: &Responder) -> Option<ScriptCommand> {
        let id = &person.id;
        let voice = Voice::office(CITY, "组织部值班员").by_document("人员变动登记");
        let command = match number % 5 {
            0 => {
                let mut others = self.city.organizations.iter().filter(|organization| organization.id != person.organization_id);
                let organization = others.next_back()?;
                let body = json!({"responder_id": id, "organization_id": organization.id});
                voice.says("TransferResponder", format!("m-transfer-{id}"), body)
            }
            1 => {
                let body = json!({"responder_id": id, "availability": "AVAILABILITY_LEAVE"});
                voice.says("SetAvailability", format!("m-leave-{id}"), body)
            }
            2 => {
                let body = json!({"responder_id": id, "specialties": ["无线电", "驾驶"]});
                voice.says("SetSpecialties", format!("m-skill-{id}"), body)
            }
            3 => {
                let parent = &self.city.tree.get(&person.home)?.parent_id;
                let neighbour = self.city.tree.children_of(parent).find(|area| area.id != person.home)?;
                let body = json!({"responder_id": id, "area_id": neighbour.id});
                Voice::responder(id).says("ReportToCommunity", format!("m-move-{id}"), body)
            }
            // Somebody without a duty withdraws: what follows otherwise is the domain's own matter.
            _ => {
                let others = self.city.responders.iter().enumerate().filter(|(place, _)| place % CHANGED_EVERY != 0);
                let free = others.map(|(_, person)| person).filter(|person| self.mirror.is_free(muster_proto::ACTUAL, &person.id));
                let person = free.rev().nth(number / 5)?;
                let body = json!({"responder_id": person.id, "reason": "迁出本市"});
                voice.says("WithdrawResponder", format!("m-withdraw-{}", person.id), body)
            }
        };
        Some(command)
    }

    /// The flood's plan is revised while the flood runs: what is converted stays on the version it was converted with.
    async fn next_version(&mut self) -> Result<(), PlayError> {
        let city = self.city;
        let Some(plan) = city.plans.iter().find(|plan| plan.incident_type == IncidentType::Flood) else { return Ok(()) };
        let voice = Voice::office(&plan.area_id, "应急办主任").by_document("转换预案 2026 年第二次修订");
        let draft = muster_proto::Command::DraftPlan(muster_proto::v1::DraftPlan {
            plan_id: plan.id.clone(),
            area_id: plan.area_id.clone(),
            incident_type: plan.incident_type.into(),
            name: format!("{}（修订）", plan.name),
            sites: plan.sites.clone(),
            units: plan.units.clone(),
            cards: plan.cards.clone(),
        });
        let mut commands = vec![voice.says("DraftPlan", "m-draft", muster_proto::command_to_json(&draft).1)];
        for (number, post) in plan.posts.iter().take(3).enumerate() {
            let body = muster_proto::command_to_json(&muster_proto::Command::DesignatePost(post.clone())).1;
            commands.push(voice.says("DesignatePost", format!("m-post-{number}"), body));
        }
        commands.push(voice.says("PublishPlan", "m-publish", json!({"plan_id": plan.id})));
        self.attempt(commands).await?;
        self.pull().await
    }
}
