//! Benchmarks of Muster, each beside what it stands on: raw RocksDB and raw JetStream.
//!
//! ```text
//! cargo run --release -p muster-bench -- [--only NAME] [--json FILE] [--rounds N] [--quick] [--dir DIR]
//! ```
//!
//! # How to read a row
//! - Every row is measured together with its reference: in the same run, on the same work, round by round, value and
//!   reference by turns, so that whatever else the machine does meets both. `value` and `reference_value` are medians of the
//!   rounds and have the row's unit; `_min` and `_max` show the spread.
//! - `ratio` is of the two medians: value by reference for rates, reference by value for times. So it always says which part
//!   of the reference's speed is reached, and above 1 the row is faster. `ratio_min` and `ratio_max` are of single rounds.
//! - `aim` is what the ratio must at least be, or, where `aim_of` is `value_at_most`, what the value may at most be. `met` says
//!   whether it is. A row without an aim is there to be watched.
//! - A figure alone says little: it is of one machine. The ratio travels better, but only from a disk whose sync really
//!   reaches the disk; the run says on which file system it wrote.
//!
//! | row | what is timed | beside |
//! | --- | --- | --- |
//! | `conversion_42000` | one ConvertArea that seats 42,000 people, from the request to the durable answer, in records | bare RocksDB, the same bytes onto the same log, one batch, synced |
//! | `conversion_42000_durable_seconds` | the same in seconds | the same |
//! | `check_in_64_clients` | 64 clients in this process, each waiting for its durable answer before its next command | bare RocksDB, the same bytes in as many synced batches as came about |
//! | `check_in_64_http` | the same over HTTP to a whole server in this process | the same |
//! | `view_rebuild` | all views folded from position 1 into a new store, until the last row can be read | bare scan of the log's RocksDB |
//! | `as_of_<N>` | the slowest of twenty pages of a view in a county or township at a random position of a log of N records (95th percentile) | a bare RocksDB that scans the bytes of the answer |
//! | `as_of_city` | the same of the whole city's coverage, in the longest log | the same |
//! | `as_of_bytes_per_event` | what the history that answers them takes on disk | the log's own RocksDB |
//! | `as_of_follow` | the history made from position 1 | |
//! | `as_of_states` | the other way to keep the past: the nearest state of the folds loaded, and folded on from | folding on alone |
//! | `relay` | the fenced relay, from its connection until the stream holds the last record | the client library's own publish: no fence, no headers, the same payloads, subjects, window and stream |
//! | `relay_beside_one_inbox` | the same | the same written by hand around one inbox: the most that client and server give |
//! | `kv_rows` | all views put into empty buckets of NATS KV, from the connection until every bucket is complete | the client library's own publish of the same values to the same keys |
//! | `kv_seen_p50`, `kv_seen_p99` | from a command's durable answer until a watcher of the bucket has the row | bare NATS from publish to subscription |
//! | `live_held_idle`, `live_held_burst` | resident memory of the server for each subscriber that it holds, at rest and after a burst | a connection that is kept open and asks for nothing |
//! | `live_sse_p50`, `live_sse_p99` | from a command's durable answer until a subscriber over HTTP has the row, at a steady pace | bare NATS from publish to subscription |
//! | `live_snapshot` | until a subscriber of the whole city's coverage has all rows | the same rows as pages over HTTP |
//! | `start_from_snapshot` | opening log and engine with a snapshot of the last position | bare open and scan of the log's RocksDB |
//! | `start_from_position_1` | the same without a snapshot | the same |
//! | `conversion_100000` | one ConvertArea that seats 100,000 people, from the request to the durable answer, in records | bare RocksDB, the same bytes onto the same log, one batch, synced |
//! | `conversion_100000_durable_seconds` | the same in seconds | the same |
//! | `rehearsal_42000` | the whole city rehearsed by the planner, every post told, from the question to the answer | the conversion itself, in the same run |
//! | `commands_<Kind>` | the domain alone, policies included, over the demo's play | replaying the records of the same commands |
//! | `fill` | the joint proposal for the open needs of 500 whistles and 42,000 people, reasons included | the same needs served one after the other |
//! | `fill_one_township` | the same with all whistles in one township | the same |
//! | `memory_per_responder_<N>` | resident memory for each of N enrolled people | the stored form of the same state |
//!
//! Every row checks what it did (counts, positions, rows, bytes of the stream), so that a broken path ends the run instead of
//! giving a good figure. Nothing here is used by anything else, and it must never be: measuring code stays out of the product.

mod as_of;
mod check_in;
mod check_in_http;
mod conversion;
mod fill;
mod folder;
mod held;
mod history;
mod kinds;
mod kv;
mod limits;
mod live;
mod memory;
mod nats;
mod parts;
mod plans;
mod progress;
mod raw;
mod rehearsal;
mod relay;
mod requests;
mod row;
mod setting;
mod start;
mod table;
mod views;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use serde_json::json;

use folder::Scratch;
use history::Histories;
use progress::say;
use row::Row;
use setting::Setting;

/// Benchmarks of Muster beside raw RocksDB and raw JetStream.
#[derive(Debug, Parser)]
#[command(name = "muster-bench", version)]
struct Arguments {
    /// Measure only the rows whose names begin with this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Write the rows as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Rounds of each row
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Less work and fewer rounds: a look, not a measurement
    #[arg(long)]
    quick: bool,
    /// Where to write, on the disk that is to be measured [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The rows as_of_… over ten million records: many minutes, some ten gigabytes
    #[arg(long)]
    ten_million: bool,
    /// Say the bytes that so many people take, resident and stored, and end
    #[arg(long, value_name = "N", hide = true)]
    memory_of: Option<usize>,
    /// Hold a connection for each path of a file, until the input ends
    #[arg(long, value_name = "FILE", hide = true, requires_all = ["hold_at", "hold_mark"])]
    hold: Option<PathBuf>,
    /// The server's address
    #[arg(long, value_name = "ADDRESS", hide = true)]
    hold_at: Option<String>,
    /// What the line begins with from which on a connection counts as held
    #[arg(long, value_name = "TEXT", hide = true)]
    hold_mark: Option<String>,
}

type Bench = fn(&Setting<'_>, &mut Histories<'_>) -> Result<Vec<Row>>;

/// The benches with the rows they make.
const BENCHES: [(&[&str], Bench); 14] = [
    (&["conversion_42000", "conversion_42000_durable_seconds"], conversion::run),
    (&["conversion_100000", "conversion_100000_durable_seconds"], conversion::run_largest),
    (&[rehearsal::NAME], rehearsal::run),
    (&kinds::NAMES, kinds::run),
    (&fill::NAMES, fill::run),
    (&memory::NAMES, memory::run),
    (&["check_in_64_clients"], check_in::run),
    (&["check_in_64_http"], check_in_http::run),
    (&["view_rebuild"], views::run),
    (&as_of::NAMES, as_of::run),
    (&["relay", "relay_beside_one_inbox"], relay::run),
    (&kv::NAMES, kv::run),
    (&live::NAMES, live::run),
    (&["start_from_snapshot", "start_from_position_1"], start::run),
];

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(people) = arguments.memory_of {
        let (resident, stored) = memory::measure(people)?;
        writeln!(std::io::stdout(), "{resident} {stored}")?;
        return Ok(());
    }
    if let (Some(file), Some(address), Some(mark)) = (&arguments.hold, &arguments.hold_at, &arguments.hold_mark) {
        return held::hold(file, address, mark);
    }
    let wanted = |row: &str| arguments.only.as_ref().is_none_or(|only| row.starts_with(only.as_str()));
    ensure!(BENCHES.iter().any(|(rows, _)| rows.iter().any(|row| wanted(row))), "there is no such row; there are: {}", names());
    if cfg!(debug_assertions) {
        say("this is a debug build: its figures say nothing. Use cargo run --release -p muster-bench");
    }
    let scratch = Scratch::new(arguments.dir.as_deref())?;
    let file_system = scratch.file_system();
    if ["tmpfs", "ramfs"].contains(&file_system.as_str()) {
        say("the folder is in memory, where a sync costs nothing: choose one on a disk with --dir");
    }
    let default = if arguments.quick { limits::ROUNDS_QUICK } else { limits::ROUNDS };
    let rounds = arguments.rounds.map_or(default, usize::from);
    let setting = Setting { rounds, quick: arguments.quick, ten_million: arguments.ten_million, scratch: &scratch };
    let mut histories = Histories::new(&scratch, setting.history_records());
    let mut rows = Vec::new();
    for (_, bench) in BENCHES.iter().filter(|(rows, _)| rows.iter().any(|row| wanted(row))) {
        let measured = bench(&setting, &mut histories)?;
        for row in measured.iter().filter(|row| wanted(row.name)) {
            say(&format!("{}: {:.3} {}, ratio {:.2}", row.name, row.value, row.unit, row.ratio));
        }
        rows.extend(measured.into_iter().filter(|row| wanted(row.name)));
    }
    report(arguments, &rows, &file_system)
}

fn names() -> String {
    BENCHES.iter().flat_map(|(rows, _)| rows.iter().copied()).collect::<Vec<_>>().join(", ")
}

fn report(arguments: &Arguments, rows: &[Row], file_system: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "\n{}", table::render(rows))?;
    writeln!(out, "{} processors, {file_system}{}", processors(), if arguments.quick { ", quick: not for comparison" } else { "" })?;
    let Some(path) = &arguments.json else { return Ok(()) };
    let document = json!({
        "rows": rows,
        "processors": processors(),
        "file_system": file_system,
        "quick": arguments.quick,
        "debug_build": cfg!(debug_assertions),
    });
    let text = serde_json::to_string_pretty(&document)?;
    std::fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
