//! Many at once: a group called from a list and from those who stand by, and taken off again; somebody called who is not rested; all open
//! needs of the city matched together. Owns the sites `site-group` and `site-reserve`.

use serde_json::json;

use super::{Director, OUTBREAK, Observer, PlayError, TYPHOON};
use crate::command::{Outcome, Voice};
use crate::scale::OUTBREAK_COUNTY;
use crate::stage::Stage;
use crate::tree::CITY;

const SITE: &str = "site-group";
const RESERVE_SITE: &str = "site-reserve";

impl<S: Stage, O: Observer> Director<'_, S, O> {
    /// Extra hands for a sampling point: one who has just come off a shift, and a list on which one is on duty already.
    pub(super) async fn groups(&mut self, tired: Option<String>) -> Result<(), PlayError> {
        self.enter("疫情：批量征调与召回、疲劳复核、纸质签到", "Outbreak: groups called and recalled, rest overridden, sheets of paper");
        let office = || Voice::office(OUTBREAK_COUNTY, "区指挥部值班长").by_document("霞防指〔2026〕16号");
        let seats: Vec<_> = (1..=4).map(|number| json!({"seat_id": format!("g{number}")})).collect();
        let site = json!({
            "site_id": SITE,
            "incident_id": OUTBREAK,
            "kind": "SITE_KIND_SAMPLING_POINT",
            "name": "机动采样点",
            "area_id": OUTBREAK_COUNTY,
            "seats": seats,
        });
        self.must(office().says("OpenSite", "open-group", site)).await?;
        if let Some(tired) = tired {
            let card = json!({"where": "机动采样点", "report_to": "采样组长", "task": "登记", "bring": "口罩", "until": "采样结束"});
            let body = |reason: &str| json!({"responder_id": tired, "site_id": SITE, "seat_id": "g1", "rest_override_reason": reason, "card": card});
            // Without a reason nobody who is not rested is called.
            let commands = vec![
                office().says("DispatchResponder", "tired", body("")),
                office().says("DispatchResponder", "tired-all-the-same", body("无人可替，仅两小时")),
            ];
            self.attempt(commands).await?;
        }
        let busy = self.mirror.calls.values().find(|call| call.open && call.realm == muster_proto::ACTUAL);
        let mut people: Vec<String> = busy.map(|call| call.body.responder_id.clone()).into_iter().collect();
        people.extend(self.free_in_county(2));
        let call = json!({"selection": {"responder_ids": people}, "site_id": SITE, "quantity": 2});
        self.attempt(vec![office().says("CallGroup", "call-group", call)]).await?;
        self.pull().await?;
        self.run(60).await?;
        self.paper_sheets(SITE).await?;
        let recall = json!({"site_id": SITE, "reason": "采样结束"});
        self.attempt(vec![office().says("RecallGroup", "recall-group", recall)]).await?;
        self.pull().await?;
        self.run(40).await
    }

    /// 备勤 are called first: three of them to a reserve, and back.
    pub(super) async fn reserve(&mut self) -> Result<(), PlayError> {
        let office = || Voice::office(CITY, "市三防指挥部").by_consultation("市防指会商");
        let seats: Vec<_> = (1..=3).map(|number| json!({"seat_id": format!("m{number}")})).collect();
        let site = json!({
            "site_id": RESERVE_SITE,
            "incident_id": TYPHOON,
            "kind": "SITE_KIND_MUSTER_POINT",
            "name": "市级机动力量集结点",
            "area_id": CITY,
            "seats": seats,
        });
        self.must(office().says("OpenSite", "open-reserve", site)).await?;
        let call = json!({"selection": {"area_id": CITY, "on_standby": true}, "site_id": RESERVE_SITE, "quantity": 3});
        self.attempt(vec![office().says("CallGroup", "call-reserve", call)]).await?;
        self.pull().await
    }

    /// 统筹补位: the planner matches every open need at once; a person accepts, changes, refuses, and cannot decide a line twice.
    pub(super) async fn match_needs(&mut self) -> Result<(), PlayError> {
        let office = || Voice::office(CITY, "市三防指挥部").by_consultation("统筹调度会商");
        self.played.commands += 1;
        let outcome = self.stage.propose_fill(office().says("ProposeFill", "fill-typhoon", json!({"area_id": CITY}))).await?;
        if let Outcome::Refused { code, .. } = outcome {
            *self.played.refusals.entry(code).or_default() += 1;
            return Ok(());
        }
        self.pull().await?;
        let (proposal, lines) = self.mirror.fill.clone();
        let proposed: std::collections::BTreeSet<&String> = lines.iter().map(|line| &line.responder_id).collect();
        let decide = |place: usize, line: &muster_proto::v1::FillLine| {
            let other = &line.runner_up_responder_id;
            match place {
                1 => json!({"line_id": line.line_id, "choice": "FILL_CHOICE_REFUSE", "reason": "本人刚下夜班"}),
                2 if !other.is_empty() && !proposed.contains(other) => json!({
                    "line_id": line.line_id, "choice": "FILL_CHOICE_CHANGE", "responder_id": other, "released_by_area_id": CITY,
                }),
                _ => json!({"line_id": line.line_id, "choice": "FILL_CHOICE_ACCEPT", "released_by_area_id": CITY}),
            }
        };
        let Some(first) = lines.first() else { return Ok(()) };
        let decisions: Vec<_> = lines.iter().enumerate().map(|(place, line)| decide(place, line)).collect();
        let again = json!([{"line_id": first.line_id, "choice": "FILL_CHOICE_REFUSE", "reason": "改变主意"}]);
        let said = |id: &str, decisions: serde_json::Value| {
            office().says("DecideFill", id, json!({"proposal_id": proposal, "decisions": decisions}))
        };
        self.attempt(vec![said("decide-fill", json!(decisions)), said("decide-fill-again", again)]).await?;
        self.pull().await?;
        let count = |event| self.mirror.count(event);
        let (decided, refused) = (count("FillLineDecided"), count("FillLineRefused"));
        self.observer.note(
            &format!("统筹补位 {} 条，决定 {decided} 条，退回 {refused} 条", lines.len()),
            &format!("{} lines proposed for all open needs, {decided} decided, {refused} turned down by the rules", lines.len()),
        );
        Ok(())
    }
}
