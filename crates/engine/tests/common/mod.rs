//! What the engine's tests share: a small city, requests, logs, bounded waiting. It must never sleep in place of
//! waiting for a condition.

#![allow(dead_code, clippy::unwrap_used, clippy::print_stdout, reason = "each test binary uses its part; a failed test may panic")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use muster_engine::{ClockSource, Engine, EngineHandle, EngineOptions, Outcome};
use muster_log::{Log, MemoryLog, OpenOptions, Position, RocksLog};
use muster_proto::v1::{self, AreaLevel, Envelope, NeedKind, ResponderKind, Severity};
use muster_proto::{Answer, Command, CommandError, Refusal, Request, decode};
use prost::Message as _;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// When every manual clock starts.
pub(crate) const START_MS: i64 = 1_700_000_000_000;

pub(crate) const MINUTE_MS: i64 = 60_000;

pub(crate) const CITY: &str = "4408";
pub(crate) const VILLAGE: &str = "440802001001";

/// A seed from `MUSTER_TEST_SEED`, else the given one; printed, so that a failure names it.
pub(crate) fn seed(default: u64) -> u64 {
    let seed = std::env::var("MUSTER_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    println!("seed {seed} (set MUSTER_TEST_SEED to repeat)");
    seed
}

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Waits until a condition holds, bounded.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

pub(crate) fn rocks(dir: &Path) -> Arc<RocksLog> {
    let options = OpenOptions {
        reserve_bytes: 0,
        free_floor_bytes: 0,
        records_memtable_bytes: 1 << 20,
        commands_memtable_bytes: 1 << 20,
        ..OpenOptions::default()
    };
    Arc::new(RocksLog::open(dir, options).unwrap())
}

pub(crate) fn memory() -> Arc<MemoryLog> {
    Arc::new(MemoryLog::new())
}

/// Options with a manual clock.
pub(crate) fn manual() -> EngineOptions {
    EngineOptions { clock: ClockSource::Manual { start_ms: START_MS }, ..EngineOptions::default() }
}

pub(crate) fn start(log: &Arc<impl Log + 'static>) -> EngineHandle {
    Engine::start(Arc::clone(log) as Arc<dyn Log>, manual()).unwrap()
}

/// An engine with a manual clock and snapshots.
pub(crate) fn start_with_state(log: &Arc<impl Log + 'static>, state_dir: &Path, snapshot_every: u64) -> EngineHandle {
    let options = EngineOptions { state_dir: Some(state_dir.to_owned()), snapshot_every, ..manual() };
    Engine::start(Arc::clone(log) as Arc<dyn Log>, options).unwrap()
}

/// A request whose digest follows from its body.
pub(crate) fn request(id: &str, command: Command) -> Request {
    let encoded = v1::Command { kind: Some(command.clone()) }.encode_to_vec();
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&crc32c::crc32c(&encoded).to_le_bytes());
    let office = v1::Office { area_id: CITY.to_owned(), title: "值班员".to_owned(), ..v1::Office::default() };
    let context = v1::Context { actor: "p-1".to_owned(), actor_office: Some(office), ..v1::Context::default() };
    Request { principal: "hq".to_owned(), id: id.to_owned(), digest, context, command }
}

pub(crate) fn area(id: &str, parent: &str, level: AreaLevel) -> Command {
    Command::DefineArea(v1::DefineArea {
        area_id: id.to_owned(),
        name: format!("辖区{id}"),
        level: level.into(),
        parent_id: parent.to_owned(),
        ..v1::DefineArea::default()
    })
}

pub(crate) fn enroll(responder: u64) -> Command {
    let name = v1::Sealed { key_id: format!("k{responder}"), algorithm: 1, nonce: vec![0; 24], bytes: vec![1; 32] };
    Command::EnrollResponder(v1::EnrollResponder {
        responder_id: format!("r{responder}"),
        name: Some(name),
        kind: ResponderKind::Member.into(),
        area_id: VILLAGE.to_owned(),
        ..v1::EnrollResponder::default()
    })
}

pub(crate) fn whistle(whistle: u64) -> Command {
    let need = v1::Need {
        need_id: "n1".to_owned(),
        kind: NeedKind::Supply.into(),
        item: "沙袋".to_owned(),
        quantity: 100,
        unit: "个".to_owned(),
        ..v1::Need::default()
    };
    Command::BlowWhistle(v1::BlowWhistle {
        whistle_id: format!("w{whistle}"),
        area_id: VILLAGE.to_owned(),
        severity: Severity::Moderate.into(),
        place: "堤坝".to_owned(),
        needs: vec![need],
        ..v1::BlowWhistle::default()
    })
}

pub(crate) fn acknowledge(whistle: u64) -> Command {
    Command::AcknowledgeWhistle(v1::AcknowledgeWhistle { whistle_id: format!("w{whistle}") })
}

/// City, county, township, village.
pub(crate) fn tree() -> Vec<Command> {
    vec![
        area(CITY, "", AreaLevel::City),
        area("440802", CITY, AreaLevel::County),
        area("440802001", "440802", AreaLevel::Township),
        area(VILLAGE, "440802001", AreaLevel::Village),
    ]
}

pub(crate) fn plant_tree(engine: &EngineHandle) {
    for (index, command) in tree().into_iter().enumerate() {
        ask(engine, request(&format!("tree-{index}"), command)).unwrap();
    }
}

/// Submits and waits for the answer.
pub(crate) fn ask(engine: &EngineHandle, request: Request) -> Outcome {
    engine.submit_waiting(request).wait()
}

pub(crate) fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Err(CommandError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) fn all_bytes(log: &dyn Log) -> Vec<Bytes> {
    let mut all = Vec::new();
    loop {
        let batch = log.read(Position(all.len() as u64 + 1), 1 << 20, 1_000).unwrap();
        if batch.is_empty() {
            return all;
        }
        all.extend(batch.into_iter().map(|record| record.bytes));
    }
}

pub(crate) fn all_records(log: &dyn Log) -> Vec<Envelope> {
    all_bytes(log).iter().map(|bytes| decode(bytes).unwrap()).collect()
}

/// Names and times of all records that a timer made.
pub(crate) fn timer_records(log: &dyn Log) -> Vec<(&'static str, i64)> {
    let of_timer = |record: &Envelope| record.origin() == v1::Origin::Timer;
    all_records(log)
        .iter()
        .filter(|record| of_timer(record))
        .map(|record| (record.event.as_ref().unwrap().name(), record.recorded_at_ms))
        .collect()
}

/// The first answer, marked as a repeat.
pub(crate) fn again(first: &Answer) -> Answer {
    Answer { repeated: true, ..first.clone() }
}

/// A random mix of commands, some of which are refused, with time passing in between: `(command or time to move to)`.
pub(crate) fn workload(seed: u64, steps: usize) -> Vec<Step> {
    let command = |command| Step::Command(Box::new(command));
    let mut rng = rng(seed);
    let mut now_ms = START_MS;
    let mut all: Vec<Step> = tree().into_iter().map(command).collect();
    for step in 0..steps as u64 {
        all.push(match rng.random_range(0..10) {
            0..4 => command(enroll(rng.random_range(0..steps as u64))),
            4..6 => command(whistle(step)),
            6..8 => command(acknowledge(rng.random_range(0..=step))),
            8 => command(area(&format!("g{step}"), VILLAGE, AreaLevel::Grid)),
            _ => {
                now_ms += rng.random_range(0..20 * MINUTE_MS);
                Step::Advance(now_ms)
            }
        });
    }
    all
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Command(Box<Command>),
    Advance(i64),
}

/// Plays the steps, whose command ids are their places; refusals are part of it.
pub(crate) fn play(engine: &EngineHandle, steps: &[Step], from: usize) {
    let mut waiting = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        match step {
            Step::Command(command) => waiting.push(engine.submit_waiting(request(&format!("s{}", from + index), (**command).clone()))),
            Step::Advance(to_ms) => drop(engine.advance_to(*to_ms).wait().unwrap()),
        }
    }
    for outcome in waiting {
        match outcome.wait() {
            Ok(_) | Err(CommandError::Refused(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
