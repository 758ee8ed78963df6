//! `kill -9` at random moments, with clients that try again by command id: every acknowledged command is there once,
//! none twice, and timers are not lost. The process that is killed is this test binary itself, started again.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{all_records, ask, enroll, plant_tree, request, rng, rocks, seed, start_with_state, whistle};
use muster_log::Log as _;
use rand::RngExt;

const DIR_VAR: &str = "MUSTER_ENGINE_CRASH_DIR";
const FROM_VAR: &str = "MUSTER_ENGINE_CRASH_FROM";
const UNTIL_VAR: &str = "MUSTER_ENGINE_CRASH_UNTIL";

fn command(n: u64) -> muster_proto::Command {
    if n.is_multiple_of(10) { whistle(n) } else { enroll(n) }
}

/// Sends the commands from `from` to `until` with many on their way, and prints each as soon as it is acknowledged: its
/// number, its first position, and whether it had been carried out before.
fn client(dir: &Path, from: u64, until: u64) {
    let log = rocks(&dir.join("log"));
    let engine = start_with_state(&log, &dir.join("state"), 200);
    plant_tree(&engine);
    println!("started");
    for n in from..until {
        let (sender, done) = std::sync::mpsc::sync_channel(1);
        engine.submit_with(request(&format!("c{n}"), command(n)), move |outcome| {
            let answer = outcome.unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "acknowledged {n} {} {}", answer.first, answer.repeated).unwrap();
            out.flush().unwrap();
            // Mostly nobody waits.
            let _ = sender.send(());
        });
        // Now and then the client waits, so that batches of all sizes occur.
        if n.is_multiple_of(37) {
            done.recv().unwrap();
        }
    }
    engine.shutdown().wait().unwrap();
}

/// The body of the child. Started by hand, as any test, it sends a little and ends in order.
#[test]
fn child_sends_commands() {
    let variable = |name| std::env::var(name).ok();
    if let Some(dir) = variable(DIR_VAR) {
        let number = |name| variable(name).unwrap().parse().unwrap();
        client(Path::new(&dir), number(FROM_VAR), number(UNTIL_VAR));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    client(dir.path(), 0, 50);
    client(dir.path(), 0, 50);
    assert_eq!(rocks(&dir.path().join("log")).watermark().0, 54, "the second run repeats the first");
}

fn start_child(dir: &Path, from: u64, until: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child_sends_commands", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIR_VAR, dir)
        .env(FROM_VAR, from.to_string())
        .env(UNTIL_VAR, until.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// `acknowledged <number> <first position> <repeated>`
fn acknowledgement(line: &str) -> Option<(u64, u64, bool)> {
    let (_, rest) = line.split_once("acknowledged ")?;
    let mut words = rest.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// Reads `lines` lines and kills, then reads what was still in the pipe; a torn last line was not acknowledged.
fn kill_after(mut child: Child, lines: usize, spins: u32) -> Vec<(u64, u64, bool)> {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut seen = 0;
    let mut killed = false;
    loop {
        let mut line = String::new();
        if out.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
            break;
        }
        acknowledged.extend(acknowledgement(line.trim_end()));
        seen += 1;
        if seen >= lines && !killed {
            // A moment that no line marks: somewhere in a batch, a sync or a snapshot.
            (0..spins).for_each(|_| std::hint::spin_loop());
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    acknowledged
}

#[test]
fn a_killed_engine_has_every_acknowledged_command_once() {
    const KILLS: usize = 25;
    /// What a client sends again of what was acknowledged before.
    const REPEATED: u64 = 200;
    let seed = seed(2_025);
    let mut rng = rng(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut first_positions: BTreeMap<u64, u64> = BTreeMap::new();
    let mut repeats = 0;
    let mut note = |acknowledged: Vec<(u64, u64, bool)>, kill: usize| {
        for (number, first, repeated) in acknowledged {
            let known = first_positions.insert(number, first);
            assert!(known.is_none_or(|known| known == first), "kill {kill}: command {number} moved from {known:?} to {first}");
            assert!(known.is_none() || repeated, "kill {kill}: command {number} was carried out anew");
            repeats += u64::from(repeated);
        }
        first_positions.last_key_value().map_or(0, |(number, _)| number + 1)
    };
    let mut next = 0_u64;
    for kill in 0..KILLS {
        let (lines, spins) = (rng.random_range(1..800), rng.random_range(0..200_000));
        let child = start_child(dir.path(), next.saturating_sub(REPEATED), u64::MAX);
        next = note(kill_after(child, lines, spins), kill);
    }
    // The last client is not killed: all its commands end.
    let last = start_child(dir.path(), next.saturating_sub(REPEATED), next + 100);
    assert_eq!(note(kill_after(last, usize::MAX, 0), KILLS), next + 100);
    assert!(repeats > REPEATED, "the clients repeated {repeats} commands");

    let commands = next + 100;
    let log = rocks(&dir.path().join("log"));
    let records = all_records(&*log);
    let ids: Vec<_> = records.iter().map(|record| record.command_id.as_str()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "no command is there twice");
    assert_eq!(ids.len() as u64, commands + 4, "and each is there");
    for (number, first) in &first_positions {
        assert_eq!(records[usize::try_from(first - 1).unwrap()].command_id, format!("c{number}"));
    }
    let engine = start_with_state(&log, &dir.path().join("state"), 200);
    assert_eq!(engine.status().timers as u64, commands.div_ceil(10), "one for each whistle");
    assert!(ask(&engine, request("c7", command(7))).unwrap().repeated);
    engine.shutdown().wait().unwrap();
}
