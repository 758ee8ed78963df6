//! Snapshots of the state: files in `state/` that a start goes on from. They are disposable: one that is damaged, of
//! another program or of another log is passed over, and the log is replayed instead.
//!
//! A file is: magic (8 bytes), format version (u32), fold fingerprint (u64), log id (16 bytes), epoch (u32), position
//! (u64), the state as postcard, CRC-32C of all before (u32). Numbers are little-endian.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use muster_domain::State;
use muster_log::{Behind, Epoch, EpochPosition, Log, LogId, Position};

use crate::errors::StartError;
use crate::limits;

include!(concat!(env!("OUT_DIR"), "/fingerprint.rs"));

const MAGIC: &[u8; 8] = b"MUSTERST";
const FORMAT_VERSION: u32 = 1;
const HEADER_BYTES: usize = 8 + 4 + 8 + 16 + 4 + 8;
const CRC_BYTES: usize = 4;
const EXTENSION: &str = "snapshot";

/// Whose state a snapshot is, and of when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) log: LogId,
    pub(crate) at: EpochPosition,
}

impl Place {
    fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        let parts: [&[u8]; 6] = [
            MAGIC,
            &FORMAT_VERSION.to_le_bytes(),
            &FOLD_FINGERPRINT.to_le_bytes(),
            &self.log.0,
            &self.at.epoch.0.to_le_bytes(),
            &self.at.position.0.to_le_bytes(),
        ];
        let mut at = 0;
        for part in parts {
            header[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        header
    }
}

/// Why a snapshot is passed over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("it was written by another version of the program")]
    OtherProgram,
    #[error("it is of another log, {0}")]
    OtherLog(LogId),
    #[error(transparent)]
    AheadOfLog(Behind),
    #[error("it is of epoch {0}, before a restore or an accepted loss")]
    OlderEpoch(Epoch),
}

/// Writes a snapshot so that it is there whole or not at all, and removes those that are no longer needed.
pub(crate) fn write(dir: &Path, place: &Place, state: &State) -> io::Result<PathBuf> {
    let path = dir.join(format!("{:010}-{:020}.{EXTENSION}", place.at.epoch.0, place.at.position.0));
    let unfinished = path.with_extension("tmp");
    let mut out = Checked { out: BufWriter::with_capacity(1 << 20, File::create(&unfinished)?), crc: 0 };
    out.write_all(&place.header())?;
    postcard::to_io(state, &mut out).map_err(io::Error::other)?;
    let crc = out.crc;
    out.out.write_all(&crc.to_le_bytes())?;
    out.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&unfinished, &path)?;
    sync_dir(dir)?;
    for old in list(dir)?.into_iter().skip(limits::SNAPSHOTS_KEPT) {
        fs::remove_file(old)?;
    }
    Ok(path)
}

/// Reads the newest snapshot that is usable, if there is one.
///
/// # Errors
/// [`StartError::StateAheadOfLog`] for one that knows more than the log: then acknowledged records are missing.
pub(crate) fn load_newest(dir: &Path, log: &dyn Log) -> Result<Option<(Position, State)>, StartError> {
    let io_error = |source| StartError::StateDir { path: dir.to_owned(), source };
    fs::create_dir_all(dir).map_err(io_error)?;
    remove_unfinished(dir).map_err(io_error)?;
    for path in list(dir).map_err(io_error)? {
        match load(&path, log) {
            Ok(found) => return Ok(Some(found)),
            Err(Unusable::AheadOfLog(behind)) => return Err(StartError::StateAheadOfLog { path, behind }),
            Err(reason) => tracing::warn!(path = %path.display(), %reason, "a snapshot of the state is passed over"),
        }
    }
    Ok(None)
}

fn load(path: &Path, log: &dyn Log) -> Result<(Position, State), Unusable> {
    let bytes = fs::read(path)?;
    let place = check(&bytes)?;
    if place.log != log.id() {
        return Err(Unusable::OtherLog(place.log));
    }
    // Asked before anything else about the content: whoever wrote it, it saw acknowledged records.
    log.check_not_behind(place.at, "the state snapshot").map_err(Unusable::AheadOfLog)?;
    if place.at.epoch != log.epoch() {
        return Err(Unusable::OlderEpoch(place.at.epoch));
    }
    if bytes[..HEADER_BYTES] != place.header() {
        return Err(Unusable::OtherProgram);
    }
    let state: State = postcard::from_bytes(&bytes[HEADER_BYTES..bytes.len() - CRC_BYTES])
        .map_err(|_| Unusable::Damaged("the state cannot be decoded"))?;
    Ok((place.at.position, state))
}

/// Checks everything that does not depend on the program that wrote the file.
fn check(bytes: &[u8]) -> Result<Place, Unusable> {
    if bytes.len() < HEADER_BYTES + CRC_BYTES {
        return Err(Unusable::Damaged("it is too short"));
    }
    let (content, crc) = bytes.split_at(bytes.len() - CRC_BYTES);
    if &content[..8] != MAGIC {
        return Err(Unusable::Damaged("it does not begin as a snapshot does"));
    }
    if crc32c::crc32c(content).to_le_bytes() != crc {
        return Err(Unusable::Damaged("the checksum differs"));
    }
    let version = u32::from_le_bytes(array(&content[8..]));
    if version != FORMAT_VERSION {
        return Err(Unusable::OtherProgram);
    }
    let log = LogId(array(&content[20..]));
    let epoch = Epoch(u32::from_le_bytes(array(&content[36..])));
    let position = Position(u64::from_le_bytes(array(&content[40..])));
    Ok(Place { log, at: EpochPosition { epoch, position } })
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes[..N].try_into().expect("the header is long enough, which was checked")
}

/// The snapshots in `dir`, newest first.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = files_with(dir, EXTENSION)?;
    // Epoch and position are written with leading zeros, so that names sort as they count.
    found.sort_unstable_by(|a, b| b.file_name().cmp(&a.file_name()));
    Ok(found)
}

fn remove_unfinished(dir: &Path) -> io::Result<()> {
    files_with(dir, "tmp")?.into_iter().try_for_each(fs::remove_file)
}

fn files_with(dir: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|known| known == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Sums up what passes through.
struct Checked<W> {
    out: W,
    crc: u32,
}

impl<W: Write> Write for Checked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
