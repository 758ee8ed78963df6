//! Sites, one row for the empty shift and one for each shift that the seats name.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{Seat, SiteRow};

use super::facts::{Duty, Facts, Key, Presence, Site};

pub(super) fn rows(facts: &Facts) -> BTreeMap<(String, String, String), SiteRow> {
    let mut duties: BTreeMap<Key, Vec<&Duty>> = BTreeMap::new();
    for duty in facts.duties.iter().filter(|duty| !duty.body.site_id.is_empty()) {
        duties.entry((duty.realm.clone(), duty.body.site_id.clone())).or_default().push(duty);
    }
    let unconfirmed = unconfirmed(facts);
    let walk_ins = facts.walk_ins().fold(BTreeMap::new(), |mut counts: BTreeMap<Key, i64>, ((realm, _), site, _)| {
        *counts.entry((realm.clone(), site.to_owned())).or_default() += 1;
        counts
    });
    let arrivals = arrivals(facts);
    let mut rows = BTreeMap::new();
    for (key, site) in &facts.sites {
        let of_site = duties.get(key).map_or(&[][..], Vec::as_slice);
        let shifts: BTreeSet<&str> = site.seats.iter().map(|seat| seat.shift.as_str()).chain([""]).collect();
        for shift in shifts {
            let mut row = row(facts, &key.0, site, of_site, shift);
            if let Some(last_called_ms) = last_called_ms(facts, &row, site, of_site) {
                let took = arrivals.get(&(key.0.as_str(), site.body.kind)).map_or(&[][..], Vec::as_slice);
                row.expected_full_from_ms = came_within_ms(took, 2).map_or(0, |within| last_called_ms + within);
                row.expected_full_until_ms = came_within_ms(took, 10).map_or(0, |within| last_called_ms + within);
            }
            row.unconfirmed = unconfirmed.get(&(key.clone(), shift.to_owned())).copied().unwrap_or(0);
            row.walk_in = if shift.is_empty() { walk_ins.get(key).copied().unwrap_or(0) } else { 0 };
            rows.insert((key.0.clone(), key.1.clone(), shift.to_owned()), row);
        }
    }
    rows
}

/// Times from call to first check-in at sites of one realm and kind, the shortest first.
fn arrivals(facts: &Facts) -> BTreeMap<(&str, i32), Vec<i64>> {
    let mut found: BTreeMap<(&str, i32), Vec<i64>> = BTreeMap::new();
    for duty in &facts.duties {
        let site = facts.sites.get(&(duty.realm.clone(), duty.body.site_id.clone()));
        if let (Some(site), Some(took)) = (site, duty.came_after_ms) {
            found.entry((duty.realm.as_str(), site.body.kind)).or_default().push(took);
        }
    }
    found.values_mut().for_each(|took| took.sort_unstable());
    found
}

/// The bound that all but one in `parts` kept: of ten arrivals with `parts` 10 the ninth, of as many with 2 the fifth.
fn came_within_ms(took: &[i64], parts: usize) -> Option<i64> {
    const BOUNDS_MINUTES: [i64; 23] =
        [1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 724, 1_024, 1_448, 2_048, 2_896];
    if took.len() < 10 {
        return None;
    }
    let last = took[(took.len() * (parts - 1)).div_ceil(parts) - 1];
    let longest = BOUNDS_MINUTES[BOUNDS_MINUTES.len() - 1];
    Some(BOUNDS_MINUTES.into_iter().find(|minutes| last <= minutes * 60_000).unwrap_or(longest) * 60_000)
}

/// When the last of those was called who are still to come, where every seat of the row has somebody.
fn last_called_ms(facts: &Facts, row: &SiteRow, site: &Site, duties: &[&Duty]) -> Option<i64> {
    let seats: BTreeSet<&str> = site.seats.iter().filter(|seat| seat.shift == row.shift).map(|seat| seat.seat_id.as_str()).collect();
    let seated = duties.iter().filter(|duty| !duty.released && seats.contains(duty.body.seat_id.as_str()));
    let awaited = seated.filter(|duty| !facts.present_at(duty)).map(|duty| duty.called_at_ms).max();
    awaited.filter(|_| row.seats > 0 && row.filled == row.seats)
}

/// People with disputed presence, by site and shift.
fn unconfirmed(facts: &Facts) -> BTreeMap<(Key, String), i64> {
    let mut counts = BTreeMap::new();
    for (person, presence) in &facts.presence {
        let Presence::Disputed { sites, .. } = presence else { continue };
        for site in sites.iter().filter(|site| !site.is_empty()).collect::<BTreeSet<_>>() {
            let first = facts.standing_of(person).find(|duty| duty.body.site_id == *site);
            let shift = first.map(|duty| facts.shift(duty)).unwrap_or_default();
            *counts.entry(((person.0.clone(), site.clone()), shift)).or_default() += 1;
        }
    }
    counts
}

fn row(facts: &Facts, realm: &str, site: &Site, duties: &[&Duty], shift: &str) -> SiteRow {
    let seats: Vec<&Seat> = site.seats.iter().filter(|seat| seat.shift == shift).collect();
    let of_row: Vec<&Duty> = duties.iter().copied().filter(|duty| facts.shift(duty) == shift).collect();
    let standing: Vec<&Duty> = of_row.iter().copied().filter(|duty| !duty.released).collect();
    let filled = seats.iter().filter(|seat| standing.iter().any(|duty| duty.body.seat_id == seat.seat_id)).count();
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let open = site.open_shift(shift);
    SiteRow {
        realm: realm.to_owned(),
        site_id: site.body.site_id.clone(),
        shift: shift.to_owned(),
        incident_id: site.body.incident_id.clone(),
        kind: site.body.kind,
        name: site.body.name.clone(),
        area_id: site.body.area_id.clone(),
        seats: number(seats.len()),
        filled: number(filled),
        present: number(standing.iter().filter(|duty| facts.present_at(duty)).count()),
        no_shows: number(of_row.iter().filter(|duty| duty.no_show).count()),
        unconfirmed: 0,
        walk_in: 0,
        last_check_in_ms: site.last_check_in.get(shift).copied().unwrap_or(0),
        full_strength_at_ms: full_strength_at_ms(facts, &seats, &standing),
        expected_full_from_ms: 0,
        expected_full_until_ms: 0,
        closed: site.closed,
        suspended: site.suspended,
        asked: if site.off_shift(shift) { 0 } else { number(seats.len()) },
        shift_id: open.map(|(shift, _)| shift.shift_id.clone()).unwrap_or_default(),
        shift_from_ms: open.map_or(0, |(shift, _)| shift.from_ms),
        shift_until_ms: open.map_or(0, |(shift, _)| shift.until_ms),
        minimum: open.map_or(0, |(shift, _)| i64::from(shift.minimum)),
        held: open.is_some_and(|(_, held)| *held),
        handed_over_at_ms: site.handed_over.get(shift).copied().unwrap_or(0),
        position: 0,
        risk: if shift.is_empty() { site.risk } else { 0 },
        grid_ids: if shift.is_empty() { site.grids.clone() } else { Vec::new() },
        supplies: if shift.is_empty() { site.supplies.clone() } else { Vec::new() },
    }
}

/// When the last of the row's seats will be taken; 0 when nobody can say, or when all are.
fn full_strength_at_ms(facts: &Facts, seats: &[&Seat], standing: &[&Duty]) -> i64 {
    let mut latest = 0;
    for seat in seats {
        let mut held = false;
        for duty in standing.iter().filter(|duty| duty.body.seat_id == seat.seat_id) {
            held = true;
            if facts.present_at(duty) {
                continue;
            }
            if !duty.accepted || duty.arrival_ms == 0 || facts.disputed(&duty.person()) {
                return 0;
            }
            latest = latest.max(duty.arrival_ms);
        }
        if !held {
            return 0;
        }
    }
    latest
}
