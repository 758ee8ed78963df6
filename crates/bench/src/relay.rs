//! `relay`: the log's records carried to a real JetStream stream by the fenced relay, beside bare pipelined publishes of the
//! same payloads to the same subjects of an equal stream, with the same window.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::{self, context::PublishAckFuture, stream::Config};
use async_nats::{Client, Subject};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use muster_feed::{Relay, RelayOptions, STREAM, StreamOwner, stream_config, verify_stream};
use muster_log::{Log, Position};
use muster_proto::decode;
use serde::Deserialize;

use crate::folder::settle_disk;
use crate::history::{Histories, open_log};
use crate::limits;
use crate::nats::NatsServer;
use crate::progress::show_round;
use crate::row::{AimOf, Better, Measured, Pair, Row};
use crate::setting::Setting;

const NAME: &str = "relay";
const BY_HAND: &str = "relay_beside_one_inbox";

/// A message of the bare publish.
type Message = (Subject, Bytes);

/// What both sides publish.
struct Work {
    log: Arc<dyn Log>,
    first: Position,
    last: Position,
    messages: Vec<Message>,
}

/// The row of the relay.
pub(crate) fn run(setting: &Setting<'_>, histories: &mut Histories<'_>) -> Result<Vec<Row>> {
    let full = histories.full()?;
    let log: Arc<dyn Log> = Arc::new(open_log(&setting.scratch.copy_of(&full.data, "relay")?)?);
    let work = Work::read(log, setting.relayed_records())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = NatsServer::start(&setting.scratch.fresh("nats"))?;
    let (mut beside_library, mut beside_hand) = (Vec::new(), Vec::new());
    for round in 0..=setting.rounds {
        show_round(NAME, round, setting.rounds);
        let relayed = runtime.block_on(within(relay(&work, server.url(), round == 0)))?;
        let library = runtime.block_on(within(bare(&work, server.url(), Bare::Library)))?;
        let by_hand = runtime.block_on(within(bare(&work, server.url(), Bare::OneInbox)))?;
        if round > 0 {
            let rate = |seconds: f64| work.messages.len() as f64 / seconds;
            beside_library.push(Pair { value: rate(relayed), reference: rate(library) });
            beside_hand.push(Pair { value: rate(relayed), reference: rate(by_hand) });
        }
    }
    let bytes: usize = work.messages.iter().map(|(_, payload)| payload.len()).sum();
    let detail = format!(
        "{} records of {} bytes a round, window {}, file storage; the first stream compared with the log byte for byte",
        work.messages.len(),
        bytes / work.messages.len(),
        muster_feed::limits::WINDOW
    );
    let row = |name, reference, aim, pairs: &[Pair]| {
        Measured { name, unit: "messages/s", better: Better::Higher, reference, aim, pairs, detail: detail.clone() }.row()
    };
    let library = "bare pipelined JetStream publish of the client library, same payloads, subjects and window";
    let by_hand = "the same written by hand around one inbox, no headers: the most that client and server give";
    Ok(vec![row(NAME, library, Some((AimOf::RatioAtLeast, 0.8)), &beside_library), row(BY_HAND, by_hand, None, &beside_hand)])
}

impl Work {
    /// The last `count` records of a log.
    fn read(log: Arc<dyn Log>, count: u64) -> Result<Self> {
        let last = log.watermark();
        ensure!(last.0 >= count, "the log has {last} records, {count} are to be relayed");
        let first = Position(last.0 - count + 1);
        let mut messages = Vec::with_capacity(usize::try_from(count)?);
        let mut next = first;
        while next <= last {
            for record in log.read(next, 1 << 20, 4_096)? {
                let subject = muster_feed::subject(&decode(&record.bytes)?)?;
                // A copy, so that one record does not hold the whole batch it was read with.
                messages.push((Subject::from(subject), Bytes::copy_from_slice(&record.bytes)));
                next = record.position.next();
            }
        }
        ensure!(messages.len() as u64 == count, "{} records were read", messages.len());
        Ok(Self { log, first, last, messages })
    }
}

async fn within(round: impl Future<Output = Result<f64>>) -> Result<f64> {
    tokio::time::timeout(limits::RELAY_ROUND_MAX, round).await.context("the publishing got stuck")?
}

/// The fenced relay, from its start until the stream holds the last record. Returns the seconds.
async fn relay(work: &Work, url: &str, verify: bool) -> Result<f64> {
    settle_disk();
    let started = Instant::now();
    let options = RelayOptions { first: work.first, ..RelayOptions::new(url) };
    let relay = Relay::spawn(Arc::clone(&work.log), options);
    let status = relay.relayed(work.last).await;
    let seconds = started.elapsed().as_secs_f64();
    let count = work.messages.len() as u64;
    ensure!(status.relayed == work.last && status.published == count && status.refused == 0, "the relay came to {status:?}");
    relay.shutdown().await;
    if verify {
        let report = verify_stream(Arc::clone(&work.log), url, STREAM).await?;
        ensure!(report.unequal == 0 && report.equal == count, "the stream is not the log: {report:?}");
    }
    end_stream(url, STREAM, work.first.0, work.last.0).await?;
    Ok(seconds)
}

/// The stream holds what it should; then it goes, for the next one takes the same subjects.
async fn end_stream(url: &str, name: &str, first: u64, last: u64) -> Result<()> {
    let jetstream = jetstream::new(async_nats::connect(url).await?);
    let stream = jetstream.get_stream(name).await?;
    let state = &stream.cached_info().state;
    ensure!(
        (state.first_sequence, state.last_sequence, state.messages) == (first, last, last - first + 1),
        "{name} holds {} messages from {} to {}",
        state.messages,
        state.first_sequence,
        state.last_sequence
    );
    jetstream.delete_stream(name).await?;
    Ok(())
}

/// How the bare publish is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bare {
    /// With the client library's own publish and its acknowledgements, the way everybody uses JetStream.
    Library,
    /// By hand, with one inbox for all answers: the most that this client and server give.
    OneInbox,
}

/// Publishes with the client alone: no fence, no headers, a window of messages under way. Returns the seconds.
async fn bare(work: &Work, url: &str, how: Bare) -> Result<f64> {
    const BARE: &str = "BENCH_BARE";
    let config = Config { name: BARE.to_owned(), ..stream_config(BARE, StreamOwner::of(&*work.log), work.first, 1) };
    settle_disk();
    let started = Instant::now();
    let client =
        async_nats::ConnectOptions::new().client_capacity(limits::BARE_CAPACITY).skip_subject_validation(true).connect(url).await?;
    let jetstream = jetstream::new(client.clone());
    jetstream.create_stream(config).await?;
    match how {
        Bare::Library => publish_by_library(&jetstream, &work.messages).await?,
        Bare::OneInbox => publish_by_hand(&client, &work.messages, work.last.0).await?,
    }
    let seconds = started.elapsed().as_secs_f64();
    end_stream(url, BARE, work.first.0, work.last.0).await?;
    Ok(seconds)
}

async fn publish_by_library(jetstream: &jetstream::Context, messages: &[Message]) -> Result<()> {
    let mut under_way: VecDeque<PublishAckFuture> = VecDeque::with_capacity(muster_feed::limits::WINDOW);
    for (subject, payload) in messages {
        if under_way.len() == muster_feed::limits::WINDOW
            && let Some(oldest) = under_way.pop_front()
        {
            oldest.await?;
        }
        under_way.push_back(jetstream.publish(subject.clone(), payload.clone()).await?);
    }
    for acknowledgement in under_way {
        acknowledgement.await?;
    }
    Ok(())
}

/// The answer to a publish, as far as a bare publisher looks at it.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    seq: u64,
}

async fn publish_by_hand(client: &Client, messages: &[Message], last: u64) -> Result<()> {
    let inbox = Subject::from(client.new_inbox());
    let mut answers = client.subscribe(inbox.clone()).await?;
    let mut waiting: VecDeque<&Message> = messages.iter().collect();
    let mut under_way = 0;
    while !waiting.is_empty() || under_way > 0 {
        while under_way < muster_feed::limits::WINDOW
            && let Some((subject, payload)) = waiting.pop_front()
        {
            client.publish_with_reply(subject.clone(), inbox.clone(), payload.clone()).await?;
            under_way += 1;
        }
        let mut answer = tokio::time::timeout(Duration::from_secs(10), answers.next()).await.context("no acknowledgement for 10 s")?;
        while let Some(message) = answer {
            let stored: Answer = serde_json::from_slice(&message.payload)?;
            under_way -= 1;
            let wanted = last - (waiting.len() + under_way) as u64;
            ensure!(stored.seq == wanted, "message {wanted} is answered with {}", stored.seq);
            answer = answers.next().now_or_never().flatten();
        }
    }
    Ok(())
}
