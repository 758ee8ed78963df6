//! What commands touch: where they take effect, whom and what they speak of. Unknown things are left out, and nothing is refused.

use muster_proto::v1::{BasisKind, UnitKind};
use muster_proto::{Touched, path_end};

use super::town::{blow, check_in, dispatch, outbreak, people, site, town, unit};
use super::*;

fn touches(story: &Story, command: &Command) -> Touched {
    story.state.touches(&v1::Context::default(), command)
}

fn places(touched: &Touched) -> Vec<&str> {
    touched.places.iter().map(path_end).collect()
}

fn outbreak_with_site() -> Story {
    let mut story = Story::given(town());
    story.and([outbreak(), site("s", "out", "v3", &["1", "2"]), unit("top", "out", UnitKind::TemporaryCommittee, "t2")]);
    story.and([command!(EstablishUnit {
        unit_id: "team",
        incident_id: "out",
        kind: UnitKind::VanguardTeam,
        name: "team",
        parent_unit_id: "top",
        area_id: "v3",
    })]);
    story.and([command!(AttachResponder { unit_id: "team", responder_id: "d1" })]);
    story
}

#[test]
fn a_dispatch_touches_the_post_and_the_home_or_whoever_let_the_person_go() {
    let story = outbreak_with_site();
    let own = touches(&story, &dispatch("d1", "s", "1"));
    assert_eq!(places(&own), ["v3"], "post and home are one place");
    assert_eq!(own.people[0].units, [["team", "top"]], "with the units above");
    let foreign = touches(&story, &dispatch("a1", "s", "1"));
    assert_eq!(places(&foreign), ["v3", "v1"]);
    let released =
        touches(&story, &command!(DispatchResponder { responder_id: "a1", site_id: "s", seat_id: "1", released_by_area_id: "t1" }));
    assert_eq!(places(&released), ["v3", "t1"]);
    assert_eq!(released.people[0].id, "a1");
}

#[test]
fn calls_name_their_person_or_organization() {
    let mut story = outbreak_with_site();
    story.and([dispatch("d1", "s", "1"), command!(CallOrganization { organization_id: "power", site_id: "s", quantity: 1_u32 })]);
    let person = touches(&story, &town::accept("c1"));
    assert_eq!((person.calls.as_slice(), person.people[0].id.as_str(), places(&person)), (["c1".to_owned()].as_slice(), "d1", vec!["v3"]));
    let organization = touches(&story, &command!(AcknowledgeCall { call_id: "o1" }));
    assert_eq!((organization.organizations.as_slice(), organization.people.len()), (["power".to_owned()].as_slice(), 0));
    for unknown in ["c9", "o9", "", "c01", "x"] {
        assert_eq!(touches(&story, &town::accept(unknown)), Touched::default(), "{unknown}");
    }
    let summary = story.state.call_summary("c1").expect("it was called");
    assert_eq!((summary.site_id.as_str(), summary.seat_id.as_str(), summary.responder_id.as_str()), ("s", "1", "d1"));
    assert_eq!(story.state.call_summary("o1"), None);
    let reach: Vec<_> = story.state.touches_person("d1").iter().map(|touched| touched.calls.clone()).collect();
    assert_eq!(reach, [vec![], vec!["c1".to_owned()]], "at home, and at the duty");
    assert!(story.state.touches_person("nobody").is_empty());
}

#[test]
fn a_risen_whistle_is_answered_above_and_ended_below() {
    let mut story = Story::given(people());
    story.and([blow("w", "v1", v1::Severity::Severe, vec![town::need("n", v1::NeedKind::Supply, "", 1)])]);
    assert!(touches(&story, &command!(AcknowledgeWhistle { whistle_id: "w" })).answerable.is_empty());
    story.and([command!(EscalateWhistle { whistle_id: "w" })]);
    let acknowledge = touches(&story, &command!(AcknowledgeWhistle { whistle_id: "w" }));
    assert_eq!((places(&acknowledge), path_end(&acknowledge.answerable[0])), (vec!["v1"], "t1"));
    let withdraw = touches(&story, &command!(WithdrawWhistle { whistle_id: "w" }));
    assert_eq!((places(&withdraw), withdraw.answerable.len()), (vec!["v1"], 0));
}

#[test]
fn a_person_who_is_not_there_is_nobodys_own() {
    let story = outbreak_with_site();
    let stranger = touches(&story, &check_in("stranger", "s"));
    assert_eq!((stranger.people[0].id.as_str(), stranger.people[0].organization.as_str()), ("stranger", ""));
    let new = touches(&story, &town::enroll("new", "", "power", &[]));
    assert_eq!((new.people.len(), new.organizations.as_slice(), places(&new)), (0, ["power".to_owned()].as_slice(), vec!["k1"]));
}

#[test]
fn office_and_ground_are_taken_as_they_were_claimed() {
    let story = Story::given(people());
    let office = v1::Office { area_id: "t1".into(), organization_id: "power".into(), title: String::new() };
    let context = |kind: BasisKind, reference: &str| v1::Context {
        actor_office: Some(office.clone()),
        basis: Some(v1::Basis { kind: kind.into(), reference: reference.into() }),
        ..Default::default()
    };
    let touched = |context: &v1::Context| story.state.touches(context, &command!(SwitchAutoFill { area_id: "v1", enabled: true }));
    let claimed = touched(&context(BasisKind::Document, "文〔2026〕1号"));
    let held = claimed.office.expect("it was claimed");
    assert_eq!(held.area.as_ref().map(path_end), Some("t1"));
    assert_eq!(held.organization_area.as_ref().map(path_end), Some("k1"));
    assert!(claimed.grounded);
    assert!(!touched(&context(BasisKind::Document, " ")).grounded, "a ground without a reference is none");
    assert!(!touched(&context(BasisKind::Unspecified, "x")).grounded);
}
