//! `view_rebuild`: all six views folded anew from the whole log and written to their store, beside a bare scan of the same
//! log's RocksDB.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use muster_log::{Log, Position};
use muster_server::wiring::LOG_DIR;
use muster_views::{Dump, LogSource, Row as ViewRow, RunnerOptions, View, ViewStore, compare, fold_log, spawn};

use crate::folder::{remove, settle_disk};
use crate::history::{Histories, Stage, open_log};
use crate::limits;
use crate::progress::show_round;
use crate::raw::RawStore;
use crate::row::{AimOf, Better, Measured, Pair, Row};
use crate::setting::Setting;

const NAME: &str = "view_rebuild";

/// The row of the rebuild.
pub(crate) fn run(setting: &Setting<'_>, histories: &mut Histories<'_>) -> Result<Vec<Row>> {
    let full = histories.full()?;
    let data = setting.scratch.copy_of(&full.data, "views")?;
    let raw_data = setting.scratch.copy_of(&full.data, "views-raw")?;
    let raw = RawStore::open(&raw_data.join(LOG_DIR))?;
    let log: Arc<dyn Log> = Arc::new(open_log(&data)?);
    ensure!(log.watermark() == Position(full.end), "the log ends at {}", log.watermark());
    let expected = fold_log(&*log, &View::ALL, log.watermark())?;
    let rows = check_rows(&expected)?;
    let mut pairs = Vec::new();
    for round in 0..=setting.rounds {
        show_round(NAME, round, setting.rounds);
        let value = rebuild(setting, &log, &expected)?;
        let reference = scan(&raw, &full)?;
        if round > 0 {
            pairs.push(Pair { value: full.end as f64 / value, reference: full.end as f64 / reference });
        }
    }
    let measured = Measured {
        name: NAME,
        unit: "events/s",
        better: Better::Higher,
        reference: "raw scan of the same log's RocksDB, records/s",
        aim: Some((AimOf::RatioAtLeast, 0.25)),
        pairs: &pairs,
        detail: format!(
            "{} events into {rows} rows of {} views, written to their store; rows compared with a fold in memory",
            full.end,
            View::ALL.len()
        ),
    };
    Ok(vec![measured.row()])
}

/// Folds everything into a new store. Returns the seconds until the last row could be read.
fn rebuild(setting: &Setting<'_>, log: &Arc<dyn Log>, expected: &[(View, Dump)]) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let dir = setting.scratch.fresh("rebuilt");
    settle_disk();
    let seconds = runtime.block_on(async {
        let started = Instant::now();
        let store = ViewStore::open(&dir)?;
        let views = spawn(&View::ALL, store, LogSource::new(Arc::clone(log)), RunnerOptions::default())?;
        let at = views.wait_for(log.watermark()).await?;
        let seconds = started.elapsed().as_secs_f64();
        ensure!(at.position == log.watermark(), "the rebuild stands at {at}");
        for (view, rows) in expected {
            let (_, rebuilt) = views.dump(*view)?;
            let differences = compare(*view, rows, &rebuilt);
            ensure!(differences.is_empty(), "{} rows differ, the first: {}", differences.len(), differences[0]);
        }
        views.shutdown().await?;
        anyhow::Ok(seconds)
    })?;
    remove(&dir);
    Ok(seconds)
}

/// Walks over the same records without decoding them. Returns the seconds.
pub(crate) fn scan(raw: &RawStore, full: &Stage) -> Result<f64> {
    let started = Instant::now();
    let scanned = raw.scan()?;
    let seconds = started.elapsed().as_secs_f64();
    ensure!(scanned.records == full.end, "the scan found {scanned:?}, the log ends at {}", full.end);
    Ok(seconds)
}

/// The rows say what the history is known to be. Returns how many there are.
fn check_rows(dumps: &[(View, Dump)]) -> Result<usize> {
    let (_, coverage) = dumps.iter().find(|(view, _)| *view == View::Coverage).context("coverage is one of the views")?;
    let key = format!("actual/{}", muster_demo::CITY);
    let (_, bytes) = coverage.iter().find(|(row, _)| *row == key).context("the city has a row")?;
    let ViewRow::Coverage(city) = ViewRow::decode(View::Coverage, bytes)? else { anyhow::bail!("not a row of coverage") };
    let people = i64::try_from(limits::PEOPLE)?;
    ensure!(
        (city.required, city.on_post, city.gap) == (people, people, 0),
        "the city requires {}, has {} on post and misses {}",
        city.required,
        city.on_post,
        city.gap
    );
    Ok(dumps.iter().map(|(_, rows)| rows.len()).sum())
}
