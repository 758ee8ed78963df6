//! Erasing: gone for good, from memory and from every file, and no way back.

use std::path::{Path, PathBuf};

use crate::common::{all_files, contains, copy_dir, field, files_with, open};
use muster_vault::{EraseError, Erasure, Opened, SealError, SealedField, Vault};

fn assert_erased(vault: &Vault, sealed: &SealedField) {
    assert_eq!(vault.open_field(sealed, "name"), Ok(Opened::Erased));
    assert_eq!(vault.open_field(sealed, "another field"), Ok(Opened::Erased));
    assert!(vault.is_erased(&sealed.key_id));
    let refused = vault.seal(&sealed.key_id, "name", "x").unwrap_err();
    assert!(matches!(&refused, SealError::Erased { subject } if *subject == sealed.key_id), "{refused}");
}

#[test]
fn an_erased_field_says_so_and_no_new_key_is_ever_made() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let vault = open(&dir);
    let name = vault.seal("r-1", "name", "陈秀英").unwrap();
    let other = vault.seal("r-2", "name", "林志强").unwrap();
    assert!(!vault.is_erased("r-1"));
    assert_eq!(vault.erase("r-1").unwrap(), Erasure::Erased);
    assert_erased(&vault, &name);
    let mixed = [field("r-3", "name", "x"), field("r-1", "name", "x")];
    assert!(matches!(vault.seal_many(&mixed), Err(SealError::Erased { .. })));
    assert_eq!(vault.counts(), (1, 1), "a batch with an erased person makes no key at all");
    drop(vault);

    let vault = open(&dir);
    assert_erased(&vault, &name);
    assert_eq!(vault.open_field(&other, "name"), Ok(Opened::Plain("林志强".into())));
    assert_eq!(vault.erase("r-1").unwrap(), Erasure::AlreadyErased);
    assert_eq!(vault.erase_many(&["r-9", "r-9", "r-2"]).unwrap(), [Erasure::NeverHeld, Erasure::AlreadyErased, Erasure::Erased]);
    assert!(matches!(vault.seal("r-9", "name", "x"), Err(SealError::Erased { .. })));
    assert!(matches!(vault.erase(""), Err(EraseError::BadSubject { bytes: 0, .. })));
    assert_eq!(vault.counts(), (0, 3));
}

/// The wrapped keys of these subjects as they lie in the files, read from a copy of the store without the vault.
fn wrapped_keys(dir: &Path, subjects: &[&str]) -> Vec<Vec<u8>> {
    let copy = tempfile::tempdir().unwrap();
    copy_dir(dir, copy.path());
    let store = rocksdb::DB::open(&rocksdb::Options::default(), copy.path().join("db")).unwrap();
    let value = |subject: &&str| store.get(format!("k{subject}")).unwrap().unwrap();
    subjects.iter().map(|subject| value(subject)[8..48].to_vec()).collect()
}

#[test]
fn the_bytes_of_an_erased_key_leave_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let vault = open(&dir);
    // Keys that lie in a table already, keys in the write-ahead log, and both for one erasure.
    let subjects: Vec<String> = (0..3000).map(|number| format!("r-{number:05}-")).collect();
    let fields: Vec<_> = subjects.iter().map(|subject| field(subject, "name", "x")).collect();
    vault.seal_many(&fields[..1500]).unwrap();
    vault.erase("never-held").unwrap();
    drop(vault);
    let vault = open(&dir);
    vault.seal_many(&fields[1500..]).unwrap();
    let victims = [subjects[7].as_str(), subjects[1499].as_str(), subjects[2222].as_str()];
    let keys = wrapped_keys(&dir, &victims);
    for key in &keys {
        assert!(!files_with(&dir, key).is_empty(), "the wrapped key was in a file before");
    }
    assert_eq!(vault.erase_many(&victims).unwrap(), [Erasure::Erased; 3]);
    for key in &keys {
        assert_eq!(files_with(&dir, key), Vec::<PathBuf>::new());
    }
    // A survivor's key is still there: the search finds what is in the files.
    let survivor = wrapped_keys(&dir, &[&subjects[8]]);
    assert_eq!(files_with(&dir, &survivor[0]).len(), 1);
    drop(vault);
    let vault = open(&dir);
    assert_eq!(vault.counts(), (2997, 4));
    assert!(all_files(&dir).iter().all(|(_, bytes)| keys.iter().all(|key| !contains(bytes, key))));
}

#[test]
fn erasing_again_and_again_keeps_the_files_exact() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let vault = open(&dir);
    for round in 0..12 {
        let subjects: Vec<String> = (0..50).map(|number| format!("r-{round}-{number}")).collect();
        let fields: Vec<_> = subjects.iter().map(|subject| field(subject, "name", "x")).collect();
        vault.seal_many(&fields).unwrap();
        assert_eq!(vault.erase(&subjects[round]).unwrap(), Erasure::Erased);
    }
    assert_eq!(vault.counts(), (12 * 49, 12));
    drop(vault);
    assert_eq!(open(&dir).counts(), (12 * 49, 12));
}

#[test]
fn sealing_and_opening_go_on_while_people_are_erased() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(&folder.path().join("vault"));
    let subjects: Vec<String> = (0..400).map(|number| format!("r-{number}")).collect();
    let fields: Vec<_> = subjects.iter().map(|subject| field(subject, "name", "x")).collect();
    let sealed = vault.seal_many(&fields).unwrap();
    std::thread::scope(|scope| {
        let (vault, subjects, sealed) = (&vault, &subjects, &sealed);
        scope.spawn(move || {
            for subject in subjects.iter().step_by(40) {
                vault.erase(subject).unwrap();
            }
        });
        scope.spawn(move || {
            for number in 0..400 {
                vault.seal(&format!("new-{number}"), "name", "y").unwrap();
            }
        });
        for _ in 0..50 {
            for (number, sealed) in sealed.iter().enumerate() {
                match vault.open_field(sealed, "name").unwrap() {
                    Opened::Plain(text) => assert_eq!(text, "x"),
                    Opened::Erased => assert_eq!(number % 40, 0, "only those that are erased"),
                }
            }
        }
    });
    assert_eq!(vault.counts(), (400 - 10 + 400, 10));
}
