//! The typhoon: the whole city converts in one command, is raised twice, and a flood claims some of its people.

use muster_proto::v1::{AreaLevel, GapReason, IncidentType, NeedKind, ReleaseReason, Severity};
use serde_json::json;

use super::whistles::{Blow, people, thing};
use super::{Director, FLOOD, Observer, PlayError, TYPHOON};
use crate::command::Voice;
use crate::stage::Stage;
use crate::tree::CITY;

fn headquarters() -> Voice {
    Voice::office(CITY, "市三防指挥部")
}

impl<S: Stage, O: Observer> Director<'_, S, O> {
    pub(super) async fn typhoon(&mut self) -> Result<(), PlayError> {
        self.bridge().await?;
        self.enter("台风：全市Ⅳ级响应，一条命令转换全市", "Typhoon: the whole city converts at level IV in one command");
        let declare = json!({
            "incident_id": TYPHOON,
            "incident_type": "INCIDENT_TYPE_TYPHOON",
            "name": "第 18 号台风",
            "area_id": CITY,
            "severity": "SEVERITY_MODERATE",
            "warning": "WARNING_LEVEL_BLUE",
            "grade": "INCIDENT_GRADE_LARGER",
        });
        self.must(headquarters().by_document("湛防指〔2026〕11号").says("DeclareIncident", "declare-typhoon", declare)).await?;
        let convert = json!({"incident_id": TYPHOON, "area_id": CITY, "response": "RESPONSE_LEVEL_IV"});
        let command = headquarters().by_document("湛防指〔2026〕12号").says("ConvertArea", "convert-typhoon", convert.clone());
        self.must(command).await?;
        // The same order again under another number calls nobody twice.
        self.must(headquarters().by_telephone("重复下达").says("ConvertArea", "convert-typhoon-again", convert)).await?;
        self.tell_city();
        self.run(80).await?;
        self.typhoon_whistles().await?;
        self.floor(TYPHOON).await?;
        self.match_needs().await?;
        self.reserve().await?;
        self.run(40).await?;

        self.enter("台风：升至Ⅲ级，再升至Ⅱ级，只征调差额", "Typhoon: raised to III, then II; only the difference is called");
        for (place, (response, warning, minutes)) in
            [("III", "WARNING_LEVEL_YELLOW", 65), ("II", "WARNING_LEVEL_ORANGE", 65)].into_iter().enumerate()
        {
            let before = self.called(TYPHOON);
            let warning = json!({"incident_id": TYPHOON, "warning": warning});
            let voice = headquarters().by_consultation("市防指会商");
            self.must(voice.says("ChangeWarning", format!("warning-typhoon-{response}"), warning)).await?;
            let body = json!({"incident_id": TYPHOON, "area_id": CITY, "response": format!("RESPONSE_LEVEL_{response}")});
            self.must(voice.says("ChangeResponse", format!("raise-typhoon-{response}"), body)).await?;
            let raised = self.called(TYPHOON) - before;
            self.played.typhoon_raised[place] = raised;
            self.observer.note(&format!("升级后增调 {raised} 人"), &format!("raised: {raised} more people called"));
            self.run(minutes).await?;
        }
        self.flood().await
    }

    fn called(&self, incident: &str) -> u64 {
        self.mirror.calls_of.get(incident).copied().unwrap_or(0)
    }

    fn tell_city(&mut self) {
        let called = self.called(TYPHOON);
        let standby = self.mirror.standby.iter().filter(|(incident, _)| incident == TYPHOON).count() as u64;
        let held = self.mirror.gaps.get(&(TYPHOON.to_owned(), GapReason::OnOtherDuty.into())).copied().unwrap_or(0);
        self.observer.note(
            &format!("全市征调 {called} 人，备勤 {standby} 人；{held} 个岗位因本人在疫情岗位列为缺口"),
            &format!("{called} people called, {standby} on standby; {held} posts are gaps because the outbreak holds the person"),
        );
        self.played.typhoon_called = called;
        self.played.typhoon_standby = standby;
        self.played.held_by_other_incident = held;
    }

    async fn typhoon_whistles(&mut self) -> Result<(), PlayError> {
        let villages: Vec<String> = self.city.tree.of_level(AreaLevel::Village).map(|village| village.id.clone()).collect();
        // Spread over the tree: every seventh of the list, from its end.
        let chosen: Vec<String> = villages.iter().rev().step_by((villages.len() / 7).max(1)).take(7).cloned().collect();
        for (number, area) in chosen.iter().enumerate() {
            let id = format!("w-typhoon-{}", number + 1);
            let needs = match number % 3 {
                0 => vec![people("n1", 3, "")],
                1 => vec![people("n1", 2, "驾驶"), thing("n2", NeedKind::Supply, "沙袋", 300, "个")],
                _ => vec![people("n1", 2, "水上救援"), thing("n2", NeedKind::Equipment, "冲锋舟", 2, "艘")],
            };
            let life_threatening = number % 3 == 2;
            let severity = if life_threatening { Severity::Extreme } else { Severity::Moderate };
            let (place, text) = ("低洼村道", "积水上涨，请求增援");
            self.blow(Blow { id: &id, incident: TYPHOON, area, severity, life_threatening, place, text, needs }).await?;
            let level = if number % 4 == 3 { AreaLevel::Township } else { AreaLevel::Village };
            self.acknowledge_from(&id, level, 4);
            if number % 3 != 0 {
                self.deliver(25, &id, "n2", if number % 3 == 1 { 300 } else { 2 });
            }
        }
        // Outside any incident: a fallen tree, before anybody asks what it belongs to.
        let area = chosen.first().cloned().unwrap_or_else(|| CITY.to_owned());
        let needs = vec![people("n1", 1, "")];
        let (place, text, severity) = ("村口", "大树倒伏挡路", Severity::Minor);
        self.blow(Blow { id: "w-tree", incident: "", area: &area, severity, life_threatening: false, place, text, needs }).await?;
        self.acknowledge_from("w-tree", AreaLevel::Village, 5);
        Ok(())
    }

    /// A dyke breaks: a graver incident takes the people that its plan names from the typhoon.
    async fn flood(&mut self) -> Result<(), PlayError> {
        self.enter("堤围决口：更重的事件争同一批人", "Flood: a graver incident claims the same people");
        let plan = self.city.plans.iter().find(|plan| plan.incident_type == IncidentType::Flood);
        let Some(area) = plan.map(|plan| plan.area_id.clone()) else { return Ok(()) };
        let county = self.above(&area, AreaLevel::County);
        let office = || Voice::office(&county, "县三防指挥部").by_telephone("海堤决口");
        let declare = json!({
            "incident_id": FLOOD,
            "incident_type": "INCIDENT_TYPE_FLOOD",
            "name": "海堤决口险情",
            "area_id": area,
            "severity": "SEVERITY_EXTREME",
            "grade": "INCIDENT_GRADE_MAJOR",
        });
        self.must(office().says("DeclareIncident", "declare-flood", declare)).await?;
        let convert = json!({"incident_id": FLOOD, "area_id": area, "response": "RESPONSE_LEVEL_I"});
        self.must(office().says("ConvertArea", "convert-flood", convert)).await?;
        let outranked = self.mirror.releases.get(&ReleaseReason::Outranked.into()).copied().unwrap_or(0);
        self.played.outranked = outranked;
        self.observer.note(
            &format!("决口征调 {} 人，其中 {outranked} 人由台风岗位转来，原岗位列缺口或由备份顶上", self.called(FLOOD)),
            &format!("{} people called to the dyke, {outranked} of them taken from the typhoon", self.called(FLOOD)),
        );
        self.run(70).await?;
        self.landfall(&county).await
    }

    /// 避险: the eye passes over one county. Everybody outdoors is called in, confirms, and goes back afterwards.
    async fn landfall(&mut self, county: &str) -> Result<(), PlayError> {
        self.enter("台风登陆：户外人员全部避险，逐人确认安全", "Landfall: everybody outdoors takes shelter and confirms");
        let office = || Voice::office(county, "县三防指挥部").by_telephone("风力已达14级");
        let area = |reason: &str| json!({"incident_id": TYPHOON, "area_id": county, "reason": reason});
        self.must(office().says("RecallArea", "recall-county", area("台风登陆"))).await?;
        self.pull().await?;
        let called_in = self.mirror.called_in.len() as u64;
        self.run(35).await?;
        let listed = self.mirror.count("UnaccountedListed");
        self.observer.note(
            &format!("要求 {called_in} 人避险；到时未确认的已列出名单（{listed} 份），随后逐一核实"),
            &format!("{called_in} people called in; who had not confirmed in time was listed ({listed} lists) and asked after"),
        );
        self.run(25).await?;
        self.played.sheltered = called_in;
        self.played.unaccounted = self.mirror.called_in.len() as u64;
        self.must(office().says("ResumeArea", "resume-county", area("风力减弱"))).await?;
        self.run(30).await
    }
}
