//! What the log and the stream must hold after whatever a test did: every acknowledged command once, none twice, no gap.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use muster_demo::{Checked, check_records};
use muster_feed::{STREAM, verify_stream};
use muster_log::{Log, OpenOptions, Position, RocksLog};
use muster_proto::decode;
use muster_proto::v1::Envelope;
use serde_json::Value;

use crate::limits::{PROBE_MAX, RELAY_MAX};
use crate::stage::Ledger;
use crate::wait;

/// Opens the log of a data folder that no server uses any more.
///
/// # Errors
/// The log's own.
pub fn open_log(data_dir: &Path) -> Result<Arc<dyn Log>> {
    Ok(Arc::new(RocksLog::open(data_dir.join("log"), OpenOptions::default())?))
}

/// Every record of a log.
///
/// # Errors
/// A record that cannot be read.
pub fn all_records(log: &Arc<dyn Log>) -> Result<Vec<Envelope>> {
    let mut envelopes = Vec::new();
    let mut from = Position::FIRST;
    loop {
        let records = log.read(from, 8 << 20, 10_000)?;
        let Some(last) = records.last() else { return Ok(envelopes) };
        from = last.position.next();
        for record in &records {
            envelopes.push(decode(&record.bytes).with_context(|| format!("the record at {}", record.position))?);
        }
    }
}

/// No gap in the positions, no command twice or in part, no duty beside another; and each acknowledged command where its answer said.
///
/// # Errors
/// The first thing that does not hold.
pub fn check_log(records: &[Envelope], ledger: &Ledger) -> Result<Checked> {
    let checked = check_records(records)?;
    for (id, (first, last)) in ledger.acknowledged() {
        let at = usize::try_from(first)? - 1;
        let record = records.get(at).with_context(|| format!("{id} was acknowledged at {first}, beyond the log's end"))?;
        ensure!(record.command_id == id && record.index == 0, "{id} was acknowledged at {first}, where {} stands", record.command_id);
        ensure!(u64::from(record.count) == last - first + 1, "{id} was acknowledged at {first}..{last} and has {} records", record.count);
    }
    Ok(checked)
}

/// The stream is the log: each position once, byte for byte.
///
/// # Errors
/// What differs, or NATS cannot be asked.
pub async fn check_stream(log: &Arc<dyn Log>, nats_url: &str) -> Result<u64> {
    let report = verify_stream(Arc::clone(log), nats_url, STREAM).await?;
    ensure!(report.is_whole(), "the stream is not the log: {report:?}");
    Ok(report.equal)
}

/// What `/v1/status` says of the relay.
///
/// # Errors
/// The server does not answer.
pub async fn relay_status(url: &str) -> Result<Value> {
    let client = reqwest::Client::builder().timeout(PROBE_MAX).build()?;
    let status: Value = client.get(format!("{url}/v1/status")).send().await?.error_for_status()?.json().await?;
    Ok(status["relay"].clone())
}

/// Waits until the relay has published everything that is durable.
///
/// # Errors
/// It is fenced, or takes too long.
pub async fn wait_until_relayed(url: &str) -> Result<()> {
    wait::until_async("the relay has published everything", RELAY_MAX, || async {
        // A server that is busy answers late and is asked again.
        let Ok(status) = relay_status(url).await else { return Ok(None) };
        ensure!(status["state"] != "fenced", "the relay is fenced: {status}");
        Ok((status["state"] == "live" && status["lag_positions"] == "0").then_some(()))
    })
    .await
}

/// Waits until the relay is fenced, and gives its reason.
///
/// # Errors
/// It takes too long.
pub async fn wait_until_fenced(url: &str) -> Result<String> {
    wait::until_async("the relay is fenced", RELAY_MAX, || async {
        let Ok(status) = relay_status(url).await else { return Ok(None) };
        Ok((status["state"] == "fenced").then(|| status["reason"].as_str().unwrap_or_default().to_owned()))
    })
    .await
}
