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
            begins_due_ms: 0,
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

fn card(key: &str, task: &str) -> v1::PostCard {
    v1::PostCard { card_key: key.into(), task: task.into(), ..Default::default() }
}

#[test]
fn a_call_shows_its_own_card_or_the_one_that_its_plan_version_had_then() {
    let drafted = |version, task: &str| {
        let cards = vec![card("gate", task)];
        Event::PlanDrafted(v1::PlanDrafted { plan_id: "plan".into(), version, cards, ..Default::default() })
    };
    let by_plan = |key: &str| v1::ResponderCalled {
        plan_id: "plan".into(),
        plan_version: 2,
        card_key: key.into(),
        ..called("c1", "p", "s", "a", "g1")
    };
    let shown = |happenings: &[Happening]| call(happenings, "c1").card.map(|card| card.task);
    let happenings = and(town(), [drafted(1, "旧"), drafted(2, "守卡口"), Event::ResponderCalled(by_plan("gate")), drafted(2, "后改")]);
    assert_eq!((shown(&happenings).as_deref(), call(&happenings, "c1").plan_version), (Some("守卡口"), 2));
    // An exercise reads the same plans.
    let mut drill = and(town(), [drafted(2, "守卡口")]);
    drill.push(in_realm("drill", Event::ResponderCalled(by_plan("gate"))));
    let Some(Row::Call(row)) = given_row(View::Calls, &drill, "drill", "c1") else { panic!("no call in the drill") };
    assert_eq!(row.card, Some(card("gate", "守卡口")));
    assert_eq!(shown(&and(town(), [drafted(2, "守卡口"), Event::ResponderCalled(by_plan("other"))])), None);
    let own = v1::ResponderCalled { card: Some(card("own", "送药")), ..by_plan("gate") };
    assert_eq!(shown(&and(town(), [drafted(2, "守卡口"), Event::ResponderCalled(own)])).as_deref(), Some("送药"));
}

#[test]
fn what_became_of_a_call_is_told_for_each_channel_until_it_is_released() {
    use v1::{DeliveryChannel as Channel, DeliveryOutcome as Outcome};
    let told = |channel: Channel, outcome: Outcome, attempted_at_ms| {
        let (call_id, channel, outcome) = ("c1".to_owned(), channel.into(), outcome.into());
        Event::DeliveryRecorded(v1::DeliveryRecorded { call_id, channel, outcome, attempted_at_ms, ..Default::default() })
    };
    let next = Event::NextChannelOrdered(v1::NextChannelOrdered {
        call_id: "c1".into(),
        channel: Channel::Sms.into(),
        former_channel: Channel::App.into(),
        ..Default::default()
    });
    let secretary = v1::TelephoneContact { kind: v1::ContactKind::Secretary.into(), responder_id: "q".into(), ..Default::default() };
    let contacts = vec![secretary.clone()];
    let telephone = Event::TelephoneRequested(v1::TelephoneRequested { call_id: "c1".into(), contacts, ..Default::default() });
    let happenings = and(town(), [call_to_a(), told(Channel::App, Outcome::Sent, 5), next]);
    let row = call(&happenings, "c1");
    assert_eq!((row.channel(), row.deliveries.len()), (Channel::Sms, 1));
    // A late word on the channel before does not bring it back into use.
    let happenings = and(happenings, [told(Channel::Sms, Outcome::Failed, 7), told(Channel::App, Outcome::Delivered, 6)]);
    let row = call(&happenings, "c1");
    let last = |row: &CallRow| row.deliveries.iter().map(|told| (told.channel(), told.outcome(), told.attempted_at_ms)).collect::<Vec<_>>();
    let expected = [(Channel::App, Outcome::Delivered, 6), (Channel::Sms, Outcome::Failed, 7)];
    assert_eq!((row.channel(), last(&row)), (Channel::Sms, expected.to_vec()));
    let happenings = and(happenings, [telephone, let_go(ReleaseReason::Unanswered), told(Channel::Sms, Outcome::Read, 9)]);
    let row = call(&happenings, "c1");
    assert_eq!((row.channel(), row.contacts.as_slice(), last(&row)), (Channel::NamedContact, &[secretary][..], expected.to_vec()));
}

#[test]
fn a_part_that_is_confirmed_is_marked_on_its_standing_calls() {
    let for_need = |call_id: &str, person: &str| {
        Event::ResponderCalled(v1::ResponderCalled {
            whistle_id: "w".into(),
            need_id: "n".into(),
            shift_id: "s~1".into(),
            ..called(call_id, person, "", "", "g1")
        })
    };
    let asked = Event::OrganizationCalled(v1::OrganizationCalled {
        call_id: "o1".into(),
        organization_id: "org".into(),
        whistle_id: "w".into(),
        need_id: "n".into(),
        lead: true,
        ..Default::default()
    });
    let confirmed = Event::PartConfirmed(v1::PartConfirmed { whistle_id: "w".into(), need_id: "n".into(), ..Default::default() });
    let blown = whistle_blown("w", "g1", &[need("n", v1::NeedKind::Person, "", 2)]);
    let happenings = and(town(), [blown, for_need("c1", "p"), let_go(ReleaseReason::Relieved), for_need("c2", "q"), asked]);
    assert!(!call(&happenings, "c2").part_confirmed);
    let happenings = and(happenings, [confirmed]);
    let marks = ["c1", "c2", "o1"].map(|id| call(&happenings, id).part_confirmed);
    assert_eq!(marks, [false, true, true]);
    assert_eq!((call(&happenings, "o1").lead, call(&happenings, "c2").shift_id.as_str()), (true, "s~1"));
    // One more who is called for it all the same.
    assert!(call(&and(happenings, [for_need("c3", "r")]), "c3").part_confirmed);
}

#[test]
fn late_facts_correct_hours_rest_and_fatigue() {
    const HOUR: i64 = 3_600_000;
    let at = |hour: i64, event: Event| Happening { at_ms: hour * HOUR + 7, ..actual(event) };
    let past = |check_out| {
        Event::PastPresenceRecorded(v1::PastPresenceRecorded {
            responder_id: "p".into(),
            site_id: "s".into(),
            check_out,
            ..Default::default()
        })
    };
    let mut happenings = town();
    happenings.extend([at(10, call_to_a()), at(20, arrives())]);
    let there = person(&happenings, "p");
    assert_eq!((there.worked_ms, there.on_post_since_ms, there.last_off_post_ms), (0, 20 * HOUR, 0));
    let raised = v1::FatigueRaised { responder_id: "p".into(), level: v1::FatigueLevel::Amber.into(), ..Default::default() };
    happenings.extend([at(28, Event::FatigueRaised(raised)), at(29, checked_out("p", "s"))]);
    let tired = person(&happenings, "p");
    assert_eq!((tired.worked_ms, tired.spell_since_ms, tired.spell_worked_ms), (9 * HOUR, 20 * HOUR, 9 * HOUR));
    assert_eq!((tired.rested_at_ms, tired.fatigue()), (37 * HOUR, v1::FatigueLevel::Amber));
    // A sheet tells of three hours before, and of a break that was long enough after them; the next one makes it too short.
    happenings.extend([at(18, past(true)), at(15, past(false))]);
    let corrected = person(&happenings, "p");
    assert_eq!((corrected.worked_ms, corrected.spell_since_ms, corrected.spell_worked_ms), (12 * HOUR, 20 * HOUR, 9 * HOUR));
    happenings.push(at(19, past(false)));
    let corrected = person(&happenings, "p");
    assert_eq!((corrected.worked_ms, corrected.spell_since_ms, corrected.spell_worked_ms), (13 * HOUR, 15 * HOUR, 13 * HOUR));
    // After the rest a new spell begins, and nobody is tired any more.
    happenings.push(at(40, arrives()));
    let rested = person(&happenings, "p");
    assert_eq!((rested.spell_since_ms, rested.rested_at_ms, rested.fatigue()), (40 * HOUR, 0, v1::FatigueLevel::Unspecified));
}

#[test]
fn somebody_answers_for_areas_until_that_is_ended() {
    let held = |area: &str, kind: v1::ResponsibilityKind, until_ms| {
        let (responder_id, area_id, kind) = ("p".to_owned(), area.to_owned(), kind.into());
        Event::ResponsibilityAssigned(v1::ResponsibilityAssigned { responder_id, area_id, kind, from_ms: 1, until_ms })
    };
    use v1::ResponsibilityKind::{BuildingHead, FloodControl};
    let happenings = and(town(), [held("g2", BuildingHead, 0), held("g1", FloodControl, 0), held("g2", BuildingHead, 9)]);
    let of = |happenings: &[Happening]| {
        let rows = person(happenings, "p").responsibilities;
        rows.into_iter().map(|row| (row.area_id.clone(), row.kind(), row.until_ms)).collect::<Vec<_>>()
    };
    assert_eq!(of(&happenings), [("g1".to_owned(), FloodControl, 0), ("g2".to_owned(), BuildingHead, 9)]);
    let ended = v1::ResponsibilityEnded { responder_id: "p".into(), area_id: "g1".into(), kind: FloodControl.into() };
    assert_eq!(of(&and(happenings, [Event::ResponsibilityEnded(ended)])), [("g2".to_owned(), BuildingHead, 9)]);
}

#[test]
fn a_report_counts_shifts_reinforcements_deliveries_and_groups() {
    let site = |id: &str, incident: &str| {
        Event::SiteOpened(v1::SiteOpened { site_id: id.into(), incident_id: incident.into(), area_id: "g1".into(), ..Default::default() })
    };
    let held =
        |site: &str, shift: &str| Event::ShiftHeld(v1::ShiftHeld { shift_id: shift.into(), site_id: site.into(), ..Default::default() });
    let closed = |waiver: &str| {
        Event::ShiftClosed(v1::ShiftClosed {
            shift_id: "s1".into(),
            site_id: "mine".into(),
            waiver_reason: waiver.into(),
            ..Default::default()
        })
    };
    let asked = |request: &str| {
        Event::ReinforcementRequested(v1::ReinforcementRequested {
            whistle_id: "w".into(),
            request_id: request.into(),
            ..Default::default()
        })
    };
    let (whistle_id, responder_ids) = ("w".to_owned(), vec!["p".to_owned(), "q".to_owned()]);
    let granted = v1::PeopleReleased { request_id: "r1".into(), whistle_id: whistle_id.clone(), responder_ids, ..Default::default() };
    let refused = v1::ReinforcementRefused { request_id: "r2".into(), whistle_id: whistle_id.clone(), ..Default::default() };
    let lapsed = v1::ReinforcementLapsed { request_id: "r3".into(), whistle_id, ..Default::default() };
    let failed = v1::DeliveryRecorded { call_id: "c1".into(), channel: 1, outcome: 5, ..Default::default() };
    let declared = v1::IncidentDeclared { incident_id: "i".into(), area_id: "k1".into(), realm: ACTUAL.into(), ..Default::default() };
    let group = v1::GroupCalled { incident_id: "i".into(), called: 7, ..Default::default() };
    let happenings = and(
        town(),
        [
            Event::IncidentDeclared(declared),
            site("mine", "i"),
            site("theirs", "other"),
            held("mine", "s1"),
            held("mine", "s1"),
            held("theirs", "s9"),
            closed(""),
            closed("停电"),
            whistle_blown("w", "g1", &[]),
            asked("r1"),
            asked("r2"),
            asked("r3"),
            asked(""),
            Event::PeopleReleased(granted),
            Event::ReinforcementRefused(refused),
            Event::ReinforcementLapsed(lapsed),
            call_to_a(),
            Event::DeliveryRecorded(failed),
            Event::TelephoneRequested(v1::TelephoneRequested { call_id: "c1".into(), ..Default::default() }),
            Event::GroupCalled(group),
        ],
    );
    let found = report(&*memory_log(&happenings), "i").unwrap().unwrap();
    assert_eq!((found.shifts_held, found.shifts_waived), (1, 1));
    let answers = [found.reinforcements_granted, found.reinforcements_refused, found.reinforcements_lapsed];
    assert_eq!((found.reinforcements_requested, answers), (3, [1, 1, 1]));
    assert_eq!((found.reinforcement_people, found.reinforcements_raised), (2, 1));
    assert_eq!((found.deliveries, found.deliveries_failed, found.calls_to_telephone), (1, 1, 1));
    assert_eq!((found.groups_called, found.group_calls), (1, 7));
}
