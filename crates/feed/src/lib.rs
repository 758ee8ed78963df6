//! The feed: what the log holds, published over NATS JetStream, and read back by workers elsewhere.
//!
//! Owns the subjects, the message headers, the stream and its fence, the relay that fills the stream, the event source that
//! reads it, and the buckets that hold the live views ([`kv`]). Stream and buckets are copies: they can be wiped at any time
//! and are made again, from the log and from the views. This crate
//! must never hold up a commit, never publish anything but the log's own bytes at the log's own positions and the views'
//! own rows, and never touch a stream or bucket that is not provably this log's.
//!
//! # The fence
//! The stream's sequence is the log's position. Every message says which sequence, and from a connection's second
//! message on also which message id, must be the stream's last for it to be stored; the id is made of log id, epoch,
//! position and a digest of the record. So a message gets in only behind the very record that precedes it in its log.
//! After anything unexpected the relay stops, waits for what is under way, and compares the stream's last message with
//! its own record byte for byte ([`RelayState`] tells the outcome):
//!
//! | two relays on one stream | what happens |
//! | --- | --- |
//! | same log, or a copy with the same records | whoever comes second is refused, compares, finds its own bytes, goes on behind them; every message is in the stream once, whoever sent it |
//! | a copy of the log that went another way | refused at the first record that differs, then fenced: the stream's last message is not its own |
//! | a copy that ends earlier | fenced: the stream knows records that it does not have |
//! | another log, another epoch | fenced at once: the stream names the log and the epoch that it belongs to |
//!
//! A fenced relay publishes nothing until the process is started again.

mod gaps;
pub mod headers;
pub mod kv;
mod lag;
pub mod limits;
mod link;
mod reader;
mod record;
pub mod relay;
pub mod service;
pub mod source;
pub mod stream;
pub mod subject;
mod target;
mod teller;
mod verify;
mod wire;

pub use gaps::{RemoteLog, Stretch};
pub use kv::{Kv, KvFence, KvHandle, KvOptions, KvState, KvStatus};
pub use link::ConnectError;
pub use relay::{FenceReason, Relay, RelayHandle, RelayOptions, RelayState, RelayStatus};
pub use service::{Asked, COMMANDS, CommandService, Commands, Refusal, SERVICE, Said, ServiceHandle, ServiceOptions, ServiceState};
pub use source::{JetStreamSource, SourceOptions, SourceState};
pub use stream::{STREAM, STREAM_SUBJECTS, StreamOwner, stream_config};
pub use subject::{area_filter, event_filter, subject};
pub use target::{check_address, without_secrets};
pub use verify::{Mismatch, VerifyError, VerifyReport, verify_stream};
