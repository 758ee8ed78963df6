//! `conversion_42000`: the whole city converted by one command, from the request to the durable answer, beside a bare RocksDB
//! that writes the very same bytes in the same one batch.

use std::time::Instant;

use anyhow::{Result, ensure};
use muster_server::wiring::LOG_DIR;

use crate::folder::{remove, settle_disk};
use crate::history::{Histories, Running, Stage};
use crate::limits;
use crate::parts::{self, Parts};
use crate::plans;
use crate::progress::show_round;
use crate::raw::RawStore;
use crate::row::{AimOf, Better, Measured, Pair, Row};
use crate::setting::Setting;

/// Row names and people of one size.
struct Size {
    name: &'static str,
    seconds: &'static str,
    people: usize,
}

const CITY: Size = Size { name: "conversion_42000", seconds: "conversion_42000_durable_seconds", people: limits::PEOPLE };
const LARGEST: Size = Size { name: "conversion_100000", seconds: "conversion_100000_durable_seconds", people: limits::PEOPLE_LARGEST };
const REFERENCE: &str = "raw RocksDB, the same bytes in the same batch, synced";

struct Round {
    records: u64,
    seconds: Pair,
}

/// Both rows of the city's conversion.
pub(crate) fn run(setting: &Setting<'_>, histories: &mut Histories<'_>) -> Result<Vec<Row>> {
    rows(setting, &histories.roster()?, &CITY)
}

/// Both rows of the largest published conversion.
pub(crate) fn run_largest(setting: &Setting<'_>, histories: &mut Histories<'_>) -> Result<Vec<Row>> {
    rows(setting, &histories.largest()?, &LARGEST)
}

fn rows(setting: &Setting<'_>, roster: &Stage, size: &Size) -> Result<Vec<Row>> {
    // The first one meets cold caches and is not counted.
    round(setting, roster, size)?;
    let mut rounds = Vec::new();
    for number in 1..=setting.rounds {
        show_round(size.name, number, setting.rounds);
        rounds.push(round(setting, roster, size)?);
    }
    let records = rounds[0].records;
    ensure!(rounds.iter().all(|round| round.records == records), "not every round made {records} records");
    let rate = |seconds: f64| records as f64 / seconds;
    let rates: Vec<Pair> =
        rounds.iter().map(|round| Pair { value: rate(round.seconds.value), reference: rate(round.seconds.reference) }).collect();
    let seconds: Vec<Pair> = rounds.iter().map(|round| round.seconds).collect();
    let data = setting.scratch.copy_of(&roster.data, "parts")?;
    let Parts { decide, encode } = parts::of_conversion(&data, roster)?;
    remove(&data);
    let detail = format!(
        "{} people called, {records} records in one batch, every round; alone, deciding takes {decide:.3} s and encoding {encode:.3} s",
        size.people
    );
    let by_rate = Measured {
        name: size.name,
        unit: "records/s",
        better: Better::Higher,
        reference: REFERENCE,
        aim: Some((AimOf::RatioAtLeast, 0.5)),
        pairs: &rates,
        detail: detail.clone(),
    };
    let by_time = Measured {
        name: size.seconds,
        unit: "s",
        better: Better::Lower,
        reference: REFERENCE,
        aim: Some((AimOf::ValueAtMost, 1.0)),
        pairs: &seconds,
        detail,
    };
    Ok(vec![by_rate.row(), by_time.row()])
}

fn round(setting: &Setting<'_>, roster: &Stage, size: &Size) -> Result<Round> {
    let data = setting.scratch.copy_of(&roster.data, "conversion")?;
    let running = Running::start(&data)?;
    let request = plans::convert();
    let before = muster_log::Log::stats(&*running.log);
    settle_disk();
    let started = Instant::now();
    let answer = running.engine.submit_waiting(request).wait()?;
    let value = started.elapsed().as_secs_f64();
    let after = muster_log::Log::stats(&*running.log);
    let called = answer.counts.iter().find(|(event, _)| *event == "ResponderCalled").map_or(0, |(_, count)| *count);
    ensure!(called == size.people as u64, "the conversion called {called} people");
    ensure!(answer.first == roster.end + 1 && after.batches - before.batches == 1, "the conversion is not one batch of its own");
    ensure!(muster_log::Log::watermark(&*running.log).0 == answer.last, "the answer came before the records were durable");
    running.end()?;
    let units = RawStore::open_read_only(&data.join(LOG_DIR))?.units(answer.first, answer.last)?;
    remove(&data);
    let reference = raw(setting, roster, &units, answer.last)?;
    Ok(Round { records: answer.last - answer.first + 1, seconds: Pair { value, reference } })
}

/// The same bytes, onto the same log, without anything of ours.
fn raw(setting: &Setting<'_>, roster: &Stage, units: &[crate::raw::RawUnit], last: u64) -> Result<f64> {
    let data = setting.scratch.copy_of(&roster.data, "conversion-raw")?;
    let raw = RawStore::open(&data.join(LOG_DIR))?;
    settle_disk();
    let started = Instant::now();
    raw.write(units)?;
    let seconds = started.elapsed().as_secs_f64();
    ensure!(raw.last()? == last, "the raw store ends at {}", raw.last()?);
    drop(raw);
    remove(&data);
    Ok(seconds)
}
