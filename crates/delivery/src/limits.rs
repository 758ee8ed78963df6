//! The caps of the delivery service, each with its reason. Nothing else in the crate holds a number of this kind.

use std::time::Duration;

/// Messages of one channel that are sent or wait to be sent again, and by the letters of one record more at most. What comes after them waits in the log: a full window holds up its own
/// channel alone, and the memory stays bounded however many people a conversion calls.
pub const WINDOW_MAX: usize = 1_024;

/// Dead letters kept of one channel; beyond them the oldest fall off. A channel that was gone during a conversion of a city leaves tens of
/// thousands, of which nobody looks at more than a page; the log has every call.
pub const DEAD_MAX: usize = 10_000;

/// How long a message is tried unless the channel says otherwise, in seconds. The next channel is ordered when it is given up, and a person
/// who is called out cannot wait for a gateway's repair.
pub const GIVE_UP_SECONDS: u64 = 180;

/// The longest a message may be tried, in seconds: a day, as long as its link is good.
pub const GIVE_UP_SECONDS_MAX: u64 = 24 * 3_600;

/// The wait before the second try; it doubles from there.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(1);

/// The longest wait between two tries.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Requests of one channel that are open at the same time unless it says otherwise.
pub const CONCURRENCY: usize = 4;

/// The most of them: each holds a socket and a body.
pub const CONCURRENCY_MAX: usize = 64;

/// Messages a minute unless the channel says otherwise.
pub const PER_MINUTE: u32 = 1_200;

/// Messages a minute of a group robot: both platforms cut off a robot that says more than 20.
pub const ROBOT_PER_MINUTE: u32 = 20;

/// The most messages a minute.
pub const PER_MINUTE_MAX: u32 = 60_000;

/// How long one request may take, the connection and the answer included. Standard Webhooks asks for 15 to 30 seconds; a gateway that needs
/// more is taken as silent, and the message id tells it the repeat.
pub const REQUEST_MAX: Duration = Duration::from_secs(15);

/// Largest answer that is read: platforms answer with a code and a sentence.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How far the clock of whoever signs a receipt may be off, in seconds: what Standard Webhooks advises.
pub const TIMESTAMP_TOLERANCE_SECONDS: i64 = 300;

/// Largest receipt: an outcome, a time and a reference.
pub const RECEIPT_BYTES_MAX: usize = 8 * 1024;

/// Shortest secret, in bytes: what Standard Webhooks asks for at least.
pub const SECRET_BYTES_MIN: usize = 24;

/// Longest secret, in bytes, by the same document.
pub const SECRET_BYTES_MAX: usize = 64;

/// Secrets of one channel that are good at the same time: the new one and the ones it takes over from.
pub const SECRETS_MAX: usize = 4;

/// Longest name of a channel: it stands in every message id.
pub const NAME_BYTES_MAX: usize = 32;

/// Longest text of a message, in bytes: group robots and work notices take 2,048, in which the rest of the body has no part.
pub const TEXT_BYTES_MAX: usize = 2_000;

/// How often a place that moved is written at most, but for what is sent for the first time. After a kill so much is looked at again; calls whose sending the log has are not sent twice.
pub const KEEP_EVERY: Duration = Duration::from_millis(250);

/// The wait after the server could not say what a message tells, or could not take down what became of it.
pub const DESK_RETRY: Duration = Duration::from_secs(1);

/// How long before its end an access token of a platform is asked for anew.
pub const TOKEN_EARLY: Duration = Duration::from_secs(300);

/// How long an access token is used at most, whatever a platform says: a day, more than any of them gives.
pub const TOKEN_LASTS_MAX: Duration = Duration::from_secs(24 * 3_600);

/// How long a channel keeps quiet at most because its other end asked for it: an hour. Its messages go to the next channel meanwhile, and
/// whoever names a year by mistake is not waited for until the next start.
pub const QUIET_MAX: Duration = Duration::from_secs(3_600);

/// The wait before dead letters are written again that the disk did not take. What they are about is in the log, and nothing is sent.
pub const BURY_RETRY: Duration = Duration::from_secs(5);

/// How long open requests may take to finish once a stop was asked for; what is left is sent after the next start.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
