//! Fingerprints the code that folds records into state, so that a snapshot is only ever read by the code that wrote it.
//!
//! A snapshot of another fingerprint is not an error: `state/` is disposable, and the log is replayed instead.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    // Asked when the script runs: a clone elsewhere may share the target folder, and with it the built script.
    let crate_dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for build scripts"));
    let mut files = Vec::new();
    for folder in ["../domain/src", "../../proto"] {
        let folder = crate_dir.join(folder);
        println!("cargo:rerun-if-changed={}", folder.display());
        collect(&folder, &mut files)?;
    }
    // Sorted by the path below the workspace, for directories list their entries in any order.
    files.sort_unstable();
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    for file in &files {
        hash.add(file.strip_prefix(&crate_dir).unwrap_or(file).to_string_lossy().as_bytes());
        hash.add(&fs::read(file)?);
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it for build scripts"));
    let code = format!(
        "/// Fingerprint of the sources that define what a state is and how records fold into it.\npub(crate) const FOLD_FINGERPRINT: u64 = {:#018x};\n",
        hash.0
    );
    fs::write(out.join("fingerprint.rs"), code)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// FNV-1a: tells sources apart, nothing more is asked of it.
struct Fnv(u64);

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
