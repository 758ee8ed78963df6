//! The table of mechanisms, held to the code: what `docs/MECHANISMS.md` names exists, and every command and event has its row. It reads texts alone
//! and starts nothing.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use muster_proto::{COMMAND_NAMES, ENVELOPE_NAMES};
use muster_views::View;

/// One row: the mechanism, and what stands between backquotes in its four other cells.
struct Row {
    mechanism: String,
    commands: Vec<String>,
    events: Vec<String>,
    views: Vec<String>,
    tests: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What stands between backquotes.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of all tables of the text, or the line that is none.
fn rows(text: &str) -> Result<Vec<Row>, String> {
    let lines = text.lines().filter(|line| line.starts_with('|'));
    let body = lines.filter(|line| !line.starts_with("| ---") && !line.starts_with("| 机制"));
    body.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [mechanism, commands, events, views, tests] = cells[..] else { return Err(line.to_owned()) };
        Ok(Row {
            mechanism: mechanism.to_owned(),
            commands: quoted(commands),
            events: quoted(events),
            views: quoted(views),
            tests: quoted(tests),
        })
    })
    .collect()
}

fn table() -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("docs/MECHANISMS.md")).unwrap();
    rows(&text).unwrap()
}

fn names(table: &[(u32, &str, &str)]) -> BTreeSet<String> {
    table.iter().map(|(_, name, _)| (*name).to_owned()).collect()
}

/// Every function that the sources of the crates and of the system tests define.
fn functions() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![root().join("crates"), root().join("tests")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let after = text.split("fn ").skip(1);
                let name = |rest: &str| rest.split(|sign: char| !sign.is_alphanumeric() && sign != '_').next().map(str::to_owned);
                found.extend(after.filter_map(name));
            }
        }
    }
    found
}

#[test]
fn no_row_of_the_table_is_empty() {
    let whole = table();
    assert!(whole.len() > 40, "the table has {} rows only", whole.len());
    for row in whole {
        let cells = [&row.commands, &row.events, &row.views, &row.tests];
        assert!(!row.mechanism.is_empty() && cells.iter().all(|cell| !cell.is_empty()), "{} has an empty cell", row.mechanism);
    }
    assert!(rows("| 哨 | `BlowWhistle` | `WhistleBlown` | `whistles` |").is_err(), "a row without tests is none");
}

#[test]
fn what_the_table_names_exists() {
    let (commands, events, functions) = (names(COMMAND_NAMES), names(ENVELOPE_NAMES), functions());
    let views: BTreeSet<_> = View::ALL.iter().map(|view| view.name().to_owned()).collect();
    for row in table() {
        // What is no message is a line of the command line.
        let named = row.commands.iter().filter(|name| !name.starts_with("muster "));
        let unknown: Vec<_> = named.filter(|name| !commands.contains(*name)).collect();
        assert!(unknown.is_empty(), "{} names commands that there are not: {unknown:?}", row.mechanism);
        for (what, cell, known) in [("events", &row.events, &events), ("views", &row.views, &views), ("tests", &row.tests, &functions)] {
            let unknown: Vec<_> = cell.iter().filter(|name| !known.contains(*name)).collect();
            assert!(unknown.is_empty(), "{} names {what} that there are not: {unknown:?}", row.mechanism);
        }
    }
}

#[test]
fn every_command_event_and_view_stands_in_some_row() {
    let rows = table();
    let in_cells = |cell: fn(&Row) -> &[String]| rows.iter().flat_map(|row| cell(row).iter().cloned()).collect::<BTreeSet<_>>();
    let missing = |all: BTreeSet<String>, named: &BTreeSet<String>| all.difference(named).cloned().collect::<Vec<_>>();
    assert_eq!(missing(names(COMMAND_NAMES), &in_cells(|row| &row.commands)), Vec::<String>::new(), "commands without a row");
    assert_eq!(missing(names(ENVELOPE_NAMES), &in_cells(|row| &row.events)), Vec::<String>::new(), "events without a row");
    let views = View::ALL.iter().map(|view| view.name().to_owned()).collect();
    assert_eq!(missing(views, &in_cells(|row| &row.views)), Vec::<String>::new(), "views without a row");
}
