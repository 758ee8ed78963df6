//! A disk that takes no more bytes: nothing is acknowledged that is not stored, reading goes on, and with room again
//! everything acknowledged is there.
//!
//! The full disk is a child process of this test binary under `ulimit -f`, with the limit's signal ignored, so that
//! writes fail as they do on a full disk.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::common::open;
use muster_vault::{Opened, SealError, Vault, WriteError};

const DIR_VARIABLE: &str = "MUSTER_VAULT_TEST_FULL_DIR";

/// Does nothing in an ordinary run; in the child it seals until the disk is full.
#[test]
fn child_that_fills_its_disk() {
    let Some(dir) = std::env::var_os(DIR_VARIABLE) else { return };
    let vault = open(Path::new(&dir));
    let first = vault.seal("r-0", "name", "甲").unwrap();
    let (acknowledged, error) = seal_until_refused(&vault);
    assert!(matches!(error, SealError::Write(WriteError::Failed { .. })), "{error}");
    assert!(!vault.is_writable());
    assert_eq!(vault.counts().0, acknowledged, "a key that is not stored is not in the table");
    let refused = vault.seal("another", "name", "x").unwrap_err();
    assert!(matches!(refused, SealError::Write(WriteError::Stopped)), "{refused}");
    assert!(vault.erase("r-0").is_err());
    assert_eq!(vault.open_field(&first, "name"), Ok(Opened::Plain("甲".into())), "reading goes on");
    vault.seal("r-0", "phone", "13800000001").unwrap();
    writeln!(std::io::stdout(), "acknowledged {acknowledged}").unwrap();
}

/// Gives keys to new people until it fails; how many people have one then, and the failure.
fn seal_until_refused(vault: &Vault) -> (usize, SealError) {
    for number in 1..1_000_000 {
        if let Err(error) = vault.seal(&format!("r-{number}"), "name", "乙") {
            return (number, error);
        }
    }
    panic!("the disk never got full");
}

fn run_child(dir: &Path, limit_blocks: u32) -> String {
    let binary = std::env::current_exe().unwrap();
    let script = format!(
        "trap '' XFSZ; ulimit -f {limit_blocks}; exec '{}' full_disk::child_that_fills_its_disk --exact --nocapture",
        binary.display()
    );
    let output = Command::new("sh").arg("-c").arg(script).env(DIR_VARIABLE, dir).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn a_full_disk_stops_writing_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let said = run_child(&dir, 256);
    let acknowledged: usize = said.lines().find_map(|line| line.split_once("acknowledged ")).unwrap().1.trim().parse().unwrap();
    assert!(acknowledged > 10, "{said}");
    let vault = open(&dir);
    // The write that failed may have reached the disk all the same; it was never acknowledged, so both are right.
    let keys = vault.counts().0;
    assert!(keys == acknowledged || keys == acknowledged + 1, "{keys} of {acknowledged}");
    vault.seal("after", "name", "x").unwrap();
}
