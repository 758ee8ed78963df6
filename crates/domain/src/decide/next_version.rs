//! The next version of a plan 修订, drafted from its newest one and the lessons that were accepted, all or nothing.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::Event;
use muster_proto::v1::{self, LessonKind, ResponseLevel};

use super::area::peacetime;
use super::plan::check_people;
use super::{Decision, checks};
use crate::lessons::{gone, lessons};
use crate::limits;
use crate::rejection::Rejection;
use crate::state::{Designation, PlanVersion, State};

/// The version in the making: what will be drafted, and its posts.
struct Working {
    body: v1::DraftPlan,
    posts: Vec<v1::PostDesignated>,
}

pub(super) fn draft(state: &State, body: &v1::DraftNextVersion) -> Decision {
    checks::at_most("row_ids", body.row_ids.len(), limits::LESSONS_MAX)?;
    let learnt = lessons(state, &body.plan_id, &body.incident_id)?;
    let rows: BTreeMap<&str, &v1::LessonRow> = learnt.rows.iter().map(|row| (row.row_id.as_str(), row)).collect();
    let mut accepted = Vec::with_capacity(body.row_ids.len());
    let mut seen = BTreeSet::new();
    for id in &body.row_ids {
        if !seen.insert(id) {
            return Err(Rejection::PlanPartRepeated { field: "row_ids", key: id.clone() });
        }
        accepted.push(*rows.get(id.as_str()).ok_or_else(|| Rejection::LessonUnknown { row: id.clone() })?);
    }
    let key = state.plan(&body.plan_id)?;
    let plan = state.base.plans.get(key);
    let version = plan.current().ok_or_else(|| Rejection::PlanNotPublished { id: body.plan_id.clone() })?;
    let mut working = Working::of(state, &body.plan_id, plan, version);
    // Seats come first, for a row may designate somebody for one, and go last, with their posts.
    accepted.sort_by_key(|row| (row.kind() != LessonKind::AddSeat, row.kind() == LessonKind::DropSeat));
    for row in accepted {
        working.accept(state, row)?;
    }
    working.nobody_gone(state, &learnt)?;
    let mut drafts = super::plan::draft(state, &working.body)?;
    let number = plan.next_version();
    let mut primaries = BTreeSet::new();
    for mut post in working.posts {
        let tier: ResponseLevel = checks::set("tier", post.tier)?;
        primaries.insert(check_people(state, key, &primaries, &post.responder_id, &post.backup_ids, tier)?);
        post.version = number;
        drafts.push(peacetime(state, Event::PostDesignated(post), Some(plan.area)));
    }
    Ok(drafts)
}

impl Working {
    /// The newest version as the commands would say it.
    fn of(state: &State, plan_id: &str, plan: &crate::state::Plan, version: &PlanVersion) -> Self {
        let cards = version.cards.iter().zip(&version.card_texts).map(|(key, text)| v1::PostCard {
            card_key: key.to_string(),
            r#where: text.place.to_string(),
            report_to: text.report_to.to_string(),
            task: text.task.to_string(),
            bring: text.bring.to_string(),
            until: text.until.to_string(),
        });
        let body = v1::DraftPlan {
            plan_id: plan_id.to_owned(),
            area_id: state.base.areas.id(plan.area).to_owned(),
            incident_type: plan.incident_type.into(),
            name: version.name.to_string(),
            sites: version.sites.iter().map(|site| site_of(state, site)).collect(),
            units: version.units.iter().map(|unit| unit_of(state, version, unit)).collect(),
            cards: cards.collect(),
        };
        let posts = version.designations.iter().map(|designation| post_of(state, plan_id, version, designation)).collect();
        Self { body, posts }
    }

    /// The place among the posts of the one that a row is about.
    fn find(&self, row: &v1::LessonRow) -> Option<usize> {
        self.posts.iter().position(|post| {
            let place = post.site_key == row.site_key && post.seat_key == row.seat_key;
            let same = place && post.unit_key == row.unit_key && post.role == row.role && post.tier == row.tier;
            // Posts without a seat are told apart by name.
            let by_name = !post.seat_key.is_empty() || row.from_responder_id.is_empty() || names(post, &row.from_responder_id);
            same && by_name
        })
    }

    fn accept(&mut self, state: &State, row: &v1::LessonRow) -> Result<(), Rejection> {
        let conflict = || Rejection::LessonConflict { row: row.row_id.clone() };
        let at = self.find(row);
        let whose = |post: &v1::PostDesignated| post.responder_id == row.from_responder_id;
        match row.kind() {
            LessonKind::ReplacePrimary => {
                let post = at.map(|at| &mut self.posts[at]).filter(|post| whose(post)).ok_or_else(conflict)?;
                let former = std::mem::replace(&mut post.responder_id, row.to_responder_id.clone());
                post.backup_ids.retain(|id| *id != row.to_responder_id);
                let left = state.base.responders.find(&former).is_none_or(|key| gone(state, key));
                if !left && post.backup_ids.len() < limits::BACKUPS_MAX {
                    post.backup_ids.push(former);
                }
            }
            LessonKind::AddBackup => {
                let post = at.map(|at| &mut self.posts[at]).ok_or_else(conflict)?;
                if names(post, &row.to_responder_id) {
                    return Err(conflict());
                }
                post.backup_ids.push(row.to_responder_id.clone());
            }
            LessonKind::RemoveBackup => {
                let post = at.map(|at| &mut self.posts[at]).ok_or_else(conflict)?;
                let before = post.backup_ids.len();
                post.backup_ids.retain(|id| *id != row.from_responder_id);
                if post.backup_ids.len() == before {
                    return Err(conflict());
                }
            }
            LessonKind::DropDesignation => {
                let at = at.filter(|at| whose(&self.posts[*at])).ok_or_else(conflict)?;
                self.posts.remove(at);
            }
            LessonKind::AddDesignation => self.designate(row),
            LessonKind::AddSeat => self.add_seat(state, row).ok_or_else(conflict)?,
            LessonKind::DropSeat => self.drop_seat(row).ok_or_else(conflict)?,
            LessonKind::Unspecified => return Err(Rejection::LessonUnknown { row: row.row_id.clone() }),
        }
        Ok(())
    }

    fn designate(&mut self, row: &v1::LessonRow) {
        self.posts.push(v1::PostDesignated {
            plan_id: self.body.plan_id.clone(),
            tier: row.tier,
            role: row.role,
            unit_key: row.unit_key.clone(),
            site_key: row.site_key.clone(),
            seat_key: row.seat_key.clone(),
            responder_id: row.to_responder_id.clone(),
            ..Default::default()
        });
    }

    /// The seat as it was asked for by hand, with who stood there.
    fn add_seat(&mut self, state: &State, row: &v1::LessonRow) -> Option<()> {
        let known = state.ops.sites.iter().filter(|(key, _)| state.ops.sites.id(*key).rsplit('/').next() == Some(&*row.site_key));
        let of_plan = known.filter(|(_, site)| site.plan.is_some_and(|plan| state.base.plans.id(plan) == self.body.plan_id));
        let asked = of_plan.filter_map(|(_, site)| site.seats.iter().find(|seat| *seat.id == *row.seat_key)).last()?;
        let site = self.body.sites.iter_mut().find(|site| site.site_key == row.site_key)?;
        site.seats.push(v1::PlanSeat {
            seat_key: row.seat_key.clone(),
            specialty: asked.specialty.to_string(),
            shift: asked.shift.to_string(),
            duty_desk: asked.duty_desk,
            tier: row.tier,
        });
        if !row.to_responder_id.is_empty() {
            self.designate(row);
        }
        Some(())
    }

    fn drop_seat(&mut self, row: &v1::LessonRow) -> Option<()> {
        let site = self.body.sites.iter_mut().find(|site| site.site_key == row.site_key)?;
        let at = site.seats.iter().position(|seat| seat.seat_key == row.seat_key)?;
        site.seats.remove(at);
        self.posts.retain(|post| post.site_key != row.site_key || post.seat_key != row.seat_key);
        Some(())
    }

    /// Whoever has left the roster since, or is kept back, was taken away by a row.
    fn nobody_gone(&self, state: &State, learnt: &v1::PlanLessons) -> Result<(), Rejection> {
        let left = |id: &String| state.base.responders.find(id).is_none_or(|key| gone(state, key));
        let withdrawn = |id: &&String| state.base.responders.find(id).is_none_or(|key| state.base.responders.get(key).withdrawn);
        for post in &self.posts {
            let who = Some(&post.responder_id).filter(|id| left(id)).or_else(|| post.backup_ids.iter().find(withdrawn));
            let Some(who) = who else { continue };
            let about = |row: &&v1::LessonRow| {
                row.needed && row.from_responder_id == *who && row.site_key == post.site_key && row.seat_key == post.seat_key
            };
            let row = learnt.rows.iter().find(about).map(|row| row.row_id.clone()).unwrap_or_else(|| who.clone());
            return Err(Rejection::LessonNeeded { row });
        }
        Ok(())
    }
}

fn names(post: &v1::PostDesignated, id: &str) -> bool {
    post.responder_id == id || post.backup_ids.iter().any(|backup| backup == id)
}

fn site_of(state: &State, site: &crate::state::PlanSite) -> v1::PlanSite {
    let base = &state.base;
    let seats = site.seats.iter().map(|seat| v1::PlanSeat {
        seat_key: seat.key.to_string(),
        specialty: base.label(seat.specialty),
        shift: base.label(seat.shift),
        duty_desk: seat.duty_desk,
        tier: seat.tier.into(),
    });
    v1::PlanSite {
        site_key: site.key.to_string(),
        kind: site.kind.into(),
        name: site.name.to_string(),
        area_id: base.areas.id(site.area).to_owned(),
        tier: site.tier.into(),
        seats: seats.collect(),
    }
}

fn unit_of(state: &State, version: &PlanVersion, unit: &crate::state::PlanUnit) -> v1::PlanUnit {
    v1::PlanUnit {
        unit_key: unit.key.to_string(),
        kind: unit.kind.into(),
        name: unit.name.to_string(),
        parent_unit_key: unit.parent.map(|at| version.units[usize::from(at)].key.to_string()).unwrap_or_default(),
        site_key: unit.site.map(|at| version.sites[usize::from(at)].key.to_string()).unwrap_or_default(),
        area_id: state.base.areas.id(unit.area).to_owned(),
        tier: unit.tier.into(),
        superior_organization_id: unit.superior.map(|key| state.base.organizations.id(key).to_owned()).unwrap_or_default(),
    }
}

fn post_of(state: &State, plan_id: &str, version: &PlanVersion, designation: &Designation) -> v1::PostDesignated {
    let base = &state.base;
    let site = designation.site.map(|at| &version.sites[usize::from(at)]);
    let seat = site.zip(designation.seat).map(|(site, at)| site.seats[usize::from(at)].key.to_string());
    v1::PostDesignated {
        plan_id: plan_id.to_owned(),
        version: 0,
        tier: designation.tier.into(),
        role: designation.role.into(),
        unit_key: designation.unit.map(|at| version.units[usize::from(at)].key.to_string()).unwrap_or_default(),
        site_key: site.map(|site| site.key.to_string()).unwrap_or_default(),
        seat_key: seat.unwrap_or_default(),
        responder_id: base.responders.id(designation.responder).to_owned(),
        backup_ids: designation.backups.iter().map(|who| base.responders.id(*who).to_owned()).collect(),
        peacetime_post: base.label(designation.peacetime_post),
        emergency_post: base.label(designation.emergency_post),
        card_key: designation.card.map(|at| version.cards[usize::from(at)].to_string()).unwrap_or_default(),
    }
}
