//! The server as its users meet it: a real one in this process or the real binary, on a folder and a port of its own.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

mod access;
mod answers;
mod bad_input;
mod batch;
mod binary;
mod common;
mod compressed;
mod delivery;
mod erasure;
mod events;
mod fill;
mod lifecycle;
mod live;
mod moments;
mod planning;
mod preview;
mod privacy;
mod provider;
mod reading;
mod routes;
mod upkeep;
