//! Free space: the sample that commands are refused by, and the reserve that recovery lives on. It must never keep a
//! log from opening because the reserve cannot be made.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use fs4::FileExt as _;

use crate::limits;
use crate::types::Space;

const RESERVE_FILE: &str = "reserve";

/// Samples the free space of a directory's disk.
pub(super) struct SpaceProbe {
    dir: PathBuf,
    floor_bytes: u64,
    born: Instant,
    free_bytes: AtomicU64,
    /// When the next sample is due, in milliseconds since `born`.
    due_ms: AtomicU64,
}

impl SpaceProbe {
    pub(super) fn new(dir: &Path, floor_bytes: u64) -> Self {
        Self { dir: dir.to_owned(), floor_bytes, born: Instant::now(), free_bytes: AtomicU64::new(0), due_ms: AtomicU64::new(0) }
    }

    pub(super) fn space(&self) -> Space {
        let now_ms = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now_ms >= self.due_ms.load(Ordering::Relaxed) {
            self.sample();
            self.due_ms.store(now_ms.saturating_add(limits::SPACE_SAMPLE_MS), Ordering::Relaxed);
        }
        Space { free_bytes: self.free_bytes.load(Ordering::Relaxed), floor_bytes: self.floor_bytes }
    }

    /// Looks at the disk now. If it cannot be asked, that is no reason to refuse: a write will tell.
    pub(super) fn sample(&self) -> u64 {
        let free_bytes = fs4::available_space(&self.dir).unwrap_or(u64::MAX);
        self.free_bytes.store(free_bytes, Ordering::Relaxed);
        free_bytes
    }
}

/// Makes the reserve if there is room for it above the floor, and gives it back if there is too little room.
pub(super) fn settle_reserve(dir: &Path, reserve_bytes: u64, floor_bytes: u64) {
    let free_bytes = match fs4::available_space(dir) {
        Ok(free_bytes) => free_bytes,
        Err(error) => {
            tracing::warn!(%error, dir = %dir.display(), "the free space cannot be asked for");
            return;
        }
    };
    let path = dir.join(RESERVE_FILE);
    let outcome = if free_bytes < floor_bytes {
        tracing::warn!(free_bytes, floor_bytes, "the disk is nearly full, the log's reserve is given back");
        release_reserve(dir).map(drop)
    } else if reserve_bytes > 0 && !path.exists() && free_bytes >= floor_bytes.saturating_add(reserve_bytes) {
        File::create(&path).and_then(|file| file.allocate(reserve_bytes))
    } else {
        Ok(())
    };
    if let Err(error) = outcome {
        tracing::warn!(%error, path = %path.display(), "the log's reserve could not be settled");
    }
}

/// Gives the reserve in the log directory `dir` back to the disk and returns its size in bytes; 0 if there was none.
/// The next open with enough room makes it again.
///
/// # Errors
/// What the file system says.
pub fn release_reserve(dir: &Path) -> io::Result<u64> {
    let path = dir.join(RESERVE_FILE);
    let bytes = match fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    fs::remove_file(&path)?;
    Ok(bytes)
}
