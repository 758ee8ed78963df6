//! Backups and restores: everything comes back, except what was erased.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{all_files, field, files_with, open, open_seeded};
use muster_vault::{
    BackupContent, BackupError, MasterKey, Opened, OsEntropy, RestoreError, RestoreSummary, SealError, Vault, VaultOptions,
};

use BackupContent::{WithMasterKey, WithoutMasterKey};

fn plain(text: &str) -> Opened {
    Opened::Plain(text.to_owned())
}

#[test]
fn a_lost_vault_comes_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, backup) = (folder.path().join("vault"), folder.path().join("backup"));
    let vault = open(&dir);
    let first = vault.seal("r-1", "name", "甲").unwrap();
    let second = vault.seal("r-2", "name", "乙").unwrap();
    vault.erase("r-3").unwrap();
    let digest = vault.command_digest("p", b"body");
    vault.backup(&backup, WithMasterKey).unwrap();
    drop(vault);
    fs::remove_dir_all(&dir).unwrap();

    let vault = open(&dir);
    let expected = RestoreSummary { keys_added: 2, kept_erased: 0, tombstones_added: 1 };
    assert_eq!(vault.restore(&backup).unwrap(), expected);
    for vault in [&vault, &{ drop_and_open(&dir, &folder.path().join("second")) }] {
        assert_eq!(vault.counts(), (2, 1));
        assert_eq!(vault.open_field(&first, "name"), Ok(plain("甲")));
        assert_eq!(vault.open_field(&second, "name"), Ok(plain("乙")));
        assert!(vault.is_erased("r-3"));
        assert_eq!(vault.command_digest("p", b"body"), digest, "digests in the log keep their meaning");
    }
    assert_eq!(vault.restore(&backup).unwrap(), RestoreSummary::default(), "a second time there is nothing to do");
}

/// What is durable of a vault that is still open: its files, copied and opened.
fn drop_and_open(dir: &Path, copy: &Path) -> Vault {
    crate::common::copy_dir(dir, copy);
    open(copy)
}

#[test]
fn no_old_backup_revives_an_erased_key() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, backup) = (folder.path().join("vault"), folder.path().join("backup"));
    let vault = open(&dir);
    let erased = vault.seal("r-1", "name", "甲").unwrap();
    let kept = vault.seal("r-2", "name", "乙").unwrap();
    vault.backup(&backup, WithoutMasterKey).unwrap();
    let later = vault.seal("r-4", "name", "丁").unwrap();
    vault.erase("r-1").unwrap();
    let expected = RestoreSummary { keys_added: 0, kept_erased: 1, tombstones_added: 0 };
    assert_eq!(vault.restore(&backup).unwrap(), expected);
    drop(vault);
    let vault = open(&dir);
    assert_eq!(vault.open_field(&erased, "name"), Ok(Opened::Erased));
    assert_eq!(vault.open_field(&kept, "name"), Ok(plain("乙")));
    assert_eq!(vault.open_field(&later, "name"), Ok(plain("丁")), "what is newer than the backup stays");
    drop(vault);

    // The vault is lost too: the erasures that the log names are brought first, and the backup cannot undo them.
    let new = folder.path().join("new");
    let master = fs::read_to_string(dir.join("master.key")).unwrap();
    let options = VaultOptions { entropy: Box::new(OsEntropy::new()), master_key: Some(MasterKey::from_hex(&master).unwrap()) };
    let vault = Vault::open(&new, options).unwrap();
    vault.erase_many(&["r-1"]).unwrap();
    let expected = RestoreSummary { keys_added: 1, kept_erased: 1, tombstones_added: 0 };
    assert_eq!(vault.restore(&backup).unwrap(), expected);
    assert_eq!(vault.open_field(&erased, "name"), Ok(Opened::Erased));
    assert!(matches!(vault.seal("r-1", "name", "x"), Err(SealError::Erased { .. })));
    assert_eq!(vault.open_field(&kept, "name"), Ok(plain("乙")));
}

#[test]
fn an_erasure_that_only_the_backup_knows_is_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, old, backup) = (folder.path().join("vault"), folder.path().join("old"), folder.path().join("backup"));
    let vault = open(&dir);
    let sealed = vault.seal("r-1", "name", "甲").unwrap();
    crate::common::copy_dir(&dir, &old);
    vault.erase("r-1").unwrap();
    vault.backup(&backup, WithoutMasterKey).unwrap();
    let vault = open(&old);
    assert_eq!(vault.open_field(&sealed, "name"), Ok(plain("甲")));
    let expected = RestoreSummary { keys_added: 0, kept_erased: 0, tombstones_added: 1 };
    assert_eq!(vault.restore(&backup).unwrap(), expected);
    assert_eq!(vault.open_field(&sealed, "name"), Ok(Opened::Erased));
}

#[test]
fn a_backup_holds_no_master_key_unless_asked_and_none_overwrites_another() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, bare, full) = (folder.path().join("vault"), folder.path().join("bare"), folder.path().join("full"));
    let vault = open(&dir);
    vault.seal("r-1", "name", "甲").unwrap();
    vault.backup(&bare, WithoutMasterKey).unwrap();
    vault.backup(&full, WithMasterKey).unwrap();
    let master = fs::read(dir.join("master.key")).unwrap();
    assert_eq!(files_with(&bare, &master[..64]), Vec::<PathBuf>::new());
    assert_eq!(files_with(&full, &master), [full.join("master.key")]);
    assert!(matches!(vault.backup(&bare, WithMasterKey), Err(BackupError::Occupied { .. })));

    let other = open(&folder.path().join("other"));
    assert!(matches!(other.restore(&bare), Err(RestoreError::MasterKeyMissing { .. })));
    assert_eq!(other.counts(), (0, 0));
    assert_eq!(other.restore(&full).unwrap().keys_added, 1);
}

#[test]
fn a_vault_with_people_of_its_own_takes_no_foreign_backup() {
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let vault = open(&folder.path().join("a"));
    vault.seal("r-1", "name", "甲").unwrap();
    vault.backup(&backup, WithMasterKey).unwrap();
    let other = open(&folder.path().join("b"));
    let own = other.seal("r-2", "name", "乙").unwrap();
    assert!(matches!(other.restore(&backup), Err(RestoreError::OtherVault { .. })));
    assert_eq!(other.counts(), (1, 0));
    assert_eq!(other.open_field(&own, "name"), Ok(plain("乙")));
}

/// A copied folder goes its own way: both give the same new person a key.
#[test]
fn two_keys_for_one_person_are_a_conflict_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, copy, backup) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("backup"));
    let vault = open(&dir);
    vault.seal("r-1", "name", "甲").unwrap();
    crate::common::copy_dir(&dir, &copy);
    vault.seal("r-2", "name", "乙").unwrap();
    vault.seal("r-3", "name", "丙").unwrap();
    vault.backup(&backup, WithoutMasterKey).unwrap();
    let other = open(&copy);
    let own = other.seal("r-3", "name", "丙").unwrap();
    let error = other.restore(&backup).unwrap_err();
    assert!(matches!(&error, RestoreError::KeyConflict { key_id } if key_id == "r-3"), "{error}");
    assert_eq!(other.counts(), (2, 0));
    assert_eq!(other.open_field(&own, "name"), Ok(plain("丙")));
}

#[test]
fn every_altered_byte_of_a_backup_is_seen_before_anything_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let source = open(&folder.path().join("a"));
    source.seal_many(&[field("r-1", "name", "甲"), field("r-2", "name", "乙")]).unwrap();
    source.erase("r-3").unwrap();
    source.backup(&backup, WithMasterKey).unwrap();
    let file = backup.join("vault.backup");
    let bytes = fs::read(&file).unwrap();
    let target = open(&folder.path().join("b"));
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 0x01;
        fs::write(&file, &altered).unwrap();
        match target.restore(&backup) {
            Err(RestoreError::Damaged { .. }) => {}
            Err(RestoreError::NewerFormat { .. }) => assert!((8..12).contains(&at), "byte {at}"),
            other => panic!("byte {at}: {other:?}"),
        }
    }
    for length in 0..bytes.len() {
        fs::write(&file, &bytes[..length]).unwrap();
        assert!(matches!(target.restore(&backup), Err(RestoreError::Damaged { .. })), "cut at {length}");
    }
    assert_eq!(target.counts(), (0, 0));
    fs::remove_file(&file).unwrap();
    assert!(matches!(target.restore(&backup), Err(RestoreError::Io { .. })));
}

/// The first released format of folder, backup and seal, written by a seed. What they hold must open for ever.
#[test]
fn the_first_format_still_reads() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/backup-1");
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let source = open_seeded(&folder.path().join("source"), 1);
    let sealed = source.seal_many(&[field("r-1", "name", "陈秀英"), field("r-2", "phone", "13800000001")]).unwrap();
    source.erase("r-2").unwrap();
    source.backup(&made, WithMasterKey).unwrap();
    if std::env::var_os("MUSTER_WRITE_GOLDEN").is_some() && !golden.exists() {
        crate::common::copy_dir(&made, &golden);
    }
    let relative = |dir: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        let name = |path: PathBuf| path.strip_prefix(dir).unwrap().to_path_buf();
        all_files(dir).into_iter().map(|(path, bytes)| (name(path), bytes)).collect()
    };
    assert_eq!(relative(&made), relative(&golden), "the same seed writes the same backup");

    let vault = open(&folder.path().join("vault"));
    vault.restore(&golden).unwrap();
    assert_eq!(vault.open_field(&sealed[0], "name"), Ok(plain("陈秀英")));
    assert_eq!(vault.open_field(&sealed[1], "phone"), Ok(Opened::Erased));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let told = [hex(&sealed[0].nonce), hex(&sealed[0].bytes), hex(&vault.command_digest("p", b"{}"))];
    assert_eq!(
        told,
        [
            "8d7bfd04427af47139cbdffd4b896ce8bef21b3261a71480",
            "8407d9d37660ac989b2b161c9060adae00328b68efc1ef0502",
            "66f09a40ca11b7d96965e4bb24fa081f04d478163962b329fb54e3d1c96d4962"
        ]
    );
}
