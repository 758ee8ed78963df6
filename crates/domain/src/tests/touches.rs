//! What commands touch: where they take effect, whom and what they speak of. Unknown things are left out, and nothing is refused.

use muster_proto::v1::{BasisKind, UnitKind};
use muster_proto::{Touched, UnitLine, path_end};

use super::town::{blow, check_in, dispatch, outbreak, people, site, town, unit};
use super::*;

fn touches(story: &Story, command: &Command) -> Touched {
    story.state.touches(&v1::Context::default(), command)
}

fn places(touched: &Touched) -> Vec<&str> {
    touched.places.iter().map(path_end).collect()
}

fn homes(touched: &Touched) -> Vec<(&str, &str)> {
    touched.homes.iter().map(|home| (path_end(&home.area), home.incident.as_str())).collect()
}

fn line(line: &UnitLine) -> Vec<(&str, &str)> {
    line.iter().map(|unit| (unit.id.as_str(), path_end(&unit.area))).collect()
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
    assert_eq!((places(&own), homes(&own)), (vec!["v3"], vec![("v3", "out")]), "the home is let go for an incident");
    assert_eq!(line(&own.people[0].units[0]), [("team", "v3"), ("top", "t2")], "with the units above");
    let foreign = touches(&story, &dispatch("a1", "s", "1"));
    assert_eq!((places(&foreign), homes(&foreign)), (vec!["v3"], vec![("v1", "out")]));
    let released = |by: &str| {
        touches(&story, &command!(DispatchResponder { responder_id: "a1", site_id: "s", seat_id: "1", released_by_area_id: by }))
    };
    assert_eq!((places(&released("t1")), homes(&released("t1"))), (vec!["v3", "t1"], vec![]));
    assert_eq!(released("t1").people[0].id, "a1");
    // An area that the home does not lie in lets nobody go.
    assert_eq!((places(&released("t2")), homes(&released("t2"))), (vec!["v3", "t2"], vec![("v1", "out")]));
}

#[test]
fn whoever_is_moved_is_touched_at_home() {
    let mut story = outbreak_with_site();
    story.and([dispatch("d1", "s", "1")]);
    let relief = touches(&story, &command!(RelieveResponder { call_id: "c1", by_responder_id: "a1" }));
    assert_eq!((places(&relief), homes(&relief)), (vec!["v3"], vec![("v1", "out")]));
    let attached = touches(&story, &command!(AttachResponder { unit_id: "team", responder_id: "a1" }));
    assert_eq!((places(&attached), homes(&attached)), (vec!["v3"], vec![("v1", "out")]));
    let reported = touches(&story, &town::moves_to("a1", "v3"));
    assert_eq!(places(&reported), ["v1", "v3"], "where they are now, and where they go");
    let answers_for = touches(&story, &command!(AssignResponsibility { responder_id: "a1", area_id: "v3" }));
    assert_eq!(places(&answers_for), ["v1", "v3"]);
    let named = touches(&story, &command!(DesignatePost { plan_id: "none", responder_id: "a1", backup_ids: vec!["b1".to_owned()] }));
    assert_eq!(places(&named), ["v1", "v2"], "a conversion calls them without a further word");
    let established =
        touches(&story, &command!(EstablishUnit { unit_id: "u", incident_id: "out", area_id: "v1", site_id: "s", parent_unit_id: "top" }));
    assert_eq!(places(&established), ["v1", "v3"]);
}

#[test]
fn a_group_touches_what_it_selects_by() {
    let mut story = outbreak_with_site();
    story.and([town::whistle_for(2)]);
    let group = |selection: v1::GroupSelection, released_by: &str| {
        touches(&story, &command!(CallGroup { selection: selection, site_id: "s", released_by_area_id: released_by }))
    };
    let named = v1::GroupSelection { responder_ids: vec!["a1".into(), "a2".into(), "b1".into()], ..Default::default() };
    assert_eq!(homes(&group(named.clone(), "")), [("v1", "out"), ("v2", "out")]);
    assert_eq!((places(&group(named.clone(), "v1")), homes(&group(named, "v1"))), (vec!["v3", "v1"], vec![("v2", "out")]));
    let area = v1::GroupSelection { area_id: "v4".into(), organization_id: "power".into(), ..Default::default() };
    assert_eq!((homes(&group(area.clone(), "")), homes(&group(area, "k2"))), (vec![("v4", "out")], vec![]));
    let organization = v1::GroupSelection { organization_id: "power".into(), ..Default::default() };
    let found = group(organization, "");
    assert_eq!((homes(&found), found.organizations.as_slice()), (vec![("k1", "out")], ["power".to_owned()].as_slice()));
    let unit = v1::GroupSelection { unit_id: "top".into(), ..Default::default() };
    let found = group(unit, "");
    assert_eq!((homes(&found), line(&found.units[0])), (vec![("t2", "out")], vec![("top", "t2")]));
    let proposed =
        v1::FillLine { whistle_id: "w".into(), responder_id: "a1".into(), runner_up_responder_id: "f1".into(), ..v1::FillLine::default() };
    let proposal = touches(&story, &command!(ProposeFill { area_id: "v1", lines: vec![proposed] }));
    assert_eq!((places(&proposal), homes(&proposal)), (vec!["v1"], vec![("v1", ""), ("v4", "")]), "a whistle of no incident");
}

/// A refusal moves nobody, and yet it was asked for the right over the home of whoever was proposed.
#[test]
fn a_refused_line_touches_no_home() {
    let mut story = Story::given(people());
    story.and([blow("w", "v1", v1::Severity::Minor, vec![town::need("n", v1::NeedKind::Person, "", 1)])]);
    let line = |id: &str, who: &str| v1::FillLine {
        line_id: id.into(),
        whistle_id: "w".into(),
        need_id: "n".into(),
        responder_id: who.into(),
        ..v1::FillLine::default()
    };
    story.and([command!(ProposeFill { proposal_id: "p", area_id: "k1", lines: vec![line("1", "d1")] })]);
    let decide = |choice: v1::FillChoice| {
        let decision = v1::FillDecision { line_id: "1".into(), choice: choice.into(), ..v1::FillDecision::default() };
        touches(&story, &command!(DecideFill { proposal_id: "p", decisions: vec![decision] }))
    };
    let (confirmed, refused) = (decide(v1::FillChoice::Accept), decide(v1::FillChoice::Refuse));
    assert_eq!((places(&confirmed), homes(&confirmed)), (vec!["k1", "v1"], vec![("v3", "")]));
    assert_eq!((places(&refused), homes(&refused), refused.people.len()), (vec!["k1", "v1"], vec![], 0));
}

#[test]
fn shifts_and_whistles_touch_the_unit() {
    let mut story = outbreak_with_site();
    story.and([command!(EstablishUnit {
        unit_id: "guard",
        incident_id: "out",
        kind: UnitKind::VanguardTeam,
        name: "guard",
        area_id: "v3",
        site_id: "s",
    })]);
    let seat = |seat_id: &str, who: &str| v1::ShiftLine { seat_id: seat_id.into(), responder_id: who.into() };
    let until_ms = story.now_ms + 4 * 60 * MINUTE_MS;
    let open = |lines: Vec<v1::ShiftLine>| command!(OpenShift { site_id: "s", minimum: 1_u32, until_ms: until_ms, lines: lines });
    let opened = touches(&story, &open(vec![seat("1", "d1"), seat("2", "a1")]));
    assert_eq!((homes(&opened), opened.people.len()), (vec![("v1", "out"), ("v3", "out")], 2));
    assert_eq!(opened.around.iter().map(line).collect::<Vec<_>>(), [[("guard", "v3")]], "the unit that stands at the site");
    story.and([open(vec![seat("1", "d1")])]);
    for shift in [command!(CloseShift { shift_id: "s~1" }), command!(OpenShift { site_id: "s", shift_id: "s~1" })] {
        let touched = touches(&story, &shift);
        let people: Vec<_> = touched.people.iter().map(|person| (person.id.as_str(), line(&person.units[0]))).collect();
        assert_eq!((places(&touched), people), (vec!["v3"], vec![("d1", vec![("team", "v3"), ("top", "t2")])]), "{shift:?}");
    }
    let swap = touches(&story, &command!(SwapShift { shift_id: "s~1", responder_id: "d1", other_responder_id: "a1" }));
    assert_eq!((swap.people.len(), homes(&swap)), (1, vec![("v1", "out")]), "who takes over is moved, and does not speak");
    let blown = |incident: &str, area: &str| {
        let touched = touches(&story, &command!(BlowWhistle { whistle_id: "w", incident_id: incident, area_id: area }));
        touched.around.iter().map(|line| line[0].id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(blown("out", "v3"), ["top", "team", "guard"]);
    assert_eq!(blown("", "v3"), ["top", "team", "guard"]);
    assert_eq!(blown("none", "v3"), Vec::<String>::new());
    assert_eq!(blown("out", "t2"), ["top"], "only in its own area");
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

/// The shelters that wait for a person, wherever they are, and not the unit's own area.
#[test]
fn who_is_confirmed_safe_touches_the_recalled_areas_and_the_person_with_the_unit() {
    let mut story = outbreak_with_site();
    story.and([site("far", "out", "v1", &["1"]), check_in("d1", "far")]);
    story.and([command!(RecallArea { incident_id: "out", area_id: "v1", reason: "台风登陆" })]);
    let touched = touches(&story, &command!(ConfirmSafe { incident_id: "out", responder_ids: vec!["d1".to_owned()] }));
    assert_eq!((places(&touched), homes(&touched), touched.units.len()), (vec!["v1"], vec![], 0));
    assert_eq!((touched.people[0].id.as_str(), line(&touched.people[0].units[0])), ("d1", vec![("team", "v3"), ("top", "t2")]));
}

/// The organization whose place it was, and the people whom it names, wherever they are at home.
#[test]
fn a_nomination_touches_the_call_and_the_homes_of_those_named() {
    let mut story = outbreak_with_site();
    story.and([command!(CallOrganization { organization_id: "power", site_id: "s", quantity: 1_u32 })]);
    let touched = touches(&story, &command!(NominatePeople { call_id: "o1", responder_ids: vec!["a1".to_owned(), "d1".to_owned()] }));
    let people: Vec<_> = touched.people.iter().map(|person| person.id.as_str()).collect();
    assert_eq!((touched.organizations.as_slice(), people), (["power".to_owned()].as_slice(), vec!["a1", "d1"]));
    assert_eq!(homes(&touched), [("v1", "out"), ("v3", "out")], "of another area too");
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
