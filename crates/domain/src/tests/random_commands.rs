//! From dice to commands: mostly sensible ones, made of what the state knows, with a few that name what is not there.

use std::collections::BTreeSet;

use muster_proto::Command;
use muster_proto::v1::{self, DutyRole, IncidentType, NeedKind, Rating, ResponseLevel, Severity, UnitKind};

use super::{MINUTE_MS, Story, random_calls, random_shifts, town};
use crate::ids::{Dense, ResponderRef, Table};
use crate::state::{Erasure, State};

/// Eight dice for one step.
#[derive(Clone, Copy)]
pub(super) struct Roll {
    pub(super) kind: u8,
    pub(super) minutes: u8,
    pub(super) late: u8,
    pub(super) office: u8,
    pub(super) dice: [u8; 4],
}

impl std::fmt::Debug for Roll {
    /// One line a roll, also in a long list.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, minutes, late, office, dice: [a, b, c, d] } = self;
        write!(out, "{kind} +{minutes} -{late} @{office} {a}/{b}/{c}/{d}")
    }
}

/// Kinds of commands to roll.
pub(super) const KINDS: u8 = 156;

/// One in this many names is of something that is not there.
pub(super) const STRAY: u8 = 40;

pub(super) fn any<K: Dense, V>(table: &Table<K, V>, die: u8) -> String {
    if table.len() == 0 || die % STRAY == STRAY - 1 {
        return "nowhere".to_owned();
    }
    // Late entries are the busy ones: count from the end.
    let at = table.len() - 1 - usize::from(die) % table.len();
    table.id(K::from_index(at)).to_owned()
}

fn level(die: u8) -> ResponseLevel {
    [ResponseLevel::Iv, ResponseLevel::Iii, ResponseLevel::Ii, ResponseLevel::I][usize::from(die) % 4]
}

fn severity(die: u8) -> Severity {
    [Severity::Minor, Severity::Moderate, Severity::Severe, Severity::Extreme][usize::from(die) % 4]
}

pub(super) fn office(state: &State, asked: &Command, die: u8) -> String {
    if let Command::RateWhistle(body) = asked {
        let area = state.ops.whistles.find(&body.whistle_id).map(|key| state.ops.whistles.get(key).area);
        return area.map_or_else(|| "c".to_owned(), |area| state.base.areas.id(area).to_owned());
    }
    // The city may do most, so it speaks most.
    if die.is_multiple_of(3) { any(&state.base.areas, die / 3) } else { "c".to_owned() }
}

/// A call that is most likely open.
pub(super) fn call(state: &State, die: u8) -> String {
    let open: Vec<_> = state.ops.calls.iter().filter(|(_, call)| call.phase.open()).map(|(key, _)| key).collect();
    if open.is_empty() || die.is_multiple_of(STRAY) {
        return format!("c{die}");
    }
    open[usize::from(die) % open.len()].text()
}

/// Somebody who was declared absent, and where they should have been.
fn missed(state: &State, die: u8) -> Option<(String, String, String)> {
    let missed: Vec<_> = state.ops.realms.iter().flat_map(|(_, realm)| realm.no_shows.values()).collect();
    let call = state.ops.calls.get(**missed.get(usize::from(die) % missed.len().max(1))?);
    let site = call.site.map(|key| state.ops.sites.id(key).to_owned()).unwrap_or_default();
    let whistle = call.whistle.map(|key| state.ops.whistles.id(key).to_owned()).unwrap_or_default();
    Some((state.base.responders.id(call.responder).to_owned(), site, whistle))
}

/// The person of an open call and where it leads.
fn awaited(state: &State, die: u8) -> Option<(String, String, String)> {
    let open: Vec<_> = state.ops.calls.iter().filter(|(_, call)| call.phase.open()).map(|(_, call)| call).collect();
    let call = open.get(usize::from(die) % open.len().max(1))?;
    let site = call.site.map(|key| state.ops.sites.id(key).to_owned()).unwrap_or_default();
    let whistle = call.whistle.map(|key| state.ops.whistles.id(key).to_owned()).unwrap_or_default();
    Some((state.base.responders.id(call.responder).to_owned(), site, whistle))
}

fn seen(state: &State, die: u8) -> Option<(String, String, String)> {
    let seen: Vec<_> = state
        .ops
        .realms
        .iter()
        .flat_map(|(_, realm)| &realm.presence)
        .filter_map(|(who, presence)| presence.place.map(|place| (*who, place)))
        .collect();
    let (who, place) = *seen.get(usize::from(die) % seen.len().max(1))?;
    let (site, whistle) = super::random::names_of(state, place);
    Some((state.base.responders.id(who).to_owned(), site, whistle))
}

fn seat_of(state: &State, site_id: &str, die: u8) -> String {
    let seats = state.ops.sites.find(site_id).map(|key| &state.ops.sites.get(key).seats);
    let seat = seats.and_then(|seats| seats.get(usize::from(die) % seats.len().max(1)));
    seat.map_or_else(|| "seatless".to_owned(), |seat| seat.id.to_string())
}

/// The command of a roll.
pub(super) fn command(story: &Story, roll: &Roll) -> Command {
    let state = &story.state;
    match roll.kind {
        0..12 => peacetime(state, roll),
        12..20 => planning(state, roll),
        20..40 => incident(state, roll),
        40..52 => units_and_sites(state, roll),
        52..66 => whistles(state, roll),
        66..84 => calls(state, roll, story.now_ms),
        84..100 => presence(state, roll),
        100..106 => shelter(state, roll),
        106..120 => random_calls::command(state, roll),
        120..124 => zones(state, roll),
        124..130 => agreements(state, roll),
        130..150 => random_shifts::command(state, roll, story.now_ms),
        150..156 => fill(state, roll, story.now_ms),
        _ => unreachable!("kinds end at {KINDS}"),
    }
}

fn agreements(state: &State, roll: &Roll) -> Command {
    let [a, b, c, d] = roll.dice;
    let known = any(&state.base.agreements, a);
    match roll.kind {
        124..127 => {
            // The text hangs on the id, so that signatures meet.
            let number = usize::from(a) % 5;
            let [one, other] = [["t1", "t3"], ["k1", "k2"], ["v1", "v4"]][number % 3];
            let area = |area_id: &str| v1::AgreementSide { area_id: area_id.to_owned(), ..Default::default() };
            let outside =
                v1::AgreementSide { external_code: "450922".to_owned(), external_name: "邻县".to_owned(), ..Default::default() };
            let sides = if number == 4 { vec![area(one), outside] } else { vec![area(one), area(other)] };
            let signer = if d % 24 == 0 { v1::AgreementSide::default() } else { sides[usize::from(b) % 2].clone() };
            command!(SignAgreement {
                agreement_id: format!("ag{number}"),
                name: if c % 16 == 0 { "别的" } else { "联建协议" },
                area_id: signer.area_id,
                external_code: signer.external_code,
                sides: sides,
                shared: vec![v1::AgreementScope::Coverage.into(), v1::AgreementScope::People.into()],
                joint_committee_name: "联合党委",
                document_no: "联〔2026〕1号",
            })
        }
        127 | 128 => {
            // Mostly one that can be invoked.
            let standing = state.base.agreements.iter().filter(|(_, agreement)| agreement.stands());
            let standing: Vec<_> = standing.map(|(key, _)| key).collect();
            let standing = standing.get(usize::from(a) % standing.len().max(1)).filter(|_| d % 8 != 1);
            let known = standing.map_or(known, |key| state.base.agreements.id(*key).to_owned());
            let areas = state.base.agreements.find(&known).map(|key| state.base.agreements.get(key).areas().collect::<Vec<_>>());
            let side = areas.and_then(|areas| areas.get(usize::from(b) % areas.len()).copied());
            command!(InvokeAgreement {
                agreement_id: known,
                incident_id: any(&state.ops.incidents, c),
                unit_id: format!("joint{}", state.ops.units.len()),
                superior_organization_id: "party",
                approval_document_no: "组〔2026〕9号",
                area_id: side.filter(|_| d % 8 != 0).map(|key| state.base.areas.id(key).to_owned()).unwrap_or_default(),
            })
        }
        _ => command!(EndAgreement { agreement_id: known, reason: if d % 8 == 0 { "" } else { "到期" } }),
    }
}

/// Sites that are lists of grids.
fn zones(state: &State, roll: &Roll) -> Command {
    let [a, b, c, d] = roll.dice;
    let grids = state.base.areas.iter().filter(|(_, area)| area.level == v1::AreaLevel::Grid && !area.retired);
    let grids: Vec<_> = grids.map(|(key, _)| state.base.areas.id(key).to_owned()).collect();
    let grids: Vec<_> = grids.iter().cycle().skip(usize::from(b)).take(grids.len().min(usize::from(c) % 3)).cloned().collect();
    let of_kind = |kind: v1::SiteKind| {
        let open: Vec<_> = state.ops.sites.iter().filter(|(_, site)| site.kind == kind && !site.closed).map(|(key, _)| key).collect();
        let found = open.get(usize::from(a) % open.len().max(1)).filter(|_| d % 16 != 0);
        found.map_or_else(|| any(&state.ops.sites, a), |key| state.ops.sites.id(*key).to_owned())
    };
    match roll.kind {
        120 => command!(OpenSite {
            site_id: format!("zone{}", state.ops.sites.len()),
            incident_id: any(&state.ops.incidents, c),
            kind: if d % 2 == 0 { v1::SiteKind::RiskZone } else { v1::SiteKind::MobilePatrol },
            name: "片区",
            area_id: any(&state.base.areas, b),
        }),
        121 | 122 => {
            let risk = [v1::RiskLevel::Low, v1::RiskLevel::High, v1::RiskLevel::Lifted][usize::from(d) % 3];
            command!(SetRisk { site_id: of_kind(v1::SiteKind::RiskZone), risk: risk, grid_ids: grids })
        }
        _ => command!(SetBeat { site_id: of_kind(v1::SiteKind::MobilePatrol), grid_ids: grids }),
    }
}

fn peacetime(state: &State, roll: &Roll) -> Command {
    let [a, b, c, d] = roll.dice;
    let (base, who) = (&state.base, any(&state.base.responders, a));
    match roll.kind {
        0 => town::area(
            &format!("x{}", base.areas.len()),
            &any(&base.areas, b),
            [v1::AreaLevel::Village, v1::AreaLevel::Grid][usize::from(c) % 2],
        ),
        2 => command!(RetireArea { area_id: any(&base.areas, a) }),
        3 => command!(SwitchAutoFill { area_id: any(&base.areas, a), enabled: b % 2 == 0 }),
        1 if d % 4 != 0 => command!(RegisterOrganization {
            organization_id: format!("org{}", base.organizations.len()),
            name: "单位",
            kind: v1::OrganizationKind::Department,
            area_id: any(&base.areas, a),
        }),
        1 => command!(ReparentArea { area_id: any(&base.areas, a), parent_id: any(&base.areas, b) }),
        4 if d % 3 == 0 => command!(NameOfficeHolder {
            organization_id: any(&base.organizations, a),
            title: ["负责人", "值班电话联系人"][usize::from(b) % 2],
            responder_id: if c % 4 == 0 { String::new() } else { any(&base.responders, c) },
        }),
        4 => command!(TieToArea { organization_id: any(&base.organizations, a), area_id: any(&base.areas, b) }),
        5 if d % 2 == 0 => erase(state, roll),
        5 => command!(ReservePeople { organization_id: "power", responder_ids: [any(&base.responders, b)] }),
        6 if d % 4 == 0 => erase(state, roll),
        6 => town::enroll(&format!("n{}", base.responders.len()), &any(&base.areas, b), "", if c % 2 == 0 { &["medic"] } else { &[] }),
        7 => command!(ReportToCommunity { responder_id: who, area_id: any(&base.areas, b) }),
        8 if d % 2 == 0 => responsibility(state, roll),
        8 => command!(TransferResponder { responder_id: who, organization_id: any(&base.organizations, b) }),
        9 => command!(SetSpecialties { responder_id: who, specialties: ["medic".to_owned()] }),
        10 => command!(SetAvailability {
            responder_id: who,
            availability: if d % 2 == 0 { v1::Availability::Leave } else { v1::Availability::Available },
            from_ms: if d % 4 == 0 && b % 2 == 0 { super::START_MS + 16 * i64::from(b) * MINUTE_MS } else { 0i64 },
            until_ms: if c % 2 == 0 { 0 } else { super::START_MS + i64::from(c) * MINUTE_MS },
        }),
        _ if d % 4 == 1 => command!(SetHold { responder_id: who, held: b % 2 == 0, reason: "审计" }),
        _ if d % 4 == 2 => erase(state, roll),
        _ if d % 4 == 3 && c % 4 != 0 => command!(SetSpecialties { responder_id: who, specialties: Vec::<String>::new() }),
        _ => command!(WithdrawResponder { responder_id: who, reason: "迁出" }),
    }
}

/// Of somebody whom one person asked to erase, or else of somebody who has withdrawn and never served, or else on the way there: erasing
/// takes three commands, and dice alone would seldom meet the same person three times.
fn erase(state: &State, roll: &Roll) -> Command {
    let [a, b, ..] = roll.dice;
    let base = &state.base;
    let pick = |found: Vec<ResponderRef>| found.get(usize::from(a) % found.len().max(1)).map(|who| base.responders.id(*who).to_owned());
    let asked = base.erasures.iter().filter(|(_, erasure)| **erasure != Erasure::Erased).map(|(who, _)| *who);
    let unserved = || base.responders.iter().filter(|(who, _)| state.ops.calls.iter().all(|(_, call)| call.responder != *who));
    let gone = || unserved().filter(|(who, person)| person.withdrawn && !base.erasures.contains_key(who)).map(|(who, _)| who);
    let found = if b % 8 == 0 { Some(any(&base.responders, a)) } else { pick(asked.collect()).or_else(|| pick(gone().collect())) };
    match (found, pick(unserved().filter(|(_, person)| !person.withdrawn).map(|(who, _)| who).collect())) {
        (None, Some(who)) => command!(WithdrawResponder { responder_id: who, reason: "迁出" }),
        (found, _) => command!(ErasePersonalData { responder_id: found.unwrap_or_default(), reason: "本人要求" }),
    }
}

fn responsibility(state: &State, roll: &Roll) -> Command {
    let [a, b, c, _] = roll.dice;
    let kind = if c % 2 == 0 { v1::ResponsibilityKind::FloodControl } else { v1::ResponsibilityKind::BuildingHead };
    let listed: Vec<_> = state.base.responsibilities.keys().collect();
    match listed.get(usize::from(b) % listed.len().max(1)) {
        Some((area, kind, who)) if c % 3 == 0 => command!(EndResponsibility {
            responder_id: state.base.responders.id(*who),
            area_id: state.base.areas.id(*area),
            kind: i32::from(*kind),
        }),
        _ => command!(AssignResponsibility {
            responder_id: any(&state.base.responders, a),
            area_id: any(&state.base.areas, b),
            kind: kind,
            until_ms: if c % 5 == 0 { super::START_MS + i64::from(b) * MINUTE_MS } else { 0 },
        }),
    }
}

fn planning(state: &State, roll: &Roll) -> Command {
    let [a, b, c, d] = roll.dice;
    let plan = any(&state.base.plans, a);
    match roll.kind {
        12 | 13 => {
            let (plan_id, area_id) = match state.base.plans.find(&plan).filter(|_| b % 3 != 0) {
                Some(key) => (plan, state.base.areas.id(state.base.plans.get(key).area).to_owned()),
                None => (format!("y{}", state.base.plans.len()), any(&state.base.areas, b)),
            };
            let incident_type = if plan_id.starts_with("typ") || d % 2 == 0 { IncidentType::Typhoon } else { IncidentType::Outbreak };
            let seats = [("a", level(0)), ("b", level(c)), ("c", level(b))];
            let seats = &seats[..2 + usize::from(roll.office % 2)];
            let sites = vec![
                town::plan_site("s1", &area_id, level(0), &seats[usize::from(roll.office.is_multiple_of(3))..]),
                town::plan_site("s2", &area_id, level(d), &[("a", level(d)), ("b", ResponseLevel::I)]),
            ];
            let units = vec![
                town::plan_unit("u1", UnitKind::TemporaryBranch, &area_id, "", "s1", level(0)),
                town::plan_unit("u2", UnitKind::VanguardTeam, &area_id, "u1", "s2", level(d)),
            ];
            town::draft(&plan_id, &area_id, incident_type, sites, units)
        }
        14 => town::publish(&plan),
        15 => command!(RehearsePlan { plan_id: plan, response: level(d) }),
        16 => next_version(state, roll),
        _ => {
            let role = [DutyRole::Member, DutyRole::Secretary, DutyRole::Organizer, DutyRole::Standby][usize::from(c) % 4];
            let unit = ["u1", "u2", ""][usize::from(b) % 3];
            let (site, seat) = [("s1", "a"), ("s1", "b"), ("s1", "c"), ("s2", "a"), ("s2", "b"), ("", "")][usize::from(c) % 6];
            let backup = any(&state.base.responders, b);
            town::post(&plan, level(d), role, [unit, site, seat], &any(&state.base.responders, d), &[&backup])
        }
    }
}

/// Some of the lessons of a plan that has stood down, if there is one.
fn next_version(state: &State, roll: &Roll) -> Command {
    let [a, b, c, d] = roll.dice;
    let over = state.ops.incidents.iter().flat_map(|(key, incident)| {
        let plans = incident.conversions.iter().filter(|(_, conversion)| conversion.stood_down).map(|(plan, _)| *plan);
        plans.map(move |plan| (state.ops.incidents.id(key).to_owned(), state.base.plans.id(plan).to_owned()))
    });
    let over: Vec<_> = over.collect();
    let (incident_id, plan_id) = match over.get(usize::from(a) % over.len().max(1)) {
        Some(found) if b % 8 != 0 => found.clone(),
        _ => (any(&state.ops.incidents, a), any(&state.base.plans, b)),
    };
    let rows = crate::lessons::lessons(state, &plan_id, &incident_id).map(|lessons| lessons.rows).unwrap_or_default();
    let accepted = rows.iter().enumerate().filter(|(at, row)| row.needed || (usize::from(c) >> (at % 8)) & 1 == 1);
    let mut row_ids: Vec<String> = accepted.map(|(_, row)| row.row_id.clone()).collect();
    row_ids.extend((d % 16 == 0).then(|| "nothing".to_owned()));
    command!(DraftNextVersion { plan_id: plan_id, incident_id: incident_id, row_ids: row_ids })
}

fn incident(state: &State, roll: &Roll) -> Command {
    let [a, b, c, d] = roll.dice;
    let (known, area) = (any(&state.ops.incidents, a), any(&state.base.areas, b));
    match roll.kind {
        20..23 => {
            let realm = ["", "", "drill-1", "drill-2"][usize::from(b) % 4];
            let kind = if c % 2 == 0 { IncidentType::Outbreak } else { IncidentType::Typhoon };
            let area = if a % 2 == 0 { "c".to_owned() } else { area };
            town::declare(&format!("i{}", state.ops.incidents.len()), kind, &area, severity(d), realm)
        }
        23..30 => town::convert(&known, if c % 2 == 0 { "c" } else { &area }, level(d)),
        30..34 => town::change(&known, if c % 2 == 0 { "c" } else { &area }, level(d)),
        34 => command!(ChangeWarning { incident_id: known, warning: v1::WarningLevel::Red }),
        35 => command!(ChangeGrade { incident_id: known, grade: v1::IncidentGrade::Major }),
        36..39 => town::stand_down(&known, if c % 2 == 0 { "c" } else { &area }),
        _ => command!(CloseIncident { incident_id: known }),
    }
}

fn shelter(state: &State, roll: &Roll) -> Command {
    let [a, b, c, d] = roll.dice;
    let recalled = super::random::recalled(state);
    let (incident, area) = match recalled.get(usize::from(a) % recalled.len().max(1)) {
        Some((incident, area)) if d % 4 != 0 => (incident.clone(), area.clone()),
        _ => (any(&state.ops.incidents, a), if b % 3 == 0 { "c".to_owned() } else { any(&state.base.areas, b) }),
    };
    match roll.kind {
        100..102 => command!(RecallArea { incident_id: incident, area_id: area, reason: "台风登陆" }),
        102..105 => {
            let waiting = state.ops.incidents.find(&incident).map(|key| state.ops.incidents.get(key).recalls.values());
            let waiting: Vec<_> = waiting.into_iter().flatten().flat_map(|recall| recall.unaccounted.keys()).collect();
            let known = waiting.get(usize::from(c) % waiting.len().max(1)).map(|key| state.base.responders.id(**key).to_owned());
            command!(ConfirmSafe { incident_id: incident, responder_ids: vec![known.unwrap_or_else(|| any(&state.base.responders, c))] })
        }
        _ => command!(ResumeArea { incident_id: incident, area_id: area, reason: if c % 2 == 0 { "" } else { "风力减弱" } }),
    }
}

/// Somebody in a standing unit, without a duty.
fn seated(state: &State, die: u8) -> Option<(String, String)> {
    let standing = state.ops.units.iter().filter(|(_, unit)| !unit.dissolved);
    let seated = standing.flat_map(|(key, unit)| unit.members.iter().chain(&unit.extra_seats).map(move |who| (key, unit, *who)));
    let free = |incident, who| state.ops.duties(state.ops.incidents.get(incident).realm, who).is_empty();
    let seated: Vec<_> = seated.filter(|(_, unit, who)| free(unit.incident, *who)).collect();
    let (key, _, who) = seated.get(usize::from(die) % seated.len().max(1))?;
    Some((state.ops.units.id(*key).to_owned(), state.base.responders.id(*who).to_owned()))
}

/// A proposal as the planner makes it, now and then bent; or decisions about the lines of one that stands.
fn fill(state: &State, roll: &Roll, now_ms: i64) -> Command {
    let [a, b, c, d] = roll.dice;
    if roll.kind < 153 {
        let realm = ["", "", "drill-1", "drill-2"][usize::from(a) % 4];
        let area_id = if b % 2 == 0 { String::new() } else { any(&state.base.areas, b) };
        let question = crate::assign::FillQuestion { realm, area_id: &area_id, now_ms };
        let proposal_id = format!("f{}", state.ops.fills.len());
        let mut body = crate::assign::propose_fill(state, question, &proposal_id).unwrap_or_default();
        // Somebody else than the planner would name: most often a person with a duty.
        if let Some(line) = body.lines.first_mut().filter(|_| c % 3 == 0) {
            line.responder_id = any(&state.base.responders, d);
        }
        return Command::ProposeFill(body);
    }
    let standing: Vec<_> = state.ops.open_fills.values().collect();
    let Some(key) = standing.get(usize::from(a) % standing.len().max(1)).copied() else {
        return command!(DecideFill { proposal_id: "f0" });
    };
    let lines = state.ops.fills.get(*key).lines.keys().skip(usize::from(b) % 3).take(1 + usize::from(c) % 4);
    let decision = |(at, line): (usize, &str)| {
        let choice = [v1::FillChoice::Accept, v1::FillChoice::Accept, v1::FillChoice::Change, v1::FillChoice::Refuse];
        let choice = choice[(usize::from(d) + at) % 4];
        let changed = choice == v1::FillChoice::Change;
        v1::FillDecision {
            line_id: line.to_string(),
            choice: choice.into(),
            responder_id: if changed { any(&state.base.responders, d) } else { String::new() },
            reason: "另有安排".to_owned(),
            released_by_area_id: if d % 3 == 0 { "c".to_owned() } else { String::new() },
        }
    };
    let decisions: Vec<_> = lines.map(|line| &**line).enumerate().map(decision).collect();
    command!(DecideFill { proposal_id: state.ops.fills.id(*key), decisions: decisions })
}

fn units_and_sites(state: &State, roll: &Roll) -> Command {
    let [a, b, c, d] = roll.dice;
    let (unit, who, site) = (any(&state.ops.units, a), any(&state.base.responders, b), any(&state.ops.sites, a));
    let incident = any(&state.ops.incidents, c);
    match roll.kind {
        40 => command!(EstablishUnit {
            unit_id: format!("hand{}", state.ops.units.len()),
            incident_id: incident,
            kind: if d % 2 == 0 { UnitKind::TemporaryGroup } else { UnitKind::ServiceTeam },
            name: "手工",
            parent_unit_id: if a % 3 == 0 { unit } else { String::new() },
            area_id: any(&state.base.areas, b),
            superior_organization_id: "party",
            approval_document_no: "组〔2026〕2号",
        }),
        41 | 42 => command!(AttachResponder { unit_id: unit, responder_id: who, extra_seat: c % 4 == 0 }),
        43 => {
            let (unit_id, responder_id) = seated(state, a).filter(|_| d % 8 != 0).unwrap_or((unit, who));
            command!(DetachResponder { unit_id: unit_id, responder_id: responder_id })
        }
        44 => command!(AppointSecretary { unit_id: unit, responder_id: who, document_no: "组〔2026〕3号" }),
        45 => command!(AppointOrganizer { unit_id: unit, responder_id: who, document_no: "组〔2026〕4号" }),
        46 => command!(DissolveUnit { unit_id: unit }),
        47 | 48 => town::site(&format!("place{}", state.ops.sites.len()), &incident, &any(&state.base.areas, b), &["a", "b"]),
        49 | 50 => requirement(state, &site, roll),
        _ => command!(CloseSite { site_id: site }),
    }
}

/// Some of the seats that a site has, that its plan knows and that nobody knows; mostly with those that somebody has.
fn requirement(state: &State, site_id: &str, roll: &Roll) -> Command {
    let [_, _, c, d] = roll.dice;
    let mut ids = BTreeSet::from(["z".to_owned(), "n1".to_owned()]);
    let mut held = BTreeSet::new();
    if let Some(site) = state.ops.sites.find(site_id).map(|key| state.ops.sites.get(key)) {
        ids.extend(site.seats.iter().map(|seat| seat.id.to_string()));
        held.extend(site.seats.iter().filter(|seat| seat.holder.is_some()).map(|seat| seat.id.to_string()));
        let key = site_id.rsplit('/').next().unwrap_or_default();
        let version = site.plan.and_then(|plan| state.base.plans.get(plan).current());
        let planned = version.into_iter().flat_map(|version| &version.sites).filter(|planned| *planned.key == *key);
        ids.extend(planned.flat_map(|planned| &planned.seats).map(|seat| seat.key.to_string()));
    }
    let wanted = |(at, id): &(usize, String)| (usize::from(c) >> (at % 8)) & 1 == 1 || (held.contains(id) && d % 8 != 0);
    let seats = ids.into_iter().enumerate().filter(wanted).map(|(at, seat_id)| v1::Seat {
        seat_id,
        shift: if c % 4 == 0 { "night".to_owned() } else { String::new() },
        specialty: if (usize::from(d) + at).is_multiple_of(5) { "medic".to_owned() } else { String::new() },
        ..Default::default()
    });
    command!(SetRequirement { site_id: site_id, seats: seats.collect::<Vec<_>>() })
}

fn whistles(state: &State, roll: &Roll) -> Command {
    let [a, b, c, d] = roll.dice;
    let whistle = any(&state.ops.whistles, a);
    let number = state.ops.whistles.len();
    match roll.kind {
        52..56 => {
            let kind = [NeedKind::Person, NeedKind::Person, NeedKind::Organization, NeedKind::Supply][usize::from(d) % 4];
            let specialty = if c % 3 == 0 { "medic" } else { "" };
            let needs =
                vec![town::need("n", NeedKind::Person, specialty, 1 + u32::from(d % 3)), town::need("m", kind, "", 1 + u32::from(c % 2))];
            command!(BlowWhistle {
                whistle_id: format!("w{number}"),
                incident_id: if b % 3 == 0 { any(&state.ops.incidents, b / 3) } else { String::new() },
                area_id: any(&state.base.areas, a),
                severity: severity(d),
                life_threatening: d % 5 == 0,
                needs: needs,
            })
        }
        56 => command!(AcknowledgeWhistle { whistle_id: whistle }),
        57 => command!(EscalateWhistle { whistle_id: whistle, reason: "人手不足" }),
        58 => command!(MergeWhistles { whistle_id: whistle, into_whistle_id: any(&state.ops.whistles, b) }),
        59 | 60 => command!(FulfilNeed { whistle_id: whistle, need_id: if b % 2 == 0 { "n" } else { "m" }, quantity: u32::from(c % 3) }),
        61 => command!(ResolveWhistle { whistle_id: whistle, note: "已办结" }),
        62 => command!(WithdrawWhistle { whistle_id: whistle, reason: "误报" }),
        63 => command!(RateWhistle { whistle_id: whistle, rating: Rating::Satisfied }),
        _ => command!(CallOrganization {
            organization_id: if a % 2 == 0 { "power".to_owned() } else { any(&state.base.organizations, a) },
            whistle_id: if b % 3 == 0 { String::new() } else { any(&state.ops.whistles, b) },
            need_id: if d % 2 == 0 { "n" } else { "m" },
            site_id: if b % 3 == 0 { any(&state.ops.sites, c) } else { String::new() },
            quantity: 1 + u32::from(d % 2),
            lead: c % 4 == 0,
        }),
    }
}

fn calls(state: &State, roll: &Roll, now_ms: i64) -> Command {
    let [a, b, c, d] = roll.dice;
    let (who, known) = (any(&state.base.responders, a), call(state, a));
    match roll.kind {
        66..71 => {
            let to_site = b % 2 == 0;
            let site = any(&state.ops.sites, c);
            let from_ms = if d % 4 == 0 { now_ms + i64::from(c) * MINUTE_MS } else { 0 };
            let until_ms = if d % 3 == 0 { from_ms.max(now_ms) + i64::from(b) * MINUTE_MS } else { 0 };
            let (site_id, seat_id, whistle_id, need_id) = if to_site {
                (site.clone(), seat_of(state, &site, d), String::new(), "")
            } else {
                (String::new(), String::new(), any(&state.ops.whistles, c), if d % 2 == 0 { "n" } else { "m" })
            };
            command!(DispatchResponder {
                responder_id: who,
                site_id: site_id,
                seat_id: seat_id,
                whistle_id: whistle_id,
                need_id: need_id,
                unit_id: if d % 5 == 0 { any(&state.ops.units, b) } else { String::new() },
                from_ms: from_ms,
                until_ms: until_ms,
                released_by_area_id: if d % 7 == 0 { "c" } else { "" },
            })
        }
        71 | 72 => {
            // The latest call is the one most likely open.
            let number = state.ops.organization_calls.iter().count().max(1);
            let people = ["e1", "e2", "e3"].map(str::to_owned);
            command!(NominatePeople {
                call_id: format!("o{}", number - usize::from(b) % number.min(3)),
                responder_ids: &people[..1 + usize::from(c) % 3]
            })
        }
        73 => command!(AcknowledgeCall { call_id: if c % 4 == 0 { format!("o{}", b % 4) } else { known } }),
        74..77 => town::accept(&known),
        77 | 78 => town::decline(&if c % 6 == 0 { format!("o{}", b % 4) } else { known }),
        79 => command!(RecallResponder { call_id: known, reason: "另有安排" }),
        80 | 81 => command!(RelieveResponder { call_id: known, by_responder_id: any(&state.base.responders, b) }),
        _ => town::absent(&known),
    }
}

fn presence(state: &State, roll: &Roll) -> Command {
    let [a, b, c, d] = roll.dice;
    let at_random = || (any(&state.base.responders, a), any(&state.ops.sites, b), String::new());
    match roll.kind {
        84..93 => {
            let found = if c % 6 == 1 { missed(state, d) } else { awaited(state, d) };
            let (responder_id, site_id, whistle_id) = found.filter(|_| c % 6 != 0).unwrap_or_else(at_random);
            command!(CheckIn { responder_id: responder_id, site_id: site_id, whistle_id: whistle_id, device_sequence: u64::from(a) })
        }
        93..98 => {
            let (responder_id, site_id, whistle_id) = if c % 9 == 0 { at_random() } else { seen(state, d).unwrap_or_else(at_random) };
            command!(CheckOut { responder_id: responder_id, site_id: site_id, whistle_id: whistle_id, device_sequence: u64::from(a) })
        }
        _ => {
            let (responder_id, site_id, whistle_id) = seen(state, d).unwrap_or_else(at_random);
            let nowhere = c % 2 == 0;
            command!(SettlePresence {
                responder_id: responder_id,
                realm: ["", "", "drill-1"][usize::from(b) % 3],
                site_id: if nowhere { String::new() } else { site_id },
                whistle_id: if nowhere { String::new() } else { whistle_id },
            })
        }
    }
}
