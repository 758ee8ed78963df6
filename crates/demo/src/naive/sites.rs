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
    let mut rows = BTreeMap::new();
    for (key, site) in &facts.sites {
        let of_site = duties.get(key).map_or(&[][..], Vec::as_slice);
        let shifts: BTreeSet<&str> = site.seats.iter().map(|seat| seat.shift.as_str()).chain([""]).collect();
        for shift in shifts {
            let mut row = row(facts, &key.0, site, of_site, shift);
            row.unconfirmed = unconfirmed.get(&(key.clone(), shift.to_owned())).copied().unwrap_or(0);
            row.walk_in = if shift.is_empty() { walk_ins.get(key).copied().unwrap_or(0) } else { 0 };
            rows.insert((key.0.clone(), key.1.clone(), shift.to_owned()), row);
        }
    }
    rows
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
