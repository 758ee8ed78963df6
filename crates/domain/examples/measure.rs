//! How long the heavy commands take: `cargo run --release -p muster-domain --example measure`.
//!
//! A measurement for people, not a test: it says nothing about right or wrong, and its city is made up.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, clippy::print_stdout)] // It measures and prints; it is not the domain.

use std::time::Duration;

use muster_domain::{Emitted, Now, State, execute};
use muster_proto::Command;
use muster_proto::v1::{self, AreaLevel, DutyRole, IncidentType, OrganizationKind, ResponderKind, ResponseLevel, Severity, UnitKind};

const VILLAGES: usize = 1_992;
const PEOPLE: usize = 42_000;
const START_MS: i64 = 1_700_000_000_000;

/// Processor time of this process: a busy machine does not blur it. Linux only.
fn spent() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("Linux says how long a process ran");
    Duration::from_nanos(text.split(' ').next().and_then(|number| number.parse().ok()).expect("it begins with nanoseconds"))
}

struct City {
    state: State,
    position: u64,
    context: v1::Context,
}

impl City {
    fn run(&mut self, command: &Command) -> Vec<Emitted> {
        let now = Now { recorded_at_ms: START_MS, next_position: self.position + 1, context: &self.context };
        let emitted = execute(&mut self.state, now, command).expect("the city's commands are right");
        self.position += emitted.len() as u64;
        emitted
    }

    fn timed(&mut self, what: &str, command: &Command) -> Vec<Emitted> {
        let start = spent();
        let emitted = self.run(command);
        let took = spent() - start;
        let calls = emitted.iter().filter(|record| matches!(record.event, muster_proto::Event::ResponderCalled(_))).count();
        println!("{what}: {:.1} ms, {} events, {calls} calls", took.as_secs_f64() * 1e3, emitted.len());
        emitted
    }
}

fn area(area_id: String, parent_id: &str, level: AreaLevel) -> Command {
    let name = area_id.clone();
    Command::DefineArea(v1::DefineArea { area_id, name, parent_id: parent_id.to_owned(), level: level.into(), ..Default::default() })
}

fn person(number: usize, area_id: String) -> Command {
    Command::EnrollResponder(v1::EnrollResponder {
        responder_id: format!("person-{number:06}"),
        name: Some(v1::Sealed::default()),
        kind: ResponderKind::Member.into(),
        area_id,
        specialties: vec![["driver", "medic", "electrician"][number % 3].to_owned()],
        ..Default::default()
    })
}

fn plan(plan_id: &str, area_id: &str, incident_type: IncidentType, people: std::ops::Range<usize>, per_site: usize) -> Vec<Command> {
    let sites = people.len().div_ceil(per_site);
    let seat = |key: usize| v1::PlanSeat { seat_key: format!("p{key:03}"), ..Default::default() };
    let site = |at: usize| v1::PlanSite {
        site_key: format!("s{at:03}"),
        kind: v1::SiteKind::Checkpoint.into(),
        name: format!("卡口{at}"),
        area_id: area_id.to_owned(),
        tier: ResponseLevel::Iv.into(),
        seats: if sites > 100 { (0..4).map(seat).collect() } else { (0..per_site).map(seat).collect() },
    };
    let unit = |at: usize| v1::PlanUnit {
        unit_key: format!("u{at:03}"),
        kind: UnitKind::TemporaryBranch.into(),
        name: format!("临时党支部{at}"),
        site_key: format!("s{at:03}"),
        area_id: area_id.to_owned(),
        tier: ResponseLevel::Iv.into(),
        superior_organization_id: "party".to_owned(),
        ..Default::default()
    };
    let mut commands = vec![Command::DraftPlan(v1::DraftPlan {
        plan_id: plan_id.to_owned(),
        area_id: area_id.to_owned(),
        incident_type: incident_type.into(),
        name: plan_id.to_owned(),
        sites: (0..sites).map(site).collect(),
        units: (0..sites).map(unit).collect(),
        cards: Vec::new(),
    })];
    for (at, number) in people.enumerate() {
        let (place, seat) = (at / per_site, at % per_site);
        let seated = sites <= 100 || seat < 4;
        commands.push(Command::DesignatePost(v1::DesignatePost {
            plan_id: plan_id.to_owned(),
            tier: ResponseLevel::Iv.into(),
            role: if seat == 0 { DutyRole::Secretary.into() } else { DutyRole::Member.into() },
            unit_key: format!("u{place:03}"),
            site_key: if seated { format!("s{place:03}") } else { String::new() },
            seat_key: if seated { format!("p{seat:03}") } else { String::new() },
            responder_id: format!("person-{number:06}"),
            backup_ids: vec![format!("person-{:06}", (number + 7) % PEOPLE)],
            ..Default::default()
        }));
    }
    commands.push(Command::PublishPlan(v1::PublishPlan { plan_id: plan_id.to_owned() }));
    commands
}

fn city() -> City {
    let office = v1::Office { area_id: "4408".to_owned(), ..Default::default() };
    let context = v1::Context { actor: "measure".to_owned(), actor_office: Some(office), ..Default::default() };
    let mut city = City { state: State::default(), position: 0, context };
    city.run(&area("4408".to_owned(), "", AreaLevel::City));
    city.run(&Command::RegisterOrganization(v1::RegisterOrganization {
        organization_id: "party".to_owned(),
        name: "组织部".to_owned(),
        kind: OrganizationKind::PartyOrganization.into(),
        area_id: "4408".to_owned(),
        functions: Vec::new(),
    }));
    for county in 0..9 {
        city.run(&area(format!("4408{county:02}"), "4408", AreaLevel::County));
    }
    for township in 0..125 {
        city.run(&area(format!("t{township:03}"), &format!("4408{:02}", township % 9), AreaLevel::Township));
    }
    for village in 0..VILLAGES {
        city.run(&area(format!("v{village:04}"), &format!("t{:03}", village % 125), AreaLevel::Village));
    }
    for number in 0..PEOPLE {
        city.run(&person(number, format!("v{:04}", number * VILLAGES / PEOPLE)));
    }
    for village in 0..VILLAGES {
        let people = village * PEOPLE / VILLAGES..(village + 1) * PEOPLE / VILLAGES;
        for command in plan(&format!("typhoon-{village:04}"), &format!("v{village:04}"), IncidentType::Typhoon, people, 11) {
            city.run(&command);
        }
    }
    for command in plan("outbreak", "4408", IncidentType::Outbreak, 0..PEOPLE, 84) {
        city.run(&command);
    }
    city
}

fn declare(incident_id: &str, incident_type: IncidentType, severity: Severity) -> Command {
    Command::DeclareIncident(v1::DeclareIncident {
        incident_id: incident_id.to_owned(),
        incident_type: incident_type.into(),
        name: incident_id.to_owned(),
        area_id: "4408".to_owned(),
        severity: severity.into(),
        ..Default::default()
    })
}

fn convert(incident_id: &str) -> Command {
    Command::ConvertArea(v1::ConvertArea {
        incident_id: incident_id.to_owned(),
        area_id: "4408".to_owned(),
        response: ResponseLevel::Iv.into(),
    })
}

fn stand_down(incident_id: &str) -> Command {
    Command::StandDownArea(v1::StandDownArea { incident_id: incident_id.to_owned(), area_id: "4408".to_owned() })
}

/// Whistles of the whole city, for which everybody is sought at once: for anybody, and for a specialty.
fn seek(city: &mut City, when: &str) {
    for specialty in ["", "medic"] {
        let need = v1::Need {
            need_id: "n".to_owned(),
            kind: v1::NeedKind::Person.into(),
            specialty: specialty.to_owned(),
            quantity: 3,
            ..Default::default()
        };
        let whistle = Command::BlowWhistle(v1::BlowWhistle {
            whistle_id: format!("w-{}", city.position),
            area_id: "4408".to_owned(),
            severity: Severity::Severe.into(),
            needs: vec![need],
            ..Default::default()
        });
        city.timed(&format!("  search for {specialty:?}, {when}"), &whistle);
    }
}

/// Everybody called checks in, and out.
fn check_everybody(city: &mut City, called: &[Emitted]) {
    let places: Vec<(String, String)> = called
        .iter()
        .filter_map(|record| match &record.event {
            muster_proto::Event::ResponderCalled(body) if !body.site_id.is_empty() => {
                Some((body.responder_id.clone(), body.site_id.clone()))
            }
            _ => None,
        })
        .collect();
    for (what, out) in [("check-in", false), ("check-out", true)] {
        let commands: Vec<Command> = places
            .iter()
            .map(|(responder_id, site_id)| {
                let (responder_id, site_id) = (responder_id.clone(), site_id.clone());
                if out {
                    Command::CheckOut(v1::CheckOut { responder_id, site_id, ..Default::default() })
                } else {
                    Command::CheckIn(v1::CheckIn { responder_id, site_id, ..Default::default() })
                }
            })
            .collect();
        let start = spent();
        let events: usize = commands.iter().map(|command| city.run(command).len()).sum();
        let each = (spent() - start).as_secs_f64() * 1e6 / commands.len() as f64;
        println!("  {what}: {each:.2} µs each, {} commands, {events} events", commands.len());
        if !out {
            city.timed("  stand-down ordered with everybody on post", &stand_down("typhoon-a"));
        }
    }
}

fn main() {
    let start = spent();
    let mut city = city();
    println!("the city: {:.1} s, {} records", (spent() - start).as_secs_f64(), city.position);
    seek(&mut city, "everybody free");
    let mut whole = city.state.clone();
    for round in 0..3 {
        city.state = whole.clone();
        city.run(&declare("typhoon-a", IncidentType::Typhoon, Severity::Moderate));
        println!("round {round}");
        city.timed("convert, a plan a village", &convert("typhoon-a"));
        city.run(&declare("outbreak-b", IncidentType::Outbreak, Severity::Severe));
        city.timed("convert, one plan, everybody taken from the first", &convert("outbreak-b"));
        city.timed("stand down the second", &stand_down("outbreak-b"));
    }
    whole.clone_from(&city.state);
    city.run(&declare("outbreak-c", IncidentType::Outbreak, Severity::Moderate));
    city.timed("stand down the first", &stand_down("typhoon-a"));
    city.run(&declare("typhoon-d", IncidentType::Typhoon, Severity::Moderate));
    city.timed("convert, one plan", &convert("outbreak-c"));
    city.timed("stand down, one plan", &stand_down("outbreak-c"));
    let called = city.timed("convert again", &convert("typhoon-a"));
    seek(&mut city, "everybody called");
    check_everybody(&mut city, &called);
}
