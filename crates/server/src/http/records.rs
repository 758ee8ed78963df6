//! `GET /v1/records`: the log's own records by position, byte for byte, for workers whose stream does not hold them. For headquarters of the whole
//! tree alone; personal fields stay sealed.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::{BufMut as _, BytesMut};
use muster_log::{Log, Position, ReadError, Record};
use prost::encoding::{encode_varint, encoded_len_varint};
use serde::Deserialize;

use super::app::{App, log_unreadable};
use crate::limits;
use crate::problem::Problem;
use crate::remote_log::{END_HEADER, EPOCH_HEADER, LOG_HEADER};
use crate::words::Words;

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    from: Option<String>,
    to: Option<String>,
}

pub(super) async fn records(State(app): State<Arc<App>>, Query(parameters): Query<Parameters>) -> Result<Response, Problem> {
    let from = position("from", parameters.from.as_deref())?.unwrap_or(Position::FIRST).max(Position::FIRST);
    let to = position("to", parameters.to.as_deref())?.unwrap_or(Position(u64::MAX));
    let log = Arc::clone(&app.node()?.log);
    let (id, epoch) = (log.id(), log.epoch());
    let read = tokio::task::spawn_blocking(move || read(&*log, from, to)).await.map_err(|_| Problem::internal())?;
    let (end, records) = read.map_err(|error| log_unreadable(&error))?;
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/octet-stream".to_owned()),
        (header::CACHE_CONTROL.as_str(), "no-store".to_owned()),
        (LOG_HEADER, id.to_string()),
        (EPOCH_HEADER, epoch.to_string()),
        (END_HEADER, end.to_string()),
    ];
    Ok((headers, delimited(&records)).into_response())
}

fn position(name: &str, text: Option<&str>) -> Result<Option<Position>, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let parsed = text.parse().map(Some);
    parsed.map_err(|_| Problem::bad_parameter(name, text, Words::new("应为位置", "a position is expected")))
}

/// The log's end and the records up to `to`, as many as go into one answer.
fn read(log: &dyn Log, from: Position, to: Position) -> Result<(Position, Vec<Record>), ReadError> {
    let end = log.watermark();
    if from > end.min(to) {
        return Ok((end, Vec::new()));
    }
    let mut records = log.read(from, limits::RECORDS_BYTES, limits::RECORDS_MAX)?;
    records.truncate(records.partition_point(|record| record.position <= to));
    Ok((end, records))
}

/// Each record behind its length, as protobuf writes messages one after another.
fn delimited(records: &[Record]) -> BytesMut {
    let length = |record: &Record| record.bytes.len() + encoded_len_varint(record.bytes.len() as u64);
    let mut body = BytesMut::with_capacity(records.iter().map(length).sum());
    for record in records {
        encode_varint(record.bytes.len() as u64, &mut body);
        body.put_slice(&record.bytes);
    }
    body
}
