//! Generations: which one is in use, and the change from one to the next. `CURRENT` is replaced by a rename, so it names either the old one or the
//! new one, never a half of both.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::errors::StoreError;

const CURRENT: &str = "CURRENT";
const LOCK: &str = "LOCK";
const FIRST: u32 = 1;

/// Takes the folder for this process.
pub(super) fn lock(root: &Path) -> Result<File, StoreError> {
    fs::create_dir_all(root).map_err(at(root))?;
    let path = root.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { dir: root.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StoreError::Io { path, source }),
    }
}

/// The folder of the generation in use. Others, left by a rebuild that did not come to its end, are removed.
pub(super) fn current(root: &Path) -> Result<PathBuf, StoreError> {
    let number = named(root)?;
    let current = folder(root, number);
    for entry in fs::read_dir(root).map_err(at(root))? {
        let path = entry.map_err(at(root))?.path();
        if path != current && number_of(&path).is_some() {
            discard(&path)?;
        }
    }
    Ok(current)
}

/// An empty folder for the generation after `current`.
pub(crate) fn begin(root: &Path, current: &Path) -> Result<PathBuf, StoreError> {
    let number = number(current) + 1;
    let next = folder(root, number);
    discard(&next)?;
    Ok(next)
}

/// Makes `next` the generation in use.
pub(crate) fn swap(root: &Path, next: &Path) -> Result<(), StoreError> {
    let number = number(next);
    let path = root.join(CURRENT);
    let temporary = root.join("CURRENT.new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(number.to_string().as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(root)?.sync_all()
    };
    write().map_err(at(&path))
}

/// Removes a generation.
pub(crate) fn discard(dir: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::Io { path: dir.to_owned(), source: error }),
        _ => Ok(()),
    }
}

/// The number in `CURRENT`; what cannot be read as one means the first, for the views can be folded anew.
fn named(root: &Path) -> Result<u32, StoreError> {
    let path = root.join(CURRENT);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().parse().unwrap_or(FIRST)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(FIRST),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(FIRST),
        Err(source) => Err(StoreError::Io { path, source }),
    }
}

fn folder(root: &Path, number: u32) -> PathBuf {
    root.join(format!("generation-{number}"))
}

/// The number of a generation by its folder.
pub(super) fn number(dir: &Path) -> u32 {
    number_of(dir).unwrap_or(FIRST)
}

fn number_of(dir: &Path) -> Option<u32> {
    dir.file_name()?.to_str()?.strip_prefix("generation-")?.parse().ok()
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    move |source| StoreError::Io { path: path.to_owned(), source }
}
