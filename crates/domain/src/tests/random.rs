//! Random histories over the whole domain: valid and invalid commands, with time passing. A failing history is kept beside the
//! crate in `proptest-regressions` and runs first from then on; proptest prints its seed.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{IncidentType, Severity};
use muster_proto::{ACTUAL, Command, ENVELOPE_NAMES};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::random_commands::{Roll, command, office};
use super::{MINUTE_MS, START_MS, Story, lines, town};
use crate::execute::{Emitted, Meta};
use crate::ids::Dense as _;
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
        kind: kind % 100,
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
}

impl Telling {
    fn happened(&mut self, emitted: &[Emitted]) {
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
            if tag < 160 {
                let meta = Meta { position: 0, recorded_at_ms: 0, occurred_at_ms: 0, realm: ACTUAL };
                self.state.apply(&meta, &record.event);
            }
        }
    }
}

fn step(story: &mut Story, told: &mut Telling, peacetime: &mut Peacetime, roll: &Roll) {
    // Mostly many things in a few minutes; now and then a long while.
    let minutes = if roll.minutes % 8 == 0 { i64::from(roll.minutes) } else { i64::from(roll.minutes % 3) };
    told.steps.push(format!("+{minutes} min"));
    let fired = story.after_minutes(minutes).events();
    told.happened(&fired);
    peacetime.follow(&fired);
    let asked = command(story, roll);
    let by = office(&story.state, &asked, roll.office);
    story.by(&by);
    if roll.late % 4 == 0 {
        story.told_late(i64::from(roll.late / 4));
    }
    told.steps.push(format!("{by}: {asked:?}"));
    let before = actual(&story.state);
    match story.run(&asked) {
        Ok(emitted) => {
            told.happened(&emitted);
            let exercise = |record: &Emitted| story.state.realm_name(record.realm) != ACTUAL;
            let realms: BTreeSet<_> = emitted.iter().map(exercise).collect();
            assert!(realms.len() <= 1, "one command changes the actual and an exercise");
            if realms.contains(&true) {
                assert!(before == actual(&story.state), "an exercise changed the actual realm");
            }
            peacetime.follow(&emitted);
        }
        Err(refusal) => told.steps.push(format!("    refused: {}", refusal.code())),
    }
}

/// Brings every incident to its end, as people would.
fn end_all(story: &mut Story, told: &mut Telling) {
    let run = |story: &mut Story, told: &mut Telling, command: Command| {
        told.steps.push(format!("ending: {command:?}"));
        let emitted = story.when(command).events();
        told.happened(&emitted);
    };
    story.by("c");
    let ids: Vec<String> = story.state.ops.incidents.iter().map(|(key, _)| story.state.ops.incidents.id(key).to_owned()).collect();
    for id in &ids {
        let key = story.state.ops.incidents.find(id).expect("it was listed");
        let incident = story.state.ops.incidents.get(key);
        let area = story.state.base.areas.id(incident.area).to_owned();
        let standing = incident.conversions.values().any(|conversion| !conversion.standing_down);
        if !incident.closed && standing {
            // Conversions may have left the incident's area by a change of the tree: the whole city is asked where it may be.
            told.steps.push(format!("ending: StandDownArea {id} {area}"));
            if let Ok(emitted) = story.run(&town::stand_down(id, &area)) {
                told.happened(&emitted);
            }
        }
    }
    let whistles: Vec<String> = story
        .state
        .ops
        .whistles
        .iter()
        .filter(|(_, whistle)| whistle.phase.open())
        .map(|(key, _)| story.state.ops.whistles.id(key).to_owned())
        .collect();
    for id in whistles {
        run(story, told, command!(ResolveWhistle { whistle_id: id }));
    }
    for realm in 0..story.state.ops.realms.len() {
        let realm = crate::ids::RealmRef::from_index(realm);
        let name = story.state.realm_name(realm).to_owned();
        let there: Vec<_> =
            story.state.ops.realms.get(realm).presence.iter().filter(|(_, seen)| seen.place.is_some()).map(|(who, _)| *who).collect();
        for who in there {
            let id = story.state.base.responders.id(who).to_owned();
            run(story, told, command!(SettlePresence { responder_id: id, realm: name.clone() }));
        }
    }
    let calls: Vec<_> = story.state.ops.calls.iter().filter(|(_, call)| call.phase.open()).map(|(key, _)| key.text()).collect();
    for id in calls {
        // One release may end several.
        told.steps.push(format!("ending: {id}"));
        let _over = story.run(&command!(RecallResponder { call_id: id }));
    }
    let units: Vec<String> = story
        .state
        .ops
        .units
        .iter()
        .filter(|(_, unit)| !unit.dissolved && unit.plan.is_none())
        .map(|(key, _)| story.state.ops.units.id(key).to_owned())
        .collect();
    for id in units.iter().rev() {
        run(story, told, command!(DissolveUnit { unit_id: id.as_str() }));
    }
    let sites: Vec<String> = story
        .state
        .ops
        .sites
        .iter()
        .filter(|(_, site)| !site.closed && site.plan.is_none())
        .map(|(key, _)| story.state.ops.sites.id(key).to_owned())
        .collect();
    for id in sites {
        run(story, told, command!(CloseSite { site_id: id }));
    }
    for id in ids {
        let key = story.state.ops.incidents.find(&id).expect("it was listed");
        let incident = story.state.ops.incidents.get(key);
        if !incident.closed && incident.conversions.values().all(|conversion| conversion.stood_down) {
            run(story, told, command!(CloseIncident { incident_id: id }));
        }
    }
}

/// What happened, as lines.
fn play(rolls: &[Roll]) -> Vec<String> {
    let mut story = Story::given(town::town());
    story.and([
        town::outbreak(),
        town::declare("typ", IncidentType::Typhoon, "k1", Severity::Severe, ""),
        town::declare("drill", IncidentType::Outbreak, "c", Severity::Extreme, "drill-1"),
    ]);
    let mut peacetime = Peacetime { state: story.state.clone() };
    let mut told = Telling { steps: Vec::new(), happened: Vec::new() };
    for roll in rolls {
        step(&mut story, &mut told, &mut peacetime, roll);
    }
    assert!(story.now_ms >= START_MS && story.now_ms < START_MS + 1_000_000 * MINUTE_MS);
    end_all(&mut story, &mut told);
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
    for _ in 0..150 {
        let rolls = rolls.new_tree(&mut runner).expect("dice are dice").current();
        for line in play(&rolls) {
            let name = line.split(' ').next().unwrap_or_default().to_owned();
            *reached.entry(name).or_insert(0_u32) += 1;
        }
    }
    // A restore is the engine's.
    let missing: Vec<_> =
        ENVELOPE_NAMES.iter().map(|(_, name, _)| *name).filter(|name| !reached.contains_key(*name) && *name != "LogRestored").collect();
    assert!(missing.is_empty(), "never happened: {missing:?}; happened: {reached:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_invariants_hold(rolls in prop::collection::vec(roll(), 1..160)) {
        play(&rolls);
    }
}
