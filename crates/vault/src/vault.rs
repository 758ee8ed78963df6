//! The vault itself: the table of keys in memory, sealing, opening and erasing.
//!
//! Invariant: a key is in the table only if its record is durable, and it leaves the table no earlier than its tombstone
//! is durable. All keys are in memory (about 100 bytes each), so sealing and opening never wait for the disk, except
//! where a key is new.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;

use parking_lot::{Mutex, RwLock};
use zeroize::Zeroizing;

use crate::cipher::{self, KEY_BYTES, Key, NONCE_BYTES, Nonce, Secrets};
use crate::entropy::{Entropy, EntropyError};
use crate::error::{EraseError, OpenFieldError, SealError, WriteError};
use crate::limits::{FIELD_BYTES_MAX, KEY_ID_BYTES_MAX, KEYS_PER_BATCH_MAX, PLAIN_BYTES_MAX};
use crate::master::MasterKey;
use crate::record::{Stored, VAULT_ID_BYTES};
use crate::sealed::{Algorithm, Opened, SealedField};
use crate::store::{self, Store};

/// What the table holds for a key id.
#[derive(Clone)]
pub(crate) enum Entry {
    Key(Key),
    Erased,
}

/// Everything that readers need, replaced as a whole only by a restore.
pub(crate) struct Table {
    pub(crate) vault_id: [u8; VAULT_ID_BYTES],
    pub(crate) secrets: Secrets,
    pub(crate) entries: HashMap<Box<str>, Entry>,
}

impl Table {
    /// Records in the store: one per entry, the meta record and the purge mark.
    pub(crate) fn record_count(&self) -> u64 {
        self.entries.len() as u64 + 2
    }
}

/// What only one thread at a time may do: writing to the store.
pub(crate) struct Writer {
    /// An erasure's old bytes may still be in the files.
    pub(crate) purge_pending: bool,
}

/// A text to be sealed. `Debug` shows whose and which, never the text.
#[derive(Clone, Copy)]
pub struct PlainField<'a> {
    /// The id of the person or record that the text is about; it becomes the key id.
    pub subject: &'a str,
    /// Which field it is, a word of the code such as `name`.
    pub field: &'a str,
    /// The plain text.
    pub text: &'a str,
}

impl fmt::Debug for PlainField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainField({} of {}, {} bytes)", self.field, self.subject, self.text.len())
    }
}

/// What an erasure found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// There was a key; it is gone.
    Erased,
    /// The key had been erased before.
    AlreadyErased,
    /// There never was a key. A tombstone stands now, so that there never will be.
    NeverHeld,
}

/// The vault of one data folder. Shared between threads by reference; all methods take `&self`.
///
/// Lock order, where several are held: `writer`, then `table`, then `entropy`.
pub struct Vault {
    pub(crate) store: Store,
    pub(crate) dir: std::path::PathBuf,
    pub(crate) master: MasterKey,
    pub(crate) wrapping_key: Key,
    pub(crate) table: RwLock<Table>,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) entropy: Mutex<Box<dyn Entropy>>,
    /// Locked as long as the vault is open. Declared last, so that it is released after the store has closed.
    pub(crate) _lock: File,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Vault {
    /// Seals one text. The key of a new subject is durable before this returns; see [`Vault::seal_many`] for more than one.
    pub fn seal(&self, subject: &str, field: &str, text: &str) -> Result<SealedField, SealError> {
        let mut sealed = self.seal_many(&[PlainField { subject, field, text }])?;
        Ok(sealed.pop().expect("one text gives one sealed field"))
    }

    /// Seals many texts, in their order; keys for new subjects are made in the order of their first text and written in
    /// one synced batch before any is used. All or nothing: where one text is refused, none is sealed.
    pub fn seal_many(&self, fields: &[PlainField<'_>]) -> Result<Vec<SealedField>, SealError> {
        for field in fields {
            check_limits(field)?;
        }
        self.create_missing_keys(fields)?;
        let table = self.table.read();
        let mut entropy = self.entropy.lock();
        let mut bound = Vec::new();
        let mut sealed = Vec::with_capacity(fields.len());
        for field in fields {
            let Some(Entry::Key(key)) = table.entries.get(field.subject) else {
                // A key can only vanish by an erasure that came in between.
                return Err(SealError::Erased { subject: field.subject.to_owned() });
            };
            let mut random: Nonce = [0; NONCE_BYTES];
            entropy.fill(&mut random)?;
            let algorithm = Algorithm::XChaCha20Poly1305;
            cipher::bound_to_field(&mut bound, algorithm, field.subject, field.field);
            let nonce = table.secrets.hedge_nonce(&random, &bound, field.text.as_bytes());
            sealed.push(SealedField {
                key_id: field.subject.to_owned(),
                algorithm,
                nonce: nonce.to_vec(),
                bytes: cipher::encrypt(key, &nonce, &bound, field.text.as_bytes()),
            });
        }
        Ok(sealed)
    }

    /// Opens a field that was sealed as `field`.
    pub fn open_field(&self, sealed: &SealedField, field: &str) -> Result<Opened, OpenFieldError> {
        open_with(&self.table.read(), &mut Vec::new(), sealed, field)
    }

    /// Opens many fields, each with the name it was sealed as; each has its own answer, in the same order.
    pub fn open_many(&self, fields: &[(&SealedField, &str)]) -> Vec<Result<Opened, OpenFieldError>> {
        let table = self.table.read();
        let mut bound = Vec::new();
        fields.iter().map(|(sealed, field)| open_with(&table, &mut bound, sealed, field)).collect()
    }

    /// Erases one subject's key, see [`Vault::erase_many`].
    pub fn erase(&self, subject: &str) -> Result<Erasure, EraseError> {
        let mut erased = self.erase_many(&[subject])?;
        Ok(erased.pop().expect("one subject gives one answer"))
    }

    /// Erases the keys of these subjects for good: the tombstones are durable, the keys unusable, and the old bytes out of
    /// every file of the vault when this returns. Repeating it is harmless and finishes an erasure that was interrupted.
    ///
    /// Reading and sealing with existing keys go on meanwhile; new keys wait until the files are rewritten.
    pub fn erase_many(&self, subjects: &[&str]) -> Result<Vec<Erasure>, EraseError> {
        if let Some(bad) = subjects.iter().find(|subject| !is_key_id(subject)) {
            return Err(EraseError::BadSubject { bytes: bad.len(), bytes_max: KEY_ID_BYTES_MAX });
        }
        let mut writer = self.writer.lock();
        let erasures = self.write_tombstones(&mut writer, subjects)?;
        if writer.purge_pending {
            self.purge(&mut writer)?;
        }
        Ok(erasures)
    }

    /// Whether a subject of this id could have a key at all: an id has 1 to [`KEY_ID_BYTES_MAX`] bytes.
    #[must_use]
    pub fn may_hold(subject: &str) -> bool {
        is_key_id(subject)
    }

    /// Whether the subject's key was erased.
    pub fn is_erased(&self, subject: &str) -> bool {
        matches!(self.table.read().entries.get(subject), Some(Entry::Erased))
    }

    /// How many subjects have a key, and how many were erased.
    pub fn counts(&self) -> (usize, usize) {
        let table = self.table.read();
        let erased = table.entries.values().filter(|entry| matches!(entry, Entry::Erased)).count();
        (table.entries.len() - erased, erased)
    }

    /// Whether new keys can still be stored; `false` after a failed write, until the vault is opened again.
    pub fn is_writable(&self) -> bool {
        self.store.is_writable()
    }

    /// A digest of a command's body, bound to who sent it and keyed by a secret that never leaves the vault: equal for
    /// equal bodies, and useless to somebody who guesses at a body and has only the log.
    pub fn command_digest(&self, principal: &str, body: &[u8]) -> [u8; 32] {
        self.table.read().secrets.command_digest(principal, body)
    }

    /// Makes keys for the subjects that have none, in their order; refuses if one of them was erased.
    fn create_missing_keys(&self, fields: &[PlainField<'_>]) -> Result<(), SealError> {
        if missing_subjects(&self.table.read(), fields)?.is_empty() {
            return Ok(());
        }
        let _writer = self.writer.lock();
        // Another thread may have made some of them before the lock was ours.
        let missing = missing_subjects(&self.table.read(), fields)?;
        for subjects in missing.chunks(KEYS_PER_BATCH_MAX) {
            let mut keys = Vec::with_capacity(subjects.len());
            {
                let table = self.table.read();
                let mut entropy = self.entropy.lock();
                for subject in subjects {
                    let mut random: Key = Zeroizing::new([0; KEY_BYTES]);
                    entropy.fill(&mut random[..])?;
                    keys.push((*subject, table.secrets.hedge_key(&random, subject)));
                }
            }
            self.store_keys(&keys)?;
        }
        Ok(())
    }

    /// Wraps and stores keys in one synced batch, then puts them into the table. The caller holds the writer's lock.
    pub(crate) fn store_keys(&self, keys: &[(&str, Key)]) -> Result<(), StoreKeysError> {
        let vault_id = self.table.read().vault_id;
        let mut records = Vec::with_capacity(keys.len());
        {
            let mut entropy = self.entropy.lock();
            for (subject, key) in keys {
                let stored = wrap(&self.wrapping_key, &vault_id, subject, key, entropy.as_mut())?;
                records.push((store::subject_name(subject), stored.encode(subject)));
            }
        }
        self.store.write(&records)?;
        let mut table = self.table.write();
        for (subject, key) in keys {
            table.entries.insert((*subject).into(), Entry::Key(key.clone()));
        }
        Ok(())
    }

    /// Writes the tombstones and takes the keys out of the table; marks the purge where a key was there.
    pub(crate) fn write_tombstones(&self, writer: &mut Writer, subjects: &[&str]) -> Result<Vec<Erasure>, WriteError> {
        let mut erasures = Vec::with_capacity(subjects.len());
        let mut fresh = HashSet::new();
        {
            let table = self.table.read();
            for subject in subjects {
                erasures.push(match table.entries.get(*subject) {
                    _ if fresh.contains(subject) => Erasure::AlreadyErased,
                    Some(Entry::Key(_)) => Erasure::Erased,
                    Some(Entry::Erased) => Erasure::AlreadyErased,
                    None => Erasure::NeverHeld,
                });
                if erasures.last() != Some(&Erasure::AlreadyErased) {
                    fresh.insert(*subject);
                }
            }
        }
        if fresh.is_empty() {
            return Ok(erasures);
        }
        let mut records: Vec<_> = fresh.iter().map(|subject| (store::subject_name(subject), Stored::Tombstone.encode(subject))).collect();
        let purge = erasures.contains(&Erasure::Erased);
        if purge {
            records.push((store::PURGE.to_vec(), b"1".to_vec()));
            writer.purge_pending = true;
        }
        self.store.write(&records)?;
        let mut table = self.table.write();
        for subject in fresh {
            table.entries.insert(subject.into(), Entry::Erased);
        }
        Ok(erasures)
    }

    /// Removes the bytes of erased keys from the files and takes the mark off.
    pub(crate) fn purge(&self, writer: &mut Writer) -> Result<(), EraseError> {
        let record_count = self.table.read().record_count();
        self.store.purge(record_count)?;
        self.store.write(&[(store::PURGE.to_vec(), b"0".to_vec())])?;
        writer.purge_pending = false;
        Ok(())
    }
}

/// Why keys were not stored; each operation turns it into its own error.
#[derive(Debug)]
pub(crate) enum StoreKeysError {
    Entropy(EntropyError),
    Write(WriteError),
}

impl From<EntropyError> for StoreKeysError {
    fn from(error: EntropyError) -> Self {
        Self::Entropy(error)
    }
}

impl From<WriteError> for StoreKeysError {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

impl From<StoreKeysError> for SealError {
    fn from(error: StoreKeysError) -> Self {
        match error {
            StoreKeysError::Entropy(error) => Self::Entropy(error),
            StoreKeysError::Write(error) => Self::Write(error),
        }
    }
}

/// Wraps a key for storage.
fn wrap(wrapping_key: &Key, vault_id: &[u8], key_id: &str, key: &Key, entropy: &mut dyn Entropy) -> Result<Stored, EntropyError> {
    let mut nonce: Nonce = [0; NONCE_BYTES];
    entropy.fill(&mut nonce)?;
    let mut bound = Vec::new();
    cipher::bound_to_key(&mut bound, vault_id, key_id);
    let wrapped = cipher::encrypt(wrapping_key, &nonce, &bound, &key[..]);
    Ok(Stored::WrappedKey { nonce, wrapped: wrapped.try_into().expect("a wrapped key has one length") })
}

fn is_key_id(subject: &str) -> bool {
    (1..=KEY_ID_BYTES_MAX).contains(&subject.len())
}

fn check_limits(field: &PlainField<'_>) -> Result<(), SealError> {
    if !is_key_id(field.subject) {
        return Err(SealError::BadSubject { bytes: field.subject.len(), bytes_max: KEY_ID_BYTES_MAX });
    }
    if !(1..=FIELD_BYTES_MAX).contains(&field.field.len()) {
        return Err(SealError::BadField { bytes: field.field.len(), bytes_max: FIELD_BYTES_MAX });
    }
    if field.text.len() > PLAIN_BYTES_MAX {
        return Err(SealError::TooLong {
            subject: field.subject.to_owned(),
            field: field.field.to_owned(),
            bytes: field.text.len(),
            bytes_max: PLAIN_BYTES_MAX,
        });
    }
    Ok(())
}

/// Subjects without a key, each once, in the order of their first field.
fn missing_subjects<'a>(table: &Table, fields: &[PlainField<'a>]) -> Result<Vec<&'a str>, SealError> {
    let mut missing = Vec::new();
    let mut seen = HashSet::new();
    for field in fields {
        match table.entries.get(field.subject) {
            Some(Entry::Key(_)) => {}
            Some(Entry::Erased) => return Err(SealError::Erased { subject: field.subject.to_owned() }),
            None if seen.insert(field.subject) => missing.push(field.subject),
            None => {}
        }
    }
    Ok(missing)
}

fn open_with(table: &Table, bound: &mut Vec<u8>, sealed: &SealedField, field: &str) -> Result<Opened, OpenFieldError> {
    let key = match table.entries.get(sealed.key_id.as_str()) {
        None => return Err(OpenFieldError::UnknownKey { key_id: sealed.key_id.clone() }),
        Some(Entry::Erased) => return Ok(Opened::Erased),
        Some(Entry::Key(key)) => key,
    };
    cipher::bound_to_field(bound, sealed.algorithm, &sealed.key_id, field);
    cipher::decrypt(key, &sealed.nonce, bound, &sealed.bytes)
        .and_then(|plain| String::from_utf8(plain).ok())
        .map(Opened::Plain)
        .ok_or_else(|| OpenFieldError::Tampered { key_id: sealed.key_id.clone(), field: field.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::OsEntropy;
    use crate::opening::VaultOptions;

    /// Killed between the tombstone and the rewriting of the files: the key is unusable, its bytes are still there, and
    /// the next opening removes them.
    #[test]
    fn an_interrupted_erasure_is_finished_by_the_next_opening() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Vault::open(folder.path(), VaultOptions::new(Box::new(OsEntropy::new()))).unwrap();
        let vault = open();
        let sealed = vault.seal("r-1", "name", "甲").unwrap();
        let stored = vault.store.records().map(Result::unwrap).find(|(name, _)| **name == *b"kr-1").unwrap();
        let key = stored.1[10..50].to_vec();
        let files_with_key = || {
            let files = std::fs::read_dir(folder.path().join("db")).unwrap();
            let holds = |path: &std::path::Path| std::fs::read(path).unwrap().windows(key.len()).any(|window| window == key);
            files.map(|entry| entry.unwrap().path()).filter(|path| holds(path)).count()
        };
        vault.write_tombstones(&mut vault.writer.lock(), &["r-1"]).unwrap();
        assert_eq!(vault.open_field(&sealed, "name"), Ok(Opened::Erased));
        drop(vault);
        assert!(files_with_key() > 0, "nothing has been rewritten yet");
        let vault = open();
        assert_eq!(vault.open_field(&sealed, "name"), Ok(Opened::Erased));
        assert_eq!(files_with_key(), 0);
        assert!(!vault.writer.lock().purge_pending);
    }
}
