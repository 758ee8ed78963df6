//! Coverage, area by area: each area's figure is the sum over everything whose path holds it.

use std::collections::BTreeMap;

use muster_proto::ACTUAL;
use muster_proto::v1::{CoverageRow, CoverageSlice, NeedKind, WhistleStatus};

use super::facts::{Facts, Presence};

/// What is counted at one area, before or after the sum.
#[derive(Clone, Default)]
struct Sums {
    required: i64,
    filled: i64,
    dispatched: i64,
    en_route: i64,
    on_post: i64,
    unconfirmed: i64,
    walk_in: i64,
    open_whistles: i64,
    suspended: i64,
    unaccounted: i64,
    plan_seats: i64,
    plan_seats_fillable: i64,
    /// Required and filled.
    by_specialty: BTreeMap<String, (i64, i64)>,
    by_shift: BTreeMap<String, (i64, i64)>,
}

impl Sums {
    fn post(&mut self, specialty: &str, shift: &str, required: i64, filled: i64) {
        self.required += required;
        self.filled += filled;
        for (slices, key) in [(&mut self.by_specialty, specialty), (&mut self.by_shift, shift)] {
            let slice = slices.entry(key.to_owned()).or_default();
            slice.0 += required;
            slice.1 += filled;
        }
    }

    fn add(&mut self, other: &Self) {
        self.required += other.required;
        self.filled += other.filled;
        self.dispatched += other.dispatched;
        self.en_route += other.en_route;
        self.on_post += other.on_post;
        self.unconfirmed += other.unconfirmed;
        self.walk_in += other.walk_in;
        self.open_whistles += other.open_whistles;
        self.suspended += other.suspended;
        self.unaccounted += other.unaccounted;
        self.plan_seats += other.plan_seats;
        self.plan_seats_fillable += other.plan_seats_fillable;
        for (mine, theirs) in [(&mut self.by_specialty, &other.by_specialty), (&mut self.by_shift, &other.by_shift)] {
            for (key, (required, filled)) in theirs {
                let slice = mine.entry(key.clone()).or_default();
                slice.0 += required;
                slice.1 += filled;
            }
        }
    }
}

pub(super) fn rows(facts: &Facts) -> BTreeMap<(String, String), CoverageRow> {
    let mut own: BTreeMap<(String, String), Sums> = BTreeMap::new();
    let mut at = |realm: &str, area: &str, count: &mut dyn FnMut(&mut Sums)| {
        count(own.entry((realm.to_owned(), area.to_owned())).or_default());
    };
    count_seats(facts, &mut at);
    count_whistles(facts, &mut at);
    for duty in facts.standing() {
        let (present, disputed) = (facts.present_at(duty), facts.disputed(&duty.person()));
        at(&duty.realm, &duty.body.area_id, &mut |sums| match (present, disputed, duty.accepted) {
            (true, ..) => sums.on_post += 1,
            (false, true, _) => {}
            (false, false, true) => sums.en_route += 1,
            (false, false, false) => sums.dispatched += 1,
        });
    }
    for ((realm, _), presence) in &facts.presence {
        if let Presence::Disputed { area, .. } = presence {
            at(realm, area, &mut |sums| sums.unconfirmed += 1);
        }
    }
    for ((realm, ..), area) in &facts.called_in {
        at(realm, area, &mut |sums| sums.unaccounted += 1);
    }
    for ((realm, _), rehearsal) in &facts.rehearsals {
        at(realm, &rehearsal.area_id, &mut |sums| {
            sums.plan_seats += i64::from(rehearsal.seats);
            sums.plan_seats_fillable += i64::from(rehearsal.fillable);
        });
    }
    for ((realm, _), _, area) in facts.walk_ins() {
        at(realm, area, &mut |sums| sums.walk_in += 1);
    }
    let mut total: BTreeMap<(String, String), Sums> = BTreeMap::new();
    for ((realm, area), sums) in &own {
        for above in facts.path(area) {
            total.entry((realm.clone(), above.to_owned())).or_default().add(sums);
        }
    }
    let actual = facts.areas.keys().map(|area| (ACTUAL.to_owned(), area.clone()));
    let others = facts.touched.iter().flat_map(|(realm, areas)| areas.iter().map(move |area| (realm.clone(), area.clone())));
    let keys = actual.chain(others).filter(|(_, area)| !facts.areas[area].retired);
    keys.map(|key| (key.clone(), row(facts, &key, total.remove(&key).unwrap_or_default()))).collect()
}

type At<'a> = dyn FnMut(&str, &str, &mut dyn FnMut(&mut Sums)) + 'a;

fn count_seats(facts: &Facts, at: &mut At<'_>) {
    let mut filled: BTreeMap<(&str, &str, &str), i64> = BTreeMap::new();
    for duty in facts.standing().filter(|duty| facts.present_at(duty)) {
        filled.insert((&duty.realm, &duty.body.site_id, &duty.body.seat_id), 1);
    }
    for ((realm, site_id), site) in facts.sites.iter().filter(|(_, site)| !site.closed) {
        at(realm, &site.body.area_id, &mut |sums| {
            for seat in site.seats.iter().filter(|seat| !site.off_shift(&seat.shift)) {
                if site.suspended {
                    sums.suspended += 1;
                    continue;
                }
                let filled = filled.get(&(realm, site_id, &seat.seat_id)).copied().unwrap_or(0);
                sums.post(&seat.specialty, &seat.shift, 1, filled);
            }
        });
    }
}

fn count_whistles(facts: &Facts, at: &mut At<'_>) {
    let mut present: BTreeMap<(&str, &str, &str), i64> = BTreeMap::new();
    for duty in facts.standing().filter(|duty| facts.present_at(duty)) {
        *present.entry((&duty.realm, &duty.body.whistle_id, &duty.body.need_id)).or_default() += 1;
    }
    for ((realm, whistle_id), whistle) in facts.whistles.iter().filter(|(_, whistle)| whistle.ended == WhistleStatus::Unspecified) {
        at(realm, &whistle.body.area_id, &mut |sums| {
            sums.open_whistles += 1;
            for need in whistle.body.needs.iter().filter(|need| need.kind() == NeedKind::Person) {
                let fulfilled = whistle.fulfilled.get(&need.need_id).copied().unwrap_or(0);
                let done = whistle.confirmed.contains(&need.need_id);
                let asked = if done { 0 } else { (i64::from(need.quantity) - fulfilled).max(0) };
                let there = present.get(&(realm, whistle_id, &need.need_id)).copied().unwrap_or(0);
                sums.post(&need.specialty, "", asked, there.min(asked));
            }
        });
    }
}

fn slices(by_key: BTreeMap<String, (i64, i64)>) -> Vec<CoverageSlice> {
    let some = by_key.into_iter().filter(|(_, (required, filled))| *required != 0 || *filled != 0);
    some.map(|(key, (required, on_post))| CoverageSlice { key, required, on_post }).collect()
}

fn row(facts: &Facts, (realm, area_id): &(String, String), sums: Sums) -> CoverageRow {
    let area = &facts.areas[area_id];
    CoverageRow {
        realm: realm.clone(),
        area_id: area_id.clone(),
        parent_id: area.parent.clone(),
        level: area.level.into(),
        name: area.name.clone(),
        required: sums.required,
        dispatched: sums.dispatched,
        en_route: sums.en_route,
        on_post: sums.on_post,
        unconfirmed: sums.unconfirmed,
        walk_in: sums.walk_in,
        gap: sums.required - sums.filled,
        open_whistles: sums.open_whistles,
        by_specialty: slices(sums.by_specialty),
        by_shift: slices(sums.by_shift),
        position: 0,
        filled: sums.filled,
        suspended: sums.suspended,
        unaccounted: sums.unaccounted,
        plan_seats: sums.plan_seats,
        plan_seats_fillable: sums.plan_seats_fillable,
    }
}
