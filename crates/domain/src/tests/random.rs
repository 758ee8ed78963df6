//! Random histories over the whole domain: valid and invalid commands, with time passing. A failing history is kept beside the
//! crate in `proptest-regressions` and runs first from then on; proptest prints its seed. A run is 768 histories of 1 to 159 commands, about 61,000
//! steps, each followed by every invariant, by a replay of its records and by a reading of the state's bytes; `PROPTEST_CASES` changes it.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{DutyRole, FillChoice, IncidentType, ResponseLevel, Severity};
use muster_proto::{ACTUAL, Command, ENVELOPE_NAMES, Event};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::random_commands::{KINDS, Roll, command, office};
use super::{MINUTE_MS, START_MS, Story, lines, moving, town};
use crate::execute::{Emitted, Meta};
use crate::ids::Table;
use crate::state::{Place, State};
use crate::words;

/// Sites and whistles by their outside ids.
pub(super) fn names_of(state: &State, place: Place) -> (String, String) {
    match place {
        Place::Site(key) => (state.ops.sites.id(key).to_owned(), String::new()),
        Place::Whistle(key) => (String::new(), state.ops.whistles.id(key).to_owned()),
    }
}

fn roll() -> impl Strategy<Value = Roll> {
    (any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>(), any::<[u8; 4]>()).prop_map(|(kind, minutes, late, office, dice)| Roll {
        kind: kind % KINDS,
        minutes,
        late,
        office,
        dice,
    })
}

/// Tells the history when a step of it panics.
struct Telling {
    steps: Vec<String>,
    happened: Vec<String>,
    records: Vec<(String, Event)>,
}

impl Telling {
    fn happened(&mut self, state: &State, emitted: &[Emitted]) {
        self.records.extend(emitted.iter().map(|record| (state.realm_name(record.realm).to_owned(), record.event.clone())));
        let lines = lines(emitted);
        self.steps.push(format!("    {lines:?}"));
        self.happened.extend(lines);
    }
}

impl Drop for Telling {
    #[allow(clippy::disallowed_macros, clippy::print_stderr)] // A failed test has to say what led to it.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let from = self.steps.len().saturating_sub(60);
            eprintln!("the last steps of the history:\n{}", self.steps[from..].join("\n"));
        }
    }
}

/// What the actual realm knows of people, as bytes.
fn actual(state: &State) -> Vec<u8> {
    words::canonical_bytes(state.ops.realms.get(state.ops.actual()))
}

/// The peacetime facts of a history, alone.
struct Peacetime {
    state: State,
}

impl Peacetime {
    fn follow(&mut self, emitted: &[Emitted]) {
        for record in emitted {
            let tag = muster_proto::event_tag(record.event.name()).expect("an event has a tag");
            if tag < 160 || [310, 311, 313].contains(&tag) {
                let meta = Meta { position: 0, recorded_at_ms: 0, occurred_at_ms: 0, realm: ACTUAL };
                self.state.apply(&meta, &record.event);
            }
        }
    }
}

fn step(story: &mut Story, told: &mut Telling, peacetime: &mut Peacetime, roll: &Roll) {
    // Mostly many things in a few minutes; now and then a long while.
    let minutes = if roll.minutes.is_multiple_of(8) { i64::from(roll.minutes) } else { i64::from(roll.minutes % 3) };
    told.steps.push(format!("+{minutes} min"));
    let fired = story.after_minutes(minutes).events();
    told.happened(&story.state, &fired);
    moving::released(&story.state, &fired, "");
    peacetime.follow(&fired);
    let asked = command(story, roll);
    let by = office(&story.state, &asked, roll.office);
    story.by(&by).said_by(if roll.office.is_multiple_of(2) { "one" } else { "another" });
    if roll.late.is_multiple_of(4) {
        story.told_late(i64::from(roll.late / 4));
    }
    if roll.late.is_multiple_of(2) {
        story.on_document("令〔2026〕1号");
    }
    told.steps.push(format!("{by}: {asked:?}"));
    let before = actual(&story.state);
    match story.run(&asked) {
        Ok(emitted) => {
            told.happened(&story.state, &emitted);
            let exercise = |record: &Emitted| story.state.realm_name(record.realm) != ACTUAL;
            let realms: BTreeSet<_> = emitted.iter().map(exercise).collect();
            // What is so of a person in peacetime counts in every realm.
            let of_a_person = matches!(
                asked,
                Command::SetAvailability(_)
                    | Command::WithdrawResponder(_)
                    | Command::ReservePeople(_)
                    | Command::ReportToCommunity(_)
                    | Command::TransferResponder(_)
                    | Command::SetSpecialties(_)
                    | Command::PublishPlan(_)
            );
            assert!(of_a_person || realms.len() <= 1, "one command changes the actual and an exercise");
            if realms.contains(&true) && !of_a_person {
                assert!(before == actual(&story.state), "an exercise changed the actual realm");
            }
            peacetime.follow(&emitted);
            moving::released(&story.state, &emitted, &by);
            moving::floors(&story.state, &emitted, story.now_ms);
            told_again(story, &asked, roll);
            proposals_move_nobody(&asked, &emitted);
        }
        Err(refusal) => told.steps.push(format!("    refused: {}", refusal.code())),
    }
}

/// The same sheet or phone telling it again, under another command's id, is no news.
fn told_again(story: &mut Story, asked: &Command, roll: &Roll) {
    let stated = matches!(asked, Command::CheckIn(_) | Command::CheckOut(_)) && roll.late.is_multiple_of(4) && roll.late > 3;
    if stated {
        story.told_late(i64::from(roll.late / 4));
        story.when(asked.clone()).then_nothing();
    }
}

/// A proposal brings about nothing but itself; every decided line ends in a call of that line, in a named refusal, or was refused by a person.
fn proposals_move_nobody(asked: &Command, emitted: &[Emitted]) {
    match asked {
        Command::ProposeFill(_) => {
            let own = |record: &Emitted| matches!(&record.event, Event::FillProposed(_) | Event::FillLineRefused(_));
            assert!(emitted.iter().all(own), "a proposal brought about {:?}", lines(emitted));
        }
        Command::DecideFill(body) => {
            for decision in &body.decisions {
                let ends = emitted.iter().filter(|record| match &record.event {
                    Event::ResponderCalled(called) => {
                        called.fill_line_id == decision.line_id && called.fill_proposal_id == body.proposal_id
                    }
                    Event::FillLineRefused(refused) => refused.line_id == decision.line_id && !refused.code.is_empty(),
                    Event::FillLineDecided(decided) => {
                        decided.line_id == decision.line_id && decided.choice() == FillChoice::Refuse && !decided.reason.is_empty()
                    }
                    _ => false,
                });
                let ends = ends.count();
                let decided = |record: &Emitted| matches!(&record.event, Event::FillLineDecided(body) if body.line_id == decision.line_id);
                // None where the line was decided so before.
                assert_eq!(ends, usize::from(ends > 0 || emitted.iter().any(decided)), "{} of {:?}", decision.line_id, lines(emitted));
            }
        }
        _ => {}
    }
}

/// The ids that the filter lets through.
fn those<K: crate::ids::Dense, V>(table: &Table<K, V>, wanted: impl Fn(&V) -> bool) -> Vec<String> {
    table.iter().filter(|(_, value)| wanted(value)).map(|(key, _)| table.id(key).to_owned()).collect()
}

/// The areas that take shelter, with their incidents.
pub(super) fn recalled(state: &State) -> Vec<(String, String)> {
    let of_incident = |(key, incident): (_, &crate::state::Incident)| {
        let id = state.ops.incidents.id(key).to_owned();
        incident.recalls.keys().map(|area| (id.clone(), state.base.areas.id(*area).to_owned())).collect::<Vec<_>>()
    };
    state.ops.incidents.iter().flat_map(of_incident).collect()
}

/// The zones that stand and are at risk.
fn zones_at_risk(state: &State) -> Vec<String> {
    those(&state.ops.sites, |site| !site.closed && site.at_risk())
}

fn end(story: &mut Story, told: &mut Telling, command: Command) {
    told.steps.push(format!("ending: {command:?}"));
    let emitted = story.when(command).events();
    told.happened(&story.state, &emitted);
}

/// Brings everything to its end, as people would.
fn end_all(story: &mut Story, told: &mut Telling) {
    story.by("c");
    for id in zones_at_risk(&story.state) {
        end(story, told, command!(SetRisk { site_id: id, risk: muster_proto::v1::RiskLevel::Lifted }));
    }
    for id in those(&story.state.ops.incidents, |incident| incident.conversions.values().any(|conversion| !conversion.standing_down)) {
        let key = story.state.ops.incidents.find(&id).expect("it was listed");
        let area = story.state.base.areas.id(story.state.ops.incidents.get(key).area).to_owned();
        end(story, told, town::stand_down(&id, &area));
    }
    for (id, area) in recalled(&story.state) {
        end(story, told, command!(ResumeArea { incident_id: id, area_id: area, reason: "结束" }));
    }
    for id in those(&story.state.ops.whistles, |whistle| whistle.phase.open()) {
        end(story, told, command!(ResolveWhistle { whistle_id: id }));
    }
    let realms: Vec<_> = story.state.ops.realms.iter().map(|(key, _)| key).collect();
    for realm in realms {
        let seen = story.state.ops.realms.get(realm).presence.iter().filter(|(_, seen)| seen.place.is_some());
        let there: Vec<_> = seen.map(|(who, _)| story.state.base.responders.id(*who).to_owned()).collect();
        let name = story.state.realm_name(realm).to_owned();
        for who in there {
            end(story, told, command!(SettlePresence { responder_id: who, realm: name.clone() }));
        }
    }
    let open = |story: &Story| story.state.ops.calls.iter().find(|(_, call)| call.phase.open()).map(|(key, _)| key.text());
    while let Some(call) = open(story) {
        end(story, told, command!(RecallResponder { call_id: call }));
    }
    for id in those(&story.state.ops.units, |unit| !unit.dissolved && unit.plan.is_none()).iter().rev() {
        end(story, told, command!(DissolveUnit { unit_id: id.as_str() }));
    }
    for id in those(&story.state.ops.sites, |site| !site.closed && site.plan.is_none()) {
        end(story, told, command!(CloseSite { site_id: id }));
    }
    for id in those(&story.state.ops.incidents, |incident| !incident.closed) {
        end(story, told, command!(CloseIncident { incident_id: id }));
    }
}

/// A log of which parts are missing, and parts stand twice, is read to its end all the same. What comes of it is nobody's concern.
fn torn(mut state: State, records: &[(String, Event)], rolls: &[Roll]) {
    for (at, (realm, event)) in records.iter().enumerate() {
        let die = rolls[at % rolls.len()].dice[at / rolls.len() % 4];
        let times = if die.is_multiple_of(4) { 0 } else { 1 + usize::from(die.is_multiple_of(7)) };
        let at_ms = START_MS + i64::try_from(at).expect("a history is short") * MINUTE_MS;
        for _ in 0..times {
            let meta = Meta { position: at as u64, recorded_at_ms: at_ms, occurred_at_ms: at_ms, realm };
            state.apply(&meta, event);
        }
    }
    let bytes = words::canonical_bytes(&state);
    assert!(postcard::from_bytes::<State>(&bytes).is_ok(), "a state of a torn log reads what it wrote");
}

/// A plan whose seats are asked for before somebody is named for them.
fn named_later() -> [Command; 5] {
    use ResponseLevel::{Ii, Iii, Iv};
    let seats = [("desk", Iv), ("n1", Iv), ("z", Iii)];
    let post = |tier, seat, who: &str, backups: &[&str]| town::post("later", tier, DutyRole::Member, ["", "hq", seat], who, backups);
    [
        town::draft("later", "v1", IncidentType::Outbreak, vec![town::plan_site("hq", "v1", Iv, &seats)], vec![]),
        post(Iii, "desk", "a2", &["b3"]),
        post(Ii, "n1", "d1", &["d2"]),
        post(Iii, "z", "f1", &["a5"]),
        town::publish("later"),
    ]
}

/// What happened, as lines.
fn play(rolls: &[Roll]) -> Vec<String> {
    let mut story = Story::given(town::town());
    story.and([
        town::outbreak(),
        town::declare("typ", IncidentType::Typhoon, "k1", Severity::Severe, ""),
        town::declare("drill", IncidentType::Outbreak, "c", Severity::Extreme, "drill-1"),
    ]);
    story.and(named_later());
    let begun = story.state.clone();
    let mut peacetime = Peacetime { state: begun.clone() };
    let mut told = Telling { steps: Vec::new(), happened: Vec::new(), records: Vec::new() };
    for roll in rolls {
        step(&mut story, &mut told, &mut peacetime, roll);
    }
    super::rehearsal::invariant_a_rehearsal_is_what_a_conversion_then_does(&story.state, story.now_ms);
    assert!(story.now_ms >= START_MS && story.now_ms < START_MS + 1_000_000 * MINUTE_MS);
    end_all(&mut story, &mut told);
    torn(begun, &told.records, rolls);
    // Neither incidents nor their end leave anything in the base.
    assert!(story.state.base_digest() == peacetime.state.base_digest(), "the base differs from that of the peacetime commands alone");
    for (_, realm) in story.state.ops.realms.iter() {
        assert!(realm.duties.is_empty(), "after everything is over somebody still has a duty");
    }
    std::mem::take(&mut told.happened)
}

/// Guards the dice: what they never bring about is not tested.
#[test]
fn the_dice_reach_every_event() {
    let mut runner = TestRunner::deterministic();
    let rolls = prop::collection::vec(roll(), 120);
    let mut reached = BTreeMap::new();
    // A restore is the engine's.
    let names = || ENVELOPE_NAMES.iter().map(|(_, name, _)| *name).filter(|name| *name != "LogRestored");
    // What hangs on a chain of rare steps may take a while; more kinds of commands make every chain rarer.
    for _ in 0..1_000 {
        let rolls = rolls.new_tree(&mut runner).expect("dice are dice").current();
        for line in play(&rolls) {
            let name = line.split(' ').next().unwrap_or_default().to_owned();
            *reached.entry(name).or_insert(0_u32) += 1;
        }
        if names().all(|name| reached.contains_key(name)) {
            return;
        }
    }
    let missing: Vec<_> = names().filter(|name| !reached.contains_key(*name)).collect();
    panic!("never happened: {missing:?}; happened: {reached:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_invariants_hold(rolls in prop::collection::vec(roll(), 1..160)) {
        play(&rolls);
    }
}
