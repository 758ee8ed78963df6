//! Sealing and opening: what comes back, what is refused, what a seed decides, what the files hold.

use std::os::unix::fs::PermissionsExt;

use crate::common::{contains, field, files_with, open, open_seeded, try_open};
use muster_vault::limits::{FIELD_BYTES_MAX, KEY_ID_BYTES_MAX, PLAIN_BYTES_MAX};
use muster_vault::{Algorithm, MasterKey, OpenError, OpenFieldError, Opened, OsEntropy, SealError, Vault, VaultOptions};

fn plain(text: &str) -> Opened {
    Opened::Plain(text.to_owned())
}

#[test]
fn what_was_sealed_opens_again_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let vault = open(&dir);
    let name = vault.seal("r-1", "name", "陈秀英").unwrap();
    let empty = vault.seal("r-1", "note", "").unwrap();
    let longest = "长".repeat(PLAIN_BYTES_MAX / 3);
    let note = vault.seal("r-2", "note", &longest).unwrap();
    assert_eq!((name.key_id.as_str(), name.algorithm, name.nonce.len()), ("r-1", Algorithm::XChaCha20Poly1305, 24));
    assert_eq!(name.bytes.len(), "陈秀英".len() + 16);
    drop(vault);

    let vault = open(&dir);
    assert_eq!(vault.counts(), (2, 0));
    let opened = vault.open_many(&[(&name, "name"), (&empty, "note"), (&note, "note")]);
    assert_eq!(opened, [Ok(plain("陈秀英")), Ok(plain("")), Ok(plain(&longest))]);
    let again = vault.seal("r-1", "name", "陈秀英").unwrap();
    assert_ne!(again.nonce, name.nonce, "one text sealed twice looks different");
    assert_ne!(again.bytes, name.bytes);
}

#[test]
fn a_seal_opens_only_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(&folder.path().join("vault"));
    let name = vault.seal("r-1", "name", "陈秀英").unwrap();
    vault.seal("r-2", "name", "林志强").unwrap();

    let refused = |sealed, as_field: &str| match vault.open_field(&sealed, as_field) {
        Err(OpenFieldError::Tampered { key_id, field }) => {
            assert_eq!((key_id, field.as_str()), (sealed.key_id, as_field));
        }
        other => panic!("{other:?}"),
    };
    refused(name.clone(), "phone");
    refused(name.clone(), "nam");
    let mut moved = name.clone();
    moved.key_id = "r-2".into();
    refused(moved, "name");
    for bit in 0..name.bytes.len() * 8 {
        let mut altered = name.clone();
        altered.bytes[bit / 8] ^= 1 << (bit % 8);
        refused(altered, "name");
    }
    for bit in 0..name.nonce.len() * 8 {
        let mut altered = name.clone();
        altered.nonce[bit / 8] ^= 1 << (bit % 8);
        refused(altered, "name");
    }
    for length in 0..name.bytes.len() {
        let mut cut = name.clone();
        cut.bytes.truncate(length);
        refused(cut, "name");
    }
    for length in [0, 12, 23, 25] {
        let mut other_nonce = name.clone();
        other_nonce.nonce.resize(length, 0);
        refused(other_nonce, "name");
    }
    let mut unknown = name;
    unknown.key_id = "r-9".into();
    assert_eq!(vault.open_field(&unknown, "name"), Err(OpenFieldError::UnknownKey { key_id: "r-9".into() }));
}

#[test]
fn limits_are_named_and_a_refused_text_stops_the_whole_batch() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(&folder.path().join("vault"));
    let long_subject = "r".repeat(KEY_ID_BYTES_MAX + 1);
    let long_field = "f".repeat(FIELD_BYTES_MAX + 1);
    let long_text = "t".repeat(PLAIN_BYTES_MAX + 1);
    assert!(matches!(vault.seal("", "name", "x"), Err(SealError::BadSubject { bytes: 0, .. })));
    assert!(matches!(vault.seal(&long_subject, "name", "x"), Err(SealError::BadSubject { bytes: 129, .. })));
    assert!(matches!(vault.seal("r-1", "", "x"), Err(SealError::BadField { bytes: 0, .. })));
    assert!(matches!(vault.seal("r-1", &long_field, "x"), Err(SealError::BadField { bytes: 65, .. })));
    let batch = [field("r-1", "name", "x"), field("r-2", "note", &long_text)];
    let error = vault.seal_many(&batch).unwrap_err();
    assert!(matches!(&error, SealError::TooLong { subject, bytes: 16_385, .. } if subject == "r-2"), "{error}");
    assert!(!error.to_string().contains("ttt"), "an error never holds the text");
    assert_eq!(vault.counts(), (0, 0), "no key was made for a refused batch");
    vault.seal(&"r".repeat(KEY_ID_BYTES_MAX), &"f".repeat(FIELD_BYTES_MAX), "x").unwrap();
}

#[test]
fn no_file_of_the_folder_ever_holds_plain_text_or_an_open_key() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let seed = 11;
    let vault = open_seeded(&dir, seed);
    let texts: Vec<(String, String)> = (0..500).map(|number| (format!("r-{number}"), format!("陈秀英-plain-{number}"))).collect();
    let fields: Vec<_> = texts.iter().map(|(subject, text)| field(subject, "name", text)).collect();
    let sealed = vault.seal_many(&fields).unwrap();
    vault.backup(&folder.path().join("backup"), muster_vault::BackupContent::WithoutMasterKey).unwrap();
    vault.erase("r-7").unwrap();
    for needle in ["陈秀英", "plain-"] {
        assert_eq!(files_with(folder.path(), needle.as_bytes()), Vec::<std::path::PathBuf>::new(), "seed {seed}");
        assert!(sealed.iter().all(|sealed| !contains(&sealed.bytes, needle.as_bytes())));
    }
    drop(vault);
    assert_eq!(files_with(folder.path(), "陈秀英".as_bytes()), Vec::<std::path::PathBuf>::new());
    // The search itself works: ids stand in the files as they are.
    assert!(!files_with(&dir, b"r-499").is_empty());
}

#[test]
fn a_seed_decides_every_byte_and_another_seed_gives_others() {
    let run = |seed: u64| {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("vault");
        let vault = open_seeded(&dir, seed);
        let mut sealed =
            vault.seal_many(&[field("r-2", "name", "甲"), field("r-1", "name", "乙"), field("r-2", "phone", "13800000001")]).unwrap();
        sealed.push(vault.seal("r-3", "name", "丙").unwrap());
        let digest = vault.command_digest("p", b"{}");
        let master = std::fs::read(dir.join("master.key")).unwrap();
        (sealed, digest, master)
    };
    assert_eq!(run(5), run(5), "seed 5");
    let (five, six) = (run(5), run(6));
    assert_ne!(five.0[0].bytes, six.0[0].bytes);
    assert_ne!(five.1, six.1);
    assert_ne!(five.2, six.2);
}

/// A seeded run that is ended and started again draws the same random bytes a second time. With nonces straight from the
/// generator, two different texts would then be sealed with one key and nonce, and their difference would lie open.
#[test]
fn randomness_that_repeats_never_seals_two_texts_with_one_nonce() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let key = || MasterKey::from_bytes([1; 32]);
    let reopen = || {
        let entropy = Box::new(muster_vault::SeededEntropy::new(3));
        Vault::open(&dir, VaultOptions { entropy, master_key: Some(key()) }).unwrap()
    };
    drop(reopen());
    reopen().seal("r-1", "name", "").unwrap();
    let first = reopen().seal("r-1", "name", "甲").unwrap();
    let second = reopen().seal("r-1", "name", "乙").unwrap();
    let same = reopen().seal("r-1", "name", "甲").unwrap();
    let other_field = reopen().seal("r-1", "note", "甲").unwrap();
    assert_eq!(first, same, "the generator did repeat itself");
    assert_ne!(first.nonce, second.nonce);
    assert_ne!(first.nonce, other_field.nonce);
}

#[test]
fn digests_depend_on_vault_principal_and_body_and_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("a"), folder.path().join("b"));
    let vault = open(&here);
    let digest = vault.command_digest("alice", b"{\"name\":\"x\"}");
    assert_eq!(digest, vault.command_digest("alice", b"{\"name\":\"x\"}"));
    assert_ne!(digest, vault.command_digest("alice", b"{\"name\":\"y\"}"));
    assert_ne!(digest, vault.command_digest("bob", b"{\"name\":\"x\"}"));
    assert_ne!(vault.command_digest("ab", b"c"), vault.command_digest("a", b"bc"));
    assert_ne!(digest, open(&there).command_digest("alice", b"{\"name\":\"x\"}"), "keyed by the vault's secret");
    drop(vault);
    assert_eq!(digest, open(&here).command_digest("alice", b"{\"name\":\"x\"}"));
}

#[test]
fn the_master_key_is_private_and_can_come_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let sealed = open(&dir).seal("r-1", "name", "甲").unwrap();
    let file = dir.join("master.key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);

    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(try_open(&dir), Err(OpenError::MasterKeyMissing { .. })));
    let with = |master_key| Vault::open(&dir, VaultOptions { entropy: Box::new(OsEntropy::new()), master_key: Some(master_key) });
    assert!(matches!(with(MasterKey::from_bytes([7; 32])), Err(OpenError::WrongMasterKey { .. })));
    let vault = with(MasterKey::from_hex(&text).unwrap()).unwrap();
    assert_eq!(vault.open_field(&sealed, "name"), Ok(plain("甲")));
    assert!(!file.exists(), "a key kept elsewhere is never written here");
    drop(vault);

    std::fs::write(&file, "not a key").unwrap();
    assert!(matches!(try_open(&dir), Err(OpenError::BadMasterKeyFile { .. })));
}

#[test]
fn threads_that_seal_for_the_same_new_people_agree_on_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("vault");
    let vault = open(&dir);
    let subjects: Vec<String> = (0..200).map(|number| format!("r-{number}")).collect();
    let sealed: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (vault, subjects) = (&vault, &subjects);
                scope.spawn(move || {
                    let text = format!("text of thread {thread}");
                    subjects.iter().map(|subject| vault.seal(subject, "note", &text).unwrap()).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    drop(vault);
    let vault = open(&dir);
    assert_eq!(vault.counts(), (200, 0));
    for (number, sealed) in sealed.iter().enumerate() {
        let expected = plain(&format!("text of thread {}", number / 200));
        assert_eq!(vault.open_field(sealed, "note"), Ok(expected));
    }
}
