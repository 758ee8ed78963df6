//! RocksDB as the log wants it: families, options, opening. It must never be opened in a way that skips damage.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, ErrorKind, LogLevel, Options,
    ReadOptions, WriteOptions,
};

use crate::errors::{OpenError, ReadError};
use crate::format::{key_position, record_key};
use crate::limits;
use crate::options::OpenOptions;
use crate::types::Position;

pub(super) const RECORDS: &str = "records";
/// The number that the store gives the first family after its default one.
pub(super) const RECORDS_ID: u32 = 1;
pub(super) const COMMANDS: &str = "commands";
pub(super) const META: &str = "meta";

/// What a recovery does with a write-ahead log that ends badly.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Recovery {
    /// Cut off a torn tail; refuse anything else.
    TornTail,
    /// Keep what comes before the first damage: only where a person has accepted the loss.
    UpToDamage,
}

pub(super) fn open_database(path: &Path, options: &OpenOptions, recovery: Recovery) -> Result<DB, rocksdb::Error> {
    let cache = Cache::new_lru_cache(limits::BLOCK_CACHE_BYTES);
    let families = [
        ColumnFamilyDescriptor::new(RECORDS, records_options(options, &cache)),
        ColumnFamilyDescriptor::new(COMMANDS, commands_options(options, &cache)),
        ColumnFamilyDescriptor::new(META, family_options(&cache)),
    ];
    DB::open_cf_descriptors(&database_options(recovery), path, families)
}

/// Opens a copy to look at it; nothing in it is changed.
pub(super) fn open_read_only(path: &Path) -> Result<DB, rocksdb::Error> {
    DB::open_cf_for_read_only(&database_options(Recovery::TornTail), path, [RECORDS, COMMANDS, META], false)
}

fn database_options(recovery: Recovery) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(match recovery {
        Recovery::TornTail => DBRecoveryMode::TolerateCorruptedTailRecords,
        Recovery::UpToDamage => DBRecoveryMode::PointInTime,
    });
    // A log file that is missing or too short, though a later one exists, is damage and not a torn tail. Recycling log
    // files is not to be had together with a recovery that tolerates torn tails only: old records would stand there.
    options.set_track_and_verify_wals_in_manifest(recovery == Recovery::TornTail);
    // The families are flushed together: a table of records never lies on disk without the index that belongs to it.
    options.set_atomic_flush(true);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1024 * 1024);
    options.set_skip_stats_update_on_db_open(true);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 * 1024 * 1024);
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

fn records_options(options: &OpenOptions, cache: &Cache) -> Options {
    let mut family = family_options(cache);
    let mut table = table_options(cache);
    // Records are read in order: large blocks compress well and need few index entries.
    table.set_block_size(32 * 1024);
    family.set_block_based_table_factory(&table);
    family.set_write_buffer_size(options.records_memtable_bytes);
    raise_triggers(&mut family);
    family
}

fn commands_options(options: &OpenOptions, cache: &Cache) -> Options {
    let mut family = family_options(cache);
    let mut table = table_options(cache);
    // Nearly every lookup is for a command that was never seen: the filter answers without touching the disk.
    table.set_bloom_filter(10.0, false);
    table.set_whole_key_filtering(true);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    family.set_block_based_table_factory(&table);
    family.set_memtable_whole_key_filtering(true);
    family.set_memtable_prefix_bloom_ratio(0.05);
    family.set_write_buffer_size(options.commands_memtable_bytes);
    raise_triggers(&mut family);
    family
}

/// One family's stall stops all, and tables of records never overlap: they move down without being written again, so
/// many of them in the first level harm nobody.
fn raise_triggers(family: &mut Options) {
    family.set_max_write_buffer_number(4);
    family.set_level_zero_file_num_compaction_trigger(8);
    family.set_level_zero_slowdown_writes_trigger(64);
    family.set_level_zero_stop_writes_trigger(128);
    family.set_soft_pending_compaction_bytes_limit(1 << 40);
    family.set_hard_pending_compaction_bytes_limit(1 << 41);
}

pub(super) fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

pub(super) fn family<'a>(db: &'a DB, name: &str) -> &'a ColumnFamily {
    db.cf_handle(name).expect("every family is opened with the database")
}

/// Options of a short forward read from `from` up to and including `to`.
pub(super) fn range(from: Position, to: Position, readahead: bool) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    options.set_iterate_lower_bound(record_key(from));
    options.set_iterate_upper_bound(record_key(to.next()));
    if readahead {
        options.set_readahead_size(limits::READAHEAD_BYTES);
    }
    options
}

/// The last record's position; 0 in an empty log. `Err` holds the store's words or a key that is no position.
pub(super) fn last_position(db: &DB) -> Result<Position, rocksdb::Error> {
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    let mut cursor = db.raw_iterator_cf_opt(family(db, RECORDS), options);
    cursor.seek_to_last();
    let last = cursor.key().and_then(key_position);
    cursor.status()?;
    Ok(last.unwrap_or(Position::ZERO))
}

/// The table whose keys cover a record, as far as the store knows.
pub(super) fn file_of(db: &DB, position: Position) -> Option<std::path::PathBuf> {
    let key = record_key(position);
    let covers = |file: &rocksdb::LiveFile| {
        file.column_family_name == RECORDS
            && file.start_key.as_deref().is_some_and(|start| start <= &key[..])
            && file.end_key.as_deref().is_some_and(|end| &key[..] <= end)
    };
    let file = db.live_files().ok()?.into_iter().find(covers)?;
    Some(db.path().join(file.name.trim_start_matches('/')))
}

/// A failed read, told apart by what the store calls it.
pub(super) fn read_error(db: &DB, position: Position, error: &rocksdb::Error) -> ReadError {
    let detail = error.to_string();
    match error.kind() {
        ErrorKind::Corruption => ReadError::Corrupt { position, file: file_of(db, position), detail },
        _ => ReadError::Store { position, detail },
    }
}

/// A failed open, told apart by what the store calls it.
pub(super) fn open_error(dir: &Path, error: &rocksdb::Error) -> OpenError {
    let (dir, detail) = (dir.to_owned(), error.to_string());
    match error.kind() {
        ErrorKind::Corruption => OpenError::Damaged { dir, position: None, file: None, detail },
        _ => OpenError::Store { dir, detail },
    }
}
