//! Folders of the benches: one scratch folder on a real disk, and quick copies of a data folder for each round.
//! It must never change a folder that it copies from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// Where everything is written; gone with the run.
pub(crate) struct Scratch {
    root: TempDir,
    made: std::cell::Cell<usize>,
}

impl Scratch {
    /// A folder below `parent`, or below the system's folder for such things.
    pub(crate) fn new(parent: Option<&Path>) -> Result<Self> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let root = tempfile::Builder::new().prefix("muster-bench-").tempdir_in(&parent);
        let root = root.with_context(|| format!("make a folder in {}", parent.display()))?;
        Ok(Self { root, made: std::cell::Cell::new(0) })
    }

    /// The name of a folder that is not there yet.
    pub(crate) fn fresh(&self, what: &str) -> PathBuf {
        self.made.set(self.made.get() + 1);
        self.root.path().join(format!("{what}-{}", self.made.get()))
    }

    /// A copy of a data folder that nobody has open.
    pub(crate) fn copy_of(&self, from: &Path, what: &str) -> Result<PathBuf> {
        let to = self.fresh(what);
        copy(from, &to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
        Ok(to)
    }

    /// The kind of file system, as the system names it: syncs to one in memory cost nothing and say nothing.
    pub(crate) fn file_system(&self) -> String {
        file_system(self.root.path()).unwrap_or_else(|| "unknown".to_owned())
    }
}

/// Removes a copy that is no longer needed, so that the disk holds one round at a time.
pub(crate) fn remove(dir: &Path) {
    // Left behind it goes with the scratch folder.
    let _ = fs::remove_dir_all(dir);
}

/// The bytes of the files in a folder.
pub(crate) fn bytes_of(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// Tables and the reserve never change once written, so they are linked; everything else is copied.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let fixed = source.extension().is_some_and(|extension| extension == "sst") || entry.file_name() == "reserve";
        if entry.file_type()?.is_dir() {
            copy(&source, &target)?;
        } else if !fixed || fs::hard_link(&source, &target).is_err() {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// Lets the disk come to rest before something is timed: what was written before must not be paid for in the measurement.
pub(crate) fn settle_disk() {
    // Without the program the rounds are only noisier.
    let _ = Command::new("sync").status();
}

fn file_system(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (_, at, kind) = (fields.next()?, fields.next()?, fields.next()?);
        path.starts_with(at).then(|| (at.len(), kind.to_owned()))
    });
    mounted.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_copy_has_every_file_and_leaves_the_original_alone() {
        let scratch = Scratch::new(None).unwrap();
        let from = scratch.fresh("from");
        fs::create_dir_all(from.join("db")).unwrap();
        for (name, text) in [("db/000001.sst", "table"), ("db/CURRENT", "manifest"), ("end", "7")] {
            fs::write(from.join(name), text).unwrap();
        }
        let to = scratch.copy_of(&from, "to").unwrap();
        fs::write(to.join("db/CURRENT"), "another").unwrap();
        fs::remove_file(to.join("db/000001.sst")).unwrap();
        assert_eq!(fs::read_to_string(from.join("db/CURRENT")).unwrap(), "manifest");
        assert_eq!(fs::read_to_string(from.join("db/000001.sst")).unwrap(), "table");
        assert_eq!(fs::read_to_string(to.join("end")).unwrap(), "7");
    }

    #[test]
    fn the_file_system_is_named() {
        assert!(!Scratch::new(None).unwrap().file_system().is_empty());
    }
}
