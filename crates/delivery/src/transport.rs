//! One HTTP request over a connection of its own, with TLS where the address says so. Redirects are not followed, and what an answer says goes
//! to nobody but the judge. It must never trace an address, a header or a body: they may hold keys, links and telephone numbers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{HeaderMap, Method, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::limits;
use crate::words;

/// What came back.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

/// Why nothing came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    BadAddress,
    BadRequest,
    Unreachable,
    /// The machine's roots cannot be read, or the other end speaks no TLS that we do.
    NoTls,
    /// Nobody whom we trust vouches for the other end.
    UntrustedCertificate,
    NoAccessToken,
    TimedOut,
    BrokenOff,
}

impl Silence {
    /// A word of ours for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::BadAddress => "bad_address",
            Self::BadRequest => "bad_request",
            Self::Unreachable => "unreachable",
            Self::NoTls => "no_tls",
            Self::UntrustedCertificate => "untrusted_certificate",
            Self::NoAccessToken => "no_access_token",
            Self::TimedOut => "timed_out",
            Self::BrokenOff => "broken_off",
        }
    }

    /// Whether the request may have arrived all the same.
    pub(crate) const fn may_have_arrived(self) -> bool {
        matches!(self, Self::TimedOut | Self::BrokenOff)
    }
}

/// A request to be sent.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a Uri,
    pub(crate) headers: &'a [(&'static str, String)],
    pub(crate) body: Vec<u8>,
}

/// Sends requests. The roots of TLS are read with the first address that needs them.
pub(crate) struct Transport {
    /// Who vouches for the other end; none for whoever the machine trusts.
    authorities: Vec<CertificateDer<'static>>,
    tls: OnceCell<TlsConnector>,
}

impl Transport {
    pub(crate) fn new(authorities: Vec<CertificateDer<'static>>) -> Self {
        Self { authorities, tls: OnceCell::new() }
    }

    /// One request and its answer, in a bounded time.
    pub(crate) async fn send(&self, request: Request<'_>, now_ms: i64) -> Result<Response, Silence> {
        tokio::time::timeout(limits::REQUEST_MAX, self.exchange(request, now_ms)).await.unwrap_or(Err(Silence::TimedOut))
    }

    async fn exchange(&self, Request { method, url, headers, body }: Request<'_>, now_ms: i64) -> Result<Response, Silence> {
        let host = url.host().ok_or(Silence::BadAddress)?.trim_matches(['[', ']']).to_owned();
        let secure = url.scheme_str() == Some("https");
        let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        let mut request = hyper::Request::builder().method(method).uri(target);
        request = request.header("host", url.authority().and_then(|authority| authority.as_str().rsplit('@').next()).unwrap_or_default());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|_| Silence::BadRequest)?;
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|_| Silence::Unreachable)?;
        if !secure {
            return answer(request, stream, now_ms).await;
        }
        let name = ServerName::try_from(host).map_err(|_| Silence::BadAddress)?;
        let stream = self.connector().await?.connect(name, stream).await.map_err(|error| why_no_tls(&error))?;
        answer(request, stream, now_ms).await
    }

    async fn connector(&self) -> Result<&TlsConnector, Silence> {
        let read = || async {
            let mut roots = RootCertStore::empty();
            if self.authorities.is_empty() {
                let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await.map_err(|_| Silence::NoTls)?;
                let (taken, _) = roots.add_parsable_certificates(found.certs);
                if taken == 0 {
                    // What could not be read now may be there with the next try.
                    tracing::warn!(errors = ?found.errors, "no authorities of this machine can be read, so nobody can be trusted");
                    return Err(Silence::NoTls);
                }
            } else {
                roots.add_parsable_certificates(self.authorities.iter().cloned());
            }
            let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|_| Silence::NoTls)?
                .with_root_certificates(roots)
                .with_no_client_auth();
            Ok::<_, Silence>(TlsConnector::from(Arc::new(config)))
        };
        self.tls.get_or_try_init(read).await
    }
}

fn why_no_tls(error: &std::io::Error) -> Silence {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    if matches!(cause, Some(rustls::Error::InvalidCertificate(_))) { Silence::UntrustedCertificate } else { Silence::NoTls }
}

async fn answer(
    request: hyper::Request<Full<Bytes>>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    now_ms: i64,
) -> Result<Response, Silence> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| Silence::BrokenOff)?;
    let driver = AbortOnDrop(tokio::spawn(connection));
    let answer = sender.send_request(request).await.map_err(|_| Silence::BrokenOff)?;
    let status = answer.status().as_u16();
    let retry_after = retry_after(answer.headers(), now_ms);
    // What is too long to be read, or breaks off, is no answer: a gateway's status says enough without it, a platform's does not.
    let body = Limited::new(answer.into_body(), limits::ANSWER_BYTES_MAX).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    drop(driver);
    Ok(Response { status, retry_after, body })
}

/// A connection whose request was given up is closed.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now_ms: i64) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at_ms = words::http_date(text)?;
    Some(Duration::from_millis(u64::try_from(at_ms - now_ms).unwrap_or(0)))
}
