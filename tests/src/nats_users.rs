//! A nats-server as `muster nats config` sets it up: TLS on, an nkey for everybody. It makes throwaway keys and certificates in a
//! folder of its own, and must never write a permission by itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::{Client, ConnectOptions};
use tempfile::TempDir;

use crate::limits::MUSTER_START_MAX;
use crate::nats::{NatsServer, NatsVersion};
use crate::process::run_muster;

/// A nats-server with users.
#[derive(Debug)]
pub struct NatsWithUsers {
    /// The server.
    pub server: NatsServer,
    folder: TempDir,
}

impl NatsWithUsers {
    /// Starts it with the users and areas of the two files' texts.
    ///
    /// # Errors
    /// The configuration is not made, or the nats-server does not take it.
    pub async fn start(version: NatsVersion, users: &str, areas: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("muster-nats-users-").tempdir()?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        std::fs::write(path("ca.pem"), made.cert.pem())?;
        std::fs::write(path("server-key.pem"), made.signing_key.serialize_pem())?;
        std::fs::write(path("users.toml"), users)?;
        std::fs::write(path("areas.csv"), areas)?;
        let (users, areas, out) = (path("users.toml"), path("areas.csv"), path(""));
        let (cert, key) = (path("ca.pem"), path("server-key.pem"));
        let args = ["nats", "config", "--users", &users, "--areas", &areas, "--out", &out, "--cert", &cert, "--key", &key];
        let finished = run_muster(&args, MUSTER_START_MAX).await?;
        ensure!(finished.status.success(), "{}", finished.stderr);
        let server = NatsServer::start_configured(version, folder.path().join("nats-server.conf")).await?;
        Ok(Self { server, folder })
    }

    /// Where its configuration, keys and certificates are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn seed(&self, user: &str) -> PathBuf {
        self.folder.path().join(format!("{user}.nk"))
    }

    /// The address with which a program of ours gets in as a user.
    #[must_use]
    pub fn url(&self, user: &str) -> String {
        let ca = self.folder.path().join("ca.pem");
        format!("tls://127.0.0.1:{}?nkey={}&ca={}&inbox=_INBOX_{user}", self.server.port(), self.seed(user).display(), ca.display())
    }

    /// A client of a user's, as a stranger would make one.
    ///
    /// # Errors
    /// It is not let in.
    pub async fn client(&self, user: &str) -> Result<Client> {
        let seed = std::fs::read_to_string(self.seed(user)).with_context(|| format!("the seed of {user}"))?;
        let options = ConnectOptions::with_nkey(seed.trim().to_owned())
            .add_root_certificates(self.folder.path().join("ca.pem"))
            .custom_inbox_prefix(format!("_INBOX_{user}"))
            .request_timeout(Some(Duration::from_secs(5)));
        options.connect(format!("tls://127.0.0.1:{}", self.server.port())).await.with_context(|| format!("connect as {user}"))
    }
}
