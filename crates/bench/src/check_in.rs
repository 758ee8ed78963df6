//! `check_in_64_clients`: 64 clients, each with one command under way at a time, check in and out through the engine; beside a
//! bare RocksDB that writes the same bytes in synced batches of the size that came about.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use muster_log::{Log as _, LogStats};
use muster_proto::{CommandPort, Request};
use muster_server::wiring::LOG_DIR;

use crate::folder::settle_disk;
use crate::history::{Duty, Histories, Running, presence};
use crate::limits;
use crate::progress::show_round;
use crate::raw::{RawStore, RawUnit};
use crate::row::{AimOf, Better, Measured, Pair, Row};
use crate::setting::Setting;

const NAME: &str = "check_in_64_clients";
/// What both rows of the check-ins are measured beside.
pub(crate) const REFERENCE: &str = "raw RocksDB, the same bytes in batches of the same size, synced";

/// The row of the in-process clients.
pub(crate) fn run(setting: &Setting<'_>, histories: &mut Histories<'_>) -> Result<Vec<Row>> {
    let (converted, duties) = histories.converted()?;
    let data = setting.scratch.copy_of(&converted.data, "check-in")?;
    let raw_dir = setting.scratch.copy_of(&converted.data, "check-in-raw")?.join(LOG_DIR);
    let running = Running::start(&data)?;
    let raw = RawStore::open(&raw_dir)?;
    let mut pairs = Vec::new();
    let mut batches = Vec::new();
    // Round 0 warms up: it is played on both sides, so that they stay alike, and not counted.
    for round in 0..=setting.rounds {
        show_round(NAME, round, setting.rounds);
        let work = work(&duties, setting.client_commands(), &format!("i{round}"));
        let commands: usize = work.iter().map(Vec::len).sum();
        let before = running.log.stats();
        let first = running.log.watermark().next().0;
        settle_disk();
        let seconds = play(&running.engine, work)?;
        let written = Written::between(before, running.log.stats());
        let last = running.log.watermark().0;
        written.check(commands, first, last)?;
        let units = RawStore::open_read_only(&data.join(LOG_DIR))?.units(first, last)?;
        settle_disk();
        let raw_seconds = write_in_batches(&raw, &units, written.batches)?;
        ensure!(raw.last()? == last, "the raw store ends at {}", raw.last()?);
        if round > 0 {
            let rate = |seconds: f64| commands as f64 / seconds;
            pairs.push(Pair { value: rate(seconds), reference: rate(raw_seconds) });
            batches.push(written.mean());
        }
    }
    drop(raw);
    running.end()?;
    let measured = Measured {
        name: NAME,
        unit: "commands/s",
        better: Better::Higher,
        reference: REFERENCE,
        aim: Some((AimOf::RatioAtLeast, 0.5)),
        pairs: &pairs,
        detail: detail(setting.client_commands(), &batches),
    };
    Ok(vec![measured.row()])
}

/// What was done, in words.
pub(crate) fn detail(commands: usize, batches: &[f64]) -> String {
    let batch = crate::row::Spread::of(batches.iter().copied());
    let clients = limits::CLIENTS;
    format!(
        "{clients} clients × {commands} commands a round, each durable; {:.1} commands a sync ({:.1}–{:.1})",
        batch.median, batch.min, batch.max
    )
}

/// What each client does: arrive and leave, one person after the other. The clients share nobody.
pub(crate) fn work(duties: &[Duty], commands: usize, round: &str) -> Vec<Vec<Request>> {
    let of_client = |client: usize| {
        let people = duties.iter().skip(client).step_by(limits::CLIENTS).take(commands / 2);
        people.flat_map(|duty| [presence(duty, true, &format!("{round}i")), presence(duty, false, &format!("{round}o"))]).collect()
    };
    (0..limits::CLIENTS).map(of_client).collect()
}

/// Lets all clients work at the same time. Returns the seconds until the last answer.
fn play(port: &impl CommandPort, work: Vec<Vec<Request>>) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let started = Instant::now();
    runtime.block_on(try_join_all(work.into_iter().map(|commands| client(port, commands))))?;
    Ok(started.elapsed().as_secs_f64())
}

async fn client(port: &impl CommandPort, commands: Vec<Request>) -> Result<()> {
    for request in commands {
        let answer = port.submit(request).await?;
        ensure!(answer.first == answer.last && answer.first > 0 && !answer.repeated, "a check-in made {answer:?}");
    }
    Ok(())
}

/// What the log wrote in a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) batches: u64,
    units: u64,
    records: u64,
}

impl Written {
    /// Between two looks at the log's own count.
    pub(crate) const fn between(before: LogStats, after: LogStats) -> Self {
        Self { batches: after.batches - before.batches, units: after.units - before.units, records: after.records - before.records }
    }

    /// Each command is one unit of one record, and nothing else was written.
    pub(crate) fn check(&self, commands: usize, first: u64, last: u64) -> Result<()> {
        let commands = commands as u64;
        ensure!(self.units == commands && self.records == commands, "{commands} commands made {self:?}");
        ensure!(last - first + 1 == commands, "{commands} commands took the positions {first} to {last}");
        Ok(())
    }

    /// Commands a batch.
    pub(crate) fn mean(&self) -> f64 {
        self.units as f64 / self.batches as f64
    }
}

/// Writes the units in so many batches, as even as can be, each synced. Returns the seconds.
pub(crate) fn write_in_batches(raw: &RawStore, units: &[RawUnit], batches: u64) -> Result<f64> {
    let batches = usize::try_from(batches).context("more batches than memory has room for")?;
    ensure!(batches > 0 && batches <= units.len(), "{} units cannot be {batches} batches", units.len());
    let write = || {
        let started = Instant::now();
        let mut from = 0;
        for batch in 1..=batches {
            let to = units.len() * batch / batches;
            raw.write(&units[from..to])?;
            from = to;
        }
        Ok(started.elapsed().as_secs_f64())
    };
    // On a thread of its own, as the log's writer: the system is slow to give the processor back to one that has worked much.
    std::thread::scope(|scope| scope.spawn(write).join().map_err(|_| anyhow::anyhow!("the writing thread panicked"))?)
}
