//! Every file that a demo left, searched for the names and telephone numbers of its people. It must never write a file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use muster_demo::{City, Plain, PlainScanner};
use serde_json::json;

use super::screen::Screen;
use super::summary::Summary;

const READ_BYTES: usize = 8 * 1024 * 1024;

/// Every file that the demo left: log, vault, views, snapshots, the worker's, the second run's, and JetStream's own if it lies below.
pub(super) async fn search(summary: &mut Summary, screen: &mut Screen, city: &City, folder: &Path) {
    const NAME: &str = "no_plain_personal_field_in_files";
    screen.verifying("在全部文件中查找明文", "looking for plain personal fields in every file");
    let (city, folder) = (city.clone(), folder.to_path_buf());
    let scanned = tokio::task::spawn_blocking(move || scan_folder(&PlainScanner::new(&city), &folder)).await;
    match scanned.map_err(io::Error::other).and_then(|scanned| scanned) {
        Ok((files, bytes, found)) => {
            let found =
                found.map(|(path, plain)| json!({"file": path.display().to_string(), "field": plain.field, "offset": plain.offset}));
            summary.add(NAME, found.is_none() && files > 0, json!({"files": files, "bytes": bytes, "found": found}));
        }
        Err(error) => summary.failed(NAME, &error.to_string()),
    }
}

type Scanned = (u64, u64, Option<(PathBuf, Plain)>);

fn scan_folder(scanner: &PlainScanner, folder: &Path) -> io::Result<Scanned> {
    let (mut files, mut bytes) = (0, 0);
    let mut open = vec![folder.to_path_buf()];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(&path)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                files += 1;
                match scan_file(scanner, &entry.path()) {
                    Ok((read, None)) => bytes += read,
                    Ok((read, Some(plain))) => return Ok((files, bytes + read, Some((entry.path(), plain)))),
                    // A running nats-server removes its own temporary files.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => files -= 1,
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok((files, bytes, None))
}

fn scan_file(scanner: &PlainScanner, path: &Path) -> io::Result<(u64, Option<Plain>)> {
    let mut file = File::open(path)?;
    let mut piece: Vec<u8> = Vec::with_capacity(READ_BYTES);
    let mut read = 0;
    loop {
        let kept = piece.len();
        let taken = file.by_ref().take(READ_BYTES as u64).read_to_end(&mut piece)?;
        read += taken as u64;
        if let Some(plain) = scanner.find(&piece) {
            let before = usize::try_from(read).unwrap_or(usize::MAX) - taken - kept;
            return Ok((read, Some(Plain { offset: before + plain.offset, ..plain })));
        }
        if taken == 0 {
            return Ok((read, None));
        }
        // What begins in this piece may end in the next.
        let rest = piece.len().saturating_sub(PlainScanner::OVERLAP);
        piece.drain(..rest);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use muster_demo::Scale;

    #[test]
    fn a_plain_field_in_a_file_is_found_also_across_pieces() {
        let city = City::generate(1, Scale::Small);
        let scanner = PlainScanner::new(&city);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        let mut bytes = vec![0u8; READ_BYTES - 5];
        std::fs::write(folder.path().join("below/clean"), &bytes).unwrap();
        let (files, read, found) = scan_folder(&scanner, folder.path()).unwrap();
        assert_eq!((files, read, found), (1, bytes.len() as u64, None));
        let offset = bytes.len();
        bytes.extend_from_slice(city.responders[3].phone.as_bytes());
        std::fs::write(folder.path().join("below/leak"), &bytes).unwrap();
        let (_, _, found) = scan_folder(&scanner, folder.path()).unwrap();
        assert_eq!(found, Some((folder.path().join("below/leak"), Plain { field: "phone", offset })));
    }
}
