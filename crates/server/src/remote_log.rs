//! A server's log over HTTP: records by position, as they lie there. It must never hand on what is not whole, nor what does not say of which log and
//! epoch it is; whether these are the records wanted is checked by whoever asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf as _, Bytes};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use muster_feed::{RemoteLog, Stretch};
use muster_log::{Epoch, LogId, Position, Record};
use muster_views::{Origin, Records, ReplayError};
use prost::encoding::decode_varint;
use reqwest::Response;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::limits;

/// Header with the log's identity.
pub(crate) const LOG_HEADER: &str = "muster-log";
/// Header with its epoch.
pub(crate) const EPOCH_HEADER: &str = "muster-epoch";
/// Header with its last position.
pub(crate) const END_HEADER: &str = "muster-log-end";

/// The log of the server at an address.
pub(crate) struct HttpLog {
    base: String,
    token: Option<String>,
    http: reqwest::Client,
}

impl HttpLog {
    pub(crate) fn new(server: &str, token: Option<String>) -> Result<Self, reqwest::Error> {
        let given = server.trim_end_matches('/');
        let base = if given.contains("://") { given.to_owned() } else { format!("http://{given}") };
        let http = reqwest::Client::builder().connect_timeout(limits::REMOTE_CONNECT_MAX).timeout(limits::REMOTE_READ_MAX).build()?;
        Ok(Self { base, token, http })
    }

    async fn ask(&self, from: Position, to: Position) -> Result<Stretch, String> {
        let failed = |error: reqwest::Error| format!("the server {} cannot be reached: {}", self.base, innermost(&error));
        let mut request = self.http.get(format!("{}/v1/records", self.base));
        request = request.query(&[("from", from.to_string()), ("to", to.to_string())]);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        if !status.is_success() {
            let document: Value = response.json().await.unwrap_or_default();
            let detail = document["detail_en"].as_str().unwrap_or("without a reason");
            return Err(format!("the server {} answered {status}: {detail}", self.base));
        }
        let (origin, end) = place_of(&response).ok_or_else(|| format!("{} does not say whose records it gives", self.base))?;
        let body = response.bytes().await.map_err(failed)?;
        let records = split(body, from).ok_or_else(|| format!("{} sent records that are cut short", self.base))?;
        Ok(Stretch { origin, end, records })
    }
}

impl RemoteLog for HttpLog {
    fn read(&self, from: Position, to: Position) -> BoxFuture<'_, Result<Stretch, String>> {
        self.ask(from, to).boxed()
    }
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn place_of(response: &Response) -> Option<(Origin, Position)> {
    let header = |name: &str| response.headers().get(name)?.to_str().ok();
    let origin = Origin { log: log_id(header(LOG_HEADER)?)?, epoch: Epoch(header(EPOCH_HEADER)?.parse().ok()?) };
    Some((origin, header(END_HEADER)?.parse().ok()?))
}

/// As [`LogId`] is written: 32 hexadecimal digits.
fn log_id(text: &str) -> Option<LogId> {
    let digits = (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok()).flatten()?;
    Some(LogId(digits.to_be_bytes()))
}

/// Records, each behind its length, from a position on.
fn split(mut body: Bytes, from: Position) -> Option<Vec<Record>> {
    let (mut records, mut position) = (Vec::new(), from);
    while body.has_remaining() {
        let length = usize::try_from(decode_varint(&mut body).ok()?).ok()?;
        if length > body.len() {
            return None;
        }
        records.push(Record { position, bytes: body.split_to(length) });
        position = position.next();
    }
    Some(records)
}

/// The log of a server for a thread that folds it, from the moment on at which it was first asked.
pub(crate) struct RemoteRecords {
    log: Arc<HttpLog>,
    origin: Origin,
    last: AtomicU64,
    runtime: Handle,
    stopping: watch::Receiver<bool>,
}

impl RemoteRecords {
    /// Asks whose log it is. Must be called within a runtime, which then does the reading.
    pub(crate) async fn open(log: Arc<HttpLog>, stopping: watch::Receiver<bool>) -> Result<Self, ReplayError> {
        let found = log.ask(Position::FIRST, Position::FIRST).await.map_err(|detail| ReplayError::Remote { detail })?;
        Ok(Self { log, origin: found.origin, last: AtomicU64::new(found.end.0), runtime: Handle::current(), stopping })
    }
}

impl Records for RemoteRecords {
    fn origin(&self) -> Origin {
        self.origin
    }

    fn last(&self) -> Position {
        Position(self.last.load(Ordering::Relaxed))
    }

    fn stretch(&self, from: Position) -> Result<Vec<Record>, ReplayError> {
        let to = Position(u64::MAX);
        let mut stopping = self.stopping.clone();
        let stretch = self.runtime.block_on(async {
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => Err(ReplayError::BrokenOff),
                stretch = self.log.ask(from, to) => stretch.map_err(|detail| ReplayError::Remote { detail }),
            }
        })?;
        stretch.check(self.origin, from, to).map_err(|detail| ReplayError::Remote { detail })?;
        self.last.store(stretch.end.0, Ordering::Relaxed);
        Ok(stretch.records)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_log_is_named_as_it_is_written() {
        let id = LogId([0x0a; 16]);
        assert_eq!(log_id(&id.to_string()), Some(id));
        assert_eq!(log_id("0a"), None);
    }

    #[test]
    fn records_that_are_cut_short_are_none() {
        let mut body = vec![3, b'a', b'b', b'c', 0x80, 0x01];
        body.extend(std::iter::repeat_n(b'x', 128));
        let whole = split(body.clone().into(), Position(7)).unwrap();
        assert_eq!(whole.iter().map(|record| (record.position.0, record.bytes.len())).collect::<Vec<_>>(), [(7, 3), (8, 128)]);
        for cut in (1..4).chain(5..body.len()) {
            assert!(split(body[..cut].to_vec().into(), Position(7)).is_none(), "cut at {cut}");
        }
        assert_eq!(split(Bytes::new(), Position(1)).unwrap(), []);
    }
}
