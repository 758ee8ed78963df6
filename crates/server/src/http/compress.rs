//! Answers in gzip for whoever asks for it, streams included. Each piece is compressed by itself and ends on a byte boundary, so that an event
//! is out at once and an open stream keeps nothing but a checksum. It must never hold back what a handler has given.
//!
//! A layer that compresses a stream as one keeps a window and tables for each, some 300 KB: gigabytes for the streams that a server holds.
//! What that would save of a single event more is little; what is large, the rows of the beginning, comes in large pieces.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use flate2::{Compress, Compression, Crc, FlushCompress};
use futures::{FutureExt as _, Stream, StreamExt as _};
use parking_lot::Mutex;

use crate::limits;

const GZIP: &str = "gzip";
/// RFC 1952: deflate, no name, no time, no system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// How a piece that is out whole ends: with an empty block on a byte boundary.
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];
/// A last block of deflate that holds nothing.
const LAST_BLOCK: [u8; 2] = [3, 0];
/// What is text, and grows small: rows, events, pages for people, metrics.
const TEXTS: [&str; 3] = ["application/json", "application/x-ndjson", "text/"];

/// Compressors at rest, as many as ever worked at the same time: one for each thread at most.
#[derive(Default)]
pub(super) struct Compressors(Mutex<Vec<Compress>>);

impl Compressors {
    /// Appends the bytes in deflate, whole and not the last.
    fn append(&self, plain: &[u8], out: &mut Vec<u8>) {
        let spare = self.0.lock().pop();
        let mut compress = spare.unwrap_or_else(|| Compress::new(Compression::fast(), false));
        let mut taken = 0;
        loop {
            // Room for bytes that do not grow smaller: the compressor may keep its last block back where it met the end of a smaller room.
            out.reserve(plain.len() + plain.len() / 8 + 1_024);
            let before = compress.total_in();
            compress.compress_vec(&plain[taken..], out, FlushCompress::Sync).expect("deflate takes any bytes");
            taken += usize::try_from(compress.total_in() - before).expect("no more than was given");
            if taken == plain.len() && out.ends_with(&FLUSHED) {
                break;
            }
        }
        compress.reset();
        self.0.lock().push(compress);
    }
}

/// The layer: compresses what is read, where the reader asks for it and it is worth it.
pub(super) async fn compress(State(compressors): State<Arc<Compressors>>, request: Request, next: Next) -> Response {
    let asked = request.method() == Method::GET && takes_gzip(request.headers());
    let mut response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !TEXTS.iter().any(|text| kind.starts_with(text)) || response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    // Whatever keeps answers must tell both forms apart.
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let small = response.body().size_hint().upper().is_some_and(|bytes| bytes < limits::COMPRESSED_BYTES_MIN);
    if !asked || small {
        return response;
    }
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(GZIP));
    response.map(|body| Body::from_stream(compressed(compressors, body)))
}

/// Whether `Accept-Encoding` names gzip, or anything, and does not refuse it.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values: Vec<&str> = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok()).collect();
    let weight = |name: &str| {
        let mut codings = values.iter().flat_map(|value| value.split(','));
        codings.find_map(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let found = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case(name));
            found.then(|| parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |text| text.trim().parse().unwrap_or(0.0)))
        })
    };
    weight(GZIP).or_else(|| weight("*")).is_some_and(|weight: f32| weight > 0.0)
}

fn compressed(compressors: Arc<Compressors>, body: Body) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send + use<> {
    async_stream::try_stream! {
        let (mut out, mut checksum) = (HEADER.to_vec(), Crc::new());
        let mut frames = body.into_data_stream();
        while let Some(frame) = frames.next().await {
            let mut plain = BytesMut::from(frame?);
            // What is there already goes along: a commit's changes, an id and its event.
            while plain.len() < limits::COMPRESSED_PIECE_BYTES
                && let Some(Some(frame)) = frames.next().now_or_never()
            {
                plain.extend_from_slice(&frame?);
            }
            for piece in plain.chunks(limits::COMPRESSED_PIECE_BYTES) {
                checksum.update(piece);
                compressors.append(piece, &mut out);
                yield std::mem::take(&mut out).into();
            }
        }
        out.extend(LAST_BLOCK);
        out.extend(checksum.sum().to_le_bytes());
        out.extend(checksum.amount().to_le_bytes());
        yield out.into();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    fn accepts(values: &[&'static str]) -> bool {
        let values = values.iter().map(|value| (header::ACCEPT_ENCODING, HeaderValue::from_static(value)));
        takes_gzip(&values.collect())
    }

    #[test]
    fn gzip_comes_to_whoever_asks_for_it_alone() {
        for asked in [&["gzip"][..], &["br, GZIP;q=0.5"], &["*"], &["br", "gzip"], &["gzip ; q=1"]] {
            assert!(accepts(asked), "{asked:?}");
        }
        for other in [&[][..], &["br"], &["gzip;q=0"], &["gzip;q=0, *"], &["*;q=0"], &["identity"], &["gzip;q=much"]] {
            assert!(!accepts(other), "{other:?}");
        }
    }

    /// Bytes that repeat, and bytes that do not.
    fn text(bytes: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if state & 0x100 == 0 { b'a' } else { state.to_le_bytes()[3] }
        };
        (0..bytes).map(|_| next()).collect()
    }

    #[tokio::test]
    async fn whatever_pieces_a_body_comes_in_it_is_one_gzip_file() {
        let compressors = Arc::new(Compressors::default());
        let most = limits::COMPRESSED_PIECE_BYTES;
        for pieces in [&[][..], &[1], &[0, 5, 0], &[300; 50], &[most, 1, most - 1], &[5 * most + 3, 7]] {
            let plain: Vec<Vec<u8>> = pieces.iter().map(|bytes| text(*bytes)).collect();
            let body = Body::from_stream(futures::stream::iter(plain.clone().into_iter().map(Ok::<_, std::io::Error>)));
            let packed: Vec<Bytes> = compressed(Arc::clone(&compressors), body).map(Result::unwrap).collect().await;
            let mut read = Vec::new();
            GzDecoder::new(&packed.concat()[..]).read_to_end(&mut read).unwrap();
            assert!(read == plain.concat(), "{pieces:?}");
        }
        assert_eq!(compressors.0.lock().len(), 1, "one does for all, one after the other");
    }

    #[tokio::test]
    async fn what_was_given_can_be_read_before_there_is_more() {
        let (mut sender, receiver) = futures::channel::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
        let mut packed = Box::pin(compressed(Arc::default(), Body::from_stream(receiver)));
        let mut inflate = flate2::Decompress::new(false);
        for (number, bytes) in [3, 70_000, 900].into_iter().enumerate() {
            let plain = text(bytes);
            sender.try_send(Ok(plain.clone())).unwrap();
            let mut read = Vec::with_capacity(bytes + 1);
            while read.len() < bytes {
                let piece = packed.next().await.unwrap().unwrap();
                let piece = if number == 0 { piece.slice(HEADER.len()..) } else { piece };
                inflate.decompress_vec(&piece, &mut read, flate2::FlushDecompress::Sync).unwrap();
            }
            assert!(read == plain, "{bytes}");
        }
        assert!(packed.next().now_or_never().is_none(), "nothing more was given");
        sender.try_send(Err(std::io::Error::other("broken off"))).unwrap();
        assert!(packed.next().await.unwrap().is_err());
        assert!(packed.next().await.is_none(), "a body that broke off has no end");
    }
}
