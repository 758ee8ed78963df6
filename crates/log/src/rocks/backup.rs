//! A copy of the running log: a RocksDB checkpoint with the files that belong beside it. It must never leave a half
//! copy under the target's name.

use std::fs;
use std::io;
use std::path::Path;

use rocksdb::checkpoint::Checkpoint;

use super::database;
use super::folder::{sync_parent, write_beside};
use super::store::RocksStore;
use crate::errors::BackupError;
use crate::types::{EpochPosition, Position};

/// Copies the log to `dir`; returns the last position in the copy.
pub(super) fn backup(store: &RocksStore, dir: &Path) -> Result<Position, BackupError> {
    if dir.exists() {
        return Err(BackupError::TargetExists { dir: dir.to_owned() });
    }
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let parts = dir.with_file_name(format!(".{name}.part"));
    let outcome = copy(store, dir, &parts);
    if outcome.is_err() {
        // What is left of it is in nobody's way: the next backup begins by removing it.
        let _ = fs::remove_dir_all(&parts);
    }
    outcome
}

fn copy(store: &RocksStore, dir: &Path, parts: &Path) -> Result<Position, BackupError> {
    let io_failed = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| BackupError::Io { path, source }
    };
    if parts.exists() {
        fs::remove_dir_all(parts).map_err(io_failed(parts))?;
    }
    fs::create_dir_all(parts).map_err(io_failed(parts))?;
    let position =
        checkpoint(store, &parts.join("db")).map_err(|error| BackupError::Store { dir: dir.to_owned(), detail: error.to_string() })?;
    let end = EpochPosition { epoch: store.facts.epoch, position };
    write_beside(parts, end).map_err(io_failed(parts))?;
    fs::rename(parts, dir).map_err(io_failed(dir))?;
    sync_parent(dir).map_err(io_failed(dir))?;
    Ok(position)
}

fn checkpoint(store: &RocksStore, database: &Path) -> Result<Position, rocksdb::Error> {
    Checkpoint::new(&store.db)?.create_checkpoint(database)?;
    // The writer goes on meanwhile: only the copy itself knows where it ends.
    database::last_position(&database::open_read_only(database)?)
}
