//! What the service asks of the server around it: the log, what a call is like now, and a pen for what became of a message. The service must
//! never reach for anything else of the server.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::config::Channel;
use crate::facts::Facts;
use crate::letter::{Letter, MessageId};
use crate::outcome::Report;

/// A future of the desk.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Which log, and which of its lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// The log's identity, as hexadecimal digits.
    pub id: String,
    /// The epoch.
    pub epoch: u32,
}

impl LogPlace {
    /// As much of the identity as stands in a message id.
    #[must_use]
    pub fn short(&self) -> &str {
        self.id.get(..8).unwrap_or(&self.id)
    }
}

/// A record of the log, as stored.
#[derive(Clone, Debug)]
pub struct Raw {
    /// Its position.
    pub position: u64,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What to do with a letter now.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Send it with these facts.
    Send(Box<Facts>),
    /// The log has it that it was sent already.
    Sent,
    /// It has become pointless, or there is nobody to whom it may be sent: why, as a word of ours.
    Pointless(&'static str),
    /// It cannot be sent by this channel at all: why, as a word of ours.
    Impossible(&'static str),
}

/// It cannot be said or written now; ask again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// The server, as the service sees it.
pub trait Desk: Send + Sync + 'static {
    /// Which log it is.
    fn place(&self) -> LogPlace;

    /// The last durable position.
    fn end(&self) -> u64;

    /// Some records from a position on, none where there are none yet.
    ///
    /// # Errors
    /// The log cannot be read: as words for the trace.
    fn read(&self, from: u64) -> Result<Vec<Raw>, String>;

    /// One record.
    ///
    /// # Errors
    /// The log cannot be read, or there is no such record.
    fn read_one(&self, position: u64) -> Result<Bytes, String>;

    /// Returns when the log has more than `position`, with `false` when it never will.
    fn more_than(&self, position: u64) -> Boxed<'_, bool>;

    /// What a letter tells, as things are now. With `may_be_told` a message with its call may have arrived that the log does not know of.
    fn facts<'a>(&'a self, letter: &'a Letter, id: &'a MessageId, channel: &'a Channel, may_be_told: bool)
    -> Boxed<'a, Result<Told, Gone>>;

    /// Takes down what became of a message; durable when it returns. The same report again changes nothing.
    fn record<'a>(&'a self, report: &'a Report) -> Boxed<'a, Result<(), Gone>>;

    /// The wall clock, Unix milliseconds.
    fn now_ms(&self) -> i64;
}
