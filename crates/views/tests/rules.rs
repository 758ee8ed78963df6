//! One example for each rule of `views.proto`: given these records, then this row.
#![allow(clippy::unwrap_used)]

mod support;

use muster_proto::Event;
use muster_proto::v1::{self, AreaLevel, CoverageRow, NeedKind, SiteRow, UnitRow, WhistleRow, WhistleStatus};
use muster_views::{Row, View};
use support::*;

fn coverage(happenings: &[Happening], realm: &str, area_id: &str) -> CoverageRow {
    match given_row(View::Coverage, happenings, realm, area_id) {
        Some(Row::Coverage(row)) => row,
        other => panic!("no coverage of {area_id}: {other:?}"),
    }
}

fn site(happenings: &[Happening], id: &str) -> SiteRow {
    match given_row(View::Sites, happenings, ACTUAL, id) {
        Some(Row::Site(row)) => row,
        other => panic!("no row {id}: {other:?}"),
    }
}

fn unit(happenings: &[Happening], id: &str) -> UnitRow {
    match given_row(View::Units, happenings, ACTUAL, id) {
        Some(Row::Unit(row)) => row,
        other => panic!("no row {id}: {other:?}"),
    }
}

fn whistle(happenings: &[Happening], id: &str) -> WhistleRow {
    match given_row(View::Whistles, happenings, ACTUAL, id) {
        Some(Row::Whistle(row)) => row,
        other => panic!("no row {id}: {other:?}"),
    }
}

fn city_and(events: impl IntoIterator<Item = Event>) -> Vec<Happening> {
    small_city().into_iter().chain(events.into_iter().map(actual)).collect()
}

/// Required, dispatched, en route, on post, unconfirmed, walk-in, gap, filled.
fn figures(row: &CoverageRow) -> [i64; 8] {
    [row.required, row.dispatched, row.en_route, row.on_post, row.unconfirmed, row.walk_in, row.gap, row.filled]
}

fn two_seats() -> Event {
    site_opened("s", "g1", &[seat("a", "nurse", "day"), seat("b", "", "night")])
}

fn call_to_a() -> Event {
    Event::ResponderCalled(called("c1", "p", "s", "a", "g1"))
}

#[test]
fn a_peacetime_area_has_a_row_of_zeros() {
    let row = coverage(&small_city(), ACTUAL, "g2");
    assert_eq!(figures(&row), [0; 8]);
    assert_eq!((row.parent_id.as_str(), row.level(), row.name.as_str(), row.position), ("t2", AreaLevel::Grid, "名 g2", 7));
}

#[test]
fn a_duty_goes_from_dispatched_to_en_route_to_on_post_at_every_level() {
    let mut events = vec![two_seats(), call_to_a()];
    for area in ["g1", "t1", "k1", "c"] {
        assert_eq!(figures(&coverage(&city_and(events.clone()), ACTUAL, area)), [2, 1, 0, 0, 0, 0, 2, 0], "{area}");
    }
    events.push(accepted("c1", 0));
    assert_eq!(figures(&coverage(&city_and(events.clone()), ACTUAL, "c")), [2, 0, 1, 0, 0, 0, 2, 0]);
    events.push(checked_in("p", "c1", "s", "", "g1"));
    let row = coverage(&city_and(events.clone()), ACTUAL, "k1");
    assert_eq!(figures(&row), [2, 0, 0, 1, 0, 0, 1, 1]);
    let slices = |slices: &[v1::CoverageSlice]| slices.iter().map(|s| (s.key.clone(), s.required, s.on_post)).collect::<Vec<_>>();
    assert_eq!(slices(&row.by_specialty), [(String::new(), 1, 0), ("nurse".into(), 1, 1)]);
    assert_eq!(slices(&row.by_shift), [("day".into(), 1, 1), ("night".into(), 1, 0)]);
    assert_eq!(figures(&coverage(&city_and(events), ACTUAL, "k2")), [0; 8]);
}

fn shift_opened(shift_id: &str, shift: &str) -> Event {
    let (shift_id, site_id, shift) = (shift_id.to_owned(), "s".to_owned(), shift.to_owned());
    Event::ShiftOpened(v1::ShiftOpened { shift_id, site_id, shift, from_ms: 5, until_ms: 9, minimum: 1, ..Default::default() })
}

fn shift_closed(shift_id: &str) -> Event {
    Event::ShiftClosed(v1::ShiftClosed { shift_id: shift_id.to_owned(), site_id: "s".to_owned(), ..Default::default() })
}

#[test]
fn a_scheduled_site_asks_only_for_the_seats_of_open_shifts_and_for_those_round_the_clock() {
    let opened = site_opened("s", "g1", &[seat("a", "nurse", "day"), seat("b", "", "night"), seat("r", "", "")]);
    let mut events = vec![opened, call_to_a(), shift_opened("s~1", "day")];
    let required = |events: &[Event]| coverage(&city_and(events.to_vec()), ACTUAL, "c").required;
    // An opened shift alone makes no schedule.
    assert_eq!(required(&events), 3);
    events.push(Event::ShiftsScheduled(v1::ShiftsScheduled { site_id: "s".to_owned(), ..Default::default() }));
    assert_eq!(required(&events), 2);
    events.push(checked_in("p", "c1", "s", "", "g1"));
    assert_eq!(figures(&coverage(&city_and(events.clone()), ACTUAL, "c")), [2, 0, 0, 1, 0, 0, 1, 1]);
    events.push(shift_opened("s~2", "night"));
    assert_eq!(required(&events), 3);
    events.push(shift_closed("s~1"));
    // Who still sits there is on post, and fills nothing that is asked for.
    assert_eq!(figures(&coverage(&city_and(events), ACTUAL, "c")), [2, 0, 0, 1, 0, 0, 2, 0]);
}

#[test]
fn a_row_tells_of_its_open_shift_and_its_last_handover() {
    let scheduled = Event::ShiftsScheduled(v1::ShiftsScheduled { site_id: "s".to_owned(), ..Default::default() });
    let held = v1::ShiftHeld { shift_id: "s~1".to_owned(), site_id: "s".to_owned(), ..Default::default() };
    let mut events = vec![two_seats(), scheduled, shift_opened("s~1", "day"), Event::ShiftHeld(held)];
    let row = |events: &[Event], shift: &str| site(&city_and(events.to_vec()), &format!("s/{shift}"));
    let day = row(&events, "day");
    assert_eq!((day.asked, day.shift_id.as_str(), day.shift_from_ms, day.shift_until_ms, day.minimum, day.held), (1, "s~1", 5, 9, 1, true));
    let night = row(&events, "night");
    assert_eq!((night.seats, night.asked, night.shift_id.as_str(), night.held), (1, 0, "", false));
    let handover = v1::HandedOver { site_id: "s".to_owned(), shift: "day".to_owned(), ..Default::default() };
    events.extend([Event::HandedOver(handover), shift_closed("s~1")]);
    let day = row(&events, "day");
    assert_eq!((day.asked, day.shift_id.as_str(), day.held), (0, "", false));
    assert!(day.handed_over_at_ms > 0);
}

#[test]
fn standby_is_no_duty() {
    let mut call = called("c1", "p", "s", "a", "g1");
    call.role = v1::DutyRole::Standby.into();
    assert_eq!(figures(&coverage(&city_and([two_seats(), Event::ResponderCalled(call)]), ACTUAL, "g1")), [2, 0, 0, 0, 0, 0, 2, 0]);
}

#[test]
fn a_surplus_at_one_post_never_covers_for_another() {
    let extra = Event::ResponderCalled(called("c2", "q", "s", "a", "g1"));
    let events = [two_seats(), call_to_a(), extra, checked_in("p", "c1", "s", "", "g1"), checked_in("q", "c2", "s", "", "g1")];
    assert_eq!(figures(&coverage(&city_and(events), ACTUAL, "g1")), [2, 0, 0, 2, 0, 0, 1, 1]);
}

#[test]
fn a_duty_without_a_seat_counts_as_a_person_but_fills_no_post() {
    let member = Event::ResponderCalled(called("c1", "p", "s", "", "g1"));
    let events = [two_seats(), member, checked_in("p", "c1", "s", "", "g1")];
    assert_eq!(figures(&coverage(&city_and(events), ACTUAL, "g1")), [2, 0, 0, 1, 0, 0, 2, 0]);
}

#[test]
fn disputed_presence_counts_once_as_unconfirmed_and_nowhere_else_until_settled() {
    let other = site_opened("z", "g2", &[]);
    let mut events = vec![two_seats(), other, call_to_a(), checked_in("p", "c1", "s", "", "g1"), disputed("p", "z", "s", "g2")];
    assert_eq!(figures(&coverage(&city_and(events.clone()), ACTUAL, "g1")), [2, 0, 0, 0, 0, 0, 2, 0]);
    assert_eq!(figures(&coverage(&city_and(events.clone()), ACTUAL, "c")), [2, 0, 0, 0, 1, 0, 2, 0]);
    events.push(settled("p", "s", "g1"));
    assert_eq!(figures(&coverage(&city_and(events.clone()), ACTUAL, "c")), [2, 0, 0, 1, 0, 0, 1, 1]);
    events.push(settled("p", "", "g1"));
    assert_eq!(figures(&coverage(&city_and(events), ACTUAL, "c")), [2, 1, 0, 0, 0, 0, 2, 0]);
}

#[test]
fn a_walk_in_called_to_where_he_stands_is_on_post_and_after_release_a_walk_in_again() {
    let mut events = vec![two_seats(), checked_in("p", "", "s", "", "g1")];
    assert_eq!(figures(&coverage(&city_and(events.clone()), ACTUAL, "c")), [2, 0, 0, 0, 0, 1, 2, 0]);
    events.push(call_to_a());
    assert_eq!(figures(&coverage(&city_and(events.clone()), ACTUAL, "c")), [2, 0, 0, 1, 0, 0, 1, 1]);
    events.push(released("c1", "p"));
    assert_eq!(figures(&coverage(&city_and(events.clone()), ACTUAL, "c")), [2, 0, 0, 0, 0, 1, 2, 0]);
    events.push(checked_out("p", "s"));
    assert_eq!(figures(&coverage(&city_and(events), ACTUAL, "c")), [2, 0, 0, 0, 0, 0, 2, 0]);
}

#[test]
fn people_asked_for_by_a_whistle_are_posts_until_it_ends_or_they_came_without_a_call() {
    let needs = [need("n", NeedKind::Person, "nurse", 3), need("m", NeedKind::Supply, "", 50)];
    let call = Event::ResponderCalled(called_for("c1", "p", "w", "n", "t1"));
    let mut events = vec![whistle_blown("w", "t1", &needs), call, checked_in("p", "c1", "", "w", "t1")];
    let row = coverage(&city_and(events.clone()), ACTUAL, "c");
    assert_eq!((figures(&row), row.open_whistles), ([3, 0, 0, 1, 0, 0, 2, 1], 1));
    events.push(Event::NeedFulfilled(v1::NeedFulfilled { whistle_id: "w".into(), need_id: "n".into(), quantity: 2, ..Default::default() }));
    assert_eq!(figures(&coverage(&city_and(events.clone()), ACTUAL, "c")), [1, 0, 0, 1, 0, 0, 0, 1]);
    events.push(Event::WhistleResolved(v1::WhistleResolved { whistle_id: "w".into(), ..Default::default() }));
    let row = coverage(&city_and(events), ACTUAL, "c");
    assert_eq!((figures(&row), row.open_whistles), ([0, 0, 0, 1, 0, 0, 0, 0], 0));
}

#[test]
fn closing_a_site_takes_its_posts_away() {
    let events = [two_seats(), call_to_a(), Event::SiteClosed(v1::SiteClosed { site_id: "s".into() })];
    assert_eq!(figures(&coverage(&city_and(events), ACTUAL, "c")), [0, 1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_subtree_takes_its_figures_along_and_leaves_the_common_top_unchanged() {
    let mut happenings = city_and([two_seats(), call_to_a()]);
    let before = coverage(&happenings, ACTUAL, "c");
    happenings.push(actual(reparented("t1", "k2")));
    assert_eq!(figures(&coverage(&happenings, ACTUAL, "k1")), [0; 8]);
    assert_eq!(figures(&coverage(&happenings, ACTUAL, "k2")), [2, 1, 0, 0, 0, 0, 2, 0]);
    assert_eq!(coverage(&happenings, ACTUAL, "c"), before);
    let moved = coverage(&happenings, ACTUAL, "t1");
    assert_eq!((moved.parent_id.as_str(), moved.position), ("k2", 10));
    assert_eq!(coverage(&happenings, ACTUAL, "g1").position, 9);
}

#[test]
fn a_retired_area_has_no_row_and_what_stands_in_it_counts_above() {
    let mut happenings = city_and([two_seats()]);
    happenings.push(actual(Event::AreaRetired(v1::AreaRetired { area_id: "g1".into() })));
    assert_eq!(given_row(View::Coverage, &happenings, ACTUAL, "g1"), None);
    assert_eq!(coverage(&happenings, ACTUAL, "t1").required, 2);
    happenings.push(area("g1", AreaLevel::Grid, "t1"));
    assert_eq!(coverage(&happenings, ACTUAL, "g1").required, 2);
}

#[test]
fn an_exercise_has_rows_only_where_it_is_and_above_and_never_mixes_with_real_life() {
    let declared = Event::IncidentDeclared(v1::IncidentDeclared { incident_id: "x".into(), area_id: "t2".into(), ..Default::default() });
    let mut happenings = city_and([two_seats(), call_to_a()]);
    happenings.push(in_realm("drill", declared));
    happenings.push(in_realm("drill", site_opened("s", "g2", &[seat("a", "", "")])));
    happenings.push(in_realm("drill", checked_in("p", "", "s", "", "g2")));
    let rows = given(View::Coverage, &happenings);
    let drilled: Vec<String> = rows.iter().filter(|row| row.realm() == "drill").map(Row::id).collect();
    assert_eq!(drilled, ["c", "k2", "t2", "g2"]);
    assert_eq!(figures(&coverage(&happenings, "drill", "c")), [1, 0, 0, 0, 0, 1, 1, 0]);
    assert_eq!(figures(&coverage(&happenings, ACTUAL, "c")), [2, 1, 0, 0, 0, 0, 2, 0]);
}

#[test]
fn a_site_has_a_row_for_each_shift_and_one_for_everybody_else() {
    let walk_in = checked_in("q", "", "s", "", "g1");
    let happenings = city_and([two_seats(), call_to_a(), checked_in("p", "c1", "s", "", "g1"), walk_in]);
    let ids: Vec<String> = given(View::Sites, &happenings).iter().map(Row::id).collect();
    assert_eq!(ids, ["s/", "s/day", "s/night"]);
    let (all, day, night) = (site(&happenings, "s/"), site(&happenings, "s/day"), site(&happenings, "s/night"));
    assert_eq!((all.seats, all.present, all.walk_in), (0, 0, 1));
    assert_eq!((day.seats, day.filled, day.present, day.last_check_in_ms), (1, 1, 1, time_of(9) - 7));
    assert_eq!((night.seats, night.filled, night.position), (1, 0, 8));
}

#[test]
fn full_strength_is_known_once_every_seat_has_somebody_with_an_arrival() {
    let seats = site_opened("s", "g1", &[seat("a", "", ""), seat("b", "", "")]);
    let other = Event::ResponderCalled(called("c2", "q", "s", "b", "g1"));
    let mut events = vec![seats, call_to_a(), accepted("c1", 9_000_000), other];
    assert_eq!(site(&city_and(events.clone()), "s/").full_strength_at_ms, 0);
    events.push(accepted("c2", 8_000_000));
    assert_eq!(site(&city_and(events.clone()), "s/").full_strength_at_ms, 9_000_000);
    events.push(checked_in("p", "c1", "s", "", "g1"));
    assert_eq!(site(&city_and(events.clone()), "s/").full_strength_at_ms, 8_000_000);
    events.push(checked_in("q", "c2", "s", "", "g1"));
    assert_eq!(site(&city_and(events), "s/").full_strength_at_ms, 0);
}

/// Ten people came within a minute: whoever is on the way is expected as soon, and nobody else.
#[test]
fn the_time_of_full_strength_is_told_from_past_arrivals() {
    let mut events = vec![site_opened("past", "g1", &[])];
    let arrive = |events: &mut Vec<Event>, number: usize| {
        let (call, person) = (format!("c{number}"), format!("p{number}"));
        events.push(Event::ResponderCalled(called(&call, &person, "past", "", "g1")));
        events.push(checked_in(&person, &call, "past", "", "g1"));
        // Seen again: that is no second arrival.
        events.push(checked_in(&person, &call, "past", "", "g1"));
    };
    (100..109).for_each(|number| arrive(&mut events, number));
    events.extend([site_opened("s", "g1", &[seat("a", "", ""), seat("b", "", "")]), call_to_a()]);
    let row = |events: &[Event]| site(&city_and(events.to_vec()), "s/");
    events.push(Event::ResponderCalled(called("c2", "q", "s", "b", "g1")));
    // Nine are too few to tell.
    assert_eq!((row(&events).filled, row(&events).expected_full_from_ms), (2, 0));
    let called_ms = time_of(small_city().len() + events.len() - 1);
    arrive(&mut events, 109);
    let found = row(&events);
    assert_eq!((found.expected_full_from_ms, found.expected_full_until_ms), (called_ms + 60_000, called_ms + 60_000));
    // The row is another since the tenth arrival, which came at another site.
    assert_eq!(found.position, small_city().len() as u64 + events.len() as u64 - 1);
    events.push(checked_in("q", "c2", "s", "", "g1"));
    let first_ms = called_ms - (time_of(2) - time_of(1));
    assert_eq!(row(&events).expected_full_from_ms, first_ms + 60_000);
    events.push(checked_in("p", "c1", "s", "", "g1"));
    assert_eq!((row(&events).present, row(&events).expected_full_from_ms), (2, 0));
}

#[test]
fn a_no_show_stays_on_the_site_after_the_duty_until_it_is_corrected() {
    let declared = Event::NoShowDeclared(v1::NoShowDeclared { call_id: "c1".into() });
    let mut events = vec![two_seats(), call_to_a(), declared, released("c1", "p")];
    let row = site(&city_and(events.clone()), "s/day");
    assert_eq!((row.no_shows, row.filled), (1, 0));
    events.push(Event::NoShowCorrected(v1::NoShowCorrected { call_id: "c1".into(), arrived_at_ms: 3 }));
    assert_eq!(site(&city_and(events), "s/day").no_shows, 0);
}

#[test]
fn a_shift_without_seats_loses_its_row() {
    let fewer =
        Event::RequirementSet(v1::RequirementSet { site_id: "s".into(), seats: vec![seat("a", "", "night")], ..Default::default() });
    let happenings = city_and([two_seats(), call_to_a(), fewer]);
    let ids: Vec<String> = given(View::Sites, &happenings).iter().map(Row::id).collect();
    assert_eq!(ids, ["s/", "s/night"]);
    assert_eq!(site(&happenings, "s/night").filled, 1);
}

fn established(kind: v1::UnitKind, document: &str, plan_id: &str) -> Event {
    Event::UnitEstablished(v1::UnitEstablished {
        unit_id: "u".into(),
        kind: kind.into(),
        area_id: "g1".into(),
        approval_document_no: document.into(),
        plan_id: plan_id.into(),
        ..Default::default()
    })
}

fn of_unit(name: &str, responder_id: &str) -> Event {
    let (unit_id, responder_id) = ("u".to_owned(), responder_id.to_owned());
    match name {
        "secretary" => Event::SecretaryAppointed(v1::SecretaryAppointed { unit_id, responder_id, ..Default::default() }),
        "organizer" => Event::OrganizerAppointed(v1::OrganizerAppointed { unit_id, responder_id, ..Default::default() }),
        "attach" => Event::ResponderAttached(v1::ResponderAttached { unit_id, responder_id, extra_seat: false }),
        "extra" => Event::ResponderAttached(v1::ResponderAttached { unit_id, responder_id, extra_seat: true }),
        _ => Event::ResponderDetached(v1::ResponderDetached { unit_id, responder_id }),
    }
}

#[test]
fn a_unit_acts_once_approved_and_with_a_secretary() {
    let branch = |document, plan| vec![established(v1::UnitKind::TemporaryBranch, document, plan), of_unit("secretary", "p")];
    assert!(!unit(&city_and(branch("", "")), "u").active);
    assert!(unit(&city_and(branch("文 1", "")), "u").active);
    assert!(unit(&city_and(branch("", "plan")), "u").active);
    assert!(!unit(&city_and([established(v1::UnitKind::TemporaryBranch, "文 1", "")]), "u").active);
    let mut events = vec![established(v1::UnitKind::AssaultTeam, "", ""), of_unit("attach", "p"), of_unit("secretary", "p")];
    assert!(unit(&city_and(events.clone()), "u").active);
    events.push(of_unit("detach", "p"));
    let row = unit(&city_and(events), "u");
    assert_eq!((row.active, row.secretary_id.as_str(), row.strength), (false, "", 0));
}

#[test]
fn a_missing_organizer_is_timed_for_party_organizations_only() {
    let overdue = Event::OrganizerGapOverdue(v1::OrganizerGapOverdue { unit_id: "u".into(), since_ms: 1 });
    let mut events = vec![established(v1::UnitKind::TemporaryBranch, "文 1", ""), overdue];
    let row = unit(&city_and(events.clone()), "u");
    assert_eq!((row.organizer_missing_since_ms, row.organizer_overdue), (time_of(7), true));
    events.push(of_unit("organizer", "o"));
    let row = unit(&city_and(events), "u");
    assert_eq!((row.organizer_missing_since_ms, row.organizer_overdue, row.organizer_id.as_str()), (0, false, "o"));
    assert_eq!(unit(&city_and([established(v1::UnitKind::VanguardTeam, "", "")]), "u").organizer_missing_since_ms, 0);
}

#[test]
fn a_person_is_in_a_unit_by_call_or_attachment_and_counts_once() {
    let mut call = called("c1", "p", "s", "a", "g1");
    call.unit_id = "u".into();
    let call = Event::ResponderCalled(call);
    let mut events = vec![
        established(v1::UnitKind::ServiceTeam, "", ""),
        two_seats(),
        of_unit("extra", "p"),
        call,
        checked_in("p", "c1", "s", "", "g1"),
    ];
    let row = unit(&city_and(events.clone()), "u");
    assert_eq!((row.strength, row.present), (1, 1));
    events.push(released("c1", "p"));
    assert_eq!(unit(&city_and(events.clone()), "u").strength, 1);
    events.push(of_unit("detach", "p"));
    let row = unit(&city_and(events.clone()), "u");
    assert_eq!((row.strength, row.present), (0, 0));
    events.push(Event::UnitDissolved(v1::UnitDissolved { unit_id: "u".into() }));
    assert!(unit(&city_and(events), "u").dissolved);
}

#[test]
fn who_has_another_duty_in_the_unit_stays_and_leads_on() {
    let call = |id: &str, from_ms, until_ms| {
        let call = called(id, "p", "s", "a", "g1");
        Event::ResponderCalled(v1::ResponderCalled { unit_id: "u".into(), from_ms, until_ms, ..call })
    };
    let mut events = vec![established(v1::UnitKind::ServiceTeam, "", ""), two_seats(), call("c1", 8, 12), call("c2", 14, 18)];
    events.extend([of_unit("secretary", "p"), released("c1", "p")]);
    let row = unit(&city_and(events.clone()), "u");
    assert_eq!((row.strength, row.secretary_id.as_str(), row.active), (1, "p", true));
    events.push(released("c2", "p"));
    let row = unit(&city_and(events), "u");
    assert_eq!((row.strength, row.secretary_id.as_str(), row.active), (0, "", false));
}

/// Whoever is organizer by a post is one until that duty is released; any organizer until they are taken off the unit.
#[test]
fn an_organizer_who_falls_out_is_one_no_more() {
    let call = |role: v1::DutyRole| {
        let call = called("c1", "p", "s", "a", "g1");
        Event::ResponderCalled(v1::ResponderCalled { unit_id: "u".into(), role: role.into(), ..call })
    };
    let organizer = |role: v1::DutyRole, end: Event| {
        let branch = established(v1::UnitKind::TemporaryBranch, "文 1", "");
        let row = unit(&city_and([branch, two_seats(), call(role), of_unit("organizer", "p"), end]), "u");
        (row.organizer_id, row.organizer_missing_since_ms)
    };
    assert_eq!(organizer(v1::DutyRole::Organizer, released("c1", "p")), (String::new(), 0));
    assert_eq!(organizer(v1::DutyRole::Member, released("c1", "p")), ("p".to_owned(), 0));
    assert_eq!(organizer(v1::DutyRole::Member, of_unit("detach", "p")), (String::new(), 0));
}

#[test]
fn a_whistle_goes_through_its_states_and_falls_back_when_people_leave() {
    let id = || "w".to_owned();
    let mut events = vec![whistle_blown("w", "g1", &[need("n", NeedKind::Person, "", 1), need("m", NeedKind::Supply, "", 2)])];
    let status = |events: &[Event]| whistle(&city_and(events.to_vec()), "w").status();
    assert_eq!(status(&events), WhistleStatus::Blown);
    events.push(Event::WhistleAcknowledged(v1::WhistleAcknowledged { whistle_id: id(), by_area_id: "g1".into() }));
    assert_eq!(status(&events), WhistleStatus::Acknowledged);
    events.push(Event::ResponderCalled(called_for("c1", "p", "w", "n", "g1")));
    assert_eq!(status(&events), WhistleStatus::Dispatching);
    events.push(checked_in("p", "c1", "", "w", "g1"));
    assert_eq!(status(&events), WhistleStatus::PartlyFilled);
    events.push(Event::NeedFulfilled(v1::NeedFulfilled { whistle_id: id(), need_id: "m".into(), quantity: 2, ..Default::default() }));
    assert_eq!(status(&events), WhistleStatus::Filled);
    let filled = whistle(&city_and(events.clone()), "w").needs;
    assert_eq!(filled.iter().map(|need| (need.dispatched, need.filled)).collect::<Vec<_>>(), [(1, 1), (0, 2)]);
    events.push(checked_out("p", ""));
    assert_eq!(status(&events), WhistleStatus::PartlyFilled);
    events.push(Event::WhistleResolved(v1::WhistleResolved { whistle_id: id(), ..Default::default() }));
    assert_eq!(status(&events), WhistleStatus::Resolved);
    let rating = v1::Rating::Acceptable.into();
    events.push(Event::WhistleRated(v1::WhistleRated { whistle_id: id(), rating, ..Default::default() }));
    let row = whistle(&city_and(events), "w");
    assert_eq!((row.status(), row.rating(), row.ended_at_ms), (WhistleStatus::Rated, v1::Rating::Acceptable, time_of(13)));
}

#[test]
fn escalation_moves_responsibility_and_closes_a_spell() {
    let escalated = |to: &str, due| {
        Event::WhistleEscalated(v1::WhistleEscalated {
            whistle_id: "w".into(),
            to_area_id: to.into(),
            acknowledge_due_ms: due,
            ..Default::default()
        })
    };
    let events = [whistle_blown("w", "g1", &[]), escalated("t1", 6_000_000), escalated("k1", 7_000_000)];
    let row = whistle(&city_and(events), "w");
    assert_eq!((row.responsible_area_id.as_str(), row.level(), row.acknowledge_due_ms), ("k1", AreaLevel::County, 7_000_000));
    assert_eq!(row.level_since_ms, time_of(9));
    let spells: Vec<_> = row.level_times.iter().map(|spell| (spell.level(), spell.seconds)).collect();
    assert_eq!(spells, [(AreaLevel::Grid, 1), (AreaLevel::Township, 1)]);
}

#[test]
fn a_merged_whistle_names_where_it_went() {
    let merged = Event::WhistlesMerged(v1::WhistlesMerged { whistle_id: "w".into(), into_whistle_id: "v".into() });
    let events = [whistle_blown("w", "g1", &[]), whistle_blown("v", "g1", &[]), merged];
    let row = whistle(&city_and(events.clone()), "w");
    assert_eq!((row.status(), row.merged_into_id.as_str(), row.level_since_ms, row.acknowledge_due_ms), (WhistleStatus::Merged, "v", 0, 0));
    assert_eq!(coverage(&city_and(events), ACTUAL, "g1").open_whistles, 1);
}
