//! How long the support waits, and how much it shows. Each limit is far above what is ever needed on two busy cores,
//! so that only a part that hangs meets it.

use std::time::Duration;

/// Between two looks at a condition: short beside everything waited for, long beside the cost of a look.
pub const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A nats-server is up in a tenth of a second; with a large store it reads the store's files first.
pub const NATS_START_MAX: Duration = Duration::from_secs(60);

/// A muster opens its stores and replays what no snapshot covers before it is ready.
pub const MUSTER_START_MAX: Duration = Duration::from_secs(180);

/// A port of an ended process is free at once, unless a connection to it is in its last state.
pub const PORT_FREE_MAX: Duration = Duration::from_secs(60);

/// One request of a readiness probe: a server that is busy starting answers late, and is asked again.
pub const PROBE_MAX: Duration = Duration::from_secs(5);

/// Lines of a child's output that a failure shows: the error and what led to it.
pub const TAIL_LINES: usize = 40;

/// How long a client goes on asking for one answer while the server is killed and started again.
pub const RETRY_MAX: Duration = Duration::from_secs(240);

/// The relay has everything that is durable: with a server that was wiped it publishes the whole log again.
pub const RELAY_MAX: Duration = Duration::from_secs(180);

/// A server's orderly end: the last sync, a snapshot of the state, the views.
pub const MUSTER_STOP_MAX: Duration = Duration::from_secs(60);

/// Events after which a reader that vanishes breaks its connection off: enough to have begun, and far fewer than come.
pub const READER_VANISHES_AFTER: usize = 200;
