//! The commands that build the city up: from the first area to the last published plan. Must never depend on a clock: the same
//! commands suit a demo clock and a real one.

use muster_proto::v1::{self, Availability};
use muster_proto::{Command, command_to_json};
use serde_json::{Value, json};

use crate::city::City;
use crate::command::{ScriptCommand, Voice};
use crate::plans::Plan;
use crate::roster::Responder;
use crate::tree::{Area, CITY};

/// A part of peacetime with a name for progress bars.
pub struct Section<'a> {
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// How many commands it has.
    pub total: usize,
    /// The commands, in order.
    pub commands: Box<dyn Iterator<Item = ScriptCommand> + Send + 'a>,
}

impl City {
    /// Everything before the first incident, in order.
    pub fn peacetime(&self) -> impl Iterator<Item = ScriptCommand> + Send + '_ {
        self.peacetime_sections().into_iter().flat_map(|section| section.commands)
    }

    /// The same by sections.
    pub fn peacetime_sections(&self) -> Vec<Section<'_>> {
        let ties = self.organizations.iter().flat_map(|organization| organization.ties.iter().map(move |tie| (organization, tie)));
        let late = || self.responders.iter().filter(|person| person.reports_later);
        let away = || self.responders.iter().filter_map(|person| Some((person, person.away?)));
        vec![
            section("辖区", "areas", self.tree.areas.len(), self.tree.areas.iter().map(define)),
            section("功能区代管", "zones", self.tree.moves.len(), self.tree.moves.iter().map(reparent)),
            section("单位", "organizations", self.organizations.len(), self.organizations.iter().map(register)),
            section("挂点联建", "ties", ties.clone().count(), ties.map(|(organization, tie)| tie_to_area(&organization.id, tie))),
            section("报到人员", "responders", self.responders.len(), self.responders.iter().map(enroll)),
            section("社区报到", "reports to communities", late().count(), late().map(report)),
            section("不可调度", "absences", away().count(), away().map(|(person, kind)| set_availability(person, kind))),
            section("留用", "reserved people", self.reserved.len(), self.reserved.iter().map(|list| reserve("p-reserve", list))),
            section("自动补位", "automatic fill", self.auto_fill.len(), self.auto_fill.iter().map(|id| switch_auto_fill(id))),
            section("转换预案", "plans", self.plan_commands().count(), self.plan_commands()),
            section(
                "预案后留用",
                "people reserved later",
                self.reserved_late.len(),
                self.reserved_late.iter().map(|list| reserve("p-reserve-late", list)),
            ),
        ]
    }

    fn plan_commands(&self) -> impl Iterator<Item = ScriptCommand> + Send + '_ {
        self.plans.iter().flat_map(plan_commands)
    }
}

fn section<'a>(zh: &'static str, en: &'static str, total: usize, commands: impl Iterator<Item = ScriptCommand> + Send + 'a) -> Section<'a> {
    Section { zh, en, total, commands: Box::new(commands) }
}

fn organization_department() -> Voice {
    Voice::office(CITY, "组织部值班员").by_document("湛组通〔2026〕12号")
}

fn define(area: &Area) -> ScriptCommand {
    let codes = area.codes.iter().map(|(scheme, code)| v1::AreaCode { scheme: (*scheme).to_owned(), code: code.clone() });
    let command = Command::DefineArea(v1::DefineArea {
        area_id: area.id.clone(),
        name: area.name.clone(),
        level: area.level.into(),
        parent_id: area.parent_id.clone(),
        official_code: area.official_code.clone(),
        codes: codes.collect(),
        tags: area.tags.iter().map(|tag| (*tag).to_owned()).collect(),
        location: None,
    });
    let voice = Voice::office("", "系统管理员").by_document("统计用区划代码 2023").imported("areas.csv");
    voice.says("DefineArea", format!("p-area-{}", area.id), command_to_json(&command).1)
}

fn reparent((area_id, parent_id): &(String, String)) -> ScriptCommand {
    let body = json!({"area_id": area_id, "parent_id": parent_id});
    organization_department().says("ReparentArea", format!("p-move-{area_id}"), body)
}

fn register(organization: &crate::Organization) -> ScriptCommand {
    let command = Command::RegisterOrganization(v1::RegisterOrganization {
        organization_id: organization.id.clone(),
        name: organization.name.clone(),
        kind: organization.kind.into(),
        area_id: organization.area_id.clone(),
        functions: organization.functions.iter().map(|function| (*function).to_owned()).collect(),
    });
    let voice = organization_department().imported("organizations.csv");
    voice.says("RegisterOrganization", format!("p-{}", organization.id), command_to_json(&command).1)
}

fn tie_to_area(organization_id: &str, area_id: &str) -> ScriptCommand {
    let body = json!({"organization_id": organization_id, "area_id": area_id});
    organization_department().says("TieToArea", format!("p-tie-{organization_id}-{area_id}"), body)
}

fn enroll(person: &Responder) -> ScriptCommand {
    let message = v1::EnrollResponder {
        responder_id: person.id.clone(),
        kind: person.kind.into(),
        organization_id: person.organization_id.clone(),
        area_id: if person.reports_later { String::new() } else { person.home.clone() },
        affiliation: person.affiliation.into(),
        specialties: person.specialties.iter().map(|specialty| (*specialty).to_owned()).collect(),
        ..v1::EnrollResponder::default()
    };
    let mut body = command_to_json(&Command::EnrollResponder(message)).1;
    let members = body.as_object_mut().expect("a message is an object");
    members.insert("name".to_owned(), Value::String(person.name.clone()));
    members.insert("phone".to_owned(), Value::String(person.phone.clone()));
    organization_department().imported("roster.csv").says("EnrollResponder", format!("p-{}", person.id), body)
}

fn report(person: &Responder) -> ScriptCommand {
    let body = json!({"responder_id": person.id, "area_id": person.home});
    Voice::responder(&person.id).says("ReportToCommunity", format!("p-home-{}", person.id), body)
}

fn set_availability(person: &Responder, kind: Availability) -> ScriptCommand {
    let body = json!({"responder_id": person.id, "availability": kind.as_str_name()});
    Voice::office(&person.home, "社区书记").says("SetAvailability", format!("p-away-{}", person.id), body)
}

fn reserve(prefix: &str, (organization_id, people): &(String, Vec<String>)) -> ScriptCommand {
    let body = json!({"organization_id": organization_id, "responder_ids": people});
    Voice::organization(organization_id, "").says("ReservePeople", format!("{prefix}-{organization_id}"), body)
}

fn switch_auto_fill(area_id: &str) -> ScriptCommand {
    let voice = Voice::office(area_id, "镇街书记").by_consultation("党政联席会 2026-08");
    voice.says("SwitchAutoFill", format!("p-autofill-{area_id}"), json!({"area_id": area_id, "enabled": true}))
}

fn plan_commands(plan: &Plan) -> impl Iterator<Item = ScriptCommand> + Send + '_ {
    let voice = Voice::office(&plan.area_id, "应急办主任").by_document("转换预案 2026 年修订");
    let draft = Command::DraftPlan(v1::DraftPlan {
        plan_id: plan.id.clone(),
        area_id: plan.area_id.clone(),
        incident_type: plan.incident_type.into(),
        name: plan.name.clone(),
        sites: plan.sites.clone(),
        units: plan.units.clone(),
        cards: plan.cards.clone(),
    });
    let draft = voice.says("DraftPlan", format!("p-draft-{}", plan.id), command_to_json(&draft).1);
    let publish = voice.says("PublishPlan", format!("p-publish-{}", plan.id), json!({"plan_id": plan.id}));
    let posts = plan.posts.iter().enumerate().map(move |(number, post)| {
        let body = command_to_json(&Command::DesignatePost(post.clone())).1;
        voice.says("DesignatePost", format!("p-post-{}-{}", plan.id, number + 1), body)
    });
    std::iter::once(draft).chain(posts).chain(std::iter::once(publish))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::{BTreeMap, BTreeSet};

    use muster_proto::command_from_json;
    use muster_proto::v1::{DutyRole, IncidentType, ResponseLevel, UnitKind};

    use super::*;
    use crate::scale::{OUTBREAK_COUNTY, Scale};

    /// What everybody may read of a command: the body without the personal fields.
    fn public_body(command: &ScriptCommand) -> Value {
        let mut body = command.body.clone();
        if command.name == "EnrollResponder" {
            body.as_object_mut().unwrap().retain(|field, _| field != "name" && field != "phone");
        }
        body
    }

    fn check_commands(city: &City) {
        let mut ids = BTreeSet::new();
        let mut total = 0;
        for command in city.peacetime() {
            let public = public_body(&command);
            assert!(command.id.len() <= 64, "{}", command.id);
            command_from_json(command.name, public.clone()).unwrap();
            let _: v1::Context = serde_json::from_value(command.context.clone()).unwrap();
            let text = format!("{public}{}{}", command.id, command.context);
            assert_eq!(crate::names::uses_given(&text), None, "{text}");
            assert!(ids.insert(command.id));
            total += 1;
        }
        assert_eq!(total, city.peacetime_sections().iter().map(|section| section.total).sum::<usize>());
    }

    /// The outbreak's plans at the level the script converts at: units by kind, and posts other than standby.
    fn outbreak_figures(city: &City) -> (BTreeMap<UnitKind, usize>, usize, usize) {
        let plans = || city.plans.iter().filter(|plan| plan.incident_type == IncidentType::Outbreak);
        let mut units = BTreeMap::new();
        for unit in plans().flat_map(|plan| &plan.units) {
            *units.entry(unit.kind()).or_insert(0) += 1;
        }
        let called = |post: &&v1::DesignatePost| post.tier <= i32::from(ResponseLevel::Ii) && post.role() != DutyRole::Standby;
        let people = plans().flat_map(|plan| &plan.posts).filter(called).count();
        let grids: BTreeSet<_> = plans().flat_map(|plan| &plan.sites).map(|site| &site.area_id).collect();
        (units, people, grids.iter().filter(|id| id.len() == 15).count())
    }

    fn check_plans(city: &City) {
        let mut primaries = BTreeSet::new();
        for plan in &city.plans {
            assert!(plan.sites.len() <= 500 && plan.units.len() <= 500, "{}", plan.id);
            assert!(plan.sites.iter().map(|site| site.seats.len()).sum::<usize>() <= 2_500, "{}", plan.id);
            for post in &plan.posts {
                assert!(primaries.insert((plan.incident_type, post.responder_id.clone())), "{post:?}");
                assert!(!post.backup_ids.contains(&post.responder_id));
                assert!(city.responder(&post.responder_id).is_some());
            }
        }
        let named: BTreeSet<&String> = primaries.iter().map(|(_, id)| id).collect();
        for (_, people) in &city.reserved {
            assert!(people.iter().all(|id| !named.contains(id)));
        }
    }

    #[test]
    fn a_small_city_is_well_formed() {
        let city = City::generate(11, Scale::Small);
        check_commands(&city);
        check_plans(&city);
        assert_eq!(city.responders.len(), city.size.responders);
        assert_eq!(city.organizations.len(), city.size.organizations);
    }

    #[test]
    fn the_city_has_the_published_scale() {
        let city = City::generate(11, Scale::City);
        let figures = city.figures();
        assert_eq!((figures.grids, figures.organizations, figures.responders), (5_000, 1_300, 42_000));
        check_commands(&city);
        check_plans(&city);
        let (units, people, grids) = outbreak_figures(&city);
        assert_eq!(units[&UnitKind::TemporaryCommittee], 25);
        assert_eq!(units[&UnitKind::TemporaryBranch], 572);
        assert_eq!(units[&UnitKind::VanguardTeam], 609);
        assert_eq!((people, grids), (6_800, 1_210));
        let typhoon = city.plans.iter().filter(|plan| plan.incident_type == IncidentType::Typhoon);
        assert_eq!(typhoon.map(|plan| plan.posts.len()).sum::<usize>(), 41_000);
    }

    /// The published largest: 3,110 temporary organizations, 100,000 people.
    #[test]
    fn the_stress_scale_has_the_largest_published_figures() {
        let city = City::generate(11, Scale::Stress);
        assert_eq!(city.figures().responders, 100_000);
        check_plans(&city);
        let units: usize = city.plans.iter().map(|plan| plan.units.len()).sum();
        assert!(units >= 3_110, "{units} temporary organizations");
        let typhoon = city.plans.iter().filter(|plan| plan.incident_type == IncidentType::Typhoon);
        assert_eq!(typhoon.map(|plan| plan.posts.len()).sum::<usize>(), 94_000);
    }

    #[test]
    fn absent_primaries_of_the_outbreak_have_a_backup_of_their_own() {
        for scale in [Scale::Small, Scale::County] {
            let city = City::generate(5, scale);
            let mut backups = BTreeSet::new();
            let mut away = 0;
            for post in city.plans.iter().filter(|plan| plan.incident_type == IncidentType::Outbreak).flat_map(|plan| &plan.posts) {
                let person = city.responder(&post.responder_id).unwrap();
                assert!(person.home.starts_with(OUTBREAK_COUNTY));
                if person.away.is_some() {
                    away += 1;
                    assert!(backups.insert(post.backup_ids[0].clone()));
                    assert!(city.responder(&post.backup_ids[0]).unwrap().away.is_none());
                }
            }
            assert_eq!(away, city.size.outbreak.away);
        }
    }

    #[test]
    fn one_seed_gives_one_city() {
        let all = |seed| City::generate(seed, Scale::Small).peacetime().collect::<Vec<_>>();
        assert_eq!(all(3), all(3));
        assert_ne!(all(3), all(4));
    }
}
