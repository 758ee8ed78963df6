//! Rehearsal 推演: what a conversion would be on the roster as it is now. The conversion's own policy goes through the plans of a supposed
//! incident; nothing is carried out, so that the state is read and never copied.

mod tally;

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{self, DutyRole, GapReason, IncidentType, RehearsalDetail, ResponseLevel, Severity};

use crate::decide;
use crate::execute::Now;
use crate::ids::{AreaRef, Dense as _, IncidentRef, PlanRef, ResponderRef};
use crate::policy::conversion::Converting;
use crate::policy::placement::{self, Ahead, Placed};
use crate::rejection::Rejection;
use crate::state::{Conversion, Designation, Incident, PlanVersion, State, ring};
use tally::Tally;

/// What is to be rehearsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RehearsalQuery {
    /// Every plan at or below it.
    pub area_id: String,
    /// The plans' type.
    pub incident_type: IncidentType,
    /// Every level up to this one.
    pub response: ResponseLevel,
    /// How much is told beside the figures.
    pub detail: RehearsalDetail,
}

/// What a conversion of the area would be at `now_ms`, level by level. Reads the state and changes nothing.
///
/// # Errors
/// An area that is not there, a level or type that is not set, or an area without a published plan of the type.
pub fn rehearse(state: &State, now_ms: i64, query: &RehearsalQuery) -> Result<v1::Rehearsal, Rejection> {
    let area = state.area("area", &query.area_id)?;
    let incident_type: IncidentType = decide::set("incident_type", query.incident_type.into())?;
    let response: ResponseLevel = decide::set("response", query.response.into())?;
    let plans = decide::plans_below(state, incident_type, area);
    if plans.is_empty() {
        return Err(Rejection::NoPlanToConvert { area: query.area_id.clone() });
    }
    let scene = Scene::new(state, now_ms, incident_type, area);
    let levels = [ResponseLevel::Iv, ResponseLevel::Iii, ResponseLevel::Ii, ResponseLevel::I];
    let levels = levels.into_iter().filter(|level| *level <= response);
    Ok(v1::Rehearsal {
        area_id: query.area_id.clone(),
        incident_type: incident_type.into(),
        base_position: state.position(),
        rehearsed_at_ms: now_ms,
        levels: levels.map(|level| scene.level(&plans, area, level, query.detail)).collect(),
    })
}

/// Works out what a `RehearsePlan` keeps: the figures of one plan by itself, converted to the level at `now_ms`, as of the state. Whatever figures the
/// command had are replaced. It takes as long as the plan is large, which is no work for the thread that decides commands.
///
/// # Errors
/// A plan that is not there or not published, or a level that is not set.
pub fn rehearse_plan(state: &State, now_ms: i64, asked: &v1::RehearsePlan) -> Result<v1::RehearsePlan, Rejection> {
    let (plan, version, response) = decide::rehearsable(state, asked)?;
    let definition = state.base.plans.get(plan);
    let scene = Scene::new(state, now_ms, definition.incident_type, definition.area);
    let (acts, ahead) = scene.play(&[plan], response);
    let tally = acts.first().map(|act| scene.tally(act, &scene.others(act, &ahead)));
    let figures = tally.unwrap_or_default().figures(state);
    Ok(v1::RehearsePlan {
        plan_id: asked.plan_id.clone(),
        response: asked.response,
        base_position: state.position(),
        version: version.version,
        seats: figures.seats,
        fillable: figures.seats_filled,
        single_points: figures.single_points,
    })
}

/// The supposed incident.
struct Scene<'a> {
    state: &'a State,
    now: Now<'a>,
    /// The key that the next incident will get: nobody has a duty of it.
    key: IncidentRef,
    incident: Incident,
}

/// One plan of the conversion, and what becomes of its posts.
struct Act<'a> {
    plan: PlanRef,
    plan_id: &'a str,
    area: AreaRef,
    version: &'a PlanVersion,
    response: ResponseLevel,
    seated: Vec<Seated<'a>>,
    gaps: Vec<Gap<'a>>,
    suspended: u32,
    standby: Vec<ResponderRef>,
    /// People whom the plan asked and who were taken by a plan before it.
    missed: BTreeSet<ResponderRef>,
}

struct Seated<'a> {
    designation: &'a Designation,
    responder: ResponderRef,
    post_area: AreaRef,
}

struct Gap<'a> {
    site: Option<u16>,
    seat: Option<u16>,
    /// None for a seat that nobody is named for.
    designation: Option<&'a Designation>,
    reason: GapReason,
    other: Option<IncidentRef>,
}

const NO_CONTEXT: &v1::Context = &v1::Context {
    actor: String::new(),
    actor_office: None,
    on_behalf_of: String::new(),
    basis: None,
    channel: None,
    source: None,
    occurred_at_ms: 0,
    occurred_at_source: 0,
    correlation: String::new(),
};

/// The people named for a post, in the order of asking.
fn named(designation: &Designation) -> impl Iterator<Item = ResponderRef> + '_ {
    std::iter::once(designation.responder).chain(designation.backups.iter().copied())
}

impl<'a> Scene<'a> {
    fn new(state: &'a State, now_ms: i64, incident_type: IncidentType, area: AreaRef) -> Self {
        let now = Now { recorded_at_ms: now_ms, next_position: state.position() + 1, context: NO_CONTEXT };
        // The lowest rank, so that nobody is taken from anything real.
        let incident = Incident::new(incident_type, area, state.ops.actual(), Severity::Minor);
        Self { state, now, key: IncidentRef::from_index(state.ops.incidents.len()), incident }
    }

    fn with<T>(&self, plan: PlanRef, version: &PlanVersion, response: ResponseLevel, ask: impl FnOnce(&Converting<'_>) -> T) -> T {
        let conversion = Conversion::new(version, response, 1);
        ask(&Converting {
            state: self.state,
            incident_key: self.key,
            incident_id: "",
            incident: &self.incident,
            plan,
            plan_id: self.state.base.plans.id(plan),
            version,
            conversion: &conversion,
        })
    }

    /// All plans converted to the level, one after the other, in one step from peacetime.
    fn play(&self, plans: &[PlanRef], response: ResponseLevel) -> (Vec<Act<'a>>, Ahead) {
        let mut ahead = Ahead::default();
        let mut taken_before = BTreeSet::new();
        let mut acts = Vec::with_capacity(plans.len());
        for plan in plans {
            let Some(act) = self.act(*plan, response, &mut ahead, &taken_before) else { continue };
            taken_before.extend(act.seated.iter().map(|seated| seated.responder));
            acts.push(act);
        }
        // Whoever stood by for a plan and was called by a later one stands by no more.
        acts.iter_mut().for_each(|act| act.standby.retain(|who| ahead.standby.contains(who)));
        (acts, ahead)
    }

    fn act(&self, plan: PlanRef, response: ResponseLevel, ahead: &mut Ahead, taken_before: &BTreeSet<ResponderRef>) -> Option<Act<'a>> {
        let definition = self.state.base.plans.get(plan);
        let version = definition.current()?;
        let plan_id = self.state.base.plans.id(plan);
        let (seated, gaps, standby) = (Vec::new(), Vec::new(), Vec::new());
        let mut act =
            Act { plan, plan_id, area: definition.area, version, response, seated, gaps, suspended: 0, standby, missed: BTreeSet::new() };
        self.with(plan, version, response, |converting| {
            let peacetime = ResponseLevel::Unspecified;
            placement::place(converting, &self.now, peacetime, response, ahead, |placed| match placed {
                Placed::Seated { post, responder, .. } => {
                    let designation = &version.designations[post];
                    act.missed.extend(named(designation).take_while(|who| *who != responder).filter(|who| taken_before.contains(who)));
                    act.seated.push(Seated { designation, responder, post_area: converting.post_area(designation) });
                }
                Placed::Gap { post, reason, other, .. } => {
                    let designation = &version.designations[post];
                    act.missed.extend(named(designation).filter(|who| taken_before.contains(who)));
                    let (site, seat) = (designation.site, designation.seat);
                    act.gaps.push(Gap { site, seat, designation: Some(designation), reason, other: other.filter(|key| *key != self.key) });
                }
                Placed::Suspended => act.suspended += 1,
                Placed::StandsBy { post } => act.standby.push(version.designations[post].responder),
                Placed::Undesignated { site, seat } => act.gaps.push(nobody(site, seat)),
            });
        });
        Some(act)
    }

    /// For each taken post, how many others named for it could come as well, now that everybody has a place.
    fn others(&self, act: &Act<'_>, ahead: &Ahead) -> Vec<u32> {
        self.with(act.plan, act.version, act.response, |converting| {
            let could = |seated: &Seated<'_>, who: ResponderRef| {
                who != seated.responder
                    && !ahead.taken.contains(&who)
                    && converting.claim(&self.now, seated.designation, who).is_ok_and(|claimed| claimed.is_empty())
            };
            let count = |seated: &Seated<'_>| named(seated.designation).filter(|who| could(seated, *who)).count();
            act.seated.iter().map(|seated| u32::try_from(count(seated)).expect("backups are capped")).collect()
        })
    }

    fn tally(&self, act: &Act<'_>, others: &[u32]) -> Tally {
        let mut tally = Tally { plans: 1, ..Default::default() };
        let asked = |tier: ResponseLevel| tier <= act.response;
        tally.sites = act.version.sites.iter().filter(|site| asked(site.tier)).count();
        tally.units = act.version.units.iter().filter(|unit| asked(unit.tier)).count();
        tally.seats = act.version.sites.iter().flat_map(|site| &site.seats).filter(|seat| asked(seat.tier)).count();
        tally.seats_suspended = act.suspended as usize;
        for (seated, others) in act.seated.iter().zip(others) {
            match seated.designation.seat {
                Some(_) => tally.seats_filled += 1,
                None => tally.unseated_filled += 1,
            }
            tally.single_points += usize::from(*others == 0);
            tally.awaited[ring(&self.state.base, seated.post_area, seated.responder)] += 1;
        }
        tally.unseated_posts = tally.unseated_filled + act.gaps.iter().filter(|gap| gap.seat.is_none()).count();
        for gap in &act.gaps {
            *tally.gaps.entry(i32::from(gap.reason)).or_default() += 1;
        }
        tally.standby = act.standby.len();
        tally.contested.clone_from(&act.missed);
        tally
    }

    fn level(&self, plans: &[PlanRef], area: AreaRef, response: ResponseLevel, detail: RehearsalDetail) -> v1::RehearsedLevel {
        let (acts, ahead) = self.play(plans, response);
        let mut by_area: BTreeMap<AreaRef, Tally> = BTreeMap::new();
        let mut told = Vec::with_capacity(acts.len());
        for act in &acts {
            let others = self.others(act, &ahead);
            let tally = self.tally(act, &others);
            for above in self.state.base.ancestry(act.area) {
                by_area.entry(above).or_default().add(&tally);
                if above == area {
                    break;
                }
            }
            told.push(self.tell(act, &others, &tally, detail));
        }
        let total = by_area.get(&area).map(|tally| tally.figures(self.state)).unwrap_or_default();
        let below = self.state.base.subtree(area).into_iter();
        let areas = below.filter_map(|key| by_area.get(&key).map(|tally| self.area(key, tally))).collect();
        let contested = if detail == RehearsalDetail::Unspecified { Vec::new() } else { self.contested(&acts) };
        v1::RehearsedLevel { response: response.into(), total: Some(total), areas, plans: told, contested }
    }

    fn area(&self, key: AreaRef, tally: &Tally) -> v1::RehearsedArea {
        let base = &self.state.base;
        let area = base.areas.get(key);
        v1::RehearsedArea {
            area_id: base.areas.id(key).to_owned(),
            parent_id: area.parent.map(|key| base.areas.id(key).to_owned()).unwrap_or_default(),
            level: area.level.into(),
            figures: Some(tally.figures(self.state)),
        }
    }

    fn contested(&self, acts: &[Act<'_>]) -> Vec<v1::ContestedPerson> {
        let mut wanted: BTreeMap<ResponderRef, Vec<String>> = BTreeMap::new();
        for act in acts {
            act.missed.iter().for_each(|who| wanted.entry(*who).or_default().push(act.plan_id.to_owned()));
        }
        let holds = acts.iter().flat_map(|act| act.seated.iter().map(|seated| (seated.responder, act.plan_id)));
        let holder: BTreeMap<_, _> = holds.filter(|(who, _)| wanted.contains_key(who)).collect();
        let person = |(who, wanted_by): (ResponderRef, Vec<String>)| v1::ContestedPerson {
            responder_id: self.state.base.responders.id(who).to_owned(),
            plan_id: holder.get(&who).copied().unwrap_or_default().to_owned(),
            wanted_by,
        };
        wanted.into_iter().map(person).collect()
    }

    fn tell(&self, act: &Act<'_>, others: &[u32], tally: &Tally, detail: RehearsalDetail) -> v1::RehearsedPlan {
        let base = &self.state.base;
        let mut told = v1::RehearsedPlan {
            plan_id: act.plan_id.to_owned(),
            version: act.version.version,
            area_id: base.areas.id(act.area).to_owned(),
            figures: Some(tally.figures(self.state)),
            ..Default::default()
        };
        if detail == RehearsalDetail::Unspecified {
            return told;
        }
        told.gaps = act.gaps.iter().map(|gap| self.gap(act, gap)).collect();
        let posts = detail == RehearsalDetail::Posts;
        let wanted = act.seated.iter().zip(others).filter(|(_, others)| posts || **others == 0);
        told.posts = wanted.map(|(seated, others)| self.post(act, seated, *others)).collect();
        if posts {
            told.standby_ids = act.standby.iter().map(|who| base.responders.id(*who).to_owned()).collect();
        }
        told
    }

    fn post(&self, act: &Act<'_>, seated: &Seated<'_>, others: u32) -> v1::RehearsedPost {
        let Seated { designation, responder, post_area } = *seated;
        let (unit_key, site_key, seat_key) = act.keys(designation.unit, designation.site, designation.seat);
        let narrow = |number: usize| u32::try_from(number).expect("backups and levels are few");
        v1::RehearsedPost {
            tier: designation.tier.into(),
            role: designation.role.into(),
            unit_key,
            site_key,
            seat_key,
            responder_id: self.state.base.responders.id(responder).to_owned(),
            backup: narrow(named(designation).position(|who| who == responder).unwrap_or(0)),
            others,
            distance: narrow(ring(&self.state.base, post_area, responder)),
        }
    }

    fn gap(&self, act: &Act<'_>, gap: &Gap<'_>) -> v1::RehearsedGap {
        let (unit_key, site_key, seat_key) = act.keys(gap.designation.and_then(|designation| designation.unit), gap.site, gap.seat);
        let seat_tier = || gap.site.zip(gap.seat).map(|(site, seat)| act.version.sites[usize::from(site)].seats[usize::from(seat)].tier);
        let tier = gap.designation.map(|designation| designation.tier).or_else(seat_tier).unwrap_or_default();
        let responder = gap.designation.map(|designation| self.state.base.responders.id(designation.responder).to_owned());
        v1::RehearsedGap {
            tier: tier.into(),
            role: gap.designation.map_or(DutyRole::Member, |designation| designation.role).into(),
            unit_key,
            site_key,
            seat_key,
            responder_id: responder.unwrap_or_default(),
            reason: gap.reason.into(),
            other_incident_id: gap.other.map(|key| self.state.ops.incidents.id(key).to_owned()).unwrap_or_default(),
        }
    }
}

fn nobody<'a>(site: u16, seat: u16) -> Gap<'a> {
    Gap { site: Some(site), seat: Some(seat), designation: None, reason: GapReason::NoDesignation, other: None }
}

impl Act<'_> {
    fn keys(&self, unit: Option<u16>, site: Option<u16>, seat: Option<u16>) -> (String, String, String) {
        let unit = unit.map(|at| self.version.units[usize::from(at)].key.to_string());
        let site = site.map(|at| &self.version.sites[usize::from(at)]);
        let seat = site.zip(seat).map(|(site, at)| site.seats[usize::from(at)].key.to_string());
        (unit.unwrap_or_default(), site.map(|site| site.key.to_string()).unwrap_or_default(), seat.unwrap_or_default())
    }
}
