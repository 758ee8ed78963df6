//! The right to publish a view: one key in a bucket where everything runs out. Taken, renewed and let go by compare-and-set,
//! so that of two who ask one gets it. It must never be believed for longer than it surely holds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::LEASES;
use super::bucket::{stream_name, subject};
use super::value::{DELETED, OPERATION_HEADER, is_deleted};
use crate::limits;
use crate::stream::{self, ApiError, api_error};

/// Who holds a lease.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    /// For people.
    name: String,
    /// Of one publisher in one process.
    instance: String,
}

/// A lease that was had, and may have run out.
pub(super) struct Lease {
    jetstream: Context,
    subject: String,
    holder: Bytes,
    lives: Duration,
    revision: AtomicU64,
    /// When it was last asked for, by the answer that gave it: the server counts from later.
    asked: Mutex<Instant>,
}

impl Lease {
    /// Takes the lease of a view; none while another one has it.
    pub(super) async fn take(
        jetstream: &Context,
        view: &str,
        name: &str,
        instance: &str,
        lives: Duration,
    ) -> Result<Option<Self>, ApiError> {
        let subject = subject(LEASES, view);
        let found = stream::last_of(jetstream, &stream_name(LEASES), &subject).await?;
        let revision = match &found {
            None => 0,
            Some(message) => {
                let own = serde_json::from_slice::<Holder>(&message.payload).is_ok_and(|holder| holder.instance == instance);
                if !own && !is_deleted(Some(&message.headers)) {
                    return Ok(None);
                }
                message.sequence
            }
        };
        let holder = Holder { name: name.to_owned(), instance: instance.to_owned() };
        let lease = Self {
            jetstream: jetstream.clone(),
            subject,
            holder: serde_json::to_vec(&holder).expect("two texts are JSON").into(),
            lives,
            revision: AtomicU64::new(revision),
            asked: Mutex::new(Instant::now()),
        };
        match lease.ask().await {
            Ok(()) => Ok(Some(lease)),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(None),
            Err(error) => Err(api_error("take the lease", &error)),
        }
    }

    /// Renews it for as long as that goes well. Returns why it went wrong; whoever publishes stops at once.
    pub(super) async fn keep(&self) -> String {
        loop {
            tokio::time::sleep(self.lives / limits::KV_LEASE_PARTS).await;
            let left = self.ends().saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, self.ask()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => match error.kind() {
                    PublishErrorKind::WrongLastSequence => return "another one has the lease".to_owned(),
                    PublishErrorKind::StreamNotFound => return "the bucket of the leases is gone".to_owned(),
                    _ if self.ends() <= Instant::now() => return format!("the lease was not renewed: {error}"),
                    _ => tracing::debug!(%error, "the lease is asked for again"),
                },
                Err(_) => return "the lease was not renewed in time".to_owned(),
            }
        }
    }

    /// When it is no longer sure: before the server lets it run out.
    fn ends(&self) -> Instant {
        *self.asked.lock() + self.lives - self.lives / limits::KV_LEASE_PARTS
    }

    async fn ask(&self) -> Result<(), PublishError> {
        let asked = Instant::now();
        let message = PublishMessage::build().payload(self.holder.clone());
        self.put(message).await?;
        *self.asked.lock() = asked;
        Ok(())
    }

    async fn put(&self, message: PublishMessage) -> Result<(), PublishError> {
        let message = message.expected_last_subject_sequence(self.revision.load(Ordering::Acquire));
        let stored = self.jetstream.send_publish(self.subject.clone(), message).await?.await?;
        self.revision.store(stored.sequence, Ordering::Release);
        Ok(())
    }

    /// Lets it go, so that another one need not wait until it runs out.
    pub(super) async fn release(&self) {
        let message = PublishMessage::build().header(OPERATION_HEADER, DELETED);
        // Not let go, it runs out.
        let _ = tokio::time::timeout(limits::KV_RELEASE_TIMEOUT, self.put(message)).await;
    }
}
