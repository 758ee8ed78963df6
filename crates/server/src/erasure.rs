//! Carries out what the log says of erasures: it follows the log and destroys the key of everybody whose personal data was erased.
//!
//! The event is the decision and comes first; the key goes after it, and a process that ends in between goes on at its next start. How far
//! it is lies beside the vault and never ahead of it: what was done twice is harmless, what was left out would be a broken promise. A place
//! that is missing, or of another log or epoch, means from the beginning. It must never decide who is erased.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use muster_log::{Epoch, EpochPosition, Log, LogId, Position, ReadError, Record, Tail};
use muster_proto::Event;
use muster_vault::Vault;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::limits;

/// The file beside the vault's own: `<log id> <epoch>.<position>` of the last record that was looked at.
const PLACE_FILE: &str = "erased-up-to";

/// The follower, and the way to end it.
pub struct Erasures {
    stop: watch::Sender<bool>,
    done: watch::Receiver<Position>,
    task: JoinHandle<()>,
}

impl Erasures {
    /// Follows the log from where the vault in `dir` is.
    pub(crate) fn spawn(log: Arc<dyn Log>, vault: Arc<Vault>, dir: &Path) -> Self {
        let place = Place { file: dir.join(PLACE_FILE), log: log.id(), epoch: log.epoch() };
        let (stop, stopped) = watch::channel(false);
        let from = place.read().filter(|known| *known <= log.watermark()).unwrap_or(Position(0));
        let (progress, done) = watch::channel(from);
        let follower = Follower { tail: Tail::new(log, from.next()), vault, place, progress, since_kept: 0 };
        Self { stop, done, task: tokio::spawn(follower.run(stopped)) }
    }

    /// Waits until every erasure up to `position` is carried out. Returns too when the follower has ended.
    pub async fn wait_for(&self, position: Position) {
        let mut done = self.done.clone();
        // An error says that it has ended, and nothing more will come.
        let _ = done.wait_for(|done| *done >= position).await;
    }

    /// Carries out what the log has, a bounded time, and ends; what is left is done after the next start.
    pub(crate) async fn finish(mut self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(limits::SHUTDOWN_GRACE, &mut self.task).await.is_err() {
            tracing::warn!("erasures were still being carried out when the time to finish was over; they go on after the next start");
            self.task.abort();
        }
    }
}

/// Where the follower is, across restarts.
struct Place {
    file: PathBuf,
    log: LogId,
    epoch: Epoch,
}

impl Place {
    /// `None` from the beginning: no file, or one that tells of another log or epoch.
    fn read(&self) -> Option<Position> {
        let text = std::fs::read_to_string(&self.file).ok()?;
        let (log, at) = text.trim().split_once(' ')?;
        let at: EpochPosition = at.parse().ok()?;
        (log == self.log.to_string() && at.epoch == self.epoch).then_some(at.position)
    }

    /// Whole or not at all. An error costs the next start some reading and nothing else.
    fn keep(&self, position: Position) -> std::io::Result<()> {
        let partial = self.file.with_extension("partial");
        let mut file = std::fs::File::create(&partial)?;
        writeln!(file, "{} {}", self.log, EpochPosition { epoch: self.epoch, position })?;
        file.sync_all()?;
        std::fs::rename(&partial, &self.file)
    }
}

struct Follower {
    tail: Tail,
    vault: Arc<Vault>,
    place: Place,
    progress: watch::Sender<Position>,
    /// Records looked at since the place was kept.
    since_kept: u64,
}

impl Follower {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let ended = self.follow(&mut stopped).await;
        if let Err(error) = ended {
            tracing::error!(%error, next = %self.tail.next_position(), "erasures are no longer carried out; they go on after the next start");
        }
        self.keep();
    }

    async fn follow(&mut self, stopped: &mut watch::Receiver<bool>) -> Result<(), ReadError> {
        loop {
            // Dropped without an order to finish, it ends as well.
            let stopping = *stopped.borrow() || stopped.has_changed().is_err();
            let batch = if stopping {
                self.tail.try_next_batch()?
            } else {
                tokio::select! {
                    biased;
                    _ = stopped.wait_for(|stopped| *stopped) => continue,
                    batch = self.tail.next_batch() => match batch {
                        Err(ReadError::Stopped(_)) => return Ok(()),
                        batch => batch?,
                    },
                }
            };
            if batch.is_empty() || !self.carry_out(&batch, stopped).await {
                return Ok(());
            }
        }
    }

    /// Whether to go on: not when a stop was asked for while the vault refuses.
    async fn carry_out(&mut self, batch: &[Record], stopped: &mut watch::Receiver<bool>) -> bool {
        let named = batch.iter().filter_map(|record| Some((record.position, erased_by(record)?)));
        let (known, others): (Vec<_>, Vec<_>) = named.partition(|(_, subject)| Vault::may_hold(subject));
        for (position, subject) in others {
            tracing::error!(%position, bytes = subject.len(), "an erasure names nobody whom the vault could hold");
        }
        let subjects: Vec<String> = known.into_iter().map(|(_, subject)| subject).collect();
        while !subjects.is_empty() {
            let (vault, erased) = (Arc::clone(&self.vault), subjects.clone());
            let erase = move || vault.erase_many(&erased.iter().map(String::as_str).collect::<Vec<_>>());
            match tokio::task::spawn_blocking(erase).await {
                Ok(Ok(_)) => break,
                Ok(Err(error)) => {
                    tracing::error!(%error, people = subjects.len(), "personal data that was erased in the log is still in the vault; trying again")
                }
                Err(error) => tracing::error!(%error, "an erasure broke off; trying again"),
            }
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => return false,
                () = tokio::time::sleep(limits::ERASURE_RETRY) => {}
            }
        }
        self.since_kept += batch.len() as u64;
        if let Some(last) = batch.last() {
            self.progress.send_replace(last.position);
        }
        if !subjects.is_empty() {
            tracing::info!(people = subjects.len(), "personal data was erased");
        }
        if !subjects.is_empty() || self.since_kept >= limits::ERASURE_PLACE_EVERY {
            self.keep();
        }
        true
    }

    fn keep(&mut self) {
        let position = *self.progress.borrow();
        match self.place.keep(position) {
            Ok(()) => self.since_kept = 0,
            Err(error) => tracing::warn!(%error, file = %self.place.file.display(), "where the erasures are could not be kept"),
        }
    }
}

/// Whose personal data a record erases. A record that cannot be read stops whoever must understand it; here it erases nobody.
fn erased_by(record: &Record) -> Option<String> {
    let peek = muster_proto::peek(&record.bytes).ok()?;
    if muster_proto::event_tag("PersonalDataErased") != Some(peek.event_tag) {
        return None;
    }
    match muster_proto::decode(&record.bytes).ok()?.event? {
        Event::PersonalDataErased(body) => Some(body.responder_id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use muster_log::{MemoryLog, Unit};
    use muster_proto::{ACTUAL, CommonPart, EnvelopeEncoder, RecordPart, v1};
    use muster_vault::{Opened, SeededEntropy, VaultOptions};

    use super::*;

    /// An erasure of each of them, as one unit.
    fn erasures(ids: &[&str]) -> Unit {
        let count = u32::try_from(ids.len()).unwrap();
        let mut encoder = EnvelopeEncoder::new(&CommonPart { recorded_at_ms: 1, count, ..CommonPart::default() }, ids.len());
        let record = |(index, id): (u32, &&str)| {
            let event = Event::PersonalDataErased(v1::PersonalDataErased { responder_id: (*id).to_owned(), ..Default::default() });
            encoder.encode(&RecordPart {
                position: u64::from(index) + 1,
                index,
                realm: ACTUAL,
                area_path: &v1::AreaPath::default(),
                other_area_ids: &[],
                cause: 0,
                origin: v1::Origin::External,
                event: &event,
            })
        };
        Unit::records_only(Position(1), (0..).zip(ids).map(record).collect())
    }

    /// One line that named nobody whom the vault could hold made the follower pass over everybody who stood in the same batch.
    #[tokio::test]
    async fn a_line_that_names_nobody_skips_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Arc::new(Vault::open(&folder.path().join("vault"), VaultOptions::new(Box::new(SeededEntropy::new(1)))).unwrap());
        let (first, last) = (vault.seal("r-1", "name", "陈秀英").unwrap(), vault.seal("r-2", "name", "欧阳清婉").unwrap());
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let too_long = "x".repeat(2_000);
        let (durable, done) = tokio::sync::oneshot::channel();
        log.append(erasures(&["r-1", &too_long, "", "r-2"]), Box::new(move |outcome| durable.send(outcome.is_ok()).unwrap())).unwrap();
        assert!(done.await.unwrap());
        let erasures = Erasures::spawn(log, Arc::clone(&vault), folder.path());
        erasures.wait_for(Position(4)).await;
        assert_eq!(vault.open_field(&first, "name").unwrap(), Opened::Erased);
        assert_eq!(vault.open_field(&last, "name").unwrap(), Opened::Erased);
        erasures.finish().await;
    }
}
