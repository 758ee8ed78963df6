//! Accepting a loss: a person has decided to go on with what is left. Keeps everything before the first damage, cuts
//! off the rest and raises the epoch. It must never run by itself.

use std::path::Path;

use rocksdb::{DB, IteratorMode, WriteBatch};

use super::database::{self, COMMANDS, RECORDS, Recovery, family};
use super::folder::Folder;
use super::open::{read_facts, wal_bytes};
use super::space::settle_reserve;
use super::store::RocksStore;
use super::verify::verify;
use crate::errors::{OpenError, ReadError};
use crate::format::{Facts, decode_entry, record_key};
use crate::options::OpenOptions;
use crate::types::{EpochPosition, Position};

/// What was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedLoss {
    /// Where the log ends now, in the new epoch.
    pub end: EpochPosition,
    /// The last place that the log itself had acknowledged, if its end mark is readable.
    pub acknowledged: Option<EpochPosition>,
    /// The first record that was cut off because it, or one before it, is damaged or missing.
    pub cut_from: Option<Position>,
}

/// Accepts that the log in `dir` has lost records: reads all of it, keeps what comes before the first damage, and
/// starts a new epoch, so that everything that remembers a place in it starts anew. The vault and everything else
/// outside of the log stays as it is.
///
/// # Errors
/// See [`OpenError`]: damage to the store's own files that leaves nothing to keep stays [`OpenError::Damaged`].
pub fn accept_loss(dir: impl AsRef<Path>, options: &OpenOptions) -> Result<AcceptedLoss, OpenError> {
    let dir = dir.as_ref();
    let folder = Folder::hold(dir, false)?;
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
    let facts = Facts { epoch: facts.epoch.next(), ..facts };
    cut(&db, position).map_err(store_error)?;
    RocksStore::write_facts(&db, &facts).map_err(store_error)?;
    let end = EpochPosition { epoch: facts.epoch, position };
    folder.begin_end_mark(end)?;
    Ok(AcceptedLoss { end, acknowledged, cut_from })
}

fn first_damage(dir: &Path, db: &DB, end: Position) -> Result<Option<Position>, OpenError> {
    match verify(db, Position::FIRST, end) {
        Ok(_) => Ok(None),
        Err(ReadError::Corrupt { position, .. } | ReadError::Missing { position, .. }) => Ok(Some(position)),
        Err(other) => Err(OpenError::Store { dir: dir.to_owned(), detail: other.to_string() }),
    }
}

/// Removes all records after `end` and all index entries that speak of them.
fn cut(db: &DB, end: Position) -> Result<(), rocksdb::Error> {
    let mut batch = WriteBatch::default();
    batch.delete_range_cf(family(db, RECORDS), record_key(end.next()), record_key(Position(u64::MAX)));
    for item in db.iterator_cf(family(db, COMMANDS), IteratorMode::Start) {
        let (key, stored) = item?;
        // An unreadable entry is removed as well: the index can be rebuilt from the envelopes.
        if decode_entry(&key, &stored).map_or(true, |entry| entry.last > end) {
            batch.delete_cf(family(db, COMMANDS), key);
        }
    }
    db.write_opt(batch, &database::synced())
}
