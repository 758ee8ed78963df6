//! One example for each rule of the views `calls` and `responders`, and of the report: given these records, then this row.
#![allow(clippy::unwrap_used)]

mod support;

use muster_proto::Event;
use muster_proto::v1::{self, Availability, CallPhase, CallRow, ReleaseReason, ResponderRow, ResponderState};
use muster_views::{Row, View, report};
use support::*;

fn call(happenings: &[Happening], id: &str) -> CallRow {
    match given_row(View::Calls, happenings, ACTUAL, id) {
        Some(Row::Call(row)) => *row,
        other => panic!("no call {id}: {other:?}"),
    }
}

fn person_in(happenings: &[Happening], realm: &str, id: &str) -> ResponderRow {
    match given_row(View::Responders, happenings, realm, id) {
        Some(Row::Responder(row)) => *row,
        other => panic!("no person {id}: {other:?}"),
    }
}

fn person(happenings: &[Happening], id: &str) -> ResponderRow {
    person_in(happenings, ACTUAL, id)
}

fn enrolled(responder_id: &str, organization_id: &str, area_id: &str) -> Event {
    Event::ResponderEnrolled(v1::ResponderEnrolled {
        responder_id: responder_id.into(),
        organization_id: organization_id.into(),
        area_id: area_id.into(),
        specialties: vec!["nurse".into(), "driver".into()],
        ..Default::default()
    })
}

/// The city, a site with a seat in `g1`, and `p` of `g2` and `org`.
fn town() -> Vec<Happening> {
    let events = [site_opened("s", "g1", &[seat("a", "", "")]), enrolled("p", "org", "g2")];
    small_city().into_iter().chain(events.map(actual)).collect()
}

fn and(mut happenings: Vec<Happening>, events: impl IntoIterator<Item = Event>) -> Vec<Happening> {
    happenings.extend(events.into_iter().map(actual));
    happenings
}

fn call_to_a() -> Event {
    Event::ResponderCalled(v1::ResponderCalled { reply_due_ms: 9_000_000, unit_id: "u".into(), ..called("c1", "p", "s", "a", "g1") })
}

fn let_go(reason: ReleaseReason) -> Event {
    Event::DutyReleased(v1::DutyReleased { call_id: "c1".into(), responder_id: "p".into(), reason: reason.into(), ..Default::default() })
}

fn arrives() -> Event {
    checked_in("p", "c1", "s", "", "g1")
}

#[test]
fn a_call_and_its_person_go_through_their_phases_together() {
    let acknowledged = Event::CallAcknowledged(v1::CallAcknowledged { call_id: "c1".into() });
    let steps: [(Event, CallPhase, ResponderState); 8] = [
        (call_to_a(), CallPhase::Summoned, ResponderState::Summoned),
        (acknowledged, CallPhase::Acknowledged, ResponderState::Acknowledged),
        (accepted("c1", 0), CallPhase::Accepted, ResponderState::Accepted),
        (accepted("c1", 5_000_000), CallPhase::EnRoute, ResponderState::EnRoute),
        (arrives(), CallPhase::OnPost, ResponderState::OnPost),
        (checked_out("p", "s"), CallPhase::Accepted, ResponderState::Accepted),
        (arrives(), CallPhase::OnPost, ResponderState::OnPost),
        (let_go(ReleaseReason::CheckedOut), CallPhase::Released, ResponderState::OnPost),
    ];
    let mut happenings = town();
    for (event, phase, state) in steps {
        happenings = and(happenings, [event]);
        assert_eq!((call(&happenings, "c1").phase(), person(&happenings, "p").state()), (phase, state), "{:?}", happenings.last());
    }
    let row = call(&happenings, "c1");
    // Nine records before the call; the log's time for what was said, the device's for what was observed.
    let said = |n: i64| 1_000_000 + 1_000 * (9 + n);
    assert_eq!((row.called_at_ms, row.acknowledged_at_ms, row.accepted_at_ms), (said(0), said(1), said(2)));
    assert_eq!((row.arrived_at_ms, row.released_at_ms), (said(4) - 7, said(7)));
    assert_eq!((row.organization_id.as_str(), row.reply_due_ms, row.release_reason()), ("org", 9_000_000, ReleaseReason::CheckedOut));
    // Still there, on no duty: a walk-in. Then gone, and resting until the incident is closed.
    let happenings = and(happenings, [checked_out("p", "s")]);
    let resting = person(&happenings, "p");
    assert_eq!((resting.state(), resting.incident_id.as_str(), resting.call_id.as_str()), (ResponderState::Resting, "i", ""));
    assert_eq!((resting.worked_ms, resting.on_post_since_ms, resting.last_off_post_ms), (3_000, 0, said(8) - 7));
    let closed = and(happenings, [Event::IncidentClosed(v1::IncidentClosed { incident_id: "i".into() })]);
    assert_eq!((person(&closed, "p").state(), person(&closed, "p").incident_id.as_str()), (ResponderState::Peacetime, ""));
}

#[test]
fn a_silent_or_absent_person_is_told_apart() {
    let unanswered = || Event::CallUnanswered(v1::CallUnanswered { call_id: "c1".into() });
    let row = call(&and(town(), [call_to_a(), unanswered()]), "c1");
    assert_eq!((row.unanswered, row.overdue), (true, true));
    let row = call(&and(town(), [call_to_a(), unanswered(), accepted("c1", 0)]), "c1");
    assert_eq!((row.unanswered, row.overdue), (false, false));
    let row = call(&and(town(), [call_to_a(), unanswered(), let_go(ReleaseReason::Unanswered)]), "c1");
    assert_eq!((row.unanswered, row.overdue), (true, false));
    let absent = [call_to_a(), Event::NoShowDeclared(v1::NoShowDeclared { call_id: "c1".into() }), let_go(ReleaseReason::NoShow)];
    let happenings = and(town(), absent);
    assert_eq!((call(&happenings, "c1").no_show, person(&happenings, "p").state()), (true, ResponderState::NoShow));
    // A late fact: the row that nothing else can change any more is corrected.
    let corrected = Event::NoShowCorrected(v1::NoShowCorrected { call_id: "c1".into(), arrived_at_ms: 77 });
    let happenings = and(happenings, [corrected]);
    let row = call(&happenings, "c1");
    assert_eq!((row.no_show, row.arrived_at_ms, row.phase()), (false, 77, CallPhase::Released));
    assert_eq!(person(&happenings, "p").state(), ResponderState::Released);
    let happenings = and(town(), [call_to_a(), let_go(ReleaseReason::Declined)]);
    assert_eq!(person(&happenings, "p").state(), ResponderState::Declined);
}

#[test]
fn a_recalled_call_says_so_until_it_is_released_and_a_disputed_one_is_unconfirmed() {
    let recalled = Event::ResponderRecalled(v1::ResponderRecalled { call_id: "c1".into(), ..Default::default() });
    let happenings = and(town(), [call_to_a(), arrives(), recalled]);
    assert_eq!((call(&happenings, "c1").phase(), person(&happenings, "p").state()), (CallPhase::Recalled, ResponderState::OnPost));
    let happenings = and(town(), [call_to_a(), arrives(), disputed("p", "x", "s", "g1")]);
    let (row, who) = (call(&happenings, "c1"), person(&happenings, "p"));
    assert_eq!((row.phase(), row.unconfirmed, who.state()), (CallPhase::Accepted, true, ResponderState::Unconfirmed));
    assert_eq!((who.present_site_id.as_str(), who.post_area_id.as_str()), ("", "g1"));
}

#[test]
fn an_organization_is_followed_from_the_call_to_the_end() {
    let of = |event: fn(String) -> Event| event("o1".to_owned());
    let asked = Event::OrganizationCalled(v1::OrganizationCalled {
        call_id: "o1".into(),
        organization_id: "org".into(),
        incident_id: "i".into(),
        area_id: "g1".into(),
        quantity: 2,
        deadline_ms: 8_000_000,
        ..Default::default()
    });
    let named = Event::PeopleNominated(v1::PeopleNominated { call_id: "o1".into(), responder_ids: vec!["p".into(), "q".into()] });
    let nominated = v1::ResponderCalled { organization_call_id: "o1".into(), ..called("c1", "p", "s", "a", "g1") };
    let steps: [(Event, CallPhase, [i64; 3]); 6] = [
        (asked, CallPhase::Called, [0, 0, 2]),
        (of(|call_id| Event::OrganizationAcknowledged(v1::OrganizationAcknowledged { call_id })), CallPhase::Acknowledged, [0, 0, 2]),
        (named, CallPhase::Nominated, [2, 0, 2]),
        (of(|call_id| Event::OrganizationOverdue(v1::OrganizationOverdue { call_id, missing: 2 })), CallPhase::Overdue, [2, 0, 2]),
        (
            of(|call_id| Event::OrganizationReportedIn(v1::OrganizationReportedIn { call_id, quantity: 1 })),
            CallPhase::ReportedIn,
            [2, 0, 2],
        ),
        (of(|call_id| Event::OrganizationCallEnded(v1::OrganizationCallEnded { call_id })), CallPhase::Ended, [2, 0, 0]),
    ];
    let mut happenings = town();
    for (event, phase, figures) in steps {
        happenings = and(happenings, [event]);
        let row = call(&happenings, "o1");
        assert_eq!((row.phase(), row.overdue), (phase, phase == CallPhase::Overdue));
        assert_eq!([row.named, row.present, row.missing], figures, "{phase:?}");
    }
    // One of the named people comes, and goes again.
    let here = and(happenings[..happenings.len() - 1].to_vec(), [Event::ResponderCalled(nominated), arrives()]);
    assert_eq!((call(&here, "o1").present, call(&here, "o1").missing), (1, 1));
    assert_eq!(call(&and(here, [let_go(ReleaseReason::Recalled)]), "o1").present, 0);
}

#[test]
fn a_person_in_peacetime_is_on_standby_away_or_neither() {
    let row = person(&town(), "p");
    assert_eq!((row.state(), row.home_area_id.as_str(), row.organization_id.as_str()), (ResponderState::Peacetime, "g2", "org"));
    assert_eq!(row.specialties, ["nurse", "driver"]);
    let standby = |incident: &str| {
        Event::ResponderPutOnStandby(v1::ResponderPutOnStandby {
            incident_id: incident.into(),
            responder_id: "p".into(),
            ..Default::default()
        })
    };
    let row = person(&and(town(), [standby("i"), standby("i2")]), "p");
    assert_eq!((row.state(), row.standby_incident_ids), (ResponderState::Standby, vec!["i".to_owned(), "i2".to_owned()]));
    let ended = Event::StandbyEnded(v1::StandbyEnded { incident_id: "i".into(), responder_id: "p".into() });
    assert_eq!(person(&and(town(), [standby("i"), ended]), "p").state(), ResponderState::Peacetime);
    let absent = |from_ms| {
        Event::AvailabilitySet(v1::AvailabilitySet {
            responder_id: "p".into(),
            availability: Availability::Sick.into(),
            from_ms,
            until_ms: 2_000_000_000,
        })
    };
    let row = person(&and(town(), [standby("i"), absent(5)]), "p");
    assert_eq!(
        (row.state(), row.availability(), row.availability_until_ms),
        (ResponderState::OutOfService, Availability::Sick, 2_000_000_000)
    );
    // A leave that has not begun, and a duty that stands, are something else.
    assert_eq!(person(&and(town(), [absent(1_999_999_999)]), "p").state(), ResponderState::Peacetime);
    assert_eq!(person(&and(town(), [absent(5), call_to_a()]), "p").state(), ResponderState::Summoned);
    let withdrawn = Event::ResponderWithdrawn(v1::ResponderWithdrawn { responder_id: "p".into(), ..Default::default() });
    assert_eq!(person(&and(town(), [withdrawn]), "p").state(), ResponderState::OutOfService);
}

#[test]
fn reserved_people_are_those_of_the_organizations_last_word() {
    let reserved = |organization: &str, people: &[&str]| {
        let responder_ids = people.iter().map(|id| (*id).to_owned()).collect();
        Event::PeopleReserved(v1::PeopleReserved { organization_id: organization.into(), responder_ids, former_responder_ids: Vec::new() })
    };
    assert!(person(&and(town(), [reserved("org", &["p"])]), "p").reserved);
    assert!(!person(&and(town(), [reserved("org", &["p"]), reserved("org", &[])]), "p").reserved);
    assert!(person(&and(town(), [reserved("org", &["p"]), reserved("other", &[])]), "p").reserved);
    let moved = Event::ResponderTransferred(v1::ResponderTransferred {
        responder_id: "p".into(),
        organization_id: "new".into(),
        ..Default::default()
    });
    let row = person(&and(town(), [reserved("org", &["p"]), moved]), "p");
    assert_eq!((row.reserved, row.organization_id.as_str()), (false, "new"));
}

#[test]
fn the_first_duty_at_which_somebody_is_present_is_the_current_one() {
    let other = Event::ResponderCalled(v1::ResponderCalled { unit_id: String::new(), ..called("c2", "p", "s2", "b", "g2") });
    let attached = Event::ResponderAttached(v1::ResponderAttached { unit_id: "home".into(), responder_id: "p".into(), extra_seat: false });
    let happenings = and(town(), [attached, call_to_a(), other, checked_in("p", "c2", "s2", "", "g2")]);
    let row = person(&happenings, "p");
    assert_eq!((row.call_id.as_str(), row.seat_id.as_str(), row.post_area_id.as_str(), row.unit_id.as_str()), ("c2", "b", "g2", "home"));
    let row = person(&and(happenings, [checked_out("p", "s2")]), "p");
    assert_eq!((row.call_id.as_str(), row.post_area_id.as_str(), row.unit_id.as_str()), ("c1", "g1", "u"));
}

#[test]
fn somebody_called_in_to_shelter_is_unaccounted_then_safe_then_neither() {
    let ordered = Event::ShelterOrdered(v1::ShelterOrdered {
        incident_id: "i".into(),
        recalled_area_id: "k1".into(),
        responder_id: "p".into(),
        area_id: "g1".into(),
        ..Default::default()
    });
    let confirmed =
        Event::SafetyConfirmed(v1::SafetyConfirmed { incident_id: "i".into(), recalled_area_id: "k1".into(), responder_id: "p".into() });
    let resumed = Event::AreaResumed(v1::AreaResumed { incident_id: "i".into(), area_id: "k1".into(), ..Default::default() });
    let marks = |happenings: &[Happening]| (person(happenings, "p").unaccounted, person(happenings, "p").safe);
    let happenings = and(town(), [ordered]);
    assert_eq!(marks(&happenings), (true, false));
    let happenings = and(happenings, [confirmed]);
    assert_eq!(marks(&happenings), (false, true));
    assert_eq!(marks(&and(happenings, [resumed])), (false, false));
}

#[test]
fn an_exercise_has_rows_of_those_it_touched_and_real_life_does_not_see_it() {
    let mut happenings = and(town(), [enrolled("q", "org", "g2")]);
    happenings.push(in_realm("drill", call_to_a()));
    happenings.push(in_realm("drill", arrives()));
    let drilled = person_in(&happenings, "drill", "p");
    assert_eq!((drilled.state(), drilled.home_area_id.as_str()), (ResponderState::OnPost, "g2"));
    assert_eq!(person(&happenings, "p").state(), ResponderState::Peacetime);
    assert_eq!(given_row(View::Responders, &happenings, "drill", "q"), None);
    assert_eq!(given_row(View::Calls, &happenings, ACTUAL, "c1"), None);
    // A peacetime fact changes every row of the person.
    let moved = v1::ResponderReportedToCommunity { responder_id: "p".into(), area_id: "g1".into(), ..Default::default() };
    let happenings = and(happenings, [Event::ResponderReportedToCommunity(moved)]);
    assert_eq!((person(&happenings, "p").home_area_id, person_in(&happenings, "drill", "p").home_area_id), ("g1".into(), "g1".into()));
}

#[test]
fn a_report_tells_of_one_incident_in_its_own_realm() {
    let declared = |incident: &str, realm: &str| {
        Event::IncidentDeclared(v1::IncidentDeclared {
            incident_id: incident.into(),
            area_id: "k1".into(),
            name: "台风".into(),
            realm: realm.into(),
            ..Default::default()
        })
    };
    let gap = |incident: &str, reason: v1::GapReason| {
        Event::GapRecorded(v1::GapRecorded { incident_id: incident.into(), reason: reason.into(), ..Default::default() })
    };
    let escalated =
        v1::WhistleEscalated { whistle_id: "w".into(), from_area_id: "g1".into(), to_area_id: "t1".into(), ..Default::default() };
    let overdue = v1::OrganizationOverdue { call_id: "o1".into(), missing: 3 };
    let asked = v1::OrganizationCalled {
        call_id: "o1".into(),
        organization_id: "org".into(),
        incident_id: "i".into(),
        quantity: 3,
        ..Default::default()
    };
    let mut happenings = and(
        town(),
        [
            declared("i", ACTUAL),
            whistle_blown("w", "g1", &[]),
            Event::WhistleEscalated(escalated),
            call_to_a(),
            accepted("c1", 0),
            arrives(),
            Event::ResponderCalled(called("c2", "q", "s", "b", "g1")),
            Event::DutyReleased(v1::DutyReleased {
                call_id: "c2".into(),
                responder_id: "q".into(),
                reason: ReleaseReason::Declined.into(),
                ..Default::default()
            }),
            gap("i", v1::GapReason::Declined),
            gap("i", v1::GapReason::Declined),
            gap("other", v1::GapReason::NoCandidate),
            Event::OrganizationCalled(asked),
            Event::OrganizationOverdue(overdue),
        ],
    );
    happenings.push(in_realm("drill", declared("drilled", "drill")));
    let own = v1::ResponderCalled { incident_id: "drilled".into(), ..called("c3", "p", "s", "a", "g1") };
    happenings.push(in_realm("drill", Event::ResponderCalled(own)));
    let log = memory_log(&happenings);
    let found = report(&*log, "i").unwrap().unwrap();
    assert_eq!((found.exercise, found.realm.as_str(), found.name.as_str(), found.area_id.as_str()), (false, ACTUAL, "台风", "k1"));
    assert_eq!([found.calls, found.people_called, found.accepted, found.declined, found.on_post], [2, 2, 1, 1, 1]);
    let (replied, came) = (found.to_reply.unwrap(), found.to_on_post.unwrap());
    assert_eq!((replied.count, replied.median_ms, replied.p90_ms), (2, 1_000, 1_000));
    assert_eq!((came.count, came.median_ms, came.p90_ms), (1, 1_993, 1_993));
    assert_eq!(found.gaps, [v1::GapCount { reason: v1::GapReason::Declined.into(), count: 2 }]);
    assert_eq!((found.whistles.len(), found.whistles[0].level_times.len(), found.escalations), (1, 1, 1));
    assert_eq!((found.organizations_overdue[0].organization_id.as_str(), found.organizations_overdue[0].missing), ("org", 3));
    assert_eq!(found.position, happenings.len() as u64);
    let drilled = report(&*log, "drilled").unwrap().unwrap();
    assert_eq!((drilled.exercise, drilled.realm.as_str(), drilled.calls, drilled.gaps.len()), (true, "drill", 1, 0));
    assert_eq!(report(&*log, "unknown").unwrap(), None);
}
