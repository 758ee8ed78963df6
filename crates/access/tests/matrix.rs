//! The whole matrix: every role with every command, in its own scope, below it, beside it and above it, against the table
//! that is written out by hand in `rights.txt`; and the words of each refusal.
#![allow(clippy::unwrap_used)]

mod written;

use std::collections::{BTreeMap, BTreeSet};

use muster_access::{Action, Denial, Grant, Opened, Principal, Reach, Role, Scope, commands, may, reach, view_right, views};
use muster_proto::v1::AreaPath;
use muster_proto::{COMMAND_NAMES, Touched, TouchedHome, TouchedOffice, TouchedPerson, TouchedUnit, UnitLine};
use written::{VIEW, Written, lines, role_of, written};

/// `c/k1/t1/v1/g1`: a path from the city down.
fn path(text: &str) -> AreaPath {
    let mut ids = text.split('/').map(str::to_owned);
    let mut next = || ids.next().unwrap_or_default();
    AreaPath { city: next(), county: next(), township: next(), village: next(), grid: next() }
}

fn place(text: &str) -> Touched {
    Touched { places: vec![path(text)], ..Touched::default() }
}

fn principal(grants: &[&str]) -> Principal {
    let grants = grants.iter().map(|grant| grant.parse::<Grant>().unwrap()).collect();
    Principal { id: "token:1".into(), person: "p".into(), grants, expires_at_ms: None }
}

/// Units with those above them, nearest first: `top` stands in the county, `u3` in the township t2, the others in t1.
fn line(units: &[&str]) -> UnitLine {
    let area = |unit: &str| match unit {
        "top" => "c/k1",
        "u3" => "c/k1/t2",
        _ => "c/k1/t1",
    };
    units.iter().map(|unit| TouchedUnit { id: (*unit).to_owned(), area: path(area(unit)) }).collect()
}

fn person(id: &str, organization: &str, units: &[&str]) -> TouchedPerson {
    let units = if units.is_empty() { Vec::new() } else { vec![line(units)] };
    TouchedPerson { id: id.into(), organization: organization.into(), units }
}

/// One role in its usual scope, and what lies in it, below it, beside it and above it.
struct Seat {
    role: Role,
    grant: &'static str,
    own: Touched,
    below: Option<Touched>,
    beside: Vec<Touched>,
}

fn area_seat(role: Role, grant: &'static str, own: &str, below: &str, beside: &[&str]) -> Seat {
    Seat { role, grant, own: place(own), below: Some(place(below)), beside: beside.iter().map(|text| place(text)).collect() }
}

fn home(text: &str, incident: &str) -> TouchedHome {
    TouchedHome { area: path(text), incident: incident.into() }
}

fn people(people: Vec<TouchedPerson>) -> Touched {
    Touched { places: vec![path("c/k1/t1/v1")], people, ..Touched::default() }
}

fn seats() -> Vec<Seat> {
    let county = |role, grant| area_seat(role, grant, "c/k1", "c/k1/t1", &["c", "c/k2", "c/k2/t3"]);
    let organizations = |id: &str| Touched { organizations: vec![id.into()], places: vec![path("c/k1")], ..Touched::default() };
    let unit = |units: &[&str]| Touched { units: vec![line(units)], places: vec![path("c/k1/t1")], ..Touched::default() };
    let around = |lines: &[&[&str]]| Touched { around: lines.iter().map(|units| line(units)).collect(), ..place("c/k1/t1/v1") };
    let elsewhere = |touched: Touched| Touched { places: vec![path("c/k1/t1"), path("c/k1/t2")], ..touched };
    let from_elsewhere = |touched: Touched| Touched { homes: vec![home("c/k1/t2/v2", "i")], ..touched };
    let unit_seat = |role, grant| Seat {
        role,
        grant,
        own: unit(&["u1", "top"]),
        below: Some(people(vec![person("r9", "", &["u2", "u1", "top"])])),
        beside: vec![
            unit(&["top"]),
            unit(&["u3", "top"]),
            people(vec![person("r9", "", &["u3", "top"])]),
            place("c/k1/t1"),
            around(&[&["u3", "top"], &["top"]]),
            elsewhere(unit(&["u1", "top"])),
            elsewhere(around(&[&["u1"]])),
            from_elsewhere(unit(&["u1", "top"])),
        ],
    };
    vec![
        county(Role::Headquarters, "headquarters@area:k1"),
        county(Role::OrganizationDepartment, "organization_department@area:k1"),
        area_seat(Role::Township, "township@area:t1", "c/k1/t1", "c/k1/t1/v1", &["c", "c/k1", "c/k1/t2", "c/k2/t3"]),
        area_seat(Role::Community, "community@area:v1", "c/k1/t1/v1", "c/k1/t1/v1/g1", &["c/k1/t1", "c/k1/t1/v2", "c/k2/t3/v4"]),
        Seat {
            role: Role::Department,
            grant: "department@organization:o1",
            own: organizations("o1"),
            below: Some(people(vec![person("r1", "o1", &[]), person("r2", "o1", &[])])),
            beside: vec![organizations("o2"), people(vec![person("r1", "o1", &[]), person("r3", "o2", &[])]), place("c/k1")],
        },
        unit_seat(Role::Secretary, "secretary@unit:u1"),
        unit_seat(Role::Organizer, "organizer@unit:u1"),
        Seat {
            role: Role::Responder,
            grant: "responder@responder:r1",
            own: people(vec![person("r1", "o1", &["u1"])]),
            below: None,
            beside: vec![
                people(vec![person("r2", "o1", &["u1"])]),
                people(vec![person("r1", "", &[]), person("r2", "", &[])]),
                place("c/k1"),
            ],
        },
        county(Role::Auditor, "auditor@area:k1"),
        county(Role::Analyst, "analyst@area:k1"),
        county(Role::Console, "console@area:k1"),
    ]
}

fn code(principal: &Principal, command: &str, touched: &Touched) -> &'static str {
    match may(principal, Action::Command(command), touched, &[]) {
        Ok(granted) if granted.overriding => "overriding",
        Ok(_) => "granted",
        Err(denial) => denial.code(),
    }
}

fn grounded(touched: &Touched) -> Touched {
    Touched { grounded: true, ..touched.clone() }
}

#[test]
fn every_role_and_command_is_as_written() {
    let written = written();
    for seat in seats() {
        let who = principal(&[seat.grant]);
        for (name, rights) in &written {
            let right = rights.get(&seat.role).copied().unwrap_or(Written::No);
            let found = |touched: &Touched| code(&who, name, touched);
            let told = |at: &str| format!("{name} by {} {at}", seat.grant);
            let (own, below, ground, beside) = match right {
                Written::No => ("role_may_not", "role_may_not", "role_may_not", "role_may_not"),
                Written::Own => ("granted", "granted", "granted", "outside_scope"),
                Written::Ground => ("granted", "ground_required", "overriding", "outside_scope"),
            };
            assert_eq!(found(&seat.own), own, "{}", told("in the own scope"));
            if let Some(touched) = &seat.below {
                assert_eq!(found(touched), below, "{}", told("below"));
                assert_eq!(found(&grounded(touched)), ground, "{}", told("below, with a ground"));
            }
            for touched in seat.beside.iter().chain([&Touched::default()]) {
                // A ground opens nothing that lies outside.
                assert_eq!(found(touched), beside, "{} {touched:?}", told("outside"));
                assert_eq!(found(&grounded(touched)), beside, "{} {touched:?}", told("outside, with a ground"));
            }
            let preview = may(&who, Action::Preview(name), &seat.own, &[]);
            assert_eq!(preview.is_ok(), own == "granted", "{}", told("as a preview"));
        }
    }
}

#[test]
fn the_hand_written_table_has_every_command() {
    let written = written();
    let names: BTreeSet<_> = written.keys().map(String::as_str).collect();
    for (_, name, _) in COMMAND_NAMES {
        assert!(names.contains(name), "rights.txt has no line for {name}");
    }
    assert_eq!(names, commands().collect(), "rights.txt and src/table.rs name the same commands");
}

#[test]
fn every_role_and_view_is_as_written() {
    let written: BTreeMap<&str, BTreeSet<Role>> = lines()
        .filter_map(|line| line.strip_prefix(VIEW)?.split_once(':'))
        .map(|(name, roles)| (name, roles.split_whitespace().map(role_of).collect()))
        .collect();
    assert_eq!(written.keys().copied().collect::<BTreeSet<_>>(), views().collect(), "rights.txt and src/table.rs name the same views");
    for (name, roles) in &written {
        for role in Role::ALL {
            assert_eq!(view_right(role, name), roles.contains(&role), "{role} {name}");
        }
    }
    assert!(Role::ALL.into_iter().all(|role| !view_right(role, "roster")), "a view without a row is nobody's");
}

#[test]
fn the_whole_tree_is_no_ground() {
    let root = principal(&["headquarters@everything"]);
    assert_eq!(code(&root, "DefineArea", &Touched::default()), "granted");
    assert_eq!(code(&root, "DispatchResponder", &place("c")), "granted");
    assert_eq!(code(&root, "DispatchResponder", &place("c/k1/t1/v1")), "ground_required");
    assert_eq!(code(&root, "DispatchResponder", &grounded(&place("c/k1/t1/v1"))), "overriding");
    assert_eq!(code(&root, "CallOrganization", &place("c/k1/t1/v1")), "granted");
}

#[test]
fn a_risen_whistle_is_the_higher_offices_own() {
    let county = principal(&["headquarters@area:k1"]);
    let mut whistle = place("c/k1/t1/v1");
    assert_eq!(code(&county, "AcknowledgeWhistle", &whistle), "ground_required");
    whistle.answerable = vec![path("c/k1")];
    assert_eq!(code(&county, "AcknowledgeWhistle", &whistle), "granted");
}

#[test]
fn everything_that_is_touched_must_lie_inside() {
    let township = principal(&["township@area:t1"]);
    let mut both = place("c/k1/t1/v1");
    both.places.push(path("c/k1/t2"));
    assert_eq!(code(&township, "MergeWhistles", &both), "outside_scope");
    // A person of the other township is called once that one let the person go, which only its own office can say.
    let two = principal(&["township@area:t1", "township@area:t2"]);
    assert_eq!(code(&two, "MergeWhistles", &both), "outside_scope", "two grants are not one scope");
    let denial = may(&township, Action::Command("MergeWhistles"), &both, &[]).unwrap_err();
    assert!(denial.en().contains("t2") && denial.zh().contains("t2"));
}

/// Neither posts nor releases, no other incident, no other grant, and nobody who could not let people go in the own area.
#[test]
fn an_agreement_opens_the_home_for_its_incident_to_its_side_and_nothing_else() {
    let opened = [Opened { to: "t1".into(), home: "t3".into(), incident: "flood".into() }];
    let moved = |post: &str, home_area: &str, incident: &str| Touched { homes: vec![home(home_area, incident)], ..place(post) };
    let code = |grant: &str, command: &str, touched: &Touched| match may(&principal(&[grant]), Action::Command(command), touched, &opened) {
        Ok(_) => "granted",
        Err(denial) => denial.code(),
    };
    let own = moved("c/k1/t1", "c/k2/t3/v4", "flood");
    for command in ["DispatchResponder", "CallGroup", "AttachResponder", "RelieveResponder"] {
        assert_eq!(code("township@area:t1", command, &own), "granted", "{command}");
    }
    assert_eq!(code("township@area:t1", "DispatchResponder", &moved("c/k2/t3", "c/k2/t3/v4", "flood")), "outside_scope", "a post");
    let released = Touched { places: vec![path("c/k1/t1"), path("c/k2/t3")], ..Touched::default() };
    assert_eq!(code("township@area:t1", "DispatchResponder", &released), "outside_scope", "a release");
    for incident in ["fire", ""] {
        assert_eq!(code("township@area:t1", "DispatchResponder", &moved("c/k1/t1", "c/k2/t3/v4", incident)), "outside_scope");
    }
    assert_eq!(code("township@area:t1", "DispatchResponder", &moved("c/k1/t1", "c/k2/t4", "flood")), "outside_scope", "another home");
    assert_eq!(code("community@area:v1", "DispatchResponder", &moved("c/k1/t1/v1", "c/k2/t3/v4", "flood")), "outside_scope");
    assert_eq!(code("secretary@area:t1", "RelieveResponder", &own), "outside_scope", "a secretary lets nobody go");
    assert_eq!(code("console@area:t1", "DispatchResponder", &own), "role_may_not");
    let denial = may(&principal(&["township@area:t1"]), Action::Command("CallGroup"), &own, &[]).unwrap_err();
    assert!(denial.en().contains("the area v4"), "{}", denial.en());
}

/// Who is moved from below is the lower office's own: over its head with a ground only.
#[test]
fn a_home_below_has_an_office_of_its_own() {
    let moved = Touched { homes: vec![home("c/k1/t1/v1", "")], ..place("c/k1") };
    assert_eq!(code(&principal(&["headquarters@area:k1"]), "DispatchResponder", &moved), "ground_required");
    assert_eq!(code(&principal(&["headquarters@area:k1"]), "DispatchResponder", &grounded(&moved)), "overriding");
    assert_eq!(code(&principal(&["organization_department@area:k1"]), "DispatchResponder", &moved), "granted");
}

fn in_office(area_id: &str, area: Option<&str>, organization: &str, organization_area: Option<&str>) -> Touched {
    let office = TouchedOffice {
        area_id: area_id.into(),
        area: area.map(path),
        organization: organization.into(),
        organization_area: organization_area.map(path),
    };
    let own = Touched { organizations: vec!["o1".into()], units: vec![line(&["u2", "u1", "top"])], ..place("c/k1/t1") };
    Touched { office: Some(office), ..own }
}

#[test]
fn an_office_must_be_held() {
    let code = |grant: &str, touched: &Touched| code(&principal(&[grant]), "AcceptCall", touched);
    let t1 = in_office("t1", Some("c/k1/t1"), "", None);
    let k1 = in_office("k1", Some("c/k1"), "", None);
    let nowhere = in_office("x", None, "", None);
    assert_eq!(code("township@area:t1", &t1), "granted");
    assert_eq!(code("township@area:t1", &k1), "office_not_held");
    assert_eq!(code("township@area:t1", &nowhere), "office_not_held");
    assert_eq!(code("organization_department@area:k1", &t1), "granted", "the one above can");
    assert_eq!(code("department@organization:o1", &in_office("", None, "o1", None)), "granted");
    assert_eq!(code("department@organization:o1", &in_office("", None, "o2", None)), "office_not_held");
    assert_eq!(code("department@organization:o1", &in_office("k1", Some("c/k1"), "o1", Some("c/k1"))), "granted");
    assert_eq!(code("department@organization:o1", &in_office("t1", Some("c/k1/t1"), "o1", Some("c/k1"))), "office_not_held");
    assert_eq!(code("secretary@unit:u1", &t1), "granted");
    assert_eq!(code("secretary@unit:u1", &k1), "office_not_held", "the unit above speaks there");
    assert_eq!(code("secretary@unit:top", &k1), "granted");
    assert_eq!(code("secretary@unit:top", &t1), "granted", "for the unit below");
    // A place is no office, only the unit's own area is.
    let v1 = Touched { places: vec![path("c/k1/t1/v1")], ..in_office("v1", Some("c/k1/t1/v1"), "", None) };
    assert_eq!(code("secretary@unit:u1", &v1), "office_not_held");
    assert_eq!(code("secretary@unit:u1", &in_office("t1", Some("c/k1/t1"), "o1", Some("c/k1"))), "office_not_held");
    assert_eq!(code("township@area:t1", &in_office("", None, "o1", Some("c/k1/t1"))), "granted");
    assert_eq!(code("township@area:t1", &in_office("", None, "o1", Some("c/k1"))), "office_not_held");
    assert_eq!(code("township@area:t1", &in_office("", None, "", None)), "office_not_held");
    let mut own = t1;
    own.people = vec![person("r1", "", &[])];
    assert_eq!(code("responder@responder:r1", &own), "office_not_held");
}

/// That somebody is safe is said of the unit's own people wherever they were recalled; nothing else is.
#[test]
fn a_unit_says_how_its_own_people_are_wherever_they_are() {
    let far = |people: Vec<TouchedPerson>| Touched { people, ..place("c/k2/t3/v4") };
    let own = || person("r9", "", &["u2", "u1", "top"]);
    for role in ["secretary", "organizer"] {
        let who = principal(&[&format!("{role}@unit:u1")]);
        assert_eq!(code(&who, "ConfirmSafe", &far(vec![own()])), "granted", "{role}");
        assert_eq!(code(&who, "ConfirmSafe", &far(vec![own(), person("r8", "", &["u3", "top"])])), "outside_scope", "{role}");
        assert_eq!(code(&who, "ConfirmSafe", &far(Vec::new())), "outside_scope", "{role}");
        let around = Touched { around: vec![line(&["u1", "top"])], ..far(Vec::new()) };
        assert_eq!(code(&who, "ConfirmSafe", &around), "outside_scope", "{role}");
        for command in ["CheckIn", "DeclareNoShow"] {
            assert_eq!(code(&who, command, &far(vec![own()])), "outside_scope", "{role} {command}");
        }
    }
}

#[test]
fn a_link_answers_its_own_call_alone() {
    let link = principal(&["responder@call:c7"]);
    let call = |id: &str| Touched { calls: vec![id.into()], ..people(vec![person("r1", "o1", &[])]) };
    assert_eq!(code(&link, "AcceptCall", &call("c7")), "granted");
    assert_eq!(code(&link, "AcceptCall", &call("c8")), "outside_scope");
    assert_eq!(code(&link, "CheckIn", &people(vec![person("r1", "o1", &[])])), "outside_scope");
    assert_eq!(code(&link, "DispatchResponder", &call("c7")), "role_may_not");
}

/// What each role reads, written out by hand: plain views, views about persons, events, names, links, exports, status.
#[test]
fn what_is_read_is_as_written() {
    let rows = [
        (Role::Headquarters, "plain persons events names links exports status"),
        (Role::OrganizationDepartment, "plain persons events names links exports"),
        (Role::Township, "plain persons events names links"),
        (Role::Community, "plain persons events names links"),
        (Role::Department, "persons names links"),
        (Role::Secretary, "plain persons events names links"),
        (Role::Organizer, "plain persons events names"),
        (Role::Responder, "persons names"),
        (Role::Auditor, "plain persons events exports status"),
        (Role::Analyst, "plain events exports"),
        (Role::Console, "plain events status"),
    ];
    assert_eq!(rows.map(|(role, _)| role), Role::ALL);
    let mut seats = seats();
    // A unit has no area whose rows could be listed: the same roles bound to an area.
    for seat in seats.iter_mut().filter(|seat| matches!(seat.role, Role::Secretary | Role::Organizer)) {
        seat.grant = if seat.role == Role::Secretary { "secretary@area:t1" } else { "organizer@area:t1" };
        (seat.own, seat.beside) = (place("c/k1/t1"), vec![place("c/k1"), place("c/k1/t2")]);
    }
    let actions = [
        (Action::View("coverage"), "plain"),
        (Action::View("units"), "plain"),
        (Action::View("sites"), "plain"),
        (Action::View("whistles"), "plain"),
        (Action::View("calls"), "persons"),
        (Action::View("responders"), "persons"),
        (Action::Events, "events"),
        (Action::Names, "names"),
        (Action::Link, "links"),
        (Action::Export, "exports"),
        (Action::Operate, "status"),
    ];
    for (seat, (_, words)) in seats.iter().zip(rows) {
        let who = principal(&[seat.grant]);
        for (action, word) in actions {
            let expected = words.split(' ').any(|known| known == word);
            assert_eq!(may(&who, action, &seat.own, &[]).is_ok(), expected, "{} {action:?}", seat.grant);
            for touched in seat.beside.iter().filter(|_| action != Action::Operate) {
                assert!(may(&who, action, touched, &[]).is_err(), "{} {action:?} {touched:?}", seat.grant);
            }
            let listed = matches!(who.grants[0].scope(), Scope::Area(_)) || matches!(action, Action::View(_));
            let reaches = match reach(&who, action) {
                Reach::Everything => true,
                Reach::Within(bounds) => !bounds.is_empty(),
            };
            assert_eq!(reaches, expected && listed, "{} {action:?}", seat.grant);
        }
        assert_eq!(
            muster_access::reads::persons_in_events(seat.role),
            words.contains("events") && !matches!(seat.role, Role::Analyst | Role::Console)
        );
    }
}

#[test]
fn each_refusal_says_what_would_help() {
    let refused =
        |grants: &[&str], command: &str, touched: &Touched| may(&principal(grants), Action::Command(command), touched, &[]).unwrap_err();
    let said = |denial: &Denial| (denial.code(), denial.field(), denial.zh(), denial.en());
    let (code, field, zh, en) = said(&refused(&[], "CheckIn", &place("c")));
    assert_eq!((code, field), ("nothing_granted", ""));
    assert!(zh.contains("没有任何权限") && en.contains("nothing was granted"));
    let (code, field, zh, en) = said(&refused(&["auditor@area:k1"], "CheckIn", &place("c/k1")));
    assert_eq!((code, field), ("role_may_not", ""));
    assert!(zh.contains("审计") && zh.contains("CheckIn") && en.contains("auditor") && en.contains("CheckIn"));
    let (code, field, zh, en) = said(&refused(&["township@area:t1"], "OpenSite", &place("c/k1/t2")));
    assert_eq!((code, field), ("outside_scope", ""));
    assert!(zh.contains("辖区 t2") && en.contains("the area t2") && en.contains("township@area:t1"));
    let (code, _, zh, en) = said(&refused(&["township@area:t1"], "CloseSite", &Touched::default()));
    assert_eq!(code, "outside_scope");
    assert!(zh.contains("不存在，或不在") && en.contains("is not there, or lies outside"));
    let (code, field, zh, en) = said(&refused(&["township@area:t1"], "OpenSite", &in_office("k1", Some("c/k1"), "", None)));
    assert_eq!((code, field), ("office_not_held", "context.actor_office"));
    assert!(zh.contains("k1") && en.contains("the office of k1"));
    let (code, field, zh, en) = said(&refused(&["headquarters@area:k1"], "DispatchResponder", &place("c/k1/t1")));
    assert_eq!((code, field), ("ground_required", "context.basis"));
    assert!(zh.contains("辖区 t1") && zh.contains("文号") && en.contains("the area t1") && en.contains("context.basis"));
    let (code, field, zh, en) = said(&Denial::ActorNotSelf { actor: "李四".into(), person: "张三".into() });
    assert_eq!((code, field), ("actor_not_self", "context.actor"));
    assert!(zh.contains("李四") && zh.contains("on_behalf_of") && en.contains("张三"));
}
