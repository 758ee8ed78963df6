//! `fill`: the joint assignment of the open needs of 500 whistles with the city's 42,000 people, reasons included; beside serving the same
//! needs one after the other on the same lists. The domain alone: no engine, log or threads.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use muster_demo::{City, SPECIALTIES, START_MS, Scale};
use muster_domain::{FillQuestion, FillWay, Now, State, execute, measure_fill, propose_fill};
use muster_proto::v1::{self, AreaLevel};
use muster_proto::{Command, v1::NeedKind};

use crate::history::Histories;
use crate::progress::show_round;
use crate::row::{AimOf, Better, Measured, Pair, Row};
use crate::setting::Setting;

/// The rows' names.
pub(crate) const NAMES: [&str; 2] = ["fill", "fill_one_township"];
/// Whistles open at once.
const WHISTLES: usize = 500;
/// Every proposal is to be there within a second.
const SECONDS_AIM: f64 = 1.0;
/// When it is asked: the first whistles have waited for two hours by then.
const ASKED_MS: i64 = START_MS + 2 * 3_600_000;

/// Once with the whistles all over the city, once with all of them in one township, where everybody competes for the same people.
pub(crate) fn run(setting: &Setting<'_>, _: &mut Histories<'_>) -> Result<Vec<Row>> {
    let city = City::generate(1, if setting.quick { Scale::Small } else { Scale::City });
    NAMES.iter().map(|name| row(name, setting, &city)).collect()
}

fn row(name: &'static str, setting: &Setting<'_>, city: &City) -> Result<Row> {
    let state = prepare(city, name == NAMES[1])?;
    let question = FillQuestion { realm: "", area_id: "", now_ms: ASKED_MS };
    let measure = |way| measure_fill(&state, question, way).map_err(|refusal| anyhow::anyhow!(refusal.en()));
    let (joint, single) = (measure(FillWay::Together)?, measure(FillWay::OneByOne)?);
    ensure!(joint.total <= single.total, "the joint assignment costs more than one after the other");
    let mut pairs = Vec::new();
    let mut first = None;
    for number in 1..=setting.rounds {
        show_round(name, number, setting.rounds);
        let started = Instant::now();
        let proposal = propose_fill(&state, question, "f").map_err(|refusal| anyhow::anyhow!(refusal.en()))?;
        let value = started.elapsed().as_secs_f64();
        ensure!(proposal.lines.len() == joint.given as usize, "the proposal has {} lines", proposal.lines.len());
        ensure!(*first.get_or_insert_with(|| proposal.clone()) == proposal, "two proposals from one state differ");
        let started = Instant::now();
        ensure!(measure(FillWay::OneByOne)? == single, "one after the other gives something else the second time");
        pairs.push(Pair { value, reference: started.elapsed().as_secs_f64() });
    }
    let people = state.base_counts().2;
    let detail = format!(
        "{WHISTLES} whistles, {people} people; asked {}, given {} (one after the other {}), cost {} (one after the other {})",
        joint.asked, joint.given, single.given, joint.cost, single.cost
    );
    let measured = Measured {
        name,
        unit: "seconds",
        better: Better::Lower,
        reference: "the same needs one after the other, without reasons",
        aim: Some((AimOf::ValueAtMost, SECONDS_AIM)),
        pairs: &pairs,
        detail,
    };
    Ok(measured.row())
}

/// The tree, everybody at home, and the whistles.
fn prepare(city: &City, crowded: bool) -> Result<State> {
    let mut state = State::default();
    let mut position = 1;
    let context = v1::Context::default();
    let mut carry_out = |at_ms: i64, command: Command| -> Result<()> {
        let now = Now { recorded_at_ms: at_ms, next_position: position, context: &context };
        let emitted = execute(&mut state, now, &command).map_err(|refusal| anyhow::anyhow!("refused: {}", refusal.en()))?;
        position += emitted.len() as u64;
        Ok(())
    };
    for area in &city.tree.areas {
        let (area_id, name, parent_id) = (area.id.clone(), area.name.clone(), area.parent_id.clone());
        let body = v1::DefineArea { area_id, name, level: area.level.into(), parent_id, ..Default::default() };
        carry_out(START_MS, Command::DefineArea(body))?;
    }
    for person in &city.responders {
        let body = v1::EnrollResponder {
            responder_id: person.id.clone(),
            name: Some(v1::Sealed::default()),
            kind: person.kind.into(),
            area_id: person.home.clone(),
            specialties: person.specialties.iter().map(|specialty| (*specialty).to_owned()).collect(),
            ..Default::default()
        };
        carry_out(START_MS, Command::EnrollResponder(body))?;
    }
    let villages: Vec<_> = city.tree.of_level(AreaLevel::Village).collect();
    let township = villages.first().context("the city has villages")?.parent_id.clone();
    let villages: Vec<_> = villages.into_iter().filter(|area| !crowded || area.parent_id == township).collect();
    for number in 0..WHISTLES {
        let minutes = i64::try_from(number * 120 / WHISTLES)?;
        // A step that meets every village before it comes round.
        let area = villages[number * 797 % villages.len()];
        carry_out(START_MS + minutes * 60_000, Command::BlowWhistle(whistle(number, &area.id)))?;
    }
    Ok(state)
}

/// Of every severity and urgency; for anybody, and for a specialty.
fn whistle(number: usize, area_id: &str) -> v1::BlowWhistle {
    let step = |every: usize, from: i32| from + i32::try_from(number / every % 4).expect("below four");
    let need = |id: &str, specialty: &str, quantity: usize| v1::Need {
        need_id: id.to_owned(),
        kind: NeedKind::Person.into(),
        specialty: specialty.to_owned(),
        quantity: u32::try_from(quantity).expect("a small number"),
        ..Default::default()
    };
    v1::BlowWhistle {
        whistle_id: format!("w-{number}"),
        area_id: area_id.to_owned(),
        severity: step(1, 1),
        urgency: step(4, 1),
        life_threatening: number.is_multiple_of(50),
        needs: vec![need("any", "", 1 + number % 4), need("special", SPECIALTIES[number % SPECIALTIES.len()].0, 1 + number % 2)],
        ..Default::default()
    }
}
