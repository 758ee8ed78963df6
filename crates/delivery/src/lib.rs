//! Takes calls to people: follows the log, sends a message over each channel that serves it, and says what became of it.
//!
//! Each channel is a lane of its own: it reads the log from its own place, keeps a bounded window of messages that are on their way, and leaves
//! the rest in the log, so that a slow channel holds up nobody else. A message's id is made of its place in the log and of the channel: it is
//! the same after any number of tries and restarts. Places and dead letters lie in a folder of their own and hold ids alone.
//!
//! Which channel comes next is the domain's to say. This crate must never decide it, must never send for what was in the log before it was
//! first started, and never keep or trace a name, a telephone number, a link or a secret.

mod attempt;
mod config;
mod desk;
mod facts;
mod lane;
mod letter;
pub mod limits;
mod outcome;
mod routes;
mod service;
mod sign;
mod store;
mod template;
mod token;
mod transport;
mod underway;
mod window;
mod words;

pub use config::{Channel, ChannelSettings, Delivery, Fault, Kind, Realms, Secrets, Serves, Settings};
pub use desk::{Boxed, Desk, Gone, LogPlace, Raw, Told};
pub use facts::{Facts, Fields};
pub use letter::{Letter, LetterKind, MessageId, Recipient};
pub use outcome::Report;
pub use routes::Routes;
pub use service::{ChannelStatus, Deliveries, ReceiptFault, Resent};
pub use sign::{Secret, SecretFault, Unsigned, dingtalk_query, sign, verify};
pub use store::{Dead, PlaceError};
pub use words::Lang;
