//! What stands in the files beside any incident: who can be rung up, who answers for a village, whose data is held, and whose is erased.

use std::collections::BTreeSet;

use muster_proto::ACTUAL;
use serde_json::json;

use super::{Director, Observer, PlayError};
use crate::command::{ScriptCommand, Voice};
use crate::scale::OUTBREAK_COUNTY;
use crate::stage::Stage;
use crate::tree::CITY;

impl<S: Stage, O: Observer> Director<'_, S, O> {
    /// 包干 and the telephone list: said once the outbreak has begun, for it is then that they are looked up.
    pub(super) async fn responsibilities(&mut self) -> Result<(), PlayError> {
        let county = || Voice::office(OUTBREAK_COUNTY, "组织部值班员").by_document("包干责任表 2026");
        let mut commands = Vec::new();
        for person in self.city.responders.iter().filter(|person| person.home.starts_with(OUTBREAK_COUNTY)).step_by(40).take(3) {
            let id = &person.id;
            let body = json!({"responder_id": id, "area_id": person.home, "kind": "RESPONSIBILITY_KIND_VILLAGE_LEADER"});
            commands.push(county().says("AssignResponsibility", format!("village-{id}"), body.clone()));
            if commands.len() == 1 {
                commands.push(county().says("EndResponsibility", format!("village-end-{id}"), body));
            }
        }
        for organization in self.city.organizations.iter().filter(|organization| organization.area_id == OUTBREAK_COUNTY).take(3) {
            let Some(person) = self.city.responders.iter().find(|person| person.organization_id == organization.id) else { continue };
            let body = json!({"organization_id": organization.id, "title": "值班联系人", "responder_id": person.id});
            let voice = Voice::organization(&organization.id, OUTBREAK_COUNTY);
            commands.push(voice.says("NameOfficeHolder", format!("holder-{}", organization.id), body));
        }
        self.submit_all(commands).await?;
        self.pull().await
    }

    /// 注销: asked for whoever still serves, while a hold stands, by one person twice; carried out once two agree. Of those who served it
    /// would be refused for three years more, which no play lasts: the erased never served.
    pub(super) async fn erasures(&mut self) -> Result<(), PlayError> {
        let served: BTreeSet<&String> = self.mirror.calls.values().map(|call| &call.body.responder_id).collect();
        let fit = |id: &String| self.mirror.is_free(ACTUAL, id) && !served.contains(id) && !self.mirror.withdrawn.contains(id);
        let standing: BTreeSet<&String> = self.mirror.standby.iter().map(|(_, person)| person).collect();
        let mut idle = self.city.responders.iter().map(|person| &person.id).filter(|id| fit(id) && !standing.contains(id));
        let Some(person) = idle.next_back().cloned() else { return Ok(()) };
        let serving = self.mirror.calls.values().find(|call| call.open && call.realm == ACTUAL).map(|call| call.body.responder_id.clone());
        let archive = |title: &'static str| Voice::office(CITY, title).by_document("个人信息处理申请");
        let erase = |id: &str, voice: Voice, person: &str| -> ScriptCommand {
            voice.says("ErasePersonalData", format!("erase-{id}"), json!({"responder_id": person, "reason": "本人申请注销"}))
        };
        let hold = |id: &str, held: bool| {
            let body = json!({"responder_id": person, "held": held, "reason": "信访复核期间留存"});
            archive("档案管理员").says("SetHold", format!("hold-{id}"), body)
        };
        let withdraw = json!({"responder_id": person, "reason": "迁出本市"});
        let mut commands = vec![hold("on", true), archive("组织部值班员").says("WithdrawResponder", "withdraw-for-good", withdraw)];
        commands.extend(serving.map(|serving| erase("serving", archive("档案管理员"), &serving)));
        commands.push(erase("held", archive("档案管理员"), &person));
        commands.push(hold("off", false));
        commands.push(erase("asked", archive("档案管理员"), &person));
        commands.push(erase("asked-again", archive("档案管理员"), &person));
        commands.push(erase("agreed", Voice::organization("", OUTBREAK_COUNTY).by_document("个人信息处理申请"), &person));
        self.attempt(commands).await?;
        self.pull().await
    }
}
