//! What is done to NATS behind everybody's back: killed, and its stream and buckets lost whole or in part.

use anyhow::Result;
use async_nats::jetstream;
use muster_feed::STREAM;

use crate::nats::NatsServer;

/// One harm.
#[derive(Clone, Copy, Debug)]
pub enum Harm {
    /// Killed and started again.
    Killed,
    /// Killed and started again on an empty disk.
    Wiped,
    /// The stream is emptied.
    Purged,
    /// The stream ends earlier than it did.
    CutBack,
    /// The stream is deleted.
    Removed,
    /// Every bucket of a view is deleted.
    BucketsRemoved,
}

/// What the stream keeps where it is cut back.
const KEPT: u64 = 200;

/// JetStream, with all rights.
///
/// # Errors
/// NATS is not there.
pub async fn stream_context(nats: &NatsServer) -> Result<jetstream::Context> {
    Ok(jetstream::new(async_nats::connect(nats.url()).await?))
}

/// Does it. What somebody is quicker to make good again is left at that.
///
/// # Errors
/// The process cannot be killed or started.
pub async fn do_harm(nats: &mut NatsServer, harm: Harm) -> Result<()> {
    match harm {
        Harm::Killed => nats.restart().await?,
        Harm::Wiped => {
            nats.kill9()?;
            nats.wipe_storage()?;
            nats.restart().await?;
        }
        Harm::Removed => drop(stream_context(nats).await?.delete_stream(STREAM).await),
        Harm::Purged => {
            if let Some(stream) = replace_stream(nats, 20).await {
                let _ = stream.purge().await;
            }
        }
        Harm::CutBack => drop(replace_stream(nats, KEPT).await),
        Harm::BucketsRemoved => {
            let context = stream_context(nats).await?;
            for view in muster_views::View::ALL {
                let _ = context.delete_key_value(format!("muster_{view}")).await;
            }
        }
    }
    Ok(())
}

/// A stream of the same owner that forbids nothing, holding the first `keep` messages: what an operator leaves who restores an old
/// copy, or purges.
async fn replace_stream(nats: &NatsServer, keep: u64) -> Option<jetstream::stream::Stream> {
    let context = stream_context(nats).await.ok()?;
    let mut stream = context.get_stream(STREAM).await.ok()?;
    let config = stream.info().await.ok()?.config.clone();
    let last = stream.cached_info().state.last_sequence;
    let mut kept = Vec::new();
    for sequence in 1..=keep.min(last) {
        kept.push(stream.get_raw_message(sequence).await.ok()?);
    }
    context.delete_stream(STREAM).await.ok()?;
    let config = jetstream::stream::Config { deny_delete: false, deny_purge: false, ..config };
    let stream = context.create_stream(config).await.ok()?;
    for message in kept {
        // The relay may be quicker; then the stream is what it makes of it.
        let published = context.publish_with_headers(message.subject, message.headers, message.payload).await.ok()?;
        published.await.ok()?;
    }
    Some(stream)
}
