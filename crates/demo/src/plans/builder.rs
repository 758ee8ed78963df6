//! Puts one plan together. Owns the keys inside a plan; must never reuse one.

use muster_proto::v1::{DesignatePost, DutyRole, IncidentType, PlanSeat, PlanSite, PlanUnit, PostCard, ResponseLevel, SiteKind, UnitKind};

use super::{Ground, Plan};
use crate::tree::Area;

/// 平时岗 and 急时岗.
const POSTS: [(&str, &str); 4] = [("信息员", "安全员"), ("调解员", "冲锋员"), ("宣传员", "攻坚员"), ("网格联络员", "巡查员")];
/// 班次 of seats; the empty one is round the clock.
const SHIFTS: [&str; 3] = ["", "白班", "夜班"];

/// A plan in the making.
pub(crate) struct Builder<'a> {
    ground: &'a Ground<'a>,
    plan: Plan,
}

/// Where a person is seated.
pub(crate) struct Place<'a> {
    pub(crate) unit: &'a str,
    pub(crate) site: usize,
    pub(crate) tier: ResponseLevel,
    pub(crate) role: DutyRole,
    pub(crate) card: &'a str,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(ground: &'a Ground<'a>, kind: (&str, IncidentType), area: &Area, name: String) -> Self {
        let plan = Plan {
            id: format!("plan-{}-{}", kind.0, area.id),
            area_id: area.id.clone(),
            incident_type: kind.1,
            name,
            sites: Vec::new(),
            units: Vec::new(),
            cards: Vec::new(),
            posts: Vec::new(),
        };
        Self { ground, plan }
    }

    pub(crate) fn card(&mut self, key: &str, [place, report_to, task, bring, until]: [&str; 5]) {
        self.plan.cards.push(PostCard {
            card_key: key.to_owned(),
            r#where: place.to_owned(),
            report_to: report_to.to_owned(),
            task: task.to_owned(),
            bring: bring.to_owned(),
            until: until.to_owned(),
        });
    }

    /// Adds a site and gives its place in the plan.
    pub(crate) fn site(&mut self, kind: SiteKind, name: String, area: &Area) -> usize {
        let site_key = format!("s{:03}", self.plan.sites.len() + 1);
        self.plan.sites.push(PlanSite {
            site_key,
            kind: kind.into(),
            name,
            area_id: area.id.clone(),
            tier: ResponseLevel::I.into(),
            seats: Vec::new(),
        });
        self.plan.sites.len() - 1
    }

    /// Adds a unit and gives its key.
    pub(crate) fn unit(
        &mut self,
        kind: UnitKind,
        name: String,
        area: &Area,
        parent: &str,
        site: Option<usize>,
        tier: ResponseLevel,
    ) -> String {
        let unit_key = format!("u{:03}", self.plan.units.len() + 1);
        self.plan.units.push(PlanUnit {
            unit_key: unit_key.clone(),
            kind: kind.into(),
            name,
            parent_unit_key: parent.to_owned(),
            site_key: site.map_or_else(String::new, |site| self.plan.sites[site].site_key.clone()),
            area_id: area.id.clone(),
            tier: tier.into(),
            superior_organization_id: self.ground.superior_of(&area.id),
        });
        unit_key
    }

    /// Makes a seat for the person and designates it. A site opens with its first seat's tier.
    pub(crate) fn seat(&mut self, person: usize, place: &Place<'_>) {
        let responder = &self.ground.people[person];
        let site = &mut self.plan.sites[place.site];
        let number = site.seats.len();
        site.tier = site.tier.min(place.tier.into());
        let specialty = if number % 3 == 1 { responder.specialties.first().copied().unwrap_or_default() } else { "" };
        let seat_key = format!("p{:03}", number + 1);
        site.seats.push(PlanSeat {
            seat_key: seat_key.clone(),
            specialty: specialty.to_owned(),
            shift: SHIFTS[number % SHIFTS.len()].to_owned(),
            duty_desk: number == 0,
            tier: place.tier.into(),
        });
        let (peacetime_post, emergency_post) = POSTS[person % POSTS.len()];
        self.plan.posts.push(DesignatePost {
            plan_id: self.plan.id.clone(),
            tier: place.tier.into(),
            role: place.role.into(),
            unit_key: place.unit.to_owned(),
            site_key: site.site_key.clone(),
            seat_key,
            responder_id: responder.id.clone(),
            backup_ids: Vec::new(),
            peacetime_post: peacetime_post.to_owned(),
            emergency_post: emergency_post.to_owned(),
            card_key: place.card.to_owned(),
        });
    }

    /// 备勤 from the lowest tier on.
    pub(crate) fn standby(&mut self, person: usize, unit: &str) {
        let (peacetime_post, _) = POSTS[person % POSTS.len()];
        self.plan.posts.push(DesignatePost {
            plan_id: self.plan.id.clone(),
            tier: ResponseLevel::Iv.into(),
            role: DutyRole::Standby.into(),
            unit_key: unit.to_owned(),
            responder_id: self.ground.people[person].id.clone(),
            peacetime_post: peacetime_post.to_owned(),
            emergency_post: "预备队员".to_owned(),
            ..DesignatePost::default()
        });
    }

    /// Names backups for every seated person: `own` gives a person a backup of their own, everybody else shares the rest in turn.
    pub(crate) fn name_backups(&mut self, standby: &[usize], own: impl Fn(&str) -> bool) {
        let standby: Vec<&str> = standby.iter().map(|person| self.ground.people[*person].id.as_str()).collect();
        let seated = || |post: &&mut DesignatePost| post.role != i32::from(DutyRole::Standby);
        let mut first_free = 0;
        for post in self.plan.posts.iter_mut().filter(seated()).filter(|post| own(&post.responder_id)) {
            if let Some(backup) = standby.get(first_free) {
                post.backup_ids.push((*backup).to_owned());
                first_free += 1;
            }
        }
        let shared = &standby[first_free.min(standby.len())..];
        let rest = self.plan.posts.iter_mut().filter(seated()).filter(|post| post.backup_ids.is_empty());
        for (turn, post) in rest.enumerate().filter(|_| !shared.is_empty()) {
            post.backup_ids.push(shared[turn % shared.len()].to_owned());
            if shared.len() > 1 {
                post.backup_ids.push(shared[(turn + 1) % shared.len()].to_owned());
            }
        }
    }

    /// The plan, without sites that nobody is seated at.
    pub(crate) fn build(mut self) -> Plan {
        self.plan.sites.retain(|site| !site.seats.is_empty());
        self.plan
    }
}
