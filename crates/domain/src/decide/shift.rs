//! Shift 班次: laid out from a pattern with a roster, opened, and closed only when somebody took over.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::Event;
use muster_proto::v1::{self, BasisKind, ShiftEntry, ShiftLine};

use super::moving::let_go;
use super::{Decision, checks};
use crate::execute::{Draft, Now};
use crate::ids::{RealmRef, ResponderRef, ShiftRef, SiteRef};
use crate::limits;
use crate::policy::shifts::closed;
use crate::rejection::Rejection;
use crate::state::{ShiftPhase, Site, State, rest_needed};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
const PERSON: &str = "crews.lines.responder_id";

fn invalid(field: &'static str, reason_zh: &'static str, reason_en: &'static str) -> Rejection {
    Rejection::FieldInvalid { field, reason_zh, reason_en }
}

/// A site whose shifts the office may lay.
fn site_of<'a>(state: &'a State, now: &Now<'_>, site_id: &str) -> Result<(SiteRef, &'a Site), Rejection> {
    let key = state.open_site("site_id", site_id)?;
    let site = state.ops.sites.get(key);
    state.not_standing_down(site.incident, site.plan)?;
    state.authority_over(now, site.area)?;
    Ok((key, site))
}

pub(super) fn known_shift(state: &State, field: &'static str, id: &str) -> Result<ShiftRef, Rejection> {
    if id.is_empty() {
        return Err(Rejection::FieldMissing { field });
    }
    state.ops.shifts.find(id).ok_or_else(|| Rejection::UnknownShift { field, id: id.to_owned() })
}

pub(super) fn wrong_phase(state: &State, key: ShiftRef) -> Rejection {
    let phase = match state.ops.shifts.get(key).phase {
        ShiftPhase::Planned => "已排班 planned",
        ShiftPhase::Open => "已开班 open",
        ShiftPhase::Held => "待接班 held",
        ShiftPhase::Closed => "已结束 closed",
    };
    Rejection::ShiftPhaseWrong { id: state.ops.shifts.id(key).to_owned(), phase }
}

/// A label that the site has seats for, and a minimum that they can hold.
fn label_fits(site: &Site, field: &'static str, label: &str, minimum: u32) -> Result<(), Rejection> {
    let seats = site.seats.iter().filter(|seat| *seat.shift == *label).count();
    if seats == 0 {
        return Err(invalid(field, "点位没有此班次的席位", "the site has no seat of this shift"));
    }
    if minimum as usize > seats {
        return Err(invalid("minimum", "最低在岗人数多于席位", "the minimum is above the number of seats"));
    }
    Ok(())
}

/// Whether somebody may sit there: the seat's specialty is theirs.
pub(super) fn seat_fits(state: &State, field: &'static str, site: &Site, seat_id: &str, responder: ResponderRef) -> Result<(), Rejection> {
    let Some(seat) = site.seat(seat_id).map(|at| &site.seats[at]) else { return Ok(()) };
    if state.base.has_specialty(responder, &seat.specialty) {
        return Ok(());
    }
    Err(Rejection::SpecialtyRequired { field, id: state.base.responders.id(responder).to_owned(), specialty: seat.specialty.to_string() })
}

fn check_lines(state: &State, now: &Now<'_>, site: &Site, site_id: &str, lines: &[ShiftLine]) -> Result<(), Rejection> {
    checks::at_most("crews.lines", lines.len(), limits::SEATS_MAX)?;
    let mut seats = BTreeSet::new();
    for line in lines {
        if site.seat(&line.seat_id).is_none() {
            return Err(Rejection::UnknownSeat { seat: line.seat_id.clone(), site: site_id.to_owned() });
        }
        if !seats.insert(&line.seat_id) {
            return Err(Rejection::AlreadyExists { field: "crews.lines.seat_id", id: line.seat_id.clone() });
        }
        let responder = state.responder(PERSON, &line.responder_id)?;
        let_go(state, now, responder, "", Some(site.incident), site.area)?;
        state.not_withdrawn(responder)?;
        seat_fits(state, PERSON, site, &line.seat_id, responder)?;
    }
    Ok(())
}

/// Checks that a person is not away in shifts to be added, and that the rostered shifts of the realm, with these and without one, neither
/// overlap nor leave too little rest.
pub(super) fn can_work(
    state: &State,
    field: &'static str,
    realm: RealmRef,
    responder: ResponderRef,
    added: &[(i64, i64, &str)],
    without: Option<ShiftRef>,
) -> Result<(), Rejection> {
    let person = state.base.responders.get(responder);
    if let Some((_, _, shift)) = added.iter().find(|(from_ms, until_ms, _)| person.absent_during(*from_ms, *until_ms)) {
        let (id, kind) = (state.base.responders.id(responder).to_owned(), checks::unavailable(person.availability));
        return Err(Rejection::RosterAbsent { field, id, shift: (*shift).to_owned(), kind });
    }
    let rostered = state.ops.realms.get(realm).rosters.get(&responder);
    let held = rostered.into_iter().flatten().filter(|key| Some(**key) != without).map(|key| {
        let shift = state.ops.shifts.get(*key);
        (shift.from_ms, shift.until_ms, state.ops.shifts.id(*key))
    });
    let mut periods: Vec<_> = held.chain(added.iter().copied()).collect();
    periods.sort_unstable();
    for pair in periods.windows(2) {
        let (former, next) = (pair[0], pair[1]);
        let id = || state.base.responders.id(responder).to_owned();
        if next.0 < former.1 {
            return Err(Rejection::RosterOverlap { field, id: id(), shift: former.2.to_owned() });
        }
        if next.0 < former.1 + rest_needed(former.1 - former.0) {
            return Err(Rejection::RosterBreaksRest { field, id: id(), shift: former.2.to_owned() });
        }
    }
    Ok(())
}

fn check_pattern(site: &Site, body: &v1::ScheduleShifts) -> Result<(), Rejection> {
    if body.pattern.is_empty() {
        return Err(Rejection::FieldMissing { field: "pattern" });
    }
    checks::at_most("pattern", body.pattern.len(), limits::SHIFT_PATTERN_MAX)?;
    checks::at_most("crews", body.crews.len(), limits::CREWS_MAX)?;
    if !(-12 * 60..=14 * 60).contains(&body.utc_offset_minutes) {
        return Err(invalid("utc_offset_minutes", "时区偏移超出范围", "no place on earth is that far from UTC"));
    }
    for entry in &body.pattern {
        label_fits(site, "pattern.shift", &entry.shift, entry.minimum)?;
        if entry.start_minute >= 24 * 60 {
            return Err(invalid("pattern.start_minute", "应在 0 至 1439 之间", "must be 0 to 1439"));
        }
        if entry.minutes == 0 || entry.minutes > limits::SHIFT_MINUTES_MAX {
            return Err(invalid("pattern.minutes", "班次时长应在 1 至 720 分钟之间", "a shift is 1 to 720 minutes long"));
        }
    }
    Ok(())
}

/// The shifts that begin in the period, in order of time; of the same time, in that of the pattern.
fn laid_out(site_id: &str, number: usize, from_ms: i64, body: &v1::ScheduleShifts) -> Result<Vec<ShiftEntry>, Rejection> {
    let offset_ms = i64::from(body.utc_offset_minutes) * MINUTE_MS;
    let mut shifts = Vec::new();
    for day in (from_ms + offset_ms).div_euclid(DAY_MS)..=(body.until_ms + offset_ms).div_euclid(DAY_MS) {
        for entry in &body.pattern {
            let begins_ms = day * DAY_MS + i64::from(entry.start_minute) * MINUTE_MS - offset_ms;
            if begins_ms >= from_ms && begins_ms < body.until_ms {
                shifts.push(ShiftEntry {
                    shift_id: String::new(),
                    shift: entry.shift.clone(),
                    from_ms: begins_ms,
                    until_ms: begins_ms + i64::from(entry.minutes) * MINUTE_MS,
                    minimum: entry.minimum,
                    opens_at_ms: begins_ms - limits::SHIFT_LEAD_MS,
                });
            }
        }
        checks::at_most("pattern", shifts.len(), limits::SCHEDULE_SHIFTS_MAX)?;
    }
    if shifts.is_empty() {
        return Err(invalid("until_ms", "期间内没有班次开始", "no shift begins in the period"));
    }
    shifts.sort_by_key(|shift| shift.from_ms);
    for (at, shift) in shifts.iter_mut().enumerate() {
        shift.shift_id = format!("{site_id}~{}", number + at + 1);
    }
    Ok(shifts)
}

/// A seat has one shift at a time.
fn apart(state: &State, site_id: &str, site: &Site, shifts: &[ShiftEntry]) -> Result<(), Rejection> {
    let standing = site.shifts.iter().filter_map(|key| {
        let shift = state.ops.shifts.get(*key);
        let entry = (&*shift.label, shift.from_ms, shift.until_ms, state.ops.shifts.id(*key));
        (shift.phase != ShiftPhase::Closed).then_some(entry)
    });
    let added = shifts.iter().map(|shift| (shift.shift.as_str(), shift.from_ms, shift.until_ms, shift.shift_id.as_str()));
    let mut all: Vec<_> = standing.chain(added).collect();
    all.sort_unstable();
    match all.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[1].1 < pair[0].2) {
        Some(pair) => Err(Rejection::ShiftsOverlap { site: site_id.to_owned(), shift: pair[1].0.to_owned(), other: pair[0].3.to_owned() }),
        None => Ok(()),
    }
}

/// The lines of each shift's crew that are for its seats.
fn rostered<'a>(site: &Site, shifts: &[ShiftEntry], crews: &'a [v1::Crew]) -> Result<Vec<Vec<&'a ShiftLine>>, Rejection> {
    let of_shift = |line: &&ShiftLine, label: &str| site.seat(&line.seat_id).is_some_and(|at| *site.seats[at].shift == *label);
    let mut rosters = Vec::with_capacity(shifts.len());
    let mut lines = 0;
    for (at, shift) in shifts.iter().enumerate().filter(|_| !crews.is_empty()) {
        let roster: Vec<_> = crews[at % crews.len()].lines.iter().filter(|line| of_shift(line, &shift.shift)).collect();
        if roster.is_empty() {
            return Err(invalid("crews", "轮到的班组没有该班次的席位", "the crew whose turn it is has no seat of that shift"));
        }
        lines += roster.len();
        checks::at_most("crews.lines", lines, limits::SCHEDULE_LINES_MAX)?;
        rosters.push(roster);
    }
    Ok(rosters)
}

pub(super) fn schedule(state: &State, now: &Now<'_>, body: &v1::ScheduleShifts) -> Decision {
    let (_, site) = site_of(state, now, &body.site_id)?;
    let from_ms = if body.from_ms == 0 { now.recorded_at_ms } else { body.from_ms };
    if from_ms < now.recorded_at_ms {
        return Err(invalid("from_ms", "时间已过", "the time has passed"));
    }
    if body.until_ms <= from_ms {
        return Err(Rejection::PeriodInvalid {});
    }
    if body.until_ms - now.recorded_at_ms > limits::SCHEDULE_AHEAD_MS {
        return Err(invalid("until_ms", "最多排到一年之后", "more than a year ahead"));
    }
    check_pattern(site, body)?;
    for crew in &body.crews {
        check_lines(state, now, site, &body.site_id, &crew.lines)?;
    }
    let shifts = laid_out(&body.site_id, site.shifts.len(), from_ms, body)?;
    apart(state, &body.site_id, site, &shifts)?;
    let rosters = rostered(site, &shifts, &body.crews)?;
    let realm = state.ops.incidents.get(site.incident).realm;
    let mut periods: BTreeMap<ResponderRef, Vec<(i64, i64, &str)>> = BTreeMap::new();
    for (shift, lines) in shifts.iter().zip(&rosters) {
        for line in lines {
            let responder = state.responder(PERSON, &line.responder_id)?;
            periods.entry(responder).or_default().push((shift.from_ms, shift.until_ms, &shift.shift_id));
        }
    }
    for (responder, added) in &periods {
        can_work(state, PERSON, realm, *responder, added, None)?;
    }
    let draft = |event| Draft::new(event, realm, Some(site.area));
    let mut drafts: Vec<Draft> = shifts
        .chunks(limits::SHIFTS_PART)
        .map(|part| {
            draft(Event::ShiftsScheduled(v1::ShiftsScheduled {
                site_id: body.site_id.clone(),
                area_id: state.base.areas.id(site.area).to_owned(),
                utc_offset_minutes: body.utc_offset_minutes,
                shifts: part.to_vec(),
            }))
        })
        .collect();
    drafts.extend(shifts.iter().zip(&rosters).map(|(shift, lines)| {
        draft(Event::ShiftRostered(v1::ShiftRostered {
            shift_id: shift.shift_id.clone(),
            site_id: body.site_id.clone(),
            shift: shift.shift.clone(),
            lines: lines.iter().map(|line| (*line).clone()).collect(),
        }))
    }));
    Ok(drafts)
}

pub(super) fn open(state: &State, now: &Now<'_>, body: &v1::OpenShift) -> Decision {
    let (site_key, site) = site_of(state, now, &body.site_id)?;
    if body.shift_id.is_empty() {
        return open_unplanned(state, now, site, body);
    }
    let key = known_shift(state, "shift_id", &body.shift_id)?;
    let shift = state.ops.shifts.get(key);
    if shift.site != site_key {
        return Err(Rejection::UnknownShift { field: "shift_id", id: body.shift_id.clone() });
    }
    match shift.phase {
        ShiftPhase::Planned if now.recorded_at_ms < shift.until_ms => Ok(vec![crate::policy::shifts::opened(state, key)]),
        ShiftPhase::Open => Ok(Vec::new()),
        _ => Err(wrong_phase(state, key)),
    }
}

/// A shift that no schedule has: its roster comes with it.
fn open_unplanned(state: &State, now: &Now<'_>, site: &Site, body: &v1::OpenShift) -> Decision {
    label_fits(site, "shift", &body.shift, body.minimum)?;
    let from_ms = if body.from_ms == 0 { now.recorded_at_ms } else { body.from_ms };
    if from_ms < now.recorded_at_ms || from_ms - now.recorded_at_ms > limits::SCHEDULE_AHEAD_MS {
        return Err(invalid("from_ms", "时间已过或太远", "the time has passed or is too far ahead"));
    }
    let longest_ms = i64::from(limits::SHIFT_MINUTES_MAX) * MINUTE_MS;
    if body.until_ms <= from_ms || body.until_ms - from_ms > longest_ms {
        return Err(invalid("until_ms", "班次时长应在 12 小时以内", "a shift ends after it begins, within 12 hours"));
    }
    check_lines(state, now, site, &body.site_id, &body.lines)?;
    if body.lines.iter().any(|line| site.seat(&line.seat_id).is_none_or(|at| *site.seats[at].shift != *body.shift)) {
        return Err(invalid("lines.seat_id", "席位不属于此班次", "the seat is of another shift"));
    }
    let shift_id = format!("{}~{}", body.site_id, site.shifts.len() + 1);
    let (shift, until_ms) = (body.shift.clone(), body.until_ms);
    let entry = ShiftEntry { shift_id: shift_id.clone(), shift, from_ms, until_ms, minimum: body.minimum, opens_at_ms: 0 };
    apart(state, &body.site_id, site, std::slice::from_ref(&entry))?;
    let realm = state.ops.incidents.get(site.incident).realm;
    let mut people = BTreeSet::new();
    for line in &body.lines {
        let responder = state.responder(PERSON, &line.responder_id)?;
        if !people.insert(responder) {
            return Err(Rejection::AlreadyExists { field: PERSON, id: line.responder_id.clone() });
        }
        can_work(state, PERSON, realm, responder, &[(from_ms, until_ms, &shift_id)], None)?;
    }
    let opened = Event::ShiftOpened(v1::ShiftOpened {
        shift_id: shift_id.clone(),
        site_id: body.site_id.clone(),
        shift: body.shift.clone(),
        from_ms,
        until_ms,
        minimum: body.minimum,
        area_id: state.base.areas.id(site.area).to_owned(),
    });
    let rostered = Event::ShiftRostered(v1::ShiftRostered {
        shift_id,
        site_id: body.site_id.clone(),
        shift: body.shift.clone(),
        lines: body.lines.clone(),
    });
    Ok(vec![Draft::new(opened, realm, Some(site.area)), Draft::new(rostered, realm, Some(site.area))])
}

pub(super) fn close(state: &State, now: &Now<'_>, body: &v1::CloseShift) -> Decision {
    let key = known_shift(state, "shift_id", &body.shift_id)?;
    let shift = state.ops.shifts.get(key);
    checks::short("waiver_reason", &body.waiver_reason)?;
    state.authority_over(now, state.ops.sites.get(shift.site).area)?;
    if shift.phase == ShiftPhase::Closed {
        return Ok(Vec::new());
    }
    let relief = state.relief_of(key, now.recorded_at_ms);
    if relief.missing() == 0 || shift.handed_over {
        return Ok(vec![closed(state, key, &relief, "")]);
    }
    if body.waiver_reason.trim().is_empty() {
        return Err(Rejection::ShiftBelowMinimum { id: body.shift_id.clone(), on_post: relief.on_post, minimum: relief.minimum });
    }
    let signed = now.context.basis.as_ref().is_some_and(|basis| basis.kind() == BasisKind::Document && !basis.reference.trim().is_empty());
    if !signed {
        return Err(invalid("context.basis", "豁免须以文件（文号）为依据", "a waiver rests on a document with its number"));
    }
    Ok(vec![closed(state, key, &relief, &body.waiver_reason)])
}
