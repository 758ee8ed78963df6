//! The issuer's keys: from a file or over HTTP(S), kept, and asked for anew when a token names one that is not known.
//! Anybody can send such a token, so that the issuer is asked at most once in a while.

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
use tokio::sync::Mutex;
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
pub struct Keys {
    source: KeySource,
    known: RwLock<Arc<Vec<Key>>>,
    asked: Mutex<Option<Instant>>,
}

impl Keys {
    /// Keys that are asked for when the first token comes.
    #[must_use]
    pub fn new(source: KeySource) -> Self {
        Self { source, known: RwLock::default(), asked: Mutex::new(None) }
    }

    /// The keys among which one of this id should be: asks the issuer if it is not known and the last time is long enough
    /// ago, or if it is so long ago that a withdrawn key would still be taken. Without an answer the known ones stay.
    pub async fn with(&self, kid: &str) -> Arc<Vec<Key>> {
        // Whoever waits here finds what the one before has found.
        let mut asked = self.asked.lock().await;
        let is_known = self.known.read().iter().any(|key| key.is(kid));
        let wait = if is_known { limits::KEYS_AGE_MAX } else { limits::KEYS_REFRESH_MIN };
        if asked.is_none_or(|last| last.elapsed() >= wait) {
            *asked = Some(Instant::now());
            match self.read().await {
                Ok(keys) => {
                    tracing::info!(keys = keys.len(), "the issuer's keys were read");
                    *self.known.write() = Arc::new(keys);
                }
                Err(error) => tracing::warn!(%error, "the issuer's keys cannot be read; the known ones stay"),
            }
        }
        Arc::clone(&self.known.read())
    }

    async fn read(&self) -> Result<Vec<Key>, KeysError> {
        let text = match &self.source {
            KeySource::File(path) => {
                Bytes::from(tokio::fs::read(path).await.map_err(|source| KeysError::File { path: path.clone(), source })?)
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
    /// As if the issuer had been asked long ago.
    pub(super) async fn forget_when_asked(&self) {
        *self.asked.lock().await = None;
    }
}
