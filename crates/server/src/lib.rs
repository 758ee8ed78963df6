//! Muster's server as a library: configuration, gateway, HTTP, command line, and the wiring of all crates into one process.
//!
//! Owns what touches the outside: sockets, files of the configuration, signals, languages. It must never decide about the
//! domain, and nothing that leaves it holds a personal field in plain text.

pub mod access;
pub mod asyncapi;
pub mod cli;
mod clockmark;
pub mod config;
mod delivery;
pub mod demo;
pub mod descriptors;
pub mod erasure;
pub mod gateway;
pub mod http;
pub mod import;
pub mod limits;
pub mod nats;
pub mod nightly;
pub mod openapi;
pub mod openfiles;
pub mod problem;
mod program;
mod remote_log;
pub mod service;
pub mod startup;
pub mod telemetry;
pub mod time;
pub mod wiring;
pub mod words;

pub use program::Muster;
