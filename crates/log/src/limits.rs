//! The caps of the log, each with its reason. Nothing else in the crate holds a number of this kind.

/// Largest record, in bytes. Events are one per person or designation; a JetStream message of the same bytes
/// must stay well under the 1 MiB that a nats-server accepts by default.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;

/// Largest unit, in bytes of records. Converting a million people at about 400 bytes an event needs 400 MB;
/// RocksDB refuses batches from 4 GiB on.
pub const UNIT_BYTES_MAX: usize = 1 << 30;

/// Most records in one unit: RocksDB counts the entries of a batch in 32 bits, and positions in answers stay readable.
pub const UNIT_RECORDS_MAX: usize = 8_000_000;

/// Bytes that may wait for the writer before `append` blocks. Two of the largest city conversions (17 MB each)
/// and the check-ins behind them fit, so that the engine decides on while the disk syncs; more would only grow
/// memory and the time an answer takes.
pub const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Items that may wait, whatever their size: bounds the memory of callbacks when records are tiny.
pub const QUEUE_ITEMS_MAX: usize = 65_536;

/// Bytes that one batch takes from the queue before it is synced. A unit larger than this is a batch of its own.
/// Large enough that the sync is amortised, small enough that the first answer of a burst does not wait for its last.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What an item in the queue weighs beside its records: its callback, key and bookkeeping.
pub const ITEM_OVERHEAD_BYTES: usize = 256;

/// What a stored record weighs beside its payload in a write batch: tag, column family, key, lengths, checksum.
pub const RECORD_OVERHEAD_BYTES: usize = 24;

/// Longest principal in a command key, in bytes.
pub const PRINCIPAL_BYTES_MAX: usize = 256;

/// Longest command id, in bytes: the contract with clients.
pub const COMMAND_ID_BYTES_MAX: usize = 64;

/// Bytes of one batch that a tail reads unless told otherwise: a few hundred events, well under a millisecond.
pub const TAIL_BATCH_BYTES: usize = 512 * 1024;

/// Records of one batch that a tail reads unless told otherwise.
pub const TAIL_BATCH_RECORDS: usize = 2_048;

/// Bytes that a single read may return at most, whatever was asked for: an iterator pins memory while it lives.
pub const READ_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Free bytes under which the log says that there is no space. What RocksDB still has to write at that moment
/// (memtables and their compaction) fits into it, so that a full disk is met by refusals and not by a failed write.
pub const FREE_FLOOR_BYTES: u64 = 512 * 1024 * 1024;

/// Bytes of the reserve file: given back at the next start when the disk is full, so that recovery can write its
/// manifest and its first tables.
pub const RESERVE_BYTES: u64 = 64 * 1024 * 1024;

/// How long a sample of the free space is believed, in milliseconds. One `statvfs` costs about a microsecond; at
/// 500 MB/s a disk loses 100 MB in this time, a fifth of the floor.
pub const SPACE_SAMPLE_MS: u64 = 200;

/// Records at the end of the log that each start verifies at the least. What the write-ahead log holds is verified in
/// any case, for that is where a hole could hide.
pub const TAIL_VERIFY_RECORDS_MIN: u64 = 4_096;

/// Memtable of the records family, in bytes. A city conversion (17 MB) stays in memory and a flush writes one
/// sequential table of it; four of them bound the memory and the time a recovery takes.
pub const RECORDS_MEMTABLE_BYTES: usize = 128 * 1024 * 1024;

/// Memtable of the command index, in bytes: about 150,000 commands.
pub const COMMANDS_MEMTABLE_BYTES: usize = 32 * 1024 * 1024;

/// Block cache shared by all families, in bytes. Readers go forward and do not fill it; the index lookups use it.
pub const BLOCK_CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Read-ahead of a forward read, in bytes.
pub const READAHEAD_BYTES: usize = 1024 * 1024;
