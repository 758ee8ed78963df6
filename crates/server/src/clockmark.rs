//! The mark by which `muster doctor --accept-clock` tells the next start that the clock may be behind the last record. It
//! stays until the clock has caught up, and must never be set by the server itself.

use std::io;
use std::path::Path;

use muster_log::{Log, ReadError};
use muster_proto::DecodeError;

const FILE: &str = "clock-accepted";

/// Whether the mark is set.
pub(crate) fn is_set(data: &Path) -> bool {
    data.join(FILE).exists()
}

/// Sets it.
pub(crate) fn set(data: &Path) -> io::Result<()> {
    std::fs::write(data.join(FILE), b"")
}

/// Takes the mark away once the wall clock is past the last record, so that the next step back is seen again.
pub(crate) fn clear_if_over(data: &Path, last_recorded_ms: i64, wall_ms: i64) {
    if wall_ms >= last_recorded_ms {
        // Not there is the usual case; a mark that stays is looked at again at the next start.
        let _ = std::fs::remove_file(data.join(FILE));
    }
}

/// Why the last record's time is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LastRecordError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The record cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// When the last record was made, Unix milliseconds; 0 for an empty log.
pub(crate) fn last_recorded_ms(log: &dyn Log) -> Result<i64, LastRecordError> {
    let end = log.watermark();
    if end == muster_log::Position::ZERO {
        return Ok(0);
    }
    Ok(muster_proto::peek(&log.read_one(end)?.bytes)?.recorded_at_ms)
}
