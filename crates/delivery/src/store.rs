//! Where each channel is, and what could not be delivered: a file each, in a folder of their own. They hold places, ids and words of ours, and
//! never anything personal. A place is written whole or not at all, and only once everything before it is finished or named in it.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::desk::LogPlace;
use crate::limits;
use crate::window::Key;

/// Why the places cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A file or the folder cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{}: {detail}", .path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// A channel has seen records that the log does not have.
    #[error("the channel {channel} has seen record {known}, the log ends at {end}")]
    Ahead {
        /// The channel.
        channel: String,
        /// How far it was.
        known: u64,
        /// The log's end.
        end: u64,
    },
}

/// Where a channel is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// The log's identity and epoch; a place in another one says nothing.
    pub(crate) log: String,
    pub(crate) epoch: u32,
    /// The last record that was looked at.
    pub(crate) read: u64,
    /// The other end wants nothing more at an address of this digest.
    pub(crate) gone: Option<String>,
    /// Unfinished: key, when taken up, tries.
    pub(crate) unfinished: Vec<(Key, i64, u32)>,
}

/// A message that could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dead {
    /// The message.
    pub id: String,
    /// What it is about, e.g. `call`.
    pub kind: String,
    /// The call, empty for none.
    pub call_id: String,
    /// Why it was given up, as a word of ours.
    pub reason: String,
    /// How often it was tried.
    pub tries: u32,
    /// When it was given up, Unix milliseconds.
    pub at_ms: i64,
}

/// Forgets where channels were that are not used any more: one that comes back begins at the end, and sends nothing of the past.
pub(crate) fn forget_others(dir: &Path, is_used: impl Fn(&str) -> bool) -> Result<(), PlaceError> {
    let failed = |source| PlaceError::Io { path: dir.to_owned(), source };
    fs::create_dir_all(dir).map_err(failed)?;
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let channel = path.file_stem().and_then(|name| name.to_str()).filter(|_| path.extension().is_some_and(|kind| kind == "json"));
        if let Some(channel) = channel.filter(|name| !is_used(name)) {
            tracing::info!(channel, "the channel is used no more; where it was is forgotten");
            fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

/// The files of one channel.
#[derive(Debug)]
pub(crate) struct Store {
    place_file: PathBuf,
    dead_file: PathBuf,
}

impl Store {
    pub(crate) fn open(dir: &Path, channel: &str) -> Result<Self, PlaceError> {
        fs::create_dir_all(dir).map_err(|source| PlaceError::Io { path: dir.to_owned(), source })?;
        Ok(Self { place_file: dir.join(format!("{channel}.json")), dead_file: dir.join(format!("{channel}.dead")) })
    }

    /// Where the channel was; at the end for one that is new, or whose place is of another log or epoch: what is in the log already was for
    /// others to send. Written at once, so that a kill right after the first start loses nothing.
    pub(crate) fn place(&self, log: &LogPlace, end: u64, channel: &str) -> Result<Place, PlaceError> {
        let known = match fs::read(&self.place_file) {
            Ok(bytes) => Some(serde_json::from_slice::<Place>(&bytes).map_err(|error| self.damaged(&error.to_string()))?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(PlaceError::Io { path: self.place_file.clone(), source }),
        };
        match known {
            Some(place) if place.log == log.id && place.epoch == log.epoch => {
                let seen = place.unfinished.iter().map(|((position, _), _, _)| *position).fold(place.read, u64::max);
                if seen > end { Err(PlaceError::Ahead { channel: channel.to_owned(), known: seen, end }) } else { Ok(place) }
            }
            other => {
                if let Some(other) = &other {
                    let (was, left) = (format!("{}.{}", other.epoch, other.read), other.unfinished.len());
                    tracing::warn!(channel, %was, left, end, "the log is another one, or in another epoch: the channel begins at its end");
                }
                let place = Place {
                    log: log.id.clone(),
                    epoch: log.epoch,
                    read: end,
                    gone: other.and_then(|other| other.gone),
                    ..Place::default()
                };
                self.keep(&place).map_err(|source| PlaceError::Io { path: self.place_file.clone(), source })?;
                Ok(place)
            }
        }
    }

    fn damaged(&self, detail: &str) -> PlaceError {
        PlaceError::Damaged { path: self.place_file.clone(), detail: detail.to_owned() }
    }

    /// Whole or not at all; durable when it returns. Blocks.
    pub(crate) fn keep(&self, place: &Place) -> io::Result<()> {
        replace(&self.place_file, &serde_json::to_vec(place)?)
    }

    /// The dead letters of this log and epoch, the oldest first. A line that was cut off by a kill is left out.
    pub(crate) fn dead(&self, is_ours: impl Fn(&Dead) -> bool) -> Result<DeadLetters, PlaceError> {
        let text = match fs::read_to_string(&self.dead_file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(PlaceError::Io { path: self.dead_file.clone(), source }),
        };
        let letters: VecDeque<Dead> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(is_ours).collect();
        let mut file = DeadFile { path: self.dead_file.clone(), lines: text.lines().count(), is_torn: false };
        if letters.len() != file.lines {
            file.rewrite(&letters).map_err(|source| PlaceError::Io { path: self.dead_file.clone(), source })?;
        }
        Ok(DeadLetters { letters: Mutex::new(letters), file: Mutex::new(file) })
    }
}

/// Dead letters: those in memory are on the disk. Whoever asks for them never waits for the disk; whoever changes them does.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    letters: Mutex<VecDeque<Dead>>,
    /// Held while the disk is written, and taken before `letters`.
    file: Mutex<DeadFile>,
}

#[derive(Debug)]
struct DeadFile {
    path: PathBuf,
    /// Its lines, of which there are more than letters once old ones fell off.
    lines: usize,
    /// A line may have been cut off: the next one would be joined to it.
    is_torn: bool,
}

impl DeadLetters {
    /// The newest first.
    pub(crate) fn newest(&self, most: usize) -> Vec<Dead> {
        self.letters.lock().iter().rev().take(most).cloned().collect()
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.letters.lock().iter().any(|dead| dead.id == id)
    }

    pub(crate) fn len(&self) -> usize {
        self.letters.lock().len()
    }

    /// Puts some in; durable when it returns, and nothing has changed where it fails. The same one again takes the place of the former. Blocks.
    pub(crate) fn add(&self, new: &[Dead]) -> io::Result<()> {
        let mut file = self.file.lock();
        let is_again = |dead: &Dead| new.iter().any(|other| other.id == dead.id);
        let put = |letters: &mut VecDeque<Dead>| {
            letters.extend(new.iter().cloned());
            let too_many = letters.len().saturating_sub(limits::DEAD_MAX);
            letters.drain(..too_many);
        };
        if file.is_torn || file.lines + new.len() > 2 * limits::DEAD_MAX || self.letters.lock().iter().any(is_again) {
            let mut letters = self.letters.lock().clone();
            letters.retain(|dead| !is_again(dead));
            put(&mut letters);
            file.rewrite(&letters)?;
            *self.letters.lock() = letters;
        } else {
            file.append(new)?;
            put(&mut self.letters.lock());
        }
        Ok(())
    }

    /// Takes one out; whether it was there. Blocks.
    pub(crate) fn remove(&self, id: &str) -> io::Result<bool> {
        let mut file = self.file.lock();
        let mut letters = self.letters.lock().clone();
        let before = letters.len();
        letters.retain(|dead| dead.id != id);
        if letters.len() == before {
            return Ok(false);
        }
        file.rewrite(&letters)?;
        *self.letters.lock() = letters;
        Ok(true)
    }
}

fn lines_of<'a>(letters: impl IntoIterator<Item = &'a Dead>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for dead in letters {
        serde_json::to_writer(&mut bytes, dead)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

impl DeadFile {
    fn append(&mut self, new: &[Dead]) -> io::Result<()> {
        let (bytes, is_new) = (lines_of(new)?, !self.path.exists());
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        self.is_torn = true;
        file.write_all(&bytes)?;
        file.sync_data()?;
        if is_new {
            sync_folder(&self.path)?;
        }
        self.lines += new.len();
        self.is_torn = false;
        Ok(())
    }

    fn rewrite(&mut self, letters: &VecDeque<Dead>) -> io::Result<()> {
        replace(&self.path, &lines_of(letters)?)?;
        self.lines = letters.len();
        self.is_torn = false;
        Ok(())
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let mut file = File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    sync_folder(path)
}

/// A file that is new, or was renamed, is there after a power cut only once its folder is written.
fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn log(epoch: u32) -> LogPlace {
        LogPlace { id: "ab".repeat(16), epoch }
    }

    fn dead(id: &str) -> Dead {
        Dead { id: id.into(), kind: "call".into(), call_id: "c1".into(), reason: "refused".into(), tries: 1, at_ms: 5 }
    }

    #[test]
    fn a_new_channel_begins_at_the_end_and_goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "sms").unwrap();
        let mut place = store.place(&log(1), 40, "sms").unwrap();
        assert_eq!((place.read, place.unfinished.len()), (40, 0));
        // Killed at once: the place is there.
        assert_eq!(store.place(&log(1), 45, "sms").unwrap().read, 40);
        place.read = 44;
        place.unfinished = vec![((42, 1), 7, 3)];
        store.keep(&place).unwrap();
        assert_eq!(store.place(&log(1), 45, "sms").unwrap(), place);
    }

    #[test]
    fn another_epoch_begins_at_the_end_and_a_shorter_log_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "sms").unwrap();
        store.place(&log(1), 40, "sms").unwrap();
        assert!(matches!(store.place(&log(1), 39, "sms"), Err(PlaceError::Ahead { known: 40, end: 39, .. })));
        assert_eq!(store.place(&log(2), 12, "sms").unwrap().read, 12);
        let other = LogPlace { id: "cd".repeat(16), epoch: 2 };
        assert_eq!(store.place(&other, 3, "sms").unwrap().read, 3);
        fs::write(&store.place_file, "{").unwrap();
        assert!(matches!(store.place(&other, 3, "sms"), Err(PlaceError::Damaged { .. })));
    }

    fn ids(letters: &DeadLetters) -> Vec<String> {
        letters.newest(usize::MAX).into_iter().map(|dead| dead.id).collect()
    }

    #[test]
    fn dead_letters_survive_a_line_that_was_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "sms").unwrap();
        let letters = store.dead(|_| true).unwrap();
        letters.add(&[dead("m1"), dead("m2")]).unwrap();
        letters.add(&[dead("m1")]).unwrap();
        letters.add(&[dead("m3")]).unwrap();
        assert!(letters.remove("m2").unwrap() && !letters.remove("m2").unwrap());
        OpenOptions::new().append(true).open(&store.dead_file).unwrap().write_all(b"{\"id\":\"m4").unwrap();
        assert_eq!(ids(&store.dead(|_| true).unwrap()), ["m3", "m1"]);
        assert_eq!(ids(&store.dead(|dead| dead.id != "m1").unwrap()), ["m3"]);
    }

    /// A write that failed must not show a letter that no restart finds, and must not spoil the line of the next.
    #[test]
    fn what_the_disk_did_not_take_is_not_among_the_dead() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "sms").unwrap();
        let letters = store.dead(|_| true).unwrap();
        fs::create_dir(&store.dead_file).unwrap();
        assert!(letters.add(&[dead("m1")]).is_err() && letters.len() == 0);
        fs::remove_dir(&store.dead_file).unwrap();
        letters.add(&[dead("m2")]).unwrap();
        OpenOptions::new().append(true).open(&store.dead_file).unwrap().write_all(b"{\"id\":\"m3").unwrap();
        letters.file.lock().is_torn = true;
        letters.add(&[dead("m4")]).unwrap();
        assert_eq!((ids(&letters), ids(&store.dead(|_| true).unwrap())), (vec!["m4".into(), "m2".into()], vec!["m4".into(), "m2".into()]));
    }

    #[test]
    fn only_so_many_dead_letters_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let letters = Store::open(dir.path(), "sms").unwrap().dead(|_| true).unwrap();
        let many: Vec<Dead> = (0..limits::DEAD_MAX).map(|at| dead(&format!("m{at}"))).collect();
        letters.add(&many).unwrap();
        letters.add(&[dead("one more")]).unwrap();
        assert_eq!((letters.len(), letters.has("m0"), letters.has("m1"), letters.has("one more")), (limits::DEAD_MAX, false, true, true));
    }
}
