//! Channels at work against a real HTTP receiver: signatures, repeats, refusals, places across restarts, receipts. The desk is a log in memory.
#![allow(clippy::unwrap_used, missing_docs)]

mod places;
mod receipts;
mod sending;
mod support;
mod tls;
