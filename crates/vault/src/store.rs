//! The RocksDB under the vault: options, synced writes, one pass over all records, and making deleted bytes leave the
//! files. Knows keys and values as bytes only; never sees an unwrapped key.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rocksdb::{
    BottommostLevelCompaction, CompactOptions, DB, DBCompressionType, DBRecoveryMode, ErrorKind, IteratorMode, LogLevel, Options,
    ReadOptions, WriteBatch, WriteOptions,
};

use crate::error::{EraseError, OpenError, WriteError};
use crate::limits::{INFO_LOG_BYTES, UNLINK_WAIT_MS_MAX, WRITE_BUFFER_BYTES};

/// Under this name lies the meta record. Subjects' names start with [`SUBJECT_PREFIX`].
pub(crate) const META: &[u8] = b"!meta";
/// `1` while an erasure has bytes to remove, else `0`.
pub(crate) const PURGE: &[u8] = b"!purge";
/// First byte of a subject's name in the store.
pub(crate) const SUBJECT_PREFIX: u8 = b'k';

/// The name in the store of what belongs to `key_id`.
pub(crate) fn subject_name(key_id: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(1 + key_id.len());
    name.push(SUBJECT_PREFIX);
    name.extend_from_slice(key_id.as_bytes());
    name
}

/// A record's name and value.
pub(crate) type RawRecord = (Box<[u8]>, Box<[u8]>);

pub(crate) struct Store {
    db: DB,
    dir: PathBuf,
    stopped: AtomicBool,
}

impl Store {
    /// Opens `dir`, or makes it if `create`. The caller holds the vault's lock.
    pub(crate) fn open(vault_dir: &Path, dir: PathBuf, create: bool) -> Result<Self, OpenError> {
        if !create && !dir.join("CURRENT").exists() {
            return Err(OpenError::Damaged {
                dir: vault_dir.to_path_buf(),
                what: format!("{} holds no store", dir.display()),
                source: None,
            });
        }
        let db = DB::open(&options(create), &dir).map_err(|source| classify(vault_dir, source))?;
        Ok(Self { db, dir, stopped: AtomicBool::new(false) })
    }

    /// Every record, in the order of names, with block checksums verified.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<RawRecord, rocksdb::Error>> + '_ {
        let mut read = ReadOptions::default();
        read.set_verify_checksums(true);
        read.fill_cache(false);
        self.db.iterator_opt(IteratorMode::Start, read)
    }

    /// Writes all of `records` or none, durable when this returns. After a failure nothing more is written.
    pub(crate) fn write(&self, records: &[(Vec<u8>, Vec<u8>)]) -> Result<(), WriteError> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(WriteError::Stopped);
        }
        let mut batch = WriteBatch::default();
        for (name, value) in records {
            batch.put(name, value);
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch, &options).map_err(|source| {
            self.stopped.store(true, Ordering::Release);
            WriteError::Failed { source }
        })
    }

    /// Whether writes are still taken.
    pub(crate) fn is_writable(&self) -> bool {
        !self.stopped.load(Ordering::Acquire)
    }

    /// Makes every overwritten value leave the files: the memtable goes to a table, all tables are rewritten, and the old
    /// tables and logs are gone from the folder. `record_count` is how many records there are; no write may run meanwhile.
    pub(crate) fn purge(&self, record_count: u64) -> Result<(), EraseError> {
        let remain = |file: PathBuf| EraseError::BytesRemain { file };
        self.db.flush().map_err(|source| {
            self.stopped.store(true, Ordering::Release);
            EraseError::Write(WriteError::Failed { source })
        })?;
        let mut compact = CompactOptions::default();
        compact.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        compact.set_exclusive_manual_compaction(true);
        self.db.compact_range_opt::<&[u8], &[u8]>(None, None, &compact);
        // The compaction reports no failure. Its work is proved by counting: as many entries as records means that no
        // older version of any record is left in a live table.
        let live = self.db.live_files().map_err(|_| remain(self.dir.clone()))?;
        if live.iter().map(|file| file.num_entries).sum::<u64>() != record_count {
            return Err(remain(self.dir.clone()));
        }
        let live: HashSet<String> = live.iter().map(|file| file.name.trim_start_matches('/').to_owned()).collect();
        self.wait_until_unlinked(&live)
    }

    fn wait_until_unlinked(&self, live: &HashSet<String>) -> Result<(), EraseError> {
        let deadline = Instant::now() + Duration::from_millis(UNLINK_WAIT_MS_MAX);
        loop {
            let Some(obsolete) = self.obsolete_file(live) else {
                return Ok(());
            };
            if Instant::now() > deadline {
                return Err(EraseError::BytesRemain { file: obsolete });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A table that is not live, or a write-ahead log beside the newest, which is empty after the flush.
    fn obsolete_file(&self, live: &HashSet<String>) -> Option<PathBuf> {
        let Ok(entries) = std::fs::read_dir(&self.dir) else {
            return Some(self.dir.clone());
        };
        let mut logs = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".sst") && !live.contains(&name) {
                return Some(entry.path());
            }
            if name.ends_with(".log") {
                logs.push(entry.path());
            }
        }
        logs.sort();
        logs.pop();
        logs.pop()
    }
}

/// Damage and misfortune are different answers: a damaged vault is restored, a full disk is emptied.
fn classify(vault_dir: &Path, source: rocksdb::Error) -> OpenError {
    let dir = vault_dir.to_path_buf();
    match source.kind() {
        ErrorKind::Corruption | ErrorKind::InvalidArgument | ErrorKind::NotFound => {
            OpenError::Damaged { dir, what: "the store cannot be read".into(), source: Some(source) }
        }
        _ => OpenError::Store { dir, source },
    }
}

fn options(create: bool) -> Options {
    let mut options = Options::default();
    options.create_if_missing(create);
    options.set_paranoid_checks(true);
    // Only a torn tail of the write-ahead log may be dropped: it was never acknowledged. Anything else is damage.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // A recycled log would keep old bytes, erased keys among them.
    options.set_recycle_log_file_num(0);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(2);
    // Wrapped keys are random bytes: nothing to gain.
    options.set_compression_type(DBCompressionType::None);
    options.set_max_open_files(64);
    options.set_max_background_jobs(2);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(INFO_LOG_BYTES);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options
}
