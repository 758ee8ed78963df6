//! The log on disk. Owns the folder: one RocksDB under one lock, the end mark, the reserve file.
//! It must never open a folder that another holds, nor one with a hole in it.
//!
//! | in the folder | what |
//! | --- | --- |
//! | `lock` | held while the log is open, with the holder's process id inside |
//! | `format` | `muster-log 1`: read before anything else is touched |
//! | `end` | the end mark: the last synced place, written after each sync and not synced itself |
//! | `reserve` | empty space that recovery can use when the disk is full |
//! | `db` | RocksDB with the families `records`, `commands`, `meta` |
//! | `db.lost-N` | the damaged database of epoch N, put aside when the loss was accepted |

mod accept;
mod backup;
mod database;
mod folder;
mod open;
mod read;
mod space;
mod store;
mod wal;

use std::path::Path;

use crate::errors::OpenError;
use crate::options::OpenOptions;
use crate::types::Position;
use crate::writer::{Core, Store as _, impl_log};

pub use accept::{AcceptedLoss, accept_loss, forget_commands};
pub use space::release_reserve;

use store::RocksStore;

/// The log on disk. One process opens it; inside of it, share it as `Arc<dyn Log>`.
pub struct RocksLog {
    core: Core<RocksStore>,
}

impl RocksLog {
    /// Opens the log in `dir`, creating it if the options allow.
    ///
    /// A torn tail, which a crash in the middle of a write leaves, is cut off: nothing of it was acknowledged. The end
    /// mark and [`OpenOptions::known_beyond`] tell a torn tail from a loss. All that the write-ahead log held is read
    /// and checked before this returns.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing in the folder has been changed for the worse.
    pub fn open(dir: impl AsRef<Path>, mut options: OpenOptions) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        let on_fatal = options.on_fatal.take();
        let (store, end) = open::open(dir, &options)?;
        let core =
            Core::start(store, end, options.queue_limits(), on_fatal).map_err(|source| OpenError::Io { path: dir.to_owned(), source })?;
        Ok(Self { core })
    }

    /// When the log was created, in milliseconds since 1970.
    #[must_use]
    pub fn created_ms(&self) -> u64 {
        self.core.store.created_ms()
    }

    /// Where the log lies.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.core.store.dir()
    }

    /// Reads and checks every record from `from` to the watermark, for `muster doctor`. Returns the last one checked.
    ///
    /// # Errors
    /// The first damage found; see [`crate::ReadError`].
    pub fn verify(&self, from: Position) -> Result<Position, crate::ReadError> {
        use crate::Log as _;
        let to = self.watermark();
        if from > to {
            return Ok(to);
        }
        self.core.store.verify(from.max(Position::FIRST), to)
    }
}

impl_log!(RocksLog);
