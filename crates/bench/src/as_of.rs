//! `as_of_…`: how long a page of a view at a random earlier position takes, and what the history that answers it takes on disk; beside a bare RocksDB that
//! scans the very bytes of the answer, and beside the other way to keep the past: states of the folds in regular distances.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use muster_log::{Log, MemoryLog, Position, Record, Unit};
use muster_proto::v1::AreaLevel;
use muster_server::wiring::LOG_DIR;
use muster_views::{Filter, HistoryHandle, HistoryStore, Page, Pass, Row as ViewRow, View, spawn_history};
use rocksdb::{DB, DBCompressionType, Direction, FlushOptions, IteratorMode, Options, ReadOptions};
use tokio::runtime::Runtime;

use crate::folder::{bytes_of, remove, settle_disk};
use crate::history::{Histories, open_log};
use crate::limits;
use crate::progress::{say, show_round};
use crate::row::{AimOf, Better, Measured, Pair, Row, Spread};
use crate::setting::Setting;

/// The rows of pages, and how many records their logs have.
const PAGES: [(&str, u64); 4] =
    [("as_of_10000", 10_000), ("as_of_100000", 100_000), ("as_of_1000000", 1_000_000), ("as_of_10000000", limits::AS_OF_RECORDS_FLAGGED)];
const CITY: &str = "as_of_city";
const DISK: &str = "as_of_bytes_per_event";
const FOLLOW: &str = "as_of_follow";
const STATES: &str = "as_of_states";
/// The rows' names.
pub(crate) const NAMES: [&str; PAGES.len() + 4] = [PAGES[0].0, PAGES[1].0, PAGES[2].0, PAGES[3].0, CITY, DISK, FOLLOW, STATES];

/// What a slider may take: a tenth of a second is felt as at once.
const AIM_MS: f64 = 100.0;
const VIEWS: [View; 4] = [View::Coverage, View::Sites, View::Calls, View::Responders];
const BARE: &str = "bare RocksDB: a scan of the answer's bytes";

/// A log and the history that followed it to its end.
struct Kept {
    log: Arc<dyn Log>,
    history: HistoryHandle,
    records: u64,
    areas: Vec<String>,
    follow_seconds: f64,
}

/// All rows of earlier moments.
pub(crate) fn run(setting: &Setting<'_>, histories: &mut Histories<'_>) -> Result<Vec<Row>> {
    let largest = setting.as_of_records();
    let stage = histories.longest(largest)?;
    let data = setting.scratch.copy_of(&stage.data, "as-of")?;
    let log: Arc<dyn Log> = Arc::new(open_log(&data)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut rows = Vec::new();
    for (name, records) in PAGES.into_iter().filter(|(_, records)| *records <= largest) {
        // Shorter logs are in memory: what is measured reads the history alone.
        let followed = if records < largest { cut(&*log, records)? } else { Arc::clone(&log) };
        let kept = keep(setting, &runtime, followed)?;
        rows.push(pages(setting, name, &kept)?);
        if records == largest {
            rows.push(city(setting, &kept)?);
            let log_bytes = bytes_of(&data.join(LOG_DIR).join("db"))? as f64 / log.watermark().0 as f64;
            rows.extend(disk(&kept, log_bytes));
            rows.push(states(setting, &kept)?);
        }
    }
    Ok(rows)
}

/// The first records of a log, in memory.
fn cut(log: &dyn Log, records: u64) -> Result<Arc<dyn Log>> {
    let copy = MemoryLog::new();
    let mut next = Position::FIRST;
    while next.0 <= records {
        let wanted = usize::try_from(records + 1 - next.0)?.min(4_096);
        let read = log.read(next, 4 << 20, wanted)?;
        let last = read.last().context("the log ends too early")?.position;
        let (sent, stored) = std::sync::mpsc::sync_channel(1);
        let unit = Unit::records_only(next, read.into_iter().map(|record| record.bytes).collect());
        copy.append(unit, Box::new(move |outcome| drop(sent.send(outcome))))?;
        stored.recv()??;
        next = last.next();
    }
    Ok(Arc::new(copy))
}

/// Follows the log to its end and lets the disk come to rest.
fn keep(setting: &Setting<'_>, runtime: &Runtime, log: Arc<dyn Log>) -> Result<Kept> {
    let records = log.watermark().0;
    settle_disk();
    let store = HistoryStore::open(setting.scratch.fresh("history"))?;
    let started = Instant::now();
    let history = {
        let _inside = runtime.enter();
        spawn_history(&View::ALL, store, Arc::clone(&log))?
    };
    runtime.block_on(history.wait_for(Position(records)))?;
    let follow_seconds = started.elapsed().as_secs_f64();
    // It still answers, and nothing works beside what is measured.
    runtime.block_on(history.clone().shutdown())?;
    let areas = subtrees(&history, Position(records))?;
    say(&format!("history: {records} records in {follow_seconds:.1} s, {} bytes", history.bytes()));
    Ok(Kept { log, history, records, areas, follow_seconds })
}

/// Counties and townships.
fn subtrees(history: &HistoryHandle, end: Position) -> Result<Vec<String>> {
    let dump = history.dump(View::Coverage, end)?;
    let mut areas = Vec::new();
    for (_, bytes) in dump {
        let ViewRow::Coverage(row) = ViewRow::decode(View::Coverage, &bytes)? else { continue };
        if matches!(row.level(), AreaLevel::County | AreaLevel::Township) {
            areas.push(row.area_id);
        }
    }
    ensure!(!areas.is_empty(), "the tree has no counties and townships");
    Ok(areas)
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// One after the other a page at a random place; then the same bytes from a bare database.
struct Asked {
    took_ms: Vec<f64>,
    bare_ms: Vec<f64>,
    rows: u64,
}

fn ask(setting: &Setting<'_>, samples: usize, mut page: impl FnMut() -> Result<Vec<Vec<u8>>>) -> Result<Asked> {
    let dir = setting.scratch.fresh("bare");
    let bare = bare(&dir)?;
    let (mut took_ms, mut rows) = (Vec::with_capacity(samples), 0);
    for sample in 0..samples {
        let started = Instant::now();
        let answer = page()?;
        took_ms.push(ms(started.elapsed()));
        rows += answer.len() as u64;
        for (index, row) in answer.iter().enumerate() {
            bare.put([u32::try_from(sample)?.to_be_bytes(), u32::try_from(index)?.to_be_bytes()].concat(), row)?;
        }
    }
    let mut flush = FlushOptions::default();
    flush.set_wait(true);
    bare.flush_opt(&flush)?;
    let (mut bare_ms, mut found) = (Vec::with_capacity(samples), 0);
    for sample in 0..samples {
        let started = Instant::now();
        let sample = u32::try_from(sample)?;
        let mut read = ReadOptions::default();
        read.set_iterate_upper_bound((sample + 1).to_be_bytes());
        for entry in bare.iterator_opt(IteratorMode::From(&sample.to_be_bytes(), Direction::Forward), read) {
            entry?;
            found += 1;
        }
        bare_ms.push(ms(started.elapsed()));
    }
    ensure!(found == rows, "the bare database has {found} of {rows} rows");
    drop(bare);
    remove(&dir);
    Ok(Asked { took_ms, bare_ms, rows })
}

fn bare(dir: &std::path::Path) -> Result<DB> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::Zstd);
    DB::open(&options, dir).with_context(|| format!("open {}", dir.display()))
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// The value that so many percent do not exceed.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent).div_ceil(100).clamp(1, sorted.len()) - 1]
}

fn row(name: &'static str, rounds: &[Asked], what: &str) -> Row {
    let pairs: Vec<Pair> =
        rounds.iter().map(|asked| Pair { value: percentile(&asked.took_ms, 95), reference: percentile(&asked.bare_ms, 95) }).collect();
    let p50 = Spread::of(rounds.iter().map(|asked| percentile(&asked.took_ms, 50))).median;
    let p99 = Spread::of(rounds.iter().map(|asked| percentile(&asked.took_ms, 99))).median;
    let (answers, rows) = rounds.iter().fold((0, 0), |(answers, rows), asked| (answers + asked.took_ms.len(), rows + asked.rows));
    let detail = format!("p95; p50 {p50:.2} ms, p99 {p99:.2} ms; {answers} {what}, {:.0} rows each", rows as f64 / answers as f64);
    Measured { name, unit: "ms", better: Better::Lower, reference: BARE, aim: Some((AimOf::ValueAtMost, AIM_MS)), pairs: &pairs, detail }
        .row()
}

fn pages(setting: &Setting<'_>, name: &'static str, kept: &Kept) -> Result<Row> {
    let mut dice = Dice(2_026);
    let mut rounds = Vec::new();
    for round in 1..=setting.rounds {
        show_round(name, round, setting.rounds);
        rounds.push(ask(setting, limits::AS_OF_SAMPLES, || {
            let position = Position(1 + dice.below(kept.records));
            let view = VIEWS[usize::try_from(dice.below(VIEWS.len() as u64))?];
            let area = kept.areas[usize::try_from(dice.below(kept.areas.len() as u64))?].clone();
            let filter = Filter { realm: Some(muster_proto::ACTUAL.to_owned()), area: Some(area), any_of: None };
            page_of(&kept.history, view, &filter, limits::AS_OF_PAGE_ROWS, position)
        })?);
    }
    Ok(row(
        name,
        &rounds,
        &format!("first pages of 1,000 rows of four views in random counties and townships at random of {} positions", kept.records),
    ))
}

fn city(setting: &Setting<'_>, kept: &Kept) -> Result<Row> {
    let mut dice = Dice(7);
    let mut rounds = Vec::new();
    for round in 1..=setting.rounds {
        show_round(CITY, round, setting.rounds);
        rounds.push(ask(setting, limits::AS_OF_SAMPLES_CITY, || {
            let position = Position(1 + dice.below(kept.records));
            page_of(&kept.history, View::Coverage, &Filter::default(), usize::MAX, position)
        })?);
    }
    Ok(row(CITY, &rounds, &format!("whole coverages of the city at random of {} positions", kept.records)))
}

fn page_of(history: &HistoryHandle, view: View, filter: &Filter, rows_max: usize, position: Position) -> Result<Vec<Vec<u8>>> {
    let page = Page { after: None, rows_max: Some(rows_max) };
    let snapshot = history.snapshot(view, filter, &page, position)?;
    Ok(snapshot.rows.iter().map(|placed| placed.row.encode()).collect())
}

/// `log_bytes` an event.
fn disk(kept: &Kept, log_bytes: f64) -> [Row; 2] {
    let pairs = [Pair { value: kept.history.bytes() as f64 / kept.records as f64, reference: log_bytes }];
    let detail = format!("{} records; a version of each row for each record that changed it", kept.records);
    let reference = "the log's own RocksDB";
    let disk = Measured { name: DISK, unit: "bytes/event", better: Better::Lower, reference, aim: None, pairs: &pairs, detail };
    let rate = kept.records as f64 / kept.follow_seconds;
    let detail = format!("{} records followed from position 1 in {:.1} s", kept.records, kept.follow_seconds);
    let follow = Measured {
        name: FOLLOW,
        unit: "events/s",
        better: Better::Higher,
        reference: "itself",
        aim: None,
        pairs: &[Pair { value: rate, reference: rate }],
        detail,
    };
    [disk.row(), follow.row()]
}

/// The other way: the folds' states in regular distances, loaded and folded on from. The rows would have to be kept and read beside, which is left out.
fn states(setting: &Setting<'_>, kept: &Kept) -> Result<Row> {
    let dir = setting.scratch.fresh("states");
    let store = bare(&dir)?;
    let (mut pass, mut saved) = (Pass::new(&View::ALL), 0_u64);
    each(&*kept.log, Position::FIRST, Position(kept.records), |record| {
        pass.take(record)?;
        if record.position.0 % limits::AS_OF_STATE_SPACING == 0 {
            pass.drain();
            let bytes = pass.save()?;
            saved += bytes.len() as u64;
            store.put(record.position.0.to_be_bytes(), bytes)?;
        }
        Ok(())
    })?;
    store.compact_range(None::<&[u8]>, None::<&[u8]>);
    let stored = bytes_of(&dir)?;
    let (mut dice, mut pairs) = (Dice(11), Vec::new());
    for round in 1..=setting.rounds {
        show_round(STATES, round, setting.rounds);
        let (mut took, mut folded) = (Vec::new(), Vec::new());
        for _ in 0..limits::AS_OF_SAMPLES_STATES {
            let position = Position(1 + dice.below(kept.records));
            let from = position.0 - position.0 % limits::AS_OF_STATE_SPACING;
            let started = Instant::now();
            let mut pass = match store.get(from.to_be_bytes())? {
                Some(bytes) => Pass::load(&View::ALL, &bytes)?,
                None => Pass::new(&View::ALL),
            };
            let loaded = Instant::now();
            each(&*kept.log, Position(from + 1), position, |record| Ok(pass.take(record)?))?;
            folded.push(ms(loaded.elapsed()));
            took.push(ms(started.elapsed()));
        }
        pairs.push(Pair { value: percentile(&took, 95), reference: percentile(&folded, 95) });
    }
    drop(store);
    remove(&dir);
    let detail = format!(
        "p95; a state every {} records: {:.0} bytes/event of them before and {:.0} after compression; rows would come on top",
        limits::AS_OF_STATE_SPACING,
        saved as f64 / kept.records as f64,
        stored as f64 / kept.records as f64
    );
    let reference = "folding on alone, the state loaded already";
    Ok(Measured { name: STATES, unit: "ms", better: Better::Lower, reference, aim: None, pairs: &pairs, detail }.row())
}

fn each(log: &dyn Log, from: Position, to: Position, mut take: impl FnMut(&Record) -> Result<()>) -> Result<()> {
    let mut next = from;
    while next <= to {
        let records = log.read(next, 1 << 20, 4_096)?;
        let last = records.last().context("the log ends too early")?.position;
        for record in records.iter().take_while(|record| record.position <= to) {
            take(record)?;
        }
        next = last.next();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!([1, 50, 95, 100].map(|percent| percentile(&values, percent)), [2.0, 100.0, 190.0, 200.0]);
        assert_eq!(percentile(&[3.0], 95), 3.0);
    }
}
