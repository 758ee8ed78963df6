//! A receiver behind TLS: who vouches for it is named in the configuration, and nothing goes to anybody else.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::serve::Listener;
use muster_proto::v1::{DeliveryChannel, DeliveryOutcome};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

use crate::support::{Memory, Receiver, channel, start, until, within};

/// An authority of a test's own.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn ca_file(folder: &Path, name: &str, authority: &CertifiedIssuer<'_, KeyPair>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, authority.pem()).unwrap();
    format!("ca_file = {:?}", path.to_str().unwrap())
}

struct Secret {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Secret {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, from) = self.listener.accept().await.unwrap();
            // Whoever does not trust the certificate turns away.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A receiver with a certificate for `names`, by that authority.
async fn receiver(authority: &CertifiedIssuer<'_, KeyPair>, names: &[&str]) -> Receiver {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Receiver::over(Secret { listener, acceptor: TlsAcceptor::from(Arc::new(config)) }, "https")
}

#[tokio::test]
async fn a_receiver_that_a_named_authority_vouches_for_is_sent_to() {
    let (folder, desk, authority) = (tempfile::tempdir().unwrap(), Memory::new(1), authority());
    let receiver = receiver(&authority, &["127.0.0.1"]).await;
    let more = ca_file(folder.path(), "ca.pem", &authority);
    let deliveries = start(&folder.path().join("places"), &channel("app", &receiver.url, "\"app\"", &more), &desk);
    desk.call(1);
    until(&deliveries, || desk.outcomes() == [("c1".to_owned(), DeliveryChannel::App, DeliveryOutcome::Sent)]).await;
    within(deliveries.shutdown()).await;
    assert_eq!(receiver.seen().len(), 1);
}

/// Unknown, another's, or for another name: the receiver sees nothing, and the message waits for whoever mends it.
#[tokio::test]
async fn whoever_nobody_vouches_for_is_sent_nothing_and_the_message_is_tried_again() {
    let (folder, authority, other) = (tempfile::tempdir().unwrap(), authority(), authority());
    let (own, elsewhere) = (receiver(&authority, &["127.0.0.1"]).await, receiver(&authority, &["hook.example.gov.cn"]).await);
    let trusted = ca_file(folder.path(), "ca.pem", &authority);
    let another = ca_file(folder.path(), "other.pem", &other);
    for (name, url, more) in [("unknown", &own.url, ""), ("other", &own.url, another.as_str()), ("name", &elsewhere.url, trusted.as_str())]
    {
        let desk = Memory::new(1);
        let deliveries = start(&folder.path().join(name), &channel("app", url, "\"app\"", more), &desk);
        desk.call(1);
        until(&deliveries, || deliveries.statuses()[0].failed >= 2).await;
        let status = deliveries.statuses().remove(0);
        assert_eq!((status.last_failure, status.waiting, status.dead), ("untrusted_certificate", 1, 0), "{name}");
        desk.release(1);
        until(&deliveries, || deliveries.statuses()[0].lag_positions == 0).await;
        within(deliveries.shutdown()).await;
        assert_eq!(desk.outcomes(), [], "{name}: nobody can have been told");
    }
    assert_eq!((own.seen().len(), elsewhere.seen().len()), (0, 0));
}
