//! Opening: in use, newer, damaged, half made. Each has its own answer, and nothing is changed by asking.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{all_files, copy_dir, field, open, try_open};
use muster_vault::{OpenError, Opened, SealedField, Vault};

#[test]
fn a_folder_in_use_says_so_and_is_free_again_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let vault = open(&dir);
    let error = try_open(&dir).unwrap_err();
    assert!(matches!(&error, OpenError::InUse { dir: named } if *named == dir), "{error}");
    drop(vault);
    open(&dir);
}

#[test]
fn a_newer_format_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    drop(open(&dir));
    fs::write(dir.join("format"), "muster-vault 2\n").unwrap();
    let before = all_files(&dir);
    let error = try_open(&dir).unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    assert_eq!(all_files(&dir), before);

    fs::write(dir.join("format"), "something else").unwrap();
    assert!(matches!(try_open(&dir), Err(OpenError::Damaged { .. })));
}

/// A vault with some people in a table and some in the write-ahead log.
fn filled(dir: &Path) -> Vec<SealedField> {
    let subjects: Vec<String> = (0..300).map(|number| format!("r-{number}")).collect();
    let fields: Vec<_> = subjects.iter().map(|subject| field(subject, "name", "甲")).collect();
    let vault = open(dir);
    let mut sealed = vault.seal_many(&fields[..200]).unwrap();
    vault.erase("nobody").unwrap();
    drop(vault);
    let vault = open(dir);
    sealed.extend(vault.seal_many(&fields[200..]).unwrap());
    sealed
}

fn assert_all_open(vault: &Vault, sealed: &[SealedField]) {
    for sealed in sealed {
        assert_eq!(vault.open_field(sealed, "name"), Ok(Opened::Plain("甲".into())));
    }
}

/// A table has blocks (names and keys) and a footer; whatever byte is altered, either the opening says so or nothing of
/// value was hit and every field still opens. Never an open vault with a key missing.
#[test]
fn damage_in_a_table_is_found_at_the_opening() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let sealed = filled(&dir);
    let tables: Vec<PathBuf> = with_extension(&dir, "sst");
    assert!(!tables.is_empty());
    let mut found = 0;
    for table in &tables {
        let bytes = fs::read(table).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 23) {
            let copy = tempfile::tempdir().unwrap();
            copy_dir(&dir, copy.path());
            let mut altered = bytes.clone();
            altered[at] ^= 0x40;
            fs::write(copy.path().join(table.strip_prefix(&dir).unwrap()), altered).unwrap();
            match try_open(copy.path()) {
                Ok(vault) => assert_all_open(&vault, &sealed),
                Err(OpenError::Damaged { .. }) => found += 1,
                Err(other) => panic!("byte {at} of {}: {other}", table.display()),
            }
        }
    }
    assert!(found > 15, "most of a table matters, {found} times seen");
    assert_all_open(&open(&dir), &sealed);
}

#[test]
fn missing_parts_are_damage_and_never_a_new_vault() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let sealed = filled(&dir);
    let without = |remove: &dyn Fn(&Path)| {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(&dir, copy.path());
        remove(copy.path());
        let before = copy.path().join("db").exists();
        let error = try_open(copy.path()).unwrap_err();
        assert_eq!(copy.path().join("db").exists(), before, "nothing is made in place of what is gone");
        error
    };
    let damaged = |error: OpenError| assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    damaged(without(&|copy| fs::remove_dir_all(copy.join("db")).unwrap()));
    damaged(without(&|copy| fs::remove_file(copy.join("db/CURRENT")).unwrap()));
    damaged(without(&|copy| fs::remove_file(copy.join("format")).unwrap()));
    damaged(without(&|copy| {
        for table in with_extension(copy, "sst") {
            fs::remove_file(table).unwrap();
        }
    }));
    damaged(without(&|copy| {
        for (path, bytes) in all_files(copy) {
            if path.file_name().unwrap().to_string_lossy().starts_with("MANIFEST") {
                fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
            }
        }
    }));
    let error = without(&|copy| fs::remove_file(copy.join("master.key")).unwrap());
    assert!(matches!(error, OpenError::MasterKeyMissing { .. }), "{error}");
    assert_all_open(&open(&dir), &sealed);
}

/// The write-ahead log as a crash leaves it: the last write cut anywhere. What was acknowledged before stays.
#[test]
fn a_torn_tail_of_the_log_costs_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let vault = open(&dir);
    let first = vault.seal("r-1", "name", "甲").unwrap();
    let whole = copied(&dir);
    let acknowledged = log_bytes(whole.path()).1.len();
    vault.seal("r-2", "name", "乙").unwrap();
    let later = copied(&dir);
    let (log, bytes) = log_bytes(later.path());
    assert!(bytes.len() > acknowledged);
    for length in acknowledged..bytes.len() {
        let torn = copied(later.path());
        fs::write(torn.path().join(log.strip_prefix(later.path()).unwrap()), &bytes[..length]).unwrap();
        let vault = open(torn.path());
        assert_eq!(vault.open_field(&first, "name"), Ok(Opened::Plain("甲".into())), "cut at {length}");
        assert_eq!(vault.counts().0, 1);
    }
    drop(vault);
}

#[test]
fn damage_in_the_middle_of_the_log_is_not_taken_for_a_torn_tail() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let vault = open(&dir);
    for number in 0..20 {
        vault.seal(&format!("r-{number}"), "name", "甲").unwrap();
    }
    let copy = copied(&dir);
    drop(vault);
    let (log, mut bytes) = log_bytes(copy.path());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(log, bytes).unwrap();
    let error = try_open(copy.path()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

/// Each state that a crash during the very first opening can leave is completed by the next.
#[test]
fn an_interrupted_first_opening_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    drop(open(&dir));
    for removed in [&["format"][..], &["format", "db"], &["format", "db", "master.key"]] {
        let copy = copied(&dir);
        for name in removed {
            let path = copy.path().join(name);
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        let sealed = open(copy.path()).seal("r-1", "name", "甲").unwrap();
        assert_eq!(open(copy.path()).open_field(&sealed, "name"), Ok(Opened::Plain("甲".into())));
    }
}

fn copied(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_dir(dir, copy.path());
    copy
}

fn with_extension(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let has = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
    all_files(dir).into_iter().map(|(path, _)| path).filter(has).collect()
}

/// The newest write-ahead log and its bytes.
fn log_bytes(dir: &Path) -> (PathBuf, Vec<u8>) {
    let log = with_extension(dir, "log").pop().unwrap();
    let bytes = fs::read(&log).unwrap();
    (log, bytes)
}

/// Power loss can leave zeros where the last write should be: blocks that were given to the file and never written. Zeros
/// alone are a torn tail. Half a record followed by zeros cannot be told from damage, so it is named as damage: a vault
/// that opens with less than it acknowledged would be worse.
#[test]
fn zeros_at_the_end_of_the_log_never_cost_anything_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let vault = open(&dir);
    let first = vault.seal("r-1", "name", "甲").unwrap();
    let acknowledged = log_bytes(copied(&dir).path()).1.len();
    vault.seal("r-2", "name", "乙").unwrap();
    let later = copied(&dir);
    let (log, bytes) = log_bytes(later.path());
    for kept in (acknowledged..bytes.len()).step_by(3) {
        let torn = copied(later.path());
        let mut content = bytes[..kept].to_vec();
        content.resize(bytes.len() + 4096, 0);
        fs::write(torn.path().join(log.strip_prefix(later.path()).unwrap()), content).unwrap();
        match try_open(torn.path()) {
            Ok(vault) => assert_eq!(vault.open_field(&first, "name"), Ok(Opened::Plain("甲".into())), "kept {kept}"),
            Err(error) => assert!(kept > acknowledged && matches!(error, OpenError::Damaged { .. }), "kept {kept}: {error}"),
        }
    }
}
