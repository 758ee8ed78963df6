//! The outbreak: declared with warning, grade and response apart, the county converted at the published scale, and what a day of
//! it brings: whistles of every kind, a slow department, a hand-made unit and site, a day without organizers.

use std::collections::BTreeMap;

use muster_proto::v1::{self, AreaLevel, NeedKind, UnitKind};
use serde_json::json;

use super::agenda::Guard;
use super::calls::{check_in, check_out};
use super::mirror::Place;
use super::whistles::{Blow, people, thing};
use super::{Director, MINUTE_MS, OUTBREAK, Observer, PlayError};
use crate::command::Voice;
use crate::scale::OUTBREAK_COUNTY;
use crate::stage::Stage;

/// How long the border's night shift lasts.
const NIGHT_SHIFT_MINUTES: i64 = 8 * 60;

impl<S: Stage, O: Observer> Director<'_, S, O> {
    pub(super) async fn outbreak(&mut self) -> Result<(), PlayError> {
        self.enter("疫情：霞山区启动应急响应，平急转换", "Outbreak: Xiashan district declares and converts");
        let office = || Voice::office(OUTBREAK_COUNTY, "区指挥部值班长");
        let declare = json!({
            "incident_id": OUTBREAK,
            "incident_type": "INCIDENT_TYPE_OUTBREAK",
            "name": "霞山区聚集性疫情",
            "area_id": OUTBREAK_COUNTY,
            "severity": "SEVERITY_SEVERE",
            "warning": "WARNING_LEVEL_YELLOW",
            "grade": "INCIDENT_GRADE_GENERAL",
        });
        let voice = office().by_document("霞防指〔2026〕1号");
        self.must(voice.says("DeclareIncident", "declare-outbreak", declare)).await?;
        self.responsibilities().await?;
        let grade = json!({"incident_id": OUTBREAK, "grade": "INCIDENT_GRADE_MAJOR"});
        self.must(office().by_consultation("区防指会商").says("ChangeGrade", "grade-outbreak", grade)).await?;
        let warning = json!({"incident_id": OUTBREAK, "warning": "WARNING_LEVEL_ORANGE"});
        self.must(office().by_document("霞防指〔2026〕2号").says("ChangeWarning", "warning-outbreak", warning)).await?;
        // Somebody below has no say: refused, and nothing is called.
        let convert = json!({"incident_id": OUTBREAK, "area_id": OUTBREAK_COUNTY, "response": "RESPONSE_LEVEL_II"});
        let below = self.first_township(OUTBREAK_COUNTY);
        let overstep = Voice::office(&below, "街道书记").says("ConvertArea", "convert-overstep", convert.clone());
        self.attempt(vec![overstep]).await?;
        self.rehearse().await?;
        self.must(office().by_document("霞防指〔2026〕3号").says("ConvertArea", "convert-outbreak", convert)).await?;
        self.tell_conversion();
        self.compare_rehearsals();

        self.enter("疫情：征调、应答、到岗", "Outbreak: calls, answers, check-ins");
        self.run(75).await?;
        self.walk_ins();
        self.enter("疫情：吹哨、调度、部门报到", "Outbreak: whistles, dispatch, departments");
        self.outbreak_whistles().await?;
        self.by_hand().await?;
        self.run(150).await?;
        self.tell_whistles();
        self.neighbours().await?;
        let tired = self.shifts().await?;
        self.groups(tired).await?;

        self.enter("疫情：次日，补派组织员", "Outbreak: the next day, organizers for units without one");
        self.run(20).await?;
        self.step_to(self.now_ms + 24 * 60 * MINUTE_MS).await?;
        self.run(40).await?;
        let (overdue, named) = (self.mirror.count("OrganizerGapOverdue"), self.mirror.count("OrganizerAppointed"));
        self.observer.note(
            &format!("缺组织员超期 {overdue} 个，组织员任命 {named} 人次"),
            &format!("{overdue} units overdue for an organizer, {named} appointments"),
        );
        Ok(())
    }

    fn first_township(&self, county: &str) -> String {
        let found = self.city.tree.children_of(county).find(|area| area.level == AreaLevel::Township);
        found.map_or_else(|| county.to_owned(), |area| area.id.clone())
    }

    fn tell_conversion(&mut self) {
        let mut kinds: BTreeMap<UnitKind, u64> = BTreeMap::new();
        for unit in self.mirror.units.values().filter(|unit| unit.body.incident_id == OUTBREAK) {
            *kinds.entry(unit.body.kind()).or_default() += 1;
        }
        let count = |kind| kinds.get(&kind).copied().unwrap_or(0);
        let called = self.mirror.calls_of.get(OUTBREAK).copied().unwrap_or(0);
        let (committees, branches) = (count(UnitKind::TemporaryCommittee), count(UnitKind::TemporaryBranch));
        let teams = count(UnitKind::VanguardTeam);
        self.observer.note(
            &format!("征调 {called} 人：临时党委 {committees}、临时党支部 {branches}、先锋队 {teams}"),
            &format!("{called} people called: {committees} committees, {branches} branches, {teams} vanguard teams"),
        );
        self.played.outbreak_called = called;
        self.played.outbreak_units = kinds.into_iter().map(|(kind, count)| (kind.as_str_name(), count)).collect();
    }

    /// A few people come without a call; they are welcome, marked, and go home after a while.
    fn walk_ins(&mut self) {
        let sites: Vec<String> =
            self.mirror.sites.iter().filter(|(_, site)| site.open && site.incident == OUTBREAK).map(|(id, _)| id.clone()).take(5).collect();
        let free = self.city.responders.iter().filter(|person| person.home.starts_with(OUTBREAK_COUNTY) && person.away.is_none());
        let free: Vec<String> =
            free.filter(|person| self.mirror.is_free(muster_proto::ACTUAL, &person.id)).map(|person| person.id.clone()).take(5).collect();
        for (person, site) in free.into_iter().rev().zip(sites) {
            let place = Place::Site(site);
            self.later(3, Guard::PlaceOpen(place.clone()), check_in(format!("walk-{person}"), &person, &place, None));
            let gone = Guard::Present(muster_proto::ACTUAL.to_owned(), person.clone(), place.clone());
            self.later(90, gone, check_out(format!("walk-out-{person}"), &person, &place));
        }
    }

    /// Villages of the county: the first of townships that let the Fill policy call by itself, and of those that do not.
    pub(super) fn outbreak_villages(&self) -> (Vec<String>, Vec<String>) {
        let townships = self.city.tree.children_of(OUTBREAK_COUNTY);
        let (mut automatic, mut asked) = (Vec::new(), Vec::new());
        for township in townships {
            let list = if self.city.auto_fill.contains(&township.id) { &mut automatic } else { &mut asked };
            list.extend(self.city.tree.children_of(&township.id).map(|village| village.id.clone()));
        }
        (automatic, asked)
    }

    async fn outbreak_whistles(&mut self) -> Result<(), PlayError> {
        let (automatic, asked) = self.outbreak_villages();
        let pick = |list: &[String], place: usize| list[place % list.len()].clone();
        let (first, second, third) = (pick(&automatic, 0), pick(&asked, 0), pick(&automatic, 1));
        let (fourth, fifth) = (pick(&asked, 1), pick(&automatic, 2));
        let blow = |id, area, severity, place, text, needs| Blow {
            id,
            incident: OUTBREAK,
            area,
            severity,
            life_threatening: false,
            place,
            text,
            needs,
        };
        let moderate = v1::Severity::Moderate;
        let needs = vec![people("n1", 4, ""), people("n2", 2, "医护")];
        self.blow(blow("w-sampling", &first, moderate, "社区采样点", "采样排队过长，增派人手", needs)).await?;
        self.acknowledge_from("w-sampling", AreaLevel::Village, 6);
        let needs = vec![people("n1", 3, "")];
        self.blow(blow("w-delivery", &second, moderate, "封控楼栋", "独居老人送药送菜", needs)).await?;
        self.acknowledge_from("w-delivery", AreaLevel::Village, 9);
        let needs = vec![
            people("n1", 2, "电工"),
            thing("n2", NeedKind::Organization, "power_supply", 1, "家"),
            thing("n3", NeedKind::Equipment, "发电机", 3, "台"),
            thing("n4", NeedKind::Supply, "饮用水", 200, "箱"),
        ];
        self.blow(blow("w-power", &third, v1::Severity::Severe, "集中隔离点", "隔离点停电，请供电抢修", needs)).await?;
        self.acknowledge_from("w-power", AreaLevel::Township, 3);
        for (minutes, need, quantity) in [(20, "n3", 1), (35, "n3", 2), (30, "n4", 120), (55, "n4", 80)] {
            self.deliver(minutes, "w-power", need, quantity);
        }
        let confirm = json!({"whistle_id": "w-power", "need_id": "n3", "note": "发电机已启用"});
        let command = Voice::office(&third, "社区书记").says("ConfirmPart", "confirm-w-power-n3", confirm);
        self.later(58, Guard::WhistleOpen("w-power".to_owned()), command);
        if let Some(organization) = self.organization_for(&third, "power_supply", 2) {
            self.call_organization("w-power", "n2", &organization, 2).await?;
        }
        let needs = vec![people("n1", 2, "心理疏导")];
        self.blow(blow("w-silent", &fourth, moderate, "封控小区", "居民情绪波动，请派疏导员", needs)).await?;
        self.acknowledge_from("w-silent", AreaLevel::County, 5);
        let needs = vec![people("n1", 2, "医护"), thing("n2", NeedKind::Equipment, "救护车", 1, "辆")];
        let urgent = Blow {
            life_threatening: true,
            ..blow("w-life", &fifth, v1::Severity::Extreme, "居民楼", "孕妇临产，急需转运", needs)
        };
        self.blow(urgent).await?;
        self.acknowledge_from("w-life", AreaLevel::Township, 2);
        self.deliver(11, "w-life", "n2", 1);
        let needs = vec![thing("n1", NeedKind::Supply, "防护服", 50, "套")];
        self.blow(blow("w-again", &first, moderate, "社区采样点", "采样点缺防护服，人手也不够", needs.clone())).await?;
        let merge = json!({"whistle_id": "w-again", "into_whistle_id": "w-sampling"});
        let command = Voice::office(&first, "社区书记").says("MergeWhistles", "merge-w-again", merge);
        self.later(8, Guard::WhistleOpen("w-again".to_owned()), command);
        self.blow(blow("w-mistake", &second, v1::Severity::Minor, "社区服务站", "误报", needs)).await?;
        let withdraw = json!({"whistle_id": "w-mistake", "reason": "误报"});
        let command = Voice::office(&second, "社区书记").says("WithdrawWhistle", "withdraw-w-mistake", withdraw);
        self.later(5, Guard::WhistleOpen("w-mistake".to_owned()), command);
        Ok(())
    }

    /// A joint committee and a site that no plan foresaw, and a person relieved.
    async fn by_hand(&mut self) -> Result<(), PlayError> {
        let office = || Voice::office(OUTBREAK_COUNTY, "区指挥部值班长").by_document("霞防指〔2026〕8号");
        let superior = self.city.organizations.iter().find(|organization| organization.area_id == OUTBREAK_COUNTY);
        let superior = superior.map_or_else(String::new, |organization| organization.id.clone());
        let site = json!({
            "site_id": "site-border",
            "incident_id": OUTBREAK,
            "kind": "SITE_KIND_CHECKPOINT",
            "name": "区界联合卡口",
            "area_id": OUTBREAK_COUNTY,
            "seats": [{"seat_id": "a", "duty_desk": true}, {"seat_id": "b", "shift": "白班"}],
        });
        self.must(office().says("OpenSite", "open-border", site)).await?;
        let unit = json!({
            "unit_id": "unit-border",
            "incident_id": OUTBREAK,
            "kind": "UNIT_KIND_JOINT_COMMITTEE",
            "name": "区界卡口联合党委",
            "area_id": OUTBREAK_COUNTY,
            "site_id": "site-border",
            "superior_organization_id": superior,
            "approval_document_no": "霞组〔2026〕19号",
        });
        self.must(office().says("EstablishUnit", "unit-border", unit)).await?;
        let free: Vec<String> = self.free_in_county(6);
        let [secretary, organizer, first, second, relief, night] = &free[..] else { return Ok(()) };
        let attach = json!({"unit_id": "unit-border", "responder_id": secretary});
        self.must(office().says("AttachResponder", "attach-border", attach)).await?;
        let named = |person: &str| json!({"unit_id": "unit-border", "responder_id": person, "document_no": "霞组〔2026〕20号"});
        self.must(office().says("AppointSecretary", "secretary-border", named(secretary))).await?;
        self.must(office().says("AppointOrganizer", "organizer-border", named(organizer))).await?;
        let seats = json!({"site_id": "site-border", "seats": [
            {"seat_id": "a", "duty_desk": true}, {"seat_id": "b", "shift": "白班"}, {"seat_id": "c", "shift": "夜班"},
        ]});
        self.must(office().says("SetRequirement", "seats-border", seats)).await?;
        for (seat, person) in [("a", first), ("b", second)] {
            let body = json!({"responder_id": person, "site_id": "site-border", "seat_id": seat, "unit_id": "unit-border"});
            self.must(office().says("DispatchResponder", format!("seat-border-{seat}"), body)).await?;
        }
        let call = self.mirror.calls.iter().rev().find(|(_, call)| call.body.responder_id == *second).map(|(id, _)| id.clone());
        if let Some(call) = call {
            let body = json!({"call_id": call, "by_responder_id": relief});
            self.later(100, Guard::CallOpen(call), office().says("RelieveResponder", "relieve-border", body));
        }
        // Twice the same person: refused, for nobody holds two duties.
        let body = json!({"responder_id": first, "site_id": "site-border", "seat_id": "c"});
        self.attempt(vec![office().says("DispatchResponder", "seat-border-again", body)]).await?;
        // The night shift forgets to check out.
        let shift = json!({"responder_id": night, "site_id": "site-border", "seat_id": "c", "unit_id": "unit-border",
            "until_ms": (self.now_ms + NIGHT_SHIFT_MINUTES * MINUTE_MS).to_string()});
        self.must(office().says("DispatchResponder", "seat-border-c", shift)).await?;
        self.pull().await
    }

    pub(super) fn free_in_county(&self, count: usize) -> Vec<String> {
        let own = self.city.responders.iter().rev().filter(|person| person.home.starts_with(OUTBREAK_COUNTY) && person.away.is_none());
        let free = own.filter(|person| self.mirror.is_free(muster_proto::ACTUAL, &person.id));
        let reserved: std::collections::BTreeSet<&String> = self.city.reserved.iter().flat_map(|(_, people)| people).collect();
        free.filter(|person| !reserved.contains(&person.id)).map(|person| person.id.clone()).take(count).collect()
    }

    pub(super) fn tell_whistles(&mut self) {
        let count = |event| self.mirror.count(event);
        let (blown, escalated, filled) = (count("WhistleBlown"), count("WhistleEscalated"), count("WhistleFilled"));
        let (overdue, reported) = (count("OrganizationOverdue"), count("OrganizationReportedIn"));
        self.observer.note(
            &format!("吹哨 {blown}，提级 {escalated}，到齐 {filled}；部门超时 {overdue}，部门报到 {reported}"),
            &format!("{blown} whistles, {escalated} escalations, {filled} filled; departments: {overdue} overdue, {reported} reported in"),
        );
    }
}
