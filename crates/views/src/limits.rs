//! The caps of the views, each with its reason.

/// Observations of one person that late facts can still correct, as in the domain: several days of shifts.
pub(crate) const HOURS_MARKS_MAX: usize = 32;

/// Less work than this is an errand and needs no rest of its own; as the next two a rule worded at `FatigueRaised`.
pub(crate) const REST_FREE_MS: i64 = 2 * 3_600_000;

/// Work after which the whole rest is due, a shift of common length.
pub(crate) const REST_FULL_FROM_MS: i64 = 8 * 3_600_000;

/// The whole rest: a night's sleep.
pub(crate) const REST_FULL_MS: i64 = 8 * 3_600_000;

/// Bytes of one batch read from a source: about two thousand events, a millisecond or two of folding.
pub const READ_BATCH_BYTES: usize = 1024 * 1024;

/// Records of one batch read from a source.
pub const READ_BATCH_RECORDS: usize = 4_096;

/// Decoded batches that may wait for the folding thread. Enough that neither side waits for the other's hiccups, a few megabytes at the most.
/// When it is full, reading waits.
pub const DECODED_BATCHES_MAX: usize = 4;

/// Rows are written and published at most once in this time while records keep coming, in milliseconds: a roll-up that changes with every check-in
/// is sent ten times a second, and no eye follows more. The first record after a pause is published at once.
pub const MERGE_MS: u64 = 100;

/// Records behind the end from which on the views are catching up, until they are where it was: rows are then written in large commits only, for a
/// row written twice on the way is written once in vain. Folded in some fifty milliseconds, so nobody waits for it.
pub const CATCH_UP_RECORDS: u64 = 32_768;

/// Records folded before rows are written, whatever the time: readers see something of a long rebuild, and no more than this is folded again.
pub const COMMIT_RECORDS_MAX: u64 = 1_000_000;

/// Changed rows before they are written, whatever the time: bounds the write batch and the memory of changes, at about a kilobyte each. More than
/// the rows of a city with a call for each of its 42,000 people, so that a city's rebuild writes them once.
pub const COMMIT_ROWS_MAX: usize = 131_072;

/// Records folded between two snapshots of the fold states. After a crash at most so many are folded again: a second or two.
pub const STATE_RECORDS: u64 = 1_000_000;

/// Rows that a subscriber gets at a time, and all that is held for it beside its place: some 250 KB. Each page is found in the index without looking
/// at the rows before it, so that small ones cost little more than a look at the tree of areas.
pub const SUBSCRIBER_PAGE_ROWS: usize = 256;

/// Changes of each view that are kept, once for all subscribers and for readers who come back and name the last position they saw. A subscriber who
/// is slower than that, or absent for longer, gets the rows anew; others do not notice. A minute of a busy incident, some 30 MB a view, as
/// much again where somebody was sent them. The newest commit is kept however large.
pub const RING_CHANGES_MAX: usize = 32_768;

/// Rows of one snapshot page unless asked for fewer: the whole city of 7,000 areas at once; a province in several.
pub const PAGE_ROWS_MAX: usize = 20_000;

/// Samples of the source's end that are kept to tell the lag in seconds. At one a commit this is more than half a minute; a longer lag is told
/// from the oldest.
pub const LAG_SAMPLES_MAX: usize = 512;

/// How far apart the places are, in milliseconds, that are kept to tell the pace of a runner, and how many are kept: the last ten seconds and more.
pub const PACE_SAMPLES: (u64, usize) = (500, 20);

/// Pause before a source that was not available is asked again, in milliseconds: the first and the longest.
pub const RETRY_MS: (u64, u64) = (50, 2_000);

/// Bytes of the store's memtable. Rows of a city (some 100,000 with those of its people and their calls, 25 MB) stay in memory between two flushes.
pub const MEMTABLE_BYTES: usize = 32 * 1024 * 1024;

/// Bytes of the store's block cache.
pub const BLOCK_CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Rewinds that may wait for the reader: one for each rebuild that found wrong rows while the reader was busy with a batch. More means that it
/// is stuck, and the views stop.
pub const REWINDS_MAX: usize = 4;

/// How often a generation that is made beside the one in use follows it before the rest is folded while nothing new is shown: each time what came
/// meanwhile is a small part of what was folded before.
pub const DRAFT_ROUNDS_MAX: usize = 8;

/// Bytes of the history's memtable: some 15,000 records of a busy incident, which are folded again after a crash in a moment.
pub const HISTORY_MEMTABLE_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of a block of the history before compression: neighbouring versions of a row differ in a few bytes, so a larger block is much smaller on
/// disk, and takes longer to read.
pub const HISTORY_BLOCK_BYTES: usize = 16 * 1024;

/// Bytes of the history's block cache: the blocks that the rows of a whole city at one moment lie in, for the next step of a slider needs nearly the
/// same.
pub const HISTORY_CACHE_BYTES: usize = 256 * 1024 * 1024;

/// Trees of areas that the history keeps ready, each some megabytes for a city. Areas change rarely, so two moments nearly always share one.
pub const HISTORY_TREES_MAX: usize = 4;

/// Records that the history folds between two looks at whether it is to stop.
pub const HISTORY_STEP_RECORDS: u64 = 131_072;

/// The share of all areas from which on the history walks through all rows of a view instead of asking area by area who ever stood there: one in so many.
pub const HISTORY_WALK_SHARE: usize = 4;
