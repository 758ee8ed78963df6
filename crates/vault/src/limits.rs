//! The caps of the vault, each with its reason. Nothing else in the crate may hold a magic size.

/// Longest key id (the id of the person or record whose fields are sealed), in bytes. Ids of people are at most 64 bytes
/// elsewhere; the rest is room for a prefix such as `whistle-note:`.
pub const KEY_ID_BYTES_MAX: usize = 128;

/// Longest field name, in bytes. Field names are words of the code (`name`, `phone`), never input.
pub const FIELD_BYTES_MAX: usize = 64;

/// Longest plain text of one field, in bytes. A record of the log is at most 256 KiB and holds several fields.
pub const PLAIN_BYTES_MAX: usize = 16 * 1024;

/// Most new keys written in one synced batch. A batch lives in memory twice (here and in RocksDB's memtable); at about
/// 200 bytes a key this keeps it below 40 MB. More new keys in one call are written as several batches.
pub const KEYS_PER_BATCH_MAX: usize = 200_000;

/// RocksDB's write buffer, in bytes. The vault holds some hundred bytes a person: 42,000 people are about 6 MB, so small
/// buffers are enough and memory stays with the log and the views.
pub(crate) const WRITE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// RocksDB's own text log, in bytes for each of two files.
pub(crate) const INFO_LOG_BYTES: usize = 1024 * 1024;

/// How long an erasure waits, in milliseconds, for RocksDB to unlink files that it no longer needs. Unlinking is done
/// right after the compaction; half a minute is far beyond what a loaded disk needs.
pub(crate) const UNLINK_WAIT_MS_MAX: u64 = 30_000;

/// Random bytes fetched from the operating system at once: one system call serves about 170 nonces.
pub(crate) const ENTROPY_BUFFER_BYTES: usize = 4096;

/// Most results that one search of the name index returns; a screen shows far fewer.
pub const SEARCH_RESULTS_MAX: usize = 1000;
