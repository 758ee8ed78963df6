//! An independent count of the views: what the rows of coverage, units, sites, whistles, calls and responders must be after a list of records, worked out
//! by looking at everything at the end, by the definitions in `views.proto`. It must share no code with the folds and keep no running
//! sums: its worth is that it is another way to the same figures.
//!
//! The rows' own `position` is left 0, for it tells of a row's history; compare with [`Rows::without_positions`].

mod calls;
mod coverage;
mod facts;
mod hours;
mod people;
mod responders;
mod sites;
mod units;
mod whistles;

use std::collections::BTreeMap;

use muster_proto::v1::{CallRow, CoverageRow, Envelope, ResponderRow, SiteRow, UnitRow, WhistleRow};
use serde::Serialize;

use facts::Facts;

/// All rows of the views, by realm and id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// By realm and area.
    pub coverage: BTreeMap<(String, String), CoverageRow>,
    /// By realm and unit.
    pub units: BTreeMap<(String, String), UnitRow>,
    /// By realm, site and shift.
    pub sites: BTreeMap<(String, String, String), SiteRow>,
    /// By realm and whistle.
    pub whistles: BTreeMap<(String, String), WhistleRow>,
    /// By realm and call.
    pub calls: BTreeMap<(String, String), CallRow>,
    /// By realm and person.
    pub responders: BTreeMap<(String, String), ResponderRow>,
}

/// Counts the rows after these records, which must be all of them from position 1 on, in order.
pub fn count<'a>(records: impl IntoIterator<Item = &'a Envelope>) -> Rows {
    let mut counter = Counter::default();
    records.into_iter().for_each(|record| counter.note(record));
    counter.rows()
}

/// The same count for records that come one after the other.
#[derive(Default)]
pub struct Counter {
    facts: Facts,
}

impl Counter {
    /// Takes the next record.
    pub fn note(&mut self, record: &Envelope) {
        self.facts.note(record);
    }

    /// Counts everything anew.
    pub fn rows(&self) -> Rows {
        let facts = &self.facts;
        Rows {
            coverage: coverage::rows(facts),
            units: units::rows(facts),
            sites: sites::rows(facts),
            whistles: whistles::rows(facts),
            calls: calls::rows(facts),
            responders: responders::rows(facts),
        }
    }
}

/// One row that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The view's name.
    pub view: &'static str,
    /// Realm and ids.
    pub row: String,
    /// The row on the left, in JSON; `null` where it has none.
    pub left: String,
    /// The row on the right.
    pub right: String,
}

impl Rows {
    /// Sorts rows of one view into their places. Rows of one key replace each other.
    pub fn insert_coverage(&mut self, row: CoverageRow) {
        self.coverage.insert((row.realm.clone(), row.area_id.clone()), row);
    }

    /// As [`Rows::insert_coverage`].
    pub fn insert_unit(&mut self, row: UnitRow) {
        self.units.insert((row.realm.clone(), row.unit_id.clone()), row);
    }

    /// As [`Rows::insert_coverage`].
    pub fn insert_site(&mut self, row: SiteRow) {
        self.sites.insert((row.realm.clone(), row.site_id.clone(), row.shift.clone()), row);
    }

    /// As [`Rows::insert_coverage`].
    pub fn insert_whistle(&mut self, row: WhistleRow) {
        self.whistles.insert((row.realm.clone(), row.whistle_id.clone()), row);
    }

    /// As [`Rows::insert_coverage`].
    pub fn insert_call(&mut self, row: CallRow) {
        self.calls.insert((row.realm.clone(), row.call_id.clone()), row);
    }

    /// As [`Rows::insert_coverage`].
    pub fn insert_responder(&mut self, row: ResponderRow) {
        self.responders.insert((row.realm.clone(), row.responder_id.clone()), row);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        let of_areas = self.coverage.len() + self.units.len() + self.sites.len() + self.whistles.len();
        of_areas + self.calls.len() + self.responders.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows with `position` 0, as this count gives them.
    #[must_use]
    pub fn without_positions(mut self) -> Self {
        self.coverage.values_mut().for_each(|row| row.position = 0);
        self.units.values_mut().for_each(|row| row.position = 0);
        self.sites.values_mut().for_each(|row| row.position = 0);
        self.whistles.values_mut().for_each(|row| row.position = 0);
        self.calls.values_mut().for_each(|row| row.position = 0);
        self.responders.values_mut().for_each(|row| row.position = 0);
        self
    }

    /// The rows of one realm.
    #[must_use]
    pub fn of_realm(&self, realm: &str) -> Self {
        let mut rows = self.clone();
        rows.coverage.retain(|(of, _), _| of == realm);
        rows.units.retain(|(of, _), _| of == realm);
        rows.sites.retain(|(of, ..), _| of == realm);
        rows.whistles.retain(|(of, _), _| of == realm);
        rows.calls.retain(|(of, _), _| of == realm);
        rows.responders.retain(|(of, _), _| of == realm);
        rows
    }

    /// The first `limit` rows of each view that differ; empty when all rows are equal.
    pub fn differences(&self, other: &Self, limit: usize) -> Vec<Difference> {
        let mut found = differences("coverage", &self.coverage, &other.coverage, limit);
        found.extend(differences("units", &self.units, &other.units, limit));
        found.extend(differences("sites", &self.sites, &other.sites, limit));
        found.extend(differences("whistles", &self.whistles, &other.whistles, limit));
        found.extend(differences("calls", &self.calls, &other.calls, limit));
        found.extend(differences("responders", &self.responders, &other.responders, limit));
        found
    }
}

fn differences<K: Ord + std::fmt::Debug, V: PartialEq + Serialize>(
    view: &'static str,
    left: &BTreeMap<K, V>,
    right: &BTreeMap<K, V>,
    limit: usize,
) -> Vec<Difference> {
    let json = |row: Option<&V>| serde_json::to_string(&row).unwrap_or_else(|error| error.to_string());
    let ours = left.keys().filter(|key| left.get(key) != right.get(key));
    let theirs = right.keys().filter(|key| !left.contains_key(key));
    let keys = ours.chain(theirs).take(limit);
    keys.map(|key| Difference { view, row: format!("{key:?}"), left: json(left.get(key)), right: json(right.get(key)) }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use muster_proto::Event;
    use muster_proto::v1::*;

    use super::*;

    struct Story(Vec<Envelope>);

    impl Story {
        /// City, county `c`, villages `v` and `w` below it.
        fn new() -> Self {
            let mut story = Self(Vec::new());
            for (id, parent, level) in [
                ("city", "", AreaLevel::City),
                ("c", "city", AreaLevel::County),
                ("v", "c", AreaLevel::Village),
                ("w", "c", AreaLevel::Village),
            ] {
                story.add(Event::AreaDefined(AreaDefined {
                    area_id: id.into(),
                    name: id.into(),
                    level: level.into(),
                    parent_id: parent.into(),
                    ..Default::default()
                }));
            }
            story
        }

        fn add(&mut self, event: Event) -> &mut Self {
            self.add_in("actual", event)
        }

        fn add_in(&mut self, realm: &str, event: Event) -> &mut Self {
            let position = self.0.len() as u64 + 1;
            let at_ms = i64::try_from(position).unwrap() * 1_000;
            let record = Envelope {
                position,
                recorded_at_ms: at_ms,
                occurred_at_ms: at_ms,
                realm: realm.into(),
                count: 1,
                event: Some(event),
                ..Default::default()
            };
            self.0.push(record);
            self
        }

        fn site(&mut self, realm: &str, id: &str, area: &str, shifts: &[&str]) -> &mut Self {
            let seats = shifts.iter().enumerate();
            let seats = seats.map(|(n, shift)| Seat { seat_id: format!("s{n}"), shift: (*shift).into(), ..Default::default() });
            let body = SiteOpened { site_id: id.into(), area_id: area.into(), seats: seats.collect(), ..Default::default() };
            self.add_in(realm, Event::SiteOpened(body))
        }

        fn call(&mut self, realm: &str, call: &str, person: &str, site: &str, seat: &str, area: &str) -> &mut Self {
            let body = ResponderCalled {
                call_id: call.into(),
                responder_id: person.into(),
                role: DutyRole::Member.into(),
                site_id: site.into(),
                seat_id: seat.into(),
                unit_id: "u".into(),
                area_id: area.into(),
                ..Default::default()
            };
            self.add_in(realm, Event::ResponderCalled(body))
        }

        fn check_in(&mut self, call: &str, person: &str, site: &str, area: &str) -> &mut Self {
            let body = CheckedIn {
                responder_id: person.into(),
                call_id: call.into(),
                site_id: site.into(),
                area_id: area.into(),
                ..Default::default()
            };
            self.add(Event::CheckedIn(body))
        }

        fn coverage(&self, realm: &str, area: &str) -> CoverageRow {
            count(&self.0).coverage[&(realm.to_owned(), area.to_owned())].clone()
        }
    }

    #[test]
    fn figures_roll_up_and_each_post_counts_once() {
        let mut story = Story::new();
        story.site("actual", "x", "v", &["", "day"]).site("actual", "y", "w", &[""]);
        story.call("actual", "c1", "p1", "x", "s0", "v").call("actual", "c2", "p2", "x", "s1", "v");
        story
            .call("actual", "c3", "p3", "y", "s0", "w")
            .add(Event::CallAccepted(CallAccepted { call_id: "c2".into(), estimated_arrival_ms: 9 }));
        story.check_in("c1", "p1", "x", "v").check_in("", "p9", "y", "w");
        let county = story.coverage("actual", "c");
        let figures = (county.required, county.filled, county.gap, county.dispatched, county.en_route, county.on_post, county.walk_in);
        assert_eq!(figures, (3, 1, 2, 1, 1, 1, 1));
        assert_eq!(story.coverage("actual", "city").by_shift, county.by_shift);
        assert_eq!(story.coverage("actual", "w").gap, 1);
        let sites = count(&story.0).sites;
        let row = |shift: &str| sites[&("actual".to_owned(), "x".to_owned(), shift.to_owned())].clone();
        assert_eq!((row("").seats, row("").present, row("day").filled, row("day").full_strength_at_ms), (1, 1, 1, 9));
    }

    #[test]
    fn disputed_presence_counts_nowhere_until_settled() {
        let mut story = Story::new();
        story.site("actual", "x", "v", &[""]).site("actual", "y", "w", &[""]);
        story.call("actual", "c1", "p1", "x", "s0", "v").check_in("c1", "p1", "x", "v");
        story.add(Event::PresenceDisputed(PresenceDisputed {
            responder_id: "p1".into(),
            site_id: "y".into(),
            area_id: "w".into(),
            other_site_id: "x".into(),
            ..Default::default()
        }));
        let county = story.coverage("actual", "c");
        assert_eq!((county.unconfirmed, county.on_post, county.dispatched, county.filled), (1, 0, 0, 0));
        assert_eq!(story.coverage("actual", "v").unconfirmed, 0);
        story.add(Event::PresenceSettled(PresenceSettled { responder_id: "p1".into(), ..Default::default() }));
        let county = story.coverage("actual", "c");
        assert_eq!((county.unconfirmed, county.on_post, county.dispatched), (0, 0, 1));
    }

    #[test]
    fn realms_are_apart_and_an_exercise_has_rows_only_where_it_is() {
        let mut story = Story::new();
        story.site("drill", "x", "v", &[""]).call("drill", "c1", "p1", "x", "s0", "v");
        assert_eq!(story.coverage("actual", "city").required, 0);
        assert_eq!(story.coverage("drill", "city").required, 1);
        assert!(!count(&story.0).coverage.contains_key(&("drill".to_owned(), "w".to_owned())));
        story.add(Event::AreaReparented(AreaReparented { area_id: "v".into(), parent_id: "city".into(), former_parent_id: "c".into() }));
        assert_eq!((story.coverage("drill", "c").required, story.coverage("drill", "city").required), (0, 1));
    }

    #[test]
    fn a_unit_is_who_was_called_for_it_and_was_not_released() {
        let mut story = Story::new();
        let body =
            UnitEstablished { unit_id: "u".into(), kind: UnitKind::TemporaryBranch.into(), plan_id: "p".into(), ..Default::default() };
        story.add(Event::UnitEstablished(body)).site("actual", "x", "v", &["", ""]);
        story.call("actual", "c1", "p1", "x", "s0", "v").call("actual", "c2", "p2", "x", "s1", "v");
        let body = SecretaryAppointed { unit_id: "u".into(), responder_id: "p1".into(), ..Default::default() };
        story.add(Event::SecretaryAppointed(body)).check_in("c2", "p2", "x", "v");
        let unit = |story: &Story| count(&story.0).units[&("actual".to_owned(), "u".to_owned())].clone();
        let now = unit(&story);
        assert_eq!((now.strength, now.present, now.active, now.organizer_missing_since_ms), (2, 1, true, 5_000));
        story.add(Event::DutyReleased(DutyReleased { call_id: "c1".into(), responder_id: "p1".into(), ..Default::default() }));
        let now = unit(&story);
        assert_eq!((now.strength, now.secretary_id.as_str(), now.active), (1, "", false));
    }

    #[test]
    fn a_person_and_the_call_are_told_by_what_became_of_them() {
        let mut story = Story::new();
        let enrolled = |id: &str| ResponderEnrolled {
            responder_id: id.into(),
            organization_id: "org".into(),
            area_id: "w".into(),
            ..Default::default()
        };
        story.add(Event::ResponderEnrolled(enrolled("p1"))).add(Event::ResponderEnrolled(enrolled("p2")));
        story.add(Event::PeopleReserved(PeopleReserved {
            organization_id: "org".into(),
            responder_ids: vec!["p2".into()],
            ..PeopleReserved::default()
        }));
        story.site("actual", "x", "v", &[""]).call("actual", "c1", "p1", "x", "s0", "v");
        let person = |story: &Story, id: &str| count(&story.0).responders[&("actual".to_owned(), id.to_owned())].clone();
        let call = |story: &Story| count(&story.0).calls[&("actual".to_owned(), "c1".to_owned())].clone();
        assert_eq!((person(&story, "p1").state(), call(&story).organization_id.as_str()), (ResponderState::Summoned, "org"));
        assert_eq!((person(&story, "p2").state(), person(&story, "p2").reserved), (ResponderState::Peacetime, true));
        story.add(Event::CallAccepted(CallAccepted { call_id: "c1".into(), estimated_arrival_ms: 99_000 }));
        assert_eq!((person(&story, "p1").state(), call(&story).phase()), (ResponderState::EnRoute, CallPhase::EnRoute));
        story.check_in("c1", "p1", "x", "v");
        let there = person(&story, "p1");
        assert_eq!((there.state(), there.post_area_id.as_str(), there.home_area_id.as_str()), (ResponderState::OnPost, "v", "w"));
        story.add(Event::CheckedOut(CheckedOut { responder_id: "p1".into(), site_id: "x".into(), ..Default::default() }));
        assert_eq!((person(&story, "p1").worked_ms, call(&story).phase()), (1_000, CallPhase::Accepted));
        let over =
            DutyReleased { call_id: "c1".into(), responder_id: "p1".into(), reason: ReleaseReason::Relieved.into(), ..Default::default() };
        story.add(Event::DutyReleased(over));
        // The call names no incident, so nothing of it shows once it is over.
        assert_eq!((person(&story, "p1").state(), call(&story).phase()), (ResponderState::Peacetime, CallPhase::Released));
        assert_eq!((call(&story).called_at_ms, call(&story).arrived_at_ms, call(&story).released_at_ms), (9_000, 11_000, 13_000));
    }

    #[test]
    fn a_whistle_tells_its_levels_and_falls_back_when_people_leave() {
        let mut story = Story::new();
        let need = Need { need_id: "n".into(), kind: NeedKind::Person.into(), quantity: 1, ..Default::default() };
        let body = WhistleBlown { whistle_id: "w1".into(), area_id: "v".into(), needs: vec![need], ..Default::default() };
        story.add(Event::WhistleBlown(body));
        let body = WhistleEscalated { whistle_id: "w1".into(), from_area_id: "v".into(), to_area_id: "c".into(), ..Default::default() };
        story.add(Event::WhistleEscalated(body));
        let row = |story: &Story| count(&story.0).whistles[&("actual".to_owned(), "w1".to_owned())].clone();
        assert_eq!(row(&story).level_times, [WhistleLevelTime { level: AreaLevel::Village.into(), seconds: 1 }]);
        assert_eq!(row(&story).status(), WhistleStatus::Blown);
        let call = ResponderCalled {
            call_id: "c1".into(),
            responder_id: "p1".into(),
            role: DutyRole::Member.into(),
            whistle_id: "w1".into(),
            need_id: "n".into(),
            area_id: "v".into(),
            ..Default::default()
        };
        story.add(Event::ResponderCalled(call));
        assert_eq!(row(&story).status(), WhistleStatus::Dispatching);
        let body = CheckedIn {
            responder_id: "p1".into(),
            call_id: "c1".into(),
            whistle_id: "w1".into(),
            area_id: "v".into(),
            ..Default::default()
        };
        story.add(Event::CheckedIn(body));
        assert_eq!(row(&story).status(), WhistleStatus::Filled);
        assert_eq!(story.coverage("actual", "c").gap, 0);
        story.add(Event::CheckedOut(CheckedOut { responder_id: "p1".into(), ..Default::default() }));
        assert_eq!(row(&story).status(), WhistleStatus::Dispatching);
        story.add(Event::WhistleResolved(WhistleResolved { whistle_id: "w1".into(), ..Default::default() }));
        let over = row(&story);
        assert_eq!((over.status(), over.level_since_ms, over.level_times.len()), (WhistleStatus::Resolved, 0, 2));
        assert_eq!(story.coverage("actual", "city").open_whistles, 0);
    }
}
