//! The caps and periods of the feed, each with its reason.

use std::time::Duration;

/// Messages that may be under way to the stream without an acknowledgement. At about 15 µs a message on the server
/// this is 15 ms of its work: enough to hide the round trip, little to repeat after an error.
pub const WINDOW: usize = 1_000;

/// One message in so many asks for an answer, and so does the last before a pause. An answer costs server and relay
/// together about two microseconds, a third of what the message itself costs; thirty of them still fit into the window.
pub const ACK_EVERY: u64 = 32;

/// Bytes of messages made ahead of the network: about a hundred messages, so that the server works on the first of a
/// window while the rest is made.
pub const UNSENT_BYTES: usize = 64 * 1024;

/// Longest line that a server may send. INFO is the longest and grows with the cluster, about 30 bytes a member.
pub const PROTOCOL_LINE_BYTES: usize = 64 * 1024;

/// Largest answer to a published message: an acknowledgement has about 100 bytes, an error text some more.
pub const ANSWER_BYTES: usize = 64 * 1024;

/// How long the oldest message under way may go without any acknowledgement coming in. A server that syncs to a slow
/// disk answers within a second; beyond this the connection is given up and the stream asked where it stands.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the relay waits, after an error, for the answers to what is still under way, so that the stream stands
/// still when it is asked for its end. What comes later is met by the fence.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// How long one call to the JetStream API may take. A server that recovers a large stream answers late.
pub const API_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the relay asks whether the stream still holds everything. A purge or a removal refuses no message that
/// comes behind it, so that workers would wait for the hole to be filled; one question costs the server microseconds.
pub const LOOK_PERIOD: Duration = Duration::from_secs(2);

/// How long a TCP connection and its handshake may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause before the log is read in place of a stream that is being filled again: a worker is then behind by this much.
pub const GAP_PAUSE: Duration = Duration::from_millis(100);

/// First and longest wait before another try; each is drawn between half and the whole of the doubled one, so that
/// many workers do not come back at the same moment.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(25);
/// See [`BACKOFF_FIRST`].
pub const BACKOFF_LAST: Duration = Duration::from_secs(3);

/// The stream's memory for message ids. It is a help and not the fence, and each id costs the server about 200 bytes:
/// the default of two minutes would hold millions of them while a log is relayed from its beginning.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(2);

/// How often status is told while nothing changes but the lag.
pub const STATUS_PERIOD: Duration = Duration::from_millis(100);

/// A relay that is live becomes one that catches up when it is this many positions behind: one city conversion.
pub const LIVE_LAG_MAX: u64 = 50_000;

/// Samples of the watermark kept to tell how long the oldest waiting record has waited. When they are full, every
/// second one is dropped: the lag of hours needs no precision of milliseconds.
pub const LAG_SAMPLES_MAX: usize = 512;

/// Longest token of a subject, in characters. With eight tokens of this kind at the most the longest subject stays
/// under the 256 characters that NATS advises.
pub const TOKEN_CHARS_MAX: usize = 32;

/// Longest `ce-subject`, in characters; area ids are at most 32 bytes, 96 when every byte is percent-encoded.
pub const CE_SUBJECT_CHARS_MAX: usize = 96;

/// Messages that one pull request of a source asks for: a few milliseconds of folding, bounded memory.
pub const PULL_MESSAGES: usize = 1_000;

/// Bytes that one pull request of a source asks for; one record is at most 256 KiB.
pub const PULL_BYTES: usize = 4 * 1024 * 1024;

/// How long a pull request stands when nothing comes.
pub const PULL_EXPIRES: Duration = Duration::from_secs(30);

/// The server says that often that a waiting pull request is still known to it; without it for twice as long the
/// consumer is made anew.
pub const PULL_HEARTBEAT: Duration = Duration::from_secs(5);

/// Messages of one batch handed to a worker, as many as the log's own tail hands out.
pub const BATCH_RECORDS: usize = muster_log::limits::TAIL_BATCH_RECORDS;

/// Bytes of one batch handed to a worker, as many as the log's own tail hands out.
pub const BATCH_BYTES: usize = muster_log::limits::TAIL_BATCH_BYTES;

/// The server removes a source's consumer when nobody has pulled for this long: what a worker that is gone leaves
/// behind. A worker that comes back makes it anew from its own checkpoint.
pub const CONSUMER_INACTIVE: Duration = Duration::from_secs(60);

/// How long at the most the server keeps a reader's consumer of the event stream that nobody pulls from, and how long where the reader does not
/// say. A day: who was away over night goes on where the consumer was, and nobody's consumer is kept for ever.
pub const STREAM_READER_INACTIVE: Duration = Duration::from_secs(24 * 3_600);

/// The same for a bucket. Whoever comes back to a bucket reads it whole, so that nothing is lost with the consumer; clients' own watches ask for
/// up to five minutes.
pub const BUCKET_READER_INACTIVE: Duration = Duration::from_secs(10 * 60);

/// Consumers of one stream or bucket. Some hundred offices with four each, and a console or two in each place, are a few thousand; each costs the
/// server some ten kilobytes.
pub const CONSUMERS_MAX: i32 = 10_000;

/// Mismatches that a verification names one by one; more only counts.
pub const MISMATCHES_NAMED_MAX: usize = 20;

/// Commands of the service under way at the same time. They wait for one disk together; a few hundred keep its batches full.
pub const SERVICE_UNDER_WAY: usize = 256;

/// Answers under way about the service itself, about streams, and to commands for which there is no room. Each is a few kilobytes, and whoever asks
/// for more at once is no console; beyond, nothing is answered, and whoever asked asks again.
pub const SERVICE_TELLING: usize = 64;

/// How long a stop of the service waits for the answers to what is under way: as long as HTTP does for open requests.
pub const SERVICE_DRAIN: Duration = Duration::from_secs(10);

/// What is left for the headers of an answer within the largest message that the NATS server takes.
pub const SERVICE_HEADER_BYTES: usize = 8 * 1024;

/// Longest `Nats-Service-Error`; the body has the whole text.
pub const SERVICE_ERROR_BYTES: usize = 1024;

/// What the names of the streams behind the views' buckets begin with.
pub const BUCKET_STREAMS: &str = "KV_muster_";

/// Writes to a bucket that may be under way without an acknowledgement: some ten milliseconds of the server's work, far more
/// than a round trip.
pub const KV_WINDOW: usize = 512;

/// Rows that may wait to be written together; beyond, they are written before more is read. A city's conversion is some
/// hundred thousand, which then go in a few parts.
pub const KV_PENDING_ROWS_MAX: usize = 16_384;

/// How often a bucket's marker is written and the bucket looked at while nothing changes. Whoever watches may call three
/// missed ones stale.
pub const KV_HEARTBEAT: Duration = Duration::from_secs(2);

/// How long the right to publish a view holds when it is not renewed: three tries to renew it, and a server that is busy for
/// a moment costs nobody the lease. So long a view stands still at the most when its publisher is killed.
pub const KV_LEASE: Duration = Duration::from_secs(8);

/// A lease is renewed when this part of it has passed, and whoever stands by asks as often.
pub const KV_LEASE_PARTS: u32 = 4;

/// How often a publisher that is fenced looks whether the bucket is gone.
pub const KV_FENCE_LOOK: Duration = Duration::from_secs(5);

/// How long a publisher that ends may take to let its lease go; otherwise it runs out by itself.
pub const KV_RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest token of a row's id in a key, in characters: an id of 64 bytes stays readable. With the other tokens a key has
/// fewer than 300 characters.
pub const KV_ROW_ID_CHARS_MAX: usize = 64;
