//! Where rows are compared with the bucket and written to it, many at a time: the puts first, then what is to be deleted, then
//! the marker. It must never write without naming the revision that it replaces.

use std::collections::{HashMap, VecDeque};

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use muster_log::{EpochPosition, LogId};
use muster_views::{ChangeBatch, ChangeKind, PlacedRow, View};

use super::bucket::{self, stream_name, subject};
use super::held::Held;
use super::key::{MARKER, bucket_name, key_of, row_key};
use super::publisher::{End, Shared};
use super::value::{Content, Digest, Marker, headers};
use crate::stream::{ApiError, api_error};

/// Rows that changed and are not written yet, each once, by key; nothing for a key that has no row any more.
#[derive(Default)]
pub(super) struct Pending {
    rows: HashMap<String, Option<PlacedRow>>,
    /// As of where all of this is so.
    pub(super) at: EpochPosition,
}

/// Rows compared before others on the runtime get their turn: a millisecond or so.
const ROWS_A_TURN: usize = 128;

impl Pending {
    pub(super) fn take(&mut self, batch: ChangeBatch) {
        self.at = batch.at;
        for change in batch.changes {
            match change.kind {
                ChangeKind::Upsert { placed, former_path } => {
                    if let Some(former) = former_path {
                        self.rows.insert(row_key(&change.realm, &former, &change.id), None);
                    }
                    self.rows.insert(key_of(&placed), Some(placed));
                }
                ChangeKind::Remove { former_path } => {
                    self.rows.insert(row_key(&change.realm, &former_path, &change.id), None);
                }
            }
        }
    }

    /// Nothing else has changed up to here.
    pub(super) fn reach(&mut self, at: EpochPosition) {
        self.at = self.at.max(at);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

/// A write that was sent.
struct UnderWay {
    key: String,
    content: Option<Digest>,
    answer: PublishAckFuture,
}

/// One bucket under one lease.
pub(super) struct Desk<'a> {
    jetstream: &'a Context,
    bucket: String,
    log: LogId,
    window: usize,
    shared: &'a Shared,
    held: Held,
    under_way: VecDeque<UnderWay>,
    /// While the rows come that the bucket is compared with.
    filling: Option<Filling>,
    /// Up to where the bucket was said to be complete.
    told: EpochPosition,
}

#[derive(Default)]
struct Filling {
    /// Whether the bucket says that it is not complete.
    announced: bool,
}

impl<'a> Desk<'a> {
    pub(super) fn new(jetstream: &'a Context, view: View, log: LogId, window: usize, shared: &'a Shared, held: Held) -> Self {
        let bucket = bucket_name(view);
        Self {
            jetstream,
            bucket,
            log,
            window: window.max(1),
            shared,
            held,
            under_way: VecDeque::new(),
            filling: None,
            told: EpochPosition::default(),
        }
    }

    /// All rows follow, with which the bucket is compared.
    pub(super) fn begin(&mut self) {
        self.held.compare();
        self.filling = Some(Filling::default());
    }

    /// Puts the rows that the bucket does not have. With the last of them, whatever no row was met with is deleted, and the bucket
    /// is complete.
    pub(super) async fn fill(&mut self, rows: Vec<PlacedRow>, at: EpochPosition, last: bool) -> Result<(), End> {
        self.not_before(at)?;
        for (index, placed) in rows.iter().enumerate() {
            if index % ROWS_A_TURN == 0 {
                tokio::task::yield_now().await;
            }
            let (key, content) = (key_of(placed), Content::of(&placed.row));
            if self.held.holds(&key, &content.digest) {
                self.held.meet(&key);
            } else {
                self.put(key, &content, at).await?;
            }
        }
        self.settle().await?;
        if last {
            for key in self.held.stale() {
                self.delete(key, at).await?;
            }
            self.settle().await?;
            self.filling = None;
            self.mark(at, true).await?;
        }
        Ok(())
    }

    /// Writes what has changed, and that everything up to there is in the bucket. A row that moved has its new key before the old
    /// one goes.
    pub(super) async fn write(&mut self, pending: &mut Pending) -> Result<(), End> {
        let at = pending.at;
        if at <= self.told && pending.len() == 0 {
            return Ok(());
        }
        self.not_before(at)?;
        let mut gone = Vec::new();
        for (key, row) in pending.rows.drain() {
            let Some(placed) = row else {
                gone.push(key);
                continue;
            };
            let content = Content::of(&placed.row);
            if self.held.holds(&key, &content.digest) {
                // While rows are still to come: it is there, although no page has it.
                self.held.meet(&key);
            } else {
                self.put(key, &content, at).await?;
            }
        }
        self.settle().await?;
        for key in gone {
            if self.held.is_there(&key) {
                self.delete(key, at).await?;
            }
        }
        self.settle().await?;
        if self.filling.is_some() { Ok(()) } else { self.mark(at, true).await }
    }

    /// Says again up to where the bucket is in step, and looks whether somebody else wrote.
    pub(super) async fn beat(&mut self) -> Result<(), End> {
        // Nothing is said of a bucket that is being filled, so that whoever watches does not take it for whole.
        if self.filling.is_none() {
            self.mark(self.held.at, true).await?;
        }
        let found = bucket::state(self.jetstream, &stream_name(&self.bucket)).await?;
        if found == (self.held.last, self.held.messages()) {
            Ok(())
        } else {
            Err(End::Changed("somebody else changed the bucket".to_owned()))
        }
    }

    /// Nothing older is written where something newer was.
    fn not_before(&self, at: EpochPosition) -> Result<(), End> {
        if at >= self.held.at { Ok(()) } else { Err(End::Changed(format!("the bucket is at {}, the rows are at {at}", self.held.at))) }
    }

    async fn mark(&mut self, at: EpochPosition, complete: bool) -> Result<(), End> {
        let marker = Marker::new(self.log, at, complete, self.held.rows());
        self.send(MARKER.to_owned(), Some(Digest::default()), marker.bytes(), at).await?;
        self.settle().await?;
        if complete {
            self.told = at;
            self.shared.is_at(at);
        }
        Ok(())
    }

    /// Before the first change to a bucket that is being filled it says that it is not complete.
    async fn announce(&mut self, at: EpochPosition) -> Result<(), End> {
        match &mut self.filling {
            Some(filling) if !filling.announced => filling.announced = true,
            _ => return Ok(()),
        }
        self.mark(at, false).await
    }

    async fn put(&mut self, key: String, content: &Content, at: EpochPosition) -> Result<(), End> {
        self.announce(at).await?;
        self.shared.count_put();
        self.send(key, Some(content.digest), content.at(at), at).await
    }

    async fn delete(&mut self, key: String, at: EpochPosition) -> Result<(), End> {
        self.announce(at).await?;
        self.shared.count_delete();
        self.send(key, None, Bytes::new(), at).await
    }

    async fn send(&mut self, key: String, content: Option<Digest>, value: Bytes, at: EpochPosition) -> Result<(), End> {
        while self.under_way.len() >= self.window {
            self.settle_one().await?;
        }
        let message = PublishMessage::build().payload(value).headers(headers(at, content.is_none()));
        let message = message.expected_last_subject_sequence(self.held.revision(&key));
        let answer = self.jetstream.send_publish(subject(&self.bucket, &key), message).await.map_err(|error| refused(&error))?;
        self.held.at = self.held.at.max(at);
        self.under_way.push_back(UnderWay { key, content, answer });
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), End> {
        while !self.under_way.is_empty() {
            self.settle_one().await?;
        }
        self.shared.holds(self.held.rows());
        Ok(())
    }

    async fn settle_one(&mut self) -> Result<(), End> {
        let Some(UnderWay { key, content, answer }) = self.under_way.pop_front() else { return Ok(()) };
        let stored = answer.await.map_err(|error| refused(&error))?;
        if stored.sequence != self.held.last + 1 {
            return Err(End::Changed("somebody else wrote to the bucket".to_owned()));
        }
        self.held.note(&key, stored.sequence, content);
        Ok(())
    }
}

/// A refusal says that somebody else wrote, or that there is no bucket: it is read anew. Anything else may be the connection's
/// fault.
fn refused(error: &PublishError) -> End {
    match error.kind() {
        PublishErrorKind::WrongLastSequence => End::Changed("somebody else wrote to the bucket".to_owned()),
        PublishErrorKind::StreamNotFound => End::Changed("the bucket is gone".to_owned()),
        _ => End::from(api_error("store a row", error)),
    }
}

impl From<ApiError> for End {
    fn from(error: ApiError) -> Self {
        Self::Again(error.to_string())
    }
}
