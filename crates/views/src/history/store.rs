//! The disk of the history: a RocksDB of its own beside the generations of the views. Disposable: what is missing, damaged or of another form is
//! thrown away and folded anew.
//!
//! There is no write-ahead log: what was not flushed when the process died is folded again. All keys are in one column family, so that a flush
//! never parts versions from their checkpoint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use muster_log::{EpochPosition, LogId, Position};
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBIteratorWithThreadMode, DBRawIteratorWithThreadMode, Direction, FlushOptions,
    IteratorMode, Options, ReadOptions, SliceTransform, SnapshotWithThreadMode, WriteBatch, WriteOptions,
};

use super::keys;
use super::trees::Turn;
use crate::errors::StoreError;
use crate::limits;
use crate::store::{Checkpoint, FORMAT as ROWS_FORMAT};
use crate::view::{Row, View};

/// The version of this store's own form; that of the rows stands beside it.
const FORMAT: u32 = 2;

/// Versions of rows on disk.
pub struct HistoryStore {
    db: DB,
    dir: PathBuf,
}

impl HistoryStore {
    /// Opens the folder, which nobody else may have open, or makes it. A history of another form is thrown away.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let dir = dir.into();
        let store = Self::open_as_it_is(&dir)?;
        let format = [FORMAT.to_be_bytes(), ROWS_FORMAT.to_be_bytes()].concat();
        // What cannot be read is of another form.
        if store.get(keys::FORMAT).ok().flatten().as_deref() == Some(&*format) {
            return Ok(store);
        }
        drop(store);
        std::fs::remove_dir_all(&dir).map_err(|source| StoreError::Io { path: dir.clone(), source })?;
        let store = Self::open_as_it_is(&dir)?;
        let mut writes = Writes::default();
        writes.batch.put(keys::FORMAT, &format);
        store.write(writes)?;
        Ok(store)
    }

    fn open_as_it_is(dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(|source| StoreError::Io { path: dir.to_owned(), source })?;
        let db = DB::open(&options(), dir).or_else(|_| {
            // Disposable: a damaged one is made anew. One that is in use cannot be removed from under its owner, for its lock is held.
            DB::destroy(&options(), dir)?;
            DB::open(&options(), dir)
        });
        let db = db.map_err(|error| StoreError::Store { dir: dir.to_owned(), doing: "opened", detail: error.to_string() })?;
        Ok(Self { db, dir: dir.to_owned() })
    }

    /// How far the versions are, and of which log.
    ///
    /// # Errors
    /// The disk's own errors.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        Ok(self.get(keys::CHECKPOINT)?.and_then(|bytes| postcard::from_bytes(&bytes).ok()))
    }

    /// Whether the versions are of these views, each by its fold's present version.
    pub(super) fn is_of(&self, views: &[View]) -> Result<bool, StoreError> {
        let own = View::ALL.iter().map(|view| (view.name().to_owned(), 1)).collect();
        // A history that was written before it was noted has Muster's own views, by the first versions of their folds.
        let kept: BTreeMap<String, u32> = match self.get(keys::VIEWS)? {
            Some(bytes) => postcard::from_bytes(&bytes).unwrap_or_default(),
            None => own,
        };
        Ok(kept == of(views))
    }

    /// The farthest place that the versions know of `log`, for the check that the log has not lost it.
    ///
    /// # Errors
    /// The disk's own errors.
    pub fn known(&self, log: LogId) -> Result<Option<EpochPosition>, StoreError> {
        Ok(self.checkpoint()?.filter(|checkpoint| checkpoint.origin().log == log).map(|checkpoint| checkpoint.at()))
    }

    /// Bytes of its files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.db.property_int_value("rocksdb.total-sst-files-size").ok().flatten().unwrap_or(0)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get(key).map_err(|error| self.failed("read", &error))
    }

    /// Writes all of it or nothing.
    pub(super) fn write(&self, writes: Writes) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db.write_opt(writes.batch, &options).map_err(|error| self.failed("written", &error))
    }

    /// Makes durable what was written.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.db.flush_opt(&options).map_err(|error| self.failed("flushed", &error))
    }

    /// Each key from the first to before the second, with its value. Where `take` can make nothing of an entry, that is the error.
    pub(super) fn each(&self, (from, to): (&[u8], &[u8]), mut take: impl FnMut(&[u8], &[u8]) -> Option<()>) -> Result<(), StoreError> {
        let mut read = listing();
        read.set_iterate_upper_bound(to.to_vec());
        read.fill_cache(false);
        for entry in self.db.iterator_opt(IteratorMode::From(from, Direction::Forward), read) {
            let (key, value) = entry.map_err(|error| self.failed("read", &error))?;
            take(&key, &value).ok_or_else(|| {
                let detail = format!("the entry {} is damaged", key.escape_ascii());
                StoreError::Store { dir: self.dir.clone(), doing: "read", detail }
            })?;
        }
        Ok(())
    }

    /// What is there now, and will be there for whoever holds it.
    pub(super) fn frozen(&self) -> Frozen<'_> {
        Frozen { store: self, snapshot: self.db.snapshot() }
    }

    pub(super) fn failed(&self, doing: &'static str, error: &rocksdb::Error) -> StoreError {
        StoreError::Store { dir: self.dir.clone(), doing, detail: error.to_string() }
    }
}

/// Across prefixes.
fn listing() -> ReadOptions {
    let mut read = ReadOptions::default();
    read.set_total_order_seek(true);
    read
}

/// The history as it was at one moment of this process.
pub(super) struct Frozen<'a> {
    pub(super) store: &'a HistoryStore,
    snapshot: SnapshotWithThreadMode<'a, DB>,
}

impl Frozen<'_> {
    /// From `from` to before `to`.
    pub(super) fn list(&self, from: &[u8], to: &[u8]) -> DBIteratorWithThreadMode<'_, DB> {
        let mut read = listing();
        read.set_iterate_upper_bound(to.to_vec());
        self.snapshot.iterator_opt(IteratorMode::From(from, Direction::Forward), read)
    }

    /// Goes anywhere.
    pub(super) fn cursor(&self) -> DBRawIteratorWithThreadMode<'_, DB> {
        self.snapshot.raw_iterator_opt(listing())
    }

    /// Looks versions up.
    pub(super) fn versions(&self) -> Versions<'_> {
        let mut read = ReadOptions::default();
        read.set_prefix_same_as_start(true);
        Versions { store: self.store, cursor: self.snapshot.raw_iterator_opt(read) }
    }
}

/// A cursor over versions.
pub(super) struct Versions<'a> {
    store: &'a HistoryStore,
    cursor: DBRawIteratorWithThreadMode<'a, DB>,
}

impl Versions<'_> {
    /// The last version of a row at or before a position: where it was written, and its bytes, none where the row ended there.
    pub(super) fn at(&mut self, number: u32, position: Position) -> Result<Option<(Position, &[u8])>, StoreError> {
        self.cursor.seek(keys::version(number, position));
        if !self.cursor.valid() {
            self.cursor.status().map_err(|error| self.store.failed("read", &error))?;
            return Ok(None);
        }
        let found = self.cursor.item().and_then(|(key, value)| Some((keys::split_version(key)?, value)));
        Ok(found.filter(|((found, _), _)| *found == number).map(|((_, at), value)| (at, value)))
    }
}

/// What is to be written at once.
#[derive(Default)]
pub(super) struct Writes {
    batch: WriteBatch,
}

impl Writes {
    pub(super) fn put_row(&mut self, key: &[u8], number: u32) {
        self.batch.put(key, number.to_be_bytes());
    }

    pub(super) fn put_place(&mut self, key: &[u8], number: u32) {
        self.batch.put(key, number.to_be_bytes());
    }

    /// `row`'s bytes, or nothing where it ended.
    pub(super) fn put_version(&mut self, number: u32, position: Position, row: Option<&Row>) {
        self.batch.put(keys::version(number, position), row.map(Row::encode).unwrap_or_default());
    }

    pub(super) fn put_turn(&mut self, position: Position, turn: &Turn) {
        self.batch.put(keys::tree(position), turn.encode());
    }

    pub(super) fn put_checkpoint(&mut self, checkpoint: Checkpoint) {
        self.batch.put(keys::CHECKPOINT, postcard::to_stdvec(&checkpoint).expect("three numbers can be encoded"));
    }

    /// Takes everything away, for versions of these views.
    pub(super) fn clear(&mut self, views: &[View]) {
        self.batch.delete_range(keys::ALL.0, keys::ALL.1);
        self.batch.put(keys::VIEWS, postcard::to_stdvec(&of(views)).expect("names and numbers can be encoded"));
    }
}

fn of(views: &[View]) -> BTreeMap<String, u32> {
    views.iter().map(|view| (view.name().to_owned(), view.version())).collect()
}

/// The number that stands for a row; none where it is no number.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

pub(super) fn damaged(view: View, realm: &str, id: &str, detail: &str) -> StoreError {
    StoreError::DamagedRow { view, id: format!("{realm}/{id}"), detail: detail.to_owned() }
}

fn options() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(limits::HISTORY_CACHE_BYTES));
    table.set_block_size(limits::HISTORY_BLOCK_BYTES);
    // Of prefixes alone: whole keys are never asked for, and there are millions.
    table.set_bloom_filter(10.0, false);
    table.set_whole_key_filtering(false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.set_prefix_extractor(SliceTransform::create_fixed_prefix(keys::VERSION_PREFIX_BYTES));
    options.set_write_buffer_size(limits::HISTORY_MEMTABLE_BYTES);
    options.set_compression_type(DBCompressionType::Zstd);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_max_background_jobs(2);
    options.set_keep_log_file_num(2);
    options.set_paranoid_checks(true);
    options
}
