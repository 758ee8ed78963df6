//! What only a person may decide: to go on with what is left of a damaged log, and to build the command index anew.
//! Accepting a loss keeps everything before the first damage and raises the epoch. It must never run by itself, and
//! never destroy what it leaves behind.

use std::fs;
use std::path::{Path, PathBuf};

use rocksdb::{DB, IteratorMode, Options, WriteBatch};

use super::database::{self, COMMANDS, RECORDS, Recovery, family};
use super::folder::{Folder, io_error, sync_parent};
use super::open::{read_facts, wal_bytes};
use super::read;
use super::space::settle_reserve;
use super::store::RocksStore;
use crate::errors::{OpenError, ReadError};
use crate::format::{Facts, decode_entry, encode_record_into, record_key};
use crate::limits;
use crate::options::OpenOptions;
use crate::types::{EpochPosition, Position};

/// What was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedLoss {
    /// Where the log ends now, in the new epoch.
    pub end: EpochPosition,
    /// The last place that the log itself had acknowledged, if its end mark is readable.
    pub acknowledged: Option<EpochPosition>,
    /// The first record that was left behind because it, or one before it, is damaged or missing.
    pub cut_from: Option<Position>,
    /// Where the damaged database was put aside, if records had to be left behind.
    pub set_aside: Option<PathBuf>,
}

/// Accepts that the log in `dir` has lost records: reads all of it, keeps what comes before the first damage, and
/// starts a new epoch, so that everything that remembers a place in it starts anew. If there is damage, the good
/// records are copied to a new database and the old one is put aside, so there must be room for both.
///
/// # Errors
/// See [`OpenError`]. Damage to the store's own files that leaves nothing to read stays [`OpenError::Damaged`]: then
/// only a backup helps.
pub fn accept_loss(dir: impl AsRef<Path>, options: &OpenOptions) -> Result<AcceptedLoss, OpenError> {
    let dir = dir.as_ref();
    let folder = Folder::hold(dir, false)?;
    finish_swap(&folder)?;
    settle_reserve(dir, options.reserve_bytes, options.free_floor_bytes);
    let acknowledged = folder.end_mark()?;
    tracing::warn!(dir = %dir.display(), wal_bytes = wal_bytes(&folder)?, "a loss in the log is being accepted");
    let store_error = |error: rocksdb::Error| database::open_error(dir, &error);
    let db = database::open_database(&folder.database(), options, Recovery::UpToDamage).map_err(store_error)?;
    let Some(facts) = read_facts(dir, &db)? else {
        let detail = "the log's own facts are lost".to_owned();
        return Err(OpenError::Damaged { dir: dir.to_owned(), position: None, file: None, detail });
    };
    let found = database::last_position(&db).map_err(store_error)?;
    let cut_from = first_damage(dir, &db, found)?;
    let position = cut_from.map_or(found, |cut| Position(cut.0 - 1));
    let raised = Facts { epoch: facts.epoch.next(), ..facts };
    let set_aside = match cut_from {
        None => {
            RocksStore::write_facts(&db, &raised).map_err(store_error)?;
            None
        }
        Some(_) => {
            copy(&db, &folder.rebuilt(), position, &raised, options).map_err(|error| copy_error(dir, &error))?;
            drop(db);
            Some(swap(&folder, facts.epoch.0)?)
        }
    };
    let end = EpochPosition { epoch: raised.epoch, position };
    folder.begin_end_mark(end)?;
    Ok(AcceptedLoss { end, acknowledged, cut_from, set_aside })
}

fn first_damage(dir: &Path, db: &DB, end: Position) -> Result<Option<Position>, OpenError> {
    match read::verify(db, Position::FIRST, end) {
        Ok(_) => Ok(None),
        Err(ReadError::Corrupt { position, .. } | ReadError::Missing { position, .. }) => Ok(Some(position)),
        Err(other) => Err(OpenError::Store { dir: dir.to_owned(), detail: other.to_string() }),
    }
}

/// Why a copy failed: the source was just verified, so what fails now is the disk.
#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Store(#[from] rocksdb::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn copy_error(dir: &Path, error: &CopyError) -> OpenError {
    OpenError::Store { dir: dir.to_owned(), detail: format!("the good records could not be copied: {error}") }
}

/// Copies everything up to `end` into a new database at `path`.
fn copy(from: &DB, path: &Path, end: Position, facts: &Facts, options: &OpenOptions) -> Result<(), CopyError> {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    let to = database::open_database(path, options, Recovery::TornTail)?;
    let mut next = Position::FIRST;
    let mut stored = Vec::new();
    while next <= end {
        let mut batch = WriteBatch::default();
        for record in read::read(from, next, end, limits::BATCH_BYTES_MAX)? {
            encode_record_into(record.position, &record.bytes, &mut stored);
            batch.put_cf(family(&to, RECORDS), record_key(record.position), &stored);
            next = record.position.next();
        }
        to.write(batch)?;
    }
    if !copy_commands(from, &to, end)? {
        RocksStore::write_index_gap(&to, Some(end))?;
    }
    RocksStore::write_facts(&to, facts)?;
    Ok(())
}

/// Copies the index entries that speak of records up to `end`; says whether all of them could be read.
fn copy_commands(from: &DB, to: &DB, end: Position) -> Result<bool, rocksdb::Error> {
    let mut batch = WriteBatch::default();
    let mut complete = true;
    for item in from.iterator_cf(family(from, COMMANDS), IteratorMode::Start) {
        let Ok((key, stored)) = item else {
            complete = false;
            break;
        };
        match decode_entry(&key, &stored) {
            Ok(entry) if entry.last <= end => batch.put_cf(family(to, COMMANDS), key, stored),
            Ok(_) => {}
            Err(_) => complete = false,
        }
        if batch.size_in_bytes() > limits::BATCH_BYTES_MAX {
            to.write(std::mem::take(&mut batch))?;
        }
    }
    to.write(batch)?;
    Ok(complete)
}

/// Puts the rebuilt database in the place of the damaged one.
fn swap(folder: &Folder, epoch: u32) -> Result<PathBuf, OpenError> {
    let aside = folder.set_aside(epoch);
    fs::rename(folder.database(), &aside).map_err(io_error(&aside))?;
    fs::rename(folder.rebuilt(), folder.database()).map_err(io_error(folder.database()))?;
    sync_parent(&aside).map_err(io_error(folder.dir()))?;
    Ok(aside)
}

/// A swap that was interrupted between its two renames is finished: the rebuilt database was complete by then.
fn finish_swap(folder: &Folder) -> Result<(), OpenError> {
    if folder.database().exists() || !folder.rebuilt().exists() {
        return Ok(());
    }
    fs::rename(folder.rebuilt(), folder.database()).map_err(io_error(folder.database()))
}

/// Empties the command index of the log in `dir`, for when it is damaged and the records are not. Until the entries
/// are restored from the envelopes, [`crate::Log::index_gap`] says up to where they are missing. Returns that place.
///
/// # Errors
/// See [`OpenError`].
pub fn forget_commands(dir: impl AsRef<Path>, options: &OpenOptions) -> Result<Position, OpenError> {
    let dir = dir.as_ref();
    let folder = Folder::hold(dir, false)?;
    folder.check_database()?;
    let store_error = |error: rocksdb::Error| database::open_error(dir, &error);
    let mut db = database::open_database(&folder.database(), options, Recovery::TornTail).map_err(store_error)?;
    let end = database::last_position(&db).map_err(store_error)?;
    RocksStore::write_index_gap(&db, Some(end)).map_err(store_error)?;
    db.drop_cf(COMMANDS).map_err(store_error)?;
    db.create_cf(COMMANDS, &Options::default()).map_err(store_error)?;
    Ok(end)
}
