//! Areas, organizations and people in peacetime.

use muster_proto::v1::{self, AreaLevel, Availability, IncidentType, NeedKind, OrganizationKind, Severity};

use super::Story;
use super::town::{self, area, enroll};

#[test]
fn areas_are_one_tree() {
    let mut story = Story::given([]);
    story.when(area("k1", "c", AreaLevel::County)).then_rejected("unknown_area");
    story.when(area("c", "", AreaLevel::City)).then(["AreaDefined c"]);
    story.when(area("d", "", AreaLevel::City)).then_rejected("second_root");
    story.when(area("c", "c", AreaLevel::County)).then_rejected("already_exists");
    story.when(area("k1", "c", AreaLevel::County)).then(["AreaDefined k1"]);
    story.when(area("k2", "k1", AreaLevel::County)).then_rejected("level_not_below_parent");
    // Levels may be skipped.
    story.when(area("g1", "k1", AreaLevel::Grid)).then(["AreaDefined g1"]);
    story.when(area("v1", "g1", AreaLevel::Village)).then_rejected("level_not_below_parent");
}

#[test]
fn ids_of_areas_are_subject_tokens() {
    let mut story = Story::given([area("c", "", AreaLevel::City)]);
    for bad in ["a.b", "a:b", "a b", "_", "网格", "a/b", "*", ">", &"a".repeat(33)] {
        story.when(area(bad, "c", AreaLevel::County)).then_rejected("id_invalid");
    }
    story.when(area("", "c", AreaLevel::County)).then_rejected("field_missing");
    story.when(area(&"a".repeat(32), "c", AreaLevel::County)).events();
    story.when(command!(DefineArea { area_id: "x", parent_id: "c", level: AreaLevel::County })).then_rejected("field_missing");
    story.when(command!(DefineArea { area_id: "x", name: "x", parent_id: "c" })).then_rejected("field_missing");
    story.when(command!(DefineArea { area_id: "x", name: "x", parent_id: "c", level: 99 })).then_rejected("field_invalid");
    story
        .when(command!(DefineArea { area_id: "x", name: "长".repeat(201), parent_id: "c", level: AreaLevel::County }))
        .then_rejected("too_long");
}

#[test]
fn an_area_moves_with_all_below_it_but_never_below_itself() {
    let mut story = Story::given(town::people());
    story.when(command!(ReparentArea { area_id: "k1", parent_id: "t1" })).then_rejected("area_cycle");
    story.when(command!(ReparentArea { area_id: "t1", parent_id: "t1" })).then_rejected("area_cycle");
    story.when(command!(ReparentArea { area_id: "c", parent_id: "k1" })).then_rejected("area_cycle");
    story.when(command!(ReparentArea { area_id: "t1", parent_id: "v4" })).then_rejected("level_not_below_parent");
    story.when(command!(ReparentArea { area_id: "t1", parent_id: "k1" })).then_nothing();
    let moved = story.when(command!(ReparentArea { area_id: "t1", parent_id: "k2" })).then(["AreaReparented t1 k1 -> k2"]);
    assert_eq!(moved[0].other_area_ids, ["k1"], "the former parent is told");
    let path = story.state.area_path(story.state.base.areas.find("g1"));
    assert_eq!((&*path.county, &*path.township, &*path.village, &*path.grid), ("k2", "t1", "v1", "g1"));
}

#[test]
fn an_area_in_use_is_not_retired() {
    let mut story = Story::given(town::people());
    story.when(command!(RetireArea { area_id: "c" })).then_rejected("area_in_use");
    story.when(command!(RetireArea { area_id: "t1" })).then_rejected("area_in_use");
    story.when(command!(RetireArea { area_id: "v1" })).then_rejected("area_in_use");
    story.when(command!(RetireArea { area_id: "g1" })).then(["AreaRetired g1"]);
    story.when(command!(RetireArea { area_id: "g1" })).then_rejected("area_retired");
    story.when(enroll("new", "g1", "", &[])).then_rejected("area_retired");
    story.when(area("g1", "v1", AreaLevel::Grid)).then_rejected("already_exists");
}

#[test]
fn what_happens_in_an_area_keeps_it() {
    for busy in [
        town::draft("plan", "g1", IncidentType::Flood, Vec::new(), Vec::new()),
        town::draft(
            "plan",
            "v1",
            IncidentType::Flood,
            vec![town::plan_site("s", "g1", muster_proto::v1::ResponseLevel::Iv, &[])],
            Vec::new(),
        ),
        town::declare("i", IncidentType::Flood, "g1", Severity::Minor, ""),
        town::blow("w", "g1", Severity::Minor, vec![town::need("n", NeedKind::Supply, "", 1)]),
        enroll("new", "g1", "", &[]),
    ] {
        let mut story = Story::given(town::people());
        story.and([busy]);
        story.when(command!(RetireArea { area_id: "g1" })).then_rejected("area_in_use");
    }
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "g1", &[])]);
    story.when(command!(RetireArea { area_id: "g1" })).then_rejected("area_in_use");
    story.and([command!(CloseSite { site_id: "s" }), town::unit("u", "out", muster_proto::v1::UnitKind::ServiceTeam, "g1")]);
    story.when(command!(RetireArea { area_id: "g1" })).then_rejected("area_in_use");
    story.and([command!(DissolveUnit { unit_id: "u" })]);
    story.when(command!(RetireArea { area_id: "g1" })).then(["AreaRetired g1"]);
}

/// A whistle that went up keeps the area that has to answer it, also when the tree changes below.
#[test]
fn an_area_that_has_to_answer_a_whistle_is_not_retired() {
    let mut story = Story::given(town::people());
    story.and([town::blow("w", "g1", Severity::Minor, vec![town::need("n", NeedKind::Supply, "", 1)])]);
    story.and([command!(EscalateWhistle { whistle_id: "w" }), command!(ReparentArea { area_id: "g1", parent_id: "v2" })]);
    for name in ["a1", "a2", "a3", "a4", "a5", "a6"] {
        story.and([command!(ReportToCommunity { responder_id: name, area_id: "v2" })]);
    }
    story.when(command!(RetireArea { area_id: "v1" })).then_rejected("area_in_use");
    story.and([command!(ResolveWhistle { whistle_id: "w" })]);
    story.when(command!(RetireArea { area_id: "v1" })).then(["AreaRetired v1"]);
}

#[test]
fn switching_twice_changes_nothing() {
    let mut story = Story::given(town::areas());
    story.when(command!(SwitchAutoFill { area_id: "v1", enabled: true })).then(["AutoFillSwitched"]);
    story.when(command!(SwitchAutoFill { area_id: "v1", enabled: true })).then_nothing();
    story.when(command!(SwitchAutoFill { area_id: "nowhere", enabled: true })).then_rejected("unknown_area");
}

#[test]
fn organizations_are_registered_tied_and_keep_people_back() {
    let mut story = Story::given(town::people());
    let hospital =
        |id: &str| command!(RegisterOrganization { organization_id: id, name: "医院", kind: OrganizationKind::Hospital, area_id: "k1" });
    story.when(hospital("power")).then_rejected("already_exists");
    story.when(hospital("h/1")).then_rejected("id_invalid");
    story.when(hospital("h.1")).then(["OrganizationRegistered h.1"]);
    story.when(command!(TieToArea { organization_id: "power", area_id: "v1" })).then(["OrganizationTiedToArea power v1"]);
    story.when(command!(TieToArea { organization_id: "power", area_id: "v1" })).then_nothing();
    story.when(command!(TieToArea { organization_id: "none", area_id: "v1" })).then_rejected("unknown_organization");
    let keep = |ids: &[&str]| {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        command!(ReservePeople { organization_id: "power", responder_ids: ids })
    };
    story.when(keep(&["e1", "a1"])).then_rejected("not_of_organization");
    story.when(keep(&["e1", "e1"])).then_rejected("already_exists");
    story.when(keep(&["e1", "e2"])).then(["PeopleReserved power e1,e2"]);
    // The list is replaced, and whoever leaves the organization leaves the list.
    story.when(keep(&["e2", "e3"])).then(["PeopleReserved power e2,e3"]);
    story.and([hospital("h2"), command!(TransferResponder { responder_id: "e2", organization_id: "h2" })]);
    let reserved = |id: &str| story.state.base.responders.get(story.state.base.responders.find(id).unwrap()).reserved;
    assert_eq!(["e1", "e2", "e3"].map(reserved), [false, false, true]);
}

#[test]
fn an_area_has_a_place_on_the_map_its_own_or_that_of_one_above() {
    let mut story = Story::given([area("c", "", AreaLevel::City)]);
    let county = |id: &str, latitude_e7: i32, longitude_e7: i32| {
        let location = v1::GeoPoint { latitude_e7, longitude_e7 };
        command!(DefineArea { area_id: id, name: id, level: AreaLevel::County, parent_id: "c", location: location })
    };
    story.when(county("k", 1_100_000_000, 212_700_000)).then_rejected("field_invalid");
    story.when(county("k", 212_700_000, -1_800_000_001)).then_rejected("field_invalid");
    story.and([county("k1", 212_710_000, 1_103_590_000), county("k2", 216_110_000, 1_102_870_000), area("t1", "k1", AreaLevel::Township)]);
    assert_eq!(story.state.metres_between("k1", "k2"), Some(38_535));
    assert_eq!(story.state.metres_between("t1", "k2"), Some(38_535), "a township without a place is where its county is");
    assert_eq!(story.state.metres_between("k1", "k1"), Some(0));
    assert_eq!(story.state.metres_between("k1", "c"), None, "the city has no place");
    assert_eq!(story.state.metres_between("k1", "nowhere"), None);
}

#[test]
fn an_organization_has_office_holders_who_can_be_rung_up() {
    let mut story = Story::given(town::people());
    let named = |title: &str, who: &str| command!(NameOfficeHolder { organization_id: "power", title: title, responder_id: who });
    story
        .when(command!(NameOfficeHolder { organization_id: "none", title: "负责人", responder_id: "e1" }))
        .then_rejected("unknown_organization");
    story.when(named(" ", "e1")).then_rejected("field_missing");
    story.when(named("负责人", "nobody")).then_rejected("unknown_responder");
    story.when(named("负责人", "")).then_nothing();
    story.when(named("负责人", "e1")).then(["OfficeHolderNamed power 负责人  -> e1"]);
    story.when(named("负责人", "e1")).then_nothing();
    story.when(named("值班电话联系人", "a1")).then(["OfficeHolderNamed power 值班电话联系人  -> a1"]);
    story.when(named("负责人", "e2")).then(["OfficeHolderNamed power 负责人 e1 -> e2"]);
    assert_eq!(story.state.office_holders("power"), [("负责人", "e2"), ("值班电话联系人", "a1")]);
    // Who withdraws cannot be rung up any more.
    story.and([command!(WithdrawResponder { responder_id: "e2" })]);
    assert_eq!(story.state.office_holders("power"), [("值班电话联系人", "a1")]);
    story.when(named("负责人", "e2")).then_rejected("responder_withdrawn");
    story.when(named("值班电话联系人", "")).then(["OfficeHolderNamed power 值班电话联系人 a1 -> "]);
    assert!(story.state.office_holders("power").is_empty());
    for number in 0..64 {
        story.and([named(&format!("职务{number}"), "e1")]);
    }
    story.when(named("职务64", "e1")).then_rejected("too_many");
}

#[test]
fn one_id_is_one_person_with_one_home() {
    let mut story = Story::given(town::people());
    story.when(enroll("a1", "v2", "", &[])).then_rejected("already_exists");
    story.when(enroll("x", "", "", &[])).then_rejected("field_missing");
    story.when(enroll("x", "nowhere", "", &[])).then_rejected("unknown_area");
    story.when(enroll("x", "", "nobody", &[])).then_rejected("unknown_organization");
    story.when(command!(EnrollResponder { responder_id: "x", area_id: "v1", kind: 1 })).then_rejected("field_missing");
    let moved =
        story.when(command!(ReportToCommunity { responder_id: "a1", area_id: "v2" })).then(["ResponderReportedToCommunity a1 v1 -> v2"]);
    assert_eq!(moved[0].other_area_ids, ["v1"]);
    story.when(command!(ReportToCommunity { responder_id: "a1", area_id: "v2" })).then_nothing();
    story.when(command!(TransferResponder { responder_id: "e1", organization_id: "power" })).then_nothing();
    story.when(command!(TransferResponder { responder_id: "a1", organization_id: "power" })).then(["ResponderTransferred a1  -> power"]);
    story.when(command!(SetSpecialties { responder_id: "a1", specialties: ["".to_owned()] })).then_rejected("field_missing");
    story.when(command!(SetSpecialties { responder_id: "a1", specialties: vec!["x".to_owned(); 65] })).then_rejected("too_many");
    story.when(command!(SetSpecialties { responder_id: "a1", specialties: ["驾驶".to_owned()] })).then(["SpecialtiesSet a1 驾驶"]);
    let absent = |from_ms: i64, until_ms: i64| {
        command!(SetAvailability { responder_id: "a1", availability: Availability::Travel, from_ms: from_ms, until_ms: until_ms })
    };
    story.when(absent(5, 5)).then_rejected("period_invalid");
    story.when(absent(5, 0)).then(["AvailabilitySet a1 Travel"]);
}

#[test]
fn who_has_withdrawn_is_never_called() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["a"])]);
    let withdraw = || command!(WithdrawResponder { responder_id: "a1", reason: "迁出" });
    story.when(withdraw()).then(["ResponderWithdrawn a1"]);
    story.when(withdraw()).then_rejected("responder_withdrawn");
    story.when(town::dispatch("a1", "s", "a")).then_rejected("responder_withdrawn");
    story.when(command!(ReportToCommunity { responder_id: "a1", area_id: "v2" })).then_rejected("responder_withdrawn");
    story.when(enroll("a1", "v1", "", &[])).then_rejected("already_exists");
}
