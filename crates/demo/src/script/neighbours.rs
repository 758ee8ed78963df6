//! Across the border: an agreement that both sides and a county outside the city sign, invoke and end; risk zones and beats as lists of
//! grids; a floor below which an area lets nobody go. Owns `agreement-border` and the sites `site-joint` and `site-beat`.

use muster_proto::ACTUAL;
use muster_proto::v1::{AreaLevel, NeedKind, SiteKind};
use serde_json::{Value, json};

use super::{Director, OUTBREAK, Observer, PlayError};
use crate::command::{ScriptCommand, Voice};
use crate::scale::OUTBREAK_COUNTY;
use crate::stage::Stage;
use crate::tree::{CITY, NEW_DISTRICT};

const AGREEMENT: &str = "agreement-border";
/// 陆川县, of another province.
const EXTERNAL: &str = "450922";
const JOINT_UNIT: &str = "unit-joint";
const BEAT_SITE: &str = "site-beat";
/// More people than any township has: nobody may leave.
const EVERYBODY: u32 = 100_000;

fn county() -> Voice {
    Voice::office(OUTBREAK_COUNTY, "区指挥部值班长")
}

impl<S: Stage, O: Observer> Director<'_, S, O> {
    pub(super) async fn neighbours(&mut self) -> Result<(), PlayError> {
        self.enter("疫情：邻区联建、风险区、流动巡逻", "Outbreak: an agreement with the neighbours, risk zones, beats");
        let sign = |id: &str, voice: Voice, area: &str, external: &str, name: &str| {
            let body = json!({
                "agreement_id": AGREEMENT,
                "name": name,
                "area_id": area,
                "external_code": external,
                "sides": [
                    {"area_id": OUTBREAK_COUNTY},
                    {"area_id": NEW_DISTRICT},
                    {"external_code": EXTERNAL, "external_name": "陆川县"},
                ],
                "shared": ["AGREEMENT_SCOPE_COVERAGE", "AGREEMENT_SCOPE_SITES", "AGREEMENT_SCOPE_WHISTLES", "AGREEMENT_SCOPE_PEOPLE"],
                "joint_committee_name": "边界联防联控联合党委",
                "document_no": format!("联建〔2026〕{id}号"),
            });
            voice.says("SignAgreement", format!("sign-{id}"), body)
        };
        let name = "粤桂边界联防联控协议";
        self.must(sign("1", county(), OUTBREAK_COUNTY, "", name)).await?;
        // Another text is another agreement.
        let neighbour = || Voice::office(NEW_DISTRICT, "新区管委会主任");
        self.attempt(vec![sign("other-text", neighbour(), NEW_DISTRICT, "", "另一份协议")]).await?;
        self.must(sign("2", neighbour(), NEW_DISTRICT, "", name)).await?;
        self.must(sign("3", county().by_document("陆政函〔2026〕3号"), "", EXTERNAL, name)).await?;
        self.invoke().await?;
        self.zones().await
    }

    /// Before the agreement is invoked the neighbour's people are the neighbour's; then one comes without being asked for again.
    async fn invoke(&mut self) -> Result<(), PlayError> {
        let home = self.city.responders.iter().filter(|person| person.away.is_none() && self.is_home(&person.home, NEW_DISTRICT));
        let person = home.map(|person| person.id.clone()).find(|person| self.mirror.is_free(ACTUAL, person));
        let dispatch = |id: &str, person: &str| {
            let body = json!({"responder_id": person, "site_id": "site-joint", "seat_id": id});
            county().by_consultation("边界联防会商").says("DispatchResponder", format!("joint-{id}"), body)
        };
        let site = json!({
            "site_id": "site-joint",
            "incident_id": OUTBREAK,
            "kind": "SITE_KIND_CHECKPOINT",
            "name": "边界联防卡口",
            "area_id": OUTBREAK_COUNTY,
            "seats": [{"seat_id": "j1"}, {"seat_id": "j2"}],
        });
        self.must(county().by_document("霞防指〔2026〕9号").says("OpenSite", "open-joint", site)).await?;
        if let Some(person) = &person {
            self.attempt(vec![dispatch("j1", person)]).await?;
        }
        let superior = self.city.organizations.iter().find(|organization| organization.area_id == OUTBREAK_COUNTY);
        let body = json!({
            "agreement_id": AGREEMENT,
            "incident_id": OUTBREAK,
            "unit_id": JOINT_UNIT,
            "superior_organization_id": superior.map_or_else(String::new, |organization| organization.id.clone()),
            "approval_document_no": "霞组〔2026〕21号",
            "area_id": OUTBREAK_COUNTY,
        });
        self.must(county().by_document("霞防指〔2026〕10号").says("InvokeAgreement", "invoke-agreement", body)).await?;
        if let Some(person) = &person {
            self.attempt(vec![dispatch("j2", person)]).await?;
        }
        // Nobody ends what people of both sides work under.
        let end = county().says("EndAgreement", "end-agreement-early", json!({"agreement_id": AGREEMENT, "reason": "提前终止"}));
        self.attempt(vec![end]).await?;
        self.pull().await
    }

    fn is_home(&self, home: &str, area: &str) -> bool {
        let mut next = self.city.tree.get(home);
        while let Some(found) = next {
            if found.id == area {
                return true;
            }
            next = self.city.tree.get(self.city.tree.parent_of(found));
        }
        false
    }

    /// The lists change as cases are found, and a patrol walks where it is needed.
    async fn zones(&mut self) -> Result<(), PlayError> {
        let villages = self.outbreak_villages();
        let of_village = |village: &String| self.city.tree.children_of(village).map(|grid| grid.id.clone()).collect::<Vec<_>>();
        let grids: Vec<String> = villages.0.iter().chain(&villages.1).flat_map(of_village).take(4).collect();
        let site = |id: &str, kind: &str, name: &str| {
            let body = json!({"site_id": id, "incident_id": OUTBREAK, "kind": kind, "name": name, "area_id": OUTBREAK_COUNTY, "seats": []});
            county().by_document("霞防指〔2026〕11号").says("OpenSite", format!("open-{id}"), body)
        };
        self.must(site(BEAT_SITE, "SITE_KIND_MOBILE_PATROL", "流动巡逻一队")).await?;
        let supplies = json!([{"item": "防护服", "quantity": 200, "unit": "套"}]);
        if let Some(zone) = self.risk_zone() {
            self.must(risk(&zone, "risk-high", "RISK_LEVEL_HIGH", &grids[..grids.len().min(2)], supplies.clone())).await?;
            self.must(risk(&zone, "risk-wider", "RISK_LEVEL_HIGH", &grids, supplies)).await?;
            self.must(risk(&zone, "risk-middle", "RISK_LEVEL_MIDDLE", &grids[..grids.len().min(1)], json!([]))).await?;
        }
        for (number, beat) in [&grids[..grids.len().min(3)], &grids[grids.len().min(1)..]].into_iter().enumerate() {
            let body = json!({"site_id": BEAT_SITE, "grid_ids": beat});
            self.must(county().by_telephone("调整巡线").says("SetBeat", format!("beat-{number}"), body)).await?;
        }
        Ok(())
    }

    /// The first risk zone that the outbreak's plans opened.
    fn risk_zone(&self) -> Option<String> {
        let mut sites = self.mirror.sites.iter().filter(|(_, site)| site.open && site.incident == OUTBREAK);
        sites.find(|(_, site)| site.kind == SiteKind::RiskZone).map(|(id, _)| id.clone())
    }

    /// 解除风险: before it no stand-down closes the zone, which is refused.
    pub(super) async fn lift_risks(&mut self) -> Result<(), PlayError> {
        let body = json!({"incident_id": OUTBREAK, "area_id": OUTBREAK_COUNTY});
        let early = county().by_document("关于终止应急响应的通知").says("StandDownArea", "stand-down-too-early", body);
        self.attempt(vec![early]).await?;
        match self.risk_zone() {
            Some(zone) => self.must(risk(&zone, "risk-lifted", "RISK_LEVEL_LIFTED", &[], json!([]))).await,
            None => Ok(()),
        }
    }

    /// The incident is closed and the joint committee dissolved.
    pub(super) async fn end_agreement(&mut self) -> Result<(), PlayError> {
        let body = json!({"agreement_id": AGREEMENT, "reason": "疫情结束，协议期满"});
        self.must(county().by_document("联建〔2026〕9号").says("EndAgreement", "end-agreement", body)).await
    }

    /// 留守: while everybody is needed at home nobody is called away, not even by the city.
    pub(super) async fn floor(&mut self, incident: &str) -> Result<(), PlayError> {
        let Some((whistle, need, person, township)) = self.called_away(incident) else { return Ok(()) };
        let floor = |id: &str, minimum: u32| -> ScriptCommand {
            let voice = Voice::office(&township, "镇街书记").by_document("关于留守力量的通知");
            voice.says("SetFloor", format!("floor-{id}"), json!({"area_id": township, "minimum": minimum}))
        };
        self.must(floor("all", EVERYBODY)).await?;
        let body = json!({"responder_id": person, "whistle_id": whistle, "need_id": need, "released_by_area_id": CITY});
        let voice = Voice::office(CITY, "市三防指挥部").by_telephone("跨区调人");
        self.attempt(vec![voice.says("DispatchResponder", "floor-asked", body)]).await?;
        self.must(floor("one", 1)).await
    }

    /// An open need of the incident, somebody free of another township who could serve it, and that township.
    fn called_away(&self, incident: &str) -> Option<(String, String, String, String)> {
        let township = |area: &str| self.city.tree.at_level(area, AreaLevel::Township).map(|found| found.id.clone());
        let open = self.mirror.whistles.iter().filter(|(_, whistle)| whistle.open && whistle.body.incident_id == incident);
        let needs = open.flat_map(|(id, whistle)| whistle.body.needs.iter().map(move |need| (id, whistle, need)));
        let mut needs = needs.filter(|(id, _, need)| need.kind() == NeedKind::Person && self.mirror.missing(id, &need.need_id) > 0);
        needs.find_map(|(id, whistle, need)| {
            let there = township(&whistle.body.area_id);
            let people = self.city.responders.iter().rev().filter(|person| person.away.is_none());
            let able = people.filter(|person| need.specialty.is_empty() || person.specialties.contains(&need.specialty.as_str()));
            let mut free = able.filter(|person| self.mirror.is_free(ACTUAL, &person.id));
            let (person, home) =
                free.find_map(|person| Some((person, township(&person.home).filter(|home| Some(home) != there.as_ref())?)))?;
            Some((id.clone(), need.need_id.clone(), person.id.clone(), home))
        })
    }
}

fn risk(zone: &str, id: &str, level: &str, grids: &[String], supplies: Value) -> ScriptCommand {
    let body = json!({"site_id": zone, "risk": level, "grid_ids": grids, "supplies": supplies});
    county().by_consultation("区防指研判").says("SetRisk", id, body)
}
