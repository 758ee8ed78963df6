//! The vault as its users see it: real folders, real processes, every byte of every file looked at.
#![allow(clippy::unwrap_used)]

mod backups;
mod common;
mod erasing;
mod full_disk;
mod killed;
mod opening;
mod sealing;
