//! The files beside the database: lock, format, end mark. It must never change a folder that it does not hold.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::errors::OpenError;
use crate::format::{END_MARK_BYTES, FORMAT_VERSION, decode_end_mark, encode_end_mark};
use crate::types::{EpochPosition, Position};

const LOCK_FILE: &str = "lock";
const FORMAT_FILE: &str = "format";
const END_FILE: &str = "end";
const DATABASE_DIR: &str = "db";
const FORMAT_NAME: &str = "muster-log";

/// A held folder; dropping it lets go.
pub(super) struct Folder {
    dir: PathBuf,
    _lock: File,
}

pub(super) fn io_error(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.into();
    move |source| OpenError::Io { path, source }
}

impl Folder {
    /// Holds `dir`, which is created if `create` says so, and checks its format.
    pub(super) fn hold(dir: &Path, create: bool) -> Result<Self, OpenError> {
        if create {
            create_durably(dir).map_err(io_error(dir))?;
        } else if !dir.join(FORMAT_FILE).exists() && !dir.join(DATABASE_DIR).exists() {
            return Err(OpenError::NotFound { dir: dir.to_owned() });
        }
        let lock = lock(dir)?;
        let folder = Self { dir: dir.to_owned(), _lock: lock };
        folder.check_format(create)?;
        Ok(folder)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn database(&self) -> PathBuf {
        self.dir.join(DATABASE_DIR)
    }

    /// Where a rebuilt database grows before it takes the place of the damaged one.
    pub(super) fn rebuilt(&self) -> PathBuf {
        self.dir.join("db.new")
    }

    /// Where the damaged database of an epoch is put aside.
    pub(super) fn set_aside(&self, epoch: u32) -> PathBuf {
        self.dir.join(format!("db.lost-{epoch}"))
    }

    /// A log that was open before has a database: without one, a new and empty one must not take its place.
    pub(super) fn check_database(&self) -> Result<(), OpenError> {
        if self.database().join("CURRENT").exists() || !self.dir.join(END_FILE).exists() {
            return Ok(());
        }
        let detail = "the database is missing".to_owned();
        Err(OpenError::Damaged { dir: self.dir.clone(), position: Some(Position::FIRST), file: Some(self.database()), detail })
    }

    fn check_format(&self, create: bool) -> Result<(), OpenError> {
        let path = self.dir.join(FORMAT_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => return self.begin(&path),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
            Err(error) => return Err(io_error(path)(error)),
        };
        let found = text.strip_prefix(FORMAT_NAME).and_then(|rest| rest.trim().parse::<u32>().ok());
        match found {
            Some(FORMAT_VERSION) => Ok(()),
            Some(found) if found > FORMAT_VERSION => {
                Err(OpenError::NewerFormat { dir: self.dir.clone(), found, supported: FORMAT_VERSION })
            }
            _ => {
                let detail = format!("the file {FORMAT_FILE:?} does not say which format it has");
                Err(OpenError::NotALog { dir: self.dir.clone(), detail })
            }
        }
    }

    /// Writes the format of a new log, unless something else is in the folder already.
    fn begin(&self, path: &Path) -> Result<(), OpenError> {
        for entry in fs::read_dir(&self.dir).map_err(io_error(&self.dir))? {
            let name = entry.map_err(io_error(&self.dir))?.file_name();
            if name != LOCK_FILE && name != format!("{FORMAT_FILE}.new").as_str() {
                let detail = format!("it holds {name:?} and no file {FORMAT_FILE:?}");
                return Err(OpenError::NotALog { dir: self.dir.clone(), detail });
            }
        }
        write_format(path).map_err(io_error(path))
    }

    /// The place that the last run knew to be synced; none if the file is missing or torn by a power failure.
    pub(super) fn end_mark(&self) -> Result<Option<EpochPosition>, OpenError> {
        let path = self.dir.join(END_FILE);
        match fs::read(&path) {
            Ok(stored) => Ok(decode_end_mark(&stored)
                .inspect_err(|error| tracing::warn!(%error, path = %path.display(), "the end mark is unreadable"))
                .ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(path)(error)),
        }
    }

    /// Opens the end mark for writing and puts `end` into it, synced.
    pub(super) fn begin_end_mark(&self, end: EpochPosition) -> Result<EndMark, OpenError> {
        let path = self.dir.join(END_FILE);
        EndMark::create(&path, end).map_err(io_error(path))
    }
}

/// Creates a folder and those above it, so that they are still there after a power failure.
fn create_durably(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_durably(parent)?;
    }
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_parent(dir)
}

/// Makes the name of a file or folder as durable as what is in it.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(parent)?.sync_all()
}

/// Takes the lock and writes the own process id into it.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(io_error(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // The id only helps the reader of the message; a lock file without one is still held.
            let _ = file.read_to_string(&mut text);
            return Err(OpenError::InUse { dir: dir.to_owned(), pid: text.trim().parse().ok() });
        }
        Err(TryLockError::Error(source)) => return Err(OpenError::Io { path, source }),
    }
    // The holder's id only helps people; a disk without room for five bytes must not keep the log from recovering.
    let noted = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    if let Err(error) = noted {
        tracing::warn!(%error, path = %path.display(), "the process id could not be noted in the lock file");
    }
    Ok(file)
}

/// Written beside and renamed, so that there is never a half of it; the folder is synced so that it stays.
pub(super) fn write_format(path: &Path) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    writeln!(file, "{FORMAT_NAME} {FORMAT_VERSION}")?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_parent(path)
}

/// Makes the files that a copied database needs beside it.
pub(super) fn write_beside(dir: &Path, end: EpochPosition) -> io::Result<()> {
    EndMark::create(&dir.join(END_FILE), end)?;
    write_format(&dir.join(FORMAT_FILE))
}

/// Remembers the last synced place without a sync of its own: it survives a killed process, and tells at the next open
/// whether the end that was found is the end that was acknowledged. After a power failure it may lag, never lead.
pub(super) struct EndMark {
    file: File,
}

impl EndMark {
    fn create(path: &Path, end: EpochPosition) -> io::Result<Self> {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        file.write_all_at(&encode_end_mark(end), 0)?;
        file.set_len(END_MARK_BYTES as u64)?;
        file.sync_all()?;
        Ok(Self { file })
    }

    pub(super) fn move_to(&self, end: EpochPosition) -> io::Result<()> {
        self.file.write_all_at(&encode_end_mark(end), 0)
    }
}
