//! The vault's own backup and its restore. Owns the backup's format; never revives an erased key: wherever a tombstone
//! stands, in the vault or in the backup, it stands afterwards.
//!
//! A backup is a folder with `vault.backup` and, if asked for, `master.key`. `vault.backup`: the magic, the format as u32,
//! the meta record (u32 length first), the number of records as u64, each record as key id and value (u32 length before
//! each), and the BLAKE3 hash of all that. Numbers are little-endian. The keys in it are wrapped.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::cipher::Key;
use crate::error::{BackupError, RestoreError};
use crate::files;
use crate::limits::KEYS_PER_BATCH_MAX;
use crate::master::{self, KeyFile, MasterKey};
use crate::opening::{FORMAT_VERSION, MASTER_KEY_FILE, unwrap_all};
use crate::record::{Meta, Stored, SubjectRecord, Unlocked};
use crate::store::{self, RawRecord};
use crate::vault::{Entry, StoreKeysError, Table, Vault, Writer};

const BACKUP_FILE: &str = "vault.backup";
const MAGIC: &[u8; 8] = b"mstrvlt\0";

/// What goes into a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupContent {
    /// Keys, tombstones and the master key: the backup can be restored by itself, and must be kept like the vault.
    WithMasterKey,
    /// Keys and tombstones only: useless to a thief, and to its owner unless the master key is kept elsewhere.
    WithoutMasterKey,
}

/// What a restore did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestoreSummary {
    /// Keys that this vault did not have.
    pub keys_added: usize,
    /// Keys that the backup still held and that stay erased.
    pub kept_erased: usize,
    /// Tombstones that came from the backup, for keys held here or not.
    pub tombstones_added: usize,
}

impl Vault {
    /// Writes a backup of the whole vault into `dir`, which is made if missing and must not hold a backup yet. Durable
    /// when this returns. New keys and erasures wait meanwhile; sealing with existing keys and opening go on.
    pub fn backup(&self, dir: &Path, content: BackupContent) -> Result<(), BackupError> {
        let path = dir.join(BACKUP_FILE);
        files::create_private_dir(dir).map_err(|source| BackupError::Io { path: dir.to_path_buf(), source })?;
        if path.exists() {
            return Err(BackupError::Occupied { dir: dir.to_path_buf() });
        }
        let writer = self.writer.lock();
        let (meta, records) = self.collect_records()?;
        drop(writer);
        if content == BackupContent::WithMasterKey {
            let key_path = dir.join(MASTER_KEY_FILE);
            files::write_private(&key_path, self.master.to_file().as_bytes())
                .map_err(|source| BackupError::Io { path: key_path, source })?;
        }
        // The file with the keys comes last: where it stands, the backup is complete.
        files::write_private_with(&path, |file| write_backup(file, &meta, &records)).map_err(|source| BackupError::Io { path, source })
    }

    /// Brings the keys of the backup in `dir` into this vault, keeping what the vault has: the result holds the keys of
    /// both, less everything that either has erased. A vault without keys of its own takes over the backup's identity,
    /// so that digests of commands keep their values. Running it again after an interruption completes it.
    pub fn restore(&self, dir: &Path) -> Result<RestoreSummary, RestoreError> {
        let (meta, records) = read_backup(dir)?;
        let backup_master = self.master_of_backup(dir, &meta)?;
        let secret = match meta.unlock(&backup_master) {
            Unlocked::Secret(secret) => secret,
            Unlocked::WrongMasterKey | Unlocked::Damaged => {
                return Err(damaged(dir, "the meta record does not open"));
            }
        };
        let order: Vec<Box<str>> = records.iter().map(|(key_id, _)| key_id.clone()).collect();
        let entries = unwrap_all(&backup_master.wrapping_key(), &meta.vault_id, records).map_err(|what| damaged(dir, &what))?;
        let mut writer = self.writer.lock();
        self.check_mergeable(dir, &meta, &order, &entries)?;
        self.take_identity(&meta, &secret)?;
        self.merge(&mut writer, &order, &entries)
    }

    /// The meta record and all others as stored, the key id of each without its prefix.
    fn collect_records(&self) -> Result<(Vec<u8>, Vec<RawRecord>), BackupError> {
        let mut meta = None;
        let mut records = Vec::new();
        for record in self.store.records() {
            let (name, value) = record.map_err(|source| BackupError::Store { source })?;
            match name.split_first() {
                Some((&store::SUBJECT_PREFIX, key_id)) => records.push((key_id.into(), value)),
                _ if &*name == store::META => meta = Some(value.into_vec()),
                _ => {}
            }
        }
        let meta = meta.ok_or_else(|| BackupError::Damaged { what: "the meta record is missing".into() })?;
        Ok((meta, records))
    }

    fn master_of_backup(&self, dir: &Path, meta: &Meta) -> Result<MasterKey, RestoreError> {
        if self.master.check() == meta.master_check {
            return Ok(self.master.clone());
        }
        let path = dir.join(MASTER_KEY_FILE);
        match master::read_file(&path).map_err(|source| RestoreError::Io { path, source })? {
            KeyFile::Present(key) if key.check() == meta.master_check => Ok(key),
            KeyFile::Malformed => Err(damaged(dir, "master.key is not a master key")),
            KeyFile::Present(_) | KeyFile::Absent => Err(RestoreError::MasterKeyMissing { dir: dir.to_path_buf() }),
        }
    }

    /// Refuses, before anything is changed, what cannot be one vault.
    fn check_mergeable(&self, dir: &Path, meta: &Meta, order: &[Box<str>], entries: &Entries) -> Result<(), RestoreError> {
        let table = self.table.read();
        let has_keys = table.entries.values().any(|entry| matches!(entry, Entry::Key(_)));
        if table.vault_id != meta.vault_id && has_keys {
            return Err(RestoreError::OtherVault { dir: dir.to_path_buf() });
        }
        for key_id in order {
            if let (Some(Entry::Key(ours)), Some(Entry::Key(theirs))) = (table.entries.get(key_id), entries.get(key_id))
                && ours != theirs
            {
                return Err(RestoreError::KeyConflict { key_id: key_id.to_string() });
            }
        }
        Ok(())
    }

    /// Makes this vault, if it is another one, the one that the backup was made of. It holds no keys then.
    fn take_identity(&self, meta: &Meta, secret: &Key) -> Result<(), RestoreError> {
        if self.table.read().vault_id == meta.vault_id {
            return Ok(());
        }
        let mut nonce = [0; crate::cipher::NONCE_BYTES];
        self.entropy.lock().fill(&mut nonce)?;
        let own = Meta::new(meta.vault_id, &self.master, secret, nonce);
        self.store.write(&[(store::META.to_vec(), own.encode())])?;
        let mut table = self.table.write();
        *table =
            Table { vault_id: meta.vault_id, secrets: crate::cipher::Secrets::new(secret), entries: std::mem::take(&mut table.entries) };
        Ok(())
    }

    fn merge(&self, writer: &mut Writer, order: &[Box<str>], entries: &Entries) -> Result<RestoreSummary, RestoreError> {
        let mut summary = RestoreSummary::default();
        let mut keys: Vec<(&str, Key)> = Vec::new();
        let mut tombstones: Vec<&str> = Vec::new();
        {
            let table = self.table.read();
            for key_id in order {
                match (table.entries.get(key_id), entries.get(key_id)) {
                    (None, Some(Entry::Key(key))) => keys.push((key_id, key.clone())),
                    (Some(Entry::Erased), Some(Entry::Key(_))) => summary.kept_erased += 1,
                    (None | Some(Entry::Key(_)), Some(Entry::Erased)) => tombstones.push(key_id),
                    _ => {}
                }
            }
        }
        summary.keys_added = keys.len();
        summary.tombstones_added = tombstones.len();
        // Tombstones first: interrupted in between, the vault errs on the side of erasure.
        self.write_tombstones(writer, &tombstones)?;
        for batch in keys.chunks(KEYS_PER_BATCH_MAX) {
            self.store_keys(batch)?;
        }
        if writer.purge_pending {
            self.purge(writer)?;
        }
        Ok(summary)
    }
}

type Entries = std::collections::HashMap<Box<str>, Entry>;

impl From<StoreKeysError> for RestoreError {
    fn from(error: StoreKeysError) -> Self {
        match error {
            StoreKeysError::Entropy(error) => Self::Entropy(error),
            StoreKeysError::Write(error) => Self::Write(error),
        }
    }
}

/// Hashes what passes through.
struct Hashing<W> {
    inner: W,
    hasher: blake3::Hasher,
}

impl<W: Write> Hashing<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.inner.write_all(bytes)
    }

    fn put_sized(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.put(&length.to_le_bytes())?;
        self.put(bytes)
    }
}

fn write_backup(file: &mut File, meta: &[u8], records: &[RawRecord]) -> io::Result<()> {
    let mut out = Hashing { inner: BufWriter::new(file), hasher: blake3::Hasher::new() };
    out.put(MAGIC)?;
    out.put(&FORMAT_VERSION.to_le_bytes())?;
    out.put_sized(meta)?;
    out.put(&(records.len() as u64).to_le_bytes())?;
    for (key_id, value) in records {
        out.put_sized(key_id)?;
        out.put_sized(value)?;
    }
    let hash = *out.hasher.finalize().as_bytes();
    out.inner.write_all(&hash)?;
    out.inner.flush()
}

fn read_backup(dir: &Path) -> Result<(Meta, Vec<SubjectRecord>), RestoreError> {
    let path = dir.join(BACKUP_FILE);
    let bytes = std::fs::read(&path).map_err(|source| RestoreError::Io { path, source })?;
    let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged(dir, "it does not start like a backup of a vault"))?;
    let found = u32::from_le_bytes(take(&mut rest).ok_or_else(|| damaged(dir, "it is cut short"))?);
    if found > FORMAT_VERSION {
        return Err(RestoreError::NewerFormat { dir: dir.to_path_buf(), found, supported: FORMAT_VERSION });
    }
    let (body, hash) = bytes.split_last_chunk::<{ blake3::OUT_LEN }>().ok_or_else(|| damaged(dir, "it is cut short"))?;
    if blake3::hash(body) != *hash {
        return Err(damaged(dir, "its checksum does not fit"));
    }
    read_records(&body[body.len() + blake3::OUT_LEN - rest.len()..]).map_err(|what| damaged(dir, &what))
}

/// Reads what follows the format number, up to the hash.
fn read_records(mut rest: &[u8]) -> Result<(Meta, Vec<SubjectRecord>), String> {
    let cut_short = || "it ends in the middle of a record".to_owned();
    let meta = Meta::decode(take_sized(&mut rest).ok_or_else(cut_short)?)?;
    let count = u64::from_le_bytes(take(&mut rest).ok_or_else(cut_short)?);
    let mut records = Vec::new();
    for _ in 0..count {
        let key_id = take_sized(&mut rest).ok_or_else(cut_short)?;
        let key_id = std::str::from_utf8(key_id).map_err(|_| "a key id is not UTF-8")?;
        let value = take_sized(&mut rest).ok_or_else(cut_short)?;
        let stored = Stored::decode(key_id, value).map_err(|what| format!("record of {key_id}: {what}"))?;
        records.push((key_id.into(), stored));
    }
    if rest.is_empty() { Ok((meta, records)) } else { Err("it goes on after its last record".into()) }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

fn take_sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

fn damaged(dir: &Path, what: &str) -> RestoreError {
    RestoreError::Damaged { dir: dir.to_path_buf(), what: what.to_owned() }
}
