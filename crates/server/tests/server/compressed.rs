//! Answers in gzip for whoever asks: pages whole, streams event by event, each as soon as it happens.

use std::io::Read as _;

use flate2::read::GzDecoder;
use flate2::{Decompress, FlushDecompress};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use serde_json::{Value, json};

use crate::common::{Place, within};

/// What RFC 1952 puts before the first block, where nothing is named.
const HEADER_BYTES: usize = 10;

/// A compressed stream, read as it comes.
struct Stream {
    response: reqwest::Response,
    inflate: Decompress,
    packed: Vec<u8>,
    plain: Vec<u8>,
}

impl Stream {
    async fn open(place: &Place, path: &str, last_event_id: Option<&str>) -> Self {
        let mut request = place.http.get(place.url(path)).header(ACCEPT_ENCODING, "gzip");
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = within(request.send()).await.unwrap();
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(response.headers()[VARY], "accept-encoding");
        Self { response, inflate: Decompress::new(false), packed: Vec::new(), plain: Vec::new() }
    }

    /// Reads until a text has come. The stream stays open: nothing after it is waited for.
    async fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.plain.windows(text.len()).position(|part| part == text.as_bytes())
                && let Some(end) = self.plain[at..].windows(2).position(|pair| pair == b"\n\n")
            {
                let rest = self.plain.split_off(at + end + 2);
                return String::from_utf8(std::mem::replace(&mut self.plain, rest)).unwrap();
            }
            let chunk = within(self.response.chunk()).await.unwrap().expect("the stream goes on");
            self.take(&chunk);
        }
    }

    fn take(&mut self, chunk: &[u8]) {
        self.packed.extend_from_slice(chunk);
        loop {
            let from = HEADER_BYTES + usize::try_from(self.inflate.total_in()).unwrap();
            let (before, read) = (self.inflate.total_out(), self.packed.get(from..).unwrap_or_default());
            self.plain.reserve(64 * 1024);
            self.inflate.decompress_vec(read, &mut self.plain, FlushDecompress::Sync).unwrap();
            if self.inflate.total_out() == before {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_and_heartbeats_come_compressed_without_waiting_for_more() {
    let mut place = Place::with_base().await;
    place.settle().await;
    let mut stream = Stream::open(&place, "/v1/views/coverage/live", None).await;
    let snapshot = stream.until(r#""complete":true"#).await;
    assert!(snapshot.contains("光复社区"), "{snapshot}");
    let id = snapshot.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    for number in 1..=3 {
        place.define(&format!("g-{number}"), "网格", "GRID", "440802001001").await;
        let change = stream.until(&format!(r#""key":"actual/g-{number}""#)).await;
        assert!(change.contains("event: change"), "{change}");
    }
    // Says at once that it stands, and nothing else for seconds.
    let mut resumed = Stream::open(&place, "/v1/views/coverage/live", Some(&id)).await;
    let first = resumed.until("event: heartbeat").await;
    assert!(first.starts_with(&format!("id: {id}\n")), "{first}");
    place.stop().await;
    while let Some(chunk) = within(stream.response.chunk()).await.unwrap() {
        stream.take(&chunk);
    }
    let mut whole = String::new();
    GzDecoder::new(&stream.packed[..]).read_to_string(&mut whole).expect("a stream that ends is a whole file");
    assert!(whole.starts_with(&snapshot) && whole.contains("g-3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_records_come_compressed_to_whoever_asks() {
    let place = Place::with_base().await;
    place.settle().await;
    for path in ["/v1/events", "/openapi.json", "/metrics", "/"] {
        let plain = within(place.http.get(place.url(path)).send()).await.unwrap();
        assert!(!plain.headers().contains_key(CONTENT_ENCODING), "{path}");
        assert_eq!(plain.headers()[VARY], "accept-encoding", "{path}");
        let plain = plain.bytes().await.unwrap();
        let packed = within(place.http.get(place.url(path)).header(ACCEPT_ENCODING, "br, gzip").send()).await.unwrap();
        assert_eq!(packed.headers().get(CONTENT_ENCODING).and_then(|coding| coding.to_str().ok()), Some("gzip"), "{path}");
        let packed = packed.bytes().await.unwrap();
        let mut read = Vec::new();
        GzDecoder::new(&packed[..]).read_to_end(&mut read).unwrap();
        assert!(packed.len() < plain.len() / 2, "{path}: {} of {}", packed.len(), plain.len());
        assert!(path == "/metrics" || read == plain, "{path}");
    }
    // Neither what is small nor what is written.
    let small = within(place.http.get(place.url("/healthz")).header(ACCEPT_ENCODING, "gzip").send()).await.unwrap();
    assert!(!small.headers().contains_key(CONTENT_ENCODING));
    let body = json!({"area_id": "g-9", "name": "网格九", "level": "AREA_LEVEL_GRID", "parent_id": "440802001001"});
    let written = place.http.post(place.url("/v1/commands/DefineArea")).header("Idempotency-Key", "g-9").header(ACCEPT_ENCODING, "gzip");
    let written = within(written.json(&body).send()).await.unwrap();
    assert!(!written.headers().contains_key(CONTENT_ENCODING));
    let answer: Value = written.json().await.unwrap();
    assert!(answer["last"].is_string(), "{answer}");
}
