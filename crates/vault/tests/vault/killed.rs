//! `kill -9` in the middle of writing: a child process of this same test binary seals until it is killed.
//!
//! The child prints a sealed field only after the vault returned it. After the kill each printed field must open, and the
//! vault must take new people. The seed of the moments is printed with a failure.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{field, open, try_open};
use muster_vault::{Algorithm, OpenError, Opened, SealedField};

const DIR_VARIABLE: &str = "MUSTER_VAULT_TEST_CHILD_DIR";

/// Does nothing in an ordinary run; in the child it seals batches, erases every third batch's first person, and prints
/// what the vault acknowledged.
#[test]
fn child_that_seals_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR_VARIABLE) else { return };
    let vault = open(Path::new(&dir));
    let start = vault.counts().0 + vault.counts().1;
    let mut out = std::io::stdout().lock();
    for batch in 0.. {
        let subjects: Vec<String> = (0..40).map(|number| format!("r-{start}-{batch}-{number}")).collect();
        let fields: Vec<_> = subjects.iter().map(|subject| field(subject, "name", subject)).collect();
        for sealed in vault.seal_many(&fields).unwrap() {
            writeln!(out, "sealed {} {} {}", sealed.key_id, hex(&sealed.nonce), hex(&sealed.bytes)).unwrap();
        }
        if batch % 3 == 2 {
            vault.erase(&subjects[0]).unwrap();
            writeln!(out, "erased {}", subjects[0]).unwrap();
        }
        out.flush().unwrap();
    }
}

#[test]
fn a_kill_in_the_middle_of_sealing_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let seed = u64::from(std::process::id());
    let mut moments = seed;
    let mut sealed: Vec<SealedField> = Vec::new();
    let mut erased: Vec<String> = Vec::new();
    for round in 0..8 {
        moments = moments.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let lines = 1 + (moments >> 33) % 400;
        run_child(&dir, lines, &mut sealed, &mut erased);
        let vault = open(&dir);
        for subject in &erased {
            assert!(vault.is_erased(subject), "round {round}, seed {seed}: {subject} came back");
        }
        for field in &sealed {
            let opened = vault.open_field(field, "name");
            // An erasure may be durable although the child was killed before it could say so.
            let fits = match &opened {
                Ok(Opened::Plain(text)) => *text == field.key_id && !erased.contains(text),
                Ok(Opened::Erased) => field.key_id.ends_with("-0"),
                Err(_) => false,
            };
            assert!(fits, "round {round}, seed {seed}: {} gives {opened:?}", field.key_id);
        }
        vault.seal(&format!("after-{round}"), "name", "x").unwrap();
    }
    assert!(sealed.len() > 8, "seed {seed}");
}

/// Lets a child write, reads `lines` of what it acknowledges, kills it, and reads what it still managed to say.
fn run_child(dir: &Path, lines: u64, sealed: &mut Vec<SealedField>, erased: &mut Vec<String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["killed::child_that_seals_until_it_is_killed", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIR_VARIABLE, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let mut seen = 0;
    let mut killed = false;
    loop {
        line.clear();
        if output.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
            break;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [.., "sealed", key_id, nonce, bytes] => sealed.push(SealedField {
                key_id: key_id.to_owned(),
                algorithm: Algorithm::XChaCha20Poly1305,
                nonce: unhex(nonce),
                bytes: unhex(bytes),
            }),
            ["erased", subject] => erased.push(subject.to_owned()),
            _ => continue,
        }
        seen += 1;
        if seen >= lines && !killed {
            assert!(matches!(try_open(dir), Err(OpenError::InUse { .. })), "a running process keeps the vault");
            child.kill().unwrap();
            killed = true;
        }
    }
    assert!(killed, "the child ended by itself after {seen} lines");
    child.wait().unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
