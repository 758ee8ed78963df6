//! The messages of `proto/`: commands, events, the envelope and view rows, with their JSON form, name tables and checked decoding.
//!
//! This crate is the contract between the others. It must never decide anything, and it depends on none of them.

pub mod calendar;
mod encode;
mod json;
mod names;
mod port;
mod touched;

/// Generated from `proto/muster/v1`.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/muster.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/muster.v1.serde.rs"));
}

pub use encode::{CommonPart, DecodeError, EnvelopeEncoder, Peek, RecordPart, SCHEMA_VERSION, decode, peek};
pub use json::{FieldError, FieldFault, command_from_json, command_to_json};
pub use names::{Aggregate, COMMAND_NAMES, ENVELOPE_NAMES, aggregate_of, command_field, event_tag};
pub use port::{Answer, CommandError, CommandPort, Pending, Refusal, RefusalKind, Request};
pub use touched::{Touched, TouchedHome, TouchedOffice, TouchedPerson, TouchedUnit, UnitLine, levels, path_end, path_is_within};
pub use v1::command::Kind as Command;
pub use v1::envelope::Event;

/// The serialized `FileDescriptorSet` of `proto/`, comments included: OpenAPI and other documents are made from it.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The realm of real life; any other realm is one exercise.
pub const ACTUAL: &str = "actual";
