//! The reference beneath everything: a bare RocksDB with the log's families and options, written and read without the log.
//!
//! It repeats the options of the log's store on purpose, so that a change there shows here as a change of the ratio. It
//! must never use the log's own code to read or write.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, IteratorMode, LogLevel, Options,
    ReadOptions, WriteBatch, WriteOptions,
};

use crate::limits;

const RECORDS: &str = "records";
const COMMANDS: &str = "commands";
const META: &str = "meta";
/// Of an index entry: version, digest, first position, last position, checksum.
const ENTRY_BYTES: usize = 1 + 32 + 8 + 8 + 4;
const ENTRY_FIRST: usize = 1 + 32;

/// A key and its value.
type Entry = (Box<[u8]>, Box<[u8]>);

/// The bytes of one stored command: its records and its index entry, as they lie on disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawUnit {
    pub(crate) records: Vec<([u8; 8], Box<[u8]>)>,
    pub(crate) command: Option<Entry>,
}

/// Records and bytes of their stored form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scanned {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// Bare RocksDB, open.
pub(crate) struct RawStore {
    db: DB,
    synced: WriteOptions,
}

impl RawStore {
    /// Opens the database of a log's folder that nobody else has open.
    pub(crate) fn open(log_dir: &Path) -> Result<Self> {
        let cache = Cache::new_lru_cache(64 * 1024 * 1024);
        let families = [
            ColumnFamilyDescriptor::new(RECORDS, records_options(&cache)),
            ColumnFamilyDescriptor::new(COMMANDS, commands_options(&cache)),
            ColumnFamilyDescriptor::new(META, family_options(&cache)),
        ];
        let path = log_dir.join("db");
        let db = DB::open_cf_descriptors(&database_options(), &path, families).with_context(|| format!("open {}", path.display()))?;
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        Ok(Self { db, synced })
    }

    /// Opens the database as it is at this moment, while a log may have it open, to read from it alone.
    pub(crate) fn open_read_only(log_dir: &Path) -> Result<Self> {
        let path = log_dir.join("db");
        let db = DB::open_cf_for_read_only(&database_options(), &path, [RECORDS, COMMANDS, META], false);
        let db = db.with_context(|| format!("open {} to read", path.display()))?;
        Ok(Self { db, synced: WriteOptions::default() })
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("every family is opened with the database")
    }

    /// The stored bytes of every command from position `first` to `last`, which are the ends of commands.
    pub(crate) fn units(&self, first: u64, last: u64) -> Result<Vec<RawUnit>> {
        let mut entries = Vec::new();
        for item in self.db.iterator_cf(self.family(COMMANDS), IteratorMode::Start) {
            let (key, value) = item?;
            ensure!(value.len() == ENTRY_BYTES, "an index entry of {} bytes", value.len());
            let (from, to) = (number(&value[ENTRY_FIRST..]), number(&value[ENTRY_FIRST + 8..]));
            if from >= first && to <= last {
                entries.push((from, to, key, value));
            }
        }
        entries.sort_unstable_by_key(|(from, ..)| *from);
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_iterate_lower_bound(first.to_be_bytes());
        options.set_iterate_upper_bound((last + 1).to_be_bytes());
        let mut records = self.db.iterator_cf_opt(self.family(RECORDS), options, IteratorMode::Start);
        let mut units = Vec::with_capacity(entries.len());
        let mut next = first;
        for (from, to, key, value) in entries {
            ensure!(from == next, "no command has position {next}");
            let mut unit = RawUnit { records: Vec::new(), command: Some((key, value)) };
            for position in from..=to {
                let (key, stored) = records.next().with_context(|| format!("record {position} is missing"))??;
                ensure!(number(&key) == position, "record {position} is missing");
                unit.records.push((position.to_be_bytes(), stored));
            }
            units.push(unit);
            next = to + 1;
        }
        ensure!(next == last + 1, "the commands end before position {last}");
        Ok(units)
    }

    /// Writes the units as one batch, synced.
    pub(crate) fn write(&self, units: &[RawUnit]) -> Result<()> {
        let (records, commands) = (self.family(RECORDS), self.family(COMMANDS));
        let mut batch = WriteBatch::with_capacity_bytes(units.iter().map(weight).sum());
        for unit in units {
            for (key, stored) in &unit.records {
                batch.put_cf(records, key, stored);
            }
            if let Some((key, entry)) = &unit.command {
                batch.put_cf(commands, key, entry);
            }
        }
        Ok(self.db.write_opt(batch, &self.synced)?)
    }

    /// Walks over all records once.
    pub(crate) fn scan(&self) -> Result<Scanned> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(limits::SCAN_READAHEAD_BYTES);
        let mut cursor = self.db.raw_iterator_cf_opt(self.family(RECORDS), options);
        cursor.seek_to_first();
        let mut scanned = Scanned::default();
        while let Some((key, stored)) = cursor.item() {
            scanned.records += 1;
            scanned.bytes += stored.len() as u64;
            ensure!(number(key) == scanned.records, "record {} is missing", scanned.records);
            cursor.next();
        }
        cursor.status()?;
        Ok(scanned)
    }

    /// The last position, 0 when there is none.
    pub(crate) fn last(&self) -> Result<u64> {
        let mut cursor = self.db.raw_iterator_cf(self.family(RECORDS));
        cursor.seek_to_last();
        let last = cursor.key().map_or(0, number);
        cursor.status()?;
        Ok(last)
    }
}

fn weight(unit: &RawUnit) -> usize {
    unit.records.iter().map(|(_, stored)| stored.len() + 24).sum::<usize>() + 256
}

/// The first eight bytes as a big-endian number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_atomic_flush(true);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1024 * 1024);
    options.set_skip_stats_update_on_db_open(true);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

fn family_options(cache: &Cache) -> Options {
    let mut options = Options::default();
    options.set_block_based_table_factory(&table_options(cache));
    options.set_compression_type(DBCompressionType::Lz4);
    options
}

fn table_options(cache: &Cache) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table
}

fn records_options(cache: &Cache) -> Options {
    let mut family = family_options(cache);
    let mut table = table_options(cache);
    table.set_block_size(32 * 1024);
    family.set_block_based_table_factory(&table);
    family.set_write_buffer_size(128 * 1024 * 1024);
    raise_triggers(&mut family);
    family
}

fn commands_options(cache: &Cache) -> Options {
    let mut family = family_options(cache);
    let mut table = table_options(cache);
    table.set_bloom_filter(10.0, false);
    table.set_whole_key_filtering(true);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    family.set_block_based_table_factory(&table);
    family.set_memtable_whole_key_filtering(true);
    family.set_memtable_prefix_bloom_ratio(0.05);
    family.set_write_buffer_size(32 * 1024 * 1024);
    raise_triggers(&mut family);
    family
}

fn raise_triggers(family: &mut Options) {
    family.set_max_write_buffer_number(4);
    family.set_level_zero_file_num_compaction_trigger(8);
    family.set_level_zero_slowdown_writes_trigger(64);
    family.set_level_zero_stop_writes_trigger(128);
    family.set_soft_pending_compaction_bytes_limit(1 << 40);
    family.set_hard_pending_compaction_bytes_limit(1 << 41);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use muster_log::{CommandEntry, CommandKey, Log, OpenOptions, Position, RocksLog, Unit};

    use super::*;
    use crate::folder::Scratch;

    fn append(log: &RocksLog, first: u64, records: usize, id: &[u8]) {
        let command = Some(CommandEntry { key: CommandKey::new(b"p", id).unwrap(), digest: [7; 32] });
        let records = (0..records).map(|record| format!("record {record} of {first}").into()).collect();
        let (sent, stored) = std::sync::mpsc::sync_channel(1);
        let unit = Unit { expected_next: Position(first), records, command };
        log.append(unit, Box::new(move |outcome| sent.send(outcome).unwrap())).unwrap();
        stored.recv().unwrap().unwrap();
    }

    /// What is written bare is what the log wrote, and the log can read it.
    #[test]
    fn raw_bytes_are_the_logs_bytes() {
        let scratch = Scratch::new(None).unwrap();
        let (one, other) = (scratch.fresh("one"), scratch.fresh("other"));
        let options = || OpenOptions { reserve_bytes: 0, free_floor_bytes: 0, ..OpenOptions::default() };
        let log = Arc::new(RocksLog::open(&one, options()).unwrap());
        append(&log, 1, 2, b"a");
        drop(log);
        scratch.copy_of(&one, "unused").unwrap();
        let copy = scratch.copy_of(&one, "copy").unwrap();
        let log = RocksLog::open(&one, options()).unwrap();
        append(&log, 3, 3, b"c");
        append(&log, 6, 1, b"b");
        let units = RawStore::open_read_only(&one).unwrap().units(3, 6).unwrap();
        assert_eq!(units.iter().map(|unit| unit.records.len()).collect::<Vec<_>>(), [3, 1]);
        let raw = RawStore::open(&copy).unwrap();
        raw.write(&units).unwrap();
        assert_eq!((raw.last().unwrap(), raw.scan().unwrap().records), (6, 6));
        drop(raw);
        let copied = RocksLog::open(&copy, options()).unwrap();
        assert_eq!(copied.watermark(), Position(6));
        for position in 1..=6 {
            assert_eq!(copied.read_one(Position(position)).unwrap(), log.read_one(Position(position)).unwrap());
        }
        let key = CommandKey::new(b"p", b"b").unwrap();
        assert_eq!(copied.command(&key).unwrap(), log.command(&key).unwrap());
        assert!(!other.exists());
    }
}
