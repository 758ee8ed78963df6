//! 部门报到 and 事不完、人不撤: one organization leads, and a part ends when the blowing side says so.

use muster_proto::v1::{NeedKind, Severity};
use muster_proto::{Command, Event};

use super::Story;
use super::town::{self, accept, blow, come, decline, go, need, send};

fn lead(organization_id: &str) -> Command {
    command!(CallOrganization { organization_id: organization_id, whistle_id: "w", need_id: "n", quantity: 1u32, lead: true })
}

fn confirm(need_id: &str) -> Command {
    command!(ConfirmPart { whistle_id: "w", need_id: need_id, note: "排水完毕" })
}

fn recall(call_id: &str) -> Command {
    command!(RecallResponder { call_id: call_id, reason: "另有安排" })
}

/// A whistle of v1 with two parts that nobody has to wait for.
fn blown() -> Story {
    let mut story = Story::given(town::people());
    let needs = vec![need("n", NeedKind::Person, "", 2), need("m", NeedKind::Person, "", 1)];
    story.and([blow("w", "v1", Severity::Minor, needs), command!(AcknowledgeWhistle { whistle_id: "w" })]);
    story
}

#[test]
fn one_organization_leads() {
    let mut story = blown();
    let emitted = story.when(lead("power")).then(["OrganizationCalled o1 power w#n 1"]);
    let Event::OrganizationCalled(body) = &emitted[0].event else { panic!("an organization is called") };
    assert!(body.lead);
    story.when(lead("party")).then_rejected("lead_taken");
    // Others are called beside it, and who declines leads nobody.
    story.and([command!(CallOrganization { organization_id: "party", whistle_id: "w", need_id: "n", quantity: 1u32 })]);
    story.and([decline("o1"), lead("party")]);
    story.when(lead("power")).then_rejected("lead_taken");
    let at_site =
        |organization: &str| command!(CallOrganization { organization_id: organization, site_id: "s", quantity: 1u32, lead: true });
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x"]), at_site("power")]);
    story.when(at_site("party")).then_rejected("lead_taken");
}

#[test]
fn before_a_part_is_confirmed_others_recall_with_a_ground_only() {
    let mut story = blown();
    story.and([send("b1", "w", "n"), send("a1", "w", "n"), send("a2", "w", "m"), come("b1", "w")]);
    story.by("v2").when(recall("c1")).then_rejected("part_not_confirmed");
    story.by("").when(recall("c1")).then_rejected("part_not_confirmed");
    story.by("v2").on_document(" ").when(recall("c1")).then_rejected("part_not_confirmed");
    story.by("v2").on_a_ground().when(recall("c1")).then(["ResponderRecalled c1"]);
    // The blowing side and those above it need none, nor does anybody once the part is done.
    story.by("v1").when(recall("c2")).then(["DutyReleased c2 Recalled"]);
    story.by("t1").when(recall("c3")).then(["DutyReleased c3 Recalled"]);
}

#[test]
fn a_confirmed_part_lets_its_people_and_organizations_go_and_the_others_stay() {
    let mut story = blown();
    story.and([
        lead("power"),
        send("a1", "w", "n"),
        send("a2", "w", "n"),
        send("a3", "w", "m"),
        come("a1", "w"),
        accept("c2"),
        come("a3", "w"),
    ]);
    story.by("v2").when(confirm("n")).then_rejected("not_the_blowing_side");
    story.by("v1").when(confirm("z")).then_rejected("unknown_need");
    let emitted = story.when(confirm("n")).then([
        "PartConfirmed w#n by v1",
        "ResponderRecalled c1",
        "DutyReleased c2 PartConfirmed",
        "OrganizationCallEnded o1",
        "WhistleFilled w",
    ]);
    assert!(matches!(&emitted[0].event, Event::PartConfirmed(body) if body.note == "排水完毕"));
    story.when(confirm("n")).then_nothing();
    story.when(go("a1", "w")).then(["CheckedOut a1 w", "DutyReleased c1 PartConfirmed"]);
    // Nobody is asked for it any more.
    story.when(send("a4", "w", "n")).then_rejected("part_confirmed");
    story.when(lead("power")).then_rejected("part_confirmed");
    story.when(command!(FulfilNeed { whistle_id: "w", need_id: "n", quantity: 1u32 })).then_rejected("part_confirmed");
    story.when(command!(ResolveWhistle { whistle_id: "w" })).then(["PartConfirmed w#m by v1", "WhistleResolved w", "ResponderRecalled c3"]);
    story.when(confirm("m")).then_rejected("whistle_ended");
}

#[test]
fn people_named_for_a_confirmed_part_are_not_called() {
    let mut story = blown();
    story.and([
        lead("power"),
        command!(NominatePeople { call_id: "o1", responder_ids: vec!["e1".to_owned()] }),
        come("e1", "w"),
        confirm("n"),
    ]);
    story.when(command!(NominatePeople { call_id: "o1", responder_ids: vec!["e2".to_owned()] })).then_rejected("part_confirmed");
}

#[test]
fn leaving_before_the_confirmation_is_marked() {
    let mut story = blown();
    story.and([send("a1", "w", "n"), send("a2", "w", "n"), send("a3", "w", "m"), come("a1", "w"), come("a2", "w"), come("a3", "w")]);
    let mark = |outcome: super::Outcome| match &outcome.events()[0].event {
        Event::CheckedOut(body) => body.before_confirmation,
        other => panic!("{other:?} is no check-out"),
    };
    assert!(mark(story.when(go("a1", "w"))), "the part is not done");
    story.and([recall("c2")]);
    assert!(!mark(story.when(go("a2", "w"))), "told to come off");
    story.and([confirm("m")]);
    assert!(!mark(story.when(go("a3", "w"))), "the part is done");
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x"]), town::check_in("a4", "s")]);
    assert!(!mark(story.when(town::check_out("a4", "s"))), "a site is no whistle");
}
