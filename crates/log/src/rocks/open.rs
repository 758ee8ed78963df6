//! Opening: hold the folder, open the database, learn or write the facts, find the end, check it against everything
//! that is known of it. It must never let a log start that has lost an acknowledged record.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rocksdb::DB;

use super::database::{self, META, Recovery, family};
use super::folder::{Folder, io_error, sync_parent};
use super::read::verify_tail;
use super::space::{SpaceProbe, settle_reserve};
use super::store::RocksStore;
use super::wal;
use crate::errors::{Behind, OpenError, ReadError};
use crate::format::{FACTS_KEY, Facts, decode_facts};
use crate::limits;
use crate::options::OpenOptions;
use crate::types::{Epoch, EpochPosition, LogId, Position};

/// Opens the store in `dir` and returns it with the last durable position.
pub(super) fn open(dir: &Path, options: &OpenOptions) -> Result<(RocksStore, Position), OpenError> {
    let folder = Folder::hold(dir, options.create)?;
    folder.check_database()?;
    settle_reserve(dir, options.reserve_bytes, options.free_floor_bytes);
    let wal_bytes = wal_bytes(&folder)?;
    let db = database::open_database(&folder.database(), options, Recovery::TornTail)
        .map_err(|error| name_file(&folder, database::open_error(dir, &error)))?;
    let position = database::last_position(&db).map_err(|error| database::open_error(dir, &error))?;
    let facts = facts(dir, &db, position, options)?;
    verify_tail(&db, position, limits::TAIL_VERIFY_RECORDS_MIN, wal_bytes).map_err(|error| damaged(dir, error))?;
    let end = EpochPosition { epoch: facts.epoch, position };
    check_known(&folder, end, options)?;
    let end_mark = folder.begin_end_mark(end)?;
    // A new log's database and end mark are named in the folder now, and stay so.
    sync_parent(&folder.database()).map_err(io_error(dir))?;
    let index_gap = Mutex::new(RocksStore::read_index_gap(&db).map_err(|error| damaged(dir, error))?);
    let space = SpaceProbe::new(dir, options.free_floor_bytes);
    let store = RocksStore { db, facts, index_gap, end_mark, space, synced: database::synced(), folder };
    Ok((store, position))
}

/// What the write-ahead log held before the database was opened: so many bytes at the end of the log are checked, for
/// the recovery itself accepts a hole between two of its files.
pub(super) fn wal_bytes(folder: &Folder) -> Result<u64, OpenError> {
    let path = folder.database();
    if !path.exists() {
        return Ok(0);
    }
    let mut bytes = 0;
    for entry in fs::read_dir(&path).map_err(io_error(&path))? {
        let entry = entry.map_err(io_error(&path))?;
        if Path::new(&entry.file_name()).extension().is_some_and(|extension| extension == "log") {
            bytes += entry.metadata().map_err(io_error(entry.path()))?.len();
        }
    }
    Ok(bytes)
}

/// Adds what the write-ahead log shows of a damage, if it is there.
fn name_file(folder: &Folder, error: OpenError) -> OpenError {
    let OpenError::Damaged { dir, detail, .. } = error else { return error };
    let Some(damage) = wal::first_damage(&folder.database(), database::RECORDS_ID) else {
        return OpenError::Damaged { dir, position: None, file: None, detail };
    };
    let detail = format!("{detail}, at byte {}", damage.offset);
    OpenError::Damaged { dir, position: damage.position, file: Some(damage.file), detail }
}

/// Reads the log's facts; writes them if the log is new.
fn facts(dir: &Path, db: &DB, position: Position, options: &OpenOptions) -> Result<Facts, OpenError> {
    if let Some(facts) = read_facts(dir, db)? {
        return Ok(facts);
    }
    if position > Position::ZERO {
        let detail = "it has records, but the log's own facts are missing".to_owned();
        return Err(OpenError::Damaged { dir: dir.to_owned(), position: None, file: None, detail });
    }
    let facts = Facts {
        id: options.new_id.map_or_else(random_id, Ok).map_err(io_error(dir))?,
        epoch: Epoch::FIRST,
        created_ms: options.new_created_ms.unwrap_or_else(now_ms),
    };
    RocksStore::write_facts(db, &facts).map_err(|error| database::open_error(dir, &error))?;
    Ok(facts)
}

pub(super) fn read_facts(dir: &Path, db: &DB) -> Result<Option<Facts>, OpenError> {
    let stored = db.get_cf(family(db, META), FACTS_KEY).map_err(|error| database::open_error(dir, &error))?;
    let damaged = |error: crate::format::FormatError| {
        let detail = format!("the log's own facts: {error}");
        OpenError::Damaged { dir: dir.to_owned(), position: None, file: None, detail }
    };
    stored.map(|stored| decode_facts(&stored).map_err(damaged)).transpose()
}

fn random_id() -> std::io::Result<LogId> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(std::io::Error::other)?;
    Ok(LogId(id))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn damaged(dir: &Path, error: ReadError) -> OpenError {
    let dir = dir.to_owned();
    match error {
        ReadError::Corrupt { position, file, detail } => OpenError::Damaged { dir, position: Some(position), file, detail },
        ReadError::Missing { position, file } => {
            let detail = "records are missing between others".to_owned();
            OpenError::Damaged { dir, position: Some(position), file, detail }
        }
        ReadError::CorruptIndex { detail } => OpenError::Damaged { dir, position: None, file: None, detail },
        other => OpenError::Store { dir, detail: other.to_string() },
    }
}

fn check_known(folder: &Folder, end: EpochPosition, options: &OpenOptions) -> Result<(), OpenError> {
    let marked = folder.end_mark()?.map(|known| (known, "the log's own end mark".to_owned()));
    let known = marked.into_iter().chain(options.known_beyond.iter().cloned());
    for (known, who) in known {
        if known > end {
            return Err(Behind { known, end, who }.into());
        }
    }
    Ok(())
}
