//! The support of the system tests: real processes, started, killed and started again.
//!
//! It owns child processes and bounded waits, nothing of what is tested. It must never mock a part: a nats-server here
//! is a nats-server, a muster is the binary. A failure to set up is an `anyhow` error that a test unwraps.

pub mod binary;
pub mod buckets;
pub mod child;
pub mod harm;
pub mod limits;
pub mod nats;
pub mod nats_users;
pub mod process;
pub mod reader;
pub mod records;
pub mod stage;
pub mod wait;
