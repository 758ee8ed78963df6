//! The issuer's keys: from a file or over HTTP(S), kept, and asked for anew when a token names one that is not known.
//! Anybody can send such a token, so that the issuer is asked at most once in a while, by one flight at a time, and nobody whose key is known waits for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use parking_lot::RwLock;
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::jwt::{self, Key};
use crate::limits;

/// Where the keys are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file with a JWK set.
    File(PathBuf),
    /// An `https://` or `http://` URL of one.
    Url(Url),
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was published is no JWK set.
    #[error("no JWK set: {0}")]
    Form(#[from] serde_json::Error),
    /// The issuer did not answer as it should.
    #[error("{url}: {detail}")]
    Fetch {
        /// The address.
        url: Url,
        /// Why.
        detail: String,
    },
}

/// The keys, and when they were last asked for.
pub struct Keys(Arc<Shared>);

struct Shared {
    source: KeySource,
    known: RwLock<Arc<Vec<Key>>>,
    flight: watch::Sender<Flight>,
    /// How many may wait for a flight.
    waiters: Semaphore,
}

/// The asking of the issuer: whether it goes on, and when the last one ended, with keys or without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flight {
    running: bool,
    ended: Option<Instant>,
}

impl Keys {
    /// Keys that are asked for when the first token comes.
    #[must_use]
    pub fn new(source: KeySource) -> Self {
        let waiters = Semaphore::new(limits::KEYS_WAITERS_MAX);
        Self(Arc::new(Shared { source, known: RwLock::default(), flight: watch::Sender::default(), waiters }))
    }

    /// The keys among which one of this id should be. A known key is answered at once, and asked for again beside when the last time is long ago; only who
    /// comes after nobody came for so long that a withdrawn key would still be taken waits as for an unknown one. Without an answer the known ones stay.
    pub async fn with(&self, kid: &str) -> Arc<Vec<Key>> {
        let shared = &self.0;
        let known = Arc::clone(&shared.known.read());
        let is_known = known.iter().any(|key| key.is(kid));
        let Flight { running, ended } = *shared.flight.borrow();
        let is_past = |pause| ended.is_none_or(|ended: Instant| ended.elapsed() >= pause);
        let (asks, waits) = if is_known {
            (is_past(limits::KEYS_AGE_MAX / 2), is_past(limits::KEYS_AGE_MAX))
        } else {
            (is_past(limits::KEYS_REFRESH_MIN), running || is_past(limits::KEYS_REFRESH_MIN))
        };
        let flight = shared.flight.subscribe();
        if asks {
            shared.start();
        }
        if !waits {
            return known;
        }
        shared.wait(flight).await;
        Arc::clone(&shared.known.read())
    }
}

/// Ends a flight, whatever became of it.
struct Landing(Arc<Shared>);

impl Drop for Landing {
    fn drop(&mut self) {
        // The pause is counted from the end: an issuer that takes long is not asked all the time.
        self.0.flight.send_replace(Flight { running: false, ended: Some(Instant::now()) });
    }
}

impl Shared {
    /// Asks the issuer, if nobody does. It goes on when whoever began it has gone away.
    fn start(self: &Arc<Self>) {
        let is_first = self.flight.send_if_modified(|flight| !std::mem::replace(&mut flight.running, true));
        if !is_first {
            return;
        }
        let landing = Landing(Arc::clone(self));
        tokio::spawn(async move {
            let shared = &landing.0;
            match shared.read().await {
                Ok(keys) => {
                    tracing::info!(keys = keys.len(), "the issuer's keys were read");
                    *shared.known.write() = Arc::new(keys);
                }
                Err(error) => tracing::warn!(%error, "the issuer's keys cannot be read; the known ones stay"),
            }
        });
    }

    /// Waits for the end of the flight. Where too many wait already, the others are answered from what is known.
    async fn wait(&self, mut flight: watch::Receiver<Flight>) {
        let Ok(_turn) = self.waiters.try_acquire() else { return };
        // The sender lives as long as this does.
        let _ = flight.wait_for(|flight| !flight.running).await;
    }

    async fn read(&self) -> Result<Vec<Key>, KeysError> {
        let text = match &self.source {
            KeySource::File(path) => {
                let read = tokio::time::timeout(limits::KEYS_FETCH_MAX, tokio::fs::read(path)).await;
                let read = read.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
                Bytes::from(read.map_err(|source| KeysError::File { path: path.clone(), source })?)
            }
            KeySource::Url(url) => {
                let failed = |detail: String| KeysError::Fetch { url: url.clone(), detail };
                let answer = tokio::time::timeout(limits::KEYS_FETCH_MAX, fetch(url)).await;
                answer.map_err(|_| failed("no answer in time".to_owned()))?.map_err(|error| failed(error.to_string()))?
            }
        };
        Ok(jwt::read_keys(&text)?)
    }
}

type FetchError = Box<dyn std::error::Error + Send + Sync>;

/// One GET over a connection of its own; redirects are not followed, for the address is the operator's word.
async fn fetch(url: &Url) -> Result<Bytes, FetchError> {
    let host = url.host_str().ok_or("the address has no host")?.to_owned();
    let port = url.port_or_known_default().ok_or("the address has no port")?;
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    match url.scheme() {
        "http" => get(url, stream).await,
        "https" => {
            let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await?;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(found.certs);
            let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(host)?, stream).await?;
            get(url, stream).await
        }
        other => Err(format!("the scheme {other} is not http or https").into()),
    }
}

async fn get(url: &Url, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Bytes, FetchError> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let host = url.host_str().unwrap_or_default();
    let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let request = hyper::Request::get(target).header("host", authority).header("accept", "application/json").body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    if !answer.status().is_success() {
        return Err(format!("it answered {}", answer.status()).into());
    }
    let body = Limited::new(answer.into_body(), limits::KEYS_BYTES_MAX).collect().await?.to_bytes();
    driver.abort();
    Ok(body)
}

#[cfg(test)]
impl Keys {
    /// As if the pause after the last flight were over.
    pub(super) fn end_pause(&self) {
        self.0.flight.send_modify(|flight| flight.ended = Instant::now().checked_sub(limits::KEYS_REFRESH_MIN));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    /// An issuer that answers each request when it is told with which keys.
    async fn issuer() -> (Keys, mpsc::Sender<&'static [&'static str]>, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap()).parse().unwrap();
        let (tell, mut told) = mpsc::channel::<&'static [&'static str]>(1);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 1024];
                let _bytes = stream.read(&mut request).await.unwrap();
                let Some(kids) = told.recv().await else { return };
                let x = "A".repeat(43);
                let keys: Vec<_> = kids.iter().map(|kid| json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})).collect();
                let body = json!({ "keys": keys }).to_string();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (Keys::new(KeySource::Url(url)), tell, asked)
    }

    fn has(keys: &[Key], kid: &str) -> bool {
        keys.iter().any(|key| key.is(kid))
    }

    /// One token with an unknown key id once held up everybody for as long as the issuer took.
    #[tokio::test]
    async fn a_stalled_issuer_holds_up_nobody_whose_key_is_known() {
        let (keys, tell, asked) = issuer().await;
        tell.send(&["old"]).await.unwrap();
        assert!(has(&keys.with("old").await, "old"));
        keys.end_pause();
        let unknown = futures::future::join_all((0..20).map(|_| keys.with("new")));
        let mut unknown = std::pin::pin!(unknown);
        assert!(futures::poll!(&mut unknown).is_pending());
        for _ in 0..20 {
            // Ready at once: it is polled once and never waits.
            assert!(has(&futures::FutureExt::now_or_never(keys.with("old")).unwrap(), "old"));
        }
        let told_at = Instant::now();
        tell.send(&["old", "new"]).await.unwrap();
        assert!(unknown.await.iter().all(|found| has(found, "new")));
        assert_eq!(asked.load(Ordering::SeqCst), 2, "all of them wait for one flight");
        assert!(keys.0.flight.borrow().ended.unwrap() >= told_at, "the pause is counted from the end");
        let stranger = futures::FutureExt::now_or_never(keys.with("stranger")).expect("asked a moment ago: it is not asked again");
        assert!(!has(&stranger, "stranger"));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn who_waits_is_bounded_and_a_flight_outlives_who_began_it() {
        let (keys, tell, asked) = issuer().await;
        let mut waiting: Vec<_> = (0..limits::KEYS_WAITERS_MAX).map(|_| Box::pin(keys.with("new"))).collect();
        for one in &mut waiting {
            assert!(futures::poll!(one.as_mut()).is_pending());
        }
        assert!(futures::FutureExt::now_or_never(keys.with("new")).expect("one too many is answered at once").is_empty());
        drop(waiting);
        let mut flight = keys.0.flight.subscribe();
        tell.send(&["new"]).await.unwrap();
        flight.wait_for(|flight| !flight.running).await.unwrap();
        assert!(has(&futures::FutureExt::now_or_never(keys.with("new")).unwrap(), "new"));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_issuer_that_answers_nonsense_leaves_the_known_keys() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::new(KeySource::File(folder.path().join("missing.json")));
        assert!(keys.with("a").await.is_empty());
        let ended = keys.0.flight.borrow().ended;
        assert!(ended.is_some() && futures::FutureExt::now_or_never(keys.with("a")).is_some(), "a failure is followed by a pause as well");
    }
}
