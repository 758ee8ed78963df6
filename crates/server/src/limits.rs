//! The caps of the server, each with its reason. Nothing else in the crate holds a number of this kind.

use std::time::Duration;

/// Largest body of one command, and largest line of a batch, in bytes. The largest honest body is a plan draft whose
/// record may have 256 KiB; as JSON with Chinese names it needs about three times that.
pub const COMMAND_BODY_BYTES_MAX: usize = 1024 * 1024;

/// How much of a body that is too large is read and dropped before it is refused, in bytes: enough that an honest mistake
/// sees its answer, not so much that it costs anything.
pub const BODY_BYTES_PASSED_OVER_MAX: usize = 16 * 1024 * 1024;

/// Longest principal, in bytes: what the log's command key allows.
pub const PRINCIPAL_BYTES_MAX: usize = 256;

/// Longest idempotency key, in bytes: the contract with clients and with the log's command index.
pub const COMMAND_ID_BYTES_MAX: usize = 64;

/// Commands of one batch that are on their way at the same time. Enough that one sync carries hundreds of them, few
/// enough that one client does not fill the engine's queue.
pub const BATCH_IN_FLIGHT_MAX: usize = 512;

/// Lines of a batch whose personal fields are sealed together: new keys of one group share one synced write.
pub const BATCH_SEAL_LINES_MAX: usize = 256;

/// How often it is looked whether the nightly rehearsal is due, in seconds: nobody waits for it to the minute.
pub const NIGHTLY_CHECK_SECONDS: u64 = 60;

/// Rows on one page of a view unless the caller asks for less or more.
pub const VIEW_PAGE_ROWS: usize = 1_000;

/// Most rows on one page: about 5 MB of JSON.
pub const VIEW_PAGE_ROWS_MAX: usize = 10_000;

/// Records read from the log at a time for `/v1/events`.
pub const EVENTS_BATCH_RECORDS: usize = 512;

/// Bytes read from the log at a time for `/v1/events`.
pub const EVENTS_BATCH_BYTES: usize = 512 * 1024;

/// How often a quiet stream says where it stands. Proxies cut connections that are silent for 30 seconds or more.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// Streams (SSE, `/v1/events`) open at the same time: 5,000 consoles and feeds of a city, and those that come back before their old connection is
/// known to be gone. Each holds a socket and at most a page of rows
/// ([`muster_views::limits::SUBSCRIBER_PAGE_ROWS`], as rows and as JSON about half a megabyte, while it begins) or references to changes that are
/// kept once for all; so many at their beginning at once hold 4 GB, and next to nothing afterwards.
pub const STREAMS_MAX: usize = 8_192;

/// Files and sockets that all streams need at once: as many again for requests, databases and NATS.
pub const OPEN_FILES_WANTED: u64 = 2 * STREAMS_MAX as u64;

/// Bytes from which on an answer is compressed for whoever asks: less fits a packet either way.
pub const COMPRESSED_BYTES_MIN: u64 = 1_024;

/// Bytes compressed in one piece: twice what deflate looks back, and less than a millisecond of a thread that others wait for.
pub const COMPRESSED_PIECE_BYTES: usize = 64 * 1_024;

/// How long open requests may take to finish once a stop was asked for. Streams are told at once; what remains is
/// commands that wait for the disk.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// How long the views may take to reach the log's end at a stop, so that the next start has nothing to catch up.
pub const SHUTDOWN_VIEWS_GRACE: Duration = Duration::from_secs(5);

/// How long the last changes may take to their buckets at a stop; longer only when NATS does not answer.
pub const SHUTDOWN_KV_GRACE: Duration = Duration::from_secs(2);

/// How long the follower of erasures waits after the vault refused, before it tries again: a person has to free the disk.
pub const ERASURE_RETRY: Duration = Duration::from_secs(10);

/// Records after which the follower of erasures keeps its place. After a kill it reads so many again, in a fraction of a second.
pub const ERASURE_PLACE_EVERY: u64 = 100_000;

/// Seconds a client should wait after `503`: the queue drains in well under a second, so one second spreads the retries.
pub const RETRY_AFTER_SECONDS: u32 = 1;

/// Seconds a client should wait when somebody has to act first (no space, the log stopped).
pub const RETRY_AFTER_STOPPED_SECONDS: u32 = 30;

/// Lines of an import sent in one batch request: a lost connection repeats at most so many, all by their ids.
pub const IMPORT_BATCH_LINES: usize = 2_000;

/// How often a stop looks whether the last reader has let go of the log: a few threads that end by themselves.
pub const RELEASE_CHECK: Duration = Duration::from_millis(2);

/// How long a process whose log stopped goes on answering health before it ends: long enough for a probe to see why.
pub const FATAL_LINGER: Duration = Duration::from_secs(1);

/// How long a question for an earlier moment waits for the history of the views before the log is folded instead: a large import's distance.
pub const HISTORY_WAIT: Duration = Duration::from_secs(1);

/// Pages of earlier moments that are read at the same time: each takes a processor for some ten milliseconds, and the engine needs one as well.
pub const HISTORY_READS_MAX: usize = 2;

/// Views folded anew for `as_of` at the same time. Each takes a processor for about a second per million records, and the
/// engine needs one as well.
pub const AS_OF_FOLDS_MAX: usize = 1;

/// Areas whose agreements are kept as they were found last: as many callers, each with an area of its own, as there are streams.
pub const SHARED_AREAS_KEPT_MAX: usize = STREAMS_MAX;

/// Folds of a whole view that are kept for the pages after the first and for whoever asks for another area: up to some 50 MB each.
pub const AS_OF_KEPT_MAX: usize = 2;

/// How long a message about a call waits for the views, which have its card: five of their write intervals. Messages go on while views are made
/// again, and four at a time that wait this long are still hundreds a minute.
pub const CARD_WAIT: Duration = Duration::from_millis(500);

/// How long a question that rests on the tree of areas waits for the views: twenty of their write intervals.
pub const VIEWS_WAIT: Duration = Duration::from_secs(2);

/// How long a line of a batch waits for room in the engine's queue before it is answered `queue_full`. A full queue is
/// drained in about a third of a second.
pub const QUEUE_FULL_WAIT: Duration = Duration::from_secs(10);

/// How long it waits between two tries.
pub const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(5);

/// Longest bearer token that is looked at, in bytes. Identity providers that list many roles stay below 4 KiB.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Longest subject of a signed token, in bytes: with its prefix it is a principal.
pub const SUBJECT_BYTES_MAX: usize = PRINCIPAL_BYTES_MAX - 8;

/// How far the clocks of the identity provider and of this server may be apart, in seconds. RFC 7519 speaks of a few
/// minutes at most; one is enough where both follow a time server.
pub const JWT_SKEW_SECONDS: i64 = 60;

/// How long passes at least before the issuer's keys are asked for again because a token names an unknown one: anybody can
/// send such a token.
pub const KEYS_REFRESH_MIN: Duration = Duration::from_secs(10);

/// How old known keys may be: a key that was withdrawn is taken for no longer than this, unless the issuer does not answer. From half of it on
/// they are asked for again, beside the requests that are answered with them.
pub const KEYS_AGE_MAX: Duration = Duration::from_secs(600);

/// How long the issuer may take to answer.
pub const KEYS_FETCH_MAX: Duration = Duration::from_secs(10);

/// Requests with unknown keys that wait for the issuer at the same time; the others are refused at once. Anybody can send them.
pub const KEYS_WAITERS_MAX: usize = 64;

/// Largest key set, in bytes: hundreds of keys.
pub const KEYS_BYTES_MAX: usize = 256 * 1024;

/// How long a one-time link is good for unless asked otherwise, in seconds: a call that was not answered for a day has long
/// been given to somebody else.
pub const LINK_SECONDS: u64 = 24 * 3_600;

/// The longest a one-time link may be good for, in seconds: a week.
pub const LINK_SECONDS_MAX: u64 = 7 * 24 * 3_600;

/// Largest body of an answer through a one-time link, in bytes: a reason of a few lines.
pub const ANSWER_BODY_BYTES_MAX: usize = 8 * 1024;

/// Bytes of records in one answer of `/v1/records`: large enough that a gap is filled at the speed of the network.
pub const RECORDS_BYTES: usize = 4 * 1024 * 1024;

/// Records in one answer of `/v1/records`.
pub const RECORDS_MAX: usize = 8_192;

/// How long a server whose log is read may take to be reached.
pub const REMOTE_CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long it may take to answer: [`RECORDS_BYTES`] over a line of 2 Mbit/s.
pub const REMOTE_READ_MAX: Duration = Duration::from_secs(20);

/// Rows that differ which a rebuild or a verification lists; all are counted.
pub const DIFFERENCES_MAX: usize = 1_000;

/// Shortest and longest pause before views are folded anew once more that could not be: a server whose log is asked for may be starting, and a fold
/// that fails fails again.
pub const RENEW_PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(600));
