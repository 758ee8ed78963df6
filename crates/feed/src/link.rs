//! One connection to NATS, and word of its end. It never comes back to life: whoever loses it opens another and looks
//! again at where things stand, because what the client still held was dropped and what it takes later still goes out.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::{Context, context::ContextBuilder};
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use tokio::sync::watch;
use tokio_rustls::rustls;

use crate::limits;
use crate::target::{Target, without_secrets};

/// The NATS server cannot be reached, or does not let us in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no connection to {url}: {detail}")]
pub struct ConnectError {
    /// Where we tried, without user and password.
    pub url: String,
    /// The client's own words.
    pub detail: String,
}

/// How to connect.
#[derive(Clone, Debug)]
pub(crate) struct LinkOptions {
    /// One address, or several separated by commas, and how to get in: see [`crate::target`].
    pub(crate) url: String,
    /// What the server's operator sees.
    pub(crate) name: String,
    /// What inboxes begin with where the address does not say; the account's rights must allow it.
    pub(crate) inbox_prefix: Option<String>,
}

pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) jetstream: Context,
    lost: watch::Receiver<Option<String>>,
}

impl Link {
    pub(crate) async fn open(options: &LinkOptions) -> Result<Self, ConnectError> {
        let failed = |detail: String| ConnectError { url: without_secrets(&options.url), detail };
        let target = Target::read(&options.url).map_err(failed)?;
        let seed = target.seed().await.map_err(failed)?;
        let tls = tls_config(target.ca.clone()).await.map_err(failed)?;
        let addresses = target.addresses;
        let (told, lost) = watch::channel(None);
        let first = addresses.first().ok_or_else(|| failed("no address".to_owned()))?;
        let mut connect = match Credentials::of(first) {
            Some(Credentials::UserAndPassword(user, password)) => ConnectOptions::with_user_and_password(user, password),
            Some(Credentials::Token(token)) => ConnectOptions::with_token(token),
            None => ConnectOptions::new(),
        };
        if let Some(seed) = seed {
            connect = connect.nkey(seed);
        }
        connect = connect
            .tls_client_config(tls)
            .name(&options.name)
            .connection_timeout(limits::CONNECT_TIMEOUT)
            .request_timeout(Some(limits::API_TIMEOUT))
            .ignore_discovered_servers()
            // One try for each address: enough to connect, and a client that nobody holds any more ends soon.
            .max_reconnects(addresses.len())
            .event_callback(move |event| {
                if let Some(reason) = end_of(&event) {
                    told.send_if_modified(|known| known.is_none().then(|| *known = Some(reason)).is_some());
                }
                std::future::ready(())
            });
        if let Some(prefix) = target.inbox.as_ref().or(options.inbox_prefix.as_ref()) {
            connect = connect.custom_inbox_prefix(prefix);
        }
        let connecting = tokio::time::timeout(limits::CONNECT_TIMEOUT * 2, connect.connect(addresses));
        let client = match connecting.await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => return Err(failed("it did not answer in time".to_owned())),
        };
        let jetstream = ContextBuilder::new().timeout(limits::API_TIMEOUT).build(client.clone());
        Ok(Self { client, jetstream, lost })
    }

    /// Why the connection ended; waits until it has.
    pub(crate) async fn lost(&mut self) -> String {
        match self.lost.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "the client ended".to_owned(),
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.borrow().is_some()
    }
}

/// The events after which nothing that was sent can be relied on.
fn end_of(event: &Event) -> Option<String> {
    match event {
        Event::Disconnected | Event::Closed | Event::Draining => Some("disconnected".to_owned()),
        Event::SlowConsumer(_) => Some("answers were dropped on the way".to_owned()),
        Event::ServerError(error) => Some(error.to_string()),
        Event::ClientError(error) => Some(error.to_string()),
        Event::Connected | Event::LameDuckMode => None,
    }
}

/// What an address says of who we are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    UserAndPassword(String, String),
    Token(String),
}

impl Credentials {
    /// `user:password@` in front of the host, or a token alone.
    pub(crate) fn of(address: &ServerAddr) -> Option<Self> {
        let user = percent_decode(address.username()?);
        Some(match address.password() {
            Some(password) => Self::UserAndPassword(user, percent_decode(password)),
            None => Self::Token(user),
        })
    }
}

pub(crate) fn percent_decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let escaped =
            behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, escaped) {
            (b'%', Some(value)) => {
                decoded.push(value);
                rest = &behind[2..];
            }
            _ => {
                decoded.push(*byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Trusts the certificates of a file and no others, or who the system trusts (`SSL_CERT_FILE` names other certificates).
pub(crate) async fn tls_config(ca: Option<PathBuf>) -> Result<rustls::ClientConfig, String> {
    let named = ca.clone();
    let load = move || match named {
        Some(file) => rustls_native_certs::load_certs_from_paths(Some(&file), None),
        None => rustls_native_certs::load_native_certs(),
    };
    let found = tokio::task::spawn_blocking(load).await.map_err(|error| error.to_string())?;
    let mut roots = rustls::RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if let Some(file) = ca.filter(|_| taken == 0) {
        let reason = found.errors.first().map_or_else(|| "it holds no certificate".to_owned(), ToString::to_string);
        return Err(format!("{}: {reason}", file.display()));
    }
    Ok(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// Waits that grow while nothing goes forward, each with a random part.
pub(crate) struct Backoff {
    tries: u32,
}

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self { tries: 0 }
    }

    /// Something went forward.
    pub(crate) const fn reset(&mut self) {
        self.tries = 0;
    }

    /// The next wait.
    pub(crate) fn next(&mut self) -> Duration {
        let whole = limits::BACKOFF_FIRST.saturating_mul(1 << self.tries.min(16)).min(limits::BACKOFF_LAST);
        self.tries = self.tries.saturating_add(1);
        let random = RandomState::new().build_hasher().finish();
        let half_ms = u64::try_from(whole.as_millis() / 2).unwrap_or(u64::MAX);
        Duration::from_millis(half_ms + random % (half_ms + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_start_again() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..40).map(|_| backoff.next()).collect();
        assert!(waits[0] <= limits::BACKOFF_FIRST);
        assert!(waits.iter().all(|wait| *wait <= limits::BACKOFF_LAST && *wait >= limits::BACKOFF_FIRST / 4));
        assert!(waits[39] >= limits::BACKOFF_LAST / 4);
        backoff.reset();
        assert!(backoff.next() <= limits::BACKOFF_FIRST);
    }
}
