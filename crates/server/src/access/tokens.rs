//! Local tokens: a file in the data folder's `access/` that holds digests only. The command line writes it, the server
//! reads it anew whenever it changed. It must never hold a token itself, and never be half written.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use muster_access::{Grant, Principal};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// What every local token begins with, so that one that leaked is recognized for what it is.
pub const TOKEN_PREFIX: &str = "mt_";

const TOKENS_FILE: &str = "tokens.json";
const LOCK_FILE: &str = "lock";
const FORMAT_VERSION: u32 = 1;
/// Bytes of a token's secret: too many to be guessed, so that a plain digest is enough.
const SECRET_BYTES: usize = 32;
/// Bytes of a token's id, which people read and type.
const ID_BYTES: usize = 4;

/// One token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRecord {
    /// Its id, for `list` and `revoke`.
    pub id: String,
    /// The person or desk that acts with it.
    pub name: String,
    /// BLAKE3 of the whole token, in hexadecimal.
    digest: String,
    /// What it grants.
    pub grants: Vec<Grant>,
    /// When it was issued, Unix milliseconds.
    pub issued_at_ms: i64,
    /// When it ends; nothing for never.
    pub expires_at_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_at_ms: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile {
    version: u32,
    tokens: Vec<TokenRecord>,
}

/// All tokens that were ever issued.
#[derive(Debug, Default)]
pub struct Tokens {
    records: Vec<TokenRecord>,
    by_digest: HashMap<String, usize>,
}

impl Tokens {
    fn new(records: Vec<TokenRecord>) -> Self {
        let by_digest = records.iter().enumerate().map(|(at, record)| (record.digest.clone(), at)).collect();
        Self { records, by_digest }
    }

    /// The records, oldest first.
    #[must_use]
    pub fn records(&self) -> &[TokenRecord] {
        &self.records
    }

    /// The record of a token as it was presented.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<&TokenRecord> {
        self.by_digest.get(&digest(token)).map(|at| &self.records[*at])
    }

    fn by_id(&self, id: &str) -> Option<&TokenRecord> {
        self.records.iter().find(|record| record.id == id)
    }

    /// Whether a token of this id can be used at a time.
    #[must_use]
    pub fn is_good(&self, id: &str, now_ms: i64) -> bool {
        self.by_id(id).is_some_and(|record| record.fault(now_ms).is_none())
    }
}

/// Why a token is no longer good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// Somebody revoked it.
    Revoked,
    /// Its time is over.
    Expired,
}

impl TokenRecord {
    /// Why it cannot be used at a time, if it cannot.
    #[must_use]
    pub fn fault(&self, now_ms: i64) -> Option<TokenFault> {
        if self.revoked_at_ms.is_some() {
            return Some(TokenFault::Revoked);
        }
        self.expires_at_ms.is_some_and(|expires_at_ms| expires_at_ms <= now_ms).then_some(TokenFault::Expired)
    }

    /// Who presents it.
    #[must_use]
    pub fn principal(&self) -> Principal {
        Principal {
            id: format!("token:{}", self.id),
            person: self.name.clone(),
            grants: self.grants.clone(),
            expires_at_ms: self.expires_at_ms,
        }
    }
}

/// What tells one state of the file from another. A rename gives the file another inode, whatever the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(found) => {
                #[cfg(unix)]
                let inode = std::os::unix::fs::MetadataExt::ino(&found);
                #[cfg(not(unix))]
                let inode = 0;
                Ok(Some(Self { modified: found.modified().ok(), bytes: found.len(), inode }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The store of tokens.
pub struct TokenStore {
    dir: PathBuf,
    known: Mutex<Known>,
}

/// What was read last.
#[derive(Default)]
struct Known {
    stamp: Option<Stamp>,
    tokens: Arc<Tokens>,
    /// A token was there once: whoever takes the file away does not open the server by it.
    closed: bool,
}

impl TokenStore {
    /// The store in a folder, which need not be there yet.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), known: Mutex::default() }
    }

    /// The tokens as they are on the disk now. Costs a look at the file's metadata while nothing changed.
    ///
    /// # Errors
    /// The file cannot be read, or is gone from a folder that had one: whoever asks must then let nobody in.
    pub fn current(&self) -> io::Result<Arc<Tokens>> {
        let stamp = Stamp::of(&self.dir.join(TOKENS_FILE))?;
        let mut known = self.known.lock();
        // The folder is never made without the file, see [`make_private_dir`].
        if stamp.is_none() && (known.closed || self.dir.try_exists()?) {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("{TOKENS_FILE} is missing from {}", self.dir.display())));
        }
        if known.stamp != stamp {
            // Read after the stamp: a change in between shows as another stamp the next time.
            known.tokens = Arc::new(Tokens::new(self.read()?));
            known.stamp = stamp;
            known.closed |= !known.tokens.records.is_empty();
        }
        Ok(Arc::clone(&known.tokens))
    }

    /// Whether no token was ever issued, as far as the disk and this process know.
    ///
    /// # Errors
    /// As [`TokenStore::current`].
    pub fn is_open(&self) -> io::Result<bool> {
        let is_empty = self.current()?.records.is_empty();
        Ok(is_empty && !self.known.lock().closed)
    }

    fn read(&self) -> io::Result<Vec<TokenRecord>> {
        let text = match fs::read(self.dir.join(TOKENS_FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let file: TokensFile = serde_json::from_slice(&text).map_err(io::Error::other)?;
        if file.version != FORMAT_VERSION {
            return Err(io::Error::other(format!("format {} of {TOKENS_FILE} is not known", file.version)));
        }
        Ok(file.tokens)
    }

    /// Issues a token and stores its digest. The token itself is in the answer and nowhere else.
    ///
    /// # Errors
    /// The file cannot be read or written, or the system has no random bytes.
    pub fn issue(&self, name: &str, grants: Vec<Grant>, now_ms: i64, expires_at_ms: Option<i64>) -> io::Result<(String, TokenRecord)> {
        let _lock = self.lock()?;
        let mut records = self.read()?;
        let id = loop {
            let id = hex(&random::<ID_BYTES>()?);
            if !records.iter().any(|record| record.id == id) {
                break id;
            }
        };
        let token = format!("{TOKEN_PREFIX}{id}_{}", hex(&random::<SECRET_BYTES>()?));
        let name = if name.is_empty() { format!("token-{id}") } else { name.to_owned() };
        let record = TokenRecord { id, name, digest: digest(&token), grants, issued_at_ms: now_ms, expires_at_ms, revoked_at_ms: None };
        records.push(record.clone());
        self.write(records)?;
        Ok((token, record))
    }

    /// Revokes a token; the record as it is then, nothing if there is no such token. Again changes nothing.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn revoke(&self, id: &str, now_ms: i64) -> io::Result<Option<TokenRecord>> {
        let _lock = self.lock()?;
        let mut records = self.read()?;
        let Some(record) = records.iter_mut().find(|record| record.id == id) else { return Ok(None) };
        record.revoked_at_ms.get_or_insert(now_ms);
        let record = record.clone();
        self.write(records)?;
        Ok(Some(record))
    }

    /// Held while the file is read and written again: two command lines must not lose each other's tokens.
    fn lock(&self) -> io::Result<File> {
        make_private_dir(&self.dir)?;
        let file = File::options().create(true).truncate(false).write(true).open(self.dir.join(LOCK_FILE))?;
        file.lock()?;
        Ok(file)
    }

    fn write(&self, tokens: Vec<TokenRecord>) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(&TokensFile { version: FORMAT_VERSION, tokens })?;
        write_private(&self.dir, TOKENS_FILE, &text)
    }
}

/// Makes the folder, readable by its owner alone, with a file of tokens in it that has none yet: a folder without the file has lost it.
pub(super) fn make_private_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let new = dir.with_extension("new");
    let made = make_dir(&new).and_then(|()| {
        write_private(&new, TOKENS_FILE, &serde_json::to_vec_pretty(&TokensFile { version: FORMAT_VERSION, tokens: Vec::new() })?)?;
        fs::rename(&new, dir)
    });
    // Another process may have been quicker.
    if dir.is_dir() { Ok(()) } else { made }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Writes a file whole or not at all: a new one beside it, synced, renamed over it, the folder synced.
pub(super) fn write_private(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = dir.join(format!("{name}.new"));
    let mut options = File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, dir.join(name))?;
    File::open(dir)?.sync_all()
}

pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |text, byte| text + &format!("{byte:02x}"))
}

fn digest(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn grants() -> Vec<Grant> {
        vec!["township@area:440802001".parse().unwrap()]
    }

    #[test]
    fn a_token_is_known_by_its_digest_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = TokenStore::new(folder.path().join("access"));
        assert!(store.current().unwrap().records().is_empty());
        let (token, record) = store.issue("中华街道值班", grants(), 1_000, Some(5_000)).unwrap();
        let text = fs::read_to_string(folder.path().join("access").join(TOKENS_FILE)).unwrap();
        assert!(!text.contains(&token) && !text.contains(token.rsplit('_').next().unwrap()));
        let tokens = store.current().unwrap();
        assert_eq!(tokens.find(&token), Some(&record));
        assert_eq!(tokens.find(&format!("{token}0")), None);
        assert_eq!(record.principal().person, "中华街道值班");
        assert_eq!((record.fault(4_999), record.fault(5_000)), (None, Some(TokenFault::Expired)));
    }

    #[test]
    fn another_process_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (server, command_line) = (TokenStore::new(folder.path()), TokenStore::new(folder.path()));
        let (token, record) = command_line.issue("", grants(), 1_000, None).unwrap();
        assert!(server.current().unwrap().is_good(&record.id, 2_000));
        command_line.issue("other", grants(), 1_000, None).unwrap();
        assert_eq!(command_line.revoke(&record.id, 3_000).unwrap().unwrap().revoked_at_ms, Some(3_000));
        assert_eq!(command_line.revoke(&record.id, 4_000).unwrap().unwrap().revoked_at_ms, Some(3_000));
        assert_eq!(command_line.revoke("nobody", 4_000).unwrap(), None);
        let tokens = server.current().unwrap();
        assert_eq!((tokens.records().len(), tokens.is_good(&record.id, 2_000)), (2, false));
        assert_eq!(tokens.find(&token).unwrap().fault(2_000), Some(TokenFault::Revoked));
    }

    /// Deleting the file once opened a running server to everybody.
    #[test]
    fn a_store_that_lost_its_file_is_not_open() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("access");
        let store = TokenStore::new(&dir);
        assert!(store.is_open().unwrap(), "nothing was ever issued");
        make_private_dir(&dir).unwrap();
        assert!(store.is_open().unwrap(), "a link's secret needs the folder, and closes nothing");
        fs::remove_file(dir.join(TOKENS_FILE)).unwrap();
        assert!(store.is_open().is_err() && store.current().is_err());
        // Issuing a token is the way out.
        let (_, record) = store.issue("", grants(), 1_000, None).unwrap();
        assert!(!store.is_open().unwrap());
        fs::remove_dir_all(&dir).unwrap();
        assert!(store.is_open().is_err(), "who saw a token does not take the folder's absence for a beginning");
        make_private_dir(&dir).unwrap();
        assert!(!store.is_open().unwrap(), "nor an empty file");
        assert!(!store.current().unwrap().is_good(&record.id, 2_000));
        assert!(TokenStore::new(&dir).is_open().unwrap());
    }

    #[test]
    fn a_file_that_cannot_be_read_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let store = TokenStore::new(folder.path());
        store.issue("", grants(), 1_000, None).unwrap();
        fs::write(folder.path().join(TOKENS_FILE), "{\"version\":2,\"tokens\":[]}").unwrap();
        assert!(store.current().is_err());
        fs::write(folder.path().join(TOKENS_FILE), "nonsense").unwrap();
        assert!(store.current().is_err());
    }
}
