//! How relay and source get in: user and password, token, TLS.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;
use std::sync::Arc;

use muster_feed::{JetStreamSource, Relay, RelayState, SourceOptions};
use muster_log::{Log, MemoryLog, Position};
use muster_views::EventSource as _;
use support::{LOG, Nats, log_of, options, status_where, within};

/// Names the server to the test that runs again as a child of its own.
const TLS_URL: &str = "MUSTER_FEED_TEST_TLS_URL";

async fn relay_and_read(url: &str) {
    let (log, _) = log_of(LOG, 61, 500);
    let relay = Relay::spawn(Arc::clone(&log) as Arc<dyn Log>, options(url.to_owned()));
    status_where(&relay, "live", |status| status.state == RelayState::Live && status.relayed == Position(500)).await;
    let mut source = within("a source", JetStreamSource::open(SourceOptions::new(url, "reader"))).await;
    source.seek(Position(500)).await.unwrap();
    let last = within("the last record", source.next_batch()).await.unwrap();
    assert_eq!(last, [log.read_one(Position(500)).unwrap()]);
    relay.shutdown().await;
}

async fn is_kept_out(log: &Arc<MemoryLog>, url: String) {
    let relay = Relay::spawn(Arc::clone(log) as Arc<dyn Log>, options(url));
    let status = status_where(&relay, "unreachable", |status| matches!(status.state, RelayState::Unreachable { .. })).await;
    let reason = status.state.reason().unwrap();
    assert!(reason.to_lowercase().contains("authorization"), "{reason}");
    assert!(!reason.contains("wrong"), "{reason}");
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn user_and_password_stand_in_the_address() {
    let nats = Nats::start_with(&["-js", "--user", "feed", "--pass", "p@ss:word"]);
    let host = format!("127.0.0.1:{}", nats.port());
    relay_and_read(&format!("nats://feed:p%40ss%3Aword@{host}")).await;
    let (log, _) = log_of(LOG, 62, 10);
    is_kept_out(&log, format!("nats://feed:wrong@{host}")).await;
    is_kept_out(&log, format!("nats://{host}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_a_token() {
    let nats = Nats::start_with(&["-js", "--auth", "t0ken"]);
    let host = format!("127.0.0.1:{}", nats.port());
    relay_and_read(&format!("nats://t0ken@{host}")).await;
    let (log, _) = log_of(LOG, 63, 10);
    is_kept_out(&log, format!("nats://wrong@{host}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_of_several_is_enough() {
    let mut dead = Nats::start();
    dead.kill();
    let nats = Nats::start();
    let urls = format!("{},{}", dead.url(), nats.url());
    relay_and_read(&urls).await;
}

/// The certificates that are trusted are the process's own affair, so that the test runs itself again with others.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_is_spoken_to_in_secret() {
    if let Ok(url) = std::env::var(TLS_URL) {
        return relay_and_read(&url).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (dir.path().join("certificate.pem"), dir.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = [certificate.to_str().unwrap(), key.to_str().unwrap()];
    let nats = Nats::start_with(&["-js", "--tls", "--tlscert", files[0], "--tlskey", files[1]]);

    let (log, _) = log_of(LOG, 64, 10);
    for scheme in ["nats", "tls"] {
        let url = format!("{scheme}://127.0.0.1:{}", nats.port());
        let relay = Relay::spawn(Arc::clone(&log) as Arc<dyn Log>, options(url.clone()));
        let untrusted = status_where(&relay, "unreachable", |status| matches!(status.state, RelayState::Unreachable { .. })).await;
        assert!(untrusted.state.reason().unwrap().contains("no connection"), "{untrusted:?}");
        relay.shutdown().await;

        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "a_server_with_a_certificate_is_spoken_to_in_secret", "--nocapture"]);
        again.env("SSL_CERT_FILE", &certificate).env(TLS_URL, &url);
        let ended = tokio::task::spawn_blocking(move || again.output()).await.unwrap().unwrap();
        let told = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&ended.stderr));
    }
}
