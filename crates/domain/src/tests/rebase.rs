//! 无缝对接 when the plan or the people change during an incident: nobody on post is taken off, and whoever has not come gives way.

use muster_proto::Command;
use muster_proto::v1::{self, DutyRole, IncidentType, ResponseLevel, UnitKind};

use super::Story;
use super::town::{self, check_in, check_out, convert, draft, plan_site, plan_unit, post, publish, stand_down};
use DutyRole::{Member, Organizer, Secretary, Standby};
use ResponseLevel::{Iii, Iv};

fn converted() -> Story {
    let mut story = Story::given(town::town());
    story.and([town::outbreak(), convert("out", "v1", Iii)]);
    story
}

/// The second version of `out-v1`: a4 and a3 change seats, the organizer is b3, the branch has a team more and the gate a seat more.
fn second_version() -> Vec<Command> {
    let sites = vec![
        plan_site("hq", "v1", Iv, &[("desk", Iv), ("guard", Iii)]),
        plan_site("gate", "g1", Iii, &[("n1", Iii), ("n3", Iii)]),
        plan_site("tent", "v1", Iii, &[("t1", Iii)]),
    ];
    let units = vec![
        plan_unit("br", UnitKind::TemporaryBranch, "v1", "", "hq", Iv),
        plan_unit("team", UnitKind::VanguardTeam, "g1", "br", "gate", Iii),
        plan_unit("help", UnitKind::ServiceTeam, "v1", "br", "tent", Iii),
    ];
    vec![
        draft("out-v1", "v1", IncidentType::Outbreak, sites, units),
        post("out-v1", Iv, Secretary, ["br", "hq", "desk"], "a1", &["a6"]),
        post("out-v1", Iv, Organizer, ["br", "", ""], "b3", &[]),
        post("out-v1", Iii, Member, ["team", "gate", "n1"], "a4", &["b1", "b2"]),
        post("out-v1", Iii, Member, ["br", "hq", "guard"], "a3", &[]),
        post("out-v1", Iii, Member, ["help", "tent", "t1"], "d1", &[]),
    ]
}

#[test]
fn a_new_version_takes_the_place_of_the_one_that_is_converted() {
    let mut story = converted();
    story.and(second_version());
    story.when(publish("out-v1")).then([
        "PlanPublished out-v1@2 5",
        "DutyReleased c2 PlanChanged",
        "DutyReleased c3 PlanChanged",
        "DutyReleased c4 PlanChanged",
        "StandbyEnded a5",
        "ConversionRebased out-v1@1 -> 2",
        "RequirementSet out/out-v1/gate [n1,n3]",
        "SiteOpened out/out-v1/tent [t1]",
        "UnitEstablished out/out-v1/help below out/out-v1/br",
        "ResponderCalled c5 b3 - PlanPrimary",
        "OrganizerAppointed out/out-v1/br b3",
        "ResponderCalled c6 a4 out/out-v1/gate#n1 PlanPrimary",
        "ResponderCalled c7 a3 out/out-v1/hq#guard PlanPrimary",
        "ResponderCalled c8 d1 out/out-v1/tent#t1 PlanPrimary",
        "GapRecorded out/out-v1/gate#n3 nobody NoDesignation",
    ]);
    // Raised again, it is the new version that is raised, and the end takes all of it off.
    story.when(stand_down("out", "v1")).then_among(["SiteClosed out/out-v1/tent", "UnitDissolved out/out-v1/help", "AreaStoodDown out-v1"]);
}

/// Somebody whom the new version names for standing by at a higher level only stood by at this one.
#[test]
fn who_stands_by_from_a_higher_level_on_stands_by_no_more() {
    let mut story = converted();
    let mut version = second_version();
    version.push(post("out-v1", ResponseLevel::Ii, Standby, ["br", "", ""], "a5", &[]));
    story.and(version);
    story.when(publish("out-v1")).then_among(["StandbyEnded a5", "ConversionRebased out-v1@1 -> 2"]);
    story.when(convert("out", "v1", ResponseLevel::Ii)).then_among(["ResponderPutOnStandby a5"]);
}

#[test]
fn who_is_on_post_stays_until_relieved() {
    let mut story = converted();
    story.and([check_in("a3", "out/out-v1/gate"), check_in("a4", "out/out-v1/hq")]);
    story.and(second_version());
    let events = super::lines(&story.when(publish("out-v1")).events());
    assert!(!events.iter().any(|line| line.starts_with("DutyReleased c3") || line.starts_with("DutyReleased c4")), "{events:#?}");
    assert!(!events.iter().any(|line| line.contains("gate#n1") || line.contains("hq#guard")), "{events:#?}");
    // Whoever leaves the post then is followed by whom the new version names.
    story.and([command!(RecallResponder { call_id: "c4", reason: "换岗" })]);
    story.when(check_out("a4", "out/out-v1/hq")).then(["CheckedOut a4 out/out-v1/hq", "DutyReleased c4 Recalled"]);
}

#[test]
fn parts_that_the_version_has_no_more_go_when_they_are_empty() {
    let mut story = converted();
    story.and([check_in("a3", "out/out-v1/gate")]);
    let sites = vec![plan_site("hq", "v1", Iv, &[("desk", Iv)])];
    let units = vec![plan_unit("br", UnitKind::TemporaryBranch, "v1", "", "hq", Iv)];
    story.and([
        draft("out-v1", "v1", IncidentType::Outbreak, sites, units),
        post("out-v1", Iv, Secretary, ["br", "hq", "desk"], "a1", &["a6"]),
        post("out-v1", Iv, Organizer, ["br", "", ""], "a2", &[]),
        post("out-v1", Iv, Standby, ["br", "", ""], "a5", &[]),
    ]);
    story.when(publish("out-v1")).then([
        "PlanPublished out-v1@2 3",
        "DutyReleased c4 PlanChanged",
        "ConversionRebased out-v1@1 -> 2",
        "RequirementSet out/out-v1/hq [desk]",
    ]);
    story.and([command!(RecallResponder { call_id: "c3", reason: "撤点" })]);
    story.when(check_out("a3", "out/out-v1/gate")).then([
        "CheckedOut a3 out/out-v1/gate",
        "DutyReleased c3 Recalled",
        "SiteClosed out/out-v1/gate",
        "UnitDissolved out/out-v1/team",
    ]);
    // A part that comes again with a later version is another one.
    story.and(second_version());
    story
        .when(publish("out-v1"))
        .then_among(["SiteOpened out/out-v1@3/gate [n1,n3]", "UnitEstablished out/out-v1@3/team below out/out-v1/br"]);
}

#[test]
fn a_conversion_that_is_being_taken_off_keeps_its_version() {
    let mut story = converted();
    story.and([check_in("a3", "out/out-v1/gate"), stand_down("out", "v1")]);
    story.and(second_version());
    story.when(publish("out-v1")).then(["PlanPublished out-v1@2 5"]);
}

#[test]
fn people_kept_back_by_their_organization_give_way_and_come_back() {
    let mut story = Story::given(town::people());
    story.and([
        draft("p", "k1", IncidentType::Outbreak, vec![plan_site("hq", "k1", Iv, &[("desk", Iv), ("late", Iv)])], vec![]),
        post("p", Iv, Member, ["", "hq", "desk"], "e1", &["a1"]),
        post("p", Iv, Member, ["", "hq", "late"], "e2", &[]),
        publish("p"),
        town::outbreak(),
        convert("out", "k1", Iv),
        check_in("e2", "out/p/hq"),
    ]);
    let reserve = |ids: &[&str]| {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        command!(ReservePeople { organization_id: "power", responder_ids: ids })
    };
    story.when(reserve(&["e1", "e2"])).then([
        "PeopleReserved power e1,e2",
        "DutyReleased c1 Reserved",
        "ResponderCalled c3 a1 out/p/hq#desk PlanBackup",
    ]);
    story.and([town::decline("c3")]);
    story.when(reserve(&["e2"])).then(["PeopleReserved power e2", "ResponderCalled c4 e1 out/p/hq#desk PlanPrimary"]);
}

#[test]
fn who_moves_away_gives_way_where_another_can_come() {
    let mut story = converted();
    let move_to = |who: &str, area: &str| command!(ReportToCommunity { responder_id: who, area_id: area });
    story.when(move_to("a3", "v3")).then([
        "ResponderReportedToCommunity a3 v1 -> v3",
        "DutyReleased c3 MovedAway",
        "ResponderCalled c5 b1 out/out-v1/gate#n1 PlanBackup",
    ]);
    // Nobody else is named for the guard: an empty seat helps nobody.
    story.when(move_to("a4", "v3")).then(["ResponderReportedToCommunity a4 v1 -> v3"]);
    // On post one stays.
    story.and([check_in("a1", "out/out-v1/hq")]);
    story.when(move_to("a1", "v3")).then(["ResponderReportedToCommunity a1 v1 -> v3"]);
}

#[test]
fn a_lost_specialty_gives_the_seat_to_the_next() {
    let mut story = Story::given(town::people());
    let mut site = plan_site("hq", "v1", Iv, &[("aid", Iv)]);
    site.seats[0].specialty = "medic".to_owned();
    story.and([
        draft("p", "v1", IncidentType::Outbreak, vec![site], vec![]),
        post("p", Iv, Member, ["", "hq", "aid"], "a5", &["b3"]),
        publish("p"),
        town::outbreak(),
        convert("out", "v1", Iv),
    ]);
    let set = |who: &str, names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        command!(SetSpecialties { responder_id: who, specialties: names })
    };
    story.when(set("a5", &["medic", "driver"])).then(["SpecialtiesSet a5 medic,driver"]);
    story.when(set("a5", &["driver"])).then([
        "SpecialtiesSet a5 driver",
        "DutyReleased c1 SpecialtyLost",
        "ResponderCalled c2 b3 out/p/hq#aid PlanBackup",
    ]);
    story.and([check_in("b3", "out/p/hq")]);
    story.when(set("b3", &[])).then(["SpecialtiesSet b3 "]);
}

/// Whoever had given a seat up for want of its specialty was called to it again once the area resumed.
#[test]
fn a_lost_specialty_stays_lost() {
    let mut story = Story::given(town::people());
    let mut gate = plan_site("gate", "v1", Iv, &[("aid", Iv)]);
    gate.seats[0].specialty = "medic".to_owned();
    story.and([
        draft("p", "v1", IncidentType::Outbreak, vec![gate], vec![]),
        post("p", Iv, Member, ["", "gate", "aid"], "a5", &[]),
        publish("p"),
        town::outbreak(),
        convert("out", "v1", Iv),
    ]);
    let set = |names: Vec<String>| command!(SetSpecialties { responder_id: "a5", specialties: names });
    story.and([set(vec![])]);
    let resume = || command!(ResumeArea { incident_id: "out", area_id: "v1" });
    let recall = || command!(RecallArea { incident_id: "out", area_id: "v1", reason: "台风" });
    story.and([recall()]);
    story.when(resume()).then_among(["SiteResumed out/p/gate", "GapRecorded out/p/gate#aid a5 SpecialtyLost"]);
    // Until it is there again.
    story.and([set(vec!["medic".to_owned()]), recall()]);
    story.when(resume()).then_among(["SiteResumed out/p/gate", "ResponderCalled c2 a5 out/p/gate#aid PlanPrimary"]);
}

/// Whoever stood by was called to a seat that was added, straight from twelve hours of work for another incident.
#[test]
fn who_stands_by_is_called_rested() {
    let mut story = converted();
    story.and([town::declare("typ", IncidentType::Typhoon, "c", v1::Severity::Moderate, "")]);
    story.and([town::site("t", "typ", "v1", &["x"]), town::dispatch("a5", "t", "x"), check_in("a5", "t")]);
    let _ = story.after_minutes(12 * 60);
    story.and([town::check_out("a5", "t"), command!(RecallResponder { call_id: "c5" })]);
    let seat = |id: &str| v1::Seat { seat_id: id.to_owned(), ..Default::default() };
    let set =
        |ids: &[&str]| command!(SetRequirement { site_id: "out/out-v1/gate", seats: ids.iter().map(|id| seat(id)).collect::<Vec<_>>() });
    let key = story.state.base.responders.find("a5").unwrap();
    assert!(story.state.ops.incidents.iter().any(|(_, incident)| incident.standby.contains_key(&key)), "a5 still stands by");
    story.when(set(&["n1", "extra"])).then_among(["GapRecorded out/out-v1/gate#extra nobody NoDesignation"]);
    let _ = story.after_minutes(12 * 60);
    story.when(set(&["n1", "extra", "more"])).then_among(["ResponderCalled c9 a5 out/out-v1/gate#more PlanBackup"]);
}

#[test]
fn a_seat_that_is_added_is_taken_by_who_stands_by() {
    let mut story = converted();
    let seats =
        |ids: &[&str]| -> Vec<v1::Seat> { ids.iter().map(|id| v1::Seat { seat_id: (*id).to_owned(), ..Default::default() }).collect() };
    let set = |ids: &[&str]| command!(SetRequirement { site_id: "out/out-v1/gate", seats: seats(ids) });
    story.when(set(&["n1", "extra", "more"])).then([
        "RequirementSet out/out-v1/gate [n1,extra,more]",
        "StandbyEnded a5",
        "ResponderCalled c5 a5 out/out-v1/gate#extra PlanBackup",
        "GapRecorded out/out-v1/gate#more nobody NoDesignation",
    ]);
    // A seat of the plan that was taken away and comes back is its designation's.
    story.and([town::decline("c3"), town::decline("c6"), town::decline("c7"), set(&["extra"])]);
    story
        .when(command!(SetAvailability { responder_id: "a3", availability: v1::Availability::Available }))
        .then(["AvailabilitySet a3 Available"]);
    story.when(set(&["extra", "n1"])).then_among(["ResponderCalled c8 a3 out/out-v1/gate#n1 PlanPrimary"]);
}
