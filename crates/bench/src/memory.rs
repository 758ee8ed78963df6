//! `memory_per_responder_<N>`: resident memory that the domain's state takes for each of N enrolled people, beside the bytes of
//! its stored form. Each size is measured in a process of its own, so that nothing freed before is counted as free.

use std::process::Command as Process;

use anyhow::{Context as _, Result, ensure};
use muster_domain::{Now, State, execute};
use muster_proto::{Command, v1};

use crate::history::Histories;
use crate::progress::show_round;
use crate::row::{Better, Measured, Pair, Row};
use crate::setting::Setting;

/// Rows and sizes; a quick run measures a tenth of each.
const SIZES: [(&str, usize); 2] = [("memory_per_responder_100000", 100_000), ("memory_per_responder_1000000", 1_000_000)];
/// The rows' names.
pub(crate) const NAMES: [&str; 2] = [SIZES[0].0, SIZES[1].0];
/// People of one community.
const PEOPLE_OF_A_VILLAGE: usize = 50;

pub(crate) fn run(setting: &Setting<'_>, _: &mut Histories<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, people) in SIZES {
        let people = if setting.quick { people / 10 } else { people };
        let mut pairs = Vec::new();
        for number in 1..=setting.rounds {
            show_round(name, number, setting.rounds);
            pairs.push(in_a_process(people)?);
        }
        let measured = Measured {
            name,
            unit: "bytes/responder",
            better: Better::Lower,
            reference: "stored form of the same state",
            aim: None,
            pairs: &pairs,
            detail: format!("{people} enrolled with home, organization and two specialties, {PEOPLE_OF_A_VILLAGE} in each community"),
        };
        rows.push(measured.row());
    }
    Ok(rows)
}

/// Asks a fresh process of this program.
fn in_a_process(people: usize) -> Result<Pair> {
    let output = Process::new(std::env::current_exe()?).args(["--memory-of", &people.to_string()]).output().context("start a child")?;
    ensure!(output.status.success(), "the child failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let mut figures = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || figures.next().context("the child said too little")?.context("the child said no figure");
    let (resident, stored) = (next()?, next()?);
    Ok(Pair { value: resident / people as f64, reference: stored / people as f64 })
}

/// The child's part: resident and stored bytes of a state with so many people.
pub(crate) fn measure(people: usize) -> Result<(u64, u64)> {
    let context = v1::Context::default();
    let mut state = State::default();
    let mut position = 1;
    let mut carry_out = |state: &mut State, command: Command| -> Result<()> {
        let now = Now { recorded_at_ms: muster_demo::START_MS, next_position: position, context: &context };
        let emitted = execute(state, now, &command).map_err(|rejection| anyhow::anyhow!("refused: {}", rejection.en()))?;
        position += emitted.len() as u64;
        Ok(())
    };
    for command in tree(people.div_ceil(PEOPLE_OF_A_VILLAGE)) {
        carry_out(&mut state, command)?;
    }
    let before = resident_bytes()?;
    for number in 0..people {
        carry_out(&mut state, enroll(number))?;
    }
    let resident = resident_bytes()?.saturating_sub(before);
    ensure!(state.base_counts().2 == people, "not everybody was enrolled");
    Ok((resident, state.base_digest().len() as u64))
}

fn tree(villages: usize) -> impl Iterator<Item = Command> {
    let area = |area_id: String, level: v1::AreaLevel, parent_id: &str| {
        let name = area_id.clone();
        Command::DefineArea(v1::DefineArea { area_id, name, level: level.into(), parent_id: parent_id.to_owned(), ..Default::default() })
    };
    let organization = v1::RegisterOrganization {
        organization_id: "o-1".to_owned(),
        name: "o-1".to_owned(),
        kind: v1::OrganizationKind::Department.into(),
        area_id: "city".to_owned(),
        ..Default::default()
    };
    let top = [area("city".to_owned(), v1::AreaLevel::City, ""), Command::RegisterOrganization(organization)];
    top.into_iter().chain((0..villages).map(move |number| area(format!("v{number}"), v1::AreaLevel::Village, "city")))
}

fn enroll(number: usize) -> Command {
    let sealed = || Some(v1::Sealed { key_id: "k".to_owned(), algorithm: 1, nonce: vec![0; 24], bytes: vec![0; 32] });
    Command::EnrollResponder(v1::EnrollResponder {
        responder_id: format!("r-{number:07}"),
        name: sealed(),
        phone: sealed(),
        kind: v1::ResponderKind::Member.into(),
        organization_id: "o-1".to_owned(),
        area_id: format!("v{}", number / PEOPLE_OF_A_VILLAGE),
        affiliation: v1::Affiliation::PartyMember.into(),
        specialties: vec!["医护".to_owned(), "驾驶".to_owned()],
    })
}

/// What the system has given this process in memory.
pub(crate) fn resident_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("read this process's status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("the status names no resident size")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kilobytes * 1_024)
}
