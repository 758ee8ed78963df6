//! The sizes and bounds of the benches, each with its reason.

use std::time::Duration;

/// Rounds unless told otherwise: enough for a median that one disturbed round does not move.
pub(crate) const ROUNDS: usize = 5;
/// Rounds of a quick run.
pub(crate) const ROUNDS_QUICK: usize = 3;

/// People seated by the one conversion: the published roster.
pub(crate) const PEOPLE: usize = 42_000;
/// The same of the largest published outbreak.
pub(crate) const PEOPLE_LARGEST: usize = 100_000;
/// Seats of one site of the bench's plans: a large checkpoint with its shifts. Far below what a plan may hold.
pub(crate) const SITE_SEATS: usize = 20;

/// Concurrent clients of the check-in rows.
pub(crate) const CLIENTS: usize = 64;
/// Commands of one client in one round, in-process: about a second, some hundreds of syncs.
pub(crate) const CLIENT_COMMANDS: usize = 1_200;
/// The same in a quick run.
pub(crate) const CLIENT_COMMANDS_QUICK: usize = 300;
/// Commands of one client in one round over HTTP.
pub(crate) const HTTP_COMMANDS: usize = 200;
/// The same in a quick run.
pub(crate) const HTTP_COMMANDS_QUICK: usize = 60;

/// Records of the log that views are rebuilt from and starts replay.
pub(crate) const HISTORY_RECORDS: u64 = 520_000;
/// The same in a quick run.
pub(crate) const HISTORY_RECORDS_QUICK: u64 = 260_000;

/// Records relayed in one round: a few seconds of publishing.
pub(crate) const RELAYED_RECORDS: u64 = 200_000;
/// The same in a quick run.
pub(crate) const RELAYED_RECORDS_QUICK: u64 = 50_000;

/// Check-ins whose rows are waited for at a bucket in one round: a tenth of a second each.
pub(crate) const KV_COMMANDS: usize = 100;
/// The same in a quick run.
pub(crate) const KV_COMMANDS_QUICK: usize = 30;

/// Commands a second while subscribers are told: what a city gives at its worst.
pub(crate) const LIVE_PACE: f64 = 2_000.0;
/// Commands given at a time, a hundredth of a second apart: finer than a timer keeps.
pub(crate) const LIVE_TICK_COMMANDS: usize = 20;
/// Commands of one round: five seconds.
pub(crate) const LIVE_COMMANDS: usize = 10_000;
/// The same in a quick run.
pub(crate) const LIVE_COMMANDS_QUICK: usize = 2_000;
/// Subscribers that are told.
pub(crate) const LIVE_SUBSCRIBERS: usize = 1_000;
/// The same in a quick run.
pub(crate) const LIVE_SUBSCRIBERS_QUICK: usize = 200;
/// Bare messages of one round: enough for ten above the 99th percentile.
pub(crate) const LIVE_BARE_MESSAGES: usize = 1_000;
/// Subscribers that are held.
pub(crate) const HELD_SUBSCRIBERS: usize = 5_000;
/// The same in a quick run.
pub(crate) const HELD_SUBSCRIBERS_QUICK: usize = 1_000;
/// Files that the server has open beside connections.
pub(crate) const HELD_FILES_BESIDE: usize = 1_500;
/// Connections that begin at the same time.
pub(crate) const HELD_AT_ONCE: usize = 64;
/// What a held connection's client reads at a time.
pub(crate) const HELD_READ_BYTES: usize = 8 * 1_024;
/// How long subscribers rest before their memory is measured: more than the time between two heartbeats.
pub(crate) const HELD_REST: Duration = Duration::from_secs(6);

/// Commands under way while a history is made. Half of what the engine's queue takes.
pub(crate) const DRIVE_WINDOW: usize = 8_192;
/// Commands whose personal fields are sealed with one synced write while a history is made.
pub(crate) const SEAL_CHUNK: usize = 4_096;

/// Records that a raw scan must at least have for a row to be meaningful.
pub(crate) const SCAN_READAHEAD_BYTES: usize = 1024 * 1024;

/// How long a nats-server may take to come up.
pub(crate) const NATS_START_MAX: Duration = Duration::from_secs(20);
/// How often it is looked whether it has.
pub(crate) const NATS_POLL: Duration = Duration::from_millis(20);
/// How long one round of publishing may take before it counts as stuck.
pub(crate) const RELAY_ROUND_MAX: Duration = Duration::from_secs(300);
/// Commands that the bare publisher's client may hold: more than the window, so that it never waits for the client.
pub(crate) const BARE_CAPACITY: usize = 4_096;

/// How often the parts of a conversion are run: the least of them is what it costs when nothing disturbs it.
pub(crate) const PART_RUNS: usize = 5;

/// Records of the log whose earlier moments are asked for.
pub(crate) const AS_OF_RECORDS: u64 = 1_000_000;
/// The same in a quick run.
pub(crate) const AS_OF_RECORDS_QUICK: u64 = 100_000;
/// The same where it is asked for with a flag: takes many minutes and some ten gigabytes.
pub(crate) const AS_OF_RECORDS_FLAGGED: u64 = 10_000_000;
/// Pages in one round: enough that ten are above the 95th percentile.
pub(crate) const AS_OF_SAMPLES: usize = 200;
/// Whole coverages of the city in one round.
pub(crate) const AS_OF_SAMPLES_CITY: usize = 40;
/// States that are loaded in one round: each takes a good part of a second.
pub(crate) const AS_OF_SAMPLES_STATES: usize = 8;
/// Rows of a page, as HTTP gives them unless asked for another number.
pub(crate) const AS_OF_PAGE_ROWS: usize = 1_000;
/// Records between two states.
pub(crate) const AS_OF_STATE_SPACING: u64 = 50_000;
