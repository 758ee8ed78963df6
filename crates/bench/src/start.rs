//! `start_from_snapshot` and `start_from_position_1`: how long until log and engine take commands, beside a bare open and scan
//! of the same log's RocksDB.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use muster_log::Log as _;
use muster_proto::Request;
use muster_server::wiring::{LOG_DIR, STATE_DIR};

use crate::folder::{remove, settle_disk};
use crate::history::{Duty, Histories, Running, Stage, presence};
use crate::progress::show_round;
use crate::raw::RawStore;
use crate::row::{Better, Measured, Pair, Row};
use crate::setting::Setting;
use crate::views::scan;

const SNAPSHOT: &str = "start_from_snapshot";
const POSITION_1: &str = "start_from_position_1";

/// Seconds of one start, and what is known of the state that came of it.
struct Start {
    seconds: f64,
    timers: usize,
}

/// Both rows of the start.
pub(crate) fn run(setting: &Setting<'_>, histories: &mut Histories<'_>) -> Result<Vec<Row>> {
    let full = histories.full()?;
    let (_, duties) = histories.converted()?;
    let (mut from_snapshot, mut from_1) = (Vec::new(), Vec::new());
    for round in 0..=setting.rounds {
        show_round("start", round, setting.rounds);
        let reference = bare(setting, &full)?;
        let with = start(setting, &full, &duties[0], true)?;
        let without = start(setting, &full, &duties[0], false)?;
        ensure!(with.timers == without.timers, "{} timers from the snapshot, {} from position 1", with.timers, without.timers);
        if round > 0 {
            from_snapshot.push(Pair { value: with.seconds, reference });
            from_1.push(Pair { value: without.seconds, reference });
        }
    }
    let row = |name, pairs: &[Pair], what: &str| {
        let reference = "raw open and scan of the same log's RocksDB";
        let detail = format!("{} records; {what}; a check-out and a repeated command answered right afterwards", full.end);
        Measured { name, unit: "s", better: Better::Lower, reference, aim: None, pairs, detail }.row()
    };
    Ok(vec![
        row(SNAPSHOT, &from_snapshot, "log opened, snapshot of the last position loaded"),
        row(POSITION_1, &from_1, "log opened, everything replayed"),
    ])
}

fn bare(setting: &Setting<'_>, full: &Stage) -> Result<f64> {
    let data = setting.scratch.copy_of(&full.data, "start-raw")?;
    settle_disk();
    let started = Instant::now();
    let raw = RawStore::open(&data.join(LOG_DIR))?;
    scan(&raw, full)?;
    let seconds = started.elapsed().as_secs_f64();
    drop(raw);
    remove(&data);
    Ok(seconds)
}

fn start(setting: &Setting<'_>, full: &Stage, someone: &Duty, with_snapshot: bool) -> Result<Start> {
    let data = setting.scratch.copy_of(&full.data, "start")?;
    if with_snapshot {
        ensure!(has_snapshot(&data.join(STATE_DIR))?, "there is no snapshot to start from");
    } else {
        remove(&data.join(STATE_DIR));
    }
    settle_disk();
    let started = Instant::now();
    let running = Running::start(&data)?;
    let seconds = started.elapsed().as_secs_f64();
    let status = running.engine.status();
    ensure!(status.decided.0 == full.end && status.durable.0 == full.end, "the engine is at {}", status.decided);
    let expected = if with_snapshot { full.end } else { 0 };
    ensure!(status.snapshot.0 == expected, "the engine started from a snapshot of {}", status.snapshot);
    let timers = running.engine.status().timers;
    probe(&running, someone, full.end)?;
    running.end()?;
    remove(&data);
    Ok(Start { seconds, timers })
}

fn has_snapshot(dir: &Path) -> Result<bool> {
    Ok(std::fs::read_dir(dir)?.next().is_some())
}

/// The state is the right one: somebody who is on post can leave once, and a command of the history is known.
fn probe(running: &Running, someone: &Duty, end: u64) -> Result<()> {
    let known: Request = presence(someone, true, "h0");
    let repeated = running.engine.submit_waiting(known).wait()?;
    ensure!(repeated.repeated && repeated.last <= end, "a known command was answered {repeated:?}");
    let left = running.engine.submit_waiting(presence(someone, false, "probe")).wait()?;
    ensure!(left.first == end + 1 && running.log.watermark().0 == left.last, "the check-out was answered {left:?}");
    Ok(())
}
