//! Everything that a demo left, searched for the names and telephone numbers of its people: the bytes of every file, and the entries
//! of every database as they are read, for its tables are compressed. It must never write into the folder.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use muster_demo::{City, Plain, PlainScanner};
use rocksdb::{DB, IteratorMode, Options};
use serde_json::json;

use super::screen::Screen;
use super::summary::Summary;

const READ_BYTES: usize = 8 * 1024 * 1024;

/// What the demo left: log, vault, views, snapshots, the worker's, the second run's, and JetStream's own if it lies below. The server
/// must have ended.
pub(super) async fn search(summary: &mut Summary, screen: &mut Screen, city: &City, folder: &Path) {
    const NAME: &str = "no_plain_personal_field_in_files";
    screen.verifying("在全部文件中查找明文", "looking for plain personal fields in every file");
    let (city, folder) = (city.clone(), folder.to_path_buf());
    let scanned = tokio::task::spawn_blocking(move || Search::of(&city, &folder)).await;
    match scanned.map_err(io::Error::other).and_then(|scanned| scanned) {
        Ok(Search { files, bytes, databases, entries, found, .. }) => {
            let ok = found.is_none() && files > 0 && entries > 0;
            let found = found.map(|(place, plain)| json!({"place": place, "field": plain.field, "offset": plain.offset}));
            summary.add(
                NAME,
                ok,
                json!({"files": files, "bytes": bytes, "databases": databases, "database_entries": entries, "found": found}),
            );
        }
        Err(error) => summary.failed(NAME, &error.to_string()),
    }
}

/// What was looked through, and the first personal field with its place.
struct Search {
    scanner: PlainScanner,
    files: u64,
    bytes: u64,
    databases: u64,
    entries: u64,
    found: Option<(String, Plain)>,
}

impl Search {
    fn of(city: &City, folder: &Path) -> io::Result<Self> {
        let mut search = Self { scanner: PlainScanner::new(city), files: 0, bytes: 0, databases: 0, entries: 0, found: None };
        search.folder(folder)?;
        Ok(search)
    }

    fn folder(&mut self, folder: &Path) -> io::Result<()> {
        let mut open: Vec<PathBuf> = vec![folder.to_path_buf()];
        while let Some(path) = open.pop() {
            // RocksDB names each of its folders for good.
            if path.join("IDENTITY").is_file() {
                self.databases += 1;
                self.database(&path).map_err(io::Error::other)?;
            }
            for entry in std::fs::read_dir(&path)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    open.push(entry.path());
                } else if kind.is_file() && self.found.is_none() {
                    self.file(&entry.path())?;
                }
            }
        }
        Ok(())
    }

    /// Every entry of every family, as a reader gets it.
    fn database(&mut self, path: &Path) -> Result<(), rocksdb::Error> {
        let mut options = Options::default();
        // RocksDB keeps a diary of every opening; this one is nobody's.
        let diary = tempfile::tempdir().ok();
        if let Some(diary) = &diary {
            options.set_db_log_dir(diary.path());
        }
        let families = DB::list_cf(&options, path)?;
        let database = DB::open_cf_for_read_only(&options, path, &families, false)?;
        for family in &families {
            let handle = database.cf_handle(family).expect("it was opened with the family");
            for entry in database.iterator_cf(handle, IteratorMode::Start) {
                let (key, value) = entry?;
                self.entries += 1;
                let plain = self.scanner.find(&key).or_else(|| self.scanner.find(&value));
                if let Some(plain) = plain {
                    self.found = Some((format!("{} {family} {}", path.display(), key.escape_ascii()), plain));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> io::Result<()> {
        match scan_file(&self.scanner, path) {
            Ok((read, plain)) => {
                self.files += 1;
                self.bytes += read;
                self.found = plain.map(|plain| (path.display().to_string(), plain));
                Ok(())
            }
            // A running nats-server removes its own temporary files.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn scan_file(scanner: &PlainScanner, path: &Path) -> io::Result<(u64, Option<Plain>)> {
    let mut file = File::open(path)?;
    let mut piece: Vec<u8> = Vec::with_capacity(READ_BYTES);
    let mut read = 0;
    // A table's compressed bytes are read as entries too, where a number is a number.
    let table = path.extension().is_some_and(|extension| extension == "sst");
    let find = |bytes: &[u8], from| if table { scanner.find_name(bytes) } else { scanner.find_from(bytes, from) };
    loop {
        let kept = piece.len();
        let taken = file.by_ref().take(READ_BYTES as u64).read_to_end(&mut piece)?;
        read += taken as u64;
        if let Some(plain) = find(&piece, usize::from(kept > 0)) {
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
    use std::collections::BTreeSet;

    use super::*;
    use muster_demo::Scale;

    #[test]
    fn a_plain_field_in_a_file_is_found_also_across_pieces() {
        let city = City::generate(1, Scale::Small);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        let mut bytes = vec![0u8; READ_BYTES - 5];
        std::fs::write(folder.path().join("below/clean"), &bytes).unwrap();
        let search = Search::of(&city, folder.path()).unwrap();
        assert_eq!((search.files, search.bytes, search.found), (1, bytes.len() as u64, None));
        let offset = bytes.len();
        bytes.extend_from_slice(city.responders[3].phone.as_bytes());
        std::fs::write(folder.path().join("below/leak"), &bytes).unwrap();
        let leak = folder.path().join("below/leak").display().to_string();
        assert_eq!(Search::of(&city, folder.path()).unwrap().found, Some((leak, Plain { field: "phone", offset })));
    }

    #[test]
    fn a_plain_field_in_a_compressed_table_is_found() {
        let city = City::generate(1, Scale::Small);
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_compression_type(rocksdb::DBCompressionType::Zstd);
        let rows = |plain: &str| {
            let database = DB::open_cf(&options, folder.path(), ["default", "rows"]).unwrap();
            let handle = database.cf_handle("rows").unwrap();
            for number in 0..500 {
                database.put_cf(handle, format!("row {number}"), format!("telephone 100, name, 100, {number}")).unwrap();
            }
            database.put_cf(handle, "row 77", format!("telephone {plain}")).unwrap();
            database.flush_cf(handle).unwrap();
        };
        rows("none");
        let search = Search::of(&city, folder.path()).unwrap();
        assert_eq!((search.databases, search.entries, search.found), (1, 500, None));
        rows(&city.responders[3].phone);
        let names = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>();
        let before = names(folder.path());
        let found = Search::of(&city, folder.path()).unwrap().found;
        assert_eq!(found, Some((format!("{} rows row 77", folder.path().display()), Plain { field: "phone", offset: 10 })));
        assert_eq!(names(folder.path()), before, "searching leaves nothing");
    }
}
