//! The caps of the engine, each with its reason. Nothing else in the crate holds a number of this kind.

/// Largest body of a command, in encoded bytes. An event carries little more than the body it came from, and the domain
/// refuses one that comes out larger; with the context and the envelope each record then stays below
/// [`muster_log::limits::RECORD_BYTES_MAX`].
pub const COMMAND_BYTES_MAX: usize = 240 * 1024;
/// A fill proposal may be larger, for the domain records it in parts: 4,000 lines with ids of full length.
pub const FILL_PROPOSAL_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Largest context of a command, in encoded bytes. It stands in every record of the command: 2 KiB in the 300,000
/// records of a large conversion are 600 MB, still within one unit of the log.
pub const CONTEXT_BYTES_MAX: usize = 2 * 1024;

/// How far ahead of the log's clock a stated time may lie: phones are a little off, plans are not facts.
pub const OCCURRED_AHEAD_MS_MAX: i64 = 5 * 60 * 1000;

/// From which difference on the wall clock counts as stepped against the monotonic clock. Slewing never gets there.
pub const CLOCK_STEP_MS_MAX: i64 = 2_000;

/// How far the wall clock may be behind the last record at start. A restart within a step that a time server
/// corrects gets there; the engine then waits in its own time until the wall clock has caught up.
pub const CLOCK_BEHIND_MS_MAX: i64 = 2_000;

/// How often the wall clock is compared with the monotonic one, in milliseconds.
pub const CLOCK_CHECK_MS: i64 = 1_000;

/// Records that an answer carries: enough to show, small enough for a phone.
pub const ANSWER_EVENTS_MAX: usize = 100;

/// Commands that may wait for the engine unless told otherwise. When the queue is full a command is answered
/// `queue_full` at once. At 50,000 commands a second this is a third of a second of waiting.
pub const QUEUE_MAX: usize = 16_384;

/// Timers that fire between two commands. The replies of a city conversion fall due in the same millisecond, and
/// commands must not wait behind all of them.
pub const TIMERS_PER_TURN: usize = 64;

/// How long the engine waits before it looks again when due timers found no disk space, in milliseconds.
pub const NO_SPACE_RETRY_MS: u64 = 1_000;

/// Longest wait for a timer, in milliseconds: the wait is then computed anew.
pub const TIMER_WAIT_MS_MAX: i64 = 60_000;

/// Repeated commands that may wait for their answer to be read back: as many as may wait for the engine, for after an
/// outage clients repeat all they sent. When it is full the command is answered `queue_full`.
pub const REPEATS_MAX: usize = QUEUE_MAX;

/// Records of one batch in replay: large enough to hide the hand-over between threads, small enough that a batch of
/// decoded envelopes stays in the cache.
pub const REPLAY_BATCH_RECORDS: usize = 2_048;

/// Bytes of one batch in replay.
pub const REPLAY_BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Batches that may wait for a decoder, and decoded ones that may wait to be applied, per decoder. When it is full the
/// thread before waits.
pub const REPLAY_BATCHES_AHEAD: usize = 4;

/// Threads that decode in replay, on a machine that has as many processors: decoding takes several times as long as
/// applying, and beyond this the one thread that applies is what everything waits for.
pub const DECODERS_MAX: usize = 4;

/// Records between two snapshots unless told otherwise: about a second of replay.
pub const SNAPSHOT_EVERY: u64 = 500_000;

/// Snapshots kept: the newest, and one to fall back to should it be damaged.
pub const SNAPSHOTS_KEPT: usize = 2;

/// How often the planner looks for new records while nobody asks it, in milliseconds: following every sync would only
/// take the processor from the commands.
pub const REPLICA_PERIOD_MS: u64 = 100;

/// Index entries written at once when the command index is rebuilt.
pub const INDEX_CHUNK: usize = 4_096;

/// Jobs that may wait for the planner: each may take a second, and whoever previews waits for the answer. When it is full
/// the job is answered `queue_full`.
pub const JOBS_MAX: usize = 32;
