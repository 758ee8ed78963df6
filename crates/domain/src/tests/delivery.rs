//! 找得到人: what becomes of a call on its channels, the next channel, and the people who can telephone.

use muster_proto::v1::{DeliveryChannel, DeliveryOutcome, NeedKind, ResponseLevel, ResponsibilityKind, Severity, UnitKind};
use muster_proto::{Command, Event};

use super::town::{self, accept, check_in, convert, decline, dispatch, need};
use super::{MINUTE_MS, Story};

use DeliveryChannel::{App, NamedContact, Robot, Sms, Voice};
use DeliveryOutcome::{Answered, Delivered, Failed, Read, Sent};

fn told(call_id: &str, channel: DeliveryChannel, outcome: DeliveryOutcome) -> Command {
    command!(RecordDelivery { call_id: call_id, channel: channel, outcome: outcome, reference: "m-1" })
}

fn called() -> Story {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x", "y"]), dispatch("a1", "s", "x")]);
    story
}

#[test]
fn unanswered_on_one_channel_the_next_is_tried_then_people_telephone() {
    let mut story = called();
    story.when(told("c1", App, Sent)).then(["DeliveryRecorded c1 App Sent"]);
    story.and([told("c1", App, Delivered), told("c1", App, Read)]);
    story.after_minutes(5).then(["NextChannelOrdered c1 App -> Sms"]);
    // Nobody sent it: the order is waited on all the same.
    story.after_minutes(5).then(["NextChannelOrdered c1 Sms -> Voice"]);
    story.after_minutes(1).then_nothing();
    // The telephone rings a minute later, and has its three minutes from then on.
    story.and([told("c1", Voice, Sent)]);
    story.after_minutes(2).then_nothing();
    story.after_minutes(1).then(["NextChannelOrdered c1 Voice -> Robot"]);
    story.after_minutes(3).then(["TelephoneRequested c1 Area:v1"]);
    // What the neighbour says is taken down and changes nothing more; then the call has gone unanswered.
    story.when(told("c1", NamedContact, Sent)).then(["DeliveryRecorded c1 NamedContact Sent"]);
    story.when(told("c1", NamedContact, Failed)).then(["DeliveryRecorded c1 NamedContact Failed"]);
    story.after_minutes(600).then(["CallUnanswered c1"]);
}

#[test]
fn without_a_delivery_service_nothing_is_waited_for() {
    let mut story = called();
    assert_eq!(story.state.timers(), 1, "the reply and nothing else");
    story.after_minutes(600).then(["CallUnanswered c1"]);
}

#[test]
fn what_failed_is_not_waited_on() {
    let mut story = called();
    story.when(told("c1", App, Failed)).then(["DeliveryRecorded c1 App Failed", "NextChannelOrdered c1 App -> Sms"]);
    story.when(told("c1", Sms, Failed)).then(["DeliveryRecorded c1 Sms Failed", "NextChannelOrdered c1 Sms -> Voice"]);
    // A channel that was given up long ago fails once more.
    story.and([dispatch("a2", "s", "y"), told("c2", App, Sent), told("c2", Sms, Sent)]);
    story.when(told("c2", App, Failed)).then(["DeliveryRecorded c2 App Failed"]);
    // Both of the first channels were used: after the second comes the third.
    story.when(told("c2", Sms, Failed)).then(["DeliveryRecorded c2 Sms Failed", "NextChannelOrdered c2 Sms -> Voice"]);
}

#[test]
fn channels_that_were_tried_are_not_ordered_again() {
    let mut story = called();
    story.and([told("c1", Sms, Sent), told("c1", Voice, Delivered)]);
    story.after_minutes(5).then(["NextChannelOrdered c1 Sms -> Robot"]);
}

#[test]
fn any_answer_ends_the_search() {
    let answers: [fn() -> Command; 4] =
        [|| accept("c1"), || decline("c1"), || check_in("a1", "s"), || command!(AcknowledgeCall { call_id: "c1" })];
    for answer in answers {
        let mut story = called();
        story.and([told("c1", App, Sent), answer()]);
        story.after_minutes(200).then_nothing();
        // Later news of channels is taken down and starts nothing.
        story.and([told("c1", Sms, Sent), told("c1", Voice, Failed)]);
        story.after_minutes(200).then_nothing();
    }
    // Somebody picked up: found, though the reply is still to come.
    let mut story = called();
    story.and([told("c1", App, Sent), told("c1", Voice, Answered)]);
    story.after_minutes(200).then(["CallUnanswered c1"]);
}

#[test]
fn news_is_taken_late_and_doubled() {
    let mut story = called();
    story.and([told("c1", App, Sent)]);
    story.when(told("c1", App, Sent)).then_nothing();
    // The service tells of its messages hours later.
    story.and([decline("c1")]);
    let late = story.now_ms - 7 * MINUTE_MS;
    let emitted = story
        .when(command!(RecordDelivery { call_id: "c1", channel: Sms, outcome: Delivered, attempted_at_ms: late }))
        .then(["DeliveryRecorded c1 Sms Delivered"]);
    let Event::DeliveryRecorded(body) = &emitted[0].event else { panic!("a delivery is recorded") };
    assert_eq!((body.responder_id.as_str(), body.attempted_at_ms, body.answer_due_ms), ("a1", late, 0));
    story.when(told("c1", Sms, Delivered)).then_nothing();
    // A message that was sent longer ago than its channel may take is overdue at once.
    story.and([dispatch("a2", "s", "x")]);
    story
        .when(command!(RecordDelivery { call_id: "c2", channel: App, outcome: Sent, attempted_at_ms: late }))
        .then(["DeliveryRecorded c2 App Sent"]);
    story.after_minutes(0).then(["NextChannelOrdered c2 App -> Sms"]);
}

#[test]
fn a_threat_to_life_waits_a_minute_a_channel() {
    let mut story = Story::given(town::people());
    story.and([
        command!(BlowWhistle {
            whistle_id: "w",
            area_id: "v1",
            severity: Severity::Extreme,
            life_threatening: true,
            needs: vec![need("n", NeedKind::Person, "", 1)],
        }),
        command!(AcknowledgeWhistle { whistle_id: "w" }),
        town::send("e1", "w", "n"),
        told("c1", App, Sent),
    ]);
    story.after_minutes(4).then([
        "NextChannelOrdered c1 App -> Sms",
        "NextChannelOrdered c1 Sms -> Voice",
        "NextChannelOrdered c1 Voice -> Robot",
        "TelephoneRequested c1 Organization:power,Area:v1",
    ]);
}

#[test]
fn the_units_secretary_telephones_first() {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "v1", ResponseLevel::Iii)]);
    // c4 is a4's, in the branch that a1 leads; c1 is a1's own.
    story.and([told("c1", Robot, Sent), told("c4", Robot, Sent)]);
    let emitted = story.after_minutes(3).then(["TelephoneRequested c1 Area:v1", "TelephoneRequested c4 Secretary:a1,Area:v1"]);
    assert_eq!(emitted[1].other_area_ids, ["v1"], "the home village sees whom it can visit");
}

/// Each with the reason, nobody twice: office-holders, the unit's secretary, who answers for the grid and the village; then the offices.
#[test]
fn whoever_holds_an_office_or_answers_for_the_village_can_telephone() {
    let mut story = called();
    let office = |title: &str, who: &str| command!(NameOfficeHolder { organization_id: "power", title: title, responder_id: who });
    let answers = |who: &str, area_id: &str, kind: ResponsibilityKind| {
        command!(AssignResponsibility { responder_id: who, area_id: area_id, kind: kind })
    };
    story.and([
        town::enroll("m1", "g1", "power", &[]),
        office("负责人", "e2"),
        office("值班电话联系人", "e3"),
        office("分管领导", "m1"),
        answers("a4", "g1", ResponsibilityKind::BuildingHead),
        answers("a2", "v1", ResponsibilityKind::FloodControl),
        answers("e2", "v1", ResponsibilityKind::VillageLeader),
        answers("b1", "t1", ResponsibilityKind::FloodControl),
        town::unit("team", "out", UnitKind::ServiceTeam, "v1"),
        town::attach("team", "m1"),
        town::attach("team", "a5"),
        command!(AppointSecretary { unit_id: "team", responder_id: "a5", document_no: "组〔2026〕2号" }),
        dispatch("m1", "s", "y"),
        told("c2", Robot, Sent),
    ]);
    let emitted = story.after_minutes(3).then([
        "TelephoneRequested c2 OfficeHolder:e2,OfficeHolder:e3,Secretary:a5,Responsible:a4,Responsible:a2,Organization:power,Area:g1",
    ]);
    let Event::TelephoneRequested(body) = &emitted[0].event else { panic!("people are asked") };
    assert_eq!((body.contacts[0].office.as_str(), body.contacts[0].organization_id.as_str()), ("负责人", "power"));
    assert_eq!((body.contacts[3].responsibility(), body.contacts[3].area_id.as_str()), (ResponsibilityKind::BuildingHead, "g1"));
}

#[test]
fn a_delivery_service_is_told_what_is_so_now() {
    let mut story = called();
    let notice = story.state.call_notice("c1").expect("there is a call");
    assert!(notice.is_unanswered && !notice.was_told && notice.sent.is_empty() && notice.reply_due_ms > 0);
    story.and([told("c1", App, Sent), told("c1", Sms, Failed), accept("c1")]);
    let notice = story.state.call_notice("c1").expect("there is a call");
    assert_eq!((notice.is_unanswered, notice.was_told, notice.sent), (false, true, vec![App]));
    let state = &story.state;
    assert!(state.serves_in("a1", "actual") && !state.serves_in("a2", "actual") && !state.serves_in("a1", "drill"));
    assert!(state.call_notice("c2").is_none() && !state.is_erased("a1") && !state.organization_call_stands("o1"));
    assert_eq!((state.area_name("nowhere"), state.area_name("v1").is_empty()), ("", false));
}

#[test]
fn what_is_told_must_be_understood() {
    let mut story = called();
    story.when(told("", App, Sent)).then_rejected("field_missing");
    for unknown in ["c2", "o1", "c01"] {
        story.when(told(unknown, App, Sent)).then_rejected("unknown_call");
    }
    story.when(command!(RecordDelivery { call_id: "c1", outcome: Sent })).then_rejected("field_missing");
    story.when(command!(RecordDelivery { call_id: "c1", channel: App })).then_rejected("field_missing");
    story.when(command!(RecordDelivery { call_id: "c1", channel: 9, outcome: Sent })).then_rejected("field_invalid");
    story
        .when(command!(RecordDelivery { call_id: "c1", channel: App, outcome: Sent, attempted_at_ms: -1i64 }))
        .then_rejected("field_invalid");
}
