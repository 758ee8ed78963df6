//! The store of the views: rows, and for each view the checkpoint that is written with them and a snapshot of its fold. It must hold nothing that
//! a replay of the log would not bring back, for whatever is missing or damaged in it is thrown away and folded anew.
//!
//! One folder holds generations, each a RocksDB of its own; `CURRENT` names the one in use. There is no write-ahead log: what was not flushed
//! when the process died is folded again. All keys are in one column family, so a flush never parts rows from their checkpoint.

mod generation;
mod keys;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use muster_log::{Epoch, EpochPosition, LogId, Position};
use rocksdb::{
    BlockBasedOptions, Cache, DB, Direction, FlushOptions, IteratorMode, Options, ReadOptions, SnapshotWithThreadMode, WriteBatch,
    WriteOptions,
};
use serde::{Deserialize, Serialize};

use crate::errors::StoreError;
use crate::fold::RowChange;
use crate::limits;
use crate::source::Origin;
use crate::view::{Row, View};

pub(crate) use generation::{begin as begin_generation, swap as swap_generation};
pub(crate) use keys::{Part, after_view, behind_view, of_view, put_view, row_key};

/// How far rows or a fold's snapshot are, and of which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    log: [u8; 16],
    epoch: u32,
    position: u64,
}

impl Checkpoint {
    pub(crate) fn new(origin: Origin, position: Position) -> Self {
        Self { log: origin.log.0, epoch: origin.epoch.0, position: position.0 }
    }

    /// Of which log and epoch.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin { log: LogId(self.log), epoch: Epoch(self.epoch) }
    }

    /// The last record taken in.
    #[must_use]
    pub fn position(&self) -> Position {
        Position(self.position)
    }

    /// Both, as the outside remembers them.
    #[must_use]
    pub fn at(&self) -> EpochPosition {
        EpochPosition { epoch: Epoch(self.epoch), position: Position(self.position) }
    }
}

/// A saved state and where it was saved.
pub(crate) struct Saved {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) bytes: Vec<u8>,
}

/// The version of everything in a generation: raised whenever what the folds share or the keys change. A generation of another version is thrown
/// away. A change of one fold, its rows or its state, raises that view's own version instead.
pub(crate) const FORMAT: u32 = 1;

/// The store, open. Cheap to clone; the files are let go with the last clone.
#[derive(Clone)]
pub struct ViewStore {
    inner: Arc<Inner>,
}

struct Inner {
    /// First, so that it is closed before its folder may be removed.
    db: DB,
    /// The folder of all generations.
    root: PathBuf,
    folder: Folder,
    /// Held as long as any generation is open.
    lock: Arc<File>,
}

/// A generation's own folder. Goes when it is retired and nobody reads it any more.
struct Folder {
    dir: PathBuf,
    retired: AtomicBool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.retired.load(Ordering::Acquire)
            && let Err(error) = generation::discard(&self.dir)
        {
            // The next start removes it.
            tracing::warn!(%error, "a former generation of the views could not be removed");
        }
    }
}

impl ViewStore {
    /// Opens the store in `dir`, which is made if it is not there. What is damaged or of another version is thrown away.
    ///
    /// # Errors
    /// [`StoreError::InUse`], or the disk's own errors.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let lock = Arc::new(generation::lock(dir)?);
        let current = generation::current(dir)?;
        Self::open_generation(dir, &current, &lock).or_else(|error| {
            tracing::warn!(%error, folder = %current.display(), "the views cannot be read and will be folded anew");
            generation::discard(&current)?;
            Self::open_generation(dir, &current, &lock)
        })
    }

    /// Opens another generation of the same folder.
    pub(crate) fn sibling(&self, dir: &Path) -> Result<Self, StoreError> {
        Self::open_generation(&self.inner.root, dir, &self.inner.lock)
    }

    /// Lets the generation's folder go when the last reader is done with it.
    pub(crate) fn retire(self) {
        self.inner.folder.retired.store(true, Ordering::Release);
    }

    fn open_generation(root: &Path, dir: &Path, lock: &Arc<File>) -> Result<Self, StoreError> {
        let failed = |doing, error: rocksdb::Error| StoreError::Store { dir: dir.to_owned(), doing, detail: error.into_string() };
        let db = DB::open(&options(), dir).map_err(|error| failed("opened", error))?;
        let found = db.get(keys::FORMAT).map_err(|error| failed("read", error))?;
        let fresh = db.iterator(IteratorMode::Start).next().is_none();
        if fresh {
            db.put_opt(keys::FORMAT, FORMAT.to_be_bytes(), &unlogged()).map_err(|error| failed("written", error))?;
        } else if found.as_deref() != Some(&FORMAT.to_be_bytes()) {
            let detail = format!("their format is {found:?}, this program's is {FORMAT}");
            return Err(StoreError::Store { dir: dir.to_owned(), doing: "opened", detail });
        }
        let folder = Folder { dir: dir.to_owned(), retired: AtomicBool::new(false) };
        Ok(Self { inner: Arc::new(Inner { db, root: root.to_owned(), folder, lock: Arc::clone(lock) }) })
    }

    /// The folder of all generations.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// The number of this generation.
    #[must_use]
    pub fn generation(&self) -> u32 {
        generation::number(&self.inner.folder.dir)
    }

    /// How far the rows of a view are; nothing if it has none or its checkpoint is damaged.
    ///
    /// # Errors
    /// The disk's own errors.
    pub fn checkpoint(&self, view: View) -> Result<Option<Checkpoint>, StoreError> {
        let bytes = self.get(&keys::checkpoint(view))?;
        Ok(bytes.and_then(|bytes| postcard::from_bytes(&bytes).ok()))
    }

    /// By which version of its fold the rows of a view were made. A store that was written before versions were noted has those of the first.
    pub(crate) fn version(&self, view: View) -> Result<u32, StoreError> {
        let bytes = self.get(&keys::version(view))?;
        Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map_or(1, u32::from_be_bytes))
    }

    /// The farthest place that any view knows, for the check that the log has not lost it. Of `log` only.
    ///
    /// # Errors
    /// The disk's own errors.
    pub fn known(&self, log: LogId) -> Result<Option<EpochPosition>, StoreError> {
        let mut known = None;
        let (from, to) = keys::CHECKPOINTS;
        let mut read = ReadOptions::default();
        read.set_iterate_upper_bound(to.to_vec());
        for entry in self.inner.db.iterator_opt(IteratorMode::From(from, Direction::Forward), read) {
            let (_, value) = entry.map_err(|error| self.failed("read", &error))?;
            let checkpoint = postcard::from_bytes(&value).ok().filter(|checkpoint: &Checkpoint| checkpoint.origin().log == log);
            known = known.max(checkpoint.map(|checkpoint| checkpoint.at()));
        }
        Ok(known)
    }

    /// A saved state, if there is one and it is whole.
    pub(crate) fn saved(&self, part: Part) -> Result<Option<Saved>, StoreError> {
        let Some(stored) = self.get(&keys::state(part))? else { return Ok(None) };
        Ok(open_sealed(&stored))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.db.get(key).map_err(|error| self.failed("read", &error))
    }

    /// The bytes of all rows of a view in key order, with realm and id of each.
    pub(crate) fn scan(&self, view: View, mut each: impl FnMut(&str, &str, &[u8]) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let (prefix, end) = keys::rows(view);
        let mut read = ReadOptions::default();
        read.set_iterate_upper_bound(end);
        read.fill_cache(false);
        let from = IteratorMode::From(&prefix, Direction::Forward);
        for entry in self.inner.db.iterator_opt(from, read) {
            let (key, value) = entry.map_err(|error| self.failed("read", &error))?;
            let (realm, id) = keys::split(&key).ok_or_else(|| damaged(view, String::from_utf8_lossy(&key).into_owned(), "its key"))?;
            each(realm, id, &value)?;
        }
        Ok(())
    }

    /// A frozen sight of the rows.
    pub(crate) fn frozen(&self) -> Frozen<'_> {
        Frozen { store: self, snapshot: self.inner.db.snapshot() }
    }

    /// Writes all of it or nothing.
    pub(crate) fn write(&self, writes: Writes) -> Result<(), StoreError> {
        self.inner.db.write_opt(writes.batch, &unlogged()).map_err(|error| self.failed("written", &error))
    }

    /// Makes durable what was written.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.inner.db.flush_opt(&options).map_err(|error| self.failed("flushed", &error))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.inner.folder.dir
    }

    fn failed(&self, doing: &'static str, error: &rocksdb::Error) -> StoreError {
        StoreError::Store { dir: self.inner.folder.dir.clone(), doing, detail: error.to_string() }
    }
}

/// A sight of the rows that later writes do not change.
pub(crate) struct Frozen<'a> {
    store: &'a ViewStore,
    snapshot: SnapshotWithThreadMode<'a, DB>,
}

impl Frozen<'_> {
    /// A row that the index says is there.
    pub(crate) fn row(&self, view: View, realm: &str, id: &str) -> Result<Row, StoreError> {
        let found = self.snapshot.get(row_key(view, realm, id)).map_err(|error| self.store.failed("read", &error))?;
        let name = || format!("{realm}/{id}");
        let bytes = found.ok_or_else(|| damaged(view, name(), "it is missing"))?;
        Row::decode(view, &bytes).map_err(|error| damaged(view, name(), &error.to_string()))
    }
}

pub(crate) fn damaged(view: View, id: String, detail: &str) -> StoreError {
    StoreError::DamagedRow { view, id, detail: detail.to_owned() }
}

/// What is to be written at once.
#[derive(Default)]
pub(crate) struct Writes {
    batch: WriteBatch,
}

impl Writes {
    pub(crate) fn put_row(&mut self, row: &Row) {
        self.batch.put(row_key(row.view(), row.realm(), &row.id()), row.encode());
    }

    pub(crate) fn put_change(&mut self, change: &RowChange) {
        match change {
            RowChange::Put(row) => self.put_row(row),
            RowChange::Delete { view, realm, id } => self.delete_row(*view, realm, id),
        }
    }

    fn delete_row(&mut self, view: View, realm: &str, id: &str) {
        self.batch.delete(row_key(view, realm, id));
    }

    /// Takes away a view's rows, checkpoint and state.
    pub(crate) fn clear_view(&mut self, view: View) {
        let (from, to) = keys::rows(view);
        self.batch.delete_range(from, to);
        self.batch.delete(keys::checkpoint(view));
        self.batch.delete(keys::version(view));
        self.batch.delete(keys::state(Part::Fold(view)));
    }

    pub(crate) fn put_checkpoint(&mut self, view: View, checkpoint: Checkpoint) {
        let bytes = postcard::to_stdvec(&checkpoint).expect("three numbers can be encoded");
        self.batch.put(keys::checkpoint(view), bytes);
        self.batch.put(keys::version(view), view.version().to_be_bytes());
    }

    pub(crate) fn put_state(&mut self, part: Part, saved: &Saved) {
        self.batch.put(keys::state(part), seal(saved));
    }
}

/// Checkpoint, length-prefixed by postcard, then a checksum of the state, then the state.
fn seal(saved: &Saved) -> Vec<u8> {
    let mut out = postcard::to_stdvec(&saved.checkpoint).expect("three numbers can be encoded");
    out.extend_from_slice(&checksum(&saved.bytes).to_be_bytes());
    out.extend_from_slice(&saved.bytes);
    out
}

fn open_sealed(stored: &[u8]) -> Option<Saved> {
    let (checkpoint, rest) = postcard::take_from_bytes::<Checkpoint>(stored).ok()?;
    let (sum, bytes) = rest.split_first_chunk::<8>()?;
    (checksum(bytes) == u64::from_be_bytes(*sum)).then(|| Saved { checkpoint, bytes: bytes.to_vec() })
}

/// FNV-1a over words: guards a disposable state against a torn or damaged value, beside the checksums of the files themselves.
fn checksum(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0100_0000_01b3;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut sum = 0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64;
    for word in words {
        sum = (sum ^ u64::from_le_bytes(*word)).wrapping_mul(PRIME).rotate_left(23);
    }
    rest.iter().fold(sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(PRIME))
}

fn unlogged() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

fn options() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(limits::BLOCK_CACHE_BYTES));
    table.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(limits::MEMTABLE_BYTES);
    options.set_compression_type(rocksdb::DBCompressionType::Lz4);
    options.set_keep_log_file_num(2);
    options.set_paranoid_checks(true);
    options
}
