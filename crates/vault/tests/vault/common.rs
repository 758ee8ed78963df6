//! What the vault's tests share: opening with a seed, and looking into every file of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use muster_vault::{OpenError, OsEntropy, PlainField, SeededEntropy, Vault, VaultOptions};

pub(crate) fn open(dir: &Path) -> Vault {
    try_open(dir).unwrap()
}

pub(crate) fn try_open(dir: &Path) -> Result<Vault, OpenError> {
    Vault::open(dir, VaultOptions::new(Box::new(OsEntropy::new())))
}

pub(crate) fn open_seeded(dir: &Path, seed: u64) -> Vault {
    Vault::open(dir, VaultOptions::new(Box::new(SeededEntropy::new(seed)))).unwrap()
}

pub(crate) fn field<'a>(subject: &'a str, field: &'a str, text: &'a str) -> PlainField<'a> {
    PlainField { subject, field, text }
}

/// Every file below `dir` with its bytes, in the order of paths.
pub(crate) fn all_files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.clone(), fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return true };
    haystack.iter().enumerate().filter(|(_, byte)| *byte == first).any(|(at, _)| haystack[at..].starts_with(needle))
}

/// Files below `dir` in which `needle` stands.
pub(crate) fn files_with(dir: &Path, needle: &[u8]) -> Vec<PathBuf> {
    all_files(dir).into_iter().filter(|(_, bytes)| contains(bytes, needle)).map(|(path, _)| path).collect()
}

/// Copies a folder with all that is in it.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    for (path, bytes) in all_files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}
