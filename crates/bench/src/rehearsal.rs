//! `rehearsal_42000`: what the conversion of the whole city would be, asked of a running engine, beside the conversion itself in the same run.

use std::time::Instant;

use anyhow::{Result, ensure};
use muster_engine::RehearsalQuery;
use muster_proto::v1::RehearsalDetail;

use crate::folder::{remove, settle_disk};
use crate::history::{Histories, Running, Stage};
use crate::limits;
use crate::plans;
use crate::progress::show_round;
use crate::row::{AimOf, Better, Measured, Pair, Row};
use crate::setting::Setting;

/// The row's name.
pub(crate) const NAME: &str = "rehearsal_42000";

/// The row of the city's rehearsal, with every post told.
pub(crate) fn run(setting: &Setting<'_>, histories: &mut Histories<'_>) -> Result<Vec<Row>> {
    let roster = histories.roster()?;
    // The first one meets cold caches and is not counted.
    round(setting, &roster)?;
    let mut pairs = Vec::new();
    for number in 1..=setting.rounds {
        show_round(NAME, number, setting.rounds);
        pairs.push(round(setting, &roster)?);
    }
    let row = Measured {
        name: NAME,
        unit: "s",
        better: Better::Lower,
        reference: "the conversion itself, from the request to the durable answer",
        aim: Some((AimOf::RatioAtLeast, 1.0)),
        pairs: &pairs,
        detail: format!("{} posts told with their people, and the same people then called, every round", limits::PEOPLE),
    };
    Ok(vec![row.row()])
}

fn round(setting: &Setting<'_>, roster: &Stage) -> Result<Pair> {
    let data = setting.scratch.copy_of(&roster.data, "rehearsal")?;
    let running = Running::start(&data)?;
    let query = RehearsalQuery {
        area_id: muster_demo::CITY.to_owned(),
        incident_type: plans::KIND,
        response: plans::TIER,
        detail: RehearsalDetail::Posts,
    };
    settle_disk();
    let started = Instant::now();
    let rehearsal = running.engine.rehearse(query).wait()?;
    let value = started.elapsed().as_secs_f64();
    let told: usize = rehearsal.levels.iter().flat_map(|level| &level.plans).map(|plan| plan.posts.len()).sum();
    ensure!(told == limits::PEOPLE, "the rehearsal would seat {told} people");
    ensure!(muster_log::Log::watermark(&*running.log).0 == roster.end, "the rehearsal stored something");
    let started = Instant::now();
    let answer = running.engine.submit_waiting(plans::convert()).wait()?;
    let reference = started.elapsed().as_secs_f64();
    let called = answer.counts.iter().find(|(event, _)| *event == "ResponderCalled").map_or(0, |(_, count)| *count);
    ensure!(called == told as u64, "the conversion called {called} people, and the rehearsal said {told}");
    running.end()?;
    remove(&data);
    Ok(Pair { value, reference })
}
