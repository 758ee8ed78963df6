//! The plans by which one conversion of the whole city seats everybody: a plan for each township, a site and a branch for each
//! twenty people who live in one place. Pure: one city gives one list of commands.

use std::collections::BTreeMap;

use muster_demo::{City, Voice};
use muster_proto::v1::{self, AreaLevel, DutyRole, IncidentType, PlanSeat, PlanSite, PlanUnit, ResponseLevel, SiteKind, UnitKind};
use muster_proto::{Command, Request};

use crate::limits;
use crate::requests::request;

/// The incident that the city converts for.
pub(crate) const INCIDENT: &str = "inc-bench";
/// The plans' type.
pub(crate) const KIND: IncidentType = IncidentType::Flood;
/// The level from which everything in them holds.
pub(crate) const TIER: ResponseLevel = ResponseLevel::Iv;
const COMMITTEE: &str = "committee";

/// One township's plan, being made.
struct Plan {
    id: String,
    voice: Voice,
    draft: v1::DraftPlan,
    posts: Vec<v1::DesignatePost>,
}

/// The commands that draft, fill and publish the plans of the whole city, in order.
pub(crate) fn commands(city: &City) -> Vec<Request> {
    let mut by_township: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for person in &city.responders {
        let township = city.tree.at_level(&person.home, AreaLevel::Township);
        let area = township.or_else(|| city.tree.at_level(&person.home, AreaLevel::County)).expect("every home lies in the tree");
        by_township.entry(&area.id).or_default().entry(&person.home).or_default().push(&person.id);
    }
    by_township.into_iter().flat_map(|(area, homes)| plan(area, &homes).commands()).collect()
}

fn plan(area_id: &str, homes: &BTreeMap<&str, Vec<&str>>) -> Plan {
    let id = format!("plan-bench-{area_id}");
    let committee = PlanUnit {
        unit_key: COMMITTEE.to_owned(),
        kind: UnitKind::TemporaryCommittee.into(),
        name: "防汛临时党委".to_owned(),
        area_id: area_id.to_owned(),
        tier: TIER.into(),
        ..PlanUnit::default()
    };
    let draft = v1::DraftPlan {
        plan_id: id.clone(),
        area_id: area_id.to_owned(),
        incident_type: KIND.into(),
        name: "全员转换预案".to_owned(),
        units: vec![committee],
        ..v1::DraftPlan::default()
    };
    let voice = Voice::office(area_id, "应急办主任").by_document("转换预案 2026 年修订");
    let mut plan = Plan { id, voice, draft, posts: Vec::new() };
    for (home, people) in homes {
        for group in people.chunks(limits::SITE_SEATS) {
            plan.seat(home, group);
        }
    }
    plan
}

impl Plan {
    /// A site with a branch for a group that lives in one place.
    fn seat(&mut self, home: &str, people: &[&str]) {
        let number = self.draft.sites.len() + 1;
        let (site_key, unit_key) = (format!("site-{number}"), format!("branch-{number}"));
        let seats =
            (1..=people.len()).map(|seat| PlanSeat { seat_key: format!("s{seat}"), shift: "白班".to_owned(), ..PlanSeat::default() });
        self.draft.sites.push(PlanSite {
            site_key: site_key.clone(),
            kind: SiteKind::Checkpoint.into(),
            name: format!("第{number}卡口"),
            area_id: home.to_owned(),
            tier: TIER.into(),
            seats: seats.collect(),
        });
        self.draft.units.push(PlanUnit {
            unit_key: unit_key.clone(),
            kind: UnitKind::TemporaryBranch.into(),
            name: format!("第{number}临时党支部"),
            parent_unit_key: COMMITTEE.to_owned(),
            site_key: site_key.clone(),
            area_id: home.to_owned(),
            tier: TIER.into(),
            ..PlanUnit::default()
        });
        for (place, person) in people.iter().enumerate() {
            let role = match place {
                0 => DutyRole::Secretary,
                1 => DutyRole::Organizer,
                _ => DutyRole::Member,
            };
            self.posts.push(v1::DesignatePost {
                plan_id: self.id.clone(),
                tier: TIER.into(),
                role: role.into(),
                unit_key: unit_key.clone(),
                site_key: site_key.clone(),
                seat_key: format!("s{}", place + 1),
                responder_id: (*person).to_owned(),
                peacetime_post: "信息员".to_owned(),
                emergency_post: "安全员".to_owned(),
                ..v1::DesignatePost::default()
            });
        }
    }

    fn commands(self) -> impl Iterator<Item = Request> {
        let Self { id, voice, draft, posts } = self;
        let publish = request(&voice, format!("b-publish-{id}"), Command::PublishPlan(v1::PublishPlan { plan_id: id.clone() }));
        let draft = request(&voice, format!("b-draft-{id}"), Command::DraftPlan(draft));
        let posts = posts
            .into_iter()
            .enumerate()
            .map(move |(number, post)| request(&voice, format!("b-post-{id}-{number}"), Command::DesignatePost(post)));
        std::iter::once(draft).chain(posts).chain(std::iter::once(publish))
    }
}

fn headquarters() -> Voice {
    Voice::office(muster_demo::CITY, "三防指挥部值班长").by_consultation("市三防会商 2026-09-01")
}

/// Declares the incident that the plans are for.
pub(crate) fn declare() -> Request {
    let body = v1::DeclareIncident {
        incident_id: INCIDENT.to_owned(),
        incident_type: KIND.into(),
        name: "流域性洪水".to_owned(),
        area_id: muster_demo::CITY.to_owned(),
        severity: v1::Severity::Extreme.into(),
        ..v1::DeclareIncident::default()
    };
    request(&headquarters(), "b-declare".to_owned(), Command::DeclareIncident(body))
}

/// Converts the whole city by one command.
pub(crate) fn convert() -> Request {
    let body = v1::ConvertArea { incident_id: INCIDENT.to_owned(), area_id: muster_demo::CITY.to_owned(), response: TIER.into() };
    request(&headquarters(), "b-convert".to_owned(), Command::ConvertArea(body))
}
