//! `kv_rows`: all views of the converted city put into empty buckets, beside bare pipelined publishes of the same values to the
//! same keys of an equal bucket. `kv_seen_p50`, `kv_seen_p99`: from a command's durable answer until a watcher of the bucket has
//! the row, beside bare NATS from publish to subscription.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::{self, context::PublishAckFuture, kv};
use bytes::Bytes;
use futures::StreamExt as _;
use muster_feed::kv::{LEASES, bucket_name, row_key};
use muster_feed::{Kv, KvOptions};
use muster_log::Log;
use muster_proto::CommandPort as _;
use muster_server::config::Nats;
use muster_server::wiring::{Server, ServerOptions};
use muster_views::{Filter, LogSource, Page, RunnerOptions, View, ViewStore, ViewsHandle, row_json, spawn};

use crate::folder::settle_disk;
use crate::history::{Duty, Histories, open_log, presence};
use crate::limits;
use crate::nats::NatsServer;
use crate::progress::show_round;
use crate::row::{Better, Measured, Pair, Row};
use crate::setting::Setting;

pub(crate) const NAMES: [&str; 3] = ["kv_rows", "kv_seen_p50", "kv_seen_p99"];
const BARE: &str = "bench_bare";

/// A key with its value.
type Entry = (String, Bytes);

/// The rows of both measurements.
pub(crate) fn run(setting: &Setting<'_>, histories: &mut Histories<'_>) -> Result<Vec<Row>> {
    let (converted, duties) = histories.converted()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let nats = NatsServer::start(&setting.scratch.fresh("nats"))?;
    let log: Arc<dyn Log> = Arc::new(open_log(&setting.scratch.copy_of(&converted.data, "kv")?)?);
    let mut rows = vec![runtime.block_on(throughput(setting, &log, &nats))?];
    let nats = NatsServer::start(&setting.scratch.fresh("nats"))?;
    let data = setting.scratch.copy_of(&converted.data, "kv-seen")?;
    rows.extend(runtime.block_on(latency(setting, &data, &duties, &nats))?);
    Ok(rows)
}

pub(crate) async fn within<T>(what: &str, part: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limits::RELAY_ROUND_MAX, part).await.with_context(|| format!("stuck: {what}"))?
}

async fn throughput(setting: &Setting<'_>, log: &Arc<dyn Log>, nats: &NatsServer) -> Result<Row> {
    let store = ViewStore::open(&setting.scratch.fresh("kv-views"))?;
    let views = spawn(&View::ALL, store, LogSource::new(Arc::clone(log)), RunnerOptions::default())?;
    views.wait_for(log.watermark()).await?;
    let entries = entries(&views)?;
    let count: usize = entries.iter().map(Vec::len).sum();
    let bytes: usize = entries.iter().flatten().map(|(_, value)| value.len()).sum();
    let mut pairs = Vec::new();
    for round in 0..=setting.rounds {
        show_round(NAMES[0], round, setting.rounds);
        let value = within("the buckets", fill(&views, nats.url(), count as u64)).await?;
        let reference = within("the bare publishes", bare(&entries, nats.url())).await?;
        if round > 0 {
            let rate = |seconds: f64| count as f64 / seconds;
            pairs.push(Pair { value: rate(value), reference: rate(reference) });
        }
    }
    views.shutdown().await?;
    let measured = Measured {
        name: NAMES[0],
        unit: "rows/s",
        better: Better::Higher,
        reference: "bare pipelined publishes of the client library, same keys, values and window, no compare-and-set",
        aim: None,
        pairs: &pairs,
        detail: format!(
            "{count} rows of {} bytes into {} empty buckets, leases and comparison included",
            bytes / count.max(1),
            View::ALL.len()
        ),
    };
    Ok(measured.row())
}

/// What the buckets come to hold, by view.
fn entries(views: &ViewsHandle) -> Result<Vec<Vec<Entry>>> {
    let of_view = |view: View| {
        let mut entries = Vec::new();
        let mut page = Page::default();
        loop {
            let snapshot = views.snapshot(view, &Filter::default(), &page)?;
            for placed in &snapshot.rows {
                let key = row_key(placed.row.realm(), &placed.path, &placed.row.id());
                let mut row = row_json(&placed.row);
                row["at"] = snapshot.at.to_string().into();
                entries.push((key, Bytes::from(serde_json::to_vec(&row)?)));
            }
            match snapshot.next {
                Some(next) => page.after = Some(next),
                None => return Ok(entries),
            }
        }
    };
    View::ALL.into_iter().map(of_view).collect()
}

/// From the publishers' start until every bucket is complete. Returns the seconds.
async fn fill(views: &ViewsHandle, url: &str, rows: u64) -> Result<f64> {
    settle_disk();
    let started = Instant::now();
    let kv = Kv::spawn(views, &KvOptions::new(url, "bench"));
    let mut found = 0;
    for (_, mut status) in kv.statuses() {
        found += status.wait_for(|status| status.is_live_at(views.at())).await?.rows;
    }
    let seconds = started.elapsed().as_secs_f64();
    ensure!(found == rows, "the buckets hold {found} rows, the views {rows}");
    kv.shutdown().await;
    let jetstream = jetstream::new(async_nats::connect(url).await?);
    for bucket in View::ALL.map(bucket_name).iter().map(String::as_str).chain([LEASES]) {
        jetstream.delete_key_value(bucket).await?;
    }
    Ok(seconds)
}

/// The same values to the same keys, one bucket after the other. Returns the seconds.
async fn bare(entries: &[Vec<Entry>], url: &str) -> Result<f64> {
    settle_disk();
    let client = async_nats::ConnectOptions::new().client_capacity(limits::BARE_CAPACITY).connect(url).await?;
    let jetstream = jetstream::new(client);
    let started = Instant::now();
    for entries in entries {
        jetstream.create_key_value(kv::Config { bucket: BARE.to_owned(), history: 1, ..kv::Config::default() }).await?;
        let mut under_way: VecDeque<PublishAckFuture> = VecDeque::with_capacity(muster_feed::limits::KV_WINDOW);
        for (key, value) in entries {
            if under_way.len() == muster_feed::limits::KV_WINDOW
                && let Some(oldest) = under_way.pop_front()
            {
                oldest.await?;
            }
            under_way.push_back(jetstream.publish(format!("$KV.{BARE}.{key}"), value.clone()).await?);
        }
        for acknowledgement in under_way {
            acknowledgement.await?;
        }
        jetstream.delete_key_value(BARE).await?;
    }
    Ok(started.elapsed().as_secs_f64())
}

async fn latency(setting: &Setting<'_>, data: &std::path::Path, duties: &[Duty], nats: &NatsServer) -> Result<Vec<Row>> {
    let options = ServerOptions { nats: Nats::Url(nats.url().to_owned()), ..ServerOptions::new(data) };
    let server = Server::start(options).await?;
    server.views.wait_for(server.log.watermark()).await?;
    let publishers = server.kv.as_ref().context("the views are published")?;
    let mut status = publishers.status(View::Responders).context("people are a view")?;
    within("the bucket of the people", async { Ok(status.wait_for(|status| status.is_live_at(server.views.at())).await.map(drop)?) })
        .await?;
    let client = async_nats::connect(nats.url()).await?;
    let mut watch = jetstream::new(client.clone()).get_key_value(bucket_name(View::Responders)).await?.watch_all().await?;
    let (mut halves, mut tails) = (Vec::new(), Vec::new());
    for round in 0..=setting.rounds {
        show_round(NAMES[1], round, setting.rounds);
        let mut seen = Vec::new();
        for (number, duty) in duties.iter().take(setting.kv_commands()).enumerate() {
            // Neither in step with the views' merging nor always after a pause.
            tokio::time::sleep(Duration::from_millis(number as u64 * 37 % 200)).await;
            let answer = server.engine.submit(presence(duty, round % 2 == 0, &format!("kv{round}-{number}"))).await?;
            let answered = Instant::now();
            within("a row", shown(&mut watch, &duty.responder_id, answer.last)).await?;
            seen.push(answered.elapsed().as_secs_f64() * 1_000.0);
        }
        let bare = within("bare messages", through_nats(&client, seen.len())).await?;
        if round > 0 {
            halves.push(Pair { value: quantile(&mut seen, 0.5), reference: quantile(&mut bare.clone(), 0.5) });
            tails.push(Pair { value: quantile(&mut seen, 0.99), reference: quantile(&mut bare.clone(), 0.99) });
        }
    }
    server.shutdown().await;
    let detail = format!("{} check-ins a round, some at once and some after a pause; rows are merged for 100 ms", setting.kv_commands());
    let row = |name, pairs: &[Pair]| {
        let reference = "bare NATS, from publish to subscription";
        Measured { name, unit: "ms", better: Better::Lower, reference, aim: None, pairs, detail: detail.clone() }.row()
    };
    Ok(vec![row(NAMES[1], &halves), row(NAMES[2], &tails)])
}

/// Waits until the watcher has the person's row as of a position.
async fn shown(watch: &mut kv::Watch, responder_id: &str, position: u64) -> Result<()> {
    loop {
        let entry = watch.next().await.context("the watch has ended")??;
        let row: serde_json::Value = serde_json::from_slice(&entry.value)?;
        let at: Option<u64> = row["position"].as_str().and_then(|text| text.parse().ok());
        if row["responder_id"] == responder_id && at >= Some(position) {
            return Ok(());
        }
    }
}

/// Milliseconds of so many messages, one after the other.
pub(crate) async fn through_nats(client: &async_nats::Client, count: usize) -> Result<Vec<f64>> {
    let mut messages = client.subscribe(BARE).await?;
    client.flush().await?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        client.publish(BARE, Bytes::from_static(&[0; 512])).await?;
        messages.next().await.context("the subscription has ended")?;
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(times)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn quantile(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    let index = (times.len() as f64 * share).ceil() as usize;
    times[index.saturating_sub(1).min(times.len() - 1)]
}
