//! Opening a vault: the lock, the format, the master key, the store, and every record checked on the way into memory.
//!
//! A new vault comes into being in this order: `master.key`, the meta record, `format`. So a folder without `format` is
//! an opening that was interrupted, and the next one completes it; a folder with `format` must have all the rest. The
//! files: `lock`, `format`, `master.key`, and `db/` with the store.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use parking_lot::{Mutex, RwLock};
use zeroize::Zeroizing;

use crate::cipher::{self, KEY_BYTES, Key, NONCE_BYTES, Secrets};
use crate::entropy::{Entropy, EntropyError};
use crate::error::OpenError;
use crate::files;
use crate::master::{self, KeyFile, MasterKey};
use crate::record::{Meta, Stored, SubjectRecord, Unlocked, VAULT_ID_BYTES};
use crate::store::{self, Store};
use crate::vault::{Entry, Table, Vault, Writer};

/// The newest folder format that this version reads, and the one it writes.
pub const FORMAT_VERSION: u32 = 1;

const FORMAT_WORD: &str = "muster-vault";
/// The master key's file, in a vault and beside a backup.
pub(crate) const MASTER_KEY_FILE: &str = "master.key";

/// How a vault is opened.
pub struct VaultOptions {
    /// Where keys and nonces come from.
    pub entropy: Box<dyn Entropy>,
    /// The master key, where it is kept elsewhere (an environment variable, a key service); `None` for `master.key` in
    /// the vault's folder, made at the first opening.
    pub master_key: Option<MasterKey>,
}

impl VaultOptions {
    /// The master key in its file, randomness from `entropy`.
    pub fn new(entropy: Box<dyn Entropy>) -> Self {
        Self { entropy, master_key: None }
    }
}

impl std::fmt::Debug for VaultOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultOptions").field("master_key", &self.master_key).finish_non_exhaustive()
    }
}

/// What was read of a store.
struct Content {
    meta: Option<Meta>,
    purge_pending: bool,
    stored: Vec<SubjectRecord>,
}

impl Vault {
    /// Opens the vault in `dir`, or makes one if there is none. Every record is read and authenticated, so damage shows
    /// here and not when a person must be called; an erasure that was interrupted is finished.
    pub fn open(dir: &Path, options: VaultOptions) -> Result<Self, OpenError> {
        let VaultOptions { mut entropy, master_key } = options;
        files::create_private_dir(dir).map_err(|source| io_error(dir, source))?;
        let lock = take_lock(dir)?;
        let is_new = read_format(dir)?.is_none();
        let given = match master_key {
            Some(key) => Some(key),
            None => key_in_file(dir)?,
        };
        let store = Store::open(dir, dir.join("db"), is_new)?;
        let content = read_content(dir, &store)?;
        let (master, meta) = match (content.meta, given) {
            (Some(meta), Some(master)) => (master, meta),
            (Some(_), None) => return Err(master_key_missing(dir)),
            (None, given) if is_new && content.stored.is_empty() => {
                let master = given.map_or_else(|| make_key_file(dir, entropy.as_mut()), Ok)?;
                let meta = make_meta(&store, &master, entropy.as_mut())?;
                (master, meta)
            }
            (None, _) => return Err(damaged(dir, "the meta record is missing")),
        };
        if is_new && !content.stored.is_empty() {
            return Err(damaged(dir, "the file `format` is missing beside stored keys"));
        }
        let secret = match meta.unlock(&master) {
            Unlocked::Secret(secret) => secret,
            Unlocked::WrongMasterKey => return Err(OpenError::WrongMasterKey { dir: dir.to_path_buf() }),
            Unlocked::Damaged => return Err(damaged(dir, "the meta record does not open")),
        };
        let wrapping_key = master.wrapping_key();
        let entries = unwrap_all(&wrapping_key, &meta.vault_id, content.stored).map_err(|what| damaged(dir, &what))?;
        if is_new {
            write_format(dir)?;
        }
        let table = Table { vault_id: meta.vault_id, secrets: Secrets::new(&secret), entries };
        let vault = Self {
            store,
            dir: dir.to_path_buf(),
            master,
            wrapping_key,
            table: RwLock::new(table),
            writer: Mutex::new(Writer { purge_pending: content.purge_pending }),
            entropy: Mutex::new(entropy),
            _lock: lock,
        };
        vault.finish_erasure();
        Ok(vault)
    }

    /// Removes the bytes that an interrupted erasure left. The keys are unusable already, so a failure is reported and
    /// tried again at the next erasure or opening.
    fn finish_erasure(&self) {
        let mut writer = self.writer.lock();
        if writer.purge_pending
            && let Err(error) = self.purge(&mut writer)
        {
            tracing::error!(%error, vault = %self.dir.display(), "bytes of erased keys could not be removed yet");
        }
    }
}

fn take_lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(|source| io_error(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.to_path_buf() }),
        Err(TryLockError::Error(source)) => Err(io_error(&path, source)),
    }
}

/// The format that the folder names; `None` for a new folder.
fn read_format(dir: &Path) -> Result<Option<u32>, OpenError> {
    let path = dir.join("format");
    let Some(bytes) = files::read_if_present(&path).map_err(|source| io_error(&path, source))? else {
        return Ok(None);
    };
    let found = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.trim().strip_prefix(FORMAT_WORD))
        .and_then(|number| number.trim().parse::<u32>().ok())
        .ok_or_else(|| damaged(dir, "the file `format` names no format"))?;
    if found > FORMAT_VERSION {
        return Err(OpenError::NewerFormat { dir: dir.to_path_buf(), found, supported: FORMAT_VERSION });
    }
    Ok(Some(found))
}

fn write_format(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join("format");
    files::write_private(&path, format!("{FORMAT_WORD} {FORMAT_VERSION}\n").as_bytes()).map_err(|source| io_error(&path, source))
}

fn key_in_file(dir: &Path) -> Result<Option<MasterKey>, OpenError> {
    let path = dir.join(MASTER_KEY_FILE);
    match master::read_file(&path) {
        Ok(KeyFile::Present(key)) => Ok(Some(key)),
        Ok(KeyFile::Absent) => Ok(None),
        Ok(KeyFile::Malformed) => Err(OpenError::BadMasterKeyFile { file: path }),
        Err(source) => Err(io_error(&path, source)),
    }
}

fn make_key_file(dir: &Path, entropy: &mut dyn Entropy) -> Result<MasterKey, OpenError> {
    let path = dir.join(MASTER_KEY_FILE);
    let master = MasterKey::generate(entropy)?;
    files::write_private(&path, master.to_file().as_bytes()).map_err(|source| io_error(&path, source))?;
    Ok(master)
}

fn make_meta(store: &Store, master: &MasterKey, entropy: &mut dyn Entropy) -> Result<Meta, OpenError> {
    let meta = new_meta(master, entropy)?;
    store
        .write(&[(store::META.to_vec(), meta.encode()), (store::PURGE.to_vec(), b"0".to_vec())])
        .map_err(|error| OpenError::FirstWrite { source: error })?;
    Ok(meta)
}

fn new_meta(master: &MasterKey, entropy: &mut dyn Entropy) -> Result<Meta, EntropyError> {
    let mut vault_id = [0; VAULT_ID_BYTES];
    entropy.fill(&mut vault_id)?;
    let mut secret: Key = Zeroizing::new([0; KEY_BYTES]);
    entropy.fill(&mut secret[..])?;
    let mut nonce = [0; NONCE_BYTES];
    entropy.fill(&mut nonce)?;
    Ok(Meta::new(vault_id, master, &secret, nonce))
}

fn read_content(dir: &Path, store: &Store) -> Result<Content, OpenError> {
    let mut content = Content { meta: None, purge_pending: false, stored: Vec::new() };
    for record in store.records() {
        let (name, value) = record.map_err(|source| OpenError::Damaged {
            dir: dir.to_path_buf(),
            what: "a block of the store cannot be read".into(),
            source: Some(source),
        })?;
        match &*name {
            store::META => content.meta = Some(Meta::decode(&value).map_err(|what| damaged(dir, &what))?),
            store::PURGE => content.purge_pending = *value != *b"0",
            [store::SUBJECT_PREFIX, key_id @ ..] => {
                let key_id = std::str::from_utf8(key_id).map_err(|_| damaged(dir, "a key id is not UTF-8"))?;
                let stored = Stored::decode(key_id, &value).map_err(|what| damaged(dir, &format!("record of {key_id}: {what}")))?;
                content.stored.push((key_id.into(), stored));
            }
            _ => return Err(damaged(dir, "a record of unknown name")),
        }
    }
    Ok(content)
}

/// Unwraps every key; the error names the first that does not open.
pub(crate) fn unwrap_all(wrapping_key: &Key, vault_id: &[u8], stored: Vec<SubjectRecord>) -> Result<HashMap<Box<str>, Entry>, String> {
    let mut entries = HashMap::with_capacity(stored.len());
    let mut bound = Vec::new();
    for (key_id, stored) in stored {
        let entry = match stored {
            Stored::Tombstone => Entry::Erased,
            Stored::WrappedKey { nonce, wrapped } => {
                cipher::bound_to_key(&mut bound, vault_id, &key_id);
                let key = cipher::unwrap_key(wrapping_key, &nonce, &bound, &wrapped)
                    .ok_or_else(|| format!("record of {key_id}: the key does not open"))?;
                Entry::Key(key)
            }
        };
        entries.insert(key_id, entry);
    }
    Ok(entries)
}

fn io_error(path: &Path, source: std::io::Error) -> OpenError {
    OpenError::Io { path: path.to_path_buf(), source }
}

fn damaged(dir: &Path, what: &str) -> OpenError {
    OpenError::Damaged { dir: dir.to_path_buf(), what: what.to_owned(), source: None }
}

fn master_key_missing(dir: &Path) -> OpenError {
    OpenError::MasterKeyMissing { dir: dir.to_path_buf(), file: PathBuf::from(dir).join(MASTER_KEY_FILE) }
}
